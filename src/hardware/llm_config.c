/* Reading a decoder's sizes from config.json, whatever its family calls them. */
#include "hardware/llm.h"

#include "base/files.h"
#include "base/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { LARGEST = 1 << 22, MOST_LAYERS = 4096, CONFIG_BYTES = 16 << 20 };
#define MOST_PARAMETERS 1e15 /* far above any model; every count of llm.h fits in 63 bits below it */

/* What a family's config.json leaves unsaid. */
typedef struct family {
    const char *type;
    bool gated, biases, qkv_biases, layer_norm;
    int norms;
    bool tied;              /* where tie_word_embeddings is absent */
    bool learned;           /* has a table of positions */
    int64_t position_extra; /* rows of that table beyond the context: OPT has 2 */
    bool one_kv_head;       /* where no number is given, keys and values are one head */
} family;

static const family families[] = {
    {"gpt2", false, true, true, true, 2, true, true, 0, false},
    {"gpt3", false, true, true, true, 2, true, true, 0, false},
    {"gpt_neo", false, true, false, true, 2, true, true, 0, false},
    {"gpt_neox", false, true, true, true, 2, false, false, 0, false},
    {"gptj", false, true, false, true, 1, false, false, 0, false},
    {"gpt_bigcode", false, true, true, true, 2, true, true, 0, true},
    {"opt", false, true, true, true, 2, true, true, 2, false},
    {"bloom", false, true, true, true, 2, true, false, 0, false},
    {"falcon", false, false, false, true, 1, true, false, 0, true},
    {"mpt", false, false, false, true, 2, true, false, 0, false},
    {"codegen", false, true, false, true, 1, false, false, 0, false},
    {"phi", false, true, true, true, 1, false, false, 0, false},
    {"starcoder2", false, true, true, true, 2, true, false, 0, false},
    {"stablelm", true, false, false, true, 2, false, false, 0, false},
    {"llama", true, false, false, false, 2, false, false, 0, false},
    {"mistral", true, false, false, false, 2, false, false, 0, false},
    {"mixtral", true, false, false, false, 2, false, false, 0, false},
    {"qwen2", true, false, true, false, 2, false, false, 0, false},
    {"qwen2_moe", true, false, true, false, 2, false, false, 0, false},
    {"qwen3", true, false, false, false, 2, false, false, 0, false},
    {"qwen3_moe", true, false, false, false, 2, false, false, 0, false},
    {"gemma", true, false, false, false, 2, true, false, 0, false},
    {"gemma2", true, false, false, false, 4, true, false, 0, false},
    {"gemma3_text", true, false, false, false, 4, true, false, 0, false},
    {"phi3", true, false, false, false, 2, false, false, 0, false},
    {"phimoe", true, false, false, true, 2, false, false, 0, false},
    {"olmo", true, false, false, false, 0, false, false, 0, false},
    {"olmo2", true, false, false, false, 2, false, false, 0, false},
    {"olmoe", true, false, false, false, 2, false, false, 0, false},
    {"internlm2", true, false, false, false, 2, false, false, 0, false},
    {"granite", true, false, false, false, 2, false, false, 0, false},
    {"cohere", true, false, false, true, 1, true, false, 0, false},
    {"dbrx", true, false, false, true, 2, false, false, 0, false},
    {"deepseek", true, false, false, false, 2, false, false, 0, false},
    {"deepseek_v2", true, false, false, false, 2, false, false, 0, false},
    {"deepseek_v3", true, false, false, false, 2, false, false, 0, false},
};

/* Families whose models only read a text: they have no token after token to time. */
static const char *const encoders[] = {"bert", "roberta", "distilbert", "electra",   "albert", "deberta", "xlnet", "vit",
                                       "clip", "t5",      "deberta-v2", "fcaformer", "hsdt",   "tabr",    "mlp"};

/* Names of one size, the most telling first; the first that is there counts. */
typedef struct size_name {
    const char *keys[6];
    const char *what;
    int64_t least, most;
} size_name;

static const size_name layer_names = {
    {"num_hidden_layers", "n_layer", "num_layers", "n_layers", "model_n_layer"}, "number of layers", 1, MOST_LAYERS};
