/* A study at work: choosing the next trial under the journal's lock, training it, writing down how it ended. */
#include "tabular/study.h"

#include "base/files.h"
#include "tabular/ensemble.h"
#include "train/journal.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    CHECKPOINT_SECONDS = 10
}; /* of work that a killed process may lose; more often would cost short trials more than it saves */

struct weft_study {
    weft_study_options options;
    weft_journal *journal;
    weft_study_table table;
    weft_text settings; /* of this process, as the journal's first line holds them */
    bool *told;         /* [table.capacity at that time] trials whose end was told */
    int64_t told_capacity;
    double began; /* seconds of the clock when this process began to work */
    /* the trial that this process is at */
    int64_t trial;
    double trial_began;
    bool trained, stopped; /* in this process; at a rung */
    weft_status trouble;   /* of a callback that cannot answer a status */
};

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static weft_status short_of_memory(const weft_study *s)
{
    return weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", s->options.folder);
}

/* ---- files ---- */

static char *inside(const char *folder, int64_t trial, const char *name)
{
    weft_text path = {0};
    weft_text_add(&path, "%s/trials", folder);
    if (trial >= 0)
        weft_text_add(&path, "/%lld", (long long)trial);
    if (name)
        weft_text_add(&path, "%s%s", name[0] == '.' ? "" : "/", name);
    if (!path.failed)
        return path.data;
    weft_text_free(&path);
    weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", folder);
    return NULL;
}

char *weft_study_trial_folder(const weft_study *s, int64_t trial)
{
    return inside(s->options.folder, trial, NULL);
}

static char *journal_path(const char *folder)
{
    char *path = weft_path_join(folder, "journal.jsonl");
    if (!path)
        weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", folder);
    return path;
}

static weft_status remove_file(char *path)
{
    weft_status status = WEFT_OK;
    if (!path)
        return WEFT_ERROR_MEMORY;
    if (unlink(path) != 0 && errno != ENOENT && errno != ENOTDIR)
        status = weft_fail(WEFT_ERROR_FILE, "%s: cannot remove it: %s", path, strerror(errno));
    free(path);
    return status;
}

weft_status weft_study_drop_ensemble(const char *path)
{
    weft_status status = weft_members_forget(path);
    if (status == WEFT_OK)
        status = weft_run_forget(path);
    if (status == WEFT_OK)
        status = remove_file(weft_path_join(path, "metrics.jsonl"));
    (void)rmdir(path);
    return status;
}

/* What a trial left; of a trial that runs, only for who holds its lock. */
static weft_status remove_trial(const char *folder, int64_t trial)
{
    static const char *const files[] = {"model.safetensors", "metrics.jsonl"};
    char *path = inside(folder, trial, NULL), *ensemble = inside(folder, trial, "ensemble");
    weft_status status = path && ensemble ? WEFT_OK : WEFT_ERROR_MEMORY;
    if (status == WEFT_OK && weft_path_is_folder(ensemble))
        status = weft_study_drop_ensemble(ensemble);
    if (status == WEFT_OK && weft_path_is_folder(path))
        status = weft_run_forget(path);
    for (size_t i = 0; i < sizeof files / sizeof files[0] && status == WEFT_OK; i++)
        status = remove_file(inside(folder, trial, files[i]));
    if (status == WEFT_OK)
        status = remove_file(inside(folder, trial, ".lock"));
    if (path)
        (void)rmdir(path);
    free(path);
    free(ensemble);
    return status;
}

bool weft_study_begun(const char *folder)
{
    char *path = journal_path(folder);
    bool begun = path && weft_path_exists(path);
    free(path);
    return begun;
}

static weft_status skip_line(void *user, const char *text, size_t length, int64_t number)
{
    (void)text;
    (void)length;
    *(int64_t *)user = number; /* there are no more trials than lines */
    return WEFT_OK;
}

weft_status weft_study_forget(const char *folder)
{
    weft_journal *journal = NULL;
    int64_t lines = 0;
    char *path = journal_path(folder);
    weft_status status = path ? weft_journal_open(path, &journal) : WEFT_ERROR_MEMORY;
    if (status == WEFT_OK)
        status = weft_journal_read(journal, skip_line, &lines);
    weft_journal_close(journal);
    for (int64_t k = 0; k < lines && status == WEFT_OK; k++)
        status = remove_trial(folder, k);
    char *trials = inside(folder, -1, NULL);
    if (trials)
        (void)rmdir(trials);
    free(trials);
    return status == WEFT_OK ? remove_file(path) : (free(path), status);
}

