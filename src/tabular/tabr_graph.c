/* TabR as a graph, in the order of the specification's section 2: inputs, encoder E, keys, retrieval, predictor P. */
#include "tabular/values.h"

#include <math.h>
#include <stdio.h>

int64_t weft_tabular_one_hot_width(const weft_tabular_config *c)
{
    int64_t width = 0;
    for (int i = 0; i < c->n_cat; i++)
        width += c->cat_cardinalities[i];
    return width;
}

int64_t weft_tabular_outputs(const weft_tabular_config *c)
{
    return c->task == WEFT_TASK_MULTICLASS ? c->n_classes : 1;
}

int64_t weft_tabr_hidden(const weft_tabular_config *c)
{
    return (int64_t)((double)c->d_main * c->d_multiplier);
}

/* width of the joined inputs, d_in (2.1) */
static int64_t input_width(const weft_tabular_config *c)
{
    int64_t each = c->num_embeddings.kind == WEFT_NUMERIC_NONE ? 1 : c->num_embeddings.width;
    return c->n_num_features * each + c->n_bin_features + weft_tabular_one_hot_width(c);
}

static bool mixes_norm(const weft_tabular_config *c)
{
    return c->mixer_normalization < 0 ? c->encoder_n_blocks > 0 : c->mixer_normalization > 0;
}

bool weft_tabr_affine(const weft_tabular_config *c)
{
    return c->arch == WEFT_TABULAR_TABR && c->design < 0 && c->encoder_n_blocks == 0 && !mixes_norm(c);
}

bool weft_tabr_folds(const weft_tabular_config *c)
{
    return weft_tabr_affine(c) && input_width(c) < c->d_main;
}

bool weft_tabr_sums(const weft_tabular_config *c)
{
    return weft_tabr_affine(c) && c->num_embeddings.kind != WEFT_NUMERIC_NONE && c->n_num_features > 0 &&
           c->n_num_features <= WEFT_VALUES_FEATURES;
}

/* ---- 2.1, 2.2: inputs ---- */

weft_value weft_tabular_inputs(weft_graph *g, const weft_tabular_config *c, const char *prefix, int64_t rows, int64_t always,
                               weft_value count)
{
    const int64_t widths[3] = {c->n_num_features, c->n_bin_features, weft_tabular_one_hot_width(c)};
    const char *const names[3] = {"x_num", "x_bin", "one_hot"};
    weft_value part[3];
    int parts = 0;
    for (int i = 0; i < 3; i++) {
        if (widths[i] == 0)
            continue;
        char name[64];
        snprintf(name, sizeof name, "%s%s", prefix, names[i]);
        weft_value x = weft_input(g, name, WEFT_F32, DIMS(rows, widths[i]));
        if (count.id)
            x = weft_used_after(g, x, always, count);
        part[parts++] = i == 0 ? weft_embed_numbers(g, x, "num_embeddings", &c->num_embeddings) : x;
    }
    if (parts == 0) {
        weft_poison(g, "a tabular model needs at least one input column");
        return (weft_value){0};
    }
    return weft_concat(g, 1, part, parts);
}

/* ---- 2.3: blocks ---- */

weft_value weft_tabr_block(weft_graph *g, const weft_tabular_config *c, weft_value x, bool norm, bool training,
                           weft_value row_keys)
{
    /* submodules are numbered as in a PyTorch Sequential: [norm], linear, relu, dropout, linear, dropout */
    int first = norm ? 1 : 0;
    char linear1[8], linear2[8], drop1[8], drop2[8];
    snprintf(linear1, sizeof linear1, "%d", first);
    snprintf(drop1, sizeof drop1, "%d", first + 2);
    snprintf(linear2, sizeof linear2, "%d", first + 3);
    snprintf(drop2, sizeof drop2, "%d", first + 4);
    if (norm)
        x = weft_layer_norm(g, x, "0", 1e-5);
    x = weft_relu(g, weft_linear(g, x, linear1, weft_tabr_hidden(c)));
    x = weft_dropout_rows(g, x, drop1, training ? c->dropout0 : 0, row_keys);
    x = weft_linear(g, x, linear2, c->d_main);
    return weft_dropout_rows(g, x, drop2, training ? c->dropout1 : 0, row_keys);
}

