/* An adapter in the graph: which modules it covers, and what it adds to them. */
#include "lm/adapter.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* "model.layers.0.self_attn.q_proj": the module's name as PEFT spells it, from the builder's scope */
static void module_of(const weft_lm_adapter *a, const weft_lm_builder *b, const char *name, char out[256])
{
    const char *layer = b->c->family->names->layer;
    const char *base = b->inside && a->base[0] ? a->base : NULL;
    if (b->inside && b->layer >= 0)
        snprintf(out, 256, "%s%s%s.%lld.%s", base ? base : "", base ? "." : "", layer, (long long)b->layer, name);
    else
        snprintf(out, 256, "%s%s%s", base ? base : "", base ? "." : "", name);
}

static bool ends_in(const char *module, const char *suffix)
{
    size_t n = strlen(module), k = strlen(suffix);
    return n == k ? strcmp(module, suffix) == 0 : n > k && module[n - k - 1] == '.' && strcmp(module + n - k, suffix) == 0;
}

static bool matches(const weft_lm_adapter *a, const weft_regex *expression, const char *module)
{
    bool found = false;
    size_t begin, end;
    return weft_regex_search(expression, a->matcher, module, strlen(module), 0, &found, &begin, &end) == WEFT_OK && found;
}

double weft_lm_adapter_scale(const weft_lm_adapter *a, const char *module, int64_t *rank)
{
    double alpha = a->alpha;
    *rank = a->r;
    for (int i = a->rank_count - 1; i >= 0; i--)
        if (matches(a, a->ranks[i].expression, module))
            *rank = (int64_t)a->ranks[i].value;
    for (int i = a->alpha_count - 1; i >= 0; i--)
        if (matches(a, a->alphas[i].expression, module))
            alpha = a->alphas[i].value;
    return alpha / (a->rslora ? sqrt((double)*rank) : (double)*rank);
}

static bool has(const weft_params *p, const char *module, const char *what)
{
    char text[384];
    weft_tensor t;
    snprintf(text, sizeof text, WEFT_LM_ADAPTER_PREFIX "%s.%s", module, what);
    return weft_params_get(p, text, &t);
}

bool weft_lm_adapter_covers(const weft_lm_adapter *a, const weft_lm_builder *b, const char *name)
{
    char module[256];
    module_of(a, b, name, module);
    if (a->params)
        return has(a->params, module, "lora_A.weight") || has(a->params, module, "lora_embedding_A");
    if (a->layers) {
        bool listed = false;
        for (int i = 0; i < a->layer_count; i++)
            listed |= b->inside && a->layers[i] == b->layer;
        if (!listed)
            return false;
    }
    if (a->all_linear)
        return b->inside && b->layer >= 0;
    if (a->expression)
        return matches(a, a->expression, module);
    for (int i = 0; i < a->target_count; i++)
        if (ends_in(module, a->targets[i]))
            return true;
    return false;
}

void weft_lm_adapter_spell(const weft_lm_adapter *a, const weft_lm_config *c, const char *parameter,
                           char out[WEFT_LM_ADAPTER_NAME])
{
    static const char *const old_norms[][2] = {{"LayerNorm.gamma", "weight"}, {"LayerNorm.beta", "bias"}};
    const size_t base = strlen(c->base), outside = strlen(c->outside);
    if (strncmp(parameter, WEFT_LM_ADAPTER_PREFIX, strlen(WEFT_LM_ADAPTER_PREFIX)) == 0) {
        snprintf(out, WEFT_LM_ADAPTER_NAME, "%s", parameter);
        return;
    }
    const bool below = base && strncmp(parameter, c->base, base) == 0 && parameter[base] == '.';
    const bool inside = below || (!base && !weft_lm_stands_outside(c, parameter));
    if (below)
        parameter += base + 1;
    else if (outside && strncmp(parameter, c->outside, outside) == 0 && parameter[outside] == '.')
        parameter += outside + 1;
    const char *head = c->head;
    if (a->head && strncmp(parameter, head, strlen(head)) == 0 && parameter[strlen(head)] == '.') {
        snprintf(out, WEFT_LM_ADAPTER_NAME, WEFT_LM_ADAPTER_PREFIX "%s%.400s", a->head, parameter + strlen(head));
        return;
    }
    snprintf(out, WEFT_LM_ADAPTER_NAME, WEFT_LM_ADAPTER_PREFIX "%.64s%s%.400s", inside ? a->base : "",
             inside && a->base[0] ? "." : "", parameter);
    for (int i = 0; i < 2 && c->old_norms; i++)
        if (ends_in(out, old_norms[i][0]))
            strcpy(strrchr(out, '.') + 1, old_norms[i][1]);
}

