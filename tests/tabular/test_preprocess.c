/* Scaling, codes and targets against the reference's results; Φ⁻¹, sorting, dates, duplicate rows by their properties. */
#include "tabular/table_case.h"
#include "base/random.h"
#include "io/io.h"
#include "base/normal.h"

static weft_arrays *golden;

static int open_golden(void **state)
{
    (void)state;
    return weft_safetensors_open(WEFT_SOURCE_DIR "/tests/golden/tabr/preprocess.safetensors", &golden) == WEFT_OK ? 0 : -1;
}

static int close_golden(void **state)
{
    (void)state;
    weft_arrays_free(golden);
    return 0;
}

static const void *array(const char *name)
{
    weft_tensor tensor;
    assert_true(weft_arrays_find(golden, name, &tensor));
    return tensor.data;
}

enum { train_rows = 640, test_rows = 60, columns = 8 };

/* One column in, scaled, against one column of the golden; the specification's tolerance where |z| < 5, both clipped elsewhere.
 */
static void check_scaled(const weft_scaler *s, int j, const float *x, int rows, const float *wanted)
{
    float column[train_rows];
    for (int i = 0; i < rows; i++)
        column[i] = x[i * columns + j];
    weft_scaler_apply(s, j, column, rows, 1);
    for (int i = 0; i < rows; i++) {
        double want = wanted[i * columns + j];
        double error = fabs(column[i] - want);
        if (!(error <= (fabs(want) < 5 ? 2e-6 : 1e-6 * fabs(want))))
            fail_msg("column %d row %d: %.9g, expected %.9g", j, i, (double)column[i], want);
    }
}

static void scaling_equals_the_reference(void **state)
{
    (void)state;
    static const struct {
        weft_scaling scaling;
        const char *noise, *quantiles, *train, *test;
    } cases[] = {
        {WEFT_SCALING_QUANTILE, "noise.standard_normal", "noisy.quantiles", "noisy.train_out", "noisy.test_out"},
        {WEFT_SCALING_QUANTILE, NULL, "clean.quantiles", "clean.train_out", "clean.test_out"},
        {WEFT_SCALING_STANDARD, NULL, NULL, "standard.train_out", "standard.test_out"},
    };
    const float *train = array("train.x"), *test = array("test.x");
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        weft_scaler *s;
        int quantiles = weft_quantile_count(train_rows);
        assert_int_equal(quantiles, 21);
        assert_ok(weft_scaler_new(cases[c].scaling, columns, quantiles, &s));
        const double *noise = cases[c].noise ? array(cases[c].noise) : NULL;
        for (int j = 0; j < columns; j++) {
            assert_ok(weft_scaler_fit(s, j, train + j, train_rows, columns, noise ? noise + j : NULL, columns));
            for (int t = 0; cases[c].quantiles && t < quantiles; t++) {
                double want = ((const double *)array(cases[c].quantiles))[t * columns + j], got = s->table[j * quantiles + t];
                if (!(fabs(got - want) <= 1e-6 * fabs(want)))
                    fail_msg("column %d quantile %d: %.17g, expected %.17g", j, t, got, want);
            }
            check_scaled(s, j, train, train_rows, array(cases[c].train));
            check_scaled(s, j, test, test_rows, array(cases[c].test));
        }
        weft_scaler_free(s);
    }
}

static void values_beyond_the_ends_are_clipped(void **state)
{
    (void)state;
    float train[30], x[4] = {-1e30f, 1e30f, -0.5f, 30};
    for (int i = 0; i < 30; i++)
        train[i] = (float)i;
    weft_scaler *s;
    assert_ok(weft_scaler_new(WEFT_SCALING_QUANTILE, 1, 10, &s));
    assert_ok(weft_scaler_fit(s, 0, train, 30, 1, NULL, 0));
    weft_scaler_apply(s, 0, x, 4, 1);
    for (int i = 0; i < 4; i++)
        assert_true(x[i] == (float)(i % 2 ? 5.19933758270342 : -5.199337582605575));
    weft_scaler_free(s);
}

