/* Permutation importance (Breiman 2001; Fisher, Rudin and Dominici, arXiv 1801.01489): how much worse the model is on rows in
 * which one column's cells have been shuffled, so that the column says nothing any more. A column is shuffled as a whole: all
 * parts of a date, all levels of a category, a number together with its "is missing" mark. */
#ifndef WEFT_TABULAR_IMPORTANCE_H
#define WEFT_TABULAR_IMPORTANCE_H

#include "tabular/predict.h"

typedef struct weft_importance {
    int column;  /* of the schema */
    double drop; /* mean over the repeats: what the measure loses (RMSE in the target's units) */
    double sd;   /* of the repeats (n - 1); 0 with one */
} weft_importance;

typedef struct weft_importances {
    weft_importance *list; /* largest drop first */
    int count;
    int columns;  /* inputs of the table: more than count where time ran out */
    double score; /* of the measure, of the rows as they are */
    int64_t rows;
} weft_importances;

typedef struct weft_importance_options {
    int64_t rows;    /* at most so many of the rows, drawn at random */
    int64_t repeats; /* shuffles a column, 1 or more */
    uint64_t seed;
    double seconds;              /* begins no column later than so much after the first; 0: no such limit */
    const weft_measure *measure; /* NULL: that of the task */
    void *user;
    void (*progress)(void *user, int64_t done, int64_t total); /* NULL: not wanted */
} weft_importance_options;

weft_status weft_importance_measure(weft_tabular_model *, const weft_tabular_folder *, const weft_rows_data *rows,
                                    const weft_importance_options *, weft_importances *out);
void weft_importances_free(weft_importances *);

#endif
