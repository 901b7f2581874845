/* Decoders: GPT-2, GPT-NeoX, Llama, Mistral, Qwen 2 and 3, Gemma 1, 2 and 3. A block is attention and a feed-forward half, each a
 * function of the stream; norms, gates, biases and ropes are the configuration's. */
#include "graph/graph.h"
#include "lm/adapter.h"

#include <math.h>
#include <stdio.h>

enum { MOST_FREQUENCIES = 1024 };

/* x [batch, tokens, heads, head_dim] turned by its positions: numbers of tokens, or where each stream begins */
static weft_value rotate(weft_lm_builder *b, int64_t l, weft_value x, weft_value positions)
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
    return weft_rope(b->g, x, positions, &options);
}

/* keys or values of earlier calls before those of this one: [batch, capacity, kv_heads, head_dim] */
static weft_value cached(weft_lm_builder *b, weft_value rows, const char *name)
{
    if (!b->form.capacity)
        return rows;
    const weft_lm_config *c = b->c;
    /* bf16 products read them rounded: kept so, they are half as large and no bit is another */
    const weft_dtype dtype = b->g->bf16_products ? WEFT_BF16 : WEFT_F32;
    weft_value state = weft_state(b->g, name, dtype, DIMS(b->form.batch, b->form.capacity, c->kv_heads, c->head_dim));
    return weft_store(b->g, state, b->start, rows);
}

weft_value weft_lm_attention(weft_lm_builder *b, int64_t l, weft_value x)
{
    weft_graph *g = b->g;
    const weft_lm_config *c = b->c;
    const weft_lm_names *names = c->family->names;
    const weft_value positions = b->positions.id ? b->positions : b->start, start = b->picking ? b->places : b->start;
    weft_value q, k, v;
    weft_lm_enter_base(b, l);
    weft_lm_project(b, weft_lm_normalize(b, x, names->attention_norm), &q, &k, &v);
    q = weft_lm_tap(b, rotate(b, l, q, b->picking ? b->places : positions), "query.%lld", (long long)l);
    k = weft_lm_tap(b, rotate(b, l, k, positions), "key.%lld", (long long)l);
    v = weft_lm_tap(b, v, "value.%lld", (long long)l);
    k = cached(b, k, "key");
    v = cached(b, v, "value");
    char map[64];
    snprintf(map, sizeof map, "%s%sattention.%lld", b->form.scope ? b->form.scope : "", b->form.scope ? "." : "", (long long)l);
    weft_attention_options options = {.scale = c->scale_by_layer ? c->query_scale / (double)(l + 1) : c->query_scale,
                                      .cap = c->attention_cap,
                                      .causal = !c->family->encoder,
                                      .window = c->window[l],
                                      .start = start,
                                      .key_mask = b->mask,
                                      .segments = b->segments,
                                      .name = b->form.maps ? map : NULL};
    weft_value o = weft_attention(g, q, k, v, options);
    b->heads = o = weft_reshape(g, o, DIMS(b->form.batch, b->picking ? 1 : b->form.tokens, c->heads * c->head_dim));
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

/* Behind the last attention every row goes its own way, so those that nobody asked for end there. */
static bool picks(const weft_lm_builder *b, int64_t l)
{
    const bool simple = !b->c->family->encoder && !b->form.streams && !b->form.maps && !b->form.segments && !b->form.positions;
    return b->rows.id && b->form.tokens > 1 && l == b->c->layers - 1 && simple;
}

weft_value weft_lm_block(weft_lm_builder *b, int64_t l, weft_value x)
{
    weft_graph *g = b->g;
    const weft_lm_names *names = b->c->family->names;
    b->picking = picks(b, l);
    weft_value a = weft_lm_tap(b, weft_lm_attention(b, l, x), "attention.%lld", (long long)l);
    if (b->picking)
        x = weft_lm_pick(b, x);
    b->picking = false;
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

weft_value weft_lm_head_table(weft_lm_builder *b)
{
    const weft_lm_config *c = b->c;
    char name[160];
    if (c->tied)
        weft_lm_enter_base(b, -1);
    else
        weft_lm_enter_outside(b);
    snprintf(name, sizeof name, "%s.weight", c->tied ? c->family->names->embedding : c->head);
    weft_value table = weft_param(b->g, name, WEFT_NORMAL(c->init_range), DIMS(c->vocab, c->width));
    weft_lm_leave(b);
    return table;
}

/* Then the head is a linear layer like the others. */
bool weft_lm_head_is_adapted(weft_lm_builder *b)
{
    weft_lm_enter_outside(b);
    bool covered = !b->c->tied && b->form.adapter && weft_lm_adapter_covers(b->form.adapter, b, b->c->head);
    weft_lm_leave(b);
    return covered;
}

weft_value weft_lm_head(weft_lm_builder *b, weft_value h)
{
    const weft_lm_config *c = b->c;
    weft_value y;
    if (weft_lm_head_is_adapted(b)) {
        weft_lm_enter_outside(b);
        y = weft_lm_linear(b, h, c->head, c->vocab, false, c->init_range);
        weft_lm_leave(b);
    } else {
        y = weft_product(b->g, h, weft_lm_head_table(b), (weft_value){0});
    }
    return c->logit_cap ? weft_softcap(b->g, y, c->logit_cap) : y;
}

/* the rows asked for of x [batch, tokens, width], or [batch, 1, width] where the last block has left the others out */
static weft_value asked(weft_lm_builder *b, weft_value x)
{
    return weft_reshape(b->g, weft_shape(b->g, x).size[1] == 1 ? x : weft_lm_pick(b, x), DIMS(b->form.batch, b->c->width));
}

weft_value weft_lm_logits(weft_lm_builder *b, weft_value x)
{
    return weft_lm_head(b, weft_lm_final(b, b->rows.id ? asked(b, x) : x));
}

weft_value weft_lm_decoder_class_logits(weft_lm_builder *b, weft_value x)
{
    x = weft_lm_final(b, asked(b, x));
    weft_lm_enter_outside(b);
    weft_value score = weft_param(b->g, "score.weight", WEFT_NORMAL(b->c->init_range), DIMS(b->c->classes, b->c->width));
    weft_lm_leave(b);
    return weft_product(b->g, x, score, (weft_value){0});
}

weft_value weft_lm_row_losses(weft_lm_builder *b, weft_value h, weft_value labels)
{
    if (weft_lm_head_is_adapted(b))
        return weft_row_losses(b->g, weft_lm_head(b, h), labels, 0);
    return weft_row_losses_from(b->g, h, weft_lm_head_table(b), (weft_value){0}, labels, 0, b->c->logit_cap);
}
