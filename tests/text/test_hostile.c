/* Broken and hostile files: refused with a message that says what is wrong, never a crash, a hang or a leak. */
#include "text/text_case.h"

#include "text/pieces.h"

static void assert_says(weft_status status, const char *what, const char *says)
{
    if (status == WEFT_OK || !strstr(weft_error(), says))
        fail_msg("%s: status %d, error \"%s\", expected \"%s\" in it", what, status, weft_error(), says);
}

static void assert_json_refused(const char *text, const char *says)
{
    weft_json *json = NULL;
    weft_tokenizer *t = weft_tokenizer_new();
    MUST(weft_json_parse(text, strlen(text), "t.json", &json));
    assert_says(weft_tokenizer_from_json(weft_json_root(json), "t.json", t), text, says);
    assert_int_equal(strncmp(weft_error(), "t.json", 6), 0);
    weft_tokenizer_free(t);
    weft_json_free(json);
}

#define MODEL "\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0, \"b\": 1, \"ab\": 2}, \"merges\": [\"a b\"]}"

static void tokenizer_json(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"[]", "\"model\""},
        {"{}", "\"model\""},
        {"{\"model\": 3}", "type"},
        {"{\"model\": {\"type\": \"GPT\"}}", "known are BPE, Unigram, WordPiece, WordLevel"},
        {"{\"model\": {\"type\": \"BPE\"}}", "vocab"},
        {"{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0}}}", "merges"},
        {"{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": \"0\"}, \"merges\": []}}", "\"a\""},
        {"{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": -1}, \"merges\": []}}", "id -1"},
        {"{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 1152921504606846976}, \"merges\": []}}", "ids go from 0"},
        {"{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0, \"b\": 0}, \"merges\": []}}", "two tokens"},
        {"{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0, \"b\": 1}, \"merges\": [\"a b\"]}}", "makes \"ab\""},
        {"{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0, \"b\": 1}, \"merges\": [\"a c\"]}}",
         "\"c\" is not in the vocabulary"},
        {"{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0, \"b\": 1}, \"merges\": [\"ab\"]}}", "merge 1"},
        {"{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0, \"b\": 1}, \"merges\": [[\"a\", \"b\", \"c\"]]}}", "merge 1"},
        {"{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0}, \"merges\": [], \"byte_fallback\": \"yes\"}}", "byte_fallback"},
        {"{\"model\": {\"type\": \"Unigram\", \"vocab\": []}}", "vocab"},
        {"{\"model\": {\"type\": \"Unigram\", \"vocab\": [[\"a\", \"x\"]]}}", "entry 0"},
        {"{\"model\": {\"type\": \"Unigram\", \"vocab\": [[\"a\", -1]], \"unk_id\": 1}}", "unk_id"},
        {"{\"model\": {\"type\": \"WordPiece\", \"vocab\": {\"a\": 0}, \"max_input_chars_per_word\": -5}}",
         "max_input_chars_per_word"},
        {"{\"model\": {\"type\": \"WordLevel\", \"vocab\": [\"a\"]}}", "vocab"},
        {"{" MODEL ", \"added_tokens\": {}}", "added_tokens"},
        {"{" MODEL ", \"added_tokens\": [{\"id\": 5}]}", "entry 0"},
        {"{" MODEL ", \"added_tokens\": [{\"id\": 5, \"content\": \"\"}]}", "expected 1 to"},
        {"{" MODEL ", \"added_tokens\": [{\"id\": 4611686018427387904, \"content\": \"x\"}]}", "id"},
        {"{" MODEL ", \"added_tokens\": [{\"id\": 1, \"content\": \"x\"}]}", "token \"b\" of the vocabulary"},
        {"{" MODEL ", \"added_tokens\": [{\"id\": 7, \"content\": \"x\"}, {\"id\": 7, \"content\": \"y\"}]}", "two added tokens"},
        {"{" MODEL ", \"normalizer\": {\"type\": \"NFE\"}}", "known are Sequence, NFC"},
        {"{" MODEL ", \"normalizer\": 1}", "normalizer"},
        {"{" MODEL ", \"normalizer\": {\"type\": \"Replace\", \"pattern\": {\"Regex\": \"(\"}, \"content\": \"\"}}",
         "regular expression"},
        {"{" MODEL ", \"normalizer\": {\"type\": \"Replace\", \"pattern\": {}, \"content\": \"\"}}", "pattern"},
        {"{" MODEL ", \"normalizer\": {\"type\": \"Precompiled\", \"precompiled_charsmap\": \"!!!!\"}}", "base 64"},
        {"{" MODEL ", \"normalizer\": {\"type\": \"Precompiled\", \"precompiled_charsmap\": \"/////w==\"}}", "trie"},
        {"{" MODEL ", \"pre_tokenizer\": {\"type\": \"Spaces\"}}", "known are Sequence, Split"},
        {"{" MODEL
         ", \"pre_tokenizer\": {\"type\": \"Split\", \"pattern\": {\"Regex\": \"[a&&b]\"}, \"behavior\": \"Isolated\"}}",
         "&&"},
        {"{" MODEL ", \"pre_tokenizer\": {\"type\": \"Split\", \"pattern\": {\"String\": \"a\"}, \"behavior\": \"Lost\"}}",
         "behavior"},
        {"{" MODEL ", \"pre_tokenizer\": {\"type\": \"Metaspace\", \"prepend_scheme\": \"last\"}}", "prepend_scheme"},
        {"{" MODEL ", \"post_processor\": {\"type\": \"Around\"}}", "known are Sequence, TemplateProcessing"},
        {"{" MODEL ", \"post_processor\": {\"type\": \"BertProcessing\", \"cls\": [\"a\", 0]}}", "sep"},
        {"{" MODEL ", \"post_processor\": {\"type\": \"BertProcessing\", \"cls\": [\"a\", 0], \"sep\": [\"z\", 99]}}", "id 99"},
        {"{" MODEL ", \"post_processor\": {\"type\": \"TemplateProcessing\", \"single\": [{\"SpecialToken\": {\"id\": \"q\", "
         "\"type_id\": 0}}]}}",
         "\"q\""},
        {"{" MODEL ", \"post_processor\": {\"type\": \"TemplateProcessing\", \"single\": [{\"Sequence\": {\"id\": \"C\", "
         "\"type_id\": 0}}]}}",
         "Sequence A or B"},
        {"{" MODEL ", \"decoder\": {\"type\": \"CTC\"}}", "known are Sequence, ByteLevel"},
        {"{" MODEL ", \"decoder\": {\"type\": \"Strip\", \"content\": \" \", \"start\": -1, \"stop\": 0}}", "start"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_json_refused(rows[i][0], rows[i][1]);
}

