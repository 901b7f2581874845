/* Sweeps: numbers of single runs whatever the threads and processes, resuming from the journal, the efficient front; timelines.
 */
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/files.h"
#include "base/json.h"
#include "hardware/sweep.h"
#include "hardware/timeline.h"

enum { POINTS = 200 };

static weft_platform platform;

static weft_sweep_point *make_points(void)
{
    weft_sweep_point *points = calloc(POINTS, sizeof *points);
    assert_non_null(points);
    for (int i = 0; i < POINTS; i++) {
        weft_sweep_point *p = &points[i];
        *p = (weft_sweep_point){.model = "m", .hardware = "h", .load = "l"};
        p->design = (weft_design){.platform = &platform,
                                  .llm = *weft_llm_preset_at(i % 2),
                                  .options = {.mode = WEFT_HARDWARE_ANALYTIC, .system = (weft_serving_system)(i / 2 % 4)},
                                  .batch = 8 + i,
                                  .length = 100 + i};
        snprintf(p->name, sizeof p->name, "point %03d", i);
    }
    return points;
}

static void numbers_are_those_of_single_runs(void **state)
{
    (void)state;
    weft_sweep_point *alone = make_points(), *together = make_points();
    weft_sweep_summary summary;
    assert_int_equal(weft_sweep_run(alone, POINTS, &(weft_sweep_options){.threads = 1}, &summary), WEFT_OK);
    assert_int_equal(summary.computed, POINTS);
    assert_int_equal(weft_sweep_run(together, POINTS, &(weft_sweep_options){.threads = 4}, &summary), WEFT_OK);
    for (int i = 0; i < POINTS; i++) {
        weft_design d = together[i].design;
        weft_iteration it;
        assert_int_equal(weft_design_run(&d, &it), WEFT_OK);
        assert_true(it.cycles == together[i].cycles && it.cycles == alone[i].cycles);
        assert_true(it.tokens_per_second == together[i].tokens_per_second);
        assert_true(it.energy.total / (double)it.tokens == together[i].joules_per_token);
        weft_iteration_free(&it);
    }
    weft_sweep_free(alone, POINTS);
    weft_sweep_free(together, POINTS);
    free(alone);
    free(together);
}

static void temporary(char *path)
{
    int file = mkstemp(path);
    assert_true(file >= 0);
    close(file);
}

static void forget_lock(const char *path)
{
    char lock[64];
    snprintf(lock, sizeof lock, "%s.lock", path);
    unlink(lock);
}

static void a_journal_saves_what_is_done(void **state)
{
    (void)state;
    char path[] = "/tmp/weft-sweep-XXXXXX";
    temporary(path);
    weft_sweep_options o = {.threads = 2, .journal = path};
    weft_sweep_summary summary;
    weft_sweep_point *points = make_points();
    assert_int_equal(weft_sweep_run(points, 120, &o, &summary), WEFT_OK);
    char *text = NULL;
    size_t size = 0;
    assert_int_equal(weft_file_read(path, 1 << 24, &text, &size), WEFT_OK);
    assert_int_equal(weft_file_write(path, text, size - 40), WEFT_OK); /* torn in its last line */
    free(text);
    weft_sweep_point *again = make_points();
    again[5].design.length += 100; /* another point under an old name */
    assert_int_equal(weft_sweep_run(again, POINTS, &o, &summary), WEFT_OK);
    assert_int_equal(summary.reused, 118);
    assert_int_equal(summary.computed, POINTS - 118);
    for (int i = 0; i < 120; i++)
        assert_true((again[i].cycles == points[i].cycles) == (i != 5));
    assert_true(again[7].joules_per_token == points[7].joules_per_token && again[7].area == points[7].area);
    weft_sweep_free(points, POINTS);
    weft_sweep_free(again, POINTS);
    free(points);
    free(again);
    unlink(path);
    forget_lock(path);
}

/* A child that sweeps points that take some milliseconds each; its exit status says whether it ended with all of them. */
static pid_t start_child(const char *path, weft_sweep_point *points, int count)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child)
        return child;
    weft_sweep_summary summary;
    bool good = weft_sweep_run(points, count, &(weft_sweep_options){.threads = 1, .journal = path}, &summary) == WEFT_OK;
    for (int i = 0; i < count; i++)
        good = good && points[i].done;
    _exit(good && summary.computed + summary.reused + summary.elsewhere == count ? 0 : 1);
}

static int journal_lines(const char *path)
{
    char *text = NULL;
    size_t size = 0;
    int lines = 0;
    assert_int_equal(weft_file_read(path, 1 << 24, &text, &size), WEFT_OK);
    for (size_t i = 0; i < size; i++)
        lines += text[i] == '\n';
    free(text);
    return lines;
}

/* Four processes at one journal, of which one is killed: every point is computed once, but for those that the killed one was at.
 */
