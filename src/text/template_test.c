/* Template tests: what may stand behind "is". (Jinja2's "List of Builtin Tests".) */
#include "text/template_inner.h"

#include <stdlib.h>
#include <string.h>

typedef const jinja_function row;
typedef const jinja_arguments given;

enum {
    IS_DEFINED,
    IS_UNDEFINED,
    IS_NONE,
    IS_STRING,
    IS_MAPPING,
    IS_ITERABLE,
    IS_SEQUENCE,
    IS_NUMBER,
    IS_INTEGER,
    IS_FLOAT,
    IS_BOOLEAN,
    IS_TRUE,
    IS_FALSE,
    IS_CALLABLE,
    IS_ESCAPED
};

static jinja_value kind(jinja_run *run, row *test, jinja_value v, given *arguments)
{
    (void)run;
    (void)arguments;
    bool sequence = weft_jinja_is_sequence(v) || v.kind == JINJA_STRING || v.kind == JINJA_DICT || v.kind == JINJA_UNDEFINED;
    switch (test->which) {
    case IS_DEFINED:
        return weft_jinja_bool(v.kind != JINJA_UNDEFINED);
    case IS_UNDEFINED:
        return weft_jinja_bool(v.kind == JINJA_UNDEFINED);
    case IS_NONE:
        return weft_jinja_bool(v.kind == JINJA_NONE);
    case IS_STRING:
        return weft_jinja_bool(v.kind == JINJA_STRING);
    case IS_MAPPING:
        return weft_jinja_bool(v.kind == JINJA_DICT);
    case IS_ITERABLE:
        return weft_jinja_bool(sequence || v.kind == JINJA_GENERATOR || v.kind == JINJA_VIEW || v.kind == JINJA_LOOP);
    case IS_SEQUENCE:
        return weft_jinja_bool(sequence);
    case IS_NUMBER: /* as in Python, true and false are numbers */
        return weft_jinja_bool(v.kind == JINJA_INTEGER || v.kind == JINJA_FLOAT || v.kind == JINJA_BOOL);
    case IS_INTEGER:
        return weft_jinja_bool(v.kind == JINJA_INTEGER);
    case IS_FLOAT:
        return weft_jinja_bool(v.kind == JINJA_FLOAT);
    case IS_BOOLEAN:
        return weft_jinja_bool(v.kind == JINJA_BOOL);
    case IS_TRUE:
        return weft_jinja_bool(v.kind == JINJA_BOOL && v.as.truth);
    case IS_FALSE:
        return weft_jinja_bool(v.kind == JINJA_BOOL && !v.as.truth);
    case IS_CALLABLE:
        return weft_jinja_bool(v.kind == JINJA_FUNCTION || v.kind == JINJA_MACRO || v.kind == JINJA_JOINER ||
                               v.kind == JINJA_LOOP || v.kind == JINJA_UNDEFINED);
    default:
        return weft_jinja_bool(false); /* escaped: nothing is */
    }
}

/* odd (which 1), even (0), divisibleby (2) */
static jinja_value divides(jinja_run *run, row *test, jinja_value v, given *arguments)
{
    jinja_value by = test->which == 2 ? arguments->items[0] : weft_jinja_integer(2);
    jinja_value rest = weft_jinja_binary(run, JINJA_MODULO, v, by);
    return weft_jinja_bool(weft_jinja_equal(run, rest, weft_jinja_integer(test->which == 1)));
}

static jinja_value compares(jinja_run *run, row *test, jinja_value v, given *arguments)
{
    return weft_jinja_bool(weft_jinja_compare(run, (jinja_operation)test->which, v, arguments->items[0]));
}

/* The same object: equal for what is not made anew each time. */
static jinja_value sameas(jinja_run *run, row *test, jinja_value v, given *arguments)
{
    (void)test;
    const jinja_value w = arguments->items[0];
    if (v.kind != w.kind)
        return weft_jinja_bool(false);
    return weft_jinja_bool(v.kind >= JINJA_LIST ? v.as.sequence == w.as.sequence : weft_jinja_equal(run, v, w));
}

/* lower, upper */
static jinja_value cased(jinja_run *run, row *test, jinja_value v, given *arguments)
{
    const jinja_function *method = weft_jinja_find(weft_jinja_string_methods, test->which ? "isupper" : "islower", 7);
    jinja_value text = weft_jinja_string(run, v);
    return run->status == WEFT_OK ? method->call(run, method, text, arguments) : text;
}

/* filter, test: whether there is one of that name */
static jinja_value known(jinja_run *run, row *test, jinja_value v, given *arguments)
{
    (void)run;
    (void)arguments;
    const jinja_string *name = v.kind == JINJA_STRING ? v.as.string : NULL;
    return weft_jinja_bool(name && (test->which ? weft_jinja_test(name->bytes, name->length) != NULL
                                                : weft_jinja_filter(name->bytes, name->length) != NULL));
}

static const jinja_function tests[] = {
    {"boolean", "", 0, kind, IS_BOOLEAN},
    {"callable", "", 0, kind, IS_CALLABLE},
    {"defined", "", 0, kind, IS_DEFINED},
    {"divisibleby", "num", 1, divides, 2},
    {"escaped", "", 0, kind, IS_ESCAPED},
    {"even", "", 0, divides, 0},
    {"false", "", 0, kind, IS_FALSE},
    {"filter", "", 0, known, 0},
    {"float", "", 0, kind, IS_FLOAT},
    {"integer", "", 0, kind, IS_INTEGER},
    {"iterable", "", 0, kind, IS_ITERABLE},
    {"lower", "", 0, cased, 0},
    {"mapping", "", 0, kind, IS_MAPPING},
    {"none", "", 0, kind, IS_NONE},
    {"number", "", 0, kind, IS_NUMBER},
    {"odd", "", 0, divides, 1},
    {"sameas", "other", 1, sameas, 0},
    {"sequence", "", 0, kind, IS_SEQUENCE},
    {"string", "", 0, kind, IS_STRING},
    {"test", "", 0, known, 1},
    {"true", "", 0, kind, IS_TRUE},
    {"undefined", "", 0, kind, IS_UNDEFINED},
    {"upper", "", 0, cased, 1},
    {"==", "other", 1, compares, JINJA_EQUAL},
    {"eq", "other", 1, compares, JINJA_EQUAL},
    {"equalto", "other", 1, compares, JINJA_EQUAL},
    {"!=", "other", 1, compares, JINJA_UNEQUAL},
    {"ne", "other", 1, compares, JINJA_UNEQUAL},
    {"<", "other", 1, compares, JINJA_LESS},
    {"lt", "other", 1, compares, JINJA_LESS},
    {"lessthan", "other", 1, compares, JINJA_LESS},
    {"<=", "other", 1, compares, JINJA_LESS_EQUAL},
    {"le", "other", 1, compares, JINJA_LESS_EQUAL},
    {">", "other", 1, compares, JINJA_GREATER},
    {"gt", "other", 1, compares, JINJA_GREATER},
    {"greaterthan", "other", 1, compares, JINJA_GREATER},
    {">=", "other", 1, compares, JINJA_GREATER_EQUAL},
    {"ge", "other", 1, compares, JINJA_GREATER_EQUAL},
    {"in", "seq", 1, compares, JINJA_IN},
    {0},
};

const jinja_function *weft_jinja_test(const char *name, size_t length)
{
    return weft_jinja_find(tests, name, length);
}
