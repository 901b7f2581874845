/* Heads beside the usual: classifiers of numbers and of several labels at once, a masked-word head with a table of its own, and
 * what an adapter puts in place of the base's tensors, under the names that PEFT gives it. */
#include "lm_case.h"

enum { BATCH = 3, TOKENS = 5, CLASSES = 4 };

/* A folder made of a golden model: some keys put in front of config.json's own, some tensors beside the file's. */
typedef struct made {
    lm_case c;
    float values[8][4096];
    int used;
    weft_arrays *set;
} made;

static void begin(made *m, const char *name)
{
    memset(m, 0, sizeof *m);
    m->c = case_open(name);
    MUST(weft_arrays_new(&m->set));
}

/* Adds NAME, a wave of its own. */
static weft_tensor add_wave(made *m, const char *name, weft_dims dims, double size)
{
    float *values = m->values[m->used++];
    for (int64_t i = 0; i < weft_dims_count(dims); i++)
        values[i] = (float)(size * sin(0.7 * (double)i + m->used));
    weft_tensor t = {values, WEFT_F32, dims};
    MUST(weft_arrays_add(m->set, name, t));
    return t;
}

static void save(made *m, const char *folder, const char *file)
{
    char *path = weft_path_join(folder, file);
    MUST(weft_safetensors_save(m->set, path));
    free(path);
    weft_arrays_free(m->set);
    MUST(weft_arrays_new(&m->set));
}

static void write_config(const made *m, const char *keys)
{
    char text[8192];
    const char *own = strchr(weft_arrays_metadata(m->c.golden, "config"), '{');
    assert_true(snprintf(text, sizeof text, "{%s, %s", keys, own + 1) < (int)sizeof text);
    write_text(m->c.folder, "config.json", text);
}

static weft_arrays *run(const made *m, const char *adapter, weft_tensor labels, bool gradients, weft_status expected)
{
    static int64_t ids[BATCH * TOKENS];
    static const char *const loss[] = {"loss"};
    weft_model *model;
    weft_arrays *inputs, *out;
    for (int i = 0; i < BATCH * TOKENS; i++)
        ids[i] = 3 + i * 7 % 11;
    MUST(weft_arrays_new(&inputs));
    MUST(weft_arrays_new(&out));
    MUST(weft_arrays_add(inputs, "input_ids", (weft_tensor){ids, WEFT_I64, DIMS(BATCH, TOKENS)}));
    if (labels.data)
        MUST(weft_arrays_add(inputs, "labels", labels));
    weft_run_request request = {
        .inputs = inputs, .dtype = WEFT_F64, .adapter = adapter, .grads = loss, .grad_count = gradients && labels.data};
    MUST(weft_model_open(m->c.folder, &model));
    assert_int_equal(weft_model_run(model, test_engine(), &request, out), expected);
    weft_model_free(model);
    weft_arrays_free(inputs);
    return out;
}

static void end(made *m)
{
    weft_arrays_free(m->set);
    case_close(&m->c);
}

static int64_t width_of(const lm_case *c, const char *embedding)
{
    return tensor_of(c->golden, embedding).dims.size[1];
}

/* Losses of numbers: the mean of squares or of binary cross-entropies, from the logits that the same run writes. */
static void numbers_as_labels(void **state)
{
    (void)state;
    static const struct {
        const char *keys;
        int classes;
        bool flat, several;
    } kinds[] = {{"\"problem_type\": \"regression\"", CLASSES, false, false},
                 {"\"problem_type\": \"regression\"", 1, true, false},
                 {"\"problem_type\": null", 1, true, false}, /* one class is a number */
                 {"\"problem_type\": null", 1, false, false},
                 {"\"problem_type\": \"multi_label_classification\"", CLASSES, false, true},
                 {"\"problem_type\": null", CLASSES, false, true}}; /* the labels' type says it */
    static made m;
    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
        const int n = kinds[k].classes;
        float labels[BATCH * CLASSES];
        begin(&m, "mistral");
        for (int i = 0; i < BATCH * n; i++)
            labels[i] = kinds[k].several ? (float)(i % 3 == 0) : (float)i / 2 - 1;
        write_config(&m, kinds[k].keys);
        add_tensors(m.set, m.c.golden, is_weight);
        add_wave(&m, "score.weight", DIMS(n, width_of(&m.c, "model.embed_tokens.weight")), 0.5);
        save(&m, m.c.folder, "model.safetensors");
        weft_dims dims = kinds[k].flat ? DIMS(BATCH) : DIMS(BATCH, n);
        weft_arrays *out = run(&m, NULL, (weft_tensor){labels, WEFT_F32, dims}, false, WEFT_OK);
        weft_tensor logits = tensor_of(out, "logits");
        double sum = 0;
        assert_true(weft_dims_equal(logits.dims, DIMS(BATCH, n)));
        for (int i = 0; i < BATCH * n; i++) {
            const double z = element(logits, i), y = (double)labels[i];
            sum += kinds[k].several ? log1p(exp(z)) - z * y : (z - y) * (z - y);
        }
        assert_true(fabs(element(tensor_of(out, "loss"), 0) - sum / (BATCH * n)) < 1e-6);
        weft_arrays_free(out);
        out = run(&m, NULL, (weft_tensor){labels, WEFT_F32, DIMS(BATCH * n - 1)}, false, WEFT_ERROR_ARGUMENT);
        assert_non_null(strstr(weft_error(), "labels is F32"));
        weft_arrays_free(out);
        end(&m);
    }
}