weft_value weft_tabr_encode(weft_graph *g, const weft_tabular_config *c, weft_value input, bool training, int64_t rows)
{
    weft_value x = weft_linear(g, input, "linear", c->d_main), row_keys = {0};
    if (training && c->encoder_n_blocks > 0 && (c->dropout0 > 0 || c->dropout1 > 0))
        row_keys = weft_input(g, "row_key", WEFT_I64, DIMS(rows));
    for (int i = 0; i < c->encoder_n_blocks; i++) {
        weft_enter(g, "blocks0.%d", i);
        x = weft_add(g, x, weft_tabr_block(g, c, x, i > 0, training, row_keys));
        weft_leave(g);
    }
    return x;
}

/* ---- 2.4: keys ---- */

weft_value weft_tabr_mix(weft_graph *g, const weft_tabular_config *c, weft_value x)
{
    return mixes_norm(c) ? weft_layer_norm(g, x, "normalization", 1e-5) : x;
}

static weft_value keys_of(weft_graph *g, const weft_tabular_config *c, weft_value x)
{
    return weft_linear(g, weft_tabr_mix(g, c, x), "K", c->d_main);
}

/* The same less what is equal for all rows, W_K b_norm + b_K: it cancels in every difference, so those two biases have a gradient
 * of exactly zero, where adding and subtracting them would leave rounding for AdamW to blow up (2.10.4). */
static weft_value keys_to_compare(weft_graph *g, const weft_tabular_config *c, weft_value x)
{
    if (mixes_norm(c))
        x = weft_normalize_layer(g, x, weft_param(g, "normalization.weight", WEFT_ONES, DIMS(c->d_main)), (weft_value){0}, 1e-5);
    return weft_linear_nobias(g, x, "K", c->d_main);
}

weft_value weft_tabr_build_keys(weft_graph *g, const weft_tabular_config *c, int64_t rows, weft_value count, bool training)
{
    weft_value input = weft_tabular_inputs(g, c, "rows.", rows, 0, count);
    weft_value x = weft_tabr_encode(g, c, input, training, rows);
    return weft_name(g, keys_of(g, c, x), "candidate_keys");
}

/* ---- 2.4 where keys are affine in embedded numbers: sums of vectors of distinct values ---- */

/* (W_K W_in)ᵀ [d_in, d]; what is equal for all rows cancels in every difference */
static weft_value key_map(weft_graph *g, const weft_tabular_config *c)
{
    int64_t d = c->d_main;
    return weft_matmul_tn(g, weft_linear_weight(g, "linear", d, input_width(c)),
                          weft_transpose(g, weft_linear_weight(g, "K", d, d)));
}

/* m [d_in, width] applied to each distinct value's embedding and each level; a row of zeros last: [weft_values_rows, width] */
static weft_value vectors_by(weft_graph *g, const weft_tabular_config *c, const weft_values *v, weft_value m)
{
    int64_t F = v->features, e = c->num_embeddings.width, levels = F * e + c->n_bin_features;
    weft_value x = weft_input(g, "values", WEFT_F32, DIMS(v->start[F], 1)), part[WEFT_VALUES_FEATURES + 1];
    if (!weft_embed_values(g, x, v->start, F, "num_embeddings", &c->num_embeddings, part))
        return (weft_value){0};
    for (int64_t f = 0; f < F; f++)
        part[f] = weft_matmul(g, part[f], weft_rows(g, m, f * e, (f + 1) * e));
    int n = (int)F;
    if (v->one_hot)
        part[n++] = weft_rows(g, m, levels, levels + v->one_hot);
    return weft_pad(g, weft_concat(g, 0, part, n), 0, 0, 1);
}

weft_value weft_tabr_build_vectors(weft_graph *g, const weft_tabular_config *c, const weft_values *v)
{
    return weft_name(g, vectors_by(g, c, v, key_map(g, c)), "vectors");
}

/* What each row adds up of `vectors`, which m formed, and the part of its binary columns: [rows, width] */
static weft_value sum_vectors(weft_graph *g, const weft_tabular_config *c, const weft_values *v, weft_value vectors, weft_value m,
                              int64_t rows, int64_t always, weft_value count)
{
    weft_value place = weft_index(g, "rows.place", DIMS(rows, v->slots), weft_values_rows(v));
    if (count.id)
        place = weft_used_after(g, place, always, count);
    weft_value sum = weft_gather_sum(g, weft_constant(g, 1, DIMS(rows, v->slots)), vectors, place);
    if (c->n_bin_features == 0)
        return sum;
    int64_t first = v->features * c->num_embeddings.width;
    weft_value x = weft_input(g, "rows.x_bin", WEFT_F32, DIMS(rows, c->n_bin_features));
    if (count.id)
        x = weft_used_after(g, x, always, count);
    return weft_add(g, sum, weft_matmul(g, x, weft_rows(g, m, first, first + c->n_bin_features)));
}

