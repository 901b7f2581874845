/* Training data: rows hold every token once, packed records do not see each other, responses alone are learned. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/files.h"
#include "base/random.h"
#include "lm/data.h"
#include "weft/graph.h"

/* Documents of random lengths whose tokens count up, so that each place of a row tells where it came from. */
static void make(weft_lm_data *data, uint64_t seed, int documents, int64_t longest)
{
    weft_random_key key = weft_random_stream(seed, "documents");
    int64_t ids[400], next = 0;
    unsigned char learned[400];
    *data = (weft_lm_data){0};
    for (int d = 0; d < documents; d++) {
        int64_t count = 2 + (int64_t)weft_random_below(key, 0, (uint64_t)d, 0, (uint64_t)longest - 1);
        for (int64_t i = 0; i < count; i++) {
            ids[i] = next++;
            learned[i] = weft_random_below(key, 1, (uint64_t)d, (uint64_t)i, 3) != 0;
        }
        learned[count - 1] = 1;
        assert_int_equal(weft_lm_data_add(data, ids, learned, count), WEFT_OK);
    }
}

static void rows_hold_all(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 40; seed++) {
        weft_lm_data data;
        weft_lm_rows rows;
        int64_t length = 16 + (int64_t)(seed * 7 % 90);
        bool packed = seed % 2;
        make(&data, seed, 60, 3 + (int64_t)(seed * 11 % 300));
        assert_int_equal(weft_lm_rows_make(&data, length, packed, &rows), WEFT_OK);
        int64_t n = rows.count * length, *all = malloc(4 * (size_t)n * sizeof *all), *which = malloc((size_t)rows.count * 8);
        weft_lm_batch b = {all, all + n, all + 2 * n, all + 3 * n, NULL, NULL, 0};
        for (int64_t r = 0; r < rows.count; r++)
            which[r] = r;
        weft_lm_rows_fill(&rows, &data, which, rows.count, &b);
        unsigned char *seen = calloc((size_t)data.count + 1, 1);
        int64_t labelled = 0;
        for (int64_t i = 0; i < n; i++) {
            bool starts = b.positions[i] == 0, same = i % length && b.segments[i] == b.segments[i - 1];
            assert_int_equal(starts, !same); /* positions begin anew with each segment, and only there */
            if (same)
                assert_int_equal(b.positions[i], b.positions[i - 1] + 1);
            if (b.labels[i] == WEFT_IGNORE)
                continue;
            labelled++;
            assert_int_equal(b.labels[i], b.ids[i] + 1); /* the next token of its own document */
            assert_int_equal(seen[b.labels[i]]++, 0);    /* asked for once */
            assert_int_equal(data.learned[b.labels[i]], 1);
        }
        assert_int_equal(labelled, b.labelled);
        for (int64_t d = 0; d < data.documents; d++)
            for (int64_t i = data.starts[d] + 1; i < data.starts[d + 1]; i++)
                assert_int_equal(seen[i], data.learned[i]);
        if (!packed)
            assert_false(rows.packed);
        free(seen);
        free(which);
        free(all);
        weft_lm_rows_free(&rows);
        weft_lm_data_free(&data);
    }
}

static void packing_is_tight(void **state)
{
    weft_lm_data data;
    weft_lm_rows rows;
    int64_t places = 0;
    (void)state;
    make(&data, 5, 400, 60);
    assert_int_equal(weft_lm_rows_make(&data, 128, true, &rows), WEFT_OK);
    for (int64_t p = 0; p < rows.first[rows.count]; p++)
        places += rows.pieces[p].count - 1;
    assert_true((double)places > 0.95 * (double)(rows.count * 128));
    weft_lm_rows_free(&rows);
    weft_lm_data_free(&data);
}

static void splits(void **state)
{
    weft_lm_data data, tail;
    (void)state;
    make(&data, 1, 100, 20);
    int64_t count = data.count;
    assert_int_equal(weft_lm_data_split(&data, 0.1, &tail), WEFT_OK);
    assert_int_equal(data.documents, 90);
    assert_int_equal(tail.documents, 10);
    assert_int_equal(data.count + tail.count, count);
    assert_int_equal(tail.ids[0], data.count);
    weft_lm_data_free(&data);
    weft_lm_data_free(&tail);
    int64_t ids[200];
    for (int i = 0; i < 200; i++)
        ids[i] = i;
    assert_int_equal(weft_lm_data_add(&data, ids, NULL, 200), WEFT_OK);
    assert_int_equal(weft_lm_data_split(&data, 0.25, &tail), WEFT_OK);
    assert_int_equal(data.count, 150);
    assert_int_equal(tail.ids[0], 150);
    weft_lm_data_free(&data);
    weft_lm_data_free(&tail);
}

/* A tokenizer whose tokens are single bytes, so that ids can be read. */
static const char tokenizer[] =
    "{\"added_tokens\": [{\"id\": 0, \"content\": \"<s>\", \"special\": true, \"normalized\": false}, "
    "{\"id\": 1, \"content\": \"</s>\", \"special\": true, \"normalized\": false}], \"model\": {\"type\": \"BPE\", \"vocab\": "
    "{\"<s>\": 0, \"</s>\": 1, \"a\": 2, \"b\": 3, \"u\": 4, \":\": 5, \"c\": 6, \"|\": 7}, \"merges\": []}}";

