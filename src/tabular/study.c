/* A study at work: its journal, and choosing the next trial under its lock. */
#include "tabular/study_inner.h"

#include "base/clock.h"
#include "base/files.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

weft_status weft_study_memory_short(const weft_study *s)
{
    return weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", s->options.folder);
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
            return weft_study_memory_short(s);
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

weft_status weft_study_add_line(weft_study *s, weft_text *line)
{
    weft_status status = line->failed || !line->data ? weft_study_memory_short(s) : weft_journal_add(s->journal, line->data);
    weft_text_free(line);
    return status == WEFT_OK ? weft_study_look(s) : status;
}

weft_json_writer weft_study_begin_line(weft_text *text, int64_t trial)
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
    weft_status status = model.failed ? weft_study_memory_short(s) : weft_json_parse(model.data, model.length, "settings", &json);
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
    return status == WEFT_OK && out->failed ? weft_study_memory_short(s) : status;
}

/* Reads the journal; the first process of a study writes the settings. */
static weft_status join_study(weft_study *s)
{
    weft_text line = {0};
    weft_status status = weft_study_look(s);
    if (status != WEFT_OK || s->table.settings)
        return status;
    weft_text_add(&line, "{\"study\": %s}", s->settings.data);
    return weft_study_add_line(s, &line);
}

weft_status weft_study_open(const weft_study_options *options, weft_study **out)
{
    *out = NULL;
    weft_study *s = calloc(1, sizeof *s);
    if (!s)
        return weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", options->folder);
    *s = (weft_study){.options = *options, .table = {.space = options->space}, .trial = -1};
    s->options.ended = NULL; /* what is there already was told then */
    char *path = weft_study_journal_path(options->folder), *trials = weft_study_path(options->folder, -1, NULL);
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

bool weft_study_is_start(int64_t number)
{
    return number == 0;
}

static weft_status choose_values(const weft_study *s, double *values)
{
    const weft_space *space = s->options.space;
    int64_t number = s->table.count, ended = 0;
    if (weft_study_is_start(number)) {
        weft_space_read(space, s->options.config, s->options.fit, values);
        return WEFT_OK;
    }
    weft_tpe_trial *trials = malloc((size_t)number * sizeof *trials);
    if (!trials)
        return weft_study_memory_short(s);
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
    char *path = weft_study_path(s->options.folder, number, ".lock");
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
    weft_json_writer w = weft_study_begin_line(&line, number);
    weft_json_add_key(&w, "begin");
    weft_space_write_values(s->options.space, values, &w);
    weft_json_close_object(&w);
    status = weft_study_add_line(s, &line);
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
        char *path = weft_study_path(s->options.folder, i, ".lock");
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
    bool in_time = s->options.seconds <= 0 || weft_clock() - s->began < s->options.seconds || weft_study_count(s) == 0;
    if (status == WEFT_OK && s->trial < 0 && s->table.count < s->options.trials && in_time)
        status = begin_trial(s, lock);
    weft_journal_unlock(s->journal);
    return status;
}

/* A process that was killed between a trial's last line and its tidying has left weights that nobody wants. */
static weft_status sweep(weft_study *s)
{
    weft_status status = weft_journal_lock(s->journal);
    if (status != WEFT_OK)
        return status;
    status = weft_study_look(s);
    int64_t best = weft_study_best(s);
    for (int64_t i = 0; i < s->table.count && status == WEFT_OK; i++)
        if (i != best && s->table.trial[i].state != WEFT_TRIAL_RUNNING)
            status = weft_study_remove_trial(s->options.folder, i);
    weft_journal_unlock(s->journal);
    return status;
}

weft_status weft_study_work(weft_study *s)
{
    weft_status status = WEFT_OK;
    bool others = true;
    int lock = -1;
    s->began = weft_clock();
    while (status == WEFT_OK) {
        if (weft_interrupted()) {
            status = WEFT_ERROR_INTERRUPTED;
            break;
        }
        status = next_trial(s, &lock, &others);
        if (status != WEFT_OK || (s->trial < 0 && !others))
            break;
        if (s->trial >= 0)
            status = weft_study_run_trial(s);
        else /* another process is at the last trials; if it dies, one of them is for us */
            nanosleep(&(struct timespec){.tv_nsec = 200000000}, NULL);
        weft_lock_end(lock);
        lock = -1;
    }
    weft_lock_end(lock);
    if (status == WEFT_OK)
        status = sweep(s);
    if (status == WEFT_ERROR_INTERRUPTED)
        weft_fail(status, "interrupted: the study is in %s; go on with the same command and --resume", s->options.folder);
    return status;
}
