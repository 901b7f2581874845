/* NPZ: a ZIP archive of NPY files, stored or deflated. Format: PKWARE's APPNOTE 6.3 with its ZIP64 records.
 * Members are found through the central directory alone; no two may share bytes, and no claim of a size is believed
 * before the compressed bytes could hold it (deflate packs at most 1032 to 1), so that a small file cannot fill memory. */
#include "io/npy.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define DEFLATE_MOST 1032
#define MOST_MEMBERS 1000000

typedef struct archive {
    const unsigned char *bytes;
    uint64_t size;
    const char *name;
} archive;

typedef struct member {
    char *name; /* without ".npy" */
    uint64_t begin, packed, size;
    uint32_t crc;
    bool deflated;
} member;

static uint64_t get(const unsigned char *at, int width)
{
    uint64_t value = 0;
    for (int i = width - 1; i >= 0; i--)
        value = value << 8 | at[i];
    return value;
}

static weft_status broken(const archive *zip, const char *what)
{
    return weft_fail(WEFT_ERROR_FORMAT, "%s: %s: truncated, or no NPZ file", zip->name, what);
}

/* The central directory: where it begins, its bytes and entries. */
static weft_status find_directory(const archive *zip, uint64_t *at, uint64_t *size, uint64_t *count)
{
    const unsigned char *b = zip->bytes;
    if (zip->size < 22)
        return broken(zip, "too short for a ZIP archive");
    uint64_t end = zip->size - 22, least = end > 65535 ? end - 65535 : 0; /* a comment may follow */
    while (memcmp(b + end, "PK\5\6", 4) != 0 || get(b + end + 20, 2) != zip->size - end - 22)
        if (end-- == least)
            return broken(zip, "no end of a ZIP directory");
    uint64_t disk = get(b + end + 4, 2), first = get(b + end + 6, 2);
    *count = get(b + end + 10, 2);
    *size = get(b + end + 12, 4);
    *at = get(b + end + 16, 4);
    if (end >= 20 && memcmp(b + end - 20, "PK\6\7", 4) == 0) {
        uint64_t wide = get(b + end - 12, 8);
        if (wide > end - 20 || end - 20 - wide < 56 || memcmp(b + wide, "PK\6\6", 4) != 0)
            return broken(zip, "its ZIP64 directory is not where it should be");
        disk = get(b + wide + 16, 4);
        first = get(b + wide + 20, 4);
        *count = get(b + wide + 32, 8);
        *size = get(b + wide + 40, 8);
        *at = get(b + wide + 48, 8);
    }
    if (disk != 0 || first != 0)
        return weft_fail(WEFT_ERROR_UNSUPPORTED, "%s: is one part of a split ZIP archive", zip->name);
    if (*at > zip->size || *size > zip->size - *at || *count > *size / 46)
        return broken(zip, "its ZIP directory passes its end");
    if (*count > MOST_MEMBERS)
        return weft_fail(WEFT_ERROR_UNSUPPORTED, "%s: has %llu members, at most %d are read", zip->name,
                         (unsigned long long)*count, MOST_MEMBERS);
    return WEFT_OK;
}

/* Sizes of 2^32 and more stand in an extra field, in this order and only where the plain one says all ones. */
static bool widen(const unsigned char *extra, uint64_t length, uint64_t *size, uint64_t *packed, uint64_t *at)
{
    uint64_t *fields[] = {size, packed, at};
    while (length >= 4) {
        uint64_t id = get(extra, 2), bytes = get(extra + 2, 2);
        if (bytes > length - 4)
            return false;
        if (id == 1) {
            const unsigned char *from = extra + 4;
            for (int i = 0; i < 3; i++)
                if (*fields[i] == 0xFFFFFFFF) {
                    if (bytes < 8)
                        return false;
                    *fields[i] = get(from, 8);
                    from += 8;
                    bytes -= 8;
                }
            return true;
        }
        extra += 4 + bytes;
        length -= 4 + bytes;
    }
    return *size != 0xFFFFFFFF && *packed != 0xFFFFFFFF && *at != 0xFFFFFFFF;
}

/* Such a name would lead out of a folder, were the archive unpacked; no writer of arrays makes one. */
static bool leads_out(const char *name)
{
    if (name[0] == '/' || strchr(name, '\\'))
        return true;
    for (const char *part = name; part; part = strchr(part, '/'), part = part ? part + 1 : NULL)
        if (strncmp(part, "..", 2) == 0 && (part[2] == '/' || part[2] == 0))
            return true;
    return false;
}

