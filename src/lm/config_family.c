/* The families: how each names its modules, and what transformers takes for a key that config.json lacks. */
#include "lm/config_family.h"

#include <string.h>

static const weft_lm_names gpt2_names = {
    .embedding = "wte",
    .position = "wpe",
    .layer = "h",
    .attention_norm = "ln_1",
    .qkv = "attn.c_attn",
    .o = "attn.c_proj",
    .mlp_norm = "ln_2",
    .up = "mlp.c_fc",
    .down = "mlp.c_proj",
    .final_norm = "ln_f",
    .head = "lm_head",
};

static const weft_lm_names neox_names = {
    .embedding = "embed_in",
    .layer = "layers",
    .attention_norm = "input_layernorm",
    .qkv = "attention.query_key_value",
    .o = "attention.dense",
    .mlp_norm = "post_attention_layernorm",
    .up = "mlp.dense_h_to_4h",
    .down = "mlp.dense_4h_to_h",
    .final_norm = "final_layer_norm",
    .head = "embed_out",
};

#define LLAMA_NAMES \
    .embedding = "embed_tokens", .layer = "layers", .attention_norm = "input_layernorm", .q = "self_attn.q_proj", \
    .k = "self_attn.k_proj", .v = "self_attn.v_proj", .o = "self_attn.o_proj", .gate = "mlp.gate_proj", .up = "mlp.up_proj", \
    .down = "mlp.down_proj", .final_norm = "norm", .head = "lm_head"
#define QK_NORM_NAMES .q_norm = "self_attn.q_norm", .k_norm = "self_attn.k_norm"
#define SANDWICH_NAMES \
    .after_attention_norm = "post_attention_layernorm", .mlp_norm = "pre_feedforward_layernorm", \
    .after_mlp_norm = "post_feedforward_layernorm"

static const weft_lm_names llama_names = {LLAMA_NAMES, .mlp_norm = "post_attention_layernorm"};
static const weft_lm_names qwen3_names = {LLAMA_NAMES, QK_NORM_NAMES, .mlp_norm = "post_attention_layernorm"};
static const weft_lm_names gemma2_names = {LLAMA_NAMES, SANDWICH_NAMES};
static const weft_lm_names gemma3_names = {LLAMA_NAMES, QK_NORM_NAMES, SANDWICH_NAMES};

static const weft_lm_names bert_names = {
    .embedding = "embeddings.word_embeddings",
    .position = "embeddings.position_embeddings",
    .type = "embeddings.token_type_embeddings",
    .embedding_norm = "embeddings.LayerNorm",
    .layer = "encoder.layer",
    .q = "attention.self.query",
    .k = "attention.self.key",
    .v = "attention.self.value",
    .o = "attention.output.dense",
    .after_attention_norm = "attention.output.LayerNorm",
    .up = "intermediate.dense",
    .down = "output.dense",
    .after_mlp_norm = "output.LayerNorm",
};

static const weft_lm_names distilbert_names = {
    .embedding = "embeddings.word_embeddings",
    .position = "embeddings.position_embeddings",
    .embedding_norm = "embeddings.LayerNorm",
    .layer = "transformer.layer",
    .q = "attention.q_lin",
    .k = "attention.k_lin",
    .v = "attention.v_lin",
    .o = "attention.out_lin",
    .after_attention_norm = "sa_layer_norm",
    .up = "ffn.lin1",
    .down = "ffn.lin2",
    .after_mlp_norm = "output_layer_norm",
};

static const weft_lm_defaults gpt2 = {.vocab = 50257,
                                      .pad_id = -1,
                                      .width = 768,
                                      .layers = 12,
                                      .heads = 12,
                                      .positions = 1024,
                                      .eps = 1e-5,
                                      .activation = "gelu_new",
                                      .qkv_bias = true,
                                      .o_bias = true,
                                      .mlp_bias = true,
                                      .tied = true};
