/* Numbers embedded by PLR (arXiv 2203.05556): y[i, j] = relu(A_j [cos 2πf_j x_ij, sin 2πf_j x_ij] + a_j), x [rows, F], f [F, k] →
 * y [rows, F · e]. A [e, 2k] and a [e] serve every feature (lite), or A [F, 2k, e] and a [F, e] have one matrix each.
 *
 * What is 2k wide, the waves and their gradient, is never in memory; the gradients compute the waves again, and a number that
 * stands in several rows is computed once (op_plr_steps.c). Differentiated twice, all are lowered.
 *
 * operands: x, f, A, a; of the gradients then y and dy. plr_grad gives dA, df, da; plr_grad_x gives dx. */
#include "graph/graph.h"
#include "graph/plr.h"

weft_plr_sizes weft_plr_sizes_of(const weft_dims *x, const weft_dims *frequencies, const weft_dims *weight)
{
    const weft_dims *A = weight;
    return (weft_plr_sizes){x->size[0], x->size[1], frequencies->size[1], A->size[A->rank == 2 ? 0 : 2], A->rank == 2};
}

static const weft_node *in_node(const weft_graph *g, const weft_node *n, int i)
{
    return &g->nodes[n->inputs[i].id];
}

static weft_plr_sizes sizes_of_node(const weft_graph *g, const weft_node *n)
{
    return weft_plr_sizes_of(&in_node(g, n, 0)->dims, &in_node(g, n, 1)->dims, &in_node(g, n, 2)->dims);
}

static void plr_shape(weft_graph *g, weft_node *n)
{
    const weft_dims x = in_node(g, n, 0)->dims, f = in_node(g, n, 1)->dims, A = in_node(g, n, 2)->dims,
                    a = in_node(g, n, 3)->dims;
    bool fits = x.rank == 2 && x.size[0] <= INT32_MAX && f.rank == 2 && (A.rank == 2 || A.rank == 3) && f.size[0] == x.size[1];
    const weft_plr_sizes s = weft_plr_sizes_of(&x, &f, &A);
    fits = fits && weft_dims_equal(A, s.lite ? DIMS(s.e, 2 * s.k) : DIMS(s.F, 2 * s.k, s.e)) &&
           weft_dims_equal(a, s.lite ? DIMS(s.e) : DIMS(s.F, s.e));
    for (int i = 0; i < n->input_count; i++)
        fits = fits && in_node(g, n, i)->dtype == g->dtype && !(in_node(g, n, i)->extent.count.id && i > 0 && i < 4);
    if (!fits) {
        char text[4][WEFT_DIMS_TEXT];
        weft_poison(g, "%s: numbers %s, frequencies %s, weight %s and bias %s do not fit", n->op->name,
                    weft_dims_text(x, text[0]), weft_dims_text(f, text[1]), weft_dims_text(A, text[2]),
                    weft_dims_text(a, text[3]));
        return;
    }
    const weft_dims y = DIMS(s.rows, s.F * s.e);
    const int op = (int)(n->op - weft_ops_plr);
    for (int i = 4; i < n->input_count; i++)
        if (!weft_dims_equal(in_node(g, n, i)->dims, y) ||
            !weft_extent_equal(in_node(g, n, i)->extent, in_node(g, n, 0)->extent)) {
            weft_poison(g, "%s: the result's gradient does not fit", n->op->name);
            return;
        }
    n->dims = op == WEFT_PLR ? y : op == WEFT_PLR_GRAD ? A : x;
    if (op == WEFT_PLR_GRAD) {
        n->output_count = 3;
        n->more[0] = f;
        n->more[1] = a;
    } else {
        n->extent = in_node(g, n, 0)->extent;
    }
}

static void plr_gradient(weft_graph *g, weft_value y, const weft_value *dy, weft_value *dx)
{
    weft_value in[6];
    for (int i = 0; i < 4; i++)
        in[i] = weft_operand_of(g, y, i);
    in[4] = y;
    in[5] = dy[0];
    dx[0] = weft_apply(g, &weft_ops_plr[WEFT_PLR_GRAD_X], in, 6, NULL);
    dx[2] = weft_apply(g, &weft_ops_plr[WEFT_PLR_GRAD], in, 6, NULL);
    if (!dx[2].id)
        return;
    dx[1] = weft_part(g, dx[2], 1);
    dx[3] = weft_part(g, dx[2], 2);
}

/* ---- lowering ---- */

/* x [rows, F] repeated along a new last axis: [rows, F · n] */
static weft_value repeat(weft_graph *g, weft_value x, int64_t n)
{
    const weft_dims d = weft_shape(g, x);
    weft_value wide = weft_broadcast(g, weft_reshape(g, x, DIMS(d.size[0], d.size[1], 1)), DIMS(d.size[0], d.size[1], n));
    return weft_reshape(g, wide, DIMS(d.size[0], d.size[1] * n));
}

