/* The compiler: which values are needed, which elementwise values run together, the steps, and where each buffer lies. */
#include "graph/planning.h"

#include <stdlib.h>
#include <string.h>

weft_engine *weft_planner_engine(const weft_planner *p)
{
    return p->plan->engine;
}

const weft_graph *weft_planner_graph(const weft_planner *p)
{
    return p->graph;
}

void *weft_plan_get(weft_planner *p, size_t bytes)
{
    void *data = weft_arena_get(&p->plan->arena, bytes);
    if (!data)
        p->failed = true;
    return data;
}

void weft_need_scratch(weft_planner *p, size_t bytes)
{
    if (bytes > p->plan->scratch_bytes)
        p->plan->scratch_bytes = bytes;
}

/* ---- buffers and places ---- */

static int32_t buffer_new(weft_planner *p, weft_buffer_kind kind, int32_t value, size_t bytes)
{
    weft_plan *plan = p->plan;
    if (plan->buffer_count == plan->buffer_capacity) {
        int32_t capacity = plan->buffer_capacity ? plan->buffer_capacity * 2 : 128;
        weft_buffer *buffers = realloc(plan->buffers, (size_t)capacity * sizeof *buffers);
        if (!buffers) {
            p->failed = true;
            return 0;
        }
        plan->buffers = buffers;
        plan->buffer_capacity = capacity;
    }
    plan->buffers[plan->buffer_count] = (weft_buffer){
        .kind = kind, .value = value, .bytes = (bytes + 63) & ~(size_t)63, .first = INT32_MAX, .last = -1, .same_as = -1};
    return plan->buffer_count++;
}

static bool is_leaf(const weft_planner *p, weft_value v)
{
    return weft_node_of(p->graph, v)->op->kind == WEFT_OP_LEAF || p->fed[v.id];
}

static int32_t root_buffer(weft_planner *p, weft_value v, int output)
{
    int32_t *slot = &p->buffer_of[(int64_t)v.id * WEFT_MAX_OUTPUTS + output];
    if (*slot >= 0)
        return *slot;
    const weft_node *n = weft_node_of(p->graph, v);
    weft_dims dims = output ? n->more[output - 1] : n->dims;
    const bool rounded = !output && p->in_bf16[v.id];
    size_t bytes = rounded ? weft_rounded_bytes(dims) : (size_t)weft_dims_count(dims) * weft_dtype_size(n->dtype);
    weft_buffer_kind kind = WEFT_BUFFER_ARENA;
    if (n->op == weft_op_constant || n->op == weft_op_iota)
        kind = WEFT_BUFFER_CONSTANT;
    else if (is_leaf(p, v) && n->op != weft_op_random)
        kind = WEFT_BUFFER_BOUND;
    return *slot = buffer_new(p, p->fed[v.id] ? WEFT_BUFFER_BOUND : kind, v.id, bytes);
}

weft_slot weft_place_of(weft_planner *p, weft_value v)
{
    const weft_node *n = weft_node_of(p->graph, v);
    weft_slot place = {.dtype = n->dtype, .dims = n->dims, .extent = n->extent};
    int output = 0;
    if (n->op == weft_op_count_input) /* read as a number: the place of no memory, but of a count */
        place.extent = (weft_extent){.count = v, .scale = 1};
    while ((n->op->kind == WEFT_OP_VIEW || n->op == weft_op_store) && !p->fed[v.id]) {
        if (n->op == weft_op_part)
            output = (int)n->attributes.i[0];
        else if (n->op == weft_op_rows)
            place.offset += n->attributes.i[0] * weft_dims_product(n->dims, 1, n->dims.rank);
        v = n->inputs[0];
        n = weft_node_of(p->graph, v);
    }
    place.buffer = root_buffer(p, v, output);
    if (!output && p->in_bf16[v.id])
        place.dtype = WEFT_BF16;
    return place;
}

