/* Graphs: making them, appending nodes, names and scopes, and the first mistake. */
#include "graph/graph.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

weft_graph *weft_graph_new(weft_dtype compute)
{
    if (compute != WEFT_F32 && compute != WEFT_F64) {
        weft_fail(WEFT_ERROR_ARGUMENT, "a graph computes in F32 or F64, not %s", weft_dtype_name(compute));
        return NULL;
    }
    weft_graph *g = calloc(1, sizeof *g);
    if (!g) {
        weft_fail(WEFT_ERROR_MEMORY, "cannot allocate a graph");
        return NULL;
    }
    g->dtype = compute;
    g->count = 1;
    return g;
}

void weft_graph_free(weft_graph *g)
{
    if (!g)
        return;
    weft_arena_free(&g->arena);
    free(g->nodes);
    free(g->buckets);
    free(g->shared);
    free(g->message);
    free(g);
}

void weft_graph_bf16(weft_graph *g, bool on)
{
    if (on && g->dtype != WEFT_F32)
        weft_poison(g, "bf16 products need a graph that computes in F32");
    g->bf16_products = on;
}

void weft_graph_packing(weft_graph *g, weft_packing packing)
{
    g->packing = packing;
}

weft_dtype weft_graph_dtype(const weft_graph *g)
{
    return g->dtype;
}

weft_status weft_graph_status(const weft_graph *g)
{
    return g->status == WEFT_OK ? WEFT_OK : weft_fail(g->status, "%s", g->message ? g->message : "cannot allocate a graph");
}

void weft_poison(weft_graph *g, const char *format, ...)
{
    if (g->status != WEFT_OK)
        return;
    g->status = WEFT_ERROR_ARGUMENT;
    weft_text text = {0};
    if (g->scope[0])
        weft_text_add(&text, "%s: ", g->scope);
    va_list arguments;
    va_start(arguments, format);
    weft_text_addv(&text, format, arguments);
    va_end(arguments);
    g->message = text.data;
}

static weft_value out_of_memory(weft_graph *g)
{
    if (g->status == WEFT_OK)
        g->status = WEFT_ERROR_MEMORY;
    return (weft_value){0};
}

bool weft_check(weft_graph *g, const char *op, weft_value a)
{
    if (g->status != WEFT_OK)
        return false;
    if (a.id <= 0 || a.id >= g->count) {
        weft_poison(g, "%s: an operand is not a value of this graph", op);
        return false;
    }
    return true;
}

weft_dims weft_shape(const weft_graph *g, weft_value v)
{
    return v.id > 0 && v.id < g->count ? g->nodes[v.id].dims : SCALAR;
}

int64_t weft_dims_product(weft_dims dims, int from, int to)
{
    int64_t product = 1;
    for (int i = from; i < to; i++)
        product *= dims.size[i];
    return product;
}

/* ---- scopes and names ---- */

void weft_enter(weft_graph *g, const char *format, ...)
{
    char part[WEFT_NAME_BYTES];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(part, sizeof part, format, arguments);
    va_end(arguments);
    size_t end = strlen(g->scope);
    if (g->scope_depth == WEFT_MAX_SCOPES || length < 0 || end + (size_t)length + 2 > sizeof g->scope) {
        weft_poison(g, "scopes are nested too deep");
        return;
    }
    g->scope_ends[g->scope_depth++] = (int)end;
    if (end)
        g->scope[end++] = '.';
    memcpy(g->scope + end, part, (size_t)length + 1);
}

void weft_leave(weft_graph *g)
{
    if (g->scope_depth > 0)
        g->scope[g->scope_ends[--g->scope_depth]] = 0;
}

void weft_share_leaf(weft_graph *g, const char *name, const char *same)
{
    if (g->shared_count == g->shared_capacity) {
        int32_t capacity = g->shared_capacity ? 2 * g->shared_capacity : 64;
        weft_shared_leaf *larger = realloc(g->shared, (size_t)capacity * sizeof *larger);
        if (!larger) {
            out_of_memory(g);
            return;
        }
        g->shared = larger;
        g->shared_capacity = capacity;
    }
    weft_shared_leaf row = {weft_arena_copy(&g->arena, name), weft_arena_copy(&g->arena, same)};
    if (row.name && row.same)
        g->shared[g->shared_count++] = row;
    else
        out_of_memory(g);
}

const char *weft_leaf_name(const weft_graph *g, const char *name)
{
    for (int32_t i = 0; i < g->shared_count; i++)
        if (strcmp(g->shared[i].name, name) == 0)
            return g->shared[i].same;
    return name;
}

weft_value weft_find(const weft_graph *g, const char *name)
{
    for (int32_t i = 1; i < g->count; i++)
        if (g->nodes[i].name && strcmp(g->nodes[i].name, name) == 0)
            return (weft_value){i};
    return (weft_value){0};
}

