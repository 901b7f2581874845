/* Plans and sessions: what binding refuses, feeds and fetches of every kind, sizes at the edges, graphs that grow, and that a run
 * allocates nothing. */
#include "graph/graph_case.h"
#include "graph/params.h"
#include "sanitizers.h"

#include <stdatomic.h>

#if !ADDRESS_SANITIZER && !THREAD_SANITIZER && !MEMORY_SANITIZER && defined(__GLIBC__)
#define COUNTS_ALLOCATIONS 1
#endif

/* ---- binding ---- */

static void refused(weft_status status, const char *says)
{
    assert_int_equal(status, WEFT_ERROR_ARGUMENT);
    if (!strstr(weft_error(), says))
        fail_msg("\"%s\" was expected, not \"%s\"", says, weft_error());
}

static void binding_mistakes_are_named(void **state)
{
    (void)state;
    weft_graph *g = weft_graph_new(WEFT_F32);
    weft_value table = weft_input(g, "table", WEFT_F32, DIMS(3, 2)), index = weft_index(g, "index", DIMS(2), 3);
    weft_value v = weft_add(g, weft_gather(g, table, index), weft_input(g, "shift", WEFT_F32, DIMS(2, 2)));
    weft_value y = weft_name(g, weft_relu(g, weft_used(g, v, weft_count_input(g, "rows", 2))), "y");
    running r = run_of(g, &y, 1);
    float numbers[6] = {1, 2, 3, 4, 5, 6};
    int64_t places[2] = {2, 0}, low[2] = {-1, 0}, high[2] = {0, 3};
    refused(weft_bind(r.s, "table", floats(numbers, DIMS(2, 3))), "\"table\" is [2, 3], the graph wants [3, 2]");
    refused(weft_bind(r.s, "index", floats(numbers, DIMS(2))), "\"index\" holds F32");
    refused(weft_bind(r.s, "nothing", floats(numbers, DIMS(2))), "\"nothing\"");
    refused(weft_bind(r.s, "y", floats(numbers, DIMS(3, 2))), "[3, 2]");
    refused(weft_set(r.s, "rows", 3), "\"rows\" is 3");
    refused(weft_set(r.s, "rows", -1), "\"rows\" is -1");
    refused(weft_set(r.s, "columns", 1), "\"columns\"");
    refused(weft_set(r.s, "table", 1), "\"table\"");
    fine(weft_bind(r.s, "table", floats(numbers, DIMS(3, 2))));
    fine(weft_bind(r.s, "index", integers(places, DIMS(2))));
    refused(weft_run(r.s), "\"shift\" is not bound");
    fine(weft_bind(r.s, "shift", floats(numbers, DIMS(2, 2))));
    refused(weft_run(r.s), "\"rows\" is not set");
    fine(weft_set(r.s, "rows", 2));
    fine(weft_run(r.s));
    const float right[4] = {6, 8, 4, 6};
    assert_memory_equal(result(&r, y).data, right, sizeof right);
    refused(weft_bind(r.s, "index", integers(low, DIMS(2))), "number -1 at place 0 is not in 0 to 2");
    refused(weft_run(r.s), "\"index\" is not bound"); /* and what was refused is not used */
    refused(weft_bind(r.s, "index", integers(high, DIMS(2))), "number 3 at place 1");
    uint8_t bytes[2] = {2, 0};
    fine(weft_bind(r.s, "index", (weft_tensor){bytes, WEFT_U8, DIMS(2)})); /* any integers are rows */
    fine(weft_run(r.s));
    assert_memory_equal(result(&r, y).data, right, sizeof right);
    weft_tensor t;
    refused(weft_fetch(r.s, "table", &t), "\"table\" is not among what this plan computes");
    refused(weft_fetch_value(r.s, v, &t), "not among");
    float out[4];
    fine(weft_bind(r.s, "y", floats(out, DIMS(2, 2))));
    fine(weft_run(r.s));
    assert_memory_equal(out, right, sizeof right);
    end(&r, true);
}

