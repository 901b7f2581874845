/* Decoders: GPT-2, GPT-NeoX, Llama, Mistral, Qwen 2 and 3, Gemma 1, 2 and 3. A block is attention and a feed-forward half, each a
 * function of the stream; norms, gates, biases and ropes are the configuration's. */
#include "lm/build.h"

#include <math.h>
#include <stdio.h>

enum { MOST_FREQUENCIES = 1024 };

/* x [batch, tokens, heads, head_dim] turned by its positions */
static weft_value rotate(weft_lm_builder *b, int64_t l, weft_value x)
{
    const weft_lm_config *c = b->c;
    if (c->rotary == 0)
        return x;
    double inv[MOST_FREQUENCIES], factor;
    int64_t length = b->form.rope_length ? b->form.rope_length : b->form.capacity ? b->form.capacity : b->form.tokens;
    if (c->rotary > 2 * MOST_FREQUENCIES) {
        weft_poison(b->g, "rope: %lld rotated dimensions, at most %d", (long long)c->rotary, 2 * MOST_FREQUENCIES);
        return x;
    }
    weft_lm_rope_frequencies(&c->rope[c->ropes[l]], c->rotary, length, inv, &factor);
    weft_rope_options options = {.dims = c->rotary, .frequencies = inv, .factor = factor};
    return weft_rope(b->g, x, b->positions.id ? b->positions : b->start, &options);
}

/* keys or values of earlier calls before those of this one: [batch, capacity, kv_heads, head_dim] */
static weft_value cached(weft_lm_builder *b, weft_value rows, const char *name)
{
    if (!b->form.capacity)
        return rows;
    const weft_lm_config *c = b->c;
    weft_value state = weft_state(b->g, name, WEFT_F32, DIMS(b->form.batch, b->form.capacity, c->kv_heads, c->head_dim));
    return weft_store(b->g, state, b->start, rows);
}

weft_value weft_lm_attention(weft_lm_builder *b, int64_t l, weft_value x)
{
    weft_graph *g = b->g;
    const weft_lm_config *c = b->c;
    const weft_lm_names *names = c->family->names;
    weft_value q, k, v;
    weft_lm_enter_base(b, l);
    weft_lm_project(b, weft_lm_normalize(b, x, names->attention_norm), &q, &k, &v);
    q = weft_lm_tap(b, rotate(b, l, q), "query.%lld", (long long)l);
    k = weft_lm_tap(b, rotate(b, l, k), "key.%lld", (long long)l);
    v = weft_lm_tap(b, v, "value.%lld", (long long)l);
    k = cached(b, k, "key");
    v = cached(b, v, "value");
    char map[64];
    snprintf(map, sizeof map, "%s%sattention.%lld", b->form.scope ? b->form.scope : "", b->form.scope ? "." : "", (long long)l);
    weft_attention_options options = {.scale = c->scale_by_layer ? c->query_scale / (double)(l + 1) : c->query_scale,
                                      .cap = c->attention_cap,
                                      .causal = !c->family->encoder,
                                      .window = c->window[l],
                                      .start = b->start,
                                      .key_mask = b->mask,
                                      .segments = b->segments,
                                      .name = b->form.maps ? map : NULL};
    weft_value o = weft_attention(g, q, k, v, options);
    o = weft_reshape(g, o, DIMS(b->form.batch, b->form.tokens, c->heads * c->head_dim));
    o = weft_lm_linear(b, o, names->o, c->width, c->o_bias, c->init_range / sqrt(2 * (double)c->layers));
    if (!c->family->encoder)
        o = weft_lm_normalize(b, o, names->after_attention_norm);
    weft_lm_leave(b);
    return o;
}

weft_value weft_lm_mlp(weft_lm_builder *b, int64_t l, weft_value x)
{
    weft_graph *g = b->g;
    const weft_lm_config *c = b->c;
    const weft_lm_names *names = c->family->names;
    weft_lm_enter_base(b, l);
    weft_value h = weft_lm_normalize(b, x, names->mlp_norm);
    weft_value up = weft_lm_linear(b, h, names->up, c->ffn, c->mlp_bias, c->init_range);
    if (names->gate)
        h = weft_gated(g, weft_lm_linear(b, h, names->gate, c->ffn, c->mlp_bias, c->init_range), up, c->activation);
    else
        h = weft_activate(g, up, c->activation);
    h = weft_lm_linear(b, h, names->down, c->width, c->mlp_bias, c->init_range / sqrt(2 * (double)c->layers));
    if (!c->family->encoder)
        h = weft_lm_normalize(b, h, names->after_mlp_norm);
    weft_lm_leave(b);
    return h;
}

/* the norm behind an encoder's sum */
static weft_value behind(weft_lm_builder *b, int64_t l, weft_value x, const char *name)
{
    if (!b->c->family->encoder)
        return x;
    weft_lm_enter_base(b, l);
    x = weft_lm_normalize(b, x, name);
    weft_lm_leave(b);
    return x;
}

weft_value weft_lm_block(weft_lm_builder *b, int64_t l, weft_value x)
{
    weft_graph *g = b->g;
    const weft_lm_names *names = b->c->family->names;
    weft_value a = weft_lm_tap(b, weft_lm_attention(b, l, x), "attention.%lld", (long long)l);
    weft_value between = behind(b, l, weft_add(g, x, a), names->after_attention_norm);
    if (!b->c->mlp)
        return between;
    weft_value m = weft_lm_tap(b, weft_lm_mlp(b, l, b->c->parallel ? x : between), "mlp.%lld", (long long)l);
    return behind(b, l, weft_add(g, between, m), names->after_mlp_norm);
}

weft_value weft_lm_final(weft_lm_builder *b, weft_value x)
{
    weft_lm_enter_base(b, -1);
    x = weft_lm_normalize(b, x, b->c->family->names->final_norm);
    weft_lm_leave(b);
    return x;
}

weft_value weft_lm_logits(weft_lm_builder *b, weft_value x)
{
    weft_graph *g = b->g;
    const weft_lm_config *c = b->c;
    if (b->rows.id)
        x = weft_gather(g, weft_reshape(g, x, DIMS(b->form.batch * b->form.tokens, c->width)), b->rows);
    x = weft_lm_final(b, x);
    weft_value y;
    if (c->tied) {
        char name[160];
        weft_lm_enter_base(b, -1);
        snprintf(name, sizeof name, "%s.weight", c->family->names->embedding);
        y = weft_product(g, x, weft_param(g, name, WEFT_NORMAL(c->init_range), DIMS(c->vocab, c->width)), (weft_value){0});
    } else {
        weft_lm_enter_outside(b);
        y = weft_lm_linear(b, x, c->family->names->head, c->vocab, false, c->init_range);
    }
    weft_lm_leave(b);
    return c->logit_cap ? weft_softcap(g, y, c->logit_cap) : y;
}
