/* Differentiation as a graph transformation: the gradient's own ops are appended to the graph, so that they are fused, planned
 * and differentiated like any others. An op without a gradient rule is lowered, and its lowering is pulled back.
 *
 * Recomputing (weft_graph_recompute): what lies between two values marked as block boundaries is built once more, from the first
 * of them, when the gradient comes to it, and the rules read that. The plan then has no use for the first building behind the
 * forward pass: of each block only its boundary stays in memory (Chen et al., arXiv 1604.06174). */
#include "graph/graph.h"

#include <stdlib.h>
#include <string.h>

typedef struct pullback {
    weft_graph *g;
    int32_t count;   /* nodes when it began; those that the gradient appends are not walked */
    weft_value *cot; /* [count × outputs] cotangents so far */
    bool *reaches;   /* [count] depends on something in wrt */
    bool *end;       /* [count] in wrt, and nothing behind it is asked for */
    int32_t *again;  /* [count] the value that stands for it in the rules: built once more, or itself; NULL: always itself */
    int32_t built;   /* so far down blocks have been built once more */
} pullback;

/* ---- recomputing ---- */

static bool boundary(const weft_graph *g, int32_t id)
{
    return (g->nodes[id].marks & WEFT_BLOCK_BOUNDARY) != 0;
}

/* Builds the block (boundary, boundary] that holds value id once more. Values that do not depend on its first boundary come out
 * as they are, for equal ops on equal operands are one value; those that nobody reads are dropped as the graph is compiled. */
static void build_again(pullback *b, int32_t id)
{
    weft_graph *g = b->g;
    int32_t from = id - 1, to = id;
    while (from > 0 && !boundary(g, from))
        from--;
    while (to < b->count && !boundary(g, to))
        to++;
    b->built = from;
    if (from == 0 || to == b->count)
        return; /* in front of the first boundary and behind the last nothing is built again */
    for (int32_t i = from; i <= to && g->status == WEFT_OK; i++) {
        const weft_node node = g->nodes[i];
        if (node.op->kind == WEFT_OP_LEAF || node.op == weft_op_store)
            continue;
        if (i == from) {
            const weft_value v = {i};
            b->again[i] = weft_apply(g, weft_op_find("alias"), &v, 1, &(weft_attributes){.i = {g->count}}).id;
            continue;
        }
        weft_value in[64]; /* a longer list is kept */
        const bool fits = node.input_count <= 64;
        for (int k = 0; fits && k < node.input_count; k++)
            in[k].id = b->again[node.inputs[k].id];
        if (fits)
            b->again[i] = weft_apply(g, node.op, in, node.input_count, &node.attributes).id;
    }
    b->again[from] = from;
}

void weft_graph_recompute(weft_graph *g, bool on)
{
    g->recompute = on;
}

/* ---- the walk ---- */

/* The cotangent in the used extent of the value it belongs to: less rows are marked, more rows are zeros. */
static weft_value fit(weft_graph *g, weft_value d, weft_value like)
{
    weft_extent have = weft_node_of(g, d)->extent, want = weft_node_of(g, like)->extent;
    if (weft_extent_equal(have, want))
        return d;
    if (have.count.id && !want.count.id)
        return weft_apply(g, weft_op_find("clear_unused"), &d, 1, NULL);
    return weft_used_like(g, d, like);
}

static void add(pullback *b, weft_value v, int output, weft_value d)
{
    weft_graph *g = b->g;
    if (!d.id || g->status != WEFT_OK)
        return;
    weft_dims want = output == 0 ? weft_node_of(g, v)->dims : weft_node_of(g, v)->more[output - 1];
    if (!weft_dims_equal(weft_shape(g, d), want)) {
        char x[WEFT_DIMS_TEXT], y[WEFT_DIMS_TEXT];
        weft_poison(g, "gradient of %s: %s where %s belongs", weft_node_of(g, v)->op->name, weft_dims_text(weft_shape(g, d), x),
                    weft_dims_text(want, y));
        return;
    }
    d = fit(g, d, v);
    weft_value *slot = &b->cot[(int64_t)v.id * WEFT_MAX_OUTPUTS + output];
    *slot = slot->id ? weft_add_to(g, *slot, d) : d;
}

