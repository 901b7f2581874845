/* weft tabular train */
#include "base/files.h"
#include "cli/cli.h"
#include "cli/tabular.h"
#include "tabular/folder.h"
#include "tabular/prepare.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const cli_positional files[] = {{"DATA.csv", 1, 1, "the table, with a header line"}, {0}};

static const cli_option options[] = {
    {.name = "target", .value = "COL", .kind = CLI_TEXT, .help = "the column to predict", .traits = CLI_REQUIRED},
    {.name = "out", .value = "DIR", .kind = CLI_PATH, .help = "the model's folder", .traits = CLI_REQUIRED},
    {.name = "arch",
     .value = "NAME",
     .kind = CLI_CHOICE,
     .choices = "tabr-s|tabr|mlp-plr|mlp",
     .otherwise = "tabr-s",
     .help = "the model",
     .group = "Model"},
    {.name = "context-size",
     .value = "N",
     .kind = CLI_INT,
     .least = 1,
     .most = 65536,
     .otherwise = "96",
     .help = "training rows that each row looks at",
     .group = "Model"},
    {.name = "config",
     .value = "F.json",
     .kind = CLI_PATH,
     .help = "any keys of the model's config.json, and lr, weight_decay, batch_size",
     .group = "Model"},
    {.name = "task",
     .value = "TASK",
     .kind = CLI_CHOICE,
     .choices = "regression|binary|multiclass",
     .help = "instead of what the target's values suggest",
     .group = "Table"},
    {.name = "categorical", .value = "A,B", .kind = CLI_LIST, .help = "columns to read as categories", .group = "Table"},
    {.name = "drop", .value = "A,B", .kind = CLI_LIST, .help = "columns to leave out", .group = "Table"},
    {.name = "preprocess",
     .value = "HOW",
     .kind = CLI_CHOICE,
     .choices = "quantile|standard|none",
     .otherwise = "quantile",
     .help = "how numbers are scaled",
     .group = "Table"},
    {.name = "split",
     .value = "F.csv",
     .kind = CLI_PATH,
     .help = "a header \"split\", then 0 (train), 1 (validation) or 2 (test) a data row",
     .group = "Table"},
    {.name = "val", .value = "F.csv", .kind = CLI_PATH, .help = "validation rows in a file of their own", .group = "Table"},
    {.name = "test", .value = "F.csv", .kind = CLI_PATH, .help = "test rows in a file of their own", .group = "Table"},
    {.name = "epochs",
     .value = "N",
     .kind = CLI_INT,
     .least = 1,
     .most = CLI_ANY,
     .help = "at most so many passes over the training rows",
     .group = "Training"},
    {.name = "patience",
     .value = "N",
     .kind = CLI_INT,
     .least = 0,
     .most = CLI_ANY,
     .otherwise = "16",
     .help = "stop after more than N epochs without a better validation score",
     .group = "Training"},
    {.name = "batch-size",
     .value = "N",
     .kind = CLI_INT,
     .least = 1,
     .most = 1 << 20,
     .help = "rows a step; by default 32 to 1024 by the number of training rows",
     .group = "Training"},
    {.name = "lr",
     .value = "RATE",
     .kind = CLI_NUMBER,
     .least = 0,
     .most = 10,
     .help = "learning rate of AdamW",
     .group = "Training",
     .traits = CLI_ABOVE_LEAST},
    {.name = "weight-decay",
     .value = "W",
     .kind = CLI_NUMBER,
     .least = 0,
     .most = 10,
     .help = "decoupled weight decay",
     .group = "Training"},
    {.name = "resume", .kind = CLI_FLAG, .help = "go on with the unfinished run in DIR", .group = "Training"},
    {.name = "force", .kind = CLI_FLAG, .help = "write over a finished model", .group = "Training"},
    {0},
};

/* The presets of --arch. */
static const struct {
    const char *name;
    weft_tabular_arch arch;
    weft_numeric_embedding embedding;
} archs[] = {
    {"tabr-s", WEFT_TABULAR_TABR, {0}},
    {"tabr", WEFT_TABULAR_TABR, {WEFT_NUMERIC_PLR_LITE, 24, 48, 0.05}},
    {"mlp-plr", WEFT_TABULAR_MLP, {WEFT_NUMERIC_PLR_LITE, 24, 48, 0.05}},
    {"mlp", WEFT_TABULAR_MLP, {0}},
};

