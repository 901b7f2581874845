/* Elementwise kernels: values against the C library in long double, special values, derivatives against differences, AdamW. */
#include "vector_case.h"

static long double sigmoidl(long double x)
{
    return 1 / (1 + expl(-x));
}

static long double reference(weft_unary op, double p, long double x)
{
    switch (op) {
    case WEFT_NEG:
        return -x;
    case WEFT_ABS:
        return fabsl(x);
    case WEFT_EXP:
        return expl(x);
    case WEFT_LOG:
        return logl(x);
    case WEFT_SQRT:
        return sqrtl(x);
    case WEFT_RSQRT:
        return 1 / sqrtl(x);
    case WEFT_RECIP:
        return 1 / x;
    case WEFT_TANH:
        return tanhl(x);
    case WEFT_ERF:
        return erfl(x);
    case WEFT_SIN:
        return sinl(x);
    case WEFT_COS:
        return cosl(x);
    case WEFT_FLOOR:
        return floorl(x);
    case WEFT_SQUARE:
        return x * x;
    case WEFT_SCALE:
        return x * p;
    case WEFT_SHIFT:
        return x + p;
    case WEFT_RELU:
        return x <= 0 ? 0 : x;
    case WEFT_LEAKY_RELU:
        return x > 0 ? x : x * p;
    case WEFT_GELU:
        return x * 0.5L * erfcl(-x * sqrtl(0.5L));
    case WEFT_GELU_TANH:
        return x * sigmoidl(2 * sqrtl(2 / acosl(-1)) * (x + 0.044715L * x * x * x));
    case WEFT_QUICK_GELU:
        return x * sigmoidl(1.702L * x);
    case WEFT_SILU:
        return x * sigmoidl(x);
    case WEFT_SIGMOID:
        return sigmoidl(x);
    case WEFT_SOFTPLUS:
        return (x > 0 ? x : 0) + log1pl(expl(-fabsl(x)));
    case WEFT_SIGN:
        return x > 0 ? 1 : x < 0 ? -1 : x;
    default:
        return NAN;
    }
}

/* The range drawn from, and the error allowed in units of the last place, in f32 and f64. */
static const struct {
    weft_unary op;
    double low, high, f32, f64;
} ranges[] = {
    {WEFT_NEG, -9, 9, 0, 0},
    {WEFT_ABS, -9, 9, 0, 0},
    {WEFT_EXP, -104, 89, 2, 2},
    {WEFT_EXP, -1, 1, 1.5, 2},
    {WEFT_LOG, 1e-6, 4, 2, 2},
    {WEFT_LOG, 1e-44, 1e-37, 2, 2},
    {WEFT_LOG, 1, 1e38, 2, 2},
    {WEFT_LOG, 0.99, 1.01, 2, 2},
    {WEFT_SQRT, 0, 1e6, 0.5001, 0.5001},
    {WEFT_RSQRT, 1e-6, 1e6, 1.51, 1.51},
    {WEFT_RECIP, -5, 5, 0.5001, 0.5001},
    {WEFT_TANH, -10, 10, 2, 2},
    {WEFT_TANH, -1, 1, 2, 2},
    {WEFT_TANH, -1e-4, 1e-4, 2, 2},
    {WEFT_ERF, -5, 5, 2, 2},
    {WEFT_ERF, -1.2, 1.2, 2, 2},
    {WEFT_ERF, -1e-4, 1e-4, 2, 2},
    {WEFT_SIN, -4, 4, 1.01, 2},
    {WEFT_SIN, -1e5, 1e5, 1.01, 2},
    {WEFT_SIN, -1e30, 1e30, 2, 2},
    {WEFT_COS, -4, 4, 1.01, 2},
    {WEFT_COS, -1e5, 1e5, 1.01, 2},
    {WEFT_COS, -1e30, 1e30, 2, 2},
    {WEFT_FLOOR, -100, 100, 0, 0},
    {WEFT_SQUARE, -9, 9, 0.5001, 0.5001},
    {WEFT_SCALE, -9, 9, 0.5001, 0.5001},
    {WEFT_SHIFT, -9, 9, 0.5001, 0.5001},
    {WEFT_RELU, -9, 9, 0, 0},
    {WEFT_LEAKY_RELU, -9, 9, 0.5001, 0.5001},
    {WEFT_GELU, -4, 4, 8, 4},
    {WEFT_GELU, -13, 0, 8, 4},
    {WEFT_GELU_TANH, -4, 4, 30, 30},
    {WEFT_QUICK_GELU, -8, 8, 30, 30}, /* σ(-u) ≈ e^-u: rounding u is multiplied by u */
    {WEFT_SILU, -80, 80, 4, 4},
    {WEFT_SILU, -1, 1, 4, 4},
    {WEFT_SIGMOID, -86, 20, 3, 3},
    {WEFT_SOFTPLUS, -80, 20, 3, 3},
    {WEFT_SIGN, -9, 9, 0, 0},
};

