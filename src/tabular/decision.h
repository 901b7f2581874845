/* Where two classes are parted: the probability above which the second one is predicted, chosen on rows whose class is known.
 *
 * 0.5 makes the fewest errors if the probabilities are right. Where one kind of error costs more than the other, or one class is
 * rare, another threshold serves better (Elkan, "The Foundations of Cost-Sensitive Learning", 2001). Probabilities stay as they
 * are. The second class in the schema's order is called positive. */
#ifndef WEFT_TABULAR_DECISION_H
#define WEFT_TABULAR_DECISION_H

#include "weft/base.h"

typedef struct weft_decision {
    double threshold;                                                         /* positive is predicted above it */
    int64_t true_positives, false_positives, false_negatives, true_negatives; /* rows */
} weft_decision;

/* What is measured of a decision. Precision is NaN where nothing is predicted positive, recall where nothing is, and so are the
 * others that need them. */
typedef struct weft_decision_measure {
    const char *name;
    double (*value)(const weft_decision *);
} weft_decision_measure;
#define WEFT_DECISION_NAMES "f1|balanced_accuracy|accuracy|mcc|precision|recall"
enum { WEFT_DECISION_MEASURES = 6 };
extern const weft_decision_measure weft_decision_measures[WEFT_DECISION_MEASURES];
const weft_decision_measure *weft_decision_measure_find(const char *name); /* NULL: none has that name */

typedef struct weft_decision_wish {
    const char *measure;                   /* one of weft_decision_measures, the larger the better; NULL: the least cost */
    double false_positive, false_negative; /* what an error of each kind costs */
    double least_precision, least_recall;  /* only thresholds that reach these; 0: all */
} weft_decision_wish;

/* probability, label: [rows]; label 0 or 1. */
weft_decision weft_decision_at(const double *probability, const int64_t *label, int64_t rows, double threshold);

/* All decisions that differ, by ascending threshold, which stands halfway between two probabilities: [*count]. */
weft_status weft_decision_all(const double *probability, const int64_t *label, int64_t rows, weft_decision **out, int64_t *count);

/* The best of them, on ties the one nearest to 0.5. Errors: one class only; no threshold reaches what is wished. */
weft_status weft_decision_choose(const weft_decision_wish *, const double *probability, const int64_t *label, int64_t rows,
                                 weft_decision *out);

#endif