static void missing_parameters_are_named(void **state)
{
    (void)state;
    weft_graph *g = weft_graph_new(WEFT_F32);
    weft_enter(g, "head");
    weft_value y = weft_relu(g, weft_param(g, "weight", WEFT_ZEROS, DIMS(2, 3)));
    weft_leave(g);
    weft_plan *plan;
    weft_session *s;
    fine(weft_compile(engine, g, NULL, 0, &y, 1, &plan));
    refused(weft_session_new(plan, NULL, 0, &s), "\"head.weight\" is missing");
    assert_null(s);
    weft_params *p;
    float numbers[6] = {0};
    fine(weft_params_new(&p));
    fine(weft_params_set(p, "head.weight", floats(numbers, DIMS(3, 2))));
    refused(weft_session_new(plan, &p, 1, &s), "\"head.weight\" is [3, 2], the graph wants [2, 3]");
    assert_null(s);
    weft_params_free(p);
    weft_value foreign[1] = {{g->count + 5}};
    weft_plan *none;
    refused(weft_compile(engine, g, NULL, 0, foreign, 1, &none), "fetch 0");
    refused(weft_compile(engine, g, foreign, 1, &y, 1, &none), "feed 0");
    assert_null(none);
    weft_plan_free(plan);
    weft_graph_free(g);
}

/* ---- feeds and fetches ---- */

static void feeds_cut_the_graph(void **state)
{
    (void)state;
    weft_graph *g = weft_graph_new(WEFT_F32);
    weft_value x = weft_input(g, "x", WEFT_F32, DIMS(2, 3)), h = weft_name(g, weft_softmax(g, weft_exp(g, x)), "h");
    weft_value v = weft_name(g, weft_reshape(g, h, DIMS(3, 2)), "v"), y = weft_square(g, weft_sum(g, v, 0, 0));
    running whole = run_of(g, (weft_value[]){y, h}, 2);
    float numbers[6] = {0.5f, -1, 2, 0, 1, 0.25f}, kept[6], sums[2];
    fine(weft_bind(whole.s, "x", floats(numbers, DIMS(2, 3))));
    fine(run_dirty(&whole));
    memcpy(kept, result(&whole, h).data, sizeof kept);
    memcpy(sums, result(&whole, y).data, sizeof sums);
    for (int i = 0; i < 2; i++) { /* the value, and a view of it */
        running cut = {.g = g};
        fine(weft_compile(engine, g, i ? &v : &h, 1, &y, 1, &cut.plan));
        fine(weft_session_new(cut.plan, NULL, 0, &cut.s));
        assert_true(cut.plan->step_count < whole.plan->step_count);
        refused(weft_run(cut.s), i ? "\"v\" is not bound" : "\"h\" is not bound");
        fine(weft_bind(cut.s, i ? "v" : "h", floats(kept, i ? DIMS(3, 2) : DIMS(2, 3))));
        fine(run_dirty(&cut)); /* x is not asked for */
        assert_memory_equal(result(&cut, y).data, sums, sizeof sums);
        end(&cut, false);
    }
    end(&whole, true);
}

