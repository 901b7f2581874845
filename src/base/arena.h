/* An arena: many small allocations with one owner, freed together. Zeroed memory, 16-byte aligned. */
#ifndef WEFT_BASE_ARENA_H
#define WEFT_BASE_ARENA_H

#include "weft/base.h"

typedef struct weft_arena {
    struct weft_arena_chunk *chunks;
} weft_arena; /* zero-initialise */

void *weft_arena_get(weft_arena *, size_t bytes); /* NULL when memory is short */
char *weft_arena_copy(weft_arena *, const char *text);
void weft_arena_free(weft_arena *);

#endif
