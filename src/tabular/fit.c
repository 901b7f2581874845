/* Training a tabular model: the evaluation after each epoch, what a checkpoint keeps, and the loop's job. */
#include "graph/engine.h"
#include "tabular/fit.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static const char frozen_name[] = "frozen_context"; /* in a checkpoint */

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
    int64_t count = from + batch < N ? batch : N - from, freeze = f->options->context_freeze;
    weft_status status = WEFT_OK;
    if (freeze >= 0 && epoch >= freeze && !weft_stepper_frozen(f->stepper) &&
        (status = weft_stepper_freeze(f->stepper)) != WEFT_OK)
        return status;
    status = weft_stepper_run(f->stepper, f->order + from, count, f->options->seed, (uint64_t)(epoch * f->steps + step_in_epoch),
                              loss, gradients);
    f->loss_sum += *loss * (double)count;
    f->loss_count += count;
    return status;
}

const weft_measure *weft_fit_measure(const weft_tabular_config *config, const weft_fit_options *options)
{
    return options->measure ? options->measure : weft_measure_of(config->task);
}

static weft_status fit_evaluate(void *user, int64_t epoch, double *score, weft_text *metrics)
{
    fit *f = user;
    weft_metrics m = {0};
    weft_status status = weft_predictor_refresh(f->predictor);
    if (status == WEFT_OK)
        status = weft_predictor_run(f->predictor, f->val, false, f->output, NULL, NULL, NULL);
    if (status == WEFT_OK)
        status = weft_fit_metrics(f->config, f->val, f->output, f->options->target_mean, f->options->target_sd, &m);
    if (status != WEFT_OK)
        return status;
    const weft_measure *measure = weft_fit_measure(f->config, f->options);
    double value = weft_measure_value(measure, &m);
    *score = weft_measure_score(measure, value);
    weft_json_writer w = weft_json_to(metrics, 0);
    weft_json_open_object(&w);
    weft_json_add_key(&w, "train_loss");
    weft_json_add_number(&w, f->loss_count ? f->loss_sum / (double)f->loss_count : NAN);
    char key[32];
    snprintf(key, sizeof key, "val_%s", measure->name);
    weft_json_add_key(&w, key);
    weft_json_add_number(&w, value);
    weft_json_close_object(&w);
    if (isnan(value)) { /* no epoch would ever be the best */
        weft_metrics_free(&m);
        return weft_fail(WEFT_ERROR_ARGUMENT, "the validation part has no %s: %s", measure->title,
                         measure->regression ? "its targets are all equal" : "its rows are all of one class");
    }
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
    const fit *f = user;
    int32_t *frozen = weft_stepper_frozen(f->stepper);
    weft_tensor contexts = {frozen, WEFT_I32, DIMS(f->train->rows, f->config->context_size)};
    if (frozen && weft_arrays_add(arrays, frozen_name, contexts) != WEFT_OK)
        return WEFT_ERROR_MEMORY;
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
    weft_text settings = {0};
    weft_fit_settings(f->config, f->options, &settings);
    weft_json_add_key(&w, "settings");
    weft_json_add_string(&w, settings.data);
    weft_json_close_object(&w);
    bool failed = settings.failed;
    weft_text_free(&settings);
    return json->failed || failed ? weft_fail(WEFT_ERROR_MEMORY, "training: memory is short") : WEFT_OK;
}

static weft_status load_frozen(fit *f, const weft_arrays *arrays)
{
    weft_tensor t;
    if (!arrays || !weft_arrays_find(arrays, frozen_name, &t))
        return WEFT_OK;
    if (t.dtype != WEFT_I32 || !weft_dims_equal(t.dims, DIMS(f->train->rows, f->config->context_size)))
        return weft_fail(WEFT_ERROR_FORMAT, "%s: its checkpoint's frozen contexts are not those of this table",
                         f->options->folder);
    return weft_stepper_restore(f->stepper, t.data);
}

static weft_status fit_load(void *user, const char *text, const weft_arrays *arrays)
{
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
    if (status == WEFT_OK)
        status = weft_fit_same_settings(f->config, f->options, weft_json_string(weft_json_get(root, "settings"), "{}"));
    f->loss_sum = weft_json_number(weft_json_get(root, "loss_sum"), 0);
    f->best = weft_json_number(weft_json_get(root, "best"), -INFINITY);
    weft_json_free(json);
    if (status == WEFT_OK)
        status = load_frozen(f, arrays);
    if (status == WEFT_OK && f->order_epoch >= 0)
        weft_epoch_order(f->options->seed, f->order_epoch, f->train->rows, f->order);
    return status;
}

static bool fit_enough(void *user, int64_t epochs, double best_score)
{
    fit *f = user;
    return f->options->enough && f->options->enough(f->options->user, epochs, best_score);
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
        .context_freeze = -1,
    };
}

/* The parameters that training needs, drawn from the seed where they are missing. */
static weft_status init_params(const weft_tabular_config *c, weft_params *params, uint64_t seed)
{
    weft_graph *g = weft_graph_new(WEFT_F32);
    if (!g)
        return WEFT_ERROR_MEMORY;
    weft_tabular_build_row(g, c);
    weft_status status = weft_graph_status(g);
    if (status == WEFT_OK)
        status = weft_params_init(params, g, WEFT_F32, seed);
    weft_graph_free(g);
    return status;
}

weft_status weft_fit_check(const weft_tabular_config *config, const weft_rows_data *train)
{
    if (config->arch != WEFT_TABULAR_TABR || train->rows - 1 >= config->context_size)
        return WEFT_OK;
    return weft_fail(
        WEFT_ERROR_ARGUMENT,
        "%lld training rows are too few for a context of %lld (a row never looks at itself): use --context-size %lld or less",
        (long long)train->rows, (long long)config->context_size, (long long)(train->rows > 1 ? train->rows - 1 : 1));
}

weft_status weft_fit(weft_engine *engine, const weft_tabular_config *config, weft_params *params, const weft_rows_data *train,
                     const weft_rows_data *val, const weft_fit_options *options, weft_train_result *out)
{
    fit f = {.config = config, .options = options, .train = train, .val = val, .order_epoch = -1, .best = -INFINITY};
    if (weft_fit_check(config, train) != WEFT_OK)
        return WEFT_ERROR_ARGUMENT;
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
            .checkpoint_seconds = options->checkpoint_seconds,
            .user = &f,
            .step = fit_step,
            .evaluate = fit_evaluate,
            .enough = fit_enough,
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
