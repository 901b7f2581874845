/* A query's running best m: candidates in ascending key order, cut back to the m smallest when they fill their room. */
#ifndef WEFT_KERNELS_SEARCH_BEST_H
#define WEFT_KERNELS_SEARCH_BEST_H

#include "kernels/level/search_tile.h"
#include "kernels/level/vector_real.h"

#if WEFT_REAL_BITS == 32
typedef int32_t order_number;
typedef uint32_t order_bits;
#else
typedef int64_t order_number;
typedef uint64_t order_bits;
#endif
enum { ORDER_SHIFT = WEFT_REAL_BITS - 1 };

/* The bits of a number as an integer that compares as the numbers do. Adding 0 makes -0 and 0 one; NaN, of an inner product that
 * overflows both ways, becomes infinity. */
SIMD_INLINE order_number order_of(real x)
{
    order_number o;
    x = x == x ? x + 0 : (real)INFINITY;
    memcpy(&o, &x, sizeof o);
    return o ^ (order_number)((order_bits)(o >> ORDER_SHIFT) >> 1);
}

/* The same for a vector. */
SIMD_INLINE vec orders_of(vec x)
{
    const mask o = (mask)(select(x == x, x, splat((real)INFINITY)) + splat(0));
    return (vec)(o ^ ((o >> ORDER_SHIFT) & (mask)abs_((vec) ~(mask){0})));
}

SIMD_INLINE real number_of(order_number o)
{
    real x;
    o ^= (order_number)((order_bits)(o >> ORDER_SHIFT) >> 1);
    memcpy(&x, &o, sizeof x);
    return x;
}

static void start(int64_t queries, weft_search_best *best)
{
    for (int64_t q = 0; q < queries; q++) {
        best->found[q] = 0;
        ((real *)best->limit)[q] = (real)NAN;
    }
}

