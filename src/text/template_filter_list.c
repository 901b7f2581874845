/* Template filters on lists and dicts that rearrange, measure or join. */
#include "text/template_inner.h"

#include <stdlib.h>
#include <string.h>

#include "text/template_pick.h"

typedef const jinja_function row;
typedef const jinja_arguments given;

static jinja_value length(jinja_run *run, row *filter, jinja_value self, given *arguments)
{
    (void)filter;
    (void)arguments;
    return weft_jinja_integer(weft_jinja_length(run, self));
}

static jinja_value listed(jinja_run *run, const jinja_value *items, int64_t count, jinja_kind kind)
{
    jinja_value list = weft_jinja_sequence(run, kind, count);
    if (run->status == WEFT_OK && count)
        memcpy(list.as.sequence->items, items, (size_t)count * sizeof *items);
    return list;
}

static jinja_value to_list(jinja_run *run, row *filter, jinja_value self, given *arguments)
{
    (void)filter;
    (void)arguments;
    int64_t count;
    const jinja_value *items = weft_jinja_iterate(run, self, &count);
    return listed(run, items, count, JINJA_LIST);
}

static jinja_value first(jinja_run *run, row *filter, jinja_value self, given *arguments)
{
    (void)filter;
    (void)arguments;
    int64_t count;
    const jinja_value *items = weft_jinja_iterate(run, self, &count);
    return count ? items[0] : weft_jinja_missing(run, "No first item, sequence was empty.");
}

static jinja_value last(jinja_run *run, row *filter, jinja_value self, given *arguments)
{
    (void)filter;
    (void)arguments;
    int64_t count;
    if (self.kind == JINJA_GENERATOR)
        return weft_jinja_fail(run, "filter last: 'generator' object is not reversible (put |list before it)");
    const jinja_value *items = weft_jinja_iterate(run, self, &count);
    return count ? items[count - 1] : weft_jinja_missing(run, "No last item, sequence was empty.");
}

static jinja_value reverse(jinja_run *run, row *filter, jinja_value self, given *arguments)
{
    (void)filter;
    (void)arguments;
    int64_t count;
    const jinja_value *items = weft_jinja_iterate(run, self, &count);
    if (self.kind == JINJA_STRING) {
        weft_text text = {0};
        for (int64_t i = count - 1; i >= 0 && run->status == WEFT_OK; i--)
            weft_jinja_str(run, items[i], &text);
        return weft_jinja_from_text(run, &text);
    }
    jinja_value list = weft_jinja_sequence(run, JINJA_GENERATOR, count);
    for (int64_t i = 0; i < count && run->status == WEFT_OK; i++)
        list.as.sequence->items[i] = items[count - 1 - i];
    return list;
}

static jinja_value join(jinja_run *run, row *filter, jinja_value self, given *arguments)
{
    (void)filter;
    int64_t count;
    const jinja_value *items = weft_jinja_iterate(run, self, &count), *a = arguments->items;
    weft_text text = {0};
    for (int64_t i = 0; i < count && run->status == WEFT_OK; i++) {
        if (i && a[0].kind != JINJA_UNDEFINED)
            weft_jinja_str(run, a[0], &text);
        weft_jinja_str(run, a[1].kind > JINJA_NONE ? weft_jinja_pick(run, items[i], a[1]) : items[i], &text);
    }
    return weft_jinja_from_text(run, &text);
}

static jinja_value otherwise(jinja_run *run, row *filter, jinja_value self, given *arguments)
{
    (void)filter;
    bool use = self.kind == JINJA_UNDEFINED || (weft_jinja_truth(arguments->items[1]) && !weft_jinja_truth(self));
    if (!use)
        return self;
    return arguments->items[0].kind == JINJA_UNDEFINED && !arguments->items[0].as.string ? weft_jinja_text(run, "")
                                                                                         : arguments->items[0];
}