static void deep_sequences(void **state)
{
    (void)state;
    static const char *const parts[][2] = {{"normalizer", "normalizers"},
                                           {"pre_tokenizer", "pretokenizers"},
                                           {"post_processor", "processors"},
                                           {"decoder", "decoders"}};
    for (size_t i = 0; i < 4; i++) {
        weft_text json = {0};
        weft_text_add(&json, "{" MODEL ", \"%s\": ", parts[i][0]);
        for (int k = 0; k < 100; k++)
            weft_text_add(&json, "{\"type\": \"Sequence\", \"%s\": [", parts[i][1]);
        for (int k = 0; k < 100; k++)
            weft_text_add(&json, "]}");
        weft_text_add(&json, "}");
        assert_json_refused(json.data, "lie in each other");
        weft_text_free(&json);
    }
}

/* A pair that merges into itself ("a" with "" does not exist), ranks in any order, a token longer than its parts: none of these
 * can make the merging endless, as each merge leaves one symbol less. */
static void merges_in_circles(void **state)
{
    (void)state;
    weft_tokenizer *t = from_json("{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0, \"aa\": 1, \"aaa\": 2, \"aaaa\": 3}, "
                                  "\"merges\": [\"aa aa\", \"aa a\", \"a aa\", \"a a\", \"a a\"]}}");
    weft_encoding *e = NULL;
    char text[3000];
    memset(text, 'a', sizeof text);
    MUST(weft_encoding_new(t, &e));
    for (size_t n = 0; n <= sizeof text; n += 7) {
        MUST(weft_encode(e, text, n, NULL));
        size_t length = 0;
        for (size_t i = 0; i < weft_encoding_count(e); i++)
            length += strlen(weft_tokenizer_token(t, weft_encoding_ids(e)[i]));
        assert_int_equal(length, n);
    }
    weft_encoding_free(e);
    weft_tokenizer_free(t);
}