/* The directory entry at `*at`, which is moved behind it. out->name: malloc'd, or NULL for a folder. */
static weft_status read_entry(const archive *zip, uint64_t *at, uint64_t end, member *out)
{
    const unsigned char *b = zip->bytes + *at;
    *out = (member){0};
    if (end - *at < 46 || memcmp(b, "PK\1\2", 4) != 0)
        return broken(zip, "its ZIP directory is broken");
    uint64_t flags = get(b + 8, 2), method = get(b + 10, 2), length = get(b + 28, 2), extra = get(b + 30, 2),
             comment = get(b + 32, 2);
    if (length + extra + comment > end - *at - 46)
        return broken(zip, "its ZIP directory is broken");
    out->crc = (uint32_t)get(b + 16, 4);
    out->packed = get(b + 20, 4);
    out->size = get(b + 24, 4);
    uint64_t local = get(b + 42, 4);
    *at += 46 + length + extra + comment;
    const char *text = (const char *)b + 46;
    if (!weft_text_is_utf8(text, length) || length == 0)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: the name of a member is no UTF-8 text", zip->name);
    if (text[length - 1] == '/')
        return WEFT_OK;
    if (!(out->name = strndup(text, length)))
        return weft_fail(WEFT_ERROR_MEMORY, "%s: cannot allocate a name", zip->name);
    char shown[WEFT_SHOWN_NAME];
    weft_shown_name(out->name, shown);
    if (length <= 4 || strcmp(out->name + length - 4, ".npy") != 0 || leads_out(out->name))
        return weft_fail(WEFT_ERROR_FORMAT, "%s: member \"%s\": expected a plain name that ends in .npy", zip->name, shown);
    out->name[length - 4] = 0;
    if (flags & 1)
        return weft_fail(WEFT_ERROR_UNSUPPORTED, "%s: member \"%s\" is encrypted", zip->name, shown);
    if (method != 0 && method != 8)
        return weft_fail(WEFT_ERROR_UNSUPPORTED, "%s: member \"%s\": compression method %d, expected stored or deflated",
                         zip->name, shown, (int)method);
    out->deflated = method == 8;
    if (!widen((const unsigned char *)text + length, extra, &out->size, &out->packed, &local))
        return weft_fail(WEFT_ERROR_FORMAT, "%s: member \"%s\": its ZIP64 sizes are missing", zip->name, shown);
    if (local > zip->size || zip->size - local < 30 || memcmp(zip->bytes + local, "PK\3\4", 4) != 0)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: member \"%s\" is not where the directory says", zip->name, shown);
    const unsigned char *l = zip->bytes + local;
    out->begin = local + 30 + get(l + 26, 2) + get(l + 28, 2);
    if (out->begin > zip->size || out->packed > zip->size - out->begin)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: member \"%s\" of %llu bytes passes the end of the file", zip->name, shown,
                         (unsigned long long)out->packed);
    if (out->deflated ? out->size / DEFLATE_MOST > out->packed : out->size != out->packed)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: member \"%s\" claims %llu bytes from %llu", zip->name, shown,
                         (unsigned long long)out->size, (unsigned long long)out->packed);
    return WEFT_OK;
}

static weft_status inflate_into(const archive *zip, const member *m, unsigned char *out, uint64_t room, bool whole)
{
    z_stream stream = {0};
    if (inflateInit2(&stream, -15) != Z_OK)
        return weft_fail(WEFT_ERROR_MEMORY, "%s: cannot allocate a decompressor", zip->name);
    uint64_t from = 0, to = 0;
    int state = Z_OK;
    const uint64_t most = 1u << 30; /* zlib counts in 32 bits */
    while (state == Z_OK && (to < room || whole)) {
        unsigned char spare; /* the end of the stream may only be seen when asked for more */
        uInt in = (uInt)(m->packed - from < most ? m->packed - from : most);
        uInt space = (uInt)(room - to < most ? room - to : most);
        stream.next_in = (Bytef *)(uintptr_t)(zip->bytes + m->begin + from);
        stream.avail_in = in;
        stream.next_out = space ? out + to : &spare;
        stream.avail_out = space ? space : 1;
        state = inflate(&stream, Z_NO_FLUSH);
        from += in - stream.avail_in;
        uint64_t made = (space ? space : 1) - stream.avail_out;
        if (space == 0 && made)
            state = Z_DATA_ERROR; /* more than was claimed */
        to += space ? made : 0;
        if (in == stream.avail_in && made == 0 && state == Z_OK)
            state = Z_BUF_ERROR;
    }
    inflateEnd(&stream);
    bool good = whole ? state == Z_STREAM_END && to == room && from == m->packed : to == room;
    char shown[WEFT_SHOWN_NAME];
    return good ? WEFT_OK
                : weft_fail(WEFT_ERROR_FORMAT, "%s: member \"%s.npy\": its compressed data is broken", zip->name,
                            weft_shown_name(m->name, shown));
}

static bool crc_matches(const unsigned char *bytes, uint64_t size, uint32_t expected)
{
    uLong crc = crc32(0, NULL, 0);
    for (uint64_t at = 0; at < size;) {
        uInt piece = (uInt)(size - at < (1u << 30) ? size - at : 1u << 30);
        crc = crc32(crc, bytes + at, piece);
        at += piece;
    }
    return (uint32_t)crc == expected;
}

