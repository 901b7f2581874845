/* Matrix products against plain loops, to the bit, at every level this processor has. */
#include "kernels/level.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef struct level {
    const char *name;
    const weft_gemm_table *table;
    bool fused;
} level;

static int levels(level out[3])
{
    int count = 0;
    out[count++] = (level){"v2", &weft_gemm_v2, false};
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        out[count++] = (level){"v3", &weft_gemm_v3, true};
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl"))
        out[count++] = (level){"v4", &weft_gemm_v4, true};
    return count;
}

static uint64_t state;

static uint64_t draw(void)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return state >> 33;
}

static int64_t below(int64_t n)
{
    return (int64_t)(draw() % (uint64_t)n);
}

static double number(void)
{
    return (double)(int64_t)(draw() % 2000001 - 1000000) * 1e-6 * (draw() % 16 ? 1 : 100);
}

static float bits_to_float(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, 4);
    return x;
}

static uint32_t float_to_bits(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, 4);
    return bits;
}

/* Nearest bf16, ties to even, by comparing the two neighbours. */
static float nearest_bf16(float x)
{
    const uint32_t low = float_to_bits(x) & 0xffff0000u;
    const float down = bits_to_float(low), up = bits_to_float(low + 0x10000u);
    const double to_down = fabs((double)x - (double)down), to_up = fabs((double)up - (double)x);
    return to_down < to_up || (to_down == to_up && !(low & 0x10000u)) ? down : up;
}

/* A value of half precision from its definition: 5 bits of exponent, 10 of fraction. */
static float half_to_float(uint16_t h)
{
    const int exponent = h >> 10 & 31, fraction = h & 1023;
    const double size = exponent == 31  ? fraction ? (double)NAN : (double)INFINITY
                        : exponent == 0 ? ldexp(fraction, -24)
                                        : ldexp(1024 + fraction, exponent - 25);
    return (float)(h & 0x8000 ? -size : size);
}

static size_t size_of(weft_dtype dtype)
{
    return dtype == WEFT_F64 ? 8 : dtype == WEFT_F32 ? 4 : 2;
}

/* A block of exactly the bytes a matrix needs, so that a memory checker sees any read outside; filled with numbers. */
static void *random_matrix(weft_dtype dtype, int64_t count)
{
    char *data = malloc((size_t)count * size_of(dtype) + (count == 0));
    assert_non_null(data);
    for (int64_t i = 0; i < count; i++) {
        const double x = number();
        const float narrow = (float)x;
        const uint16_t bf16 = (uint16_t)(float_to_bits(narrow) >> 16);
        const uint16_t half = (uint16_t)((draw() & 0x8000) | (uint64_t)below(0x5000)); /* subnormals too, up to 32 */
        const void *from = dtype == WEFT_F64    ? (const void *)&x
                           : dtype == WEFT_F32  ? (const void *)&narrow
                           : dtype == WEFT_BF16 ? &bf16
                                                : &half;
        memcpy(data + (size_t)i * size_of(dtype), from, size_of(dtype));
    }
    return data;
}

static double element(const void *data, weft_dtype dtype, int64_t i)
{
    if (dtype == WEFT_F64)
        return ((const double *)data)[i];
    if (dtype == WEFT_F32)
        return (double)((const float *)data)[i];
    const uint16_t h = ((const uint16_t *)data)[i];
    return (double)(dtype == WEFT_BF16 ? bits_to_float((uint32_t)h << 16) : half_to_float(h));
}

/* One output by the contract: a chain in ascending k; bf16 products take the odd step of each pair first. */
static double chain(const weft_gemm *g, bool fused, int64_t i, int64_t j, double start)
{
    double sum = start;
    float narrow = (float)start;
    for (int64_t step = 0; step < g->k; step++) {
        const int64_t p = g->bf16 && (step ^ 1) < g->k ? step ^ 1 : step;
        const double a = element(g->a, g->dtype, i * g->a_row + p * g->a_column);
        const double b = element(g->b, g->b_dtype, p * g->b_row + j * g->b_column);
        if (g->dtype == WEFT_F64)
            sum = fused ? fma(a, b, sum) : a * b + sum;
        else {
            const float x = g->bf16 ? nearest_bf16((float)a) : (float)a, y = g->bf16 ? nearest_bf16((float)b) : (float)b;
            narrow = fused ? fmaf(x, y, narrow) : x * y + narrow;
        }
    }
    return g->dtype == WEFT_F64 ? sum : (double)narrow;
}