/* An expression that backtracks without end stops with a message. */
static void endless_expressions(void **state)
{
    (void)state;
    weft_tokenizer *t = from_json(
        "{" MODEL
        ", \"pre_tokenizer\": {\"type\": \"Split\", \"pattern\": {\"Regex\": \"(a+)+$\"}, \"behavior\": \"Isolated\"}}");
    weft_encoding *e = NULL;
    char text[4000];
    memset(text, 'a', sizeof text);
    text[sizeof text - 1] = 'b';
    MUST(weft_encoding_new(t, &e));
    assert_says(weft_encode(e, text, sizeof text, NULL), "(a+)+$", "gave up");
    MUST(weft_encode(e, "ab", 2, NULL));
    weft_encoding_free(e);
    weft_tokenizer_free(t);
}

/* ---- SentencePiece ---- */

/* A model of byte pairs: <unk>, <s>, </s>, ▁, a, ▁a. */
static const unsigned char model[] = {0x0A, 0x0E, 0x0A, 5, '<',  'u',  'n',  'k',  '>',  0x15, 0,    0,    0,    0,    0x18,
                                      2,                                                                                  /* */
                                      0x0A, 0x0C, 0x0A, 3, '<',  's',  '>',  0x15, 0,    0,    0,    0,    0x18, 3,       /* */
                                      0x0A, 0x0D, 0x0A, 4, '<',  '/',  's',  '>',  0x15, 0,    0,    0,    0,    0x18, 3, /* */
                                      0x0A, 0x0A, 0x0A, 3, 0xE2, 0x96, 0x81, 0x15, 0,    0,    0x80, 0xBF,                /* */
                                      0x0A, 0x08, 0x0A, 1, 'a',  0x15, 0,    0,    0,    0xC0,                            /* */
                                      0x0A, 0x0B, 0x0A, 4, 0xE2, 0x96, 0x81, 'a',  0x15, 0,    0,    0x40, 0xC0,          /* */
                                      0x12, 2,    0x18, 2};

static weft_status open_model(const unsigned char *bytes, size_t size, weft_tokenizer *t)
{
    unsigned char *exact = malloc(size ? size : 1); /* a sanitizer sees a read behind the end */
    memcpy(exact, bytes, size);
    weft_status status = weft_tokenizer_from_sentencepiece(exact, size, "m", (weft_json_value){NULL}, t);
    free(exact);
    return status;
}

static void sentencepiece(void **state)
{
    (void)state;
    weft_tokenizer *t = weft_tokenizer_new();
    weft_encoding *e = NULL;
    MUST(open_model(model, sizeof model, t));
    MUST(weft_encoding_new(t, &e));
    ASSERT_ENCODES(e, "a  a", &(weft_encode_options){.add_special = true}, 1, 5, 5); /* extra spaces are removed */
    ASSERT_ENCODES(e, "aab", NULL, 5, 4, 0);
    weft_encoding_free(e);
    weft_tokenizer_free(t);
    for (size_t cut = 0; cut < sizeof model; cut++) { /* cut off anywhere, or with any byte changed: no crash */
        t = weft_tokenizer_new();
        if (open_model(model, cut, t) != WEFT_OK)
            assert_int_equal(strncmp(weft_error(), "m: ", 3), 0);
        weft_tokenizer_free(t);
        for (int bit = 0; bit < 8; bit++) {
            unsigned char changed[sizeof model];
            memcpy(changed, model, sizeof model);
            changed[cut] ^= (unsigned char)(1 << bit);
            t = weft_tokenizer_new();
            if (open_model(changed, sizeof changed, t) == WEFT_OK && weft_encoding_new(t, &e) == WEFT_OK) {
                weft_encode(e, "a aa b", 6, &(weft_encode_options){.add_special = true});
                weft_encoding_free(e);
            }
            weft_tokenizer_free(t);
        }
    }
    t = weft_tokenizer_new();
    assert_says(open_model(model, 0, t), "empty", "no pieces");
    weft_tokenizer_free(t);
    t = weft_tokenizer_new();
    static const unsigned char endless[] = {0x0A, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F, 'a'};
    assert_says(open_model(endless, sizeof endless, t), "2^63 bytes", "broken");
    weft_tokenizer_free(t);
}

