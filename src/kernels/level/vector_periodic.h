/* Periodic features of one number, and what stands beside their product in an embedding of numbers (arXiv 2203.05556): cosines
 * and sines of 2πfx for k frequencies, their gradient, and the ReLU behind the product.
 *
 * Phases are counted in turns: t = fx, rounded, less its quarter turns, which is exact, leaves r in [-1/8, 1/8]. */
#ifndef WEFT_KERNELS_VECTOR_PERIODIC_H
#define WEFT_KERNELS_VECTOR_PERIODIC_H

#include "kernels/level/vector_real.h"

#define TWO_PI 6.283185307179586476925286766559

/* One by one, by the C library: any t. */
static void waves_each(int64_t k, real x, const real *f, real *p)
{
    for (int64_t c = 0; c < k; c++) {
        const real t = f[c] * x;
        const double r = TWO_PI * remainder((double)t, 1);
        p[c] = (real)cos(r);
        p[k + c] = (real)sin(r);
    }
}

#if WEFT_REAL_BITS == 32
/* |4fx| < 2^22. With r in [-1/8, 1/8]: cos 2πr = 1 + r² C(r²), error 5e-11, and sin 2πr = 2πr + r³ S(r²), error 3e-9, where 2π is
 * taken in two parts (Remez exchange). */
SIMD_INLINE void wave(vec x, vec f, vec *cosine, vec *sine_out)
{
    const vec magic = splat(0x1.8p23f);
    vec shifted = mad(f * splat(4), x, magic), quarters = shifted - magic;
    vec r = f * x - quarters * splat(0.25f), z = r * r;
    vec c = splat(59.2459643f);
    c = mad(c, z, splat(-85.4437417f));
    c = mad(c, z, splat(64.9393265f));
    c = mad(c, z, splat(-19.7392087f));
    c = mad(c, z, splat(1));
    vec s = splat(-75.4533965f);
    s = mad(s, z, splat(81.593937f));
    s = mad(s, z, splat(-41.3416732f));
    s = mad(s, z, splat(-1.74845560e-7f));
    s = mad(r, splat(6.28318548f), r * s);
    vu32 q = (vu32)shifted;
    mask odd = (mask)((q & 1) == 1);
    *cosine = (vec)((vu32)select(odd, s, c) ^ (((q + 1) & 2) << 30));
    *sine_out = (vec)((vu32)select(odd, c, s) ^ ((q & 2) << 30));
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

/* Sums over lines are carried in double: elements [i, n) of an array of them. */
SIMD_INLINE void load_sums(const double *from, int64_t i, int64_t n, vd sum[PARTS])
{
    for (int part = 0; part < PARTS; part++, i += DOUBLES)
        sum[part] = i + DOUBLES <= n ? load_d(from + i) : i < n ? load_part_d(from + i, n - i) : splat_d(0);
}

SIMD_INLINE void store_sums(double *to, int64_t i, int64_t n, const vd sum[PARTS])
{
    for (int part = 0; part < PARTS && i < n; part++, i += DOUBLES)
        if (i + DOUBLES <= n)
            store_d(to + i, sum[part]);
        else
            store_part_d(to + i, sum[part], n - i);
}

SIMD_INLINE void add_to_sums(vec x, vd sum[PARTS])
{
    vd wide[PARTS];
    widen_vec(x, wide);
    for (int part = 0; part < PARTS; part++)
        sum[part] += wide[part];
}

/* dt = 2π (dsin cos − dcos sin), df += dt x, dx = Σ dt f */
static void waves_grad(int64_t n, int64_t k, const void *x_, int64_t x_step, const void *f_, const void *p_, const void *dp_,
                       double *df, void *dx_)
{
    const real *x = x_, *f = f_, *p = p_, *dp = dp_;
    real *dx = dx_;
    for (int64_t c = 0; df && c < k; c += LANES) {
        vd sum[PARTS];
        load_sums(df, c, k, sum);
        for (int64_t i = 0; i < n; i++) {
            const real *pi = p + i * 2 * k + c, *di = dp + i * 2 * k + c;
            vec t = load_rest(di + k, 0, k - c) * load_rest(pi, 0, k - c);
            t -= load_rest(di, 0, k - c) * load_rest(pi + k, 0, k - c);
            add_to_sums(t * splat(x[i * x_step] * (real)TWO_PI), sum);
        }
        store_sums(df, c, k, sum);
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

static void add_relu(int64_t n, int64_t width, const void *x_, const void *bias_, void *y_)
{
    const real *x = x_, *bias = bias_;
    real *y = y_;
    for (int64_t i = 0; i < n; i++, x += width, y += width)
        for (int64_t c = 0; c < width; c += LANES) {
            vec v = load_rest(x, c, width) + load_rest(bias, c, width);
            store_rest(y, select(v <= splat(0), splat(0), v), c, width);
        }
}

static void relu_gate(int64_t n, int64_t width, const void *y_, const void *dy_, int64_t step, const int32_t *start,
                      const int32_t *list, void *g_, double *sums)
{
    const real *y = y_, *dy = dy_;
    real *g = g_;
    for (int64_t i = 0; i < n; i++) {
        const int64_t from = start ? start[i] : i, to = start ? start[i + 1] : i + 1, first = list ? list[from] : from;
        for (int64_t c = 0; c < width; c += LANES) {
            vec line = load_rest(dy + first * step, c, width);
            if (to - from > 1) {
                vd sum[PARTS];
                widen_vec(line, sum);
                for (int64_t k = from + 1; k < to; k++)
                    add_to_sums(load_rest(dy + list[k] * step, c, width), sum);
                line = narrow_vec(sum);
            }
            store_rest(g + i * width, select(load_rest(y + first * step, c, width) <= splat(0), splat(0), line), c, width);
        }
    }
    for (int64_t c = 0; sums && c < width; c += LANES) {
        vd sum[PARTS];
        load_sums(sums, c, width, sum);
        for (int64_t i = 0; i < n; i++)
            add_to_sums(load_rest(g + i * width, c, width), sum);
        store_sums(sums, c, width, sum);
    }
}

#endif