static const size_name width_names = {{"hidden_size", "n_embd", "d_model", "model_n_embd"}, "width", 1, LARGEST};
static const size_name head_names = {
    {"num_attention_heads", "n_head", "n_heads", "num_heads", "model_n_head"}, "number of heads", 1, 65536};
static const size_name kv_names = {{"num_key_value_heads", "num_kv_heads", "n_head_kv", "kv_n_heads"}, NULL, 1, LARGEST};
static const size_name inner_names = {{"intermediate_size", "n_inner", "ffn_dim", "ffn_hidden_size", "d_ff"}, NULL, 1, LARGEST};
static const size_name head_size_names = {{"head_dim", "kv_channels"}, NULL, 1, 65536};
static const size_name context_names = {
    {"max_position_embeddings", "n_positions", "n_ctx", "max_seq_len", "seq_length", "max_sequence_length"}, NULL, 1, 1 << 30};
static const size_name vocabulary_names = {{"vocab_size", "model_vocab_size"}, NULL, 0, 1 << 26};
static const size_name expert_names = {
    {"num_local_experts", "num_experts", "n_routed_experts", "moe_num_experts"}, NULL, 0, 65536};
static const size_name active_names = {
    {"num_experts_per_tok", "num_experts_per_token", "moe_top_k", "num_selected_experts"}, NULL, 1, 65536};
static const size_name expert_inner_names = {{"moe_intermediate_size"}, NULL, 1, LARGEST};

/* *out stays when none of the names is there, unless the size has a name of its own: then it is needed. */
static weft_status take(weft_json_value o, const char *where, const size_name *names, int64_t *out)
{
    for (int i = 0; i < 6 && names->keys[i]; i++)
        if (weft_json_present(weft_json_get(o, names->keys[i])))
            return weft_json_take_integer(o, where, names->keys[i], names->least, names->most, out);
    if (names->what)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: the %s is missing; expected a key like \"%s\" of a Hugging Face config.json",
                         where, names->what, names->keys[0]);
    return WEFT_OK;
}

static const family *find_family(const char *type)
{
    for (size_t i = 0; i < sizeof families / sizeof families[0]; i++)
        if (strcmp(families[i].type, type) == 0)
            return &families[i];
    return NULL;
}

static weft_status take_bits(weft_json_value o, const char *where, weft_llm *m)
{
    static const struct {
        const char *name;
        int bits;
    } types[] = {{"float32", 32}, {"float16", 16}, {"bfloat16", 16}, {"float8_e4m3fn", 8}, {"float8_e5m2", 8}, {"int8", 8}};
    const char *type = weft_json_string(weft_json_get(o, "torch_dtype"), weft_json_string(weft_json_get(o, "dtype"), NULL));
    m->weight_bits = 16; /* float32 checkpoints are served in 16 bits, as every serving system does */
    for (size_t i = 0; type && i < sizeof types / sizeof types[0]; i++)
        if (strcmp(types[i].name, type) == 0)
            m->weight_bits = types[i].bits < 16 ? types[i].bits : 16;
    m->kv_bits = 16;
    weft_json_value q = weft_json_get(o, "quantization_config");
    int64_t bits = 0;
    weft_status status = weft_json_take_integer(q, where, "bits", 2, 16, &bits);
    if (status != WEFT_OK || !weft_json_present(q))
        return status;
    const char *method = weft_json_string(weft_json_get(q, "quant_method"), "");
    if (weft_json_bool(weft_json_get(q, "load_in_4bit"), false) || strcmp(method, "mxfp4") == 0)
        bits = 4;
    else if (weft_json_bool(weft_json_get(q, "load_in_8bit"), false) || strcmp(method, "fp8") == 0 ||
             strcmp(method, "fbgemm_fp8") == 0)
        bits = 8;
    if (bits)
        m->weight_bits = (int)bits;
    return WEFT_OK;
}

