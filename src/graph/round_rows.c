/* The left side of bf16 products, rounded once for all of them: a norm's result goes into three products and each of these into
 * several pieces, and rounding it in each piece took as long as attention. */
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
    const int64_t first = piece * each, count = rows - first < each ? rows - first : each, stride = weft_rounded_stride(k);
    run->kernels->gemm->round_rows((const float *)weft_at(run, &s->in[0]) + first * k, count, k, stride,
                                   (uint16_t *)weft_at(run, &s->out[0]) + first * stride);
}

static bool same_place(const weft_slot *a, const weft_slot *b)
{
    return a->buffer == b->buffer && a->offset == b->offset && weft_dims_equal(a->dims, b->dims);
}

weft_slot weft_place_rounded(weft_planner *p, weft_value v, weft_slot x)
{
    const weft_buffer *buffer = &p->plan->buffers[x.buffer];
    if (buffer->kind != WEFT_BUFFER_ARENA || buffer->value == 0) /* scratch and states change between products */
        return x;
    for (const weft_rounded *r = p->rounded; r; r = r->next)
        if (same_place(&r->from, &x))
            return r->to;
    const int64_t k = x.dims.size[x.dims.rank - 1], rows = weft_dims_count(x.dims) / k;
    weft_rounded *r = weft_plan_get(p, sizeof *r);
    weft_step *s = r ? weft_step_empty(p, v, pieces, run_piece) : NULL;
    if (!s)
        return x;
    r->from = x;
    r->to = weft_place_scratch(p, (size_t)(rows * weft_rounded_stride(k)) * sizeof(uint16_t));
    r->to.dtype = WEFT_BF16;
    r->to.dims = x.dims;
    r->to.extent = x.extent;
    r->next = p->rounded;
    p->rounded = r;
    s->attributes.i[0] = k;
    s->in[s->in_count++] = x;
    s->out[s->out_count++] = r->to;
    return r->to;
}
