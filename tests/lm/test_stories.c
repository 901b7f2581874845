/* A real trained model (stories260K): its greedy stories, log-probabilities and perplexities as other implementations have
 * them. The model is reference data (WEFT_DATA); without it this is skipped. */
#include "lm_case.h"

#include "base/json.h"
#include "weft/lm.h"

static char folder[512];
static weft_json *golden;
static weft_lm *lm;

static int64_t *ids_of(weft_json_value list, int64_t *count)
{
    *count = weft_json_size(list);
    int64_t *ids = malloc((size_t)(*count + 1) * sizeof *ids);
    assert_non_null(ids);
    for (int64_t i = 0; i < *count; i++)
        ids[i] = weft_json_integer(weft_json_item(list, i), -1);
    return ids;
}

static double log_probability(const float *logits, int64_t n, int64_t token)
{
    double largest = -INFINITY, sum = 0;
    for (int64_t i = 0; i < n; i++)
        largest = fmax(largest, (double)logits[i]);
    for (int64_t i = 0; i < n; i++)
        sum += exp((double)logits[i] - largest);
    return (double)logits[token] - largest - log(sum);
}

static void check_story(const int64_t *prompt, int64_t n, weft_json_value want)
{
    int64_t count;
    int64_t *ids = ids_of(weft_json_get(want, "ids"), &count);
    weft_json_value logprobs = weft_json_get(want, "logprobs");
    weft_lm_decoder *d;
    MUST(weft_lm_decoder_new(lm, 1, n + count, &d));
    MUST(weft_lm_decoder_feed(d, &(weft_lm_tokens){prompt, n}));
    for (int64_t i = 0; i < count; i++) {
        const float *logits = weft_lm_decoder_logits(d, 0);
        int64_t best = 0;
        for (int64_t v = 1; v < weft_lm_vocabulary(lm); v++)
            if (logits[v] > logits[best])
                best = v;
        assert_int_equal(best, ids[i]);
        assert_true(fabs(log_probability(logits, weft_lm_vocabulary(lm), best) -
                         weft_json_number(weft_json_item(logprobs, i), NAN)) < 1e-3);
        MUST(weft_lm_decoder_feed(d, &(weft_lm_tokens){&best, 1}));
    }
    weft_lm_decoder_free(d);
    free(ids);
}

static void stories(void **state)
{
    (void)state;
    weft_json_value root = weft_json_root(golden), others = weft_json_get(root, "greedy");
    int64_t bos = 1, n;
    check_story(&bos, 1, weft_json_get(root, "greedy_from_bos"));
    assert_int_equal(weft_json_size(others), 2);
    for (int64_t i = 0; i < weft_json_size(others); i++) {
        weft_json_value one = weft_json_item(others, i);
        int64_t *prompt = ids_of(weft_json_get(one, "prompt_ids"), &n);
        check_story(prompt, n, one);
        free(prompt);
    }
}

static void perplexities(void **state)
{
    (void)state;
    weft_json_value all = weft_json_get(weft_json_root(golden), "perplexity"), results = weft_json_get(all, "results");
    int64_t n;
    int64_t *ids = ids_of(weft_json_get(all, "ids"), &n);
    assert_int_equal(weft_json_size(results), 5);
    for (int64_t i = 0; i < weft_json_size(results); i++) {
        weft_json_value want = weft_json_item(results, i);
        weft_lm_perplexity_options options = {.window = weft_json_integer(weft_json_get(want, "window"), 0),
                                              .stride = weft_json_integer(weft_json_get(want, "stride"), 0)};
        weft_lm_perplexity have;
        unsigned char *scored = malloc((size_t)n);
        assert_non_null(scored);
        MUST(weft_lm_measure(lm, ids, n, &options, scored, &have));
        int64_t told = 0;
        for (int64_t t = 0; t < n; t++)
            told += scored[t];
        assert_int_equal(have.scored, weft_json_integer(weft_json_get(want, "scored"), -1));
        assert_int_equal(told, have.scored);
        double ppl = weft_json_number(weft_json_get(want, "perplexity"), NAN);
        assert_true(fabs(have.perplexity - ppl) < 1e-4 * ppl);
        assert_true(fabs(have.nll - weft_json_number(weft_json_get(want, "nll"), NAN)) < 1e-4 * have.nll);
        free(scored);
    }
    free(ids);
}

static void last_logits(void **state)
{
    (void)state;
    weft_json_value want = weft_json_get(weft_json_root(golden), "logits_last"), values = weft_json_get(want, "values");
    int64_t n;
    int64_t *ids = ids_of(weft_json_get(want, "prompt_ids"), &n);
    weft_lm_decoder *d;
    MUST(weft_lm_decoder_new(lm, 1, n, &d));
    MUST(weft_lm_decoder_feed(d, &(weft_lm_tokens){ids, n}));
    assert_int_equal(weft_json_size(values), weft_lm_vocabulary(lm));
    for (int64_t i = 0; i < weft_lm_vocabulary(lm); i++)
        assert_true(fabs((double)weft_lm_decoder_logits(d, 0)[i] - weft_json_number(weft_json_item(values, i), NAN)) < 1e-4);
    weft_lm_decoder_free(d);
    free(ids);
}

int main(void)
{
    const char *data = getenv("WEFT_DATA");
    snprintf(folder, sizeof folder, "%s/lm/stories260K", data ? data : WEFT_SOURCE_DIR "/../shared/data");
    if (!weft_path_is_folder(folder)) {
        print_message("no %s (set WEFT_DATA): skipped\n", folder);
        return 77;
    }
    MUST(weft_json_read(WEFT_SOURCE_DIR "/tests/golden/lm/stories260k.json", &golden));
    MUST(weft_lm_open(test_engine(), folder, NULL, &lm));
    const struct CMUnitTest tests[] = {cmocka_unit_test(stories), cmocka_unit_test(perplexities), cmocka_unit_test(last_logits)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    weft_lm_free(lm);
    weft_json_free(golden);
    return failed;
}
