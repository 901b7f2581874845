/* The vocabulary: one block of bytes, and an open hash table of ids. */
#include "text/vocabulary.h"

#include <stdlib.h>
#include <string.h>

uint64_t weft_bytes_hash(const void *bytes, size_t length)
{
    const unsigned char *c = bytes;
    uint64_t hash = 0x9E3779B97F4A7C15u ^ length;
    for (; length >= 8; c += 8, length -= 8) {
        uint64_t word;
        memcpy(&word, c, 8);
        hash = (hash ^ word) * 0xFF51AFD7ED558CCDu;
        hash ^= hash >> 32;
    }
    if (length) {
        uint64_t word = 0;
        memcpy(&word, c, length);
        hash = (hash ^ word) * 0xFF51AFD7ED558CCDu;
    }
    hash ^= hash >> 29;
    hash *= 0xC4CEB9FE1A85EC53u;
    return hash ^ hash >> 32;
}

void weft_vocabulary_free(weft_vocabulary *v)
{
    free(v->bytes);
    free(v->at);
    free(v->length);
    free(v->slots);
    *v = (weft_vocabulary){0};
}

const char *weft_vocabulary_token(const weft_vocabulary *v, int64_t id, size_t *length)
{
    if (id < 0 || id >= v->count || v->at[id] == UINT32_MAX)
        return NULL;
    if (length)
        *length = v->length[id];
    return v->bytes + v->at[id];
}

/* The slot that holds the token, or the empty one where it would be. */
static uint32_t slot_of(const weft_vocabulary *v, const char *token, size_t length)
{
    uint32_t slot = (uint32_t)weft_bytes_hash(token, length) & v->mask;
    for (; v->slots[slot]; slot = (slot + 1) & v->mask) {
        int32_t id = v->slots[slot] - 1;
        if (v->length[id] == length && memcmp(v->bytes + v->at[id], token, length) == 0)
            break;
    }
    return slot;
}

int32_t weft_vocabulary_find(const weft_vocabulary *v, const char *token, size_t length)
{
    return v->slots ? v->slots[slot_of(v, token, length)] - 1 : -1;
}

static bool grow_slots(weft_vocabulary *v)
{
    if (v->slots && (uint32_t)v->entries * 2 <= v->mask)
        return true;
    uint32_t count = v->slots ? 2 * (v->mask + 1) : 1024, mask = count - 1;
    int32_t *slots = calloc(count, sizeof *slots);
    if (!slots)
        return false;
    for (uint32_t i = 0; v->slots && i <= v->mask; i++) {
        if (!v->slots[i])
            continue;
        int32_t id = v->slots[i] - 1;
        uint32_t slot = (uint32_t)weft_bytes_hash(v->bytes + v->at[id], v->length[id]) & mask;
        while (slots[slot])
            slot = (slot + 1) & mask;
        slots[slot] = v->slots[i];
    }
    free(v->slots);
    v->slots = slots;
    v->mask = mask;
    return true;
}

static bool grow_ids(weft_vocabulary *v, int32_t id)
{
    if (id >= v->room) {
        int32_t room = id < 512 ? 1024 : id + id / 2 + 1;
        uint32_t *at = realloc(v->at, (size_t)room * sizeof *at);
        if (at)
            v->at = at;
        uint32_t *length = at ? realloc(v->length, (size_t)room * sizeof *length) : NULL;
        if (!length)
            return false;
        v->length = length;
        v->room = room;
    }
    for (; v->count <= id; v->count++)
        v->at[v->count] = UINT32_MAX;
    return true;
}

static bool grow_bytes(weft_vocabulary *v, size_t more)
{
    if (v->size + more <= v->capacity)
        return true;
    size_t capacity = v->capacity + v->capacity / 2 + more + 4096;
    char *bytes = realloc(v->bytes, capacity);
    if (!bytes)
        return false;
    v->bytes = bytes;
    v->capacity = capacity;
    return true;
}

weft_status weft_vocabulary_add(weft_vocabulary *v, const char *token, size_t length, int64_t id)
{
    if (id < 0 || id >= WEFT_MOST_TOKENS)
        return weft_fail(WEFT_ERROR_FORMAT, "token \"%.60s\" has id %lld; ids go from 0 to %d", token, (long long)id,
                         WEFT_MOST_TOKENS - 1);
    if (length > WEFT_LONGEST_TOKEN)
        return weft_fail(WEFT_ERROR_FORMAT, "the token of id %lld has %zu bytes; at most %d are read", (long long)id, length,
                         WEFT_LONGEST_TOKEN);
    size_t old_length;
    const char *old = weft_vocabulary_token(v, id, &old_length);
    if (old && (old_length != length || memcmp(old, token, length) != 0))
        return weft_fail(WEFT_ERROR_FORMAT, "id %lld is given to two tokens, \"%.60s\" and \"%.60s\"", (long long)id, old, token);
    if (old)
        return WEFT_OK;
    if (v->size + length + 1 >= UINT32_MAX)
        return weft_fail(WEFT_ERROR_UNSUPPORTED, "a vocabulary of more than 4 GB");
    if (!grow_slots(v) || !grow_ids(v, (int32_t)id) || !grow_bytes(v, length + 1))
        return weft_fail(WEFT_ERROR_MEMORY, "memory is short for a vocabulary of %lld tokens", (long long)id + 1);
    uint32_t slot = slot_of(v, token, length);
    v->at[id] = (uint32_t)v->size;
    v->length[id] = (uint32_t)length;
    memcpy(v->bytes + v->size, token, length);
    v->bytes[v->size + length] = 0;
    v->size += length + 1;
    v->entries += v->slots[slot] == 0;
    v->slots[slot] = (int32_t)id + 1;
    return WEFT_OK;
}
