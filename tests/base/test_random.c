/* Random streams: Philox against its published known answers, and what is made of the words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"

/* Known answers of philox4x32, 10 rounds, from the authors' Random123 distribution. */
static void test_known_answers(void **state)
{
    (void)state;
    static const struct {
        uint32_t counter[4], key[2], out[4];
    } answers[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
         {0xffffffff, 0xffffffff},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        uint32_t out[4];
        weft_philox(answers[i].key, answers[i].counter, out);
        assert_memory_equal(out, answers[i].out, sizeof out);
    }
}

static void test_layout(void **state)
{
    (void)state;
    const weft_random_key key = {{11, 22}};
    const uint64_t step = 0x300000005, row = 0x700000009;
    const uint32_t counter[4] = {6, 9, 7, 5}, folded[2] = {11, 22 + 3};
    uint32_t out[4];
    weft_philox(folded, counter, out);
    for (uint64_t c = 0; c < 4; c++) {
        assert_int_equal(weft_random_word(key, step, row, 24 + c), out[c]);
        assert_int_equal(weft_random_half(key, step, row, 48 + 2 * c), out[c] & 0xffff);
        assert_int_equal(weft_random_half(key, step, row, 49 + 2 * c), out[c] >> 16);
        assert_true(weft_random_uniform(key, step, row, 24 + c) == (out[c] + 0.5) / 4294967296.0);
    }
    for (uint64_t c = 0; c < 4; c += 2) {
        double radius = sqrt(-2 * log((out[c] + 0.5) / 4294967296.0)), angle = 2 * acos(-1) * ((out[c + 1] + 0.5) / 4294967296.0);
        assert_true(fabs(weft_random_normal(key, step, row, 24 + c) - radius * cos(angle)) < 1e-14);
        assert_true(fabs(weft_random_normal(key, step, row, 25 + c) - radius * sin(angle)) < 1e-14);
    }
}

static void test_streams_differ(void **state)
{
    (void)state;
    weft_random_key a = weft_random_stream(1, "dropout"), b = weft_random_stream(1, "dropou"),
                    c = weft_random_stream(2, "dropout");
    weft_random_key again = weft_random_stream(1, "dropout"), d = weft_random_stream(1ull << 32, "dropout"),
                    e = weft_random_stream(0, "");
    assert_memory_equal(&a, &again, sizeof a);
    assert_memory_not_equal(&a, &b, sizeof a);
    assert_memory_not_equal(&a, &c, sizeof a);
    assert_memory_not_equal(&c, &d, sizeof a);
    assert_memory_not_equal(&d, &e, sizeof a);
}

static void test_moments(void **state)
{
    (void)state;
    enum { N = 200000 };
    weft_random_key key = weft_random_stream(3, "moments");
    double u1 = 0, u2 = 0, z[5] = {0};
    for (uint64_t i = 0; i < N; i++) {
        double u = weft_random_uniform(key, 0, 1, i), n = weft_random_normal(key, 1, 1, i);
        assert_true(u > 0 && u < 1);
        u1 += u, u2 += u * u;
        for (int k = 1; k < 5; k++)
            z[k] += pow(n, k);
    }
    const double s = sqrt(N); /* five standard errors */
    assert_true(fabs(u1 / N - 0.5) < 5 * sqrt(1.0 / 12) / s);
    assert_true(fabs(u2 / N - 1.0 / 3) < 5 * sqrt(4.0 / 45) / s);
    assert_true(fabs(z[1] / N) < 5 / s);
    assert_true(fabs(z[2] / N - 1) < 5 * sqrt(2) / s);
    assert_true(fabs(z[3] / N) < 5 * sqrt(15) / s);
    assert_true(fabs(z[4] / N - 3) < 5 * sqrt(96) / s);
}

static void test_below(void **state)
{
    (void)state;
    weft_random_key key = weft_random_stream(4, "below");
    int seen[7] = {0};
    for (uint64_t c = 0; c < 70000; c++) {
        uint64_t k = weft_random_below(key, 0, 0, c, 7);
        assert_true(k < 7);
        seen[k]++;
    }
    double chi = 0;
    for (int k = 0; k < 7; k++)
        chi += (seen[k] - 10000.0) * (seen[k] - 10000.0) / 10000;
    assert_true(chi < 30); /* six degrees of freedom: P < 4e-5 */
    assert_true(weft_random_below(key, 0, 0, 5, 1) == 0);
    uint64_t words = weft_random_word(key, 9, 8, 6) | (uint64_t)weft_random_word(key, 9, 8, 7) << 32;
    assert_true(weft_random_below(key, 9, 8, 3, 1ull << 63) == words >> 1);
}

static void test_permutation(void **state)
{
    (void)state;
    weft_random_key key = weft_random_stream(5, "order");
    static const int64_t sizes[] = {0, 1, 2, 3, 10, 1000};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        int64_t n = sizes[s], out[1000];
        char seen[1000] = {0};
        weft_random_permutation(key, 2, n, out);
        for (int64_t i = 0; i < n; i++) {
            assert_in_range(out[i], 0, n - 1);
            assert_int_equal(seen[out[i]]++, 0);
        }
    }
    int counts[6] = {0}; /* all orders of three appear equally often */
    for (uint64_t step = 0; step < 6000; step++) {
        int64_t p[3];
        weft_random_permutation(key, step, 3, p);
        counts[2 * p[0] + (p[1] > p[2])]++;
    }
    for (int k = 0; k < 6; k++)
        assert_in_range(counts[k], 850, 1150);
}

static void test_threshold(void **state)
{
    (void)state;
    assert_int_equal(weft_random_threshold(0), 0);
    assert_int_equal(weft_random_threshold(0.5), 32768);
    assert_int_equal(weft_random_threshold(0.1), 6554);
    assert_int_equal(weft_random_threshold(1), 65536);
    assert_int_equal(weft_random_threshold(0x1p-17), 1);
    assert_int_equal(weft_random_threshold(0x0.fp-17), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_answers), cmocka_unit_test(test_layout), cmocka_unit_test(test_streams_differ),
        cmocka_unit_test(test_moments),       cmocka_unit_test(test_below),  cmocka_unit_test(test_permutation),
        cmocka_unit_test(test_threshold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
