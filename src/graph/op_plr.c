/* Numbers embedded by PLR (arXiv 2203.05556): y[i, j] = relu(A_j [cos 2πf_j x_ij, sin 2πf_j x_ij] + a_j), x [rows, F], f [F, k] →
 * y [rows, F · e]. A [e, 2k] and a [e] serve every feature (lite), or A [F, 2k, e] and a [F, e] have one matrix each.
 *
 * A tile of rows is computed feature by feature in a thread's scratch, so that what is 2k wide, the waves and their gradient, is
 * never in memory; the gradients compute the waves again. Differentiated twice, all are lowered.
 *
 * operands: x, f, A, a; of the gradients then y and dy. plr_grad gives dA, df, da; plr_grad_x gives dx. */
#include "graph/graph.h"
#include "graph/planner.h"

#include <string.h>

enum { PLR, PLR_GRAD, PLR_GRAD_X };

enum { TILE = 96, GROUPS = 16 }; /* lines of a product; parts of the sums over rows, whatever the thread count */

typedef struct sizes {
    int64_t rows, F, k, e;
    bool lite;
} sizes;

static sizes sizes_of(const weft_dims *x, const weft_dims *f, const weft_dims *A)
{
    return (sizes){x->size[0], x->size[1], f->size[1], A->size[A->rank == 2 ? 0 : 2], A->rank == 2};
}

static const weft_node *in_node(const weft_graph *g, const weft_node *n, int i)
{
    return &g->nodes[n->inputs[i].id];
}

static sizes sizes_of_node(const weft_graph *g, const weft_node *n)
{
    return sizes_of(&in_node(g, n, 0)->dims, &in_node(g, n, 1)->dims, &in_node(g, n, 2)->dims);
}

static void plr_shape(weft_graph *g, weft_node *n)
{
    const weft_dims x = in_node(g, n, 0)->dims, f = in_node(g, n, 1)->dims, A = in_node(g, n, 2)->dims,
                    a = in_node(g, n, 3)->dims;
    bool fits = x.rank == 2 && f.rank == 2 && (A.rank == 2 || A.rank == 3) && f.size[0] == x.size[1];
    const sizes s = sizes_of(&x, &f, &A);
    fits = fits && weft_dims_equal(A, s.lite ? DIMS(s.e, 2 * s.k) : DIMS(s.F, 2 * s.k, s.e)) &&
           weft_dims_equal(a, s.lite ? DIMS(s.e) : DIMS(s.F, s.e));
    for (int i = 0; i < n->input_count; i++)
        fits = fits && in_node(g, n, i)->dtype == g->dtype && !(in_node(g, n, i)->extent.count.id && i > 0 && i < 4);
    if (!fits) {
        char text[4][WEFT_DIMS_TEXT];
        weft_poison(g, "%s: numbers %s, frequencies %s, weight %s and bias %s do not fit", n->op->name,
                    weft_dims_text(x, text[0]), weft_dims_text(f, text[1]), weft_dims_text(A, text[2]),
                    weft_dims_text(a, text[3]));
        return;
    }
    const weft_dims y = DIMS(s.rows, s.F * s.e);
    const int op = (int)(n->op - weft_ops_plr);
    for (int i = 4; i < n->input_count; i++)
        if (!weft_dims_equal(in_node(g, n, i)->dims, y) ||
            !weft_extent_equal(in_node(g, n, i)->extent, in_node(g, n, 0)->extent)) {
            weft_poison(g, "%s: the result's gradient does not fit", n->op->name);
            return;
        }
    n->dims = op == PLR ? y : op == PLR_GRAD ? A : x;
    if (op == PLR_GRAD) {
        n->output_count = 3;
        n->more[0] = f;
        n->more[1] = a;
    } else {
        n->extent = in_node(g, n, 0)->extent;
    }
}

