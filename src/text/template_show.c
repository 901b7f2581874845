/* Template values as text: str() and repr() as Python prints them, and JSON as its json module does. */
#include "text/template_inner.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text/template_letters.h"

/* The shortest digits that read back to the same number; an exponent below 1e-4 and from 1e16 on. */
void weft_jinja_float_text(double number, weft_text *out)
{
    char digits[40];
    if (!isfinite(number)) {
        weft_text_add(out, "%s", isnan(number) ? "nan" : number < 0 ? "-inf" : "inf");
        return;
    }
    for (int precision = 0; precision <= 17; precision++) {
        snprintf(digits, sizeof digits, "%.*e", precision, number);
        if (strtod(digits, NULL) == number)
            break;
    }
    char *e = strchr(digits, 'e');
    int exponent = atoi(e + 1), precision = (int)(e - digits) - (digits[0] == '-') - 2;
    precision = precision < 0 ? 0 : precision;
    if (exponent >= -4 && exponent < 16)
        weft_text_add(out, "%.*f", precision > exponent ? precision - exponent : 1, number);
    else
        weft_text_add(out, "%.*se%c%02d", (int)(e - digits), digits, exponent < 0 ? '-' : '+', abs(exponent));
}

/* A string's repr: single quotes unless it holds some and no double ones; what does not print as escapes. */
static void repr_string(const jinja_string *string, weft_text *out)
{
    bool single = memchr(string->bytes, '\'', string->length), twofold = memchr(string->bytes, '"', string->length);
    char quote = single && !twofold ? '"' : '\'';
    weft_text_bytes(out, &quote, 1);
    for (const char *at = string->bytes, *end = at + string->length; at < end;) {
        uint32_t point;
        int bytes = weft_point_at(at, end, &point);
        if (point == (unsigned char)quote || point == '\\')
            weft_text_add(out, "\\%c", (int)point);
        else if (point == '\n' || point == '\r' || point == '\t')
            weft_text_add(out, "\\%c", point == '\n' ? 'n' : point == '\r' ? 'r' : 't');
        else if (weft_unicode_is_printable(point))
            weft_text_bytes(out, at, (size_t)bytes);
        else if (point < 0x100)
            weft_text_add(out, "\\x%02x", point);
        else
            weft_text_add(out, point < 0x10000 ? "\\u%04x" : "\\U%08x", point);
        at += bytes;
    }
    weft_text_bytes(out, &quote, 1);
}

static void repr_items(jinja_run *run, const jinja_value *items, int64_t count, weft_text *out)
{
    for (int64_t i = 0; i < count && run->status == WEFT_OK; i++) {
        weft_text_add(out, "%s", i ? ", " : "");
        weft_jinja_repr(run, items[i], out);
    }
}

static void repr_dict(jinja_run *run, const jinja_dict *dict, weft_text *out)
{
    weft_text_add(out, "{");
    for (int64_t i = 0; i < dict->count && run->status == WEFT_OK; i++) {
        weft_text_add(out, "%s", i ? ", " : "");
        weft_jinja_repr(run, dict->keys[i], out);
        weft_text_add(out, ": ");
        weft_jinja_repr(run, dict->values[i], out);
    }
    weft_text_add(out, "}");
}

