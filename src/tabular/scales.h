/* Which frequency scale suits a table: how fast the waves that numbers are embedded in (PLR) may be.
 *
 * Tables whose target has steps and thresholds want fast ones, smooth targets slow ones, and the wrong choice costs more than
 * most settings (docs/results/tabr.md). So a model that embeds numbers is trained for a few epochs with each, and the scale with
 * the best validation score is taken; ties go to the first. */
#ifndef WEFT_TABULAR_SCALES_H
#define WEFT_TABULAR_SCALES_H

#include "tabular/fit.h"

enum { WEFT_SCALES = 2, WEFT_SCALE_EPOCHS = 12 };
extern const double weft_scales[WEFT_SCALES];

/* Sets config->num_embeddings.frequency_scale; score[k]: the best on `val` with weft_scales[k], higher is better. With a folder,
 * the trainings are in FOLDER/scales/K, each with its own checkpoints, so that a run which was killed goes on where it stood;
 * they stay until weft_scales_forget. Of the options' callbacks `progress` alone is called. */
weft_status weft_scale_choose(weft_engine *, weft_tabular_config *config, const weft_rows_data *train, const weft_rows_data *val,
                              const weft_fit_options *, double score[WEFT_SCALES]);

/* Whether the folder holds the trainings of a run that is not finished. */
bool weft_scales_begun(const char *folder);
/* Removes them. */
weft_status weft_scales_forget(const char *folder);

#endif
