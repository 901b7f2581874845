/* Serving a stream of requests: iteration-level batching with chunked prompts over a paged key-value cache.
 *
 * Each iteration takes every running request's next token and, up to a budget of tokens, chunks of waiting prompts in order of
 * arrival (Orca, OSDI 2022; Sarathi-Serve, OSDI 2024). A cache is blocks of `block` tokens (vLLM, SOSP 2023); when none is left
 * the request that came last gives its blocks back and computes its tokens again later. An iteration takes as long as
 * weft_iteration_run says, with links and head.
 */
#ifndef WEFT_HARDWARE_SERVING_H
#define WEFT_HARDWARE_SERVING_H

#include "base/progress.h"
#include "hardware/iteration.h"
#include "hardware/trace.h"

typedef struct weft_serving_options {
    weft_iteration_options iteration; /* sub_batch: from `halves_from` decoding requests on */
    int64_t halves_from;              /* 0: never */
    int64_t batch;                    /* requests in flight at most */
    int64_t budget;                   /* tokens an iteration computes at most */
    int64_t block;                    /* tokens of a block of the cache */
    int64_t concurrency;              /* closed loop: so many requests in flight, arrivals of the trace not heeded; 0: open */
    double ttft_goal, tpot_goal;      /* seconds: a request within both counts as good; 0: no goal */
    weft_progress_function progress;
    void *user;
} weft_serving_options;

weft_serving_options weft_serving_defaults(void);

typedef struct weft_served {
    double arrival, start, first, finish; /* seconds: came, first computed, first token done, last token done */
    int64_t prompt, output;
    int64_t preempted; /* times */
} weft_served;

typedef struct weft_percentiles {
    double mean, p50, p90, p99;
} weft_percentiles;

typedef struct weft_serving_sample {
    double seconds;
    double running, waiting, cache; /* requests, requests, share of the blocks */
} weft_serving_sample;

enum { WEFT_SERVING_SAMPLES = 512 };

typedef struct weft_serving_result {
    weft_served *requests; /* [count], in order of the trace */
    int64_t count, iterations, preemptions, blocks, peak_blocks;
    double seconds; /* from the first arrival to the last token */
    double tokens_per_second, prompt_tokens_per_second, requests_per_second;
    double good_requests_per_second, good_share;       /* within the goals */
    weft_percentiles ttft, tpot, end_to_end, queueing; /* seconds */
    double busy_seconds;                               /* iterations alone */
    double mean_batch;
    double energy; /* joules */
    weft_serving_sample samples[WEFT_SERVING_SAMPLES];
    int sample_count;
} weft_serving_result;

weft_status weft_serving_run(const weft_platform *, const weft_llm *, const weft_trace *, const weft_serving_options *,
                             weft_serving_result *out);
void weft_serving_free(weft_serving_result *);

/* Of values [count]; sorts them. The p-th percentile is the least value that p of 100 do not exceed. */
weft_percentiles weft_percentiles_of(double *values, int64_t count);

#endif
