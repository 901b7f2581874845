/* The op table's test, its checks: what every case must fulfil, whatever its op. WEFT_TEST_LONG=1: more seeds. */
#ifndef WEFT_TESTS_OP_CHECK_H
#define WEFT_TESTS_OP_CHECK_H

#include "graph/op_case.h"

static weft_engine *level_engine[3], *team_engine[3]; /* one thread on each level; 1, 2, 3 threads on the best */

static inline int open_engines(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        if (weft_engine_new(&(weft_engine_options){.threads = 1, .level = i + 1}, &level_engine[i]) != WEFT_OK)
            print_message("[  SKIPPED ] level %d: %s\n", i + 1, weft_error());
        if (weft_engine_new(&(weft_engine_options){.threads = i + 1}, &team_engine[i]) != WEFT_OK)
            return -1;
    }
    return level_engine[0] ? 0 : -1;
}

static inline int close_engines(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        weft_engine_free(level_engine[i]);
        weft_engine_free(team_engine[i]);
    }
    return 0;
}

static inline int seeds(int some)
{
    return getenv("WEFT_TEST_LONG") ? 10 * some : some;
}

/* NaN never; 0 and -0 are one. Elements [a_at, a_at + count) of output k of a, and those of b. */
static inline void same_bits(const trial *a, const trial *b, int k, int64_t a_at, int64_t b_at, int64_t count, const char *what)
{
    if (a_at + count > got_count(a, k) || b_at + count > got_count(b, k))
        broken(a, "%s: output %d has another size", what, k);
    for (int64_t i = 0; i < count; i++)
        if (!(got_at(a, k, a_at + i) == got_at(b, k, b_at + i)))
            broken(a, "%s: output %d, element %lld: %.17g, not %.17g", what, k, (long long)(a_at + i), got_at(a, k, a_at + i),
                   got_at(b, k, b_at + i));
}

static inline void near(const trial *a, const trial *b, double tolerance, const char *what)
{
    for (int k = 0; k < a->outputs; k++) {
        double largest = 0.1; /* what cancels to nothing is compared with numbers of the operands' size */
        for (int64_t i = 0; i < got_count(b, k); i++)
            largest = fmax(largest, isfinite(got_at(b, k, i)) ? fabs(got_at(b, k, i)) : 0);
        for (int64_t i = 0; i < got_count(a, k); i++) {
            double x = got_at(a, k, i), y = got_at(b, k, i);
            if (!(x == y || fabs(x - y) <= tolerance * largest))
                broken(a, "%s: output %d, element %lld: %.9g, not %.9g", what, k, (long long)i, x, y);
        }
    }
}

static inline trial start(const op_case *c, int seed)
{
    return (trial){.of = c, .seed = (uint64_t)seed * 1000 + 1};
}

/* f32 on every level against f64 on the first; memory's old content does not matter; a second run gives the same bits. */
static inline void check_levels(const op_case *c, int seed)
{
    trial reference = start(c, seed), one = reference, again = reference;
    open_trial(&reference, level_engine[0], WEFT_F64, false);
    run_trial(&reference, 0);
    for (int i = 0; i < 6; i++) {
        weft_engine *engine = level_engine[i % 3];
        if (!engine || i == 3)
            continue;
        one = start(c, seed), again = start(c, seed);
        weft_dtype dtype = i < 3 ? WEFT_F32 : WEFT_F64;
        open_trial(&one, engine, dtype, false);
        run_trial(&one, 0);
        near(&one, &reference, i >= 3 ? 1e-12 : c->tolerance > 0 ? c->tolerance : 2e-6, weft_engine_level(engine));
        open_trial(&again, engine, dtype, false);
        run_trial(&again, 255);
        run_trial(&again, 255);
        for (int k = 0; k < one.outputs; k++)
            same_bits(&again, &one, k, 0, 0, got_count(&one, k), "in memory that holds NaN, run twice");
        close_trial(&one);
        close_trial(&again);
    }
    close_trial(&reference);
}

