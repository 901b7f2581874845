/* The distinct values of a column: collecting them from a table, ordering them, finding a cell's number among them.
 *
 * Two cells of a column of numbers are the same level when they are the same number ("1" and "1.0"); its levels are ordered by
 * value. Levels of other columns are compared and ordered as bytes. A level keeps the text of its first cell. The missing
 * level, where it is wanted, is the empty text and stands first. */
#ifndef WEFT_TABULAR_LEVELS_H
#define WEFT_TABULAR_LEVELS_H

#include "io/csv.h"

typedef struct weft_levels {
    int count;
    char **text;   /* [count]; "" is the missing level */
    double *value; /* [count] for a column of numbers (missing: -inf, so that it stands first); else NULL */
} weft_levels;

/* The levels of `column` in `rows` (NULL: all `count` rows from 0 on), at most `most` of them; *more: whether there were more
 * (then the levels are the first ones met). Without `missing`, missing cells are passed over. A text that is not UTF-8 is an
 * error. */
weft_status weft_levels_collect(weft_csv *, int column, const int64_t *rows, int64_t count, bool numeric, bool missing, int most,
                                weft_levels *out, bool *more);

/* Levels and column names must be text in UTF-8 without zero bytes, or a schema file could not hold them. */
bool weft_levels_is_text(const char *text, size_t length);

/* From texts already in order, as a schema file lists them; NULL stands for the missing level. `numeric`: every text but the
 * missing one must be a finite number, ascending; else they must ascend as bytes. The error says which text breaks the rule. */
weft_status weft_levels_from(const char *const *text, int count, bool numeric, weft_levels *out);

/* A cell's level number, -1 when it is none of them. `value` is read for columns of numbers; NaN there: the cell is not a
 * number. Missing cells are found by weft_csv_is_missing. */
int weft_levels_find(const weft_levels *, weft_cell cell, double value);

/* The missing level: 0 when it is there, else -1. */
int weft_levels_missing(const weft_levels *);

void weft_levels_free(weft_levels *);

#endif
