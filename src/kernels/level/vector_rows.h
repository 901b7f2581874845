/* Softmax and the normalisations: kernels on dense rows of n elements. A row's bits depend on its own content and n alone.
 * Statistics are carried in double; the last pass over a row is elementwise in the compute type. */
#ifndef WEFT_KERNELS_VECTOR_ROWS_H
#define WEFT_KERNELS_VECTOR_ROWS_H

#include "kernels/level/vector_reduce.h"

/* Whether a kernel's last pass may write past the caches: much data, and every row made of whole aligned vectors. */
static bool rows_stream(int64_t rows, int64_t n, const void *y)
{
    return n > 0 && n % LANES == 0 && aligned(y) && streams(rows * n);
}

/* The last pass of a row: writes `result`, an expression of i, for i = 0, LANES, 2 LANES … < n; asks for the row at `next`. */
#define ROW_PASS(n, y, stream, next, result) \
    do { \
        int64_t i_ = 0, n_ = (n); \
        for (; i_ + LANES <= n_; i_ += LANES) { \
            const int64_t i = i_; \
            prefetch((next) + i); \
            put((y) + i, (result), (stream)); \
        } \
        if (i_ < n_) { \
            const int64_t i = i_; \
            store_part((y) + i, (result), n_ - i); \
        } \
    } while (0)

SIMD_INLINE void finish(bool stream)
{
    if (stream)
        _mm_sfence();
}

/* max of a row where NaN may be lost: what follows meets the NaN itself */
static real row_max_of_numbers(int64_t n, const real *x)
{
    vec m[4];
    for (int k = 0; k < 4; k++)
        m[k] = splat(-(real)INFINITY);
    int64_t i = 0;
    for (; i + 4 * LANES <= n; i += 4 * LANES)
        for (int k = 0; k < 4; k++)
            m[k] = max_(load(x + i + k * LANES), m[k]);
    for (; i < n; i += LANES)
        m[0] = max_(load_rest_over(-(real)INFINITY, x, i, n), m[0]);
    return max_of(max_(max_(m[0], m[1]), max_(m[2], m[3])));
}

/* Adds the sum of SUM_VECS vectors, first to each other in the compute type: one or two roundings of terms that are themselves
 * rounded, for half the work. */
SIMD_INLINE void add_vectors(const vec *v, vd acc[SUM_CHAINS])
{
    for (int u = 0; u < SUM_VECS; u += 2)
        add_term(TERM_X, v[u] + v[u + 1], v[u], acc + u / 2 * PARTS);
}

/* A row that waits to be scaled: y = e · scale. Written while the next row's exponentials are computed, so that the memory is
 * never idle; y NULL: none. */
typedef struct pending_row {
    real *y;
    const real *e;
    vec scale;
    bool stream;
} pending_row;

/* Σ exp(x - top), carried in double; the terms are kept in e where it is not NULL. Meanwhile writes the pending row and asks for
 * the row at `next`. */
SIMD_INLINE double exp_row(int64_t n, const real *x, real top, real *e, const real *next, pending_row pending)
{
    vd acc[SUM_CHAINS];
    for (int k = 0; k < SUM_CHAINS; k++)
        acc[k] = splat_d(0);
    const vec shift = splat(top);
    int64_t i = 0;
    for (; i + SUM_VECS * LANES <= n; i += SUM_VECS * LANES) {
        vec v[SUM_VECS];
        for (int u = 0; u < SUM_VECS; u++) {
            const int64_t j = i + u * LANES;
            prefetch(next + j);
            v[u] = exp_(load(x + j) - shift);
            if (e)
                store(e + j, v[u]);
            if (pending.y)
                put(pending.y + j, load(pending.e + j) * pending.scale, pending.stream);
        }
        add_vectors(v, acc);
    }
    for (; i < n; i += LANES) {
        /* padding of -infinity would be NaN less an infinite top; zeros in its place are cut off after the exponential */
        vec v = exp_(load_rest(x, i, n) - shift);
        if (i + LANES > n)
            v = keep_first(v, n - i);
        if (e)
            store_rest(e, v, i, n);
        if (pending.y)
            store_rest(pending.y, load_rest(pending.e, i, n) * pending.scale, i, n);
        add_term(TERM_X, v, v, acc);
    }
    return join_chains(acc);
}

enum { KEPT_ROW = 2048 }; /* a row of exponentials, of two in turn, that stays in the nearest cache until it is scaled */