weft_value weft_tabr_build_sums(weft_graph *g, const weft_tabular_config *c, const weft_values *v, int64_t rows)
{
    weft_value vectors = weft_input(g, "vectors", WEFT_F32, DIMS(weft_values_rows(v), c->d_main));
    return weft_name(g, sum_vectors(g, c, v, vectors, key_map(g, c), rows, 0, (weft_value){0}), "candidate_keys");
}

/* ---- 2.6: weights and values ---- */

/* Σ_j p_ij Y(y_j): sums first, then the label encoder once a row (2.10.3) */
static weft_value labels_sum(weft_graph *g, const weft_tabular_config *c, const weft_tabr_form *f, weft_value p)
{
    weft_dims pairs = DIMS(f->batch, c->context_size);
    if (c->task != WEFT_TASK_REGRESSION) {
        weft_value table = weft_param(g, "label_encoder.0.weight", WEFT_UNIFORM(1.0), DIMS(c->n_classes, c->d_main));
        return weft_gather_sum(g, p, table, weft_index(g, "context_label", pairs, c->n_classes));
    }
    weft_init init = WEFT_UNIFORM(0.70710678118654752);
    weft_value w = weft_param(g, "label_encoder.weight", init, DIMS(c->d_main, 1));
    weft_value b = weft_param(g, "label_encoder.bias", init, DIMS(c->d_main));
    weft_value y = weft_input(g, "context_y", WEFT_F32, pairs);
    weft_value py = weft_reshape(g, weft_sum(g, weft_mul(g, p, y), 1, 1), DIMS(f->batch, 1));
    weft_value ps = weft_reshape(g, weft_sum(g, p, 1, 1), DIMS(f->batch, 1));
    weft_value wr = weft_reshape(g, w, DIMS(1, c->d_main)), br = weft_reshape(g, b, DIMS(1, c->d_main));
    return weft_add(g, weft_matmul(g, py, wr), weft_matmul(g, ps, br));
}

/* Y(y_j) + T(k_i − k_j) pair by pair, [B, m, d]: the tap "values", and the plain form */
static weft_value pair_values(weft_graph *g, const weft_tabular_config *c, const weft_tabr_form *f, weft_value query,
                              weft_value table, weft_value context)
{
    int64_t B = f->batch, m = c->context_size, d = c->d_main, h = weft_tabr_hidden(c);
    weft_value u = weft_sub(g, weft_reshape(g, query, DIMS(B, 1, d)), weft_gather(g, table, context));
    weft_value t = weft_relu(g, weft_linear(g, weft_reshape(g, u, DIMS(B, m, d)), "T.0", h));
    t = weft_dropout(g, t, "T.2", f->training ? c->dropout0 : 0);
    t = weft_linear_nobias(g, t, "T.3", d);
    weft_value label;
    if (c->task != WEFT_TASK_REGRESSION) {
        weft_value index = weft_index(g, "context_label", DIMS(B, m), c->n_classes);
        label = weft_gather(g, weft_param(g, "label_encoder.0.weight", WEFT_UNIFORM(1.0), DIMS(c->n_classes, d)), index);
    } else {
        weft_init init = WEFT_UNIFORM(0.70710678118654752);
        weft_value w = weft_param(g, "label_encoder.weight", init, DIMS(d, 1)),
                   b = weft_param(g, "label_encoder.bias", init, DIMS(d));
        weft_value y = weft_input(g, "context_y", WEFT_F32, DIMS(B, m));
        label = weft_product(g, weft_reshape(g, y, DIMS(B, m, 1)), w, b);
    }
    return weft_name(g, weft_add(g, label, t), "values");
}

/* ---- 2.7: predictor ---- */

weft_value weft_tabr_head(weft_graph *g, const weft_tabular_config *c, weft_value x, bool training)
{
    for (int i = 0; i < c->predictor_n_blocks; i++) {
        weft_enter(g, "blocks1.%d", i);
        x = weft_add(g, x, weft_tabr_block(g, c, x, true, training, (weft_value){0}));
        weft_leave(g);
    }
    x = weft_relu(g, weft_layer_norm(g, x, "head.0", 1e-5));
    return weft_name(g, weft_linear(g, x, "head.2", weft_tabular_outputs(c)), "output");
}

