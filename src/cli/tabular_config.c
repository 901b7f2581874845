/* --config of weft tabular train. */
#include "base/spelling.h"
#include "cli/tabular.h"

#include <string.h>

enum { ANY = -1 };

/* The keys of a tabular model's config.json, then those of training; and the one architecture that has the setting. */
static const struct {
    const char *name;
    int arch;
} keys[] = {
    {"model_type", ANY},
    {"task", ANY},
    {"n_classes", ANY},
    {"n_num_features", ANY},
    {"n_bin_features", ANY},
    {"cat_cardinalities", ANY},
    {"num_embeddings", ANY},
    {"members", ANY},
    {"d_main", WEFT_TABULAR_TABR},
    {"d_multiplier", WEFT_TABULAR_TABR},
    {"encoder_n_blocks", WEFT_TABULAR_TABR},
    {"predictor_n_blocks", WEFT_TABULAR_TABR},
    {"mixer_normalization", WEFT_TABULAR_TABR},
    {"context_size", WEFT_TABULAR_TABR},
    {"context_dropout", WEFT_TABULAR_TABR},
    {"dropout0", WEFT_TABULAR_TABR},
    {"dropout1", WEFT_TABULAR_TABR},
    {"design", WEFT_TABULAR_TABR},
    {"candidates", WEFT_TABULAR_TABR},
    {"n_blocks", WEFT_TABULAR_MLP},
    {"d_layer", WEFT_TABULAR_MLP},
    {"dropout", WEFT_TABULAR_MLP},
    {"lr", ANY},
    {"weight_decay", ANY},
    {"batch_size", ANY},
};

static int find_key(const char *name, const char **nearest)
{
    for (int k = 0; k < (int)(sizeof keys / sizeof keys[0]); k++) {
        if (strcmp(name, keys[k].name) == 0)
            return k;
        weft_spelling_nearest(name, keys[k].name, nearest);
    }
    return -1;
}

/* A key that nothing reads would be a setting that silently does nothing. */
static weft_status check_keys(weft_json_value root, const char *path)
{
    if (weft_json_kind_of(root) != WEFT_JSON_OBJECT)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: holds no JSON object, expected {\"d_main\": 96, \"lr\": 0.001} or the like",
                         path);
    for (int64_t i = 0; i < weft_json_size(root); i++) {
        const char *key = weft_json_key(root, i, NULL), *nearest = NULL;
        if (find_key(key, &nearest) < 0)
            return weft_fail(WEFT_ERROR_FORMAT, "%s: unknown key \"%s\"%s%s%s", path, key, nearest ? "; did you mean " : "",
                             nearest ? nearest : "", nearest ? "?" : "");
    }
    return WEFT_OK;
}

static void warn_of_others(weft_json_value root, const char *path, weft_tabular_arch arch)
{
    for (int64_t i = 0; i < weft_json_size(root); i++) {
        const char *key = weft_json_key(root, i, NULL), *nearest = NULL;
        const int of = keys[find_key(key, &nearest)].arch;
        if (of != ANY && of != (int)arch)
            weft_log(WEFT_LOG_WARNING, "%s: \"%s\" is ignored: %s has no such setting", path, key,
                     arch == WEFT_TABULAR_MLP ? "an MLP" : "TabR");
    }
}

weft_status cli_tabular_config(const char *path, weft_tabular_config *config, weft_fit_options *fit, weft_json **given)
{
    *given = NULL;
    weft_status status = weft_json_read(path, given);
    weft_json_value root = weft_json_root(*given);
    if (status == WEFT_OK)
        status = check_keys(root, path);
    if (status == WEFT_OK)
        status = weft_json_take_number(root, path, "lr", 0, 10, &fit->lr);
    if (status == WEFT_OK)
        status = weft_json_take_number(root, path, "weight_decay", 0, 10, &fit->weight_decay);
    if (status == WEFT_OK)
        status = weft_json_take_integer(root, path, "batch_size", 1, 1 << 20, &fit->batch_size);
    if (status == WEFT_OK)
        status = weft_tabular_config_read(root, path, config);
    if (status == WEFT_OK)
        warn_of_others(root, path, config->arch);
    return status;
}
