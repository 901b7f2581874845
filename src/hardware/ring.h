/* A growing first-in first-out queue of equal items in one block. */
#ifndef WEFT_HARDWARE_RING_H
#define WEFT_HARDWARE_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct weft_ring {
    unsigned char *data;
    uint32_t item; /* bytes */
    uint32_t mask; /* capacity - 1; a power of two of items */
    uint32_t head, count;
} weft_ring;

static inline void weft_ring_init(weft_ring *ring, size_t item)
{
    *ring = (weft_ring){.item = (uint32_t)item};
}

static inline void weft_ring_free(weft_ring *ring)
{
    free(ring->data);
    ring->data = NULL;
    ring->count = 0;
}

static inline bool weft_ring_grow(weft_ring *ring)
{
    uint64_t old = ring->data ? (uint64_t)ring->mask + 1 : 0, size = old ? 2 * old : 16;
    if (size > (1u << 30))
        return false;
    unsigned char *data = malloc(size * ring->item);
    if (!data)
        return false;
    for (uint32_t i = 0; i < ring->count; i++)
        memcpy(data + (size_t)i * ring->item, ring->data + (size_t)((ring->head + i) & ring->mask) * ring->item, ring->item);
    free(ring->data);
    ring->data = data;
    ring->mask = (uint32_t)(size - 1);
    ring->head = 0;
    return true;
}

static inline void *weft_ring_at(const weft_ring *ring, uint32_t i)
{
    return ring->data + (size_t)((ring->head + i) & ring->mask) * ring->item;
}

/* Room for one more at the end; NULL when memory is short. */
static inline void *weft_ring_push(weft_ring *ring)
{
    if ((!ring->data || ring->count > ring->mask) && !weft_ring_grow(ring))
        return NULL;
    return weft_ring_at(ring, ring->count++);
}

static inline void *weft_ring_head(const weft_ring *ring)
{
    return ring->count ? weft_ring_at(ring, 0) : NULL;
}

static inline void weft_ring_pop(weft_ring *ring)
{
    ring->head = (ring->head + 1) & ring->mask;
    ring->count--;
}

#endif
