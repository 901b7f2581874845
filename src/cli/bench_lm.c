/* Bench jobs on language models with random weights: a prompt, a token, a training step. */
#include "cli/bench.h"
#include "base/json.h"
#include "base/random.h"
#include "graph/params.h"
#include "lm/build.h"
#include "train/optimizer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The shapes by name (llama2.c's sizes, GPT-2's), as their config.json would say them. */
enum { LLAMA_110M, LLAMA_260K, GPT2 };
static const char *const shapes[] = {
    [LLAMA_110M] = "{\"model_type\": \"llama\", \"hidden_size\": 768, \"num_hidden_layers\": 12, \"num_attention_heads\": 12, "
                   "\"intermediate_size\": 2048, \"vocab_size\": 32000, \"max_position_embeddings\": 1024, "
                   "\"tie_word_embeddings\": true}",
    [LLAMA_260K] =
        "{\"model_type\": \"llama\", \"hidden_size\": 64, \"num_hidden_layers\": 5, \"num_attention_heads\": 8, "
        "\"num_key_value_heads\": 4, \"intermediate_size\": 172, \"vocab_size\": 512, \"max_position_embeddings\": 512, "
        "\"tie_word_embeddings\": true}",
    [GPT2] = "{\"model_type\": \"gpt2\"}",
};

typedef enum lm_work { PREFILL, DECODE, TRAIN } lm_work;

enum { PROMPT = 512, POSITION = 128, CAPACITY = 1024, TRAIN_TOKENS = 256 };

typedef struct lm_run {
    weft_engine *engine;
    weft_lm_config config;
    weft_graph *graph;
    weft_plan *plan;
    weft_session *session;
    weft_params *params;
    weft_optimizer *optimizer;
    int64_t *ids, *positions, start, rows, place; /* [tokens]; where they stand and begin; the row whose logits are wanted, in
                                                   * the prompt and in the cache */
    void **states;
    int state_count;
} lm_run;

static void close_lm(void *self)
{
    lm_run *r = self;
    weft_session_free(r->session);
    weft_plan_free(r->plan);
    weft_graph_free(r->graph);
    weft_optimizer_free(r->optimizer);
    weft_params_free(r->params);
    weft_lm_config_free(&r->config);
    for (int i = 0; i < r->state_count; i++)
        free(r->states[i]);
    free(r->states);
    free(r->ids);
    free(r->positions);
    free(r);
}

/* The numbers of a tensor cut to BF16, as a checkpoint would store them. */
static weft_status store_in_bf16(weft_params *params)
{
    weft_status status = WEFT_OK;
    for (int64_t i = 0; i < weft_params_count(params) && status == WEFT_OK; i++) {
        weft_tensor t;
        const char *name = weft_params_at(params, i, &t);
        const int64_t count = weft_dims_count(t.dims);
        uint16_t *half = malloc((size_t)count * sizeof *half);
        if (!half)
            return weft_fail(WEFT_ERROR_MEMORY, "bench: memory is short");
        for (int64_t k = 0; k < count; k++)
            memcpy(&half[k], (const char *)t.data + 4 * k + 2, sizeof half[k]);
        status = weft_params_set(params, name, (weft_tensor){half, WEFT_BF16, t.dims});
        free(half);
    }
    return status;
}

static weft_status bind_states(lm_run *r)
{
    weft_entry e;
    const int count = weft_graph_entries(r->graph, -1, &e);
    weft_status status = WEFT_OK;
    r->states = calloc((size_t)count + 1, sizeof *r->states);
    for (int i = 0; i < count && r->states && status == WEFT_OK; i++) {
        weft_graph_entries(r->graph, i, &e);
        if (strcmp(e.kind, "state") != 0)
            continue;
        void *memory = calloc((size_t)weft_dims_count(e.dims), weft_dtype_size(e.dtype));
        r->states[r->state_count++] = memory;
        status = memory ? weft_bind(r->session, e.name, (weft_tensor){memory, e.dtype, e.dims})
                        : weft_fail(WEFT_ERROR_MEMORY, "bench: memory is short");
    }
    return status;
}

