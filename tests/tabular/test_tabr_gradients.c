/* Gradients of TabR in float64: those that are zero because keys enter only as differences; all of them against central
 * differences of the loss; and second derivatives against central differences of the gradients. */
#include "tabr_case.h"

static weft_engine *engine;

enum { BATCH = 4, CAPACITY = 7, USED = 6, CONTEXT = 4 };

/* A graph with loss, "grad.NAME" of every parameter and "second.NAME": the gradient of Σ weights · gradients, the weights being
 * inputs "weight.NAME". Contexts are random, so the choice of neighbours stays as it is. */
typedef struct subject {
    weft_tabular_config config;
    weft_graph *graph;
    weft_plan *plan;
    weft_session *session;
    weft_params *params;
    weft_rows_data *rows;
    int64_t context[BATCH * CONTEXT], label[BATCH * CONTEXT], row_key[BATCH + CAPACITY];
    float y[BATCH * CONTEXT];
    double *weights[64];
    float target[BATCH];
} subject;

static void add_derivatives(subject *s)
{
    weft_value wanted[256], loss = weft_find(s->graph, "loss"), wrt[64], sum = weft_constant(s->graph, 0, DIMS(1));
    int n = weft_graph_params(s->graph, -1, NULL, NULL), count = 0;
    assert_true(n > 8 && n <= 64);
    for (int i = 0; i < n; i++)
        weft_graph_params(s->graph, i, NULL, &wrt[i]);
    weft_value *first = wanted, *second = wanted + n;
    MUST(weft_gradient(s->graph, loss, (weft_value){0}, wrt, n, first));
    for (int i = 0; i < n; i++) {
        const char *name;
        char weight[128];
        weft_graph_params(s->graph, i, &name, NULL);
        snprintf(weight, sizeof weight, "weight.%s", name);
        first[i] = weft_name(s->graph, first[i], "grad.%s", name);
        weft_value w = weft_input(s->graph, weight, WEFT_F64, weft_shape(s->graph, wrt[i]));
        weft_value term = weft_sum_all(s->graph, weft_mul(s->graph, first[i], w));
        sum = weft_add(s->graph, sum, weft_reshape(s->graph, term, DIMS(1)));
    }
    wanted[2 * n + count++] = weft_name(s->graph, sum, "weighted");
    wanted[2 * n + count++] = loss;
    MUST(weft_gradient(s->graph, sum, (weft_value){0}, wrt, n, second));
    for (int i = 0; i < n; i++) {
        const char *name;
        weft_graph_params(s->graph, i, &name, NULL);
        second[i] = weft_name(s->graph, second[i], "second.%s", name);
    }
    MUST(weft_compile(engine, s->graph, NULL, 0, wanted, 2 * n + count, &s->plan));
    MUST(weft_session_new(s->plan, &s->params, 1, &s->session));
}

static void bind_if(subject *s, const char *name, void *data, weft_dtype dtype, weft_dims dims)
{
    if (weft_find(s->graph, name).id)
        MUST(weft_bind(s->session, name, (weft_tensor){data, dtype, dims}));
}