weft_slot weft_place_of_leaf(weft_planner *p, weft_value v)
{
    const weft_node *n = weft_node_of(p->graph, v);
    if (p->leaf_of[v.id] < 0)
        p->leaf_of[v.id] = buffer_new(p, WEFT_BUFFER_BOUND, v.id, 0);
    return (weft_slot){.buffer = p->leaf_of[v.id], .dtype = n->dtype, .dims = n->dims, .extent = n->extent};
}

weft_slot weft_place_inverse(weft_planner *p, weft_value index)
{
    const weft_node *n = weft_node_of(p->graph, index);
    while (n->op->kind == WEFT_OP_VIEW) {
        index = n->inputs[0];
        n = weft_node_of(p->graph, index);
    }
    (void)root_buffer(p, index, 0); /* the index itself must be bound */
    if (p->inverse_of[index.id] < 0)
        p->inverse_of[index.id] = buffer_new(p, WEFT_BUFFER_INVERSE, index.id, 0);
    return (weft_slot){.buffer = p->inverse_of[index.id], .dtype = WEFT_I64, .dims = DIMS(n->attributes.i[0] + 1)};
}

weft_slot weft_place_scratch(weft_planner *p, size_t bytes)
{
    return (weft_slot){.buffer = buffer_new(p, WEFT_BUFFER_ARENA, 0, bytes), .dtype = WEFT_U8, .dims = DIMS((int64_t)bytes)};
}

weft_slot weft_place_packed(weft_planner *p, size_t bytes)
{
    p->plan->packed_bytes += bytes;
    return (weft_slot){.buffer = buffer_new(p, WEFT_BUFFER_PACKED, 0, bytes), .dtype = WEFT_U8, .dims = DIMS((int64_t)bytes)};
}

bool weft_may_pack(const weft_planner *p, size_t bytes)
{
    return p->graph->packing == WEFT_PACK_KEPT && p->plan->packed_bytes + bytes <= weft_memory_bytes() / 2;
}

bool weft_is_kept(const weft_planner *p, weft_value v)
{
    while (weft_node_of(p->graph, v)->op->kind == WEFT_OP_VIEW && !p->fed[v.id])
        v = weft_node_of(p->graph, v)->inputs[0];
    const int32_t gradient = weft_node_of(p->graph, v)->gradient;
    return weft_is_parameter(p, v) && !(gradient && p->live[gradient]);
}

bool weft_is_parameter(const weft_planner *p, weft_value v)
{
    while (weft_node_of(p->graph, v)->op->kind == WEFT_OP_VIEW && !p->fed[v.id])
        v = weft_node_of(p->graph, v)->inputs[0];
    return weft_node_of(p->graph, v)->op == weft_op_param && !p->fed[v.id];
}

/* ---- steps ---- */

weft_step *weft_step_empty(weft_planner *p, weft_value v, weft_pieces_function pieces, weft_piece_function run)
{
    weft_plan *plan = p->plan;
    weft_step *s = weft_plan_get(p, sizeof *s);
    if (!s)
        return NULL;
    if (plan->step_count == plan->step_capacity) {
        int32_t capacity = plan->step_capacity ? plan->step_capacity * 2 : 128;
        weft_step **steps = realloc(plan->steps, (size_t)capacity * sizeof *steps);
        if (!steps) {
            p->failed = true;
            return NULL;
        }
        plan->steps = steps;
        plan->step_capacity = capacity;
    }
    s->op = weft_node_of(p->graph, v)->op;
    s->value = v.id;
    s->pieces = pieces;
    s->run = run;
    return plan->steps[plan->step_count++] = s;
}

bool weft_output_wanted(weft_planner *p, weft_value v, int k, weft_slot *out)
{
    const weft_graph *g = p->graph;
    for (int32_t u = v.id + 1; u < g->count; u++)
        if (p->live[u] && g->nodes[u].op == weft_op_part && g->nodes[u].inputs[0].id == v.id &&
            g->nodes[u].attributes.i[0] == k) {
            *out = weft_place_of(p, (weft_value){u});
            return true;
        }
    return false;
}

