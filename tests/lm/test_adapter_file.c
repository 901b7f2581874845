/* An adapter that is opened and saved again has the names, shapes and bits of the file that it came from; merged, it leaves no
 * old copy of what it changed. */
#include "lm_case.h"

#include "lm/folder.h"

static void comes_back(void **state)
{
    (void)state;
    lm_case c = case_open("lora_gpt2");
    weft_lm *lm;
    weft_arrays *saved;
    char folder[600];
    snprintf(folder, sizeof folder, "%s/saved", c.folder);
    MUST(weft_lm_open(test_engine(), c.folder, &(weft_lm_options){.adapter = c.adapter}, &lm));
    MUST(weft_lm_adapter_save(folder, weft_arrays_metadata(c.golden, "adapter_config"), lm->adapter, &lm->config));
    char *file = weft_path_join(folder, "adapter_model.safetensors"), *config = weft_path_join(folder, "adapter_config.json");
    MUST(weft_safetensors_open(file, &saved));
    int64_t wanted = 0;
    for (int64_t i = 0; i < weft_arrays_count(c.golden); i++) {
        weft_array a = weft_arrays_at(c.golden, i);
        if (!is_adapter(a.name))
            continue;
        weft_tensor t = tensor_of(saved, a.name);
        assert_true(t.dtype == a.tensor.dtype && weft_dims_equal(t.dims, a.tensor.dims));
        assert_memory_equal(t.data, a.tensor.data, weft_tensor_bytes(t));
        wanted++;
    }
    assert_true(wanted > 4);
    assert_int_equal(weft_arrays_count(saved), wanted);
    weft_arrays_free(saved);
    weft_lm_free(lm);
    unlink(file);
    unlink(config);
    rmdir(folder);
    free(file);
    free(config);
    case_close(&c);
}

/* Some files hold the masked-word head's bias and its tied table a second time. What an adapter changes stands in one of them,
 * and a reader that prefers the other would have the old one. */
static void no_second_copy(void **state)
{
    (void)state;
    lm_case c = case_open("bert");
    weft_lm *lm;
    weft_arrays *set;
    weft_params *merged;
    weft_tensor t, bias = tensor_of(c.golden, "cls.predictions.bias");
    static float changed[4096];
    char adapter[600];
    const int64_t vocab = bias.dims.size[0];
    snprintf(adapter, sizeof adapter, "%s/adapter", c.folder);
    MUST(weft_folder_make(adapter));
    MUST(weft_arrays_new(&set));
    add_tensors(set, c.golden, is_weight);
    MUST(weft_arrays_add(set, "cls.predictions.decoder.bias", bias));
    MUST(weft_arrays_add(set, "cls.predictions.decoder.weight", tensor_of(c.golden, "bert.embeddings.word_embeddings.weight")));
    char *model = weft_path_join(c.folder, "model.safetensors"), *file = weft_path_join(adapter, "adapter_model.safetensors");
    MUST(weft_safetensors_save(set, model));
    weft_arrays_free(set);
    for (int64_t i = 0; i < vocab; i++)
        changed[i] = (float)element(bias, i) + 1;
    const weft_tensor q = tensor_of(c.golden, "bert.encoder.layer.0.attention.self.query.weight");
    static float zeros[4096];
    MUST(weft_arrays_new(&set));
    MUST(weft_arrays_add(set, "base_model.model.cls.predictions.bias", (weft_tensor){changed, WEFT_F32, DIMS(vocab)}));
    MUST(weft_arrays_add(set, "base_model.model.cls.predictions.decoder.bias", (weft_tensor){changed, WEFT_F32, DIMS(vocab)}));
    MUST(weft_arrays_add(set, "base_model.model.bert.encoder.layer.0.attention.self.query.lora_A.weight",
                         (weft_tensor){zeros, WEFT_F32, DIMS(2, q.dims.size[1])}));
    MUST(weft_arrays_add(set, "base_model.model.bert.encoder.layer.0.attention.self.query.lora_B.weight",
                         (weft_tensor){zeros, WEFT_F32, DIMS(q.dims.size[0], 2)}));
    MUST(weft_safetensors_save(set, file));
    weft_arrays_free(set);
    write_text(
        adapter, "adapter_config.json",
        "{\"peft_type\": \"LORA\", \"r\": 2, \"target_modules\": [\"query\"], \"bias\": \"all\", \"layers_to_transform\": [0]}");
    MUST(weft_lm_open(test_engine(), c.folder, &(weft_lm_options){.adapter = adapter}, &lm));
    MUST(weft_lm_merge(lm, &merged));
    assert_true(weft_params_get(merged, "cls.predictions.bias", &t));
    assert_memory_equal(t.data, changed, (size_t)vocab * sizeof *changed);
    assert_false(weft_params_get(merged, "cls.predictions.decoder.bias", &t));
    assert_false(weft_params_get(merged, "cls.predictions.decoder.weight", &t));
    assert_true(weft_params_get(merged, "bert.embeddings.word_embeddings.weight", &t));
    weft_params_free(merged);
    weft_lm_free(lm);
    free(model);
    free(file);
    case_close(&c);
}

