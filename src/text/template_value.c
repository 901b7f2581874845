/* Template values: making them, comparing them, reading their items. */
#include "text/template_inner.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "text/template_letters.h"

#define INDEXED_FROM 12 /* smaller dicts are searched from the front */

const jinja_value weft_jinja_none = {.kind = JINJA_NONE}, weft_jinja_undefined = {.kind = JINJA_UNDEFINED};

/* ---- What a run may take. ---- */

jinja_value weft_jinja_fail(jinja_run *run, const char *format, ...)
{
    if (run->status == WEFT_OK) {
        char what[512];
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(what, sizeof what, format, arguments);
        va_end(arguments);
        run->status = weft_fail(WEFT_ERROR_FORMAT, "%s, line %d: %s", run->name, run->line, what);
    }
    return weft_jinja_undefined;
}

bool weft_jinja_work(jinja_run *run, size_t steps)
{
    if (run->status != WEFT_OK)
        return false;
    if (steps > (size_t)(run->limits->steps - run->steps)) {
        weft_jinja_fail(run, "the template takes more than %lld steps: does it loop without end?", (long long)run->limits->steps);
        return false;
    }
    run->steps += (int64_t)steps;
    if (run->out && run->out->length > run->limits->output) {
        weft_jinja_fail(run, "the template writes more than %zu bytes", run->limits->output);
        return false;
    }
    return true;
}

void *weft_jinja_get(jinja_run *run, size_t count, size_t size)
{
    size_t bytes;
    if (run->status != WEFT_OK)
        return NULL;
    if (__builtin_mul_overflow(count, size, &bytes) || bytes > run->limits->memory - run->memory) {
        weft_jinja_fail(run, "the template takes more than %zu MB of memory", run->limits->memory >> 20);
        return NULL;
    }
    run->memory += bytes + 16;
    if (run->memory > run->limits->memory)
        run->memory = run->limits->memory;
    void *got = weft_jinja_work(run, bytes / 256) ? weft_arena_get(&run->arena, bytes ? bytes : 1) : NULL;
    if (!got && run->status == WEFT_OK)
        run->status = weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", run->name);
    return got;
}

bool weft_jinja_deeper(jinja_run *run)
{
    if (++run->depth > JINJA_DEEPEST_RUN)
        weft_jinja_fail(run, "recursion deeper than %d levels", JINJA_DEEPEST_RUN);
    if (run->status == WEFT_OK)
        return true;
    run->depth--;
    return false;
}

/* ---- Making values. ---- */

jinja_value weft_jinja_bool(bool truth)
{
    return (jinja_value){JINJA_BOOL, {.truth = truth}};
}

jinja_value weft_jinja_integer(int64_t integer)
{
    return (jinja_value){JINJA_INTEGER, {.integer = integer}};
}

jinja_value weft_jinja_float(double number)
{
    return (jinja_value){JINJA_FLOAT, {.number = number}};
}

jinja_value weft_jinja_bytes(jinja_run *run, const char *bytes, size_t length)
{
    jinja_string *string = weft_jinja_get(run, 1, sizeof *string);
    char *copy = weft_jinja_get(run, length + 1, 1);
    if (!string || !copy)
        return weft_jinja_undefined;
    if (length)
        memcpy(copy, bytes, length);
    *string = (jinja_string){copy, length, -1};
    return (jinja_value){JINJA_STRING, {.string = string}};
}

jinja_value weft_jinja_text(jinja_run *run, const char *text)
{
    return weft_jinja_bytes(run, text, strlen(text));
}

jinja_value weft_jinja_from_text(jinja_run *run, weft_text *text)
{
    if (text->failed && run->status == WEFT_OK)
        run->status = weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", run->name);
    jinja_value value = weft_jinja_bytes(run, text->data, text->length);
    weft_text_free(text);
    return value;
}

