/* Checkpoints: every bit comes back; a kill at any system call of a save, or a full disk, leaves one that loads; broken, cut and
 * mixed files are refused. The calls that change files are replaced below, so that a child can be killed in the middle of any. */
#include "base/files.h"
#include "io/io.h"
#include "train/optimizer.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "kill.h"

/* ---- a small model with every kind of state ---- */

static char folder[64];

static int make_folder(void **state)
{
    (void)state;
    /* in memory where there is such a place: renames on a disk may wait for it */
    strcpy(folder, access("/dev/shm", W_OK) == 0 ? "/dev/shm/weft-checkpoint-XXXXXX" : "/tmp/weft-checkpoint-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

/* The folder's files, but for "." and "..": how many, and each one's name handed to `each`. */
static int walk(void (*each)(const char *path))
{
    int count = 0;
    DIR *list = opendir(folder);
    assert_non_null(list);
    for (struct dirent *e; (e = readdir(list));)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0) {
            char path[400];
            snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
            if (each)
                each(path);
            count++;
        }
    closedir(list);
    return count;
}

static void drop(const char *path)
{
    assert_int_equal(unlink(path), 0);
}

static int drop_folder(void **state)
{
    (void)state;
    calls_left = -1;
    disk_full = false;
    walk(drop);
    return rmdir(folder);
}

typedef struct kit {
    weft_engine *engine;
    weft_params *params;
    weft_optimizer *optimizer;
} kit;

enum { N = 70000 }; /* a tensor that does not fit the writer's buffer */

static kit open_kit(void)
{
    kit k;
    weft_engine_options engine = {.threads = 1};
    weft_optimizer_options options = WEFT_ADAMW(0.1);
    options.ema_decay = 0.9;
    float *a = malloc(N * sizeof *a);
    double b[3] = {1, 2, 3};
    assert_non_null(a);
    for (int i = 0; i < N; i++)
        a[i] = (float)sin(i);
    assert_int_equal(weft_engine_new(&engine, &k.engine), WEFT_OK);
    assert_int_equal(weft_params_new(&k.params), WEFT_OK);
    assert_int_equal(weft_params_set(k.params, "a", (weft_tensor){a, WEFT_F32, DIMS(7, N / 7)}), WEFT_OK);
    assert_int_equal(weft_params_set(k.params, "b", (weft_tensor){b, WEFT_F64, DIMS(3)}), WEFT_OK);
    assert_int_equal(weft_optimizer_new(k.engine, k.params, &options, &k.optimizer), WEFT_OK);
    free(a);
    return k;
}

static void close_kit(kit *k)
{
    weft_optimizer_free(k->optimizer);
    weft_params_free(k->params);
    weft_engine_free(k->engine);
}

static void train(kit *k, int from, int to)
{
    float *g = malloc(N * sizeof *g);
    double h[3];
    assert_non_null(g);
    for (int t = from; t < to; t++) {
        for (int i = 0; i < N; i++)
            g[i] = (float)cos(i + 17 * t);
        for (int i = 0; i < 3; i++)
            h[i] = cos(i - 5 * t);
        const char *names[2] = {"a", "b"};
        weft_tensor grads[2] = {{g, WEFT_F32, DIMS(7, N / 7)}, {h, WEFT_F64, DIMS(3)}};
        assert_int_equal(weft_optimizer_apply(k->optimizer, names, grads, t % 3 ? 2 : 1, 0.01), WEFT_OK);
    }
    free(g);
}

/* One number for all that a kit holds. */
static uint64_t fingerprint(const kit *k)
{
    uint64_t sum = (uint64_t)weft_optimizer_steps(k->optimizer);
    for (int r = 0; r < k->optimizer->count; r++) {
        const weft_optimizer_row *row = &k->optimizer->rows[r];
        weft_tensor t;
        size_t bytes = (size_t)row->count * weft_dtype_size(row->dtype);
        assert_true(weft_params_get(k->params, row->name, &t));
        const void *all[] = {t.data, row->m, row->v, row->ema, row->summed ? row->sum : NULL};
        for (int i = 0; i < 5; i++)
            sum = 31 * sum + (all[i] ? weft_checksum(all[i], bytes) : 7);
        sum = 31 * sum + (uint64_t)row->steps;
    }
    return sum;
}

static weft_status save(const kit *k, int64_t step)
{
    weft_train_state state = {.step = step, .epoch = step / 10, .seed = UINT64_MAX - 1};
    return weft_checkpoint_save(folder, k->params, k->optimizer, &state);
}

/* The step of the folder's checkpoint; its content must be that of a kit trained so far. */
static int64_t load_and_check(const uint64_t *prints)
{
    kit k = open_kit();
    weft_train_state state;
    if (weft_checkpoint_load(folder, k.params, k.optimizer, &state) != WEFT_OK)
        fail_msg("does not load: %s", weft_error());
    assert_true(fingerprint(&k) == prints[state.step]);
    int64_t step = state.step;
    weft_train_state_free(&state);
    close_kit(&k);
    return step;
}

/* ---- tests ---- */

/* Vectors that every implementation of XXH64 agrees on. */
static void checksums_by_the_book(void **state)
{
    (void)state;
    const struct {
        const char *text;
        uint64_t sum;
    } known[] = {{"", 0xEF46DB3751D8E999},
                 {"a", 0xD24EC4F1A98C6E5B},
                 {"abc", 0x44BC2CF5AD770999},
                 {"Nobody inspects the spammish repetition", 0xFBCEA83C8A378BF1}};
    char path[128];
    snprintf(path, sizeof path, "%s/file", folder);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        uint64_t sum;
        int64_t bytes;
        assert_true(weft_checksum(known[i].text, strlen(known[i].text)) == known[i].sum);
        assert_int_equal(weft_file_write(path, known[i].text, strlen(known[i].text)), WEFT_OK);
        assert_int_equal(weft_file_checksum(path, &sum, &bytes), WEFT_OK);
        assert_true(sum == known[i].sum && bytes == (int64_t)strlen(known[i].text));
    }
    uint64_t sum;
    assert_int_equal(weft_file_checksum("/tmp/there is no such file", &sum, NULL), WEFT_ERROR_FILE);
}