static void plr_gradient(weft_graph *g, weft_value y, const weft_value *dy, weft_value *dx)
{
    weft_value in[6];
    for (int i = 0; i < 4; i++)
        in[i] = weft_operand_of(g, y, i);
    in[4] = y;
    in[5] = dy[0];
    dx[0] = weft_apply(g, &weft_ops_plr[PLR_GRAD_X], in, 6, NULL);
    dx[2] = weft_apply(g, &weft_ops_plr[PLR_GRAD], in, 6, NULL);
    if (!dx[2].id)
        return;
    dx[1] = weft_part(g, dx[2], 1);
    dx[3] = weft_part(g, dx[2], 2);
}

/* ---- lowering ---- */

/* x [rows, F] repeated along a new last axis: [rows, F · n] */
static weft_value repeat(weft_graph *g, weft_value x, int64_t n)
{
    const weft_dims d = weft_shape(g, x);
    weft_value wide = weft_broadcast(g, weft_reshape(g, x, DIMS(d.size[0], d.size[1], 1)), DIMS(d.size[0], d.size[1], n));
    return weft_reshape(g, wide, DIMS(d.size[0], d.size[1] * n));
}

/* The four first operands, from simpler ops. */
static weft_value lowered(weft_graph *g, const weft_value *in)
{
    const weft_dims x = weft_shape(g, in[0]), f = weft_shape(g, in[1]), A = weft_shape(g, in[2]);
    const sizes s = sizes_of(&x, &f, &A);
    weft_value t = weft_mul(g, repeat(g, in[0], s.k), weft_reshape(g, in[1], DIMS(s.F * s.k)));
    t = weft_scale(g, t, 2 * 3.14159265358979323846);
    weft_value parts[2] = {weft_reshape(g, weft_cos(g, t), DIMS(s.rows, s.F, s.k)),
                           weft_reshape(g, weft_sin(g, t), DIMS(s.rows, s.F, s.k))};
    weft_value p = weft_concat(g, 2, parts, 2), y;
    if (s.lite) {
        y = weft_add(g, weft_matmul_nt(g, p, in[2]), in[3]);
        return weft_relu(g, weft_reshape(g, y, DIMS(s.rows, s.F * s.e)));
    }
    weft_value whole = weft_node_of(g, p)->extent.count.id ? weft_apply(g, weft_op_find("clear_unused"), &p, 1, NULL) : p;
    y = weft_matmul(g, weft_permute(g, whole, (int[]){1, 0, 2}), in[2]); /* [F, rows, e] */
    y = weft_reshape(g, weft_permute(g, y, (int[]){1, 0, 2}), DIMS(s.rows, s.F * s.e));
    return weft_relu(g, weft_add(g, weft_used_like(g, y, p), weft_reshape(g, in[3], DIMS(s.F * s.e))));
}

static void plr_lower(weft_graph *g, weft_value v, weft_value *out)
{
    weft_value in[4];
    for (int i = 0; i < 4; i++)
        in[i] = weft_operand_of(g, v, i);
    out[0] = lowered(g, in);
}

/* As functions of x, f, A, a and dy; y follows from these. */
static void grad_lower(weft_graph *g, weft_value v, weft_value *out)
{
    weft_value in[4], dy = weft_operand_of(g, v, 5);
    const bool of_x = weft_node_of(g, v)->op == &weft_ops_plr[PLR_GRAD_X];
    for (int i = 0; i < 4; i++)
        in[i] = weft_operand_of(g, v, i);
    const weft_value y = lowered(g, in), wrt[3] = {in[2], in[1], in[3]};
    if (of_x)
        weft_pullback(g, &y, &dy, 1, in, 1, true, out);
    else
        weft_pullback(g, &y, &dy, 1, wrt, 3, true, out);
}

/* ---- products of a tile; matrices of one feature ---- */

/* y [TILE, e] = waves [TILE, 2k] · A */
static weft_gemm forward_product(const sizes *s, weft_dtype dtype)
{
    return (weft_gemm){.m = TILE,
                       .n = s->e,
                       .k = 2 * s->k,
                       .dtype = dtype,
                       .b_dtype = dtype,
                       .a_row = 2 * s->k,
                       .a_column = 1,
                       .b_row = s->lite ? 1 : s->e,
                       .b_column = s->lite ? 2 * s->k : 1,
                       .c_row = s->e};
}