void weft_step_outputs(weft_planner *p, weft_step *s, weft_value v)
{
    weft_group *group = p->group_of[v.id];
    if (group && group->producer == v.id) {
        s->out[s->out_count++] = weft_place_of(p, (weft_value){group->root});
        weft_program_build(p, s, group);
        return;
    }
    const weft_node *n = weft_node_of(p->graph, v);
    s->out[s->out_count++] = weft_place_of(p, v);
    /* outputs that nobody asked for are not written */
    for (int k = 1; k < n->output_count; k++)
        if (weft_output_wanted(p, v, k, &s->out[k]))
            s->out_count = k + 1;
}

weft_step *weft_step_new(weft_planner *p, weft_value v, weft_pieces_function pieces, weft_piece_function run)
{
    const weft_node *n = weft_node_of(p->graph, v);
    weft_step *s = weft_step_empty(p, v, pieces, run);
    if (!s)
        return NULL;
    for (int i = 0; i < n->input_count; i++)
        s->in[s->in_count++] = weft_place_of(p, n->inputs[i]);
    weft_step_outputs(p, s, v);
    return s;
}

/* ---- a random leaf that somebody reads in whole ---- */

static int64_t random_rows(const weft_step *s, const weft_run_state *run)
{
    int64_t n = s->attributes.i[0];
    return n ? weft_used_count(run, &s->out[0]) / n : 0;
}

static int64_t random_pieces(const weft_step *s, const weft_run_state *run)
{
    int64_t each = weft_rows_per_piece(s->attributes.i[0], 16384);
    return (random_rows(s, run) + each - 1) / each;
}

static void random_run(const weft_step *s, const weft_run_state *run, int64_t piece, int thread)
{
    (void)thread;
    int64_t n = s->attributes.i[0], each = weft_rows_per_piece(n, 16384), all = random_rows(s, run);
    int64_t r0 = piece * each, r1 = r0 + each < all ? r0 + each : all;
    size_t at = (size_t)(r0 * n) * weft_dtype_size(s->out[0].dtype);
    char *y = (char *)weft_at(run, &s->out[0]) + at;
    const weft_law *law = s->extra;
    if (run->base[s->in[0].buffer]) {
        memcpy(y, (const char *)weft_at(run, &s->in[0]) + at, (size_t)((r1 - r0) * n) * weft_dtype_size(s->out[0].dtype));
        return;
    }
    const int64_t *keys = s->in_count > 1 ? (const int64_t *)weft_at(run, &s->in[1]) + r0 : NULL;
    run->vector->random((weft_law_kind)law->kind, law->a, law->b, run->keys[s->value], run->step, r1 - r0, keys, r0, n, y);
}

void weft_emit_random(weft_planner *p, weft_value v)
{
    const weft_node *n = weft_node_of(p->graph, v);
    weft_step *s = weft_step_empty(p, v, random_pieces, random_run);
    weft_law *law = weft_plan_get(p, sizeof *law);
    if (!s || !law)
        return;
    *law = n->law;
    s->extra = law;
    s->attributes.i[0] = n->dims.rank ? n->dims.size[n->dims.rank - 1] : 1;
    s->in[s->in_count++] = weft_place_of_leaf(p, v);
    if (n->attributes.i[1])
        s->in[s->in_count++] = weft_place_of(p, (weft_value){(int32_t)n->attributes.i[1]});
    s->out[s->out_count++] = weft_place_of(p, v);
}

/* ---- which values are needed ---- */

static void find_live(weft_planner *p)
{
    const weft_graph *g = p->graph;
    for (int32_t id = g->count - 1; id > 0; id--) {
        if (p->fetched[id])
            p->live[id] = true;
        if (!p->live[id] || p->fed[id])
            continue;
        for (int i = 0; i < g->nodes[id].input_count; i++) {
            p->live[g->nodes[id].inputs[i].id] = true;
            p->uses[g->nodes[id].inputs[i].id]++;
        }
        if (g->nodes[id].extent.count.id)
            p->live[g->nodes[id].extent.count.id] = true;
        if (g->nodes[id].op == weft_op_random && g->nodes[id].attributes.i[1])
            p->live[g->nodes[id].attributes.i[1]] = true;
    }
}

