/* Used extents through a whole network: with n rows in use, values and gradients are to the bit those of the same network on n
 * rows, whatever stands behind them, whichever counts came before, on every level, with every number of threads. */
#include "graph/graph_case.h"

enum { BATCH = 300, BASE = 5, WIDTH = 37, HIDDEN = 70, CLASSES = 4, OUTPUTS = 8 };

typedef struct network {
    weft_value fetch[OUTPUTS]; /* output, its sum, gradients by x, base, w1, b1, w2, table */
} network;

static weft_value leaf(weft_graph *g, const char *name, weft_dims dims)
{
    return weft_input(g, name, WEFT_F32, dims);
}

/* [base; x] of BASE + rows rows, the first BASE + count of them in use → CLASSES, and a part that looks at the new rows alone. */
static network build(weft_graph *g, int64_t rows, bool used)
{
    weft_value x = leaf(g, "x", DIMS(rows, WIDTH)), base = leaf(g, "base", DIMS(BASE, WIDTH)), none = {0};
    weft_value w1 = leaf(g, "w1", DIMS(HIDDEN, WIDTH)), b1 = leaf(g, "b1", DIMS(HIDDEN)),
               w2 = leaf(g, "w2", DIMS(CLASSES, HIDDEN));
    weft_value table = leaf(g, "table", DIMS(11, HIDDEN)), pick = weft_index(g, "pick", DIMS(rows), 11),
               trio = weft_index(g, "trio", DIMS(rows, 3), 11), in = x;
    if (used) {
        weft_value count = weft_count_input(g, "count", rows);
        in = weft_used(g, x, count);
        pick = weft_used(g, pick, count);
        trio = weft_used(g, trio, count);
    }
    weft_value all = weft_concat(g, 0, (weft_value[]){base, in}, 2);
    weft_value h = weft_relu(g, weft_add(g, weft_matmul_nt(g, all, w1), b1));
    h = weft_mul(g, h, weft_random(g, "mask", (weft_law){WEFT_DROPOUT_LAW, 0.2, 0}, none, DIMS(BASE + rows, HIDDEN)));
    h = weft_normalize_layer(g, h, none, none, 1e-3);
    weft_value fresh = weft_add(g, weft_rows(g, h, BASE, BASE + rows), weft_gather(g, table, pick));
    fresh = weft_add(g, fresh, weft_gather_sum(g, weft_constant(g, 0.5, DIMS(rows, 3)), table, trio));
    weft_value old = weft_sum(g, weft_rows(g, h, 0, BASE), 0, 0);
    weft_value y = weft_log_softmax(g, weft_matmul_nt(g, weft_add(g, fresh, old), w2));
    weft_value loss = weft_sum_all(g, weft_square(g, y));
    network n = {.fetch = {y, loss}};
    weft_value wrt[] = {x, base, w1, b1, w2, table};
    fine(weft_gradient(g, loss, none, wrt, 6, n.fetch + 2));
    return n;
}

static float numbers[BATCH * WIDTH], weights[HIDDEN * WIDTH + BASE * WIDTH];
static int64_t picks[BATCH * 3];

static void fill(void)
{
    uint32_t state = 12345;
    for (int i = 0; i < BATCH * WIDTH; i++)
        numbers[i] = (float)((state = state * 1664525 + 1013904223) >> 8) / 8388608 - 1;
    for (int i = 0; i < HIDDEN * WIDTH + BASE * WIDTH; i++)
        weights[i] = (float)((state = state * 1664525 + 1013904223) >> 8) / 33554432 - 0.25f;
    for (int i = 0; i < BATCH * 3; i++)
        picks[i] = i * 7 % 11;
}

static void bind(running *r, float *x, int64_t rows)
{
    fine(weft_bind(r->s, "x", floats(x, DIMS(rows, WIDTH))));
    fine(weft_bind(r->s, "base", floats(weights + HIDDEN * WIDTH, DIMS(BASE, WIDTH))));
    fine(weft_bind(r->s, "w1", floats(weights, DIMS(HIDDEN, WIDTH))));
    fine(weft_bind(r->s, "b1", floats(weights + 11, DIMS(HIDDEN))));
    fine(weft_bind(r->s, "w2", floats(weights + 5, DIMS(CLASSES, HIDDEN))));
    fine(weft_bind(r->s, "table", floats(weights + 3, DIMS(11, HIDDEN))));
    fine(weft_bind(r->s, "pick", integers(picks, DIMS(rows))));
    fine(weft_bind(r->s, "trio", integers(picks, DIMS(rows, 3))));
    weft_seed(r->s, 5, 6);
}

static const int64_t counts[] = {3, 150, 0, 7, 1, 5, 300, 12, 13, 299, 2, 64};

