/* A trie over byte strings, read only once made: the children of a node stand side by side, their labels in one array. */
#ifndef WEFT_TEXT_TRIE_H
#define WEFT_TEXT_TRIE_H

#include "weft/base.h"

#include <string.h>

typedef struct weft_trie_key {
    const char *text;
    uint32_t length;
    int32_t value; /* 0 or more; of equal keys the last in the list counts */
} weft_trie_key;

typedef struct weft_trie_node {
    uint32_t first; /* of its children */
    uint16_t children;
    int32_t value; /* -1: no key ends here */
} weft_trie_node;

typedef struct weft_trie {
    weft_trie_node *nodes; /* nodes[0] is the root */
    uint8_t *labels;       /* of each node, the byte that leads to it */
    uint32_t root[256];    /* the root's child by byte; 0: none */
} weft_trie;

weft_status weft_trie_new(const weft_trie_key *keys, size_t count, weft_trie *out);
void weft_trie_free(weft_trie *);

/* The child of `node` by `byte`; 0 when there is none. A trie without keys has no children. */
static inline uint32_t weft_trie_step(const weft_trie *trie, uint32_t node, uint8_t byte)
{
    if (node == 0)
        return trie->root[byte];
    const weft_trie_node *n = &trie->nodes[node];
    const uint8_t *labels = trie->labels + n->first;
    if (n->children < 8) {
        for (uint32_t i = 0; i < n->children; i++)
            if (labels[i] == byte)
                return n->first + i;
        return 0;
    }
    const uint8_t *found = memchr(labels, byte, n->children);
    return found ? n->first + (uint32_t)(found - labels) : 0;
}

/* The longest key that `text` begins with: its length, and its value; 0 when there is none. */
size_t weft_trie_longest(const weft_trie *, const char *text, size_t length, int32_t *value);

#endif
