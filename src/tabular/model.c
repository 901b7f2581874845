/* The registry's rows for TabR and MLP: opening config.json, describing the graph, running on tensors from a file. */
#include "tabular/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- rows from arrays ---- */

static bool take(const weft_arrays *arrays, const char *prefix, const char *name, weft_tensor *out)
{
    char full[64];
    snprintf(full, sizeof full, "%s%s", prefix, name);
    return weft_arrays_find(arrays, full, out);
}

static float number_at(weft_tensor t, int64_t i)
{
    return t.dtype == WEFT_F64 ? (float)((const double *)t.data)[i] : ((const float *)t.data)[i];
}

static weft_status refuse(const char *where, const char *prefix, const char *name, weft_tensor t, const char *wanted)
{
    char dims[WEFT_DIMS_TEXT];
    return weft_fail(WEFT_ERROR_ARGUMENT, "%s: %s%s is %s %s, expected %s", where, prefix, name, weft_dtype_name(t.dtype),
                     weft_dims_text(t.dims, dims), wanted);
}

static weft_status read_codes(const weft_tabular_config *c, weft_tensor t, const char *where, weft_rows_data *data)
{
    int64_t at = 0;
    for (int j = 0; j < c->n_cat; j++) {
        for (int64_t i = 0; i < data->rows; i++) {
            int64_t code = ((const int64_t *)t.data)[i * c->n_cat + j];
            if (code < -1 || code >= c->cat_cardinalities[j])
                return weft_fail(WEFT_ERROR_ARGUMENT, "%s: x_cat row %lld column %d is %lld, codes go from -1 to %lld", where,
                                 (long long)i, j, (long long)code, (long long)c->cat_cardinalities[j] - 1);
            if (code >= 0)
                data->x_hot[i * data->one_hot + at + code] = 1;
        }
        at += c->cat_cardinalities[j];
    }
    return WEFT_OK;
}

weft_status weft_rows_targets(const weft_tabular_config *c, weft_tensor t, const char *prefix, const char *where,
                              weft_rows_data *data)
{
    if (weft_dims_count(t.dims) != data->rows || t.dims.rank != 1)
        return refuse(where, prefix, "y", t, "one target a row");
    for (int64_t i = 0; i < data->rows; i++) {
        if (data->y) {
            if (t.dtype != WEFT_F32 && t.dtype != WEFT_F64)
                return refuse(where, prefix, "y", t, "F32 standardised targets");
            data->y[i] = number_at(t, i);
            continue;
        }
        if (t.dtype != WEFT_I64)
            return refuse(where, prefix, "y", t, "I64 class numbers");
        data->label[i] = ((const int64_t *)t.data)[i];
        if (data->label[i] < 0 || data->label[i] >= c->n_classes)
            return weft_fail(WEFT_ERROR_ARGUMENT, "%s: %sy of row %lld is %lld, classes go from 0 to %lld", where, prefix,
                             (long long)i, (long long)data->label[i], (long long)c->n_classes - 1);
    }
    return WEFT_OK;
}

