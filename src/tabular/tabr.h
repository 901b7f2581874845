/* TabR and MLP as graphs (spec tabr.md): configuration, and the functions that build them. Host work (search, unique rows,
 * tables) is in retrieval.h; training in fit.h. */
#ifndef WEFT_TABULAR_TABR_H
#define WEFT_TABULAR_TABR_H

#include "base/json.h"
#include "tabular/table.h"
#include "weft/nn.h"

enum { WEFT_TABULAR_MAX_CATEGORIES = 4096, WEFT_TABULAR_MAX_MEMBERS = 1024 };

typedef enum weft_tabular_arch { WEFT_TABULAR_TABR, WEFT_TABULAR_MLP } weft_tabular_arch;

/* The keys of a model folder's config.json, under their names there. */
typedef struct weft_tabular_config {
    weft_tabular_arch arch;
    weft_task task;
    int64_t n_classes; /* 0: regression */
    int64_t n_num_features, n_bin_features;
    int n_cat;
    int64_t *cat_cardinalities; /* [n_cat], owned */
    weft_numeric_embedding num_embeddings;
    /* tabr */
    int64_t d_main;
    double d_multiplier;
    int64_t encoder_n_blocks, predictor_n_blocks;
    int mixer_normalization; /* 0, 1; -1: "auto" */
    int64_t context_size;
    double context_dropout, dropout0, dropout1;
    int design; /* -1: TabR; 0 … 3: the ablation steps of spec 2.9 */
    /* mlp */
    int64_t n_blocks, d_layer;
    double dropout;
    int64_t members; /* more than 1: an ensemble; its tensors are named members.K.NAME, K = 0 … members − 1 */
} weft_tabular_config;

/* TabR-S default of spec section 3, without the columns of a table. */
weft_tabular_config weft_tabular_default(void);
weft_status weft_tabular_config_copy(const weft_tabular_config *, weft_tabular_config *out);
void weft_tabular_config_free(weft_tabular_config *); /* what it holds */
/* Reads the keys that are there over what *config holds; `name` for messages. Checks ranges and that they fit together. */
weft_status weft_tabular_config_read(weft_json_value root, const char *name, weft_tabular_config *config);
void weft_tabular_config_write(const weft_tabular_config *, weft_json_writer *); /* keys into an open object */
weft_status weft_tabular_config_check(const weft_tabular_config *, const char *name);

int64_t weft_tabular_one_hot_width(const weft_tabular_config *); /* Σ cardinalities */
int64_t weft_tabular_outputs(const weft_tabular_config *);       /* 1, or n_classes when multiclass */
int64_t weft_tabr_hidden(const weft_tabular_config *);           /* h = int(d_main · d_multiplier) */
bool weft_tabr_affine(const weft_tabular_config *);              /* keys are affine in the inputs, which may be embedded */
bool weft_tabr_folds(const weft_tabular_config *);               /* and folding saves work (2.10.4) */
bool weft_tabr_sums(const weft_tabular_config *);                /* and numbers are embedded: one vector a distinct value */

typedef struct weft_values weft_values; /* tabular/values.h */

/* How much of a graph is built. */
typedef struct weft_tabr_form {
    int64_t batch;    /* B rows to predict */
    int64_t capacity; /* most other rows that their contexts look at */
    bool training;    /* dropouts on */
    bool loss;        /* input y, value "loss" */
    bool folded;      /* 2.10: W_K W_in and W_T1 W_K W_in formed once; only where weft_tabr_folds */
    bool plain;       /* 2.6 as written, pair by pair: for proof */
    /* keys as sums of vectors of the candidates' distinct values; only where weft_tabr_sums. NULL: not */
    const weft_values *values;
    int64_t known; /* so many candidates whose keys are given, to which contexts point; capacity is not used. 0: none */
} weft_tabr_form;

