/* The parts that all families are built of: inputs, scopes, linears, norms, projections, embeddings. */
#include "lm/build.h"
#include "graph/graph.h"
#include "lm/adapter.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void weft_lm_begin(weft_lm_builder *b, weft_graph *g, const weft_lm_config *c, const weft_lm_form *form)
{
    *b = (weft_lm_builder){.g = g, .c = c, .form = *form};
    int64_t keys = form->capacity ? form->capacity : form->tokens;
    weft_dims dims = DIMS(form->batch, form->tokens);
    b->ids = weft_index(g, "input_ids", dims, c->vocab);
    if (form->capacity)
        b->start = weft_index(g, "start", DIMS(form->batch), form->capacity + 1);
    if (form->mask)
        b->mask = weft_input(g, "attention_mask", WEFT_F32, DIMS(form->batch, keys));
    if (form->segments)
        b->segments = weft_input(g, "segments", WEFT_I64, dims);
    if (c->family->names->position) /* rows of a table */
        b->positions = weft_index(g, "position_ids", dims, c->positions);
    else if (form->positions || form->segments)
        b->positions = weft_input(g, "position_ids", WEFT_I64, dims);
    if (form->types && c->types)
        b->types = weft_index(g, "token_type_ids", dims, c->types);
    if (form->rows || (!c->family->encoder && c->head_kinds & WEFT_LM_CLASSIFIER)) {
        b->rows = weft_index(g, "rows", DIMS(form->batch), form->batch * form->tokens);
        b->places = weft_index(g, "places", DIMS(form->batch), keys);
    }
}

/* ---- scopes and names ---- */

static void enter(weft_lm_builder *b, const char *prefix, const char *layer, int64_t l)
{
    b->layer = l;
    const char *parts[3] = {b->form.scope, prefix, layer};
    char text[256] = "";
    size_t at = 0;
    for (int i = 0; i < 3; i++)
        if (parts[i] && parts[i][0] && at < sizeof text)
            at += (size_t)snprintf(text + at, sizeof text - at, "%s%s", at ? "." : "", parts[i]);
    if (layer && at < sizeof text)
        snprintf(text + at, sizeof text - at, ".%lld", (long long)l);
    b->entered = text[0] != 0;
    if (b->entered)
        weft_enter(b->g, "%s", text);
}

void weft_lm_enter_base(weft_lm_builder *b, int64_t l)
{
    b->inside = true;
    enter(b, b->c->base, l >= 0 ? b->c->family->names->layer : NULL, l);
}

void weft_lm_enter_outside(weft_lm_builder *b)
{
    b->inside = false;
    enter(b, b->c->outside, NULL, -1);
}

void weft_lm_leave(weft_lm_builder *b)
{
    if (b->entered)
        weft_leave(b->g);
    b->entered = false;
}

