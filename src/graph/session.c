/* Sessions: binding tensors by name, converting what is stored otherwise, and reading results. */
#include "graph/session.h"
#include "base/pages.h"
#include "base/random.h"
#include "graph/params.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const weft_node *node_of(const weft_session *s, int32_t buffer)
{
    return weft_node_of(s->plan->graph, (weft_value){s->plan->buffers[buffer].value});
}

static void *own_memory(weft_session *s, int32_t buffer, size_t bytes)
{
    if (s->own_bytes[buffer] >= bytes && s->own[buffer])
        return s->own[buffer];
    free(s->own[buffer]);
    s->own_bytes[buffer] = (bytes + 63) & ~(size_t)63;
    return s->own[buffer] = aligned_alloc(64, s->own_bytes[buffer] ? s->own_bytes[buffer] : 64);
}

/* ---- bindings ---- */

static weft_status refuse_shape(const weft_node *n, weft_tensor t)
{
    char a[WEFT_DIMS_TEXT], b[WEFT_DIMS_TEXT];
    return weft_fail(WEFT_ERROR_ARGUMENT, "%s \"%s\" is %s, the graph wants %s", n->op->name, n->name ? n->name : "?",
                     weft_dims_text(t.dims, b), weft_dims_text(n->dims, a));
}

/* Row numbers: within range, and their inverse where some step sums by destination. */
static weft_status bind_index(weft_session *s, int32_t buffer, const int64_t *index, int64_t count, int64_t rows)
{
    const weft_node *n = node_of(s, buffer);
    const bool labels = n->attributes.i[1] != 0;
    for (int64_t i = 0; i < count; i++)
        if ((index[i] < 0 || index[i] >= rows) && !(labels && index[i] == WEFT_IGNORE))
            return weft_fail(WEFT_ERROR_ARGUMENT, "index \"%s\": number %lld at place %lld is not in 0 to %lld", n->name,
                             (long long)index[i], (long long)i, (long long)rows - 1);
    for (int32_t b = 0; b < s->plan->buffer_count; b++) {
        if (s->plan->buffers[b].kind != WEFT_BUFFER_INVERSE || s->plan->buffers[b].value != s->plan->buffers[buffer].value)
            continue;
        int64_t *start = own_memory(s, b, (size_t)(rows + 1 + count) * sizeof *start);
        if (!start)
            return weft_fail(WEFT_ERROR_MEMORY, "index \"%s\": memory is short", n->name);
        int64_t *list = start + rows + 1;
        memset(start, 0, (size_t)(rows + 1) * sizeof *start);
        for (int64_t i = 0; i < count; i++)
            start[index[i] + 1]++;
        for (int64_t r = 0; r < rows; r++)
            start[r + 1] += start[r];
        for (int64_t i = 0; i < count; i++) /* moves each start to the next one's place … */
            list[start[index[i]]++] = i;
        for (int64_t r = rows; r > 0; r--) /* … and back */
            start[r] = start[r - 1];
        start[0] = 0;
        s->run.base[b] = start;
    }
    return WEFT_OK;
}

static bool is_integer(weft_dtype t)
{
    return t == WEFT_I64 || t == WEFT_I32 || t == WEFT_I16 || t == WEFT_I8 || t == WEFT_U8 || t == WEFT_BOOL;
}

static int64_t integer_at(weft_tensor t, int64_t i)
{
    switch (t.dtype) {
    case WEFT_I32:
        return ((const int32_t *)t.data)[i];
    case WEFT_I16:
        return ((const int16_t *)t.data)[i];
    case WEFT_I8:
        return ((const int8_t *)t.data)[i];
    case WEFT_U8:
    case WEFT_BOOL:
        return ((const uint8_t *)t.data)[i];
    default:
        return ((const int64_t *)t.data)[i];
    }
}

static weft_status bind_integers(weft_session *s, int32_t buffer, weft_tensor t)
{
    const weft_node *n = node_of(s, buffer);
    int64_t count = weft_dims_count(t.dims);
    if (!is_integer(t.dtype))
        return weft_fail(WEFT_ERROR_ARGUMENT, "%s \"%s\" holds %s, the graph wants I64", n->op->name, n->name,
                         weft_dtype_name(t.dtype));
    const int64_t *values = t.data;
    s->run.base[buffer] = NULL; /* unbound when it is refused */
    if (t.dtype != WEFT_I64) {
        int64_t *copy = own_memory(s, buffer, (size_t)count * sizeof *copy);
        if (!copy)
            return weft_fail(WEFT_ERROR_MEMORY, "\"%s\": memory is short", n->name);
        for (int64_t i = 0; i < count; i++)
            copy[i] = integer_at(t, i);
        values = copy;
    }
    s->run.storage[buffer] = WEFT_I64;
    weft_status status = n->op == weft_op_index ? bind_index(s, buffer, values, count, n->attributes.i[0]) : WEFT_OK;
    if (status == WEFT_OK)
        s->run.base[buffer] = (void *)(uintptr_t)values;
    return status;
}

