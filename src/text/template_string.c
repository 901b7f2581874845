/* Template methods of strings: Python's str, by code point. */
#include "text/template_inner.h"

#include <string.h>

#include "text/template_letters.h"

typedef const jinja_function row;
typedef const jinja_arguments given;

/* An argument as a string; NULL fails the run. */
static const jinja_string *string_argument(jinja_run *run, row *method, jinja_value value)
{
    if (value.kind == JINJA_STRING)
        return value.as.string;
    weft_jinja_fail(run, "%s: wants a str, not %s", method->name, weft_jinja_type(value));
    return NULL;
}

/* ---- Case. ---- */

enum { CASE_UPPER, CASE_LOWER, CASE_TITLE, CASE_CAPITAL, CASE_SWAP };

static jinja_value change_case(jinja_run *run, row *method, jinja_value self, given *arguments)
{
    const jinja_string *string = self.as.string;
    weft_text out = {0};
    bool start = true;
    (void)arguments;
    if (!weft_jinja_work(run, string->length / 16))
        return self;
    for (const char *at = string->bytes, *end = at + string->length; at < end;) {
        uint32_t point, shown;
        char bytes[4];
        int length = weft_point_at(at, end, &point);
        bool broken = point == 0xFFFD && length == 1, letter = weft_unicode_case(point) != WEFT_CASE_NONE;
        switch (method->which) {
        case CASE_UPPER:
            shown = weft_unicode_upper(point);
            break;
        case CASE_LOWER:
            shown = weft_point_lower(point);
            break;
        case CASE_SWAP:
            shown = (weft_unicode_case(point) == WEFT_CASE_UPPER) ? weft_point_lower(point) : weft_unicode_upper(point);
            break;
        default: /* title: the first letter after what is none; capitalize: the text's first character */
            shown = start ? weft_unicode_title(point) : weft_point_lower(point);
        }
        weft_text_bytes(&out, broken ? at : bytes, broken ? 1 : weft_utf8_put(shown, bytes));
        start = method->which == CASE_TITLE && !letter;
        at += length;
    }
    return weft_jinja_from_text(run, &out);
}

/* ---- What it holds. ---- */

enum { ALL_ALPHA, ALL_DIGIT, ALL_ALNUM, ALL_SPACE, ALL_NUMERIC, ALL_UPPER, ALL_LOWER, ALL_ASCII, ALL_TITLE };

static bool passes(int which, uint32_t point)
{
    switch (which) {
    case ALL_ALPHA:
        return (weft_unicode_classes(point) & WEFT_IS_LETTER) != 0;
    case ALL_DIGIT:
        return weft_unicode_is_decimal(point);
    case ALL_ALNUM:
        return (weft_unicode_classes(point) & WEFT_IS_LETTER) != 0 || (weft_unicode_classes(point) & WEFT_IS_NUMBER) != 0;
    case ALL_SPACE:
        return weft_point_is_space(point);
    case ALL_NUMERIC:
        return (weft_unicode_classes(point) & WEFT_IS_NUMBER) != 0;
    case ALL_UPPER:
        return !(weft_unicode_case(point) == WEFT_CASE_LOWER);
    case ALL_LOWER:
        return !(weft_unicode_case(point) == WEFT_CASE_UPPER);
    default:
        return point < 0x80;
    }
}

static jinja_value all(jinja_run *run, row *method, jinja_value self, given *arguments)
{
    const jinja_string *string = self.as.string;
    bool cased = method->which == ALL_UPPER || method->which == ALL_LOWER, seen = false, before = false;
    (void)arguments;
    if (string->length == 0 || !weft_jinja_work(run, string->length / 64))
        return weft_jinja_bool(method->which == ALL_ASCII);
    for (const char *at = string->bytes, *end = at + string->length; at < end;) {
        uint32_t point;
        at += weft_point_at(at, end, &point);
        bool upper = (weft_unicode_case(point) == WEFT_CASE_UPPER),
             letter = upper || (weft_unicode_case(point) == WEFT_CASE_LOWER);
        seen = seen || letter;
        if (method->which == ALL_TITLE ? letter && upper == before : !passes(method->which, point))
            return weft_jinja_bool(false);
        before = letter;
    }
    return weft_jinja_bool(seen || !(cased || method->which == ALL_TITLE));
}

/* ---- Edges. ---- */

enum { SIDE_LEFT = 1, SIDE_RIGHT = 2 };

