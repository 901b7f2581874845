/* Exact nearest neighbours by squared Euclidean distance (or largest inner product): tiles of queries × keys with a running
 * best-m a query, never a queries × keys matrix. The m results of a query are ascending in distance; equal distances: smaller
 * key number first. A query's result is the same bits whatever queries stand beside it, whatever tile or thread count. */
#ifndef WEFT_KERNELS_SEARCH_H
#define WEFT_KERNELS_SEARCH_H

#include "base/threads.h"
#include "kernels/level.h"

typedef struct weft_search weft_search; /* keys made ready: panels, norms */

/* `keys` [count, d] of dtype F32 or F64, read now and not kept. NaN or Inf in a key is refused (ERROR_NUMERIC, names the row). */
weft_status weft_search_new(const weft_kernels *, weft_team *, weft_dtype, int64_t count, int64_t d, const void *keys,
                            bool inner_product, weft_search **out);
void weft_search_free(weft_search *);

/* `queries` [rows, d]; `exclude` [rows]: a key number never returned for that row, -1 for none (NULL: none at all).
 * index [rows, m] and distance [rows, m] (squared distance, or inner product, largest first; compute type; may be NULL).
 * Needs m ≤ count, less one where a row excludes a key. */
weft_status weft_search_run(const weft_search *, weft_team *, int64_t rows, const void *queries, int64_t m,
                            const int64_t *exclude, int64_t *index, void *distance);

#endif
