/* The lines of a study's journal: what each says, read back with every doubt, and which trials it is worth going on with.
 *
 *     {"study": {"seed": "0", "arch": …, "axes": […], …}}
 *     {"trial": 0, "begin": {"d_main": 265, "lr": 0.0003, "?weight_decay": 0}}
 *     {"trial": 0, "epochs": 3, "score": -0.61}
 *     {"trial": 0, "end": "complete", "score": -0.52, "epochs": 40, "best_epoch": 23, "seconds": 61.2}
 */
#include "tabular/study.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const int64_t weft_rung_epochs[WEFT_RUNGS] = {3, 9, 27, 81, 243};
const char *const weft_trial_state_names[] = {"running", "complete", "pruned", "failed"};

void weft_study_table_free(weft_study_table *t)
{
    free(t->trial);
    free(t->settings);
    *t = (weft_study_table){0};
}

static weft_status take_settings(weft_study_table *t, weft_json_value settings, const char *where)
{
    if (t->settings)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: the study's settings stand there a second time", where);
    weft_text text = {0};
    weft_json_writer w = weft_json_to(&text, 0);
    weft_json_add_value(&w, settings);
    if (text.failed || !text.data)
        return weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", where);
    t->settings = text.data;
    return WEFT_OK;
}

static weft_status take_begin(weft_study_table *t, int64_t number, weft_json_value values, const char *where)
{
    if (number != t->count)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: trial %lld begins, expected trial %lld", where, (long long)number,
                         (long long)t->count);
    if (t->count == t->capacity) {
        int64_t capacity = t->capacity ? 2 * t->capacity : 64;
        weft_study_trial *more = realloc(t->trial, (size_t)capacity * sizeof *more);
        if (!more)
            return weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", where);
        t->trial = more;
        t->capacity = capacity;
    }
    weft_study_trial trial = {.state = WEFT_TRIAL_RUNNING, .score = NAN, .best_epoch = -1};
    weft_status status = weft_space_read_values(t->space, values, where, trial.value);
    if (status == WEFT_OK)
        t->trial[t->count++] = trial;
    return status;
}

static weft_status take_rung(weft_study_trial *trial, weft_json_value line, const char *where)
{
    int64_t epochs = weft_json_integer(weft_json_get(line, "epochs"), -1);
    double score = weft_json_number(weft_json_get(line, "score"), NAN);
    if (trial->rungs == WEFT_RUNGS || epochs != weft_rung_epochs[trial->rungs] || !isfinite(score))
        return weft_fail(WEFT_ERROR_FORMAT, "%s: no score after %lld epochs is due", where, (long long)epochs);
    trial->rung[trial->rungs++] = score;
    return WEFT_OK;
}

static weft_status take_end(weft_study_trial *trial, weft_json_value line, const char *where)
{
    const char *end = weft_json_string(weft_json_get(line, "end"), "");
    int state = WEFT_TRIAL_COMPLETE;
    while (state <= WEFT_TRIAL_FAILED && strcmp(end, weft_trial_state_names[state]) != 0)
        state++;
    if (state > WEFT_TRIAL_FAILED)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: end is \"%s\", expected complete, pruned or failed", where, end);
    weft_status status = weft_json_take_integer(line, where, "epochs", 0, INT64_MAX, &trial->epochs);
    if (status == WEFT_OK)
        status = weft_json_take_integer(line, where, "best_epoch", -1, INT64_MAX, &trial->best_epoch);
    trial->score = weft_json_number(weft_json_get(line, "score"), NAN);
    trial->seconds = weft_json_number(weft_json_get(line, "seconds"), 0);
    if (status == WEFT_OK && state != WEFT_TRIAL_FAILED && !isfinite(trial->score))
        status = weft_fail(WEFT_ERROR_FORMAT, "%s: the trial has ended without a score", where);
    if (status == WEFT_OK)
        trial->state = (weft_trial_state)state;
    return status;
}

static weft_status take(weft_study_table *t, weft_json_value line, const char *where)
{
    weft_json_value settings = weft_json_get(line, "study"), begin = weft_json_get(line, "begin");
    int64_t number = -1;
    if (weft_json_kind_of(line) != WEFT_JSON_OBJECT)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: holds no JSON object", where);
    if (weft_json_kind_of(settings) == WEFT_JSON_OBJECT)
        return take_settings(t, settings, where);
    if (!t->settings)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: a trial stands before the study's settings", where);
    weft_status status = weft_json_take_integer(line, where, "trial", 0, INT64_MAX, &number);
    if (status != WEFT_OK)
        return status;
    if (weft_json_kind_of(begin) == WEFT_JSON_OBJECT)
        return take_begin(t, number, begin, where);
    if (number < 0 || number >= t->count)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: trial %lld has not begun", where, (long long)number);
    if (t->trial[number].state != WEFT_TRIAL_RUNNING)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: trial %lld has ended before", where, (long long)number);
    return weft_json_get(line, "end").node ? take_end(t->trial + number, line, where) : take_rung(t->trial + number, line, where);
}

weft_status weft_study_take_line(weft_study_table *t, const char *text, size_t length, const char *where, int64_t number)
{
    char place[1200];
    weft_json *json = NULL;
    snprintf(place, sizeof place, "%.1100s line %lld", where, (long long)number);
    weft_status status = weft_json_parse(text, length, place, &json);
    if (status == WEFT_OK)
        status = take(t, weft_json_root(json), place);
    weft_json_free(json);
    return status;
}

bool weft_study_stops(const weft_study_table *t, int64_t trial, int rung)
{
    double score = t->trial[trial].rung[rung];
    int64_t came = 0, better = 0;
    for (int64_t i = 0; i < t->count; i++)
        if (t->trial[i].rungs > rung) {
            came++;
            better += t->trial[i].rung[rung] > score;
        }
    return better >= (came < WEFT_HALVING ? 1 : came / WEFT_HALVING);
}
