/* After training: what the model says of each part, and how sure it may be. */
#include "base/files.h"
#include "cli/tabular.h"

#include <stdlib.h>

/* Scores of one part; what the model said of it goes to *said. */
static weft_status evaluate_part(cli_arguments *a, const weft_prepared *prepared, const weft_tabular_folder *f,
                                 weft_tabular_model *model, weft_rows_data *const rows_of[WEFT_PARTS], int part,
                                 weft_report_run *report, weft_predictions *said)
{
    const weft_rows_data *rows = rows_of[part];
    bool regression = f->config.task == WEFT_TASK_REGRESSION;
    weft_metrics m = {0};
    weft_status status = weft_tabular_predict(model, rows, part == WEFT_PART_TRAIN, 0, said);
    if (status == WEFT_OK)
        status = weft_value_metrics(&f->config, rows, said->value, regression ? f->schema->target_mean : 0,
                                    regression ? f->schema->target_sd : 1, &m);
    if (status == WEFT_OK) {
        cli_tabular_metrics(a, weft_part_names[part], &m, f->schema);
        if (part == WEFT_PART_TEST)
            status = cli_tabular_duplicates(a, &f->config, f->schema, prepared->part[part], prepared->part[WEFT_PART_TRAIN], rows,
                                            said->value);
        if (part == (rows_of[WEFT_PART_TEST] ? WEFT_PART_TEST : WEFT_PART_VAL))
            weft_report_run_predictions(report, &f->config, f->schema, rows, said->value, &m);
    }
    weft_metrics_free(&m);
    return status;
}

/* The rest of the report, on the part that training has seen least of. */
static weft_status report_part(const weft_prepared *prepared, const weft_tabular_folder *f, weft_tabular_model *model,
                               const weft_rows_data *rows, int part, const weft_predictions *said, uint64_t seed,
                               weft_report_run *report)
{
    weft_status status = weft_report_run_certainty(report, f, rows, said);
    if (status == WEFT_OK)
        status = weft_report_run_neighbors(report, model, f, rows, said);
    if (status == WEFT_OK)
        status = weft_report_run_importance(report, model, f, rows, seed);
    if (status == WEFT_OK)
        status = weft_report_run_drift(report, part == WEFT_PART_TEST ? "The test rows" : "The validation rows", f->schema,
                                       prepared->part[WEFT_PART_TRAIN], prepared->part[part]);
    return status;
}

/* FOLDER/split.csv, so that the rows which training has not seen can be found again; none stays of an older model. */
static weft_status keep_split(const char *folder, const weft_text *split)
{
    char *path = weft_path_join(folder, "split.csv");
    weft_status status = !path         ? weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", folder)
                         : split->data ? weft_file_write(path, split->data, split->length)
                                       : weft_file_remove(path);
    free(path);
    return status;
}

weft_status cli_tabular_parts(cli_arguments *a, weft_engine *engine, const weft_tabular_config *config, weft_params *params,
                              const weft_prepared *prepared, weft_rows_data *const rows_of[WEFT_PARTS],
                              const weft_fit_options *fit, weft_report_run *report)
{
    weft_tabular_folder trained = {.config = *config, /* borrows all of it */
                                   .schema = prepared->schema,
                                   .params = params,
                                   .candidates = config->arch == WEFT_TABULAR_TABR ? rows_of[WEFT_PART_TRAIN] : NULL};
    weft_tabular_model *model = NULL;
    weft_predictions said[WEFT_PARTS] = {0};
    weft_status status = weft_tabular_model_new(engine, &trained, &model);
    for (int part = 0; part < WEFT_PARTS && status == WEFT_OK; part++)
        if (rows_of[part])
            status = evaluate_part(a, prepared, &trained, model, rows_of, part, report, &said[part]);
    int last = rows_of[WEFT_PART_TEST] ? WEFT_PART_TEST : WEFT_PART_VAL;
    if (status == WEFT_OK && config->members > 1)
        status =
            cli_tabular_members(a, engine, config, params, rows_of[WEFT_PART_TRAIN], rows_of[last], weft_part_names[last], fit);
    if (status == WEFT_OK)
        status = weft_calibration_fit(config, rows_of[WEFT_PART_VAL], &said[WEFT_PART_VAL], &said[WEFT_PART_TRAIN],
                                      &trained.calibration);
    if (status == WEFT_OK && fit->folder)
        status = weft_tabular_folder_calibrate(fit->folder, trained.calibration);
    if (status == WEFT_OK && fit->folder)
        status = keep_split(fit->folder, &prepared->split);
    int shown = rows_of[WEFT_PART_TEST] ? WEFT_PART_TEST : WEFT_PART_VAL;
    if (status == WEFT_OK)
        status = report_part(prepared, &trained, model, rows_of[shown], shown, &said[shown], fit->seed, report);
    if (status == WEFT_OK && rows_of[WEFT_PART_TEST])
        status = cli_tabular_certainty(a, weft_part_names[WEFT_PART_TEST], &trained, rows_of[WEFT_PART_TEST],
                                       &said[WEFT_PART_TEST], 0.9);
    weft_calibration_free(trained.calibration);
    for (int part = 0; part < WEFT_PARTS; part++)
        weft_predictions_free(&said[part]);
    weft_tabular_model_free(model);
    return status;
}