typedef struct train_run {
    cli_arguments *arguments;
    weft_tabular_folder folder; /* config and params while training */
    weft_prepared prepared;
    weft_rows_data *rows[WEFT_PARTS];
    weft_fit_options fit;
    weft_progress *progress;
    weft_report_run report;
    const char *out;
    bool begun; /* `out` holds an unfinished run */
} train_run;

static weft_status join(cli_arguments *a, const char *name, weft_text *out)
{
    const char *const *items;
    int n = cli_list(a, name, &items);
    for (int i = 0; i < n; i++)
        weft_text_add(out, "%s%s", i ? "," : "", items[i]);
    return out->failed ? weft_fail(WEFT_ERROR_MEMORY, "--%s: memory is short", name) : WEFT_OK;
}

static weft_status prepare(train_run *t)
{
    cli_arguments *a = t->arguments;
    static const char *const scalings[] = {"quantile", "standard", "none"};
    weft_text categorical = {0}, drop = {0};
    weft_prepare_options o = {.data = cli_positional_at(a, 0),
                              .split = cli_text(a, "split"),
                              .val = cli_text(a, "val"),
                              .test = cli_text(a, "test"),
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
    if (status == WEFT_OK)
        status = weft_prepare(&o, &t->prepared);
    weft_text_free(&categorical);
    weft_text_free(&drop);
    return status;
}

static weft_status configure(train_run *t)
{
    cli_arguments *a = t->arguments;
    weft_tabular_config *c = &t->folder.config;
    *c = weft_tabular_default();
    t->fit = weft_fit_default(t->prepared.part[WEFT_PART_TRAIN]->rows);
    for (size_t i = 0; i < sizeof archs / sizeof archs[0]; i++)
        if (strcmp(cli_text(a, "arch"), archs[i].name) == 0) {
            c->arch = archs[i].arch;
            if (t->prepared.schema->n_num > 0) /* nothing to embed without numbers */
                c->num_embeddings = archs[i].embedding;
        }
    weft_status status = weft_tabular_config_from_schema(t->prepared.schema, c);
    if (status == WEFT_OK && cli_text(a, "config"))
        status = cli_tabular_config(cli_text(a, "config"), c, &t->fit);
    if (status != WEFT_OK)
        return status;
    weft_tabular_config seen = {0}; /* the table decides on columns and task, whatever a file says */
    if ((status = weft_tabular_config_from_schema(t->prepared.schema, &seen)) == WEFT_OK) {
        bool same = seen.n_num_features == c->n_num_features && seen.n_bin_features == c->n_bin_features &&
                    seen.n_cat == c->n_cat && seen.task == c->task && seen.n_classes == c->n_classes;
        if (!same)
            status = weft_fail(WEFT_ERROR_ARGUMENT, "%s: its columns or task are not those of %s", cli_text(a, "config"),
                               cli_positional_at(a, 0));
    }
    weft_tabular_config_free(&seen);
    if (cli_given(a, "context-size"))
        c->context_size = cli_int(a, "context-size");
    if (cli_given(a, "lr"))
        t->fit.lr = cli_number(a, "lr");
    if (cli_given(a, "weight-decay"))
        t->fit.weight_decay = cli_number(a, "weight-decay");
    if (cli_given(a, "batch-size"))
        t->fit.batch_size = cli_int(a, "batch-size");
    return status == WEFT_OK ? weft_tabular_config_check(c, "the model") : status;
}

/* ---- while it trains ---- */

static void on_progress(void *user, const char *phase, int64_t done, int64_t total, const char *note)
{
    train_run *t = user;
    if (strcmp(phase, "training") != 0)
        return;
    if (!t->progress)
        t->progress = weft_progress_new(cli_progress, t->arguments, "training", total, "steps");
    weft_progress_update(t->progress, done, "%s", note ? note : "");
}

static void on_epoch(void *user, int64_t epoch, double train_loss, const weft_metrics *val, bool best)
{
    train_run *t = user;
    bool regression = val->task == WEFT_TASK_REGRESSION;
    double score = regression ? val->rmse : val->accuracy;
    if (!cli_quiet(t->arguments))
        cli_say(t->arguments, "epoch %3lld  train loss %.4f  validation %s %.5g%s\n", (long long)epoch + 1, train_loss,
                regression ? "RMSE" : "accuracy", score, best ? "  *" : "");
    weft_report_run_epoch(&t->report, train_loss, score);
}

static weft_status on_finish(void *user)
{
    train_run *t = user;
    return weft_tabular_folder_save(t->out, &t->folder.config, t->prepared.schema, t->folder.params,
                                    t->prepared.part[WEFT_PART_TRAIN]);
}

/* ---- results ---- */

static weft_status evaluate_parts(train_run *t, weft_engine *engine)
{
    weft_predictor *p = NULL;
    weft_status status = weft_predictor_new(engine, &t->folder.config, t->folder.params, t->rows[WEFT_PART_TRAIN], &p);
    for (int part = 0; part < WEFT_PARTS && status == WEFT_OK; part++) {
        weft_rows_data *rows = t->rows[part];
        if (!rows)
            continue;
        int64_t width = weft_tabular_outputs(&t->folder.config);
        double *output = malloc((size_t)(rows->rows * width + 1) * sizeof *output);
        if (!output) {
            status = weft_fail(WEFT_ERROR_MEMORY, "evaluation: memory is short");
            break;
        }
        weft_metrics m = {0};
        bool own = part == WEFT_PART_TRAIN && t->folder.config.arch == WEFT_TABULAR_TABR;
        status = weft_predictor_run(p, rows, own, output, NULL, NULL, NULL);
        if (status == WEFT_OK)
            status = weft_fit_metrics(&t->folder.config, rows, output, t->fit.target_mean, t->fit.target_sd, &m);
        if (status == WEFT_OK) {
            cli_tabular_metrics(t->arguments, weft_part_names[part], &m, t->prepared.schema);
            if (part == WEFT_PART_TEST)
                status = cli_tabular_duplicates(t->arguments, &t->folder.config, t->prepared.schema, t->prepared.part[part],
                                                t->prepared.part[WEFT_PART_TRAIN], rows, output);
            if (part == (t->rows[WEFT_PART_TEST] ? WEFT_PART_TEST : WEFT_PART_VAL))
                weft_report_run_predictions(&t->report, &t->folder.config, t->prepared.schema, rows, output, &m);
        }
        weft_metrics_free(&m);
        free(output);
    }
    weft_predictor_free(p);
    return status;
}

static weft_status train(train_run *t)
{
    cli_arguments *a = t->arguments;
    weft_engine *engine = cli_engine(a);
    if (!engine)
        return WEFT_ERROR_MEMORY;
    weft_status status = weft_params_new(&t->folder.params);
    for (int part = 0; part < WEFT_PARTS && status == WEFT_OK; part++)
        if (t->prepared.part[part])
            status = weft_rows_from_table(&t->folder.config, t->prepared.part[part], &t->rows[part]);
    if (status != WEFT_OK)
        return status;
    const char *command[] = {cli_command_line(a)};
    const char *data[4] = {cli_positional_at(a, 0)};
    int data_count = 1;
    static const char *const more[] = {"split", "val", "test"};
    for (int i = 0; i < 3; i++)
        if (cli_text(a, more[i]))
            data[data_count++] = cli_text(a, more[i]);
    weft_run_info info = {.command = command,
                          .command_count = 1,
                          .data = data,
                          .data_count = data_count,
                          .threads = weft_engine_threads(engine),
                          .level = weft_engine_level(engine)};
    t->fit.max_epochs = cli_int(a, "epochs");
    t->fit.patience = cli_int(a, "patience");
    t->fit.seed = (uint64_t)cli_int(a, "seed");
    t->fit.folder = t->out;
    t->fit.resume = cli_flag(a, "resume");
    t->fit.run = &info;
    t->fit.target_mean = t->prepared.schema->target_mean;
    t->fit.target_sd = t->folder.config.task == WEFT_TASK_REGRESSION ? t->prepared.schema->target_sd : 1;
    t->fit.user = t;
    t->fit.progress = on_progress;
    t->fit.epoch = on_epoch;
    t->fit.finish = on_finish;
    if (t->begun && !t->fit.resume && (status = weft_run_forget(t->out)) != WEFT_OK)
        return status;
    double begin = cli_now();
    weft_train_result result;
    status =
        weft_fit(engine, &t->folder.config, t->folder.params, t->rows[WEFT_PART_TRAIN], t->rows[WEFT_PART_VAL], &t->fit, &result);
    weft_progress_free(t->progress);
    t->progress = NULL;
    double seconds = cli_now() - begin;
    if (status != WEFT_OK)
        return status;
    cli_say(a, "best epoch %lld of %lld, %.1f seconds\n\n", (long long)result.best_epoch + 1, (long long)result.epochs, seconds);
    cli_json_string(a, "task", weft_task_names[t->folder.config.task]);
    cli_json_string(a, "metric", t->folder.config.task == WEFT_TASK_REGRESSION ? "rmse" : "accuracy");
    cli_json_integer(a, "epochs", result.epochs);
    cli_json_integer(a, "best_epoch", result.best_epoch + 1);
    cli_json_number(a, "seconds", seconds);
    if ((status = weft_report_run_load(&t->report, t->out)) != WEFT_OK)
        return status;
    weft_report_run_training(&t->report, &result, seconds);
    status = evaluate_parts(t, engine);
    if (status == WEFT_OK)
        status = weft_report_run_save(&t->report, t->out);
    if (status == WEFT_OK)
        cli_say(a,
                "\nThe model is in %s; look at %s/report.html, or predict:\n  weft tabular predict %s NEW.csv --out "
                "predictions.csv\n",
                t->out, t->out, t->out);
    return status;
}

/* Refuses a folder that holds a model or an unfinished run, unless it was said what to do with it. */
static weft_status check_folder(cli_arguments *a, const char *out, bool *begun)
{
    *begun = weft_checkpoint_exists(out) && !weft_run_finished(out);
    if (cli_flag(a, "resume")) /* the run's own files decide; a kill in a run's last moment leaves both it and the model */
        return WEFT_OK;
    if (*begun && !cli_flag(a, "force"))
        return weft_fail(WEFT_ERROR_FILE, "%s holds an unfinished run; go on with it by --resume, or begin anew with --force",
                         out);
    return cli_may_write(a, out, "model.safetensors");
}

static weft_status run(cli_arguments *arguments)
{
    if (cli_text(arguments, "split") && (cli_text(arguments, "val") || cli_text(arguments, "test")))
        return cli_misuse(arguments, "--split and --val or --test exclude each other");
    if (cli_text(arguments, "test") && !cli_text(arguments, "val"))
        return cli_misuse(arguments, "--test needs --val beside it");
    train_run t = {.arguments = arguments, .out = cli_text(arguments, "out")};
    weft_status status = check_folder(arguments, t.out, &t.begun);
    if (status == WEFT_OK)
        status = prepare(&t);
    if (status == WEFT_OK) {
        weft_text text = {0};
        weft_schema_print(t.prepared.schema, &text);
        cli_say(arguments, "%s\n", text.data ? text.data : "");
        weft_text_free(&text);
        cli_tabular_warn(t.prepared.warnings.data);
        status = configure(&t);
    }
    if (status == WEFT_OK)
        status = weft_report_run_open(&t.report, cli_text(arguments, "arch"), cli_positional_at(arguments, 0), &t.folder.config,
                                      t.prepared.schema);
    if (status == WEFT_OK)
        status = train(&t);
    weft_report_run_close(&t.report);
    for (int part = 0; part < WEFT_PARTS; part++)
        weft_rows_free(t.rows[part]);
    weft_tabular_folder_close(&t.folder);
    weft_prepared_free(&t.prepared);
    return status;
}

const cli_command cli_tabular_train = {
    .name = "tabular",
    .action = "train",
    .summary = "train a model on a CSV and save a folder that predicts",
    .description =
        "The kind of each column is inferred and printed. Training stops when the validation score has not become better for "
        "more than --patience epochs; the best weights are kept. A run that was interrupted or killed goes on with --resume.\n\n"
        "DIR gets config.json, model.safetensors, schema.json, candidates.safetensors (TabR: the training rows), run.json, "
        "metrics.jsonl and report.html.",
    .positionals = files,
    .options = options,
    .example = "weft tabular train houses.csv --target price --out houses\nweft tabular predict houses new.csv --out prices.csv "
               "--neighbors 5",
    .run = run,
};
