/* Rearranging the operands of a product: widening, rounding to bf16, transposing into panels. */
#include "kernels/level/gemm_pack.h"
#include "kernels/level/gemm_transpose.h"

#include <immintrin.h>
#include <string.h>

enum { RUN = 64, PANEL = 32 }; /* elements staged at once; widest panel, in lines */

static size_t element_size(gemm_element kind)
{
    return kind == GEMM_DOUBLES ? sizeof(double) : sizeof(float);
}

static const char *at(const gemm_operand *x, int64_t line, int64_t p)
{
    const int64_t size = x->dtype == WEFT_F64 ? 8 : x->dtype == WEFT_F32 ? 4 : 2;
    return (const char *)x->data + (line * x->line + p * x->step) * size;
}

/* Half precision to single, exactly: the exponent is rebased by a multiplication, which also lifts subnormals. */
#if defined(WEFT_LEVEL_v2)
float WEFT_LEVEL_NAME(weft_gemm_widen_half)(uint16_t h)
{
    uint32_t bits = (uint32_t)(h & 0x7fff) << 13;
    float x;
    memcpy(&x, &bits, 4);
    x *= 0x1p112f;
    memcpy(&bits, &x, 4);
    if ((h & 0x7c00) == 0x7c00)
        bits = 0x7f800000 | (uint32_t)(h & 0x3ff) << 13 | (h & 0x3ff ? 0x400000 : 0);
    bits |= (uint32_t)(h & 0x8000) << 16;
    memcpy(&x, &bits, 4);
    return x;
}
#else
float WEFT_LEVEL_NAME(weft_gemm_widen_half)(uint16_t h)
{
    return _cvtsh_ss(h);
}
#endif

/* count ≤ RUN neighbours in memory, of any dtype but F64, as f32. */
static void widen(const char *from, weft_dtype dtype, int64_t count, float *out)
{
    if (dtype == WEFT_F32) {
        memcpy(out, from, (size_t)count * sizeof(float));
        return;
    }
    uint16_t half[RUN];
    memcpy(half, from, (size_t)count * sizeof(uint16_t));
    if (dtype == WEFT_BF16) {
        uint32_t bits[RUN];
        for (int64_t i = 0; i < count; i++)
            bits[i] = (uint32_t)half[i] << 16;
        memcpy(out, bits, (size_t)count * sizeof(float));
        return;
    }
    int64_t i = 0;
#if !defined(WEFT_LEVEL_v2)
    for (; i + 8 <= count; i += 8)
        _mm256_storeu_ps(out + i, _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)(half + i))));
#endif
    for (; i < count; i++)
        out[i] = WEFT_LEVEL_NAME(weft_gemm_widen_half)(half[i]);
}

/* The nearest bf16, ties to even, in the upper half of the word; NaN stays NaN. */
static inline uint32_t round_to_bf16(uint32_t bits)
{
    const uint32_t rounded = bits + 0x7fff + (bits >> 16 & 1), nan = bits | 0x400000;
    return ((bits & 0x7fffffff) > 0x7f800000 ? nan : rounded) & 0xffff0000;
}

/* The same neighbours, rounded to bf16, as the bits of f32. */
static void round_run(const char *from, weft_dtype dtype, int64_t count, uint32_t *out)
{
    float wide[RUN];
    widen(from, dtype, count, wide);
    memcpy(out, wide, (size_t)count * sizeof(float));
    for (int64_t i = 0; i < count; i++)
        out[i] = round_to_bf16(out[i]);
}

#if defined(WEFT_LEVEL_v4)
/* count neighbours of a matrix in F32 as pairs; kind PAIRS means that the processor rounds by itself. It takes subnormals for
 * zero, as its products do. */
