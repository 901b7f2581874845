/* Cross-entropy of hidden · tableᵀ without that matrix in memory: rows are taken in runs whose logits fit a scratch, each run's
 * logits become losses, and in the gradient, computed again, become p − target in place and are multiplied back. A single run's
 * logits are kept for the gradient instead.
 *
 * cross_entropy: hidden [rows, width], table [classes, width], labels [rows], bias [classes] where the logits have one → losses
 * [rows], logarithms of the sums of exponentials [rows], logits of a single run [rows, classes]. cross_entropy_grad: these
 * operands, the sums, the logits (single run), dlosses → dhidden, dtable, dbias. attributes.i[0]: bf16 products; i[2]: a bias;
 * f: smoothing, cap (0: none). */
#include "graph/loss_runs.h"

enum { LOSS, LOSS_GRAD };

enum { BIAS_PIECE = 1024 };

/* Whether a loss or its gradient has a bias; where its operands behind the labels and the bias begin; whether a gradient has the
 * logits. */
static bool is_biased(const weft_node *n)
{
    return n->attributes.i[2] != 0;
}

static int behind_bias(const weft_node *n)
{
    return 3 + is_biased(n);
}

static bool has_logits(const weft_node *gradient)
{
    return gradient->input_count == behind_bias(gradient) + 3;
}

static void loss_shape(weft_graph *g, weft_node *n)
{
    const weft_node *h = &g->nodes[n->inputs[0].id], *w = &g->nodes[n->inputs[1].id], *labels = &g->nodes[n->inputs[2].id];
    if (h->dims.rank != 2 || w->dims.rank != 2 || h->dims.size[1] != w->dims.size[1] || h->dtype != g->dtype ||
        w->dtype != g->dtype || labels->dims.rank != 1 || labels->dims.size[0] != h->dims.size[0]) {
        char a[WEFT_DIMS_TEXT], b[WEFT_DIMS_TEXT], c[WEFT_DIMS_TEXT];
        weft_poison(g, "cross_entropy: hidden %s, table %s and labels %s do not fit", weft_dims_text(h->dims, a),
                    weft_dims_text(w->dims, b), weft_dims_text(labels->dims, c));
        return;
    }
    if (h->extent.count.id || w->extent.count.id || labels->extent.count.id) {
        weft_poison(g, "cross_entropy: operands are used in part");
        return;
    }
    if (is_biased(n) && !weft_dims_equal(g->nodes[n->inputs[3].id].dims, DIMS(w->dims.size[0]))) {
        char a[WEFT_DIMS_TEXT], b[WEFT_DIMS_TEXT];
        weft_poison(g, "cross_entropy: bias %s does not fit table %s", weft_dims_text(g->nodes[n->inputs[3].id].dims, a),
                    weft_dims_text(w->dims, b));
        return;
    }
    if (!weft_check_index(g, n, 2, w->dims.size[0], false))
        return;
    n->dims = n->more[0] = labels->dims;
    n->more[1] = DIMS(h->dims.size[0], w->dims.size[0]);
    n->output_count = weft_run_rows(h->dims.size[0], w->dims.size[0], g->dtype) >= h->dims.size[0] ? 3 : 2;
}

static void loss_grad_shape(weft_graph *g, weft_node *n)
{
    n->dims = g->nodes[n->inputs[0].id].dims;
    n->more[0] = g->nodes[n->inputs[1].id].dims;
    n->more[1] = DIMS(n->more[0].size[0]);
    n->output_count = 2 + is_biased(n);
}

