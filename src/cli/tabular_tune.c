/* weft tabular tune: a search for a model's settings, in one process or in several. */
#include "base/files.h"
#include "cli/tabular_tune.h"
#include "tabular/ensemble.h"
#include "train/journal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const cli_positional files[] = {{"DATA.csv", 1, 1, "the table, with a header line"}, {0}};

static const cli_option options[] = {
    {.name = "trials",
     .value = "N",
     .kind = CLI_INT,
     .least = 1,
     .most = 100000,
     .otherwise = "100",
     .help = "training runs in all; the first is the model without tuning",
     .group = "Search"},
    {.name = "time",
     .value = "S",
     .kind = CLI_NUMBER,
     .least = 0,
     .most = CLI_ANY,
     .help = "begin no trial later than after S seconds; those that run are finished",
     .group = "Search",
     .traits = CLI_ABOVE_LEAST},
    {.name = "jobs",
     .value = "N",
     .kind = CLI_INT,
     .least = 1,
     .most = CLI_TUNE_MOST_JOBS,
     .otherwise = "1",
     .help = "trials at a time, each in a process of one thread",
     .group = "Search"},
    {.name = "prune",
     .kind = CLI_FLAG,
     .help = "stop trials after 3, 9, 27, … epochs that are not among the better third there",
     .group = "Search"},
    {.name = "ensemble",
     .value = "N",
     .kind = CLI_INT,
     .least = 1,
     .most = WEFT_TABULAR_MAX_MEMBERS,
     .otherwise = "1",
     .help = "at the end train N models with the best settings and keep their mean",
     .group = "Search"},
    CLI_TABULAR_TABLE_ROWS,
    {.name = "resume", .kind = CLI_FLAG, .help = "go on with the search in DIR, or join it", .group = "Training"},
    {.name = "force", .kind = CLI_FLAG, .help = "begin anew where a search or a model is", .group = "Training"},
    {0},
};

typedef struct tune_run {
    cli_arguments *arguments;
    weft_prepared prepared;
    weft_tabular_config config;
    weft_fit_options fit;
    weft_space space;
    weft_rows_data *rows[WEFT_PARTS];
    cli_tabular_origin origin;
    weft_study_options options;
    weft_study *study;
    weft_progress *progress;
    weft_report_run report;
    const char *out;
    const weft_measure *measure;
    int64_t ended;
    int64_t members;
    double began; /* seconds of the clock */
    bool begun;   /* `out` holds a search */
    cli_tune_scale scale;
    weft_json *given; /* what --config holds */
    /* the model that is kept */
    weft_tabular_config best_config;
    weft_fit_options best_fit;
    weft_params *params;
} tune_run;

/* ---- while trials run ---- */

static void on_epoch(void *user, int64_t trial, int64_t epoch, double value)
{
    tune_run *t = user;
    weft_progress_update(t->progress, t->ended, "trial %lld, epoch %lld, validation %.5g", (long long)trial, (long long)epoch + 1,
                         value);
}

static void on_ended(void *user, int64_t trial)
{
    tune_run *t = user;
    const weft_study_trial *r = weft_study_trial_at(t->study, trial);
    weft_text settings = {0};
    t->ended++;
    cli_tune_values(&t->space, r->value, &settings);
    if (!cli_quiet(t->arguments)) {
        if (r->state == WEFT_TRIAL_FAILED)
            cli_say(t->arguments, "trial %3lld  failed            %s\n", (long long)trial, settings.data ? settings.data : "");
        else
            cli_say(t->arguments, "trial %3lld  validation %s %.5g%s  %lld epochs%s, %.1f s  %s\n", (long long)trial,
                    t->measure->title, weft_measure_score(t->measure, r->score), weft_study_best(t->study) == trial ? "  *" : "",
                    (long long)r->epochs, r->state == WEFT_TRIAL_PRUNED ? " (pruned)" : "", r->seconds,
                    settings.data ? settings.data : "");
    }
    weft_text_free(&settings);
    weft_progress_update(t->progress, t->ended, "trial %lld", (long long)trial);
}

/* ---- the search ---- */

