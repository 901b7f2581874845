/* Attention and its gradient: queries [batch, m, heads, head], keys [batch, n, kv heads, head], values [batch, n, kv heads,
 * value]; query head h reads the keys of head h · kv heads / heads (grouped queries, arXiv 2305.13245). The scores are never
 * written; differentiated twice, or asked for by name, both are lowered.
 *
 * operands: q, k, v, [bias], [start], [used], [segments], [key mask]; of the gradient then y, log sums, dy.
 * outputs: y and the logarithms of the sums of exponentials [batch, heads, m]; dq, dk, dv, dbias [batch, heads, m, n].
 * attributes.i: what is given (attention.h), window, bf16 products; f: scale, cap. */
#include "graph/attention.h"

#include <math.h>

enum { ATTENTION, ATTENTION_GRAD };

/* Where the operands that say what is seen begin. */
static int first_sight(int64_t given)
{
    return given & WEFT_HAS_BIAS ? 4 : 3;
}

static weft_attention_parts parts_of(const weft_graph *g, weft_value y)
{
    const weft_node *n = weft_node_of(g, y);
    const weft_attributes *a = &n->attributes;
    weft_attention_parts p = {.q = n->inputs[0],
                              .k = n->inputs[1],
                              .v = n->inputs[2],
                              .given = a->i[0],
                              .window = a->i[1],
                              .scale = a->f[0],
                              .cap = a->f[1]};
    if (p.given & WEFT_HAS_BIAS)
        p.bias = n->inputs[3];
    for (int which = WEFT_SEES_FROM_START; which <= WEFT_SEES_KEY_MASK; which *= 2)
        if (p.given & which) {
            p.sight[p.sight_count] = n->inputs[first_sight(p.given) + p.sight_count];
            p.sight_count++;
        }
    return p;
}

static void attention_shape(weft_graph *g, weft_node *n)
{
    const weft_dims q = g->nodes[n->inputs[0].id].dims, k = g->nodes[n->inputs[1].id].dims, v = g->nodes[n->inputs[2].id].dims;
    const int64_t given = n->attributes.i[0];
    n->dims = DIMS(q.size[0], q.size[1], q.size[2], v.size[3]);
    n->output_count = 2;
    n->more[0] = DIMS(q.size[0], q.size[2], q.size[1]);
    if (!weft_attention_check_sight(g, n, first_sight(given), q.size[0], q.size[1], k.size[1]) || !(given & WEFT_HAS_BIAS))
        return;
    const weft_node *bias = &g->nodes[n->inputs[3].id];
    const int64_t scores[4] = {q.size[0], q.size[2], q.size[1], k.size[1]};
    bool fits = bias->dims.rank <= 4 && bias->dtype == g->dtype;
    for (int i = 0; fits && i < bias->dims.rank; i++) {
        const int64_t size = bias->dims.size[bias->dims.rank - 1 - i];
        fits = size == 1 || size == scores[3 - i];
    }
    if (!fits) {
        char a[WEFT_DIMS_TEXT], b[WEFT_DIMS_TEXT];
        weft_poison(g, "attention: a bias of %s does not broadcast to %s", weft_dims_text(bias->dims, a),
                    weft_dims_text(DIMS(scores[0], scores[1], scores[2], scores[3]), b));
    }
}

static void grad_shape(weft_graph *g, weft_node *n)
{
    const weft_dims q = g->nodes[n->inputs[0].id].dims, k = g->nodes[n->inputs[1].id].dims;
    n->dims = q;
    n->output_count = n->attributes.i[0] & WEFT_HAS_BIAS ? 4 : 3;
    n->more[0] = k;
    n->more[1] = g->nodes[n->inputs[2].id].dims;
    n->more[2] = DIMS(q.size[0], q.size[2], q.size[1], k.size[1]);
}

static void attention_gradient(weft_graph *g, weft_value y, const weft_value *dy, weft_value *dx)
{
    const weft_attributes a = weft_node_of(g, y)->attributes;
    const int count = weft_node_of(g, y)->input_count;
    weft_value in[16];
    for (int i = 0; i < count; i++)
        in[i] = weft_operand_of(g, y, i);
    in[count] = y;
    in[count + 1] = weft_part(g, y, 1);
    in[count + 2] = dy[0];
    dx[0] = weft_apply(g, &weft_ops_attention[ATTENTION_GRAD], in, count + 3, &a);
    if (!dx[0].id)
        return;
    dx[1] = weft_part(g, dx[0], 1);
    dx[2] = weft_part(g, dx[0], 2);
    if (a.i[0] & WEFT_HAS_BIAS)
        dx[3] = weft_sum_to(g, weft_part(g, dx[0], 3), weft_shape(g, in[3]));
}

