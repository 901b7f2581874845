/* Tiles: lists of instructions that one scratchpad half holds the data of, and the scratchpad entries that they wait for. */
#ifndef WEFT_HARDWARE_TILE_H
#define WEFT_HARDWARE_TILE_H

#include "weft/hardware.h"

typedef enum weft_opcode {
    WEFT_MOVIN = 0,
    WEFT_MOVOUT,
    WEFT_GEMM,         /* one block through the systolic pipeline */
    WEFT_GEMM_PRELOAD, /* the same with new stationary weights */
    WEFT_GEMV_PRELOAD, /* a vector in place of a block (NPU-only attention) */
    WEFT_LAYERNORM,
    WEFT_SOFTMAX,
    WEFT_ADD,
    WEFT_GELU,
    WEFT_PIM_GWRITE,
    WEFT_PIM_HEADER,
    WEFT_PIM_COMP,
    WEFT_PIM_READRES,
    WEFT_PIM_COMPS_READRES,
    WEFT_OPCODES
} weft_opcode;

/* Which of the core's queues take it. */
typedef enum weft_queue_kind { WEFT_QUEUE_LOAD = 0, WEFT_QUEUE_STORE, WEFT_QUEUE_EXECUTE, WEFT_QUEUES } weft_queue_kind;
weft_queue_kind weft_opcode_queue(weft_opcode);
const char *weft_opcode_name(weft_opcode);

#define WEFT_FROM_ACCUMULATOR 0x80000000u /* of a source key: the entry is in the accumulator */

typedef struct weft_instruction {
    uint8_t code;
    bool to_accumulator;           /* of a MOVIN: a bias */
    uint32_t key;                  /* entry that a load fills, a computation writes, a store reads */
    uint32_t source, source_count; /* in the tile's `sources` */
    int64_t size;     /* elements of 2 bytes of a load, a store or a vector operation; rows through the pipeline of a GEMM */
    uint64_t address; /* of a PIM command; of a store's first line where `pieces` is not 0 */
    uint16_t lines, pieces, stride; /* that many runs of lines, from one to the next `stride` lines of the channel */
} weft_instruction;

typedef struct weft_tile {
    weft_instruction *instructions;
    uint32_t count, capacity;
    uint32_t *sources; /* keys */
    uint32_t source_count, source_capacity;
    bool failed;      /* memory was short while it was made */
    bool accumulates; /* continues the accumulator's entries: K index above 0 */
    bool pim;
    /* While resident. */
    bool resident;
    int spad, accumulator;                   /* buffers */
    int64_t loads, computes, accumulator_io; /* remaining */
    int64_t issued;                          /* core cycle */
} weft_tile;

/* Appends an instruction (zeroed but for its code) and returns it; a scratch one when memory is short. */
weft_instruction *weft_tile_add(weft_tile *, weft_opcode);
/* Adds a source key to the instruction, which must be the last one. */
void weft_tile_source(weft_tile *, weft_instruction *, uint32_t key);
void weft_tile_clear(weft_tile *); /* keeps its memory */
void weft_tile_free(weft_tile *);

/* Entries of one scratchpad buffer by key. */
typedef struct weft_entry {
    uint32_t generation; /* of the buffer when it was reserved; another one: not there */
    int32_t remain;      /* lines or results to come; 0: valid */
    int32_t planned;     /* computations of resident tiles that have not finished into it */
} weft_entry;

typedef struct weft_buffer {
    weft_entry *entries;
    uint32_t count, generation;
} weft_buffer;

bool weft_buffer_reach(weft_buffer *, uint32_t key); /* makes room for the key; false when memory is short */
void weft_buffer_clear(weft_buffer *);
void weft_buffer_free(weft_buffer *);

static inline bool weft_buffer_has(const weft_buffer *b, uint32_t key)
{
    return key < b->count && b->entries[key].generation == b->generation;
}

static inline bool weft_buffer_valid(const weft_buffer *b, uint32_t key)
{
    return weft_buffer_has(b, key) && b->entries[key].remain == 0;
}

#endif
