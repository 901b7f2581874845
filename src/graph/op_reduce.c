/* Sums and maxima over a run of axes. attributes.i: first axis, last axis + 1. */
#include "graph/graph.h"
#include "graph/planner.h"
#include "kernels/vector.h"

enum { SUM, MAX };

static void reduce_shape(weft_graph *g, weft_node *n)
{
    const weft_node *x = &g->nodes[n->inputs[0].id];
    int from = (int)n->attributes.i[0], to = (int)n->attributes.i[1];
    if (x->dtype != g->dtype || from < 0 || to < from || to > x->dims.rank) {
        char a[WEFT_DIMS_TEXT];
        weft_poison(g, "%s: axes %d to %d are not in %s", n->op->name, from, to - 1, weft_dims_text(x->dims, a));
        return;
    }
    n->dims.rank = 0;
    for (int i = 0; i < x->dims.rank; i++)
        if (i < from || i >= to)
            n->dims.size[n->dims.rank++] = x->dims.size[i];
    if (from > 0 || to == from)
        n->extent = x->extent; /* the outermost axis stays */
    else if (x->extent.count.id && to > 1 && x->extent.scale != 0)
        return; /* rows in use are a prefix of the joined axes too */
}

/* x with the reduced axes put back as size 1 */
static weft_dims kept(weft_graph *g, weft_value x, int from, int to)
{
    weft_dims dims = weft_shape(g, x);
    for (int i = from; i < to; i++)
        dims.size[i] = 1;
    return dims;
}

static void sum_gradient(weft_graph *g, weft_value y, const weft_value *dy, weft_value *dx)
{
    weft_value x = weft_operand_of(g, y, 0);
    int from = (int)weft_node_of(g, y)->attributes.i[0], to = (int)weft_node_of(g, y)->attributes.i[1];
    dx[0] = weft_broadcast(g, weft_reshape(g, dy[0], kept(g, x, from, to)), weft_shape(g, x));
    if (weft_node_of(g, x)->extent.count.id)
        dx[0] = weft_used_like(g, dx[0], x);
}

static void max_gradient(weft_graph *g, weft_value y, const weft_value *dy, weft_value *dx)
{
    /* shared among ties in equal parts */
    weft_value x = weft_operand_of(g, y, 0);
    int from = (int)weft_node_of(g, y)->attributes.i[0], to = (int)weft_node_of(g, y)->attributes.i[1];
    weft_dims small = kept(g, x, from, to), whole = weft_shape(g, x);
    weft_value hit = weft_equal(g, x, weft_broadcast(g, weft_reshape(g, y, small), whole));
    weft_value share = weft_div(g, weft_reshape(g, dy[0], small), weft_reshape(g, weft_sum(g, hit, from, to - 1), small));
    dx[0] = weft_mul(g, hit, weft_broadcast(g, share, whole));
}

/* ---- steps: long columns are split by output columns, else by outer rows ---- */

typedef struct reduce_sizes {
    int64_t outer, r, inner;
} reduce_sizes;

static reduce_sizes sizes(const weft_step *s, const weft_run_state *run)
{
    const weft_dims *x = &s->in[0].dims;
    int from = (int)s->attributes.i[0], to = (int)s->attributes.i[1];
    reduce_sizes z = {weft_dims_product(*x, 0, from), weft_dims_product(*x, from, to), weft_dims_product(*x, to, x->rank)};
    int64_t used = weft_used_rows(run, &s->in[0]);
    if (x->rank > 0 && x->size[0] > 0) {
        if (from > 0)
            z.outer = z.outer / x->size[0] * used;
        else
            z.r = z.r / x->size[0] * used;
    }
    return z;
}

enum { REDUCE_PIECE = 32768, COLUMN_PIECE = 64 };

static bool by_columns(reduce_sizes z)
{
    return z.outer == 1 && z.inner > 1;
}

static int64_t reduce_pieces(const weft_step *s, const weft_run_state *run)
{
    reduce_sizes z = sizes(s, run);
    if (z.outer * z.r * z.inner <= REDUCE_PIECE)
        return 1;
    if (by_columns(z) && s->op->sub == WEFT_SUM)
        return (z.inner + COLUMN_PIECE - 1) / COLUMN_PIECE;
    int64_t rows = weft_rows_per_piece(z.r * z.inner, REDUCE_PIECE);
    return z.outer ? (z.outer + rows - 1) / rows : 1;
}