static void read(const char *json, const weft_lm_data_options *o, weft_status expected, weft_lm_data *data)
{
    char folder[] = "/tmp/weft_data_XXXXXX", path[2][256];
    weft_tokenizer *t;
    assert_non_null(mkdtemp(folder));
    snprintf(path[0], sizeof path[0], "%s/tokenizer.json", folder);
    snprintf(path[1], sizeof path[1], "%s/data.jsonl", folder);
    assert_int_equal(weft_file_write(path[0], tokenizer, sizeof tokenizer - 1), WEFT_OK);
    assert_int_equal(weft_file_write(path[1], json, strlen(json)), WEFT_OK);
    if (weft_tokenizer_open(folder, &t) != WEFT_OK)
        fail_msg("%s", weft_error());
    *data = (weft_lm_data){0};
    weft_status status = weft_lm_data_read(data, t, path[1], o);
    if (status != expected)
        fail_msg("%s: %s", json, weft_error());
    weft_tokenizer_free(t);
    remove(path[0]);
    remove(path[1]);
    remove(folder);
}

static void expect(const weft_lm_data *data, int64_t d, const char *ids, const char *learned)
{
    char got[2][128] = {"", ""};
    for (int64_t i = data->starts[d]; i < data->starts[d + 1]; i++) {
        size_t at = strlen(got[0]);
        snprintf(got[0] + at, sizeof got[0] - at, "%c", "<>abu:c|"[data->ids[i]]);
        snprintf(got[1] + at, sizeof got[1] - at, "%d", data->learned[i]);
    }
    assert_string_equal(got[0], ids);
    assert_string_equal(got[1], learned);
}

static void records(void **state)
{
    weft_lm_data data;
    weft_chat_template *chat;
    (void)state;
    weft_lm_data_options o = {.prompt = "u:{{ instruction }}{{ input }}|", .bos = 0, .eos = 1};
    read("{\"instruction\": \"a\", \"input\": \"b\", \"output\": \"cc\"}\n{\"prompt\": \"a\", \"completion\": \"b\"}\n"
         "{\"text\": \"abc\"}\n{\"instruction\": \"b\", \"output\": \"</s>a\"}\n",
         &o, WEFT_OK, &data);
    assert_int_equal(data.documents, 4);
    expect(&data, 0, "<u:ab|cc>", "000000111");
    expect(&data, 1, "<ab>", "0011");
    expect(&data, 2, "<abc>", "01111");
    assert_int_equal(data.ids[data.starts[4] - 1], 1);
    weft_lm_data_free(&data);

    static const char talk[] =
        "{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}, {\"role\": \"assistant\", \"content\": "
        "\"bc\"}, {\"role\": \"user\", \"content\": \"c\"}, {\"role\": \"assistant\", \"content\": \"a\"}]}\n";
    /* with {% generation %}, and the same found by rendering without it */
    static const char *const templates[] = {
        "{% for m in messages %}{% if m.role == 'user' %}u:{{ m.content }}|{% else %}{% generation %}{{ m.content }}</s>"
        "{% endgeneration %}{% endif %}{% endfor %}",
        "{% for m in messages %}{% if m.role == 'user' %}u:{{ m.content }}|{% else %}{{ m.content }}</s>{% endif %}{% endfor %}"};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(weft_chat_template_parse(templates[i], strlen(templates[i]), "t", "<s>", "</s>", &chat), WEFT_OK);
        read(talk, &(weft_lm_data_options){.chat = chat, .bos = 0, .eos = 1}, WEFT_OK, &data);
        expect(&data, 0, "u:a|bc>u:c|a>", "0000111000011");
        weft_lm_data_free(&data);
        read(talk, &(weft_lm_data_options){.chat = chat, .longest = 4, .bos = 0, .eos = 1}, WEFT_OK, &data);
        assert_int_equal(data.documents, 0); /* nothing of a response is left */
        assert_int_equal(data.left_out, 1);
        weft_lm_data_free(&data);
        weft_chat_template_free(chat);
    }

    read("{\"prompt\": \"a\", \"chosen\": \"b\", \"rejected\": \"cc\"}",
         &(weft_lm_data_options){.bos = -1, .eos = 1, .pairs = true}, WEFT_OK, &data);
    expect(&data, 0, "ab>", "011");
    expect(&data, 1, "acc>", "0111");
    weft_lm_data_free(&data);

    read("{\"prompt\": \"a\", \"chosen\": \"b\", \"rejected\": \"\"}\n{\"prompt\": \"aa\", \"chosen\": \"b\", \"rejected\": "
         "\"c\"}",
         &(weft_lm_data_options){.bos = -1, .eos = -1, .pairs = true}, WEFT_OK, &data);
    assert_int_equal(data.documents, 2); /* a pair of which one has nothing to learn is left out */
    expect(&data, 0, "aab", "001");
    expect(&data, 1, "aac", "001");
    weft_lm_data_free(&data);

    static const char *const broken[] = {
        "{\"a\": 1}", "[1, 2]", "{\"instruction\": 1, \"output\": \"a\"}", "{", "{\"messages\": 1}", "{\"prompt\": \"a\"}"};
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        weft_lm_data nothing;
        read(broken[i], &o, i == 4 ? WEFT_ERROR_ARGUMENT : WEFT_ERROR_FORMAT, &nothing);
        weft_lm_data_free(&nothing);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(rows_hold_all), cmocka_unit_test(packing_is_tight),
                                       cmocka_unit_test(splits), cmocka_unit_test(records)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
