/* Attention from inside: its operands, and which keys a query sees. Shared by the op, its mask and its kernels' steps. */
#ifndef WEFT_GRAPH_ATTENTION_H
#define WEFT_GRAPH_ATTENTION_H

#include "graph/graph.h"
#include "graph/planner.h"
#include "kernels/attention.h"

/* What an attention or its mask is given, attributes.i[0]; the bits from FROM_START on have an operand each, in this order.
 * attributes.i[1] is the window. */
enum {
    WEFT_SEES_FROM_START = 1, /* start: a count, or [batch] */
    WEFT_SEES_USED = 2,       /* used: a count, or [batch] */
    WEFT_SEES_SEGMENTS = 4,   /* [batch, tokens] */
    WEFT_SEES_KEY_MASK = 8,   /* [batch, n] */
    WEFT_SEES_BACK = 16,      /* causal: no operand */
    WEFT_HAS_BIAS = 32        /* attention has the operand before these */
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

/* What the queries of one batch item see; operands from in[first] on. */
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
        sight.mask = (const char *)weft_at(run, mask) + (size_t)(item * n) * weft_dtype_size(mask->dtype);
    }
    return sight;
}

#endif