/* The golden's codes as texts of a file: level 2 is the empty text, which a file reads as missing. */
static void codes_and_one_hot_equal_the_reference(void **state)
{
    (void)state;
    char levels[64];
    const char *level[10] = {0};
    snprintf(levels, sizeof levels, "%s", weft_arrays_metadata(golden, "levels"));
    int count = 0;
    for (char *rest = levels, *text; (text = strsep(&rest, "|")) != NULL && count < 10;)
        level[count++] = text;
    const int64_t *codes[2] = {array("cat.train_code"), array("cat.test_code")};
    const int64_t *ordinal[2] = {array("cat.train_ordinal"), array("cat.test_ordinal")};
    const int rows[2] = {train_rows, test_rows};
    weft_schema *schema = NULL;
    for (int part = 0; part < 2; part++) {
        weft_text text = {0};
        weft_text_add(&text, "a,b,y\n");
        for (int i = 0; i < rows[part]; i++)
            weft_text_add(&text, "%s,%s,%d\n", level[codes[part][2 * i]], level[codes[part][2 * i + 1]], i % 2);
        weft_csv *csv = csv_of(text.data);
        if (!schema)
            assert_ok(infer_all(csv, &(weft_schema_options){.target = "y", .task = -1}, &schema));
        assert_int_equal(schema->n_cat, 2);
        weft_table *table;
        assert_ok(weft_schema_apply(schema, csv, NULL, rows[part], true, &table));
        int64_t unseen[2] = {0};
        for (int i = 0; i < 2 * rows[part]; i++) {
            int64_t cardinality = schema->cardinality[i % 2];
            int64_t want = ordinal[part][i] == cardinality ? -1 : ordinal[part][i]; /* the reference writes unseen as max + 1 */
            assert_int_equal(table->x_cat[i], want);
            unseen[i % 2] += want < 0;
        }
        assert_int_equal(table->unseen[0], unseen[0]);
        assert_int_equal(table->unseen[1], unseen[1]);
        if (part == 1) {
            assert_true(unseen[0] > 0);
            float hot[test_rows * 10];
            const float *want = array("cat.test_onehot");
            weft_table_one_hot(table, schema->cardinality, hot);
            for (int i = 0; i < test_rows * 10; i++)
                assert_true(hot[i] == want[i]);
        }
        weft_table_free(table);
        weft_csv_free(csv);
        weft_text_free(&text);
    }
    weft_schema_free(schema);
}

static void target_scaling_equals_the_reference(void **state)
{
    (void)state;
    const float *y = array("y.train"), *out = array("y.out");
    const double *mean_sd = array("y.mean_std");
    weft_text text = {0};
    weft_text_add(&text, "x,y\n");
    for (int i = 0; i < train_rows; i++)
        weft_text_add(&text, "%d,%.9g\n", i * i, (double)y[i]);
    weft_csv *csv = csv_of(text.data);
    weft_schema *schema;
    weft_table *table;
    assert_ok(infer_all(csv, &(weft_schema_options){.target = "y", .task = -1}, &schema));
    assert_int_equal(schema->task, WEFT_TASK_REGRESSION);
    assert_true(fabs(schema->target_mean - mean_sd[0]) <= 1e-6 * fabs(mean_sd[0]));
    assert_true(fabs(schema->target_sd - mean_sd[1]) <= 1e-6 * mean_sd[1]);
    assert_ok(weft_schema_apply(schema, csv, NULL, train_rows, true, &table));
    for (int i = 0; i < train_rows; i++) {
        assert_true(fabsf(table->y[i] - out[i]) <= 2e-6f);
        assert_true(fabs(weft_schema_unscale(schema, table->y[i]) - y[i]) <= 1e-5 * (1 + fabsf(y[i])));
    }
    weft_table_free(table);
    weft_schema_free(schema);
    weft_csv_free(csv);
    weft_text_free(&text);
}

