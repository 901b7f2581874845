/* A run's files: run.json says what was run on what and how it ended; metrics.jsonl gets a line at a time, whole or not at all as
 * far as the system allows, and is cut back to the checkpoint when a run is resumed. */
#include "base/files.h"
#include "base/json.h"
#include "train/checkpoint.h"
#include "weft/train.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct weft_run_log {
    char *folder, *run_path, *metrics_path;
    int file; /* metrics.jsonl; its lock holds the folder */
};

static weft_status fail_system(const char *path, const char *what)
{
    char text[128];
    return weft_fail(WEFT_ERROR_FILE, "%s: cannot %s: %s", path, what, strerror_r(errno, text, sizeof text));
}

static void add_now(weft_json_writer *w)
{
    char text[32];
    time_t now = time(NULL);
    struct tm utc;
    gmtime_r(&now, &utc);
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
    weft_json_add_string(w, text);
}

static void add_text(weft_json_writer *w, const char *key, const char *value)
{
    weft_json_add_key(w, key);
    weft_json_add_string(w, value);
}

/* ---- run.json ---- */

static weft_status add_data(weft_json_writer *w, const weft_run_info *info)
{
    weft_json_add_key(w, "data");
    weft_json_open_list(w);
    for (int i = 0; i < info->data_count; i++) {
        uint64_t checksum;
        int64_t bytes;
        char hex[32];
        weft_status status = weft_file_checksum(info->data[i], &checksum, &bytes);
        if (status != WEFT_OK)
            return status;
        snprintf(hex, sizeof hex, "%016llx", (unsigned long long)checksum);
        weft_json_open_object(w);
        add_text(w, "path", info->data[i]);
        weft_json_add_key(w, "bytes");
        weft_json_add_integer(w, bytes);
        add_text(w, "xxh64", hex);
        weft_json_close_object(w);
    }
    weft_json_close_list(w);
    return WEFT_OK;
}

static weft_status write_text(const char *path, weft_text *text)
{
    weft_text_add(text, "\n");
    weft_status status = text->failed ? weft_fail(WEFT_ERROR_MEMORY, "%s: cannot allocate its text", path)
                                      : weft_file_write(path, text->data, text->length);
    weft_text_free(text);
    return status;
}

static weft_status write_new(const weft_run_log *log, const weft_run_info *info, uint64_t seed)
{
    char number[32];
    weft_text text = {0};
    weft_json_writer w = weft_json_to(&text, 2);
    weft_json_open_object(&w);
    add_text(&w, "weft", WEFT_VERSION);
    weft_json_add_key(&w, "command");
    weft_json_open_list(&w);
    for (int i = 0; info && i < info->command_count; i++)
        weft_json_add_string(&w, info->command[i]);
    weft_json_close_list(&w);
    snprintf(number, sizeof number, "%llu", (unsigned long long)seed);
    add_text(&w, "seed", number);
    if (info) {
        weft_json_add_key(&w, "threads");
        weft_json_add_integer(&w, info->threads);
        add_text(&w, "level", info->level);
        weft_status status = add_data(&w, info);
        if (status != WEFT_OK) {
            weft_text_free(&text);
            return status;
        }
    }
    weft_json_add_key(&w, "started");
    add_now(&w);
    add_text(&w, "status", "running");
    weft_json_close_object(&w);
    return write_text(log->run_path, &text);
}

/* run.json again with another status; what a new status says anew is left out. */
static weft_status write_again(const weft_run_log *log, const char *state, const char *summary)
{
    weft_json *json = NULL, *more = NULL;
    weft_status status = weft_json_read(log->run_path, &json);
    if (status == WEFT_OK && summary)
        status = weft_json_parse(summary, strlen(summary), "the run's summary", &more);
    if (status != WEFT_OK) {
        weft_json_free(json);
        return status;
    }
    bool running = strcmp(state, "running") == 0;
    weft_json_value root = weft_json_root(json), value, resumed = weft_json_get(root, "resumed");
    weft_text text = {0};
    weft_json_writer w = weft_json_to(&text, 2);
    weft_json_open_object(&w);
    for (int64_t i = 0; i < weft_json_size(root); i++) {
        const char *key = weft_json_key(root, i, &value);
        if (strcmp(key, "status") == 0 || strcmp(key, "ended") == 0 || strcmp(key, "summary") == 0 || strcmp(key, "resumed") == 0)
            continue;
        weft_json_add_key(&w, key);
        weft_json_add_value(&w, value);
    }
    if (running || weft_json_size(resumed) > 0) {
        weft_json_add_key(&w, "resumed");
        weft_json_open_list(&w);
        for (int64_t i = 0; i < weft_json_size(resumed); i++)
            weft_json_add_value(&w, weft_json_item(resumed, i));
        if (running)
            add_now(&w);
        weft_json_close_list(&w);
    }
    add_text(&w, "status", state);
    if (!running) {
        weft_json_add_key(&w, "ended");
        add_now(&w);
    }
    if (more) {
        weft_json_add_key(&w, "summary");
        weft_json_add_value(&w, weft_json_root(more));
    }
    weft_json_close_object(&w);
    weft_json_free(json);
    weft_json_free(more);
    return write_text(log->run_path, &text);
}

