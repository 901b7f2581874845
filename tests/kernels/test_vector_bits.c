/* An element's bits depend on its own inputs alone: not on its offset, the length of the call, alignment, the rows beside it,
 * the tail, or whether the output is the input. */
#include "vector_case.h"

enum { N = 203, SPAN = N + 40 };

/* Ordinary numbers with every kind of special one among them. */
static void *mixed_array(const vector_case *c, int64_t n, const char *stream)
{
    static const double specials[] = {0, -0.0, INFINITY, -INFINITY, NAN, 1e30, -1e30, 1e-40, -200, 200, 1e6, -0.8, 0.8};
    void *x = uniform_array(c, n, stream, -5, 5);
    for (size_t k = 0; k < sizeof specials / sizeof *specials; k++)
        set(c, x, (int64_t)(k * 14 + 3) % n, specials[k]);
    return x;
}

/* An elementwise kernel on up to three inputs, chosen by a number. */
enum { MAPS = WEFT_UNARY_COUNT + WEFT_BINARY_COUNT + 1 };

static void apply(const vector_case *c, int map, int64_t n, const void *a, const void *b, const void *d, void *y)
{
    if (map < WEFT_UNARY_COUNT)
        c->table->unary((weft_unary)map, 0.3, n, a, y);
    else if (map < WEFT_UNARY_COUNT + WEFT_BINARY_COUNT)
        c->table->binary((weft_binary)(map - WEFT_UNARY_COUNT), 0.3, n, a, 1, b, 1, y);
    else
        c->table->where(n, a, b, 1, d, 1, y);
}

/* Copies `count` elements to an address `shift` elements past a 64-byte boundary. */
static void *placed(const vector_case *c, void *space, int shift, void *from, int64_t start, int64_t count)
{
    return memcpy(at(c, space, shift), at(c, from, start), (size_t)count * c->size);
}

static void maps(const vector_case *c)
{
    void *a = mixed_array(c, N, "a"), *b = mixed_array(c, N, "b"), *d = mixed_array(c, N, "d"), *whole = array(c, N);
    void *space[4] = {array(c, SPAN), array(c, SPAN), array(c, SPAN), array(c, SPAN)};
    set(c, b, 5, 2.5); /* not the same specials at the same places */
    static const int64_t ranges[][2] = {{0, 1},  {1, 1},  {0, 16},  {1, 16},    {3, 15},
                                        {5, 17}, {7, 33}, {8, 100}, {100, 103}, {2, 201}};
    for (int map = 0; map < MAPS; map++) {
        apply(c, map, N, a, b, d, whole);
        for (size_t k = 0; k < sizeof ranges / sizeof *ranges; k++) {
            int64_t start = ranges[k][0], count = ranges[k][1];
            void *pa = placed(c, space[0], (int)k, a, start, count),
                 *pb = placed(c, space[1], (int)(3 * k) % 17, b, start, count);
            void *pd = placed(c, space[2], 1, d, start, count), *y = at(c, space[3], (int)(5 * k) % 19);
            memset(space[3], 0x55, SPAN * c->size);
            apply(c, map, count, pa, pb, pd, y);
            assert_same_bits(c, at(c, whole, start), y, count, "map %d, %d elements from %d", map, (int)count, (int)start);
            unsigned char guard[8];
            memset(guard, 0x55, sizeof guard);
            assert_memory_equal(at(c, y, count), guard, c->size); /* and nothing is written past the end */
            if (k % 2)
                apply(c, map, count, pa, pb, pd, pa), y = pa;
            else if (map >= WEFT_UNARY_COUNT)
                apply(c, map, count, pa, pb, pd, pb), y = pb;
            assert_same_bits(c, at(c, whole, start), y, count, "map %d in place", map);
        }
    }
    for (int k = 0; k < 4; k++)
        free(space[k]);
    free(a), free(b), free(d), free(whole);
}

static void test_maps(void **state)
{
    (void)state;
    for_each_case(maps);
}

