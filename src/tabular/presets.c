/* Presets. TabR-S as published; the two that embed numbers with settings of their own, chosen by validation scores
 * (docs/tabular.md). */
#include "tabular/presets.h"

#include <string.h>

/* Sizes that the architecture does not have are 0. */
static const struct {
    const char *name;
    weft_tabular_arch arch;
    weft_numeric_embedding embedding;
    int64_t d_main;                   /* TabR */
    double context_dropout, dropout0; /* TabR */
    int64_t n_blocks, d_layer;        /* MLP */
    double dropout;                   /* MLP */
    double lr, weight_decay;
    bool leaves_scale; /* where it is not chosen by training, it is what stands in `embedding` */
} presets[] = {
    {"tabr-s",
     WEFT_TABULAR_TABR,
     {0},
     265,
     0.38920071545944357,
     0.38852797479169876,
     0,
     0,
     0,
     3.121273641315169e-4,
     1.2260352006404615e-6,
     false},
    {"tabr", WEFT_TABULAR_TABR, {WEFT_NUMERIC_PLR_LITE, 24, 48, 0.24}, 128, 0.32, 0.3, 0, 0, 0, 7e-4, 0, true},
    {"mlp-plr", WEFT_TABULAR_MLP, {WEFT_NUMERIC_PLR_LITE, 24, 48, 0.05}, 0, 0, 0, 3, 384, 0.25, 5e-4, 1e-5, false},
    {"mlp", WEFT_TABULAR_MLP, {0}, 0, 0, 0, 4, 512, 0.1, 3.121273641315169e-4, 1.2260352006404615e-6, false},
};

bool weft_tabular_preset(const char *name, bool numbers, weft_tabular_config *c, weft_fit_options *fit)
{
    for (size_t i = 0; i < sizeof presets / sizeof presets[0]; i++) {
        if (strcmp(name, presets[i].name) != 0)
            continue;
        c->arch = presets[i].arch;
        if (numbers) /* nothing to embed without them */
            c->num_embeddings = presets[i].embedding;
        if (c->arch == WEFT_TABULAR_TABR) {
            c->d_main = presets[i].d_main;
            c->context_dropout = presets[i].context_dropout;
            c->dropout0 = presets[i].dropout0;
        } else {
            c->n_blocks = presets[i].n_blocks;
            c->d_layer = presets[i].d_layer;
            c->dropout = presets[i].dropout;
        }
        fit->lr = presets[i].lr;
        fit->weight_decay = presets[i].weight_decay;
        return true;
    }
    return false;
}

bool weft_tabular_preset_leaves_scale(const char *name)
{
    for (size_t i = 0; i < sizeof presets / sizeof presets[0]; i++)
        if (strcmp(name, presets[i].name) == 0)
            return presets[i].leaves_scale;
    return false;
}
