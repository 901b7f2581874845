/* Reading llama2.c's model.bin (karpathy/llama2.c, its legacy export): seven I32, then floats, tensor by tensor over all layers.
 * Its rope turns neighbours (x_2i, x_2i+1), Hugging Face's the halves (x_i, x_i+R/2): rows of q and k change places. */
#include "lm/llama2c.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/files.h"
#include "base/json.h"

typedef struct header {
    int64_t width, ffn, layers, heads, kv_heads, vocab, positions;
    bool own_head; /* its matrix stands at the end; the file says so by a negative vocabulary */
} header;

enum { NUMBERS = 7, BYTES = NUMBERS * 4, MOST = 1 << 24 };

static weft_status read_header(const unsigned char *bytes, size_t size, const char *where, header *h)
{
    static const char *const names[NUMBERS] = {"dim", "hidden_dim", "n_layers", "n_heads", "n_kv_heads", "vocab_size", "seq_len"};
    int64_t *const to[NUMBERS] = {&h->width, &h->ffn, &h->layers, &h->heads, &h->kv_heads, &h->vocab, &h->positions};
    if (size >= 4 && memcmp(bytes, "24ka", 4) == 0)
        return weft_fail(WEFT_ERROR_UNSUPPORTED, "%s: a later format of llama2.c's; export it with --version 0", where);
    if (size < BYTES)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: %zu bytes are no llama2.c model, whose header has %d", where, size, BYTES);
    for (int i = 0; i < NUMBERS; i++) {
        int32_t number;
        memcpy(&number, bytes + 4 * i, sizeof number);
        *to[i] = number;
        if (to[i] == &h->vocab && number < 0) {
            h->own_head = true;
            h->vocab = -(int64_t)number;
        }
        if (*to[i] < 1 || *to[i] > MOST)
            return weft_fail(WEFT_ERROR_FORMAT, "%s: %s is %ld, expected 1 to %d: is it a llama2.c model?", where, names[i],
                             (long)number, MOST);
    }
    if (h->width % h->heads != 0 || h->width / h->heads % 2 != 0 || h->heads % h->kv_heads != 0)
        return weft_fail(WEFT_ERROR_FORMAT,
                         "%s: %lld numbers a token in %lld heads, %lld of them with keys: expected heads of one even size", where,
                         (long long)h->width, (long long)h->heads, (long long)h->kv_heads);
    return WEFT_OK;
}

/* Of each layer; the same with rows in another order; of the model as a whole; the same, but computed and not read. */
typedef enum part_kind { LAYER, LAYER_TURNED, WHOLE, WHOLE_LEFT_OUT } part_kind;

/* A tensor of the file, [rows, columns] or, rows 0, [columns]. */
typedef struct part {
    const char *name;
    int64_t rows, columns;
    part_kind kind;
} part;

static bool of_layers(const part *p)
{
    return p->kind == LAYER || p->kind == LAYER_TURNED;
}

enum { MOST_PARTS = 14 };

static int parts_of(const header *h, part out[MOST_PARTS])
{
    const int64_t kv = h->width / h->heads * h->kv_heads, half = h->width / h->heads / 2;
    const part parts[] = {
        {"model.embed_tokens.weight", h->vocab, h->width, WHOLE},
        {"input_layernorm.weight", 0, h->width, LAYER},
        {"self_attn.q_proj.weight", h->width, h->width, LAYER_TURNED},
        {"self_attn.k_proj.weight", kv, h->width, LAYER_TURNED},
        {"self_attn.v_proj.weight", kv, h->width, LAYER},
        {"self_attn.o_proj.weight", h->width, h->width, LAYER},
        {"post_attention_layernorm.weight", 0, h->width, LAYER},
        {"mlp.gate_proj.weight", h->ffn, h->width, LAYER},
        {"mlp.down_proj.weight", h->width, h->ffn, LAYER},
        {"mlp.up_proj.weight", h->ffn, h->width, LAYER},
        {"model.norm.weight", 0, h->width, WHOLE},
        {"cosines", h->positions, half, WHOLE_LEFT_OUT}, /* of the rope, which is computed */
        {"sines", h->positions, half, WHOLE_LEFT_OUT},
        {"lm_head.weight", h->vocab, h->width, WHOLE},
    };
    const int count = h->own_head ? MOST_PARTS : MOST_PARTS - 1;
    memcpy(out, parts, (size_t)count * sizeof *out);
    return count;
}

/* Row i of a half-order head is row 2i of a neighbour-order one, row i + R/2 is row 2i + 1. */
static void turn_rows(const char *from, const part *p, int64_t head, char *to)
{
    const size_t row = (size_t)p->columns * sizeof(float);
    for (int64_t r = 0; r < p->rows; r++) {
        const int64_t in = r % head, source = in < head / 2 ? 2 * in : 2 * (in - head / 2) + 1;
        memcpy(to + (size_t)r * row, from + (size_t)(r - in + source) * row, row);
    }
}

