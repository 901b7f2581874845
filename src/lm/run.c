/* `weft run` on a language model's folder: tensors from a file through the plain graph. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "graph/params.h"
#include "lm/adapter.h"
#include "lm/model.h"

int64_t weft_lm_first_position(const weft_lm_config *c)
{
    return strcmp(c->family->model_type, "roberta") == 0 ? c->pad_id + 1 : 0;
}

weft_status weft_lm_positions(const weft_lm_config *c, const int64_t *ids, int64_t batch, int64_t tokens, int64_t *out)
{
    bool counted = strcmp(c->family->model_type, "roberta") == 0;
    for (int64_t b = 0; b < batch; b++) {
        int64_t seen = 0;
        for (int64_t t = 0; t < tokens; t++) {
            int64_t i = b * tokens + t;
            bool pad = ids[i] == c->pad_id;
            seen += !pad;
            out[i] = !counted ? t : pad ? c->pad_id : c->pad_id + seen;
            if (out[i] >= c->positions)
                return weft_fail(WEFT_ERROR_ARGUMENT, "%lld tokens: position %lld is past the model's table of %lld positions",
                                 (long long)tokens, (long long)out[i], (long long)c->positions);
        }
    }
    return WEFT_OK;
}

void weft_lm_last_tokens(const weft_lm_config *c, const int64_t *ids, const float *mask, int64_t batch, int64_t tokens,
                         int64_t *places, int64_t *rows)
{
    for (int64_t b = 0; b < batch; b++) {
        int64_t last = tokens - 1;
        const bool by_mask = c->pad_id < 0 && mask;
        while (last > 0 && (by_mask ? mask[b * tokens + last] == 0 : ids[b * tokens + last] == c->pad_id))
            last--;
        places[b] = last;
        rows[b] = b * tokens + last;
    }
}

static bool is_nan(weft_tensor t, int64_t i)
{
    return t.dtype == WEFT_F64 ? isnan(((const double *)t.data)[i]) : isnan(((const float *)t.data)[i]);
}

static bool is_finite(weft_tensor t, int64_t i)
{
    return t.dtype == WEFT_F64 ? isfinite(((const double *)t.data)[i]) : isfinite(((const float *)t.data)[i]);
}

weft_status weft_lm_check_finite(weft_tensor logits, weft_tensor hidden)
{
    bool fine = true;
    for (int64_t i = 0; i < weft_dims_count(logits.dims) && fine; i++)
        fine = !is_nan(logits, i);
    if (fine)
        return WEFT_OK;
    int64_t layers = hidden.dims.size[0], each = weft_dims_count(hidden.dims) / (layers ? layers : 1);
    for (int64_t l = 0; l < layers; l++)
        for (int64_t i = 0; i < each; i++)
            if (!is_finite(hidden, l * each + i))
                return l == 0 ? weft_fail(WEFT_ERROR_NUMERIC, "the logits are NaN; it first appears in the embeddings")
                              : weft_fail(WEFT_ERROR_NUMERIC, "the logits are NaN; it first appears in layer %lld",
                                          (long long)l - 1);
    return weft_fail(WEFT_ERROR_NUMERIC, "the logits are NaN; it first appears in the final norm or the head");
}

/* ---- inputs ---- */

typedef struct lm_run {
    weft_lm_config *c;
    const weft_run_request *request;
    int64_t batch, tokens;
    bool single; /* input_ids without a batch axis */
    int64_t *ids, *types, *labels, *positions;
    float *targets;         /* labels of regression [batch, classes] and of several labels at once, in place of `labels` */
    int64_t *places, *rows; /* of a decoder's classifier */
    float *mask;
    int64_t label_count;
} lm_run;

static int64_t number_at(weft_tensor t, int64_t i)
{
    return t.dtype == WEFT_I64   ? ((const int64_t *)t.data)[i]
           : t.dtype == WEFT_I32 ? ((const int32_t *)t.data)[i]
                                 : ((const uint8_t *)t.data)[i];
}

