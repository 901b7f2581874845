/* Template functions that are always there. */
#include "text/template_inner.h"

#include <stdio.h>
#include <string.h>

typedef const jinja_function row;
typedef const jinja_arguments given;

#define LONGEST_RANGE 100000 /* as Jinja2's sandbox has it */

static jinja_value range(jinja_run *run, row *function, jinja_value self, given *arguments)
{
    int64_t bounds[3] = {0, 0, 1};
    (void)function;
    (void)self;
    if (arguments->count < 1 || arguments->count > 3 || arguments->named_count)
        return weft_jinja_fail(run, "range: takes an end, or a start and an end and perhaps a step");
    for (int64_t i = 0; i < arguments->count; i++)
        if (!weft_jinja_whole(arguments->items[i], &bounds[arguments->count == 1 ? 1 : i]))
            return weft_jinja_fail(run, "range: wants integers, not %s", weft_jinja_type(arguments->items[i]));
    int64_t from = bounds[0], to = bounds[1], step = bounds[2];
    if (step == 0)
        return weft_jinja_fail(run, "range: the step must not be zero");
    uint64_t size = step < 0 ? 0 - (uint64_t)step : (uint64_t)step, span = 0;
    if (step > 0 ? to > from : from > to)
        span = (step > 0 ? (uint64_t)to - (uint64_t)from : (uint64_t)from - (uint64_t)to) - 1;
    else
        size = 0;
    uint64_t count = size ? span / size + 1 : 0;
    if (count > LONGEST_RANGE)
        return weft_jinja_fail(run, "range: more than %d items", LONGEST_RANGE);
    jinja_value list = weft_jinja_sequence(run, JINJA_RANGE, (int64_t)count);
    char shown[80];
    if (step == 1)
        snprintf(shown, sizeof shown, "range(%lld, %lld)", (long long)from, (long long)to);
    else
        snprintf(shown, sizeof shown, "range(%lld, %lld, %lld)", (long long)from, (long long)to, (long long)step);
    jinja_value text = weft_jinja_text(run, shown);
    if (run->status != WEFT_OK)
        return list;
    list.as.sequence->shown = text.as.string->bytes;
    for (uint64_t i = 0; i < count; i++)
        list.as.sequence->items[i] = weft_jinja_integer(from + (int64_t)i * step);
    return list;
}

/* namespace, dict: from pairs by name, after those of a dict or list of pairs given by place. */
static jinja_value make_dict(jinja_run *run, row *function, jinja_value self, given *arguments)
{
    jinja_value dict = weft_jinja_dict(run, arguments->named_count);
    (void)self;
    if (arguments->count > 1)
        return weft_jinja_fail(run, "%s: at most one argument by place", function->name);
    int64_t count = 0;
    const jinja_value *items = NULL;
    if (arguments->count)
        items = weft_jinja_iterate(run, arguments->items[0], &count);
    for (int64_t i = 0; i < count && run->status == WEFT_OK; i++) {
        if (arguments->items[0].kind == JINJA_DICT)
            weft_jinja_dict_set(run, dict.as.dict, items[i], arguments->items[0].as.dict->values[i]);
        else if (weft_jinja_is_sequence(items[i]) && items[i].as.sequence->count == 2)
            weft_jinja_dict_set(run, dict.as.dict, items[i].as.sequence->items[0], items[i].as.sequence->items[1]);
        else
            return weft_jinja_fail(run, "%s: wants pairs", function->name);
    }
    for (int64_t i = 0; i < arguments->named_count && run->status == WEFT_OK; i++)
        weft_jinja_dict_set(run, dict.as.dict, (jinja_value){JINJA_STRING, {.string = arguments->names[i]}}, arguments->named[i]);
    dict.kind = (jinja_kind)function->which;
    return dict;
}

static jinja_value raise_exception(jinja_run *run, row *function, jinja_value self, given *arguments)
{
    (void)function;
    (void)self;
    weft_text text = {0};
    weft_jinja_str(run, arguments->items[0], &text);
    if (run->status == WEFT_OK) {
        run->result_text->length = 0;
        weft_text_bytes(run->result_text, text.data ? text.data : "", text.length);
        run->raised = true;
        run->status = WEFT_ERROR_FORMAT; /* ends the run; weft_template_render makes it a result */
    }
    weft_text_free(&text);
    return weft_jinja_undefined;
}

static jinja_value strftime_now(jinja_run *run, row *function, jinja_value self, given *arguments)
{
    char shown[1024], form[256];
    (void)function;
    (void)self;
    const jinja_value format = arguments->items[0];
    if (!run->now)
        return weft_jinja_fail(run, "strftime_now: no time was given to this rendering");
    if (format.kind != JINJA_STRING || format.as.string->length + 2 > sizeof form)
        return weft_jinja_fail(run, "strftime_now: wants a format of at most %zu bytes", sizeof form - 2);
    /* a leading blank tells an empty result from one that does not fit */
    snprintf(form, sizeof form, " %.*s", (int)format.as.string->length, format.as.string->bytes);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    size_t length = strftime(shown, sizeof shown, form, run->now);
#pragma GCC diagnostic pop
    return length ? weft_jinja_bytes(run, shown + 1, length - 1) : weft_jinja_fail(run, "strftime_now: the text is too long");
}

/* cycler, joiner */
static jinja_value make_cycle(jinja_run *run, row *function, jinja_value self, given *arguments)
{
    (void)self;
    jinja_cycle *cycle = weft_jinja_get(run, 1, sizeof *cycle);
    int64_t count = arguments->count ? arguments->count : 1;
    jinja_value *items = weft_jinja_get(run, (size_t)count, sizeof *items);
    if (!arguments->count && function->which == JINJA_CYCLER)
        return weft_jinja_fail(run, "cycler: at least one item has to be provided");
    if (!cycle || !items)
        return weft_jinja_undefined;
    if (!arguments->count)
        items[0] = weft_jinja_text(run, ", ");
    for (int64_t i = 0; i < arguments->count; i++)
        items[i] = arguments->items[i];
    *cycle = (jinja_cycle){items, count, 0};
    return (jinja_value){(jinja_kind)function->which, {.cycle = cycle}};
}

static const jinja_function globals[] = {
    {"cycler", "*", 0, make_cycle, JINJA_CYCLER},          {"dict", "*", 0, make_dict, JINJA_DICT},
    {"joiner", "*", 0, make_cycle, JINJA_JOINER},          {"namespace", "*", 0, make_dict, JINJA_NAMESPACE},
    {"raise_exception", "message", 1, raise_exception, 0}, {"range", "*", 0, range, 0},
    {"strftime_now", "format", 1, strftime_now, 0},        {0},
};

const jinja_function *weft_jinja_global(const char *name, size_t length)
{
    return weft_jinja_find(globals, name, length);
}
