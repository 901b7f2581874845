/* TabR against the authors' model: every intermediate, context sets, losses and gradients of five variants, the ablation
 * designs and frozen contexts, in float32 and float64. */
#include "golden.h"

static weft_engine *engine;

typedef struct tolerance {
    weft_dtype dtype;
    double value, gradient, floor;
} tolerance;

static const tolerance tolerances[] = {{WEFT_F32, 2e-5, 1e-4, 1e-7}, {WEFT_F64, 1e-10, 1e-10, 1e-13}};

static void same_contexts(weft_tensor got, weft_tensor wanted)
{
    int64_t m = wanted.dims.size[1];
    for (int64_t i = 0; i < wanted.dims.size[0]; i++)
        for (int64_t j = 0; j < m; j++) {
            bool there = false;
            for (int64_t k = 0; k < m; k++)
                there |= element(got, i * m + k) == element(wanted, i * m + j);
            if (!there)
                fail_msg("row %lld lacks context %g", (long long)i, element(wanted, i * m + j));
        }
}

static void check_gradients(const weft_arrays *out, const weft_arrays *golden, const char *prefix, const tolerance *t)
{
    int compared = 0;
    for (int64_t i = 0; i < weft_arrays_count(golden); i++) {
        weft_array wanted = weft_arrays_at(golden, i);
        weft_tensor got;
        if (strncmp(wanted.name, prefix, strlen(prefix)) != 0)
            continue;
        const char *name = wanted.name + strlen(prefix) - strlen("grad.");
        if (!weft_arrays_find(out, name, &got))
            fail_msg("%s is missing", name);
        bool zero = strstr(name, "K.bias") || strstr(name, "normalization.bias");
        double most = largest(wanted.tensor);
        if (zero && t->dtype == WEFT_F32)
            assert_true(largest(got) <= 1e-6); /* keys enter only as differences */
        else
            close_to(name, got, wanted.tensor, 0, t->gradient * most + t->floor);
        compared++;
    }
    assert_true(compared > 10);
}

static void pass_rows(weft_arrays *inputs, const char *to, const weft_arrays *golden, const char *from, bool target)
{
    static const char *const names[] = {"x_num", "x_bin", "x_cat", "y"};
    for (int i = 0; i < (target ? 4 : 3); i++) {
        char a[64], b[64];
        snprintf(a, sizeof a, "%s%s", to, names[i]);
        snprintf(b, sizeof b, "%s%s", from, names[i]);
        pass(inputs, a, golden, b);
    }
}

/* y of the batch: the golden's targets at batch.index */
static void pass_batch_target(weft_arrays *inputs, const weft_arrays *golden)
{
    weft_tensor y = golden_tensor(golden, "", "train.y"), index = golden_tensor(golden, "", "batch.index");
    int64_t B = index.dims.size[0];
    size_t e = weft_dtype_size(y.dtype);
    char *taken = malloc((size_t)B * e);
    for (int64_t i = 0; i < B; i++)
        memcpy(taken + (size_t)i * e, (const char *)y.data + (size_t)element(index, i) * e, e);
    MUST(weft_arrays_add_copy(inputs, "y", (weft_tensor){taken, y.dtype, DIMS(B)}));
    free(taken);
}

static const char *const taps[] = {"encoder_out", "keys", "candidate_keys", "similarities", "probs", "values", "after_retrieval"};
static const char *const tap_names[] = {"train.encoder_out", "train.batch_keys", "train.keys",           "train.similarities",
                                        "train.probs",       "train.values",     "train.after_retrieval"};

