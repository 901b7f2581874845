/* Vector registers of the level being compiled: vf holds FLOATS floats, vd holds DOUBLES doubles.
 *
 * The arithmetic operators are the compiler's own on vectors; this header adds what they lack. A comparison gives a vector of
 * integers, all ones where true. `part` functions read or write only the first `count` elements, 0 < count < lanes.
 */
#ifndef WEFT_KERNELS_SIMD_H
#define WEFT_KERNELS_SIMD_H

#include <immintrin.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#if defined(WEFT_LEVEL_v4)
#define SIMD_BYTES 64
typedef __m512 vf;
typedef __m512d vd;
#define SIMD_(name, suffix) _mm512_##name##_##suffix
#elif defined(WEFT_LEVEL_v3)
#define SIMD_BYTES          32
typedef __m256 vf;
typedef __m256d vd;
#define SIMD_(name, suffix) _mm256_##name##_##suffix
#else
#define SIMD_BYTES          16
typedef __m128 vf;
typedef __m128d vd;
#define SIMD_(name, suffix) _mm_##name##_##suffix
#endif

#define SIMD_INLINE static inline __attribute__((always_inline, unused))

typedef int32_t vi32 __attribute__((vector_size(SIMD_BYTES), may_alias));
typedef uint32_t vu32 __attribute__((vector_size(SIMD_BYTES), may_alias)); /* where bits may overflow or be shifted out */
typedef int64_t vi64 __attribute__((vector_size(SIMD_BYTES), may_alias));
typedef uint64_t vu64 __attribute__((vector_size(SIMD_BYTES), may_alias));
enum { FLOATS = SIMD_BYTES / 4, DOUBLES = SIMD_BYTES / 8 };

/* a·b + c with one rounding where the level has the instruction; use fused_ where the one rounding is needed. */
#if defined(WEFT_LEVEL_v2)
SIMD_INLINE vf mad_f(vf a, vf b, vf c)
{
    return a * b + c;
}

SIMD_INLINE vd mad_d(vd a, vd b, vd c)
{
    return a * b + c;
}
#else
SIMD_INLINE vf mad_f(vf a, vf b, vf c)
{
    return SIMD_(fmadd, ps)(a, b, c);
}

SIMD_INLINE vd mad_d(vd a, vd b, vd c)
{
    return SIMD_(fmadd, pd)(a, b, c);
}
#endif

SIMD_INLINE vf load_f(const float *p)
{
    return SIMD_(loadu, ps)(p);
}

SIMD_INLINE vd load_d(const double *p)
{
    return SIMD_(loadu, pd)(p);
}

SIMD_INLINE void store_f(float *p, vf x)
{
    SIMD_(storeu, ps)(p, x);
}

SIMD_INLINE void store_d(double *p, vd x)
{
    SIMD_(storeu, pd)(p, x);
}

/* Past the caches, for aligned p; a fence must follow before another thread reads. */
SIMD_INLINE void stream_f(float *p, vf x)
{
    SIMD_(stream, ps)(p, x);
}

SIMD_INLINE void stream_d(double *p, vd x)
{
    SIMD_(stream, pd)(p, x);
}

SIMD_INLINE vf splat_f(float x)
{
    return SIMD_(set1, ps)(x);
}

SIMD_INLINE vd splat_d(double x)
{
    return SIMD_(set1, pd)(x);
}

/* Both give b where either is NaN. */
SIMD_INLINE vf min_f(vf a, vf b)
{
    return SIMD_(min, ps)(a, b);
}

SIMD_INLINE vf max_f(vf a, vf b)
{
    return SIMD_(max, ps)(a, b);
}

SIMD_INLINE vd min_d(vd a, vd b)
{
    return SIMD_(min, pd)(a, b);
}

SIMD_INLINE vd max_d(vd a, vd b)
{
    return SIMD_(max, pd)(a, b);
}

