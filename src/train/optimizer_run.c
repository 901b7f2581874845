/* A step inside the run that makes its gradients: each is consumed as soon as it is finished, so that no more than a few are in
 * memory at once. The bits are those of a step after the run. */
#include "graph/session.h"
#include "train/optimizer.h"

#include <math.h>
#include <stdlib.h>

typedef struct consuming {
    weft_optimizer_pass pass;
    bool sums;          /* gradients are added to the sums, with pass.factor; else the step is made */
    int32_t *row_of;    /* [items] −1: none of this optimiser's parameters, or a frozen one */
    const void *marker; /* row->gradient of the rows that get one */
} consuming;

static int64_t pieces_of(void *user, int item)
{
    const consuming *c = user;
    const int32_t r = c->row_of[item];
    return r < 0 ? 0 : (c->pass.o->rows[r].count + WEFT_OPTIMIZER_PIECE - 1) / WEFT_OPTIMIZER_PIECE;
}

static void take(void *user, int item, const void *gradient, int64_t piece, int thread)
{
    const consuming *c = user;
    weft_optimizer *o = c->pass.o;
    const int64_t number = o->rows[c->row_of[item]].first_piece + piece;
    const weft_optimizer_piece *p = &o->pieces[number];
    if (c->sums) {
        weft_optimizer_sum(o, p, gradient, c->pass.factor);
        return;
    }
    o->partial[number] = weft_optimizer_measure(o, p, gradient, thread);
    if (isfinite(o->partial[number])) /* what is spoilt is told after the run */
        weft_optimizer_update(&c->pass, p, gradient, thread);
}

/* Averages of the rows without a gradient. */
static void average_piece(void *argument, int64_t piece, int thread)
{
    const weft_optimizer_pass *s = argument;
    const weft_optimizer_piece *p = &s->o->pieces[piece];
    if (!s->o->rows[p->row].gradient)
        weft_optimizer_update(s, p, NULL, thread);
}

/* Which row each item belongs to; rows that get a gradient have a marker in place of it. */
static weft_status find_rows(consuming *c, const weft_plan *plan, const weft_graph *g)
{
    weft_optimizer *o = c->pass.o;
    weft_consumed item;
    const int count = weft_plan_consumed(plan, -1, &item);
    if (!(c->row_of = malloc(((size_t)count + 1) * sizeof *c->row_of)))
        return weft_fail(WEFT_ERROR_MEMORY, "cannot allocate the rows of a step");
    for (int i = 0; i < count; i++) {
        weft_plan_consumed(plan, i, &item);
        const char *name = item.after.id ? weft_node_of(g, item.after)->name : NULL;
        weft_optimizer_row *row = name ? weft_optimizer_find(o, name) : NULL;
        if (row && (row->dtype != weft_node_of(g, item.value)->dtype || !weft_dims_equal(row->dims, weft_shape(g, item.value))))
            return weft_fail(WEFT_ERROR_ARGUMENT, "the gradient of \"%s\" does not have the parameter's shape and type", name);
        c->row_of[i] = row && row->count && row->rate != 0 ? (int32_t)(row - o->rows) : -1;
        if (c->row_of[i] >= 0)
            row->gradient = c->marker;
    }
    return WEFT_OK;
}

static weft_status consume(consuming *c, weft_session *session, double rate)
{
    weft_optimizer *o = c->pass.o;
    bool any = false, summed = false;
    for (int32_t r = 0; r < o->count; r++)
        summed |= o->rows[r].summed;
    weft_status status = WEFT_OK;
    if (c->sums) {
        for (int32_t r = 0; r < o->count && status == WEFT_OK; r++)
            if (o->rows[r].gradient)
                status = weft_optimizer_make_sum(&o->rows[r]);
    } else if (summed || o->options.clip_norm > 0) {
        status = weft_fail(WEFT_ERROR_ARGUMENT, "a step inside the run knows neither the joint norm to clip by nor gradients "
                                                "accumulated before");
    } else {
        status = weft_optimizer_check_rate(rate);
        if (status == WEFT_OK)
            status = weft_optimizer_prepare(o, &any);
        c->pass = weft_optimizer_begin(o, rate);
    }
    for (int64_t i = 0; i < o->piece_count; i++)
        o->partial[i] = 0;
    if (status == WEFT_OK) {
        weft_session_consumer(session, &(weft_consumer){c, pieces_of, take});
        status = weft_run(session);
        weft_session_consumer(session, NULL);
    }
    if (status != WEFT_OK)
        return status;
    if (c->sums) {
        for (int32_t r = 0; r < o->count; r++)
            o->rows[r].summed |= o->rows[r].gradient != NULL;
        return WEFT_OK;
    }
    if ((status = weft_optimizer_sum_norm(o)) != WEFT_OK)
        return status;
    if (o->options.ema_decay > 0)
        weft_team_pieces(o->engine->team, o->piece_count, average_piece, &c->pass);
    weft_optimizer_finish(o);
    return WEFT_OK;
}

static weft_status run(weft_optimizer *o, weft_session *session, double rate, bool sums, double weight)
{
    static const char marker;
    consuming c = {.pass = {.o = o, .factor = weight}, .sums = sums, .marker = &marker};
    weft_status status = weft_optimizer_open_step(o);
    if (status == WEFT_OK)
        status = find_rows(&c, session->plan, session->plan->graph);
    if (status == WEFT_OK)
        status = consume(&c, session, rate);
    free(c.row_of);
    return status;
}

weft_status weft_optimizer_run(weft_optimizer *o, weft_session *session, double rate)
{
    return run(o, session, rate, false, 1);
}

weft_status weft_optimizer_run_accumulating(weft_optimizer *o, weft_session *session, double weight)
{
    return isfinite(weight) ? run(o, session, 0, true, weight)
                            : weft_fail(WEFT_ERROR_ARGUMENT, "gradients weighted by %g: expected a number", weight);
}
