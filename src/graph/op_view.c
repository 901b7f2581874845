/* Views: the same memory under another shape, a run of outermost rows, another output, another used extent. */
#include "graph/graph.h"

#include <string.h>

enum { RESHAPE, ROWS, PART, USED, ALIAS, DETACH };

static void reshape_shape(weft_graph *g, weft_node *n)
{
    weft_node *x = &g->nodes[n->inputs[0].id];
    char a[WEFT_DIMS_TEXT], b[WEFT_DIMS_TEXT];
    n->dims = n->attributes.dims;
    n->dtype = x->dtype;
    if (weft_dims_count(n->dims) != weft_dims_count(x->dims)) {
        weft_poison(g, "reshape: %s does not hold as many elements as %s", weft_dims_text(n->dims, b),
                    weft_dims_text(x->dims, a));
        return;
    }
    if (!x->extent.count.id)
        return;
    /* the outermost axis may be cut finer or joined with what is inside it; used rows scale along */
    int64_t from = x->dims.size[0], to = n->dims.rank ? n->dims.size[0] : 1;
    if (from == 0 || to == 0) { /* there is nothing to use */
        if (from == to)
            n->extent = x->extent;
        return;
    }
    n->extent = x->extent;
    if (to % from == 0)
        n->extent.scale *= to / from;
    else if (from % to == 0 && x->extent.scale % (from / to) == 0)
        n->extent.scale /= from / to;
    else
        weft_poison(g, "reshape: %s to %s cuts across the used part of the outermost axis", weft_dims_text(x->dims, a),
                    weft_dims_text(n->dims, b));
}

static void reshape_gradient(weft_graph *g, weft_value y, const weft_value *dy, weft_value *dx)
{
    weft_value x = weft_operand_of(g, y, 0);
    dx[0] = weft_reshape(g, dy[0], weft_shape(g, x));
}

static void rows_shape(weft_graph *g, weft_node *n)
{
    const weft_node *x = &g->nodes[n->inputs[0].id];
    int64_t from = n->attributes.i[0], to = n->attributes.i[1];
    if (x->dims.rank < 1 || from < 0 || to < from || to > x->dims.size[0]) {
        char a[WEFT_DIMS_TEXT];
        weft_poison(g, "rows %lld to %lld are not in %s", (long long)from, (long long)to, weft_dims_text(x->dims, a));
        return;
    }
    n->dims = x->dims;
    n->dims.size[0] = to - from;
    n->dtype = x->dtype;
    if (!x->extent.count.id || to <= x->extent.base * x->extent.scale)
        return; /* all of it is always in use */
    n->extent = x->extent;
    if (to != x->dims.size[0] || from % x->extent.scale != 0 || from > x->extent.base * x->extent.scale)
        weft_poison(g, "rows %lld to %lld cut across the used part of the outermost axis", (long long)from, (long long)to);
    n->extent.base -= from / x->extent.scale;
}

static void rows_gradient(weft_graph *g, weft_value y, const weft_value *dy, weft_value *dx)
{
    weft_value x = weft_operand_of(g, y, 0);
    int64_t from = weft_node_of(g, y)->attributes.i[0], to = weft_node_of(g, y)->attributes.i[1];
    int64_t size = weft_shape(g, x).size[0];
    weft_extent e = weft_node_of(g, x)->extent;
    if (e.count.id) { /* zeros elsewhere, as far as x is used */
        weft_attributes whole = {.dims = weft_shape(g, x), .i = {from, e.count.id, e.base, e.scale}};
        dx[0] = weft_apply(g, weft_op_find("place_rows"), dy, 1, &whole);
        return;
    }
    dx[0] = weft_pad(g, dy[0], 0, from, size - to);
}

static void part_shape(weft_graph *g, weft_node *n)
{
    const weft_node *x = &g->nodes[n->inputs[0].id];
    int64_t k = n->attributes.i[0];
    if (k < 1 || k >= x->output_count) {
        weft_poison(g, "part: %s has no output %lld", x->op->name, (long long)k);
        return;
    }
    n->dims = x->more[k - 1];
}

static void used_shape(weft_graph *g, weft_node *n)
{
    const weft_node *x = &g->nodes[n->inputs[0].id];
    n->dims = x->dims;
    n->dtype = x->dtype;
    n->extent = (weft_extent){.count = {(int32_t)n->attributes.i[0]}, .base = n->attributes.i[1], .scale = n->attributes.i[2]};
}

static void used_gradient(weft_graph *g, weft_value y, const weft_value *dy, weft_value *dx)
{
    (void)g, (void)y;
    dx[0] = dy[0]; /* the pullback clears rows past the used part */
}

static void alias_shape(weft_graph *g, weft_node *n)
{
    n->dims = g->nodes[n->inputs[0].id].dims;
    n->dtype = g->nodes[n->inputs[0].id].dtype;
}

static void alias_gradient(weft_graph *g, weft_value y, const weft_value *dy, weft_value *dx)
{
    (void)g, (void)y;
    dx[0] = dy[0];
}

