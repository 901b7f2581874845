/* Sessions from inside: a plan's memory, bindings and counters. */
#ifndef WEFT_GRAPH_SESSION_H
#define WEFT_GRAPH_SESSION_H

#include "graph/panels.h"
#include "graph/planner.h"

#include <stdatomic.h>

struct weft_session {
    weft_plan *plan;
    weft_params **params;
    uint64_t *versions; /* [param_count] as last seen */
    int *provider;      /* [buffers] number of the set that has the parameter */
    int param_count;
    void *arena, **own; /* own[buffer]: converted copies, inverses, constants */
    size_t *own_bytes;
    weft_tensor *outputs; /* [fetches] where to copy results; data NULL: nowhere */
    bool *count_set;      /* [values] */
    weft_run_state run;
    weft_taken *taken;       /* [steps][threads] */
    weft_panels **panels;    /* [buffers] held of the sets */
    uint64_t *panel_version; /* [buffers] that the set's tensors are at */
    bool *stale;             /* [buffers] panels that must be packed before they are read */
    bool any_stale, seeded;
};

/* Gives back the mapped pages of the parameter that step `pack` has packed a piece of: the panels are read from now on. */
void weft_session_release_packed(const weft_session *, const weft_step *pack);

/* Runs all steps on the engine's team. */
void weft_session_execute(weft_session *);

#endif
