/* The register tiles of double precision: 12 × 16 outputs with AVX-512, 6 × 8 with AVX2, 6 × 4 without.
 * Level v2 has no fused multiply-add: there each step rounds the product and then the sum. */
#include "kernels/level/gemm_tile.h"

#if defined(WEFT_LEVEL_v4)
GEMM_DEFINE_KIT(wide, __m512d, double, 8, _mm512, pd, __mmask8)
GEMM_DEFINE_KIT(half, __m256d, double, 4, _mm256, pd, __mmask8)
GEMM_DEFINE_BODY(body_wide, , wide, double, double)
GEMM_DEFINE_BODY(body_half, , half, double, double)
#elif defined(WEFT_LEVEL_v3)
GEMM_DEFINE_KIT(wide, __m256d, double, 4, _mm256, pd, )
GEMM_DEFINE_KIT(half, __m128d, double, 2, _mm, pd, )
GEMM_DEFINE_BODY(body_wide, , wide, double, double)
GEMM_DEFINE_BODY(body_half, , half, double, double)
#else
GEMM_DEFINE_KIT(wide, __m128d, double, 2, _mm, pd, )
GEMM_DEFINE_BODY(body_wide, , wide, double, double)
#endif

GEMM_DEFINE_TILES(tile, , body_wide, 0, 2, double, double)
GEMM_DEFINE_TILES(tile, , body_wide, 1, 1, double, double)
#if !defined(WEFT_LEVEL_v2)
GEMM_DEFINE_TILES(tile, , body_half, 2, 1, double, double)
#endif
GEMM_DEFINE_ROW_TILE(row_4, wide, double, 4)
GEMM_DEFINE_ROW_TILE(row_2, wide, double, 2)
#if defined(WEFT_LEVEL_v4)
GEMM_DEFINE_PAIR_TILE(pair, wide, double)
#define GEMM_PAIR pair
#else
#define GEMM_PAIR NULL
#endif

const weft_gemm_tiles GEMM_TILES_F64 = GEMM_TABLE(tile, wide_lanes, GEMM_PAIR, row_4, row_2);