/* The mean loss of the row's tokens. *gradients: [n] of the n parameters, which the optimiser takes as they are finished. */
static weft_status add_training(lm_run *r, weft_lm_builder *b, weft_value *loss, weft_consumed **gradients, int *n)
{
    weft_graph *g = r->graph;
    weft_value h = weft_reshape(g, weft_lm_final(b, weft_lm_stream(b)), DIMS(TRAIN_TOKENS, r->config.width));
    weft_value labels = weft_labels(g, "labels", DIMS(TRAIN_TOKENS), r->config.vocab);
    *loss = weft_mean_labelled(g, weft_lm_row_losses(b, h, labels), labels);
    *n = weft_graph_params(g, -1, NULL, NULL);
    weft_value *wrt = calloc(2 * (size_t)*n + 1, sizeof *wrt);
    *gradients = calloc((size_t)*n + 1, sizeof **gradients);
    weft_status status = wrt && *gradients ? WEFT_OK : weft_fail(WEFT_ERROR_MEMORY, "bench: memory is short");
    for (int i = 0; i < *n && status == WEFT_OK; i++)
        weft_graph_params(g, i, NULL, &wrt[i]);
    if (status == WEFT_OK)
        status = weft_gradient(g, *loss, (weft_value){0}, wrt, *n, wrt + *n);
    for (int i = 0; i < *n && status == WEFT_OK; i++)
        (*gradients)[i] = (weft_consumed){wrt[*n + i], wrt[i]};
    free(wrt);
    return status;
}

static weft_status open_graph(lm_run *r, lm_work work, bool bf16, int64_t tokens)
{
    weft_lm_builder b;
    r->graph = weft_graph_new(WEFT_F32);
    if (!r->graph)
        return WEFT_ERROR_MEMORY;
    weft_graph_bf16(r->graph, bf16);
    weft_lm_begin(&b, r->graph, &r->config,
                  &(weft_lm_form){.batch = 1, .tokens = tokens, .capacity = work == TRAIN ? 0 : CAPACITY, .rows = work != TRAIN});
    weft_value result = {0};
    weft_consumed *gradients = NULL;
    int n = 0;
    weft_status status = WEFT_OK;
    if (work == TRAIN)
        status = add_training(r, &b, &result, &gradients, &n);
    else
        result = weft_lm_logits(&b, weft_lm_stream(&b));
    if (status == WEFT_OK)
        status = weft_params_init(r->params, r->graph, WEFT_F32, 0);
    if (status == WEFT_OK && bf16 && work != TRAIN) /* trained weights stay f32 */
        status = store_in_bf16(r->params);
    if (status == WEFT_OK)
        status = weft_compile_consuming(r->engine, r->graph, NULL, 0, &result, 1, gradients, n, &r->plan);
    free(gradients);
    if (status == WEFT_OK)
        status = weft_session_new(r->plan, &r->params, 1, &r->session);
    return status == WEFT_OK ? bind_states(r) : status;
}

static weft_status bind_tokens(lm_run *r, lm_work work, int64_t tokens)
{
    const weft_tensor ids = {r->ids, WEFT_I64, DIMS(1, tokens)};
    weft_status status = weft_bind(r->session, "input_ids", ids);
    if (status == WEFT_OK && r->config.family->names->position)
        status = weft_bind(r->session, "position_ids", (weft_tensor){r->positions, WEFT_I64, DIMS(1, tokens)});
    if (status == WEFT_OK && work == TRAIN)
        return weft_bind(r->session, "labels", (weft_tensor){r->ids + 1, WEFT_I64, DIMS(tokens)});
    if (status == WEFT_OK)
        status = weft_bind(r->session, "start", (weft_tensor){&r->start, WEFT_I64, DIMS(1)});
    if (status == WEFT_OK)
        status = weft_bind(r->session, "rows", (weft_tensor){&r->rows, WEFT_I64, DIMS(1)});
    return status == WEFT_OK ? weft_bind(r->session, "places", (weft_tensor){&r->place, WEFT_I64, DIMS(1)}) : status;
}