/* The whole product as the engine does it, pieces forward or backward; every output must belong to exactly one piece. */
static void multiply(const weft_gemm_table *table, weft_gemm g, bool backward)
{
    const size_t bytes = table->packed_bytes(&g), scratch_size = table->scratch_bytes(&g);
    void *packed = bytes ? aligned_alloc(64, (bytes + 63) / 64 * 64) : NULL;
    void *scratch = aligned_alloc(64, (scratch_size + 127) / 64 * 64);
    assert_non_null(scratch);
    const int64_t pack_count = bytes ? table->pack_pieces(&g) : 0, count = table->pieces(&g);
    for (int64_t i = 0; i < pack_count; i++)
        table->pack(&g, packed, backward ? pack_count - 1 - i : i);
    g.packed = packed;
    int64_t covered = 0;
    for (int64_t i = 0; i < count; i++) {
        const int64_t piece = backward ? count - 1 - i : i;
        const weft_gemm_area area = table->area(&g, piece);
        assert_true(area.row0 >= 0 && area.row0 < area.row1 && area.row1 <= g.m);
        assert_true(area.column0 >= 0 && area.column0 < area.column1 && area.column1 <= g.n);
        covered += (area.row1 - area.row0) * (area.column1 - area.column0);
        memset(scratch, 0xff, scratch_size); /* NaN, so that nothing left there is used */
        table->run(&g, piece, scratch);
    }
    assert_int_equal(covered, g.m * g.n);
    free(packed);
    free(scratch);
}

static const double guard = 12345.0;

static void *guarded(const weft_gemm *g)
{
    char *c = malloc((size_t)(g->m * g->c_row) * size_of(g->dtype) + 8);
    assert_non_null(c);
    for (int64_t i = 0; i < g->m * g->c_row; i++) {
        const double x = i % g->c_row < g->n ? (double)(i % 97) - 50 : guard;
        const float narrow = (float)x;
        memcpy(c + (size_t)i * size_of(g->dtype), g->dtype == WEFT_F64 ? (const void *)&x : &narrow, size_of(g->dtype));
    }
    return c;
}

static int64_t random_size(void)
{
    static const int64_t edges[] = {0, 1, 2, 3, 4, 5, 7, 8, 9, 12, 13, 16, 17, 24, 31, 32, 33, 64, 65, 100};
    return below(2) ? edges[below((int64_t)(sizeof edges / sizeof *edges))] : 1 + below(100);
}

static weft_gemm random_case(int kind, int64_t m, int64_t n, int64_t k)
{
    static const weft_dtype right[] = {WEFT_F32, WEFT_F64, WEFT_BF16, WEFT_F16, WEFT_F32, WEFT_BF16, WEFT_F16};
    weft_gemm g = {.m = m, .n = n, .k = k, .dtype = kind == 1 ? WEFT_F64 : WEFT_F32, .b_dtype = right[kind], .bf16 = kind >= 4};
    g.accumulate = below(2);
    const bool a_flipped = below(2), b_flipped = below(2);
    g.a_row = a_flipped ? 1 : k + below(4);
    g.a_column = a_flipped ? m + below(4) : 1;
    g.b_row = b_flipped ? 1 : n + below(4);
    g.b_column = b_flipped ? k + below(4) : 1;
    g.c_row = n + below(5);
    const int64_t a_count = m && k ? (m - 1) * g.a_row + (k - 1) * g.a_column + 1 : 0;
    const int64_t b_count = n && k ? (k - 1) * g.b_row + (n - 1) * g.b_column + 1 : 0;
    g.a = random_matrix(g.dtype, a_count);
    g.b = random_matrix(g.b_dtype, b_count);
    return g;
}

static void drop(const weft_gemm *g)
{
    free((void *)(uintptr_t)g->a);
    free((void *)(uintptr_t)g->b);
    free((void *)(uintptr_t)g->d);
}

