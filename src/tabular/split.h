/* Which rows of a table are for training, validation and test. */
#ifndef WEFT_TABULAR_SPLIT_H
#define WEFT_TABULAR_SPLIT_H

#include "io/csv.h"

typedef enum weft_part { WEFT_PART_TRAIN = 0, WEFT_PART_VAL, WEFT_PART_TEST, WEFT_PARTS } weft_part;

extern const char *const weft_part_names[WEFT_PARTS]; /* "train", "val", "test" */

typedef struct weft_split {
    int64_t *rows[WEFT_PARTS]; /* data rows, ascending */
    int64_t count[WEFT_PARTS];
} weft_split;

/* From a file with the header `split` and 0 (train), 1 (val) or 2 (test) a data row; the table has `rows` rows. Another length,
 * another entry or an empty part is an error that names the line. (A split column inside a table is read the same way.) */
weft_status weft_split_from_csv(weft_csv *, int64_t rows, weft_split *out);

/* At random: ⌈test_share · n⌉ rows for test, ⌈val_share · (n - test)⌉ of the others for validation, the rest for training; a
 * share of 0 leaves the part empty. The usual shares are 0.2 and 0.2 (64/16/20 %). With `class_of_row` [rows] (-1: no class, in
 * no part) the parts are drawn within each class, to the rounding, and every class keeps a row in training. */
weft_status weft_split_random(int64_t rows, const int64_t *class_of_row, double val_share, double test_share, uint64_t seed,
                              weft_split *out);

/* At random, but rows with the same cell in `column` are in one part: the groups, in random order, go to test and to validation
 * while more than half of one still fits. A missing cell is an error that names the line. */
weft_status weft_split_by_group(weft_csv *, int column, double val_share, double test_share, uint64_t seed, weft_split *out);

/* All rows in training: validation and test come from files of their own. */
weft_status weft_split_whole(int64_t rows, weft_split *out);

void weft_split_free(weft_split *);

#endif
