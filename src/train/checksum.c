/* XXH64, seed 0: a fast 64-bit checksum that users can repeat with `xxhsum -H1`. Not cryptographic: it finds accidents.
 * Specification: https://github.com/Cyan4973/xxHash, doc/xxhash_spec.md. */
#include "base/files.h"
#include "weft/train.h"

#include <string.h>

#define PRIME1 0x9E3779B185EBCA87u
#define PRIME2 0xC2B2AE3D27D4EB4Fu
#define PRIME3 0x165667B19E3779F9u
#define PRIME4 0x85EBCA77C2B2AE63u
#define PRIME5 0x27D4EB2F165667C5u

static uint64_t turn(uint64_t x, int by)
{
    return x << by | x >> (64 - by);
}

static uint64_t word(const unsigned char *p)
{
    uint64_t x;
    memcpy(&x, p, sizeof x); /* every processor level is little-endian */
    return x;
}

static uint64_t mix(uint64_t lane, uint64_t input)
{
    return turn(lane + input * PRIME2, 31) * PRIME1;
}

uint64_t weft_checksum(const void *bytes, size_t size)
{
    const unsigned char *p = bytes;
    size_t left = size;
    uint64_t h = PRIME5;
    if (size >= 32) {
        uint64_t a = PRIME1 + PRIME2, b = PRIME2, c = 0, d = 0 - PRIME1;
        for (; left >= 32; left -= 32, p += 32) {
            a = mix(a, word(p));
            b = mix(b, word(p + 8));
            c = mix(c, word(p + 16));
            d = mix(d, word(p + 24));
        }
        h = turn(a, 1) + turn(b, 7) + turn(c, 12) + turn(d, 18);
        const uint64_t lanes[4] = {a, b, c, d};
        for (int i = 0; i < 4; i++)
            h = (h ^ mix(0, lanes[i])) * PRIME1 + PRIME4;
    }
    h += size;
    for (; left >= 8; left -= 8, p += 8)
        h = turn(h ^ mix(0, word(p)), 27) * PRIME1 + PRIME4;
    if (left >= 4) {
        uint32_t half;
        memcpy(&half, p, sizeof half);
        h = turn(h ^ half * PRIME1, 23) * PRIME2 + PRIME3;
        left -= 4, p += 4;
    }
    for (; left > 0; left--, p++)
        h = turn(h ^ *p * PRIME5, 11) * PRIME1;
    h = (h ^ h >> 33) * PRIME2;
    h = (h ^ h >> 29) * PRIME3;
    return h ^ h >> 32;
}

weft_status weft_file_checksum(const char *path, uint64_t *checksum, int64_t *bytes)
{
    weft_map map;
    weft_status status = weft_map_open(path, &map);
    if (status != WEFT_OK)
        return status;
    *checksum = weft_checksum(map.data, map.size);
    if (bytes)
        *bytes = (int64_t)map.size;
    weft_map_close(&map);
    return WEFT_OK;
}
