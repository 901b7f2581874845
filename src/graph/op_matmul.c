/* Matrix products: a [… , m, k] · b [… , k, n], either transposed. attributes.i: a transposed, b transposed, bf16 products.
 * Without leading axes on b, the leading axes of a are rows. Used extents: of a's rows (or of the batch), and, where both are
 * transposed products over rows (weight gradients), of k. */
#include "graph/graph.h"
#include "graph/program.h"

typedef struct product {
    int64_t batch, m, n, k;
    bool shared_b; /* one b for all leading axes of a */
} product;

static product measure(const weft_dims *a, const weft_dims *b, bool ta, bool tb)
{
    product p = {.batch = 1, .shared_b = b->rank == 2};
    p.m = a->size[a->rank - (ta ? 1 : 2)];
    p.k = a->size[a->rank - (ta ? 2 : 1)];
    p.n = b->size[b->rank - (tb ? 2 : 1)];
    for (int i = 0; i < a->rank - 2; i++)
        p.batch *= a->size[i];
    return p;
}

static void matmul_shape(weft_graph *g, weft_node *n)
{
    const weft_node *a = &g->nodes[n->inputs[0].id], *b = &g->nodes[n->inputs[1].id];
    bool ta = n->attributes.i[0], tb = n->attributes.i[1];
    char ad[WEFT_DIMS_TEXT], bd[WEFT_DIMS_TEXT];
    weft_dims_text(a->dims, ad);
    weft_dims_text(b->dims, bd);
    bool fits = a->dims.rank >= 2 && b->dims.rank >= 2 && (b->dims.rank == 2 || b->dims.rank == a->dims.rank) &&
                a->dtype == g->dtype && b->dtype == g->dtype;
    for (int i = 0; fits && b->dims.rank > 2 && i < a->dims.rank - 2; i++)
        fits = a->dims.size[i] == b->dims.size[i];
    if (fits && ta && b->dims.rank == 2)
        fits = a->dims.rank == 2;
    int64_t ka = a->dims.size[a->dims.rank - (ta ? 2 : 1)], kb = b->dims.size[b->dims.rank - (tb ? 1 : 2)];
    if (!fits || ka != kb) {
        weft_poison(g, "matmul: %s%s by %s%s: the inner sizes or leading axes do not fit", ad, ta ? " transposed" : "", bd,
                    tb ? " transposed" : "");
        return;
    }
    n->dims = a->dims;
    n->dims.size[a->dims.rank - 2] = a->dims.size[a->dims.rank - (ta ? 1 : 2)];
    n->dims.size[a->dims.rank - 1] = b->dims.size[b->dims.rank - (tb ? 2 : 1)];
    if (a->extent.count.id && !(a->dims.rank == 2 && ta))
        n->extent = a->extent;
    bool over_k = a->dims.rank == 2 && ta, b_batched = b->dims.rank > 2;
    bool b_fine = !b->extent.count.id || ((over_k && !tb) || b_batched ? weft_extent_equal(a->extent, b->extent) : false);
    bool a_fine = !a->extent.count.id || !over_k || !b->extent.count.id || weft_extent_equal(a->extent, b->extent);
    if (!b_fine || !a_fine)
        weft_poison(g, "matmul: %s by %s: the used parts do not fit", ad, bd);
}

static weft_value apply(weft_graph *g, weft_value a, weft_value b, bool ta, bool tb);

/* [… , m, n] as [rows, n] */
static weft_value flat(weft_graph *g, weft_value x)
{
    weft_dims d = weft_shape(g, x);
    return weft_reshape(g, x, DIMS(weft_dims_product(d, 0, d.rank - 1), d.size[d.rank - 1]));
}

static void matmul_gradient(weft_graph *g, weft_value y, const weft_value *dy, weft_value *dx)
{
    weft_value a = weft_operand_of(g, y, 0), b = weft_operand_of(g, y, 1), d = dy[0];
    bool ta = weft_node_of(g, y)->attributes.i[0], tb = weft_node_of(g, y)->attributes.i[1];
    /* y = op(a) op(b):  d op(a) = d op(b)ᵀ,  d op(b) = op(a)ᵀ d */
    dx[0] = ta ? apply(g, b, d, tb, true) : apply(g, d, b, false, !tb);
    if (weft_shape(g, b).rank == 2 && weft_shape(g, a).rank > 2) { /* b serves every leading axis: sum over all rows */
        weft_value rows = flat(g, a), drows = flat(g, d);
        dx[1] = tb ? apply(g, drows, rows, true, false) : apply(g, rows, drows, true, false);
    } else {
        dx[1] = tb ? apply(g, d, a, true, ta) : apply(g, a, d, !ta, false);
    }
}