static void brings_back_every_bit(void **state)
{
    (void)state;
    kit k = open_kit(), l = open_kit();
    train(&k, 0, 5);
    int64_t order[4] = {3, 1, 0, 2};
    weft_arrays *extra;
    assert_int_equal(weft_arrays_new(&extra), WEFT_OK);
    assert_int_equal(weft_arrays_add(extra, "order", (weft_tensor){order, WEFT_I64, DIMS(2, 2)}), WEFT_OK);
    weft_train_state given = {5, 2, UINT64_MAX, "{\"best\":-0.1234567890123456789,\"name\":\"x\\n\"}", extra}, got;
    assert_int_equal(weft_checkpoint_save(folder, k.params, k.optimizer, &given), WEFT_OK);
    assert_int_equal(weft_checkpoint_load(folder, l.params, l.optimizer, &got), WEFT_OK);
    assert_true(fingerprint(&k) == fingerprint(&l));
    assert_true(got.step == 5 && got.epoch == 2 && got.seed == UINT64_MAX);
    assert_string_equal(got.extra_json, "{\"best\": -0.12345678901234568, \"name\": \"x\\n\"}");
    weft_tensor t;
    assert_true(weft_arrays_find(got.extra, "order", &t));
    assert_memory_equal(t.data, order, sizeof order);
    weft_train_state_free(&got);
    train(&k, 5, 9);
    train(&l, 5, 9);
    assert_true(fingerprint(&k) == fingerprint(&l));
    /* only the newest generation stays */
    assert_int_equal(weft_checkpoint_save(folder, k.params, k.optimizer, &given), WEFT_OK);
    assert_int_equal(walk(NULL), 2);
    assert_true(weft_checkpoint_exists(folder));
    assert_int_equal(weft_checkpoint_remove(folder), WEFT_OK);
    assert_int_equal(weft_checkpoint_remove(folder), WEFT_OK);
    assert_int_equal(walk(NULL), 0);
    assert_int_equal(weft_checkpoint_load(folder, l.params, l.optimizer, &got), WEFT_ERROR_FILE);
    given.extra_json = "{no json";
    assert_int_equal(weft_checkpoint_save(folder, k.params, k.optimizer, &given), WEFT_ERROR_FORMAT);
    assert_int_equal(walk(NULL), 0);
    weft_arrays_free(extra);
    close_kit(&k);
    close_kit(&l);
}