/* Σ of output × the weights of leaf l */
static inline double weighed(const trial *t, int output, const leaf *l)
{
    double sum = 0;
    for (int64_t i = 0; i < got_count(t, output); i++)
        sum += got_at(t, output, i) * l->x[i];
    return sum;
}

/* Both gradients against five-point differences along a random direction of each operand. */
static inline void check_gradients(const op_case *c, int seed)
{
    const double h = 1e-3;
    static const double at[4] = {-2, -1, 1, 2}, weight[4] = {1 / 12.0, -8 / 12.0, 8 / 12.0, -1 / 12.0};
    bool smooth = weft_op_find(c->row)->smooth;
    trial t = start(c, seed);
    open_trial(&t, level_engine[0], WEFT_F64, smooth);
    int grads = t.wrts, weights = t.cotangent + 1;
    for (int i = 0; i < grads + (smooth && grads); i++) {
        leaf *l = &t.leaf[t.wrt[i]];
        int64_t count = weft_dims_count(l->dims);
        run_trial(&t, 255);
        double first = 0, second = 0, size = 1, by_first = 0, by_second = 0;
        double *kept = malloc((size_t)(count + 1) * sizeof *kept);
        memcpy(kept, l->x, (size_t)count * sizeof *kept);
        for (int64_t k = 0; k < count; k++) {
            double v = number(t.seed + 77, i, ANY, k) * 0.5;
            first += i < grads ? got_at(&t, 1 + i, k) * v : 0;
            second += smooth ? got_at(&t, 1 + grads + i, k) * v : 0;
            size += smooth ? fabs(got_at(&t, 1 + grads + i, k) * v) : 0;
            size += i < grads ? fabs(got_at(&t, 1 + i, k) * v) : 0;
        }
        for (int p = 0; p < 4; p++) {
            for (int64_t k = 0; k < count; k++)
                l->x[k] = kept[k] + h * at[p] * number(t.seed + 77, i, ANY, k) * 0.5;
            run_trial(&t, 0);
            by_first += weight[p] / h * weighed(&t, 0, &t.leaf[t.cotangent]);
            for (int k = 0; smooth && k < grads; k++)
                by_second += weight[p] / h * weighed(&t, 1 + k, &t.leaf[weights + k]);
        }
        memcpy(l->x, kept, (size_t)count * sizeof *kept);
        free(kept);
        if (i < grads && !(fabs(first - by_first) <= 1e-7 * size))
            broken(&t, "gradient by operand %s: %.12g, by differences %.12g", l->name, first, by_first);
        if (smooth && !(fabs(second - by_second) <= 1e-7 * size))
            broken(&t, "second gradient by operand %s: %.12g, by differences %.12g", l->name, second, by_second);
    }
    close_trial(&t);
}

/* The same bits with 1, 2 and 3 threads, on shapes that make several pieces. */
static inline void check_threads(const op_case *c, int seed)
{
    trial one = start(c, seed);
    one.big = true;
    trial other = one;
    open_trial(&one, team_engine[0], WEFT_F32, false);
    run_trial(&one, 0);
    for (int i = 1; i < 3; i++) {
        trial t = other;
        open_trial(&t, team_engine[i], WEFT_F32, false);
        run_trial(&t, 255);
        for (int k = 0; k < one.outputs; k++)
            same_bits(&t, &one, k, 0, 0, got_count(&one, k), "with more threads");
        close_trial(&t);
    }
    close_trial(&one);
}

/* A row alone, or the last few rows, are the rows of the batch. */
static inline void check_rows(const op_case *c, int seed, weft_dtype dtype)
{
    trial whole = start(c, seed);
    open_trial(&whole, team_engine[0], dtype, false);
    run_trial(&whole, 0);
    bool apart = whole.form == ROWWISE && !whole.lead && !whole.least && !whole.by_position && whole.batch > 0;
    for (int i = 0; apart && i < 3; i++) {
        trial part = start(c, seed);
        part.mode = SLICE;
        part.from = i == 0 ? 0 : i == 1 ? whole.batch - 1 : whole.batch / 2;
        part.n = i < 2 ? 1 : whole.batch - part.from;
        open_trial(&part, team_engine[0], dtype, false);
        run_trial(&part, 255);
        for (int k = 0; k < part.outputs; k++)
            if (k == 0 || whole.leaf[whole.wrt[k - 1]].rows)
                same_bits(&part, &whole, k, 0, got_count(&whole, k) / whole.batch * part.from, got_count(&part, k),
                          "a part of the batch against the whole");
        close_trial(&part);
    }
    close_trial(&whole);
}

