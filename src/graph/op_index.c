/* Ops by row number: gather and its transpose scatter_add; pick one element a row and its transpose place.
 * scatter_add sums each destination's own list of positions in ascending order: no atomics, the same bits always. A third operand
 * is what the sums are added to, in its own memory where nobody else reads it. */
#include "graph/graph.h"
#include "graph/planner.h"

#include <string.h>

enum { GATHER, SCATTER_ADD, PICK, PLACE, LABELLED };

static bool takes_labels(const weft_op *op)
{
    return op == &weft_ops_index[PICK] || op == &weft_ops_index[PLACE] || op == &weft_ops_loss[0] || op == &weft_ops_distill[0];
}

bool weft_check_index(weft_graph *g, const weft_node *n, int i, int64_t rows, bool whole)
{
    weft_value v = n->inputs[i];
    while (g->nodes[v.id].op->kind == WEFT_OP_VIEW)
        v = g->nodes[v.id].inputs[0];
    const weft_node *leaf = &g->nodes[v.id];
    if (leaf->op != weft_op_index) {
        weft_poison(g, "%s: operand %d must be an index", n->op->name, i + 1);
        return false;
    }
    if (leaf->attributes.i[1] && !takes_labels(n->op)) {
        weft_poison(g, "%s: \"%s\" holds labels, of which some may say %d", n->op->name, leaf->name, (int)WEFT_IGNORE);
        return false;
    }
    if (leaf->attributes.i[0] != rows) {
        weft_poison(g, "%s: index \"%s\" points into %lld rows, there are %lld", n->op->name, leaf->name,
                    (long long)leaf->attributes.i[0], (long long)rows);
        return false;
    }
    if (whole && weft_dims_count(g->nodes[n->inputs[i].id].dims) != weft_dims_count(leaf->dims)) {
        weft_poison(g, "%s: needs all of index \"%s\"", n->op->name, leaf->name);
        return false;
    }
    return true;
}

static void gather_shape(weft_graph *g, weft_node *n)
{
    const weft_node *table = &g->nodes[n->inputs[0].id], *index = &g->nodes[n->inputs[1].id];
    if (table->dims.rank < 1 || table->dims.rank - 1 + index->dims.rank > WEFT_MAX_RANK) {
        weft_poison(g, "gather: the table needs rows, and the result at most %d axes", WEFT_MAX_RANK);
        return;
    }
    if (!weft_check_index(g, n, 1, table->dims.size[0], false))
        return;
    n->dims = index->dims;
    for (int i = 1; i < table->dims.rank; i++)
        n->dims.size[n->dims.rank++] = table->dims.size[i];
    if (index->dims.rank > 0)
        n->extent = index->extent;
}

static void gather_gradient(weft_graph *g, weft_value y, const weft_value *dy, weft_value *dx)
{
    weft_value table = weft_operand_of(g, y, 0), index = weft_operand_of(g, y, 1);
    dx[0] = weft_scatter_add(g, dy[0], index, weft_shape(g, table).size[0]);
}

static void scatter_shape(weft_graph *g, weft_node *n)
{
    const weft_node *x = &g->nodes[n->inputs[0].id], *index = &g->nodes[n->inputs[1].id];
    if (!weft_check_index(g, n, 1, n->attributes.i[0], true))
        return;
    bool fits = x->dims.rank >= index->dims.rank;
    for (int i = 0; fits && i < index->dims.rank; i++)
        fits = x->dims.size[i] == index->dims.size[i];
    if (!fits || n->attributes.i[0] < 0) {
        char a[WEFT_DIMS_TEXT], b[WEFT_DIMS_TEXT];
        weft_poison(g, "scatter_add: %s does not begin like its index %s", weft_dims_text(x->dims, a),
                    weft_dims_text(index->dims, b));
        return;
    }
    n->dims.rank = 1;
    n->dims.size[0] = n->attributes.i[0];
    for (int i = index->dims.rank; i < x->dims.rank; i++)
        n->dims.size[n->dims.rank++] = x->dims.size[i];
    const weft_node *onto = n->input_count > 2 ? &g->nodes[n->inputs[2].id] : n;
    if (!weft_dims_equal(onto->dims, n->dims) || onto->extent.count.id) {
        char a[WEFT_DIMS_TEXT], b[WEFT_DIMS_TEXT];
        weft_poison(g, "scatter_add: sums of shape %s do not go onto %s", weft_dims_text(n->dims, a),
                    weft_dims_text(onto->dims, b));
    }
}