/* Runs a save of step 2 in a child that dies at call `n`; false when it came to its end. */
static bool die_at(const kit *k, int n)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        calls_left = n;
        _exit(save(k, 2) == WEFT_OK ? 0 : 1);
    }
    int status;
    assert_true(waitpid(child, &status, 0) == child);
    if (WIFEXITED(status))
        assert_int_equal(WEXITSTATUS(status), 0);
    return WIFSIGNALED(status);
}

static void survives_a_kill_at_every_call(void **state)
{
    (void)state;
    uint64_t prints[3];
    kit k = open_kit(), old = open_kit();
    train(&old, 0, 1);
    prints[1] = fingerprint(&old);
    train(&k, 0, 2);
    prints[2] = fingerprint(&k);
    int kills = 0, seen[3] = {0};
    assert_int_equal(save(&old, 1), WEFT_OK);
    while (die_at(&k, kills)) {
        int64_t step = load_and_check(prints);
        seen[step]++;
        if (step == 2)
            assert_int_equal(save(&old, 1), WEFT_OK);
        kills++;
    }
    assert_true(load_and_check(prints) == 2);
    assert_true(kills >= 8 && seen[1] >= 6 && seen[2] >= 2); /* both sides of the rename were met */
    assert_int_equal(walk(NULL), 2);                         /* and nothing that the dead left is there */
    close_kit(&k);
    close_kit(&old);
}

static void survives_a_full_disk(void **state)
{
    (void)state;
    uint64_t prints[3];
    kit k = open_kit(), old = open_kit();
    train(&old, 0, 1);
    prints[1] = fingerprint(&old);
    train(&k, 0, 2);
    prints[2] = fingerprint(&k);
    assert_int_equal(save(&old, 1), WEFT_OK);
    int failures = 0;
    for (int n = 0;; n++) {
        calls_made = 0;
        calls_left = n;
        disk_full = true;
        weft_status status = save(&k, 2);
        disk_full = false;
        calls_left = -1;
        if (status == WEFT_OK)
            break;
        failures++;
        assert_int_equal(status, WEFT_ERROR_FILE);
        assert_non_null(strstr(weft_error(), "the checkpoint at step 2 was not saved; the one before it is kept"));
        assert_non_null(strstr(weft_error(), "No space left"));
        assert_int_equal(walk(NULL), 2);
        assert_true(load_and_check(prints) == 1);
    }
    assert_true(failures >= 3);
    assert_true(load_and_check(prints) == 2);
    close_kit(&k);
    close_kit(&old);
}

/* The same through the system's own limit on the size of a file. */
static void survives_a_limit_on_file_size(void **state)
{
    (void)state;
    uint64_t prints[3];
    kit k = open_kit();
    train(&k, 0, 1);
    prints[1] = fingerprint(&k);
    assert_int_equal(save(&k, 1), WEFT_OK);
    train(&k, 1, 2);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        signal(SIGXFSZ, SIG_IGN);
        setrlimit(RLIMIT_FSIZE, &(struct rlimit){100000, 100000});
        bool said = save(&k, 2) == WEFT_ERROR_FILE && strstr(weft_error(), "the one before it is kept");
        _exit(said ? 0 : 1);
    }
    int status;
    assert_true(waitpid(child, &status, 0) == child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_true(load_and_check(prints) == 1);
    assert_int_equal(walk(NULL), 2);
    close_kit(&k);
}

