/* Templates: the value of an expression. */
#include "text/template_inner.h"

#include <stdio.h>
#include <string.h>

#include "text/template_letters.h"

static jinja_value use_undefined(jinja_run *run, jinja_value value)
{
    return weft_jinja_fail(run, "%.200s", value.as.string ? value.as.string->bytes : "a value is undefined");
}

/* ---- Attributes and items. ---- */

static jinja_value loop_attribute(jinja_run *run, const jinja_loop *loop, const jinja_string *name)
{
    int64_t i = loop->index, n = loop->count;
    const struct {
        const char *name;
        jinja_value value;
    } rows[] = {
        {"index", weft_jinja_integer(i + 1)},        {"index0", weft_jinja_integer(i)},
        {"revindex", weft_jinja_integer(n - i)},     {"revindex0", weft_jinja_integer(n - i - 1)},
        {"first", weft_jinja_bool(i == 0)},          {"last", weft_jinja_bool(i == n - 1)},
        {"length", weft_jinja_integer(n)},           {"depth", weft_jinja_integer(loop->depth + 1)},
        {"depth0", weft_jinja_integer(loop->depth)},
    };
    for (size_t k = 0; k < sizeof rows / sizeof rows[0]; k++)
        if (weft_jinja_same(name, rows[k].name))
            return rows[k].value;
    if (weft_jinja_same(name, "previtem"))
        return i > 0 ? loop->items[i - 1] : weft_jinja_missing(run, "there is no previous item");
    if (weft_jinja_same(name, "nextitem"))
        return i + 1 < n ? loop->items[i + 1] : weft_jinja_missing(run, "there is no next item");
    return weft_jinja_undefined;
}

static jinja_value method(jinja_run *run, jinja_value value, const jinja_string *name)
{
    const jinja_function *function = weft_jinja_method(value, name->bytes, name->length);
    jinja_bound *bound = function ? weft_jinja_get(run, 1, sizeof *bound) : NULL;
    jinja_value *self = function ? weft_jinja_get(run, 1, sizeof *self) : NULL;
    if (!bound || !self)
        return weft_jinja_undefined;
    *self = value;
    *bound = (jinja_bound){function, self};
    return (jinja_value){JINJA_FUNCTION, {.bound = bound}};
}

static jinja_value no_attribute(jinja_run *run, jinja_value value, const jinja_string *name)
{
    int shown = (int)(name->length > 80 ? 80 : name->length);
    if (value.kind == JINJA_NONE)
        return weft_jinja_missing(run, "'None' has no attribute '%.*s'", shown, name->bytes);
    return weft_jinja_missing(run, "'%s object' has no attribute '%.*s'", weft_jinja_type(value), shown, name->bytes);
}

jinja_value weft_jinja_attribute(jinja_run *run, jinja_value value, const jinja_string *name)
{
    jinja_value found = weft_jinja_undefined, key = {JINJA_STRING, {.string = name}};
    if (value.kind == JINJA_UNDEFINED)
        return use_undefined(run, value);
    if (value.kind == JINJA_LOOP)
        found = loop_attribute(run, value.as.loop, name);
    else if (value.kind == JINJA_NAMESPACE)
        weft_jinja_dict_get(run, value.as.dict, key, &found);
    else if (value.kind == JINJA_MACRO && weft_jinja_same(name, "name") && value.as.macro->node->name)
        return (jinja_value){JINJA_STRING, {.string = value.as.macro->node->name}};
    else if (value.kind == JINJA_CYCLER && weft_jinja_same(name, "current"))
        return value.as.cycle->items[value.as.cycle->at];
    else if (value.kind == JINJA_TUPLE && value.as.sequence->shown && weft_jinja_same(name, "grouper"))
        return value.as.sequence->items[0];
    else if (value.kind == JINJA_TUPLE && value.as.sequence->shown && weft_jinja_same(name, "list"))
        return value.as.sequence->items[1];
    if (found.kind == JINJA_UNDEFINED && !found.as.string && weft_jinja_method(value, name->bytes, name->length))
        return method(run, value, name);
    if (found.kind == JINJA_UNDEFINED && value.kind == JINJA_DICT && weft_jinja_dict_get(run, value.as.dict, key, &found))
        return found;
    return found.kind == JINJA_UNDEFINED && !found.as.string ? no_attribute(run, value, name) : found;
}

/* Where code point `index` begins; the string has as many. */
static const char *point_at(const jinja_string *string, int64_t index)
{
    const char *at = string->bytes, *end = at + string->length;
    uint32_t point;
    while (index-- > 0)
        at += weft_point_at(at, end, &point);
    return at;
}