/* A state that is written has no other reader: whether one would see it before or after the rows are written, would depend on
 * where its step falls. */
static weft_status check_states(const weft_planner *p)
{
    const weft_graph *g = p->graph;
    for (int32_t id = 1; id < g->count; id++) {
        if (!p->live[id] || p->fed[id] || g->nodes[id].op != weft_op_store)
            continue;
        int32_t state = g->nodes[id].inputs[0].id;
        if (p->uses[state] == 1)
            continue;
        while (g->nodes[state].op == weft_op_store)
            state = g->nodes[state].inputs[0].id;
        return weft_fail(WEFT_ERROR_ARGUMENT, "state \"%s\" is read beside weft_store: read what weft_store answers",
                         g->nodes[state].name);
    }
    return WEFT_OK;
}

static void emit_steps(weft_planner *p)
{
    const weft_graph *g = p->graph;
    for (int32_t id = 1; id < g->count && !p->failed; id++) {
        const weft_node *n = &g->nodes[id];
        weft_value v = {id};
        if (!p->live[id] || p->fed[id])
            continue;
        if (n->op == weft_op_random && weft_read_whole(p, id))
            weft_emit_random(p, v);
        if (n->op->kind == WEFT_OP_LEAF || n->op->kind == WEFT_OP_VIEW)
            continue;
        weft_group *group = p->group_of[id];
        if (!group) {
            n->op->emit(p, v);
        } else if (group->root == id && group->producer) {
            g->nodes[group->producer].op->emit(p, (weft_value){group->producer});
        } else if (group->root == id) {
            weft_step *s = weft_step_empty(p, v, weft_program_pieces, weft_program_piece);
            if (s) {
                s->out[s->out_count++] = weft_place_of(p, v);
                weft_program_build(p, s, group);
            }
        }
    }
}

/* Who reads a bound tensor in the compute type (so that BF16 and F16 must be widened for it). */
static void find_conversions(weft_plan *plan)
{
    for (int32_t i = 0; i < plan->step_count; i++) {
        const weft_step *s = plan->steps[i];
        for (int k = 0; k < s->in_count; k++)
            if (s->in[k].buffer >= 0 && s->op->storage_operand != k + 1)
                plan->buffers[s->in[k].buffer].converts = true;
    }
    for (int i = 0; i < plan->fetch_count; i++)
        plan->buffers[plan->fetch_places[i].buffer].converts = true;
}

/* A view keeps what it looks at. */
static void mark_fetched(weft_planner *p, weft_value v)
{
    p->fetched[v.id] = true;
    while (p->graph->nodes[v.id].op->kind == WEFT_OP_VIEW && !p->fed[v.id]) {
        v = p->graph->nodes[v.id].inputs[0];
        p->fetched[v.id] = true;
    }
}

static bool planner_open(weft_planner *p)
{
    const weft_plan *plan = p->plan;
    size_t count = (size_t)p->graph->count;
    p->buffer_of = malloc(count * WEFT_MAX_OUTPUTS * sizeof *p->buffer_of);
    p->leaf_of = malloc(count * sizeof *p->leaf_of);
    p->inverse_of = malloc(count * sizeof *p->inverse_of);
    p->uses = calloc(count, sizeof *p->uses);
    p->live = calloc(count, 1);
    p->fed = calloc(count, 1);
    p->fetched = calloc(count, 1);
    p->in_bf16 = calloc(count, 1);
    p->group_of = calloc(count, sizeof *p->group_of);
    if (!p->buffer_of || !p->leaf_of || !p->inverse_of || !p->uses || !p->live || !p->fed || !p->fetched || !p->in_bf16 ||
        !p->group_of)
        return false;
    memset(p->buffer_of, -1, count * WEFT_MAX_OUTPUTS * sizeof *p->buffer_of);
    memset(p->leaf_of, -1, count * sizeof *p->leaf_of);
    memset(p->inverse_of, -1, count * sizeof *p->inverse_of);
    for (int i = 0; i < plan->feed_count; i++)
        p->fed[plan->feeds[i].id] = true;
    for (int i = 0; i < plan->fetch_count; i++)
        mark_fetched(p, plan->fetches[i]);
    for (int i = 0; i < plan->consumed_count; i++)
        mark_fetched(p, plan->consumed[i].value);
    return true;
}

