/* config.json of a language model: every key, its default and its limits. */
#include "lm/config_family.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* Sizes beyond any model there is, small enough that products of two fit in 63 bits. */
enum { MOST_WIDTH = 1 << 20, MOST_ROWS = 1 << 26, MOST_LAYERS = 4096 };

/* Spellings of a size; the later of two that are there counts. */
static const struct {
    const char *key;
    size_t field;
    int64_t most;
    const char *only; /* the one family that spells it so; NULL: all */
    unsigned missing; /* the bit of `missing` that its presence clears */
} sizes[] = {
    {"hidden_size", offsetof(weft_lm_config, width), MOST_WIDTH, NULL, 0},
    {"n_embd", offsetof(weft_lm_config, width), MOST_WIDTH, "gpt2", 0},
    {"dim", offsetof(weft_lm_config, width), MOST_WIDTH, "distilbert", 0},
    {"num_hidden_layers", offsetof(weft_lm_config, layers), MOST_LAYERS, NULL, 0},
    {"n_layer", offsetof(weft_lm_config, layers), MOST_LAYERS, "gpt2", 0},
    {"n_layers", offsetof(weft_lm_config, layers), MOST_LAYERS, "distilbert", 0},
    {"num_attention_heads", offsetof(weft_lm_config, heads), MOST_WIDTH, NULL, 0},
    {"n_head", offsetof(weft_lm_config, heads), MOST_WIDTH, "gpt2", 0},
    {"n_heads", offsetof(weft_lm_config, heads), MOST_WIDTH, "distilbert", 0},
    {"num_key_value_heads", offsetof(weft_lm_config, kv_heads), MOST_WIDTH, NULL, 0},
    {"head_dim", offsetof(weft_lm_config, head_dim), MOST_WIDTH, NULL, 0},
    {"intermediate_size", offsetof(weft_lm_config, ffn), MOST_ROWS, NULL, WEFT_LM_NO_FFN},
    {"n_inner", offsetof(weft_lm_config, ffn), MOST_ROWS, "gpt2", WEFT_LM_NO_FFN},
    {"hidden_dim", offsetof(weft_lm_config, ffn), MOST_ROWS, "distilbert", WEFT_LM_NO_FFN},
    {"vocab_size", offsetof(weft_lm_config, vocab), MOST_ROWS, NULL, WEFT_LM_NO_VOCAB},
    {"max_position_embeddings", offsetof(weft_lm_config, positions), MOST_ROWS, NULL, WEFT_LM_NO_POSITIONS},
    {"n_positions", offsetof(weft_lm_config, positions), MOST_ROWS, "gpt2", WEFT_LM_NO_POSITIONS},
    {"type_vocab_size", offsetof(weft_lm_config, types), MOST_WIDTH, NULL, WEFT_LM_NO_TYPES},
};

static const struct {
    const char *name;
    weft_activation activation;
} activations[] = {
    {"gelu", WEFT_ACT_GELU},
    {"gelu_python", WEFT_ACT_GELU},
    {"gelu_new", WEFT_ACT_GELU_TANH},
    {"gelu_pytorch_tanh", WEFT_ACT_GELU_TANH},
    {"gelu_fast", WEFT_ACT_GELU_TANH},
    {"gelu_accurate", WEFT_ACT_GELU_TANH},
    {"gelu_python_tanh", WEFT_ACT_GELU_TANH},
    {"silu", WEFT_ACT_SILU},
    {"swish", WEFT_ACT_SILU},
    {"relu", WEFT_ACT_RELU},
    {"quick_gelu", WEFT_ACT_QUICK_GELU},
};

enum { ACTIVATIONS = sizeof activations / sizeof activations[0] };

static weft_status read_sizes(weft_json_value root, const char *where, weft_lm_config *c)
{
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        int64_t *field = (int64_t *)(void *)((char *)c + sizes[i].field);
        if (sizes[i].only && strcmp(sizes[i].only, c->family->model_type) != 0)
            continue;
        weft_status status = weft_json_take_integer(root, where, sizes[i].key, 1, sizes[i].most, field);
        if (status != WEFT_OK)
            return status;
        if (weft_json_present(weft_json_get(root, sizes[i].key)))
            c->missing &= ~sizes[i].missing;
    }
    if (weft_json_get(root, "num_key_value_heads").node && !weft_json_present(weft_json_get(root, "num_key_value_heads")))
        c->kv_heads = 0; /* null: as many as heads, whatever an absent key means */
    return weft_json_take_integer(root, where, "pad_token_id", -1, MOST_ROWS, &c->pad_id);
}