/* An input of whole numbers as I64; *out NULL when there is none. */
static weft_status take(const lm_run *r, const char *name, weft_dims dims, int64_t **out)
{
    weft_tensor t;
    char have[WEFT_DIMS_TEXT], want[WEFT_DIMS_TEXT];
    if (!weft_arrays_find(r->request->inputs, name, &t))
        return WEFT_OK;
    bool whole = t.dtype == WEFT_I64 || t.dtype == WEFT_I32 || t.dtype == WEFT_U8 || t.dtype == WEFT_BOOL;
    if (!whole || !weft_dims_equal(t.dims, dims))
        return weft_fail(WEFT_ERROR_ARGUMENT, "inputs: %s is %s %s, expected I64 %s", name, weft_dtype_name(t.dtype),
                         weft_dims_text(t.dims, have), weft_dims_text(dims, want));
    int64_t count = weft_dims_count(dims);
    if (!(*out = malloc((size_t)(count + 1) * sizeof **out)))
        return weft_fail(WEFT_ERROR_MEMORY, "inputs: memory is short");
    for (int64_t i = 0; i < count; i++)
        (*out)[i] = number_at(t, i);
    return WEFT_OK;
}

static bool are_targets(const weft_lm_config *c, weft_tensor labels)
{
    const bool number = c->problem == WEFT_LM_PROBLEM_REGRESSION || (c->problem == WEFT_LM_PROBLEM_UNSAID && c->classes == 1);
    return number || c->problem == WEFT_LM_PROBLEM_MULTI_LABEL ||
           (c->problem == WEFT_LM_PROBLEM_UNSAID && (labels.dtype == WEFT_F32 || labels.dtype == WEFT_F64));
}

/* Labels of a classification head: a class a row, or a number a row and class. */
static weft_status take_class_labels(lm_run *r)
{
    weft_tensor t;
    char have[WEFT_DIMS_TEXT], want[WEFT_DIMS_TEXT];
    if (!weft_arrays_find(r->request->inputs, "labels", &t))
        return WEFT_OK;
    if (!are_targets(r->c, t))
        return take(r, "labels", DIMS(r->batch), &r->labels);
    const weft_dims dims = DIMS(r->batch, r->c->classes);
    const bool flat = r->c->classes == 1 && weft_dims_equal(t.dims, DIMS(r->batch));
    if (t.dtype == WEFT_I64 || t.dtype == WEFT_F32 || t.dtype == WEFT_F64) {
        const int64_t count = weft_dims_count(dims);
        if ((flat || weft_dims_equal(t.dims, dims)) && !(r->targets = malloc((size_t)count * sizeof *r->targets)))
            return weft_fail(WEFT_ERROR_MEMORY, "inputs: memory is short");
        for (int64_t i = 0; r->targets && i < count; i++)
            r->targets[i] = t.dtype == WEFT_F32   ? ((const float *)t.data)[i]
                            : t.dtype == WEFT_F64 ? (float)((const double *)t.data)[i]
                                                  : (float)((const int64_t *)t.data)[i];
    }
    return r->targets ? WEFT_OK
                      : weft_fail(WEFT_ERROR_ARGUMENT, "inputs: labels is %s %s, expected F32 %s", weft_dtype_name(t.dtype),
                                  weft_dims_text(t.dims, have), weft_dims_text(dims, want));
}

/* attention_mask as numbers 0 and 1 */
static weft_status take_mask(lm_run *r, weft_dims dims)
{
    int64_t *mask = NULL, count = weft_dims_count(dims);
    weft_status status = take(r, "attention_mask", dims, &mask);
    if (mask && !(r->mask = malloc((size_t)count * sizeof *r->mask)))
        status = weft_fail(WEFT_ERROR_MEMORY, "inputs: memory is short");
    for (int64_t i = 0; r->mask && i < count; i++)
        r->mask[i] = mask[i] != 0;
    free(mask);
    return status;
}

/* Labels of a decoder: those of the next token, so that row t is judged by label t + 1. */
static void shift(lm_run *r)
{
    for (int64_t i = 0; i < r->batch * r->tokens; i++)
        r->labels[i] = (i + 1) % r->tokens != 0 ? r->labels[i + 1] : WEFT_IGNORE;
}

