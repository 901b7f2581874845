/* Bench jobs on single ops: matrix products, large elementwise and row ops, graph build and compile. */
#include "cli/bench.h"
#include "weft/nn.h"

#include <stdlib.h>

const bench_job *const bench_families[] = {bench_ops, bench_models, bench_tables, bench_lm, bench_sim, bench_text, NULL};

typedef struct op_run {
    weft_engine *engine;
    weft_graph *graph;
    weft_plan *plan;
    weft_session *session;
    weft_params *params; /* holds b where it is a weight */
    float *a, *b;
} op_run;

static void close_op(void *self)
{
    op_run *r = self;
    weft_session_free(r->session);
    weft_plan_free(r->plan);
    weft_graph_free(r->graph);
    weft_params_free(r->params);
    free(r->a);
    free(r->b);
    free(r);
}

static float *numbers(int64_t n)
{
    float *x = aligned_alloc(64, ((size_t)n * sizeof *x + 63) & ~(size_t)63);
    uint32_t state = 1;
    for (int64_t i = 0; x && i < n; i++) {
        state = state * 1664525U + 1013904223U;
        x[i] = (float)(state >> 8) * 0x1p-24F - 0.5F;
    }
    return x;
}

static weft_status finish(op_run *r, weft_value y, weft_dims a, weft_dims b, void **self)
{
    weft_graph *g = r->graph;
    weft_status status = weft_compile(r->engine, g, NULL, 0, &y, 1, &r->plan);
    if (status == WEFT_OK)
        status = weft_session_new(r->plan, &r->params, r->params ? 1 : 0, &r->session);
    if (status == WEFT_OK)
        status = weft_bind(r->session, "a", (weft_tensor){r->a, WEFT_F32, a});
    if (status == WEFT_OK && r->b && !r->params)
        status = weft_bind(r->session, "b", (weft_tensor){r->b, WEFT_F32, b});
    *self = r;
    return status;
}

static op_run *start(bench_context *c, int64_t a, int64_t b)
{
    op_run *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    r->engine = c->engine;
    r->graph = weft_graph_new(WEFT_F32);
    r->a = numbers(a);
    r->b = b ? numbers(b) : NULL;
    if (r->graph && r->a && (!b || r->b))
        return r;
    close_op(r);
    return NULL;
}

static weft_status no_memory(void)
{
    return weft_fail(WEFT_ERROR_MEMORY, "bench: memory is short");
}

static weft_status open_matmul(bench_context *c, const bench_job *job, void **self, bench_result *out)
{
    int64_t m = job->size[0], n = job->size[1], k = job->size[2];
    op_run *r = start(c, m * k, k * n);
    if (!r)
        return no_memory();
    weft_value y =
        weft_matmul(r->graph, weft_input(r->graph, "a", WEFT_F32, DIMS(m, k)), weft_input(r->graph, "b", WEFT_F32, DIMS(k, n)));
    out->flops = 2.0 * (double)m * (double)n * (double)k;
    return finish(r, y, DIMS(m, k), DIMS(k, n), self);
}

/* The same with b as a weight, as a linear layer has it: packed once, when it changes. */
static weft_status open_weight(bench_context *c, const bench_job *job, void **self, bench_result *out)
{
    int64_t m = job->size[0], n = job->size[1], k = job->size[2];
    op_run *r = start(c, m * k, k * n);
    if (!r)
        return no_memory();
    weft_status status = weft_params_new(&r->params);
    if (status == WEFT_OK)
        status = weft_params_set(r->params, "b", (weft_tensor){r->b, WEFT_F32, DIMS(n, k)});
    *self = r;
    if (status != WEFT_OK)
        return status;
    weft_value y = weft_matmul_nt(r->graph, weft_input(r->graph, "a", WEFT_F32, DIMS(m, k)),
                                  weft_param(r->graph, "b", WEFT_ZEROS, DIMS(n, k)));
    out->flops = 2.0 * (double)m * (double)n * (double)k;
    return finish(r, y, DIMS(m, k), DIMS(n, k), self);
}

