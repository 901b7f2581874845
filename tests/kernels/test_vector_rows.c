/* Reductions, softmax and normalisations: values against long double, gradients against central differences. */
#include "vector_case.h"

static const int64_t widths[] = {1, 2, 3, 7, 8, 15, 16, 17, 31, 33, 64, 100, 257, 1024, 1031};
enum { WIDTHS = sizeof widths / sizeof *widths, ROWS = 3 };

/* what a value of ordinary size may be off by */
static double slack(const vector_case *c)
{
    return c->wide ? 2e-14 : 2e-6;
}

static void reductions(const vector_case *c)
{
    static const int64_t shapes[][3] = {{5, 1, 1}, {5, 17, 1}, {3, 1000, 1}, {2, 0, 1},
                                        {2, 0, 5}, {3, 9, 2},  {2, 33, 67},  {1, 300, 130}};
    for (size_t k = 0; k < sizeof shapes / sizeof *shapes; k++) {
        int64_t outer = shapes[k][0], r = shapes[k][1], inner = shapes[k][2];
        void *x = uniform_array(c, outer * r * inner + 1, "reduce", -1, 2), *y = array(c, outer * inner);
        for (int op = 0; op < WEFT_REDUCE_COUNT; op++) {
            c->table->reduce((weft_reduce)op, outer, r, inner, x, y);
            for (int64_t o = 0; o < outer; o++)
                for (int64_t i = 0; i < inner; i++) {
                    long double sum = 0, top = -INFINITY;
                    for (int64_t j = 0; j < r; j++) {
                        long double v = get(c, x, (o * r + j) * inner + i);
                        sum += v;
                        top = v > top ? v : top;
                    }
                    /* one rounding to the type after a sum in double: a f32 sum is right to the last place */
                    assert_close(c, get(c, y, o * inner + i), op == WEFT_SUM ? sum : top,
                                 op != WEFT_SUM ? 0
                                 : c->wide      ? 500
                                                : 0.51,
                                 "reduce %d of [%d, %d, %d]", op, (int)outer, (int)r, (int)inner);
                }
        }
        free(x), free(y);
    }
    void *x = uniform_array(c, 100, "reduce", -1, 2);
    double y[2];
    set(c, x, 41, NAN);
    c->table->reduce(WEFT_REDUCE_MAX, 1, 100, 1, x, y);
    assert_true(isnan(get(c, y, 0)));
    c->table->reduce(WEFT_REDUCE_MAX, 1, 50, 2, x, y);
    assert_false(isnan(get(c, y, 0)));
    assert_true(isnan(get(c, y, 1)));
    free(x);
}

static void test_reductions(void **state)
{
    (void)state;
    for_each_case(reductions);
}

/* Terms that cancel: float sums would lose everything, sums in double keep the ones. */
static void sums_are_wide(const vector_case *c)
{
    enum { N = 4096 };
    void *x = array(c, N), *one = array(c, N);
    double y[2];
    for (int i = 0; i < N; i++) {
        set(c, x, i, i % 4 == 0 ? 1e9 : i % 4 == 2 ? -1e9 : 1);
        set(c, one, i, 1);
    }
    c->table->reduce(WEFT_SUM, 1, N, 1, x, y);
    assert_true(get(c, y, 0) == N / 2);
    assert_true(c->table->dot(N, x, one) == N / 2);
    c->table->column_sum(N, 1, 0, 1, x, y);
    assert_true(get(c, y, 0) == N / 2);
    c->table->column_dot(N, 1, 0, 1, x, one, y);
    assert_true(get(c, y, 0) == N / 2);
    free(x), free(one);
}

static void test_sums_are_wide(void **state)
{
    (void)state;
    for_each_case(sums_are_wide);
}

