/* Opening a language model: configuration, weights, adapter. */
#include "lm/lm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/files.h"
#include "graph/params.h"
#include "lm/model.h"

/* Says so where the file has more layers than config.json: then one of them is another model's. */
static void tell_further_layers(const weft_lm_config *c, const weft_params *params)
{
    char start[192];
    snprintf(start, sizeof start, "%s%s%s.", c->base, c->base[0] ? "." : "", c->family->names->layer);
    for (int64_t i = 0; i < weft_params_count(params); i++) {
        const char *name = weft_params_at(params, i, NULL);
        if (strncmp(name, start, strlen(start)) != 0 || strtoll(name + strlen(start), NULL, 10) < c->layers)
            continue;
        weft_log(WEFT_LOG_WARNING, "config.json says %lld layers, the file has more: %s is not used", (long long)c->layers, name);
        return;
    }
}

static weft_status open_parts(weft_lm *lm, const char *folder, const char *path, const weft_lm_options *o)
{
    weft_json *json = NULL;
    weft_status status = weft_json_read(path, &json);
    if (status == WEFT_OK)
        status = weft_lm_config_read(weft_json_root(json), path, &lm->config);
    weft_json_free(json);
    if (status == WEFT_OK)
        status = weft_params_open(folder, &lm->params);
    if (status != WEFT_OK)
        return status;
    weft_lm_config_match(&lm->config, lm->params);
    if ((status = weft_lm_weights_check(&lm->config, lm->params)) != WEFT_OK)
        return weft_fail_in(status, "%s", folder);
    tell_further_layers(&lm->config, lm->params);
    if (o && o->adapter && (status = weft_lm_adapter_open(o->adapter, &lm->config, &lm->adapter)) != WEFT_OK)
        return status;
    if (lm->adapter)
        weft_lm_adapter_take_head(lm->adapter, &lm->config);
    if (lm->adapter)
        lm->sets[lm->set_count++] = lm->adapter->params;
    lm->sets[lm->set_count++] = lm->params;
    return WEFT_OK;
}

/* parameters of the model as it is run, an adapter's included */
static weft_status count_parameters(weft_lm *lm)
{
    weft_graph *g = weft_lm_graph(lm);
    weft_lm_builder b;
    if (!g)
        return WEFT_ERROR_MEMORY;
    weft_lm_begin(&b, g, &lm->config, &(weft_lm_form){.batch = 1, .tokens = 1, .adapter = lm->adapter});
    weft_lm_outputs(&b, true);
    int n = weft_graph_params(g, -1, NULL, NULL);
    for (int i = 0; i < n; i++) {
        weft_value v;
        weft_graph_params(g, i, NULL, &v);
        lm->parameters += weft_dims_count(weft_shape(g, v));
    }
    weft_status status = weft_graph_status(g);
    weft_graph_free(g);
    return status;
}

weft_status weft_lm_open(weft_engine *engine, const char *folder, const weft_lm_options *options, weft_lm **out)
{
    *out = NULL;
    if (!weft_path_is_folder(folder))
        return weft_fail(WEFT_ERROR_FILE, "%s: there is no such folder", folder);
    weft_lm *lm = calloc(1, sizeof *lm);
    char *path = weft_path_join(folder, "config.json");
    weft_status status = lm && path ? WEFT_OK : weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", folder);
    if (status == WEFT_OK) {
        lm->engine = engine;
        lm->dtype = options && options->dtype == WEFT_F64 ? WEFT_F64 : WEFT_F32;
        lm->bf16 = options && options->dtype == WEFT_BF16;
        status = open_parts(lm, folder, path, options);
    }
    if (status == WEFT_OK)
        status = count_parameters(lm);
    free(path);
    if (status != WEFT_OK)
        weft_lm_free(lm);
    else
        *out = lm;
    return status;
}

void weft_lm_free(weft_lm *lm)
{
    if (!lm)
        return;
    weft_lm_adapter_free(lm->adapter);
    weft_params_free(lm->params);
    weft_lm_config_free(&lm->config);
    free(lm);
}

const char *weft_lm_type(const weft_lm *lm)
{
    return lm->config.family->model_type;
}

int64_t weft_lm_vocabulary(const weft_lm *lm)
{
    return lm->config.vocab;
}

