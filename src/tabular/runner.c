/* One TabR graph, compiled and bound: the batch's rows first, then each other row that its contexts look at, once. */
#include "graph/engine.h"
#include "tabular/values.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct weft_tabr_runner {
    const weft_tabular_config *config;
    weft_tabr_form form;
    weft_graph *graph;
    weft_plan *plan;
    weft_session *session;
    float *x_num, *x_bin, *x_hot;             /* [B + capacity, …] */
    float *context_y, *y;                     /* [B, m], [B] */
    int64_t *context, *context_label, *label; /* [B, m], [B, m], [B] */
    int64_t *place;                           /* [B + capacity, slots]; NULL without values */
    int64_t *row_key, *unique, unique_count;
    weft_places places;
};

static bool make_arrays(weft_tabr_runner *r)
{
    const weft_tabular_config *c = r->config;
    size_t rows = (size_t)(r->form.batch + r->form.capacity), pairs = (size_t)(r->form.batch * c->context_size);
    size_t B = (size_t)r->form.batch, hot = (size_t)weft_tabular_one_hot_width(c);
    r->x_num = calloc(rows * (size_t)c->n_num_features + 1, sizeof *r->x_num);
    r->x_bin = calloc(rows * (size_t)c->n_bin_features + 1, sizeof *r->x_bin);
    r->x_hot = calloc(rows * hot + 1, sizeof *r->x_hot);
    r->context_y = calloc(pairs + 1, sizeof *r->context_y);
    r->y = calloc(B + 1, sizeof *r->y);
    r->context = calloc(pairs + 1, sizeof *r->context);
    r->context_label = calloc(pairs + 1, sizeof *r->context_label);
    r->label = calloc(B + 1, sizeof *r->label);
    r->row_key = calloc(rows + 1, sizeof *r->row_key);
    r->unique = calloc((size_t)r->form.capacity + 1, sizeof *r->unique);
    if (r->form.values && !(r->place = calloc(rows * (size_t)r->form.values->slots + 1, sizeof *r->place)))
        return false;
    return r->x_num && r->x_bin && r->x_hot && r->context_y && r->y && r->context && r->context_label && r->label && r->row_key &&
           r->unique;
}

/* Binds what the graph has: a model without binary columns has no such input. */
static weft_status bind(weft_tabr_runner *r, const char *name, void *data, weft_dtype dtype, weft_dims dims)
{
    return weft_find(r->graph, name).id ? weft_bind(r->session, name, (weft_tensor){data, dtype, dims}) : WEFT_OK;
}

static weft_status bind_arrays(weft_tabr_runner *r)
{
    const weft_tabular_config *c = r->config;
    const weft_values *v = r->form.values;
    int64_t B = r->form.batch, rows = B + r->form.capacity;
    struct {
        const char *name;
        void *data;
        weft_dtype dtype;
        weft_dims dims;
    } inputs[] = {
        {"rows.x_num", r->x_num, WEFT_F32, DIMS(rows, c->n_num_features)},
        {"rows.x_bin", r->x_bin, WEFT_F32, DIMS(rows, c->n_bin_features)},
        {"rows.one_hot", r->x_hot, WEFT_F32, DIMS(rows, weft_tabular_one_hot_width(c))},
        {"batch.x_num", r->x_num, WEFT_F32, DIMS(B, c->n_num_features)},
        {"batch.x_bin", r->x_bin, WEFT_F32, DIMS(B, c->n_bin_features)},
        {"batch.one_hot", r->x_hot, WEFT_F32, DIMS(B, weft_tabular_one_hot_width(c))},
        {"values", v ? v->value : NULL, WEFT_F32, DIMS(v ? v->start[v->features] : 0, 1)},
        {"rows.place", r->place, WEFT_I64, DIMS(rows, v ? v->slots : 0)},
        {"context", r->context, WEFT_I64, DIMS(B, c->context_size)},
        {"context_y", r->context_y, WEFT_F32, DIMS(B, c->context_size)},
        {"context_label", r->context_label, WEFT_I64, DIMS(B, c->context_size)},
        {"row_key", r->row_key, WEFT_I64, DIMS(rows)},
        {"y", c->task == WEFT_TASK_MULTICLASS ? (void *)r->label : (void *)r->y,
         c->task == WEFT_TASK_MULTICLASS ? WEFT_I64 : WEFT_F32, DIMS(B)},
    };
    weft_status status = WEFT_OK;
    for (size_t i = 0; i < sizeof inputs / sizeof inputs[0] && status == WEFT_OK; i++)
        status = bind(r, inputs[i].name, inputs[i].data, inputs[i].dtype, inputs[i].dims);
    return status;
}

