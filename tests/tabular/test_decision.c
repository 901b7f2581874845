/* Thresholds between two classes against their definition: every decision that differs is found, counted as by hand, and the
 * chosen one is the best of a dense grid. */
#include "table_case.h"

#include "base/random.h"
#include "tabular/decision.h"

#include <math.h>

enum { rows = 400 };

static void near(double value, double want)
{
    if (!(fabs(value - want) <= 1e-15))
        fail_msg("%.17g in place of %.17g", value, want);
}

/* Probabilities with many ties, classes that follow them loosely. */
static void draw(uint64_t seed, double p[rows], int64_t y[rows])
{
    weft_random_key key = weft_random_stream(seed, "decision");
    for (uint64_t i = 0; i < rows; i++) {
        p[i] = (double)weft_random_below(key, 0, i, 0, 41) / 40;
        y[i] = weft_random_uniform(key, 0, i, 2) < 0.1 + 0.5 * p[i];
    }
}

static double value_of(const char *name, const weft_decision *d)
{
    for (int i = 0; i < WEFT_DECISION_MEASURES; i++)
        if (strcmp(weft_decision_measures[i].name, name) == 0)
            return weft_decision_measures[i].value(d);
    fail_msg("no measure %s", name);
    return 0;
}

static void measures_by_hand(void **state)
{
    (void)state;
    const weft_decision d = {.true_positives = 6, .false_positives = 2, .false_negatives = 4, .true_negatives = 8};
    near(value_of("precision", &d), 0.75);
    near(value_of("recall", &d), 0.6);
    near(value_of("f1", &d), 2 * 0.75 * 0.6 / (0.75 + 0.6));
    near(value_of("accuracy", &d), 0.7);
    near(value_of("balanced_accuracy", &d), 0.7);
    near(value_of("mcc", &d), (6 * 8 - 2 * 4) / sqrt(8.0 * 10 * 10 * 12));
    const weft_decision none = {.false_negatives = 3, .true_negatives = 7};
    assert_true(isnan(value_of("precision", &none)));
    near(value_of("mcc", &none), 0);
}

static void all_decisions_are_there_once(void **state)
{
    (void)state;
    double p[rows];
    int64_t y[rows], count;
    weft_decision *list;
    draw(1, p, y);
    assert_ok(weft_decision_all(p, y, rows, &list, &count));
    assert_int_equal(count, 41); /* below 1/40, …, below 1, and 1; a probability of 0 is above no threshold */
    for (int64_t i = 0; i < count; i++) {
        weft_decision d = weft_decision_at(p, y, rows, list[i].threshold);
        assert_memory_equal(&d, &list[i], sizeof d);
        if (i > 0)
            assert_true(list[i].threshold > list[i - 1].threshold &&
                        list[i].true_negatives + list[i].false_negatives >
                            list[i - 1].true_negatives + list[i - 1].false_negatives);
    }
    free(list);
    const double same[3] = {0.25, 0.25, 0.25}, ends[2] = {0, 1}, beside[2] = {0.5, nextafter(0.5, 1)};
    const int64_t labels[3] = {0, 1, 1};
    assert_ok(weft_decision_all(same, labels, 3, &list, &count));
    assert_int_equal(count, 2);
    free(list);
    assert_ok(weft_decision_all(ends, labels, 2, &list, &count));
    assert_int_equal(count, 2);
    assert_int_equal(list[0].true_positives, 1);
    assert_int_equal(list[1].false_negatives, 1);
    free(list);
    assert_ok(weft_decision_all(beside, labels, 2, &list, &count));
    assert_int_equal(count, 3);
    free(list);
}

static void the_best_of_a_grid_is_chosen(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 8; seed++) {
        double p[rows];
        int64_t y[rows];
        draw(seed, p, y);
        for (int k = 0; k <= WEFT_DECISION_MEASURES; k++) {
            weft_decision_wish wish = {.measure = k < WEFT_DECISION_MEASURES ? weft_decision_measures[k].name : NULL,
                                       .false_positive = 1,
                                       .false_negative = 3};
            weft_decision chosen;
            assert_ok(weft_decision_choose(&wish, p, y, rows, &chosen));
            double best = -INFINITY, value = 0;
            for (int step = 0; step <= 2000; step++) {
                weft_decision d = weft_decision_at(p, y, rows, step / 2000.0);
                value = wish.measure ? value_of(wish.measure, &d) : -(double)(d.false_positives + 3 * d.false_negatives);
                best = value > best ? value : best;
            }
            value =
                wish.measure ? value_of(wish.measure, &chosen) : -(double)(chosen.false_positives + 3 * chosen.false_negatives);
            near(value, best);
        }
    }
}

static void wishes_are_kept_or_refused(void **state)
{
    (void)state;
    double p[rows];
    int64_t y[rows];
    draw(3, p, y);
    weft_decision d;
    assert_ok(weft_decision_choose(&(weft_decision_wish){.measure = "precision", .least_recall = 0.8}, p, y, rows, &d));
    assert_true(value_of("recall", &d) >= 0.8);
    double precision = value_of("precision", &d);
    assert_ok(weft_decision_choose(&(weft_decision_wish){.measure = "recall", .least_precision = precision}, p, y, rows, &d));
    assert_true(value_of("precision", &d) >= precision && value_of("recall", &d) >= 0.8);
    assert_error(weft_decision_choose(&(weft_decision_wish){.measure = "recall", .least_precision = 0.999, .least_recall = 0.9},
                                      p, y, rows, &d),
                 "0.999", "best precision");
    const int64_t ones[3] = {1, 1, 1};
    assert_error(weft_decision_choose(&(weft_decision_wish){.measure = "f1"}, p, ones, 3, &d), "one class");
    /* probabilities that part the classes: every threshold between them is right, and one near 0.5 is taken */
    const double parted[4] = {0.1, 0.3, 0.8, 0.9};
    const int64_t two[4] = {0, 0, 1, 1};
    assert_ok(weft_decision_choose(&(weft_decision_wish){.measure = "accuracy"}, parted, two, 4, &d));
    near(d.threshold, 0.55);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(measures_by_hand),
        cmocka_unit_test(all_decisions_are_there_once),
        cmocka_unit_test(the_best_of_a_grid_is_chosen),
        cmocka_unit_test(wishes_are_kept_or_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
