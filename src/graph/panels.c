/* Panels of parameter sets: found, made, shared, freed with their last holder. */
#include "graph/panels.h"
#include "base/pages.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static pthread_mutex_t list_lock = PTHREAD_MUTEX_INITIALIZER, pack_lock = PTHREAD_MUTEX_INITIALIZER;

static weft_panels *find(weft_panels *list, const weft_panels_key *key)
{
    while (list && memcmp(&list->key, key, sizeof *key) != 0)
        list = list->next;
    return list;
}

/* Panels of many parameters side by side, so that they lie on large pages from end to end. */
struct weft_panels_block {
    char *memory;
    size_t bytes, used;
    int64_t holders; /* panels in it */
};

enum { BLOCK_BYTES = 32 << 20, ALONE_BYTES = 512 << 10 }; /* smaller ones have memory of their own */

static void block_drop(weft_panels_block *block)
{
    if (block && --block->holders == 0) {
        free(block->memory);
        free(block);
    }
}

static weft_panels_block *block_new(size_t bytes)
{
    weft_panels_block *block = calloc(1, sizeof *block);
    if (!block)
        return NULL;
    *block = (weft_panels_block){weft_pages_get(bytes), bytes, 0, 0};
    if (block->memory)
        return block;
    free(block);
    return NULL;
}

/* Room in the block that the list's last panels lie in, or in a new one. */
static weft_panels_block *block_for(const weft_panels *list, size_t bytes)
{
    if (bytes < ALONE_BYTES || bytes >= BLOCK_BYTES)
        return block_new(bytes);
    for (; list; list = list->next)
        if (list->block->bytes == BLOCK_BYTES)
            return list->block->bytes - list->block->used >= bytes ? list->block : block_new(BLOCK_BYTES);
    return block_new(BLOCK_BYTES);
}

static weft_panels *make(weft_panels **list, const weft_panels_key *key)
{
    const size_t bytes = ((size_t)key->bytes + 63) & ~(size_t)63;
    weft_panels *p = calloc(1, sizeof *p);
    weft_panels_block *block = p ? block_for(*list, bytes) : NULL;
    if (!block) {
        free(p);
        return NULL;
    }
    p->key = *key;
    p->block = block;
    p->data = block->memory + block->used;
    block->used += bytes;
    block->holders++;
    p->next = *list;
    return *list = p;
}

weft_panels *weft_panels_take(weft_panels **list, const weft_panels_key *key)
{
    pthread_mutex_lock(&list_lock);
    weft_panels *p = find(*list, key);
    if (!p)
        p = make(list, key);
    if (p)
        p->holders++;
    pthread_mutex_unlock(&list_lock);
    return p;
}

void weft_panels_drop(weft_panels **list, weft_panels *panels)
{
    if (!panels)
        return;
    pthread_mutex_lock(&list_lock);
    if (--panels->holders == 0) {
        for (weft_panels **p = list; !panels->orphan && *p; p = &(*p)->next)
            if (*p == panels) {
                *p = panels->next;
                break;
            }
        block_drop(panels->block);
        free(panels);
    }
    pthread_mutex_unlock(&list_lock);
}

void weft_panels_abandon(weft_panels **list)
{
    pthread_mutex_lock(&list_lock);
    for (weft_panels *p = *list; p; p = p->next)
        p->orphan = true;
    *list = NULL;
    pthread_mutex_unlock(&list_lock);
}

void weft_panels_lock(void)
{
    pthread_mutex_lock(&pack_lock);
}

void weft_panels_unlock(void)
{
    pthread_mutex_unlock(&pack_lock);
}