static void everything_can_be_fetched(void **state)
{
    (void)state;
    weft_graph *g = weft_graph_new(WEFT_F32);
    weft_value x = weft_input(g, "x", WEFT_F32, DIMS(4, 2)), index = weft_index(g, "i", DIMS(2), 4);
    weft_value mask = weft_random(g, "u", (weft_law){WEFT_UNIFORM_LAW, 2, 3}, (weft_value){0}, DIMS(4, 2));
    weft_value all[] = {x,
                        weft_rows(g, x, 1, 3),
                        weft_reshape(g, weft_rows(g, x, 2, 4), DIMS(4)),
                        weft_constant(g, 2.5, DIMS(3)),
                        weft_constant(g, -1, SCALAR),
                        weft_iota(g, 4),
                        mask,
                        index,
                        weft_name(g, x, "again"),
                        weft_rows(g, weft_neg(g, x), 3, 4),
                        x};
    enum { COUNT = sizeof all / sizeof *all };
    running r = run_of(g, all, COUNT);
    float numbers[8] = {0, 1, 2, 3, 4, 5, 6, 7};
    int64_t places[2] = {3, 1};
    fine(weft_bind(r.s, "x", floats(numbers, DIMS(4, 2))));
    fine(weft_bind(r.s, "i", integers(places, DIMS(2))));
    fine(run_dirty(&r));
    assert_memory_equal(result(&r, all[0]).data, numbers, sizeof numbers);
    assert_memory_equal(result(&r, all[1]).data, numbers + 2, 4 * sizeof(float));
    assert_memory_equal(result(&r, all[2]).data, numbers + 4, 4 * sizeof(float));
    assert_true(result_at(&r, all[3], 2) == 2.5f && result_at(&r, all[4], 0) == -1 && result_at(&r, all[5], 3) == 3);
    for (int i = 0; i < 8; i++)
        assert_true(result_at(&r, mask, i) > 2 && result_at(&r, mask, i) < 3);
    assert_memory_equal(result(&r, index).data, places, sizeof places);
    assert_memory_equal(result(&r, all[8]).data, numbers, sizeof numbers);
    assert_true(result_at(&r, all[9], 0) == -6 && result_at(&r, all[9], 1) == -7);
    weft_tensor t;
    fine(weft_fetch(r.s, "again", &t));
    assert_int_equal(t.dims.rank, 2);
    assert_null(weft_session_nonfinite(r.s));
    numbers[7] = INFINITY;
    fine(weft_run(r.s));
    assert_string_equal(weft_session_nonfinite(r.s), "x");
    end(&r, true);
}

/* ---- edges ---- */

static void empty_and_deep_shapes_run(void **state)
{
    (void)state;
    weft_graph *g = weft_graph_new(WEFT_F32);
    weft_value none = weft_input(g, "none", WEFT_F32, DIMS(0, 3)), narrow = weft_input(g, "narrow", WEFT_F32, DIMS(3, 0));
    weft_value deep = weft_input(g, "deep", WEFT_F32, DIMS(2, 1, 2, 1, 1, 2, 1, 2));
    weft_value fetch[] = {weft_matmul(g, narrow, none),
                          weft_matmul(g, none, narrow),
                          weft_softmax(g, none),
                          weft_sum_all(g, narrow),
                          weft_max(g, none, 0, 0),
                          weft_permute(g, deep, (int[]){7, 6, 5, 4, 3, 2, 1, 0}),
                          weft_add(g, deep, weft_constant(g, 1, DIMS(2, 1))),
                          weft_broadcast(g, deep, DIMS(2, 3, 2, 1, 1, 2, 1, 2))};
    enum { COUNT = sizeof fetch / sizeof *fetch };
    running r = run_of(g, fetch, COUNT);
    float numbers[16];
    for (int i = 0; i < 16; i++)
        numbers[i] = (float)i;
    fine(weft_bind(r.s, "none", floats(NULL, DIMS(0, 3))));
    fine(weft_bind(r.s, "deep", floats(numbers, DIMS(2, 1, 2, 1, 1, 2, 1, 2)))); /* narrow: nothing to bind */
    fine(run_dirty(&r));
    for (int i = 0; i < 9; i++)
        assert_true(result_at(&r, fetch[0], i) == 0); /* sums of nothing */
    assert_int_equal(weft_dims_count(result(&r, fetch[1]).dims), 0);
    assert_true(result_at(&r, fetch[3], 0) == 0);
    assert_true(result_at(&r, fetch[4], 1) == -INFINITY);
    for (int i = 0; i < 16; i++) {
        int reversed = (i & 1) << 3 | (i & 2) << 1 | (i & 4) >> 1 | (i & 8) >> 3;
        assert_true(result_at(&r, fetch[5], i) == (float)reversed);
    }
    assert_int_equal(result(&r, fetch[6]).dims.rank, 8);
    assert_int_equal(weft_dims_count(result(&r, fetch[7]).dims), 48);
    end(&r, true);
}