bool weft_lm_adapter_saves(const weft_lm_adapter *a, const weft_lm_config *c, const char *parameter)
{
    char name[WEFT_LM_ADAPTER_NAME];
    weft_lm_adapter_spell(a, c, parameter, name);
    for (char *dot = strrchr(name, '.'); dot && strlen(name) > strlen(WEFT_LM_ADAPTER_PREFIX); dot = strrchr(name, '.')) {
        *dot = 0; /* the module, then those around it; PEFT compares ends of names and minds no dot */
        for (int i = 0; i < a->saved_count; i++) {
            const size_t n = strlen(name), k = strlen(a->saved[i]);
            if (n >= k && strcmp(name + n - k, a->saved[i]) == 0)
                return true;
        }
    }
    return false;
}

static weft_value parameter(weft_lm_builder *b, const char *module, const char *what, weft_init init, weft_dims dims)
{
    return weft_param_named(b->g, init, dims, "%s%s" WEFT_LM_ADAPTER_PREFIX "%s.%s", b->form.scope ? b->form.scope : "",
                            b->form.scope ? "." : "", module, what);
}

weft_value weft_lm_adapter_linear(const weft_lm_adapter *a, weft_lm_builder *b, weft_value x, const char *name, weft_value w,
                                  weft_value bias, bool turned)
{
    weft_graph *g = b->g;
    weft_dims d = weft_shape(g, w);
    int64_t in = d.size[turned ? 0 : 1], out = d.size[turned ? 1 : 0], rank;
    char module[256];
    module_of(a, b, name, module);
    double s = weft_lm_adapter_scale(a, module, &rank);
    /* Kaiming uniform with a = √5 is U(±1/√in) */
    weft_value A = parameter(b, module, "lora_A.weight", WEFT_UNIFORM(1 / sqrt((double)in)), DIMS(rank, in));
    weft_value B = parameter(b, module, "lora_B.weight", WEFT_ZEROS, DIMS(out, rank));
    weft_value dropped = weft_dropout(g, x, name, b->form.adapter_dropout);
    weft_value y = turned ? weft_matmul(g, x, w) : weft_product(g, x, w, (weft_value){0});
    weft_value low = weft_product(g, weft_product(g, dropped, A, (weft_value){0}), B, (weft_value){0});
    y = weft_add(g, y, weft_scale(g, low, s));
    if (a->dora) { /* m ⊙ (W + s B A) / ‖row‖₂ */
        bool plain = a->params && has(a->params, module, "lora_magnitude_vector");
        weft_value m =
            parameter(b, module, plain ? "lora_magnitude_vector" : "lora_magnitude_vector.weight", WEFT_ONES, DIMS(out));
        weft_value whole = weft_add(g, turned ? weft_transpose(g, w) : w, weft_scale(g, weft_matmul(g, B, A), s));
        weft_value norm = weft_sqrt(g, weft_sum(g, weft_square(g, whole), 1, 1));
        y = weft_mul(g, y, weft_div(g, m, weft_detach(g, norm))); /* a constant to gradients (section 4.3) */
    }
    return bias.id ? weft_add(g, y, bias) : y;
}

weft_value weft_lm_adapter_embedding(const weft_lm_adapter *a, weft_lm_builder *b, weft_value index, const char *name,
                                     int64_t rows, int64_t width)
{
    weft_graph *g = b->g;
    char module[256];
    int64_t rank;
    module_of(a, b, name, module);
    double s = weft_lm_adapter_scale(a, module, &rank);
    weft_value A = parameter(b, module, "lora_embedding_A", WEFT_ZEROS, DIMS(rank, rows));
    weft_value B = parameter(b, module, "lora_embedding_B", WEFT_NORMAL(1), DIMS(width, rank));
    return weft_scale(g, weft_product(g, weft_gather(g, weft_transpose(g, A), index), B, (weft_value){0}), s);
}
