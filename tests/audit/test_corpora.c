/* The corpus of the fuzz target of prompts, hostile files included, through its target; and what such files are answered. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "corpus.h"

#define LLVMFuzzerTestOneInput fuzz_prompts
#include "../../fuzz/fuzz_prompts.c"
#undef LLVMFuzzerTestOneInput

REPLAY(prompts)

static void wrong_lines_are_named(void **state)
{
    (void)state;
    static const struct {
        weft_prompt_lines kind;
        const char *text, *words;
        size_t size;
    } rows[] = {
#define LINES(kind, text, words) {kind, text, words, sizeof text - 1}
        LINES(WEFT_LINES_TEXT, "one\nt\0o\n", "f, line 2: a zero byte"),
        LINES(WEFT_LINES_TEXT, "\n \n", "f: holds no prompts"),
        LINES(WEFT_LINES_JSON, "{\"prompt\": \"q\"}\n{\"prompt\": \"q\", \"label\": 2}\n", "f, line 2: \"label\""),
        LINES(WEFT_LINES_JSON, "{\"messages\": \"Hi\"}", "f, line 1: expected"),
        LINES(WEFT_LINES_QUESTIONS, "{\"prompt\": \"q\", \"choices\": [\"a\", \"b\"], \"answer\": 4294967296}",
              "f, line 1: \"answer\""),
        LINES(WEFT_LINES_QUESTIONS, "{\"prompt\": \"q\", \"choices\": [\"a\"], \"answer\": 0}",
              "f, line 1: expected \"choices\""),
#undef LINES
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        weft_prompts list;
        assert_int_equal(weft_prompts_parse(rows[i].text, rows[i].size, rows[i].kind, "f", &list), WEFT_ERROR_FORMAT);
        assert_non_null(strstr(weft_error(), rows[i].words));
        assert_null(list.at);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(prompts_corpus), cmocka_unit_test(wrong_lines_are_named)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
