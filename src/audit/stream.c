/* Reading prompts a layer at a time: a layer's plan is made, all prompts pass through it, and it is freed with its copies of the
 * weights before the next. Between layers a prompt is its streams, [n, width] each; so models larger than the memory can be read.
 */
#include "audit/chain.h"
#include "graph/graph.h"
#include "graph/params.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The streams of a prompt: x, the two sums, the base's own, and the sums of a longer chain's steps. */
enum { X, PTC_SUM, FTC_SUM, OWN, STEP_SUM, STREAMS = STEP_SUM + WEFT_TUCO_MODELS };

typedef struct prompt {
    int64_t n, rows;
    int64_t *ids, *positions, last, start;
    void *streams[STREAMS]; /* [rows, width] in the compute type; NULL: not in use */
    double *norms, *halves; /* [4, L, n] */
    weft_tuco_reading *reading;
} prompt;

typedef struct streamer {
    weft_tuco *t;
    const weft_tuco_request *request;
    prompt *prompts;
    int64_t count, width, peak;
    size_t element;
} streamer;

static const char *stream_name(int i, char text[32])
{
    static const char *const names[] = {"x", "ptc_sum", "ftc_sum", "own"};
    if (i < STEP_SUM)
        snprintf(text, 32, "%s", names[i]);
    else
        snprintf(text, 32, "step_sum.%d", i - STEP_SUM + 1);
    return text;
}

static weft_status open_prompt(streamer *s, prompt *p, const int64_t *ids, int64_t n)
{
    const int64_t L = weft_tuco_layers(s->t), last = weft_tuco_positions(s->t) - 1;
    weft_status status = tuco_reading_new(s->t, n, s->request, &p->reading);
    p->n = n;
    p->rows = tuco_round_up(n);
    p->last = n - 1;
    p->ids = calloc((size_t)p->rows, sizeof *p->ids);
    p->positions = calloc((size_t)p->rows, sizeof *p->positions);
    p->norms = calloc((size_t)(4 * L * n) + 1, sizeof *p->norms);
    p->halves = calloc((size_t)(4 * L * n) + 1, sizeof *p->halves);
    if (status != WEFT_OK || !p->ids || !p->positions || !p->norms || !p->halves)
        return tuco_short_of_memory();
    memcpy(p->ids, ids, (size_t)n * sizeof *ids);
    for (int64_t i = 0; i < p->rows; i++)
        p->positions[i] = i < last ? i : last;
    int steps = s->t->models > 2 ? s->t->models - 1 : 0;
    for (int i = 0; i < STEP_SUM + steps; i++)
        if ((i != OWN || s->request->outputco) && !(p->streams[i] = calloc((size_t)(p->rows * s->width), s->element)))
            return tuco_short_of_memory();
    return WEFT_OK;
}

static void close_prompt(prompt *p)
{
    for (int i = 0; i < STREAMS; i++)
        free(p->streams[i]);
    free(p->ids);
    free(p->positions);
    free(p->norms);
    free(p->halves);
    weft_tuco_reading_free(p->reading);
}

/* What one graph is for: the ends (layer −1 before the first, L after the last), the base's embeddings, or a layer. */
typedef enum part { EMBED, EMBED_OWN, LAYER, HEAD } part;

static void build(const streamer *s, part what, int64_t l, const tuco_form *form, weft_graph *g)
{
    if (what == LAYER)
        tuco_build_layer(s->t, form, l, s->request->outputco, g);
    else
        tuco_build_ends(s->t, form, what == EMBED_OWN, g);
}

