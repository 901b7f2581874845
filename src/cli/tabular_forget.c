/* weft tabular forget: rows that the model looks at are taken away, without training. */
#include "cli/tabular.h"

#include <stdlib.h>
#include <unistd.h>

static const cli_positional words[] = {
    {"DIR", 1, 1, "a model's folder"}, {"ROWS", 1, 1, "numbers of rows and ranges, as in 3,17,40-52"}, {0}};

static const cli_option options[] = {
    {.name = "out", .value = "DIR2", .kind = CLI_PATH, .help = "leave DIR as it is and write the smaller model here"},
    {.name = "force", .kind = CLI_FLAG, .help = "write over a model in DIR2"},
    {0},
};

static weft_status forget(cli_arguments *a, const weft_row_ranges *ranges, weft_tabular_folder *f)
{
    const char *folder = cli_positional_at(a, 0), *to = cli_text(a, "out");
    weft_table *table = NULL, *left = NULL;
    bool *keep = NULL;
    int64_t gone = 0;
    weft_status status = to ? cli_may_write(a, to, "model.safetensors") : WEFT_OK;
    if (status == WEFT_OK)
        status = weft_tabular_folder_open(folder, f);
    if (status == WEFT_OK && !f->candidates)
        status =
            weft_fail(WEFT_ERROR_ARGUMENT, "%s: is an MLP, which looks at no training rows: there is nothing to forget", folder);
    if (status == WEFT_OK)
        status = weft_tabular_folder_table(folder, f, &table);
    if (status == WEFT_OK && !(keep = malloc((size_t)table->rows + 1)))
        status = weft_fail(WEFT_ERROR_MEMORY, "forget: memory is short");
    if (status == WEFT_OK && (status = weft_row_ranges_leave_out(ranges, table, keep, &gone)) != WEFT_OK)
        weft_fail_in(status, "%s", folder);
    if (status == WEFT_OK)
        status = weft_candidates_join(table, keep, NULL, 0, &left);
    if (status == WEFT_OK)
        status = weft_tabular_folder_change(folder, f, left, f->next_row, to);
    if (status == WEFT_OK) {
        cli_say(a, "%lld row%s forgotten; %s now looks at %lld rows\n", (long long)gone, gone == 1 ? "" : "s", to ? to : folder,
                (long long)left->rows);
        cli_json_integer(a, "candidates", left->rows);
        cli_json_integer(a, "forgotten", gone);
    }
    weft_table_free(table);
    weft_table_free(left);
    free(keep);
    return status;
}

static weft_status run(cli_arguments *arguments)
{
    weft_row_ranges ranges;
    weft_tabular_folder folder = {0};
    int lock = -1;
    weft_status status = weft_row_ranges_parse(cli_positional_at(arguments, 1), &ranges);
    if (status == WEFT_ERROR_ARGUMENT)
        return cli_misuse(arguments, "%s", weft_error());
    if (status == WEFT_OK)
        status = weft_candidates_lock(cli_positional_at(arguments, 0), &lock);
    if (status == WEFT_OK)
        status = forget(arguments, &ranges, &folder);
    weft_tabular_folder_close(&folder);
    weft_row_ranges_free(&ranges);
    if (lock >= 0)
        close(lock);
    return status;
}

const cli_command cli_tabular_forget = {
    .name = "tabular",
    .action = "forget",
    .summary = "take away rows that a TabR model looks at, without training",
    .description =
        "No prediction rests on the rows any more. Rows are named by their numbers in the training file (the first data row is "
        "0), added ones by the numbers that extend printed. A range may hold rows that are not the model's (those of the test "
        "part); a number by itself must be one. DIR changes in one step.\n\n"
        "What was forgotten is gone from candidates.safetensors. The weights, the scaling and the calibration were fitted with "
        "it and stay: for those, train again without the rows.",
    .positionals = words,
    .options = options,
    .example = "weft tabular forget houses 3,17,40-52",
    .run = run,
};