static weft_status search(tune_run *t)
{
    cli_arguments *a = t->arguments;
    int64_t jobs = cli_int(a, "jobs");
    const double time = cli_number(a, "time");
    t->options = (weft_study_options){.folder = t->out,
                                      .config = &t->config,
                                      .fit = &t->fit,
                                      .space = &t->space,
                                      .train = t->rows[WEFT_PART_TRAIN],
                                      .val = t->rows[WEFT_PART_VAL],
                                      .trials = cli_int(a, "trials"),
                                      .seconds = time > 0 ? fmax(time - (weft_clock() - t->began), 1e-9) : 0,
                                      .prune = cli_flag(a, "prune"),
                                      .user = t,
                                      .epoch = on_epoch,
                                      .ended = on_ended};
    if (jobs == 1 && !(t->options.engine = cli_engine(a)))
        return WEFT_ERROR_MEMORY;
    weft_status status = weft_study_open(&t->options, &t->study), done = cli_tune_scale_done(&t->scale, t->out);
    if (status != WEFT_OK || (status = done) != WEFT_OK)
        return status;
    for (int64_t i = 0; i < weft_study_count(t->study); i++)
        t->ended += weft_study_trial_at(t->study, i)->state != WEFT_TRIAL_RUNNING;
    if (t->ended)
        cli_say(a, "%lld trials of earlier\n", (long long)t->ended);
    t->progress = weft_progress_new(cli_progress, a, "tuning", t->options.trials, "trials");
    weft_progress_update(t->progress, t->ended, "%s", "");
    status = jobs == 1 ? weft_study_work(t->study) : cli_tune_together(t->study, &t->options, jobs);
    weft_progress_free(t->progress);
    t->progress = NULL;
    if (status == WEFT_OK && weft_study_best(t->study) < 0)
        status = weft_fail(WEFT_ERROR_NUMERIC, "%s: none of %lld trials was trained to its end", t->out,
                           (long long)weft_study_count(t->study));
    return status;
}

/* ---- the model that is kept ---- */

static weft_status save_model(void *user)
{
    tune_run *t = user;
    weft_tabular_config whole = t->best_config;
    whole.members = t->members;
    return weft_tabular_folder_save(t->out, &whole, t->prepared.schema, t->params, t->prepared.part[WEFT_PART_TRAIN]);
}

static weft_status train_ensemble(tune_run *t, weft_engine *engine, int64_t best)
{
    char *folder = weft_study_trial_folder(t->study, best), *team = folder ? weft_path_join(folder, "ensemble") : NULL;
    weft_train_result *results = calloc((size_t)t->members, sizeof *results);
    weft_status status =
        team && results ? weft_params_new(&t->params) : weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", t->out);
    if (status == WEFT_OK) {
        weft_fit_options fit = t->best_fit;
        fit.folder = team;
        fit.user = t;
        fit.finish = save_model;
        fit.resume = weft_members_begun(team);
        cli_say(t->arguments, "\ntraining %lld models with the settings of trial %lld\n", (long long)t->members, (long long)best);
        status = weft_fit_members(engine, &t->best_config, t->params, t->rows[WEFT_PART_TRAIN], t->rows[WEFT_PART_VAL], &fit,
                                  t->members, results);
        if (status == WEFT_OK)
            status = weft_study_drop_ensemble(team);
    }
    free(results);
    free(team);
    free(folder);
    return status;
}

static weft_status keep_best(tune_run *t, weft_engine *engine, int64_t best)
{
    weft_study_settings(t->study, best, &t->best_config, &t->best_fit);
    if (t->members > 1)
        return train_ensemble(t, engine, best);
    char *folder = weft_study_trial_folder(t->study, best), *path = folder ? weft_path_join(folder, "model.safetensors") : NULL;
    weft_status status = path ? weft_params_open(path, &t->params) : weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", t->out);
    if (status == WEFT_OK)
        status = save_model(t);
    free(path);
    free(folder);
    return status;
}

