/* What `weft tabular train` and `tune` share: options of a table and of a model, reading the one, configuring the other. */
#include "cli/tabular.h"
#include "tabular/presets.h"

#include <stdlib.h>
#include <string.h>

weft_status cli_tabular_check_parts(cli_arguments *a)
{
    if (!cli_text(a, "target")[0])
        return cli_misuse(a, "--target needs the name of a column");
    if (cli_text(a, "split") && (cli_text(a, "val") || cli_text(a, "test")))
        return cli_misuse(a, "--split and --val or --test exclude each other");
    if (cli_text(a, "test") && !cli_text(a, "val"))
        return cli_misuse(a, "--test needs --val beside it");
    static const char *const drawn[] = {"val-share", "test-share", "group"};
    for (int i = 0; i < 3; i++)
        if (cli_given(a, drawn[i]) && (cli_text(a, "split") || cli_text(a, "val")))
            return cli_misuse(a, "--%s is for parts that are drawn, and --%s gives them", drawn[i],
                              cli_text(a, "split") ? "split" : "val");
    return WEFT_OK;
}

static weft_status join(cli_arguments *a, const char *name, weft_text *out)
{
    const char *const *items;
    int n = cli_list(a, name, &items);
    for (int i = 0; i < n; i++) {
        weft_text_add(out, "%s", i ? "," : "");
        weft_csv_add_field(out, items[i], strlen(items[i]));
    }
    return out->failed ? weft_fail(WEFT_ERROR_MEMORY, "--%s: memory is short", name) : WEFT_OK;
}

weft_status cli_tabular_prepare(cli_arguments *a, weft_prepared *out)
{
    static const char *const scalings[] = {"quantile", "standard", "none"};
    weft_text categorical = {0}, drop = {0};
    weft_prepare_options o = {.data = cli_positional_at(a, 0),
                              .split = cli_text(a, "split"),
                              .val = cli_text(a, "val"),
                              .test = cli_text(a, "test"),
                              .val_share = cli_number(a, "val-share"),
                              .test_share = cli_number(a, "test-share"),
                              .group = cli_text(a, "group"),
                              .threads = (int)cli_int(a, "threads")};
    o.schema = (weft_schema_options){.target = cli_text(a, "target"), .task = -1, .seed = (uint64_t)cli_int(a, "seed")};
    for (int i = 0; i < WEFT_TASKS && cli_text(a, "task"); i++)
        if (strcmp(cli_text(a, "task"), weft_task_names[i]) == 0)
            o.schema.task = i;
    for (int i = 0; i < 3; i++)
        if (strcmp(cli_text(a, "preprocess"), scalings[i]) == 0)
            o.schema.scaling = (weft_scaling)i;
    weft_status status = join(a, "categorical", &categorical);
    if (status == WEFT_OK)
        status = join(a, "drop", &drop);
    o.schema.categorical = categorical.data;
    o.schema.drop = drop.data;
    weft_schema_wishes *wishes = NULL;
    if (status == WEFT_OK && cli_text(a, "schema"))
        status = weft_schema_wishes_load(cli_text(a, "schema"), &wishes);
    o.schema.wishes = wishes;
    if (status == WEFT_OK)
        status = weft_prepare(&o, out);
    weft_schema_wishes_free(wishes);
    weft_text_free(&categorical);
    weft_text_free(&drop);
    if (status != WEFT_OK)
        return status;
    weft_text text = {0};
    weft_schema_print(out->schema, &text);
    cli_say(a, "%s\n", text.data ? text.data : "");
    weft_text_free(&text);
    cli_tabular_warn(out->warnings.data);
    return WEFT_OK;
}

/* The table decides on columns and task, whatever a file says. */
static weft_status check_columns(cli_arguments *a, const weft_schema *schema, const weft_tabular_config *c)
{
    weft_tabular_config seen = {0};
    weft_status status = weft_tabular_config_from_schema(schema, &seen);
    bool same = seen.n_num_features == c->n_num_features && seen.n_bin_features == c->n_bin_features && seen.n_cat == c->n_cat &&
                seen.task == c->task && seen.n_classes == c->n_classes;
    weft_tabular_config_free(&seen);
    if (status == WEFT_OK && !same)
        status = weft_fail(WEFT_ERROR_ARGUMENT, "%s: its columns or task are not those of %s", cli_text(a, "config"),
                           cli_positional_at(a, 0));
    return status;
}

weft_status cli_tabular_measure(cli_arguments *a, weft_task task, const weft_measure **out)
{
    *out = NULL;
    return cli_text(a, "metric") ? weft_measure_find(cli_text(a, "metric"), task, out) : WEFT_OK;
}

weft_status cli_tabular_configure(cli_arguments *a, const weft_prepared *prepared, weft_tabular_config *c, weft_fit_options *fit,
                                  weft_json **given)
{
    *given = NULL;
    *c = weft_tabular_default();
    *fit = weft_fit_default(prepared->part[WEFT_PART_TRAIN]->rows);
    weft_tabular_preset(cli_text(a, "arch"), prepared->schema->n_num > 0, c, fit); /* nothing to embed without numbers */
    weft_status status = weft_tabular_config_from_schema(prepared->schema, c);
    if (status == WEFT_OK && cli_text(a, "config"))
        status = cli_tabular_config(cli_text(a, "config"), c, fit, given);
    if (status == WEFT_OK)
        status = check_columns(a, prepared->schema, c);
    if (cli_given(a, "context-size"))
        c->context_size = cli_int(a, "context-size");
    if (cli_given(a, "batch-size"))
        fit->batch_size = cli_int(a, "batch-size");
    if (status == WEFT_OK)
        status = cli_tabular_measure(a, c->task, &fit->measure);
    fit->max_epochs = cli_int(a, "epochs");
    fit->patience = cli_int(a, "patience");
    fit->seed = (uint64_t)cli_int(a, "seed");
    fit->target_mean = prepared->schema->target_mean;
    fit->target_sd = c->task == WEFT_TASK_REGRESSION ? prepared->schema->target_sd : 1;
    return status == WEFT_OK ? weft_tabular_config_check(c, "the model") : status;
}

weft_status cli_tabular_rows(const weft_tabular_config *config, const weft_prepared *prepared, weft_fit_options *fit,
                             weft_rows_data *out[WEFT_PARTS])
{
    weft_status status = WEFT_OK;
    for (int part = 0; part < WEFT_PARTS && status == WEFT_OK; part++)
        if (prepared->part[part])
            status = weft_rows_from_table(config, prepared->part[part], &out[part]);
    for (int part = 0; part < WEFT_PARTS && status == WEFT_OK; part++)
        if (out[part])
            fit->rows_sum = weft_rows_sum(out[part], fit->rows_sum);
    return status;
}

void cli_tabular_origin_of(const cli_arguments *a, int threads, const char *level, cli_tabular_origin *out)
{
    static const char *const more[] = {"split", "val", "test"};
    *out = (cli_tabular_origin){.command = {cli_command_line(a)}, .data = {cli_positional_at(a, 0)}};
    out->info = (weft_run_info){
        .command = out->command, .command_count = 1, .data = out->data, .data_count = 1, .threads = threads, .level = level};
    for (int i = 0; i < 3; i++)
        if (cli_text(a, more[i]))
            out->data[out->info.data_count++] = cli_text(a, more[i]);
}
