/* NPY: a magic number, a Python dict literal with descr, fortran_order and shape, then the data.
 * The literal is read by a parser for exactly that: three keys in any order, tuples of integers, nothing evaluated. */
#include "io/npy.h"

#include <stdlib.h>
#include <string.h>

typedef struct cursor {
    const char *at, *end;
} cursor;

static void skip_blanks(cursor *c)
{
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\t' || *c->at == '\n'))
        c->at++;
}

static bool take(cursor *c, char expected)
{
    skip_blanks(c);
    if (c->at == c->end || *c->at != expected)
        return false;
    c->at++;
    return true;
}

static bool take_word(cursor *c, const char *word)
{
    skip_blanks(c);
    size_t length = strlen(word);
    if ((size_t)(c->end - c->at) < length || memcmp(c->at, word, length) != 0)
        return false;
    c->at += length;
    return true;
}

/* A quoted text without escapes, which no valid header needs. */
static bool take_string(cursor *c, char *out, size_t room)
{
    skip_blanks(c);
    if (c->at == c->end || (*c->at != '\'' && *c->at != '"'))
        return false;
    char quote = *c->at++;
    size_t length = 0;
    while (c->at < c->end && *c->at != quote && *c->at != '\\' && length + 1 < room)
        out[length++] = *c->at++;
    out[length] = 0;
    return take(c, quote);
}

static bool take_shape(cursor *c, weft_dims *out, bool *deep)
{
    *out = SCALAR;
    *deep = false;
    if (!take(c, '('))
        return false;
    while (!take(c, ')')) {
        if (out->rank > 0 && !take(c, ','))
            return false;
        if (take(c, ')'))
            return out->rank > 0;
        skip_blanks(c);
        int64_t size = 0;
        const char *digits = c->at;
        for (; c->at < c->end && *c->at >= '0' && *c->at <= '9'; c->at++)
            if (__builtin_mul_overflow(size, 10, &size) || __builtin_add_overflow(size, *c->at - '0', &size))
                return false;
        if (c->at == digits)
            return false;
        if (out->rank == WEFT_MAX_RANK) {
            *deep = true;
            return true;
        }
        out->size[out->rank++] = size;
    }
    return true;
}

/* "<f8" and the like into kind, width and order; false: not a type that is read. */
static bool parse_descr(const char *descr, weft_npy_header *out)
{
    static const char known[][3] = {"b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"};
    char order = descr[0];
    if (order != '<' && order != '>' && order != '|' && order != '=')
        return false;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(descr + 1, known[i]) == 0) {
            out->kind = known[i][0];
            out->width = known[i][1] - '0';
            out->swapped = order == '>' && out->width > 1;
            return order != '|' || out->width == 1;
        }
    return false;
}

static weft_status parse_dict(cursor c, const char *name, weft_npy_header *out)
{
    bool seen[3] = {false, false, false}, deep = false;
    char descr[64] = "";
    bool good = take(&c, '{');
    while (good && !take(&c, '}')) {
        char key[16];
        good = take_string(&c, key, sizeof key) && take(&c, ':');
        if (!good)
            break;
        int which = strcmp(key, "descr") == 0 ? 0 : strcmp(key, "fortran_order") == 0 ? 1 : strcmp(key, "shape") == 0 ? 2 : -1;
        if (which < 0 || seen[which])
            return weft_fail(WEFT_ERROR_FORMAT, "%s: its NPY header has the key '%s'%s", name, key,
                             which < 0 ? ", which is unknown" : " twice");
        seen[which] = true;
        if (which == 0) {
            if (take(&c, '['))
                return weft_fail(WEFT_ERROR_UNSUPPORTED, "%s: holds records (a structured dtype), expected plain numbers", name);
            good = take_string(&c, descr, sizeof descr);
        } else if (which == 1) {
            out->fortran = take_word(&c, "True");
            good = out->fortran || take_word(&c, "False");
        } else {
            good = take_shape(&c, &out->dims, &deep);
        }
        if (deep)
            return weft_fail(WEFT_ERROR_UNSUPPORTED, "%s: has more than %d dimensions", name, WEFT_MAX_RANK);
        if (good && !take(&c, ',')) {
            good = take(&c, '}');
            break;
        }
    }
    skip_blanks(&c);
    if (!good || c.at != c.end || !seen[0] || !seen[1] || !seen[2])
        return weft_fail(WEFT_ERROR_FORMAT,
                         "%s: its NPY header is broken, expected {'descr': ..., 'fortran_order': ..., 'shape': ...}", name);
    if (!parse_descr(descr, out)) {
        char shown[WEFT_SHOWN_NAME];
        const char *what = strchr(descr, 'O')     ? " (Python objects)"
                           : strpbrk(descr, "US") ? " (text)"
                           : strchr(descr, 'c')   ? " (complex)"
                                                  : "";
        return weft_fail(WEFT_ERROR_UNSUPPORTED,
                         "%s: dtype '%s'%s is not supported, expected bool, integers or floats to 64 bits", name,
                         weft_shown_name(descr, shown), what);
    }
    return WEFT_OK;
}