/* Inputs: rows.x_num, rows.x_bin, rows.one_hot [B + capacity, …] (the batch first, then `unique` other rows), index context
 * [B, m] into those rows, context_y [B, m] or index context_label [B, m]; y [B]; row_key [B + capacity] where the encoder has
 * dropout. Values: output [B, outputs], loss, and the taps of cli.md (encoder_out, keys, candidate_keys, similarities, probs,
 * values, after_retrieval). Answers output. */
weft_value weft_tabr_build(weft_graph *, const weft_tabular_config *, const weft_tabr_form *);

/* With form.values: inputs batch.x_num, batch.x_bin, batch.one_hot [B, …] of the batch alone, values [distinct, 1], index
 * rows.place [B + capacity, slots] into the vectors of values.h, and rows.x_bin as before. */

/* With form.known: inputs batch.*, known.keys [known, d], known.hidden [known, h], index context [B, m] into these. */

/* rows.* [rows, …] → values known.keys [rows, d] and known.hidden [rows, h], in evaluation. */
void weft_tabr_build_known(weft_graph *, const weft_tabular_config *, bool folded, int64_t rows, weft_value out[2]);

/* Input values → W_K W_in applied to what each distinct value and level stands for; "vectors" [weft_values_rows, d]. */
weft_value weft_tabr_build_vectors(weft_graph *, const weft_tabular_config *, const weft_values *);
/* Inputs vectors, rows.x_bin, rows.place [rows, …] → "candidate_keys" [rows, d], up to what is equal for all rows. */
weft_value weft_tabr_build_sums(weft_graph *, const weft_tabular_config *, const weft_values *, int64_t rows);

/* rows.* [rows, …] → "candidate_keys" [rows, d], of the first `count` ({0}: all). */
weft_value weft_tabr_build_keys(weft_graph *, const weft_tabular_config *, int64_t rows, weft_value count, bool training);

/* Inputs x_num, x_bin, one_hot [rows, …] under `prefix`, embedded and joined: [rows, d_in]. */
weft_value weft_tabular_inputs(weft_graph *, const weft_tabular_config *, const char *prefix, int64_t rows, int64_t always,
                               weft_value count);
weft_value weft_tabular_loss(weft_graph *, const weft_tabular_config *, weft_value output); /* by input y; named "loss" */

/* The ablation designs (2.9), pair by pair. */
weft_value weft_tabr_build_design(weft_graph *, const weft_tabular_config *, const weft_tabr_form *);
/* Designs that compare by inner products have a projection of their own for queries. */
bool weft_tabr_inner_product(const weft_tabular_config *);
/* rows.* [rows, …] → "queries" [rows, d], of the first `count` ({0}: all); only where weft_tabr_inner_product. */
weft_value weft_tabr_build_queries(weft_graph *, const weft_tabular_config *, int64_t rows, weft_value count, bool training);

/* E of 2.3: inputs [rows, d_in] → [rows, d]; and LN_mix of 2.4, which what is projected to keys, queries and values has passed.
 */
weft_value weft_tabr_encode(weft_graph *, const weft_tabular_config *, weft_value input, bool training, int64_t rows);
weft_value weft_tabr_mix(weft_graph *, const weft_tabular_config *, weft_value x);

/* The model for one row, in evaluation: what its parameters are and what it costs. For an ensemble, member after member. */
weft_value weft_tabular_build_row(weft_graph *, const weft_tabular_config *);

/* Inputs x_num, x_bin, one_hot [B, …] → output. */
weft_value weft_mlp_build(weft_graph *, const weft_tabular_config *, int64_t rows, bool training, bool loss);

/* block(x) = dropout1(W2 dropout0(relu(W1 norm?(x) + b1)) + b2), in the current scope. */
weft_value weft_tabr_block(weft_graph *, const weft_tabular_config *, weft_value x, bool norm, bool training,
                           weft_value row_keys);
/* W_o relu(norm(x)) + b_o, named "output". */
weft_value weft_tabr_head(weft_graph *, const weft_tabular_config *, weft_value x, bool training);

#endif
