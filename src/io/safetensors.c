/* safetensors: an 8-byte little-endian header length, a JSON header, then the data, used where it lies in the mapped file.
 * Format: https://huggingface.co/docs/safetensors (Format); all its rules are checked before a tensor is handed out. */
#include "io/arrays.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"

#define LARGEST_HEADER 100000000

/* Element types that exist in such files and not in Weft; sizes in bits, so that their extent is checked as well. */
static const struct {
    const char *name;
    unsigned bits;
} foreign_dtypes[] = {{"F8_E4M3", 8}, {"F8_E5M2", 8}, {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8}, {"F8_E5M2FNUZ", 8}, {"F4", 4},
                      {"F6_E2M3", 6}, {"F6_E3M2", 6}, {"U16", 16},    {"U32", 32},        {"U64", 64},        {"C64", 64}};

typedef struct extent {
    uint64_t begin, end;
    const char *name;
} extent;

/* One tensor's header entry, checked but for its neighbours. */
typedef struct header_entry {
    extent place;
    weft_dtype dtype;
    weft_dims dims;
} header_entry;

static int by_place(const void *a, const void *b)
{
    const extent *x = a, *y = b;
    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    return x->end < y->end ? -1 : x->end > y->end;
}

static bool whole(weft_json_value value, int64_t *out)
{
    *out = weft_json_integer(value, -1);
    return weft_json_kind_of(value) == WEFT_JSON_INTEGER && *out >= 0;
}

static weft_status read_entry(const char *file, const char *name, weft_json_value value, uint64_t data_size, header_entry *out)
{
    char shown[WEFT_SHOWN_NAME];
    weft_shown_name(name, shown);
    weft_json_value shape = weft_json_get(value, "shape"), offsets = weft_json_get(value, "data_offsets");
    const char *dtype = weft_json_string(weft_json_get(value, "dtype"), NULL);
    if (!dtype || weft_json_kind_of(shape) != WEFT_JSON_LIST || weft_json_kind_of(offsets) != WEFT_JSON_LIST ||
        weft_json_size(offsets) != 2)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: tensor \"%s\": expected \"dtype\", \"shape\" and two \"data_offsets\"", file,
                         shown);
    unsigned bits = 0;
    bool ours = weft_dtype_parse(dtype, &out->dtype);
    if (ours)
        bits = 8 * (unsigned)weft_dtype_size(out->dtype);
    for (size_t i = 0; !ours && i < sizeof foreign_dtypes / sizeof *foreign_dtypes; i++)
        if (strcmp(dtype, foreign_dtypes[i].name) == 0)
            bits = foreign_dtypes[i].bits;
    char shown_dtype[WEFT_SHOWN_NAME];
    if (bits == 0)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: tensor \"%s\": unknown dtype \"%s\"", file, shown,
                         weft_shown_name(dtype, shown_dtype));

    int64_t rank = weft_json_size(shape);
    if (rank > WEFT_MAX_RANK)
        return weft_fail(WEFT_ERROR_UNSUPPORTED, "%s: tensor \"%s\": shape has %lld sizes, at most %d are read", file, shown,
                         (long long)rank, WEFT_MAX_RANK);
    out->dims = (weft_dims){.rank = (int)rank};
    for (int64_t i = 0; i < rank; i++)
        if (!whole(weft_json_item(shape, i), &out->dims.size[i]))
            return weft_fail(WEFT_ERROR_FORMAT, "%s: tensor \"%s\": size %lld of its shape is no integer of at least 0", file,
                             shown, (long long)i);
    char dims[WEFT_DIMS_TEXT];
    weft_dims_text(out->dims, dims);
    int64_t count = weft_dims_count(out->dims), need;
    if (count < 0 || __builtin_mul_overflow(count, (int64_t)bits, &need))
        return weft_fail(WEFT_ERROR_FORMAT, "%s: tensor \"%s\": shape %s has more elements than 63 bits can count", file, shown,
                         dims);
    int64_t begin, end;
    if (!whole(weft_json_item(offsets, 0), &begin) || !whole(weft_json_item(offsets, 1), &end))
        return weft_fail(WEFT_ERROR_FORMAT, "%s: tensor \"%s\": data_offsets are no integers of at least 0", file, shown);
    if (begin > end)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: tensor \"%s\": data_offsets [%lld, %lld] end before they begin", file, shown,
                         (long long)begin, (long long)end);
    if ((uint64_t)end > data_size)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: tensor \"%s\": data_offsets [%lld, %lld] pass the end of the data, %llu bytes",
                         file, shown, (long long)begin, (long long)end, (unsigned long long)data_size);
    if (need % 8 != 0 || end - begin != need / 8)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: tensor \"%s\": data_offsets [%lld, %lld] hold %lld bytes, %s %s needs %lld",
                         file, shown, (long long)begin, (long long)end, (long long)(end - begin), dtype, dims,
                         (long long)((need + 7) / 8));
    if (!ours)
        return weft_fail(WEFT_ERROR_UNSUPPORTED, "%s: tensor \"%s\": dtype %s is not supported", file, shown, dtype);
    out->place = (extent){(uint64_t)begin, (uint64_t)end, name};
    return WEFT_OK;
}

