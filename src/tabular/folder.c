/* Saving and opening the folder of a tabular model. */
#include "tabular/folder.h"

#include "base/files.h"
#include "tabular/model.h"
#include "train/checkpoint.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char *inside(const char *folder, const char *name)
{
    char *path = weft_path_join(folder, name);
    if (!path)
        weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", folder);
    return path;
}

weft_status weft_tabular_config_from_schema(const weft_schema *schema, weft_tabular_config *c)
{
    c->task = schema->task;
    c->n_classes = schema->classes;
    c->n_num_features = schema->n_num;
    c->n_bin_features = schema->n_bin;
    free(c->cat_cardinalities);
    c->n_cat = schema->n_cat;
    c->cat_cardinalities = calloc((size_t)schema->n_cat + 1, sizeof *c->cat_cardinalities);
    if (!c->cat_cardinalities)
        return weft_fail(WEFT_ERROR_MEMORY, "a configuration: memory is short");
    for (int i = 0; i < schema->n_cat; i++)
        c->cat_cardinalities[i] = schema->cardinality[i];
    return WEFT_OK;
}

/* ---- saving ---- */

static const char calibration_file[] = "calibration.safetensors";

weft_status weft_tabular_folder_calibrate(const char *folder, const weft_calibration *calibration)
{
    char *path = inside(folder, calibration_file);
    weft_status status = path ? weft_calibration_save(calibration, path) : WEFT_ERROR_MEMORY;
    free(path);
    return status;
}

static weft_status save_config(const char *folder, const weft_tabular_config *c, int64_t candidates, const char *sum)
{
    weft_text text = {0};
    weft_json_writer w = weft_json_to(&text, 2);
    weft_json_open_object(&w);
    weft_tabular_config_write(c, &w);
    if (c->arch == WEFT_TABULAR_TABR) {
        weft_json_add_key(&w, "candidates");
        weft_json_open_object(&w);
        weft_json_add_key(&w, "rows");
        weft_json_add_integer(&w, candidates);
        weft_json_add_key(&w, "xxh64");
        weft_json_add_string(&w, sum);
        weft_json_close_object(&w);
    }
    weft_json_close_object(&w);
    weft_text_add(&text, "\n");
    char *path = inside(folder, "config.json");
    weft_status status = path && !text.failed ? weft_file_write(path, text.data, text.length) : WEFT_ERROR_MEMORY;
    free(path);
    weft_text_free(&text);
    return status;
}

static weft_status save_files(const char *folder, const weft_tabular_config *c, const weft_schema *schema,
                              const weft_params *params, const weft_table *candidates)
{
    char sum[WEFT_CANDIDATES_SUM] = "", *candidates_path = inside(folder, "candidates.safetensors");
    weft_status status = candidates_path ? weft_folder_make(folder) : WEFT_ERROR_MEMORY;
    if (status == WEFT_OK && c->arch == WEFT_TABULAR_TABR)
        status = weft_candidates_save(candidates_path, candidates, schema->file_rows, NULL, sum);
    if (status == WEFT_OK)
        status = save_config(folder, c, candidates->rows, sum);
    free(candidates_path);
    char *schema_path = inside(folder, "schema.json"), *model_path = inside(folder, "model.safetensors");
    if (status == WEFT_OK)
        status = schema_path ? weft_schema_save(schema, schema_path) : WEFT_ERROR_MEMORY;
    if (status == WEFT_OK)
        status = model_path ? weft_params_save(params, model_path) : WEFT_ERROR_MEMORY;
    free(schema_path);
    free(model_path);
    return status;
}

/* Moves the files of a model into another folder (to NULL: removes them). */
static weft_status move_files(const char *from, const char *to)
{
    static const char *const names[] = {"candidates.safetensors", "config.json", "schema.json", "model.safetensors"};
    weft_status status = WEFT_OK;
    char *stale = to ? weft_path_join(to, calibration_file) : NULL; /* that of an older model */
    if (stale)
        unlink(stale);
    free(stale);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char *old = weft_path_join(from, names[i]), *new = to ? weft_path_join(to, names[i]) : NULL;
        if (!old || (to && !new))
            status = weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", from);
        else if (!to)
            unlink(old);
        else if (status == WEFT_OK && rename(old, new) != 0 && (i > 0 || errno != ENOENT)) /* an MLP has no candidates */
            status = weft_fail(WEFT_ERROR_FILE, "%s: cannot replace it: %s", new, strerror(errno));
        free(old);
        free(new);
    }
    return status;
}

/* All files are written beside the old ones before the first of these is replaced: a full disk leaves the model that was there.
 */
weft_status weft_tabular_folder_save(const char *folder, const weft_tabular_config *c, const weft_schema *schema,
                                     const weft_params *params, const weft_table *candidates)
{
    char *fresh = inside(folder, ".new");
    weft_status status = fresh ? move_files(fresh, NULL) : WEFT_ERROR_MEMORY; /* what a killed process may have left */
    if (status == WEFT_OK)
        status = save_files(fresh, c, schema, params, candidates);
    if (status == WEFT_OK)
        status = move_files(fresh, folder);
    if (fresh) {
        char message[2048]; /* clearing up may fail in its own words */
        snprintf(message, sizeof message, "%s", weft_error());
        (void)move_files(fresh, NULL);
        weft_remove_leftovers(fresh); /* of a process that was killed */
        rmdir(fresh);
        if (status != WEFT_OK)
            weft_fail(status, "%s", message);
    }
    free(fresh);
    return status;
}

