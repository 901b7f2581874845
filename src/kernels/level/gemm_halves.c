/* Weights kept packed in BF16 or F16: the memory that a product of few rows reads is what it costs, so they are widened, exactly,
 * on their way to the tiles. */
#include "kernels/level/gemm_pack.h"

#include <immintrin.h>
#include <string.h>

void WEFT_LEVEL_NAME(weft_gemm_pack_halves)(const gemm_operand *x, int64_t from, int64_t to, int64_t line0, int64_t line1,
                                            uint16_t *out, int64_t width)
{
    const int64_t count = line1 - line0 < width ? line1 - line0 : width;
    const uint16_t *data = x->data;
    for (int64_t p = from; p < to; p++, out += width) {
        for (int64_t i = 0; i < count; i++)
            out[i] = data[(line0 + i) * x->line + p * x->step];
        if (count < width)
            memset(out + count, 0, (size_t)(width - count) * sizeof *out);
    }
}

void WEFT_LEVEL_NAME(weft_gemm_widen_halves)(weft_dtype dtype, int64_t count, const uint16_t *x, float *out)
{
    int64_t i = 0; /* panels are whole vectors */
    if (dtype == WEFT_BF16) {
#if defined(WEFT_LEVEL_v4)
        for (; i + 16 <= count; i += 16) {
            const __m256i half = _mm256_loadu_si256((const __m256i *)(const void *)(x + i));
            _mm_prefetch((const char *)(x + i + 1024), _MM_HINT_T1);
            _mm512_storeu_ps(out + i, _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16)));
        }
#endif
        for (; i < count; i++) {
            const uint32_t bits = (uint32_t)x[i] << 16;
            memcpy(&out[i], &bits, sizeof bits);
        }
        return;
    }
#if defined(WEFT_LEVEL_v4)
    for (; i + 16 <= count; i += 16) {
        _mm_prefetch((const char *)(x + i + 1024), _MM_HINT_T1);
        _mm512_storeu_ps(out + i, _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)(x + i))));
    }
#elif defined(WEFT_LEVEL_v3)
    for (; i + 8 <= count; i += 8)
        _mm256_storeu_ps(out + i, _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)(x + i))));
#endif
    for (; i < count; i++)
        out[i] = WEFT_LEVEL_NAME(weft_gemm_widen_half)(x[i]);
}