static weft_status take(const part *p, int64_t layer, const header *h, const char *from, weft_params *params)
{
    char name[128];
    if (!of_layers(p))
        snprintf(name, sizeof name, "%s", p->name);
    else
        snprintf(name, sizeof name, "model.layers.%lld.%s", (long long)layer, p->name);
    weft_tensor t = {(void *)(uintptr_t)from, WEFT_F32, p->rows ? DIMS(p->rows, p->columns) : DIMS(p->columns)};
    if (p->kind != LAYER_TURNED)
        return weft_params_set(params, name, t);
    if (!(t.data = malloc(weft_tensor_bytes(t))))
        return weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", name);
    turn_rows(from, p, h->width / h->heads, t.data);
    weft_status status = weft_params_set(params, name, t);
    free(t.data);
    return status;
}

static weft_status write_config(const header *h, weft_text *out)
{
    const struct {
        const char *key;
        int64_t value;
    } rows[] = {{"hidden_size", h->width},
                {"intermediate_size", h->ffn},
                {"num_hidden_layers", h->layers},
                {"num_attention_heads", h->heads},
                {"num_key_value_heads", h->kv_heads},
                {"vocab_size", h->vocab},
                {"max_position_embeddings", h->positions},
                {"bos_token_id", 1}, /* SentencePiece's, as llama2.c has them */
                {"eos_token_id", 2}};
    weft_json_writer w = weft_json_to(out, 2);
    weft_json_open_object(&w);
    weft_json_add_key(&w, "architectures");
    weft_json_open_list(&w);
    weft_json_add_string(&w, "LlamaForCausalLM");
    weft_json_close_list(&w);
    weft_json_add_key(&w, "model_type");
    weft_json_add_string(&w, "llama");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        weft_json_add_key(&w, rows[i].key);
        weft_json_add_integer(&w, rows[i].value);
    }
    weft_json_add_key(&w, "hidden_act");
    weft_json_add_string(&w, "silu");
    weft_json_add_key(&w, "rms_norm_eps");
    weft_json_add_number(&w, 1e-5);
    weft_json_add_key(&w, "rope_theta");
    weft_json_add_number(&w, 10000);
    weft_json_add_key(&w, "tie_word_embeddings");
    weft_json_add_bool(&w, !h->own_head);
    weft_json_add_key(&w, "torch_dtype");
    weft_json_add_string(&w, "float32");
    weft_json_close_object(&w);
    weft_text_add(out, "\n");
    return out->failed ? weft_fail(WEFT_ERROR_MEMORY, "memory is short") : WEFT_OK;
}

/* Every size is below 2^24, so that a tensor's bytes fit in 63 bits; their sum is held to the file's size as it grows. */
static weft_status check_size(const header *h, const part *parts, int count, size_t size, const char *where)
{
    uint64_t bytes = BYTES;
    for (int i = 0; i < count; i++) {
        const uint64_t one = (uint64_t)(parts[i].rows ? parts[i].rows : 1) * (uint64_t)parts[i].columns * sizeof(float);
        const uint64_t layers = of_layers(&parts[i]) ? (uint64_t)h->layers : 1;
        if (one > (size - bytes) / layers)
            return weft_fail(WEFT_ERROR_FORMAT, "%s: %zu bytes end within %s: the header wants more", where, size, parts[i].name);
        bytes += one * layers;
    }
    if (bytes != size)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: %zu bytes, the header wants %llu", where, size, (unsigned long long)bytes);
    return WEFT_OK;
}

weft_status weft_llama2c_parse(const void *bytes, size_t size, const char *name, weft_text *config, weft_params **out)
{
    header h = {0};
    part parts[MOST_PARTS];
    weft_params *params = NULL;
    *out = NULL;
    weft_status status = read_header(bytes, size, name, &h);
    if (status != WEFT_OK)
        return status;
    const int count = parts_of(&h, parts);
    status = check_size(&h, parts, count, size, name);
    if (status == WEFT_OK)
        status = weft_params_new(&params);
    const char *at = (const char *)bytes + BYTES;
    for (int i = 0; i < count && status == WEFT_OK; i++) {
        const part *p = &parts[i];
        const size_t one = (size_t)((p->rows ? p->rows : 1) * p->columns) * sizeof(float);
        for (int64_t l = 0; l < (of_layers(p) ? h.layers : 1) && status == WEFT_OK; l++, at += one)
            status = p->kind == WHOLE_LEFT_OUT ? WEFT_OK : take(p, l, &h, at, params);
    }
    if (status == WEFT_OK)
        status = write_config(&h, config);
    if (status == WEFT_OK)
        *out = params;
    else
        weft_params_free(params);
    return status;
}

weft_status weft_llama2c_open(const char *path, weft_text *config, weft_params **params)
{
    weft_map map;
    *params = NULL;
    weft_status status = weft_map_open(path, &map);
    if (status != WEFT_OK)
        return status;
    status = weft_llama2c_parse(map.data ? map.data : "", map.size, path, config, params);
    weft_map_close(&map);
    return status;
}
