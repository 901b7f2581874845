/* A growing text. */
#include "weft/base.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool reserve(weft_text *text, size_t more)
{
    if (text->failed)
        return false;
    size_t need = text->length + more + 1;
    if (need <= text->capacity)
        return true;
    size_t capacity = text->capacity ? text->capacity : 64;
    while (capacity < need)
        capacity += capacity / 2 + 16;
    char *data = realloc(text->data, capacity);
    if (!data) {
        text->failed = true;
        return false;
    }
    text->data = data;
    text->capacity = capacity;
    return true;
}

void weft_text_bytes(weft_text *text, const void *bytes, size_t count)
{
    if (!reserve(text, count))
        return;
    if (count)
        memcpy(text->data + text->length, bytes, count);
    text->length += count;
    text->data[text->length] = 0;
}

void weft_text_addv(weft_text *text, const char *format, va_list arguments)
{
    va_list again;
    va_copy(again, arguments);
    int need = vsnprintf(NULL, 0, format, again);
    va_end(again);
    if (need < 0 || !reserve(text, (size_t)need))
        return;
    vsnprintf(text->data + text->length, (size_t)need + 1, format, arguments);
    text->length += (size_t)need;
}

void weft_text_add(weft_text *text, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    weft_text_addv(text, format, arguments);
    va_end(arguments);
}

void weft_text_free(weft_text *text)
{
    free(text->data);
    *text = (weft_text){0};
}
