/* Heads of BERT, RoBERTa and DistilBERT; their blocks are those of decoder.c without a causal mask and with norms behind the
 * sums. */
#include "lm/build.h"

#include <stdio.h>
#include <string.h>

/* Where each family keeps its heads; names stand beside the base model, the pooler inside it. */
typedef struct head_names {
    const char *family;
    const char *mlm_dense, *mlm_norm, *mlm_bias, *nsp;
    const char *classifier_dense; /* NULL: the pooler */
    const char *classifier;
    bool relu; /* behind classifier_dense; else tanh */
} head_names;

static const head_names heads[] = {
    {"bert", "cls.predictions.transform.dense", "cls.predictions.transform.LayerNorm", "cls.predictions.bias",
     "cls.seq_relationship", NULL, "classifier", false},
    {"roberta", "lm_head.dense", "lm_head.layer_norm", "lm_head.bias", NULL, "classifier.dense", "classifier.out_proj", false},
    {"distilbert", "vocab_transform", "vocab_layer_norm", "vocab_projector.bias", NULL, "pre_classifier", "classifier", true},
};

static const head_names *names_of(const weft_lm_config *c)
{
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++)
        if (strcmp(heads[i].family, c->family->model_type) == 0)
            return &heads[i];
    return &heads[0];
}

/* the first token's vector: [batch, width] */
static weft_value first(weft_lm_builder *b, weft_value x)
{
    return weft_reshape(b->g, weft_slice(b->g, x, 1, 0, 1), DIMS(b->form.batch, b->c->width));
}

weft_value weft_lm_pooled(weft_lm_builder *b, weft_value x)
{
    weft_lm_enter_base(b, -1);
    weft_value y = weft_tanh(b->g, weft_lm_linear(b, first(b, x), "pooler.dense", b->c->width, true, b->c->init_range));
    weft_lm_leave(b);
    return y;
}

/* What is multiplied by the table: [batch, tokens, width]. */
static weft_value mlm_rows(weft_lm_builder *b, weft_value x, weft_value *table, weft_value *bias)
{
    weft_graph *g = b->g;
    const weft_lm_config *c = b->c;
    const head_names *n = names_of(c);
    weft_lm_enter_outside(b);
    weft_value h = weft_activate(g, weft_lm_linear(b, x, n->mlm_dense, c->width, true, c->init_range),
                                 strcmp(n->family, "roberta") == 0 ? WEFT_ACT_GELU : c->activation);
    h = weft_lm_normalize(b, h, n->mlm_norm);
    *bias = weft_param(g, c->mlm_bias ? c->mlm_bias : n->mlm_bias, WEFT_ZEROS, DIMS(c->vocab));
    weft_lm_leave(b);
    char name[160];
    if (c->mlm_table)
        weft_lm_enter_outside(b);
    else
        weft_lm_enter_base(b, -1);
    snprintf(name, sizeof name, "%s.weight", c->mlm_table ? c->mlm_table : c->family->names->embedding);
    *table = weft_param(g, name, WEFT_NORMAL(c->init_range), DIMS(c->vocab, c->width));
    weft_lm_leave(b);
    return h;
}

weft_value weft_lm_mlm_logits(weft_lm_builder *b, weft_value x)
{
    weft_value table, bias, h = mlm_rows(b, x, &table, &bias);
    return weft_product(b->g, h, table, bias);
}

weft_value weft_lm_mlm_losses(weft_lm_builder *b, weft_value x, weft_value labels)
{
    weft_value table, bias, h = mlm_rows(b, x, &table, &bias);
    h = weft_reshape(b->g, h, DIMS(b->form.batch * b->form.tokens, b->c->width));
    return weft_row_losses_from(b->g, h, table, bias, labels, 0, 0);
}

weft_value weft_lm_nsp_logits(weft_lm_builder *b, weft_value pooled)
{
    weft_lm_enter_outside(b);
    weft_value y = weft_lm_linear(b, pooled, names_of(b->c)->nsp, 2, true, b->c->init_range);
    weft_lm_leave(b);
    return y;
}

weft_value weft_lm_class_logits(weft_lm_builder *b, weft_value x)
{
    if (!b->c->family->encoder)
        return weft_lm_decoder_class_logits(b, x);
    weft_graph *g = b->g;
    const head_names *n = names_of(b->c);
    weft_value h = n->classifier_dense ? first(b, x) : weft_lm_pooled(b, x);
    weft_lm_enter_outside(b);
    if (n->classifier_dense) {
        h = weft_lm_linear(b, h, n->classifier_dense, b->c->width, true, b->c->init_range);
        h = n->relu ? weft_relu(g, h) : weft_tanh(g, h);
    }
    h = weft_lm_linear(b, h, n->classifier, b->c->classes, true, b->c->init_range);
    weft_lm_leave(b);
    return h;
}
