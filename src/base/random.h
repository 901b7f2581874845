/* Counter-based randomness: Philox4x32-10 (Salmon et al., SC'11). Every use has its own named stream; nothing has hidden state.
 *
 * A stream's key is made from (seed, name). Element (step, row, column) of a stream of 32-bit words is word `column & 3` of
 * the block with counter { column >> 2, row low, row high, step low } (step's high half is added to
 * the key's second word). Columns are below 2^34. 16-bit
 * draws (dropout) take half words: half `column & 7` of block `column >> 3`, low half of a word first.
 * Uniform: (word + 0.5) / 2^32. Normal: Box-Muller on words 2i, 2i + 1 of a block: cosine first, then sine.
 * Dropout at a rate keeps an element where its half word is at least weft_random_threshold(rate).
 */
#ifndef WEFT_BASE_RANDOM_H
#define WEFT_BASE_RANDOM_H

#include "weft/base.h"

/* The multipliers and key increments of Philox4x32 (SC'11, section 3.2). */
#define WEFT_PHILOX_M0 0xD2511F53u
#define WEFT_PHILOX_M1 0xCD9E8D57u
#define WEFT_PHILOX_W0 0x9E3779B9u
#define WEFT_PHILOX_W1 0xBB67AE85u

typedef struct weft_random_key {
    uint32_t word[2];
} weft_random_key;

weft_random_key weft_random_stream(uint64_t seed, const char *name);
void weft_philox(const uint32_t key[2], const uint32_t counter[4], uint32_t out[4]);
uint32_t weft_random_word(weft_random_key key, uint64_t step, uint64_t row, uint64_t column);
uint32_t weft_random_half(weft_random_key key, uint64_t step, uint64_t row, uint64_t column); /* 16 bits */
uint32_t weft_random_threshold(double rate); /* round(rate · 65536), from 0 to 65536 */
double weft_random_uniform(weft_random_key key, uint64_t step, uint64_t row, uint64_t column); /* (0, 1) */
double weft_random_normal(weft_random_key key, uint64_t step, uint64_t row, uint64_t column);
/* Box-Muller on two words: the numbers of columns 2i and 2i + 1. */
void weft_random_normal_pair(uint32_t first, uint32_t second, double out[2]);
/* An integer in [0, n), n ≥ 1, without bias worth naming (64-bit multiply-shift on two words: columns 2c and 2c + 1). */
uint64_t weft_random_below(weft_random_key key, uint64_t step, uint64_t row, uint64_t column, uint64_t n);
/* A permutation of 0 … n-1 (Fisher-Yates, draws of row 0). */
void weft_random_permutation(weft_random_key key, uint64_t step, int64_t n, int64_t *out);

#endif