weft_value weft_name(weft_graph *g, weft_value v, const char *format, ...)
{
    if (!weft_check(g, "name", v))
        return v;
    char name[WEFT_NAME_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(name, sizeof name, format, arguments);
    va_end(arguments);
    if (g->nodes[v.id].name) /* a leaf, or a value with two names: an alias keeps both reachable */
        v = weft_apply(g, weft_op_find("alias"), &v, 1, &(weft_attributes){.i = {g->count}});
    if (v.id && !(g->nodes[v.id].name = weft_arena_copy(&g->arena, name)))
        return out_of_memory(g);
    return v;
}

weft_value weft_mark(weft_graph *g, weft_value v, weft_mark_kind kind)
{
    if (weft_check(g, "mark", v))
        g->nodes[v.id].marks |= (unsigned)kind;
    return v;
}

/* ---- lists of numbers ---- */

struct weft_kept {
    struct weft_kept *next;
    int64_t count;
    double numbers[];
};

const double *weft_keep_numbers(weft_graph *g, const double *numbers, int64_t count)
{
    size_t bytes = (size_t)count * sizeof *numbers;
    for (struct weft_kept *k = g->kept; k; k = k->next)
        if (k->count == count && memcmp(k->numbers, numbers, bytes) == 0)
            return k->numbers;
    struct weft_kept *k = weft_arena_get(&g->arena, sizeof *k + bytes);
    if (!k) {
        out_of_memory(g);
        return NULL;
    }
    k->next = g->kept;
    k->count = count;
    memcpy(k->numbers, numbers, bytes);
    g->kept = k;
    return k->numbers;
}

/* ---- nodes ---- */

bool weft_extent_equal(weft_extent a, weft_extent b)
{
    return a.count.id == b.count.id && (a.count.id == 0 || (a.base == b.base && a.scale == b.scale));
}

static uint64_t mix(uint64_t h, const void *bytes, size_t n)
{
    const unsigned char *p = bytes;
    for (; n >= 8; n -= 8, p += 8) {
        uint64_t word;
        memcpy(&word, p, 8);
        h = (h ^ word) * 0x9E3779B97F4A7C15u;
        h ^= h >> 29;
    }
    for (size_t i = 0; i < n; i++)
        h = (h ^ p[i]) * 0x100000001B3u;
    return h;
}

/* Member by member: what lies between members, and behind a shape's rank, is nobody's. */
static uint64_t mix_attributes(uint64_t h, const weft_attributes *a)
{
    const int axes = a->dims.rank < 0 ? 0 : a->dims.rank > WEFT_MAX_RANK ? WEFT_MAX_RANK : a->dims.rank;
    h = mix(h, &a->dims.rank, sizeof a->dims.rank);
    h = mix(h, a->dims.size, (size_t)axes * sizeof *a->dims.size);
    h = mix(h, a->i, sizeof a->i);
    h = mix(h, a->f, sizeof a->f);
    return mix(h, &a->numbers, sizeof a->numbers);
}

static bool attributes_equal(const weft_attributes *a, const weft_attributes *b)
{
    return a->dims.rank <= WEFT_MAX_RANK && weft_dims_equal(a->dims, b->dims) && memcmp(a->i, b->i, sizeof a->i) == 0 &&
           memcmp(a->f, b->f, sizeof a->f) == 0 && a->numbers == b->numbers;
}

static uint64_t node_hash(const weft_node *n)
{
    uint64_t h = mix(1469598103934665603u, &n->op, sizeof n->op);
    h = mix(h, n->inputs, (size_t)n->input_count * sizeof *n->inputs);
    h = mix_attributes(h, &n->attributes);
    return h ^ (h >> 32);
}

static bool node_equal(const weft_node *a, const weft_node *b)
{
    return a->op == b->op && a->input_count == b->input_count && attributes_equal(&a->attributes, &b->attributes) &&
           (a->input_count == 0 || memcmp(a->inputs, b->inputs, (size_t)a->input_count * sizeof *a->inputs) == 0);
}

static bool grow(weft_graph *g)
{
    if (g->count < g->capacity)
        return true;
    int32_t capacity = g->capacity ? g->capacity * 2 : 256;
    weft_node *nodes = realloc(g->nodes, (size_t)capacity * sizeof *nodes);
    if (!nodes)
        return false;
    g->nodes = nodes;
    if (g->capacity == 0)
        memset(&nodes[0], 0, sizeof nodes[0]);
    int32_t bucket_count = capacity * 2;
    int32_t *buckets = calloc((size_t)bucket_count, sizeof *buckets);
    if (!buckets)
        return false;
    free(g->buckets);
    g->buckets = buckets;
    g->bucket_count = bucket_count;
    g->capacity = capacity;
    for (int32_t i = 1; i < g->count; i++)
        if (nodes[i].op->kind != WEFT_OP_LEAF) {
            uint64_t at = node_hash(&nodes[i]) % (uint64_t)bucket_count;
            while (buckets[at])
                at = (at + 1) % (uint64_t)bucket_count;
            buckets[at] = i;
        }
    return true;
}

static void judge_extent(weft_graph *g, weft_node *n)
{
    if (n->op->extent == WEFT_EXTENT_SAME && n->input_count > 0)
        n->extent = g->nodes[n->inputs[0].id].extent;
    if (n->extent.count.id && (n->dims.rank == 0 || n->op->extent == WEFT_EXTENT_NONE))
        n->extent = (weft_extent){0};
}

weft_value weft_apply(weft_graph *g, const weft_op *op, const weft_value *inputs, int n, const weft_attributes *attributes)
{
    for (int i = 0; i < n; i++)
        if (!weft_check(g, op->name, inputs[i]))
            return (weft_value){0};
    for (int i = 0; i < n && g->status == WEFT_OK; i++) {
        weft_dtype dtype = g->nodes[inputs[i].id].dtype;
        if ((dtype == WEFT_BF16 || dtype == WEFT_F16) && op->kind != WEFT_OP_VIEW && !op->reads_states)
            weft_poison(g, "%s: operand %d is a state in %s, which attention and weft_widen read", op->name, i + 1,
                        weft_dtype_name(dtype));
    }
    if (g->status != WEFT_OK)
        return (weft_value){0};
    if (!grow(g))
        return out_of_memory(g);
    weft_node node = {
        .op = op, .dtype = g->dtype, .input_count = n, .output_count = 1, .inputs = (weft_value *)(uintptr_t)inputs};
    if (attributes)
        node.attributes = *attributes;
    uint64_t at = node_hash(&node) % (uint64_t)g->bucket_count;
    for (; g->buckets[at]; at = (at + 1) % (uint64_t)g->bucket_count)
        if (node_equal(&g->nodes[g->buckets[at]], &node))
            return (weft_value){g->buckets[at]};
    weft_value *copy = weft_arena_get(&g->arena, (size_t)(n ? n : 1) * sizeof *copy);
    if (!copy)
        return out_of_memory(g);
    if (n)
        memcpy(copy, inputs, (size_t)n * sizeof *copy);
    node.inputs = copy;
    op->shape(g, &node);
    if (g->status != WEFT_OK)
        return (weft_value){0};
    if (weft_dims_count(node.dims) < 0) {
        char text[WEFT_DIMS_TEXT];
        weft_poison(g, "%s: a result of %s has too many elements", op->name, weft_dims_text(node.dims, text));
        return (weft_value){0};
    }
    judge_extent(g, &node);
    g->nodes[g->count] = node;
    g->buckets[at] = g->count;
    return (weft_value){g->count++};
}

weft_value weft_leaf(weft_graph *g, const weft_op *op, const char *name, weft_dtype dtype, weft_dims dims,
                     const weft_attributes *attributes)
{
    if (g->status != WEFT_OK)
        return (weft_value){0};
    char text[WEFT_DIMS_TEXT], other[WEFT_DIMS_TEXT];
    if (dims.rank < 0 || dims.rank > WEFT_MAX_RANK || weft_dims_count(dims) < 0) {
        weft_poison(g, "%s \"%s\": %s is not a shape", op->name, name ? name : "", weft_dims_text(dims, text));
        return (weft_value){0};
    }
    weft_attributes given = {0};
    if (attributes)
        given = *attributes;
    for (int32_t i = 1; i < g->count; i++) {
        const weft_node *old = &g->nodes[i];
        if (old->op->kind != WEFT_OP_LEAF || (name ? !old->name || strcmp(old->name, name) != 0 : old->name != NULL))
            continue;
        bool same = old->op == op && old->dtype == dtype && weft_dims_equal(old->dims, dims) &&
                    attributes_equal(&old->attributes, &given);
        if (same)
            return (weft_value){i};
        if (name) {
            weft_poison(g, "%s \"%s\" is %s here, but %s %s before", op->name, name, weft_dims_text(dims, text), old->op->name,
                        weft_dims_text(old->dims, other));
            return (weft_value){0};
        }
    }
    if (!grow(g))
        return out_of_memory(g);
    weft_node node = {.op = op, .dtype = dtype, .output_count = 1, .dims = dims, .attributes = given};
    if (name && !(node.name = weft_arena_copy(&g->arena, name)))
        return out_of_memory(g);
    g->nodes[g->count] = node;
    return (weft_value){g->count++};
}