/* Values by 50-digit arithmetic. */
static void normal_quantile_is_exact_to_rounding(void **state)
{
    (void)state;
    static const struct {
        double p, z;
    } known[] = {
        {0x1.56e1fc2f8f359p-997, -37.047096299361199237},    {0x1.bff2ee48e0530p-333, -21.273453560965324294},
        {0x1.79ca10c924223p-67, -9.2623400897984075796},     {0x1.b7cdfd9d7bdbbp-34, -6.3613409024040561991},
        {0x1.ad7f29abcaf48p-24, -5.19933758219281694},       {0x1.a36e2eb1c432dp-14, -3.7190164854556805523},
        {0x1.47ae147ae147bp-7, -2.3263478740408410931},      {0x1.8d4fdf3b645a2p-6, -1.9729610513118848376},
        {0x1.3333185b40987p-4, -1.4395321773759005864},      {0x1.33334e0b25cdfp-4, -1.4395307645017296865},
        {0x1.999999999999ap-4, -1.2815515655446004353},      {0x1.3333333333333p-2, -0.52440051270804081597},
        {0x1.fffd60e94ee39p-2, -0.000025066282748960008527}, {0x1.0000000002000p-1, 2.2797651350911114627e-12},
        {0x1.6666666666666p-1, 0.52440051270804065631},      {0x1.d70a3d70a3d71p-1, 1.4050715603096328248},
        {0x1.f0a3d70a3d70ap-1, 1.8807936081512505473},       {0x1.ff7ced916872bp-1, 3.0902323061678132778},
        {0x1.fffffff800000p-1, 6.0093535655307438932},       {0x1.fffffffffffffp-1, 8.2095361516013868556},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        double z = weft_normal_quantile(known[i].p);
        if (!(fabs(z - known[i].z) <= 1e-14 * fabs(known[i].z)))
            fail_msg("%a: %.17g, expected %.17g", known[i].p, z, known[i].z);
    }
    assert_true(weft_normal_quantile(0.5) == 0);
    assert_true(isinf(weft_normal_quantile(0)) && weft_normal_quantile(0) < 0 && isinf(weft_normal_quantile(1)));
    assert_true(isnan(weft_normal_quantile(-0.1)) && isnan(weft_normal_quantile(1.1)) && isnan(weft_normal_quantile(NAN)));
    weft_random_key key = weft_random_stream(1, "normal");
    for (uint64_t i = 0; i < 20000; i++) {
        double p = weft_random_uniform(key, 0, i, 0) * 0.5, z = weft_normal_quantile(p);
        assert_true(fabs(0.5 * erfc(-z / sqrt(2)) - p) <= 1e-13 * p);
    }
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void sorting_and_median(void **state)
{
    (void)state;
    weft_random_key key = weft_random_stream(2, "sort");
    for (int n = 1; n <= 1500; n = n * 3 + 1) {
        double x[1500], y[1500], scratch[1500];
        for (int i = 0; i < n; i++) {
            double z = weft_random_normal(key, (uint64_t)n, (uint64_t)i, 0);
            x[i] = y[i] = i % 5 == 0 ? 0 : i % 7 == 0 ? z * 1e300 : i % 3 ? z : -1e-310 * z;
        }
        qsort(y, (size_t)n, sizeof *y, by_value);
        double median = weft_median(x, scratch, n);
        for (int i = 0; i < n; i++)
            assert_true(x[i] == y[i]);
        assert_true(median == (n % 2 ? y[n / 2] : 0.5 * y[n / 2 - 1] + 0.5 * y[n / 2]));
    }
}

static void dates_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        double year, month, day, weekday, hour, days;
    } good[] = {
        {"1970-01-01", 1970, 1, 1, 3, 0, 0},
        {"2000-02-29", 2000, 2, 29, 1, 0, 11016},
        {"1/1/2011", 2011, 1, 1, 5, 0, 14975},
        {"12/31/2012", 2012, 12, 31, 0, 0, 15705},
        {" 1969-12-31 ", 1969, 12, 31, 2, 0, -1},
        {"2024-03-01T13:30:00Z", 2024, 3, 1, 4, 13.5, 19783},
        {"2024-03-01 00:15:59.123456+01:00", 2024, 3, 1, 4, 0.25, 19783},
        {"3/1/2024 1:30 PM", 2024, 3, 1, 4, 13.5, 19783},
        {"3/1/2024 12:00 am", 2024, 3, 1, 4, 0, 19783},
        {"2024/3/1", 2024, 3, 1, 4, 0, 19783},
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        weft_date date;
        assert_true(weft_date_parse(good[i].text, strlen(good[i].text), &date));
        const double want[WEFT_DATE_PARTS] = {good[i].year,    good[i].month, good[i].day,
                                              good[i].weekday, good[i].hour,  good[i].days};
        for (int p = 0; p < WEFT_DATE_PARTS; p++)
            if (date.part[p] != want[p])
                fail_msg("%s: %s is %g", good[i].text, weft_date_part_names[p], date.part[p]);
    }
    static const char *const bad[] = {"",
                                      "2011",
                                      "13/1/2011",
                                      "2011-02-29",
                                      "1900-02-29",
                                      "2011-13-01",
                                      "2011-00-10",
                                      "2011-1-1x",
                                      "1-1-2011",
                                      "1/1/11",
                                      "2011-01/01",
                                      "2011-01-01T",
                                      "2011-01-01 25:00",
                                      "2011-01-01 10:61",
                                      "2011-01-01 13:00 PM",
                                      "12345-01-01",
                                      "a/b/c",
                                      "1//2011"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        weft_date date;
        if (weft_date_parse(bad[i], strlen(bad[i]), &date))
            fail_msg("\"%s\" was read as a date", bad[i]);
    }
    assert_true(weft_date_shaped("31.12.2011", 10) && weft_date_shaped("31/12/2011 10:00", 16) && !weft_date_shaped("3.14", 4));
}

