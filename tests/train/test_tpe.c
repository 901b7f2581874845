/* The tree-structured Parzen estimator: densities and splits equal Optuna's (tests/golden/tpe), draws follow the densities, and
 * suggestions find the good region of a function. */
#include "base/json.h"
#include "base/normal.h"
#include "base/random.h"
#include "train/tpe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MUST(call) \
    do { \
        if ((call) != WEFT_OK) \
            fail_msg("%s", weft_error()); \
    } while (0)

static weft_json *golden;

static void near(double have, double want, double tolerance, const char *what)
{
    if (!(fabs(have - want) <= tolerance * (1 + fabs(want))))
        fail_msg("%s: %.17g, Optuna says %.17g", what, have, want);
}

static weft_axis axis_of(weft_json_value item)
{
    const char *kind = weft_json_string(weft_json_get(item, "kind"), "");
    return (weft_axis){.name = "x",
                       .kind = kind[0] == 'r'   ? WEFT_AXIS_REAL
                               : kind[0] == 'i' ? WEFT_AXIS_INTEGER
                                                : WEFT_AXIS_CHOICE,
                       .least = weft_json_number(weft_json_get(item, "least"), NAN),
                       .most = weft_json_number(weft_json_get(item, "most"), NAN),
                       .log = weft_json_bool(weft_json_get(item, "log"), false)};
}

static void densities_are_optunas(void **state)
{
    (void)state;
    weft_json_value list = weft_json_get(weft_json_root(golden), "densities");
    assert_true(weft_json_size(list) > 50);
    for (int64_t i = 0; i < weft_json_size(list); i++) {
        weft_json_value item = weft_json_item(list, i), observed = weft_json_get(item, "observed"),
                        points = weft_json_get(item, "points");
        weft_axis axis = axis_of(item);
        double values[64];
        int64_t n = weft_json_size(observed);
        for (int64_t k = 0; k < n; k++)
            values[k] = weft_json_number(weft_json_item(observed, k), NAN);
        weft_parzen p;
        MUST(weft_parzen_new(&axis, values, n, &p));
        assert_int_equal(p.kernels, n + 1);
        for (int64_t k = 0; k <= n; k++) {
            near(p.weight[k], weft_json_number(weft_json_item(weft_json_get(item, "weight"), k), NAN), 1e-14, "weight");
            if (axis.kind != WEFT_AXIS_CHOICE)
                near(p.sigma[k], weft_json_number(weft_json_item(weft_json_get(item, "sigma"), k), NAN), 1e-13, "sigma");
        }
        for (int64_t k = 0; k < weft_json_size(points); k++)
            near(weft_parzen_log_density(&p, weft_json_number(weft_json_item(points, k), NAN)),
                 weft_json_number(weft_json_item(weft_json_get(item, "log_density"), k), NAN), 1e-10, "log density");
        weft_parzen_free(&p);
    }
}

static void splits_are_optunas(void **state)
{
    (void)state;
    weft_json_value list = weft_json_get(weft_json_root(golden), "splits");
    assert_true(weft_json_size(list) > 4);
    for (int64_t i = 0; i < weft_json_size(list); i++) {
        weft_json_value item = weft_json_item(list, i), score = weft_json_get(item, "score"), good = weft_json_get(item, "below");
        weft_tpe_trial trials[300];
        bool below[300], want[300] = {false};
        int64_t n = weft_json_size(score);
        for (int64_t k = 0; k < n; k++)
            trials[k] = (weft_tpe_trial){.score = weft_json_number(weft_json_item(score, k), NAN),
                                         .pruned = weft_json_bool(weft_json_item(weft_json_get(item, "pruned"), k), false),
                                         .epochs = weft_json_integer(weft_json_item(weft_json_get(item, "epochs"), k), 0)};
        for (int64_t k = 0; k < weft_json_size(good); k++)
            want[weft_json_integer(weft_json_item(good, k), 0)] = true;
        MUST(weft_tpe_split(trials, n, below));
        assert_memory_equal(below, want, (size_t)n * sizeof *below);
    }
}