SIMD_INLINE vf sqrt_f(vf x)
{
    return SIMD_(sqrt, ps)(x);
}

SIMD_INLINE vd sqrt_d(vd x)
{
    return SIMD_(sqrt, pd)(x);
}

SIMD_INLINE vf select_f(vi32 mask, vf a, vf b)
{
    return (vf)((mask & (vi32)a) | (~mask & (vi32)b));
}

SIMD_INLINE vd select_d(vi64 mask, vd a, vd b)
{
    return (vd)((mask & (vi64)a) | (~mask & (vi64)b));
}

SIMD_INLINE vf abs_f(vf x)
{
    return (vf)((vi32)x & 0x7fffffff);
}

SIMD_INLINE vd abs_d(vd x)
{
    return (vd)((vi64)x & 0x7fffffffffffffff);
}

SIMD_INLINE vf copysign_f(vf magnitude, vf sign)
{
    return (vf)((vi32)magnitude | ((vi32)sign & INT32_MIN));
}

#if defined(WEFT_LEVEL_v4)

SIMD_INLINE vf load_part_f(const float *p, int64_t count)
{
    return _mm512_maskz_loadu_ps((__mmask16)((1u << count) - 1), p);
}

SIMD_INLINE vd load_part_d(const double *p, int64_t count)
{
    return _mm512_maskz_loadu_pd((__mmask8)((1u << count) - 1), p);
}

/* the first `count` elements of p, then those of x */
SIMD_INLINE vf load_part_over_f(vf x, const float *p, int64_t count)
{
    return _mm512_mask_loadu_ps(x, (__mmask16)((1u << count) - 1), p);
}

SIMD_INLINE vd load_part_over_d(vd x, const double *p, int64_t count)
{
    return _mm512_mask_loadu_pd(x, (__mmask8)((1u << count) - 1), p);
}

SIMD_INLINE vf keep_first_f(vf x, int64_t count)
{
    return _mm512_maskz_mov_ps((__mmask16)((1u << count) - 1), x);
}

SIMD_INLINE vd keep_first_d(vd x, int64_t count)
{
    return _mm512_maskz_mov_pd((__mmask8)((1u << count) - 1), x);
}

SIMD_INLINE void store_part_f(float *p, vf x, int64_t count)
{
    _mm512_mask_storeu_ps(p, (__mmask16)((1u << count) - 1), x);
}

SIMD_INLINE void store_part_d(double *p, vd x, int64_t count)
{
    _mm512_mask_storeu_pd(p, (__mmask8)((1u << count) - 1), x);
}

SIMD_INLINE vf floor_f(vf x)
{
    return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
}

