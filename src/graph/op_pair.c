/* Retrieval ops over (row, context) pairs (TabR, spec sections 2.6 and 2.10): fast forms of what gather, subtraction, relu and
 * sums would write out. Each gradient is an op of its own; differentiated twice, all are lowered to gather and friends. */
#include "graph/graph.h"
#include "graph/planner.h"

#include <string.h>

enum {
    SQDIST,
    SQDIST_DQUERY,
    SQDIST_DTABLE,
    RELU_SUM,
    RELU_SUM_DP_DA,
    RELU_SUM_DTABLE,
    GATHER_SUM,
    GATHER_SUM_DW,
    GATHER_SUM_DTABLE
};

static weft_value pair_op(weft_graph *g, int op, const weft_value *inputs, int n)
{
    return weft_apply(g, &weft_ops_pair[op], inputs, n, NULL);
}

/* ---- shapes. Operand order: query-side values first, then table, index (last but for cotangents); see the builders. ---- */

static bool pair_fits(weft_graph *g, const weft_node *n, weft_dims rows, weft_dims table, weft_dims index)
{
    if (rows.rank == 2 && table.rank == 2 && index.rank == 2 && rows.size[0] == index.size[0] && rows.size[1] == table.size[1])
        return true;
    char a[WEFT_DIMS_TEXT], b[WEFT_DIMS_TEXT], c[WEFT_DIMS_TEXT];
    weft_poison(g, "%s: rows %s, table %s and index %s do not fit", n->op->name, weft_dims_text(rows, a),
                weft_dims_text(table, b), weft_dims_text(index, c));
    return false;
}

/* The numbers are checked as the index is bound. The table may be used in part; the index, where the op allows it, and then what
 * stands beside it must be used as far or whole: rows behind are not computed, and add nothing to the gradient of the table. */
static bool index_fits(weft_graph *g, const weft_node *n, int index, bool in_part)
{
    const weft_extent used = g->nodes[n->inputs[index].id].extent;
    for (int i = 0; i < n->input_count; i++) {
        const weft_extent e = g->nodes[n->inputs[i].id].extent;
        if (i != 1 && e.count.id && (!in_part || !weft_extent_equal(e, used))) {
            weft_poison(g,
                        in_part ? "%s: operands beside the table must be used as far as the index"
                                : "%s: only the table may be used in part",
                        n->op->name);
            return false;
        }
    }
    return weft_check_index(g, n, index, g->nodes[n->inputs[1].id].dims.size[0], true);
}

static weft_dims in_dims(weft_graph *g, const weft_node *n, int i)
{
    return g->nodes[n->inputs[i].id].dims;
}

static void sqdist_shape(weft_graph *g, weft_node *n) /* query, table, index [, g] */
{
    weft_dims q = in_dims(g, n, 0), t = in_dims(g, n, 1), i = in_dims(g, n, 2);
    if (!pair_fits(g, n, q, t, i) || !index_fits(g, n, 2, false))
        return;
    int op = (int)(n->op - weft_ops_pair);
    n->dims = op == SQDIST ? i : op == SQDIST_DQUERY ? q : t;
    if (op == SQDIST_DTABLE)
        n->extent = g->nodes[n->inputs[1].id].extent;
}

static void relu_sum_shape(weft_graph *g, weft_node *n) /* a, table, bias, index, p, mask or a scalar [, g, bits] */
{
    weft_dims a = in_dims(g, n, 0), t = in_dims(g, n, 1), b = in_dims(g, n, 2), i = in_dims(g, n, 3), p = in_dims(g, n, 4);
    if (!pair_fits(g, n, a, t, i) || !index_fits(g, n, 3, false))
        return;
    weft_dims mask = in_dims(g, n, 5);
    bool masked = mask.rank != 0;
    if (b.rank != 1 || b.size[0] != a.size[1] || !weft_dims_equal(p, i) ||
        (masked && !weft_dims_equal(mask, DIMS(i.size[0], i.size[1], a.size[1])))) {
        weft_poison(g, "%s: bias, weights or mask do not fit", n->op->name);
        return;
    }
    int op = (int)(n->op - weft_ops_pair);
    n->dims = op == RELU_SUM_DTABLE ? t : op == RELU_SUM ? a : p;
    if (op == RELU_SUM) { /* a bit an element: passed by relu and kept by the dropout; for the gradients */
        n->output_count = 2;
        n->more[0] = DIMS(i.size[0], i.size[1], (a.size[1] + 63) / 64 * (8 / (int64_t)weft_dtype_size(n->dtype)));
    }
    if (op == RELU_SUM_DP_DA) {
        n->output_count = 2;
        n->more[0] = a;
    } else if (op == RELU_SUM_DTABLE) {
        n->extent = g->nodes[n->inputs[1].id].extent;
    }
}

