/* Moves: slices, permutations, padding, concatenation, broadcasting. Each is one or a few strided copies. */
#include "graph/graph.h"
#include "graph/planner.h"
#include "kernels/copy.h"

#include <string.h>

enum { SLICE, PERMUTE, PAD, CONCAT, BROADCAST, CLEAR, PLACE_ROWS };

static void bad(weft_graph *g, const weft_node *n, const char *what)
{
    char a[WEFT_DIMS_TEXT];
    weft_poison(g, "%s: %s %s", n->op->name, what, weft_dims_text(g->nodes[n->inputs[0].id].dims, a));
}

/* ---- shape rules and gradients; attributes.i: axis, from, to (slice); axis, before, after (pad); axis (concat) ---- */

static void slice_shape(weft_graph *g, weft_node *n)
{
    const weft_node *x = &g->nodes[n->inputs[0].id];
    int64_t axis = n->attributes.i[0], from = n->attributes.i[1], to = n->attributes.i[2];
    if (axis < 0 || axis >= x->dims.rank || from < 0 || to < from || to > x->dims.size[axis]) {
        bad(g, n, "the range is not in");
        return;
    }
    n->dims = x->dims;
    n->dims.size[axis] = to - from;
    n->dtype = x->dtype;
}

static void slice_gradient(weft_graph *g, weft_value y, const weft_value *dy, weft_value *dx)
{
    const weft_attributes *a = &weft_node_of(g, y)->attributes;
    int axis = (int)a->i[0];
    int64_t size = weft_shape(g, weft_operand_of(g, y, 0)).size[axis];
    dx[0] = weft_pad(g, dy[0], axis, a->i[1], size - a->i[2]);
}

static void permute_shape(weft_graph *g, weft_node *n)
{
    const weft_node *x = &g->nodes[n->inputs[0].id];
    bool seen[WEFT_MAX_RANK] = {false};
    n->dims.rank = x->dims.rank;
    n->dtype = x->dtype;
    for (int i = 0; i < x->dims.rank; i++) {
        int64_t from = n->attributes.dims.size[i];
        if (n->attributes.dims.rank != x->dims.rank || from < 0 || from >= x->dims.rank || seen[from]) {
            bad(g, n, "the axes are not a permutation for");
            return;
        }
        seen[from] = true;
        n->dims.size[i] = x->dims.size[from];
    }
    if (x->extent.count.id) {
        if (n->attributes.dims.size[0] != 0)
            bad(g, n, "cannot move the axis that is used in part of");
        n->extent = x->extent;
    }
}

static void permute_gradient(weft_graph *g, weft_value y, const weft_value *dy, weft_value *dx)
{
    int back[WEFT_MAX_RANK] = {0};
    weft_dims axes = weft_node_of(g, y)->attributes.dims;
    for (int i = 0; i < axes.rank; i++)
        back[axes.size[i]] = i;
    dx[0] = weft_permute(g, dy[0], back);
}

static void pad_shape(weft_graph *g, weft_node *n)
{
    const weft_node *x = &g->nodes[n->inputs[0].id];
    int64_t axis = n->attributes.i[0], before = n->attributes.i[1], after = n->attributes.i[2];
    if (axis < 0 || axis >= x->dims.rank || before < 0 || after < 0 || (axis == 0 && x->extent.count.id)) {
        bad(g, n, "cannot pad");
        return;
    }
    n->dims = x->dims;
    n->dtype = x->dtype;
    n->dims.size[axis] += before + after;
    n->extent = x->extent;
}

static void pad_gradient(weft_graph *g, weft_value y, const weft_value *dy, weft_value *dx)
{
    const weft_attributes a = weft_node_of(g, y)->attributes;
    int axis = (int)a.i[0];
    int64_t size = weft_shape(g, weft_operand_of(g, y, 0)).size[axis];
    dx[0] = weft_slice(g, dy[0], axis, a.i[1], a.i[1] + size);
}

