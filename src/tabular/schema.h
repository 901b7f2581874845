/* A schema says how the columns of a file become the numbers of a model, and back: kinds, levels, medians, quantiles, classes,
 * target mean and sd. It is inferred from a training file, printed, kept in the model folder as schema.json, and is all that
 * prediction needs (specification 5.1, 5.1b).
 *
 *     weft_schema_options o = {.target = "income", .task = -1};
 *     weft_schema_target(csv, &o, &task, &class_of_row);       the task, and classes to stratify a split by
 *     weft_schema_infer(csv, &o, train_rows, count, &schema);
 *     weft_schema_apply(schema, csv, train_rows, count, true, &table);
 *
 * How a column's kind is found. The kind follows from the whole file, what is measured (levels, medians, quantiles, mean, sd)
 * from the training rows.
 *   - 95 % or more of the cells that are there are numbers: numerical; a text or infinite cell is then an error. More than two
 *     different numbers: numerical, scaled. Exactly two: binary, the smaller is 0. One: numerical and constant,
 *     with a warning (a column of zeros, or of ones, is a binary flag).
 *   - 95 % or more have the look of dates: a date; year, month, day, weekday, hour (when any cell has a time) and days since
 *     1970 become numbers, save those that never change in training. A cell that is no date is then an error.
 *   - other text: two different values are binary (byte order), more are categorical. More than 200, or more than 20 % of
 *     the cells and more than 10, look like an identifier and are refused, unless --categorical names the column.
 *   - a missing cell in training: numbers and dates get the training median and an "is missing" column beside them (binary group,
 *     after all binary columns); text, and numbers with two values, become categorical with missing as a level of its own.
 *   - no cell at all in training: dropped with a warning.
 * The target: text is two classes or more; a number is two classes when it has exactly two values, classes when it is whole, has
 * at most 20 values and on average 10 rows or more a value, else a quantity (regression). --task overrules this. */
#ifndef WEFT_TABULAR_SCHEMA_H
#define WEFT_TABULAR_SCHEMA_H

#include "base/json.h"
#include "io/csv.h"
#include "tabular/dates.h"
#include "tabular/levels.h"
#include "tabular/preprocess.h"
#include "tabular/table.h"

typedef enum weft_column_kind {
    WEFT_COLUMN_NUMERICAL = 0,
    WEFT_COLUMN_BINARY,
    WEFT_COLUMN_CATEGORICAL,
    WEFT_COLUMN_DATE,
    WEFT_COLUMN_TARGET,
    WEFT_COLUMN_DROPPED,
    WEFT_COLUMN_KINDS
} weft_column_kind;

extern const char *const weft_column_kind_names[WEFT_COLUMN_KINDS];

typedef struct weft_column {
    char *name;
    weft_column_kind kind;
    char *reason;       /* why it has this kind, for people */
    weft_levels levels; /* binary and categorical columns, classes of the target */
    bool indicator;     /* an "is missing" column goes with it */
    int parts;          /* numbers it gives: 1; a date up to 6; else 0 */
    weft_date_part part[WEFT_DATE_PARTS];
    double median[WEFT_DATE_PARTS]; /* [parts] of the training cells that are there */
    int num_at;                     /* its first number; -1: none */
    int bin_at;                     /* its place in the binary group, or its indicator's; -1 */
    int cat_at;                     /* its place among the categorical columns; -1 */
} weft_column;

typedef struct weft_schema {
    weft_task task;
    int classes;                   /* 0 for regression */
    int target;                    /* column number */
    double target_mean, target_sd; /* of the training rows, population; regression */
    int n_columns;
    weft_column *columns; /* in file order */
    weft_scaler *scaler;  /* n_num features */
    int n_num, n_bin, n_cat;
    int *cardinality;   /* [n_cat] */
    char *file;         /* name of the training file, without its folder */
    int64_t file_rows;  /* data rows there */
    int64_t train_rows; /* with a target */
    weft_text warnings; /* a sentence a line; data is NULL when there is none; not kept in the file */
} weft_schema;

/* What a person wants of the columns: the kinds and the task of a schema.json, whatever else it holds. */
typedef struct weft_schema_wishes {
    int count;
    char **name;
    weft_column_kind *kind;
    int task; /* a weft_task; -1: it names none */
    char *path;
} weft_schema_wishes;
weft_status weft_schema_wishes_parse(weft_json_value root, const char *path, weft_schema_wishes **out);
weft_status weft_schema_wishes_load(const char *path, weft_schema_wishes **out);
void weft_schema_wishes_free(weft_schema_wishes *);

