/* JSON reading: jansson checks and parses; the tree is then laid out in three blocks, so that items and keys are reached
 * by number or by name at once, from any thread. */
#include "base/json.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/files.h"

#define LARGEST_FILE  (256u << 20)
#define MOST_VALUES   (16 << 20) /* bounds memory: a value takes about 100 bytes while parsing, and may be two bytes of text */
#define DEEPEST       512
#define INDEXED_FROM  8 /* smaller objects are searched from the front */
#define LARGEST_INT64 "9223372036854775807"

typedef struct node {
    weft_json_kind kind;
    bool truth;
    union {
        int64_t integer;
        double number;
        struct {
            const char *string;
            size_t length;
        };
        int64_t size; /* list, object */
    } as;
    struct node *items;
    const char **keys; /* objects: [size] */
    uint32_t *slots;   /* objects of INDEXED_FROM and more: hash table of item numbers + 1 */
    uint32_t mask;
} node;

struct weft_json {
    node *nodes; /* nodes[0] is the root */
    const char **keys;
    uint32_t *slots;
    char *bytes;
};

/* What the layout needs, then where the next of each goes. */
typedef struct extent {
    size_t nodes, keys, slots, bytes;
} extent;

static uint32_t slot_count(size_t size)
{
    uint32_t count = 16;
    while (count < size * 2)
        count *= 2;
    return size < INDEXED_FROM ? 0 : count;
}

static uint32_t hash_key(const char *key)
{
    uint32_t hash = 2166136261u; /* FNV-1a, with a last mix as the low bits choose the slot */
    for (const unsigned char *c = (const unsigned char *)key; *c; c++)
        hash = (hash ^ *c) * 16777619u;
    return hash ^ hash >> 15;
}

static void measure(json_t *value, extent *need)
{
    need->nodes++;
    if (json_is_string(value)) {
        need->bytes += json_string_length(value) + 1;
    } else if (json_is_array(value)) {
        for (size_t i = 0; i < json_array_size(value); i++)
            measure(json_array_get(value, i), need);
    } else if (json_is_object(value)) {
        need->keys += json_object_size(value);
        need->slots += slot_count(json_object_size(value));
        const char *key;
        json_t *item;
        json_object_foreach(value, key, item)
        {
            need->bytes += strlen(key) + 1;
            measure(item, need);
        }
    }
}

static const char *keep(weft_json *json, const char *text, size_t length, extent *at)
{
    char *copy = json->bytes + at->bytes;
    memcpy(copy, text, length + 1);
    at->bytes += length + 1;
    return copy;
}

static void lay_out(weft_json *json, json_t *value, node *out, extent *at)
{
    *out = (node){.kind = WEFT_JSON_NULL};
    switch (json_typeof(value)) {
    case JSON_NULL:
        break;
    case JSON_TRUE:
    case JSON_FALSE:
        out->kind = WEFT_JSON_BOOL;
        out->truth = json_is_true(value);
        break;
    case JSON_INTEGER:
        out->kind = WEFT_JSON_INTEGER;
        out->as.integer = json_integer_value(value);
        break;
    case JSON_REAL:
        out->kind = WEFT_JSON_NUMBER;
        out->as.number = json_real_value(value);
        break;
    case JSON_STRING:
        out->kind = WEFT_JSON_STRING;
        out->as.length = json_string_length(value);
        out->as.string = keep(json, json_string_value(value), out->as.length, at);
        break;
    case JSON_ARRAY:
        out->kind = WEFT_JSON_LIST;
        out->as.size = (int64_t)json_array_size(value);
        out->items = json->nodes + at->nodes;
        at->nodes += json_array_size(value);
        for (size_t i = 0; i < json_array_size(value); i++)
            lay_out(json, json_array_get(value, i), out->items + i, at);
        break;
    case JSON_OBJECT:
        out->kind = WEFT_JSON_OBJECT;
        out->as.size = (int64_t)json_object_size(value);
        out->items = json->nodes + at->nodes;
        out->keys = json->keys + at->keys;
        out->slots = json->slots + at->slots;
        at->nodes += json_object_size(value);
        at->keys += json_object_size(value);
        uint32_t slots = slot_count(json_object_size(value));
        at->slots += slots;
        out->mask = slots - 1;
        const char *key;
        json_t *item;
        uint32_t i = 0;
        json_object_foreach(value, key, item)
        {
            out->keys[i] = keep(json, key, strlen(key), at);
            lay_out(json, item, out->items + i, at);
            if (slots) {
                uint32_t slot = hash_key(key) & out->mask;
                while (out->slots[slot])
                    slot = (slot + 1) & out->mask;
                out->slots[slot] = i + 1;
            }
            i++;
        }
        break;
    }
}

/* jansson refuses integers beyond 64 bits, which real files hold (a "no limit" of 10^30): those get ".0" and are read as
 * numbers. This pass finds them, and refuses what would take too much memory or stack to parse. */
typedef struct survey {
    size_t values, depth, wide;
    const char *wide_end[32]; /* the ends of such integers */
} survey;

