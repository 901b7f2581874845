/* Rotary positions (arXiv 2104.09864): rope_angles makes the cosines and sines of each position once for all layers, rope turns
 * the heads by them. */
#include "graph/graph.h"
#include "graph/planner.h"

#include <math.h>

enum { ANGLES, ROPE };

/* inputs: none, or positions: a count, [batch] first positions, or [batch, tokens] positions
 * attributes: dims [batch or 1, tokens, R]; i[0]: each token has its own position; f[0] factor; numbers [R / 2] frequencies */
static void angles_shape(weft_graph *g, weft_node *n)
{
    n->dims = n->attributes.dims;
    if (n->input_count)
        weft_check_positions(g, n, 0, n->dims.size[0] * (n->attributes.i[0] ? n->dims.size[1] : 1), 0);
    if (n->input_count && n->dims.size[0] > 1)
        n->extent = g->nodes[n->inputs[0].id].extent;
}

static void angles_gradient(weft_graph *g, weft_value y, const weft_value *dy, weft_value *dx)
{
    (void)g, (void)y, (void)dy, (void)dx; /* positions have none */
}

/* inputs: x [batch, tokens, heads, head], angles [batch or 1, tokens, R]; attributes.i: turned back, interleaved pairs */
static void rope_shape(weft_graph *g, weft_node *n)
{
    const weft_node *x = &g->nodes[n->inputs[0].id], *t = &g->nodes[n->inputs[1].id];
    n->dims = x->dims;
    bool fits = x->dims.rank == 4 && x->dtype == g->dtype && t->op == &weft_ops_rope[ANGLES] &&
                x->dims.size[1] == t->dims.size[1] && (t->dims.size[0] == 1 || t->dims.size[0] == x->dims.size[0]) &&
                t->dims.size[2] <= x->dims.size[3];
    if (!fits) {
        char a[WEFT_DIMS_TEXT], b[WEFT_DIMS_TEXT];
        weft_poison(g, "rope: %s cannot be turned by angles of %s", weft_dims_text(x->dims, a), weft_dims_text(t->dims, b));
    }
}

static void rope_gradient(weft_graph *g, weft_value y, const weft_value *dy, weft_value *dx)
{
    weft_attributes back = weft_node_of(g, y)->attributes;
    back.i[0] = !back.i[0];
    dx[0] = weft_apply(g, &weft_ops_rope[ROPE], (weft_value[]){dy[0], weft_operand_of(g, y, 1)}, 2, &back);
}

/* ---- steps ---- */

enum { ROPE_PIECE = 16384, ANGLES_PIECE = 1024 };

/* Tokens of all items, and how many make a piece. */
static int64_t tokens_of(const weft_step *s, const weft_run_state *run)
{
    return weft_used_rows(run, &s->out[0]) * s->out[0].dims.size[1];
}

static int64_t tokens_each(const weft_step *s)
{
    const weft_dims d = s->out[0].dims;
    return weft_rows_per_piece(weft_dims_product(d, 2, d.rank), d.rank == 4 ? ROPE_PIECE : ANGLES_PIECE);
}

static int64_t rope_pieces(const weft_step *s, const weft_run_state *run)
{
    int64_t each = tokens_each(s);
    return (tokens_of(s, run) + each - 1) / each;
}

static void angles_run(const weft_step *s, const weft_run_state *run, int64_t piece, int thread)
{
    (void)thread;
    const weft_slot *out = &s->out[0];
    const int64_t tokens = out->dims.size[1], half = out->dims.size[2] / 2, each = tokens_each(s), all = tokens_of(s, run);
    const int64_t end = piece * each + each < all ? piece * each + each : all;
    const double *frequency = s->attributes.numbers, factor = s->attributes.f[0];
    for (int64_t r = piece * each; r < end; r++) {
        double position = (double)(r % tokens);
        if (s->in_count && s->attributes.i[0])
            position = (double)weft_position(run, &s->in[0], r);
        else if (s->in_count)
            position += (double)weft_position(run, &s->in[0], r / tokens);
        for (int64_t i = 0; i < half; i++) {
            double c = cos(position * frequency[i]) * factor, e = sin(position * frequency[i]) * factor;
            if (out->dtype == WEFT_F64) {
                double *row = (double *)weft_at(run, out) + r * 2 * half;
                row[i] = c, row[half + i] = e;
            } else {
                float *row = (float *)weft_at(run, out) + r * 2 * half;
                row[i] = (float)c, row[half + i] = (float)e;
            }
        }
    }
}

