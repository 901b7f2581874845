/* SentencePiece's precompiled charsmap: a double array of UTF-8 keys whose values are places in a block of texts. */
#include "text/normalizer.h"

#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

weft_status weft_charsmap_read(const void *bytes, size_t size, weft_charsmap *out)
{
    const unsigned char *c = bytes;
    *out = (weft_charsmap){0};
    if (size < 4)
        return weft_fail(WEFT_ERROR_FORMAT, "precompiled_charsmap has %zu bytes; expected its size and a trie", size);
    size_t trie = (size_t)c[0] | (size_t)c[1] << 8 | (size_t)c[2] << 16 | (size_t)c[3] << 24;
    if (trie % 4 != 0 || trie > size - 4)
        return weft_fail(WEFT_ERROR_FORMAT, "precompiled_charsmap: a trie of %zu bytes in %zu", trie, size);
    out->unit_count = trie / 4;
    out->text_size = size - 4 - trie;
    out->units = malloc(trie + 1);
    out->texts = malloc(out->text_size + 1);
    if (!out->units || !out->texts) {
        free(out->units);
        free(out->texts);
        *out = (weft_charsmap){0};
        return weft_fail(WEFT_ERROR_MEMORY, "memory is short");
    }
    for (size_t i = 0; i < out->unit_count; i++) {
        const unsigned char *u = c + 4 + 4 * i;
        out->units[i] = (uint32_t)u[0] | (uint32_t)u[1] << 8 | (uint32_t)u[2] << 16 | (uint32_t)u[3] << 24;
    }
    memcpy(out->texts, c + 4 + trie, out->text_size);
    out->texts[out->text_size] = 0;
    return WEFT_OK;
}

/* Units of a double array: bits 0-7 the label (and bit 31 of a value's unit), bit 8 whether a key ends here, bits 10-30 the
 * distance to the children, times 256 with bit 9. */
static uint32_t offset_of(uint32_t unit)
{
    return unit >> 10 << ((unit & (1u << 9)) >> 6);
}

/* The text for the shortest, or longest, key that `text` begins with; NULL when there is none. *taken: its length. */
static const char *look_up(const weft_charsmap *map, const char *text, size_t length, bool longest, size_t *taken)
{
    const char *found = NULL;
    if (map->unit_count == 0)
        return NULL;
    size_t at = offset_of(map->units[0]);
    for (size_t i = 0; i < length; i++) {
        at ^= (unsigned char)text[i];
        if (text[i] == 0 || at >= map->unit_count || (map->units[at] & 0x800000FFu) != (unsigned char)text[i])
            break;
        uint32_t unit = map->units[at];
        at ^= offset_of(unit);
        if (!(unit >> 8 & 1) || at >= map->unit_count)
            continue;
        size_t value = map->units[at] & 0x7FFFFFFFu;
        if (value >= map->text_size)
            continue;
        found = map->texts + value;
        *taken = i + 1;
        if (!longest)
            break;
    }
    return found;
}

/* What replaces a text may itself be broken in a hostile file. */
static void put(weft_spelling *out, const char *text, weft_range range)
{
    for (const char *end = text + strlen(text); text < end;) {
        weft_utf8 c = weft_utf8_at(text, end);
        weft_spelling_code(out, c.code, range);
        text += c.length;
    }
}

static void longest_keys(const weft_charsmap *map, weft_span in, weft_spelling *out)
{
    for (size_t at = 0; at < in.length;) {
        size_t taken = 0;
        const char *text = look_up(map, in.data + at, in.length - at, true, &taken);
        /* a key that ends inside a character is none */
        if (text && at + taken < in.length && ((unsigned char)in.data[at + taken] & 0xC0) == 0x80)
            text = NULL;
        if (!text) {
            taken = weft_utf8_at(in.data + at, in.data + in.length).length;
            weft_spelling_copy(out, in, at, at + taken);
        } else {
            put(out, text, weft_span_range(in, at, at + taken));
        }
        at += taken;
    }
}

/* Hugging Face's way: a grapheme of fewer than six bytes that begins with a key becomes that key's text as a whole; else each
 * of its characters is looked up. */
static void graphemes(const weft_charsmap *map, weft_span in, weft_spelling *out)
{
    const char *end = in.data + in.length;
    size_t begin = 0;
    while (begin < in.length) {
        const char *c = in.data + begin;
        int32_t state = 0;
        for (uint32_t before = weft_utf8_next(&c); c < end;) {
            const char *next = c;
            uint32_t after = weft_utf8_next(&next);
            if (weft_unicode_grapheme_break(before, after, &state))
                break;
            before = after;
            c = next;
        }
        size_t stop = (size_t)(c - in.data), taken;
        const char *text = stop - begin < 6 ? look_up(map, in.data + begin, stop - begin, false, &taken) : NULL;
        if (text) {
            put(out, text, weft_span_range(in, begin, stop));
            begin = stop;
        }
        while (begin < stop) {
            size_t length = weft_utf8_at(in.data + begin, end).length;
            if ((text = look_up(map, in.data + begin, length, false, &taken)) != NULL)
                put(out, text, weft_span_range(in, begin, begin + length));
            else
                weft_spelling_copy(out, in, begin, begin + length);
            begin += length;
        }
    }
}

void weft_normalize_precompiled(const weft_normalizer *n, weft_span in, weft_spelling *out)
{
    if (n->longest)
        longest_keys(&n->map, in, out);
    else
        graphemes(&n->map, in, out);
}
