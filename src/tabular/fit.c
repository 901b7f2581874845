/* Training a tabular model: the step, the evaluation after each epoch, and the loop's job. */
#include "graph/engine.h"
#include "tabular/fit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- one step ---- */

typedef struct mlp_step {
    weft_graph *graph;
    weft_plan *plan;
    weft_session *session;
} mlp_step;

struct weft_stepper {
    weft_engine *engine;
    const weft_tabular_config *config;
    weft_dtype dtype;
    weft_params *params;
    const weft_rows_data *train;
    int64_t batch, size[2]; /* [0]: the whole batch; [1]: the last, smaller one */
    bool include_self, encoder_drops;
    weft_retriever *retriever;
    weft_tabr_runner *runner[2];
    mlp_step mlp[2];
    int64_t *context;
    float *x_num, *x_bin, *x_hot, *y; /* of an MLP's batch */
    int64_t *label;
};

weft_status weft_stepper_new(weft_engine *engine, const weft_tabular_config *config, weft_dtype dtype, weft_params *params,
                             const weft_rows_data *train, int64_t batch, weft_stepper **out)
{
    *out = NULL;
    weft_stepper *s = calloc(1, sizeof *s);
    if (!s)
        return weft_fail(WEFT_ERROR_MEMORY, "training: memory is short");
    *s = (weft_stepper){.engine = engine, .config = config, .dtype = dtype, .params = params, .train = train, .batch = batch};
    s->encoder_drops = config->encoder_n_blocks > 0 && (config->dropout0 > 0 || config->dropout1 > 0);
    size_t B = (size_t)batch;
    s->context = malloc((B * (size_t)config->context_size + 1) * sizeof *s->context);
    s->x_num = malloc((B * (size_t)train->n_num + 1) * sizeof *s->x_num);
    s->x_bin = malloc((B * (size_t)train->n_bin + 1) * sizeof *s->x_bin);
    s->x_hot = malloc((B * (size_t)train->one_hot + 1) * sizeof *s->x_hot);
    s->y = malloc((B + 1) * sizeof *s->y);
    s->label = malloc((B + 1) * sizeof *s->label);
    weft_status status = s->context && s->x_num && s->x_bin && s->x_hot && s->y && s->label
                             ? WEFT_OK
                             : weft_fail(WEFT_ERROR_MEMORY, "training: memory is short");
    if (status == WEFT_OK && config->arch == WEFT_TABULAR_TABR)
        status = weft_retriever_new(engine, config, dtype, train, true, &s->retriever);
    if (status != WEFT_OK) {
        weft_stepper_free(s);
        return status;
    }
    *out = s;
    return WEFT_OK;
}

void weft_stepper_free(weft_stepper *s)
{
    if (!s)
        return;
    weft_retriever_free(s->retriever);
    for (int i = 0; i < 2; i++) {
        weft_tabr_runner_free(s->runner[i]);
        weft_session_free(s->mlp[i].session);
        weft_plan_free(s->mlp[i].plan);
        weft_graph_free(s->mlp[i].graph);
    }
    free(s->context);
    free(s->x_num);
    free(s->x_bin);
    free(s->x_hot);
    free(s->y);
    free(s->label);
    free(s);
}

void weft_stepper_include_self(weft_stepper *s, bool include)
{
    s->include_self = include;
}

static weft_status open_tabr(weft_stepper *s, int slot, int64_t count)
{
    int64_t most = count * s->config->context_size, N = s->train->rows;
    weft_tabr_form form = {
        .batch = count, .capacity = most < N ? most : N, .training = true, .loss = true, .folded = weft_tabr_folds(s->config)};
    weft_tabr_runner_free(s->runner[slot]);
    s->runner[slot] = NULL;
    s->size[slot] = count;
    return weft_tabr_runner_new(s->engine, s->config, &form, s->dtype, s->params, true, NULL, 0, &s->runner[slot]);
}

static weft_status run_tabr(weft_stepper *s, int slot, const int64_t *rows, int64_t count, uint64_t seed, uint64_t step,
                            weft_session **session)
{
    int64_t m = s->config->context_size;
    weft_status status = WEFT_OK;
    if (s->size[slot] != count && (status = open_tabr(s, slot, count)) != WEFT_OK)
        return status;
    if ((status = weft_retriever_refresh(s->retriever, s->params, s->encoder_drops, seed, step)) != WEFT_OK)
        return status;
    if (s->include_self)
        status = weft_retriever_find_own_inclusive(s->retriever, rows, count, m, s->context);
    else
        status = weft_retriever_find_own(s->retriever, rows, count, m, s->context);
    if (status != WEFT_OK || (status = weft_tabr_runner_bind(s->runner[slot], s->train, rows, NULL, 0, s->context)) != WEFT_OK)
        return status;
    *session = weft_tabr_runner_session(s->runner[slot]);
    return WEFT_OK;
}

