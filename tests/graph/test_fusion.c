/* Elementwise values run together in programs, on their own or behind a product or a row op, and draw dropout as they go. None of
 * this may change a bit: random expressions give what they give when every value is fetched and so computed by itself. */
#include "base/random.h"
#include "graph/graph_case.h"
#include "graph/program.h"
#include "weft/nn.h"

enum { MOST_INPUTS = 64 };

typedef struct expression {
    uint64_t state;
    weft_graph *g;
    weft_dims dims;
    weft_value count, masks[3], inputs[MOST_INPUTS];
    int inputs_used;
    float *numbers[MOST_INPUTS];
} expression;

static int64_t below(expression *e, int64_t n)
{
    e->state = e->state * 6364136223846793005u + 1442695040888963407u;
    return (int64_t)(e->state >> 33) % n;
}

static weft_value input(expression *e, weft_dims dims)
{
    if (e->inputs_used == MOST_INPUTS || below(e, 4) == 0) /* one again, if its shape is right */
        for (int i = 0; i < e->inputs_used; i++)
            if (weft_dims_equal(weft_shape(e->g, e->inputs[i]), dims))
                return e->inputs[i];
    if (e->inputs_used == MOST_INPUTS)
        return weft_constant(e->g, 0.5, dims);
    char name[16];
    int i = e->inputs_used++;
    snprintf(name, sizeof name, "x%d", i);
    int64_t count = weft_dims_count(dims);
    e->numbers[i] = malloc((size_t)(count + 1) * sizeof(float));
    for (int64_t k = 0; k < count; k++)
        e->numbers[i][k] = (float)below(e, 4001) / 1000 - 2;
    return e->inputs[i] = weft_input(e->g, name, WEFT_F32, dims);
}

static weft_value operand(expression *e)
{
    weft_dims dims = e->dims;
    weft_value v;
    switch (below(e, 6)) {
    case 0:
        v = input(e, SCALAR);
        return v;
    case 1:
        return input(e, DIMS(dims.size[dims.rank - 1]));
    case 2:
        dims.size[dims.rank - 1] = 1;
        v = input(e, dims);
        return e->count.id && dims.rank > 1 ? weft_used(e->g, v, e->count) : v;
    case 3:
        return weft_constant(e->g, (double)below(e, 5) - 2, below(e, 2) ? SCALAR : e->dims);
    default:
        v = input(e, dims);
        return e->count.id ? weft_used(e->g, v, e->count) : v;
    }
}

static weft_value tree(expression *e, int depth);

/* A value of the whole shape. */
static weft_value whole(expression *e, int depth)
{
    weft_value v = weft_broadcast(e->g, tree(e, depth), e->dims);
    return v.id && e->count.id ? weft_used(e->g, v, e->count) : v;
}

static weft_value tree(expression *e, int depth)
{
    static weft_value (*const unary[])(weft_graph *, weft_value) = {weft_tanh, weft_sigmoid, weft_sin,  weft_relu, weft_neg,
                                                                    weft_gelu, weft_square,  weft_sign, weft_abs};
    static weft_value (*const binary[])(weft_graph *, weft_value, weft_value) = {weft_add, weft_sub, weft_mul, weft_maximum,
                                                                                 weft_less};
    weft_graph *g = e->g;
    if (depth == 0)
        return operand(e);
    int64_t kind = below(e, 16), n = e->dims.size[e->dims.rank - 1];
    if (kind < 4)
        return unary[below(e, 9)](g, tree(e, depth - 1));
    if (kind < 9) {
        weft_value a = tree(e, depth - 1);
        return binary[below(e, 5)](g, a, tree(e, depth - 1));
    }
    if (kind == 9) {
        weft_value c = weft_less(g, tree(e, depth - 1), tree(e, depth - 1)), a = tree(e, depth - 1);
        return weft_where(g, c, a, tree(e, depth - 1));
    }
    if (kind < 12) { /* the same leaf may stand in many places */
        weft_value v = whole(e, depth - 1);
        return weft_mul(g, v, e->masks[below(e, 3)]);
    }
    if (e->dims.rank < 2 || depth < 2)
        return operand(e);
    if (kind == 12)
        return weft_softmax(g, whole(e, depth - 1));
    if (kind == 13) {
        weft_value v = whole(e, depth - 1), w = input(e, DIMS(n));
        return weft_normalize_layer(g, v, w, input(e, DIMS(n)), 0.1);
    }
    if (kind == 14) {
        weft_value v = whole(e, depth - 1);
        return weft_normalize_rms(g, v, input(e, DIMS(n)), 1, 0.1);
    }
    weft_value v = whole(e, depth - 1);
    return weft_matmul_nt(g, v, input(e, DIMS(n, n)));
}

