/* Where requests go: memory channels for their keys and values, and two sub-batches whose attention overlaps the other's
 * matrices. Loads are estimated cycles of attention in the memory (NeuPIMs, algorithms 1 … 3; constants of the public code). */
#ifndef WEFT_HARDWARE_BALANCE_H
#define WEFT_HARDWARE_BALANCE_H

#include "weft/base.h"

/* What the estimate needs of a model and a memory. */
typedef struct weft_attention_shape {
    int64_t embedding;    /* E': heads · head_size of one device */
    int64_t heads;        /* heads of the second term */
    int64_t head_size;    /* dk */
    int64_t row_elements; /* of a DRAM row: 512 of 16 bits */
    int64_t banks;        /* of a channel: 32 */
} weft_attention_shape;

/* ceil(E'/512)·(100 + ceil(seq/32)·184) + ceil(seq/512)·heads·(100 + ceil(dk/32)·184) cycles. */
int64_t weft_attention_estimate(const weft_attention_shape *, int64_t length);

/* Places by descending cost, equal ones in their order; the caller frees *out [count]. */
weft_status weft_balance_order(const int64_t *cost, int64_t count, int64_t **out);

/* channel[count] of requests with estimates cost[count]. Greedy: by descending cost, each to the channel of least load, lowest
 * number on ties. `load` [channels], the loads to begin with, is kept up to date. */
weft_status weft_balance_greedy(const int64_t *cost, int64_t count, int channels, int64_t *load, int32_t *channel);
void weft_balance_round_robin(int64_t count, int channels, int32_t *channel);

/* As greedy on empty channels, then better: exchanges under a falling temperature, never worse than greedy; one seed, one result.
 * cost [phases][count]: phases follow each other, each as long as its heaviest channel, and their sum is made short. */
weft_status weft_balance_anneal(const int64_t *cost, int phases, int64_t count, int channels, uint64_t seed, int32_t *channel);

/* The least heaviest load there can be: annealing until it meets the bound, else branch and bound. *proven: it is the least;
 * false where the search was too large, and the placement is the best one found. */
weft_status weft_balance_exact(const int64_t *cost, int64_t count, int channels, uint64_t seed, int32_t *channel, bool *proven);

/* What no placement's heaviest load is below: the mean, and k + 1 requests where one channel must have them (k·channels < count).
 */
weft_status weft_balance_bound(const int64_t *cost, int64_t count, int channels, int64_t *out);

/* The heaviest load; load [channels] is filled. */
int64_t weft_balance_heaviest(const int64_t *cost, const int32_t *channel, int64_t count, int channels, int64_t *load);

/* second[count]: whether a request goes to sub-batch 2. Halves: per channel the first half of its requests, in their order, to
 * the first; odd counts alternate between ceil and floor over the channels that have odd counts, beginning with ceil. */
weft_status weft_halves(const int32_t *channel, int64_t count, int channels, bool *second);

/* Per channel the split whose larger half is smallest: exact subset sums over costs in steps of `grain` cycles (1: exact). */
weft_status weft_partition(const int32_t *channel, const int64_t *cost, int64_t count, int channels, int64_t grain, bool *second);

#endif
