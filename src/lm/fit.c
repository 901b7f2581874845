/* Training a language model: which rows each step sees, validation, and the loop's job. */
#include "lm/fit.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "graph/engine.h"
#include "io/io.h"
#include "lm/masking.h"
#include "lm/preferences.h"

typedef struct fit {
    weft_lm *lm;
    const weft_lm_fit_options *options;
    const weft_lm_data *data, *val;
    const weft_lm_rows *rows, *val_rows;
    weft_optimizer *optimizer;
    weft_lm_pass *pass, *scorer;
    int64_t *order, order_epoch;    /* of the rows, or of the pairs */
    int64_t *which;                 /* [accumulate · batch], then room for a batch */
    weft_lm_pairs pairs, val_pairs; /* DPO */
    double best, loss_sum;
    int64_t loss_count; /* since the last evaluation, as the rewards */
    weft_lm_rewards rewards;
} fit;

/* Rows, or pairs, of the data. */
static int64_t examples(const fit *f)
{
    return f->options->dpo ? weft_lm_pairs_count(&f->pairs) : f->rows->count;
}

/* Example number `at` of the endless sequence: pass after pass over the data, each in an order of its own. */
static int64_t example_at(fit *f, int64_t at)
{
    int64_t n = examples(f), epoch = at / n;
    if (f->order_epoch != epoch) {
        weft_epoch_order(f->options->seed, epoch, n, f->order);
        f->order_epoch = epoch;
    }
    return f->order[at % n];
}

/* ---- Steps. ---- */

/* Whether gradients go to the optimiser while the pass runs: they are summed over passes, or nothing needs them all at once. */
static bool consumes(const weft_lm_fit_options *o)
{
    return o->accumulate > 1 || o->clip == 0;
}

static bool validates(const weft_lm_rows *rows)
{
    return rows && rows->count > 0;
}

/* The inputs of the step's pass k, whose first example is number `first` of the endless sequence. */
static weft_status fill_pass(fit *f, int64_t k, int64_t first)
{
    const weft_lm_fit_options *o = f->options;
    const int64_t *which = f->which + k * o->batch;
    int64_t *visits = f->which + o->batch * o->accumulate;
    weft_lm_batch *in = weft_lm_pass_inputs(f->pass);
    if (o->dpo)
        return weft_lm_pairs_fill(&f->pairs, which, o->batch, f->pass);
    weft_lm_rows_fill(f->rows, f->data, which, o->batch, in);
    for (int64_t b = 0; b < o->batch; b++)
        visits[b] = first + b;
    if (f->data->in_place && !f->data->classed)
        weft_lm_mask_rows(f->data, WEFT_LM_TRAINING_MASKS, o->seed, visits, o->batch, f->rows->length, f->lm->config.vocab, in);
    return WEFT_OK;
}

static weft_status fit_step(void *user, int64_t epoch, int64_t step_in_epoch, double *loss, weft_session **gradients)
{
    fit *f = user;
    const weft_lm_fit_options *o = f->options;
    int64_t step = epoch * o->interval + step_in_epoch, each = o->batch * o->accumulate, labelled = 0;
    if (step_in_epoch == 0) {
        f->loss_sum = 0;
        f->loss_count = 0;
        f->rewards = (weft_lm_rewards){0};
    }
    for (int64_t i = 0; i < each; i++)
        f->which[i] = example_at(f, step * each + i);
    weft_status status = WEFT_OK;
    for (int64_t k = 0; k < o->accumulate && !o->dpo && status == WEFT_OK; k++) {
        status = fill_pass(f, k, step * each + k * o->batch);
        labelled += weft_lm_pass_inputs(f->pass)->labelled;
    }
    labelled = o->dpo ? each : labelled > 0 ? labelled : 1; /* a step may have no masked word */
    *loss = 0;
    for (int64_t k = 0; k < o->accumulate && status == WEFT_OK; k++) {
        double part = 0;
        const double scale = 1 / (double)labelled;
        const uint64_t number = (uint64_t)(step * o->accumulate + k);
        status = fill_pass(f, k, step * each + k * o->batch);
        if (status == WEFT_OK && consumes(o))
            status = weft_lm_pass_step(f->pass, scale, o->seed, number, f->optimizer, weft_schedule_rate(&o->schedule, step),
                                       o->accumulate > 1, &part);
        else if (status == WEFT_OK)
            status = weft_lm_pass_run(f->pass, scale, o->seed, number, &part);
        if (status == WEFT_OK && o->dpo)
            status = weft_lm_pairs_reward(&f->pairs, f->which + k * o->batch, o->batch, o->beta, f->pass, &f->rewards);
        *loss += part;
    }
    if (!consumes(o))
        *gradients = weft_lm_pass_session(f->pass);
    f->loss_sum += *loss;
    f->loss_count++;
    return status;
}