/* A dynamic rope is there to go beyond max_position_embeddings: as many times as its factor says. */
int64_t weft_lm_context(const weft_lm *lm)
{
    const weft_lm_config *c = &lm->config;
    const bool dynamic = c->rotary > 0 && c->rope[0].type == WEFT_ROPE_DYNAMIC && c->rope[0].factor > 1;
    const double most = (double)c->positions * (dynamic ? c->rope[0].factor : 1);
    return most < 1e9 ? (int64_t)most : 1000000000;
}

int64_t weft_lm_parameters(const weft_lm *lm)
{
    return lm->parameters;
}

bool weft_lm_is_encoder(const weft_lm *lm)
{
    return lm->config.family->encoder;
}

weft_status weft_lm_tokenizer_open(const weft_lm *lm, const char *folder, weft_tokenizer **out)
{
    weft_status status = weft_tokenizer_open(folder, out);
    if (status == WEFT_OK && weft_tokenizer_size(*out) > weft_lm_vocabulary(lm)) {
        status = weft_fail(WEFT_ERROR_FORMAT, "%s: the tokenizer has %lld tokens, the model's embedding %lld rows", folder,
                           (long long)weft_tokenizer_size(*out), (long long)weft_lm_vocabulary(lm));
        weft_tokenizer_free(*out);
        *out = NULL;
    }
    return status;
}

weft_graph *weft_lm_graph(const weft_lm *lm)
{
    weft_graph *g = weft_graph_new(lm->dtype);
    if (g && lm->bf16)
        weft_graph_bf16(g, true);
    return g;
}

static weft_status run_blame(const weft_lm *lm, weft_graph *g, const int64_t *ids, int64_t count, int64_t *positions)
{
    weft_lm_builder b;
    weft_plan *plan = NULL;
    weft_session *session = NULL;
    weft_tensor answer, hidden;
    int64_t last = count - 1;
    weft_lm_begin(&b, g, &lm->config, &(weft_lm_form){.batch = 1, .tokens = count, .adapter = lm->adapter});
    weft_value x = weft_lm_outputs(&b, true), logits = weft_find(g, "logits");
    weft_value fetches[2] = {weft_find(g, "hidden"), weft_name(g, logits.id ? logits : x, "answer")};
    const struct {
        const char *name;
        weft_tensor tensor;
    } inputs[] = {{"input_ids", {(void *)(uintptr_t)ids, WEFT_I64, DIMS(1, count)}},
                  {"position_ids", {positions, WEFT_I64, DIMS(1, count)}},
                  {"rows", {&last, WEFT_I64, DIMS(1)}},
                  {"places", {&last, WEFT_I64, DIMS(1)}}};
    weft_status status = weft_lm_positions(&lm->config, ids, 1, count, positions);
    if (status == WEFT_OK)
        status = weft_compile(lm->engine, g, NULL, 0, fetches, 2, &plan);
    if (status == WEFT_OK)
        status = weft_session_new(plan, lm->sets, lm->set_count, &session);
    for (size_t i = 0; i < sizeof inputs / sizeof inputs[0] && status == WEFT_OK; i++)
        if (weft_find(g, inputs[i].name).id)
            status = weft_bind(session, inputs[i].name, inputs[i].tensor);
    if (status == WEFT_OK)
        status = weft_run(session);
    if (status == WEFT_OK)
        status = weft_fetch(session, "hidden", &hidden);
    if (status == WEFT_OK)
        status = weft_fetch(session, "answer", &answer);
    if (status == WEFT_OK)
        status = weft_lm_check_finite(answer, hidden);
    if (status == WEFT_OK)
        status = weft_fail(WEFT_ERROR_NUMERIC, "the logits are NaN or infinite");
    weft_session_free(session);
    weft_plan_free(plan);
    return status;
}

weft_status weft_lm_blame(const weft_lm *lm, const int64_t *ids, int64_t count)
{
    weft_graph *g = weft_lm_graph(lm);
    int64_t *positions = malloc((size_t)(count + 1) * sizeof *positions);
    weft_status status =
        g && positions ? run_blame(lm, g, ids, count, positions) : weft_fail(WEFT_ERROR_MEMORY, "memory is short");
    free(positions);
    weft_graph_free(g);
    return status;
}