static weft_status read_inputs(lm_run *r)
{
    static const char *const known[] = {"input_ids", "attention_mask", "token_type_ids", "labels", "cotangent.*", NULL};
    weft_tensor ids;
    weft_status status = weft_check_inputs(r->request->inputs, known);
    if (status != WEFT_OK)
        return status;
    if (!weft_arrays_find(r->request->inputs, "input_ids", &ids))
        return weft_fail(WEFT_ERROR_ARGUMENT, "inputs: input_ids is missing, expected I64 [n] or [B, n]");
    char have[WEFT_DIMS_TEXT];
    if (ids.dims.rank < 1 || ids.dims.rank > 2 || weft_dims_count(ids.dims) < 1)
        return weft_fail(WEFT_ERROR_ARGUMENT, "inputs: input_ids is %s, expected [n] or [B, n] with a token at least",
                         weft_dims_text(ids.dims, have));
    r->single = ids.dims.rank == 1;
    r->batch = r->single ? 1 : ids.dims.size[0];
    r->tokens = ids.dims.size[ids.dims.rank - 1];
    bool classes = (r->c->head_kinds & WEFT_LM_CLASSIFIER) != 0;
    r->label_count = classes ? r->batch : r->batch * r->tokens;
    if ((status = take(r, "input_ids", ids.dims, &r->ids)) != WEFT_OK || (status = take_mask(r, ids.dims)) != WEFT_OK ||
        (status = take(r, "token_type_ids", ids.dims, &r->types)) != WEFT_OK ||
        (status = classes ? take_class_labels(r) : take(r, "labels", ids.dims, &r->labels)) != WEFT_OK)
        return status;
    if (r->types && !r->c->types)
        return weft_fail(WEFT_ERROR_ARGUMENT, "inputs: token_type_ids: a %s model has no token types", r->c->family->model_type);
    if (r->labels && r->c->family->encoder && !(r->c->head_kinds & (WEFT_LM_CLASSIFIER | WEFT_LM_MLM)))
        return weft_fail(WEFT_ERROR_ARGUMENT, "inputs: labels: this file has neither an MLM nor a classification head");
    if (r->labels && !r->c->family->encoder && !classes)
        shift(r);
    r->positions = malloc((size_t)(r->batch * r->tokens) * sizeof *r->positions);
    r->places = malloc(2 * (size_t)r->batch * sizeof *r->places);
    if (!r->positions || !r->places)
        return weft_fail(WEFT_ERROR_MEMORY, "inputs: memory is short");
    r->rows = r->places + r->batch;
    weft_lm_last_tokens(r->c, r->ids, r->mask, r->batch, r->tokens, r->places, r->rows);
    return r->c->family->names->position ? weft_lm_positions(r->c, r->ids, r->batch, r->tokens, r->positions) : WEFT_OK;
}

/* ---- the graph ---- */

static bool wants_maps(const weft_run_request *r)
{
    for (int i = 0; i < r->tap_count + r->grad_count; i++) {
        const char *name = i < r->tap_count ? r->taps[i] : r->grads[i - r->tap_count];
        if (strncmp(name, "attention.", 10) == 0 && (strstr(name, ".scores") || strstr(name, ".probabilities")))
            return true;
    }
    return false;
}

static void add_loss(const lm_run *r, weft_graph *g)
{
    const weft_lm_config *c = r->c;
    bool classes = (c->head_kinds & WEFT_LM_CLASSIFIER) != 0;
    weft_value logits = weft_find(g, c->family->encoder && !classes ? "mlm_logits" : "logits");
    int64_t n = classes ? c->classes : c->vocab;
    if (r->targets) {
        const bool several = c->problem != WEFT_LM_PROBLEM_REGRESSION && n > 1;
        weft_value want = weft_input(g, "labels", WEFT_F32, DIMS(r->batch, n));
        logits = weft_reshape(g, logits, DIMS(r->batch, n));
        weft_name(g, weft_reshape(g, several ? weft_bce_logits(g, logits, want) : weft_mse(g, logits, want), DIMS(1)), "loss");
        return;
    }
    weft_value labels = weft_labels(g, "labels", DIMS(r->label_count), n);
    weft_value rows = weft_row_losses(g, weft_reshape(g, logits, DIMS(r->label_count, n)), labels, 0);
    weft_name(g, weft_reshape(g, weft_mean_labelled(g, rows, labels), DIMS(1)), "loss");
}

