/* Elementwise functions of two values with NumPy broadcasting, where, and the derivatives of activations.
 * A derivative op computes dy · f'(x); differentiated again it is lowered to exp, erf, products and sums. */
#include "graph/graph.h"
#include "kernels/vector.h"

#include <string.h>

enum { WHERE = WEFT_BINARY_COUNT };

/* The common shape of two operands; false where they do not broadcast. */
static bool join(weft_dims a, weft_dims b, weft_dims *out)
{
    out->rank = a.rank > b.rank ? a.rank : b.rank;
    for (int i = 0; i < WEFT_MAX_RANK; i++)
        out->size[i] = 0;
    for (int i = 0; i < out->rank; i++) {
        int64_t sa = i >= a.rank ? 1 : a.size[a.rank - 1 - i], sb = i >= b.rank ? 1 : b.size[b.rank - 1 - i];
        if (sa != sb && sa != 1 && sb != 1)
            return false;
        out->size[out->rank - 1 - i] = sa == 1 ? sb : sa;
    }
    return true;
}

/* The used extent of a result: that of the operands that share its outermost axis; they must agree. */
static void join_extent(weft_graph *g, weft_node *n)
{
    bool set = false;
    for (int i = 0; i < n->input_count; i++) {
        const weft_node *x = &g->nodes[n->inputs[i].id];
        if (!x->extent.count.id)
            continue;
        if (x->dims.rank != n->dims.rank || x->dims.size[0] != n->dims.size[0] ||
            (set && !weft_extent_equal(x->extent, n->extent))) {
            weft_poison(g, "%s: the operands use different parts of their outermost axes", n->op->name);
            return;
        }
        n->extent = x->extent;
        set = true;
    }
}

static void broadcast_shape(weft_graph *g, weft_node *n)
{
    weft_dims dims = g->nodes[n->inputs[0].id].dims;
    for (int i = 0; i < n->input_count; i++) {
        const weft_node *x = &g->nodes[n->inputs[i].id];
        if (x->dtype != g->dtype) {
            weft_poison(g, "%s: operand %d holds %s numbers, not %s", n->op->name, i + 1, weft_dtype_name(x->dtype),
                        weft_dtype_name(g->dtype));
            return;
        }
        if (!join(dims, x->dims, &n->dims)) {
            char a[WEFT_DIMS_TEXT], b[WEFT_DIMS_TEXT];
            weft_poison(g, "%s: %s and %s do not broadcast", n->op->name, weft_dims_text(dims, a), weft_dims_text(x->dims, b));
            return;
        }
        dims = n->dims;
    }
    join_extent(g, n);
}

static void binary_gradient(weft_graph *g, weft_value y, const weft_value *dy, weft_value *dx)
{
    weft_value a = weft_operand_of(g, y, 0), b = weft_operand_of(g, y, 1), d = dy[0];
    weft_dims da = weft_shape(g, a), db = weft_shape(g, b);
    switch ((weft_binary)weft_node_of(g, y)->op->sub) {
    case WEFT_ADD:
        dx[0] = weft_sum_to(g, d, da);
        dx[1] = weft_sum_to(g, d, db);
        break;
    case WEFT_SUB:
        dx[0] = weft_sum_to(g, d, da);
        dx[1] = weft_neg(g, weft_sum_to(g, d, db));
        break;
    case WEFT_MUL:
        dx[0] = weft_sum_to(g, weft_mul(g, d, b), da);
        dx[1] = weft_sum_to(g, weft_mul(g, d, a), db);
        break;
    case WEFT_DIV:
        dx[0] = weft_sum_to(g, weft_div(g, d, b), da);
        dx[1] = weft_neg(g, weft_sum_to(g, weft_mul(g, d, weft_div(g, y, b)), db));
        break;
    case WEFT_MIN:
    case WEFT_MAX: { /* ties go to the first operand */
        bool max = weft_node_of(g, y)->op->sub == WEFT_MAX;
        weft_value second = max ? weft_less(g, a, b) : weft_less(g, b, a);
        weft_value taken = weft_mul(g, d, second);
        dx[0] = weft_sum_to(g, weft_sub(g, d, taken), da);
        dx[1] = weft_sum_to(g, taken, db);
        break;
    }
    case WEFT_RELU_GRAD:
    case WEFT_LEAKY_RELU_GRAD: /* linear in dy, constant in x */
        d = weft_derivative(g, (weft_binary)weft_node_of(g, y)->op->sub, d, b, weft_node_of(g, y)->attributes.f[0]);
        dx[0] = weft_sum_to(g, d, da);
        break;
    default:
        break; /* comparisons */
    }
}

