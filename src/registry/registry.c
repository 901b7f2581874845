/* The registry: model_type of config.json → the functions that build and run such a model. Adding a model is adding a row. */
#include "registry/registry.h"

#include "base/files.h"
#include "lm/model.h"
#include "tabular/model.h"

#include <stdlib.h>
#include <string.h>

#define LM(i) &weft_lm_models[i]
static const weft_model_type *const types[] = {
    &weft_tabr_model, &weft_mlp_model, LM(0),  LM(1),  LM(2),  LM(3), LM(4), LM(5), LM(6), LM(7), LM(8), LM(9),
    LM(10),           LM(11),          LM(12), LM(13), LM(14),
};

enum { TYPES = sizeof types / sizeof types[0] };

struct weft_model {
    const weft_model_type *type;
    void *self;
    char *folder;
    weft_json *config;
};

const weft_model_type *weft_model_type_at(int i)
{
    return i >= 0 && i < TYPES ? types[i] : NULL;
}

static weft_status unknown_type(const char *where, const char *name)
{
    weft_text list = {0};
    for (int i = 0; i < TYPES; i++)
        weft_text_add(&list, "%s%s", i ? ", " : "", types[i]->name);
    weft_status status =
        name ? weft_fail(WEFT_ERROR_FORMAT, "%s: model_type is \"%s\"; this build knows %s", where, name, list.data)
             : weft_fail(WEFT_ERROR_FORMAT, "%s: model_type is missing; this build knows %s", where, list.data);
    weft_text_free(&list);
    return status;
}

/* takes over config */
static weft_status open_model(weft_json *config, const char *where, const char *folder, weft_model **out)
{
    weft_json_value root = weft_json_root(config);
    const char *name = NULL;
    const weft_model_type *type = NULL;
    weft_status status = weft_json_take_string(root, where, "model_type", &name);
    for (int i = 0; i < TYPES && name; i++)
        if (strcmp(types[i]->name, name) == 0)
            type = types[i];
    if (status == WEFT_OK && !type)
        status = unknown_type(where, name);
    weft_model *model = status == WEFT_OK ? calloc(1, sizeof *model) : NULL;
    if (status == WEFT_OK && (!model || (folder && !(model->folder = strdup(folder)))))
        status = weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", where);
    if (status == WEFT_OK) {
        model->type = type;
        status = type->open(root, where, &model->self);
    }
    if (status != WEFT_OK) {
        if (model)
            free(model->folder);
        free(model);
        weft_json_free(config);
        return status;
    }
    model->config = config;
    *out = model;
    return WEFT_OK;
}

weft_status weft_model_open(const char *folder, weft_model **out)
{
    *out = NULL;
    if (!weft_path_is_folder(folder))
        return weft_fail(WEFT_ERROR_FILE, "%s: there is no such folder", folder);
    char *path = weft_path_join(folder, "config.json");
    weft_json *config = NULL;
    weft_status status = path ? weft_json_read(path, &config) : weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", folder);
    if (status == WEFT_OK)
        status = open_model(config, path, folder, out);
    free(path);
    return status;
}

weft_status weft_model_parse(const char *json, size_t size, const char *name, weft_model **out)
{
    *out = NULL;
    weft_json *config = NULL;
    weft_status status = weft_json_parse(json, size, name, &config);
    return status == WEFT_OK ? open_model(config, name, NULL, out) : status;
}

void weft_model_free(weft_model *m)
{
    if (!m)
        return;
    m->type->close(m->self);
    weft_json_free(m->config);
    free(m->folder);
    free(m);
}

const char *weft_model_type_name(const weft_model *m)
{
    return m->type->name;
}

static bool has_file(const char *folder, const char *name)
{
    char *path = weft_path_join(folder, name);
    bool there = path && weft_path_exists(path);
    free(path);
    return there;
}

weft_status weft_model_match(weft_model *m)
{
    weft_params *params = NULL;
    if (!m->type->match || !m->folder ||
        (!has_file(m->folder, "model.safetensors") && !has_file(m->folder, "model.safetensors.index.json")))
        return WEFT_OK;
    weft_status status = weft_params_open(m->folder, &params);
    if (status == WEFT_OK)
        m->type->match(m->self, params);
    weft_params_free(params);
    return status;
}

bool weft_model_takes_adapter(const weft_model *m)
{
    return m->type->adapters;
}

weft_status weft_model_build(const weft_model *m, weft_graph *g)
{
    weft_value fetches[8];
    int count;
    return m->type->describe(m->self, g, fetches, &count);
}

weft_status weft_model_count(const weft_model *m, weft_cost *out)
{
    weft_value fetches[8];
    int count = 0;
    weft_graph *g = weft_graph_new(WEFT_F32);
    if (!g)
        return WEFT_ERROR_MEMORY;
    weft_status status = m->type->describe(m->self, g, fetches, &count);
    if (status == WEFT_OK)
        status = weft_count(g, fetches, count, out);
    if (status == WEFT_OK) { /* also those that no output depends on (TabR's key bias cancels in every difference) */
        out->parameters = 0;
        int n = weft_graph_params(g, -1, NULL, NULL);
        for (int i = 0; i < n; i++) {
            weft_value v;
            weft_graph_params(g, i, NULL, &v);
            out->parameters += weft_dims_count(weft_shape(g, v));
        }
    }
    weft_graph_free(g);
    return status;
}

void weft_model_list(const weft_model *m, weft_text *out)
{
    m->type->list(m->self, out);
}

weft_status weft_model_run(weft_model *m, weft_engine *engine, const weft_run_request *request, weft_arrays *out)
{
    weft_params *params = NULL;
    if (!m->folder)
        return weft_fail(WEFT_ERROR_ARGUMENT, "this model was not opened from a folder");
    weft_status status = weft_params_open(m->folder, &params);
    if (status == WEFT_OK)
        status = m->type->run(m->self, engine, params, m->folder, request, out);
    weft_params_free(params);
    return status;
}
