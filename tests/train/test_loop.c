/* The training loop: it stops when it should, keeps the best, and a run that was killed at any system call, interrupted or met a
 * full disk goes on to the bits of one that was left alone. */
#include "base/files.h"
#include "base/json.h"
#include "io/io.h"
#include "weft/train.h"

#include <dirent.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "kill.h"

static char folder[64], data_path[80], run_folder[80];

static void inside(const char *name, char out[128])
{
    snprintf(out, 128, "%s/%s", run_folder, name);
}

static int make_folder(void **state)
{
    (void)state;
    /* in memory where there is such a place: renames on a disk may wait for it */
    strcpy(folder, access("/dev/shm", W_OK) == 0 ? "/dev/shm/weft-loop-XXXXXX" : "/tmp/weft-loop-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(data_path, sizeof data_path, "%s/data.csv", folder);
    snprintf(run_folder, sizeof run_folder, "%s/run", folder);
    return weft_file_write(data_path, "a,b\n1,2\n", 8) == WEFT_OK ? 0 : -1;
}

static void clear(const char *path)
{
    DIR *list = opendir(path);
    for (struct dirent *e; list && (e = readdir(list));)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            unlinkat(dirfd(list), e->d_name, 0);
    if (list)
        closedir(list);
    rmdir(path);
}

static int drop_folder(void **state)
{
    (void)state;
    calls_left = -1;
    disk_full = false;
    weft_interrupt_clear();
    clear(run_folder);
    clear(folder);
    return 0;
}

/* ---- a room: y = x·w + b with dropout on x, batches of 4 out of 12 rows ---- */

enum { ROWS = 12, WIDTH = 3, BATCH = 4, STEPS = ROWS / BATCH };

typedef struct room {
    weft_engine *engine;
    weft_graph *graph;
    weft_plan *plan;
    weft_session *session;
    weft_params *params;
    weft_optimizer *optimizer;
    float x[ROWS][WIDTH], y[ROWS], batch_x[BATCH][WIDTH], batch_y[BATCH];
    const double *scores; /* scripted, or NULL: −mean squared error over all rows */
    int64_t interrupt_at; /* step in whose callback the user interrupts; −1: never */
    int64_t leave_at;     /* epoch whose evaluation gives up as interrupted; −1: none */
    int64_t bad_at;       /* step whose batch holds infinity; −1: never */
    int64_t steps_seen;   /* saved with the run */
} room;

static weft_status room_step(void *user, int64_t epoch, int64_t step, double *loss, weft_session **gradients)
{
    room *r = user;
    int64_t order[ROWS], now = epoch * STEPS + step;
    weft_epoch_order(9, epoch, ROWS, order);
    for (int i = 0; i < BATCH; i++) {
        memcpy(r->batch_x[i], r->x[order[step * BATCH + i]], sizeof r->batch_x[i]);
        r->batch_y[i] = now == r->bad_at ? INFINITY : r->y[order[step * BATCH + i]];
    }
    weft_seed(r->session, 9, (uint64_t)now);
    weft_tensor t;
    weft_status status = weft_run(r->session);
    if (status == WEFT_OK)
        status = weft_fetch(r->session, "loss", &t);
    if (status != WEFT_OK)
        return status;
    *loss = *(float *)t.data;
    *gradients = r->session;
    r->steps_seen++;
    if (now == r->interrupt_at)
        weft_interrupt();
    return WEFT_OK;
}

static weft_status room_evaluate(void *user, int64_t epoch, double *score, weft_text *metrics)
{
    room *r = user;
    weft_tensor w, b;
    if (epoch == r->leave_at)
        return weft_fail(WEFT_ERROR_INTERRUPTED, "enough");
    if (!weft_params_get(r->params, "w", &w) || !weft_params_get(r->params, "b", &b))
        return weft_fail(WEFT_ERROR_ARGUMENT, "no parameters");
    double sum = 0;
    for (int i = 0; i < ROWS; i++) {
        double y = *(float *)b.data;
        for (int k = 0; k < WIDTH; k++)
            y += (double)r->x[i][k] * ((float *)w.data)[k];
        sum += (y - r->y[i]) * (y - r->y[i]);
    }
    *score = r->scores ? r->scores[epoch] : -sum / ROWS;
    weft_text_add(metrics, "{\"mse\": %.17g}", sum / ROWS);
    return WEFT_OK;
}

static weft_status room_save(void *user, weft_text *json, weft_arrays *arrays)
{
    room *r = user;
    weft_text_add(json, "{\"steps_seen\": %lld}", (long long)r->steps_seen);
    return weft_arrays_add_copy(arrays, "seen", (weft_tensor){&r->steps_seen, WEFT_I64, SCALAR});
}

static weft_status room_load(void *user, const char *json, const weft_arrays *arrays)
{
    room *r = user;
    weft_json *parsed;
    weft_tensor t;
    weft_status status = weft_json_parse(json, strlen(json), "room", &parsed);
    if (status != WEFT_OK)
        return status;
    r->steps_seen = weft_json_integer(weft_json_get(weft_json_root(parsed), "steps_seen"), -1);
    weft_json_free(parsed);
    return weft_arrays_find(arrays, "seen", &t) && *(int64_t *)t.data == r->steps_seen
               ? WEFT_OK
               : weft_fail(WEFT_ERROR_FORMAT, "array and text differ");
}

static void open_room(room *r, int threads)
{
    memset(r, 0, sizeof *r);
    r->interrupt_at = r->bad_at = r->leave_at = -1;
    for (int i = 0; i < ROWS; i++) {
        for (int k = 0; k < WIDTH; k++)
            r->x[i][k] = (float)sin(7 * i + 3 * k + 1);
        r->y[i] = 2 * r->x[i][0] - r->x[i][2] + 0.5f;
    }
    weft_engine_options options = {.threads = threads};
    assert_int_equal(weft_engine_new(&options, &r->engine), WEFT_OK);
    assert_int_equal(weft_params_new(&r->params), WEFT_OK);
    weft_graph *g = r->graph = weft_graph_new(WEFT_F32);
    weft_value x = weft_input(g, "x", WEFT_F32, DIMS(BATCH, WIDTH)), y = weft_input(g, "y", WEFT_F32, DIMS(BATCH, 1));
    weft_value mask = weft_random(g, "mask", (weft_law){WEFT_DROPOUT_LAW, 0.1, 0}, (weft_value){0}, DIMS(BATCH, WIDTH));
    weft_value w = weft_param(g, "w", WEFT_NORMAL(1), DIMS(WIDTH, 1)), b = weft_param(g, "b", WEFT_ZEROS, DIMS(1));
    weft_value prediction = weft_add(g, weft_matmul(g, weft_mul(g, x, mask), w), b);
    weft_value loss = weft_mean_all(g, weft_square(g, weft_sub(g, prediction, y)));
    weft_value wrt[2] = {w, b}, fetches[3] = {loss};
    weft_name(g, loss, "loss");
    assert_int_equal(weft_gradient(g, loss, (weft_value){0}, wrt, 2, fetches + 1), WEFT_OK);
    fetches[1] = weft_name(g, fetches[1], "grad.w");
    fetches[2] = weft_name(g, fetches[2], "grad.b");
    assert_int_equal(weft_params_init(r->params, g, WEFT_F32, 9), WEFT_OK);
    assert_int_equal(weft_compile(r->engine, g, NULL, 0, fetches, 3, &r->plan), WEFT_OK);
    assert_int_equal(weft_session_new(r->plan, &r->params, 1, &r->session), WEFT_OK);
    assert_int_equal(weft_bind(r->session, "x", (weft_tensor){r->batch_x, WEFT_F32, DIMS(BATCH, WIDTH)}), WEFT_OK);
    assert_int_equal(weft_bind(r->session, "y", (weft_tensor){r->batch_y, WEFT_F32, DIMS(BATCH, 1)}), WEFT_OK);
    weft_optimizer_options adamw = WEFT_ADAMW(0.01);
    adamw.clip_norm = 1;
    adamw.ema_decay = 0.8;
    assert_int_equal(weft_optimizer_new(r->engine, r->params, &adamw, &r->optimizer), WEFT_OK);
}

static void close_room(room *r)
{
    weft_optimizer_free(r->optimizer);
    weft_session_free(r->session);
    weft_plan_free(r->plan);
    weft_graph_free(r->graph);
    weft_params_free(r->params);
    weft_engine_free(r->engine);
}

static const weft_schedule schedule = {WEFT_COSINE, 0.1, 0.001, 5, 6 * STEPS, WEFT_WARMUP_RISING};
static const char *const command[] = {"weft", "tabular", "train", "data.csv"};
static const char *const data_files[] = {data_path};
static const weft_run_info info = {command, 4, data_files, 1, 1, "avx512"};

static weft_train_job job_of(room *r)
{
    return (weft_train_job){.params = r->params,
                            .optimizer = r->optimizer,
                            .schedule = &schedule,
                            .steps_per_epoch = STEPS,
                            .max_epochs = 6,
                            .patience = -1,
                            .seed = 9,
                            .folder = run_folder,
                            .run = &info,
                            .checkpoint_steps = 2,
                            .checkpoint_epochs = 1,
                            .log_steps = 1,
                            .evaluate_ema = true,
                            .user = r,
                            .step = room_step,
                            .evaluate = room_evaluate,
                            .save = room_save,
                            .load = room_load};
}

static bool has(const char *name)
{
    char path[128];
    inside(name, path);
    return weft_path_exists(path);
}

static char *content(const char *name)
{
    char path[128], *text;
    size_t size;
    inside(name, path);
    if (weft_file_read(path, 1 << 20, &text, &size) != WEFT_OK)
        fail_msg("%s", weft_error());
    return text;
}

/* What a finished run leaves: the model's bytes and the lines of metrics. */
typedef struct outcome {
    uint64_t model;
    char *metrics;
    weft_train_result result;
} outcome;

static outcome take_outcome(const weft_train_result *result)
{
    outcome o = {.result = *result, .metrics = content("metrics.jsonl")};
    char path[128];
    inside("model.safetensors", path);
    assert_int_equal(weft_file_checksum(path, &o.model, NULL), WEFT_OK);
    assert_false(weft_checkpoint_exists(run_folder));
    assert_true(weft_run_finished(run_folder));
    DIR *list = opendir(run_folder);
    int files = 0;
    assert_non_null(list);
    for (struct dirent *e; (e = readdir(list));)
        files += e->d_name[0] != '.' || strstr(e->d_name, ".tmp") != NULL;
    closedir(list);
    assert_int_equal(files, 3);
    return o;
}

static outcome undisturbed(void)
{
    room r;
    weft_train_result result;
    open_room(&r, 1);
    weft_train_job job = job_of(&r);
    if (weft_train(&job, &result) != WEFT_OK)
        fail_msg("%s", weft_error());
    assert_int_equal(result.steps, 18);
    assert_int_equal(r.steps_seen, 18);
    outcome o = take_outcome(&result);
    close_room(&r);
    clear(run_folder);
    return o;
}

static void compare(const outcome *a, const outcome *b)
{
    assert_true(a->model == b->model);
    assert_string_equal(a->metrics, b->metrics);
    assert_true(a->result.best_score == b->result.best_score && a->result.last_loss == b->result.last_loss);
    assert_true(a->result.best_epoch == b->result.best_epoch && a->result.steps == b->result.steps);
}

static int lines(const char *text)
{
    int count = 0;
    for (; *text; text++)
        count += *text == '\n';
    return count;
}

/* ---- tests ---- */

static void learns_and_tells(void **state)
{
    (void)state;
    room r;
    open_room(&r, 2);
    weft_train_job job = job_of(&r);
    weft_train_result result;
    double before, after, best;
    weft_text ignored = {0};
    assert_int_equal(room_evaluate(&r, 0, &before, &ignored), WEFT_OK);
    if (weft_train(&job, &result) != WEFT_OK)
        fail_msg("%s", weft_error());
    assert_int_equal(room_evaluate(&r, 0, &best, &ignored), WEFT_OK);
    assert_true(best > before / 2 && best == result.best_score); /* the best epoch's averages are in the set */
    outcome one = undisturbed(), two;                            /* made with one thread */
    job.resume = true;
    assert_int_equal(weft_train(&job, &result), WEFT_ERROR_ARGUMENT);
    (void)after;
    close_room(&r);
    open_room(&r, 2);
    job = job_of(&r);
    assert_int_equal(weft_train(&job, &result), WEFT_OK);
    two = take_outcome(&result);
    compare(&one, &two);
    assert_int_equal(lines(two.metrics), 18 + 6);
    assert_non_null(strstr(two.metrics, "{\"step\": 1, \"epoch\": 0, \"loss\": "));
    assert_non_null(strstr(two.metrics, "\"best\": true, \"mse\": "));
    job.resume = true;
    assert_int_equal(weft_train(&job, &result), WEFT_ERROR_ARGUMENT);
    assert_non_null(strstr(weft_error(), "finished"));
    char *run = content("run.json");
    assert_non_null(strstr(run, "\"tabular\""));
    assert_non_null(strstr(run, "\"status\": \"finished\""));
    assert_non_null(strstr(run, "\"seed\": \"9\""));
    uint64_t checksum;
    char hex[32];
    assert_int_equal(weft_file_checksum(data_path, &checksum, NULL), WEFT_OK);
    snprintf(hex, sizeof hex, "%016llx", (unsigned long long)checksum);
    assert_non_null(strstr(run, hex));
    free(run);
    free(one.metrics);
    free(two.metrics);
    weft_text_free(&ignored);
    close_room(&r);
}

static void stops_by_patience(void **state)
{
    (void)state;
    const double scores[] = {1, 2, 2, 2, 2, 3, 3, 3, 3, 3};
    room r;
    open_room(&r, 1);
    r.scores = scores;
    weft_train_job job = job_of(&r);
    weft_train_result result;
    job.folder = NULL;
    job.patience = 2;
    job.max_epochs = 0;
    assert_int_equal(weft_train(&job, &result), WEFT_OK); /* equal is not better; 2 epochs without are borne, 3 are not */
    assert_true(result.epochs == 5 && result.best_epoch == 1 && result.best_score == 2);
    close_room(&r);
    open_room(&r, 1);
    r.scores = scores;
    job = job_of(&r);
    job.folder = NULL;
    job.patience = 3;
    job.max_epochs = 8;
    assert_int_equal(weft_train(&job, &result), WEFT_OK);
    assert_true(result.epochs == 8 && result.best_epoch == 5 && result.best_score == 3);
    close_room(&r);
}

/* Trains in a child that is killed at its call `n`; true when it got to its end before. */
static bool live_until(int n, bool resume)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        room r;
        open_room(&r, 1);
        weft_train_job job = job_of(&r);
        job.resume = resume;
        calls_left = n;
        _exit(weft_train(&job, NULL) == WEFT_OK ? 0 : 1);
    }
    int status;
    assert_true(waitpid(child, &status, 0) == child);
    if (WIFEXITED(status) && WEXITSTATUS(status) != 0)
        fail_msg("a run of %d calls failed", n);
    return WIFEXITED(status);
}