/* Share of pairs whose chosen response gained more, and the mean of by how much. */
static void add_rewards(weft_json_writer *w, const char *prefix, const weft_lm_rewards *r)
{
    char key[64];
    if (r->seen == 0)
        return;
    snprintf(key, sizeof key, "%sreward_margin", prefix);
    weft_json_add_key(w, key);
    weft_json_add_number(w, r->margin / (double)r->seen);
    snprintf(key, sizeof key, "%sreward_accuracy", prefix);
    weft_json_add_key(w, key);
    weft_json_add_number(w, (double)r->right / (double)r->seen);
}

/* The loss of `count` validation rows; of a classifier with its scores. */
static weft_status validate(fit *f, int64_t count, double *loss, weft_lm_scores *scores)
{
    const weft_lm_fit_options *o = f->options;
    return f->val->classed ? weft_lm_class_scores(f->lm, f->val, f->val_rows, count, o->batch, o->bf16, loss, scores)
                           : weft_lm_mean_loss(f->lm, f->val, f->val_rows, count, o->batch, o->bf16, loss);
}

static weft_status fit_evaluate(void *user, int64_t epoch, double *score, weft_text *metrics)
{
    fit *f = user;
    const weft_lm_fit_options *o = f->options;
    double train = f->loss_count ? f->loss_sum / (double)f->loss_count : NAN, val = NAN;
    const bool validated = validates(f->val_rows);
    weft_lm_rewards rewards = {0};
    weft_lm_scores scores = {0};
    weft_status status = WEFT_OK;
    if (validated) {
        int64_t all = o->dpo ? weft_lm_pairs_count(&f->val_pairs) : f->val_rows->count;
        int64_t count = o->evaluated && o->evaluated < all ? o->evaluated : all;
        status = o->dpo ? weft_lm_pairs_score(&f->val_pairs, count, o->batch, o->beta, f->scorer, &val, &rewards)
                        : validate(f, count, &val, &scores);
    }
    if (status != WEFT_OK) {
        weft_lm_scores_free(&scores);
        return status;
    }
    *score = validated ? -val : (double)(epoch + 1); /* without validation the last weights are the ones to keep */
    weft_json_writer w = weft_json_to(metrics, 0);
    weft_json_open_object(&w);
    weft_json_add_key(&w, "train_loss");
    weft_json_add_number(&w, train);
    if (validated) {
        weft_json_add_key(&w, "val_loss");
        weft_json_add_number(&w, val);
    }
    add_rewards(&w, "", &f->rewards);
    add_rewards(&w, "val_", &rewards);
    weft_lm_scores_write(&scores, "val_", &w);
    weft_json_close_object(&w);
    weft_lm_scores_free(&scores);
    bool best = *score > f->best;
    if (best)
        f->best = *score;
    if (o->epoch)
        o->epoch(o->user, (epoch + 1) * o->interval, train, val, best);
    return WEFT_OK;
}

static weft_status fit_finish(void *user)
{
    fit *f = user;
    return f->options->finish ? f->options->finish(f->options->user) : WEFT_OK;
}

/* ---- Checkpoints: what the loop does not know. ---- */

static const char *const references[] = {"reference", "val_reference"};

static weft_status fit_save(void *user, weft_text *json, weft_arrays *arrays)
{
    const fit *f = user;
    weft_json_writer w = weft_json_to(json, 0);
    weft_json_open_object(&w);
    const struct {
        const char *key;
        double value;
    } rows[] = {{"best", f->best},
                {"loss_sum", f->loss_sum},
                {"margin_sum", f->rewards.margin},
                {"loss_count", (double)f->loss_count},
                {"right", (double)f->rewards.right},
                {"pairs_seen", (double)f->rewards.seen}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        weft_json_add_key(&w, rows[i].key);
        weft_json_add_number(&w, rows[i].value); /* −Inf is null: nothing was evaluated */
    }
    weft_json_add_key(&w, "settings");
    weft_json_add_string(&w, f->options->settings ? f->options->settings : "");
    weft_json_close_object(&w);
    if (json->failed)
        return weft_fail(WEFT_ERROR_MEMORY, "training: memory is short");
    weft_status status = WEFT_OK;
    for (int k = 0; k < 2 && status == WEFT_OK; k++) {
        const weft_lm_pairs *p = k ? &f->val_pairs : &f->pairs;
        if (p->reference)
            status = weft_arrays_add_copy(arrays, references[k], (weft_tensor){p->reference, WEFT_F64, DIMS(p->rows->count)});
    }
    return status;
}

