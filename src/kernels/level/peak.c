/* The arithmetic peak of a core: chains of multiply-adds in registers and nothing else, in f32 or of bf16 pairs. */
#include "kernels/level.h"

#include <immintrin.h>

enum { CHAINS = 12 };

#if defined(WEFT_LEVEL_v4)
__attribute__((target("avx512bf16"))) static double peak_pairs(int64_t rounds, float *sink)
{
    __m512 x[CHAINS];
    const __m512bh a = (__m512bh)_mm512_set1_epi32(0x3a803a80), b = (__m512bh)_mm512_set1_epi32(0x3f803f80);
    for (int i = 0; i < CHAINS; i++)
        x[i] = _mm512_set1_ps((float)i);
    for (int64_t r = 0; r < rounds; r++)
        for (int i = 0; i < CHAINS; i++)
            x[i] = _mm512_dpbf16_ps(x[i], a, b);
    for (int i = 1; i < CHAINS; i++)
        x[0] = _mm512_add_ps(x[0], x[i]);
    *sink = _mm512_cvtss_f32(x[0]);
    return (double)rounds * CHAINS * 16 * 4;
}
#endif

double WEFT_LEVEL_NAME(weft_peak)(bool bf16, int64_t rounds, float *sink)
{
#if defined(WEFT_LEVEL_v4)
    if (bf16 && __builtin_cpu_supports("avx512bf16"))
        return peak_pairs(rounds, sink);
#endif
    (void)bf16; /* elsewhere bf16 is multiplied as f32 */
#if defined(WEFT_LEVEL_v4)
    __m512 x[CHAINS], a = _mm512_set1_ps(0.999f), b = _mm512_set1_ps(0.001f);
    for (int i = 0; i < CHAINS; i++)
        x[i] = _mm512_set1_ps((float)i);
    for (int64_t r = 0; r < rounds; r++)
        for (int i = 0; i < CHAINS; i++)
            x[i] = _mm512_fmadd_ps(x[i], a, b);
    for (int i = 1; i < CHAINS; i++)
        x[0] = _mm512_add_ps(x[0], x[i]);
    *sink = _mm512_cvtss_f32(x[0]);
    return (double)rounds * CHAINS * 16 * 2;
#elif defined(WEFT_LEVEL_v3)
    __m256 x[CHAINS], a = _mm256_set1_ps(0.999f), b = _mm256_set1_ps(0.001f);
    for (int i = 0; i < CHAINS; i++)
        x[i] = _mm256_set1_ps((float)i);
    for (int64_t r = 0; r < rounds; r++)
        for (int i = 0; i < CHAINS; i++)
            x[i] = _mm256_fmadd_ps(x[i], a, b);
    for (int i = 1; i < CHAINS; i++)
        x[0] = _mm256_add_ps(x[0], x[i]);
    *sink = _mm256_cvtss_f32(x[0]);
    return (double)rounds * CHAINS * 8 * 2;
#else
    __m128 x[CHAINS], a = _mm_set1_ps(0.999f), b = _mm_set1_ps(0.001f);
    for (int i = 0; i < CHAINS; i++)
        x[i] = _mm_set1_ps((float)i);
    for (int64_t r = 0; r < rounds; r++)
        for (int i = 0; i < CHAINS; i++)
            x[i] = _mm_add_ps(_mm_mul_ps(x[i], a), b);
    for (int i = 1; i < CHAINS; i++)
        x[0] = _mm_add_ps(x[0], x[i]);
    *sink = _mm_cvtss_f32(x[0]);
    return (double)rounds * CHAINS * 4 * 2;
#endif
}
