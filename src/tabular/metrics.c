/* Metrics. */
#include "tabular/metrics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { calibration_bins = 15 };

weft_status weft_metrics_regression(const double *prediction, const double *truth, int64_t rows, weft_metrics *out)
{
    *out = (weft_metrics){.task = WEFT_TASK_REGRESSION, .rows = rows};
    if (rows < 1)
        return weft_fail(WEFT_ERROR_ARGUMENT, "metrics: there are no rows");
    double squares = 0, absolute = 0, mean = 0, total = 0;
    for (int64_t i = 0; i < rows; i++) {
        double error = prediction[i] - truth[i];
        if (!isfinite(error))
            return weft_fail(WEFT_ERROR_NUMERIC, "metrics: row %lld: prediction %g for %g is not finite", (long long)i,
                             prediction[i], truth[i]);
        squares += error * error;
        absolute += fabs(error);
        mean += truth[i];
    }
    mean /= (double)rows;
    for (int64_t i = 0; i < rows; i++)
        total += (truth[i] - mean) * (truth[i] - mean);
    out->rmse = sqrt(squares / (double)rows);
    out->mae = absolute / (double)rows;
    out->r2 = total > 0 ? 1 - squares / total : NAN;
    return WEFT_OK;
}

int64_t weft_predicted_class(const double *probability, int64_t row, int classes)
{
    if (classes == 2)
        return probability[row] > 0.5;
    const double *p = probability + row * classes;
    int64_t best = 0;
    for (int k = 1; k < classes; k++)
        best = p[k] > p[best] ? k : best;
    return best;
}

/* Probability of class k in row i. */
static double probability_of(const double *probability, int64_t row, int classes, int64_t k)
{
    if (classes == 2)
        return k == 1 ? probability[row] : 1 - probability[row];
    return probability[row * classes + k];
}

static double clipped(double p, double epsilon)
{
    return p < epsilon ? epsilon : p > 1 - epsilon ? 1 - epsilon : p;
}

static double log_loss(const double *probability, const int64_t *label, int64_t rows, int classes, double epsilon)
{
    double loss = 0;
    for (int64_t i = 0; i < rows; i++) {
        double sum = 0;
        for (int k = 0; k < classes; k++)
            sum += clipped(probability_of(probability, i, classes, k), epsilon);
        loss -= log(clipped(probability_of(probability, i, classes, label[i]), epsilon) / sum);
    }
    return loss / (double)rows;
}

static double brier_score(const double *probability, const int64_t *label, int64_t rows, int classes)
{
    double score = 0;
    for (int64_t i = 0; i < rows; i++)
        for (int k = classes == 2 ? 1 : 0; k < classes; k++) {
            double d = probability_of(probability, i, classes, k) - (label[i] == k);
            score += d * d;
        }
    return score / (double)rows;
}

/* Σ over bins of the top probability of (rows in bin / rows) · |accuracy - mean top probability|; a bin holds its upper end. */
static double calibration_error(const double *probability, const int64_t *label, int64_t rows, int classes)
{
    double confidence[calibration_bins] = {0}, hits[calibration_bins] = {0}, error = 0;
    for (int64_t i = 0; i < rows; i++) {
        int64_t k = weft_predicted_class(probability, i, classes);
        double p = probability_of(probability, i, classes, k);
        int bin = (int)ceil(p * calibration_bins) - 1;
        bin = bin < 0 ? 0 : bin >= calibration_bins ? calibration_bins - 1 : bin;
        confidence[bin] += p;
        hits[bin] += label[i] == k;
    }
    for (int b = 0; b < calibration_bins; b++)
        error += fabs(hits[b] - confidence[b]);
    return error / (double)rows;
}

typedef struct scored {
    double score;
    int64_t positive;
} scored;

static int by_score(const void *a, const void *b)
{
    double x = ((const scored *)a)->score, y = ((const scored *)b)->score;
    return (x > y) - (x < y);
}

/* The share of (positive, negative) pairs in which the positive has the larger probability; equal ones count half. */
static weft_status area_under_curve(const double *probability, const int64_t *label, int64_t rows, double *out)
{
    scored *order = calloc((size_t)rows + 1, sizeof *order);
    if (!order)
        return weft_fail(WEFT_ERROR_MEMORY, "metrics: no memory for %lld rows", (long long)rows);
    for (int64_t i = 0; i < rows; i++)
        order[i] = (scored){probability[i], label[i] == 1};
    qsort(order, (size_t)rows, sizeof *order, by_score);
    double won = 0, negatives = 0, positives = 0;
    for (int64_t i = 0, end; i < rows; i = end) {
        double tied_positives = 0, tied_negatives = 0;
        for (end = i; end < rows && order[end].score == order[i].score; end++) {
            tied_positives += (double)order[end].positive;
            tied_negatives += (double)!order[end].positive;
        }
        won += tied_positives * (negatives + 0.5 * tied_negatives);
        positives += tied_positives;
        negatives += tied_negatives;
    }
    free(order);
    *out = positives > 0 && negatives > 0 ? won / (positives * negatives) : NAN;
    return WEFT_OK;
}

