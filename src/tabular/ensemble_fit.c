/* Training the members of an ensemble one after the other, each in a folder of its own until all are there. */
#include "base/files.h"
#include "tabular/ensemble.h"
#include "tabular/subruns.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char kind[] = "members";

bool weft_members_begun(const char *folder)
{
    return weft_subruns_begun(folder, kind);
}

weft_status weft_members_forget(const char *folder)
{
    return weft_subruns_forget(folder, kind);
}

/* ---- one run ---- */

typedef struct team {
    weft_engine *engine;
    const weft_tabular_config *config;
    const weft_fit_options *options;
    const weft_rows_data *train, *val;
    int64_t members;
    weft_run_log *log;
} team;

/* The settings of a run that goes on are those it began with, also where its members are trained already. */
static weft_status keep_settings(const team *t)
{
    char *folder = weft_subrun_path(t->options->folder, kind, -1, NULL);
    weft_status status = folder ? weft_fit_keep_settings(folder, t->config, t->options) : WEFT_ERROR_MEMORY;
    free(folder);
    return status;
}

static weft_status train_member(const team *t, int64_t k, weft_params **params, weft_train_result *result)
{
    weft_fit_options o = *t->options;
    o.seed += (uint64_t)k;
    o.finish = NULL;
    char *folder = o.folder ? weft_subrun_path(o.folder, kind, k, NULL) : NULL,
         *model = o.folder ? weft_subrun_path(o.folder, kind, k, "model.safetensors") : NULL;
    weft_status status = !o.folder || (folder && model) ? WEFT_OK : WEFT_ERROR_MEMORY;
    if (status == WEFT_OK && o.folder && weft_run_finished(folder)) {
        status = weft_params_open(model, params);
        if (status == WEFT_OK)
            status = weft_fit_result(folder, result);
    } else if (status == WEFT_OK) {
        o.folder = folder;
        o.resume = o.resume && folder && weft_run_begun(folder);
        status = weft_params_new(params);
        if (status == WEFT_OK)
            status = weft_fit(t->engine, t->config, *params, t->train, t->val, &o, result);
    }
    free(folder);
    free(model);
    return status;
}

/* The lines of all members' metrics.jsonl, one after the other, each with its "member". */
static weft_status add_line(const team *t, int64_t member, const char *path, const char *line, size_t length)
{
    weft_json *json = NULL;
    weft_text text = {0};
    weft_status status = weft_json_parse(line, length, path, &json);
    weft_json_value root = weft_json_root(json), value;
    weft_json_writer w = weft_json_to(&text, 0);
    weft_json_open_object(&w);
    weft_json_add_key(&w, "member");
    weft_json_add_integer(&w, member);
    const char *key;
    for (int64_t i = 0; (key = weft_json_key(root, i, &value)) != NULL; i++) {
        if (strcmp(key, "step") == 0 || strcmp(key, "epoch") == 0)
            continue;
        weft_json_add_key(&w, key);
        weft_json_add_value(&w, value);
    }
    weft_json_close_object(&w);
    if (status == WEFT_OK)
        status = text.failed ? weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", path)
                             : weft_run_log_add(t->log, weft_json_integer(weft_json_get(root, "step"), 0),
                                                weft_json_integer(weft_json_get(root, "epoch"), 0), text.data);
    weft_text_free(&text);
    weft_json_free(json);
    return status;
}

static weft_status gather_metrics(const team *t)
{
    weft_status status = weft_run_log_rewind(t->log, 0);
    for (int64_t k = 0; k < t->members && status == WEFT_OK; k++) {
        char *path = weft_subrun_path(t->options->folder, kind, k, "metrics.jsonl"), *text = NULL;
        size_t size = 0;
        status = path ? weft_file_read(path, (size_t)1 << 30, &text, &size) : WEFT_ERROR_MEMORY;
        for (const char *line = text, *end; status == WEFT_OK && line && *line; line = *end ? end + 1 : end) {
            end = line + strcspn(line, "\n");
            status = add_line(t, k, path, line, (size_t)(end - line));
        }
        free(text);
        free(path);
    }
    return status;
}

static weft_status train_all(const team *t, weft_params *params, weft_train_result *results)
{
    weft_status status = t->log ? keep_settings(t) : WEFT_OK;
    for (int64_t k = 0; k < t->members && status == WEFT_OK; k++) {
        weft_params *one = NULL;
        if (t->options->member)
            t->options->member(t->options->user, k, NULL);
        status = train_member(t, k, &one, &results[k]);
        if (status == WEFT_OK)
            status = weft_ensemble_put(params, k, one);
        weft_params_free(one);
        if (status == WEFT_OK && t->options->member)
            t->options->member(t->options->user, k, &results[k]);
    }
    if (status == WEFT_OK && t->log)
        status = gather_metrics(t);
    if (status == WEFT_OK && t->options->finish)
        status = t->options->finish(t->options->user);
    return status;
}

static weft_status finish_log(const team *t, weft_status status, const weft_train_result *results)
{
    char message[2048];
    snprintf(message, sizeof message, "%s", weft_error());
    if (status != WEFT_OK) {
        (void)weft_run_log_mark(t->log, status == WEFT_ERROR_INTERRUPTED ? "interrupted" : "failed", NULL);
        return weft_fail(status, "%s", message);
    }
    weft_text text = {0};
    weft_json_writer w = weft_json_to(&text, 0);
    weft_json_open_object(&w);
    weft_json_add_key(&w, "members");
    weft_json_open_list(&w);
    for (int64_t k = 0; k < t->members; k++) {
        weft_json_open_object(&w);
        weft_json_add_key(&w, "epochs");
        weft_json_add_integer(&w, results[k].epochs);
        weft_json_add_key(&w, "best_epoch");
        weft_json_add_integer(&w, results[k].best_epoch);
        weft_json_add_key(&w, "best_score");
        weft_json_add_number(&w, results[k].best_score);
        weft_json_close_object(&w);
    }
    weft_json_close_list(&w);
    weft_json_close_object(&w);
    status = text.failed ? weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", t->options->folder)
                         : weft_run_log_mark(t->log, "finished", text.data);
    weft_text_free(&text);
    return status == WEFT_OK ? weft_members_forget(t->options->folder) : status;
}

weft_status weft_fit_members(weft_engine *engine, const weft_tabular_config *config, weft_params *params,
                             const weft_rows_data *train, const weft_rows_data *val, const weft_fit_options *options,
                             int64_t members, weft_train_result *results)
{
    if (members == 1)
        return weft_fit(engine, config, params, train, val, options, results);
    team t = {engine, config, options, train, val, members, NULL};
    weft_status status = weft_fit_check(config, train);
    if (status == WEFT_OK && options->folder) {
        if (weft_run_finished(options->folder) || !options->resume) /* a kill in a run's last moment may have left them */
            status = weft_members_forget(options->folder);
        if (status == WEFT_OK)
            status = weft_run_log_open(options->folder, options->run, options->seed, options->resume, &t.log);
    }
    if (status == WEFT_OK)
        status = train_all(&t, params, results);
    if (t.log)
        status = finish_log(&t, status, results);
    weft_run_log_free(t.log);
    return status;
}
