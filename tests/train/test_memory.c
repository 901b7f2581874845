/* Short memory: every allocation of a training run and its resumption fails once; each time the answer is an error, nothing
 * crashes, and the folder still holds a run that goes on to its end. The C library's allocators are replaced below. */
#include "base/files.h"
#include "sanitizers.h"
#include "weft/train.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#if ADDRESS_SANITIZER || THREAD_SANITIZER
#define OWN_ALLOCATORS 0 /* the sanitizer brings its own */
#else
#define OWN_ALLOCATORS 1
#endif

static int left = -1; /* −1: all succeed; else the one that finds 0 fails */

#if OWN_ALLOCATORS
void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
void *__libc_memalign(size_t, size_t);

static bool fails(void)
{
    return left >= 0 && left-- == 0;
}

void *malloc(size_t size)
{
    return fails() ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    return fails() ? NULL : __libc_calloc(count, size);
}

void *realloc(void *old, size_t size)
{
    return fails() ? NULL : __libc_realloc(old, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return fails() ? NULL : __libc_memalign(alignment, size);
}
#endif

/* The test needs no waiting for the disk. */
int fsync(int file)
{
    (void)file;
    return 0;
}

static char folder[64];

static void clear(void)
{
    DIR *list = opendir(folder);
    for (struct dirent *e; list && (e = readdir(list));)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            unlinkat(dirfd(list), e->d_name, 0);
    if (list)
        closedir(list);
}

/* loss = Σ (w − t)², t = 1, 2, 3, 4 */
typedef struct room {
    weft_engine *engine;
    weft_graph *graph;
    weft_plan *plan;
    weft_session *session;
    weft_params *params;
    float target[4];
    int steps_to_interrupt; /* −1: none */
} room;

static weft_status step(void *user, int64_t epoch, int64_t at, double *loss, weft_session **gradients)
{
    (void)epoch;
    (void)at;
    room *r = user;
    weft_tensor t;
    weft_status status = weft_run(r->session);
    if (status == WEFT_OK)
        status = weft_fetch(r->session, "loss", &t);
    if (status != WEFT_OK)
        return status;
    *loss = *(float *)t.data;
    *gradients = r->session;
    if (r->steps_to_interrupt-- == 0)
        weft_interrupt();
    return WEFT_OK;
}

static weft_status evaluate(void *user, int64_t epoch, double *score, weft_text *metrics)
{
    (void)user;
    *score = (double)epoch;
    weft_text_add(metrics, "{\"n\": %d}", (int)epoch);
    return WEFT_OK;
}

static void open_room(room *r)
{
    *r = (room){.target = {1, 2, 3, 4}, .steps_to_interrupt = -1};
    weft_engine_options options = {.threads = 1};
    assert_int_equal(weft_engine_new(&options, &r->engine), WEFT_OK);
    assert_int_equal(weft_params_new(&r->params), WEFT_OK);
    weft_graph *g = r->graph = weft_graph_new(WEFT_F32);
    weft_value w = weft_param(g, "w", WEFT_ZEROS, DIMS(4));
    weft_value loss = weft_sum_all(g, weft_square(g, weft_sub(g, w, weft_input(g, "t", WEFT_F32, DIMS(4))))), fetches[2] = {loss};
    weft_name(g, loss, "loss");
    assert_int_equal(weft_gradient(g, loss, (weft_value){0}, &w, 1, fetches + 1), WEFT_OK);
    fetches[1] = weft_name(g, fetches[1], "grad.w");
    assert_int_equal(weft_params_init(r->params, g, WEFT_F32, 0), WEFT_OK);
    assert_int_equal(weft_compile(r->engine, g, NULL, 0, fetches, 2, &r->plan), WEFT_OK);
    assert_int_equal(weft_session_new(r->plan, &r->params, 1, &r->session), WEFT_OK);
    assert_int_equal(weft_bind(r->session, "t", (weft_tensor){r->target, WEFT_F32, DIMS(4)}), WEFT_OK);
}

static void close_room(room *r)
{
    weft_session_free(r->session);
    weft_plan_free(r->plan);
    weft_graph_free(r->graph);
    weft_params_free(r->params);
    weft_engine_free(r->engine);
}

/* Trains from zeros with a new optimiser; the allocation that finds `failing` at 0 fails. */
static bool reached; /* the allocation that was to fail came */

static weft_status train(room *r, bool resume, int failing)
{
    float zeros[4] = {0};
    assert_int_equal(weft_params_set(r->params, "w", (weft_tensor){zeros, WEFT_F32, DIMS(4)}), WEFT_OK);
    weft_optimizer_options options = WEFT_ADAMW(0.1);
    options.ema_decay = 0.5;
    weft_optimizer *optimizer;
    const char *const command[] = {"weft"};
    const weft_run_info info = {.command = command, .command_count = 1};
    left = failing;
    weft_status status = weft_optimizer_new(r->engine, r->params, &options, &optimizer);
    if (status == WEFT_OK) {
        weft_train_job job = {.params = r->params,
                              .optimizer = optimizer,
                              .rate = 0.1,
                              .steps_per_epoch = 2,
                              .max_epochs = 2,
                              .patience = -1,
                              .folder = folder,
                              .run = &info,
                              .resume = resume,
                              .checkpoint_steps = 1,
                              .log_steps = 1,
                              .evaluate_ema = true,
                              .user = r,
                              .step = step,
                              .evaluate = evaluate};
        status = weft_train(&job, NULL);
    }
    reached = left < 0;
    left = -1;
    weft_optimizer_free(optimizer);
    weft_interrupt_clear();
    return status;
}

static void fails_and_goes_on(bool resumed)
{
    room r;
    float wanted[4];
    weft_tensor w;
    open_room(&r);
    assert_int_equal(train(&r, false, -1), WEFT_OK);
    assert_true(weft_params_get(r.params, "w", &w));
    memcpy(wanted, w.data, sizeof wanted);
    assert_true(wanted[0] > 0.05f && wanted[0] < 1);
    clear();
    int failures = 0;
    for (int n = 0;; n++) {
        if (resumed) {
            r.steps_to_interrupt = 2;
            assert_int_equal(train(&r, false, -1), WEFT_ERROR_INTERRUPTED);
            r.steps_to_interrupt = -1;
        }
        weft_status status = train(&r, resumed, n);
        if (!reached)
            break;
        failures++;
        /* some can be done without; a writer says it as the system does */
        if (status != WEFT_OK && !strstr(weft_error(), "allocate"))
            fail_msg("allocation %d: status %d, %s", n, (int)status, weft_error());
        if (!weft_run_finished(folder)) {
            char path[80];
            snprintf(path, sizeof path, "%s/run.json", folder);
            if (train(&r, weft_path_exists(path), -1) != WEFT_OK)
                fail_msg("after allocation %d: %s", n, weft_error());
            assert_true(weft_params_get(r.params, "w", &w));
            assert_memory_equal(w.data, wanted, sizeof wanted);
        }
        clear();
    }
    assert_true(failures > 100);
    clear();
    close_room(&r);
}

static void a_run_fails_and_goes_on(void **state)
{
    (void)state;
    fails_and_goes_on(false);
}

static void a_resumed_run_fails_and_goes_on(void **state)
{
    (void)state;
    fails_and_goes_on(true);
}

static int make_folder(void **state)
{
    (void)state;
    /* in memory where there is such a place: renames on a disk may wait for it */
    strcpy(folder, access("/dev/shm", W_OK) == 0 ? "/dev/shm/weft-memory-XXXXXX" : "/tmp/weft-memory-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int drop_folder(void **state)
{
    (void)state;
    left = -1;
    clear();
    return rmdir(folder);
}

int main(void)
{
    if (!OWN_ALLOCATORS) {
        puts("skipped: the sanitizer brings its own allocators");
        return 77;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_run_fails_and_goes_on, make_folder, drop_folder),
        cmocka_unit_test_setup_teardown(a_resumed_run_fails_and_goes_on, make_folder, drop_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
