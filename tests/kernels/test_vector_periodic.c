/* Kernels of periodic features: waves and their gradient against long double, and the ReLU beside their product. */
#include "vector_case.h"

enum { LINES = 7, STEP = 3 };

static const int64_t widths[] = {1, 3, 8, 15, 16, 17, 24, 48, 67};
enum { WIDTHS = sizeof widths / sizeof *widths };

static const long double turn = 6.283185307179586476925286766559L;

/* fx as the type rounds it */
static long double phase(const vector_case *c, double f, double x)
{
    return c->wide ? (long double)(f * x) : (long double)(float)((float)f * (float)x);
}

static void waves_of(const vector_case *c, double scale)
{
    for (int w = 0; w < WIDTHS; w++) {
        int64_t k = widths[w];
        void *x = uniform_array(c, LINES * STEP, "x", -scale, scale), *f = uniform_array(c, k, "f", -2, 2);
        void *p = array(c, LINES * 2 * k), *alone = array(c, 2 * k);
        c->table->waves(LINES, k, x, STEP, f, p);
        for (int64_t i = 0; i < LINES; i++) {
            for (int64_t j = 0; j < k; j++) {
                long double t = turn * remainderl(phase(c, get(c, f, j), get(c, x, i * STEP)), 1);
                assert_near(c, get(c, p, i * 2 * k + j), cosl(t), c->wide ? 4e-16 : 8e-8, "cosine %d of %d", (int)j, (int)k);
                assert_near(c, get(c, p, i * 2 * k + k + j), sinl(t), c->wide ? 4e-16 : 8e-8, "sine %d of %d", (int)j, (int)k);
            }
            c->table->waves(1, k, at(c, x, i * STEP), 1, f, alone);
            assert_same_bits(c, alone, at(c, p, i * 2 * k), 2 * k, "line %d alone", (int)i);
        }
        free(x), free(f), free(p), free(alone);
    }
}

static void waves(const vector_case *c)
{
    waves_of(c, 0.01);
    waves_of(c, 4);
    waves_of(c, 3e5);
    waves_of(c, 1e12);
    double f_of[2] = {0.25, 3}, odd[3] = {INFINITY, NAN, 0};
    void *x = array(c, 3), *f = array(c, 2), *p = array(c, 12);
    for (int i = 0; i < 3; i++)
        set(c, x, i, odd[i]);
    for (int i = 0; i < 2; i++)
        set(c, f, i, f_of[i]);
    c->table->waves(3, 2, x, 1, f, p);
    for (int i = 0; i < 8; i++)
        assert_true(isnan(get(c, p, i)));
    for (int i = 0; i < 4; i++)
        assert_true(get(c, p, 8 + i) == (i < 2 ? 1 : 0));
    set(c, x, 0, 1); /* quarter turns are exact: cos π/2 and sin π/2 */
    c->table->waves(1, 2, x, 1, f, p);
    assert_near(c, get(c, p, 0), 0, c->wide ? 1e-16 : 1e-9, "%s", "cosine of a quarter turn");
    assert_true(get(c, p, 2) == 1 && get(c, p, 1) == 1);
    free(x), free(f), free(p);
}

static void test_waves(void **state)
{
    (void)state;
    for_each_case(waves);
}

