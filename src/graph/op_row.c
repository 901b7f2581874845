/* Ops on whole rows of the last axis: softmax, log-softmax, layer norm, RMS norm, each with its gradient as one op.
 * Differentiated twice, the gradients are lowered to products and sums. attributes.f: eps, offset. */
#include "graph/graph.h"
#include "graph/planner.h"

#include <string.h>

enum { SOFTMAX, SOFTMAX_GRAD, LOG_SOFTMAX, LOG_SOFTMAX_GRAD, LAYER_NORM, LAYER_NORM_GRAD, RMS_NORM, RMS_NORM_GRAD };

static weft_value row_op(weft_graph *g, int op, const weft_value *inputs, int n, double eps, double offset)
{
    return weft_apply(g, &weft_ops_row[op], inputs, n, &(weft_attributes){.f = {eps, offset}});
}

/* sum and mean over the last axis, kept as size 1 */
static weft_value last_sum(weft_graph *g, weft_value x)
{
    if (!weft_check(g, "sum", x))
        return x;
    weft_dims d = weft_shape(g, x);
    d.size[d.rank - 1] = 1;
    return weft_reshape(g, weft_sum(g, x, -1, -1), d);
}

static weft_value last_mean(weft_graph *g, weft_value x)
{
    weft_dims d = weft_shape(g, x);
    return weft_scale(g, last_sum(g, x), 1.0 / (double)d.size[d.rank - 1]);
}

/* ---- shape rules ---- */

static void rows_alike(weft_graph *g, weft_node *n)
{
    const weft_node *x = &g->nodes[n->inputs[0].id];
    n->dims = x->dims;
    char a[WEFT_DIMS_TEXT], b[WEFT_DIMS_TEXT];
    if (x->dims.rank < 1 || x->dtype != g->dtype) {
        weft_poison(g, "%s: needs rows of numbers, not %s", n->op->name, weft_dims_text(x->dims, a));
        return;
    }
    if (x->dims.rank == 1 && x->extent.count.id) {
        weft_poison(g, "%s: the only row is used in part", n->op->name);
        return;
    }
    bool second_is_rows = n->op == &weft_ops_row[SOFTMAX_GRAD] || n->op == &weft_ops_row[LOG_SOFTMAX_GRAD];
    for (int i = 1; i < n->input_count; i++) {
        const weft_node *w = &g->nodes[n->inputs[i].id];
        bool rows = second_is_rows || (n->op == &weft_ops_row[LAYER_NORM_GRAD] && i == n->input_count - 1) ||
                    (n->op == &weft_ops_row[RMS_NORM_GRAD] && i == n->input_count - 1);
        bool fits =
            rows ? weft_dims_equal(w->dims, x->dims) : w->dims.rank == 1 && w->dims.size[0] == x->dims.size[x->dims.rank - 1];
        if (!fits) {
            weft_poison(g, "%s: input is %s, operand %d is %s", n->op->name, weft_dims_text(x->dims, a), i + 1,
                        weft_dims_text(w->dims, b));
            return;
        }
    }
    if (n->op == &weft_ops_row[LAYER_NORM_GRAD] || n->op == &weft_ops_row[RMS_NORM_GRAD]) {
        n->output_count = 2;
        n->more[0] = n->dims;
    }
}

/* ---- softmax ---- */

static void softmax_gradient(weft_graph *g, weft_value y, const weft_value *dy, weft_value *dx)
{
    bool logs = weft_node_of(g, y)->op == &weft_ops_row[LOG_SOFTMAX];
    dx[0] = row_op(g, logs ? LOG_SOFTMAX_GRAD : SOFTMAX_GRAD, (weft_value[]){y, dy[0]}, 2, 0, 0);
}

static void softmax_grad_lower(weft_graph *g, weft_value v, weft_value *out)
{
    weft_value y = weft_operand_of(g, v, 0), dy = weft_operand_of(g, v, 1);
    if (weft_node_of(g, v)->op == &weft_ops_row[SOFTMAX_GRAD])
        out[0] = weft_mul(g, y, weft_sub(g, dy, last_sum(g, weft_mul(g, y, dy))));
    else
        out[0] = weft_sub(g, dy, weft_mul(g, weft_exp(g, y), last_sum(g, dy)));
}

