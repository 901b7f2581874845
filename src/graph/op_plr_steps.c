/* Steps of the ops of PLR embeddings (op_plr.c). First the distinct values of each feature are found: ages, hours, counts and
 * coordinates repeat. A line is one of them; tiles of lines are computed feature by feature in a thread's scratch, and rows share
 * the results: what a row gets does not depend on how many do. */
#include "graph/plr.h"
#include "kernels/distinct.h"

#include <string.h>

enum { TILE = 96, GROUPS = 16 }; /* lines of a product; parts of the sums over rows, whatever the thread count */

/* A tile with fewer rows than lines is computed with as few of these as do. */
static const int64_t heights[] = {24, 48, TILE};
enum { HEIGHTS = sizeof heights / sizeof *heights };

static int64_t lines_for(int64_t rows)
{
    int i = 0;
    while (heights[i] < rows)
        i++;
    return heights[i];
}

/* ---- products of a tile; matrices of one feature. `kept`, so that the same panels serve every height ---- */

/* y [lines, e] = waves [lines, 2k] · A */
static weft_gemm forward_product(const weft_plr_sizes *s, weft_dtype dtype, int64_t lines)
{
    return (weft_gemm){.m = lines,
                       .n = s->e,
                       .k = 2 * s->k,
                       .dtype = dtype,
                       .b_dtype = dtype,
                       .kept = true,
                       .a_row = 2 * s->k,
                       .a_column = 1,
                       .b_row = s->lite ? 1 : s->e,
                       .b_column = s->lite ? 2 * s->k : 1,
                       .c_row = s->e};
}

/* gradient of the waves [lines, 2k] = dy [lines, e] · Aᵀ */
static weft_gemm backward_product(const weft_plr_sizes *s, weft_dtype dtype, int64_t lines)
{
    return (weft_gemm){.m = lines,
                       .n = 2 * s->k,
                       .k = s->e,
                       .dtype = dtype,
                       .b_dtype = dtype,
                       .kept = true,
                       .a_row = s->e,
                       .a_column = 1,
                       .b_row = s->lite ? 2 * s->k : 1,
                       .b_column = s->lite ? 1 : s->e,
                       .c_row = 2 * s->k};
}

