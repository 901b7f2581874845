/* Sixteen lines of numbers turned in registers: what packs short lines, and what reads a cache's keys in place. */
#ifndef WEFT_KERNELS_GEMM_TRANSPOSE_H
#define WEFT_KERNELS_GEMM_TRANSPOSE_H

#include "kernels/level.h"

#if defined(WEFT_LEVEL_v4)
#include <immintrin.h>

/* Whether sixteen lines may be read side by side: in whole fours of steps, and not so far apart (a multiple of 2 KB) that they
 * push one another out of the first cache. */
static inline bool weft_sixteen_lines(int64_t depth, int64_t stride)
{
    return depth <= 64 && depth % 4 == 0 && stride * (int64_t)sizeof(float) % 2048 != 0;
}

/* Four numbers each of four lines, four lines apart. */
static inline __m512 weft_load_lanes(const float *from, int64_t stride)
{
    const __m512 first = _mm512_castps128_ps512(_mm_loadu_ps(from));
    const __m512 second = _mm512_insertf32x4(first, _mm_loadu_ps(from + 4 * stride), 1);
    return _mm512_insertf32x4(_mm512_insertf32x4(second, _mm_loadu_ps(from + 8 * stride), 2), _mm_loadu_ps(from + 12 * stride),
                              3);
}

/* out[p], lane i = lines[i · stride + p], for four steps p of sixteen lines. */
static inline void weft_turn_lines(const float *lines, int64_t stride, __m512 out[4])
{
    const __m512 a = weft_load_lanes(lines, stride), b = weft_load_lanes(lines + stride, stride);
    const __m512 c = weft_load_lanes(lines + 2 * stride, stride), d = weft_load_lanes(lines + 3 * stride, stride);
    const __m512d ab = (__m512d)_mm512_unpacklo_ps(a, b), cd = (__m512d)_mm512_unpacklo_ps(c, d);
    const __m512d ab2 = (__m512d)_mm512_unpackhi_ps(a, b), cd2 = (__m512d)_mm512_unpackhi_ps(c, d);
    out[0] = (__m512)_mm512_unpacklo_pd(ab, cd);
    out[1] = (__m512)_mm512_unpackhi_pd(ab, cd);
    out[2] = (__m512)_mm512_unpacklo_pd(ab2, cd2);
    out[3] = (__m512)_mm512_unpackhi_pd(ab2, cd2);
}
#endif

#endif