/* gradient of the waves [TILE, 2k] = dy [TILE, e] · Aᵀ */
static weft_gemm backward_product(const sizes *s, weft_dtype dtype)
{
    return (weft_gemm){.m = TILE,
                       .n = 2 * s->k,
                       .k = s->e,
                       .dtype = dtype,
                       .b_dtype = dtype,
                       .a_row = s->e,
                       .a_column = 1,
                       .b_row = s->lite ? 2 * s->k : 1,
                       .b_column = s->lite ? 1 : s->e,
                       .c_row = 2 * s->k};
}

/* dA += dyᵀ · waves (lite) or wavesᵀ · dy, over the lines of a tile */
static weft_gemm weight_product(const sizes *s, weft_dtype dtype, const void *waves, const void *dy, void *dA)
{
    const int64_t m = s->lite ? s->e : 2 * s->k, n = s->lite ? 2 * s->k : s->e;
    return (weft_gemm){.m = m,
                       .n = n,
                       .k = TILE,
                       .dtype = dtype,
                       .b_dtype = dtype,
                       .accumulate = true,
                       .as_stored = true,
                       .a = s->lite ? dy : waves,
                       .a_row = 1,
                       .a_column = m,
                       .b = s->lite ? waves : dy,
                       .b_row = n,
                       .b_column = 1,
                       .c = dA,
                       .c_row = n};
}

static void multiply(const weft_run_state *run, const weft_gemm *g, void *scratch)
{
    const int64_t pieces = run->kernels->gemm->pieces(g);
    for (int64_t i = 0; i < pieces; i++)
        run->kernels->gemm->run(g, i, scratch);
}

/* ---- steps ---- */

/* A thread's scratch. */
typedef struct scratch {
    char *waves, *dwaves; /* [TILE, 2k] */
    char *lines;          /* [TILE, e] */
    char *product;        /* of the products */
} scratch;

static size_t rounded(int64_t elements, size_t size)
{
    return ((size_t)elements * size + 63) & ~(size_t)63;
}

static size_t tile_bytes(const sizes *s, size_t size)
{
    return 2 * rounded(TILE * 2 * s->k, size) + rounded(TILE * s->e, size);
}

static scratch scratch_at(const sizes *s, size_t size, char *base)
{
    const size_t wide = rounded(TILE * 2 * s->k, size);
    return (scratch){base, base + wide, base + 2 * wide, base + tile_bytes(s, size)};
}

static sizes sizes_of_step(const weft_step *s)
{
    return sizes_of(&s->in[0].dims, &s->in[1].dims, &s->in[2].dims);
}

static bool is_forward(const weft_step *s)
{
    return s->op == &weft_ops_plr[PLR];
}

static weft_gemm packed_product(const weft_step *s, const sizes *z)
{
    const weft_dtype dtype = s->in[0].dtype;
    return is_forward(s) ? forward_product(z, dtype) : backward_product(z, dtype);
}

/* in: x, f, A; out: panels, matrix after matrix */
static int64_t pack_pieces(const weft_step *s, const weft_run_state *run)
{
    const sizes z = sizes_of_step(s);
    const weft_gemm g = packed_product(s, &z);
    return run->kernels->gemm->packed_bytes(&g) ? (z.lite ? 1 : z.F) * run->kernels->gemm->pack_pieces(&g) : 0;
}

static const char *matrix(const weft_step *s, const weft_run_state *run, const sizes *z, int64_t j)
{
    const int64_t at = z->lite ? 0 : j * 2 * z->k * z->e;
    return (const char *)weft_at(run, &s->in[2]) + (size_t)at * weft_dtype_size(s->in[2].dtype);
}