static void scatter_gradient(weft_graph *g, weft_value y, const weft_value *dy, weft_value *dx)
{
    dx[0] = weft_gather(g, dy[0], weft_operand_of(g, y, 1));
    if (weft_node_of(g, y)->input_count > 2)
        dx[2] = dy[0];
}

static void pick_shape(weft_graph *g, weft_node *n)
{
    const weft_node *x = &g->nodes[n->inputs[0].id], *index = &g->nodes[n->inputs[1].id];
    if (x->dims.rank != 2 || index->dims.rank != 1 || index->dims.size[0] != x->dims.size[0]) {
        char a[WEFT_DIMS_TEXT], b[WEFT_DIMS_TEXT];
        weft_poison(g, "pick: %s needs one index a row, not %s", weft_dims_text(x->dims, a), weft_dims_text(index->dims, b));
        return;
    }
    if (!weft_check_index(g, n, 1, x->dims.size[1], false))
        return;
    n->dims = index->dims;
    n->extent = x->extent;
}

static void pick_gradient(weft_graph *g, weft_value y, const weft_value *dy, weft_value *dx)
{
    dx[0] = weft_place(g, dy[0], weft_operand_of(g, y, 1), weft_shape(g, weft_operand_of(g, y, 0)).size[1]);
}

static void place_shape(weft_graph *g, weft_node *n)
{
    const weft_node *x = &g->nodes[n->inputs[0].id], *index = &g->nodes[n->inputs[1].id];
    if (!weft_check_index(g, n, 1, n->attributes.i[0], false))
        return;
    if (x->dims.rank != 1 || !weft_dims_equal(x->dims, index->dims)) {
        weft_poison(g, "place: needs one value and one index a row");
        return;
    }
    n->dims = DIMS(x->dims.size[0], n->attributes.i[0]);
    n->extent = x->extent;
}

static void place_gradient(weft_graph *g, weft_value y, const weft_value *dy, weft_value *dx)
{
    dx[0] = weft_pick(g, dy[0], weft_operand_of(g, y, 1));
}

static void labelled_shape(weft_graph *g, weft_node *n)
{
    weft_value v = n->inputs[0];
    n->dims = g->nodes[v.id].dims;
    while (g->nodes[v.id].op->kind == WEFT_OP_VIEW)
        v = g->nodes[v.id].inputs[0];
    if (g->nodes[v.id].op != weft_op_index)
        weft_poison(g, "labelled: the labels must be an index or labels");
}

static void labelled_gradient(weft_graph *g, weft_value y, const weft_value *dy, weft_value *dx)
{
    (void)g, (void)y, (void)dy, (void)dx; /* of row numbers there is none */
}

/* ---- steps ---- */

enum { INDEX_PIECE = 32768 };

static int64_t row_size(const weft_step *s)
{
    return s->attributes.i[1];
}

/* gather: pieces of index positions; scatter_add: of destinations; pick, place: of rows */
static int64_t targets(const weft_step *s, const weft_run_state *run)
{
    if (s->op == &weft_ops_index[GATHER]) {
        int64_t count = weft_dims_count(s->in[1].dims);
        return s->in[1].extent.count.id ? weft_used_count(run, &s->in[1]) : count;
    }
    if (s->op == &weft_ops_index[LABELLED])
        return weft_used_count(run, &s->in[0]);
    return s->op == &weft_ops_index[SCATTER_ADD] ? weft_used_rows(run, &s->out[0]) : weft_used_rows(run, &s->in[0]);
}