static void compare(running *few, network *f, running *used, network *u, int64_t count)
{
    static const char *const name[OUTPUTS] = {"output", "sum", "d x", "d base", "d w1", "d b1", "d w2", "d table"};
    for (int i = 0; i < OUTPUTS; i++) {
        weft_tensor a = result(few, f->fetch[i]), b = result(used, u->fetch[i]);
        const float *p = a.data, *q = b.data;
        int64_t n = weft_dims_count(a.dims), all = weft_dims_count(b.dims);
        for (int64_t k = 0; k < n; k++)
            if (!(p[k] == q[k]))
                fail_msg("%lld rows, %s, element %lld: %.9g, not %.9g", (long long)count, name[i], (long long)k, q[k], p[k]);
        for (int64_t k = n; i == 2 && k < all; k++)
            if (q[k] != 0)
                fail_msg("%lld rows, %s, element %lld behind them: %g", (long long)count, name[i], (long long)k, q[k]);
    }
}

static void a_network_on_its_first_rows(void **state)
{
    (void)state;
    fill();
    weft_engine *first = engine;
    for (int kind = 0; kind < 5; kind++) { /* levels 1 to 3, then 2 and 3 threads */
        if (weft_engine_new(&(weft_engine_options){.threads = kind < 3 ? 1 : kind - 1, .level = kind < 3 ? kind + 1 : 0},
                            &engine) != WEFT_OK) {
            print_message("[  SKIPPED ] %s\n", weft_error());
            continue;
        }
        weft_graph *g = weft_graph_new(WEFT_F32);
        network u = build(g, BATCH, true);
        running used = run_of(g, u.fetch, OUTPUTS);
        for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
            int64_t n = counts[c];
            weft_graph *small = weft_graph_new(WEFT_F32);
            network f = build(small, n, false);
            running few = run_of(small, f.fetch, OUTPUTS);
            bind(&few, numbers, n);
            fine(run_dirty(&few));
            float *x = malloc(sizeof numbers);
            memcpy(x, numbers, sizeof numbers);
            for (int64_t i = n * WIDTH; i < BATCH * WIDTH; i++)
                x[i] = NAN;
            bind(&used, x, BATCH);
            fine(weft_set(used.s, "count", n));
            fine(run_dirty(&used));
            compare(&few, &f, &used, &u, n);
            free(x);
            end(&few, true);
        }
        end(&used, true);
        weft_engine_free(engine);
    }
    engine = first;
}

/* Weights that a session packs once serve every count, also when the first runs had too few rows to need them. */
static void packed_parameters_serve_all_counts(void **state)
{
    (void)state;
    fill();
    weft_params *p;
    fine(weft_params_new(&p));
    fine(weft_params_set(p, "w", floats(weights, DIMS(HIDDEN, WIDTH))));
    weft_graph *g = weft_graph_new(WEFT_F32);
    weft_value x = weft_used(g, leaf(g, "x", DIMS(BATCH, WIDTH)), weft_count_input(g, "count", BATCH));
    weft_value y = weft_matmul_nt(g, x, weft_param(g, "w", WEFT_ZEROS, DIMS(HIDDEN, WIDTH)));
    running one = {.g = g}, fresh = {.g = g};
    fine(weft_compile(engine, g, NULL, 0, &y, 1, &one.plan));
    fine(weft_session_new(one.plan, &p, 1, &one.s));
    fine(weft_bind(one.s, "x", floats(numbers, DIMS(BATCH, WIDTH))));
    const int64_t order[] = {0, 1, 300, 4, 0, 17};
    for (int i = 0; i < 6; i++) {
        fresh.plan = one.plan;
        fine(weft_session_new(one.plan, &p, 1, &fresh.s));
        fine(weft_bind(fresh.s, "x", floats(numbers, DIMS(BATCH, WIDTH))));
        fine(weft_set(fresh.s, "count", order[i]));
        fine(weft_set(one.s, "count", order[i]));
        fine(weft_run(fresh.s));
        fine(weft_run(one.s));
        assert_memory_equal(result(&one, y).data, result(&fresh, y).data, (size_t)(order[i] * HIDDEN) * sizeof(float));
        weft_session_free(fresh.s);
        for (int64_t k = 0; k < order[i] * HIDDEN; k += 97) { /* and they are the products */
            double sum = 0;
            for (int j = 0; j < WIDTH; j++)
                sum += (double)numbers[k / HIDDEN * WIDTH + j] * (double)weights[k % HIDDEN * WIDTH + j];
            assert_true(fabs((double)result_at(&one, y, k) - sum) < 1e-5);
        }
    }
    end(&one, true);
    weft_params_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_network_on_its_first_rows),
        cmocka_unit_test(packed_parameters_serve_all_counts),
    };
    return cmocka_run_group_tests(tests, open_engine, close_engine);
}
