/* Which frequency scale suits a table: how fast the waves that numbers are embedded in (PLR) may be.
 *
 * Tables whose target has steps and thresholds want fast ones, smooth targets slow ones, and the wrong choice costs more than
 * most settings (docs/results/tabr.md). So a model that embeds numbers is trained for some 600 steps, 3 to 12 epochs, with each,
 * and the scale with the best validation score is taken; ties go to the first. */
#ifndef WEFT_TABULAR_SCALES_H
#define WEFT_TABULAR_SCALES_H

#include "tabular/fit.h"

enum { WEFT_SCALES = 2 };
extern const double weft_scales[WEFT_SCALES];

/* Epochs with each. */
int64_t weft_scale_epochs(int64_t train_rows, const weft_fit_options *);

/* Sets config->num_embeddings.frequency_scale; score[k]: the best on `val` with weft_scales[k], higher is better. With a folder,
 * the trainings are in FOLDER/scales/K, each with its own checkpoints, so that a run which was killed goes on where it stood;
 * they stay until weft_scales_forget. Of the options' callbacks `progress` alone is called. */
weft_status weft_scale_choose(weft_engine *, weft_tabular_config *config, const weft_rows_data *train, const weft_rows_data *val,
                              const weft_fit_options *, double score[WEFT_SCALES]);

/* Whether the folder holds the trainings of a run that is not finished; of any run. */
bool weft_scales_begun(const char *folder);
bool weft_scales_kept(const char *folder);
/* Removes them. */
weft_status weft_scales_forget(const char *folder);

#endif
