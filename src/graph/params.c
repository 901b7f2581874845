/* Parameter sets: named tensors found through a hash table; those of a file stay in its mapped pages until they are written. */
#include "graph/params.h"
#include "base/files.h"
#include "base/json.h"
#include "base/random.h"
#include "io/io.h"

#include <stdlib.h>
#include <string.h>

typedef struct entry {
    char *name;
    weft_tensor tensor;
    void *owned; /* NULL: the data lies in a mapped file, or is the caller's */
    bool mapped;
} entry;

struct weft_params {
    entry *entries; /* in order of adding */
    int64_t count, capacity;
    uint32_t *slots;     /* entry number + 1, 0: free; twice the capacity, a power of two */
    weft_arrays **files; /* mapped */
    int64_t file_count;
    uint64_t version;
    weft_panels *panels; /* packed for products */
};

weft_status weft_params_new(weft_params **out)
{
    *out = calloc(1, sizeof **out);
    return *out ? WEFT_OK : weft_fail(WEFT_ERROR_MEMORY, "cannot allocate a parameter set");
}

void weft_params_free(weft_params *p)
{
    if (!p)
        return;
    for (int64_t i = 0; i < p->count; i++) {
        free(p->entries[i].name);
        free(p->entries[i].owned);
    }
    weft_panels_abandon(&p->panels);
    free(p->entries);
    free(p->slots);
    for (int64_t i = 0; i < p->file_count; i++)
        weft_arrays_free(p->files[i]);
    free(p->files);
    free(p);
}

/* The slot that holds `name`, or the free one where it belongs. */
static uint32_t slot_of(const weft_params *p, const char *name)
{
    uint32_t hash = 2166136261u, mask = (uint32_t)(2 * p->capacity - 1); /* FNV-1a */
    for (const unsigned char *c = (const unsigned char *)name; *c; c++)
        hash = (hash ^ *c) * 16777619u;
    uint32_t slot = (hash ^ hash >> 15) & mask;
    while (p->slots[slot] && strcmp(p->entries[p->slots[slot] - 1].name, name) != 0)
        slot = (slot + 1) & mask;
    return slot;
}

static entry *find(const weft_params *p, const char *name)
{
    uint32_t number = p->capacity ? p->slots[slot_of(p, name)] : 0;
    return number ? &p->entries[number - 1] : NULL;
}

static bool grow(weft_params *p)
{
    int64_t capacity = p->capacity ? 2 * p->capacity : 32;
    if (capacity > 1 << 29)
        return false;
    entry *entries = realloc(p->entries, (size_t)capacity * sizeof *entries);
    if (entries)
        p->entries = entries;
    uint32_t *slots = entries ? calloc((size_t)(2 * capacity), sizeof *slots) : NULL;
    if (!slots)
        return false;
    free(p->slots);
    p->slots = slots;
    p->capacity = capacity;
    for (int64_t i = 0; i < p->count; i++)
        slots[slot_of(p, p->entries[i].name)] = (uint32_t)i + 1;
    return true;
}

static void *allocate(size_t bytes)
{
    return bytes > SIZE_MAX - 64 ? NULL : aligned_alloc(64, bytes ? (bytes + 63) & ~(size_t)63 : 64);
}

/* Adds a tensor under a new name; `owned` is its memory, or NULL. On failure nothing was taken over. */
static weft_status add(weft_params *p, const char *name, weft_tensor tensor, void *owned, bool mapped)
{
    char *copy = strdup(name);
    if (!copy || (p->count == p->capacity && !grow(p))) {
        free(copy);
        return weft_fail(WEFT_ERROR_MEMORY, "cannot allocate the entry of parameter \"%s\"", name);
    }
    p->entries[p->count] = (entry){copy, tensor, owned, mapped};
    p->slots[slot_of(p, copy)] = (uint32_t)++p->count;
    return WEFT_OK;
}

