/* report.html of a training run: what was learnt from which columns, the curves, and how good the predictions are. */
#include "base/files.h"
#include "cli/tabular.h"
#include "tabular/scales.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CURVES = sizeof((weft_report_run *)0)->first / sizeof(int64_t) };

weft_status weft_report_run_open(weft_report_run *r, const char *arch, const char *data, const weft_tabular_config *c,
                                 const weft_measure *by, const weft_schema *schema)
{
    char title[512], numbers[5][64];
    snprintf(title, sizeof title, "%s on %s", arch, data);
    r->page = weft_report_new(title);
    r->measure = by;
    if (!r->page)
        return weft_fail(WEFT_ERROR_MEMORY, "a report: memory is short");
    snprintf(numbers[0], sizeof numbers[0], "%lld", (long long)schema->train_rows);
    snprintf(numbers[1], sizeof numbers[1], "%d numerical, %d binary, %d categorical", schema->n_num, schema->n_bin,
             schema->n_cat);
    snprintf(numbers[2], sizeof numbers[2], "%lld", (long long)weft_schema_inputs(schema));
    snprintf(numbers[3], sizeof numbers[3], "%lld", (long long)c->context_size);
    weft_report_pair pairs[] = {
        {"Task", weft_task_names[c->task]},    {"Target", schema->columns[schema->target].name},
        {"Training rows", numbers[0]},         {"Columns", numbers[1]},
        {"Inputs of the network", numbers[2]}, {"Training rows that each row looks at", numbers[3]},
    };
    weft_report_pairs(r->page, "The table and the model", pairs, c->arch == WEFT_TABULAR_TABR ? 6 : 5);
    weft_report_heading(r->page, 3, "Columns");
    weft_report_column columns[] = {{"column", WEFT_COLUMN_TEXT, 0}, {"kind", WEFT_COLUMN_TEXT, 0}, {"why", WEFT_COLUMN_TEXT, 0}};
    weft_report_cell *cells = calloc((size_t)schema->n_columns * 3 + 1, sizeof *cells);
    if (!cells)
        return weft_fail(WEFT_ERROR_MEMORY, "a report: memory is short");
    for (int i = 0; i < schema->n_columns; i++) {
        cells[3 * i].text = schema->columns[i].name;
        cells[3 * i + 1].text = weft_column_kind_names[schema->columns[i].kind];
        cells[3 * i + 2].text = schema->columns[i].reason ? schema->columns[i].reason : "";
    }
    weft_report_table(r->page, "How each column is read", columns, 3, cells, (size_t)schema->n_columns);
    free(cells);
    return WEFT_OK;
}

void weft_report_run_member(weft_report_run *r)
{
    if (r->members < CURVES)
        r->first[r->members++] = r->epochs;
}

void weft_report_run_epoch(weft_report_run *r, double train_loss, double val_value)
{
    if (r->members == 0)
        weft_report_run_member(r);
    if (r->epochs == r->capacity) {
        int64_t capacity = r->capacity ? 2 * r->capacity : 64;
        double *loss = realloc(r->loss, (size_t)capacity * sizeof *loss);
        if (loss)
            r->loss = loss;
        double *score = realloc(r->score, (size_t)capacity * sizeof *score);
        if (score)
            r->score = score;
        if (!loss || !score)
            return;
        r->capacity = capacity;
    }
    r->loss[r->epochs] = train_loss;
    r->score[r->epochs++] = val_value;
}

weft_status weft_report_run_load(weft_report_run *r, const char *folder)
{
    char *path = weft_path_join(folder, "metrics.jsonl"), *text = NULL;
    size_t size = 0;
    weft_status status =
        path ? weft_file_read(path, (size_t)1 << 30, &text, &size) : weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", folder);
    int64_t member = -1;
    char key[32];
    snprintf(key, sizeof key, "val_%s", r->measure->name);
    r->epochs = r->members = 0;
    for (char *line = text, *end; status == WEFT_OK && line && *line; line = end) {
        end = line + strcspn(line, "\n");
        weft_json *json = NULL;
        status = weft_json_parse(line, (size_t)(end - line), path, &json);
        weft_json_value root = weft_json_root(json), score = weft_json_get(root, key);
        int64_t of = weft_json_integer(weft_json_get(root, "member"), 0);
        if (status == WEFT_OK && of != member)
            weft_report_run_member(r);
        member = of;
        if (status == WEFT_OK && weft_json_present(score))
            weft_report_run_epoch(r, weft_json_number(weft_json_get(root, "train_loss"), NAN), weft_json_number(score, NAN));
        weft_json_free(json);
        end += *end == '\n';
    }
    free(text);
    free(path);
    return status;
}

/* A curve a member of an ensemble, at most CURVES. */
static void curves(const weft_report_run *r, const char *name, const double *values, weft_series out[CURVES],
                   char names[CURVES][32])
{
    for (int k = 0; k < r->members; k++) {
        int64_t end = k + 1 < r->members ? r->first[k + 1] : r->epochs;
        snprintf(names[k], 32, "member %d", k + 1);
        out[k] = (weft_series){r->members > 1 ? names[k] : name, NULL, values + r->first[k], (size_t)(end - r->first[k])};
    }
}

