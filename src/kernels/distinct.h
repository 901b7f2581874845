/* The distinct values of a column, and which rows have them. */
#ifndef WEFT_KERNELS_DISTINCT_H
#define WEFT_KERNELS_DISTINCT_H

#include <stddef.h>
#include <stdint.h>

/* x [n], `step` elements of `size` (4 or 8) bytes apart, compared bit by bit → the number of distinct values: `values` [n] holds
 * them dense in the order in which they appear, and list [start[v], start[v + 1]) the rows of value v, ascending. start [n + 1],
 * list [n], n ≤ INT32_MAX. */
int64_t weft_distinct(int64_t n, size_t size, const void *x, int64_t step, void *scratch, void *values, int32_t *start,
                      int32_t *list);
size_t weft_distinct_scratch(int64_t n); /* bytes, more for more rows */

#endif
