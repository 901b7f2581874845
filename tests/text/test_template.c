/* Templates: the golden renderings, Jinja2's rules one by one, and what hostile templates may not do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/files.h"
#include "text/chat_template.h"

#define GOLDEN WEFT_SOURCE_DIR "/tests/golden/text/chat_templates.json"

static void goldens(void **state)
{
    (void)state;
    weft_json *json;
    assert_int_equal(weft_json_read(GOLDEN, &json), WEFT_OK);
    weft_json_value list = weft_json_root(json);
    int cases = 0;
    weft_template_result result = {0};
    for (int64_t t = 0; t < weft_json_size(list); t++) {
        weft_json_value row = weft_json_item(list, t), runs = weft_json_get(row, "cases");
        const char *source = weft_json_string(weft_json_get(row, "template"), "");
        weft_chat_template *chat;
        assert_int_equal(weft_chat_template_parse(source, strlen(source), weft_json_string(weft_json_get(row, "name"), ""),
                                                  weft_json_string(weft_json_get(row, "bos_token"), ""),
                                                  weft_json_string(weft_json_get(row, "eos_token"), ""), &chat),
                         WEFT_OK);
        for (int64_t i = 0; i < weft_json_size(runs); i++, cases++) {
            weft_json_value run = weft_json_item(runs, i);
            const char *text = weft_json_string(weft_json_get(run, "text"), NULL);
            assert_int_equal(weft_chat_render(chat, run, -1, false, NULL, &result), WEFT_OK);
            assert_int_equal(result.raised, text == NULL);
            assert_string_equal(result.text.data, text ? text : weft_json_string(weft_json_get(run, "error"), ""));
        }
        weft_chat_template_free(chat);
    }
    assert_true(cases > 250);
    weft_template_result_free(&result);
    weft_json_free(json);
}

/* What `source` gives with the variables of a JSON object; NULL: it failed. */
static const char *rendered(const char *source, const char *variables)
{
    static char shown[4096];
    weft_json *json;
    weft_template *template;
    weft_template_result result = {0};
    weft_template_variable rows[16];
    int count = 0;
    assert_int_equal(weft_json_parse(variables, strlen(variables), "variables", &json), WEFT_OK);
    for (; count < 16 && (rows[count] = (weft_template_variable){0},
                         rows[count].name = weft_json_key(weft_json_root(json), count, &rows[count].value));)
        count++;
    struct tm noon = {.tm_year = 124, .tm_mon = 1, .tm_mday = 29, .tm_hour = 12};
    weft_template_limits limits = {.steps = 2000000, .output = 1 << 20, .memory = 64 << 20};
    bool fine = weft_template_parse(source, strlen(source), "t", &template) == WEFT_OK;
    if (fine)
        fine = weft_template_render(template, rows, count, &limits, &noon, &result) == WEFT_OK;
    snprintf(shown, sizeof shown, "%s%s", result.raised ? "raised: " : "", fine && result.text.data ? result.text.data : "");
    weft_template_free(template);
    weft_template_result_free(&result);
    weft_json_free(json);
    return fine ? shown : NULL;
}

