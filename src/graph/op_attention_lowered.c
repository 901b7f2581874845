/* Attention from simpler ops: attention_mask [batch, m, n] writes 1 where a query sees a key and 0 elsewhere, and the weights are
 * multiplied by it, so that a query that sees no key gives zeros. */
#include "graph/attention.h"

int weft_attention_operand(int64_t given, int which)
{
    int at = 0;
    for (int bit = 0; 1 << bit < which; bit++)
        at += (given & 1 << bit) != 0;
    return given & which ? at : -1;
}

/* Checks the operands of `given` from operand `first` on, for queries [batch, m] and keys [batch, n]. */
bool weft_attention_check_sight(weft_graph *g, const weft_node *n, int first, int64_t batch, int64_t m, int64_t keys)
{
    const int64_t given = n->attributes.i[0];
    for (int which = WEFT_SEES_FROM_START; which <= WEFT_SEES_KEY_MASK; which *= 2) {
        const int at = weft_attention_operand(given, which);
        if (at < 0)
            continue;
        const int i = first + at;
        const weft_node *x = &g->nodes[n->inputs[i].id];
        char a[WEFT_DIMS_TEXT];
        bool fits = true;
        if (which == WEFT_SEES_FROM_START || which == WEFT_SEES_USED)
            fits = weft_check_positions(g, n, i, batch, 0);
        else if (which == WEFT_SEES_SEGMENTS)
            fits = x->dtype == WEFT_I64 && weft_dims_equal(x->dims, DIMS(batch, m)) && m == keys;
        else
            fits = x->dtype == g->dtype && weft_dims_equal(x->dims, DIMS(batch, keys));
        if (!fits) {
            weft_poison(g, "%s: operand %d is %s %s, expected %s [%lld, %lld]", n->op->name, i + 1, weft_dtype_name(x->dtype),
                        weft_dims_text(x->dims, a), which == WEFT_SEES_KEY_MASK ? "numbers" : "I64", (long long)batch,
                        (long long)keys);
            return false;
        }
    }
    return true;
}

static void mask_shape(weft_graph *g, weft_node *n)
{
    const weft_dims d = n->dims = n->attributes.dims;
    weft_attention_check_sight(g, n, 0, d.size[0], d.size[1], d.size[2]);
    n->extent =
        (weft_extent){.count = {(int32_t)n->attributes.i[2]}, .base = n->attributes.i[3], .scale = (int64_t)n->attributes.f[0]};
}

static void mask_gradient(weft_graph *g, weft_value y, const weft_value *dy, weft_value *dx)
{
    (void)g, (void)y, (void)dy, (void)dx; /* of a mask there is none */
}

enum { MASK_PIECE = 32768 };

static int64_t mask_pieces(const weft_step *s, const weft_run_state *run)
{
    const int64_t each = weft_rows_per_piece(s->out[0].dims.size[2], MASK_PIECE);
    return (weft_used_rows(run, &s->out[0]) * s->out[0].dims.size[1] + each - 1) / each;
}

static void mask_run(const weft_step *s, const weft_run_state *run, int64_t piece, int thread)
{
    (void)thread;
    const int64_t m = s->out[0].dims.size[1], n = s->out[0].dims.size[2], each = weft_rows_per_piece(n, MASK_PIECE);
    const int64_t all = weft_used_rows(run, &s->out[0]) * m, end = (piece + 1) * each < all ? (piece + 1) * each : all;
    const bool f64 = s->out[0].dtype == WEFT_F64;
    for (int64_t r = piece * each; r < end; r++) {
        const weft_sight sight = weft_sight_of(s, run, 0, r / m, m, n);
        int64_t from, to;
        weft_sight_range(&sight, r % m, &from, &to);
        for (int64_t j = 0; j < n; j++) {
            bool sees = j >= from && j < to && (!sight.segments || sight.segments[j] == sight.segments[r % m]);
            if (f64)
                ((double *)weft_at(run, &s->out[0]))[r * n + j] = sees && (!sight.mask || ((const double *)sight.mask)[j] != 0);
            else
                ((float *)weft_at(run, &s->out[0]))[r * n + j] = sees && (!sight.mask || ((const float *)sight.mask)[j] != 0);
        }
    }
}

static void mask_emit(weft_planner *p, weft_value v)
{
    weft_step *s = weft_step_new(p, v, mask_pieces, mask_run);
    if (s)
        s->attributes = weft_node_of(weft_planner_graph(p), v)->attributes;
}

const weft_op weft_ops_mask[] = {
    {.name = "attention_mask",
     .kind = WEFT_OP_KERNEL,
     .decompose = WEFT_CD_OFF,
     .extent = WEFT_EXTENT_OWN,
     .shape = mask_shape,
     .gradient = mask_gradient,
     .emit = mask_emit},
    {0},
};

/* [batch, tokens, kv, group, head] as [batch, kv, group · tokens, head] */
static weft_value by_group(weft_graph *g, weft_value x, int64_t kv)
{
    const weft_dims d = weft_shape(g, x);
    x = weft_reshape(g, x, DIMS(d.size[0], d.size[1], kv, d.size[2] / kv, d.size[3]));
    x = weft_permute(g, x, (int[]){0, 2, 3, 1, 4});
    return weft_reshape(g, x, DIMS(d.size[0], kv, d.size[2] / kv * d.size[1], d.size[3]));
}

weft_value weft_attention_lowered(weft_graph *g, const weft_attention_parts *p, const char *name)
{
    const weft_dims q = weft_shape(g, p->q), k = weft_shape(g, p->k), v = weft_shape(g, p->v);
    const int64_t batch = q.size[0], m = q.size[1], heads = q.size[2], n = k.size[1], kv = k.size[2];
    weft_value keys = weft_permute(g, weft_widen(g, p->k), (int[]){0, 2, 1, 3});
    weft_value values = weft_permute(g, weft_widen(g, p->v), (int[]){0, 2, 1, 3});
    weft_value scores = weft_scale(g, weft_matmul_nt(g, by_group(g, p->q, kv), keys), p->scale);
    scores = weft_reshape(g, scores, DIMS(batch, heads, m, n));
    if (p->cap != 0)
        scores = weft_softcap(g, scores, p->cap);
    if (p->bias.id)
        scores = weft_add(g, scores, p->bias);
    weft_value seen = {0};
    if (p->given || p->window) {
        const weft_extent used = weft_node_of(g, p->q)->extent;
        seen = weft_apply(g, &weft_ops_mask[0], p->sight, p->sight_count,
                          &(weft_attributes){.dims = DIMS(batch, m, n),
                                             .i = {p->given, p->window, used.count.id, used.base},
                                             .f = {(double)used.scale}});
        seen = weft_reshape(g, seen, DIMS(batch, 1, m, n));
        scores = weft_where(g, seen, scores, weft_constant(g, -1e30, SCALAR));
    }
    if (name)
        scores = weft_name(g, scores, "%s.scores", name);
    weft_value weights = weft_softmax(g, scores);
    if (seen.id)
        weights = weft_mul(g, weights, seen); /* of queries that see no key at all, too */
    if (name)
        weights = weft_name(g, weights, "%s.probabilities", name);
    weft_value y = weft_matmul(g, weft_reshape(g, weights, DIMS(batch, kv, heads / kv * m, n)), values);
    y = weft_permute(g, weft_reshape(g, y, DIMS(batch, kv, heads / kv, m, v.size[3])), (int[]){0, 3, 1, 2, 4});
    return weft_reshape(g, y, DIMS(batch, m, heads, v.size[3]));
}
