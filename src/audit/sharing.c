/* Which tensors are equal, bit for bit, in several models of a chain. Equal tensors are one parameter of the graph, under the
 * name that they have in the last model that holds them; equal ops on equal operands are one value there, so equal sublayers,
 * whole equal layers, and the products with a base's weights below a LoRA adapter are computed once. Caches whose keys (or
 * values) must be equal are one state in the same way. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/chain.h"
#include "graph/params.h"

enum { NAME_BYTES = 512 };

static weft_status add_alias(weft_tuco *t, const char *name, const char *same)
{
    if (t->alias_count == t->alias_capacity) {
        int64_t capacity = t->alias_capacity ? 2 * t->alias_capacity : 64;
        tuco_alias *larger = realloc(t->aliases, (size_t)capacity * sizeof *larger);
        if (!larger)
            return tuco_short_of_memory();
        t->aliases = larger;
        t->alias_capacity = capacity;
    }
    tuco_alias row = {strdup(name), strdup(same)};
    if (!row.name || !row.same) {
        free(row.name);
        free(row.same);
        return tuco_short_of_memory();
    }
    t->aliases[t->alias_count++] = row;
    return WEFT_OK;
}

static void scoped(const tuco_model *m, const char *name, char out[NAME_BYTES])
{
    if (snprintf(out, NAME_BYTES, "%s%s%s", m->scope, m->scope[0] ? "." : "", name) >= NAME_BYTES)
        out[0] = 0; /* longer than any name that is let in */
}

/* Tensor NAME of a model, an adapter's own or what it puts in place of the base's, and the set that has it; NULL: there is none.
 */
static const weft_params *tensor_of(const tuco_model *m, const char *name, weft_tensor *out)
{
    if (m->adapter && weft_params_get(m->adapter->params, name, out))
        return m->adapter->params;
    return weft_params_get(m->params, name, out) ? m->params : NULL;
}

/* The name that model `to` gives to what `from` calls `name`: files differ in the prefix of the base model. */
static bool translate(const tuco_model *from, const tuco_model *to, const char *name, char out[NAME_BYTES])
{
    const char *prefixes[2][2] = {{from->config.base, to->config.base}, {from->config.outside, to->config.outside}};
    weft_tensor t;
    if (tensor_of(to, name, &t)) {
        snprintf(out, NAME_BYTES, "%s", name);
        return true;
    }
    for (int i = 0; i < 2; i++) {
        const char *a = prefixes[i][0], *b = prefixes[i][1];
        size_t n = strlen(a);
        if (n && (strncmp(name, a, n) != 0 || name[n] != '.'))
            continue;
        snprintf(out, NAME_BYTES, "%s%s%s", b, b[0] ? "." : "", name + (n ? n + 1 : 0));
        if (tensor_of(to, out, &t))
            return true;
    }
    return false;
}

static bool equal(weft_tensor a, weft_tensor b)
{
    return a.dtype == b.dtype && weft_dims_equal(a.dims, b.dims) &&
           (a.data == b.data || memcmp(a.data, b.data, weft_tensor_bytes(a)) == 0);
}

/* The last model behind k in which the tensor is equal, and its name there. */
static int last_equal(const weft_tuco *t, int k, const char *name, weft_tensor tensor, char same[NAME_BYTES])
{
    for (int j = t->models - 1; j > k; j--) {
        char theirs[NAME_BYTES];
        weft_tensor other;
        if (translate(&t->model[k], &t->model[j], name, theirs) && tensor_of(&t->model[j], theirs, &other) &&
            equal(tensor, other)) {
            scoped(&t->model[j], theirs, same);
            return j;
        }
    }
    return k;
}

static weft_status share_tensor(weft_tuco *t, int k, const char *name)
{
    const tuco_model *m = &t->model[k];
    char full[NAME_BYTES], same[NAME_BYTES];
    weft_tensor tensor;
    const weft_params *set = tensor_of(m, name, &tensor);
    if (!set || strlen(name) > NAME_BYTES / 2)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: tensor \"%.120s\" cannot be read", m->folder, name);
    scoped(m, name, full);
    int last = last_equal(t, k, name, tensor, same);
    if ((t->looked_at += weft_tensor_bytes(tensor)) > TUCO_RELEASE_BYTES) {
        tuco_release(t);
        t->looked_at = 0;
    }
    if (k == 0) {
        t->base_tensors++;
        t->equal_tensors += last == t->models - 1;
    }
    return last > k ? add_alias(t, full, same) : weft_params_lend(t->all, full, set, name);
}

static weft_status share_tensors(weft_tuco *t, int k)
{
    const tuco_model *m = &t->model[k];
    weft_status status = WEFT_OK;
    for (int64_t i = 0; i < weft_params_count(m->params) && status == WEFT_OK; i++)
        status = share_tensor(t, k, weft_params_at(m->params, i, NULL));
    for (int64_t i = 0; m->adapter && i < weft_params_count(m->adapter->params) && status == WEFT_OK; i++) {
        const char *name = weft_params_at(m->adapter->params, i, NULL);
        if (strstr(name, ".lora_"))
            status = share_tensor(t, k, name);
    }
    return status;
}

/* ---- caches ---- */

/* A builder that stands in layer l, for asking an adapter what it covers. */
static weft_lm_builder in_layer(const tuco_model *m, int64_t l)
{
    return (weft_lm_builder){.c = &m->config, .inside = true, .layer = l};
}

