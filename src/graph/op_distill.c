/* Losses of a pupil beside its teacher (Hinton, Vinyals, Dean: arXiv 1503.02531), from what both heads read: neither's logits are
 * in memory. Rows are taken in runs, as in op_loss.c; each run's logits of the two become losses, and in the gradient, computed
 * again, that of the pupil's logits.
 *
 * distill: hidden [rows, width], table [classes, width], labels [rows], taught [rows, its width], taught_table [classes, its
 * width] → losses [rows], logarithms of sums [rows, 3]. distill_grad: these operands, the sums, dlosses → dhidden, dtable.
 * attributes.i[0]: bf16 products; numbers: weft_distill_number. */
#include "graph/loss_runs.h"

enum { DISTILL, DISTILL_GRAD };
enum { HIDDEN, TABLE, LABELS, TAUGHT, TAUGHT_TABLE, SUMS, DLOSSES };

static void distill_shape(weft_graph *g, weft_node *n)
{
    const weft_node *in[TAUGHT_TABLE + 1];
    bool whole = true;
    for (int i = 0; i <= TAUGHT_TABLE; i++) {
        in[i] = &g->nodes[n->inputs[i].id];
        whole = whole && !in[i]->extent.count.id;
    }
    bool fits = in[LABELS]->dims.rank == 1 && in[TABLE]->dims.rank == 2 && in[TAUGHT_TABLE]->dims.rank == 2 &&
                in[TAUGHT_TABLE]->dims.size[0] == in[TABLE]->dims.size[0];
    for (int i = HIDDEN; i <= TAUGHT && fits; i += TAUGHT - HIDDEN)
        fits = in[i]->dims.rank == 2 && in[i]->dims.size[0] == in[LABELS]->dims.size[0] &&
               in[i]->dims.size[1] == in[i + 1]->dims.size[1] && in[i]->dtype == g->dtype && in[i + 1]->dtype == g->dtype;
    if (!fits || !whole) {
        char a[WEFT_DIMS_TEXT], b[WEFT_DIMS_TEXT], c[WEFT_DIMS_TEXT], d[WEFT_DIMS_TEXT], e[WEFT_DIMS_TEXT];
        weft_poison(g, "distill: hidden %s, table %s, labels %s, taught %s and its table %s %s",
                    weft_dims_text(in[HIDDEN]->dims, a), weft_dims_text(in[TABLE]->dims, b), weft_dims_text(in[LABELS]->dims, c),
                    weft_dims_text(in[TAUGHT]->dims, d), weft_dims_text(in[TAUGHT_TABLE]->dims, e),
                    whole ? "do not fit" : "are used in part");
        return;
    }
    if (!weft_check_index(g, n, LABELS, in[TABLE]->dims.size[0], false))
        return;
    n->dims = in[LABELS]->dims;
    n->more[0] = DIMS(n->dims.size[0], 3);
    n->output_count = 2;
}

static void distill_grad_shape(weft_graph *g, weft_node *n)
{
    n->dims = g->nodes[n->inputs[HIDDEN].id].dims;
    n->more[0] = g->nodes[n->inputs[TABLE].id].dims;
    n->output_count = 2;
}

weft_value weft_distill_logits(weft_graph *g, weft_value logits, weft_value taught, weft_value labels, double temperature,
                               double weight)
{
    const weft_value soft = weft_log_softmax(g, weft_scale(g, taught, 1 / temperature));
    const weft_value off = weft_sub(g, soft, weft_log_softmax(g, weft_scale(g, logits, 1 / temperature)));
    weft_value divergence = weft_sum(g, weft_mul(g, weft_exp(g, soft), off), -1, -1);
    divergence = weft_scale(g, weft_mul(g, divergence, weft_labelled(g, labels)), weight * temperature * temperature);
    const weft_value losses = weft_neg(g, weft_pick(g, weft_log_softmax(g, logits), labels));
    return weft_add(g, weft_scale(g, losses, 1 - weight), divergence);
}

