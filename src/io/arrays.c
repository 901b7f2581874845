/* A set of named arrays: names are found through a hash table, so that a model of 100,000 tensors opens at once. */
#include "io/arrays.h"

#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

typedef struct entry {
    char *name;
    weft_tensor tensor;
    void *owned; /* freed with the set */
} entry;

typedef struct pair {
    char *key, *value;
} pair;

struct weft_arrays {
    entry *entries;
    int64_t count, capacity;
    uint32_t *slots; /* entry number + 1; twice the capacity or more, a power of two */
    uint32_t mask;
    pair *metadata;
    int64_t metadata_count;
    weft_map map;
    void **blocks;
    int64_t block_count;
};

weft_status weft_arrays_new(weft_arrays **out)
{
    *out = calloc(1, sizeof **out);
    return *out ? WEFT_OK : weft_fail(WEFT_ERROR_MEMORY, "cannot allocate a set of arrays");
}

void weft_arrays_free(weft_arrays *arrays)
{
    if (!arrays)
        return;
    for (int64_t i = 0; i < arrays->count; i++) {
        free(arrays->entries[i].name);
        free(arrays->entries[i].owned);
    }
    for (int64_t i = 0; i < arrays->metadata_count; i++) {
        free(arrays->metadata[i].key);
        free(arrays->metadata[i].value);
    }
    free(arrays->entries);
    free(arrays->slots);
    free(arrays->metadata);
    for (int64_t i = 0; i < arrays->block_count; i++)
        free(arrays->blocks[i]);
    free(arrays->blocks);
    weft_map_close(&arrays->map);
    free(arrays);
}

weft_status weft_arrays_keep_block(weft_arrays *arrays, void *block)
{
    void **larger = realloc(arrays->blocks, (size_t)(arrays->block_count + 1) * sizeof *larger);
    if (!larger) {
        free(block);
        return weft_fail(WEFT_ERROR_MEMORY, "cannot allocate the entry of a block");
    }
    arrays->blocks = larger;
    arrays->blocks[arrays->block_count++] = block;
    return WEFT_OK;
}

void weft_arrays_keep_map(weft_arrays *arrays, weft_map map)
{
    weft_map_close(&arrays->map);
    arrays->map = map;
}

void weft_arrays_release(const weft_arrays *arrays)
{
    weft_map_release(&arrays->map);
}

int64_t weft_arrays_count(const weft_arrays *arrays)
{
    return arrays->count;
}

weft_array weft_arrays_at(const weft_arrays *arrays, int64_t i)
{
    return (weft_array){arrays->entries[i].name, arrays->entries[i].tensor};
}

/* The slot that holds `name`, or the empty one where it belongs. */
static uint32_t slot_of(const weft_arrays *arrays, const char *name)
{
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (const unsigned char *c = (const unsigned char *)name; *c; c++)
        hash = (hash ^ *c) * 16777619u;
    uint32_t slot = (hash ^ hash >> 15) & arrays->mask;
    while (arrays->slots[slot] && strcmp(arrays->entries[arrays->slots[slot] - 1].name, name) != 0)
        slot = (slot + 1) & arrays->mask;
    return slot;
}

bool weft_arrays_find(const weft_arrays *arrays, const char *name, weft_tensor *out)
{
    uint32_t found = arrays->slots ? arrays->slots[slot_of(arrays, name)] : 0;
    if (found)
        *out = arrays->entries[found - 1].tensor;
    return found != 0;
}

static bool grow(weft_arrays *arrays)
{
    int64_t capacity = arrays->capacity ? 2 * arrays->capacity : 16;
    if (capacity > 1 << 29)
        return false;
    entry *entries = realloc(arrays->entries, (size_t)capacity * sizeof *entries);
    if (entries)
        arrays->entries = entries;
    uint32_t *slots = calloc((size_t)(2 * capacity), sizeof *slots);
    if (!entries || !slots) {
        free(slots);
        return false;
    }
    free(arrays->slots);
    arrays->slots = slots;
    arrays->capacity = capacity;
    arrays->mask = (uint32_t)(2 * capacity - 1);
    for (int64_t i = 0; i < arrays->count; i++)
        slots[slot_of(arrays, arrays->entries[i].name)] = (uint32_t)i + 1;
    return true;
}

