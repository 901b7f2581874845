/* Loads: traces read and written, channels and sub-batches balanced, requests drawn from length distributions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/random.h"
#include "hardware/balance.h"
#include "hardware/trace.h"
#include "shared_data.h"

static weft_status parse(const char *text, weft_trace *out)
{
    return weft_trace_parse(text, strlen(text), "t.csv", 32, 2048, out);
}

static void reads_every_column(void **state)
{
    (void)state;
    weft_trace t;
    assert_int_equal(parse("seq_len,ch_idx\n10,3\n20,-1\n30,31\n", &t), WEFT_OK);
    assert_int_equal(t.count, 2);
    assert_int_equal(t.skipped, 1);
    assert_int_equal(t.requests[1].length, 30);
    assert_int_equal(t.requests[1].channel, 31);
    assert_true(t.channels && !t.timed);
    weft_trace_free(&t);
    assert_int_equal(parse("arrival_s,prompt,output\n0,100,5\n0.5,7,1\n", &t), WEFT_OK);
    assert_true(t.timed && !t.channels);
    assert_int_equal(t.requests[0].prompt, 100);
    assert_int_equal(t.requests[0].length, 100);
    assert_int_equal(t.requests[1].output, 1);
    weft_trace_free(&t);
}

static const struct {
    const char *text, *says;
} refused[] = {
    {"seq_len,ch_idx\n", "empty"},
    {"seq_len\n0\n", "\"0\""},
    {"seq_len\n5\n-3\n", "line 3"},
    {"seq_len\n1.5\n", "whole"},
    {"seq_len\nmany\n", "\"many\""},
    {"seq_len,ch_idx\n5,32\n", "0 to 31"},
    {"seq_len,ch_idx\n5,1.5\n", "ch_idx"},
    {"seq_len,ch_idx\n5,-1\n", "no request is left"},
    {"seq_len,ch_idx\n5,\n", "ch_idx"},
    {"seq_len,bank\n5,1\n", "\"bank\""},
    {"ch_idx\n5\n", "seq_len"},
    {"seq_len\n2049\n", "context is 2048"},
    {"seq_len,arrival_s,output\n5,1,2\n5,0.5,2\n", "arrivals in order"},
    {"seq_len,arrival_s\n5,1\n", "output"},
    {"prompt,output\n2000,49\n", "2049 tokens"},
    {"seq_len\n99999999999999999999\n", "line 2"},
};

static void names_what_is_wrong_and_where(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        weft_trace t;
        if (parse(refused[i].text, &t) == WEFT_OK)
            fail_msg("%s: accepted", refused[i].text);
        if (!strstr(weft_error(), refused[i].says) || !strstr(weft_error(), "t.csv"))
            fail_msg("%s: says \"%s\", expected \"%s\"", refused[i].text, weft_error(), refused[i].says);
        assert_null(t.requests);
    }
}

static const weft_attention_shape tp4 = {1024, 32, 128, 512, 32}; /* 7B on four devices; all heads, as the public code has it */

static void estimates_by_the_formula(void **state)
{
    (void)state;
    weft_attention_shape one_device = {1024, 8, 128, 512, 32};
    assert_int_equal(weft_attention_estimate(&one_device, 2048), 50504);
    assert_int_equal(weft_attention_estimate(&tp4, 1), 2 * (100 + 184) + 32 * (100 + 4 * 184));
}

static int64_t worst_half(const int32_t *channel, const int64_t *cost, int64_t n, int channels, const bool *second,
                          int64_t *worst)
{
    int64_t total = 0;
    for (int c = 0; c < channels; c++) {
        int64_t half[2] = {0, 0};
        for (int64_t i = 0; i < n; i++)
            if (channel[i] == c)
                half[second[i]] += cost[i];
        worst[c] = half[0] > half[1] ? half[0] : half[1];
        total += half[0] + half[1];
    }
    return total;
}

/* Against all subsets, on channels small enough to try them. */
static void partition_is_the_best_of_all_subsets(void **state)
{
    (void)state;
    weft_random_key key = weft_random_stream(7, "partition");
    enum { N = 40, CHANNELS = 4 };
    int32_t channel[N];
    int64_t cost[N], best[CHANNELS], halved[CHANNELS];
    bool split[N], halves[N];
    for (uint64_t round = 0; round < 20; round++) {
        for (int i = 0; i < N; i++) {
            channel[i] = i % CHANNELS;
            cost[i] = 1 + (int64_t)weft_random_below(key, round, (uint64_t)i, 0, 5000);
        }
        assert_int_equal(weft_partition(channel, cost, N, CHANNELS, 1, split), WEFT_OK);
        assert_int_equal(weft_halves(channel, N, CHANNELS, halves), WEFT_OK);
        worst_half(channel, cost, N, CHANNELS, split, best);
        worst_half(channel, cost, N, CHANNELS, halves, halved);
        for (int c = 0; c < CHANNELS; c++) {
            int64_t least = INT64_MAX;
            for (unsigned subset = 0; subset < 1u << (N / CHANNELS); subset++) {
                int64_t half[2] = {0, 0};
                for (int k = 0; k < N / CHANNELS; k++)
                    half[subset >> k & 1] += cost[c + k * CHANNELS];
                int64_t larger = half[0] > half[1] ? half[0] : half[1];
                least = larger < least ? larger : least;
            }
            assert_int_equal(best[c], least);
            assert_true(best[c] <= halved[c]);
        }
    }
}

