/* Reading, writing, checking and repairing UTF-8. */
#include "base/utf8.h"

#include <string.h>

weft_utf8 weft_utf8_at(const char *at, const char *end)
{
    const unsigned char *c = (const unsigned char *)at;
    if (c[0] < 0x80)
        return (weft_utf8){c[0], 1, true, false};
    int length = c[0] >= 0xC2 && c[0] < 0xE0 ? 2 : c[0] >= 0xE0 && c[0] < 0xF0 ? 3 : c[0] >= 0xF0 && c[0] < 0xF5 ? 4 : 1;
    if (length == 1)
        return (weft_utf8){WEFT_REPLACEMENT, 1, false, false};
    /* overlong forms, surrogates and code points beyond U+10FFFF show in the second byte */
    unsigned least = c[0] == 0xE0 ? 0xA0 : c[0] == 0xF0 ? 0x90 : 0x80, most = c[0] == 0xED ? 0x9F : c[0] == 0xF4 ? 0x8F : 0xBF;
    int i = 1;
    for (; i < length && at + i < end && c[i] >= least && c[i] <= most; i++, least = 0x80, most = 0xBF)
        ;
    if (i < length)
        return (weft_utf8){WEFT_REPLACEMENT, (uint8_t)i, false, at + i == end};
    return (weft_utf8){weft_utf8_next(&at), (uint8_t)length, true, false};
}

size_t weft_utf8_put(uint32_t code, char out[4])
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    size_t length = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = length; i-- > 1; code >>= 6)
        out[i] = (char)(0x80 | (code & 0x3F));
    out[0] = (char)((0xF00 >> length & 0xF0) | code);
    return length;
}

bool weft_utf8_is_valid(const char *text, size_t length)
{
    for (const char *end = text + length; text < end;) {
        uint64_t eight;
        if (end - text >= 8 && (memcpy(&eight, text, 8), (eight & 0x8080808080808080u) == 0)) {
            text += 8;
            continue;
        }
        weft_utf8 c = weft_utf8_at(text, end);
        if (!c.valid)
            return false;
        text += c.length;
    }
    return true;
}

size_t weft_utf8_repair(const char *text, size_t length, weft_text *out)
{
    size_t broken = 0;
    const char *from = text, *end = text + length;
    while (text < end) {
        weft_utf8 c = weft_utf8_at(text, end);
        if (!c.valid) {
            weft_text_bytes(out, from, (size_t)(text - from));
            weft_text_bytes(out, "\xEF\xBF\xBD", 3);
            from = text + c.length;
            broken++;
        }
        text += c.length;
    }
    weft_text_bytes(out, from, (size_t)(text - from));
    return broken;
}
