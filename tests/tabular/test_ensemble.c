/* Ensembles: an ensemble predicts the mean of its members, rests on the rows that they rest on, and its members are the models
 * that the same seeds give alone. */
#include "tabr_case.h"

#include "base/files.h"
#include "tabular/ensemble.h"
#include "tabular/model.h"

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

/* What a member's output is worth to the mean's, against differences, from doubtful to certain. */
static void the_mean_has_a_gradient(void **state)
{
    (void)state;
    enum { TEAM = 4 };
    weft_random_key key = weft_random_stream(4, "mean gradient");
    for (int task = 0; task < WEFT_TASKS; task++) {
        weft_tabular_config c = case_config((weft_task)task, WEFT_NUMERIC_NONE, 2, 8, 0, 1);
        int64_t width = weft_tabular_outputs(&c);
        for (uint64_t round = 0; round < 60; round++) {
            double z[TEAM][4], mean[4], moved[2][4], weight[4], gradient[4];
            const double *outputs[TEAM] = {z[0], z[1], z[2], z[3]};
            for (int64_t i = 0; i < TEAM * width; i++)
                z[i / width][i % width] = (1 + (double)(round % 4) * 3) * weft_random_normal(key, round, (uint64_t)i, 0);
            for (int64_t j = 0; j < width; j++)
                weight[j] = weft_random_normal(key, round, 1, (uint64_t)j);
            weft_ensemble_mean(&c, 1, TEAM, outputs, mean);
            for (int k = 0; k < TEAM; k++) {
                weft_ensemble_mean_gradient(&c, 1, TEAM, z[k], mean, weight, gradient);
                for (int64_t i = 0; i < width; i++) {
                    const double at = z[k][i], step = 1e-5;
                    double slope = 0;
                    for (int side = 0; side < 2; side++) {
                        z[k][i] = at + (side ? step : -step);
                        weft_ensemble_mean(&c, 1, TEAM, outputs, moved[side]);
                    }
                    z[k][i] = at;
                    for (int64_t j = 0; j < width; j++)
                        slope += weight[j] * (moved[1][j] - moved[0][j]) / (2 * step);
                    if (!(fabs(gradient[i] - slope) <= 1e-7 * (1 + fabs(slope))))
                        fail_msg("task %d, member %d: %.12g, by differences %.12g", task, k, gradient[i], slope);
                }
            }
        }
    }
}

/* `weft run --grad loss output` on an ensemble against differences of what it answers, by weights of each member and by inputs.
 */
static double answered(const weft_tabular_config *c, weft_params *params, const weft_arrays *inputs, weft_arrays **gradients)
{
    static const char *const grads[] = {"loss", "output"};
    weft_run_request request = {.inputs = inputs, .grads = grads, .grad_count = gradients ? 2 : 0, .dtype = WEFT_F64};
    weft_arrays *out = NULL;
    weft_tensor output, weight, loss;
    MUST(weft_arrays_new(&out));
    MUST(weft_ensemble_evaluate(c, engine, params, NULL, &request, weft_tabr_run, out));
    output = golden_tensor(out, "", "output");
    loss = golden_tensor(out, "", "loss");
    weight = golden_tensor(inputs, "", "cotangent.output");
    double sum = element(golden_tensor(inputs, "", "cotangent.loss"), 0) * element(loss, 0);
    for (int64_t i = 0; i < weft_dims_count(output.dims); i++)
        sum += element(weight, i) * element(output, i);
    if (gradients)
        *gradients = out;
    else
        weft_arrays_free(out);
    return sum;
}

static void check_slope(const weft_tabular_config *c, weft_params *params, const weft_arrays *inputs, double *at, double gradient)
{
    const double before = *at, step = 1e-6;
    *at = before + step;
    weft_params_touch(params);
    double above = answered(c, params, inputs, NULL);
    *at = before - step;
    weft_params_touch(params);
    double below = answered(c, params, inputs, NULL);
    *at = before;
    weft_params_touch(params);
    double slope = (above - below) / (2 * step);
    if (!(fabs(slope - gradient) <= 1e-6 * (0.1 + fabs(slope))))
        fail_msg("gradient %.12g, by differences %.12g", gradient, slope);
}