static int64_t matmul_macs(const weft_graph *g, const weft_node *n)
{
    product p = measure(&g->nodes[n->inputs[0].id].dims, &g->nodes[n->inputs[1].id].dims, n->attributes.i[0], n->attributes.i[1]);
    return p.batch * p.m * p.n * p.k;
}

/* ---- steps: pack b, then the tiles ---- */

/* Operands of the product: a, b, b's panels, and those of a product beside it (weft_partner_of). */
enum { PARTNER = 3 };

/* attributes.i[3] of both: what becomes of b. */
enum { PACKED_EACH_RUN, PACKED_ONCE, AS_STORED };

/* The kernels choose tiles, panels and scratch by the sizes, so m stays whole, and pieces behind the rows in use are left out:
 * what was reserved by the whole sizes then serves every count. */
typedef struct gemm_call {
    weft_gemm one; /* of batch item 0 */
    int64_t batch;
    int64_t rows;                  /* of c (of one item) in use */
    size_t a_next, b_next, c_next; /* bytes between batch items */
    size_t packed_next;
} gemm_call;

/* in: a, b, and panels for the product (buffer -1: none); out: c, or the panels for the packing */
static gemm_call call_of(const weft_step *s, const weft_run_state *run, bool pointers)
{
    const weft_slot *a = &s->in[0], *b = &s->in[1], *panels = s->in_count > 2 ? &s->in[2] : &s->out[0];
    bool ta = s->attributes.i[0], tb = s->attributes.i[1];
    product p = measure(&a->dims, &b->dims, ta, tb);
    int64_t used = weft_used_rows(run, a);
    if (b->extent.count.id && ta && a->dims.rank == 2)
        used = weft_used_rows(run, b);
    gemm_call call = {.batch = p.batch};
    int64_t ar = a->dims.size[a->dims.rank - 2], ac = a->dims.size[a->dims.rank - 1];
    int64_t br = b->dims.size[b->dims.rank - 2], bc = b->dims.size[b->dims.rank - 1];
    const bool rounded = a->dtype == WEFT_BF16;
    size_t e = rounded ? sizeof(float) : weft_dtype_size(a->dtype), be = weft_dtype_size(run->storage[b->buffer]);
    call.rows = p.m;
    if (a->dims.rank == 2) {
        if (ta)
            p.k = used;
        else
            call.rows = used;
    } else if (a->dims.size[0] > 0) {
        call.batch = p.batch / a->dims.size[0] * used;
    }
    if (p.shared_b && !ta) {
        call.rows *= call.batch;
        p.m *= p.batch;
        call.batch = 1;
    }
    call.one = (weft_gemm){.m = p.m,
                           .n = p.n,
                           .k = p.k,
                           .dtype = rounded ? WEFT_F32 : a->dtype,
                           .a_rounded = rounded,
                           .b_dtype = run->storage[b->buffer],
                           .a_row = ta        ? 1
                                    : rounded ? weft_rounded_stride(ac)
                                              : ac,
                           .a_column = ta ? ac : 1,
                           .b_row = tb ? 1 : bc,
                           .b_column = tb ? bc : 1,
                           .c_row = p.n};
    call.one.bf16 = s->attributes.i[2] != 0;
    call.one.kept = s->attributes.i[3] == PACKED_ONCE;
    call.one.as_stored = s->attributes.i[3] == AS_STORED;
    call.one.accumulate = s->attributes.f[0] != 0;
    call.a_next = (size_t)(ar * ac) * e;
    call.b_next = (size_t)(br * bc) * be;
    call.c_next = (size_t)(p.m * p.n) * e;
    if (pointers) {
        call.one.a = weft_at(run, a);
        call.one.b = (char *)run->base[b->buffer] + (size_t)b->offset * be;
        call.one.c = s->in_count > 2 ? weft_at(run, &s->out[0]) : NULL;
    }
    if (panels->buffer < 0 || (s->in_count > 2 && call.batch == 1)) /* nobody steps from item to item */
        call.packed_next = 0;
    else
        call.packed_next = (run->kernels->gemm->packed_bytes(&call.one) + 63) & ~(size_t)63;
    if (pointers && panels->buffer >= 0) /* where b as it is stored needs no panels, the product leaves them alone */
        call.one.packed = weft_at(run, panels);
    return call;
}

