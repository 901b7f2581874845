/* Sweeps: many design points on all cores, and by any number of processes, written down as they are done, so that a sweep that
 * was stopped goes on where it was.
 *
 * The journal is a line of JSON a point: its name, a checksum of everything it was computed from, and its numbers. A point whose
 * name and checksum stand there already is not computed again. Processes that are given the same points and the same journal, on
 * machines that share its folder, divide the points among them, and each ends with all of them; one that dies leaves its
 * points to the others. Numbers are those of single runs, whatever the number of threads and processes.
 */
#ifndef WEFT_HARDWARE_SWEEP_H
#define WEFT_HARDWARE_SWEEP_H

#include "base/progress.h"
#include "hardware/design.h"

typedef struct weft_sweep_point {
    char name[256];                      /* what tells it from the others: "GPT3-7B neupims+sub batch 256 …" */
    const char *model, *hardware, *load; /* of the tables; borrowed */
    weft_design design;
    uint64_t checksum;
    bool done, failed, efficient; /* efficient: no other point is better in one and as good in all of the four objectives */
    char *error;                  /* of a failed one, owned */
    double cycles, tokens_per_second, seconds_per_token; /* of each request */
    double joules_per_token, area;                       /* J; m² of all devices */
    double utilization, npu_utilization, pim_utilization, bandwidth_utilization;
    int64_t devices, batch;
    bool halves;
} weft_sweep_point;

typedef struct weft_sweep_options {
    int threads;         /* ≤ 0: all cores */
    const char *journal; /* a file, with a JOURNAL.lock beside it; NULL: none */
    weft_progress_function progress;
    void *user;
} weft_sweep_options;

typedef struct weft_sweep_summary {
    int64_t computed, reused; /* by this call; found in the journal when it began */
    int64_t elsewhere;        /* by other processes meanwhile */
    int64_t failed;           /* of all */
    double seconds;           /* of computing, and of waiting for the others */
} weft_sweep_summary;

/* Evaluates all points; *interrupted ones stay undone, and the call answers WEFT_ERROR_INTERRUPTED with the journal written. */
weft_status weft_sweep_run(weft_sweep_point *points, int64_t count, const weft_sweep_options *, weft_sweep_summary *out);
void weft_sweep_free(weft_sweep_point *points, int64_t count); /* what run allocated, not the array */

/* Marks points on the front of most tokens a second, least seconds a token, least joules a token and least area. */
weft_status weft_sweep_mark(weft_sweep_point *points, int64_t count);

weft_status weft_sweep_table(const weft_sweep_point *points, int64_t count, bool efficient_only, const char *path); /* CSV */

#endif
