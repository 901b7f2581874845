/* Steps that hand values over: made behind all others, then moved as far forward as what they wait for allows. */
#include "graph/consume.h"
#include "graph/planning.h"
#include "graph/session.h"

#include <stdlib.h>

static int64_t consume_pieces(const weft_step *s, const weft_run_state *run)
{
    return run->consumer->pieces(run->consumer->user, (int)s->attributes.i[0]);
}

static void consume_run(const weft_step *s, const weft_run_state *run, int64_t piece, int thread)
{
    run->consumer->take(run->consumer->user, (int)s->attributes.i[0], weft_at(run, &s->in[0]), piece, thread);
}

static bool touches(const weft_step *s, int32_t buffer)
{
    bool found = false;
    for (int k = 0; k < s->in_count && !found; k++)
        found = s->in[k].buffer == buffer;
    for (int k = 0; k < s->out_count && !found; k++)
        found = s->out[k].buffer == buffer;
    return found;
}

/* The last of the first `count` steps that touches what the consuming step reads; −1: none. */
static int32_t last_before(const weft_plan *plan, int32_t count, const weft_step *consuming)
{
    for (int32_t i = count - 1; i >= 0; i--)
        for (int k = 0; k < consuming->in_count; k++)
            if (touches(plan->steps[i], consuming->in[k].buffer))
                return i;
    return -1;
}

static bool move_forward(weft_plan *plan, int32_t others)
{
    const int32_t count = plan->step_count - others;
    weft_step **order = malloc((size_t)plan->step_count * sizeof *order);
    int32_t *last = malloc((size_t)(count + 1) * sizeof *last);
    int32_t at = 0;
    for (int32_t k = 0; order && last && k < count; k++)
        last[k] = last_before(plan, others, plan->steps[others + k]);
    for (int32_t i = -1; order && last && i < others; i++) {
        if (i >= 0)
            order[at++] = plan->steps[i];
        for (int32_t k = 0; k < count; k++)
            if (last[k] == i)
                order[at++] = plan->steps[others + k];
    }
    for (int32_t i = 0; i < at; i++)
        plan->steps[i] = order[i];
    free(order);
    free(last);
    return at == plan->step_count;
}

void weft_emit_consumers(weft_planner *p)
{
    weft_plan *plan = p->plan;
    const int32_t others = plan->step_count;
    for (int i = 0; i < plan->consumed_count && !p->failed; i++) {
        const weft_consumed *c = &plan->consumed[i];
        weft_step *s = weft_step_empty(p, c->value, consume_pieces, consume_run);
        if (!s)
            return;
        s->attributes.i[0] = i;
        s->in[s->in_count++] = weft_place_of(p, c->value);
        if (c->after.id)
            s->in[s->in_count++] = weft_place_of(p, c->after);
    }
    if (!p->failed && plan->consumed_count && !move_forward(plan, others))
        p->failed = true;
}

int weft_plan_consumed(const weft_plan *plan, int item, weft_consumed *out)
{
    if (item >= 0 && item < plan->consumed_count)
        *out = plan->consumed[item];
    return plan->consumed_count;
}

void weft_session_consumer(weft_session *s, const weft_consumer *consumer)
{
    s->run.consumer = consumer;
}
