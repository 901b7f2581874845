/* Weft, nn layer: the layers that models are made of. Each takes the graph, a value and a name; parameters are named
 * NAME.weight, NAME.bias inside the current scope, as PyTorch names them, and start as PyTorch starts them.
 *
 *     weft_enter(g, "blocks.%d", i);
 *     x = weft_relu(g, weft_linear(g, x, "linear", 512));                 [batch, 512]
 *     x = weft_dropout(g, x, "dropout", 0.1);
 *     weft_leave(g);
 */
#ifndef WEFT_NN_H
#define WEFT_NN_H

#include "weft/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

/* x [… , in] · weightᵀ + bias → [… , out]; weight [out, in] and bias [out] start as U(−1/√in, 1/√in). */
WEFT_API weft_value weft_linear(weft_graph *, weft_value x, const char *name, int64_t out);
WEFT_API weft_value weft_linear_nobias(weft_graph *, weft_value x, const char *name, int64_t out);
/* The same with given values: w [out, in]; b [out] or {0}. */
WEFT_API weft_value weft_product(weft_graph *, weft_value x, weft_value w, weft_value b);
/* The parameters of a linear layer, declared where its product is formed another way. */
WEFT_API weft_value weft_linear_weight(weft_graph *, const char *name, int64_t out, int64_t in);
WEFT_API weft_value weft_linear_bias(weft_graph *, const char *name, int64_t out, int64_t in);

/* Last axis to mean 0, variance 1 (population), then weight and bias (1 and 0 at the start). */
WEFT_API weft_value weft_layer_norm(weft_graph *, weft_value x, const char *name, double eps);
/* x / rms(x) · (offset + weight); weight starts as 1 − offset. */
WEFT_API weft_value weft_rms_norm(weft_graph *, weft_value x, const char *name, double offset, double eps);

/* Inverted dropout: elements are 0 with probability rate, the others times 1/(1 − rate). The factors are the random leaf
 * "mask.SCOPE.NAME" of x's shape, drawn by row position, or by row_keys where given ({0}: none). rate 0: x itself. */
WEFT_API weft_value weft_dropout(weft_graph *, weft_value x, const char *name, double rate);
WEFT_API weft_value weft_dropout_rows(weft_graph *, weft_value x, const char *name, double rate, weft_value row_keys);

/* A table [rows, width] by I64 index [… ] → [… , width]; starts as N(0, 1) unless another init is given. */
WEFT_API weft_value weft_embedding(weft_graph *, weft_value index, const char *name, int64_t rows, int64_t width, weft_init init);

/* act(gate) · up, elementwise. */
typedef enum weft_activation {
    WEFT_ACT_RELU,
    WEFT_ACT_GELU,
    WEFT_ACT_GELU_TANH,
    WEFT_ACT_QUICK_GELU,
    WEFT_ACT_SILU
} weft_activation;
WEFT_API weft_value weft_activate(weft_graph *, weft_value x, weft_activation);
WEFT_API weft_value weft_gated(weft_graph *, weft_value gate, weft_value up, weft_activation);

/* [batch, tokens, heads · head] ↔ [batch, tokens, heads, head], as weft_attention takes and gives it. */
WEFT_API weft_value weft_heads(weft_graph *, weft_value x, int heads);
WEFT_API weft_value weft_merge_heads(weft_graph *, weft_value x);

/* Numerical feature embeddings (arXiv 2203.05556): x [rows, features] → [rows, features · width], feature-major. */
typedef enum weft_numeric_embedding_kind {
    WEFT_NUMERIC_NONE,
    WEFT_NUMERIC_LINEAR,
    WEFT_NUMERIC_LR,
    WEFT_NUMERIC_PLR,
    WEFT_NUMERIC_PLR_LITE
} weft_numeric_embedding_kind;
typedef struct weft_numeric_embedding {
    weft_numeric_embedding_kind kind;
    int64_t width;          /* e: values a feature */
    int64_t frequencies;    /* k of PLR */
    double frequency_scale; /* σ of PLR: frequencies start as N(0, σ²) */
} weft_numeric_embedding;
/* Parameters are NAME.0.weight and .bias [features, e], or NAME.0.frequencies [features, k] and NAME.1.weight, .bias:
 * [e, 2k], [e] shared by all features (lite), else [features, 2k, e], [features, e]. */
WEFT_API weft_value weft_embed_numbers(weft_graph *, weft_value x, const char *name, const weft_numeric_embedding *);
/* The same of values that stand below each other, feature by feature: x [values, 1], those of feature f in rows start[f] to
 * start[f + 1] → out[f] [start[f + 1] - start[f], e]. False: the graph is poisoned. */
WEFT_API bool weft_embed_values(weft_graph *, weft_value x, const int64_t *start, int64_t features, const char *name,
                                const weft_numeric_embedding *, weft_value *out);

/* Losses: the mean over rows, a scalar. */
WEFT_API weft_value weft_mse(weft_graph *, weft_value prediction, weft_value target);   /* equal shapes */
WEFT_API weft_value weft_bce_logits(weft_graph *, weft_value logit, weft_value target); /* max(z,0) − z y + log(1+e^−|z|) */
WEFT_API weft_value weft_cross_entropy(weft_graph *, weft_value logits, weft_value classes); /* [rows, n], I64 [rows] */
/* The same row by row, of [rows, n]: means over n, [rows]. */
WEFT_API weft_value weft_row_squares(weft_graph *, weft_value prediction, weft_value target);
WEFT_API weft_value weft_row_bce_logits(weft_graph *, weft_value logit, weft_value target);
/* Cross-entropy row by row: −log softmax(logits)[label], [rows], 0 for rows without a label; labels an index or weft_labels
 * [rows]. smoothing ε: the target is 1 − ε of the label and ε of all classes alike. */
WEFT_API weft_value weft_row_losses(weft_graph *, weft_value logits, weft_value labels, double smoothing);
/* The same of logits = hidden [rows, width] · tableᵀ + bias, table [classes, width], bias [classes] or {0}, capped where cap > 0.
 */
WEFT_API weft_value weft_row_losses_from(weft_graph *, weft_value hidden, weft_value table, weft_value bias, weft_value labels,
                                         double smoothing, double cap);
WEFT_API weft_value weft_row_losses_soft(weft_graph *, weft_value logits, weft_value targets); /* −Σ targets · log softmax */
/* The mean of losses [rows] over the rows that have a label; 0 when none has. */
WEFT_API weft_value weft_mean_labelled(weft_graph *, weft_value losses, weft_value labels);
WEFT_API weft_value weft_huber(weft_graph *, weft_value prediction, weft_value target, double delta);

#ifdef __cplusplus
}
#endif
#endif
