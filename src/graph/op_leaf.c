/* Leaves: inputs, indices, counts, parameters, random leaves, constants. */
#include "graph/graph.h"
#include "graph/planner.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

_Static_assert((int)WEFT_UNIFORM_LAW == (int)WEFT_LAW_UNIFORM && (int)WEFT_NORMAL_LAW == (int)WEFT_LAW_NORMAL &&
                   (int)WEFT_DROPOUT_LAW == (int)WEFT_LAW_DROPOUT,
               "the public laws are numbered like the kernels'");

enum { INPUT, INDEX, COUNT, PARAM, RANDOM, CONSTANT, IOTA, STATE };

static void leaf_shape(weft_graph *g, weft_node *n)
{
    weft_poison(g, "%s is a leaf", n->op->name);
}

const weft_op weft_ops_leaf[] = {
    [INPUT] = {.name = "input", .kind = WEFT_OP_LEAF, .decompose = WEFT_CD_OFF, .shape = leaf_shape},
    [INDEX] = {.name = "index", .kind = WEFT_OP_LEAF, .decompose = WEFT_CD_OFF, .shape = leaf_shape},
    [COUNT] = {.name = "count", .kind = WEFT_OP_LEAF, .decompose = WEFT_CD_OFF, .shape = leaf_shape},
    [PARAM] = {.name = "param", .kind = WEFT_OP_LEAF, .decompose = WEFT_CD_OFF, .shape = leaf_shape},
    [RANDOM] = {.name = "random", .kind = WEFT_OP_LEAF, .decompose = WEFT_CD_OFF, .shape = leaf_shape, .emit = weft_emit_random},
    [CONSTANT] = {.name = "constant", .kind = WEFT_OP_LEAF, .decompose = WEFT_CD_OFF, .shape = leaf_shape},
    [IOTA] = {.name = "iota", .kind = WEFT_OP_LEAF, .decompose = WEFT_CD_OFF, .shape = leaf_shape},
    [STATE] = {.name = "state", .kind = WEFT_OP_LEAF, .decompose = WEFT_CD_OFF, .shape = leaf_shape},
    {0},
};

const weft_op *const weft_op_input = &weft_ops_leaf[INPUT];
const weft_op *const weft_op_index = &weft_ops_leaf[INDEX];
const weft_op *const weft_op_count_input = &weft_ops_leaf[COUNT];
const weft_op *const weft_op_param = &weft_ops_leaf[PARAM];
const weft_op *const weft_op_random = &weft_ops_leaf[RANDOM];
const weft_op *const weft_op_constant = &weft_ops_leaf[CONSTANT];
const weft_op *const weft_op_iota = &weft_ops_leaf[IOTA];
const weft_op *const weft_op_state = &weft_ops_leaf[STATE];

weft_value weft_input(weft_graph *g, const char *name, weft_dtype dtype, weft_dims dims)
{
    if (dtype == WEFT_F32 || dtype == WEFT_F64 || dtype == WEFT_BF16 || dtype == WEFT_F16)
        dtype = g->dtype;
    else
        dtype = WEFT_I64;
    return weft_leaf(g, weft_op_input, name, dtype, dims, NULL);
}

weft_value weft_index(weft_graph *g, const char *name, weft_dims dims, int64_t rows)
{
    return weft_leaf(g, weft_op_index, name, WEFT_I64, dims, &(weft_attributes){.i = {rows}});
}

weft_value weft_count_input(weft_graph *g, const char *name, int64_t most)
{
    return weft_leaf(g, weft_op_count_input, name, WEFT_I64, SCALAR, &(weft_attributes){.i = {most}});
}

weft_value weft_labels(weft_graph *g, const char *name, weft_dims dims, int64_t classes)
{
    return weft_leaf(g, weft_op_index, name, WEFT_I64, dims, &(weft_attributes){.i = {classes, 1}});
}

/* NAME inside the current scope */
static void scoped(const weft_graph *g, const char *name, char full[2 * WEFT_NAME_BYTES])
{
    snprintf(full, 2 * WEFT_NAME_BYTES, "%s%s%s", g->scope, g->scope[0] ? "." : "", name);
}

weft_value weft_state(weft_graph *g, const char *name, weft_dtype dtype, weft_dims dims)
{
    char full[2 * WEFT_NAME_BYTES];
    scoped(g, name, full);
    if (dtype == WEFT_F32 || dtype == WEFT_F64)
        dtype = g->dtype;
    else if (dtype != WEFT_BF16 && dtype != WEFT_F16)
        weft_poison(g, "state \"%s\" in %s: expected F32, F64, BF16 or F16", full, weft_dtype_name(dtype));
    return weft_leaf(g, weft_op_state, weft_leaf_name(g, full), dtype, dims, NULL);
}

weft_value weft_param_named(weft_graph *g, weft_init init, weft_dims dims, const char *format, ...)
{
    char full[2 * WEFT_NAME_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(full, sizeof full, format, arguments);
    va_end(arguments);
    weft_value v = weft_leaf(g, weft_op_param, weft_leaf_name(g, full), g->dtype, dims, NULL);
    if (v.id)
        g->nodes[v.id].init = init;
    return v;
}

weft_value weft_param(weft_graph *g, const char *name, weft_init init, weft_dims dims)
{
    return weft_param_named(g, init, dims, "%s%s%s", g->scope, g->scope[0] ? "." : "", name);
}

weft_value weft_random(weft_graph *g, const char *name, weft_law law, weft_value row_keys, weft_dims dims)
{
    if (row_keys.id) {
        if (!weft_check(g, "random", row_keys))
            return (weft_value){0};
        weft_dims keys = weft_shape(g, row_keys);
        int64_t rows = dims.rank ? weft_dims_product(dims, 0, dims.rank - 1) : 1;
        if (g->nodes[row_keys.id].op->kind != WEFT_OP_LEAF || g->nodes[row_keys.id].dtype != WEFT_I64 ||
            weft_dims_count(keys) != rows) {
            weft_poison(g, "random \"%s\": row keys must be an I64 input of %lld numbers", name, (long long)rows);
            return (weft_value){0};
        }
    }
    if (law.kind == WEFT_DROPOUT_LAW && !(law.a >= 0 && law.a < 1)) {
        weft_poison(g, "random \"%s\": a dropout rate of %g is not in [0, 1)", name, law.a);
        return (weft_value){0};
    }
    weft_value v =
        weft_leaf(g, weft_op_random, name, g->dtype, dims, &(weft_attributes){.i = {law.kind, row_keys.id}, .f = {law.a, law.b}});
    if (v.id)
        g->nodes[v.id].law = law;
    return v;
}

weft_value weft_constant(weft_graph *g, double value, weft_dims dims)
{
    return weft_leaf(g, weft_op_constant, NULL, g->dtype, dims, &(weft_attributes){.f = {value}});
}

weft_value weft_iota(weft_graph *g, int64_t n)
{
    return weft_leaf(g, &weft_ops_leaf[IOTA], NULL, g->dtype, DIMS(n), NULL);
}
