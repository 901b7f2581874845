/* The retriever's contexts on tables with copies: a row never finds itself, ties go to the smaller row number, and threads
 * change nothing. Copies must have keys equal to the bit, wherever they stand in the table. */
#include "tabr_case.h"

static weft_engine *engines[3]; /* of 1 and 2 threads */

enum { ROWS = 700, CONTEXT = 96, COPIES = 150 };

/* Rows 4, 8, 12, …: COPIES copies of row 4; the rest differ. */
static bool is_copy(int64_t row)
{
    return row >= 4 && row % 4 == 0 && row / 4 <= COPIES;
}

static weft_rows_data *rows_with_copies(const weft_tabular_config *c, uint64_t seed)
{
    weft_rows_data *rows = case_rows(c, ROWS, seed);
    for (int64_t i = 5; i < ROWS; i++) {
        if (!is_copy(i))
            continue;
        memcpy(rows->x_num + i * rows->n_num, rows->x_num + 4 * rows->n_num, (size_t)rows->n_num * sizeof *rows->x_num);
        memcpy(rows->x_bin + i * rows->n_bin, rows->x_bin + 4 * rows->n_bin, (size_t)rows->n_bin * sizeof *rows->x_bin);
        memcpy(rows->x_hot + i * rows->one_hot, rows->x_hot + 4 * rows->one_hot, (size_t)rows->one_hot * sizeof *rows->x_hot);
    }
    return rows;
}

typedef struct subject {
    weft_tabular_config config;
    weft_rows_data *rows;
    weft_params *params;
    weft_dtype dtype;
    bool folded, training;
} subject;

static subject subject_of(int number)
{
    static const weft_numeric_embedding_kind kinds[] = {WEFT_NUMERIC_NONE, WEFT_NUMERIC_PLR_LITE, WEFT_NUMERIC_LR};
    subject s = {.dtype = number % 2 ? WEFT_F64 : WEFT_F32, .folded = number / 2 % 2 == 0};
    int encoder = number / 4 % 2 + number / 8;
    s.config = case_config(WEFT_TASK_REGRESSION, kinds[number % 3], 5, 17 + number, encoder, 1);
    s.rows = rows_with_copies(&s.config, (uint64_t)number);
    s.params = case_params(&s.config, s.dtype, (uint64_t)number);
    return s;
}

static void subject_free(subject *s)
{
    weft_params_free(s->params);
    weft_rows_free(s->rows);
}

enum { SUBJECTS = 12 };

/* Contexts of all rows, then of the same rows as queries from outside. */
static void find_all(const subject *s, weft_engine *engine, int64_t m, int64_t *own, int64_t *other)
{
    weft_retriever *r = NULL;
    int64_t all[ROWS];
    for (int64_t i = 0; i < ROWS; i++)
        all[i] = i;
    MUST(weft_retriever_new(engine, &s->config, s->dtype, s->rows, s->folded, &r));
    MUST(weft_retriever_refresh(r, s->params, s->training, 3, 7));
    MUST(weft_retriever_find_own(r, all, ROWS, m, own));
    if (other)
        MUST(weft_retriever_find(r, s->params, s->rows, 0, ROWS, m, other));
    weft_retriever_free(r);
}

static void a_row_never_finds_itself(void **state)
{
    (void)state;
    int64_t *own = malloc(sizeof *own * ROWS * CONTEXT), *other = malloc(sizeof *other * ROWS * CONTEXT);
    for (int number = 0; number < SUBJECTS; number++) {
        subject s = subject_of(number);
        find_all(&s, engines[1], CONTEXT, own, other);
        for (int64_t i = 0; i < ROWS; i++) {
            bool seen[ROWS] = {false};
            for (int64_t j = 0; j < CONTEXT; j++) {
                int64_t k = own[i * CONTEXT + j];
                assert_in_range(k, 0, ROWS - 1);
                assert_true(k != i && !seen[k]);
                seen[k] = true;
            }
            /* from outside a row does see itself, first unless it has copies */
            assert_true(is_copy(i) || other[i * CONTEXT] == i);
            /* leaving the row out of its CONTEXT nearest gives its context but for the last */
            for (int64_t j = 0, k = 0; !is_copy(i) && j < CONTEXT - 1; j++, k++)
                assert_int_equal(own[i * CONTEXT + j], other[i * CONTEXT + k + 1]);
        }
        subject_free(&s);
    }
    free(own);
    free(other);
}

/* The context of a copy is the first CONTEXT copies but itself, in ascending order; every other row meets copies in ascending
 * order, side by side. */