static int64_t index_pieces(const weft_step *s, const weft_run_state *run)
{
    int64_t rows = weft_rows_per_piece(row_size(s), INDEX_PIECE);
    return (targets(s, run) + rows - 1) / rows;
}

static void index_run(const weft_step *s, const weft_run_state *run, int64_t piece, int thread)
{
    int64_t width = row_size(s), rows = weft_rows_per_piece(width, INDEX_PIECE), all = targets(s, run);
    int64_t begin = piece * rows, end = begin + rows < all ? begin + rows : all;
    size_t e = weft_dtype_size(s->out[0].dtype);
    const char *x = weft_at(run, &s->in[0]);
    char *y = weft_at(run, &s->out[0]);
    switch ((int)(s->op - weft_ops_index)) {
    case GATHER: {
        const int64_t *index = weft_at(run, &s->in[1]);
        weft_dtype stored = run->storage[s->in[0].buffer];
        if (stored == s->out[0].dtype) {
            for (int64_t i = begin; i < end; i++)
                memcpy(y + (size_t)(i * width) * e, x + (size_t)(index[i] * width) * e, (size_t)width * e);
            break;
        }
        x = (const char *)run->base[s->in[0].buffer] + (size_t)s->in[0].offset * weft_dtype_size(stored);
        for (int64_t i = begin; i < end; i++)
            run->vector->widen(stored, width, x + (size_t)(index[i] * width) * weft_dtype_size(stored),
                               y + (size_t)(i * width) * e);
        break;
    }
    case SCATTER_ADD: {
        const int64_t *start = weft_at(run, &s->in[1]), *list = start + s->attributes.i[0] + 1;
        int64_t used = width ? weft_used_count(run, &s->in[0]) / width : 0; /* places behind hold nothing */
        const char *onto = s->in_count > 2 ? weft_at(run, &s->in[2]) : NULL;
        for (int64_t t = begin; t < end; t++) {
            char *out = y + (size_t)(t * width) * e, *row = onto ? run->scratch[thread] : out;
            const char *before = onto ? onto + (size_t)(t * width) * e : NULL;
            const bool none = start[t] == start[t + 1] || list[start[t]] >= used;
            if (onto && none && before != out)
                memcpy(out, before, (size_t)width * e);
            if (onto && none)
                continue;
            memset(row, 0, (size_t)width * e);
            for (int64_t k = start[t]; k < start[t + 1] && list[k] < used; k++)
                run->vector->binary(WEFT_ADD, 0, width, row, 1, x + (size_t)(list[k] * width) * e, 1, row);
            if (onto)
                run->vector->binary(WEFT_ADD, 0, width, before, 1, row, 1, out);
        }
        break;
    }
    case PICK: {
        const int64_t *index = weft_at(run, &s->in[1]);
        for (int64_t i = begin; i < end; i++)
            if (index[i] == WEFT_IGNORE)
                memset(y + (size_t)i * e, 0, e);
            else
                memcpy(y + (size_t)i * e, x + (size_t)(i * width + index[i]) * e, e);
        break;
    }
    case LABELLED: {
        const int64_t *labels = weft_at(run, &s->in[0]);
        for (int64_t i = begin; i < end; i++)
            if (e == sizeof(float))
                ((float *)(void *)y)[i] = labels[i] != WEFT_IGNORE;
            else
                ((double *)(void *)y)[i] = labels[i] != WEFT_IGNORE;
        break;
    }
    default: {
        const int64_t *index = weft_at(run, &s->in[1]);
        for (int64_t i = begin; i < end; i++) {
            memset(y + (size_t)(i * width) * e, 0, (size_t)width * e);
            if (index[i] != WEFT_IGNORE)
                memcpy(y + (size_t)(i * width + index[i]) * e, x + (size_t)i * e, e);
        }
    }
    }
}