/* ---- norms: y = xhat w + b ---- */

static void norm_gradient(weft_graph *g, weft_value y, const weft_value *dy, weft_value *dx)
{
    const weft_node *n = weft_node_of(g, y);
    bool layer = n->op == &weft_ops_row[LAYER_NORM];
    double eps = n->attributes.f[0], offset = n->attributes.f[1];
    int count = n->input_count;
    weft_value in[4] = {n->inputs[0]};
    if (count > 1)
        in[1] = n->inputs[1];
    in[count > 1 ? 2 : 1] = dy[0];
    dx[0] = row_op(g, layer ? LAYER_NORM_GRAD : RMS_NORM_GRAD, in, count > 1 ? 3 : 2, eps, offset);
    if (count > 1 && dx[0].id) {
        weft_value xhat = weft_part(g, dx[0], 1), w = weft_operand_of(g, y, 1);
        dx[1] = weft_sum_to(g, weft_mul(g, dy[0], xhat), weft_shape(g, w));
        if (count > 2)
            dx[2] = weft_sum_to(g, dy[0], weft_shape(g, w));
    }
}

static void norm_grad_lower(weft_graph *g, weft_value v, weft_value *out)
{
    const weft_node *n = weft_node_of(g, v);
    bool layer = n->op == &weft_ops_row[LAYER_NORM_GRAD];
    double eps = n->attributes.f[0], offset = n->attributes.f[1];
    int count = n->input_count;
    weft_value x = n->inputs[0], dy = n->inputs[count - 1], w = count > 2 ? n->inputs[1] : (weft_value){0};
    weft_value c = layer ? weft_sub(g, x, last_mean(g, x)) : x;
    weft_value r = weft_rsqrt(g, weft_shift(g, last_mean(g, weft_square(g, c)), eps));
    weft_value xhat = weft_mul(g, c, r);
    weft_value d = w.id ? weft_mul(g, dy, offset != 0 ? weft_shift(g, w, offset) : w) : dy;
    weft_value inner = weft_sub(g, d, weft_mul(g, xhat, last_mean(g, weft_mul(g, d, xhat))));
    if (layer)
        inner = weft_sub(g, inner, last_mean(g, d));
    out[0] = weft_mul(g, inner, r);
    out[1] = xhat;
}

/* ---- steps ---- */

enum { ROW_PIECE = 16384 };

static int64_t row_width(const weft_step *s)
{
    return s->in[0].dims.size[s->in[0].dims.rank - 1];
}

static int64_t row_total(const weft_step *s, const weft_run_state *run)
{
    int64_t width = row_width(s);
    return width ? weft_used_count(run, &s->in[0]) / width : 0;
}

static int64_t rows_of(const weft_step *s)
{
    return weft_rows_per_piece(row_width(s), weft_piece_elements(weft_dims_count(s->in[0].dims), s->out[0].dtype, ROW_PIECE));
}

static int64_t row_pieces(const weft_step *s, const weft_run_state *run)
{
    int64_t rows = rows_of(s);
    return (row_total(s, run) + rows - 1) / rows;
}

