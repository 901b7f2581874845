/* The training loop's counters, best weights and the room's own state, to and from a checkpoint. */
#include "base/json.h"
#include "io/io.h"
#include "train/loop.h"
#include "train/optimizer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

weft_status weft_loop_keep_best(weft_loop *l)
{
    weft_status status = WEFT_OK;
    for (int64_t i = 0; status == WEFT_OK && i < weft_params_count(l->job->params); i++) {
        weft_tensor t;
        const char *name = weft_params_at(l->job->params, i, &t);
        status = weft_params_set(l->best, name, t);
    }
    return status;
}

static void add_integer(weft_json_writer *w, const char *key, int64_t value)
{
    weft_json_add_key(w, key);
    weft_json_add_integer(w, value);
}

static void add_number(weft_json_writer *w, const char *key, double value)
{
    weft_json_add_key(w, key);
    weft_json_add_number(w, value); /* reads back to the same bits */
}

/* {…, "run": the room's own value} */
static weft_status write_counters(const weft_loop *l, int64_t metrics, const char *room, weft_text *out)
{
    weft_json *json = NULL;
    weft_status status = room && *room ? weft_json_parse(room, strlen(room), "the run's own state", &json) : WEFT_OK;
    if (status != WEFT_OK)
        return status;
    weft_json_writer w = weft_json_to(out, 0);
    weft_json_open_object(&w);
    add_integer(&w, "steps_per_epoch", l->job->steps_per_epoch);
    add_integer(&w, "evaluated", l->evaluated);
    add_integer(&w, "best_epoch", l->best_epoch);
    add_integer(&w, "worse", l->worse);
    add_number(&w, "best_score", l->best_score);
    add_number(&w, "loss_sum", l->loss_sum);
    add_number(&w, "last_loss", l->last_loss);
    add_integer(&w, "metrics_bytes", metrics);
    if (json) {
        weft_json_add_key(&w, "run");
        weft_json_add_value(&w, weft_json_root(json));
    }
    weft_json_close_object(&w);
    weft_json_free(json);
    return out->failed ? weft_fail(WEFT_ERROR_MEMORY, "cannot allocate a checkpoint's text") : WEFT_OK;
}

static weft_status add_as(weft_arrays *to, const char *prefix, const char *name, weft_tensor t)
{
    char *full = weft_prefixed(prefix, name);
    weft_status status = full ? weft_arrays_add(to, full, t) : weft_fail(WEFT_ERROR_MEMORY, "cannot allocate a name");
    free(full);
    return status;
}

weft_status weft_loop_save(weft_loop *l)
{
    const weft_train_job *job = l->job;
    if (!l->log)
        return WEFT_OK;
    weft_arrays *room = NULL, *all = NULL;
    weft_text room_json = {0}, json = {0};
    int64_t metrics = 0;
    weft_status status = weft_arrays_new(&room);
    if (status == WEFT_OK)
        status = weft_arrays_new(&all);
    if (status == WEFT_OK && job->save)
        status = job->save(job->user, &room_json, room);
    for (int64_t i = 0; status == WEFT_OK && i < weft_arrays_count(room); i++)
        status = add_as(all, "run.", weft_arrays_at(room, i).name, weft_arrays_at(room, i).tensor);
    for (int64_t i = 0; status == WEFT_OK && i < weft_params_count(l->best); i++) {
        weft_tensor t;
        const char *name = weft_params_at(l->best, i, &t);
        status = add_as(all, "best.", name, t);
    }
    if (status == WEFT_OK)
        status = weft_run_log_sync(l->log, &metrics);
    if (status == WEFT_OK)
        status = write_counters(l, metrics, room_json.data, &json);
    if (status == WEFT_OK) {
        weft_train_state state = {l->step, l->step / job->steps_per_epoch, job->seed, json.data, all};
        status = weft_checkpoint_save(job->folder, job->params, job->optimizer, &state);
    }
    if (status == WEFT_OK)
        l->saved = l->step;
    weft_arrays_free(all);
    weft_arrays_free(room);
    weft_text_free(&room_json);
    weft_text_free(&json);
    return status;
}

