/* The pair kernels against plain double loops, their gradients against central differences, drawn dropout against the scalar
 * generator, ranges cut anywhere, and saved bits against drawing again: at every level that this processor has. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "kernels/level.h"

typedef struct level {
    const weft_pair_table *f32, *f64;
} level;

static int levels(level out[3])
{
    int n = 0;
    out[n++] = (level){&weft_pair_f32_v2, &weft_pair_f64_v2};
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        out[n++] = (level){&weft_pair_f32_v3, &weft_pair_f64_v3};
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512dq"))
        out[n++] = (level){&weft_pair_f32_v4, &weft_pair_f64_v4};
    return n;
}

static uint64_t state;

static double uniform(void) /* (-1, 1) */
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (double)(int64_t)(state ^ state >> 31) * 0x1p-63;
}

/* One problem, in double; the float run gets the same numbers rounded. Arrays end where malloc's block ends, so that the address
 * sanitizer sees any step outside. */
typedef struct problem {
    int64_t rows, m, h, targets;
    double *a, *table, *b, *p, *mask, *g; /* g [rows, h] */
    double *gm;                           /* [rows, m] */
    int64_t *index, *start, *inverse;
    weft_pair_dropout drop;
} problem;

static double *numbers(int64_t n)
{
    double *x = malloc((size_t)(n ? n : 1) * sizeof *x);
    for (int64_t i = 0; i < n; i++)
        x[i] = (float)uniform();
    return x;
}

static problem make(int64_t rows, int64_t m, int64_t h, int64_t targets)
{
    problem q = {rows, m, h, targets, .a = numbers(rows * h), .table = numbers(targets * h), .b = numbers(h)};
    q.p = numbers(rows * m);
    q.gm = numbers(rows * m);
    q.g = numbers(rows * h);
    q.mask = numbers(rows * m * h);
    for (int64_t i = 0; i < rows * m * h; i++)
        q.mask[i] = q.mask[i] > -0.3 ? 1.5 : 0;
    for (int64_t i = 0; i < rows * m; i++)
        q.p[i] = q.p[i] < -0.3 ? 0 : q.p[i];
    q.index = malloc((size_t)(rows * m) * sizeof *q.index);
    q.inverse = malloc((size_t)(rows * m) * sizeof *q.inverse);
    q.start = calloc((size_t)targets + 1, sizeof *q.start);
    for (int64_t i = 0; i < rows * m; i++)
        q.index[i] = (int64_t)((uniform() + 1) / 2 * (double)targets) % targets;
    int64_t k = 0;
    for (int64_t t = 0; t < targets; t++) {
        for (int64_t i = 0; i < rows * m; i++)
            if (q.index[i] == t)
                q.inverse[k++] = i;
        q.start[t + 1] = k;
    }
    return q;
}

static void drop_problem(problem *q)
{
    double *all[] = {q->a, q->table, q->b, q->p, q->mask, q->g, q->gm};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
    free(q->index);
    free(q->start);
    free(q->inverse);
}

static double factor(const problem *q, int64_t pair, int64_t c)
{
    if (q->drop.mask)
        return q->mask[pair * q->h + c];
    if (q->drop.rate == 0)
        return 1;
    weft_random_key key = {{q->drop.key[0], q->drop.key[1]}};
    uint32_t word = weft_random_word(key, q->drop.step, (uint64_t)pair, (uint64_t)c / 2);
    uint32_t half = c & 1 ? word >> 16 : word & 0xffff;
    return half < (uint32_t)floor(q->drop.rate * 65536 + 0.5) ? 0 : 1 / (1 - q->drop.rate);
}

/* The nine functions' results, each as one array of doubles. */
enum { SUM, DP, DA, DTABLE, SQ, SQ_DQ, SQ_DT, GS, GS_DW, GS_DT, RESULTS };
typedef struct results {
    double *x[RESULTS];
} results;

static int64_t length(const problem *q, int what)
{
    switch (what) {
    case DP:
    case SQ:
    case GS_DW:
        return q->rows * q->m;
    case DTABLE:
    case SQ_DT:
    case GS_DT:
        return q->targets * q->h;
    default:
        return q->rows * q->h;
    }
}

