/* Attention: the gradient. With p the weights, d = dy · vᵀ and D = Σ y dy a query: ds = p (d − D); dq, dk, dv are products of
 * these (arXiv 2205.14135, algorithm 4). Key blocks from the first to the last, and in each the queries from the first to the
 * last: the sums over queries stay in that order. */
#ifndef WEFT_KERNELS_ATTENTION_GRADIENT_H
#define WEFT_KERNELS_ATTENTION_GRADIENT_H

#include "kernels/level/attention_block.h"

typedef struct gradient_scratch {
    real *keys, *values, *key_rows; /* of the block: across keys, across keys, along keys */
    real *q, *dy, *p, *d, *slope, *dq, *dk, *dv;
    size_t bytes;
} gradient_scratch;

static gradient_scratch gradient_layout(const weft_attention_task *t, void *memory)
{
    gradient_scratch s = {0};
    const int64_t head = padded(t->head), value = padded(t->value);
    TAKE(s, memory, keys, BLOCK * t->head);
    TAKE(s, memory, values, BLOCK * t->value);
    TAKE(s, memory, key_rows, BLOCK * head);
    TAKE(s, memory, q, ROW_BLOCK * head);
    TAKE(s, memory, dy, ROW_BLOCK * value);
    TAKE(s, memory, p, ROW_BLOCK * SCORES);
    TAKE(s, memory, d, ROW_BLOCK * SCORES);
    TAKE(s, memory, slope, ROW_BLOCK * SCORES);
    TAKE(s, memory, dq, ROW_BLOCK * head);
    TAKE(s, memory, dk, BLOCK * head);
    TAKE(s, memory, dv, BLOCK * value);
    return s;
}

/* p = exp(score − log sum) and d = p (d − D), times the slopes of cap and scale. */
static void weigh(const weft_attention_task *t, int64_t g, int64_t i, const key_block *b, real *p, real *d, const real *slope)
{
    const int64_t wide = padded(b->to - b->from);
    const real *y = (const real *)t->y + i * t->y_token + g * t->y_head,
               *dy = (const real *)t->dy + i * t->y_token + g * t->y_head;
    double D = 0;
    for (int64_t j = 0; j < t->value; j++)
        D += (double)y[j] * (double)dy[j];
    const vec log_sum = splat(((const real *)t->log_sum)[g * t->m + i]), inner = splat((real)D), scale = splat((real)t->scale);
    for (int64_t j = 0; j < wide; j += LANES) {
        const vec w = exp_(load(p + j) - log_sum), ds = w * (load(d + j) - inner);
        store(p + j, w);
        store(d + j, ds);
    }
    if (t->dbias)
        memcpy((real *)t->dbias + (g * t->m + i) * t->n + b->from, d, (size_t)(b->to - b->from) * sizeof *d);
    for (int64_t j = 0; j < wide && t->cap > 0; j += LANES)
        store(d + j, load(d + j) * load(slope + j));
    for (int64_t j = 0; j < wide; j += LANES)
        store(d + j, load(d + j) * scale);
}

