/* A decoder's counts: parameters against those that the models' publishers give, multiply-accumulates and bytes against hand
 * formulas, and configurations that must be refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "hardware/llm.h"

static weft_llm parsed(const char *json)
{
    weft_llm m;
    if (weft_llm_parse(json, strlen(json), "config.json", &m) != WEFT_OK)
        fail_msg("%s", weft_error());
    return m;
}

/* config.json of public checkpoints, shortened to what matters, and the number of parameters that loading them counts. */
static const struct {
    const char *name, *json;
    int64_t parameters;
} published[] = {
    {"gpt2", "{\"model_type\":\"gpt2\",\"n_embd\":768,\"n_head\":12,\"n_layer\":12,\"n_positions\":1024,\"vocab_size\":50257}",
     124439808},
    {"opt-125m",
     "{\"model_type\":\"opt\",\"hidden_size\":768,\"num_attention_heads\":12,\"num_hidden_layers\":12,\"ffn_dim\":3072,"
     "\"max_position_embeddings\":2048,\"vocab_size\":50272,\"word_embed_proj_dim\":768}",
     125239296},
    {"opt-350m", /* a narrower token table, and no norm after the last layer: 2 · 1024 less than counted */
     "{\"model_type\":\"opt\",\"hidden_size\":1024,\"num_attention_heads\":16,\"num_hidden_layers\":24,\"ffn_dim\":4096,"
     "\"max_position_embeddings\":2048,\"vocab_size\":50272,\"word_embed_proj_dim\":512}",
     331196416 + 2048},
    {"llama-2-7b",
     "{\"model_type\":\"llama\",\"hidden_size\":4096,\"intermediate_size\":11008,\"num_attention_heads\":32,"
     "\"num_hidden_layers\":32,\"num_key_value_heads\":32,\"vocab_size\":32000,\"max_position_embeddings\":4096}",
     6738415616},
    {"llama-3-8b",
     "{\"model_type\":\"llama\",\"hidden_size\":4096,\"intermediate_size\":14336,\"num_attention_heads\":32,"
     "\"num_hidden_layers\":32,\"num_key_value_heads\":8,\"vocab_size\":128256,\"torch_dtype\":\"bfloat16\"}",
     8030261248},
    {"mistral-7b",
     "{\"model_type\":\"mistral\",\"hidden_size\":4096,\"intermediate_size\":14336,\"num_attention_heads\":32,"
     "\"num_hidden_layers\":32,\"num_key_value_heads\":8,\"vocab_size\":32000,\"sliding_window\":4096}",
     7241732096},
    {"mixtral-8x7b",
     "{\"model_type\":\"mixtral\",\"hidden_size\":4096,\"intermediate_size\":14336,\"num_attention_heads\":32,"
     "\"num_hidden_layers\":32,\"num_key_value_heads\":8,\"vocab_size\":32000,\"num_local_experts\":8,"
     "\"num_experts_per_tok\":2,\"sliding_window\":null}",
     46702792704},
    {"qwen2-7b",
     "{\"model_type\":\"qwen2\",\"hidden_size\":3584,\"intermediate_size\":18944,\"num_attention_heads\":28,"
     "\"num_hidden_layers\":28,\"num_key_value_heads\":4,\"vocab_size\":152064,\"tie_word_embeddings\":false,"
     "\"sliding_window\":131072,\"use_sliding_window\":false}",
     7615616512},
    {"gemma-2b",
     "{\"model_type\":\"gemma\",\"hidden_size\":2048,\"intermediate_size\":16384,\"num_attention_heads\":8,"
     "\"num_hidden_layers\":18,\"num_key_value_heads\":1,\"head_dim\":256,\"vocab_size\":256000}",
     2506172416},
    {"pythia-70m",
     "{\"model_type\":\"gpt_neox\",\"hidden_size\":512,\"intermediate_size\":2048,\"num_attention_heads\":8,"
     "\"num_hidden_layers\":6,\"vocab_size\":50304,\"max_position_embeddings\":2048}",
     70426624},
    {"falcon-7b",
     "{\"model_type\":\"falcon\",\"hidden_size\":4544,\"num_attention_heads\":71,\"num_hidden_layers\":32,\"multi_query\":true,"
     "\"vocab_size\":65024,\"num_kv_heads\":71,\"new_decoder_architecture\":false}",
     6921720704},
    {"deepseek-v2-lite",
     "{\"model_type\":\"deepseek_v2\",\"hidden_size\":2048,\"intermediate_size\":10944,\"moe_intermediate_size\":1408,"
     "\"num_attention_heads\":16,\"num_hidden_layers\":27,\"num_key_value_heads\":16,\"vocab_size\":102400,"
     "\"n_routed_experts\":64,\"num_experts_per_tok\":6,\"n_shared_experts\":2,\"first_k_dense_replace\":1,"
     "\"kv_lora_rank\":512,\"q_lora_rank\":null,\"qk_rope_head_dim\":64,\"qk_nope_head_dim\":128,\"v_head_dim\":128}",
     15706484224},
};

