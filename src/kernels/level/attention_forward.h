/* Attention: the forward kernel. */
#ifndef WEFT_KERNELS_ATTENTION_FORWARD_H
#define WEFT_KERNELS_ATTENTION_FORWARD_H

#include "kernels/level/attention_few.h"

/* What a query's blocks have given so far: the largest score, and Σ exp(score − top). */
typedef struct row_state {
    double top, sum;
} row_state;

enum { MOST_ROWS = 1024 }; /* of a call: the queries of one key head that have a row_state */

typedef struct forward_scratch {
    real *keys, *values, *q, *scores, *sums;
    row_state *state;
    size_t bytes;
} forward_scratch;

static forward_scratch forward_layout(const weft_attention_task *t, void *memory)
{
    forward_scratch s = {0};
    TAKE(s, memory, keys, BLOCK * t->head);
    TAKE(s, memory, values, BLOCK * padded(t->value));
    TAKE(s, memory, q, ROW_BLOCK * t->head);
    TAKE(s, memory, scores, ROW_BLOCK * SCORES);
    TAKE(s, memory, sums, ROW_BLOCK * padded(t->value));
    TAKE(s, memory, state, MOST_ROWS);
    return s;
}

/* The largest of a row of scores; −infinity when the block shows nothing to the query. */
static real largest(int64_t wide, const real *s)
{
    vec m = splat(-(real)INFINITY);
    for (int64_t j = 0; j < wide; j += LANES)
        m = max_(load(s + j), m);
    real top = max_of(m);
    for (int64_t j = 0; j < wide && top == -(real)INFINITY; j++)
        if (s[j] != s[j]) /* the largest of numbers passes NaN over */
            top = s[j];
    return top;
}

/* exp(score − top) in place; answers their sum. */
static double exponentials(int64_t wide, real *s, real top)
{
    vd acc[PARTS];
    for (int p = 0; p < PARTS; p++)
        acc[p] = splat_d(0);
    for (int64_t j = 0; j < wide; j += LANES) {
        const vec e = exp_(load(s + j) - splat(top));
        vd part[PARTS];
        store(s + j, e);
        widen_vec(e, part);
        for (int p = 0; p < PARTS; p++)
            acc[p] += part[p];
    }
    for (int p = 1; p < PARTS; p++)
        acc[0] += acc[p];
    return sum_d(acc[0]);
}

#if WEFT_REAL_BITS == 32
/* The sum of lanes, carried in double. */
static double sum_wide(vec x)
{
    vd part[PARTS];
    widen_vec(x, part);
    for (int p = 1; p < PARTS; p++)
        part[0] += part[p];
    return sum_d(part[0]);
}
#endif

/* The same for weights that are rounded to bf16: to an accuracy far beyond theirs, in half the time. */
static double rough_exponentials(int64_t wide, real *s, real top)
{
#if WEFT_REAL_BITS == 32
    vec sum = splat(0);
    for (int64_t j = 0; j < wide; j += LANES) {
        const vec e = exp_roughly(load(s + j) - splat(top));
        store(s + j, e);
        sum += e; /* of a block's keys: few enough */
    }
    return sum_wide(sum);
#else
    return exponentials(wide, s, top);
#endif
}

/* The same, and the weights as pairs for the second product, packed over the scores they come from. */
#if WEFT_REAL_BITS == 32 && defined(WEFT_LEVEL_v4)
__attribute__((target("avx512bf16"))) static double exponential_pairs(int64_t wide, real *s, real top)
{
    vec sum = splat(0);
    for (int64_t j = 0; j < wide; j += 2 * LANES) {
        const vec first = exp_roughly(load(s + j) - splat(top)), second = exp_roughly(load(s + j + LANES) - splat(top));
        sum += first;
        sum += second;
        _mm512_storeu_si512(s + j / 2, (__m512i)_mm512_cvtne2ps_pbh((__m512)second, (__m512)first));
    }
    return sum_wide(sum);
}
#else
static double exponential_pairs(int64_t wide, real *s, real top)
{
    (void)wide, (void)s, (void)top;
    return 0; /* there are no pairs at this level */
}
#endif

/* y = y · old + sums · new, or y = sums for a query's first block. */
static void join(int64_t size, real *y, const real *sums, double old, double new)
{
    const vec a = splat((real)old), b = splat((real) new);
    for (int64_t i = 0; i < size; i += LANES)
        store_rest(y, mad(load_rest(sums, i, size), b, load_rest(y, i, size) * a), i, size);
}

/* A block's values as the tiles read them: packed, or where they stand when few queries read them and whole panels are exact. */
typedef struct value_block {
    const real *first; /* of key of->from */
    int64_t column, step;
} value_block;

static bool values_stand(const weft_attention_task *t, int64_t rows)
{
    const int64_t rest = t->value % WIDEST, narrowest = WIDEST >> (TILES.widths - 1);
    return element_of(t) == REAL_ELEMENT && rows <= GEMM_TALLEST && t->v_dtype == REAL_DTYPE &&
           (rest == 0 || rest == WIDEST / 2 || rest == narrowest);
}