/* f'(x) from simpler ops */
static weft_value slope(weft_graph *g, weft_binary function, weft_value x)
{
    switch (function) {
    case WEFT_GELU_GRAD: { /* Φ(x) + x φ(x) */
        weft_value cdf = weft_shift(g, weft_scale(g, weft_erf(g, weft_scale(g, x, 0.70710678118654752)), 0.5), 0.5);
        weft_value pdf = weft_scale(g, weft_exp(g, weft_scale(g, weft_square(g, x), -0.5)), 0.3989422804014327);
        return weft_add(g, cdf, weft_mul(g, x, pdf));
    }
    case WEFT_GELU_TANH_GRAD: { /* with u = c (x + k x³), t = tanh u: (1 + t)/2 + x (1 - t²)/2 · c (1 + 3 k x²) */
        const double c = 0.7978845608028654, k = 0.044715;
        weft_value x2 = weft_square(g, x);
        weft_value t = weft_tanh(g, weft_scale(g, weft_mul(g, x, weft_shift(g, weft_scale(g, x2, k), 1)), c));
        weft_value du = weft_scale(g, weft_shift(g, weft_scale(g, x2, 3 * k), 1), c);
        weft_value inner = weft_mul(g, weft_mul(g, x, weft_shift(g, weft_neg(g, weft_square(g, t)), 1)), du);
        return weft_scale(g, weft_add(g, weft_shift(g, t, 1), inner), 0.5);
    }
    case WEFT_QUICK_GELU_GRAD:
    case WEFT_SILU_GRAD: { /* with s = σ(a x): s + a x s (1 - s) */
        const double a = function == WEFT_SILU_GRAD ? 1 : 1.702;
        weft_value s = weft_sigmoid(g, weft_scale(g, x, a));
        weft_value ds = weft_mul(g, s, weft_shift(g, weft_neg(g, s), 1));
        return weft_add(g, s, weft_scale(g, weft_mul(g, x, ds), a));
    }
    case WEFT_SIGMOID_GRAD: {
        weft_value s = weft_sigmoid(g, x);
        return weft_mul(g, s, weft_shift(g, weft_neg(g, s), 1));
    }
    case WEFT_SOFTPLUS_GRAD:
        return weft_sigmoid(g, x);
    default: /* tanh */
        return weft_shift(g, weft_neg(g, weft_square(g, weft_tanh(g, x))), 1);
    }
}

static void derivative_lower(weft_graph *g, weft_value y, weft_value *out)
{
    weft_value dy = weft_operand_of(g, y, 0), x = weft_operand_of(g, y, 1);
    out[0] = weft_mul(g, dy, slope(g, (weft_binary)weft_node_of(g, y)->op->sub, x));
}

static void where_gradient(weft_graph *g, weft_value y, const weft_value *dy, weft_value *dx)
{
    weft_value c = weft_operand_of(g, y, 0), a = weft_operand_of(g, y, 1), b = weft_operand_of(g, y, 2);
    weft_dims da = weft_shape(g, a), db = weft_shape(g, b);
    weft_value zero = weft_constant(g, 0, SCALAR);
    dx[1] = weft_sum_to(g, weft_where(g, c, dy[0], zero), da);
    dx[2] = weft_sum_to(g, weft_where(g, c, zero, dy[0]), db);
}

#define ROW(function, text, class, is_smooth) \
    [function] = {.name = text, \
                  .kind = WEFT_OP_BINARY, \
                  .sub = function, \
                  .decompose = class, \
                  .extent = WEFT_EXTENT_OWN, \
                  .smooth = is_smooth, \
                  .shape = broadcast_shape, \
                  .gradient = binary_gradient}
#define DERIVATIVE(function, text) \
    [function] = {.name = text, \
                  .kind = WEFT_OP_BINARY, \
                  .sub = function, \
                  .extent = WEFT_EXTENT_OWN, \
                  .smooth = true, \
                  .shape = broadcast_shape, \
                  .lower = derivative_lower}

