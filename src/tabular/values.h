/* The distinct values of a table's features. Numbers of a table repeat: ages, hours, counts, quantised measurements. Where keys
 * are affine in embedded numbers and one-hot blocks, the key of a row is a sum of one vector a feature, and these vectors are
 * formed once a step for each distinct value, whatever the number of rows that share it. */
#ifndef WEFT_TABULAR_VALUES_H
#define WEFT_TABULAR_VALUES_H

#include "tabular/retrieval.h"

enum { WEFT_VALUES_FEATURES = 256 }; /* more numeric columns are encoded row by row */

/* Vectors stand in a table: those of the distinct numbers, feature by feature, then one a category level, then one of zeros for a
 * category without any. */
struct weft_values {
    int64_t features, one_hot;
    int64_t *start; /* [features + 1]: the values of feature f are value[start[f]] … value[start[f + 1] - 1], ascending */
    float *value;
    int64_t slots;  /* features + categorical columns */
    int64_t *place; /* [rows padded as their data, slots]: the vectors that a row adds up, as rows of the table */
};

weft_status weft_values_new(const weft_rows_data *, int n_cat, weft_values **out);
void weft_values_free(weft_values *);
int64_t weft_values_rows(const weft_values *); /* of the table */

#endif