static weft_status bind_buffer(weft_session *s, int32_t buffer, weft_tensor t)
{
    const weft_node *n = node_of(s, buffer);
    if (!weft_dims_equal(t.dims, n->dims))
        return refuse_shape(n, t);
    if (n->dtype == WEFT_I64)
        return bind_integers(s, buffer, t);
    if (n->op == weft_op_state && t.dtype != n->dtype)
        return weft_fail(WEFT_ERROR_ARGUMENT, "state \"%s\" is bound to %s numbers, the graph keeps it in %s", n->name,
                         weft_dtype_name(t.dtype), weft_dtype_name(n->dtype));
    bool raw = t.dtype == n->dtype ||
               ((t.dtype == WEFT_BF16 || t.dtype == WEFT_F16) && !s->plan->buffers[buffer].converts && n->dtype == WEFT_F32);
    s->run.base[buffer] = raw ? t.data : NULL;
    s->run.storage[buffer] = raw ? t.dtype : n->dtype;
    if (raw)
        return WEFT_OK;
    int64_t count = weft_dims_count(t.dims);
    void *copy = own_memory(s, buffer, (size_t)count * weft_dtype_size(n->dtype));
    if (!copy)
        return weft_fail(WEFT_ERROR_MEMORY, "\"%s\": memory is short", n->name);
    s->run.vector->widen(t.dtype, count, t.data, copy);
    s->run.base[buffer] = copy;
    return WEFT_OK;
}

static bool hold_panels(weft_session *s, const weft_step *pack);

weft_status weft_bind(weft_session *s, const char *name, weft_tensor t)
{
    const weft_plan *plan = s->plan;
    bool found = false;
    for (int32_t b = 0; b < plan->buffer_count; b++) {
        const weft_buffer *buffer = &plan->buffers[b];
        if (buffer->kind != WEFT_BUFFER_BOUND || !node_of(s, b)->name || strcmp(node_of(s, b)->name, name) != 0)
            continue;
        found = true;
        weft_status status = bind_buffer(s, b, t);
        if (status != WEFT_OK)
            return status;
        for (int32_t i = 0; i < plan->step_count; i++) /* a parameter given by hand */
            if (plan->steps[i]->packs_parameter && plan->steps[i]->in[1].buffer == b && !hold_panels(s, plan->steps[i]))
                return weft_fail(WEFT_ERROR_MEMORY, "\"%s\": memory is short", name);
    }
    for (int i = 0; i < plan->fetch_count; i++) {
        const weft_node *n = weft_node_of(plan->graph, plan->fetches[i]);
        if (found || !n->name || strcmp(n->name, name) != 0)
            continue;
        if (!weft_dims_equal(t.dims, n->dims) || t.dtype != n->dtype)
            return refuse_shape(n, t);
        s->outputs[i] = t;
        found = true;
    }
    /* an input that nothing in this plan reads is fine */
    if (!found && !weft_find(plan->graph, name).id)
        return weft_fail(WEFT_ERROR_ARGUMENT, "there is no input \"%s\" in this graph", name);
    return WEFT_OK;
}

weft_status weft_set(weft_session *s, const char *name, int64_t value)
{
    weft_value v = weft_find(s->plan->graph, name);
    const weft_node *n = v.id ? weft_node_of(s->plan->graph, v) : NULL;
    if (!n || n->op != weft_op_count_input)
        return weft_fail(WEFT_ERROR_ARGUMENT, "there is no count \"%s\" in this graph", name);
    if (value < 0 || value > n->attributes.i[0])
        return weft_fail(WEFT_ERROR_ARGUMENT, "count \"%s\" is %lld, it goes from 0 to %lld", name, (long long)value,
                         (long long)n->attributes.i[0]);
    if (v.id >= s->plan->value_count)
        return WEFT_OK; /* newer than the plan, which cannot read it */
    s->run.counts[v.id] = value;
    s->count_set[v.id] = true;
    return WEFT_OK;
}

