/* The op table's test: cases of matrix products, whole-row ops and ops over (row, context) pairs. */
#ifndef WEFT_TESTS_OP_CASES_PRODUCTS_H
#define WEFT_TESTS_OP_CASES_PRODUCTS_H

#include "graph/op_case.h"

/* ---- products ---- */

/* [… , rows, columns], transposed as said */
static weft_dims matrix(const weft_dims *lead, int leads, int64_t rows, int64_t columns, bool transposed)
{
    weft_dims d = {.rank = leads + 2};
    for (int i = 0; i < leads; i++)
        d.size[i] = lead->size[i];
    d.size[leads] = transposed ? columns : rows;
    d.size[leads + 1] = transposed ? rows : columns;
    return d;
}

static weft_value product(trial *t, weft_value a, weft_value b, int64_t macs)
{
    static weft_value (*const forms[])(weft_graph *, weft_value, weft_value) = {weft_matmul, weft_matmul_nt};
    t->macs = macs;
    return forms[t->seed / 1000 % 2](t->g, a, b);
}

/* One right side for all rows; [rows, …, k] by [k, n]. */
static weft_value build_linear(trial *t)
{
    bool nt = t->seed / 1000 % 2;
    int leads = (int)below(t, 3);
    weft_dims lead = batch_dims(t, leads + 1);
    int64_t k = t->big ? 67 : size_from(t, 0), n = t->big ? 95 : size_from(t, 0);
    weft_dims a = lead;
    a.size[a.rank++] = k;
    weft_value x = operand(t, a, ANY, ROWS), w = operand(t, nt ? DIMS(n, k) : DIMS(k, n), ANY, 0);
    return product(t, x, w, weft_dims_count(lead) * k * n);
}

/* A product for each row of the batch. */
static weft_value build_batched(trial *t)
{
    bool nt = t->seed / 1000 % 2;
    int leads = 1 + (int)below(t, 2);
    weft_dims lead = batch_dims(t, leads);
    int64_t m = size_from(t, 0), k = size_from(t, 0), n = size_from(t, 0);
    weft_value a = operand(t, matrix(&lead, leads, m, k, false), ANY, ROWS);
    weft_value b = operand(t, matrix(&lead, leads, k, n, nt), ANY, ROWS);
    return product(t, a, b, weft_dims_count(lead) * m * n * k);
}

static weft_value build_batched_tn(trial *t)
{
    int leads = 1 + (int)below(t, 2);
    weft_dims lead = batch_dims(t, leads);
    int64_t m = size_from(t, 0), k = size_from(t, 0), n = size_from(t, 0);
    weft_value a = operand(t, matrix(&lead, leads, m, k, true), ANY, ROWS);
    weft_value b = operand(t, matrix(&lead, leads, k, n, false), ANY, ROWS);
    t->macs = weft_dims_count(lead) * m * n * k;
    return weft_matmul_tn(t->g, a, b);
}

/* Sums over the batch. */
static weft_value build_tn(trial *t)
{
    int64_t rows = rows_from(t, 0), m = size_from(t, 0), n = size_from(t, 0);
    t->macs = rows * m * n;
    weft_value a = operand(t, DIMS(rows, m), ANY, ROWS);
    return weft_matmul_tn(t->g, a, operand(t, DIMS(rows, n), ANY, ROWS));
}

/* The same value on both sides. */
static weft_value build_gram(trial *t)
{
    weft_dims d = batch_dims(t, 3);
    weft_value x = operand(t, d, ANY, ROWS);
    t->macs = d.size[0] * d.size[1] * d.size[1] * d.size[2];
    return weft_matmul_nt(t->g, x, x);
}

/* ---- whole rows ---- */

/* rows of at least two axes: with one, the row would be the batch */
static weft_dims row_dims(trial *t)
{
    return batch_dims(t, 2 + (int)below(t, 3));
}

