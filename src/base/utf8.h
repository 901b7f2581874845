/* UTF-8, one character at a time (RFC 3629: no overlong forms, no surrogates). */
#ifndef WEFT_BASE_UTF8_H
#define WEFT_BASE_UTF8_H

#include "weft/base.h"

#define WEFT_REPLACEMENT 0xFFFDu /* what stands for bytes that are no character */

typedef struct weft_utf8 {
    uint32_t code;  /* WEFT_REPLACEMENT for broken bytes */
    uint8_t length; /* bytes it takes; of broken ones the longest beginning of a character, at least 1 (Unicode, section 3.9) */
    bool valid;
    bool cut; /* broken only because the text ends inside it */
} weft_utf8;

/* The character at `at`, which lies before `end`. */
weft_utf8 weft_utf8_at(const char *at, const char *end);

/* The character at `at`, which is valid, and the way past it. */
static inline uint32_t weft_utf8_next(const char **at)
{
    const unsigned char *c = (const unsigned char *)*at;
    if (c[0] < 0x80) {
        *at += 1;
        return c[0];
    }
    if (c[0] < 0xE0) {
        *at += 2;
        return (c[0] & 0x1Fu) << 6 | (c[1] & 0x3Fu);
    }
    if (c[0] < 0xF0) {
        *at += 3;
        return (c[0] & 0x0Fu) << 12 | (c[1] & 0x3Fu) << 6 | (c[2] & 0x3Fu);
    }
    *at += 4;
    return (c[0] & 0x07u) << 18 | (c[1] & 0x3Fu) << 12 | (c[2] & 0x3Fu) << 6 | (c[3] & 0x3Fu);
}

/* The bytes of `code`; how many. */
size_t weft_utf8_put(uint32_t code, char out[4]);

bool weft_utf8_is_valid(const char *text, size_t length);

/* `text` with U+FFFD in place of what is broken; how many there were. */
size_t weft_utf8_repair(const char *text, size_t length, weft_text *out);

#endif
