/* weft tabular train */
#include "base/files.h"
#include "cli/cli.h"
#include "cli/tabular.h"
#include "tabular/ensemble.h"
#include "tabular/presets.h"
#include "tabular/scales.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const cli_positional files[] = {{"DATA.csv", 1, 1, "the table, with a header line"}, {0}};

static const cli_option options[] = {
    CLI_TABULAR_TABLE_ROWS,
    {.name = "ensemble",
     .value = "N",
     .kind = CLI_INT,
     .least = 1,
     .most = WEFT_TABULAR_MAX_MEMBERS,
     .otherwise = "1",
     .help = "train N models with the seeds S, S + 1, … and predict their mean",
     .group = "Model"},
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
    {.name = "context-freeze",
     .value = "EPOCH",
     .kind = CLI_INT,
     .least = 0,
     .most = CLI_ANY,
     .help = "after EPOCH epochs keep the training rows that each row looks at: faster steps (TabR)",
     .group = "Training"},
    {.name = "resume", .kind = CLI_FLAG, .help = "go on with the unfinished run in DIR", .group = "Training"},
    {.name = "force", .kind = CLI_FLAG, .help = "write over a finished model", .group = "Training"},
    {0},
};

static const char report_file[] = "report.html";

typedef struct train_run {
    cli_arguments *arguments;
    weft_tabular_folder folder; /* config and params while training */
    weft_prepared prepared;
    weft_rows_data *rows[WEFT_PARTS];
    weft_fit_options fit;
    weft_progress *progress;
    weft_report_run report;
    int64_t members;    /* of an ensemble */
    bool leaves_scale;  /* the options leave the frequency scale open */
    bool chooses_scale; /* and it is chosen, or was, by trainings that are there */
    double scale_score[WEFT_SCALES];
    const char *out;
    bool begun;  /* `out` holds an unfinished run */
    bool untold; /* it holds a finished one, killed before it was evaluated */
} train_run;

static weft_status configure(train_run *t)
{
    cli_arguments *a = t->arguments;
    weft_json *given = NULL;
    weft_status status = cli_tabular_configure(a, &t->prepared, &t->folder.config, &t->fit, &given);
    t->leaves_scale = t->chooses_scale = status == WEFT_OK && cli_tabular_chooses_scale(a, &t->folder.config, given);
    weft_json_free(given);
    if (cli_given(a, "lr"))
        t->fit.lr = cli_number(a, "lr");
    if (cli_given(a, "weight-decay"))
        t->fit.weight_decay = cli_number(a, "weight-decay");
    if (status == WEFT_OK && cli_given(a, "context-freeze")) {
        if (t->folder.config.arch != WEFT_TABULAR_TABR)
            return weft_fail(WEFT_ERROR_ARGUMENT, "--context-freeze: an MLP looks at no training rows");
        t->fit.context_freeze = cli_int(a, "context-freeze");
    }
    if (cli_given(a, "ensemble"))
        t->folder.config.members = cli_int(a, "ensemble");
    t->members = t->folder.config.members;
    t->folder.config.members = 1; /* of each, while it trains */
    return status;
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
    const weft_measure *measure = weft_fit_measure(&t->folder.config, &t->fit);
    double value = weft_measure_value(measure, val);
    if (!cli_quiet(t->arguments))
        cli_say(t->arguments, "epoch %3lld  train loss %.4f  validation %s %.5g%s\n", (long long)epoch + 1, train_loss,
                measure->title, value, best ? "  *" : "");
    weft_report_run_epoch(&t->report, train_loss, value);
}

static void on_member(void *user, int64_t member, const weft_train_result *result)
{
    train_run *t = user;
    weft_progress_free(t->progress);
    t->progress = NULL;
    if (cli_quiet(t->arguments))
        return;
    if (result)
        cli_say(t->arguments, "best epoch %lld of %lld\n", (long long)result->best_epoch + 1, (long long)result->epochs);
    else
        cli_say(t->arguments, "%smember %lld of %lld, seed %lld\n", member ? "\n" : "", (long long)member + 1,
                (long long)t->members, (long long)cli_int(t->arguments, "seed") + (long long)member);
}

/* Removes OUT/report.html: with a model beside it, it says that a run came to its end. */
static weft_status drop_report(const char *out)
{
    char *path = weft_path_join(out, report_file);
    weft_status status = path ? weft_file_remove(path) : weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", out);
    free(path);
    return status;
}

static weft_status on_finish(void *user)
{
    train_run *t = user;
    weft_status status = drop_report(t->out);
    if (status != WEFT_OK)
        return status;
    weft_tabular_config whole = t->folder.config;
    whole.members = t->members;
    return weft_tabular_folder_save(t->out, &whole, t->prepared.schema, t->folder.params, t->prepared.part[WEFT_PART_TRAIN]);
}

