/* Templates: arithmetic and comparisons, with Python's rules for mixed types, division and modulo. Integers are 64 bits: what
 * leaves them is an error. */
#include "text/template_inner.h"

#include <math.h>
#include <string.h>

static const char *const symbols[] = {"+", "-", "*", "/", "//", "%", "**", "==", "!=", "<", "<=", ">", ">=", "in", "not in"};

static jinja_value overflow(jinja_run *run, jinja_operation operation)
{
    return weft_jinja_fail(run, "%s: an integer leaves 64 bits", symbols[operation]);
}

static jinja_value whole_power(jinja_run *run, int64_t base, int64_t exponent)
{
    int64_t result = 1;
    if (exponent < 0)
        return base ? weft_jinja_float(pow((double)base, (double)exponent))
                    : weft_jinja_fail(run, "0 cannot be raised to a negative power");
    while (exponent) {
        if ((exponent & 1) && __builtin_mul_overflow(result, base, &result))
            return overflow(run, JINJA_POWER);
        exponent >>= 1;
        if (exponent && __builtin_mul_overflow(base, base, &base))
            return overflow(run, JINJA_POWER);
    }
    return weft_jinja_integer(result);
}

static jinja_value whole_binary(jinja_run *run, jinja_operation operation, int64_t a, int64_t b)
{
    int64_t result = 0;
    bool over = false;
    if (operation >= JINJA_DIVIDE && operation <= JINJA_MODULO && b == 0)
        return weft_jinja_fail(run, "division by zero");
    switch (operation) {
    case JINJA_ADD:
        over = __builtin_add_overflow(a, b, &result);
        break;
    case JINJA_SUBTRACT:
        over = __builtin_sub_overflow(a, b, &result);
        break;
    case JINJA_MULTIPLY:
        over = __builtin_mul_overflow(a, b, &result);
        break;
    case JINJA_DIVIDE:
        return weft_jinja_float((double)a / (double)b);
    case JINJA_FLOOR_DIVIDE:
    case JINJA_MODULO:
        if (b == -1) { /* INT64_MIN / −1 does not fit */
            over = operation == JINJA_FLOOR_DIVIDE && __builtin_sub_overflow((int64_t)0, a, &result);
            break;
        }
        result = operation == JINJA_MODULO ? a % b : a / b;
        if (a % b != 0 && (a < 0) != (b < 0)) /* towards minus infinity; the rest has the divisor's sign */
            result += operation == JINJA_MODULO ? b : -1;
        break;
    default:
        return whole_power(run, a, b);
    }
    return over ? overflow(run, operation) : weft_jinja_integer(result);
}

static jinja_value real_binary(jinja_run *run, jinja_operation operation, double a, double b)
{
    if (operation >= JINJA_DIVIDE && operation <= JINJA_MODULO && b == 0)
        return weft_jinja_fail(run, "division by zero");
    double rest;
    switch (operation) {
    case JINJA_ADD:
        return weft_jinja_float(a + b);
    case JINJA_SUBTRACT:
        return weft_jinja_float(a - b);
    case JINJA_MULTIPLY:
        return weft_jinja_float(a * b);
    case JINJA_DIVIDE:
        return weft_jinja_float(a / b);
    case JINJA_FLOOR_DIVIDE:
    case JINJA_MODULO:
        rest = fmod(a, b);
        if (rest != 0 && (rest < 0) != (b < 0))
            rest += b;
        if (operation == JINJA_MODULO)
            return weft_jinja_float(rest == 0 ? copysign(0.0, b) : rest);
        double quotient = (a - rest) / b, whole = floor(quotient);
        return weft_jinja_float(quotient - whole > 0.5 ? whole + 1 : whole);
    default:
        if (a == 0 && b < 0)
            return weft_jinja_fail(run, "0 cannot be raised to a negative power");
        if (a < 0 && b != floor(b))
            return weft_jinja_fail(run, "a negative number to a broken power is not real");
        return weft_jinja_float(pow(a, b));
    }
}

static jinja_value join_strings(jinja_run *run, const jinja_string *a, const jinja_string *b)
{
    jinja_string *string = weft_jinja_get(run, 1, sizeof *string);
    char *bytes = weft_jinja_get(run, a->length + b->length + 1, 1);
    if (!string || !bytes)
        return weft_jinja_undefined;
    memcpy(bytes, a->bytes, a->length);
    memcpy(bytes + a->length, b->bytes, b->length);
    *string = (jinja_string){bytes, a->length + b->length, -1};
    return (jinja_value){JINJA_STRING, {.string = string}};
}

