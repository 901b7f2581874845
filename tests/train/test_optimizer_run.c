/* Steps made inside the run that computes the gradients: the bits of weft_run and weft_optimizer_step, whatever the optimiser. */
#include "train/optimizer.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ROWS = 4, IN = 130, OUT = 90, UNUSED = 5 };

static const char *const names[] = {"w", "b", "frozen", "unused"};
enum { NAMES = 4 };

/* loss = mean square of (x + frozen) wᵀ + b − 1 */
typedef struct job {
    weft_engine *engine;
    weft_graph *graph;
    weft_params *params;
    weft_plan *plan;
    weft_session *session;
    weft_optimizer *optimizer;
    float x[ROWS * IN];
} job;

static void fine(weft_status status)
{
    if (status != WEFT_OK)
        fail_msg("%s", weft_error());
}

static void open_job(job *j, int threads, bool inside, const weft_optimizer_options *options)
{
    *j = (job){0};
    fine(weft_engine_new(&(weft_engine_options){.threads = threads}, &j->engine));
    weft_graph *g = j->graph = weft_graph_new(WEFT_F32);
    const weft_value w = weft_param(g, "w", WEFT_UNIFORM(0.3), DIMS(OUT, IN)), b = weft_param(g, "b", WEFT_ZEROS, DIMS(OUT));
    const weft_value frozen = weft_param(g, "frozen", WEFT_ONES, DIMS(IN));
    weft_param(g, "unused", WEFT_ONES, DIMS(UNUSED));
    const weft_value x = weft_add(g, weft_input(g, "x", WEFT_F32, DIMS(ROWS, IN)), frozen);
    const weft_value y = weft_shift(g, weft_add(g, weft_matmul_nt(g, x, w), b), -1);
    weft_value fetches[4] = {weft_name(g, weft_mean_all(g, weft_square(g, y)), "loss")};
    const weft_value wrt[3] = {w, b, frozen};
    weft_value gradients[3];
    weft_consumed consumed[3];
    fine(weft_gradient(g, fetches[0], (weft_value){0}, wrt, 3, gradients));
    for (int i = 0; i < 3; i++) {
        consumed[i] = (weft_consumed){gradients[i], wrt[i]};
        fetches[1 + i] = weft_name(g, gradients[i], "grad.%s", names[i]);
    }
    fine(weft_params_new(&j->params));
    fine(weft_params_init(j->params, g, WEFT_F32, 1));
    fine(weft_compile_consuming(j->engine, g, NULL, 0, fetches, inside ? 1 : 4, consumed, inside ? 3 : 0, &j->plan));
    fine(weft_session_new(j->plan, &j->params, 1, &j->session));
    fine(weft_optimizer_new(j->engine, j->params, options, &j->optimizer));
    fine(weft_bind(j->session, "x", (weft_tensor){j->x, WEFT_F32, DIMS(ROWS, IN)}));
}

static void close_job(job *j)
{
    weft_session_free(j->session);
    weft_optimizer_free(j->optimizer);
    weft_plan_free(j->plan);
    weft_graph_free(j->graph);
    weft_params_free(j->params);
    weft_engine_free(j->engine);
}

static void fill(job *j, int step)
{
    for (int i = 0; i < ROWS * IN; i++)
        j->x[i] = (float)sin(0.37 * i + step);
}

static void same_parameters(const job *a, const job *b)
{
    for (int i = 0; i < NAMES; i++) {
        weft_tensor x, y;
        assert_true(weft_params_get(a->params, names[i], &x) && weft_params_get(b->params, names[i], &y));
        assert_memory_equal(x.data, y.data, weft_tensor_bytes(x));
    }
}

static void same_state(const job *a, const job *b)
{
    weft_arrays *x, *y;
    fine(weft_arrays_new(&x));
    fine(weft_arrays_new(&y));
    fine(weft_optimizer_collect(a->optimizer, x));
    fine(weft_optimizer_collect(b->optimizer, y));
    assert_int_equal(weft_arrays_count(x), weft_arrays_count(y));
    for (int64_t i = 0; i < weft_arrays_count(x); i++) {
        const weft_array one = weft_arrays_at(x, i);
        weft_tensor other;
        assert_true(weft_arrays_find(y, one.name, &other));
        assert_memory_equal(one.tensor.data, other.data, weft_tensor_bytes(other));
    }
    weft_arrays_free(x);
    weft_arrays_free(y);
}