static weft_dims shape(expression *e)
{
    static const int64_t rows[] = {1, 2, 3, 37, 130}, columns[] = {1, 2, 5, 16, 37, 300, 2100};
    int64_t n = columns[below(e, 7)], m = rows[below(e, n > 100 ? 4 : 5)];
    switch (below(e, 5)) {
    case 0:
        return DIMS(n);
    case 1:
        return DIMS(below(e, 3), 3, n);
    default:
        return DIMS(m, n);
    }
}

static weft_value build(expression *e, uint64_t seed)
{
    *e = (expression){.state = seed * 77 + 5, .g = weft_graph_new(WEFT_F32)};
    for (int i = 0; i < 5; i++)
        below(e, 2);
    e->dims = shape(e);
    if (below(e, 3) == 0)
        e->count = weft_count_input(e->g, "rows", e->dims.size[0]);
    for (int i = 0; i < 3; i++) {
        char name[16];
        snprintf(name, sizeof name, "mask%d", i);
        weft_law law = i == 1 ? (weft_law){WEFT_NORMAL_LAW, 0, 1} : (weft_law){WEFT_DROPOUT_LAW, 0.3, 0};
        e->masks[i] = weft_random(e->g, name, law, (weft_value){0}, e->dims);
    }
    return weft_tanh(e->g, whole(e, 4));
}

static void bind(expression *e, running *r, int64_t used)
{
    for (int i = 0; i < e->inputs_used; i++) {
        char name[16];
        snprintf(name, sizeof name, "x%d", i);
        fine(weft_bind(r->s, name, floats(e->numbers[i], weft_shape(e->g, e->inputs[i]))));
    }
    if (e->count.id)
        fine(weft_set(r->s, "rows", used));
    weft_seed(r->s, 11, 4);
}

static void finish(expression *e)
{
    for (int i = 0; i < e->inputs_used; i++)
        free(e->numbers[i]);
    weft_graph_free(e->g);
}

static bool same(weft_tensor a, weft_tensor b, int64_t count)
{
    const float *x = a.data, *y = b.data;
    for (int64_t i = 0; i < count; i++)
        if (memcmp(&x[i], &y[i], 4) != 0 && !(isnan(x[i]) && isnan(y[i])))
            return false;
    return true;
}

static int64_t expressions(void)
{
    return getenv("WEFT_TEST_LONG") ? 20000 : 2000;
}

static void fused_is_alone(void **state)
{
    (void)state;
    int64_t programs = 0, behind = 0, longest = 0;
    for (int64_t seed = 1; seed <= expressions(); seed++) {
        expression e;
        weft_value root = build(&e, (uint64_t)seed), all[4096];
        int count = 0;
        fine(weft_graph_status(e.g));
        int64_t used = e.count.id ? below(&e, e.dims.size[0] + 1) : e.dims.size[0];
        for (int32_t id = 1; id <= root.id; id++)
            if (e.g->nodes[id].op->kind != WEFT_OP_LEAF || e.g->nodes[id].op == weft_op_random)
                all[count++] = (weft_value){id};
        running fused = run_of(e.g, &root, 1), alone = run_of(e.g, all, count);
        bind(&e, &fused, used);
        bind(&e, &alone, used);
        fine(run_dirty(&fused));
        fine(run_dirty(&alone));
        int64_t elements = weft_dims_count(e.dims) / (e.dims.size[0] ? e.dims.size[0] : 1) * used;
        if (!same(result(&fused, root), result(&alone, root), elements))
            fail_msg("expression %lld: the fused plan gives another result", (long long)seed);
        for (int32_t i = 0; i < fused.plan->step_count; i++) {
            const weft_program *p = fused.plan->steps[i]->program;
            programs += p && p->count > 1;
            behind += p && p->producers > 0;
            longest = p && p->count > longest ? p->count : longest;
        }
        end(&fused, false);
        end(&alone, false);
        finish(&e);
    }
    assert_true(programs > expressions() / 2); /* the test has met what it is about */
    assert_true(behind > expressions() / 20);
    assert_true(longest > 6);
}

/* ---- products in bf16 ---- */

typedef struct gated_case {
    int64_t rows, used, k, n;
    weft_activation gate;
    bool bias, drop;
} gated_case;

/* x + (act(h G + b) · (h U)) D of h = norm(x): what products read alone is rounded where it is made, and both halves of the gate
 * are multiplied side by side. */