static jinja_value join_sequences(jinja_run *run, jinja_value a, jinja_value b)
{
    int64_t n = a.as.sequence->count, m = b.as.sequence->count;
    jinja_value value = weft_jinja_sequence(run, a.kind, n + m);
    if (run->status == WEFT_OK) {
        memcpy(value.as.sequence->items, a.as.sequence->items, (size_t)n * sizeof(jinja_value));
        memcpy(value.as.sequence->items + n, b.as.sequence->items, (size_t)m * sizeof(jinja_value));
    }
    return value;
}

static jinja_value repeat(jinja_run *run, jinja_value value, int64_t times)
{
    bool text = value.kind == JINJA_STRING;
    size_t size = text ? value.as.string->length : (size_t)value.as.sequence->count * sizeof(jinja_value), all;
    times = times < 0 ? 0 : times;
    if (__builtin_mul_overflow(size, (size_t)times, &all))
        return weft_jinja_fail(run, "*: a %s repeated %lld times is too large", weft_jinja_type(value), (long long)times);
    char *bytes = weft_jinja_get(run, all + 1, 1);
    const char *from = text ? value.as.string->bytes : (const char *)value.as.sequence->items;
    for (int64_t i = 0; bytes && size && i < times; i++)
        memcpy(bytes + (size_t)i * size, from, size);
    if (text) {
        jinja_string *string = weft_jinja_get(run, 1, sizeof *string);
        if (!string || !bytes)
            return weft_jinja_undefined;
        *string = (jinja_string){bytes, all, -1};
        return (jinja_value){JINJA_STRING, {.string = string}};
    }
    jinja_value repeated = weft_jinja_sequence(run, value.kind, 0);
    if (run->status == WEFT_OK) {
        repeated.as.sequence->items = (jinja_value *)(void *)bytes;
        repeated.as.sequence->count = value.as.sequence->count * times;
    }
    return repeated;
}

jinja_value weft_jinja_binary(jinja_run *run, jinja_operation operation, jinja_value a, jinja_value b)
{
    int64_t i, j;
    double x, y;
    bool listed = a.kind == JINJA_LIST || a.kind == JINJA_TUPLE;
    if (a.kind == JINJA_UNDEFINED || b.kind == JINJA_UNDEFINED) {
        const jinja_string *said = a.kind == JINJA_UNDEFINED ? a.as.string : b.as.string;
        return weft_jinja_fail(run, "%.200s", said ? said->bytes : "a value is undefined");
    }
    if (weft_jinja_whole(a, &i) && weft_jinja_whole(b, &j))
        return whole_binary(run, operation, i, j);
    if (weft_jinja_number(a, &x) && weft_jinja_number(b, &y))
        return real_binary(run, operation, x, y);
    if (operation == JINJA_ADD && a.kind == JINJA_STRING && b.kind == JINJA_STRING)
        return join_strings(run, a.as.string, b.as.string);
    if (operation == JINJA_ADD && listed && a.kind == b.kind)
        return join_sequences(run, a, b);
    if (operation == JINJA_MULTIPLY && (listed || a.kind == JINJA_STRING) && weft_jinja_whole(b, &j))
        return repeat(run, a, j);
    if (operation == JINJA_MULTIPLY && (b.kind == JINJA_LIST || b.kind == JINJA_TUPLE || b.kind == JINJA_STRING) &&
        weft_jinja_whole(a, &i))
        return repeat(run, b, i);
    if (operation == JINJA_MODULO && a.kind == JINJA_STRING)
        return weft_jinja_percent(run, a.as.string, b);
    if (operation == JINJA_ADD && a.kind == JINJA_STRING)
        return weft_jinja_fail(run, "can only concatenate str (not \"%s\") to str", weft_jinja_type(b));
    return weft_jinja_fail(run, "unsupported operand type(s) for %s: '%s' and '%s'", symbols[operation], weft_jinja_type(a),
                           weft_jinja_type(b));
}

bool weft_jinja_compare(jinja_run *run, jinja_operation operation, jinja_value a, jinja_value b)
{
    double x, y;
    switch (operation) {
    case JINJA_EQUAL:
    case JINJA_UNEQUAL:
        return weft_jinja_equal(run, a, b) == (operation == JINJA_EQUAL);
    case JINJA_IN:
    case JINJA_NOT_IN:
        return weft_jinja_contains(run, b, a) == (operation == JINJA_IN);
    default:
        break;
    }
    if (weft_jinja_number(a, &x) && weft_jinja_number(b, &y) && (isnan(x) || isnan(y)))
        return false;
    int order = weft_jinja_order(run, a, b, symbols[operation]);
    switch (operation) {
    case JINJA_LESS:
        return order < 0;
    case JINJA_LESS_EQUAL:
        return order <= 0;
    case JINJA_GREATER:
        return order > 0;
    default:
        return order >= 0;
    }
}
