/* Losses: means over rows, made of ops. */
#include "weft/nn.h"

#include "graph/graph.h"

weft_value weft_mse(weft_graph *g, weft_value prediction, weft_value target)
{
    return weft_mean_all(g, weft_square(g, weft_sub(g, prediction, target)));
}

weft_value weft_bce_logits(weft_graph *g, weft_value logit, weft_value target)
{
    /* log(1 + e^z) − z y, the stable form inside softplus */
    return weft_mean_all(g, weft_sub(g, weft_softplus(g, logit), weft_mul(g, logit, target)));
}

weft_value weft_cross_entropy(weft_graph *g, weft_value logits, weft_value classes)
{
    return weft_neg(g, weft_mean_all(g, weft_pick(g, weft_log_softmax(g, logits), classes)));
}

weft_value weft_huber(weft_graph *g, weft_value prediction, weft_value target, double delta)
{
    /* c (|u| − c/2) with c = min(|u|, δ): u²/2 inside, δ |u| − δ²/2 outside */
    weft_value u = weft_abs(g, weft_sub(g, prediction, target));
    weft_value c = weft_minimum(g, u, weft_constant(g, delta, SCALAR));
    return weft_mean_all(g, weft_mul(g, c, weft_sub(g, u, weft_scale(g, c, 0.5))));
}