const weft_op weft_ops_binary[] = {
    ROW(WEFT_ADD, "add", WEFT_CD_LINEAR, true),
    ROW(WEFT_SUB, "sub", WEFT_CD_LINEAR, true),
    ROW(WEFT_MUL, "mul", WEFT_CD_GATE, true),
    ROW(WEFT_DIV, "div", WEFT_CD_GATE, true),
    ROW(WEFT_MIN, "min", WEFT_CD_GATE, false),
    ROW(WEFT_MAX, "max", WEFT_CD_GATE, false),
    ROW(WEFT_EQUAL, "equal", WEFT_CD_OFF, false),
    ROW(WEFT_LESS, "less", WEFT_CD_OFF, false),
    ROW(WEFT_RELU_GRAD, "relu_grad", WEFT_CD_NONE, false),
    ROW(WEFT_LEAKY_RELU_GRAD, "leaky_relu_grad", WEFT_CD_NONE, false),
    DERIVATIVE(WEFT_GELU_GRAD, "gelu_grad"),
    DERIVATIVE(WEFT_GELU_TANH_GRAD, "gelu_tanh_grad"),
    DERIVATIVE(WEFT_QUICK_GELU_GRAD, "quick_gelu_grad"),
    DERIVATIVE(WEFT_SILU_GRAD, "silu_grad"),
    DERIVATIVE(WEFT_SIGMOID_GRAD, "sigmoid_grad"),
    DERIVATIVE(WEFT_SOFTPLUS_GRAD, "softplus_grad"),
    DERIVATIVE(WEFT_TANH_GRAD, "tanh_grad"),
    [WHERE] = {.name = "where",
               .kind = WEFT_OP_WHERE,
               .decompose = WEFT_CD_LINEAR,
               .extent = WEFT_EXTENT_OWN,
               .smooth = false,
               .shape = broadcast_shape,
               .gradient = where_gradient},
    [WHERE + 1] = {0},
};

/* A strip reads an operand whole, as one row for all rows, as one column, or as one number; other broadcasts are written out. */
static bool strip_reads(weft_dims operand, weft_dims whole)
{
    int64_t count = weft_dims_count(operand), all = weft_dims_count(whole);
    if (count == all || count == 1 || whole.rank == 0)
        return true;
    int64_t last = whole.size[whole.rank - 1];
    if (count == last && operand.rank > 0 && operand.size[operand.rank - 1] == last)
        return true;
    return last > 0 && count == all / last && operand.rank == whole.rank && operand.size[operand.rank - 1] == 1;
}

/* An operand that only repeats a value is read from that value, where a strip can and the shape stays. */
static void see_through_broadcasts(weft_graph *g, weft_value *inputs, int n, weft_dims whole)
{
    for (int i = 0; i < n; i++) {
        const weft_node *x = &g->nodes[inputs[i].id];
        if (strcmp(x->op->name, "broadcast") != 0)
            continue;
        weft_dims dims = weft_shape(g, x->inputs[0]);
        if (!strip_reads(dims, whole))
            continue;
        for (int k = 0; k < n; k++)
            if (k != i)
                join(dims, weft_shape(g, inputs[k]), &dims);
        if (weft_dims_equal(dims, whole))
            inputs[i] = x->inputs[0];
    }
}

static weft_value elementwise(weft_graph *g, const weft_op *op, weft_value *inputs, int n, double p)
{
    for (int i = 0; i < n; i++)
        if (!weft_check(g, op->name, inputs[i]))
            return (weft_value){0};
    weft_dims dims = weft_shape(g, inputs[0]);
    for (int i = 1; i < n; i++)
        if (!join(dims, weft_shape(g, inputs[i]), &dims))
            return weft_apply(g, op, inputs, n, NULL); /* says what does not fit */
    see_through_broadcasts(g, inputs, n, dims);
    for (int i = 0; i < n; i++)
        if (!strip_reads(weft_shape(g, inputs[i]), dims))
            inputs[i] = weft_broadcast(g, inputs[i], dims);
    return weft_apply(g, op, inputs, n, &(weft_attributes){.f = {p}});
}

weft_value weft_derivative(weft_graph *g, weft_binary function, weft_value dy, weft_value x, double p)
{
    return elementwise(g, &weft_ops_binary[function], (weft_value[]){dy, x}, 2, p);
}

weft_value weft_where(weft_graph *g, weft_value condition, weft_value a, weft_value b)
{
    return elementwise(g, &weft_ops_binary[WHERE], (weft_value[]){condition, a, b}, 3, 0);
}

#define PLAIN(function, code) \
    weft_value function(weft_graph *g, weft_value a, weft_value b) \
    { \
        return elementwise(g, &weft_ops_binary[code], (weft_value[]){a, b}, 2, 0); \
    }
PLAIN(weft_add, WEFT_ADD)
PLAIN(weft_sub, WEFT_SUB)
PLAIN(weft_mul, WEFT_MUL)
PLAIN(weft_div, WEFT_DIV)
PLAIN(weft_minimum, WEFT_MIN)
PLAIN(weft_maximum, WEFT_MAX)
PLAIN(weft_equal, WEFT_EQUAL)
PLAIN(weft_less, WEFT_LESS)
