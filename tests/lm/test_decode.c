/* Decoding with a cache: the tokens of independent implementations, the same with and without it, the same bits however a
 * prompt is cut and whatever streams stand beside it. */
#include "lm_case.h"

#include "weft/lm.h"

static const char *const decoders[] = {"gptneox_seq", "llama3rope", "llama_bias_yarn", "mistral", "qwen2", "gemma2"};
static const char *const ungreedy[] = {"gpt2", "gptneox", "qwen3", "gemma", "gemma3"}; /* files without a greedy continuation */

enum { GREEDY = sizeof decoders / sizeof decoders[0], UNGREEDY = sizeof ungreedy / sizeof ungreedy[0] };

static int64_t argmax(const float *logits, int64_t n)
{
    int64_t best = 0;
    for (int64_t i = 1; i < n; i++)
        if (logits[i] > logits[best])
            best = i;
    return best;
}

/* `count` greedy tokens behind the prompt, through the cache */
static void greedy(weft_lm *lm, const int64_t *prompt, int64_t n, int64_t count, int64_t *out)
{
    weft_lm_decoder *d;
    MUST(weft_lm_decoder_new(lm, 1, n + count, &d));
    MUST(weft_lm_decoder_feed(d, &(weft_lm_tokens){prompt, n}));
    for (int64_t i = 0; i < count; i++) {
        out[i] = argmax(weft_lm_decoder_logits(d, 0), weft_lm_vocabulary(lm));
        MUST(weft_lm_decoder_feed(d, &(weft_lm_tokens){&out[i], 1}));
    }
    weft_lm_decoder_free(d);
}

/* The next token by the whole sequence through `weft run`. */
static int64_t next_uncached(const lm_case *c, const int64_t *ids, int64_t n)
{
    weft_model *model;
    weft_arrays *inputs, *out;
    MUST(weft_arrays_new(&inputs));
    MUST(weft_arrays_new(&out));
    MUST(weft_arrays_add(inputs, "input_ids", (weft_tensor){(void *)(uintptr_t)ids, WEFT_I64, DIMS(n)}));
    MUST(weft_model_open(c->folder, &model));
    MUST(weft_model_run(model, test_engine(), &(weft_run_request){.inputs = inputs, .dtype = WEFT_F32}, out));
    weft_tensor logits = tensor_of(out, "logits");
    int64_t V = logits.dims.size[1], best = argmax((const float *)logits.data + (n - 1) * V, V);
    weft_arrays_free(inputs);
    weft_arrays_free(out);
    weft_model_free(model);
    return best;
}

static void greedy_with_and_without_a_cache(void **state)
{
    (void)state;
    for (int k = 0; k < GREEDY; k++) {
        lm_case c = case_open(decoders[k]);
        weft_lm *lm;
        weft_tensor ids = tensor_of(c.golden, "input_ids"), want = tensor_of(c.golden, "out.greedy");
        int64_t n = weft_dims_count(ids.dims), all[256], cached[8];
        MUST(weft_lm_open(test_engine(), c.folder, NULL, &lm));
        greedy(lm, ids.data, n, 8, cached);
        memcpy(all, ids.data, (size_t)n * sizeof *all);
        for (int i = 0; i < 8; i++) {
            assert_int_equal(cached[i], ((const int64_t *)want.data)[i]);
            assert_int_equal(all[n + i] = next_uncached(&c, all, n + i), cached[i]);
        }
        weft_lm_free(lm);
        case_close(&c);
    }
}

