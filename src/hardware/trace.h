/* Loads: the requests that a system serves. A trace is a CSV with a header; one column is needed, seq_len, or prompt and output.
 *
 *     seq_len     tokens in the request's context when the step begins, 1 or more
 *     ch_idx      memory channel that holds its keys and values, 0 … channels-1; negative: the request is left out
 *     tokens      computed in the step: 1 unless given, a decoding step; more are a prompt's chunk, which seq_len counts too
 *     arrival_s   seconds at which it arrives, not decreasing
 *     prompt      tokens of its prompt; without it, seq_len
 *     output      tokens that it generates, 1 or more
 */
#ifndef WEFT_HARDWARE_TRACE_H
#define WEFT_HARDWARE_TRACE_H

#include "weft/base.h"

typedef struct weft_load_request {
    int64_t length;         /* seq_len */
    int32_t channel;        /* -1: not given */
    int64_t tokens;         /* of a step; 0 and 1: decodes */
    double arrival;         /* seconds */
    int64_t prompt, output; /* tokens; 0 where the trace has no such column */
} weft_load_request;

typedef struct weft_trace {
    weft_load_request *requests; /* [count] */
    int64_t count;
    bool channels, timed; /* has ch_idx; has arrival_s, or prompt and output */
    int64_t skipped;      /* rows with a negative channel */
} weft_trace;

enum { WEFT_TRACE_MOST_TOKENS = 1 << 24 };

/* `channels`: how many there are; `context`: the model's longest sequence, 0: not known. Errors name file, line, field and value.
 */
weft_status weft_trace_read(const char *path, int channels, int64_t context, weft_trace *out);
weft_status weft_trace_parse(const void *bytes, size_t size, const char *name, int channels, int64_t context, weft_trace *out);
void weft_trace_free(weft_trace *);
/* The same columns; arrival_s, prompt and output only where the trace is timed. */
weft_status weft_trace_write(const weft_trace *, const char *path);

/* Prompt and answer lengths to draw requests from: a CSV with input_toks and output_toks (or prompt and output), plain or gzip.
 * Rows without an answer are left out. */
typedef struct weft_lengths {
    int32_t *prompt, *output; /* [count] */
    int64_t count, dropped;
} weft_lengths;

weft_status weft_lengths_read(const char *path, weft_lengths *out);
void weft_lengths_free(weft_lengths *);

/* What the snapshots of a serving run need to know of the model and the memory (spec of the published trace generator). */
typedef struct weft_trace_options {
    int64_t batch;              /* requests that are alive */
    int64_t warm_up;            /* iterations before the first snapshot; the published traces: 100,000 */
    int64_t between, snapshots; /* iterations from one snapshot to the next (500), and how many */
    int64_t context;            /* longest sequence: 2048 */
    int channels;               /* 32 */
    bool balanced;              /* channels by least load; else round robin */
    int64_t heads, embedding;   /* of the estimate: all heads, and E / n_tp */
    int64_t head_size, layers;  /* layers of one pipeline stage */
    int64_t room;               /* 32 KiB tiles a channel has for keys and values; 0: no limit */
    uint64_t seed;
} weft_trace_options;

/* The published 7B/tp4 run. */
weft_trace_options weft_trace_defaults(void);

/* out[snapshots]; each is freed by the caller. Same seed, same traces. */
weft_status weft_trace_generate(const weft_trace_options *, const weft_lengths *, weft_trace *out);

typedef enum weft_arrivals { WEFT_ARRIVALS_POISSON = 0, WEFT_ARRIVALS_BURSTS, WEFT_ARRIVALS_EVEN } weft_arrivals;

/* `count` requests with arrivals at `rate` a second: exponential gaps; bursts of 1 … 2·burst-1 requests at once with the same
 * mean rate; or even gaps. */
weft_status weft_trace_arrivals(weft_arrivals, double rate, int64_t burst, int64_t count, int64_t context, uint64_t seed,
                                const weft_lengths *, weft_trace *out);

#endif
