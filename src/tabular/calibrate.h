/* How sure a model may be: fitted once after training, on validation rows and training rows, and kept beside the model as
 * calibration.safetensors.
 *
 *   temperature  classes: p_k^(1/T), divided by their sum, with the T that makes the validation log-loss least (Guo et al.,
 *                arXiv 1706.04599). Rows that are all right do not make it infinitely sure (Platt's targets).
 *                One number: it changes how sure the model is, never which class is likeliest.
 *   scores       split conformal prediction (Vovk; Lei et al., arXiv 1604.04173): how far the truth of each validation row was
 *                from the prediction. Regression: |y - ŷ| / scale, where TabR's scale is the spread of its context's targets plus
 *                that of a usual row, so that intervals are wide where neighbours disagree; 1 for an MLP. Classes: 1 - p of the
 *                true class, after the temperature (Sadinle et al., arXiv 1609.00451).
 *   threshold    two classes: the second is predicted above it (decision.h); 0.5 unless one was chosen.
 *   distances    TabR: quantiles of the remoteness of the training rows, each left out of its own context. */
#ifndef WEFT_TABULAR_CALIBRATE_H
#define WEFT_TABULAR_CALIBRATE_H

#include "tabular/fit.h"

struct weft_predictions;

typedef struct weft_calibration {
    double temperature;                  /* 1 for regression */
    double ece[2], logloss[2], brier[2]; /* of the validation rows, before and after the temperature; classes */
    double threshold;                    /* of the network's own probability, without the temperature */
    double floor;                        /* TabR regression: added to the spread; else 0 */
    double *score;                       /* [scores] ascending, standardised units */
    double *distance;                    /* [distances] ascending, at even levels from 0 to 1; NULL: none */
    int64_t scores, distances;
} weft_calibration;

/* said: of the validation rows; own: of the candidates, each left out of its own context (NULL: none). */
weft_status weft_calibration_fit(const weft_tabular_config *, const weft_rows_data *val, const struct weft_predictions *said,
                                 const struct weft_predictions *own, weft_calibration **out);
void weft_calibration_free(weft_calibration *);

weft_status weft_calibration_save(const weft_calibration *, const char *path);
weft_status weft_calibration_load(const char *path, weft_calibration **out);

/* Probabilities after the temperature, in place: [rows] of class 1 (binary), [rows, classes]. */
void weft_calibration_apply(const weft_calibration *, const weft_tabular_config *, int64_t rows, double *probability);

/* The score that a new row stays below with this probability; infinite when there are too few validation rows to say. */
double weft_calibration_threshold(const weft_calibration *, double level);

/* Half the width of a row's interval, standardised; spread is the row's own (0 where it has none). */
double weft_calibration_reach(const weft_calibration *, double threshold, double spread);

/* The share of training rows that are nearer to the others than this: 0 … 1; above WEFT_REMOTE a row is out of domain. */
double weft_calibration_rank(const weft_calibration *, double remoteness);
#define WEFT_REMOTE 0.99

#endif
