/* The training loop: steps and evaluations until patience or the epochs are at an end, with a checkpoint between any two of
 * them where one is due. Whatever it decides on is in weft_loop, so a resumed run decides the same. */
#include "base/clock.h"
#include "base/files.h"
#include "base/json.h"
#include "train/loop.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOTE 160

static weft_status check_job(const weft_train_job *job)
{
    if (!job->params || !job->optimizer || !job->step)
        return weft_fail(WEFT_ERROR_ARGUMENT, "a training job needs parameters, an optimiser and a step");
    if (job->steps_per_epoch < 1 || job->max_epochs < 0 || job->max_epochs > INT64_MAX / job->steps_per_epoch)
        return weft_fail(WEFT_ERROR_ARGUMENT, "training %lld epochs of %lld steps: expected at least 1 step",
                         (long long)job->max_epochs, (long long)job->steps_per_epoch);
    if (job->max_epochs == 0 && job->patience < 0)
        return weft_fail(WEFT_ERROR_ARGUMENT, "training without an end: expected a number of epochs or a patience");
    if (job->resume && !job->folder)
        return weft_fail(WEFT_ERROR_ARGUMENT, "there is no folder to resume from");
    if (!job->schedule && (!(job->rate >= 0) || !isfinite(job->rate)))
        return weft_fail(WEFT_ERROR_ARGUMENT, "learning rate %g: expected a number of at least 0", job->rate);
    return job->schedule ? weft_schedule_check(job->schedule) : WEFT_OK;
}

static double rate_of(const weft_loop *l, int64_t step)
{
    return l->job->schedule ? weft_schedule_rate(l->job->schedule, step) : l->job->rate;
}

static void tell(const weft_loop *l, const char *phase, int64_t done, int64_t total, const char *note)
{
    if (l->job->progress)
        l->job->progress(l->job->user, phase, done, total, note);
}

static bool at_end(const weft_loop *l)
{
    const weft_train_job *job = l->job;
    return (job->max_epochs > 0 && l->evaluated >= job->max_epochs) || (job->patience >= 0 && l->worse > job->patience);
}

/* Puts before the error text where it happened, and after it what can be gone back to. */
static weft_status fail_step(const weft_loop *l, weft_status status)
{
    char last[512] = "";
    if (l->saved >= 0)
        snprintf(last, sizeof last, "; the last good checkpoint is that of step %lld in %.400s", (long long)l->saved,
                 l->job->folder);
    return weft_fail(status, "step %lld (epoch %lld, learning rate %g): %s%s", (long long)l->step,
                     (long long)(l->step / l->job->steps_per_epoch), rate_of(l, l->step), weft_error(), last);
}

/* ---- one step, one evaluation ---- */

static weft_status log_step(const weft_loop *l, double loss, double rate)
{
    if (!l->log || l->job->log_steps <= 0 || l->step % l->job->log_steps != 0)
        return WEFT_OK;
    weft_text text = {0};
    weft_json_writer w = weft_json_to(&text, 0);
    weft_json_open_object(&w);
    weft_json_add_key(&w, "loss");
    weft_json_add_number(&w, loss);
    weft_json_add_key(&w, "rate");
    weft_json_add_number(&w, rate);
    weft_json_add_key(&w, "norm");
    weft_json_add_number(&w, weft_optimizer_norm(l->job->optimizer));
    weft_json_close_object(&w);
    weft_status status = text.failed ? weft_fail(WEFT_ERROR_MEMORY, "cannot allocate a line of metrics")
                                     : weft_run_log_add(l->log, l->step, (l->step - 1) / l->job->steps_per_epoch, text.data);
    weft_text_free(&text);
    return status;
}

static weft_status run_step(weft_loop *l)
{
    const weft_train_job *job = l->job;
    int64_t epoch = l->step / job->steps_per_epoch;
    double loss = 0, rate = rate_of(l, l->step);
    weft_session *gradients = NULL;
    weft_status status = job->step(job->user, epoch, l->step % job->steps_per_epoch, &loss, &gradients);
    if (status == WEFT_ERROR_NUMERIC && job->step_updates) {
        fail_step(l, status);
    } else if (status == WEFT_OK && !isfinite(loss)) {
        const char *name = gradients ? weft_session_nonfinite(gradients) : NULL;
        weft_fail(WEFT_ERROR_NUMERIC, "the loss is %g%s%s%s", loss, name ? "; the first tensor at fault is \"" : "",
                  name ? name : "", name ? "\"" : "");
        status = fail_step(l, WEFT_ERROR_NUMERIC);
    } else if (status == WEFT_OK && !job->step_updates) {
        status = weft_optimizer_step(job->optimizer, gradients, rate);
        if (status != WEFT_OK)
            fail_step(l, status);
    }
    if (status != WEFT_OK) {
        weft_optimizer_discard(job->optimizer); /* the step begins anew when the run is resumed */
        return status;
    }
    l->step++;
    l->loss_sum += loss;
    if (job->progress) {
        char note[NOTE];
        snprintf(note, sizeof note, "epoch %lld, loss %.4g", (long long)epoch + 1, loss);
        tell(l, "training", l->step, job->max_epochs * job->steps_per_epoch, note);
    }
    return log_step(l, loss, rate);
}