static weft_status add(weft_arrays *arrays, const char *name, weft_tensor tensor, void *owned)
{
    char shown[WEFT_SHOWN_NAME];
    char *copy = NULL;
    weft_status status = WEFT_OK;
    if (weft_dims_count(tensor.dims) < 0 || weft_dtype_size(tensor.dtype) == 0)
        status = weft_fail(WEFT_ERROR_ARGUMENT, "array \"%s\": its shape or type does not fit", weft_shown_name(name, shown));
    else if (arrays->slots && arrays->slots[slot_of(arrays, name)])
        status = weft_fail(WEFT_ERROR_ARGUMENT, "two arrays are named \"%s\"", weft_shown_name(name, shown));
    else if (!(copy = strdup(name)) || (arrays->count == arrays->capacity && !grow(arrays)))
        status = weft_fail(WEFT_ERROR_MEMORY, "cannot allocate the entry of array \"%s\"", weft_shown_name(name, shown));
    if (status != WEFT_OK) {
        free(copy);
        free(owned);
        return status;
    }
    arrays->entries[arrays->count] = (entry){copy, tensor, owned};
    arrays->slots[slot_of(arrays, copy)] = (uint32_t)++arrays->count;
    return WEFT_OK;
}

weft_status weft_arrays_add(weft_arrays *arrays, const char *name, weft_tensor tensor)
{
    return add(arrays, name, tensor, NULL);
}

weft_status weft_arrays_add_owned(weft_arrays *arrays, const char *name, weft_tensor tensor)
{
    return add(arrays, name, tensor, tensor.data);
}

weft_status weft_arrays_add_copy(weft_arrays *arrays, const char *name, weft_tensor tensor)
{
    size_t bytes = weft_tensor_bytes(tensor);
    char shown[WEFT_SHOWN_NAME];
    void *copy = malloc(bytes ? bytes : 1);
    if (!copy)
        return weft_fail(WEFT_ERROR_MEMORY, "cannot allocate %zu bytes for array \"%s\"", bytes, weft_shown_name(name, shown));
    if (bytes)
        memcpy(copy, tensor.data, bytes);
    tensor.data = copy;
    return add(arrays, name, tensor, copy);
}

weft_status weft_arrays_add_bytes(weft_arrays *arrays, const char *name, weft_dtype dtype, weft_dims dims, const void *bytes)
{
    weft_tensor tensor = {(void *)(uintptr_t)bytes, dtype, dims};
    bool aligned = (uintptr_t)bytes % weft_dtype_size(dtype) == 0;
    return aligned ? add(arrays, name, tensor, NULL) : weft_arrays_add_copy(arrays, name, tensor);
}

const char *weft_arrays_metadata(const weft_arrays *arrays, const char *key)
{
    for (int64_t i = 0; i < arrays->metadata_count; i++)
        if (strcmp(arrays->metadata[i].key, key) == 0)
            return arrays->metadata[i].value;
    return NULL;
}

weft_status weft_arrays_set_metadata(weft_arrays *arrays, const char *key, const char *value)
{
    int64_t i = 0;
    while (i < arrays->metadata_count && strcmp(arrays->metadata[i].key, key) != 0)
        i++;
    char *copy = strdup(value), *key_copy = NULL;
    bool ready = copy != NULL;
    if (ready && i == arrays->metadata_count) {
        pair *larger = realloc(arrays->metadata, (size_t)(i + 1) * sizeof *larger);
        if (larger)
            arrays->metadata = larger;
        ready = larger && (key_copy = strdup(key));
        if (ready)
            arrays->metadata[arrays->metadata_count++] = (pair){key_copy, NULL};
    }
    if (!ready) {
        free(copy);
        return weft_fail(WEFT_ERROR_MEMORY, "cannot allocate metadata");
    }
    free(arrays->metadata[i].value);
    arrays->metadata[i].value = copy;
    return WEFT_OK;
}

int64_t weft_arrays_metadata_count(const weft_arrays *arrays)
{
    return arrays->metadata_count;
}

void weft_arrays_metadata_at(const weft_arrays *arrays, int64_t i, const char **key, const char **value)
{
    *key = arrays->metadata[i].key;
    *value = arrays->metadata[i].value;
}

bool weft_text_is_utf8(const char *text, size_t length)
{
    return !memchr(text, 0, length) && weft_utf8_is_valid(text, length);
}

char *weft_shown_name(const char *name, char out[WEFT_SHOWN_NAME])
{
    size_t length = 0;
    while (length < 80 && name[length])
        length++;
    for (size_t i = 0; i < length; i++)
        out[i] = name[i];
    if (length == 80) /* not inside a character */
        while (length > 76 && ((unsigned char)name[length] & 0xC0) == 0x80)
            length--;
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)out[i] < 0x20 || out[i] == 0x7F)
            out[i] = '?';
    memcpy(out + length, name[length] ? "..." : "", name[length] ? 4 : 1);
    return out;
}