static jinja_value items_of(jinja_run *run, row *filter, jinja_value self, given *arguments)
{
    (void)filter;
    (void)arguments;
    if (self.kind == JINJA_UNDEFINED)
        return weft_jinja_sequence(run, JINJA_GENERATOR, 0);
    if (self.kind != JINJA_DICT)
        return weft_jinja_fail(run, "Can only get item pairs from a mapping.");
    jinja_value pairs = weft_jinja_sequence(run, JINJA_GENERATOR, self.as.dict->count);
    for (int64_t i = 0; i < self.as.dict->count && run->status == WEFT_OK; i++)
        pairs.as.sequence->items[i] =
            listed(run, (jinja_value[]){self.as.dict->keys[i], self.as.dict->values[i]}, 2, JINJA_TUPLE);
    return pairs;
}

/* ---- Order. ---- */

/* A stable merge sort: order[i] are item numbers, keys [count]. */
static void sort_by(jinja_run *run, const jinja_value *keys, int64_t *order, int64_t *spare, int64_t count, bool reverse_order)
{
    for (int64_t width = 1; width < count; width *= 2) {
        for (int64_t from = 0; from < count; from += 2 * width) {
            int64_t middle = from + width < count ? from + width : count,
                    to = from + 2 * width < count ? from + 2 * width : count;
            int64_t i = from, j = middle;
            for (int64_t k = from; k < to; k++) {
                int sign = i < middle && j < to ? weft_jinja_order(run, keys[order[i]], keys[order[j]], "<") : 0;
                bool left = j >= to || (i < middle && (reverse_order ? sign >= 0 : sign <= 0));
                spare[k] = left ? order[i++] : order[j++];
            }
        }
        memcpy(order, spare, (size_t)count * sizeof *order);
        if (run->status != WEFT_OK)
            return;
    }
}

/* items sorted by keys, as a list. */
static jinja_value sorted(jinja_run *run, const jinja_value *items, const jinja_value *keys, int64_t count, bool reverse_order)
{
    int64_t *order = weft_jinja_get(run, (size_t)count, 2 * sizeof *order);
    jinja_value list = weft_jinja_sequence(run, JINJA_LIST, count);
    for (int64_t i = 0; i < count && run->status == WEFT_OK; i++)
        order[i] = i;
    if (run->status == WEFT_OK && count)
        sort_by(run, keys, order, order + count, count, reverse_order);
    for (int64_t i = 0; i < count && run->status == WEFT_OK; i++)
        list.as.sequence->items[i] = items[order[i]];
    return list;
}

/* What items are compared by (weft_jinja_pick_key). */
static jinja_value *keys_of(jinja_run *run, const jinja_value *items, int64_t count, jinja_value attribute, bool case_sensitive,
                            bool several)
{
    jinja_value *keys = weft_jinja_get(run, (size_t)count, sizeof *keys);
    for (int64_t i = 0; keys && i < count && run->status == WEFT_OK; i++)
        keys[i] = weft_jinja_pick_key(run, items[i], attribute, case_sensitive, several);
    return keys;
}

static jinja_value sort(jinja_run *run, row *filter, jinja_value self, given *arguments)
{
    (void)filter;
    int64_t count;
    const jinja_value *a = arguments->items, *items = weft_jinja_iterate(run, self, &count);
    const jinja_value *keys = keys_of(run, items, count, a[2], weft_jinja_truth(a[1]), true);
    return run->status == WEFT_OK ? sorted(run, items, keys, count, weft_jinja_truth(a[0])) : weft_jinja_undefined;
}

