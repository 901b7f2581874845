/* From files to parts of a table: reading, splitting, inferring the schema, applying it. */
#ifndef WEFT_TABULAR_PREPARE_H
#define WEFT_TABULAR_PREPARE_H

#include "tabular/schema.h"
#include "tabular/split.h"

typedef struct weft_prepare_options {
    const char *data;               /* the CSV */
    const char *split, *val, *test; /* a split file, or files for the other parts; NULL: a random split. The split file may be
                                       the CSV itself: its column "split" is then no input */
    double val_share, test_share;   /* of a random split (split.h) */
    const char *group;              /* of a random split: rows with the same cell in this column stay in one part, and the
                                       column is no input; NULL: none */
    weft_schema_options schema;     /* `aside` is filled in */
    int threads;
} weft_prepare_options;

typedef struct weft_prepared {
    weft_schema *schema;
    weft_table *part[WEFT_PARTS]; /* test is NULL where there is none */
    weft_text split;              /* a split file that parts the rows of `data` so; data is NULL where val is a file of its own */
    weft_text warnings;           /* what the user should know of the table, a sentence a line; data is NULL when there is none */
} weft_prepared;

weft_status weft_prepare(const weft_prepare_options *, weft_prepared *out);
void weft_prepared_free(weft_prepared *);

#endif