static size_t panel_bytes(const weft_gemm_table *t, const weft_gemm *g)
{
    return (t->packed_bytes(g) + 63) & ~(size_t)63;
}

static void pack_run(const weft_step *s, const weft_run_state *run, int64_t piece, int thread)
{
    (void)thread;
    const sizes z = sizes_of_step(s);
    weft_gemm g = packed_product(s, &z);
    const int64_t each = run->kernels->gemm->pack_pieces(&g), j = piece / each;
    g.b = matrix(s, run, &z, j);
    char *panels = (char *)weft_at(run, &s->out[0]) + (size_t)j * panel_bytes(run->kernels->gemm, &g);
    run->kernels->gemm->pack(&g, panels, piece % each);
}

/* The product with feature j's matrix. */
static weft_gemm product_of(const weft_step *s, const weft_run_state *run, const sizes *z, const weft_slot *panels, int64_t j)
{
    weft_gemm g = packed_product(s, z);
    g.b = matrix(s, run, z, j);
    const size_t bytes = panel_bytes(run->kernels->gemm, &g);
    g.packed = bytes ? (const char *)weft_at(run, panels) + (z->lite ? 0 : (size_t)j * bytes) : NULL;
    return g;
}

/* Waves of rows [r, r + n) of feature j, zeros behind them up to TILE lines. */
static void make_waves(const weft_step *s, const weft_run_state *run, const sizes *z, int64_t j, int64_t r, int64_t n, char *out)
{
    const size_t size = weft_dtype_size(s->in[0].dtype);
    const char *x = (const char *)weft_at(run, &s->in[0]) + (size_t)(r * z->F + j) * size;
    const char *f = (const char *)weft_at(run, &s->in[1]) + (size_t)(j * z->k) * size;
    run->vector->waves(n, z->k, x, z->F, f, out);
    memset(out + (size_t)(n * 2 * z->k) * size, 0, (size_t)((TILE - n) * 2 * z->k) * size);
}

static int64_t tiles_of(const weft_step *s, const weft_run_state *run)
{
    return (weft_used_rows(run, &s->in[0]) + TILE - 1) / TILE;
}

static int64_t rows_of_tile(const weft_step *s, const weft_run_state *run, int64_t tile)
{
    const int64_t left = weft_used_rows(run, &s->in[0]) - tile * TILE;
    return left < TILE ? left : TILE;
}

/* in: x, f, A, a, panels; out: y */
static void plr_run(const weft_step *s, const weft_run_state *run, int64_t tile, int thread)
{
    const sizes z = sizes_of_step(s);
    const size_t size = weft_dtype_size(s->in[0].dtype);
    const int64_t r = tile * TILE, n = rows_of_tile(s, run, tile);
    const scratch at = scratch_at(&z, size, run->scratch[thread]);
    for (int64_t j = 0; j < z.F; j++) {
        make_waves(s, run, &z, j, r, n, at.waves);
        weft_gemm g = product_of(s, run, &z, &s->in[4], j);
        g.a = at.waves;
        g.c = at.lines;
        multiply(run, &g, at.product);
        const char *a = (const char *)weft_at(run, &s->in[3]) + (size_t)(z.lite ? 0 : j * z.e) * size;
        char *y = (char *)weft_at(run, &s->out[0]) + (size_t)((r * z.F + j) * z.e) * size;
        run->vector->add_relu(n, z.e, at.lines, a, y, z.F * z.e);
    }
}

/* Gradient behind the relu, of rows [r, r + n) of feature j: [TILE, e], zeros behind; its sum is added to da [e], where wanted.
 */
static void gate(const weft_step *s, const weft_run_state *run, const sizes *z, int64_t j, int64_t r, int64_t n, char *out,
                 double *da)
{
    const size_t size = weft_dtype_size(s->in[0].dtype), at = (size_t)((r * z->F + j) * z->e) * size;
    run->vector->relu_gate(n, z->e, (const char *)weft_at(run, &s->in[4]) + at, (const char *)weft_at(run, &s->in[5]) + at,
                           z->F * z->e, out, da);
    memset(out + (size_t)(n * z->e) * size, 0, (size_t)((TILE - n) * z->e) * size);
}

