/* Progress: counts, measures the rate, and keeps the reports ten a second at most. */
#include "base/progress.h"

#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NOTE_BYTES = 160, NAME_BYTES = 64 };
static const double least_gap = 0.1; /* seconds between two reports */

struct weft_progress {
    weft_progress_function function;
    void *user;
    char what[NAME_BYTES], unit[NAME_BYTES], note[NOTE_BYTES];
    int64_t total, done, first_done;
    double start, first, told; /* seconds of the clock; told: when the last report was sent, negative before any */
    bool begun;
};

weft_progress *weft_progress_new(weft_progress_function function, void *user, const char *what, int64_t total, const char *unit)
{
    weft_progress *progress = function ? calloc(1, sizeof *progress) : NULL;
    if (!progress)
        return NULL;
    progress->function = function;
    progress->user = user;
    snprintf(progress->what, sizeof progress->what, "%s", what ? what : "");
    snprintf(progress->unit, sizeof progress->unit, "%s", unit ? unit : "");
    progress->total = total > 0 ? total : 0;
    progress->start = weft_clock();
    progress->told = -1;
    return progress;
}

static void tell(weft_progress *progress, double time, bool finished)
{
    double spent = time - progress->first;
    int64_t made = progress->done - progress->first_done;
    weft_progress_report report = {
        .what = progress->what,
        .unit = progress->unit,
        .note = progress->note,
        .done = progress->done,
        .total = progress->total,
        .seconds = time - progress->start,
        .rate = progress->begun && made > 0 && spent > 0 ? (double)made / spent : 0,
        .left = -1,
        .finished = finished,
    };
    if (report.total > 0 && report.rate > 0)
        report.left = report.done < report.total ? (double)(report.total - report.done) / report.rate : 0;
    progress->told = time;
    progress->function(progress->user, &report);
}

void weft_progress_update(weft_progress *progress, int64_t done, const char *note, ...)
{
    if (!progress)
        return;
    double time = weft_clock();
    if (!progress->begun) {
        /* a job that starts at nothing has been at work since it was announced */
        progress->first = done > 0 ? time : progress->start;
        progress->first_done = done;
        progress->begun = true;
    }
    progress->done = done;
    progress->note[0] = 0;
    if (note) {
        va_list arguments;
        va_start(arguments, note);
        vsnprintf(progress->note, sizeof progress->note, note, arguments);
        va_end(arguments);
    }
    if (progress->told < 0 || time - progress->told >= least_gap)
        tell(progress, time, false);
}

void weft_progress_free(weft_progress *progress)
{
    if (!progress)
        return;
    tell(progress, weft_clock(), true);
    free(progress);
}
