/* Certainty and drift: temperatures and intervals that are right by construction, drift measures against what they are defined
 * as, row numbers, and candidates that join and part. */
#include "table_case.h"

#include "base/random.h"
#include "tabular/candidates.h"
#include "tabular/drift.h"
#include "tabular/predict.h"

#include <unistd.h>

/* ---- row numbers ---- */

static void ranges_are_read(void **state)
{
    (void)state;
    weft_row_ranges r;
    assert_ok(weft_row_ranges_parse("3,17,40-52", &r));
    assert_int_equal(r.count, 3);
    assert_int_equal(r.range[2][0], 40);
    assert_int_equal(r.range[2][1], 52);
    weft_row_ranges_free(&r);
    static const char *const wrong[] = {"", ",", "3,", "3,,4", "-3", "3-", "9-4", "a", "3 4", "0x3", "99999999999999999999"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_error(weft_row_ranges_parse(wrong[i], &r), "3,17,40-52");
}

static weft_table *numbered(int64_t rows, int64_t first)
{
    weft_table *t = NULL;
    assert_ok(weft_table_new(rows, 1, 0, 0, 0, &t));
    t->y = calloc((size_t)rows + 1, sizeof *t->y);
    assert_non_null(t->y);
    for (int64_t i = 0; i < rows; i++) {
        t->row[i] = first + i;
        t->x_num[i] = (float)(first + i);
        t->y[i] = (float)-(first + i);
    }
    return t;
}

static void rows_join_and_part(void **state)
{
    (void)state;
    weft_table *old = numbered(10, 0), *later = numbered(4, 0), *all = NULL, *left = NULL;
    assert_ok(weft_candidates_join(old, NULL, later, 100, &all));
    assert_int_equal(all->rows, 14);
    assert_int_equal(all->row[13], 103);
    weft_row_ranges r;
    bool keep[14];
    int64_t gone;
    assert_ok(weft_row_ranges_parse("3,2-4,102-999", &r));
    assert_ok(weft_row_ranges_leave_out(&r, all, keep, &gone));
    weft_row_ranges_free(&r);
    assert_int_equal(gone, 5);
    assert_ok(weft_candidates_join(all, keep, NULL, 0, &left));
    static const int64_t want[] = {0, 1, 5, 6, 7, 8, 9, 100, 101};
    assert_int_equal(left->rows, 9);
    for (int i = 0; i < 9; i++) {
        assert_int_equal(left->row[i], want[i]);
        assert_true(left->y[i] == (float)-(want[i] % 100));
    }
    assert_ok(weft_row_ranges_parse("50", &r));
    assert_error(weft_row_ranges_leave_out(&r, all, keep, &gone), "row 50", "14 training rows");
    weft_row_ranges_free(&r);
    weft_table_free(old);
    weft_table_free(later);
    weft_table_free(all);
    weft_table_free(left);
}

/* ---- certainty ---- */

enum { ROWS = 4000, CLASSES = 4 };

static weft_rows_data *labelled(weft_tabular_config *c, weft_task task, int64_t classes)
{
    weft_rows_data *rows = NULL;
    *c = weft_tabular_default();
    c->task = task;
    c->n_classes = classes;
    c->n_num_features = 1;
    assert_ok(weft_rows_new(c, ROWS, &rows));
    return rows;
}

/* Labels are drawn from the probabilities softmax(z / 2.5), the model says softmax(z): its temperature is 2.5. */
static void temperature_is_found(void **state)
{
    (void)state;
    for (int classes = 2; classes <= CLASSES; classes += 2) {
        weft_tabular_config c;
        weft_rows_data *rows = labelled(&c, classes == 2 ? WEFT_TASK_BINARY : WEFT_TASK_MULTICLASS, classes);
        int64_t width = classes == 2 ? 1 : classes;
        double *value = calloc(ROWS * CLASSES, sizeof *value);
        assert_non_null(value);
        weft_random_key key = weft_random_stream(3, "temperature");
        for (int64_t i = 0; i < ROWS; i++) {
            double z[CLASSES], p[CLASSES], sum = 0, cool = 0, u = weft_random_uniform(key, 0, (uint64_t)i, 99);
            for (int k = 0; k < classes; k++) {
                z[k] = 4 * weft_random_normal(key, 1, (uint64_t)i, (uint64_t)k);
                sum += p[k] = exp(z[k] / 2.5);
                cool += exp(z[k]);
            }
            int label = 0;
            for (double seen = p[0] / sum; label + 1 < classes && u > seen; seen += p[label] / sum)
                label++;
            rows->label[i] = label;
            for (int k = 0; k < width; k++)
                value[i * width + k] = exp(z[classes == 2 ? 1 : k]) / cool;
        }
        weft_predictions said = {.rows = ROWS, .width = width, .value = value};
        weft_calibration *fitted = NULL;
        assert_ok(weft_calibration_fit(&c, rows, &said, NULL, &fitted));
        assert_true(fabs(fitted->temperature - 2.5) < 0.15);
        assert_true(fitted->ece[1] < 0.025 && fitted->ece[0] > 0.08);
        assert_true(fitted->logloss[1] < fitted->logloss[0] && fitted->brier[1] < fitted->brier[0]);
        assert_null(fitted->distance);
        weft_calibration_free(fitted);
        weft_rows_free(rows);
        free(value);
    }
}

/* Rows that are all right do not make a model infinitely sure. */
static void certainty_has_an_end(void **state)
{
    (void)state;
    weft_tabular_config c;
    weft_rows_data *rows = labelled(&c, WEFT_TASK_BINARY, 2);
    double value[ROWS];
    for (int64_t i = 0; i < ROWS; i++) {
        rows->label[i] = i & 1;
        value[i] = i & 1 ? 0.9 : 0.1;
    }
    weft_predictions said = {.rows = ROWS, .width = 1, .value = value};
    weft_calibration *fitted = NULL;
    assert_ok(weft_calibration_fit(&c, rows, &said, NULL, &fitted));
    double p = 0.9;
    weft_calibration_apply(fitted, &c, 1, &p);
    assert_true(p > 0.999 && 1 - p > 0.5 / ROWS && 1 - p < 2.0 / ROWS);
    weft_calibration_free(fitted);
    weft_rows_free(rows);
}

/* Split conformal: the threshold is the ⌈(n + 1) level⌉-th smallest score, infinite where there is none. */
static void thresholds_are_ranks(void **state)
{
    (void)state;
    double score[9], distance[5] = {0, 1, 2, 4, 8};
    for (int i = 0; i < 9; i++)
        score[i] = i + 1;
    weft_calibration c = {.temperature = 1, .score = score, .scores = 9, .distance = distance, .distances = 5};
    assert_true(weft_calibration_threshold(&c, 0.9) == 9);
    assert_true(weft_calibration_threshold(&c, 0.5) == 5);
    assert_true(weft_calibration_threshold(&c, 0.51) == 6);
    assert_true(isinf(weft_calibration_threshold(&c, 0.91)));
    assert_true(weft_calibration_rank(&c, -1) == 0);
    assert_true(weft_calibration_rank(&c, 1) == 0.25);
    assert_true(weft_calibration_rank(&c, 3) == 0.625);
    assert_true(weft_calibration_rank(&c, 9) == 1);
}

static void calibrations_survive_their_file(void **state)
{
    (void)state;
    char path[] = "/tmp/weft-test-calibration-XXXXXX";
    int file = mkstemp(path);
    assert_true(file >= 0);
    close(file);
    double score[3] = {0.125, 0.5, 3}, distance[2] = {0, 7};
    weft_calibration c = {.temperature = 1.75,
                          .ece = {0.5, 0.25},
                          .floor = 0.0625,
                          .score = score,
                          .scores = 3,
                          .distance = distance,
                          .distances = 2};
    weft_calibration *read = NULL;
    assert_ok(weft_calibration_save(&c, path));
    assert_ok(weft_calibration_load(path, &read));
    assert_true(read->temperature == 1.75 && read->ece[1] == 0.25 && read->floor == 0.0625);
    assert_int_equal(read->scores, 3);
    assert_memory_equal(read->score, score, sizeof score);
    assert_memory_equal(read->distance, distance, sizeof distance);
    weft_calibration_free(read);
    score[2] = 0.25;
    assert_ok(weft_calibration_save(&c, path));
    assert_error(weft_calibration_load(path, &read), "\"score\"", "ascend");
    score[2] = NAN;
    assert_ok(weft_calibration_save(&c, path));
    assert_error(weft_calibration_load(path, &read), "\"score\"");
    score[2] = 3;
    c.temperature = 0;
    assert_ok(weft_calibration_save(&c, path));
    assert_error(weft_calibration_load(path, &read), "temperature");
    unlink(path);
}

/* ---- drift ---- */

/* Two columns of numbers; the second table's are moved by `shift`. */
static void measured(double shift, int64_t n, int64_t m, weft_drifts *out)
{
    weft_column column = {.name = (char[]){'x', 0}, .kind = WEFT_COLUMN_NUMERICAL, .parts = 1, .bin_at = -1, .cat_at = -1};
    weft_column target = {.name = (char[]){'y', 0}, .kind = WEFT_COLUMN_TARGET, .num_at = -1, .bin_at = -1, .cat_at = -1};
    weft_column columns[2] = {column, target};
    weft_schema s = {.n_columns = 2, .columns = columns, .target = 1, .n_num = 1};
    weft_table *a = NULL, *b = NULL;
    assert_ok(weft_table_new(n, 1, 0, 0, 0, &a));
    assert_ok(weft_table_new(m, 1, 0, 0, 0, &b));
    for (int64_t i = 0; i < n; i++)
        a->x_num[i] = (float)((i * 37) % n) / (float)n;
    for (int64_t i = 0; i < m; i++)
        b->x_num[i] = (float)((double)((i * 41) % m) / (double)m + shift);
    assert_ok(weft_drift_measure(&s, a, b, out));
    weft_table_free(a);
    weft_table_free(b);
}

static void drift_is_seen(void **state)
{
    (void)state;
    weft_drifts d;
    measured(0, 1000, 300, &d);
    assert_int_equal(d.count, 1);
    assert_string_equal(d.list[0].feature, "x");
    assert_true(d.list[0].distance < 0.01 && d.list[0].p > 0.99 && d.list[0].psi < 0.01);
    assert_false(weft_drift_matters(&d, 0));
    weft_drifts_free(&d);
    /* uniform samples, one moved by a quarter: their distribution functions are a quarter apart */
    measured(0.25, 1000, 300, &d);
    assert_true(fabs(d.list[0].distance - 0.25) < 0.005);
    assert_true(d.list[0].p < 1e-9 && d.list[0].psi > 0.25);
    assert_true(weft_drift_matters(&d, 0));
    weft_drifts_free(&d);
    /* the series at (√q + 0.12 + 0.11 / √q) · 0.1, q = 1000 · 300 / 1300, is 0.0183 */
    measured(0.1, 1000, 300, &d);
    assert_true(fabs(d.list[0].distance - 0.1) < 0.005);
    assert_true(d.list[0].p > 0.010 && d.list[0].p < 0.030);
    weft_drifts_free(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranges_are_read),      cmocka_unit_test(rows_join_and_part),
        cmocka_unit_test(temperature_is_found), cmocka_unit_test(certainty_has_an_end),
        cmocka_unit_test(thresholds_are_ranks), cmocka_unit_test(calibrations_survive_their_file),
        cmocka_unit_test(drift_is_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
