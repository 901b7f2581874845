/* Operators of a decoder layer and the tiles that they are cut into. An operator's tiles are made one by one as they are issued.
 */
#ifndef WEFT_HARDWARE_OPS_H
#define WEFT_HARDWARE_OPS_H

#include "hardware/dram_rules.h"
#include "hardware/tile.h"

typedef enum weft_op_kind {
    WEFT_OP_MATMUL = 0,
    WEFT_OP_LAYERNORM,
    WEFT_OP_RESIDUAL,      /* an addition */
    WEFT_OP_ACTIVATION,    /* GELU or SiLU */
    WEFT_OP_LOGIT_SOFTMAX, /* Q·K and softmax, in memory */
    WEFT_OP_ATTEND,        /* probabilities · V, in memory */
    WEFT_OP_FUSED_MHA,     /* attention on the NPU */
    WEFT_OP_PROMPT,        /* attention of prompts' chunks, on the NPU */
    WEFT_OP_APPEND,        /* new keys and values into their cache's rows */
    WEFT_OP_BOOKKEEPING,   /* splits and concatenations: one core event */
    WEFT_OP_ALL_REDUCE     /* outputs added up over the devices that share a layer */
} weft_op_kind;

/* A request as the operators see it. */
typedef struct weft_kv {
    int64_t length;   /* tokens whose keys and values the cache holds and a decoding token reads: the window's at most */
    int64_t position; /* tokens so far, those of this iteration included */
    int64_t tokens;   /* of this iteration: 1 decodes, more are a prompt's chunk */
    int channel;
    int64_t first_row; /* of its rows in the channel, consecutive: K, then V */
    int64_t k_rows;    /* how many are K's */
    int64_t index;     /* in the caller's list */
} weft_kv;

/* What all operators of a run share. */
typedef struct weft_work {
    const weft_hardware *hardware;
    const weft_hardware_shape *shape;
    const weft_dram_rules *rules;
    unsigned fixed;
    int64_t buffer_bytes;        /* half a scratchpad */
    int64_t dk, heads, kv_heads; /* of one rank */
    int64_t row_elements;        /* of a DRAM row, 2 bytes each: 512 */
    int64_t row_groups;          /* banks that compute at once: 32 */
} weft_work;

typedef struct weft_op {
    weft_op_kind kind;
    char name[40];
    bool pim;
    int64_t rows, inner, features; /* X[rows, inner] · W[inner, features]; vector operators: rows of `inner` elements */
    int weight_bits;
    const weft_kv *requests; /* of attention */
    int64_t request_count;
    /* Cut. */
    int64_t tile[3], tiles[3]; /* rows, inner, features: of a tile, and how many tiles */
    int64_t tile_count;
    bool accumulates; /* the tile issued next goes on in the accumulator of the one before */
    /* While it runs. */
    int64_t issued, finished; /* tiles */
    int64_t lasts;            /* of an operator without tiles: cycles */
    int64_t start, finish;
    int64_t macs, lines_in, lines_out;
} weft_op;

/* Cuts the operator into tiles that fit; fails saying what does not. */
weft_status weft_op_cut(const weft_work *, weft_op *);
/* Fills an empty tile with the instructions of tile `index`. */
void weft_op_tile(const weft_work *, const weft_op *, int64_t index, weft_tile *out);

/* Whether tile `index` goes on in the accumulator of the one before. */
bool weft_op_accumulates(const weft_work *, const weft_op *, int64_t index);

/* One file a family. */
weft_status weft_matmul_cut(const weft_work *, weft_op *);
void weft_matmul_tile(const weft_work *, const weft_op *, int64_t index, weft_tile *out);
bool weft_matmul_accumulates(const weft_work *, const weft_op *, int64_t index);
weft_status weft_rows_cut(const weft_work *, weft_op *);
void weft_rows_tile(const weft_work *, const weft_op *, int64_t index, weft_tile *out);
weft_status weft_pim_cut(const weft_work *, weft_op *);
void weft_logit_tile(const weft_work *, const weft_op *, int64_t index, weft_tile *out);
void weft_attend_tile(const weft_work *, const weft_op *, int64_t index, weft_tile *out);
weft_status weft_fused_cut(const weft_work *, weft_op *);
void weft_fused_tile(const weft_work *, const weft_op *, int64_t index, weft_tile *out);
weft_status weft_prompt_cut(const weft_work *, weft_op *);
void weft_prompt_tile(const weft_work *, const weft_op *, int64_t index, weft_tile *out);
bool weft_prompt_accumulates(const weft_work *, const weft_op *, int64_t index);
weft_status weft_append_cut(const weft_work *, weft_op *);
void weft_append_tile(const weft_work *, const weft_op *, int64_t index, weft_tile *out);
weft_status weft_bookkeeping_cut(const weft_work *, weft_op *);
weft_status weft_all_reduce_cut(const weft_work *, weft_op *);

static inline int64_t weft_ceil(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

static inline int64_t weft_least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static inline int64_t weft_most(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* Elements of `bits` each, counted in the two bytes that an element of a load or a store has. */
static inline int64_t weft_elements(int64_t count, int bits)
{
    return weft_ceil(count * bits, 16);
}

static inline int64_t weft_round_up(int64_t a, int64_t b)
{
    return weft_ceil(a, b) * b;
}

#endif