/* One element a time gives the bits of the whole call for the updates too. */
static void updates(const vector_case *c)
{
    void *start[4], *one[4], *all[4];
    static const char *const names[] = {"g", "p", "m", "v"};
    for (int k = 0; k < 4; k++) {
        start[k] = uniform_array(c, N, names[k], k == 3 ? 0 : -1, 1);
        one[k] = memcpy(array(c, N), start[k], N * c->size);
        all[k] = memcpy(array(c, N), start[k], N * c->size);
    }
    c->table->adamw(N, 1e-3, 0.9, 0.999, 1e-8, 0.1, 0.1, 0.01, all[0], all[1], all[2], all[3]);
    for (int64_t i = 0; i < N; i++)
        c->table->adamw(1, 1e-3, 0.9, 0.999, 1e-8, 0.1, 0.1, 0.01, at(c, one[0], i), at(c, one[1], i), at(c, one[2], i),
                        at(c, one[3], i));
    for (int k = 0; k < 4; k++)
        assert_same_bits(c, one[k], all[k], N, "adamw array %d", k);
    c->table->axpy(N, 0.3, all[0], all[1]);
    for (int64_t i = 0; i < N; i++)
        c->table->axpy(1, 0.3, at(c, one[0], i), at(c, one[1], i));
    assert_same_bits(c, one[1], all[1], N, "%s", "axpy");
    for (int k = 0; k < 4; k++)
        free(start[k]), free(one[k]), free(all[k]);
}

static void test_updates(void **state)
{
    (void)state;
    for_each_case(updates);
}

enum { ROW_KERNELS = 8 };

static void apply_rows(const vector_case *c, int kernel, int64_t rows, int64_t n, const void *x, const void *w, const void *dy,
                       void *y)
{
    const weft_vector_table *t = c->table;
    switch (kernel) {
    case 0:
        t->softmax(rows, n, x, y);
        break;
    case 1:
        t->softmax_grad(rows, n, x, dy, y);
        break;
    case 2:
        t->log_softmax(rows, n, x, y);
        break;
    case 3:
        t->log_softmax_grad(rows, n, x, dy, y);
        break;
    case 4:
        t->layer_norm(rows, n, 1e-5, x, w, w, y);
        break;
    case 5:
        t->layer_norm_grad(rows, n, 1e-5, x, w, dy, y, NULL);
        break;
    case 6:
        t->rms_norm(rows, n, 1e-5, 0, x, w, y);
        break;
    default:
        t->rms_norm_grad(rows, n, 1e-5, 0, x, w, dy, y, NULL);
        break;
    }
}

/* a row alone, at another alignment, equals the row among many; many are enough to be written past the caches */
static void rows_alone(const vector_case *c, int64_t rows, int64_t n, int64_t every)
{
    void *x = uniform_array(c, rows * n, "x", -3, 3), *w = uniform_array(c, n, "w", -1, 1);
    void *dy = uniform_array(c, rows * n, "dy", -1, 1), *y = array(c, rows * n);
    void *space[3] = {array(c, n + 40), array(c, n + 40), array(c, n + 40)};
    for (int kernel = 0; kernel < ROW_KERNELS; kernel++) {
        apply_rows(c, kernel, rows, n, x, w, dy, y);
        for (int64_t r = 0; r < rows; r += every) {
            int shift = (int)(r * 7 + kernel) % 16;
            void *px = placed(c, space[0], shift, x, r * n, n), *pd = placed(c, space[1], (shift + 5) % 16, dy, r * n, n);
            void *py = at(c, space[2], (shift + 3) % 16);
            apply_rows(c, kernel, 1, n, px, w, pd, py);
            assert_same_bits(c, at(c, y, r * n), py, n, "row kernel %d, row %d of %d", kernel, (int)r, (int)n);
            apply_rows(c, kernel, 1, n, px, w, pd, px);
            assert_same_bits(c, at(c, y, r * n), px, n, "row kernel %d in place, row %d of %d", kernel, (int)r, (int)n);
        }
    }
    double alone[1], among[5];
    for (int64_t r = 0; r + 5 <= rows; r += every) {
        void *px = placed(c, space[0], (int)(r % 16), x, r * n, n);
        for (int op = 0; op < WEFT_REDUCE_COUNT; op++) {
            c->table->reduce((weft_reduce)op, 1, n, 1, px, alone);
            c->table->reduce((weft_reduce)op, 5, n, 1, at(c, x, r * n), among);
            assert_same_bits(c, alone, among, 1, "reduce %d, row %d", op, (int)r);
        }
    }
    for (int k = 0; k < 3; k++)
        free(space[k]);
    free(x), free(w), free(dy), free(y);
}

