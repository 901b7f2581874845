/* The teacher's run, and the loss of what it teaches. */
#include "lm/teacher.h"

#include <stdlib.h>

struct weft_lm_teacher {
    weft_graph *graph;
    weft_plan *plan;
    weft_session *session;
    weft_dims dims; /* [batch, length] */
    bool segments;
};

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
    weft_value logits = weft_reshape(g, weft_lm_logits(&b, weft_lm_stream(&b)), DIMS(batch * length, lm->config.vocab));
    logits = weft_name(g, logits, "logits");
    weft_status status = weft_compile(lm->engine, g, NULL, 0, &logits, 1, &r->plan);
    return status == WEFT_OK ? weft_session_new(r->plan, lm->sets, lm->set_count, &r->session) : status;
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
    free(r);
}

weft_status weft_lm_teacher_run(weft_lm_teacher *r, const weft_lm_batch *in, weft_tensor *logits)
{
    weft_status status = weft_bind(r->session, "input_ids", (weft_tensor){in->ids, WEFT_I64, r->dims});
    if (status == WEFT_OK && weft_find(r->graph, "position_ids").id)
        status = weft_bind(r->session, "position_ids", (weft_tensor){in->positions, WEFT_I64, r->dims});
    if (status == WEFT_OK && r->segments)
        status = weft_bind(r->session, "segments", (weft_tensor){in->segments, WEFT_I64, r->dims});
    if (status == WEFT_OK)
        status = weft_run(r->session);
    return status == WEFT_OK ? weft_fetch(r->session, "logits", logits) : status;
}

weft_value weft_lm_distilled_losses(weft_graph *g, weft_value logits, weft_value taught, weft_value labels, double temperature,
                                    double weight)
{
    weft_value soft = weft_scale(g, taught, 1 / temperature), target = weft_softmax(g, soft);
    weft_value cross = weft_row_losses_soft(g, weft_scale(g, logits, 1 / temperature), target);
    weft_value divergence = weft_sub(g, cross, weft_row_losses_soft(g, soft, target)); /* cross-entropy less entropy */
    divergence = weft_scale(g, weft_mul(g, divergence, weft_labelled(g, labels)), weight * temperature * temperature);
    return weft_add(g, weft_scale(g, weft_row_losses(g, logits, labels, 0), 1 - weight), divergence);
}
