/* The op table's test, its machinery: a case builds a value from operands of random shapes; the checks run it whole, on a slice
 * of its rows, with only the first rows in use, on several levels and with several threads, and compare.
 *
 * All numbers are functions of (seed, leaf, position), and are representable in float, so that an f32 and an f64 graph compute
 * from the same input, and a slice of the batch sees the same numbers as the whole. */
#ifndef WEFT_TESTS_OP_CASE_H
#define WEFT_TESTS_OP_CASE_H

#include "graph/session.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MOST_LEAVES = 16, MOST_OUTPUTS = 32 };

typedef enum law {
    ANY,      /* [-2, 2] */
    POSITIVE, /* [0.5, 2.5] */
    AWAY,     /* 0.25 ≤ |x| ≤ 2.25 */
    EVEN,     /* multiples of 0.25 … */
    ODD,      /* … and what lies between them */
    DISTINCT, /* no two within 16411 places alike */
    BIT       /* 0 or 1 */
} law;

enum { ROWS = 1, FIXED = 2 }; /* the outermost axis is the batch; not differentiated */

/* How a result depends on the rows of the batch. */
typedef enum form {
    ROWWISE, /* each row from its own: after `lead` elements, equally many for each row */
    REDUCED, /* all rows together */
    WHOLE    /* cannot be computed in part */
} form;

typedef enum mode { ALL, SLICE, USED } mode;

typedef struct leaf {
    char name[8];
    weft_value value;
    weft_dims dims;
    bool rows, wrt;
    double *x;  /* as bound to an F64 graph */
    float *f;   /* … to an F32 graph */
    int64_t *k; /* of an index */
} leaf;

struct op_case;

typedef struct trial {
    const struct op_case *of;
    uint64_t seed, state;
    bool big, long_axis;
    mode mode;
    int64_t from, n; /* the slice; or n rows in use */
    int64_t batch;   /* rows of the whole batch; of this graph: rows */
    int64_t rows;
    /* said by the case */
    form form;
    int64_t lead, least, macs;
    bool by_position; /* a row's result depends on where the row stands */
    bool unusable;    /* the op refuses rows used in part */
    /* the graph as opened */
    weft_graph *g;
    weft_plan *plan;
    weft_session *s;
    weft_value y, count;
    leaf leaf[MOST_LEAVES];
    int leaves, wrt[MOST_LEAVES], wrts, cotangent; /* numbers of leaves */
    int outputs;                                   /* y, its gradients, the second gradients */
    weft_value output[MOST_OUTPUTS];
    weft_tensor got[MOST_OUTPUTS];
} trial;

typedef struct op_case {
    const char *row; /* of the op table */
    weft_value (*build)(trial *);
    int form;
    weft_value (*unary)(weft_graph *, weft_value);
    weft_value (*binary)(weft_graph *, weft_value, weft_value);
    law law;
    double tolerance; /* of f32, relative to the largest element; 0: 2e-6 */
} op_case;

static inline uint64_t scramble(uint64_t x)
{
    x += 0x9E3779B97F4A7C15u;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}

static inline int64_t below(trial *t, int64_t n)
{
    return (int64_t)((t->state = scramble(t->state)) >> 33) % n;
}

static inline _Noreturn void broken(const trial *t, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    fail_msg("%s, seed %llu, mode %d, rows %lld of %lld: %s", t->of->row, (unsigned long long)t->seed, (int)t->mode,
             (long long)t->n, (long long)t->batch, text);
    abort();
}

/* ---- operands ---- */

/* A size of an inner axis: 1, 2, 3, odd ones, one 37 a case, sometimes 0. */
static inline int64_t size_from(trial *t, int64_t least)
{
    static const int64_t some[] = {1, 2, 3, 4, 5, 7, 37};
    int64_t pick = below(t, 24);
    if (pick == 0 && least == 0)
        return 0;
    int64_t size = some[pick % 7];
    if (t->big)
        return 3;
    if (size == 37 && t->long_axis)
        size = 3;
    t->long_axis |= size == 37;
    return size < least ? least : size;
}

/* The rows of this graph: all of the batch's, or those of the slice. */
static inline int64_t rows_from(trial *t, int64_t least)
{
    t->batch = t->big ? 401 : size_from(t, least);
    return t->rows = t->mode == SLICE ? t->n : t->batch;
}