static void show_other(jinja_run *run, jinja_value value, weft_text *out)
{
    if (!weft_jinja_deeper(run))
        return;
    switch (value.kind) {
    case JINJA_LIST:
        weft_text_add(out, "[");
        repr_items(run, value.as.sequence->items, value.as.sequence->count, out);
        weft_text_add(out, "]");
        break;
    case JINJA_TUPLE:
        weft_text_add(out, "(");
        repr_items(run, value.as.sequence->items, value.as.sequence->count, out);
        weft_text_add(out, value.as.sequence->count == 1 ? ",)" : ")");
        break;
    case JINJA_VIEW:
        weft_text_add(out, "%s([", value.as.sequence->shown);
        repr_items(run, value.as.sequence->items, value.as.sequence->count, out);
        weft_text_add(out, "])");
        break;
    case JINJA_RANGE:
        weft_text_add(out, "%s", value.as.sequence->shown);
        break;
    case JINJA_DICT:
        repr_dict(run, value.as.dict, out);
        break;
    case JINJA_NAMESPACE:
        weft_text_add(out, "<Namespace ");
        repr_dict(run, value.as.dict, out);
        weft_text_add(out, ">");
        break;
    default:
        weft_text_add(out, "<%s>", weft_jinja_type(value));
    }
    run->depth--;
}

void weft_jinja_repr(jinja_run *run, jinja_value value, weft_text *out)
{
    if (value.kind == JINJA_STRING && weft_jinja_work(run, 1 + value.as.string->length / 64))
        repr_string(value.as.string, out);
    else if (value.kind == JINJA_UNDEFINED)
        weft_text_add(out, "Undefined");
    else
        weft_jinja_str(run, value, out);
    if (out->length > run->limits->output)
        weft_jinja_fail(run, "a text of more than %zu bytes", run->limits->output);
}

void weft_jinja_str(jinja_run *run, jinja_value value, weft_text *out)
{
    if (!weft_jinja_work(run, 1))
        return;
    switch (value.kind) {
    case JINJA_UNDEFINED:
        break;
    case JINJA_NONE:
        weft_text_add(out, "None");
        break;
    case JINJA_BOOL:
        weft_text_add(out, value.as.truth ? "True" : "False");
        break;
    case JINJA_INTEGER:
        weft_text_add(out, "%lld", (long long)value.as.integer);
        break;
    case JINJA_FLOAT:
        weft_jinja_float_text(value.as.number, out);
        break;
    case JINJA_STRING:
        if (weft_jinja_work(run, value.as.string->length / 256))
            weft_text_bytes(out, value.as.string->bytes, value.as.string->length);
        break;
    default:
        show_other(run, value, out);
    }
    if (out->length > run->limits->output)
        weft_jinja_fail(run, "a text of more than %zu bytes", run->limits->output);
}

jinja_value weft_jinja_string(jinja_run *run, jinja_value value)
{
    if (value.kind == JINJA_STRING)
        return value;
    weft_text text = {0};
    weft_jinja_str(run, value, &text);
    return weft_jinja_from_text(run, &text);
}

/* ---- JSON. ---- */

static void json_string(const jinja_string *string, bool ascii, weft_text *out)
{
    static const char letters[] = "\"\\\b\f\n\r\t", escapes[] = "\"\\bfnrt";
    weft_text_add(out, "\"");
    for (const char *at = string->bytes, *end = at + string->length; at < end;) {
        uint32_t point;
        int bytes = weft_point_at(at, end, &point);
        const char *letter = point && point < 0x80 ? strchr(letters, (int)point) : NULL;
        if (letter)
            weft_text_add(out, "\\%c", escapes[letter - letters]);
        else if (point < 0x20 || (ascii && point > 0x7E && point < 0x10000))
            weft_text_add(out, "\\u%04x", point);
        else if (ascii && point >= 0x10000)
            weft_text_add(out, "\\u%04x\\u%04x", 0xD800 + ((point - 0x10000) >> 10), 0xDC00 + ((point - 0x10000) & 0x3FF));
        else
            weft_text_bytes(out, at, (size_t)bytes);
        at += bytes;
    }
    weft_text_add(out, "\"");
}

static void json_break(const jinja_json_style *style, int depth, weft_text *out)
{
    if (style->indent >= 0)
        weft_text_add(out, "\n%*s", style->indent * depth, "");
}

