/* Linear layers, embeddings by index, dropout and gates. */
#include "weft/nn.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "graph/graph.h"

static int64_t last(weft_graph *g, weft_value x)
{
    weft_dims d = weft_shape(g, x);
    return d.rank ? d.size[d.rank - 1] : 1;
}

weft_value weft_linear_weight(weft_graph *g, const char *name, int64_t out, int64_t in)
{
    char full[WEFT_NAME_BYTES];
    snprintf(full, sizeof full, "%s.weight", name);
    return weft_param(g, full, WEFT_UNIFORM(1 / sqrt((double)in)), DIMS(out, in));
}

weft_value weft_linear_bias(weft_graph *g, const char *name, int64_t out, int64_t in)
{
    char full[WEFT_NAME_BYTES];
    snprintf(full, sizeof full, "%s.bias", name);
    return weft_param(g, full, WEFT_UNIFORM(1 / sqrt((double)in)), DIMS(out));
}

weft_value weft_product(weft_graph *g, weft_value x, weft_value w, weft_value b)
{
    if (!weft_check(g, "linear", x) || !weft_check(g, "linear", w))
        return (weft_value){0};
    weft_dims dims = weft_shape(g, x);
    if (dims.rank == 1) { /* one row */
        weft_value y = weft_product(g, weft_reshape(g, x, DIMS(1, dims.size[0])), w, b);
        return y.id ? weft_reshape(g, y, DIMS(weft_shape(g, y).size[1])) : y;
    }
    weft_value y = weft_matmul_nt(g, x, w);
    return b.id ? weft_add(g, y, b) : y;
}

weft_value weft_linear(weft_graph *g, weft_value x, const char *name, int64_t out)
{
    if (!weft_check(g, "linear", x))
        return (weft_value){0};
    int64_t in = last(g, x);
    weft_value w = weft_linear_weight(g, name, out, in), b = weft_linear_bias(g, name, out, in);
    return weft_product(g, x, w, b);
}

weft_value weft_linear_nobias(weft_graph *g, weft_value x, const char *name, int64_t out)
{
    if (!weft_check(g, "linear", x))
        return (weft_value){0};
    return weft_product(g, x, weft_linear_weight(g, name, out, last(g, x)), (weft_value){0});
}

weft_value weft_embedding(weft_graph *g, weft_value index, const char *name, int64_t rows, int64_t width, weft_init init)
{
    char full[WEFT_NAME_BYTES];
    snprintf(full, sizeof full, "%s.weight", name);
    return weft_gather(g, weft_param(g, full, init, DIMS(rows, width)), index);
}

weft_value weft_dropout_rows(weft_graph *g, weft_value x, const char *name, double rate, weft_value row_keys)
{
    if (!weft_check(g, "dropout", x) || rate == 0)
        return x;
    char full[2 * WEFT_NAME_BYTES];
    snprintf(full, sizeof full, "mask.%s%s%s", g->scope, g->scope[0] ? "." : "", name);
    weft_value mask = weft_random(g, full, (weft_law){WEFT_DROPOUT_LAW, rate, 0}, row_keys, weft_shape(g, x));
    return weft_mul(g, x, mask);
}

weft_value weft_dropout(weft_graph *g, weft_value x, const char *name, double rate)
{
    return weft_dropout_rows(g, x, name, rate, (weft_value){0});
}

weft_value weft_activate(weft_graph *g, weft_value x, weft_activation activation)
{
    static weft_value (*const functions[])(weft_graph *, weft_value) = {
        [WEFT_ACT_RELU] = weft_relu,           [WEFT_ACT_GELU] = weft_gelu,
        [WEFT_ACT_GELU_TANH] = weft_gelu_tanh, [WEFT_ACT_QUICK_GELU] = weft_quick_gelu,
        [WEFT_ACT_SILU] = weft_silu,
    };
    return functions[activation](g, x);
}

weft_value weft_gated(weft_graph *g, weft_value gate, weft_value up, weft_activation activation)
{
    return weft_mul(g, weft_activate(g, gate, activation), up);
}