int64_t weft_packed_bytes(const weft_step *pack, const weft_run_state *run)
{
    return (int64_t)call_of(pack, run, false).packed_next;
}

static void move_to(gemm_call *call, int64_t item)
{
    call->one.a = (const char *)call->one.a + (size_t)item * call->a_next;
    call->one.b = (const char *)call->one.b + (size_t)item * call->b_next;
    if (call->one.c)
        call->one.c = (char *)call->one.c + (size_t)item * call->c_next;
    if (call->one.d)
        call->one.d = (const char *)call->one.d + (size_t)item * call->c_next;
    if (call->one.packed)
        call->one.packed = (const char *)call->one.packed + (size_t)item * call->packed_next;
}

static int64_t pack_pieces(const weft_step *s, const weft_run_state *run)
{
    gemm_call call = call_of(s, run, false);
    return call.packed_next ? call.batch * run->kernels->gemm->pack_pieces(&call.one) : 0;
}

static void pack_run(const weft_step *s, const weft_run_state *run, int64_t piece, int thread)
{
    (void)thread;
    gemm_call call = call_of(s, run, true);
    int64_t each = run->kernels->gemm->pack_pieces(&call.one);
    move_to(&call, piece / each);
    run->kernels->gemm->pack(&call.one, (void *)(uintptr_t)call.one.packed, piece % each);
}

/* Small batch items are joined: about 100,000 multiply-adds a piece. */
static int64_t items_per_piece(const gemm_call *call)
{
    int64_t work = call->one.m * call->one.n * call->one.k;
    return work >= 100000 || work == 0 ? 1 : 100000 / work;
}

static int64_t matmul_pieces(const weft_step *s, const weft_run_state *run)
{
    gemm_call call = call_of(s, run, false);
    if (call.rows == 0)
        return 0;
    int64_t each = run->kernels->gemm->pieces(&call.one);
    if (each != 1)
        return call.batch * each;
    int64_t join = items_per_piece(&call);
    return (call.batch + join - 1) / join;
}

static void matmul_run(const weft_step *s, const weft_run_state *run, int64_t piece, int thread)
{
    gemm_call call = call_of(s, run, true);
    const weft_gemm_table *t = run->kernels->gemm;
    const weft_program *program = s->program;
    if (program && program->addend >= 0) {
        call.one.d = weft_at(run, &s->in[program->addend]);
        program = NULL;
    }
    int64_t each = t->pieces(&call.one), join = each == 1 ? items_per_piece(&call) : 1;
    int64_t first = each == 1 ? piece * join : piece / each, end = first + join < call.batch ? first + join : call.batch;
    for (int64_t item = first; item < end; item++) {
        gemm_call one = call;
        move_to(&one, item);
        int64_t number = each == 1 ? 0 : piece % each;
        weft_gemm_area area = each == 1 ? (weft_gemm_area){0, one.one.m, 0, one.one.n} : t->area(&one.one, number);
        if (area.row0 >= call.rows)
            continue;
        const int64_t row = item * one.one.m, last = area.row1 < call.rows ? area.row1 : call.rows;
        const weft_area part = {row + area.row0, row + last, area.column0, area.column1};
        if (program)
            weft_program_expect(s, run, &part);
        if (s->made_bytes) {
            one.one.own_c = true;
            one.one.c_row = area.column1 - area.column0;
            one.one.c = weft_made(s, run, 0, thread);
        }
        t->run(&one.one, number, run->scratch[thread]);
        if (program && program->producers > 1) { /* the partner differs in its panels alone */
            one.one.packed = weft_at(run, &s->in[PARTNER]);
            one.one.c = weft_made(s, run, 1, thread);
            t->run(&one.one, number, run->scratch[thread]);
        }
        if (program)
            weft_program_run(s, run, &part, thread);
    }
}

/* Scratch for every k that may be in use: blocks of the inner axis are cut evenly, so that a smaller k can need more. From a few
 * blocks on nothing changes any more. */
static void need_scratch(weft_planner *p, weft_gemm one, bool used_k)
{
    const weft_gemm_table *t = weft_planner_engine(p)->kernels->gemm;
    weft_need_scratch(p, t->scratch_bytes(&one));
    for (int64_t k = used_k ? (one.k < 4096 ? one.k : 4096) : 0; k > 0; k--) {
        one.k = k;
        weft_need_scratch(p, t->scratch_bytes(&one));
    }
}

