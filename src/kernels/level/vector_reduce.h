/* Sums and maxima. Sums are carried in double: along a row, in four vectors of double that take turns and are joined in a
 * fixed tree, so the order depends on n alone; down a column, in one chain from the first row to the last. */
#ifndef WEFT_KERNELS_VECTOR_REDUCE_H
#define WEFT_KERNELS_VECTOR_REDUCE_H

#include "kernels/level/vector_real.h"

enum { SUM_CHAINS = 4, SUM_VECS = SUM_CHAINS / PARTS };

/* Terms of a sum: x, x², or x·z. Zero padding adds nothing to any. */
typedef enum row_term { TERM_X, TERM_SQUARE, TERM_PRODUCT } row_term;

SIMD_INLINE void add_term(row_term term, vec x, vec z, vd acc[PARTS])
{
    vd a[PARTS], b[PARTS];
    widen_vec(x, a);
    widen_vec(term == TERM_PRODUCT ? z : x, b);
    for (int p = 0; p < PARTS; p++)
        if (term == TERM_X)
            acc[p] += a[p];
        else
            acc[p] = mad_d(a[p], b[p], acc[p]);
}

SIMD_INLINE double join_chains(const vd acc[SUM_CHAINS])
{
    return sum_d((acc[0] + acc[1]) + (acc[2] + acc[3]));
}

SIMD_INLINE double row_sum(row_term term, int64_t n, const real *x, const real *z)
{
    vd acc[SUM_CHAINS];
    for (int k = 0; k < SUM_CHAINS; k++)
        acc[k] = splat_d(0);
    if (term != TERM_PRODUCT)
        z = x;
    int64_t i = 0;
    for (; i + SUM_VECS * LANES <= n; i += SUM_VECS * LANES)
        for (int u = 0; u < SUM_VECS; u++)
            add_term(term, load(x + i + u * LANES), load(z + i + u * LANES), acc + u * PARTS);
    for (; i < n; i += LANES)
        add_term(term, load_rest(x, i, n), load_rest(z, i, n), acc);
    return join_chains(acc);
}

/* The larger, NaN where either is NaN. */
SIMD_INLINE vec larger(vec x, vec m)
{
    return select((x > m) | (x != x), x, m);
}

static real row_max(int64_t n, const real *x)
{
    vec m[4];
    for (int k = 0; k < 4; k++)
        m[k] = splat(-(real)INFINITY);
    int64_t i = 0;
    for (; i + 4 * LANES <= n; i += 4 * LANES)
        for (int k = 0; k < 4; k++)
            m[k] = larger(load(x + i + k * LANES), m[k]);
    for (; i < n; i += LANES)
        m[0] = larger(load_rest_over(-(real)INFINITY, x, i, n), m[0]);
    vec all = larger(larger(m[0], m[1]), larger(m[2], m[3]));
    real largest = all[0];
    for (int k = 1; k < LANES; k++)
        largest = all[k] > largest || all[k] != all[k] ? all[k] : largest;
    return largest;
}

/* `vecs` vectors of columns at once: y[c] = Σ_i x[i, c] or Σ_i x[i, c] z[i, c]; `count` columns, no more than vecs hold */
SIMD_INLINE void column_block(int vecs, bool product, int64_t rows, int64_t stride, int64_t count, const real *x, const real *z,
                              real *y)
{
    vd acc[4 * PARTS];
    for (int k = 0; k < vecs * PARTS; k++)
        acc[k] = splat_d(0);
    for (int64_t r = 0; r < rows; r++)
        for (int k = 0; k < vecs; k++)
            add_term(product ? TERM_PRODUCT : TERM_X, load_rest(x + r * stride, k * LANES, count),
                     product ? load_rest(z + r * stride, k * LANES, count) : splat(0), acc + k * PARTS);
    for (int k = 0; k < vecs; k++)
        store_rest(y, narrow_vec(acc + k * PARTS), k * LANES, count);
}

SIMD_INLINE void columns(bool product, int64_t rows, int64_t stride, int64_t count, const real *x, const real *z, real *y)
{
    int64_t c = 0;
    for (; c + 4 * LANES <= count; c += 4 * LANES)
        column_block(4, product, rows, stride, 4 * LANES, x + c, product ? z + c : z, y + c);
    for (; c < count; c += LANES)
        column_block(1, product, rows, stride, count - c < LANES ? count - c : LANES, x + c, product ? z + c : z, y + c);
}

static void column_max(int64_t rows, int64_t stride, int64_t count, const real *x, real *y)
{
    for (int64_t c = 0; c < count; c += LANES) {
        vec m = splat(-(real)INFINITY);
        for (int64_t r = 0; r < rows; r++)
            m = larger(load_rest(x + r * stride, c, count), m);
        store_rest(y, m, c, count);
    }
}

static void reduce(weft_reduce op, int64_t outer, int64_t r, int64_t inner, const void *x, void *y)
{
    const real *xs = x;
    real *ys = y;
    for (int64_t o = 0; o < outer; o++) {
        const real *xo = xs + o * r * inner;
        if (inner == 1 && op == WEFT_SUM)
            ys[o] = (real)row_sum(TERM_X, r, xo, NULL);
        else if (inner == 1)
            ys[o] = row_max(r, xo);
        else if (op == WEFT_SUM)
            columns(false, r, inner, inner, xo, NULL, ys + o * inner);
        else
            column_max(r, inner, inner, xo, ys + o * inner);
    }
}

static void column_sum(int64_t rows, int64_t n, int64_t c0, int64_t c1, const void *x, void *y)
{
    columns(false, rows, n, c1 - c0, (const real *)x + c0, NULL, (real *)y + c0);
}

static void column_dot(int64_t rows, int64_t n, int64_t c0, int64_t c1, const void *x, const void *z, void *y)
{
    columns(true, rows, n, c1 - c0, (const real *)x + c0, (const real *)z + c0, (real *)y + c0);
}

static double dot(int64_t n, const void *x, const void *z)
{
    return row_sum(TERM_PRODUCT, n, x, z);
}

#endif
