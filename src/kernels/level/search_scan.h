/* Panels of keys and the scan over them: the inner loops of the search. See search_tile.h for what they promise. */
#ifndef WEFT_KERNELS_SEARCH_SCAN_H
#define WEFT_KERNELS_SEARCH_SCAN_H

#include "kernels/level/search_best.h"

#if defined(WEFT_LEVEL_v4)
enum { PANEL_VECS = 4 };
#else
enum { PANEL_VECS = 2 }; /* 16 registers */
#endif
enum { PANEL = PANEL_VECS * LANES };

/* Whether n numbers hold a NaN or Inf: a number less itself is 0, those are not. */
static bool any_bad(int64_t n, const real *x)
{
    vec bad = splat(0);
    for (int64_t i = 0; i < n; i += LANES) {
        vec v = load_rest(x, i, n);
        bad += v - v;
    }
    real sum = 0;
    for (int k = 0; k < LANES; k++)
        sum += bad[k];
    return sum != 0;
}

static int64_t bad_row(int64_t rows, int64_t d, const void *x_)
{
    const real *x = x_;
    if (!any_bad(rows * d, x))
        return -1;
    int64_t row = 0;
    while (!any_bad(d, x + row * d))
        row++;
    return row;
}

/* y[c, k] = x[k, c] for 4 × 4 numbers; strides in numbers. */
SIMD_INLINE void transpose_4x4(const real *x, int64_t x_row, real *y, int64_t y_row)
{
    typedef real four __attribute__((vector_size(4 * sizeof(real))));
    four r[4];
    for (int k = 0; k < 4; k++)
        memcpy(&r[k], x + k * x_row, sizeof r[k]);
    const four a = __builtin_shufflevector(r[0], r[1], 0, 4, 1, 5), b = __builtin_shufflevector(r[2], r[3], 0, 4, 1, 5);
    const four e = __builtin_shufflevector(r[0], r[1], 2, 6, 3, 7), f = __builtin_shufflevector(r[2], r[3], 2, 6, 3, 7);
    const four columns[4] = {__builtin_shufflevector(a, b, 0, 1, 4, 5), __builtin_shufflevector(a, b, 2, 3, 6, 7),
                             __builtin_shufflevector(e, f, 0, 1, 4, 5), __builtin_shufflevector(e, f, 2, 3, 6, 7)};
    for (int c = 0; c < 4; c++)
        memcpy(y + c * y_row, &columns[c], sizeof columns[c]);
}

static int64_t pack(int64_t count, int64_t d, int64_t first, const void *keys_, void *panel_)
{
    const real *keys = (const real *)keys_ + first * d;
    real *panel = panel_;
    const int64_t n = count - first < PANEL ? count - first : PANEL;
    int64_t c = 0;
    for (; c + 4 <= d && n == PANEL; c += 4) /* four columns a visit, so that lines of a row are not fetched for every column */
        for (int64_t k = 0; k < PANEL; k += 4)
            transpose_4x4(keys + k * d + c, d, panel + c * PANEL + k, PANEL);
    for (; c < d; c++) {
        for (int64_t k = 0; k < n; k++)
            panel[c * PANEL + k] = keys[k * d + c];
        for (int64_t k = n; k < PANEL; k++)
            panel[c * PANEL + k] = 0;
    }
    int64_t row = bad_row(n, d, keys);
    return row < 0 ? -1 : first + row;
}

/* Σ (q - k)², or -Σ q k: smaller is nearer in either case. */
SIMD_INLINE void sums_of_panel(bool inner_product, int queries, int64_t d, const real *query, const real *panel,
                               vec sums[WEFT_SEARCH_QUERIES][PANEL_VECS])
{
    for (int q = 0; q < queries; q++)
        for (int v = 0; v < PANEL_VECS; v++)
            sums[q][v] = splat(0);
    for (int64_t c = 0; c < d; c++) {
        vec key[PANEL_VECS];
        for (int v = 0; v < PANEL_VECS; v++)
            key[v] = load(panel + c * PANEL + v * LANES);
        for (int q = 0; q < queries; q++) {
            vec x = splat(query[q * d + c]);
            for (int v = 0; v < PANEL_VECS; v++) {
                vec u = key[v] - x;
                sums[q][v] = inner_product ? mad(-x, key[v], sums[q][v]) : mad(u, u, sums[q][v]);
            }
        }
    }
}