static weft_status open_mlp(weft_stepper *s, int slot, int64_t count)
{
    mlp_step *p = &s->mlp[slot];
    weft_session_free(p->session);
    weft_plan_free(p->plan);
    weft_graph_free(p->graph);
    *p = (mlp_step){.graph = weft_graph_new(s->dtype)};
    if (!p->graph)
        return WEFT_ERROR_MEMORY;
    weft_mlp_build(p->graph, s->config, count, true, true);
    int n = weft_graph_params(p->graph, -1, NULL, NULL);
    weft_value *wrt = calloc((size_t)(2 * n + 1), sizeof *wrt), *wanted = wrt ? wrt + n : NULL;
    if (!wrt)
        return weft_fail(WEFT_ERROR_MEMORY, "training: memory is short");
    wanted[0] = weft_find(p->graph, "loss");
    for (int i = 0; i < n; i++)
        weft_graph_params(p->graph, i, NULL, &wrt[i]);
    weft_status status = weft_gradient(p->graph, wanted[0], (weft_value){0}, wrt, n, wanted + 1);
    for (int i = 0; i < n && status == WEFT_OK; i++) {
        const char *name = NULL;
        weft_graph_params(p->graph, i, &name, NULL);
        wanted[1 + i] = weft_name(p->graph, wanted[1 + i], "grad.%s", name);
    }
    if (status == WEFT_OK)
        status = weft_compile(s->engine, p->graph, NULL, 0, wanted, n + 1, &p->plan);
    free(wrt);
    s->size[slot] = count;
    return status == WEFT_OK ? weft_session_new(p->plan, &s->params, 1, &p->session) : status;
}

static void take_rows(float *to, const float *from, int64_t width, const int64_t *rows, int64_t count)
{
    for (int64_t i = 0; from && i < count; i++)
        memcpy(to + i * width, from + rows[i] * width, (size_t)width * sizeof *to);
}

static weft_status bind_if(weft_session *session, const weft_graph *g, const char *name, weft_tensor t)
{
    return weft_find(g, name).id ? weft_bind(session, name, t) : WEFT_OK;
}

static weft_status run_mlp(weft_stepper *s, int slot, const int64_t *rows, int64_t count, weft_session **session)
{
    weft_status status = WEFT_OK;
    const weft_rows_data *t = s->train;
    if (s->size[slot] != count && (status = open_mlp(s, slot, count)) != WEFT_OK)
        return status;
    take_rows(s->x_num, t->x_num, t->n_num, rows, count);
    take_rows(s->x_bin, t->x_bin, t->n_bin, rows, count);
    take_rows(s->x_hot, t->x_hot, t->one_hot, rows, count);
    for (int64_t i = 0; i < count; i++) {
        s->label[i] = t->label ? t->label[rows[i]] : 0;
        s->y[i] = t->y ? t->y[rows[i]] : (float)s->label[i];
    }
    const weft_graph *g = s->mlp[slot].graph;
    *session = s->mlp[slot].session;
    bool classes = s->config->task == WEFT_TASK_MULTICLASS;
    if ((status = bind_if(*session, g, "x_num", (weft_tensor){s->x_num, WEFT_F32, DIMS(count, t->n_num)})) != WEFT_OK ||
        (status = bind_if(*session, g, "x_bin", (weft_tensor){s->x_bin, WEFT_F32, DIMS(count, t->n_bin)})) != WEFT_OK ||
        (status = bind_if(*session, g, "one_hot", (weft_tensor){s->x_hot, WEFT_F32, DIMS(count, t->one_hot)})) != WEFT_OK)
        return status;
    return weft_bind(*session, "y",
                     (weft_tensor){classes ? (void *)s->label : (void *)s->y, classes ? WEFT_I64 : WEFT_F32, DIMS(count)});
}

weft_status weft_stepper_run(weft_stepper *s, const int64_t *rows, int64_t count, uint64_t seed, uint64_t step, double *loss,
                             weft_session **session)
{
    int slot = count == s->batch ? 0 : 1;
    weft_status status =
        s->retriever ? run_tabr(s, slot, rows, count, seed, step, session) : run_mlp(s, slot, rows, count, session);
    weft_tensor t;
    if (status != WEFT_OK)
        return status;
    weft_seed(*session, seed, step);
    if ((status = weft_run(*session)) != WEFT_OK || (status = weft_fetch(*session, "loss", &t)) != WEFT_OK)
        return status;
    *loss = t.dtype == WEFT_F64 ? ((const double *)t.data)[0] : (double)((const float *)t.data)[0];
    return WEFT_OK;
}

