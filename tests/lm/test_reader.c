/* Whole texts from a C program: a classifier opened, fed and asked, as one would write it; an embedder; and what is refused. */
#include "lm_case.h"

#include "weft/lm.h"

/* A folder of the golden's model, with a tokenizer of words: "[PAD]", "[UNK]", "[CLS]", "[SEP]", "w4" … */
static lm_case with_words(const char *golden)
{
    lm_case c = case_open(golden);
    weft_text words = {0};
    int64_t count = tensor_of(c.golden, "bert.embeddings.word_embeddings.weight").dims.size[0];
    weft_text_add(&words, "[PAD]\n[UNK]\n[CLS]\n[SEP]\n");
    for (int64_t i = 4; i < count; i++)
        weft_text_add(&words, "w%lld\n", (long long)i);
    write_text(c.folder, "vocab.txt", words.data);
    weft_text_free(&words);
    return c;
}

static void close_words(lm_case *c)
{
    char *path = weft_path_join(c->folder, "vocab.txt");
    unlink(path);
    free(path);
    case_close(c);
}

static const char *const texts[] = {"w5 w6 w7", "w4", "w9 w9 w10 w8 w5 w4 w6"};
enum { TEXTS = 3 };

static void add(weft_lm_reader *r, const char *text)
{
    MUST(weft_lm_reader_add(r, text, strlen(text), NULL, 0, NULL));
}

static void classes_of_texts(void **state)
{
    (void)state;
    lm_case c = with_words("classify_several");
    weft_lm_reader *r, *plain;
    double together[TEXTS][3], alone[3], logits[TEXTS][3];
    MUST(weft_lm_classifier_open(test_engine(), c.folder, NULL, &r));
    assert_int_equal(weft_lm_reader_size(r), 3);
    assert_int_equal(weft_lm_reader_problem(r), WEFT_LM_PROBLEM_MULTI_LABEL);
    assert_string_equal(weft_lm_reader_class(r, 2), "LABEL_2");
    assert_null(weft_lm_reader_class(r, 3));
    for (int i = 0; i < TEXTS; i++)
        add(r, texts[i]);
    assert_int_equal(weft_lm_reader_count(r), TEXTS);
    MUST(weft_lm_reader_run(r, together[0]));
    assert_int_equal(weft_lm_reader_count(r), 0);
    MUST(weft_lm_classifier_open(test_engine(), c.folder, &(weft_lm_reader_options){.logits = true, .batch = 2}, &plain));
    for (int i = 0; i < TEXTS; i++)
        add(plain, texts[i]);
    MUST(weft_lm_reader_run(plain, logits[0]));
    for (int i = 0; i < TEXTS; i++) {
        add(r, texts[i]);
        MUST(weft_lm_reader_run(r, alone));
        for (int k = 0; k < 3; k++) {
            assert_true(alone[k] == together[i][k]);
            assert_true(fabs(together[i][k] - 1 / (1 + exp(-logits[i][k]))) < 1e-12);
        }
    }
    MUST(weft_lm_reader_run(r, alone)); /* of no text: nothing */

    double pair[3]; /* a pair is not its texts side by side */
    MUST(weft_lm_reader_add(r, "w5", 2, "w6 w7", 5, NULL));
    MUST(weft_lm_reader_run(r, pair));
    assert_true(pair[0] != together[0][0]);

    size_t repaired = 0; /* broken UTF-8 is told, a text too long is cut and counted */
    MUST(weft_lm_reader_add(r, "w5 \xff", 4, NULL, 0, &repaired));
    assert_int_equal(repaired, 1);
    add(r, "w4 w4 w4 w4 w4 w4 w4 w4 w4 w4 w4 w4 w4 w4 w4 w4 w4 w4 w4");
    assert_int_equal(weft_lm_reader_cut(r), 1);
    MUST(weft_lm_reader_run(r, together[0]));
    weft_lm_reader_free(r);
    weft_lm_reader_free(plain);
    close_words(&c);
}

static void vectors_of_texts(void **state)
{
    (void)state;
    lm_case c = with_words("classify_several");
    double unit[TEXTS][16], raw[TEXTS][16], first[TEXTS][16];
    const weft_lm_reader_options kinds[] = {{0}, {.raw = true}, {.raw = true, .pooling = WEFT_LM_POOL_FIRST}};
    double *const out[] = {unit[0], raw[0], first[0]};
    for (int k = 0; k < 3; k++) {
        weft_lm_reader *r;
        MUST(weft_lm_embedder_open(test_engine(), c.folder, &kinds[k], &r));
        assert_int_equal(weft_lm_reader_size(r), 16);
        assert_int_equal(weft_lm_reader_pooling(r), k == 2 ? WEFT_LM_POOL_FIRST : WEFT_LM_POOL_MEAN);
        assert_int_equal(weft_lm_reader_is_unit(r), k == 0);
        assert_int_equal(weft_lm_reader_problem(r), WEFT_LM_PROBLEM_UNSAID);
        assert_null(weft_lm_reader_class(r, 0));
        for (int i = 0; i < TEXTS; i++)
            add(r, texts[i]);
        MUST(weft_lm_reader_run(r, out[k]));
        weft_lm_reader_free(r);
    }
    for (int i = 0; i < TEXTS; i++) {
        double squares = 0, length = 0, apart = 0;
        for (int j = 0; j < 16; j++) {
            squares += unit[i][j] * unit[i][j];
            length += raw[i][j] * raw[i][j];
            apart += fabs(raw[i][j] - first[i][j]);
        }
        assert_true(fabs(squares - 1) < 1e-12 && apart > 1e-3);
        for (int j = 0; j < 16; j++)
            assert_true(fabs(unit[i][j] * sqrt(length) - raw[i][j]) < 1e-12);
    }
    close_words(&c);
}

/* No head, no tokenizer, texts longer than the context, a tokenizer of another model, no such folder. */
static void refusals(void **state)
{
    (void)state;
    static const struct {
        const char *golden, *says;
        bool words;
        weft_lm_reader_options options;
    } rows[] = {{"bert", "has no classification head", true, {0}},
                {"classify_several", "the model's context is 16 tokens", true, {.longest = 17}},
                {"classify_several", "token", false, {0}}};
    weft_lm_reader *r;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        lm_case c = rows[i].words ? with_words(rows[i].golden) : case_open(rows[i].golden);
        assert_int_not_equal(weft_lm_classifier_open(test_engine(), c.folder, &rows[i].options, &r), WEFT_OK);
        if (!strstr(weft_error(), rows[i].says))
            fail_msg("row %zu: %s", i, weft_error());
        assert_null(r);
        if (rows[i].words)
            close_words(&c);
        else
            case_close(&c);
    }
    assert_int_not_equal(weft_lm_embedder_open(test_engine(), "no/such/folder", NULL, &r), WEFT_OK);
    assert_null(r);
    lm_case c = with_words("classify_several");
    write_text(c.folder, "vocab.txt",
               "[PAD]\n[UNK]\n[CLS]\n[SEP]\n0\n1\n2\n3\n4\n5\n6\n7\n8\n9\na\nb\nc\nd\ne\nf\ng\nh\ni\nj\nk\n");
    assert_int_equal(weft_lm_embedder_open(test_engine(), c.folder, NULL, &r), WEFT_ERROR_FORMAT);
    assert_non_null(strstr(weft_error(), "the tokenizer has 25 tokens, the model's embedding 24 rows"));
    close_words(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(classes_of_texts), cmocka_unit_test(vectors_of_texts),
                                       cmocka_unit_test(refusals)};
    return cmocka_run_group_tests_name("lm reader", tests, NULL, NULL);
}