static bool holds_point(const jinja_string *set, uint32_t point)
{
    for (const char *at = set->bytes, *end = at + set->length; at < end;) {
        uint32_t other;
        at += weft_point_at(at, end, &other);
        if (other == point)
            return true;
    }
    return false;
}

static jinja_value strip(jinja_run *run, row *method, jinja_value self, given *arguments)
{
    const char *begin = self.as.string->bytes, *end = begin + self.as.string->length;
    bool chosen = arguments->count && arguments->items[0].kind > JINJA_NONE;
    const jinja_string *set = chosen ? string_argument(run, method, arguments->items[0]) : NULL;
    uint32_t point;
    if (!weft_jinja_work(run, (size_t)(end - begin) / 64 * (set ? 1 + set->length / 4 : 1)))
        return self;
    while (begin < end && method->which & SIDE_LEFT) {
        int bytes = weft_point_at(begin, end, &point);
        if (set ? !holds_point(set, point) : !weft_point_is_space(point))
            break;
        begin += bytes;
    }
    while (begin < end && method->which & SIDE_RIGHT) {
        const char *at = end - 1;
        while (at > begin && end - at < 4 && ((unsigned char)*at & 0xC0) == 0x80)
            at--;
        if (at + weft_point_at(at, end, &point) != end)
            break;
        if (set ? !holds_point(set, point) : !weft_point_is_space(point))
            break;
        end = at;
    }
    return weft_jinja_bytes(run, begin, (size_t)(end - begin));
}

static bool edge_is(const jinja_string *string, const jinja_string *edge, bool end)
{
    return edge->length <= string->length &&
           memcmp(string->bytes + (end ? string->length - edge->length : 0), edge->bytes, edge->length) == 0;
}

/* startswith (which 0), endswith (1): of one text or any of a tuple */
static jinja_value has_edge(jinja_run *run, row *method, jinja_value self, given *arguments)
{
    if (arguments->items[0].kind != JINJA_TUPLE) {
        const jinja_string *edge = string_argument(run, method, arguments->items[0]);
        return weft_jinja_bool(edge && edge_is(self.as.string, edge, method->which));
    }
    const jinja_sequence *edges = arguments->items[0].as.sequence;
    for (int64_t i = 0; i < edges->count; i++) {
        const jinja_string *edge = string_argument(run, method, edges->items[i]);
        if (edge && edge_is(self.as.string, edge, method->which))
            return weft_jinja_bool(true);
    }
    return weft_jinja_bool(false);
}

static jinja_value remove_edge(jinja_run *run, row *method, jinja_value self, given *arguments)
{
    const jinja_string *edge = string_argument(run, method, arguments->items[0]), *string = self.as.string;
    if (!edge || !edge_is(string, edge, method->which))
        return self;
    return weft_jinja_bytes(run, string->bytes + (method->which ? 0 : edge->length), string->length - edge->length);
}

/* ljust, rjust, center, zfill */
static jinja_value justify(jinja_run *run, row *method, jinja_value self, given *arguments)
{
    int64_t width = method->which == (SIDE_LEFT | SIDE_RIGHT) ? 80 : 0, points = weft_jinja_points(self.as.string);
    const jinja_string *fill = arguments->items[1].kind == JINJA_STRING ? arguments->items[1].as.string : NULL;
    weft_jinja_whole(arguments->items[0], &width);
    int64_t room = width - points, left = method->which == SIDE_LEFT ? 0 : method->which == SIDE_RIGHT ? room : room / 2;
    if (method->which == (SIDE_LEFT | SIDE_RIGHT))
        left += room & width & 1;
    if (room <= 0)
        return self;
    if ((fill && weft_jinja_points(fill) != 1) || room > (int64_t)run->limits->output)
        return weft_jinja_fail(run, "%s: the fill is one character and the text of a size that fits", method->name);
    weft_text out = {0};
    for (int64_t i = 0; i <= room && weft_jinja_work(run, 1); i++) {
        if (i == left)
            weft_text_bytes(&out, self.as.string->bytes, self.as.string->length);
        if (i < room)
            weft_text_bytes(&out, fill ? fill->bytes : " ", fill ? fill->length : 1);
    }
    return weft_jinja_from_text(run, &out);
}

