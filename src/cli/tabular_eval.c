/* weft tabular eval: metrics on labelled rows. */
#include "cli/tabular.h"

#include <string.h>

static const cli_positional files[] = {{"DIR", 1, 1, "a model's folder"}, {"DATA.csv", 1, 1, "rows with their target"}, {0}};

static const cli_option options[] = {
    CLI_TABULAR_PART_OPTIONS,
    {.name = "interval",
     .value = "LEVEL",
     .kind = CLI_NUMBER,
     .least = 0,
     .most = 1,
     .otherwise = "0.9",
     .help = "the share of truths that intervals or sets of classes should hold; their real share is shown",
     .traits = CLI_ABOVE_LEAST | CLI_BELOW_MOST},
    {0},
};

static weft_status evaluate(cli_arguments *a, cli_tabular_model *m, const weft_table *table)
{
    const weft_tabular_folder *f = &m->folder;
    weft_rows_data *rows = NULL;
    weft_table *train = NULL;
    weft_predictions said = {0};
    weft_metrics metrics = {0};
    bool regression = f->config.task == WEFT_TASK_REGRESSION;
    weft_status status = weft_rows_from_table(&f->config, table, &rows);
    /* a training row does not look at itself when the training part is measured (spec 2.5) */
    bool own = status == WEFT_OK && cli_text(a, "split") && strcmp(cli_text(a, "part"), weft_part_names[WEFT_PART_TRAIN]) == 0 &&
               weft_tabular_are_candidates(m->model, rows);
    if (own)
        cli_say(a, "each of these training rows is predicted from the others\n");
    if (status == WEFT_OK)
        status = weft_tabular_predict(m->model, rows, own, 0, &said);
    if (status == WEFT_OK)
        status = weft_value_metrics(&f->config, rows, said.value, regression ? f->schema->target_mean : 0,
                                    regression ? f->schema->target_sd : 1, &metrics);
    if (status == WEFT_OK)
        cli_tabular_metrics(a, NULL, &metrics, f->schema);
    if (status == WEFT_OK && f->candidates && !own) {
        status = weft_tabular_folder_table(cli_positional_at(a, 0), f, &train);
        if (status == WEFT_OK)
            status = cli_tabular_duplicates(a, &f->config, f->schema, table, train, rows, said.value);
    }
    if (status == WEFT_OK)
        cli_tabular_decision(a, f, rows, &said);
    if (status == WEFT_OK)
        status = cli_tabular_certainty(a, NULL, f, rows, &said, cli_number(a, "interval"));
    weft_metrics_free(&metrics);
    weft_predictions_free(&said);
    weft_table_free(train);
    weft_rows_free(rows);
    return status;
}

static weft_status run(cli_arguments *arguments)
{
    cli_tabular_model m = {0};
    weft_table *table = NULL;
    weft_status status = cli_tabular_check_split(arguments);
    if (status == WEFT_OK)
        status = cli_tabular_open(arguments, cli_positional_at(arguments, 0), &m);
    if (status == WEFT_OK)
        status = cli_tabular_labelled(arguments, cli_positional_at(arguments, 1), m.folder.schema, &table);
    if (status == WEFT_OK)
        status = evaluate(arguments, &m, table);
    weft_table_free(table);
    cli_tabular_close(&m);
    return status;
}

const cli_command cli_tabular_eval = {
    .name = "tabular",
    .action = "eval",
    .summary = "measure a model on rows whose target is known",
    .description =
        "Regression: RMSE, MAE and R² in the target's units, and how often intervals hold the truth. Classification: accuracy, "
        "log-loss, balanced accuracy, macro F1, calibration error (before and after the temperature), Brier score and the "
        "confusion matrix; for two classes the ROC AUC too. These take the likeliest class; what a chosen threshold gives (weft "
        "tabular "
        "threshold) is said besides.\n\n"
        "Where rows have an identical training row, the metrics of the others are printed as well: a model that looks at "
        "training rows profits from copies. With --part train each training row is predicted from the others alone, as in "
        "training.",
    .positionals = files,
    .options = options,
    .example = "weft tabular eval houses houses.csv --split houses.split.csv --part test",
    .run = run,
};
