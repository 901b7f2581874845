/* How a weights file spells names: with or without the base prefix, under a multimodal model's, with BERT's first norm names;
 * and what it shows of sizes, ties and heads that config.json leaves open. */
#include "lm/config_family.h"

#include <stdio.h>
#include <stddef.h>
#include <string.h>

static bool find(const weft_params *p, const char *prefix, const char *module, const char *what, weft_tensor *t)
{
    char name[256];
    snprintf(name, sizeof name, "%s%s%s%s%s", prefix, prefix[0] ? "." : "", module, what[0] ? "." : "", what);
    return weft_params_get(p, name, t);
}

/* prefixes of the base model, and of the head beside it */
static void match_prefix(weft_lm_config *c, const weft_params *p)
{
    const struct {
        const char *base, *outside;
    } known[] = {{c->family->base, ""},
                 {"language_model.model", "language_model"},
                 {"model.language_model", ""},
                 {"language_model", ""},
                 {"", ""}};
    weft_tensor t;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (find(p, known[i].base, c->family->names->embedding, "weight", &t)) {
            snprintf(c->base, sizeof c->base, "%s", known[i].base);
            snprintf(c->outside, sizeof c->outside, "%s", known[i].outside);
            return;
        }
}

/* Sizes that a tensor shows need no key. */
static void match_sizes(weft_lm_config *c, const weft_params *p)
{
    const weft_lm_names *n = c->family->names;
    char up[128];
    snprintf(up, sizeof up, "%s.0.%s", n->layer, n->up);
    const struct {
        unsigned missing;
        const char *module;
        int axis;
        int64_t *size;
    } rows[] = {
        {WEFT_LM_NO_VOCAB, n->embedding, 0, &c->vocab},
        {WEFT_LM_NO_POSITIONS, n->position, 0, &c->positions},
        {WEFT_LM_NO_TYPES, n->type, 0, &c->types},
        {WEFT_LM_NO_FFN, up, c->family->conv1d ? 1 : 0, &c->ffn},
    };
    weft_tensor t;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if ((c->missing & rows[i].missing) && rows[i].module && find(p, c->base, rows[i].module, "weight", &t) &&
            t.dims.rank == 2 && t.dims.size[rows[i].axis] > 0)
            *rows[i].size = t.dims.size[rows[i].axis];
}

static void match_heads(weft_lm_config *c, const weft_params *p)
{
    static const struct {
        unsigned head;
        const char *bert, *roberta, *distilbert; /* the module that shows it */
    } rows[] = {
        {WEFT_LM_MLM, "cls.predictions.transform.dense", "lm_head.dense", "vocab_transform"},
        {WEFT_LM_NSP, "cls.seq_relationship", NULL, NULL},
    };
    weft_tensor t;
    c->head_kinds = find(p, c->base, "pooler.dense", "weight", &t) ? WEFT_LM_POOLER : 0;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *module = strcmp(c->family->model_type, "bert") == 0      ? rows[i].bert
                             : strcmp(c->family->model_type, "roberta") == 0 ? rows[i].roberta
                                                                             : rows[i].distilbert;
        if (module && find(p, c->outside, module, "weight", &t))
            c->head_kinds |= rows[i].head;
    }
}

bool weft_lm_stands_outside(const weft_lm_config *c, const char *name)
{
    static const char *const heads[] = {"score.", "classifier.", "pre_classifier.", "cls.", "vocab_", "lm_head."};
    const char *own = c->family->names->head;
    bool outside = own && strncmp(name, own, strlen(own)) == 0 && name[strlen(own)] == '.';
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++)
        outside |= strncmp(name, heads[i], strlen(heads[i])) == 0;
    return outside;
}

bool weft_lm_config_match_classifier(weft_lm_config *c, const weft_params *p)
{
    const char *module = !c->family->encoder                             ? "score"
                         : strcmp(c->family->model_type, "roberta") == 0 ? "classifier.out_proj"
                                                                         : "classifier";
    weft_tensor t;
    if (!find(p, c->outside, module, "weight", &t) || t.dims.rank != 2 || t.dims.size[0] < 1)
        return false;
    c->head_kinds = (c->head_kinds & WEFT_LM_POOLER) | WEFT_LM_CLASSIFIER;
    c->classes = t.dims.size[0];
    return true;
}

/* Where each encoder's masked-word head keeps a decoder of its own. */
static const struct {
    const char *family, *decoder, *decoder_bias, *bias;
} decoders[] = {
    {"bert", "cls.predictions.decoder", "cls.predictions.decoder.bias", "cls.predictions.bias"},
    {"roberta", "lm_head.decoder", "lm_head.decoder.bias", "lm_head.bias"},
    {"distilbert", "vocab_projector", NULL, "vocab_projector.bias"},
};

enum { DECODERS = sizeof decoders / sizeof decoders[0] };

/* The masked-word head's table and bias are those of its decoder where the configuration unties it from the embeddings; some old
 * files have the bias there alone. */
static void match_decoder(weft_lm_config *c, const weft_params *p)
{
    weft_tensor t;
    for (int i = 0; i < DECODERS; i++) {
        if (strcmp(decoders[i].family, c->family->model_type) != 0)
            continue;
        c->mlm_table = !c->tied && find(p, c->outside, decoders[i].decoder, "weight", &t) ? decoders[i].decoder : NULL;
        const bool own = c->mlm_table || !find(p, c->outside, decoders[i].bias, "", &t);
        c->mlm_bias = own && decoders[i].decoder_bias && find(p, c->outside, decoders[i].decoder_bias, "", &t)
                          ? decoders[i].decoder_bias
                          : NULL;
    }
}

/* Is `name` PREFIX.MODULE.weight? */
static bool is_weight_of(const char *name, const char *prefix, const char *module)
{
    char full[256];
    snprintf(full, sizeof full, "%s%s%s.weight", prefix, prefix[0] ? "." : "", module);
    return strcmp(name, full) == 0;
}

bool weft_lm_is_second_copy(const weft_lm_config *c, const char *name)
{
    if (!c->family->encoder)
        return c->tied && is_weight_of(name, c->outside, c->head);
    for (int i = 0; i < DECODERS; i++) {
        char bias[256];
        if (strcmp(decoders[i].family, c->family->model_type) != 0)
            continue;
        snprintf(bias, sizeof bias, "%s%s%s", c->outside, c->outside[0] ? "." : "",
                 decoders[i].decoder_bias ? decoders[i].decoder_bias : "");
        return (!c->mlm_table && is_weight_of(name, c->outside, decoders[i].decoder)) ||
               (!c->mlm_bias && decoders[i].decoder_bias && strcmp(name, bias) == 0);
    }
    return false;
}

void weft_lm_config_match(weft_lm_config *c, const weft_params *p)
{
    const weft_lm_names *n = c->family->names;
    weft_tensor t;
    match_prefix(c, p);
    match_sizes(c, p);
    c->old_norms = n->embedding_norm && find(p, c->base, n->embedding_norm, "gamma", &t);
    if (c->family->encoder) {
        match_heads(c, p);
        match_decoder(c, p);
        weft_lm_config_match_classifier(c, p);
        return;
    }
    weft_lm_config_match_classifier(c, p);
    bool head = find(p, c->outside, n->head, "weight", &t);
    if (!head && (head = find(p, c->outside, "lm_head", "weight", &t))) /* so transformers 5 calls GPT-NeoX's embed_out */
        c->head = "lm_head";
    if (!head)
        c->tied = true;
    else if (c->family->conv1d && !c->tied_given) /* a GPT-2 with a head of its own says so by having it */
        c->tied = false;
}