static void tell_json(tune_run *t, int64_t best, double seconds)
{
    cli_arguments *a = t->arguments;
    const weft_study_trial *trial = weft_study_trial_at(t->study, best);
    int64_t states[4] = {0};
    for (int64_t i = 0; i < weft_study_count(t->study); i++)
        states[weft_study_trial_at(t->study, i)->state]++;
    cli_json_string(a, "task", weft_task_names[t->config.task]);
    cli_json_string(a, "metric", t->measure->name);
    cli_json_integer(a, "trials", weft_study_count(t->study));
    for (int s = WEFT_TRIAL_COMPLETE; s <= WEFT_TRIAL_FAILED; s++)
        cli_json_integer(a, weft_trial_state_names[s], states[s]);
    cli_json_integer(a, "best_trial", best);
    cli_json_number(a, "best_score", weft_measure_score(t->measure, trial->score));
    weft_json_add_key(cli_json(a), "best_params");
    weft_space_write_settings(&t->space, trial->value, cli_json(a));
    cli_json_integer(a, "members", t->members);
    cli_json_integer(a, "epochs", trial->epochs);
    cli_json_integer(a, "best_epoch", trial->best_epoch + 1);
    cli_json_number(a, "seconds", seconds);
}

/* run.json, and metrics.jsonl with a line a trial */
static weft_status write_run(tune_run *t, int64_t best)
{
    weft_run_log *log = NULL;
    weft_status status = weft_run_log_open(t->out, &t->origin.info, t->fit.seed, false, &log);
    for (int64_t i = 0; i < weft_study_count(t->study) && status == WEFT_OK; i++) {
        const weft_study_trial *trial = weft_study_trial_at(t->study, i);
        weft_text line = {0};
        weft_json_writer w = weft_json_to(&line, 0);
        weft_json_open_object(&w);
        weft_json_add_key(&w, "state");
        weft_json_add_string(&w, weft_trial_state_names[trial->state]);
        char key[32];
        snprintf(key, sizeof key, "val_%s", t->measure->name);
        weft_json_add_key(&w, key);
        weft_json_add_number(&w, weft_measure_score(t->measure, trial->score));
        weft_json_add_key(&w, "params");
        weft_space_write_settings(&t->space, trial->value, &w);
        weft_json_close_object(&w);
        status = line.failed ? weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", t->out)
                             : weft_run_log_add(log, i, trial->epochs, line.data);
        weft_text_free(&line);
    }
    char summary[64];
    snprintf(summary, sizeof summary, "{\"best_trial\": %lld}", (long long)best);
    if (status == WEFT_OK)
        status = weft_run_log_mark(log, "finished", summary);
    weft_run_log_free(log);
    return status;
}

static weft_status finish(tune_run *t, double seconds)
{
    cli_arguments *a = t->arguments;
    int64_t best = weft_study_best(t->study);
    weft_engine *engine = cli_engine(a);
    weft_status status = engine ? keep_best(t, engine, best) : WEFT_ERROR_MEMORY;
    if (status != WEFT_OK)
        return status;
    cli_say(a, "\nbest: trial %lld, validation %s %.6g\n\n", (long long)best, t->measure->title,
            weft_measure_score(t->measure, weft_study_trial_at(t->study, best)->score));
    tell_json(t, best, seconds);
    t->best_fit.folder = t->out;
    t->best_config.members = t->members;
    status = weft_report_run_open(&t->report, cli_text(a, "arch"), cli_positional_at(a, 0), &t->best_config, t->measure,
                                  t->prepared.schema);
    if (status == WEFT_OK) {
        if (t->scale.chosen)
            weft_report_run_scales(&t->report, &t->config, t->scale.score);
        cli_tune_report(&t->report, t->study, &t->space, t->measure);
        status = cli_tabular_parts(a, engine, &t->best_config, t->params, &t->prepared, t->rows, &t->best_fit, &t->report);
    }
    if (status == WEFT_OK)
        status = weft_report_run_save(&t->report, t->out);
    if (status == WEFT_OK)
        status = cli_tune_csv(t->study, &t->space, t->measure, t->out);
    if (status == WEFT_OK)
        status = write_run(t, best);
    if (status == WEFT_OK)
        cli_say(a,
                "\nThe model is in %s; look at %s/report.html and %s/trials.csv, or predict:\n  weft tabular predict %s NEW.csv "
                "--out "
                "predictions.csv\n",
                t->out, t->out, t->out, t->out);
    return status;
}

/* Several processes may come to the end together: one writes the model. */
static weft_status finish_once(tune_run *t, double seconds)
{
    char *path = weft_path_join(t->out, "trials/model.lock");
    int lock = -1;
    weft_status status = path ? weft_lock_try(path, &lock) : weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", t->out);
    if (status == WEFT_OK && lock < 0) {
        tell_json(t, weft_study_best(t->study), seconds);
        cli_say(t->arguments, "\nanother process writes the model to %s\n", t->out);
    } else if (status == WEFT_OK) {
        status = finish(t, seconds);
    }
    weft_lock_end(lock);
    free(path);
    return status;
}