static jinja_value character(jinja_run *run, const jinja_string *string, int64_t index)
{
    uint32_t point;
    const char *at = point_at(string, index);
    return weft_jinja_bytes(run, at, (size_t)weft_point_at(at, string->bytes + string->length, &point));
}

jinja_value weft_jinja_item(jinja_run *run, jinja_value value, jinja_value key)
{
    jinja_value found;
    int64_t index;
    if (value.kind == JINJA_UNDEFINED)
        return use_undefined(run, value);
    if (value.kind == JINJA_DICT && weft_jinja_dict_get(run, value.as.dict, key, &found))
        return found;
    if ((weft_jinja_is_sequence(value) || value.kind == JINJA_STRING) && weft_jinja_whole(key, &index)) {
        int64_t count = weft_jinja_length(run, value);
        if (index < 0)
            index += count;
        if (index >= 0 && index < count && run->status == WEFT_OK)
            return value.kind == JINJA_STRING ? character(run, value.as.string, index) : value.as.sequence->items[index];
        return weft_jinja_missing(run, "%s object has no element %lld", weft_jinja_type(value), (long long)key.as.integer);
    }
    if (key.kind == JINJA_STRING && value.kind != JINJA_DICT)
        return weft_jinja_attribute(run, value, key.as.string);
    if (key.kind == JINJA_STRING) {
        const jinja_string *name = key.as.string;
        return weft_jinja_method(value, name->bytes, name->length) ? method(run, value, name) : no_attribute(run, value, name);
    }
    return weft_jinja_missing(run, "%s object has no such element", weft_jinja_type(value));
}

jinja_value weft_jinja_slice(jinja_run *run, jinja_value value, const jinja_value bounds[3])
{
    int64_t count = weft_jinja_length(run, value), step = 1, from, to;
    if (value.kind == JINJA_UNDEFINED)
        return use_undefined(run, value);
    if (!weft_jinja_is_sequence(value) && value.kind != JINJA_STRING)
        return weft_jinja_fail(run, "a %s cannot be sliced", weft_jinja_type(value));
    for (int i = 0; i < 3; i++) {
        int64_t ignored;
        if (bounds[i].kind != JINJA_NONE && !weft_jinja_whole(bounds[i], &ignored))
            return weft_jinja_fail(run, "a slice's parts are integers, not %s", weft_jinja_type(bounds[i]));
    }
    if (bounds[2].kind != JINJA_NONE && (weft_jinja_whole(bounds[2], &step), step == 0))
        return weft_jinja_fail(run, "slice step cannot be zero");
    int64_t least = step < 0 ? -1 : 0, most = step < 0 ? count - 1 : count;
    from = step < 0 ? most : 0;
    to = step < 0 ? -1 : count;
    for (int i = 0; i < 2; i++) {
        int64_t bound, *place = i ? &to : &from;
        if (!weft_jinja_whole(bounds[i], &bound))
            continue;
        bound = bound < 0 ? bound + count : bound;
        *place = bound < least ? least : bound > most ? most : bound;
    }
    int64_t taken = 0;
    if (step > 0 && to > from)
        taken = (to - from - 1) / step + 1;
    else if (step < 0 && from > to)
        taken = step == INT64_MIN ? 1 : (from - to - 1) / -step + 1;
    if (value.kind == JINJA_STRING) {
        const jinja_string *string = value.as.string;
        if (step == 1) {
            const char *begin = point_at(string, from);
            return weft_jinja_bytes(run, begin, (size_t)(point_at(string, from + taken) - begin));
        }
        int64_t all;
        jinja_value *characters = weft_jinja_iterate(run, value, &all);
        weft_text text = {0};
        for (int64_t i = 0; i < taken && run->status == WEFT_OK; i++)
            weft_jinja_str(run, characters[from + i * step], &text);
        return weft_jinja_from_text(run, &text);
    }
    jinja_value slice = weft_jinja_sequence(run, value.kind == JINJA_TUPLE ? JINJA_TUPLE : JINJA_LIST, taken);
    for (int64_t i = 0; i < taken && run->status == WEFT_OK; i++)
        slice.as.sequence->items[i] = value.as.sequence->items[from + i * step];
    return slice;
}

/* ---- Calls. ---- */

