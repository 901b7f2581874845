/* Reading a prompt and going on behind it: both from one pass, and each to the bit what it is by itself. */
#include "tuco_case.h"

#include "audit/chain.h"

enum { STEPS = 4 };

static void same(const double *a, const double *b, int64_t n)
{
    if (b)
        assert_memory_equal(a, b, (size_t)n * sizeof *a);
    else
        assert_null(a);
}

static void same_readings(const weft_tuco_reading *a, const weft_tuco_reading *b)
{
    const int64_t n = b->tokens, L = b->layers;
    const struct {
        const double *a, *b;
        int64_t count;
    } rows[] = {{&a->tuco, &b->tuco, 1},
                {&a->tuco_l2, &b->tuco_l2, 1},
                {a->tuco_pos, b->tuco_pos, n},
                {a->outputco_pos, b->outputco_pos, n},
                {a->ptc_l1, b->ptc_l1, L * n},
                {a->ftc_cum_l1, b->ftc_cum_l1, (L + 1) * n},
                {a->ptc_l2, b->ptc_l2, n},
                {a->beta_seq, b->beta_seq, L + 1},
                {a->attn_l1, b->attn_l1, 2 * L * n},
                {a->mlp_l1, b->mlp_l1, 2 * L * n},
                {a->heads_l1, b->heads_l1, L * b->heads}};
    assert_int_equal(a->tokens, n);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        same(rows[i].a, rows[i].b, rows[i].count);
    assert_memory_equal(a->logits, b->logits, (size_t)b->vocab * sizeof *a->logits);
    assert_int_equal(a->tensors != NULL, b->tensors != NULL);
    for (int64_t i = 0; b->tensors && i < weft_arrays_count(b->tensors); i++) {
        weft_array want = weft_arrays_at(b->tensors, i);
        weft_tensor have;
        assert_true(weft_arrays_find(a->tensors, want.name, &have));
        assert_true(weft_dims_equal(have.dims, want.tensor.dims));
        assert_memory_equal(have.data, want.tensor.data, weft_tensor_bytes(want.tensor));
    }
}

static int prompt_plans(const weft_tuco *t)
{
    int count = 0;
    for (const tuco_plan *p = t->plans; p; p = p->next)
        count += !p->form.own_base && p->form.tokens > 1;
    return count;
}

/* `passes`: plans that read the prompt. */
static void check(const tuco_case *c, const char *tuned, weft_tuco_request request, int passes)
{
    weft_tuco *t, *alone;
    weft_tuco_reading *r, *by_itself;
    weft_tuco_run *run, *run_by_itself;
    MUST(weft_tuco_open(one_thread, c->base, &tuned, 1, NULL, &t));
    MUST(weft_tuco_open(one_thread, c->base, &tuned, 1, NULL, &alone));
    MUST(weft_tuco_read_and_start(t, c->ids, c->n, STEPS, &request, &r, &run));
    assert_int_equal(prompt_plans(t), passes);
    MUST(weft_tuco_read(alone, c->ids, c->n, &request, &by_itself));
    MUST(weft_tuco_start(alone, c->ids, c->n, STEPS, request.alpha, &run_by_itself));
    same_readings(r, by_itself);
    for (int s = 0; s < STEPS; s++) {
        const float *logits = weft_tuco_run_logits(run);
        assert_memory_equal(logits, weft_tuco_run_logits(run_by_itself), (size_t)r->vocab * sizeof *logits);
        assert_true(weft_tuco_run_tuco(run) == weft_tuco_run_tuco(run_by_itself));
        const int64_t id = greedy(logits, r->vocab);
        MUST(weft_tuco_next(run, id));
        MUST(weft_tuco_next(run_by_itself, id));
    }
    weft_tuco_run_free(run);
    weft_tuco_run_free(run_by_itself);
    weft_tuco_reading_free(r);
    weft_tuco_reading_free(by_itself);
    weft_tuco_free(t);
    weft_tuco_free(alone);
}

static void one_pass(void **state)
{
    (void)state;
    static const char *const families[] = {"llama", "gpt2", "gptneox", "gemma3", "mistral", "lm/gemma2"};
    for (size_t f = 0; f < sizeof families / sizeof families[0]; f++) {
        tuco_case c = case_open(families[f]);
        check(&c, c.tuned, (weft_tuco_request){.alpha = 1, .outputco = true, .tensors = true, .heads = true}, 1);
        check(&c, c.tuned, (weft_tuco_request){.alpha = 0.5}, 1);
        case_close(&c);
    }
}

/* Where ropes go by the length, the prompt by itself is turned otherwise than before the tokens to come: two passes. */
static void ropes_by_length(void **state)
{
    (void)state;
    tuco_case c = case_open("llama");
    char path[2][700], *kept[2] = {NULL, NULL};
    size_t size;
    for (int i = 0; i < 2; i++) {
        snprintf(path[i], sizeof path[i], "%s/config.json", i ? c.tuned : c.base);
        MUST(weft_file_read(path[i], 1 << 20, &kept[i], &size));
        weft_text text = {0};
        weft_text_add(&text, "{\"rope_scaling\": {\"rope_type\": \"dynamic\", \"factor\": 4.0}, %s", strchr(kept[i], '{') + 1);
        MUST(weft_file_write(path[i], text.data, text.length));
        weft_text_free(&text);
    }
    check(&c, c.tuned, (weft_tuco_request){.alpha = 1}, 2);
    for (int i = 0; i < 2; i++) {
        MUST(weft_file_write(path[i], kept[i], strlen(kept[i])));
        free(kept[i]);
    }
    case_close(&c);
}

static void refuses(void **state)
{
    (void)state;
    tuco_case c = case_open("gpt2");
    weft_tuco *t;
    weft_tuco_reading *r;
    weft_tuco_run *run;
    const char *tuned = c.tuned;
    MUST(weft_tuco_open(one_thread, c.base, &tuned, 1, NULL, &t));
    weft_tuco_request request = {.alpha = 1};
    assert_int_equal(weft_tuco_read_and_start(t, c.ids, c.n, 1 << 20, &request, &r, &run), WEFT_ERROR_ARGUMENT);
    assert_non_null(strstr(weft_error(), "to generate: the model takes"));
    assert_true(!r && !run);
    int64_t wrong = weft_tuco_vocab(t);
    assert_int_not_equal(weft_tuco_read_and_start(t, &wrong, 1, 1, &request, &r, &run), WEFT_OK);
    assert_true(!r && !run);
    weft_tuco_free(t);
    case_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(one_pass), cmocka_unit_test(ropes_by_length), cmocka_unit_test(refuses)};
    return cmocka_run_group_tests(tests, open_engines, close_engines);
}