__attribute__((target("avx512bf16,avx512vl"))) static void round_pairs(const float *x, int64_t count, char *out)
{
    int64_t i = 0;
    for (; i + 32 <= count; i += 32)
        _mm512_storeu_si512(out + 2 * i, (__m512i)_mm512_cvtne2ps_pbh(_mm512_loadu_ps(x + i + 16), _mm512_loadu_ps(x + i)));
    for (; i < count; i += 16) { /* an odd one is paired with zero */
        const __mmask16 part = (__mmask16)(count - i >= 16 ? 0xffff : (1 << (count - i)) - 1);
        const __m256i half = (__m256i)_mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(part, x + i));
        const __mmask16 stored = (__mmask16)(count - i >= 16 ? 0xffff : (1 << (count - i + (count & 1))) - 1);
        _mm256_mask_storeu_epi16(out + 2 * i, stored, half);
    }
}

/* Pairs from … to of one line with step 1; false for types that take the long way. */
static bool stage_pairs(const gemm_operand *x, int64_t line, int64_t from, int64_t to, char *out)
{
    const int64_t end = 2 * to < x->depth ? 2 * to : x->depth, count = end - 2 * from;
    if (x->dtype == WEFT_F32)
        round_pairs((const float *)(const void *)at(x, line, 2 * from), count, out);
    else if (x->dtype == WEFT_BF16) {
        memcpy(out, at(x, line, 2 * from), (size_t)count * 2);
        if (count & 1)
            memset(out + 2 * count, 0, 2);
    } else
        return false;
    return true;
}
/* Pairs of one step and the next of `count` neighbouring lines of a matrix in F32; odd NULL: there is no next step. */
__attribute__((target("avx512bf16,avx512vl"))) static void pair_steps(const float *even, const float *odd, int64_t count,
                                                                      char *out)
{
    for (int64_t i = 0; i < count; i += 16) {
        const __mmask16 part = (__mmask16)(count - i >= 16 ? 0xffff : (1 << (count - i)) - 1);
        const __m256i low = (__m256i)_mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(part, even + i));
        const __m256i high = odd ? (__m256i)_mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(part, odd + i)) : _mm256_setzero_si256();
        const __m512i pair = _mm512_or_si512(_mm512_cvtepu16_epi32(low), _mm512_slli_epi32(_mm512_cvtepu16_epi32(high), 16));
        _mm512_mask_storeu_epi32(out + 4 * i, part, pair);
    }
}
/* The same of a matrix in BF16. */
static void pair_halves(const uint16_t *even, const uint16_t *odd, int64_t count, char *out)
{
    for (int64_t i = 0; i < count; i += 16) {
        const __mmask16 part = (__mmask16)(count - i >= 16 ? 0xffff : (1 << (count - i)) - 1);
        const __m256i low = _mm256_maskz_loadu_epi16(part, even + i);
        const __m256i high = odd ? _mm256_maskz_loadu_epi16(part, odd + i) : _mm256_setzero_si256();
        const __m512i pair = _mm512_or_si512(_mm512_cvtepu16_epi32(low), _mm512_slli_epi32(_mm512_cvtepu16_epi32(high), 16));
        _mm512_mask_storeu_epi32(out + 4 * i, part, pair);
    }
}
#else
static void pair_halves(const uint16_t *even, const uint16_t *odd, int64_t count, char *out)
{
    (void)even, (void)odd, (void)count, (void)out;
}

static void pair_steps(const float *even, const float *odd, int64_t count, char *out)
{
    (void)even, (void)odd, (void)count, (void)out; /* there are no pairs at this level */
}

static bool stage_pairs(const gemm_operand *x, int64_t line, int64_t from, int64_t to, char *out)
{
    (void)x, (void)line, (void)from, (void)to, (void)out;
    return false; /* there are no pairs at this level */
}
#endif

