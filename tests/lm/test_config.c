/* What config.json alone says: published parameter counts, which layers have windows, how ropes are scaled, and the short form of
 * GPT-2's keys that circuit tools write. */
#include "lm_case.h"

#include "lm/config.h"

static weft_lm_config read_config(const char *text)
{
    weft_json *json;
    weft_lm_config c;
    MUST(weft_json_parse(text, strlen(text), "config", &json));
    MUST(weft_lm_config_read(weft_json_root(json), "config", &c));
    weft_json_free(json);
    return c;
}

static const struct {
    const char *name, *config;
    int64_t parameters; /* tied ones counted once */
} published[] = {
    {"GPT-2", "{\"model_type\": \"gpt2\"}", 124439808},
    {"GPT-2 medium", "{\"model_type\": \"gpt2\", \"n_embd\": 1024, \"n_layer\": 24, \"n_head\": 16}", 354823168},
    {"GPT-2 large", "{\"model_type\": \"gpt2\", \"n_embd\": 1280, \"n_layer\": 36, \"n_head\": 20}", 774030080},
    {"GPT-2 XL", "{\"model_type\": \"gpt2\", \"n_embd\": 1600, \"n_layer\": 48, \"n_head\": 25}", 1557611200},
    {"Pythia 70m",
     "{\"model_type\": \"gpt_neox\", \"hidden_size\": 512, \"num_hidden_layers\": 6, \"num_attention_heads\": 8, "
     "\"intermediate_size\": 2048, \"vocab_size\": 50304}",
     70426624},
    {"Pythia 160m",
     "{\"model_type\": \"gpt_neox\", \"hidden_size\": 768, \"num_hidden_layers\": 12, \"num_attention_heads\": 12, "
     "\"intermediate_size\": 3072, \"vocab_size\": 50304}",
     162322944},
    {"Pythia 410m",
     "{\"model_type\": \"gpt_neox\", \"hidden_size\": 1024, \"num_hidden_layers\": 24, \"num_attention_heads\": 16, "
     "\"intermediate_size\": 4096, \"vocab_size\": 50304}",
     405334016},
    {"Llama 2 7B", "{\"model_type\": \"llama\"}", 6738415616},
    {"Llama 2 13B",
     "{\"model_type\": \"llama\", \"hidden_size\": 5120, \"num_hidden_layers\": 40, \"num_attention_heads\": 40, "
     "\"intermediate_size\": 13824}",
     13015864320},
    {"Llama 3 8B",
     "{\"model_type\": \"llama\", \"num_key_value_heads\": 8, \"intermediate_size\": 14336, \"vocab_size\": 128256}", 8030261248},
    {"Llama 3.2 1B",
     "{\"model_type\": \"llama\", \"hidden_size\": 2048, \"num_hidden_layers\": 16, \"num_key_value_heads\": 8, "
     "\"intermediate_size\": 8192, \"vocab_size\": 128256, \"tie_word_embeddings\": true, \"head_dim\": 64}",
     1235814400},
    {"Mistral 7B", "{\"model_type\": \"mistral\"}", 7241732096},
    {"Qwen 2.5 0.5B",
     "{\"model_type\": \"qwen2\", \"hidden_size\": 896, \"num_hidden_layers\": 24, \"num_attention_heads\": 14, "
     "\"num_key_value_heads\": 2, \"intermediate_size\": 4864, \"tie_word_embeddings\": true}",
     494032768},
    {"Qwen 3 0.6B",
     "{\"model_type\": \"qwen3\", \"hidden_size\": 1024, \"num_hidden_layers\": 28, \"num_attention_heads\": 16, "
     "\"num_key_value_heads\": 8, \"intermediate_size\": 3072, \"tie_word_embeddings\": true}",
     596049920},
    {"Gemma 2B",
     "{\"model_type\": \"gemma\", \"hidden_size\": 2048, \"num_hidden_layers\": 18, \"num_attention_heads\": 8, "
     "\"num_key_value_heads\": 1, \"intermediate_size\": 16384}",
     2506172416},
    {"Gemma 7B", "{\"model_type\": \"gemma\"}", 8537680896},
    {"Gemma 2 2B", "{\"model_type\": \"gemma2\"}", 2614341888},
    {"Gemma 3 1B",
     "{\"model_type\": \"gemma3_text\", \"hidden_size\": 1152, \"num_attention_heads\": 4, \"num_key_value_heads\": 1, "
     "\"intermediate_size\": 6912, \"vocab_size\": 262144}",
     999885952},
    {"BERT base, with its pooler", "{\"model_type\": \"bert\", \"architectures\": [\"BertForMaskedLM\"]}", 109482240},
    {"DistilBERT base", "{\"model_type\": \"distilbert\", \"architectures\": [\"DistilBertForMaskedLM\"]}", 66362880},
    {"RoBERTa base, with its pooler",
     "{\"model_type\": \"roberta\", \"architectures\": [\"RobertaForMaskedLM\"], \"max_position_embeddings\": 514, "
     "\"type_vocab_size\": 1}",
     124645632},
    {"RoBERTa by transformers' defaults, 512 positions and 2 types", "{\"model_type\": \"roberta\"}", 124644864},
};

