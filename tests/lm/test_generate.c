/* Continuing prompts: a prompt's tokens do not depend on its neighbours or on what a kept cache holds; every way to end. */
#include "lm_case.h"

#include "lm/generate.h"

static const int64_t first[] = {3, 9, 27, 14}, second[] = {5, 6, 7, 8, 9, 10, 11, 12, 13}, third[] = {40};
static const weft_lm_tokens prompts[] = {{first, 4}, {second, 9}, {third, 1}};

enum { PROMPTS = 3, NEW = 12 };

static void open_golden(const char *name, lm_case *c, weft_lm **lm)
{
    *c = case_open(name);
    MUST(weft_lm_open(test_engine(), c->folder, NULL, lm));
}

static void prompts_together_and_alone(void **state)
{
    (void)state;
    static const char *const models[] = {"gpt2", "llama3rope", "mistral", "gemma2"};
    weft_sampler_settings warm = WEFT_SAMPLER_DEFAULT, greedy = WEFT_SAMPLER_DEFAULT;
    greedy.greedy = true;
    for (int m = 0; m < 4; m++)
        for (int k = 0; k < 2; k++) {
            lm_case c;
            weft_lm *lm;
            weft_lm_generated together[PROMPTS], alone, again;
            weft_lm_generate_options o = {.tokens = NEW, .settings = k ? &warm : &greedy, .seed = 11};
            open_golden(models[m], &c, &lm);
            MUST(weft_lm_generate(lm, prompts, PROMPTS, &o, together));
            for (int s = 0; s < PROMPTS; s++) {
                assert_int_equal(together[s].count, NEW);
                assert_int_equal(together[s].end, WEFT_LM_END_LENGTH);
                if (k == 0 || s == 0) { /* draws are keyed by the prompt's number */
                    MUST(weft_lm_generate(lm, &prompts[s], 1, &o, &alone));
                    assert_memory_equal(together[s].ids, alone.ids, NEW * sizeof *alone.ids);
                    weft_lm_generated_free(&alone);
                }
            }
            o.seed = 12;
            MUST(weft_lm_generate(lm, prompts, 1, &o, &again));
            assert_int_equal(memcmp(together[0].ids, again.ids, NEW * sizeof *again.ids) == 0, k == 0);
            weft_lm_generated_free(&again);
            for (int s = 0; s < PROMPTS; s++)
                weft_lm_generated_free(&together[s]);
            weft_lm_free(lm);
            case_close(&c);
        }
}

/* A decoder that keeps a conversation gives what a new one gives, whatever it held before. */
static void a_kept_decoder(void **state)
{
    (void)state;
    lm_case c;
    weft_lm *lm;
    weft_lm_decoder *kept;
    weft_sampler_settings greedy = WEFT_SAMPLER_DEFAULT;
    greedy.greedy = true;
    open_golden("llama3rope", &c, &lm);
    MUST(weft_lm_decoder_new(lm, 1, 64, &kept));
    int64_t talk[64] = {3, 9, 27, 14}, n = 4;
    for (int turn = 0; turn < 4; turn++) {
        weft_lm_tokens prompt = {turn == 3 ? second : talk, turn == 3 ? 9 : n}; /* the last turn begins anew */
        weft_lm_generated fresh, reused;
        weft_lm_generate_options o = {.tokens = 6, .settings = &greedy};
        MUST(weft_lm_generate(lm, &prompt, 1, &o, &fresh));
        o.decoder = kept;
        MUST(weft_lm_generate(lm, &prompt, 1, &o, &reused));
        assert_int_equal(fresh.count, reused.count);
        assert_memory_equal(fresh.ids, reused.ids, (size_t)fresh.count * sizeof *fresh.ids);
        for (int i = 0; i < 6 && turn < 3; i++)
            talk[n++] = fresh.ids[i];
        talk[n++] = 20 + turn;
        weft_lm_generated_free(&fresh);
        weft_lm_generated_free(&reused);
    }
    weft_lm_decoder_free(kept);
    weft_lm_free(lm);
    case_close(&c);
}

static weft_status stop_behind_the_third(void *user, int64_t stream, int64_t id, bool *stop)
{
    (void)stream, (void)id;
    *stop = ++*(int *)user == 3;
    return WEFT_OK;
}

static void endings(void **state)
{
    (void)state;
    lm_case c;
    weft_lm *lm;
    weft_lm_generated g, cut;
    weft_sampler_settings greedy = WEFT_SAMPLER_DEFAULT;
    greedy.greedy = true;
    open_golden("llama3rope", &c, &lm);
    weft_lm_generate_options o = {.tokens = NEW, .settings = &greedy};
    MUST(weft_lm_generate(lm, prompts, 1, &o, &g));

    int64_t end = g.ids[4];
    int at = 0;
    while (g.ids[at] != end)
        at++;
    o.eos = &end;
    o.eos_count = 1;
    MUST(weft_lm_generate(lm, prompts, 1, &o, &cut));
    assert_int_equal(cut.end, WEFT_LM_END_TOKEN);
    assert_int_equal(cut.count, at); /* the end token is not part of it */
    weft_lm_generated_free(&cut);
    o.eos_count = 0;

    int seen = 0;
    o.token = stop_behind_the_third;
    o.user = &seen;
    MUST(weft_lm_generate(lm, prompts, 1, &o, &cut));
    assert_int_equal(cut.end, WEFT_LM_END_STOP);
    assert_int_equal(cut.count, 3);
    weft_lm_generated_free(&cut);
    o.token = NULL;

    unsigned char *never = calloc((size_t)weft_lm_vocabulary(lm), 1); /* rows of the embedding that no token has */
    assert_non_null(never);
    for (int64_t i = 0; i < weft_lm_vocabulary(lm); i++)
        never[i] = i % 2 == 1 || i >= 30;
    greedy.never = never;
    MUST(weft_lm_generate(lm, &(weft_lm_tokens){(int64_t[]){3, 9, 2}, 3}, 1, &o, &cut));
    for (int64_t i = 0; i < cut.count; i++)
        assert_false(never[cut.ids[i]]);
    weft_lm_generated_free(&cut);
    greedy.never = NULL;
    free(never);

    int64_t context = weft_lm_context(lm);
    int64_t *long_prompt = calloc((size_t)context, sizeof *long_prompt);
    assert_non_null(long_prompt);
    MUST(weft_lm_generate(lm, &(weft_lm_tokens){long_prompt, context - 5}, 1, &o, &cut));
    assert_int_equal(cut.end, WEFT_LM_END_LENGTH);
    assert_int_equal(cut.count, 5); /* refused at the limit, nothing dropped */
    weft_lm_generated_free(&cut);
    assert_int_equal(weft_lm_generate(lm, &(weft_lm_tokens){long_prompt, context}, 1, &o, &cut), WEFT_ERROR_ARGUMENT);
    assert_int_equal(weft_lm_generate(lm, &(weft_lm_tokens){long_prompt, 0}, 1, &o, &cut), WEFT_ERROR_ARGUMENT);
    free(long_prompt);
    weft_lm_generated_free(&g);
    weft_lm_free(lm);
    case_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(prompts_together_and_alone), cmocka_unit_test(a_kept_decoder),
                                       cmocka_unit_test(endings)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