/* No byte belongs to two tensors, and none to no tensor. Sorts `places`. */
static weft_status check_places(const char *file, extent *places, int64_t count, uint64_t data_size)
{
    char a[WEFT_SHOWN_NAME], b[WEFT_SHOWN_NAME];
    qsort(places, (size_t)count, sizeof *places, by_place);
    uint64_t at = 0;
    const char *before = NULL;
    for (int64_t i = 0; i < count; i++) {
        if (places[i].begin < at)
            return weft_fail(WEFT_ERROR_FORMAT, "%s: tensors \"%s\" and \"%s\" overlap at byte %llu of the data", file,
                             weft_shown_name(before, a), weft_shown_name(places[i].name, b), (unsigned long long)places[i].begin);
        if (places[i].begin > at)
            return weft_fail(WEFT_ERROR_FORMAT, "%s: %llu bytes before tensor \"%s\" belong to no tensor", file,
                             (unsigned long long)(places[i].begin - at), weft_shown_name(places[i].name, b));
        at = places[i].end;
        before = places[i].name;
    }
    if (at != data_size)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: the last %llu bytes belong to no tensor", file,
                         (unsigned long long)(data_size - at));
    return WEFT_OK;
}

static weft_status read_metadata(const char *file, weft_json_value metadata, weft_arrays *out)
{
    if (weft_json_kind_of(metadata) != WEFT_JSON_OBJECT)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: \"__metadata__\" is no object of texts", file);
    if (weft_json_size(metadata) > 10000) /* they are looked up from the front */
        return weft_fail(WEFT_ERROR_UNSUPPORTED, "%s: \"__metadata__\" has %lld keys, at most 10000 are read", file,
                         (long long)weft_json_size(metadata));
    for (int64_t i = 0; i < weft_json_size(metadata); i++) {
        weft_json_value value;
        const char *key = weft_json_key(metadata, i, &value), *text = weft_json_string(value, NULL);
        char shown[WEFT_SHOWN_NAME];
        if (!text)
            return weft_fail(WEFT_ERROR_FORMAT, "%s: \"__metadata__\" key \"%s\" is no text", file, weft_shown_name(key, shown));
        weft_status status = weft_arrays_set_metadata(out, key, text);
        if (status != WEFT_OK)
            return weft_fail_in(status, "%s", file);
    }
    return WEFT_OK;
}

static weft_status read_tensors(const char *file, weft_json_value root, const char *data, uint64_t data_size, weft_arrays *out)
{
    int64_t count = 0, all = weft_json_size(root);
    header_entry *entries = malloc((size_t)(all + 1) * sizeof *entries);
    extent *places = malloc((size_t)(all + 1) * sizeof *places);
    weft_status status =
        entries && places ? WEFT_OK : weft_fail(WEFT_ERROR_MEMORY, "%s: cannot allocate %lld entries", file, (long long)all);
    for (int64_t i = 0; status == WEFT_OK && i < all; i++) {
        weft_json_value value;
        const char *name = weft_json_key(root, i, &value);
        if (strcmp(name, "__metadata__") == 0) {
            status = read_metadata(file, value, out);
            continue;
        }
        status = read_entry(file, name, value, data_size, &entries[count]);
        if (status == WEFT_OK)
            places[count] = entries[count].place;
        count++;
    }
    if (status == WEFT_OK)
        status = check_places(file, places, count, data_size);
    for (int64_t i = 0; status == WEFT_OK && i < count; i++) {
        status =
            weft_arrays_add_bytes(out, entries[i].place.name, entries[i].dtype, entries[i].dims, data + entries[i].place.begin);
        if (status != WEFT_OK)
            weft_fail_in(status, "%s", file);
    }
    free(entries);
    free(places);
    return status;
}

weft_status weft_safetensors_parse(const void *bytes, size_t size, const char *name, weft_arrays **out)
{
    *out = NULL;
    if (size < 8)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: has %zu bytes, a safetensors file has at least 10", name, size);
    const unsigned char *b = bytes;
    uint64_t length = 0;
    for (int i = 7; i >= 0; i--)
        length = length << 8 | b[i];
    if (length > size - 8)
        return weft_fail(WEFT_ERROR_FORMAT,
                         "%s: its header says %llu bytes, but only %zu follow: truncated, or no safetensors file", name,
                         (unsigned long long)length, size - 8);
    if (length > LARGEST_HEADER)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: its header has %llu bytes, at most %d are read", name,
                         (unsigned long long)length, LARGEST_HEADER);
    const char *header = (const char *)bytes + 8;
    if (length == 0 || header[0] != '{')
        return weft_fail(WEFT_ERROR_FORMAT, "%s: its header does not begin with '{': no safetensors file", name);
    weft_json *json;
    weft_status status = weft_json_parse(header, (size_t)length, name, &json);
    if (status != WEFT_OK)
        return status;
    status = weft_arrays_new(out);
    if (status == WEFT_OK)
        status = read_tensors(name, weft_json_root(json), header + length, size - 8 - length, *out);
    weft_json_free(json);
    if (status != WEFT_OK) {
        weft_arrays_free(*out);
        *out = NULL;
    }
    return status;
}

