/* TuCo of six families of models against tensors and ratios of independent implementations, in F32 and F64: the decomposition,
 * steering, OutputCo, and generation with caches and without. */
#include "tuco_case.h"

static const char *const families[] = {"llama", "gpt2", "gptneox", "gemma", "gemma3", "mistral"};
enum { FAMILIES = sizeof families / sizeof families[0] };

static weft_tuco *open_pair(const tuco_case *c, weft_dtype dtype)
{
    weft_tuco *t;
    const char *tuned = c->tuned;
    MUST(weft_tuco_open(one_thread, c->base, &tuned, 1, &(weft_tuco_options){.dtype = dtype}, &t));
    return t;
}

static void decompose(const tuco_case *c, weft_dtype dtype, double tensors, double ratios)
{
    weft_tuco *t = open_pair(c, dtype);
    weft_tuco_reading *r;
    MUST(weft_tuco_read(t, c->ids, c->n, &(weft_tuco_request){.alpha = 1, .tensors = true, .outputco = true, .heads = true}, &r));
    static const char *const names[] = {"x", "ptc", "ftc", "ptc_attn", "ptc_mlp", "ftc_attn", "ftc_mlp"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char name[32];
        snprintf(name, sizeof name, "out.%s", names[i]);
        near_tensor(r->tensors, names[i], golden_tensor(c->golden, name), tensors);
    }
    near_tensor(r->tensors, "logits", golden_tensor(c->golden, "out.ft.logits"), tensors);
    int64_t L = r->layers, n = r->tokens;
    near("tuco", &r->tuco, golden_tensor(c->golden, "out.tuco"), 0, 1, ratios);
    near("tuco_l2", &r->tuco_l2, golden_tensor(c->golden, "out.tuco_l2"), 0, 1, ratios);
    near("beta_pos", r->beta_pos, golden_tensor(c->golden, "out.beta_pos"), 0, (L + 1) * n, ratios);
    near("beta_seq", r->beta_seq, golden_tensor(c->golden, "out.beta_seq"), 0, L + 1, ratios);
    near("outputco_pos", r->outputco_pos, golden_tensor(c->golden, "out.outputco_pos"), 0, n, ratios);
    near("ptc_cum_l1", r->ptc_cum_l1, golden_tensor(c->golden, "out.ptc_cum_l1"), 0, (L + 1) * n, 100 * tensors);
    near("ftc_cum_l1", r->ftc_cum_l1, golden_tensor(c->golden, "out.ftc_cum_l1"), 0, (L + 1) * n, 100 * tensors);
    /* x_0 + Σ PTC + Σ FTC = x_L, and the steps of a chain of one are the whole */
    near("steps_l1", r->steps_l1, golden_tensor(c->golden, "out.ftc_cum_l1"), L * n, n, 100 * tensors);
    weft_tuco_reading_free(r);
    weft_tuco_free(t);
}

static void decompositions(void **state)
{
    (void)state;
    for (int f = 0; f < FAMILIES; f++) {
        tuco_case c = case_open(families[f]);
        decompose(&c, WEFT_F32, 3e-5, 2e-6);
        decompose(&c, WEFT_F64, 5e-7, 1e-8); /* the golden tensors are stored in F32 */
        case_close(&c);
    }
}

static void steering(void **state)
{
    (void)state;
    static const char *const alphas[] = {"0", "0.5", "1", "1.25"};
    for (int f = 0; f < FAMILIES; f++) {
        tuco_case c = case_open(families[f]);
        weft_tuco *t = open_pair(&c, WEFT_F32);
        for (int a = 0; a < 4; a++) {
            char name[64];
            snprintf(name, sizeof name, "out.alpha_%s.logits", alphas[a]);
            weft_tensor logits;
            if (!weft_arrays_find(c.golden, name, &logits))
                continue;
            weft_tuco_reading *r;
            MUST(weft_tuco_read(t, c.ids, c.n, &(weft_tuco_request){.alpha = atof(alphas[a]), .tensors = true}, &r));
            near_tensor(r->tensors, "logits", logits, 3e-5);
            snprintf(name, sizeof name, "out.alpha_%s.tuco_pos", alphas[a]);
            near(name, r->tuco_pos, golden_tensor(c.golden, name), 0, c.n, 2e-6);
            weft_tuco_reading_free(r);
        }
        weft_tuco_free(t);
        case_close(&c);
    }
}

/* Greedy tokens and the TuCo of the position that chose each: with caches, and by reading the whole text anew. */
static void generation(void **state)
{
    (void)state;
    static const char *const alphas[] = {"0", "0.5", "1", "1.25"};
    for (int f = 0; f < FAMILIES; f++) {
        tuco_case c = case_open(families[f]);
        weft_tuco *t = open_pair(&c, WEFT_F32);
        for (int a = 0; a < 4; a++) {
            char name[64];
            snprintf(name, sizeof name, "out.gen_alpha_%s.tokens", alphas[a]);
            weft_tensor tokens;
            if (!weft_arrays_find(c.golden, name, &tokens))
                continue;
            const int64_t *want = tokens.data, steps = weft_dims_count(tokens.dims);
            snprintf(name, sizeof name, "out.gen_alpha_%s.tuco", alphas[a]);
            weft_tensor tuco = golden_tensor(c.golden, name);
            int64_t ids[64];
            memcpy(ids, c.ids, (size_t)c.n * sizeof *ids);
            weft_tuco_run *run;
            MUST(weft_tuco_start(t, c.ids, c.n, steps, atof(alphas[a]), &run));
            for (int64_t s = 0; s < steps; s++) {
                weft_tuco_reading *r;
                MUST(weft_tuco_read(t, ids, c.n + s, &(weft_tuco_request){.alpha = atof(alphas[a])}, &r));
                double cached = weft_tuco_run_tuco(run);
                near("cached tuco", &cached, tuco, s, 1, 2e-6);
                near("tuco", &r->tuco, tuco, s, 1, 2e-6);
                int64_t id = greedy(weft_tuco_run_logits(run), r->vocab);
                assert_int_equal(id, want[s]);
                assert_int_equal(greedy(r->logits, r->vocab), want[s]);
                for (int64_t v = 0; v < r->vocab; v++)
                    assert_true(fabsf(r->logits[v] - weft_tuco_run_logits(run)[v]) <= 1e-5f);
                ids[c.n + s] = id;
                MUST(weft_tuco_next(run, id));
                weft_tuco_reading_free(r);
            }
            weft_tuco_run_free(run);
        }
        weft_tuco_free(t);
        case_close(&c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(decompositions), cmocka_unit_test(steering),
                                       cmocka_unit_test(generation)};
    return cmocka_run_group_tests(tests, open_engines, close_engines);
}
