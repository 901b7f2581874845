/* weft tabular tune --arch tabr begins with the model that train would give, so with the frequency scale that train would take
 * (tabular/scales.h). One process of a search chooses it; those that join or resume the search read it in the journal. */
#include "base/files.h"
#include "cli/tabular_tune.h"
#include "train/journal.h"

#include <stdlib.h>
#include <time.h>

/* Waits for the process that is choosing. */
static weft_status hold(const char *path, int *lock)
{
    weft_status status = WEFT_OK;
    for (*lock = -1; *lock < 0 && status == WEFT_OK;) {
        status = weft_lock_try(path, lock);
        if (status == WEFT_OK && *lock < 0 && weft_interrupted())
            status = weft_fail(WEFT_ERROR_INTERRUPTED, "interrupted while another process chooses the frequency scale");
        if (status == WEFT_OK && *lock < 0)
            nanosleep(&(struct timespec){.tv_nsec = 200000000}, NULL);
    }
    return status;
}

static weft_status choose(cli_arguments *a, cli_tune_scale *s, const char *out, weft_tabular_config *config,
                          const weft_fit_options *fit, weft_rows_data *const rows[WEFT_PARTS])
{
    weft_engine *engine = NULL; /* of its own: processes are forked later, and take no threads along */
    weft_fit_options o = *fit;
    o.folder = out;
    o.resume = weft_scales_begun(out);
    weft_status status = weft_engine_new(&(weft_engine_options){.threads = (int)cli_int(a, "threads")}, &engine);
    if (status == WEFT_OK)
        status = weft_scale_choose(engine, config, rows[WEFT_PART_TRAIN], rows[WEFT_PART_VAL], &o, s->score);
    weft_engine_free(engine);
    s->chosen = status == WEFT_OK;
    if (s->chosen)
        cli_tabular_scales(a, config, fit, rows[WEFT_PART_TRAIN]->rows, s->score);
    return status;
}

weft_status cli_tune_scale_settle(cli_arguments *a, cli_tune_scale *s, const char *out, weft_tabular_config *config,
                                  const weft_fit_options *fit, weft_rows_data *const rows[WEFT_PARTS])
{
    char *trials = weft_path_join(out, "trials"), *path = trials ? weft_path_join(trials, "scale.lock") : NULL;
    double kept = 0;
    weft_status status =
        path ? weft_fit_check(config, rows[WEFT_PART_TRAIN]) : weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", out);
    if (status == WEFT_OK)
        status = weft_folder_make(trials);
    if (status == WEFT_OK)
        status = hold(path, &s->lock);
    if (status == WEFT_OK)
        status = weft_study_kept_scale(out, &kept);
    if (status == WEFT_OK && kept > 0)
        config->num_embeddings.frequency_scale = kept;
    else if (status == WEFT_OK)
        status = choose(a, s, out, config, fit, rows);
    free(path);
    free(trials);
    return status;
}

weft_status cli_tune_scale_done(cli_tune_scale *s, const char *out)
{
    weft_status status = s->lock >= 0 ? weft_scales_forget(out) : WEFT_OK;
    weft_lock_end(s->lock);
    s->lock = -1;
    return status;
}
