/* Random rows against the scalar code, and conversions of storage types against their definitions. */
#include "vector_case.h"

static const int64_t counts[] = {1, 3, 4, 5, 16, 17, 100, 4097, 2049};

static void laws(const vector_case *c)
{
    const weft_random_key key = weft_random_stream(7, "laws");
    const uint64_t step = 0x500000003;
    const int64_t keys[3] = {0x123456789a, -1, 5};
    for (size_t k = 0; k < sizeof counts / sizeof *counts; k++)
        for (int keyed = 0; keyed < 2; keyed++) {
            int64_t n = counts[k];
            void *y = array(c, 3 * n);
            for (int law = 0; law < 3; law++) {
                double a = law == WEFT_LAW_DROPOUT ? 0.3 : -1, b = 2.5;
                c->table->random((weft_law_kind)law, a, b, key.word, step, 3, keyed ? keys : NULL, 40, n, y);
                for (int64_t r = 0; r < 3; r++)
                    for (int64_t i = 0; i < n; i++) {
                        uint64_t row = (uint64_t)(keyed ? keys[r] : 40 + r), column = (uint64_t)i;
                        double got = get(c, y, r * n + i), kept = 1 / (1 - a);
                        if (law == WEFT_LAW_UNIFORM) {
                            double wanted = a + (b - a) * weft_random_uniform(key, step, row, column);
                            assert_true(got == (c->wide ? wanted : (double)(float)wanted));
                        } else if (law == WEFT_LAW_NORMAL) {
                            assert_close(c, got, a + b * weft_random_normal(key, step, row, column), c->wide ? 0 : 1,
                                         "normal column %d", (int)i);
                        } else {
                            bool keep = weft_random_half(key, step, row, column) >= weft_random_threshold(a);
                            assert_true(got == (keep ? c->wide ? kept : (double)(float)kept : 0));
                        }
                    }
            }
            free(y);
        }
}

static void test_laws(void **state)
{
    (void)state;
    for_each_case(laws);
}

static void dropout_rates(const vector_case *c)
{
    enum { R = 50, N = 2000 };
    static const double rates[] = {0, 0.1, 0.5, 0.9, 1};
    const weft_random_key key = weft_random_stream(8, "rates");
    void *y = array(c, R * N);
    for (size_t k = 0; k < sizeof rates / sizeof *rates; k++) {
        c->table->random(WEFT_LAW_DROPOUT, rates[k], 0, key.word, k, R, NULL, 0, N, y);
        double dropped = 0;
        for (int64_t i = 0; i < R * N; i++)
            dropped += get(c, y, i) == 0;
        double expected = R * N * rates[k], deviation = sqrt(expected * (1 - rates[k]));
        assert_true(fabs(dropped - expected) <= 5 * deviation);
    }
    free(y);
}

static void test_dropout_rates(void **state)
{
    (void)state;
    for_each_case(dropout_rates);
}

/* The value of a 16-bit float with `exponent_bits`, by definition. */
static double half_value(uint16_t h, int exponent_bits)
{
    int digits = 15 - exponent_bits, bias = (1 << (exponent_bits - 1)) - 1;
    int exponent = (h & 0x7fff) >> digits, fraction = h & ((1 << digits) - 1);
    double sign = h & 0x8000 ? -1 : 1;
    if (exponent == (1 << exponent_bits) - 1)
        return fraction ? NAN : sign * INFINITY;
    return sign * ldexp(exponent ? fraction + (1 << digits) : fraction, (exponent ? exponent : 1) - bias - digits);
}

/* all 65536 values, there and back; between neighbours, the nearer one, and the even one half way */
static void half_types(const vector_case *c)
{
    enum { ALL = 65536 };
    static const struct {
        weft_dtype dtype;
        int exponent_bits;
    } types[] = {{WEFT_BF16, 8}, {WEFT_F16, 5}};
    uint16_t *h = malloc(ALL * sizeof *h), *back = malloc(ALL * sizeof *back);
    void *x = array(c, ALL);
    for (int t = 0; t < 2; t++) {
        for (int i = 0; i < ALL; i++)
            h[i] = (uint16_t)i;
        c->table->widen(types[t].dtype, ALL, h, x);
        c->table->narrow(types[t].dtype, ALL, x, back);
        for (int i = 0; i < ALL; i++) {
            double wanted = half_value((uint16_t)i, types[t].exponent_bits), got = get(c, x, i);
            assert_true(isnan(wanted) ? isnan(got) : got == wanted && signbit(got) == signbit(wanted));
            if (isnan(wanted))
                assert_true(isnan(half_value(back[i], types[t].exponent_bits)));
            else
                assert_int_equal(back[i], i);
        }
        int infinite = ((1 << types[t].exponent_bits) - 1) << (15 - types[t].exponent_bits);
        double closest = c->wide ? 1e-9 : 1e-4; /* of the gap: nearer to the tie than a float could say, in f64 */
        for (int side = -1; side <= 1; side++) {
            for (int i = 0; i < infinite; i++) {
                double low = half_value((uint16_t)i, types[t].exponent_bits);
                double high = i + 1 < infinite ? half_value((uint16_t)(i + 1), types[t].exponent_bits)
                                               : 2 * low - half_value((uint16_t)(i - 1), types[t].exponent_bits);
                set(c, x, i, low + (high - low) * (0.5 + side * closest));
            }
            c->table->narrow(types[t].dtype, infinite, x, back);
            for (int i = 0; i < infinite; i++) {
                double low = half_value((uint16_t)i, types[t].exponent_bits), v = get(c, x, i);
                if (!c->wide && (v == low || v < ldexp(1, -126))) /* the float had no room for the offset */
                    continue;
                assert_int_equal(back[i], side > 0 || (side == 0 && i % 2) ? i + 1 : i);
            }
        }
    }
    set(c, x, 0, 1e30);
    set(c, x, 1, -INFINITY);
    c->table->narrow(WEFT_F16, 2, x, back);
    assert_int_equal(back[0], 0x7c00);
    assert_int_equal(back[1], 0xfc00);
    free(h), free(back), free(x);
}

