/* One evaluation of a graph: outputs, taps and gradients by name. */
#include "nn/evaluate.h"

#include <stdlib.h>
#include <string.h>

#include "graph/graph.h"

weft_status weft_no_such_value(const weft_graph *g, const char *name)
{
    weft_text list = {0};
    weft_entry entry;
    int count = weft_graph_entries(g, -1, &entry);
    for (int i = 0; i < count; i++) {
        weft_graph_entries(g, i, &entry);
        if (strcmp(entry.kind, "value") == 0)
            weft_text_add(&list, "%s%s", list.length ? ", " : "", entry.name);
    }
    weft_status status =
        weft_fail(WEFT_ERROR_ARGUMENT, "this model has no value \"%s\"; it has %s", name, list.data ? list.data : "none by name");
    weft_text_free(&list);
    return status;
}

weft_status weft_check_inputs(const weft_arrays *inputs, const char *const *known)
{
    for (int64_t i = 0; i < weft_arrays_count(inputs); i++) {
        const char *name = weft_arrays_at(inputs, i).name;
        bool found = false;
        for (const char *const *k = known; *k && !found; k++) {
            size_t n = strlen(*k);
            found = n && (*k)[n - 1] == '*' ? strncmp(name, *k, n - 1) == 0 : strcmp(name, *k) == 0;
        }
        if (found)
            continue;
        weft_text list = {0};
        for (const char *const *k = known; *k; k++)
            weft_text_add(&list, "%s%s", list.length ? ", " : "", *k);
        weft_status status =
            weft_fail(WEFT_ERROR_ARGUMENT, "there is no input \"%s\"; this model takes %s", name, list.data ? list.data : "none");
        weft_text_free(&list);
        return status;
    }
    return WEFT_OK;
}

bool weft_run_lists(const char *const *names, int count, const char *name)
{
    for (int i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

weft_graph *weft_run_graph(const weft_run_request *r)
{
    weft_graph *g = weft_graph_new(r->dtype);
    if (g && r->bf16)
        weft_graph_bf16(g, true);
    return g;
}

typedef struct wanted {
    weft_value *value;
    int count, capacity;
} wanted;

static void want(wanted *w, weft_value v)
{
    for (int i = 0; i < w->count; i++)
        if (w->value[i].id == v.id)
            return;
    w->value[w->count++] = v;
}

/* gradients of all asked values together, by all parameters and the given inputs */
static weft_status add_gradients(const weft_evaluation *e, const weft_run_request *r, wanted *w)
{
    weft_graph *g = e->graph;
    if (r->grad_count == 0)
        return WEFT_OK;
    int parameters = weft_graph_params(g, -1, NULL, NULL), n = parameters + e->input_count;
    weft_value *wrt = calloc((size_t)n + 1, sizeof *wrt), *out = calloc((size_t)n + 1, sizeof *out), total = {0};
    weft_status status = wrt && out ? WEFT_OK : weft_fail(WEFT_ERROR_MEMORY, "gradients: memory is short");
    for (int i = 0; i < r->grad_count && status == WEFT_OK; i++) {
        weft_value y = weft_find(g, r->grads[i]);
        if (!y.id) {
            status = weft_no_such_value(g, r->grads[i]);
            break;
        }
        weft_text name = {0};
        weft_text_add(&name, "cotangent.%s", r->grads[i]);
        weft_tensor given;
        weft_value term = y;
        if (!name.failed && weft_arrays_find(r->inputs, name.data, &given))
            term = weft_mul(g, y, weft_input(g, name.data, WEFT_F32, weft_shape(g, y)));
        weft_text_free(&name);
        term = weft_sum_all(g, term);
        total = total.id ? weft_add(g, total, term) : term;
    }
    int count = 0;
    for (int i = 0; i < parameters; i++) {
        const char *name;
        weft_graph_params(g, i, &name, &wrt[count]);
        count += !e->gradient_name || e->gradient_name(e->user, name) != NULL;
    }
    const int taken = count;
    for (int i = 0; i < e->input_count; i++)
        if (weft_find(g, e->inputs[i]).id)
            wrt[count++] = weft_find(g, e->inputs[i]);
    if (status == WEFT_OK)
        status = weft_gradient(g, total, (weft_value){0}, wrt, count, out);
    for (int i = 0; i < count && status == WEFT_OK; i++)
        want(w, weft_name(g, out[i], "grad.%s",
                          i < taken && e->gradient_name ? e->gradient_name(e->user, weft_node_of(g, wrt[i])->name)
                                                        : weft_node_of(g, wrt[i])->name));
    free(wrt);
    free(out);
    return status == WEFT_OK ? weft_graph_status(g) : status;
}

static weft_status run_all(const weft_evaluation *e, const weft_run_request *r, wanted *w, weft_arrays *out)
{
    weft_plan *plan = NULL;
    weft_session *session = NULL;
    weft_status status = weft_compile(e->engine, e->graph, NULL, 0, w->value, w->count, &plan);
    if (status == WEFT_OK)
        status = weft_session_new(plan, e->params, e->param_count, &session);
    for (int i = 0; i < e->binding_count && status == WEFT_OK; i++)
        if (weft_find(e->graph, e->bindings[i].name).id)
            status = weft_bind(session, e->bindings[i].name, e->bindings[i].tensor);
    for (int i = 0; i < e->count_count && status == WEFT_OK; i++)
        if (weft_find(e->graph, e->counts[i].name).id)
            status = weft_set(session, e->counts[i].name, e->counts[i].value);
    for (int i = 0; i < r->grad_count && status == WEFT_OK; i++) {
        weft_text name = {0};
        weft_tensor given;
        weft_text_add(&name, "cotangent.%s", r->grads[i]);
        if (!name.failed && weft_arrays_find(r->inputs, name.data, &given))
            status = weft_bind(session, name.data, given);
        weft_text_free(&name);
    }
    if (status == WEFT_OK)
        status = weft_run(session);
    for (int i = 0; i < w->count && status == WEFT_OK; i++) {
        weft_tensor t;
        if ((status = weft_fetch_value(session, w->value[i], &t)) == WEFT_OK)
            status = weft_arrays_add_copy(out, weft_node_of(e->graph, w->value[i])->name, t);
    }
    weft_session_free(session);
    weft_plan_free(plan);
    return status;
}

weft_status weft_evaluate(const weft_evaluation *e, const weft_run_request *r, weft_arrays *out)
{
    weft_graph *g = e->graph;
    if (weft_graph_status(g) != WEFT_OK)
        return g->status;
    int most = e->output_count + r->tap_count + weft_graph_params(g, -1, NULL, NULL) + e->input_count + 1;
    wanted w = {.value = calloc((size_t)most, sizeof *w.value)};
    weft_status status = w.value ? WEFT_OK : weft_fail(WEFT_ERROR_MEMORY, "outputs: memory is short");
    for (int i = 0; i < e->output_count && status == WEFT_OK; i++)
        if (weft_find(g, e->outputs[i]).id)
            want(&w, weft_find(g, e->outputs[i]));
    for (int i = 0; i < r->tap_count && status == WEFT_OK; i++) {
        weft_value v = weft_find(g, r->taps[i]);
        if (v.id)
            want(&w, v);
        else
            status = weft_no_such_value(g, r->taps[i]);
    }
    if (status == WEFT_OK)
        status = add_gradients(e, r, &w);
    if (status == WEFT_OK)
        status = run_all(e, r, &w, out);
    free(w.value);
    return status;
}
