/* What the tests of the vector kernels share: one table of one level and type, arrays of either type, and comparisons. */
#ifndef WEFT_TESTS_VECTOR_CASE_H
#define WEFT_TESTS_VECTOR_CASE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "kernels/level.h"

typedef struct vector_case {
    const weft_vector_table *table;
    bool wide;        /* double */
    size_t size;      /* bytes an element */
    const char *name; /* of the level */
} vector_case;

/* Calls `test` for every level of this processor, in float and in double. */
static inline void for_each_case(void (*test)(const vector_case *))
{
    for (int level = 0; level < WEFT_LEVEL_COUNT; level++) {
        const weft_kernels *k = weft_kernels_level(level);
        if (!k)
            continue;
        test(&(vector_case){k->f32, false, sizeof(float), k->name});
        test(&(vector_case){k->f64, true, sizeof(double), k->name});
    }
}

static inline double get(const vector_case *c, const void *x, int64_t i)
{
    return c->wide ? ((const double *)x)[i] : (double)((const float *)x)[i];
}

static inline void set(const vector_case *c, void *x, int64_t i, double value)
{
    if (c->wide)
        ((double *)x)[i] = value;
    else
        ((float *)x)[i] = (float)value;
}

static inline void *at(const vector_case *c, void *x, int64_t i)
{
    return (char *)x + (size_t)i * c->size;
}

/* n elements, 64-byte aligned; freed by the caller */
static inline void *array(const vector_case *c, int64_t n)
{
    void *x = aligned_alloc(64, ((size_t)n * c->size + 127) / 64 * 64);
    assert_non_null(x);
    return x;
}

/* n numbers from U(low, high), the same for the same stream name */
static inline void *uniform_array(const vector_case *c, int64_t n, const char *stream, double low, double high)
{
    void *x = array(c, n);
    weft_random_key key = weft_random_stream(1, stream);
    for (int64_t i = 0; i < n; i++)
        set(c, x, i, low + (high - low) * weft_random_uniform(key, 0, 0, (uint64_t)i));
    return x;
}

/* |got - wanted| in units of the last place of `wanted` in the case's type; 0 for equal infinities and for NaN twice */
static inline double ulps(const vector_case *c, double got, long double wanted)
{
    if (isnan(wanted) || isnan(got))
        return isnan(wanted) && isnan(got) ? 0 : INFINITY;
    if ((long double)got == wanted)
        return 0;
    if (isinf(got)) { /* rightly, where the type's rounding overflows */
        double rounded = c->wide ? (double)wanted : (double)(float)wanted;
        return got == rounded ? 0 : INFINITY;
    }
    int lowest = c->wide ? -1022 : -126, digits = c->wide ? 52 : 23;
    int exponent = wanted == 0 ? lowest : ilogbl(wanted);
    return (double)(fabsl((long double)got - wanted) / ldexpl(1, (exponent < lowest ? lowest : exponent) - digits));
}

#define assert_close(c, got, wanted, bound, what, ...) \
    do { \
        double got_ = (got), bound_ = (bound); \
        long double wanted_ = (wanted); \
        if (!(ulps(c, got_, wanted_) <= bound_)) \
            fail_msg("%s %s: " what ": got %.17g, expected %.17Lg, %.2f ulp apart", (c)->name, (c)->wide ? "f64" : "f32", \
                     __VA_ARGS__, got_, wanted_, ulps(c, got_, wanted_)); \
    } while (0)

#define assert_near(c, got, wanted, bound, what, ...) \
    do { \
        double got_ = (got), wanted_ = (double)(wanted), bound_ = (bound); \
        if (!(fabs(got_ - wanted_) <= bound_)) \
            fail_msg("%s %s: " what ": got %.17g, expected %.17g", (c)->name, (c)->wide ? "f64" : "f32", __VA_ARGS__, got_, \
                     wanted_); \
    } while (0)

#define assert_same_bits(c, a, b, n, what, ...) \
    do { \
        if (memcmp(a, b, (size_t)(n) * (c)->size) != 0) \
            fail_msg("%s %s: " what ": bits differ", (c)->name, (c)->wide ? "f64" : "f32", __VA_ARGS__); \
    } while (0)

#endif