/* Elements from … to of one line of an operand with step 1. */
static void stage_line(const gemm_operand *x, gemm_element kind, int64_t line, int64_t from, int64_t to, char *out)
{
    uint32_t bits[RUN];
    if (kind == GEMM_DOUBLES || (kind == GEMM_FLOATS && x->dtype == WEFT_F32)) {
        memcpy(out, at(x, line, from), (size_t)(to - from) * element_size(kind));
        return;
    }
    if (kind == GEMM_PAIRS && stage_pairs(x, line, from, to, out))
        return;
    const int64_t steps = kind == GEMM_PAIRS ? 2 : 1, end = steps * to < x->depth ? steps * to : x->depth;
    for (int64_t p = steps * from; p < end; p += RUN) {
        const int64_t count = end - p < RUN ? end - p : RUN;
        const char *source = at(x, line, p);
        if (kind == GEMM_FLOATS)
            widen(source, x->dtype, count, (float *)(void *)bits);
        else
            round_run(source, x->dtype, count, bits);
        if (kind == GEMM_ROUNDED)
            for (int64_t i = 0; i + 1 < count; i += 2) {
                const uint32_t even = bits[i];
                bits[i] = bits[i + 1];
                bits[i + 1] = even;
            }
        if (kind == GEMM_PAIRS) {
            if (count & 1)
                bits[count] = 0; /* count is odd only at the end, below RUN */
            for (int64_t i = 0; 2 * i < count; i++)
                bits[i] = bits[2 * i] >> 16 | bits[2 * i + 1];
        }
        const int64_t elements = (count + steps - 1) / steps;
        memcpy(out, bits, (size_t)elements * sizeof(uint32_t));
        out += elements * (int64_t)sizeof(uint32_t);
    }
}

/* Element p of lines line0 … line0 + count of an operand with line stride 1, count ≤ PANEL. */
static void stage_across(const gemm_operand *x, gemm_element kind, int64_t p, int64_t line0, int64_t count, char *out)
{
    uint32_t bits[PANEL], odd[PANEL];
    if (kind == GEMM_PAIRS && x->dtype != WEFT_F16) {
        const void *even = at(x, line0, 2 * p), *next = 2 * p + 1 < x->depth ? at(x, line0, 2 * p + 1) : NULL;
        if (x->dtype == WEFT_F32)
            pair_steps(even, next, count, out);
        else
            pair_halves(even, next, count, out);
        return;
    }
    if (kind == GEMM_FLOATS)
        widen(at(x, line0, p), x->dtype, count, (float *)(void *)bits);
    else if (kind == GEMM_ROUNDED)
        round_run(at(x, line0, (p ^ 1) < x->depth ? p ^ 1 : p), x->dtype, count, bits);
    else {
        round_run(at(x, line0, 2 * p), x->dtype, count, bits);
        memset(odd, 0, sizeof odd);
        if (2 * p + 1 < x->depth)
            round_run(at(x, line0, 2 * p + 1), x->dtype, count, odd);
        for (int64_t i = 0; i < count; i++)
            bits[i] = bits[i] >> 16 | odd[i];
    }
    memcpy(out, bits, (size_t)count * sizeof(uint32_t));
}

#if defined(WEFT_LEVEL_v4)
/* transpose_words of as many sixteens of lines as there are; answers how many lines it did. */
static int64_t transpose_sixteens(const float *lines, int64_t stride, int64_t count, int64_t depth, float *out, int64_t width)
{
    int64_t i = 0;
    if (!weft_sixteen_lines(depth, stride))
        return 0;
    for (; i + 16 <= count; i += 16, lines += 16 * stride)
        for (int64_t p = 0; p < depth; p += 4) {
            __m512 turned[4];
            weft_turn_lines(lines + p, stride, turned);
            for (int64_t q = 0; q < 4; q++)
                _mm512_storeu_ps(out + (p + q) * width + i, turned[q]);
        }
    return i;
}
#else
static int64_t transpose_sixteens(const float *lines, int64_t stride, int64_t count, int64_t depth, float *out, int64_t width)
{
    (void)lines, (void)stride, (void)count, (void)depth, (void)out, (void)width;
    return 0; /* its registers are those of level v4 */
}
#endif

