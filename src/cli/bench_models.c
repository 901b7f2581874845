/* Bench jobs on tabular models: a training step with its optimiser, predictions, on random data of the spec's sizes. */
#include "cli/bench.h"
#include "base/random.h"
#include "tabular/fit.h"
#include "tabular/presets.h"

#include <stdlib.h>

/* California: 13,209 training rows of 8 numbers, batch 256, context 96; predictions for 4,128 rows. */
enum { TRAIN_ROWS = 13209, FEATURES = 8, BATCH = 256, TEST_ROWS = 4128 };

typedef struct model_run {
    weft_engine *engine;
    weft_tabular_config config;
    weft_rows_data *train, *test;
    weft_params *params;
    weft_optimizer *optimizer;
    weft_stepper *stepper;
    weft_predictor *predictor;
    int64_t *order, step;
    double *output;
} model_run;

static void close_model(void *self)
{
    model_run *r = self;
    weft_predictor_free(r->predictor);
    weft_stepper_free(r->stepper);
    weft_optimizer_free(r->optimizer);
    weft_params_free(r->params);
    weft_rows_free(r->train);
    weft_rows_free(r->test);
    free(r->order);
    free(r->output);
    free(r);
}

static weft_status random_rows(const weft_tabular_config *c, int64_t rows, const char *name, weft_rows_data **out)
{
    weft_status status = weft_rows_new(c, rows, out);
    weft_random_key key = weft_random_stream(0, name);
    for (int64_t i = 0; i < rows * c->n_num_features && status == WEFT_OK; i++)
        (*out)->x_num[i] = (float)weft_random_normal(key, 0, 0, (uint64_t)i);
    for (int64_t i = 0; i < rows && status == WEFT_OK; i++)
        (*out)->y[i] = (float)weft_random_normal(key, 1, 0, (uint64_t)i);
    return status;
}

static weft_status open_model(bench_context *c, const bench_job *job, void **self, bench_result *out)
{
    (void)out;
    model_run *r = calloc(1, sizeof *r);
    if (!r)
        return weft_fail(WEFT_ERROR_MEMORY, "bench: memory is short");
    *self = r;
    r->engine = c->engine;
    r->config = weft_tabular_default();
    r->config.n_num_features = FEATURES;
    r->config.dropout = 0;
    r->config.arch = (weft_tabular_arch)job->size[0];
    weft_fit_options unused;
    if (job->size[2])
        weft_tabular_preset("tabr", true, &r->config, &unused);
    r->order = malloc(TRAIN_ROWS * sizeof *r->order);
    r->output = malloc(TEST_ROWS * sizeof *r->output);
    weft_graph *g = weft_graph_new(WEFT_F32);
    weft_status status =
        r->order && r->output && g ? weft_params_new(&r->params) : weft_fail(WEFT_ERROR_MEMORY, "bench: memory is short");
    if (status == WEFT_OK) {
        if (r->config.arch == WEFT_TABULAR_MLP)
            weft_mlp_build(g, &r->config, 1, false, false);
        else
            weft_tabr_build(g, &r->config, &(weft_tabr_form){.batch = 1, .capacity = r->config.context_size});
        status = weft_params_init(r->params, g, WEFT_F32, 0);
    }
    weft_graph_free(g);
    if (status == WEFT_OK)
        status = random_rows(&r->config, TRAIN_ROWS, "bench train", &r->train);
    if (status == WEFT_OK)
        status = random_rows(&r->config, job->size[1], "bench test", &r->test);
    if (status == WEFT_OK)
        weft_random_permutation(weft_random_stream(0, "bench order"), 0, TRAIN_ROWS, r->order);
    return status;
}

static weft_status open_step(bench_context *c, const bench_job *job, void **self, bench_result *out)
{
    weft_status status = open_model(c, job, self, out);
    model_run *r = *self;
    weft_optimizer_options adamw = WEFT_ADAMW(1.2260352006404615e-6);
    if (status == WEFT_OK)
        status = weft_optimizer_new(r->engine, r->params, &adamw, &r->optimizer);
    if (status == WEFT_OK)
        status = weft_stepper_new(r->engine, &r->config, WEFT_F32, r->params, r->train, BATCH, &r->stepper);
    return status;
}

static weft_status call_step(void *self)
{
    model_run *r = self;
    double loss;
    weft_session *session = NULL;
    int64_t from = r->step % (TRAIN_ROWS / BATCH) * BATCH;
    weft_status status = weft_stepper_run(r->stepper, r->order + from, BATCH, 0, (uint64_t)r->step, &loss, &session);
    r->step++;
    return status == WEFT_OK ? weft_optimizer_step(r->optimizer, session, 3e-4) : status;
}

static weft_status open_predict(bench_context *c, const bench_job *job, void **self, bench_result *out)
{
    weft_status status = open_model(c, job, self, out);
    model_run *r = *self;
    return status == WEFT_OK ? weft_predictor_new(r->engine, &r->config, r->params, r->train, &r->predictor) : status;
}

static weft_status call_predict(void *self)
{
    model_run *r = self;
    return weft_predictor_run(r->predictor, r->test, false, r->output, NULL, NULL, NULL);
}

const bench_job bench_models[] = {
    {"tabr_step", {WEFT_TABULAR_TABR, 1}, open_step, call_step, close_model},
    {"tabr_plr_step", {WEFT_TABULAR_TABR, 1, true}, open_step, call_step, close_model}, /* numbers embedded by PLR(lite) */
    {"tabr_predict_one", {WEFT_TABULAR_TABR, 1}, open_predict, call_predict, close_model},
    {"tabr_predict_bulk", {WEFT_TABULAR_TABR, TEST_ROWS}, open_predict, call_predict, close_model},
    {"mlp_step", {WEFT_TABULAR_MLP, 1}, open_step, call_step, close_model},
    {0},
};