static void subject_open(subject *s, const weft_tabular_config *c, weft_tabr_form form, uint64_t seed)
{
    memset(s, 0, sizeof *s);
    s->config = *c;
    s->config.context_size = CONTEXT;
    c = &s->config;
    form.batch = BATCH;
    form.capacity = CAPACITY;
    form.loss = true;
    s->params = case_params(c, WEFT_F64, seed);
    s->rows = case_rows(c, BATCH + CAPACITY, seed);
    s->graph = weft_graph_new(WEFT_F64);
    assert_non_null(s->graph);
    weft_tabr_build(s->graph, c, &form);
    MUST(weft_graph_status(s->graph));
    add_derivatives(s);

    weft_random_key key = weft_random_stream(seed, "subject");
    for (int i = 0; i < BATCH * CONTEXT; i++) { /* no row looks at itself, none twice at the same */
        int row = i / CONTEXT, place = i % CONTEXT;
        s->context[i] = (row + 1 + 2 * place + (int64_t)(seed % 2)) % (BATCH + USED);
        s->label[i] = c->n_classes ? (int64_t)weft_random_below(key, 0, 0, (uint64_t)i, (uint64_t)c->n_classes) : 0;
        s->y[i] = (float)weft_random_normal(key, 1, 0, (uint64_t)i);
    }
    for (int i = 0; i < BATCH; i++)
        s->target[i] = s->rows->y ? s->rows->y[i] : (float)s->rows->label[i];
    int64_t n = BATCH + CAPACITY;
    for (int64_t i = 0; i < n; i++)
        s->row_key[i] = 3 * i;
    bind_if(s, "row_key", s->row_key, WEFT_I64, DIMS(n));
    weft_seed(s->session, seed, 2);
    bind_if(s, "rows.x_num", s->rows->x_num, WEFT_F32, DIMS(n, s->rows->n_num));
    bind_if(s, "rows.x_bin", s->rows->x_bin, WEFT_F32, DIMS(n, s->rows->n_bin));
    bind_if(s, "rows.one_hot", s->rows->x_hot, WEFT_F32, DIMS(n, s->rows->one_hot));
    bind_if(s, "context", s->context, WEFT_I64, DIMS(BATCH, CONTEXT));
    bind_if(s, "context_label", s->label, WEFT_I64, DIMS(BATCH, CONTEXT));
    bind_if(s, "context_y", s->y, WEFT_F32, DIMS(BATCH, CONTEXT));
    if (c->task == WEFT_TASK_MULTICLASS)
        bind_if(s, "y", s->rows->label, WEFT_I64, DIMS(BATCH));
    else
        bind_if(s, "y", s->target, WEFT_F32, DIMS(BATCH));
    MUST(weft_set(s->session, "unique", USED));
    for (int64_t i = 0; i < weft_params_count(s->params); i++) {
        weft_tensor t;
        char name[128];
        snprintf(name, sizeof name, "weight.%s", weft_params_at(s->params, i, &t));
        int64_t size = weft_dims_count(t.dims);
        s->weights[i] = malloc((size_t)size * sizeof **s->weights);
        for (int64_t k = 0; k < size; k++)
            s->weights[i][k] = weft_random_normal(key, 2, (uint64_t)i, (uint64_t)k);
        bind_if(s, name, s->weights[i], WEFT_F64, t.dims);
    }
}

static void subject_close(subject *s)
{
    weft_session_free(s->session);
    weft_plan_free(s->plan);
    weft_graph_free(s->graph);
    weft_params_free(s->params);
    weft_rows_free(s->rows);
    for (int i = 0; i < 64; i++)
        free(s->weights[i]);
}

static weft_tensor fetched(subject *s, const char *prefix, const char *name)
{
    char full[128];
    weft_tensor t;
    snprintf(full, sizeof full, "%s%s", prefix, name);
    MUST(weft_fetch(s->session, full, &t));
    return t;
}

/* loss, and the weighted sum of gradients, with one weight set to `value` */
static void evaluate(subject *s, double *weight, double value, double out[2])
{
    *weight = value;
    weft_params_touch(s->params);
    MUST(weft_run(s->session));
    out[0] = element(fetched(s, "", "loss"), 0);
    out[1] = element(fetched(s, "", "weighted"), 0);
}

/* Every entry of every parameter. Where a ReLU turns within the step the difference is off: a smaller step decides. The bound is
 * relative to the largest entry of the tensor, or of all gradients for those that are zero but for rounding. */
static void check_differences(subject *s, const char *model)
{
    static const double steps[] = {2e-5, 2e-6, 2e-7};
    MUST(weft_run(s->session));
    double scale[2] = {0, 0};
    for (int64_t i = 0; i < weft_params_count(s->params); i++) {
        weft_tensor t;
        const char *name = weft_params_at(s->params, i, &t);
        scale[0] = fmax(scale[0], largest(fetched(s, "grad.", name)));
        scale[1] = fmax(scale[1], largest(fetched(s, "second.", name)));
    }
    assert_true(scale[0] > 1e-3 && scale[1] > 1e-3);
    int entries = 0;
    for (int64_t i = 0; i < weft_params_count(s->params); i++) {
        weft_tensor t, d[2];
        const char *name = weft_params_at(s->params, i, &t);
        double *held[2], bound[2];
        MUST(weft_run(s->session)); /* back to the weights as they are */
        for (int order = 0; order < 2; order++) {
            d[order] = fetched(s, order ? "second." : "grad.", name);
            size_t bytes = weft_tensor_bytes(d[order]);
            double most = largest(d[order]);
            held[order] = malloc(bytes);
            memcpy(held[order], d[order].data, bytes);
            bound[order] = 1e-6 * (most > 1e-9 * scale[order] ? most : scale[order]);
        }
        for (int64_t k = 0; k < weft_dims_count(t.dims); k++) {
            double *weight = (double *)t.data + k, was = *weight, up[2], down[2];
            bool fine[2] = {false, false};
            for (int e = 0; e < 3 && !(fine[0] && fine[1]); e++) {
                evaluate(s, weight, was + steps[e], up);
                evaluate(s, weight, was - steps[e], down);
                for (int order = 0; order < 2; order++) {
                    /* rounding of the difference itself, where the gradient is small beside the loss */
                    double rounding = 1e-15 * (fabs(up[order]) + 1) / steps[e];
                    double difference = (up[order] - down[order]) / (2 * steps[e]);
                    fine[order] |= fabs(difference - held[order][k]) <= bound[order] + rounding;
                }
            }
            *weight = was;
            weft_params_touch(s->params);
            if (!fine[0])
                fail_msg("%s: gradient of %s[%lld] is %.12g, differences give %.12g", model, name, (long long)k, held[0][k],
                         (up[0] - down[0]) / (2 * steps[2]));
            if (!fine[1])
                fail_msg("%s: second derivative by %s[%lld] is %.12g, differences give %.12g", model, name, (long long)k,
                         held[1][k], (up[1] - down[1]) / (2 * steps[2]));
            entries++;
        }
        free(held[0]);
        free(held[1]);
    }
    assert_true(entries > 100);
}