static const weft_lm_defaults gpt_neox = {.vocab = 50432,
                                          .pad_id = -1,
                                          .width = 6144,
                                          .layers = 44,
                                          .heads = 64,
                                          .ffn = 24576,
                                          .positions = 2048,
                                          .eps = 1e-5,
                                          .activation = "gelu",
                                          .attention_bias = true,
                                          .mlp_bias = true,
                                          .rope = true,
                                          .rotary = 0.25};
static const weft_lm_defaults llama = {.vocab = 32000,
                                       .pad_id = -1,
                                       .width = 4096,
                                       .layers = 32,
                                       .heads = 32,
                                       .ffn = 11008,
                                       .positions = 2048,
                                       .eps = 1e-6,
                                       .activation = "silu",
                                       .rope = true,
                                       .rotary = 1};
static const weft_lm_defaults mistral = {.vocab = 32000,
                                         .pad_id = -1,
                                         .width = 4096,
                                         .layers = 32,
                                         .heads = 32,
                                         .kv_heads = 8,
                                         .ffn = 14336,
                                         .positions = 131072,
                                         .eps = 1e-6,
                                         .activation = "silu",
                                         .no_bias = true,
                                         .rope = true,
                                         .rotary = 1,
                                         .window = 4096,
                                         .window_rule = WEFT_LM_WINDOW_ALL};
static const weft_lm_defaults qwen2 = {.vocab = 151936,
                                       .pad_id = -1,
                                       .width = 4096,
                                       .layers = 32,
                                       .heads = 32,
                                       .kv_heads = 32,
                                       .ffn = 22016,
                                       .positions = 32768,
                                       .eps = 1e-6,
                                       .activation = "silu",
                                       .no_bias = true,
                                       .qkv_bias = true,
                                       .rope = true,
                                       .rotary = 1,
                                       .window = 4096,
                                       .window_rule = WEFT_LM_WINDOW_UPPER};
static const weft_lm_defaults qwen3 = {.vocab = 151936,
                                       .pad_id = -1,
                                       .width = 4096,
                                       .layers = 32,
                                       .heads = 32,
                                       .kv_heads = 32,
                                       .head_dim = 128,
                                       .ffn = 22016,
                                       .positions = 32768,
                                       .eps = 1e-6,
                                       .activation = "silu",
                                       .rope = true,
                                       .rotary = 1,
                                       .window = 4096,
                                       .window_rule = WEFT_LM_WINDOW_UPPER};
static const weft_lm_defaults gemma = {.vocab = 256000,
                                       .width = 3072,
                                       .layers = 28,
                                       .heads = 16,
                                       .kv_heads = 16,
                                       .head_dim = 256,
                                       .ffn = 24576,
                                       .positions = 8192,
                                       .eps = 1e-6,
                                       .activation = "gelu_pytorch_tanh",
                                       .hidden_activation = true,
                                       .rope = true,
                                       .rotary = 1,
                                       .tied = true};
static const weft_lm_defaults gemma2 = {.vocab = 256000,
                                        .width = 2304,
                                        .layers = 26,
                                        .heads = 8,
                                        .kv_heads = 4,
                                        .head_dim = 256,
                                        .ffn = 9216,
                                        .positions = 8192,
                                        .eps = 1e-6,
                                        .activation = "gelu_pytorch_tanh",
                                        .hidden_activation = true,
                                        .rope = true,
                                        .rotary = 1,
                                        .tied = true,
                                        .query_scalar = 256,
                                        .attention_cap = 50,
                                        .logit_cap = 30,
                                        .window = 4096,
                                        .window_rule = WEFT_LM_WINDOW_EVEN};
static const weft_lm_defaults gemma3 = {.vocab = 262208,
                                        .width = 2304,
                                        .layers = 26,
                                        .heads = 8,
                                        .kv_heads = 4,
                                        .head_dim = 256,
                                        .ffn = 9216,
                                        .positions = 131072,
                                        .eps = 1e-6,
                                        .activation = "gelu_pytorch_tanh",
                                        .hidden_activation = true,
                                        .rope = true,
                                        .rotary = 1,
                                        .theta = 1e6,
                                        .tied = true,
                                        .query_scalar = 256,
                                        .window = 4096,
                                        .window_rule = WEFT_LM_WINDOW_PATTERN,
                                        .local_rope = true};