static weft_status read_member(const archive *zip, const member *m, weft_arrays *arrays)
{
    char shown[WEFT_SHOWN_NAME], name[1024];
    weft_text text = {0};
    weft_text_add(&text, "%s: member \"%s.npy\"", zip->name, weft_shown_name(m->name, shown));
    size_t length = text.data ? (text.length < sizeof name ? text.length : sizeof name - 1) : 0;
    if (length)
        memcpy(name, text.data, length);
    name[length] = 0;
    weft_text_free(&text);

    const unsigned char *bytes = zip->bytes + m->begin;
    unsigned char *block = NULL;
    weft_npy_header header;
    weft_status status = WEFT_OK;
    if (m->deflated) {
        /* The header alone first: its shape must agree with the size before that is allocated. */
        uint64_t first = m->size < WEFT_NPY_HEADER_MOST ? m->size : WEFT_NPY_HEADER_MOST;
        if (!(block = malloc(first ? first : 1)))
            return weft_fail(WEFT_ERROR_MEMORY, "%s: cannot allocate %llu bytes", name, (unsigned long long)first);
        status = inflate_into(zip, m, block, first, false);
        if (status == WEFT_OK)
            status = weft_npy_read_header(block, first, m->size, name, &header);
        free(block);
        if (status != WEFT_OK)
            return status;
        if (m->size >= SIZE_MAX / 2 || !(block = malloc(m->size)))
            return weft_fail(WEFT_ERROR_MEMORY, "%s: cannot allocate %llu bytes", name, (unsigned long long)m->size);
        status = inflate_into(zip, m, block, m->size, true);
        bytes = block;
    } else {
        status = weft_npy_read_header(bytes, m->size, m->size, name, &header);
    }
    if (status == WEFT_OK && !crc_matches(bytes, m->size, m->crc))
        status = weft_fail(WEFT_ERROR_FORMAT, "%s: its checksum differs: the file is damaged", name);
    if (status == WEFT_OK) {
        int64_t before = weft_arrays_count(arrays);
        status = weft_npy_add(arrays, m->name, bytes, &header, name);
        if (status == WEFT_ERROR_ARGUMENT)
            status = weft_fail_in(WEFT_ERROR_FORMAT, "%s", zip->name);
        const unsigned char *data = status == WEFT_OK ? weft_arrays_at(arrays, before).tensor.data : NULL;
        if (block && data >= block && data <= block + m->size) {
            status = weft_arrays_keep_block(arrays, block);
            block = NULL;
        }
    }
    free(block);
    return status;
}

static int by_begin(const void *a, const void *b)
{
    uint64_t x = ((const member *)a)->begin, y = ((const member *)b)->begin;
    return x < y ? -1 : x > y;
}

/* Members that share bytes could multiply a small file without limit. */
static weft_status check_apart(const archive *zip, const member *members, uint64_t count)
{
    member *sorted = malloc((count + 1) * sizeof *sorted);
    if (!sorted)
        return weft_fail(WEFT_ERROR_MEMORY, "%s: cannot allocate its directory", zip->name);
    if (count)
        memcpy(sorted, members, count * sizeof *sorted);
    qsort(sorted, count, sizeof *sorted, by_begin);
    weft_status status = WEFT_OK;
    char a[WEFT_SHOWN_NAME], b[WEFT_SHOWN_NAME];
    for (uint64_t i = 1; i < count && status == WEFT_OK; i++)
        if (sorted[i].begin - sorted[i - 1].begin < sorted[i - 1].packed || sorted[i].begin == sorted[i - 1].begin)
            status = weft_fail(WEFT_ERROR_FORMAT, "%s: members \"%s.npy\" and \"%s.npy\" overlap", zip->name,
                               weft_shown_name(sorted[i - 1].name, a), weft_shown_name(sorted[i].name, b));
    free(sorted);
    return status;
}

weft_status weft_npz_parse(const void *bytes, size_t size, const char *name, weft_arrays **out)
{
    *out = NULL;
    archive zip = {bytes, size, name};
    uint64_t at = 0, length = 0, entries = 0, count = 0;
    weft_status status = find_directory(&zip, &at, &length, &entries);
    if (status != WEFT_OK)
        return status;
    member *members = calloc(entries + 1, sizeof *members);
    if (!members)
        return weft_fail(WEFT_ERROR_MEMORY, "%s: cannot allocate its directory", name);
    uint64_t end = at + length;
    for (uint64_t i = 0; i < entries && status == WEFT_OK; i++) {
        status = read_entry(&zip, &at, end, &members[count]);
        count += members[count].name != NULL;
    }
    if (status == WEFT_OK)
        status = check_apart(&zip, members, count);
    if (status == WEFT_OK)
        status = weft_arrays_new(out);
    for (uint64_t i = 0; i < count && status == WEFT_OK; i++)
        status = read_member(&zip, &members[i], *out);
    for (uint64_t i = 0; i < count; i++)
        free(members[i].name);
    free(members);
    if (status != WEFT_OK) {
        weft_arrays_free(*out);
        *out = NULL;
    }
    return status;
}

weft_status weft_npz_open(const char *path, weft_arrays **out)
{
    *out = NULL;
    weft_map map;
    weft_status status = weft_map_open(path, &map);
    if (status != WEFT_OK)
        return status;
    status = weft_npz_parse(map.data, map.size, path, out);
    if (status == WEFT_OK)
        weft_arrays_keep_map(*out, map);
    else
        weft_map_close(&map);
    return status;
}
