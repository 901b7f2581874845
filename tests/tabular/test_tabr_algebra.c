/* The fast forms of TabR against the one that the paper writes (specification 2.10): the same outputs, losses and gradients in
 * float64, on random models of every kind, with and without dropout. */
#include "tabr_case.h"
#include "tabular/values.h"

static weft_engine *engine;

enum { ROWS = 40, BATCH = 7, CONTEXT = 9, SEED = 11, STEP = 5 };

/* Elements of a equal those of b up to 1e-12 of b's largest, or of `scale` where that is more. */
static void same(const char *model, const char *what, weft_tensor a, weft_tensor b, double scale)
{
    double bound = 1e-12 * fmax(largest(b), scale);
    assert_true(weft_dims_equal(a.dims, b.dims));
    for (int64_t i = 0; i < weft_dims_count(a.dims); i++)
        if (!(fabs(element(a, i) - element(b, i)) <= bound))
            fail_msg("%s: %s[%lld] is %.17g, plain form %.17g", model, what, (long long)i, element(a, i), element(b, i));
}

static weft_tabr_runner *run_form(const weft_tabular_config *c, weft_tabr_form form, weft_params *params,
                                  const weft_rows_data *rows, const int64_t *own, const int64_t *context)
{
    weft_tabr_runner *r = NULL;
    form.batch = BATCH;
    form.capacity = ROWS;
    form.loss = true;
    MUST(weft_tabr_runner_new(engine, c, &form, WEFT_F64, params, true, NULL, 0, &r));
    MUST(weft_tabr_runner_bind(r, rows, own, NULL, 0, context));
    weft_seed(weft_tabr_runner_session(r), SEED, STEP);
    MUST(weft_run(weft_tabr_runner_session(r)));
    return r;
}

static weft_tensor fetched(weft_tabr_runner *r, const char *name)
{
    weft_tensor t;
    MUST(weft_fetch(weft_tabr_runner_session(r), name, &t));
    return t;
}

static void compare_forms(const char *model, weft_tabr_runner *a, weft_tabr_runner *plain, const weft_params *params)
{
    same(model, "output", fetched(a, "output"), fetched(plain, "output"), 1);
    same(model, "loss", fetched(a, "loss"), fetched(plain, "loss"), 1);
    double scale = 0;
    for (int pass_ = 0; pass_ < 2; pass_++) /* gradients that are zero but for rounding have no scale of their own */
        for (int64_t i = 0; i < weft_params_count(params); i++) {
            weft_tensor t;
            char name[128];
            snprintf(name, sizeof name, "grad.%s", weft_params_at(params, i, &t));
            if (pass_ == 0)
                scale = fmax(scale, largest(fetched(plain, name)));
            else
                same(model, name, fetched(a, name), fetched(plain, name), strstr(name, "bias") ? scale : 0);
        }
    assert_true(scale > 1e-4);
}

static double loss_of(weft_tabr_runner *r)
{
    return element(fetched(r, "loss"), 0);
}

/* Half of the rows repeat the numbers of others, each in some of its columns; the model's last category is missing in some. */
static void repeat_numbers(weft_rows_data *rows, int n_cat)
{
    for (int64_t i = 1; i < rows->rows; i += 2)
        for (int64_t f = 0; f < rows->n_num; f++)
            if ((i + f) % 3)
                rows->x_num[i * rows->n_num + f] = rows->x_num[(i / 2) * rows->n_num + f];
    for (int64_t i = 0; i < rows->rows && n_cat; i += 5) /* the row's last level goes */
        for (int64_t k = rows->one_hot - 1; k >= 0; k--)
            if (rows->x_hot[i * rows->one_hot + k] != 0) {
                rows->x_hot[i * rows->one_hot + k] = 0;
                break;
            }
}

/* how many models folded, and how many had sums of vectors of distinct values */
static int folded_models, summed_models;