/* From simpler ops: −log softmax(logits)[label], smoothed; 0 without a label. */
static weft_value lowered(weft_graph *g, weft_value v)
{
    const weft_attributes a = weft_node_of(g, v)->attributes;
    const weft_value h = weft_operand_of(g, v, 0), w = weft_operand_of(g, v, 1), labels = weft_operand_of(g, v, 2);
    weft_value logits = weft_matmul_nt(g, h, w);
    if (is_biased(weft_node_of(g, v)))
        logits = weft_add(g, logits, weft_operand_of(g, v, 3));
    if (a.f[1] > 0)
        logits = weft_softcap(g, logits, a.f[1]);
    const weft_value logs = weft_log_softmax(g, logits), losses = weft_neg(g, weft_pick(g, logs, labels));
    if (a.f[0] == 0)
        return losses;
    const weft_value all = weft_mul(g, weft_mean(g, logs, -1, -1), weft_labelled(g, labels));
    return weft_sub(g, weft_scale(g, losses, 1 - a.f[0]), weft_scale(g, all, a.f[0]));
}

static void loss_gradient(weft_graph *g, weft_value y, const weft_value *dy, weft_value *dx)
{
    const weft_attributes a = weft_node_of(g, y)->attributes;
    weft_value in[7];
    int count = 0;
    const bool biased = is_biased(weft_node_of(g, y));
    for (int i = 0; i < behind_bias(weft_node_of(g, y)); i++)
        in[count++] = weft_operand_of(g, y, i);
    in[count++] = weft_part(g, y, 1);
    if (weft_node_of(g, y)->output_count > 2)
        in[count++] = weft_part(g, y, 2);
    in[count++] = dy[0];
    dx[0] = weft_apply(g, &weft_ops_loss[LOSS_GRAD], in, count, &a);
    if (!dx[0].id)
        return;
    dx[1] = weft_part(g, dx[0], 1);
    if (biased)
        dx[3] = weft_part(g, dx[0], 2);
}

static void loss_lower(weft_graph *g, weft_value v, weft_value *out)
{
    out[0] = lowered(g, v);
}

static void loss_grad_lower(weft_graph *g, weft_value v, weft_value *out)
{
    const weft_value y = lowered(g, v), dy = weft_operand_of(g, v, weft_node_of(g, v)->input_count - 1);
    const bool biased = is_biased(weft_node_of(g, v));
    const weft_value wrt[3] = {weft_operand_of(g, v, 0), weft_operand_of(g, v, 1), weft_operand_of(g, v, biased ? 3 : 0)};
    weft_pullback(g, &y, &dy, 1, wrt, 2 + biased, true, out);
}

static int64_t loss_macs(const weft_graph *g, const weft_node *n)
{
    const weft_dims h = g->nodes[n->inputs[0].id].dims, w = g->nodes[n->inputs[1].id].dims;
    const int64_t product = h.size[0] * h.size[1] * w.size[0];
    return n->op == &weft_ops_loss[LOSS] ? product : (has_logits(n) ? 2 : 3) * product;
}

/* ---- steps on the logits of a run; in: logits, labels, bias or nothing, [sums, dlosses]; out: losses and sums, or the logits in
 * place ---- */

enum { IN_LOGITS, IN_LABELS, IN_BIAS, IN_SUMS, IN_DLOSSES };

static void rows_run(const weft_step *s, const weft_run_state *run, int64_t piece, int thread)
{
    (void)thread;
    const int64_t n = s->in[0].dims.size[1], r0 = piece * weft_run_rows_each(s), left = s->in[0].dims.size[0] - r0;
    const int64_t rows = left < weft_run_rows_each(s) ? left : weft_run_rows_each(s);
    const int64_t *labels = weft_slot_element(run, &s->in[1], r0);
    const double smoothing = s->attributes.f[0], cap = s->attributes.f[1];
    const void *bias = weft_slot_element(run, &s->in[IN_BIAS], 0);
    for (int64_t r = 0; r < rows && bias; r++)
        run->vector->axpy(n, 1, bias, weft_slot_element(run, &s->in[IN_LOGITS], (r0 + r) * n));
    if (s->op == &weft_ops_loss[LOSS])
        run->vector->row_loss(rows, n, smoothing, cap, weft_slot_element(run, &s->in[IN_LOGITS], r0 * n), labels,
                              weft_slot_element(run, &s->out[0], r0), weft_slot_element(run, &s->out[1], r0));
    else
        run->vector->row_loss_grad(rows, n, smoothing, cap, s->attributes.i[1] != 0,
                                   weft_slot_element(run, &s->in[IN_LOGITS], r0 * n), labels,
                                   weft_slot_element(run, &s->in[IN_SUMS], r0), weft_slot_element(run, &s->in[IN_DLOSSES], r0));
}

