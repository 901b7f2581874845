/* Elementwise kernels. Every loop below runs over whole vectors only: what does not fill a vector is copied into a padded
 * buffer and goes through the very same loop, so an element's bits cannot depend on where it stands. */
#ifndef WEFT_KERNELS_VECTOR_ELEMENTWISE_H
#define WEFT_KERNELS_VECTOR_ELEMENTWISE_H

#include "kernels/level/vector_real.h"

/* `vectors` whole vectors; the steps are LANES, or 0 for an operand that is one vector for all. p is the op's parameter. */
typedef void map_loop(real p, int64_t vectors, const real *a, int64_t a_step, const real *b, int64_t b_step, const real *c,
                      int64_t c_step, real *y, bool stream);

typedef struct map_operand {
    const real *data;
    int64_t stride; /* 1, or 0 for one value */
} map_operand;

enum { MAP_OPERANDS = 3 };

/* `count` elements from `start`, count < LANES, through padded buffers */
static void map_part(map_loop *loop, real p, const map_operand operand[MAP_OPERANDS], int64_t start, int64_t count, real *y)
{
    real buffer[MAP_OPERANDS + 1][LANES] __attribute__((aligned(SIMD_BYTES)));
    for (int k = 0; k < MAP_OPERANDS; k++)
        store(buffer[k], operand[k].stride ? load_part(operand[k].data + start, count) : splat(operand[k].data[0]));
    loop(p, 1, buffer[0], 0, buffer[1], 0, buffer[2], 0, buffer[MAP_OPERANDS], false);
    store_part(y + start, load(buffer[MAP_OPERANDS]), count);
}

static void map(map_loop *loop, real p, int64_t n, map_operand a, map_operand b, map_operand c, real *y)
{
    if (n <= 0)
        return;
    const map_operand operand[MAP_OPERANDS] = {a, b, c};
    int64_t i = 0;
    bool stream = streams(n) && (uintptr_t)y % sizeof(real) == 0;
    if (stream && !aligned(y)) {
        i = (int64_t)((SIMD_BYTES - (uintptr_t)y % SIMD_BYTES) / sizeof(real));
        map_part(loop, p, operand, 0, i, y);
    }
    real same[MAP_OPERANDS][LANES] __attribute__((aligned(SIMD_BYTES)));
    const real *data[MAP_OPERANDS];
    int64_t step[MAP_OPERANDS];
    for (int k = 0; k < MAP_OPERANDS; k++) {
        step[k] = operand[k].stride ? LANES : 0;
        data[k] = operand[k].stride ? operand[k].data + i : same[k];
        if (!operand[k].stride)
            store(same[k], splat(operand[k].data[0]));
    }
    int64_t vectors = (n - i) / LANES;
    loop(p, vectors, data[0], step[0], data[1], step[1], data[2], step[2], y + i, stream);
    if (stream)
        _mm_sfence();
    i += vectors * LANES;
    if (i < n)
        map_part(loop, p, operand, i, n - i, y);
}

#define MAP_LOOP(name, result) \
    static void name(real p, int64_t vectors, const real *pa, int64_t a_step, const real *pb, int64_t b_step, const real *pc, \
                     int64_t c_step, real *y, bool stream) \
    { \
        const vec P = splat(p); \
        for (int64_t i = 0; i < vectors; i++) { \
            const vec a = load(pa), b = load(pb), c = load(pc); \
            (void)P, (void)a, (void)b, (void)c; \
            put(y + i * LANES, result, stream); \
            pa += a_step, pb += b_step, pc += c_step; \
        } \
    }

#define ZERO splat(0)
#define ONE  splat(1)

/* Below this a gate times x has rounded to 0 in either type; the bound keeps -infinity times 0 away. NaN passes. */
SIMD_INLINE vec above(vec x)
{
    return max_(splat(-1000), x);
}

SIMD_INLINE vec between(vec x)
{
    return min_(splat(1000), max_(splat(-1000), x));
}

/* σ(x), and σ'(x) = σ(x) σ(-x), from e = exp(-|x|) ≤ 1: nothing overflows, nothing cancels */
SIMD_INLINE vec sigmoid_slope(vec x, vec *slope)
{
    vec e = exp_(-abs_(x)), r = ONE / (e + ONE);
    *slope = e * r * r;
    return select(x >= ZERO, ONE, e) * r;
}

SIMD_INLINE vec sigmoid(vec x)
{
    vec e = exp_(-abs_(x));
    return select(x >= ZERO, ONE, e) / (e + ONE);
}

SIMD_INLINE vec softplus(vec x)
{
    return max_(ZERO, x) + log1p_unit(exp_(-abs_(x)));
}

SIMD_INLINE vec gelu(vec x)
{
    vec pdf;
    x = above(x);
    return x * normal_cdf(x, &pdf);
}

SIMD_INLINE vec gelu_slope(vec x)
{
    vec pdf;
    x = between(x);
    vec cdf = normal_cdf(x, &pdf);
    return mad(x, pdf, cdf);
}

