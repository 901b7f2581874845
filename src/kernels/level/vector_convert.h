/* Storage types to the compute type and back. Each conversion is exact or rounded once, to nearest even, so these loops may be
 * vectorised by the compiler as it likes: the bits are fixed by the values. */
#ifndef WEFT_KERNELS_VECTOR_CONVERT_H
#define WEFT_KERNELS_VECTOR_CONVERT_H

#include "kernels/level/vector_real.h"

SIMD_INLINE float float_of_bits(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

SIMD_INLINE uint32_t bits_of_float(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

SIMD_INLINE float float_of_half(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, magnitude = (uint32_t)(h & 0x7fff) << 13;
    float normal = float_of_bits(magnitude + (112u << 23));
    float subnormal = float_of_bits(magnitude + (113u << 23)) - 0x1p-14f; /* exact: an implicit 1 put in and taken out */
    uint32_t special = magnitude | 0x7f800000;                            /* infinity and NaN keep their fraction */
    uint32_t bits = magnitude < (1u << 23) ? bits_of_float(subnormal) : bits_of_float(normal);
    return float_of_bits(sign | (magnitude >= (31u << 23) ? special : bits));
}

SIMD_INLINE uint16_t half_of_float(float x)
{
    uint32_t bits = bits_of_float(x), sign = bits >> 16 & 0x8000, magnitude = bits & 0x7fffffff;
    uint32_t normal = (magnitude - (112u << 23) + 0xfff + (magnitude >> 13 & 1)) >> 13; /* a carry may reach infinity */
    uint32_t subnormal = bits_of_float(float_of_bits(magnitude) + 0.5f) - 0x3f000000;   /* the addition rounds at 2^-24 */
    uint32_t special = magnitude > 0x7f800000 ? 0x7e00 : 0x7c00;
    uint32_t h = magnitude < 0x38800000 ? subnormal : normal;
    return (uint16_t)(sign | (magnitude >= 0x47800000 ? special : h));
}

SIMD_INLINE uint16_t bf16_of_float(float x)
{
    uint32_t bits = bits_of_float(x);
    uint32_t rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
    return (uint16_t)((bits & 0x7fffffff) > 0x7f800000 ? bits >> 16 | 0x40 : rounded);
}

/* A float that rounds on to fewer bits as x itself would: rounded to odd, so that no second rounding sees a false tie. */
SIMD_INLINE float float_for_rounding(real x)
{
    float f = (float)x;
#if WEFT_REAL_BITS == 64
    uint32_t bits = bits_of_float(f);
    bool inexact = (double)f != x && x == x;
    uint32_t odd = (bits - (fabs((double)f) > fabs(x) ? 1 : 0)) | 1;
    f = float_of_bits(inexact ? odd : bits);
#endif
    return f;
}

#define CONVERT(target, source, expression) \
    do { \
        const source *from_ = x; \
        target *to_ = y; \
        for (int64_t i = 0; i < n; i++) { \
            const source v = from_[i]; \
            to_[i] = (target)(expression); \
        } \
    } while (0)

static void widen(weft_dtype from, int64_t n, const void *x, void *y)
{
    switch (from) {
    case WEFT_F32:
        CONVERT(real, float, v);
        break;
    case WEFT_F64:
        CONVERT(real, double, v);
        break;
    case WEFT_BF16:
        CONVERT(real, uint16_t, float_of_bits((uint32_t)v << 16));
        break;
    case WEFT_F16:
        CONVERT(real, uint16_t, float_of_half(v));
        break;
    case WEFT_I64:
        CONVERT(real, int64_t, v);
        break;
    case WEFT_I32:
        CONVERT(real, int32_t, v);
        break;
    case WEFT_I16:
        CONVERT(real, int16_t, v);
        break;
    case WEFT_I8:
        CONVERT(real, int8_t, v);
        break;
    case WEFT_U8:
    case WEFT_BOOL:
        CONVERT(real, uint8_t, v);
        break;
    default:
        break;
    }
}

static void narrow(weft_dtype to, int64_t n, const void *x, void *y)
{
    switch (to) {
    case WEFT_F32:
        CONVERT(float, real, v);
        break;
    case WEFT_F64:
        CONVERT(double, real, v);
        break;
    case WEFT_BF16:
        CONVERT(uint16_t, real, bf16_of_float(float_for_rounding(v)));
        break;
    case WEFT_F16:
        CONVERT(uint16_t, real, half_of_float(float_for_rounding(v)));
        break;
    default:
        break;
    }
}

static void narrow_at_random(int64_t n, const void *x, const void *u, void *y)
{
    const real *from = x, *draw = u;
    uint16_t *to = y;
    for (int64_t i = 0; i < n; i++) {
        const uint32_t bits = bits_of_float((float)from[i]), more = (uint32_t)((float)draw[i] * 65536.0f);
        const uint32_t rounded = (bits + (more < 0xffff ? more : 0xffff)) >> 16; /* of the magnitude: towards or away from zero */
        to[i] = (uint16_t)((bits & 0x7fffffff) > 0x7f800000 ? bits >> 16 | 0x40 : rounded);
    }
}

#undef CONVERT

#endif