weft_status weft_rows_from_arrays(const weft_tabular_config *c, const weft_arrays *arrays, const char *prefix, const char *where,
                                  weft_rows_data **out)
{
    *out = NULL;
    weft_tensor x[3], y;
    bool has[3], has_y;
    static const char *const names[3] = {"x_num", "x_bin", "x_cat"};
    const int64_t widths[3] = {c->n_num_features, c->n_bin_features, c->n_cat};
    int64_t rows = -1;
    has_y = take(arrays, prefix, "y", &y);
    for (int i = 0; i < 3; i++) {
        has[i] = take(arrays, prefix, names[i], &x[i]);
        if (has[i] && rows < 0 && x[i].dims.rank == 2)
            rows = x[i].dims.size[0];
    }
    if (!has[0] && !has[1] && !has[2])
        return WEFT_OK;
    if (rows == 0)
        return weft_fail(WEFT_ERROR_ARGUMENT, "%s: %s%s and what goes with it hold no rows", where, prefix,
                         names[has[0]   ? 0
                               : has[1] ? 1
                                        : 2]);
    weft_status status = weft_rows_new(c, rows < 0 ? 0 : rows, out);
    for (int i = 0; i < 3 && status == WEFT_OK; i++) {
        if (!has[i] && widths[i] == 0)
            continue;
        char wanted[96];
        snprintf(wanted, sizeof wanted, "%s [%lld, %lld]", i == 2 ? "I64" : "F32", (long long)rows, (long long)widths[i]);
        bool type = has[i] && (i == 2 ? x[i].dtype == WEFT_I64 : x[i].dtype == WEFT_F32 || x[i].dtype == WEFT_F64);
        if (!has[i])
            status = weft_fail(WEFT_ERROR_ARGUMENT, "%s: %s%s is missing, expected %s", where, prefix, names[i], wanted);
        else if (!type || x[i].dims.rank != 2 || x[i].dims.size[0] != rows || x[i].dims.size[1] != widths[i])
            status = refuse(where, prefix, names[i], x[i], wanted);
        else if (i == 2)
            status = read_codes(c, x[i], where, *out);
        else
            for (int64_t k = 0; k < rows * widths[i]; k++)
                (i == 0 ? (*out)->x_num : (*out)->x_bin)[k] = number_at(x[i], k);
    }
    if (status == WEFT_OK && has_y)
        status = weft_rows_targets(c, y, prefix, where, *out);
    for (int64_t i = 0; status == WEFT_OK && i < rows; i++)
        (*out)->row[i] = i;
    if (status != WEFT_OK) {
        weft_rows_free(*out);
        *out = NULL;
    }
    return status;
}

static bool names_loss(const char *const *names, int count)
{
    for (int i = 0; i < count; i++)
        if (strcmp(names[i], "loss") == 0)
            return true;
    return false;
}

weft_status weft_tabular_check_loss(const weft_run_request *r)
{
    weft_tensor y;
    if ((names_loss(r->taps, r->tap_count) || names_loss(r->grads, r->grad_count)) && !weft_arrays_find(r->inputs, "y", &y))
        return weft_fail(WEFT_ERROR_ARGUMENT, "inputs: \"loss\" needs the rows' targets: y is missing");
    return WEFT_OK;
}

/* ---- the registry's rows ---- */

static weft_status open_config(weft_json_value config, const char *where, void **self)
{
    weft_tabular_config *c = calloc(1, sizeof *c);
    if (!c)
        return weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", where);
    *c = weft_tabular_default();
    weft_status status = weft_tabular_config_read(config, where, c);
    if (status != WEFT_OK) {
        weft_tabular_config_free(c);
        free(c);
        return status;
    }
    *self = c;
    return WEFT_OK;
}

static void close_config(void *self)
{
    if (self)
        weft_tabular_config_free(self);
    free(self);
}

static weft_status describe(void *self, weft_graph *g, weft_value *fetches, int *count)
{
    fetches[0] = weft_tabular_build_row(g, self);
    *count = 1;
    return weft_graph_status(g);
}

static void list_inputs(const weft_tabular_config *c, weft_text *out)
{
    if (c->n_num_features)
        weft_text_add(out, "input   x_num [B, %lld] F32\n", (long long)c->n_num_features);
    if (c->n_bin_features)
        weft_text_add(out, "input   x_bin [B, %lld] F32\n", (long long)c->n_bin_features);
    if (c->n_cat)
        weft_text_add(out, "input   x_cat [B, %d] I64\n", c->n_cat);
    weft_text_add(out, "input   y [B] %s (optional)\n", c->task == WEFT_TASK_REGRESSION ? "F32" : "I64");
    if (c->members > 1)
        weft_text_add(out,
                      "an ensemble of %lld: output and loss are of the members' mean; all values of member K are written as "
                      "members.K.NAME, K = 0 to %lld, gradients by their parameters as grad.members.K.NAME\n",
                      (long long)c->members, (long long)c->members - 1);
}