/* ½x(1 + tanh u) = x σ(2u), u = √(2/π) (x + 0.044715 x³) */
#define GELU_TANH_SCALE ((real)1.5957691216057307117597842397375)
SIMD_INLINE vec gelu_tanh_argument(vec x)
{
    return splat(GELU_TANH_SCALE) * mad(x * x * splat((real)0.044715), x, x);
}

SIMD_INLINE vec gelu_tanh(vec x)
{
    x = above(x);
    return x * sigmoid(gelu_tanh_argument(x));
}

SIMD_INLINE vec gelu_tanh_slope(vec x)
{
    vec slope;
    x = between(x);
    vec s = sigmoid_slope(gelu_tanh_argument(x), &slope);
    return mad(x * slope, splat(GELU_TANH_SCALE) * mad(x * x, splat((real)(3 * 0.044715)), ONE), s);
}

/* x σ(kx): quick_gelu has k = 1.702, silu has k = 1 */
SIMD_INLINE vec swish(vec x, real k)
{
    x = above(x);
    return x * sigmoid(x * splat(k));
}

SIMD_INLINE vec swish_slope(vec x, real k)
{
    vec slope;
    x = between(x);
    vec s = sigmoid_slope(x * splat(k), &slope);
    return mad(x * slope, splat(k), s);
}

SIMD_INLINE vec sigmoid_only_slope(vec x)
{
    vec slope;
    sigmoid_slope(x, &slope);
    return slope;
}

/* 1 - tanh² x = 4 σ'(2x) */
SIMD_INLINE vec tanh_slope(vec x)
{
    return splat(4) * sigmoid_only_slope(x + x);
}

SIMD_INLINE vec sign(vec x)
{
    vec s = select(x > ZERO, ONE, select(x < ZERO, splat(-1), ZERO));
    return select(x == x, s, x);
}

MAP_LOOP(loop_neg, -a)
MAP_LOOP(loop_abs, abs_(a))
MAP_LOOP(loop_exp, exp_(a))
MAP_LOOP(loop_log, log_(a))
MAP_LOOP(loop_sqrt, sqrt_(a))
MAP_LOOP(loop_rsqrt, ONE / sqrt_(a))
MAP_LOOP(loop_recip, ONE / a)
MAP_LOOP(loop_tanh, tanh_(a))
MAP_LOOP(loop_erf, erf_(a))
MAP_LOOP(loop_sin, sin_(a))
MAP_LOOP(loop_cos, cos_(a))
MAP_LOOP(loop_floor, floor_(a))
MAP_LOOP(loop_square, a *a)
MAP_LOOP(loop_scale, a *P)
MAP_LOOP(loop_shift, a + P)
MAP_LOOP(loop_relu, select(a <= ZERO, ZERO, a))
MAP_LOOP(loop_leaky_relu, select(a > ZERO, a, a *P))
MAP_LOOP(loop_gelu, gelu(a))
MAP_LOOP(loop_gelu_tanh, gelu_tanh(a))
MAP_LOOP(loop_quick_gelu, swish(a, (real)1.702))
MAP_LOOP(loop_silu, swish(a, 1))
MAP_LOOP(loop_sigmoid, sigmoid(a))
MAP_LOOP(loop_softplus, softplus(a))
MAP_LOOP(loop_sign, sign(a))

static map_loop *const unary_loops[WEFT_UNARY_COUNT] = {
    [WEFT_NEG] = loop_neg,
    [WEFT_ABS] = loop_abs,
    [WEFT_EXP] = loop_exp,
    [WEFT_LOG] = loop_log,
    [WEFT_SQRT] = loop_sqrt,
    [WEFT_RSQRT] = loop_rsqrt,
    [WEFT_RECIP] = loop_recip,
    [WEFT_TANH] = loop_tanh,
    [WEFT_ERF] = loop_erf,
    [WEFT_SIN] = loop_sin,
    [WEFT_COS] = loop_cos,
    [WEFT_FLOOR] = loop_floor,
    [WEFT_SQUARE] = loop_square,
    [WEFT_SCALE] = loop_scale,
    [WEFT_SHIFT] = loop_shift,
    [WEFT_RELU] = loop_relu,
    [WEFT_LEAKY_RELU] = loop_leaky_relu,
    [WEFT_GELU] = loop_gelu,
    [WEFT_GELU_TANH] = loop_gelu_tanh,
    [WEFT_QUICK_GELU] = loop_quick_gelu,
    [WEFT_SILU] = loop_silu,
    [WEFT_SIGMOID] = loop_sigmoid,
    [WEFT_SOFTPLUS] = loop_softplus,
    [WEFT_SIGN] = loop_sign,
};

