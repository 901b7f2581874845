/* LoRA adapters made and merged (arXiv 2106.09685; DoRA arXiv 2402.09353). */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "graph/engine.h"
#include "lm/folder.h"

static bool ends_in(const char *name, const char *end)
{
    size_t n = strlen(name), k = strlen(end);
    return n >= k && strcmp(name + n - k, end) == 0;
}

static float *widened(const weft_lm *lm, weft_tensor t)
{
    int64_t count = weft_dims_count(t.dims);
    float *values = malloc((size_t)(count + 1) * sizeof *values);
    if (values)
        lm->engine->kernels->f32->widen(t.dtype, count, t.data, values);
    return values;
}

static bool of_lora(const char *name)
{
    return strncmp(name, WEFT_LM_ADAPTER_PREFIX, strlen(WEFT_LM_ADAPTER_PREFIX)) == 0;
}

/* A module that is trained whole begins as the base has it. */
static weft_status copy_base(const weft_lm *lm, const char *name, weft_tensor t, weft_params *out)
{
    float *values = widened(lm, t);
    weft_status status = values ? weft_params_set(out, name, (weft_tensor){values, WEFT_F32, t.dims})
                                : weft_fail(WEFT_ERROR_MEMORY, "an adapter: memory is short");
    free(values);
    return status;
}

/* What the graph wants of the adapter: A uniform in ±1/√in, B zero (PEFT's defaults); and modules to be trained whole, which the
 * base may lack. */
static weft_status draw(const weft_lm *lm, const weft_graph *wanted, weft_params *out, uint64_t seed, int64_t *count)
{
    weft_graph *g = weft_graph_new(WEFT_F32);
    if (!g)
        return WEFT_ERROR_MEMORY;
    weft_status status = WEFT_OK;
    int n = weft_graph_params(wanted, -1, NULL, NULL);
    *count = 0;
    for (int i = 0; i < n && status == WEFT_OK; i++) {
        const char *name;
        weft_value v;
        weft_tensor base;
        weft_graph_params(wanted, i, &name, &v);
        weft_dims dims = weft_shape(wanted, v);
        if (of_lora(name))
            ++*count;
        else if (!weft_lm_adapter_saves(lm->adapter, &lm->config, name))
            continue;
        else if (weft_params_get(lm->params, name, &base)) {
            status = copy_base(lm, name, base, out);
            continue;
        }
        weft_init init = ends_in(name, "lora_A.weight")      ? WEFT_UNIFORM(1 / sqrt((double)dims.size[1]))
                         : ends_in(name, "lora_embedding_B") ? WEFT_NORMAL(1)
                         : !of_lora(name) && dims.rank > 1   ? WEFT_NORMAL(lm->config.init_range)
                                                             : WEFT_ZEROS;
        weft_param_named(g, init, dims, "%s", name);
    }
    if (status == WEFT_OK)
        status = weft_graph_status(g);
    if (status == WEFT_OK)
        status = weft_params_init(out, g, WEFT_F32, seed);
    weft_graph_free(g);
    return status;
}

/* PEFT's name of a module's weight as the base's file spells it. */
static void base_name(const weft_lm *lm, const char *name, char out[512])
{
    const weft_lm_config *c = &lm->config;
    size_t base = strlen(lm->adapter->base);
    if (base && strncmp(name, lm->adapter->base, base) == 0 && name[base] == '.')
        snprintf(out, 512, "%s%s%s.weight", c->base, c->base[0] ? "." : "", name + base + 1);
    else
        snprintf(out, 512, "%s%s%s.weight", c->outside, c->outside[0] ? "." : "", name);
}