static weft_status fit_load(void *user, const char *text, const weft_arrays *arrays)
{
    fit *f = user;
    weft_json *json = NULL;
    if (!text)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: its checkpoint was not made by training a language model", f->options->folder);
    weft_status status = weft_json_parse(text, strlen(text), f->options->folder, &json);
    if (status != WEFT_OK)
        return status;
    weft_json_value root = weft_json_root(json);
    const char *settings = weft_json_string(weft_json_get(root, "settings"), "");
    f->best = weft_json_number(weft_json_get(root, "best"), -INFINITY);
    f->loss_sum = weft_json_number(weft_json_get(root, "loss_sum"), 0);
    f->rewards.margin = weft_json_number(weft_json_get(root, "margin_sum"), 0);
    f->loss_count = (int64_t)weft_json_number(weft_json_get(root, "loss_count"), 0);
    f->rewards.right = (int64_t)weft_json_number(weft_json_get(root, "right"), 0);
    f->rewards.seen = (int64_t)weft_json_number(weft_json_get(root, "pairs_seen"), 0);
    if (f->options->settings && strcmp(settings, f->options->settings) != 0)
        status = weft_fail(WEFT_ERROR_ARGUMENT, "%s: the run there was begun with other settings: %.200s; now %.200s",
                           f->options->folder, settings, f->options->settings);
    weft_json_free(json);
    if (status != WEFT_OK || !f->options->dpo)
        return status;
    for (int k = 0; k < 2; k++) {
        weft_lm_pairs *p = k ? &f->val_pairs : &f->pairs;
        weft_tensor reference;
        if (!p->reference)
            continue;
        if (!weft_arrays_find(arrays, references[k], &reference) || reference.dtype != WEFT_F64 ||
            !weft_dims_equal(reference.dims, DIMS(p->rows->count)))
            return weft_fail(WEFT_ERROR_FORMAT, "%s: its checkpoint lacks the reference of these %lld rows", f->options->folder,
                             (long long)p->rows->count);
        memcpy(p->reference, reference.data, weft_tensor_bytes(reference));
    }
    return WEFT_OK;
}

static void fit_progress(void *user, const char *phase, int64_t done, int64_t total, const char *note)
{
    fit *f = user;
    if (f->options->progress)
        f->options->progress(f->options->user, phase, done, total, note);
}

/* ---- The whole. ---- */

static weft_status prepare(fit *f)
{
    const weft_lm_fit_options *o = f->options;
    if (examples(f) < 1)
        return weft_fail(WEFT_ERROR_ARGUMENT, "there is nothing to learn in the data");
    size_t each = (size_t)(o->batch * o->accumulate + o->batch);
    f->which = malloc(each * sizeof *f->which);
    f->order = malloc((size_t)examples(f) * sizeof *f->order);
    if (!f->which || !f->order)
        return weft_fail(WEFT_ERROR_MEMORY, "training: memory is short");
    static const weft_parameter_group no_decay[] = {{.covers = weft_covers_vectors, .rate = 1}};
    weft_optimizer_options adamw = WEFT_ADAMW(o->weight_decay);
    adamw.beta1 = o->beta1;
    adamw.beta2 = o->beta2;
    adamw.eps = o->eps;
    adamw.clip_norm = o->clip;
    adamw.bf16_moments = o->bf16_moments;
    adamw.seed = o->seed;
    adamw.groups = no_decay;
    adamw.group_count = 1;
    weft_params *trained = f->lm->adapter ? f->lm->adapter->params : f->lm->params;
    weft_lm_pass_form form = {.batch = o->batch,
                              .length = f->rows->length,
                              .segments = f->rows->packed,
                              .gradients = true,
                              .dpo = o->dpo,
                              .bf16 = o->bf16,
                              .classes = f->data->classed,
                              .targets = f->data->target_count,
                              .recompute = o->recompute,
                              .consumed = consumes(o),
                              .beta = o->beta,
                              .adapter_dropout = o->adapter_dropout,
                              .teacher = o->teacher,
                              .temperature = o->temperature,
                              .teacher_weight = o->teacher_weight};
    weft_status status = weft_optimizer_new(f->lm->engine, trained, &adamw, &f->optimizer);
    if (status == WEFT_OK)
        status = weft_lm_pass_new(f->lm, &form, &f->pass);
    form.gradients = form.consumed = false;
    if (status == WEFT_OK && o->dpo)
        status = weft_lm_pass_new(f->lm, &form, &f->scorer);
    if (status == WEFT_OK && o->dpo)
        status = weft_lm_pairs_measure(&f->pairs, o->batch, f->scorer);
    if (status == WEFT_OK && o->dpo && validates(f->val_rows))
        status = weft_lm_pairs_measure(&f->val_pairs, o->batch, f->scorer);
    return status;
}

