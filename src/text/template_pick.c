/* Template filters that pick: by attribute, by test, through another filter. */
#include "text/template_pick.h"

#include <stdlib.h>
#include <string.h>

typedef const jinja_function row;
typedef const jinja_arguments given;

/* One step of a path: all digits are a place. */
static jinja_value step(jinja_run *run, jinja_value item, const char *part, size_t length)
{
    size_t digits = 0;
    while (digits < length && part[digits] >= '0' && part[digits] <= '9')
        digits++;
    if (length && digits == length && length < 18)
        return weft_jinja_item(run, item, weft_jinja_integer(strtoll(part, NULL, 10)));
    return weft_jinja_item(run, item, weft_jinja_bytes(run, part, length));
}

static jinja_value pick_path(jinja_run *run, jinja_value item, const char *path, size_t length)
{
    for (size_t at = 0; at <= length && run->status == WEFT_OK;) {
        const char *dot = memchr(path + at, '.', length - at);
        size_t part = dot ? (size_t)(dot - path) - at : length - at;
        item = step(run, item, path + at, part);
        at += part + 1;
    }
    return item;
}

jinja_value weft_jinja_pick(jinja_run *run, jinja_value item, jinja_value attribute)
{
    if (attribute.kind == JINJA_STRING)
        return pick_path(run, item, attribute.as.string->bytes, attribute.as.string->length);
    if (attribute.kind == JINJA_INTEGER)
        return weft_jinja_item(run, item, attribute);
    return weft_jinja_fail(run, "an attribute is a name or a number, not %s", weft_jinja_type(attribute));
}

static jinja_value without_case(jinja_run *run, jinja_value value, bool case_sensitive)
{
    const jinja_function *lower = weft_jinja_find(weft_jinja_string_methods, "lower", 5);
    if (case_sensitive || value.kind != JINJA_STRING || run->status != WEFT_OK)
        return value;
    return lower->call(run, lower, value, &(jinja_arguments){0});
}

jinja_value weft_jinja_pick_key(jinja_run *run, jinja_value item, jinja_value attribute, bool case_sensitive, bool several)
{
    if (attribute.kind <= JINJA_NONE)
        return without_case(run, item, case_sensitive);
    if (!several || attribute.kind != JINJA_STRING)
        return without_case(run, weft_jinja_pick(run, item, attribute), case_sensitive);
    int64_t count = 1;
    const char *path = attribute.as.string->bytes, *end = path + attribute.as.string->length;
    for (const char *at = path; at < end; at++)
        count += *at == ',';
    jinja_value key = weft_jinja_sequence(run, JINJA_LIST, count);
    for (int64_t i = 0; i < count && run->status == WEFT_OK; i++) {
        const char *comma = memchr(path, ',', (size_t)(end - path));
        size_t length = (size_t)((comma ? comma : end) - path);
        key.as.sequence->items[i] = without_case(run, pick_path(run, item, path, length), case_sensitive);
        path += length + 1;
    }
    return key;
}

/* The arguments from number `from` on. */
static jinja_arguments rest_of(given *arguments, int64_t from)
{
    jinja_arguments rest = *arguments;
    rest.items += from;
    rest.count -= from;
    return rest;
}

/* What is false has no items for these filters, whatever it is. */
static jinja_value *items_of(jinja_run *run, jinja_value value, int64_t *count)
{
    *count = 0;
    return weft_jinja_truth(value) ? weft_jinja_iterate(run, value, count) : NULL;
}

