/* How rows that came later differ from the training rows, column by column.
 *
 * Numbers: the Kolmogorov-Smirnov distance of the two samples with its asymptotic p, and the population stability index over ten
 * bins of equal training shares. Binary columns and categories: the total variation distance (half the sum of differences
 * of shares), a chi-squared test of the two samples, and the index over levels. Scaling is monotone, so it is all measured on
 * the numbers that the model reads. */
#ifndef WEFT_TABULAR_DRIFT_H
#define WEFT_TABULAR_DRIFT_H

#include "tabular/schema.h"

typedef struct weft_drift {
    char *feature;   /* "age", "day (month)", "age (missing)"; the target's name */
    bool categories; /* distance is a total variation, else Kolmogorov-Smirnov */
    bool target;
    double distance; /* 0 … 1 */
    double p;        /* of a distance at least as large without any drift */
    double psi;      /* below 0.1: little; above 0.25: much */
} weft_drift;

typedef struct weft_drifts {
    weft_drift *list; /* features in the model's order, then the target where both tables have it */
    int count;
} weft_drifts;

weft_status weft_drift_measure(const weft_schema *, const weft_table *train, const weft_table *later, weft_drifts *out);
void weft_drifts_free(weft_drifts *);

/* What deserves a look: more than chance (p below 0.01 after dividing by the number of features) and more than little. */
bool weft_drift_matters(const weft_drifts *, int i);

#endif