static jinja_value dictsort(jinja_run *run, row *filter, jinja_value self, given *arguments)
{
    const jinja_value *a = arguments->items;
    if (self.kind != JINJA_DICT)
        return weft_jinja_fail(run, "filter dictsort: wants a dict, not %s", weft_jinja_type(self));
    bool by_value = a[1].kind == JINJA_STRING && weft_jinja_same(a[1].as.string, "value");
    if (a[1].kind != JINJA_UNDEFINED && !by_value && !(a[1].kind == JINJA_STRING && weft_jinja_same(a[1].as.string, "key")))
        return weft_jinja_fail(run, "filter dictsort: You can only sort by either \"key\" or \"value\"");
    jinja_value pairs = items_of(run, filter, self, arguments);
    if (run->status != WEFT_OK)
        return pairs;
    int64_t count = pairs.as.sequence->count;
    const jinja_value *keys =
        keys_of(run, pairs.as.sequence->items, count, weft_jinja_integer(by_value), weft_jinja_truth(a[0]), false);
    return run->status == WEFT_OK ? sorted(run, pairs.as.sequence->items, keys, count, weft_jinja_truth(a[2])) : pairs;
}

static jinja_value unique(jinja_run *run, row *filter, jinja_value self, given *arguments)
{
    (void)filter;
    int64_t count, kept = 0;
    const jinja_value *a = arguments->items, *items = weft_jinja_iterate(run, self, &count);
    const jinja_value *keys = keys_of(run, items, count, a[1], weft_jinja_truth(a[0]), false);
    jinja_value list = weft_jinja_sequence(run, JINJA_GENERATOR, count), seen = weft_jinja_dict(run, 0), ignored;
    for (int64_t i = 0; i < count && run->status == WEFT_OK; i++) {
        if (weft_jinja_dict_get(run, seen.as.dict, keys[i], &ignored))
            continue;
        weft_jinja_dict_set(run, seen.as.dict, keys[i], weft_jinja_none);
        list.as.sequence->items[kept++] = items[i];
    }
    if (run->status == WEFT_OK)
        list.as.sequence->count = kept;
    return list;
}

/* min (which −1) and max (1): the first of equals. */
static jinja_value extreme(jinja_run *run, row *filter, jinja_value self, given *arguments)
{
    int64_t count, best = 0;
    const jinja_value *a = arguments->items, *items = weft_jinja_iterate(run, self, &count);
    const jinja_value *keys = keys_of(run, items, count, a[1], weft_jinja_truth(a[0]), false);
    for (int64_t i = 1; i < count && run->status == WEFT_OK; i++)
        if (weft_jinja_order(run, keys[i], keys[best], filter->which > 0 ? ">" : "<") * filter->which > 0)
            best = i;
    return count && run->status == WEFT_OK ? items[best] : weft_jinja_missing(run, "No aggregated item, sequence was empty.");
}

static jinja_value sum(jinja_run *run, row *filter, jinja_value self, given *arguments)
{
    (void)filter;
    int64_t count;
    const jinja_value *a = arguments->items, *items = weft_jinja_iterate(run, self, &count);
    jinja_value total = a[1].kind == JINJA_UNDEFINED ? weft_jinja_integer(0) : a[1];
    for (int64_t i = 0; i < count && run->status == WEFT_OK; i++)
        total =
            weft_jinja_binary(run, JINJA_ADD, total, a[0].kind > JINJA_NONE ? weft_jinja_pick(run, items[i], a[0]) : items[i]);
    return total;
}

/* ---- Parts. ---- */

static jinja_value batch(jinja_run *run, row *filter, jinja_value self, given *arguments)
{
    (void)filter;
    int64_t count, size;
    const jinja_value *a = arguments->items, *items = weft_jinja_iterate(run, self, &count);
    if (!weft_jinja_whole(a[0], &size) || size < 1)
        return weft_jinja_fail(run, "filter batch: the number of items in a line is at least 1");
    size = size > count && a[1].kind <= JINJA_NONE ? count + (count == 0) : size;
    int64_t lines = count / size + (count % size != 0);
    jinja_value list = weft_jinja_sequence(run, JINJA_GENERATOR, lines);
    for (int64_t i = 0; i < lines && run->status == WEFT_OK; i++) {
        int64_t from = i * size, have = count - from < size ? count - from : size;
        jinja_value line = weft_jinja_sequence(run, JINJA_LIST, a[1].kind > JINJA_NONE ? size : have);
        for (int64_t k = 0; run->status == WEFT_OK && k < line.as.sequence->count; k++)
            line.as.sequence->items[k] = k < have ? items[from + k] : a[1];
        list.as.sequence->items[i] = line;
    }
    return list;
}

