/* Gradients that build marked blocks once more: the same bits from less memory. */
#include "graph/graph_case.h"
#include "weft/nn.h"

enum { ROWS = 64, WIDTH = 48, BLOCKS = 6 };

static weft_params *set;

/* Loss and gradients of some residual blocks with attention, norms, dropout and a gated half. */
static running blocks(bool again, weft_value *out, int *count)
{
    weft_graph *g = weft_graph_new(WEFT_F32);
    weft_graph_recompute(g, again);
    weft_value x = weft_input(g, "x", WEFT_F32, DIMS(1, ROWS, WIDTH));
    x = weft_mark(g, weft_linear(g, x, "in", WIDTH), WEFT_BLOCK_BOUNDARY);
    for (int i = 0; i < BLOCKS; i++) {
        weft_enter(g, "blocks.%d", i);
        weft_value h = weft_layer_norm(g, x, "norm", 1e-5);
        weft_value q = weft_reshape(g, weft_linear(g, h, "q", WIDTH), DIMS(1, ROWS, 4, WIDTH / 4));
        weft_value k = weft_reshape(g, weft_linear(g, h, "k", WIDTH), DIMS(1, ROWS, 4, WIDTH / 4));
        weft_value o = weft_attention(g, q, k, k, (weft_attention_options){.causal = true});
        x = weft_add(g, x, weft_dropout(g, weft_linear(g, weft_reshape(g, o, DIMS(1, ROWS, WIDTH)), "o", WIDTH), "drop", 0.2));
        h = weft_rms_norm(g, x, "norm2", 0, 1e-5);
        h = weft_gated(g, weft_linear(g, h, "gate", 4 * WIDTH), weft_linear(g, h, "up", 4 * WIDTH), WEFT_ACT_SILU);
        x = weft_mark(g, weft_add(g, x, weft_linear(g, h, "down", WIDTH)), WEFT_BLOCK_BOUNDARY);
        weft_leave(g);
    }
    out[0] = weft_mean_all(g, weft_square(g, weft_linear(g, x, "head", 3)));
    const int n = weft_graph_params(g, -1, NULL, NULL);
    weft_value wrt[128];
    for (int i = 0; i < n; i++)
        weft_graph_params(g, i, NULL, &wrt[i]);
    fine(weft_gradient(g, out[0], (weft_value){0}, wrt, n, out + 1));
    *count = n + 1;
    running r = {.g = g};
    if (!set) {
        fine(weft_params_new(&set));
        fine(weft_params_init(set, g, WEFT_F32, 3));
    }
    fine(weft_compile(engine, g, NULL, 0, out, n + 1, &r.plan));
    fine(weft_session_new(r.plan, &set, 1, &r.s));
    return r;
}

static void blocks_built_again_give_the_same_bits(void **state)
{
    (void)state;
    float x[ROWS * WIDTH];
    for (int i = 0; i < ROWS * WIDTH; i++)
        x[i] = (float)(i * 37 % 101) / 50 - 1;
    weft_value a[129], b[129];
    int n, m;
    running kept = blocks(false, a, &n), again = blocks(true, b, &m);
    assert_int_equal(n, m);
    running *both[2] = {&kept, &again};
    for (int i = 0; i < 2; i++) {
        fine(weft_bind(both[i]->s, "x", floats(x, DIMS(1, ROWS, WIDTH))));
        weft_seed(both[i]->s, 5, 9);
        fine(run_dirty(both[i]));
    }
    size_t gradients = 0;
    for (int i = 0; i < n; i++) {
        weft_tensor t = result(&kept, a[i]);
        assert_memory_equal(result(&again, b[i]).data, t.data, weft_tensor_bytes(t));
        gradients += weft_tensor_bytes(t);
    }
    const double full = (double)weft_plan_size(kept.plan).arena - (double)gradients;
    const double less = (double)weft_plan_size(again.plan).arena - (double)gradients;
    if (!(less < 0.45 * full))
        fail_msg("%.0f bytes of intermediates in place of %.0f", less, full);
    end(&kept, true);
    end(&again, true);
    weft_params_free(set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(blocks_built_again_give_the_same_bits)};
    return cmocka_run_group_tests(tests, open_engine, close_engine);
}
