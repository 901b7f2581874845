/* Attention with its scores written out, and the moves between tokens and heads. */
#include "weft/nn.h"

#include <math.h>

#include "graph/graph.h"

weft_value weft_heads(weft_graph *g, weft_value x, int heads)
{
    if (!weft_check(g, "heads", x))
        return (weft_value){0};
    weft_dims d = weft_shape(g, x);
    if (d.rank != 3 || heads < 1 || d.size[2] % heads != 0) {
        char text[WEFT_DIMS_TEXT];
        weft_poison(g, "heads: %s does not divide into %d heads", weft_dims_text(d, text), heads);
        return (weft_value){0};
    }
    weft_value y = weft_reshape(g, x, DIMS(d.size[0], d.size[1], heads, d.size[2] / heads));
    return weft_permute(g, y, (int[]){0, 2, 1, 3});
}

weft_value weft_merge_heads(weft_graph *g, weft_value x)
{
    if (!weft_check(g, "merge_heads", x))
        return (weft_value){0};
    weft_dims d = weft_shape(g, x);
    if (d.rank != 4) {
        weft_poison(g, "merge_heads: needs [batch, heads, tokens, head]");
        return (weft_value){0};
    }
    weft_value y = weft_permute(g, x, (int[]){0, 2, 1, 3});
    return weft_reshape(g, y, DIMS(d.size[0], d.size[2], d.size[1] * d.size[3]));
}

/* 0 where query i sees key j, −1e30 elsewhere: [m, n] */
static weft_value causal_bias(weft_graph *g, int64_t m, int64_t n)
{
    weft_value row = weft_reshape(g, weft_shift(g, weft_iota(g, m), (double)(n - m)), DIMS(m, 1));
    weft_value column = weft_reshape(g, weft_iota(g, n), DIMS(1, n));
    weft_value hidden = weft_less(g, weft_broadcast(g, row, DIMS(m, n)), weft_broadcast(g, column, DIMS(m, n)));
    return weft_scale(g, hidden, -1e30);
}

weft_value weft_attend(weft_graph *g, weft_value q, weft_value k, weft_value v, weft_value bias, bool causal, double scale)
{
    if (!weft_check(g, "attend", q) || !weft_check(g, "attend", k) || !weft_check(g, "attend", v))
        return (weft_value){0};
    weft_dims dq = weft_shape(g, q), dk = weft_shape(g, k);
    if (dq.rank != 4 || dk.rank != 4) {
        weft_poison(g, "attend: needs [batch, heads, tokens, head]");
        return (weft_value){0};
    }
    weft_value scores = weft_scale(g, weft_matmul_nt(g, q, k), scale != 0 ? scale : 1 / sqrt((double)dq.size[3]));
    if (bias.id)
        scores = weft_add(g, scores, bias);
    if (causal)
        scores = weft_add(g, scores, causal_bias(g, dq.size[2], dk.size[2]));
    return weft_matmul(g, weft_softmax(g, scores), v);
}
