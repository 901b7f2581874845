/* The graph of a chain: every model's block on the one stream, PTC and FTC as differences of like terms, and their norms.
 *
 * FTC is (A_last − A_base) + (M_last − M_base), so that equal weights give exactly zero; at alpha = 1 the stream is (x + A) + M
 * as the plain block forms it, so that the logits are the tuned model's, bit for bit. */
#include "audit/chain.h"
#include "graph/graph.h"

#include <stdio.h>
#include <stdlib.h>

/* What is under way while a graph is built. */
typedef struct tuco_builder {
    const weft_tuco *t;
    const tuco_form *form;
    weft_graph *g;
    weft_lm_config config[WEFT_TUCO_MODELS]; /* with the vocabulary and positions of the model that embeds */
    weft_lm_builder model[WEFT_TUCO_MODELS];
    weft_value alpha, row;
    weft_value x, ptc_sum, ftc_sum; /* [1, n, width]; {0}: still nothing */
    weft_value step_sum[WEFT_TUCO_MODELS];
} tuco_builder;

/* One layer's components, [1, n, width] each. */
typedef struct components {
    weft_value attn[WEFT_TUCO_MODELS], mlp[WEFT_TUCO_MODELS];
    weft_value ptc, ftc, ftc_attn, ftc_mlp, next;
} components;

static void share_leaves(const weft_tuco *t, weft_graph *g)
{
    for (int64_t i = 0; i < t->alias_count; i++)
        weft_share_leaf(g, t->aliases[i].name, t->aliases[i].same);
}

static void begin(tuco_builder *b, const weft_tuco *t, const tuco_form *form, weft_graph *g)
{
    *b = (tuco_builder){.t = t, .form = form, .g = g};
    share_leaves(t, g);
    for (int k = 0; k < t->models; k++) {
        const tuco_model *m = &t->model[k];
        b->config[k] = m->config;
        b->config[k].vocab = tuco_ends(t)->config.vocab;
        b->config[k].positions = tuco_ends(t)->config.positions;
        weft_lm_begin(&b->model[k], g, &b->config[k],
                      &(weft_lm_form){.batch = 1,
                                      .tokens = form->tokens,
                                      .capacity = form->capacity,
                                      .rope_length = form->length,
                                      .rows = !form->tensors,
                                      .unnamed = true,
                                      .round_scale = t->options.bf16,
                                      .scope = m->scope[0] ? m->scope : NULL,
                                      .adapter = m->adapter});
    }
    if (form->heads)
        b->row = weft_index(g, "rows", DIMS(1), form->tokens);
    if (form->steered)
        b->alpha = weft_input(g, "alpha", WEFT_F32, DIMS(1));
}

static weft_value add(weft_graph *g, weft_value a, weft_value b)
{
    return !a.id ? b : !b.id ? a : weft_add(g, a, b);
}

/* a − b; nothing where they are one value. */
static weft_value difference(weft_graph *g, weft_value a, weft_value b)
{
    return a.id == b.id ? (weft_value){0} : weft_sub(g, a, b);
}

static weft_value or_zeros(const tuco_builder *b, weft_value v)
{
    return v.id ? v : weft_constant(b->g, 0, DIMS(1, b->form->tokens, b->config[0].width));
}

/* ‖v‖₁ of each row, [1, n] */
static weft_value l1(const tuco_builder *b, weft_value v)
{
    return v.id ? weft_sum(b->g, weft_abs(b->g, v), 2, 2) : weft_constant(b->g, 0, DIMS(1, b->form->tokens));
}

static weft_value squares(const tuco_builder *b, weft_value v)
{
    return v.id ? weft_sum(b->g, weft_square(b->g, v), 2, 2) : weft_constant(b->g, 0, DIMS(1, b->form->tokens));
}

static weft_value stack(weft_graph *g, const weft_value *parts, int n)
{
    return n == 1 ? parts[0] : weft_concat(g, 0, parts, n);
}

/* The feed-forward halves of layer l, of inputs in[k] [1, n, width]. Models that share one run through it side by side, so that
 * its weights are read once; no row's bits depend on the rows beside it. */
static void mlps(tuco_builder *b, int64_t l, const weft_value *in, weft_value *out)
{
    weft_graph *g = b->g;
    const int models = b->t->models;
    for (int k = 0; k < models; k++) {
        weft_value rows[WEFT_TUCO_MODELS], y;
        int place[WEFT_TUCO_MODELS], count = 0; /* of each model in rows; −1: its half is another, or done */
        for (int j = 0; j < models; j++) {
            place[j] = -1;
            if (out[j].id || j < k || !(j == k || tuco_same_mlp(b->t, k, j, l)))
                continue;
            for (place[j] = 0; place[j] < count && rows[place[j]].id != in[j].id;)
                place[j]++;
            rows[place[j]] = in[j];
            count += place[j] == count;
        }
        if (count == 0)
            continue;
        y = weft_lm_mlp(&b->model[k], l, stack(g, rows, count));
        for (int j = k; j < models; j++)
            if (place[j] >= 0)
                out[j] = count == 1 ? y : weft_rows(g, y, place[j], place[j] + 1);
    }
}