/* ---- the run ---- */

typedef struct fit {
    const weft_tabular_config *config;
    const weft_fit_options *options;
    const weft_rows_data *train, *val;
    weft_stepper *stepper;
    weft_predictor *predictor;
    int64_t *order, order_epoch, steps;
    double *output, loss_sum, best;
    int64_t loss_count;
} fit;

static weft_status fit_step(void *user, int64_t epoch, int64_t step_in_epoch, double *loss, weft_session **gradients)
{
    fit *f = user;
    int64_t batch = f->options->batch_size, N = f->train->rows, from = step_in_epoch * batch;
    if (f->order_epoch != epoch) {
        weft_epoch_order(f->options->seed, epoch, N, f->order);
        f->order_epoch = epoch;
        f->loss_sum = 0;
        f->loss_count = 0;
    }
    int64_t count = from + batch < N ? batch : N - from;
    weft_status status = weft_stepper_run(f->stepper, f->order + from, count, f->options->seed,
                                          (uint64_t)(epoch * f->steps + step_in_epoch), loss, gradients);
    f->loss_sum += *loss * (double)count;
    f->loss_count += count;
    return status;
}

static weft_status fit_evaluate(void *user, int64_t epoch, double *score, weft_text *metrics)
{
    fit *f = user;
    weft_metrics m = {0};
    weft_status status = weft_predictor_refresh(f->predictor);
    if (status == WEFT_OK)
        status = weft_predictor_run(f->predictor, f->val, false, f->output, NULL, NULL);
    if (status == WEFT_OK)
        status = weft_fit_metrics(f->config, f->val, f->output, f->options->target_mean, f->options->target_sd, &m);
    if (status != WEFT_OK)
        return status;
    *score = f->config->task == WEFT_TASK_REGRESSION ? -m.rmse : m.accuracy;
    weft_json_writer w = weft_json_to(metrics, 0);
    weft_json_open_object(&w);
    weft_json_add_key(&w, "train_loss");
    weft_json_add_number(&w, f->loss_count ? f->loss_sum / (double)f->loss_count : NAN);
    weft_json_add_key(&w, f->config->task == WEFT_TASK_REGRESSION ? "val_rmse" : "val_accuracy");
    weft_json_add_number(&w, fabs(*score));
    weft_json_close_object(&w);
    bool best = *score > f->best;
    if (best)
        f->best = *score;
    if (f->options->epoch)
        f->options->epoch(f->options->user, epoch, f->loss_count ? f->loss_sum / (double)f->loss_count : NAN, &m, best);
    weft_metrics_free(&m);
    return WEFT_OK;
}

static weft_status fit_finish(void *user)
{
    fit *f = user;
    return f->options->finish(f->options->user);
}

/* What a checkpoint in the middle of an epoch must hold besides the loop's own: the epoch's loss up to there, and the best. */
static weft_status fit_save(void *user, weft_text *json, weft_arrays *arrays)
{
    (void)arrays;
    const fit *f = user;
    weft_json_writer w = weft_json_to(json, 0);
    weft_json_open_object(&w);
    weft_json_add_key(&w, "epoch");
    weft_json_add_integer(&w, f->order_epoch);
    weft_json_add_key(&w, "loss_sum");
    weft_json_add_number(&w, f->loss_sum);
    weft_json_add_key(&w, "loss_count");
    weft_json_add_integer(&w, f->loss_count);
    weft_json_add_key(&w, "best");
    weft_json_add_number(&w, f->best); /* null before the first evaluation */
    weft_json_close_object(&w);
    return json->failed ? weft_fail(WEFT_ERROR_MEMORY, "training: memory is short") : WEFT_OK;
}

static weft_status fit_load(void *user, const char *text, const weft_arrays *arrays)
{
    (void)arrays;
    fit *f = user;
    weft_json *json = NULL;
    if (!text)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: its checkpoint was not made by a tabular run", f->options->folder);
    weft_status status = weft_json_parse(text, strlen(text), f->options->folder, &json);
    weft_json_value root = weft_json_root(json);
    if (status == WEFT_OK)
        status = weft_json_take_integer(root, f->options->folder, "epoch", -1, INT64_MAX, &f->order_epoch);
    if (status == WEFT_OK)
        status = weft_json_take_integer(root, f->options->folder, "loss_count", 0, INT64_MAX, &f->loss_count);
    f->loss_sum = weft_json_number(weft_json_get(root, "loss_sum"), 0);
    f->best = weft_json_number(weft_json_get(root, "best"), -INFINITY);
    weft_json_free(json);
    if (status == WEFT_OK && f->order_epoch >= 0)
        weft_epoch_order(f->options->seed, f->order_epoch, f->train->rows, f->order);
    return status;
}

