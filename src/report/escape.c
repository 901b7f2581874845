/* Text of any origin made safe to stand in HTML, between tags or inside a quoted attribute. */
#include "report/page.h"

#include <string.h>

/* Bytes of the UTF-8 character at `at`, 0 when it is broken, a control character or no character at all. */
static size_t character(const unsigned char *at)
{
    if (at[0] < 0x80)
        return (at[0] >= 0x20 && at[0] != 0x7F) || at[0] == '\n' || at[0] == '\t' ? 1 : 0;
    size_t size = at[0] >= 0xC2 && at[0] <= 0xDF   ? 2
                  : at[0] >= 0xE0 && at[0] <= 0xEF ? 3
                  : at[0] >= 0xF0 && at[0] <= 0xF4 ? 4
                                                   : 0;
    for (size_t i = 1; i < size; i++)
        if ((at[i] & 0xC0) != 0x80) /* also stops at the closing zero */
            return 0;
    if ((at[0] == 0xE0 && at[1] < 0xA0) || (at[0] == 0xF0 && at[1] < 0x90)) /* longer than need be */
        return 0;
    if ((at[0] == 0xED && at[1] > 0x9F) || (at[0] == 0xF4 && at[1] > 0x8F)) /* surrogates; beyond U+10FFFF */
        return 0;
    if ((at[0] == 0xC2 && at[1] < 0xA0) || (at[0] == 0xEF && at[1] == 0xBF && at[2] >= 0xBE)) /* C1 controls; U+FFFE, U+FFFF */
        return 0;
    return size;
}

size_t weft_report_characters(const char *text)
{
    size_t count = 0;
    for (const unsigned char *at = (const unsigned char *)text; at && *at; count++) {
        size_t size = character(at);
        at += size ? size : 1;
    }
    return count;
}

void weft_report_escape_short(weft_text *out, const char *text, size_t limit)
{
    if (!text)
        return;
    bool cut = weft_report_characters(text) > limit;
    size_t left = cut && limit ? limit - 1 : limit;
    const unsigned char *at = (const unsigned char *)text;
    for (; *at && left; left--) {
        size_t size = character(at);
        if (!size)
            weft_text_add(out, "\xEF\xBF\xBD");
        else if (*at == '&')
            weft_text_add(out, "&amp;");
        else if (*at == '<')
            weft_text_add(out, "&lt;");
        else if (*at == '>')
            weft_text_add(out, "&gt;");
        else if (*at == '"')
            weft_text_add(out, "&quot;");
        else if (*at == '\'')
            weft_text_add(out, "&#39;");
        else
            weft_text_bytes(out, at, size);
        at += size ? size : 1;
    }
    if (cut)
        weft_text_add(out, "…");
}

void weft_report_escape(weft_text *out, const char *text)
{
    weft_report_escape_short(out, text, SIZE_MAX);
}