/* ---- the run ---- */

/* A few epochs with each frequency scale, where none is given. */
static weft_status choose_scale(train_run *t, weft_engine *engine)
{
    weft_status status =
        weft_scale_choose(engine, &t->folder.config, t->rows[WEFT_PART_TRAIN], t->rows[WEFT_PART_VAL], &t->fit, t->scale_score);
    weft_progress_free(t->progress);
    t->progress = NULL;
    if (status == WEFT_OK)
        cli_tabular_scales(t->arguments, &t->folder.config, &t->fit, t->rows[WEFT_PART_TRAIN]->rows, t->scale_score);
    return status;
}

/* epochs: of all members together; best_epoch: of the first (the report says those of the others) */
static void tell_epochs(train_run *t, const weft_train_result *results, double seconds)
{
    cli_arguments *a = t->arguments;
    int64_t epochs = 0;
    for (int64_t k = 0; k < t->members; k++)
        epochs += results[k].epochs;
    if (t->members == 1)
        cli_say(a, "best epoch %lld of %lld, %.1f seconds\n\n", (long long)results[0].best_epoch + 1, (long long)epochs, seconds);
    else
        cli_say(a, "%lld members, %lld epochs, %.1f seconds\n\n", (long long)t->members, (long long)epochs, seconds);
    cli_json_string(a, "task", weft_task_names[t->folder.config.task]);
    cli_json_string(a, "metric", weft_fit_measure(&t->folder.config, &t->fit)->name);
    cli_json_integer(a, "members", t->members);
    cli_json_integer(a, "epochs", epochs);
    cli_json_integer(a, "best_epoch", results[0].best_epoch + 1);
    cli_json_number(a, "seconds", seconds);
}

static weft_status tell_results(train_run *t, weft_engine *engine, const weft_train_result *results, double seconds)
{
    cli_arguments *a = t->arguments;
    tell_epochs(t, results, seconds);
    weft_status status = weft_report_run_load(&t->report, t->out);
    if (status != WEFT_OK)
        return status;
    if (t->chooses_scale)
        weft_report_run_scales(&t->report, &t->folder.config, t->scale_score);
    weft_report_run_training(&t->report, results, seconds);
    status = cli_tabular_parts(a, engine, &t->folder.config, t->folder.params, &t->prepared, t->rows, &t->fit, &t->report);
    if (status == WEFT_OK)
        status = weft_report_run_save(&t->report, t->out);
    if (status == WEFT_OK)
        cli_say(a,
                "\nThe model is in %s; look at %s/report.html, or predict:\n  weft tabular predict %s NEW.csv --out "
                "predictions.csv\n",
                t->out, t->out, t->out);
    return status;
}

/* A single model's run is not gone on with as an ensemble's, nor the other way round. */
static weft_status check_resumed(const train_run *t)
{
    if (t->members == 1 && weft_members_begun(t->out))
        return weft_fail(WEFT_ERROR_ARGUMENT,
                         "%s: its run was begun with --ensemble: resume it with the same options, or begin anew", t->out);
    if (t->members > 1 && weft_checkpoint_exists(t->out))
        return weft_fail(WEFT_ERROR_ARGUMENT,
                         "%s: its run was begun without --ensemble: resume it with the same options, or begin anew", t->out);
    return WEFT_OK;
}

/* The model of a finished run, if these options are those that it was trained with. */
static weft_status open_trained(train_run *t)
{
    weft_tabular_folder kept;
    weft_text mine = {0}, theirs = {0};
    weft_status status = weft_run_same(t->out, t->fit.run, t->fit.seed);
    if (status == WEFT_OK)
        status = weft_tabular_folder_open(t->out, &kept);
    if (status != WEFT_OK)
        return status;
    if (t->leaves_scale)
        t->folder.config.num_embeddings.frequency_scale = kept.config.num_embeddings.frequency_scale;
    weft_fit_settings(&t->folder.config, &t->fit, &mine);
    kept.config.members = 1;
    weft_fit_settings(&kept.config, &t->fit, &theirs);
    if (mine.failed || theirs.failed)
        status = weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", t->out);
    else
        status = weft_settings_same(t->out, theirs.data, mine.data);
    if (status == WEFT_OK) {
        weft_params_free(t->folder.params);
        t->folder.params = kept.params;
        kept.params = NULL;
    }
    weft_text_free(&mine);
    weft_text_free(&theirs);
    weft_tabular_folder_close(&kept);
    return status;
}

static weft_status fit(train_run *t, weft_engine *engine, weft_train_result *results)
{
    if (!t->untold)
        return weft_fit_members(engine, &t->folder.config, t->folder.params, t->rows[WEFT_PART_TRAIN], t->rows[WEFT_PART_VAL],
                                &t->fit, t->members, results);
    weft_status status = weft_fit_results(t->out, t->members, results);
    return status == WEFT_OK ? open_trained(t) : status;
}

