/* Attention of one batch item and one key head: softmax(scale · Q Kᵀ) V and its gradient, the scores never in memory as a whole.
 *
 * Keys are taken in blocks of 256, counted from key 0. Of each block a query keeps the largest score, the sum of exponentials
 * and the sum of values, each added up in an order that the block's keys alone decide, and joins them block after block. So a
 * query's bits do not depend on the queries beside it, on how many there are, nor on the thread (arXiv 2205.14135 joins alike).
 * The gradient recomputes the scores from the kept logarithms of the sums. Pointers and sizes only; sources in
 * src/kernels/level/attention_*.h. */
#ifndef WEFT_KERNELS_ATTENTION_H
#define WEFT_KERNELS_ATTENTION_H

#include "weft/base.h"

/* Which keys the queries of one batch item see. */
typedef struct weft_sight {
    int64_t start, used, window; /* position of query 0; keys from `used` on are hidden; 0: no window */
    bool back;                   /* keys behind a query are hidden */
    const int64_t *segments;     /* [n] of this item: a query sees its own segment; or NULL */
    const void *mask;            /* [n] of this item in the compute type, 0 hides; or NULL */
} weft_sight;

/* Keys [*from, *to) are those that query i may see; both grow with i. */
static inline void weft_sight_range(const weft_sight *s, int64_t i, int64_t *from, int64_t *to)
{
    const int64_t position = s->start + i;
    *from = s->window && position - s->window + 1 > 0 ? position - s->window + 1 : 0;
    *to = s->used;
    if (s->back && position + 1 < *to)
        *to = position + 1;
    else if (!s->back && s->window && position + s->window < *to)
        *to = position + s->window;
    if (*to < *from)
        *from = *to;
}

/* Rows: [token][head of this key head's group][element]; strides in elements, elements dense. q, y, dy, dq in the compute type.
 */
typedef struct weft_attention_task {
    int64_t m, n, group, head, value; /* queries, keys, query heads that share the key head, sizes of a key and of a value */
    weft_sight sight;
    double scale, cap; /* cap 0: none */
    bool bf16;         /* F32 only: the factors of both products are rounded to bf16, their sums are not */
    const void *q, *k, *v;
    int64_t q_token, q_head, k_token, v_token;
    weft_dtype k_dtype, v_dtype; /* the compute type, BF16 or F16 */
    const void *bias;            /* element (head, i, j); or NULL */
    int64_t bias_head, bias_query, bias_key;
    void *y; /* of a gradient: what the forward wrote, and read */
    int64_t y_token, y_head;
    void *log_sum; /* [group][m], may be NULL when forward */
    /* gradient */
    const void *dy;     /* strides as y */
    void *dq, *dk, *dv; /* strides as q, k, v */
    void *dbias;        /* [group][m][n], or NULL */
} weft_attention_task;

enum { WEFT_ATTENTION_BLOCK = 256 };

typedef struct weft_attention_table {
    size_t (*scratch_bytes)(const weft_attention_task *, bool gradient); /* a thread, 64-byte aligned; from sizes alone */
    void (*forward)(const weft_attention_task *, int64_t query0, int64_t query1, void *scratch); /* of some queries */
    void (*gradient)(const weft_attention_task *, void *scratch);
} weft_attention_table;

extern const weft_attention_table weft_attention_f32_v2, weft_attention_f32_v3, weft_attention_f32_v4;
extern const weft_attention_table weft_attention_f64_v2, weft_attention_f64_v3, weft_attention_f64_v4;

#endif
