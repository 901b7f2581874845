/* Whole texts: the special tokens around them, how they are cut, and one vector or one row of classes a text, the same bits in
 * any company and the same numbers as `weft run`. */
#include "lm_case.h"

#include "base/random.h"
#include "lm/pool.h"

enum { TEXTS = 23, CLASSES = 3 };

/* ---- tokens ---- */

static void shares(void **state)
{
    (void)state;
    /* by hand, after the rule of Hugging Face's "longest_first" */
    static const int64_t rows[][5] = {{10, 3, 4, 3, 4},   {10, 20, 3, 7, 3},  {10, 3, 20, 3, 7},
                                      {10, 20, 20, 5, 5}, {11, 20, 30, 5, 6}, {11, 30, 20, 6, 5},
                                      {10, 6, 5, 5, 5},   {10, 12, 0, 10, 0}, {1, 4, 4, 0, 1}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t n[2] = {rows[i][1], rows[i][2]};
        weft_lm_frame_share(rows[i][0], n);
        assert_int_equal(n[0], rows[i][3]);
        assert_int_equal(n[1], rows[i][4]);
    }
}

enum { PAD, UNK, CLS, SEP, THE, CAT, SAT };

static weft_tokenizer *words(const char *folder)
{
    weft_tokenizer *t;
    MUST(weft_folder_make(folder));
    write_text(folder, "vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\nthe\ncat\nsat\n");
    MUST(weft_tokenizer_open(folder, &t));
    char *path = weft_path_join(folder, "vocab.txt");
    unlink(path);
    rmdir(folder);
    free(path);
    return t;
}

static void check_text(weft_lm_text_reader *r, const char *text, const char *second, const int64_t *ids, const int *types,
                       int64_t n, int64_t cut)
{
    weft_lm_texts t = {0};
    MUST(weft_lm_text_reader_add(r, text, strlen(text), second, second ? strlen(second) : 0, &t, NULL));
    assert_int_equal(t.texts, 1);
    assert_int_equal(t.starts[1], n);
    assert_int_equal(t.cut, cut);
    for (int64_t i = 0; i < n; i++) {
        assert_int_equal(t.ids[i], ids[i]);
        assert_int_equal(t.types[i], types[i]);
    }
    weft_lm_texts_free(&t);
}

static void frames(void **state)
{
    (void)state;
    weft_lm_text_reader *r;
    weft_lm_texts t = {0};
    lm_case c = case_open("bert");
    weft_lm *lm;
    MUST(weft_lm_open(test_engine(), c.folder, NULL, &lm));
    weft_tokenizer *tokenizer = words(WEFT_BINARY_DIR "/pool_words");
    MUST(weft_lm_text_reader_new(tokenizer, &lm->config, 6, &r));
    check_text(r, "the cat", NULL, (int64_t[]){CLS, THE, CAT, SEP}, (int[]){0, 0, 0, 0}, 4, 0);
    check_text(r, "the cat sat the cat sat", NULL, (int64_t[]){CLS, THE, CAT, SAT, THE, SEP}, (int[]){0, 0, 0, 0, 0, 0}, 6, 1);
    check_text(r, "the", "cat sat", (int64_t[]){CLS, THE, SEP, CAT, SAT, SEP}, (int[]){0, 0, 0, 1, 1, 1}, 6, 0);
    check_text(r, "the cat sat", "sat sat", (int64_t[]){CLS, THE, CAT, SEP, SAT, SEP}, (int[]){0, 0, 0, 0, 1, 1}, 6, 1);
    check_text(r, "the", "", (int64_t[]){CLS, THE, SEP}, (int[]){0, 0, 0}, 3, 0); /* an empty second text is none */
    MUST(weft_lm_text_reader_add(r, "the [SEP]", 9, NULL, 0, &t, NULL));
    for (int64_t i = 1; i + 1 < t.count; i++)
        assert_int_not_equal(t.ids[i], SEP); /* what a stranger spells ends nothing */
    weft_lm_text_reader_free(r);
    MUST(weft_lm_text_reader_new(tokenizer, &lm->config, 2, &r));
    assert_int_equal(weft_lm_text_reader_add(r, "the", 3, NULL, 0, &t, NULL), WEFT_ERROR_ARGUMENT);
    assert_non_null(strstr(weft_error(), "2 tokens have no room for a text beside the 2 special ones"));
    weft_lm_text_reader_free(r);
    weft_lm_texts_free(&t);
    weft_tokenizer_free(tokenizer);
    weft_lm_free(lm);
    case_close(&c);
}