static void expect_same(const char *level_name, const weft_gemm *g, int64_t i, int64_t j, double expected)
{
    const double got = element(g->c, g->dtype, i * g->c_row + j);
    if (memcmp(&got, &expected, sizeof got) != 0)
        fail_msg("%s: [%lld, %lld] of m %lld n %lld k %lld, B %d bf16 %d strides %lld %lld, %lld %lld: %.17g, expected %.17g",
                 level_name, (long long)i, (long long)j, (long long)g->m, (long long)g->n, (long long)g->k, (int)g->b_dtype,
                 g->bf16, (long long)g->a_row, (long long)g->a_column, (long long)g->b_row, (long long)g->b_column, got,
                 expected);
}

/* Checks `samples` outputs of C (all when 0) against the chain, guards, reversed pieces, and one row alone. */
static void check_case(const level *l, weft_gemm g, int64_t samples)
{
    g.c = guarded(&g);
    void *start = guarded(&g), *first = g.c;
    multiply(l->table, g, false);
    const int64_t outputs = g.m * g.n;
    for (int64_t s = 0; s < (samples ? samples : outputs); s++) {
        const int64_t at = samples ? below(outputs) : s, i = at / g.n, j = at % g.n;
        const double sum = chain(&g, l->fused, i, j, g.accumulate ? element(start, g.dtype, i * g.c_row + j) : 0);
        const double added = g.d ? element(g.d, g.dtype, at) : 0;
        expect_same(l->name, &g, i, j, !g.d ? sum : g.dtype == WEFT_F64 ? sum + added : (double)((float)sum + (float)added));
    }
    for (int64_t i = 0; i < g.m; i++)
        for (int64_t j = g.n; j < g.c_row; j++)
            expect_same(l->name, &g, i, j, guard);
    g.c = guarded(&g);
    multiply(l->table, g, true);
    assert_memory_equal(g.c, first, (size_t)(g.m * g.c_row) * size_of(g.dtype));
    if (g.m > 0) {
        const int64_t row = below(g.m);
        weft_gemm one = g;
        one.m = 1;
        one.a = (const char *)g.a + (size_t)(row * g.a_row) * size_of(g.dtype);
        one.c = (char *)start + (size_t)(row * g.c_row) * size_of(g.dtype);
        one.d = g.d ? (const char *)g.d + (size_t)(row * g.n) * size_of(g.dtype) : NULL;
        multiply(l->table, one, false);
        assert_memory_equal(one.c, (const char *)first + (size_t)(row * g.c_row) * size_of(g.dtype),
                            (size_t)g.n * size_of(g.dtype));
    }
    free(g.c);
    free(first);
    free(start);
}

static void random_shapes_are_ascending_chains(void **unused)
{
    (void)unused;
    level all[3];
    const int count = levels(all);
    for (int l = 0; l < count; l++)
        for (int round = 0; round < 700; round++) {
            state = (uint64_t)round * 7919 + 1;
            draw();
            weft_gemm g = random_case(round % 7, random_size(), random_size(), random_size());
            const int64_t packing = below(3);
            g.kept = packing == 1;
            g.as_stored = packing == 2;
            g.d = below(2) ? random_matrix(g.dtype, g.m * g.n) : NULL;
            check_case(&all[l], g, g.m * g.n * g.k > 40000 ? 1 + 40000 / g.k : 0);
            drop(&g);
        }
}

/* Sizes that are cut into many pieces and several blocks of depth, packed and not. */
static void large_shapes_are_ascending_chains(void **unused)
{
    (void)unused;
    static const int64_t sizes[][3] = {{130, 300, 800}, {265, 8, 3001},  {3000, 1, 500},  {5000, 17, 31}, {4, 1000, 900},
                                       {1, 2000, 777},  {12, 513, 1025}, {16, 530, 770},  {2000, 530, 8}, {9, 40, 2049},
                                       {40, 3, 5000},   {300, 70, 1},    {77, 170, 1024}, {31, 333, 2048}};
    level all[3];
    const int count = levels(all);
    for (int l = 0; l < count; l++)
        for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
            for (int kind = 0; kind < 7; kind++) {
                state = s * 31 + (uint64_t)kind;
                draw();
                weft_gemm g = random_case(kind, sizes[s][0], sizes[s][1], sizes[s][2]);
                if (g.k % 1024 == 0 && g.a_column == 1)
                    g.a_row = g.k; /* a multiple of 4 KB: lines of A that share a set of the cache have tiles of their own */
                g.d = kind % 2 ? random_matrix(g.dtype, g.m * g.n) : NULL;
                check_case(&all[l], g, 60);
                drop(&g);
            }
}