/* What bf16 products multiplied in the forward: the gradient is that of these numbers, and computed in f32. */
static void round_factors(const weft_attention_task *t, real *x, int64_t count)
{
#if WEFT_REAL_BITS == 32
    for (int64_t i = 0; i < count && t->bf16; i++) {
        uint32_t bits;
        memcpy(&bits, x + i, sizeof bits);
        bits = (bits & 0x7fffffff) > 0x7f800000 ? bits : (bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000;
        memcpy(x + i, &bits, sizeof bits);
    }
#else
    (void)t, (void)x, (void)count;
#endif
}

/* Queries i0 … i1 of head g of the group against block `of`; what they add to the block's keys and values, and to themselves. */
static void gradient_rows(const weft_attention_task *t, int64_t g, int64_t i0, int64_t i1, const key_block *of,
                          const gradient_scratch *s)
{
    key_block b = block_of(t, i0, i1, of->first);
    if (b.to > of->to)
        b.to = of->to;
    if (b.from < of->from)
        b.from = of->from;
    if (b.to <= b.from)
        return;
    const int64_t rows = i1 - i0, count = b.to - b.from, skip = b.from - of->from, along = of->to - of->from;
    const int64_t head = padded(t->head), value = padded(t->value);
    copy_rows(rows, t->head, (const real *)t->q + i0 * t->q_token + g * t->q_head, t->q_token, s->q, head);
    round_factors(t, s->q, rows * head);
    copy_rows(rows, t->value, (const real *)t->dy + i0 * t->y_token + g * t->y_head, t->y_token, s->dy, value);
    product(REAL_ELEMENT, rows, count, t->head, GEMM_BY_ROWS, s->q, head, s->keys + skip * t->head, t->head, WIDEST, s->p, SCORES,
            false);
    product(REAL_ELEMENT, rows, count, t->value, GEMM_BY_ROWS, s->dy, value, s->values + skip * t->value, t->value, WIDEST, s->d,
            SCORES, false);
    for (int64_t r = 0; r < rows; r++) {
        real *p = s->p + r * SCORES, *d = s->d + r * SCORES, *slope = s->slope + r * SCORES;
        finish_scores(t, g, i0 + r, &b, p, slope);
        weigh(t, g, i0 + r, &b, p, d, slope);
    }
    product(REAL_ELEMENT, rows, t->head, count, GEMM_BY_ROWS, s->d, SCORES, s->key_rows + skip * WIDEST, along, WIDEST, s->dq,
            head, false);
    for (int64_t r = 0; r < rows; r++) {
        real *dq = (real *)t->dq + (i0 + r) * t->q_token + g * t->q_head;
        for (int64_t j = 0; j < t->head; j++)
            dq[j] += s->dq[r * head + j];
    }
    product(REAL_ELEMENT, count, t->head, rows, GEMM_BY_COLUMNS, s->d, SCORES, s->q, 1, head, s->dk + skip * head, head, true);
    product(REAL_ELEMENT, count, t->value, rows, GEMM_BY_COLUMNS, s->p, SCORES, s->dy, 1, value, s->dv + skip * value, value,
            true);
}

static void clear_rows(int64_t rows, int64_t size, real *x, int64_t token)
{
    for (int64_t i = 0; i < rows; i++)
        memset(x + i * token, 0, (size_t)size * sizeof *x);
}

static void gradient(const weft_attention_task *t, void *scratch)
{
    const gradient_scratch s = gradient_layout(t, scratch);
    const int64_t head = padded(t->head), value = padded(t->value);
    for (int64_t g = 0; g < t->group; g++)
        clear_rows(t->m, t->head, (real *)t->dq + g * t->q_head, t->q_token);
    if (t->dbias)
        memset(t->dbias, 0, (size_t)(t->group * t->m * t->n) * sizeof(real));
    for (int64_t first = 0; first < t->n; first += BLOCK) {
        const int64_t end = first + BLOCK < t->n ? first + BLOCK : t->n;
        const key_block b = block_of(t, 0, t->m, first);
        clear_rows(end - first, t->head, (real *)t->dk + first * t->k_token, t->k_token);
        clear_rows(end - first, t->value, (real *)t->dv + first * t->v_token, t->v_token);
        if (b.to <= b.from)
            continue;
        const int64_t count = b.to - b.from;
        pack_across_keys(REAL_ELEMENT, t->k, t->k_dtype, t->k_token, t->head, b.from, b.to, s.keys);
        pack_across_keys(REAL_ELEMENT, t->v, t->v_dtype, t->v_token, t->value, b.from, b.to, s.values);
        pack_along_keys(REAL_ELEMENT, t->k, t->k_dtype, t->k_token, t->head, b.from, b.to, s.key_rows);
        round_factors(t, s.keys, padded(count) * t->head);
        round_factors(t, s.values, padded(count) * t->value);
        round_factors(t, s.key_rows, count * head);
        memset(s.dk, 0, (size_t)(count * head) * sizeof(real));
        memset(s.dv, 0, (size_t)(count * value) * sizeof(real));
        for (int64_t g = 0; g < t->group; g++)
            for (int64_t i = 0; i < t->m; i += ROW_BLOCK)
                gradient_rows(t, g, i, i + ROW_BLOCK < t->m ? i + ROW_BLOCK : t->m, &b, &s);
        for (int64_t j = 0; j < count; j++) {
            memcpy((real *)t->dk + (b.from + j) * t->k_token, s.dk + j * head, (size_t)t->head * sizeof(real));
            memcpy((real *)t->dv + (b.from + j) * t->v_token, s.dv + j * value, (size_t)t->value * sizeof(real));
        }
    }
}

static size_t scratch_bytes(const weft_attention_task *t, bool grad)
{
    return grad ? gradient_layout(t, NULL).bytes : forward_layout(t, NULL).bytes;
}

#endif
