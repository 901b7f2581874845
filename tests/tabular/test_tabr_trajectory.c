/* Whole training steps against the authors' model: search, gradients and AdamW on given batches of two real tables. */
#include "golden.h"
#include "tabular/fit.h"

static weft_engine *engine;

static weft_params *params_as(const weft_arrays *golden, weft_dtype dtype)
{
    weft_params *read = golden_params(golden, "w0."), *params = NULL;
    if (dtype == WEFT_F32)
        return read;
    MUST(weft_params_new(&params));
    for (int64_t i = 0; i < weft_params_count(read); i++) {
        weft_tensor t;
        const char *name = weft_params_at(read, i, &t);
        int64_t n = weft_dims_count(t.dims);
        double *wide = malloc((size_t)n * sizeof *wide);
        for (int64_t k = 0; k < n; k++)
            wide[k] = element(t, k);
        MUST(weft_params_set(params, name, (weft_tensor){wide, WEFT_F64, t.dims}));
        free(wide);
    }
    weft_params_free(read);
    return params;
}

/* Largest difference of a parameter from its golden end. */
static double distance(const weft_arrays *golden, const char *name, weft_tensor got)
{
    weft_tensor wanted = golden_tensor(golden, "w_final.", name);
    assert_true(weft_dims_equal(wanted.dims, got.dims));
    double most = 0;
    for (int64_t i = 0; i < weft_dims_count(got.dims); i++) {
        double d = fabs(element(got, i) - element(wanted, i));
        most = d <= most ? most : d;
    }
    return most;
}

static void follow(const char *name, weft_dtype dtype, double loss_bound, double weight_bound)
{
    weft_arrays *golden = golden_open(name);
    weft_tensor x = golden_tensor(golden, "", "train.x"), y = golden_tensor(golden, "", "train.y");
    weft_tensor batches = golden_tensor(golden, "", "batches"), losses = golden_tensor(golden, "", "losses.f64");
    int64_t steps = batches.dims.size[0], B = batches.dims.size[1], N = x.dims.size[0];
    char extra[128];
    snprintf(extra, sizeof extra, "\"n_num_features\": %lld, \"context_dropout\": 0, \"dropout0\": 0", (long long)x.dims.size[1]);
    weft_json *json = golden_config(golden, extra);
    weft_json_value root = weft_json_root(json);
    weft_tabular_config config = weft_tabular_default();
    MUST(weft_tabular_config_read(root, name, &config));
    weft_rows_data *rows = NULL;
    MUST(weft_rows_new(&config, N, &rows));
    memcpy(rows->x_num, x.data, (size_t)weft_dims_count(x.dims) * sizeof *rows->x_num);
    if (rows->y)
        memcpy(rows->y, y.data, (size_t)N * sizeof *rows->y);
    else
        memcpy(rows->label, y.data, (size_t)N * sizeof *rows->label);

    weft_params *params = params_as(golden, dtype);
    weft_optimizer *optimizer = NULL;
    weft_stepper *stepper = NULL;
    MUST(weft_optimizer_new(engine, params, &WEFT_ADAMW(weft_json_number(weft_json_get(root, "weight_decay"), -1)), &optimizer));
    MUST(weft_stepper_new(engine, &config, dtype, params, rows, B, &stepper));
    const double rate = weft_json_number(weft_json_get(root, "lr"), -1);
    assert_true(steps >= 35 && rate > 0);
    for (int64_t step = 0; step < steps; step++) {
        weft_session *session = NULL;
        double loss = NAN;
        MUST(weft_stepper_run(stepper, (const int64_t *)batches.data + step * B, B, 0, (uint64_t)step, &loss, &session));
        if (!(fabs(loss - element(losses, step)) <= loss_bound))
            fail_msg("%s: loss of step %lld is %.12g, expected %.12g", name, (long long)step, loss, element(losses, step));
        MUST(weft_optimizer_step(optimizer, session, rate));
    }
    double worst = 0;
    for (int64_t i = 0; i < weft_params_count(params); i++) {
        weft_tensor t;
        const char *parameter = weft_params_at(params, i, &t);
        double d = distance(golden, parameter, t);
        if (!(d <= weight_bound))
            fail_msg("%s: %s ends %g away", name, parameter, d);
        worst = fmax(worst, d);
    }
    print_message("%s %s: weights within %.2g\n", name, weft_dtype_name(dtype), worst);
    weft_stepper_free(stepper);
    weft_optimizer_free(optimizer);
    weft_params_free(params);
    weft_rows_free(rows);
    weft_tabular_config_free(&config);
    weft_json_free(json);
    weft_arrays_free(golden);
}

static void wine(void **state)
{
    (void)state;
    follow("trajectory_wine", WEFT_F32, 1e-4, 1e-3);
    follow("trajectory_wine", WEFT_F64, 1e-8, 1e-8);
}

static void california(void **state)
{
    (void)state;
    follow("trajectory_california", WEFT_F32, 1e-4, 1e-3);
    follow("trajectory_california", WEFT_F64, 1e-8, 1e-8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(wine), cmocka_unit_test(california)};
    if (weft_engine_new(&(weft_engine_options){.threads = 1}, &engine) != WEFT_OK)
        return 1;
    int failed = cmocka_run_group_tests_name("tabr_trajectory", tests, NULL, NULL);
    weft_engine_free(engine);
    return failed;
}
