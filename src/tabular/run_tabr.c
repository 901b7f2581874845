/* `weft run` on a TabR folder: contexts given or searched with the full keys, then the graph as the specification writes it
 * (not folded), so that every intermediate can be asked for. */
#include "graph/engine.h"
#include "graph/graph.h"
#include "tabular/candidates.h"
#include "tabular/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct tabr_run {
    weft_tabular_config config;
    weft_engine *engine;
    weft_params *params;
    const weft_run_request *request;
    weft_rows_data *candidates, *batch;
    weft_rows_data *rows;                      /* the batch, then the other rows that it looks at */
    int64_t B, m, unique_count, capacity;      /* capacity: at least 1, also where all rows looked at are in the batch */
    int64_t *index, *context, *place, *unique; /* candidate numbers; context's places in rows */
    bool loss, masked;
    weft_arrays *keys;  /* candidate_keys, queries */
    weft_arrays *found; /* of the main graph */
    int64_t *context_label;
    float *context_y;
} tabr_run;

static weft_status short_of_memory(void)
{
    return weft_fail(WEFT_ERROR_MEMORY, "run: memory is short");
}

/* ---- inputs ---- */

static weft_status read_candidates(tabr_run *t, const char *folder)
{
    weft_status status = weft_rows_from_arrays(&t->config, t->request->inputs, "candidate.", "inputs", &t->candidates);
    weft_tensor y;
    if (status == WEFT_OK && weft_arrays_find(t->request->inputs, "candidate.y", &y) != (t->candidates != NULL))
        status =
            weft_fail(WEFT_ERROR_ARGUMENT, "inputs: %s: candidates need their columns and their targets",
                      t->candidates ? "candidate.y is missing" : "candidate.y comes without candidate.x_num, .x_bin or .x_cat");
    if (status != WEFT_OK || t->candidates)
        return status;
    if (!folder)
        return weft_fail(WEFT_ERROR_ARGUMENT,
                         "inputs: no candidates: expected candidate.x_num, candidate.x_bin or candidate.x_cat");
    weft_text path = {0};
    weft_arrays *arrays = NULL;
    weft_text_add(&path, "%s/candidates.safetensors", folder);
    status = path.failed ? short_of_memory() : weft_safetensors_open(path.data, &arrays);
    if (status != WEFT_OK)
        weft_fail_in(status, "no candidates among the inputs, and none in the folder");
    if (status == WEFT_OK)
        status = weft_candidates_check(arrays, path.data, NULL);
    if (status == WEFT_OK)
        status = weft_rows_from_arrays(&t->config, arrays, "", path.data, &t->candidates);
    if (status == WEFT_OK && !t->candidates)
        status = weft_fail(WEFT_ERROR_FORMAT, "%s: holds no x_num, x_bin or x_cat", path.data);
    if (status == WEFT_OK && !weft_arrays_find(arrays, "y", &y))
        status = weft_fail(WEFT_ERROR_FORMAT, "%s: tensor \"y\" is missing", path.data);
    weft_arrays_free(arrays);
    weft_text_free(&path);
    return status;
}

static weft_status read_numbers(const weft_arrays *inputs, const char *name, int rank, int64_t least, int64_t limit,
                                weft_tensor *out, bool *found)
{
    *found = weft_arrays_find(inputs, name, out);
    if (!*found)
        return WEFT_OK;
    char dims[WEFT_DIMS_TEXT];
    if (out->dtype != WEFT_I64 || out->dims.rank != rank)
        return weft_fail(WEFT_ERROR_ARGUMENT, "inputs: %s is %s %s, expected I64 of %d axes", name, weft_dtype_name(out->dtype),
                         weft_dims_text(out->dims, dims), rank);
    for (int64_t i = 0; i < weft_dims_count(out->dims); i++) {
        int64_t v = ((const int64_t *)out->data)[i];
        if (v < least || v >= limit)
            return weft_fail(WEFT_ERROR_ARGUMENT, "inputs: %s holds %lld at place %lld, expected %lld to %lld", name,
                             (long long)v, (long long)i, (long long)least, (long long)limit - 1);
    }
    return WEFT_OK;
}

