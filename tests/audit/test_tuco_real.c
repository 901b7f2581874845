/* The shipped trained pair and its adapter against golden ratios: stories260K → stories260K-sft, and → the LoRA adapter. Skipped
 * where the data folder (WEFT_DATA) does not hold them. */
#include "tuco_case.h"

#include "base/json.h"

typedef struct real_pair {
    weft_engine *engine;
    weft_arrays *golden;
    char base[512], sft[512], lora[512];
    int64_t cases;
} real_pair;

static real_pair pair;

static int setup(void **state)
{
    (void)state;
    const char *data = getenv("WEFT_DATA");
    char path[640];
    if (!data)
        data = WEFT_SOURCE_DIR "/../shared/data";
    snprintf(pair.base, sizeof pair.base, "%s/lm/stories260K", data);
    snprintf(pair.sft, sizeof pair.sft, "%s/tuco/stories260K-sft", data);
    snprintf(pair.lora, sizeof pair.lora, "%s/tuco/stories260K-lora", data);
    snprintf(path, sizeof path, "%s/tests/golden/tuco/real_pair.safetensors", WEFT_SOURCE_DIR);
    if (!weft_path_is_folder(pair.base) || !weft_path_is_folder(pair.sft)) {
        print_message("skipped: %s is not there\n", pair.sft);
        return 0;
    }
    weft_json *json;
    MUST(weft_engine_new(&(weft_engine_options){.threads = 1}, &pair.engine));
    MUST(weft_safetensors_open(path, &pair.golden));
    const char *cases = weft_arrays_metadata(pair.golden, "cases");
    MUST(weft_json_parse(cases, strlen(cases), "cases", &json));
    pair.cases = weft_json_size(weft_json_root(json));
    weft_json_free(json);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    weft_arrays_free(pair.golden);
    weft_engine_free(pair.engine);
    return 0;
}

static const char *name_of(int64_t j, const char *model, const char *what)
{
    static char name[96];
    snprintf(name, sizeof name, "%lld.%s.%s", (long long)j, model, what);
    return name;
}

static void readings_equal_the_golden_ones(void **state)
{
    (void)state;
    if (!pair.golden)
        skip();
    for (int m = 0; m < 2; m++) {
        const char *model = m ? "lora" : "sft", *tuned = m ? pair.lora : pair.sft;
        weft_tuco *t;
        MUST(weft_tuco_open(pair.engine, pair.base, &tuned, 1, NULL, &t));
        for (int64_t j = 0; j < pair.cases; j++) {
            char name[96];
            snprintf(name, sizeof name, "%lld.input_ids", (long long)j);
            weft_tensor ids = golden_tensor(pair.golden, name);
            int64_t n = weft_dims_count(ids.dims);
            weft_tuco_reading *r;
            MUST(weft_tuco_read(t, ids.data, n, &(weft_tuco_request){.alpha = 1, .outputco = true}, &r));
            near("tuco_pos", r->tuco_pos, golden_tensor(pair.golden, name_of(j, model, "tuco_pos")), 0, n, 2e-6);
            near("beta_pos", r->beta_pos + n, golden_tensor(pair.golden, name_of(j, model, "beta_pos")), 0, r->layers * n, 2e-6);
            near("outputco_pos", r->outputco_pos, golden_tensor(pair.golden, name_of(j, model, "outputco_pos")), 0, n, 2e-6);
            weft_tensor logits = golden_tensor(pair.golden, name_of(j, model, "last_logits"));
            for (int64_t v = 0; v < r->vocab; v++)
                assert_true(fabs((double)r->logits[v] - element(logits, v)) <= 1e-4);
            weft_tuco_reading_free(r);
        }
        weft_tuco_free(t);
    }
}

static void generation_equals_the_golden_one(void **state)
{
    (void)state;
    if (!pair.golden)
        skip();
    static const char *const alphas[] = {"0", "0.5", "1", "1.25"};
    const char *tuned = pair.sft;
    weft_tuco *t;
    MUST(weft_tuco_open(pair.engine, pair.base, &tuned, 1, NULL, &t));
    int seen = 0;
    for (int64_t j = 0; j < 3; j++)
        for (int a = 0; a < 4; a++) {
            char name[96];
            snprintf(name, sizeof name, "%lld.sft.gen_alpha_%s.tokens", (long long)j, alphas[a]);
            weft_tensor tokens, ids;
            if (!weft_arrays_find(pair.golden, name, &tokens))
                continue;
            snprintf(name, sizeof name, "%lld.sft.gen_alpha_%s.tuco", (long long)j, alphas[a]);
            weft_tensor tuco = golden_tensor(pair.golden, name);
            snprintf(name, sizeof name, "%lld.input_ids", (long long)j);
            ids = golden_tensor(pair.golden, name);
            int64_t steps = weft_dims_count(tokens.dims);
            weft_tuco_run *run;
            MUST(weft_tuco_start(t, ids.data, weft_dims_count(ids.dims), steps, atof(alphas[a]), &run));
            for (int64_t s = 0; s < steps; s++) {
                double have = weft_tuco_run_tuco(run);
                near("tuco", &have, tuco, s, 1, 2e-6);
                int64_t id = greedy(weft_tuco_run_logits(run), weft_tuco_vocab(t));
                assert_int_equal(id, ((const int64_t *)tokens.data)[s]);
                if (s + 1 < steps)
                    MUST(weft_tuco_next(run, id));
            }
            weft_tuco_run_free(run);
            seen++;
        }
    assert_true(seen > 0);
    weft_tuco_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(readings_equal_the_golden_ones),
                                       cmocka_unit_test(generation_equals_the_golden_one)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