/* min and max answer NaN where either operand is NaN */
MAP_LOOP(loop_add, a + b)
MAP_LOOP(loop_sub, a - b)
MAP_LOOP(loop_mul, a *b)
MAP_LOOP(loop_div, a / b)
MAP_LOOP(loop_min, select((a < b) | (a != a), a, b))
MAP_LOOP(loop_max, select((a > b) | (a != a), a, b))
MAP_LOOP(loop_equal, select(a == b, ONE, ZERO))
MAP_LOOP(loop_less, select(a < b, ONE, ZERO))
MAP_LOOP(loop_relu_grad, select(b <= ZERO, ZERO, a))
MAP_LOOP(loop_leaky_relu_grad, select(b > ZERO, a, a *P))
MAP_LOOP(loop_gelu_grad, a *gelu_slope(b))
MAP_LOOP(loop_gelu_tanh_grad, a *gelu_tanh_slope(b))
MAP_LOOP(loop_quick_gelu_grad, a *swish_slope(b, (real)1.702))
MAP_LOOP(loop_silu_grad, a *swish_slope(b, 1))
MAP_LOOP(loop_sigmoid_grad, a *sigmoid_only_slope(b))
MAP_LOOP(loop_softplus_grad, a *sigmoid(b))
MAP_LOOP(loop_tanh_grad, a *tanh_slope(b))

static map_loop *const binary_loops[WEFT_BINARY_COUNT] = {
    [WEFT_ADD] = loop_add,
    [WEFT_SUB] = loop_sub,
    [WEFT_MUL] = loop_mul,
    [WEFT_DIV] = loop_div,
    [WEFT_MIN] = loop_min,
    [WEFT_MAX] = loop_max,
    [WEFT_EQUAL] = loop_equal,
    [WEFT_LESS] = loop_less,
    [WEFT_RELU_GRAD] = loop_relu_grad,
    [WEFT_LEAKY_RELU_GRAD] = loop_leaky_relu_grad,
    [WEFT_GELU_GRAD] = loop_gelu_grad,
    [WEFT_GELU_TANH_GRAD] = loop_gelu_tanh_grad,
    [WEFT_QUICK_GELU_GRAD] = loop_quick_gelu_grad,
    [WEFT_SILU_GRAD] = loop_silu_grad,
    [WEFT_SIGMOID_GRAD] = loop_sigmoid_grad,
    [WEFT_SOFTPLUS_GRAD] = loop_softplus_grad,
    [WEFT_TANH_GRAD] = loop_tanh_grad,
};

MAP_LOOP(loop_where, select(a != ZERO, b, c))
MAP_LOOP(loop_axpy, fused(P, a, b))

static void unary(weft_unary op, double p, int64_t n, const void *x, void *y)
{
    const real nothing = 0;
    if ((unsigned)op < WEFT_UNARY_COUNT)
        map(unary_loops[op], (real)p, n, (map_operand){x, 1}, (map_operand){&nothing, 0}, (map_operand){&nothing, 0}, y);
}

static void binary(weft_binary op, double p, int64_t n, const void *a, int64_t a_stride, const void *b, int64_t b_stride, void *y)
{
    const real nothing = 0;
    if ((unsigned)op < WEFT_BINARY_COUNT)
        map(binary_loops[op], (real)p, n, (map_operand){a, a_stride}, (map_operand){b, b_stride}, (map_operand){&nothing, 0}, y);
}

static void where(int64_t n, const void *condition, const void *a, int64_t a_stride, const void *b, int64_t b_stride, void *y)
{
    map(loop_where, 0, n, (map_operand){condition, 1}, (map_operand){a, a_stride}, (map_operand){b, b_stride}, y);
}

static void axpy(int64_t n, double a, const void *x, void *y)
{
    const real nothing = 0;
    map(loop_axpy, (real)a, n, (map_operand){x, 1}, (map_operand){y, 1}, (map_operand){&nothing, 0}, y);
}

/* The coefficients of an update, folded to the compute type once. */
typedef struct adamw_coefficients {
    real keep, beta1, rest1, beta2, rest2, step, correct2, eps;
} adamw_coefficients;

SIMD_INLINE void adamw_vector(const adamw_coefficients *k, vec g, vec *p, vec *m, vec *v)
{
    *m = splat(k->beta1) * *m + splat(k->rest1) * g;
    *v = splat(k->beta2) * *v + splat(k->rest2) * g * g;
    *p = splat(k->keep) * *p - splat(k->step) * *m / (sqrt_(*v * splat(k->correct2)) + splat(k->eps));
}

/* No operation here is fused, so all levels give the same bits. */
static void adamw(int64_t n, double lr, double beta1, double beta2, double eps, double decay, double c1, double c2, const void *g,
                  void *p, void *m, void *v)
{
    const adamw_coefficients k = {(real)(1 - lr * decay), (real)beta1,     (real)(1 - beta1), (real)beta2,
                                  (real)(1 - beta2),      (real)(lr / c1), (real)(1 / c2),    (real)eps};
    real *ps = p, *ms = m, *vs = v;
    for (int64_t i = 0; i < n; i += LANES) {
        vec pi = load_rest(ps, i, n), mi = load_rest(ms, i, n), vi = load_rest(vs, i, n);
        adamw_vector(&k, load_rest(g, i, n), &pi, &mi, &vi);
        store_rest(ps, pi, i, n);
        store_rest(ms, mi, i, n);
        store_rest(vs, vi, i, n);
    }
}

#undef ZERO
#undef ONE

#endif