static void run_variant(const char *name, const tolerance *t)
{
    weft_arrays *golden = golden_open(name), *inputs, *out;
    weft_json *config = golden_config(golden, "");
    weft_params *params = golden_params(golden, "w.");
    void *model = NULL;
    MUST(weft_tabr_model.open(weft_json_root(config), name, &model));
    static const char *const grads[] = {"loss"};

    /* training mode: the batch is rows of the table, each excluded from its own context */
    MUST(weft_arrays_new(&inputs));
    MUST(weft_arrays_new(&out));
    pass_rows(inputs, "candidate.", golden, "train.", true);
    pass(inputs, "index", golden, "batch.index");
    pass_batch_target(inputs, golden);
    static const char *const masks[] = {"mask.dropout", "mask.T.2", "mask.blocks1.0.3", "mask.blocks1.0.5"};
    bool masked = false;
    weft_tensor any;
    for (int i = 0; i < 4; i++) {
        masked |= weft_arrays_find(golden, masks[i], &any);
        pass(inputs, masks[i], golden, masks[i]);
    }
    if (masked) /* masks are in nearest-first order: give that order */
        pass(inputs, "context_index", golden, "train.context_index");
    weft_run_request request = {
        .inputs = inputs, .taps = taps, .tap_count = 7, .grads = grads, .grad_count = 1, .dtype = t->dtype};
    MUST(weft_tabr_model.run(model, engine, params, NULL, &request, out));
    same_contexts(golden_tensor(out, "", "context_index"), golden_tensor(golden, "", "train.context_index"));
    for (int i = 0; i < 7; i++)
        close_to(taps[i], golden_tensor(out, "", taps[i]), golden_tensor(golden, "", tap_names[i]), t->value, 0);
    close_to("output", golden_tensor(out, "", "output"), golden_tensor(golden, "", "train.output"), t->value, 0);
    close_to("loss", golden_tensor(out, "", "loss"), golden_tensor(golden, "", "train.loss"), t->value, 0);
    check_gradients(out, golden, "grad.", t);
    weft_arrays_free(inputs);
    weft_arrays_free(out);

    /* the same rows without dropout */
    MUST(weft_arrays_new(&inputs));
    MUST(weft_arrays_new(&out));
    pass_rows(inputs, "candidate.", golden, "train.", true);
    pass(inputs, "index", golden, "batch.index");
    request = (weft_run_request){.inputs = inputs, .dtype = t->dtype};
    MUST(weft_tabr_model.run(model, engine, params, NULL, &request, out));
    close_to("train_eval.output", golden_tensor(out, "", "output"), golden_tensor(golden, "", "train_eval.output"), t->value, 0);
    weft_arrays_free(inputs);
    weft_arrays_free(out);

    /* other rows */
    MUST(weft_arrays_new(&inputs));
    MUST(weft_arrays_new(&out));
    pass_rows(inputs, "candidate.", golden, "train.", true);
    pass_rows(inputs, "", golden, "test.", true);
    static const char *const test_taps[] = {"keys", "candidate_keys", "probs"};
    request = (weft_run_request){.inputs = inputs, .taps = test_taps, .tap_count = 3, .dtype = t->dtype};
    MUST(weft_tabr_model.run(model, engine, params, NULL, &request, out));
    same_contexts(golden_tensor(out, "", "context_index"), golden_tensor(golden, "", "test.context_index"));
    for (int i = 0; i < 3; i++)
        close_to(test_taps[i], golden_tensor(out, "", test_taps[i]), golden_tensor(golden, "test.", test_taps[i]), t->value, 0);
    close_to("test.output", golden_tensor(out, "", "output"), golden_tensor(golden, "", "test.output"), t->value, 0);
    weft_arrays_free(inputs);
    weft_arrays_free(out);
    weft_tabr_model.close(model);
    weft_params_free(params);
    weft_json_free(config);
    weft_arrays_free(golden);
}

/* A batch of all candidates looks at no row beside it; its rows are those of the golden's smaller batch. */
static void a_batch_of_all_candidates(void **state)
{
    (void)state;
    weft_arrays *golden = golden_open("tabr_s_regression"), *inputs, *out;
    weft_json *config = golden_config(golden, "");
    weft_params *params = golden_params(golden, "w.");
    void *model = NULL;
    MUST(weft_tabr_model.open(weft_json_root(config), "tabr_s_regression", &model));
    weft_tensor batch = golden_tensor(golden, "", "batch.index"), wanted = golden_tensor(golden, "", "train_eval.output"), got;
    int64_t N = golden_tensor(golden, "", "train.y").dims.size[0], *all = malloc((size_t)N * sizeof *all);
    for (int64_t i = 0; i < N; i++)
        all[i] = i;
    MUST(weft_arrays_new(&inputs));
    MUST(weft_arrays_new(&out));
    pass_rows(inputs, "candidate.", golden, "train.", true);
    pass(inputs, "y", golden, "train.y");
    MUST(weft_arrays_add_copy(inputs, "index", (weft_tensor){all, WEFT_I64, DIMS(N)}));
    free(all);
    static const char *const grads[] = {"loss"};
    weft_run_request request = {.inputs = inputs, .grads = grads, .grad_count = 1, .dtype = WEFT_F64};
    MUST(weft_tabr_model.run(model, engine, params, NULL, &request, out));
    got = golden_tensor(out, "", "output");
    for (int64_t i = 0; i < batch.dims.size[0]; i++)
        assert_true(fabs(element(got, (int64_t)element(batch, i)) - element(wanted, i)) <= 1e-10);
    assert_true(largest(golden_tensor(out, "", "grad.linear.weight")) > 1e-3);
    weft_arrays_free(inputs);
    weft_arrays_free(out);
    weft_tabr_model.close(model);
    weft_params_free(params);
    weft_json_free(config);
    weft_arrays_free(golden);
}

static void both(const char *name)
{
    for (int i = 0; i < 2; i++)
        run_variant(name, &tolerances[i]);
}

static void tabr_s_regression(void **state)
{
    (void)state;
    both("tabr_s_regression");
}

static void tabr_plr_lite_multiclass(void **state)
{
    (void)state;
    both("tabr_plr_lite_multiclass");
}

