/* The scalar reference of every random number: Philox4x32-10, and what is made of its words. (Salmon, Moraes, Dror and Shaw,
 * "Parallel random numbers: as easy as 1, 2, 3", SC'11.) */
#include "base/random.h"

#include <math.h>

void weft_philox(const uint32_t key[2], const uint32_t counter[4], uint32_t out[4])
{
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3], k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)WEFT_PHILOX_M0 * c0, p1 = (uint64_t)WEFT_PHILOX_M1 * c2;
        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c1 = (uint32_t)p1;
        c3 = (uint32_t)p0;
        k0 += WEFT_PHILOX_W0;
        k1 += WEFT_PHILOX_W1;
    }
    out[0] = c0, out[1] = c1, out[2] = c2, out[3] = c3;
}

weft_random_key weft_random_stream(uint64_t seed, const char *name)
{
    uint64_t hash = 0xcbf29ce484222325; /* FNV-1a */
    for (; *name; name++)
        hash = (hash ^ (unsigned char)*name) * 0x100000001b3;
    const uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    const uint32_t counter[4] = {(uint32_t)hash, (uint32_t)(hash >> 32), 0x74666577, 0}; /* "weft" */
    uint32_t out[4];
    weft_philox(key, counter, out);
    return (weft_random_key){{out[0], out[1]}};
}

static void block_words(weft_random_key key, uint64_t step, uint64_t row, uint64_t block, uint32_t out[4])
{
    const uint32_t k[2] = {key.word[0], key.word[1] + (uint32_t)(step >> 32)};
    const uint32_t counter[4] = {(uint32_t)block, (uint32_t)row, (uint32_t)(row >> 32), (uint32_t)step};
    weft_philox(k, counter, out);
}

uint32_t weft_random_word(weft_random_key key, uint64_t step, uint64_t row, uint64_t column)
{
    uint32_t out[4];
    block_words(key, step, row, column >> 2, out);
    return out[column & 3];
}

uint32_t weft_random_half(weft_random_key key, uint64_t step, uint64_t row, uint64_t column)
{
    return weft_random_word(key, step, row, column >> 1) >> (column & 1 ? 16 : 0) & 0xffff;
}

uint32_t weft_random_threshold(double rate)
{
    return rate <= 0 ? 0 : rate >= 1 ? 65536 : (uint32_t)floor(rate * 65536 + 0.5);
}

static double unit(uint32_t word)
{
    return ((double)word + 0.5) * 0x1p-32;
}

double weft_random_uniform(weft_random_key key, uint64_t step, uint64_t row, uint64_t column)
{
    return unit(weft_random_word(key, step, row, column));
}

void weft_random_normal_pair(uint32_t first, uint32_t second, double out[2])
{
    /* the angle is reduced to an eighth of a turn while that is exact, so sine and cosine keep every digit near their zeros */
    double radius = sqrt(-2 * log(unit(first))), u = unit(second), quarter = nearbyint(4 * u);
    double angle = 6.28318530717958647693 * (u - 0.25 * quarter), s = sin(angle), c = cos(angle);
    const double cosines[4] = {c, -s, -c, s}, sines[4] = {s, c, -s, -c};
    out[0] = radius * cosines[(int)quarter & 3];
    out[1] = radius * sines[(int)quarter & 3];
}

double weft_random_normal(weft_random_key key, uint64_t step, uint64_t row, uint64_t column)
{
    uint32_t words[4];
    double pair[2];
    block_words(key, step, row, column >> 2, words);
    weft_random_normal_pair(words[column & 2], words[(column & 2) + 1], pair);
    return pair[column & 1];
}

uint64_t weft_random_below(weft_random_key key, uint64_t step, uint64_t row, uint64_t column, uint64_t n)
{
    uint32_t words[4];
    block_words(key, step, row, column >> 1, words);
    uint64_t bits = words[2 * (column & 1)] | (uint64_t)words[2 * (column & 1) + 1] << 32;
    return (uint64_t)((unsigned __int128)bits * n >> 64);
}

void weft_random_permutation(weft_random_key key, uint64_t step, int64_t n, int64_t *out)
{
    for (int64_t i = 0; i < n; i++)
        out[i] = i;
    for (int64_t i = n - 1; i > 0; i--) {
        int64_t j = (int64_t)weft_random_below(key, step, 0, (uint64_t)i, (uint64_t)i + 1), swap = out[i];
        out[i] = out[j];
        out[j] = swap;
    }
}