void weft_seed(weft_session *s, uint64_t seed, uint64_t step)
{
    const weft_graph *g = s->plan->graph;
    for (int32_t id = 1; id < s->plan->value_count; id++)
        if (g->nodes[id].op == weft_op_random) {
            weft_random_key key = weft_random_stream(seed, g->nodes[id].name);
            memcpy(s->run.keys[id], key.word, sizeof key.word);
        }
    s->run.step = step;
    s->seeded = true;
}

/* ---- parameters ---- */

/* The panels that step `pack` writes, shared with other sessions of the set that has the parameter. */
static bool hold_panels(weft_session *s, const weft_step *pack)
{
    const weft_slot *w = &pack->in[1];
    const int32_t b = pack->out[0].buffer;
    weft_params *set = s->params[s->provider[w->buffer]];
    const weft_dtype stored = s->run.storage[w->buffer];
    const weft_panels_key key = {
        .data = (const char *)s->run.base[w->buffer] + (size_t)w->offset * weft_dtype_size(stored),
        .kernels = s->run.kernels,
        .rows = w->dims.size[0],
        .columns = w->dims.size[1],
        .bytes = weft_packed_bytes(pack, &s->run),
        .dtype = (int32_t)stored,
        .transposed = pack->attributes.i[1] != 0,
        .bf16 = pack->attributes.i[2] != 0,
    };
    if (!s->panels[b] || memcmp(&s->panels[b]->key, &key, sizeof key) != 0) {
        weft_panels *panels = weft_panels_take(weft_params_panels(set), &key);
        if (!panels)
            return false;
        weft_panels_drop(weft_params_panels(set), s->panels[b]);
        s->panels[b] = panels;
        s->run.base[b] = panels->data;
    }
    s->panel_version[b] = weft_params_version(set) + 1; /* 0 is never */
    s->stale[b] = s->panels[b]->version != s->panel_version[b];
    s->any_stale |= s->stale[b];
    return true;
}

void weft_session_release_packed(const weft_session *s, const weft_step *pack)
{
    const int32_t b = pack->in[1].buffer;
    weft_params_release_one(s->params[s->provider[b]], node_of(s, b)->name);
}

/* Waits until no other session packs, and packs nothing that is done meanwhile. */
static void begin_packing(weft_session *s)
{
    weft_panels_lock();
    for (int32_t b = 0; b < s->plan->buffer_count; b++)
        if (s->stale[b])
            s->stale[b] = s->panels[b]->version != s->panel_version[b];
}

static void end_packing(weft_session *s)
{
    for (int32_t b = 0; b < s->plan->buffer_count; b++)
        if (s->stale[b]) {
            s->panels[b]->version = s->panel_version[b];
            s->stale[b] = false;
        }
    s->any_stale = false;
    weft_panels_unlock();
}

static weft_status bind_params(weft_session *s)
{
    for (int32_t b = 0; b < s->plan->buffer_count; b++) {
        if (s->plan->buffers[b].kind != WEFT_BUFFER_BOUND || node_of(s, b)->op != weft_op_param)
            continue;
        const weft_node *n = node_of(s, b);
        weft_tensor t;
        bool found = false;
        for (int i = 0; i < s->param_count && !found; i++) {
            found = weft_params_get(s->params[i], n->name, &t);
            s->provider[b] = i;
        }
        if (!found)
            return weft_fail(WEFT_ERROR_ARGUMENT, "parameter \"%s\" is missing", n->name);
        weft_status status = bind_buffer(s, b, t);
        if (status != WEFT_OK)
            return status;
        if (s->run.base[b] != t.data) /* it was converted, and is read no more */
            weft_params_release_one(s->params[s->provider[b]], n->name);
    }
    for (int i = 0; i < s->param_count; i++)
        s->versions[i] = weft_params_version(s->params[i]);
    for (int32_t i = 0; i < s->plan->step_count; i++)
        if (s->plan->steps[i]->packs_parameter && !hold_panels(s, s->plan->steps[i]))
            return weft_fail(WEFT_ERROR_MEMORY, "a parameter of %s does not fit in memory a second time",
                             weft_dims_text(s->plan->steps[i]->in[1].dims, (char[WEFT_DIMS_TEXT]){0}));
    return WEFT_OK;
}

/* ---- making and freeing ---- */

static bool fill_constant(weft_session *s, int32_t buffer)
{
    const weft_node *n = node_of(s, buffer);
    int64_t count = weft_dims_count(n->dims);
    void *data = own_memory(s, buffer, (size_t)count * weft_dtype_size(n->dtype));
    if (!data)
        return false;
    for (int64_t i = 0; i < count; i++) {
        double value = n->op == weft_op_iota ? (double)i : n->attributes.f[0];
        if (n->dtype == WEFT_F64)
            ((double *)data)[i] = value;
        else
            ((float *)data)[i] = (float)value;
    }
    s->run.base[buffer] = data;
    return true;
}