/* With n rows in use and NaN behind them, the results are those of n rows; gradients behind them are zero. */
static inline void check_extents(const op_case *c, int seed, weft_dtype dtype)
{
    trial whole = start(c, seed);
    open_trial(&whole, team_engine[0], dtype, false);
    bool possible = whole.form != WHOLE && !whole.unusable;
    int64_t batch = whole.batch, least = whole.least;
    close_trial(&whole);
    for (int i = 0; possible && i < 4; i++) {
        trial few = start(c, seed), used = few;
        few.mode = SLICE;
        used.mode = USED;
        few.n = used.n = i == 0 ? 0 : i == 1 ? 1 : i == 2 ? batch / 2 : batch;
        if (few.n < least || few.n > batch || (i > 0 && few.n == 0))
            continue;
        open_trial(&few, team_engine[0], dtype, false);
        open_trial(&used, team_engine[0], dtype, false);
        run_trial(&few, 0);
        run_trial(&used, 255);
        for (int k = 0; k < few.outputs; k++) {
            same_bits(&used, &few, k, 0, 0, got_count(&few, k), "with rows in use");
            for (int64_t e = got_count(&few, k); k > 0 && e < got_count(&used, k); e++)
                if (got_at(&used, k, e) != 0)
                    broken(&used, "gradient %d, element %lld: %g behind the rows in use", k, (long long)e, got_at(&used, k, e));
        }
        close_trial(&few);
        close_trial(&used);
    }
}

static inline void walk(const op_case *cases, int count, void (*one)(const op_case *, int seed), int some)
{
    for (int i = 0; i < count; i++)
        for (int seed = 1; seed <= seeds(some); seed++)
            one(&cases[i], seed);
}

static inline void rows_of_both(const op_case *c, int seed)
{
    check_rows(c, seed, WEFT_F32);
    check_rows(c, seed, WEFT_F64);
}

static inline void extents_of_both(const op_case *c, int seed)
{
    check_extents(c, seed, WEFT_F32);
    check_extents(c, seed, WEFT_F64);
}

enum { LEVEL_SEEDS = 30, GRADIENT_SEEDS = 24, THREAD_SEEDS = 2, ROW_SEEDS = 30, EXTENT_SEEDS = 30 };

/* The tests of a table of cases; then main runs them between open_engines and close_engines. */
#define OP_TESTS(table) \
    static void values_agree_on_all_levels(void **state) \
    { \
        (void)state; \
        walk(table, (int)(sizeof table / sizeof *table), check_levels, LEVEL_SEEDS); \
    } \
    static void gradients_are_differences(void **state) \
    { \
        (void)state; \
        walk(table, (int)(sizeof table / sizeof *table), check_gradients, GRADIENT_SEEDS); \
    } \
    static void threads_change_no_bit(void **state) \
    { \
        (void)state; \
        walk(table, (int)(sizeof table / sizeof *table), check_threads, THREAD_SEEDS); \
    } \
    static void rows_do_not_know_their_batch(void **state) \
    { \
        (void)state; \
        walk(table, (int)(sizeof table / sizeof *table), rows_of_both, ROW_SEEDS); \
    } \
    static void unused_rows_do_not_matter(void **state) \
    { \
        (void)state; \
        walk(table, (int)(sizeof table / sizeof *table), extents_of_both, EXTENT_SEEDS); \
    }
#define OP_TEST_LIST \
    cmocka_unit_test(values_agree_on_all_levels), cmocka_unit_test(gradients_are_differences), \
        cmocka_unit_test(threads_change_no_bit), cmocka_unit_test(rows_do_not_know_their_batch), \
        cmocka_unit_test(unused_rows_do_not_matter)

#endif
