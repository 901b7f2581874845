/* In report.html: how sure the model is and how often rightly, and which rows are strange to it. */
#include "cli/tabular.h"
#include "tabular/decision.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LEVELS = 19, SHOWN_LEVELS = 4, SHOWN_ROWS = 50, BINS = 15 };

static const double interval_levels[SHOWN_LEVELS] = {0.5, 0.8, 0.9, 0.95}, set_levels[SHOWN_LEVELS] = {0.8, 0.9, 0.95, 0.99};

/* ---- classes ---- */

static void reliability(weft_report_run *r, const char *title, const char *note, const weft_tabular_config *c,
                        const weft_rows_data *rows, const double *p)
{
    int64_t n = rows->rows, width = weft_tabular_outputs(c);
    double right[BINS] = {0}, sum[BINS] = {0};
    weft_reliability_bin bins[BINS] = {0};
    for (int64_t i = 0; i < n; i++) {
        int64_t guess = weft_predicted_class(p, i, (int)c->n_classes);
        double top = width == 1 ? (guess ? p[i] : 1 - p[i]) : p[i * width + guess];
        int bin = (int)(top * BINS);
        bin = bin < 0 ? 0 : bin >= BINS ? BINS - 1 : bin;
        bins[bin].count++;
        sum[bin] += top;
        right[bin] += guess == rows->label[i];
    }
    for (int b = 0; b < BINS; b++)
        if (bins[b].count) {
            bins[b].confidence = sum[b] / (double)bins[b].count;
            bins[b].accuracy = right[b] / (double)bins[b].count;
        }
    weft_report_reliability(
        r->page,
        &(weft_chart){
            .title = title, .x_label = "probability of the predicted class", .y_label = "share that was right", .note = note},
        bins, BINS);
}

static double probability(const double *p, int64_t width, int64_t i, int64_t k)
{
    return width == 1 ? (k ? p[i] : 1 - p[i]) : p[i * width + k];
}

static void sets_table(weft_report_run *r, const weft_tabular_folder *f, const weft_rows_data *rows, const double *p)
{
    weft_report_column columns[] = {{"asked", WEFT_COLUMN_PERCENT, 1},
                                    {"held the true class", WEFT_COLUMN_PERCENT, 1},
                                    {"classes in a set", WEFT_COLUMN_NUMBER, 3}};
    weft_report_cell cells[SHOWN_LEVELS][3];
    memset(cells, 0, sizeof cells);
    int64_t width = weft_tabular_outputs(&f->config);
    for (int l = 0; l < SHOWN_LEVELS; l++) {
        double threshold = weft_calibration_threshold(f->calibration, set_levels[l]), held = 0, members = 0;
        for (int64_t i = 0; i < rows->rows; i++)
            for (int64_t k = 0; k < f->config.n_classes; k++) {
                bool inside = 1 - probability(p, width, i, k) <= threshold;
                members += inside;
                held += inside && rows->label[i] == k;
            }
        cells[l][0].number = set_levels[l];
        cells[l][1].number = held / (double)rows->rows;
        cells[l][2].number = members / (double)rows->rows;
    }
    weft_report_table(r->page, "Sets of classes that should hold the true one (predict --interval)", columns, 3, &cells[0][0],
                      SHOWN_LEVELS);
}

/* Two classes: what each threshold gives on these rows. */
static weft_status thresholds(weft_report_run *r, const weft_tabular_folder *f, const weft_rows_data *rows, const double *p)
{
    enum { MEASURES = 3 };
    static const char *const shown[MEASURES] = {"f1", "precision", "recall"};
    weft_decision *list;
    int64_t count;
    weft_status status = weft_decision_all(p, rows->label, rows->rows, &list, &count);
    double *x = status == WEFT_OK ? malloc((size_t)(count * (MEASURES + 1) + 1) * sizeof *x) : NULL;
    if (status == WEFT_OK && !x)
        status = weft_fail(WEFT_ERROR_MEMORY, "a report: memory is short");
    weft_series series[MEASURES];
    for (int64_t i = 0; i < count && status == WEFT_OK; i++)
        x[i] = list[i].threshold;
    for (int k = 0; k < MEASURES && status == WEFT_OK; k++) {
        const weft_decision_measure *measure = weft_decision_measure_find(shown[k]);
        double *y = x + count * (k + 1);
        for (int64_t i = 0; i < count; i++)
            y[i] = measure->value(&list[i]);
        series[k] = (weft_series){measure->name, x, y, (size_t)count};
    }
    char title[128];
    snprintf(title, sizeof title, "Saying \"%.60s\" above another probability", weft_schema_class(f->schema, 1));
    if (status == WEFT_OK)
        weft_report_lines(r->page,
                          &(weft_chart){.title = title,
                                        .x_label = "threshold",
                                        .y_label = "share",
                                        .note = "weft tabular threshold chooses one by what errors cost, or what must be found."},
                          series, MEASURES, f->calibration->threshold, "now");
    free(x);
    free(list);
    return status;
}

