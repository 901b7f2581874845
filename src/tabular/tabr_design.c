/* The ablation designs of TabR (specification 2.9), pair by pair as they are written: what stands between plain attention
 * (step 0) and TabR-S. Each row of the table is one of the paper's steps. */
#include "tabular/tabr.h"

#include <math.h>

typedef struct design {
    bool inner_product; /* similarities q·k with a projection of its own for queries, in place of −‖k − k‖² */
    bool labels;        /* + Y(y_j) */
    bool value;         /* V(x_j) = W_V LN_mix(x_j) + b_V */
    bool difference;    /* T(k_i − k_j) */
} design;

/* all four see the target itself first in its context, and divide similarities by √d */
static const design designs[4] = {
    {.inner_product = true, .value = true},
    {.inner_product = true, .value = true, .labels = true},
    {.value = true, .labels = true},
    {.difference = true, .labels = true},
};

/* [B, n] as [B, 1, n] */
static weft_value beside(weft_graph *g, weft_value x)
{
    weft_dims d = weft_shape(g, x);
    return weft_reshape(g, x, DIMS(d.size[0], 1, d.size[1]));
}

/* the row's own entry before its context's: [B, 1 + m, …] */
static weft_value own_first(weft_graph *g, weft_value own, weft_value context)
{
    return weft_concat(g, 1, (weft_value[]){own, context}, 2);
}

static weft_value labels_of(weft_graph *g, const weft_tabular_config *c, int64_t B)
{
    int64_t m = c->context_size, d = c->d_main;
    weft_value seen;
    if (c->task == WEFT_TASK_REGRESSION) {
        weft_init init = WEFT_UNIFORM(0.70710678118654752);
        weft_value w = weft_param(g, "label_encoder.weight", init, DIMS(d, 1)),
                   b = weft_param(g, "label_encoder.bias", init, DIMS(d));
        seen = weft_product(g, weft_reshape(g, weft_input(g, "context_y", WEFT_F32, DIMS(B, m)), DIMS(B, m, 1)), w, b);
    } else {
        weft_value table = weft_param(g, "label_encoder.0.weight", WEFT_UNIFORM(1.0), DIMS(c->n_classes, d));
        seen = weft_gather(g, table, weft_index(g, "context_label", DIMS(B, m), c->n_classes));
    }
    weft_value own = weft_param(g, "label_placeholder", WEFT_UNIFORM(1.0), DIMS(d));
    return own_first(g, weft_broadcast(g, weft_reshape(g, own, DIMS(1, 1, d)), DIMS(B, 1, d)), seen);
}

bool weft_tabr_inner_product(const weft_tabular_config *c)
{
    return c->design >= 0 && designs[c->design].inner_product;
}

weft_value weft_tabr_build_queries(weft_graph *g, const weft_tabular_config *c, int64_t rows, weft_value count, bool training)
{
    weft_value input = weft_tabular_inputs(g, c, "rows.", rows, 0, count);
    weft_value x = weft_tabr_mix(g, c, weft_tabr_encode(g, c, input, training, rows));
    return weft_name(g, weft_linear(g, x, "Q", c->d_main), "queries");
}

weft_value weft_tabr_build_design(weft_graph *g, const weft_tabular_config *c, const weft_tabr_form *f)
{
    const design *s = &designs[c->design];
    int64_t B = f->batch, m = c->context_size, d = c->d_main, h = weft_tabr_hidden(c), rows = B + f->capacity;
    weft_value context = weft_index(g, "context", DIMS(B, m), rows);
    weft_value input = weft_tabular_inputs(g, c, "rows.", rows, B, weft_count_input(g, "unique", f->capacity));
    weft_value encoded = weft_tabr_encode(g, c, input, f->training, rows), all = weft_tabr_mix(g, c, encoded);
    weft_value x = weft_name(g, weft_rows(g, encoded, 0, B), "encoder_out");
    weft_value keys = weft_linear(g, all, "K", d), own_key = weft_rows(g, keys, 0, B);
    weft_value query = s->inner_product ? weft_linear(g, weft_rows(g, all, 0, B), "Q", d) : own_key;
    weft_name(g, own_key, "keys");
    weft_value k = own_first(g, beside(g, own_key), weft_gather(g, keys, context)); /* [B, 1 + m, d] */
    weft_value similarities;
    if (s->inner_product) {
        similarities = weft_reshape(g, weft_matmul_nt(g, beside(g, query), k), DIMS(B, m + 1));
    } else {
        weft_value u = weft_sub(g, beside(g, query), k);
        similarities = weft_neg(g, weft_sum(g, weft_square(g, u), -1, -1));
    }
    similarities = weft_name(g, weft_scale(g, similarities, 1 / sqrt((double)d)), "similarities");
    weft_value p = weft_name(g, weft_softmax(g, similarities), "probs");
    p = weft_dropout(g, p, "dropout", f->training ? c->context_dropout : 0);
    weft_value values = {0};
    if (s->labels)
        values = labels_of(g, c, B);
    if (s->value) {
        weft_value v = weft_linear(g, all, "V", d);
        v = own_first(g, beside(g, weft_rows(g, v, 0, B)), weft_gather(g, v, context));
        values = values.id ? weft_add(g, values, v) : v;
    }
    if (s->difference) {
        weft_value t = weft_relu(g, weft_linear(g, weft_sub(g, beside(g, own_key), k), "T.0", h));
        t = weft_dropout(g, t, "T.2", f->training ? c->dropout0 : 0);
        values = weft_add(g, values, weft_linear_nobias(g, t, "T.3", d));
    }
    weft_name(g, values, "values");
    weft_value mixed = weft_matmul(g, beside(g, p), values); /* [B, 1, d] */
    x = weft_name(g, weft_add(g, x, weft_reshape(g, mixed, DIMS(B, d))), "after_retrieval");
    weft_value output = weft_tabr_head(g, c, x, f->training);
    if (f->loss)
        weft_tabular_loss(g, c, output);
    return output;
}