static void fit_progress(void *user, const char *phase, int64_t done, int64_t total, const char *note)
{
    fit *f = user;
    if (f->options->progress)
        f->options->progress(f->options->user, phase, done, total, note);
}

/* The grouping that the published code meant: no decay on biases, norms, frequencies, linear embeddings, label encoders. */
static const weft_parameter_group intended_groups[] = {
    {.pattern = "*.bias", .rate = 1},           {.pattern = "num_embeddings.0.*", .rate = 1},
    {.pattern = "label_encoder.*", .rate = 1},  {.pattern = "normalization.*", .rate = 1},
    {.covers = weft_covers_vectors, .rate = 1},
};

weft_fit_options weft_fit_default(int64_t train_rows)
{
    return (weft_fit_options){
        .lr = 3.121273641315169e-4,
        .weight_decay = 1.2260352006404615e-6,
        .decay_all = true,
        .batch_size = weft_batch_size(train_rows),
        .patience = 16,
        .target_sd = 1,
    };
}

/* The parameters that training needs, drawn from the seed where they are missing. */
static weft_status init_params(const weft_tabular_config *c, weft_params *params, uint64_t seed)
{
    weft_graph *g = weft_graph_new(WEFT_F32);
    if (!g)
        return WEFT_ERROR_MEMORY;
    if (c->arch == WEFT_TABULAR_MLP) {
        weft_mlp_build(g, c, 1, false, false);
    } else {
        weft_tabr_form form = {.batch = 1, .capacity = c->context_size};
        weft_tabr_build(g, c, &form);
    }
    weft_status status = weft_graph_status(g);
    if (status == WEFT_OK)
        status = weft_params_init(params, g, WEFT_F32, seed);
    weft_graph_free(g);
    return status;
}

weft_status weft_fit(weft_engine *engine, const weft_tabular_config *config, weft_params *params, const weft_rows_data *train,
                     const weft_rows_data *val, const weft_fit_options *options, weft_train_result *out)
{
    fit f = {.config = config, .options = options, .train = train, .val = val, .order_epoch = -1, .best = -INFINITY};
    if (config->arch == WEFT_TABULAR_TABR && train->rows - 1 < config->context_size)
        return weft_fail(
            WEFT_ERROR_ARGUMENT,
            "%lld training rows are too few for a context of %lld (a row never looks at itself): use --context-size %lld or less",
            (long long)train->rows, (long long)config->context_size, (long long)(train->rows > 1 ? train->rows - 1 : 1));
    f.steps = (train->rows + options->batch_size - 1) / options->batch_size;
    f.order = malloc((size_t)(train->rows + 1) * sizeof *f.order);
    f.output = malloc((size_t)(val->rows * weft_tabular_outputs(config) + 1) * sizeof *f.output);
    weft_optimizer *optimizer = NULL;
    weft_optimizer_options adamw = WEFT_ADAMW(options->weight_decay);
    if (!options->decay_all) {
        adamw.groups = intended_groups;
        adamw.group_count = sizeof intended_groups / sizeof intended_groups[0];
    }
    weft_status status = f.order && f.output ? WEFT_OK : weft_fail(WEFT_ERROR_MEMORY, "training: memory is short");
    if (status == WEFT_OK)
        status = init_params(config, params, options->seed);
    if (status == WEFT_OK)
        status = weft_optimizer_new(engine, params, &adamw, &optimizer);
    if (status == WEFT_OK)
        status = weft_stepper_new(engine, config, WEFT_F32, params, train, options->batch_size, &f.stepper);
    if (status == WEFT_OK)
        status = weft_predictor_new(engine, config, params, train, &f.predictor);
    if (status == WEFT_OK) {
        weft_stepper_include_self(f.stepper, options->include_self);
        weft_train_job job = {
            .params = params,
            .optimizer = optimizer,
            .rate = options->lr,
            .steps_per_epoch = f.steps,
            .max_epochs = options->max_epochs,
            .patience = options->patience,
            .seed = options->seed,
            .folder = options->folder,
            .run = options->run,
            .resume = options->resume,
            .checkpoint_steps = options->checkpoint_steps,
            .checkpoint_epochs = 1,
            .user = &f,
            .step = fit_step,
            .evaluate = fit_evaluate,
            .finish = options->finish ? fit_finish : NULL,
            .save = fit_save,
            .load = fit_load,
            .progress = fit_progress,
        };
        status = weft_train(&job, out);
    }
    weft_stepper_free(f.stepper);
    weft_predictor_free(f.predictor);
    weft_optimizer_free(optimizer);
    free(f.order);
    free(f.output);
    return status;
}