static weft_status classes(weft_report_run *r, const weft_tabular_folder *f, const weft_rows_data *rows,
                           const weft_predictions *said)
{
    size_t count = (size_t)(said->rows * said->width);
    double *p = malloc((count + 1) * sizeof *p);
    if (!p)
        return weft_fail(WEFT_ERROR_MEMORY, "a report: memory is short");
    memcpy(p, said->value, count * sizeof *p);
    weft_report_paragraph(
        r->page,
        "Of the rows that are predicted with 80 %%, 80 %% should be right. One number, the temperature, fitted on the "
        "validation rows, stretches all probabilities towards that: here it is %.3g (1 changes nothing, more makes "
        "the model less sure). The predicted class stays; predict --calibrated writes the stretched ones.",
        f->calibration->temperature);
    weft_metrics m[2] = {{0}, {0}};
    weft_status status = weft_value_metrics(&f->config, rows, p, 0, 1, &m[0]);
    reliability(r, "As the network says", "On the diagonal: as often right as it says. Below: too sure.", &f->config, rows, p);
    weft_calibration_apply(f->calibration, &f->config, rows->rows, p);
    if (status == WEFT_OK)
        status = weft_value_metrics(&f->config, rows, p, 0, 1, &m[1]);
    reliability(r, "After the temperature", "Points nearer to the diagonal: the temperature helped.", &f->config, rows, p);
    if (status == WEFT_OK && f->config.n_classes == 2)
        status = thresholds(r, f, rows, said->value);
    weft_report_column columns[] = {
        {"", WEFT_COLUMN_TEXT, 0}, {"before", WEFT_COLUMN_NUMBER, 4}, {"after", WEFT_COLUMN_NUMBER, 4}};
    weft_report_cell cells[][3] = {
        {{.text = "calibration error (15 bins)"}, {.number = m[0].ece}, {.number = m[1].ece}},
        {{.text = "log-loss"}, {.number = m[0].logloss}, {.number = m[1].logloss}},
        {{.text = "Brier score"}, {.number = m[0].brier}, {.number = m[1].brier}},
    };
    weft_report_table(r->page, "Before and after the temperature, on these rows", columns, 3, &cells[0][0], 3);
    sets_table(r, f, rows, p);
    weft_metrics_free(&m[0]);
    weft_metrics_free(&m[1]);
    free(p);
    return status;
}

/* ---- quantities ---- */

/* The share of rows within the interval of a level; *width: the mean one, in the target's units. */
static double coverage(const weft_tabular_folder *f, const weft_rows_data *rows, const weft_predictions *said, double level,
                       double *width)
{
    double threshold = weft_calibration_threshold(f->calibration, level), held = 0;
    *width = 0;
    for (int64_t i = 0; i < rows->rows; i++) {
        double reach = weft_calibration_reach(f->calibration, threshold, said->spread ? said->spread[i] : 0);
        held += fabs((double)rows->y[i] - said->value[i]) <= reach;
        *width += 2 * reach * f->schema->target_sd / (double)rows->rows;
    }
    return held / (double)rows->rows;
}

static void coverage_chart(weft_report_run *r, const weft_tabular_folder *f, const weft_rows_data *rows,
                           const weft_predictions *said)
{
    double asked[LEVELS], held[LEVELS], width;
    for (int l = 0; l < LEVELS; l++) {
        asked[l] = 0.05 * (l + 1);
        held[l] = coverage(f, rows, said, asked[l], &width);
    }
    weft_series series[] = {{"held", asked, held, LEVELS}, {"as asked", asked, asked, LEVELS}};
    weft_report_lines(r->page,
                      &(weft_chart){.title = "How often intervals hold the truth",
                                    .x_label = "share asked for",
                                    .y_label = "share of rows",
                                    .note = "On the dashed line the intervals are as wide as they should be; above it, wider."},
                      series, 2, NAN, NULL);
}

typedef struct shown_row {
    double value, truth, reach;
} shown_row;

static int by_value(const void *a, const void *b)
{
    double x = ((const shown_row *)a)->value, y = ((const shown_row *)b)->value;
    return (x > y) - (x < y);
}