/* DoRA's magnitudes begin as the norms of the base's output rows, so that the model is at first what it was. */
static weft_status start_magnitudes(const weft_lm *lm, weft_params *fresh)
{
    static const char tail[] = ".lora_magnitude_vector.weight";
    const size_t prefix = strlen(WEFT_LM_ADAPTER_PREFIX);
    for (int64_t i = 0; i < weft_params_count(fresh); i++) {
        weft_tensor m, w;
        const char *name = weft_params_at(fresh, i, &m);
        char module[256], base[512];
        if (!ends_in(name, tail))
            continue;
        snprintf(module, sizeof module, "%.*s", (int)(strlen(name) - prefix - (sizeof tail - 1)), name + prefix);
        base_name(lm, module, base);
        if (!weft_params_get(lm->params, base, &w))
            return weft_fail(WEFT_ERROR_FORMAT, "%s: the model has no such tensor", base);
        const bool turned = lm->config.family->conv1d && w.dims.size[1] == m.dims.size[0];
        const int64_t out = m.dims.size[0], in = weft_dims_count(w.dims) / out;
        float *wide = widened(lm, w), *magnitude = m.data;
        if (!wide)
            return weft_fail(WEFT_ERROR_MEMORY, "an adapter: memory is short");
        for (int64_t o = 0; o < out; o++) {
            double squares = 0;
            for (int64_t k = 0; k < in; k++) {
                const double x = (double)wide[turned ? k * out + o : o * in + k];
                squares += x * x;
            }
            magnitude[o] = (float)sqrt(squares);
        }
        free(wide);
    }
    return WEFT_OK;
}

weft_status weft_lm_adapt(weft_lm *lm, const char *config, uint64_t seed)
{
    weft_json *json = NULL;
    weft_graph *g = NULL;
    weft_params *fresh = NULL;
    weft_lm_builder b;
    int64_t count = 0;
    weft_status status = weft_json_parse(config, strlen(config), "adapter_config.json", &json);
    if (status == WEFT_OK)
        status = weft_lm_adapter_parse(weft_json_root(json), "adapter_config.json", &lm->config, &lm->adapter);
    weft_json_free(json);
    if (status == WEFT_OK && !(g = weft_graph_new(WEFT_F32)))
        status = WEFT_ERROR_MEMORY;
    if (status == WEFT_OK) {
        weft_lm_begin(&b, g, &lm->config, &(weft_lm_form){.batch = 1, .tokens = 1, .adapter = lm->adapter});
        weft_lm_outputs(&b, true);
        if ((status = weft_graph_status(g)) == WEFT_OK)
            status = weft_params_new(&fresh);
    }
    if (status == WEFT_OK)
        status = draw(lm, g, fresh, seed, &count);
    if (status == WEFT_OK && lm->adapter->dora)
        status = start_magnitudes(lm, fresh);
    if (status == WEFT_OK && count == 0)
        status = weft_fail(WEFT_ERROR_ARGUMENT, "the adapter's targets name no linear layer of this %s model",
                           lm->config.family->model_type);
    weft_graph_free(g);
    if (status != WEFT_OK) {
        weft_params_free(fresh);
        weft_lm_adapter_free(lm->adapter);
        lm->adapter = NULL;
        return status;
    }
    lm->adapter->params = fresh;
    memmove(lm->sets + 1, lm->sets, (size_t)lm->set_count * sizeof lm->sets[0]);
    lm->sets[0] = fresh;
    lm->set_count++;
    return WEFT_OK;
}

/* ---- Merging. ---- */

/* One module's parts; W [out, in], or [in, out] where `turned`. */
typedef struct module {
    char name[256]; /* as PEFT spells it */
    weft_tensor w, a, b, magnitude;
    bool embedding, turned;
    double scale;
    int64_t rank;
} module;

/* w += s B A, element by element in the order of ranks; DoRA scales each output row to its magnitude. */
static void work_in(const module *m, float *w, const float *a, const float *b, const float *magnitude)
{
    int64_t out = m->embedding ? m->a.dims.size[1] : m->b.dims.size[0], in = m->embedding ? m->b.dims.size[0] : m->a.dims.size[1];
    for (int64_t o = 0; o < out; o++) {
        double squares = 0;
        for (int64_t i = 0; i < in; i++) {
            float sum = 0;
            for (int64_t r = 0; r < m->rank; r++)
                sum += m->embedding ? a[r * out + o] * b[i * m->rank + r] : b[o * m->rank + r] * a[r * in + i];
            float *place = &w[m->turned ? i * out + o : o * in + i];
            *place += (float)m->scale * sum;
            squares += (double)*place * (double)*place;
        }
        for (int64_t i = 0; magnitude && i < in; i++)
            w[m->turned ? i * out + o : o * in + i] *= (float)((double)magnitude[o] / sqrt(squares));
    }
}

