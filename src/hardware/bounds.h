/* What operators wait for: a cause for each of their cycles. */
#ifndef WEFT_HARDWARE_BOUNDS_H
#define WEFT_HARDWARE_BOUNDS_H

#include "hardware/npu_core.h"

/* Of one side's running operator. */
typedef struct weft_bounds {
    int64_t cycles[WEFT_BOUNDS]; /* of the core; those in memory are all under WEFT_BOUND_BANDWIDTH */
    int64_t before[WEFT_BOUNDS]; /* what the channels had spent when it began */
    int kind;                    /* of its work: WEFT_PLAIN_WORK or WEFT_PIM_WORK */
} weft_bounds;

void weft_bounds_begin(weft_bounds *, const weft_channel *channels, int count, bool in_memory);
/* A cycle has passed; after the core's tick. */
void weft_bounds_note(weft_bounds *, const weft_core *, int side);
/* Cycles by cause: those in memory are parted as the channels' were. */
void weft_bounds_end(const weft_bounds *, const weft_channel *channels, int count, int64_t out[WEFT_BOUNDS]);
/* Parts `total` in proportion to `weight`, to whole numbers that add up to it; all to `otherwise` where no weight is above 0. */
void weft_bounds_part(int64_t total, const double weight[WEFT_BOUNDS], int otherwise, int64_t out[WEFT_BOUNDS]);

#endif
