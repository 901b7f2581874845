/* The thread team: workers that wait for the next function, and a barrier between the steps inside one. Whoever waits looks at a
 * word for some microseconds, which is enough on a quiet machine, and then sleeps on it, so that on a busy one it does not hold
 * the core that the others need. (An OpenMP region or a yielding barrier costs a scheduler's tick, 4 ms, at every step there.) */
#include "base/threads.h"

#include <linux/futex.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SPINS = 2000, MOST_THREADS = 1024 };

/* A word that threads wait on to change, and how many of them sleep. */
typedef struct signal_word {
    _Alignas(64) atomic_uint value;
    atomic_int sleepers;
} signal_word;

struct weft_team {
    int threads, forks;
    pthread_t *workers; /* [threads - 1] */
    void (*function)(void *argument, int thread);
    void *argument;
    bool stop;
    signal_word start; /* counts the runs */
    signal_word round; /* counts the barriers */
    signal_word done;  /* counts the runs that have ended */
    _Alignas(64) atomic_int running;
    _Alignas(64) atomic_int waiting;
    weft_taken *taken; /* [threads] of weft_team_pieces */
};

typedef struct worker_start {
    weft_team *team;
    int thread;
    unsigned seen;
} worker_start;

static void wait_for_change(signal_word *word, unsigned old)
{
    for (int i = 0; i < SPINS; i++) {
        if (atomic_load_explicit(&word->value, memory_order_acquire) != old)
            return;
#if defined(__x86_64__)
        __builtin_ia32_pause();
#endif
    }
    atomic_fetch_add(&word->sleepers, 1);
    while (atomic_load(&word->value) == old)
        syscall(SYS_futex, &word->value, FUTEX_WAIT_PRIVATE, old, NULL, NULL, 0);
    atomic_fetch_sub(&word->sleepers, 1);
}