static weft_status train(train_run *t)
{
    cli_arguments *a = t->arguments;
    weft_engine *engine = cli_engine(a);
    if (!engine)
        return WEFT_ERROR_MEMORY;
    weft_status status = weft_params_new(&t->folder.params);
    if (status == WEFT_OK)
        status = cli_tabular_rows(&t->folder.config, &t->prepared, &t->fit, t->rows);
    if (status != WEFT_OK)
        return status;
    cli_tabular_origin origin;
    cli_tabular_origin_of(a, weft_engine_threads(engine), weft_engine_level(engine), &origin);
    t->fit.folder = t->out;
    t->fit.resume = cli_flag(a, "resume");
    t->fit.run = &origin.info;
    t->fit.user = t;
    t->fit.progress = on_progress;
    t->fit.epoch = on_epoch;
    t->fit.finish = on_finish;
    t->fit.member = t->members > 1 ? on_member : NULL;
    if (t->fit.resume && (status = check_resumed(t)) != WEFT_OK)
        return status;
    if (t->begun && !t->fit.resume &&
        ((status = weft_run_forget(t->out)) != WEFT_OK || (status = weft_members_forget(t->out)) != WEFT_OK ||
         (status = weft_scales_forget(t->out)) != WEFT_OK))
        return status;
    if (t->fit.resume) /* a run that chose one goes on with its trainings, or with what they came to */
        t->chooses_scale &= weft_scales_kept(t->out);
    if (t->chooses_scale && (status = choose_scale(t, engine)) != WEFT_OK)
        return status;
    t->fit.resume &= !t->chooses_scale || weft_run_begun(t->out);
    weft_train_result *results = calloc((size_t)t->members, sizeof *results);
    if (!results)
        return weft_fail(WEFT_ERROR_MEMORY, "training: memory is short");
    double begin = weft_clock();
    status = fit(t, engine, results);
    t->folder.config.members = t->members;
    weft_progress_free(t->progress);
    t->progress = NULL;
    if (status == WEFT_OK)
        status = tell_results(t, engine, results, weft_clock() - begin);
    if (status == WEFT_OK)
        status = weft_scales_forget(t->out);
    free(results);
    return status;
}

/* Refuses a folder that holds a model or an unfinished run, unless it was said what to do with it. */
static weft_status check_folder(train_run *t)
{
    cli_arguments *a = t->arguments;
    const char *out = t->out;
    bool finished = weft_run_finished(out);
    char *report = weft_path_join(out, report_file), *model = weft_path_join(out, "model.safetensors");
    t->begun = (weft_checkpoint_exists(out) && !finished) || weft_members_begun(out) || weft_scales_begun(out);
    t->untold = finished && model && weft_path_exists(model) && report && !weft_path_exists(report);
    free(report);
    free(model);
    if (cli_flag(a, "resume")) { /* the run's own files decide; a kill in a run's last moment leaves both it and the model */
        if (t->begun || t->untold || (weft_run_begun(out) && !finished))
            return WEFT_OK;
        return weft_run_begun(out) ? weft_fail(WEFT_ERROR_ARGUMENT, "%s: its run is finished, there is nothing to resume", out)
                                   : weft_fail(WEFT_ERROR_ARGUMENT, "%s: holds no run to resume (no run.json)", out);
    }
    t->untold = false;
    if (t->begun && !cli_flag(a, "force"))
        return weft_fail(WEFT_ERROR_FILE, "%s holds an unfinished run; go on with it by --resume, or begin anew with --force",
                         out);
    return cli_may_write(a, out, "model.safetensors");
}

static weft_status run(cli_arguments *arguments)
{
    if (cli_tabular_check_parts(arguments) != WEFT_OK)
        return WEFT_ERROR_ARGUMENT;
    train_run t = {.arguments = arguments, .out = cli_text(arguments, "out")};
    weft_status status = check_folder(&t);
    if (status == WEFT_OK)
        status = cli_tabular_prepare(arguments, &t.prepared);
    if (status == WEFT_OK)
        status = configure(&t);
    if (status == WEFT_OK)
        status = weft_report_run_open(&t.report, cli_text(arguments, "arch"), cli_positional_at(arguments, 0), &t.folder.config,
                                      weft_fit_measure(&t.folder.config, &t.fit), t.prepared.schema);
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
        "DIR gets config.json, model.safetensors, schema.json, candidates.safetensors (TabR: the training rows), "
        "calibration.safetensors, split.csv (the part of each row, for eval --split), run.json, metrics.jsonl and report.html.",
    .positionals = files,
    .options = options,
    .example = "weft tabular train houses.csv --target price --out houses\nweft tabular predict houses new.csv --out prices.csv "
               "--neighbors 5",
    .run = run,
};
