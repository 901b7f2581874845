/* sentence-transformers' files, formats as its documentation and its models on disk have them. */
#include "lm/sentence.h"

#include <stdlib.h>
#include <string.h>

#include "base/files.h"

static weft_status memory(const char *folder)
{
    return weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", folder);
}

/* FOLDER/NAME; *out NULL where there is no such file. */
static weft_status open_json(const char *folder, const char *name, char **path, weft_json **out)
{
    *out = NULL;
    *path = weft_path_join(folder, name);
    return !*path ? memory(folder) : weft_path_exists(*path) ? weft_json_read(*path, out) : WEFT_OK;
}

/* The modules behind the transformer, in order: *pooling is the folder of the pooling one, "" for none. */
static weft_status read_modules(const char *folder, weft_lm_sentence *s, char pooling[256])
{
    char *path;
    weft_json *json;
    weft_status status = open_json(folder, "modules.json", &path, &json);
    const weft_json_value list = weft_json_root(json);
    s->described = json != NULL;
    s->normalize = !json;
    for (int64_t i = 0; json && i < weft_json_size(list) && status == WEFT_OK; i++) {
        const char *type = weft_json_string(weft_json_get(weft_json_item(list, i), "type"), "");
        const char *place = weft_json_string(weft_json_get(weft_json_item(list, i), "path"), ""), *dot = strrchr(type, '.');
        const char *kind = dot ? dot + 1 : type;
        if (strcmp(kind, "Pooling") == 0 && strlen(place) < 256 && !strchr(place, '/') && strcmp(place, "..") != 0)
            strcpy(pooling, place);
        else if (strcmp(kind, "Normalize") == 0)
            s->normalize = true;
        else if (strcmp(kind, "Transformer") != 0)
            status = weft_fail(WEFT_ERROR_UNSUPPORTED, "%s: module %lld is \"%.80s\"; known are Transformer, Pooling, Normalize",
                               path, (long long)i, type);
    }
    weft_json_free(json);
    free(path);
    return status;
}

static const struct {
    const char *key, *name; /* its switch; as newer files name it */
    weft_lm_pooling pooling;
} modes[] = {
    {"pooling_mode_mean_tokens", "mean", WEFT_LM_POOL_MEAN},
    {"pooling_mode_cls_token", "cls", WEFT_LM_POOL_FIRST},
    {"pooling_mode_lasttoken", "lasttoken", WEFT_LM_POOL_LAST},
    {"pooling_mode_max_tokens", "max", WEFT_LM_POOL_MAX},
};

enum { MODES = sizeof modes / sizeof modes[0] };

static weft_status read_pooling(const char *folder, const char *place, bool given, weft_lm_sentence *s)
{
    static const char *const unknown[] = {"pooling_mode_mean_sqrt_len_tokens", "pooling_mode_weightedmean_tokens"};
    char name[300], *path;
    weft_json *json;
    strcpy(name, place[0] ? place : "1_Pooling");
    strcat(name, "/config.json");
    weft_status status = open_json(folder, name, &path, &json);
    const weft_json_value root = weft_json_root(json);
    const char *word = weft_json_string(weft_json_get(root, "pooling_mode"), NULL);
    int said = 0, known = 0;
    s->described |= json != NULL;
    for (int i = 0; json && i < MODES; i++)
        if (word ? strcmp(word, modes[i].name) == 0 : weft_json_bool(weft_json_get(root, modes[i].key), false)) {
            s->pooling = modes[i].pooling;
            known++;
        }
    said = known;
    for (size_t i = 0; json && i < sizeof unknown / sizeof unknown[0]; i++)
        said += weft_json_bool(weft_json_get(root, unknown[i]), false);
    if (status == WEFT_OK && json && !given && (known != 1 || said != 1))
        status = weft_fail(WEFT_ERROR_UNSUPPORTED,
                           "%s: expected one of the poolings mean, cls, lasttoken and max; --pooling says which to take", path);
    weft_json_free(json);
    free(path);
    return status;
}

weft_status weft_lm_sentence_read(const char *folder, bool pooling_given, weft_lm_sentence *out)
{
    char place[256] = "", *path = NULL;
    weft_json *json = NULL;
    *out = (weft_lm_sentence){.pooling = WEFT_LM_POOL_MEAN};
    weft_status status = read_modules(folder, out, place);
    if (status == WEFT_OK)
        status = read_pooling(folder, place, pooling_given, out);
    if (status == WEFT_OK)
        status = open_json(folder, "sentence_bert_config.json", &path, &json);
    if (status == WEFT_OK && json && weft_json_present(weft_json_get(weft_json_root(json), "max_seq_length")))
        status = weft_json_take_integer(weft_json_root(json), path, "max_seq_length", 1, 1 << 24, &out->longest);
    weft_json_free(json);
    free(path);
    return status;
}