/* ---- vectors ---- */

/* Texts of 1 to `longest` tokens, random ones from `least` on. */
static weft_lm_texts random_texts(const weft_lm *lm, int64_t longest, int64_t least)
{
    weft_lm_texts t = {0};
    weft_random_key key = weft_random_stream(7, "texts");
    t.ids = malloc((size_t)(TEXTS * longest) * sizeof *t.ids);
    t.types = calloc((size_t)(TEXTS * longest), 1);
    t.starts = calloc(TEXTS + 1, sizeof *t.starts);
    assert_true(t.ids && t.types && t.starts);
    for (t.texts = 0; t.texts < TEXTS;) {
        const uint64_t row = (uint64_t)t.texts;
        const int64_t n = 1 + t.texts * 7 % longest;
        for (int64_t i = 0; i < n; i++, t.count++) {
            t.ids[t.count] = least + (int64_t)weft_random_below(key, 1, row, (uint64_t)i, (uint64_t)(lm->config.vocab - least));
            t.types[t.count] = lm->config.types > 1 && i > n / 2;
        }
        t.starts[++t.texts] = t.count;
    }
    return t;
}

static weft_lm_texts only(const weft_lm_texts *all, int64_t i, int64_t starts[2])
{
    starts[0] = 0;
    starts[1] = all->starts[i + 1] - all->starts[i];
    return (weft_lm_texts){
        .ids = all->ids + all->starts[i], .types = all->types + all->starts[i], .count = starts[1], .starts = starts, .texts = 1};
}

/* `weft run` on text i alone; the arrays are the caller's. */
static weft_arrays *plain(const lm_case *c, const weft_lm *lm, const weft_lm_texts *t, int64_t i)
{
    weft_model *model;
    weft_arrays *inputs, *out;
    const int64_t n = t->starts[i + 1] - t->starts[i];
    int64_t *types = malloc((size_t)n * sizeof *types);
    for (int64_t k = 0; k < n; k++)
        types[k] = t->types[t->starts[i] + k];
    MUST(weft_arrays_new(&inputs));
    MUST(weft_arrays_new(&out));
    MUST(weft_arrays_add(inputs, "input_ids", (weft_tensor){t->ids + t->starts[i], WEFT_I64, DIMS(1, n)}));
    if (lm->config.types > 1)
        MUST(weft_arrays_add(inputs, "token_type_ids", (weft_tensor){types, WEFT_I64, DIMS(1, n)}));
    MUST(weft_model_open(c->folder, &model));
    MUST(weft_model_run(model, test_engine(), &(weft_run_request){.inputs = inputs, .dtype = WEFT_F32}, out));
    weft_model_free(model);
    weft_arrays_free(inputs);
    free(types);
    return out;
}

/* What the pooling of hidden [layers + 1, 1, n, width] must be; NAN where `weft run` does not show it. */
static double expected(const weft_lm *lm, const weft_arrays *out, weft_lm_pooling pooling, int64_t n, int64_t i)
{
    const int64_t width = lm->config.width, from = lm->config.layers * n * width;
    weft_tensor hidden = tensor_of(out, "hidden");
    double value = pooling == WEFT_LM_POOL_MAX ? -INFINITY : 0;
    if (pooling == WEFT_LM_POOL_CLASSES || pooling == WEFT_LM_POOL_POOLER)
        return element(tensor_of(out, pooling == WEFT_LM_POOL_CLASSES ? "logits" : "pooled"), i);
    if (!lm->config.family->encoder)
        return NAN; /* its final norm stands behind */
    for (int64_t t = 0; t < n; t++) {
        const double x = element(hidden, from + t * width + i);
        if ((pooling == WEFT_LM_POOL_FIRST && t == 0) || (pooling == WEFT_LM_POOL_LAST && t == n - 1))
            return x;
        value = pooling == WEFT_LM_POOL_MAX ? fmax(value, x) : value + x / (double)n;
    }
    return value;
}

