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

static weft_status save_candidates(const char *folder, const weft_table *t, uint64_t *checksum)
{
    char *path = inside(folder, "candidates.safetensors");
    weft_arrays *arrays = NULL;
    weft_status status = path ? weft_arrays_new(&arrays) : WEFT_ERROR_MEMORY;
    const struct {
        const char *name;
        void *data;
        weft_dtype dtype;
        int width;
    } parts[] = {{"x_num", t->x_num, WEFT_F32, t->n_num},
                 {"x_bin", t->x_bin, WEFT_F32, t->n_bin},
                 {"x_cat", t->x_cat, WEFT_I64, t->n_cat}};
    for (int i = 0; i < 3 && status == WEFT_OK; i++)
        if (parts[i].width)
            status = weft_arrays_add(arrays, parts[i].name,
                                     (weft_tensor){parts[i].data, parts[i].dtype, DIMS(t->rows, parts[i].width)});
    if (status == WEFT_OK)
        status = weft_arrays_add(
            arrays, "y", t->y ? (weft_tensor){t->y, WEFT_F32, DIMS(t->rows)} : (weft_tensor){t->label, WEFT_I64, DIMS(t->rows)});
    if (status == WEFT_OK)
        status = weft_arrays_add(arrays, "row", (weft_tensor){t->row, WEFT_I64, DIMS(t->rows)});
    if (status == WEFT_OK)
        status = weft_safetensors_save(arrays, path);
    int64_t bytes;
    if (status == WEFT_OK)
        status = weft_file_checksum(path, checksum, &bytes);
    weft_arrays_free(arrays);
    free(path);
    return status;
}

static weft_status save_config(const char *folder, const weft_tabular_config *c, int64_t candidates, uint64_t checksum)
{
    weft_text text = {0};
    weft_json_writer w = weft_json_to(&text, 2);
    weft_json_open_object(&w);
    weft_tabular_config_write(c, &w);
    if (c->arch == WEFT_TABULAR_TABR) {
        char hex[32];
        snprintf(hex, sizeof hex, "%016llx", (unsigned long long)checksum);
        weft_json_add_key(&w, "candidates");
        weft_json_open_object(&w);
        weft_json_add_key(&w, "rows");
        weft_json_add_integer(&w, candidates);
        weft_json_add_key(&w, "xxh64");
        weft_json_add_string(&w, hex);
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
    uint64_t checksum = 0;
    weft_status status = weft_folder_make(folder);
    if (status == WEFT_OK && c->arch == WEFT_TABULAR_TABR)
        status = save_candidates(folder, candidates, &checksum);
    if (status == WEFT_OK)
        status = save_config(folder, c, candidates->rows, checksum);
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
    char *path = inside(folder, "candidates.safetensors"), hex[32];
    weft_arrays *arrays = NULL;
    weft_tensor row;
    uint64_t checksum = 0;
    int64_t bytes = 0;
    weft_status status = path ? weft_safetensors_open(path, &arrays) : WEFT_ERROR_MEMORY;
    weft_json_value wanted = weft_json_get(config, "candidates");
    const char *sum = weft_json_string(weft_json_get(wanted, "xxh64"), NULL);
    if (status == WEFT_OK && sum) {
        status = weft_file_checksum(path, &checksum, &bytes);
        snprintf(hex, sizeof hex, "%016llx", (unsigned long long)checksum);
        if (status == WEFT_OK && strcmp(hex, sum) != 0)
            status = weft_fail(WEFT_ERROR_FORMAT, "%s: its checksum is %s, config.json says %s: the file is not this model's",
                               path, hex, sum);
    }
    if (status == WEFT_OK)
        status = weft_rows_from_arrays(&out->config, arrays, "", path, &out->candidates);
    if (status == WEFT_OK && !out->candidates)
        status = weft_fail(WEFT_ERROR_FORMAT, "%s: holds no x_num, x_bin or x_cat", path);
    weft_tensor y;
    if (status == WEFT_OK && !weft_arrays_find(arrays, "y", &y))
        status = weft_fail(WEFT_ERROR_FORMAT, "%s: tensor \"y\" is missing", path);
    if (status == WEFT_OK && weft_arrays_find(arrays, "row", &row)) {
        if (row.dtype != WEFT_I64 || weft_dims_count(row.dims) != out->candidates->rows)
            status = weft_fail(WEFT_ERROR_FORMAT, "%s: tensor \"row\" does not hold one I64 number a row", path);
        else if (out->candidates->rows)
            memcpy(out->candidates->row, row.data, (size_t)out->candidates->rows * sizeof *out->candidates->row);
    }
    weft_arrays_free(arrays);
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
    *f = (weft_tabular_folder){0};
}