static const weft_numeric_embedding_kind kinds[] = {WEFT_NUMERIC_NONE, WEFT_NUMERIC_LINEAR, WEFT_NUMERIC_LR,
                                                    WEFT_NUMERIC_PLR_LITE, WEFT_NUMERIC_PLR};

/* b_K cancels in every k_i − k_j, and so does the bias of the norm before W_K. */
static void biases_of_keys_have_no_gradient(void **state)
{
    (void)state;
    for (int number = 0; number < 45; number++) {
        subject s;
        int encoder = number % 3, predictor = number / 15 % 3;
        weft_tabular_config c = case_config((weft_task)(number / 3 % 3), kinds[number % 5], 2, 10, encoder, predictor);
        subject_open(&s, &c, (weft_tabr_form){.training = true, .plain = number % 2}, (uint64_t)number);
        MUST(weft_run(s.session));
        assert_true(largest(fetched(&s, "grad.", "K.weight")) > 1e-5);
        double scale = largest(fetched(&s, "grad.", "linear.weight"));
        assert_true(largest(fetched(&s, "grad.", "K.bias")) <= 1e-14 * fmax(scale, 1));
        if (encoder)
            assert_true(largest(fetched(&s, "grad.", "normalization.bias")) <= 1e-14 * fmax(scale, 1));
        subject_close(&s);
    }
}

static void check_model(int number, weft_tabr_form form, const char *form_name)
{
    char model[64];
    subject s;
    weft_tabular_config c = case_config((weft_task)(number % 3), kinds[number % 5], 2, form.folded ? 12 : 5, number / 2 % 3,
                                        number % 2 + number / 5 % 2);
    if (form.folded)
        c.encoder_n_blocks = 0;
    if (number % 2) /* masks stay as they are from run to run */
        c.dropout0 = c.dropout1 = c.context_dropout = 0.3;
    snprintf(model, sizeof model, "model %d, %s form", number, form_name);
    subject_open(&s, &c, form, (uint64_t)number);
    check_differences(&s, model);
    subject_close(&s);
}

static void usual_form(void **state)
{
    (void)state;
    for (int number = 0; number < 10; number++)
        check_model(number, (weft_tabr_form){.training = true}, "usual");
}

static void plain_form(void **state)
{
    (void)state;
    for (int number = 0; number < 5; number++)
        check_model(number, (weft_tabr_form){.training = true, .plain = true}, "plain");
}

static void folded_form(void **state)
{
    (void)state;
    check_model(0, (weft_tabr_form){.training = true, .folded = true}, "folded");
    check_model(5, (weft_tabr_form){.training = true, .folded = true}, "folded");
    check_model(10, (weft_tabr_form){.training = true, .folded = true}, "folded");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(biases_of_keys_have_no_gradient),
        cmocka_unit_test(usual_form),
        cmocka_unit_test(plain_form),
        cmocka_unit_test(folded_form),
    };
    if (weft_engine_new(&(weft_engine_options){.threads = 1}, &engine) != WEFT_OK)
        return 1;
    int failed = cmocka_run_group_tests_name("tabr_gradients", tests, NULL, NULL);
    weft_engine_free(engine);
    return failed;
}
