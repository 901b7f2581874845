/* What the ops of PLR embeddings share: their rows and sizes (op_plr.c), and their steps (op_plr_steps.c). */
#ifndef WEFT_GRAPH_PLR_H
#define WEFT_GRAPH_PLR_H

#include "graph/planner.h"

enum { WEFT_PLR, WEFT_PLR_GRAD, WEFT_PLR_GRAD_X }; /* rows of weft_ops_plr */

typedef struct weft_plr_sizes {
    int64_t rows, F, k, e;
    bool lite; /* one matrix for all features */
} weft_plr_sizes;

weft_plr_sizes weft_plr_sizes_of(const weft_dims *x, const weft_dims *frequencies, const weft_dims *weight);

void weft_plr_emit(weft_planner *, weft_value);

#endif
