/* Templates: "%s and %d" % values, and "{} and {name}".format(values). */
#include "text/template_inner.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One directive: [[fill]align][sign][#][0][width][,][.precision]type */
typedef struct directive {
    const char *fill; /* one character */
    int fill_bytes;
    char align, sign, type; /* 0: none */
    bool alternate, commas;
    int width, precision; /* −1: none */
} directive;

#define WIDEST 10000

static void pad(const directive *d, const char *bytes, size_t length, char natural, weft_text *out)
{
    int64_t room = d->width - weft_jinja_points(&(jinja_string){bytes, length, -1});
    char align = d->align ? d->align : natural;
    int64_t left = room <= 0 || align == '<' ? 0 : align == '^' ? room / 2 : room;
    size_t sign = align == '=' && length && (*bytes == '-' || *bytes == '+' || *bytes == ' ') ? 1 : 0;
    weft_text_bytes(out, bytes, sign);
    for (int64_t i = 0; i < left; i++)
        weft_text_bytes(out, d->fill, (size_t)d->fill_bytes);
    weft_text_bytes(out, bytes + sign, length - sign);
    for (int64_t i = left; i < room; i++)
        weft_text_bytes(out, d->fill, (size_t)d->fill_bytes);
}

static void with_commas(weft_text *digits)
{
    weft_text out = {0};
    size_t first = digits->length && (digits->data[0] < '0' || digits->data[0] > '9') ? 1 : 0, whole = first;
    while (whole < digits->length && digits->data[whole] >= '0' && digits->data[whole] <= '9')
        whole++;
    for (size_t i = 0; i < digits->length; i++) {
        if (i > first && i < whole && (whole - i) % 3 == 0)
            weft_text_add(&out, ",");
        weft_text_bytes(&out, digits->data + i, 1);
    }
    weft_text_free(digits);
    *digits = out;
}

static void put_whole(jinja_run *run, const directive *d, int64_t whole, weft_text *out)
{
    weft_text digits = {0};
    uint64_t size = whole < 0 ? 0 - (uint64_t)whole : (uint64_t)whole;
    const char *sign = whole < 0 ? "-" : d->sign == '+' ? "+" : d->sign == ' ' ? " " : "";
    switch (d->type) {
    case 'x':
    case 'X':
        weft_text_add(&digits, d->type == 'x' ? "%s%s%llx" : "%s%s%llX", sign,
                      !d->alternate    ? ""
                      : d->type == 'x' ? "0x"
                                       : "0X",
                      (unsigned long long)size);
        break;
    case 'o':
        weft_text_add(&digits, "%s%s%llo", sign, d->alternate ? "0o" : "", (unsigned long long)size);
        break;
    case 'b':
        weft_text_add(&digits, "%s%s", sign, d->alternate ? "0b" : "");
        for (int bit = size ? 63 - __builtin_clzll(size) : 0; bit >= 0; bit--)
            weft_text_add(&digits, "%d", (int)(size >> bit & 1));
        break;
    default:
        weft_text_add(&digits, "%s%llu", sign, (unsigned long long)size);
        if (d->commas)
            with_commas(&digits);
    }
    if (!digits.failed)
        pad(d, digits.data, digits.length, '>', out);
    weft_text_free(&digits);
    (void)run;
}

static void put_real(const directive *d, double number, weft_text *out)
{
    weft_text digits = {0};
    char form[16];
    int precision = d->precision < 0 ? 6 : d->precision;
    const char *sign = signbit(number) ? "-" : d->sign == '+' ? "+" : d->sign == ' ' ? " " : "";
    weft_text_add(&digits, "%s", sign);
    number = fabs(number);
    if (d->type == 0 && d->precision < 0) {
        weft_jinja_float_text(number, &digits);
    } else if (d->type == '%') {
        weft_text_add(&digits, "%.*f%%", precision, number * 100);
    } else {
        snprintf(form, sizeof form, "%%.*%c", d->type ? d->type : 'g');
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        weft_text_add(&digits, form, precision, number);
#pragma GCC diagnostic pop
    }
    if (d->commas)
        with_commas(&digits);
    if (!digits.failed)
        pad(d, digits.data, digits.length, '>', out);
    weft_text_free(&digits);
}

static void put_text(jinja_run *run, const directive *d, jinja_value value, bool repr, weft_text *out)
{
    weft_text text = {0};
    (repr ? weft_jinja_repr : weft_jinja_str)(run, value, &text);
    size_t length = text.length;
    if (d->precision >= 0) {
        jinja_value bounds[3] = {weft_jinja_none, weft_jinja_integer(d->precision), weft_jinja_none};
        jinja_value cut = weft_jinja_slice(run, weft_jinja_bytes(run, text.data, text.length), bounds);
        length = run->status == WEFT_OK ? cut.as.string->length : 0;
    }
    if (run->status == WEFT_OK)
        pad(d, text.data ? text.data : "", length, '<', out);
    weft_text_free(&text);
}