static jinja_value zfill(jinja_run *run, row *method, jinja_value self, given *arguments)
{
    const jinja_string *s = self.as.string;
    bool sign = s->length && (s->bytes[0] == '-' || s->bytes[0] == '+');
    int64_t width = 0, points = weft_jinja_points(s);
    weft_jinja_whole(arguments->items[0], &width);
    if (width - points > (int64_t)run->limits->output)
        return weft_jinja_fail(run, "%s: the text does not fit", method->name);
    weft_text out = {0};
    weft_text_bytes(&out, s->bytes, sign);
    for (int64_t i = points; i < width && weft_jinja_work(run, 1); i++)
        weft_text_add(&out, "0");
    weft_text_bytes(&out, s->bytes + sign, s->length - sign);
    return weft_jinja_from_text(run, &out);
}

/* ---- Finding and replacing. ---- */

static const char *next_match(const char *at, const char *end, const jinja_string *what)
{
    return (const char *)memmem(at, (size_t)(end - at), what->bytes, what->length);
}

static const char *last_match(const char *begin, const char *end, const jinja_string *what)
{
    for (const char *at = end - what->length; (size_t)(end - begin) >= what->length && at >= begin; at--)
        if (memcmp(at, what->bytes, what->length) == 0)
            return at;
    return NULL;
}

enum { FIND_LAST = 1, FIND_MUST = 2 };

static jinja_value find(jinja_run *run, row *method, jinja_value self, given *arguments)
{
    const jinja_string *what = string_argument(run, method, arguments->items[0]), *s = self.as.string;
    int64_t points = weft_jinja_points(s), from = 0, to = points;
    if (!what || !weft_jinja_work(run, s->length / 64 * (method->which & FIND_LAST ? 1 + what->length / 16 : 1)))
        return weft_jinja_undefined;
    weft_jinja_whole(arguments->items[1], &from);
    weft_jinja_whole(arguments->items[2], &to);
    from = from < 0 ? from + points : from;
    to = to < 0 ? to + points : to;
    from = from < 0 ? 0 : from;
    to = to > points ? points : to < 0 ? 0 : to;
    const char *begin = s->bytes, *end = s->bytes, *match = NULL;
    uint32_t point;
    for (int64_t i = 0; i < to; i++) {
        int bytes = weft_point_at(end, s->bytes + s->length, &point);
        end += bytes;
        begin += i < from ? bytes : 0;
    }
    if (from <= to)
        match = method->which & FIND_LAST ? last_match(begin, end, what) : next_match(begin, end, what);
    if (match)
        return weft_jinja_integer(weft_jinja_points(&(jinja_string){s->bytes, (size_t)(match - s->bytes), -1}));
    return method->which & FIND_MUST ? weft_jinja_fail(run, "%s: substring not found", method->name) : weft_jinja_integer(-1);
}

static jinja_value count(jinja_run *run, row *method, jinja_value self, given *arguments)
{
    const jinja_string *what = string_argument(run, method, arguments->items[0]), *s = self.as.string;
    if (!what || !weft_jinja_work(run, s->length / 16))
        return weft_jinja_undefined;
    if (what->length == 0)
        return weft_jinja_integer(weft_jinja_points(s) + 1);
    int64_t matches = 0;
    const char *end = s->bytes + s->length;
    for (const char *at = s->bytes; (at = next_match(at, end, what)); at += what->length)
        matches++;
    return weft_jinja_integer(matches);
}

static jinja_value replace(jinja_run *run, row *method, jinja_value self, given *arguments)
{
    const jinja_string *old = string_argument(run, method, arguments->items[0]), *s = self.as.string;
    const jinja_string *new = string_argument(run, method, arguments->items[1]);
    int64_t left = -1;
    weft_text out = {0};
    weft_jinja_whole(arguments->items[2], &left);
    const char *at = s->bytes, *end = at + s->length;
    if (!old || !new)
        return weft_jinja_undefined;
    while (left != 0 && weft_jinja_work(run, 1)) {
        uint32_t point;
        const char *match = old->length ? next_match(at, end, old) : at; /* nothing stands between all characters */
        if (!match)
            break;
        weft_text_bytes(&out, at, (size_t)(match - at));
        weft_text_bytes(&out, new->bytes, new->length);
        at = match + old->length;
        left -= left > 0;
        if (out.length > run->limits->output)
            weft_jinja_fail(run, "a text of more than %zu bytes", run->limits->output);
        if (old->length == 0 && at == end)
            break;
        if (old->length == 0) {
            int bytes = weft_point_at(at, end, &point);
            weft_text_bytes(&out, at, (size_t)bytes);
            at += bytes;
        }
    }
    weft_text_bytes(&out, at, (size_t)(end - at));
    return weft_jinja_from_text(run, &out);
}

/* ---- Splitting and joining. ---- */