static void attention_lower(weft_graph *g, weft_value y, weft_value *out)
{
    const weft_attention_parts p = parts_of(g, y);
    out[0] = weft_attention_lowered(g, &p, NULL);
}

/* As a function of q, k, v, bias and dy; y and the log sums follow from these. */
static void grad_lower(weft_graph *g, weft_value v, weft_value *out)
{
    const weft_attention_parts p = parts_of(g, v);
    const weft_value dy = weft_operand_of(g, v, weft_node_of(g, v)->input_count - 1);
    const weft_dims scores = weft_node_of(g, v)->more[2];
    weft_attention_parts whole = p; /* the bias's gradient is that of all scores */
    if (p.bias.id)
        whole.bias = weft_broadcast(g, p.bias, scores);
    const weft_value y = weft_attention_lowered(g, &whole, NULL), wrt[4] = {p.q, p.k, p.v, whole.bias};
    weft_pullback(g, &y, &dy, 1, wrt, p.bias.id ? 4 : 3, true, out);
}

/* ---- steps ---- */

/* Sizes of the step, and what a piece holds: some key heads of some items, or some queries of one. */
typedef struct division {
    int64_t batch, m, heads, head, n, kv, value;
    int64_t items;         /* in use */
    int64_t queries, cuts; /* of a piece of one key head; how many such pieces it has */
    int64_t joined;        /* so many key heads a piece, when it has one cut */
} division;

static division divide(const weft_step *s, const weft_run_state *run, bool gradient)
{
    const weft_dims q = s->in[0].dims, k = s->in[1].dims;
    division d = {q.size[0], q.size[1], q.size[2], q.size[3], k.size[1], k.size[2], s->in[2].dims.size[3], 0, q.size[1], 1, 1};
    d.items = run ? weft_used_rows(run, &s->in[0]) : d.batch;
    if (!run || d.items == 0 || d.m == 0)
        return d;
    int64_t from, to; /* the last query of the first item stands for all */
    const weft_sight sight = weft_sight_of(s, run, first_sight(s->attributes.i[0]), 0, d.m, d.n);
    weft_sight_range(&sight, d.m - 1, &from, &to);
    /* rough nanoseconds of a key head: products, and rearranging its keys and values */
    const int64_t numbers = (to - from + 1) * (d.head + d.value);
    const int64_t work = numbers * d.m * (d.heads / d.kv) * (gradient ? 3 : 1) / 40 + numbers / 2;
    enum { SMALL = 20000, FEW_PIECES = 8, LEAST_QUERIES = 96 };
    if (work < SMALL)
        d.joined = SMALL / (work + 1);
    else if (!gradient && d.items * d.kv < FEW_PIECES) {
        const int64_t cuts = (FEW_PIECES + d.items * d.kv - 1) / (d.items * d.kv), each = (d.m + cuts - 1) / cuts;
        d.queries = each < LEAST_QUERIES ? LEAST_QUERIES : each;
        d.cuts = (d.m + d.queries - 1) / d.queries;
    }
    return d;
}

static int64_t pieces_of(const division *d)
{
    return d->m == 0 ? 0 : (d->items * d->kv + d->joined - 1) / d->joined * d->cuts;
}

static int64_t attention_pieces(const weft_step *s, const weft_run_state *run)
{
    const division d = divide(s, run, false);
    return pieces_of(&d);
}

/* Without queries there are still gradients of keys. */
static int64_t grad_pieces(const weft_step *s, const weft_run_state *run)
{
    division d = divide(s, run, true);
    return (d.items * d.kv + d.joined - 1) / d.joined;
}

static void *place(const weft_run_state *run, const weft_slot *p, int64_t element)
{
    return (char *)weft_at(run, p) + element * (int64_t)weft_dtype_size(p->dtype);
}

