/* weft tabular schema: how the columns of a table would be read, printed and written to be edited. */
#include "base/files.h"
#include "cli/tabular.h"

static const cli_positional files[] = {{"DATA.csv", 1, 1, "the table, with a header line"}, {0}};

static const cli_option options[] = {
    CLI_TABULAR_READING_ROWS,
    {.name = "out", .value = "F.json", .kind = CLI_PATH, .help = "write the schema there, to be edited"},
    {.name = "force", .kind = CLI_FLAG, .help = "write over F.json"},
    {0},
};

static weft_status run(cli_arguments *arguments)
{
    const char *out = cli_text(arguments, "out");
    weft_prepared prepared = {0};
    weft_status status = cli_tabular_check_parts(arguments);
    if (status == WEFT_OK && out)
        status = cli_may_write(arguments, out, NULL);
    if (status == WEFT_OK)
        status = cli_tabular_prepare(arguments, &prepared);
    if (status == WEFT_OK && out)
        status = weft_schema_save(prepared.schema, out);
    if (status == WEFT_OK) {
        weft_json_writer *w = cli_json(arguments);
        const weft_schema *s = prepared.schema;
        cli_json_string(arguments, "task", weft_task_names[s->task]);
        cli_json_integer(arguments, "inputs", weft_schema_inputs(s));
        weft_json_add_key(w, "columns");
        weft_json_open_list(w);
        for (int c = 0; c < s->n_columns; c++) {
            weft_json_open_object(w);
            cli_json_string(arguments, "name", s->columns[c].name);
            cli_json_string(arguments, "kind", weft_column_kind_names[s->columns[c].kind]);
            cli_json_string(arguments, "reason", s->columns[c].reason);
            weft_json_close_object(w);
        }
        weft_json_close_list(w);
        if (out)
            cli_say(arguments,
                    "The schema is in %s; edit the kinds (numerical, binary, categorical, date, dropped), then:\n  weft tabular "
                    "train %s --target %s --schema %s --out DIR\n",
                    out, cli_positional_at(arguments, 0), cli_text(arguments, "target"), out);
    }
    weft_prepared_free(&prepared);
    return status;
}

const cli_command cli_tabular_schema = {
    .name = "tabular",
    .action = "schema",
    .summary = "show how the columns of a table are read, without training",
    .description =
        "Prints what train would print of the columns. With --out the schema is written in the form of a model folder's "
        "schema.json; train --schema takes the kinds of the columns and the task from it and measures levels, medians and "
        "quantiles anew, so that changing a kind needs no other change in the file.",
    .positionals = files,
    .options = options,
    .example = "weft tabular schema houses.csv --target price --out houses.json",
    .run = run,
};
