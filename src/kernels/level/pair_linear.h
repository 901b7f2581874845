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

/* Columns [c, c + VECS · LANES) of sums, or those of them before n: Σ_u weight[u] · row u, or · (fixed - row u), onto what is
 * there unless these are the first rows. Sums stay in registers over all rows. */
SIMD_INLINE void add_columns(bool differences, int vecs, int64_t c, int64_t n, int count, const real *fixed,
                             const real *const *rows, const real *weight, bool first, real *sums)
{
    vec sum[4], x[4];
    const bool whole = c + vecs * LANES <= n;
    for (int v = 0; v < vecs; v++) {
        sum[v] = first ? splat(0) : load_columns(sums, c + v * LANES, n, whole);
        x[v] = differences ? load_columns(fixed, c + v * LANES, n, whole) : sum[v];
    }
    for (int u = 0; u < count; u++) {
        const vec factor = splat(weight[u]);
        for (int v = 0; v < vecs; v++) {
            vec y = load_columns(rows[u], c + v * LANES, n, whole);
            if (differences)
                y = x[v] - y;
            sum[v] = mad(factor, y, sum[v]);
        }
    }
    for (int v = 0; v < vecs; v++)
        store_rest(sums + c + v * LANES, sum[v], 0, n - c - v * LANES);
}

SIMD_INLINE void add_rows_as(bool differences, int count, int64_t n, const real *fixed, const real *const *rows,
                             const real *weight, bool first, real *sums)
{
    int64_t c = 0;
    for (; c + 4 * LANES <= n; c += 4 * LANES)
        add_columns(differences, 4, c, n, count, fixed, rows, weight, first, sums);
    for (; c < n; c += LANES)
        add_columns(differences, 1, c, n, count, fixed, rows, weight, first, sums);
}

/* fixed NULL: rows themselves, else differences from it */
static void add_rows(int count, int64_t n, const real *fixed, const real *const *rows, const real *weight, bool first, real *sums)
{
    if (fixed)
        add_rows_as(true, count, n, fixed, rows, weight, first, sums);
    else
        add_rows_as(false, count, n, fixed, rows, weight, first, sums);
}

/* out[i] = Σ_j scale · w[i, j] · (table row, or fixed[i] - table row) */
static void weighted_rows(int64_t r0, int64_t r1, int64_t m, int64_t d, real scale, const real *w, const real *fixed,
                          const real *table, const int64_t *index, real *out)
{
    for (int64_t i = r0; i < r1; i++) {
        const real *rows[PAIR_LIST];
        real weight[PAIR_LIST];
        for (int64_t j = 0; j == 0 || j < m; j += PAIR_LIST) {
            const int count = (int)(m - j < PAIR_LIST ? m - j : PAIR_LIST);
            for (int u = 0; u < count; u++) {
                rows[u] = table + index[i * m + j + u] * d;
                weight[u] = scale * w[i * m + j + u];
            }
            add_rows(count, d, fixed ? fixed + i * d : NULL, rows, weight, j == 0, out + i * d);
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
        const real *rows[PAIR_LIST];
        real weight[PAIR_LIST];
        for (int64_t k = inverse_start[t]; k == inverse_start[t] || k < last; k += PAIR_LIST) {
            const int64_t left = last - k;
            const int count = (int)(left < PAIR_LIST ? left : PAIR_LIST);
            for (int u = 0; u < count; u++) {
                rows[u] = source + inverse[k + u] / m * d;
                weight[u] = scale * w[inverse[k + u]];
            }
            add_rows(count, d, fixed ? fixed + t * d : NULL, rows, weight, k == inverse_start[t], out + t * d);
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
