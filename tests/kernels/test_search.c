/* The search against a brute-force double loop: sizes, duplicates, exclusion, both metrics and types, thread counts, cuts of the
 * queries, and refusals, at every level that this processor has. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/search.h"

static weft_kernels levels[3];
static int level_count;
static weft_team *teams[4]; /* of 1, 2 and 3 threads */

static int set_up(void **unused)
{
    (void)unused;
    levels[level_count++] = (weft_kernels){.name = "v2", .pair_f32 = &weft_pair_f32_v2};
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        levels[level_count++] = (weft_kernels){.name = "v3", .pair_f32 = &weft_pair_f32_v3};
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512dq"))
        levels[level_count++] = (weft_kernels){.name = "v4", .pair_f32 = &weft_pair_f32_v4};
    for (int n = 1; n <= 3; n++)
        if (weft_team_new(n, &teams[n]) != WEFT_OK)
            return 1;
    return 0;
}

static int tear_down(void **unused)
{
    (void)unused;
    for (int n = 1; n <= 3; n++)
        weft_team_free(teams[n]);
    return 0;
}

static uint64_t state;

static uint32_t draw(void)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(state >> 33);
}

typedef enum content { SPREAD, DUPLICATES, ALL_EQUAL, SORTED, WHOLE_NUMBERS } content;

/* [rows, d]. Sorted rows mislead the guess of a limit from every few panels. Whole numbers make distances exact in either type,
 * and ties frequent. */
static void *fill(bool f32, content kind, int64_t rows, int64_t d)
{
    void *x = malloc((size_t)(rows * d) * (f32 ? 4 : 8));
    for (int64_t i = 0; i < rows; i++) {
        const int64_t copy_of = kind == DUPLICATES && i > 5 && draw() % 3 ? (int64_t)draw() % 5 : -1;
        for (int64_t c = 0; c < d; c++) {
            double v = kind == ALL_EQUAL       ? 0.25 * (double)(c % 7)
                       : kind == SORTED        ? (double)i / (double)rows + (double)(c % 3)
                       : kind == WHOLE_NUMBERS ? draw() % 4
                                               : (draw() % 20001) / 1e4 - 1;
            if (f32)
                ((float *)x)[i * d + c] = copy_of >= 0 ? ((float *)x)[copy_of * d + c] : (float)v;
            else
                ((double *)x)[i * d + c] = copy_of >= 0 ? ((double *)x)[copy_of * d + c] : v;
        }
    }
    return x;
}

static double at(const void *x, bool f32, int64_t i)
{
    return f32 ? ((const float *)x)[i] : ((const double *)x)[i];
}

typedef struct pair {
    double score; /* smaller is nearer */
    int64_t key;
} pair;

static int by_score(const void *a_, const void *b_)
{
    const pair *a = a_, *b = b_;
    if (a->score != b->score)
        return a->score < b->score ? -1 : 1;
    return a->key < b->key ? -1 : a->key > b->key;
}

typedef struct question {
    bool f32, inner_product, exact; /* exact: distances are whole numbers, so even ties must agree */
    int64_t count, d, rows, m;
    const void *keys, *queries;
    const int64_t *exclude;
} question;

static double score(const question *w, int64_t row, int64_t key)
{
    double sum = 0;
    for (int64_t c = 0; c < w->d; c++) {
        double q = at(w->queries, w->f32, row * w->d + c), k = at(w->keys, w->f32, key * w->d + c);
        sum += w->inner_product ? -q * k : (q - k) * (q - k);
    }
    return sum;
}

static void search(const weft_kernels *level, weft_team *team, const question *w, int64_t *index, void *distance)
{
    weft_search *s;
    if (weft_search_new(level, team, w->f32 ? WEFT_F32 : WEFT_F64, w->count, w->d, w->keys, w->inner_product, &s) != WEFT_OK)
        fail_msg("%s", weft_error());
    if (weft_search_run(s, team, w->rows, w->queries, w->m, w->exclude, index, distance) != WEFT_OK)
        fail_msg("%s", weft_error());
    weft_search_free(s);
}