static results new_results(const problem *q)
{
    results r;
    for (int i = 0; i < RESULTS; i++)
        r.x[i] = calloc((size_t)length(q, i) + 1, sizeof(double));
    return r;
}

static void drop_results(results *r)
{
    for (int i = 0; i < RESULTS; i++)
        free(r->x[i]);
}

static results naive(const problem *q, bool all_p)
{
    results r = new_results(q);
    for (int64_t i = 0; i < q->rows; i++)
        for (int64_t j = 0; j < q->m; j++) {
            const int64_t pair = i * q->m + j, t = q->index[pair];
            for (int64_t c = 0; c < q->h; c++) {
                const double qc = q->a[i * q->h + c], tc = q->table[t * q->h + c], g = q->g[i * q->h + c], w = q->gm[pair];
                const double u = qc + q->b[c] - tc, f = factor(q, pair, c), on = u > 0 ? f : 0, p = q->p[pair];
                r.x[SUM][i * q->h + c] += p * on * u;
                if (p != 0 || all_p)
                    r.x[DP][pair] += g * on * u;
                r.x[DA][i * q->h + c] += g * p * on;
                r.x[DTABLE][t * q->h + c] -= p * on * g;
                r.x[SQ][pair] += (qc - tc) * (qc - tc);
                r.x[SQ_DQ][i * q->h + c] += 2 * w * (qc - tc);
                r.x[SQ_DT][t * q->h + c] -= 2 * w * (qc - tc);
                r.x[GS][i * q->h + c] += w * tc;
                r.x[GS_DW][pair] += g * tc;
                r.x[GS_DT][t * q->h + c] += w * g;
            }
        }
    return r;
}

static void *converted(const double *x, int64_t n, bool f32)
{
    size_t size = f32 ? sizeof(float) : sizeof(double);
    void *y = malloc((size_t)n * size);
    for (int64_t i = 0; i < n; i++)
        if (f32)
            ((float *)y)[i] = (float)x[i];
        else
            ((double *)y)[i] = x[i];
    return y;
}

static void *offset(void *x, int64_t n, bool f32)
{
    return (char *)x + n * (f32 ? 4 : 8);
}

/* Runs every function, its range cut at `cut` of ten. */
static results run(const problem *q, const level *l, bool f32, bool all_p, int cut, bool save_bits)
{
    const weft_pair_table *t = f32 ? l->f32 : l->f64;
    const int64_t rows = q->rows, m = q->m, h = q->h, n = q->targets;
    void *a = converted(q->a, rows * h, f32), *table = converted(q->table, n * h, f32), *b = converted(q->b, h, f32);
    void *p = converted(q->p, rows * m, f32), *g = converted(q->g, rows * h, f32), *w = converted(q->gm, rows * m, f32);
    void *mask = converted(q->mask, rows * m * h, f32);
    weft_pair_dropout drop = q->drop;
    if (drop.mask)
        drop.mask = mask;
    if (save_bits)
        drop.bits = malloc((size_t)(rows * m * ((h + 63) / 64)) * 8);
    results r = new_results(q);
    void *y[RESULTS];
    for (int i = 0; i < RESULTS; i++)
        y[i] = malloc((size_t)length(q, i) * (f32 ? 4 : 8));
    const int64_t row_cuts[3] = {0, rows * cut / 10, rows}, target_cuts[3] = {0, n * cut / 10, n};
    for (int part = 0; part < 2; part++) {
        const int64_t r0 = row_cuts[part], r1 = row_cuts[part + 1];
        t->relu_sum(r0, r1, m, h, a, table, b, q->index, p, &drop, y[SUM]);
        t->sqdist(r0, r1, m, h, a, table, q->index, y[SQ]);
        t->sqdist_grad_query(r0, r1, m, h, a, table, q->index, w, y[SQ_DQ]);
        t->gather_sum(r0, r1, m, h, w, table, q->index, y[GS]);
        t->gather_sum_grad_weight(r0, r1, m, h, g, table, q->index, y[GS_DW]);
    }
    for (int part = 0; part < 2; part++) {
        const int64_t r0 = row_cuts[part], r1 = row_cuts[part + 1], t0 = target_cuts[part], t1 = target_cuts[part + 1];
        t->relu_sum_grad_query(r0, r1, m, h, a, table, b, q->index, p, &drop, g, all_p, y[DP], NULL);
        t->relu_sum_grad_query(r0, r1, m, h, a, table, b, q->index, p, &drop, g, all_p, NULL, y[DA]);
        t->relu_sum_grad_table(t0, t1, m, h, a, table, b, q->start, q->inverse, p, &drop, g, y[DTABLE]);
        t->sqdist_grad_table(t0, t1, m, h, a, table, q->start, q->inverse, w, y[SQ_DT]);
        t->gather_sum_grad_table(t0, t1, m, h, rows, w, q->start, q->inverse, g, y[GS_DT]);
    }
    for (int i = 0; i < RESULTS; i++) {
        for (int64_t k = 0; k < length(q, i); k++)
            r.x[i][k] = f32 ? (double)*(float *)offset(y[i], k, true) : *(double *)offset(y[i], k, false);
        free(y[i]);
    }
    void *all[] = {a, table, b, p, g, w, mask, drop.bits};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
    return r;
}