static void counts_the_parameters_that_publishers_give(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof published / sizeof published[0]; i++) {
        weft_llm m = parsed(published[i].json);
        if (weft_llm_parameters(&m) != published[i].parameters)
            fail_msg("%s: %lld parameters, published %lld", published[i].name, (long long)weft_llm_parameters(&m),
                     (long long)published[i].parameters);
    }
}

static void counts_by_hand_formulas(void **state)
{
    (void)state;
    weft_llm gpt2 = parsed(published[0].json);
    const int64_t E = 768;
    assert_int_equal(weft_llm_layer_parameters(&gpt2, true), 12 * E * E);
    assert_int_equal(weft_llm_token_macs(&gpt2), 12 * 12 * E * E);
    assert_int_equal(weft_llm_head_macs(&gpt2), 50257 * E);
    assert_int_equal(weft_llm_attention_macs(&gpt2, 1000), 12 * 2 * E * 1000);
    assert_int_equal(weft_llm_kv_bytes(&gpt2), 12 * 2 * E * 2);
    assert_int_equal(weft_llm_weight_bytes(&gpt2), 2 * 124439808);

    weft_llm llama = parsed(published[4].json); /* 8 key-value heads of 128 */
    assert_int_equal(weft_llm_layer_parameters(&llama, true), 2 * 4096 * 4096 + 2 * 4096 * 1024 + 3 * 4096 * 14336);
    assert_int_equal(weft_llm_kv_bytes(&llama), 32 * 2 * 1024 * 2);
    assert_int_equal(weft_llm_attention_macs(&llama, 100), 32 * 2 * 4096 * 100);

    weft_llm mixtral = parsed(published[6].json); /* two of eight experts a token */
    assert_int_equal(weft_llm_token_macs(&mixtral),
                     32ll * (2 * 4096 * 4096 + 2 * 4096 * 1024 + 2 * 3ll * 4096 * 14336 + 4096 * 8));

    weft_llm deepseek = parsed(published[11].json); /* the cache is the latent vector */
    assert_int_equal(weft_llm_kv_bytes(&deepseek), 27 * (512 + 64) * 2);

    for (int i = 0; weft_llm_preset_at(i); i++) {
        const weft_llm *m = weft_llm_preset_at(i);
        assert_int_equal(weft_llm_layer_parameters(m, true), 12 * m->width * m->width);
        assert_int_equal(m->layers % m->pipeline_parallel, 0);
        assert_int_equal(weft_llm_check(m, m->name), WEFT_OK);
    }
}