static void add_part(jinja_run *run, jinja_value *list, int64_t *capacity, const char *begin, const char *end)
{
    if (run->status != WEFT_OK)
        return;
    jinja_sequence *sequence = list->as.sequence;
    if (sequence->count == *capacity) {
        *capacity = *capacity ? 2 * *capacity : 8;
        jinja_value *items = weft_jinja_get(run, (size_t)*capacity, sizeof *items);
        if (!items)
            return;
        if (sequence->count)
            memcpy(items, sequence->items, (size_t)sequence->count * sizeof *items);
        sequence->items = items;
    }
    sequence->items[sequence->count++] = weft_jinja_bytes(run, begin, (size_t)(end - begin));
}

static void turn(jinja_value list)
{
    jinja_value *items = list.as.sequence->items;
    for (int64_t i = 0, j = list.as.sequence->count - 1; i < j; i++, j--) {
        jinja_value item = items[i];
        items[i] = items[j];
        items[j] = item;
    }
}

/* At runs of white space; no empty parts. */
static void split_spaces(jinja_run *run, jinja_value *list, const jinja_string *s, int64_t most)
{
    int64_t capacity = 0;
    const char *at = s->bytes, *end = at + s->length;
    while (run->status == WEFT_OK) {
        int bytes;
        while (at < end && (bytes = weft_space_at(at, end)) > 0)
            at += bytes;
        if (at == end)
            return;
        const char *stop = at;
        if (most >= 0 && list->as.sequence->count == most) {
            stop = end;
        } else {
            uint32_t point;
            while (stop < end && weft_space_at(stop, end) == 0)
                stop += weft_point_at(stop, end, &point);
        }
        add_part(run, list, &capacity, at, stop);
        at = stop;
    }
}

static void rsplit_spaces(jinja_run *run, jinja_value *list, const jinja_string *s, int64_t most)
{
    int64_t capacity = 0;
    const char *begin = s->bytes, *end = begin + s->length;
    while (run->status == WEFT_OK) {
        int bytes;
        while (end > begin && (bytes = weft_space_before(begin, end)) > 0)
            end -= bytes;
        if (end == begin)
            break;
        const char *start = end;
        if (list->as.sequence->count == most)
            start = begin;
        while (start > begin && weft_space_before(begin, start) == 0)
            start--;
        add_part(run, list, &capacity, start, end);
        end = start;
    }
    if (run->status == WEFT_OK)
        turn(*list);
}

/* split (which 0), rsplit (1) */
static jinja_value split(jinja_run *run, row *method, jinja_value self, given *arguments)
{
    const jinja_string *s = self.as.string;
    int64_t most = -1, capacity = 0;
    weft_jinja_whole(arguments->items[1], &most);
    jinja_value list = weft_jinja_sequence(run, JINJA_LIST, 0);
    if (run->status != WEFT_OK || !weft_jinja_work(run, s->length / 64))
        return list;
    if (arguments->items[0].kind <= JINJA_NONE) {
        (method->which ? rsplit_spaces : split_spaces)(run, &list, s, most);
        return list;
    }
    const jinja_string *by = string_argument(run, method, arguments->items[0]);
    if (!by || by->length == 0)
        return weft_jinja_fail(run, "%s: empty separator", method->name);
    const char *at = s->bytes, *end = at + s->length, *match;
    while (run->status == WEFT_OK && most != 0 &&
           (match = method->which ? last_match(at, end, by) : next_match(at, end, by)) != NULL) {
        add_part(run, &list, &capacity, method->which ? match + by->length : at, method->which ? end : match);
        if (method->which)
            end = match;
        else
            at = match + by->length;
        most -= most > 0;
    }
    add_part(run, &list, &capacity, at, end);
    if (method->which && run->status == WEFT_OK)
        turn(list);
    return list;
}

static jinja_value splitlines(jinja_run *run, row *method, jinja_value self, given *arguments)
{
    const char *at = self.as.string->bytes, *end = at + self.as.string->length, *line = at;
    jinja_value list = weft_jinja_sequence(run, JINJA_LIST, 0);
    int64_t capacity = 0;
    bool keep = weft_jinja_truth(arguments->items[0]);
    (void)method;
    while (at < end && run->status == WEFT_OK) {
        uint32_t point;
        const char *next = at + weft_point_at(at, end, &point);
        if (point == '\r' && next < end && *next == '\n')
            next++;
        bool breaks = (point >= 0x0A && point <= 0x0D) || (point >= 0x1C && point <= 0x1E) || point == 0x85 || point == 0x2028 ||
                      point == 0x2029;
        if (breaks) {
            add_part(run, &list, &capacity, line, keep ? next : at);
            line = next;
        }
        at = next;
    }
    if (line < end)
        add_part(run, &list, &capacity, line, end);
    return list;
}