/* More ops, random leaves and counts, made after a session: it goes on as before, and its memory holds no place for them. */
static void a_graph_may_grow_under_its_plans(void **state)
{
    (void)state;
    weft_graph *g = weft_graph_new(WEFT_F32);
    weft_law drop = {WEFT_DROPOUT_LAW, 0.5, 0};
    weft_value x = weft_input(g, "x", WEFT_F32, DIMS(8, 16)), none = {0};
    weft_value y = weft_tanh(g, weft_mul(g, x, weft_random(g, "mask", drop, none, DIMS(8, 16))));
    running r = run_of(g, &y, 1);
    float numbers[128], before[128];
    for (int i = 0; i < 128; i++)
        numbers[i] = (float)(i - 64) / 32;
    fine(weft_bind(r.s, "x", floats(numbers, DIMS(8, 16))));
    weft_seed(r.s, 1, 2);
    fine(run_dirty(&r));
    memcpy(before, result(&r, y).data, sizeof before);
    weft_value v = x;
    for (int i = 0; i < 2000; i++) {
        char name[16];
        snprintf(name, sizeof name, "mask%d", i);
        v = weft_mul(g, v, weft_random(g, name, drop, none, DIMS(8, 16)));
    }
    v = weft_used(g, v, weft_count_input(g, "late", 8));
    fine(weft_graph_status(g));
    weft_seed(r.s, 1, 2);
    fine(weft_set(r.s, "late", 3));
    fine(run_dirty(&r));
    assert_memory_equal(result(&r, y).data, before, sizeof before);
    weft_text text = {0};
    weft_describe(r.plan, &text);
    assert_non_null(strstr(text.data, "tanh"));
    weft_text_free(&text);
    end(&r, true);
}

/* ---- allocation ---- */

#ifdef COUNTS_ALLOCATIONS
static atomic_int allocations;

extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t),
    *__libc_memalign(size_t, size_t);

void *malloc(size_t n)
{
    allocations++;
    return __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
    allocations++;
    return __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
    allocations++;
    return __libc_realloc(p, n);
}

void *aligned_alloc(size_t alignment, size_t n)
{
    allocations++;
    return __libc_memalign(alignment, n);
}
#endif

static void a_run_allocates_nothing(void **state)
{
    (void)state;
#ifndef COUNTS_ALLOCATIONS
    print_message("[  SKIPPED ] the sanitizer or C library keeps malloc to itself\n");
    skip();
#else
    int before = allocations;
    weft_engine *first = engine;
    fine(weft_engine_new(&(weft_engine_options){.threads = 2}, &engine));
    weft_graph *g = weft_graph_new(WEFT_F32);
    weft_value x = weft_input(g, "x", WEFT_F32, DIMS(200, 60)), w = weft_input(g, "w", WEFT_F32, DIMS(60, 60)), d[2];
    weft_value h = weft_softmax(g, weft_relu(g, weft_matmul(g, x, w)));
    h = weft_mul(g, h, weft_random(g, "mask", (weft_law){WEFT_DROPOUT_LAW, 0.5, 0}, (weft_value){0}, DIMS(200, 60)));
    h = weft_gather(g, h, weft_index(g, "i", DIMS(300), 200));
    weft_value loss = weft_mean_all(g, weft_square(g, h));
    fine(weft_gradient(g, loss, (weft_value){0}, (weft_value[]){x, w}, 2, d));
    running r = run_of(g, (weft_value[]){loss, d[0], d[1]}, 3);
    assert_true(allocations > before + 10); /* they are counted */
    float *numbers = calloc(200 * 60, sizeof *numbers);
    int64_t places[300] = {0};
    fine(weft_bind(r.s, "x", floats(numbers, DIMS(200, 60))));
    fine(weft_bind(r.s, "w", floats(numbers, DIMS(60, 60))));
    fine(weft_bind(r.s, "i", integers(places, DIMS(300))));
    fine(weft_run(r.s)); /* the threads' own memory */
    before = allocations;
    for (int i = 0; i < 20; i++) {
        weft_seed(r.s, 1, (uint64_t)i);
        fine(weft_run(r.s));
    }
    assert_int_equal(allocations, before);
    end(&r, true);
    free(numbers);
    weft_engine_free(engine);
    engine = first;
#endif
}