static weft_status read_activation(weft_json_value root, const char *where, weft_lm_config *c)
{
    /* gemma: hidden_act says "gelu" in files whose models were trained with the tanh form */
    static const char *const keys[] = {"hidden_act", "activation", "activation_function", "hidden_activation"};
    const weft_lm_defaults *d = c->family->defaults;
    const char *name = d->activation, *key = keys[0];
    for (int i = d->hidden_activation ? 3 : 0; i < 4; i++) {
        const char *given = NULL;
        weft_status status = weft_json_take_string(root, where, keys[i], &given);
        if (status != WEFT_OK)
            return status;
        if (given) {
            name = given;
            key = keys[i];
        }
    }
    for (int i = 0; i < ACTIVATIONS; i++)
        if (strcmp(activations[i].name, name) == 0) {
            c->activation = activations[i].activation;
            return WEFT_OK;
        }
    weft_text list = {0};
    for (int i = 0; i < ACTIVATIONS; i++)
        weft_text_add(&list, "%s%s", i ? ", " : "", activations[i].name);
    weft_status status =
        weft_fail(WEFT_ERROR_FORMAT, "%s: \"%s\" is \"%.60s\"; known are %s", where, key, name, list.data ? list.data : "");
    weft_text_free(&list);
    return status;
}

/* A soft cap: absent takes the default, null none. */
static weft_status read_cap(weft_json_value root, const char *where, const char *key, double otherwise, double *out)
{
    weft_json_value given = weft_json_get(root, key);
    *out = given.node ? 0 : otherwise;
    return otherwise ? weft_json_take_number(root, where, key, 1e-6, 1e9, out) : WEFT_OK;
}

static weft_status read_numbers(weft_json_value root, const char *where, weft_lm_config *c)
{
    static const char *const eps_keys[] = {"layer_norm_epsilon", "layer_norm_eps", "rms_norm_eps"};
    const weft_lm_defaults *d = c->family->defaults;
    weft_status status = WEFT_OK;
    c->eps = d->eps;
    for (int i = 0; i < 3 && !d->fixed_eps && status == WEFT_OK; i++)
        status = weft_json_take_number(root, where, eps_keys[i], 0, 1, &c->eps);
    double scalar = d->query_scalar ? d->query_scalar : (double)c->head_dim;
    if (status == WEFT_OK && d->query_scalar)
        status = weft_json_take_number(root, where, "query_pre_attn_scalar", 1e-6, 1e9, &scalar);
    c->query_scale = 1 / sqrt(scalar);
    bool scaled = true;
    if (status == WEFT_OK && c->family->conv1d)
        status = weft_json_take_bool(root, where, "scale_attn_weights", &scaled);
    if (status == WEFT_OK && c->family->conv1d)
        status = weft_json_take_bool(root, where, "scale_attn_by_inverse_layer_idx", &c->scale_by_layer);
    if (!scaled)
        c->query_scale = 1;
    if (status == WEFT_OK)
        status = read_cap(root, where, "attn_logit_softcapping", d->attention_cap, &c->attention_cap);
    if (status == WEFT_OK)
        status = read_cap(root, where, "final_logit_softcapping", d->logit_cap, &c->logit_cap);
    c->init_range = 0.02;
    if (status == WEFT_OK)
        status = weft_json_take_number(root, where, "initializer_range", 0, 100, &c->init_range);
    c->embedding_scale = c->family->scaled_embedding ? sqrt((double)c->width) : 1;
    return status;
}

static weft_status read_switches(weft_json_value root, const char *where, weft_lm_config *c)
{
    const weft_lm_defaults *d = c->family->defaults;
    bool bias = d->attention_bias, parallel = c->family->qkv == WEFT_LM_QKV_HEADS, decoder = false;
    weft_status status = WEFT_OK;
    c->qkv_bias = d->qkv_bias;
    c->o_bias = d->o_bias;
    c->mlp_bias = d->mlp_bias;
    c->tied = d->tied;
    c->mlp = true;
    c->tied_given = weft_json_present(weft_json_get(root, "tie_word_embeddings"));
    if (!d->no_bias && !c->family->conv1d) {
        status = weft_json_take_bool(root, where, "attention_bias", &bias);
        c->qkv_bias = c->o_bias = bias;
    }
    if (status == WEFT_OK && !d->mlp_bias && !d->no_bias)
        status = weft_json_take_bool(root, where, "mlp_bias", &c->mlp_bias);
    if (status == WEFT_OK)
        status = weft_json_take_bool(root, where, "tie_word_embeddings", &c->tied);
    if (status == WEFT_OK && parallel)
        status = weft_json_take_bool(root, where, "use_parallel_residual", &parallel);
    c->parallel = parallel;
    if (status == WEFT_OK && c->family->conv1d)
        status = weft_json_take_bool(root, where, "mlp", &c->mlp);
    if (status == WEFT_OK && c->family->encoder)
        status = weft_json_take_bool(root, where, "is_decoder", &decoder);
    if (status == WEFT_OK && decoder)
        return weft_fail(WEFT_ERROR_UNSUPPORTED, "%s: \"is_decoder\" is true: %s is read as an encoder only", where,
                         c->family->model_type);
    return status;
}

