/* JSON reading with checks: a key of the right kind within its limits, or an error in the file's own terms. */
#include "base/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* What stands there, cut to a readable length. */
static void show(weft_json_value value, char *out, size_t room)
{
    weft_text text = {0};
    weft_json_kind kind = weft_json_kind_of(value);
    if (kind == WEFT_JSON_LIST || kind == WEFT_JSON_OBJECT) {
        weft_text_add(&text, "%s of %lld", kind == WEFT_JSON_LIST ? "a list" : "an object", (long long)weft_json_size(value));
    } else {
        weft_json_writer writer = weft_json_to(&text, 0);
        weft_json_add_value(&writer, value);
    }
    snprintf(out, room, text.length < 60 ? "%s" : "%.57s...", text.data ? text.data : "?");
    weft_text_free(&text);
}

static weft_status refuse(weft_json_value value, const char *where, const char *key, const char *expected)
{
    char found[64];
    show(value, found, sizeof found);
    return weft_fail(WEFT_ERROR_FORMAT, "%s: \"%s\" is %s, expected %s", where, key, found, expected);
}

weft_status weft_json_take_integer(weft_json_value object, const char *where, const char *key, int64_t least, int64_t most,
                                   int64_t *out)
{
    weft_json_value value = weft_json_get(object, key);
    if (!weft_json_present(value))
        return WEFT_OK;
    /* An integer, or a number like 4.0: two defaults tell "is none" from any value. */
    int64_t number = weft_json_integer(value, 0);
    if (number != weft_json_integer(value, 1) || number < least || number > most) {
        char expected[96];
        if (most == INT64_MAX && least == INT64_MIN)
            snprintf(expected, sizeof expected, "an integer");
        else if (most == INT64_MAX)
            snprintf(expected, sizeof expected, "an integer of at least %lld", (long long)least);
        else
            snprintf(expected, sizeof expected, "an integer from %lld to %lld", (long long)least, (long long)most);
        return refuse(value, where, key, expected);
    }
    *out = number;
    return WEFT_OK;
}

weft_status weft_json_take_number(weft_json_value object, const char *where, const char *key, double least, double most,
                                  double *out)
{
    weft_json_value value = weft_json_get(object, key);
    if (!weft_json_present(value))
        return WEFT_OK;
    double number = weft_json_number(value, NAN);
    if (!(number >= least && number <= most)) {
        char expected[96];
        if (most >= INFINITY && least <= -INFINITY)
            snprintf(expected, sizeof expected, "a number");
        else if (most >= INFINITY)
            snprintf(expected, sizeof expected, "a number of at least %g", least);
        else
            snprintf(expected, sizeof expected, "a number from %g to %g", least, most);
        return refuse(value, where, key, expected);
    }
    *out = number;
    return WEFT_OK;
}

weft_status weft_json_take_bool(weft_json_value object, const char *where, const char *key, bool *out)
{
    weft_json_value value = weft_json_get(object, key);
    if (!weft_json_present(value))
        return WEFT_OK;
    if (weft_json_kind_of(value) != WEFT_JSON_BOOL)
        return refuse(value, where, key, "true or false");
    *out = weft_json_bool(value, false);
    return WEFT_OK;
}

weft_status weft_json_take_string(weft_json_value object, const char *where, const char *key, const char **out)
{
    weft_json_value value = weft_json_get(object, key);
    if (!weft_json_present(value))
        return WEFT_OK;
    if (weft_json_kind_of(value) != WEFT_JSON_STRING)
        return refuse(value, where, key, "a text");
    *out = weft_json_string(value, NULL);
    return WEFT_OK;
}
