/* Plans from inside: buffers, steps, and what an op's emit function and a running step may call. */
#ifndef WEFT_GRAPH_PLANNER_H
#define WEFT_GRAPH_PLANNER_H

#include "graph/consume.h"
#include "graph/engine.h"
#include "graph/graph.h"

/* Where a value lives while a plan runs. */
typedef enum weft_buffer_kind {
    WEFT_BUFFER_ARENA,    /* in the session's arena, from its first step to its last */
    WEFT_BUFFER_BOUND,    /* an input, index, parameter, random leaf or feed: the caller's memory */
    WEFT_BUFFER_INVERSE,  /* of an index: [rows + 1] starts, then the positions (I64), made when the index is bound */
    WEFT_BUFFER_CONSTANT, /* filled once a session */
    WEFT_BUFFER_PACKED    /* a parameter packed for products; kept from run to run */
} weft_buffer_kind;

typedef struct weft_buffer {
    weft_buffer_kind kind;
    size_t bytes;
    int32_t value;       /* the graph value it stands for; 0: scratch between two steps */
    int32_t first, last; /* steps that write it first and use it last; last = INT32_MAX: fetched */
    size_t offset;       /* in the arena */
    int32_t same_as;     /* shares that buffer's place (an elementwise step in place), or -1 */
    bool converts;       /* bound: some reader wants the compute type, not BF16 or F16 as stored */
} weft_buffer;

/* An operand or result of a step. */
typedef struct weft_slot {
    int32_t buffer; /* -1: none */
    weft_dtype dtype;
    int64_t offset; /* elements */
    weft_dims dims;
    weft_extent extent;
} weft_slot;

typedef struct weft_run_state {
    const weft_kernels *kernels;
    const weft_vector_table *vector; /* of the graph's dtype */
    const weft_pair_table *pair;
    const weft_attention_table *attention;
    void **base;                   /* [buffers] */
    weft_dtype *storage;           /* [buffers] element type as bound */
    int64_t *counts;               /* [graph values] the count inputs */
    uint32_t (*keys)[2];           /* [graph values] streams of the random leaves */
    void **scratch;                /* [threads] */
    uint64_t step;                 /* of the random streams */
    const weft_consumer *consumer; /* of consumed values; NULL: none yet */
} weft_run_state;

typedef struct weft_step weft_step;
typedef struct weft_planner weft_planner;
typedef int64_t (*weft_pieces_function)(const weft_step *, const weft_run_state *);
typedef void (*weft_piece_function)(const weft_step *, const weft_run_state *, int64_t piece, int thread);

enum { WEFT_STEP_INPUTS = 16, WEFT_STEP_OUTPUTS = 4, WEFT_STRIP = 2048, WEFT_STREAM_FROM = 32 << 20 };

struct weft_step {
    const weft_op *op;
    int32_t value;               /* what it computes, for weft_describe */
    weft_pieces_function pieces; /* from sizes and counts alone */
    weft_piece_function run;
    int in_count, out_count;
    weft_slot in[WEFT_STEP_INPUTS], out[WEFT_STEP_OUTPUTS];
    weft_attributes attributes;
    void *extra;                  /* of the op's own kind, in the plan's arena */
    struct weft_program *program; /* elementwise ops on what each piece has just written, or all there is */
    bool packs_parameter;         /* skipped while the parameter has not changed */
    int writes_over;              /* its result may lie where operand writes_over − 1 does; 0: none may */
    size_t made_at, made_bytes;   /* of a thread's scratch: where each producer leaves its piece; 0 bytes: in the result */
};

struct weft_plan {
    weft_engine *engine;
    weft_graph *graph;   /* outlives the plan, and may have grown since: nodes move, numbers stay */
    int32_t value_count; /* values when it was compiled, and number 0 */
    weft_arena arena;
    weft_step **steps;
    int32_t step_count, step_capacity;
    weft_buffer *buffers;
    int32_t buffer_count, buffer_capacity;
    size_t arena_bytes, packed_bytes, scratch_bytes;
    weft_value *fetches, *feeds;
    weft_slot *fetch_places;
    weft_consumed *consumed;
    int fetch_count, feed_count, consumed_count;
};

/* ---- for emit functions ---- */

/* A new step that reads v's operands and writes its outputs; NULL when memory is short (then planning fails). When v is the
 * producer of an elementwise group, what it writes is the group's result, and the program is attached. */
weft_step *weft_step_new(weft_planner *, weft_value v, weft_pieces_function, weft_piece_function);
/* A step with no operands yet; and v's outputs for it. */
weft_step *weft_step_empty(weft_planner *, weft_value v, weft_pieces_function, weft_piece_function);
void weft_step_outputs(weft_planner *, weft_step *, weft_value v);
weft_slot weft_place_of(weft_planner *, weft_value v); /* of an operand or result, in whole */
weft_slot weft_place_of_leaf(weft_planner *,
                             weft_value v); /* of a random leaf as bound, or nothing at run time: to draw in place */