/* ---- the command ---- */

static weft_status check_folder(cli_arguments *a, const char *out, bool *begun)
{
    *begun = weft_study_begun(out) || weft_scales_begun(out);
    if (cli_flag(a, "resume"))
        return *begun ? WEFT_OK : weft_fail(WEFT_ERROR_ARGUMENT, "%s: holds no search to resume (no journal.jsonl)", out);
    if (*begun && !cli_flag(a, "force"))
        return weft_fail(WEFT_ERROR_FILE, "%s holds a search; go on with it by --resume, or begin anew with --force", out);
    return cli_may_write(a, out, "model.safetensors");
}

/* Before the search is opened; what --force gives up goes once all that was given has been read. */
static weft_status begin_search(tune_run *t, bool chooses_scale)
{
    weft_status status = WEFT_OK;
    if (t->begun && !cli_flag(t->arguments, "resume") && (status = weft_study_forget(t->out)) == WEFT_OK)
        status = weft_scales_forget(t->out);
    if (status == WEFT_OK && chooses_scale)
        status = cli_tune_scale_settle(t->arguments, &t->scale, t->out, &t->config, &t->fit, t->rows);
    return status;
}

static weft_status run(cli_arguments *arguments)
{
    if (cli_tabular_check_parts(arguments) != WEFT_OK)
        return WEFT_ERROR_ARGUMENT;
    tune_run t = {.arguments = arguments, .out = cli_text(arguments, "out"), .began = weft_clock(), .scale.lock = -1};
    weft_status status = check_folder(arguments, t.out, &t.begun);
    if (status == WEFT_OK)
        status = cli_tabular_prepare(arguments, &t.prepared);
    if (status == WEFT_OK)
        status = cli_tabular_configure(arguments, &t.prepared, &t.config, &t.fit, &t.given);
    t.members = cli_given(arguments, "ensemble") ? cli_int(arguments, "ensemble") : t.config.members;
    t.config.members = 1;
    t.measure = weft_fit_measure(&t.config, &t.fit);
    if (status == WEFT_OK)
        status = weft_space_of(&t.config, weft_json_root(t.given), &t.space);
    if (status == WEFT_OK)
        status = cli_tabular_rows(&t.config, &t.prepared, &t.fit, t.rows);
    cli_tabular_origin_of(arguments, (int)cli_int(arguments, "jobs"), "", &t.origin);
    t.fit.run = &t.origin.info;
    if (status == WEFT_OK)
        status = begin_search(&t, cli_tabular_chooses_scale(arguments, &t.config, t.given));
    if (status == WEFT_OK)
        status = search(&t);
    weft_lock_end(t.scale.lock);
    if (status == WEFT_OK)
        status = finish_once(&t, weft_clock() - t.began);
    weft_report_run_close(&t.report);
    weft_study_close(t.study);
    weft_params_free(t.params);
    for (int part = 0; part < WEFT_PARTS; part++)
        weft_rows_free(t.rows[part]);
    weft_tabular_config_free(&t.config);
    weft_json_free(t.given);
    weft_prepared_free(&t.prepared);
    return status;
}

const cli_command cli_tabular_tune = {
    .name = "tabular",
    .action = "tune",
    .summary = "search for the settings of a model that suit a table",
    .description =
        "Each trial trains a model with other settings; the one with the best validation score is kept in DIR as `train` would "
        "have "
        "left it, with trials.csv and a report of all trials. Trials are suggested by a tree-structured Parzen estimator over "
        "the "
        "spaces of the TabR paper; a setting that --config names is left as it says there.\n\n"
        "The search can be interrupted or killed at any moment and goes on with --resume, which also lets it go on to more "
        "--trials, "
        "and lets further processes join: they share DIR/journal.jsonl. One process makes the same trials from the same --seed, "
        "however often it was killed.",
    .positionals = files,
    .options = options,
    .example = "weft tabular tune houses.csv --target price --out tuned --trials 30 --jobs 2\n"
               "weft tabular tune houses.csv --target price --out tuned --trials 60 --jobs 2 --resume",
    .run = run,
};
