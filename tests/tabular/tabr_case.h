/* Small random tables, configurations and weights for tests of TabR. */
#ifndef WEFT_TESTS_TABR_CASE_H
#define WEFT_TESTS_TABR_CASE_H

#include "base/random.h"
#include "golden.h"
#include "tabular/fit.h"

/* Every kind of column: `numbers` numerical ones, one binary, one categorical of three levels. No dropout. */
static inline weft_tabular_config case_config(weft_task task, weft_numeric_embedding_kind kind, int64_t numbers, int64_t d_main,
                                              int64_t encoder_blocks, int64_t predictor_blocks)
{
    static int64_t levels[] = {3};
    weft_tabular_config c = weft_tabular_default();
    c.task = task;
    c.n_classes = task == WEFT_TASK_REGRESSION ? 0 : task == WEFT_TASK_BINARY ? 2 : 4;
    c.n_num_features = numbers;
    c.n_bin_features = 1;
    c.n_cat = 1;
    c.cat_cardinalities = levels;
    c.num_embeddings = (weft_numeric_embedding){.kind = kind, .width = 3, .frequencies = 2, .frequency_scale = 0.3};
    if (kind == WEFT_NUMERIC_NONE)
        c.num_embeddings = (weft_numeric_embedding){0};
    c.d_main = d_main;
    c.d_multiplier = 1.5;
    c.encoder_n_blocks = encoder_blocks;
    c.predictor_n_blocks = predictor_blocks;
    c.context_dropout = c.dropout0 = c.dropout1 = 0;
    MUST(weft_tabular_config_check(&c, "case"));
    return c;
}

/* Normal numbers, random levels and targets. */
static inline weft_rows_data *case_rows(const weft_tabular_config *c, int64_t rows, uint64_t seed)
{
    weft_rows_data *data = NULL;
    MUST(weft_rows_new(c, rows, &data));
    weft_random_key key = weft_random_stream(seed, "case rows");
    for (int64_t i = 0; i < rows; i++) {
        uint64_t row = (uint64_t)i;
        for (int64_t j = 0; j < data->n_num; j++)
            data->x_num[i * data->n_num + j] = (float)weft_random_normal(key, 0, row, (uint64_t)j);
        for (int64_t j = 0; j < data->n_bin; j++)
            data->x_bin[i * data->n_bin + j] = (float)(weft_random_word(key, 1, row, (uint64_t)j) & 1);
        int64_t at = 0;
        for (int j = 0; j < c->n_cat; at += c->cat_cardinalities[j++])
            data->x_hot[i * data->one_hot + at +
                        (int64_t)weft_random_below(key, 2, row, (uint64_t)j, (uint64_t)c->cat_cardinalities[j])] = 1;
        if (data->y)
            data->y[i] = (float)weft_random_normal(key, 3, row, 0);
        else
            data->label[i] = (int64_t)weft_random_below(key, 3, row, 0, (uint64_t)c->n_classes);
        data->row[i] = i;
    }
    return data;
}

/* Initial weights, then every element moved, so that no bias is zero and no norm weight one. */
static inline weft_params *case_params(const weft_tabular_config *c, weft_dtype dtype, uint64_t seed)
{
    weft_params *params = NULL;
    weft_graph *g = weft_graph_new(dtype);
    assert_non_null(g);
    weft_tabr_build(g, c, &(weft_tabr_form){.batch = 1, .capacity = c->context_size});
    MUST(weft_graph_status(g));
    MUST(weft_params_new(&params));
    MUST(weft_params_init(params, g, dtype, seed));
    weft_random_key key = weft_random_stream(seed, "case weights");
    for (int64_t i = 0; i < weft_params_count(params); i++) {
        weft_tensor t;
        weft_params_at(params, i, &t);
        for (int64_t k = 0; k < weft_dims_count(t.dims); k++) {
            double move = 0.1 * weft_random_normal(key, (uint64_t)i, 0, (uint64_t)k);
            if (dtype == WEFT_F64)
                ((double *)t.data)[k] += move;
            else
                ((float *)t.data)[k] += (float)move;
        }
    }
    weft_params_touch(params);
    weft_graph_free(g);
    return params;
}

#endif