/* Layer l of every model on b->x. */
static components layer(tuco_builder *b, int64_t l)
{
    weft_graph *g = b->g;
    int last = b->t->models - 1;
    components c = {0};
    weft_value in[WEFT_TUCO_MODELS];
    for (int k = 0; k <= last; k++) {
        c.attn[k] = weft_lm_attention(&b->model[k], l, b->x);
        in[k] = b->config[k].parallel ? b->x : weft_add(g, b->x, c.attn[k]);
    }
    mlps(b, l, in, c.mlp);
    c.ptc = weft_add(g, c.attn[0], c.mlp[0]);
    c.ftc_attn = difference(g, c.attn[last], c.attn[0]);
    c.ftc_mlp = difference(g, c.mlp[last], c.mlp[0]);
    c.ftc = add(g, c.ftc_attn, c.ftc_mlp);
    b->ptc_sum = add(g, b->ptc_sum, c.ptc);
    b->ftc_sum = add(g, b->ftc_sum, c.ftc);
    for (int k = 1; k <= last && last > 1; k++)
        b->step_sum[k] =
            add(g, b->step_sum[k], add(g, difference(g, c.attn[k], c.attn[k - 1]), difference(g, c.mlp[k], c.mlp[k - 1])));
    if (!b->form->steered)
        c.next = weft_add(g, weft_add(g, b->x, c.attn[last]), c.mlp[last]);
    else if (c.ftc.id)
        c.next = weft_add(g, weft_add(g, b->x, c.ptc), weft_mul(g, c.ftc, b->alpha));
    else
        c.next = weft_add(g, b->x, c.ptc);
    return c;
}

/* ---- the attention's FTC by heads ---- */

/* [heads + 1, heads · head_dim]: row h keeps head h's columns, the last row none. */
static weft_value head_mask(weft_graph *g, int64_t heads, int64_t head_dim)
{
    weft_dims square = DIMS(heads + 1, heads);
    weft_value row = weft_broadcast(g, weft_reshape(g, weft_iota(g, heads + 1), DIMS(heads + 1, 1)), square);
    weft_value column = weft_broadcast(g, weft_reshape(g, weft_iota(g, heads), DIMS(1, heads)), square);
    weft_value mask = weft_reshape(g, weft_equal(g, row, column), DIMS(heads + 1, heads, 1));
    return weft_reshape(g, weft_broadcast(g, mask, DIMS(heads + 1, heads, head_dim)), DIMS(heads + 1, heads * head_dim));
}

/* What each head of model k's layer l adds at the row that is read, [heads, width]: the output projection of its columns alone,
 * through the norm behind it (where there is one) with the whole output's scale. */
static weft_value head_parts(tuco_builder *b, int k, int64_t l, weft_value merged)
{
    weft_graph *g = b->g;
    weft_lm_builder *m = &b->model[k];
    const weft_lm_config *c = &b->config[k];
    int64_t all = c->heads * c->head_dim;
    weft_value row = weft_gather(g, weft_reshape(g, merged, DIMS(b->form->tokens, all)), b->row); /* [1, all] */
    weft_value parts = weft_mul(g, head_mask(g, c->heads, c->head_dim), row);
    weft_lm_enter_base(m, l);
    weft_value y = weft_lm_linear(m, parts, c->family->names->o, c->width, c->o_bias, 0);
    y = weft_sub(g, weft_rows(g, y, 0, c->heads), weft_rows(g, y, c->heads, c->heads + 1)); /* without the bias */
    const char *norm = c->family->names->after_attention_norm;
    if (norm) {
        weft_value whole = weft_lm_linear(m, row, c->family->names->o, c->width, c->o_bias, 0);
        weft_value scale = weft_rsqrt(g, weft_shift(g, weft_mean(g, weft_square(g, whole), 1, 1), c->eps)); /* [1] */
        char name[160];
        snprintf(name, sizeof name, "%s.weight", norm);
        weft_value weight = weft_shift(g, weft_param(g, name, WEFT_ZEROS, DIMS(c->width)), 1);
        y = weft_mul(g, weft_mul(g, y, weft_reshape(g, scale, DIMS(1, 1))), weight);
    }
    weft_lm_leave(m);
    return y;
}