static void softmax_values(const vector_case *c)
{
    for (int w = 0; w < WIDTHS; w++) {
        int64_t n = widths[w];
        void *x = uniform_array(c, ROWS * n, "softmax", -20, 20), *y = array(c, ROWS * n), *l = array(c, ROWS * n);
        if (n > 2)
            set(c, x, 1, -INFINITY);
        c->table->softmax(ROWS, n, x, y);
        c->table->log_softmax(ROWS, n, x, l);
        for (int64_t r = 0; r < ROWS; r++) {
            long double sum = 0, top = -INFINITY;
            for (int64_t i = 0; i < n; i++)
                top = fmaxl(top, get(c, x, r * n + i));
            for (int64_t i = 0; i < n; i++)
                sum += expl(get(c, x, r * n + i) - top);
            for (int64_t i = 0; i < n; i++) {
                long double shifted = get(c, x, r * n + i) - top;
                assert_near(c, get(c, y, r * n + i), expl(shifted) / sum, slack(c), "softmax of %d", (int)n);
                if (isinf(shifted))
                    assert_true(get(c, l, r * n + i) == -INFINITY);
                else
                    assert_near(c, get(c, l, r * n + i), shifted - logl(sum), 4 * slack(c), "log_softmax of %d", (int)n);
            }
        }
        for (int64_t i = 0; i < n; i++)
            set(c, x, i, -INFINITY);
        c->table->softmax(1, n, x, y);
        for (int64_t i = 0; i < n; i++)
            assert_true(isnan(get(c, y, i)));
        free(x), free(y), free(l);
    }
}

static void test_softmax(void **state)
{
    (void)state;
    for_each_case(softmax_values);
}

/* Mode 0 has rows around a mean of 1000, whose low bits matter. */
static void norm_values(const vector_case *c)
{
    const double eps = 1e-5, offset = 1;
    for (int w = 0; w < WIDTHS; w++)
        for (int mode = 0; mode < 4; mode++) {
            int64_t n = widths[w];
            void *x = uniform_array(c, ROWS * n, "norm", mode ? -2 : 999, mode ? 3 : 1001), *y = array(c, ROWS * n);
            void *weight = uniform_array(c, n, "weight", -1, 2), *bias = uniform_array(c, n, "bias", -1, 1),
                 *z = array(c, ROWS * n);
            c->table->layer_norm(ROWS, n, eps, x, mode & 1 ? weight : NULL, mode & 2 ? bias : NULL, y);
            c->table->rms_norm(ROWS, n, eps, offset, x, weight, z);
            for (int64_t r = 0; r < ROWS; r++) {
                long double mean = 0, variance = 0, square = 0;
                for (int64_t i = 0; i < n; i++) {
                    long double v = get(c, x, r * n + i);
                    mean += v / n;
                    square += v * v / n;
                }
                for (int64_t i = 0; i < n; i++)
                    variance += (get(c, x, r * n + i) - mean) * (get(c, x, r * n + i) - mean) / n;
                for (int64_t i = 0; i < n; i++) {
                    long double hat = (get(c, x, r * n + i) - mean) / sqrtl(variance + eps);
                    long double wanted = hat * (mode & 1 ? get(c, weight, i) : 1) + (mode & 2 ? get(c, bias, i) : 0);
                    /* near-constant rows multiply the rounding of x - mean by up to 1 / √eps */
                    assert_near(c, get(c, y, r * n + i), wanted, n < 4 ? 5e4 * slack(c) : 5 * slack(c), "layer_norm of %d",
                                (int)n);
                    wanted = get(c, x, r * n + i) / sqrtl(square + eps) * (offset + get(c, weight, i));
                    assert_near(c, get(c, z, r * n + i), wanted, 5 * slack(c), "rms_norm of %d", (int)n);
                }
            }
            free(x), free(y), free(weight), free(bias), free(z);
        }
}

static void test_norms(void **state)
{
    (void)state;
    for_each_case(norm_values);
}

/* One row function of x with everything else fixed, and its gradient kernel. */
typedef enum row_function { SOFTMAX, LOG_SOFTMAX, LAYER_NORM, LAYER_NORM_PLAIN, RMS_NORM, ROW_FUNCTIONS } row_function;
static const double EPS = 1e-3, OFFSET = 0.5;

static void forward(const vector_case *c, row_function f, int64_t n, const void *x, const void *w, void *y)
{
    switch (f) {
    case SOFTMAX:
        c->table->softmax(ROWS, n, x, y);
        break;
    case LOG_SOFTMAX:
        c->table->log_softmax(ROWS, n, x, y);
        break;
    case LAYER_NORM:
        c->table->layer_norm(ROWS, n, EPS, x, w, NULL, y);
        break;
    case LAYER_NORM_PLAIN:
        c->table->layer_norm(ROWS, n, EPS, x, NULL, NULL, y);
        break;
    default:
        c->table->rms_norm(ROWS, n, EPS, OFFSET, x, w, y);
        break;
    }
}

