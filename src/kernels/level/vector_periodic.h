/* Periodic features of one number, and what stands beside their product in an embedding of numbers (arXiv 2203.05556): cosines
 * and sines of 2πfx for k frequencies, their gradient, and the ReLU behind the product.
 *
 * Phases are counted in turns: t = fx is brought to r in [-1/4, 1/4] by taking away half turns, which is exact, and each half
 * turn changes both signs. */
#ifndef WEFT_KERNELS_VECTOR_PERIODIC_H
#define WEFT_KERNELS_VECTOR_PERIODIC_H

#include "kernels/level/vector_real.h"

#define TWO_PI 6.283185307179586476925286766559

/* One by one, by the C library: any t. */
static void waves_each(int64_t k, real x, const real *f, real *p)
{
    for (int64_t c = 0; c < k; c++) {
        const double t = (double)f[c] * (double)x;
        /* what the product lost matters while t has digits behind the point */
        const double rest = fabs(t) < 0x1p51 ? fma((double)f[c], (double)x, -t) : 0, r = TWO_PI * (remainder(t, 1) + rest);
        p[c] = (real)cos(r);
        p[k + c] = (real)sin(r);
    }
}

#if WEFT_REAL_BITS == 32
/* Polynomials in r² (Remez exchange), errors 2e-10 and 3e-9. |2fx| < 2^22. */
SIMD_INLINE void wave(vec x, vec f, vec *cosine, vec *sine_out)
{
    const vec magic = splat(0x1.8p23f);
    vec shifted = mad(f + f, x, magic), halves = shifted - magic;
    vec r = fused(f, x, halves * splat(-0.5f)), z = r * r;
    vec c = splat(-25.0067968f);
    c = mad(c, z, splat(60.148205f));
    c = mad(c, z, splat(-85.4538307f));
    c = mad(c, z, splat(64.9393536f));
    c = mad(c, z, splat(-19.7392086f));
    c = mad(c, z, splat(1));
    vec s = splat(39.5367068f);
    s = mad(s, z, splat(-76.5497824f));
    s = mad(s, z, splat(81.601004f));
    s = mad(s, z, splat(-41.341655f));
    s = mad(s, z, splat(6.28318516f)) * r;
    vu32 sign = (vu32)shifted << 31;
    *cosine = (vec)((vu32)c ^ sign);
    *sine_out = (vec)((vu32)s ^ sign);
}

static void waves_line(int64_t k, real x, const real *f, real *p)
{
    for (int64_t i = 0; i < k; i += LANES) {
        vec c, s;
        wave(splat(x), load_rest(f, i, k), &c, &s);
        store_rest(p, c, i, k);
        store_rest(p + k, s, i, k);
    }
}
#endif

static void waves(int64_t n, int64_t k, const void *x_, int64_t x_step, const void *f_, void *p_)
{
    const real *x = x_, *f = f_;
    real *p = p_;
#if WEFT_REAL_BITS == 32
    real most = 0;
    for (int64_t c = 0; c < k; c++)
        most = fabsf(f[c]) > most || f[c] != f[c] ? fabsf(f[c]) : most; /* NaN stays */
#endif
    for (int64_t i = 0; i < n; i++, p += 2 * k) {
#if WEFT_REAL_BITS == 32
        if (most * fabsf(x[i * x_step]) < 0x1p20f) {
            waves_line(k, x[i * x_step], f, p);
            continue;
        }
#endif
        waves_each(k, x[i * x_step], f, p);
    }
}

/* dt = 2π (dsin cos − dcos sin), df += dt x, dx = Σ dt f */
static void waves_grad(int64_t n, int64_t k, const void *x_, int64_t x_step, const void *f_, const void *p_, const void *dp_,
                       void *df_, void *dx_)
{
    const real *x = x_, *f = f_, *p = p_, *dp = dp_;
    real *df = df_, *dx = dx_;
    for (int64_t c = 0; df && c < k; c += LANES) {
        vec sum = splat(0);
        for (int64_t i = 0; i < n; i++) {
            const real *pi = p + i * 2 * k + c, *di = dp + i * 2 * k + c;
            vec t = load_rest(di + k, 0, k - c) * load_rest(pi, 0, k - c);
            t -= load_rest(di, 0, k - c) * load_rest(pi + k, 0, k - c);
            sum = mad(t, splat(x[i * x_step]), sum);
        }
        store_rest(df + c, mad(sum, splat((real)TWO_PI), load_rest(df + c, 0, k - c)), 0, k - c);
    }
    for (int64_t i = 0; dx && i < n; i++) {
        const real *pi = p + i * 2 * k, *di = dp + i * 2 * k;
        vec sum = splat(0);
        for (int64_t c = 0; c < k; c += LANES) {
            vec t = load_rest(di + k, c, k) * load_rest(pi, c, k) - load_rest(di, c, k) * load_rest(pi + k, c, k);
            sum = mad(t, load_rest(f, c, k), sum);
        }
        vd wide[PARTS];
        widen_vec(sum, wide);
        double total = 0;
        for (int part = 0; part < PARTS; part++)
            total += sum_d(wide[part]);
        dx[i * x_step] = (real)(TWO_PI * total);
    }
}

static void add_relu(int64_t n, int64_t width, const void *x_, const void *bias_, void *y_, int64_t y_step)
{
    const real *x = x_, *bias = bias_;
    real *y = y_;
    for (int64_t i = 0; i < n; i++, x += width, y += y_step)
        for (int64_t c = 0; c < width; c += LANES) {
            vec v = load_rest(x, c, width) + load_rest(bias, c, width);
            store_rest(y, select(v <= splat(0), splat(0), v), c, width);
        }
}

static void relu_gate(int64_t n, int64_t width, const void *y_, const void *dy_, int64_t step, void *g_, void *sum_)
{
    const real *y = y_, *dy = dy_;
    real *g = g_, *sum = sum_;
    for (int64_t i = 0; i < n; i++, y += step, dy += step, g += width)
        for (int64_t c = 0; c < width; c += LANES)
            store_rest(g, select(load_rest(y, c, width) <= splat(0), splat(0), load_rest(dy, c, width)), c, width);
    g -= n * width;
    for (int64_t c = 0; sum && c < width; c += LANES) {
        vec s = splat(0);
        for (int64_t i = 0; i < n; i++)
            s += load_rest(g + i * width, c, width);
        store_rest(sum, load_rest(sum, c, width) + s, c, width);
    }
}

#endif
