/* How good predictions are (specification 7). All inputs and sums in double. */
#ifndef WEFT_TABULAR_METRICS_H
#define WEFT_TABULAR_METRICS_H

#include "base/json.h"
#include "tabular/table.h"

typedef struct weft_metrics {
    weft_task task;
    int64_t rows;
    int classes;
    double rmse, mae, r2;          /* regression, in the units given; r2 is NaN when the truth is constant */
    double accuracy, logloss, auc; /* auc: binary; NaN when one class is absent */
    double balanced_accuracy;      /* mean recall over the classes that occur */
    double macro_f1;               /* mean F1 over the classes that occur or are predicted */
    double ece;                    /* expected calibration error, 15 bins of equal width of the top probability */
    double brier;                  /* binary: mean (p - y)²; else mean Σ_k (p_k - [y = k])² */
    int64_t *confusion;            /* [classes, classes]: row = truth, column = prediction */
} weft_metrics;

/* A metric by which models are judged: epochs, settings, columns. */
typedef struct weft_measure {
    const char *name, *title; /* as in results; as people write it */
    size_t offset;            /* in weft_metrics */
    bool regression, binary_only, smaller_is_better;
} weft_measure;

#define WEFT_MEASURE_NAMES "rmse|mae|r2|accuracy|auc|logloss|balanced_accuracy|macro_f1|ece|brier"

/* The one that the task has by itself: rmse or accuracy (specification 4.3). */
const weft_measure *weft_measure_of(weft_task);
/* By its name; an error when the task has no such measure. */
weft_status weft_measure_find(const char *name, weft_task, const weft_measure **out);
double weft_measure_value(const weft_measure *, const weft_metrics *);
/* A value as a score, of which more is better; and a score as its value. */
double weft_measure_score(const weft_measure *, double value);

/* prediction, truth: [rows], rows ≥ 1, in the target's units. NaN or infinite predictions are WEFT_ERROR_NUMERIC. */
weft_status weft_metrics_regression(const double *prediction, const double *truth, int64_t rows, weft_metrics *out);

/* probability: classes = 2: [rows], of class 1; else [rows, classes]. label: [rows] in [0, classes). The predicted class is the
 * larger probability's, the first on ties (a probability of 0.5 is class 0). `epsilon`: log-loss clips probabilities to
 * [epsilon, 1 - epsilon] and divides each row by its sum; the eps of the type that the model computed in (2^-23 for float32). */
weft_status weft_metrics_classification(const double *probability, const int64_t *label, int64_t rows, int classes,
                                        double epsilon, weft_metrics *out);

/* The class that the metrics take as predicted for row i. */
int64_t weft_predicted_class(const double *probability, int64_t row, int classes);

/* Share of truth within [lower, upper], ends included. */
double weft_interval_coverage(const double *lower, const double *upper, const double *truth, int64_t rows);

/* Metrics of the rows where keep[i] == wanted: with a table's duplicates, those that have an identical training row, or have not.
 * The arrays are as above; rows kept = 0 gives out->rows = 0 and nothing else. */
weft_status weft_metrics_part(weft_task task, const double *prediction, const double *truth, const int64_t *label, int64_t rows,
                              int classes, double epsilon, const bool *keep, bool wanted, weft_metrics *out);

void weft_metrics_free(weft_metrics *); /* what it holds, not the struct */

/* Keys and values into an object that is open: rmse, mae, r2; or accuracy, auc (binary), logloss, …, confusion. `classes`: names,
 * or NULL. Undefined ones are null. */
void weft_metrics_write(const weft_metrics *, const char *const *classes, weft_json_writer *);

/* Lines for people. */
void weft_metrics_print(const weft_metrics *, const char *const *classes, weft_text *out);

#endif
