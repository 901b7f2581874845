/* Dropout of (row, context) pairs: which of a pair's h elements are kept, as a row of bits, bit c of byte c/8 for element c.
 *
 * Drawn bits are those of base/random.h: element c of pair (i, j) is half-word c of row i·m + j, kept where it is not below
 * rate·65536. `kept` is a vector's share of such a row: a mask register on v4, a vector of all-ones lanes on the other levels. */
#ifndef WEFT_KERNELS_PAIR_DRAW_H
#define WEFT_KERNELS_PAIR_DRAW_H

#include "base/random.h"
#include "kernels/level/vector_real.h"

/* A row of bits is drawn and used in chunks of this many columns, so that buffers on the stack suffice for any h. */
enum { PAIR_CHUNK = 1024, PAIR_CHUNK_BYTES = PAIR_CHUNK / 8 };

typedef enum pair_mode {
    PAIR_KEEP_ALL, /* no dropout */
    PAIR_BITS,     /* kept elements are the bits of a row, drawn here or by an earlier call */
    PAIR_FACTORS   /* a tensor of factors */
} pair_mode;

typedef struct pair_draw {
    pair_mode mode;
    real factor; /* of a kept element; 1 where factors come from a tensor */
    uint32_t threshold;
    uint32_t step_low;
    uint32_t key[10][2]; /* of each Philox round */
    const real *factors; /* [rows, m, h] */
} pair_draw;

static pair_draw pair_draw_of(const weft_pair_dropout *drop)
{
    pair_draw d = {.mode = PAIR_KEEP_ALL, .factor = 1};
    if (drop && drop->mask) {
        d.mode = PAIR_FACTORS;
        d.factors = drop->mask;
    } else if (drop && drop->rate > 0) {
        d.mode = PAIR_BITS;
        d.factor = (real)(1 / (1 - drop->rate));
        d.threshold = weft_random_threshold(drop->rate);
        d.step_low = (uint32_t)drop->step;
        uint32_t k0 = drop->key[0], k1 = drop->key[1] + (uint32_t)(drop->step >> 32);
        for (int round = 0; round < 10; round++) {
            d.key[round][0] = k0;
            d.key[round][1] = k1;
            k0 += WEFT_PHILOX_W0;
            k1 += WEFT_PHILOX_W1;
        }
    }
    return d;
}

SIMD_INLINE vu64 splat_word(uint64_t x)
{
    return (vu64)(vi64){0} + x;
}

#if defined(WEFT_LEVEL_v4)
#define XOR3(a, b, c) ((vu64)_mm512_ternarylogic_epi64((__m512i)(a), (__m512i)(b), (__m512i)(c), 0x96))

/* One bit a half-word of the two vectors, in their order. */
SIMD_INLINE uint64_t bits_of_halves(vu64 low, vu64 high, uint32_t threshold)
{
    const __m512i limit = _mm512_set1_epi16((short)threshold);
    return _mm512_cmpge_epu16_mask((__m512i)low, limit) | (uint64_t)_mm512_cmpge_epu16_mask((__m512i)high, limit) << 32;
}
#elif defined(WEFT_LEVEL_v3)
#define XOR3(a, b, c) ((a) ^ (b) ^ (c))

SIMD_INLINE uint64_t bits_of_halves(vu64 low, vu64 high, uint32_t threshold)
{
    const __m256i limit = _mm256_set1_epi16((short)threshold), x = (__m256i)low, y = (__m256i)high;
    __m256i bytes =
        _mm256_packs_epi16(_mm256_cmpeq_epi16(_mm256_max_epu16(x, limit), x), _mm256_cmpeq_epi16(_mm256_max_epu16(y, limit), y));
    return (uint32_t)_mm256_movemask_epi8(_mm256_permute4x64_epi64(bytes, 0xd8)); /* packing works on 128-bit halves */
}
#else
#define XOR3(a, b, c) ((a) ^ (b) ^ (c))

SIMD_INLINE uint64_t bits_of_halves(vu64 low, vu64 high, uint32_t threshold)
{
    const __m128i limit = _mm_set1_epi16((short)threshold), x = (__m128i)low, y = (__m128i)high;
    return (uint32_t)_mm_movemask_epi8(
        _mm_packs_epi16(_mm_cmpeq_epi16(_mm_max_epu16(x, limit), x), _mm_cmpeq_epi16(_mm_max_epu16(y, limit), y)));
}
#endif

enum { DRAW_TOGETHER = 3 }; /* chains of Philox rounds in flight: one alone waits for its multiplications */

/* DOUBLES blocks, 8·DOUBLES bits, for each of `together` vectors. The 32-bit counter words sit in the low halves of 64-bit
 * lanes; the high halves hold anything, for the multiplication ignores them. */