/* ‖FTC of each head‖₁, [1, heads] */
static weft_value heads_l1(tuco_builder *b, int64_t l)
{
    weft_graph *g = b->g;
    int last = b->t->models - 1;
    weft_value first = b->model[0].heads, tuned = b->model[last].heads;
    weft_value d = difference(g, head_parts(b, last, l, tuned), head_parts(b, 0, l, first));
    int64_t heads = b->config[0].heads;
    return d.id ? weft_reshape(g, weft_sum(g, weft_abs(g, d), 1, 1), DIMS(1, heads)) : weft_constant(g, 0, DIMS(1, heads));
}

/* ---- whole graphs ---- */

/* Values kept of every layer, to be stacked at the end. */
enum { KEPT_L1 = 4, KEPT_HALVES = 4, KEPT_TENSORS = 7 };
static const char *const tensor_names[KEPT_TENSORS] = {"ptc", "ftc", "ptc_attn", "ptc_mlp", "ftc_attn", "ftc_mlp", "x"};

typedef struct kept {
    weft_value *l1[KEPT_L1], *halves[KEPT_HALVES], *tensors[KEPT_TENSORS], *heads;
    weft_value *memory;
} kept;

static bool kept_new(kept *k, int64_t layers)
{
    size_t each = (size_t)layers + 1;
    enum { COLUMNS = KEPT_L1 + KEPT_HALVES + KEPT_TENSORS + 1 };
    if (!(k->memory = calloc(each * COLUMNS, sizeof *k->memory)))
        return false;
    weft_value *at = k->memory;
    for (int i = 0; i < KEPT_L1; i++, at += each)
        k->l1[i] = at;
    for (int i = 0; i < KEPT_HALVES; i++, at += each)
        k->halves[i] = at;
    for (int i = 0; i < KEPT_TENSORS; i++, at += each)
        k->tensors[i] = at;
    k->heads = at;
    return true;
}

static void keep_norms(tuco_builder *b, kept *k, int64_t l, const components *c)
{
    weft_value l1s[KEPT_L1] = {c->ptc, c->ftc, b->ptc_sum, b->ftc_sum};
    weft_value halves[KEPT_HALVES] = {c->attn[0], c->mlp[0], c->ftc_attn, c->ftc_mlp};
    for (int i = 0; i < KEPT_L1; i++)
        k->l1[i][l] = l1(b, l1s[i]);
    for (int i = 0; i < KEPT_HALVES; i++)
        k->halves[i][l] = l1(b, halves[i]);
}

/* [count, L, n] named NAME of count lists of L values [1, n] */
static void name_norms(tuco_builder *b, weft_value *const *lists, int count, int64_t layers, const char *name)
{
    weft_value parts[KEPT_L1 + KEPT_HALVES];
    for (int i = 0; i < count; i++)
        parts[i] = weft_reshape(b->g, stack(b->g, lists[i], (int)layers), DIMS(1, layers, b->form->tokens));
    weft_name(b->g, weft_concat(b->g, 0, parts, count), "%s", name);
}

static void name_sums(tuco_builder *b)
{
    weft_graph *g = b->g;
    int64_t n = b->form->tokens;
    weft_name(g, stack(g, (weft_value[]){squares(b, b->ptc_sum), squares(b, b->ftc_sum)}, 2), "l2");
    weft_value steps[WEFT_TUCO_MODELS];
    int count = b->t->models - 1;
    for (int k = 1; k <= count; k++)
        steps[k - 1] = l1(b, count > 1 ? b->step_sum[k] : b->ftc_sum);
    weft_name(g, stack(g, steps, count), "steps");
    weft_name(g, weft_reshape(g, b->x, DIMS(n, b->config[0].width)), "stream");
}

static weft_value embedded(tuco_builder *b)
{
    return weft_lm_embed(&b->model[b->t->options.base_ends ? 0 : b->t->models - 1]);
}

static void name_logits(tuco_builder *b)
{
    weft_value y = weft_lm_logits(&b->model[b->t->options.base_ends ? 0 : b->t->models - 1], b->x);
    int64_t rows = b->form->tensors ? b->form->tokens : 1;
    weft_name(b->g, weft_reshape(b->g, y, DIMS(rows, tuco_ends(b->t)->config.vocab)), "logits");
}

/* The base by itself; `config` is its own where it embeds. */
static void begin_own(weft_lm_builder *b, const weft_tuco *t, const weft_lm_config *config, const tuco_form *form, weft_graph *g)
{
    weft_lm_begin(b, g, config,
                  &(weft_lm_form){.batch = 1,
                                  .tokens = form->tokens,
                                  .rope_length = form->length,
                                  .round_scale = t->options.bf16,
                                  .scope = t->model[0].scope});
}