static void planner_close(weft_planner *p)
{
    free(p->buffer_of);
    free(p->leaf_of);
    free(p->inverse_of);
    free(p->uses);
    free(p->live);
    free(p->fed);
    free(p->fetched);
    free(p->in_bf16);
    free(p->group_of);
}

void weft_plan_free(weft_plan *plan)
{
    if (!plan)
        return;
    weft_arena_free(&plan->arena);
    free(plan->steps);
    free(plan->buffers);
    free(plan->fetches);
    free(plan->feeds);
    free(plan->fetch_places);
    free(plan->consumed);
    free(plan);
}

static weft_status judge(weft_graph *g, const weft_value *list, int n, const char *what)
{
    for (int i = 0; i < n; i++)
        if (list[i].id <= 0 || list[i].id >= g->count)
            return weft_fail(WEFT_ERROR_ARGUMENT, "compile: %s %d is not a value of this graph", what, i);
    return WEFT_OK;
}

static void *copy_of(const void *list, size_t count, size_t size)
{
    void *copy = calloc(count + 1, size);
    if (copy && count)
        memcpy(copy, list, count * size);
    return copy;
}

weft_status weft_compile_consuming(weft_engine *engine, weft_graph *g, const weft_value *feeds, int nf, const weft_value *fetches,
                                   int n, const weft_consumed *consumed, int count, weft_plan **out)
{
    *out = NULL;
    if (weft_graph_status(g) != WEFT_OK)
        return g->status;
    if (judge(g, feeds, nf, "feed") != WEFT_OK || judge(g, fetches, n, "fetch") != WEFT_OK)
        return WEFT_ERROR_ARGUMENT;
    for (int i = 0; i < count; i++)
        if (judge(g, &consumed[i].value, 1, "consumed") != WEFT_OK)
            return WEFT_ERROR_ARGUMENT;
    weft_plan *plan = calloc(1, sizeof *plan);
    weft_planner p = {.plan = plan, .graph = g};
    if (plan) {
        plan->engine = engine;
        plan->graph = g;
        plan->value_count = g->count;
        plan->fetch_count = n;
        plan->feed_count = nf;
        plan->consumed_count = count;
        plan->fetches = copy_of(fetches, (size_t)n, sizeof *fetches);
        plan->feeds = copy_of(feeds, (size_t)nf, sizeof *feeds);
        plan->consumed = copy_of(consumed, (size_t)count, sizeof *consumed);
        plan->fetch_places = calloc((size_t)n + 1, sizeof *plan->fetch_places);
    }
    bool fine = plan && plan->fetches && plan->feeds && plan->consumed && plan->fetch_places && planner_open(&p);
    weft_status status = WEFT_ERROR_MEMORY;
    if (fine) {
        find_live(&p);
        fine = (status = check_states(&p)) == WEFT_OK;
    }
    if (fine) {
        status = WEFT_ERROR_MEMORY;
        weft_group_values(&p);
        weft_find_rounded(&p);
        emit_steps(&p);
        for (int i = 0; i < n && !p.failed; i++)
            plan->fetch_places[i] = weft_place_of(&p, fetches[i]);
        weft_emit_consumers(&p);
        fine = !p.failed;
    }
    if (fine) {
        find_conversions(plan);
        fine = weft_memory_lay(plan) == WEFT_OK;
    }
    planner_close(&p);
    if (!fine) {
        weft_plan_free(plan);
        return status != WEFT_ERROR_MEMORY ? status : weft_fail(WEFT_ERROR_MEMORY, "compile: memory is short");
    }
    *out = plan;
    return WEFT_OK;
}

weft_status weft_compile(weft_engine *engine, weft_graph *g, const weft_value *feeds, int nf, const weft_value *fetches, int n,
                         weft_plan **out)
{
    return weft_compile_consuming(engine, g, feeds, nf, fetches, n, NULL, 0, out);
}
