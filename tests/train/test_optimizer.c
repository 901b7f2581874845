/* Optimisers against plain loops in double, written from the formulas; threads, groups, clipping, averages, accumulation. */
#include "train/optimizer.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { A = 20011, B = 7 }; /* more than two pieces; a few */

static weft_engine *new_engine(int threads)
{
    weft_engine *e;
    weft_engine_options options = {.threads = threads};
    assert_int_equal(weft_engine_new(&options, &e), WEFT_OK);
    return e;
}

/* A smooth pseudo-random number in (-1, 1) for element i of tensor `which` at step t. */
static double noise(int which, int t, int i)
{
    return sin(12.9898 * (i + 1) + 78.233 * (t + 3) + 37.719 * (which + 1));
}

typedef struct kit {
    weft_engine *engine;
    weft_params *params;
    weft_optimizer *optimizer;
    weft_dtype dtype;
    void *grad[2];
} kit;

static const char *const names[2] = {"layer.weight", "layer.bias"};
static const int counts[2] = {A, B};

static weft_tensor tensor_of(const kit *k, int which, void *data)
{
    return (weft_tensor){data, k->dtype, which ? DIMS(B) : DIMS(A, 1)};
}

static void put(const kit *k, void *data, int i, double value)
{
    if (k->dtype == WEFT_F64)
        ((double *)data)[i] = value;
    else
        ((float *)data)[i] = (float)value;
}

static double get(const kit *k, const void *data, int i)
{
    return k->dtype == WEFT_F64 ? ((const double *)data)[i] : (double)((const float *)data)[i];
}

static kit open_kit(int threads, weft_dtype dtype, const weft_optimizer_options *options)
{
    kit k = {.engine = new_engine(threads), .dtype = dtype};
    assert_int_equal(weft_params_new(&k.params), WEFT_OK);
    for (int w = 0; w < 2; w++) {
        k.grad[w] = calloc((size_t)counts[w], 8);
        assert_non_null(k.grad[w]);
        for (int i = 0; i < counts[w]; i++)
            put(&k, k.grad[w], i, noise(w, -1, i));
        assert_int_equal(weft_params_set(k.params, names[w], tensor_of(&k, w, k.grad[w])), WEFT_OK);
    }
    assert_int_equal(weft_optimizer_new(k.engine, k.params, options, &k.optimizer), WEFT_OK);
    return k;
}

static void close_kit(kit *k)
{
    weft_optimizer_free(k->optimizer);
    weft_params_free(k->params);
    weft_engine_free(k->engine);
    free(k->grad[0]);
    free(k->grad[1]);
}

static void fill_gradients(kit *k, int t, double scale)
{
    for (int w = 0; w < 2; w++)
        for (int i = 0; i < counts[w]; i++)
            put(k, k->grad[w], i, scale * noise(w, t, i));
}

static weft_status apply(kit *k, int n, double rate)
{
    weft_tensor grads[2] = {tensor_of(k, 0, k->grad[0]), tensor_of(k, 1, k->grad[1])};
    return weft_optimizer_apply(k->optimizer, names, grads, n, rate);
}

static const void *values(const kit *k, int which)
{
    weft_tensor t;
    assert_true(weft_params_get(k->params, names[which], &t));
    return t.data;
}

/* What the formulas give for one element after `steps` steps, with group settings (rate factor, decay) and gradient factors. */
static double by_hand(const weft_optimizer_options *o, int which, int i, int steps, double rate, double decay,
                      double (*factor)(int t))
{
    double p = noise(which, -1, i), m = 0, v = 0;
    for (int t = 0; t < steps; t++) {
        double g = noise(which, t, i) * (factor ? factor(t) : 1);
        if (o->kind == WEFT_OPTIMIZER_ADAMW) {
            p *= 1 - rate * decay;
            m = o->beta1 * m + (1 - o->beta1) * g;
            v = o->beta2 * v + (1 - o->beta2) * g * g;
            double mhat = m / (1 - pow(o->beta1, t + 1)), vhat = v / (1 - pow(o->beta2, t + 1));
            p -= rate * mhat / (sqrt(vhat) + o->eps);
        } else {
            g += decay * p;
            m = o->momentum * m + g;
            p -= rate * (o->nesterov ? g + o->momentum * m : m);
        }
    }
    return p;
}