static void concat_shape(weft_graph *g, weft_node *n)
{
    const weft_node *first = &g->nodes[n->inputs[0].id];
    int64_t axis = n->attributes.i[0], total = 0;
    n->dtype = first->dtype;
    for (int i = 0; i < n->input_count; i++) {
        const weft_node *x = &g->nodes[n->inputs[i].id];
        bool fits = x->dims.rank == first->dims.rank && axis >= 0 && axis < x->dims.rank && x->dtype == first->dtype;
        for (int k = 0; fits && k < x->dims.rank; k++)
            fits = k == axis || x->dims.size[k] == first->dims.size[k];
        if (!fits) {
            char a[WEFT_DIMS_TEXT], b[WEFT_DIMS_TEXT];
            weft_poison(g, "concat: part %d is %s, which does not join %s on axis %lld", i + 1, weft_dims_text(x->dims, b),
                        weft_dims_text(first->dims, a), (long long)axis);
            return;
        }
        if (axis != 0) { /* rows side by side: all use the same ones */
            if (i > 0 && !weft_extent_equal(x->extent, first->extent)) {
                weft_poison(g, "concat: part %d uses other rows than part 1", i + 1);
                return;
            }
            n->extent = first->extent;
        } else if (x->extent.count.id) {
            if (i != n->input_count - 1 || total % x->extent.scale != 0) {
                weft_poison(g, "concat: only the last part may be used in part on the outermost axis");
                return;
            }
            n->extent = x->extent;
            n->extent.base += total / x->extent.scale;
        }
        total += x->dims.size[axis];
    }
    n->dims = first->dims;
    n->dims.size[axis] = total;
}

static void concat_gradient(weft_graph *g, weft_value y, const weft_value *dy, weft_value *dx)
{
    int axis = (int)weft_node_of(g, y)->attributes.i[0], n = weft_node_of(g, y)->input_count;
    int64_t at = 0;
    for (int i = 0; i < n && g->status == WEFT_OK; i++) {
        int64_t size = weft_shape(g, weft_operand_of(g, y, i)).size[axis];
        dx[i] = weft_slice(g, dy[0], axis, at, at + size);
        at += size;
    }
}

static void broadcast_shape(weft_graph *g, weft_node *n)
{
    const weft_node *x = &g->nodes[n->inputs[0].id];
    n->dims = n->attributes.dims;
    n->dtype = x->dtype;
    int lead = n->dims.rank - x->dims.rank;
    bool fits = lead >= 0;
    for (int i = 0; fits && i < x->dims.rank; i++)
        fits = x->dims.size[i] == 1 || x->dims.size[i] == n->dims.size[lead + i];
    if (!fits) {
        char a[WEFT_DIMS_TEXT], b[WEFT_DIMS_TEXT];
        weft_poison(g, "broadcast: %s does not stretch to %s", weft_dims_text(x->dims, a), weft_dims_text(n->dims, b));
        return;
    }
    if (x->extent.count.id && lead == 0)
        n->extent = x->extent;
    else if (x->extent.count.id)
        bad(g, n, "cannot repeat the used part of");
}

static void broadcast_gradient(weft_graph *g, weft_value y, const weft_value *dy, weft_value *dx)
{
    dx[0] = weft_sum_to(g, dy[0], weft_shape(g, weft_operand_of(g, y, 0)));
}

static void clear_shape(weft_graph *g, weft_node *n)
{
    n->dims = g->nodes[n->inputs[0].id].dims;
}

static void clear_gradient(weft_graph *g, weft_value y, const weft_value *dy, weft_value *dx)
{
    dx[0] = weft_used_like(g, dy[0], weft_operand_of(g, y, 0));
}

/* dims: the whole; i: first row, count input, base, scale of the used extent */
static void place_rows_shape(weft_graph *g, weft_node *n)
{
    (void)g;
    n->dims = n->attributes.dims;
    n->extent = (weft_extent){.count = {(int32_t)n->attributes.i[1]}, .base = n->attributes.i[2], .scale = n->attributes.i[3]};
}

static void place_rows_gradient(weft_graph *g, weft_value y, const weft_value *dy, weft_value *dx)
{
    int64_t from = weft_node_of(g, y)->attributes.i[0];
    dx[0] = weft_rows(g, dy[0], from, from + weft_shape(g, weft_operand_of(g, y, 0)).size[0]);
}

/* ---- steps ---- */

enum { MOVE_PIECE = 32768 };

static int64_t row_elements(const weft_copy *c)
{
    int64_t n = 1;
    for (int i = 1; i < c->rank; i++)
        n *= c->size[i];
    return n;
}

/* Rows of the region's outermost axis to copy: all, or as many as the source uses. */
static int64_t copy_rows(const weft_step *s, const weft_run_state *run)
{
    const weft_copy *c = s->extra;
    if (!s->in[0].extent.count.id)
        return c->size[0];
    int64_t used = weft_used_rows(run, &s->in[0]);
    return used < c->size[0] ? used : c->size[0];
}

static int64_t copy_pieces(const weft_step *s, const weft_run_state *run)
{
    const weft_copy *c = s->extra;
    int64_t rows = weft_rows_per_piece(row_elements(c), MOVE_PIECE);
    return (copy_rows(s, run) + rows - 1) / rows;
}