weft_status weft_safetensors_open(const char *path, weft_arrays **out)
{
    *out = NULL;
    weft_map map;
    weft_status status = weft_map_open(path, &map);
    if (status != WEFT_OK)
        return status;
    status = weft_safetensors_parse(map.data, map.size, path, out);
    if (status == WEFT_OK)
        weft_arrays_keep_map(*out, map);
    else
        weft_map_close(&map);
    return status;
}

/* Order in the file: widest type first, so that every tensor is aligned to its element, then by name. */
static int by_width(const void *a, const void *b)
{
    const weft_array *x = a, *y = b;
    size_t p = weft_dtype_size(x->tensor.dtype), q = weft_dtype_size(y->tensor.dtype);
    return p != q ? (p > q ? -1 : 1) : strcmp(x->name, y->name);
}

static void write_header(weft_text *text, const weft_arrays *arrays, const weft_array *sorted, int64_t count)
{
    weft_json_writer writer = weft_json_to(text, 0);
    weft_json_open_object(&writer);
    if (weft_arrays_metadata_count(arrays) > 0) {
        weft_json_add_key(&writer, "__metadata__");
        weft_json_open_object(&writer);
        for (int64_t i = 0; i < weft_arrays_metadata_count(arrays); i++) {
            const char *key, *value;
            weft_arrays_metadata_at(arrays, i, &key, &value);
            weft_json_add_key(&writer, key);
            weft_json_add_string(&writer, value);
        }
        weft_json_close_object(&writer);
    }
    int64_t at = 0;
    for (int64_t i = 0; i < count; i++) {
        weft_json_add_key(&writer, sorted[i].name);
        weft_json_open_object(&writer);
        weft_json_add_key(&writer, "dtype");
        weft_json_add_string(&writer, weft_dtype_name(sorted[i].tensor.dtype));
        weft_json_add_key(&writer, "shape");
        weft_json_open_list(&writer);
        for (int d = 0; d < sorted[i].tensor.dims.rank; d++)
            weft_json_add_integer(&writer, sorted[i].tensor.dims.size[d]);
        weft_json_close_list(&writer);
        weft_json_add_key(&writer, "data_offsets");
        weft_json_open_list(&writer);
        weft_json_add_integer(&writer, at);
        weft_json_add_integer(&writer, at += (int64_t)weft_tensor_bytes(sorted[i].tensor));
        weft_json_close_list(&writer);
        weft_json_close_object(&writer);
    }
    weft_json_close_object(&writer);
    while (text->length % 8 != 0 && !text->failed)
        weft_text_bytes(text, " ", 1);
}

weft_status weft_safetensors_save(const weft_arrays *arrays, const char *path)
{
    int64_t count = weft_arrays_count(arrays);
    char shown[WEFT_SHOWN_NAME];
    weft_array *sorted = malloc((size_t)(count + 1) * sizeof *sorted);
    if (!sorted)
        return weft_fail(WEFT_ERROR_MEMORY, "%s: cannot allocate %lld entries", path, (long long)count);
    for (int64_t i = 0; i < count; i++) {
        sorted[i] = weft_arrays_at(arrays, i);
        bool taken = strcmp(sorted[i].name, "__metadata__") == 0;
        if (taken || !weft_text_is_utf8(sorted[i].name, strlen(sorted[i].name))) {
            weft_fail(WEFT_ERROR_ARGUMENT, "%s: a tensor cannot be named \"%s\"%s", path, weft_shown_name(sorted[i].name, shown),
                      taken ? "" : ": not UTF-8");
            free(sorted);
            return WEFT_ERROR_ARGUMENT;
        }
    }
    qsort(sorted, (size_t)count, sizeof *sorted, by_width);
    weft_text header = {0};
    write_header(&header, arrays, sorted, count);
    weft_output *output = NULL;
    weft_status status = WEFT_OK;
    if (header.failed)
        status = weft_fail(WEFT_ERROR_MEMORY, "%s: cannot allocate its header", path);
    else if (header.length > LARGEST_HEADER)
        status = weft_fail(WEFT_ERROR_ARGUMENT, "%s: its header would have %zu bytes, at most %d are allowed", path,
                           header.length, LARGEST_HEADER);
    if (status == WEFT_OK)
        status = weft_output_open(path, &output);
    if (status == WEFT_OK) {
        unsigned char length[8];
        for (int i = 0; i < 8; i++)
            length[i] = (unsigned char)((uint64_t)header.length >> 8 * i);
        status = weft_output_write(output, length, 8); /* a failure is kept: commit reports it */
        if (status == WEFT_OK)
            status = weft_output_write(output, header.data, header.length);
        for (int64_t i = 0; i < count && status == WEFT_OK; i++)
            status = weft_output_write(output, sorted[i].tensor.data, weft_tensor_bytes(sorted[i].tensor));
        status = weft_output_commit(output);
    }
    weft_text_free(&header);
    free(sorted);
    return status;
}