static void unknown_problem(void **state)
{
    (void)state;
    static made m;
    weft_model *model;
    begin(&m, "mistral");
    write_config(&m, "\"problem_type\": \"ranking\"");
    assert_int_equal(weft_model_open(m.c.folder, &model), WEFT_ERROR_FORMAT);
    assert_non_null(strstr(weft_error(), "\"problem_type\" is \"ranking\"; known are single_label_classification"));
    end(&m);
}

/* A decoder beside the embeddings: read only where tie_word_embeddings is false; twice the table gives twice the logits, but for
 * the bias. */
static void table_of_its_own(void **state)
{
    (void)state;
    static made m;
    weft_arrays *plain, *tied, *own;
    begin(&m, "bert");
    plain = run(&m, NULL, (weft_tensor){0}, false, WEFT_OK);
    weft_tensor table = tensor_of(m.c.golden, "bert.embeddings.word_embeddings.weight"),
                bias = tensor_of(m.c.golden, "cls.predictions.bias");
    add_tensors(m.set, m.c.golden, is_weight);
    weft_tensor twice = add_wave(&m, "cls.predictions.decoder.weight", table.dims, 0);
    for (int64_t i = 0; i < weft_dims_count(table.dims); i++)
        ((float *)twice.data)[i] = (float)(2 * element(table, i));
    save(&m, m.c.folder, "model.safetensors");
    write_config(&m, "\"tie_word_embeddings\": true");
    tied = run(&m, NULL, (weft_tensor){0}, false, WEFT_OK);
    write_config(&m, "\"tie_word_embeddings\": false");
    own = run(&m, NULL, (weft_tensor){0}, false, WEFT_OK);
    weft_tensor a = tensor_of(plain, "mlm_logits"), b = tensor_of(tied, "mlm_logits"), c = tensor_of(own, "mlm_logits");
    for (int64_t i = 0; i < weft_dims_count(a.dims); i++) {
        const double beta = element(bias, i % table.dims.size[0]);
        assert_true(element(a, i) == element(b, i));
        assert_true(fabs(element(c, i) - beta - 2 * (element(a, i) - beta)) < 1e-5);
    }
    weft_arrays_free(plain);
    weft_arrays_free(tied);
    weft_arrays_free(own);
    end(&m);
}

static bool no_norm(const char *name)
{
    return is_weight(name) && strcmp(name, "model.norm.weight") != 0;
}