static const char *const problems[] = {[WEFT_LM_PROBLEM_SINGLE_LABEL] = "single_label_classification",
                                       [WEFT_LM_PROBLEM_REGRESSION] = "regression",
                                       [WEFT_LM_PROBLEM_MULTI_LABEL] = "multi_label_classification"};

const char *weft_lm_problem_name(weft_lm_problem problem)
{
    return problems[problem];
}

bool weft_lm_problem_of_numbers(weft_lm_problem problem)
{
    return problem == WEFT_LM_PROBLEM_REGRESSION || problem == WEFT_LM_PROBLEM_MULTI_LABEL;
}

weft_status weft_lm_problem_read(weft_json_value root, const char *where, weft_lm_problem *out)
{
    const char *given = NULL;
    *out = WEFT_LM_PROBLEM_UNSAID;
    weft_status status = weft_json_take_string(root, where, "problem_type", &given);
    if (status != WEFT_OK || !given)
        return status;
    for (int i = WEFT_LM_PROBLEM_SINGLE_LABEL; i <= WEFT_LM_PROBLEM_MULTI_LABEL; i++)
        if (strcmp(problems[i], given) == 0) {
            *out = (weft_lm_problem)i;
            return WEFT_OK;
        }
    return weft_fail(WEFT_ERROR_FORMAT, "%s: \"problem_type\" is \"%.60s\"; known are %s, %s, %s", where, given, problems[1],
                     problems[2], problems[3]);
}

/* What an encoder's file may carry besides its base model: guessed from the architecture, then seen in the weights. */
static weft_status read_encoder(weft_json_value root, const char *where, weft_lm_config *c)
{
    const char *positions = "absolute";
    bool sinusoidal = false;
    weft_status status = weft_json_take_string(root, where, "position_embedding_type", &positions);
    if (status == WEFT_OK && strcmp(positions, "absolute") != 0)
        status = weft_fail(WEFT_ERROR_UNSUPPORTED, "%s: \"position_embedding_type\" is \"%.60s\", expected \"absolute\"", where,
                           positions);
    if (status == WEFT_OK) /* the table is in the file either way */
        status = weft_json_take_bool(root, where, "sinusoidal_pos_embds", &sinusoidal);
    c->classes = weft_json_size(weft_json_get(root, "id2label"));
    if (status == WEFT_OK)
        status = weft_json_take_integer(root, where, "num_labels", 1, MOST_WIDTH, &c->classes);
    if (c->classes < 1)
        c->classes = 2;
    const char *head = weft_json_string(weft_json_item(weft_json_get(root, "architectures"), 0), "");
    bool classifies = strstr(head, "ForSequenceClassification") != NULL;
    bool pools = c->family->names->type && !(classifies && strncmp(head, "Roberta", 7) == 0);
    c->head_kinds = (pools ? WEFT_LM_POOLER : 0u) | (classifies ? WEFT_LM_CLASSIFIER : 0u);
    return status;
}

/* the family's own spelling of a size */
static const char *spelling(const weft_lm_config *c, size_t field)
{
    const char *found = "?";
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        if (sizes[i].field == field && (!sizes[i].only || strcmp(sizes[i].only, c->family->model_type) == 0))
            found = sizes[i].key;
    return found;
}