static char *tensors_path(void)
{
    static char path[400];
    DIR *list = opendir(folder);
    assert_non_null(list);
    for (struct dirent *e; (e = readdir(list));)
        if (strncmp(e->d_name, "trainer-", 8) == 0)
            snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
    closedir(list);
    return path;
}

static void refuse(const char *words)
{
    kit k = open_kit();
    uint64_t before = fingerprint(&k);
    weft_train_state state;
    assert_int_not_equal(weft_checkpoint_load(folder, k.params, k.optimizer, &state), WEFT_OK);
    if (!strstr(weft_error(), words))
        fail_msg("expected \"%s\" in: %s", words, weft_error());
    assert_true(fingerprint(&k) == before);
    close_kit(&k);
}

static void refuses_broken_files(void **state)
{
    (void)state;
    kit k = open_kit();
    train(&k, 0, 2);
    char *bytes, *json, json_path[128], path[400];
    size_t size, length;
    snprintf(json_path, sizeof json_path, "%s/trainer.json", folder);
    assert_int_equal(save(&k, 1), WEFT_OK);
    snprintf(path, sizeof path, "%s", tensors_path());
    assert_int_equal(weft_file_read(path, 1 << 28, &bytes, &size), WEFT_OK);
    assert_int_equal(weft_file_read(json_path, 1 << 20, &json, &length), WEFT_OK);
    for (size_t cut = 0; cut < size; cut += size / 5) {
        assert_int_equal(weft_file_write(path, bytes, cut), WEFT_OK);
        refuse("truncated");
    }
    for (int i = 1; i < 6; i++) {
        size_t at = size * (size_t)i / 6;
        bytes[at] ^= 4;
        assert_int_equal(weft_file_write(path, bytes, size), WEFT_OK);
        bytes[at] ^= 4;
        refuse("checksum");
    }
    drop(path);
    refuse("is not there");
    assert_int_equal(weft_file_write(path, bytes, size), WEFT_OK);
    /* any cut of the text is refused; only its last line end may be missing */
    for (size_t cut = 0; cut + 1 < length; cut += 7) {
        assert_int_equal(weft_file_write(json_path, json, cut), WEFT_OK);
        refuse("trainer.json");
    }
    /* the tensors of one save under the text of another */
    assert_int_equal(weft_file_write(json_path, json, length), WEFT_OK);
    train(&k, 2, 3);
    assert_int_equal(save(&k, 2), WEFT_OK);
    assert_int_equal(weft_file_write(tensors_path(), bytes, size), WEFT_OK);
    refuse("checksum");
    /* another model, another optimiser */
    assert_int_equal(weft_file_write(path, bytes, size), WEFT_OK);
    assert_int_equal(weft_file_write(json_path, json, length), WEFT_OK);
    weft_train_state s;
    float one = 1;
    assert_int_equal(weft_params_set(k.params, "c", (weft_tensor){&one, WEFT_F32, DIMS(1)}), WEFT_OK);
    assert_int_equal(weft_checkpoint_load(folder, k.params, NULL, &s), WEFT_ERROR_ARGUMENT);
    assert_non_null(strstr(weft_error(), "\"c\""));
    weft_optimizer *sgd;
    weft_optimizer_options options = WEFT_SGD(0.9);
    kit l = open_kit();
    assert_int_equal(weft_optimizer_new(l.engine, l.params, &options, &sgd), WEFT_OK);
    assert_int_equal(weft_checkpoint_load(folder, l.params, sgd, &s), WEFT_ERROR_ARGUMENT);
    assert_non_null(strstr(weft_error(), "\"adamw\""));
    assert_int_equal(weft_checkpoint_load(folder, l.params, NULL, &s), WEFT_OK);
    weft_train_state_free(&s);
    weft_optimizer_free(sgd);
    close_kit(&l);
    close_kit(&k);
    free(bytes);
    free(json);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, make_folder, drop_folder)
    const struct CMUnitTest tests[] = {
        CASE(checksums_by_the_book), CASE(brings_back_every_bit),         CASE(survives_a_kill_at_every_call),
        CASE(survives_a_full_disk),  CASE(survives_a_limit_on_file_size), CASE(refuses_broken_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