/* in: x, f, A, a, y, dy, panels; out: dx */
static void grad_x_run(const weft_step *s, const weft_run_state *run, int64_t tile, int thread)
{
    const sizes z = sizes_of_step(s);
    const size_t size = weft_dtype_size(s->in[0].dtype);
    const int64_t r = tile * TILE, n = rows_of_tile(s, run, tile);
    const scratch at = scratch_at(&z, size, run->scratch[thread]);
    for (int64_t j = 0; j < z.F; j++) {
        make_waves(s, run, &z, j, r, n, at.waves);
        gate(s, run, &z, j, r, n, at.lines, NULL);
        weft_gemm g = product_of(s, run, &z, &s->in[6], j);
        g.a = at.lines;
        g.c = at.dwaves;
        multiply(run, &g, at.product);
        const size_t x_at = (size_t)(r * z.F + j) * size;
        const char *f = (const char *)weft_at(run, &s->in[1]) + (size_t)(j * z.k) * size;
        run->vector->waves_grad(n, z.k, (const char *)weft_at(run, &s->in[0]) + x_at, z.F, f, at.waves, at.dwaves, NULL,
                                (char *)weft_at(run, &s->out[0]) + x_at);
    }
}

/* Gradients of the parameters are sums over rows, cut into groups of features and, where those are few, of rows; a second step
 * adds the groups' sums in their order. */
typedef struct cut {
    int64_t features, slabs; /* groups of features, and of rows */
} cut;

static cut cut_of(const sizes *z)
{
    cut c = {z->F < GROUPS ? (z->F ? z->F : 1) : GROUPS, 1};
    c.slabs = GROUPS / c.features;
    return c;
}

/* Where a group's sums lie: of dA [parts, its size], df [slabs, F, k] and da [parts, its size]; lite: a part is a group, else a
 * slab. */
typedef struct sums {
    int64_t parts, A, f, a; /* A, f, a: elements of one */
} sums;

static sums sums_of(const sizes *z)
{
    const cut c = cut_of(z);
    const int64_t matrices = z->lite ? 1 : z->F;
    return (sums){z->lite ? c.features * c.slabs : c.slabs, matrices * z->e * 2 * z->k, z->F * z->k, matrices * z->e};
}

static int64_t group_pieces(const weft_step *s, const weft_run_state *run)
{
    (void)run;
    const sizes z = sizes_of_step(s);
    const cut c = cut_of(&z);
    return c.features * c.slabs;
}

/* in: x, f, A, a, y, dy, panels; out: sums of dA, df, da */
static void group_run(const weft_step *s, const weft_run_state *run, int64_t piece, int thread)
{
    const sizes z = sizes_of_step(s);
    const cut c = cut_of(&z);
    const sums m = sums_of(&z);
    const size_t size = weft_dtype_size(s->in[0].dtype);
    const int64_t group = piece % c.features, slab = piece / c.features, tiles = tiles_of(s, run);
    const int64_t first = tiles * slab / c.slabs, end = tiles * (slab + 1) / c.slabs;
    const int64_t j0 = z.F * group / c.features, j1 = z.F * (group + 1) / c.features;
    const scratch at = scratch_at(&z, size, run->scratch[thread]);
    char *dA = (char *)weft_at(run, &s->out[0]) + (size_t)((z.lite ? piece : slab) * m.A) * size;
    double *df = (double *)weft_at(run, &s->out[1]) + slab * m.f;
    double *da = (double *)weft_at(run, &s->out[2]) + (z.lite ? piece : slab) * m.a;
    const size_t A_bytes = (size_t)(2 * z.k * z.e) * size, A_step = z.lite ? 0 : A_bytes;
    const int64_t a_step = z.lite ? 0 : z.e;
    for (int64_t j = z.lite ? 0 : j0; j < (z.lite ? 1 : j1); j++) {
        memset(dA + (size_t)j * A_step, 0, A_bytes);
        memset(da + j * a_step, 0, (size_t)z.e * sizeof *da);
    }
    for (int64_t j = j0; j < j1; j++) {
        memset(df + j * z.k, 0, (size_t)z.k * sizeof *df);
        weft_gemm g = product_of(s, run, &z, &s->in[6], j);
        g.a = at.lines;
        g.c = at.dwaves;
        const weft_gemm w = weight_product(&z, s->in[0].dtype, at.waves, at.lines, dA + (size_t)j * A_step);
        const char *x = (const char *)weft_at(run, &s->in[0]) + (size_t)j * size;
        const char *f = (const char *)weft_at(run, &s->in[1]) + (size_t)(j * z.k) * size;
        for (int64_t tile = first; tile < end; tile++) {
            const int64_t r = tile * TILE, n = rows_of_tile(s, run, tile);
            make_waves(s, run, &z, j, r, n, at.waves);
            gate(s, run, &z, j, r, n, at.lines, da + j * a_step);
            multiply(run, &w, at.product);
            multiply(run, &g, at.product);
            run->vector->waves_grad(n, z.k, x + (size_t)(r * z.F) * size, z.F, f, at.waves, at.dwaves, df + j * z.k, NULL);
        }
    }
}