static weft_status merge_module(const weft_lm *lm, const module *m, const char *name, weft_params *out)
{
    float *w = widened(lm, m->w), *a = widened(lm, m->a), *b = widened(lm, m->b);
    float *magnitude = m->magnitude.data ? widened(lm, m->magnitude) : NULL;
    int64_t count = weft_dims_count(m->w.dims);
    void *stored = malloc((size_t)(count + 1) * sizeof(double));
    weft_status status = w && a && b && stored && (magnitude || !m->magnitude.data)
                             ? WEFT_OK
                             : weft_fail(WEFT_ERROR_MEMORY, "merging: memory is short");
    if (status == WEFT_OK) {
        work_in(m, w, a, b, magnitude);
        lm->engine->kernels->f32->narrow(m->w.dtype, count, w, stored);
        status = weft_params_set(out, name, (weft_tensor){stored, m->w.dtype, m->w.dims});
    }
    free(w);
    free(a);
    free(b);
    free(magnitude);
    free(stored);
    return status;
}

static weft_status take_module(const weft_lm *lm, const char *name, weft_tensor a, weft_params *out)
{
    module m = {.a = a, .embedding = ends_in(name, ".lora_embedding_A")};
    size_t prefix = strlen(WEFT_LM_ADAPTER_PREFIX), tail = strlen(m.embedding ? ".lora_embedding_A" : ".lora_A.weight");
    char base[512], other[384];
    snprintf(m.name, sizeof m.name, "%.*s", (int)(strlen(name) - prefix - tail), name + prefix);
    base_name(lm, m.name, base);
    snprintf(other, sizeof other, WEFT_LM_ADAPTER_PREFIX "%s.%s", m.name, m.embedding ? "lora_embedding_B" : "lora_B.weight");
    const bool there = weft_params_get(lm->adapter->params, base, &m.w) || weft_params_get(lm->params, base, &m.w);
    if (!weft_params_get(lm->adapter->params, other, &m.b) || !there)
        return weft_fail(WEFT_ERROR_FORMAT, "merging %s: %s is missing", m.name, there ? other : base);
    snprintf(other, sizeof other, WEFT_LM_ADAPTER_PREFIX "%s.lora_magnitude_vector.weight", m.name);
    if (lm->adapter->dora && !weft_params_get(lm->adapter->params, other, &m.magnitude)) {
        snprintf(other, sizeof other, WEFT_LM_ADAPTER_PREFIX "%s.lora_magnitude_vector", m.name);
        (void)weft_params_get(lm->adapter->params, other, &m.magnitude);
    }
    m.scale = weft_lm_adapter_scale(lm->adapter, m.name, &m.rank);
    m.rank = a.dims.size[0];
    int64_t in = m.embedding ? m.b.dims.size[0] : a.dims.size[1], rows = m.embedding ? a.dims.size[1] : m.b.dims.size[0];
    m.turned = !m.embedding && lm->config.family->conv1d && strcmp(m.name, lm->config.head) != 0;
    bool fits = m.w.dims.rank == 2 && m.w.dims.size[m.turned ? 0 : 1] == in && m.w.dims.size[m.turned ? 1 : 0] == rows;
    return fits ? merge_module(lm, &m, base, out) : weft_fail(WEFT_ERROR_FORMAT, "merging %s: its shapes do not fit", m.name);
}

weft_status weft_lm_merge(const weft_lm *lm, weft_params **out)
{
    weft_params *merged = NULL;
    weft_tensor t, there;
    const weft_params *adapter = lm->adapter->params;
    *out = NULL;
    weft_status status = weft_params_new(&merged);
    for (int64_t i = 0; i < weft_params_count(adapter) && status == WEFT_OK; i++) {
        const char *name = weft_params_at(adapter, i, &t);
        if (ends_in(name, ".lora_A.weight") || ends_in(name, ".lora_embedding_A"))
            status = take_module(lm, name, t, merged);
    }
    for (int64_t i = 0; i < weft_params_count(adapter) && status == WEFT_OK; i++) {
        const char *name = weft_params_at(adapter, i, &t);
        if (!of_lora(name) && !weft_params_get(merged, name, &there))
            status = weft_params_set(merged, name, t);
    }
    for (int64_t i = 0; i < weft_params_count(lm->params) && status == WEFT_OK; i++) {
        const char *name = weft_params_at(lm->params, i, &t);
        if (!weft_params_get(merged, name, &there) && !weft_lm_is_second_copy(&lm->config, name)) /* which would be of before */
            status = weft_params_share(merged, name, t);
    }
    if (status == WEFT_OK)
        *out = merged;
    else
        weft_params_free(merged);
    return status;
}
