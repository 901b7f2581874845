/* Metrics against values worked out by hand, and by their definitions on random predictions. */
#include "tabular/table_case.h"
#include "base/random.h"
#include "tabular/metrics.h"

#include <float.h>

#define near(a, b) assert_true(fabs((a) - (b)) <= 1e-12 * (1 + fabs(b)))

static void regression_by_hand(void **state)
{
    (void)state;
    const double prediction[4] = {1, 2, 3, 8}, truth[4] = {1, 3, 3, 5};
    weft_metrics m;
    assert_ok(weft_metrics_regression(prediction, truth, 4, &m));
    near(m.rmse, sqrt(10.0 / 4));
    near(m.mae, 1.0);
    near(m.r2, 1 - 10.0 / 8); /* mean 3: 4 + 0 + 0 + 4 */
    const double constant[2] = {7, 7};
    assert_ok(weft_metrics_regression(prediction, constant, 2, &m));
    assert_true(isnan(m.r2));
    const double broken[2] = {1, NAN};
    assert_error(weft_metrics_regression(broken, truth, 2, &m), "row 1", "not finite");
    assert_error(weft_metrics_regression(broken, truth, 0, &m), "no rows");
    const double lower[4] = {0, 0, 3, 6}, upper[4] = {2, 2, 3, 9};
    near(weft_interval_coverage(lower, upper, truth, 4), 0.5);
}

static void binary_by_hand(void **state)
{
    (void)state;
    const double p[6] = {0.1, 0.5, 0.5, 0.8, 0.8, 0.3};
    const int64_t y[6] = {0, 0, 1, 1, 0, 1};
    weft_metrics m;
    assert_ok(weft_metrics_classification(p, y, 6, 2, DBL_EPSILON, &m));
    near(m.accuracy, 3.0 / 6); /* 0.5 is class 0 */
    /* pairs (positive, negative): 0.5 > 0.1, = 0.5, < 0.8; 0.8 > 0.1, > 0.5, = 0.8; 0.3 > 0.1, < 0.5, < 0.8 */
    near(m.auc, (1 + 0.5 + 0 + 1 + 1 + 0.5 + 1 + 0 + 0) / 9);
    near(m.logloss, -(log(0.9) + log(0.5) + log(0.5) + log(0.8) + log(0.2) + log(0.3)) / 6);
    near(m.brier, (0.01 + 0.25 + 0.25 + 0.04 + 0.64 + 0.49) / 6);
    assert_int_equal(m.confusion[0], 2);
    assert_int_equal(m.confusion[1], 1);
    assert_int_equal(m.confusion[2], 2);
    assert_int_equal(m.confusion[3], 1);
    near(m.balanced_accuracy, (2.0 / 3 + 1.0 / 3) / 2);
    near(m.macro_f1, (4.0 / 7 + 2.0 / 5) / 2);
    /* top probabilities 0.9 right | 0.5 right, 0.5 wrong | 0.8 right, 0.8 wrong | 0.7 wrong, each value in a bin of its own */
    near(m.ece, (fabs(1 - 0.9) + fabs(1 - 1.0) + fabs(1 - 1.6) + fabs(0 - 0.7)) / 6);
    weft_metrics_free(&m);
    const double edge[2] = {0.6, 0.41}; /* a bin holds its upper end: 9/15 and 0.59 share one */
    const int64_t right_wrong[2] = {1, 1};
    assert_ok(weft_metrics_classification(edge, right_wrong, 2, 2, DBL_EPSILON, &m));
    near(m.ece, fabs(1 - 1.19) / 2);
    weft_metrics_free(&m);
    const int64_t one[6] = {1, 1, 1, 1, 1, 1};
    assert_ok(weft_metrics_classification(p, one, 6, 2, DBL_EPSILON, &m));
    assert_true(isnan(m.auc));
    near(m.balanced_accuracy, m.accuracy);
    weft_metrics_free(&m);
}

static void multiclass_by_hand(void **state)
{
    (void)state;
    const double p[12] = {0.4, 0.4, 0.2, 0.1, 0.2, 0.7, 0.3, 0.3, 0.4, 0.0, 1.0, 0.0};
    const int64_t y[4] = {1, 2, 2, 0};
    weft_metrics m;
    assert_ok(weft_metrics_classification(p, y, 4, 3, 0x1p-23, &m));
    near(m.accuracy, 0.5); /* the tie of row 0 goes to class 0 */
    near(m.balanced_accuracy, (0 + 0 + 1) / 3.0);
    near(m.macro_f1, (0 + 0 + 1.0) / 3);
    /* row 3: clipped to [ε, 1 - ε] and divided by the sum */
    near(m.logloss, -(log(0.4) + log(0.7) + log(0.4) + log(0x1p-23 / (1 + 0x1p-23))) / 4);
    near(m.brier, ((0.16 + 0.36 + 0.04) + (0.01 + 0.04 + 0.09) + (0.09 + 0.09 + 0.36) + (1 + 1)) / 4);
    /* bins of width 1/15: 0.4, 0.4 share one (5.99… rounds up to 6), 0.7, 1.0 */
    near(m.ece, (fabs(1 - 0.8) + fabs(1 - 0.7) + fabs(0 - 1.0)) / 4);
    weft_metrics_free(&m);
    const int64_t outside[4] = {1, 3, 2, 0};
    assert_error(weft_metrics_classification(p, outside, 4, 3, 0x1p-23, &m), "row 1", "class 3");
    const double broken[3] = {0.5, NAN, 0.5};
    assert_error(weft_metrics_classification(broken, y, 1, 3, 0x1p-23, &m), "not a probability");
}