static void softmax(int64_t rows, int64_t n, const void *x, void *y)
{
    real kept[2][KEPT_ROW + 512 / sizeof(real)] __attribute__((aligned(SIMD_BYTES)));
    pending_row pending = {NULL, NULL, splat(0), n <= KEPT_ROW && rows_stream(rows, n, y)};
    for (int64_t r = 0; r < rows; r++) {
        const real *xr = (const real *)x + r * n, *next = r + 1 < rows ? xr + n : xr;
        real *yr = (real *)y + r * n, *e = pending.stream ? kept[r % 2] : yr;
        double sum = exp_row(n, xr, row_max_of_numbers(n, xr), e, next, pending);
        pending.y = yr;
        pending.e = e;
        pending.scale = splat((real)(1 / sum));
    }
    if (rows > 0)
        ROW_PASS(n, pending.y, pending.stream, pending.e, load_rest(pending.e, i, n) * pending.scale);
    finish(pending.stream);
}

static void softmax_grad(int64_t rows, int64_t n, const void *y, const void *dy, void *dx)
{
    bool stream = rows_stream(rows, n, dx);
    for (int64_t r = 0; r < rows; r++) {
        const real *yr = (const real *)y + r * n, *gr = (const real *)dy + r * n, *next = r + 1 < rows ? gr + n : gr;
        const vec s = splat((real)row_sum(TERM_PRODUCT, n, yr, gr));
        ROW_PASS(n, (real *)dx + r * n, stream, next, load_rest(yr, i, n) * (load_rest(gr, i, n) - s));
    }
    finish(stream);
}

static void log_softmax(int64_t rows, int64_t n, const void *x, void *y)
{
    bool stream = rows_stream(rows, n, y);
    for (int64_t r = 0; r < rows; r++) {
        const real *xr = (const real *)x + r * n, *next = r + 1 < rows ? xr + n : xr;
        real top = row_max_of_numbers(n, xr);
        const vec shift = splat(top), log_sum = splat((real)log(exp_row(n, xr, top, NULL, next, (pending_row){0})));
        ROW_PASS(n, (real *)y + r * n, stream, xr, (load_rest(xr, i, n) - shift) - log_sum);
    }
    finish(stream);
}

static void log_softmax_grad(int64_t rows, int64_t n, const void *y, const void *dy, void *dx)
{
    bool stream = rows_stream(rows, n, dx);
    for (int64_t r = 0; r < rows; r++) {
        const real *yr = (const real *)y + r * n, *gr = (const real *)dy + r * n, *next = r + 1 < rows ? gr + n : gr;
        const vec s = splat((real)row_sum(TERM_X, n, gr, NULL));
        ROW_PASS(n, (real *)dx + r * n, stream, next, load_rest(gr, i, n) - exp_(load_rest(yr, i, n)) * s);
    }
    finish(stream);
}

/* What a row's elements need to be normalised: (x - mean) · scale; the mean in two parts keeps its low bits in f32. */
typedef struct row_norm {
    vec mean_high, mean_low, scale;
} row_norm;

/* One pass, about the row's first element s: Σ(x - s) and Σ(x - s)². The variance cannot drown in the second, for (mean - s)² is
 * at most n times the variance: s is one of the n. */
static row_norm layer_statistics(int64_t n, double eps, const real *x)
{
    vd sum[SUM_CHAINS], square[SUM_CHAINS];
    for (int k = 0; k < SUM_CHAINS; k++)
        sum[k] = square[k] = splat_d(0);
    const vd s = splat_d(x[0]);
    for (int64_t i = 0; i < n; i += SUM_VECS * LANES)
        for (int u = 0; u < SUM_VECS && i + u * LANES < n; u++) {
            vd d[PARTS];
            widen_vec(load_rest_over(x[0], x, i + u * LANES, n), d);
            for (int p = 0; p < PARTS; p++) {
                d[p] -= s;
                sum[u * PARTS + p] += d[p];
                square[u * PARTS + p] = mad_d(d[p], d[p], square[u * PARTS + p]);
            }
        }
    double offset = join_chains(sum) / (double)n, variance = join_chains(square) / (double)n - offset * offset;
    double mean = x[0] + offset, rest = offset - (mean - x[0]);
    real high = (real)mean, low = (real)((mean - (double)high) + rest);
    return (row_norm){splat(high), splat(low), splat((real)(1 / sqrt((variance < 0 ? 0 : variance) + eps)))};
}

static row_norm rms_statistics(int64_t n, double eps, const real *x)
{
    double square = row_sum(TERM_SQUARE, n, x, NULL) / (double)n;
    return (row_norm){splat(0), splat(0), splat((real)(1 / sqrt(square + eps)))};
}