static bool session_open(weft_session *s, weft_params *const *params, int n)
{
    weft_plan *plan = s->plan;
    size_t buffers = (size_t)plan->buffer_count + 1, values = (size_t)plan->value_count;
    int threads = weft_team_size(plan->engine->team);
    s->params = calloc((size_t)n + 1, sizeof *s->params);
    s->versions = calloc((size_t)n + 1, sizeof *s->versions);
    s->provider = calloc(buffers, sizeof *s->provider);
    s->panels = calloc(buffers, sizeof *s->panels);
    s->panel_version = calloc(buffers, sizeof *s->panel_version);
    s->stale = calloc(buffers, sizeof *s->stale);
    s->own = calloc(buffers, sizeof *s->own);
    s->own_bytes = calloc(buffers, sizeof *s->own_bytes);
    s->outputs = calloc((size_t)plan->fetch_count + 1, sizeof *s->outputs);
    s->count_set = calloc(values, 1);
    s->taken = calloc((size_t)plan->step_count * (size_t)weft_team_size(plan->engine->team) + 1, sizeof *s->taken);
    s->arena = weft_pages_get(plan->arena_bytes);
    s->run.base = calloc(buffers, sizeof *s->run.base);
    s->run.storage = calloc(buffers, sizeof *s->run.storage);
    s->run.counts = calloc(values, sizeof *s->run.counts);
    s->run.keys = calloc(values, sizeof *s->run.keys);
    s->run.scratch = calloc((size_t)threads, sizeof *s->run.scratch);
    if (!s->params || !s->versions || !s->provider || !s->panels || !s->panel_version || !s->stale || !s->own || !s->own_bytes ||
        !s->outputs || !s->count_set || !s->taken || !s->arena || !s->run.base || !s->run.storage || !s->run.counts ||
        !s->run.keys || !s->run.scratch)
        return false;
    for (int i = 0; i < threads; i++)
        if (!(s->run.scratch[i] = aligned_alloc(64, (plan->scratch_bytes + 127) & ~(size_t)63)))
            return false;
    if (n)
        memcpy(s->params, params, (size_t)n * sizeof *params);
    s->param_count = n;
    bool f64 = plan->graph->dtype == WEFT_F64;
    const weft_kernels *k = plan->engine->kernels;
    s->run.kernels = k;
    s->run.vector = f64 ? k->f64 : k->f32;
    s->run.pair = f64 ? k->pair_f64 : k->pair_f32;
    s->run.attention = f64 ? k->attention_f64 : k->attention_f32;
    for (int32_t b = 0; b < plan->buffer_count; b++) {
        const weft_buffer *buffer = &plan->buffers[b];
        if (buffer->value)
            s->run.storage[b] = node_of(s, b)->dtype;
        if (buffer->kind == WEFT_BUFFER_ARENA)
            s->run.base[b] = (char *)s->arena + buffer->offset;
        else if (buffer->kind == WEFT_BUFFER_CONSTANT && !fill_constant(s, b))
            return false;
    }
    return true;
}

void weft_session_free(weft_session *s)
{
    if (!s)
        return;
    for (int32_t i = 0; s->panels && s->params && i < s->plan->step_count; i++) {
        const weft_step *pack = s->plan->steps[i];
        if (pack->packs_parameter && s->panels[pack->out[0].buffer])
            weft_panels_drop(weft_params_panels(s->params[s->provider[pack->in[1].buffer]]), s->panels[pack->out[0].buffer]);
    }
    for (int32_t b = 0; s->own && b < s->plan->buffer_count; b++)
        free(s->own[b]);
    for (int i = 0; s->run.scratch && i < weft_team_size(s->plan->engine->team); i++)
        free(s->run.scratch[i]);
    free(s->params);
    free(s->versions);
    free(s->provider);
    free(s->panels);
    free(s->panel_version);
    free(s->stale);
    free(s->own);
    free(s->own_bytes);
    free(s->outputs);
    free(s->count_set);
    free(s->taken);
    free(s->arena);
    free(s->run.base);
    free(s->run.storage);
    free(s->run.counts);
    free(s->run.keys);
    free(s->run.scratch);
    free(s);
}