static void ties_go_to_the_smaller_row(void **state)
{
    (void)state;
    int64_t *own = malloc(sizeof *own * ROWS * CONTEXT), *other = malloc(sizeof *other * ROWS * CONTEXT);
    for (int number = 0; number < SUBJECTS; number++) {
        subject s = subject_of(number);
        int met = 0;
        find_all(&s, engines[1], CONTEXT, own, other);
        for (int64_t i = 0; i < ROWS; i++) {
            const int64_t *lists[2] = {own + i * CONTEXT, other + i * CONTEXT};
            for (int k = 0; k < 2; k++) {
                int64_t next = 4;
                bool left = false;
                for (int64_t j = 0; j < CONTEXT; j++) {
                    int64_t row = lists[k][j];
                    if (next == i && k == 0)
                        next += 4;
                    if (!is_copy(row)) {
                        assert_false(is_copy(i)); /* there are more copies than places */
                        left |= next > 4;
                        continue;
                    }
                    assert_false(left);
                    assert_int_equal(row, next);
                    next += 4;
                    met += !is_copy(i);
                }
            }
        }
        assert_true(met > 10);
        subject_free(&s);
    }
    free(own);
    free(other);
}

static void threads_change_nothing(void **state)
{
    (void)state;
    const size_t size = sizeof(int64_t) * ROWS * CONTEXT;
    int64_t *own[2], *other[2];
    for (int i = 0; i < 2; i++) {
        own[i] = malloc(size);
        other[i] = malloc(size);
    }
    for (int number = 0; number < SUBJECTS; number++) {
        subject s = subject_of(number);
        for (int i = 0; i < 2; i++)
            find_all(&s, engines[i + 1], CONTEXT, own[i], other[i]);
        assert_memory_equal(own[0], own[1], size);
        assert_memory_equal(other[0], other[1], size);
        subject_free(&s);
    }
    for (int i = 0; i < 2; i++) {
        free(own[i]);
        free(other[i]);
    }
}

/* With dropout in the encoder copies have keys of their own, each its row's masks: a row still never finds itself. */
static void dropout_in_the_encoder_keeps_rows_apart(void **state)
{
    (void)state;
    int64_t *own = malloc(sizeof *own * ROWS * CONTEXT), *again = malloc(sizeof *again * ROWS * CONTEXT);
    subject s = subject_of(5);
    assert_true(s.config.encoder_n_blocks > 0);
    find_all(&s, engines[1], CONTEXT, again, NULL);
    s.config.dropout0 = 0.4;
    s.training = true;
    find_all(&s, engines[1], CONTEXT, own, NULL);
    assert_memory_not_equal(own, again, sizeof *own * ROWS * CONTEXT);
    for (int64_t i = 0; i < ROWS * CONTEXT; i++)
        assert_true(own[i] != i / CONTEXT);
    find_all(&s, engines[2], CONTEXT, again, NULL);
    assert_memory_equal(own, again, sizeof *own * ROWS * CONTEXT);
    subject_free(&s);
    free(own);
    free(again);
}

/* The search is by the similarities of the model's graph, with the same masks for a row: with all other rows as context, the
 * graph's own fall in the order that the search found. design: -1 TabR, else a step of the ablation, which puts the row itself
 * before its context. */
static void compare_order(int design, uint64_t number)
{
    enum { N = 60, B = 9 };
    weft_tabular_config c = case_config(WEFT_TASK_REGRESSION, WEFT_NUMERIC_LR, 4, 15, 1 + (int64_t)number % 2, 1);
    c.context_size = N - 1;
    c.dropout0 = 0.4;
    c.dropout1 = 0.1;
    c.design = design;
    weft_rows_data *rows = case_rows(&c, N, number);
    weft_params *params = case_params(&c, WEFT_F64, number);
    weft_retriever *r = NULL;
    weft_tabr_runner *runner = NULL;
    int64_t own[B], context[B * (N - 1)], before = design >= 0;
    for (int64_t i = 0; i < B; i++)
        own[i] = 7 * i % N;
    MUST(weft_retriever_new(engines[1], &c, WEFT_F64, rows, true, &r));
    static const char *const wanted[] = {"similarities"};
    weft_tabr_form form = {.batch = B, .capacity = N, .training = true, .loss = true};
    MUST(weft_tabr_runner_new(engines[1], &c, &form, WEFT_F64, params, true, wanted, 1, &runner));
    for (uint64_t step = 0; step < 3; step++) {
        weft_tensor s;
        MUST(weft_retriever_refresh(r, params, true, number, step));
        MUST(weft_retriever_find_own(r, own, B, N - 1, context));
        MUST(weft_tabr_runner_bind(runner, rows, own, NULL, 0, context));
        weft_seed(weft_tabr_runner_session(runner), number, step);
        MUST(weft_run(weft_tabr_runner_session(runner)));
        MUST(weft_fetch(weft_tabr_runner_session(runner), "similarities", &s));
        assert_int_equal(s.dims.size[1], before + N - 1);
        for (int64_t i = 0; i < B; i++)
            for (int64_t j = 1; j < N - 1; j++) {
                int64_t at = i * (before + N - 1) + before + j;
                if (!(element(s, at) <= element(s, at - 1) + 1e-12 * fabs(element(s, at - 1))))
                    fail_msg("design %d: neighbour %lld of row %lld: similarity %.17g after %.17g", design, (long long)j,
                             (long long)own[i], element(s, at), element(s, at - 1));
            }
    }
    weft_tabr_runner_free(runner);
    weft_retriever_free(r);
    weft_params_free(params);
    weft_rows_free(rows);
}