static void processes_share_a_journal(void **state)
{
    (void)state;
    enum { CHILDREN = 4, SLOW = 60 };
    char path[] = "/tmp/weft-sweep-XXXXXX";
    temporary(path);
    weft_sweep_point *points = make_points(), *alone = make_points();
    for (int i = 0; i < SLOW; i++) {
        weft_design d = {.platform = &platform, .options = {.mode = WEFT_HARDWARE_EVENT, .system = WEFT_SERVE_NEUPIMS}};
        d.llm = *weft_llm_preset_at(0);
        d.llm.width = 256, d.llm.heads = 4, d.llm.kv_heads = 4, d.llm.head_size = d.llm.value_size = 64, d.llm.inner = 512;
        d.llm.tensor_parallel = 1;
        d.batch = 2, d.length = 32 + i;
        alone[i].design = points[i].design = d;
    }
    pid_t children[CHILDREN];
    for (int i = 0; i < CHILDREN; i++)
        children[i] = start_child(path, points, SLOW);
    for (int tries = 0; journal_lines(path) < 5 && tries < 10000; tries++)
        usleep(1000);
    kill(children[0], SIGKILL);
    for (int i = 0; i < CHILDREN; i++) {
        int status = -1;
        assert_true(waitpid(children[i], &status, 0) == children[i]);
        assert_true(i == 0 || (WIFEXITED(status) && WEXITSTATUS(status) == 0));
    }
    assert_int_equal(journal_lines(path), SLOW);
    weft_sweep_summary summary;
    assert_int_equal(weft_sweep_run(points, SLOW, &(weft_sweep_options){.threads = 1, .journal = path}, &summary), WEFT_OK);
    assert_int_equal(summary.reused, SLOW);
    assert_int_equal(weft_sweep_run(alone, SLOW, &(weft_sweep_options){.threads = 2}, &summary), WEFT_OK);
    for (int i = 0; i < SLOW; i++)
        assert_true(points[i].cycles == alone[i].cycles && points[i].joules_per_token == alone[i].joules_per_token);
    weft_sweep_free(points, POINTS);
    weft_sweep_free(alone, POINTS);
    free(points);
    free(alone);
    unlink(path);
    forget_lock(path);
}

static void no_efficient_point_is_beaten(void **state)
{
    (void)state;
    weft_sweep_point *p = make_points();
    weft_sweep_summary summary;
    assert_int_equal(weft_sweep_run(p, POINTS, &(weft_sweep_options){.threads = 2}, &summary), WEFT_OK);
    assert_int_equal(weft_sweep_mark(p, POINTS), WEFT_OK);
    int efficient = 0;
    for (int i = 0; i < POINTS; i++) {
        bool beaten = false;
        for (int k = 0; k < POINTS; k++) {
            bool as_good = p[k].tokens_per_second >= p[i].tokens_per_second && p[k].seconds_per_token <= p[i].seconds_per_token &&
                           p[k].joules_per_token <= p[i].joules_per_token && p[k].area <= p[i].area;
            bool better = p[k].tokens_per_second > p[i].tokens_per_second || p[k].seconds_per_token < p[i].seconds_per_token ||
                          p[k].joules_per_token < p[i].joules_per_token || p[k].area < p[i].area;
            beaten = beaten || (as_good && better);
        }
        assert_int_equal(p[i].efficient, !beaten);
        efficient += p[i].efficient;
    }
    assert_in_range(efficient, 1, POINTS - 1);
    weft_sweep_free(p, POINTS);
    free(p);
}

/* A run watched: valid JSON, times that never go back, a track for every unit and channel, rows that close after they open. */
static void timelines_are_in_order(void **state)
{
    (void)state;
    char path[] = "/tmp/weft-timeline-XXXXXX";
    temporary(path);
    weft_hardware machine = weft_hardware_default();
    weft_hardware_shape shape = {.embed = 512, .heads = 4};
    weft_hardware_request requests[32];
    for (int i = 0; i < 32; i++)
        requests[i] = (weft_hardware_request){.length = 300, .channel = i};
    weft_timeline *t = weft_timeline_new(&machine);
    weft_hardware_options o = {.mode = WEFT_HARDWARE_EVENT, .sink = weft_timeline_event, .sink_user = t, .sink_dram = true};
    weft_hardware_result *r = NULL;
    assert_int_equal(weft_hardware_run(&machine, &shape, requests, 32, &o, &r), WEFT_OK);
    assert_int_equal(weft_timeline_finish(t, r), WEFT_OK);
    assert_int_equal(weft_timeline_dropped(t), 0);
    double width, sum = 0;
    int used;
    const double *bus = weft_timeline_busy(t, WEFT_BUSY_BUS, &width, &used);
    for (int i = 0; i < used; i++)
        sum += bus[i];
    double commands = (double)(r->dram.num_read_cmds + r->dram.num_write_cmds); /* each holds its channel's bus two cycles */
    assert_float_equal(sum / (commands * 2 / 32), 1, 1e-6);
    assert_int_equal(weft_timeline_chrome(t, path), WEFT_OK);
    weft_json *json = NULL;
    assert_int_equal(weft_json_read(path, &json), WEFT_OK);
    weft_json_value events = weft_json_get(weft_json_root(json), "traceEvents");
    double before = 0;
    bool seen[4][256] = {{false}};
    for (int64_t i = 0; i < weft_json_size(events); i++) {
        weft_json_value e = weft_json_item(events, i);
        if (strcmp(weft_json_string(weft_json_get(e, "ph"), ""), "X") != 0)
            continue;
        double ts = weft_json_number(weft_json_get(e, "ts"), -1);
        assert_true(ts >= before && weft_json_number(weft_json_get(e, "dur"), -1) >= 0);
        before = ts;
        seen[weft_json_integer(weft_json_get(e, "pid"), 0)][weft_json_integer(weft_json_get(e, "tid"), 0)] = true;
    }
    assert_true(seen[1][1] && seen[1][2] && seen[1][3]);
    for (int c = 0; c < 32; c++)
        assert_true(seen[2][1 + c] && seen[2][101 + c]);
    weft_json_free(json);
    weft_timeline_free(t);
    weft_hardware_result_free(r);
    unlink(path);
}

int main(void)
{
    platform = weft_platform_default();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_those_of_single_runs), cmocka_unit_test(a_journal_saves_what_is_done),
        cmocka_unit_test(processes_share_a_journal),        cmocka_unit_test(no_efficient_point_is_beaten),
        cmocka_unit_test(timelines_are_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
