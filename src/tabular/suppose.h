/* What a model would say had its training rows been others: some left out, some with another target. In memory alone; the folder
 * stays as it is. */
#ifndef WEFT_TABULAR_SUPPOSE_H
#define WEFT_TABULAR_SUPPOSE_H

#include "tabular/folder.h"

typedef struct weft_relabel {
    int64_t row;        /* its number in the training file */
    const char *target; /* as the training file would write it; borrowed */
} weft_relabel;

/* "17=yes": a row's number, =, and the rest. */
weft_status weft_relabel_parse(const char *text, weft_relabel *out);

/* Changes what the opened folder at `path` looks at, as `forget` and a corrected training file would: to the bit what the model
 * says afterwards. `without`: NULL for none; *gone: how many rows that takes away. Errors: an MLP, a row that the model does not
 * look at, a target that does not read or that training did not have, fewer rows left than the context takes. */
weft_status weft_tabular_suppose(const char *path, weft_tabular_folder *, const weft_row_ranges *without, const weft_relabel *,
                                 int relabels, int64_t *gone);

#endif
