/* Ensembles: an ensemble predicts the mean of its members, rests on the rows that they rest on, and its members are the models
 * that the same seeds give alone. */
#include "tabr_case.h"

#include "base/files.h"
#include "tabular/ensemble.h"

#include <float.h>
#include <stdlib.h>

static weft_engine *engine;

/* ---- outputs ---- */

static void values_are_averaged(void **state)
{
    (void)state;
    weft_tabular_config c = case_config(WEFT_TASK_REGRESSION, WEFT_NUMERIC_NONE, 2, 8, 0, 1);
    double a[] = {0.1, -3, 7e8}, b[] = {0.2, 5, -1e-9}, d[] = {0.7, 1, 2}, out[3];
    const double *outputs[] = {a, b, d};
    weft_ensemble_mean(&c, 3, 3, outputs, out);
    for (int i = 0; i < 3; i++)
        assert_true(out[i] == (a[i] + b[i] + d[i]) / 3);
}

static double sigmoid(double z)
{
    return 1 / (1 + exp(-z));
}

static void probabilities_are_averaged(void **state)
{
    (void)state;
    enum { ROWS = 500, MEMBERS = 5 };
    weft_random_key key = weft_random_stream(3, "ensemble");
    for (int task = WEFT_TASK_BINARY; task <= WEFT_TASK_MULTICLASS; task++) {
        weft_tabular_config c = case_config((weft_task)task, WEFT_NUMERIC_NONE, 2, 8, 0, 1);
        int64_t width = weft_tabular_outputs(&c);
        double *z = malloc((size_t)(MEMBERS * ROWS * width) * sizeof *z), *out = malloc((size_t)(ROWS * width) * sizeof *out);
        double *p = malloc((size_t)(MEMBERS * ROWS * width) * sizeof *p);
        const double *outputs[MEMBERS];
        assert_true(z && out && p);
        for (int k = 0; k < MEMBERS; k++) {
            outputs[k] = z + k * ROWS * width;
            for (int64_t i = 0; i < ROWS * width; i++) /* from doubtful to certain */
                z[k * ROWS * width + i] = (1 + (double)(i % 7) * 8) * weft_random_normal(key, (uint64_t)k, (uint64_t)i, 0);
            memcpy(p + k * ROWS * width, outputs[k], (size_t)(ROWS * width) * sizeof *p);
            weft_probabilities(&c, ROWS, p + k * ROWS * width);
        }
        weft_ensemble_mean(&c, ROWS, MEMBERS, outputs, out);
        weft_probabilities(&c, ROWS, out);
        for (int64_t i = 0; i < ROWS * width; i++) {
            double mean = 0;
            for (int k = 0; k < MEMBERS; k++)
                mean += p[k * ROWS * width + i] / MEMBERS;
            if (!(fabs(out[i] - mean) <= 200 * DBL_EPSILON * mean))
                fail_msg("task %d, output %d: %.17g, the mean is %.17g", task, (int)i, out[i], mean);
            if (!((float)out[i] - (float)mean <= FLT_EPSILON * mean)) /* what is printed */
                fail_msg("task %d, output %d: %.9g, the mean is %.9g", task, (int)i, out[i], mean);
        }
        free(z);
        free(p);
        free(out);
    }
}

/* A probability near 1 keeps the digits of what is missing to 1. */
static void certainty_keeps_its_digits(void **state)
{
    (void)state;
    weft_tabular_config c = case_config(WEFT_TASK_BINARY, WEFT_NUMERIC_NONE, 2, 8, 0, 1);
    double a[] = {40, -700}, b[] = {50, -710}, out[2];
    const double *outputs[] = {a, b};
    weft_ensemble_mean(&c, 2, 2, outputs, out);
    double zero = (sigmoid(-40) + sigmoid(-50)) / 2;
    assert_true(fabs(sigmoid(-out[0]) / zero - 1) < 1e-12);
    assert_true(isfinite(out[1]) && out[1] < -699 && out[1] > -710);
}

/* ---- contexts ---- */

static void contexts_are_merged(void **state)
{
    (void)state;
    enum { MEMBERS = 4, M = 12, CANDIDATES = 20 };
    for (uint64_t seed = 0; seed < 50; seed++) {
        weft_random_key key = weft_random_stream(seed, "merge");
        int64_t context[MEMBERS * M], order[CANDIDATES];
        double probs[MEMBERS * M], distance[MEMBERS * M], weight[CANDIDATES] = {0}, far[CANDIDATES] = {0};
        int looked[CANDIDATES] = {0};
        weft_ensemble_neighbor scratch[MEMBERS * M];
        for (int k = 0; k < MEMBERS; k++) {
            weft_random_permutation(key, (uint64_t)k, CANDIDATES, order);
            for (int j = 0; j < M; j++) {
                int at = k * M + j;
                context[at] = order[j];
                probs[at] = weft_random_uniform(key, 9, (uint64_t)at, 0) / M;
                distance[at] = weft_random_uniform(key, 10, (uint64_t)at, 0);
                weight[order[j]] += probs[at] / MEMBERS;
                far[order[j]] += distance[at];
                looked[order[j]]++;
            }
        }
        weft_ensemble_merge(MEMBERS, M, scratch, context, probs, distance);
        double least = 1;
        bool kept[CANDIDATES] = {false};
        for (int j = 0; j < M; j++) {
            int64_t i = context[j];
            assert_true(i >= 0 && i < CANDIDATES && !kept[i]);
            kept[i] = true;
            assert_true(fabs(probs[j] - weight[i]) < 1e-15);
            assert_true(fabs(distance[j] - far[i] / looked[i]) < 1e-14);
            assert_true(probs[j] <= least);
            least = probs[j];
        }
        for (int i = 0; i < CANDIDATES; i++)
            assert_true(kept[i] || weight[i] <= least + 1e-15);
    }
}