static weft_value gated_half(weft_graph *g, const gated_case *c)
{
    weft_value x = weft_input(g, "x", WEFT_F32, DIMS(c->rows, c->k));
    if (c->used < c->rows)
        x = weft_used(g, x, weft_count_input(g, "rows", c->rows));
    weft_value h = weft_normalize_rms(g, x, weft_input(g, "w", WEFT_F32, DIMS(c->k)), 0, 1e-5);
    weft_value a = weft_matmul_nt(g, h, weft_input(g, "gate", WEFT_F32, DIMS(c->n, c->k)));
    weft_value b = weft_matmul_nt(g, h, weft_input(g, "up", WEFT_F32, DIMS(c->n, c->k)));
    if (c->bias)
        a = weft_add(g, a, weft_input(g, "bias", WEFT_F32, DIMS(c->n)));
    weft_value y = weft_mul(g, weft_activate(g, a, c->gate), b);
    if (c->drop)
        y = weft_mul(g, y, weft_input(g, "scale", WEFT_F32, DIMS(c->rows, 1)));
    return weft_add(g, x, weft_matmul_nt(g, y, weft_input(g, "down", WEFT_F32, DIMS(c->k, c->n))));
}

static void bind_gated(running *r, const gated_case *c, float *numbers)
{
    weft_entry e;
    int64_t at = 0;
    for (int i = 0; i < weft_graph_entries(r->g, -1, &e); i++) {
        weft_graph_entries(r->g, i, &e);
        if (strcmp(e.kind, "input") != 0 || e.dtype != WEFT_F32)
            continue;
        fine(weft_bind(r->s, e.name, floats(numbers + at, e.dims)));
        at += weft_dims_count(e.dims);
    }
    if (c->used < c->rows)
        fine(weft_set(r->s, "rows", c->used));
}

static void rounding_where_it_is_made_changes_no_bit(void **state)
{
    (void)state;
    enum { NUMBERS = 1 << 21 };
    float *numbers = malloc(NUMBERS * sizeof *numbers);
    assert_non_null(numbers);
    for (int64_t i = 0; i < NUMBERS; i++)
        numbers[i] = (float)(i * 7919 % 4001) / 1000 - 2;
    static const gated_case cases[] = {
        {64, 64, 160, 160, WEFT_ACT_SILU, false, false},   {130, 130, 133, 131, WEFT_ACT_SILU, false, false},
        {513, 513, 192, 640, WEFT_ACT_GELU, false, false}, {150, 40, 140, 2500, WEFT_ACT_SILU, false, false},
        {150, 0, 140, 300, WEFT_ACT_SILU, false, false},   {48, 48, 129, 257, WEFT_ACT_GELU_TANH, true, false},
        {200, 199, 128, 256, WEFT_ACT_RELU, false, true},  {31, 31, 160, 160, WEFT_ACT_SILU, false, false},
        {40, 40, 2100, 128, WEFT_ACT_SILU, true, true},
    };
    int64_t paired = 0, rounded = 0;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const gated_case *c = &cases[i];
        weft_graph *g = weft_graph_new(WEFT_F32);
        weft_graph_bf16(g, true);
        weft_value y = gated_half(g, c), all[64];
        int count = 0;
        for (int32_t id = 1; id <= y.id; id++)
            if (g->nodes[id].op->kind != WEFT_OP_LEAF)
                all[count++] = (weft_value){id};
        running fused = run_of(g, &y, 1), alone = run_of(g, all, count);
        bind_gated(&fused, c, numbers);
        bind_gated(&alone, c, numbers);
        fine(run_dirty(&fused));
        fine(run_dirty(&alone));
        if (!same(result(&fused, y), result(&alone, y), c->used * c->k))
            fail_msg("case %d: the fused plan gives another result", (int)i);
        for (int32_t k = 0; k < fused.plan->step_count; k++) {
            const weft_program *p = fused.plan->steps[k]->program;
            paired += p && p->producers == 2;
            rounded += p && p->rounded;
        }
        end(&fused, false);
        end(&alone, true);
    }
    if (engine->kernels->bf16)
        assert_true(paired >= 7 && rounded >= 7);
    free(numbers);
}

/* What one run drew, bound in another. */
static void bound_masks_are_drawn_masks(void **state)
{
    (void)state;
    for (int64_t seed = 1; seed <= expressions() / 4; seed++) {
        expression e;
        weft_value root = build(&e, (uint64_t)seed);
        running drawn = run_of(e.g, &root, 1), masks = run_of(e.g, e.masks, 3), bound = run_of(e.g, &root, 1);
        bind(&e, &drawn, e.dims.size[0]);
        bind(&e, &bound, e.dims.size[0]);
        weft_seed(masks.s, 11, 4);
        weft_seed(bound.s, 99, 0); /* does not matter any more */
        fine(run_dirty(&masks));
        for (int i = 0; i < 3; i++) {
            char name[16];
            snprintf(name, sizeof name, "mask%d", i);
            fine(weft_bind(bound.s, name, result(&masks, e.masks[i])));
        }
        fine(run_dirty(&drawn));
        fine(run_dirty(&bound));
        if (!same(result(&drawn, root), result(&bound, root), weft_dims_count(e.dims)))
            fail_msg("expression %lld: a bound mask is not the drawn one", (long long)seed);
        end(&drawn, false);
        end(&masks, false);
        end(&bound, false);
        finish(&e);
    }
}