/* The batch: its own arrays, or the candidates that `index` names. */
static weft_status read_batch(tabr_run *t)
{
    weft_tensor index, y;
    bool has_index;
    weft_status status = read_numbers(t->request->inputs, "index", 1, 0, t->candidates->rows, &index, &has_index);
    if (status == WEFT_OK)
        status = weft_rows_from_arrays(&t->config, t->request->inputs, "", "inputs", &t->batch);
    if (status != WEFT_OK)
        return status;
    t->loss = weft_arrays_find(t->request->inputs, "y", &y);
    if (!t->batch && !has_index)
        return weft_fail(WEFT_ERROR_ARGUMENT, "inputs: no rows: expected x_num, x_bin, x_cat or index");
    if (!t->batch) {
        t->B = index.dims.size[0];
        if (t->B == 0)
            return weft_fail(WEFT_ERROR_ARGUMENT, "inputs: index names no rows");
        if ((status = weft_rows_new(&t->config, t->B, &t->batch)) != WEFT_OK)
            return status;
        for (int64_t i = 0; i < t->B; i++)
            weft_rows_copy(t->batch, i, t->candidates, ((const int64_t *)index.data)[i]);
        if (t->loss && (status = weft_rows_targets(&t->config, y, "", "inputs", t->batch)) != WEFT_OK)
            return status;
    }
    t->B = t->batch->rows;
    if (has_index && index.dims.size[0] != t->B)
        return weft_fail(WEFT_ERROR_ARGUMENT, "inputs: index names %lld rows, the batch has %lld", (long long)index.dims.size[0],
                         (long long)t->B);
    if (has_index) {
        t->index = malloc((size_t)(t->B + 1) * sizeof *t->index);
        if (!t->index)
            return short_of_memory();
        memcpy(t->index, index.data, (size_t)t->B * sizeof *t->index);
    }
    return WEFT_OK;
}

/* ---- keys and contexts ---- */

/* keys of rows, or their queries where a design has a projection of its own for them, into arrays under `name` */
static weft_status project(tabr_run *t, const weft_rows_data *rows, bool queries, const char *name, weft_arrays *out)
{
    weft_graph *g = weft_run_graph(t->request);
    if (!g)
        return WEFT_ERROR_MEMORY;
    int64_t n = rows->rows;
    weft_value all = {0};
    weft_value y =
        queries ? weft_tabr_build_queries(g, &t->config, n, all, false) : weft_tabr_build_keys(g, &t->config, n, all, false);
    weft_name(g, y, "%s", name);
    weft_binding bindings[] = {
        {"rows.x_num", {rows->x_num, WEFT_F32, DIMS(n, rows->n_num)}},
        {"rows.x_bin", {rows->x_bin, WEFT_F32, DIMS(n, rows->n_bin)}},
        {"rows.one_hot", {rows->x_hot, WEFT_F32, DIMS(n, rows->one_hot)}},
    };
    weft_run_request plain = {.inputs = t->request->inputs, .dtype = t->request->dtype, .bf16 = t->request->bf16};
    weft_evaluation e = {.engine = t->engine,
                         .graph = g,
                         .params = &t->params,
                         .param_count = 1,
                         .bindings = bindings,
                         .binding_count = 3,
                         .outputs = &name,
                         .output_count = 1};
    weft_status status = weft_evaluate(&e, &plain, out);
    weft_graph_free(g);
    return status;
}

static weft_status search(tabr_run *t)
{
    bool inner = weft_tabr_inner_product(&t->config);
    weft_tensor keys, queries;
    weft_status status = project(t, t->batch, inner, "queries", t->keys);
    if (status != WEFT_OK)
        return status;
    if (!weft_arrays_find(t->keys, "candidate_keys", &keys) || !weft_arrays_find(t->keys, "queries", &queries))
        return weft_fail(WEFT_ERROR_ARGUMENT, "run: keys are missing");
    int64_t most = t->candidates->rows - (t->index ? 1 : 0);
    if (most < t->m)
        return weft_fail(WEFT_ERROR_ARGUMENT, "%lld candidates%s are fewer than the context size %lld",
                         (long long)t->candidates->rows, t->index ? ", less the row itself," : "", (long long)t->m);
    weft_search *s = NULL;
    const weft_kernels *k = t->engine->kernels;
    status = weft_search_new(k, t->engine->team, keys.dtype, t->candidates->rows, t->config.d_main, keys.data, inner, &s);
    if (status == WEFT_OK)
        status = weft_search_run(s, t->engine->team, t->B, queries.data, t->m, t->index, t->context, NULL);
    weft_search_free(s);
    return status;
}