enum { ROW = 1024, ROWS = 65536 };

static weft_status open_rows(bench_context *c, const bench_job *job, void **self, bench_result *out)
{
    int64_t n = (int64_t)ROW * ROWS;
    op_run *r = start(c, n, job->size[0] == 0 ? n : 0);
    if (!r)
        return no_memory();
    weft_value a = weft_input(r->graph, "a", WEFT_F32, DIMS(ROWS, ROW)), y;
    if (job->size[0] == 0)
        y = weft_add(r->graph, a, weft_input(r->graph, "b", WEFT_F32, DIMS(ROWS, ROW)));
    else if (job->size[0] == 1)
        y = weft_normalize_layer(r->graph, a, (weft_value){0}, (weft_value){0}, 1e-5);
    else
        y = weft_softmax(r->graph, a);
    out->bytes = (double)n * 4 * (job->size[0] == 0 ? 3 : 2);
    return finish(r, y, DIMS(ROWS, ROW), DIMS(ROWS, ROW), self);
}

static weft_status call_op(void *self)
{
    return weft_run(((op_run *)self)->session);
}

/* ---- build and compile of a 12-layer transformer encoder, width 768, 128 tokens ---- */

static weft_value encoder_layer(weft_graph *g, weft_value x, int layer)
{
    weft_enter(g, "layer.%d", layer);
    weft_value h = weft_layer_norm(g, x, "ln_1", 1e-5);
    weft_value q = weft_heads(g, weft_linear(g, h, "q", 768), 12), k = weft_heads(g, weft_linear(g, h, "k", 768), 12);
    weft_value v = weft_heads(g, weft_linear(g, h, "v", 768), 12);
    x = weft_add(
        g, x,
        weft_linear(g, weft_merge_heads(g, weft_attention(g, q, k, v, (weft_attention_options){.causal = true})), "proj", 768));
    h = weft_linear(g, weft_layer_norm(g, x, "ln_2", 1e-5), "fc_1", 3072);
    x = weft_add(g, x, weft_linear(g, weft_gelu(g, h), "fc_2", 768));
    weft_leave(g);
    return x;
}

static weft_status open_compile(bench_context *c, const bench_job *job, void **self, bench_result *out)
{
    (void)job, (void)out;
    *self = c->engine;
    return WEFT_OK;
}

static weft_status call_compile(void *self)
{
    weft_graph *g = weft_graph_new(WEFT_F32);
    weft_plan *plan = NULL;
    if (!g)
        return WEFT_ERROR_MEMORY;
    weft_value x = weft_input(g, "x", WEFT_F32, DIMS(1, 128, 768));
    for (int i = 0; i < 12; i++)
        x = encoder_layer(g, x, i);
    weft_status status = weft_compile(self, g, NULL, 0, &x, 1, &plan);
    weft_plan_free(plan);
    weft_graph_free(g);
    return status;
}

static void close_compile(void *self)
{
    (void)self;
}

#define MATMUL(name, m, n, k) \
    { \
        name, {m, n, k}, open_matmul, call_op, close_op \
    }
#define LINEAR(name, m, n, k) \
    { \
        name, {m, n, k}, open_weight, call_op, close_op \
    }

const bench_job bench_ops[] = {
    MATMUL("matmul_512", 512, 512, 512),
    MATMUL("matmul_1024", 1024, 1024, 1024),
    MATMUL("matmul_2048", 2048, 2048, 2048),
    LINEAR("linear_512x768x768", 512, 768, 768),
    LINEAR("linear_16x3072x768", 16, 3072, 768),
    LINEAR("linear_126976x16x32", 126976, 16, 32),
    {"add", {0}, open_rows, call_op, close_op},
    {"layer_norm", {1}, open_rows, call_op, close_op},
    {"softmax", {2}, open_rows, call_op, close_op},
    {"compile_12", {0}, open_compile, call_compile, close_compile},
    {0},
};
