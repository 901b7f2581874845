/* What the tabular commands share: opening a model, reading labelled rows, metrics for people and for scripts. */
#include "cli/tabular.h"
#include "tabular/split.h"

#include <stdlib.h>
#include <string.h>

void cli_tabular_metrics(cli_arguments *a, const char *part, const weft_metrics *m, const weft_schema *schema)
{
    weft_text text = {0};
    const char *const *classes = weft_schema_classes(schema);
    weft_metrics_print(m, classes, &text);
    if (part)
        cli_say(a, "%s (%lld rows)\n", part, (long long)m->rows);
    cli_say(a, "%s", text.data ? text.data : "");
    weft_text_free(&text);
    if (part) {
        weft_json_add_key(cli_json(a), part);
        weft_json_open_object(cli_json(a));
    }
    weft_metrics_write(m, classes, cli_json(a));
    if (part)
        weft_json_close_object(cli_json(a));
}

weft_status cli_tabular_duplicates(cli_arguments *a, const weft_tabular_config *c, const weft_schema *schema,
                                   const weft_table *table, const weft_table *train, const weft_rows_data *rows,
                                   const double *value)
{
    int64_t count = 0, n = table->rows, width = weft_tabular_outputs(c);
    bool *same = malloc((size_t)n + 1);
    double *values = malloc((size_t)(n * (width + 1) + 1) * sizeof *values);
    weft_metrics m = {0};
    weft_status status = same && values ? weft_table_duplicates(table, train, same, &count)
                                        : weft_fail(WEFT_ERROR_MEMORY, "evaluation: memory is short");
    if (status == WEFT_OK && count > 0 && count < n) {
        memcpy(values, value, (size_t)(n * width) * sizeof *values);
        double *truth = values + n * width;
        bool regression = c->task == WEFT_TASK_REGRESSION;
        for (int64_t i = 0; regression && i < n; i++) {
            values[i] = weft_schema_unscale(schema, values[i]);
            truth[i] = weft_schema_unscale(schema, (double)rows->y[i]);
        }
        status = weft_metrics_part(c->task, values, regression ? truth : NULL, rows->label, n, (int)c->n_classes, 0x1p-23, same,
                                   false, &m);
        if (status == WEFT_OK) {
            cli_say(a, "%lld of these rows have an identical training row; without them:\n", (long long)count);
            cli_tabular_metrics(a, "without_duplicates", &m, schema);
        }
        weft_metrics_free(&m);
    }
    cli_json_integer(a, "duplicates", count);
    free(same);
    free(values);
    return status;
}

void cli_tabular_warn(const char *lines)
{
    for (const char *end; lines && (end = strchr(lines, '\n')) != NULL; lines = end + 1)
        weft_log(WEFT_LOG_WARNING, "%.*s", (int)(end - lines), lines);
}

static weft_status warn_of_training_rows(const char *folder, const weft_tabular_folder *f, const weft_table *table)
{
    if (!f->candidates)
        return WEFT_OK;
    weft_table *train = NULL;
    bool *same = malloc((size_t)table->rows + 1);
    int64_t count = 0;
    weft_status status =
        same ? weft_tabular_folder_table(folder, f, &train) : weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", folder);
    if (status == WEFT_OK)
        status = weft_table_duplicates(table, train, same, &count);
    if (status == WEFT_OK && count > 0)
        weft_log(WEFT_LOG_WARNING,
                 "%lld of these %lld rows have an identical training row; what is fitted on such rows is too sure of new ones",
                 (long long)count, (long long)table->rows);
    weft_table_free(train);
    free(same);
    return status;
}

weft_status cli_tabular_open(cli_arguments *a, const char *folder, cli_tabular_model *out)
{
    *out = (cli_tabular_model){0};
    weft_engine *engine = cli_engine(a);
    weft_status status = engine ? weft_tabular_folder_open(folder, &out->folder) : WEFT_ERROR_MEMORY;
    return status == WEFT_OK ? weft_tabular_model_new(engine, &out->folder, &out->model) : status;
}

void cli_tabular_close(cli_tabular_model *m)
{
    weft_tabular_model_free(m->model);
    weft_tabular_folder_close(&m->folder);
    m->model = NULL;
}

weft_status cli_tabular_check_split(cli_arguments *a)
{
    return cli_given(a, "part") && !cli_text(a, "split") ? cli_misuse(a, "--part needs --split beside it") : WEFT_OK;
}

weft_status cli_tabular_labelled(cli_arguments *a, const char *path, const weft_schema *schema, weft_table **out)
{
    *out = NULL;
    weft_csv *csv = NULL, *parts = NULL;
    weft_split split = {0};
    weft_csv_options threads = {.threads = (int)cli_int(a, "threads")};
    weft_status status = weft_csv_read(path, &threads, &csv);
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
        status = weft_fail(WEFT_ERROR_ARGUMENT, "%s: none of these rows has a target", path);
    if (status == WEFT_OK)
        cli_tabular_warn((*out)->notes.data);
    weft_split_free(&split);
    weft_csv_free(parts);
    weft_csv_free(csv);
    return status;
}

void cli_tabular_number(weft_text *out, double value)
{
    weft_text number = {0};
    weft_json_writer w = weft_json_to(&number, 0);
    weft_json_add_float(&w, (float)value);
    weft_text_add(out, "%s", number.data ? number.data : "");
    weft_text_free(&number);
}

weft_status cli_tabular_rows_to_fit(cli_arguments *a, const weft_tabular_folder *f, weft_rows_data **out)
{
    weft_table *table = NULL;
    weft_status status = cli_tabular_labelled(a, cli_positional_at(a, 1), f->schema, &table);
    if (status == WEFT_OK)
        status = warn_of_training_rows(cli_positional_at(a, 0), f, table);
    if (status == WEFT_OK)
        status = weft_rows_from_table(&f->config, table, out);
    weft_table_free(table);
    return status;
}