weft_status weft_tabr_runner_new(weft_engine *engine, const weft_tabular_config *config, const weft_tabr_form *form,
                                 weft_dtype dtype, weft_params *params, bool gradients, const char *const *fetches, int n,
                                 weft_tabr_runner **out)
{
    *out = NULL;
    weft_tabr_runner *r = calloc(1, sizeof *r);
    weft_graph *g = r ? weft_graph_new(dtype) : NULL;
    weft_value *wanted = NULL;
    weft_status status = weft_fail(WEFT_ERROR_MEMORY, "cannot allocate a model of this size");
    if (!g) {
        free(r);
        return status;
    }
    r->config = config;
    r->form = *form;
    r->graph = g;
    weft_value output = weft_tabr_build(g, config, form), loss = weft_find(g, "loss");
    int count = 0, parameters = gradients ? weft_graph_params(g, -1, NULL, NULL) : 0;
    wanted = calloc((size_t)(n + 2 + 2 * parameters) + 1, sizeof *wanted);
    if (!wanted || !make_arrays(r))
        goto done;
    wanted[count++] = output;
    if (loss.id)
        wanted[count++] = loss;
    for (int i = 0; i < n; i++) {
        weft_value v = weft_find(g, fetches[i]);
        if (!v.id) {
            status = weft_fail(WEFT_ERROR_ARGUMENT, "this model has no value \"%s\"", fetches[i]);
            goto done;
        }
        if (v.id != output.id && v.id != loss.id)
            wanted[count++] = v;
    }
    if (gradients) {
        weft_value *wrt = wanted + count + parameters; /* the room behind the results */
        for (int i = 0; i < parameters; i++)
            weft_graph_params(g, i, NULL, &wrt[i]);
        if ((status = weft_gradient(g, loss, (weft_value){0}, wrt, parameters, wanted + count)) != WEFT_OK)
            goto done;
        for (int i = 0; i < parameters; i++) {
            const char *name = NULL;
            weft_graph_params(g, i, &name, NULL);
            wanted[count + i] = weft_name(g, wanted[count + i], "grad.%s", name);
        }
        count += parameters;
    }
    if ((status = weft_compile(engine, g, NULL, 0, wanted, count, &r->plan)) != WEFT_OK ||
        (status = weft_session_new(r->plan, &params, 1, &r->session)) != WEFT_OK)
        goto done;
done:
    free(wanted);
    if (status != WEFT_OK) {
        weft_tabr_runner_free(r);
        return status;
    }
    *out = r;
    return WEFT_OK;
}

void weft_tabr_runner_free(weft_tabr_runner *r)
{
    if (!r)
        return;
    weft_session_free(r->session);
    weft_plan_free(r->plan);
    weft_graph_free(r->graph);
    free(r->x_num);
    free(r->x_bin);
    free(r->x_hot);
    free(r->context_y);
    free(r->y);
    free(r->context);
    free(r->context_label);
    free(r->label);
    free(r->row_key);
    free(r->unique);
    free(r->place);
    weft_places_free(&r->places);
    free(r);
}

weft_session *weft_tabr_runner_session(weft_tabr_runner *r)
{
    return r->session;
}

static void copy_row(float *to, int64_t at, const float *from, int64_t row, int64_t width)
{
    if (from && width)
        memcpy(to + at * width, from + row * width, (size_t)width * sizeof *to);
}

/* Row `at` of the inputs is this row of the data. Values: of the rows behind the batch, only their places are read. */
static void copy_rows(weft_tabr_runner *r, int64_t at, const weft_rows_data *data, int64_t row)
{
    const weft_values *v = r->form.values;
    copy_row(r->x_bin, at, data->x_bin, row, data->n_bin);
    if (v)
        memcpy(r->place + at * v->slots, v->place + row * v->slots, (size_t)v->slots * sizeof *r->place);
    if (v && at >= r->form.batch)
        return;
    copy_row(r->x_num, at, data->x_num, row, data->n_num);
    copy_row(r->x_hot, at, data->x_hot, row, data->one_hot);
}

weft_status weft_tabr_runner_know(weft_tabr_runner *r, const weft_known *k)
{
    int64_t d = r->config->d_main, h = weft_tabr_hidden(r->config);
    weft_status status = weft_bind(r->session, "known.keys", (weft_tensor){k->keys, WEFT_F32, DIMS(k->rows, d)});
    if (status != WEFT_OK)
        return status;
    return weft_bind(r->session, "known.hidden", (weft_tensor){k->hidden, WEFT_F32, DIMS(k->rows, h)});
}

weft_status weft_tabr_runner_bind(weft_tabr_runner *r, const weft_rows_data *candidates, const int64_t *own,
                                  const weft_rows_data *queries, int64_t from, const int64_t *context)
{
    int64_t B = r->form.batch, m = r->config->context_size;
    weft_status status = WEFT_OK;
    if (r->form.known)
        memcpy(r->context, context, (size_t)(B * m) * sizeof *context);
    else
        status = weft_places_find(&r->places, candidates->rows, own, B, m, context, r->form.capacity, r->context, r->unique,
                                  &r->unique_count);
    if (status != WEFT_OK)
        return status;
    const weft_rows_data *mine = own ? candidates : queries;
    for (int64_t i = 0; i < B; i++) {
        int64_t row = own ? own[i] : from + i < queries->rows ? from + i : queries->rows - 1;
        copy_rows(r, i, mine, row);
        r->row_key[i] = row;
        r->y[i] = mine->y ? mine->y[row] : mine->label ? (float)mine->label[row] : 0;
        r->label[i] = mine->label ? mine->label[row] : 0;
    }
    for (int64_t i = 0; i < r->unique_count; i++) {
        copy_rows(r, B + i, candidates, r->unique[i]);
        r->row_key[B + i] = r->unique[i];
    }
    for (int64_t k = 0; k < B * m; k++) {
        if (candidates->y)
            r->context_y[k] = candidates->y[context[k]];
        if (candidates->label)
            r->context_label[k] = candidates->label[context[k]];
    }
    status = bind_arrays(r);
    return status == WEFT_OK && weft_find(r->graph, "unique").id ? weft_set(r->session, "unique", r->unique_count) : status;
}