static weft_value build_row(trial *t)
{
    return t->of->unary(t->g, operand(t, row_dims(t), ANY, ROWS));
}

static weft_value build_one_row(trial *t)
{
    return t->of->unary(t->g, operand(t, DIMS(size_from(t, 0)), ANY, 0));
}

static weft_value build_row_grad(trial *t)
{
    weft_dims d = row_dims(t);
    weft_value in[2] = {operand(t, d, ANY, ROWS)};
    in[1] = operand(t, d, ANY, ROWS);
    return weft_apply(t->g, weft_op_find(t->of->row), in, 2, NULL);
}

static bool is_rms(const trial *t)
{
    return strncmp(t->of->row, "rms", 3) == 0;
}

static weft_value build_norm(trial *t)
{
    weft_dims d = row_dims(t), n = DIMS(d.size[d.rank - 1]);
    weft_value x = operand(t, d, ANY, ROWS), none = {0};
    int64_t kind = below(t, 3);
    weft_value w = kind > 0 ? operand(t, n, ANY, 0) : none;
    if (is_rms(t))
        return weft_normalize_rms(t->g, x, w, kind > 1 ? 1 : 0, 0.1);
    return weft_normalize_layer(t->g, x, w, kind > 1 ? operand(t, n, ANY, 0) : none, 0.1);
}

static weft_value build_norm_grad(trial *t)
{
    weft_dims d = row_dims(t), n = DIMS(d.size[d.rank - 1]);
    weft_value in[3] = {operand(t, d, ANY, ROWS)};
    int count = 1;
    int64_t kind = below(t, 3);
    if (kind > 0)
        in[count++] = operand(t, n, ANY, 0);
    in[count++] = operand(t, d, ANY, ROWS);
    weft_attributes a = {.f = {0.1, kind > 1 && is_rms(t) ? 1 : 0}};
    weft_value v = weft_apply(t->g, weft_op_find(t->of->row), in, count, &a);
    return below(t, 2) ? weft_part(t->g, v, 1) : v;
}

/* ---- pairs ---- */

typedef struct pairs {
    weft_value table, index;
    int64_t rows, m, width;
} pairs;

/* A table and, for each row of the batch, m numbers into it. The table's rows are the batch instead where the case is REDUCED:
 * then the tests use it in part, and the index stays in what is always used. */
static pairs draw_pairs(trial *t, law kind)
{
    bool table_used = t->form != ROWWISE;
    t->unusable = !table_used;
    pairs p = {.width = t->big ? 67 : size_from(t, 1)};
    int64_t batch = rows_from(t, table_used), other = size_from(t, table_used ? 0 : 1), m = size_from(t, 0);
    int64_t table = table_used ? batch : other, limit = table;
    p.m = t->big ? 5 : m;
    p.rows = table_used ? other : batch;
    if (table_used)
        t->least = limit = (t->batch + 1) / 2;
    p.table = operand(t, DIMS(table, p.width), kind, table_used ? ROWS : 0);
    p.index = index_operand(t, DIMS(p.rows, p.m), table, limit, table_used ? 0 : ROWS);
    return p;
}

/* An operand beside the index: one row for each of its rows. */
static weft_value beside(trial *t, weft_dims dims, law kind)
{
    return operand(t, dims, kind, t->form == ROWWISE ? ROWS : 0);
}

static weft_value build_sqdist(trial *t)
{
    pairs p = draw_pairs(t, ANY);
    weft_value query = beside(t, DIMS(p.rows, p.width), ANY);
    t->macs = p.rows * p.m * p.width;
    if (strcmp(t->of->row, "pair_sqdist") == 0)
        return weft_pair_sqdist(t->g, query, p.table, p.index);
    weft_value in[4] = {query, p.table, p.index, beside(t, DIMS(p.rows, p.m), ANY)};
    bool to_table = strcmp(t->of->row, "pair_sqdist_dtable") == 0;
    if (to_table)
        t->form = t->form == ROWWISE ? REDUCED : ROWWISE;
    return weft_apply(t->g, weft_op_find(t->of->row), in, 4, NULL);
}

