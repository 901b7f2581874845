/* The op table's test: cases of elementwise functions and of the derivatives of activations. */
#ifndef WEFT_TESTS_OP_CASES_ELEMENTWISE_H
#define WEFT_TESTS_OP_CASES_ELEMENTWISE_H

#include "graph/op_case.h"
#include "kernels/vector.h"

static weft_value build_unary(trial *t)
{
    weft_dims dims = batch_dims(t, 1 + (int)below(t, 4));
    return t->of->unary(t->g, operand(t, dims, t->of->law, ROWS));
}

static weft_value scaled(weft_graph *g, weft_value x)
{
    return weft_scale(g, x, -1.7);
}

static weft_value shifted(weft_graph *g, weft_value x)
{
    return weft_shift(g, x, 0.3);
}

static weft_value leaking(weft_graph *g, weft_value x)
{
    return weft_leaky_relu(g, x, 0.1);
}

/* An operand that broadcasts to `whole`: whole, one number, one row, one column, one of the batch, without outer axes. */
static weft_value broadcasting(trial *t, weft_dims whole, law kind, int flags)
{
    weft_dims dims = whole;
    int r = whole.rank;
    switch (below(t, 7)) {
    case 1:
        return operand(t, SCALAR, kind, flags);
    case 2:
        dims = r > 1 ? DIMS(whole.size[r - 1]) : SCALAR;
        break;
    case 3:
        if (r > 1)
            dims.size[r - 1] = 1;
        return operand(t, dims, kind, flags | ROWS);
    case 4:
        dims.size[0] = 1;
        break;
    case 5:
        dims.rank = r - 1;
        for (int i = 0; i < r; i++)
            dims.size[i] = i + 1 < r ? whole.size[i + 1] : 0;
        break;
    case 6:
        if (r > 2)
            dims.size[1] = 1;
        return operand(t, dims, kind, flags | ROWS);
    default:
        return operand(t, dims, kind, flags | ROWS);
    }
    return operand(t, dims, kind, flags);
}

/* law ODD: one operand on a grid, the other beside it, so that they never meet; POSITIVE: the second is. */
static weft_value build_binary(trial *t)
{
    weft_dims dims = batch_dims(t, 1 + (int)below(t, 4));
    law first = t->of->law == ODD ? EVEN : ANY, second = t->of->law;
    if (t->of->law != POSITIVE && below(t, 3) == 0) {
        weft_value b = broadcasting(t, dims, second, 0);
        return t->of->binary(t->g, b, operand(t, dims, first, ROWS));
    }
    weft_value a = operand(t, dims, first, ROWS);
    return t->of->binary(t->g, a, broadcasting(t, dims, second, 0));
}

/* Both stretched: [rows, n] by [rows, m, 1]. */
static weft_value build_outer(trial *t)
{
    int64_t rows = rows_from(t, 0), n = size_from(t, 0), m = size_from(t, 0);
    weft_value a = operand(t, DIMS(rows, 1, n), t->of->law == ODD ? EVEN : ANY, ROWS);
    return t->of->binary(t->g, a, operand(t, DIMS(rows, m, 1), t->of->law, ROWS));
}

/* The same value twice. */
static weft_value build_twice(trial *t)
{
    weft_value a = operand(t, batch_dims(t, 2), t->of->law, ROWS);
    return t->of->binary(t->g, a, a);
}

/* An op without a function of its own, by its row: dy and x. */
static weft_value build_derivative(trial *t)
{
    weft_dims dims = batch_dims(t, 1 + (int)below(t, 3));
    weft_value dy = operand(t, dims, ANY, ROWS);
    weft_value in[2] = {dy, operand(t, dims, t->of->law, ROWS)};
    return weft_apply(t->g, weft_op_find(t->of->row), in, 2, &(weft_attributes){.f = {0.1}});
}