static weft_status check(const weft_lm_config *c, const char *where, bool head_given)
{
    if (!head_given && c->width % c->heads != 0)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: \"%s\" is %lld and \"%s\" %lld: expected a multiple of it", where,
                         spelling(c, offsetof(weft_lm_config, width)), (long long)c->width,
                         spelling(c, offsetof(weft_lm_config, heads)), (long long)c->heads);
    if (c->heads % c->kv_heads != 0)
        return weft_fail(WEFT_ERROR_FORMAT,
                         "%s: \"num_attention_heads\" is %lld and \"num_key_value_heads\" %lld: expected a multiple of it", where,
                         (long long)c->heads, (long long)c->kv_heads);
    if (c->heads * c->head_dim > MOST_WIDTH)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: %lld heads of %lld are more than %d numbers a token", where, (long long)c->heads,
                         (long long)c->head_dim, MOST_WIDTH);
    if (c->family->defaults->rope && (c->rotary < 2 || c->rotary % 2 != 0))
        return weft_fail(WEFT_ERROR_FORMAT,
                         "%s: %lld rotated dimensions of a head of %lld (\"head_dim\"): expected an even number", where,
                         (long long)c->rotary, (long long)c->head_dim);
    return WEFT_OK;
}

static weft_status read_all(weft_json_value root, const char *where, weft_lm_config *c)
{
    const weft_lm_defaults *d = c->family->defaults;
    c->vocab = d->vocab;
    c->width = d->width;
    c->layers = d->layers;
    c->heads = d->heads;
    c->positions = d->positions;
    c->types = d->types;
    c->pad_id = d->pad_id;
    c->head_dim = d->head_dim;
    c->kv_heads = d->kv_heads;
    c->ffn = d->ffn;
    c->missing = WEFT_LM_NO_VOCAB | WEFT_LM_NO_POSITIONS | WEFT_LM_NO_TYPES | WEFT_LM_NO_FFN;
    weft_status status = read_sizes(root, where, c);
    if (status != WEFT_OK)
        return status;
    bool grouped = d->rope && c->family->qkv == WEFT_LM_QKV_APART; /* the others have no such keys */
    bool head_given = grouped && c->head_dim != 0;
    if (!head_given)
        c->head_dim = c->width / c->heads ? c->width / c->heads : 1;
    if (!grouped || !c->kv_heads)
        c->kv_heads = c->heads;
    if (!c->ffn)
        c->ffn = 4 * c->width;
    if (!c->family->names->type)
        c->types = 0;
    if ((status = read_numbers(root, where, c)) != WEFT_OK || (status = read_activation(root, where, c)) != WEFT_OK ||
        (status = read_switches(root, where, c)) != WEFT_OK ||
        (status = weft_lm_problem_read(root, where, &c->problem)) != WEFT_OK)
        return status;
    if (d->rope && (status = weft_lm_rope_read(root, where, c)) != WEFT_OK)
        return status;
    if ((status = weft_lm_layers_read(root, where, c)) != WEFT_OK)
        return status;
    if (c->family->encoder && (status = read_encoder(root, where, c)) != WEFT_OK)
        return status;
    return check(c, where, head_given);
}

weft_status weft_lm_config_read(weft_json_value root, const char *where, weft_lm_config *out)
{
    *out = (weft_lm_config){0};
    if (weft_json_kind_of(root) != WEFT_JSON_OBJECT)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: expected an object", where);
    const char *type = NULL;
    weft_status status = weft_json_take_string(root, where, "model_type", &type);
    if (status != WEFT_OK)
        return status;
    out->family = type ? weft_lm_family_find(type) : NULL;
    if (!out->family) {
        weft_text list = {0};
        for (int i = 0; i < WEFT_LM_FAMILIES; i++)
            weft_text_add(&list, "%s%s", i ? ", " : "", weft_lm_families[i].model_type);
        for (int i = 0; i < WEFT_LM_ALIASES; i++)
            weft_text_add(&list, ", %s", weft_lm_aliases[i].model_type);
        status = weft_fail(WEFT_ERROR_FORMAT, "%s: \"model_type\" is %s%.60s%s; language models are %s", where, type ? "\"" : "",
                           type ? type : "missing", type ? "\"" : "", list.data ? list.data : "");
        weft_text_free(&list);
        return status;
    }
    weft_json_value text = weft_json_get(root, "text_config"); /* the language part of a multimodal model */
    if (weft_json_present(text) && weft_json_kind_of(text) != WEFT_JSON_OBJECT)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: \"text_config\" is no object", where);
    status = read_all(weft_json_present(text) ? text : root, where, out);
    strcpy(out->base, out->family->base);
    out->head = out->family->names->head;
    if (status != WEFT_OK)
        weft_lm_config_free(out);
    return status;
}

void weft_lm_config_free(weft_lm_config *c)
{
    if (!c)
        return;
    for (int i = 0; i < 2; i++) {
        free(c->rope[i].short_factors);
        free(c->rope[i].long_factors);
        c->rope[i].short_factors = c->rope[i].long_factors = NULL;
    }
    free(c->window);
    free(c->ropes);
    c->window = NULL;
    c->ropes = NULL;
}