static void check_pooling(const lm_case *c, weft_lm *lm, const weft_lm_texts *t, weft_lm_pooling pooling)
{
    int64_t size, starts[2];
    MUST(weft_lm_pool_size(lm, pooling, &size));
    double *first = malloc((size_t)(TEXTS * size) * sizeof *first), *again = malloc((size_t)(TEXTS * size) * sizeof *again);
    assert_true(first && again);
    MUST(weft_lm_pool(lm, t, &(weft_lm_pool_options){.pooling = pooling, .batch = 5}, first));
    for (int64_t batch = 1; batch <= TEXTS; batch += 11) {
        MUST(weft_lm_pool(lm, t, &(weft_lm_pool_options){.pooling = pooling, .batch = batch}, again));
        assert_memory_equal(first, again, (size_t)(TEXTS * size) * sizeof *first);
    }
    for (int64_t i = 0; i < TEXTS; i++) {
        weft_lm_texts one = only(t, i, starts);
        MUST(weft_lm_pool(lm, &one, &(weft_lm_pool_options){.pooling = pooling, .batch = 16}, again));
        assert_memory_equal(first + i * size, again, (size_t)size * sizeof *first);
        weft_arrays *out = plain(c, lm, t, i);
        for (int64_t k = 0; k < size; k++) {
            const double want = expected(lm, out, pooling, starts[1], k), got = first[i * size + k];
            assert_true(isnan(want) || fabs(got - want) <= 2e-5 * fmax(1, fabs(want)));
        }
        weft_arrays_free(out);
    }
    free(first);
    free(again);
}

/* A golden with a head `score` [CLASSES, width] and some keys of config.json put before the others. */
static void make_classifier(lm_case *c, const char *keys)
{
    weft_arrays *set;
    char text[8192];
    static float score[CLASSES * 4096];
    const char *own = strchr(weft_arrays_metadata(c->golden, "config"), '{');
    const int64_t width = tensor_of(c->golden, "model.embed_tokens.weight").dims.size[1];
    for (int64_t i = 0; i < CLASSES * width; i++)
        score[i] = sinf(0.7F * (float)i);
    assert_true(snprintf(text, sizeof text, "{%s, %s", keys, own + 1) < (int)sizeof text);
    write_text(c->folder, "config.json", text);
    MUST(weft_arrays_new(&set));
    for (int64_t i = 0; i < weft_arrays_count(c->golden); i++) {
        weft_array a = weft_arrays_at(c->golden, i);
        if (is_weight(a.name))
            MUST(weft_arrays_add(set, a.name, a.tensor));
    }
    MUST(weft_arrays_add(set, "score.weight", (weft_tensor){score, WEFT_F32, DIMS(CLASSES, width)}));
    char *path = weft_path_join(c->folder, "model.safetensors");
    MUST(weft_safetensors_save(set, path));
    weft_arrays_free(set);
    free(path);
}

static void alone_as_in_company(void **state)
{
    (void)state;
    static const char *const models[] = {"bert", "roberta", "distilbert", "gpt2", "llama3rope", "gemma3"};
    static const weft_lm_pooling kinds[] = {WEFT_LM_POOL_MEAN, WEFT_LM_POOL_FIRST, WEFT_LM_POOL_LAST, WEFT_LM_POOL_MAX};
    for (size_t m = 0; m < sizeof models / sizeof models[0]; m++) {
        weft_lm *lm;
        lm_case c = case_open(models[m]);
        MUST(weft_lm_open(test_engine(), c.folder, NULL, &lm));
        weft_lm_texts t = random_texts(lm, lm->config.positions - 2 < 40 ? lm->config.positions - 2 : 40, 2);
        for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++)
            check_pooling(&c, lm, &t, kinds[k]);
        if (lm->config.head_kinds & WEFT_LM_POOLER)
            check_pooling(&c, lm, &t, WEFT_LM_POOL_POOLER);
        weft_lm_texts_free(&t);
        weft_lm_free(lm);
        case_close(&c);
    }
}