enum { DRAWS = 4000 };
static const double P = 0.25;

static void unary_values(const vector_case *c)
{
    void *y = array(c, DRAWS);
    for (size_t k = 0; k < sizeof ranges / sizeof *ranges; k++) {
        char stream[32];
        snprintf(stream, sizeof stream, "unary %zu", k);
        void *x = uniform_array(c, DRAWS, stream, ranges[k].low, ranges[k].high);
        c->table->unary(ranges[k].op, P, DRAWS, x, y);
        double worst = 0;
        for (int i = 0; i < DRAWS; i++) {
            double v = get(c, x, i), e = ulps(c, get(c, y, i), reference(ranges[k].op, P, v));
            worst = e > worst ? e : worst;
            assert_close(c, get(c, y, i), reference(ranges[k].op, P, v), c->wide ? ranges[k].f64 : ranges[k].f32,
                         "unary op %d of %.9g", (int)ranges[k].op, v);
        }
        if (getenv("WEFT_TEST_VERBOSE"))
            printf("%s %d op %d [%g, %g]: %.3f ulp\n", c->name, c->wide, ranges[k].op, ranges[k].low, ranges[k].high, worst);
        free(x);
    }
    free(y);
}

static void test_unary_values(void **state)
{
    (void)state;
    for_each_case(unary_values);
}

static const struct {
    weft_unary op;
    double x, y;
} specials[] = {
    {WEFT_EXP, -INFINITY, 0},
    {WEFT_EXP, INFINITY, INFINITY},
    {WEFT_EXP, 0, 1},
    {WEFT_EXP, -1e30, 0},
    {WEFT_EXP, 1e30, INFINITY},
    {WEFT_LOG, 0, -INFINITY},
    {WEFT_LOG, -0.0, -INFINITY},
    {WEFT_LOG, -1, NAN},
    {WEFT_LOG, -INFINITY, NAN},
    {WEFT_LOG, INFINITY, INFINITY},
    {WEFT_LOG, 1, 0},
    {WEFT_SQRT, -1, NAN},
    {WEFT_RSQRT, 0, INFINITY},
    {WEFT_RECIP, 0, INFINITY},
    {WEFT_RECIP, -0.0, -INFINITY},
    {WEFT_TANH, INFINITY, 1},
    {WEFT_TANH, -INFINITY, -1},
    {WEFT_TANH, -1e20, -1},
    {WEFT_ERF, INFINITY, 1},
    {WEFT_ERF, -INFINITY, -1},
    {WEFT_ERF, 1e20, 1},
    {WEFT_SIN, INFINITY, NAN},
    {WEFT_COS, -INFINITY, NAN},
    {WEFT_COS, 0, 1},
    {WEFT_SIN, 0, 0},
    {WEFT_RELU, -INFINITY, 0},
    {WEFT_GELU, INFINITY, INFINITY},
    {WEFT_GELU, -INFINITY, 0},
    {WEFT_GELU, -40, 0},
    {WEFT_GELU_TANH, INFINITY, INFINITY},
    {WEFT_GELU_TANH, -INFINITY, 0},
    {WEFT_SILU, -INFINITY, 0},
    {WEFT_SILU, INFINITY, INFINITY},
    {WEFT_QUICK_GELU, -INFINITY, 0},
    {WEFT_SIGMOID, -INFINITY, 0},
    {WEFT_SIGMOID, INFINITY, 1},
    {WEFT_SOFTPLUS, INFINITY, INFINITY},
    {WEFT_SOFTPLUS, -INFINITY, 0},
    {WEFT_SIGN, 0, 0},
    {WEFT_SIGN, -INFINITY, -1},
};