/* Key head `head` of an item; pointers only with a run. */
static weft_attention_task task_of(const weft_step *s, const weft_run_state *run, const division *d, int64_t item, int64_t kv)
{
    const int64_t given = s->attributes.i[0], group = d->kv ? d->heads / d->kv : 0;
    weft_attention_task t = {.m = d->m,
                             .n = d->n,
                             .group = group,
                             .head = d->head,
                             .value = d->value,
                             .scale = s->attributes.f[0],
                             .cap = s->attributes.f[1],
                             .bf16 = s->attributes.i[2] != 0,
                             .q_token = d->heads * d->head,
                             .q_head = d->head,
                             .k_token = d->kv * d->head,
                             .v_token = d->kv * d->value,
                             .k_dtype = s->in[1].dtype,
                             .v_dtype = s->in[2].dtype,
                             .y_token = d->heads * d->value,
                             .y_head = d->value};
    if (!run)
        return t;
    const int64_t q = item * d->m * t.q_token + kv * group * d->head, y = item * d->m * t.y_token + kv * group * d->value;
    const int64_t k = item * d->n * t.k_token + kv * d->head, v = item * d->n * t.v_token + kv * d->value;
    const int64_t row = (item * d->heads + kv * group) * d->m;
    t.sight = weft_sight_of(s, run, first_sight(given), item, d->m, d->n);
    t.q = place(run, &s->in[0], q);
    t.k = place(run, &s->in[1], k);
    t.v = place(run, &s->in[2], v);
    if (given & WEFT_HAS_BIAS) { /* broadcast axes have a stride of 0 */
        const weft_dims b = s->in[3].dims;
        int64_t stride[4] = {0}, step = 1;
        for (int i = 0; i < b.rank; i++) {
            const int64_t size = b.size[b.rank - 1 - i];
            stride[3 - i] = size == 1 ? 0 : step;
            step *= size;
        }
        t.bias_head = stride[1], t.bias_query = stride[2], t.bias_key = stride[3];
        t.bias = place(run, &s->in[3], item * stride[0] + kv * group * stride[1]);
    }
    if (s->op == &weft_ops_attention[ATTENTION]) {
        t.y = place(run, &s->out[0], y);
        t.log_sum = s->out_count > 1 ? place(run, &s->out[1], row) : NULL;
        return t;
    }
    t.y = place(run, &s->in[s->in_count - 3], y);
    t.log_sum = place(run, &s->in[s->in_count - 2], row);
    t.dy = place(run, &s->in[s->in_count - 1], y);
    t.dq = place(run, &s->out[0], q);
    t.dk = place(run, &s->out[1], k);
    t.dv = place(run, &s->out[2], v);
    t.dbias = given & WEFT_HAS_BIAS && s->out_count > 3 ? place(run, &s->out[3], row * d->n) : NULL;
    return t;
}

static void attention_run(const weft_step *s, const weft_run_state *run, int64_t piece, int thread)
{
    const division d = divide(s, run, false);
    const int64_t first = piece / d.cuts * d.joined, all = d.items * d.kv;
    const int64_t query0 = piece % d.cuts * d.queries, query1 = query0 + d.queries < d.m ? query0 + d.queries : d.m;
    for (int64_t i = first; i < first + d.joined && i < all; i++) {
        const weft_attention_task t = task_of(s, run, &d, i / d.kv, i % d.kv);
        run->attention->forward(&t, query0, query1, run->scratch[thread]);
    }
}

static void grad_run(const weft_step *s, const weft_run_state *run, int64_t piece, int thread)
{
    const division d = divide(s, run, true);
    const int64_t first = piece * d.joined, all = d.items * d.kv;
    for (int64_t i = first; i < first + d.joined && i < all; i++) {
        const weft_attention_task t = task_of(s, run, &d, i / d.kv, i % d.kv);
        run->attention->gradient(&t, run->scratch[thread]);
    }
}

static void attention_emit(weft_planner *p, weft_value v)
{
    const weft_node *n = weft_node_of(weft_planner_graph(p), v);
    const bool gradient = n->op == &weft_ops_attention[ATTENTION_GRAD];
    weft_step *s = weft_step_new(p, v, gradient ? grad_pieces : attention_pieces, gradient ? grad_run : attention_run);
    if (!s)
        return;
    s->attributes = n->attributes;
    const weft_kernels *k = weft_planner_engine(p)->kernels;
    const division d = divide(s, NULL, gradient);
    const weft_attention_task t = task_of(s, NULL, &d, 0, 0);
    weft_need_scratch(p, (n->dtype == WEFT_F64 ? k->attention_f64 : k->attention_f32)->scratch_bytes(&t, gradient));
    for (int i = 1; gradient && i < 3; i++) /* written whether or not somebody asks */
        if (s->out_count <= i || s->out[i].dims.rank == 0) {
            const weft_dims dims = n->more[i - 1];
            s->out[i] = weft_place_scratch(p, (size_t)weft_dims_count(dims) * weft_dtype_size(n->dtype));
            s->out[i].dtype = n->dtype;
            s->out[i].dims = dims;
            s->out_count = s->out_count > i + 1 ? s->out_count : i + 1;
        }
}

