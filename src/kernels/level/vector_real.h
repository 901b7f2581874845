/* The compute type of a vector table: everything below in vector_*.h is written once in these names and compiled for float
 * (WEFT_REAL_BITS 32) and for double (WEFT_REAL_BITS 64). */
#ifndef WEFT_KERNELS_VECTOR_REAL_H
#define WEFT_KERNELS_VECTOR_REAL_H

#include "kernels/level.h"
#include "kernels/level/simd.h"

#if WEFT_REAL_BITS == 32
typedef float real;
typedef vf vec;
typedef vi32 mask;
#define VECTOR_(name) name##_f
enum { LANES = FLOATS, PARTS = 2 }; /* PARTS: vectors of double that hold what one vec holds */
#else
typedef double real;
typedef vd vec;
typedef vi64 mask;
#define VECTOR_(name) name##_d
enum { LANES = DOUBLES, PARTS = 1 };
#endif

#define load           VECTOR_(load)
#define store          VECTOR_(store)
#define splat          VECTOR_(splat)
#define load_part      VECTOR_(load_part)
#define store_part     VECTOR_(store_part)
#define keep_first     VECTOR_(keep_first)
#define load_part_over VECTOR_(load_part_over)
#define select         VECTOR_(select)
#define mad            VECTOR_(mad)
#define fused          VECTOR_(fused)
#define min_           VECTOR_(min)
#define max_           VECTOR_(max)
#define sqrt_          VECTOR_(sqrt)
#define floor_         VECTOR_(floor)
#define abs_           VECTOR_(abs)
#define max_of         VECTOR_(max_of)
#define stream_        VECTOR_(stream)

SIMD_INLINE void widen_vec(vec x, vd out[PARTS])
{
#if WEFT_REAL_BITS == 32
    widen_f(x, out);
#else
    out[0] = x;
#endif
}

SIMD_INLINE vec narrow_vec(const vd x[PARTS])
{
#if WEFT_REAL_BITS == 32
    return narrow_f(x[0], x[1]);
#else
    return x[0];
#endif
}

/* Element i and what follows of n: a whole vector, or the rest padded with zeros. */
SIMD_INLINE vec load_rest(const real *x, int64_t i, int64_t n)
{
    return i + LANES <= n ? load(x + i) : load_part(x + i, n - i);
}

/* The same, the rest padded with `pad`. */
SIMD_INLINE vec load_rest_over(real pad, const real *x, int64_t i, int64_t n)
{
    return i + LANES <= n ? load(x + i) : load_part_over(splat(pad), x + i, n - i);
}

SIMD_INLINE void store_rest(real *y, vec v, int64_t i, int64_t n)
{
    if (i + LANES <= n)
        store(y + i, v);
    else
        store_part(y + i, v, n - i);
}

/* A whole vector to y, past the caches when `stream` is set (then y is aligned). */
SIMD_INLINE void put(real *y, vec v, bool stream)
{
    if (stream)
        stream_(y, v);
    else
        store(y, v);
}

/* Asks for the memory line of p, into the second cache: the first has too few requests to spare. Any address will do. */
SIMD_INLINE void prefetch(const real *p)
{
    __builtin_prefetch(p, 0, 2);
}

/* Arrays this long leave the caches before anyone reads them; writing past the caches then saves reading the old content. */
SIMD_INLINE bool streams(int64_t n)
{
    return n >= (int64_t)WEFT_STREAM_BYTES / (int64_t)sizeof(real);
}

SIMD_INLINE bool aligned(const void *p)
{
    return (uintptr_t)p % SIMD_BYTES == 0;
}

#endif
