/* Elementary functions of float vectors. Polynomials are least-maximum fits made for this file (Remez exchange in 30 digits);
 * the error given with each is that of the polynomial alone, relative to the function. */
#ifndef WEFT_KERNELS_VECTOR_MATH_F32_H
#define WEFT_KERNELS_VECTOR_MATH_F32_H

#include "kernels/level/vector_real.h"

SIMD_INLINE vec polynomial(vec x, const float *c, int degree)
{
    vec p = splat(c[degree]);
    for (int i = degree - 1; i >= 0; i--)
        p = mad(p, x, splat(c[i]));
    return p;
}
#define POLYNOMIAL(x, ...) \
    polynomial(x, (const float[]){__VA_ARGS__}, (int)(sizeof((const float[]){__VA_ARGS__}) / sizeof(float)) - 1)

/* p · 2^n for whole numbers n in [-151, 129], correctly rounded also where the result is subnormal or infinite. */
SIMD_INLINE vec scale_by_power(vec p, vec n, vec shifted)
{
#if defined(WEFT_LEVEL_v4)
    (void)shifted;
    return _mm512_scalef_ps(p, n);
#else
    (void)n;
    vu32 k = (vu32)shifted - 0x4b400000; /* the bits of 1.5·2^23 */
    vu32 half = (vu32)((vi32)k >> 1);
    return p * (vec)((half + 127) << 23) * (vec)((k - half + 127) << 23);
#endif
}

/* exp(x), or exp(x + low) where low is given, much smaller than 1: x = n ln 2 + r, |r| ≤ ln 2 / 2, with ln 2 in two parts of
 * which the first has few enough bits for n times it to be exact. e^r = 1 + r + r² q(r), error 3e-9. */
SIMD_INLINE vec exp_of(vec x, const vec *low)
{
    x = min_(splat(89.0f), max_(splat(-104.0f), x)); /* e^89 overflows, e^-104 rounds to 0 */
    vec shifted = mad(x, splat(0x1.715476p0f), splat(0x1.8p23f));
    vec n = shifted - splat(0x1.8p23f);
    vec r = mad(n, splat(-0.693359375f), x);
    r = mad(n, splat(2.12194440e-4f), r);
    if (low)
        r += *low;
    vec q = POLYNOMIAL(r, 0.499999935f, 0.166665203f, 0.0416683871f, 0.00836878051f, 0.00138147034f);
    return scale_by_power(mad(q, r * r, r) + splat(1.0f), n, shifted);
}

SIMD_INLINE vec exp_(vec x)
{
    return exp_of(x, NULL);
}

/* exp(x) for x ≤ 0, error 8e-6, for what is rounded to bf16 next: 2^f of what x/ln 2 has behind the nearest whole number. */
SIMD_INLINE vec exp_roughly(vec x)
{
    x = max_(splat(-151.0f), x * splat(0x1.715476p0f));
    vec shifted = x + splat(0x1.8p23f);
    vec n = shifted - splat(0x1.8p23f);
    vec p = POLYNOMIAL(x - n, 0.999999261f, 0.693121815f, 0.240247448f, 0.0559178603f, 0.00957010201f);
    return scale_by_power(p, n, shifted);
}

/* x = m 2^e with m in [√½, √2); log(1 + f) = f - f²/2 + f³ p(f), error 1e-9 */
SIMD_INLINE vec log_(vec x)
{
    mask subnormal = x < splat(0x1p-126f);
    vec y = select(subnormal, x * splat(0x1p23f), x);
    vu32 bits = (vu32)y;
    vi32 e = (vi32)(bits - 0x3f3504f3) >> 23;
    vec f = (vec)(bits - ((vu32)e << 23)) - splat(1.0f);
#if defined(WEFT_LEVEL_v4)
    vec n = _mm512_cvtepi32_ps((__m512i)e);
#elif defined(WEFT_LEVEL_v3)
    vec n = _mm256_cvtepi32_ps((__m256i)e);
#else
    vec n = _mm_cvtepi32_ps((__m128i)e);
#endif
    n = n - select(subnormal, splat(23.0f), splat(0.0f));
    vec p = POLYNOMIAL(f, 0.333333119f, -0.249999864f, 0.20002146f, -0.166692176f, 0.142200243f, -0.123855328f, 0.118650971f,
                       -0.117807939f, 0.069212248f);
    vec f2 = f * f;
    vec small = mad(p * f, f2, n * splat(-2.12194440e-4f));
    vec r = mad(n, splat(0.693359375f), mad(f2, splat(-0.5f), small) + f);
    r = select((x < splat(INFINITY)), r, x); /* +infinity and NaN answer themselves */
    r = select(x < splat(0.0f), splat(NAN), r);
    return select(x == splat(0.0f), splat(-INFINITY), r);
}

/* log(1 + u) for u in [0, 1]: log of the rounded 1 + u, and what the rounding lost, to first order */
SIMD_INLINE vec log1p_unit(vec u)
{
    vec w = u + splat(1.0f);
    vec lost = u - (w - splat(1.0f));
    return log_(w) + lost / w;
}