static void rows(const vector_case *c)
{
    static const int64_t widths[] = {1, 3, 8, 16, 19, 64, 77};
    for (size_t k = 0; k < sizeof widths / sizeof *widths; k++)
        rows_alone(c, 6, widths[k], 1);
    rows_alone(c, WEFT_STREAM_BYTES / 4096, 1024, 97);
}

static void test_rows(void **state)
{
    (void)state;
    for_each_case(rows);
}

/* Calls long enough to be written past the caches, at every alignment, against short ones. */
static void streamed(const vector_case *c)
{
    int64_t n = WEFT_STREAM_BYTES / (int64_t)c->size + 77, piece = 1000;
    void *x = uniform_array(c, n + 3, "x", -5, 5), *whole = array(c, n + 3), *pieces = array(c, n + 3);
    for (int64_t shift = 0; shift < 3; shift++) {
        c->table->unary(WEFT_SQUARE, 0, n, x, at(c, whole, shift));
        for (int64_t i = 0; i < n; i += piece)
            c->table->unary(WEFT_SQUARE, 0, n - i < piece ? n - i : piece, at(c, x, i), at(c, pieces, i));
        assert_same_bits(c, at(c, whole, shift), pieces, n, "streamed map, shift %d", (int)shift);
    }
    free(x), free(whole), free(pieces);
}

static void test_streamed(void **state)
{
    (void)state;
    for_each_case(streamed);
}

/* A column's sum is the same whatever range of columns is asked for. */
static void column_ranges(const vector_case *c)
{
    enum { R = 37, COLUMNS = 150 };
    void *x = uniform_array(c, R * COLUMNS, "x", -3, 3), *z = uniform_array(c, R * COLUMNS, "z", -3, 3);
    void *sum = array(c, COLUMNS), *product = array(c, COLUMNS), *part = array(c, COLUMNS), *reduced = array(c, COLUMNS);
    c->table->column_sum(R, COLUMNS, 0, COLUMNS, x, sum);
    c->table->column_dot(R, COLUMNS, 0, COLUMNS, x, z, product);
    c->table->reduce(WEFT_SUM, 1, R, COLUMNS, x, reduced);
    assert_same_bits(c, sum, reduced, COLUMNS, "%s", "column_sum and reduce");
    static const int64_t cuts[] = {0, 1, 4, 20, 21, 90, 133, COLUMNS};
    for (int pass = 0; pass < 2; pass++) {
        for (size_t k = 0; k + 1 < sizeof cuts / sizeof *cuts; k++)
            if (pass)
                c->table->column_dot(R, COLUMNS, cuts[k], cuts[k + 1], x, z, part);
            else
                c->table->column_sum(R, COLUMNS, cuts[k], cuts[k + 1], x, part);
        assert_same_bits(c, pass ? product : sum, part, COLUMNS, "column ranges, pass %d", pass);
    }
    for (int i = 0; i < COLUMNS; i++) {
        long double wanted = 0;
        for (int r = 0; r < R; r++)
            wanted += (long double)get(c, x, r * COLUMNS + i) * get(c, z, r * COLUMNS + i);
        assert_near(c, get(c, product, i), wanted, c->wide ? 1e-13 : 1e-5, "column_dot %d", i);
    }
    free(x), free(z), free(sum), free(product), free(part), free(reduced);
}

static void test_column_ranges(void **state)
{
    (void)state;
    for_each_case(column_ranges);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_maps),     cmocka_unit_test(test_updates),       cmocka_unit_test(test_rows),
        cmocka_unit_test(test_streamed), cmocka_unit_test(test_column_ranges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
