/* Counting a decoder's parameters, bytes and multiply-accumulates, and the models of the paper's table. */
#include "hardware/llm.h"

#include <string.h>

/* Models of the paper's evaluation (NeuPIMs, table 3: 16-bit weights and caches, two matrices of width 4 E), with the degrees of
 * tensor and pipeline parallelism of the public repository's configurations. */
#define GPT3(size, layer_count, head_count, embed, tp, pp) \
    { \
        .name = "GPT3-" size, .family = "gpt3", .layers = layer_count, .width = embed, .heads = head_count, \
        .kv_heads = head_count, .head_size = embed / head_count, .value_size = embed / head_count, .inner = 4 * embed, \
        .biases = true, .qkv_biases = true, .layer_norm = true, .norms = 2, .tied = true, .vocabulary = 50304, \
        .positions = 2048, .embedding_width = embed, .context = 2048, .weight_bits = 16, .kv_bits = 16, .tensor_parallel = tp, \
        .pipeline_parallel = pp \
    }

static const weft_llm presets[] = {
    GPT3("7B", 32, 32, 4096, 4, 1),
    GPT3("13B", 40, 40, 5120, 4, 1),
    GPT3("30B", 48, 56, 7168, 4, 2),
    GPT3("175B", 96, 96, 12288, 8, 4),
};

const weft_llm *weft_llm_preset_at(int i)
{
    return i >= 0 && i < (int)(sizeof presets / sizeof presets[0]) ? &presets[i] : NULL;
}

int64_t weft_llm_attention_parameters(const weft_llm *m)
{
    if (m->kv_rank) { /* DeepSeek-V2, section 2.1: down and up projections of queries and of the latent cache */
        int64_t q = m->q_rank ? m->width * m->q_rank + m->q_rank * m->heads * m->head_size : m->width * m->heads * m->head_size;
        int64_t kv =
            m->width * (m->kv_rank + m->rope_size) + m->kv_rank * m->heads * (m->head_size - m->rope_size + m->value_size);
        return q + kv + m->heads * m->value_size * m->width;
    }
    return 2 * m->width * m->heads * m->head_size + 2 * m->width * m->kv_heads * m->head_size;
}

static int64_t matrices(const weft_llm *m, int64_t inner)
{
    return (m->gated ? 3 : 2) * m->width * inner;
}

int64_t weft_llm_ffn_parameters(const weft_llm *m)
{
    return matrices(m, m->inner);
}

int64_t weft_llm_expert_parameters(const weft_llm *m)
{
    return matrices(m, m->expert_inner);
}

int64_t weft_llm_layer_parameters(const weft_llm *m, bool dense)
{
    int64_t attention = weft_llm_attention_parameters(m);
    if (!m->experts || dense)
        return attention + weft_llm_ffn_parameters(m);
    return attention + m->experts * weft_llm_expert_parameters(m) + matrices(m, m->shared_inner) + m->width * m->experts;
}

/* Vectors of all layers and the last norm: norms, biases. */
static int64_t vectors(const weft_llm *m)
{
    int64_t norm = (m->layer_norm ? 2 : 1) * m->width;
    int64_t layer = m->norms * norm;
    if (m->kv_rank)
        layer += m->q_rank + m->kv_rank;
    if (m->qkv_biases)
        layer += (m->heads + 2 * m->kv_heads) * m->head_size;
    if (m->biases)
        layer += m->width + (m->gated ? 2 : 1) * m->inner + m->width;
    return m->layers * layer + norm;
}

static int64_t matrix_parameters(const weft_llm *m)
{
    int64_t dense = m->experts ? m->dense_layers : m->layers;
    int64_t tables = m->vocabulary * m->embedding_width * (m->tied ? 1 : 2) + m->positions * m->width;
    if (m->embedding_width != m->width)
        tables += 2 * m->embedding_width * m->width;
    return dense * weft_llm_layer_parameters(m, true) + (m->layers - dense) * weft_llm_layer_parameters(m, false) + tables;
}

int64_t weft_llm_parameters(const weft_llm *m)
{
    return matrix_parameters(m) + vectors(m);
}

int64_t weft_llm_weight_bytes(const weft_llm *m)
{
    int64_t tables = matrix_parameters(m);
    int64_t wide = m->weight_bits < 16 ? 16 : m->weight_bits, kept = 0;
    if (m->weight_bits < 16) /* quantised models keep embeddings and the head in 16 bits */
        kept = m->vocabulary * m->embedding_width * (m->tied ? 1 : 2) + m->positions * m->width;
    return ((tables - kept) * m->weight_bits + (kept + vectors(m)) * wide + 7) / 8;
}

int64_t weft_llm_token_macs(const weft_llm *m)
{
    int64_t attention = weft_llm_attention_parameters(m), dense = m->experts ? m->dense_layers : m->layers;
    int64_t sparse =
        m->experts ? m->active * weft_llm_expert_parameters(m) + matrices(m, m->shared_inner) + m->width * m->experts : 0;
    return m->layers * attention + dense * weft_llm_ffn_parameters(m) + (m->layers - dense) * sparse;
}

int64_t weft_llm_head_macs(const weft_llm *m)
{
    return m->vocabulary * m->embedding_width + (m->embedding_width != m->width ? m->embedding_width * m->width : 0);
}

int64_t weft_llm_seen(const weft_llm *m, int64_t length, bool full)
{
    return m->window && !full && length > m->window ? m->window : length;
}

int64_t weft_llm_attention_macs(const weft_llm *m, int64_t length)
{
    int64_t full = m->window ? m->full_layers : m->layers;
    int64_t seen = full * length + (m->layers - full) * weft_llm_seen(m, length, false);
    if (m->kv_rank) /* keys and values are read as the latent vector itself (absorbed projections) */
        return m->heads * (2 * m->kv_rank + m->rope_size) * seen;
    return m->heads * (m->head_size + m->value_size) * seen;
}

int64_t weft_llm_kv_bytes(const weft_llm *m)
{
    int64_t numbers = m->kv_rank ? m->kv_rank + m->rope_size : m->kv_heads * (m->head_size + m->value_size);
    return m->layers * numbers * m->kv_bits / 8;
}
