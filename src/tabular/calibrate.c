/* Fitting and using a calibration; its file is in calibrate_file.c. */
#include "tabular/calibrate.h"

#include "tabular/predict.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { DISTANCE_LEVELS = 1001 };

static weft_status short_of_memory(void)
{
    return weft_fail(WEFT_ERROR_MEMORY, "a calibration: memory is short");
}

void weft_calibration_free(weft_calibration *c)
{
    if (!c)
        return;
    free(c->score);
    free(c->distance);
    free(c);
}

/* ---- temperature ---- */

static double log_of(double p)
{
    return log(p > 1e-300 ? p : 1e-300);
}

/* The logarithms of a row's probabilities, of both classes where there are two. */
static void row_logs(const double *probability, int64_t row, int64_t classes, double *out)
{
    if (classes == 2) {
        out[0] = log_of(1 - probability[row]);
        out[1] = log_of(probability[row]);
        return;
    }
    for (int64_t k = 0; k < classes; k++)
        out[k] = log_of(probability[row * classes + k]);
}

/* Σ over rows of d(-log p)/dβ at inverse temperature β: E_p[log p] - E_t[log p], which grows with β. The target t is not the
 * row's class alone: it leaves 1 / (rows + classes) to the others (Platt 1999), or rows that are all right would make the model
 * infinitely sure. */
static double slope(const double *logs, const int64_t *label, int64_t rows, int64_t classes, double beta)
{
    double total = 0, doubt = 1 / (double)(rows + classes), each = doubt / (double)(classes - 1);
    for (int64_t i = 0; i < rows; i++) {
        const double *l = logs + i * classes;
        double most = l[0], sum = 0, mean = 0, others = 0;
        for (int64_t k = 1; k < classes; k++)
            most = l[k] > most ? l[k] : most;
        for (int64_t k = 0; k < classes; k++) {
            double e = exp(beta * (l[k] - most));
            sum += e;
            mean += e * l[k];
            others += k == label[i] ? 0 : l[k];
        }
        total += mean / sum - (1 - doubt) * l[label[i]] - each * others;
    }
    return total;
}

static weft_status fit_temperature(const double *probability, const int64_t *label, int64_t rows, int64_t classes, double *out)
{
    double *logs = malloc((size_t)(rows * classes + 1) * sizeof *logs);
    if (!logs)
        return short_of_memory();
    for (int64_t i = 0; i < rows; i++)
        row_logs(probability, i, classes, logs + i * classes);
    double low = log(0.01), high = log(100); /* of β; the log-loss is convex in β */
    for (int step = 0; step < 50; step++) {
        double middle = (low + high) / 2;
        if (slope(logs, label, rows, classes, exp(middle)) < 0)
            low = middle;
        else
            high = middle;
    }
    free(logs);
    *out = exp(-(low + high) / 2);
    return WEFT_OK;
}

void weft_calibration_apply(const weft_calibration *c, const weft_tabular_config *config, int64_t rows, double *probability)
{
    int64_t classes = config->n_classes;
    double beta = 1 / c->temperature;
    if (classes == 2) {
        for (int64_t i = 0; i < rows; i++) {
            double p = probability[i], odds = beta * (log_of(p) - log_of(1 - p));
            probability[i] = 1 / (1 + exp(-odds));
        }
        return;
    }
    for (int64_t i = 0; i < rows && classes > 2; i++) {
        double *p = probability + i * classes, most = 0, sum = 0;
        for (int64_t k = 0; k < classes; k++)
            most = p[k] > most ? p[k] : most;
        for (int64_t k = 0; k < classes; k++)
            sum += p[k] = exp(beta * (log_of(p[k]) - log_of(most)));
        for (int64_t k = 0; k < classes; k++)
            p[k] /= sum;
    }
}

/* ---- fitting ---- */

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The value at a level of an ascending list, between its neighbours. */
static double quantile(const double *sorted, int64_t count, double level)
{
    double at = level * (double)(count - 1);
    int64_t below = (int64_t)at;
    return below + 1 < count ? sorted[below] + (at - (double)below) * (sorted[below + 1] - sorted[below]) : sorted[count - 1];
}

static double *sorted_copy(const double *values, int64_t count)
{
    double *copy = malloc((size_t)(count + 1) * sizeof *copy);
    if (!copy)
        return NULL;
    memcpy(copy, values, (size_t)count * sizeof *copy);
    qsort(copy, (size_t)count, sizeof *copy, ascending);
    return copy;
}

