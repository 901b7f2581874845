/* Building a trie level by level from sorted keys. */
#include "text/trie.h"

#include <stdlib.h>

static int by_text(const void *a, const void *b)
{
    const weft_trie_key *x = *(const weft_trie_key *const *)a, *y = *(const weft_trie_key *const *)b;
    int order = memcmp(x->text, y->text, x->length < y->length ? x->length : y->length);
    if (order == 0)
        order = (x->length > y->length) - (x->length < y->length);
    return order ? order : (x > y) - (x < y);
}

/* The keys of a node: sorted[begin … end), which agree in their first `depth` bytes. */
typedef struct work {
    uint32_t begin, end, depth;
} work;

static weft_status fill(weft_trie *trie, const weft_trie_key **sorted, size_t count, size_t most)
{
    work *queue = malloc(most * sizeof *queue);
    trie->nodes = malloc(most * sizeof *trie->nodes);
    trie->labels = malloc(most);
    if (!queue || !trie->nodes || !trie->labels) {
        free(queue);
        return weft_fail(WEFT_ERROR_MEMORY, "memory is short");
    }
    uint32_t made = 1;
    queue[0] = (work){0, (uint32_t)count, 0};
    trie->labels[0] = 0;
    for (uint32_t at = 0; at < made; at++) {
        work w = queue[at];
        weft_trie_node *node = &trie->nodes[at];
        *node = (weft_trie_node){made, 0, -1};
        for (; w.begin < w.end && sorted[w.begin]->length == w.depth; w.begin++)
            node->value = sorted[w.begin]->value;
        while (w.begin < w.end) {
            uint8_t label = (uint8_t)sorted[w.begin]->text[w.depth];
            uint32_t end = w.begin + 1;
            while (end < w.end && (uint8_t)sorted[end]->text[w.depth] == label)
                end++;
            trie->labels[made] = label;
            queue[made++] = (work){w.begin, end, w.depth + 1};
            node->children++;
            w.begin = end;
        }
    }
    free(queue);
    memset(trie->root, 0, sizeof trie->root);
    for (uint32_t i = 0; i < trie->nodes[0].children; i++)
        trie->root[trie->labels[trie->nodes[0].first + i]] = trie->nodes[0].first + i;
    return WEFT_OK;
}

weft_status weft_trie_new(const weft_trie_key *keys, size_t count, weft_trie *out)
{
    memset(out, 0, sizeof *out);
    size_t most = 1;
    for (size_t i = 0; i < count; i++)
        most += keys[i].length;
    if (count > UINT32_MAX / 2 || most > UINT32_MAX / 2)
        return weft_fail(WEFT_ERROR_UNSUPPORTED, "a vocabulary of %zu tokens and %zu bytes is too large", count, most);
    const weft_trie_key **sorted = malloc((count + 1) * sizeof *sorted);
    if (!sorted)
        return weft_fail(WEFT_ERROR_MEMORY, "memory is short");
    for (size_t i = 0; i < count; i++)
        sorted[i] = &keys[i];
    qsort(sorted, count, sizeof *sorted, by_text);
    weft_status status = fill(out, sorted, count, most);
    free(sorted);
    if (status != WEFT_OK)
        weft_trie_free(out);
    return status;
}

void weft_trie_free(weft_trie *trie)
{
    free(trie->nodes);
    free(trie->labels);
    memset(trie, 0, sizeof *trie);
}

size_t weft_trie_longest(const weft_trie *trie, const char *text, size_t length, int32_t *value)
{
    size_t best = 0;
    uint32_t node = 0;
    for (size_t i = 0; i < length && (node = weft_trie_step(trie, node, (uint8_t)text[i])) != 0; i++)
        if (trie->nodes[node].value >= 0) {
            best = i + 1;
            *value = trie->nodes[node].value;
        }
    return best;
}
