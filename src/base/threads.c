/* The thread team: one OpenMP region a run, and a spinning barrier between the steps inside it. */
#include "base/threads.h"

#include <omp.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

struct weft_team {
    int threads;
    _Alignas(64) atomic_int waiting;
    _Alignas(64) atomic_int round;
    _Alignas(64) atomic_llong next;
};

int weft_cores(void)
{
    int cores = omp_get_num_procs();
    return cores < 1 ? 1 : cores;
}

weft_status weft_team_new(int threads, weft_team **out)
{
    *out = NULL;
    weft_team *team = aligned_alloc(64, sizeof *team);
    if (!team)
        return weft_fail(WEFT_ERROR_MEMORY, "cannot allocate a thread team");
    team->threads = threads > 0 ? threads : weft_cores();
    atomic_init(&team->waiting, 0);
    atomic_init(&team->round, 0);
    atomic_init(&team->next, 0);
    *out = team;
    return WEFT_OK;
}

void weft_team_free(weft_team *team)
{
    free(team);
}

int weft_team_size(const weft_team *team)
{
    return team->threads;
}

void weft_team_run(weft_team *team, void (*function)(void *argument, int thread), void *argument)
{
    if (team->threads == 1) {
        function(argument, 0);
        return;
    }
#pragma omp parallel num_threads(team->threads)
    function(argument, omp_get_thread_num());
}

void weft_team_barrier(weft_team *team, int thread)
{
    (void)thread;
    if (team->threads == 1)
        return;
    int round = atomic_load_explicit(&team->round, memory_order_acquire);
    if (atomic_fetch_add_explicit(&team->waiting, 1, memory_order_acq_rel) + 1 == team->threads) {
        atomic_store_explicit(&team->waiting, 0, memory_order_relaxed);
        atomic_store_explicit(&team->round, round + 1, memory_order_release);
        return;
    }
    /* spin briefly; then let a thread that shares this core go on */
    for (int spins = 0; atomic_load_explicit(&team->round, memory_order_acquire) == round; spins++) {
        if (spins > 4096)
            sched_yield();
        else
            __builtin_ia32_pause();
    }
}

typedef struct pieces_job {
    weft_team *team;
    int64_t pieces;
    void (*function)(void *argument, int64_t piece, int thread);
    void *argument;
} pieces_job;

static void run_pieces(void *argument, int thread)
{
    pieces_job *job = argument;
    for (;;) {
        int64_t piece = atomic_fetch_add_explicit(&job->team->next, 1, memory_order_relaxed);
        if (piece >= job->pieces)
            return;
        job->function(job->argument, piece, thread);
    }
}

void weft_team_pieces(weft_team *team, int64_t pieces, void (*function)(void *argument, int64_t piece, int thread),
                      void *argument)
{
    if (pieces <= 1 || team->threads == 1) {
        for (int64_t piece = 0; piece < pieces; piece++)
            function(argument, piece, 0);
        return;
    }
    pieces_job job = {team, pieces, function, argument};
    atomic_store(&team->next, 0);
    weft_team_run(team, run_pieces, &job);
}
