/* The left side of bf16 products, rounded once for all of them: a norm's result goes into three products and each of these into
 * several pieces, and rounding it in each piece took as long as attention. What nobody but such products reads is never written
 * otherwise: the step that computes it rounds what it has in the cache. Else a step of its own rounds it. */
#include "graph/planning.h"

/* A value that has been rounded, and where. */
struct weft_rounded {
    weft_slot from, to;
    weft_rounded *next;
};

/* bf16 numbers from row to row: whole cache lines, an odd number of them, so that twelve rows fall in different sets. */
int64_t weft_rounded_stride(int64_t k)
{
    return ((k + 31) / 32 | 1) * 32;
}

size_t weft_rounded_bytes(weft_dims dims)
{
    const int64_t k = dims.size[dims.rank - 1];
    return (size_t)(weft_dims_count(dims) / k * weft_rounded_stride(k)) * sizeof(uint16_t);
}

void weft_write_rounded(const weft_run_state *run, const weft_slot *place, const float *x, int64_t row, int64_t rows,
                        int64_t column, int64_t columns)
{
    const int64_t stride = weft_rounded_stride(place->dims.size[place->dims.rank - 1]);
    run->kernels->gemm->round_rows(x, rows, columns, stride, (uint16_t *)weft_at(run, place) + row * stride + column);
}

/* Whether a step can write value x rounded: programs, and ops that say so. */
static bool can_round(const weft_planner *p, int32_t x)
{
    const weft_group *group = p->group_of[x];
    return p->live[x] && !p->fed[x] && !p->fetched[x] && (group ? group->root == x : p->graph->nodes[x].op->writes_rounded);
}

/* Descending, so that a view has been judged before what it looks at. */
void weft_find_rounded(weft_planner *p)
{
    enum { PRODUCTS = 1, OTHERS = 2 };
    const weft_graph *g = p->graph;
    unsigned char *readers = weft_plan_get(p, (size_t)g->count);
    for (int32_t id = g->count - 1; readers && id > 0; id--) {
        const weft_node *n = &g->nodes[id];
        if (!p->live[id] || p->fed[id])
            continue;
        for (int i = 0; i < n->input_count; i++) {
            const weft_dims x = g->nodes[n->inputs[i].id].dims;
            const bool view = n->op->kind == WEFT_OP_VIEW && n->op != weft_op_rows && n->op != weft_op_part && x.rank > 0 &&
                              n->dims.rank > 0 && x.size[x.rank - 1] == n->dims.size[n->dims.rank - 1];
            readers[n->inputs[i].id] |= view && !p->fetched[id]                       ? readers[id]
                                        : weft_product_rounds(p, (weft_value){id}, i) ? PRODUCTS
                                                                                      : OTHERS;
        }
        p->in_bf16[id] = readers[id] == PRODUCTS && can_round(p, id);
    }
}

enum { PIECE = 32768 };

static int64_t pieces(const weft_step *s, const weft_run_state *run)
{
    const int64_t k = s->attributes.i[0], each = weft_rows_per_piece(k, PIECE), rows = weft_used_count(run, &s->in[0]) / k;
    return (rows + each - 1) / each;
}

static void run_piece(const weft_step *s, const weft_run_state *run, int64_t piece, int thread)
{
    (void)thread;
    const int64_t k = s->attributes.i[0], each = weft_rows_per_piece(k, PIECE), rows = weft_used_count(run, &s->in[0]) / k;
    const int64_t first = piece * each, count = rows - first < each ? rows - first : each;
    weft_write_rounded(run, &s->out[0], (const float *)weft_at(run, &s->in[0]) + first * k, first, count, 0, k);
}

static bool same_place(const weft_slot *a, const weft_slot *b)
{
    return a->buffer == b->buffer && a->offset == b->offset && weft_dims_equal(a->dims, b->dims);
}

weft_slot weft_place_rounded(weft_planner *p, weft_value v, weft_slot x)
{
    if (x.dtype == WEFT_BF16)
        return x;
    const weft_buffer *buffer = &p->plan->buffers[x.buffer];
    if (buffer->kind != WEFT_BUFFER_ARENA || buffer->value == 0) /* scratch and states change between products */
        return x;
    for (const weft_rounded *r = p->rounded; r; r = r->next)
        if (same_place(&r->from, &x))
            return r->to;
    weft_rounded *r = weft_plan_get(p, sizeof *r);
    weft_step *s = r ? weft_step_empty(p, v, pieces, run_piece) : NULL;
    if (!s)
        return x;
    r->from = x;
    r->to = weft_place_scratch(p, weft_rounded_bytes(x.dims));
    r->to.dtype = WEFT_BF16;
    r->to.dims = x.dims;
    r->to.extent = x.extent;
    r->next = p->rounded;
    p->rounded = r;
    s->attributes.i[0] = x.dims.size[x.dims.rank - 1];
    s->in[s->in_count++] = x;
    s->out[s->out_count++] = r->to;
    return r->to;
}