SIMD_INLINE vec normalised(row_norm s, vec x)
{
    return ((x - s.mean_high) - s.mean_low) * s.scale;
}

static void layer_norm(int64_t rows, int64_t n, double eps, const void *x, const void *w, const void *b, void *y)
{
    if (n <= 0)
        return;
    bool stream = rows_stream(rows, n, y);
    const vec zero = splat(0);
    for (int64_t r = 0; r < rows; r++) {
        const real *xr = (const real *)x + r * n, *next = r + 1 < rows ? xr + n : xr;
        real *yr = (real *)y + r * n;
        const row_norm s = layer_statistics(n, eps, xr);
        if (w && b)
            ROW_PASS(n, yr, stream, next, mad(normalised(s, load_rest(xr, i, n)), load_rest(w, i, n), load_rest(b, i, n)));
        else if (w)
            ROW_PASS(n, yr, stream, next, normalised(s, load_rest(xr, i, n)) * load_rest(w, i, n));
        else
            ROW_PASS(n, yr, stream, next, normalised(s, load_rest(xr, i, n)) + (b ? load_rest(b, i, n) : zero));
    }
    finish(stream);
}

static void rms_norm(int64_t rows, int64_t n, double eps, double offset, const void *x, const void *w, void *y)
{
    bool stream = rows_stream(rows, n, y);
    const vec shift = splat((real)offset);
    for (int64_t r = 0; r < rows; r++) {
        const real *xr = (const real *)x + r * n, *next = r + 1 < rows ? xr + n : xr;
        const vec scale = rms_statistics(n, eps, xr).scale;
        if (w)
            ROW_PASS(n, (real *)y + r * n, stream, next, (load_rest(xr, i, n) * scale) * (shift + load_rest(w, i, n)));
        else
            ROW_PASS(n, (real *)y + r * n, stream, next, load_rest(xr, i, n) * scale);
    }
    finish(stream);
}

/* dx = scale (g - mean(g) - xhat mean(g xhat)) for g = dy · w; the root mean square has no mean(g). dx and xhat may be x or dy:
 * the last pass reads all it needs of a vector before it writes. */
SIMD_INLINE void norm_grad_row(bool centred, int64_t n, row_norm s, vec shift, const real *x, const real *w, const real *dy,
                               real *dx, real *xhat)
{
    vd sum[2][PARTS];
    for (int p = 0; p < PARTS; p++)
        sum[0][p] = sum[1][p] = splat_d(0);
    for (int64_t i = 0; i < n; i += LANES) {
        vec g = load_rest(dy, i, n); /* padding: 0 times whatever is finite */
        if (w)
            g = g * (shift + load_rest(w, i, n));
        vec h = normalised(s, load_rest(x, i, n));
        if (centred)
            add_term(TERM_X, g, g, sum[0]);
        add_term(TERM_PRODUCT, g, h, sum[1]);
    }
    vd all[2] = {sum[0][0], sum[1][0]};
    for (int p = 1; p < PARTS; p++)
        all[0] += sum[0][p], all[1] += sum[1][p];
    const vec mean_g = splat((real)(sum_d(all[0]) / (double)n)), mean_gh = splat((real)(sum_d(all[1]) / (double)n));
    for (int64_t i = 0; i < n; i += LANES) {
        vec g = load_rest(dy, i, n);
        if (w)
            g = g * (shift + load_rest(w, i, n));
        vec h = normalised(s, load_rest(x, i, n));
        store_rest(dx, s.scale * ((g - mean_g) - h * mean_gh), i, n);
        if (xhat)
            store_rest(xhat, h, i, n);
    }
}

static void layer_norm_grad(int64_t rows, int64_t n, double eps, const void *x, const void *w, const void *dy, void *dx,
                            void *xhat)
{
    for (int64_t r = 0; r < rows; r++) {
        const real *xr = (const real *)x + r * n;
        norm_grad_row(true, n, layer_statistics(n, eps, xr), splat(0), xr, w, (const real *)dy + r * n, (real *)dx + r * n,
                      xhat ? (real *)xhat + r * n : NULL);
    }
}

static void rms_norm_grad(int64_t rows, int64_t n, double eps, double offset, const void *x, const void *w, const void *dy,
                          void *dx, void *xhat)
{
    for (int64_t r = 0; r < rows; r++) {
        const real *xr = (const real *)x + r * n;
        norm_grad_row(false, n, rms_statistics(n, eps, xr), splat((real)offset), xr, w, (const real *)dy + r * n,
                      (real *)dx + r * n, xhat ? (real *)xhat + r * n : NULL);
    }
}

#endif