static void gather_sum_shape(weft_graph *g, weft_node *n) /* w, table, index [, g] */
{
    weft_dims w = in_dims(g, n, 0), t = in_dims(g, n, 1), i = in_dims(g, n, 2);
    if (!weft_dims_equal(w, i) || i.rank != 2 || t.rank != 2) {
        char a[WEFT_DIMS_TEXT], b[WEFT_DIMS_TEXT];
        weft_poison(g, "%s: weights %s do not fit index %s", n->op->name, weft_dims_text(w, a), weft_dims_text(i, b));
        return;
    }
    if (!index_fits(g, n, 2, true))
        return;
    int op = (int)(n->op - weft_ops_pair);
    n->dims = op == GATHER_SUM ? DIMS(i.size[0], t.size[1]) : op == GATHER_SUM_DW ? w : t;
    n->extent = g->nodes[n->inputs[op == GATHER_SUM_DTABLE ? 1 : 2].id].extent;
}

/* ---- gradients ---- */

static void sqdist_gradient(weft_graph *g, weft_value y, const weft_value *dy, weft_value *dx)
{
    weft_value in[4] = {weft_operand_of(g, y, 0), weft_operand_of(g, y, 1), weft_operand_of(g, y, 2), dy[0]};
    dx[0] = pair_op(g, SQDIST_DQUERY, in, 4);
    dx[1] = pair_op(g, SQDIST_DTABLE, in, 4);
}

static void relu_sum_gradient(weft_graph *g, weft_value y, const weft_value *dy, weft_value *dx)
{
    weft_value in[8];
    for (int i = 0; i < 6; i++)
        in[i] = weft_operand_of(g, y, i);
    in[6] = dy[0];
    in[7] = weft_part(g, y, 1);
    /* weights that come from a dropout: where one is zero, its gradient is multiplied by that zero and need not be known */
    const weft_node *p = weft_node_of(g, in[4]);
    bool dropped = p->op->kind == WEFT_OP_BINARY && p->op->sub == WEFT_MUL &&
                   weft_node_of(g, p->inputs[1])->op == weft_op_random &&
                   weft_node_of(g, p->inputs[1])->law.kind == WEFT_DROPOUT_LAW;
    dx[4] = weft_apply(g, &weft_ops_pair[RELU_SUM_DP_DA], in, 8, &(weft_attributes){.i = {dropped}});
    if (!dx[4].id)
        return;
    dx[0] = weft_part(g, dx[4], 1);
    dx[1] = pair_op(g, RELU_SUM_DTABLE, in, 8);
    dx[2] = weft_sum_to(g, dx[0], weft_shape(g, in[2])); /* the bias stands beside a */
}

static void gather_sum_gradient(weft_graph *g, weft_value y, const weft_value *dy, weft_value *dx)
{
    weft_value w = weft_operand_of(g, y, 0), table = weft_operand_of(g, y, 1), index = weft_operand_of(g, y, 2);
    dx[0] = pair_op(g, GATHER_SUM_DW, (weft_value[]){w, table, index, dy[0]}, 4);
    dx[1] = pair_op(g, GATHER_SUM_DTABLE, (weft_value[]){w, table, index, dy[0]}, 4);
}

/* ---- lowering ---- */

/* rows [B, n] as [B, 1, n]; the differences rows[i] - table[index[i, j]] as [B, m, n] */
static weft_value beside(weft_graph *g, weft_value rows)
{
    weft_dims d = weft_shape(g, rows);
    return weft_reshape(g, rows, DIMS(d.size[0], 1, d.size[1]));
}

static weft_value differences(weft_graph *g, weft_value rows, weft_value table, weft_value index)
{
    return weft_sub(g, beside(g, rows), weft_gather(g, table, index));
}

