/* A tokenizer in use: pairs, offsets, special tokens, literal text, broken UTF-8, streams, and files beside tokenizer.json. */
#include "text/text_case.h"

/* A word-piece tokenizer as BERT has it, small. */
static const char bert[] =
    "{\"added_tokens\": [{\"id\": 0, \"content\": \"[UNK]\", \"special\": true}, {\"id\": 1, \"content\": \"[CLS]\", "
    "\"special\": true}, "
    "{\"id\": 2, \"content\": \"[SEP]\", \"special\": true}, {\"id\": 9, \"content\": \"<new>\", \"special\": false}], "
    "\"normalizer\": {\"type\": \"BertNormalizer\"}, \"pre_tokenizer\": {\"type\": \"BertPreTokenizer\"}, "
    "\"post_processor\": {\"type\": \"BertProcessing\", \"sep\": [\"[SEP]\", 2], \"cls\": [\"[CLS]\", 1]}, "
    "\"decoder\": {\"type\": \"WordPiece\", \"prefix\": \"##\", \"cleanup\": true}, "
    "\"model\": {\"type\": \"WordPiece\", \"vocab\": {\"[UNK]\": 0, \"[CLS]\": 1, \"[SEP]\": 2, \"cat\": 3, \"##s\": 4, \"caf\": "
    "5, "
    "\"##e\": 6, \".\": 7, \"the\": 8}}}";

static void pairs_types_and_offsets(void **state)
{
    (void)state;
    static const char first[] = "Caf\xC3\xA9, cats", second[] = "THE<new>cat";
    static const int64_t ids[] = {1, 5, 6, 0, 3, 4, 2, 8, 9, 3, 2};
    static const int32_t types[] = {0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1};
    static const size_t ranges[][2] = {{0, 0}, {0, 3}, {3, 5}, {5, 6},  {7, 10}, {10, 11},
                                       {0, 0}, {0, 3}, {3, 8}, {8, 11}, {0, 0}};
    weft_tokenizer *t = from_json(bert);
    weft_encoding *e = NULL;
    MUST(weft_encoding_new(t, &e));
    MUST(weft_encode_pair(e, first, strlen(first), second, strlen(second),
                          &(weft_encode_options){.add_special = true, .offsets = true}));
    assert_ids("pair", weft_encoding_ids(e), weft_encoding_count(e), ids, 11);
    for (size_t i = 0; i < 11; i++) {
        size_t begin, end;
        weft_encoding_range(e, i, &begin, &end);
        assert_int_equal(weft_encoding_types(e)[i], types[i]);
        assert_int_equal(begin, ranges[i][0]);
        assert_int_equal(end, ranges[i][1]);
    }
    ASSERT_ENCODES(e, "", &(weft_encode_options){.add_special = true}, 1, 2);
    MUST(weft_encode(e, "", 0, NULL));
    assert_int_equal(weft_encoding_count(e), 0);
    weft_encoding_free(e);
    weft_tokenizer_free(t);
}

static void special_tokens_in_a_text(void **state)
{
    (void)state;
    weft_tokenizer *t = from_json(bert);
    weft_encoding *e = NULL;
    MUST(weft_encoding_new(t, &e));
    ASSERT_ENCODES(e, "cat[SEP]cat<new>", NULL, 3, 2, 3, 9);
    /* literal: "[SEP]" is "[", "sep", "]", all unknown; a token that is not special is still found */
    ASSERT_ENCODES(e, "cat[SEP]cat<new>", (&(weft_encode_options){.literal = true}), 3, 0, 0, 0, 3, 9);
    assert_int_equal(weft_tokenizer_size(t), 10);
    assert_true(weft_tokenizer_is_special(t, 2));
    assert_false(weft_tokenizer_is_special(t, 9));
    assert_false(weft_tokenizer_is_special(t, -1));
    assert_string_equal(weft_tokenizer_token(t, 9), "<new>");
    assert_null(weft_tokenizer_token(t, 10));
    assert_int_equal(weft_tokenizer_id(t, "##s"), 4);
    assert_int_equal(weft_tokenizer_id(t, "dog"), -1);
    weft_text out = {0};
    assert_int_equal(weft_decode(t, (const int64_t[]){3, 77}, 2, NULL, &out), WEFT_ERROR_ARGUMENT);
    assert_non_null(strstr(weft_error(), "77"));
    weft_text_free(&out);
    weft_encoding_free(e);
    weft_tokenizer_free(t);
}

