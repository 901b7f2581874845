/* The register tiles of bf16 products on processors that multiply bf16 themselves: 12 × 32 outputs, two steps of depth at once.
 *
 * vdpbf16ps adds the product of the odd step first, then that of the even one, each with one rounding to f32 (to nearest even,
 * subnormals as zero): a chain of fused multiply-adds in the order 1, 0, 3, 2, …, which other processors follow with their own.
 */
#include "kernels/level/gemm_tile.h"

#if defined(WEFT_LEVEL_v4)

#define DOTS __attribute__((target("avx512bf16,avx512vl")))

#define DEFINE_BF16_KIT(kit, reg, count, prefix, bits, mask) \
    enum { kit##_lanes = count, kit##_ahead = 16 }; \
    typedef reg kit##_vector; \
    DOTS GEMM_INLINE reg kit##_splat(const uint32_t *p) \
    { \
        return prefix##_castsi##bits##_ps(prefix##_set1_epi32((int)*p)); \
    } \
    DOTS GEMM_INLINE reg kit##_take(const uint32_t *p) \
    { \
        return prefix##_loadu_ps((const float *)(const void *)p); \
    } \
    DOTS GEMM_INLINE reg kit##_add(reg a, reg b, reg c) \
    { \
        return prefix##_dpbf16_ps(c, (__m##bits##bh)a, (__m##bits##bh)b); \
    } \
    GEMM_DEFINE_MOVES(kit, reg, float, count, prefix, ps, mask)

DEFINE_BF16_KIT(wide, __m512, 16, _mm512, 512, __mmask16)
DEFINE_BF16_KIT(half, __m256, 8, _mm256, 256, __mmask8)
GEMM_DEFINE_BODY(body_wide, DOTS, wide, float, uint32_t)
GEMM_DEFINE_BODY(body_half, DOTS, half, float, uint32_t)
GEMM_DEFINE_TILES(tile, DOTS, body_wide, 0, 2, float, uint32_t)
GEMM_DEFINE_TILES(tile, DOTS, body_wide, 1, 1, float, uint32_t)
GEMM_DEFINE_TILES(tile, DOTS, body_half, 2, 1, float, uint32_t)

const weft_gemm_tiles GEMM_TILES_BF16 = GEMM_TABLE(tile, wide_lanes, NULL, NULL, NULL);

#else

typedef int weft_gemm_no_bf16_here; /* a file may not be empty */

#endif