weft_status weft_lm_fit(weft_lm *lm, const weft_lm_data *data, const weft_lm_rows *rows, const weft_lm_data *validation,
                        const weft_lm_rows *validation_rows, const weft_lm_fit_options *o, weft_train_result *out)
{
    fit f = {.lm = lm,
             .options = o,
             .data = data,
             .rows = rows,
             .val = validation,
             .val_rows = validation_rows,
             .pairs = {data, rows, NULL},
             .val_pairs = {validation, validation_rows, NULL},
             .order_epoch = -1,
             .best = -INFINITY};
    weft_status status = prepare(&f);
    if (status == WEFT_OK) {
        weft_train_job job = {.params = lm->adapter ? lm->adapter->params : lm->params,
                              .optimizer = f.optimizer,
                              .schedule = &o->schedule,
                              .steps_per_epoch = o->interval,
                              .max_epochs = (o->steps + o->interval - 1) / o->interval,
                              .patience = o->patience,
                              .seed = o->seed,
                              .folder = o->folder,
                              .run = o->run,
                              .resume = o->resume,
                              .checkpoint_steps = o->checkpoint_steps,
                              .log_steps = 1,
                              .keep_last = !validates(validation_rows),
                              .step_updates = consumes(o) && o->accumulate == 1,
                              .user = &f,
                              .step = fit_step,
                              .evaluate = fit_evaluate,
                              .finish = fit_finish,
                              .save = fit_save,
                              .load = fit_load,
                              .progress = fit_progress};
        status = weft_train(&job, out);
    }
    weft_lm_pass_free(f.pass);
    weft_lm_pass_free(f.scorer);
    weft_optimizer_free(f.optimizer);
    free(f.order);
    free(f.which);
    free(f.pairs.reference);
    free(f.val_pairs.reference);
    return status;
}

weft_status weft_lm_own_weights(weft_lm *lm, bool fresh, uint64_t seed)
{
    weft_params *own = NULL;
    weft_graph *g = weft_graph_new(WEFT_F32);
    weft_lm_builder b;
    weft_status status = g ? weft_params_new(&own) : WEFT_ERROR_MEMORY;
    if (status == WEFT_OK) {
        weft_lm_begin(&b, g, &lm->config, &(weft_lm_form){.batch = 1, .tokens = 1});
        weft_lm_outputs(&b, true);
        status = weft_graph_status(g);
    }
    int n = status == WEFT_OK ? weft_graph_params(g, -1, NULL, NULL) : 0;
    for (int i = 0; i < n && status == WEFT_OK; i++) {
        const char *name;
        weft_value v;
        weft_tensor from;
        weft_graph_params(g, i, &name, &v);
        bool there = weft_params_get(lm->params, name, &from);
        if (!there && fresh)
            continue;
        if (!there) {
            status = weft_fail(WEFT_ERROR_FORMAT, "tensor %s is missing", name);
            break;
        }
        int64_t count = weft_dims_count(from.dims);
        float *values = malloc((size_t)(count + 1) * sizeof *values);
        if (values) {
            lm->engine->kernels->f32->widen(from.dtype, count, from.data, values);
            status = weft_params_set(own, name, (weft_tensor){values, WEFT_F32, from.dims});
        } else {
            status = weft_fail(WEFT_ERROR_MEMORY, "training: memory is short");
        }
        free(values);
    }
    if (status == WEFT_OK && fresh)
        status = weft_params_init(own, g, WEFT_F32, seed);
    weft_graph_free(g);
    if (status != WEFT_OK) {
        weft_params_free(own);
        return status;
    }
    for (int i = 0; i < lm->set_count; i++)
        if (lm->sets[i] == lm->params)
            lm->sets[i] = own;
    weft_params_free(lm->params);
    lm->params = own;
    return WEFT_OK;
}