static void broken_utf8_is_counted(void **state)
{
    (void)state;
    weft_tokenizer *t = from_json(bert);
    weft_encoding *e = NULL;
    MUST(weft_encoding_new(t, &e));
    ASSERT_ENCODES(e, "cat\xFF cat \xE2\x82", NULL, 3, 3); /* BERT's clean-up drops U+FFFD */
    assert_int_equal(weft_encoding_repaired(e), 2);
    ASSERT_ENCODES(e, "cat", NULL, 3);
    assert_int_equal(weft_encoding_repaired(e), 0);
    weft_encoding_free(e);
    weft_tokenizer_free(t);
}

/* Bytes, ▁ and a few letters, decoded as Llama's. */
static weft_tokenizer *bytes_tokenizer(void)
{
    weft_text json = {0};
    weft_text_add(
        &json,
        "{\"normalizer\": {\"type\": \"Sequence\", \"normalizers\": [{\"type\": \"Prepend\", \"prepend\": \"\xE2\x96\x81\"}, "
        "{\"type\": \"Replace\", \"pattern\": {\"String\": \" \"}, \"content\": \"\xE2\x96\x81\"}]}, "
        "\"decoder\": {\"type\": \"Sequence\", \"decoders\": [{\"type\": \"Replace\", \"pattern\": {\"String\": "
        "\"\xE2\x96\x81\"}, "
        "\"content\": \" \"}, {\"type\": \"ByteFallback\"}, {\"type\": \"Fuse\"}, "
        "{\"type\": \"Strip\", \"content\": \" \", \"start\": 1, \"stop\": 0}]}, "
        "\"model\": {\"type\": \"BPE\", \"byte_fallback\": true, \"merges\": [\"\xE2\x96\x81 a\"], \"vocab\": {");
    for (int b = 0; b < 256; b++)
        weft_text_add(&json, "\"<0x%02X>\": %d, ", (unsigned)b, b);
    weft_text_add(&json, "\"\xE2\x96\x81\": 256, \"a\": 257, \"\xE2\x96\x81\x61\": 258}}}");
    weft_tokenizer *t = from_json(json.data);
    weft_text_free(&json);
    return t;
}

/* Every prefix that a stream has given out is whole characters and the beginning of the text. */
static void assert_streams(const weft_tokenizer *t, const int64_t *ids, size_t count)
{
    weft_text whole = {0}, stream = {0};
    weft_decoding *d = NULL;
    MUST(weft_decode(t, ids, count, NULL, &whole));
    MUST(weft_decoding_new(t, NULL, &d));
    for (size_t i = 0; i < count; i++) {
        MUST(weft_decoding_push(d, ids[i], &stream));
        assert_true(stream.length <= whole.length);
        if (stream.length)
            assert_memory_equal(stream.data, whole.data, stream.length);
        assert_true(stream.length == whole.length || ((unsigned char)whole.data[stream.length] & 0xC0) != 0x80);
    }
    MUST(weft_decoding_finish(d, &stream));
    assert_int_equal(stream.length, whole.length);
    if (whole.length)
        assert_memory_equal(stream.data, whole.data, whole.length);
    weft_decoding_free(d);
    weft_text_free(&stream);
    weft_text_free(&whole);
}

static void streams_hold_back_half_characters(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "a a  a",
        "  a",
        "",
        " ",
        "\xF0\x9F\x97\xBC\xF0\x9F\x97\xBC a\xE6\x9D\xB1\xE4\xBA\xAC",
        "\xC3\xA9\xC3\xA9 \xC3\xA9",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
    weft_tokenizer *t = bytes_tokenizer();
    weft_encoding *e = NULL;
    MUST(weft_encoding_new(t, &e));
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        MUST(weft_encode(e, texts[i], strlen(texts[i]), NULL));
        assert_streams(t, weft_encoding_ids(e), weft_encoding_count(e));
    }
    /* a tower by bytes: nothing before the fourth */
    static const int64_t tower[] = {258, 0xF0, 0x9F, 0x97, 0xBC};
    weft_decoding *d = NULL;
    weft_text out = {0};
    MUST(weft_decoding_new(t, NULL, &d));
    for (size_t i = 0; i < 5; i++) {
        MUST(weft_decoding_push(d, tower[i], &out));
        assert_int_equal(out.length, i < 4 ? 1 : 5);
    }
    /* a beginning that nothing completes comes out at the end; a thousand of them do not pile up */
    MUST(weft_decoding_push(d, 0xF0, &out));
    assert_int_equal(out.length, 5);
    MUST(weft_decoding_finish(d, &out));
    assert_string_equal(out.data, "a\xF0\x9F\x97\xBC\xEF\xBF\xBD");
    for (int i = 0; i < 1000; i++)
        MUST(weft_decoding_push(d, 0xF0, &out));
    assert_int_equal(weft_decoding_push(d, 9999, &out), WEFT_ERROR_ARGUMENT);
    weft_decoding_free(d);
    weft_text_free(&out);
    weft_encoding_free(e);
    weft_tokenizer_free(t);
}

