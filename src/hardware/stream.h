/* The published simulator's synthetic address stream: every load and store takes the next elements of one counter, whatever
 * tensor it moves, and a load's requests are the distinct lines of its elements. Only counts and ranges are made here; elements
 * are never enumerated. */
#ifndef WEFT_HARDWARE_STREAM_H
#define WEFT_HARDWARE_STREAM_H

#include "weft/hardware.h"

typedef struct weft_stream {
    int64_t position, period; /* elements of 2 bytes; position: of the last one taken */
    int line_shift;           /* elements to lines */
    bool aligned;             /* the first element taken is at 0: no line more than the elements fill */
} weft_stream;

/* Lines of one instruction, in the order of the stream: up to two ascending ranges; the second begins at line 0 after the
 * stream has started over. A line that both hold is in the first alone. */
typedef struct weft_lines {
    int64_t first[2], last[2]; /* first > last: none */
    int64_t count;             /* of both */
} weft_lines;

void weft_stream_start(weft_stream *, int64_t period_bytes, int line_bytes, bool aligned);
weft_lines weft_stream_take(weft_stream *, int64_t elements);

/* Slot order of the Robin-Hood hash set that the published simulator collects an instruction's addresses in. */
typedef struct weft_line_set {
    uint64_t *keys;
    uint8_t *info; /* one byte a slot; 0: empty */
    size_t slots;  /* allocated, overflow slots included */
    size_t mask, count, most;
    uint32_t increment, shift;
    uint64_t multiplier;
} weft_line_set;

/* Puts addresses into a new set, in order; false when memory is short. Then keys[0 … slots - 1] where info is not 0. */
bool weft_line_set_fill(weft_line_set *, const uint64_t *addresses, int64_t count);
void weft_line_set_free(weft_line_set *);

#endif