/* w [B, m] as [B, m, 1] */
static weft_value column(weft_graph *g, weft_value w)
{
    weft_dims d = weft_shape(g, w);
    return weft_reshape(g, w, DIMS(d.size[0], d.size[1], 1));
}

static void sqdist_lower(weft_graph *g, weft_value v, weft_value *out)
{
    const weft_node *n = weft_node_of(g, v);
    int op = (int)(n->op - weft_ops_pair);
    weft_value query = n->inputs[0], table = n->inputs[1], index = n->inputs[2];
    weft_value dy = op == SQDIST ? index : n->inputs[3];
    weft_value u = differences(g, query, table, index);
    if (op == SQDIST) {
        out[0] = weft_sum(g, weft_square(g, u), -1, -1);
        return;
    }
    weft_value d = weft_scale(g, weft_mul(g, u, column(g, dy)), 2);
    if (op == SQDIST_DQUERY)
        out[0] = weft_sum(g, d, 1, 1);
    else
        out[0] = weft_neg(g, weft_scatter_add(g, d, index, weft_shape(g, table).size[0]));
}

static void relu_sum_lower(weft_graph *g, weft_value v, weft_value *out)
{
    const weft_node *n = weft_node_of(g, v);
    int op = (int)(n->op - weft_ops_pair);
    weft_value a = n->inputs[0], table = n->inputs[1], b = n->inputs[2], index = n->inputs[3], p = n->inputs[4],
               mask = n->inputs[5];
    weft_value dy = op == RELU_SUM ? p : n->inputs[6];
    bool masked = weft_shape(g, mask).rank != 0;
    weft_value u = weft_add(g, differences(g, a, table, index), b);
    weft_value r = weft_relu(g, u);
    if (masked)
        r = weft_mul(g, r, mask);
    if (op == RELU_SUM) {
        out[0] = weft_sum(g, weft_mul(g, r, column(g, p)), 1, 1);
        return;
    }
    weft_value open = weft_less(g, weft_constant(g, 0, SCALAR), u); /* 1 where the relu passes */
    if (masked)
        open = weft_mul(g, open, mask);
    weft_value d = weft_mul(g, weft_mul(g, open, column(g, p)), beside(g, dy));
    if (op == RELU_SUM_DTABLE) {
        out[0] = weft_neg(g, weft_scatter_add(g, d, index, weft_shape(g, table).size[0]));
        return;
    }
    out[0] = weft_sum(g, weft_mul(g, r, beside(g, dy)), -1, -1);
    out[1] = weft_sum(g, d, 1, 1);
}

static void gather_sum_lower(weft_graph *g, weft_value v, weft_value *out)
{
    const weft_node *n = weft_node_of(g, v);
    int op = (int)(n->op - weft_ops_pair);
    weft_value w = n->inputs[0], table = n->inputs[1], index = n->inputs[2], dy = op == GATHER_SUM ? w : n->inputs[3];
    if (op == GATHER_SUM)
        out[0] = weft_sum(g, weft_mul(g, weft_gather(g, table, index), column(g, w)), 1, 1);
    else if (op == GATHER_SUM_DW)
        out[0] = weft_sum(g, weft_mul(g, weft_gather(g, table, index), beside(g, dy)), -1, -1);
    else
        out[0] = weft_scatter_add(g, weft_mul(g, column(g, w), beside(g, dy)), index, weft_shape(g, table).size[0]);
}

/* ---- steps: pieces of rows, or of table rows for the gradients that go there ---- */

typedef struct pair_extra {
    int32_t leaf; /* the unbound mask's random leaf, 0: none */
    double rate;
    weft_slot mask;
} pair_extra;

enum { PAIR_PIECE_ROWS = 8, PAIR_PIECE_TABLE = 128 };

static bool to_table(const weft_step *s)
{
    int op = (int)(s->op - weft_ops_pair);
    return op == SQDIST_DTABLE || op == RELU_SUM_DTABLE || op == GATHER_SUM_DTABLE;
}

static int64_t pair_targets(const weft_step *s, const weft_run_state *run)
{
    return weft_used_rows(run, to_table(s) ? &s->out[0] : &s->in[2]);
}

static int64_t pair_pieces(const weft_step *s, const weft_run_state *run)
{
    int64_t each = to_table(s) ? PAIR_PIECE_TABLE : PAIR_PIECE_ROWS;
    return (pair_targets(s, run) + each - 1) / each;
}