/* out[p · width + i] = lines[i · stride + p] for 4-byte elements. Short lines that share few sets of the first cache go sixteen
 * at once. Otherwise four lines at a time, a cache line of each: lines a multiple of 4 KB apart would push one another out of the
 * cache if all were read in step. */
static void transpose_words(const float *lines, int64_t stride, int64_t count, int64_t depth, float *out, int64_t width)
{
    const int64_t done = transpose_sixteens(lines, stride, count, depth, out, width);
    for (int64_t p0 = 0; p0 < depth && done < count; p0 += 16) {
        const int64_t end = p0 + 16 < depth ? p0 + 16 : depth;
        for (int64_t i0 = done; i0 < count; i0 += 4) {
            int64_t p = p0;
            if (i0 + 4 <= count)
                for (int64_t q = 0; q < 4; q++)
                    __builtin_prefetch(lines + (i0 + q) * stride + p0 + 48); /* the hardware does not follow so many lines */
            for (; i0 + 4 <= count && p + 4 <= end; p += 4) {
                const float *from = lines + i0 * stride + p;
                float *to = out + p * width + i0;
                __m128 a = _mm_loadu_ps(from), b = _mm_loadu_ps(from + stride);
                __m128 c = _mm_loadu_ps(from + 2 * stride), d = _mm_loadu_ps(from + 3 * stride);
                _MM_TRANSPOSE4_PS(a, b, c, d);
                _mm_storeu_ps(to, a);
                _mm_storeu_ps(to + width, b);
                _mm_storeu_ps(to + 2 * width, c);
                _mm_storeu_ps(to + 3 * width, d);
            }
            for (; p < end; p++)
                for (int64_t i = i0; i < count && i < i0 + 4; i++)
                    out[p * width + i] = lines[i * stride + p];
        }
    }
}

/* The same for 8-byte elements. */
static void transpose_doubles(const double *lines, int64_t stride, int64_t count, int64_t depth, double *out, int64_t width)
{
    int64_t p = 0;
    for (; p + 2 <= depth; p += 2) {
        int64_t i = 0;
        for (; i + 2 <= count; i += 2) {
            const __m128d a = _mm_loadu_pd(lines + i * stride + p), b = _mm_loadu_pd(lines + (i + 1) * stride + p);
            _mm_storeu_pd(out + p * width + i, _mm_unpacklo_pd(a, b));
            _mm_storeu_pd(out + (p + 1) * width + i, _mm_unpackhi_pd(a, b));
        }
        for (; i < count; i++) {
            out[p * width + i] = lines[i * stride + p];
            out[(p + 1) * width + i] = lines[i * stride + p + 1];
        }
    }
    for (; p < depth; p++)
        for (int64_t i = 0; i < count; i++)
            out[p * width + i] = lines[i * stride + p];
}

static void transpose(const void *lines, int64_t stride, int64_t count, int64_t depth, gemm_element kind, void *out,
                      int64_t width)
{
    if (kind == GEMM_DOUBLES)
        transpose_doubles(lines, stride, count, depth, out, width);
    else
        transpose_words(lines, stride, count, depth, out, width);
}

/* Whole lines as they are. A block of a line is too short for the processor to foresee the next: ask for it a few ahead. */
static void copy_lines(const char *from, int64_t from_stride, int64_t lines, int64_t bytes, char *out, int64_t out_stride)
{
    enum { AHEAD = 4 };
    for (int64_t i = 0; i < lines; i++, from += from_stride, out += out_stride) {
        const char *later = from + (i + AHEAD < lines ? AHEAD * from_stride : 0);
        int64_t p = 0;
        for (; p + 64 <= bytes; p += 64) {
            __builtin_prefetch(later + p);
            memcpy(out + p, from + p, 64);
        }
        memcpy(out + p, from + p, (size_t)(bytes - p));
    }
}