/* The largest piece of c. */
static size_t piece_elements(const weft_planner *p, const weft_gemm *one)
{
    const weft_gemm_table *t = weft_planner_engine(p)->kernels->gemm;
    const int64_t pieces = t->pieces(one);
    int64_t most = 0;
    for (int64_t i = 0; i < pieces; i++) {
        const weft_gemm_area area = t->area(one, i);
        const int64_t elements = (area.row1 - area.row0) * (area.column1 - area.column0);
        most = elements > most ? elements : most;
    }
    return (size_t)most;
}

/* Bytes of b's panels, and the scratch of the product, however b turns out to be stored. */
static size_t panel_bytes(weft_planner *p, weft_gemm one, bool used_k)
{
    const weft_gemm_table *t = weft_planner_engine(p)->kernels->gemm;
    size_t most = 0;
    for (int stored = 0; stored < (one.dtype == WEFT_F32 ? 2 : 1); stored++) {
        one.b_dtype = stored ? WEFT_BF16 : one.dtype;
        need_scratch(p, one, used_k);
        const size_t bytes = (t->packed_bytes(&one) + 63) & ~(size_t)63;
        most = bytes > most ? bytes : most;
    }
    return most;
}

/* Many rows, whose product has several pieces side by side. */
static bool pays_to_round(const weft_planner *p, const product *size, bool ta, int64_t batch)
{
    enum { ROWS = 32, COLUMNS = 128 };
    return weft_planner_engine(p)->kernels->bf16 && !ta && batch == 1 && size->m >= ROWS && size->n >= COLUMNS && size->k > 0;
}

bool weft_product_rounds(const weft_planner *p, weft_value v, int operand)
{
    const weft_graph *g = weft_planner_graph(p);
    const weft_node *n = weft_node_of(g, v);
    if (n->op != &weft_ops_matmul[0] || operand != 0 || !n->attributes.i[2] || n->inputs[0].id == n->inputs[1].id)
        return false;
    product size = measure(&g->nodes[n->inputs[0].id].dims, &g->nodes[n->inputs[1].id].dims, n->attributes.i[0] != 0,
                           n->attributes.i[1] != 0);
    const int64_t batch = size.shared_b ? 1 : size.batch;
    if (size.shared_b)
        size.m *= size.batch;
    return pays_to_round(p, &size, n->attributes.i[0] != 0, batch);
}

/* Products of one rounded left side, whose plans and panels are then of one form. */
bool weft_products_pair(const weft_planner *p, weft_value a, weft_value b)
{
    const weft_graph *g = weft_planner_graph(p);
    const weft_node *x = weft_node_of(g, a), *y = weft_node_of(g, b);
    return x->op == y->op && weft_product_rounds(p, a, 0) && weft_product_rounds(p, b, 0) && x->inputs[0].id == y->inputs[0].id &&
           x->attributes.i[1] == y->attributes.i[1] &&
           weft_dims_equal(g->nodes[x->inputs[1].id].dims, g->nodes[y->inputs[1].id].dims) && g->packing != WEFT_PACK_NEVER;
}

/* Emits the step that packs b into panels, before the product v of `batch` items, and answers where they are. */
static weft_slot pack_before(weft_planner *p, weft_value v, const weft_slot *a, const weft_slot *b,
                             const weft_attributes *attributes, bool kept, size_t bytes, int64_t batch)
{
    const weft_slot packed = kept ? weft_place_packed(p, bytes) : weft_place_scratch(p, bytes * (size_t)batch);
    weft_step *pack = weft_step_empty(p, v, pack_pieces, pack_run);
    if (!pack)
        return packed;
    pack->attributes = *attributes;
    pack->attributes.i[3] = kept ? PACKED_ONCE : PACKED_EACH_RUN;
    pack->in_count = 2;
    pack->in[0] = *a;
    pack->in[1] = *b;
    pack->out_count = 1;
    pack->out[0] = packed;
    pack->packs_parameter = kept;
    return packed;
}