/* A decoder's classifier, with a rope that goes by the length too: a text is not turned by what fills it up. */
static void classes(void **state)
{
    (void)state;
    static const char *const keys[] = {
        "\"pad_token_id\": 0",
        "\"pad_token_id\": null",
        ("\"pad_token_id\": 1, \"rope_parameters\": {\"rope_type\": \"longrope\", \"rope_theta\": 10000.0, \"factor\": 4.0, "
         "\"original_max_position_embeddings\": 11, \"short_factor\": [1, 1, 1, 1], \"long_factor\": [1.5, 2, 3, 4]}"),
    };
    for (size_t k = 0; k < sizeof keys / sizeof keys[0]; k++) {
        weft_lm *lm;
        lm_case c = case_open("mistral");
        make_classifier(&c, keys[k]);
        MUST(weft_lm_open(test_engine(), c.folder, NULL, &lm));
        assert_int_equal(lm->config.classes, CLASSES);
        assert_true(weft_lm_rope_by_length(&lm->config) == (k == 2));
        weft_lm_texts t = random_texts(lm, 40, 2);
        check_pooling(&c, lm, &t, WEFT_LM_POOL_CLASSES);
        weft_lm_texts_free(&t);
        weft_lm_free(lm);
        case_close(&c);
    }
}

static void refuses(void **state)
{
    (void)state;
    weft_lm *lm;
    int64_t size;
    double out[4096];
    lm_case c = case_open("mistral");
    MUST(weft_lm_open(test_engine(), c.folder, NULL, &lm));
    assert_int_equal(weft_lm_pool_size(lm, WEFT_LM_POOL_CLASSES, &size), WEFT_ERROR_ARGUMENT);
    assert_non_null(strstr(weft_error(), "no classification head"));
    assert_int_equal(weft_lm_pool_size(lm, WEFT_LM_POOL_POOLER, &size), WEFT_ERROR_ARGUMENT);
    assert_non_null(strstr(weft_error(), "no pooler"));
    weft_lm_texts t = random_texts(lm, 3, 2);
    int64_t starts[2];
    weft_lm_texts one = only(&t, 0, starts);
    t.ids[0] = lm->config.vocab;
    assert_int_equal(weft_lm_pool(lm, &one, &(weft_lm_pool_options){.pooling = WEFT_LM_POOL_MEAN, .batch = 1}, out),
                     WEFT_ERROR_FORMAT);
    assert_non_null(strstr(weft_error(), "past the model's vocabulary"));
    t.ids[0] = 2;
    weft_lm_free(lm);

    /* a weight that is no number: the layer is named */
    weft_arrays *set;
    MUST(weft_arrays_new(&set));
    float spoilt[16384];
    for (int64_t i = 0; i < weft_arrays_count(c.golden); i++) {
        weft_array a = weft_arrays_at(c.golden, i);
        if (strcmp(a.name, "model.layers.1.mlp.up_proj.weight") == 0) {
            memcpy(spoilt, a.tensor.data, (size_t)weft_dims_count(a.tensor.dims) * sizeof *spoilt);
            spoilt[0] = NAN;
            a.tensor.data = spoilt;
        }
        if (is_weight(a.name))
            MUST(weft_arrays_add(set, a.name, a.tensor));
    }
    char *path = weft_path_join(c.folder, "model.safetensors");
    MUST(weft_safetensors_save(set, path));
    weft_arrays_free(set);
    free(path);
    MUST(weft_lm_open(test_engine(), c.folder, NULL, &lm));
    assert_int_equal(weft_lm_pool(lm, &one, &(weft_lm_pool_options){.pooling = WEFT_LM_POOL_MEAN, .batch = 1}, out),
                     WEFT_ERROR_NUMERIC);
    assert_non_null(strstr(weft_error(), "layer 1"));
    weft_lm_texts_free(&t);
    weft_lm_free(lm);
    case_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(shares), cmocka_unit_test(frames), cmocka_unit_test(alone_as_in_company),
                                       cmocka_unit_test(classes), cmocka_unit_test(refuses)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