static void goes_on_after_a_kill(void **state)
{
    (void)state;
    outcome alone = undisturbed();
    int kills = 0;
    for (int n = 0;; n += n < 40 ? 1 : 7) {
        bool ended = live_until(n, false);
        if (ended)
            break;
        kills++;
        if (has("run.json") && weft_run_finished(run_folder)) { /* killed among the last unlinks: nothing is left to do */
            room r;
            open_room(&r, 1);
            weft_train_job job = job_of(&r);
            job.resume = true;
            assert_int_equal(weft_train(&job, NULL), WEFT_ERROR_ARGUMENT);
            close_room(&r);
            outcome o = take_outcome(&alone.result);
            compare(&alone, &o);
            free(o.metrics);
        } else {
            bool resume = has("run.json");   /* before it nothing had begun */
            if (!live_until(n + 11, resume)) /* a second kill */
                resume = has("run.json");
            if (!(has("run.json") && weft_run_finished(run_folder))) {
                room r;
                open_room(&r, 1);
                weft_train_job job = job_of(&r);
                weft_train_result result;
                job.resume = resume;
                if (weft_train(&job, &result) != WEFT_OK)
                    fail_msg("after a kill at call %d: %s", n, weft_error());
                outcome o = take_outcome(&result);
                compare(&alone, &o);
                free(o.metrics);
                close_room(&r);
            }
        }
        clear(run_folder);
    }
    assert_true(kills > 40);
    free(alone.metrics);
}