static void copy_run(const weft_step *s, const weft_run_state *run, int64_t piece, int thread)
{
    (void)thread;
    const weft_copy *c = s->extra;
    int64_t rows = weft_rows_per_piece(row_elements(c), MOVE_PIECE), all = copy_rows(s, run);
    int64_t begin = piece * rows, end = begin + rows < all ? begin + rows : all;
    weft_copy_run(c, weft_dtype_size(s->out[0].dtype), begin, end, weft_at(run, &s->in[0]), weft_at(run, &s->out[0]));
}

static int64_t zero_from(const weft_step *s, const weft_run_state *run)
{
    return s->attributes.i[0] ? weft_used_count(run, &s->in[0]) : 0; /* clear: behind the used part only */
}

static int64_t zero_pieces(const weft_step *s, const weft_run_state *run)
{
    int64_t n = weft_used_count(run, &s->out[0]) - zero_from(s, run);
    return (n + MOVE_PIECE - 1) / MOVE_PIECE;
}

static void zero_run(const weft_step *s, const weft_run_state *run, int64_t piece, int thread)
{
    (void)thread;
    int64_t begin = zero_from(s, run) + piece * MOVE_PIECE, all = weft_used_count(run, &s->out[0]);
    int64_t end = begin + MOVE_PIECE < all ? begin + MOVE_PIECE : all;
    size_t e = weft_dtype_size(s->out[0].dtype);
    memset((char *)weft_at(run, &s->out[0]) + (size_t)begin * e, 0, (size_t)(end - begin) * e);
}

static void strides(weft_dims dims, int64_t *out)
{
    int64_t stride = 1;
    for (int i = dims.rank - 1; i >= 0; i--) {
        out[i] = stride;
        stride *= dims.size[i];
    }
}

static void add_copy(weft_planner *p, weft_value y, weft_value x, weft_copy copy)
{
    weft_step *s = weft_step_empty(p, y, copy_pieces, copy_run);
    weft_copy *kept = weft_plan_get(p, sizeof *kept);
    if (!s || !kept)
        return;
    if (copy.rank == 0) {
        copy.rank = 1;
        copy.size[0] = copy.from[0] = copy.to[0] = 1;
    }
    weft_copy_simplify(&copy);
    *kept = copy;
    s->extra = kept;
    s->in[s->in_count++] = weft_place_of(p, x);
    s->out[s->out_count++] = weft_place_of(p, y);
}

static void add_zero(weft_planner *p, weft_value y, weft_value used)
{
    weft_step *s = weft_step_empty(p, y, zero_pieces, zero_run);
    if (!s)
        return;
    if (used.id) {
        s->attributes.i[0] = 1;
        s->in[s->in_count++] = weft_place_of(p, used);
    }
    s->out[s->out_count++] = weft_place_of(p, y);
}

static void move_emit(weft_planner *p, weft_value v)
{
    const weft_graph *g = weft_planner_graph(p);
    const weft_node *n = weft_node_of(g, v);
    weft_value x = n->inputs[0];
    weft_dims from = weft_shape(g, x), to = n->dims;
    const int64_t *i = n->attributes.i;
    weft_copy c = {.rank = from.rank};
    memcpy(c.size, from.size, sizeof c.size);
    strides(from, c.from);
    strides(to, c.to);
    switch ((int)(n->op - weft_ops_move)) {
    case SLICE:
        memcpy(c.size, to.size, sizeof c.size);
        c.from_at = i[1] * c.from[i[0]];
        break;
    case PERMUTE: {
        int64_t old[WEFT_MAX_RANK];
        memcpy(old, c.from, sizeof old);
        for (int k = 0; k < to.rank; k++) {
            c.size[k] = to.size[k];
            c.from[k] = old[n->attributes.dims.size[k]];
        }
        break;
    }
    case PAD:
        add_zero(p, v, (weft_value){0});
        c.to_at = i[1] * c.to[i[0]];
        break;
    case PLACE_ROWS:
        add_zero(p, v, (weft_value){0});
        c.to_at = i[0] * c.to[0];
        break;
    case CONCAT:
        for (int k = 0; k < n->input_count; k++) {
            weft_dims part = weft_shape(g, n->inputs[k]);
            weft_copy one = c;
            memcpy(one.size, part.size, sizeof one.size);
            strides(part, one.from);
            add_copy(p, v, n->inputs[k], one);
            c.to_at += part.size[i[0]] * c.to[i[0]];
        }
        return;
    case BROADCAST: {
        int lead = to.rank - from.rank;
        int64_t old[WEFT_MAX_RANK];
        memcpy(old, c.from, sizeof old);
        c.rank = to.rank;
        for (int k = 0; k < to.rank; k++) {
            c.size[k] = to.size[k];
            c.from[k] = k < lead || from.size[k - lead] == 1 ? 0 : old[k - lead];
        }
        break;
    }
    case CLEAR:
        add_zero(p, v, x);
        break;
    default:
        break;
    }
    add_copy(p, v, x, c);
}