/* partition (which 0), rpartition (1) */
static jinja_value partition(jinja_run *run, row *method, jinja_value self, given *arguments)
{
    const jinja_string *s = self.as.string, *by = string_argument(run, method, arguments->items[0]);
    jinja_value parts = weft_jinja_sequence(run, JINJA_TUPLE, 3);
    if (run->status != WEFT_OK || by->length == 0)
        return weft_jinja_fail(run, "%s: empty separator", method->name);
    const char *begin = s->bytes, *end = begin + s->length;
    const char *match = method->which ? last_match(begin, end, by) : next_match(begin, end, by);
    const char *cuts[4] = {begin,
                           match           ? match
                           : method->which ? begin
                                           : end,
                           match           ? match + by->length
                           : method->which ? begin
                                           : end,
                           end};
    for (int i = 0; i < 3 && run->status == WEFT_OK; i++)
        parts.as.sequence->items[i] = weft_jinja_bytes(run, cuts[i], (size_t)(cuts[i + 1] - cuts[i]));
    return parts;
}

static jinja_value join(jinja_run *run, row *method, jinja_value self, given *arguments)
{
    int64_t n;
    const jinja_value *items = weft_jinja_iterate(run, arguments->items[0], &n);
    weft_text out = {0};
    for (int64_t i = 0; i < n && run->status == WEFT_OK; i++) {
        if (!string_argument(run, method, items[i]))
            break;
        if (i)
            weft_jinja_str(run, self, &out);
        weft_jinja_str(run, items[i], &out);
    }
    return weft_jinja_from_text(run, &out);
}

const jinja_function weft_jinja_string_methods[] = {
    {"capitalize", "", 0, change_case, CASE_CAPITAL},
    {"casefold", "", 0, change_case, CASE_LOWER},
    {"center", "width fillchar", 0, justify, SIDE_LEFT | SIDE_RIGHT},
    {"count", "sub", 1, count, 0},
    {"endswith", "suffix", 1, has_edge, 1},
    {"find", "sub start end", 1, find, 0},
    {"format", "*", 0, weft_jinja_format, 0},
    {"index", "sub start end", 1, find, FIND_MUST},
    {"isalnum", "", 0, all, ALL_ALNUM},
    {"isalpha", "", 0, all, ALL_ALPHA},
    {"isascii", "", 0, all, ALL_ASCII},
    {"isdecimal", "", 0, all, ALL_DIGIT},
    {"isdigit", "", 0, all, ALL_DIGIT},
    {"islower", "", 0, all, ALL_LOWER},
    {"isnumeric", "", 0, all, ALL_NUMERIC},
    {"isspace", "", 0, all, ALL_SPACE},
    {"istitle", "", 0, all, ALL_TITLE},
    {"isupper", "", 0, all, ALL_UPPER},
    {"join", "iterable", 1, join, 0},
    {"ljust", "width fillchar", 1, justify, SIDE_LEFT},
    {"lower", "", 0, change_case, CASE_LOWER},
    {"lstrip", "chars", 0, strip, SIDE_LEFT},
    {"partition", "sep", 1, partition, 0},
    {"removeprefix", "prefix", 1, remove_edge, 0},
    {"removesuffix", "suffix", 1, remove_edge, 1},
    {"replace", "old new count", 2, replace, 0},
    {"rfind", "sub start end", 1, find, FIND_LAST},
    {"rindex", "sub start end", 1, find, FIND_LAST | FIND_MUST},
    {"rjust", "width fillchar", 1, justify, SIDE_RIGHT},
    {"rpartition", "sep", 1, partition, 1},
    {"rsplit", "sep maxsplit", 0, split, 1},
    {"rstrip", "chars", 0, strip, SIDE_RIGHT},
    {"split", "sep maxsplit", 0, split, 0},
    {"splitlines", "keepends", 0, splitlines, 0},
    {"startswith", "prefix", 1, has_edge, 0},
    {"strip", "chars", 0, strip, SIDE_LEFT | SIDE_RIGHT},
    {"swapcase", "", 0, change_case, CASE_SWAP},
    {"title", "", 0, change_case, CASE_TITLE},
    {"upper", "", 0, change_case, CASE_UPPER},
    {"zfill", "width", 1, zfill, 0},
    {0},
};