void weft_report_run_scales(weft_report_run *r, const weft_tabular_config *c, const double *score)
{
    weft_report_column columns[] = {{"frequency scale", WEFT_COLUMN_NUMBER, 3}, {r->measure->title, WEFT_COLUMN_NUMBER, 5}};
    weft_report_cell cells[WEFT_SCALES][2];
    memset(cells, 0, sizeof cells);
    for (int k = 0; k < WEFT_SCALES; k++) {
        cells[k][0].number = weft_scales[k];
        cells[k][1].number = weft_measure_score(r->measure, score[k]);
    }
    weft_report_heading(r->page, 3, "Frequency scale of the embedded numbers");
    weft_report_paragraph(r->page,
                          "Steps and thresholds want fast waves, smooth targets slow ones. A few epochs with each decided by the "
                          "validation rows: %.3g.",
                          c->num_embeddings.frequency_scale);
    weft_report_table(r->page, "Best validation score of these epochs", columns, 2, &cells[0][0], WEFT_SCALES);
}

void weft_report_run_training(weft_report_run *r, const weft_train_result *result, double seconds)
{
    char names[CURVES][32];
    weft_series series[CURVES];
    char measure[64];
    snprintf(measure, sizeof measure, "validation %s", r->measure->title);
    double best = r->members > 1 ? NAN : (double)result->best_epoch + 1;
    weft_report_heading(r->page, 3, "Training");
    if (r->members > 1)
        weft_report_paragraph(
            r->page,
            "An ensemble: models that differ in their seeds alone, trained in %.1f seconds; of each the weights of "
            "its best epoch were kept. The curves below are those of the first %d.",
            seconds, r->members);
    else
        weft_report_paragraph(
            r->page, "%lld epochs in %.1f seconds; the weights of epoch %lld, which had the best validation score, were kept.",
            (long long)result->epochs, seconds, (long long)result->best_epoch + 1);
    curves(r, "training loss", r->loss, series, names);
    weft_report_lines(
        r->page,
        &(weft_chart){.title = "Training loss",
                      .x_label = "epoch",
                      .y_label = r->measure->regression ? "mean squared error, standardised" : "cross-entropy",
                      .note =
                          "On the training rows, with dropout: it goes on falling after the model has begun to learn by heart."},
        series, (size_t)r->members, best, "best epoch");
    curves(r, measure, r->score, series, names);
    weft_report_lines(r->page,
                      &(weft_chart){.title = measure,
                                    .x_label = "epoch",
                                    .y_label = r->measure->title,
                                    .note = "On rows that training does not see: the best epoch's weights are kept."},
                      series, (size_t)r->members, best, "best epoch");
}

static void regression_charts(weft_report_run *r, const weft_schema *schema, const weft_rows_data *rows, const double *value)
{
    size_t n = (size_t)rows->rows;
    double *predicted = malloc((3 * n + 1) * sizeof *predicted), *truth = predicted ? predicted + n : NULL,
           *error = predicted ? predicted + 2 * n : NULL;
    if (!predicted)
        return;
    for (size_t i = 0; i < n; i++) {
        predicted[i] = weft_schema_unscale(schema, value[i]);
        truth[i] = weft_schema_unscale(schema, (double)rows->y[i]);
        error[i] = predicted[i] - truth[i];
    }
    const char *target = schema->columns[schema->target].name;
    weft_report_scatter(r->page,
                        &(weft_chart){.title = "Predicted and true",
                                      .x_label = target,
                                      .y_label = "predicted",
                                      .note = "On the line: right. Above it: too high."},
                        truth, predicted, n, true);
    weft_report_histogram(r->page,
                          &(weft_chart){.title = "Errors",
                                        .x_label = "predicted − true",
                                        .y_label = "rows",
                                        .note = "Centred on 0: no bias. Long tails: a few rows are far off."},
                          error, n, 0);
    free(predicted);
}

void weft_report_run_predictions(weft_report_run *r, const weft_tabular_config *c, const weft_schema *schema,
                                 const weft_rows_data *rows, const double *value, const weft_metrics *m)
{
    char text[8][48];
    weft_report_heading(r->page, 3, "Predictions of rows that training has not seen");
    if (c->task == WEFT_TASK_REGRESSION) {
        snprintf(text[0], sizeof text[0], "%.5g", m->rmse);
        snprintf(text[1], sizeof text[1], "%.5g", m->mae);
        snprintf(text[2], sizeof text[2], "%.4f", m->r2);
        weft_report_pair pairs[] = {{"RMSE", text[0]}, {"MAE", text[1]}, {"R²", text[2]}};
        weft_report_pairs(r->page, "Errors", pairs, 3);
        regression_charts(r, schema, rows, value);
        return;
    }
    snprintf(text[0], sizeof text[0], "%.4f", m->accuracy);
    snprintf(text[1], sizeof text[1], "%.4f", m->logloss);
    snprintf(text[2], sizeof text[2], "%.4f", m->macro_f1);
    snprintf(text[3], sizeof text[3], "%.4f", m->ece);
    snprintf(text[4], sizeof text[4], "%.4f", m->auc);
    weft_report_pair pairs[] = {{"Accuracy", text[0]},
                                {"Log-loss", text[1]},
                                {"Macro F1", text[2]},
                                {"Calibration error (15 bins)", text[3]},
                                {"ROC AUC", text[4]}};
    weft_report_pairs(r->page, "Scores", pairs, isnan(m->auc) || c->task == WEFT_TASK_MULTICLASS ? 4 : 5);
    weft_report_confusion(
        r->page,
        &(weft_chart){.title = "Confusion",
                      .x_label = "predicted",
                      .y_label = "true",
                      .note = "On the diagonal: right. A dark cell beside it: two classes that are taken for each other."},
        weft_schema_classes(schema), m->confusion, (size_t)m->classes);
}

weft_status weft_report_run_save(weft_report_run *r, const char *folder)
{
    char *path = weft_path_join(folder, "report.html");
    weft_status status = path ? weft_report_save(r->page, path) : weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", folder);
    free(path);
    return status;
}

void weft_report_run_close(weft_report_run *r)
{
    weft_report_free(r->page);
    free(r->loss);
    free(r->score);
}
