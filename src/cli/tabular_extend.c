/* weft tabular extend: new labelled rows become rows that the model looks at, without training. */
#include "cli/tabular.h"
#include "tabular/drift.h"

#include <stdlib.h>
#include <unistd.h>

static const cli_positional files[] = {{"DIR", 1, 1, "a model's folder"}, {"NEW.csv", 1, 1, "new rows with their target"}, {0}};

static const cli_option options[] = {
    {.name = "out", .value = "DIR2", .kind = CLI_PATH, .help = "leave DIR as it is and write the larger model here"},
    {.name = "force", .kind = CLI_FLAG, .help = "write over a model in DIR2"},
    {0},
};

typedef struct extension {
    cli_arguments *arguments;
    cli_tabular_model m;
    weft_table *train, *new, *joined;
    int64_t file_rows; /* data rows of NEW.csv, with those that have no target */
} extension;

static weft_status read_new(extension *e)
{
    const char *path = cli_positional_at(e->arguments, 1);
    weft_csv *csv = NULL;
    weft_status status = weft_csv_read(path, &(weft_csv_options){.threads = (int)cli_int(e->arguments, "threads")}, &csv);
    if (status == WEFT_OK) {
        e->file_rows = weft_csv_rows(csv);
        status = weft_schema_apply(e->m.folder.schema, csv, NULL, e->file_rows, true, &e->new);
    }
    if (status == WEFT_OK && e->new->rows == 0)
        status = weft_fail(WEFT_ERROR_ARGUMENT, "%s: none of its rows has a target", path);
    if (status == WEFT_OK)
        cli_tabular_warn(e->new->notes.data);
    weft_csv_free(csv);
    return status;
}

/* What the model, as it is, says of the new rows: how good, how many of them are strange to it. */
static weft_status show_before(extension *e)
{
    cli_arguments *a = e->arguments;
    const weft_tabular_folder *f = &e->m.folder;
    weft_rows_data *rows = NULL;
    weft_predictions said = {0};
    weft_metrics m = {0};
    bool regression = f->config.task == WEFT_TASK_REGRESSION;
    weft_status status = weft_rows_from_table(&f->config, e->new, &rows);
    if (status == WEFT_OK)
        status = weft_tabular_predict(e->m.model, rows, false, 0, &said);
    if (status == WEFT_OK)
        status = weft_value_metrics(&f->config, rows, said.value, regression ? f->schema->target_mean : 0,
                                    regression ? f->schema->target_sd : 1, &m);
    if (status == WEFT_OK) {
        const char *name = regression ? "rmse" : "accuracy";
        double score = regression ? m.rmse : m.accuracy;
        cli_say(a, "before they were added, the model predicted them with %s %.6g\n", name, score);
        weft_json_add_key(cli_json(a), "before");
        weft_json_open_object(cli_json(a));
        cli_json_number(a, name, score);
        weft_json_close_object(cli_json(a));
    }
    if (status == WEFT_OK && f->calibration && f->calibration->distance) {
        int64_t remote = 0;
        for (int64_t i = 0; i < said.rows; i++)
            remote += weft_calibration_rank(f->calibration, said.remoteness[i]) > WEFT_REMOTE;
        double share = (double)remote / (double)said.rows;
        cli_say(a, "out of domain: %.1f %% of them (of rows like those of training: %.0f %%)\n", 100 * share,
                100 * (1 - WEFT_REMOTE));
        cli_json_number(a, "out_of_domain", share);
    }
    weft_metrics_free(&m);
    weft_predictions_free(&said);
    weft_rows_free(rows);
    return status;
}

/* Columns that the text shows: those that moved most, all that matter. */
enum { LEAST_SHOWN = 5 };

static int by_index(const void *a, const void *b)
{
    double x = (*(const weft_drift *const *)a)->psi, y = (*(const weft_drift *const *)b)->psi;
    return (x < y) - (x > y);
}