static void batch_size_follows_the_rule(void **state)
{
    (void)state;
    static const int64_t rows[] = {1, 2499, 2500, 4999, 5000, 6999, 7000, 29999, 30000, 199999, 200000, 3000000};
    static const int size[] = {32, 32, 64, 64, 128, 128, 256, 256, 512, 512, 1024, 1024};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(weft_batch_size(rows[i]), size[i]);
    /* The published choices that the rule reproduces. (Churn, 6,400 rows, had 256 there: the boundaries are approximate.) */
    assert_int_equal(weft_batch_size(13209), 256);
    assert_int_equal(weft_batch_size(26048), 256);
    assert_int_equal(weft_batch_size(34521), 512);
    assert_int_equal(weft_batch_size(106764), 512);
    assert_int_equal(weft_batch_size(296554), 1024);
}

static void duplicates_are_exact(void **state)
{
    (void)state;
    enum { rows = 300, others = 100 };
    weft_table *of, *table;
    assert_ok(weft_table_new(rows, 2, 1, 1, 0, &of));
    assert_ok(weft_table_new(others, 2, 1, 1, 0, &table));
    weft_random_key key = weft_random_stream(3, "duplicates");
    weft_table *both[2] = {of, table};
    for (int t = 0; t < 2; t++)
        for (int64_t i = 0; i < both[t]->rows; i++) {
            both[t]->x_num[2 * i] = (float)weft_random_below(key, (uint64_t)t, (uint64_t)i, 0, 4);
            both[t]->x_num[2 * i + 1] = weft_random_below(key, (uint64_t)t, (uint64_t)i, 1, 2) ? 0.0f : -0.0f;
            both[t]->x_bin[i] = (float)weft_random_below(key, (uint64_t)t, (uint64_t)i, 2, 2);
            both[t]->x_cat[i] =
                (int64_t)weft_random_below(key, (uint64_t)t, (uint64_t)i, 3, 50) - (t == 1 && i % 10 == 0 ? 51 : 0);
        }
    bool found[others];
    int64_t count, want = 0;
    assert_ok(weft_table_duplicates(table, of, found, &count));
    for (int i = 0; i < others; i++) {
        bool same = false;
        for (int k = 0; k < rows && !same; k++)
            same = of->x_num[2 * k] == table->x_num[2 * i] && of->x_num[2 * k + 1] == table->x_num[2 * i + 1] &&
                   of->x_bin[k] == table->x_bin[i] && of->x_cat[k] == table->x_cat[i];
        assert_int_equal(found[i], same);
        want += same;
    }
    assert_int_equal(count, want);
    assert_true(want > 10 && want < 90);
    table->n_bin = 0;
    assert_error(weft_table_duplicates(table, of, found, &count), "columns");
    weft_table_free(of);
    weft_table_free(table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scaling_equals_the_reference),
        cmocka_unit_test(values_beyond_the_ends_are_clipped),
        cmocka_unit_test(codes_and_one_hot_equal_the_reference),
        cmocka_unit_test(target_scaling_equals_the_reference),
        cmocka_unit_test(normal_quantile_is_exact_to_rounding),
        cmocka_unit_test(sorting_and_median),
        cmocka_unit_test(dates_are_read),
        cmocka_unit_test(batch_size_follows_the_rule),
        cmocka_unit_test(duplicates_are_exact),
    };
    return cmocka_run_group_tests(tests, open_golden, close_golden);
}