static void special_values(const vector_case *c)
{
    double x[2], y[2];
    for (size_t k = 0; k < sizeof specials / sizeof *specials; k++) {
        set(c, x, 0, specials[k].x);
        c->table->unary(specials[k].op, 0, 1, x, y);
        double got = get(c, y, 0) + 0.0;
        if (!(got == specials[k].y || (isnan(got) && isnan(specials[k].y)) || fabs(got - specials[k].y) < 1e-300))
            fail_msg("%s: op %d of %g: got %g, expected %g", c->name, specials[k].op, specials[k].x, got, specials[k].y);
    }
    for (int op = 0; op < WEFT_UNARY_COUNT; op++) { /* NaN comes out of everything */
        set(c, x, 0, NAN);
        c->table->unary((weft_unary)op, 0.5, 1, x, y);
        if (!isnan(get(c, y, 0)))
            fail_msg("%s: op %d of NaN: got %g", c->name, op, get(c, y, 0));
    }
    double a[2], b[2];
    for (int side = 0; side < 2; side++)
        for (weft_binary op = WEFT_ADD; op <= WEFT_MAX; op++) {
            set(c, a, 0, side ? NAN : 1);
            set(c, b, 0, side ? 1 : NAN);
            c->table->binary(op, 0, 1, a, 1, b, 1, y);
            assert_true(isnan(get(c, y, 0)));
        }
}

static void test_special_values(void **state)
{
    (void)state;
    for_each_case(special_values);
}

static double binary_reference(weft_binary op, double a, double b)
{
    switch (op) {
    case WEFT_ADD:
        return a + b;
    case WEFT_SUB:
        return a - b;
    case WEFT_MUL:
        return a * b;
    case WEFT_DIV:
        return a / b;
    case WEFT_MIN:
        return fmin(a, b);
    case WEFT_MAX:
        return fmax(a, b);
    case WEFT_EQUAL:
        return a == b;
    default:
        return a < b;
    }
}

static void binary_values(const vector_case *c)
{
    enum { N = 301 };
    void *a = uniform_array(c, N, "a", -3, 3), *b = uniform_array(c, N, "b", -3, 3), *y = array(c, N), *w = array(c, N);
    set(c, a, 7, get(c, b, 7));
    for (weft_binary op = WEFT_ADD; op <= WEFT_LESS; op++)
        for (int strides = 0; strides < 4; strides++) {
            c->table->binary(op, 0, N, a, strides & 1, b, strides >> 1, y);
            for (int i = 0; i < N; i++) {
                double wanted = binary_reference(op, get(c, a, strides & 1 ? i : 0), get(c, b, strides >> 1 ? i : 0));
                assert_close(c, get(c, y, i), wanted, 0.5001, "binary op %d, strides %d", (int)op, strides);
            }
        }
    c->table->unary(WEFT_RELU, 0, N, a, w);
    for (int strides = 0; strides < 4; strides++) {
        c->table->where(N, w, a, strides & 1, b, strides >> 1, y);
        for (int i = 0; i < N; i++)
            assert_true(get(c, y, i) == (get(c, w, i) != 0 ? get(c, a, strides & 1 ? i : 0) : get(c, b, strides >> 1 ? i : 0)));
    }
    c->table->axpy(N, 0.7, a, b);
    void *before = uniform_array(c, N, "b", -3, 3);
    double factor = c->wide ? 0.7 : (double)0.7f;
    for (int i = 0; i < N; i++)
        assert_true(get(c, b, i) == (c->wide ? fma(factor, get(c, a, i), get(c, before, i))
                                             : (double)fmaf((float)factor, (float)get(c, a, i), (float)get(c, before, i))));
    free(a), free(b), free(y), free(w), free(before);
}

static void test_binary_values(void **state)
{
    (void)state;
    for_each_case(binary_values);
}

