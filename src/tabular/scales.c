/* Choosing the frequency scale. */
#include "tabular/scales.h"

#include "base/files.h"
#include "tabular/subruns.h"

#include <stdlib.h>

const double weft_scales[WEFT_SCALES] = {0.24, 0.03};

static const char kind[] = "scales";

int64_t weft_scale_epochs(int64_t train_rows, const weft_fit_options *options)
{
    enum { STEPS = 600, LEAST = 3, MOST = 12 };
    const int64_t steps = (train_rows + options->batch_size - 1) / options->batch_size, full = (STEPS + steps - 1) / steps;
    const int64_t epochs = full < LEAST ? LEAST : full > MOST ? MOST : full;
    return options->max_epochs > 0 && options->max_epochs < epochs ? options->max_epochs : epochs;
}

bool weft_scales_begun(const char *folder)
{
    return weft_subruns_begun(folder, kind);
}

bool weft_scales_kept(const char *folder)
{
    char *path = weft_subrun_path(folder, kind, -1, NULL);
    bool kept = path && weft_path_is_folder(path);
    free(path);
    return kept;
}

weft_status weft_scales_forget(const char *folder)
{
    return weft_subruns_forget(folder, kind);
}

/* A few epochs with one scale, or what a finished training of it came to. */
static weft_status try_scale(weft_engine *engine, const weft_tabular_config *config, const weft_rows_data *train,
                             const weft_rows_data *val, const weft_fit_options *options, int k, double *score)
{
    weft_fit_options o = *options;
    weft_params *params = NULL;
    weft_train_result result;
    char *folder = o.folder ? weft_subrun_path(o.folder, kind, k, NULL) : NULL;
    weft_status status = o.folder && !folder ? WEFT_ERROR_MEMORY : WEFT_OK;
    if (status == WEFT_OK && folder && o.resume && weft_run_finished(folder)) {
        status = weft_fit_result(folder, &result);
    } else if (status == WEFT_OK) {
        o.folder = folder;
        o.resume = o.resume && folder && weft_run_begun(folder);
        o.max_epochs = weft_scale_epochs(train->rows, options);
        o.epoch = NULL;
        o.enough = NULL;
        o.member = NULL;
        o.finish = NULL;
        status = weft_params_new(&params);
        if (status == WEFT_OK)
            status = weft_fit(engine, config, params, train, val, &o, &result);
    }
    if (status == WEFT_OK)
        *score = result.best_score;
    weft_params_free(params);
    free(folder);
    return status;
}

weft_status weft_scale_choose(weft_engine *engine, weft_tabular_config *config, const weft_rows_data *train,
                              const weft_rows_data *val, const weft_fit_options *options, double score[WEFT_SCALES])
{
    weft_status status = weft_fit_check(config, train);
    char *folder = options->folder ? weft_subrun_path(options->folder, kind, -1, NULL) : NULL;
    if (status == WEFT_OK && options->folder)
        status = folder ? weft_fit_keep_settings(folder, config, options) : WEFT_ERROR_MEMORY;
    free(folder);
    int best = 0;
    for (int k = 0; k < WEFT_SCALES && status == WEFT_OK; k++) {
        config->num_embeddings.frequency_scale = weft_scales[k];
        status = try_scale(engine, config, train, val, options, k, &score[k]);
        best = status == WEFT_OK && score[k] > score[best] ? k : best;
    }
    config->num_embeddings.frequency_scale = weft_scales[best];
    return status;
}