static void compare_model(int number, bool drops)
{
    static const weft_numeric_embedding_kind kinds[] = {WEFT_NUMERIC_NONE, WEFT_NUMERIC_LINEAR, WEFT_NUMERIC_LR, WEFT_NUMERIC_PLR,
                                                        WEFT_NUMERIC_PLR_LITE};
    weft_tabular_config c = case_config((weft_task)(number % 3), kinds[number % 5], 1 + number % 4, 9 + 3 * (number % 7),
                                        number % 4 == 3 ? 1 + number / 10 : 0, number / 2 % 3);
    c.context_size = CONTEXT;
    if (drops) {
        c.context_dropout = 0.4;
        c.dropout0 = 0.3;
        c.dropout1 = number % 2 ? 0.2 : 0;
    }
    uint64_t seed = (uint64_t)number + 1;
    weft_rows_data *rows = case_rows(&c, ROWS, seed);
    weft_params *params = case_params(&c, WEFT_F64, seed);
    repeat_numbers(rows, c.n_cat);
    int64_t own[BATCH], context[BATCH * CONTEXT], summed[BATCH * CONTEXT];
    weft_retriever *retriever = NULL;
    for (int64_t i = 0; i < BATCH; i++)
        own[i] = (5 * i + number) % ROWS;
    MUST(weft_retriever_new(engine, &c, WEFT_F64, rows, false, &retriever));
    MUST(weft_retriever_refresh(retriever, params, drops, SEED, STEP));
    MUST(weft_retriever_find_own(retriever, own, BATCH, CONTEXT, context));
    weft_retriever_free(retriever);

    char model[64];
    snprintf(model, sizeof model, "model %d%s", number, drops ? " with dropout" : "");
    weft_tabr_form plain_form = {.training = drops, .plain = true}, usual = {.training = drops},
                   folded = {.training = drops, .folded = true};
    weft_tabr_runner *plain = run_form(&c, plain_form, params, rows, own, context);
    weft_tabr_runner *other = run_form(&c, usual, params, rows, own, context);
    compare_forms(model, other, plain, params);
    weft_tabr_runner_free(other);
    if (weft_tabr_folds(&c)) {
        other = run_form(&c, folded, params, rows, own, context);
        compare_forms(model, other, plain, params);
        weft_tabr_runner_free(other);
        folded_models++;
    }
    if (weft_tabr_sums(&c)) {
        weft_values *values = NULL;
        MUST(weft_values_new(rows, c.n_cat, &values));
        assert_true(values->start[values->features] < rows->rows * rows->n_num * 3 / 4);
        other = run_form(&c, (weft_tabr_form){.training = drops, .values = values}, params, rows, own, context);
        compare_forms(model, other, plain, params);
        weft_tabr_runner_free(other);
        MUST(weft_retriever_new(engine, &c, WEFT_F64, rows, false, &retriever));
        MUST(weft_retriever_use_values(retriever, values));
        MUST(weft_retriever_refresh(retriever, params, drops, SEED, STEP));
        MUST(weft_retriever_find_own(retriever, own, BATCH, CONTEXT, summed));
        assert_memory_equal(summed, context, sizeof context);
        weft_retriever_free(retriever);
        weft_values_free(values);
        summed_models++;
    }
    if (drops) { /* the masks were at work */
        other = run_form(&c, (weft_tabr_form){.training = false}, params, rows, own, context);
        assert_true(fabs(loss_of(other) - loss_of(plain)) > 1e-9);
        weft_tabr_runner_free(other);
    }
    weft_tabr_runner_free(plain);
    weft_params_free(params);
    weft_rows_free(rows);
}

static void forms_agree(bool drops)
{
    folded_models = summed_models = 0;
    for (int number = 0; number < 20; number++)
        compare_model(number, drops);
    assert_true(folded_models >= 5);
    assert_true(summed_models >= 5);
}

static void forms_agree_without_dropout(void **state)
{
    (void)state;
    forms_agree(false);
}

static void forms_agree_under_the_same_masks(void **state)
{
    (void)state;
    forms_agree(true);
}

/* Distances in d_in dimensions after the QR choose what distances between keys choose, and in the same order. */
static void low_dimensional_search_finds_the_same_sets(void **state)
{
    (void)state;
    enum { N = 500, QUERIES = 60, M = 24 };
    int64_t *context[2] = {malloc(sizeof(int64_t) * (N + QUERIES) * M), malloc(sizeof(int64_t) * (N + QUERIES) * M)}, own[N];
    for (int64_t i = 0; i < N; i++)
        own[i] = i;
    for (int number = 0; number < 20; number++) {
        weft_numeric_embedding_kind kind = number % 3 == 2 ? WEFT_NUMERIC_PLR : WEFT_NUMERIC_NONE;
        weft_tabular_config c = case_config(WEFT_TASK_REGRESSION, kind, 1 + number % 5, 20 + number, 0, 1);
        assert_true(weft_tabr_folds(&c));
        weft_rows_data *rows = case_rows(&c, N, 100 + (uint64_t)number), *queries = case_rows(&c, QUERIES, (uint64_t)number);
        weft_params *params = case_params(&c, WEFT_F64, (uint64_t)number);
        for (int folded = 0; folded < 2; folded++) {
            weft_retriever *r = NULL;
            MUST(weft_retriever_new(engine, &c, WEFT_F64, rows, folded, &r));
            MUST(weft_retriever_refresh(r, params, false, 0, 0));
            MUST(weft_retriever_find_own(r, own, N, M, context[folded]));
            MUST(weft_retriever_find(r, params, queries, 0, QUERIES, M, context[folded] + N * M));
            weft_retriever_free(r);
        }
        assert_memory_equal(context[0], context[1], sizeof(int64_t) * (N + QUERIES) * M);
        weft_params_free(params);
        weft_rows_free(queries);
        weft_rows_free(rows);
    }
    free(context[0]);
    free(context[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forms_agree_without_dropout),
        cmocka_unit_test(forms_agree_under_the_same_masks),
        cmocka_unit_test(low_dimensional_search_finds_the_same_sets),
    };
    if (weft_engine_new(&(weft_engine_options){.threads = 1}, &engine) != WEFT_OK)
        return 1;
    int failed = cmocka_run_group_tests_name("tabr_algebra", tests, NULL, NULL);
    weft_engine_free(engine);
    return failed;
}