/* Maps one more file. */
static weft_status open_file(weft_params *p, const char *path, weft_arrays **out)
{
    weft_arrays **larger = realloc(p->files, (size_t)(p->file_count + 1) * sizeof *larger);
    if (!larger)
        return weft_fail(WEFT_ERROR_MEMORY, "%s: cannot allocate its entry", path);
    p->files = larger;
    weft_status status = weft_safetensors_open(path, out);
    if (status == WEFT_OK)
        p->files[p->file_count++] = *out;
    return status;
}

static weft_status open_whole(weft_params *p, const char *path)
{
    weft_arrays *file;
    weft_status status = open_file(p, path, &file);
    for (int64_t i = 0; status == WEFT_OK && i < weft_arrays_count(file); i++) {
        weft_array array = weft_arrays_at(file, i);
        status = add(p, array.name, array.tensor, NULL, true);
    }
    return status;
}

/* One row of an index's "weight_map": the tensor's name and its file beside the index. */
typedef struct shard_row {
    const char *name, *file;
} shard_row;

static int by_file(const void *a, const void *b)
{
    return strcmp(((const shard_row *)a)->file, ((const shard_row *)b)->file);
}

static weft_status read_map(const char *path, weft_json_value map, shard_row **out, int64_t *count)
{
    *count = weft_json_size(map);
    if (weft_json_kind_of(map) != WEFT_JSON_OBJECT || *count == 0)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: expected \"weight_map\", an object of tensor names and files", path);
    if (!(*out = calloc((size_t)*count, sizeof **out)))
        return weft_fail(WEFT_ERROR_MEMORY, "%s: cannot allocate %lld rows", path, (long long)*count);
    for (int64_t i = 0; i < *count; i++) {
        weft_json_value value;
        const char *name = weft_json_key(map, i, &value), *file = weft_json_string(value, NULL);
        if (!file || !*file || strchr(file, '/') || strcmp(file, ".") == 0 || strcmp(file, "..") == 0)
            return weft_fail(WEFT_ERROR_FORMAT, "%s: tensor \"%.80s\" is in \"%.80s\": expected a file beside the index", path,
                             name, file ? file : "no file");
        (*out)[i] = (shard_row){name, file};
    }
    qsort(*out, (size_t)*count, sizeof **out, by_file); /* a file's rows together: each file is opened once */
    return WEFT_OK;
}

/* A model in several files, as model.safetensors.index.json tells. */
static weft_status open_shards(weft_params *p, const char *folder, const char *index)
{
    weft_json *json;
    shard_row *rows = NULL;
    int64_t count = 0;
    weft_arrays *file = NULL;
    weft_status status = weft_json_read(index, &json);
    if (status != WEFT_OK)
        return status;
    status = read_map(index, weft_json_get(weft_json_root(json), "weight_map"), &rows, &count);
    for (int64_t i = 0; status == WEFT_OK && i < count; i++) {
        weft_tensor t;
        if (i == 0 || strcmp(rows[i].file, rows[i - 1].file) != 0) {
            char *path = weft_path_join(folder, rows[i].file);
            status = path ? open_file(p, path, &file) : weft_fail(WEFT_ERROR_MEMORY, "%s: cannot allocate a name", folder);
            free(path);
        }
        if (status == WEFT_OK && !weft_arrays_find(file, rows[i].name, &t))
            status = weft_fail(WEFT_ERROR_FORMAT, "%s: tensor \"%.80s\" is not in %.80s", index, rows[i].name, rows[i].file);
        if (status == WEFT_OK)
            status = add(p, rows[i].name, t, NULL, true);
    }
    free(rows);
    weft_json_free(json);
    return status;
}

/* A folder may hold its weights in PyTorch's own format alone. */
static weft_status refuse_pickled(const char *folder)
{
    static const char *const pickled[] = {"pytorch_model.bin", "pytorch_model.bin.index.json"};
    for (size_t i = 0; i < sizeof pickled / sizeof pickled[0]; i++) {
        char *path = weft_path_join(folder, pickled[i]);
        const bool there = path && weft_path_exists(path);
        free(path);
        if (there)
            return weft_fail(WEFT_ERROR_UNSUPPORTED,
                             "%s: there is %s, which is a Python program in part and is not run; expected model.safetensors "
                             "(save_pretrained of transformers writes it)",
                             folder, pickled[i]);
    }
    return WEFT_OK;
}

