/* Rows of random numbers: the words of base/random.h, several Philox blocks at a time. Words and uniform numbers are those of
 * the scalar code to the bit; normal numbers agree to rounding in f32 and are the scalar code's own in f64. */
#ifndef WEFT_KERNELS_VECTOR_RANDOM_H
#define WEFT_KERNELS_VECTOR_RANDOM_H

#include "base/random.h"
#include "kernels/level/vector_real.h"

typedef uint16_t half_word __attribute__((may_alias));

enum { RANDOM_BLOCKS = 512 }; /* a chunk: 2048 words, 8 KB */

SIMD_INLINE vu64 splat_u(uint64_t x)
{
    return (vu64)(vi64){0} + x;
}

/* One round on a vector of blocks. Each 32-bit counter word sits in the low half of a 64-bit lane; the high half may hold
 * anything, for the multiplication ignores it and the end cuts it off. */
SIMD_INLINE void philox_round(vu64 c[4], uint64_t k0, uint64_t k1)
{
    vu64 p0 = SIMD_MULTIPLY_LOW(c[0], splat_u(WEFT_PHILOX_M0)), p1 = SIMD_MULTIPLY_LOW(c[2], splat_u(WEFT_PHILOX_M1));
    c[0] = (p1 >> 32) ^ c[1] ^ splat_u(k0);
    c[2] = (p0 >> 32) ^ c[3] ^ splat_u(k1);
    c[1] = p1;
    c[3] = p0;
}

/* Words of the blocks first … first + count - 1 of a row, rounded up to whole turns of the loop (RANDOM_BLOCKS is a multiple).
 * Two vectors a turn, for a round waits on the one before. */
static void philox_row(const uint32_t key[2], uint64_t step, uint64_t row, uint64_t first, int64_t count, uint32_t *out)
{
    enum { VECTORS = 2 };
    uint64_t k0[10], k1[10];
    for (int round = 0; round < 10; round++) {
        k0[round] = key[0] + (uint32_t)round * WEFT_PHILOX_W0;
        k1[round] = key[1] + (uint32_t)(step >> 32) + (uint32_t)round * WEFT_PHILOX_W1;
    }
    const vu64 lane = SIMD_COUNT_UP;
    for (int64_t b = 0; b < count; b += VECTORS * DOUBLES) {
        vu64 c[VECTORS][4];
        for (int v = 0; v < VECTORS; v++) {
            c[v][0] = splat_u(first + (uint64_t)(b + v * DOUBLES)) + lane;
            c[v][1] = splat_u(row & 0xffffffff);
            c[v][2] = splat_u(row >> 32);
            c[v][3] = splat_u(step & 0xffffffff);
        }
        for (int round = 0; round < 10; round++)
            for (int v = 0; v < VECTORS; v++)
                philox_round(c[v], k0[round], k1[round]);
        for (int v = 0; v < VECTORS; v++) {
            vu64 one = (c[v][0] & 0xffffffff) | (c[v][1] << 32), two = (c[v][2] & 0xffffffff) | (c[v][3] << 32);
            vu64 low = SIMD_ZIP_LOW(one, two), high = SIMD_ZIP_HIGH(one, two);
            memcpy(out + 4 * (b + v * DOUBLES), &low, sizeof low);
            memcpy(out + 4 * (b + v * DOUBLES) + SIMD_BYTES / 4, &high, sizeof high);
        }
    }
}

/* (word + ½) / 2^32 */
SIMD_INLINE vd unit_of_words(vu64 words)
{
    return (double_of_words(words) + splat_d(0.5)) * splat_d(0x1p-32);
}

static void uniform_words(const uint32_t *words, int64_t n, double a, double b, real *y)
{
    const vd origin = splat_d(a), width = splat_d(b - a);
    for (int64_t i = 0; i < n; i += LANES) {
        vd u[PARTS];
        for (int p = 0; p < PARTS; p++)
            u[p] = origin + width * unit_of_words(zero_extend(words + i + p * DOUBLES));
        store_rest(y, narrow_vec(u), i, n);
    }
}

#if WEFT_REAL_BITS == 32
/* log u for u in (0, 1), to 1e-13: u = m 2^e, log m = 2 artanh((m - 1) / (m + 1)) as a series */
SIMD_INLINE vd log_of_unit(vd u)
{
    vu64 bits = (vu64)u;
    vi64 e = (vi64)(bits - 0x3fe6a09e667f3bcd) >> 52;
    vd m = (vd)(bits - ((vu64)e << 52));
    vd n = (vd)((vu64)e + 0x4338000000000000) - splat_d(0x1.8p52);
    vd s = (m - splat_d(1)) / (m + splat_d(1)), z = s * s, p = splat_d(1.0 / 17);
    for (int k = 15; k >= 3; k -= 2)
        p = mad_d(p, z, splat_d(1.0 / k));
    return mad_d(n, splat_d(0.69314718055994530942), mad_d(p * z, s + s, s + s));
}