weft_status weft_session_new(weft_plan *plan, weft_params *const *params, int n, weft_session **out)
{
    *out = NULL;
    weft_session *s = calloc(1, sizeof *s);
    if (!s)
        return weft_fail(WEFT_ERROR_MEMORY, "cannot allocate a session");
    s->plan = plan;
    if (!session_open(s, params, n)) {
        weft_session_free(s);
        return weft_fail(WEFT_ERROR_MEMORY, "a session of %.1f MB does not fit in memory", (double)plan->arena_bytes / 1e6);
    }
    weft_seed(s, 0, 0);
    weft_status status = bind_params(s);
    if (status != WEFT_OK) {
        weft_session_free(s);
        return status;
    }
    *out = s;
    return WEFT_OK;
}

/* ---- running ---- */

weft_status weft_run(weft_session *s)
{
    const weft_plan *plan = s->plan;
    bool changed = false;
    for (int i = 0; i < s->param_count; i++)
        changed |= s->versions[i] != weft_params_version(s->params[i]);
    if (changed) {
        weft_status status = bind_params(s);
        if (status != WEFT_OK)
            return status;
    }
    for (int32_t b = 0; b < plan->buffer_count; b++) {
        const weft_buffer *buffer = &plan->buffers[b];
        if (buffer->kind != WEFT_BUFFER_BOUND || s->run.base[b])
            continue;
        const weft_node *n = node_of(s, b);
        if (n->op == weft_op_random || n->op == weft_op_count_input || weft_dims_count(n->dims) == 0)
            continue;
        return weft_fail(WEFT_ERROR_ARGUMENT, "%s \"%s\" is not bound", n->op->name, n->name ? n->name : "?");
    }
    for (int32_t i = 0; i < plan->step_count; i++)
        for (int k = 0; k < plan->steps[i]->in_count; k++) {
            int32_t count = plan->steps[i]->in[k].extent.count.id;
            if (count && !s->count_set[count])
                return weft_fail(WEFT_ERROR_ARGUMENT, "count \"%s\" is not set",
                                 weft_node_of(plan->graph, (weft_value){count})->name);
        }
    if (plan->consumed_count && !s->run.consumer)
        return weft_fail(WEFT_ERROR_ARGUMENT, "this plan hands over %d values, and nobody takes them", plan->consumed_count);
    const bool packs = s->any_stale;
    if (packs)
        begin_packing(s);
    weft_session_execute(s);
    if (packs)
        end_packing(s);
    for (int i = 0; i < plan->fetch_count; i++)
        if (s->outputs[i].data)
            memcpy(s->outputs[i].data, weft_at(&s->run, &plan->fetch_places[i]), weft_tensor_bytes(s->outputs[i]));
    return WEFT_OK;
}

static weft_tensor fetched(weft_session *s, int i)
{
    const weft_slot *place = &s->plan->fetch_places[i];
    return (weft_tensor){weft_at(&s->run, place), place->dtype, place->dims};
}

weft_status weft_fetch(weft_session *s, const char *name, weft_tensor *out)
{
    for (int i = 0; i < s->plan->fetch_count; i++) {
        const char *given = weft_node_of(s->plan->graph, s->plan->fetches[i])->name;
        if (given && strcmp(given, name) == 0) {
            *out = fetched(s, i);
            return WEFT_OK;
        }
    }
    return weft_fail(WEFT_ERROR_ARGUMENT, "\"%s\" is not among what this plan computes", name);
}

weft_status weft_fetch_value(weft_session *s, weft_value v, weft_tensor *out)
{
    for (int i = 0; i < s->plan->fetch_count; i++)
        if (s->plan->fetches[i].id == v.id) {
            *out = fetched(s, i);
            return WEFT_OK;
        }
    return weft_fail(WEFT_ERROR_ARGUMENT, "value %d is not among what this plan computes", v.id);
}

const char *weft_session_nonfinite(weft_session *s)
{
    for (int i = 0; i < s->plan->fetch_count; i++) {
        weft_tensor t = fetched(s, i);
        int64_t count = weft_used_count(&s->run, &s->plan->fetch_places[i]);
        bool fine = true;
        if (t.dtype == WEFT_F32)
            for (int64_t k = 0; fine && k < count; k++)
                fine = isfinite(((const float *)t.data)[k]);
        else if (t.dtype == WEFT_F64)
            for (int64_t k = 0; fine && k < count; k++)
                fine = isfinite(((const double *)t.data)[k]);
        const char *name = weft_node_of(s->plan->graph, s->plan->fetches[i])->name;
        if (!fine)
            return name ? name : "an unnamed value";
    }
    return NULL;
}