static void index_emit(weft_planner *p, weft_value v)
{
    const weft_node *n = weft_node_of(weft_planner_graph(p), v);
    weft_step *s = weft_step_new(p, v, index_pieces, index_run);
    if (!s)
        return;
    weft_dims x = s->in[0].dims;
    int kind = (int)(n->op - weft_ops_index);
    s->attributes = n->attributes;
    if (kind == GATHER) {
        s->attributes.i[1] = weft_dims_product(x, 1, x.rank);
    } else if (kind == SCATTER_ADD) {
        s->attributes.i[1] = weft_dims_product(x, s->in[1].dims.rank, x.rank);
        s->in[1] = weft_place_inverse(p, n->inputs[1]);
        if (s->in_count > 2) {
            s->writes_over = 3;
            weft_need_scratch(p, (size_t)s->attributes.i[1] * weft_dtype_size(n->dtype));
        }
    } else if (kind == LABELLED) {
        s->attributes.i[1] = 1;
    } else {
        s->attributes.i[1] = kind == PICK ? x.size[1] : n->attributes.i[0];
    }
}

const weft_op weft_ops_index[] = {
    [GATHER] = {.name = "gather",
                .kind = WEFT_OP_KERNEL,
                .decompose = WEFT_CD_LINEAR,
                .extent = WEFT_EXTENT_OWN,
                .smooth = true,
                .shape = gather_shape,
                .gradient = gather_gradient,
                .emit = index_emit,
                .storage_operand = 1},
    [SCATTER_ADD] = {.name = "scatter_add",
                     .kind = WEFT_OP_KERNEL,
                     .decompose = WEFT_CD_LINEAR,
                     .extent = WEFT_EXTENT_OWN,
                     .smooth = true,
                     .shape = scatter_shape,
                     .gradient = scatter_gradient,
                     .emit = index_emit},
    [PICK] = {.name = "pick",
              .kind = WEFT_OP_KERNEL,
              .decompose = WEFT_CD_LINEAR,
              .extent = WEFT_EXTENT_OWN,
              .smooth = true,
              .shape = pick_shape,
              .gradient = pick_gradient,
              .emit = index_emit},
    [PLACE] = {.name = "place",
               .kind = WEFT_OP_KERNEL,
               .decompose = WEFT_CD_LINEAR,
               .extent = WEFT_EXTENT_OWN,
               .smooth = true,
               .shape = place_shape,
               .gradient = place_gradient,
               .emit = index_emit},
    [LABELLED] = {.name = "labelled",
                  .kind = WEFT_OP_KERNEL,
                  .decompose = WEFT_CD_OFF,
                  .extent = WEFT_EXTENT_SAME,
                  .shape = labelled_shape,
                  .gradient = labelled_gradient,
                  .emit = index_emit},
    {0},
};

weft_value weft_gather(weft_graph *g, weft_value table, weft_value index)
{
    return weft_apply(g, &weft_ops_index[GATHER], (weft_value[]){table, index}, 2, NULL);
}

weft_value weft_scatter_add(weft_graph *g, weft_value x, weft_value index, int64_t rows)
{
    return weft_apply(g, &weft_ops_index[SCATTER_ADD], (weft_value[]){x, index}, 2, &(weft_attributes){.i = {rows}});
}

weft_value weft_add_to(weft_graph *g, weft_value onto, weft_value x)
{
    const weft_node *n = weft_node_of(g, x);
    if (n->op != &weft_ops_index[SCATTER_ADD] || n->input_count != 2 || weft_node_of(g, onto)->extent.count.id)
        return weft_add(g, onto, x);
    return weft_apply(g, n->op, (weft_value[]){n->inputs[0], n->inputs[1], onto}, 3, &n->attributes);
}

weft_value weft_pick(weft_graph *g, weft_value x, weft_value index)
{
    return weft_apply(g, &weft_ops_index[PICK], (weft_value[]){x, index}, 2, NULL);
}

weft_value weft_place(weft_graph *g, weft_value x, weft_value index, int64_t n)
{
    return weft_apply(g, &weft_ops_index[PLACE], (weft_value[]){x, index}, 2, &(weft_attributes){.i = {n}});
}

weft_value weft_labelled(weft_graph *g, weft_value labels)
{
    return weft_apply(g, &weft_ops_index[LABELLED], &labels, 1, NULL);
}