/* y [rows, 40] = x [rows, 300] · wᵀ with a parameter. */
static running product_of(weft_params *set, int64_t rows, weft_packing packing, weft_value *y)
{
    running r = {.g = weft_graph_new(WEFT_F32)};
    *y = weft_matmul_nt(r.g, weft_input(r.g, "x", WEFT_F32, DIMS(rows, 300)), weft_param(r.g, "w", WEFT_ZEROS, DIMS(40, 300)));
    weft_graph_packing(r.g, packing);
    fine(weft_compile(engine, r.g, NULL, 0, y, 1, &r.plan));
    fine(weft_session_new(r.plan, &set, 1, &r.s));
    return r;
}

/* A plan for many rows and one for a single row read one packed copy; what changes is packed once; stored types count. */
static void sessions_share_packed_parameters(void **state)
{
    (void)state;
    for (int stored = 0; stored < 2; stored++) {
        float *w = calloc(40 * 300, sizeof *w), x[30 * 300];
        uint16_t *half = calloc(40 * 300, sizeof *half);
        for (int i = 0; i < 40 * 300; i++) {
            w[i] = (float)(i % 37 - 18); /* few bits: exact in BF16 */
            uint32_t word;
            memcpy(&word, &w[i], 4);
            half[i] = (uint16_t)(word >> 16);
        }
        for (int i = 0; i < 30 * 300; i++)
            x[i] = (float)(i % 101) * 0.01F;
        weft_params *set;
        fine(weft_params_new(&set));
        fine(weft_params_set(set, "w", (weft_tensor){stored ? (void *)half : w, stored ? WEFT_BF16 : WEFT_F32, DIMS(40, 300)}));
        weft_value y[2];
        running many = product_of(set, 30, WEFT_PACK_KEPT, &y[0]), one = product_of(set, 1, WEFT_PACK_KEPT, &y[1]);
        const weft_panels *panels = *weft_params_panels(set);
        assert_non_null(panels);
        assert_null(panels->next);
        assert_int_equal(panels->holders, 2);
        assert_int_equal(panels->key.bytes, 40 * 300 * (stored ? 2 : 4));
        for (int round = 0; round < 2; round++) {
            fine(weft_bind(many.s, "x", floats(x, DIMS(30, 300))));
            fine(weft_bind(one.s, "x", floats(x + 7 * 300, DIMS(1, 300))));
            fine(run_dirty(&many));
            fine(run_dirty(&one));
            assert_memory_equal((float *)result(&many, y[0]).data + 7 * 40, result(&one, y[1]).data, 40 * sizeof(float));
            double sum = 0;
            weft_tensor t;
            assert_true(weft_params_get(set, "w", &t));
            for (int i = 0; i < 300; i++)
                sum += (double)x[7 * 300 + i] * (double)w[3 * 300 + i] * (round ? 2 : 1);
            assert_true(fabs(sum - (double)result_at(&one, y[1], 3)) < 1e-3 * fabs(sum));
            for (int i = 0; i < 40 * 300 && !round; i++)
                if (stored)
                    ((uint16_t *)t.data)[i] = (uint16_t)(half[i] + (half[i] & 0x7fff ? 0x80 : 0));
                else
                    ((float *)t.data)[i] = 2 * w[i];
            weft_params_touch(set);
        }
        end(&many, true);
        end(&one, true);
        assert_null(*weft_params_panels(set));
        weft_params_free(set);
        free(w);
        free(half);
    }
}

