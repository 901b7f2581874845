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

static weft_status read_targets(weft_json_value root, const char *where, weft_lm_adapter *a)
{
    weft_json_value v = weft_json_get(root, "target_modules");
    const char *text = weft_json_string(v, NULL);
    a->all_linear = text && strcmp(text, "all-linear") == 0;
    if (text && !a->all_linear)
        return read_expression("", text, where, "target_modules", &a->expression);
    if (text || !weft_json_present(v))
        return WEFT_OK;
    int64_t n = weft_json_size(v);
    if (weft_json_kind_of(v) != WEFT_JSON_LIST || n > 4096)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: \"target_modules\" is neither a text nor a list of at most 4096", where);
    if (!(a->targets = calloc((size_t)n + 1, sizeof *a->targets)))
        return short_of_memory(where);
    for (int64_t i = 0; i < n; i++) {
        const char *name = weft_json_string(weft_json_item(v, i), NULL);
        if (!name || !*name)
            return weft_fail(WEFT_ERROR_FORMAT, "%s: \"target_modules\" entry %lld is no text", where, (long long)i);
        if (!(a->targets[a->target_count++] = strdup(name)))
            return short_of_memory(where);
    }
    return WEFT_OK;
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
        for (int64_t i = 0; i < weft_params_count(a->params); i++) {
            char start[192];
            snprintf(start, sizeof start, WEFT_LM_ADAPTER_PREFIX "%s%s%s.", bases[k], bases[k][0] ? "." : "",
                     c->family->names->layer);
            if (strncmp(weft_params_at(a->params, i, NULL), start, strlen(start)) == 0) {
                snprintf(a->base, sizeof a->base, "%s", bases[k]);
                return;
            }
        }
}

/* Tensors that replace the base's: "base_model.model.NAME" becomes NAME in the base file's spelling. */
static weft_status take_overrides(weft_lm_adapter *a, const weft_lm_config *c, const char *where)
{
    weft_status status = WEFT_OK;
    for (int64_t i = 0; i < weft_params_count(a->params) && status == WEFT_OK; i++) {
        weft_tensor t;
        const char *name = weft_params_at(a->params, i, &t);
        size_t prefix = strlen(WEFT_LM_ADAPTER_PREFIX), base = strlen(a->base);
        if (strncmp(name, WEFT_LM_ADAPTER_PREFIX, prefix) != 0)
            return weft_fail(WEFT_ERROR_FORMAT, "%s: tensor \"%.120s\" does not begin with \"" WEFT_LM_ADAPTER_PREFIX "\"", where,
                             name);
        if (strstr(name, ".lora_"))
            continue;
        if (!a->overrides && (status = weft_params_new(&a->overrides)) != WEFT_OK)
            return status;
        const char *rest = name + prefix;
        char full[512];
        if (base && strncmp(rest, a->base, base) == 0 && rest[base] == '.')
            snprintf(full, sizeof full, "%s%s%s", c->base, c->base[0] ? "." : "", rest + base + 1);
        else
            snprintf(full, sizeof full, "%s%s%s", c->outside, c->outside[0] ? "." : "", rest);
        status = weft_params_set(a->overrides, full, t);
    }
    return status;
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
        const char *name = weft_params_at(a->params, i, NULL);
        if (strstr(name, ".lora_") && !weft_find(g, name).id)
            status = weft_fail(WEFT_ERROR_FORMAT, "%s: tensor \"%.120s\" fits no module of this %s model", where, name,
                               c->family->model_type);
    }
    if (status == WEFT_OK && (status = weft_params_check(a->params, g, WEFT_LM_ADAPTER_PREFIX)) != WEFT_OK)
        status = weft_fail_in(status, "%s", where);
    for (int64_t i = 0; a->overrides && i < weft_params_count(a->overrides) && status == WEFT_OK; i++) {
        const char *name = weft_params_at(a->overrides, i, NULL);
        if (!weft_find(g, name).id)
            status =
                weft_fail(WEFT_ERROR_FORMAT, "%s: tensor \"" WEFT_LM_ADAPTER_PREFIX "%.120s\" fits no module of this %s model",
                          where, name, c->family->model_type);
    }
    weft_graph_free(g);
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
        status = weft_params_open(file, &a->params);
    if (status == WEFT_OK) {
        find_base(a, c);
        status = take_overrides(a, c, file);
    }
    if (status == WEFT_OK)
        status = check_fit(a, c, file);
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
    weft_params_free(a->params);
    weft_params_free(a->overrides);
    free(a);
}