static void put(jinja_run *run, const directive *d, jinja_value value, weft_text *out)
{
    int64_t whole;
    double number;
    if (d->type == 's' || d->type == 'r') {
        put_text(run, d, value, d->type == 'r', out);
    } else if (d->type && strchr("dixXob", d->type)) {
        if (value.kind == JINJA_FLOAT && fabs(value.as.number) < 9e18 && d->type != 'x')
            put_whole(run, d, (int64_t)value.as.number, out);
        else if (weft_jinja_whole(value, &whole))
            put_whole(run, d, whole, out);
        else
            weft_jinja_fail(run, "%%%c format: an integer is required, not %s", d->type, weft_jinja_type(value));
    } else if (d->type && strchr("eEfFgG%", d->type)) {
        if (weft_jinja_number(value, &number))
            put_real(d, number, out);
        else
            weft_jinja_fail(run, "must be real number, not %s", weft_jinja_type(value));
    } else if (d->type) {
        weft_jinja_fail(run, "unsupported format character '%c'", d->type);
    } else if (value.kind == JINJA_FLOAT) {
        put_real(d, value.as.number, out);
    } else if (value.kind == JINJA_INTEGER) {
        put_whole(run, d, value.as.integer, out);
    } else {
        put_text(run, d, value, false, out);
    }
    if (out->length > run->limits->output)
        weft_jinja_fail(run, "a text of more than %zu bytes", run->limits->output);
}

/* Digits at *at, at most WIDEST; −1: none. */
static int take_number(const char **at, const char *end)
{
    int number = -1;
    for (; *at < end && **at >= '0' && **at <= '9'; ++*at)
        number = number < 0 ? **at - '0' : number * 10 + (**at - '0') > WIDEST ? WIDEST : number * 10 + (**at - '0');
    return number;
}

/* ---- % ---- */

jinja_value weft_jinja_percent(jinja_run *run, const jinja_string *format, jinja_value values)
{
    weft_text out = {0};
    int64_t used = 0;
    bool tuple = values.kind == JINJA_TUPLE, named = false;
    int64_t count = tuple ? values.as.sequence->count : 1;
    for (const char *at = format->bytes, *end = at + format->length; at < end && weft_jinja_work(run, 1);) {
        if (*at != '%') {
            weft_text_bytes(&out, at++, 1);
            continue;
        }
        directive d = {.fill = " ", .fill_bytes = 1, .precision = -1};
        jinja_value value = values;
        bool by_name = false;
        if (++at < end && *at == '(') {
            const char *close = memchr(at, ')', (size_t)(end - at));
            if (!close || values.kind != JINJA_DICT) {
                weft_jinja_fail(run, "format requires a mapping");
                break;
            }
            by_name = named = true;
            jinja_value key = weft_jinja_bytes(run, at + 1, (size_t)(close - at - 1));
            if (run->status != WEFT_OK || !weft_jinja_dict_get(run, values.as.dict, key, &value))
                weft_jinja_fail(run, "%%(%.60s): no such key", at + 1);
            at = close + 1;
        }
        for (; at < end && *at && strchr("-+ 0#", *at); at++) {
            d.align = *at == '-' ? '<' : *at == '0' && d.align != '<' ? '=' : d.align;
            d.fill = *at == '0' && d.align == '=' ? "0" : *at == '-' ? " " : d.fill;
            d.sign = *at == '+' ? '+' : *at == ' ' && !d.sign ? ' ' : d.sign;
            d.alternate = d.alternate || *at == '#';
        }
        d.width = take_number(&at, end);
        if (at < end && *at == '.') {
            at++;
            d.precision = take_number(&at, end);
            d.precision = d.precision < 0 ? 0 : d.precision;
        }
        if (at == end) {
            weft_jinja_fail(run, "incomplete format");
            break;
        }
        d.type = *at++;
        if (d.type == '%') {
            weft_text_add(&out, "%%");
            continue;
        }
        if (!by_name && used == count) {
            weft_jinja_fail(run, "not enough arguments for format string");
            break;
        }
        if (!by_name && tuple)
            value = values.as.sequence->items[used];
        used += !by_name;
        if (!d.align) /* % sets everything to the right */
            d.align = '>';
        put(run, &d, value, &out);
    }
    if (!named && used < count && values.kind != JINJA_DICT && values.kind != JINJA_LIST)
        weft_jinja_fail(run, "not all arguments converted during string formatting");
    return weft_jinja_from_text(run, &out);
}