/* Pairs of a query and a key it sees, as far as sizes alone say. */
static int64_t pairs_of(const weft_graph *g, const weft_node *n)
{
    const weft_dims q = g->nodes[n->inputs[0].id].dims;
    const int64_t keys = g->nodes[n->inputs[1].id].dims.size[1];
    const weft_sight sight = {
        .start = keys - q.size[1], .used = keys, .window = n->attributes.i[1], .back = n->attributes.i[0] & WEFT_SEES_BACK};
    if (n->attributes.i[0] & WEFT_SEES_FROM_START)
        return q.size[0] * q.size[2] * q.size[1] * keys;
    int64_t pairs = 0;
    for (int64_t i = 0; i < q.size[1]; i++) {
        int64_t from, to;
        weft_sight_range(&sight, i, &from, &to);
        pairs += to - from;
    }
    return q.size[0] * q.size[2] * pairs;
}

static int64_t attention_macs(const weft_graph *g, const weft_node *n)
{
    const int64_t head = g->nodes[n->inputs[0].id].dims.size[3], value = g->nodes[n->inputs[2].id].dims.size[3];
    return pairs_of(g, n) * (n->op == &weft_ops_attention[ATTENTION] ? head + value : 3 * head + 2 * value);
}

const weft_op weft_ops_attention[] = {
    [ATTENTION] = {.name = "attention",
                   .kind = WEFT_OP_KERNEL,
                   .decompose = WEFT_CD_ATTENTION,
                   .extent = WEFT_EXTENT_SAME,
                   .smooth = true,
                   .reads_states = true,
                   .shape = attention_shape,
                   .gradient = attention_gradient,
                   .lower = attention_lower,
                   .emit = attention_emit,
                   .macs = attention_macs},
    [ATTENTION_GRAD] = {.name = "attention_grad",
                        .kind = WEFT_OP_KERNEL,
                        .extent = WEFT_EXTENT_SAME,
                        .smooth = true,
                        .reads_states = true,
                        .shape = grad_shape,
                        .lower = grad_lower,
                        .emit = attention_emit,
                        .macs = attention_macs},
    {0},
};

static bool parts_fit(weft_graph *g, const weft_attention_parts *p)
{
    if (!weft_check(g, "attention", p->q) || !weft_check(g, "attention", p->k) || !weft_check(g, "attention", p->v))
        return false;
    const weft_dims q = weft_shape(g, p->q), k = weft_shape(g, p->k), v = weft_shape(g, p->v);
    if (q.rank == 4 && k.rank == 4 && v.rank == 4 && q.size[0] == k.size[0] && q.size[0] == v.size[0] && k.size[1] == v.size[1] &&
        k.size[2] == v.size[2] && q.size[3] == k.size[3] && k.size[2] > 0 && q.size[2] % k.size[2] == 0)
        return true;
    char a[WEFT_DIMS_TEXT], b[WEFT_DIMS_TEXT], c[WEFT_DIMS_TEXT];
    weft_poison(g, "attention: queries %s, keys %s and values %s do not fit: expected [batch, tokens, heads, head]",
                weft_dims_text(q, a), weft_dims_text(k, b), weft_dims_text(v, c));
    return false;
}

weft_value weft_attention(weft_graph *g, weft_value q, weft_value k, weft_value v, weft_attention_options o)
{
    weft_attention_parts p = {.q = q, .k = k, .v = v, .bias = o.bias, .window = o.window, .cap = o.cap};
    if (!parts_fit(g, &p))
        return (weft_value){0};
    if (o.window < 0 || !(o.cap >= 0)) {
        weft_poison(g, "attention: a window of %lld or a cap of %g is below 0", (long long)o.window, o.cap);
        return (weft_value){0};
    }
    p.scale = o.scale != 0 ? o.scale : 1 / sqrt((double)weft_shape(g, q).size[3]);
    p.given = o.causal ? WEFT_SEES_BACK : 0;
    const weft_value sight[] = {o.start, o.used, o.segments, o.key_mask};
    for (int i = 0; i < 4; i++)
        if (sight[i].id) {
            p.given |= WEFT_SEES_FROM_START << i;
            p.sight[p.sight_count++] = sight[i];
        }
    if (o.name)
        return weft_attention_lowered(g, &p, o.name);
    weft_value in[8] = {q, k, v};
    int count = 3;
    if (o.bias.id) {
        in[count++] = o.bias;
        p.given |= WEFT_HAS_BIAS;
    }
    for (int i = 0; i < p.sight_count; i++)
        in[count++] = p.sight[i];
    return weft_apply(
        g, &weft_ops_attention[ATTENTION], in, count,
        &(weft_attributes){.i = {p.given, p.window, g->bf16_products && g->dtype == WEFT_F32}, .f = {p.scale, p.cap}});
}
