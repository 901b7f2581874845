/* generation_config.json. */
#include "lm/generation_config.h"

#include <stdlib.h>

#include "base/files.h"

/* A number, or a list of them. */
static weft_status read_ids(weft_json_value value, const char *where, const char *key, int64_t *out, int *count)
{
    bool list = value.node && weft_json_kind_of(value) == WEFT_JSON_LIST;
    int64_t n = list ? weft_json_size(value) : 1;
    if (!weft_json_present(value))
        return WEFT_OK;
    if (n > WEFT_MOST_EOS)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: %s has %lld ids; at most %d", where, key, (long long)n, WEFT_MOST_EOS);
    for (int64_t i = 0; i < n; i++) {
        weft_json_value item = list ? weft_json_item(value, i) : value;
        if (weft_json_kind_of(item) != WEFT_JSON_INTEGER || weft_json_integer(item, -1) < 0)
            return weft_fail(WEFT_ERROR_FORMAT, "%s: %s: expected a token id or a list of them", where, key);
        out[i] = weft_json_integer(item, 0);
    }
    *count = (int)n;
    return WEFT_OK;
}

static weft_status read_one(weft_json_value first, weft_json_value second, const char *where, const char *key, int64_t *out)
{
    int64_t ids[WEFT_MOST_EOS];
    int count = 0;
    weft_json_value value = weft_json_get(first, key);
    weft_status status = read_ids(weft_json_present(value) ? value : weft_json_get(second, key), where, key, ids, &count);
    *out = count ? ids[0] : -1;
    return status;
}

weft_status weft_generation_config_read(weft_json_value generation, weft_json_value config, const char *where,
                                        weft_generation_config *out)
{
    *out = (weft_generation_config){.sampler = WEFT_SAMPLER_DEFAULT};
    out->sampler.greedy = true;
    weft_status status = weft_sampler_read(generation, where, &out->sampler, &out->bias);
    weft_json_value eos = weft_json_get(generation, "eos_token_id");
    if (!weft_json_present(eos))
        eos = weft_json_get(config, "eos_token_id");
    if (status == WEFT_OK)
        status = read_ids(eos, where, "eos_token_id", out->eos, &out->eos_count);
    if (status == WEFT_OK)
        status = read_one(generation, config, where, "bos_token_id", &out->bos);
    if (status == WEFT_OK)
        status = read_one(generation, config, where, "pad_token_id", &out->pad);
    const struct {
        const char *key;
        int64_t *value;
    } lengths[] = {{"max_new_tokens", &out->max_new_tokens}, {"max_length", &out->max_length}};
    for (int i = 0; i < 2 && status == WEFT_OK; i++)
        if (weft_json_present(weft_json_get(generation, lengths[i].key)))
            status = weft_json_take_integer(generation, where, lengths[i].key, 0, INT64_MAX, lengths[i].value);
    if (status != WEFT_OK)
        weft_generation_config_free(out);
    return status;
}

weft_status weft_generation_config_open(const char *folder, weft_generation_config *out)
{
    static const char *const names[] = {"generation_config.json", "config.json"};
    weft_json *json[2] = {NULL, NULL};
    weft_status status = WEFT_OK;
    char *where = NULL;
    *out = (weft_generation_config){0};
    for (int i = 0; i < 2 && status == WEFT_OK; i++) {
        char *path = weft_path_join(folder, names[i]);
        if (!path)
            status = weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", folder);
        else if (weft_path_exists(path))
            status = weft_json_read(path, &json[i]);
        if (i == 0)
            where = path;
        else
            free(path);
    }
    weft_json_value none = {NULL};
    if (status == WEFT_OK)
        status = weft_generation_config_read(json[0] ? weft_json_root(json[0]) : none, json[1] ? weft_json_root(json[1]) : none,
                                             where, out);
    free(where);
    weft_json_free(json[0]);
    weft_json_free(json[1]);
    return status;
}

void weft_generation_config_free(weft_generation_config *config)
{
    free(config->bias);
    *config = (weft_generation_config){0};
}

bool weft_is_eos(const weft_generation_config *config, int64_t id)
{
    for (int i = 0; i < config->eos_count; i++)
        if (config->eos[i] == id)
            return true;
    return false;
}