SIMD_INLINE vd floor_d(vd x)
{
    return _mm512_roundscale_pd(x, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
}

SIMD_INLINE void widen_f(vf x, vd out[2])
{
    out[0] = _mm512_cvtps_pd(_mm512_castps512_ps256(x));
    out[1] = _mm512_cvtps_pd(_mm512_extractf32x8_ps(x, 1));
}

SIMD_INLINE vf narrow_f(vd low, vd high)
{
    return _mm512_insertf32x8(_mm512_castps256_ps512(_mm512_cvtpd_ps(low)), _mm512_cvtpd_ps(high), 1);
}

SIMD_INLINE double sum_d(vd x)
{
    __m256d s = _mm512_castpd512_pd256(x) + _mm512_extractf64x4_pd(x, 1);
    __m128d t = _mm256_castpd256_pd128(s) + _mm256_extractf128_pd(s, 1);
    return t[0] + t[1];
}

SIMD_INLINE float max_of_f(vf x)
{
    return _mm512_reduce_max_ps(x);
}

SIMD_INLINE double max_of_d(vd x)
{
    return _mm512_reduce_max_pd(x);
}

SIMD_INLINE bool any_f(vi32 mask)
{
    return _mm512_movepi32_mask((__m512i)mask) != 0;
}

SIMD_INLINE vu64 zero_extend(const uint32_t *words)
{
    return (vu64)_mm512_cvtepu32_epi64(_mm256_loadu_si256((const __m256i *)(const void *)words));
}

#define SIMD_MULTIPLY_LOW(a, b) ((vu64)_mm512_mul_epu32((__m512i)(a), (__m512i)(b)))
#define SIMD_ZIP_LOW(a, b)      __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11)
#define SIMD_ZIP_HIGH(a, b)     __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15)
#define SIMD_COUNT_UP \
    { \
        0, 1, 2, 3, 4, 5, 6, 7 \
    }

#else /* v3 and v2 */

#if defined(WEFT_LEVEL_v3)

static const int32_t simd_first[16] = {-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0};

SIMD_INLINE vf load_part_f(const float *p, int64_t count)
{
    return _mm256_maskload_ps(p, _mm256_loadu_si256((const __m256i *)(const void *)(simd_first + 8 - count)));
}

SIMD_INLINE vd load_part_d(const double *p, int64_t count)
{
    return _mm256_maskload_pd(p, _mm256_loadu_si256((const __m256i *)(const void *)(simd_first + 8 - 2 * count)));
}

SIMD_INLINE void store_part_f(float *p, vf x, int64_t count)
{
    _mm256_maskstore_ps(p, _mm256_loadu_si256((const __m256i *)(const void *)(simd_first + 8 - count)), x);
}

SIMD_INLINE void store_part_d(double *p, vd x, int64_t count)
{
    _mm256_maskstore_pd(p, _mm256_loadu_si256((const __m256i *)(const void *)(simd_first + 8 - 2 * count)), x);
}

SIMD_INLINE void widen_f(vf x, vd out[2])
{
    out[0] = _mm256_cvtps_pd(_mm256_castps256_ps128(x));
    out[1] = _mm256_cvtps_pd(_mm256_extractf128_ps(x, 1));
}

SIMD_INLINE vf narrow_f(vd low, vd high)
{
    return _mm256_insertf128_ps(_mm256_castps128_ps256(_mm256_cvtpd_ps(low)), _mm256_cvtpd_ps(high), 1);
}

SIMD_INLINE double sum_d(vd x)
{
    __m128d t = _mm256_castpd256_pd128(x) + _mm256_extractf128_pd(x, 1);
    return t[0] + t[1];
}

SIMD_INLINE bool any_f(vi32 mask)
{
    return _mm256_movemask_ps((__m256)mask) != 0;
}

SIMD_INLINE vu64 zero_extend(const uint32_t *words)
{
    return (vu64)_mm256_cvtepu32_epi64(_mm_loadu_si128((const __m128i *)(const void *)words));
}

#define SIMD_MULTIPLY_LOW(a, b) ((vu64)_mm256_mul_epu32((__m256i)(a), (__m256i)(b)))
#define SIMD_ZIP_LOW(a, b)      __builtin_shufflevector(a, b, 0, 4, 1, 5)
#define SIMD_ZIP_HIGH(a, b)     __builtin_shufflevector(a, b, 2, 6, 3, 7)
#define SIMD_COUNT_UP \
    { \
        0, 1, 2, 3 \
    }

#else

SIMD_INLINE vf load_part_f(const float *p, int64_t count)
{
    return _mm_setr_ps(p[0], count > 1 ? p[1] : 0, count > 2 ? p[2] : 0, 0);
}

SIMD_INLINE vd load_part_d(const double *p, int64_t count)
{
    (void)count; /* one of two */
    return _mm_set_sd(p[0]);
}

SIMD_INLINE void store_part_f(float *p, vf x, int64_t count)
{
    p[0] = x[0];
    if (count > 1)
        p[1] = x[1];
    if (count > 2)
        p[2] = x[2];
}

SIMD_INLINE void store_part_d(double *p, vd x, int64_t count)
{
    (void)count;
    p[0] = x[0];
}

SIMD_INLINE void widen_f(vf x, vd out[2])
{
    out[0] = _mm_cvtps_pd(x);
    out[1] = _mm_cvtps_pd(_mm_movehl_ps(x, x));
}

SIMD_INLINE vf narrow_f(vd low, vd high)
{
    return _mm_movelh_ps(_mm_cvtpd_ps(low), _mm_cvtpd_ps(high));
}

SIMD_INLINE double sum_d(vd x)
{
    return x[0] + x[1];
}

SIMD_INLINE bool any_f(vi32 mask)
{
    return _mm_movemask_ps((__m128)mask) != 0;
}

SIMD_INLINE vu64 zero_extend(const uint32_t *words)
{
    return (vu64)_mm_cvtepu32_epi64(_mm_loadl_epi64((const __m128i *)(const void *)words));
}

#define SIMD_MULTIPLY_LOW(a, b) ((vu64)_mm_mul_epu32((__m128i)(a), (__m128i)(b)))
#define SIMD_ZIP_LOW(a, b)      __builtin_shufflevector(a, b, 0, 2)
#define SIMD_ZIP_HIGH(a, b)     __builtin_shufflevector(a, b, 1, 3)
#define SIMD_COUNT_UP \
    { \
        0, 1 \
    }

#endif

/* the first `count` elements of p, then those of x */
SIMD_INLINE vf load_part_over_f(vf x, const float *p, int64_t count)
{
    float buffer[FLOATS];
    store_f(buffer, x);
    store_part_f(buffer, load_part_f(p, count), count);
    return load_f(buffer);
}

SIMD_INLINE vd load_part_over_d(vd x, const double *p, int64_t count)
{
    double buffer[DOUBLES];
    store_d(buffer, x);
    store_part_d(buffer, load_part_d(p, count), count);
    return load_d(buffer);
}

/* the first `count` elements of x, then zeros */
SIMD_INLINE vf keep_first_f(vf x, int64_t count)
{
    float buffer[FLOATS];
    store_f(buffer, x);
    return load_part_f(buffer, count);
}

SIMD_INLINE vd keep_first_d(vd x, int64_t count)
{
    double buffer[DOUBLES];
    store_d(buffer, x);
    return load_part_d(buffer, count);
}

SIMD_INLINE vf floor_f(vf x)
{
    return SIMD_(floor, ps)(x);
}

SIMD_INLINE vd floor_d(vd x)
{
    return SIMD_(floor, pd)(x);
}

SIMD_INLINE float max_of_f(vf x)
{
    float m = x[0];
    for (int i = 1; i < FLOATS; i++)
        m = x[i] > m ? x[i] : m;
    return m;
}

SIMD_INLINE double max_of_d(vd x)
{
    double m = x[0];
    for (int i = 1; i < DOUBLES; i++)
        m = x[i] > m ? x[i] : m;
    return m;
}

#endif

#if defined(WEFT_LEVEL_v2)
/* The product of two floats is exact in double; the sum is rounded to double, then to float. */
SIMD_INLINE vf fused_f(vf a, vf b, vf c)
{
    vd x[2], y[2], z[2];
    widen_f(a, x);
    widen_f(b, y);
    widen_f(c, z);
    return narrow_f(x[0] * y[0] + z[0], x[1] * y[1] + z[1]);
}

SIMD_INLINE vd fused_d(vd a, vd b, vd c)
{
    return (vd){fma(a[0], b[0], c[0]), fma(a[1], b[1], c[1])};
}
#else
SIMD_INLINE vf fused_f(vf a, vf b, vf c)
{
    return mad_f(a, b, c);
}

SIMD_INLINE vd fused_d(vd a, vd b, vd c)
{
    return mad_d(a, b, c);
}
#endif

/* 2^52 + a number below 2^52, as a double, has that number for its low bits. */
SIMD_INLINE vd double_of_words(vu64 words)
{
    return (vd)(words | 0x4330000000000000ull) - splat_d(0x1p52);
}

#endif