static void list_tabr(void *self, weft_text *out)
{
    const weft_tabular_config *c = self;
    long long m = (long long)c->context_size, d = (long long)c->d_main;
    long long seen = m + (c->design >= 0); /* the ablation designs put the row itself before its context */
    list_inputs(c, out);
    weft_text_add(out,
                  "input   candidate.x_num, candidate.x_bin, candidate.x_cat, candidate.y (optional: the folder's own)\n"
                  "input   index [B] I64 (optional: the rows' places among the candidates)\n"
                  "input   context_index [B, %lld] I64 (optional: no search)\n"
                  "input   mask.* (optional dropout multipliers)\n"
                  "output  output [B, %lld]\noutput  context_index [B, %lld] I64\noutput  loss [1] (where y is given)\n"
                  "tap     encoder_out [B, %lld]\ntap     keys [B, %lld]\ntap     candidate_keys [N, %lld]\n"
                  "tap     similarities [B, %lld]\ntap     probs [B, %lld]\ntap     values [B, %lld, %lld]\ntap     "
                  "after_retrieval [B, %lld]\n",
                  m, (long long)weft_tabular_outputs(c), m, d, d, d, seen, seen, seen, d, d);
}

static void list_mlp(void *self, weft_text *out)
{
    const weft_tabular_config *c = self;
    list_inputs(c, out);
    weft_text_add(out, "output  output [B, %lld]\noutput  loss [1] (where y is given)\n", (long long)weft_tabular_outputs(c));
}

static weft_status run_tabr(void *self, weft_engine *engine, weft_params *params, const char *folder,
                            const weft_run_request *request, weft_arrays *out)
{
    const weft_tabular_config *c = self;
    return c->members > 1 ? weft_ensemble_evaluate(c, engine, params, folder, request, weft_tabr_run, out)
                          : weft_tabr_run(c, engine, params, folder, request, out);
}

static weft_status run_one_mlp(const weft_tabular_config *c, weft_engine *engine, weft_params *params, const char *folder,
                               const weft_run_request *request, weft_arrays *out)
{
    (void)folder;
    static const char *const known[] = {"x_num", "x_bin", "x_cat", "y", "cotangent.*", NULL};
    weft_rows_data *rows = NULL;
    weft_tensor y;
    weft_status status = weft_check_inputs(request->inputs, known);
    if (status == WEFT_OK)
        status = weft_rows_from_arrays(c, request->inputs, "", "inputs", &rows);
    if (status == WEFT_OK && !rows)
        status = weft_fail(WEFT_ERROR_ARGUMENT, "inputs: no rows: expected x_num, x_bin or x_cat");
    if (status != WEFT_OK)
        return status;
    bool loss = weft_arrays_find(request->inputs, "y", &y);
    status = weft_tabular_check_loss(request);
    weft_graph *g = status == WEFT_OK ? weft_run_graph(request) : NULL;
    if (status == WEFT_OK && g) {
        int64_t n = rows->rows;
        weft_mlp_build(g, c, n, false, loss);
        weft_binding bindings[] = {
            {"x_num", {rows->x_num, WEFT_F32, DIMS(n, rows->n_num)}},
            {"x_bin", {rows->x_bin, WEFT_F32, DIMS(n, rows->n_bin)}},
            {"one_hot", {rows->x_hot, WEFT_F32, DIMS(n, rows->one_hot)}},
            {"y", {rows->y ? (void *)rows->y : (void *)rows->label, rows->y ? WEFT_F32 : WEFT_I64, DIMS(n)}},
        };
        static const char *const outputs[] = {"output", "loss"}, *const inputs[] = {"x_num", "x_bin"};
        weft_evaluation e = {.engine = engine,
                             .graph = g,
                             .params = &params,
                             .param_count = 1,
                             .bindings = bindings,
                             .binding_count = 4,
                             .outputs = outputs,
                             .output_count = 2,
                             .inputs = inputs,
                             .input_count = 2};
        status = weft_evaluate(&e, request, out);
    } else if (status == WEFT_OK) {
        status = WEFT_ERROR_MEMORY;
    }
    weft_graph_free(g);
    weft_rows_free(rows);
    return status;
}

static weft_status run_mlp(void *self, weft_engine *engine, weft_params *params, const char *folder,
                           const weft_run_request *request, weft_arrays *out)
{
    const weft_tabular_config *c = self;
    return c->members > 1 ? weft_ensemble_evaluate(c, engine, params, folder, request, run_one_mlp, out)
                          : run_one_mlp(c, engine, params, folder, request, out);
}

const weft_model_type weft_tabr_model = {"tabr", open_config, close_config, describe, list_tabr, run_tabr, false, NULL};
const weft_model_type weft_mlp_model = {"mlp", open_config, close_config, describe, list_mlp, run_mlp, false, NULL};