/* Accuracy, mean recall and mean F1 from the confusion matrix. */
static void from_confusion(weft_metrics *m)
{
    double hits = 0, recall = 0, f1 = 0;
    int occurring = 0, concerned = 0;
    for (int k = 0; k < m->classes; k++) {
        double right = (double)m->confusion[k * m->classes + k], truth = 0, predicted = 0;
        for (int j = 0; j < m->classes; j++) {
            truth += (double)m->confusion[k * m->classes + j];
            predicted += (double)m->confusion[j * m->classes + k];
        }
        hits += right;
        if (truth > 0) {
            recall += right / truth;
            occurring++;
        }
        if (truth + predicted > 0) {
            f1 += 2 * right / (truth + predicted);
            concerned++;
        }
    }
    m->accuracy = hits / (double)m->rows;
    m->balanced_accuracy = recall / occurring;
    m->macro_f1 = f1 / concerned;
}

weft_status weft_metrics_classification(const double *probability, const int64_t *label, int64_t rows, int classes,
                                        double epsilon, weft_metrics *out)
{
    *out = (weft_metrics){.task = classes == 2 ? WEFT_TASK_BINARY : WEFT_TASK_MULTICLASS, .rows = rows, .classes = classes};
    if (rows < 1 || classes < 2)
        return weft_fail(WEFT_ERROR_ARGUMENT, "metrics: %lld rows of %d classes; at least 1 and 2 are needed", (long long)rows,
                         classes);
    int width = classes == 2 ? 1 : classes;
    for (int64_t i = 0; i < rows; i++) {
        if (label[i] < 0 || label[i] >= classes)
            return weft_fail(WEFT_ERROR_ARGUMENT, "metrics: row %lld: class %lld of %d", (long long)i, (long long)label[i],
                             classes);
        for (int k = 0; k < width; k++)
            if (!(probability[i * width + k] >= 0 && probability[i * width + k] <= 1.000001))
                return weft_fail(WEFT_ERROR_NUMERIC, "metrics: row %lld: %g is not a probability", (long long)i,
                                 probability[i * width + k]);
    }
    out->confusion = calloc((size_t)classes * (size_t)classes, sizeof *out->confusion);
    if (!out->confusion)
        return weft_fail(WEFT_ERROR_MEMORY, "metrics: no memory for a confusion matrix of %d classes", classes);
    for (int64_t i = 0; i < rows; i++)
        out->confusion[label[i] * classes + weft_predicted_class(probability, i, classes)]++;
    from_confusion(out);
    out->logloss = log_loss(probability, label, rows, classes, epsilon);
    out->brier = brier_score(probability, label, rows, classes);
    out->ece = calibration_error(probability, label, rows, classes);
    out->auc = NAN;
    weft_status status = classes == 2 ? area_under_curve(probability, label, rows, &out->auc) : WEFT_OK;
    if (status != WEFT_OK)
        weft_metrics_free(out);
    return status;
}

double weft_interval_coverage(const double *lower, const double *upper, const double *truth, int64_t rows)
{
    int64_t inside = 0;
    for (int64_t i = 0; i < rows; i++)
        inside += truth[i] >= lower[i] && truth[i] <= upper[i];
    return rows > 0 ? (double)inside / (double)rows : NAN;
}

weft_status weft_metrics_part(weft_task task, const double *prediction, const double *truth, const int64_t *label, int64_t rows,
                              int classes, double epsilon, const bool *keep, bool wanted, weft_metrics *out)
{
    *out = (weft_metrics){.task = task, .classes = classes};
    size_t width = task == WEFT_TASK_REGRESSION || classes == 2 ? 1 : (size_t)classes, n = 0;
    double *p = calloc((size_t)rows * width + 1, sizeof *p), *y = calloc((size_t)rows + 1, sizeof *y);
    int64_t *k = calloc((size_t)rows + 1, sizeof *k);
    weft_status status = WEFT_OK;
    if (!p || !y || !k)
        status = weft_fail(WEFT_ERROR_MEMORY, "metrics: no memory for %lld rows", (long long)rows);
    for (int64_t i = 0; status == WEFT_OK && i < rows; i++) {
        if (keep[i] != wanted)
            continue;
        memcpy(p + n * width, prediction + (size_t)i * width, width * sizeof *p);
        if (task == WEFT_TASK_REGRESSION)
            y[n] = truth[i];
        else
            k[n] = label[i];
        n++;
    }
    if (status == WEFT_OK && n > 0)
        status = task == WEFT_TASK_REGRESSION ? weft_metrics_regression(p, y, (int64_t)n, out)
                                              : weft_metrics_classification(p, k, (int64_t)n, classes, epsilon, out);
    free(p);
    free(y);
    free(k);
    return status;
}

