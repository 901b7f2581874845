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

weft_value weft_embed_numbers(weft_graph *g, weft_value x, const char *name, const weft_numeric_embedding *e)
{
    if (!weft_check(g, "embed_numbers", x) || e->kind == WEFT_NUMERIC_NONE)
        return x;
    weft_dims d = weft_shape(g, x);
    if (d.rank != 2 || e->width < 1) {
        weft_poison(g, "embed_numbers: needs [rows, features] and a width of at least 1");
        return (weft_value){0};
    }
    int64_t F = d.size[1], width = e->width;
    if (e->kind == WEFT_NUMERIC_LINEAR || e->kind == WEFT_NUMERIC_LR) {
        weft_init init = WEFT_UNIFORM(1 / sqrt((double)width));
        weft_value w = parameter(g, name, "0.weight", init, DIMS(F, width)),
                   b = parameter(g, name, "0.bias", init, DIMS(F, width));
        weft_value y = weft_add(g, weft_mul(g, repeat(g, x, width), row(g, w)), row(g, b));
        return e->kind == WEFT_NUMERIC_LR ? weft_relu(g, y) : y;
    }
    const int64_t k = e->frequencies;
    const bool lite = e->kind == WEFT_NUMERIC_PLR_LITE;
    weft_init init = WEFT_UNIFORM(1 / sqrt(2 * (double)k));
    weft_value f = parameter(g, name, "0.frequencies", WEFT_NORMAL(e->frequency_scale), DIMS(F, k));
    weft_value A = parameter(g, name, "1.weight", init, lite ? DIMS(width, 2 * k) : DIMS(F, 2 * k, width));
    weft_value a = parameter(g, name, "1.bias", init, lite ? DIMS(width) : DIMS(F, width));
    return weft_plr(g, x, f, A, a);
}