static weft_status log_epoch(const weft_loop *l, double score, const char *metrics)
{
    if (!l->log)
        return WEFT_OK;
    weft_json *json = NULL;
    weft_status status = metrics && *metrics ? weft_json_parse(metrics, strlen(metrics), "an epoch's metrics", &json) : WEFT_OK;
    if (status != WEFT_OK)
        return status;
    weft_json_value root = json ? weft_json_root(json) : (weft_json_value){NULL}, value;
    weft_text text = {0};
    weft_json_writer w = weft_json_to(&text, 0);
    weft_json_open_object(&w);
    weft_json_add_key(&w, "loss");
    weft_json_add_number(&w, l->last_loss);
    weft_json_add_key(&w, "rate");
    weft_json_add_number(&w, rate_of(l, l->step - 1));
    weft_json_add_key(&w, "score");
    weft_json_add_number(&w, score);
    weft_json_add_key(&w, "best");
    weft_json_add_bool(&w, l->worse == 0);
    for (int64_t i = 0; i < weft_json_size(root); i++) {
        weft_json_add_key(&w, weft_json_key(root, i, &value));
        weft_json_add_value(&w, value);
    }
    weft_json_close_object(&w);
    status = text.failed ? weft_fail(WEFT_ERROR_MEMORY, "cannot allocate a line of metrics")
                         : weft_run_log_add(l->log, l->step, l->evaluated - 1, text.data);
    weft_json_free(json);
    weft_text_free(&text);
    return status;
}

static weft_status score_epoch(weft_loop *l, double *score, weft_text *metrics)
{
    const weft_train_job *job = l->job;
    weft_status status = job->evaluate ? job->evaluate(job->user, l->evaluated, score, metrics) : WEFT_OK;
    if (status == WEFT_OK && !isfinite(*score))
        status = weft_fail(WEFT_ERROR_NUMERIC, "epoch %lld: the score is %g", (long long)l->evaluated, *score);
    if (status == WEFT_OK && metrics->failed)
        status = weft_fail(WEFT_ERROR_MEMORY, "cannot allocate an epoch's metrics");
    if (status == WEFT_OK && !job->keep_last && (l->best_epoch < 0 || *score > l->best_score))
        status = weft_loop_keep_best(l);
    return status;
}

static weft_status run_evaluation(weft_loop *l)
{
    const weft_train_job *job = l->job;
    double mean = l->loss_sum / (double)job->steps_per_epoch, score = -mean;
    weft_text metrics = {0};
    tell(l, "evaluating", l->evaluated, job->max_epochs, "");
    weft_status status = job->evaluate_ema ? weft_optimizer_swap_ema(job->optimizer) : WEFT_OK;
    if (status == WEFT_OK) {
        status = score_epoch(l, &score, &metrics);
        weft_status back = job->evaluate_ema ? weft_optimizer_swap_ema(job->optimizer) : WEFT_OK;
        status = status == WEFT_OK ? back : status;
    }
    if (status == WEFT_OK) {
        bool better = l->best_epoch < 0 || score > l->best_score;
        l->best_epoch = better ? l->evaluated : l->best_epoch;
        l->best_score = better ? score : l->best_score;
        l->worse = better ? 0 : l->worse + 1;
        l->last_loss = mean;
        l->loss_sum = 0;
        l->evaluated++;
        char note[NOTE];
        snprintf(note, sizeof note, "score %.6g%s", score, better ? ", the best so far" : "");
        tell(l, "evaluating", l->evaluated, job->max_epochs, note);
        status = log_epoch(l, score, metrics.data);
    }
    weft_text_free(&metrics);
    return status;
}

/* ---- the run ---- */

static bool is_due(int64_t every, int64_t done)
{
    return every > 0 && done % every == 0;
}

static bool is_enough(const weft_loop *l)
{
    const weft_train_job *job = l->job;
    return job->enough && l->evaluated > 0 && job->enough(job->user, l->evaluated, l->best_score);
}