static void rope_run(const weft_step *s, const weft_run_state *run, int64_t piece, int thread)
{
    (void)thread;
    const weft_slot *x = &s->in[0], *t = &s->in[1];
    const int64_t each = tokens_each(s), all = tokens_of(s, run), begin = piece * each;
    const int64_t end = begin + each < all ? begin + each : all, tokens = x->dims.size[1];
    const int64_t heads = x->dims.size[2], head = x->dims.size[3], R = t->dims.size[2];
    const size_t e = weft_dtype_size(x->dtype);
    for (int64_t r = begin; r < end; r++) {
        const int64_t row = t->dims.size[0] == 1 ? r % tokens : r;
        run->vector->rope(heads, head, R, s->attributes.i[1] != 0, s->attributes.i[0] != 0,
                          (const char *)weft_at(run, t) + (size_t)(row * R) * e,
                          (const char *)weft_at(run, x) + (size_t)(r * heads * head) * e,
                          (char *)weft_at(run, &s->out[0]) + (size_t)(r * heads * head) * e);
    }
}

static void rope_emit(weft_planner *p, weft_value v)
{
    const weft_node *n = weft_node_of(weft_planner_graph(p), v);
    weft_step *s = weft_step_new(p, v, rope_pieces, n->op == &weft_ops_rope[ANGLES] ? angles_run : rope_run);
    if (s)
        s->attributes = n->attributes;
}

const weft_op weft_ops_rope[] = {
    [ANGLES] = {.name = "rope_angles",
                .kind = WEFT_OP_KERNEL,
                .decompose = WEFT_CD_OFF,
                .extent = WEFT_EXTENT_OWN,
                .shape = angles_shape,
                .gradient = angles_gradient,
                .emit = rope_emit},
    [ROPE] = {.name = "rope",
              .kind = WEFT_OP_KERNEL,
              .decompose = WEFT_CD_LINEAR,
              .extent = WEFT_EXTENT_SAME,
              .smooth = true,
              .shape = rope_shape,
              .gradient = rope_gradient,
              .emit = rope_emit},
    {0},
};

weft_value weft_rope(weft_graph *g, weft_value x, weft_value positions, const weft_rope_options *o)
{
    if (!weft_check(g, "rope", x) || (positions.id && !weft_check(g, "rope", positions)))
        return (weft_value){0};
    const weft_dims d = weft_shape(g, x), at = weft_shape(g, positions);
    const int64_t R = o->dims;
    if (d.rank != 4 || R < 2 || R % 2 || R > d.size[3]) {
        char text[WEFT_DIMS_TEXT];
        weft_poison(g, "rope: cannot turn %lld dimensions of %s: expected an even number of [batch, tokens, heads, head]",
                    (long long)R, weft_dims_text(d, text));
        return (weft_value){0};
    }
    weft_attributes a = {.dims = DIMS(positions.id && at.rank > 0 ? d.size[0] : 1, d.size[1], R),
                         .i = {at.rank > 1},
                         .f = {o->factor != 0 ? o->factor : 1},
                         .numbers = weft_keep_numbers(g, o->frequencies, R / 2)};
    if (!a.numbers)
        return (weft_value){0};
    weft_value angles = weft_apply(g, &weft_ops_rope[ANGLES], &positions, positions.id ? 1 : 0, &a);
    return weft_apply(g, &weft_ops_rope[ROPE], (weft_value[]){x, angles}, 2, &(weft_attributes){.i = {0, o->interleaved}});
}
