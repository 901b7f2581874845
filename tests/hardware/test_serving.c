/* Serving streams of requests: what a hand can compute, what must be conserved, and what scheduling promises. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "hardware/serving.h"

typedef struct fixture {
    weft_platform platform;
    weft_llm llm;
    weft_serving_options o;
    weft_trace trace;
} fixture;

static fixture open_fixture(int64_t count)
{
    fixture f = {.platform = weft_platform_default(), .llm = *weft_llm_preset_at(0), .o = weft_serving_defaults()};
    f.o.iteration.system = WEFT_SERVE_NEUPIMS;
    f.o.iteration.mode = WEFT_HARDWARE_ANALYTIC;
    f.trace = (weft_trace){.requests = calloc((size_t)count, sizeof *f.trace.requests), .count = count, .timed = true};
    assert_non_null(f.trace.requests);
    return f;
}

static void draw_requests(fixture *f, double rate, int64_t prompt, int64_t output)
{
    weft_random_key key = weft_random_stream(11, "serving test");
    double now = 0;
    for (int64_t i = 0; i < f->trace.count; i++) {
        now += rate > 0 ? -log(weft_random_uniform(key, 0, (uint64_t)i, 0)) / rate : 0;
        f->trace.requests[i] =
            (weft_load_request){.arrival = now,
                                .prompt = 1 + (int64_t)weft_random_below(key, 1, (uint64_t)i, 0, (uint64_t)prompt),
                                .output = 1 + (int64_t)weft_random_below(key, 2, (uint64_t)i, 0, (uint64_t)output),
                                .channel = -1};
    }
}

static weft_serving_result served(const fixture *f)
{
    weft_serving_result r;
    if (weft_serving_run(&f->platform, &f->llm, &f->trace, &f->o, &r) != WEFT_OK)
        fail_msg("%s", weft_error());
    return r;
}

static double seconds_of(const fixture *f, int64_t length, int64_t tokens)
{
    weft_hardware_request one = {.length = length, .channel = 0, .tokens = tokens};
    weft_iteration it;
    assert_int_equal(weft_iteration_run(&f->platform, &f->llm, &one, 1, &f->o.iteration, &it), WEFT_OK);
    weft_iteration_free(&it);
    return it.seconds + it.collective_seconds + it.head_seconds;
}

/* One request alone: its prompt in chunks, then a token an iteration. */
static void one_request_takes_its_iterations(void **state)
{
    (void)state;
    fixture f = open_fixture(1);
    f.trace.requests[0] = (weft_load_request){.arrival = 3, .prompt = 100, .output = 4, .channel = -1};
    f.o.budget = 64;
    weft_serving_result r = served(&f);
    double first = seconds_of(&f, 64, 64) + seconds_of(&f, 100, 36), rest = 0;
    for (int64_t n = 101; n <= 103; n++)
        rest += seconds_of(&f, n, 1);
    assert_int_equal(r.iterations, 5);
    assert_float_equal(r.requests[0].start, 3, 0);
    assert_float_equal(r.requests[0].first - 3, first, 1e-7);
    assert_float_equal(r.requests[0].finish - 3, first + rest, 1e-7);
    assert_float_equal(r.tpot.mean, rest / 3, 1e-7);
    assert_float_equal(r.tokens_per_second, 4 / (first + rest), 1e-6);
    weft_serving_free(&r);
    free(f.trace.requests);
}

static void every_request_is_answered_once_and_in_time_order(void **state)
{
    (void)state;
    static const weft_serving_system systems[] = {WEFT_SERVE_GPU, WEFT_SERVE_NPU_PIM, WEFT_SERVE_NEUPIMS};
    for (int k = 0; k < 3; k++) {
        fixture f = open_fixture(300);
        draw_requests(&f, 50, 700, 60);
        f.o.iteration.system = systems[k];
        f.o.batch = 32;
        weft_serving_result r = served(&f);
        int64_t tokens = 0;
        for (int64_t i = 0; i < r.count; i++) {
            const weft_served *v = &r.requests[i];
            assert_true(v->arrival <= v->start && v->start < v->first && v->first <= v->finish);
            tokens += v->output;
        }
        assert_true(r.mean_batch <= 32 && r.mean_batch >= 1);
        assert_float_equal(r.tokens_per_second * r.seconds / (double)tokens, 1, 1e-9);
        assert_true(r.busy_seconds <= r.seconds * (1 + 1e-9));
        assert_int_equal(r.preemptions, 0);
        assert_true(r.ttft.p50 <= r.ttft.p90 && r.ttft.p90 <= r.ttft.p99);
        weft_serving_free(&r);
        free(f.trace.requests);
    }
}