static jinja_value map(jinja_run *run, row *filter, jinja_value self, given *arguments)
{
    jinja_value attribute = weft_jinja_undefined, otherwise = weft_jinja_undefined;
    const jinja_function *through = NULL;
    bool replaced = false;
    for (int64_t i = 0; i < arguments->named_count && arguments->count == 0; i++) {
        if (weft_jinja_same(arguments->names[i], "attribute"))
            attribute = arguments->named[i];
        else if (weft_jinja_same(arguments->names[i], "default"))
            otherwise = arguments->named[i], replaced = true;
        else
            return weft_jinja_fail(run, "filter map: has no argument \"%.60s\"", arguments->names[i]->bytes);
    }
    if (arguments->count) {
        const jinja_value name = arguments->items[0];
        through = name.kind == JINJA_STRING ? weft_jinja_filter(name.as.string->bytes, name.as.string->length) : NULL;
        if (!through)
            return weft_jinja_fail(run, "filter map: no filter is called \"%.60s\"",
                                   name.kind == JINJA_STRING ? name.as.string->bytes : weft_jinja_type(name));
    } else if (attribute.kind == JINJA_UNDEFINED) {
        return weft_jinja_fail(run, "filter map: wants a filter's name or attribute=");
    }
    (void)filter;
    int64_t count;
    const jinja_value *items = items_of(run, self, &count);
    jinja_value list = weft_jinja_sequence(run, JINJA_GENERATOR, count);
    jinja_arguments rest = through ? rest_of(arguments, 1) : *arguments;
    if (!weft_jinja_deeper(run))
        return list;
    for (int64_t i = 0; i < count && run->status == WEFT_OK; i++) {
        jinja_value value =
            through ? weft_jinja_apply(run, through, "filter", items[i], &rest) : weft_jinja_pick(run, items[i], attribute);
        list.as.sequence->items[i] = replaced && value.kind == JINJA_UNDEFINED ? otherwise : value;
    }
    run->depth--;
    return list;
}

enum { PICK_REJECT = 1, PICK_ATTRIBUTE = 2 };

/* select, reject, selectattr, rejectattr */
static jinja_value pick(jinja_run *run, row *filter, jinja_value self, given *arguments)
{
    int64_t count, kept = 0, at = filter->which & PICK_ATTRIBUTE ? 1 : 0;
    const jinja_function *test = NULL;
    if (arguments->count < at)
        return weft_jinja_fail(run, "filter %s: wants an attribute", filter->name);
    if (arguments->count > at) {
        const jinja_value name = arguments->items[at];
        test = name.kind == JINJA_STRING ? weft_jinja_test(name.as.string->bytes, name.as.string->length) : NULL;
        if (!test)
            return weft_jinja_fail(run, "filter %s: no test is called \"%.60s\"", filter->name,
                                   name.kind == JINJA_STRING ? name.as.string->bytes : weft_jinja_type(name));
    }
    jinja_arguments rest = test ? rest_of(arguments, at + 1) : *arguments;
    const jinja_value *items = items_of(run, self, &count);
    jinja_value list = weft_jinja_sequence(run, JINJA_GENERATOR, count);
    if (!weft_jinja_deeper(run))
        return list;
    for (int64_t i = 0; i < count && run->status == WEFT_OK; i++) {
        jinja_value value = at ? weft_jinja_pick(run, items[i], arguments->items[0]) : items[i];
        bool passes =
            run->status == WEFT_OK && weft_jinja_truth(test ? weft_jinja_apply(run, test, "test", value, &rest) : value);
        if (passes != ((filter->which & PICK_REJECT) != 0))
            list.as.sequence->items[kept++] = items[i];
    }
    run->depth--;
    if (run->status == WEFT_OK)
        list.as.sequence->count = kept;
    return list;
}

static jinja_value attr(jinja_run *run, row *filter, jinja_value self, given *arguments)
{
    (void)filter;
    jinja_value name = weft_jinja_string(run, arguments->items[0]);
    /* an attribute alone, not an item of that name */
    bool has = self.kind == JINJA_LOOP || self.kind == JINJA_NAMESPACE ||
               (run->status == WEFT_OK && weft_jinja_method(self, name.as.string->bytes, name.as.string->length));
    return has ? weft_jinja_attribute(run, self, name.as.string) : weft_jinja_undefined;
}

const jinja_function weft_jinja_pick_filters[] = {
    {"attr", "name", 1, attr, 0},
    {"map", "*", 0, map, 0},
    {"reject", "*", 0, pick, PICK_REJECT},
    {"rejectattr", "*", 0, pick, PICK_REJECT | PICK_ATTRIBUTE},
    {"select", "*", 0, pick, 0},
    {"selectattr", "*", 0, pick, PICK_ATTRIBUTE},
    {0},
};
