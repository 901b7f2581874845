/* Gradients of the families whose goldens store none, Qwen 3 and Gemma 3, against differences of the loss in double. */
#include "lm_case.h"

#include "base/random.h"

enum { TOKENS = 9 };

static double loss_of(const lm_case *c, const int64_t *ids, weft_arrays **gradients)
{
    static const char *const loss[] = {"loss"};
    weft_model *model;
    weft_arrays *inputs, *out;
    MUST(weft_arrays_new(&inputs));
    MUST(weft_arrays_new(&out));
    MUST(weft_arrays_add(inputs, "input_ids", (weft_tensor){(void *)(uintptr_t)ids, WEFT_I64, DIMS(TOKENS)}));
    MUST(weft_arrays_add(inputs, "labels", (weft_tensor){(void *)(uintptr_t)ids, WEFT_I64, DIMS(TOKENS)}));
    MUST(weft_model_open(c->folder, &model));
    MUST(weft_model_run(model, test_engine(),
                        &(weft_run_request){.inputs = inputs, .dtype = WEFT_F64, .grads = loss, .grad_count = gradients != NULL},
                        out));
    const double value = element(tensor_of(out, "loss"), 0);
    weft_model_free(model);
    weft_arrays_free(inputs);
    if (gradients)
        *gradients = out;
    else
        weft_arrays_free(out);
    return value;
}

/* The golden's weights with `which` moved by `step` along `direction`, stored in double. */
static void move(const lm_case *c, const char *which, const double *direction, double step)
{
    weft_arrays *set;
    MUST(weft_arrays_new(&set));
    for (int64_t i = 0; i < weft_arrays_count(c->golden); i++) {
        weft_array a = weft_arrays_at(c->golden, i);
        if (!is_weight(a.name))
            continue;
        const int64_t n = weft_dims_count(a.tensor.dims);
        double *moved = malloc((size_t)n * sizeof *moved);
        assert_non_null(moved);
        for (int64_t k = 0; k < n; k++)
            moved[k] = element(a.tensor, k) + (strcmp(a.name, which) == 0 ? step * direction[k] : 0);
        MUST(weft_arrays_add_copy(set, a.name, (weft_tensor){moved, WEFT_F64, a.tensor.dims}));
        free(moved);
    }
    char *path = weft_path_join(c->folder, "model.safetensors");
    MUST(weft_safetensors_save(set, path));
    weft_arrays_free(set);
    free(path);
}

static void check(const char *name)
{
    lm_case c = case_open(name);
    int64_t ids[TOKENS];
    weft_arrays *gradients;
    const double step = 1e-4;
    for (int i = 0; i < TOKENS; i++)
        ids[i] = 3 + 11 * i % 40;
    move(&c, "", NULL, 0);
    loss_of(&c, ids, &gradients);
    int checked = 0;
    for (int64_t i = 0; i < weft_arrays_count(c.golden); i++) {
        weft_array a = weft_arrays_at(c.golden, i);
        if (!is_weight(a.name))
            continue;
        char full[300];
        snprintf(full, sizeof full, "grad.%s", a.name);
        weft_tensor g = tensor_of(gradients, full);
        const int64_t n = weft_dims_count(a.tensor.dims);
        double *direction = malloc((size_t)n * sizeof *direction), foretold = 0, size = 0;
        weft_random_key key = weft_random_stream(5, a.name);
        assert_true(direction && weft_dims_equal(g.dims, a.tensor.dims));
        for (int64_t k = 0; k < n; k++) {
            direction[k] = 2 * weft_random_uniform(key, 0, (uint64_t)k, 0) - 1;
            foretold += direction[k] * element(g, k);
            size += fabs(direction[k] * element(g, k));
        }
        double ends[2];
        for (int side = 0; side < 2; side++) {
            move(&c, a.name, direction, side ? step : -step);
            ends[side] = loss_of(&c, ids, NULL);
        }
        const double measured = (ends[1] - ends[0]) / (2 * step);
        if (!(fabs(measured - foretold) <= 1e-5 * fmax(size, 1e-3)))
            fail_msg("%s, %s: the loss rises by %.9g, its gradient says %.9g", name, a.name, measured, foretold);
        free(direction);
        checked++;
    }
    assert_true(checked > 10);
    weft_arrays_free(gradients);
    case_close(&c);
}

static void qwen3(void **state)
{
    (void)state;
    check("qwen3");
}

static void gemma3(void **state)
{
    (void)state;
    check("gemma3");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(qwen3), cmocka_unit_test(gemma3)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