static bool asks_for(const weft_run_request *r, const char *tap)
{
    return weft_run_lists(r->taps, r->tap_count, tap);
}

static weft_status find_contexts(tabr_run *t)
{
    weft_tensor given;
    bool found;
    weft_status status = read_numbers(t->request->inputs, "context_index", 2, 0, t->candidates->rows, &given, &found);
    if (status != WEFT_OK)
        return status;
    t->m = found ? given.dims.size[1] : t->config.context_size;
    t->config.context_size = t->m;
    if (found && t->m == 0)
        return weft_fail(WEFT_ERROR_ARGUMENT, "inputs: context_index names no rows to look at");
    if (found && given.dims.size[0] != t->B)
        return weft_fail(WEFT_ERROR_ARGUMENT, "inputs: context_index has %lld rows, the batch %lld",
                         (long long)given.dims.size[0], (long long)t->B);
    t->context = malloc((size_t)(t->B * t->m + 1) * sizeof *t->context);
    if (!t->context)
        return short_of_memory();
    if (!found || asks_for(t->request, "candidate_keys"))
        status = project(t, t->candidates, false, "candidate_keys", t->keys);
    if (status == WEFT_OK && found)
        memcpy(t->context, given.data, (size_t)(t->B * t->m) * sizeof *t->context);
    else if (status == WEFT_OK)
        status = search(t);
    return status;
}

/* rows = the batch, then each other candidate that a context names, once */
static weft_status place_rows(tabr_run *t)
{
    int64_t N = t->candidates->rows, pairs = t->B * t->m;
    t->place = malloc((size_t)(pairs + 1) * sizeof *t->place);
    t->unique = malloc((size_t)(N + 1) * sizeof *t->unique);
    t->context_label = calloc((size_t)pairs + 1, sizeof *t->context_label);
    t->context_y = calloc((size_t)pairs + 1, sizeof *t->context_y);
    if (!t->place || !t->unique || !t->context_label || !t->context_y)
        return short_of_memory();
    weft_places places = {0};
    weft_status status = weft_places_find(&places, N, t->index, t->B, t->m, t->context, N, t->place, t->unique, &t->unique_count);
    weft_places_free(&places);
    if (status != WEFT_OK)
        return status;
    for (int64_t k = 0; k < pairs; k++)
        if (t->candidates->y)
            t->context_y[k] = t->candidates->y[t->context[k]];
        else
            t->context_label[k] = t->candidates->label[t->context[k]];
    t->capacity = t->unique_count ? t->unique_count : 1;
    status = weft_rows_new(&t->config, t->B + t->capacity, &t->rows);
    if (status != WEFT_OK)
        return status;
    for (int64_t i = 0; i < t->B; i++)
        weft_rows_copy(t->rows, i, t->batch, i);
    for (int64_t i = 0; i < t->unique_count; i++)
        weft_rows_copy(t->rows, t->B + i, t->candidates, t->unique[i]);
    return WEFT_OK;
}

/* ---- the main graph ---- */

enum { MOST_MASKS = 256 };

static weft_status no_such_mask(const weft_graph *g, const char *name)
{
    weft_text known = {0};
    weft_entry entry;
    int n = weft_graph_entries(g, -1, &entry);
    for (int i = 0; i < n; i++) {
        weft_graph_entries(g, i, &entry);
        if (strcmp(entry.kind, "random") == 0)
            weft_text_add(&known, "%s%s", known.length ? ", " : "", entry.name);
    }
    weft_status status = weft_fail(WEFT_ERROR_ARGUMENT, "inputs: \"%s\" is not a dropout of this model, which has %s", name,
                                   known.data ? known.data : "none");
    weft_text_free(&known);
    return status;
}