weft_status weft_params_open(const char *path, weft_params **out)
{
    *out = NULL;
    bool folder = weft_path_is_folder(path);
    char *whole = folder ? weft_path_join(path, "model.safetensors") : strdup(path);
    char *index = folder ? weft_path_join(path, "model.safetensors.index.json") : NULL;
    weft_params *p = NULL;
    weft_status status =
        whole && (index || !folder) ? weft_params_new(&p) : weft_fail(WEFT_ERROR_MEMORY, "%s: cannot allocate a name", path);
    const bool sharded = status == WEFT_OK && folder && !weft_path_exists(whole) && weft_path_exists(index);
    if (status == WEFT_OK && folder && !sharded && !weft_path_exists(whole))
        status = refuse_pickled(path);
    if (status == WEFT_OK)
        status = sharded ? open_shards(p, path, index) : open_whole(p, whole);
    free(whole);
    free(index);
    if (status != WEFT_OK) {
        weft_params_free(p);
        return status;
    }
    *out = p;
    return WEFT_OK;
}

weft_status weft_params_save(const weft_params *p, const char *path)
{
    weft_arrays *arrays;
    weft_status status = weft_arrays_new(&arrays);
    for (int64_t i = 0; status == WEFT_OK && p->file_count && i < weft_arrays_metadata_count(p->files[0]); i++) {
        const char *key, *value;
        weft_arrays_metadata_at(p->files[0], i, &key, &value);
        status = weft_arrays_set_metadata(arrays, key, value);
    }
    /* Python's transformers refuses a file without it */
    if (status == WEFT_OK && !weft_arrays_metadata(arrays, "format"))
        status = weft_arrays_set_metadata(arrays, "format", "pt");
    for (int64_t i = 0; status == WEFT_OK && i < p->count; i++)
        status = weft_arrays_add(arrays, p->entries[i].name, p->entries[i].tensor);
    if (status == WEFT_OK)
        status = weft_safetensors_save(arrays, path);
    weft_arrays_free(arrays);
    return status;
}

weft_status weft_params_set(weft_params *p, const char *name, weft_tensor tensor)
{
    char text[WEFT_DIMS_TEXT];
    if (!name || !*name)
        return weft_fail(WEFT_ERROR_ARGUMENT, "a parameter without a name");
    if (tensor.dims.rank < 0 || tensor.dims.rank > WEFT_MAX_RANK || weft_dims_count(tensor.dims) < 0 ||
        !weft_dtype_size(tensor.dtype))
        return weft_fail(WEFT_ERROR_ARGUMENT, "parameter \"%s\": its shape or type is none", name);
    size_t bytes = weft_tensor_bytes(tensor);
    if (bytes && !tensor.data)
        return weft_fail(WEFT_ERROR_ARGUMENT, "parameter \"%s\": no data for shape %s", name, weft_dims_text(tensor.dims, text));
    entry *e = find(p, name);
    if (e && e->owned && weft_tensor_bytes(e->tensor) == bytes) { /* views of it stay valid */
        if (bytes)
            memmove(e->owned, tensor.data, bytes);
        e->tensor = (weft_tensor){e->owned, tensor.dtype, tensor.dims};
        p->version++;
        return WEFT_OK;
    }
    void *copy = allocate(bytes);
    if (!copy)
        return weft_fail(WEFT_ERROR_MEMORY, "parameter \"%s\": cannot allocate %zu bytes", name, bytes);
    if (bytes)
        memcpy(copy, tensor.data, bytes);
    tensor.data = copy;
    if (e) {
        free(e->owned);
        e->owned = copy;
        e->mapped = false;
        e->tensor = tensor;
    } else {
        weft_status status = add(p, name, tensor, copy, false);
        if (status != WEFT_OK) {
            free(copy);
            return status;
        }
    }
    p->version++;
    return WEFT_OK;
}

