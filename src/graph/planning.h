/* The planner's state while it compiles, shared by plan.c, fuse.c and memory.c. */
#ifndef WEFT_GRAPH_PLANNING_H
#define WEFT_GRAPH_PLANNING_H

#include "graph/program.h"

typedef struct weft_rounded weft_rounded; /* of round_rows.c */

struct weft_planner {
    weft_plan *plan;
    weft_graph *graph;
    bool failed;
    int32_t *buffer_of;  /* [values × outputs] */
    int32_t *leaf_of;    /* [values] a random leaf as bound */
    int32_t *inverse_of; /* [values] */
    int32_t *uses;       /* [values] by live nodes */
    bool *live, *fed, *fetched;
    weft_group **group_of; /* [values] the group that computes it (producers too) */
    weft_rounded *rounded; /* a list */
    bool *in_bf16;         /* [values] written rounded: nobody but bf16 products reads them */
};

/* Which elementwise values run together, and behind which producer: fills group_of. */
void weft_group_values(weft_planner *);

/* Which values are written rounded: fills in_bf16; after weft_group_values. */
void weft_find_rounded(weft_planner *);

/* Whether somebody reads a random leaf otherwise than by strips or in a pair kernel, so that it must be written out. */
bool weft_read_whole(const weft_planner *, int32_t leaf);

/* The steps of consumed values (consume.c). */
void weft_emit_consumers(weft_planner *);

/* Lifetimes, work in place, and offsets in the arena. */
weft_status weft_memory_lay(weft_plan *);

#endif