/* The four first operands, from simpler ops. */
static weft_value lowered(weft_graph *g, const weft_value *in)
{
    const weft_dims x = weft_shape(g, in[0]), f = weft_shape(g, in[1]), A = weft_shape(g, in[2]);
    const weft_plr_sizes s = weft_plr_sizes_of(&x, &f, &A);
    weft_value t = weft_mul(g, repeat(g, in[0], s.k), weft_reshape(g, in[1], DIMS(s.F * s.k)));
    t = weft_scale(g, t, 2 * 3.14159265358979323846);
    weft_value parts[2] = {weft_reshape(g, weft_cos(g, t), DIMS(s.rows, s.F, s.k)),
                           weft_reshape(g, weft_sin(g, t), DIMS(s.rows, s.F, s.k))};
    weft_value p = weft_concat(g, 2, parts, 2), y;
    if (s.lite) {
        y = weft_add(g, weft_matmul_nt(g, p, in[2]), in[3]);
        return weft_relu(g, weft_reshape(g, y, DIMS(s.rows, s.F * s.e)));
    }
    weft_value whole = weft_node_of(g, p)->extent.count.id ? weft_apply(g, weft_op_find("clear_unused"), &p, 1, NULL) : p;
    y = weft_matmul(g, weft_permute(g, whole, (int[]){1, 0, 2}), in[2]); /* [F, rows, e] */
    y = weft_reshape(g, weft_permute(g, y, (int[]){1, 0, 2}), DIMS(s.rows, s.F * s.e));
    return weft_relu(g, weft_add(g, weft_used_like(g, y, p), weft_reshape(g, in[3], DIMS(s.F * s.e))));
}

static void plr_lower(weft_graph *g, weft_value v, weft_value *out)
{
    weft_value in[4];
    for (int i = 0; i < 4; i++)
        in[i] = weft_operand_of(g, v, i);
    out[0] = lowered(g, in);
}

/* As functions of x, f, A, a and dy; y follows from these. */
static void grad_lower(weft_graph *g, weft_value v, weft_value *out)
{
    weft_value in[4], dy = weft_operand_of(g, v, 5);
    const bool of_x = weft_node_of(g, v)->op == &weft_ops_plr[WEFT_PLR_GRAD_X];
    for (int i = 0; i < 4; i++)
        in[i] = weft_operand_of(g, v, i);
    const weft_value y = lowered(g, in), wrt[3] = {in[2], in[1], in[3]};
    if (of_x)
        weft_pullback(g, &y, &dy, 1, in, 1, true, out);
    else
        weft_pullback(g, &y, &dy, 1, wrt, 3, true, out);
}

static int64_t plr_macs(const weft_graph *g, const weft_node *n)
{
    const weft_plr_sizes z = sizes_of_node(g, n);
    return z.rows * z.F * 2 * z.k * z.e * (n->op == &weft_ops_plr[WEFT_PLR_GRAD] ? 2 : 1);
}

const weft_op weft_ops_plr[] = {
    [WEFT_PLR] = {.name = "plr",
                  .kind = WEFT_OP_KERNEL,
                  .decompose = WEFT_CD_ACTIVATION,
                  .extent = WEFT_EXTENT_OWN,
                  .smooth = true,
                  .shape = plr_shape,
                  .gradient = plr_gradient,
                  .lower = plr_lower,
                  .emit = weft_plr_emit,
                  .macs = plr_macs},
    [WEFT_PLR_GRAD] = {.name = "plr_grad",
                       .kind = WEFT_OP_KERNEL,
                       .extent = WEFT_EXTENT_OWN,
                       .smooth = true,
                       .shape = plr_shape,
                       .lower = grad_lower,
                       .emit = weft_plr_emit,
                       .macs = plr_macs},
    [WEFT_PLR_GRAD_X] = {.name = "plr_grad_x",
                         .kind = WEFT_OP_KERNEL,
                         .extent = WEFT_EXTENT_OWN,
                         .smooth = true,
                         .shape = plr_shape,
                         .lower = grad_lower,
                         .emit = weft_plr_emit,
                         .macs = plr_macs},
    {0},
};

weft_value weft_plr(weft_graph *g, weft_value x, weft_value frequencies, weft_value weight, weft_value bias)
{
    const weft_value in[4] = {x, frequencies, weight, bias};
    for (int i = 0; i < 4; i++)
        if (!weft_check(g, "plr", in[i]))
            return (weft_value){0};
    return g->bf16_products ? lowered(g, in) : weft_apply(g, &weft_ops_plr[WEFT_PLR], in, 4, NULL);
}