weft_status weft_npy_read_header(const void *bytes, size_t there, uint64_t size, const char *name, weft_npy_header *out)
{
    const unsigned char *b = bytes;
    *out = (weft_npy_header){0};
    if (there < 10 || memcmp(b, "\x93NUMPY", 6) != 0)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: does not begin like an NPY file", name);
    bool wide = b[6] >= 2;
    if (b[6] < 1 || b[6] > 3 || b[7] != 0)
        return weft_fail(WEFT_ERROR_UNSUPPORTED, "%s: NPY version %d.%d, expected 1.0, 2.0 or 3.0", name, b[6], b[7]);
    size_t start = wide ? 12 : 10;
    if (there < start)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: ends inside its NPY header", name);
    uint64_t length = (uint64_t)b[8] | (uint64_t)b[9] << 8;
    if (wide)
        length |= (uint64_t)b[10] << 16 | (uint64_t)b[11] << 24;
    if (length > WEFT_NPY_HEADER_MOST - start)
        return weft_fail(WEFT_ERROR_UNSUPPORTED, "%s: its NPY header says %llu bytes, at most %zu are read", name,
                         (unsigned long long)length, WEFT_NPY_HEADER_MOST - start);
    if (length > there - start)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: ends inside its NPY header", name);
    out->length = start + (size_t)length;
    const char *text = (const char *)bytes + start;
    weft_status status = parse_dict((cursor){text, text + length}, name, out);
    if (status != WEFT_OK)
        return status;
    int64_t count = weft_dims_count(out->dims), need;
    char dims[WEFT_DIMS_TEXT];
    weft_dims_text(out->dims, dims);
    if (count < 0 || __builtin_mul_overflow(count, (int64_t)out->width, &need))
        return weft_fail(WEFT_ERROR_FORMAT, "%s: shape %s has more elements than 63 bits can count", name, dims);
    if ((uint64_t)need != size - out->length)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: holds %llu bytes of data, shape %s of %d bytes each needs %lld", name,
                         (unsigned long long)(size - out->length), dims, out->width, (long long)need);
    out->data = (size_t)need;
    return WEFT_OK;
}

/* The element of a file at its place in our order; unsigned types widen to the next signed one. */
static uint64_t load(const unsigned char *from, int width, bool swapped)
{
    uint64_t value = 0;
    for (int i = 0; i < width; i++)
        value |= (uint64_t)from[swapped ? width - 1 - i : i] << 8 * i;
    return value;
}

static weft_dtype dtype_of(const weft_npy_header *header)
{
    switch (header->kind) {
    case 'b':
        return WEFT_BOOL;
    case 'f':
        return header->width == 2 ? WEFT_F16 : header->width == 4 ? WEFT_F32 : WEFT_F64;
    case 'i':
        return header->width == 1 ? WEFT_I8 : header->width == 2 ? WEFT_I16 : header->width == 4 ? WEFT_I32 : WEFT_I64;
    default:
        return header->width == 1 ? WEFT_U8 : header->width == 2 ? WEFT_I32 : WEFT_I64;
    }
}

