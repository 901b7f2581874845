/* Gradients that are handed over while a plan runs: the same numbers as fetched ones, after the last reader of their parameter,
 * in less memory. */
#include "graph_case.h"

#include "graph/consume.h"
#include "graph/params.h"

enum { LAYERS = 6, WIDTH = 96, ROWS = 16, EACH = WIDTH * WIDTH };

/* A chain of layers whose weights are read forward and, transposed, backward; the first weight is used twice. */
typedef struct chain {
    weft_graph *g;
    weft_value loss, weight[LAYERS], gradient[LAYERS];
} chain;

static chain build(void)
{
    chain c = {.g = weft_graph_new(WEFT_F32)};
    weft_value x = weft_input(c.g, "x", WEFT_F32, DIMS(ROWS, WIDTH));
    for (int l = 0; l < LAYERS; l++) {
        c.weight[l] = weft_param_named(c.g, WEFT_UNIFORM(0.2), DIMS(WIDTH, WIDTH), "w%d", l);
        x = weft_silu(c.g, weft_matmul_nt(c.g, x, c.weight[l]));
    }
    x = weft_matmul(c.g, x, c.weight[0]);
    c.loss = weft_name(c.g, weft_sum_all(c.g, weft_square(c.g, x)), "loss");
    fine(weft_gradient(c.g, c.loss, (weft_value){0}, c.weight, LAYERS, c.gradient));
    return c;
}

static weft_params *weights(const chain *c)
{
    weft_params *set;
    fine(weft_params_new(&set));
    fine(weft_params_init(set, c->g, WEFT_F32, 3));
    return set;
}

static float *numbers_of(weft_params *set, int l)
{
    char name[8];
    weft_tensor t;
    snprintf(name, sizeof name, "w%d", l);
    fine(weft_params_edit(set, name, &t));
    return t.data;
}

static void descend(float *w, const float *gradient, int64_t from, int64_t to)
{
    for (int64_t i = from; i < to; i++)
        w[i] -= 1e-3F * gradient[i];
}

typedef struct taker {
    float *w[LAYERS];
    int taken[LAYERS];
} taker;

static int64_t two_pieces(void *user, int item)
{
    (void)user;
    (void)item;
    return 2;
}

static void take(void *user, int item, const void *data, int64_t piece, int thread)
{
    (void)thread;
    taker *t = user;
    descend(t->w[item], data, piece * EACH / 2, (piece + 1) * EACH / 2);
    __atomic_add_fetch(&t->taken[item], 1, __ATOMIC_RELAXED);
}

static void weights_change_as_after_the_run(void **state)
{
    (void)state;
    weft_engine *alone = engine;
    float x[ROWS * WIDTH], losses[2][3];
    for (int i = 0; i < ROWS * WIDTH; i++)
        x[i] = (float)(i % 31) * 0.05F - 0.7F;
    for (int threads = 1; threads <= 2; threads++) {
        fine(weft_engine_new(&(weft_engine_options){.threads = threads}, &engine));
        weft_params *sets[2];
        int64_t arena[2];
        for (int inside = 0; inside < 2; inside++) {
            chain c = build();
            weft_params *set = sets[inside] = weights(&c);
            weft_value fetches[1 + LAYERS] = {c.loss};
            weft_consumed consumed[LAYERS];
            taker t = {0};
            for (int l = 0; l < LAYERS; l++) {
                fetches[1 + l] = c.gradient[l];
                consumed[l] = (weft_consumed){c.gradient[l], c.weight[l]};
                t.w[l] = numbers_of(set, l);
            }
            running r = {.g = c.g};
            fine(weft_compile_consuming(engine, c.g, NULL, 0, fetches, inside ? 1 : 1 + LAYERS, consumed, inside ? LAYERS : 0,
                                        &r.plan));
            arena[inside] = weft_plan_size(r.plan).arena;
            fine(weft_session_new(r.plan, &set, 1, &r.s));
            fine(weft_bind(r.s, "x", floats(x, DIMS(ROWS, WIDTH))));
            if (inside) {
                assert_int_equal(weft_run(r.s), WEFT_ERROR_ARGUMENT);
                assert_non_null(strstr(weft_error(), "nobody takes them"));
            }
            for (int step = 0; step < 3; step++) {
                const weft_consumer consumer = {&t, two_pieces, take};
                weft_session_consumer(r.s, inside ? &consumer : NULL);
                fine(weft_run(r.s));
                losses[inside][step] = result_at(&r, c.loss, 0);
                for (int l = 0; l < LAYERS && !inside; l++)
                    descend(t.w[l], result(&r, c.gradient[l]).data, 0, EACH);
                weft_params_touch(set);
                for (int l = 0; l < LAYERS; l++)
                    assert_int_equal(t.taken[l], inside ? 2 * (step + 1) : 0);
            }
            end(&r, true);
        }
        assert_memory_equal(losses[0], losses[1], sizeof losses[0]);
        assert_true(losses[0][2] < losses[0][0]);
        for (int l = 0; l < LAYERS; l++)
            assert_memory_equal(numbers_of(sets[0], l), numbers_of(sets[1], l), EACH * sizeof(float));
        /* of all gradients at most three are there at once: the first weight's first part, a layer's, and one just finished */
        assert_true(arena[1] <= arena[0] - (LAYERS - 3) * EACH * (int64_t)sizeof(float));
        weft_params_free(sets[0]);
        weft_params_free(sets[1]);
        weft_engine_free(engine);
    }
    engine = alone;
}

/* A constant gradient, a value that waits for nothing, one that is fetched as well, and one twice. */
static void any_value_is_handed_over(void **state)
{
    (void)state;
    weft_graph *g = weft_graph_new(WEFT_F32);
    float x[EACH], w[2][EACH] = {{0}};
    for (int i = 0; i < EACH; i++)
        x[i] = (float)(i % 7);
    const weft_value in = weft_input(g, "x", WEFT_F32, DIMS(EACH)), y = weft_scale(g, in, 2),
                     one = weft_constant(g, 1, DIMS(EACH));
    const weft_consumed consumed[] = {{y, {0}}, {one, {0}}, {y, in}};
    taker t = {.w = {w[0], w[1], w[0]}};
    running r = {.g = g};
    fine(weft_graph_status(g));
    fine(weft_compile_consuming(engine, g, NULL, 0, &y, 1, consumed, 3, &r.plan));
    assert_int_equal(weft_plan_consumed(r.plan, -1, NULL), 3);
    fine(weft_session_new(r.plan, NULL, 0, &r.s));
    fine(weft_bind(r.s, "x", floats(x, DIMS(EACH))));
    weft_session_consumer(r.s, &(weft_consumer){&t, two_pieces, take});
    fine(weft_run(r.s));
    for (int i = 0; i < EACH; i++) {
        assert_true(fabsf(w[0][i] + 4e-3F * x[i]) < 1e-6F && fabsf(w[1][i] + 1e-3F) < 1e-6F);
        assert_true(result_at(&r, y, i) == 2 * x[i]);
    }
    end(&r, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(weights_change_as_after_the_run),
        cmocka_unit_test(any_value_is_handed_over),
    };
    return cmocka_run_group_tests(tests, open_engine, close_engine);
}
