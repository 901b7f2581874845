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
    } known[] = {{c->family->base, ""}, {"language_model.model", "language_model"}, {"model.language_model", ""}, {"", ""}};
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
        const char *bert, *roberta, *distilbert; /* the tensor that shows it */
    } rows[] = {
        {WEFT_LM_MLM, "cls.predictions.transform.dense", "lm_head.dense", "vocab_transform"},
        {WEFT_LM_NSP, "cls.seq_relationship", NULL, NULL},
        {WEFT_LM_CLASSIFIER, "classifier", "classifier.out_proj", "classifier"},
    };
    weft_tensor t;
    c->head_kinds = find(p, c->base, "pooler.dense", "weight", &t) ? WEFT_LM_POOLER : 0;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *module = strcmp(c->family->model_type, "bert") == 0      ? rows[i].bert
                             : strcmp(c->family->model_type, "roberta") == 0 ? rows[i].roberta
                                                                             : rows[i].distilbert;
        if (!module || !find(p, c->outside, module, "weight", &t))
            continue;
        c->head_kinds |= rows[i].head;
        if (rows[i].head == WEFT_LM_CLASSIFIER && t.dims.rank == 2)
            c->classes = t.dims.size[0];
    }
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
        return;
    }
    if (find(p, c->outside, "score", "weight", &t) && t.dims.rank == 2 && t.dims.size[0] > 0) {
        c->head_kinds = WEFT_LM_CLASSIFIER;
        c->classes = t.dims.size[0];
    }
    bool head = find(p, c->outside, n->head, "weight", &t);
    if (!head)
        c->tied = true;
    else if (c->family->conv1d && !c->tied_given) /* a GPT-2 with a head of its own says so by having it */
        c->tied = false;
}