/* ---- folders ---- */

static char folder[] = "/tmp/weft-test-XXXXXX";

static void put(const char *name, const char *text)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (text)
        MUST(weft_file_write(path, text, strlen(text)));
    else
        remove(path);
}

static void files_of_a_folder(void **state)
{
    (void)state;
    weft_tokenizer *t = NULL;
    weft_encoding *e = NULL;
    assert_non_null(mkdtemp(folder));
    assert_int_equal(weft_tokenizer_open(folder, &t), WEFT_ERROR_FILE);
    assert_non_null(strstr(weft_error(), "tokenizer.json"));

    put("vocab.json", "{\"a\": 0, \"b\": 1, \"ab\": 2, \"\xC4\xA0\": 3, \"\xC4\xA0\x61\x62\": 4, \"<|endoftext|>\": 5}");
    put("merges.txt", "#version: 0.2\r\na b\r\n\xC4\xA0 ab\r\n");
    put("added_tokens.json", "{\"<|x|>\": 6}");
    put("tokenizer_config.json", "{\"tokenizer_class\": \"GPT2Tokenizer\", \"pad_token\": {\"content\": \"<|x|>\"}, "
                                 "\"added_tokens_decoder\": {\"7\": {\"content\": \"<|y|>\", \"special\": true}}}");
    put("special_tokens_map.json", "{\"eos_token\": \"<|y|>\", \"pad_token\": \"a\", \"bos_token\": \"nowhere\"}");
    MUST(weft_tokenizer_open(folder, &t));
    MUST(weft_encoding_new(t, &e));
    ASSERT_ENCODES(e, "ab ab<|x|>a<|endoftext|><|y|>", NULL, 2, 4, 6, 0, 5, 7);
    assert_int_equal(weft_tokenizer_special(t, WEFT_TOKEN_PAD), 6); /* tokenizer_config.json wins */
    assert_int_equal(weft_tokenizer_special(t, WEFT_TOKEN_EOS), 7);
    assert_int_equal(weft_tokenizer_special(t, WEFT_TOKEN_BOS), 5);
    weft_encoding_free(e);
    weft_tokenizer_free(t);

    put("tokenizer.json", bert); /* before all others */
    MUST(weft_tokenizer_open(folder, &t));
    assert_int_equal(weft_tokenizer_id(t, "##s"), 4);
    weft_tokenizer_free(t);
    static const char *const names[] = {
        "tokenizer.json", "vocab.json", "merges.txt", "added_tokens.json", "tokenizer_config.json", "special_tokens_map.json"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        put(names[i], NULL);

    put("vocab.txt",
        "[PAD]\n[UNK]\n[CLS]\n[SEP]\nCat\ncat\n\ncat\n##s"); /* an empty line counts; the last of equals has the id */
    MUST(weft_tokenizer_open(folder, &t));
    MUST(weft_encoding_new(t, &e));
    ASSERT_ENCODES(e, "Cats", &(weft_encode_options){.add_special = true}, 2, 7, 8, 3);
    assert_int_equal(weft_tokenizer_special(t, WEFT_TOKEN_CLS), 2);
    weft_encoding_free(e);
    weft_tokenizer_free(t);
    put("tokenizer_config.json", "{\"do_lower_case\": false}");
    MUST(weft_tokenizer_open(folder, &t));
    MUST(weft_encoding_new(t, &e));
    ASSERT_ENCODES(e, "Cats", &(weft_encode_options){.add_special = true}, 2, 4, 8, 3);
    weft_encoding_free(e);
    weft_tokenizer_free(t);
    put("tokenizer_config.json", "{\"do_lower_case\": 3}");
    assert_int_equal(weft_tokenizer_open(folder, &t), WEFT_ERROR_FORMAT);
    assert_non_null(strstr(weft_error(), "do_lower_case"));
    put("tokenizer_config.json", NULL);
    put("vocab.txt", NULL);
    remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pairs_types_and_offsets), cmocka_unit_test(special_tokens_in_a_text),
        cmocka_unit_test(broken_utf8_is_counted),  cmocka_unit_test(streams_hold_back_half_characters),
        cmocka_unit_test(files_of_a_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