static void compare(const kit *k, int which, const weft_optimizer_options *o, int steps, double rate, double decay,
                    double (*factor)(int t))
{
    double bound = k->dtype == WEFT_F64 ? 1e-12 : 2e-5;
    for (int i = 0; i < counts[which]; i += which ? 1 : 97) {
        double wanted = by_hand(o, which, i, steps, rate, decay, factor), got = get(k, values(k, which), i);
        if (!(fabs(got - wanted) <= bound))
            fail_msg("%s[%d]: got %.15g, wanted %.15g", names[which], i, got, wanted);
    }
}

static void follows_the_formulas(void **state)
{
    (void)state;
    weft_optimizer_options all[3] = {WEFT_ADAMW(0.1), WEFT_SGD(0.9), WEFT_SGD(0.9)};
    all[1].weight_decay = 0.05;
    all[2].nesterov = true;
    for (int dtype = WEFT_F32; dtype <= WEFT_F64; dtype++)
        for (int c = 0; c < 3; c++) {
            kit k = open_kit(1, (weft_dtype)dtype, &all[c]);
            for (int t = 0; t < 50; t++) {
                fill_gradients(&k, t, 1);
                assert_int_equal(apply(&k, 2, 0.01), WEFT_OK);
            }
            assert_int_equal(weft_optimizer_steps(k.optimizer), 50);
            compare(&k, 0, &all[c], 50, 0.01, all[c].weight_decay, NULL);
            compare(&k, 1, &all[c], 50, 0.01, all[c].weight_decay, NULL);
            close_kit(&k);
        }
}

static void obeys_groups(void **state)
{
    (void)state;
    const weft_parameter_group groups[] = {{"no such*", NULL, NULL, 9, 9}, {NULL, weft_covers_vectors, NULL, 0.5, 0}};
    weft_optimizer_options options = WEFT_ADAMW(0.1);
    options.groups = groups;
    options.group_count = 2;
    kit k = open_kit(1, WEFT_F64, &options);
    for (int t = 0; t < 5; t++) {
        fill_gradients(&k, t, 1);
        assert_int_equal(apply(&k, 2, 0.01), WEFT_OK);
    }
    compare(&k, 0, &options, 5, 0.01, 0.1, NULL);
    compare(&k, 1, &options, 5, 0.005, 0, NULL);
    close_kit(&k);
    /* a frozen parameter keeps its bits, whatever its gradient */
    const weft_parameter_group frozen[] = {{"*.bias", NULL, NULL, 0, 1}};
    options.groups = frozen;
    options.group_count = 1;
    k = open_kit(1, WEFT_F64, &options);
    double before[B];
    memcpy(before, values(&k, 1), sizeof before);
    fill_gradients(&k, 0, 1);
    put(&k, k.grad[1], 2, NAN);
    assert_int_equal(apply(&k, 2, 0.01), WEFT_OK);
    assert_memory_equal(before, values(&k, 1), sizeof before);
    close_kit(&k);
}

/* Without a gradient nothing moves and no step is counted for it; a zero gradient lets the moments act. */
static void tells_none_from_zero(void **state)
{
    (void)state;
    weft_optimizer_options options = WEFT_ADAMW(0);
    kit k = open_kit(1, WEFT_F64, &options);
    fill_gradients(&k, 0, 1);
    assert_int_equal(apply(&k, 2, 0.01), WEFT_OK);
    double before[B];
    memcpy(before, values(&k, 1), sizeof before);
    assert_int_equal(apply(&k, 1, 0.01), WEFT_OK); /* the weight's only */
    assert_memory_equal(before, values(&k, 1), sizeof before);
    memset(k.grad[1], 0, B * sizeof(double));
    assert_int_equal(apply(&k, 2, 0.01), WEFT_OK);
    for (int i = 0; i < B; i++) {
        double m = 0.9 * 0.1 * noise(1, 0, i), v = 0.999 * 0.001 * pow(noise(1, 0, i), 2);
        double wanted = before[i] - 0.01 * (m / (1 - 0.81)) / (sqrt(v / (1 - pow(0.999, 2))) + 1e-8);
        assert_true(fabs(((const double *)values(&k, 1))[i] - wanted) < 1e-12);
    }
    close_kit(&k);
}