/* ---- the journal ---- */

static weft_status take_line(void *user, const char *text, size_t length, int64_t number)
{
    weft_study *s = user;
    bool first = !s->table.settings;
    weft_status status = weft_study_take_line(&s->table, text, length, weft_journal_path(s->journal), number);
    if (status == WEFT_OK && first && s->table.settings) /* before trials are read that only make sense with the same */
        status = weft_settings_same(s->options.folder, s->table.settings, s->settings.data);
    return status;
}

weft_status weft_study_look(weft_study *s)
{
    weft_status status = weft_journal_read(s->journal, take_line, s);
    if (status == WEFT_OK && s->table.count > s->told_capacity) {
        bool *more = realloc(s->told, (size_t)s->table.capacity * sizeof *more);
        if (!more)
            return short_of_memory(s);
        for (int64_t i = s->told_capacity; i < s->table.capacity; i++)
            more[i] = false;
        s->told = more;
        s->told_capacity = s->table.capacity;
    }
    for (int64_t i = 0; status == WEFT_OK && i < s->table.count; i++)
        if (!s->told[i] && s->table.trial[i].state != WEFT_TRIAL_RUNNING) {
            s->told[i] = true;
            if (s->options.ended)
                s->options.ended(s->options.user, i);
        }
    return status;
}

/* Adds a line and reads it back, so that what this process knows is what every other one will. */
static weft_status add_line(weft_study *s, weft_text *line)
{
    weft_status status = line->failed || !line->data ? short_of_memory(s) : weft_journal_add(s->journal, line->data);
    weft_text_free(line);
    return status == WEFT_OK ? weft_study_look(s) : status;
}

static weft_json_writer begin_line(weft_text *text, int64_t trial)
{
    weft_json_writer w = weft_json_to(text, 0);
    weft_json_open_object(&w);
    weft_json_add_key(&w, "trial");
    weft_json_add_integer(&w, trial);
    return w;
}

/* What all processes of a study must share. */
static weft_status add_settings(const weft_study *s, weft_text *out)
{
    const weft_fit_options *fit = s->options.fit;
    weft_text model = {0};
    weft_json *json = NULL;
    weft_json_value value;
    const char *key;
    char number[32];
    weft_json_writer w = weft_json_to(out, 0);
    weft_json_open_object(&w);
    weft_json_add_key(&w, "seed");
    snprintf(number, sizeof number, "%llu", (unsigned long long)fit->seed);
    weft_json_add_string(&w, number);
    weft_fit_settings(s->options.config, fit, &model);
    weft_status status = model.failed ? short_of_memory(s) : weft_json_parse(model.data, model.length, "settings", &json);
    for (int64_t i = 0; (key = weft_json_key(weft_json_root(json), i, &value)) != NULL; i++) {
        weft_json_add_key(&w, key);
        weft_json_add_value(&w, value);
    }
    weft_json_free(json);
    weft_text_free(&model);
    weft_json_add_key(&w, "axes");
    weft_json_open_list(&w);
    weft_space_write(s->options.space, &w);
    weft_json_close_list(&w);
    weft_json_add_key(&w, "epochs");
    weft_json_add_integer(&w, fit->max_epochs);
    weft_json_add_key(&w, "patience");
    weft_json_add_integer(&w, fit->patience);
    weft_json_add_key(&w, "prune");
    weft_json_add_bool(&w, s->options.prune);
    weft_json_add_key(&w, "data");
    weft_json_open_list(&w);
    for (int i = 0; fit->run && i < fit->run->data_count && status == WEFT_OK; i++) {
        uint64_t checksum = 0;
        int64_t bytes;
        status = weft_file_checksum(fit->run->data[i], &checksum, &bytes);
        snprintf(number, sizeof number, "%016llx", (unsigned long long)checksum);
        weft_json_add_string(&w, number);
    }
    weft_json_close_list(&w);
    weft_json_close_object(&w);
    return status == WEFT_OK && out->failed ? short_of_memory(s) : status;
}

/* Reads the journal; the first process of a study writes the settings. */
static weft_status join_study(weft_study *s)
{
    weft_text line = {0};
    weft_status status = weft_study_look(s);
    if (status != WEFT_OK || s->table.settings)
        return status;
    weft_text_add(&line, "{\"study\": %s}", s->settings.data);
    return add_line(s, &line);
}

