/* A timeline as Chrome's trace format ("Trace Event Format", complete events "X" with ts and dur in microseconds), which Perfetto
 * and chrome://tracing open. Process 1 is the NPU, 2 the memory's channels, 3 the banks of channel 0. */
#include "hardware/timeline.h"

#include <stdio.h>

#include "base/files.h"
#include "base/json.h"

/* Where the tracks of a kind stand; a track's thread is the first plus its index. */
static const struct {
    int process, first_thread;
} tracks[WEFT_TRACK_KINDS] = {
    [WEFT_TRACK_PROGRAM] = {1, 1}, [WEFT_TRACK_SYSTOLIC] = {1, 3}, [WEFT_TRACK_VECTOR] = {1, 10},   [WEFT_TRACK_BUS] = {2, 1},
    [WEFT_TRACK_PIM] = {2, 101},   [WEFT_TRACK_ROW] = {3, 1},      [WEFT_TRACK_PIM_ROW] = {3, 101},
};

static void number(weft_json_writer *w, const char *key, double value)
{
    weft_json_add_key(w, key);
    weft_json_add_number(w, value);
}

static void whole(weft_json_writer *w, const char *key, int64_t value)
{
    weft_json_add_key(w, key);
    weft_json_add_integer(w, value);
}

static void text(weft_json_writer *w, const char *key, const char *value)
{
    weft_json_add_key(w, key);
    weft_json_add_string(w, value);
}

static void name_event(weft_json_writer *w, const char *what, int process, int thread, const char *name)
{
    weft_json_open_object(w);
    text(w, "name", what);
    text(w, "ph", "M");
    whole(w, "pid", process);
    whole(w, "tid", thread);
    weft_json_add_key(w, "args");
    weft_json_open_object(w);
    text(w, "name", name);
    weft_json_close_object(w);
    weft_json_close_object(w);
}

static void name_tracks(weft_json_writer *w, const weft_timeline *t)
{
    bool seen[WEFT_TRACK_KINDS][256] = {{false}};
    const weft_span *spans = weft_timeline_spans(t);
    for (int process = 1; process <= 3; process++)
        name_event(w, "process_name", process, 0, process == 1 ? "NPU" : process == 2 ? "memory channels" : "banks of channel 0");
    for (int64_t i = 0; i < weft_timeline_count(t); i++) {
        const weft_span *s = &spans[i];
        if (seen[s->kind][s->index])
            continue;
        char name[64];
        seen[s->kind][s->index] = true;
        if (s->kind == WEFT_TRACK_PROGRAM)
            snprintf(name, sizeof name, "operators %s", s->index ? "in memory" : "on the NPU");
        else if (s->kind == WEFT_TRACK_VECTOR)
            snprintf(name, sizeof name, "vector unit %d", s->index);
        else if (s->kind == WEFT_TRACK_SYSTOLIC)
            snprintf(name, sizeof name, "systolic arrays");
        else
            snprintf(name, sizeof name, "%s %02d: %s", s->kind >= WEFT_TRACK_ROW ? "bank" : "channel", s->index,
                     s->kind == WEFT_TRACK_BUS   ? "reads and writes"
                     : s->kind == WEFT_TRACK_PIM ? "in memory"
                     : s->kind == WEFT_TRACK_ROW ? "row"
                                                 : "PIM row");
        name_event(w, "thread_name", tracks[s->kind].process, tracks[s->kind].first_thread + s->index, name);
    }
}

weft_status weft_timeline_chrome(const weft_timeline *t, const char *path)
{
    weft_text out = {0};
    weft_json_writer w = weft_json_to(&out, 0);
    const weft_span *spans = weft_timeline_spans(t);
    double microseconds = 1 / weft_timeline_mhz(t);
    weft_json_open_object(&w);
    text(&w, "displayTimeUnit", "ns");
    weft_json_add_key(&w, "traceEvents");
    weft_json_open_list(&w);
    name_tracks(&w, t);
    for (int64_t i = 0; i < weft_timeline_count(t); i++) {
        const weft_span *s = &spans[i];
        char stage[2] = {s->stage, 0};
        weft_json_open_object(&w);
        text(&w, "name", s->name);
        text(&w, "ph", "X");
        number(&w, "ts", s->start * microseconds);
        number(&w, "dur", (s->finish - s->start) * microseconds);
        whole(&w, "pid", tracks[s->kind].process);
        whole(&w, "tid", tracks[s->kind].first_thread + s->index);
        weft_json_add_key(&w, "args");
        weft_json_open_object(&w);
        if (s->stage)
            text(&w, "stage", stage);
        if (s->count > 1)
            whole(&w, "count", s->count);
        if (s->kind >= WEFT_TRACK_ROW)
            whole(&w, "row", s->row);
        weft_json_close_object(&w);
        weft_json_close_object(&w);
    }
    weft_json_close_list(&w);
    weft_json_close_object(&w);
    weft_text_add(&out, "\n");
    weft_status status =
        out.failed ? weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", path) : weft_file_write(path, out.data, out.length);
    weft_text_free(&out);
    return status;
}
