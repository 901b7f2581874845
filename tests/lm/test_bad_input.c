/* Broken model folders and adapters: each is refused in the user's terms, with the key, tensor or file at fault. */
#include "lm_case.h"

#include "weft/lm.h"

/* a golden's config.json with one piece of text put in place of another */
typedef struct broken_config {
    const char *golden, *from, *to, *says;
} broken_config;

static const broken_config configs[] = {
    {"llama3rope", "\"model_type\": \"llama\"", "\"model_type\": \"mamba\"",
     "\"model_type\" is \"mamba\"; language models are gpt2, gpt_neox, llama, mistral"},
    {"llama3rope", "\"model_type\": \"llama\", ", "", "\"model_type\" is missing"},
    {"llama3rope", "\"num_hidden_layers\": 3", "\"num_hidden_layers\": \"three\"",
     "\"num_hidden_layers\" is \"three\", expected an integer from 1 to 4096"},
    {"llama3rope", "\"num_hidden_layers\": 3", "\"num_hidden_layers\": 1000000000", "\"num_hidden_layers\" is 1000000000"},
    {"llama3rope", "\"num_attention_heads\": 4", "\"num_attention_heads\": 0", "\"num_attention_heads\" is 0, expected"},
    {"llama3rope", "\"num_key_value_heads\": 2", "\"num_key_value_heads\": 3",
     "\"num_attention_heads\" is 4 and \"num_key_value_heads\" 3: expected a multiple of it"},
    {"llama3rope", "\"head_dim\": 8", "\"head_dim\": 7",
     "7 rotated dimensions of a head of 7 (\"head_dim\"): expected an even number"},
    {"llama3rope", "\"head_dim\": 8", "\"head_dim\": 1048576", "are more than 1048576 numbers a token"},
    {"llama3rope", "\"rope_type\": \"llama3\"", "\"rope_type\": \"spiral\"",
     "\"rope_type\" is \"spiral\"; known are default, linear, dynamic, llama3, yarn, longrope"},
    {"llama3rope", "\"low_freq_factor\": 1.0, ", "", "rope scaling of type \"llama3\" needs the key \"low_freq_factor\""},
    {"llama3rope", "\"rope_type\": \"llama3\"", "\"rope_type\": \"longrope\"", "needs the key \"short_factor\""},
    {"llama3rope", "\"rope_theta\": 500000.0", "\"rope_theta\": -1", "\"rope_theta\" is -1"},
    {"llama3rope", "\"rms_norm_eps\": 1e-05", "\"rms_norm_eps\": true", "\"rms_norm_eps\" is true, expected a number"},
    {"llama3rope", "\"hidden_act\": \"silu\"", "\"hidden_act\": \"mish\"", "\"hidden_act\" is \"mish\"; known are gelu"},
    {"llama3rope", "\"attention_bias\": false", "\"attention_bias\": 1", "\"attention_bias\" is 1, expected true or false"},
    {"llama3rope", "\"vocab_size\": 80", "\"vocab_size\": 81",
     "model.embed_tokens.weight: file has [80, 32], config wants [81, 32]"},
    {"llama3rope", "\"intermediate_size\": 56", "\"intermediate_size\": 64",
     "model.layers.0.mlp.up_proj.weight: file has [56, 32], config wants [64, 32]"},
    {"llama3rope", "\"num_hidden_layers\": 3", "\"num_hidden_layers\": 4",
     "model.layers.3.input_layernorm.weight: the file has no such tensor, config wants [32]"},
    {"mistral", "\"sliding_window\": 6", "\"sliding_window\": 0", "\"sliding_window\" is 0, expected"},
    {"mistral", "\"sliding_window\": 6", "\"layer_types\": [\"full_attention\"]",
     "\"layer_types\" has 1 entries, the model 3 layers"},
    {"mistral", "\"sliding_window\": 6", "\"layer_types\": [\"full_attention\", \"linear_attention\", \"full_attention\"]",
     "\"layer_types\" entry 1 is \"linear_attention\"; known are full_attention, sliding_attention"},
    {"gpt2", "\"n_head\": 5", "\"n_head\": 3", "\"n_embd\" is 40 and \"n_head\" 3: expected a multiple of it"},
    {"bert", "\"hidden_act\": \"gelu\"", "\"is_decoder\": true", "\"is_decoder\" is true"},
};

static char *replaced(const char *text, const char *from, const char *to)
{
    const char *at = strstr(text, from);
    if (!at)
        fail_msg("\"%s\" is not in %s", from, text);
    weft_text out = {0};
    weft_text_bytes(&out, text, (size_t)(at - text));
    weft_text_add(&out, "%s%s", to, at + strlen(from));
    assert_false(out.failed);
    return out.data;
}

static void says(const char *what)
{
    if (!strstr(weft_error(), what))
        fail_msg("said: %s\nexpected: %s", weft_error(), what);
}

