/* JSON: what is read is what stands there, what is written reads back, and hostile text is refused with its place. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/random.h"

static weft_json *parse(const char *text)
{
    weft_json *json;
    if (weft_json_parse(text, strlen(text), "test", &json) != WEFT_OK)
        fail_msg("%s", weft_error());
    return json;
}

static void assert_refused(const char *text, size_t size, const char *says)
{
    weft_json *json;
    assert_int_equal(weft_json_parse(text, size, "a.json", &json), WEFT_ERROR_FORMAT);
    assert_null(json);
    if (strncmp(weft_error(), "a.json", 6) != 0 || !strstr(weft_error(), says))
        fail_msg("error is \"%s\", expected \"%s\" in it", weft_error(), says);
}

static void values_are_typed(void **state)
{
    (void)state;
    weft_json *json =
        parse("\xEF\xBB\xBF {\"i\": -12, \"x\": 2.5e3, \"whole\": 4.0, \"t\": true, \"n\": null, \"s\": \"a\\u00e9\\n\", "
              "\"l\": [1, [2], {\"k\": 3}], \"max\": 9223372036854775807, \"min\": -9223372036854775808}");
    weft_json_value root = weft_json_root(json), none = {NULL};
    assert_int_equal(weft_json_size(root), 9);
    assert_int_equal(weft_json_integer(weft_json_get(root, "i"), 7), -12);
    assert_true(weft_json_number(weft_json_get(root, "i"), 7) == -12);
    assert_true(weft_json_number(weft_json_get(root, "x"), 7) == 2500);
    assert_int_equal(weft_json_kind_of(weft_json_get(root, "whole")), WEFT_JSON_NUMBER);
    assert_int_equal(weft_json_integer(weft_json_get(root, "whole"), 7), 4);
    assert_int_equal(weft_json_integer(weft_json_get(root, "max"), 7), INT64_MAX);
    assert_int_equal(weft_json_integer(weft_json_get(root, "min"), 7), INT64_MIN);
    assert_true(weft_json_bool(weft_json_get(root, "t"), false));
    assert_string_equal(weft_json_string(weft_json_get(root, "s"), "?"), "a\xC3\xA9\n");
    assert_false(weft_json_present(weft_json_get(root, "n")));
    assert_false(weft_json_present(weft_json_get(root, "absent")));
    assert_int_equal(weft_json_integer(weft_json_get(weft_json_item(weft_json_get(root, "l"), 2), "k"), 7), 3);
    assert_null(weft_json_item(weft_json_get(root, "l"), 3).node);
    assert_null(weft_json_item(weft_json_get(root, "l"), -1).node);
    /* absent and ill-typed values answer the default, all the way down */
    assert_int_equal(weft_json_integer(weft_json_get(weft_json_item(none, 0), "k"), 7), 7);
    assert_int_equal(weft_json_integer(weft_json_get(root, "s"), 7), 7);
    assert_string_equal(weft_json_string(weft_json_get(root, "i"), "?"), "?");
    assert_int_equal(weft_json_size(weft_json_get(root, "s")), 0);
    weft_json_free(json);
}

static void keys_keep_their_order(void **state)
{
    (void)state;
    for (int n = 0; n < 300; n = n * 2 + 1) { /* with and without the hash table */
        weft_text text = {0};
        weft_text_add(&text, "{");
        for (int i = 0; i < n; i++)
            weft_text_add(&text, "%s\"k%d\": %d", i ? ", " : "", (i * 7919) % 1000, i);
        weft_text_add(&text, "}");
        weft_json *json = parse(text.data);
        weft_json_value root = weft_json_root(json), value;
        char key[16];
        for (int i = 0; i < n; i++) {
            snprintf(key, sizeof key, "k%d", (i * 7919) % 1000);
            assert_string_equal(weft_json_key(root, i, &value), key);
            assert_int_equal(weft_json_integer(value, -1), i);
            assert_int_equal(weft_json_integer(weft_json_get(root, key), -1), i);
        }
        assert_null(weft_json_key(root, n, &value));
        assert_null(value.node);
        assert_null(weft_json_get(root, "other").node);
        weft_json_free(json);
        weft_text_free(&text);
    }
}

static void integers_beyond_64_bits_are_numbers(void **state)
{
    (void)state;
    weft_json *json = parse("[1000000000000000019884624838656, -9223372036854775809, \"99999999999999999999\\\"\", "
                            "9223372036854775807, 99999999999999999999.5]");
    weft_json_value root = weft_json_root(json);
    assert_true(weft_json_number(weft_json_item(root, 0), 0) == 1000000000000000019884624838656.0);
    assert_true(weft_json_number(weft_json_item(root, 1), 0) == -9223372036854775808.0);
    assert_string_equal(weft_json_string(weft_json_item(root, 2), ""), "99999999999999999999\"");
    assert_int_equal(weft_json_integer(weft_json_item(root, 3), 0), INT64_MAX);
    assert_true(weft_json_number(weft_json_item(root, 4), 0) == 99999999999999999999.5);
    weft_json_free(json);
}

