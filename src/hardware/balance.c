/* Balancing channels and sub-batches. */
#include "hardware/balance.h"

#include <stdlib.h>
#include <string.h>

/* Cycles of loading a vector into a bank's buffer, and of one row of multiply-accumulates, in the public code's estimate. */
enum { GWRITE = 100, GEMV_ROW = 184 };

static int64_t ceil_div(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

int64_t weft_attention_estimate(const weft_attention_shape *s, int64_t length)
{
    int64_t logit = ceil_div(s->embedding, s->row_elements) * (GWRITE + ceil_div(length, s->banks) * GEMV_ROW);
    int64_t attend = ceil_div(length, s->row_elements) * s->heads * (GWRITE + ceil_div(s->head_size, s->banks) * GEMV_ROW);
    return logit + attend;
}

/* Descending cost; equal ones in their order, so that the result does not depend on the sort. */
static int compare(const void *a, const void *b, void *costs)
{
    const int64_t *x = a, *y = b, *cost = costs;
    if (cost[*x] != cost[*y])
        return cost[*x] < cost[*y] ? 1 : -1;
    return *x < *y ? -1 : *x > *y;
}

weft_status weft_balance_order(const int64_t *cost, int64_t count, int64_t **out)
{
    *out = malloc((size_t)(count + 1) * sizeof **out);
    if (!*out)
        return weft_fail(WEFT_ERROR_MEMORY, "balancing channels: memory is short");
    for (int64_t i = 0; i < count; i++)
        (*out)[i] = i;
    qsort_r(*out, (size_t)count, sizeof **out, compare, (void *)(uintptr_t)cost);
    return WEFT_OK;
}

weft_status weft_balance_greedy(const int64_t *cost, int64_t count, int channels, int64_t *load, int32_t *channel)
{
    int64_t *order;
    weft_status status = weft_balance_order(cost, count, &order);
    for (int64_t i = 0; i < count && status == WEFT_OK; i++) {
        int least = 0;
        for (int c = 1; c < channels; c++)
            least = load[c] < load[least] ? c : least;
        load[least] += cost[order[i]];
        channel[order[i]] = least;
    }
    free(order);
    return status;
}

void weft_balance_round_robin(int64_t count, int channels, int32_t *channel)
{
    for (int64_t i = 0; i < count; i++)
        channel[i] = (int32_t)(i % channels);
}

weft_status weft_halves(const int32_t *channel, int64_t count, int channels, bool *second)
{
    int64_t *held = calloc((size_t)channels * 2, sizeof *held), *seen = held ? held + channels : NULL;
    if (!held)
        return weft_fail(WEFT_ERROR_MEMORY, "halving a batch: memory is short");
    for (int64_t i = 0; i < count; i++)
        held[channel[i]]++;
    bool up = true;
    for (int c = 0; c < channels; c++) /* held becomes the size of the first half */
        if (held[c] % 2) {
            held[c] = held[c] / 2 + up;
            up = !up;
        } else {
            held[c] /= 2;
        }
    for (int64_t i = 0; i < count; i++)
        second[i] = seen[channel[i]]++ >= held[channel[i]];
    free(held);
    return WEFT_OK;
}

/* Of the requests of one channel, `member` [n], marks those of the second half. reach[k][s]: the first k can sum to s grains. */
static weft_status split_channel(const int64_t *member, int64_t n, const int64_t *cost, int64_t grain, bool *second)
{
    int64_t total = 0;
    for (int64_t k = 0; k < n; k++)
        total += cost[member[k]] / grain;
    int64_t half = total / 2, width = half + 1;
    if (n > 4096 || width > (int64_t)1 << 26 || (n + 1) * width > (int64_t)1 << 30)
        return weft_fail(WEFT_ERROR_MEMORY,
                         "partition: %lld requests of %lld cycles in one channel are too many for exact sums; use a larger grain",
                         (long long)n, (long long)total);
    unsigned char *reach = calloc((size_t)((n + 1) * width), 1);
    if (!reach)
        return weft_fail(WEFT_ERROR_MEMORY, "partition: memory is short");
    reach[0] = 1;
    for (int64_t k = 0; k < n; k++) {
        const unsigned char *from = reach + k * width;
        unsigned char *to = reach + (k + 1) * width;
        int64_t step = cost[member[k]] / grain;
        for (int64_t s = 0; s < width; s++)
            to[s] = from[s] || (s >= step && from[s - step]);
    }
    int64_t best = half;
    while (!reach[n * width + best])
        best--;
    for (int64_t k = n; k-- > 0;) { /* back along one way: an item is left out whenever it can be */
        second[member[k]] = !reach[k * width + best];
        if (second[member[k]])
            best -= cost[member[k]] / grain;
    }
    free(reach);
    return WEFT_OK;
}

weft_status weft_partition(const int32_t *channel, const int64_t *cost, int64_t count, int channels, int64_t grain, bool *second)
{
    int64_t *member = malloc((size_t)(count + 1) * sizeof *member);
    weft_status status = member ? WEFT_OK : weft_fail(WEFT_ERROR_MEMORY, "partition: memory is short");
    for (int c = 0; c < channels && status == WEFT_OK; c++) {
        int64_t n = 0;
        for (int64_t i = 0; i < count; i++)
            if (channel[i] == c)
                member[n++] = i;
        status = split_channel(member, n, cost, grain, second);
    }
    free(member);
    return status;
}
