/* Rearranging the operands of a product: widening, rounding to bf16, panels and lines of elements for the register tiles. */
#ifndef WEFT_KERNELS_GEMM_PACK_H
#define WEFT_KERNELS_GEMM_PACK_H

#include "kernels/level.h"

/* What a tile reads. The last two are bf16 products: pairs of steps for vdpbf16ps, or f32 already rounded to bf16, steps in the
 * order 1, 0, 3, 2, …, so that a plain tile adds up as vdpbf16ps does. */
typedef enum gemm_element { GEMM_FLOATS, GEMM_DOUBLES, GEMM_ROUNDED, GEMM_PAIRS } gemm_element;

/* What bf16 products of floats are made of on this processor. */
static inline gemm_element weft_gemm_bf16_element(void)
{
#if defined(WEFT_LEVEL_v4)
    return __builtin_cpu_supports("avx512bf16") ? GEMM_PAIRS : GEMM_ROUNDED;
#else
    return GEMM_ROUNDED;
#endif
}

/* A or B as the tiles see it: lines (rows of A, columns of B) of `depth` steps each. One of the strides is 1. */
typedef struct gemm_operand {
    const void *data;
    weft_dtype dtype;
    int64_t step; /* stride along the depth, the sum's axis */
    int64_t line; /* stride from line to line */
    int64_t depth;
} gemm_operand;

/* out[(i - line0) · stride + p - from] = element p of line i, for lines line0 … line1 and elements from … to of operands with
 * step 1. For pairs, elements count pairs. `from` is even, `to` even or the end. */
void WEFT_LEVEL_NAME(weft_gemm_pack_lines)(const gemm_operand *, gemm_element, int64_t from, int64_t to, int64_t line0,
                                           int64_t line1, void *out, int64_t stride);

/* out[(p - from) · width + i - line0] = element p of line i, zeros where line0 + width passes line1; width ≤ 32. */
void WEFT_LEVEL_NAME(weft_gemm_pack_panel)(const gemm_operand *, gemm_element, int64_t from, int64_t to, int64_t line0,
                                           int64_t line1, void *out, int64_t width);

/* The same panel of an operand in BF16 or F16, as it is stored; and `count` such numbers as f32. */
void WEFT_LEVEL_NAME(weft_gemm_pack_halves)(const gemm_operand *, int64_t from, int64_t to, int64_t line0, int64_t line1,
                                            uint16_t *out, int64_t width);
void WEFT_LEVEL_NAME(weft_gemm_widen_halves)(weft_dtype, int64_t count, const uint16_t *x, float *out);

float WEFT_LEVEL_NAME(weft_gemm_widen_half)(uint16_t half); /* F16 */

#endif