static bool exceeds_int64(const char *digits, size_t count, bool negative)
{
    while (count > 1 && *digits == '0')
        digits++, count--;
    if (count != 19)
        return count > 19;
    return memcmp(digits, negative ? "9223372036854775808" : LARGEST_INT64, 19) > 0;
}

static void look_over(const char *text, size_t size, survey *out)
{
    *out = (survey){0};
    size_t depth = 0;
    const char *end = text + size;
    for (const char *c = text; c < end;) {
        if (*c == '"') {
            for (c++; c < end && *c != '"'; c++)
                c += *c == '\\' && c + 1 < end;
            c += c < end;
            continue;
        }
        if (*c >= '0' && *c <= '9') {
            const char *digits = c;
            while (c < end && *c >= '0' && *c <= '9')
                c++;
            bool whole = c == end || !(*c == '.' || *c == 'e' || *c == 'E');
            if (whole && c - digits >= 19 && exceeds_int64(digits, (size_t)(c - digits), digits > text && digits[-1] == '-') &&
                out->wide < sizeof out->wide_end / sizeof *out->wide_end)
                out->wide_end[out->wide++] = c;
            while (c < end && ((*c >= '0' && *c <= '9') || *c == '.' || *c == 'e' || *c == 'E' || *c == '+' || *c == '-'))
                c++;
            continue;
        }
        if (*c == '[' || *c == '{') {
            depth++;
            if (depth > out->depth)
                out->depth = depth;
            out->values++;
        } else if (*c == ']' || *c == '}') {
            depth -= depth > 0;
        } else {
            out->values += *c == ',';
        }
        c++;
    }
}

/* The parser has just read the key that is there twice: it ends at the last quote before `end`. */
static weft_status repeated_key(const char *text, size_t end, const char *name, const json_error_t *error)
{
    enum { SHOWN = 160 };
    while (end > 0 && text[end - 1] != '"')
        end--;
    size_t begin = end > 0 ? end - 1 : 0;
    while (begin > 0 && (text[begin - 1] != '"' || (begin > 1 && text[begin - 2] == '\\')))
        begin--;
    const size_t length = end > begin + 1 ? end - 1 - begin : 0;
    return weft_fail(WEFT_ERROR_FORMAT, "%s: line %d column %d: \"%.*s\" is there twice", name, error->line, error->column,
                     (int)(length < SHOWN ? length : SHOWN), text + begin);
}

static json_t *parse_text(const char *text, size_t size, bool zeros, const survey *seen, json_error_t *error)
{
    size_t flags = JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | (zeros ? JSON_ALLOW_NUL : 0);
    if (seen->wide == 0)
        return json_loadb(text, size, flags, error);
    weft_text copy = {0};
    const char *from = text;
    for (size_t i = 0; i < seen->wide; from = seen->wide_end[i++]) {
        weft_text_bytes(&copy, from, (size_t)(seen->wide_end[i] - from));
        weft_text_bytes(&copy, ".0", 2);
    }
    weft_text_bytes(&copy, from, (size_t)(text + size - from));
    json_t *tree = NULL;
    if (!copy.failed)
        tree = json_loadb(copy.data, copy.length, flags, error);
    weft_text_free(&copy);
    return tree;
}

static weft_status parse(const char *text, size_t size, const char *name, bool zeros, weft_json **out)
{
    *out = NULL;
    if (size >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0)
        text += 3, size -= 3;
    const char *zero = size ? memchr(text, 0, size) : NULL; /* jansson passes over it after a number */
    if (zero) {
        int line = 1;
        for (const char *c = text; c < zero; c++)
            line += *c == '\n';
        return weft_fail(WEFT_ERROR_FORMAT, "%s: line %d: a zero byte, expected JSON text in UTF-8", name, line);
    }
    survey seen;
    look_over(text, size, &seen);
    if (seen.depth > DEEPEST)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: nested %zu deep, at most %d is read", name, seen.depth, DEEPEST);
    if (seen.values > MOST_VALUES)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: holds %zu values or more, at most %d are read", name, seen.values, MOST_VALUES);
    json_error_t error = {.line = -1};
    json_t *tree = parse_text(text, size, zeros, &seen, &error);
    if (!tree) {
        if (error.line < 0)
            return weft_fail(WEFT_ERROR_MEMORY, "%s: cannot allocate a copy of %zu bytes", name, size);
        weft_status status = json_error_code(&error) == json_error_out_of_memory ? WEFT_ERROR_MEMORY : WEFT_ERROR_FORMAT;
        if (json_error_code(&error) == json_error_duplicate_key && seen.wide == 0 && error.position > 0 &&
            (size_t)error.position <= size)
            return repeated_key(text, (size_t)error.position, name, &error);
        return weft_fail(status, "%s: line %d column %d: %s", name, error.line, error.column,
                         json_error_code(&error) == json_error_null_character ? "a text with a zero character, \\u0000"
                                                                              : error.text);
    }
    extent need = {0}, at = {.nodes = 1};
    measure(tree, &need);
    weft_json *json = calloc(1, sizeof *json);
    if (json) {
        json->nodes = malloc(need.nodes * sizeof *json->nodes);
        json->keys = malloc((need.keys + 1) * sizeof *json->keys);
        json->slots = calloc(need.slots + 1, sizeof *json->slots);
        json->bytes = malloc(need.bytes + 1);
    }
    if (!json || !json->nodes || !json->keys || !json->slots || !json->bytes) {
        json_decref(tree);
        weft_json_free(json);
        return weft_fail(WEFT_ERROR_MEMORY, "%s: cannot allocate its %zu values", name, need.nodes);
    }
    lay_out(json, tree, json->nodes, &at);
    json_decref(tree);
    *out = json;
    return WEFT_OK;
}

