/* NPZ writing: stored members, ZIP64 records only where a plain one would not do. */
#include "io/npy.h"

#include <string.h>
#include <zlib.h>

#define ALL_ONES 0xFFFFFFFFu

static void put(weft_text *text, uint64_t value, int width)
{
    unsigned char bytes[8];
    for (int i = 0; i < width; i++)
        bytes[i] = (unsigned char)(value >> 8 * i);
    weft_text_bytes(text, bytes, (size_t)width);
}

/* A local header (`central` false) or directory entry of a member whose local header stands at `at`. */
static void put_entry(weft_text *text, bool central, const char *name, uint32_t crc, uint64_t size, uint64_t at)
{
    bool wide = size >= ALL_ONES || at >= ALL_ONES;
    weft_text_bytes(text, central ? "PK\1\2" : "PK\3\4", 4);
    if (central)
        put(text, wide ? 45 : 20, 2);
    put(text, wide ? 45 : 20, 2);
    put(text, 0x800, 2); /* names are UTF-8 */
    put(text, 0, 2);     /* stored */
    put(text, 0, 2);     /* midnight, */
    put(text, 0x21, 2);  /* 1 January 1980: the same arrays make the same file */
    put(text, crc, 4);
    put(text, wide ? ALL_ONES : size, 4);
    put(text, wide ? ALL_ONES : size, 4);
    put(text, strlen(name) + 4, 2);
    put(text, !wide ? 0 : central ? 28 : 20, 2);
    if (central) {
        put(text, 0, 2); /* comment */
        put(text, 0, 2); /* disk */
        put(text, 0, 2);
        put(text, 0600u << 16, 4);
        put(text, wide ? ALL_ONES : at, 4);
    }
    weft_text_add(text, "%s.npy", name);
    if (!wide)
        return;
    put(text, 1, 2);
    put(text, central ? 24 : 16, 2);
    put(text, size, 8);
    put(text, size, 8);
    if (central)
        put(text, at, 8);
}

static void put_end(weft_text *text, uint64_t count, uint64_t directory, uint64_t at)
{
    bool wide = count >= 0xFFFF || directory >= ALL_ONES || at >= ALL_ONES;
    if (wide) {
        weft_text_bytes(text, "PK\6\6", 4);
        put(text, 44, 8);
        put(text, 45, 2);
        put(text, 45, 2);
        put(text, 0, 8); /* disks */
        put(text, count, 8);
        put(text, count, 8);
        put(text, directory, 8);
        put(text, at, 8);
        weft_text_bytes(text, "PK\6\7", 4);
        put(text, 0, 4);
        put(text, at + directory, 8);
        put(text, 1, 4);
    }
    weft_text_bytes(text, "PK\5\6", 4);
    put(text, 0, 4);
    put(text, wide ? 0xFFFF : count, 2);
    put(text, wide ? 0xFFFF : count, 2);
    put(text, wide ? ALL_ONES : directory, 4);
    put(text, wide ? ALL_ONES : at, 4);
    put(text, 0, 2);
}

static uint32_t crc_of(uint32_t crc, const void *bytes, size_t size)
{
    const unsigned char *from = bytes;
    while (size > 0) { /* zlib counts in 32 bits */
        uInt piece = size < 1u << 30 ? (uInt)size : 1u << 30;
        crc = (uint32_t)crc32(crc, from, piece);
        from += piece;
        size -= piece;
    }
    return crc;
}

static weft_status write_members(const weft_arrays *arrays, weft_output *output, const char *path)
{
    weft_text directory = {0}, local = {0}, header = {0};
    weft_status status = WEFT_OK;
    uint64_t at = 0, count = (uint64_t)weft_arrays_count(arrays);
    for (uint64_t i = 0; i < count && status == WEFT_OK; i++) {
        weft_array array = weft_arrays_at(arrays, (int64_t)i);
        char shown[WEFT_SHOWN_NAME];
        if (strlen(array.name) > 60000 || !weft_text_is_utf8(array.name, strlen(array.name))) {
            status =
                weft_fail(WEFT_ERROR_ARGUMENT, "%s: an array cannot be named \"%s\"", path, weft_shown_name(array.name, shown));
            break;
        }
        header.length = local.length = 0;
        status = weft_npy_write_header(array.tensor, path, &header);
        if (status != WEFT_OK)
            break;
        size_t bytes = weft_tensor_bytes(array.tensor);
        uint64_t size = header.length + bytes;
        uint32_t crc = crc_of(crc_of(0, header.data, header.length), array.tensor.data, bytes);
        put_entry(&local, false, array.name, crc, size, at);
        put_entry(&directory, true, array.name, crc, size, at);
        status = local.failed ? weft_fail(WEFT_ERROR_MEMORY, "%s: cannot allocate its directory", path)
                              : weft_output_write(output, local.data, local.length);
        if (status == WEFT_OK)
            status = weft_output_write(output, header.data, header.length);
        if (status == WEFT_OK)
            status = weft_output_write(output, array.tensor.data, bytes);
        at += local.length + size;
    }
    size_t length = directory.length;
    put_end(&directory, count, length, at);
    if (status == WEFT_OK)
        status = directory.failed ? weft_fail(WEFT_ERROR_MEMORY, "%s: cannot allocate its directory", path)
                                  : weft_output_write(output, directory.data, directory.length);
    weft_text_free(&directory);
    weft_text_free(&local);
    weft_text_free(&header);
    return status;
}

weft_status weft_npz_save(const weft_arrays *arrays, const char *path)
{
    weft_output *output;
    weft_status status = weft_output_open(path, &output);
    if (status != WEFT_OK)
        return status;
    status = write_members(arrays, output, path);
    if (status == WEFT_OK)
        return weft_output_commit(output);
    weft_output_abandon(output);
    return status;
}