/* Cut in any way, in a batch of unequal prompts, after a rewind: the same bits. */
static void cuts_and_neighbours_change_no_bit(void **state)
{
    (void)state;
    for (int k = 0; k < GREEDY + UNGREEDY; k++) {
        lm_case c = case_open(k < GREEDY ? decoders[k] : ungreedy[k - GREEDY]);
        weft_lm *lm;
        weft_lm_decoder *whole, *cut, *batch;
        MUST(weft_lm_open(test_engine(), c.folder, NULL, &lm));
        int64_t V = weft_lm_vocabulary(lm), n = 21, ids[24];
        for (int64_t i = 0; i < n; i++)
            ids[i] = (i * 17 + 3) % V;
        MUST(weft_lm_decoder_new(lm, 1, 24, &whole));
        MUST(weft_lm_decoder_new(lm, 1, 30, &cut));
        MUST(weft_lm_decoder_new(lm, 3, 24, &batch));
        MUST(weft_lm_decoder_feed(whole, &(weft_lm_tokens){ids, n}));
        MUST(weft_lm_decoder_feed(cut, &(weft_lm_tokens){ids, 9}));
        MUST(weft_lm_decoder_feed(cut, &(weft_lm_tokens){(int64_t[]){1, 2, 0}, 3}));
        weft_lm_decoder_rewind(cut, 0, 9);
        for (int64_t i = 9; i < n; i++)
            MUST(weft_lm_decoder_feed(cut, &(weft_lm_tokens){&ids[i], 1}));
        weft_lm_tokens first[3] = {{ids + 3, 5}, {ids, 11}, {ids, 0}}, second[3] = {{ids, 1}, {ids + 11, n - 11}, {ids, 2}};
        MUST(weft_lm_decoder_feed(batch, first));
        MUST(weft_lm_decoder_feed(batch, second));
        const float *want = weft_lm_decoder_logits(whole, 0);
        for (int64_t i = 0; i < V; i++) {
            if (memcmp(&want[i], &weft_lm_decoder_logits(cut, 0)[i], sizeof *want) != 0)
                fail_msg("%s: cut, logit %lld is %.9g, whole %.9g", c.folder, (long long)i,
                         (double)weft_lm_decoder_logits(cut, 0)[i], (double)want[i]);
            if (memcmp(&want[i], &weft_lm_decoder_logits(batch, 1)[i], sizeof *want) != 0)
                fail_msg("%s: batch, logit %lld is %.9g, whole %.9g", c.folder, (long long)i,
                         (double)weft_lm_decoder_logits(batch, 1)[i], (double)want[i]);
        }
        weft_lm_decoder_free(whole);
        weft_lm_decoder_free(cut);
        weft_lm_decoder_free(batch);
        weft_lm_free(lm);
        case_close(&c);
    }
}

static void a_full_cache_and_foreign_tokens_are_refused(void **state)
{
    (void)state;
    lm_case c = case_open("gpt2");
    weft_lm *lm;
    weft_lm_decoder *d;
    MUST(weft_lm_open(test_engine(), c.folder, NULL, &lm));
    MUST(weft_lm_decoder_new(lm, 1, 4, &d));
    int64_t ids[5] = {1, 2, 3, 4, 5}, foreign = weft_lm_vocabulary(lm);
    assert_int_equal(weft_lm_decoder_feed(d, &(weft_lm_tokens){ids, 5}), WEFT_ERROR_ARGUMENT);
    assert_int_equal(weft_lm_decoder_feed(d, &(weft_lm_tokens){&foreign, 1}), WEFT_ERROR_ARGUMENT);
    assert_int_equal(weft_lm_decoder_length(d, 0), 0);
    MUST(weft_lm_decoder_feed(d, &(weft_lm_tokens){ids, 4}));
    assert_int_equal(weft_lm_decoder_feed(d, &(weft_lm_tokens){ids, 1}), WEFT_ERROR_ARGUMENT);
    weft_lm_decoder_free(d);
    assert_int_equal(weft_lm_decoder_new(lm, 1, weft_lm_context(lm) + 1, &d), WEFT_ERROR_ARGUMENT);
    weft_lm_free(lm);
    case_close(&c);
}

/* NaN in the weights of layer 1 is found there. */
static void nan_names_its_layer(void **state)
{
    (void)state;
    lm_case c = case_open("llama3rope");
    char path[600];
    weft_params *p;
    weft_tensor t;
    weft_lm *lm;
    weft_lm_decoder *d;
    snprintf(path, sizeof path, "%s/model.safetensors", c.folder);
    MUST(weft_params_open(path, &p));
    assert_true(weft_params_get(p, "model.layers.1.mlp.up_proj.weight", &t));
    float *copy = malloc(weft_tensor_bytes(t));
    assert_non_null(copy);
    memcpy(copy, t.data, weft_tensor_bytes(t));
    copy[5] = NAN;
    MUST(weft_params_set(p, "model.layers.1.mlp.up_proj.weight", (weft_tensor){copy, t.dtype, t.dims}));
    MUST(weft_params_save(p, path));
    weft_params_free(p);
    free(copy);
    MUST(weft_lm_open(test_engine(), c.folder, NULL, &lm));
    MUST(weft_lm_decoder_new(lm, 1, 8, &d));
    int64_t ids[3] = {1, 2, 3};
    assert_int_equal(weft_lm_decoder_feed(d, &(weft_lm_tokens){ids, 3}), WEFT_ERROR_NUMERIC);
    assert_string_equal(weft_error(), "the logits are NaN; it first appears in layer 1");
    weft_lm_perplexity result;
    assert_int_equal(weft_lm_measure(lm, ids, 3, NULL, NULL, &result), WEFT_ERROR_NUMERIC);
    assert_string_equal(weft_error(), "the logits are NaN; it first appears in layer 1");
    weft_lm_decoder_free(d);
    weft_lm_free(lm);
    case_close(&c);
}

