/* Strided copies of up to eight axes: slices, transposes, broadcasts, padding. Element size 4 or 8 bytes. */
#ifndef WEFT_KERNELS_COPY_H
#define WEFT_KERNELS_COPY_H

#include "weft/base.h"

typedef struct weft_copy {
    int rank;
    int64_t size[WEFT_MAX_RANK];                    /* of the region copied */
    int64_t from[WEFT_MAX_RANK], to[WEFT_MAX_RANK]; /* element strides; from may be 0 (broadcast) */
    int64_t from_at, to_at;                         /* element offsets */
} weft_copy;

/* Merges axes that lie dense in both and drops axes of size 1; the outermost axis stays an axis of its own. */
void weft_copy_simplify(weft_copy *);

/* Copies [begin, end) of the outermost axis. */
void weft_copy_run(const weft_copy *, size_t element, int64_t begin, int64_t end, const void *source, void *target);

#endif
