/* The op table's test: cases of states, rotary positions, attention and labels. */
#ifndef WEFT_TESTS_OP_CASES_SEQUENCE_H
#define WEFT_TESTS_OP_CASES_SEQUENCE_H

#include "graph/op_case.h"
#include "weft/nn.h"

/* A small size: of heads, tokens and the like, of which a case has many. */
static int64_t few(trial *t, int64_t least)
{
    return t->big ? 3 : least + below(t, 4);
}

static weft_value state_operand(trial *t, weft_dims dims, int flags)
{
    leaf *l = new_leaf(t, dims, flags | FIXED);
    const int64_t row = weft_dims_product(dims, 1, dims.rank);
    fill(t, l, ANY, l->rows && t->mode == SLICE ? t->from * row : 0, INT64_MAX);
    return l->value = weft_state(t->g, l->name, weft_graph_dtype(t->g), dims);
}

static weft_value build_store(trial *t)
{
    const int64_t rows = rows_from(t, 1), capacity = few(t, 1), m = few(t, 0), width = few(t, 1);
    weft_value state = state_operand(t, DIMS(rows, capacity, width), ROWS);
    weft_value at = index_operand(t, DIMS(rows), capacity + 1, capacity + 1, ROWS);
    weft_value new = weft_store(t->g, state, at, operand(t, DIMS(rows, m, width), ANY, ROWS | FIXED));
    return in_use(t, weft_square(t->g, new), true);
}

static weft_value build_widen(trial *t)
{
    weft_dims d = batch_dims(t, 2);
    weft_value in = operand(t, d, ANY, ROWS | FIXED);
    return weft_square(t->g, weft_apply(t->g, weft_op_find("widen"), &in, 1, NULL));
}

static weft_value build_rope(trial *t)
{
    const int64_t rows = rows_from(t, 0), tokens = few(t, 1), heads = few(t, 1), half = few(t, 1);
    const int64_t head = 2 * half + few(t, 0);
    static const double frequencies[] = {1, 0.25, 0.0625, 0.03125};
    weft_value x = operand(t, DIMS(rows, tokens, heads, head), ANY, ROWS), at = {0};
    switch (below(t, 3)) {
    case 0:
        at = index_operand(t, DIMS(rows), 100, 100, ROWS);
        break;
    case 1:
        at = index_operand(t, DIMS(rows, tokens), 100, 100, ROWS);
        break;
    default:
        break;
    }
    return weft_rope(t->g, x, at, &(weft_rope_options){2 * half, frequencies, below(t, 2) ? 0 : 1.5, below(t, 2)});
}

/* Pairs of a query and a key it sees, counted one by one. */
static int64_t seen_pairs(int64_t m, int64_t n, const weft_attention_options *o)
{
    int64_t count = 0;
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < n; j++) {
            const int64_t away = n - m + i - j;
            count += o->start.id || ((!o->causal || away >= 0) && (!o->window || (away < o->window && -away < o->window)));
        }
    return count;
}

static weft_value attention_of(trial *t, bool lowered)
{
    const int64_t rows = rows_from(t, 0), m = few(t, 1), kv = few(t, 1), group = 1 + below(t, 2), head = few(t, 1);
    const bool packed = below(t, 4) == 0;
    const int64_t n = packed ? m : few(t, 1), value = few(t, 1);
    weft_value q = operand(t, DIMS(rows, m, kv * group, head), ANY, ROWS);
    weft_value k = operand(t, DIMS(rows, n, kv, head), ANY, ROWS), v = operand(t, DIMS(rows, n, kv, value), ANY, ROWS);
    weft_attention_options o = {.causal = below(t, 2), .window = below(t, 3) ? 0 : few(t, 1), .cap = below(t, 3) ? 0 : 1.5};
    if (below(t, 3) == 0)
        o.bias = operand(t, DIMS(kv * group, m, n), ANY, 0);
    if (below(t, 2))
        o.start = index_operand(t, DIMS(rows), n, n, ROWS);
    if (below(t, 3) == 0)
        o.used = index_operand(t, DIMS(rows), n + 1, n + 1, ROWS);
    if (packed)
        o.segments = index_operand(t, DIMS(rows, m), 2, 2, ROWS);
    if (below(t, 3) == 0)
        o.key_mask = operand(t, DIMS(rows, n), BIT, ROWS | FIXED);
    if (below(t, 3) == 0)
        o.scale = 0.7;
    o.name = lowered ? "a" : NULL;
    t->macs = rows * kv * group * (head + value) * (lowered ? m * n : seen_pairs(m, n, &o));
    return weft_attention(t->g, q, k, v, o);
}

