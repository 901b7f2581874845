/* Template methods: of dicts, lists, loops; the look-up of all. What would change a value is refused, as transformers' sandbox
 * does. */
#include "text/template_inner.h"

#include <string.h>

typedef const jinja_function row;
typedef const jinja_arguments given;

/* ---- Dicts: which 0 items, 1 keys, 2 values. ---- */

static jinja_value view(jinja_run *run, row *method, jinja_value self, given *arguments)
{
    static const char *const shown[] = {"dict_items", "dict_keys", "dict_values"};
    (void)arguments;
    const jinja_dict *dict = self.as.dict;
    jinja_value list = weft_jinja_sequence(run, JINJA_VIEW, dict->count);
    for (int64_t i = 0; i < dict->count && run->status == WEFT_OK; i++) {
        jinja_value *item = &list.as.sequence->items[i];
        if (method->which) {
            *item = method->which == 1 ? dict->keys[i] : dict->values[i];
            continue;
        }
        *item = weft_jinja_sequence(run, JINJA_TUPLE, 2);
        if (run->status == WEFT_OK) {
            item->as.sequence->items[0] = dict->keys[i];
            item->as.sequence->items[1] = dict->values[i];
        }
    }
    if (run->status == WEFT_OK)
        list.as.sequence->shown = shown[method->which];
    return list;
}

static jinja_value get(jinja_run *run, row *method, jinja_value self, given *arguments)
{
    jinja_value found;
    (void)method;
    if (weft_jinja_dict_get(run, self.as.dict, arguments->items[0], &found))
        return found;
    return arguments->items[1].kind == JINJA_UNDEFINED && !arguments->items[1].as.string ? weft_jinja_none : arguments->items[1];
}

static jinja_value copy(jinja_run *run, row *method, jinja_value self, given *arguments)
{
    (void)run;
    (void)method;
    (void)arguments;
    return self; /* nothing can change it */
}

static jinja_value refuse(jinja_run *run, row *method, jinja_value self, given *arguments)
{
    (void)arguments;
    return weft_jinja_fail(run, "access to attribute '%s' of '%s' object is unsafe: templates cannot change values", method->name,
                           weft_jinja_type(self));
}

static const jinja_function dict_methods[] = {
    {"items", "", 0, view, 0},
    {"keys", "", 0, view, 1},
    {"values", "", 0, view, 2},
    {"get", "key default", 1, get, 0},
    {"copy", "", 0, copy, 0},
    {"clear", "*", 0, refuse, 0},
    {"pop", "*", 0, refuse, 0},
    {"popitem", "*", 0, refuse, 0},
    {"setdefault", "*", 0, refuse, 0},
    {"update", "*", 0, refuse, 0},
    {0},
};

/* ---- Lists and tuples. ---- */

static jinja_value count_of(jinja_run *run, row *method, jinja_value self, given *arguments)
{
    int64_t count = 0;
    for (int64_t i = 0; i < self.as.sequence->count && run->status == WEFT_OK; i++)
        if (weft_jinja_equal(run, self.as.sequence->items[i], arguments->items[0])) {
            if (method->which)
                return weft_jinja_integer(i);
            count++;
        }
    return method->which ? weft_jinja_fail(run, "list.index: the value is not in the list") : weft_jinja_integer(count);
}

static const jinja_function sequence_methods[] = {
    {"count", "value", 1, count_of, 0},
    {"index", "value", 1, count_of, 1},
    {0},
};

static const jinja_function list_methods[] = {
    {"copy", "", 0, copy, 0},      {"append", "*", 0, refuse, 0},
    {"clear", "*", 0, refuse, 0},  {"extend", "*", 0, refuse, 0},
    {"insert", "*", 0, refuse, 0}, {"pop", "*", 0, refuse, 0},
    {"remove", "*", 0, refuse, 0}, {"reverse", "*", 0, refuse, 0},
    {"sort", "*", 0, refuse, 0},   {0},
};

/* ---- Loops and cyclers. ---- */

static jinja_value loop_cycle(jinja_run *run, row *method, jinja_value self, given *arguments)
{
    (void)method;
    return arguments->count ? arguments->items[self.as.loop->index % arguments->count]
                            : weft_jinja_fail(run, "loop.cycle: no items for cycling given");
}

static jinja_value loop_changed(jinja_run *run, row *method, jinja_value self, given *arguments)
{
    (void)method;
    jinja_loop *loop = self.as.loop;
    jinja_value seen = weft_jinja_sequence(run, JINJA_TUPLE, arguments->count);
    for (int64_t i = 0; i < arguments->count && run->status == WEFT_OK; i++)
        seen.as.sequence->items[i] = arguments->items[i];
    bool changed = !loop->seen || !weft_jinja_equal(run, loop->changed, seen);
    loop->changed = seen;
    loop->seen = true;
    return weft_jinja_bool(changed);
}

static const jinja_function loop_methods[] = {
    {"cycle", "*", 0, loop_cycle, 0},
    {"changed", "*", 0, loop_changed, 0},
    {0},
};

static jinja_value cycler_next(jinja_run *run, row *method, jinja_value self, given *arguments)
{
    jinja_cycle *cycle = self.as.cycle;
    (void)run;
    (void)arguments;
    jinja_value item = cycle->items[cycle->at];
    cycle->at = method->which ? 0 : (cycle->at + 1) % cycle->count;
    return method->which ? weft_jinja_none : item;
}

static const jinja_function cycler_methods[] = {
    {"next", "", 0, cycler_next, 0},
    {"reset", "", 0, cycler_next, 1},
    {0},
};

const jinja_function *weft_jinja_method(jinja_value self, const char *name, size_t length)
{
    const jinja_function *found = NULL;
    switch (self.kind) {
    case JINJA_STRING:
        return weft_jinja_find(weft_jinja_string_methods, name, length);
    case JINJA_DICT:
        return weft_jinja_find(dict_methods, name, length);
    case JINJA_LIST:
        found = weft_jinja_find(list_methods, name, length);
        return found ? found : weft_jinja_find(sequence_methods, name, length);
    case JINJA_TUPLE:
    case JINJA_RANGE:
        return weft_jinja_find(sequence_methods, name, length);
    case JINJA_LOOP:
        return weft_jinja_find(loop_methods, name, length);
    case JINJA_CYCLER:
        return weft_jinja_find(cycler_methods, name, length);
    default:
        return NULL;
    }
}