/* Shares of 20,000 draws against the density summed over cells. */
static void draws_follow_the_density(void **state)
{
    (void)state;
    enum { DRAWS = 20000, CELLS = 10 };
    static const weft_axis axes[] = {{"a", WEFT_AXIS_REAL, 0, 0.6, false},
                                     {"b", WEFT_AXIS_REAL, 1e-5, 1e-2, true},
                                     {"c", WEFT_AXIS_INTEGER, 3, 12, false},
                                     {"d", WEFT_AXIS_CHOICE, 0, 3, false}};
    const double observed[4][3] = {{0.05, 0.06, 0.5}, {2e-5, 2e-5, 5e-3}, {3, 4, 11}, {2, 2, 0}};
    weft_random_key key = weft_random_stream(1, "draws");
    for (int a = 0; a < 4; a++) {
        weft_parzen p;
        double count[CELLS] = {0}, expected[CELLS] = {0}, sum = 0;
        MUST(weft_parzen_new(&axes[a], observed[a], 3, &p));
        double low = axes[a].log ? log(axes[a].least) : axes[a].least, high = axes[a].log ? log(axes[a].most) : axes[a].most;
        bool whole = axes[a].kind != WEFT_AXIS_REAL;
        for (uint64_t i = 0; i < DRAWS; i++) {
            double x = weft_parzen_draw(&p, weft_random_uniform(key, 0, i, 0), weft_random_uniform(key, 0, i, 1));
            assert_true(x >= axes[a].least && x <= axes[a].most && (!whole || x == floor(x)));
            double at = whole ? x - low : ((axes[a].log ? log(x) : x) - low) / (high - low) * CELLS;
            count[(int)fmin(at, CELLS - 1)]++;
        }
        for (int c = 0; c < CELLS; c++)
            for (int s = 0; s < 200; s++) {
                double t = low + (high - low) * (c + (s + 0.5) / 200) / CELLS;
                if (!whole)
                    expected[c] += exp(weft_parzen_log_density(&p, axes[a].log ? exp(t) : t)) * (high - low) / CELLS / 200;
                else if (s == 0 && low + c <= high)
                    expected[c] = exp(weft_parzen_log_density(&p, low + c));
            }
        for (int c = 0; c < CELLS; c++) {
            sum += expected[c];
            double sd = sqrt(expected[c] * (1 - expected[c]) / DRAWS);
            if (fabs(count[c] / DRAWS - expected[c]) > 5 * sd + 1e-4)
                fail_msg("axis %d, cell %d: %.4f of the draws, density %.4f", a, c, count[c] / DRAWS, expected[c]);
        }
        assert_true(fabs(sum - 1) < 1e-3);
        weft_parzen_free(&p);
    }
}

enum { AXES = 4, TRIALS = 60 };
static const weft_axis axes[AXES] = {{"x", WEFT_AXIS_REAL, -5, 5, false},
                                     {"rate", WEFT_AXIS_REAL, 1e-5, 1e-1, true},
                                     {"size", WEFT_AXIS_INTEGER, 1, 50, false},
                                     {"kind", WEFT_AXIS_CHOICE, 0, 2, false}};

static double score_of(const double *v)
{
    double a = v[0] - 1.5, b = log10(v[1]) + 3, c = (v[2] - 20) / 10;
    return -a * a - b * b - c * c - (v[3] == 1 ? 0 : 2);
}

/* The best score of TRIALS trials; random: as if every trial were one of the first. */
static double search(uint64_t seed, bool random, double (*kept)[AXES])
{
    static double values[TRIALS][AXES];
    weft_tpe_trial trials[TRIALS];
    double best = -INFINITY;
    for (int t = 0; t < TRIALS; t++) {
        for (int a = 0; a < AXES; a++)
            MUST(weft_tpe_suggest(axes, a, trials, random ? 0 : t, seed, t, &values[t][a]));
        trials[t] = (weft_tpe_trial){.value = values[t], .score = score_of(values[t])};
        best = fmax(best, trials[t].score);
    }
    memcpy(kept, values, sizeof values);
    return best;
}

