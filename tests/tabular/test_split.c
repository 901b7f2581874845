/* Splits: from files, with every mistake named; at random, with their sizes, classes and reproducibility. */
#include "tabular/table_case.h"

static void read_from_a_file(void **state)
{
    (void)state;
    weft_csv *csv = csv_of("split\n0\n2\n1\n0\n");
    weft_split split;
    assert_ok(weft_split_from_csv(csv, 4, &split));
    assert_int_equal(split.count[WEFT_PART_TRAIN], 2);
    assert_int_equal(split.count[WEFT_PART_VAL], 1);
    assert_int_equal(split.count[WEFT_PART_TEST], 1);
    assert_int_equal(split.rows[WEFT_PART_TRAIN][1], 3);
    assert_int_equal(split.rows[WEFT_PART_VAL][0], 2);
    assert_int_equal(split.rows[WEFT_PART_TEST][0], 1);
    weft_split_free(&split);
    weft_csv_free(csv);
    csv = csv_of("x,split\n5,0\n6,2\n7,1\n"); /* a column of the table itself */
    assert_ok(weft_split_from_csv(csv, 3, &split));
    weft_split_free(&split);
    weft_csv_free(csv);
}

static void mistakes_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *piece[2];
    } cases[] = {
        {"split\n0\n1\n2\n", {"3 rows", "table has 4"}},      {"split\n0\n1\n2\n0\n0\n", {"line 6", "table has 4"}},
        {"split\n0\n1\n3\n2\n", {"line 4", "\"3\""}},         {"split\n0\n1\n2\n2.0\n", {"line 5", "\"2.0\""}},
        {"split\n0\n1\n2\n00\n", {"line 5", "\"00\""}},       {"split\n0\n1\n1\n0\n", {"test part", "empty"}},
        {"split\n0\n2\n2\n0\n", {"val part", "empty"}},       {"split\n1\n2\n2\n1\n", {"train part", "empty"}},
        {"part\n0\n1\n2\n0\n", {"column \"split\"", "part"}}, {"split\n0\n1\ntrain\n2\n", {"line 4", "\"train\""}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        weft_csv *csv = csv_of(cases[i].text);
        weft_split split;
        assert_int_not_equal(weft_split_from_csv(csv, 4, &split), WEFT_OK);
        for (int p = 0; p < 2; p++)
            if (!strstr(weft_error(), cases[i].piece[p]))
                fail_msg("case %zu: \"%s\" lacks \"%s\"", i, weft_error(), cases[i].piece[p]);
        weft_csv_free(csv);
    }
}

/* Every row stands in one part; rows ascend. */
static void check_cover(const weft_split *split, int64_t rows, const int64_t *class_of_row)
{
    char *seen = calloc((size_t)rows + 1, 1);
    for (int p = 0; p < WEFT_PARTS; p++)
        for (int64_t i = 0; i < split->count[p]; i++) {
            int64_t row = split->rows[p][i];
            assert_true(row >= 0 && row < rows && !seen[row]);
            assert_true(i == 0 || row > split->rows[p][i - 1]);
            seen[row] = 1;
        }
    for (int64_t i = 0; i < rows; i++)
        assert_int_equal(seen[i], !class_of_row || class_of_row[i] >= 0);
    free(seen);
}

static void random_sizes(void **state)
{
    (void)state;
    static const int64_t rows[] = {3, 10, 344, 20640};
    static const int64_t wanted[][3] = {{1, 1, 1}, {6, 2, 2}, {220, 55, 69}, {13209, 3303, 4128}};
    for (size_t c = 0; c < 4; c++) {
        weft_split a, b, other;
        assert_ok(weft_split_random(rows[c], NULL, 0.2, 0.2, 7, &a));
        assert_ok(weft_split_random(rows[c], NULL, 0.2, 0.2, 7, &b));
        assert_ok(weft_split_random(rows[c], NULL, 0.2, 0.2, 8, &other));
        check_cover(&a, rows[c], NULL);
        for (int p = 0; p < WEFT_PARTS; p++) {
            assert_int_equal(a.count[p], wanted[c][p]);
            assert_memory_equal(a.rows[p], b.rows[p], (size_t)a.count[p] * sizeof(int64_t));
        }
        if (rows[c] > 100)
            assert_memory_not_equal(a.rows[2], other.rows[2], (size_t)a.count[2] * sizeof(int64_t));
        weft_split_free(&a);
        weft_split_free(&b);
        weft_split_free(&other);
    }
    weft_split split;
    assert_error(weft_split_random(2, NULL, 0.2, 0.2, 0, &split), "2 rows", "too few");
    assert_error(weft_split_random(0, NULL, 0.2, 0.2, 0, &split), "too few");
    assert_error(weft_split_random(9, NULL, 1.0, 0.2, 0, &split), "shares");
    assert_ok(weft_split_random(10, NULL, 0.2, 0, 0, &split));
    assert_int_equal(split.count[WEFT_PART_TEST], 0);
    assert_int_equal(split.count[WEFT_PART_VAL], 2);
    weft_split_free(&split);
    assert_ok(weft_split_whole(5, &split));
    assert_int_equal(split.count[WEFT_PART_TRAIN], 5);
    check_cover(&split, 5, NULL);
    weft_split_free(&split);
}

