/* Tables of the trainer of byte pairs. */
#include "text/bpe_words.h"

#include <stdlib.h>

/* ---- words ---- */

void weft_word_table_free(weft_word_table *t)
{
    free(t->bytes);
    free(t->at);
    free(t->counts);
    free(t->slots);
    *t = (weft_word_table){0};
}

static uint32_t word_slot(const weft_word_table *t, const char *word, size_t length)
{
    uint32_t slot = (uint32_t)weft_bytes_hash(word, length) & t->mask;
    for (; t->slots[slot]; slot = (slot + 1) & t->mask) {
        uint32_t w = t->slots[slot] - 1;
        if (t->at[w + 1] - t->at[w] == length && memcmp(t->bytes + t->at[w], word, length) == 0)
            break;
    }
    return slot;
}

static bool grow_words(weft_word_table *t, size_t length)
{
    if (t->count + 1 >= t->room) {
        uint32_t room = t->room ? 2 * t->room : 4096, slots = 2 * room;
        size_t *at = realloc(t->at, (room + 1) * sizeof *at);
        t->at = at ? at : t->at;
        int64_t *counts = at ? realloc(t->counts, room * sizeof *counts) : NULL;
        t->counts = counts ? counts : t->counts;
        uint32_t *table = counts ? calloc(slots, sizeof *table) : NULL;
        if (!table)
            return false;
        free(t->slots);
        t->slots = table;
        t->mask = slots - 1;
        t->room = room;
        t->at[0] = 0;
        for (uint32_t w = 0; w < t->count; w++)
            table[word_slot(t, t->bytes + t->at[w], t->at[w + 1] - t->at[w])] = w + 1;
    }
    if (t->size + length > t->capacity) {
        size_t capacity = t->capacity + t->capacity / 2 + length + 65536;
        char *bytes = realloc(t->bytes, capacity);
        if (!bytes)
            return false;
        t->bytes = bytes;
        t->capacity = capacity;
    }
    return true;
}

bool weft_word_table_add(weft_word_table *t, const char *word, size_t length, int64_t count)
{
    if (!grow_words(t, length))
        return false;
    uint32_t slot = word_slot(t, word, length);
    if (t->slots[slot]) {
        t->counts[t->slots[slot] - 1] += count;
        return true;
    }
    memcpy(t->bytes + t->size, word, length);
    t->size += length;
    t->counts[t->count] = count;
    t->slots[slot] = ++t->count;
    t->at[t->count] = t->size;
    return true;
}

bool weft_word_table_prune(weft_word_table *t, uint32_t most)
{
    while (t->count > most) {
        weft_word_table kept = {.forgotten = t->forgotten + 1};
        for (uint32_t w = 0; w < t->count; w++)
            if (t->counts[w] > kept.forgotten &&
                !weft_word_table_add(&kept, t->bytes + t->at[w], t->at[w + 1] - t->at[w], t->counts[w])) {
                weft_word_table_free(&kept);
                return false;
            }
        weft_word_table_free(t);
        *t = kept;
    }
    return true;
}

/* ---- pairs ---- */

void weft_pair_table_free(weft_pair_table *t)
{
    for (uint32_t i = 0; i < t->count; i++)
        free(t->pairs[i].words);
    free(t->pairs);
    free(t->slots);
    free(t->heap);
    free(t->told);
    *t = (weft_pair_table){0};
}

static uint32_t pair_slot(const weft_pair_table *t, uint64_t key)
{
    uint32_t slot = (uint32_t)(key * 0x9E3779B97F4A7C15u >> 32) & t->mask;
    while (t->slots[slot] && t->pairs[t->slots[slot] - 1].key != key)
        slot = (slot + 1) & t->mask;
    return slot;
}

static bool grow_pairs(weft_pair_table *t)
{
    if (t->count < t->room)
        return true;
    uint32_t room = t->room ? 2 * t->room : 4096, slots = 2 * room;
    weft_pair *pairs = realloc(t->pairs, room * sizeof *pairs);
    t->pairs = pairs ? pairs : t->pairs;
    int64_t *told = pairs ? realloc(t->told, room * sizeof *told) : NULL;
    t->told = told ? told : t->told;
    uint32_t *table = told ? calloc(slots, sizeof *table) : NULL;
    if (!table)
        return false;
    free(t->slots);
    t->slots = table;
    t->mask = slots - 1;
    t->room = room;
    for (uint32_t i = 0; i < t->count; i++)
        table[pair_slot(t, pairs[i].key)] = i + 1;
    return true;
}