static void step_back(pullback *b, int32_t id)
{
    weft_graph *g = b->g;
    if (b->again && id <= b->built)
        build_again(b, id);
    const weft_value v = {b->again ? b->again[id] : id};
    const weft_value *dy = &b->cot[(int64_t)id * WEFT_MAX_OUTPUTS];
    const weft_op *op = weft_node_of(g, v)->op;
    int n = weft_node_of(g, v)->input_count, outputs = weft_node_of(g, v)->output_count;
    if (op == weft_op_part) {
        add(b, g->nodes[id].inputs[0], (int)weft_node_of(g, v)->attributes.i[0], dy[0]);
        return;
    }
    weft_value *dx = calloc((size_t)n + 1, sizeof *dx);
    weft_value *inputs = malloc(((size_t)n + 1) * sizeof *inputs);
    if (!dx || !inputs) {
        weft_poison(g, "gradient: memory is short");
    } else {
        memcpy(inputs, weft_node_of(g, v)->inputs, (size_t)n * sizeof *inputs); /* as the rule sees them */
        bool first_alone = true;                                                /* a rule knows the cotangent of output 0 */
        for (int k = 1; k < outputs; k++)
            first_alone &= dy[k].id == 0;
        if (op->gradient && first_alone) {
            op->gradient(g, v, dy, dx);
        } else if (op->lower) {
            weft_value out[WEFT_MAX_OUTPUTS] = {{0}}, y[WEFT_MAX_OUTPUTS], d[WEFT_MAX_OUTPUTS];
            int count = 0;
            op->lower(g, v, out);
            for (int k = 0; k < outputs; k++)
                if (dy[k].id) {
                    y[count] = out[k];
                    d[count++] = dy[k];
                }
            /* operands that are indices or masks have no gradient; the walk simply never reaches them */
            weft_pullback(g, y, d, count, inputs, n, true, dx);
            for (int i = 1; i < n; i++) /* an operand that stands twice has got the whole at its first place */
                for (int k = 0; k < i; k++)
                    if (inputs[k].id == inputs[i].id)
                        dx[i] = (weft_value){0};
        } else {
            weft_poison(g, "op %s has no gradient", op->name);
        }
        for (int i = 0; i < n && g->status == WEFT_OK; i++) {
            const weft_value x = g->nodes[id].inputs[i];
            if (dx[i].id && b->reaches[x.id])
                add(b, x, 0, dx[i]);
        }
    }
    free(dx);
    free(inputs);
}

void weft_pullback(weft_graph *g, const weft_value *y, const weft_value *dy, int ny, const weft_value *wrt, int n, bool stop,
                   weft_value *out)
{
    if (g->status != WEFT_OK)
        return;
    pullback b = {.g = g, .count = g->count};
    b.cot = calloc((size_t)g->count * WEFT_MAX_OUTPUTS, sizeof *b.cot);
    b.reaches = calloc((size_t)g->count, 1);
    b.end = calloc((size_t)g->count, 1);
    const bool again = g->recompute && !stop; /* lowering inside a rule is no walk over blocks */
    if (again && (b.again = malloc((size_t)g->count * sizeof *b.again)))
        for (int32_t id = 0; id < b.count; id++)
            b.again[id] = id;
    b.built = b.count;
    if (!b.cot || !b.reaches || !b.end || (again && !b.again)) {
        weft_poison(g, "gradient: memory is short");
    } else {
        for (int i = 0; i < n; i++) {
            b.reaches[wrt[i].id] = true;
            b.end[wrt[i].id] = stop;
        }
        for (int32_t id = 1; id < b.count; id++)
            for (int i = 0; i < g->nodes[id].input_count && !b.reaches[id]; i++)
                b.reaches[id] = b.reaches[g->nodes[id].inputs[i].id];
        for (int i = 0; i < ny; i++)
            if (b.reaches[y[i].id])
                add(&b, y[i], 0, dy[i]);
        for (int32_t id = b.count - 1; id > 0 && g->status == WEFT_OK; id--) {
            bool any = false;
            for (int k = 0; k < WEFT_MAX_OUTPUTS; k++)
                any |= b.cot[(int64_t)id * WEFT_MAX_OUTPUTS + k].id != 0;
            if (any && b.reaches[id] && !b.end[id] && g->nodes[id].op->kind != WEFT_OP_LEAF)
                step_back(&b, id);
        }
        for (int i = 0; i < n; i++)
            out[i] = b.cot[(int64_t)wrt[i].id * WEFT_MAX_OUTPUTS];
    }
    free(b.again);
    free(b.cot);
    free(b.reaches);
    free(b.end);
}

weft_status weft_gradient(weft_graph *g, weft_value y, weft_value cotangent, const weft_value *wrt, int n, weft_value *out)
{
    bool fine = weft_check(g, "gradient", y);
    for (int i = 0; fine && i < n; i++)
        fine = weft_check(g, "gradient", wrt[i]);
    if (!fine)
        return weft_graph_status(g);
    weft_value dy = cotangent.id ? cotangent : weft_constant(g, 1, weft_shape(g, y));
    if (dy.id && !weft_dims_equal(weft_shape(g, dy), weft_shape(g, y)))
        weft_poison(g, "gradient: the cotangent's shape is not that of the value");
    for (int i = 0; i < n; i++)
        out[i] = (weft_value){0};
    weft_pullback(g, &y, &dy, 1, wrt, n, false, out);
    for (int i = 0; i < n && g->status == WEFT_OK; i++)
        if (!out[i].id) {
            out[i] = weft_constant(g, 0, weft_shape(g, wrt[i]));
            out[i] = fit(g, out[i], wrt[i]);
        }
    for (int i = 0; i < n && g->status == WEFT_OK; i++)
        if (g->nodes[wrt[i].id].op == weft_op_param)
            g->nodes[wrt[i].id].gradient = out[i].id;
    return weft_graph_status(g);
}
