/* What a search found: trials.csv, and the charts and the table of the report. */
#include "base/files.h"
#include "cli/tabular_tune.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void cli_tune_values(const weft_space *space, const double *values, weft_text *out)
{
    const char *between = "";
    for (int i = 0; i < space->count; i++) {
        if (space->axis[i].kind == WEFT_AXIS_CHOICE) {
            if (values[i] == 0) {
                weft_text_add(out, "%s%s 0", between, space->axis[i].name + 1); /* without its question mark */
                between = ", ";
            }
            continue;
        }
        if (isnan(values[i]))
            continue;
        weft_text_add(out, "%s%s %.*g", between, space->axis[i].name, space->axis[i].kind == WEFT_AXIS_REAL ? 3 : 6, values[i]);
        between = ", ";
    }
}

static void add_number(weft_text *out, double value)
{
    weft_json_writer w = weft_json_to(out, 0);
    if (isfinite(value))
        weft_json_add_number(&w, value);
}

weft_status cli_tune_csv(const weft_study *study, const weft_space *space, const weft_measure *by, const char *folder)
{
    weft_text text = {0};
    weft_text_add(&text, "trial,state,val_%s,epochs,best_epoch,seconds", by->name);
    for (int i = 0; i < space->count; i++)
        if (space->axis[i].kind != WEFT_AXIS_CHOICE)
            weft_text_add(&text, ",%s", space->axis[i].name);
    weft_text_add(&text, "\n");
    for (int64_t k = 0; k < weft_study_count(study); k++) {
        const weft_study_trial *t = weft_study_trial_at(study, k);
        weft_text_add(&text, "%lld,%s,", (long long)k, weft_trial_state_names[t->state]);
        add_number(&text, weft_measure_score(by, t->score));
        weft_text_add(&text, ",%lld,%lld,%.3f", (long long)t->epochs, (long long)t->best_epoch + 1, t->seconds);
        for (int i = 0; i < space->count; i++) {
            if (space->axis[i].kind == WEFT_AXIS_CHOICE)
                continue;
            weft_text_add(&text, ",");
            if (space->axis[i].kind == WEFT_AXIS_INTEGER)
                weft_text_add(&text, "%lld", (long long)t->value[i]);
            else
                add_number(&text, isnan(t->value[i]) ? 0 : t->value[i]);
        }
        weft_text_add(&text, "\n");
    }
    char *path = weft_path_join(folder, "trials.csv");
    weft_status status = path && !text.failed ? weft_file_write(path, text.data, text.length)
                                              : weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", folder);
    free(path);
    weft_text_free(&text);
    return status;
}

/* ---- the report ---- */

/* scores [trials] of those that ended, NaN elsewhere; best [trials]: the best complete one up to there */
static void gather(const weft_study *study, const weft_measure *by, double *scores, double *best)
{
    double top = NAN;
    for (int64_t k = 0; k < weft_study_count(study); k++) {
        const weft_study_trial *t = weft_study_trial_at(study, k);
        scores[k] = t->state == WEFT_TRIAL_COMPLETE || t->state == WEFT_TRIAL_PRUNED ? weft_measure_score(by, t->score) : NAN;
        if (t->state == WEFT_TRIAL_COMPLETE && !(weft_measure_score(by, scores[k]) <= weft_measure_score(by, top)))
            top = scores[k];
        best[k] = top;
    }
}

static void settings_charts(weft_report_run *r, const weft_study *study, const weft_space *space, const char *measure,
                            const double *scores, double *values)
{
    size_t n = (size_t)weft_study_count(study);
    for (int i = 0; i < space->count; i++) {
        if (space->axis[i].kind == WEFT_AXIS_CHOICE)
            continue;
        for (size_t k = 0; k < n; k++)
            values[k] = weft_study_trial_at(study, (int64_t)k)->value[i];
        weft_report_scatter(
            r->page,
            &(weft_chart){
                .title = space->axis[i].name, .x_label = space->axis[i].name, .y_label = measure, .log_x = space->axis[i].log},
            values, scores, n, false);
    }
}

typedef struct ranked {
    double score;
    int64_t trial;
} ranked;