static void change(signal_word *word)
{
    atomic_fetch_add(&word->value, 1);
    if (atomic_load(&word->sleepers) > 0)
        syscall(SYS_futex, &word->value, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

/* ---- workers ---- */

static void *work(void *argument)
{
    worker_start mine = *(worker_start *)argument;
    free(argument);
    weft_team *team = mine.team;
    for (unsigned seen = mine.seen;; seen++) {
        wait_for_change(&team->start, seen);
        if (team->stop)
            return NULL;
        team->function(team->argument, mine.thread);
        if (atomic_fetch_sub(&team->running, 1) == 1)
            change(&team->done);
    }
}

/* Threads do not live on in a forked child: it makes its own. */
static atomic_int forks;
static pthread_once_t fork_watch = PTHREAD_ONCE_INIT;

static void count_fork(void)
{
    atomic_fetch_add(&forks, 1);
}

static void watch_forks(void)
{
    pthread_atfork(NULL, NULL, count_fork);
}

/* Starts the workers; the team is as large as the system allows. */
static void start_workers(weft_team *team, int wanted)
{
    team->forks = atomic_load(&forks);
    atomic_store(&team->waiting, 0);
    atomic_store(&team->start.sleepers, 0);
    atomic_store(&team->round.sleepers, 0);
    atomic_store(&team->done.sleepers, 0);
    sigset_t all, before; /* signals are for the main thread */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    for (team->threads = 1; team->threads < wanted; team->threads++) {
        worker_start *start = malloc(sizeof *start);
        if (!start)
            break;
        *start = (worker_start){team, team->threads, atomic_load(&team->start.value)};
        if (pthread_create(&team->workers[team->threads - 1], NULL, work, start) != 0) {
            free(start);
            break;
        }
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (team->threads < wanted)
        weft_log(WEFT_LOG_WARNING, "%d of %d threads could be started; results are the same", team->threads, wanted);
}

int weft_cores(void)
{
    cpu_set_t set;
    int cores = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : (int)sysconf(_SC_NPROCESSORS_ONLN);
    return cores < 1 ? 1 : cores;
}

size_t weft_memory_bytes(void)
{
    const long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
    return pages > 0 && size > 0 ? (size_t)pages * (size_t)size : (size_t)1 << 32;
}

weft_status weft_team_new(int threads, weft_team **out)
{
    *out = NULL;
    int wanted = threads > 0 ? threads : weft_cores();
    wanted = wanted > MOST_THREADS ? MOST_THREADS : wanted;
    weft_team *team = aligned_alloc(64, sizeof *team);
    pthread_t *workers = calloc((size_t)wanted, sizeof *workers);
    weft_taken *taken = calloc((size_t)wanted, sizeof *taken);
    if (!team || !workers || !taken) {
        free(team);
        free(workers);
        free(taken);
        return weft_fail(WEFT_ERROR_MEMORY, "cannot allocate a thread team");
    }
    *team = (weft_team){.workers = workers, .taken = taken};
    pthread_once(&fork_watch, watch_forks);
    start_workers(team, wanted);
    *out = team;
    return WEFT_OK;
}

void weft_team_free(weft_team *team)
{
    if (!team)
        return;
    if (team->forks == atomic_load(&forks)) {
        team->stop = true;
        change(&team->start);
        for (int i = 1; i < team->threads; i++)
            pthread_join(team->workers[i - 1], NULL);
    }
    free(team->workers);
    free(team->taken);
    free(team);
}

int weft_team_size(const weft_team *team)
{
    return team->threads;
}

void weft_team_run(weft_team *team, void (*function)(void *argument, int thread), void *argument)
{
    if (team->threads > 1 && team->forks != atomic_load(&forks))
        start_workers(team, team->threads);
    if (team->threads == 1) {
        function(argument, 0);
        return;
    }
    unsigned ended = atomic_load(&team->done.value);
    team->function = function;
    team->argument = argument;
    atomic_store(&team->running, team->threads - 1);
    change(&team->start);
    function(argument, 0);
    wait_for_change(&team->done, ended);
}

void weft_team_barrier(weft_team *team, int thread)
{
    (void)thread;
    if (team->threads == 1)
        return;
    unsigned round = atomic_load_explicit(&team->round.value, memory_order_acquire);
    if (atomic_fetch_add(&team->waiting, 1) + 1 == team->threads) {
        atomic_store(&team->waiting, 0);
        change(&team->round);
        return;
    }
    wait_for_change(&team->round, round);
}

/* ---- pieces ---- */

/* A word counts what is gone of a run: from its front in the lower half, from its end in the upper one. */
static int64_t take(weft_taken *word, int64_t begin, int64_t end, bool front)
{
    unsigned long long seen = atomic_load_explicit(word, memory_order_relaxed);
    for (;;) {
        const int64_t from = (int64_t)(seen & UINT32_MAX), behind = (int64_t)(seen >> 32);
        if (from + behind >= end - begin)
            return -1;
        if (atomic_compare_exchange_weak_explicit(word, &seen, seen + (front ? 1 : 1ULL << 32), memory_order_relaxed,
                                                  memory_order_relaxed))
            return front ? begin + from : end - 1 - behind;
    }
}

int64_t weft_deal(weft_taken *taken, int64_t pieces, int threads, int thread)
{
    for (int i = 0; i < threads; i++) {
        const int owner = thread + i < threads ? thread + i : thread + i - threads;
        const int64_t piece = take(&taken[owner], pieces * owner / threads, pieces * (owner + 1) / threads, i == 0);
        if (piece >= 0)
            return piece;
    }
    return -1;
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
    for (int64_t piece; (piece = weft_deal(job->team->taken, job->pieces, job->team->threads, thread)) >= 0;)
        job->function(job->argument, piece, thread);
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
    for (int t = 0; t < team->threads; t++)
        atomic_store(&team->taken[t], 0);
    weft_team_run(team, run_pieces, &job);
}
