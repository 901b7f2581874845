/* A run watched: spans of every unit for timelines, and how busy the units were over time. A weft_timeline is an engine's sink.
 *
 *     weft_timeline *t = weft_timeline_new(&platform.machine);
 *     options.sink = weft_timeline_event; options.sink_user = t; options.sink_dram = true;
 *     …run…
 *     weft_timeline_finish(t, result);
 *     weft_timeline_chrome(t, "run.json");
 *
 * Times are core cycles. DRAM commands of a channel that follow one another closely are one span with a count.
 */
#ifndef WEFT_HARDWARE_TIMELINE_H
#define WEFT_HARDWARE_TIMELINE_H

#include "weft/hardware.h"

typedef enum weft_track_kind {
    WEFT_TRACK_PROGRAM = 0, /* operators; index 0 NPU, 1 PIM */
    WEFT_TRACK_SYSTOLIC,    /* the arrays, one pipeline */
    WEFT_TRACK_VECTOR,      /* index: unit */
    WEFT_TRACK_BUS,         /* reads and writes; index: channel */
    WEFT_TRACK_PIM,         /* computing in memory; index: channel */
    WEFT_TRACK_ROW,         /* an open row of a bank of the watched channel; index: bank */
    WEFT_TRACK_PIM_ROW,     /* of its second row buffer */
    WEFT_TRACK_KINDS
} weft_track_kind;

typedef struct weft_span {
    uint8_t kind;
    uint8_t index;
    char stage;       /* of operators */
    const char *name; /* lives as long as the program, or is owned by the timeline */
    double start, finish;
    int64_t count; /* commands or blocks that it stands for */
    int64_t row;   /* of rows */
} weft_span;

typedef enum weft_busy { WEFT_BUSY_SYSTOLIC = 0, WEFT_BUSY_VECTOR, WEFT_BUSY_BUS, WEFT_BUSY_PIM, WEFT_BUSY_UNITS } weft_busy;

enum { WEFT_TIMELINE_BINS = 256, WEFT_TIMELINE_SPANS = 2000000 };

typedef struct weft_timeline weft_timeline;

weft_timeline *weft_timeline_new(const weft_hardware *); /* NULL when memory is short */
void weft_timeline_free(weft_timeline *);
void weft_timeline_event(void *timeline, const weft_hardware_event *); /* a weft_hardware_sink */

/* After the run: closes open spans, takes operators from the result where the engine told no events, sorts by start. Fails when
 * memory was short. */
weft_status weft_timeline_finish(weft_timeline *, const weft_hardware_result *);

int64_t weft_timeline_count(const weft_timeline *);
const weft_span *weft_timeline_spans(const weft_timeline *); /* sorted by start */
double weft_timeline_mhz(const weft_timeline *);             /* of the core, whose cycles spans count */
int64_t weft_timeline_dropped(const weft_timeline *);        /* beyond WEFT_TIMELINE_SPANS */
/* Shares of time 0 … 1 in each of WEFT_TIMELINE_BINS equal bins of `width` core cycles; *used: bins that the run reaches. */
const double *weft_timeline_busy(const weft_timeline *, weft_busy, double *width, int *used);

/* Chrome's and Perfetto's trace format: complete events in order of time, microseconds, a track a unit and channel. */
weft_status weft_timeline_chrome(const weft_timeline *, const char *path);

#endif