static void hostile_text_is_refused(void **state)
{
    (void)state;
    static const char *const broken[] = {
        "",          "{",      "[1,]",    "{\"a\" 1}", "nul",  "1 2",   "\"\\ud800\"", "\"\xC0\xAF\"", "[01]",        "{\"a\":}",
        "[\"\\x\"]", "{1: 2}", "[1e999]", "\"a\nb\"",  "\"\\", "[NaN]", "\"\\u0000\"", "[-]",          "\xEF\xBB\xBF"};
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++)
        assert_refused(broken[i], strlen(broken[i]), "line");
    assert_refused("{\"a\": 1,\n \"a\": 2}", 18, "line 2");
    assert_refused("[1\0]", 4, "line 1");
    char *deep = malloc(2000000);
    memset(deep, '[', 2000000);
    assert_refused(deep, 2000000, "nested");
    memset(deep, ']', 2000000);
    memset(deep, '[', 512);
    assert_refused(deep, 2000000, "line");
    weft_json *json;
    assert_int_equal(weft_json_parse(deep, 1024, "deep", &json), WEFT_OK);
    weft_json_free(json);
    free(deep);
    char *wide = malloc(40000000);
    memset(wide, ',', 40000000);
    wide[0] = '[';
    assert_refused(wide, 40000000, "values");
    free(wide);
}

static void zero_bytes_where_asked_for(void **state)
{
    (void)state;
    static const char text[] = "{\"text\": \"a\\u0000b\"}";
    weft_json *json;
    size_t length;
    assert_refused(text, strlen(text), "line 1");
    assert_int_equal(weft_json_parse_zeros(text, strlen(text), "zeros", &json), WEFT_OK);
    const char *bytes = weft_json_bytes(weft_json_get(weft_json_root(json), "text"), &length);
    assert_int_equal(length, 3);
    assert_memory_equal(bytes, "a\0b", 4);
    weft_text written = {0};
    weft_json_writer writer = weft_json_to(&written, 0);
    weft_json_add_bytes(&writer, bytes, length);
    assert_string_equal(written.data, "\"a\\u0000b\"");
    assert_null(weft_json_bytes(weft_json_root(json), &length));
    assert_int_equal(length, 0);
    weft_text_free(&written);
    weft_json_free(json);
}

static void take_names_key_and_value(void **state)
{
    (void)state;
    weft_json *json =
        parse("{\"heads\": \"12\", \"width\": 0, \"rate\": 2.5, \"on\": 1, \"list\": [1, 2], \"null\": null, \"ok\": 8}");
    weft_json_value root = weft_json_root(json);
    int64_t integer = 5;
    double number = 0.5;
    bool truth = true;
    const char *text = "kept";
    assert_int_equal(weft_json_take_integer(root, "config.json", "absent", 1, 9, &integer), WEFT_OK);
    assert_int_equal(weft_json_take_integer(root, "config.json", "null", 1, 9, &integer), WEFT_OK);
    assert_int_equal(integer, 5);
    assert_int_equal(weft_json_take_integer(root, "config.json", "ok", 1, 8, &integer), WEFT_OK);
    assert_int_equal(integer, 8);
    assert_int_equal(weft_json_take_integer(root, "config.json", "heads", 1, 64, &integer), WEFT_ERROR_FORMAT);
    assert_string_equal(weft_error(), "config.json: \"heads\" is \"12\", expected an integer from 1 to 64");
    assert_int_equal(weft_json_take_integer(root, "config.json", "width", 1, INT64_MAX, &integer), WEFT_ERROR_FORMAT);
    assert_string_equal(weft_error(), "config.json: \"width\" is 0, expected an integer of at least 1");
    assert_int_equal(weft_json_take_integer(root, "config.json", "rate", 0, 9, &integer), WEFT_ERROR_FORMAT);
    assert_int_equal(weft_json_take_number(root, "c", "rate", 0, 1, &number), WEFT_ERROR_FORMAT);
    assert_string_equal(weft_error(), "c: \"rate\" is 2.5, expected a number from 0 to 1");
    assert_int_equal(weft_json_take_number(root, "c", "list", -INFINITY, INFINITY, &number), WEFT_ERROR_FORMAT);
    assert_string_equal(weft_error(), "c: \"list\" is a list of 2, expected a number");
    assert_int_equal(weft_json_take_bool(root, "c", "on", &truth), WEFT_ERROR_FORMAT);
    assert_int_equal(weft_json_take_string(root, "c", "ok", &text), WEFT_ERROR_FORMAT);
    assert_int_equal(integer, 8);
    assert_true(number == 0.5 && truth);
    assert_string_equal(text, "kept");
    assert_int_equal(weft_json_take_string(root, "c", "heads", &text), WEFT_OK);
    assert_string_equal(text, "12");
    weft_json_free(json);
}

