/* The teacher's run, and the loss of what it teaches. */
#include "lm/teacher.h"

#include <stdlib.h>

#include "graph/graph.h"
#include "graph/params.h"

struct weft_lm_teacher {
    weft_graph *graph;
    weft_plan *plan;
    weft_session *session;
    weft_dims dims; /* [batch, length] */
    bool segments;
    const weft_lm_config *config;
    weft_params *head; /* its matrix alone, as HEAD */
};

#define HEAD "teacher.head.weight"

static weft_status check(const weft_lm *teacher, const weft_lm *pupil, int64_t length)
{
    const weft_lm_config *t = &teacher->config, *p = &pupil->config;
    if (t->family->encoder)
        return weft_fail(WEFT_ERROR_UNSUPPORTED, "the teacher is a %s model, an encoder; a decoder is taught by a decoder",
                         t->family->model_type);
    if (t->vocab != p->vocab)
        return weft_fail(WEFT_ERROR_ARGUMENT,
                         "the teacher's vocabulary has %lld tokens, the model's %lld: both must speak the same tokens",
                         (long long)t->vocab, (long long)p->vocab);
    if (t->positions < length)
        return weft_fail(WEFT_ERROR_ARGUMENT,
                         "rows have %lld tokens, the teacher's context %lld: give --length %lld or a teacher with a longer one",
                         (long long)length, (long long)t->positions, (long long)t->positions);
    return WEFT_OK;
}

static weft_status build(weft_lm_teacher *r, weft_lm *lm, bool bf16)
{
    weft_graph *g = r->graph = weft_lm_graph(lm);
    weft_lm_builder b;
    if (!g)
        return WEFT_ERROR_MEMORY;
    if (bf16)
        weft_graph_bf16(g, true);
    int64_t batch = r->dims.size[0], length = r->dims.size[1];
    weft_lm_begin(&b, g, &lm->config,
                  &(weft_lm_form){.batch = batch, .tokens = length, .segments = r->segments, .adapter = lm->adapter});
    weft_value hidden = weft_lm_final(&b, weft_lm_stream(&b)), table = weft_lm_head_table(&b);
    hidden = weft_name(g, weft_reshape(g, hidden, DIMS(batch * length, lm->config.width)), "hidden");
    weft_status status = weft_lm_head_is_adapted(&b)
                             ? weft_fail(WEFT_ERROR_UNSUPPORTED, "the teacher's adapter touches its head; merge it first")
                             : weft_compile(lm->engine, g, NULL, 0, &hidden, 1, &r->plan);
    if (status == WEFT_OK)
        status = weft_session_new(r->plan, lm->sets, lm->set_count, &r->session);
    if (status == WEFT_OK)
        status = weft_params_new(&r->head);
    return status == WEFT_OK ? weft_params_lend(r->head, HEAD, lm->params, weft_node_of(g, table)->name) : status;
}

weft_status weft_lm_teacher_new(weft_lm *teacher, const weft_lm *pupil, int64_t batch, int64_t length, bool segments, bool bf16,
                                weft_lm_teacher **out)
{
    *out = NULL;
    weft_status status = check(teacher, pupil, length);
    if (status != WEFT_OK)
        return status;
    weft_lm_teacher *r = calloc(1, sizeof *r);
    if (!r)
        return weft_fail(WEFT_ERROR_MEMORY, "training: memory is short");
    r->dims = DIMS(batch, length);
    r->segments = segments;
    r->config = &teacher->config;
    status = build(r, teacher, bf16);
    if (status == WEFT_OK)
        *out = r;
    else
        weft_lm_teacher_free(r);
    return status;
}

void weft_lm_teacher_free(weft_lm_teacher *r)
{
    if (!r)
        return;
    weft_session_free(r->session);
    weft_plan_free(r->plan);
    weft_graph_free(r->graph);
    weft_params_free(r->head);
    free(r);
}

weft_status weft_lm_teacher_run(weft_lm_teacher *r, const weft_lm_batch *in, weft_tensor *hidden)
{
    weft_status status = weft_bind(r->session, "input_ids", (weft_tensor){in->ids, WEFT_I64, r->dims});
    if (status == WEFT_OK && weft_find(r->graph, "position_ids").id)
        status = weft_bind(r->session, "position_ids", (weft_tensor){in->positions, WEFT_I64, r->dims});
    if (status == WEFT_OK && r->segments)
        status = weft_bind(r->session, "segments", (weft_tensor){in->segments, WEFT_I64, r->dims});
    if (status == WEFT_OK)
        status = weft_run(r->session);
    return status == WEFT_OK ? weft_fetch(r->session, "hidden", hidden) : status;
}

weft_value weft_lm_teacher_losses(const weft_lm_teacher *r, weft_lm_builder *b, weft_value h, weft_value labels,
                                  double temperature, double weight)
{
    weft_graph *g = b->g;
    const weft_lm_config *c = r->config;
    const int64_t rows = r->dims.size[0] * r->dims.size[1];
    const double numbers[] = {[WEFT_DISTILL_TEMPERATURE] = temperature,
                              [WEFT_DISTILL_WEIGHT] = weight,
                              [WEFT_DISTILL_CAP] = b->c->logit_cap,
                              [WEFT_DISTILL_TAUGHT_CAP] = c->logit_cap};
    const weft_value taught = weft_input(g, "taught", WEFT_F32, DIMS(rows, c->width));
    const weft_value head = weft_param(g, HEAD, WEFT_NORMAL(c->init_range), DIMS(c->vocab, c->width));
    if (!weft_lm_head_is_adapted(b))
        return weft_distill_rows(g, h, weft_lm_head_table(b), labels, taught, head, numbers);
    const weft_value answers = weft_product(g, taught, head, (weft_value){0});
    return weft_distill_logits(g, weft_lm_head(b, h), c->logit_cap ? weft_softcap(g, answers, c->logit_cap) : answers, labels,
                               temperature, weight);
}

weft_params *weft_lm_teacher_head(const weft_lm_teacher *r)
{
    return r->head;
}
