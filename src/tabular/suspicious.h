/* Training rows whose target the model does not believe: each row is predicted from the others alone (a row never looks at
 * itself), and those that are far off come first. Wrong labels, typing errors and rows of another kind stand there. */
#ifndef WEFT_TABULAR_SUSPICIOUS_H
#define WEFT_TABULAR_SUSPICIOUS_H

#include "tabular/predict.h"

typedef struct weft_suspect {
    int64_t candidate;
    double loss;      /* classes: -log of the probability of the row's own class; regression: |y - ŷ| over the neighbours' spread
                         (plus the median spread), so that a row among rows that agree counts for more */
    double agreement; /* classes: share of the context's weight that has the row's class; regression: NaN */
    double value;     /* classes: probability of the row's own class; regression: ŷ, standardised */
    int64_t likeliest; /* the predicted class; regression: -1 */
} weft_suspect;

/* All candidates, largest loss first: list [candidates], malloc'd. TabR only. */
weft_status weft_suspicious_rank(weft_tabular_model *, const weft_tabular_folder *, weft_suspect **list);

#endif
