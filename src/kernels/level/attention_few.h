/* Attention, the scores of few queries: a token that goes on from a cache. The keys are turned in registers where they stand, as
 * packing them would be more work than multiplying; for bf16 products they are rounded there too. Each score is the chain of
 * additions that the tiles make. */
#ifndef WEFT_KERNELS_ATTENTION_FEW_H
#define WEFT_KERNELS_ATTENTION_FEW_H

#include "kernels/level/attention_block.h"
#include "kernels/level/gemm_transpose.h"

#if defined(WEFT_LEVEL_v4) && WEFT_REAL_BITS == 32

enum { FEW_ROWS = 4 };

static bool few_queries(const weft_attention_task *t, int64_t rows)
{
    if (element_of(t) == GEMM_PAIRS && t->k_dtype == WEFT_BF16) /* its pairs are lines of words */
        return rows <= FEW_ROWS && t->head % 8 == 0 && t->k_token % 2 == 0 && weft_sixteen_lines(t->head / 2, t->k_token / 2);
    return rows <= FEW_ROWS && t->k_dtype == REAL_DTYPE && element_of(t) != GEMM_ROUNDED &&
           weft_sixteen_lines(t->head, t->k_token);
}

GEMM_INLINE void few_rows(const int R, int64_t depth, const real *q, const real *lines, int64_t stride, real *scores)
{
    __m512 sum[FEW_ROWS];
    GEMM_UNROLL(4)
    for (int r = 0; r < R; r++)
        sum[r] = _mm512_setzero_ps();
    for (int64_t p = 0; p < depth; p += 4) {
        __m512 keys[4];
        weft_turn_lines(lines + p, stride, keys);
        GEMM_UNROLL(4)
        for (int step = 0; step < 4; step++)
            GEMM_UNROLL(4)
        for (int r = 0; r < R; r++)
            sum[r] = _mm512_fmadd_ps(_mm512_set1_ps(q[r * depth + p + step]), keys[step], sum[r]);
    }
    GEMM_UNROLL(4)
    for (int r = 0; r < R; r++)
        _mm512_storeu_ps(scores + r * SCORES, sum[r]);
}

/* The same with q [rows, depth / 2] in pairs. */
__attribute__((target("avx512bf16"))) GEMM_INLINE void few_rows_pairs(const int R, int64_t depth, const real *q,
                                                                      const real *lines, int64_t stride, real *scores)
{
    __m512 sum[FEW_ROWS];
    GEMM_UNROLL(4)
    for (int r = 0; r < R; r++)
        sum[r] = _mm512_setzero_ps();
    for (int64_t p = 0; p < depth; p += 4) {
        __m512 keys[4];
        weft_turn_lines(lines + p, stride, keys);
        GEMM_UNROLL(2)
        for (int step = 0; step < 4; step += 2) {
            const __m512i even = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(keys[step]));
            const __m512i odd = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(keys[step + 1]));
            const __m512bh pair = (__m512bh)_mm512_or_si512(even, _mm512_slli_epi32(odd, 16));
            GEMM_UNROLL(4)
            for (int r = 0; r < R; r++)
                sum[r] = _mm512_dpbf16_ps(sum[r], (__m512bh)_mm512_set1_ps(q[(r * depth + p + step) / 2]), pair);
        }
    }
    GEMM_UNROLL(4)
    for (int r = 0; r < R; r++)
        _mm512_storeu_ps(scores + r * SCORES, sum[r]);
}

/* The same where the keys are pairs too: depth, stride and lines count words of two. */
__attribute__((target("avx512bf16"))) GEMM_INLINE void few_rows_words(const int R, int64_t depth, const real *q,
                                                                      const real *lines, int64_t stride, real *scores)
{
    __m512 sum[FEW_ROWS];
    GEMM_UNROLL(4)
    for (int r = 0; r < R; r++)
        sum[r] = _mm512_setzero_ps();
    for (int64_t p = 0; p < depth; p += 4) {
        __m512 keys[4];
        weft_turn_lines(lines + p, stride, keys);
        GEMM_UNROLL(4)
        for (int step = 0; step < 4; step++)
            GEMM_UNROLL(4)
        for (int r = 0; r < R; r++)
            sum[r] = _mm512_dpbf16_ps(sum[r], (__m512bh)_mm512_set1_ps(q[r * depth + p + step]), (__m512bh)keys[step]);
    }
    GEMM_UNROLL(4)
    for (int r = 0; r < R; r++)
        _mm512_storeu_ps(scores + r * SCORES, sum[r]);
}

#define FEW_ROWS_OF(NAME, TARGET, KERNEL) \
    TARGET static void NAME(int64_t rows, int64_t depth, const real *q, const real *lines, int64_t stride, real *scores) \
    { \
        if (rows == 1) \
            KERNEL(1, depth, q, lines, stride, scores); \
        else if (rows == 2) \
            KERNEL(2, depth, q, lines, stride, scores); \
        else if (rows == 3) \
            KERNEL(3, depth, q, lines, stride, scores); \
        else \
            KERNEL(4, depth, q, lines, stride, scores); \
    }

FEW_ROWS_OF(few_of_floats, , few_rows)
FEW_ROWS_OF(few_of_pairs, __attribute__((target("avx512bf16"))), few_rows_pairs)
FEW_ROWS_OF(few_of_words, __attribute__((target("avx512bf16"))), few_rows_words)

/* scores[r · SCORES + j] = q[r] · key first + j, for `count` keys and zeros up to whole panels. room: [16][head], for the last
 * keys. */
static void few_scores(const weft_attention_task *t, int64_t rows, const real *q, int64_t first, int64_t count, real *room,
                       real *scores)
{
    const bool pairs = element_of(t) == GEMM_PAIRS, words = t->k_dtype == WEFT_BF16;
    const int64_t depth = words ? t->head / 2 : t->head, apart = words ? t->k_token / 2 : t->k_token;
    const real *keys = element(t->k, t->k_dtype, first * t->k_token);
    for (int64_t j = 0; j < padded(count); j += 16, keys += 16 * apart) {
        const real *lines = keys;
        int64_t stride = apart;
        if (count - j < 16) {
            const int64_t left = count - j > 0 ? count - j : 0;
            copy_rows(left, depth, keys, stride, room, depth);
            memset(room + left * depth, 0, (size_t)((16 - left) * depth) * sizeof *room);
            lines = room, stride = depth;
        }
        (words ? few_of_words : pairs ? few_of_pairs : few_of_floats)(rows, depth, q, lines, stride, scores + j);
    }
}

#else

static bool few_queries(const weft_attention_task *t, int64_t rows)
{
    (void)t, (void)rows;
    return false; /* its registers are those of single precision at level v4 */
}

static void few_scores(const weft_attention_task *t, int64_t rows, const real *q, int64_t first, int64_t count, real *room,
                       real *scores)
{
    (void)t, (void)rows, (void)q, (void)first, (void)count, (void)room, (void)scores;
}

#endif

#endif