static int by_key(const void *a, const void *b)
{
    const jinja_string *s = (*(const jinja_value *const *)a)->as.string, *t = (*(const jinja_value *const *)b)->as.string;
    size_t shorter = s->length < t->length ? s->length : t->length;
    int order = shorter ? memcmp(s->bytes, t->bytes, shorter) : 0;
    return order ? order : (s->length > t->length) - (s->length < t->length);
}

static void json_value(jinja_run *run, jinja_value value, const jinja_json_style *style, int depth, weft_text *out);

static void json_dict(jinja_run *run, const jinja_dict *dict, const jinja_json_style *style, int depth, weft_text *out)
{
    const jinja_value **order = weft_jinja_get(run, (size_t)dict->count, sizeof *order);
    if (!order)
        return;
    bool texts = true;
    for (int64_t i = 0; i < dict->count; i++) {
        order[i] = &dict->keys[i];
        texts = texts && dict->keys[i].kind == JINJA_STRING;
    }
    if (style->sort_keys && texts && dict->count)
        qsort(order, (size_t)dict->count, sizeof *order, by_key);
    weft_text_add(out, "{");
    for (int64_t i = 0; i < dict->count && run->status == WEFT_OK; i++) {
        jinja_value key = *order[i];
        weft_text_add(out, "%s", i ? style->item : "");
        json_break(style, depth + 1, out);
        if (key.kind == JINJA_STRING) {
            json_string(key.as.string, style->ascii, out);
        } else if (key.kind <= JINJA_FLOAT && key.kind != JINJA_UNDEFINED) {
            weft_text_add(out, "\"");
            json_value(run, key, style, depth, out);
            weft_text_add(out, "\"");
        } else {
            weft_jinja_fail(run, "JSON keys are strings, numbers or none, not %s", weft_jinja_type(key));
        }
        weft_text_add(out, "%s", style->key);
        json_value(run, dict->values[order[i] - dict->keys], style, depth + 1, out);
    }
    if (dict->count)
        json_break(style, depth, out);
    weft_text_add(out, "}");
}

static void json_value(jinja_run *run, jinja_value value, const jinja_json_style *style, int depth, weft_text *out)
{
    if (out->length > run->limits->output)
        weft_jinja_fail(run, "a text of more than %zu bytes", run->limits->output);
    if (!weft_jinja_work(run, 1) || !weft_jinja_deeper(run))
        return;
    switch (value.kind) {
    case JINJA_NONE:
        weft_text_add(out, "null");
        break;
    case JINJA_BOOL:
        weft_text_add(out, value.as.truth ? "true" : "false");
        break;
    case JINJA_INTEGER:
        weft_jinja_str(run, value, out);
        break;
    case JINJA_FLOAT:
        if (isfinite(value.as.number))
            weft_jinja_str(run, value, out);
        else
            weft_text_add(out, "%s", isnan(value.as.number) ? "NaN" : value.as.number < 0 ? "-Infinity" : "Infinity");
        break;
    case JINJA_STRING:
        if (weft_jinja_work(run, value.as.string->length / 64))
            json_string(value.as.string, style->ascii, out);
        break;
    case JINJA_LIST:
    case JINJA_TUPLE:
        weft_text_add(out, "[");
        for (int64_t i = 0; i < value.as.sequence->count && run->status == WEFT_OK; i++) {
            weft_text_add(out, "%s", i ? style->item : "");
            json_break(style, depth + 1, out);
            json_value(run, value.as.sequence->items[i], style, depth + 1, out);
        }
        if (value.as.sequence->count)
            json_break(style, depth, out);
        weft_text_add(out, "]");
        break;
    case JINJA_DICT:
        json_dict(run, value.as.dict, style, depth, out);
        break;
    default:
        weft_jinja_fail(run, "Object of type %s is not JSON serializable", weft_jinja_type(value));
    }
    run->depth--;
}

void weft_jinja_json(jinja_run *run, jinja_value value, const jinja_json_style *style, weft_text *out)
{
    json_value(run, value, style, 0, out);
}