static weft_status run(weft_loop *l)
{
    const weft_train_job *job = l->job;
    weft_status status = WEFT_OK;
    double saved = weft_clock();
    bool enough = l->step == l->evaluated * job->steps_per_epoch && is_enough(l);
    while (status == WEFT_OK && !enough && !at_end(l)) {
        bool due;
        if (l->step == (l->evaluated + 1) * job->steps_per_epoch) {
            status = run_evaluation(l);
            enough = status == WEFT_OK && is_enough(l);
            due = is_due(job->checkpoint_epochs, l->evaluated);
        } else {
            status = run_step(l);
            due = is_due(job->checkpoint_steps, l->step);
        }
        if (status == WEFT_OK && weft_interrupted())
            status = WEFT_ERROR_INTERRUPTED;
        else if (status == WEFT_OK && due && (job->checkpoint_seconds <= 0 || weft_clock() - saved >= job->checkpoint_seconds)) {
            status = weft_loop_save(l);
            saved = weft_clock();
        }
    }
    return status;
}

/* The best weights go into the set, the model to the disk; only then is the run finished, and its checkpoint dropped. */
static weft_status finish(weft_loop *l)
{
    const weft_train_job *job = l->job;
    weft_status status = WEFT_OK;
    for (int64_t i = 0; status == WEFT_OK && i < weft_params_count(l->best); i++) {
        weft_tensor t;
        const char *name = weft_params_at(l->best, i, &t);
        status = weft_params_set(job->params, name, t);
    }
    if (status == WEFT_OK && job->finish) {
        status = job->finish(job->user);
    } else if (status == WEFT_OK && job->folder) {
        char *path = weft_path_join(job->folder, "model.safetensors");
        status = path ? weft_params_save(job->params, path) : weft_fail(WEFT_ERROR_MEMORY, "cannot allocate a name");
        free(path);
    }
    if (status != WEFT_OK || !l->log)
        return status;
    weft_text text = {0};
    weft_json_writer w = weft_json_to(&text, 0);
    weft_json_open_object(&w);
    weft_json_add_key(&w, "steps");
    weft_json_add_integer(&w, l->step);
    weft_json_add_key(&w, "epochs");
    weft_json_add_integer(&w, l->evaluated);
    weft_json_add_key(&w, "best_epoch");
    weft_json_add_integer(&w, l->best_epoch);
    weft_json_add_key(&w, "best_score");
    weft_json_add_number(&w, l->best_score);
    weft_json_close_object(&w);
    status = text.failed ? weft_fail(WEFT_ERROR_MEMORY, "cannot allocate a summary")
                         : weft_run_log_mark(l->log, "finished", text.data);
    weft_text_free(&text);
    return status == WEFT_OK ? weft_checkpoint_remove(job->folder) : status;
}

/* How a run that did not reach its end is left. The error text stays that of `status`. */
static weft_status leave(weft_loop *l, weft_status status)
{
    if (status == WEFT_ERROR_INTERRUPTED && !l->log)
        return weft_fail(status, "interrupted at step %lld; nothing is kept, as the run has no folder", (long long)l->step);
    if (status == WEFT_ERROR_INTERRUPTED) {
        weft_status saved = weft_loop_save(l);
        if (saved != WEFT_OK)
            return weft_fail_in(saved, "interrupted");
        weft_fail(status, "interrupted at step %lld: a checkpoint is in %s; go on with the same command and --resume",
                  (long long)l->step, l->job->folder);
    }
    char message[2048];
    snprintf(message, sizeof message, "%s", weft_error());
    if (l->log)
        (void)weft_run_log_mark(l->log, status == WEFT_ERROR_INTERRUPTED ? "interrupted" : "failed", NULL);
    return weft_fail(status, "%s", message);
}

static weft_status open_run(weft_loop *l)
{
    const weft_train_job *job = l->job;
    if (!job->folder)
        return WEFT_OK;
    if (weft_run_finished(job->folder)) /* what a kill in the last moment of that run may have left */
        (void)weft_checkpoint_remove(job->folder);
    weft_status status = weft_run_log_open(job->folder, job->run, job->seed, job->resume, &l->log);
    if (status != WEFT_OK || !job->resume)
        return status;
    return weft_checkpoint_exists(job->folder) ? weft_loop_load(l) : weft_run_log_rewind(l->log, 0);
}

weft_status weft_train(const weft_train_job *job, weft_train_result *out)
{
    weft_loop l = {.job = job, .best_epoch = -1, .saved = -1, .last_loss = NAN};
    if (out)
        *out = (weft_train_result){.best_epoch = -1, .last_loss = NAN};
    weft_status status = check_job(job);
    if (status == WEFT_OK)
        status = weft_params_new(&l.best);
    if (status == WEFT_OK)
        status = open_run(&l);
    if (status == WEFT_OK) {
        status = run(&l);
        if (status == WEFT_OK)
            status = finish(&l);
        if (status != WEFT_OK)
            status = leave(&l, status);
    }
    if (out)
        *out = (weft_train_result){l.step, l.evaluated, l.best_epoch, l.best_score, l.last_loss};
    weft_params_free(l.best);
    weft_run_log_free(l.log);
    return status;
}
