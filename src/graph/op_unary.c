/* Elementwise functions of one value, with their gradients. attributes.f[0] is the function's parameter p. */
#include "graph/graph.h"
#include "kernels/vector.h"

static weft_value unary(weft_graph *g, weft_unary function, weft_value x, double p)
{
    return weft_apply(g, &weft_ops_unary[function], &x, 1, &(weft_attributes){.f = {p}});
}

static void unary_shape(weft_graph *g, weft_node *n)
{
    const weft_node *x = &g->nodes[n->inputs[0].id];
    n->dims = x->dims;
    if (x->dtype != g->dtype)
        weft_poison(g, "%s: the operand holds %s numbers, not %s", n->op->name, weft_dtype_name(x->dtype),
                    weft_dtype_name(g->dtype));
}

/* functions whose derivative is one op of the binary table */
static const struct {
    bool has;
    weft_binary grad;
} fused[WEFT_UNARY_COUNT] = {
    [WEFT_RELU] = {true, WEFT_RELU_GRAD},
    [WEFT_LEAKY_RELU] = {true, WEFT_LEAKY_RELU_GRAD},
    [WEFT_GELU] = {true, WEFT_GELU_GRAD},
    [WEFT_GELU_TANH] = {true, WEFT_GELU_TANH_GRAD},
    [WEFT_QUICK_GELU] = {true, WEFT_QUICK_GELU_GRAD},
    [WEFT_SILU] = {true, WEFT_SILU_GRAD},
    [WEFT_SIGMOID] = {true, WEFT_SIGMOID_GRAD},
    [WEFT_SOFTPLUS] = {true, WEFT_SOFTPLUS_GRAD},
    [WEFT_TANH] = {true, WEFT_TANH_GRAD},
};

static void unary_gradient(weft_graph *g, weft_value y, const weft_value *dy, weft_value *dx)
{
    weft_value x = weft_operand_of(g, y, 0), d = dy[0];
    weft_unary function = (weft_unary)weft_node_of(g, y)->op->sub;
    double p = weft_node_of(g, y)->attributes.f[0];
    if (fused[function].has) {
        dx[0] = weft_derivative(g, fused[function].grad, d, x, p);
        return;
    }
    switch (function) {
    case WEFT_NEG:
        dx[0] = weft_neg(g, d);
        break;
    case WEFT_ABS:
        dx[0] = weft_mul(g, d, weft_sign(g, x));
        break;
    case WEFT_EXP:
        dx[0] = weft_mul(g, d, y);
        break;
    case WEFT_LOG:
        dx[0] = weft_div(g, d, x);
        break;
    case WEFT_SQRT:
        dx[0] = weft_scale(g, weft_div(g, d, y), 0.5);
        break;
    case WEFT_RSQRT:
        dx[0] = weft_scale(g, weft_mul(g, d, weft_mul(g, y, weft_square(g, y))), -0.5);
        break;
    case WEFT_RECIP:
        dx[0] = weft_neg(g, weft_mul(g, d, weft_square(g, y)));
        break;
    case WEFT_ERF: /* 2/sqrt(pi) exp(-x²) */
        dx[0] = weft_mul(g, d, weft_scale(g, weft_exp(g, weft_neg(g, weft_square(g, x))), 1.1283791670955126));
        break;
    case WEFT_SIN:
        dx[0] = weft_mul(g, d, weft_cos(g, x));
        break;
    case WEFT_COS:
        dx[0] = weft_neg(g, weft_mul(g, d, weft_sin(g, x)));
        break;
    case WEFT_SQUARE:
        dx[0] = weft_scale(g, weft_mul(g, d, x), 2);
        break;
    case WEFT_SCALE:
        dx[0] = weft_scale(g, d, p);
        break;
    case WEFT_SHIFT:
        dx[0] = d;
        break;
    default:
        break; /* floor and sign: zero almost everywhere */
    }
}

#define ROW(function, text, class, is_smooth) \
    [function] = {.name = text, \
                  .kind = WEFT_OP_UNARY, \
                  .sub = function, \
                  .decompose = class, \
                  .extent = WEFT_EXTENT_SAME, \
                  .smooth = is_smooth, \
                  .shape = unary_shape, \
                  .gradient = unary_gradient}

