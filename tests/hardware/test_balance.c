/* Placing requests on channels: the exact search against every placement there is, the bound below all of them, annealing between
 * greedy and the best; one seed, one result. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "hardware/balance.h"
#include "hardware/design.h"

enum { MOST = 512, CHANNELS = 32 };

static int64_t heaviest_of(const int64_t *cost, const int32_t *channel, int64_t n, int channels)
{
    int64_t load[CHANNELS];
    for (int64_t i = 0; i < n; i++)
        assert_in_range(channel[i], 0, channels - 1);
    return weft_balance_heaviest(cost, channel, n, channels, load);
}

/* The least heaviest load over channels^n placements. */
static int64_t try_all(const int64_t *cost, int64_t n, int channels)
{
    int32_t channel[16] = {0};
    int64_t best = INT64_MAX;
    for (;;) {
        int64_t heaviest = heaviest_of(cost, channel, n, channels), i = 0;
        best = heaviest < best ? heaviest : best;
        while (i < n && ++channel[i] == channels)
            channel[i++] = 0;
        if (i == n)
            return best;
    }
}

static void exact_is_the_best_of_all(void **state)
{
    (void)state;
    weft_random_key key = weft_random_stream(3, "costs");
    for (uint64_t round = 0; round < 300; round++) {
        int64_t n = 1 + (int64_t)weft_random_below(key, round, 0, 0, 9), cost[16], load[CHANNELS] = {0}, bound;
        int channels = 1 + (int)weft_random_below(key, round, 1, 0, 4);
        int64_t range = round % 2 ? 12 : 100000;
        int32_t exact[16], annealed[16], greedy[16];
        bool proven = false;
        for (int64_t i = 0; i < n; i++)
            cost[i] = 1 + (int64_t)weft_random_below(key, round, 2, (uint64_t)i, (uint64_t)range);
        int64_t best = try_all(cost, n, channels);
        assert_int_equal(weft_balance_exact(cost, n, channels, round, exact, &proven), WEFT_OK);
        assert_true(proven);
        assert_int_equal(heaviest_of(cost, exact, n, channels), best);
        assert_int_equal(weft_balance_bound(cost, n, channels, &bound), WEFT_OK);
        assert_true(bound <= best);
        assert_int_equal(weft_balance_anneal(cost, 1, n, channels, round, annealed), WEFT_OK);
        assert_int_equal(weft_balance_greedy(cost, n, channels, load, greedy), WEFT_OK);
        assert_true(heaviest_of(cost, annealed, n, channels) >= best);
        assert_true(heaviest_of(cost, annealed, n, channels) <= heaviest_of(cost, greedy, n, channels));
    }
}

/* Graham's worst case for greedy: m channels, two requests of each length m + 1 … 2m - 1 and three of length m; the best is 3m.
 */
static void the_worst_case_of_greedy_is_solved(void **state)
{
    (void)state;
    for (int m = 2; m <= 12; m++) {
        int64_t cost[64], n = 0, load[CHANNELS] = {0};
        int32_t channel[64];
        bool proven = false;
        for (int k = m + 1; k < 2 * m; k++)
            cost[n++] = k, cost[n++] = k;
        for (int k = 0; k < 3; k++)
            cost[n++] = m;
        assert_int_equal(weft_balance_greedy(cost, n, m, load, channel), WEFT_OK);
        assert_int_equal(heaviest_of(cost, channel, n, m), 4 * m - 1);
        assert_int_equal(weft_balance_exact(cost, n, m, 0, channel, &proven), WEFT_OK);
        assert_true(proven);
        assert_int_equal(heaviest_of(cost, channel, n, m), 3 * m);
    }
}

static void large_batches_are_placed_near_the_bound(void **state)
{
    (void)state;
    const weft_attention_shape shape = {1024, 8, 128, 512, 32};
    weft_random_key key = weft_random_stream(4, "lengths");
    int64_t cost[MOST], load[CHANNELS] = {0}, bound;
    int32_t first[MOST], second[MOST], greedy[MOST];
    for (uint64_t i = 0; i < MOST; i++)
        cost[i] = weft_attention_estimate(&shape, 1 + (int64_t)weft_random_below(key, 0, 0, i, 1000));
    assert_int_equal(weft_balance_bound(cost, MOST, CHANNELS, &bound), WEFT_OK);
    assert_int_equal(weft_balance_greedy(cost, MOST, CHANNELS, load, greedy), WEFT_OK);
    assert_int_equal(weft_balance_anneal(cost, 1, MOST, CHANNELS, 7, first), WEFT_OK);
    assert_int_equal(weft_balance_anneal(cost, 1, MOST, CHANNELS, 7, second), WEFT_OK);
    assert_memory_equal(first, second, sizeof first);
    int64_t annealed = heaviest_of(cost, first, MOST, CHANNELS);
    assert_true(annealed < heaviest_of(cost, greedy, MOST, CHANNELS));
    assert_true((double)annealed <= 1.002 * (double)bound);
}