/* The state that run.json tells: "" when there is no such file, or it does not say. */
static weft_status state_of(const char *run_path, char out[16])
{
    weft_json *json = NULL;
    out[0] = 0;
    weft_status status = weft_path_exists(run_path) ? weft_json_read(run_path, &json) : WEFT_OK;
    if (json)
        snprintf(out, 16, "%s", weft_json_string(weft_json_get(weft_json_root(json), "status"), ""));
    weft_json_free(json);
    return status;
}

bool weft_run_finished(const char *folder)
{
    char *path = weft_path_join(folder, "run.json"), state[16] = "";
    if (path)
        (void)state_of(path, state);
    free(path);
    return strcmp(state, "finished") == 0;
}

/* A resumed run reads the same data with the same seed, or its bits would not be those of the run it goes on with. */
static weft_status check_same(const char *folder, const char *run_path, const weft_run_info *info, uint64_t seed)
{
    weft_json *json;
    weft_status status = weft_json_read(run_path, &json);
    if (status != WEFT_OK)
        return status;
    char number[32];
    weft_json_value root = weft_json_root(json), list = weft_json_get(root, "data");
    const char *theirs = weft_json_string(weft_json_get(root, "seed"), "");
    snprintf(number, sizeof number, "%llu", (unsigned long long)seed);
    if (strcmp(theirs, number) != 0)
        status = weft_fail(WEFT_ERROR_ARGUMENT, "%s: the run began with seed %.24s, not %s", run_path, theirs, number);
    if (status == WEFT_OK && info && weft_json_size(list) != info->data_count)
        status = weft_fail(WEFT_ERROR_ARGUMENT, "%s: the run began with %lld data files, not %d", run_path,
                           (long long)weft_json_size(list), info->data_count);
    for (int i = 0; status == WEFT_OK && info && i < info->data_count; i++) {
        uint64_t checksum;
        status = weft_file_checksum(info->data[i], &checksum, NULL);
        snprintf(number, sizeof number, "%016llx", (unsigned long long)checksum);
        if (status == WEFT_OK && strcmp(weft_json_string(weft_json_get(weft_json_item(list, i), "xxh64"), ""), number) != 0)
            status = weft_fail(WEFT_ERROR_ARGUMENT, "%s: has changed since the run in %s began", info->data[i], folder);
    }
    weft_json_free(json);
    return status;
}

weft_status weft_run_same(const char *folder, const weft_run_info *info, uint64_t seed)
{
    char *path = weft_path_join(folder, "run.json");
    weft_status status =
        path ? check_same(folder, path, info, seed) : weft_fail(WEFT_ERROR_MEMORY, "%s: cannot allocate a name", folder);
    free(path);
    return status;
}

/* ---- opening ---- */

/* Whether this folder may be used in this way. A run without a checkpoint has nothing to lose. */
static weft_status check_folder(const weft_run_log *log, bool resume)
{
    char state[16];
    weft_status status = state_of(log->run_path, state);
    if (status != WEFT_OK)
        return status;
    bool there = weft_path_exists(log->run_path), finished = strcmp(state, "finished") == 0;
    if (resume && !there)
        return weft_fail(WEFT_ERROR_ARGUMENT, "%s: holds no run to resume (no run.json)", log->folder);
    if (resume && finished)
        return weft_fail(WEFT_ERROR_ARGUMENT, "%s: its run is finished, there is nothing to resume", log->folder);
    if (!resume && there && !finished && weft_checkpoint_exists(log->folder))
        return weft_fail(WEFT_ERROR_ARGUMENT, "%s: holds an unfinished run: resume it, or choose another folder", log->folder);
    return WEFT_OK;
}