static void auc_counts_pairs(void **state)
{
    (void)state;
    enum { rows = 200 };
    weft_random_key key = weft_random_stream(4, "auc");
    double p[rows], won = 0, pairs = 0;
    int64_t y[rows];
    for (uint64_t i = 0; i < rows; i++) {
        p[i] = (double)weft_random_below(key, 0, i, 0, 20) / 20;
        y[i] = weft_random_uniform(key, 0, i, 2) < 0.3 + 0.4 * p[i];
    }
    for (int i = 0; i < rows; i++)
        for (int k = 0; k < rows; k++)
            if (y[i] == 1 && y[k] == 0) {
                pairs++;
                won += p[i] > p[k] ? 1 : p[i] == p[k] ? 0.5 : 0;
            }
    weft_metrics m;
    assert_ok(weft_metrics_classification(p, y, rows, 2, DBL_EPSILON, &m));
    near(m.auc, won / pairs);
    weft_metrics_free(&m);
    for (int i = 0; i < rows; i++) /* the order alone counts */
        p[i] = p[i] * p[i];
    assert_ok(weft_metrics_classification(p, y, rows, 2, DBL_EPSILON, &m));
    near(m.auc, won / pairs);
    weft_metrics_free(&m);
}

static void parts_add_up(void **state)
{
    (void)state;
    const double p[4] = {0.1, 0.9, 0.6, 0.2}, prediction[4] = {1, 2, 3, 4}, truth[4] = {1, 2, 4, 6};
    const int64_t y[4] = {0, 1, 0, 1};
    const bool keep[4] = {true, true, false, false}, none[4] = {false};
    weft_metrics m;
    assert_ok(weft_metrics_part(WEFT_TASK_BINARY, p, NULL, y, 4, 2, DBL_EPSILON, keep, true, &m));
    assert_int_equal(m.rows, 2);
    near(m.accuracy, 1.0);
    weft_metrics_free(&m);
    assert_ok(weft_metrics_part(WEFT_TASK_BINARY, p, NULL, y, 4, 2, DBL_EPSILON, keep, false, &m));
    near(m.accuracy, 0.0);
    weft_metrics_free(&m);
    assert_ok(weft_metrics_part(WEFT_TASK_REGRESSION, prediction, truth, NULL, 4, 0, 0, keep, false, &m));
    near(m.mae, 1.5);
    assert_ok(weft_metrics_part(WEFT_TASK_BINARY, p, NULL, y, 4, 2, DBL_EPSILON, none, true, &m));
    assert_int_equal(m.rows, 0);
    weft_metrics_free(&m);
}

static void written_and_printed(void **state)
{
    (void)state;
    const double p[2] = {0.25, 0.75};
    const int64_t y[2] = {1, 1};
    const char *const names[2] = {"no", "yes"};
    weft_metrics m;
    assert_ok(weft_metrics_classification(p, y, 2, 2, DBL_EPSILON, &m));
    weft_text text = {0};
    weft_json_writer w = weft_json_to(&text, 0);
    weft_json_open_object(&w);
    weft_metrics_write(&m, names, &w);
    weft_json_close_object(&w);
    weft_json *json;
    assert_ok(weft_json_parse(text.data, text.length, "metrics", &json));
    weft_json_value root = weft_json_root(json);
    near(weft_json_number(weft_json_get(root, "accuracy"), -1), 0.5);
    near(weft_json_number(weft_json_get(root, "brier"), -1), (0.5625 + 0.0625) / 2);
    assert_false(weft_json_present(weft_json_get(root, "auc"))); /* null: one class only */
    assert_int_equal(weft_json_integer(weft_json_item(weft_json_item(weft_json_get(root, "confusion"), 1), 0), -1), 1);
    assert_string_equal(weft_json_string(weft_json_item(weft_json_get(root, "classes"), 1), ""), "yes");
    weft_json_free(json);
    weft_text_free(&text);
    weft_metrics_print(&m, names, &text);
    assert_non_null(strstr(text.data, "accuracy"));
    assert_non_null(strstr(text.data, "yes"));
    weft_text_free(&text);
    weft_metrics_free(&m);
}

static void measures_and_scores(void **state)
{
    (void)state;
    const weft_measure *m = weft_measure_of(WEFT_TASK_REGRESSION);
    weft_metrics of = {.task = WEFT_TASK_BINARY, .accuracy = 0.7, .logloss = 0.4, .auc = 0.9};
    assert_string_equal(m->name, "rmse");
    near(weft_measure_score(m, 3), -3.0); /* less is better */
    assert_string_equal(weft_measure_of(WEFT_TASK_MULTICLASS)->name, "accuracy");
    assert_ok(weft_measure_find("logloss", WEFT_TASK_BINARY, &m));
    near(weft_measure_value(m, &of), 0.4);
    near(weft_measure_score(m, weft_measure_score(m, 0.4)), 0.4);
    assert_ok(weft_measure_find("auc", WEFT_TASK_BINARY, &m));
    near(weft_measure_score(m, weft_measure_value(m, &of)), 0.9);
    assert_int_equal(weft_measure_find("auc", WEFT_TASK_MULTICLASS, &m), WEFT_ERROR_ARGUMENT);
    assert_non_null(strstr(weft_error(), "accuracy, logloss"));
    assert_null(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(regression_by_hand),  cmocka_unit_test(binary_by_hand), cmocka_unit_test(multiclass_by_hand),
        cmocka_unit_test(auc_counts_pairs),    cmocka_unit_test(parts_add_up),   cmocka_unit_test(written_and_printed),
        cmocka_unit_test(measures_and_scores),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
