/* The NPU core: tiles resident in scratchpad halves, a systolic pipeline, vector units, queues of instructions, and the same
 * again, without a pipeline, for tiles that compute in memory. */
#ifndef WEFT_HARDWARE_NPU_CORE_H
#define WEFT_HARDWARE_NPU_CORE_H

#include "hardware/network.h"
#include "hardware/ops.h"
#include "hardware/stream.h"

enum { WEFT_SIDES = 2, WEFT_SIDE_NPU = 0, WEFT_SIDE_PIM = 1, WEFT_TILE_SLOTS = 8, WEFT_BUFFERS = 3, WEFT_PIM_BUFFER = 2 };

/* What the published NPU-only branch does otherwise. */
typedef struct weft_core_style {
    bool one_load;     /* one load leaves its queue a cycle, in place of all */
    bool blocked_gemm; /* weights are loaded before a block streams, not behind the one before */
} weft_core_style;

/* What a side's tiles are at after a tick. */
typedef struct weft_side_state {
    int64_t loads, computes; /* lines and results to come, computations that have not finished */
    bool storing;            /* a tile's computations have finished, its stores have not been taken */
} weft_side_state;

typedef struct weft_core {
    const weft_work *work;
    weft_network *network;
    weft_core_style style;
    weft_line_order order;
    weft_stream stream;
    weft_line_set line_set;
    uint64_t *addresses; /* of one instruction, for the hash order */
    int64_t address_room;
    int64_t now; /* own cycles */

    weft_tile tile[WEFT_TILE_SLOTS];
    int resident[WEFT_SIDES][WEFT_TILE_SLOTS], resident_count[WEFT_SIDES]; /* slots in order of issue */
    int finished[WEFT_TILE_SLOTS], finished_count;                         /* slots in order of finishing */
    weft_buffer spad[WEFT_BUFFERS], accumulator[WEFT_BUFFERS];
    int spad_half, accumulator_half;          /* in use by the newest NPU tile */
    weft_ring queue[WEFT_SIDES][WEFT_QUEUES]; /* uint32_t tags */

    weft_ring pipeline; /* weft_stage_entry */
    weft_ring *vector;  /* [vector_units] */
    int64_t pipeline_since;
    weft_hardware_stats stats;
    int64_t op_lines[WEFT_SIDES][2]; /* of the running operator of each side: lines loaded, stored */

    weft_side_state state[WEFT_SIDES];
    int64_t busy_until[WEFT_SIDES]; /* own cycle before which more of its work is queued behind what the units are at */

    bool acted;     /* the last tick changed something */
    bool poked;     /* a response or a tile came since the last tick */
    bool all_ticks; /* never sleep */
    int64_t wake;   /* own cycle at which something finishes; asleep before, unless poked */
    weft_status status;
    weft_hardware_sink sink;
    void *sink_user;
    char stage;
    int64_t cycle; /* of the machine, for events */
} weft_core;

weft_status weft_core_open(weft_core *, const weft_work *, weft_network *, weft_core_style, weft_line_order,
                           int64_t stream_bytes);
void weft_core_close(weft_core *);

/* Whether a tile may be issued: `accumulates` as the tile would say. */
bool weft_core_can_issue(const weft_core *, bool pim, bool accumulates);
/* A slot for the next tile, to be filled by weft_op_tile and then issued. */
weft_tile *weft_core_slot(weft_core *);
void weft_core_issue(weft_core *, weft_tile *);
/* A finished tile, out of the queue; NULL: none. */
const weft_tile *weft_core_retire(weft_core *);
void weft_core_tick(weft_core *);
void weft_core_deliver(void *core, weft_response);
bool weft_core_empty(const weft_core *);

/* Cycles of operations, alone and from an empty pipeline. */
int64_t weft_vector_cycles(const weft_hardware_npu *, weft_opcode, int64_t elements);
int64_t weft_block_cycles(const weft_hardware_npu *, int64_t rows);

#endif
