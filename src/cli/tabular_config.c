/* --config of weft tabular train. */
#include "base/spelling.h"
#include "cli/tabular.h"

#include <string.h>

/* The keys of a tabular model's config.json, then those of training. */
static const char *const keys[] = {
    "model_type",
    "task",
    "n_classes",
    "n_num_features",
    "n_bin_features",
    "cat_cardinalities",
    "num_embeddings",
    "d_main",
    "d_multiplier",
    "encoder_n_blocks",
    "predictor_n_blocks",
    "mixer_normalization",
    "context_size",
    "context_dropout",
    "dropout0",
    "dropout1",
    "design",
    "candidates",
    "n_blocks",
    "d_layer",
    "dropout",
    "lr",
    "weight_decay",
    "batch_size",
};

/* A key that nothing reads would be a setting that silently does nothing. */
static weft_status check_keys(weft_json_value root, const char *path)
{
    if (weft_json_kind_of(root) != WEFT_JSON_OBJECT)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: holds no JSON object, expected {\"d_main\": 96, \"lr\": 0.001} or the like",
                         path);
    for (int64_t i = 0; i < weft_json_size(root); i++) {
        const char *key = weft_json_key(root, i, NULL), *nearest = NULL;
        bool known = false;
        for (size_t k = 0; k < sizeof keys / sizeof keys[0]; k++) {
            known |= strcmp(key, keys[k]) == 0;
            weft_spelling_nearest(key, keys[k], &nearest);
        }
        if (!known)
            return weft_fail(WEFT_ERROR_FORMAT, "%s: unknown key \"%s\"%s%s%s", path, key, nearest ? "; did you mean " : "",
                             nearest ? nearest : "", nearest ? "?" : "");
    }
    return WEFT_OK;
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
    return status;
}