static weft_value build_gather_sum(trial *t)
{
    pairs p = draw_pairs(t, ANY);
    weft_value w = beside(t, DIMS(p.rows, p.m), ANY);
    t->macs = p.rows * p.m * p.width;
    if (strcmp(t->of->row, "gather_sum") == 0)
        return weft_gather_sum(t->g, w, p.table, p.index);
    weft_value in[4] = {w, p.table, p.index, beside(t, DIMS(p.rows, p.width), ANY)};
    if (strcmp(t->of->row, "gather_sum_dtable") == 0)
        t->form = t->form == ROWWISE ? REDUCED : ROWWISE;
    return weft_apply(t->g, weft_op_find(t->of->row), in, 4, NULL);
}

/* No mask, a drawn one, one given as a value; weights as they are, or dropped out themselves. a - table + bias is an odd multiple
 * of 1/8: away from relu's kink. */
static weft_value build_relu_sum(trial *t)
{
    pairs p = draw_pairs(t, EVEN);
    weft_graph *g = t->g;
    bool forward = strcmp(t->of->row, "pair_relu_sum") == 0;
    int64_t masked = below(t, 3);
    weft_value a = beside(t, DIMS(p.rows, p.width), EVEN), bias = operand(t, DIMS(p.width), ODD, 0);
    weft_value w = beside(t, DIMS(p.rows, p.m), ANY), mask = {0}, none = {0};
    weft_law drop = {WEFT_DROPOUT_LAW, 0.3, 0};
    if (masked == 1) {
        mask = weft_random(g, "mask", drop, none, DIMS(p.rows, p.m, p.width));
        t->by_position = true;
    } else if (masked == 2) {
        mask = operand(t, DIMS(p.rows, p.m, p.width), POSITIVE, FIXED | (t->form == ROWWISE ? ROWS : 0));
    }
    if (below(t, 2)) {
        w = weft_mul(g, w, weft_random(g, "dropped", drop, none, DIMS(p.rows, p.m)));
        t->by_position = true;
    }
    t->macs = p.rows * p.m * p.width;
    weft_value y = weft_pair_relu_sum(g, a, p.table, bias, p.index, w, mask);
    if (forward)
        return y;
    t->macs *= 2;
    weft_value in[8] = {a, p.table, bias, p.index, w, mask.id ? mask : weft_constant(g, 1, SCALAR)};
    in[6] = beside(t, DIMS(p.rows, p.width), ANY);
    in[7] = weft_part(g, y, 1);
    if (strcmp(t->of->row, "pair_relu_sum_dtable") == 0)
        t->form = t->form == ROWWISE ? REDUCED : ROWWISE;
    weft_value v = weft_apply(g, weft_op_find(t->of->row), in, 8, NULL);
    return t->of->unary ? weft_part(g, v, 1) : v;
}

/* ---- numbers embedded by PLR ---- */

/* One matrix for all features, or one each; numbers that repeat, or hardly. Small weights and large biases keep away from relu's
 * kink, small frequencies keep differences accurate. */
static weft_value build_plr(trial *t)
{
    weft_graph *g = t->g;
    const bool lite = below(t, 2), of_x = strcmp(t->of->row, "plr_grad_x") == 0;
    int64_t rows = rows_from(t, 0), F = t->big ? 19 : size_from(t, 0), k = size_from(t, 0), e = size_from(t, 0);
    weft_value in[6] = {operand(t, DIMS(rows, F), below(t, 2) ? EVEN : ANY, ROWS),
                        weft_scale(g, operand(t, DIMS(F, k), ANY, 0), 0.2)};
    in[2] = weft_scale(g, operand(t, lite ? DIMS(e, 2 * k) : DIMS(F, 2 * k, e), ANY, 0), 0.01);
    in[3] = weft_scale(g, operand(t, lite ? DIMS(e) : DIMS(F, e), AWAY, 0), 10);
    t->macs = rows * F * 2 * k * e;
    in[4] = weft_plr(g, in[0], in[1], in[2], in[3]);
    if (strcmp(t->of->row, "plr") == 0)
        return in[4];
    t->macs *= of_x ? 2 : 3;
    in[5] = operand(t, DIMS(rows, F * e), ANY, ROWS);
    weft_value v = weft_apply(g, weft_op_find(t->of->row), in, 6, NULL);
    int64_t part = of_x ? 0 : below(t, 3);
    return part ? weft_part(g, v, (int)part) : v;
}