static void goes_on_after_an_interrupt(void **state)
{
    (void)state;
    outcome alone = undisturbed();
    const int64_t places[] = {0, 1, 2, 7, 11, 16, 17, -1}; /* in this step; −1: in the evaluation of epoch 3 */
    for (size_t p = 0; p < sizeof places / sizeof *places; p++) {
        int64_t at = places[p];
        room r;
        weft_train_result result;
        open_room(&r, 1);
        weft_train_job job = job_of(&r);
        r.interrupt_at = at;
        r.leave_at = at < 0 ? 3 : -1;
        job.checkpoint_steps = job.checkpoint_epochs = 0;
        assert_int_equal(weft_train(&job, &result), WEFT_ERROR_INTERRUPTED);
        assert_non_null(strstr(weft_error(), "--resume"));
        assert_non_null(strstr(weft_error(), run_folder));
        weft_interrupt_clear();
        assert_int_equal(result.steps, at < 0 ? 12 : at + 1);
        char *run = content("run.json");
        assert_non_null(strstr(run, "\"interrupted\""));
        free(run);
        close_room(&r);
        open_room(&r, 1);
        job = job_of(&r);
        assert_int_equal(weft_train(&job, &result), WEFT_ERROR_ARGUMENT); /* unfinished */
        assert_non_null(strstr(weft_error(), "unfinished"));
        job.resume = true;
        if (weft_train(&job, &result) != WEFT_OK)
            fail_msg("%s", weft_error());
        outcome o = take_outcome(&result);
        compare(&alone, &o);
        free(o.metrics);
        close_room(&r);
        clear(run_folder);
    }
    free(alone.metrics);
}