static void suggestions_find_the_good_region(void **state)
{
    (void)state;
    double values[TRIALS][AXES], again[TRIALS][AXES], tpe = 0, random = 0;
    for (uint64_t seed = 0; seed < 20; seed++) {
        tpe += search(seed, false, values) / 20;
        search(seed, false, again);
        assert_memory_equal(values, again, sizeof values);
        for (int t = 0; t < TRIALS; t++)
            for (int a = 0; a < AXES; a++)
                assert_true(values[t][a] >= axes[a].least && values[t][a] <= axes[a].most);
        random += search(seed, true, again) / 20;
        assert_memory_equal(values, again, 10 * sizeof values[0]); /* the first ten are random ones */
        assert_memory_not_equal(values[10], again[10], sizeof values[0]);
    }
    print_message("best of %d trials, mean of 20 seeds: %.3f; random search: %.3f\n", TRIALS, tpe, random);
    assert_true(tpe > 0.5 * random); /* less than half as far from the best, 0 */
}

/* A setting that only some trials were asked for is learnt from those. */
static void settings_may_be_absent(void **state)
{
    (void)state;
    double values[30][2];
    weft_tpe_trial trials[30];
    static const weft_axis two[2] = {{"asked", WEFT_AXIS_CHOICE, 0, 1, false}, {"decay", WEFT_AXIS_REAL, 1e-6, 1e-4, true}};
    for (int t = 0; t < 30; t++) {
        values[t][0] = t & 1;
        values[t][1] = t & 1 ? 1e-6 * (t + 1) : NAN;
        trials[t] = (weft_tpe_trial){.value = values[t], .score = -t};
    }
    double out;
    MUST(weft_tpe_suggest(two, 1, trials, 30, 4, 30, &out));
    assert_true(out >= 1e-6 && out <= 1e-4);
    for (int t = 0; t < 30; t++)
        values[t][1] = NAN;
    MUST(weft_tpe_suggest(two, 1, trials, 30, 4, 30, &out));
    assert_true(out >= 1e-6 && out <= 1e-4);
}

static void tails_keep_their_digits(void **state)
{
    (void)state;
    /* scipy.special.log_ndtr, and the mass of [40, 41] */
    assert_true(fabs(weft_normal_log_below(-40) / -804.6084420137538 - 1) < 1e-13);
    assert_true(fabs(weft_normal_log_below(-29.9) / weft_normal_log_below(-30.0) - 0.9934) < 1e-3);
    assert_true(fabs(weft_normal_log_below(-30 + 1e-9) - weft_normal_log_below(-30 - 1e-9)) < 1e-6);
    assert_true(fabs(weft_normal_log_between(40, 41) / -804.6084420137538 - 1) < 1e-12);
    assert_true(fabs(weft_normal_log_between(-1, 1) - log(0.6826894921370859)) < 1e-14);
}

static int open_golden(void **state)
{
    (void)state;
    return weft_json_read(WEFT_SOURCE_DIR "/tests/golden/tpe/parzen.json", &golden) == WEFT_OK ? 0 : -1;
}

static int close_golden(void **state)
{
    (void)state;
    weft_json_free(golden);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(densities_are_optunas),    cmocka_unit_test(splits_are_optunas),
        cmocka_unit_test(draws_follow_the_density), cmocka_unit_test(suggestions_find_the_good_region),
        cmocka_unit_test(settings_may_be_absent),   cmocka_unit_test(tails_keep_their_digits),
    };
    return cmocka_run_group_tests_name("tpe", tests, open_golden, close_golden);
}