/* o −2.61, oo −1.4, without a dummy prefix: seven o are three oo and an o in any order, and the order is that of sentencepiece
 * 0.2.3, which adds up in float32. */
static void equal_ways(void **state)
{
    (void)state;
    static const unsigned char pieces[] = {0x0A, 0x0E, 0x0A, 5, '<',  'u',  'n',  'k',  '>',  0x15, 0,    0,    0,
                                           0,    0x18, 2,                                                          /* */
                                           0x0A, 0x0A, 0x0A, 1, 'o',  0x15, 0x3D, 0x0A, 0x27, 0xC0, 0x18, 1,       /* */
                                           0x0A, 0x0B, 0x0A, 2, 'o',  'o',  0x15, 0x33, 0x33, 0xB3, 0xBF, 0x18, 1, /* */
                                           0x12, 2,    0x18, 1, 0x1A, 4,    0x18, 0,    0x20, 0};
    weft_tokenizer *t = weft_tokenizer_new();
    weft_encoding *e = NULL;
    MUST(open_model(pieces, sizeof pieces, t));
    MUST(weft_encoding_new(t, &e));
    ASSERT_ENCODES(e, "ooooooo", NULL, 2, 2, 2, 1);
    weft_encoding_free(e);
    weft_tokenizer_free(t);
}

static void llama2c(void **state)
{
    (void)state;
    static const unsigned char far[] = {8, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0x7F, 'a'};
    static const unsigned char few[] = {8, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 'a'};
    weft_tokenizer *t = weft_tokenizer_new();
    assert_says(weft_tokenizer_from_llama2c(far, sizeof far, "b", t), "far", "beyond the end");
    assert_says(weft_tokenizer_from_llama2c(few, sizeof few, "b", t), "few", "256 bytes");
    assert_says(weft_tokenizer_from_llama2c(few, 3, "b", t), "short", "3 bytes");
    weft_tokenizer_free(t);
}

/* ---- lists ---- */

static void lists(void **state)
{
    (void)state;
    static const char *const rows[][3] = {
        {"{\"a\": 0, \"b\": 1, \"ab\": 2}", "#version: 0.2\na b\nab\n", "m.txt: line 3"},
        {"{\"a\": 0, \"b\": 1, \"ab\": 2}", "a  b\n", "m.txt: line 1"},
        {"{\"a\": 0, \"b\": 1}", "a b\n", "makes \"ab\""},
        {"{\"a\": 0, \"b\": 1}", "a z\n", "\"z\""},
        {"[\"a\"]", "", "v.json"},
        {"{\"a\": 0.5}", "", "\"a\""},
        {"{\"a\": 99999999999}", "", "ids go from 0"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        weft_json *json = NULL;
        weft_tokenizer *t = weft_tokenizer_new();
        MUST(weft_json_parse(rows[i][0], strlen(rows[i][0]), "v.json", &json));
        assert_says(weft_tokenizer_from_merges(weft_json_root(json), "v.json", rows[i][1], strlen(rows[i][1]), "m.txt",
                                               (weft_json_value){NULL}, t),
                    rows[i][1], rows[i][2]);
        weft_tokenizer_free(t);
        weft_json_free(json);
    }
    weft_tokenizer *t = weft_tokenizer_new();
    assert_says(weft_tokenizer_from_word_list("", 0, "v.txt", (weft_json_value){NULL}, t), "empty", "holds no tokens");
    assert_says(weft_tokenizer_from_word_list("a\n\xFF\n", 4, "v.txt", (weft_json_value){NULL}, t), "not UTF-8", "line 2");
    weft_tokenizer_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokenizer_json),    cmocka_unit_test(deep_sequences),
        cmocka_unit_test(merges_in_circles), cmocka_unit_test(endless_expressions),
        cmocka_unit_test(sentencepiece),     cmocka_unit_test(equal_ways),
        cmocka_unit_test(llama2c),           cmocka_unit_test(lists),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