static weft_status take_attention(weft_json_value o, const char *where, const family *f, weft_llm *m)
{
    weft_status status = take(o, where, &head_names, &m->heads);
    if (status != WEFT_OK)
        return status;
    weft_json_value nested = weft_json_get(o, "attn_config"); /* MPT and DBRX keep some sizes one level down */
    m->kv_heads = f && f->one_kv_head && weft_json_bool(weft_json_get(o, "multi_query"), true) ? 1 : m->heads;
    if (strcmp(m->family, "falcon") != 0 || weft_json_bool(weft_json_get(o, "new_decoder_architecture"), false))
        status = take(o, where, &kv_names, &m->kv_heads);
    if (status == WEFT_OK)
        status = take(nested, where, &kv_names, &m->kv_heads);
    int64_t given = 0;
    if (status == WEFT_OK)
        status = take(o, where, &head_size_names, &given);
    if (status != WEFT_OK)
        return status;
    if (!given && m->width % m->heads)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: a width of %lld does not divide into %lld heads", where, (long long)m->width,
                         (long long)m->heads);
    if (m->heads % m->kv_heads)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: %lld heads do not divide into %lld key-value heads", where, (long long)m->heads,
                         (long long)m->kv_heads);
    m->head_size = m->value_size = given ? given : m->width / m->heads;
    int64_t nope = 0;
    status = weft_json_take_integer(o, where, "kv_lora_rank", 1, LARGEST, &m->kv_rank);
    if (status != WEFT_OK || !m->kv_rank)
        return status;
    m->kv_heads = m->heads;
    status = weft_json_take_integer(o, where, "q_lora_rank", 1, LARGEST, &m->q_rank);
    if (status == WEFT_OK)
        status = weft_json_take_integer(o, where, "qk_rope_head_dim", 0, 65536, &m->rope_size);
    if (status == WEFT_OK)
        status = weft_json_take_integer(o, where, "qk_nope_head_dim", 1, 65536, &nope);
    if (status == WEFT_OK)
        status = weft_json_take_integer(o, where, "v_head_dim", 1, 65536, &m->value_size);
    if (status == WEFT_OK && nope)
        m->head_size = nope + m->rope_size;
    return status;
}

/* Which layers see everything although there is a window: told by layer_types, by a pattern, or by the family. */
static weft_status take_window(weft_json_value o, const char *where, weft_llm *m)
{
    weft_status status = weft_json_take_integer(o, where, "sliding_window", 1, 1 << 30, &m->window);
    if (status != WEFT_OK || !m->window || !weft_json_bool(weft_json_get(o, "use_sliding_window"), true)) {
        m->window = 0;
        return status;
    }
    weft_json_value types = weft_json_get(o, "layer_types");
    int64_t pattern = strcmp(m->family, "gemma2") == 0 ? 2 : strcmp(m->family, "gemma3_text") == 0 ? 6 : 0;
    status = weft_json_take_integer(o, where, "sliding_window_pattern", 1, MOST_LAYERS, &pattern);
    if (weft_json_size(types) > 0)
        for (int64_t i = 0; i < weft_json_size(types) && i < m->layers; i++)
            m->full_layers += strcmp(weft_json_string(weft_json_item(types, i), ""), "full_attention") == 0;
    else if (pattern)
        m->full_layers = m->layers / pattern;
    else if (strcmp(m->family, "qwen2") == 0) { /* the first max_window_layers see everything */
        status = weft_json_take_integer(o, where, "max_window_layers", 0, MOST_LAYERS, &m->full_layers);
        m->full_layers = m->full_layers > m->layers ? m->layers : m->full_layers;
    }
    return status;
}

static weft_status take_experts(weft_json_value o, const char *where, weft_llm *m)
{
    weft_status status = take(o, where, &expert_names, &m->experts);
    int64_t first_dense = 0, step = 1, shared = 0;
    if (status == WEFT_OK && m->experts <= 1) {
        m->experts = 0;
        return WEFT_OK;
    }
    m->active = 2;
    m->expert_inner = m->inner;
    if (status == WEFT_OK)
        status = take(o, where, &active_names, &m->active);
    if (status == WEFT_OK)
        status = take(o, where, &expert_inner_names, &m->expert_inner);
    if (status == WEFT_OK)
        status = weft_json_take_integer(o, where, "first_k_dense_replace", 0, MOST_LAYERS, &first_dense);
    if (status == WEFT_OK)
        status = weft_json_take_integer(o, where, "decoder_sparse_step", 1, MOST_LAYERS, &step);
    if (status == WEFT_OK)
        status = weft_json_take_integer(o, where, "n_shared_experts", 0, 4096, &shared);
    m->shared_inner = shared * m->expert_inner;
    if (status == WEFT_OK)
        status = weft_json_take_integer(o, where, "shared_expert_intermediate_size", 0, LARGEST, &m->shared_inner);
    if (status == WEFT_OK && m->active > m->experts)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: a token takes %lld experts, but there are %lld", where, (long long)m->active,
                         (long long)m->experts);
    first_dense = first_dense < m->layers ? first_dense : m->layers;
    m->dense_layers = first_dense + (m->layers - first_dense) - (m->layers - first_dense) / step;
    return status;
}