/* From simpler ops. */
static weft_value lowered(weft_graph *g, weft_value v)
{
    const double *numbers = weft_node_of(g, v)->attributes.numbers;
    weft_value logits = weft_matmul_nt(g, weft_operand_of(g, v, HIDDEN), weft_operand_of(g, v, TABLE));
    weft_value taught = weft_matmul_nt(g, weft_operand_of(g, v, TAUGHT), weft_operand_of(g, v, TAUGHT_TABLE));
    if (numbers[WEFT_DISTILL_CAP] > 0)
        logits = weft_softcap(g, logits, numbers[WEFT_DISTILL_CAP]);
    if (numbers[WEFT_DISTILL_TAUGHT_CAP] > 0)
        taught = weft_softcap(g, taught, numbers[WEFT_DISTILL_TAUGHT_CAP]);
    return weft_distill_logits(g, logits, taught, weft_operand_of(g, v, LABELS), numbers[WEFT_DISTILL_TEMPERATURE],
                               numbers[WEFT_DISTILL_WEIGHT]);
}

/* Who wants a gradient of the teacher's side, which no training does, gets it from simpler ops. */
static void distill_gradient(weft_graph *g, weft_value y, const weft_value *dy, weft_value *dx)
{
    const weft_attributes a = weft_node_of(g, y)->attributes;
    weft_value in[DLOSSES + 1];
    for (int i = 0; i <= TAUGHT_TABLE; i++)
        in[i] = weft_operand_of(g, y, i);
    in[SUMS] = weft_part(g, y, 1);
    in[DLOSSES] = dy[0];
    dx[HIDDEN] = weft_apply(g, &weft_ops_distill[DISTILL_GRAD], in, DLOSSES + 1, &a);
    if (!dx[HIDDEN].id)
        return;
    dx[TABLE] = weft_part(g, dx[HIDDEN], 1);
    const weft_value simpler = lowered(g, y);
    weft_pullback(g, &simpler, dy, 1, in + TAUGHT, 2, true, dx + TAUGHT);
}

static void distill_lower(weft_graph *g, weft_value v, weft_value *out)
{
    out[0] = lowered(g, v);
}

static void distill_grad_lower(weft_graph *g, weft_value v, weft_value *out)
{
    const weft_value y = lowered(g, v), dy = weft_operand_of(g, v, DLOSSES);
    const weft_value wrt[2] = {weft_operand_of(g, v, HIDDEN), weft_operand_of(g, v, TABLE)};
    weft_pullback(g, &y, &dy, 1, wrt, 2, true, out);
}

static int64_t distill_macs(const weft_graph *g, const weft_node *n)
{
    const weft_dims h = g->nodes[n->inputs[HIDDEN].id].dims, w = g->nodes[n->inputs[TABLE].id].dims;
    const int64_t each = h.size[0] * w.size[0], taught = g->nodes[n->inputs[TAUGHT].id].dims.size[1];
    return each * (n->op == &weft_ops_distill[DISTILL] ? h.size[1] + taught : 3 * h.size[1] + taught);
}

/* ---- a step on the logits of a run; in: logits, taught logits, labels, [sums, dlosses]; out: losses and sums, or the logits in
 * place ---- */

enum { IN_LOGITS, IN_TAUGHT, IN_LABELS, IN_SUMS, IN_DLOSSES };

static void rows_run(const weft_step *s, const weft_run_state *run, int64_t piece, int thread)
{
    (void)thread;
    const int64_t n = s->in[IN_LOGITS].dims.size[1], each = weft_run_rows_each(s), r0 = piece * each;
    const int64_t left = s->in[IN_LOGITS].dims.size[0] - r0, rows = left < each ? left : each;
    void *logits = weft_slot_element(run, &s->in[IN_LOGITS], r0 * n), *taught = weft_slot_element(run, &s->in[IN_TAUGHT], r0 * n);
    const int64_t *labels = weft_slot_element(run, &s->in[IN_LABELS], r0);
    if (s->op == &weft_ops_distill[DISTILL])
        run->vector->row_distill(rows, n, s->attributes.numbers, logits, taught, labels, weft_slot_element(run, &s->out[0], r0),
                                 weft_slot_element(run, &s->out[1], 3 * r0));
    else
        run->vector->row_distill_grad(rows, n, s->attributes.numbers, logits, taught, labels,
                                      weft_slot_element(run, &s->in[IN_SUMS], 3 * r0),
                                      weft_slot_element(run, &s->in[IN_DLOSSES], r0));
}