/* modules_to_save: the model with the tensors put in place has the same logits and gradients, under PEFT's names. */
static void tensors_in_place(void **state)
{
    (void)state;
    static made m;
    char adapter[600];
    begin(&m, "mistral");
    const int64_t width = width_of(&m.c, "model.embed_tokens.weight");
    int64_t labels[BATCH] = {2, 0, 3};
    weft_tensor classes = {labels, WEFT_I64, DIMS(BATCH)};
    snprintf(adapter, sizeof adapter, "%s/adapter", m.c.folder);
    MUST(weft_folder_make(adapter));
    write_text(adapter, "adapter_config.json",
               "{\"peft_type\": \"LORA\", \"r\": 2, \"lora_alpha\": 4, \"target_modules\": [\"q_proj\"], \"modules_to_save\": "
               "[\"score\", \"norm\"]}");
    weft_tensor q = tensor_of(m.c.golden, "model.layers.0.self_attn.q_proj.weight");
    add_wave(&m, "base_model.model.score.weight", DIMS(CLASSES, width), 0.5);
    add_wave(&m, "base_model.model.model.norm.weight", DIMS(width), 1);
    add_wave(&m, "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight", DIMS(2, q.dims.size[1]), 0.3);
    add_wave(&m, "base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight", DIMS(q.dims.size[0], 2), 0);
    save(&m, adapter, "adapter_model.safetensors");
    weft_arrays *with = run(&m, adapter, classes, true, WEFT_OK);

    m.used = 0;
    add_tensors(m.set, m.c.golden, no_norm);
    add_wave(&m, "score.weight", DIMS(CLASSES, width), 0.5);
    add_wave(&m, "model.norm.weight", DIMS(width), 1);
    save(&m, m.c.folder, "model.safetensors");
    weft_arrays *placed = run(&m, NULL, classes, true, WEFT_OK);
    static const char *const pairs[][2] = {{"logits", "logits"},
                                           {"loss", "loss"},
                                           {"grad.base_model.model.score.weight", "grad.score.weight"},
                                           {"grad.base_model.model.model.norm.weight", "grad.model.norm.weight"}};
    for (size_t k = 0; k < sizeof pairs / sizeof pairs[0]; k++) {
        weft_tensor a = tensor_of(with, pairs[k][0]), b = tensor_of(placed, pairs[k][1]);
        assert_true(weft_dims_equal(a.dims, b.dims));
        for (int64_t i = 0; i < weft_dims_count(a.dims); i++)
            assert_true(fabs(element(a, i) - element(b, i)) < 1e-9);
    }
    int given = 0;
    for (int64_t i = 0; i < weft_arrays_count(with); i++)
        given += starts(weft_arrays_at(with, i).name, "grad.");
    assert_int_equal(given, 4); /* of the adapter's tensors and of nothing else */
    weft_arrays_free(with);
    weft_arrays_free(placed);
    end(&m);
}

/* Biases that PEFT stores below the layer it stands beside. */
static void biases_below_base_layer(void **state)
{
    (void)state;
    static made m;
    char adapter[600];
    begin(&m, "qwen2");
    snprintf(adapter, sizeof adapter, "%s/adapter", m.c.folder);
    MUST(weft_folder_make(adapter));
    write_text(adapter, "adapter_config.json",
               "{\"peft_type\": \"LORA\", \"r\": 2, \"target_modules\": [\"q_proj\"], \"bias\": \"lora_only\"}");
    weft_tensor q = tensor_of(m.c.golden, "model.layers.0.self_attn.q_proj.weight");
    weft_arrays *plain = run(&m, NULL, (weft_tensor){0}, false, WEFT_OK);
    for (int changed = 0; changed < 2; changed++) {
        m.used = 0;
        weft_tensor bias =
            add_wave(&m, "base_model.model.model.layers.0.self_attn.q_proj.base_layer.bias", DIMS(q.dims.size[0]), 1);
        weft_tensor own = tensor_of(m.c.golden, "model.layers.0.self_attn.q_proj.bias");
        for (int64_t i = 0; !changed && i < q.dims.size[0]; i++)
            ((float *)bias.data)[i] = (float)element(own, i);
        add_wave(&m, "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight", DIMS(2, q.dims.size[1]), 0.3);
        add_wave(&m, "base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight", DIMS(q.dims.size[0], 2), 0);
        save(&m, adapter, "adapter_model.safetensors");
        weft_arrays *with = run(&m, adapter, (weft_tensor){0}, false, WEFT_OK);
        weft_tensor a = tensor_of(plain, "logits"), b = tensor_of(with, "logits");
        double largest = 0;
        for (int64_t i = 0; i < weft_dims_count(a.dims); i++)
            largest = fmax(largest, fabs(element(a, i) - element(b, i)));
        assert_true(changed ? largest > 1e-4 : largest < 1e-9);
        weft_arrays_free(with);
    }
    weft_arrays_free(plain);
    end(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_as_labels), cmocka_unit_test(unknown_problem),         cmocka_unit_test(table_of_its_own),
        cmocka_unit_test(tensors_in_place),  cmocka_unit_test(biases_below_base_layer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