static void gradients(const vector_case *c)
{
    for (int w = 0; w < WIDTHS; w++) {
        int64_t k = widths[w];
        void *x = uniform_array(c, LINES * STEP, "x", -2, 2), *f = uniform_array(c, k, "f", -1, 1);
        void *p = array(c, LINES * 2 * k), *dp = uniform_array(c, LINES * 2 * k, "dp", -1, 1);
        void *dx = uniform_array(c, LINES * STEP, "dx", 5, 6);
        double *df = malloc((size_t)k * sizeof *df), before = get(c, dx, 1);
        for (int64_t j = 0; j < k; j++)
            df[j] = 0.5; /* added to */
        c->table->waves(LINES, k, x, STEP, f, p);
        c->table->waves_grad(LINES, k, x, STEP, f, p, dp, df, NULL);
        c->table->waves_grad(LINES, k, x, STEP, f, p, dp, NULL, dx);
        for (int64_t j = 0; j < k; j++) {
            long double sum = 0.5L;
            for (int64_t i = 0; i < LINES; i++) {
                const int64_t cosine = i * 2 * k + j, sine = cosine + k;
                sum += turn * get(c, x, i * STEP) * (get(c, dp, sine) * get(c, p, cosine) - get(c, dp, cosine) * get(c, p, sine));
            }
            assert_near(c, df[j], sum, c->wide ? 1e-13 : 2e-5, "frequency %d of %d", (int)j, (int)k);
        }
        for (int64_t i = 0; i < LINES; i++) {
            long double sum = 0;
            for (int64_t j = 0; j < k; j++) {
                const int64_t cosine = i * 2 * k + j, sine = cosine + k;
                sum += turn * get(c, f, j) * (get(c, dp, sine) * get(c, p, cosine) - get(c, dp, cosine) * get(c, p, sine));
            }
            assert_near(c, get(c, dx, i * STEP), sum, c->wide ? 1e-13 : 1e-4, "number %d, %d frequencies", (int)i, (int)k);
        }
        assert_true(get(c, dx, 1) == before); /* between the numbers nothing is written */
        free(x), free(f), free(p), free(dp), free(dx), free(df);
    }
}

static void test_gradients(void **state)
{
    (void)state;
    for_each_case(gradients);
}

static void relu(const vector_case *c)
{
    static const int32_t start[] = {0, 1, 4, 4 + 3}, list[] = {2, 0, 3, 5, 1, 4, 6}; /* three lines of seven rows */
    for (int w = 0; w < WIDTHS; w++) {
        int64_t n = widths[w], step = n + 2;
        void *x = uniform_array(c, LINES * n, "x", -1, 1), *bias = uniform_array(c, n, "bias", -1, 1);
        void *y = array(c, LINES * n), *dy = uniform_array(c, LINES * step, "dy", -1, 1), *g = array(c, LINES * n);
        double *sums = calloc((size_t)n, sizeof *sums);
        set(c, x, 0, NAN);
        c->table->add_relu(LINES, n, x, bias, y);
        for (int64_t i = 0; i < LINES * n; i++) {
            long double wanted = (long double)get(c, x, i) + (long double)get(c, bias, i % n);
            if (i == 0)
                assert_true(isnan(get(c, y, i)));
            else
                assert_close(c, get(c, y, i), wanted > 0 ? wanted : 0, 0.51, "relu %d of rows of %d", (int)i, (int)n);
        }
        free(y);
        y = uniform_array(c, LINES * step, "y", -1, 1);
        set(c, y, 2 * step, NAN);
        for (int lists = 0; lists < 2; lists++) {
            int64_t lines = lists ? 3 : LINES;
            memset(sums, 0, (size_t)n * sizeof *sums);
            c->table->relu_gate(lines, n, y, dy, step, lists ? start : NULL, lists ? list : NULL, g, sums);
            for (int64_t j = 0; j < n; j++) {
                double all = 0;
                for (int64_t i = 0; i < lines; i++) {
                    int64_t from = lists ? start[i] : i, to = lists ? start[i + 1] : i + 1;
                    double first = get(c, y, (lists ? list[from] : i) * step + j), line = 0;
                    for (int64_t k = from; k < to && !(first <= 0); k++)
                        line += get(c, dy, (lists ? list[k] : k) * step + j);
                    assert_near(c, get(c, g, i * n + j), line, c->wide ? 1e-15 : 2e-7, "line %d, column %d", (int)i, (int)j);
                    all += line;
                }
                assert_near(c, sums[j], all, c->wide ? 1e-14 : 1e-6, "sum %d of %d", (int)j, (int)n);
            }
        }
        c->table->relu_gate(LINES, n, y, dy, step, NULL, NULL, g, NULL);
        free(x), free(bias), free(y), free(dy), free(g), free(sums);
    }
}

static void test_relu(void **state)
{
    (void)state;
    for_each_case(relu);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_waves), cmocka_unit_test(test_gradients),
                                       cmocka_unit_test(test_relu)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
