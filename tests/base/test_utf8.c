/* UTF-8: every code point there and back, and what is broken is replaced as Unicode says (table 3-8 of its section 3.9). */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/utf8.h"

static void every_code_point(void **state)
{
    (void)state;
    for (uint32_t code = 0; code < 0x110000; code++) {
        char bytes[4];
        size_t length = weft_utf8_put(code, bytes);
        bool surrogate = code >= 0xD800 && code < 0xE000;
        weft_utf8 c = weft_utf8_at(bytes, bytes + length);
        assert_int_equal(c.valid, !surrogate);
        assert_int_equal(weft_utf8_is_valid(bytes, length), !surrogate);
        if (surrogate)
            continue;
        assert_int_equal(c.code, code);
        assert_int_equal(c.length, length);
        const char *at = bytes;
        assert_int_equal(weft_utf8_next(&at), code);
        assert_ptr_equal(at, bytes + length);
        for (size_t cut = 1; cut < length; cut++) {
            c = weft_utf8_at(bytes, bytes + cut);
            assert_false(c.valid);
            assert_true(c.cut);
            assert_int_equal(c.length, cut);
        }
    }
}

static void broken_bytes(void **state)
{
    (void)state;
#define U "\xEF\xBF\xBD"
    static const struct {
        const char *text, *repaired;
        size_t count;
    } rows[] = {
        {"\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41", U U U U U U U U "A", 8}, /* overlong forms */
        {"\xED\xA0\x80\xED\xBF\xBF\xED\xAF\x41", U U U U U U U U "A", 8}, /* surrogates */
        {"\xF4\x91\x92\x93\xFF\x41\x80\xBF\x42", U U U U U "A" U U "B", 7},
        {"\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41", U U U U "A", 4}, /* beginnings of characters: one each */
        {"ok", "ok", 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        weft_text out = {0};
        assert_int_equal(weft_utf8_repair(rows[i].text, strlen(rows[i].text), &out), rows[i].count);
        assert_string_equal(out.data, rows[i].repaired);
        assert_true(weft_utf8_is_valid(out.data, out.length));
        weft_text_free(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_code_point), cmocka_unit_test(broken_bytes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