/* Names to fetch of a part. */
static int fetches_of(const streamer *s, part what, weft_graph *g, weft_value *out)
{
    int count = 0;
    if (what != LAYER) {
        out[count++] = weft_find(g, what == HEAD ? "logits" : "x");
        return count;
    }
    static const char *const names[] = {"l1", "halves", "l2", "steps", "heads"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (weft_find(g, names[i]).id)
            out[count++] = weft_find(g, names[i]);
    for (int i = 0; i < STREAMS; i++) {
        char text[32], next[48];
        snprintf(next, sizeof next, "%s.next", stream_name(i, text));
        if (s->prompts[0].streams[i])
            out[count++] = weft_find(g, next);
    }
    return count;
}

static weft_status bind_if(tuco_plan *p, const char *name, weft_tensor tensor)
{
    return weft_find(p->graph, name).id ? weft_bind(p->session, name, tensor) : WEFT_OK;
}

static weft_status feed(const streamer *s, tuco_plan *plan, prompt *p)
{
    const weft_dtype dtype = s->t->options.dtype;
    const weft_dims dims = DIMS(1, p->rows, s->width);
    plan->rows = p->last;
    plan->alpha = s->request->alpha;
    plan->alpha_f32 = (float)s->request->alpha;
    weft_status status = bind_if(plan, "input_ids", (weft_tensor){p->ids, WEFT_I64, DIMS(1, p->rows)});
    if (status == WEFT_OK)
        status = bind_if(plan, "position_ids", (weft_tensor){p->positions, WEFT_I64, DIMS(1, p->rows)});
    if (status == WEFT_OK)
        status = bind_if(plan, "rows", (weft_tensor){&plan->rows, WEFT_I64, DIMS(1)});
    if (status == WEFT_OK)
        status =
            bind_if(plan, "alpha", (weft_tensor){dtype == WEFT_F64 ? (void *)&plan->alpha : &plan->alpha_f32, dtype, DIMS(1)});
    if (status == WEFT_OK)
        status = bind_if(plan, "last", (weft_tensor){p->streams[X], dtype, dims});
    for (int i = 0; i < STREAMS && status == WEFT_OK; i++) {
        char name[32];
        if (p->streams[i] && strcmp(stream_name(i, name), "x") != 0)
            status = bind_if(plan, name, (weft_tensor){p->streams[i], dtype, dims});
    }
    return status;
}

/* One row of L of what a layer says, into [count, L, n]. */
static weft_status take(tuco_plan *plan, const char *name, int64_t count, int64_t L, int64_t l, int64_t n, double *out)
{
    double *one = malloc((size_t)(count * n) * sizeof *one);
    weft_status status = one ? tuco_plan_rows(plan, name, count, n, one) : tuco_short_of_memory();
    for (int64_t i = 0; i < count && status == WEFT_OK; i++)
        memcpy(out + (i * L + l) * n, one + i * n, (size_t)n * sizeof *one);
    free(one);
    return status;
}

static weft_status collect_layer(const streamer *s, tuco_plan *plan, prompt *p, int64_t l)
{
    const int64_t L = weft_tuco_layers(s->t), n = p->n;
    weft_tuco_reading *r = p->reading;
    weft_status status = take(plan, "l1", 4, L, l, n, p->norms);
    if (status == WEFT_OK)
        status = take(plan, "halves", 4, L, l, n, p->halves);
    if (status == WEFT_OK && s->request->heads)
        status = tuco_plan_rows(plan, "heads", 1, r->heads, r->heads_l1 + l * r->heads);
    if (status == WEFT_OK && l + 1 == L) {
        double *sums = malloc((size_t)(2 * n) * sizeof *sums);
        status = sums ? tuco_plan_rows(plan, "l2", 2, n, sums) : tuco_short_of_memory();
        if (status == WEFT_OK) {
            memcpy(r->ptc_l2, sums, (size_t)n * sizeof *sums);
            memcpy(r->ftc_l2, sums + n, (size_t)n * sizeof *sums);
            status = tuco_plan_rows(plan, "steps", r->steps, n, r->steps_l1);
        }
        free(sums);
    }
    for (int i = 0; i < STREAMS && status == WEFT_OK; i++) {
        char text[32], next[48];
        weft_tensor t;
        if (!p->streams[i])
            continue;
        snprintf(next, sizeof next, "%s.next", stream_name(i, text));
        status = weft_fetch(plan->session, next, &t);
        if (status == WEFT_OK)
            memcpy(p->streams[i], t.data, weft_tensor_bytes(t));
    }
    return status;
}

static weft_status collect(const streamer *s, tuco_plan *plan, prompt *p, part what, int64_t l)
{
    weft_tensor t;
    if (what == LAYER)
        return collect_layer(s, plan, p, l);
    if (what == HEAD)
        return tuco_plan_logits(plan, p->reading->vocab, p->reading->logits);
    weft_status status = weft_fetch(plan->session, "x", &t);
    if (status == WEFT_OK)
        memcpy(p->streams[what == EMBED ? X : OWN], t.data, weft_tensor_bytes(t));
    return status;
}

static void plan_close(tuco_plan *p)
{
    weft_session_free(p->session);
    weft_plan_free(p->plan);
    weft_graph_free(p->graph);
    *p = (tuco_plan){0};
}

static weft_status plan_open(streamer *s, part what, int64_t l, const tuco_form *form, tuco_plan *out)
{
    weft_value fetches[STREAMS + 8];
    *out = (tuco_plan){.form = *form};
    if (!(out->graph = weft_graph_new(s->t->options.dtype)))
        return WEFT_ERROR_MEMORY;
    if (s->t->options.bf16)
        weft_graph_bf16(out->graph, true);
    build(s, what, l, form, out->graph);
    int count = fetches_of(s, what, out->graph, fetches);
    weft_status status = weft_compile(s->t->engine, out->graph, NULL, 0, fetches, count, &out->plan);
    if (status == WEFT_OK)
        status = weft_session_new(out->plan, &s->t->all, 1, &out->session);
    if (status == WEFT_OK) {
        weft_plan_memory size = weft_plan_size(out->plan);
        if (size.arena + size.packed > s->peak)
            s->peak = size.arena + size.packed;
    }
    return status;
}

/* All prompts through one part, those of one length after one another; then the pages that it read are given back. */
static weft_status pass(streamer *s, part what, int64_t l)
{
    tuco_plan plan = {0};
    weft_status status = WEFT_OK;
    for (int64_t i = 0; i < s->count && status == WEFT_OK; i++) {
        prompt *p = &s->prompts[i];
        tuco_form form = {.tokens = p->rows,
                          .length = tuco_rope_length(s->t, p->n),
                          .steered = s->request->alpha != 1,
                          .heads = s->request->heads};
        if (weft_interrupted())
            status = weft_fail(WEFT_ERROR_INTERRUPTED, "interrupted in layer %lld", (long long)l);
        if (status == WEFT_OK && (!plan.session || plan.form.tokens != form.tokens || plan.form.length != form.length)) {
            plan_close(&plan);
            status = plan_open(s, what, l, &form, &plan);
        }
        if (status == WEFT_OK)
            status = feed(s, &plan, p);
        if (status == WEFT_OK && what == LAYER)
            status = weft_bind(plan.session, "x", (weft_tensor){p->streams[X], s->t->options.dtype, DIMS(1, p->rows, s->width)});
        if (status == WEFT_OK)
            status = weft_run(plan.session);
        if (status == WEFT_OK)
            status = collect(s, &plan, p, what, l);
    }
    plan_close(&plan);
    tuco_release(s->t);
    return status;
}

/* The last own stream against the last x. */
static void own_shares(const streamer *s, prompt *p)
{
    const weft_dtype dtype = s->t->options.dtype;
    const weft_dims dims = DIMS(p->rows, s->width);
    if (s->request->outputco)
        tuco_output_shares(p->reading, (weft_tensor){p->streams[X], dtype, dims}, (weft_tensor){p->streams[OWN], dtype, dims});
}

weft_status tuco_read_streaming(weft_tuco *t, const int64_t *const *ids, const int64_t *n, int64_t count,
                                const weft_tuco_request *request, weft_tuco_reading **out)
{
    streamer s = {.t = t,
                  .request = request,
                  .count = count,
                  .width = tuco_tuned(t)->config.width,
                  .element = weft_dtype_size(t->options.dtype)};
    if (request->tensors)
        return weft_fail(WEFT_ERROR_ARGUMENT, "tuco: tensors of all layers are not kept when layers are streamed");
    if (!(s.prompts = calloc((size_t)count + 1, sizeof *s.prompts)))
        return tuco_short_of_memory();
    weft_status status = WEFT_OK;
    for (int64_t i = 0; i < count && status == WEFT_OK; i++) {
        status = tuco_check_ids(t, ids[i], n[i]);
        if (status == WEFT_OK && request->outputco)
            status = tuco_check_base_ids(t, ids[i], n[i]);
        if (status == WEFT_OK)
            status = open_prompt(&s, &s.prompts[i], ids[i], n[i]);
    }
    if (status == WEFT_OK)
        status = pass(&s, EMBED, -1);
    if (status == WEFT_OK && request->outputco)
        status = pass(&s, EMBED_OWN, -1);
    for (int64_t l = 0; l < weft_tuco_layers(t) && status == WEFT_OK; l++)
        status = pass(&s, LAYER, l);
    if (status == WEFT_OK)
        status = pass(&s, HEAD, -1);
    for (int64_t i = 0; i < count; i++) {
        prompt *p = &s.prompts[i];
        if (status == WEFT_OK) {
            tuco_reading_finish(p->reading, p->norms, p->halves);
            own_shares(&s, p);
            p->reading->peak_bytes = s.peak;
            out[i] = p->reading;
            p->reading = NULL;
        }
        close_prompt(p);
    }
    free(s.prompts);
    return status;
}