static weft_value build_where(trial *t)
{
    weft_dims dims = batch_dims(t, 1 + (int)below(t, 3));
    weft_value a = broadcasting(t, dims, ANY, 0), b = operand(t, dims, ANY, ROWS);
    weft_value condition = broadcasting(t, dims, BIT, FIXED);
    return below(t, 2) ? weft_where(t->g, condition, a, b) : weft_where(t->g, condition, b, a);
}

#define UNARY(row, function, law, ...) \
    { \
        row, build_unary, ROWWISE, function, NULL, law, __VA_ARGS__ \
    }
#define BINARY(row, builder, function, law, ...) \
    { \
        row, builder, ROWWISE, NULL, function, law, __VA_ARGS__ \
    }

static const op_case elementwise_cases[] = {
    UNARY("neg", weft_neg, ANY, 0),
    UNARY("abs", weft_abs, AWAY, 0),
    UNARY("exp", weft_exp, ANY, 0),
    UNARY("log", weft_log_of, POSITIVE, 0),
    UNARY("sqrt", weft_sqrt, POSITIVE, 0),
    UNARY("rsqrt", weft_rsqrt, POSITIVE, 0),
    UNARY("recip", weft_recip, AWAY, 0),
    UNARY("tanh", weft_tanh, ANY, 0),
    UNARY("erf", weft_erf, ANY, 0),
    UNARY("sin", weft_sin, ANY, 0),
    UNARY("cos", weft_cos, ANY, 0),
    UNARY("floor", weft_floor, ODD, 0),
    UNARY("square", weft_square, ANY, 0),
    UNARY("scale", scaled, ANY, 0),
    UNARY("shift", shifted, ANY, 0),
    UNARY("relu", weft_relu, AWAY, 0),
    UNARY("leaky_relu", leaking, AWAY, 0),
    UNARY("gelu", weft_gelu, ANY, 0),
    UNARY("gelu_tanh", weft_gelu_tanh, ANY, 0),
    UNARY("quick_gelu", weft_quick_gelu, ANY, 0),
    UNARY("silu", weft_silu, ANY, 0),
    UNARY("sigmoid", weft_sigmoid, ANY, 0),
    UNARY("softplus", weft_softplus, ANY, 0),
    UNARY("sign", weft_sign, AWAY, 0),
    BINARY("add", build_binary, weft_add, ANY, 0),
    BINARY("add", build_twice, weft_add, ANY, 0),
    BINARY("sub", build_binary, weft_sub, ANY, 0),
    BINARY("sub", build_outer, weft_sub, ANY, 0),
    BINARY("mul", build_binary, weft_mul, ANY, 0),
    BINARY("mul", build_outer, weft_mul, ANY, 0),
    BINARY("mul", build_twice, weft_mul, ANY, 0),
    BINARY("div", build_binary, weft_div, POSITIVE, 0),
    BINARY("div", build_twice, weft_div, POSITIVE, 2e-5),
    BINARY("min", build_binary, weft_minimum, ODD, 0),
    BINARY("max", build_binary, weft_maximum, ODD, 0),
    BINARY("max", build_outer, weft_maximum, ODD, 0),
    BINARY("equal", build_binary, weft_equal, ODD, 0),
    BINARY("equal", build_twice, weft_equal, ANY, 0),
    BINARY("less", build_binary, weft_less, ODD, 0),
    BINARY("relu_grad", build_derivative, NULL, AWAY, 5e-6),
    BINARY("leaky_relu_grad", build_derivative, NULL, AWAY, 5e-6),
    BINARY("gelu_grad", build_derivative, NULL, ANY, 5e-6),
    BINARY("gelu_tanh_grad", build_derivative, NULL, ANY, 5e-6),
    BINARY("quick_gelu_grad", build_derivative, NULL, ANY, 5e-6),
    BINARY("silu_grad", build_derivative, NULL, ANY, 5e-6),
    BINARY("sigmoid_grad", build_derivative, NULL, ANY, 5e-6),
    BINARY("softplus_grad", build_derivative, NULL, ANY, 5e-6),
    BINARY("tanh_grad", build_derivative, NULL, ANY, 5e-6),
    BINARY("where", build_where, NULL, ANY, 0),
};

#endif
