/* Reading an adapter: adapter_config.json, its tensors, and whether they fit the model. */
#include "lm/adapter.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/files.h"
#include "graph/params.h"

static weft_status short_of_memory(const char *where)
{
    return weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", where);
}

/* An expression as PEFT reads it (Python's re), between what must stand before it and the end. */
static weft_status read_expression(const char *before, const char *pattern, const char *where, const char *key, weft_regex **out)
{
    weft_text text = {0};
    weft_text_add(&text, "\\A%s(?:%s)\\z", before, pattern);
    weft_status status = text.failed ? short_of_memory(where) : weft_regex_new(text.data, text.length, out);
    weft_text_free(&text);
    return status == WEFT_OK ? status : weft_fail_in(status, "%s: \"%s\"", where, key);
}

/* A list of texts; absent: none. */
static weft_status read_names(weft_json_value v, const char *where, const char *key, char ***out, int *count)
{
    int64_t n = weft_json_size(v);
    if (!weft_json_present(v))
        return WEFT_OK;
    if (weft_json_kind_of(v) != WEFT_JSON_LIST || n > 4096)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: \"%s\" is no list of at most 4096 texts", where, key);
    if (!(*out = calloc((size_t)n + 1, sizeof **out)))
        return short_of_memory(where);
    for (int64_t i = 0; i < n; i++) {
        const char *name = weft_json_string(weft_json_item(v, i), NULL);
        if (!name || !*name)
            return weft_fail(WEFT_ERROR_FORMAT, "%s: \"%s\" entry %lld is no text", where, key, (long long)i);
        if (!((*out)[(*count)++] = strdup(name)))
            return short_of_memory(where);
    }
    return WEFT_OK;
}

static weft_status read_targets(weft_json_value root, const char *where, weft_lm_adapter *a)
{
    weft_json_value v = weft_json_get(root, "target_modules");
    const char *text = weft_json_string(v, NULL);
    a->all_linear = text && strcmp(text, "all-linear") == 0;
    if (text && !a->all_linear)
        return read_expression("", text, where, "target_modules", &a->expression);
    return text ? WEFT_OK : read_names(v, where, "target_modules", &a->targets, &a->target_count);
}

static weft_status read_patterns(weft_json_value root, const char *where, const char *key, weft_lm_pattern **out, int *count)
{
    weft_json_value v = weft_json_get(root, key);
    int64_t n = weft_json_size(v);
    if (!weft_json_present(v))
        return WEFT_OK;
    if (weft_json_kind_of(v) != WEFT_JSON_OBJECT || n > 65536)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: \"%s\" is no object of at most 65536 numbers", where, key);
    if (!(*out = calloc((size_t)n + 1, sizeof **out)))
        return short_of_memory(where);
    for (int64_t i = 0; i < n; i++) {
        weft_json_value value;
        const char *pattern = weft_json_key(v, i, &value);
        double number = weft_json_number(value, NAN);
        if (!(number >= 1 && number <= 1 << 20))
            return weft_fail(WEFT_ERROR_FORMAT, "%s: \"%s\" of \"%.80s\" is no number from 1 to %d", where, key, pattern,
                             1 << 20);
        weft_status status = read_expression("(?:.*\\.)?", pattern, where, key, &(*out)[i].expression);
        if (status != WEFT_OK)
            return status;
        (*out)[i].value = number;
        *count = (int)i + 1;
    }
    return WEFT_OK;
}

static weft_status read_layers(weft_json_value root, const char *where, const weft_lm_config *c, weft_lm_adapter *a)
{
    weft_json_value v = weft_json_get(root, "layers_to_transform");
    if (!weft_json_present(v))
        return WEFT_OK;
    bool list = weft_json_kind_of(v) == WEFT_JSON_LIST;
    int64_t n = list ? weft_json_size(v) : 1;
    if (!(a->layers = calloc((size_t)n + 1, sizeof *a->layers)))
        return short_of_memory(where);
    for (int64_t i = 0; i < n; i++) {
        int64_t l = weft_json_integer(list ? weft_json_item(v, i) : v, -1);
        if (l < 0 || l >= c->layers)
            return weft_fail(WEFT_ERROR_FORMAT, "%s: \"layers_to_transform\" entry %lld is no layer from 0 to %lld", where,
                             (long long)i, (long long)c->layers - 1);
        a->layers[a->layer_count++] = l;
    }
    return WEFT_OK;
}