void weft_emit_product(weft_planner *p, weft_value v, weft_slot a, weft_value b_value, weft_slot b, const weft_slot *c,
                       weft_product_form form, weft_slot *panels)
{
    const weft_dtype dtype = weft_node_of(weft_planner_graph(p), v)->dtype;
    const bool ta = form.a_transposed, tb = form.b_transposed;
    const weft_attributes attributes = {.i = {ta, tb, form.bf16}, .f = {form.accumulate}};
    product size = measure(&a.dims, &b.dims, ta, tb);
    int64_t batch = size.shared_b ? 1 : size.batch;
    if (size.shared_b)
        size.m *= size.batch;
    int64_t ac = a.dims.size[a.dims.rank - 1], bc = b.dims.size[b.dims.rank - 1];
    weft_gemm one = {.bf16 = form.bf16,
                     .m = size.m,
                     .n = size.n,
                     .k = size.k,
                     .dtype = dtype,
                     .b_dtype = dtype,
                     .c_row = size.n,
                     .a_row = ta ? 1 : ac,
                     .a_column = ta ? ac : 1,
                     .b_row = tb ? 1 : bc,
                     .b_column = tb ? bc : 1};
    if (form.bf16 && pays_to_round(p, &size, ta, batch)) {
        a = weft_place_rounded(p, v, a);
        one.a_rounded = a.dtype == WEFT_BF16;
        one.a_row = one.a_rounded ? weft_rounded_stride(ac) : ac;
    }
    bool used_k = ta && a.dims.rank == 2 && (a.extent.count.id || b.extent.count.id);
    one.as_stored = weft_planner_graph(p)->packing == WEFT_PACK_NEVER && weft_is_parameter(p, b_value);
    one.kept = batch == 1 && !used_k && weft_is_kept(p, b_value) && b.dims.rank == 2;
    size_t bytes = panel_bytes(p, one, used_k);
    if (one.kept && !weft_may_pack(p, bytes)) {
        one.kept = false;
        bytes = panel_bytes(p, one, used_k);
    }
    const int64_t packing = one.as_stored ? AS_STORED : one.kept ? PACKED_ONCE : PACKED_EACH_RUN;
    weft_slot packed = panels && panels->buffer >= 0 ? *panels : (weft_slot){.buffer = -1};
    if (bytes && packed.buffer < 0)
        packed = pack_before(p, v, &a, &b, &attributes, one.kept, bytes, batch);
    if (panels)
        *panels = packed;
    const weft_value partner = c ? (weft_value){0} : weft_partner_of(p, v);
    weft_slot beside = {.buffer = -1};
    if (partner.id) {
        const weft_value right = weft_operand_of(weft_planner_graph(p), partner, 1);
        const weft_slot place = weft_place_of(p, right);
        beside = pack_before(p, partner, &a, &place, &attributes, weft_is_kept(p, right) && weft_may_pack(p, bytes), bytes, 1);
    }
    weft_step *run = weft_step_empty(p, v, matmul_pieces, matmul_run);
    if (!run)
        return;
    run->attributes = attributes;
    run->attributes.i[3] = packing;
    run->in_count = 3;
    run->in[0] = a;
    run->in[1] = b;
    run->in[2] = packed;
    if (partner.id)
        run->in[run->in_count++] = beside;
    if (c)
        run->out[run->out_count++] = *c;
    else
        weft_step_outputs(p, run, v);
    if (run->program && (partner.id || run->program->rounded))
        weft_keep_made(p, run, piece_elements(p, &one), weft_planner_engine(p)->kernels->gemm->scratch_bytes(&one));
}

static void matmul_emit(weft_planner *p, weft_value v)
{
    const weft_node *n = weft_node_of(weft_planner_graph(p), v);
    const int64_t *i = n->attributes.i;
    weft_emit_product(p, v, weft_place_of(p, n->inputs[0]), n->inputs[1], weft_place_of(p, n->inputs[1]), NULL,
                      (weft_product_form){.a_transposed = i[0] != 0, .b_transposed = i[1] != 0, .bf16 = i[2] != 0}, NULL);
}

const weft_op weft_ops_matmul[] = {
    {.name = "matmul",
     .kind = WEFT_OP_KERNEL,
     .decompose = WEFT_CD_GATE,
     .extent = WEFT_EXTENT_OWN,
     .smooth = true,
     .shape = matmul_shape,
     .gradient = matmul_gradient,
     .emit = matmul_emit,
     .macs = matmul_macs,
     .takes_program = true,
     .storage_operand = 2},
    {0},
};

static weft_value apply(weft_graph *g, weft_value a, weft_value b, bool ta, bool tb)
{
    return weft_apply(g, &weft_ops_matmul[0], (weft_value[]){a, b}, 2, &(weft_attributes){.i = {ta, tb, g->bf16_products}});
}

weft_value weft_matmul(weft_graph *g, weft_value a, weft_value b)
{
    return apply(g, a, b, false, false);
}

weft_value weft_matmul_nt(weft_graph *g, weft_value a, weft_value b)
{
    return apply(g, a, b, false, true);
}

weft_value weft_matmul_tn(weft_graph *g, weft_value a, weft_value b)
{
    return apply(g, a, b, true, false);
}