void weft_metrics_free(weft_metrics *m)
{
    free(m->confusion);
    m->confusion = NULL;
}

/* In the order of printing. */
static const weft_measure measures[] = {
    {"rmse", "RMSE", offsetof(weft_metrics, rmse), true, false, true},
    {"mae", "MAE", offsetof(weft_metrics, mae), true, false, true},
    {"r2", "R²", offsetof(weft_metrics, r2), true, false, false},
    {"accuracy", "accuracy", offsetof(weft_metrics, accuracy), false, false, false},
    {"auc", "AUC", offsetof(weft_metrics, auc), false, true, false},
    {"logloss", "log-loss", offsetof(weft_metrics, logloss), false, false, true},
    {"balanced_accuracy", "balanced accuracy", offsetof(weft_metrics, balanced_accuracy), false, false, false},
    {"macro_f1", "macro F1", offsetof(weft_metrics, macro_f1), false, false, false},
    {"ece", "calibration error", offsetof(weft_metrics, ece), false, false, true},
    {"brier", "Brier score", offsetof(weft_metrics, brier), false, false, true},
};
enum { MEASURES = sizeof measures / sizeof *measures };

static bool measures_task(const weft_measure *m, weft_task task)
{
    return m->regression == (task == WEFT_TASK_REGRESSION) && !(m->binary_only && task != WEFT_TASK_BINARY);
}

const weft_measure *weft_measure_of(weft_task task)
{
    size_t i = 0;
    while (!measures_task(&measures[i], task))
        i++;
    return &measures[i];
}

weft_status weft_measure_find(const char *name, weft_task task, const weft_measure **out)
{
    weft_text known = {0};
    *out = NULL;
    for (size_t i = 0; i < MEASURES; i++)
        if (measures_task(&measures[i], task)) {
            weft_text_add(&known, "%s%s", known.length ? ", " : "", measures[i].name);
            if (strcmp(name, measures[i].name) == 0)
                *out = &measures[i];
        }
    weft_status status = *out ? WEFT_OK
                              : weft_fail(WEFT_ERROR_ARGUMENT, "%s is not measured for a %s target, expected one of %s", name,
                                          weft_task_names[task], known.data ? known.data : "");
    weft_text_free(&known);
    return status;
}

double weft_measure_value(const weft_measure *measure, const weft_metrics *m)
{
    return *(const double *)((const char *)m + measure->offset);
}

double weft_measure_score(const weft_measure *measure, double value)
{
    return measure->smaller_is_better ? -value : value;
}

void weft_metrics_write(const weft_metrics *m, const char *const *classes, weft_json_writer *w)
{
    weft_json_add_key(w, "rows");
    weft_json_add_integer(w, m->rows);
    if (m->rows == 0)
        return;
    for (size_t i = 0; i < MEASURES; i++)
        if (measures_task(&measures[i], m->task)) {
            weft_json_add_key(w, measures[i].name);
            weft_json_add_number(w, weft_measure_value(&measures[i], m));
        }
    if (!m->confusion)
        return;
    if (classes) {
        weft_json_add_key(w, "classes");
        weft_json_open_list(w);
        for (int k = 0; k < m->classes; k++)
            weft_json_add_string(w, classes[k]);
        weft_json_close_list(w);
    }
    weft_json_add_key(w, "confusion");
    weft_json_open_list(w);
    for (int k = 0; k < m->classes; k++) {
        weft_json_open_list(w);
        for (int j = 0; j < m->classes; j++)
            weft_json_add_integer(w, m->confusion[k * m->classes + j]);
        weft_json_close_list(w);
    }
    weft_json_close_list(w);
}

void weft_metrics_print(const weft_metrics *m, const char *const *classes, weft_text *out)
{
    weft_text_add(out, "%-18s %lld\n", "rows", (long long)m->rows);
    if (m->rows == 0)
        return;
    for (size_t i = 0; i < MEASURES; i++)
        if (measures_task(&measures[i], m->task) && !isnan(weft_measure_value(&measures[i], m)))
            weft_text_add(out, "%-18s %.6g\n", measures[i].name, weft_measure_value(&measures[i], m));
        else if (measures_task(&measures[i], m->task))
            weft_text_add(out, "%-18s not defined: %s\n", measures[i].name,
                          m->task == WEFT_TASK_REGRESSION ? "all targets are equal" : "all rows are of one class");
    enum { most_printed = 30 };
    if (!m->confusion || m->classes > most_printed)
        return;
    weft_text_add(out, "confusion (row: truth, column: prediction)\n");
    for (int k = 0; k < m->classes; k++) {
        weft_text_add(out, "  %-16.16s", classes ? classes[k] : "");
        for (int j = 0; j < m->classes; j++)
            weft_text_add(out, " %6lld", (long long)m->confusion[k * m->classes + j]);
        weft_text_add(out, "\n");
    }
}