SIMD_INLINE void scan_queries(bool inner_product, int queries, int64_t d, const real *query, const real *panels, int64_t p0,
                              int64_t p1, int64_t first_query, weft_search_best *best)
{
    const real *limit = (const real *)best->limit + first_query;
    for (int64_t p = p0; p < p1; p++) {
        vec sums[WEFT_SEARCH_QUERIES][PANEL_VECS];
        uint64_t below[WEFT_SEARCH_QUERIES], any = 0;
        sums_of_panel(inner_product, queries, d, query, panels + p * PANEL * d, sums);
        for (int q = 0; q < queries; q++) {
            below[q] = 0;
            for (int v = 0; v < PANEL_VECS; v++)
                below[q] |= (uint64_t)below_lanes(sums[q][v], limit[q]) << (v * LANES);
            any |= below[q];
        }
        if (!any)
            continue;
        for (int q = 0; q < queries; q++) {
            real x[PANEL] __attribute__((aligned(SIMD_BYTES))); /* stored only here, so that the sums stay in registers */
            if (!below[q])
                continue;
            for (int v = 0; v < PANEL_VECS; v++)
                store(x + v * LANES, sums[q][v]);
            add_candidates(first_query + q, p * PANEL, PANEL, below[q], x, best);
        }
    }
}

SIMD_INLINE void guess_queries(bool inner_product, int queries, int64_t d, const real *query, const real *panels, int64_t p0,
                               int64_t p1, int64_t stride, int64_t rank, real *limit, order_number *sample)
{
    int64_t n = 0;
    for (int64_t p = p0; p < p1; p += stride, n += PANEL) {
        vec sums[WEFT_SEARCH_QUERIES][PANEL_VECS];
        sums_of_panel(inner_product, queries, d, query, panels + p * PANEL * d, sums);
        for (int q = 0; q < queries; q++)
            for (int v = 0; v < PANEL_VECS; v++)
                store((real *)(void *)(sample + q * WEFT_SEARCH_SAMPLE + n + v * LANES), orders_of(sums[q][v]));
    }
    for (int q = 0; q < queries; q++) /* one more, so that a distance equal to the guess is below the limit */
        limit[q] = number_of(smallest(n, sample + q * WEFT_SEARCH_SAMPLE, rank) + 1);
}

static void guess(int64_t queries, int64_t d, const void *query_, const void *panels, int64_t p0, int64_t p1, int64_t stride,
                  int64_t rank, bool inner_product, weft_search_best *best)
{
    const real *query = query_;
    real *limit = best->limit;
    int64_t q = 0;
    for (; q + WEFT_SEARCH_QUERIES <= queries; q += WEFT_SEARCH_QUERIES) {
        if (inner_product)
            guess_queries(true, WEFT_SEARCH_QUERIES, d, query + q * d, panels, p0, p1, stride, rank, limit + q, best->sample);
        else
            guess_queries(false, WEFT_SEARCH_QUERIES, d, query + q * d, panels, p0, p1, stride, rank, limit + q, best->sample);
    }
    for (; q < queries; q++) {
        if (inner_product)
            guess_queries(true, 1, d, query + q * d, panels, p0, p1, stride, rank, limit + q, best->sample);
        else
            guess_queries(false, 1, d, query + q * d, panels, p0, p1, stride, rank, limit + q, best->sample);
    }
}

static void scan(int64_t queries, int64_t d, const void *query_, const void *panels, int64_t p0, int64_t p1, bool inner_product,
                 weft_search_best *best)
{
    const real *query = query_;
    int64_t q = 0;
    for (; q + WEFT_SEARCH_QUERIES <= queries; q += WEFT_SEARCH_QUERIES) {
        if (inner_product)
            scan_queries(true, WEFT_SEARCH_QUERIES, d, query + q * d, panels, p0, p1, q, best);
        else
            scan_queries(false, WEFT_SEARCH_QUERIES, d, query + q * d, panels, p0, p1, q, best);
    }
    for (; q < queries; q++) {
        if (inner_product)
            scan_queries(true, 1, d, query + q * d, panels, p0, p1, q, best);
        else
            scan_queries(false, 1, d, query + q * d, panels, p0, p1, q, best);
    }
}

#endif