static weft_status share(weft_params *p, const char *name, weft_tensor tensor, bool mapped)
{
    if (find(p, name))
        return weft_fail(WEFT_ERROR_ARGUMENT, "parameter \"%s\" is there already", name);
    weft_status status = add(p, name, tensor, NULL, mapped);
    if (status == WEFT_OK)
        p->version++;
    return status;
}

weft_status weft_params_share(weft_params *p, const char *name, weft_tensor tensor)
{
    return share(p, name, tensor, false);
}

weft_status weft_params_lend(weft_params *p, const char *name, const weft_params *from, const char *its_name)
{
    const entry *e = find(from, its_name);
    return e ? share(p, name, e->tensor, e->mapped)
             : weft_fail(WEFT_ERROR_ARGUMENT, "there is no parameter \"%s\" to lend", its_name);
}

bool weft_params_get(const weft_params *p, const char *name, weft_tensor *out)
{
    const entry *e = find(p, name);
    if (e)
        *out = e->tensor;
    return e != NULL;
}

int64_t weft_params_count(const weft_params *p)
{
    return p->count;
}

const char *weft_params_at(const weft_params *p, int64_t i, weft_tensor *out)
{
    if (i < 0 || i >= p->count)
        return NULL;
    if (out)
        *out = p->entries[i].tensor;
    return p->entries[i].name;
}

void weft_params_release(const weft_params *p)
{
    for (int64_t i = 0; i < p->file_count; i++)
        weft_arrays_release(p->files[i]);
}

void weft_params_release_one(const weft_params *p, const char *name)
{
    const entry *e = find(p, name);
    if (e && e->mapped)
        weft_map_release_part(e->tensor.data, weft_tensor_bytes(e->tensor));
}

void weft_params_touch(weft_params *p)
{
    p->version++;
}

uint64_t weft_params_version(const weft_params *p)
{
    return p->version;
}

weft_status weft_params_edit(weft_params *p, const char *name, weft_tensor *out)
{
    entry *e = find(p, name);
    if (!e)
        return weft_fail(WEFT_ERROR_ARGUMENT, "there is no parameter \"%s\"", name);
    if (!e->owned) {
        size_t bytes = weft_tensor_bytes(e->tensor);
        void *copy = allocate(bytes);
        if (!copy)
            return weft_fail(WEFT_ERROR_MEMORY, "parameter \"%s\": cannot allocate %zu bytes", name, bytes);
        if (bytes)
            memcpy(copy, e->tensor.data, bytes);
        e->owned = e->tensor.data = copy;
        e->mapped = false;
        p->version++;
    }
    *out = e->tensor;
    return WEFT_OK;
}

/* Element k of a law is drawn in row 0, column k of the stream. Drawn in double and rounded once: F32 and F64 sets agree, and
 * so do processor levels. */
static void draw_four(const weft_init *init, weft_random_key key, int64_t block, double out[4])
{
    const uint32_t counter[4] = {(uint32_t)block, 0, 0, 0};
    uint32_t words[4];
    weft_philox(key.word, counter, words);
    if (init->kind == WEFT_INIT_UNIFORM) {
        for (int i = 0; i < 4; i++)
            out[i] = init->a + (init->b - init->a) * (((double)words[i] + 0.5) * 0x1p-32);
        return;
    }
    weft_random_normal_pair(words[0], words[1], out);
    weft_random_normal_pair(words[2], words[3], out + 2);
    for (int i = 0; i < 4; i++)
        out[i] = init->a + init->b * out[i];
}

static void fill(const weft_init *init, const char *name, uint64_t seed, weft_tensor t)
{
    int64_t count = weft_dims_count(t.dims);
    bool drawn = init->kind == WEFT_INIT_UNIFORM || init->kind == WEFT_INIT_NORMAL;
    double constant = init->kind == WEFT_INIT_ONES ? 1 : init->kind == WEFT_INIT_CONSTANT ? init->a : 0;
    double four[4] = {constant, constant, constant, constant};
    weft_random_key key = weft_random_stream(seed, name);
    for (int64_t k = 0; k < count; k += 4) {
        if (drawn)
            draw_four(init, key, k / 4, four);
        for (int64_t i = k; i < count && i < k + 4; i++) {
            if (t.dtype == WEFT_F64)
                ((double *)t.data)[i] = four[i - k];
            else
                ((float *)t.data)[i] = (float)four[i - k];
        }
    }
}