SIMD_INLINE vec tanh_(vec x)
{
    vec a = abs_(x), z = x * x;
    vec p = POLYNOMIAL(z, -0.33333331f, 0.133332122f, -0.0539474584f, 0.0217041593f, -0.0081852718f, 0.00214967526f);
    vec small = mad(p * z, x, x); /* |x| < 0.625, error 2e-10 */
    vec large = splat(1.0f) - splat(2.0f) / (exp_(min_(splat(20.0f), a + a)) + splat(1.0f));
    return select(a > splat(0.625f), copysign_f(large, x), small);
}

/* exp(-z²): the square is carried as a rounded part and its error */
SIMD_INLINE vec exp_minus_square(vec z)
{
    vec h = z * z, l = -fused(z, z, -h);
    return exp_of(-h, &l);
}

/* e^{z²} erfc(z) for 0 ≤ z ≤ 10.6 as a polynomial in t = 1 / (1 + 0.3 z), error 2e-8 */
SIMD_INLINE vec scaled_erfc(vec z)
{
    vec t = splat(1.0f) / mad(z, splat(0.3f), splat(1.0f));
    return t * POLYNOMIAL(t, 0.169187419f, 0.170723732f, 0.148286742f, 0.215105611f, -0.0950249419f, 0.548206822f, -0.512664681f,
                          0.485734848f, -0.129555571f);
}

SIMD_INLINE vec erf_(vec x)
{
    vec a = min_(splat(4.5f), abs_(x)), z = x * x; /* erf(4.5) rounds to 1 */
    vec p = POLYNOMIAL(z, 0.128379167f, -0.376126379f, 0.112837667f, -0.0268638374f, 0.00521350461f, -0.000830404515f,
                       9.15288165e-5f);
    vec small = mad(p, x, x); /* |x| < 0.8, error 6e-11 */
    vec large = splat(1.0f) - scaled_erfc(a) * exp_minus_square(a);
    return select(a > splat(0.8f), copysign_f(large, x), small);
}

/* Φ(x) and φ(x) of the standard normal law, to relative accuracy in the tail too */
SIMD_INLINE vec normal_cdf(vec x, vec *pdf)
{
    vec a = min_(splat(14.5f), abs_(x)); /* Φ(-14.5) rounds to 0 */
    vec h = a * a, l = fused(a, a, -h) * splat(-0.5f);
    vec e = exp_of(h * splat(-0.5f), &l);
    vec tail = splat(0.5f) * scaled_erfc(a * splat(0.707106781f)) * e;
    *pdf = e * splat(0.398942280f);
    return select(x > splat(0.0f), splat(1.0f) - tail, tail);
}

/* sin(x + quarter·π/2). Reduction and polynomials in double: n up to 2^20 times the 33 leading bits of π/2 is exact. Larger
 * arguments, infinities and NaN go to the C library one by one. */
SIMD_INLINE vd sine_of_double(vd x, int64_t quarter)
{
    vd shifted = mad_d(x, splat_d(0.63661977236758134308), splat_d(0x1.8p52));
    vd n = shifted - splat_d(0x1.8p52);
    vd r = mad_d(n, splat_d(-1.57079632673412561417), x);
    r = mad_d(n, splat_d(-6.07710050650619224932e-11), r);
    vd z = r * r;
    vd s = splat_d(-1.0 / 39916800);
    s = mad_d(s, z, splat_d(1.0 / 362880));
    s = mad_d(s, z, splat_d(-1.0 / 5040));
    s = mad_d(s, z, splat_d(1.0 / 120));
    s = mad_d(s, z, splat_d(-1.0 / 6));
    s = mad_d(s * z, r, r);
    vd c = splat_d(1.0 / 479001600);
    c = mad_d(c, z, splat_d(-1.0 / 3628800));
    c = mad_d(c, z, splat_d(1.0 / 40320));
    c = mad_d(c, z, splat_d(-1.0 / 720));
    c = mad_d(c, z, splat_d(1.0 / 24));
    c = mad_d(c, z, splat_d(-0.5));
    c = mad_d(c, z, splat_d(1.0));
    vu64 q = (vu64)shifted + (uint64_t)quarter;
    vd y = select_d((vi64)((q & 1) == 1), c, s);
    return (vd)((vu64)y ^ ((q & 2) << 62));
}

SIMD_INLINE vec sine(vec x, int64_t quarter)
{
    vd w[2];
    widen_f(x, w);
    vec y = narrow_f(sine_of_double(w[0], quarter), sine_of_double(w[1], quarter));
    mask far = ~(abs_(x) <= splat(1.5e6f));
    if (any_f(far))
        for (int i = 0; i < LANES; i++)
            if (far[i])
                y[i] = quarter ? cosf(x[i]) : sinf(x[i]);
    return y;
}

SIMD_INLINE vec sin_(vec x)
{
    return sine(x, 0);
}

SIMD_INLINE vec cos_(vec x)
{
    return sine(x, 1);
}

#endif