static weft_status take_sizes(weft_json_value o, const char *where, const family *f, weft_llm *m)
{
    weft_status status = take(o, where, &layer_names, &m->layers);
    if (status == WEFT_OK)
        status = take(o, where, &width_names, &m->width);
    if (status == WEFT_OK)
        status = take_attention(o, where, f, m);
    if (status == WEFT_OK)
        status = take(o, where, &context_names, &m->context);
    if (status == WEFT_OK)
        status = take(o, where, &vocabulary_names, &m->vocabulary);
    m->inner = 4 * m->width;
    if (status == WEFT_OK)
        status = take(o, where, &inner_names, &m->inner);
    double ratio = 0;
    if (status == WEFT_OK)
        status = weft_json_take_number(o, where, "expansion_ratio", 0.01, 1000, &ratio); /* MPT */
    if (ratio > 0)
        m->inner = llround((double)m->width * ratio);
    if (status == WEFT_OK)
        status = take_experts(o, where, m);
    if (status == WEFT_OK)
        status = take_window(o, where, m);
    if (status == WEFT_OK)
        status = take_bits(o, where, m);
    m->embedding_width = m->width;
    if (status == WEFT_OK)
        status = weft_json_take_integer(o, where, "word_embed_proj_dim", 1, LARGEST, &m->embedding_width);
    if (status == WEFT_OK)
        status = weft_json_take_integer(o, where, "n_tp", 1, 4096, &m->tensor_parallel);
    if (status == WEFT_OK)
        status = weft_json_take_integer(o, where, "n_pp", 1, MOST_LAYERS, &m->pipeline_parallel);
    return status;
}

static void take_family(weft_json_value o, const family *f, weft_llm *m)
{
    const char *act =
        weft_json_string(weft_json_get(o, "hidden_act"), weft_json_string(weft_json_get(o, "activation_function"), ""));
    bool silu = strcasecmp(act, "silu") == 0 || strcasecmp(act, "swiglu") == 0;
    m->gated = f ? f->gated : silu;
    m->biases = f ? f->biases : false;
    m->qkv_biases = f ? f->qkv_biases : false;
    m->layer_norm = f ? f->layer_norm : !silu;
    m->norms = f ? f->norms : 2;
    m->qkv_biases = weft_json_bool(weft_json_get(o, "attention_bias"), m->qkv_biases);
    m->tied = weft_json_bool(weft_json_get(o, "tie_word_embeddings"), f ? f->tied : false);
    m->positions = f && f->learned ? m->context + f->position_extra : 0;
}

/* The published simulator's model files hold one layer, since one is simulated; their real counts stand in the presets. */
static weft_status from_object(weft_json_value o, const char *where, weft_llm *m)
{
    bool published = weft_json_present(weft_json_get(o, "model_n_embd"));
    const char *type = weft_json_string(weft_json_get(o, "model_type"), published ? "gpt3" : "");
    *m = (weft_llm){.tensor_parallel = 1, .pipeline_parallel = 1};
    if (weft_json_kind_of(o) != WEFT_JSON_OBJECT)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: expected an object with a model's sizes", where);
    for (size_t i = 0; i < sizeof encoders / sizeof encoders[0]; i++)
        if (strcmp(encoders[i], type) == 0)
            return weft_fail(WEFT_ERROR_UNSUPPORTED,
                             "%s: \"model_type\" is \"%s\", which does not generate tokens; expected a decoder", where, type);
    snprintf(m->family, sizeof m->family, "%s", *type ? type : "decoder");
    const family *f = find_family(type);
    weft_status status = take_sizes(o, where, f, m);
    if (status != WEFT_OK)
        return status;
    if (published && !m->context)
        m->context = 2048;
    take_family(o, f, m);
    const char *name = weft_json_string(weft_json_get(o, published ? "model_name" : "_name_or_path"), "");
    snprintf(m->name, sizeof m->name, "%s", *name ? name : m->family);
    return weft_llm_check(m, where);
}