static weft_status show_drift(extension *e)
{
    cli_arguments *a = e->arguments;
    weft_drifts drifts;
    weft_status status = weft_drift_measure(e->m.folder.schema, e->train, e->new, &drifts);
    if (status != WEFT_OK)
        return status;
    const weft_drift **order = malloc(((size_t)drifts.count + 1) * sizeof *order);
    if (!order) {
        weft_drifts_free(&drifts);
        return weft_fail(WEFT_ERROR_MEMORY, "drift: memory is short");
    }
    int matter = 0;
    for (int i = 0; i < drifts.count; i++) {
        order[i] = &drifts.list[i];
        matter += weft_drift_matters(&drifts, i);
    }
    qsort(order, (size_t)drifts.count, sizeof *order, by_index);
    cli_say(a, "drift of the new rows against the training rows: %d of %d columns moved beyond chance\n", matter, drifts.count);
    cli_say(a, "  %-28s %9s %9s %9s\n", "column", "distance", "p", "PSI");
    weft_json_writer *w = cli_json(a);
    weft_json_add_key(w, "drift");
    weft_json_open_list(w);
    for (int i = 0; i < drifts.count; i++) {
        const weft_drift *d = order[i];
        bool matters = weft_drift_matters(&drifts, (int)(d - drifts.list));
        if (i < LEAST_SHOWN || matters)
            cli_say(a, "  %-28s %9.4f %9.2g %9.4f%s%s\n", d->feature, d->distance, d->p, d->psi, d->target ? "  the target" : "",
                    matters ? "  moved" : "");
        weft_json_open_object(w);
        cli_json_string(a, "feature", d->feature);
        cli_json_bool(a, "target", d->target);
        cli_json_string(a, "distance_of", d->categories ? "total variation" : "kolmogorov-smirnov");
        cli_json_number(a, "distance", d->distance);
        cli_json_number(a, "p", d->p);
        cli_json_number(a, "psi", d->psi);
        cli_json_bool(a, "moved", matters);
        weft_json_close_object(w);
    }
    weft_json_close_list(w);
    free(order);
    weft_drifts_free(&drifts);
    return WEFT_OK;
}

static weft_status extend(extension *e)
{
    cli_arguments *a = e->arguments;
    const char *folder = cli_positional_at(a, 0), *to = cli_text(a, "out");
    weft_status status = to ? cli_may_write(a, to, "model.safetensors") : WEFT_OK;
    if (status == WEFT_OK)
        status = cli_tabular_open(a, folder, &e->m);
    if (status == WEFT_OK && !e->m.folder.candidates)
        status =
            weft_fail(WEFT_ERROR_ARGUMENT, "%s: is an MLP, which looks at no training rows: there is nothing to extend", folder);
    if (status == WEFT_OK)
        status = read_new(e);
    if (status == WEFT_OK)
        status = weft_tabular_folder_table(folder, &e->m.folder, &e->train);
    if (status == WEFT_OK)
        status = show_before(e);
    if (status == WEFT_OK)
        status = show_drift(e);
    int64_t first = e->m.folder.next_row;
    if (status == WEFT_OK)
        status = weft_candidates_join(e->train, NULL, e->new, first, &e->joined);
    if (status == WEFT_OK)
        status = weft_tabular_folder_change(folder, &e->m.folder, e->joined, first + e->file_rows, to);
    if (status != WEFT_OK)
        return status;
    cli_say(a, "%lld rows added as numbers %lld to %lld; %s now looks at %lld rows\n", (long long)e->new->rows, (long long)first,
            (long long)(first + e->file_rows - 1), to ? to : folder, (long long)e->joined->rows);
    cli_json_integer(a, "candidates", e->joined->rows);
    cli_json_integer(a, "added", e->new->rows);
    cli_json_integer(a, "first_row", first);
    return WEFT_OK;
}

static weft_status run(cli_arguments *arguments)
{
    extension e = {.arguments = arguments};
    int lock = -1;
    weft_status status = weft_candidates_lock(cli_positional_at(arguments, 0), &lock);
    if (status == WEFT_OK)
        status = extend(&e);
    weft_table_free(e.train);
    weft_table_free(e.new);
    weft_table_free(e.joined);
    cli_tabular_close(&e.m);
    if (lock >= 0)
        close(lock);
    return status;
}

const cli_command cli_tabular_extend = {
    .name = "tabular",
    .action = "extend",
    .summary = "add labelled rows that a TabR model looks at, without training",
    .description =
        "Predictions rest on the new rows at once; weights, scaling and calibration stay as they are. Their numbers go on from "
        "the training file's row count, and forget takes them away again. DIR changes in one step: a process killed at any "
        "moment leaves the old rows or the new ones.\n\n"
        "Prints how well the model predicted the new rows before, how many of them are out of its domain, and the drift of each "
        "column: Kolmogorov-Smirnov distance (categories: total variation), its p, and the population stability index (PSI; "
        "below 0.1 little, above 0.25 much). A column has moved when p is below 0.01 after dividing by the number of columns "
        "and PSI or distance is above 0.1.",
    .positionals = files,
    .options = options,
    .example = "weft tabular extend houses sold-in-may.csv\nweft tabular extend houses sold-in-may.csv --out houses-may",
    .run = run,
};