/* The values of a call's arguments; * and ** are spread. */
static bool evaluate_arguments(jinja_run *run, const jinja_node *node, jinja_arguments *out)
{
    int64_t room = node->argument_count;
    jinja_value *values = weft_jinja_get(run, (size_t)room, sizeof *values);
    *out = (jinja_arguments){0};
    if (!values)
        return false;
    for (int i = 0; i < node->argument_count; i++) {
        values[i] = weft_jinja_eval(run, node->arguments[i].value);
        if (node->arguments[i].stars == 1 || (node->arguments[i].stars == 2 && values[i].kind == JINJA_DICT))
            room += weft_jinja_length(run, values[i]);
        else if (node->arguments[i].stars == 2)
            weft_jinja_fail(run, "** wants a dict, not %s", weft_jinja_type(values[i]));
    }
    out->items = weft_jinja_get(run, (size_t)room, sizeof *out->items);
    out->named = weft_jinja_get(run, (size_t)room, sizeof *out->named);
    out->names = weft_jinja_get(run, (size_t)room, sizeof *out->names);
    for (int i = 0; i < node->argument_count && run->status == WEFT_OK; i++) {
        const jinja_argument *argument = &node->arguments[i];
        int64_t count;
        if (argument->stars == 1) {
            const jinja_value *items = weft_jinja_iterate(run, values[i], &count);
            for (int64_t k = 0; k < count; k++)
                out->items[out->count++] = items[k];
        } else if (argument->stars == 2) {
            const jinja_dict *dict = values[i].as.dict;
            for (int64_t k = 0; k < dict->count; k++) {
                if (dict->keys[k].kind != JINJA_STRING)
                    weft_jinja_fail(run, "** wants a dict with names as keys");
                out->names[out->named_count] = dict->keys[k].as.string;
                out->named[out->named_count++] = dict->values[k];
            }
        } else if (argument->name) {
            out->names[out->named_count] = argument->name;
            out->named[out->named_count++] = values[i];
        } else {
            out->items[out->count++] = values[i];
        }
    }
    return run->status == WEFT_OK;
}

static bool word_is(const char *word, size_t length, const jinja_string *name)
{
    return name->length == length && memcmp(name->bytes, word, length) == 0;
}

jinja_value weft_jinja_apply(jinja_run *run, const jinja_function *function, const char *what, jinja_value self,
                             const jinja_arguments *given)
{
    enum { MOST = 8 };
    jinja_value bound[MOST] = {{JINJA_UNDEFINED, {0}}};
    bool set[MOST] = {false};
    if (strcmp(function->parameters, "*") == 0)
        return function->call(run, function, self, given);
    int count = 0;
    int64_t used = 0;
    for (const char *at = function->parameters; *at && count < MOST; count++) {
        size_t length = strcspn(at, " ");
        if (count < given->count) {
            bound[count] = given->items[count];
            set[count] = true;
        }
        for (int64_t k = 0; k < given->named_count; k++)
            if (word_is(at, length, given->names[k])) {
                if (set[count])
                    return weft_jinja_fail(run, "%s %s: two values for %.*s", what, function->name, (int)length, at);
                bound[count] = given->named[k];
                set[count] = true;
                used++;
            }
        at += length + (at[length] == ' ');
    }
    if (given->count > count)
        return weft_jinja_fail(run, "%s %s: takes at most %d arguments, given %lld", what, function->name, count,
                               (long long)given->count);
    if (used < given->named_count) {
        for (int64_t k = 0; k < given->named_count; k++) {
            bool known = false;
            for (const char *at = function->parameters; *at;) {
                size_t length = strcspn(at, " ");
                known = known || word_is(at, length, given->names[k]);
                at += length + (at[length] == ' ');
            }
            if (!known)
                return weft_jinja_fail(run, "%s %s: has no argument \"%.60s\" (it has: %s)", what, function->name,
                                       given->names[k]->bytes, *function->parameters ? function->parameters : "none");
        }
    }
    for (int i = 0; i < function->required; i++)
        if (!set[i])
            return weft_jinja_fail(run, "%s %s: an argument is missing (it has: %s)", what, function->name, function->parameters);
    return function->call(run, function, self, &(jinja_arguments){.items = bound, .count = count});
}

jinja_value weft_jinja_call(jinja_run *run, jinja_value callee, const jinja_arguments *arguments)
{
    jinja_value result = weft_jinja_undefined;
    if (!weft_jinja_work(run, 1) || !weft_jinja_deeper(run))
        return result;
    if (callee.kind == JINJA_FUNCTION)
        result = weft_jinja_apply(run, callee.as.bound->function, "function",
                                  callee.as.bound->self ? *callee.as.bound->self : weft_jinja_undefined, arguments);
    else if (callee.kind == JINJA_MACRO)
        result = weft_jinja_call_macro(run, callee.as.macro, arguments);
    else if (callee.kind == JINJA_LOOP)
        result = weft_jinja_call_loop(run, callee.as.loop, arguments);
    else if (callee.kind == JINJA_JOINER) /* "" the first time, then the separator */
        result = callee.as.cycle->at++ ? callee.as.cycle->items[0] : weft_jinja_text(run, "");
    else if (callee.kind == JINJA_UNDEFINED)
        use_undefined(run, callee);
    else
        weft_jinja_fail(run, "'%s' object is not callable", weft_jinja_type(callee));
    run->depth--;
    return result;
}