static weft_status read_config(weft_json_value root, const char *where, const weft_lm_config *c, weft_lm_adapter *a)
{
    const char *type = "LORA";
    a->r = 8;
    a->alpha = 8;
    if (weft_json_kind_of(root) != WEFT_JSON_OBJECT)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: expected an object", where);
    weft_status status = weft_json_take_string(root, where, "peft_type", &type);
    if (status == WEFT_OK && strcmp(type, "LORA") != 0)
        return weft_fail(WEFT_ERROR_UNSUPPORTED, "%s: \"peft_type\" is \"%.60s\"; known is LORA", where, type);
    if (status == WEFT_OK)
        status = weft_json_take_integer(root, where, "r", 1, 1 << 20, &a->r);
    if (status == WEFT_OK)
        status = weft_json_take_number(root, where, "lora_alpha", 0, 1e9, &a->alpha);
    if (status == WEFT_OK)
        status = weft_json_take_number(root, where, "lora_dropout", 0, 0.999, &a->dropout);
    if (status == WEFT_OK)
        status = weft_json_take_bool(root, where, "use_rslora", &a->rslora);
    if (status == WEFT_OK)
        status = weft_json_take_bool(root, where, "use_dora", &a->dora);
    if (status == WEFT_OK)
        status = weft_regex_match_new(&a->matcher);
    if (status == WEFT_OK)
        status = read_targets(root, where, a);
    if (status == WEFT_OK)
        status = read_names(weft_json_get(root, "modules_to_save"), where, "modules_to_save", &a->saved, &a->saved_count);
    if (status == WEFT_OK)
        status = read_layers(root, where, c, a);
    if (status == WEFT_OK)
        status = read_patterns(root, where, "rank_pattern", &a->ranks, &a->rank_count);
    return status == WEFT_OK ? read_patterns(root, where, "alpha_pattern", &a->alphas, &a->alpha_count) : status;
}

weft_status weft_lm_adapter_parse(weft_json_value config, const char *where, const weft_lm_config *c, weft_lm_adapter **out)
{
    *out = NULL;
    weft_lm_adapter *a = calloc(1, sizeof *a);
    if (!a)
        return short_of_memory(where);
    snprintf(a->base, sizeof a->base, "%s", c->family->base);
    weft_status status = read_config(config, where, c, a);
    if (status != WEFT_OK)
        weft_lm_adapter_free(a);
    else
        *out = a;
    return status;
}

/* How the adapter's module names begin: the family's base, or none, or a multimodal model's. */
static void find_base(weft_lm_adapter *a, const weft_lm_config *c)
{
    const char *const bases[] = {c->family->base, "model.language_model", "language_model.model", ""};
    for (size_t k = 0; k < sizeof bases / sizeof bases[0]; k++)
        for (int64_t i = 0; i < weft_params_count(a->file); i++) {
            char start[192];
            snprintf(start, sizeof start, WEFT_LM_ADAPTER_PREFIX "%s%s%s.", bases[k], bases[k][0] ? "." : "",
                     c->family->names->layer);
            if (strncmp(weft_params_at(a->file, i, NULL), start, strlen(start)) == 0) {
                snprintf(a->base, sizeof a->base, "%s", bases[k]);
                return;
            }
        }
}

static bool ends_in(const char *name, const char *end)
{
    size_t n = strlen(name), k = strlen(end);
    return n >= k && strcmp(name + n - k, end) == 0;
}

/* NAME of "base_model.model.NAME" without PEFT's places: of the layer that it stands beside, of one that is trained whole. */
static void without_places(const char *name, char out[WEFT_LM_ADAPTER_NAME])
{
    static const char *const places[] = {".base_layer", ".modules_to_save.default", ".modules_to_save"};
    snprintf(out, WEFT_LM_ADAPTER_NAME, "%s", name + strlen(WEFT_LM_ADAPTER_PREFIX));
    for (int i = 0; i < 3; i++) {
        char *middle = strstr(out, places[i]);
        if (middle)
            memmove(middle, middle + strlen(places[i]), strlen(middle + strlen(places[i])) + 1);
    }
}