/* The m-th smallest of n > 0 order numbers: bisection on the value, each step one count over the array. */
static order_number smallest(int64_t n, const order_number *order, int64_t m)
{
    order_number low = order[0], high = order[0];
    for (int64_t i = 1; i < n; i++) {
        low = order[i] < low ? order[i] : low;
        high = order[i] > high ? order[i] : high;
    }
    while (low < high) {
        const order_number middle = (order_number)((order_bits)low + ((order_bits)high - (order_bits)low) / 2);
        order_number below = 0;
        for (int64_t i = 0; i < n; i++)
            below += order[i] <= middle;
        if (below >= m)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

/* Keeps the m smallest, the first of equal ones, in their order. */
static void keep_smallest(int64_t m, int64_t n, order_number *order, uint32_t *key, order_number limit)
{
    int64_t below = 0, kept = 0;
    for (int64_t i = 0; i < n; i++)
        below += order[i] < limit;
    int64_t equal = m - below; /* of those equal to the limit, so many stay */
    for (int64_t i = 0; i < n; i++) {
        const order_number o = order[i];
        const bool same = o == limit, stays = o < limit || (same && equal > 0);
        order[kept] = o;
        key[kept] = key[i];
        kept += stays;
        equal -= same;
    }
}

static void keep_best(int64_t query, weft_search_best *best)
{
    const int64_t n = best->found[query], at = query * best->row;
    order_number *order = (order_number *)best->order + at;
    if (n < best->m)
        return;
    const order_number limit = smallest(n, order, best->m);
    if (n > best->m)
        keep_smallest(best->m, n, order, best->key + at, limit);
    best->found[query] = (int32_t)best->m;
    ((real *)best->limit)[query] = number_of(limit);
}

/* One bit a lane: below the limit, or NaN on either side. */
SIMD_INLINE unsigned below_lanes(vec x, real limit)
{
#if defined(WEFT_LEVEL_v4) && WEFT_REAL_BITS == 32
    return _mm512_cmp_ps_mask(x, splat(limit), _CMP_NGE_UQ);
#elif defined(WEFT_LEVEL_v4)
    return _mm512_cmp_pd_mask(x, splat(limit), _CMP_NGE_UQ);
#elif WEFT_REAL_BITS == 32
    return ~(unsigned)SIMD_(movemask, ps)((vec)(x >= splat(limit))) & ((1u << LANES) - 1);
#else
    return ~(unsigned)SIMD_(movemask, pd)((vec)(x >= splat(limit))) & ((1u << LANES) - 1);
#endif
}

/* Those of the panel's keys first, first + 1, … whose bit is set in `below`; x holds the distances. Rare, but for a query's first
 * panels when it has no limit yet. */
static void add_candidates(int64_t query, int64_t first, int64_t panel, uint64_t below, const real *x, weft_search_best *best)
{
    const int64_t at = query * best->row;
    order_number *order = (order_number *)best->order + at;
    uint32_t *key = best->key + at;
    int64_t n = best->found[query];
    if (first + panel > best->count)
        below &= ((uint64_t)1 << (best->count - first)) - 1;
    if (best->exclude && (uint64_t)(best->exclude[query] - first) < (uint64_t)panel)
        below &= ~((uint64_t)1 << (best->exclude[query] - first));
    for (; below; below &= below - 1, n++) {
        const int k = __builtin_ctzll(below);
        order[n] = order_of(x[k]);
        key[n] = (uint32_t)(first + k);
    }
    best->found[query] = (int32_t)n;
    if (n > best->capacity)
        keep_best(query, best);
}

/* Room for both: capacity is at least 2 m. */
static void join(weft_search_best *best, const weft_search_best *from)
{
    keep_best(0, best);
    const int64_t n = best->found[0], more = from->found[0];
    memcpy((order_number *)best->order + n, from->order, (size_t)more * sizeof(order_number));
    memcpy(best->key + n, from->key, (size_t)more * sizeof *from->key);
    best->found[0] = (int32_t)(n + more);
    keep_best(0, best);
}

enum { SORT_RUN = 128 };

/* Writes up to SORT_RUN candidates in ascending order: each goes to the place that its rank says. */
static void sort_run(int n, const order_number *order, const uint32_t *key, order_number *order_out, uint32_t *key_out)
{
    for (int i = 0; i < n; i++) {
        const order_number o = order[i];
        order_number rank = 0;
        for (int j = 0; j < i; j++)
            rank += order[j] <= o;
        for (int j = i + 1; j < n; j++)
            rank += order[j] < o;
        order_out[rank] = o;
        key_out[rank] = key[i];
    }
}

/* Merges the sorted runs [0, half) and [half, n) of one pair of arrays into another; the first run's equals come first. */
static void merge_runs(int64_t half, int64_t n, const order_number *order, const uint32_t *key, order_number *order_out,
                       uint32_t *key_out)
{
    int64_t i = 0, j = half;
    for (int64_t k = 0; k < n; k++) {
        const bool first = j >= n || (i < half && order[i] <= order[j]);
        const int64_t from = first ? i++ : j++;
        order_out[k] = order[from];
        key_out[k] = key[from];
    }
}

/* The row's own room past its candidates is free: capacity is at least 2 m, so m candidates can be sorted back and forth. */
static void finish(int64_t query, weft_search_best *best, bool inner_product, int64_t *index, void *distance)
{
    keep_best(query, best);
    const int64_t at = query * best->row, n = best->found[query];
    order_number *from = (order_number *)best->order + at, *to = from + n;
    uint32_t *key_from = best->key + at, *key_to = key_from + n;
    for (int64_t i = 0; i < n; i += SORT_RUN)
        sort_run((int)(n - i < SORT_RUN ? n - i : SORT_RUN), from + i, key_from + i, to + i, key_to + i);
    for (int64_t run = SORT_RUN; run < n; run *= 2) {
        order_number *swap = from;
        uint32_t *key_swap = key_from;
        from = to, to = swap;
        key_from = key_to, key_to = key_swap;
        for (int64_t i = 0; i < n; i += 2 * run) {
            const int64_t length = n - i < 2 * run ? n - i : 2 * run;
            merge_runs(length < run ? length : run, length, from + i, key_from + i, to + i, key_to + i);
        }
    }
    for (int64_t i = 0; i < n; i++) {
        index[i] = key_to[i];
        if (distance)
            ((real *)distance)[i] = inner_product ? 0 - number_of(to[i]) : number_of(to[i]);
    }
}

#endif