weft_slot weft_place_inverse(weft_planner *, weft_value index); /* starts, then positions, of a bound index */
weft_slot weft_place_scratch(weft_planner *, size_t bytes);     /* arena memory between two steps */
weft_slot weft_place_packed(weft_planner *, size_t bytes);      /* kept with the parameter set */
bool weft_may_pack(const weft_planner *, size_t bytes);         /* so much more may be kept packed, by the graph's weft_packing */
bool weft_is_parameter(const weft_planner *, weft_value v);     /* a parameter, or a view of one */
bool weft_is_kept(const weft_planner *, weft_value v);          /* and not one that this plan trains: it stays from run to run */
void weft_need_scratch(weft_planner *, size_t bytes);           /* a thread */
void *weft_plan_get(weft_planner *, size_t bytes);              /* zeroed, lives as long as the plan */
weft_engine *weft_planner_engine(const weft_planner *);
const weft_graph *weft_planner_graph(const weft_planner *);

/* Bytes of the panels that a step packs, for the parameter as it is bound. */
int64_t weft_packed_bytes(const weft_step *pack, const weft_run_state *);

/* Steps of c = a · b, as the op matmul has them, between any places; c NULL: the result of v, with what is fused behind it.
 * b_value: what b is a place of. panels: those of an earlier product by the same b, or buffer -1; then they are told; NULL: not
 * shared. */
typedef struct weft_product_form {
    bool a_transposed, b_transposed, bf16, accumulate;
} weft_product_form;
void weft_emit_product(weft_planner *, weft_value v, weft_slot a, weft_value b_value, weft_slot b, const weft_slot *c,
                       weft_product_form, weft_slot *panels);

/* x [… , k], the left side of bf16 products, rounded by a step before v's: rows weft_rounded_stride(k) apart, in type BF16. Made
 * once a place. x itself where it may change. */
weft_slot weft_place_rounded(weft_planner *, weft_value v, weft_slot x);
int64_t weft_rounded_stride(int64_t k);
size_t weft_rounded_bytes(weft_dims);
/* Whether value x, an operand of product v, is read by v as such rows. */
bool weft_product_rounds(const weft_planner *, weft_value v, int operand);
/* Writes columns from `column` on of rows from `row` on of such a result: x [rows, columns] dense. */
void weft_write_rounded(const weft_run_state *, const weft_slot *, const float *x, int64_t row, int64_t rows, int64_t column,
                        int64_t columns);

/* The product that runs beside a group's producer on the same pieces, or {0}; and whether two products may. */
weft_value weft_partner_of(const weft_planner *, weft_value producer);
bool weft_products_pair(const weft_planner *, weft_value a, weft_value b);

/* Whether somebody reads output k ≥ 1 of v, and where it then lies. */
bool weft_output_wanted(weft_planner *, weft_value v, int k, weft_slot *out);

void weft_emit_random(weft_planner *, weft_value);
bool weft_draws_mask(const weft_node *mask); /* pair_relu_sum draws this leaf in its kernel */

/* ---- for running steps ---- */

static inline void *weft_at(const weft_run_state *run, const weft_slot *p)
{
    char *base = run->base[p->buffer];
    return base + (size_t)p->offset * weft_dtype_size(p->dtype);
}

/* Position number `item` of an operand that says positions: a count, the same for all, or I64 numbers. */
static inline int64_t weft_position(const weft_run_state *run, const weft_slot *p, int64_t item)
{
    return p->dims.rank == 0 && p->extent.count.id ? run->counts[p->extent.count.id] : ((const int64_t *)weft_at(run, p))[item];
}

/* Rows of the place's outermost axis in use. */
static inline int64_t weft_used_rows(const weft_run_state *run, const weft_slot *p)
{
    if (p->extent.count.id)
        return (run->counts[p->extent.count.id] + p->extent.base) * p->extent.scale;
    return p->dims.rank ? p->dims.size[0] : 1;
}

/* Elements in use. */
static inline int64_t weft_used_count(const weft_run_state *run, const weft_slot *p)
{
    int64_t count = weft_used_rows(run, p);
    for (int i = 1; i < p->dims.rank; i++)
        count *= p->dims.size[i];
    return count;
}

/* How many rows of `row` elements make a piece of about `elements`. */
static inline int64_t weft_rows_per_piece(int64_t row, int64_t elements)
{
    int64_t rows = row > 0 ? elements / row : elements;
    return rows < 1 ? 1 : rows;
}

/* Elements a piece should have: enough work in the caches; for results larger than those, so much that kernels write past them.
 */
static inline int64_t weft_piece_elements(int64_t total, weft_dtype dtype, int64_t small)
{
    int64_t size = (int64_t)weft_dtype_size(dtype);
    return total * size > WEFT_STREAM_FROM ? WEFT_STREAM_BYTES / size : small;
}

/* A part of a step's result: rows [row0, row1) × columns [column0, column1). Producers have left theirs there, or densely in the
 * thread's scratch (made_at). */
typedef struct weft_area {
    int64_t row0, row1, column0, column1;
} weft_area;

/* Has a step's producers leave up to `elements` of a piece each in the thread's scratch, behind `bytes` that they work in. */
void weft_keep_made(weft_planner *, weft_step *, size_t elements, size_t bytes);

static inline void *weft_made(const weft_step *s, const weft_run_state *run, int producer, int thread)
{
    return (char *)run->scratch[thread] + s->made_at + (size_t)producer * s->made_bytes;
}

/* Runs the step's program on a part of its result. */
void weft_program_run(const weft_step *s, const weft_run_state *run, const weft_area *part, int thread);
/* Asks for what it will read there, while something else is computed. */
void weft_program_expect(const weft_step *s, const weft_run_state *run, const weft_area *part);

#endif
