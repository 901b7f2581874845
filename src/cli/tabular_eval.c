/* weft tabular eval: metrics on labelled rows. */
#include "cli/tabular.h"
#include "tabular/folder.h"
#include "tabular/split.h"

#include <stdlib.h>
#include <string.h>

static const cli_positional files[] = {{"DIR", 1, 1, "a model's folder"}, {"DATA.csv", 1, 1, "rows with their target"}, {0}};

static const cli_option options[] = {
    {.name = "split", .value = "F.csv", .kind = CLI_PATH, .help = "a header \"split\", then 0, 1 or 2 a data row"},
    {.name = "part",
     .value = "PART",
     .kind = CLI_CHOICE,
     .choices = "train|val|test",
     .otherwise = "test",
     .help = "the part of --split to evaluate"},
    {0},
};

static weft_status read_part(cli_arguments *a, const weft_schema *schema, weft_table **out)
{
    weft_csv *csv = NULL, *parts = NULL;
    weft_split split = {0};
    weft_csv_options threads = {.threads = (int)cli_int(a, "threads")};
    weft_status status = weft_csv_read(cli_positional_at(a, 1), &threads, &csv);
    if (status == WEFT_OK && cli_text(a, "split")) {
        status = weft_csv_read(cli_text(a, "split"), &threads, &parts);
        if (status == WEFT_OK)
            status = weft_split_from_csv(parts, weft_csv_rows(csv), &split);
        for (int i = 0; i < WEFT_PARTS && status == WEFT_OK; i++)
            if (strcmp(cli_text(a, "part"), weft_part_names[i]) == 0)
                status = weft_schema_apply(schema, csv, split.rows[i], split.count[i], true, out);
    } else if (status == WEFT_OK) {
        status = weft_schema_apply(schema, csv, NULL, weft_csv_rows(csv), true, out);
    }
    if (status == WEFT_OK && (*out)->rows == 0)
        status = weft_fail(WEFT_ERROR_ARGUMENT, "%s: no row to evaluate has a target", cli_positional_at(a, 1));
    if (status == WEFT_OK)
        cli_tabular_warn((*out)->notes.data);
    weft_split_free(&split);
    weft_csv_free(parts);
    weft_csv_free(csv);
    return status;
}

static weft_status evaluate(cli_arguments *a, weft_tabular_folder *folder, weft_table *table)
{
    weft_engine *engine = cli_engine(a);
    weft_rows_data *rows = NULL;
    weft_predictor *predictor = NULL;
    weft_metrics m = {0};
    double *output = malloc((size_t)(table->rows * weft_tabular_outputs(&folder->config) + 1) * sizeof *output);
    bool regression = folder->config.task == WEFT_TASK_REGRESSION;
    weft_status status = engine && output ? weft_rows_from_table(&folder->config, table, &rows) : WEFT_ERROR_MEMORY;
    if (status == WEFT_OK)
        status = weft_predictor_new(engine, &folder->config, folder->params, folder->candidates, &predictor);
    if (status == WEFT_OK)
        status = weft_predictor_run(predictor, rows, false, output, NULL, NULL, NULL);
    if (status == WEFT_OK)
        status = weft_fit_metrics(&folder->config, rows, output, regression ? folder->schema->target_mean : 0,
                                  regression ? folder->schema->target_sd : 1, &m);
    if (status == WEFT_OK) {
        cli_tabular_metrics(a, NULL, &m, folder->schema);
        cli_json_integer(a, "rows", table->rows);
    }
    weft_metrics_free(&m);
    weft_predictor_free(predictor);
    weft_rows_free(rows);
    free(output);
    return status;
}

static weft_status run(cli_arguments *arguments)
{
    if (cli_given(arguments, "part") && !cli_text(arguments, "split"))
        return cli_misuse(arguments, "--part needs --split beside it");
    weft_tabular_folder folder = {0};
    weft_table *table = NULL;
    weft_status status = weft_tabular_folder_open(cli_positional_at(arguments, 0), &folder);
    if (status == WEFT_OK)
        status = read_part(arguments, folder.schema, &table);
    if (status == WEFT_OK)
        status = evaluate(arguments, &folder, table);
    weft_table_free(table);
    weft_tabular_folder_close(&folder);
    return status;
}

const cli_command cli_tabular_eval = {
    .name = "tabular",
    .action = "eval",
    .summary = "measure a model on rows whose target is known",
    .description =
        "Regression: RMSE, MAE and R² in the target's units. Classification: accuracy, log-loss, balanced accuracy, macro F1, "
        "calibration error, Brier score and the confusion matrix; for two classes the ROC AUC too.",
    .positionals = files,
    .options = options,
    .example = "weft tabular eval houses houses.csv --split houses.split.csv --part test",
    .run = run,
};