static double joint_norm(int t)
{
    double sum = 0;
    for (int w = 0; w < 2; w++)
        for (int i = 0; i < counts[w]; i++)
            sum += pow(noise(w, t, i), 2);
    return sqrt(sum);
}

static double to_norm_ten(int t)
{
    return fmin(1, 10 / joint_norm(t));
}

static void clips(void **state)
{
    (void)state;
    weft_optimizer_options options = WEFT_SGD(0.9);
    options.clip_norm = 10;
    kit k = open_kit(1, WEFT_F64, &options);
    for (int t = 0; t < 3; t++) {
        fill_gradients(&k, t, 1);
        assert_int_equal(apply(&k, 2, 0.01), WEFT_OK);
        assert_true(fabs(weft_optimizer_norm(k.optimizer) - joint_norm(t)) < 1e-9);
    }
    compare(&k, 0, &options, 3, 0.01, 0, to_norm_ten);
    close_kit(&k);
    /* a norm under the bound changes nothing; elements are cut one by one */
    options = WEFT_SGD(0);
    options.clip_norm = 1e6;
    options.clip_value = 0.25;
    k = open_kit(1, WEFT_F64, &options);
    fill_gradients(&k, 0, 1);
    assert_int_equal(apply(&k, 2, 1), WEFT_OK);
    double sum = 0;
    for (int w = 0; w < 2; w++)
        for (int i = 0; i < counts[w]; i++) {
            double g = fmax(-0.25, fmin(0.25, noise(w, 0, i)));
            sum += g * g;
            assert_true(fabs(((const double *)values(&k, w))[i] - (noise(w, -1, i) - g)) < 1e-14);
        }
    assert_true(fabs(weft_optimizer_norm(k.optimizer) - sqrt(sum)) < 1e-9);
    close_kit(&k);
}

static void refuses_what_is_not_finite(void **state)
{
    (void)state;
    const double bad[2] = {NAN, -INFINITY};
    for (int b = 0; b < 2; b++) {
        weft_optimizer_options options = WEFT_ADAMW(0.1);
        options.clip_norm = 1;
        options.clip_value = b; /* with and without a cut that could hide it */
        kit k = open_kit(1, WEFT_F32, &options);
        float *before = malloc(A * sizeof *before);
        assert_non_null(before);
        memcpy(before, values(&k, 0), A * sizeof *before);
        fill_gradients(&k, 0, 1);
        put(&k, k.grad[1], 3, bad[b]);
        assert_int_equal(apply(&k, 2, 0.1), WEFT_ERROR_NUMERIC);
        assert_non_null(strstr(weft_error(), "\"layer.bias\""));
        assert_memory_equal(before, values(&k, 0), A * sizeof *before);
        assert_int_equal(weft_optimizer_steps(k.optimizer), 0);
        assert_int_equal(apply(&k, 1, NAN), WEFT_ERROR_ARGUMENT);
        assert_int_equal(apply(&k, 0, 0.1), WEFT_ERROR_ARGUMENT);
        weft_tensor wrong = {k.grad[0], WEFT_F32, DIMS(A)};
        assert_int_equal(weft_optimizer_apply(k.optimizer, names, &wrong, 1, 0.1), WEFT_ERROR_ARGUMENT);
        free(before);
        close_kit(&k);
    }
    weft_engine *e = new_engine(1);
    weft_params *p;
    weft_optimizer *o;
    assert_int_equal(weft_params_new(&p), WEFT_OK);
    weft_optimizer_options wrong[3] = {WEFT_ADAMW(-1), WEFT_ADAMW(0), WEFT_SGD(NAN)};
    wrong[1].beta2 = 1;
    for (int i = 0; i < 3; i++)
        assert_int_equal(weft_optimizer_new(e, p, &wrong[i], &o), WEFT_ERROR_ARGUMENT);
    weft_params_free(p);
    weft_engine_free(e);
}

