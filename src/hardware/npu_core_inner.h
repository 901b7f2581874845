/* What the core's files share: its clock (npu_core.c), what it sends to memory (npu_requests.c), how long its units take
 * (npu_timing.c). */
#ifndef WEFT_HARDWARE_NPU_CORE_INNER_H
#define WEFT_HARDWARE_NPU_CORE_INNER_H

#include "hardware/npu_core.h"

typedef struct weft_stage_entry { /* in the systolic pipeline or a vector unit */
    int64_t start, finish, size;
    uint32_t tag;
} weft_stage_entry;

/* A tag: the tile's slot and the instruction in it. */
enum { SLOT_SHIFT = 29 };

static inline weft_tile *weft_core_tile(weft_core *c, uint32_t tag)
{
    return &c->tile[tag >> SLOT_SHIFT];
}

static inline const weft_instruction *weft_core_instruction(weft_core *c, uint32_t tag)
{
    return &weft_core_tile(c, tag)->instructions[tag & ((1u << SLOT_SHIFT) - 1)];
}

/* ---- Entries of a scratchpad or accumulator, and requests. ---- */

/* An entry that waits for `remain` responses or computations; one of them has come. */
void weft_core_reserve(weft_core *, weft_buffer *, uint32_t key, int64_t remain);
void weft_core_fill(weft_buffer *, uint32_t key);

/* The next elements of the stream; returns how many lines they are. */
int64_t weft_core_send_elements(weft_core *, int64_t elements, uint32_t tag, weft_access_type, int lane);
/* A store to places of its own; returns how many lines it is. */
int64_t weft_core_send_pieces(weft_core *, const weft_instruction *, uint32_t tag, int lane);

/* ---- When an operation that is issued now starts and finishes. ---- */

weft_stage_entry weft_core_streamed_block(const weft_core *, weft_opcode, int64_t size, uint32_t tag);
/* NPU-only branch: a block waits until weights are in place. */
weft_stage_entry weft_core_blocked_block(const weft_core *, weft_opcode, int64_t size, uint32_t tag);
int weft_core_choose_unit(const weft_core *); /* of the vector units */
/* The published simulator starts an operation when it is issued, however many its unit is at. */
weft_stage_entry weft_core_vector_operation(const weft_core *, weft_opcode, int64_t size, int unit, uint32_t tag);

#endif
