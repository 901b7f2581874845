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

/* The parameters of a kind: frequencies of PLR alone. */
typedef struct embedding {
    weft_value frequencies, weight, bias;
} embedding;

static bool by_waves(const weft_numeric_embedding *e)
{
    return e->kind == WEFT_NUMERIC_PLR || e->kind == WEFT_NUMERIC_PLR_LITE;
}

static embedding parameters(weft_graph *g, const char *name, int64_t F, const weft_numeric_embedding *e)
{
    int64_t width = e->width, k = e->frequencies;
    embedding p = {{0}, {0}, {0}};
    if (!by_waves(e)) {
        weft_init init = WEFT_UNIFORM(1 / sqrt((double)width));
        p.weight = parameter(g, name, "0.weight", init, DIMS(F, width));
        p.bias = parameter(g, name, "0.bias", init, DIMS(F, width));
        return p;
    }
    bool lite = e->kind == WEFT_NUMERIC_PLR_LITE;
    weft_init init = WEFT_UNIFORM(1 / sqrt(2 * (double)k));
    p.frequencies = parameter(g, name, "0.frequencies", WEFT_NORMAL(e->frequency_scale), DIMS(F, k));
    p.weight = parameter(g, name, "1.weight", init, lite ? DIMS(width, 2 * k) : DIMS(F, 2 * k, width));
    p.bias = parameter(g, name, "1.bias", init, lite ? DIMS(width) : DIMS(F, width));
    return p;
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
    embedding p = parameters(g, name, d.size[1], e);
    if (by_waves(e))
        return weft_plr(g, x, p.frequencies, p.weight, p.bias);
    weft_value y = weft_add(g, weft_mul(g, repeat(g, x, e->width), row(g, p.weight)), row(g, p.bias));
    return e->kind == WEFT_NUMERIC_LR ? weft_relu(g, y) : y;
}

bool weft_embed_values(weft_graph *g, weft_value x, const int64_t *start, int64_t F, const char *name,
                       const weft_numeric_embedding *e, weft_value *out)
{
    if (!weft_check(g, "embed_values", x))
        return false;
    if (F < 1 || e->width < 1 || e->kind == WEFT_NUMERIC_NONE || !weft_dims_equal(weft_shape(g, x), DIMS(start[F], 1))) {
        weft_poison(g, "embed_values: needs [values, 1] of at least one feature, and a width of at least 1");
        return false;
    }
    bool lite = e->kind == WEFT_NUMERIC_PLR_LITE;
    embedding p = parameters(g, name, F, e);
    for (int64_t f = 0; f < F; f++) {
        weft_value z = weft_rows(g, x, start[f], start[f + 1]);
        weft_value w = lite ? p.weight : weft_rows(g, p.weight, f, f + 1), b = lite ? p.bias : weft_rows(g, p.bias, f, f + 1);
        if (by_waves(e)) {
            out[f] = weft_plr(g, z, weft_rows(g, p.frequencies, f, f + 1), w, b);
            continue;
        }
        weft_value y = weft_add(g, weft_mul(g, z, w), b);
        out[f] = e->kind == WEFT_NUMERIC_LR ? weft_relu(g, y) : y;
    }
    return true;
}