weft_value weft_tabular_loss(weft_graph *g, const weft_tabular_config *c, weft_value output)
{
    if (!output.id)
        return output;
    int64_t rows = weft_shape(g, output).size[0];
    weft_value loss;
    if (c->task == WEFT_TASK_MULTICLASS) {
        loss = weft_cross_entropy(g, output, weft_index(g, "y", DIMS(rows), c->n_classes));
    } else {
        weft_value y = weft_input(g, "y", WEFT_F32, DIMS(rows)), z = weft_reshape(g, output, DIMS(rows));
        loss = c->task == WEFT_TASK_BINARY ? weft_bce_logits(g, z, y) : weft_mse(g, z, y);
    }
    return weft_name(g, weft_reshape(g, loss, DIMS(1)), "loss");
}

/* ---- the whole ---- */

/* What a row says: x, its key, and W_T1 applied to the key, before any difference. */
typedef struct encoded {
    weft_value x, key, hidden;
} encoded;

/* k = M1 z + const and W_T1 k = M2 z + const; constants cancel in every difference (2.10). Key and hidden alone. */
static encoded keys_folded(weft_graph *g, const weft_tabular_config *c, weft_value input)
{
    int64_t d = c->d_main, h = weft_tabr_hidden(c);
    weft_value m1 = weft_matmul(g, weft_linear_weight(g, "K", d, d), weft_linear_weight(g, "linear", d, input_width(c)));
    weft_value m2 = weft_matmul(g, weft_linear_weight(g, "T.0", h, d), m1);
    weft_linear_bias(g, "K", d, d);
    return (encoded){.key = weft_product(g, input, m1, (weft_value){0}), .hidden = weft_product(g, input, m2, (weft_value){0})};
}

static encoded encode_rows(weft_graph *g, const weft_tabular_config *c, weft_value input, bool folded, bool plain, bool training,
                           int64_t rows)
{
    encoded e;
    if (folded) {
        weft_value x = weft_linear(g, input, "linear", c->d_main);
        e = keys_folded(g, c, input);
        e.x = x;
        return e;
    }
    e.x = weft_tabr_encode(g, c, input, training, rows);
    e.key = plain ? keys_of(g, c, e.x) : keys_to_compare(g, c, e.x);
    e.hidden = weft_linear_nobias(g, e.key, "T.0", weft_tabr_hidden(c)); /* W_T1 before the difference */
    return e;
}

void weft_tabr_build_known(weft_graph *g, const weft_tabular_config *c, bool folded, int64_t rows, weft_value out[2])
{
    weft_value input = weft_tabular_inputs(g, c, "rows.", rows, 0, (weft_value){0});
    encoded e = folded ? keys_folded(g, c, input) : encode_rows(g, c, input, false, false, false, rows);
    out[0] = weft_name(g, e.key, "known.keys");
    out[1] = weft_name(g, e.hidden, "known.hidden");
}

/* The batch, and the table of what its contexts look at (x is not set), by the form. */
static void encode_sides(weft_graph *g, const weft_tabular_config *c, const weft_tabr_form *f, encoded *batch, encoded *table)
{
    int64_t B = f->batch, d = c->d_main, h = weft_tabr_hidden(c), rows = B + f->capacity;
    bool alone = f->values || f->known; /* the batch has inputs of its own */
    weft_value unique = {0}, input;
    if (!f->known)
        unique = weft_count_input(g, "unique", f->capacity);
    if (alone)
        input = weft_tabular_inputs(g, c, "batch.", B, 0, (weft_value){0});
    else
        input = weft_tabular_inputs(g, c, "rows.", rows, B, unique);
    if (f->known) {
        *batch = encode_rows(g, c, input, f->folded, false, false, B);
        table->key = weft_input(g, "known.keys", WEFT_F32, DIMS(f->known, d));
        table->hidden = weft_input(g, "known.hidden", WEFT_F32, DIMS(f->known, h));
        return;
    }
    if (f->values) {
        batch->x = weft_linear(g, input, "linear", d);
        weft_value m1 = key_map(g, c), m2 = weft_matmul_nt(g, m1, weft_linear_weight(g, "T.0", h, d));
        weft_linear_bias(g, "K", d, d);
        table->key = sum_vectors(g, c, f->values, vectors_by(g, c, f->values, m1), m1, rows, B, unique);
        table->hidden = sum_vectors(g, c, f->values, vectors_by(g, c, f->values, m2), m2, rows, B, unique);
    } else if (f->folded) {
        *batch = encode_rows(g, c, weft_rows(g, input, 0, B), true, false, f->training, B);
        *table = keys_folded(g, c, input);
        return;
    } else {
        *table = encode_rows(g, c, input, false, f->plain, f->training, rows);
        batch->x = weft_name(g, weft_rows(g, table->x, 0, B), "encoder_out");
        weft_name(g, weft_rows(g, keys_of(g, c, table->x), 0, B), "keys");
    }
    batch->key = weft_rows(g, table->key, 0, B);
    batch->hidden = weft_rows(g, table->hidden, 0, B);
}