/* Expected texts are Jinja2 3.1's, in transformers' environment. */
static void rules(void **state)
{
    static const char *const cases[][2] = {
        {"{{ 1 + 2 * 3 }} {{ 7 // 2 }} {{ -7 // 2 }} {{ -7 % 3 }} {{ 7 / 2 }} {{ 2 ** 3 ** 2 }}", "7 3 -4 2 3.5 64"},
        {"{{ 'a' ~ 1 ~ none ~ x }}|{{ 1.0 }}|{{ 1e16 }}|{{ 0.1 + 0.2 }}", "a1None|1.0|1e+16|0.30000000000000004"},
        {"{{ [1, 'a', \"it's\", none, true, 2.5, {'k': (1,)}] }}", "[1, 'a', \"it's\", None, True, 2.5, {'k': (1,)}]"},
        {"{{ 'héllo'[1:3] }}{{ 'héllo'[::-1] }}{{ [1,2,3][-1] }}{{ 'héllo'|length }}", "éloll\xc3\xa9h35"},
        {"{% set x = 1 %}{% for i in [1, 2] %}{% set x = i + 5 %}{{ x }}{% endfor %}{{ x }}", "671"},
        {"{% set n = namespace(a=0) %}{% for i in range(4) %}{% set n.a = n.a + i %}{% endfor %}{{ n.a }}", "6"},
        {"{% for k, v in {'a': 1, 'b': 2}.items() %}{{ loop.index }}{{ k }}{{ v }}{{ ',' if not loop.last }}{% endfor %}",
         "1a1,2b2"},
        {"{% for i in range(9) if i is odd %}{% if i == 7 %}{% break %}{% endif %}{{ i }}{% endfor %}", "135"},
        {"{% for i in [] %}x{% else %}none{% endfor %}", "none"},
        {"{% macro m(a, b='d') %}[{{ a }}{{ b }}]{% endmacro %}{{ m(1) }}{{ m(b=2, a=3) }}", "[1d][32]"},
        {"{% macro m() %}<{{ caller() }}>{% endmacro %}{% call m() %}in{% endcall %}", "<in>"},
        {"{% set t %}a{{ 1 }}b{% endset %}{{ t|upper }}", "A1B"},
        {"{% filter upper %}abc{% endfilter %}{% raw %}{{ x }}{% endraw %}", "ABC{{ x }}"},
        {"  {% if true %}\n  a\n  {% endif %}\nb\n", "  a\nb"},
        {"a {%- if true -%} b {%- endif %} c", "ab c"},
        {"{{ nothing }}{{ nothing is defined }}{{ nothing|default('d') }}{{ {}.x is undefined }}", "FalsedTrue"},
        {"{{ {'a': 'é\"', 'b': [1, 2.0, none, true]}|tojson }}", "{\"a\": \"é\\\"\", \"b\": [1, 2.0, null, true]}"},
        {"{{ {'a': [1]}|tojson(indent=2) }}", "{\n  \"a\": [\n    1\n  ]\n}"},
        {"{{ ' ab '.strip() }}{{ 'a,b'.split(',') }}{{ 'x-y'.replace('-', '+') }}{{ 'he said'|title }}",
         "ab['a', 'b']x+yHe Said"},
        {"{{ [{'r': 'u'}, {'r': 'a'}]|selectattr('r', 'equalto', 'u')|list|length }}", "1"},
        {"{{ [3, 1, 2]|sort|join('<') }} {{ ['b', 'A']|sort }} {{ [1, 1, 2]|unique|list }}", "1<2<3 ['A', 'b'] [1, 2]"},
        {"{{ '%s is %d'|format('x', 3) }} {{ '{}-{a}'.format(1, a=2) }}", "x is 3 1-2"},
        {"{{ 1 < 2 < 3 }} {{ 'a' in 'cab' }} {{ 2 not in [1] }} {{ not none }}", "True True True True"},
        {"{{ 'yes' if x is string else 'no' }}{{ 5 is divisibleby 5 }}{{ 'a'.items is defined }}", "noTrueFalse"},
        {"{{ {'items': 1}.items() }}{{ {'items': 1}['items'] }}", "dict_items([('items', 1)])1"},
        {"{{ strftime_now('%d %b %Y') }}", "29 Feb 2024"},
        {"{{ raise_exception('no: ' ~ 1) }}", "raised: no: 1"},
        {"{% if a %}{% elif b %}{% else %}c{% endif %}", "c"},
        {"{{ 'line\n  two'|indent(2) }}|{{ 3.7|int }}{{ 'x'|int(9) }}{{ 2.5|round }}", "line\n    two|392.0"},
        {"{{ 'a/b c&é'|urlencode }}|{{ {'k': 'a/b c', 'l': 1}|urlencode }}|{{ [('q', '&')]|urlencode }}",
         "a/b%20c%26%C3%A9|k=a%2Fb+c&l=1|q=%26"},
        {"{{ [1, 2]|truncate(3) }}{% if []|truncate(3) %}x{% endif %}{{ 'one two three'|truncate(9, leeway=0) }}",
         "[1, 2]one..."},
        {"{% generation %}a{% endgeneration %}b", "ab"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *got = rendered(cases[i][0], "{}");
        if (!got)
            fail_msg("%s: %s", cases[i][0], weft_error());
        assert_string_equal(got, cases[i][1]);
    }
}

/* Each is refused, and the message holds the words. */
static void mistakes(void **state)
{
    static const char *const cases[][2] = {
        {"a\n{{ x.y }}", "line 2: 'x' is undefined"},
        {"{{ 1 + 'a' }}", "line 1"},
        {"{{ none|indent }}", "expected a text, got 'NoneType'"},
        {"{{ [1, 2, 3]|truncate(3, leeway=-1) }}", "less than"},
        {"{{ (range(50)|list)|truncate(3) }}", "expected a text, got 'list'"},
        {"{{ true|truncate(9) }}", "a bool has no length"},
        {"{{ [1]|urlencode }}", "not iterable"},
        {"{{ ['abc']|urlencode }}", "item 0 has 3 values, expected a pair"},
        {"{{ 'a' + 1 }}", "can only concatenate"},
        {"\n\n{% if x %}", "line 3"},
        {"{% endif %}", "unknown tag"},
        {"{% frobnicate %}", "unknown tag \"frobnicate\""},
        {"{{ x|frobnicate }}", "no filter is called \"frobnicate\""},
        {"{{ x is frobnicate }}", "no test is called \"frobnicate\""},
        {"{{ ", "not closed"},
        {"{{ (1 }}", "expected ')'"},
        {"{{ 1 ) }}", "unexpected ')'"},
        {"{# a", "not closed"},
        {"{% break %}", "outside a loop"},
        {"{{ [].append(1) }}", "unsafe"},
        {"{{ 1 // 0 }}", "division by zero"},
        {"{{ 9223372036854775807 + 1 }}", "64 bits"},
        {"{{ range(1000000) }}", "range"},
        {"{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "recursion"},
        {"{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}", "takes more than"},
        {"{{ 'a' * 99999999999 }}", "memory"},
        {"{% set n = namespace(s='aa') %}{% for i in range(99) %}{% set n.s = n.s + n.s %}{% endfor %}", "memory"},
        {"{% set n = namespace(s=[1]) %}{% for i in range(99) %}{% set n.s = [n.s, n.s] %}{% endfor %}{{ n.s }}", "t, line"},
        {"{% set n = namespace(s=[1]) %}{% for i in range(9999) %}{% set n.s = [n.s] %}{% endfor %}{{ n.s|tojson }}",
         "recursion"},
        {"{% for i in range(99999) %}{{ 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' }}{% endfor %}", "bytes"},
        {"{{ 'x'|indent('yyyyyyyyyyyyyyyyyyyyyyyyyyyy' * 99999) ~ ('\\n' * 99999)|indent('y' * 99999, blank=true) }}", "t, line"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *got = rendered(cases[i][0], "{}");
        if (got)
            fail_msg("%s: gives \"%.100s\"", cases[i][0], got);
        if (!strstr(weft_error(), cases[i][1]))
            fail_msg("%s: says \"%s\", not \"%s\"", cases[i][0], weft_error(), cases[i][1]);
    }
}

/* A megabyte of one piece again and again: no crash, no endless work. */
static void nested(void **state)
{
    static const char *const pieces[] = {
        "{% if x %}",  "{% for a in b %}", "(",      "[",     "{{ (",    "{{ [[",     "{{ - -", "{{ not ",
        "{{ a.b",      "{{ a|upper",       "{{ {1:", "{{ 1+", "{{ 'a' ", "{% raw %}", "{#",     "{{ a if b else ",
        "{% set x %}", "{% macro m() %}",  "{{ a(",  "{{ a[", "{%",      "{{",        "-}}",    "{% elif x %}"};
    size_t size = 1 << 20;
    char *text = malloc(size + 64);
    (void)state;
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++)
        for (int body = 0; body < 2; body++) { /* whole pieces, and one opening with its inside repeated */
            const char *piece = pieces[i];
            size_t length = 0;
            if (body) {
                if (strncmp(piece, "{{ ", 3) != 0)
                    continue;
                length = 3;
                memcpy(text, piece, 3);
                piece += 3;
            }
            while (length + strlen(piece) < size) {
                memcpy(text + length, piece, strlen(piece));
                length += strlen(piece);
            }
            weft_template *template = NULL;
            weft_template_result result = {0};
            if (weft_template_parse(text, length, "t", &template) == WEFT_OK)
                (void)weft_template_render(template, NULL, 0, NULL, NULL, &result);
            weft_template_free(template);
            weft_template_result_free(&result);
        }
    free(text);
}

/* The spec's table of families, for one conversation. */
static void presets(void **state)
{
    static const char talk[] =
        "{\"messages\": [{\"role\": \"system\", \"content\": \"s\"}, {\"role\": \"user\", \"content\": \"u\"}, "
        "{\"role\": \"assistant\", \"content\": \"a\"}, {\"role\": \"user\", \"content\": \"v\"}], "
        "\"add_generation_prompt\": true}";
    static const char *const texts[][2] = {
        {"chatml", "<|im_start|>system\ns<|im_end|>\n<|im_start|>user\nu<|im_end|>\n<|im_start|>assistant\na<|im_end|>\n"
                   "<|im_start|>user\nv<|im_end|>\n<|im_start|>assistant\n"},
        {"llama2", "<s>[INST] <<SYS>>\ns\n<</SYS>>\n\nu [/INST] a </s><s>[INST] v [/INST]"},
        {"llama3",
         "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\ns<|eot_id|><|start_header_id|>user<|end_header_id|>"
         "\n\nu<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\na<|eot_id|><|start_header_id|>user<|end_header_id|>"
         "\n\nv<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n"},
        {"mistral", "<s>[INST] s\n\nu [/INST]a</s>[INST] v [/INST]"},
        {"gemma", NULL},
        {"zephyr", "<|system|>\ns</s>\n<|user|>\nu</s>\n<|assistant|>\na</s>\n<|user|>\nv</s>\n<|assistant|>\n"},
        {"vicuna", "s USER: u ASSISTANT: a</s>USER: v ASSISTANT:"},
        {"alpaca", "s\n\n### Instruction:\nu\n\n### Response:\na</s>\n\n### Instruction:\nv\n\n### Response:\n"},
    };
    (void)state;
    weft_template_result result = {0};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        weft_chat_template *chat;
        assert_string_equal(weft_chat_template_name((int)i), texts[i][0]);
        assert_int_equal(weft_chat_template_named(texts[i][0], NULL, &chat), WEFT_OK);
        assert_int_equal(weft_chat_template_render(chat, talk, strlen(talk), NULL, &result), WEFT_OK);
        assert_int_equal(result.raised, texts[i][1] == NULL);
        if (texts[i][1]) {
            assert_string_equal(result.text.data, texts[i][1]);
            assert_int_equal(result.span_count, 1);
            assert_non_null(memchr(result.text.data + result.spans[0].begin, 'a', result.spans[0].end - result.spans[0].begin));
        }
        weft_chat_template_free(chat);
    }
    weft_template_result_free(&result);
}

static void folders(void **state)
{
    char folder[] = "/tmp/weft_template_XXXXXX", path[256];
    weft_chat_template *chat;
    weft_template_result result = {0};
    static const char talk[] = "{\"messages\": []}";
    (void)state;
    assert_non_null(mkdtemp(folder));
    assert_int_equal(weft_chat_template_open(folder, NULL, &chat), WEFT_ERROR_FORMAT);
    assert_non_null(strstr(weft_error(), "chatml, llama2"));
    snprintf(path, sizeof path, "%s/tokenizer_config.json", folder);
    static const char config[] =
        "{\"bos_token\": {\"content\": \"<b>\"}, \"chat_template\": [{\"name\": \"default\", \"template\": "
        "\"{{ bos_token }}{{ eos_token }}1\"}, {\"name\": \"tool_use\", \"template\": \"2\"}]}";
    assert_int_equal(weft_file_write(path, config, sizeof config - 1), WEFT_OK);
    static const char *const expected[][2] = {{NULL, "<b>1"}, {"tool_use", "2"}};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(weft_chat_template_open(folder, expected[i][0], &chat), WEFT_OK);
        assert_int_equal(weft_chat_template_render(chat, talk, strlen(talk), NULL, &result), WEFT_OK);
        assert_string_equal(result.text.data, expected[i][1]);
        weft_chat_template_free(chat);
    }
    assert_int_equal(weft_chat_template_open(folder, "other", &chat), WEFT_ERROR_FORMAT);
    assert_non_null(strstr(weft_error(), "tool_use"));
    char jinja[256];
    snprintf(jinja, sizeof jinja, "%s/chat_template.jinja", folder);
    assert_int_equal(weft_file_write(jinja, "file {{ bos_token }}", 20), WEFT_OK);
    assert_int_equal(weft_chat_template_open(folder, NULL, &chat), WEFT_OK);
    assert_int_equal(weft_chat_template_render(chat, talk, strlen(talk), NULL, &result), WEFT_OK);
    assert_string_equal(result.text.data, "file <b>");
    assert_int_equal(weft_chat_template_render(chat, "{\"messages\": [1]}", 17, NULL, &result), WEFT_ERROR_FORMAT);
    assert_int_equal(weft_chat_template_render(chat, "[]", 2, NULL, &result), WEFT_ERROR_FORMAT);
    weft_chat_template_free(chat);
    weft_template_result_free(&result);
    remove(jinja);
    remove(path);
    remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(goldens), cmocka_unit_test(rules),   cmocka_unit_test(mistakes),
                                       cmocka_unit_test(nested),  cmocka_unit_test(presets), cmocka_unit_test(folders)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