static void halves_alternate_over_odd_channels(void **state)
{
    (void)state;
    /* channel 0 has three, 1 two, 2 one, 3 one */
    const int32_t channel[] = {0, 0, 1, 2, 0, 1, 3};
    bool second[7];
    assert_int_equal(weft_halves(channel, 7, 4, second), WEFT_OK);
    const bool expected[] = {false, false, false, true, true, true, false}; /* 0: ceil of 3/2; 2: floor of 1/2; 3: ceil */
    for (int i = 0; i < 7; i++)
        assert_int_equal(second[i], expected[i]);
}

static void loads_of(const weft_trace *t, int64_t *load, int64_t *most, double *ratio)
{
    memset(load, 0, 32 * sizeof *load);
    *most = 0;
    double sum = 0;
    for (int64_t i = 0; i < t->count; i++)
        load[t->requests[i].channel] += weft_attention_estimate(&tp4, t->requests[i].length);
    for (int c = 0; c < 32; c++) {
        *most = load[c] > *most ? load[c] : *most;
        sum += (double)load[c];
    }
    *ratio = (double)*most * 32 / sum;
}

/* The published traces: loads of their channels, and the same requests balanced from scratch. */
static void balances_the_published_traces(void **state)
{
    (void)state;
    int64_t load[32], most;
    double ratio;
    for (int kind = 0; kind < 2; kind++)
        for (int i = 0; i < 10; i++) {
            char name[96];
            snprintf(name, sizeof name, "traces/share-gpt2-bs512-ms7B-tp4-%s-%d.csv", kind ? "clb" : "rr", i);
            const char *path = shared_file(name);
            if (!path)
                skip();
            weft_trace t;
            assert_int_equal(weft_trace_read(path, 32, 0, &t), WEFT_OK);
            loads_of(&t, load, &most, &ratio);
            assert_true(kind ? ratio >= 1.0365 && ratio <= 1.1585 : ratio >= 1.4045 && ratio <= 1.9115);
            if (i == 0) {
                assert_int_equal(most, kind ? 601872 : 802928);
                assert_float_equal(ratio, kind ? 1.054 : 1.418, 0.0005);
            }
            int64_t cost[512], fresh[32] = {0}, halved[32], best[32];
            int32_t channel[512];
            bool second[512];
            for (int64_t k = 0; k < t.count; k++) {
                cost[k] = weft_attention_estimate(&tp4, t.requests[k].length);
                channel[k] = t.requests[k].channel;
            }
            assert_int_equal(weft_halves(channel, t.count, 32, second), WEFT_OK);
            worst_half(channel, cost, t.count, 32, second, halved);
            assert_int_equal(weft_partition(channel, cost, t.count, 32, 1, second), WEFT_OK);
            worst_half(channel, cost, t.count, 32, second, best);
            for (int c = 0; c < 32; c++)
                assert_true(best[c] <= halved[c]);
            assert_int_equal(weft_balance_greedy(cost, t.count, 32, fresh, channel), WEFT_OK);
            for (int64_t k = 0; k < t.count; k++)
                t.requests[k].channel = channel[k];
            loads_of(&t, load, &most, &ratio);
            if (i == 0 && !kind) {
                assert_int_equal(most, 575152);
                assert_float_equal(ratio, 1.0155, 0.00005);
            }
            weft_trace_free(&t);
        }
}

static weft_lengths short_lengths(int32_t *prompt, int32_t *output)
{
    for (int i = 0; i < 4; i++) {
        prompt[i] = 10 * (i + 1);
        output[i] = 5 * (i + 1);
    }
    return (weft_lengths){.prompt = prompt, .output = output, .count = 4};
}