/* Distances within rounding of the double loop's, in order, ties by key, no key twice or excluded, and none left out that is
 * clearly nearer than the last. With exact distances: the very list. */
static void check_answer(const question *w, const int64_t *index, const void *distance)
{
    const double tolerance = (w->f32 ? 4e-7 : 1e-15) * (double)(w->d + 4);
    pair *all = malloc((size_t)w->count * sizeof *all);
    char *seen = malloc((size_t)w->count);
    for (int64_t i = 0; i < w->rows; i++) {
        memset(seen, 0, (size_t)w->count);
        for (int64_t j = 0; j < w->count; j++)
            all[j] = (pair){score(w, i, j), j};
        if (w->exclude && w->exclude[i] >= 0)
            all[w->exclude[i]].score = INFINITY;
        double last = 0;
        for (int64_t j = 0; j < w->m; j++) {
            const int64_t k = index[i * w->m + j];
            assert_true(k >= 0 && k < w->count && !seen[k]);
            assert_true(!w->exclude || k != w->exclude[i]);
            seen[k] = 1;
            double got = at(distance, w->f32, i * w->m + j);
            got = w->inner_product ? -got : got;
            if (!(fabs(got - all[k].score) <= tolerance * (1 + fabs(all[k].score) + (w->inner_product ? (double)w->d : 0))))
                fail_msg("distance %.9g of key %lld, wanted %.9g", got, (long long)k, all[k].score);
            if (j > 0)
                assert_true(got > last || (got == last && k > index[i * w->m + j - 1]));
            last = got;
        }
        const double margin = tolerance * (1 + fabs(last) + (w->inner_product ? (double)w->d : 0));
        for (int64_t k = 0; k < w->count; k++)
            assert_true(seen[k] || all[k].score >= last - margin);
        if (w->exact) {
            qsort(all, (size_t)w->count, sizeof *all, by_score);
            for (int64_t j = 0; j < w->m; j++)
                assert_int_equal(index[i * w->m + j], all[j].key);
        }
    }
    free(all);
    free(seen);
}

/* Every level; threads 1, 2, 3 and the queries one by one and in two halves give the same bits. */
static void check(question w)
{
    const size_t size = w.f32 ? 4 : 8, n = (size_t)(w.rows * w.m);
    int64_t *index = malloc(n * 8), *again = malloc(n * 8);
    void *distance = malloc(n * size), *distance_again = malloc(n * size);
    for (int l = 0; l < level_count; l++) {
        search(&levels[l], teams[1], &w, index, distance);
        check_answer(&w, index, distance);
        for (int threads = 2; threads <= 3; threads++) {
            search(&levels[l], teams[threads], &w, again, distance_again);
            assert_memory_equal(again, index, n * 8);
            assert_memory_equal(distance_again, distance, n * size);
        }
        weft_search *s;
        assert_int_equal(
            weft_search_new(&levels[l], teams[2], w.f32 ? WEFT_F32 : WEFT_F64, w.count, w.d, w.keys, w.inner_product, &s),
            WEFT_OK);
        for (int64_t row = 0; row < w.rows; row++) {
            assert_int_equal(weft_search_run(s, teams[1 + row % 3], 1, (const char *)w.queries + (size_t)(row * w.d) * size, w.m,
                                             w.exclude ? w.exclude + row : NULL, again, row % 2 ? distance_again : NULL),
                             WEFT_OK);
            assert_memory_equal(again, index + row * w.m, (size_t)w.m * 8);
        }
        weft_search_free(s);
    }
    free(index);
    free(again);
    free(distance);
    free(distance_again);
}