static void close_to(const problem *q, const results *got, const results *want, double tolerance)
{
    for (int i = 0; i < RESULTS; i++)
        for (int64_t k = 0; k < length(q, i); k++) {
            double error = fabs(got->x[i][k] - want->x[i][k]), allowed = tolerance * (1 + fabs(want->x[i][k]));
            if (!(error <= allowed))
                fail_msg("result %d element %lld: %.17g, wanted %.17g (%lld rows, m %lld, h %lld)", i, (long long)k, got->x[i][k],
                         want->x[i][k], (long long)q->rows, (long long)q->m, (long long)q->h);
        }
}

static void same_bits(const problem *q, const results *got, const results *want)
{
    for (int i = 0; i < RESULTS; i++)
        assert_memory_equal(got->x[i], want->x[i], (size_t)length(q, i) * sizeof(double));
}

static void set_dropout(problem *q, int kind)
{
    q->drop = (weft_pair_dropout){0};
    if (kind == 1)
        q->drop.mask = q->mask;
    if (kind >= 2) {
        q->drop.rate = kind == 3 ? 0.999999 : 0.38852797479169876; /* 0.999999 rounds to a threshold of 65536: nothing kept */
        q->drop.key[0] = 0x12345678;
        q->drop.key[1] = 0xfedcba98;
        q->drop.step = 0x300000007u;
    }
}

static void matches_plain_loops(void **unused)
{
    (void)unused;
    static const int64_t sizes[][4] = {{1, 1, 1, 1},   {3, 5, 7, 4},    {4, 9, 16, 30},  {2, 4, 33, 5},   {5, 130, 65, 200},
                                       {3, 6, 131, 9}, {2, 7, 530, 11}, {2, 3, 1024, 4}, {3, 5, 1100, 3}, {1, 2, 2200, 2}};
    level all[3];
    const int count = levels(all);
    state = 1;
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        problem q = make(sizes[s][0], sizes[s][1], sizes[s][2], sizes[s][3]);
        for (int kind = 0; kind < 4; kind++) {
            set_dropout(&q, kind);
            for (int all_p = 0; all_p < 2; all_p++) {
                results want = naive(&q, all_p);
                for (int l = 0; l < count; l++)
                    for (int f32 = 0; f32 < 2; f32++) {
                        results whole = run(&q, all + l, f32, all_p, 10, false);
                        close_to(&q, &whole, &want, f32 ? 1e-5 : 1e-12);
                        results cut = run(&q, all + l, f32, all_p, 3, false);
                        same_bits(&q, &cut, &whole);
                        results saved = run(&q, all + l, f32, all_p, 5, true);
                        same_bits(&q, &saved, &whole);
                        drop_results(&whole);
                        drop_results(&cut);
                        drop_results(&saved);
                    }
                drop_results(&want);
            }
        }
        drop_problem(&q);
    }
}