static void same_seed_same_trace(void **state)
{
    (void)state;
    int32_t prompt[4], output[4];
    weft_lengths lengths = short_lengths(prompt, output);
    for (int balanced = 0; balanced < 2; balanced++) {
        weft_trace_options o = weft_trace_defaults();
        o.batch = 64, o.warm_up = 300, o.snapshots = 2, o.between = 50, o.balanced = balanced, o.seed = 5;
        weft_trace a[2], b[2], c[2];
        assert_int_equal(weft_trace_generate(&o, &lengths, a), WEFT_OK);
        assert_int_equal(weft_trace_generate(&o, &lengths, b), WEFT_OK);
        o.seed = 6;
        assert_int_equal(weft_trace_generate(&o, &lengths, c), WEFT_OK);
        for (int s = 0; s < 2; s++) {
            assert_int_equal(a[s].count, 64);
            assert_memory_equal(a[s].requests, b[s].requests, 64 * sizeof *a[s].requests);
            assert_memory_not_equal(a[s].requests, c[s].requests, 64 * sizeof *a[s].requests);
            for (int i = 0; i < 64; i++) {
                assert_in_range(a[s].requests[i].channel, 0, 31);
                assert_in_range(a[s].requests[i].length, 10, 59);
            }
            weft_trace_free(&a[s]);
            weft_trace_free(&b[s]);
            weft_trace_free(&c[s]);
        }
    }
}

/* Lengths are drawn in proportion to how long a request lives: long answers are met more often. */
static void snapshots_meet_the_mean_of_the_distribution(void **state)
{
    (void)state;
    const char *path = shared_file("lengths_sharegpt_50k.csv.gz");
    if (!path)
        skip();
    weft_lengths lengths;
    if (weft_lengths_read(path, &lengths) != WEFT_OK)
        fail_msg("%s", weft_error());
    double sum = 0;
    for (uint64_t seed = 0; seed < 10; seed++) {
        weft_trace_options o = weft_trace_defaults();
        o.warm_up = 5000, o.seed = seed;
        weft_trace t;
        assert_int_equal(weft_trace_generate(&o, &lengths, &t), WEFT_OK);
        for (int64_t i = 0; i < t.count; i++)
            sum += (double)t.requests[i].length / (double)t.count / 10;
        weft_trace_free(&t);
    }
    print_message("mean context over 10 seeds: %.1f (published snapshots: 304.7)\n", sum);
    assert_float_equal(sum / 304.7, 1, 0.04);
    weft_lengths_free(&lengths);
}

static void arrivals_keep_their_rate(void **state)
{
    (void)state;
    int32_t prompt[4], output[4];
    weft_lengths lengths = short_lengths(prompt, output);
    for (int kind = WEFT_ARRIVALS_POISSON; kind <= WEFT_ARRIVALS_EVEN; kind++) {
        weft_trace t;
        assert_int_equal(weft_trace_arrivals((weft_arrivals)kind, 8, 10, 20000, 45, 3, &lengths, &t), WEFT_OK);
        double span = t.requests[t.count - 1].arrival, squares = 0;
        assert_float_equal((double)t.count / span / 8, 1, 0.08);
        for (int64_t i = 1; i < t.count; i++) {
            double gap = t.requests[i].arrival - t.requests[i - 1].arrival;
            assert_true(gap >= 0);
            squares += gap * gap * 64 / (double)t.count;
            assert_true(t.requests[i].prompt + t.requests[i].output <= 45);
        }
        /* E[gap²]·rate²: 2 of exponential gaps, 1 of even ones, 2·burst of bursts */
        static const double expected[] = {2, 20, 1};
        assert_float_equal(squares / expected[kind], 1, 0.15);
        weft_trace_free(&t);
    }
}

static void written_traces_read_back(void **state)
{
    (void)state;
    char path[] = "/tmp/weft-trace-XXXXXX";
    int file = mkstemp(path);
    assert_true(file >= 0);
    close(file);
    static const char *const texts[] = {"seq_len,ch_idx\n10,3\n30,31\n",
                                        "seq_len,arrival_s,prompt,output\n100,0.000000,100,5\n7,0.500000,7,1\n"};
    for (int i = 0; i < 2; i++) {
        weft_trace t, back;
        assert_int_equal(parse(texts[i], &t), WEFT_OK);
        assert_int_equal(weft_trace_write(&t, path), WEFT_OK);
        assert_int_equal(weft_trace_read(path, 32, 0, &back), WEFT_OK);
        assert_int_equal(back.count, t.count);
        assert_memory_equal(back.requests, t.requests, (size_t)t.count * sizeof *t.requests);
        weft_trace_free(&t);
        weft_trace_free(&back);
    }
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_every_column),
        cmocka_unit_test(names_what_is_wrong_and_where),
        cmocka_unit_test(estimates_by_the_formula),
        cmocka_unit_test(partition_is_the_best_of_all_subsets),
        cmocka_unit_test(halves_alternate_over_odd_channels),
        cmocka_unit_test(balances_the_published_traces),
        cmocka_unit_test(same_seed_same_trace),
        cmocka_unit_test(snapshots_meet_the_mean_of_the_distribution),
        cmocka_unit_test(arrivals_keep_their_rate),
        cmocka_unit_test(written_traces_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
