/* weft tabular explain: which columns the predictions rest on. */
#include "cli/tabular.h"
#include "tabular/importance.h"

#include <stdlib.h>

static const cli_positional files[] = {{"DIR", 1, 1, "a model's folder"}, {"DATA.csv", 1, 1, "rows with their target"}, {0}};

static const cli_option options[] = {
    CLI_TABULAR_PART_OPTIONS,
    {.name = "metric",
     .value = "NAME",
     .kind = CLI_CHOICE,
     .choices = WEFT_MEASURE_NAMES,
     .help = "what a column's cells are worth in; by default rmse, or accuracy"},
    {.name = "repeats",
     .value = "N",
     .kind = CLI_INT,
     .least = 1,
     .most = 1000,
     .otherwise = "5",
     .help = "shuffles of each column"},
    {.name = "rows",
     .value = "N",
     .kind = CLI_INT,
     .least = 2,
     .most = CLI_ANY,
     .otherwise = "2000",
     .help = "at most so many rows, drawn by --seed"},
    {0},
};

typedef struct explaining {
    cli_arguments *arguments;
    weft_progress *progress;
} explaining;

static void on_progress(void *user, int64_t done, int64_t total)
{
    explaining *e = user;
    if (!e->progress)
        e->progress = weft_progress_new(cli_progress, e->arguments, "explaining", total, "columns");
    weft_progress_update(e->progress, done, "%s", "");
}

static void show(cli_arguments *a, const weft_tabular_folder *f, const weft_measure *by, const weft_importances *found)
{
    cli_say(a, "%s %.6g on %lld rows; how much worse it gets when a column is shuffled, mean and sd of %lld shuffles:\n",
            by->name, found->score, (long long)found->rows, (long long)cli_int(a, "repeats"));
    cli_json_string(a, "metric", by->name);
    cli_json_number(a, "score", found->score);
    cli_json_integer(a, "rows", found->rows);
    cli_json_integer(a, "repeats", cli_int(a, "repeats"));
    weft_json_writer *w = cli_json(a);
    weft_json_add_key(w, "importance");
    weft_json_open_list(w);
    for (int i = 0; i < found->count; i++) {
        const weft_importance *one = &found->list[i];
        const char *name = f->schema->columns[one->column].name;
        cli_say(a, "  %-28s %12.5g  ± %.2g\n", name, one->drop, one->sd);
        weft_json_open_object(w);
        cli_json_string(a, "feature", name);
        cli_json_number(a, "drop", one->drop);
        cli_json_number(a, "sd", one->sd);
        weft_json_close_object(w);
    }
    weft_json_close_list(w);
}

static weft_status run(cli_arguments *arguments)
{
    cli_tabular_model m = {0};
    weft_table *table = NULL;
    weft_rows_data *rows = NULL;
    weft_importances found = {0};
    explaining e = {.arguments = arguments};
    weft_status status = cli_tabular_check_split(arguments);
    if (status == WEFT_OK)
        status = cli_tabular_open(arguments, cli_positional_at(arguments, 0), &m);
    if (status == WEFT_OK)
        status = cli_tabular_labelled(arguments, cli_positional_at(arguments, 1), m.folder.schema, &table);
    if (status == WEFT_OK)
        status = weft_rows_from_table(&m.folder.config, table, &rows);
    if (status == WEFT_OK && rows->rows < 2)
        status = weft_fail(WEFT_ERROR_ARGUMENT, "%s: one row cannot be shuffled: at least two are needed",
                           cli_positional_at(arguments, 1));
    const weft_measure *by = NULL;
    if (status == WEFT_OK)
        status = cli_tabular_measure(arguments, m.folder.config.task, &by);
    if (status == WEFT_OK) {
        by = by ? by : weft_measure_of(m.folder.config.task);
        weft_importance_options o = {.rows = cli_int(arguments, "rows"),
                                     .repeats = cli_int(arguments, "repeats"),
                                     .seed = (uint64_t)cli_int(arguments, "seed"),
                                     .measure = by,
                                     .user = &e,
                                     .progress = on_progress};
        status = weft_importance_measure(m.model, &m.folder, rows, &o, &found);
    }
    weft_progress_free(e.progress);
    if (status == WEFT_OK)
        show(arguments, &m.folder, by, &found);
    weft_importances_free(&found);
    weft_rows_free(rows);
    weft_table_free(table);
    cli_tabular_close(&m);
    return status;
}

const cli_command cli_tabular_explain = {
    .name = "tabular",
    .action = "explain",
    .summary = "measure how much the predictions rest on each column",
    .description =
        "Permutation importance: each column's cells are shuffled among the rows, and the drop is what the model then loses of "
        "its --metric: in accuracy, or what its RMSE gains, in the target's units. Use rows that training has not seen. Of two "
        "columns that say "
        "the same, each can stand in for the other: both then look unimportant.\n\n"
        "What a single prediction rests on is `weft tabular predict --neighbors K --what-if`.",
    .positionals = files,
    .options = options,
    .example = "weft tabular explain houses houses.csv --split houses.split.csv --part test",
    .run = run,
};