/* ---- Names. ---- */

static bool same_name(const jinja_string *a, const jinja_string *b)
{
    return a == b || (a->length == b->length && memcmp(a->bytes, b->bytes, a->length) == 0);
}

bool weft_jinja_lookup(const jinja_run *run, const jinja_string *name, jinja_value *out)
{
    for (const jinja_scope *scope = run->scope; scope; scope = scope->outer)
        for (int i = scope->count - 1; i >= 0; i--)
            if (same_name(scope->names[i], name)) {
                *out = scope->values[i];
                return true;
            }
    return false;
}

static jinja_value evaluate_name(jinja_run *run, const jinja_string *name)
{
    jinja_value value;
    if (weft_jinja_lookup(run, name, &value))
        return value;
    const jinja_function *global = weft_jinja_global(name->bytes, name->length);
    jinja_bound *bound = global ? weft_jinja_get(run, 1, sizeof *bound) : NULL;
    if (bound) {
        *bound = (jinja_bound){global, NULL};
        return (jinja_value){JINJA_FUNCTION, {.bound = bound}};
    }
    return weft_jinja_missing(run, "'%.*s' is undefined", (int)(name->length > 80 ? 80 : name->length), name->bytes);
}

/* ---- Expressions. ---- */

static jinja_value evaluate_filter(jinja_run *run, const jinja_node *node, jinja_value operand)
{
    jinja_arguments arguments;
    const jinja_function *filter = weft_jinja_filter(node->name->bytes, node->name->length);
    if (!evaluate_arguments(run, node, &arguments))
        return weft_jinja_undefined;
    run->line = node->line;
    return weft_jinja_apply(run, filter, "filter", operand, &arguments);
}

jinja_value weft_jinja_filter_text(jinja_run *run, const jinja_node *filters, jinja_value text)
{
    if (!filters || !weft_jinja_deeper(run))
        return text;
    text = weft_jinja_filter_text(run, filters->a, text);
    run->depth--;
    return run->status == WEFT_OK ? evaluate_filter(run, filters, text) : text;
}

static jinja_value evaluate_test(jinja_run *run, const jinja_node *node)
{
    jinja_arguments arguments;
    jinja_value operand = weft_jinja_eval(run, node->a);
    const jinja_function *test = weft_jinja_test(node->name->bytes, node->name->length);
    if (!evaluate_arguments(run, node, &arguments))
        return weft_jinja_undefined;
    return weft_jinja_apply(run, test, "test", operand, &arguments);
}

static jinja_value evaluate_call(jinja_run *run, const jinja_node *node)
{
    jinja_arguments arguments;
    jinja_value callee = weft_jinja_eval(run, node->a);
    if (run->status != WEFT_OK || !evaluate_arguments(run, node, &arguments))
        return weft_jinja_undefined;
    run->line = node->line;
    return weft_jinja_call(run, callee, &arguments);
}

static jinja_value evaluate_items(jinja_run *run, const jinja_node *node, jinja_kind kind)
{
    jinja_value value = weft_jinja_sequence(run, kind, node->count);
    for (int i = 0; i < node->count && run->status == WEFT_OK; i++)
        value.as.sequence->items[i] = weft_jinja_eval(run, node->items[i]);
    return value;
}

static jinja_value evaluate_dict(jinja_run *run, const jinja_node *node)
{
    jinja_value value = weft_jinja_dict(run, node->count / 2);
    for (int i = 0; i + 1 < node->count && run->status == WEFT_OK; i += 2) {
        jinja_value key = weft_jinja_eval(run, node->items[i]), item = weft_jinja_eval(run, node->items[i + 1]);
        if (run->status == WEFT_OK)
            weft_jinja_dict_set(run, value.as.dict, key, item);
    }
    return value;
}

static jinja_value evaluate_slice(jinja_run *run, const jinja_node *node)
{
    jinja_value whole = weft_jinja_eval(run, node->a), bounds[3];
    for (int i = 0; i < 3; i++)
        bounds[i] = node->items[i] ? weft_jinja_eval(run, node->items[i]) : weft_jinja_none;
    return run->status == WEFT_OK ? weft_jinja_slice(run, whole, bounds) : weft_jinja_undefined;
}