/* ---- opening ---- */

static weft_status open_config(const char *folder, weft_tabular_config *c, weft_json **json)
{
    char *path = inside(folder, "config.json");
    *c = weft_tabular_default();
    weft_status status = path ? weft_json_read(path, json) : WEFT_ERROR_MEMORY;
    if (status == WEFT_OK)
        status = weft_tabular_config_read(weft_json_root(*json), path, c);
    free(path);
    return status;
}

/* Every parameter that the model has, with its shape. */
static weft_status check_params(const char *folder, const weft_tabular_config *c, const weft_params *params)
{
    weft_graph *g = weft_graph_new(WEFT_F32);
    if (!g)
        return WEFT_ERROR_MEMORY;
    weft_tabular_build_row(g, c);
    weft_status status = weft_graph_status(g);
    int n = weft_graph_params(g, -1, NULL, NULL);
    for (int i = 0; i < n && status == WEFT_OK; i++) {
        const char *name = NULL;
        weft_value v;
        weft_tensor t;
        char want[WEFT_DIMS_TEXT], have[WEFT_DIMS_TEXT];
        weft_graph_params(g, i, &name, &v);
        weft_dims_text(weft_shape(g, v), want);
        if (!weft_params_get(params, name, &t))
            status = weft_fail(WEFT_ERROR_FORMAT, "%s/model.safetensors: tensor \"%s\" %s is missing", folder, name, want);
        else if (!weft_dims_equal(t.dims, weft_shape(g, v)))
            status = weft_fail(WEFT_ERROR_FORMAT, "%s/model.safetensors: tensor \"%s\" is %s, config.json wants %s", folder, name,
                               weft_dims_text(t.dims, have), want);
    }
    weft_graph_free(g);
    return status;
}

static weft_status open_candidates(const char *folder, weft_json_value config, weft_tabular_folder *out)
{
    const char *sum = weft_json_string(weft_json_get(weft_json_get(config, "candidates"), "xxh64"), NULL);
    if (sum)
        snprintf(out->trained, sizeof out->trained, "%s", sum);
    char *path = inside(folder, "candidates.safetensors");
    weft_status status =
        path ? weft_candidates_open(path, &out->config, sum, &out->candidates, NULL, &out->next_row) : WEFT_ERROR_MEMORY;
    free(path);
    return status;
}

static weft_status open_calibration(const char *folder, weft_tabular_folder *out)
{
    char *path = inside(folder, calibration_file);
    weft_status status = path ? WEFT_OK : WEFT_ERROR_MEMORY;
    if (status == WEFT_OK && weft_path_exists(path))
        status = weft_calibration_load(path, &out->calibration);
    free(path);
    return status;
}

weft_status weft_tabular_folder_open(const char *folder, weft_tabular_folder *out)
{
    *out = (weft_tabular_folder){0};
    weft_json *json = NULL;
    if (!weft_path_is_folder(folder))
        return weft_fail(WEFT_ERROR_FILE, "%s: there is no such folder", folder);
    weft_status status = open_config(folder, &out->config, &json);
    char *schema_path = inside(folder, "schema.json");
    if (status == WEFT_OK)
        status = schema_path ? weft_schema_load(schema_path, &out->schema) : WEFT_ERROR_MEMORY;
    if (status == WEFT_OK &&
        (out->schema->n_num != out->config.n_num_features || out->schema->n_bin != out->config.n_bin_features ||
         out->schema->n_cat != out->config.n_cat || out->schema->task != out->config.task))
        status =
            weft_fail(WEFT_ERROR_FORMAT, "%s: schema.json and config.json do not describe the same columns and task", folder);
    if (status == WEFT_OK)
        status = weft_params_open(folder, &out->params);
    if (status == WEFT_OK)
        status = check_params(folder, &out->config, out->params);
    if (status == WEFT_OK && out->config.arch == WEFT_TABULAR_TABR)
        status = open_candidates(folder, weft_json_root(json), out);
    if (status == WEFT_OK)
        status = open_calibration(folder, out);
    if (status == WEFT_OK && out->candidates && out->candidates->rows < out->config.context_size)
        status = weft_fail(WEFT_ERROR_FORMAT, "%s: %lld candidates are fewer than the context size %lld", folder,
                           (long long)out->candidates->rows, (long long)out->config.context_size);
    free(schema_path);
    weft_json_free(json);
    if (status != WEFT_OK)
        weft_tabular_folder_close(out);
    return status;
}

void weft_tabular_folder_close(weft_tabular_folder *f)
{
    weft_tabular_config_free(&f->config);
    weft_schema_free(f->schema);
    weft_params_free(f->params);
    weft_rows_free(f->candidates);
    weft_calibration_free(f->calibration);
    *f = (weft_tabular_folder){0};
}

/* ---- other candidates ---- */

weft_status weft_tabular_folder_table(const char *folder, const weft_tabular_folder *f, weft_table **out)
{
    char *path = inside(folder, "candidates.safetensors");
    weft_status status =
        path ? weft_candidates_open(path, &f->config, f->trained[0] ? f->trained : NULL, NULL, out, NULL) : WEFT_ERROR_MEMORY;
    free(path);
    return status;
}