static void broken_configs_name_the_key(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof configs / sizeof configs[0]; i++) {
        const broken_config *b = &configs[i];
        lm_case c = case_open(b->golden);
        weft_lm *lm = NULL;
        char *text = replaced(weft_arrays_metadata(c.golden, "config"), b->from, b->to);
        write_text(c.folder, "config.json", text);
        assert_int_not_equal(weft_lm_open(test_engine(), c.folder, NULL, &lm), WEFT_OK);
        assert_null(lm);
        says(b->says);
        free(text);
        case_close(&c);
    }
}

static void shards_are_checked(void **state)
{
    (void)state;
    static const struct {
        const char *index, *says;
    } rows[] = {
        {"{\"weight_map\": {\"model.norm.weight\": \"model-00001-of-00002.safetensors\"}}", "model-00001-of-00002.safetensors"},
        {"{\"weight_map\": {\"model.norm.weight\": \"../model.safetensors\"}}", "\"../model.safetensors\""},
        {"{\"weight_map\": {\"model.norm.weight\": \"..\"}}", "\"..\": expected a file beside the index"},
        {"{\"weight_map\": {\"model.norm.weight\": 3}}", "model.norm.weight"},
        {"{\"weight_map\": {}}", "weight_map"},
    };
    lm_case c = case_open("llama3rope");
    char *whole = weft_path_join(c.folder, "model.safetensors"),
         *index = weft_path_join(c.folder, "model.safetensors.index.json");
    unlink(whole);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        weft_lm *lm = NULL;
        write_text(c.folder, "model.safetensors.index.json", rows[i].index);
        assert_int_not_equal(weft_lm_open(test_engine(), c.folder, NULL, &lm), WEFT_OK);
        says(rows[i].says);
    }
    unlink(index);
    char *pickled = weft_path_join(c.folder, "pytorch_model.bin");
    weft_lm *lm = NULL;
    write_text(c.folder, "pytorch_model.bin", "x");
    assert_int_equal(weft_lm_open(test_engine(), c.folder, NULL, &lm), WEFT_ERROR_UNSUPPORTED);
    says("there is pytorch_model.bin");
    says("expected model.safetensors");
    unlink(pickled);
    free(pickled);
    free(whole);
    free(index);
    case_close(&c);
}

/* two shards, each tensor in one of them: the same bits as one file */
static bool in_first(const char *name)
{
    return is_weight(name) && strstr(name, "layers.1") != NULL;
}

static bool in_second(const char *name)
{
    return is_weight(name) && !in_first(name);
}

static void shards_make_the_same_model(void **state)
{
    (void)state;
    lm_case c = case_open("llama3rope");
    float first[80];
    for (int sharded = 0; sharded < 2; sharded++) {
        weft_lm *lm;
        weft_lm_decoder *d;
        char *whole = weft_path_join(c.folder, "model.safetensors");
        if (sharded) {
            weft_text index = {0};
            weft_text_add(&index, "{\"metadata\": {}, \"weight_map\": {");
            bool any = false;
            for (int64_t i = 0; i < weft_arrays_count(c.golden); i++) {
                const char *name = weft_arrays_at(c.golden, i).name;
                if (!is_weight(name))
                    continue;
                weft_text_add(&index, "%s\"%s\": \"%s.safetensors\"", any ? ", " : "", name, in_first(name) ? "a" : "b");
                any = true;
            }
            weft_text_add(&index, "}}");
            unlink(whole);
            write_tensors(c.golden, c.folder, "a.safetensors", in_first);
            write_tensors(c.golden, c.folder, "b.safetensors", in_second);
            write_text(c.folder, "model.safetensors.index.json", index.data);
            weft_text_free(&index);
        }
        free(whole);
        MUST(weft_lm_open(test_engine(), c.folder, NULL, &lm));
        MUST(weft_lm_decoder_new(lm, 1, 4, &d));
        MUST(weft_lm_decoder_feed(d, &(weft_lm_tokens){(int64_t[]){7, 3, 9}, 3}));
        if (sharded)
            assert_memory_equal(first, weft_lm_decoder_logits(d, 0), sizeof first);
        memcpy(first, weft_lm_decoder_logits(d, 0), sizeof first);
        weft_lm_decoder_free(d);
        weft_lm_free(lm);
    }
    static const char *const files[] = {"a.safetensors", "b.safetensors", "model.safetensors.index.json"};
    for (int i = 0; i < 3; i++) {
        char *path = weft_path_join(c.folder, files[i]);
        unlink(path);
        free(path);
    }
    case_close(&c);
}

static const broken_config adapters[] = {
    {"lora_gpt2", "\"LORA\"", "\"IA3\"", "\"peft_type\" is \"IA3\"; known is LORA"},
    {"lora_gpt2", "\"r\": 4", "\"r\": 0", "\"r\" is 0, expected"},
    {"lora_gpt2", "\"r\": 4", "\"r\": 8", "file has [4, 24], config wants [8, 24]"},
    {"lora_gpt2", "\"lora_alpha\": 6", "\"lora_alpha\": \"6\"", "\"lora_alpha\" is \"6\", expected a number"},
    {"lora_gpt2", "\"bias\": \"none\"", "\"layers_to_transform\": [9]",
     "\"layers_to_transform\" entry 0 is no layer from 0 to 1"},
    {"lora_gpt2", "\"bias\": \"none\"", "\"rank_pattern\": {\"c_attn\": 0}", "\"rank_pattern\" of \"c_attn\" is no number"},
    {"lora_gpt2", "\"target_modules\": [\"c_attn\", \"mlp.c_proj\"]", "\"target_modules\": [3]",
     "\"target_modules\" entry 0 is no text"},
};