const weft_op weft_ops_unary[] = {
    ROW(WEFT_NEG, "neg", WEFT_CD_LINEAR, true),
    ROW(WEFT_ABS, "abs", WEFT_CD_ACTIVATION, false),
    ROW(WEFT_EXP, "exp", WEFT_CD_ACTIVATION, true),
    ROW(WEFT_LOG, "log", WEFT_CD_ACTIVATION, true),
    ROW(WEFT_SQRT, "sqrt", WEFT_CD_ACTIVATION, true),
    ROW(WEFT_RSQRT, "rsqrt", WEFT_CD_ACTIVATION, true),
    ROW(WEFT_RECIP, "recip", WEFT_CD_ACTIVATION, true),
    ROW(WEFT_TANH, "tanh", WEFT_CD_ACTIVATION, true),
    ROW(WEFT_ERF, "erf", WEFT_CD_ACTIVATION, true),
    ROW(WEFT_SIN, "sin", WEFT_CD_ACTIVATION, true),
    ROW(WEFT_COS, "cos", WEFT_CD_ACTIVATION, true),
    ROW(WEFT_FLOOR, "floor", WEFT_CD_ACTIVATION, false),
    ROW(WEFT_SQUARE, "square", WEFT_CD_ACTIVATION, true),
    ROW(WEFT_SCALE, "scale", WEFT_CD_LINEAR, true),
    ROW(WEFT_SHIFT, "shift", WEFT_CD_BIAS, true),
    ROW(WEFT_RELU, "relu", WEFT_CD_ACTIVATION, false),
    ROW(WEFT_LEAKY_RELU, "leaky_relu", WEFT_CD_ACTIVATION, false),
    ROW(WEFT_GELU, "gelu", WEFT_CD_ACTIVATION, true),
    ROW(WEFT_GELU_TANH, "gelu_tanh", WEFT_CD_ACTIVATION, true),
    ROW(WEFT_QUICK_GELU, "quick_gelu", WEFT_CD_ACTIVATION, true),
    ROW(WEFT_SILU, "silu", WEFT_CD_ACTIVATION, true),
    ROW(WEFT_SIGMOID, "sigmoid", WEFT_CD_ACTIVATION, true),
    ROW(WEFT_SOFTPLUS, "softplus", WEFT_CD_ACTIVATION, true),
    ROW(WEFT_SIGN, "sign", WEFT_CD_ACTIVATION, false),
    [WEFT_UNARY_COUNT] = {0},
};

#define PLAIN(function, code) \
    weft_value function(weft_graph *g, weft_value x) \
    { \
        return unary(g, code, x, 0); \
    }
PLAIN(weft_neg, WEFT_NEG)
PLAIN(weft_abs, WEFT_ABS)
PLAIN(weft_exp, WEFT_EXP)
PLAIN(weft_log_of, WEFT_LOG)
PLAIN(weft_sqrt, WEFT_SQRT)
PLAIN(weft_rsqrt, WEFT_RSQRT)
PLAIN(weft_recip, WEFT_RECIP)
PLAIN(weft_tanh, WEFT_TANH)
PLAIN(weft_erf, WEFT_ERF)
PLAIN(weft_sin, WEFT_SIN)
PLAIN(weft_cos, WEFT_COS)
PLAIN(weft_floor, WEFT_FLOOR)
PLAIN(weft_square, WEFT_SQUARE)
PLAIN(weft_sign, WEFT_SIGN)
PLAIN(weft_relu, WEFT_RELU)
PLAIN(weft_gelu, WEFT_GELU)
PLAIN(weft_gelu_tanh, WEFT_GELU_TANH)
PLAIN(weft_quick_gelu, WEFT_QUICK_GELU)
PLAIN(weft_silu, WEFT_SILU)
PLAIN(weft_sigmoid, WEFT_SIGMOID)
PLAIN(weft_softplus, WEFT_SOFTPLUS)

weft_value weft_scale(weft_graph *g, weft_value x, double factor)
{
    return factor == 1 ? x : unary(g, WEFT_SCALE, x, factor);
}

weft_value weft_shift(weft_graph *g, weft_value x, double term)
{
    return unary(g, WEFT_SHIFT, x, term);
}

weft_value weft_leaky_relu(weft_graph *g, weft_value x, double slope)
{
    return unary(g, WEFT_LEAKY_RELU, x, slope);
}

weft_value weft_softcap(weft_graph *g, weft_value x, double cap)
{
    return weft_scale(g, weft_tanh(g, weft_scale(g, x, 1 / cap)), cap);
}
