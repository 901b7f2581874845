/* One trial of a study: training it, judging it at its rungs, writing down how it ended. */
#include "tabular/study_inner.h"

#include "base/clock.h"
#include "base/files.h"

#include <math.h>
#include <stdlib.h>

enum {
    CHECKPOINT_SECONDS = 10
}; /* of work that a killed process may lose; more often would cost short trials more than it saves */

static void on_epoch(void *user, int64_t epoch, double train_loss, const weft_metrics *val, bool best)
{
    (void)train_loss;
    (void)best;
    weft_study *s = user;
    if (s->options.epoch)
        s->options.epoch(s->options.user, s->trial, epoch,
                         weft_measure_value(weft_fit_measure(s->options.config, s->options.fit), val));
}

static bool stops_at(const weft_study *s, int rung)
{
    return !weft_study_is_start(s->trial) && weft_study_stops(&s->table, s->trial, rung);
}

/* At a rung the score is written down once (a resumed run may pass it again), then judged. */
static weft_status reach_rung(weft_study *s, int rung, double best_score, bool *stops)
{
    weft_status status = weft_journal_lock(s->journal);
    if (status != WEFT_OK)
        return status;
    status = weft_study_look(s);
    if (status == WEFT_OK && s->table.trial[s->trial].rungs == rung) {
        weft_text line = {0};
        weft_json_writer w = weft_study_begin_line(&line, s->trial);
        weft_json_add_key(&w, "epochs");
        weft_json_add_integer(&w, weft_rung_epochs[rung]);
        weft_json_add_key(&w, "score");
        weft_json_add_number(&w, best_score);
        weft_json_close_object(&w);
        status = weft_study_add_line(s, &line);
    }
    weft_journal_unlock(s->journal);
    if (status == WEFT_OK)
        *stops = stops_at(s, rung);
    return status;
}

static bool on_enough(void *user, int64_t epochs, double best_score)
{
    weft_study *s = user;
    bool stops = false;
    for (int rung = 0; rung < WEFT_RUNGS && s->options.prune && s->trouble == WEFT_OK; rung++)
        if (epochs == weft_rung_epochs[rung])
            s->trouble = reach_rung(s, rung, best_score, &stops);
    s->stopped |= stops;
    return stops || s->trouble != WEFT_OK;
}

static weft_status train_trial(weft_study *s, weft_train_result *result)
{
    weft_tabular_config config;
    weft_fit_options fit;
    weft_params *params = NULL;
    char *folder = weft_study_trial_folder(s, s->trial),
         *run = folder ? weft_study_path(s->options.folder, s->trial, "run.json") : NULL;
    weft_study_settings(s, s->trial, &config, &fit);
    weft_status status = folder && run ? WEFT_OK : WEFT_ERROR_MEMORY;
    if (status == WEFT_OK && weft_run_finished(folder)) {
        status = weft_fit_result(folder, result);
    } else if (status == WEFT_OK) {
        fit.folder = folder;
        fit.resume = weft_path_exists(run);
        fit.checkpoint_seconds = CHECKPOINT_SECONDS;
        fit.user = s;
        fit.progress = NULL;
        fit.finish = NULL;
        fit.member = NULL;
        fit.epoch = on_epoch;
        fit.enough = on_enough;
        s->trouble = WEFT_OK;
        s->trained = true;
        status = weft_params_new(&params);
        if (status == WEFT_OK)
            status = weft_fit(s->options.engine, &config, params, s->options.train, s->options.val, &fit, result);
        if (s->trouble != WEFT_OK)
            status = s->trouble;
    }
    weft_params_free(params);
    free(folder);
    free(run);
    return status;
}

/* Of the complete trials only the best one's weights are kept. */
static weft_status tidy(const weft_study *s, int64_t before)
{
    int64_t best = weft_study_best(s);
    weft_status status = best == s->trial ? WEFT_OK : weft_study_remove_trial(s->options.folder, s->trial);
    if (status == WEFT_OK && before >= 0 && before != best)
        status = weft_study_remove_trial(s->options.folder, before);
    return status;
}

static weft_status end_trial(weft_study *s, weft_trial_state state, const weft_train_result *result)
{
    weft_status status = weft_journal_lock(s->journal);
    if (status != WEFT_OK)
        return status;
    status = weft_study_look(s);
    int64_t before = weft_study_best(s);
    weft_text line = {0};
    weft_json_writer w = weft_study_begin_line(&line, s->trial);
    weft_json_add_key(&w, "end");
    weft_json_add_string(&w, weft_trial_state_names[state]);
    weft_json_add_key(&w, "score");
    weft_json_add_number(&w, state == WEFT_TRIAL_FAILED ? NAN : result->best_score);
    weft_json_add_key(&w, "epochs");
    weft_json_add_integer(&w, result->epochs);
    weft_json_add_key(&w, "best_epoch");
    weft_json_add_integer(&w, result->best_epoch);
    weft_json_add_key(&w, "seconds");
    weft_json_add_number(&w, weft_clock() - s->trial_began);
    weft_json_close_object(&w);
    if (status == WEFT_OK)
        status = weft_study_add_line(s, &line);
    else
        weft_text_free(&line);
    if (status == WEFT_OK)
        status = tidy(s, before);
    weft_journal_unlock(s->journal);
    return status;
}

/* Whether a training run stopped at a rung; judged anew when it ended in a process that could not write that down. */
static bool was_pruned(const weft_study *s, const weft_train_result *result)
{
    const weft_study_trial *t = s->table.trial + s->trial;
    if (s->stopped)
        return true;
    return s->options.prune && !s->trained && t->rungs > 0 && result->epochs == weft_rung_epochs[t->rungs - 1] &&
           stops_at(s, t->rungs - 1);
}

weft_status weft_study_run_trial(weft_study *s)
{
    weft_train_result result = {.best_epoch = -1, .best_score = NAN};
    s->trial_began = weft_clock();
    s->trained = s->stopped = false;
    weft_status status = train_trial(s, &result);
    if (status == WEFT_ERROR_NUMERIC) { /* settings that do not train are a result, too */
        weft_log(WEFT_LOG_WARNING, "trial %lld: %s", (long long)s->trial, weft_error());
        return end_trial(s, WEFT_TRIAL_FAILED, &result);
    }
    if (status != WEFT_OK)
        return status;
    return end_trial(s, was_pruned(s, &result) ? WEFT_TRIAL_PRUNED : WEFT_TRIAL_COMPLETE, &result);
}