static weft_status fit_classes(const weft_tabular_config *config, const weft_rows_data *val, const weft_predictions *said,
                               weft_calibration *c)
{
    int64_t n = val->rows, classes = config->n_classes;
    double *p = malloc((size_t)(n * said->width + 1) * sizeof *p);
    if (!p)
        return short_of_memory();
    memcpy(p, said->value, (size_t)(n * said->width) * sizeof *p);
    weft_status status = fit_temperature(p, val->label, n, classes, &c->temperature);
    for (int after = 0; after < 2 && status == WEFT_OK; after++) {
        weft_metrics m = {0};
        if (after)
            weft_calibration_apply(c, config, n, p);
        status = weft_value_metrics(config, val, p, 0, 1, &m);
        c->ece[after] = m.ece;
        c->logloss[after] = m.logloss;
        c->brier[after] = m.brier;
        weft_metrics_free(&m);
    }
    for (int64_t i = 0; i < n && status == WEFT_OK; i++) {
        int64_t k = val->label[i];
        c->score[i] = 1 - (classes == 2 ? (k ? p[i] : 1 - p[i]) : p[i * classes + k]);
    }
    free(p);
    return status;
}

static weft_status fit_regression(const weft_rows_data *val, const weft_predictions *said, weft_calibration *c)
{
    int64_t n = val->rows;
    if (said->spread) {
        double *spread = sorted_copy(said->spread, n);
        if (!spread)
            return short_of_memory();
        c->floor = quantile(spread, n, 0.5);
        free(spread);
    }
    for (int64_t i = 0; i < n; i++) {
        double reach = weft_calibration_reach(c, 1, said->spread ? said->spread[i] : 0);
        c->score[i] = fabs((double)val->y[i] - said->value[i]) / reach;
    }
    return WEFT_OK;
}

static weft_status fit_distances(const weft_predictions *own, weft_calibration *c)
{
    double *sorted = sorted_copy(own->remoteness, own->rows);
    c->distances = own->rows < DISTANCE_LEVELS ? own->rows : DISTANCE_LEVELS;
    c->distance = malloc(((size_t)c->distances + 1) * sizeof *c->distance);
    if (!sorted || !c->distance) {
        free(sorted);
        return short_of_memory();
    }
    for (int64_t q = 0; q < c->distances; q++)
        c->distance[q] = quantile(sorted, own->rows, c->distances > 1 ? (double)q / (double)(c->distances - 1) : 0);
    free(sorted);
    return WEFT_OK;
}

weft_status weft_calibration_fit(const weft_tabular_config *config, const weft_rows_data *val, const weft_predictions *said,
                                 const weft_predictions *own, weft_calibration **out)
{
    *out = NULL;
    weft_calibration *c = calloc(1, sizeof *c);
    if (!c)
        return short_of_memory();
    c->temperature = 1;
    c->threshold = 0.5;
    c->scores = val->rows;
    c->score = malloc(((size_t)val->rows + 1) * sizeof *c->score);
    weft_status status = c->score ? WEFT_OK : short_of_memory();
    if (status == WEFT_OK)
        status = config->task == WEFT_TASK_REGRESSION ? fit_regression(val, said, c) : fit_classes(config, val, said, c);
    if (status == WEFT_OK && own && own->remoteness && own->rows > 0)
        status = fit_distances(own, c);
    if (status != WEFT_OK) {
        weft_calibration_free(c);
        return status;
    }
    qsort(c->score, (size_t)c->scores, sizeof *c->score, ascending);
    *out = c;
    return WEFT_OK;
}

/* ---- using ---- */

double weft_calibration_threshold(const weft_calibration *c, double level)
{
    double rank = ceil((double)(c->scores + 1) * level - 1e-9); /* the rounding of 0.9 must not cost a rank */
    if (rank > (double)c->scores)
        return INFINITY;
    return c->score[rank < 1 ? 0 : (int64_t)rank - 1];
}

double weft_calibration_reach(const weft_calibration *c, double threshold, double spread)
{
    double scale = c->floor > 0 ? spread + c->floor : 1;
    return threshold * scale;
}

double weft_calibration_rank(const weft_calibration *c, double remoteness)
{
    if (c->distances < 2)
        return NAN;
    int64_t low = 0;
    for (int64_t high = c->distances; low < high;) { /* the first level above */
        int64_t middle = low + (high - low) / 2;
        if (c->distance[middle] <= remoteness)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0)
        return 0;
    if (low == c->distances)
        return 1;
    double from = c->distance[low - 1], to = c->distance[low];
    return ((double)(low - 1) + (remoteness - from) / (to - from)) / (double)(c->distances - 1);
}