/* dbias: the sums over the rows of a run's gradient; those of later runs are summed beside it and added. */
static int64_t bias_pieces(const weft_step *s, const weft_run_state *run)
{
    (void)run;
    return (s->in[0].dims.size[1] + BIAS_PIECE - 1) / BIAS_PIECE;
}

static void bias_run(const weft_step *s, const weft_run_state *run, int64_t piece, int thread)
{
    (void)thread;
    const int64_t rows = s->in[0].dims.size[0], n = s->in[0].dims.size[1], c0 = piece * BIAS_PIECE;
    const int64_t c1 = c0 + BIAS_PIECE < n ? c0 + BIAS_PIECE : n;
    const bool later = s->out[1].buffer >= 0;
    run->vector->column_sum(rows, n, c0, c1, weft_slot_element(run, &s->in[0], 0), weft_slot_element(run, &s->out[later], 0));
    if (later)
        run->vector->axpy(c1 - c0, 1, weft_slot_element(run, &s->out[1], c0), weft_slot_element(run, &s->out[0], c0));
}

/* run [rows, classes] → dbias; sums: room for a run's own, or nothing for the first run. */
static void emit_bias(weft_planner *p, weft_value v, weft_slot run, weft_slot dbias, weft_slot sums)
{
    weft_step *s = weft_step_empty(p, v, bias_pieces, bias_run);
    if (!s)
        return;
    s->in[0] = run;
    s->in_count = 1;
    s->out[0] = dbias;
    s->out[1] = sums;
    s->out_count = 2;
}

typedef struct loss_places {
    weft_slot hidden, table, labels, logits;
    int64_t rows, each;
} loss_places;

static loss_places places_of(weft_planner *p, const weft_node *n)
{
    loss_places at = {.hidden = weft_place_of(p, n->inputs[0]),
                      .table = weft_place_of(p, n->inputs[1]),
                      .labels = weft_place_of(p, n->inputs[2])};
    const weft_graph *g = weft_planner_graph(p);
    const int64_t classes = at.table.dims.size[0];
    at.rows = at.hidden.dims.size[0];
    at.each = weft_run_rows(at.rows, classes, g->dtype);
    at.logits = weft_place_logits(p, at.each, classes);
    return at;
}