/* in: the groups' sums [parts, n], in double or in the compute type; out: their sum [n] */
static int64_t join_pieces(const weft_step *s, const weft_run_state *run)
{
    (void)run;
    return (s->in[0].dims.size[1] + WEFT_STRIP - 1) / WEFT_STRIP;
}

static void join_run(const weft_step *s, const weft_run_state *run, int64_t piece, int thread)
{
    const int64_t parts = s->in[0].dims.size[0], n = s->in[0].dims.size[1], from = piece * WEFT_STRIP;
    const int64_t count = n - from < WEFT_STRIP ? n - from : WEFT_STRIP;
    const size_t in_size = weft_dtype_size(s->in[0].dtype), out_size = weft_dtype_size(s->out[0].dtype);
    const char *x = (const char *)weft_at(run, &s->in[0]) + (size_t)from * in_size;
    char *y = (char *)weft_at(run, &s->out[0]) + (size_t)from * out_size;
    if (in_size == out_size) {
        run->vector->column_sum(parts, n, 0, count, x, y);
        return;
    }
    run->kernels->f64->column_sum(parts, n, 0, count, x, run->scratch[thread]);
    run->vector->widen(WEFT_F64, count, run->scratch[thread], y);
}

static weft_slot place_sums(weft_planner *p, weft_dtype dtype, int64_t parts, int64_t n)
{
    weft_slot place = weft_place_scratch(p, (size_t)(parts * n) * weft_dtype_size(dtype));
    place.dtype = dtype;
    place.dims = DIMS(parts, n);
    return place;
}

static weft_step *step_with_operands(weft_planner *p, weft_value v, weft_pieces_function pieces, weft_piece_function run)
{
    const weft_node *n = weft_node_of(weft_planner_graph(p), v);
    weft_step *s = weft_step_empty(p, v, pieces, run);
    for (int i = 0; s && i < n->input_count; i++)
        s->in[s->in_count++] = weft_place_of(p, n->inputs[i]);
    return s;
}

/* Panels for the step's products, and the scratch they all need. */
static weft_slot emit_packing(weft_planner *p, weft_value v, const sizes *z)
{
    const weft_node *n = weft_node_of(weft_planner_graph(p), v);
    const weft_gemm_table *t = weft_planner_engine(p)->kernels->gemm;
    const bool forward = n->op == &weft_ops_plr[PLR];
    const weft_gemm g = forward ? forward_product(z, n->dtype) : backward_product(z, n->dtype);
    const weft_gemm w = weight_product(z, n->dtype, NULL, NULL, NULL);
    const size_t tiles = tile_bytes(z, weft_dtype_size(n->dtype));
    weft_need_scratch(p, tiles + t->scratch_bytes(&g));
    weft_need_scratch(p, tiles + t->scratch_bytes(&w));
    weft_step *pack = step_with_operands(p, v, pack_pieces, pack_run);
    weft_slot panels = weft_place_scratch(p, panel_bytes(t, &g) * (size_t)(z->lite ? 1 : z->F));
    if (pack) {
        pack->in_count = 3;
        pack->out[pack->out_count++] = panels;
    }
    return panels;
}