static void backward(const vector_case *c, row_function f, int64_t n, const void *x, const void *w, const void *y, const void *dy,
                     void *dx, void *xhat)
{
    switch (f) {
    case SOFTMAX:
        c->table->softmax_grad(ROWS, n, y, dy, dx);
        break;
    case LOG_SOFTMAX:
        c->table->log_softmax_grad(ROWS, n, y, dy, dx);
        break;
    case LAYER_NORM:
        c->table->layer_norm_grad(ROWS, n, EPS, x, w, dy, dx, xhat);
        break;
    case LAYER_NORM_PLAIN:
        c->table->layer_norm_grad(ROWS, n, EPS, x, NULL, dy, dx, xhat);
        break;
    default:
        c->table->rms_norm_grad(ROWS, n, EPS, OFFSET, x, w, dy, dx, xhat);
        break;
    }
}

static void row_gradients(const vector_case *c)
{
    static const int64_t lengths[] = {2, 5, 16, 37};
    for (size_t k = 0; k < sizeof lengths / sizeof *lengths; k++)
        for (row_function f = 0; f < ROW_FUNCTIONS; f++) {
            int64_t n = lengths[k], all = ROWS * n;
            void *x = uniform_array(c, all, "x", -2, 2), *w = uniform_array(c, n, "w", -1, 2), *y = array(c, all);
            void *dy = uniform_array(c, all, "dy", -1, 1), *dx = array(c, all), *xhat = array(c, all), *shifted = array(c, all);
            forward(c, f, n, x, w, y);
            backward(c, f, n, x, w, y, dy, dx, xhat);
            if (c->wide) {
                const double h = 1e-5;
                for (int64_t i = 0; i < all; i++) {
                    double v = get(c, x, i), slope = 0;
                    for (int side = -1; side <= 1; side += 2) {
                        set(c, x, i, v + side * h);
                        forward(c, f, n, x, w, shifted);
                        for (int64_t j = 0; j < all; j++)
                            slope += side * get(c, shifted, j) * get(c, dy, j) / (2 * h);
                    }
                    set(c, x, i, v);
                    assert_near(c, get(c, dx, i), slope, 1e-7, "gradient %d of %d", (int)f, (int)n);
                }
            } else { /* the float kernel against the double one, which the branch above checks */
                vector_case d = {weft_kernels_level(0)->f64, true, sizeof(double), c->name};
                void *x2 = array(&d, all), *w2 = array(&d, n), *y2 = array(&d, all), *dy2 = array(&d, all), *dx2 = array(&d, all);
                for (int64_t i = 0; i < all; i++)
                    set(&d, x2, i, get(c, x, i)), set(&d, y2, i, get(c, y, i)), set(&d, dy2, i, get(c, dy, i));
                for (int64_t i = 0; i < n; i++)
                    set(&d, w2, i, get(c, w, i));
                backward(&d, f, n, x2, w2, y2, dy2, dx2, NULL);
                for (int64_t i = 0; i < all; i++)
                    assert_near(c, get(c, dx, i), get(&d, dx2, i), 2e-5, "gradient %d of %d", (int)f, (int)n);
                free(x2), free(w2), free(y2), free(dy2), free(dx2);
            }
            if (f >= LAYER_NORM) {
                void *plain = array(c, all), *zero = array(c, n), *one = uniform_array(c, n, "one", 1, 1);
                for (int64_t i = 0; i < n; i++)
                    set(c, zero, i, 0);
                if (f == RMS_NORM)
                    c->table->rms_norm(ROWS, n, EPS, 0, x, one, plain);
                else
                    c->table->layer_norm(ROWS, n, EPS, x, NULL, NULL, plain);
                assert_same_bits(c, plain, xhat, all, "xhat of %d", (int)n);
                /* outputs in place of inputs */
                backward(c, f, n, x, w, y, dy, dy, x);
                assert_same_bits(c, dx, dy, all, "gradient %d in place of dy", (int)f);
                assert_same_bits(c, xhat, x, all, "xhat %d in place of x", (int)f);
                free(plain), free(zero), free(one);
            } else {
                backward(c, f, n, x, w, y, dy, y, NULL);
                assert_same_bits(c, dx, y, all, "gradient %d in place of y", (int)f);
            }
            free(x), free(w), free(y), free(dy), free(dx), free(xhat), free(shifted);
        }
}

static void test_row_gradients(void **state)
{
    (void)state;
    for_each_case(row_gradients);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reductions), cmocka_unit_test(test_sums_are_wide), cmocka_unit_test(test_softmax),
        cmocka_unit_test(test_norms),      cmocka_unit_test(test_row_gradients),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
