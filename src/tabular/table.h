/* A table as the model sees it: the rows of a file after preprocessing, in four groups of columns, and their targets.
 *
 * Within a group columns stand in file order; "is missing" columns follow the binary ones, in file order too. A row's input is
 * [numbers | binary | one-hot of each categorical column]. */
#ifndef WEFT_TABULAR_TABLE_H
#define WEFT_TABULAR_TABLE_H

#include "weft/base.h"

typedef enum weft_task { WEFT_TASK_REGRESSION = 0, WEFT_TASK_BINARY, WEFT_TASK_MULTICLASS, WEFT_TASKS } weft_task;

extern const char *const weft_task_names[WEFT_TASKS]; /* "regression", "binary", "multiclass" */

typedef struct weft_table {
    int64_t rows;
    int n_num, n_bin, n_cat;
    float *x_num;       /* [rows, n_num] scaled */
    float *x_bin;       /* [rows, n_bin] 0 or 1; 0.5: a value that is neither of the column's two */
    int64_t *x_cat;     /* [rows, n_cat] codes; -1: a level that training did not have */
    float *y;           /* [rows] standardised target; NULL for classes and without target */
    int64_t *label;     /* [rows] class number; NULL for regression and without target */
    int64_t *row;       /* [rows] data row in the file, first is 0 */
    int64_t *unseen;    /* [schema columns] cells whose value training did not have */
    int64_t *filled;    /* [schema columns] missing cells filled with the training median */
    int64_t unlabelled; /* rows left out because their target is missing */
    weft_text notes;    /* what a user should be told, a sentence a line; data is NULL when there is nothing */
} weft_table;

/* Room for `rows` rows, all zero; y and label as asked. */
weft_status weft_table_new(int64_t rows, int n_num, int n_bin, int n_cat, int schema_columns, weft_table **out);
void weft_table_free(weft_table *);

/* One-hot blocks of all categorical columns: out [rows, Σ cardinality], all zero for code -1. */
void weft_table_one_hot(const weft_table *, const int *cardinality, float *out);

/* out[i]: whether some row of `of` has the same features (not target) as row i of `table`. The tables have the same columns.
 * *count: how many do. Exact: hashing only finds the candidates. */
weft_status weft_table_duplicates(const weft_table *table, const weft_table *of, bool *out, int64_t *count);

/* TabR's batch size for a number of training rows (specification 4.4): 32 … 1024. */
int weft_batch_size(int64_t train_rows);

#endif