/* masks from the inputs; those that are not given are all ones */
static weft_status bind_masks(tabr_run *t, weft_graph *g, weft_binding *bindings, int *count, weft_arrays *ones)
{
    weft_entry entry;
    int n = weft_graph_entries(g, -1, &entry);
    for (int i = 0; i < n && *count < MOST_MASKS; i++) {
        weft_graph_entries(g, i, &entry);
        if (strcmp(entry.kind, "random") != 0)
            continue;
        weft_tensor mask;
        if (!weft_arrays_find(t->request->inputs, entry.name, &mask)) {
            int64_t elements = weft_dims_count(entry.dims);
            float *one = malloc((size_t)(elements + 1) * sizeof *one);
            if (!one)
                return short_of_memory();
            for (int64_t k = 0; k < elements; k++)
                one[k] = 1;
            weft_status status = weft_arrays_add_copy(ones, entry.name, (weft_tensor){one, WEFT_F32, entry.dims});
            free(one);
            if (status != WEFT_OK)
                return status;
            weft_arrays_find(ones, entry.name, &mask);
        }
        bindings[(*count)++] = (weft_binding){entry.name, mask};
    }
    for (int64_t i = 0; i < weft_arrays_count(t->request->inputs); i++) {
        const char *name = weft_arrays_at(t->request->inputs, i).name;
        if (strncmp(name, "mask.", 5) == 0 && !weft_find(g, name).id)
            return no_such_mask(g, name);
    }
    return WEFT_OK;
}

static weft_status run_graph(tabr_run *t)
{
    weft_graph *g = weft_run_graph(t->request);
    weft_arrays *ones = NULL;
    weft_status status = g ? weft_arrays_new(&ones) : WEFT_ERROR_MEMORY;
    weft_binding bindings[MOST_MASKS + 16];
    int64_t n = t->rows->rows, *row_key = calloc((size_t)n + 1, sizeof *row_key);
    const char **taps = calloc((size_t)t->request->tap_count + 1, sizeof *taps);
    if (status == WEFT_OK && (!row_key || !taps))
        status = short_of_memory();
    if (status == WEFT_OK) {
        if (t->masked) /* any rate will do: every mask is bound */
            t->config.context_dropout = t->config.dropout0 = t->config.dropout1 = 0.5;
        weft_tabr_form form = {.batch = t->B, .capacity = t->capacity, .training = t->masked, .loss = t->loss};
        weft_tabr_build(g, &t->config, &form);
        int count = 0;
        weft_tensor y = {t->batch->y ? (void *)t->batch->y : (void *)t->batch->label, t->batch->y ? WEFT_F32 : WEFT_I64,
                         DIMS(t->B)};
        const weft_binding given[] = {
            {"rows.x_num", {t->rows->x_num, WEFT_F32, DIMS(n, t->rows->n_num)}},
            {"rows.x_bin", {t->rows->x_bin, WEFT_F32, DIMS(n, t->rows->n_bin)}},
            {"rows.one_hot", {t->rows->x_hot, WEFT_F32, DIMS(n, t->rows->one_hot)}},
            {"context", {t->place, WEFT_I64, DIMS(t->B, t->m)}},
            {"context_label", {t->context_label, WEFT_I64, DIMS(t->B, t->m)}},
            {"context_y", {t->context_y, WEFT_F32, DIMS(t->B, t->m)}},
            {"row_key", {row_key, WEFT_I64, DIMS(n)}},
            {"y", y},
        };
        for (size_t i = 0; i < sizeof given / sizeof given[0]; i++)
            bindings[count++] = given[i];
        status = bind_masks(t, g, bindings, &count, ones);
        weft_count_binding unique = {"unique", t->unique_count};
        static const char *const outputs[] = {"output", "loss"}, *const inputs[] = {"rows.x_num", "rows.x_bin"};
        weft_run_request request = *t->request;
        request.tap_count = 0;
        for (int i = 0; i < t->request->tap_count; i++)
            if (strcmp(t->request->taps[i], "candidate_keys") != 0 && strcmp(t->request->taps[i], "context_index") != 0)
                taps[request.tap_count++] = t->request->taps[i];
        request.taps = taps;
        weft_evaluation e = {.engine = t->engine,
                             .graph = g,
                             .params = &t->params,
                             .param_count = 1,
                             .bindings = bindings,
                             .binding_count = count,
                             .counts = &unique,
                             .count_count = 1,
                             .outputs = outputs,
                             .output_count = 2,
                             .inputs = inputs,
                             .input_count = 2};
        if (status == WEFT_OK)
            status = weft_evaluate(&e, &request, t->found);
    }
    free(taps);
    free(row_key);
    weft_arrays_free(ones);
    weft_graph_free(g);
    return status;
}

