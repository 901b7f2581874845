/* JSON writing. Layout as Python's json.dumps writes it, with its `indent` or on one line. */
#include "base/json.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

weft_json_writer weft_json_to(weft_text *text, int indent)
{
    return (weft_json_writer){.text = text, .indent = indent, .first = true};
}

static void new_line(weft_json_writer *writer)
{
    if (writer->indent > 0)
        weft_text_add(writer->text, "\n%*s", writer->indent * writer->depth, "");
}

/* What separates the next value or key from what stands before it. */
static void separate(weft_json_writer *writer)
{
    if (writer->after_key) {
        writer->after_key = false;
        return;
    }
    if (!writer->first)
        weft_text_bytes(writer->text, ", ", writer->indent > 0 ? 1 : 2);
    if (writer->depth > 0)
        new_line(writer);
    writer->first = false;
}

static void open_with(weft_json_writer *writer, const char *bracket)
{
    separate(writer);
    weft_text_bytes(writer->text, bracket, 1);
    writer->depth++;
    writer->first = true;
}

static void close_with(weft_json_writer *writer, const char *bracket)
{
    bool empty = writer->first;
    writer->depth--;
    if (!empty)
        new_line(writer);
    weft_text_bytes(writer->text, bracket, 1);
    writer->first = false;
}

void weft_json_open_object(weft_json_writer *writer)
{
    open_with(writer, "{");
}

void weft_json_close_object(weft_json_writer *writer)
{
    close_with(writer, "}");
}

void weft_json_open_list(weft_json_writer *writer)
{
    open_with(writer, "[");
}

void weft_json_close_list(weft_json_writer *writer)
{
    close_with(writer, "]");
}

static void put_bytes(weft_text *text, const char *value, size_t length)
{
    weft_text_bytes(text, "\"", 1);
    const char *c = value, *from = value, *end = value + length;
    while (c < end) {
        weft_utf8 character = weft_utf8_at(c, end);
        if (character.valid && character.code >= 0x20 && *c != '"' && *c != '\\') {
            c += character.length;
            continue;
        }
        weft_text_bytes(text, from, (size_t)(c - from));
        static const char named[][2] = {{'"', '"'},  {'\\', '\\'}, {'\n', 'n'}, {'\r', 'r'},
                                        {'\t', 't'}, {'\b', 'b'},  {'\f', 'f'}};
        char letter = 0;
        for (size_t i = 0; i < sizeof named / sizeof *named; i++)
            if (*c == named[i][0])
                letter = named[i][1];
        if (!character.valid)
            weft_text_bytes(text, "\xEF\xBF\xBD", 3);
        else if (letter)
            weft_text_add(text, "\\%c", letter);
        else
            weft_text_add(text, "\\u%04x", (unsigned)*c);
        from = ++c;
    }
    weft_text_bytes(text, from, (size_t)(c - from));
    weft_text_bytes(text, "\"", 1);
}

static void put_string(weft_text *text, const char *value)
{
    put_bytes(text, value, strlen(value));
}

void weft_json_add_key(weft_json_writer *writer, const char *key)
{
    separate(writer);
    put_string(writer->text, key);
    weft_text_bytes(writer->text, ": ", 2);
    writer->after_key = true;
}

void weft_json_add_string(weft_json_writer *writer, const char *value)
{
    if (!value) {
        weft_json_add_null(writer);
        return;
    }
    separate(writer);
    put_string(writer->text, value);
}

void weft_json_add_bytes(weft_json_writer *writer, const char *value, size_t length)
{
    separate(writer);
    put_bytes(writer->text, value, length);
}

/* Any decimal of DBL_DIG (FLT_DIG) digits survives the way through a normal double (float), so %g, which drops trailing
 * zeros, finds the shortest form from there on; subnormals hold fewer digits. */
static void put_number(weft_text *text, double value, bool narrow)
{
    char digits[40];
    int most = narrow ? FLT_DECIMAL_DIG : DBL_DECIMAL_DIG;
    bool normal = fabs(value) >= (narrow ? (double)FLT_MIN : DBL_MIN);
    for (int precision = !normal ? 1 : narrow ? FLT_DIG : DBL_DIG; precision <= most; precision++) {
        snprintf(digits, sizeof digits, "%.*g", precision, value);
        if (narrow ? strtof(digits, NULL) == (float)value : strtod(digits, NULL) == value)
            break;
    }
    bool integer = true; /* so far; such get ".0", to be read back as a number, and with the sign of -0 */
    for (char *c = digits; *c; c++) {
        if ((*c >= '0' && *c <= '9') || *c == '-' || *c == '+')
            continue;
        integer = false;
        if (*c != 'e')
            *c = '.'; /* whatever the locale's decimal point is */
    }
    weft_text_add(text, "%s%s", digits, integer ? ".0" : "");
}

void weft_json_add_number(weft_json_writer *writer, double value)
{
    if (!isfinite(value)) {
        weft_json_add_null(writer);
        return;
    }
    separate(writer);
    put_number(writer->text, value, false);
}

void weft_json_add_float(weft_json_writer *writer, float value)
{
    if (!isfinite(value)) {
        weft_json_add_null(writer);
        return;
    }
    separate(writer);
    put_number(writer->text, (double)value, true);
}

void weft_json_add_integer(weft_json_writer *writer, int64_t value)
{
    separate(writer);
    weft_text_add(writer->text, "%lld", (long long)value);
}

void weft_json_add_bool(weft_json_writer *writer, bool value)
{
    separate(writer);
    weft_text_add(writer->text, "%s", value ? "true" : "false");
}

void weft_json_add_null(weft_json_writer *writer)
{
    separate(writer);
    weft_text_bytes(writer->text, "null", 4);
}

void weft_json_add_value(weft_json_writer *writer, weft_json_value value)
{
    switch (weft_json_kind_of(value)) {
    case WEFT_JSON_NULL:
        weft_json_add_null(writer);
        break;
    case WEFT_JSON_BOOL:
        weft_json_add_bool(writer, weft_json_bool(value, false));
        break;
    case WEFT_JSON_INTEGER:
        weft_json_add_integer(writer, weft_json_integer(value, 0));
        break;
    case WEFT_JSON_NUMBER:
        weft_json_add_number(writer, weft_json_number(value, 0));
        break;
    case WEFT_JSON_STRING:
        weft_json_add_string(writer, weft_json_string(value, NULL));
        break;
    case WEFT_JSON_LIST:
        weft_json_open_list(writer);
        for (int64_t i = 0; i < weft_json_size(value); i++)
            weft_json_add_value(writer, weft_json_item(value, i));
        weft_json_close_list(writer);
        break;
    case WEFT_JSON_OBJECT:
        weft_json_open_object(writer);
        for (int64_t i = 0; i < weft_json_size(value); i++) {
            weft_json_value item;
            weft_json_add_key(writer, weft_json_key(value, i, &item));
            weft_json_add_value(writer, item);
        }
        weft_json_close_object(writer);
        break;
    }
}