/* The intervals of a few rows, spread evenly over the part. */
static void interval_chart(weft_report_run *r, const weft_tabular_folder *f, const weft_rows_data *rows,
                           const weft_predictions *said)
{
    double threshold = weft_calibration_threshold(f->calibration, 0.9);
    size_t n = rows->rows < SHOWN_ROWS ? (size_t)rows->rows : SHOWN_ROWS;
    shown_row list[SHOWN_ROWS];
    double lower[SHOWN_ROWS], upper[SHOWN_ROWS], truth[SHOWN_ROWS];
    if (isinf(threshold))
        return;
    for (size_t i = 0; i < n; i++) {
        int64_t at = (int64_t)i * rows->rows / (int64_t)n;
        list[i] = (shown_row){said->value[at], (double)rows->y[at],
                              weft_calibration_reach(f->calibration, threshold, said->spread ? said->spread[at] : 0)};
    }
    qsort(list, n, sizeof *list, by_value);
    for (size_t i = 0; i < n; i++) {
        lower[i] = weft_schema_unscale(f->schema, list[i].value - list[i].reach);
        upper[i] = weft_schema_unscale(f->schema, list[i].value + list[i].reach);
        truth[i] = weft_schema_unscale(f->schema, list[i].truth);
    }
    weft_series series[] = {{"truth", NULL, truth, n}, {"upper bound", NULL, upper, n}, {"lower bound", NULL, lower, n}};
    weft_report_lines(
        r->page,
        &(weft_chart){.title = "90 % intervals of a few rows",
                      .x_label = "rows, ordered by their prediction",
                      .y_label = f->schema->columns[f->schema->target].name,
                      .note = "Nine of ten truths should lie between the bounds. Wide where the neighbours disagree."},
        series, 3, NAN, NULL);
}

static void quantities(weft_report_run *r, const weft_tabular_folder *f, const weft_rows_data *rows, const weft_predictions *said)
{
    weft_report_column columns[] = {
        {"asked", WEFT_COLUMN_PERCENT, 1}, {"held the truth", WEFT_COLUMN_PERCENT, 1}, {"mean width", WEFT_COLUMN_NUMBER, 4}};
    weft_report_cell cells[SHOWN_LEVELS][3];
    memset(cells, 0, sizeof cells);
    for (int l = 0; l < SHOWN_LEVELS; l++) {
        cells[l][0].number = interval_levels[l];
        cells[l][1].number = coverage(f, rows, said, interval_levels[l], &cells[l][2].number);
    }
    weft_report_paragraph(r->page, "%s",
                          f->calibration->floor > 0
                              ? "Intervals are made from the errors on the validation rows (split conformal prediction), each in "
                                "proportion to how much the training rows behind the prediction disagree. predict --interval 0.9 "
                                "writes them."
                              : "Intervals are made from the errors on the validation rows (split conformal prediction). predict "
                                "--interval 0.9 writes them.");
    weft_report_table(r->page, "Intervals on these rows", columns, 3, &cells[0][0], SHOWN_LEVELS);
    coverage_chart(r, f, rows, said);
    interval_chart(r, f, rows, said);
}

/* ---- strange rows ---- */

static weft_status domain(weft_report_run *r, const weft_tabular_folder *f, const weft_predictions *said)
{
    double *rank = malloc(((size_t)said->rows + 1) * sizeof *rank);
    if (!rank)
        return weft_fail(WEFT_ERROR_MEMORY, "a report: memory is short");
    int64_t remote = 0;
    for (int64_t i = 0; i < said->rows; i++) {
        rank[i] = weft_calibration_rank(f->calibration, said->remoteness[i]);
        remote += rank[i] > WEFT_REMOTE;
    }
    char note[256];
    snprintf(
        note, sizeof note,
        "Level: these rows lie among the training rows as those lie among each other. A tower at the right end: strange rows. "
        "Out of domain (above %g): %.2f %%.",
        WEFT_REMOTE, 100 * (double)remote / (double)said->rows);
    weft_report_histogram(r->page,
                          &(weft_chart){.title = "How far from the training rows",
                                        .x_label = "share of training rows that lie nearer to the others",
                                        .y_label = "rows",
                                        .note = note},
                          rank, (size_t)said->rows, 20);
    free(rank);
    return WEFT_OK;
}

weft_status weft_report_run_certainty(weft_report_run *r, const weft_tabular_folder *f, const weft_rows_data *rows,
                                      const weft_predictions *said)
{
    weft_status status = WEFT_OK;
    if (!f->calibration)
        return status;
    weft_report_heading(r->page, 3, "How sure, and how often rightly");
    if (f->config.task == WEFT_TASK_REGRESSION)
        quantities(r, f, rows, said);
    else
        status = classes(r, f, rows, said);
    if (status == WEFT_OK && said->remoteness && f->calibration->distance)
        status = domain(r, f, said);
    return status;
}
