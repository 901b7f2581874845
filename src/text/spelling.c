/* Texts with the way back to the original. */
#include "text/spelling.h"

#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

bool weft_spelling_reserve(weft_spelling *s, size_t more)
{
    if (s->failed)
        return false;
    if (s->length + more <= s->capacity && (!s->traced || s->origin))
        return true;
    size_t capacity = s->capacity + s->capacity / 2 + 256;
    if (capacity < s->length + more)
        capacity = s->length + more;
    char *data = realloc(s->data, capacity);
    if (data)
        s->data = data;
    weft_range *origin = s->traced && data ? realloc(s->origin, capacity * sizeof *origin) : NULL;
    if (origin)
        s->origin = origin;
    if (!data || (s->traced && !origin)) {
        s->failed = true;
        return false;
    }
    if (!s->traced && s->origin) { /* it would be shorter than the text */
        free(s->origin);
        s->origin = NULL;
    }
    s->capacity = capacity;
    return true;
}

void weft_spelling_free(weft_spelling *s)
{
    free(s->data);
    free(s->origin);
    *s = (weft_spelling){0};
}

void weft_spelling_clear(weft_spelling *s, bool traced)
{
    s->length = 0;
    s->traced = traced;
    s->failed = false;
}

weft_span weft_spelling_span(const weft_spelling *s, size_t begin, size_t end)
{
    if (!s->data) /* nothing was ever added */
        return (weft_span){"", 0, NULL, 0};
    return (weft_span){s->data + begin, end - begin, s->traced ? s->origin + begin : NULL, 0};
}

void weft_spelling_add(weft_spelling *s, const char *bytes, size_t length, weft_range range)
{
    if (length == 0 || !weft_spelling_reserve(s, length))
        return;
    memcpy(s->data + s->length, bytes, length);
    if (s->traced)
        for (size_t i = 0; i < length; i++)
            s->origin[s->length + i] = range;
    s->length += length;
}

void weft_spelling_code(weft_spelling *s, uint32_t code, weft_range range)
{
    char bytes[4];
    weft_spelling_add(s, bytes, weft_utf8_put(code, bytes), range);
}

void weft_spelling_copy(weft_spelling *s, weft_span span, size_t begin, size_t end)
{
    if (begin == end || !weft_spelling_reserve(s, end - begin))
        return;
    memcpy(s->data + s->length, span.data + begin, end - begin);
    if (s->traced)
        for (size_t i = begin; i < end; i++)
            s->origin[s->length + i - begin] =
                span.origin ? span.origin[i] : (weft_range){span.base + (uint32_t)i, span.base + (uint32_t)i + 1};
    s->length += end - begin;
}

weft_range weft_span_range(weft_span span, size_t begin, size_t end)
{
    if (!span.origin)
        return (weft_range){span.base + (uint32_t)begin, span.base + (uint32_t)end};
    if (begin == end) {
        uint32_t at = begin < span.length ? span.origin[begin].from : begin ? span.origin[begin - 1].to : 0;
        return (weft_range){at, at};
    }
    return (weft_range){span.origin[begin].from, span.origin[end - 1].to};
}
