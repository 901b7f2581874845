/* Template filters on texts and numbers, and the look-up of all filters. (Jinja2's "List of Builtin Filters".) */
#include "text/template_inner.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text/template_letters.h"

typedef const jinja_function row;
typedef const jinja_arguments given;

/* Filters that are a string's method of the same arguments. */
static jinja_value through_method(jinja_run *run, row *filter, jinja_value self, given *arguments)
{
    jinja_value text = weft_jinja_string(run, self);
    const jinja_function *method = weft_jinja_find(weft_jinja_string_methods, filter->name, strlen(filter->name));
    return run->status == WEFT_OK ? method->call(run, method, text, arguments) : text;
}

static jinja_value trim(jinja_run *run, row *filter, jinja_value self, given *arguments)
{
    const jinja_function *strip = weft_jinja_find(weft_jinja_string_methods, "strip", 5);
    (void)filter;
    jinja_value text = weft_jinja_string(run, self);
    return run->status == WEFT_OK ? strip->call(run, strip, text, arguments) : text;
}

static jinja_value replace(jinja_run *run, row *filter, jinja_value self, given *arguments)
{
    jinja_value items[] = {weft_jinja_string(run, arguments->items[0]), weft_jinja_string(run, arguments->items[1]),
                           arguments->items[2]};
    return run->status == WEFT_OK ? through_method(run, filter, self, &(jinja_arguments){.items = items, .count = 3})
                                  : weft_jinja_undefined;
}

/* The first letter of each word upper case, the others lower; words begin after white space and - ( { [ <. */
static jinja_value title(jinja_run *run, row *filter, jinja_value self, given *arguments)
{
    (void)filter;
    (void)arguments;
    jinja_value text = weft_jinja_string(run, self);
    if (run->status != WEFT_OK)
        return text;
    weft_text out = {0};
    bool start = true;
    for (const char *at = text.as.string->bytes, *end = at + text.as.string->length; at < end;) {
        uint32_t point;
        char bytes[4];
        at += weft_point_at(at, end, &point);
        bool between = weft_point_is_space(point) || (point < 0x80 && point && strchr("-({[<", (int)point));
        uint32_t shown = between ? point : start ? weft_unicode_upper(point) : weft_point_lower(point);
        weft_text_bytes(&out, bytes, weft_utf8_put(shown, bytes));
        start = between;
    }
    return weft_jinja_from_text(run, &out);
}

static jinja_value to_string(jinja_run *run, row *filter, jinja_value self, given *arguments)
{
    (void)filter;
    (void)arguments;
    return weft_jinja_string(run, self);
}

static jinja_value escape(jinja_run *run, row *filter, jinja_value self, given *arguments)
{
    static const struct {
        char byte;
        const char *shown;
    } rows[] = {{'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'\'', "&#39;"}, {'"', "&#34;"}};
    (void)filter;
    (void)arguments;
    jinja_value text = weft_jinja_string(run, self);
    weft_text out = {0};
    for (size_t i = 0; run->status == WEFT_OK && i < text.as.string->length; i++) {
        const char *byte = text.as.string->bytes + i, *shown = NULL;
        for (size_t k = 0; k < sizeof rows / sizeof rows[0]; k++)
            shown = *byte == rows[k].byte ? rows[k].shown : shown;
        weft_text_bytes(&out, shown ? shown : byte, shown ? strlen(shown) : 1);
    }
    return weft_jinja_from_text(run, &out);
}