/* The bits of a product do not depend on how its operands lie in memory, hence not on whether they are packed. */
static void strides_do_not_change_bits(void **unused)
{
    (void)unused;
    level all[3];
    const int count = levels(all);
    const int64_t m = 50, n = 150, k = 450;
    float *a = random_matrix(WEFT_F32, m * k), *b = random_matrix(WEFT_F32, k * n);
    float *a_flipped = random_matrix(WEFT_F32, m * k), *b_flipped = random_matrix(WEFT_F32, k * n);
    for (int64_t p = 0; p < k; p++) {
        for (int64_t i = 0; i < m; i++)
            a_flipped[p * m + i] = a[i * k + p];
        for (int64_t j = 0; j < n; j++)
            b_flipped[j * k + p] = b[p * n + j];
    }
    for (int l = 0; l < count; l++) {
        float *c = random_matrix(WEFT_F32, 4 * m * n);
        for (int form = 0; form < 4; form++) {
            weft_gemm g = {.m = m, .n = n, .k = k, .dtype = WEFT_F32, .b_dtype = WEFT_F32, .c = c + form * m * n, .c_row = n};
            g.a = form & 1 ? a_flipped : a;
            g.a_row = form & 1 ? 1 : k;
            g.a_column = form & 1 ? m : 1;
            g.b = form & 2 ? b_flipped : b;
            g.b_row = form & 2 ? 1 : n;
            g.b_column = form & 2 ? k : 1;
            multiply(all[l].table, g, form == 3);
            assert_memory_equal(g.c, c, (size_t)(m * n) * sizeof(float));
        }
        free(c);
    }
    free(a);
    free(b);
    free(a_flipped);
    free(b_flipped);
}

/* Rows and columns 4, 5 and so on of one product: the forms for few rows and few columns give the same bits as the others. */
static void every_small_part_has_the_bits_of_the_whole(void **unused)
{
    (void)unused;
    level all[3];
    const int count = levels(all);
    for (int l = 0; l < count; l++)
        for (int kind = 0; kind < 7; kind++) {
            state = (uint64_t)kind;
            weft_gemm g = random_case(kind, 40, 40, 70);
            g.accumulate = false;
            g.c = guarded(&g);
            multiply(all[l].table, g, false);
            for (int64_t m = 1; m <= 16; m++)
                for (int64_t n = 1; n <= 10; n++) {
                    weft_gemm part = g;
                    part.m = m;
                    part.n = n;
                    part.c = guarded(&g);
                    multiply(all[l].table, part, true);
                    for (int64_t i = 0; i < m; i++)
                        assert_memory_equal((char *)part.c + (size_t)(i * g.c_row) * size_of(g.dtype),
                                            (char *)g.c + (size_t)(i * g.c_row) * size_of(g.dtype), (size_t)n * size_of(g.dtype));
                    free(part.c);
                }
            free(g.c);
            drop(&g);
        }
}