typedef struct weft_schema_options {
    const char *target;               /* required */
    int task;                         /* a weft_task; -1: as wished, or inferred */
    const weft_schema_wishes *wishes; /* NULL: none; --categorical and --drop go before them */
    const char *categorical;          /* names, separated by commas; NULL: none */
    const char *drop;                 /* the same */
    const char *aside, *aside_reason; /* a column that says how rows are parted and is no input, and why; NULL: none */
    weft_scaling scaling;
    uint64_t seed; /* of the noise that quantiles are fitted with (stream "quantile noise") */
} weft_schema_options;

/* The task, and for classes the class of every row, -1 where the target is missing (malloc'd [rows]; NULL for regression). The
 * classes are those of the whole file, in order. */
weft_status weft_schema_target(weft_csv *, const weft_schema_options *, weft_task *task, int64_t **class_of_row);

weft_status weft_schema_infer(weft_csv *, const weft_schema_options *, const int64_t *train_rows, int64_t count,
                              weft_schema **out);
void weft_schema_free(weft_schema *);

/* Rows of a file (NULL: all `count` from 0) as a table. with_target: the target must be there; rows where it is missing are left
 * out and counted; a class that training did not have is an error. Without: the target column may be there and is not read.
 * Columns are matched by name; others are ignored and said. Numbers must be numbers: the line and column of one that is
 * not are named. */
weft_status weft_schema_apply(const weft_schema *, weft_csv *, const int64_t *rows, int64_t count, bool with_target,
                              weft_table **out);

/* Inputs of the model: n_num + n_bin + Σ cardinality. */
int64_t weft_schema_inputs(const weft_schema *);
/* The column with this name, -1 when there is none. */
int weft_schema_find(const weft_schema *, const char *name);
/* A class's name as the training file writes it. */
const char *weft_schema_class(const weft_schema *, int64_t label);
/* A standardised output in the target's units. */
double weft_schema_unscale(const weft_schema *, double y);
/* A target as the table keeps it (regression): standardised. */
float weft_schema_scale(const weft_schema *, double value);
/* What a row's file most likely says: of the numbers that the table keeps as y, the one of the fewest digits. */
double weft_schema_written(const weft_schema *, float y);
/* Class names for the JSON of metrics, predictions: borrowed, [classes]. */
const char *const *weft_schema_classes(const weft_schema *);

/* A table that people can read: a line a column with its kind, what it becomes and why; then the target and the counts. */
void weft_schema_print(const weft_schema *, weft_text *out);

void weft_schema_write(const weft_schema *, weft_json_writer *);
weft_status weft_schema_save(const weft_schema *, const char *path);
weft_status weft_schema_parse(weft_json_value root, const char *name, weft_schema **out); /* `name` for messages */
weft_status weft_schema_load(const char *path, weft_schema **out);

/* Shared by the files of this folder. */

/* "FILE line N, column \"C\"" into `out`. */
#define WEFT_PLACE_TEXT 512
const char *weft_schema_place(weft_csv *, int64_t row, int column, char out[WEFT_PLACE_TEXT]);
/* A cell for a message: quoted, cut after 40 bytes, control characters as '?'. */
#define WEFT_CELL_TEXT 64
const char *weft_schema_cell_text(weft_cell, char out[WEFT_CELL_TEXT]);
/* The numbers of one numerical or date column in `rows`, before filling and scaling: out[i * stride + part], NaN where missing.
 */
weft_status weft_schema_read_numbers(const weft_column *, weft_csv *, int csv_column, const int64_t *rows, int64_t count,
                                     float *out, int64_t stride);
/* The number of the target's levels or values: y or label of the table's rows. */
weft_status weft_schema_read_target(const weft_schema *, weft_csv *, int csv_column, const int64_t *rows, int64_t count, float *y,
                                    int64_t *label);
/* Assigns num_at, bin_at, cat_at and the counts from the kinds. */
weft_status weft_schema_layout(weft_schema *);
/* A schema without columns but with room for n of them. */
weft_status weft_schema_new(int n_columns, weft_schema **out);

#endif