/* cos and sin of 2πu for u in (0, 1), to 1e-13: u less its nearest quarter turn is exact */
SIMD_INLINE void turn(vd u, vd *cosine, vd *sine_out)
{
    vd shifted = u * splat_d(4) + splat_d(0x1.8p52);
    vu64 q = (vu64)shifted;
    vd f = (u - (shifted - splat_d(0x1.8p52)) * splat_d(0.25)) * splat_d(6.28318530717958647693), z = f * f;
    vd s = splat_d(1.0 / 6227020800), c = splat_d(-1.0 / 87178291200);
    static const double sines[] = {-1.0 / 39916800, 1.0 / 362880, -1.0 / 5040, 1.0 / 120, -1.0 / 6};
    static const double cosines[] = {1.0 / 479001600, -1.0 / 3628800, 1.0 / 40320, -1.0 / 720, 1.0 / 24, -0.5, 1.0};
    for (int k = 0; k < 5; k++)
        s = mad_d(s, z, splat_d(sines[k]));
    for (int k = 0; k < 7; k++)
        c = mad_d(c, z, splat_d(cosines[k]));
    s = mad_d(s * z, f, f);
    vi64 odd = (vi64)((q & 1) == 1);
    *cosine = (vd)((vu64)select_d(odd, s, c) ^ (((q + 1) & 2) << 62));
    *sine_out = (vd)((vu64)select_d(odd, c, s) ^ ((q & 2) << 62));
}

/* Box-Muller on pairs of words; a vector of float takes as many words as it has lanes, two to a 64-bit lane. */
static void normal_words(const uint32_t *words, int64_t n, double a, double b, real *y)
{
    const vd mean = splat_d(a), deviation = splat_d(b);
    for (int64_t i = 0; i < n; i += LANES) {
        vu64 pairs;
        memcpy(&pairs, words + i, sizeof pairs);
        vd radius = sqrt_d(splat_d(-2) * log_of_unit(unit_of_words(pairs & splat_u(0xffffffff)))), cosine, sine_;
        turn(unit_of_words(pairs >> 32), &cosine, &sine_);
        cosine = mean + deviation * (radius * cosine);
        sine_ = mean + deviation * (radius * sine_);
        store_rest(y, narrow_f(SIMD_ZIP_LOW(cosine, sine_), SIMD_ZIP_HIGH(cosine, sine_)), i, n);
    }
}
#else
static void normal_words(const uint32_t *words, int64_t n, double a, double b, real *y)
{
    for (int64_t i = 0; i < n; i += 2) {
        double pair[2];
        weft_random_normal_pair(words[i], words[i + 1], pair);
        y[i] = a + b * pair[0];
        if (i + 1 < n)
            y[i + 1] = a + b * pair[1];
    }
}
#endif

/* memory order of half words is low half first, as the processors of every level store them */
static void dropout_words(const uint32_t *words, int64_t n, double rate, real *y)
{
    const half_word *halves = (const half_word *)words;
    const uint32_t threshold = weft_random_threshold(rate);
    const real kept = (real)(1 / (1 - rate));
    for (int64_t i = 0; i < n; i++)
        y[i] = halves[i] >= threshold ? kept : 0;
}

static void random_rows(weft_law_kind law, double a, double b, const uint32_t key[2], uint64_t step, int64_t rows,
                        const int64_t *row_keys, int64_t row0, int64_t n, void *y)
{
    uint32_t words[4 * RANDOM_BLOCKS] __attribute__((aligned(SIMD_BYTES)));
    const int64_t block = law == WEFT_LAW_DROPOUT ? 8 : 4; /* elements a block */
    for (int64_t r = 0; r < rows; r++) {
        uint64_t row = (uint64_t)(row_keys ? row_keys[r] : row0 + r);
        for (int64_t column = 0; column < n; column += block * RANDOM_BLOCKS) {
            int64_t left = n - column, count = left < block * RANDOM_BLOCKS ? left : block * RANDOM_BLOCKS;
            real *out = (real *)y + r * n + column;
            philox_row(key, step, row, (uint64_t)(column / block), (count + block - 1) / block, words);
            switch (law) {
            case WEFT_LAW_UNIFORM:
                uniform_words(words, count, a, b, out);
                break;
            case WEFT_LAW_NORMAL:
                normal_words(words, count, a, b, out);
                break;
            case WEFT_LAW_DROPOUT:
                dropout_words(words, count, a, out);
                break;
            }
        }
    }
}

#endif
