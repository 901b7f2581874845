/* candidates.safetensors: the training rows that a TabR model looks at, as it reads them, and their numbers.
 *
 * The file stands by itself, so that rows are added and taken away by replacing it in one step: its metadata holds a checksum of
 * its content, the checksum of the rows that the model was trained with (config.json names it too, which ties the two files
 * together), and the number that the next row will get. Numbers are never used twice. */
#ifndef WEFT_TABULAR_CANDIDATES_H
#define WEFT_TABULAR_CANDIDATES_H

#include "io/io.h"
#include "tabular/retrieval.h"

#define WEFT_CANDIDATES_SUM 17 /* 16 hexadecimal digits of XXH64 */

/* `trained`: the checksum in config.json; NULL: these are the rows of training, whose checksum goes to `sum`. */
weft_status weft_candidates_save(const char *path, const weft_table *, int64_t next_row, const char *trained,
                                 char sum[WEFT_CANDIDATES_SUM]);

/* Compares the checksums of an open file: of its content, where its metadata has one, and `trained` (NULL: not compared). */
weft_status weft_candidates_check(const weft_arrays *, const char *path, const char *trained);

/* Checks tensors against the configuration and checksums where they are there (trained NULL: not compared). *rows and *table
 * (NULL: not wanted) are the content, once as the model reads it and once as a table. */
weft_status weft_candidates_open(const char *path, const weft_tabular_config *, const char *trained, weft_rows_data **rows,
                                 weft_table **table, int64_t *next_row);

/* The rows of `a` with keep[i] (NULL: all), then those of `b` (NULL: none), whose numbers grow by `shift`. */
weft_status weft_candidates_join(const weft_table *a, const bool *keep, const weft_table *b, int64_t shift, weft_table **out);

/* Holds the folder for a change of its candidates; *lock is closed to let it go. Another process that holds it is an error. */
weft_status weft_candidates_lock(const char *folder, int *lock);

/* "3,17,40-52" → numbers as ranges, or an error that says what does not read. */
typedef struct weft_row_ranges {
    int64_t (*range)[2]; /* first and last */
    int count;
} weft_row_ranges;
weft_status weft_row_ranges_parse(const char *text, weft_row_ranges *out);
void weft_row_ranges_free(weft_row_ranges *);

/* keep[i] is false for the table's rows in the ranges. A range without any row of the table is an error that names it. */
weft_status weft_row_ranges_leave_out(const weft_row_ranges *, const weft_table *, bool *keep, int64_t *gone);

#endif