static void averages(void **state)
{
    (void)state;
    for (int warmup = 0; warmup < 2; warmup++) {
        weft_optimizer_options options = WEFT_ADAMW(0.1);
        options.ema_decay = 0.9;
        options.ema_warmup = warmup;
        kit k = open_kit(1, WEFT_F64, &options);
        double wanted[B], now[B];
        memcpy(wanted, values(&k, 1), sizeof wanted);
        for (int t = 0; t < 100; t++) {
            fill_gradients(&k, t, 1);
            assert_int_equal(apply(&k, t % 3 ? 2 : 1, 0.01), WEFT_OK); /* an average goes on without a gradient */
            double d = warmup ? fmin(0.9, (2.0 + t) / (11.0 + t)) : 0.9;
            for (int i = 0; i < B; i++)
                wanted[i] = d * wanted[i] + (1 - d) * ((const double *)values(&k, 1))[i];
        }
        memcpy(now, values(&k, 1), sizeof now);
        assert_int_equal(weft_optimizer_swap_ema(k.optimizer), WEFT_OK);
        for (int i = 0; i < B; i++)
            assert_true(fabs(((const double *)values(&k, 1))[i] - wanted[i]) < 1e-13);
        assert_int_equal(apply(&k, 2, 0.01), WEFT_ERROR_ARGUMENT);
        assert_int_equal(weft_optimizer_swap_ema(k.optimizer), WEFT_OK);
        assert_memory_equal(now, values(&k, 1), sizeof now);
        assert_int_equal(apply(&k, 2, 0.01), WEFT_OK);
        close_kit(&k);
    }
    weft_optimizer_options none = WEFT_ADAMW(0);
    kit k = open_kit(1, WEFT_F32, &none);
    assert_int_equal(weft_optimizer_swap_ema(k.optimizer), WEFT_ERROR_ARGUMENT);
    close_kit(&k);
}

/* One and two threads, every bit of every kind of option. */
static void threads_change_nothing(void **state)
{
    (void)state;
    for (int c = 0; c < 2; c++) {
        weft_optimizer_options options = c ? WEFT_SGD(0.9) : WEFT_ADAMW(0.1);
        options.weight_decay = 0.1;
        options.nesterov = true;
        options.clip_norm = 3;
        options.clip_value = 0.5;
        options.ema_decay = 0.99;
        kit one = open_kit(1, WEFT_F32, &options), two = open_kit(2, WEFT_F32, &options);
        for (int t = 0; t < 10; t++) {
            fill_gradients(&one, t, 1);
            fill_gradients(&two, t, 1);
            assert_int_equal(apply(&one, 2, 0.01), WEFT_OK);
            assert_int_equal(apply(&two, 2, 0.01), WEFT_OK);
            assert_true(weft_optimizer_norm(one.optimizer) == weft_optimizer_norm(two.optimizer));
        }
        for (int swap = 0; swap < 2; swap++) {
            assert_memory_equal(values(&one, 0), values(&two, 0), A * sizeof(float));
            assert_memory_equal(values(&one, 1), values(&two, 1), B * sizeof(float));
            assert_int_equal(weft_optimizer_swap_ema(one.optimizer), WEFT_OK);
            assert_int_equal(weft_optimizer_swap_ema(two.optimizer), WEFT_OK);
        }
        close_kit(&one);
        close_kit(&two);
    }
}

/* ---- with a graph: loss = mean((x·w − y)²), rows of x taken whole or in two parts ---- */

enum { ROWS = 12, WIDTH = 5 };

typedef struct regression {
    weft_graph *graph;
    weft_plan *plan;
    weft_session *session;
} regression;

static regression open_regression(weft_engine *e, weft_params *p, int rows)
{
    regression r = {.graph = weft_graph_new(WEFT_F64)};
    weft_graph *g = r.graph;
    weft_value x = weft_input(g, "x", WEFT_F64, DIMS(rows, WIDTH)), y = weft_input(g, "y", WEFT_F64, DIMS(rows, 1));
    weft_value w = weft_param(g, "w", WEFT_NORMAL(1), DIMS(WIDTH, 1)), b = weft_param(g, "b", WEFT_ZEROS, DIMS(1));
    weft_value loss = weft_mean_all(g, weft_square(g, weft_sub(g, weft_add(g, weft_matmul(g, x, w), b), y)));
    weft_value wrt[2] = {w, b}, fetches[3] = {loss};
    assert_int_equal(weft_gradient(g, loss, (weft_value){0}, wrt, 2, fetches + 1), WEFT_OK);
    fetches[1] = weft_name(g, fetches[1], "grad.w");
    fetches[2] = weft_name(g, fetches[2], "grad.b");
    weft_name(g, loss, "loss");
    assert_int_equal(weft_params_init(p, g, WEFT_F64, 3), WEFT_OK);
    assert_int_equal(weft_compile(e, g, NULL, 0, fetches, 3, &r.plan), WEFT_OK);
    assert_int_equal(weft_session_new(r.plan, &p, 1, &r.session), WEFT_OK);
    return r;
}