weft_status weft_llm_check(const weft_llm *m, const char *where)
{
    double inner = (double)m->inner + (double)(m->experts + 1) * (double)m->expert_inner + (double)m->shared_inner;
    double attention =
        2 * (double)(m->heads + m->kv_heads + 1) * (double)(m->head_size + m->value_size) + (double)(m->q_rank + m->kv_rank) * 2;
    double latent = (double)(m->q_rank + m->kv_rank) * (double)m->heads * (double)(m->head_size + m->value_size);
    double parameters = (double)m->layers * ((double)m->width * (3 * inner + attention + (double)m->experts) + latent) +
                        2 * (double)m->vocabulary * (double)m->embedding_width + (double)m->positions * (double)m->width;
    if (parameters > MOST_PARAMETERS)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: these sizes make %.3g parameters; no more than %g can be counted", where,
                         parameters, MOST_PARAMETERS);
    if (m->heads % m->tensor_parallel)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: %lld heads do not divide among %lld devices (n_tp)", where, (long long)m->heads,
                         (long long)m->tensor_parallel);
    if (m->layers % m->pipeline_parallel && m->layers != 1)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: %lld layers do not divide into %lld pipeline stages (n_pp)", where,
                         (long long)m->layers, (long long)m->pipeline_parallel);
    return WEFT_OK;
}

weft_status weft_llm_parse(const char *json, size_t size, const char *name, weft_llm *out)
{
    weft_json *document = NULL;
    weft_status status = weft_json_parse(json, size, name, &document);
    weft_json_value o = weft_json_root(document), text = weft_json_get(o, "text_config");
    if (weft_json_kind_of(text) == WEFT_JSON_OBJECT && !weft_json_present(weft_json_get(o, "num_hidden_layers")))
        o = text; /* models of texts and images: the text's half */
    if (status == WEFT_OK)
        status = from_object(o, name, out);
    weft_json_free(document);
    return status;
}

/* A model that does not say its name has its file's, or its folder's: "llama-3-8b/config.json" is llama-3-8b. */
static void name_by_path(const char *path, weft_llm *m)
{
    size_t end = strlen(path);
    const char *const tails[] = {"/config.json", "config.json", ".json", "/"};
    for (int i = 0; i < 4; i++) {
        size_t length = strlen(tails[i]);
        if (end > length && memcmp(path + end - length, tails[i], length) == 0)
            end -= length;
    }
    size_t begin = end;
    while (begin > 0 && path[begin - 1] != '/')
        begin--;
    if (end > begin && path[begin] != '.')
        snprintf(m->name, sizeof m->name, "%.*s", (int)(end - begin < 90 ? end - begin : 90), path + begin);
}

weft_status weft_llm_open(const char *model, weft_llm *out)
{
    for (int i = 0; weft_llm_preset_at(i); i++)
        if (strcasecmp(weft_llm_preset_at(i)->name, model) == 0) {
            *out = *weft_llm_preset_at(i);
            return WEFT_OK;
        }
    if (!weft_path_exists(model)) {
        weft_text names = {0};
        for (int i = 0; weft_llm_preset_at(i); i++)
            weft_text_add(&names, "%s%s", i ? ", " : "", weft_llm_preset_at(i)->name);
        weft_status status = weft_fail(WEFT_ERROR_FILE, "%s: no such file; a model is a config.json, its folder, or one of %s",
                                       model, names.data ? names.data : "the presets");
        weft_text_free(&names);
        return status;
    }
    char *path = weft_path_is_folder(model) ? weft_path_join(model, "config.json") : NULL, *text = NULL;
    size_t size = 0;
    weft_status status = weft_file_read(path ? path : model, CONFIG_BYTES, &text, &size);
    if (status == WEFT_OK)
        status = weft_llm_parse(text, size, path ? path : model, out);
    if (status == WEFT_OK && strcmp(out->name, out->family) == 0)
        name_by_path(model, out);
    free(text);
    free(path);
    return status;
}