static void tabr_plr_lite_regression(void **state)
{
    (void)state;
    both("tabr_plr_lite_regression");
}

static void tabr_plr_binary(void **state)
{
    (void)state;
    both("tabr_plr_binary");
}

static void tabr_lr_binary_dropout(void **state)
{
    (void)state;
    both("tabr_lr_binary_dropout");
}

static void design_steps(void **state)
{
    (void)state;
    static const char *const steps[] = {"step0", "step1", "step2", "step3", "tabr_s"};
    weft_arrays *golden = golden_open("design_steps");
    for (int k = 0; k < 10; k++) {
        const tolerance *t = &tolerances[k % 2];
        const char *step = steps[k / 2];
        char extra[256], prefix[32], name[32];
        snprintf(extra, sizeof extra, "\"task\": \"multiclass\", \"n_num_features\": 5%s%s%s",
                 k / 2 < 4 ? ", \"design\": \"" : "", k / 2 < 4 ? step : "", k / 2 < 4 ? "\"" : "");
        weft_json *config = golden_config(golden, extra);
        snprintf(prefix, sizeof prefix, "%s.w.", step);
        weft_params *params = golden_params(golden, prefix);
        void *model = NULL;
        MUST(weft_tabr_model.open(weft_json_root(config), step, &model));
        weft_arrays *inputs, *out;
        MUST(weft_arrays_new(&inputs));
        MUST(weft_arrays_new(&out));
        pass_rows(inputs, "candidate.", golden, "train.", true);
        pass(inputs, "index", golden, "batch.index");
        pass_batch_target(inputs, golden);
        static const char *const grads[] = {"loss"};
        weft_run_request request = {.inputs = inputs, .grads = grads, .grad_count = 1, .dtype = t->dtype};
        MUST(weft_tabr_model.run(model, engine, params, NULL, &request, out));
        snprintf(name, sizeof name, "%s.", step);
        close_to("output", golden_tensor(out, "", "output"), golden_tensor(golden, name, "output"), t->value, 0);
        close_to("loss", golden_tensor(out, "", "loss"), golden_tensor(golden, name, "loss"), t->value, 0);
        snprintf(name, sizeof name, "%s.grad.", step);
        check_gradients(out, golden, name, t);
        weft_arrays_free(inputs);
        weft_arrays_free(out);
        weft_tabr_model.close(model);
        weft_params_free(params);
        weft_json_free(config);
    }
    weft_arrays_free(golden);
}

static void context_freeze(void **state)
{
    (void)state;
    weft_arrays *golden = golden_open("context_freeze");
    weft_json *config = golden_config(golden, "\"task\": \"regression\", \"n_num_features\": 4");
    weft_params *params = golden_params(golden, "w.");
    void *model = NULL;
    MUST(weft_tabr_model.open(weft_json_root(config), "context_freeze", &model));
    for (int k = 0; k < 2; k++) {
        const tolerance *t = &tolerances[k];
        weft_arrays *inputs, *out;
        MUST(weft_arrays_new(&inputs));
        MUST(weft_arrays_new(&out));
        pass_rows(inputs, "candidate.", golden, "train.", true);
        pass(inputs, "index", golden, "batch.index");
        pass(inputs, "context_index", golden, "context_index");
        pass_batch_target(inputs, golden);
        static const char *const grads[] = {"loss"}, *const wanted[] = {"probs"};
        weft_run_request request = {
            .inputs = inputs, .taps = wanted, .tap_count = 1, .grads = grads, .grad_count = 1, .dtype = t->dtype};
        MUST(weft_tabr_model.run(model, engine, params, NULL, &request, out));
        close_to("output", golden_tensor(out, "", "output"), golden_tensor(golden, "", "output"), t->value, 0);
        close_to("probs", golden_tensor(out, "", "probs"), golden_tensor(golden, "", "probs"), t->value, 0);
        close_to("loss", golden_tensor(out, "", "loss"), golden_tensor(golden, "", "loss"), t->value, 0);
        check_gradients(out, golden, "grad.", t);
        weft_arrays_free(inputs);
        weft_arrays_free(out);
    }
    weft_tabr_model.close(model);
    weft_params_free(params);
    weft_json_free(config);
    weft_arrays_free(golden);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tabr_s_regression),        cmocka_unit_test(tabr_plr_lite_multiclass),
        cmocka_unit_test(tabr_plr_lite_regression), cmocka_unit_test(tabr_plr_binary),
        cmocka_unit_test(tabr_lr_binary_dropout),   cmocka_unit_test(design_steps),
        cmocka_unit_test(context_freeze),           cmocka_unit_test(a_batch_of_all_candidates),
    };
    if (weft_engine_new(&(weft_engine_options){.threads = 1}, &engine) != WEFT_OK)
        return 1;
    int failed = cmocka_run_group_tests_name("tabr_golden", tests, NULL, NULL);
    weft_engine_free(engine);
    return failed;
}