SIMD_INLINE void draw_vectors(const pair_draw *d, uint64_t row, uint64_t block, int together, uint8_t *bits)
{
    const vu64 m0 = splat_word(WEFT_PHILOX_M0), m1 = splat_word(WEFT_PHILOX_M1), low = splat_word(0xffffffff);
    const vu64 lane = SIMD_COUNT_UP;
    vu64 c0[DRAW_TOGETHER], c1[DRAW_TOGETHER], c2[DRAW_TOGETHER], c3[DRAW_TOGETHER];
    for (int u = 0; u < together; u++) {
        c0[u] = splat_word(block + (uint64_t)(u * DOUBLES)) + lane;
        c1[u] = splat_word(row);
        c2[u] = splat_word(row >> 32);
        c3[u] = splat_word(d->step_low);
    }
    for (int round = 0; round < 10; round++) {
        const vu64 k0 = splat_word(d->key[round][0]), k1 = splat_word(d->key[round][1]);
        for (int u = 0; u < together; u++) {
            vu64 p0 = SIMD_MULTIPLY_LOW(c0[u], m0), p1 = SIMD_MULTIPLY_LOW(c2[u], m1);
            c0[u] = XOR3(p1 >> 32, c1[u], k0);
            c2[u] = XOR3(p0 >> 32, c3[u], k1);
            c1[u] = p1;
            c3[u] = p0;
        }
    }
    for (int u = 0; u < together; u++) {
        vu64 first = (c0[u] & low) | (c1[u] << 32), second = (c2[u] & low) | (c3[u] << 32);
        uint64_t word = bits_of_halves(SIMD_ZIP_LOW(first, second), SIMD_ZIP_HIGH(first, second), d->threshold);
        memcpy(bits + u * DOUBLES, &word, DOUBLES); /* a block is a byte of bits */
    }
}

/* Bits of columns [c0, c0 + n) of the pair's row, c0 a multiple of PAIR_CHUNK; whole 64-bit words are written. */
SIMD_INLINE void draw_bits(const pair_draw *d, uint64_t row, int64_t c0, int64_t n, uint8_t *bits)
{
    const int64_t blocks = (n + 63) / 64 * 8;
    if (d->threshold > 65535) { /* a rate that rounds to 1 */
        memset(bits, 0, (size_t)blocks);
        return;
    }
    const uint64_t block = (uint64_t)c0 / 8;
    int64_t k = 0;
    for (; k + DRAW_TOGETHER * DOUBLES <= blocks; k += DRAW_TOGETHER * DOUBLES)
        draw_vectors(d, row, block + (uint64_t)k, DRAW_TOGETHER, bits + k);
    for (; k < blocks; k += DOUBLES)
        draw_vectors(d, row, block + (uint64_t)k, 1, bits + k);
}

#if defined(WEFT_LEVEL_v4)

#if WEFT_REAL_BITS == 32
typedef __mmask16 kept;
#define MASK512(name)   _mm512_##name##_ps
#define MASK512_GREATER _mm512_mask_cmp_ps_mask
#else
typedef __mmask8 kept;
#define MASK512(name)   _mm512_##name##_pd
#define MASK512_GREATER _mm512_mask_cmp_pd_mask
#endif

/* Lanes c, c + 1, … of a row of bits. */
SIMD_INLINE kept kept_at(const uint8_t *bits, int64_t c)
{
    kept k;
    memcpy(&k, bits + c / 8, sizeof k);
    return k;
}

SIMD_INLINE kept kept_all(void)
{
    return (kept)-1;
}

/* Narrows a row of bits to `k` at lanes c, c + 1, …, where the row's bits are a superset. */
SIMD_INLINE void kept_store(uint8_t *bits, int64_t c, kept k)
{
    memcpy(bits + c / 8, &k, sizeof k);
}

SIMD_INLINE kept positive(kept k, vec x)
{
    return MASK512_GREATER(k, x, splat(0), _CMP_GT_OQ);
}

SIMD_INLINE vec relu_where(kept k, vec x)
{
    return MASK512(maskz_max)(k, x, splat(0));
}

/* a·b + c where kept, else c */
SIMD_INLINE vec mad_where(kept k, vec a, vec b, vec c)
{
    return MASK512(mask3_fmadd)(a, b, c, k);
}

SIMD_INLINE vec add_where(kept k, vec x, vec y)
{
    return MASK512(mask_add)(x, k, x, y);
}

#else

typedef mask kept;

SIMD_INLINE kept kept_lanes(void)
{
    kept lanes = {0};
    for (int i = 0; i < LANES; i++)
        lanes[i] = 1 << i;
    return lanes;
}

SIMD_INLINE kept kept_at(const uint8_t *bits, int64_t c)
{
    const kept lanes = kept_lanes(), word = (kept){0} + (bits[c / 8] >> (c & 7));
    return (word & lanes) == lanes;
}

SIMD_INLINE kept kept_all(void)
{
    return ~(kept){0};
}

SIMD_INLINE void kept_store(uint8_t *bits, int64_t c, kept k)
{
#if WEFT_REAL_BITS == 32
    int lanes = SIMD_(movemask, ps)((vec)k);
#else
    int lanes = SIMD_(movemask, pd)((vec)k);
#endif
    bits[c / 8] &= (uint8_t)(lanes << (c & 7) | ~(((1 << LANES) - 1) << (c & 7)));
}

SIMD_INLINE kept positive(kept k, vec x)
{
    return k & (kept)(x > splat(0));
}

SIMD_INLINE vec relu_where(kept k, vec x)
{
    return (vec)(k & (kept)max_(x, splat(0)));
}

SIMD_INLINE vec mad_where(kept k, vec a, vec b, vec c)
{
    return mad((vec)(k & (kept)a), b, c);
}

SIMD_INLINE vec add_where(kept k, vec x, vec y)
{
    return x + (vec)(k & (kept)y);
}

#endif

#endif