/* A tensor that is put in place of the base's, as the graph spells it. */
static void graph_name(weft_lm_adapter *a, const weft_lm_config *c, const char *name, char out[WEFT_LM_ADAPTER_NAME])
{
    static const char *const old_norms[][2] = {{"LayerNorm.weight", "LayerNorm.gamma"}, {"LayerNorm.bias", "LayerNorm.beta"}};
    static const char lm_head[] = "lm_head";
    char rest[WEFT_LM_ADAPTER_NAME];
    without_places(name, rest);
    if (c->head && strcmp(c->head, lm_head) != 0 && strcmp(rest, "lm_head.weight") == 0) {
        a->head = lm_head; /* GPT-NeoX's embed_out as transformers 5 calls it */
        snprintf(rest, sizeof rest, "%s.weight", c->head);
    }
    const size_t base = strlen(a->base);
    const bool below = base && strncmp(rest, a->base, base) == 0 && rest[base] == '.';
    const bool inside = below || (!base && !weft_lm_stands_outside(c, rest));
    const char *prefix = inside ? c->base : c->outside;
    snprintf(out, WEFT_LM_ADAPTER_NAME, "%.64s%s%.400s", prefix, prefix[0] ? "." : "", rest + (below ? base + 1 : 0));
    for (int i = 0; i < 2 && c->old_norms; i++)
        if (ends_in(out, old_norms[i][0]))
            strcpy(out + strlen(out) - strlen(old_norms[i][0]), old_norms[i][1]);
}

/* With "bias": "all" PEFT stores some tensors twice: what was there before a module was trained whole, and the two names of one
 * bias of masked words. */
static bool is_second(const weft_lm_config *c, const char *name)
{
    static const struct {
        const char *end;
        bool decoders;
    } biases[] = {{"cls.predictions.decoder.bias", true},
                  {"cls.predictions.bias", false},
                  {"lm_head.decoder.bias", true},
                  {"lm_head.bias", false}};
    char bare[WEFT_LM_ADAPTER_NAME];
    without_places(name, bare);
    bool second = strstr(name, ".original_module.") != NULL;
    for (size_t i = 0; i < sizeof biases / sizeof biases[0] && c->head_kinds & WEFT_LM_MLM; i++)
        second |= ends_in(bare, biases[i].end) && biases[i].decoders != (c->mlm_bias != NULL);
    return second;
}

/* The file's tensors under the graph's names. */
static weft_status take_tensors(weft_lm_adapter *a, const weft_lm_config *c, const char *where)
{
    weft_status status = weft_params_new(&a->params);
    for (int64_t i = 0; i < weft_params_count(a->file) && status == WEFT_OK; i++) {
        weft_tensor t;
        char own[WEFT_LM_ADAPTER_NAME];
        const char *name = weft_params_at(a->file, i, NULL);
        if (strncmp(name, WEFT_LM_ADAPTER_PREFIX, strlen(WEFT_LM_ADAPTER_PREFIX)) != 0)
            return weft_fail(WEFT_ERROR_FORMAT, "%s: tensor \"%.120s\" does not begin with \"" WEFT_LM_ADAPTER_PREFIX "\"", where,
                             name);
        const bool lora = strstr(name, ".lora_") != NULL;
        if (is_second(c, name))
            continue;
        if (!lora)
            graph_name(a, c, name, own);
        if (lora || !weft_params_get(a->params, own, &t)) /* PEFT stores a trained module's bias by two names */
            status = weft_params_lend(a->params, lora ? name : own, a->file, name);
    }
    return status == WEFT_OK ? status : weft_fail_in(status, "%s", where);
}

static weft_value parameter_named(const weft_graph *g, const char *name)
{
    const int n = weft_graph_params(g, -1, NULL, NULL);
    for (int i = 0; i < n; i++) {
        const char *own;
        weft_value v;
        weft_graph_params(g, i, &own, &v);
        if (strcmp(own, name) == 0)
            return v;
    }
    return (weft_value){0};
}