static void detach_gradient(weft_graph *g, weft_value y, const weft_value *dy, weft_value *dx)
{
    (void)g, (void)y, (void)dy, (void)dx; /* none */
}

const weft_op weft_ops_view[] = {
    [RESHAPE] = {.name = "reshape",
                 .kind = WEFT_OP_VIEW,
                 .decompose = WEFT_CD_LINEAR,
                 .extent = WEFT_EXTENT_OWN,
                 .smooth = true,
                 .shape = reshape_shape,
                 .gradient = reshape_gradient},
    [ROWS] = {.name = "rows",
              .kind = WEFT_OP_VIEW,
              .decompose = WEFT_CD_LINEAR,
              .extent = WEFT_EXTENT_OWN,
              .smooth = true,
              .shape = rows_shape,
              .gradient = rows_gradient},
    [PART] = {.name = "part", .kind = WEFT_OP_VIEW, .decompose = WEFT_CD_NONE, .extent = WEFT_EXTENT_SAME, .shape = part_shape},
    [USED] = {.name = "used",
              .kind = WEFT_OP_VIEW,
              .decompose = WEFT_CD_LINEAR,
              .extent = WEFT_EXTENT_OWN,
              .smooth = true,
              .shape = used_shape,
              .gradient = used_gradient},
    [ALIAS] = {.name = "alias",
               .kind = WEFT_OP_VIEW,
               .decompose = WEFT_CD_LINEAR,
               .extent = WEFT_EXTENT_SAME,
               .shape = alias_shape,
               .gradient = alias_gradient},
    [DETACH] = {.name = "detach",
                .kind = WEFT_OP_VIEW,
                .decompose = WEFT_CD_LINEAR,
                .extent = WEFT_EXTENT_SAME,
                .shape = alias_shape,
                .gradient = detach_gradient},
    {0},
};

const weft_op *const weft_op_part = &weft_ops_view[PART];
const weft_op *const weft_op_rows = &weft_ops_view[ROWS];

weft_value weft_detach(weft_graph *g, weft_value x)
{
    return weft_apply(g, &weft_ops_view[DETACH], &x, 1, NULL);
}

weft_value weft_reshape(weft_graph *g, weft_value x, weft_dims dims)
{
    if (!weft_check(g, "reshape", x))
        return (weft_value){0};
    if (weft_dims_equal(weft_shape(g, x), dims))
        return x;
    if (g->nodes[x.id].op == &weft_ops_view[RESHAPE]) /* a reshape of a reshape is one */
        return weft_reshape(g, g->nodes[x.id].inputs[0], dims);
    for (int i = dims.rank; i < WEFT_MAX_RANK; i++)
        dims.size[i] = 0;
    return weft_apply(g, &weft_ops_view[RESHAPE], &x, 1, &(weft_attributes){.dims = dims});
}

weft_value weft_rows(weft_graph *g, weft_value x, int64_t from, int64_t to)
{
    if (!weft_check(g, "rows", x))
        return (weft_value){0};
    if (from == 0 && weft_shape(g, x).rank > 0 && to == weft_shape(g, x).size[0])
        return x;
    return weft_apply(g, &weft_ops_view[ROWS], &x, 1, &(weft_attributes){.i = {from, to}});
}

weft_value weft_part(weft_graph *g, weft_value v, int k)
{
    return k == 0 ? v : weft_apply(g, &weft_ops_view[PART], &v, 1, &(weft_attributes){.i = {k}});
}

weft_value weft_used(weft_graph *g, weft_value x, weft_value count)
{
    return weft_used_after(g, x, 0, count);
}

weft_value weft_used_after(weft_graph *g, weft_value x, int64_t base, weft_value count)
{
    if (!weft_check(g, "used", x) || !weft_check(g, "used", count))
        return (weft_value){0};
    const weft_node *c = &g->nodes[count.id];
    if (c->op != weft_op_count_input) {
        weft_poison(g, "used: the count must be a count input");
        return (weft_value){0};
    }
    if (base < 0 || weft_shape(g, x).rank < 1 || weft_shape(g, x).size[0] < base + c->attributes.i[0]) {
        char a[WEFT_DIMS_TEXT];
        weft_poison(g, "used: %lld rows and count \"%s\" up to %lld are more than the outermost size of %s", (long long)base,
                    c->name, (long long)c->attributes.i[0], weft_dims_text(weft_shape(g, x), a));
        return (weft_value){0};
    }
    return weft_apply(g, &weft_ops_view[USED], &x, 1, &(weft_attributes){.i = {count.id, base, 1}});
}

weft_value weft_used_like(weft_graph *g, weft_value v, weft_value like)
{
    if (!weft_check(g, "used", v) || !weft_check(g, "used", like))
        return (weft_value){0};
    weft_extent e = g->nodes[like.id].extent;
    if (weft_extent_equal(e, g->nodes[v.id].extent))
        return v;
    return weft_apply(g, &weft_ops_view[USED], &v, 1, &(weft_attributes){.i = {e.count.id, e.base, e.scale}});
}