/* "grad.rows.x_num" [rows, F] as "grad.x_num" [B, F] and "grad.candidate.x_num" [N, F] */
static weft_status split_gradient(tabr_run *t, const char *name, weft_tensor rows, weft_arrays *out)
{
    char mine[64], theirs[64];
    snprintf(mine, sizeof mine, "grad.%s", name + strlen("grad.rows."));
    snprintf(theirs, sizeof theirs, "grad.candidate.%s", name + strlen("grad.rows."));
    int64_t width = rows.dims.size[1];
    size_t row = (size_t)width * weft_dtype_size(rows.dtype);
    char *all = calloc((size_t)t->candidates->rows + 1, row ? row : 1);
    if (!all)
        return short_of_memory();
    for (int64_t i = 0; i < t->unique_count; i++)
        memcpy(all + (size_t)t->unique[i] * row, (const char *)rows.data + (size_t)(t->B + i) * row, row);
    weft_status status = weft_arrays_add_copy(out, mine, (weft_tensor){rows.data, rows.dtype, DIMS(t->B, width)});
    if (status == WEFT_OK)
        status = weft_arrays_add_copy(out, theirs, (weft_tensor){all, rows.dtype, DIMS(t->candidates->rows, width)});
    free(all);
    return status;
}

static weft_status write_results(tabr_run *t, weft_arrays *out)
{
    weft_status status = weft_arrays_add_copy(out, "context_index", (weft_tensor){t->context, WEFT_I64, DIMS(t->B, t->m)});
    for (int64_t i = 0; i < weft_arrays_count(t->found) && status == WEFT_OK; i++) {
        weft_array a = weft_arrays_at(t->found, i);
        if (strncmp(a.name, "grad.rows.", 10) == 0)
            status = split_gradient(t, a.name, a.tensor, out);
        else
            status = weft_arrays_add_copy(out, a.name, a.tensor);
    }
    weft_tensor keys;
    if (status == WEFT_OK && asks_for(t->request, "candidate_keys") && weft_arrays_find(t->keys, "candidate_keys", &keys))
        status = weft_arrays_add_copy(out, "candidate_keys", keys);
    return status;
}

weft_status weft_tabr_run(const weft_tabular_config *config, weft_engine *engine, weft_params *params, const char *folder,
                          const weft_run_request *request, weft_arrays *out)
{
    static const char *const known[] = {"x_num",           "x_bin",           "x_cat",       "y",     "candidate.x_num",
                                        "candidate.x_bin", "candidate.x_cat", "candidate.y", "index", "context_index",
                                        "mask.*",          "cotangent.*",     NULL};
    tabr_run t = {.engine = engine, .params = params, .request = request};
    weft_status status = weft_check_inputs(request->inputs, known);
    if (status != WEFT_OK || (status = weft_tabular_config_copy(config, &t.config)) != WEFT_OK)
        return status;
    for (int64_t i = 0; i < weft_arrays_count(request->inputs); i++)
        t.masked |= strncmp(weft_arrays_at(request->inputs, i).name, "mask.", 5) == 0;
    if ((status = weft_arrays_new(&t.keys)) == WEFT_OK && (status = weft_arrays_new(&t.found)) == WEFT_OK &&
        (status = weft_tabular_check_loss(request)) == WEFT_OK && (status = read_candidates(&t, folder)) == WEFT_OK &&
        (status = read_batch(&t)) == WEFT_OK && (status = find_contexts(&t)) == WEFT_OK && (status = place_rows(&t)) == WEFT_OK &&
        (status = run_graph(&t)) == WEFT_OK)
        status = write_results(&t, out);
    weft_tabular_config_free(&t.config);
    weft_rows_free(t.candidates);
    weft_rows_free(t.batch);
    weft_rows_free(t.rows);
    weft_arrays_free(t.keys);
    weft_arrays_free(t.found);
    free(t.index);
    free(t.context);
    free(t.place);
    free(t.unique);
    free(t.context_label);
    free(t.context_y);
    return status;
}