/* ---- training ---- */

enum { ROWS = 120, MEMBERS = 3 };

static weft_fit_options short_run(uint64_t seed)
{
    weft_fit_options options = weft_fit_default(ROWS);
    options.lr = 3e-3;
    options.batch_size = 32;
    options.max_epochs = 2;
    options.seed = seed;
    return options;
}

static void an_ensemble_is_its_members(void **state)
{
    (void)state;
    for (int task = 0; task < WEFT_TASKS; task++) {
        weft_tabular_config c = case_config((weft_task)task, WEFT_NUMERIC_NONE, 3, 12, 0, 1);
        c.context_size = 8;
        c.context_dropout = c.dropout0 = 0.2;
        weft_rows_data *train = case_rows(&c, ROWS, 1), *rows = case_rows(&c, 40, 2);
        int64_t width = weft_tabular_outputs(&c), n = rows->rows * width, m = c.context_size;
        weft_params *all = NULL;
        weft_train_result results[MEMBERS];
        weft_fit_options options = short_run(5);
        MUST(weft_params_new(&all));
        MUST(weft_fit_members(engine, &c, all, train, rows, &options, MEMBERS, results));
        double *outputs = malloc((size_t)(MEMBERS * n) * sizeof *outputs), *mean = malloc((size_t)n * sizeof *mean),
               *whole = malloc((size_t)n * sizeof *whole), *probs = malloc((size_t)(rows->rows * m) * sizeof *probs),
               *weight = calloc((size_t)(rows->rows * ROWS), sizeof *weight);
        int64_t *context = malloc((size_t)(rows->rows * m) * sizeof *context);
        const double *each[MEMBERS];
        assert_true(outputs && mean && whole && probs && weight && context);
        for (int k = 0; k < MEMBERS; k++) { /* trained alone */
            weft_params *one = NULL;
            weft_predictor *p = NULL;
            weft_train_result result;
            options.seed = 5 + (uint64_t)k;
            MUST(weft_params_new(&one));
            MUST(weft_fit(engine, &c, one, train, rows, &options, &result));
            assert_true(result.best_score == results[k].best_score);
            MUST(weft_predictor_new(engine, &c, one, train, &p));
            each[k] = outputs + k * n;
            MUST(weft_predictor_run(p, rows, false, outputs + k * n, context, probs, NULL));
            for (int64_t i = 0; i < rows->rows * m; i++)
                weight[i / m * ROWS + context[i]] += probs[i] / MEMBERS;
            weft_predictor_free(p);
            weft_params_free(one);
        }
        weft_ensemble_mean(&c, rows->rows, MEMBERS, each, mean);
        c.members = MEMBERS;
        weft_predictor *p = NULL;
        MUST(weft_predictor_new(engine, &c, all, train, &p));
        MUST(weft_predictor_run(p, rows, false, whole, context, probs, NULL));
        assert_memory_equal(whole, mean, (size_t)n * sizeof *whole);
        for (int64_t i = 0; i < rows->rows * m; i++)
            assert_true(fabs(probs[i] - weight[i / m * ROWS + context[i]]) < 1e-15);
        MUST(weft_predictor_refresh(p));
        MUST(weft_predictor_run(p, rows, false, whole, NULL, NULL, NULL));
        assert_memory_equal(whole, mean, (size_t)n * sizeof *whole);
        weft_predictor_free(p);
        weft_params_free(all);
        weft_rows_free(train);
        weft_rows_free(rows);
        free(outputs);
        free(mean);
        free(whole);
        free(probs);
        free(weight);
        free(context);
    }
}

static void costs_are_the_members_together(void **state)
{
    (void)state;
    weft_tabular_config c = case_config(WEFT_TASK_MULTICLASS, WEFT_NUMERIC_PLR_LITE, 3, 12, 1, 1);
    weft_cost one, many;
    for (int i = 0; i < 2; i++) {
        c.members = i ? MEMBERS : 1;
        weft_graph *g = weft_graph_new(WEFT_F32);
        weft_value y = weft_tabular_build_row(g, &c);
        MUST(weft_graph_status(g));
        MUST(weft_count(g, &y, 1, i ? &many : &one));
        weft_graph_free(g);
    }
    assert_int_equal(many.parameters, MEMBERS * one.parameters);
    assert_true(many.macs == MEMBERS * one.macs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_averaged),        cmocka_unit_test(probabilities_are_averaged),
        cmocka_unit_test(certainty_keeps_its_digits), cmocka_unit_test(contexts_are_merged),
        cmocka_unit_test(an_ensemble_is_its_members), cmocka_unit_test(costs_are_the_members_together),
    };
    if (weft_engine_new(&(weft_engine_options){.threads = 1}, &engine) != WEFT_OK)
        return 1;
    int failed = cmocka_run_group_tests_name("ensemble", tests, NULL, NULL);
    weft_engine_free(engine);
    return failed;
}
