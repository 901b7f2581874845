/* The executor: one parallel region a run. The pieces of a step are dealt out to the threads; a barrier stands between steps
 * where more than one thread may work. Steps of one piece run on thread 0 without any. */
#include "graph/session.h"

static int64_t pieces_of(const weft_session *session, const weft_step *s)
{
    return s->packs_parameter && !session->stale[s->out[0].buffer] ? 0 : s->pieces(s, &session->run);
}

static void run_piece(const weft_session *session, const weft_step *s, int64_t piece, int thread)
{
    s->run(s, &session->run, piece, thread);
    if (s->packs_parameter) /* what others still read of it comes back by itself */
        weft_session_release_packed(session, s);
}

static void work(void *argument, int thread)
{
    weft_session *session = argument;
    const weft_plan *plan = session->plan;
    weft_team *team = plan->engine->team;
    const int threads = weft_team_size(team);
    bool shared = false; /* the step before was */
    for (int32_t i = 0; i < plan->step_count; i++) {
        const weft_step *s = plan->steps[i];
        int64_t pieces = pieces_of(session, s);
        if (pieces == 0)
            continue;
        bool wide = pieces > 1;
        if (wide || shared)
            weft_team_barrier(team, thread);
        shared = wide;
        if (!wide) {
            if (thread == 0)
                run_piece(session, s, 0, 0);
            continue;
        }
        for (int64_t piece; (piece = weft_deal(session->taken + (size_t)i * (size_t)threads, pieces, threads, thread)) >= 0;)
            run_piece(session, s, piece, thread);
    }
}

void weft_session_execute(weft_session *session)
{
    const weft_plan *plan = session->plan;
    const int threads = weft_team_size(plan->engine->team);
    const bool team = threads > 1;
    for (int64_t i = 0; team && i < (int64_t)plan->step_count * threads; i++)
        atomic_store_explicit(&session->taken[i], 0, memory_order_relaxed);
    bool wide = false; /* waking the others for steps of one piece would cost more than the steps */
    for (int32_t i = 0; i < plan->step_count && team && !wide; i++)
        wide = pieces_of(session, plan->steps[i]) > 1;
    if (wide) {
        weft_team_run(plan->engine->team, work, session);
        return;
    }
    for (int32_t i = 0; i < plan->step_count; i++) {
        const weft_step *s = plan->steps[i];
        int64_t pieces = pieces_of(session, s);
        for (int64_t piece = 0; piece < pieces; piece++)
            run_piece(session, s, piece, 0);
    }
}
