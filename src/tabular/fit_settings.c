/* What a run's files say of it: the settings that must not change while it is interrupted (a resumed run with another learning
 * rate would be neither the one nor the other), and its result. */
#include "base/files.h"
#include "tabular/fit.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char settings_file[] = "settings.json";

void weft_fit_settings(const weft_tabular_config *config, const weft_fit_options *options, weft_text *out)
{
    weft_json_writer w = weft_json_to(out, 0);
    weft_json_open_object(&w);
    weft_tabular_config_write(config, &w);
    const struct {
        const char *name;
        double value;
    } numbers[] = {{"lr", options->lr},
                   {"weight_decay", options->weight_decay},
                   {"decay_all", options->decay_all},
                   {"batch_size", (double)options->batch_size},
                   {"context_freeze", (double)options->context_freeze},
                   {"include_self", options->include_self}};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        weft_json_add_key(&w, numbers[i].name);
        weft_json_add_number(&w, numbers[i].value);
    }
    char sum[20];
    snprintf(sum, sizeof sum, "%016llx", (unsigned long long)options->rows_sum);
    weft_json_add_key(&w, "rows_sum");
    weft_json_add_string(&w, sum);
    weft_json_add_key(&w, "metric");
    weft_json_add_string(&w, weft_fit_measure(config, options)->name);
    weft_json_close_object(&w);
}

weft_status weft_settings_same(const char *folder, const char *kept, const char *now)
{
    weft_json *old = NULL, *new = NULL;
    weft_status status = weft_json_parse(kept, strlen(kept), folder, &old);
    if (status == WEFT_OK)
        status = weft_json_parse(now, strlen(now), folder, &new);
    weft_json_value value;
    const char *key;
    for (int64_t i = 0; status == WEFT_OK && (key = weft_json_key(weft_json_root(new), i, &value)); i++) {
        weft_text a = {0}, b = {0};
        weft_json_writer wa = weft_json_to(&a, 0), wb = weft_json_to(&b, 0);
        weft_json_add_value(&wa, weft_json_get(weft_json_root(old), key));
        weft_json_add_value(&wb, value);
        if (a.data && b.data && strcmp(a.data, b.data) != 0 && strcmp(key, "rows_sum") == 0)
            status =
                weft_fail(WEFT_ERROR_ARGUMENT,
                          "%s: its run was begun with other rows in its parts, or with columns read in another way: resume it "
                          "with the same options, or begin anew",
                          folder);
        else if (a.data && b.data && strcmp(a.data, b.data) != 0)
            status = weft_fail(WEFT_ERROR_ARGUMENT,
                               "%s: its run was begun with %s %s, not %s: resume it with the same options, or begin anew", folder,
                               key, a.data, b.data);
        weft_text_free(&a);
        weft_text_free(&b);
    }
    weft_json_free(old);
    weft_json_free(new);
    return status;
}

weft_status weft_fit_same_settings(const weft_tabular_config *config, const weft_fit_options *options, const char *kept)
{
    weft_text now = {0};
    weft_fit_settings(config, options, &now);
    weft_status status = now.failed ? weft_fail(WEFT_ERROR_MEMORY, "training: memory is short")
                                    : weft_settings_same(options->folder, kept, now.data);
    weft_text_free(&now);
    return status;
}

weft_status weft_fit_keep_settings(const char *folder, const weft_tabular_config *config, const weft_fit_options *options)
{
    char *path = weft_path_join(folder, settings_file), *kept = NULL;
    weft_text text = {0};
    size_t size;
    weft_status status = path ? WEFT_OK : weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", folder);
    if (status == WEFT_OK && options->resume && weft_path_exists(path)) {
        status = weft_file_read(path, (size_t)1 << 20, &kept, &size);
        if (status == WEFT_OK)
            status = weft_fit_same_settings(config, options, kept);
    } else if (status == WEFT_OK) {
        weft_fit_settings(config, options, &text);
        status = text.failed ? weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", path) : weft_folder_make(folder);
        if (status == WEFT_OK)
            status = weft_file_write(path, text.data, text.length);
    }
    weft_text_free(&text);
    free(kept);
    free(path);
    return status;
}

weft_status weft_fit_drop_settings(const char *folder)
{
    char *path = weft_path_join(folder, settings_file);
    weft_status status = path ? weft_file_remove(path) : weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", folder);
    free(path);
    return status;
}

weft_status weft_fit_results(const char *folder, int64_t members, weft_train_result *out)
{
    char *path = weft_path_join(folder, "run.json");
    weft_json *json = NULL;
    weft_status status = path ? weft_json_read(path, &json) : weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", folder);
    weft_json_value summary = weft_json_get(weft_json_root(json), "summary"), list = weft_json_get(summary, "members");
    if (status == WEFT_OK && (members > 1 ? weft_json_size(list) != members : list.node != NULL))
        status = weft_fail(WEFT_ERROR_ARGUMENT, "%s: its run is not one of %lld models", folder, (long long)members);
    for (int64_t k = 0; k < members && status == WEFT_OK; k++) {
        weft_json_value one = members > 1 ? weft_json_item(list, k) : summary;
        out[k] = (weft_train_result){.steps = weft_json_integer(weft_json_get(one, "steps"), 0),
                                     .epochs = weft_json_integer(weft_json_get(one, "epochs"), 0),
                                     .best_epoch = weft_json_integer(weft_json_get(one, "best_epoch"), -1),
                                     .best_score = weft_json_number(weft_json_get(one, "best_score"), NAN),
                                     .last_loss = NAN};
    }
    weft_json_free(json);
    free(path);
    return status;
}

weft_status weft_fit_result(const char *folder, weft_train_result *out)
{
    *out = (weft_train_result){.best_epoch = -1, .best_score = NAN, .last_loss = NAN};
    return weft_fit_results(folder, 1, out);
}
