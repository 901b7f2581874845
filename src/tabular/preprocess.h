/* Numbers before the model sees them: fitted on the training rows, applied to any row (specification 5.1).
 *
 *     weft_scaler *s = NULL;
 *     weft_scaler_new(WEFT_SCALING_QUANTILE, features, weft_quantile_count(rows), &s);
 *     for (int j = 0; j < features; j++) {
 *         weft_scaler_fit(s, j, x + j, rows, features, NULL, 0);
 *         weft_scaler_apply(s, j, x + j, rows, features);
 *     }
 *
 * quantile: value → place among the training quantiles → Φ⁻¹, clipped at ±5.1993375…; what scikit-learn's QuantileTransformer
 * (normal output) does to a float32 table, rounding to float32 where it does. standard: (x - mean) / population sd; an sd of
 * zero counts as one. none: as it is. */
#ifndef WEFT_TABULAR_PREPROCESS_H
#define WEFT_TABULAR_PREPROCESS_H

#include "weft/base.h"

typedef enum weft_scaling { WEFT_SCALING_QUANTILE = 0, WEFT_SCALING_STANDARD, WEFT_SCALING_NONE, WEFT_SCALINGS } weft_scaling;

extern const char *const weft_scaling_names[WEFT_SCALINGS]; /* "quantile", "standard", "none" */

typedef struct weft_scaler {
    weft_scaling scaling;
    int features;
    int width;     /* numbers a feature in `table`: quantiles; 2 (mean, sd); 0 */
    double *table; /* [features, width]; a row of quantiles never decreases */
} weft_scaler;

/* max(min(train_rows / 30, 1000), 10). */
int weft_quantile_count(int64_t train_rows);

/* `quantiles` ≥ 2 is read for WEFT_SCALING_QUANTILE alone. */
weft_status weft_scaler_new(weft_scaling scaling, int features, int quantiles, weft_scaler **out);
void weft_scaler_free(weft_scaler *);

/* Fits one feature on x[0], x[stride], … (`rows` ≥ 1 finite values). `noise`: NULL, or standard normal draws, noise_stride
 * apart; the quantiles are fitted on x + 1e-3 / max(sd, 1e-3) · noise (as the reference has it: inversely to the sd). */
weft_status weft_scaler_fit(weft_scaler *, int feature, const float *x, int64_t rows, int64_t stride, const double *noise,
                            int64_t noise_stride);

/* Replaces x[0], x[stride], … by their scaled values. */
void weft_scaler_apply(const weft_scaler *, int feature, float *x, int64_t rows, int64_t stride);

/* Mean and population standard deviation of finite values, in double (two passes). rows ≥ 1. */
void weft_mean_sd(const float *x, int64_t rows, int64_t stride, double *mean, double *sd);

/* The median of `rows` ≥ 1 finite values (mean of the middle two when even); sorts x, with scratch of the same size. */
double weft_median(double *x, double *scratch, int64_t rows);

/* Ascending order of finite doubles, in linear time; scratch has the same size. */
void weft_sort_doubles(double *x, double *scratch, int64_t rows);

#endif