static const struct {
    weft_binary grad;
    weft_unary op;
} derivatives[] = {
    {WEFT_RELU_GRAD, WEFT_RELU},           {WEFT_LEAKY_RELU_GRAD, WEFT_LEAKY_RELU}, {WEFT_GELU_GRAD, WEFT_GELU},
    {WEFT_GELU_TANH_GRAD, WEFT_GELU_TANH}, {WEFT_QUICK_GELU_GRAD, WEFT_QUICK_GELU}, {WEFT_SILU_GRAD, WEFT_SILU},
    {WEFT_SIGMOID_GRAD, WEFT_SIGMOID},     {WEFT_SOFTPLUS_GRAD, WEFT_SOFTPLUS},     {WEFT_TANH_GRAD, WEFT_TANH},
};

/* against central differences of the reference in long double */
static void gradient_values(const vector_case *c)
{
    enum { N = 500 };
    void *x = uniform_array(c, N, "x", -6, 6), *dy = uniform_array(c, N, "dy", -2, 2), *dx = array(c, N);
    for (size_t k = 0; k < sizeof derivatives / sizeof *derivatives; k++) {
        c->table->binary(derivatives[k].grad, P, N, dy, 1, x, 1, dx);
        for (int i = 0; i < N; i++) {
            long double v = get(c, x, i), h = 1e-6L;
            long double slope = (reference(derivatives[k].op, P, v + h) - reference(derivatives[k].op, P, v - h)) / (2 * h);
            assert_near(c, get(c, dx, i), slope * get(c, dy, i), c->wide ? 1e-11 : 1e-6, "derivative %d at %.9Lg",
                        (int)derivatives[k].grad, v);
        }
        for (int sign = -1; sign <= 1; sign += 2) { /* far out the derivative is a limit, not NaN */
            set(c, x, 0, sign * INFINITY);
            set(c, dy, 0, 1);
            c->table->binary(derivatives[k].grad, P, 1, dy, 1, x, 1, dx);
            assert_false(isnan(get(c, dx, 0)));
        }
        set(c, x, 0, 0.5);
    }
    free(x), free(dy), free(dx);
}

static void test_gradient_values(void **state)
{
    (void)state;
    for_each_case(gradient_values);
}

static void adamw_values(const vector_case *c)
{
    enum { N = 203 };
    const double lr = 1e-3, b1 = 0.9, b2 = 0.999, eps = 1e-8, decay = 0.1;
    void *g = uniform_array(c, N, "g", -1, 1), *p = uniform_array(c, N, "p", -1, 1), *m = uniform_array(c, N, "m", -0.1, 0.1);
    void *v = uniform_array(c, N, "v", 0, 0.1);
    double wp[N], wm[N], wv[N];
    for (int i = 0; i < N; i++)
        wp[i] = get(c, p, i), wm[i] = get(c, m, i), wv[i] = get(c, v, i);
    for (int t = 1; t <= 3; t++) {
        double c1 = 1 - pow(b1, t), c2 = 1 - pow(b2, t);
        c->table->adamw(N, lr, b1, b2, eps, decay, c1, c2, g, p, m, v);
        for (int i = 0; i < N; i++) {
            double gi = get(c, g, i);
            wp[i] *= 1 - lr * decay;
            wm[i] = b1 * wm[i] + (1 - b1) * gi;
            wv[i] = b2 * wv[i] + (1 - b2) * gi * gi;
            wp[i] -= lr * (wm[i] / c1) / (sqrt(wv[i] / c2) + eps);
            double tiny = c->wide ? 1e-14 : 3e-7;
            assert_near(c, get(c, p, i), wp[i], tiny, "adamw p, step %d", t);
            assert_near(c, get(c, m, i), wm[i], tiny, "adamw m, step %d", t);
            assert_near(c, get(c, v, i), wv[i], tiny, "adamw v, step %d", t);
        }
    }
    free(g), free(p), free(m), free(v);
}

static void test_adamw(void **state)
{
    (void)state;
    for_each_case(adamw_values);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unary_values),    cmocka_unit_test(test_special_values), cmocka_unit_test(test_binary_values),
        cmocka_unit_test(test_gradient_values), cmocka_unit_test(test_adamw),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
