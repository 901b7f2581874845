/* weft tabular calibrate: how sure a model may be, from rows that training has not seen. */
#include "cli/tabular.h"

static const cli_positional files[] = {
    {"DIR", 1, 1, "a model's folder"}, {"DATA.csv", 1, 1, "rows with their target, not used in training"}, {0}};

static const cli_option options[] = {CLI_TABULAR_PART_OPTIONS, {0}};

static void show(cli_arguments *a, const weft_tabular_folder *f, const weft_calibration *c)
{
    cli_say(a, "calibrated on %lld rows\n", (long long)c->scores);
    cli_json_integer(a, "rows", c->scores);
    if (f->config.task == WEFT_TASK_REGRESSION)
        return;
    cli_json_number(a, "temperature", c->temperature);
    cli_say(a, "temperature %.4g\n%-10s %10s %10s\n", c->temperature, "", "before", "after");
    const struct {
        const char *name;
        const double *value;
    } rows[] = {{"ece", c->ece}, {"logloss", c->logloss}, {"brier", c->brier}};
    for (int i = 0; i < 3; i++) {
        cli_say(a, "%-10s %10.5f %10.5f\n", rows[i].name, rows[i].value[0], rows[i].value[1]);
        weft_json_add_key(cli_json(a), rows[i].name);
        weft_json_open_list(cli_json(a));
        weft_json_add_number(cli_json(a), rows[i].value[0]);
        weft_json_add_number(cli_json(a), rows[i].value[1]);
        weft_json_close_list(cli_json(a));
    }
}

static weft_status run(cli_arguments *arguments)
{
    cli_tabular_model m = {0};
    weft_rows_data *rows = NULL;
    weft_predictions said = {0}, own = {0};
    weft_calibration *c = NULL;
    const char *folder = cli_positional_at(arguments, 0);
    weft_status status = cli_tabular_check_split(arguments);
    if (status == WEFT_OK)
        status = cli_tabular_open(arguments, folder, &m);
    if (status == WEFT_OK)
        status = cli_tabular_rows_to_fit(arguments, &m.folder, &rows);
    if (status == WEFT_OK)
        status = weft_tabular_predict(m.model, rows, false, 0, &said);
    const weft_rows_data *candidates = m.folder.candidates;
    if (status == WEFT_OK && candidates && candidates->rows > m.folder.config.context_size)
        status = weft_tabular_predict(m.model, candidates, true, 0, &own);
    if (status == WEFT_OK)
        status = weft_calibration_fit(&m.folder.config, rows, &said, &own, &c);
    if (status == WEFT_OK && m.folder.calibration)
        c->threshold = m.folder.calibration->threshold; /* chosen by what errors cost, which is as before */
    if (status == WEFT_OK)
        status = weft_tabular_folder_calibrate(folder, c);
    if (status == WEFT_OK)
        show(arguments, &m.folder, c);
    weft_calibration_free(c);
    weft_predictions_free(&said);
    weft_predictions_free(&own);
    weft_rows_free(rows);
    cli_tabular_close(&m);
    return status;
}

const cli_command cli_tabular_calibrate = {
    .name = "tabular",
    .action = "calibrate",
    .summary = "fit how sure a model may be on rows that training has not seen",
    .description =
        "train does this by itself with the validation rows. Do it again when newer rows are at hand, or after extend has "
        "changed what the model looks at: it replaces calibration.safetensors, which predict --calibrated, --interval and "
        "--domain read. Weights and predictions stay as they are, and so does a chosen threshold.\n\n"
        "Classes: one temperature, which makes the log-loss of these rows least; prints the calibration error (15 bins), the "
        "log-loss and the Brier score of these rows before and after. Regression: how far the truths were from the predictions.",
    .positionals = files,
    .options = options,
    .example = "weft tabular calibrate houses sold-in-june.csv",
    .run = run,
};
