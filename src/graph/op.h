/* The op table's row. A file op_*.c holds the rows of one family, their shape rules, gradients, lowerings and steps. */
#ifndef WEFT_GRAPH_OP_H
#define WEFT_GRAPH_OP_H

#include "weft/graph.h"

typedef struct weft_op weft_op;
struct weft_node;
struct weft_planner;

typedef enum weft_op_kind {
    WEFT_OP_LEAF,
    WEFT_OP_VIEW,  /* same memory, other shape or a run of outermost rows */
    WEFT_OP_UNARY, /* elementwise: `sub` is a weft_unary, weft_binary, or nothing for where */
    WEFT_OP_BINARY,
    WEFT_OP_WHERE,
    WEFT_OP_KERNEL /* everything else: emits steps */
} weft_op_kind;

/* How contextual decomposition carries a (relevant, irrelevant) pair through the op. */
typedef enum weft_decompose_class {
    WEFT_CD_NONE,
    WEFT_CD_LINEAR,
    WEFT_CD_BIAS,
    WEFT_CD_ACTIVATION,
    WEFT_CD_GATE,
    WEFT_CD_NORM,
    WEFT_CD_ATTENTION,
    WEFT_CD_OFF
} weft_decompose_class;

/* What becomes of used extents. */
typedef enum weft_extent_rule {
    WEFT_EXTENT_NONE, /* operands must have none, or the op takes them in: the result is whole */
    WEFT_EXTENT_SAME, /* the result's outermost axis is that of operand 0 */
    WEFT_EXTENT_OWN   /* the shape rule sets node->extent */
} weft_extent_rule;

struct weft_op {
    const char *name;
    weft_op_kind kind;
    int sub;
    weft_decompose_class decompose;
    weft_extent_rule extent;
    bool smooth;         /* the op table's test differentiates it twice */
    bool takes_program;  /* its steps run elementwise ops on each piece they have written */
    int storage_operand; /* 1 + the number of the operand that may be stored as BF16 or F16; 0: none */
    bool writes_rounded; /* its step writes its result in BF16 where only bf16 products read it (round_rows.c) */
    bool whole_rows;     /* … and such a piece is whole rows of the last axis */
    bool reads_states;   /* takes operands of type BF16 and F16 (states) */
    /* checks the operands and sets dims, dtype (preset to the graph's), output_count; poisons on a mistake */
    void (*shape)(weft_graph *, struct weft_node *);
    /* appends the gradient: dy[k] is the cotangent of output k (or {0}); sets dx[i], which start as {0}: no gradient */
    void (*gradient)(weft_graph *, weft_value y, const weft_value *dy, weft_value *dx);
    /* composites: the same outputs from simpler ops; used where there is no gradient rule */
    void (*lower)(weft_graph *, weft_value y, weft_value *out);
    void (*emit)(struct weft_planner *, weft_value v);
    int64_t (*macs)(const weft_graph *, const struct weft_node *); /* multiply-accumulates; NULL: none */
};

/* Families, ended by a row without a name; op_table.c walks them. */
extern const weft_op weft_ops_leaf[], weft_ops_view[], weft_ops_move[], weft_ops_unary[], weft_ops_binary[], weft_ops_reduce[],
    weft_ops_matmul[], weft_ops_index[], weft_ops_row[], weft_ops_pair[], weft_ops_state[], weft_ops_rope[], weft_ops_attention[],
    weft_ops_mask[], weft_ops_loss[], weft_ops_distill[], weft_ops_plr[];

int weft_op_count(void);
const weft_op *weft_op_at(int i);
const weft_op *weft_op_find(const char *name);

#endif
