/* Kernels over (row, context) pairs, the heart of a retrieval step. (TabR: spec section 2.6 and 2.10.)
 *
 * `index` [rows, m] holds, for row i, the numbers of the m table rows it looks at. Arrays are float in pair_f32, double in
 * pair_f64. Every function takes a range of rows (or of destinations) and writes only what belongs to it, so ranges may be
 * computed by any thread; sums run over j (or over a destination's own list) in ascending order.
 * `inverse_start` [targets + 1] and `inverse` [rows·m] list, for each table row, the flat positions i·m + j that point at it,
 * ascending.
 */
#ifndef WEFT_KERNELS_PAIR_H
#define WEFT_KERNELS_PAIR_H

#include "weft/base.h"

/* What relu_sum needs of its dropout: the factor of element (i, j, c) is mask[(i·m + j)·h + c] where a mask is given; else 0 or
 * 1 / (1 - rate), drawn as half-word c of row i·m + j of the stream `key` at `step` (base/random.h); rate 0 and no mask: 1. */
typedef struct weft_pair_dropout {
    double rate;
    uint32_t key[2];
    uint64_t step;
    const void *mask; /* [rows, m, h] of the compute type, or NULL */
    /* [rows, m, ceil(h / 64)], or NULL. relu_sum writes, for each pair with p ≠ 0, bit c & 63 of word c >> 6: whether element c
     * was kept and its relu was positive; the two gradient functions, given the same p, then read it and neither draw again nor
     * (for dtable and da) look at a, table and b. Without it they draw again. Not used with a mask. The sums are the same bits
     * either way. */
    uint64_t *bits;
} weft_pair_dropout;

typedef struct weft_pair_table {
    /* out[i, j] = Σ_c (query[i, c] - table[index[i, j], c])², rows [r0, r1) */
    void (*sqdist)(int64_t r0, int64_t r1, int64_t m, int64_t d, const void *query, const void *table, const int64_t *index,
                   void *out);
    /* dquery[i] = Σ_j 2 g[i, j] (query[i] - table[index[i, j]]) */
    void (*sqdist_grad_query)(int64_t r0, int64_t r1, int64_t m, int64_t d, const void *query, const void *table,
                              const int64_t *index, const void *g, void *dquery);
    /* dtable[t] = -Σ over its list 2 g[i, j] (query[i] - table[t]), destinations [t0, t1); zero where the list is empty */
    void (*sqdist_grad_table)(int64_t t0, int64_t t1, int64_t m, int64_t d, const void *query, const void *table,
                              const int64_t *inverse_start, const int64_t *inverse, const void *g, void *dtable);

    /* out[i, c] = Σ_j p[i, j] · drop(i, j, c) · relu(a[i, c] - table[index[i, j], c] + b[c]); pairs with p = 0 are skipped */
    void (*relu_sum)(int64_t r0, int64_t r1, int64_t m, int64_t h, const void *a, const void *table, const void *b,
                     const int64_t *index, const void *p, const weft_pair_dropout *drop, void *out);
    /* gradients for cotangent g [rows, h]:
     * dp[i, j] = Σ_c g[i, c] drop relu(…) for every pair with p ≠ 0 or all_p (else 0);
     * da[i, c] = g[i, c] Σ_j p[i, j] drop 1[… > 0]; dp or da may be NULL */
    void (*relu_sum_grad_query)(int64_t r0, int64_t r1, int64_t m, int64_t h, const void *a, const void *table, const void *b,
                                const int64_t *index, const void *p, const weft_pair_dropout *drop, const void *g, bool all_p,
                                void *dp, void *da);
    /* dtable[t, c] = -Σ over its list p[i, j] drop g[i, c] 1[… > 0] */
    void (*relu_sum_grad_table)(int64_t t0, int64_t t1, int64_t m, int64_t h, const void *a, const void *table, const void *b,
                                const int64_t *inverse_start, const int64_t *inverse, const void *p,
                                const weft_pair_dropout *drop, const void *g, void *dtable);

    /* out[i] = Σ_j w[i, j] table[index[i, j]] */
    void (*gather_sum)(int64_t r0, int64_t r1, int64_t m, int64_t d, const void *w, const void *table, const int64_t *index,
                       void *out);
    /* dw[i, j] = g[i] · table[index[i, j]] */
    void (*gather_sum_grad_weight)(int64_t r0, int64_t r1, int64_t m, int64_t d, const void *g, const void *table,
                                   const int64_t *index, void *dw);
    /* dtable[t] = Σ over its list w[i, j] g[i], of the `used` first rows i */
    void (*gather_sum_grad_table)(int64_t t0, int64_t t1, int64_t m, int64_t d, int64_t used, const void *w,
                                  const int64_t *inverse_start, const int64_t *inverse, const void *g, void *dtable);
} weft_pair_table;

extern const weft_pair_table weft_pair_f32_v2, weft_pair_f32_v3, weft_pair_f32_v4;
extern const weft_pair_table weft_pair_f64_v2, weft_pair_f64_v3, weft_pair_f64_v4;

#endif