static const weft_lm_defaults bert = {.vocab = 30522,
                                      .width = 768,
                                      .layers = 12,
                                      .heads = 12,
                                      .ffn = 3072,
                                      .positions = 512,
                                      .types = 2,
                                      .eps = 1e-12,
                                      .activation = "gelu",
                                      .no_bias = true,
                                      .qkv_bias = true,
                                      .o_bias = true,
                                      .mlp_bias = true,
                                      .tied = true};
static const weft_lm_defaults roberta = {.vocab = 50265,
                                         .width = 768,
                                         .layers = 12,
                                         .heads = 12,
                                         .ffn = 3072,
                                         .positions = 512,
                                         .types = 2,
                                         .pad_id = 1,
                                         .eps = 1e-12,
                                         .activation = "gelu",
                                         .no_bias = true,
                                         .qkv_bias = true,
                                         .o_bias = true,
                                         .mlp_bias = true,
                                         .tied = true};
static const weft_lm_defaults distilbert = {.vocab = 30522,
                                            .width = 768,
                                            .layers = 6,
                                            .heads = 12,
                                            .ffn = 3072,
                                            .positions = 512,
                                            .eps = 1e-12,
                                            .fixed_eps = true,
                                            .activation = "gelu",
                                            .no_bias = true,
                                            .qkv_bias = true,
                                            .o_bias = true,
                                            .mlp_bias = true,
                                            .tied = true};

const weft_lm_family weft_lm_families[WEFT_LM_FAMILIES + 1] = {
    {"gpt2", "transformer", &gpt2_names, &gpt2, .qkv = WEFT_LM_QKV_THIRDS, .conv1d = true},
    {"gpt_neox", "gpt_neox", &neox_names, &gpt_neox, .qkv = WEFT_LM_QKV_HEADS},
    {"llama", "model", &llama_names, &llama, .norm = WEFT_LM_RMS_NORM},
    {"mistral", "model", &llama_names, &mistral, .norm = WEFT_LM_RMS_NORM},
    {"qwen2", "model", &llama_names, &qwen2, .norm = WEFT_LM_RMS_NORM},
    {"qwen3", "model", &qwen3_names, &qwen3, .norm = WEFT_LM_RMS_NORM},
    {"gemma", "model", &llama_names, &gemma, .norm = WEFT_LM_RMS_NORM_OFFSET, .scaled_embedding = true},
    {"gemma2", "model", &gemma2_names, &gemma2, .norm = WEFT_LM_RMS_NORM_OFFSET, .scaled_embedding = true},
    {"gemma3_text", "model", &gemma3_names, &gemma3, .norm = WEFT_LM_RMS_NORM_OFFSET, .scaled_embedding = true},
    {"gemma3", "model", &gemma3_names, &gemma3, .norm = WEFT_LM_RMS_NORM_OFFSET, .scaled_embedding = true},
    {"bert", "bert", &bert_names, &bert, .encoder = true},
    {"roberta", "roberta", &bert_names, &roberta, .encoder = true},
    {"distilbert", "distilbert", &distilbert_names, &distilbert, .encoder = true},
};

const weft_lm_alias weft_lm_aliases[WEFT_LM_ALIASES + 1] = {{"xlm-roberta", "roberta"}, {"camembert", "roberta"}};

const weft_lm_family *weft_lm_family_find(const char *model_type)
{
    for (int i = 0; i < WEFT_LM_ALIASES; i++)
        if (strcmp(weft_lm_aliases[i].model_type, model_type) == 0)
            model_type = weft_lm_aliases[i].family;
    for (int i = 0; i < WEFT_LM_FAMILIES; i++)
        if (strcmp(weft_lm_families[i].model_type, model_type) == 0)
            return &weft_lm_families[i];
    return NULL;
}