weft_status weft_json_parse(const char *text, size_t size, const char *name, weft_json **out)
{
    return parse(text, size, name, false, out);
}

weft_status weft_json_parse_zeros(const char *text, size_t size, const char *name, weft_json **out)
{
    return parse(text, size, name, true, out);
}

weft_status weft_json_read(const char *path, weft_json **out)
{
    *out = NULL;
    char *text;
    size_t size;
    weft_status status = weft_file_read(path, LARGEST_FILE, &text, &size);
    if (status != WEFT_OK)
        return status;
    status = weft_json_parse(text, size, path, out);
    free(text);
    return status;
}

void weft_json_free(weft_json *json)
{
    if (!json)
        return;
    free(json->nodes);
    free(json->keys);
    free(json->slots);
    free(json->bytes);
    free(json);
}

weft_json_value weft_json_root(const weft_json *json)
{
    return (weft_json_value){json ? json->nodes : NULL};
}

static const node *node_of(weft_json_value value, weft_json_kind kind)
{
    const node *n = value.node;
    return n && n->kind == kind ? n : NULL;
}

bool weft_json_present(weft_json_value value)
{
    return value.node && weft_json_kind_of(value) != WEFT_JSON_NULL;
}

weft_json_kind weft_json_kind_of(weft_json_value value)
{
    return value.node ? ((const node *)value.node)->kind : WEFT_JSON_NULL;
}

weft_json_value weft_json_get(weft_json_value object, const char *key)
{
    const node *n = node_of(object, WEFT_JSON_OBJECT);
    if (n && n->as.size < INDEXED_FROM) {
        for (int64_t i = 0; i < n->as.size; i++)
            if (strcmp(n->keys[i], key) == 0)
                return (weft_json_value){n->items + i};
    } else if (n) {
        for (uint32_t slot = hash_key(key) & n->mask; n->slots[slot]; slot = (slot + 1) & n->mask)
            if (strcmp(n->keys[n->slots[slot] - 1], key) == 0)
                return (weft_json_value){n->items + (n->slots[slot] - 1)};
    }
    return (weft_json_value){NULL};
}

int64_t weft_json_size(weft_json_value value)
{
    weft_json_kind kind = weft_json_kind_of(value);
    return kind == WEFT_JSON_LIST || kind == WEFT_JSON_OBJECT ? ((const node *)value.node)->as.size : 0;
}

weft_json_value weft_json_item(weft_json_value list, int64_t i)
{
    const node *n = node_of(list, WEFT_JSON_LIST);
    return (weft_json_value){n && i >= 0 && i < n->as.size ? n->items + i : NULL};
}

const char *weft_json_key(weft_json_value object, int64_t i, weft_json_value *value)
{
    const node *n = node_of(object, WEFT_JSON_OBJECT);
    bool there = n && i >= 0 && i < n->as.size;
    if (value)
        *value = (weft_json_value){there ? n->items + i : NULL};
    return there ? n->keys[i] : NULL;
}

double weft_json_number(weft_json_value value, double otherwise)
{
    const node *n = node_of(value, WEFT_JSON_NUMBER);
    if (n)
        return n->as.number;
    n = node_of(value, WEFT_JSON_INTEGER);
    return n ? (double)n->as.integer : otherwise;
}

int64_t weft_json_integer(weft_json_value value, int64_t otherwise)
{
    const node *n = node_of(value, WEFT_JSON_INTEGER);
    if (n)
        return n->as.integer;
    n = node_of(value, WEFT_JSON_NUMBER); /* 4.0 is what some writers make of 4 */
    if (n && fabs(n->as.number) < 0x1p53 && n->as.number == floor(n->as.number))
        return (int64_t)n->as.number;
    return otherwise;
}

bool weft_json_bool(weft_json_value value, bool otherwise)
{
    const node *n = node_of(value, WEFT_JSON_BOOL);
    return n ? n->truth : otherwise;
}

const char *weft_json_string(weft_json_value value, const char *otherwise)
{
    const node *n = node_of(value, WEFT_JSON_STRING);
    return n ? n->as.string : otherwise;
}

const char *weft_json_bytes(weft_json_value value, size_t *length)
{
    const node *n = node_of(value, WEFT_JSON_STRING);
    *length = n ? n->as.length : 0;
    return n ? n->as.string : NULL;
}