static void windows_quantised_weights_and_parts_of_a_model(void **state)
{
    (void)state;
    weft_llm mistral = parsed(published[5].json);
    assert_int_equal(weft_llm_seen(&mistral, 10000, false), 4096);
    assert_int_equal(weft_llm_attention_macs(&mistral, 10000), weft_llm_attention_macs(&mistral, 4096));
    weft_llm qwen = parsed(published[7].json);
    assert_int_equal(qwen.window, 0);
    weft_llm gemma =
        parsed("{\"model_type\":\"gemma2\",\"hidden_size\":2304,\"intermediate_size\":9216,\"num_attention_heads\":8,"
               "\"num_hidden_layers\":26,\"num_key_value_heads\":4,\"head_dim\":256,\"vocab_size\":256000,"
               "\"sliding_window\":4096}");
    assert_int_equal(gemma.full_layers, 13);
    assert_int_equal(weft_llm_parameters(&gemma), 2614341888); /* gemma-2-2b */
    weft_llm awq = parsed("{\"model_type\":\"llama\",\"hidden_size\":64,\"intermediate_size\":128,\"num_attention_heads\":4,"
                          "\"num_hidden_layers\":2,\"quantization_config\":{\"quant_method\":\"awq\",\"bits\":4}}");
    assert_int_equal(awq.weight_bits, 4);
    weft_llm plain = awq;
    plain.weight_bits = 16;
    int64_t matrices = 2 * weft_llm_layer_parameters(&plain, true);
    assert_int_equal(weft_llm_weight_bytes(&plain) - weft_llm_weight_bytes(&awq), matrices * 2 - matrices / 2);
    weft_llm text =
        parsed("{\"model_type\":\"gemma3\",\"text_config\":{\"model_type\":\"gemma3_text\",\"hidden_size\":64,"
               "\"num_attention_heads\":4,\"num_hidden_layers\":12,\"intermediate_size\":128,\"sliding_window\":512}}");
    assert_int_equal(text.full_layers, 2);
    assert_string_equal(text.family, "gemma3_text");
}

/* A configuration and what the message must name. */
static const struct {
    const char *json, *says;
} refused[] = {
    {"{", "config.json"},
    {"[1]", "object"},
    {"{}", "num_hidden_layers"},
    {"{\"model_type\":\"bert\",\"hidden_size\":64,\"num_hidden_layers\":2,\"num_attention_heads\":4}", "bert"},
    {"{\"num_hidden_layers\":2,\"hidden_size\":65,\"num_attention_heads\":4}", "65"},
    {"{\"num_hidden_layers\":2,\"hidden_size\":64,\"num_attention_heads\":4,\"num_key_value_heads\":3}", "3 key-value heads"},
    {"{\"num_hidden_layers\":0,\"hidden_size\":64,\"num_attention_heads\":4}", "num_hidden_layers"},
    {"{\"num_hidden_layers\":2.5,\"hidden_size\":64,\"num_attention_heads\":4}", "2.5"},
    {"{\"num_hidden_layers\":2,\"hidden_size\":-64,\"num_attention_heads\":4}", "hidden_size"},
    {"{\"num_hidden_layers\":2,\"hidden_size\":\"64\",\"num_attention_heads\":4}", "hidden_size"},
    {"{\"num_hidden_layers\":2,\"hidden_size\":64,\"num_attention_heads\":4,\"num_local_experts\":4,\"num_experts_per_tok\":5}",
     "5 experts"},
    {"{\"model_n_layer\":1,\"model_n_embd\":4096,\"model_n_head\":32,\"n_tp\":5}", "n_tp"},
    {"{\"num_hidden_layers\":4096,\"hidden_size\":4194304,\"num_attention_heads\":1,\"num_experts\":65536,"
     "\"num_experts_per_tok\":1}",
     "parameters"},
};

static void refuses_what_does_not_fit(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        weft_llm m;
        if (weft_llm_parse(refused[i].json, strlen(refused[i].json), "config.json", &m) == WEFT_OK)
            fail_msg("%s: accepted", refused[i].json);
        if (!strstr(weft_error(), refused[i].says) || strchr(weft_error(), '\n'))
            fail_msg("%s: says \"%s\", expected \"%s\"", refused[i].json, weft_error(), refused[i].says);
    }
    weft_llm m;
    assert_int_not_equal(weft_llm_open("no/such/model", &m), WEFT_OK);
    assert_non_null(strstr(weft_error(), "GPT3-7B"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_the_parameters_that_publishers_give),
        cmocka_unit_test(counts_by_hand_formulas),
        cmocka_unit_test(windows_quantised_weights_and_parts_of_a_model),
        cmocka_unit_test(refuses_what_does_not_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