/* ---- str.format ---- */

static const char *read_directive(jinja_run *run, const char *at, const char *end, directive *d)
{
    *d = (directive){.fill = " ", .fill_bytes = 1, .precision = -1};
    if (at < end) {
        int bytes = (unsigned char)*at < 0x80 ? 1 : (unsigned char)*at < 0xE0 ? 2 : (unsigned char)*at < 0xF0 ? 3 : 4;
        if (at + bytes < end && strchr("<>^=", at[bytes]) && at[bytes]) {
            d->fill = at;
            d->fill_bytes = bytes;
            d->align = at[bytes];
            at += bytes + 1;
        } else if (*at && strchr("<>^=", *at)) {
            d->align = *at++;
        }
    }
    if (at < end && *at && strchr("+- ", *at))
        d->sign = *at++;
    if (at < end && *at == '#')
        d->alternate = *at++ == '#';
    if (at < end && *at == '0' && !d->align) {
        d->align = '=';
        d->fill = "0";
        at++;
    }
    d->width = take_number(&at, end);
    if (at < end && (*at == ',' || *at == '_'))
        d->commas = *at++ == ',';
    if (at < end && *at == '.') {
        at++;
        d->precision = take_number(&at, end);
    }
    if (at < end)
        d->type = *at++;
    if (at < end)
        weft_jinja_fail(run, "Invalid format specifier");
    return at;
}

/* The value that "0.name[key]" names. */
static jinja_value field(jinja_run *run, const char *at, const char *end, const jinja_arguments *given, int64_t *next)
{
    const char *stop = at;
    while (stop < end && *stop != '.' && *stop != '[')
        stop++;
    const char *digits = at;
    int64_t place = at == stop ? (*next)++ : take_number(&digits, stop);
    jinja_value value = weft_jinja_undefined;
    bool found = place >= 0 && digits == stop && place < given->count;
    if (found)
        value = given->items[place];
    for (int64_t i = 0; !found && i < given->named_count; i++)
        if (given->names[i]->length == (size_t)(stop - at) && memcmp(given->names[i]->bytes, at, (size_t)(stop - at)) == 0) {
            value = given->named[i];
            found = true;
        }
    if (!found)
        return weft_jinja_fail(run, "format: no value for {%.*s}", (int)(end - at > 60 ? 60 : end - at), at);
    while (stop < end && run->status == WEFT_OK) {
        bool item = *stop++ == '[';
        const char *from = stop;
        while (stop < end && (item ? *stop != ']' : *stop != '.' && *stop != '['))
            stop++;
        const char *number = from;
        int64_t index = item ? take_number(&number, stop) : -1;
        jinja_value name = weft_jinja_bytes(run, from, (size_t)(stop - from));
        if (run->status == WEFT_OK)
            value = item ? weft_jinja_item(run, value, number == stop && index >= 0 ? weft_jinja_integer(index) : name)
                         : weft_jinja_attribute(run, value, name.as.string);
        stop += item && stop < end;
    }
    return value;
}

jinja_value weft_jinja_format(jinja_run *run, const jinja_function *method, jinja_value self, const jinja_arguments *given)
{
    weft_text out = {0};
    int64_t next = 0;
    (void)method;
    for (const char *at = self.as.string->bytes, *end = at + self.as.string->length; at < end && weft_jinja_work(run, 1);) {
        if ((*at == '{' || *at == '}') && at + 1 < end && at[1] == *at) {
            weft_text_bytes(&out, at, 1);
            at += 2;
        } else if (*at == '{') {
            const char *close = memchr(at, '}', (size_t)(end - at));
            if (!close || memchr(at + 1, '{', (size_t)(close - at - 1))) {
                weft_jinja_fail(run, "format: a field is not closed, or nested");
                break;
            }
            const char *colon = memchr(at, ':', (size_t)(close - at)), *name_end = colon ? colon : close;
            bool repr = name_end - at >= 3 && name_end[-2] == '!' && name_end[-1] == 'r';
            bool converted = repr || (name_end - at >= 3 && name_end[-2] == '!' && name_end[-1] == 's');
            jinja_value value = field(run, at + 1, converted ? name_end - 2 : name_end, given, &next);
            directive d;
            read_directive(run, colon ? colon + 1 : close, close, &d);
            if (run->status == WEFT_OK && converted)
                put_text(run, &d, value, repr, &out);
            else if (run->status == WEFT_OK)
                put(run, &d, value, &out);
            at = close + 1;
        } else if (*at == '}') {
            weft_jinja_fail(run, "Single '}' encountered in format string");
        } else {
            weft_text_bytes(&out, at++, 1);
        }
    }
    return weft_jinja_from_text(run, &out);
}
