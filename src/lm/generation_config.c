/* generation_config.json. */
#include "lm/generation_config.h"

#include <stdlib.h>

#include "base/files.h"

/* A number, or a list of them; below 0 is no token, as some folders say that there is none. */
static weft_status read_ids(weft_json_value value, const char *where, const char *key, int64_t *out, int *count)
{
    bool list = value.node && weft_json_kind_of(value) == WEFT_JSON_LIST;
    int64_t n = list ? weft_json_size(value) : 1;
    if (n > WEFT_MOST_EOS)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: %s has %lld ids; at most %d", where, key, (long long)n, WEFT_MOST_EOS);
    for (int64_t i = 0; i < n; i++) {
        weft_json_value item = list ? weft_json_item(value, i) : value;
        if (weft_json_kind_of(item) != WEFT_JSON_INTEGER)
            return weft_fail(WEFT_ERROR_FORMAT, "%s: %s: expected a token id or a list of them", where, key);
        if (weft_json_integer(item, -1) >= 0)
            out[(*count)++] = weft_json_integer(item, 0);
    }
    return WEFT_OK;
}

/* The ids of a key of the first file that has it. */
static weft_status read_key(const weft_json_value files[2], const char *const where[2], const char *key, int64_t *out, int *count)
{
    for (int i = 0; i < 2; i++)
        if (weft_json_present(weft_json_get(files[i], key)))
            return read_ids(weft_json_get(files[i], key), where[i], key, out, count);
    return WEFT_OK;
}

static weft_status read_one(const weft_json_value files[2], const char *const where[2], const char *key, int64_t *out)
{
    int64_t ids[WEFT_MOST_EOS];
    int count = 0;
    weft_status status = read_key(files, where, key, ids, &count);
    *out = count ? ids[0] : -1;
    return status;
}

weft_status weft_generation_config_read(weft_json_value generation, weft_json_value config, const char *const where[2],
                                        weft_generation_config *out)
{
    const weft_json_value files[] = {generation, config};
    *out = (weft_generation_config){.sampler = WEFT_SAMPLER_DEFAULT};
    out->sampler.greedy = true;
    weft_status status = weft_sampler_read(generation, where[0], &out->sampler, &out->bias);
    if (status == WEFT_OK)
        status = read_key(files, where, "eos_token_id", out->eos, &out->eos_count);
    if (status == WEFT_OK)
        status = read_one(files, where, "bos_token_id", &out->bos);
    if (status == WEFT_OK)
        status = read_one(files, where, "pad_token_id", &out->pad);
    const struct {
        const char *key;
        int64_t *value;
    } lengths[] = {{"max_new_tokens", &out->max_new_tokens}, {"max_length", &out->max_length}};
    for (int i = 0; i < 2 && status == WEFT_OK; i++)
        if (weft_json_present(weft_json_get(generation, lengths[i].key)))
            status = weft_json_take_integer(generation, where[0], lengths[i].key, 0, INT64_MAX, lengths[i].value);
    if (status != WEFT_OK)
        weft_generation_config_free(out);
    return status;
}

weft_status weft_generation_config_open(const char *folder, weft_generation_config *out)
{
    static const char *const names[] = {"generation_config.json", "config.json"};
    weft_json *json[2] = {NULL, NULL};
    weft_json_value roots[2] = {{NULL}, {NULL}};
    char *where[2] = {NULL, NULL};
    weft_status status = WEFT_OK;
    *out = (weft_generation_config){0};
    for (int i = 0; i < 2 && status == WEFT_OK; i++) {
        where[i] = weft_path_join(folder, names[i]);
        if (!where[i])
            status = weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", folder);
        else if (weft_path_exists(where[i]))
            status = weft_json_read(where[i], &json[i]);
        if (status == WEFT_OK && json[i])
            roots[i] = weft_json_root(json[i]);
    }
    if (status == WEFT_OK)
        status = weft_generation_config_read(roots[0], roots[1], (const char *const *)where, out);
    for (int i = 0; i < 2; i++) {
        free(where[i]);
        weft_json_free(json[i]);
    }
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