static void row_run(const weft_step *s, const weft_run_state *run, int64_t piece, int thread)
{
    int64_t n = row_width(s), rows = rows_of(s), all = row_total(s, run);
    int64_t r0 = piece * rows, r1 = r0 + rows < all ? r0 + rows : all;
    size_t at = (size_t)(r0 * n) * weft_dtype_size(s->in[0].dtype);
    const char *x = (const char *)weft_at(run, &s->in[0]) + at;
    char *y = s->made_bytes ? weft_made(s, run, 0, thread) : (char *)weft_at(run, &s->out[0]) + at;
    const void *w = s->in_count > 1 ? weft_at(run, &s->in[1]) : NULL, *b = s->in_count > 2 ? weft_at(run, &s->in[2]) : NULL;
    double eps = s->attributes.f[0], offset = s->attributes.f[1];
    const weft_vector_table *t = run->vector;
    switch ((int)(s->op - weft_ops_row)) {
    case SOFTMAX:
        t->softmax(r1 - r0, n, x, y);
        break;
    case SOFTMAX_GRAD:
        t->softmax_grad(r1 - r0, n, x, (const char *)w + at, y);
        break;
    case LOG_SOFTMAX:
        t->log_softmax(r1 - r0, n, x, y);
        break;
    case LOG_SOFTMAX_GRAD:
        t->log_softmax_grad(r1 - r0, n, x, (const char *)w + at, y);
        break;
    case LAYER_NORM:
        t->layer_norm(r1 - r0, n, eps, x, w, b, y);
        break;
    case RMS_NORM:
        t->rms_norm(r1 - r0, n, eps, offset, x, w, y);
        break;
    default: { /* gradients: x, [w], dy → dx, xhat */
        const char *dy = (const char *)(s->in_count > 2 ? b : w) + at;
        const void *weight = s->in_count > 2 ? w : NULL;
        char *xhat = s->out_count > 1 ? (char *)weft_at(run, &s->out[1]) + at : NULL;
        if (s->op == &weft_ops_row[LAYER_NORM_GRAD])
            t->layer_norm_grad(r1 - r0, n, eps, x, weight, dy, y, xhat);
        else
            t->rms_norm_grad(r1 - r0, n, eps, offset, x, weight, dy, y, xhat);
    }
    }
    if (s->program)
        weft_program_run(s, run, &(weft_area){r0, r1, 0, n}, thread);
    else if (s->made_bytes)
        weft_write_rounded(run, &s->out[0], (const float *)(const void *)y, r0, r1 - r0, 0, n);
}

static void row_emit(weft_planner *p, weft_value v)
{
    weft_step *s = weft_step_new(p, v, row_pieces, row_run);
    if (!s)
        return;
    s->attributes = weft_node_of(weft_planner_graph(p), v)->attributes;
    if (s->out[0].dtype != s->in[0].dtype) /* rounded behind the op */
        weft_keep_made(p, s, (size_t)(rows_of(s) * row_width(s)), 0);
}

#define FORWARD(text, class, rule) \
    { \
        .name = text, .kind = WEFT_OP_KERNEL, .decompose = class, .extent = WEFT_EXTENT_SAME, .smooth = true, \
        .shape = rows_alike, .gradient = rule, .emit = row_emit, .takes_program = true, .whole_rows = true, \
        .writes_rounded = true \
    }
#define BACKWARD(text, rule) \
    { \
        .name = text, .kind = WEFT_OP_KERNEL, .extent = WEFT_EXTENT_SAME, .smooth = true, .shape = rows_alike, .lower = rule, \
        .emit = row_emit \
    }

const weft_op weft_ops_row[] = {
    [SOFTMAX] = FORWARD("softmax", WEFT_CD_ACTIVATION, softmax_gradient),
    [SOFTMAX_GRAD] = BACKWARD("softmax_grad", softmax_grad_lower),
    [LOG_SOFTMAX] = FORWARD("log_softmax", WEFT_CD_ACTIVATION, softmax_gradient),
    [LOG_SOFTMAX_GRAD] = BACKWARD("log_softmax_grad", softmax_grad_lower),
    [LAYER_NORM] = FORWARD("layer_norm", WEFT_CD_NORM, norm_gradient),
    [LAYER_NORM_GRAD] = BACKWARD("layer_norm_grad", norm_grad_lower),
    [RMS_NORM] = FORWARD("rms_norm", WEFT_CD_NORM, norm_gradient),
    [RMS_NORM_GRAD] = BACKWARD("rms_norm_grad", norm_grad_lower),
    {0},
};

weft_value weft_softmax(weft_graph *g, weft_value x)
{
    return row_op(g, SOFTMAX, &x, 1, 0, 0);
}

weft_value weft_log_softmax(weft_graph *g, weft_value x)
{
    return row_op(g, LOG_SOFTMAX, &x, 1, 0, 0);
}

weft_value weft_normalize_layer(weft_graph *g, weft_value x, weft_value weight, weft_value bias, double eps)
{
    weft_value in[3] = {x, weight, bias};
    return row_op(g, LAYER_NORM, in, !weight.id ? 1 : bias.id ? 3 : 2, eps, 0);
}

weft_value weft_normalize_rms(weft_graph *g, weft_value x, weft_value weight, double offset, double eps)
{
    weft_value in[2] = {x, weight};
    return row_op(g, RMS_NORM, in, weight.id ? 2 : 1, eps, offset);
}