/* The lock ends with the process, however that ends. */
static weft_status hold(weft_run_log *log)
{
    log->file = open(log->metrics_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (log->file < 0)
        return fail_system(log->metrics_path, "write");
    if (flock(log->file, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
        return weft_fail(WEFT_ERROR_FILE, "%s: another process is training there", log->folder);
    return WEFT_OK;
}

weft_status weft_run_log_open(const char *folder, const weft_run_info *info, uint64_t seed, bool resume, weft_run_log **out)
{
    *out = NULL;
    weft_run_log *log = calloc(1, sizeof *log);
    if (!log)
        return weft_fail(WEFT_ERROR_MEMORY, "%s: cannot allocate its log", folder);
    log->file = -1;
    log->folder = strdup(folder);
    log->run_path = weft_path_join(folder, "run.json");
    log->metrics_path = weft_path_join(folder, "metrics.jsonl");
    weft_status status = log->folder && log->run_path && log->metrics_path
                             ? check_folder(log, resume)
                             : weft_fail(WEFT_ERROR_MEMORY, "%s: cannot allocate its log", folder);
    if (status == WEFT_OK)
        status = weft_folder_make(folder);
    if (status == WEFT_OK)
        status = hold(log);
    if (status == WEFT_OK)
        weft_remove_leftovers(folder);
    if (status == WEFT_OK && !resume) /* or a resumed run could meet the checkpoint of a forgotten one */
        status = weft_checkpoint_remove(folder);
    if (status == WEFT_OK)
        status = resume ? check_same(log->folder, log->run_path, info, seed) : write_new(log, info, seed);
    if (status == WEFT_OK && resume)
        status = write_again(log, "running", NULL);
    if (status == WEFT_OK && !resume)
        status = weft_run_log_rewind(log, 0);
    if (status != WEFT_OK) {
        weft_run_log_free(log);
        return status;
    }
    *out = log;
    return WEFT_OK;
}

void weft_run_log_free(weft_run_log *log)
{
    if (!log)
        return;
    if (log->file >= 0)
        close(log->file);
    free(log->folder);
    free(log->run_path);
    free(log->metrics_path);
    free(log);
}

weft_status weft_run_log_mark(weft_run_log *log, const char *status, const char *summary)
{
    return write_again(log, status, summary);
}

/* FOLDER/NAME, where it is there. */
static weft_status remove_inside(const char *folder, const char *name)
{
    char *path = weft_path_join(folder, name);
    weft_status status = path ? weft_file_remove(path) : weft_fail(WEFT_ERROR_MEMORY, "%s: cannot allocate a name", folder);
    free(path);
    return status;
}

weft_status weft_run_forget(const char *folder)
{
    weft_status status = weft_checkpoint_remove(folder);
    return status == WEFT_OK ? remove_inside(folder, "run.json") : status;
}

weft_status weft_run_remove(const char *folder)
{
    if (!weft_path_is_folder(folder))
        return WEFT_OK;
    weft_status status = weft_run_forget(folder);
    if (status == WEFT_OK)
        status = remove_inside(folder, "metrics.jsonl");
    if (status == WEFT_OK)
        status = remove_inside(folder, "model.safetensors");
    if (status == WEFT_OK)
        (void)rmdir(folder); /* what the user has put there stays */
    return status;
}

bool weft_run_begun(const char *folder)
{
    char *path = weft_path_join(folder, "run.json");
    bool begun = path && weft_path_exists(path);
    free(path);
    return begun;
}

/* ---- metrics.jsonl ---- */

weft_status weft_run_log_add(weft_run_log *log, int64_t step, int64_t epoch, const char *members)
{
    weft_json *json = NULL;
    weft_status status = members ? weft_json_parse(members, strlen(members), "a line of metrics", &json) : WEFT_OK;
    if (status != WEFT_OK)
        return status;
    weft_json_value root = members ? weft_json_root(json) : (weft_json_value){NULL}, value;
    if (members && weft_json_kind_of(root) != WEFT_JSON_OBJECT) {
        weft_json_free(json);
        return weft_fail(WEFT_ERROR_ARGUMENT, "a line of metrics is no JSON object");
    }
    weft_text text = {0};
    weft_json_writer w = weft_json_to(&text, 0);
    weft_json_open_object(&w);
    weft_json_add_key(&w, "step");
    weft_json_add_integer(&w, step);
    weft_json_add_key(&w, "epoch");
    weft_json_add_integer(&w, epoch);
    for (int64_t i = 0; i < weft_json_size(root); i++) {
        weft_json_add_key(&w, weft_json_key(root, i, &value));
        weft_json_add_value(&w, value);
    }
    weft_json_close_object(&w);
    weft_text_add(&text, "\n");
    weft_json_free(json);
    if (text.failed)
        status = weft_fail(WEFT_ERROR_MEMORY, "%s: cannot allocate a line", log->metrics_path);
    for (size_t done = 0; status == WEFT_OK && done < text.length;) {
        ssize_t written = write(log->file, text.data + done, text.length - done);
        if (written < 0 && errno != EINTR)
            status = fail_system(log->metrics_path, "write");
        done += written > 0 ? (size_t)written : 0;
    }
    weft_text_free(&text);
    return status;
}

weft_status weft_run_log_sync(weft_run_log *log, int64_t *length)
{
    struct stat info;
    if (fsync(log->file) != 0 && errno != EINVAL)
        return fail_system(log->metrics_path, "write");
    if (fstat(log->file, &info) != 0)
        return fail_system(log->metrics_path, "examine");
    *length = info.st_size;
    return WEFT_OK;
}

weft_status weft_run_log_rewind(weft_run_log *log, int64_t length)
{
    struct stat info;
    if (fstat(log->file, &info) != 0)
        return fail_system(log->metrics_path, "examine");
    if (info.st_size < length) {
        weft_log(WEFT_LOG_WARNING, "%s: %lld bytes that the checkpoint knows of are gone", log->metrics_path,
                 (long long)(length - info.st_size));
        return WEFT_OK;
    }
    if (ftruncate(log->file, length) != 0)
        return fail_system(log->metrics_path, "cut");
    return WEFT_OK;
}