/* Every tensor of the file must be one that the model with the adapter reads, in its shape. */
static weft_status check_fit(const weft_lm_adapter *a, const weft_lm_config *c, const char *where)
{
    weft_graph *g = weft_graph_new(WEFT_F32);
    weft_lm_builder b;
    if (!g)
        return WEFT_ERROR_MEMORY;
    weft_lm_begin(&b, g, c, &(weft_lm_form){.batch = 1, .tokens = 1, .adapter = a});
    weft_lm_outputs(&b, false);
    weft_status status = weft_graph_status(g);
    for (int64_t i = 0; i < weft_params_count(a->params) && status == WEFT_OK; i++) {
        char spelt[WEFT_LM_ADAPTER_NAME], have[WEFT_DIMS_TEXT], want[WEFT_DIMS_TEXT];
        weft_tensor t;
        const char *name = weft_params_at(a->params, i, &t);
        const weft_value v = parameter_named(g, name);
        weft_lm_adapter_spell(a, c, name, spelt);
        if (!v.id)
            status = weft_fail(WEFT_ERROR_FORMAT, "%s: tensor \"%.120s\" fits no module of this %s model", where, spelt,
                               c->family->model_type);
        else if (!weft_dims_equal(t.dims, weft_shape(g, v)))
            status = weft_fail(WEFT_ERROR_FORMAT, "%s: %.160s: file has %s, config wants %s", where, spelt,
                               weft_dims_text(t.dims, have), weft_dims_text(weft_shape(g, v), want));
    }
    if (status == WEFT_OK && (status = weft_params_check(a->params, g, WEFT_LM_ADAPTER_PREFIX)) != WEFT_OK)
        status = weft_fail_in(status, "%s", where);
    weft_graph_free(g);
    return status;
}

void weft_lm_adapter_take_head(const weft_lm_adapter *a, weft_lm_config *c)
{
    if (!a->head_kinds)
        return;
    c->head_kinds = a->head_kinds;
    c->classes = a->classes;
    if (a->problem != WEFT_LM_PROBLEM_UNSAID)
        c->problem = a->problem;
}

/* classes.json, which Weft puts beside an adapter with a head, says what the head's numbers are. */
static weft_status read_problem(const char *folder, weft_lm_adapter *a)
{
    char *path = weft_path_join(folder, "classes.json");
    weft_json *json = NULL;
    weft_status status = !path ? short_of_memory(folder) : weft_path_exists(path) ? weft_json_read(path, &json) : WEFT_OK;
    if (json)
        status = weft_lm_problem_read(weft_json_root(json), path, &a->problem);
    weft_json_free(json);
    free(path);
    return status;
}

weft_status weft_lm_adapter_open(const char *folder, const weft_lm_config *c, weft_lm_adapter **out)
{
    *out = NULL;
    char *config = weft_path_join(folder, "adapter_config.json"), *file = weft_path_join(folder, "adapter_model.safetensors");
    weft_json *json = NULL;
    weft_lm_adapter *a = NULL;
    weft_status status = config && file ? weft_json_read(config, &json) : short_of_memory(folder);
    if (status == WEFT_OK)
        status = weft_lm_adapter_parse(weft_json_root(json), config, c, &a);
    if (status == WEFT_OK)
        status = weft_params_open(file, &a->file);
    if (status == WEFT_OK) {
        find_base(a, c);
        status = take_tensors(a, c, file);
    }
    if (status == WEFT_OK) {
        weft_lm_config with = *c;
        if (weft_lm_config_match_classifier(&with, a->params)) {
            a->head_kinds = with.head_kinds;
            a->classes = with.classes;
            status = read_problem(folder, a);
        }
        if (status == WEFT_OK)
            status = check_fit(a, &with, file);
    }
    weft_json_free(json);
    free(config);
    free(file);
    if (status != WEFT_OK)
        weft_lm_adapter_free(a);
    else
        *out = a;
    return status;
}

void weft_lm_adapter_free(weft_lm_adapter *a)
{
    if (!a)
        return;
    for (int i = 0; i < a->target_count; i++)
        free(a->targets[i]);
    for (int i = 0; i < a->rank_count; i++)
        weft_regex_free(a->ranks[i].expression);
    for (int i = 0; i < a->alpha_count; i++)
        weft_regex_free(a->alphas[i].expression);
    weft_regex_free(a->expression);
    weft_regex_match_free(a->matcher);
    free(a->targets);
    free(a->ranks);
    free(a->alphas);
    free(a->layers);
    for (int i = 0; i < a->saved_count; i++)
        free(a->saved[i]);
    free(a->saved);
    weft_params_free(a->params);
    weft_params_free(a->file);
    free(a);
}
