/* Presets: TabR-S and the MLP as published; the two that embed numbers with settings chosen on validation parts
 * (docs/tabular.md). */
#include "tabular/presets.h"

#include <string.h>

static const struct {
    const char *name;
    weft_tabular_arch arch;
    weft_numeric_embedding embedding;
} presets[] = {
    {"tabr-s", WEFT_TABULAR_TABR, {0}},
    {"tabr", WEFT_TABULAR_TABR, {WEFT_NUMERIC_PLR_LITE, 24, 48, 0.05}},
    {"mlp-plr", WEFT_TABULAR_MLP, {WEFT_NUMERIC_PLR_LITE, 24, 48, 0.05}},
    {"mlp", WEFT_TABULAR_MLP, {0}},
};

bool weft_tabular_preset(const char *name, bool numbers, weft_tabular_config *c, weft_fit_options *fit)
{
    (void)fit;
    for (size_t i = 0; i < sizeof presets / sizeof presets[0]; i++)
        if (strcmp(name, presets[i].name) == 0) {
            c->arch = presets[i].arch;
            if (numbers)
                c->num_embeddings = presets[i].embedding;
            return true;
        }
    return false;
}