/* A rope that goes by the length goes by that of what there is, not of the room: beyond the length it was trained for a prompt is
 * as without a cache, and the cache's size changes no bit. */
static void ropes_go_by_the_length_so_far(void **state)
{
    static const char *const scalings[] = {
        "\"rope_scaling\": {\"rope_type\": \"dynamic\", \"factor\": 4.0}, \"max_position_embeddings\": 16, ",
        "\"rope_scaling\": {\"rope_type\": \"longrope\", \"short_factor\": [1, 1.1, 1.2, 1.3], \"long_factor\": [2, 2.5, 3, "
        "3.5], "
        "\"original_max_position_embeddings\": 16}, \"max_position_embeddings\": 64, "};
    enum { TOKENS = 40, PROMPT = 30 };
    (void)state;
    for (size_t k = 0; k < sizeof scalings / sizeof scalings[0]; k++) {
        lm_case c = case_open("mistral");
        char text[2048];
        const char *config = weft_arrays_metadata(c.golden, "config"), *key = "\"max_position_embeddings\"";
        const char *at = strstr(config, key), *after = at ? strchr(at, ',') : NULL;
        assert_non_null(after);
        snprintf(text, sizeof text, "%.*s%s%s", (int)(at - config), config, scalings[k], after + 2);
        write_text(c.folder, "config.json", text);
        weft_lm *lm;
        weft_lm_decoder *small, *large;
        int64_t ids[TOKENS];
        MUST(weft_lm_open(test_engine(), c.folder, NULL, &lm));
        for (int i = 0; i < TOKENS; i++)
            ids[i] = (i * 7 + 3) % weft_lm_vocabulary(lm);
        MUST(weft_lm_decoder_new(lm, 1, TOKENS, &small));
        MUST(weft_lm_decoder_new(lm, 1, 3 * TOKENS, &large));
        const size_t bytes = (size_t)weft_lm_vocabulary(lm) * sizeof(float);
        for (int i = 0; i < TOKENS; i += i ? 1 : PROMPT) {
            weft_lm_tokens next = {ids + i, i ? 1 : PROMPT};
            MUST(weft_lm_decoder_feed(small, &next));
            MUST(weft_lm_decoder_feed(large, &next));
            assert_memory_equal(weft_lm_decoder_logits(small, 0), weft_lm_decoder_logits(large, 0), bytes);
            if (i == 0)
                assert_int_equal(argmax(weft_lm_decoder_logits(small, 0), weft_lm_vocabulary(lm)),
                                 next_uncached(&c, ids, PROMPT));
        }
        /* perplexity: a last window that is shorter is as a text of its own */
        weft_lm_perplexity whole, first, last;
        const weft_lm_perplexity_options windows = {.window = PROMPT};
        MUST(weft_lm_measure(lm, ids, TOKENS, &windows, NULL, &whole));
        MUST(weft_lm_measure(lm, ids, PROMPT, &windows, NULL, &first));
        MUST(weft_lm_measure(lm, ids + PROMPT, TOKENS - PROMPT, &windows, NULL, &last));
        assert_int_equal(whole.scored, TOKENS - 2);
        assert_true(fabs(whole.nll - first.nll - last.nll) < 1e-9);
        /* a text shorter than the window and its stride */
        const weft_lm_perplexity_options wide = {.window = 2 * PROMPT, .stride = 2 * PROMPT - 1};
        MUST(weft_lm_measure(lm, ids, PROMPT, &wide, NULL, &last));
        assert_true(last.scored == first.scored && last.nll == first.nll);
        weft_lm_decoder_free(small);
        weft_lm_decoder_free(large);
        weft_lm_free(lm);
        case_close(&c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(greedy_with_and_without_a_cache),
        cmocka_unit_test(cuts_and_neighbours_change_no_bit),
        cmocka_unit_test(a_full_cache_and_foreign_tokens_are_refused),
        cmocka_unit_test(nan_names_its_layer),
        cmocka_unit_test(ropes_go_by_the_length_so_far),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
