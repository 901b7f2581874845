/* Sessions from inside: a plan's memory, bindings and counters. */
#ifndef WEFT_GRAPH_SESSION_H
#define WEFT_GRAPH_SESSION_H

#include "graph/planner.h"

#include <stdatomic.h>

struct weft_session {
    weft_plan *plan;
    weft_params **params;
    uint64_t *versions; /* [param_count] as last seen */
    int param_count;
    void *arena, **own; /* own[buffer]: converted copies, inverses, constants, packed panels */
    size_t *own_bytes;
    weft_tensor *outputs; /* [fetches] where to copy results; data NULL: nowhere */
    bool *count_set;      /* [values] */
    weft_run_state run;
    atomic_llong *next; /* [steps] next piece */
    bool repack, seeded;
};

/* Runs all steps on the engine's team. */
void weft_session_execute(weft_session *);

#endif