static void steps_inside_are_steps_after(void **state)
{
    (void)state;
    const weft_parameter_group groups[] = {{.pattern = "frozen", .rate = 0}, {.covers = weft_covers_vectors, .rate = 2}};
    weft_optimizer_options all[] = {WEFT_ADAMW(0.1), WEFT_ADAMW(0), WEFT_SGD(0.9), WEFT_SGD(0)};
    all[1].ema_decay = 0.9;
    all[1].ema_warmup = true;
    all[1].clip_value = 1e-3;
    all[2].weight_decay = 0.05;
    all[2].nesterov = true;
    for (size_t k = 0; k < sizeof all / sizeof all[0]; k++)
        for (int threads = 1; threads <= 2; threads++) {
            job inside, after;
            all[k].groups = groups;
            all[k].group_count = 2;
            open_job(&inside, threads, true, &all[k]);
            open_job(&after, 1, false, &all[k]);
            for (int step = 0; step < 4; step++) {
                fill(&inside, step);
                fill(&after, step);
                fine(weft_optimizer_run(inside.optimizer, inside.session, 0.01));
                fine(weft_run(after.session));
                fine(weft_optimizer_step(after.optimizer, after.session, 0.01));
                assert_true(weft_optimizer_norm(inside.optimizer) > 0);
                if (all[k].clip_value > 0) /* the frozen parameter's gradient is in neither */
                    assert_true(weft_optimizer_norm(inside.optimizer) <= 1e-3 * sqrt(OUT * IN + OUT));
                assert_true(weft_optimizer_norm(inside.optimizer) == weft_optimizer_norm(after.optimizer));
            }
            assert_int_equal(weft_optimizer_steps(inside.optimizer), 4);
            same_parameters(&inside, &after);
            same_state(&inside, &after);
            close_job(&inside);
            close_job(&after);
        }
}

static void sums_inside_are_sums_after(void **state)
{
    (void)state;
    weft_optimizer_options options = WEFT_ADAMW(0.1);
    options.clip_norm = 0.5;
    job inside, after;
    open_job(&inside, 2, true, &options);
    open_job(&after, 1, false, &options);
    for (int step = 0; step < 6; step++) {
        fill(&inside, step);
        fill(&after, step);
        fine(weft_optimizer_run_accumulating(inside.optimizer, inside.session, 0.5));
        fine(weft_run(after.session));
        fine(weft_optimizer_accumulate(after.optimizer, after.session, 0.5));
        if (step % 2 == 0)
            continue;
        fine(weft_optimizer_step(inside.optimizer, NULL, 0.01));
        fine(weft_optimizer_step(after.optimizer, NULL, 0.01));
    }
    same_parameters(&inside, &after);
    close_job(&inside);
    close_job(&after);
}

static void refusals(void **state)
{
    (void)state;
    weft_optimizer_options options = WEFT_ADAMW(0.1);
    job j;
    open_job(&j, 2, true, &options);
    fill(&j, 0);
    assert_int_equal(weft_optimizer_run(j.optimizer, j.session, NAN), WEFT_ERROR_ARGUMENT);
    fine(weft_optimizer_run_accumulating(j.optimizer, j.session, 1));
    assert_int_equal(weft_optimizer_run(j.optimizer, j.session, 0.01), WEFT_ERROR_ARGUMENT);
    weft_optimizer_discard(j.optimizer);
    fine(weft_optimizer_run(j.optimizer, j.session, 0.01));
    j.x[3] = NAN;
    assert_int_equal(weft_optimizer_run(j.optimizer, j.session, 0.01), WEFT_ERROR_NUMERIC);
    assert_non_null(strstr(weft_error(), "holds NaN or infinity"));
    assert_int_equal(weft_optimizer_steps(j.optimizer), 1);
    close_job(&j);
    options.clip_norm = 1;
    open_job(&j, 1, true, &options);
    assert_int_equal(weft_optimizer_run(j.optimizer, j.session, 0.01), WEFT_ERROR_ARGUMENT);
    assert_non_null(strstr(weft_error(), "joint norm"));
    close_job(&j);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_inside_are_steps_after),
        cmocka_unit_test(sums_inside_are_sums_after),
        cmocka_unit_test(refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