/* For gradients: which parameters are the adapter's, and how its file spells them. */
typedef struct adapter_names {
    const weft_lm_adapter *adapter;
    const weft_lm_config *c;
    char name[WEFT_LM_ADAPTER_NAME];
} adapter_names;

static const char *gradient_name(void *user, const char *parameter)
{
    adapter_names *n = user;
    weft_tensor t;
    if (!weft_params_get(n->adapter->params, parameter, &t))
        return NULL;
    weft_lm_adapter_spell(n->adapter, n->c, parameter, n->name);
    return n->name;
}

static weft_status evaluate(const lm_run *r, weft_engine *engine, weft_params *params, const weft_lm_adapter *adapter,
                            weft_arrays *out)
{
    weft_graph *g = weft_run_graph(r->request);
    weft_lm_builder b;
    if (!g)
        return WEFT_ERROR_MEMORY;
    weft_lm_form form = {.batch = r->batch,
                         .tokens = r->tokens,
                         .mask = r->mask != NULL,
                         .types = r->types != NULL,
                         .maps = wants_maps(r->request),
                         .round_scale = r->request->bf16,
                         .adapter = adapter};
    weft_lm_begin(&b, g, r->c, &form);
    weft_lm_outputs(&b, r->single);
    if (r->labels || r->targets)
        add_loss(r, g);
    weft_dims dims = DIMS(r->batch, r->tokens);
    weft_binding bindings[] = {
        {"input_ids", {r->ids, WEFT_I64, dims}},
        {"attention_mask", {r->mask, WEFT_F32, dims}},
        {"token_type_ids", {r->types, WEFT_I64, dims}},
        {"position_ids", {r->positions, WEFT_I64, dims}},
        {"labels", r->targets ? (weft_tensor){r->targets, WEFT_F32, DIMS(r->batch, r->c->classes)}
                              : (weft_tensor){r->labels, WEFT_I64, DIMS(r->label_count)}},
        {"rows", {r->rows, WEFT_I64, DIMS(r->batch)}},
        {"places", {r->places, WEFT_I64, DIMS(r->batch)}},
    };
    static const char *const outputs[] = {"hidden", "logits", "pooled", "mlm_logits", "nsp_logits", "loss"};
    weft_params *sets[2];
    int count = 0;
    if (adapter)
        sets[count++] = adapter->params;
    sets[count++] = params;
    adapter_names names = {.adapter = adapter, .c = r->c};
    weft_evaluation e = {.engine = engine,
                         .graph = g,
                         .params = sets,
                         .param_count = count,
                         .bindings = bindings,
                         .binding_count = sizeof bindings / sizeof bindings[0],
                         .outputs = outputs,
                         .output_count = sizeof outputs / sizeof outputs[0],
                         .gradient_name = adapter ? gradient_name : NULL,
                         .user = &names};
    weft_status status = weft_evaluate(&e, r->request, out);
    weft_graph_free(g);
    weft_tensor logits, hidden;
    if (status == WEFT_OK && (weft_arrays_find(out, "logits", &logits) || weft_arrays_find(out, "mlm_logits", &logits)) &&
        weft_arrays_find(out, "hidden", &hidden))
        status = weft_lm_check_finite(logits, hidden);
    return status;
}

weft_status weft_lm_run(void *self, weft_engine *engine, weft_params *params, const char *folder, const weft_run_request *request,
                        weft_arrays *out)
{
    (void)folder;
    lm_run r = {.c = self, .request = request};
    weft_lm_adapter *adapter = NULL;
    weft_lm_config_match(r.c, params);
    weft_status status = weft_lm_weights_check(r.c, params);
    if (status == WEFT_OK && request->adapter)
        status = weft_lm_adapter_open(request->adapter, r.c, &adapter);
    if (adapter)
        weft_lm_adapter_take_head(adapter, r.c);
    if (status == WEFT_OK)
        status = read_inputs(&r);
    if (status == WEFT_OK)
        status = evaluate(&r, engine, params, adapter, out);
    weft_lm_adapter_free(adapter);
    free(r.ids);
    free(r.mask);
    free(r.types);
    free(r.labels);
    free(r.targets);
    free(r.positions);
    free(r.places);
    return status;
}