/* [rows, …]: a shape of `rank` axes, the outermost one the batch. */
static inline weft_dims batch_dims(trial *t, int rank)
{
    weft_dims dims = {.rank = rank};
    dims.size[0] = rows_from(t, 0);
    for (int i = 1; i < rank; i++)
        dims.size[i] = t->big && i == rank - 1 ? 67 : size_from(t, 0);
    return dims;
}

static inline double number(uint64_t seed, int leaf_number, law kind, int64_t place)
{
    uint64_t h = scramble(scramble(seed * 64 + (uint64_t)leaf_number) + (uint64_t)place);
    double u = (double)(h >> 44) / 1048576.0; /* 20 bits */
    switch (kind) {
    case POSITIVE:
        return 0.5 + 2 * u;
    case AWAY:
        return (h & 1 ? -1 : 1) * (0.25 + 2 * u);
    case EVEN:
        return floor(16 * u - 8) * 0.25;
    case ODD:
        return floor(16 * u - 8) * 0.25 + 0.125;
    case DISTINCT:
        return (double)((uint64_t)place * 6007 % 16411) * 0.0078125 - 64;
    case BIT:
        return (double)(h & 1);
    default:
        return 4 * u - 2;
    }
}

static inline leaf *new_leaf(trial *t, weft_dims dims, int flags)
{
    assert_true(t->leaves < MOST_LEAVES);
    leaf *l = &t->leaf[t->leaves];
    memset(l, 0, sizeof *l);
    snprintf(l->name, sizeof l->name, "x%d", t->leaves++);
    l->dims = dims;
    l->rows = flags & ROWS;
    l->wrt = !(flags & FIXED);
    return l;
}

static inline weft_value in_use(trial *t, weft_value v, bool rows)
{
    if (t->mode != USED || !rows)
        return v;
    if (!t->count.id)
        t->count = weft_count_input(t->g, "rows", t->batch);
    return weft_used(t->g, v, t->count);
}

/* Elements [at, at + count) of leaf l; NaN from `used` on. */
static inline void fill(trial *t, leaf *l, law kind, int64_t at, int64_t used)
{
    int64_t count = weft_dims_count(l->dims);
    assert_true(count >= 0);
    l->x = malloc((size_t)(count + 1) * sizeof *l->x);
    l->f = malloc((size_t)(count + 1) * sizeof *l->f);
    for (int64_t i = 0; i < count; i++) {
        l->x[i] = i < used ? number(t->seed, (int)(l - t->leaf), kind, at + i) : NAN;
        l->f[i] = (float)l->x[i];
    }
}

static inline weft_value operand(trial *t, weft_dims dims, law kind, int flags)
{
    leaf *l = new_leaf(t, dims, flags);
    int64_t row = dims.rank ? weft_dims_product(dims, 1, dims.rank) : 1;
    fill(t, l, kind, l->rows && t->mode == SLICE ? t->from * row : 0, l->rows && t->mode == USED ? t->n * row : INT64_MAX);
    l->value = weft_input(t->g, l->name, weft_graph_dtype(t->g), dims);
    return in_use(t, l->value, l->rows);
}

/* Numbers below `limit` that point into `rows` rows. */
static inline weft_value index_operand(trial *t, weft_dims dims, int64_t rows, int64_t limit, int flags)
{
    leaf *l = new_leaf(t, dims, flags | FIXED);
    int64_t count = weft_dims_count(dims), at = 0;
    if (l->rows && t->mode == SLICE)
        at = t->from * weft_dims_product(dims, 1, dims.rank);
    l->k = malloc((size_t)(count + 1) * sizeof *l->k);
    for (int64_t i = 0; i < count; i++)
        l->k[i] = (int64_t)(scramble(scramble(t->seed * 64 + (uint64_t)(t->leaves - 1)) + (uint64_t)(at + i)) % (uint64_t)limit);
    l->value = weft_index(t->g, l->name, dims, rows);
    return in_use(t, l->value, l->rows);
}

/* ---- opening, running, closing ---- */

static inline void check(const trial *t, weft_status status)
{
    if (status != WEFT_OK)
        broken(t, "%s", weft_error());
}

static inline void bind_all(trial *t)
{
    for (int i = 0; i < t->leaves; i++) {
        leaf *l = &t->leaf[i];
        bool f64 = weft_graph_dtype(t->g) == WEFT_F64;
        check(t, weft_bind(t->s, l->name,
                           (weft_tensor){l->k  ? (void *)l->k
                                         : f64 ? (void *)l->x
                                               : (void *)l->f,
                                         l->k  ? WEFT_I64
                                         : f64 ? WEFT_F64
                                               : WEFT_F32,
                                         l->dims}));
    }
}