static void broken_adapters_name_the_key(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof adapters / sizeof adapters[0]; i++) {
        const broken_config *b = &adapters[i];
        lm_case c = case_open(b->golden);
        weft_lm *lm = NULL;
        char *text = replaced(weft_arrays_metadata(c.golden, "adapter_config"), b->from, b->to);
        write_text(c.adapter, "adapter_config.json", text);
        assert_int_not_equal(weft_lm_open(test_engine(), c.folder, &(weft_lm_options){.adapter = c.adapter}, &lm), WEFT_OK);
        says(b->says);
        free(text);
        case_close(&c);
    }
}

static bool is_first_layer_adapter(const char *name)
{
    return is_adapter(name) && strstr(name, "h.0.attn") != NULL;
}

/* A tensor of a module that the model lacks, and A without its B. */
static void foreign_adapter_tensors_are_named(void **state)
{
    (void)state;
    lm_case c = case_open("lora_gpt2");
    weft_arrays *set;
    weft_lm *lm = NULL;
    float zeros[4 * 24] = {0};
    char *path = weft_path_join(c.adapter, "adapter_model.safetensors");
    static const struct {
        const char *name, *says;
    } rows[] = {
        {"base_model.model.transformer.h.7.attn.c_attn.lora_A.weight", "h.7.attn.c_attn.lora_A.weight\" fits no module"},
        {"base_model.model.transformer.h.0.attn.c_attn.lora_A.weight", "c_attn.lora_B.weight: the file has no such tensor"},
        {"transformer.h.0.attn.c_attn.lora_A.weight", "does not begin with \"base_model.model.\""},
        {"base_model.model.scores.weight", "model.scores.weight\" fits no module"},
        {"base_model.model.logits", "model.logits\" fits no module"},
        {"base_model.model.transformer.ln_f.weight", "transformer.ln_f.weight: file has [4, 24], config wants [24]"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        MUST(weft_arrays_new(&set));
        MUST(weft_arrays_add(set, rows[i].name, (weft_tensor){zeros, WEFT_F32, DIMS(4, 24)}));
        MUST(weft_safetensors_save(set, path));
        weft_arrays_free(set);
        assert_int_not_equal(weft_lm_open(test_engine(), c.folder, &(weft_lm_options){.adapter = c.adapter}, &lm), WEFT_OK);
        says(rows[i].says);
    }
    write_tensors(c.golden, c.adapter, "adapter_model.safetensors", is_first_layer_adapter); /* a part of the modules is fine */
    MUST(weft_lm_open(test_engine(), c.folder, &(weft_lm_options){.adapter = c.adapter}, &lm));
    weft_lm_free(lm);
    free(path);
    case_close(&c);
}

static void inputs_of_run_are_checked(void **state)
{
    (void)state;
    lm_case c = case_open("gpt2");
    weft_model *model;
    int64_t ids[2000] = {1, 2, 3}, foreign[2] = {1, 1 << 20};
    float floats[3] = {1, 2, 3};
    static const struct {
        const char *name, *says;
    } rows[] = {{"input_ids", "input_ids is F32 [3], expected I64"},
                {"labels", "input_ids is missing"},
                {"input_id", "there is no input \"input_id\"; this model takes input_ids"},
                {"input_ids", "[0] is not"},
                {"input_ids", "past the model's table"},
                {"input_ids", "number 1048576 at place 1"}};
    weft_tensor tensors[] = {{floats, WEFT_F32, DIMS(3)}, {ids, WEFT_I64, DIMS(3)},    {ids, WEFT_I64, DIMS(3)},
                             {ids, WEFT_I64, DIMS(0)},    {ids, WEFT_I64, DIMS(2000)}, {foreign, WEFT_I64, DIMS(2)}};
    MUST(weft_model_open(c.folder, &model));
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        weft_arrays *inputs, *out;
        MUST(weft_arrays_new(&inputs));
        MUST(weft_arrays_new(&out));
        MUST(weft_arrays_add(inputs, rows[i].name, tensors[i]));
        assert_int_not_equal(weft_model_run(model, test_engine(), &(weft_run_request){.inputs = inputs, .dtype = WEFT_F32}, out),
                             WEFT_OK);
        if (i != 3)
            says(rows[i].says);
        weft_arrays_free(inputs);
        weft_arrays_free(out);
    }
    weft_model_free(model);
    case_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(broken_configs_name_the_key),       cmocka_unit_test(shards_are_checked),
        cmocka_unit_test(shards_make_the_same_model),        cmocka_unit_test(broken_adapters_name_the_key),
        cmocka_unit_test(foreign_adapter_tensors_are_named), cmocka_unit_test(inputs_of_run_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
