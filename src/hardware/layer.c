/* The operators of one decoder layer, in order, as the programs of stages hold them. */
#include "hardware/program.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

weft_status weft_work_make(const weft_hardware_job *job, const weft_dram_rules *rules, weft_work *out)
{
    const weft_hardware_shape *s = job->shape;
    const weft_hardware_memory *m = &job->hardware->memory;
    *out = (weft_work){.hardware = job->hardware,
                       .shape = s,
                       .rules = rules,
                       .fixed = job->options->fixed,
                       .buffer_bytes = job->hardware->npu.scratchpad_kb * 1024 / 2,
                       .dk = s->head_dim,
                       .heads = s->heads / s->tensor_parallel,
                       .kv_heads = s->kv_heads / s->tensor_parallel > 0 ? s->kv_heads / s->tensor_parallel : 1,
                       .row_elements = (int64_t)m->columns * m->request_bytes / 2,
                       .row_groups = rules->banks};
    return WEFT_OK;
}

/* Appends an operator and cuts it. */
WEFT_PRINTF(4, 5)
static weft_status add(const weft_work *w, weft_program *p, weft_op op, const char *format, ...)
{
    if (p->count == p->capacity) {
        int capacity = p->capacity ? 2 * p->capacity : 16;
        weft_op *grown = realloc(p->ops, (size_t)capacity * sizeof *grown);
        if (!grown)
            return weft_fail(WEFT_ERROR_MEMORY, "cannot allocate a program");
        p->ops = grown;
        p->capacity = capacity;
    }
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(op.name, sizeof op.name, format, arguments);
    va_end(arguments);
    p->ops[p->count++] = op;
    return weft_op_cut(w, &p->ops[p->count - 1]);
}

static weft_op matmul(const weft_work *w, int64_t rows, int64_t inner, int64_t features)
{
    return (weft_op){
        .kind = WEFT_OP_MATMUL, .rows = rows, .inner = inner, .features = features, .weight_bits = w->shape->weight_bits};
}

static weft_op vector(weft_op_kind kind, int64_t rows, int64_t width)
{
    return (weft_op){.kind = kind, .rows = rows, .inner = width};
}

/* Memory that does not compute has no layout of its own: there the projection's stores are the cache's. */
static weft_status append(const weft_work *w, const weft_kv *requests, int64_t count, weft_program *p)
{
    weft_op op = {.kind = WEFT_OP_APPEND, .pim = true, .requests = requests, .request_count = count};
    bool needed = w->fixed & WEFT_QUIRK_KV_APPEND && w->rules->kind != WEFT_MEMORY_PLAIN && count;
    return needed ? add(w, p, op, "attn.append") : WEFT_OK;
}

weft_status weft_layer_qkv(const weft_work *w, weft_batch b, weft_program *p)
{
    int64_t width = w->dk * (w->heads + 2 * w->kv_heads);
    weft_status status = add(w, p, vector(WEFT_OP_LAYERNORM, b.rows, w->shape->embed), "attn.ln");
    return status == WEFT_OK ? add(w, p, matmul(w, b.rows, w->shape->embed, width), "attn.QKVgen") : status;
}

weft_status weft_layer_prompts_append(const weft_work *w, weft_batch b, weft_program *p)
{
    return append(w, b.requests + b.decoding, b.count - b.decoding, p);
}

weft_status weft_layer_attention(const weft_work *w, weft_batch b, weft_program *p)
{
    weft_op op = {.kind = WEFT_OP_LOGIT_SOFTMAX, .pim = true, .requests = b.requests, .request_count = b.decoding};
    if (!b.decoding)
        return WEFT_OK;
    weft_status status = append(w, b.requests, b.decoding, p);
    if (status == WEFT_OK)
        status = add(w, p, op, "attn.NeuPIMSLogitSoftmax");
    op.kind = WEFT_OP_ATTEND;
    return status == WEFT_OK ? add(w, p, op, "attn.NeuPIMSAttend") : status;
}

weft_status weft_layer_prompts(const weft_work *w, weft_batch b, weft_program *p)
{
    weft_op op = {.kind = WEFT_OP_PROMPT, .requests = b.requests + b.decoding, .request_count = b.count - b.decoding};
    return op.request_count ? add(w, p, op, "attn.prompt") : WEFT_OK;
}