static weft_value build_attention(trial *t)
{
    return attention_of(t, false);
}

static weft_value build_mask(trial *t)
{
    return attention_of(t, true);
}

/* The gradient of an attention as a value of its own, which the harness differentiates again. */
static weft_value build_attention_grad(trial *t)
{
    const int64_t rows = rows_from(t, 0), m = few(t, 1), n = m + below(t, 3), head = few(t, 1);
    weft_value q = operand(t, DIMS(rows, m, 2, head), ANY, ROWS);
    weft_value k = operand(t, DIMS(rows, n, 1, head), ANY, ROWS), v = operand(t, DIMS(rows, n, 1, 2), ANY, ROWS);
    weft_attention_options o = {.causal = below(t, 2), .cap = below(t, 2) ? 0 : 1.5};
    if (below(t, 2))
        o.bias = operand(t, DIMS(2, m, n), ANY, 0);
    weft_value y = weft_attention(t->g, q, k, v, o), dy = operand(t, DIMS(rows, m, 2, 2), ANY, ROWS), dx[3];
    t->macs = 2 * rows * seen_pairs(m, n, &o) * (4 * head + 6);
    check(t, weft_gradient(t->g, y, dy, (weft_value[]){q, k, v}, 3, dx));
    weft_value parts[3];
    for (int i = 0; i < 3; i++) {
        weft_dims d = weft_shape(t->g, dx[i]);
        parts[i] = weft_reshape(t->g, dx[i], DIMS(d.size[0], weft_dims_product(d, 1, 4)));
    }
    return weft_concat(t->g, 1, parts, 3);
}

static weft_value build_labelled(trial *t)
{
    const int64_t rows = rows_from(t, 0);
    weft_value labels = index_operand(t, DIMS(rows), 3, 3, ROWS);
    return weft_mul(t->g, weft_labelled(t->g, labels), operand(t, DIMS(rows), ANY, ROWS));
}

/* Labels of which some are none. */
static weft_value labels_operand(trial *t, int64_t rows, int64_t classes)
{
    weft_value v = index_operand(t, DIMS(rows), classes, classes, ROWS);
    leaf *l = &t->leaf[t->leaves - 1];
    for (int64_t i = 0; i < rows; i++)
        if (scramble(t->seed + (uint64_t)(t->mode == SLICE ? t->from + i : i)) % 4 == 0)
            l->k[i] = WEFT_IGNORE;
    /* the same leaf, told to take them */
    t->g->nodes[l->value.id].attributes.i[1] = 1;
    return v;
}

static weft_value losses_of(trial *t, weft_value labels, weft_value hidden, weft_value table, weft_value bias)
{
    const double smoothing = below(t, 2) ? 0 : 0.1, cap = below(t, 2) ? 0 : 1.5;
    t->unusable = true;
    return weft_cross_entropy_rows(t->g, hidden, table, bias, labels, smoothing, cap);
}

static weft_value build_cross_entropy(trial *t)
{
    const int64_t rows = rows_from(t, 0), width = few(t, 1), classes = size_from(t, 1);
    weft_value hidden = operand(t, DIMS(rows, width), ANY, ROWS), table = operand(t, DIMS(classes, width), ANY, 0);
    weft_value bias = below(t, 2) ? operand(t, DIMS(classes), ANY, 0) : (weft_value){0};
    t->macs = rows * width * classes;
    return losses_of(t, labels_operand(t, rows, classes), hidden, table, bias);
}