static void finds_what_a_double_loop_finds(void **unused)
{
    (void)unused;
    static const int64_t sizes[][4] = {
        /* count, d, rows, m */
        {97, 1, 5, 96},   {97, 8, 9, 97},      {128, 3, 4, 1},    {1000, 8, 13, 96},   {1000, 400, 3, 96}, {2999, 33, 6, 96},
        {4096, 2, 4, 17}, {5000, 96, 5, 1200}, {20000, 8, 4, 96}, {20000, 5, 2, 2048}, {1, 1, 1, 1},
    };
    state = 5;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (int kind = SPREAD; kind <= WHOLE_NUMBERS; kind++) {
            question w = {.f32 = (i + (size_t)kind) % 3 != 0, .inner_product = (draw() & 3) == 0};
            w.exact = kind == WHOLE_NUMBERS;
            w.count = sizes[i][0], w.d = sizes[i][1], w.rows = sizes[i][2], w.m = sizes[i][3];
            void *keys = fill(w.f32, (content)kind, w.count, w.d), *queries = fill(w.f32, (content)kind, w.rows, w.d);
            w.keys = keys, w.queries = queries;
            int64_t exclude[16];
            if (kind == SORTED && w.m < w.count) { /* rows of the table itself, a few in the panels that a guess looks at */
                w.exclude = exclude;
                for (int64_t row = 0; row < w.rows; row++) {
                    const size_t bytes = (size_t)w.d * (w.f32 ? 4 : 8);
                    exclude[row] = (532 * row + 5) % w.count;
                    memcpy((char *)queries + (size_t)row * bytes, (char *)keys + (size_t)exclude[row] * bytes, bytes);
                }
            }
            check(w);
            free(keys);
            free(queries);
        }
}

static void ties_go_to_the_smaller_key(void **unused)
{
    (void)unused;
    enum { COUNT = 700, D = 6, M = 96, ROWS = 7 };
    for (int f32 = 0; f32 < 2; f32++) {
        void *keys = fill(f32, ALL_EQUAL, COUNT, D), *queries = fill(f32, ALL_EQUAL, ROWS, D);
        question w = {f32, false, true, COUNT, D, ROWS, M, keys, queries, NULL};
        check(w);
        w.inner_product = true;
        check(w);
        free(keys);
        free(queries);
    }
}

/* Rows 0 … 149 are one point: each has more than 96 copies of itself, and must not return itself. */
static void never_returns_the_excluded_key(void **unused)
{
    (void)unused;
    enum { COUNT = 900, D = 8, M = 96 };
    state = 9;
    float *keys = fill(true, WHOLE_NUMBERS, COUNT, D);
    for (int i = 1; i < 150; i++)
        memcpy(keys + i * D, keys, D * sizeof *keys);
    int64_t exclude[COUNT];
    for (int i = 0; i < COUNT; i++)
        exclude[i] = i % 11 == 10 ? -1 : i;
    question w = {true, false, true, COUNT, D, COUNT / 3, M, keys, keys, exclude};
    check(w);
    w.count = M + 1; /* just enough */
    w.rows = 20;
    for (int i = 0; i < COUNT; i++)
        exclude[i] = i;
    check(w);
    free(keys);
}

/* Work is cut in all its ways: a few queries in ranges of keys, many in groups. */
static void agrees_on_a_hundred_thousand_keys(void **unused)
{
    (void)unused;
    enum { COUNT = 100000, D = 32, ROWS = 300, M = 96 };
    state = 21;
    float *keys = fill(true, SPREAD, COUNT, D), *queries = fill(true, SPREAD, ROWS, D);
    question w = {true, false, false, COUNT, D, 3, M, keys, queries, NULL};
    int64_t *index = malloc(sizeof *index * ROWS * M), *other = malloc(sizeof *index * ROWS * M);
    float *distance = malloc(sizeof *distance * ROWS * M), *other_distance = malloc(sizeof *distance * ROWS * M);
    const weft_kernels *level = &levels[level_count - 1];
    check(w);
    int64_t exclude[3] = {0, 60000, COUNT - 1};
    w.exclude = exclude;
    w.queries = keys;
    for (w.rows = 1; w.rows <= 3; w.rows += 2)
        check(w);
    w.exclude = NULL;
    w.queries = queries;
    w.rows = ROWS;
    search(level, teams[1], &w, index, distance);
    search(level, teams[3], &w, other, other_distance);
    assert_memory_equal(index, other, sizeof *index * ROWS * M);
    assert_memory_equal(distance, other_distance, sizeof *distance * ROWS * M);
    w.rows = 3;
    check_answer(&w, index, distance);
    free(keys);
    free(queries);
    free(index);
    free(other);
    free(distance);
    free(other_distance);
}