void WEFT_LEVEL_NAME(weft_gemm_pack_lines)(const gemm_operand *x, gemm_element kind, int64_t from, int64_t to, int64_t line0,
                                           int64_t line1, void *out, int64_t stride)
{
    const int64_t size = (int64_t)element_size(kind);
    if (kind == GEMM_DOUBLES || (kind == GEMM_FLOATS && x->dtype == WEFT_F32)) {
        copy_lines(at(x, line0, from), x->line * size, line1 - line0, (to - from) * size, out, stride * size);
        return;
    }
    for (int64_t i = line0; i < line1; i++)
        stage_line(x, kind, i, from, to, (char *)out + (i - line0) * stride * size);
}

/* Runs of `bytes` from every `stride`-th place, one after another; a constant size makes a run a few moves. `later` from here is
 * what the next calls will want: into the second cache, as in the first such lines push one another out. */
static inline __attribute__((always_inline)) void gather_runs(char *out, const char *from, int64_t stride, int64_t steps,
                                                              int64_t later, size_t bytes)
{
    for (int64_t p = 0; p < steps; p++, from += stride, out += bytes) {
        __builtin_prefetch(from + later, 0, 2);
        if (bytes > 64)
            __builtin_prefetch(from + later + 64, 0, 2);
        memcpy(out, from, bytes);
    }
}

static void pack_across(const gemm_operand *x, gemm_element kind, int64_t from, int64_t to, int64_t line0, int64_t count,
                        char *out, int64_t width)
{
    const size_t size = element_size(kind), used = (size_t)count * size, rest = (size_t)(width - count) * size;
    const bool plain = kind == GEMM_DOUBLES || (kind == GEMM_FLOATS && x->dtype == WEFT_F32);
    if (plain && rest == 0) {
        const char *source = at(x, line0, from);
        const int64_t stride = x->step * (int64_t)size, steps = to - from;
        const int64_t later = used % 64 == 0 ? (int64_t)used : 16 * stride; /* the next panel; or the same lines, deeper */
        if (used == 128)
            gather_runs(out, source, stride, steps, later, 128);
        else if (used == 64)
            gather_runs(out, source, stride, steps, later, 64);
        else if (used == 48)
            gather_runs(out, source, stride, steps, later, 48);
        else
            gather_runs(out, source, stride, steps, later, used);
        return;
    }
    for (int64_t p = from; p < to; p++, out += (size_t)width * size) {
        if (plain)
            memcpy(out, at(x, line0, p), used);
        else
            stage_across(x, kind, p, line0, count, out);
        if (rest)
            memset(out + used, 0, rest);
    }
}

void WEFT_LEVEL_NAME(weft_gemm_pack_panel)(const gemm_operand *x, gemm_element kind, int64_t from, int64_t to, int64_t line0,
                                           int64_t line1, void *out, int64_t width)
{
    const int64_t count = line1 - line0 < width ? line1 - line0 : width, size = (int64_t)element_size(kind);
    if (x->line == 1) {
        pack_across(x, kind, from, to, line0, count, out, width);
        return;
    }
    const bool plain = kind == GEMM_DOUBLES || (kind == GEMM_FLOATS && x->dtype == WEFT_F32);
    if (count < width)
        memset(out, 0, (size_t)((to - from) * width * size));
    if (plain) {
        transpose(at(x, line0, from), x->line, count, to - from, kind, out, width);
        return;
    }
    if (kind == GEMM_PAIRS && x->dtype == WEFT_BF16 && x->line % 2 == 0 && x->depth % 2 == 0) { /* pairs as they stand */
        transpose(at(x, line0, 2 * from), x->line / 2, count, to - from, kind, out, width);
        return;
    }
    float lines[PANEL * RUN];
    for (int64_t p = from; p < to; p += RUN) {
        const int64_t depth = to - p < RUN ? to - p : RUN;
        for (int64_t i = 0; i < count; i++)
            stage_line(x, kind, line0 + i, p, p + depth, (char *)(lines + i * RUN));
        transpose(lines, RUN, count, depth, kind, (float *)out + (p - from) * width, width);
    }
}