static void goes_on_after_a_full_disk(void **state)
{
    (void)state;
    outcome alone = undisturbed();
    for (int n = 20; n < 120; n += 13) {
        room r;
        open_room(&r, 1);
        weft_train_job job = job_of(&r);
        calls_left = n;
        disk_full = true;
        weft_status status = weft_train(&job, NULL);
        disk_full = false;
        calls_left = -1;
        assert_int_equal(status, WEFT_ERROR_FILE);
        assert_non_null(strstr(weft_error(), "No space left"));
        close_room(&r);
        open_room(&r, 1);
        weft_train_result result;
        job = job_of(&r);
        job.resume = true;
        if (weft_train(&job, &result) != WEFT_OK)
            fail_msg("%s", weft_error());
        outcome o = take_outcome(&result);
        compare(&alone, &o);
        free(o.metrics);
        close_room(&r);
        clear(run_folder);
    }
    free(alone.metrics);
}

static void stops_at_what_is_not_finite(void **state)
{
    (void)state;
    room r;
    open_room(&r, 1);
    weft_train_job job = job_of(&r);
    r.bad_at = 7;
    assert_int_equal(weft_train(&job, NULL), WEFT_ERROR_NUMERIC);
    assert_non_null(strstr(weft_error(), "step 7 (epoch 2"));
    assert_non_null(strstr(weft_error(), "the loss is inf"));
    assert_non_null(strstr(weft_error(), "\"loss\""));
    assert_non_null(strstr(weft_error(), "checkpoint is that of step 6"));
    char *run = content("run.json");
    assert_non_null(strstr(run, "\"failed\""));
    free(run);
    close_room(&r);
    clear(run_folder);
    const double scores[] = {1, NAN};
    open_room(&r, 1);
    job = job_of(&r);
    r.scores = scores;
    assert_int_equal(weft_train(&job, NULL), WEFT_ERROR_NUMERIC);
    assert_non_null(strstr(weft_error(), "epoch 1: the score is nan"));
    close_room(&r);
}