/* A token reads the packed weights from end to end. */
static double weights_reading(void *self)
{
    lm_run *r = self;
    int count = 0;
    for (const weft_panels *p = *weft_params_panels(r->params); p; p = p->next)
        count++;
    bench_span *spans = calloc((size_t)count + 1, sizeof *spans);
    if (!spans)
        return 0;
    count = 0;
    for (const weft_panels *p = *weft_params_panels(r->params); p; p = p->next)
        spans[count++] = (bench_span){p->data, p->key.bytes};
    const double rate = bench_reading(r->engine, spans, count);
    free(spans);
    return rate;
}

static weft_status open_lm(bench_context *c, const bench_job *job, void **self, bench_result *out)
{
    const lm_work work = (lm_work)job->size[1];
    const int64_t tokens = work == PREFILL ? PROMPT : work == DECODE ? 1 : TRAIN_TOKENS;
    const bool bf16 = job->size[2] != 0;
    lm_run *r = calloc(1, sizeof *r);
    if (!r)
        return weft_fail(WEFT_ERROR_MEMORY, "bench: memory is short");
    *self = r;
    r->engine = c->engine;
    r->start = work == DECODE ? POSITION : 0;
    r->rows = tokens - 1;
    r->place = r->start + r->rows;
    r->ids = calloc((size_t)tokens + 1, sizeof *r->ids);
    r->positions = calloc((size_t)tokens + 1, sizeof *r->positions);
    weft_json *json = NULL;
    weft_status status = r->ids && r->positions
                             ? weft_json_parse(shapes[job->size[0]], strlen(shapes[job->size[0]]), job->name, &json)
                             : weft_fail(WEFT_ERROR_MEMORY, "bench: memory is short");
    if (status == WEFT_OK)
        status = weft_lm_config_read(weft_json_root(json), job->name, &r->config);
    weft_json_free(json);
    for (int64_t i = 0; i <= tokens && status == WEFT_OK; i++)
        r->positions[i] = r->start + i, r->ids[i] = (i * 7919 + 13) % r->config.vocab;
    if (status == WEFT_OK)
        status = weft_params_new(&r->params);
    if (status == WEFT_OK)
        status = open_graph(r, work, bf16, tokens);
    if (status == WEFT_OK)
        status = bind_tokens(r, work, tokens);
    weft_optimizer_options adamw = WEFT_ADAMW(0.1);
    if (status == WEFT_OK && work == TRAIN)
        status = weft_optimizer_new(r->engine, r->params, &adamw, &r->optimizer);
    double weights = 0;
    for (int64_t i = 0; status == WEFT_OK && i < weft_params_count(r->params); i++) {
        weft_tensor t;
        weft_params_at(r->params, i, &t);
        weights += (double)weft_dims_count(t.dims);
    }
    if (work == DECODE)
        out->bytes = weights * (bf16 ? 2 : 4), out->reading = weights_reading;
    else
        out->bf16 = bf16,
        out->flops = 2.0 * (double)tokens * (weights - (double)(r->config.vocab * r->config.width)) * (work == TRAIN ? 3 : 1);
    return status;
}

static weft_status call_lm(void *self)
{
    lm_run *r = self;
    return r->optimizer ? weft_optimizer_run(r->optimizer, r->session, 3e-4) : weft_run(r->session);
}

const bench_job bench_lm[] = {
    {"lm_prefill_110m", {LLAMA_110M, PREFILL, 0}, open_lm, call_lm, close_lm},
    {"lm_prefill_110m_bf16", {LLAMA_110M, PREFILL, 1}, open_lm, call_lm, close_lm},
    {"lm_decode_110m", {LLAMA_110M, DECODE, 0}, open_lm, call_lm, close_lm},
    {"lm_decode_110m_bf16", {LLAMA_110M, DECODE, 1}, open_lm, call_lm, close_lm},
    {"lm_decode_260k", {LLAMA_260K, DECODE, 0}, open_lm, call_lm, close_lm},
    {"lm_train_gpt2", {GPT2, TRAIN, 0}, open_lm, call_lm, close_lm},
    {"lm_train_gpt2_bf16", {GPT2, TRAIN, 1}, open_lm, call_lm, close_lm},
    {0},
};