weft_status weft_npy_add(weft_arrays *arrays, const char *array, const void *bytes, const weft_npy_header *header,
                         const char *name)
{
    const unsigned char *from = (const unsigned char *)bytes + header->length;
    weft_dtype dtype = dtype_of(header);
    weft_dims dims = header->dims;
    int64_t count = weft_dims_count(dims);
    size_t width = weft_dtype_size(dtype);
    bool large = header->kind == 'u' && header->width == 8;
    bool transposed = header->fortran && dims.rank > 1 && count > 0;
    for (int64_t i = 0; large && i < count; i++)
        if (load(from + 8 * i, 8, header->swapped) >> 63)
            return weft_fail(WEFT_ERROR_UNSUPPORTED, "%s: element %lld, an unsigned 64-bit integer, is 2^63 or more", name,
                             (long long)i);
    if (!transposed && !header->swapped && width == (size_t)header->width)
        return weft_arrays_add_bytes(arrays, array, dtype, dims, from);
    unsigned char *data = malloc(count > 0 ? (size_t)count * width : 1);
    if (!data)
        return weft_fail(WEFT_ERROR_MEMORY, "%s: cannot allocate %zu bytes", name, (size_t)count * width);
    int64_t index[WEFT_MAX_RANK] = {0}, stride[WEFT_MAX_RANK] = {0}, at = 0;
    for (int d = 0; transposed && d < dims.rank; d++)
        stride[d] = d == 0 ? 1 : stride[d - 1] * dims.size[d - 1];
    for (int64_t i = 0; i < count; i++) {
        uint64_t value = load(from + (transposed ? at : i) * header->width, header->width, header->swapped);
        memcpy(data + (size_t)i * width, &value, width); /* little-endian hosts only, as is the whole library */
        for (int d = dims.rank - 1; transposed && d >= 0; d--) {
            at += stride[d];
            if (++index[d] < dims.size[d])
                break;
            at -= stride[d] * dims.size[d];
            index[d] = 0;
        }
    }
    return weft_arrays_add_owned(arrays, array, (weft_tensor){data, dtype, dims});
}

weft_status weft_npy_parse(const void *bytes, size_t size, const char *name, weft_arrays **out)
{
    *out = NULL;
    weft_npy_header header;
    weft_status status = weft_npy_read_header(bytes, size, size, name, &header);
    if (status == WEFT_OK)
        status = weft_arrays_new(out);
    if (status == WEFT_OK)
        status = weft_npy_add(*out, "array", bytes, &header, name);
    if (status != WEFT_OK) {
        weft_arrays_free(*out);
        *out = NULL;
    }
    return status;
}

weft_status weft_npy_open(const char *path, weft_arrays **out)
{
    *out = NULL;
    weft_map map;
    weft_status status = weft_map_open(path, &map);
    if (status != WEFT_OK)
        return status;
    status = weft_npy_parse(map.data, map.size, path, out);
    if (status == WEFT_OK)
        weft_arrays_keep_map(*out, map);
    else
        weft_map_close(&map);
    return status;
}

weft_status weft_npy_write_header(weft_tensor tensor, const char *name, weft_text *out)
{
    static const char *const descr[WEFT_DTYPE_COUNT] = {
        [WEFT_F32] = "<f4", [WEFT_F64] = "<f8", [WEFT_F16] = "<f2", [WEFT_I64] = "<i8", [WEFT_I32] = "<i4",
        [WEFT_I16] = "<i2", [WEFT_I8] = "|i1",  [WEFT_U8] = "|u1",  [WEFT_BOOL] = "|b1"};
    if ((unsigned)tensor.dtype >= WEFT_DTYPE_COUNT || !descr[tensor.dtype])
        return weft_fail(WEFT_ERROR_UNSUPPORTED, "%s: NumPy has no type for %s", name, weft_dtype_name(tensor.dtype));
    weft_text dict = {0};
    weft_text_add(&dict, "{'descr': '%s', 'fortran_order': False, 'shape': (", descr[tensor.dtype]);
    for (int d = 0; d < tensor.dims.rank; d++)
        weft_text_add(&dict, "%s%lld%s", d ? " " : "", (long long)tensor.dims.size[d],
                      d + 1 < tensor.dims.rank || d == 0 ? "," : "");
    weft_text_add(&dict, "), }");
    size_t length = (10 + dict.length + 1 + 63) / 64 * 64 - 10; /* data begins at a multiple of 64 */
    weft_text_bytes(out, "\x93NUMPY\1\0", 8);
    weft_text_bytes(out, (unsigned char[]){(unsigned char)length, (unsigned char)(length >> 8)}, 2);
    weft_text_add(out, "%-*s\n", (int)length - 1, dict.failed ? "" : dict.data);
    out->failed |= dict.failed;
    weft_text_free(&dict);
    return out->failed ? weft_fail(WEFT_ERROR_MEMORY, "%s: cannot allocate its header", name) : WEFT_OK;
}

weft_status weft_npy_save(weft_tensor tensor, const char *path)
{
    weft_text header = {0};
    weft_output *output;
    weft_status status = weft_npy_write_header(tensor, path, &header);
    if (status == WEFT_OK)
        status = weft_output_open(path, &output);
    if (status == WEFT_OK) {
        (void)weft_output_write(output, header.data, header.length); /* a failure is kept: commit reports it */
        (void)weft_output_write(output, tensor.data, weft_tensor_bytes(tensor));
        status = weft_output_commit(output);
    }
    weft_text_free(&header);
    return status;
}
