/* Unpacking gzip; the growth of the output is bounded by what was really unpacked, never by what a header claims. */
#include "io/gzip.h"

#include <stdlib.h>
#include <zlib.h>

bool weft_is_gzip(const void *bytes, size_t size)
{
    const unsigned char *b = bytes;
    return size >= 2 && b[0] == 0x1f && b[1] == 0x8b;
}

static weft_status grow(char **buffer, size_t *capacity, size_t limit, const char *name)
{
    if (*capacity > limit)
        return weft_fail(WEFT_ERROR_MEMORY, "%s: unpacks to more than %zu MB", name, limit >> 20);
    size_t larger = *capacity * 2 <= limit ? *capacity * 2 : limit + 1;
    char *grown = realloc(*buffer, larger + 1);
    if (!grown)
        return weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", name);
    *buffer = grown;
    *capacity = larger;
    return WEFT_OK;
}

static weft_status unpack(z_stream *z, const char *name, size_t limit, char **buffer, size_t *capacity, size_t *used)
{
    for (int answer = Z_OK;;) {
        if (answer == Z_STREAM_END) { /* another member may follow */
            if (z->avail_in == 0)
                return *used <= limit ? WEFT_OK : grow(buffer, capacity, 0, name);
            if (inflateReset(z) != Z_OK)
                return weft_fail(WEFT_ERROR_FORMAT, "%s: broken gzip data", name);
        }
        if (*used == *capacity) {
            weft_status status = grow(buffer, capacity, limit, name);
            if (status != WEFT_OK)
                return status;
        }
        size_t room = *capacity - *used, step = room < 1u << 30 ? room : 1u << 30;
        z->next_out = (unsigned char *)*buffer + *used;
        z->avail_out = (uInt)step;
        answer = inflate(z, Z_NO_FLUSH);
        *used += step - z->avail_out;
        if (answer != Z_OK && answer != Z_STREAM_END)
            return weft_fail(WEFT_ERROR_FORMAT, "%s: %s", name,
                             answer == Z_BUF_ERROR ? "the gzip data end too early" : "broken gzip data");
    }
}

weft_status weft_gzip_unpack(const void *bytes, size_t size, const char *name, size_t limit, char **out, size_t *out_size)
{
    *out = NULL;
    *out_size = 0;
    if (size > 1u << 31)
        return weft_fail(WEFT_ERROR_MEMORY, "%s: larger than 2 GB", name);
    z_stream z = {.next_in = (unsigned char *)(uintptr_t)bytes, .avail_in = (uInt)size};
    size_t capacity = size < 16384 ? 65536 : 4 * size, used = 0;
    capacity = capacity <= limit ? capacity : limit + 1;
    char *buffer = malloc(capacity + 1);
    if (!buffer || inflateInit2(&z, 15 + 16) != Z_OK) {
        free(buffer);
        return weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", name);
    }
    weft_status status = unpack(&z, name, limit, &buffer, &capacity, &used);
    inflateEnd(&z);
    if (status != WEFT_OK) {
        free(buffer);
        return status;
    }
    buffer[used] = 0;
    *out = buffer;
    *out_size = used;
    return WEFT_OK;
}