static weft_value build_cross_entropy_grad(trial *t)
{
    const int64_t rows = rows_from(t, 0), width = few(t, 1), classes = size_from(t, 1);
    weft_value hidden = operand(t, DIMS(rows, width), ANY, ROWS), table = operand(t, DIMS(classes, width), ANY, 0), dx;
    weft_value bias = below(t, 2) ? operand(t, DIMS(classes), ANY, 0) : (weft_value){0};
    weft_value losses = losses_of(t, labels_operand(t, rows, classes), hidden, table, bias),
               dy = operand(t, DIMS(rows), ANY, ROWS);
    check(t, weft_gradient(t->g, losses, dy, &hidden, 1, &dx));
    t->macs = 3 * rows * width * classes;
    return dx;
}

static weft_value distilled(trial *t, weft_value *hidden)
{
    const int64_t rows = rows_from(t, 0), width = few(t, 1), other = few(t, 1), classes = size_from(t, 1);
    const double numbers[] = {[WEFT_DISTILL_TEMPERATURE] = below(t, 2) ? 1 : 1.7,
                              [WEFT_DISTILL_WEIGHT] = below(t, 2) ? 0.3 : 1,
                              [WEFT_DISTILL_CAP] = below(t, 2) ? 0 : 1.5,
                              [WEFT_DISTILL_TAUGHT_CAP] = below(t, 2) ? 0 : 2};
    weft_value table, taught, taught_table;
    *hidden = operand(t, DIMS(rows, width), ANY, ROWS);
    table = operand(t, DIMS(classes, width), ANY, 0);
    taught = operand(t, DIMS(rows, other), ANY, ROWS);
    taught_table = operand(t, DIMS(classes, other), ANY, 0);
    t->unusable = true;
    t->macs = rows * classes * (width + other);
    return weft_distill_rows(t->g, *hidden, table, labels_operand(t, rows, classes), taught, taught_table, numbers);
}

static weft_value build_distill(trial *t)
{
    weft_value hidden;
    return distilled(t, &hidden);
}

static weft_value build_distill_grad(trial *t)
{
    weft_value hidden, losses = distilled(t, &hidden), dx;
    const weft_dims h = weft_shape(t->g, hidden);
    weft_value dy = operand(t, DIMS(h.size[0]), ANY, ROWS);
    check(t, weft_gradient(t->g, losses, dy, &hidden, 1, &dx));
    t->macs += t->macs + 2 * h.size[0] * h.size[1] * weft_shape(t->g, weft_operand_of(t->g, losses, 1)).size[0];
    return dx;
}

static const op_case sequence_cases[] = {
    {"store", build_store, WHOLE, NULL, NULL, ANY, 0},
    {"widen", build_widen, ROWWISE, NULL, NULL, ANY, 0},
    {"rope_angles", build_rope, ROWWISE, NULL, NULL, ANY, 0},
    {"rope", build_rope, ROWWISE, NULL, NULL, ANY, 0},
    {"attention_mask", build_mask, ROWWISE, NULL, NULL, ANY, 1e-5},
    {"attention", build_attention, ROWWISE, NULL, NULL, ANY, 1e-5},
    {"attention_grad", build_attention_grad, ROWWISE, NULL, NULL, ANY, 1e-5},
    {"cross_entropy", build_cross_entropy, ROWWISE, NULL, NULL, ANY, 1e-5},
    {"cross_entropy_grad", build_cross_entropy_grad, ROWWISE, NULL, NULL, ANY, 1e-5},
    {"distill", build_distill, ROWWISE, NULL, NULL, ANY, 1e-5},
    {"distill_grad", build_distill_grad, ROWWISE, NULL, NULL, ANY, 1e-5},
    {"labelled", build_labelled, ROWWISE, NULL, NULL, ANY, 0},
};

#endif
