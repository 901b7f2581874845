/* The register tiles of single precision: 12 × 32 outputs with AVX-512, 6 × 16 with AVX2, 6 × 8 without.
 * Level v2 has no fused multiply-add: there each step rounds the product and then the sum. */
#include "kernels/level/gemm_tile.h"

#if defined(WEFT_LEVEL_v4)
GEMM_DEFINE_KIT(wide, __m512, float, 16, _mm512, ps, __mmask16)
GEMM_DEFINE_KIT(half, __m256, float, 8, _mm256, ps, __mmask8)
GEMM_DEFINE_BODY(body_wide, , wide, float, float)
GEMM_DEFINE_BODY(body_half, , half, float, float)
#elif defined(WEFT_LEVEL_v3)
GEMM_DEFINE_KIT(wide, __m256, float, 8, _mm256, ps, )
GEMM_DEFINE_KIT(half, __m128, float, 4, _mm, ps, )
GEMM_DEFINE_BODY(body_wide, , wide, float, float)
GEMM_DEFINE_BODY(body_half, , half, float, float)
#else
GEMM_DEFINE_KIT(wide, __m128, float, 4, _mm, ps, )
GEMM_DEFINE_BODY(body_wide, , wide, float, float)
#endif

GEMM_DEFINE_TILES(tile, , body_wide, 0, 2, float, float)
GEMM_DEFINE_TILES(tile, , body_wide, 1, 1, float, float)
#if !defined(WEFT_LEVEL_v2)
GEMM_DEFINE_TILES(tile, , body_half, 2, 1, float, float)
#endif
GEMM_DEFINE_ROW_TILE(row_4, wide, float, 4)
GEMM_DEFINE_ROW_TILE(row_2, wide, float, 2)
#if defined(WEFT_LEVEL_v4)
GEMM_DEFINE_PAIR_TILE(pair, wide, float)
#define GEMM_PAIR pair
#else
#define GEMM_PAIR NULL
#endif

const weft_gemm_tiles GEMM_TILES_F32 = GEMM_TABLE(tile, wide_lanes, GEMM_PAIR, row_4, row_2);
