/* A thread team. Results must not depend on its size: work is cut into pieces by sizes alone, any thread runs any piece. */
#ifndef WEFT_BASE_THREADS_H
#define WEFT_BASE_THREADS_H

#include "weft/base.h"

#include <stdatomic.h>

typedef struct weft_team weft_team;

int weft_cores(void);                                    /* cores this process may use */
size_t weft_memory_bytes(void);                          /* of the machine */
weft_status weft_team_new(int threads, weft_team **out); /* threads ≤ 0: all cores */
void weft_team_free(weft_team *);
int weft_team_size(const weft_team *);

/* Calls function(argument, thread) once on each thread of the team, and returns when all have returned. Not nested. */
void weft_team_run(weft_team *, void (*function)(void *argument, int thread), void *argument);

/* Inside weft_team_run: all threads meet. */
void weft_team_barrier(weft_team *, int thread);

/* Pieces 0 … pieces-1 dealt out: each thread takes those of its own run from the front (of P pieces thread t of T has P·t/T …
 * P·(t+1)/T), so that from step to step it mostly finds in its caches what it left there, and then what the runs of others still
 * have, from their ends. taken: [threads] words, zero before the first is dealt; pieces < 2^32. −1: none is left. */
typedef atomic_ullong weft_taken;
int64_t weft_deal(weft_taken *taken, int64_t pieces, int threads, int thread);

/* Runs piece 0 … pieces-1, each once, dealt out so. */
void weft_team_pieces(weft_team *, int64_t pieces, void (*function)(void *argument, int64_t piece, int thread), void *argument);

#endif