static jinja_value evaluate_concat(jinja_run *run, const jinja_node *node)
{
    weft_text text = {0};
    for (int i = 0; i < node->count && run->status == WEFT_OK; i++)
        weft_jinja_str(run, weft_jinja_eval(run, node->items[i]), &text);
    return weft_jinja_from_text(run, &text);
}

static jinja_value evaluate_compare(jinja_run *run, const jinja_node *node)
{
    jinja_value left = weft_jinja_eval(run, node->a);
    for (int i = 0; i < node->count && run->status == WEFT_OK; i++) {
        jinja_value right = weft_jinja_eval(run, node->items[i]);
        if (run->status == WEFT_OK && !weft_jinja_compare(run, node->operations[i], left, right))
            return weft_jinja_bool(false);
        left = right;
    }
    return weft_jinja_bool(true);
}

static jinja_value evaluate_condition(jinja_run *run, const jinja_node *node)
{
    if (weft_jinja_truth(weft_jinja_eval(run, node->b)))
        return weft_jinja_eval(run, node->a);
    return node->c ? weft_jinja_eval(run, node->c)
                   : weft_jinja_missing(run, "the condition of line %d is false and has no else", node->line);
}

static jinja_value evaluate_sign(jinja_run *run, const jinja_node *node)
{
    jinja_value value = weft_jinja_eval(run, node->a);
    int64_t whole;
    if (weft_jinja_whole(value, &whole)) {
        if (node->kind == NODE_MINUS && whole == INT64_MIN)
            return weft_jinja_fail(run, "an integer leaves 64 bits");
        return weft_jinja_integer(node->kind == NODE_MINUS ? -whole : whole);
    }
    if (value.kind == JINJA_FLOAT)
        return weft_jinja_float(node->kind == NODE_MINUS ? -value.as.number : value.as.number);
    if (value.kind == JINJA_UNDEFINED)
        return use_undefined(run, value);
    return weft_jinja_fail(run, "bad operand type for a sign: '%s'", weft_jinja_type(value));
}

static jinja_value evaluate(jinja_run *run, const jinja_node *node)
{
    jinja_value value;
    switch (node->kind) {
    case NODE_CONSTANT:
        return node->constant;
    case NODE_NAME:
        return evaluate_name(run, node->name);
    case NODE_LIST:
        return evaluate_items(run, node, JINJA_LIST);
    case NODE_TUPLE:
        return evaluate_items(run, node, JINJA_TUPLE);
    case NODE_DICT:
        return evaluate_dict(run, node);
    case NODE_ATTRIBUTE:
        value = weft_jinja_eval(run, node->a);
        return run->status == WEFT_OK ? weft_jinja_attribute(run, value, node->name) : value;
    case NODE_ITEM:
        value = weft_jinja_eval(run, node->a);
        jinja_value key = weft_jinja_eval(run, node->b);
        return run->status == WEFT_OK ? weft_jinja_item(run, value, key) : value;
    case NODE_SLICE:
        return evaluate_slice(run, node);
    case NODE_CALL:
        return evaluate_call(run, node);
    case NODE_FILTER:
        value = weft_jinja_eval(run, node->a);
        return run->status == WEFT_OK ? evaluate_filter(run, node, value) : value;
    case NODE_TEST:
        return evaluate_test(run, node);
    case NODE_NOT:
        return weft_jinja_bool(!weft_jinja_truth(weft_jinja_eval(run, node->a)));
    case NODE_MINUS:
    case NODE_PLUS:
        return evaluate_sign(run, node);
    case NODE_AND:
    case NODE_OR:
        value = weft_jinja_eval(run, node->a);
        return weft_jinja_truth(value) == (node->kind == NODE_OR) ? value : weft_jinja_eval(run, node->b);
    case NODE_BINARY:
        value = weft_jinja_eval(run, node->a);
        jinja_value right = weft_jinja_eval(run, node->b);
        run->line = node->line;
        return run->status == WEFT_OK ? weft_jinja_binary(run, node->operation, value, right) : value;
    case NODE_CONCAT:
        return evaluate_concat(run, node);
    case NODE_COMPARE:
        return evaluate_compare(run, node);
    case NODE_CONDITION:
        return evaluate_condition(run, node);
    default:
        return weft_jinja_undefined;
    }
}

jinja_value weft_jinja_eval(jinja_run *run, const jinja_node *node)
{
    if (!weft_jinja_work(run, 1) || !weft_jinja_deeper(run))
        return weft_jinja_undefined;
    if (node->line)
        run->line = node->line;
    jinja_value value = evaluate(run, node);
    run->depth--;
    return value;
}