jinja_value weft_jinja_missing(jinja_run *run, const char *format, ...)
{
    char what[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    jinja_value value = weft_jinja_text(run, what);
    value.kind = JINJA_UNDEFINED;
    return value;
}

jinja_value weft_jinja_sequence(jinja_run *run, jinja_kind kind, int64_t count)
{
    jinja_sequence *sequence = weft_jinja_get(run, 1, sizeof *sequence);
    jinja_value *items = weft_jinja_get(run, (size_t)count, sizeof *items);
    if (!sequence || !items)
        return weft_jinja_undefined;
    *sequence = (jinja_sequence){.items = items, .count = count};
    return (jinja_value){kind, {.sequence = sequence}};
}

/* ---- Dicts. ---- */

jinja_value weft_jinja_dict(jinja_run *run, int64_t capacity)
{
    jinja_dict *dict = weft_jinja_get(run, 1, sizeof *dict);
    jinja_value *keys = weft_jinja_get(run, (size_t)capacity, sizeof *keys);
    jinja_value *values = weft_jinja_get(run, (size_t)capacity, sizeof *values);
    if (!dict || !keys || !values)
        return weft_jinja_undefined;
    *dict = (jinja_dict){.keys = keys, .values = values, .capacity = capacity};
    return (jinja_value){JINJA_DICT, {.dict = dict}};
}

/* Equal keys have equal hashes: numbers by value, strings by bytes; what is made of others all the same. */
static uint32_t hash(jinja_value key)
{
    double number;
    uint32_t h = 2166136261u;
    if (key.kind == JINJA_STRING) {
        for (size_t i = 0; i < key.as.string->length; i++)
            h = (h ^ (unsigned char)key.as.string->bytes[i]) * 16777619u;
    } else if (weft_jinja_number(key, &number)) {
        uint64_t bits;
        number = number == 0 ? 0 : number;
        memcpy(&bits, &number, sizeof bits);
        h ^= (uint32_t)(bits ^ bits >> 32) * 2654435769u;
    } else {
        h = (uint32_t)key.kind;
    }
    return h ^ h >> 15;
}

static void index_item(jinja_dict *dict, int64_t item)
{
    uint32_t slot = hash(dict->keys[item]) & dict->mask;
    while (dict->slots[slot])
        slot = (slot + 1) & dict->mask;
    dict->slots[slot] = (uint32_t)item + 1;
}

/* Makes the index, or makes it anew after the dict has grown. */
static void index_all(jinja_run *run, jinja_dict *dict)
{
    uint32_t size = 32;
    while (size < 4 * dict->count && size < 1u << 31)
        size *= 2;
    dict->slots = weft_jinja_get(run, size, sizeof *dict->slots);
    dict->mask = size - 1;
    for (int64_t i = 0; dict->slots && i < dict->count; i++)
        index_item(dict, i);
}

static int64_t find(jinja_run *run, jinja_dict *dict, jinja_value key)
{
    if (dict->count >= INDEXED_FROM && (!dict->slots || dict->mask < 2 * dict->count))
        index_all(run, dict);
    if (!dict->slots) {
        for (int64_t i = 0; i < dict->count; i++)
            if (weft_jinja_equal(run, dict->keys[i], key))
                return i;
        return -1;
    }
    for (uint32_t slot = hash(key) & dict->mask; dict->slots[slot]; slot = (slot + 1) & dict->mask)
        if (weft_jinja_equal(run, dict->keys[dict->slots[slot] - 1], key))
            return dict->slots[slot] - 1;
    return -1;
}

bool weft_jinja_dict_get(jinja_run *run, jinja_dict *dict, jinja_value key, jinja_value *out)
{
    int64_t item = find(run, dict, key);
    if (item >= 0)
        *out = dict->values[item];
    return item >= 0;
}

void weft_jinja_dict_set(jinja_run *run, jinja_dict *dict, jinja_value key, jinja_value value)
{
    if (key.kind == JINJA_LIST || key.kind == JINJA_DICT) {
        weft_jinja_fail(run, "a %s cannot be a dict's key", weft_jinja_type(key));
        return;
    }
    int64_t item = find(run, dict, key);
    if (item >= 0) {
        dict->values[item] = value;
        return;
    }
    if (dict->count == dict->capacity) {
        int64_t capacity = dict->capacity ? 2 * dict->capacity : 4;
        jinja_value *keys = weft_jinja_get(run, (size_t)capacity, sizeof *keys);
        jinja_value *values = weft_jinja_get(run, (size_t)capacity, sizeof *values);
        if (!keys || !values)
            return;
        if (dict->count) {
            memcpy(keys, dict->keys, (size_t)dict->count * sizeof *keys);
            memcpy(values, dict->values, (size_t)dict->count * sizeof *values);
        }
        dict->keys = keys;
        dict->values = values;
        dict->capacity = capacity;
    }
    dict->keys[dict->count] = key;
    dict->values[dict->count] = value;
    dict->count++;
    if (dict->slots)
        index_item(dict, dict->count - 1);
}

/* A document's depth is limited by its reader. */
jinja_value weft_jinja_from_json(jinja_run *run, weft_json_value json)
{
    int64_t n = weft_json_size(json);
    jinja_value value = weft_jinja_none;
    if (!json.node)
        return value;
    switch (weft_json_kind_of(json)) {
    case WEFT_JSON_NULL:
        break;
    case WEFT_JSON_BOOL:
        return weft_jinja_bool(weft_json_bool(json, false));
    case WEFT_JSON_INTEGER:
        return weft_jinja_integer(weft_json_integer(json, 0));
    case WEFT_JSON_NUMBER:
        return weft_jinja_float(weft_json_number(json, 0));
    case WEFT_JSON_STRING:
        return weft_jinja_text(run, weft_json_string(json, ""));
    case WEFT_JSON_LIST:
        value = weft_jinja_sequence(run, JINJA_LIST, n);
        for (int64_t i = 0; i < n && run->status == WEFT_OK; i++)
            value.as.sequence->items[i] = weft_jinja_from_json(run, weft_json_item(json, i));
        break;
    case WEFT_JSON_OBJECT:
        value = weft_jinja_dict(run, n);
        for (int64_t i = 0; i < n && run->status == WEFT_OK; i++) { /* the reader has refused duplicates */
            weft_json_value item;
            const char *key = weft_json_key(json, i, &item);
            value.as.dict->keys[i] = weft_jinja_text(run, key);
            value.as.dict->values[i] = weft_jinja_from_json(run, item);
            value.as.dict->count = i + 1;
        }
        break;
    }
    return value;
}

/* ---- What values are. ---- */

bool weft_jinja_is_sequence(jinja_value value)
{
    return value.kind == JINJA_LIST || value.kind == JINJA_TUPLE || value.kind == JINJA_RANGE;
}

bool weft_jinja_truth(jinja_value value)
{
    switch (value.kind) {
    case JINJA_UNDEFINED:
    case JINJA_NONE:
        return false;
    case JINJA_BOOL:
        return value.as.truth;
    case JINJA_INTEGER:
        return value.as.integer != 0;
    case JINJA_FLOAT:
        return value.as.number != 0;
    case JINJA_STRING:
        return value.as.string->length != 0;
    case JINJA_LIST:
    case JINJA_TUPLE:
    case JINJA_RANGE:
    case JINJA_VIEW:
        return value.as.sequence->count != 0;
    case JINJA_DICT:
        return value.as.dict->count != 0;
    default:
        return true;
    }
}

bool weft_jinja_whole(jinja_value value, int64_t *out)
{
    if (value.kind == JINJA_INTEGER)
        *out = value.as.integer;
    else if (value.kind == JINJA_BOOL)
        *out = value.as.truth;
    else
        return false;
    return true;
}

bool weft_jinja_number(jinja_value value, double *out)
{
    int64_t whole = 0;
    bool is_whole = weft_jinja_whole(value, &whole);
    *out = value.kind == JINJA_FLOAT ? value.as.number : (double)whole;
    return is_whole || value.kind == JINJA_FLOAT;
}

const char *weft_jinja_type(jinja_value value)
{
    static const char *const names[] = {
        [JINJA_UNDEFINED] = "Undefined", [JINJA_NONE] = "NoneType",  [JINJA_BOOL] = "bool",   [JINJA_INTEGER] = "int",
        [JINJA_FLOAT] = "float",         [JINJA_STRING] = "str",     [JINJA_LIST] = "list",   [JINJA_TUPLE] = "tuple",
        [JINJA_RANGE] = "range",         [JINJA_VIEW] = "dict view", [JINJA_DICT] = "dict",   [JINJA_GENERATOR] = "generator",
        [JINJA_NAMESPACE] = "namespace", [JINJA_LOOP] = "loop",      [JINJA_MACRO] = "macro", [JINJA_FUNCTION] = "function",
        [JINJA_CYCLER] = "cycler",       [JINJA_JOINER] = "joiner"};
    return names[value.kind];
}

bool weft_jinja_same(const jinja_string *string, const char *text)
{
    return string->length == strlen(text) && memcmp(string->bytes, text, string->length) == 0;
}

int weft_jinja_use(const jinja_string *name)
{
    return weft_jinja_same(name, "varargs")  ? JINJA_USES_VARARGS
           : weft_jinja_same(name, "kwargs") ? JINJA_USES_KWARGS
           : weft_jinja_same(name, "caller") ? JINJA_USES_CALLER
                                             : 0;
}

int64_t weft_jinja_points(const jinja_string *string)
{
    int64_t points = 0;
    uint32_t point;
    for (const char *at = string->bytes, *end = at + string->length; at < end; points++)
        at += weft_point_at(at, end, &point);
    return points;
}

int64_t weft_jinja_length(jinja_run *run, jinja_value value)
{
    switch (value.kind) {
    case JINJA_UNDEFINED:
        return 0;
    case JINJA_STRING:
        weft_jinja_work(run, value.as.string->length / 64);
        return weft_jinja_points(value.as.string);
    case JINJA_LIST:
    case JINJA_TUPLE:
    case JINJA_RANGE:
    case JINJA_VIEW:
        return value.as.sequence->count;
    case JINJA_DICT:
        return value.as.dict->count;
    case JINJA_LOOP:
        return value.as.loop->count;
    default:
        weft_jinja_fail(run, "a %s has no length", weft_jinja_type(value));
        return 0;
    }
}

/* ---- Comparing. ---- */

static bool equal_dicts(jinja_run *run, jinja_dict *a, jinja_dict *b)
{
    jinja_value other;
    bool equal = a->count == b->count;
    for (int64_t i = 0; equal && i < a->count && run->status == WEFT_OK; i++)
        equal = weft_jinja_dict_get(run, b, a->keys[i], &other) && weft_jinja_equal(run, a->values[i], other);
    return equal;
}

bool weft_jinja_equal(jinja_run *run, jinja_value a, jinja_value b)
{
    int64_t i, j;
    double x, y;
    if (!weft_jinja_work(run, 1))
        return false;
    if (weft_jinja_whole(a, &i) && weft_jinja_whole(b, &j))
        return i == j;
    if (weft_jinja_number(a, &x) && weft_jinja_number(b, &y))
        return x == y;
    if (a.kind != b.kind)
        return false;
    switch (a.kind) {
    case JINJA_STRING:
        return a.as.string->length == b.as.string->length && weft_jinja_work(run, a.as.string->length / 256) &&
               memcmp(a.as.string->bytes, b.as.string->bytes, a.as.string->length) == 0;
    case JINJA_LIST:
    case JINJA_TUPLE:
    case JINJA_RANGE:
    case JINJA_VIEW: {
        bool equal = a.as.sequence->count == b.as.sequence->count;
        if (!equal || a.as.sequence == b.as.sequence || !weft_jinja_deeper(run))
            return equal;
        for (int64_t k = 0; equal && k < a.as.sequence->count && run->status == WEFT_OK; k++)
            equal = weft_jinja_equal(run, a.as.sequence->items[k], b.as.sequence->items[k]);
        run->depth--;
        return equal;
    }
    case JINJA_DICT: {
        if (a.as.dict == b.as.dict || !weft_jinja_deeper(run))
            return true;
        bool equal = equal_dicts(run, a.as.dict, b.as.dict);
        run->depth--;
        return equal;
    }
    case JINJA_UNDEFINED:
    case JINJA_NONE:
        return true;
    default:
        return a.as.sequence == b.as.sequence; /* the same object */
    }
}

int weft_jinja_order(jinja_run *run, jinja_value a, jinja_value b, const char *operation)
{
    double x, y;
    int64_t i, j;
    if (!weft_jinja_work(run, 1))
        return 0;
    if (weft_jinja_whole(a, &i) && weft_jinja_whole(b, &j))
        return (i > j) - (i < j);
    if (weft_jinja_number(a, &x) && weft_jinja_number(b, &y))
        return (x > y) - (x < y);
    if (a.kind == JINJA_STRING && b.kind == JINJA_STRING) { /* UTF-8 sorts as its code points do */
        const jinja_string *s = a.as.string, *t = b.as.string;
        size_t shorter = s->length < t->length ? s->length : t->length;
        int order = weft_jinja_work(run, shorter / 256) && shorter ? memcmp(s->bytes, t->bytes, shorter) : 0;
        return order ? order : (s->length > t->length) - (s->length < t->length);
    }
    if (a.kind == b.kind && (a.kind == JINJA_LIST || a.kind == JINJA_TUPLE)) {
        const jinja_sequence *s = a.as.sequence, *t = b.as.sequence;
        int order = 0;
        if (!weft_jinja_deeper(run))
            return 0;
        int64_t k = 0;
        while (k < s->count && k < t->count && weft_jinja_equal(run, s->items[k], t->items[k]) && run->status == WEFT_OK)
            k++;
        if (k < s->count && k < t->count)
            order = weft_jinja_order(run, s->items[k], t->items[k], operation);
        else
            order = (s->count > t->count) - (s->count < t->count);
        run->depth--;
        return order;
    }
    if (a.kind == JINJA_UNDEFINED || b.kind == JINJA_UNDEFINED) {
        const jinja_string *said = a.kind == JINJA_UNDEFINED ? a.as.string : b.as.string;
        weft_jinja_fail(run, "%.200s", said ? said->bytes : "a value is undefined");
    } else {
        weft_jinja_fail(run, "'%s' not supported between instances of '%s' and '%s'", operation, weft_jinja_type(a),
                        weft_jinja_type(b));
    }
    return 0;
}

bool weft_jinja_contains(jinja_run *run, jinja_value container, jinja_value item)
{
    jinja_value ignored;
    if (container.kind == JINJA_STRING) {
        if (item.kind != JINJA_STRING) {
            weft_jinja_fail(run, "'in <string>' requires string as left operand, not %s", weft_jinja_type(item));
            return false;
        }
        const jinja_string *s = container.as.string, *t = item.as.string;
        return weft_jinja_work(run, s->length / 64) && (t->length == 0 || memmem(s->bytes, s->length, t->bytes, t->length));
    }
    if (container.kind == JINJA_DICT)
        return weft_jinja_dict_get(run, container.as.dict, item, &ignored);
    int64_t count;
    const jinja_value *items = weft_jinja_iterate(run, container, &count);
    for (int64_t i = 0; i < count && run->status == WEFT_OK; i++)
        if (weft_jinja_equal(run, items[i], item))
            return true;
    return false;
}

/* ---- Items. ---- */

static jinja_value *characters(jinja_run *run, const jinja_string *string, int64_t *count)
{
    *count = weft_jinja_points(string);
    jinja_value *items = weft_jinja_get(run, (size_t)*count, sizeof *items);
    const char *at = string->bytes, *end = at + string->length;
    for (int64_t i = 0; items && at < end && run->status == WEFT_OK; i++) {
        uint32_t point;
        int bytes = weft_point_at(at, end, &point);
        items[i] = weft_jinja_bytes(run, at, (size_t)bytes);
        at += bytes;
    }
    return items;
}

jinja_value *weft_jinja_iterate(jinja_run *run, jinja_value value, int64_t *count)
{
    *count = 0;
    jinja_value *items = NULL;
    switch (value.kind) {
    case JINJA_UNDEFINED:
        return NULL;
    case JINJA_STRING:
        items = characters(run, value.as.string, count);
        break;
    case JINJA_LIST:
    case JINJA_TUPLE:
    case JINJA_RANGE:
    case JINJA_VIEW:
        *count = value.as.sequence->count;
        items = value.as.sequence->items;
        break;
    case JINJA_GENERATOR:
        *count = value.as.sequence->read ? 0 : value.as.sequence->count;
        items = value.as.sequence->items;
        value.as.sequence->read = true;
        break;
    case JINJA_DICT:
        *count = value.as.dict->count;
        items = value.as.dict->keys;
        break;
    default:
        weft_jinja_fail(run, "'%s' object is not iterable", weft_jinja_type(value));
    }
    if (!weft_jinja_work(run, (size_t)*count / 16))
        *count = 0;
    return items;
}