/* Percent-encoded UTF-8; `query`: as a value of a query string, where / is encoded too and a space is +. */
static void add_url(jinja_run *run, jinja_value value, bool query, weft_text *out)
{
    jinja_value text = weft_jinja_string(run, value);
    for (size_t i = 0; run->status == WEFT_OK && i < text.as.string->length; i++) {
        unsigned char c = (unsigned char)text.as.string->bytes[i];
        bool plain =
            (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') || (c && strchr("_.-~", c)) || (c == '/' && !query);
        weft_text_add(out, plain ? "%c" : query && c == ' ' ? "+" : "%%%02X", c);
    }
}

/* A text; or a query string, k=v&k=v, of a dict's items or of a list of pairs. */
static jinja_value urlencode(jinja_run *run, row *filter, jinja_value self, given *arguments)
{
    (void)filter;
    (void)arguments;
    weft_text out = {0};
    int64_t count = 0;
    if (self.kind < JINJA_LIST || self.kind > JINJA_DICT) {
        add_url(run, self, false, &out);
        return weft_jinja_from_text(run, &out);
    }
    jinja_value *items = weft_jinja_iterate(run, self, &count);
    for (int64_t i = 0; i < count && weft_jinja_work(run, 1); i++) {
        jinja_value *pair = NULL;
        int64_t two = 2;
        if (self.kind != JINJA_DICT)
            pair = weft_jinja_iterate(run, items[i], &two);
        if (two != 2)
            weft_jinja_fail(run, "filter urlencode: item %lld has %lld values, expected a pair", (long long)i, (long long)two);
        if (run->status != WEFT_OK)
            break;
        weft_text_add(&out, i ? "&" : "");
        add_url(run, pair ? pair[0] : self.as.dict->keys[i], true, &out);
        weft_text_add(&out, "=");
        add_url(run, pair ? pair[1] : self.as.dict->values[i], true, &out);
    }
    return weft_jinja_from_text(run, &out);
}

/* Bytes of the line break at `at`; 0: none. (Python's str.splitlines.) */
static int line_break(const char *at, const char *end)
{
    uint32_t point;
    int bytes = weft_point_at(at, end, &point);
    if (point == '\r' && at + 1 < end && at[1] == '\n')
        return 2;
    bool breaks = (point >= 0x0A && point <= 0x0D) || (point >= 0x1C && point <= 0x1E) || point == 0x85 || point == 0x2028 ||
                  point == 0x2029;
    return breaks ? bytes : 0;
}

static jinja_value indent(jinja_run *run, row *filter, jinja_value self, given *arguments)
{
    (void)filter;
    const jinja_value *a = arguments->items;
    bool blank = weft_jinja_truth(a[2]);
    int64_t width = 4;
    jinja_value margin;
    if (a[0].kind == JINJA_STRING) {
        margin = a[0];
    } else {
        if (a[0].kind != JINJA_UNDEFINED && !weft_jinja_whole(a[0], &width))
            return weft_jinja_fail(run, "filter indent: the width is a number or a text");
        width = width < 0 ? 0 : width > 1000 ? 1000 : width;
        char spaces[1001];
        memset(spaces, ' ', sizeof spaces);
        margin = weft_jinja_bytes(run, spaces, (size_t)width);
    }
    if (run->status != WEFT_OK)
        return margin;
    if (self.kind != JINJA_STRING)
        return weft_jinja_fail(run, "filter indent: expected a text, got '%s'", weft_jinja_type(self));
    weft_text out = {0};
    const jinja_string *m = margin.as.string, *text = self.as.string;
    if (weft_jinja_truth(a[1]))
        weft_text_bytes(&out, m->bytes, m->length);
    for (const char *at = text->bytes, *end = at + text->length; at < end && weft_jinja_work(run, 1);) {
        int bytes = line_break(at, end);
        if (!bytes) {
            weft_text_bytes(&out, at++, 1);
            continue;
        }
        at += bytes;
        weft_text_add(&out, "\n");
        if (blank || (at < end && !line_break(at, end)))
            weft_text_bytes(&out, m->bytes, m->length);
        if (out.length > run->limits->output)
            weft_jinja_fail(run, "a text of more than %zu bytes", run->limits->output);
    }
    return weft_jinja_from_text(run, &out);
}

static jinja_value truncate_text(jinja_run *run, row *filter, jinja_value self, given *arguments)
{
    (void)filter;
    const jinja_value *a = arguments->items;
    int64_t length = 255, leeway = 5;
    weft_jinja_whole(a[0], &length);
    weft_jinja_whole(a[3], &leeway);
    jinja_value end = a[2].kind == JINJA_UNDEFINED ? weft_jinja_text(run, "...") : weft_jinja_string(run, a[2]);
    if (run->status != WEFT_OK || leeway < 0 || length < weft_jinja_points(end.as.string))
        return weft_jinja_fail(run, "filter truncate: the length is less than that of the end");
    if (weft_jinja_length(run, self) - length <= leeway)
        return self;
    if (self.kind != JINJA_STRING)
        return weft_jinja_fail(run, "filter truncate: expected a text, got '%s'", weft_jinja_type(self));
    jinja_value bounds[3] = {weft_jinja_none, weft_jinja_integer(length - weft_jinja_points(end.as.string)), weft_jinja_none};
    jinja_value kept = weft_jinja_slice(run, self, bounds);
    if (run->status != WEFT_OK)
        return kept;
    size_t bytes = kept.as.string->length;
    const char *space = weft_jinja_truth(a[1]) ? NULL : memrchr(kept.as.string->bytes, ' ', bytes);
    weft_text out = {0};
    weft_text_bytes(&out, kept.as.string->bytes, space ? (size_t)(space - kept.as.string->bytes) : bytes);
    weft_text_bytes(&out, end.as.string->bytes, end.as.string->length);
    return weft_jinja_from_text(run, &out);
}

static jinja_value wordcount(jinja_run *run, row *filter, jinja_value self, given *arguments)
{
    (void)filter;
    (void)arguments;
    jinja_value text = weft_jinja_string(run, self);
    int64_t count = 0;
    bool inside = false;
    if (run->status != WEFT_OK)
        return text;
    for (const char *at = text.as.string->bytes, *end = at + text.as.string->length; at < end;) {
        uint32_t point;
        at += weft_point_at(at, end, &point);
        bool word = point == '_' || (weft_unicode_classes(point) & WEFT_IS_LETTER) != 0 ||
                    (weft_unicode_classes(point) & WEFT_IS_NUMBER) != 0;
        count += word && !inside;
        inside = word;
    }
    return weft_jinja_integer(count);
}

static jinja_value format_filter(jinja_run *run, row *filter, jinja_value self, given *arguments)
{
    (void)filter;
    jinja_value text = weft_jinja_string(run, self), values;
    if (arguments->named_count && arguments->count)
        return weft_jinja_fail(run, "filter format: values by place or by name, not both");
    if (arguments->named_count) {
        values = weft_jinja_dict(run, arguments->named_count);
        for (int64_t i = 0; i < arguments->named_count && run->status == WEFT_OK; i++)
            weft_jinja_dict_set(run, values.as.dict, (jinja_value){JINJA_STRING, {.string = arguments->names[i]}},
                                arguments->named[i]);
    } else {
        values = weft_jinja_sequence(run, JINJA_TUPLE, arguments->count);
        for (int64_t i = 0; i < arguments->count && run->status == WEFT_OK; i++)
            values.as.sequence->items[i] = arguments->items[i];
    }
    return run->status == WEFT_OK ? weft_jinja_percent(run, text.as.string, values) : text;
}

static jinja_value tojson(jinja_run *run, row *filter, jinja_value self, given *arguments)
{
    (void)filter;
    const jinja_value *a = arguments->items; /* indent, ensure_ascii, separators, sort_keys */
    jinja_json_style style = {
        .indent = -1, .item = ", ", .key = ": ", .ascii = weft_jinja_truth(a[1]), .sort_keys = weft_jinja_truth(a[3])};
    int64_t width;
    if (weft_jinja_whole(a[0], &width)) {
        style.indent = (int)(width < 0 ? 0 : width > 1000 ? 1000 : width);
        style.item = ",";
    } else if (a[0].kind > JINJA_NONE) {
        return weft_jinja_fail(run, "filter tojson: indent is a number of spaces");
    }
    if (a[2].kind > JINJA_NONE) {
        const jinja_sequence *pair = weft_jinja_is_sequence(a[2]) ? a[2].as.sequence : NULL;
        if (!pair || pair->count != 2 || pair->items[0].kind != JINJA_STRING || pair->items[1].kind != JINJA_STRING)
            return weft_jinja_fail(run, "filter tojson: separators are two texts");
        style.item = pair->items[0].as.string->bytes;
        style.key = pair->items[1].as.string->bytes;
    }
    weft_text out = {0};
    weft_jinja_json(run, self, &style, &out);
    return weft_jinja_from_text(run, &out);
}

/* ---- Numbers. ---- */

/* A whole number with white space around and single underscores inside; prefixes as the base has them. */
static bool parse_whole(const jinja_string *text, int base, int64_t *out)
{
    char digits[96];
    size_t n = 0, from = 0, to = text->length;
    int bytes;
    while (from < to && (bytes = weft_space_at(text->bytes + from, text->bytes + to)) > 0)
        from += (size_t)bytes;
    while (from < to && (bytes = weft_space_before(text->bytes + from, text->bytes + to)) > 0)
        to -= (size_t)bytes;
    for (size_t i = from; i < to && n < sizeof digits - 1; i++) {
        bool between = i > from && i + 1 < to && text->bytes[i - 1] != '_';
        if (text->bytes[i] != '_' || !between)
            digits[n++] = text->bytes[i];
    }
    digits[n] = 0;
    const char *sign = digits + (*digits == '-' || *digits == '+');
    bool prefixed = sign[0] == '0' && sign[1] && strchr(base == 16 ? "xX" : base == 8 ? "oO" : base == 2 ? "bB" : "", sign[1]);
    if (prefixed && base != 16 && base != 10) /* strtoll knows 0x alone */
        memmove(digits + (sign - digits), sign + 2, strlen(sign + 2) + 1);
    char *end;
    errno = 0;
    long long number = strtoll(digits, &end, base);
    if (!n || *end || end == digits || errno || n == sizeof digits - 1)
        return false;
    *out = number;
    return true;
}

static bool parse_float(const jinja_string *text, double *out)
{
    char digits[400];
    size_t from = 0, to = text->length;
    int bytes;
    while (from < to && (bytes = weft_space_at(text->bytes + from, text->bytes + to)) > 0)
        from += (size_t)bytes;
    while (from < to && (bytes = weft_space_before(text->bytes + from, text->bytes + to)) > 0)
        to -= (size_t)bytes;
    if (from == to || to - from >= sizeof digits || memchr(text->bytes + from, 'x', to - from) ||
        memchr(text->bytes + from, 'X', to - from))
        return false;
    memcpy(digits, text->bytes + from, to - from);
    digits[to - from] = 0;
    char *end;
    *out = strtod(digits, &end);
    return *end == 0 && end > digits;
}

static bool is_number(jinja_value value, double *out)
{
    return weft_jinja_number(value, out) || (value.kind == JINJA_STRING && parse_float(value.as.string, out));
}

static jinja_value undefined_number(jinja_run *run, jinja_value self)
{
    return weft_jinja_fail(run, "%.200s", self.as.string ? self.as.string->bytes : "a value is undefined");
}

static jinja_value to_int(jinja_run *run, row *filter, jinja_value self, given *arguments)
{
    (void)filter;
    int64_t whole, base = 10;
    double number;
    jinja_value otherwise = arguments->items[0].kind == JINJA_UNDEFINED ? weft_jinja_integer(0) : arguments->items[0];
    if (self.kind == JINJA_UNDEFINED)
        return undefined_number(run, self);
    weft_jinja_whole(arguments->items[1], &base);
    if (base != 0 && (base < 2 || base > 36))
        return weft_jinja_fail(run, "filter int: base is 0 or 2 to 36");
    if (weft_jinja_whole(self, &whole) || (self.kind == JINJA_STRING && parse_whole(self.as.string, (int)base, &whole)))
        return weft_jinja_integer(whole);
    if (!is_number(self, &number) || !isfinite(number))
        return otherwise;
    if (fabs(number) >= 9.2e18)
        return weft_jinja_fail(run, "filter int: the integer leaves 64 bits");
    return weft_jinja_integer((int64_t)number);
}

static jinja_value to_float(jinja_run *run, row *filter, jinja_value self, given *arguments)
{
    (void)filter;
    double number;
    if (self.kind == JINJA_UNDEFINED)
        return undefined_number(run, self);
    if (is_number(self, &number))
        return weft_jinja_float(number);
    return arguments->items[0].kind == JINJA_UNDEFINED ? weft_jinja_float(0) : arguments->items[0];
}

static jinja_value absolute(jinja_run *run, row *filter, jinja_value self, given *arguments)
{
    int64_t whole;
    (void)filter;
    (void)arguments;
    if (weft_jinja_whole(self, &whole) && whole != INT64_MIN)
        return weft_jinja_integer(whole < 0 ? -whole : whole);
    if (self.kind == JINJA_FLOAT)
        return weft_jinja_float(fabs(self.as.number));
    return weft_jinja_fail(run, "filter abs: wants a number, not %s", weft_jinja_type(self));
}

/* Rounds to `precision` decimals, halves to even as the number's exact value says; a whole number stays one. */
static jinja_value round_number(jinja_run *run, row *filter, jinja_value self, given *arguments)
{
    (void)filter;
    int64_t precision = 0, whole;
    double number;
    const jinja_value how = arguments->items[1];
    weft_jinja_whole(arguments->items[0], &precision);
    if (!weft_jinja_number(self, &number))
        return weft_jinja_fail(run, "filter round: wants a number, not %s", weft_jinja_type(self));
    if (precision < -300 || precision > 300)
        return weft_jinja_fail(run, "filter round: a precision of -300 to 300 decimals");
    double scale = pow(10, (double)precision);
    if (how.kind == JINJA_STRING && weft_jinja_same(how.as.string, "ceil"))
        return weft_jinja_float(ceil(number * scale) / scale);
    if (how.kind == JINJA_STRING && weft_jinja_same(how.as.string, "floor"))
        return weft_jinja_float(floor(number * scale) / scale);
    if (how.kind != JINJA_UNDEFINED && !(how.kind == JINJA_STRING && weft_jinja_same(how.as.string, "common")))
        return weft_jinja_fail(run, "filter round: method is common, ceil or floor");
    if (weft_jinja_whole(self, &whole) && precision >= 0)
        return weft_jinja_integer(whole);
    if (precision < 0) {
        double rounded = nearbyint(number * scale) / scale;
        return self.kind == JINJA_FLOAT ? weft_jinja_float(rounded) : weft_jinja_integer((int64_t)rounded);
    }
    char digits[720];
    snprintf(digits, sizeof digits, "%.*f", (int)precision, number);
    return weft_jinja_float(strtod(digits, NULL));
}

const jinja_function weft_jinja_text_filters[] = {
    {"abs", "", 0, absolute, 0},
    {"capitalize", "", 0, through_method, 0},
    {"center", "width fillchar", 0, through_method, 0},
    {"e", "", 0, escape, 0},
    {"escape", "", 0, escape, 0},
    {"float", "default", 0, to_float, 0},
    {"forceescape", "", 0, escape, 0},
    {"format", "*", 0, format_filter, 0},
    {"indent", "width first blank", 0, indent, 0},
    {"int", "default base", 0, to_int, 0},
    {"lower", "", 0, through_method, 0},
    {"replace", "old new count", 2, replace, 0},
    {"round", "precision method", 0, round_number, 0},
    {"safe", "", 0, to_string, 0},
    {"string", "", 0, to_string, 0},
    {"title", "", 0, title, 0},
    {"tojson", "indent ensure_ascii separators sort_keys", 0, tojson, 0},
    {"trim", "chars", 0, trim, 0},
    {"truncate", "length killwords end leeway", 0, truncate_text, 0},
    {"upper", "", 0, through_method, 0},
    {"urlencode", "", 0, urlencode, 0},
    {"wordcount", "", 0, wordcount, 0},
    {0},
};

const jinja_function *weft_jinja_find(const jinja_function *rows, const char *name, size_t length)
{
    for (; rows->name; rows++)
        if (strlen(rows->name) == length && memcmp(rows->name, name, length) == 0)
            return rows;
    return NULL;
}

const jinja_function *weft_jinja_filter(const char *name, size_t length)
{
    const jinja_function *const tables[] = {weft_jinja_text_filters, weft_jinja_list_filters, weft_jinja_pick_filters};
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        const jinja_function *row_found = weft_jinja_find(tables[i], name, length);
        if (row_found)
            return row_found;
    }
    return NULL;
}
