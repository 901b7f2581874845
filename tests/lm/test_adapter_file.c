/* An adapter that is opened and saved again has the names, shapes and bits of the file that it came from. */
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

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(comes_back)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