weft_status weft_study_open(const weft_study_options *options, weft_study **out)
{
    *out = NULL;
    weft_study *s = calloc(1, sizeof *s);
    if (!s)
        return weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", options->folder);
    *s = (weft_study){.options = *options, .table = {.space = options->space}, .trial = -1};
    s->options.ended = NULL; /* what is there already was told then */
    char *path = journal_path(options->folder), *trials = inside(options->folder, -1, NULL);
    weft_status status = path && trials ? weft_fit_check(options->config, options->train) : WEFT_ERROR_MEMORY;
    if (status == WEFT_OK)
        status = add_settings(s, &s->settings);
    if (status == WEFT_OK)
        status = weft_folder_make(trials);
    if (status == WEFT_OK)
        status = weft_journal_open(path, &s->journal);
    if (status == WEFT_OK)
        status = weft_journal_lock(s->journal);
    if (status == WEFT_OK) {
        status = join_study(s);
        weft_journal_unlock(s->journal);
    }
    free(path);
    free(trials);
    if (status != WEFT_OK) {
        weft_study_close(s);
        return status;
    }
    s->options.ended = options->ended;
    *out = s;
    return WEFT_OK;
}

void weft_study_close(weft_study *s)
{
    if (!s)
        return;
    weft_journal_close(s->journal);
    weft_study_table_free(&s->table);
    weft_text_free(&s->settings);
    free(s->told);
    free(s);
}

int64_t weft_study_count(const weft_study *s)
{
    return s->table.count;
}

const weft_study_trial *weft_study_trial_at(const weft_study *s, int64_t i)
{
    return s->table.trial + i;
}

int64_t weft_study_best(const weft_study *s)
{
    int64_t best = -1;
    for (int64_t i = 0; i < s->table.count; i++) {
        const weft_study_trial *t = s->table.trial + i;
        if (t->state == WEFT_TRIAL_COMPLETE && (best < 0 || t->score > s->table.trial[best].score))
            best = i;
    }
    return best;
}

void weft_study_settings(const weft_study *s, int64_t trial, weft_tabular_config *config, weft_fit_options *fit)
{
    *config = *s->options.config;
    *fit = *s->options.fit;
    weft_space_apply(s->options.space, s->table.trial[trial].value, config, fit);
}

/* ---- choosing a trial ---- */

/* The first trial is the model as it is without tuning, so that tuning never ends with less; the others are suggested. */
static weft_status choose_values(const weft_study *s, double *values)
{
    const weft_space *space = s->options.space;
    int64_t number = s->table.count, ended = 0;
    if (number == 0) {
        weft_space_read(space, s->options.config, s->options.fit, values);
        return WEFT_OK;
    }
    weft_tpe_trial *trials = malloc((size_t)number * sizeof *trials);
    if (!trials)
        return short_of_memory(s);
    for (int64_t i = 0; i < number; i++) {
        const weft_study_trial *t = s->table.trial + i;
        if (t->state == WEFT_TRIAL_COMPLETE || t->state == WEFT_TRIAL_PRUNED)
            trials[ended++] = (weft_tpe_trial){t->value, t->score, t->state == WEFT_TRIAL_PRUNED, t->epochs};
    }
    weft_status status = WEFT_OK;
    for (int i = 0; i < space->count && status == WEFT_OK; i++) {
        values[i] = NAN;
        if (space->gate[i] < 0 || values[space->gate[i]] == 1)
            status = weft_tpe_suggest(space->axis, i, trials, ended, s->options.fit->seed, number, &values[i]);
    }
    free(trials);
    return status;
}

static weft_status begin_trial(weft_study *s, int *lock)
{
    double values[WEFT_SPACE_AXES];
    int64_t number = s->table.count;
    char *path = inside(s->options.folder, number, ".lock");
    weft_status status = path ? weft_lock_try(path, lock) : WEFT_ERROR_MEMORY;
    free(path);
    if (status == WEFT_OK && *lock < 0)
        status = weft_fail(WEFT_ERROR_FILE, "%s: another process is at trial %lld of another study there", s->options.folder,
                           (long long)number);
    if (status == WEFT_OK)
        status = choose_values(s, values);
    if (status != WEFT_OK)
        return status;
    weft_text line = {0};
    weft_json_writer w = begin_line(&line, number);
    weft_json_add_key(&w, "begin");
    weft_space_write_values(s->options.space, values, &w);
    weft_json_close_object(&w);
    status = add_line(s, &line);
    if (status == WEFT_OK)
        s->trial = number;
    return status;
}

