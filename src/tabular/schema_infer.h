/* What the files that infer a schema share. */
#ifndef WEFT_TABULAR_SCHEMA_INFER_H
#define WEFT_TABULAR_SCHEMA_INFER_H

#include "tabular/schema.h"

typedef struct weft_target {
    int column;
    weft_task task;
    bool numeric;       /* classes are numbers */
    weft_levels levels; /* classes of the whole file; empty where regression was asked for */
    const char *reason;
} weft_target;

/* An inference in progress. */
typedef struct weft_inference {
    weft_csv *csv;
    const weft_schema_options *options;
    const int64_t *rows; /* training rows with a target */
    int64_t count;
    bool *named_categorical, *named_drop;    /* [columns] */
    int *wished;                             /* [columns] a weft_column_kind; -1: none */
    weft_text identifiers, identifier_names; /* columns refused as such: as a message, as a list for --drop */
    weft_schema *schema;
} weft_inference;

/* The target column and its task, from the whole file. The caller frees the levels. */
weft_status weft_target_find(weft_csv *, const weft_schema_options *, weft_target *out);

/* 95 % or more of the cells that are there are numbers (infinite ones included). */
bool weft_column_is_numeric(weft_csv_column);
/* Whether each cell that is there is a number but for commas: 3,14 or 1.234,5 or 2,500. They are text, and most likely meant
 * otherwise. */
bool weft_column_has_commas(weft_csv *, int column);

/* The column's number, or an error that says what the name was for and which name is nearest. */
weft_status weft_schema_find_column(weft_csv *, const char *name, const char *what, int *out);

/* The steps after a column's kind is known. Classes of the training rows, or their mean and sd: */
weft_status weft_infer_fit_target(weft_inference *, const weft_target *);

/* Layout of a row, medians and scaling of every number: */
weft_status weft_infer_fit(weft_inference *);

/* Whether these training rows' numbers, which need not be equal, differ by less than a hundred thousandth of the largest: of
 * float32's seven digits they then share five or more, and what tells them apart is mostly lost. */
bool weft_infer_crowded(const weft_inference *, const double *values);

/* Replaces the reason that is printed and saved with a column. */
weft_status weft_infer_reason(weft_column *, const char *reason);

#endif