/* PEFT's names of a masked-word head that was trained whole: its bias comes by two of them, of which the model reads one, tied or
 * not. */
static void both_names_of_a_bias(void **state)
{
    (void)state;
    static float changed[4096], zeros[4096];
    for (int tied = 0; tied < 2; tied++) {
        lm_case c = case_open("roberta");
        weft_lm *lm;
        weft_arrays *set;
        weft_tensor t, bias = tensor_of(c.golden, "lm_head.bias");
        const weft_tensor q = tensor_of(c.golden, "roberta.encoder.layer.0.attention.self.query.weight");
        const int64_t vocab = bias.dims.size[0];
        char adapter[600], config[4096];
        snprintf(adapter, sizeof adapter, "%s/adapter", c.folder);
        MUST(weft_folder_make(adapter));
        char *model = weft_path_join(c.folder, "model.safetensors"), *file = weft_path_join(adapter, "adapter_model.safetensors");
        const char *own = strchr(weft_arrays_metadata(c.golden, "config"), '{') + 1;
        assert_null(strstr(own, "tie_word_embeddings"));
        assert_true(snprintf(config, sizeof config, "{\"tie_word_embeddings\": %s, %s", tied ? "true" : "false", own) <
                    (int)sizeof config);
        write_text(c.folder, "config.json", config);
        MUST(weft_arrays_new(&set));
        add_tensors(set, c.golden, is_weight);
        MUST(weft_arrays_add(set, "lm_head.decoder.bias", bias));
        MUST(weft_arrays_add(set, "lm_head.decoder.weight", tensor_of(c.golden, "roberta.embeddings.word_embeddings.weight")));
        MUST(weft_safetensors_save(set, model));
        weft_arrays_free(set);
        for (int64_t i = 0; i < vocab; i++)
            changed[i] = (float)element(bias, i) + 1;
        const weft_tensor trained = {changed, WEFT_F32, DIMS(vocab)};
        MUST(weft_arrays_new(&set));
        MUST(weft_arrays_add(set, "base_model.model.lm_head.modules_to_save.bias", trained));
        MUST(weft_arrays_add(set, "base_model.model.lm_head.modules_to_save.default.decoder.bias", trained));
        MUST(weft_arrays_add(set, "base_model.model.lm_head.original_module.bias", bias));
        MUST(weft_arrays_add(set, "base_model.model.roberta.encoder.layer.0.attention.self.query.lora_A.weight",
                             (weft_tensor){zeros, WEFT_F32, DIMS(2, q.dims.size[1])}));
        MUST(weft_arrays_add(set, "base_model.model.roberta.encoder.layer.0.attention.self.query.lora_B.weight",
                             (weft_tensor){zeros, WEFT_F32, DIMS(q.dims.size[0], 2)}));
        MUST(weft_safetensors_save(set, file));
        weft_arrays_free(set);
        write_text(adapter, "adapter_config.json",
                   "{\"peft_type\": \"LORA\", \"r\": 2, \"target_modules\": [\"query\"], \"bias\": \"all\", "
                   "\"modules_to_save\": [\"lm_head\"], \"layers_to_transform\": [0]}");
        MUST(weft_lm_open(test_engine(), c.folder, &(weft_lm_options){.adapter = adapter}, &lm));
        const char *read = tied ? "lm_head.bias" : "lm_head.decoder.bias",
                   *other = tied ? "lm_head.decoder.bias" : "lm_head.bias";
        assert_true(weft_params_get(lm->adapter->params, read, &t));
        assert_memory_equal(t.data, changed, (size_t)vocab * sizeof *changed);
        assert_false(weft_params_get(lm->adapter->params, other, &t));
        weft_lm_free(lm);
        free(model);
        free(file);
        case_close(&c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(comes_back), cmocka_unit_test(no_second_copy),
                                       cmocka_unit_test(both_names_of_a_bias)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