/* The sum of two phases' heaviest channels over channels^n placements. */
static int64_t try_all_phases(const int64_t *cost, int64_t n, int channels)
{
    int32_t channel[16] = {0};
    int64_t best = INT64_MAX;
    for (;;) {
        int64_t total = heaviest_of(cost, channel, n, channels) + heaviest_of(cost + n, channel, n, channels), i = 0;
        best = total < best ? total : best;
        while (i < n && ++channel[i] == channels)
            channel[i++] = 0;
        if (i == n)
            return best;
    }
}

/* Annealing of two phases is near the best on small cases, and below what balancing their sum alone gives. */
static void phases_are_balanced_together(void **state)
{
    (void)state;
    enum { ROUNDS = 60 };
    weft_random_key key = weft_random_stream(5, "phases");
    int64_t annealed = 0, best = 0, of_sums = 0;
    for (uint64_t round = 0; round < ROUNDS; round++) {
        int64_t n = 5 + (int64_t)weft_random_below(key, round, 0, 0, 4), cost[32], sum[16];
        int32_t channel[16];
        for (int64_t i = 0; i < 2 * n; i++)
            cost[i] = 1 + (int64_t)weft_random_below(key, round, 1, (uint64_t)i, 1000);
        for (int64_t i = 0; i < n; i++)
            sum[i] = cost[i] + cost[n + i];
        int64_t least = try_all_phases(cost, n, 3);
        assert_int_equal(weft_balance_anneal(cost, 2, n, 3, round, channel), WEFT_OK);
        int64_t total = heaviest_of(cost, channel, n, 3) + heaviest_of(cost + n, channel, n, 3);
        assert_true(total >= least);
        annealed += total;
        best += least;
        assert_int_equal(weft_balance_anneal(sum, 1, n, 3, round, channel), WEFT_OK);
        of_sums += heaviest_of(cost, channel, n, 3) + heaviest_of(cost + n, channel, n, 3);
    }
    assert_true((double)annealed <= 1.01 * (double)best);
    assert_true(of_sums > annealed);
}

/* One request, or none; one channel; costs as large as estimates can be. */
static void edges(void **state)
{
    (void)state;
    int64_t cost[3] = {(int64_t)1 << 50, (int64_t)1 << 50, 1}, bound;
    int32_t channel[3] = {-1, -1, -1};
    bool proven = false;
    assert_int_equal(weft_balance_exact(cost, 0, 4, 0, channel, &proven), WEFT_OK);
    assert_int_equal(weft_balance_exact(cost, 1, 1, 0, channel, &proven), WEFT_OK);
    assert_true(proven && channel[0] == 0);
    assert_int_equal(weft_balance_exact(cost, 3, 2, 0, channel, &proven), WEFT_OK);
    assert_true(proven && channel[0] != channel[1]);
    assert_int_equal(weft_balance_bound(cost, 3, 2, &bound), WEFT_OK);
    assert_int_equal(bound, ((int64_t)1 << 50) + 1);
}

/* A design with each policy: channels that the policy of its name would give, judged as they are. */
static void designs_place_by_their_policy(void **state)
{
    (void)state;
    static const int64_t lengths[] = {900, 40, 700, 300, 650, 512, 513, 31, 32, 33, 800, 120};
    enum { N = 12 };
    weft_platform platform = weft_platform_default();
    platform.machine.memory.channels = 4;
    weft_design d = {.platform = &platform, .llm = *weft_llm_preset_at(0)};
    weft_hardware_request requests[N];
    weft_balance b[WEFT_PLACEMENTS], again;
    for (int i = 0; i < N; i++)
        requests[i] = (weft_hardware_request){.length = lengths[i], .channel = -1};
    for (int p = 0; p < WEFT_PLACEMENTS; p++) {
        weft_placement placement = weft_placement_of(weft_placement_name((weft_placement)p));
        assert_int_equal(placement, p);
        assert_int_equal(weft_design_place(&d, placement, requests, N, &b[p]), WEFT_OK);
        assert_int_equal(weft_design_balance(&d, requests, N, &again), WEFT_OK);
        assert_true(again.heaviest == b[p].heaviest && again.bound == b[p].bound && again.mean == b[p].mean);
        for (int i = 0; p == WEFT_PLACE_ROUND_ROBIN && i < N; i++)
            assert_int_equal(requests[i].channel, i % 4);
    }
    assert_true(b[WEFT_PLACE_EXACT].least);
    assert_true(b[WEFT_PLACE_EXACT].heaviest <= b[WEFT_PLACE_ANNEALED].heaviest);
    assert_true(b[WEFT_PLACE_ANNEALED].heaviest <= b[WEFT_PLACE_GREEDY].heaviest);
    assert_true(b[WEFT_PLACE_GREEDY].heaviest < b[WEFT_PLACE_ROUND_ROBIN].heaviest);
    for (int p = 0; p < WEFT_PLACEMENTS; p++) /* by the formulas that it goes by, none is quicker */
        assert_true(b[WEFT_PLACE_TIMED].cycles <= 1.001 * b[p].cycles);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exact_is_the_best_of_all),
        cmocka_unit_test(the_worst_case_of_greedy_is_solved),
        cmocka_unit_test(large_batches_are_placed_near_the_bound),
        cmocka_unit_test(phases_are_balanced_together),
        cmocka_unit_test(edges),
        cmocka_unit_test(designs_place_by_their_policy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
