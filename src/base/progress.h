/* Progress of a long job, told through a callback: the library never prints.
 *
 *     weft_progress *p = weft_progress_new(callback, user, "training", steps, "steps");
 *     for (…) weft_progress_update(p, step, "loss %.4f", loss);
 *     weft_progress_free(p);
 *
 * Updates are cheap: at most ten reports a second reach the callback, and always the first and the last. */
#ifndef WEFT_BASE_PROGRESS_H
#define WEFT_BASE_PROGRESS_H

#include "weft/base.h"

typedef struct weft_progress_report {
    const char *what;    /* "training" */
    const char *unit;    /* "steps" */
    const char *note;    /* "loss 0.123"; "" when there is none */
    int64_t done, total; /* total 0: not known */
    double seconds;      /* since weft_progress_new */
    double rate;         /* units a second since the first update; 0 while unknown */
    double left;         /* seconds; negative while unknown */
    bool finished;       /* the last report: the job has ended, well or not */
} weft_progress_report;

typedef void (*weft_progress_function)(void *user, const weft_progress_report *report);

typedef struct weft_progress weft_progress;

/* `what` and `unit` are copied. NULL when `function` is NULL or memory is short: every call below takes NULL and does nothing. */
weft_progress *weft_progress_new(weft_progress_function function, void *user, const char *what, int64_t total, const char *unit);

/* `done` units are done. A resumed job calls this first with what was done before, so that the rate counts only what is new. */
void weft_progress_update(weft_progress *, int64_t done, const char *note, ...) WEFT_PRINTF(3, 4);

/* Sends the last report and frees. */
void weft_progress_free(weft_progress *);

#endif