static void an_ensemble_has_gradients(void **state)
{
    (void)state;
    enum { TEAM = 3, N = 20, B = 4 };
    for (int task = 0; task < WEFT_TASKS; task++) {
        weft_tabular_config c = case_config((weft_task)task, WEFT_NUMERIC_NONE, 2, 6, 0, 1);
        c.n_bin_features = c.n_cat = 0;
        c.context_size = N; /* all of them, so that no step changes a context */
        int64_t width = weft_tabular_outputs(&c);
        weft_random_key key = weft_random_stream(6, "ensemble gradients");
        double x[B * 2], candidates[N * 2], y[N], weight[B * 4], of_loss = 1.5;
        int64_t label[N];
        for (uint64_t i = 0; i < N * 2; i++)
            candidates[i] = weft_random_normal(key, 0, i, 0);
        for (uint64_t i = 0; i < B * 4; i++) {
            weight[i] = weft_random_normal(key, 1, i, 0);
            x[i % (B * 2)] = weft_random_normal(key, 2, i, 0);
        }
        for (uint64_t i = 0; i < N; i++) {
            y[i] = weft_random_normal(key, 3, i, 0);
            label[i] = (int64_t)i % (task == WEFT_TASK_BINARY ? 2 : 4);
        }
        weft_arrays *inputs = NULL, *out = NULL;
        weft_params *all = NULL;
        bool numbers = task == WEFT_TASK_REGRESSION;
        void *targets = numbers ? (void *)y : (void *)label;
        weft_dtype kind = numbers ? WEFT_F64 : WEFT_I64;
        MUST(weft_arrays_new(&inputs));
        MUST(weft_arrays_add(inputs, "x_num", (weft_tensor){x, WEFT_F64, DIMS(B, 2)}));
        MUST(weft_arrays_add(inputs, "y", (weft_tensor){targets, kind, DIMS(B)}));
        MUST(weft_arrays_add(inputs, "candidate.x_num", (weft_tensor){candidates, WEFT_F64, DIMS(N, 2)}));
        MUST(weft_arrays_add(inputs, "candidate.y", (weft_tensor){targets, kind, DIMS(N)}));
        MUST(weft_arrays_add(inputs, "cotangent.output", (weft_tensor){weight, WEFT_F64, DIMS(B, width)}));
        MUST(weft_arrays_add(inputs, "cotangent.loss", (weft_tensor){&of_loss, WEFT_F64, DIMS(1)}));
        MUST(weft_params_new(&all));
        for (int64_t k = 0; k < TEAM; k++) {
            weft_params *one = case_params(&c, WEFT_F64, 10 + (uint64_t)k);
            MUST(weft_ensemble_put(all, k, one));
            weft_params_free(one);
        }
        c.members = TEAM;
        answered(&c, all, inputs, &out);
        int compared = 0;
        for (int64_t i = 0; i < weft_params_count(all); i++) {
            weft_tensor t;
            const char *name = weft_params_at(all, i, &t);
            if (strstr(name, "linear.weight") || strstr(name, "head.2.bias") || strstr(name, "label_encoder")) {
                check_slope(&c, all, inputs, t.data, element(golden_tensor(out, "grad.", name), 0));
                compared++;
            }
        }
        assert_true(compared >= 3 * TEAM);
        weft_arrays_free(out);
        /* a cotangent that does not fit is told */
        MUST(weft_arrays_new(&out));
        weft_arrays *turned = NULL;
        static const char *const grads[] = {"output"};
        MUST(weft_arrays_new(&turned));
        for (int64_t i = 0; i < weft_arrays_count(inputs); i++) {
            weft_array a = weft_arrays_at(inputs, i);
            if (strcmp(a.name, "cotangent.output") == 0)
                a.tensor.dims = DIMS(1, B * width);
            MUST(weft_arrays_add(turned, a.name, a.tensor));
        }
        weft_run_request request = {.inputs = turned, .grads = grads, .grad_count = 1, .dtype = WEFT_F64};
        assert_int_equal(weft_ensemble_evaluate(&c, engine, all, NULL, &request, weft_tabr_run, out), WEFT_ERROR_ARGUMENT);
        assert_non_null(strstr(weft_error(), "cotangent.output"));
        weft_arrays_free(turned);
        weft_arrays_free(out);
        weft_arrays_free(inputs);
        weft_params_free(all);
    }
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
        cmocka_unit_test(the_mean_has_a_gradient),    cmocka_unit_test(an_ensemble_has_gradients),
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