/* Tokens spread over experts; each that is visited streams its own weights. */
static weft_status feed_forward(const weft_work *w, int64_t rows, weft_program *p)
{
    const weft_hardware_shape *s = w->shape;
    int64_t inner = weft_ceil(s->inner, s->tensor_parallel), visits = rows * s->active_experts;
    int64_t experts = weft_least(s->experts, visits), each = weft_ceil(visits, experts);
    weft_status status = WEFT_OK;
    if (s->experts > 1)
        status = add(w, p, matmul(w, rows, s->embed, s->experts), "ffn.router");
    for (int64_t e = 0; e < experts && status == WEFT_OK; e++) {
        char suffix[24] = "";
        if (s->experts > 1)
            snprintf(suffix, sizeof suffix, ".%lld", (long long)e);
        int64_t now = weft_least(each, visits - e * each);
        if (now < 1)
            break;
        status = add(w, p, matmul(w, now, s->embed, s->gated ? 2 * inner : inner), "ffn.fc1%s", suffix);
        if (status == WEFT_OK)
            status = add(w, p, vector(WEFT_OP_ACTIVATION, now, inner), "ffn.gelu%s", suffix);
        if (status == WEFT_OK && s->gated)
            status = add(w, p, vector(WEFT_OP_RESIDUAL, now, inner), "ffn.gate%s", suffix);
        if (status == WEFT_OK)
            status = add(w, p, matmul(w, now, inner, s->embed), "ffn.fc2%s", suffix);
    }
    return status;
}

/* Each device has a part of every output's sum. */
static weft_status all_reduce(const weft_work *w, weft_batch b, const char *name, weft_program *p)
{
    bool needed = w->fixed & WEFT_QUIRK_ALL_REDUCE && w->shape->tensor_parallel > 1 && w->hardware->link.bandwidth > 0;
    return needed ? add(w, p, vector(WEFT_OP_ALL_REDUCE, b.rows, w->shape->embed), "%s", name) : WEFT_OK;
}

weft_status weft_layer_rest(const weft_work *w, weft_batch b, weft_program *p)
{
    int64_t embed = w->shape->embed;
    weft_status status = add(w, p, matmul(w, b.rows, w->heads * w->dk, embed), "attn.proj");
    if (status == WEFT_OK)
        status = all_reduce(w, b, "attn.allreduce", p);
    if (status == WEFT_OK)
        status = add(w, p, vector(WEFT_OP_RESIDUAL, b.rows, embed), "attn.res");
    if (status == WEFT_OK)
        status = add(w, p, vector(WEFT_OP_LAYERNORM, b.rows, embed), "ffn.ln");
    if (status == WEFT_OK)
        status = feed_forward(w, b.rows, p);
    if (status == WEFT_OK)
        status = all_reduce(w, b, "ffn.allreduce", p);
    return status == WEFT_OK ? add(w, p, vector(WEFT_OP_RESIDUAL, b.rows, embed), "ffn.res") : status;
}

static weft_status bookkeeping(const weft_work *w, const char *name, int64_t count, weft_program *p)
{
    weft_op op = {.kind = WEFT_OP_BOOKKEEPING};
    weft_status status = WEFT_OK;
    for (int64_t i = 0; i < count && status == WEFT_OK; i++)
        status = add(w, p, op, "%s.%lld", name, (long long)i);
    return status;
}

weft_status weft_layer_npu_only(const weft_work *w, weft_batch b, weft_program *p)
{
    weft_op single = {.kind = WEFT_OP_BOOKKEEPING};
    weft_op attention = {.kind = WEFT_OP_FUSED_MHA, .requests = b.requests, .request_count = b.decoding};
    weft_status status = weft_layer_qkv(w, b, p);
    if (status == WEFT_OK)
        status = add(w, p, single, "attn.BSplit");
    if (status == WEFT_OK)
        status = bookkeeping(w, "attn.QKVsplit", b.count, p);
    if (status == WEFT_OK && b.decoding)
        status = add(w, p, attention, "attn.attn.FusedMHA");
    if (status == WEFT_OK)
        status = weft_layer_prompts(w, b, p);
    if (status == WEFT_OK)
        status = bookkeeping(w, "attn.Areshape", b.count, p);
    if (status == WEFT_OK)
        status = add(w, p, single, "attn.BConcat");
    return status == WEFT_OK ? weft_layer_rest(w, b, p) : status;
}