weft_value weft_lm_tap(weft_lm_builder *b, weft_value v, const char *format, ...)
{
    if (b->form.unnamed)
        return v;
    char name[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(name, sizeof name, format, arguments);
    va_end(arguments);
    return weft_name(b->g, v, "%s%s%s", b->form.scope ? b->form.scope : "", b->form.scope ? "." : "", name);
}

/* ---- parts ---- */

weft_value weft_lm_linear(weft_lm_builder *b, weft_value x, const char *name, int64_t out, bool bias, double sd)
{
    weft_graph *g = b->g;
    bool turned = b->c->family->conv1d && !(b->c->head && strcmp(name, b->c->head) == 0);
    weft_dims d = weft_shape(g, x);
    int64_t in = d.rank ? d.size[d.rank - 1] : 1;
    char text[160];
    snprintf(text, sizeof text, "%s.weight", name);
    weft_value w = weft_param(g, text, WEFT_NORMAL(sd), turned ? DIMS(in, out) : DIMS(out, in)), beta = {0};
    snprintf(text, sizeof text, "%s.bias", name);
    if (bias)
        beta = weft_param(g, text, WEFT_ZEROS, DIMS(out));
    if (b->form.adapter && weft_lm_adapter_covers(b->form.adapter, b, name))
        return weft_lm_adapter_linear(b->form.adapter, b, x, name, w, beta, turned);
    if (!turned)
        return weft_product(g, x, w, beta);
    weft_value y = weft_matmul(g, x, w);
    return beta.id ? weft_add(g, y, beta) : y;
}

weft_value weft_lm_normalize(weft_lm_builder *b, weft_value x, const char *name)
{
    if (!name)
        return x;
    weft_graph *g = b->g;
    const weft_lm_config *c = b->c;
    if (c->family->norm == WEFT_LM_RMS_NORM)
        return weft_rms_norm(g, x, name, 0, c->eps);
    if (c->family->norm == WEFT_LM_RMS_NORM_OFFSET)
        return weft_rms_norm(g, x, name, 1, c->eps);
    if (!c->old_norms)
        return weft_layer_norm(g, x, name, c->eps);
    weft_dims d = weft_shape(g, x);
    int64_t n = d.rank ? d.size[d.rank - 1] : 1;
    char text[160];
    snprintf(text, sizeof text, "%s.gamma", name);
    weft_value gamma = weft_param(g, text, WEFT_ONES, DIMS(n));
    snprintf(text, sizeof text, "%s.beta", name);
    return weft_normalize_layer(g, x, gamma, weft_param(g, text, WEFT_ZEROS, DIMS(n)), c->eps);
}

weft_value weft_lm_pick(weft_lm_builder *b, weft_value x)
{
    const int64_t rows = b->form.batch * b->form.tokens, count = weft_dims_count(weft_shape(b->g, x));
    if (!x.id || rows == 0)
        return x;
    x = weft_gather(b->g, weft_reshape(b->g, x, DIMS(rows, count / rows)), b->rows);
    return weft_reshape(b->g, x, DIMS(b->form.batch, 1, count / rows));
}

/* part i of n of axis `axis` of x */
static weft_value part(weft_graph *g, weft_value x, int axis, int i, int n)
{
    int64_t size = weft_shape(g, x).size[axis] / n;
    return weft_slice(g, x, axis, i * size, (i + 1) * size);
}

void weft_lm_project(weft_lm_builder *b, weft_value h, weft_value *q, weft_value *k, weft_value *v)
{
    weft_graph *g = b->g;
    const weft_lm_config *c = b->c;
    const weft_lm_names *names = c->family->names;
    int64_t B = b->form.batch, n = b->form.tokens, H = c->heads, D = c->head_dim, K = c->kv_heads;
    weft_value *const out[3] = {q, k, v};
    if (c->family->qkv == WEFT_LM_QKV_APART) {
        *q = weft_lm_linear(b, b->picking ? weft_lm_pick(b, h) : h, names->q, H * D, c->qkv_bias, c->init_range);
        *k = weft_lm_linear(b, h, names->k, K * D, c->qkv_bias, c->init_range);
        *v = weft_lm_linear(b, h, names->v, K * D, c->qkv_bias, c->init_range);
    } else {
        weft_value all = weft_lm_linear(b, h, names->qkv, 3 * H * D, c->qkv_bias, c->init_range);
        bool thirds = c->family->qkv == WEFT_LM_QKV_THIRDS;
        if (!thirds && all.id)
            all = weft_reshape(g, all, DIMS(B, n, H, 3, D));
        for (int i = 0; i < 3; i++)
            *out[i] = all.id ? part(g, all, thirds ? 2 : 3, i, 3) : all;
        if (b->picking)
            *q = weft_lm_pick(b, *q);
    }
    for (int i = 0; i < 3; i++)
        *out[i] = weft_reshape(g, *out[i], DIMS(B, b->picking && i == 0 ? 1 : n, i ? K : H, D));
    *q = weft_lm_normalize(b, *q, names->q_norm);
    *k = weft_lm_normalize(b, *k, names->k_norm);
}

/* NAME.weight [rows, width], its rows by index; with the adapter's part */
static weft_value embedding(weft_lm_builder *b, weft_value index, const char *name, int64_t rows)
{
    weft_value e = weft_embedding(b->g, index, name, rows, b->c->width, WEFT_NORMAL(b->c->init_range));
    if (b->form.adapter && weft_lm_adapter_covers(b->form.adapter, b, name))
        e = weft_add(b->g, e, weft_lm_adapter_embedding(b->form.adapter, b, index, name, rows, b->c->width));
    return e;
}

static float round_bf16(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    bits = (bits + 0x7FFFu + (bits >> 16 & 1)) & 0xFFFF0000u;
    memcpy(&x, &bits, sizeof x);
    return x;
}

weft_value weft_lm_embed(weft_lm_builder *b)
{
    weft_graph *g = b->g;
    const weft_lm_config *c = b->c;
    const weft_lm_names *names = c->family->names;
    weft_lm_enter_base(b, -1);
    weft_value x = embedding(b, b->ids, names->embedding, c->vocab);
    if (c->embedding_scale != 1) {
        float scale = (float)c->embedding_scale;
        x = weft_scale(g, x,
                       b->form.round_scale               ? round_bf16(scale)
                       : weft_graph_dtype(g) == WEFT_F64 ? c->embedding_scale
                                                         : (double)scale);
    }
    if (names->position)
        x = weft_add(g, x, embedding(b, b->positions, names->position, c->positions));
    if (names->type && c->types) {
        char text[160];
        snprintf(text, sizeof text, "%s.weight", names->type);
        weft_value table = weft_param(g, text, WEFT_NORMAL(c->init_range), DIMS(c->types, c->width));
        x = weft_add(g, x,
                     b->types.id ? weft_gather(g, table, b->types) : weft_reshape(g, weft_rows(g, table, 0, 1), DIMS(c->width)));
    }
    x = weft_lm_normalize(b, x, names->embedding_norm);
    weft_lm_leave(b);
    return x;
}

weft_value weft_lm_stream(weft_lm_builder *b)
{
    weft_value x = weft_lm_tap(b, weft_lm_embed(b), "hidden.0");
    for (int64_t l = 0; l < b->c->layers; l++) {
        weft_mark(b->g, x, WEFT_BLOCK_BOUNDARY);
        x = weft_lm_tap(b, weft_lm_block(b, l, x), "hidden.%lld", (long long)l + 1);
    }
    return weft_mark(b->g, x, WEFT_BLOCK_BOUNDARY);
}

weft_value weft_lm_hidden(weft_lm_builder *b)
{
    weft_graph *g = b->g;
    int64_t L = b->c->layers;
    weft_dims one = DIMS(1, b->form.batch, b->form.tokens, b->c->width);
    weft_value *parts = calloc((size_t)L + 1, sizeof *parts);
    for (int64_t l = 0; parts && l <= L; l++) {
        char name[WEFT_NAME_BYTES];
        snprintf(name, sizeof name, "%s%shidden.%lld", b->form.scope ? b->form.scope : "", b->form.scope ? "." : "",
                 (long long)l);
        parts[l] = weft_reshape(g, weft_find(g, name), one);
    }
    weft_value all = {0};
    if (parts)
        all = weft_concat(g, 0, parts, (int)L + 1);
    else
        weft_poison(g, "hidden: memory is short");
    free(parts);
    return all;
}