static void published_sizes(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof published / sizeof published[0]; i++) {
        weft_model *m;
        weft_cost cost;
        MUST(weft_model_parse(published[i].config, strlen(published[i].config), published[i].name, &m));
        MUST(weft_model_count(m, &cost));
        if (cost.parameters != published[i].parameters)
            fail_msg("%s: %lld parameters, published %lld", published[i].name, (long long)cost.parameters,
                     (long long)published[i].parameters);
        weft_model_free(m);
    }
}

/* Windows as text: a digit a layer, 0 for none. */
static const struct {
    const char *config, *windows;
} windows[] = {
    {"{\"model_type\": \"mistral\", \"num_hidden_layers\": 3, \"sliding_window\": 7}", "777"},
    {"{\"model_type\": \"mistral\", \"num_hidden_layers\": 3, \"sliding_window\": null}", "000"},
    {"{\"model_type\": \"qwen2\", \"num_hidden_layers\": 4, \"sliding_window\": 5, \"max_window_layers\": 2}", "0000"},
    {"{\"model_type\": \"qwen2\", \"num_hidden_layers\": 4, \"sliding_window\": 5, \"max_window_layers\": 2, "
     "\"use_sliding_window\": true}",
     "0055"},
    {"{\"model_type\": \"gemma2\", \"num_hidden_layers\": 4, \"sliding_window\": 6}", "6060"},
    {"{\"model_type\": \"gemma3_text\", \"num_hidden_layers\": 7, \"sliding_window\": 6}", "6666606"},
    {"{\"model_type\": \"gemma3_text\", \"num_hidden_layers\": 4, \"sliding_window\": 6, \"sliding_window_pattern\": 2}", "6060"},
    {"{\"model_type\": \"gemma3\", \"text_config\": {\"num_hidden_layers\": 2, \"sliding_window\": 3, \"layer_types\": "
     "[\"full_attention\", \"sliding_attention\"]}}",
     "03"},
    {"{\"model_type\": \"llama\", \"num_hidden_layers\": 2, \"sliding_window\": 9}", "00"},
};

static void windows_by_rule_and_by_list(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof windows / sizeof windows[0]; i++) {
        weft_lm_config c = read_config(windows[i].config);
        assert_int_equal(c.layers, (int)strlen(windows[i].windows));
        for (int64_t l = 0; l < c.layers; l++)
            if (c.window[l] != windows[i].windows[l] - '0')
                fail_msg("%s: layer %lld has window %lld", windows[i].config, (long long)l, (long long)c.window[l]);
        weft_lm_config_free(&c);
    }
}

#define ROPE_OF(scaling) \
    "{\"model_type\": \"llama\", \"hidden_size\": 16, \"num_attention_heads\": 2, \"max_position_embeddings\": 64, " scaling "}"

