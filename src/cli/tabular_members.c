/* What the members of an ensemble score alone. */
#include "cli/tabular.h"
#include "tabular/ensemble.h"

#include <stdlib.h>

static weft_status score_member(weft_engine *engine, const weft_tabular_config *config, const weft_params *params, int64_t member,
                                const weft_rows_data *candidates, const weft_rows_data *rows, const weft_fit_options *fit,
                                double *output, weft_metrics *out)
{
    weft_tabular_config one = *config;
    weft_params *mine = NULL;
    weft_predictor *p = NULL;
    one.members = 1;
    weft_status status = weft_ensemble_take(params, member, &mine);
    if (status == WEFT_OK)
        status = weft_predictor_new(engine, &one, mine, candidates, &p);
    if (status == WEFT_OK)
        status = weft_predictor_run(p, rows, false, output, NULL, NULL, NULL);
    if (status == WEFT_OK)
        status = weft_fit_metrics(&one, rows, output, fit->target_mean, fit->target_sd, out);
    weft_predictor_free(p);
    weft_params_free(mine);
    return status;
}

weft_status cli_tabular_members(cli_arguments *a, weft_engine *engine, const weft_tabular_config *config,
                                const weft_params *params, const weft_rows_data *candidates, const weft_rows_data *rows,
                                const char *part, const weft_fit_options *fit)
{
    weft_status status = WEFT_OK;
    double *output = malloc((size_t)(rows->rows * weft_tabular_outputs(config) + 1) * sizeof *output);
    if (!output)
        return weft_fail(WEFT_ERROR_MEMORY, "evaluation: memory is short");
    weft_json_writer *w = cli_json(a);
    weft_json_add_key(w, "members_alone");
    weft_json_open_list(w);
    for (int64_t k = 0; k < config->members && status == WEFT_OK; k++) {
        weft_metrics m = {0};
        status = score_member(engine, config, params, k, candidates, rows, fit, output, &m);
        const weft_measure *measure = weft_fit_measure(config, fit);
        bool regression = config->task == WEFT_TASK_REGRESSION;
        if (status == WEFT_OK) {
            cli_say(a, "%s, member %lld alone: %s %.6g\n", part, (long long)k + 1, measure->name,
                    weft_measure_value(measure, &m));
            weft_json_open_object(w);
            cli_json_number(a, regression ? "rmse" : "accuracy", regression ? m.rmse : m.accuracy);
            cli_json_number(a, regression ? "mae" : "logloss", regression ? m.mae : m.logloss);
            if (config->task == WEFT_TASK_BINARY)
                cli_json_number(a, "auc", m.auc);
            weft_json_close_object(w);
        }
        weft_metrics_free(&m);
    }
    weft_json_close_list(w);
    free(output);
    return status;
}