void tuco_build(const weft_tuco *t, const tuco_form *form, weft_graph *g)
{
    tuco_builder b;
    if (form->own_base) {
        share_leaves(t, g);
        begin_own(&b.model[0], t, &t->model[0].config, form, g);
        weft_value x = weft_lm_stream(&b.model[0]);
        weft_name(g, weft_reshape(g, x, DIMS(form->tokens, t->model[0].config.width)), "stream");
        return;
    }
    kept k = {0};
    int64_t layers = weft_tuco_layers(t);
    begin(&b, t, form, g);
    if (!kept_new(&k, layers)) {
        weft_poison(g, "tuco: memory is short");
        return;
    }
    weft_value *x = k.tensors[KEPT_TENSORS - 1];
    b.x = x[0] = embedded(&b);
    for (int64_t l = 0; l < layers && weft_graph_status(g) == WEFT_OK; l++) {
        components c = layer(&b, l);
        keep_norms(&b, &k, l, &c);
        if (form->tensors) {
            const weft_value parts[KEPT_TENSORS - 1] = {c.ptc,    or_zeros(&b, c.ftc),      c.attn[0],
                                                        c.mlp[0], or_zeros(&b, c.ftc_attn), or_zeros(&b, c.ftc_mlp)};
            for (int i = 0; i < KEPT_TENSORS - 1; i++)
                k.tensors[i][l] = parts[i];
        }
        if (form->heads)
            k.heads[l] = heads_l1(&b, l);
        b.x = x[l + 1] = c.next;
    }
    name_norms(&b, k.l1, KEPT_L1, layers, "l1");
    name_norms(&b, k.halves, KEPT_HALVES, layers, "halves");
    name_sums(&b);
    name_logits(&b);
    for (int i = 0; form->tensors && i < KEPT_TENSORS; i++)
        weft_name(g, stack(g, k.tensors[i], (int)(i + 1 < KEPT_TENSORS ? layers : layers + 1)), "%s", tensor_names[i]);
    if (form->heads)
        weft_name(g, stack(g, k.heads, (int)layers), "heads");
    free(k.memory);
}

/* ---- one layer at a time ---- */

void tuco_build_ends(const weft_tuco *t, const tuco_form *form, bool own, weft_graph *g)
{
    tuco_builder b;
    if (own) {
        share_leaves(t, g);
        begin_own(&b.model[0], t, &t->model[0].config, form, g);
        weft_name(g, weft_lm_embed(&b.model[0]), "x");
        return;
    }
    begin(&b, t, form, g);
    weft_name(g, embedded(&b), "x");
    b.x = weft_input(g, "last", WEFT_F32, DIMS(1, form->tokens, b.config[0].width));
    name_logits(&b);
}

void tuco_build_layer(const weft_tuco *t, const tuco_form *form, int64_t l, bool own, weft_graph *g)
{
    tuco_builder b;
    kept k = {0};
    begin(&b, t, form, g);
    if (!kept_new(&k, 1)) {
        weft_poison(g, "tuco: memory is short");
        return;
    }
    weft_dims dims = DIMS(1, form->tokens, b.config[0].width);
    int last = t->models - 1;
    b.x = weft_input(g, "x", WEFT_F32, dims);
    b.ptc_sum = weft_input(g, "ptc_sum", WEFT_F32, dims);
    b.ftc_sum = weft_input(g, "ftc_sum", WEFT_F32, dims);
    for (int i = 1; i <= last && last > 1; i++) {
        char name[32];
        snprintf(name, sizeof name, "step_sum.%d", i);
        b.step_sum[i] = weft_input(g, name, WEFT_F32, dims);
    }
    components c = layer(&b, l);
    keep_norms(&b, &k, 0, &c);
    if (form->heads)
        weft_name(g, heads_l1(&b, l), "heads");
    b.x = c.next;
    name_norms(&b, k.l1, KEPT_L1, 1, "l1");
    name_norms(&b, k.halves, KEPT_HALVES, 1, "halves");
    name_sums(&b);
    weft_name(g, c.next, "x.next");
    weft_name(g, b.ptc_sum, "ptc_sum.next");
    weft_name(g, b.ftc_sum, "ftc_sum.next");
    for (int i = 1; i <= last && last > 1; i++)
        weft_name(g, b.step_sum[i], "step_sum.%d.next", i);
    free(k.memory);
    if (own) {
        weft_lm_builder base;
        begin_own(&base, t, &b.config[0], form, g);
        weft_name(g, weft_lm_block(&base, l, weft_input(g, "own", WEFT_F32, dims)), "own.next");
    }
}