static double run_regression(regression *r, double *x, double *y, int rows)
{
    weft_tensor loss;
    assert_int_equal(weft_bind(r->session, "x", (weft_tensor){x, WEFT_F64, DIMS(rows, WIDTH)}), WEFT_OK);
    assert_int_equal(weft_bind(r->session, "y", (weft_tensor){y, WEFT_F64, DIMS(rows, 1)}), WEFT_OK);
    assert_int_equal(weft_run(r->session), WEFT_OK);
    assert_int_equal(weft_fetch(r->session, "loss", &loss), WEFT_OK);
    return *(double *)loss.data;
}

static void close_regression(regression *r)
{
    weft_session_free(r->session);
    weft_plan_free(r->plan);
    weft_graph_free(r->graph);
}

static void accumulates_to_the_big_batch(void **state)
{
    (void)state;
    double x[ROWS * WIDTH], y[ROWS], first = 0, last = 0;
    for (int i = 0; i < ROWS * WIDTH; i++)
        x[i] = noise(0, 0, i);
    for (int i = 0; i < ROWS; i++)
        y[i] = 2 * x[i * WIDTH] - x[i * WIDTH + 3] + 0.5;
    weft_engine *e = new_engine(1);
    weft_params *p[2];
    weft_optimizer *o[2];
    weft_optimizer_options options = WEFT_ADAMW(0.01);
    regression whole, parts[2];
    for (int i = 0; i < 2; i++)
        assert_int_equal(weft_params_new(&p[i]), WEFT_OK);
    whole = open_regression(e, p[0], ROWS);
    parts[0] = open_regression(e, p[1], 8);
    parts[1] = open_regression(e, p[1], 4);
    for (int i = 0; i < 2; i++)
        assert_int_equal(weft_optimizer_new(e, p[i], &options, &o[i]), WEFT_OK);
    for (int t = 0; t < 200; t++) {
        last = run_regression(&whole, x, y, ROWS);
        if (t == 0)
            first = last;
        assert_int_equal(weft_optimizer_step(o[0], whole.session, 0.05), WEFT_OK);
        run_regression(&parts[0], x, y, 8);
        assert_int_equal(weft_optimizer_accumulate(o[1], parts[0].session, 8.0 / ROWS), WEFT_OK);
        run_regression(&parts[1], x + 8 * WIDTH, y + 8, 4);
        assert_int_equal(weft_optimizer_accumulate(o[1], parts[1].session, 4.0 / ROWS), WEFT_OK);
        assert_int_equal(weft_optimizer_step(o[1], NULL, 0.05), WEFT_OK);
    }
    assert_true(first > 1 && last < 1e-3);
    weft_tensor a, b;
    assert_true(weft_params_get(p[0], "w", &a) && weft_params_get(p[1], "w", &b));
    for (int i = 0; i < WIDTH; i++)
        assert_true(fabs(((double *)a.data)[i] - ((double *)b.data)[i]) < 1e-9);
    /* what was accumulated and dropped leaves no trace */
    assert_int_equal(weft_optimizer_accumulate(o[1], parts[0].session, 1), WEFT_OK);
    weft_optimizer_discard(o[1]);
    assert_int_equal(weft_optimizer_step(o[1], NULL, 0.05), WEFT_ERROR_ARGUMENT);
    for (int i = 0; i < 2; i++)
        weft_optimizer_free(o[i]);
    close_regression(&whole);
    close_regression(&parts[0]);
    close_regression(&parts[1]);
    weft_params_free(p[0]);
    weft_params_free(p[1]);
    weft_engine_free(e);
}

