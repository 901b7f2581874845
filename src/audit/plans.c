/* Plans of a chain: made once for each form, fed, run, read. */
#include "audit/chain.h"
#include "graph/graph.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { KEPT_PLANS = 4, MOST_FETCHES = 16 };

int64_t tuco_round_up(int64_t n)
{
    int64_t step = 8;
    while (step * 8 < n)
        step *= 2;
    return (n + step - 1) / step * step;
}

int64_t tuco_rope_length(const weft_tuco *t, int64_t n)
{
    for (int k = 0; k < t->models; k++)
        for (int i = 0; i < 2; i++) {
            weft_lm_rope_type type = t->model[k].config.rope[i].type;
            if (type == WEFT_ROPE_DYNAMIC || type == WEFT_ROPE_LONGROPE)
                return n;
        }
    return 0;
}

weft_status tuco_check_ids(const weft_tuco *t, const int64_t *ids, int64_t n)
{
    int64_t most = weft_tuco_positions(t), vocab = weft_tuco_vocab(t);
    if (n < 1)
        return weft_fail(WEFT_ERROR_ARGUMENT, "the prompt has no tokens");
    if (n > most)
        return weft_fail(WEFT_ERROR_ARGUMENT, "prompt has %lld tokens, the model takes %lld", (long long)n, (long long)most);
    for (int64_t i = 0; i < n; i++)
        if (ids[i] < 0 || ids[i] >= vocab)
            return weft_fail(WEFT_ERROR_ARGUMENT, "token %lld of the prompt is id %lld, the model knows 0 to %lld", (long long)i,
                             (long long)ids[i], (long long)vocab - 1);
    return WEFT_OK;
}

weft_status tuco_check_base_ids(const weft_tuco *t, const int64_t *ids, int64_t n)
{
    const int64_t vocab = t->model[0].config.vocab;
    for (int64_t i = 0; i < n; i++)
        if (ids[i] >= vocab)
            return weft_fail(WEFT_ERROR_ARGUMENT, "OutputCo: token %lld is id %lld, the base's own embedding has %lld rows",
                             (long long)i, (long long)ids[i], (long long)vocab);
    return WEFT_OK;
}

static void plan_free(tuco_plan *p)
{
    if (!p)
        return;
    weft_session_free(p->session);
    weft_plan_free(p->plan);
    weft_graph_free(p->graph);
    free(p->ids);
    free(p->positions);
    free(p);
}

void tuco_plans_free(tuco_plan *p)
{
    while (p) {
        tuco_plan *next = p->next;
        plan_free(p);
        p = next;
    }
}

int64_t tuco_plans_bytes(const tuco_plan *p)
{
    int64_t bytes = 0;
    for (; p; p = p->next) {
        weft_plan_memory size = weft_plan_size(p->plan);
        bytes += size.arena + size.packed;
    }
    return bytes;
}

static weft_status compile(weft_tuco *t, tuco_plan *p)
{
    static const char *const names[] = {"l1",  "halves", "l2",       "steps",   "logits",   "heads",  "x",
                                        "ptc", "ftc",    "ptc_attn", "ptc_mlp", "ftc_attn", "ftc_mlp"};
    weft_value fetches[MOST_FETCHES];
    int count = 0;
    if (!(p->graph = weft_graph_new(t->options.dtype)))
        return WEFT_ERROR_MEMORY;
    if (t->options.bf16)
        weft_graph_bf16(p->graph, true);
    tuco_build(t, &p->form, p->graph);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        weft_value v = weft_find(p->graph, names[i]);
        if (v.id)
            fetches[count++] = v;
    }
    weft_value stream = weft_find(p->graph, "stream");
    if (stream.id)
        fetches[count++] = stream;
    weft_status status = weft_compile(t->engine, p->graph, NULL, 0, fetches, count, &p->plan);
    return status == WEFT_OK ? weft_session_new(p->plan, &t->all, 1, &p->session) : status;
}