/* L = Σ g · relu_sum + Σ gm · sqdist + Σ g · gather_sum, by the kernels themselves */
static double loss(const problem *q, const level *l)
{
    results r = run(q, l, false, true, 10, false);
    double sum = 0;
    for (int64_t k = 0; k < q->rows * q->h; k++)
        sum += q->g[k] * (r.x[SUM][k] + r.x[GS][k]);
    for (int64_t k = 0; k < q->rows * q->m; k++)
        sum += q->gm[k] * r.x[SQ][k];
    drop_results(&r);
    return sum;
}

static void check_difference(const problem *q, const level *l, double *x, double want)
{
    const double kept = *x, step = 1e-6;
    *x = kept + step;
    double up = loss(q, l);
    *x = kept - step;
    double down = loss(q, l);
    *x = kept;
    double got = (up - down) / (2 * step);
    if (!(fabs(got - want) <= 1e-6 * (1 + fabs(want))))
        fail_msg("difference quotient %.12g, gradient %.12g", got, want);
}

static void gradients_match_central_differences(void **unused)
{
    (void)unused;
    level all[3];
    const int count = levels(all);
    for (int l = 0; l < count; l++)
        for (int kind = 0; kind < 3; kind++) {
            state = 77;
            problem q = make(3, 5, 19, 6);
            for (int64_t i = 0; i < q.rows * q.m; i++)
                q.p[i] = 0.2 + fabs(q.p[i]);
            set_dropout(&q, kind);
            results r = run(&q, all + l, false, true, 10, false);
            for (int64_t k = 0; k < q.rows * q.h; k += 3)
                check_difference(&q, all + l, q.a + k, r.x[DA][k] + r.x[SQ_DQ][k]);
            for (int64_t k = 0; k < q.targets * q.h; k += 3)
                check_difference(&q, all + l, q.table + k, r.x[DTABLE][k] + r.x[SQ_DT][k] + r.x[GS_DT][k]);
            for (int64_t k = 0; k < q.rows * q.m; k++)
                check_difference(&q, all + l, q.p + k, r.x[DP][k]);
            drop_results(&r);
            drop_problem(&q);
        }
}

/* With a = 1, table = b = 0, m = 1, p = 1 the sum is the factor itself. */
static void draws_the_same_bits_at_every_level(void **unused)
{
    (void)unused;
    enum { ROWS = 40, H = 1700 };
    level all[3];
    const int count = levels(all);
    problem q = {.drop = {.rate = 0.5}, .h = H};
    float *a = malloc(sizeof(float) * ROWS * H), *out = malloc(sizeof(float) * ROWS * H), *zero = calloc(H, sizeof(float));
    float *one = malloc(sizeof(float) * ROWS);
    int64_t index[ROWS] = {0};
    for (int i = 0; i < ROWS * H; i++)
        a[i] = 1;
    for (int i = 0; i < ROWS; i++)
        one[i] = 1;
    static const double rates[] = {1.0 / 65536, 0.1, 0.38852797479169876, 0.5, 0.9999};
    for (int l = 0; l < count; l++)
        for (size_t s = 0; s < sizeof rates / sizeof *rates; s++) {
            q.drop = (weft_pair_dropout){
                .rate = rates[s], .key = {(uint32_t)s * 77u + 1u, 0xffffffffu}, .step = 0xffffffff00000001u + s};
            all[l].f32->relu_sum(0, ROWS, 1, H, a, zero, zero, index, one, &q.drop, out);
            for (int i = 0; i < ROWS; i++)
                for (int c = 0; c < H; c++)
                    assert_true(out[i * H + c] == (float)factor(&q, i, c));
        }
    free(a);
    free(out);
    free(zero);
    free(one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(matches_plain_loops),
        cmocka_unit_test(gradients_match_central_differences),
        cmocka_unit_test(draws_the_same_bits_at_every_level),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