static void reduce_run(const weft_step *s, const weft_run_state *run, int64_t piece, int thread)
{
    (void)thread;
    reduce_sizes z = sizes(s, run);
    const char *x = weft_at(run, &s->in[0]);
    char *y = weft_at(run, &s->out[0]);
    size_t e = weft_dtype_size(s->out[0].dtype);
    if (by_columns(z) && s->op->sub == WEFT_SUM) {
        bool whole = z.r * z.inner <= REDUCE_PIECE;
        int64_t c0 = whole ? 0 : piece * COLUMN_PIECE, c1 = whole || c0 + COLUMN_PIECE > z.inner ? z.inner : c0 + COLUMN_PIECE;
        run->vector->column_sum(z.r, z.inner, c0, c1, x, y);
        return;
    }
    int64_t rows = z.outer * z.r * z.inner <= REDUCE_PIECE ? z.outer : weft_rows_per_piece(z.r * z.inner, REDUCE_PIECE);
    int64_t r0 = piece * rows, r1 = r0 + rows < z.outer ? r0 + rows : z.outer;
    if (r1 > r0)
        run->vector->reduce((weft_reduce)s->op->sub, r1 - r0, z.r, z.inner, x + (size_t)(r0 * z.r * z.inner) * e,
                            y + (size_t)(r0 * z.inner) * e);
}

static void reduce_emit(weft_planner *p, weft_value v)
{
    weft_step *s = weft_step_new(p, v, reduce_pieces, reduce_run);
    if (s)
        s->attributes = weft_node_of(weft_planner_graph(p), v)->attributes;
}

const weft_op weft_ops_reduce[] = {
    [SUM] = {.name = "sum",
             .kind = WEFT_OP_KERNEL,
             .sub = WEFT_SUM,
             .decompose = WEFT_CD_LINEAR,
             .extent = WEFT_EXTENT_OWN,
             .smooth = true,
             .shape = reduce_shape,
             .gradient = sum_gradient,
             .emit = reduce_emit},
    [MAX] = {.name = "reduce_max",
             .kind = WEFT_OP_KERNEL,
             .sub = WEFT_REDUCE_MAX,
             .decompose = WEFT_CD_NONE,
             .extent = WEFT_EXTENT_OWN,
             .smooth = false,
             .shape = reduce_shape,
             .gradient = max_gradient,
             .emit = reduce_emit},
    {0},
};

static weft_value reduce(weft_graph *g, const weft_op *op, weft_value x, int first, int last)
{
    if (!weft_check(g, op->name, x))
        return (weft_value){0};
    int rank = weft_shape(g, x).rank;
    first += first < 0 ? rank : 0;
    last += last < 0 ? rank : 0;
    if (last + 1 == first)
        return x;
    return weft_apply(g, op, &x, 1, &(weft_attributes){.i = {first, last + 1}});
}

weft_value weft_sum(weft_graph *g, weft_value x, int first, int last)
{
    return reduce(g, &weft_ops_reduce[SUM], x, first, last);
}

weft_value weft_max(weft_graph *g, weft_value x, int first, int last)
{
    return reduce(g, &weft_ops_reduce[MAX], x, first, last);
}

weft_value weft_mean(weft_graph *g, weft_value x, int first, int last)
{
    if (!weft_check(g, "mean", x))
        return (weft_value){0};
    weft_dims dims = weft_shape(g, x);
    int from = first < 0 ? first + dims.rank : first, to = last < 0 ? last + dims.rank : last;
    if (from == 0 && weft_node_of(g, x)->extent.count.id) {
        weft_poison(g, "mean: the outermost axis is used in part; sum it and divide by the count");
        return (weft_value){0};
    }
    weft_value total = weft_sum(g, x, from, to);
    if (!total.id)
        return total;
    return weft_scale(g, total, 1.0 / (double)weft_dims_product(dims, from, to + 1));
}

weft_value weft_sum_all(weft_graph *g, weft_value x)
{
    return weft_shape(g, x).rank == 0 ? x : weft_sum(g, x, 0, -1);
}

weft_value weft_mean_all(weft_graph *g, weft_value x)
{
    return weft_shape(g, x).rank == 0 ? x : weft_mean(g, x, 0, -1);
}

weft_value weft_sum_to(weft_graph *g, weft_value x, weft_dims dims)
{
    if (!weft_check(g, "sum_to", x))
        return (weft_value){0};
    while (g->status == WEFT_OK && weft_shape(g, x).rank > dims.rank)
        x = weft_sum(g, x, 0, weft_shape(g, x).rank - dims.rank - 1);
    for (int i = 0; i < dims.rank && g->status == WEFT_OK;) {
        weft_dims now = weft_shape(g, x);
        int to = i;
        while (to < dims.rank && dims.size[to] == 1 && now.size[to] != 1)
            to++;
        if (to == i) {
            i++;
            continue;
        }
        weft_dims small = now;
        for (int k = i; k < to; k++)
            small.size[k] = 1;
        x = weft_reshape(g, weft_sum(g, x, i, to - 1), small);
        i = to;
    }
    return x;
}
