/* The models that --arch names, with settings that need no tuning. */
#ifndef WEFT_TABULAR_PRESETS_H
#define WEFT_TABULAR_PRESETS_H

#include "tabular/fit.h"

#define WEFT_TABULAR_PRESETS "tabr-s|tabr|mlp-plr|mlp" /* their names, as an option's choices */

/* Sets what the preset `name` says of the model (embedding numbers only where `numbers`) and of its training. False: no such. */
bool weft_tabular_preset(const char *name, bool numbers, weft_tabular_config *, weft_fit_options *);

/* Whether the preset embeds numbers and leaves the frequency scale to the table (scales.h). */
bool weft_tabular_preset_leaves_scale(const char *name);

#endif