weft_value weft_tabr_build(weft_graph *g, const weft_tabular_config *c, const weft_tabr_form *f)
{
    int64_t B = f->batch, m = c->context_size, d = c->d_main, h = weft_tabr_hidden(c);
    if (c->design >= 0)
        return weft_tabr_build_design(g, c, f);
    weft_value context = weft_index(g, "context", DIMS(B, m), f->known ? f->known : B + f->capacity);
    encoded batch = {0}, table = {0};
    encode_sides(g, c, f, &batch, &table);
    weft_value s = weft_name(g, weft_neg(g, weft_pair_sqdist(g, batch.key, table.key, context)), "similarities");
    weft_value p = weft_name(g, weft_softmax(g, s), "probs");
    weft_value pd = weft_dropout(g, p, "dropout", f->training ? c->context_dropout : 0);
    weft_value v;
    if (f->plain) {
        weft_value values = pair_values(g, c, f, batch.key, table.key, context);
        v = weft_sum(g, weft_mul(g, values, weft_reshape(g, pd, DIMS(B, m, 1))), 1, 1);
    } else {
        weft_value mask = {0};
        if (f->training && c->dropout0 > 0)
            mask = weft_random(g, "mask.T.2", (weft_law){WEFT_DROPOUT_LAW, c->dropout0, 0}, (weft_value){0}, DIMS(B, m, h));
        weft_value u = weft_pair_relu_sum(g, batch.hidden, table.hidden, weft_linear_bias(g, "T.0", h, d), context, pd, mask);
        v = weft_add(g, weft_linear_nobias(g, u, "T.3", d), labels_sum(g, c, f, pd)); /* W_T2 after the sum */
        if (!f->folded && !f->values && !f->known)
            pair_values(g, c, f, batch.key, table.key, context);
    }
    weft_value x = weft_name(g, weft_add(g, batch.x, v), "after_retrieval");
    weft_value output = weft_tabr_head(g, c, x, f->training);
    if (f->loss)
        weft_tabular_loss(g, c, output);
    return output;
}

weft_value weft_mlp_build(weft_graph *g, const weft_tabular_config *c, int64_t rows, bool training, bool loss)
{
    weft_value x = weft_tabular_inputs(g, c, "", rows, 0, (weft_value){0});
    for (int i = 0; i < c->n_blocks; i++) {
        weft_enter(g, "blocks.%d", i);
        x = weft_relu(g, weft_linear(g, x, "linear", c->d_layer));
        x = weft_dropout(g, x, "dropout", training ? c->dropout : 0);
        weft_leave(g);
    }
    weft_value output = weft_name(g, weft_linear(g, x, "head", weft_tabular_outputs(c)), "output");
    if (loss)
        weft_tabular_loss(g, c, output);
    return output;
}

static weft_value build_one(weft_graph *g, const weft_tabular_config *c)
{
    if (c->arch == WEFT_TABULAR_MLP)
        return weft_mlp_build(g, c, 1, false, false);
    return weft_tabr_build(g, c, &(weft_tabr_form){.batch = 1, .capacity = c->context_size});
}

weft_value weft_tabular_build_row(weft_graph *g, const weft_tabular_config *c)
{
    if (c->members == 1)
        return build_one(g, c);
    weft_value sum = {0};
    for (int64_t k = 0; k < c->members; k++) {
        weft_enter(g, "members.%d", (int)k);
        weft_value output = build_one(g, c);
        weft_leave(g);
        sum = k ? weft_add(g, sum, output) : output;
    }
    return sum;
}