uint32_t weft_pair_table_place(weft_pair_table *t, int32_t left, int32_t right)
{
    uint64_t key = (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
    uint32_t slot = t->slots ? pair_slot(t, key) : 0;
    if (t->slots && t->slots[slot])
        return t->slots[slot] - 1;
    if (!grow_pairs(t))
        return UINT32_MAX;
    t->pairs[t->count] = (weft_pair){.key = key};
    t->told[t->count] = -1;
    t->slots[pair_slot(t, key)] = t->count + 1;
    return t->count++;
}

bool weft_pair_table_count(weft_pair_table *t, int32_t left, int32_t right, int64_t more, uint32_t word)
{
    uint32_t place = weft_pair_table_place(t, left, right);
    if (place == UINT32_MAX)
        return false;
    weft_pair *p = &t->pairs[place];
    p->count += more;
    if (more <= 0 || (p->word_count && p->words[p->word_count - 1] == word))
        return true;
    if (p->word_count == p->word_room) {
        uint32_t room = p->word_room ? 2 * p->word_room : 4;
        uint32_t *words = realloc(p->words, room * sizeof *words);
        if (!words)
            return false;
        p->words = words;
        p->word_room = room;
    }
    p->words[p->word_count++] = word;
    return true;
}

/* ---- the heap: entries may be out of date, which shows when they come up ---- */

static bool goes_first(const weft_pair_table *t, uint32_t a, uint32_t b)
{
    return t->told[a] != t->told[b] ? t->told[a] > t->told[b] : t->pairs[a].key < t->pairs[b].key;
}

static void sift_up(weft_pair_table *t, size_t at)
{
    uint32_t place = t->heap[at];
    for (; at > 0 && goes_first(t, place, t->heap[(at - 1) / 2]); at = (at - 1) / 2)
        t->heap[at] = t->heap[(at - 1) / 2];
    t->heap[at] = place;
}

static void sift_down(weft_pair_table *t, size_t at)
{
    uint32_t place = t->heap[at];
    for (size_t child; (child = 2 * at + 1) < t->heap_count; at = child) {
        if (child + 1 < t->heap_count && goes_first(t, t->heap[child + 1], t->heap[child]))
            child++;
        if (!goes_first(t, t->heap[child], place))
            break;
        t->heap[at] = t->heap[child];
    }
    t->heap[at] = place;
}

bool weft_pair_table_push(weft_pair_table *t, uint32_t place)
{
    if (t->told[place] >= 0) { /* there: only a count that has grown must move up now; a smaller one is seen when it comes up */
        if (t->pairs[place].count <= t->told[place])
            return true;
        for (size_t at = 0; at < t->heap_count; at++)
            if (t->heap[at] == place) {
                t->told[place] = t->pairs[place].count;
                sift_up(t, at);
                break;
            }
        return true;
    }
    uint32_t *heap = weft_work_room(t->heap, &t->heap_room, t->heap_count + 1, sizeof *heap);
    if (!heap)
        return false;
    t->heap = heap;
    t->told[place] = t->pairs[place].count;
    heap[t->heap_count++] = place;
    sift_up(t, t->heap_count - 1);
    return true;
}

bool weft_pair_table_pop(weft_pair_table *t, uint32_t *place)
{
    while (t->heap_count) {
        uint32_t top = t->heap[0];
        if (t->told[top] != t->pairs[top].count && t->pairs[top].count > 0) {
            t->told[top] = t->pairs[top].count;
            sift_down(t, 0);
            continue;
        }
        t->heap[0] = t->heap[--t->heap_count];
        if (t->heap_count)
            sift_down(t, 0);
        t->told[top] = -1;
        if (t->pairs[top].count > 0) {
            *place = top;
            return true;
        }
    }
    return false;
}
