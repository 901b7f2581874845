/* Tokenizers against cases made by others' programs (llama.cpp's vocabulary tests, tokenizers.js, Python's BERT), and texts that
 * must come back as they were. */
#include "text/text_case.h"

static void real_tokenizers(void **state)
{
    (void)state;
    static const char *const rows[][2] = {{"gpt2", "gpt2"}, {"llama2", "llama2"}, {"llama2c", "llama2"},
                                          {"bert", "bert"}, {"tok512", "tok512"}, {"tok512c", "tok512"}};
    weft_json *golden = golden_json("tokenizers.json");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        weft_tokenizer *t = shipped(rows[i][0]);
        weft_encoding *e = NULL;
        if (!t)
            continue;
        MUST(weft_encoding_new(t, &e));
        weft_json_value cases = weft_json_get(weft_json_root(golden), rows[i][1]);
        assert_true(weft_json_size(cases) >= 4);
        for (int64_t k = 0; k < weft_json_size(cases); k++)
            assert_case(e, weft_json_item(cases, k), "ids", NULL);
        weft_encoding_free(e);
        weft_tokenizer_free(t);
    }
    weft_json_free(golden);
}

/* 322 texts, BERT with [CLS] and [SEP], special tokens in the text being ordinary characters. */
static void special_tokens_as_characters(void **state)
{
    (void)state;
    weft_json *golden = golden_json("tokenizer_cases.json");
    weft_json_value cases = weft_json_get(weft_json_root(golden), "cases");
    static const char *const names[] = {"bert", "gpt2"};
    for (size_t i = 0; i < 2; i++) {
        weft_tokenizer *t = shipped(names[i]);
        weft_encoding *e = NULL;
        if (!t)
            continue;
        MUST(weft_encoding_new(t, &e));
        for (int64_t k = 0; k < weft_json_size(cases); k++)
            assert_case(e, weft_json_item(cases, k), names[i], &(weft_encode_options){.add_special = true, .literal = true});
        weft_encoding_free(e);
        weft_tokenizer_free(t);
    }
    weft_json_free(golden);
}

/* A whole tokenizer.json, or GPT-2's vocabulary with another pre-tokenizer; NULL: GPT-2's files are not there. */
static weft_tokenizer *feature_tokenizer(weft_json_value feature)
{
    weft_json_value whole = weft_json_get(feature, "tokenizer");
    weft_tokenizer *t;
    if (weft_json_present(whole)) {
        t = weft_tokenizer_new();
        MUST(weft_tokenizer_from_json(whole, "golden", t));
        return t;
    }
    if ((t = shipped("gpt2")) != NULL) {
        weft_splitter_free(&t->splitter);
        MUST(weft_json_splitter(weft_json_get(weft_json_get(feature, "override"), "pre_tokenizer"), &t->splitter));
        assert_true(weft_tokenizer_reads_bytes(t));
    }
    return t;
}

static void features(void **state)
{
    (void)state;
    weft_json *golden = golden_json("tokenizer_features.json");
    weft_json_value list = weft_json_root(golden);
    assert_int_equal(weft_json_size(list), 6);
    for (int64_t i = 0; i < weft_json_size(list); i++) {
        weft_json_value feature = weft_json_item(list, i), cases = weft_json_get(feature, "cases");
        weft_tokenizer *t = feature_tokenizer(feature);
        weft_encoding *e = NULL;
        if (!t)
            continue;
        MUST(weft_encoding_new(t, &e));
        bool add = weft_json_bool(weft_json_get(feature, "add_special_tokens"), false);
        for (int64_t k = 0; k < weft_json_size(cases); k++) {
            weft_json_value one = weft_json_item(cases, k);
            weft_text back = {0};
            assert_case(e, one, "ids", &(weft_encode_options){.add_special = add});
            MUST(weft_decode(t, weft_encoding_ids(e), weft_encoding_count(e), &(weft_decode_options){.skip_special = true},
                             &back));
            assert_string_equal(back.data, weft_json_string(weft_json_get(one, "decoded"), "?"));
            weft_text_free(&back);
        }
        weft_encoding_free(e);
        weft_tokenizer_free(t);
    }
    weft_json_free(golden);
}

/* Whole books there and back; Llama's as one piece of a megabyte, and token by token. */
static void books_come_back(void **state)
{
    (void)state;
    static const char *const books[] = {"sherlock.txt", "tinyshakespeare.txt", "wiki_demo.txt"}, *const names[] = {
                                                                                                     "gpt2", "llama2", "tok512"};
    for (size_t n = 0; n < 3; n++) {
        weft_tokenizer *t = shipped(names[n]);
        weft_encoding *e = NULL;
        if (!t)
            return;
        MUST(weft_encoding_new(t, &e));
        for (size_t i = 0; i < 3; i++) {
            char *text;
            size_t size;
            bool same;
            weft_text streamed = {0};
            weft_decoding *d = NULL;
            MUST(weft_file_read(data_file(books[i]), 1 << 24, &text, &size));
            MUST(weft_round_trip(e, text, size, &same));
            assert_true(same);
            MUST(weft_decoding_new(t, NULL, &d));
            for (size_t k = 0; k < weft_encoding_count(e); k++)
                MUST(weft_decoding_push(d, weft_encoding_ids(e)[k], &streamed));
            MUST(weft_decoding_finish(d, &streamed));
            assert_int_equal(streamed.length, size);
            assert_memory_equal(streamed.data, text, size);
            weft_decoding_free(d);
            weft_text_free(&streamed);
            free(text);
        }
        weft_encoding_free(e);
        weft_tokenizer_free(t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(real_tokenizers),
        cmocka_unit_test(special_tokens_as_characters),
        cmocka_unit_test(features),
        cmocka_unit_test(books_come_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
