/* Losses: means over rows, made of ops. */
#include "weft/nn.h"

#include "graph/graph.h"

static weft_value squares(weft_graph *g, weft_value prediction, weft_value target)
{
    return weft_square(g, weft_sub(g, prediction, target));
}

/* log(1 + e^z) − z y, the stable form inside softplus */
static weft_value binary(weft_graph *g, weft_value logit, weft_value target)
{
    return weft_sub(g, weft_softplus(g, logit), weft_mul(g, logit, target));
}

weft_value weft_mse(weft_graph *g, weft_value prediction, weft_value target)
{
    return weft_mean_all(g, squares(g, prediction, target));
}

weft_value weft_bce_logits(weft_graph *g, weft_value logit, weft_value target)
{
    return weft_mean_all(g, binary(g, logit, target));
}

/* [rows, n] → [rows]. */
static weft_value row_means(weft_graph *g, weft_value v)
{
    const weft_value means = weft_mean(g, v, 1, 1);
    return means.id ? weft_reshape(g, means, DIMS(weft_shape(g, v).size[0])) : means;
}

weft_value weft_row_squares(weft_graph *g, weft_value prediction, weft_value target)
{
    return row_means(g, squares(g, prediction, target));
}

weft_value weft_row_bce_logits(weft_graph *g, weft_value logit, weft_value target)
{
    return row_means(g, binary(g, logit, target));
}

weft_value weft_cross_entropy(weft_graph *g, weft_value logits, weft_value classes)
{
    return weft_neg(g, weft_mean_all(g, weft_pick(g, weft_log_softmax(g, logits), classes)));
}

weft_value weft_row_losses(weft_graph *g, weft_value logits, weft_value labels, double smoothing)
{
    weft_value logs = weft_log_softmax(g, logits);
    weft_value losses = weft_neg(g, weft_pick(g, logs, labels));
    if (smoothing == 0 || !losses.id)
        return losses;
    weft_value all = weft_mul(g, weft_mean(g, logs, -1, -1), weft_labelled(g, labels));
    return weft_sub(g, weft_scale(g, losses, 1 - smoothing), weft_scale(g, all, smoothing));
}

weft_value weft_row_losses_from(weft_graph *g, weft_value hidden, weft_value table, weft_value bias, weft_value labels,
                                double smoothing, double cap)
{
    if (!weft_check(g, "cross_entropy", hidden) || !weft_check(g, "cross_entropy", table))
        return (weft_value){0};
    if (!weft_node_of(g, hidden)->extent.count.id)
        return weft_cross_entropy_rows(g, hidden, table, bias, labels, smoothing, cap);
    weft_value logits = weft_matmul_nt(g, hidden, table); /* rows used in part */
    if (bias.id)
        logits = weft_add(g, logits, bias);
    return weft_row_losses(g, cap > 0 ? weft_softcap(g, logits, cap) : logits, labels, smoothing);
}

weft_value weft_row_losses_soft(weft_graph *g, weft_value logits, weft_value targets)
{
    return weft_neg(g, weft_sum(g, weft_mul(g, targets, weft_log_softmax(g, logits)), -1, -1));
}

weft_value weft_mean_labelled(weft_graph *g, weft_value losses, weft_value labels)
{
    weft_value count = weft_maximum(g, weft_sum_all(g, weft_labelled(g, labels)), weft_constant(g, 1, SCALAR));
    return weft_div(g, weft_sum_all(g, losses), count);
}

weft_value weft_huber(weft_graph *g, weft_value prediction, weft_value target, double delta)
{
    /* c (|u| − c/2) with c = min(|u|, δ): u²/2 inside, δ |u| − δ²/2 outside */
    weft_value u = weft_abs(g, weft_sub(g, prediction, target));
    weft_value c = weft_minimum(g, u, weft_constant(g, delta, SCALAR));
    return weft_mean_all(g, weft_mul(g, c, weft_sub(g, u, weft_scale(g, c, 0.5))));
}