/* A trial that has begun, has not ended, and that no process is at. */
static weft_status adopt_trial(weft_study *s, int *lock, bool *others)
{
    weft_status status = WEFT_OK;
    *others = false;
    for (int64_t i = 0; i < s->table.count && s->trial < 0 && status == WEFT_OK; i++) {
        if (s->table.trial[i].state != WEFT_TRIAL_RUNNING)
            continue;
        char *path = inside(s->options.folder, i, ".lock");
        status = path ? weft_lock_try(path, lock) : WEFT_ERROR_MEMORY;
        free(path);
        if (status == WEFT_OK && *lock >= 0)
            s->trial = i;
        else
            *others = true;
    }
    return status;
}

/* Sets s->trial and its lock, or leaves it −1: there is nothing to begin; *others: but other processes are at work. */
static weft_status next_trial(weft_study *s, int *lock, bool *others)
{
    s->trial = -1;
    *lock = -1;
    weft_status status = weft_journal_lock(s->journal);
    if (status != WEFT_OK)
        return status;
    status = weft_study_look(s);
    if (status == WEFT_OK)
        status = adopt_trial(s, lock, others);
    bool in_time = s->options.seconds <= 0 || now() - s->began < s->options.seconds || weft_study_count(s) == 0;
    if (status == WEFT_OK && s->trial < 0 && s->table.count < s->options.trials && in_time)
        status = begin_trial(s, lock);
    weft_journal_unlock(s->journal);
    return status;
}

/* ---- training it ---- */

static void on_epoch(void *user, int64_t epoch, double train_loss, const weft_metrics *val, bool best)
{
    (void)train_loss;
    (void)best;
    weft_study *s = user;
    if (s->options.epoch)
        s->options.epoch(s->options.user, s->trial, epoch,
                         weft_measure_value(weft_fit_measure(s->options.config, s->options.fit), val));
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
        weft_json_writer w = begin_line(&line, s->trial);
        weft_json_add_key(&w, "epochs");
        weft_json_add_integer(&w, weft_rung_epochs[rung]);
        weft_json_add_key(&w, "score");
        weft_json_add_number(&w, best_score);
        weft_json_close_object(&w);
        status = add_line(s, &line);
    }
    weft_journal_unlock(s->journal);
    if (status == WEFT_OK)
        *stops = weft_study_stops(&s->table, s->trial, rung);
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
    char *folder = weft_study_trial_folder(s, s->trial), *run = folder ? inside(s->options.folder, s->trial, "run.json") : NULL;
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
    weft_status status = best == s->trial ? WEFT_OK : remove_trial(s->options.folder, s->trial);
    if (status == WEFT_OK && before >= 0 && before != best)
        status = remove_trial(s->options.folder, before);
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
    weft_json_writer w = begin_line(&line, s->trial);
    weft_json_add_key(&w, "end");
    weft_json_add_string(&w, weft_trial_state_names[state]);
    weft_json_add_key(&w, "score");
    weft_json_add_number(&w, state == WEFT_TRIAL_FAILED ? NAN : result->best_score);
    weft_json_add_key(&w, "epochs");
    weft_json_add_integer(&w, result->epochs);
    weft_json_add_key(&w, "best_epoch");
    weft_json_add_integer(&w, result->best_epoch);
    weft_json_add_key(&w, "seconds");
    weft_json_add_number(&w, now() - s->trial_began);
    weft_json_close_object(&w);
    if (status == WEFT_OK)
        status = add_line(s, &line);
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
           weft_study_stops(&s->table, s->trial, t->rungs - 1);
}

static weft_status run_trial(weft_study *s)
{
    weft_train_result result = {.best_epoch = -1, .best_score = NAN};
    s->trial_began = now();
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

weft_status weft_study_work(weft_study *s)
{
    weft_status status = WEFT_OK;
    bool others = true;
    int lock = -1;
    s->began = now();
    while (status == WEFT_OK) {
        if (weft_interrupted()) {
            status = WEFT_ERROR_INTERRUPTED;
            break;
        }
        status = next_trial(s, &lock, &others);
        if (status != WEFT_OK || (s->trial < 0 && !others))
            break;
        if (s->trial >= 0)
            status = run_trial(s);
        else /* another process is at the last trials; if it dies, one of them is for us */
            nanosleep(&(struct timespec){.tv_nsec = 200000000}, NULL);
        weft_lock_end(lock);
        lock = -1;
    }
    weft_lock_end(lock);
    if (status == WEFT_ERROR_INTERRUPTED)
        weft_fail(status, "interrupted: the study is in %s; go on with the same command and --resume", s->options.folder);
    return status;
}