/* Distances that overflow are equal, infinite and still ranked by key. */
static void ranks_overflowing_distances(void **unused)
{
    (void)unused;
    float keys[200][2], query[2] = {3e38f, 3e38f}, distance[150];
    int64_t index[150];
    for (int metric = 0; metric < 2; metric++)
        for (int l = 0; l < level_count; l++) {
            for (int i = 0; i < 200; i++) {
                keys[i][0] = -3e38f;
                keys[i][1] = 3e38f;
            }
            question w = {true, metric == 1, false, 200, 2, 1, 150, keys, query, NULL};
            search(&levels[l], teams[1], &w, index, distance);
            for (int j = 0; j < 150; j++)
                assert_int_equal(index[j], j);
        }
}

static void refuses_what_it_cannot_answer(void **unused)
{
    (void)unused;
    float keys[300] = {0}, query[3] = {0};
    int64_t index[100], exclude[1] = {0};
    weft_search *s = NULL;
    for (int l = 0; l < level_count; l++)
        for (int bad = 0; bad < 2; bad++) {
            keys[217] = keys[250] = bad ? NAN : -INFINITY;
            assert_int_equal(weft_search_new(&levels[l], teams[2], WEFT_F32, 100, 3, keys, false, &s), WEFT_ERROR_NUMERIC);
            assert_null(s);
            assert_non_null(strstr(weft_error(), "row 72"));
            keys[217] = keys[250] = 0;
            assert_int_equal(weft_search_new(&levels[l], teams[2], WEFT_F32, 100, 3, keys, false, &s), WEFT_OK);
            query[2] = bad ? NAN : INFINITY;
            assert_int_equal(weft_search_run(s, teams[1], 1, query, 2, NULL, index, NULL), WEFT_ERROR_NUMERIC);
            assert_non_null(strstr(weft_error(), "row 0"));
            query[2] = 0;
            assert_int_equal(weft_search_run(s, teams[1], 1, query, 101, NULL, index, NULL), WEFT_ERROR_ARGUMENT);
            assert_int_equal(weft_search_run(s, teams[1], 1, query, 100, exclude, index, NULL), WEFT_ERROR_ARGUMENT);
            exclude[0] = 100;
            assert_int_equal(weft_search_run(s, teams[1], 1, query, 3, exclude, index, NULL), WEFT_ERROR_ARGUMENT);
            exclude[0] = 0;
            assert_int_equal(weft_search_run(s, teams[1], 1, query, 0, NULL, index, NULL), WEFT_ERROR_ARGUMENT);
            assert_int_equal(weft_search_run(s, teams[1], 0, query, 5, NULL, index, NULL), WEFT_OK);
            weft_search_free(s);
        }
    assert_int_equal(weft_search_new(&levels[0], teams[1], WEFT_F32, 0, 3, keys, false, &s), WEFT_ERROR_ARGUMENT);
    assert_int_equal(weft_search_new(&levels[0], teams[1], WEFT_F32, 3, 0, keys, false, &s), WEFT_ERROR_ARGUMENT);
    assert_int_equal(weft_search_new(&levels[0], teams[1], WEFT_BF16, 3, 3, keys, false, &s), WEFT_ERROR_ARGUMENT);
    assert_int_equal(weft_search_new(&levels[0], teams[1], WEFT_F32, INT64_C(5000000000), 3, keys, false, &s),
                     WEFT_ERROR_UNSUPPORTED);
    weft_search_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_what_a_double_loop_finds), cmocka_unit_test(ties_go_to_the_smaller_key),
        cmocka_unit_test(never_returns_the_excluded_key), cmocka_unit_test(agrees_on_a_hundred_thousand_keys),
        cmocka_unit_test(ranks_overflowing_distances),    cmocka_unit_test(refuses_what_it_cannot_answer),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
