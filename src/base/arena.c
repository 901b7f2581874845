/* The arena: chunks of at least 64 KB in a list. */
#include "base/arena.h"

#include <stdlib.h>
#include <string.h>

struct weft_arena_chunk {
    struct weft_arena_chunk *next;
    size_t used, size;
    _Alignas(16) unsigned char data[];
};

void *weft_arena_get(weft_arena *arena, size_t bytes)
{
    bytes = (bytes + 15) & ~(size_t)15;
    struct weft_arena_chunk *chunk = arena->chunks;
    if (!chunk || chunk->size - chunk->used < bytes) {
        size_t size = bytes > 65536 ? bytes : 65536;
        chunk = calloc(1, sizeof *chunk + size);
        if (!chunk)
            return NULL;
        chunk->size = size;
        chunk->next = arena->chunks;
        arena->chunks = chunk;
    }
    void *data = chunk->data + chunk->used;
    chunk->used += bytes;
    return data;
}

char *weft_arena_copy(weft_arena *arena, const char *text)
{
    size_t bytes = strlen(text) + 1;
    char *copy = weft_arena_get(arena, bytes);
    return copy ? memcpy(copy, text, bytes) : NULL;
}

void weft_arena_free(weft_arena *arena)
{
    for (struct weft_arena_chunk *chunk = arena->chunks, *next; chunk; chunk = next) {
        next = chunk->next;
        free(chunk);
    }
    arena->chunks = NULL;
}