/* in: 0 rows or weights, 1 table, 2 index, 3 inverse (gradients to the table), 4 bias, 5 p, 6 cotangent, 7 bits that the forward
 * op left (its output 1) */
static void pair_run(const weft_step *s, const weft_run_state *run, int64_t piece, int thread)
{
    (void)thread;
    int64_t each = to_table(s) ? PAIR_PIECE_TABLE : PAIR_PIECE_ROWS, all = pair_targets(s, run);
    int64_t r0 = piece * each, r1 = r0 + each < all ? r0 + each : all;
    int64_t m = s->in[2].dims.size[1], width = s->in[1].dims.size[1];
    const void *x = weft_at(run, &s->in[0]), *table = weft_at(run, &s->in[1]);
    const int64_t *index = weft_at(run, &s->in[2]);
    const int64_t *start = s->in[3].buffer >= 0 ? weft_at(run, &s->in[3]) : NULL;
    const int64_t *list = start ? start + s->in[1].dims.size[0] + 1 : NULL;
    const void *bias = s->in[4].buffer >= 0 ? weft_at(run, &s->in[4]) : NULL;
    const void *p = s->in[5].buffer >= 0 ? weft_at(run, &s->in[5]) : NULL;
    const void *dy = s->in[6].buffer >= 0 ? weft_at(run, &s->in[6]) : NULL;
    void *y = weft_at(run, &s->out[0]);
    weft_pair_dropout drop = {0};
    const pair_extra *extra = s->extra;
    if (extra && s->in[7].buffer >= 0)
        drop.bits = weft_at(run, &s->in[7]);
    else if (extra && s->op == &weft_ops_pair[RELU_SUM] && s->out_count > 1)
        drop.bits = weft_at(run, &s->out[1]);
    if (extra && extra->mask.buffer >= 0) {
        if (run->base[extra->mask.buffer]) {
            drop.mask = weft_at(run, &extra->mask);
        } else {
            drop.rate = extra->rate;
            drop.step = run->step;
            memcpy(drop.key, run->keys[extra->leaf], sizeof drop.key);
        }
    }
    const weft_pair_table *t = run->pair;
    switch ((int)(s->op - weft_ops_pair)) {
    case SQDIST:
        t->sqdist(r0, r1, m, width, x, table, index, y);
        break;
    case SQDIST_DQUERY:
        t->sqdist_grad_query(r0, r1, m, width, x, table, index, dy, y);
        break;
    case SQDIST_DTABLE:
        t->sqdist_grad_table(r0, r1, m, width, x, table, start, list, dy, y);
        break;
    case RELU_SUM:
        t->relu_sum(r0, r1, m, width, x, table, bias, index, p, &drop, y);
        break;
    case RELU_SUM_DP_DA:
        t->relu_sum_grad_query(r0, r1, m, width, x, table, bias, index, p, &drop, dy, !s->attributes.i[0], y,
                               s->out_count > 1 ? weft_at(run, &s->out[1]) : NULL);
        break;
    case RELU_SUM_DTABLE:
        t->relu_sum_grad_table(r0, r1, m, width, x, table, bias, start, list, p, &drop, dy, y);
        break;
    case GATHER_SUM:
        t->gather_sum(r0, r1, m, width, x, table, index, y);
        break;
    case GATHER_SUM_DW:
        t->gather_sum_grad_weight(r0, r1, m, width, dy, table, index, y);
        break;
    default:
        t->gather_sum_grad_table(r0, r1, m, width, weft_used_rows(run, &s->in[2]), x, start, list, dy, y);
    }
}

bool weft_draws_mask(const weft_node *mask)
{
    return mask->op == weft_op_random && mask->law.kind == WEFT_DROPOUT_LAW && mask->attributes.i[1] == 0;
}