static void plr_emit(weft_planner *p, weft_value v)
{
    const weft_node *n = weft_node_of(weft_planner_graph(p), v);
    const int op = (int)(n->op - weft_ops_plr);
    const sizes z = sizes_of_node(weft_planner_graph(p), n);
    const weft_slot panels = emit_packing(p, v, &z);
    weft_step *s = op == PLR        ? step_with_operands(p, v, tiles_of, plr_run)
                   : op == PLR_GRAD ? step_with_operands(p, v, group_pieces, group_run)
                                    : step_with_operands(p, v, tiles_of, grad_x_run);
    if (!s)
        return;
    s->in[s->in_count++] = panels;
    if (op != PLR_GRAD) {
        weft_step_outputs(p, s, v);
        return;
    }
    const sums m = sums_of(&z);
    const int64_t slabs = cut_of(&z).slabs;
    s->out[0] = place_sums(p, n->dtype, m.parts, m.A);
    s->out[1] = place_sums(p, WEFT_F64, slabs, m.f);
    s->out[2] = place_sums(p, WEFT_F64, m.parts, m.a);
    weft_need_scratch(p, WEFT_STRIP * sizeof(double));
    s->out_count = 3;
    for (int i = 0; i < 3; i++) {
        weft_slot out;
        if (i == 0)
            out = weft_place_of(p, v);
        else if (!weft_output_wanted(p, v, i, &out))
            continue;
        weft_step *join = weft_step_empty(p, v, join_pieces, join_run);
        if (!join)
            return;
        join->in[join->in_count++] = s->out[i];
        join->out[join->out_count++] = out;
    }
}

static int64_t plr_macs(const weft_graph *g, const weft_node *n)
{
    const sizes z = sizes_of_node(g, n);
    return z.rows * z.F * 2 * z.k * z.e * (n->op == &weft_ops_plr[PLR_GRAD] ? 2 : 1);
}

const weft_op weft_ops_plr[] = {
    [PLR] = {.name = "plr",
             .kind = WEFT_OP_KERNEL,
             .decompose = WEFT_CD_ACTIVATION,
             .extent = WEFT_EXTENT_OWN,
             .smooth = true,
             .shape = plr_shape,
             .gradient = plr_gradient,
             .lower = plr_lower,
             .emit = plr_emit,
             .macs = plr_macs},
    [PLR_GRAD] = {.name = "plr_grad",
                  .kind = WEFT_OP_KERNEL,
                  .extent = WEFT_EXTENT_OWN,
                  .smooth = true,
                  .shape = plr_shape,
                  .lower = grad_lower,
                  .emit = plr_emit,
                  .macs = plr_macs},
    [PLR_GRAD_X] = {.name = "plr_grad_x",
                    .kind = WEFT_OP_KERNEL,
                    .extent = WEFT_EXTENT_OWN,
                    .smooth = true,
                    .shape = plr_shape,
                    .lower = grad_lower,
                    .emit = plr_emit,
                    .macs = plr_macs},
    {0},
};

weft_value weft_plr(weft_graph *g, weft_value x, weft_value frequencies, weft_value weight, weft_value bias)
{
    const weft_value in[4] = {x, frequencies, weight, bias};
    for (int i = 0; i < 4; i++)
        if (!weft_check(g, "plr", in[i]))
            return (weft_value){0};
    return g->bf16_products ? lowered(g, in) : weft_apply(g, &weft_ops_plr[PLR], in, 4, NULL);
}