/* A rounded beforehand, its rows further apart than they need be, or a multiple of 4 KB. */
static void rounding_rows_first_changes_no_bit(void **unused)
{
    (void)unused;
    level all[3];
    const int count = levels(all);
    for (int l = 0; l < count; l++)
        for (int round = 0; round < 60; round++) {
            state = (uint64_t)round * 104729 + 3;
            draw();
            const int64_t n = round % 10 ? random_size() : 400, k = round % 10 ? 1 + random_size() : 2048;
            weft_gemm g = random_case(4 + round % 3, 1 + random_size(), n, k);
            if (g.a_column != 1) {
                g.a_column = 1;
                g.a_row = g.m > 1 ? 0 : k; /* the same row again and again: there is no more memory */
                g.m = g.m < 3 ? g.m : 3;
                free((void *)(uintptr_t)g.a);
                g.a = random_matrix(g.dtype, k);
            }
            const int64_t stride = round % 10 ? (k + 1) / 2 * 2 + 2 * below(40) : k;
            uint16_t *rounded = malloc((size_t)(g.m * stride) * sizeof *rounded);
            memset(rounded, 0xff, (size_t)(g.m * stride) * sizeof *rounded);
            for (int64_t i = 0; i < g.m; i++)
                for (int64_t p = 0; p < (k + 1) / 2 * 2; p++)
                    rounded[i * stride + p] =
                        p < k ? (uint16_t)(float_to_bits(nearest_bf16(((const float *)g.a)[i * g.a_row + p])) >> 16) : 0;
            g.c = guarded(&g);
            multiply(all[l].table, g, false);
            weft_gemm first = g;
            first.a_rounded = true;
            first.a = rounded;
            first.a_row = stride;
            first.c = guarded(&g);
            multiply(all[l].table, first, true);
            assert_memory_equal(first.c, g.c, (size_t)(g.m * g.c_row) * sizeof(float));
            if (weft_kernels_best()->bf16 && g.a_row == k) { /* and the kernel that rounds makes these */
                uint16_t *made = malloc((size_t)(g.m * stride) * sizeof *made);
                memset(made, 0xff, (size_t)(g.m * stride) * sizeof *made);
                weft_kernels_best()->gemm->round_rows(g.a, g.m, k, stride, made);
                assert_memory_equal(made, rounded, (size_t)(g.m * stride) * sizeof *made);
                free(made);
            }
            free(rounded);
            free(first.c);
            free(g.c);
            drop(&g);
        }
}

static void special_values_pass_through(void **unused)
{
    (void)unused;
    level all[3];
    const int count = levels(all);
    for (int l = 0; l < count; l++)
        for (int kind = 0; kind < 7; kind++) {
            weft_gemm g = random_case(kind, 13, 40, 9);
            g.accumulate = false;
            const double bad[] = {(double)NAN, (double)INFINITY, -(double)INFINITY};
            for (int v = 0; v < 3; v++) {
                char *a = (char *)(uintptr_t)g.a + (size_t)(3 * g.a_row + 4 * g.a_column) * size_of(g.dtype);
                const float narrow = (float)bad[v];
                memcpy(a, g.dtype == WEFT_F64 ? (const void *)&bad[v] : &narrow, size_of(g.dtype));
                g.c = guarded(&g);
                multiply(all[l].table, g, false);
                for (int64_t i = 0; i < g.m; i++)
                    for (int64_t j = 0; j < g.n; j++) {
                        const double b = element(g.b, g.b_dtype, 4 * g.b_row + j * g.b_column);
                        const double got = element(g.c, g.dtype, i * g.c_row + j);
                        if (i != 3)
                            assert_true(isfinite(got));
                        else if (v == 0 || b == 0)
                            assert_true(isnan(got));
                        else
                            assert_true(isinf(got) && signbit(got) == (signbit(b) != (v == 2)));
                    }
                free(g.c);
            }
            drop(&g);
        }
}

static void small_products_are_one_piece(void **unused)
{
    (void)unused;
    const weft_gemm small = {.m = 32,
                             .n = 64,
                             .k = 64,
                             .dtype = WEFT_F32,
                             .b_dtype = WEFT_F32,
                             .a_row = 64,
                             .a_column = 1,
                             .b_row = 64,
                             .b_column = 1,
                             .c_row = 64};
    weft_gemm large = small, few = small;
    large.m = large.n = large.k = 1024;
    large.a_row = large.b_row = large.c_row = 1024;
    few.m = 4;
    level all[3];
    const int count = levels(all);
    for (int l = 0; l < count; l++) {
        assert_int_equal(all[l].table->pieces(&small), 1);
        assert_true(all[l].table->pieces(&large) >= 32);
        assert_int_equal(all[l].table->packed_bytes(&few), 0);
        assert_true(all[l].table->packed_bytes(&large) >= 4u << 20);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_shapes_are_ascending_chains), cmocka_unit_test(large_shapes_are_ascending_chains),
        cmocka_unit_test(strides_do_not_change_bits),         cmocka_unit_test(every_small_part_has_the_bits_of_the_whole),
        cmocka_unit_test(rounding_rows_first_changes_no_bit), cmocka_unit_test(special_values_pass_through),
        cmocka_unit_test(small_products_are_one_piece),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
