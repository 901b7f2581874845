/* Panels: parameters packed for products. They belong to their parameter set and are shared by all sessions that multiply by the
 * same tensor in the same way: a plan for a prompt and one for a token then read one copy. */
#ifndef WEFT_GRAPH_PANELS_H
#define WEFT_GRAPH_PANELS_H

#include "weft/graph.h"

/* What makes two packings alike: the numbers in memory, and how they are read and laid. Compared byte by byte. */
typedef struct weft_panels_key {
    const void *data;      /* element (0, 0) */
    const void *kernels;   /* the processor level's table */
    int64_t rows, columns; /* as stored */
    int64_t bytes;
    int32_t dtype, transposed, bf16, unused;
} weft_panels_key;

typedef struct weft_panels_block weft_panels_block;

typedef struct weft_panels {
    struct weft_panels *next;
    weft_panels_key key;
    int64_t holders;
    uint64_t version; /* of the set when it was packed; 0: never */
    bool orphan;      /* the set is gone */
    void *data;       /* [bytes], 64-byte aligned, in: */
    weft_panels_block *block;
} weft_panels;

/* Those of the list with this key, or new ones, for one more holder; NULL when memory is short. */
weft_panels *weft_panels_take(weft_panels **list, const weft_panels_key *key);
void weft_panels_drop(weft_panels **list, weft_panels *panels); /* NULL is fine */
void weft_panels_abandon(weft_panels **list);                   /* the set is freed; holders keep theirs */

/* Held while stale panels are packed. */
void weft_panels_lock(void);
void weft_panels_unlock(void);

#endif