/* Rows r0 … r1 of the call's (query, head of the group) pairs against block b. */
static void forward_rows(const weft_attention_task *t, int64_t query0, int64_t r0, int64_t r1, const key_block *of,
                         const value_block *v, const forward_scratch *s)
{
    const int64_t group = t->group, rows = r1 - r0;
    key_block b = block_of(t, query0 + r0 / group, query0 + (r1 - 1) / group + 1, of->first);
    if (b.to > of->to)
        b.to = of->to;
    if (b.from < of->from)
        b.from = of->from;
    if (b.to <= b.from)
        return;
    const gemm_element kind = element_of(t);
    const int64_t count = b.to - b.from, wide = padded(count), values = padded(t->value), skip = b.from - of->from;
    const int64_t head = steps_of(kind, t->head);
    for (int64_t r = r0; r < r1; r++)
        pack_row(kind, (const real *)t->q + (query0 + r / group) * t->q_token + r % group * t->q_head, t->head,
                 s->q + (r - r0) * head);
    if (few_queries(t, rows))
        few_scores(t, rows, s->q, b.from, count, s->keys, s->scores);
    else
        product(kind, rows, count, head, GEMM_BY_ROWS, s->q, head, s->keys + skip * head, head, WIDEST, s->scores, SCORES, false);
    real top[ROW_BLOCK];
    double sum[ROW_BLOCK];
    for (int64_t r = 0; r < rows; r++) {
        real *row = s->scores + r * SCORES;
        finish_scores(t, (r0 + r) % group, query0 + (r0 + r) / group, &b, row, NULL);
        top[r] = largest(wide, row);
        if (top[r] == -(real)INFINITY)
            memset(row, 0, (size_t)wide * sizeof *row);
        else if (kind == REAL_ELEMENT)
            sum[r] = exponentials(wide, row, top[r]);
        else if (kind == GEMM_PAIRS)
            sum[r] = exponential_pairs(wide, row, top[r]);
        else {
            sum[r] = rough_exponentials(wide, row, top[r]);
            pack_row(kind, row, count, row);
        }
    }
    product(kind, rows, t->value, steps_of(kind, count), GEMM_BY_ROWS, s->scores, SCORES,
            v->first + steps_of(kind, skip) * v->step, v->column, v->step, s->sums, values, false);
    for (int64_t r = 0; r < rows; r++) {
        row_state *state = &s->state[r0 + r];
        real *y = (real *)t->y + (query0 + (r0 + r) / group) * t->y_token + (r0 + r) % group * t->y_head;
        if (top[r] == -(real)INFINITY)
            continue;
        if (state->sum == 0) {
            memcpy(y, s->sums + r * values, (size_t)t->value * sizeof(real));
            *state = (row_state){top[r], sum[r]};
            continue;
        }
        const double most = top[r] > state->top ? top[r] : state->top, old = exp(state->top - most), new = exp(top[r] - most);
        join(t->value, y, s->sums + r * values, old, new);
        *state = (row_state){most, state->sum * old + sum[r] * new};
    }
}

/* Asks for rows r0 … r1 of the queries: they stand too far apart for the processor to foresee the next. */
static void expect_queries(const weft_attention_task *t, int64_t query0, int64_t r0, int64_t r1)
{
    for (int64_t r = r0; r < r1; r++) {
        const real *q = (const real *)t->q + (query0 + r / t->group) * t->q_token + r % t->group * t->q_head;
        for (int64_t i = 0; i < t->head; i += 64 / (int64_t)sizeof *q)
            __builtin_prefetch(q + i, 0, 2);
    }
}

/* Some queries, few enough for their states. */
static void forward_some(const weft_attention_task *t, int64_t query0, int64_t query1, const forward_scratch *s)
{
    const int64_t rows = (query1 - query0) * t->group;
    memset(s->state, 0, (size_t)rows * sizeof *s->state);
    for (int64_t first = 0; first < t->n; first += BLOCK) {
        const key_block b = block_of(t, query0, query1, first);
        if (b.to <= b.from)
            continue;
        const gemm_element kind = element_of(t);
        if (!few_queries(t, rows))
            pack_across_keys(kind, t->k, t->k_dtype, t->k_token, t->head, b.from, b.to, s->keys);
        value_block v = {s->values, steps_of(kind, b.to - b.from), WIDEST};
        if (values_stand(t, rows))
            v = (value_block){(const real *)t->v + b.from * t->v_token, 1, t->v_token};
        else
            pack_along_keys(kind, t->v, t->v_dtype, t->v_token, t->value, b.from, b.to, s->values);
        for (int64_t r = 0, end; r < rows; r = end) {
            end = r + ROW_BLOCK < rows ? r + ROW_BLOCK : rows;
            expect_queries(t, query0, end, end + ROW_BLOCK < rows ? end + ROW_BLOCK : rows);
            forward_rows(t, query0, r, end, &b, &v, s);
        }
    }
    for (int64_t r = 0; r < rows; r++) {
        const int64_t i = query0 + r / t->group, g = r % t->group;
        const row_state state = s->state[r];
        real *y = (real *)t->y + i * t->y_token + g * t->y_head;
        const vec scale = splat((real)(1 / state.sum));
        if (state.sum == 0)
            memset(y, 0, (size_t)t->value * sizeof *y);
        for (int64_t j = 0; j < t->value && state.sum != 0; j += LANES)
            store_rest(y, load_rest(y, j, t->value) * scale, j, t->value);
        if (t->log_sum)
            ((real *)t->log_sum)[g * t->m + i] = state.sum != 0 ? (real)(state.top + log(state.sum)) : 0;
    }
}

static void forward(const weft_attention_task *t, int64_t query0, int64_t query1, void *scratch)
{
    const forward_scratch s = forward_layout(t, scratch);
    const int64_t each = t->group < MOST_ROWS ? MOST_ROWS / t->group : 1;
    for (int64_t q = query0; q < query1; q += each)
        forward_some(t, q, q + each < query1 ? q + each : query1, &s);
}

#endif
