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

weft_status weft_lm_sentence_modules(weft_json_value list, const char *where, weft_lm_sentence *s,
                                     char pooling[WEFT_LM_MODULE_PATH])
{
    s->described = true;
    s->normalize = false;
    if (weft_json_kind_of(list) != WEFT_JSON_LIST)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: expected a list of modules", where);
    for (int64_t i = 0; i < weft_json_size(list); i++) {
        const char *type = weft_json_string(weft_json_get(weft_json_item(list, i), "type"), "");
        const char *place = weft_json_string(weft_json_get(weft_json_item(list, i), "path"), ""), *dot = strrchr(type, '.');
        const char *kind = dot ? dot + 1 : type;
        if (strcmp(kind, "Pooling") == 0 && strlen(place) < WEFT_LM_MODULE_PATH && !strchr(place, '/') && place[0] != '.')
            strcpy(pooling, place);
        else if (strcmp(kind, "Pooling") == 0)
            return weft_fail(WEFT_ERROR_FORMAT, "%s: module %lld has the path \"%.80s\", expected the name of a folder beside it",
                             where, (long long)i, place);
        else if (strcmp(kind, "Normalize") == 0)
            s->normalize = true;
        else if (strcmp(kind, "Transformer") != 0)
            return weft_fail(WEFT_ERROR_UNSUPPORTED, "%s: module %lld is \"%.80s\"; known are Transformer, Pooling, Normalize",
                             where, (long long)i, type);
    }
    return WEFT_OK;
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

weft_status weft_lm_sentence_pooling(weft_json_value root, const char *where, bool given, weft_lm_sentence *s)
{
    static const char *const unknown[] = {"pooling_mode_mean_sqrt_len_tokens", "pooling_mode_weightedmean_tokens"};
    const char *word = weft_json_string(weft_json_get(root, "pooling_mode"), NULL);
    int known = 0, others = 0;
    s->described = true;
    for (int i = 0; i < MODES; i++)
        if (word ? strcmp(word, modes[i].name) == 0 : weft_json_bool(weft_json_get(root, modes[i].key), false)) {
            s->pooling = modes[i].pooling;
            known++;
        }
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++)
        others += weft_json_bool(weft_json_get(root, unknown[i]), false);
    if (given || (known == 1 && others == 0))
        return WEFT_OK;
    return weft_fail(WEFT_ERROR_UNSUPPORTED,
                     "%s: expected one of the poolings mean, cls, lasttoken and max; --pooling says which to take", where);
}

weft_status weft_lm_sentence_read(const char *folder, bool pooling_given, weft_lm_sentence *out)
{
    char place[WEFT_LM_MODULE_PATH] = "", name[WEFT_LM_MODULE_PATH + 16], *path[3] = {NULL, NULL, NULL};
    weft_json *json[3] = {NULL, NULL, NULL};
    *out = (weft_lm_sentence){.pooling = WEFT_LM_POOL_MEAN, .normalize = true};
    weft_status status = open_json(folder, "modules.json", &path[0], &json[0]);
    if (status == WEFT_OK && json[0])
        status = weft_lm_sentence_modules(weft_json_root(json[0]), path[0], out, place);
    strcat(strcpy(name, place[0] ? place : "1_Pooling"), "/config.json");
    if (status == WEFT_OK)
        status = open_json(folder, name, &path[1], &json[1]);
    if (status == WEFT_OK && json[1])
        status = weft_lm_sentence_pooling(weft_json_root(json[1]), path[1], pooling_given, out);
    if (status == WEFT_OK)
        status = open_json(folder, "sentence_bert_config.json", &path[2], &json[2]);
    if (status == WEFT_OK && json[2])
        status = weft_json_take_integer(weft_json_root(json[2]), path[2], "max_seq_length", 1, 1 << 24, &out->longest);
    for (int i = 0; i < 3; i++) {
        weft_json_free(json[i]);
        free(path[i]);
    }
    return status;
}