static inline void add_cotangent(trial *t)
{
    weft_dims dims = weft_shape(t->g, t->y);
    int64_t count = weft_dims_count(dims), each = t->form == ROWWISE && t->rows ? (count - t->lead) / t->rows : 0;
    leaf *l = new_leaf(t, dims, 0);
    t->cotangent = t->leaves - 1;
    fill(t, l, ANY, t->mode == SLICE ? t->from * each : 0,
         t->mode == USED && t->form == ROWWISE ? t->lead + t->n * each : INT64_MAX);
    l->value = weft_input(t->g, l->name, weft_graph_dtype(t->g), dims);
}

static inline void add_gradients(trial *t, bool second)
{
    weft_graph *g = t->g;
    weft_value of[MOST_LEAVES], z = {0};
    t->wrts = 0;
    for (int i = 0; i < t->leaves; i++)
        if (t->leaf[i].wrt && i != t->cotangent) {
            of[t->wrts] = t->leaf[i].value;
            t->wrt[t->wrts++] = i;
        }
    check(t, weft_gradient(g, t->y, t->leaf[t->cotangent].value, of, t->wrts, t->output + 1));
    t->outputs = 1 + t->wrts;
    if (!second)
        return;
    for (int i = 0; i < t->wrts; i++) { /* z = Σ gradient · weights */
        leaf *l = new_leaf(t, t->leaf[t->wrt[i]].dims, FIXED);
        fill(t, l, ANY, 0, INT64_MAX);
        l->value = weft_input(g, l->name, weft_graph_dtype(g), l->dims);
        weft_value part = weft_sum_all(g, weft_mul(g, t->output[1 + i], l->value));
        z = z.id ? weft_add(g, z, part) : part;
    }
    of[t->wrts] = t->leaf[t->cotangent].value;
    t->wrt[t->wrts] = t->cotangent;
    if (z.id)
        check(t, weft_gradient(g, z, (weft_value){0}, of, t->wrts + 1, t->output + t->outputs));
    t->outputs += z.id ? t->wrts + 1 : 0;
}

static inline void open_trial(trial *t, weft_engine *engine, weft_dtype dtype, bool second)
{
    t->state = scramble(t->seed);
    t->long_axis = false;
    t->leaves = 0;
    t->form = (form)t->of->form;
    t->lead = t->least = t->macs = 0;
    t->by_position = t->unusable = false;
    t->count = (weft_value){0};
    t->g = weft_graph_new(dtype);
    t->y = t->of->build(t);
    check(t, weft_graph_status(t->g));
    weft_cost cost;
    check(t, weft_count(t->g, &t->y, 1, &cost));
    if (t->mode != USED && cost.macs != t->macs)
        broken(t, "%lld multiply-adds counted, %lld expected", (long long)cost.macs, (long long)t->macs);
    t->output[0] = t->y;
    add_cotangent(t);
    add_gradients(t, second);
    check(t, weft_compile(engine, t->g, NULL, 0, t->output, t->outputs, &t->plan));
    check(t, weft_session_new(t->plan, NULL, 0, &t->s));
    bind_all(t);
    if (t->count.id)
        check(t, weft_set(t->s, "rows", t->mode == USED ? t->n : t->rows));
    weft_seed(t->s, 7, 3);
}

/* Runs with memory that holds `byte` everywhere: 255 makes NaN of every number. */
static inline void run_trial(trial *t, int byte)
{
    memset(t->s->arena, byte, t->plan->arena_bytes);
    for (int i = 0; i < weft_engine_threads(t->plan->engine); i++)
        memset(t->s->run.scratch[i], byte, t->plan->scratch_bytes);
    check(t, weft_run(t->s));
    for (int i = 0; i < t->outputs; i++)
        check(t, weft_fetch_value(t->s, t->output[i], &t->got[i]));
}

static inline void close_trial(trial *t)
{
    for (int i = 0; i < t->leaves; i++) {
        free(t->leaf[i].x);
        free(t->leaf[i].f);
        free(t->leaf[i].k);
    }
    weft_session_free(t->s);
    weft_plan_free(t->plan);
    weft_graph_free(t->g);
}

static inline double got_at(const trial *t, int output, int64_t i)
{
    weft_tensor x = t->got[output];
    return x.dtype == WEFT_F64 ? ((const double *)x.data)[i] : (double)((const float *)x.data)[i];
}

static inline int64_t got_count(const trial *t, int output)
{
    return weft_dims_count(t->got[output].dims);
}

#endif
