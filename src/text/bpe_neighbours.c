/* Where a piece of byte pairs may be cut: between characters that no merge brings into one token. */
#include "text/model.h"

#include <stdlib.h>

#include "base/utf8.h"

#define MARK 0x2581u /* ▁ */

static int near_place(uint32_t code)
{
    return code < 128 ? (int)code : code == MARK ? 128 : -1;
}

static uint64_t far_slot(const weft_bpe_neighbours *n, uint64_t key)
{
    uint64_t slot = (key * 0x9E3779B97F4A7C15u >> 32) & n->mask;
    while (n->far[slot] && n->far[slot] != key)
        slot = (slot + 1) & n->mask;
    return slot;
}

static uint64_t far_key(uint32_t left, uint32_t right)
{
    return (uint64_t)left << 32 | (right + 1u);
}

bool weft_bpe_may_join(const weft_bpe_neighbours *n, uint32_t left, uint32_t right)
{
    int x = near_place(left), y = near_place(right);
    if (x >= 0 && y >= 0)
        return n->near[x][y];
    uint64_t key = far_key(left, right);
    return n->far[far_slot(n, key)] == key;
}

void weft_bpe_neighbours_free(weft_bpe_neighbours *n)
{
    if (n)
        free(n->far);
    free(n);
}

/* Pairs of characters in a token; puts them into the table when there is one. */
static size_t take_pairs(const char *token, size_t length, weft_bpe_neighbours *n)
{
    const char *at = token, *end = token + length;
    size_t count = 0;
    for (uint32_t left = length ? weft_utf8_next(&at) : 0, right; at < end; left = right, count++) {
        right = weft_utf8_next(&at);
        int x = near_place(left), y = near_place(right);
        uint64_t key = far_key(left, right);
        if (n && x >= 0 && y >= 0)
            n->near[x][y] = true;
        else if (n)
            n->far[far_slot(n, key)] = key;
    }
    return count;
}

weft_status weft_bpe_find_neighbours(weft_token_model *m, const weft_merge *merges, size_t count)
{
    weft_bpe *bpe = &m->bpe;
    const weft_vocabulary *v = &m->vocabulary;
    size_t pairs = 0, length;
    bool anywhere = bpe->byte_fallback;
    for (int b = 0; b < 256; b++)
        anywhere = anywhere && bpe->fallback[b] >= 0;
    for (size_t i = 0; i < count; i++) {
        const int32_t sides[] = {merges[i].left, merges[i].right};
        for (int k = 0; k < 2; k++) { /* tokens that do not spell the text they stand for */
            const char *token = weft_vocabulary_token(v, sides[k], &length);
            if (sides[k] == bpe->unknown || (token && length == 6 && memcmp(token, "<0x", 3) == 0))
                return WEFT_OK;
        }
        const char *token = weft_vocabulary_token(v, merges[i].result, &length);
        pairs += take_pairs(token, length, NULL);
    }
    weft_bpe_neighbours *n = calloc(1, sizeof *n);
    uint64_t slots = 64;
    while (slots < 2 * pairs)
        slots *= 2;
    if (n)
        n->far = calloc(slots, sizeof *n->far);
    if (!n || !n->far) {
        free(n);
        return weft_fail(WEFT_ERROR_MEMORY, "memory is short for %zu merges", count);
    }
    n->mask = slots - 1;
    n->anywhere = anywhere;
    for (size_t i = 0; i < count; i++) {
        const char *token = weft_vocabulary_token(v, merges[i].result, &length);
        take_pairs(token, length, n);
    }
    bpe->neighbours = n;
    return WEFT_OK;
}