/* Both spellings of the settings, and what each scaling does to a slow and to a fast wave. */
static void ropes(void **state)
{
    (void)state;
    double plain[4], inv[4], other[4], factor;
    weft_lm_config c = read_config(ROPE_OF("\"rope_theta\": 10000.0"));
    weft_lm_rope_frequencies(&c.rope[0], 8, 64, plain, &factor);
    assert_true(factor == 1 && plain[0] == 1 && fabs(plain[2] - 0.01) < 1e-15);
    weft_lm_config_free(&c);

    c = read_config(ROPE_OF("\"rope_scaling\": {\"type\": \"linear\", \"factor\": 4, \"attention_factor\": 3}"));
    weft_lm_rope_frequencies(&c.rope[0], 8, 64, inv, &factor);
    assert_true(factor == 1); /* yarn and longrope alone have an attention_factor */
    for (int i = 0; i < 4; i++)
        assert_true(fabs(inv[i] - plain[i] / 4) < 1e-15);
    weft_lm_config_free(&c);

    c = read_config(ROPE_OF("\"rope_scaling\": {\"rope_type\": \"dynamic\", \"factor\": 2}"));
    weft_lm_rope_frequencies(&c.rope[0], 8, 64, inv, &factor); /* nothing changes up to the length trained for */
    assert_memory_equal(inv, plain, sizeof inv);
    weft_lm_rope_frequencies(&c.rope[0], 8, 96, inv, &factor); /* then theta · (2·1.5 − 1)^(8/6) */
    assert_true(fabs(inv[1] - pow(10000 * pow(2, 8.0 / 6), -0.25)) < 1e-12);
    assert_true(weft_lm_rope_by_length(&c));
    weft_lm_config_free(&c);

    c = read_config(ROPE_OF("\"rope_scaling\": {\"rope_type\": \"yarn\", \"factor\": 4}"));
    weft_lm_rope_frequencies(&c.rope[0], 8, 64, inv, &factor);
    assert_true(fabs(factor - (0.1 * log(4) + 1)) < 1e-12);
    assert_true(fabs(inv[0] - plain[0]) < 1e-12 && fabs(inv[3] - plain[3] / 4) < 1e-12); /* fast waves stay, slow ones stretch */
    assert_false(weft_lm_rope_by_length(&c));
    weft_lm_config_free(&c);

    c = read_config(
        ROPE_OF("\"rope_scaling\": {\"rope_type\": \"longrope\", \"short_factor\": [1, 1, 1, 1], \"long_factor\": [2, 3, 4, "
                "5], \"original_max_position_embeddings\": 16}"));
    weft_lm_rope_frequencies(&c.rope[0], 8, 16, inv, &factor);
    weft_lm_rope_frequencies(&c.rope[0], 8, 17, other, &factor);
    assert_true(fabs(factor - sqrt(1 + log(4) / log(16))) < 1e-12);
    for (int i = 0; i < 4; i++)
        assert_true(fabs(inv[i] - plain[i]) < 1e-15 && fabs(other[i] - plain[i] / (2 + i)) < 1e-15);
    weft_lm_config_free(&c);

    static const char *const same[] = {
        ROPE_OF("\"rope_theta\": 5000, \"rope_scaling\": {\"rope_type\": \"linear\", \"factor\": 2}"),
        ROPE_OF("\"rope_parameters\": {\"rope_theta\": 5000, \"rope_type\": \"linear\", \"factor\": 2}")};
    for (int i = 0; i < 2; i++) {
        c = read_config(same[i]);
        weft_lm_rope_frequencies(&c.rope[0], 8, 64, i ? inv : other, &factor);
        weft_lm_config_free(&c);
    }
    assert_memory_equal(inv, other, sizeof inv);

    c = read_config(
        "{\"model_type\": \"gemma3_text\", \"rope_parameters\": {\"full_attention\": {\"rope_theta\": 7, \"rope_type\": "
        "\"linear\", \"factor\": 8}, \"sliding_attention\": {\"rope_theta\": 5}}}");
    assert_true(c.rope[0].theta == 7 && c.rope[0].factor == 8 && c.rope[1].theta == 5 && c.rope[1].type == WEFT_ROPE_DEFAULT);
    assert_true(c.ropes[0] == 1 && c.ropes[5] == 0); /* windowed layers turn by the second */
    weft_lm_config_free(&c);
}

/* Gemma 1 was trained with the tanh form, whatever hidden_act says. */
static void activations(void **state)
{
    (void)state;
    static const struct {
        const char *config;
        weft_activation activation;
    } rows[] = {
        {"{\"model_type\": \"gemma\", \"hidden_act\": \"gelu\"}", WEFT_ACT_GELU_TANH},
        {"{\"model_type\": \"gemma\", \"hidden_act\": \"gelu\", \"hidden_activation\": null}", WEFT_ACT_GELU_TANH},
        {"{\"model_type\": \"gemma\", \"hidden_act\": \"gelu\", \"hidden_activation\": \"gelu\"}", WEFT_ACT_GELU},
        {"{\"model_type\": \"gpt2\"}", WEFT_ACT_GELU_TANH},
        {"{\"model_type\": \"gpt2\", \"activation\": \"relu\"}", WEFT_ACT_RELU},
        {"{\"model_type\": \"bert\"}", WEFT_ACT_GELU},
        {"{\"model_type\": \"llama\"}", WEFT_ACT_SILU},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        weft_lm_config c = read_config(rows[i].config);
        assert_int_equal(c.activation, rows[i].activation);
        weft_lm_config_free(&c);
    }
}

/* {"mlp": false}: blocks of attention alone, whose MLP tensors are neither wanted nor read. */
static void attention_only(void **state)
{
    (void)state;
    weft_model *m;
    static const char text[] = "{\"model_type\": \"gpt2\", \"n_embd\": 8, \"n_head\": 2, \"n_layer\": 2, \"mlp\": false}";
    MUST(weft_model_parse(text, sizeof text - 1, "t", &m));
    weft_graph *g = weft_graph_new(WEFT_F32);
    MUST(weft_model_build(m, g));
    assert_true(weft_find(g, "attention.1").id != 0);
    assert_true(weft_find(g, "mlp.0").id == 0);
    assert_true(weft_find(g, "transformer.h.0.mlp.c_fc.weight").id == 0);
    weft_graph_free(g);
    weft_model_free(m);
}

/* null, of num_key_value_heads: as many as heads, whatever an absent key means. */
static void null_is_not_absent(void **state)
{
    (void)state;
    weft_lm_config absent = read_config("{\"model_type\": \"mistral\"}"),
                   null = read_config("{\"model_type\": \"mistral\", \"num_key_value_heads\": null, \"head_dim\": null}");
    assert_int_equal(absent.kv_heads, 8);
    assert_int_equal(null.kv_heads, 32);
    assert_int_equal(null.head_dim, 128);
    weft_lm_config_free(&absent);
    weft_lm_config_free(&null);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(null_is_not_absent),
        cmocka_unit_test(published_sizes),
        cmocka_unit_test(windows_by_rule_and_by_list),
        cmocka_unit_test(ropes),
        cmocka_unit_test(activations),
        cmocka_unit_test(attention_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