/* A weight [in, out] so small that it would be read where it stands, if it were not stored in BF16 or F16. */
static void small_weights_may_be_stored_in_half(void **state)
{
    (void)state;
    for (int64_t rows = 1; rows <= 30; rows += 29)
        for (int transposed = 0; transposed < 2; transposed++) {
            weft_params *set;
            weft_graph *g = weft_graph_new(WEFT_F32);
            uint16_t ones[20 * 8];
            float x[30 * 20];
            for (int i = 0; i < 20 * 8; i++)
                ones[i] = 0x3f80;
            for (int i = 0; i < 30 * 20; i++)
                x[i] = 1;
            fine(weft_params_new(&set));
            const weft_dims dims = transposed ? DIMS(8, 20) : DIMS(20, 8);
            fine(weft_params_set(set, "w", (weft_tensor){ones, WEFT_BF16, dims}));
            weft_value in = weft_input(g, "x", WEFT_F32, DIMS(rows, 20)), w = weft_param(g, "w", WEFT_ZEROS, dims);
            weft_value y = transposed ? weft_matmul_nt(g, in, w) : weft_matmul(g, in, w);
            running r = {.g = g};
            fine(weft_compile(engine, g, NULL, 0, &y, 1, &r.plan));
            fine(weft_session_new(r.plan, &set, 1, &r.s));
            fine(weft_bind(r.s, "x", floats(x, DIMS(rows, 20))));
            fine(run_dirty(&r));
            for (int64_t i = 0; i < rows * 8; i++)
                assert_true(result_at(&r, y, i) == 20);
            end(&r, true);
            weft_params_free(set);
        }
}

/* Weights kept in panels, rearranged in each run, or read as they are stored: the same bits. */
static void packing_changes_no_bit(void **state)
{
    (void)state;
    weft_graph *g = weft_graph_new(WEFT_F32);
    weft_value w = weft_param(g, "w", WEFT_UNIFORM(1), DIMS(40, 300));
    weft_params *set;
    fine(weft_params_new(&set));
    fine(weft_graph_status(g));
    assert_true(w.id);
    fine(weft_params_init(set, g, WEFT_F32, 1));
    float x[30 * 300], kept[30 * 40];
    for (int i = 0; i < 30 * 300; i++)
        x[i] = (float)(i % 101) * 0.01F;
    for (int64_t rows = 1; rows <= 30; rows += 29)
        for (weft_packing packing = WEFT_PACK_KEPT; packing <= WEFT_PACK_NEVER; packing++) {
            weft_value y;
            running r = product_of(set, rows, packing, &y);
            const weft_plan_memory size = weft_plan_size(r.plan);
            assert_true((size.packed != 0) == (packing == WEFT_PACK_KEPT));
            if (packing == WEFT_PACK_NEVER) /* nothing but the result */
                assert_true(size.arena <= (rows * 40 * 4 + 63) / 64 * 64);
            else if (packing == WEFT_PACK_EACH_RUN && rows > 4)
                assert_true(size.arena >= 40 * 300 * 4);
            fine(weft_bind(r.s, "x", floats(x, DIMS(rows, 300))));
            fine(run_dirty(&r));
            if (packing != WEFT_PACK_KEPT)
                assert_memory_equal(result(&r, y).data, kept, (size_t)rows * 40 * sizeof(float));
            memcpy(kept, result(&r, y).data, (size_t)rows * 40 * sizeof(float));
            end(&r, true);
        }
    weft_params_free(set);
    weft_graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(binding_mistakes_are_named), cmocka_unit_test(missing_parameters_are_named),
        cmocka_unit_test(feeds_cut_the_graph),        cmocka_unit_test(everything_can_be_fetched),
        cmocka_unit_test(empty_and_deep_shapes_run),  cmocka_unit_test(a_graph_may_grow_under_its_plans),
        cmocka_unit_test(a_run_allocates_nothing),    cmocka_unit_test(sessions_share_packed_parameters),
        cmocka_unit_test(packing_changes_no_bit),     cmocka_unit_test(small_weights_may_be_stored_in_half),
    };
    return cmocka_run_group_tests(tests, open_engine, close_engine);
}
