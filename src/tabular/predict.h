/* A model opened for prediction: what it says of rows, and the training rows that this rests on. The one place where commands
 * predict, whatever stands in the folder.
 *
 *     weft_tabular_model *model = NULL;
 *     weft_predictions said = {0};
 *     weft_tabular_model_new(engine, &folder, &model);
 *     weft_tabular_predict(model, rows, false, 5, &said);
 *     weft_predictions_free(&said);
 *     weft_tabular_model_free(model);
 */
#ifndef WEFT_TABULAR_PREDICT_H
#define WEFT_TABULAR_PREDICT_H

#include "tabular/folder.h"

typedef struct weft_tabular_model weft_tabular_model;

/* The folder is borrowed. */
weft_status weft_tabular_model_new(weft_engine *, const weft_tabular_folder *, weft_tabular_model **out);
void weft_tabular_model_free(weft_tabular_model *);

typedef struct weft_neighbor {
    int64_t candidate;
    double weight;   /* in the retrieval's softmax: 0 … 1 */
    double distance; /* squared, in key space */
} weft_neighbor;

typedef struct weft_predictions {
    int64_t rows, width, neighbors; /* width: 1, or the classes of multiclass */
    double *value;                  /* [rows, width] standardised target; or probabilities: of class 1 (binary), of each class */
    double *remoteness;             /* [rows] mean distance in key space to the nearest candidates; NULL: it looks at none */
    double *spread;                 /* [rows] weighted sd of the context's standardised targets; NULL unless TabR regression */
    double *agreement;       /* [rows] for `own` classes: share of the context's weight that has the row's own class; else NULL */
    weft_neighbor *neighbor; /* [rows, neighbors], largest weight first; NULL: not asked for */
} weft_predictions;

enum { WEFT_REMOTE_OF = 8 }; /* remoteness is the mean over so many */

/* own: the rows are the candidates themselves, each left out of its own context. Memory grows with the rows by what *out holds
 * alone. */
weft_status weft_tabular_predict(weft_tabular_model *, const weft_rows_data *rows, bool own, int64_t neighbors,
                                 weft_predictions *out);
void weft_predictions_free(weft_predictions *); /* what it holds */

/* Whether `own` may be said of the rows: they are the model's first candidates, by number, columns and target. */
bool weft_tabular_are_candidates(const weft_tabular_model *, const weft_rows_data *rows);

/* value [rows, neighbors, width]: what the model would say without each neighbour of `said`, to the bit what it says after that
 * row has been forgotten. */
weft_status weft_tabular_without(weft_tabular_model *, const weft_rows_data *rows, const weft_predictions *said, double *value);

#endif
