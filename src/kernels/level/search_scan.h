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

static int64_t bad_row(int64_t rows, int64_t d, const void *x_)
{
    const real *x = x_;
    for (int64_t i = 0; i < rows; i++) {
        vec bad = splat(0);
        for (int64_t c = 0; c < d; c += LANES) {
            vec v = load_rest(x, i * d + c, i * d + d);
            bad += v - v; /* 0, or NaN where v is NaN or infinite */
        }
        for (int k = 0; k < LANES; k++)
            if (bad[k] != 0)
                return i;
    }
    return -1;
}

static int64_t pack(int64_t count, int64_t d, int64_t first, const void *keys_, void *panel_)
{
    const real *keys = (const real *)keys_ + first * d;
    real *panel = panel_;
    const int64_t n = count - first < PANEL ? count - first : PANEL;
    const int64_t block = 64 / (int64_t)sizeof(real); /* a cache line of a row */
    for (int64_t c0 = 0; c0 < d; c0 += block) {
        const int64_t c1 = c0 + block < d ? c0 + block : d;
        for (int64_t k = 0; k < PANEL; k++)
            for (int64_t c = c0; c < c1; c++)
                panel[c * PANEL + k] = k < n ? keys[k * d + c] : 0;
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