static double mean_of(const weft_arrays *state, const char *name)
{
    weft_tensor t;
    assert_true(weft_arrays_find(state, name, &t));
    assert_int_equal(t.dtype, WEFT_BF16);
    double sum = 0;
    for (int i = 0; i < A; i++) {
        const uint32_t bits = (uint32_t)((const uint16_t *)t.data)[i] << 16;
        float x;
        memcpy(&x, &bits, sizeof x);
        sum += (double)x;
    }
    return sum / A;
}

/* Moments in BF16 keep changes too small for their last bit in the mean: with beta2 = 0.999 a squared gradient that is rounded to
 * nearest would stay below a third of its value. Threads change nothing, and state taken from one run goes on in another. */
static void rounds_moments_at_random(void **state)
{
    (void)state;
    enum { STEPS = 3000 };
    weft_optimizer_options options = WEFT_ADAMW(0);
    options.bf16_moments = true;
    options.seed = 5;
    kit one = open_kit(1, WEFT_F32, &options), two = open_kit(2, WEFT_F32, &options), wide;
    for (int w = 0; w < 2; w++)
        for (int i = 0; i < counts[w]; i++) {
            put(&one, one.grad[w], i, 0.01);
            put(&two, two.grad[w], i, 0.01);
        }
    for (int t = 0; t < STEPS; t++) {
        assert_int_equal(apply(&one, 2, 1e-4), WEFT_OK);
        if (t < 20)
            assert_int_equal(apply(&two, 2, 1e-4), WEFT_OK);
        for (int w = 0; w < 2 && t == 19; w++)
            assert_memory_equal(values(&one, w), values(&two, w), (size_t)counts[w] * sizeof(float));
    }
    weft_arrays *kept;
    assert_int_equal(weft_arrays_new(&kept), WEFT_OK);
    assert_int_equal(weft_optimizer_collect(one.optimizer, kept), WEFT_OK);
    const double v = mean_of(kept, "v.layer.weight"), m = mean_of(kept, "m.layer.weight");
    assert_true(fabs(v / (1e-4 * (1 - pow(0.999, STEPS))) - 1) < 0.005 && fabs(m / 0.01 - 1) < 0.002);
    /* with equal gradients AdamW goes down by the rate a step */
    for (int i = 0; i < A; i += 97)
        assert_true(fabs(noise(0, -1, i) - STEPS * 1e-4 - get(&one, values(&one, 0), i)) < 0.03 * STEPS * 1e-4);
    for (int w = 0; w < 2; w++)
        assert_int_equal(weft_params_set(two.params, names[w], tensor_of(&one, w, (void *)(uintptr_t)values(&one, w))), WEFT_OK);
    assert_int_equal(weft_optimizer_restore(two.optimizer, kept, "kept"), WEFT_OK);
    assert_int_equal(apply(&one, 2, 1e-2), WEFT_OK);
    assert_int_equal(apply(&two, 2, 1e-2), WEFT_OK);
    for (int w = 0; w < 2; w++)
        assert_memory_equal(values(&one, w), values(&two, w), (size_t)counts[w] * sizeof(float));
    options.bf16_moments = false;
    wide = open_kit(1, WEFT_F32, &options);
    assert_int_equal(weft_optimizer_restore(wide.optimizer, kept, "kept"), WEFT_ERROR_ARGUMENT);
    assert_non_null(strstr(weft_error(), "is BF16"));
    weft_optimizer *none;
    options = WEFT_SGD(0.9);
    options.bf16_moments = true;
    assert_int_equal(weft_optimizer_new(wide.engine, wide.params, &options, &none), WEFT_ERROR_ARGUMENT);
    weft_arrays_free(kept);
    close_kit(&one);
    close_kit(&two);
    close_kit(&wide);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(follows_the_formulas),
        cmocka_unit_test(obeys_groups),
        cmocka_unit_test(tells_none_from_zero),
        cmocka_unit_test(clips),
        cmocka_unit_test(averages),
        cmocka_unit_test(refuses_what_is_not_finite),
        cmocka_unit_test(threads_change_nothing),
        cmocka_unit_test(accumulates_to_the_big_batch),
        cmocka_unit_test(rounds_moments_at_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