static weft_status load_room(const weft_loop *l, weft_json_value value, const weft_arrays *from)
{
    weft_arrays *room = NULL;
    weft_text json = {0};
    weft_status status = weft_arrays_new(&room);
    for (int64_t i = 0; status == WEFT_OK && i < weft_arrays_count(from); i++) {
        weft_array a = weft_arrays_at(from, i);
        if (strncmp(a.name, "run.", 4) == 0)
            status = weft_arrays_add(room, a.name + 4, a.tensor);
    }
    if (status == WEFT_OK && weft_json_present(value)) {
        weft_json_writer w = weft_json_to(&json, 0);
        weft_json_add_value(&w, value);
        if (json.failed)
            status = weft_fail(WEFT_ERROR_MEMORY, "cannot allocate a checkpoint's text");
    }
    if (status == WEFT_OK)
        status = l->job->load(l->job->user, json.data, room);
    weft_text_free(&json);
    weft_arrays_free(room);
    return status;
}

/* `where`: the folder, for messages. */
static weft_status read_counters(weft_loop *l, weft_json_value root, const char *where, int64_t *metrics)
{
    int64_t per_epoch = 0;
    struct {
        const char *key;
        int64_t least, *out;
    } rows[] = {{"steps_per_epoch", 1, &per_epoch},
                {"evaluated", 0, &l->evaluated},
                {"best_epoch", -1, &l->best_epoch},
                {"worse", 0, &l->worse},
                {"metrics_bytes", 0, metrics}};
    weft_status status = WEFT_OK;
    for (size_t i = 0; status == WEFT_OK && i < sizeof rows / sizeof *rows; i++)
        status = weft_json_take_integer(root, where, rows[i].key, rows[i].least, INT64_MAX, rows[i].out);
    if (status != WEFT_OK)
        return status;
    l->best_score = weft_json_number(weft_json_get(root, "best_score"), 0);
    l->loss_sum = weft_json_number(weft_json_get(root, "loss_sum"), 0);
    l->last_loss = weft_json_number(weft_json_get(root, "last_loss"), NAN);
    if (per_epoch != l->job->steps_per_epoch)
        return weft_fail(WEFT_ERROR_ARGUMENT, "%s: the run began with %lld steps an epoch, not %lld", where, (long long)per_epoch,
                         (long long)l->job->steps_per_epoch);
    int64_t behind = l->step / per_epoch - l->evaluated;
    if (behind < 0 || behind > 1 || (behind == 1 && l->step % per_epoch != 0) || l->best_epoch >= l->evaluated)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: its checkpoint's counters contradict each other", where);
    return WEFT_OK;
}

weft_status weft_loop_load(weft_loop *l)
{
    const weft_train_job *job = l->job;
    weft_train_state state;
    weft_json *json = NULL;
    int64_t metrics = 0;
    weft_status status = weft_checkpoint_load(job->folder, job->params, job->optimizer, &state);
    if (status != WEFT_OK)
        return status;
    l->step = l->saved = state.step;
    if (state.seed != job->seed)
        status = weft_fail(WEFT_ERROR_ARGUMENT, "%s: the run began with seed %llu, not %llu", job->folder,
                           (unsigned long long)state.seed, (unsigned long long)job->seed);
    else if (!state.extra_json)
        status = weft_fail(WEFT_ERROR_FORMAT, "%s: its checkpoint was not made by a training run", job->folder);
    if (status == WEFT_OK)
        status = weft_json_parse(state.extra_json, strlen(state.extra_json), job->folder, &json);
    if (status == WEFT_OK)
        status = read_counters(l, weft_json_root(json), job->folder, &metrics);
    for (int64_t i = 0; status == WEFT_OK && i < weft_arrays_count(state.extra); i++) {
        weft_array a = weft_arrays_at(state.extra, i);
        if (strncmp(a.name, "best.", 5) == 0 && !job->keep_last)
            status = weft_params_set(l->best, a.name + 5, a.tensor);
    }
    if (status == WEFT_OK && job->load)
        status = load_room(l, weft_json_get(weft_json_root(json), "run"), state.extra);
    if (status == WEFT_OK)
        status = weft_run_log_rewind(l->log, metrics);
    weft_json_free(json);
    weft_train_state_free(&state);
    return status;
}