static void pair_emit(weft_planner *p, weft_value v)
{
    const weft_node *n = weft_node_of(weft_planner_graph(p), v);
    int op = (int)(n->op - weft_ops_pair);
    bool relu = op == RELU_SUM || op == RELU_SUM_DP_DA || op == RELU_SUM_DTABLE;
    weft_step *s = weft_step_empty(p, v, pair_pieces, pair_run);
    if (!s)
        return;
    int index_at = relu ? 3 : 2, cotangent_at = relu ? 6 : 3;
    s->attributes = n->attributes;
    s->in_count = 8;
    for (int i = 3; i < 8; i++)
        s->in[i].buffer = -1;
    s->in[0] = weft_place_of(p, n->inputs[0]);
    s->in[1] = weft_place_of(p, n->inputs[1]);
    s->in[2] = weft_place_of(p, n->inputs[index_at]);
    if (to_table(s))
        s->in[3] = weft_place_inverse(p, n->inputs[index_at]);
    if (relu) {
        s->in[4] = weft_place_of(p, n->inputs[2]);
        s->in[5] = weft_place_of(p, n->inputs[4]);
        pair_extra *extra = weft_plan_get(p, sizeof *extra);
        if (!extra)
            return;
        s->extra = extra;
        extra->mask.buffer = -1;
        const weft_node *mask = weft_node_of(weft_planner_graph(p), n->inputs[5]);
        if (mask->dims.rank != 0) {
            /* a dropout leaf is drawn inside the kernel, or read where it is bound; other values are read */
            bool draws = weft_draws_mask(mask);
            extra->leaf = n->inputs[5].id;
            extra->rate = mask->law.a;
            extra->mask = draws ? weft_place_of_leaf(p, n->inputs[5]) : weft_place_of(p, n->inputs[5]);
            s->in[s->in_count++] = extra->mask;
        }
    }
    if (n->input_count > cotangent_at)
        s->in[6] = weft_place_of(p, n->inputs[cotangent_at]);
    if (n->input_count > cotangent_at + 1)
        s->in[7] = weft_place_of(p, n->inputs[cotangent_at + 1]);
    weft_step_outputs(p, s, v);
}

static int64_t pair_macs(const weft_graph *g, const weft_node *n)
{
    const weft_node *table = &g->nodes[n->inputs[1].id];
    const weft_node *index = &g->nodes[n->inputs[strncmp(n->op->name, "pair_relu", 9) == 0 ? 3 : 2].id];
    return weft_dims_count(index->dims) * table->dims.size[1];
}

#define FORWARD(text, prefix) \
    { \
        .name = text, .kind = WEFT_OP_KERNEL, .decompose = WEFT_CD_GATE, .extent = WEFT_EXTENT_OWN, .smooth = true, \
        .shape = prefix##_shape, .gradient = prefix##_gradient, .lower = prefix##_lower, .emit = pair_emit, .macs = pair_macs \
    }
#define BACKWARD(text, prefix) \
    { \
        .name = text, .kind = WEFT_OP_KERNEL, .extent = WEFT_EXTENT_OWN, .smooth = true, .shape = prefix##_shape, \
        .lower = prefix##_lower, .emit = pair_emit, .macs = pair_macs \
    }

const weft_op weft_ops_pair[] = {
    [SQDIST] = FORWARD("pair_sqdist", sqdist),
    [SQDIST_DQUERY] = BACKWARD("pair_sqdist_dquery", sqdist),
    [SQDIST_DTABLE] = BACKWARD("pair_sqdist_dtable", sqdist),
    [RELU_SUM] = FORWARD("pair_relu_sum", relu_sum),
    [RELU_SUM_DP_DA] = BACKWARD("pair_relu_sum_dp_da", relu_sum),
    [RELU_SUM_DTABLE] = BACKWARD("pair_relu_sum_dtable", relu_sum),
    [GATHER_SUM] = FORWARD("gather_sum", gather_sum),
    [GATHER_SUM_DW] = BACKWARD("gather_sum_dweights", gather_sum),
    [GATHER_SUM_DTABLE] = BACKWARD("gather_sum_dtable", gather_sum),
    {0},
};

weft_value weft_pair_sqdist(weft_graph *g, weft_value query, weft_value table, weft_value index)
{
    return pair_op(g, SQDIST, (weft_value[]){query, table, index}, 3);
}

weft_value weft_pair_relu_sum(weft_graph *g, weft_value a, weft_value table, weft_value bias, weft_value index, weft_value p,
                              weft_value mask)
{
    if (!mask.id)
        mask = weft_constant(g, 1, SCALAR);
    return pair_op(g, RELU_SUM, (weft_value[]){a, table, bias, index, p, mask}, 6);
}

weft_value weft_gather_sum(weft_graph *g, weft_value weights, weft_value table, weft_value index)
{
    return pair_op(g, GATHER_SUM, (weft_value[]){weights, table, index}, 3);
}
