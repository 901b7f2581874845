/* Choosing the frequency scale. */
#include "tabular/scales.h"

#include "base/files.h"

#include <stdlib.h>
#include <unistd.h>

const double weft_scales[WEFT_SCALES] = {0.24, 0.03};

/* FOLDER/scales, or FOLDER/scales/K for K ≥ 0. malloc'd; NULL with the error set. */
static char *inside(const char *folder, int k)
{
    weft_text path = {0};
    weft_text_add(&path, k < 0 ? "%s/scales" : "%s/scales/%d", folder, k);
    if (!path.failed)
        return path.data;
    weft_text_free(&path);
    weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", folder);
    return NULL;
}

int64_t weft_scale_epochs(int64_t train_rows, const weft_fit_options *options)
{
    enum { STEPS = 600, LEAST = 3, MOST = 12 };
    const int64_t steps = (train_rows + options->batch_size - 1) / options->batch_size, full = (STEPS + steps - 1) / steps;
    const int64_t epochs = full < LEAST ? LEAST : full > MOST ? MOST : full;
    return options->max_epochs > 0 && options->max_epochs < epochs ? options->max_epochs : epochs;
}

bool weft_scales_begun(const char *folder)
{
    char *path = inside(folder, -1);
    bool begun = path && weft_path_is_folder(path) && !weft_run_finished(folder);
    free(path);
    return begun;
}

weft_status weft_scales_forget(const char *folder)
{
    weft_status status = WEFT_OK;
    for (int k = 0; k < WEFT_SCALES && status == WEFT_OK; k++) {
        char *path = inside(folder, k);
        status = path ? weft_run_remove(path) : WEFT_ERROR_MEMORY;
        free(path);
    }
    char *path = inside(folder, -1);
    if (status == WEFT_OK && path) {
        status = weft_fit_drop_settings(path);
        (void)rmdir(path);
    }
    free(path);
    return status;
}

/* A few epochs with one scale, or what a finished training of it came to. */
static weft_status try_scale(weft_engine *engine, const weft_tabular_config *config, const weft_rows_data *train,
                             const weft_rows_data *val, const weft_fit_options *options, int k, double *score)
{
    weft_fit_options o = *options;
    weft_params *params = NULL;
    weft_train_result result;
    char *folder = o.folder ? inside(o.folder, k) : NULL;
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
    char *folder = options->folder ? inside(options->folder, -1) : NULL;
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