static weft_status bind(tuco_plan *p, const weft_tuco *t)
{
    const int64_t n = p->form.tokens;
    p->ids = calloc((size_t)n, sizeof *p->ids);
    p->positions = calloc((size_t)n, sizeof *p->positions);
    if (!p->ids || !p->positions)
        return tuco_short_of_memory();
    bool wide = t->options.dtype == WEFT_F64;
    const struct {
        const char *name;
        weft_tensor tensor;
    } inputs[] = {
        {"input_ids", {p->ids, WEFT_I64, DIMS(1, n)}},
        {"position_ids", {p->positions, WEFT_I64, DIMS(1, n)}},
        {"rows", {&p->rows, WEFT_I64, DIMS(1)}},
        {"start", {&p->start, WEFT_I64, DIMS(1)}},
        {"alpha", {wide ? (void *)&p->alpha : &p->alpha_f32, t->options.dtype, DIMS(1)}},
    };
    for (size_t i = 0; i < sizeof inputs / sizeof inputs[0]; i++) {
        if (!weft_find(p->graph, inputs[i].name).id)
            continue;
        weft_status status = weft_bind(p->session, inputs[i].name, inputs[i].tensor);
        if (status != WEFT_OK)
            return status;
    }
    return WEFT_OK;
}

/* Keeps the plans used last; a plan holds copies of the weights. */
static void drop_old(weft_tuco *t)
{
    tuco_plan *p = t->plans;
    for (int i = 1; p && i < KEPT_PLANS; i++)
        p = p->next;
    if (p) {
        tuco_plans_free(p->next);
        p->next = NULL;
    }
}

weft_status tuco_plan_get(weft_tuco *t, const tuco_form *form, tuco_plan **out)
{
    for (tuco_plan **at = &t->plans; *at; at = &(*at)->next) {
        tuco_plan *p = *at;
        const tuco_form *f = &p->form;
        if (f->tokens == form->tokens && f->capacity == form->capacity && f->length == form->length &&
            f->steered == form->steered && f->tensors == form->tensors && f->heads == form->heads &&
            f->own_base == form->own_base) {
            *at = p->next;
            p->next = t->plans;
            *out = t->plans = p;
            return WEFT_OK;
        }
    }
    tuco_plan *p = calloc(1, sizeof *p);
    if (!p)
        return tuco_short_of_memory();
    p->form = *form;
    weft_status status = compile(t, p);
    if (status != WEFT_OK) {
        plan_free(p);
        return status;
    }
    p->next = t->plans;
    *out = t->plans = p;
    drop_old(t);
    return WEFT_OK;
}

weft_status tuco_plan_feed(tuco_plan *p, const weft_tuco *t, const int64_t *ids, int64_t n, int64_t at, double alpha)
{
    int64_t last = weft_tuco_positions(t) - 1;
    weft_status status = p->ids ? WEFT_OK : bind(p, t);
    if (status != WEFT_OK)
        return status;
    for (int64_t i = 0; i < p->form.tokens; i++) {
        p->ids[i] = i < n ? ids[i] : 0; /* rows behind the prompt are computed and not looked at */
        p->positions[i] = at + i < last ? at + i : last;
    }
    p->rows = n - 1;
    p->start = at;
    p->alpha = alpha;
    p->alpha_f32 = (float)alpha;
    /* indices are checked as they are bound */
    status = weft_bind(p->session, "input_ids", (weft_tensor){p->ids, WEFT_I64, DIMS(1, p->form.tokens)});
    return status;
}

static double number(weft_tensor t, int64_t i)
{
    return t.dtype == WEFT_F64 ? ((const double *)t.data)[i] : (double)((const float *)t.data)[i];
}

weft_status tuco_plan_rows(tuco_plan *p, const char *name, int64_t count, int64_t n, double *out)
{
    weft_tensor t;
    weft_status status = weft_fetch(p->session, name, &t);
    if (status != WEFT_OK)
        return status;
    int64_t rows = weft_dims_count(t.dims) / (count ? count : 1);
    for (int64_t i = 0; i < count; i++)
        for (int64_t r = 0; r < n; r++) {
            double x = number(t, i * rows + r);
            if (!isfinite(x))
                return weft_fail(WEFT_ERROR_NUMERIC, "tuco: %s of token %lld is not a finite number", name, (long long)r);
            out[i * n + r] = x;
        }
    return WEFT_OK;
}

weft_status tuco_plan_logits(tuco_plan *p, int64_t vocab, float *out)
{
    weft_tensor t;
    weft_status status = weft_fetch(p->session, "logits", &t);
    if (status != WEFT_OK)
        return status;
    int64_t row = weft_dims_count(t.dims) == vocab ? 0 : p->rows;
    for (int64_t i = 0; i < vocab; i++) {
        out[i] = (float)number(t, row * vocab + i);
        if (!isfinite(out[i]))
            return weft_fail(WEFT_ERROR_NUMERIC, "tuco: the logits are not finite numbers");
    }
    return WEFT_OK;
}