static void loss_emit(weft_planner *p, weft_value v)
{
    const weft_node *n = weft_node_of(weft_planner_graph(p), v);
    const bool gradient = n->op == &weft_ops_loss[LOSS_GRAD], kept = gradient && has_logits(n);
    const int behind = behind_bias(n);
    loss_places at = places_of(p, n);
    weft_slot first = weft_place_of(p, v), second = {.buffer = -1}, sums = second, dlosses = second, logits;
    const weft_slot nothing = second, bias = is_biased(n) ? weft_place_of(p, n->inputs[3]) : nothing;
    const bool wanted = weft_output_wanted(p, v, 1, &second);
    if (!gradient && weft_output_wanted(p, v, 2, &logits)) /* the gradient will read them */
        at.logits = logits;
    if (kept)
        at.logits = weft_place_of(p, n->inputs[behind + 1]);
    weft_slot dbias = nothing, sums_beside = nothing;
    const bool bias_wanted = gradient && is_biased(n) && weft_output_wanted(p, v, 2, &dbias);
    if (bias_wanted && at.each < at.rows) {
        sums_beside = weft_place_scratch(p, (size_t)at.table.dims.size[0] * weft_dtype_size(dbias.dtype));
        sums_beside.dtype = dbias.dtype;
        sums_beside.dims = dbias.dims;
    }
    if (gradient) {
        sums = weft_place_of(p, n->inputs[behind]);
        dlosses = weft_place_of(p, n->inputs[n->input_count - 1]);
    }
    const weft_product_form form = {.bf16 = n->attributes.i[0] != 0};
    weft_slot logit_panels = {.buffer = -1}, table_panels = logit_panels;
    for (int64_t r0 = 0; r0 < at.rows || r0 == 0; r0 += at.each) {
        const int64_t rows = at.rows - r0 < at.each ? at.rows - r0 : at.each;
        const weft_slot hidden = weft_slot_rows(at.hidden, r0, rows), run = weft_slot_rows(at.logits, 0, rows);
        if (!kept) {
            weft_product_form logit = form;
            logit.b_transposed = true;
            weft_emit_product(p, v, hidden, n->inputs[1], at.table, &run, logit, &logit_panels);
        }
        weft_step *s = weft_step_empty(p, v, weft_run_pieces, rows_run);
        if (!s)
            return;
        s->attributes = n->attributes;
        s->in[IN_LOGITS] = run;
        s->in[IN_LABELS] = weft_slot_rows(at.labels, r0, rows);
        s->in[IN_BIAS] = kept ? nothing : bias; /* kept logits have it already */
        s->in_count = 3;
        if (!gradient) {
            s->out[0] = weft_slot_rows(first, r0, rows);
            s->out[1] = wanted ? weft_slot_rows(second, r0, rows) : second;
            s->out_count = 2;
            continue;
        }
        s->in[IN_SUMS] = weft_slot_rows(sums, r0, rows);
        s->attributes.i[1] = kept;
        s->in[IN_DLOSSES] = weft_slot_rows(dlosses, r0, rows);
        s->in_count = 5;
        s->out[0] = run;
        s->out_count = 1;
        const weft_slot dhidden = weft_slot_rows(first, r0, rows);
        weft_emit_product(p, v, run, n->inputs[1], at.table, &dhidden, form, &table_panels);
        if (wanted) {
            weft_product_form back = form;
            back.a_transposed = true;
            back.accumulate = r0 > 0;
            weft_emit_product(p, v, run, n->inputs[0], hidden, &second, back, NULL);
        }
        if (bias_wanted)
            emit_bias(p, v, run, dbias, r0 > 0 ? sums_beside : nothing);
    }
}

const weft_op weft_ops_loss[] = {
    [LOSS] = {.name = "cross_entropy",
              .kind = WEFT_OP_KERNEL,
              .extent = WEFT_EXTENT_NONE,
              .smooth = true,
              .storage_operand = 2,
              .shape = loss_shape,
              .gradient = loss_gradient,
              .lower = loss_lower,
              .emit = loss_emit,
              .macs = loss_macs},
    [LOSS_GRAD] = {.name = "cross_entropy_grad",
                   .kind = WEFT_OP_KERNEL,
                   .extent = WEFT_EXTENT_NONE,
                   .smooth = true,
                   .storage_operand = 2,
                   .shape = loss_grad_shape,
                   .lower = loss_grad_lower,
                   .emit = loss_emit,
                   .macs = loss_macs},
    {0},
};

weft_value weft_cross_entropy_rows(weft_graph *g, weft_value hidden, weft_value table, weft_value bias, weft_value labels,
                                   double smoothing, double cap)
{
    const bool biased = bias.id != 0;
    return weft_apply(g, &weft_ops_loss[LOSS], (weft_value[]){hidden, table, labels, bias}, 3 + biased,
                      &(weft_attributes){.i = {g->bf16_products, 0, biased}, .f = {smoothing, cap}});
}