static void test_half_types(void **state)
{
    (void)state;
    for_each_case(half_types);
}

static void plain_types(const vector_case *c)
{
    double y[19];
    const int64_t i64[19] = {INT64_MIN, -1, 0, 1, 1 << 24}, *p64 = i64;
    const int32_t i32[19] = {INT32_MIN, -1, 0, 1, INT32_MAX};
    const int16_t i16[19] = {-32768, -1, 0, 1, 32767};
    const int8_t i8[19] = {-128, -1, 0, 1, 127};
    const uint8_t u8[19] = {255, 128, 0, 1, 127};
    const float f32[19] = {1.5f, -0.0f, INFINITY, 1e-40f, 3};
    const double f64[19] = {1.5, 1.0 / 3, INFINITY, 1e-300, 3};
    const struct {
        weft_dtype dtype;
        const void *x;
    } rows[] = {{WEFT_I64, p64}, {WEFT_I32, i32}, {WEFT_I16, i16}, {WEFT_I8, i8}, {WEFT_U8, u8}, {WEFT_BOOL, u8}};
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
        c->table->widen(rows[k].dtype, 19, rows[k].x, y);
        for (int i = 0; i < 5; i++) {
            double wanted = k == 0 ? (double)i64[i] : k == 1 ? i32[i] : k == 2 ? i16[i] : k == 3 ? i8[i] : u8[i];
            assert_true(get(c, y, i) == (c->wide ? wanted : (double)(float)wanted));
        }
    }
    c->table->widen(WEFT_F32, 19, f32, y);
    for (int i = 0; i < 5; i++)
        assert_true(get(c, y, i) == (double)f32[i]);
    c->table->widen(WEFT_F64, 19, f64, y);
    for (int i = 0; i < 5; i++)
        assert_true(get(c, y, i) == (c->wide ? f64[i] : (double)(float)f64[i]));
    double out[19];
    c->table->narrow(WEFT_F64, 5, y, out);
    for (int i = 0; i < 5; i++)
        assert_true(out[i] == get(c, y, i));
    float small[19];
    c->table->narrow(WEFT_F32, 5, y, small);
    for (int i = 0; i < 5; i++)
        assert_true(small[i] == (float)get(c, y, i));
}

/* One of the two neighbours in BF16: towards zero below the share that is left, away from it above; what BF16 holds stays. */
static void halves_at_random(const vector_case *c)
{
    const struct {
        double x, u;
        uint16_t wanted;
    } rows[] = {{1, 0, 0x3f80},
                {1, 1, 0x3f80},
                {-1, 0.999, 0xbf80},
                {0, 1, 0x0000},
                {1.00390625, 0, 0x3f80},
                {1.00390625, 0.49, 0x3f80},
                {1.00390625, 0.51, 0x3f81},
                {1.00390625, 1, 0x3f81},
                {-1.0009765625, 0.87, 0xbf80},
                {-1.0009765625, 0.88, 0xbf81},
                {INFINITY, 1, 0x7f80},
                {-INFINITY, 0.5, 0xff80},
                {1e-39, 0, 0x000a},
                {1e-39, 1, 0x000b}};
    enum { COUNT = sizeof rows / sizeof *rows };
    double x[COUNT + 1], u[COUNT + 1];
    uint16_t y[COUNT + 1];
    for (int i = 0; i < COUNT; i++) {
        set(c, x, i, rows[i].x);
        set(c, u, i, rows[i].u);
    }
    set(c, x, COUNT, NAN);
    set(c, u, COUNT, 1);
    c->table->narrow_at_random(COUNT + 1, x, u, y);
    for (int i = 0; i < COUNT; i++)
        if (y[i] != rows[i].wanted)
            fail_msg("%s: %g with %g is %04x, wanted %04x", c->name, rows[i].x, rows[i].u, y[i], rows[i].wanted);
    assert_true((y[COUNT] & 0x7fff) > 0x7f80);
}

static void test_halves_at_random(void **state)
{
    (void)state;
    for_each_case(halves_at_random);
}

static void test_plain_types(void **state)
{
    (void)state;
    for_each_case(plain_types);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_laws),        cmocka_unit_test(test_dropout_rates),
        cmocka_unit_test(test_half_types),  cmocka_unit_test(test_halves_at_random),
        cmocka_unit_test(test_plain_types),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
