/* Tokens and their ids, both ways. */
#ifndef WEFT_TEXT_VOCABULARY_H
#define WEFT_TEXT_VOCABULARY_H

#include "weft/base.h"

#define WEFT_MOST_TOKENS   (1 << 24) /* ids are below this: bounds memory whatever a file says */
#define WEFT_LONGEST_TOKEN (1 << 16) /* bytes */

typedef struct weft_vocabulary {
    char *bytes; /* each token ends in a zero byte */
    size_t size, capacity;
    uint32_t *at;     /* [count]: where a token begins in bytes; UINT32_MAX: no token has this id */
    uint32_t *length; /* [count] */
    int32_t *slots;   /* hash table of ids + 1 */
    uint32_t mask;
    int32_t count; /* largest id + 1 */
    int32_t room, entries;
} weft_vocabulary; /* zero-initialise */

void weft_vocabulary_free(weft_vocabulary *);

/* Gives `token` the id. A token that is there gets the new id as well, and is found by it (as in a dictionary that is
 * filled in order); an id that is taken by another token is an error that names both. */
weft_status weft_vocabulary_add(weft_vocabulary *, const char *token, size_t length, int64_t id);

int32_t weft_vocabulary_find(const weft_vocabulary *, const char *token, size_t length); /* -1: not there */

/* NULL when no token has this id. */
const char *weft_vocabulary_token(const weft_vocabulary *, int64_t id, size_t *length);

uint64_t weft_bytes_hash(const void *bytes, size_t length);

#endif
