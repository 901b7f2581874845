/* Squared distances and weighted sums over (row, context) pairs, and their gradients (TabR spec 2.6). Dots are reduced from
 * vectors in a fixed tree; sums over pairs run in ascending order, one chain an element. */
#ifndef WEFT_KERNELS_PAIR_LINEAR_H
#define WEFT_KERNELS_PAIR_LINEAR_H

#include "kernels/level/pair_relu.h"

/* Σ over columns, for each of `together` rows: (fixed - row)² or fixed · row. */
SIMD_INLINE void dot_group(bool squares, int together, int64_t n, const real *fixed, const real *const *rows, real *out)
{
    vec dots[PAIR_GROUP];
    for (int u = 0; u < together; u++)
        dots[u] = splat(0);
    for (int64_t c = 0; c < n; c += LANES) {
        const bool whole = c + LANES <= n;
        vec x = load_columns(fixed, c, n, whole);
        for (int u = 0; u < together; u++) {
            vec y = load_columns(rows[u], c, n, whole);
            dots[u] = squares ? mad(x - y, x - y, dots[u]) : mad(x, y, dots[u]);
        }
    }
    for (int u = 0; u < together; u++)
        out[u] = (real)sum_lanes(dots[u]);
}

SIMD_INLINE void dot_rows(bool squares, int64_t r0, int64_t r1, int64_t m, int64_t d, const real *fixed, const real *table,
                          const int64_t *index, real *out)
{
    for (int64_t i = r0; i < r1; i++)
        for (int64_t j = 0; j < m; j += PAIR_GROUP) {
            const real *rows[PAIR_GROUP];
            const int64_t count = m - j < PAIR_GROUP ? m - j : PAIR_GROUP;
            for (int u = 0; u < PAIR_GROUP; u++) /* past the row's end: the last again, not kept */
                rows[u] = table + index[i * m + (u < count ? j + u : m - 1)] * d;
            real dots[PAIR_GROUP];
            dot_group(squares, PAIR_GROUP, d, fixed + i * d, rows, dots);
            for (int64_t u = 0; u < count; u++)
                out[i * m + j + u] = dots[u];
        }
}

static void sqdist(int64_t r0, int64_t r1, int64_t m, int64_t d, const void *query, const void *table, const int64_t *index,
                   void *out)
{
    dot_rows(true, r0, r1, m, d, query, table, index, out);
}

static void gather_sum_grad_weight(int64_t r0, int64_t r1, int64_t m, int64_t d, const void *g, const void *table,
                                   const int64_t *index, void *dw)
{
    dot_rows(false, r0, r1, m, d, g, table, index, dw);
}

/* sums += Σ_u weight[u] · row, or · (fixed - row) when fixed is given. */
SIMD_INLINE void axpy_group(bool differences, int together, int64_t n, const real *fixed, const real *const *rows,
                            const real *weight, real *sums)
{
    for (int64_t c = 0; c < n; c += LANES) {
        const bool whole = c + LANES <= n;
        vec sum = load_columns(sums, c, n, whole), x = differences ? load_columns(fixed, c, n, whole) : sum;
        for (int u = 0; u < together; u++) {
            vec y = load_columns(rows[u], c, n, whole);
            if (differences)
                y = x - y;
            sum = mad(splat(weight[u]), y, sum);
        }
        store_rest(sums + c, sum, 0, n - c);
    }
}

static void axpy_rows(bool differences, int count, int64_t n, const real *fixed, const real *const *rows, const real *weight,
                      real *sums)
{
    if (count == PAIR_GROUP && differences)
        axpy_group(true, PAIR_GROUP, n, fixed, rows, weight, sums);
    else if (count == PAIR_GROUP)
        axpy_group(false, PAIR_GROUP, n, fixed, rows, weight, sums);
    else
        for (int u = 0; u < count; u++) {
            if (differences)
                axpy_group(true, 1, n, fixed, rows + u, weight + u, sums);
            else
                axpy_group(false, 1, n, fixed, rows + u, weight + u, sums);
        }
}

/* out[i] = Σ_j scale · w[i, j] · (table row, or fixed[i] - table row) */
static void weighted_rows(int64_t r0, int64_t r1, int64_t m, int64_t d, real scale, const real *w, const real *fixed,
                          const real *table, const int64_t *index, real *out)
{
    for (int64_t i = r0; i < r1; i++) {
        memset(out + i * d, 0, (size_t)d * sizeof(real));
        for (int64_t j = 0; j < m; j += PAIR_GROUP) {
            const real *rows[PAIR_GROUP];
            real weight[PAIR_GROUP];
            const int count = (int)(m - j < PAIR_GROUP ? m - j : PAIR_GROUP);
            for (int u = 0; u < count; u++) {
                rows[u] = table + index[i * m + j + u] * d;
                weight[u] = scale * w[i * m + j + u];
            }
            axpy_rows(fixed != NULL, count, d, fixed ? fixed + i * d : NULL, rows, weight, out + i * d);
        }
    }
}

/* out[t] = Σ over its list of scale · w[i, j] · (row i, or fixed[t] - row i), of positions i·m + j before `end` */
static void weighted_lists(int64_t t0, int64_t t1, int64_t m, int64_t d, real scale, const real *w, const real *fixed,
                           const real *source, const int64_t *inverse_start, const int64_t *inverse, int64_t end, real *out)
{
    for (int64_t t = t0; t < t1; t++) {
        int64_t last = inverse_start[t + 1];
        while (last > inverse_start[t] && inverse[last - 1] >= end)
            last--;
        memset(out + t * d, 0, (size_t)d * sizeof(real));
        for (int64_t k = inverse_start[t]; k < last; k += PAIR_GROUP) {
            const real *rows[PAIR_GROUP];
            real weight[PAIR_GROUP];
            const int64_t left = last - k;
            const int count = (int)(left < PAIR_GROUP ? left : PAIR_GROUP);
            for (int u = 0; u < count; u++) {
                rows[u] = source + inverse[k + u] / m * d;
                weight[u] = scale * w[inverse[k + u]];
            }
            axpy_rows(fixed != NULL, count, d, fixed ? fixed + t * d : NULL, rows, weight, out + t * d);
        }
    }
}

static void sqdist_grad_query(int64_t r0, int64_t r1, int64_t m, int64_t d, const void *query, const void *table,
                              const int64_t *index, const void *g, void *dquery)
{
    weighted_rows(r0, r1, m, d, 2, g, query, table, index, dquery);
}

static void sqdist_grad_table(int64_t t0, int64_t t1, int64_t m, int64_t d, const void *query, const void *table,
                              const int64_t *inverse_start, const int64_t *inverse, const void *g, void *dtable)
{
    weighted_lists(t0, t1, m, d, 2, g, table, query, inverse_start, inverse, INT64_MAX, dtable); /* -2 g (q - t) = 2 g (t - q) */
}

static void gather_sum(int64_t r0, int64_t r1, int64_t m, int64_t d, const void *w, const void *table, const int64_t *index,
                       void *out)
{
    weighted_rows(r0, r1, m, d, 1, w, NULL, table, index, out);
}

static void gather_sum_grad_table(int64_t t0, int64_t t1, int64_t m, int64_t d, int64_t used, const void *w,
                                  const int64_t *inverse_start, const int64_t *inverse, const void *g, void *dtable)
{
    weighted_lists(t0, t1, m, d, 1, w, NULL, g, inverse_start, inverse, used * m, dtable);
}

#endif
