/* State: memory that outlives a run. weft_store writes rows into it where the caller says, and answers the state's new value,
 * which lies in the same memory; weft_widen reads a state kept in BF16 or F16. No gradient passes either. */
#include "graph/graph.h"
#include "graph/planner.h"

#include <string.h>

enum { STORE, WIDEN };

bool weft_check_positions(weft_graph *g, const weft_node *n, int i, int64_t items, int64_t places)
{
    weft_value v = n->inputs[i];
    while (g->nodes[v.id].op->kind == WEFT_OP_VIEW)
        v = g->nodes[v.id].inputs[0];
    const weft_node *leaf = &g->nodes[v.id];
    bool count = leaf->op == weft_op_count_input;
    if (leaf->op->kind != WEFT_OP_LEAF || leaf->dtype != WEFT_I64 ||
        (!count && weft_dims_count(g->nodes[n->inputs[i].id].dims) != items)) {
        weft_poison(g, "%s: operand %d must be a count, or %lld positions in I64", n->op->name, i + 1, (long long)items);
        return false;
    }
    if (places > 0 && (count ? leaf->attributes.i[0] >= places : leaf->op != weft_op_index || leaf->attributes.i[0] > places)) {
        weft_poison(g, "%s: \"%s\" may lie behind place %lld: expected a count up to there, or an index into %lld rows",
                    n->op->name, leaf->name, (long long)places - 1, (long long)places);
        return false;
    }
    return true;
}

/* inputs: state [batch, capacity, …], at, rows [batch, m, …] */
static void store_shape(weft_graph *g, weft_node *n)
{
    const weft_node *state = &g->nodes[n->inputs[0].id], *rows = &g->nodes[n->inputs[2].id];
    n->dims = state->dims;
    n->dtype = state->dtype;
    bool fits = state->dims.rank >= 2 && rows->dims.rank == state->dims.rank && rows->dtype == g->dtype;
    for (int i = 0; fits && i < rows->dims.rank; i++)
        fits = i == 1 || rows->dims.size[i] == state->dims.size[i];
    if (state->op != weft_op_state && state->op != weft_op_store)
        weft_poison(g, "store: the first operand must be a state");
    else if (!fits) {
        char a[WEFT_DIMS_TEXT], b[WEFT_DIMS_TEXT];
        weft_poison(g, "store: rows of %s do not go into a state of %s", weft_dims_text(rows->dims, b),
                    weft_dims_text(state->dims, a));
    } else
        weft_check_positions(g, n, 1, state->dims.size[0], state->dims.size[1] + 1);
}

static void widen_shape(weft_graph *g, weft_node *n)
{
    n->dims = g->nodes[n->inputs[0].id].dims;
    if (g->nodes[n->inputs[0].id].dtype == WEFT_I64)
        weft_poison(g, "widen: the operand holds I64 numbers");
}

static void no_gradient(weft_graph *g, weft_value y, const weft_value *dy, weft_value *dx)
{
    (void)g, (void)y, (void)dy, (void)dx;
}

/* ---- steps; attributes.i[0]: elements of a row ---- */

enum { STATE_PIECE = 32768 };

static int64_t rows_of(const weft_step *s, const weft_run_state *run)
{
    const weft_slot *x = &s->in[s->in_count - 1];
    return s->attributes.i[0] ? weft_used_count(run, x) / s->attributes.i[0] : 0;
}

static int64_t state_pieces(const weft_step *s, const weft_run_state *run)
{
    int64_t each = weft_rows_per_piece(s->attributes.i[0], STATE_PIECE);
    return (rows_of(s, run) + each - 1) / each;
}

static void store_run(const weft_step *s, const weft_run_state *run, int64_t piece, int thread)
{
    (void)thread;
    const weft_slot *state = &s->out[0], *rows = &s->in[2];
    const int64_t width = s->attributes.i[0], each = weft_rows_per_piece(width, STATE_PIECE), all = rows_of(s, run);
    const int64_t m = rows->dims.size[1], capacity = state->dims.size[1];
    const int64_t end = piece * each + each < all ? piece * each + each : all;
    const char *from = weft_at(run, rows);
    char *to = weft_at(run, state);
    for (int64_t r = piece * each; r < end; r++) {
        const int64_t item = r / m, place = weft_position(run, &s->in[1], item) + r % m;
        if (place >= capacity)
            continue;
        const char *x = from + (size_t)(r * width) * weft_dtype_size(rows->dtype);
        char *y = to + (size_t)((item * capacity + place) * width) * weft_dtype_size(state->dtype);
        if (state->dtype == rows->dtype)
            memcpy(y, x, (size_t)width * weft_dtype_size(state->dtype));
        else
            run->vector->narrow(state->dtype, width, x, y);
    }
}

static void widen_run(const weft_step *s, const weft_run_state *run, int64_t piece, int thread)
{
    (void)thread;
    const int64_t width = s->attributes.i[0], each = weft_rows_per_piece(width, STATE_PIECE), all = rows_of(s, run);
    const int64_t begin = piece * each, end = begin + each < all ? begin + each : all;
    const weft_dtype stored = s->in[0].dtype;
    run->vector->widen(stored, (end - begin) * width,
                       (const char *)weft_at(run, &s->in[0]) + (size_t)(begin * width) * weft_dtype_size(stored),
                       (char *)weft_at(run, &s->out[0]) + (size_t)(begin * width) * weft_dtype_size(s->out[0].dtype));
}

static void state_emit(weft_planner *p, weft_value v)
{
    bool store = weft_node_of(weft_planner_graph(p), v)->op == &weft_ops_state[STORE];
    weft_step *s = weft_step_new(p, v, state_pieces, store ? store_run : widen_run);
    if (!s)
        return;
    const weft_dims x = s->in[s->in_count - 1].dims;
    s->attributes.i[0] = store ? weft_dims_product(x, 2, x.rank) : weft_dims_product(x, 1, x.rank);
}

const weft_op weft_ops_state[] = {
    [STORE] = {.name = "store",
               .kind = WEFT_OP_KERNEL,
               .decompose = WEFT_CD_LINEAR,
               .extent = WEFT_EXTENT_NONE,
               .reads_states = true,
               .shape = store_shape,
               .gradient = no_gradient,
               .emit = state_emit},
    [WIDEN] = {.name = "widen",
               .kind = WEFT_OP_KERNEL,
               .decompose = WEFT_CD_LINEAR,
               .extent = WEFT_EXTENT_SAME,
               .reads_states = true,
               .shape = widen_shape,
               .gradient = no_gradient,
               .emit = state_emit},
    {0},
};

const weft_op *const weft_op_store = &weft_ops_state[STORE];

weft_value weft_store(weft_graph *g, weft_value state, weft_value at, weft_value rows)
{
    return weft_apply(g, &weft_ops_state[STORE], (weft_value[]){state, at, rows}, 3, NULL);
}

weft_value weft_widen(weft_graph *g, weft_value state)
{
    if (weft_check(g, "widen", state) && g->nodes[state.id].dtype == g->dtype)
        return state;
    return weft_apply(g, &weft_ops_state[WIDEN], &state, 1, NULL);
}