static void distill_emit(weft_planner *p, weft_value v)
{
    const weft_graph *g = weft_planner_graph(p);
    const weft_node *n = weft_node_of(g, v);
    const bool gradient = n->op == &weft_ops_distill[DISTILL_GRAD], bf16 = n->attributes.i[0] != 0;
    weft_slot in[DLOSSES + 1], second = {.buffer = -1};
    for (int i = 0; i < n->input_count; i++)
        in[i] = weft_place_of(p, n->inputs[i]);
    const weft_slot first = weft_place_of(p, v);
    const bool wanted = weft_output_wanted(p, v, 1, &second);
    const int64_t rows = in[HIDDEN].dims.size[0], classes = in[TABLE].dims.size[0], each = weft_run_rows(rows, classes, g->dtype);
    const weft_slot logits = weft_place_logits(p, each, classes), taught = weft_place_logits(p, each, classes);
    const weft_product_form form = {.bf16 = bf16}, logit = {.bf16 = bf16, .b_transposed = true};
    weft_slot table_panels = {.buffer = -1}, taught_panels = table_panels, back_panels = table_panels;
    for (int64_t r0 = 0; r0 < rows || r0 == 0; r0 += each) {
        const int64_t count = rows - r0 < each ? rows - r0 : each;
        const weft_slot hidden = weft_slot_rows(in[HIDDEN], r0, count), run = weft_slot_rows(logits, 0, count);
        const weft_slot taught_run = weft_slot_rows(taught, 0, count);
        weft_emit_product(p, v, hidden, n->inputs[TABLE], in[TABLE], &run, logit, &table_panels);
        weft_emit_product(p, v, weft_slot_rows(in[TAUGHT], r0, count), n->inputs[TAUGHT_TABLE], in[TAUGHT_TABLE], &taught_run,
                          logit, &taught_panels);
        weft_step *s = weft_step_empty(p, v, weft_run_pieces, rows_run);
        if (!s)
            return;
        s->attributes = n->attributes;
        s->in[IN_LOGITS] = run;
        s->in[IN_TAUGHT] = taught_run;
        s->in[IN_LABELS] = weft_slot_rows(in[LABELS], r0, count);
        s->in_count = 3;
        if (!gradient) {
            s->out[0] = weft_slot_rows(first, r0, count);
            s->out[1] = wanted ? weft_slot_rows(second, r0, count) : second;
            s->out_count = 2;
            continue;
        }
        s->in[IN_SUMS] = weft_slot_rows(in[SUMS], r0, count);
        s->in[IN_DLOSSES] = weft_slot_rows(in[DLOSSES], r0, count);
        s->in_count = 5;
        s->out[0] = run;
        s->out_count = 1;
        const weft_slot dhidden = weft_slot_rows(first, r0, count);
        weft_emit_product(p, v, run, n->inputs[TABLE], in[TABLE], &dhidden, form, &back_panels);
        if (!wanted)
            continue;
        const weft_product_form back = {.bf16 = bf16, .a_transposed = true, .accumulate = r0 > 0};
        weft_emit_product(p, v, run, n->inputs[HIDDEN], hidden, &second, back, NULL);
    }
}

const weft_op weft_ops_distill[] = {
    [DISTILL] = {.name = "distill",
                 .kind = WEFT_OP_KERNEL,
                 .extent = WEFT_EXTENT_NONE,
                 .smooth = true,
                 .storage_operand = 2,
                 .shape = distill_shape,
                 .gradient = distill_gradient,
                 .lower = distill_lower,
                 .emit = distill_emit,
                 .macs = distill_macs},
    [DISTILL_GRAD] = {.name = "distill_grad",
                      .kind = WEFT_OP_KERNEL,
                      .extent = WEFT_EXTENT_NONE,
                      .smooth = true,
                      .storage_operand = 2,
                      .shape = distill_grad_shape,
                      .lower = distill_grad_lower,
                      .emit = distill_emit,
                      .macs = distill_macs},
    {0},
};

weft_value weft_distill_rows(weft_graph *g, weft_value hidden, weft_value table, weft_value labels, weft_value taught,
                             weft_value taught_table, const double numbers[WEFT_DISTILL_NUMBERS])
{
    return weft_apply(
        g, &weft_ops_distill[DISTILL], (weft_value[]){hidden, table, labels, taught, taught_table}, TAUGHT_TABLE + 1,
        &(weft_attributes){.i = {g->bf16_products}, .numbers = weft_keep_numbers(g, numbers, WEFT_DISTILL_NUMBERS)});
}
