/* Opening a chain: folders or adapters, one architecture, one set of shapes. */
#include "audit/chain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/files.h"
#include "graph/params.h"
#include "lm/model.h"

static bool holds(const char *folder, const char *file)
{
    char *path = weft_path_join(folder, file);
    bool there = path && weft_path_exists(path);
    free(path);
    return there;
}

static weft_status read_config(const char *folder, weft_lm_config *out)
{
    char *path = weft_path_join(folder, "config.json");
    weft_json *json = NULL;
    weft_status status = path ? weft_json_read(path, &json) : tuco_short_of_memory();
    if (status == WEFT_OK)
        status = weft_lm_config_read(weft_json_root(json), path, out);
    weft_json_free(json);
    free(path);
    return status;
}

/* NaN and infinity among a set's numbers: an error that names the tensor. */
static weft_status check_numbers(const char *folder, const weft_params *params)
{
    size_t seen = 0;
    for (int64_t i = 0; i < weft_params_count(params); i++) {
        weft_tensor t;
        const char *name = weft_params_at(params, i, &t);
        int64_t n = weft_dims_count(t.dims), bad = -1;
        if (t.dtype == WEFT_F32) {
            const uint32_t *x = t.data;
            for (int64_t k = 0; k < n && bad < 0; k++)
                if ((x[k] & 0x7f800000u) == 0x7f800000u)
                    bad = k;
        } else if (t.dtype == WEFT_BF16 || t.dtype == WEFT_F16) {
            const uint16_t *x = t.data, exponent = t.dtype == WEFT_BF16 ? 0x7f80 : 0x7c00;
            for (int64_t k = 0; k < n && bad < 0; k++)
                if ((x[k] & exponent) == exponent)
                    bad = k;
        } else if (t.dtype == WEFT_F64) {
            const uint64_t *x = t.data;
            for (int64_t k = 0; k < n && bad < 0; k++)
                if ((x[k] & 0x7ff0000000000000u) == 0x7ff0000000000000u)
                    bad = k;
        }
        if ((seen += weft_tensor_bytes(t)) > TUCO_RELEASE_BYTES) {
            weft_params_release(params);
            seen = 0;
        }
        if (bad >= 0)
            return weft_fail(WEFT_ERROR_NUMERIC, "%s: %s: element %lld is not a finite number", folder, name, (long long)bad);
    }
    weft_params_release(params);
    return WEFT_OK;
}

static weft_status open_folder(const char *folder, tuco_model *m)
{
    weft_status status = read_config(folder, &m->config);
    if (status != WEFT_OK)
        return status;
    m->owns_config = true;
    if (m->config.family->encoder)
        return weft_fail(WEFT_ERROR_ARGUMENT, "%s: TuCo needs a decoder, this is a %s", folder, m->config.family->model_type);
    if ((status = weft_params_open(folder, &m->params)) != WEFT_OK)
        return status;
    m->owns_params = true;
    weft_lm_config_match(&m->config, m->params);
    if ((status = weft_lm_weights_check(&m->config, m->params)) != WEFT_OK)
        return weft_fail_in(status, "%s", folder);
    return check_numbers(folder, m->params);
}

static weft_status open_adapter(const char *folder, const tuco_model *base, tuco_model *m)
{
    m->config = base->config;
    m->params = base->params;
    weft_status status = weft_lm_adapter_open(folder, &base->config, &m->adapter);
    return status == WEFT_OK ? check_numbers(folder, m->adapter->params) : status;
}