static void classes_keep_their_shares(void **state)
{
    (void)state;
    enum { rows = 2000, classes = 6 };
    static const int size[classes] = {1200, 600, 150, 30, 5, 1}; /* the other 14 rows have no class */
    static int64_t class_of_row[rows];
    int64_t k = 0, left = size[0];
    for (int64_t i = 0; i < rows; i++) {
        while (k < classes && left == 0)
            left = ++k < classes ? size[k] : 0;
        class_of_row[(i * 777) % rows] = k < classes ? k : -1; /* 777 and 2000 have no common factor */
        left -= k < classes;
    }
    for (uint64_t seed = 0; seed < 5; seed++) {
        weft_split split;
        assert_ok(weft_split_random(rows, class_of_row, 0.2, 0.2, seed, &split));
        check_cover(&split, rows, class_of_row);
        int count[WEFT_PARTS][classes] = {0};
        for (int p = 0; p < WEFT_PARTS; p++)
            for (int64_t i = 0; i < split.count[p]; i++)
                count[p][class_of_row[split.rows[p][i]]]++;
        for (int c = 0; c < classes; c++) {
            assert_true(count[WEFT_PART_TRAIN][c] >= 1);
            assert_true(abs(count[WEFT_PART_TEST][c] - size[c] / 5) <= 1);
            assert_true(abs(count[WEFT_PART_VAL][c] - size[c] * 4 / 25) <= 1);
        }
        assert_true(labs((long)split.count[WEFT_PART_TEST] - 397) <= 1);
        weft_split_free(&split);
    }
}

/* Groups of very different sizes, written as text with quotes, stay whole, and the parts come near their shares. */
static void groups_stay_whole(void **state)
{
    (void)state;
    enum { rows = 600, groups = 40 };
    static const char *const forms[] = {"%d,g%d\n", "%d,\"g%d\"\n"}; /* the same group */
    static int group_of[rows];
    weft_text text = {0};
    weft_text_add(&text, "x,g\n");
    for (int i = 0; i < rows; i++) {
        group_of[i] = (i * 7 % 100) * (i * 7 % 100) * groups / 10000;
        weft_text_add(&text, forms[i % 2], i, group_of[i]);
    }
    weft_csv *csv = csv_of(text.data);
    weft_text_free(&text);
    weft_split first = {0};
    for (uint64_t seed = 0; seed < 20; seed++) {
        weft_split split;
        assert_ok(weft_split_by_group(csv, 1, 0.25, 0.2, seed, &split));
        check_cover(&split, rows, NULL);
        int part_of[groups];
        for (int g = 0; g < groups; g++)
            part_of[g] = -1;
        for (int p = 0; p < WEFT_PARTS; p++)
            for (int64_t i = 0; i < split.count[p]; i++) {
                int g = group_of[split.rows[p][i]];
                assert_true(part_of[g] == -1 || part_of[g] == p);
                part_of[g] = p;
            }
        assert_in_range(split.count[WEFT_PART_TEST], 72, 168); /* 120 and half of the largest group, 96 rows */
        assert_in_range(split.count[WEFT_PART_VAL], 72, 168);
        if (seed == 0)
            first = split;
        else if (seed == 1)
            assert_true(split.count[WEFT_PART_TEST] != first.count[WEFT_PART_TEST] ||
                        split.rows[WEFT_PART_TEST][0] != first.rows[WEFT_PART_TEST][0] ||
                        split.rows[WEFT_PART_TEST][1] != first.rows[WEFT_PART_TEST][1]);
        if (seed > 0)
            weft_split_free(&split);
    }
    weft_split_free(&first);
    weft_split none;
    assert_ok(weft_split_by_group(csv, 1, 0.25, 0, 0, &none));
    assert_int_equal(none.count[WEFT_PART_TEST], 0);
    weft_split_free(&none);
    weft_csv_free(csv);
    csv = csv_of("x,g\n1,a\n2,\n3,b\n");
    assert_error(weft_split_by_group(csv, 1, 0.2, 0.2, 0, &none), "line 3", "\"g\"", "empty");
    weft_csv_free(csv);
    csv = csv_of("x,g\n1,a\n2,a\n3,a\n");
    assert_error(weft_split_by_group(csv, 1, 0.2, 0.2, 0, &none), "1 group of rows", "\"g\"", "part would be empty");
    weft_csv_free(csv);
}

/* Rows of rare classes may not all leave the training part, or their class would be unknown there. */
static void rare_classes_stay_in_training(void **state)
{
    (void)state;
    enum { rows = 400, classes = 240 }; /* 0 … 79 have one row, 80 … 239 two */
    int64_t class_of_row[rows];
    for (int64_t i = 0; i < rows; i++)
        class_of_row[i] = i < 240 ? i : i - 160;
    weft_split split;
    assert_ok(weft_split_random(rows, class_of_row, 0.2, 0.2, 1, &split));
    check_cover(&split, rows, class_of_row);
    bool known[classes] = {false};
    for (int64_t i = 0; i < split.count[WEFT_PART_TRAIN]; i++)
        known[class_of_row[split.rows[WEFT_PART_TRAIN][i]]] = true;
    for (int c = 0; c < classes; c++)
        assert_true(known[c]);
    weft_split_free(&split);
    assert_error(weft_split_random(80, class_of_row, 0.2, 0.2, 1, &split), "part would be empty");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(read_from_a_file),
        cmocka_unit_test(mistakes_are_named),
        cmocka_unit_test(random_sizes),
        cmocka_unit_test(classes_keep_their_shares),
        cmocka_unit_test(rare_classes_stay_in_training),
        cmocka_unit_test(groups_stay_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
