/* Attention from inside: its operands, and which keys a query sees. Shared by the op, its mask and its kernels' steps. */
#ifndef WEFT_GRAPH_ATTENTION_H
#define WEFT_GRAPH_ATTENTION_H

#include "graph/graph.h"
#include "graph/planner.h"

/* What an attention or its mask is given, attributes.i[0]; the bits from FROM_START on have an operand each, in this order.
 * attributes.i[1] is the window. */
enum {
    WEFT_SEES_FROM_START = 1, /* start: a count, or [batch] */
    WEFT_SEES_USED = 2,       /* used: a count, or [batch] */
    WEFT_SEES_SEGMENTS = 4,   /* [batch, tokens] */
    WEFT_SEES_KEY_MASK = 8,   /* [batch, n] */
    WEFT_SEES_BACK = 16       /* causal: no operand */
};

/* Which of the operands that `given` names `which` is; -1: none. */
int weft_attention_operand(int64_t given, int which);

bool weft_attention_check_sight(weft_graph *g, const weft_node *n, int first, int64_t batch, int64_t m, int64_t keys);

typedef struct weft_attention_parts {
    weft_value q, k, v, bias;
    weft_value sight[4];
    int sight_count;
    int64_t given, window;
    double scale, cap;
} weft_attention_parts;

/* The result from simpler ops; name NULL or the name under which scores and probabilities can be asked for. */
weft_value weft_attention_lowered(weft_graph *g, const weft_attention_parts *parts, const char *name);

/* What the queries of one batch item see. */
typedef struct weft_sight {
    int64_t start, used, window; /* position of query 0; keys from `used` on are hidden; 0: no window */
    bool back;                   /* keys behind a query are hidden */
    const int64_t *segments;     /* [n] of this item, or NULL */
    const void *mask;            /* [n] of this item, 0 hides, or NULL */
    bool mask_f64;
} weft_sight;

/* Operands from in[first] on. */
static inline weft_sight weft_sight_of(const weft_step *s, const weft_run_state *run, int first, int64_t item, int64_t m,
                                       int64_t n)
{
    const int64_t given = s->attributes.i[0];
    weft_sight sight = {.start = n - m, .used = n, .window = s->attributes.i[1], .back = given & WEFT_SEES_BACK};
    if (given & WEFT_SEES_FROM_START)
        sight.start = weft_position(run, &s->in[first + weft_attention_operand(given, WEFT_SEES_FROM_START)], item);
    if (given & WEFT_SEES_USED)
        sight.used = weft_position(run, &s->in[first + weft_attention_operand(given, WEFT_SEES_USED)], item);
    if (sight.used > n)
        sight.used = n;
    if (given & WEFT_SEES_SEGMENTS)
        sight.segments =
            (const int64_t *)weft_at(run, &s->in[first + weft_attention_operand(given, WEFT_SEES_SEGMENTS)]) + item * n;
    if (given & WEFT_SEES_KEY_MASK) {
        const weft_slot *mask = &s->in[first + weft_attention_operand(given, WEFT_SEES_KEY_MASK)];
        sight.mask_f64 = mask->dtype == WEFT_F64;
        sight.mask = (const char *)weft_at(run, mask) + (size_t)(item * n) * weft_dtype_size(mask->dtype);
    }
    return sight;
}

/* Keys [*from, *to) are those that query i may see. */
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
        *to = *from;
}

/* Whether query i sees key j of the range. */
static inline bool weft_sees(const weft_sight *s, int64_t i, int64_t j)
{
    int64_t from, to;
    weft_sight_range(s, i, &from, &to);
    return j >= from && j < to && (!s->segments || s->segments[j] == s->segments[i]) &&
           (!s->mask || (s->mask_f64 ? ((const double *)s->mask)[j] != 0 : ((const float *)s->mask)[j] != 0));
}

#endif