/* What must be equal for two models to read one stream: the first that differs is named. */
static weft_status compare(const tuco_model *base, const tuco_model *tuned)
{
    const weft_lm_config *a = &base->config, *b = &tuned->config;
    if (a->family != b->family)
        return weft_fail(WEFT_ERROR_ARGUMENT, "base is %s, tuned is %s: TuCo needs one architecture", a->family->model_type,
                         b->family->model_type);
    const struct {
        const char *key;
        int64_t base, tuned;
    } sizes[] = {
        {"hidden_size", a->width, b->width},
        {"num_hidden_layers", a->layers, b->layers},
        {"num_attention_heads", a->heads, b->heads},
        {"num_key_value_heads", a->kv_heads, b->kv_heads},
        {"head_dim", a->head_dim, b->head_dim},
        {"intermediate_size", a->ffn, b->ffn},
        {"use_parallel_residual", a->parallel, b->parallel},
    };
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        if (sizes[i].base != sizes[i].tuned)
            return weft_fail(WEFT_ERROR_ARGUMENT, "base and tuned differ: %s is %lld and %lld", sizes[i].key,
                             (long long)sizes[i].base, (long long)sizes[i].tuned);
    return WEFT_OK;
}

static weft_status open_model(weft_tuco *t, int i, const char *folder)
{
    tuco_model *m = &t->model[i];
    if (!(m->folder = strdup(folder)))
        return tuco_short_of_memory();
    bool adapter = i > 0 && holds(folder, "adapter_config.json") && !holds(folder, "config.json");
    weft_status status = adapter ? open_adapter(folder, &t->model[0], m) : open_folder(folder, m);
    return status == WEFT_OK && i > 0 ? compare(&t->model[0], m) : status;
}

weft_status weft_tuco_open(weft_engine *engine, const char *base, const char *const *tuned, int count,
                           const weft_tuco_options *options, weft_tuco **out)
{
    *out = NULL;
    if (count < 1 || count >= WEFT_TUCO_MODELS)
        return weft_fail(WEFT_ERROR_ARGUMENT, "tuco: %d fine-tuned models, expected 1 to %d", count, WEFT_TUCO_MODELS - 1);
    weft_tuco *t = calloc(1, sizeof *t);
    if (!t)
        return tuco_short_of_memory();
    t->engine = engine;
    if (options)
        t->options = *options;
    t->models = count + 1;
    weft_status status = WEFT_OK;
    for (int i = 0; i < t->models && status == WEFT_OK; i++) {
        status = open_model(t, i, i ? tuned[i - 1] : base);
        if (i == 0)
            snprintf(t->model[i].scope, sizeof t->model[i].scope, "base");
        else if (i + 1 < t->models)
            snprintf(t->model[i].scope, sizeof t->model[i].scope, "step%d", i);
    }
    if (status == WEFT_OK)
        status = tuco_share(t);
    if (status != WEFT_OK) {
        weft_tuco_free(t);
        return status;
    }
    *out = t;
    return WEFT_OK;
}

void weft_tuco_free(weft_tuco *t)
{
    if (!t)
        return;
    tuco_plans_free(t->plans);
    weft_params_free(t->all);
    for (int64_t i = 0; i < t->alias_count; i++) {
        free(t->aliases[i].name);
        free(t->aliases[i].same);
    }
    free(t->aliases);
    for (int i = t->models - 1; i >= 0; i--) {
        tuco_model *m = &t->model[i];
        weft_lm_adapter_free(m->adapter);
        if (m->owns_params)
            weft_params_free(m->params);
        if (m->owns_config)
            weft_lm_config_free(&m->config);
        free(m->folder);
    }
    free(t);
}

void tuco_release(const weft_tuco *t)
{
    for (int k = 0; k < t->models; k++) {
        weft_params_release(t->model[k].params);
        if (t->model[k].adapter)
            weft_params_release(t->model[k].adapter->file);
    }
}

int64_t weft_tuco_layers(const weft_tuco *t)
{
    return tuco_tuned(t)->config.layers;
}

int64_t weft_tuco_vocab(const weft_tuco *t)
{
    return tuco_ends(t)->config.vocab;
}

int64_t weft_tuco_positions(const weft_tuco *t)
{
    return tuco_ends(t)->config.positions;
}

int64_t weft_tuco_equal_tensors(const weft_tuco *t, int64_t *of)
{
    if (of)
        *of = t->base_tensors;
    return t->equal_tensors;
}

bool weft_tuco_mixed_storage(const weft_tuco *t)
{
    return t->mixed_storage;
}