/* Module NAME of layer l (NULL: there is none) is the same function in both. */
static bool same_module(const tuco_model *a, const tuco_model *b, int64_t l, const char *name)
{
    static const char *const parts[] = {"weight", "bias", "gamma", "beta"};
    if (!name)
        return true;
    for (int side = 0; side < 2; side++) {
        const tuco_model *m = side ? b : a;
        weft_lm_builder at = in_layer(m, l);
        if (m->adapter && weft_lm_adapter_covers(m->adapter, &at, name))
            return false;
    }
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        char mine[NAME_BYTES], theirs[NAME_BYTES];
        weft_tensor x, y;
        const weft_lm_config *c = &a->config;
        snprintf(mine, sizeof mine, "%s%s%s.%lld.%s.%s", c->base, c->base[0] ? "." : "", c->family->names->layer, (long long)l,
                 name, parts[i]);
        if (tensor_of(a, mine, &x) && !(translate(a, b, mine, theirs) && tensor_of(b, theirs, &y) && equal(x, y)))
            return false;
    }
    return true;
}

bool tuco_same_mlp(const weft_tuco *t, int a, int b, int64_t l)
{
    const tuco_model *x = &t->model[a], *y = &t->model[b];
    const weft_lm_names *names = x->config.family->names;
    const char *const modules[] = {names->mlp_norm, names->up, names->gate, names->down, names->after_mlp_norm};
    bool same = x->config.activation == y->config.activation && x->config.eps == y->config.eps;
    for (size_t i = 0; same && i < sizeof modules / sizeof modules[0]; i++)
        same = same_module(x, y, l, modules[i]);
    return same;
}

/* Both turn keys of layer l alike: the frequencies are the same numbers for a short and a long text. */
static bool same_rope(const weft_lm_config *a, const weft_lm_config *b, int64_t l)
{
    if (a->rotary != b->rotary || a->eps != b->eps)
        return false;
    enum { MOST = 1024 };
    double first[MOST], second[MOST], factors[2];
    if (a->rotary == 0)
        return true;
    if (a->rotary > 2 * MOST)
        return false;
    const weft_lm_rope *ra = &a->rope[a->ropes[l]], *rb = &b->rope[b->ropes[l]];
    for (int64_t length = 16; length < 1 << 24; length *= 32) {
        weft_lm_rope_frequencies(ra, a->rotary, length, first, &factors[0]);
        weft_lm_rope_frequencies(rb, b->rotary, length, second, &factors[1]);
        if (factors[0] != factors[1] || memcmp(first, second, (size_t)(a->rotary / 2) * sizeof *first) != 0)
            return false;
    }
    return true;
}

static void state_name(const tuco_model *m, int64_t l, const char *state, char out[NAME_BYTES])
{
    const weft_lm_config *c = &m->config;
    snprintf(out, NAME_BYTES, "%s%s%s%s%s.%lld.%s", m->scope, m->scope[0] ? "." : "", c->base, c->base[0] ? "." : "",
             c->family->names->layer, (long long)l, state);
}

static weft_status share_caches(weft_tuco *t, int k)
{
    const tuco_model *a = &t->model[k];
    const weft_lm_names *names = a->config.family->names;
    weft_status status = WEFT_OK;
    for (int64_t l = 0; l < a->config.layers; l++)
        for (int j = t->models - 1; j > k; j--) {
            const tuco_model *b = &t->model[j];
            if (!same_module(a, b, l, names->attention_norm))
                continue;
            char mine[NAME_BYTES], theirs[NAME_BYTES];
            bool joint = same_module(a, b, l, names->qkv);
            bool key = joint && same_module(a, b, l, names->k) && same_module(a, b, l, names->k_norm) &&
                       same_rope(&a->config, &b->config, l);
            bool value = joint && same_module(a, b, l, names->v);
            if (status == WEFT_OK && key) {
                state_name(a, l, "key", mine);
                state_name(b, l, "key", theirs);
                status = add_alias(t, mine, theirs);
            }
            if (status == WEFT_OK && value) {
                state_name(a, l, "value", mine);
                state_name(b, l, "value", theirs);
                status = add_alias(t, mine, theirs);
            }
            if (status != WEFT_OK || (key && value))
                break;
        }
    return status;
}

/* The type that most of a model's bytes are stored in. */
static weft_dtype storage(const weft_params *params)
{
    size_t bytes[WEFT_DTYPE_COUNT] = {0};
    weft_dtype most = WEFT_F32;
    for (int64_t i = 0; i < weft_params_count(params); i++) {
        weft_tensor t;
        weft_params_at(params, i, &t);
        bytes[t.dtype] += weft_tensor_bytes(t);
        if (bytes[t.dtype] > bytes[most])
            most = t.dtype;
    }
    return most;
}

weft_status tuco_share(weft_tuco *t)
{
    weft_status status = weft_params_new(&t->all);
    for (int k = t->models - 1; k >= 0 && status == WEFT_OK; k--) {
        status = share_tensors(t, k);
        if (status == WEFT_OK && k + 1 < t->models)
            status = share_caches(t, k);
        t->mixed_storage |= storage(t->model[k].params) != storage(t->model[0].params);
    }
    tuco_release(t);
    return status;
}