/* dA += dyᵀ · waves (lite) or wavesᵀ · dy, over the lines of a tile */
static weft_gemm weight_product(const weft_plr_sizes *s, weft_dtype dtype, int64_t lines, const void *waves, const void *dy,
                                void *dA)
{
    const int64_t m = s->lite ? s->e : 2 * s->k, n = s->lite ? 2 * s->k : s->e;
    return (weft_gemm){.m = m,
                       .n = n,
                       .k = lines,
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

static size_t tile_bytes(const weft_plr_sizes *s, size_t size)
{
    return 2 * rounded(TILE * 2 * s->k, size) + rounded(TILE * s->e, size);
}

static scratch scratch_at(const weft_plr_sizes *s, size_t size, char *base)
{
    const size_t wide = rounded(TILE * 2 * s->k, size);
    return (scratch){base, base + wide, base + 2 * wide, base + tile_bytes(s, size)};
}

static weft_plr_sizes sizes_of_step(const weft_step *s)
{
    return weft_plr_sizes_of(&s->in[0].dims, &s->in[1].dims, &s->in[2].dims);
}

static bool is_forward(const weft_step *s)
{
    return s->op == &weft_ops_plr[WEFT_PLR];
}

static weft_gemm packed_product(const weft_step *s, const weft_plr_sizes *z, int64_t lines)
{
    const weft_dtype dtype = s->in[0].dtype;
    return is_forward(s) ? forward_product(z, dtype, lines) : backward_product(z, dtype, lines);
}

/* in: x, f, A; out: panels, matrix after matrix */
static int64_t pack_pieces(const weft_step *s, const weft_run_state *run)
{
    const weft_plr_sizes z = sizes_of_step(s);
    const weft_gemm g = packed_product(s, &z, TILE);
    return run->kernels->gemm->packed_bytes(&g) ? (z.lite ? 1 : z.F) * run->kernels->gemm->pack_pieces(&g) : 0;
}

static const char *matrix(const weft_step *s, const weft_run_state *run, const weft_plr_sizes *z, int64_t j)
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
    const weft_plr_sizes z = sizes_of_step(s);
    weft_gemm g = packed_product(s, &z, TILE);
    const int64_t each = run->kernels->gemm->pack_pieces(&g), j = piece / each;
    g.b = matrix(s, run, &z, j);
    char *panels = (char *)weft_at(run, &s->out[0]) + (size_t)j * panel_bytes(run->kernels->gemm, &g);
    run->kernels->gemm->pack(&g, panels, piece % each);
}

/* The product with feature j's matrix. */
static weft_gemm product_of(const weft_step *s, const weft_run_state *run, const weft_plr_sizes *z, const weft_slot *panels,
                            int64_t j, int64_t lines)
{
    weft_gemm g = packed_product(s, z, lines);
    g.b = matrix(s, run, z, j);
    const size_t bytes = panel_bytes(run->kernels->gemm, &g);
    g.packed = bytes ? (const char *)weft_at(run, panels) + (z->lite ? 0 : (size_t)j * bytes) : NULL;
    return g;
}

/* Waves of n numbers x, x_step apart, of feature j; zeros behind them up to `lines`. */
static void make_waves(const weft_step *s, const weft_run_state *run, const weft_plr_sizes *z, int64_t j, int64_t n,
                       const void *x, int64_t x_step, int64_t lines, char *out)
{
    const size_t size = weft_dtype_size(s->in[0].dtype);
    run->vector->waves(n, z->k, x, x_step, (const char *)weft_at(run, &s->in[1]) + (size_t)(j * z->k) * size, out);
    memset(out + (size_t)(n * 2 * z->k) * size, 0, (size_t)((lines - n) * 2 * z->k) * size);
}

static int64_t tiles_of(const weft_step *s, const weft_run_state *run)
{
    return (weft_used_rows(run, &s->in[0]) + TILE - 1) / TILE;
}

/* ---- lines ---- */

/* out: distinct values [F, rows], where their rows begin in the list [F, rows + 1] and the list [F, rows], both I32, and how many
 * values there are [F], I64 */
enum { VALUES, STARTS, LIST, COUNTS, LINE_PLACES };

static int64_t find_pieces(const weft_step *s, const weft_run_state *run)
{
    (void)run;
    return s->in[0].dims.size[1];
}

/* in: x */
static void find_run(const weft_step *s, const weft_run_state *run, int64_t j, int thread)
{
    const int64_t rows = s->in[0].dims.size[0], F = s->in[0].dims.size[1];
    const size_t size = weft_dtype_size(s->in[0].dtype);
    const char *x = (const char *)weft_at(run, &s->in[0]) + (size_t)j * size;
    int64_t *count = (int64_t *)weft_at(run, &s->out[COUNTS]) + j;
    *count = weft_distinct(weft_used_rows(run, &s->in[0]), size, x, F, run->scratch[thread],
                           (char *)weft_at(run, &s->out[VALUES]) + (size_t)(j * rows) * size,
                           (int32_t *)weft_at(run, &s->out[STARTS]) + j * (rows + 1),
                           (int32_t *)weft_at(run, &s->out[LIST]) + j * rows);
}

/* Tile `tile` of feature j's lines. */
typedef struct tile_lines {
    int64_t n, lines; /* lines in use (none behind the last tile), and computed */
    const char *values;
    const int32_t *start, *list; /* rows of line i: list[start[i]] … list[start[i + 1] - 1] */
} tile_lines;

/* places: the four of them, among the step's operands */
static tile_lines lines_of(const weft_step *s, const weft_run_state *run, const weft_slot *places, int64_t j, int64_t tile)
{
    const int64_t rows = s->in[0].dims.size[0], first = tile * TILE;
    const int64_t left = ((const int64_t *)weft_at(run, &places[COUNTS]))[j] - first, n = left < TILE ? left : TILE;
    if (n <= 0)
        return (tile_lines){0};
    return (tile_lines){.n = n,
                        .lines = lines_for(n),
                        .values = (const char *)weft_at(run, &places[VALUES]) +
                                  (size_t)(j * rows + first) * weft_dtype_size(s->in[0].dtype),
                        .start = (const int32_t *)weft_at(run, &places[STARTS]) + j * (rows + 1) + first,
                        .list = (const int32_t *)weft_at(run, &places[LIST]) + j * rows};
}

static int64_t plr_pieces(const weft_step *s, const weft_run_state *run)
{
    return tiles_of(s, run) * s->in[0].dims.size[1];
}

/* in: x, f, A, a, panels, lines; out: y */
static void plr_run(const weft_step *s, const weft_run_state *run, int64_t piece, int thread)
{
    const weft_plr_sizes z = sizes_of_step(s);
    const int64_t j = piece % z.F;
    const tile_lines t = lines_of(s, run, &s->in[5], j, piece / z.F);
    if (t.n == 0)
        return;
    const size_t size = weft_dtype_size(s->in[0].dtype), row = (size_t)(z.F * z.e) * size, line = (size_t)z.e * size;
    const scratch at = scratch_at(&z, size, run->scratch[thread]);
    make_waves(s, run, &z, j, t.n, t.values, 1, t.lines, at.waves);
    weft_gemm g = product_of(s, run, &z, &s->in[4], j, t.lines);
    g.a = at.waves;
    g.c = at.lines;
    multiply(run, &g, at.product);
    const char *a = (const char *)weft_at(run, &s->in[3]) + (size_t)(z.lite ? 0 : j * z.e) * size;
    run->vector->add_relu(t.n, z.e, at.lines, a, at.lines);
    char *y = (char *)weft_at(run, &s->out[0]) + (size_t)j * line;
    for (int64_t i = 0; i < t.n; i++)
        for (int32_t k = t.start[i]; k < t.start[i + 1]; k++)
            memcpy(y + (size_t)t.list[k] * row, at.lines + (size_t)i * line, line);
}

/* in: x, f, A, a, y, dy, panels; out: dx, row by row */
static void grad_x_run(const weft_step *s, const weft_run_state *run, int64_t tile, int thread)
{
    const weft_plr_sizes z = sizes_of_step(s);
    const size_t size = weft_dtype_size(s->in[0].dtype);
    const int64_t r = tile * TILE, left = weft_used_rows(run, &s->in[0]) - r, n = left < TILE ? left : TILE, lines = lines_for(n);
    const scratch at = scratch_at(&z, size, run->scratch[thread]);
    for (int64_t j = 0; j < z.F; j++) {
        const size_t x_at = (size_t)(r * z.F + j) * size, y_at = x_at * (size_t)z.e;
        const char *x = (const char *)weft_at(run, &s->in[0]) + x_at;
        make_waves(s, run, &z, j, n, x, z.F, lines, at.waves);
        run->vector->relu_gate(n, z.e, (const char *)weft_at(run, &s->in[4]) + y_at, (const char *)weft_at(run, &s->in[5]) + y_at,
                               z.F * z.e, NULL, NULL, at.lines, NULL);
        memset(at.lines + (size_t)(n * z.e) * size, 0, (size_t)((lines - n) * z.e) * size);
        weft_gemm g = product_of(s, run, &z, &s->in[6], j, lines);
        g.a = at.lines;
        g.c = at.dwaves;
        multiply(run, &g, at.product);
        const char *f = (const char *)weft_at(run, &s->in[1]) + (size_t)(j * z.k) * size;
        run->vector->waves_grad(n, z.k, x, z.F, f, at.waves, at.dwaves, NULL, (char *)weft_at(run, &s->out[0]) + x_at);
    }
}

/* Gradients of the parameters are sums over lines, cut into groups of features and, where those are few, slabs of lines, each of
 * every so many tiles: how many rows there could be does not matter. A second step adds the sums in their order. */
typedef struct cut {
    int64_t features, slabs;
} cut;

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static cut cut_of(const weft_plr_sizes *z)
{
    const int64_t features = z->F == 0 ? 1 : least(z->F, GROUPS), tiles = (z->rows + TILE - 1) / TILE;
    return (cut){features, tiles == 0 ? 1 : least(GROUPS / features, tiles)};
}

/* Where a group's sums lie: of dA [parts, its size], df [slabs, F, k] and da [parts, its size]; lite: a part is a group, else a
 * slab. */
typedef struct sums {
    int64_t parts, A, f, a; /* A, f, a: elements of one */
} sums;

static sums sums_of(const weft_plr_sizes *z)
{
    const cut c = cut_of(z);
    const int64_t matrices = z->lite ? 1 : z->F;
    return (sums){z->lite ? c.features * c.slabs : c.slabs, matrices * z->e * 2 * z->k, z->F * z->k, matrices * z->e};
}

static int64_t group_pieces(const weft_step *s, const weft_run_state *run)
{
    (void)run;
    const weft_plr_sizes z = sizes_of_step(s);
    const cut c = cut_of(&z);
    return c.features * c.slabs;
}

/* in: x, f, A, a, y, dy, panels, lines; out: sums of dA, df, da */
static void group_run(const weft_step *s, const weft_run_state *run, int64_t piece, int thread)
{
    const weft_plr_sizes z = sizes_of_step(s);
    const cut c = cut_of(&z);
    const sums m = sums_of(&z);
    const size_t size = weft_dtype_size(s->in[0].dtype);
    const int64_t group = piece % c.features, slab = piece / c.features, tiles = tiles_of(s, run);
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
        const char *f = (const char *)weft_at(run, &s->in[1]) + (size_t)(j * z.k) * size;
        const char *y = (const char *)weft_at(run, &s->in[4]) + (size_t)(j * z.e) * size;
        const char *dy = (const char *)weft_at(run, &s->in[5]) + (size_t)(j * z.e) * size;
        for (int64_t tile = slab; tile < tiles; tile += c.slabs) {
            const tile_lines t = lines_of(s, run, &s->in[7], j, tile);
            if (t.n == 0)
                break;
            make_waves(s, run, &z, j, t.n, t.values, 1, t.lines, at.waves);
            run->vector->relu_gate(t.n, z.e, y, dy, z.F * z.e, t.start, t.list, at.lines, da + j * a_step);
            memset(at.lines + (size_t)(t.n * z.e) * size, 0, (size_t)((t.lines - t.n) * z.e) * size);
            const weft_gemm w = weight_product(&z, s->in[0].dtype, t.lines, at.waves, at.lines, dA + (size_t)j * A_step);
            multiply(run, &w, at.product);
            weft_gemm g = product_of(s, run, &z, &s->in[6], j, t.lines);
            g.a = at.lines;
            g.c = at.dwaves;
            multiply(run, &g, at.product);
            run->vector->waves_grad(t.n, z.k, t.values, 1, f, at.waves, at.dwaves, df + j * z.k, NULL);
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
static weft_slot emit_packing(weft_planner *p, weft_value v, const weft_plr_sizes *z)
{
    const weft_node *n = weft_node_of(weft_planner_graph(p), v);
    const weft_gemm_table *t = weft_planner_engine(p)->kernels->gemm;
    const bool forward = n->op == &weft_ops_plr[WEFT_PLR];
    const size_t tiles = tile_bytes(z, weft_dtype_size(n->dtype));
    weft_gemm g = {0};
    for (int i = 0; i < HEIGHTS; i++) {
        const weft_gemm w = weight_product(z, n->dtype, heights[i], NULL, NULL, NULL);
        g = forward ? forward_product(z, n->dtype, heights[i]) : backward_product(z, n->dtype, heights[i]);
        weft_need_scratch(p, tiles + t->scratch_bytes(&g));
        weft_need_scratch(p, tiles + t->scratch_bytes(&w));
    }
    weft_step *pack = step_with_operands(p, v, pack_pieces, pack_run);
    weft_slot panels = weft_place_scratch(p, panel_bytes(t, &g) * (size_t)(z->lite ? 1 : z->F));
    if (pack) {
        pack->in_count = 3;
        pack->out[pack->out_count++] = panels;
    }
    return panels;
}

/* The step that finds the lines; places: where they lie. */
static void emit_lines(weft_planner *p, weft_value v, const weft_plr_sizes *z, weft_slot places[LINE_PLACES])
{
    const size_t values = (size_t)(z->F * z->rows), narrow = sizeof(int32_t);
    const weft_node *n = weft_node_of(weft_planner_graph(p), v);
    weft_step *find = weft_step_empty(p, v, find_pieces, find_run);
    places[VALUES] = weft_place_scratch(p, values * weft_dtype_size(n->dtype));
    places[STARTS] = weft_place_scratch(p, (values + (size_t)z->F) * narrow);
    places[LIST] = weft_place_scratch(p, values * narrow);
    places[COUNTS] = weft_place_scratch(p, (size_t)z->F * sizeof(int64_t));
    places[VALUES].dtype = n->dtype;
    weft_need_scratch(p, weft_distinct_scratch(z->rows));
    if (!find)
        return;
    find->in[find->in_count++] = weft_place_of(p, n->inputs[0]);
    for (int i = 0; i < LINE_PLACES; i++)
        find->out[find->out_count++] = places[i];
}

void weft_plr_emit(weft_planner *p, weft_value v)
{
    const weft_graph *g = weft_planner_graph(p);
    const weft_node *n = weft_node_of(g, v);
    const int op = (int)(n->op - weft_ops_plr);
    const weft_plr_sizes z = weft_plr_sizes_of(&weft_node_of(g, n->inputs[0])->dims, &weft_node_of(g, n->inputs[1])->dims,
                                               &weft_node_of(g, n->inputs[2])->dims);
    const weft_slot panels = emit_packing(p, v, &z);
    weft_slot lines[LINE_PLACES];
    if (op != WEFT_PLR_GRAD_X)
        emit_lines(p, v, &z, lines);
    weft_step *s = op == WEFT_PLR        ? step_with_operands(p, v, plr_pieces, plr_run)
                   : op == WEFT_PLR_GRAD ? step_with_operands(p, v, group_pieces, group_run)
                                         : step_with_operands(p, v, tiles_of, grad_x_run);
    if (!s)
        return;
    s->in[s->in_count++] = panels;
    for (int i = 0; op != WEFT_PLR_GRAD_X && i < LINE_PLACES; i++)
        s->in[s->in_count++] = lines[i];
    if (op != WEFT_PLR_GRAD) {
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
