/* Numerical feature embeddings (arXiv 2203.05556): linear, LR, PLR and PLR(lite). */
#include "weft/nn.h"

#include <math.h>
#include <stdio.h>

#include "graph/graph.h"

/* x [rows, F] repeated along a new last axis: [rows, F · n] */
static weft_value repeat(weft_graph *g, weft_value x, int64_t n)
{
    weft_dims d = weft_shape(g, x);
    weft_value wide = weft_broadcast(g, weft_reshape(g, x, DIMS(d.size[0], d.size[1], 1)), DIMS(d.size[0], d.size[1], n));
    return weft_reshape(g, wide, DIMS(d.size[0], d.size[1] * n));
}

/* a parameter [F, n] as one row */
static weft_value row(weft_graph *g, weft_value p)
{
    weft_dims d = weft_shape(g, p);
    return weft_reshape(g, p, DIMS(d.size[0] * d.size[1]));
}

static weft_value parameter(weft_graph *g, const char *name, const char *what, weft_init init, weft_dims dims)
{
    char full[WEFT_NAME_BYTES];
    snprintf(full, sizeof full, "%s.%s", name, what);
    return weft_param(g, full, init, dims);
}

/* [cos 2πfx, sin 2πfx]: all cosines of a feature, then all its sines; [rows, F, 2k] */
static weft_value periodic(weft_graph *g, weft_value x, const char *name, const weft_numeric_embedding *e)
{
    int64_t rows = weft_shape(g, x).size[0], F = weft_shape(g, x).size[1], k = e->frequencies;
    weft_value f = parameter(g, name, "0.frequencies", WEFT_NORMAL(e->frequency_scale), DIMS(F, k));
    weft_value v = weft_scale(g, weft_mul(g, repeat(g, x, k), row(g, f)), 2 * 3.14159265358979323846);
    weft_value parts[2] = {weft_reshape(g, weft_cos(g, v), DIMS(rows, F, k)), weft_reshape(g, weft_sin(g, v), DIMS(rows, F, k))};
    return weft_concat(g, 2, parts, 2);
}

/* p [rows, F, 2k] by one matrix a feature: [rows, F · e] */
static weft_value by_feature(weft_graph *g, weft_value p, const char *name, const weft_numeric_embedding *e)
{
    int64_t rows = weft_shape(g, p).size[0], F = weft_shape(g, p).size[1], k2 = weft_shape(g, p).size[2];
    weft_init init = WEFT_UNIFORM(1 / sqrt((double)k2));
    weft_value A = parameter(g, name, "1.weight", init, DIMS(F, k2, e->width));
    weft_value a = parameter(g, name, "1.bias", init, DIMS(F, e->width));
    weft_value whole = weft_node_of(g, p)->extent.count.id ? weft_apply(g, weft_op_find("clear_unused"), &p, 1, NULL) : p;
    weft_value y = weft_matmul(g, weft_permute(g, whole, (int[]){1, 0, 2}), A); /* [F, rows, e] */
    y = weft_reshape(g, weft_permute(g, y, (int[]){1, 0, 2}), DIMS(rows, F * e->width));
    return weft_add(g, weft_used_like(g, y, p), row(g, a));
}

weft_value weft_embed_numbers(weft_graph *g, weft_value x, const char *name, const weft_numeric_embedding *e)
{
    if (!weft_check(g, "embed_numbers", x) || e->kind == WEFT_NUMERIC_NONE)
        return x;
    weft_dims d = weft_shape(g, x);
    if (d.rank != 2 || e->width < 1) {
        weft_poison(g, "embed_numbers: needs [rows, features] and a width of at least 1");
        return (weft_value){0};
    }
    int64_t rows = d.size[0], F = d.size[1], width = e->width;
    if (e->kind == WEFT_NUMERIC_LINEAR || e->kind == WEFT_NUMERIC_LR) {
        weft_init init = WEFT_UNIFORM(1 / sqrt((double)width));
        weft_value w = parameter(g, name, "0.weight", init, DIMS(F, width)),
                   b = parameter(g, name, "0.bias", init, DIMS(F, width));
        weft_value y = weft_add(g, weft_mul(g, repeat(g, x, width), row(g, w)), row(g, b));
        return e->kind == WEFT_NUMERIC_LR ? weft_relu(g, y) : y;
    }
    weft_value p = periodic(g, x, name, e);
    if (e->kind == WEFT_NUMERIC_PLR)
        return weft_relu(g, by_feature(g, p, name, e));
    weft_init init = WEFT_UNIFORM(1 / sqrt(2 * (double)e->frequencies));
    weft_value A = parameter(g, name, "1.weight", init, DIMS(width, 2 * e->frequencies));
    weft_value a = parameter(g, name, "1.bias", init, DIMS(width));
    return weft_reshape(g, weft_relu(g, weft_product(g, p, A, a)), DIMS(rows, F * width));
}