static void layout_is_pythons(void **state)
{
    (void)state;
    const char *source = "{\"a\":[1,-0.0,{}],\"b\":{\"c\":[],\"d\":null},\"e\\\"\\u0001\\t\":true}";
    const char *expected[2] = {"{\"a\": [1, -0.0, {}], \"b\": {\"c\": [], \"d\": null}, \"e\\\"\\u0001\\t\": true}",
                               "{\n  \"a\": [\n    1,\n    -0.0,\n    {}\n  ],\n  \"b\": {\n    \"c\": [],\n    \"d\": null\n  "
                               "},\n  \"e\\\"\\u0001\\t\": true\n}"};
    weft_json *json = parse(source);
    for (int i = 0; i < 2; i++) {
        weft_text text = {0};
        weft_json_writer writer = weft_json_to(&text, 2 * i);
        weft_json_add_value(&writer, weft_json_root(json));
        assert_string_equal(text.data, expected[i]);
        weft_text_free(&text);
    }
    weft_json_free(json);
}

static void invalid_utf8_becomes_a_replacement(void **state)
{
    (void)state;
    weft_text text = {0};
    weft_json_writer writer = weft_json_to(&text, 0);
    weft_json_open_list(&writer);
    weft_json_add_string(&writer, "a\xFFz\xC3\xA9\xE2\x82\xF0\x9F\x98\x80\xED\xA0\x80");
    weft_json_add_string(&writer, NULL);
    weft_json_add_number(&writer, NAN);
    weft_json_add_float(&writer, -INFINITY);
    weft_json_close_list(&writer);
    const char *r = "\xEF\xBF\xBD";
    char expected[64];
    snprintf(expected, sizeof expected, "[\"a%sz\xC3\xA9%s%s\xF0\x9F\x98\x80%s%s%s\", null, null, null]", r, r, r, r, r, r);
    assert_string_equal(text.data, expected);
    weft_json_free(parse(text.data));
    weft_text_free(&text);
}

/* Digits of a printed number, without sign, point, exponent, and leading or trailing zeros. */
static int digits_of(const char *text)
{
    int count = 0, zeros = 0;
    for (; *text && *text != 'e'; text++)
        if (*text >= '1' && *text <= '9') {
            count += zeros + 1;
            zeros = 0;
        } else if (*text == '0' && count) {
            zeros++;
        }
    return count;
}

static void number_survives(double value, bool narrow)
{
    weft_text text = {0};
    weft_json_writer writer = weft_json_to(&text, 0);
    if (narrow)
        weft_json_add_float(&writer, (float)value);
    else
        weft_json_add_number(&writer, value);
    weft_json *json = parse(text.data);
    assert_int_equal(weft_json_kind_of(weft_json_root(json)), WEFT_JSON_NUMBER);
    double back = weft_json_number(weft_json_root(json), NAN);
    if (narrow)
        back = (double)strtof(text.data, NULL);
    assert_memory_equal(&back, &value, sizeof value);
    int digits = digits_of(text.data);
    if (digits > 1) { /* one digit less does not survive */
        char shorter[40];
        snprintf(shorter, sizeof shorter, "%.*e", digits - 2, value);
        assert_true(narrow ? strtof(shorter, NULL) != (float)value : strtod(shorter, NULL) != value);
    }
    weft_json_free(json);
    weft_text_free(&text);
}

static void numbers_are_shortest_and_exact(void **state)
{
    (void)state;
    static const double hard[] = {0.0,
                                  -0.0,
                                  0.1,
                                  0.3,
                                  1.0 / 3,
                                  1e22,
                                  1e23,
                                  5e-324,
                                  DBL_MIN,
                                  DBL_MAX,
                                  2.2250738585072011e-308,
                                  123456789012345678.0,
                                  9007199254740993.0,
                                  1e15,
                                  100,
                                  -1e-7};
    for (size_t i = 0; i < sizeof hard / sizeof *hard; i++) {
        number_survives(hard[i], false);
        if (fabs(hard[i]) < FLT_MAX)
            number_survives((double)(float)hard[i], true);
    }
    weft_random_key key = weft_random_stream(1, "json numbers");
    for (uint64_t i = 0; i < 20000; i++) {
        uint64_t bits = (uint64_t)weft_random_word(key, 0, i, 0) << 32 | weft_random_word(key, 0, i, 1);
        double value;
        memcpy(&value, &bits, sizeof value);
        if (isfinite(value))
            number_survives(value, false);
        uint32_t half = (uint32_t)bits;
        float narrow;
        memcpy(&narrow, &half, sizeof narrow);
        if (isfinite(narrow))
            number_survives((double)narrow, true);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_typed),
        cmocka_unit_test(keys_keep_their_order),
        cmocka_unit_test(integers_beyond_64_bits_are_numbers),
        cmocka_unit_test(hostile_text_is_refused),
        cmocka_unit_test(zero_bytes_where_asked_for),
        cmocka_unit_test(take_names_key_and_value),
        cmocka_unit_test(layout_is_pythons),
        cmocka_unit_test(invalid_utf8_becomes_a_replacement),
        cmocka_unit_test(numbers_are_shortest_and_exact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
