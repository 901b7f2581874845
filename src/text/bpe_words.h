/* Inside the trainer of byte pairs: words with their counts, and pairs with the words they occur in. */
#ifndef WEFT_TEXT_BPE_WORDS_H
#define WEFT_TEXT_BPE_WORDS_H

#include "text/model.h"
#include "weft/text.h"

/* Different words: texts, and how often each occurs. */
typedef struct weft_word_table {
    char *bytes;
    size_t size, capacity;
    size_t *at;      /* [count + 1] where each begins in bytes */
    int64_t *counts; /* [count] */
    uint32_t *slots; /* hash table of places + 1 */
    uint32_t count, room, mask;
    int64_t forgotten; /* words as rare as this may have been dropped */
} weft_word_table;

void weft_word_table_free(weft_word_table *);
bool weft_word_table_add(weft_word_table *, const char *word, size_t length, int64_t count); /* false: memory is short */

/* Drops the rarest words until at most `most` are left. */
bool weft_word_table_prune(weft_word_table *, uint32_t most);

typedef struct weft_pair {
    uint64_t key;    /* left << 32 | right */
    int64_t count;   /* over all words */
    uint32_t *words; /* in which the pair occurs, or did */
    uint32_t word_count, word_room;
} weft_pair;

typedef struct weft_pair_table {
    weft_pair *pairs;
    uint32_t *slots; /* hash table of places + 1 */
    uint32_t count, room, mask;
    uint32_t *heap; /* places, the next pair to merge on top */
    int64_t *told;  /* [room]: the count that a pair had when it was put into the heap; -1: it is not there */
    size_t heap_count, heap_room;
} weft_pair_table;

void weft_pair_table_free(weft_pair_table *);
/* The pair's place, made when it was not there; UINT32_MAX when memory is short. */
uint32_t weft_pair_table_place(weft_pair_table *, int32_t left, int32_t right);
/* Adds to a pair's count; an occurrence (more > 0) is noted with its word. False: memory is short. */
bool weft_pair_table_count(weft_pair_table *, int32_t left, int32_t right, int64_t more, uint32_t word);
/* Puts a pair into the heap, or moves it to where its count belongs. */
bool weft_pair_table_push(weft_pair_table *, uint32_t place);
/* The pair with the largest count, of equals the one with the smallest ids; false when there is none. */
bool weft_pair_table_pop(weft_pair_table *, uint32_t *place);

#endif