static void refuses_another_run(void **state)
{
    (void)state;
    room r;
    open_room(&r, 1);
    weft_train_job job = job_of(&r);
    job.resume = true;
    assert_int_equal(weft_train(&job, NULL), WEFT_ERROR_ARGUMENT);
    assert_non_null(strstr(weft_error(), "no run to resume"));
    assert_false(weft_path_exists(run_folder));
    job.resume = false;
    r.interrupt_at = 7;
    assert_int_equal(weft_train(&job, NULL), WEFT_ERROR_INTERRUPTED);
    weft_interrupt_clear();
    char *before = content("trainer.json");
    job.resume = true;
    job.seed = 10;
    assert_int_equal(weft_train(&job, NULL), WEFT_ERROR_ARGUMENT);
    assert_non_null(strstr(weft_error(), "seed 9, not 10"));
    job.seed = 9;
    job.steps_per_epoch = 2;
    assert_int_equal(weft_train(&job, NULL), WEFT_ERROR_ARGUMENT);
    assert_non_null(strstr(weft_error(), "3 steps an epoch, not 2"));
    job.steps_per_epoch = STEPS;
    assert_int_equal(weft_file_write(data_path, "a,b\n1,3\n", 8), WEFT_OK);
    assert_int_equal(weft_train(&job, NULL), WEFT_ERROR_ARGUMENT);
    assert_non_null(strstr(weft_error(), "data.csv: has changed"));
    assert_int_equal(weft_file_write(data_path, "a,b\n1,2\n", 8), WEFT_OK);
    weft_run_log *log, *second;
    assert_int_equal(weft_run_log_open(run_folder, &info, 9, true, &log), WEFT_OK);
    assert_int_equal(weft_run_log_open(run_folder, &info, 9, true, &second), WEFT_ERROR_FILE);
    assert_non_null(strstr(weft_error(), "another process"));
    weft_run_log_free(log);
    char *after = content("trainer.json");
    assert_string_equal(before, after);
    free(before);
    free(after);
    /* a run that failed before its first checkpoint does not keep the folder */
    close_room(&r);
    clear(run_folder);
    open_room(&r, 1);
    job = job_of(&r);
    r.bad_at = 0;
    assert_int_equal(weft_train(&job, NULL), WEFT_ERROR_NUMERIC);
    close_room(&r);
    open_room(&r, 1);
    job = job_of(&r);
    r.interrupt_at = 7;
    assert_int_equal(weft_train(&job, NULL), WEFT_ERROR_INTERRUPTED);
    weft_interrupt_clear();
    /* forgotten, the folder takes a new run from its first step */
    assert_int_equal(weft_run_forget(run_folder), WEFT_OK);
    close_room(&r);
    open_room(&r, 1);
    job = job_of(&r);
    weft_train_result result;
    assert_int_equal(weft_train(&job, &result), WEFT_OK);
    assert_int_equal(r.steps_seen, 18);
    close_room(&r);
    /* jobs that make no sense */
    open_room(&r, 1);
    job = job_of(&r);
    job.steps_per_epoch = 0;
    assert_int_equal(weft_train(&job, NULL), WEFT_ERROR_ARGUMENT);
    job = job_of(&r);
    job.max_epochs = 0;
    assert_int_equal(weft_train(&job, NULL), WEFT_ERROR_ARGUMENT);
    job = job_of(&r);
    job.schedule = NULL;
    job.rate = NAN;
    assert_int_equal(weft_train(&job, NULL), WEFT_ERROR_ARGUMENT);
    close_room(&r);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, make_folder, drop_folder)
    const struct CMUnitTest tests[] = {
        CASE(goes_on_after_a_kill), CASE(goes_on_after_an_interrupt),  CASE(goes_on_after_a_full_disk),
        CASE(stops_by_patience),    CASE(stops_at_what_is_not_finite), CASE(refuses_another_run),
        CASE(learns_and_tells),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
