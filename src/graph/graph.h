/* The graph from inside: nodes, and the one function that appends them. */
#ifndef WEFT_GRAPH_GRAPH_H
#define WEFT_GRAPH_GRAPH_H

#include "base/arena.h"
#include "graph/op.h"
#include "kernels/vector.h"
#include "weft/graph.h"

enum { WEFT_MAX_OUTPUTS = 4, WEFT_MAX_SCOPES = 32, WEFT_NAME_BYTES = 512 };

/* Numbers that belong to a node besides its operands; compared as bits, so always zero-initialised. */
typedef struct weft_attributes {
    weft_dims dims;
    int64_t i[4];
    double f[2];
    const double *numbers; /* a list kept by the graph (weft_keep_numbers): equal lists are one pointer */
} weft_attributes;

/* How much of the outermost axis is in use: (count + base) * scale rows, where count is a count input; count {0}: all. */
typedef struct weft_extent {
    weft_value count;
    int32_t unused;
    int64_t base, scale;
} weft_extent;

typedef struct weft_node {
    const weft_op *op;
    weft_dtype dtype;
    int input_count, output_count;
    weft_value *inputs;
    weft_dims dims;                       /* of output 0 */
    weft_dims more[WEFT_MAX_OUTPUTS - 1]; /* of outputs 1 …, reached through "part" nodes */
    weft_attributes attributes;
    weft_extent extent;
    const char *name; /* leaves: how they are bound; others: the tap's name, or NULL */
    weft_init init;   /* parameters */
    weft_law law;     /* random leaves */
    int32_t gradient; /* parameters: the value that weft_gradient answered last, 0: none */
    unsigned marks;
} weft_node;

/* A parameter or state that is another one, by names. */
typedef struct weft_shared_leaf {
    const char *name, *same;
} weft_shared_leaf;

struct weft_graph {
    weft_arena arena;
    weft_dtype dtype;
    bool bf16_products; /* of the products built from now on */
    bool recompute;     /* gradients build marked blocks once more */
    weft_packing packing;
    weft_status status;
    char *message;
    weft_node *nodes; /* [count], number 0 unused */
    int32_t count, capacity;
    int32_t *buckets; /* hash of equal nodes → number */
    int32_t bucket_count;
    struct weft_kept *kept; /* lists of numbers that nodes refer to */
    weft_shared_leaf *shared;
    int32_t shared_count, shared_capacity;
    char scope[WEFT_NAME_BYTES];
    int scope_ends[WEFT_MAX_SCOPES], scope_depth;
};

static inline const weft_node *weft_node_of(const weft_graph *g, weft_value v)
{
    return &g->nodes[v.id];
}

static inline weft_value weft_operand_of(const weft_graph *g, weft_value v, int i)
{
    return g->nodes[v.id].inputs[i];
}

/* Appends op(inputs) unless an equal node is there; the op's shape rule judges it. {0} when the graph is (or gets) poisoned. */
weft_value weft_apply(weft_graph *g, const weft_op *op, const weft_value *inputs, int n, const weft_attributes *attributes);

/* A leaf; NULL attributes: none. `name` is copied. Equal names must agree in everything (else the graph is poisoned). */
weft_value weft_leaf(weft_graph *g, const weft_op *op, const char *name, weft_dtype dtype, weft_dims dims,
                     const weft_attributes *attributes);

/* Losses of rows hidden [rows, width] · table [classes, width]ᵀ against labels [rows] (weft_labels) and beside what a teacher
 * says, taught [rows, its width] · taught_table [classes, its width]ᵀ, without a matrix of logits: (1 − weight) · cross-entropy +
 * weight · T² · KL(softmax(taught / T) ‖ softmax(logits / T)), [rows], 0 for rows without a label (op_distill.c;
 * weft_distill_number). T² keeps the gradient's size as the targets soften. */
weft_value weft_distill_rows(weft_graph *, weft_value hidden, weft_value table, weft_value labels, weft_value taught,
                             weft_value taught_table, const double numbers[WEFT_DISTILL_NUMBERS]);
/* The same from logits and taught logits [rows, classes]. */
weft_value weft_distill_logits(weft_graph *, weft_value logits, weft_value taught, weft_value labels, double temperature,
                               double weight);

/* The graph's own copy of a list of numbers, one for equal lists; NULL when memory is short (then the graph is poisoned). */
const double *weft_keep_numbers(weft_graph *g, const double *numbers, int64_t count);

/* The name under which the parameter or state `name` is known: its own, or that of the one it shares. */
const char *weft_leaf_name(const weft_graph *g, const char *name);

/* Output k ≥ 1 of a node with several. */
weft_value weft_part(weft_graph *g, weft_value v, int k);

/* The same value, its outermost axis used as far as that of `like`. */
weft_value weft_used_like(weft_graph *g, weft_value v, weft_value like);

bool weft_extent_equal(weft_extent a, weft_extent b);

/* True when a is fine to use; poisons on {0} handles of a healthy graph. */
bool weft_check(weft_graph *g, const char *op, weft_value a);

/* True when operand i is an index (or a view of one) into `rows` rows, so that its numbers are checked as it is bound; `whole`:
 * and all of it, since the op goes by the positions in the whole index. Else poisons. */
bool weft_check_index(weft_graph *g, const weft_node *n, int i, int64_t rows, bool whole);

/* Gradient of several values at once; `stop`: do not look behind wrt. Used for lowering; see gradient.c. */
void weft_pullback(weft_graph *g, const weft_value *y, const weft_value *dy, int ny, const weft_value *wrt, int n, bool stop,
                   weft_value *out);

/* onto + x; where x is a scatter_add, its sums alone are added, in the memory of `onto` where nobody else reads that. */
weft_value weft_add_to(weft_graph *g, weft_value onto, weft_value x);

/* dy · f'(x), by the binary table's op for an activation's derivative; p: the function's parameter. */
weft_value weft_derivative(weft_graph *g, weft_binary function, weft_value dy, weft_value x, double p);

/* Poisons unless operand i says positions: a count input, or an I64 leaf of `items` numbers. Where `places` > 0 they must be
 * known to lie in [0, places): a count up to there, or an index into no more rows. */
bool weft_check_positions(weft_graph *g, const weft_node *n, int i, int64_t items, int64_t places);

/* Rows of the op table that are asked for by name elsewhere. */
extern const weft_op *const weft_op_input,
    *const weft_op_index, *const weft_op_count_input, *const weft_op_param, *const weft_op_random, *const weft_op_constant,
                                                                                                       *const weft_op_iota,
                                                                                                           *const weft_op_state;
extern const weft_op *const weft_op_part, *const weft_op_rows, *const weft_op_store;

int64_t weft_dims_product(weft_dims dims, int from, int to); /* of sizes [from, to) */

#endif