static jinja_value slice(jinja_run *run, row *filter, jinja_value self, given *arguments)
{
    (void)filter;
    int64_t count, slices, at = 0;
    const jinja_value *a = arguments->items, *items = weft_jinja_iterate(run, self, &count);
    if (!weft_jinja_whole(a[0], &slices) || slices < 1)
        return weft_jinja_fail(run, "filter slice: the number of slices is at least 1");
    jinja_value list = weft_jinja_sequence(run, JINJA_GENERATOR, slices);
    for (int64_t i = 0; i < slices && run->status == WEFT_OK; i++) {
        int64_t have = count / slices + (i < count % slices);
        bool fill = a[1].kind > JINJA_NONE && i >= count % slices && count % slices != 0;
        jinja_value part = listed(run, items + at, have, JINJA_LIST);
        if (fill && run->status == WEFT_OK) {
            part = weft_jinja_sequence(run, JINJA_LIST, have + 1);
            for (int64_t k = 0; run->status == WEFT_OK && k <= have; k++)
                part.as.sequence->items[k] = k < have ? items[at + k] : a[1];
        }
        list.as.sequence->items[i] = part;
        at += have;
    }
    return list;
}

static jinja_value groupby(jinja_run *run, row *filter, jinja_value self, given *arguments)
{
    (void)filter;
    int64_t count, groups = 0;
    const jinja_value *a = arguments->items, *items = weft_jinja_iterate(run, self, &count);
    const jinja_value *keys = keys_of(run, items, count, a[0], weft_jinja_truth(a[1]), false);
    if (run->status != WEFT_OK)
        return weft_jinja_undefined;
    jinja_value order = sorted(run, items, keys, count, false), sorted_keys = sorted(run, keys, keys, count, false);
    jinja_value list = weft_jinja_sequence(run, JINJA_LIST, count);
    for (int64_t from = 0, to; from < count && run->status == WEFT_OK; from = to) {
        for (to = from + 1; to < count; to++)
            if (!weft_jinja_equal(run, sorted_keys.as.sequence->items[from], sorted_keys.as.sequence->items[to]))
                break;
        const jinja_value *own = order.as.sequence->items + from;
        jinja_value name = weft_jinja_pick(run, own[0], a[0]), members = listed(run, own, to - from, JINJA_LIST);
        jinja_value group = listed(run, (jinja_value[]){name, members}, 2, JINJA_TUPLE);
        if (run->status != WEFT_OK)
            break;
        group.as.sequence->shown = "group"; /* .grouper and .list */
        list.as.sequence->items[groups++] = group;
    }
    if (run->status == WEFT_OK)
        list.as.sequence->count = groups;
    return list;
}

const jinja_function weft_jinja_list_filters[] = {
    {"batch", "linecount fill_with", 1, batch, 0},
    {"count", "", 0, length, 0},
    {"d", "default_value boolean", 0, otherwise, 0},
    {"default", "default_value boolean", 0, otherwise, 0},
    {"dictsort", "case_sensitive by reverse", 0, dictsort, 0},
    {"first", "", 0, first, 0},
    {"groupby", "attribute case_sensitive", 1, groupby, 0},
    {"items", "", 0, items_of, 0},
    {"join", "d attribute", 0, join, 0},
    {"last", "", 0, last, 0},
    {"length", "", 0, length, 0},
    {"list", "", 0, to_list, 0},
    {"max", "case_sensitive attribute", 0, extreme, 1},
    {"min", "case_sensitive attribute", 0, extreme, -1},
    {"reverse", "", 0, reverse, 0},
    {"slice", "slices fill_with", 1, slice, 0},
    {"sort", "reverse case_sensitive attribute", 0, sort, 0},
    {"sum", "attribute start", 0, sum, 0},
    {"unique", "case_sensitive attribute", 0, unique, 0},
    {0},
};