static void search_and_graph_compare_alike(void **state)
{
    (void)state;
    for (int design = -1; design < 4; design++)
        for (uint64_t number = 0; number < 4; number++)
            compare_order(design, number);
}

/* The designs see rows through the same encoder and mixer norm as TabR: the same weights give the same keys. */
static void designs_share_the_encoder(void **state)
{
    (void)state;
    enum { N = 30, B = 5, M = 6 };
    static const char *const wanted[] = {"encoder_out", "keys"};
    weft_tabular_config c = case_config(WEFT_TASK_BINARY, WEFT_NUMERIC_PLR_LITE, 4, 12, 2, 1);
    c.context_size = M;
    weft_rows_data *rows = case_rows(&c, N, 1);
    int64_t own[B], context[B * M];
    for (int64_t i = 0; i < B; i++)
        own[i] = 3 * i;
    for (int64_t i = 0; i < B * M; i++)
        context[i] = 1 + 3 * (i % 9);
    for (c.design = 0; c.design < 4; c.design++) {
        weft_tabr_runner *runner[2];
        weft_tabular_config plain = c;
        plain.design = -1;
        weft_params *params = case_params(&c, WEFT_F64, 2), *more = case_params(&plain, WEFT_F64, 3);
        for (int64_t i = 0; i < weft_params_count(params); i++) {
            weft_tensor t;
            const char *name = weft_params_at(params, i, &t);
            MUST(weft_params_set(more, name, t));
        }
        for (int k = 0; k < 2; k++) {
            weft_tabr_form form = {.batch = B, .capacity = N, .plain = true};
            MUST(weft_tabr_runner_new(engines[1], k ? &plain : &c, &form, WEFT_F64, k ? more : params, false, wanted, 2,
                                      &runner[k]));
            MUST(weft_tabr_runner_bind(runner[k], rows, own, NULL, 0, context));
            MUST(weft_run(weft_tabr_runner_session(runner[k])));
        }
        for (int i = 0; i < 2; i++) {
            weft_tensor design, tabr;
            MUST(weft_fetch(weft_tabr_runner_session(runner[0]), wanted[i], &design));
            MUST(weft_fetch(weft_tabr_runner_session(runner[1]), wanted[i], &tabr));
            close_to(wanted[i], design, tabr, 1e-12, 0);
        }
        weft_tabr_runner_free(runner[0]);
        weft_tabr_runner_free(runner[1]);
        weft_params_free(params);
        weft_params_free(more);
    }
    weft_rows_free(rows);
}

static void too_few_rows_are_refused(void **state)
{
    (void)state;
    subject s = subject_of(0);
    weft_retriever *r = NULL;
    int64_t row = 0, *context = malloc(sizeof *context * ROWS);
    MUST(weft_retriever_new(engines[1], &s.config, s.dtype, s.rows, s.folded, &r));
    MUST(weft_retriever_refresh(r, s.params, false, 0, 0));
    MUST(weft_retriever_find_own(r, &row, 1, ROWS - 1, context));
    for (int64_t j = 0; j < ROWS - 1; j++)
        assert_true(context[j] != 0);
    assert_int_equal(weft_retriever_find_own(r, &row, 1, ROWS, context), WEFT_ERROR_ARGUMENT);
    assert_non_null(strstr(weft_error(), "700"));
    assert_non_null(strstr(weft_error(), "--context-size"));
    MUST(weft_retriever_find(r, s.params, s.rows, 0, 1, ROWS, context));
    assert_int_equal(weft_retriever_find(r, s.params, s.rows, 0, 1, ROWS + 1, context), WEFT_ERROR_ARGUMENT);
    weft_retriever_free(r);
    subject_free(&s);
    free(context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_row_never_finds_itself),       cmocka_unit_test(ties_go_to_the_smaller_row),
        cmocka_unit_test(threads_change_nothing),         cmocka_unit_test(dropout_in_the_encoder_keeps_rows_apart),
        cmocka_unit_test(search_and_graph_compare_alike), cmocka_unit_test(designs_share_the_encoder),
        cmocka_unit_test(too_few_rows_are_refused),
    };
    for (int n = 1; n <= 2; n++)
        if (weft_engine_new(&(weft_engine_options){.threads = n}, &engines[n]) != WEFT_OK)
            return 1;
    int failed = cmocka_run_group_tests_name("tabr_search", tests, NULL, NULL);
    weft_engine_free(engines[1]);
    weft_engine_free(engines[2]);
    return failed;
}