/* ---- what is drawn ---- */

enum { DRAWN_ROWS = 6, DRAWN_COLUMNS = 40, DRAWN = DRAWN_ROWS * DRAWN_COLUMNS };

/* Ones × dropout, drawn in the strip, with keys or without. */
static weft_value drop(weft_graph *g, weft_value keys)
{
    weft_dims dims = DIMS(DRAWN_ROWS, DRAWN_COLUMNS);
    return weft_mul(g, weft_input(g, "x", WEFT_F32, dims),
                    weft_random(g, "mask", (weft_law){WEFT_DROPOUT_LAW, 0.4, 0}, keys, dims));
}

static void draw(running *r, weft_value y, uint64_t seed, uint64_t step, float *out)
{
    weft_seed(r->s, seed, step);
    fine(run_dirty(r));
    memcpy(out, result(r, y).data, DRAWN * sizeof *out);
}

static void draws_depend_on_seed_and_step(void **state)
{
    (void)state;
    weft_graph *g = weft_graph_new(WEFT_F32);
    weft_value y = drop(g, (weft_value){0});
    running r = run_of(g, &y, 1);
    float ones[DRAWN], a[DRAWN], b[DRAWN];
    for (int i = 0; i < DRAWN; i++)
        ones[i] = 1;
    fine(weft_bind(r.s, "x", floats(ones, DIMS(DRAWN_ROWS, DRAWN_COLUMNS))));
    draw(&r, y, 3, 7, a);
    draw(&r, y, 3, 8, b);
    assert_memory_not_equal(a, b, sizeof a);
    draw(&r, y, 4, 7, b);
    assert_memory_not_equal(a, b, sizeof a);
    draw(&r, y, 3, 7, b);
    assert_memory_equal(a, b, sizeof a);
    weft_random_key key = weft_random_stream(3, "mask"); /* the documented law, element by element */
    for (uint64_t row = 0; row < DRAWN_ROWS; row++)
        for (uint64_t c = 0; c < DRAWN_COLUMNS; c++) {
            bool kept = weft_random_half(key, 7, row, c) >= weft_random_threshold(0.4);
            assert_true(a[row * DRAWN_COLUMNS + c] == (kept ? (float)(1 / 0.6) : 0));
        }
    end(&r, true);
}

static void row_keys_go_with_the_rows(void **state)
{
    (void)state;
    weft_graph *g = weft_graph_new(WEFT_F32);
    weft_value y = drop(g, weft_input(g, "keys", WEFT_I64, DIMS(DRAWN_ROWS)));
    running r = run_of(g, &y, 1);
    int64_t keys[DRAWN_ROWS] = {5, 0, 123456789012, 7, 0, 3}, turned[DRAWN_ROWS];
    float ones[DRAWN], a[DRAWN], b[DRAWN];
    for (int i = 0; i < DRAWN; i++)
        ones[i] = 1;
    for (int i = 0; i < DRAWN_ROWS; i++)
        turned[i] = keys[DRAWN_ROWS - 1 - i];
    fine(weft_bind(r.s, "x", floats(ones, DIMS(DRAWN_ROWS, DRAWN_COLUMNS))));
    fine(weft_bind(r.s, "keys", integers(keys, DIMS(DRAWN_ROWS))));
    draw(&r, y, 3, 7, a);
    fine(weft_bind(r.s, "keys", integers(turned, DIMS(DRAWN_ROWS))));
    draw(&r, y, 3, 7, b);
    for (int i = 0; i < DRAWN_ROWS; i++)
        assert_memory_equal(a + i * DRAWN_COLUMNS, b + (DRAWN_ROWS - 1 - i) * DRAWN_COLUMNS, DRAWN_COLUMNS * sizeof *a);
    assert_memory_equal(a + DRAWN_COLUMNS, a + 4 * DRAWN_COLUMNS, DRAWN_COLUMNS * sizeof *a); /* equal keys */
    assert_memory_not_equal(a, a + DRAWN_COLUMNS, DRAWN_COLUMNS * sizeof *a);
    end(&r, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fused_is_alone),
        cmocka_unit_test(rounding_where_it_is_made_changes_no_bit),
        cmocka_unit_test(bound_masks_are_drawn_masks),
        cmocka_unit_test(draws_depend_on_seed_and_step),
        cmocka_unit_test(row_keys_go_with_the_rows),
    };
    return cmocka_run_group_tests(tests, open_engine, close_engine);
}