static int better_first(const void *a, const void *b)
{
    const ranked *x = a, *y = b;
    if (x->score != y->score)
        return x->score < y->score ? 1 : -1;
    return (x->trial > y->trial) - (x->trial < y->trial);
}

enum { SHOWN = 20, COLUMNS = 6 };

static void trials_table(weft_report_run *r, const weft_study *study, const weft_space *space, const char *measure,
                         const weft_measure *by)
{
    int64_t n = weft_study_count(study), shown = n < SHOWN ? n : SHOWN;
    ranked *list = malloc((size_t)(n + 1) * sizeof *list);
    weft_report_cell *cells = calloc((size_t)shown * COLUMNS + 1, sizeof *cells);
    weft_text settings[SHOWN] = {{0}};
    if (list && cells) {
        for (int64_t k = 0; k < n; k++) {
            const weft_study_trial *t = weft_study_trial_at(study, k);
            bool complete = t->state == WEFT_TRIAL_COMPLETE;
            list[k] = (ranked){complete ? t->score : t->state == WEFT_TRIAL_PRUNED ? -1e300 : -INFINITY, k};
        }
        qsort(list, (size_t)n, sizeof *list, better_first);
        for (int64_t i = 0; i < shown; i++) {
            const weft_study_trial *t = weft_study_trial_at(study, list[i].trial);
            weft_report_cell *row = cells + i * COLUMNS;
            cli_tune_values(space, t->value, &settings[i]);
            row[0].number = (double)list[i].trial;
            row[1].text = weft_trial_state_names[t->state];
            row[2].number = weft_measure_score(by, t->score);
            row[3].number = (double)t->epochs;
            row[4].number = t->seconds;
            row[5].text = settings[i].data ? settings[i].data : "";
        }
        const weft_report_column columns[COLUMNS] = {{"trial", WEFT_COLUMN_INTEGER, 0},   {"state", WEFT_COLUMN_TEXT, 0},
                                                     {measure, WEFT_COLUMN_NUMBER, 5},    {"epochs", WEFT_COLUMN_INTEGER, 0},
                                                     {"seconds", WEFT_COLUMN_SECONDS, 0}, {"settings", WEFT_COLUMN_TEXT, 0}};
        weft_report_table(r->page, n > SHOWN ? "The best 20 trials (all are in trials.csv)" : "Trials, the best first", columns,
                          COLUMNS, cells, (size_t)shown);
    }
    for (int i = 0; i < SHOWN; i++)
        weft_text_free(&settings[i]);
    free(list);
    free(cells);
}

void cli_tune_report(weft_report_run *r, const weft_study *study, const weft_space *space, const weft_measure *by)
{
    int64_t n = weft_study_count(study), best_trial = weft_study_best(study);
    char measure[64];
    snprintf(measure, sizeof measure, "validation %s", by->title);
    double *numbers = malloc((size_t)(3 * n + 1) * sizeof *numbers);
    if (!numbers || best_trial < 0) {
        free(numbers);
        return;
    }
    double *best = numbers + n, *trial = numbers + 2 * n;
    weft_text settings = {0};
    gather(study, by, numbers, best);
    for (int64_t k = 0; k < n; k++)
        trial[k] = (double)k;
    cli_tune_values(space, weft_study_trial_at(study, best_trial)->value, &settings);
    weft_report_heading(r->page, 3, "Search");
    weft_report_paragraph(
        r->page,
        "%lld trials. Trial %lld was the best on the validation rows (%s %.5g), and its model was kept: %s. Trial 0 is "
        "the model without tuning. The test rows had no part in the choice.",
        (long long)n, (long long)best_trial, measure, numbers[best_trial], settings.data ? settings.data : "");
    weft_series series[] = {{"this trial", trial, numbers, (size_t)n}, {"best so far", trial, best, (size_t)n}};
    weft_report_lines(r->page, &(weft_chart){.title = "Trials", .x_label = "trial", .y_label = measure}, series, 2,
                      (double)best_trial, "best trial");
    trials_table(r, study, space, measure, by);
    weft_report_heading(r->page, 3, "Each setting and the score");
    settings_charts(r, study, space, measure, numbers, trial);
    weft_text_free(&settings);
    free(numbers);
}