#define PRODUCT(builder, form) \
    { \
        "matmul", builder, form, NULL, NULL, ANY, 1e-5 \
    }
#define ROW(row, builder, function) \
    { \
        row, builder, ROWWISE, function, NULL, ANY, 1e-5 \
    }
#define PAIR(row, builder, form) \
    { \
        row, builder, form, NULL, NULL, ANY, 1e-5 \
    }

static const op_case product_cases[] = {
    PRODUCT(build_linear, ROWWISE),
    PRODUCT(build_batched, ROWWISE),
    PRODUCT(build_batched_tn, ROWWISE),
    PRODUCT(build_tn, REDUCED),
    PRODUCT(build_gram, ROWWISE),
    ROW("softmax", build_row, weft_softmax),
    {"softmax", build_one_row, WHOLE, weft_softmax, NULL, ANY, 1e-5},
    ROW("softmax_grad", build_row_grad, NULL),
    ROW("log_softmax", build_row, weft_log_softmax),
    ROW("log_softmax_grad", build_row_grad, NULL),
    ROW("layer_norm", build_norm, NULL),
    ROW("layer_norm_grad", build_norm_grad, NULL),
    ROW("rms_norm", build_norm, NULL),
    ROW("rms_norm_grad", build_norm_grad, NULL),
    PAIR("pair_sqdist", build_sqdist, ROWWISE),
    PAIR("pair_sqdist", build_sqdist, REDUCED),
    PAIR("pair_sqdist_dquery", build_sqdist, ROWWISE),
    PAIR("pair_sqdist_dquery", build_sqdist, REDUCED),
    PAIR("pair_sqdist_dtable", build_sqdist, ROWWISE),
    PAIR("pair_sqdist_dtable", build_sqdist, REDUCED),
    PAIR("pair_relu_sum", build_relu_sum, ROWWISE),
    PAIR("pair_relu_sum", build_relu_sum, REDUCED),
    PAIR("pair_relu_sum_dp_da", build_relu_sum, ROWWISE),
    PAIR("pair_relu_sum_dp_da", build_relu_sum, REDUCED),
    {"pair_relu_sum_dp_da", build_relu_sum, ROWWISE, weft_neg, NULL, ANY, 1e-5}, /* its second result */
    PAIR("pair_relu_sum_dtable", build_relu_sum, ROWWISE),
    PAIR("pair_relu_sum_dtable", build_relu_sum, REDUCED),
    PAIR("gather_sum", build_gather_sum, ROWWISE),
    PAIR("gather_sum", build_gather_sum, REDUCED),
    PAIR("gather_sum_dweights", build_gather_sum, ROWWISE),
    PAIR("gather_sum_dweights", build_gather_sum, REDUCED),
    PAIR("gather_sum_dtable", build_gather_sum, ROWWISE),
    PAIR("gather_sum_dtable", build_gather_sum, REDUCED),
    {"plr", build_plr, ROWWISE, NULL, NULL, ANY, 1e-5},
    {"plr_grad", build_plr, REDUCED, NULL, NULL, ANY, 1e-5},
    {"plr_grad_x", build_plr, ROWWISE, NULL, NULL, ANY, 1e-5},
};

#endif