#define ROW(text, class, rule, prefix) \
    { \
        .name = text, .kind = WEFT_OP_KERNEL, .decompose = class, .extent = rule, .smooth = true, .shape = prefix##_shape, \
        .gradient = prefix##_gradient, .emit = move_emit \
    }

const weft_op weft_ops_move[] = {
    [SLICE] = ROW("slice", WEFT_CD_LINEAR, WEFT_EXTENT_SAME, slice),
    [PERMUTE] = ROW("permute", WEFT_CD_LINEAR, WEFT_EXTENT_OWN, permute),
    [PAD] = ROW("pad", WEFT_CD_LINEAR, WEFT_EXTENT_OWN, pad),
    [CONCAT] = ROW("concat", WEFT_CD_LINEAR, WEFT_EXTENT_OWN, concat),
    [BROADCAST] = ROW("broadcast", WEFT_CD_LINEAR, WEFT_EXTENT_OWN, broadcast),
    [CLEAR] = ROW("clear_unused", WEFT_CD_NONE, WEFT_EXTENT_NONE, clear),
    [PLACE_ROWS] = ROW("place_rows", WEFT_CD_NONE, WEFT_EXTENT_OWN, place_rows),
    {0},
};

weft_value weft_slice(weft_graph *g, weft_value x, int axis, int64_t from, int64_t to)
{
    if (!weft_check(g, "slice", x))
        return (weft_value){0};
    weft_dims dims = weft_shape(g, x);
    axis += axis < 0 ? dims.rank : 0;
    if (axis == 0)
        return weft_rows(g, x, from, to);
    if (axis > 0 && axis < dims.rank && from == 0 && to == dims.size[axis])
        return x;
    return weft_apply(g, &weft_ops_move[SLICE], &x, 1, &(weft_attributes){.i = {axis, from, to}});
}

weft_value weft_permute(weft_graph *g, weft_value x, const int *axes)
{
    if (!weft_check(g, "permute", x))
        return (weft_value){0};
    weft_attributes a = {.dims = {.rank = weft_shape(g, x).rank}};
    bool moved = false;
    for (int i = 0; i < a.dims.rank; i++) {
        a.dims.size[i] = axes[i];
        moved |= axes[i] != i;
    }
    return moved ? weft_apply(g, &weft_ops_move[PERMUTE], &x, 1, &a) : x;
}

weft_value weft_transpose(weft_graph *g, weft_value x)
{
    int rank = weft_shape(g, x).rank, axes[WEFT_MAX_RANK];
    for (int i = 0; i < rank; i++)
        axes[i] = i;
    if (rank < 2) {
        weft_poison(g, "transpose: needs two axes");
        return (weft_value){0};
    }
    axes[rank - 2] = rank - 1;
    axes[rank - 1] = rank - 2;
    return weft_permute(g, x, axes);
}

weft_value weft_pad(weft_graph *g, weft_value x, int axis, int64_t before, int64_t after)
{
    if (!weft_check(g, "pad", x))
        return (weft_value){0};
    axis += axis < 0 ? weft_shape(g, x).rank : 0;
    return before || after ? weft_apply(g, &weft_ops_move[PAD], &x, 1, &(weft_attributes){.i = {axis, before, after}}) : x;
}

weft_value weft_concat(weft_graph *g, int axis, const weft_value *parts, int n)
{
    if (n < 1 || !weft_check(g, "concat", parts[0])) {
        weft_poison(g, "concat: there are no parts");
        return (weft_value){0};
    }
    axis += axis < 0 ? weft_shape(g, parts[0]).rank : 0;
    return n == 1 ? parts[0] : weft_apply(g, &weft_ops_move[CONCAT], parts, n, &(weft_attributes){.i = {axis}});
}

weft_value weft_broadcast(weft_graph *g, weft_value x, weft_dims dims)
{
    if (!weft_check(g, "broadcast", x))
        return (weft_value){0};
    if (weft_dims_equal(weft_shape(g, x), dims))
        return x;
    for (int i = dims.rank; i < WEFT_MAX_RANK; i++)
        dims.size[i] = 0;
    return weft_apply(g, &weft_ops_move[BROADCAST], &x, 1, &(weft_attributes){.dims = dims});
}