static weft_status check_present(const weft_params *p, const weft_graph *g)
{
    int count = weft_graph_params(g, -1, NULL, NULL);
    for (int i = 0; i < count; i++) {
        const char *name;
        weft_value value;
        weft_graph_params(g, i, &name, &value);
        weft_dims dims = weft_shape(g, value);
        const entry *e = find(p, name);
        char have[WEFT_DIMS_TEXT], want[WEFT_DIMS_TEXT];
        if (e && !weft_dims_equal(e->tensor.dims, dims))
            return weft_fail(WEFT_ERROR_ARGUMENT, "parameter \"%s\" is %s, the model wants %s", name,
                             weft_dims_text(e->tensor.dims, have), weft_dims_text(dims, want));
        if (weft_dims_count(dims) > (int64_t)1 << 34)
            return weft_fail(WEFT_ERROR_UNSUPPORTED, "parameter \"%s\" is %s: more elements than its stream has numbers", name,
                             weft_dims_text(dims, want));
    }
    return WEFT_OK;
}

weft_status weft_params_check(const weft_params *p, const weft_graph *g, const char *prefix)
{
    int count = weft_graph_params(g, -1, NULL, NULL);
    for (int i = 0; i < count; i++) {
        const char *name;
        weft_value value;
        weft_graph_params(g, i, &name, &value);
        char have[WEFT_DIMS_TEXT], want[WEFT_DIMS_TEXT];
        weft_dims_text(weft_shape(g, value), want);
        if (prefix && strncmp(name, prefix, strlen(prefix)) != 0)
            continue;
        const entry *e = find(p, name);
        if (!e)
            return weft_fail(WEFT_ERROR_FORMAT, "%s: the file has no such tensor, config wants %s", name, want);
        if (!weft_dims_equal(e->tensor.dims, weft_shape(g, value)))
            return weft_fail(WEFT_ERROR_FORMAT, "%s: file has %s, config wants %s", name, weft_dims_text(e->tensor.dims, have),
                             want);
        if (e->tensor.dtype != WEFT_F32 && e->tensor.dtype != WEFT_F64 && e->tensor.dtype != WEFT_BF16 &&
            e->tensor.dtype != WEFT_F16)
            return weft_fail(WEFT_ERROR_FORMAT, "%s: file has %s, expected F32, F64, BF16 or F16", name,
                             weft_dtype_name(e->tensor.dtype));
    }
    return WEFT_OK;
}

weft_status weft_params_init(weft_params *p, const weft_graph *g, weft_dtype dtype, uint64_t seed)
{
    if (dtype != WEFT_F32 && dtype != WEFT_F64)
        return weft_fail(WEFT_ERROR_ARGUMENT, "new parameters in %s: expected F32 or F64", weft_dtype_name(dtype));
    weft_status status = weft_graph_status(g);
    if (status == WEFT_OK)
        status = check_present(p, g); /* nothing is added when something does not fit */
    int count = weft_graph_params(g, -1, NULL, NULL);
    for (int i = 0; status == WEFT_OK && i < count; i++) {
        const char *name;
        weft_value value;
        weft_graph_params(g, i, &name, &value);
        if (find(p, name))
            continue;
        weft_tensor t = {NULL, dtype, weft_shape(g, value)};
        size_t bytes = weft_tensor_bytes(t);
        if (!(t.data = allocate(bytes)))
            return weft_fail(WEFT_ERROR_MEMORY, "parameter \"%s\": cannot allocate %zu bytes", name, bytes);
        weft_init init = weft_graph_param_init(g, i);
        fill(&init, name, seed, t);
        if ((status = add(p, name, t, t.data, false)) != WEFT_OK)
            free(t.data);
        p->version++;
    }
    return status;
}

weft_panels **weft_params_panels(weft_params *p)
{
    return &p->panels;
}