/* A cache so small that requests are put back: all are still answered, and blocks are never overdrawn. */
static void a_small_cache_preempts_and_recovers(void **state)
{
    (void)state;
    fixture f = open_fixture(60);
    draw_requests(&f, 0, 300, 200);
    f.llm.tensor_parallel = 1;
    f.o.iteration.system = WEFT_SERVE_GPU;
    double each = (double)weft_llm_kv_bytes(&f.llm);
    f.platform.gpu.memory = weft_device_bytes(&f.llm, 0) + 1500 * each; /* room for some 1500 tokens */
    weft_serving_result r = served(&f);
    assert_true(r.preemptions > 0);
    assert_true(r.peak_blocks <= r.blocks);
    for (int64_t i = 0; i < r.count; i++)
        assert_true(r.requests[i].finish > 0);
    weft_serving_free(&r);
    f.trace.requests[0].prompt = 4000;
    assert_int_not_equal(weft_serving_run(&f.platform, &f.llm, &f.trace, &f.o, &r), WEFT_OK);
    assert_non_null(strstr(weft_error(), "does not fit"));
    free(f.trace.requests);
}

static void more_load_waits_longer_and_goals_count(void **state)
{
    (void)state;
    double before = 0;
    for (double rate = 5; rate <= 500; rate *= 10) {
        fixture f = open_fixture(200);
        draw_requests(&f, rate, 600, 80);
        f.o.batch = 16;
        f.o.ttft_goal = 0.05;
        weft_serving_result r = served(&f);
        int64_t good = 0;
        for (int64_t i = 0; i < r.count; i++)
            good += r.requests[i].first - r.requests[i].arrival <= 0.05;
        assert_float_equal(r.good_share, (double)good / 200, 1e-7);
        assert_true(r.queueing.mean >= before);
        before = r.queueing.mean;
        weft_serving_free(&r);
        free(f.trace.requests);
    }
}

static void a_closed_loop_keeps_so_many_in_flight(void **state)
{
    (void)state;
    fixture f = open_fixture(100);
    draw_requests(&f, 0, 100, 50);
    f.o.concurrency = 8;
    weft_serving_result r = served(&f);
    for (int64_t i = 0; i < r.count; i++) {
        int64_t in_flight = 0;
        for (int64_t k = 0; k < r.count; k++)
            in_flight += r.requests[k].arrival <= r.requests[i].start && r.requests[k].finish > r.requests[i].start;
        assert_in_range(in_flight, 1, 8);
    }
    weft_serving_free(&r);
    free(f.trace.requests);
}

static void percentiles_by_nearest_rank(void **state)
{
    (void)state;
    double values[200];
    for (int i = 0; i < 200; i++)
        values[i] = 200 - i;
    weft_percentiles p = weft_percentiles_of(values, 200);
    assert_float_equal(p.p50, 100, 0);
    assert_float_equal(p.p90, 180, 0);
    assert_float_equal(p.p99, 198, 0);
    assert_float_equal(p.mean, 100.5, 1e-9);
    double one = 7;
    assert_float_equal(weft_percentiles_of(&one, 1).p99, 7, 0);
    assert_true(isnan(weft_percentiles_of(NULL, 0).mean));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_request_takes_its_iterations),
        cmocka_unit_test(every_request_is_answered_once_and_in_time_order),
        cmocka_unit_test(a_small_cache_preempts_and_recovers),
        cmocka_unit_test(more_load_waits_longer_and_goals_count),
        cmocka_unit_test(a_closed_loop_keeps_so_many_in_flight),
        cmocka_unit_test(percentiles_by_nearest_rank),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
