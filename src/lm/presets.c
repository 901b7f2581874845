/* The presets: llama2.c's models (karpathy/llama2.c, its table of models and stories260K's own configuration) and GPT-2. */
#include "lm/presets.h"

#include <stddef.h>
#include <string.h>

#define LLAMA(width, layers, heads, kv_heads, ffn, vocab, positions) \
    "{\"architectures\": [\"LlamaForCausalLM\"], \"model_type\": \"llama\", \"vocab_size\": " #vocab \
    ", \"hidden_size\": " #width ", \"intermediate_size\": " #ffn ", \"num_hidden_layers\": " #layers \
    ", \"num_attention_heads\": " #heads ", \"num_key_value_heads\": " #kv_heads \
    ", \"hidden_act\": \"silu\", \"max_position_embeddings\": " #positions \
    ", \"rms_norm_eps\": 1e-05, \"rope_theta\": 10000.0, \"tie_word_embeddings\": true, \"bos_token_id\": 1, \"eos_token_id\": " \
    "2}"

static const struct {
    const char *name, *config;
} presets[] = {
    {"llama-260k", LLAMA(64, 5, 8, 4, 172, 512, 512)},
    {"llama-15m", LLAMA(288, 6, 6, 6, 768, 32000, 256)},
    {"llama-42m", LLAMA(512, 8, 8, 8, 1376, 32000, 1024)},
    {"llama-110m", LLAMA(768, 12, 12, 12, 2048, 32000, 1024)},
    {"gpt2",
     "{\"architectures\": [\"GPT2LMHeadModel\"], \"model_type\": \"gpt2\", \"vocab_size\": 50257, \"n_positions\": 1024, "
     "\"n_embd\": 768, \"n_layer\": 12, \"n_head\": 12, \"activation_function\": \"gelu_new\", \"layer_norm_epsilon\": 1e-05, "
     "\"tie_word_embeddings\": true, \"bos_token_id\": 50256, \"eos_token_id\": 50256}"},
};

enum { PRESETS = sizeof presets / sizeof presets[0] };

const char *weft_lm_preset(const char *name)
{
    for (int i = 0; i < PRESETS; i++)
        if (strcmp(presets[i].name, name) == 0)
            return presets[i].config;
    return NULL;
}

const char *weft_lm_preset_name(int i)
{
    return i >= 0 && i < PRESETS ? presets[i].name : NULL;
}
