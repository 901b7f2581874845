/* The registry's rows for language models: opening config.json, describing the graph, telling inputs and outputs. */
#include "lm/model.h"

#include <stdlib.h>
#include <string.h>

#include "graph/params.h"
#include "lm/build.h"

static weft_status open_config(weft_json_value config, const char *where, void **self)
{
    weft_lm_config *c = calloc(1, sizeof *c);
    if (!c)
        return weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", where);
    weft_status status = weft_lm_config_read(config, where, c);
    if (status != WEFT_OK)
        free(c);
    else
        *self = c;
    return status;
}

static void close_config(void *self)
{
    weft_lm_config_free(self);
    free(self);
}

/* one token without a cache */
static weft_status describe(void *self, weft_graph *g, weft_value *fetches, int *count)
{
    const weft_lm_config *c = self;
    weft_lm_builder b;
    weft_lm_begin(&b, g, c, &(weft_lm_form){.batch = 1, .tokens = 1});
    fetches[0] = weft_lm_outputs(&b, true);
    *count = 1;
    static const char *const more[] = {"pooled", "mlm_logits", "nsp_logits", "logits"};
    for (int i = 0; i < 4 && c->family->encoder; i++)
        if (weft_find(g, more[i]).id)
            fetches[(*count)++] = weft_find(g, more[i]);
    return weft_graph_status(g);
}

weft_status weft_lm_weights_check(const weft_lm_config *c, const weft_params *params)
{
    weft_graph *g = weft_graph_new(WEFT_F32);
    weft_value fetches[8];
    int count;
    weft_status status = g ? describe((void *)(uintptr_t)c, g, fetches, &count) : WEFT_ERROR_MEMORY;
    if (status == WEFT_OK)
        status = weft_params_check(params, g, NULL);
    weft_graph_free(g);
    return status;
}

static void list(void *self, weft_text *out)
{
    const weft_lm_config *c = self;
    long long V = (long long)c->vocab, d = (long long)c->width, L = (long long)c->layers, H = (long long)c->heads,
              K = (long long)c->kv_heads, D = (long long)c->head_dim;
    weft_text_add(out, "input   input_ids [n] or [B, n] I64\n"
                       "input   attention_mask, as input_ids (optional: 0 hides a token)\n");
    if (c->types)
        weft_text_add(out, "input   token_type_ids, as input_ids (optional: all 0)\n");
    weft_text_add(out, "output  hidden [%lld, B, n, %lld]\n", L + 1, d);
    if (!c->family->encoder && !(c->head_kinds & WEFT_LM_CLASSIFIER))
        weft_text_add(out,
                      "input   labels, as input_ids (optional: token t + 1 is the target of t, -100 is none)\n"
                      "output  logits [B, n, %lld]\noutput  loss [1] (where labels are given)\n",
                      V);
    if (c->head_kinds & WEFT_LM_POOLER)
        weft_text_add(out, "output  pooled [B, %lld]\n", d);
    if (c->head_kinds & WEFT_LM_MLM)
        weft_text_add(out,
                      "input   labels, as input_ids (optional: -100 is none)\noutput  mlm_logits [B, n, %lld]\n"
                      "output  loss [1] (where labels are given)\n",
                      V);
    if (c->head_kinds & WEFT_LM_NSP)
        weft_text_add(out, "output  nsp_logits [B, 2]\n");
    if (c->head_kinds & WEFT_LM_CLASSIFIER)
        weft_text_add(out,
                      "input   labels (optional: classes [B] I64, or numbers [B, classes] F32 as problem_type says)\noutput  "
                      "logits [B, %lld]\noutput  loss [1] (where labels are given)\n",
                      (long long)c->classes);
    weft_text_add(out,
                  "tap     hidden.0 … hidden.%lld [B, n, %lld]: the stream before each layer, and after the last\n"
                  "tap     attention.0 … attention.%lld, mlp.0 … [B, n, %lld]: what a layer's halves add\n"
                  "tap     query.0 … [B, n, %lld, %lld], key.0 …, value.0 … [B, n, %lld, %lld]\n"
                  "tap     attention.0.scores …, attention.0.probabilities … [B, %lld, n, n]\n",
                  L, d, L - 1, d, H, D, K, D, H);
}

static void match(void *self, const weft_params *params)
{
    weft_lm_config_match(self, params);
}

#define MODEL(name) \
    { \
        name, open_config, close_config, describe, list, weft_lm_run, .adapters = true, .match = match \
    }
const weft_model_type weft_lm_models[WEFT_LM_MODELS] = {
    MODEL("gpt2"),  MODEL("gpt_neox"), MODEL("llama"),      MODEL("mistral"),     MODEL("qwen2"),
    MODEL("qwen3"), MODEL("gemma"),    MODEL("gemma2"),     MODEL("gemma3_text"), MODEL("gemma3"),
    MODEL("bert"),  MODEL("roberta"),  MODEL("distilbert"), MODEL("xlm-roberta"), MODEL("camembert"),
};
