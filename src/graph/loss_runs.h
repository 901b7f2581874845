/* What losses from hidden · tableᵀ share: rows are taken in runs whose logits fit a scratch. */
#ifndef WEFT_GRAPH_LOSS_RUNS_H
#define WEFT_GRAPH_LOSS_RUNS_H

#include "graph/graph.h"
#include "graph/planner.h"

enum { WEFT_LOGITS_BYTES = 64 << 20, WEFT_LEAST_RUN = 32 };

/* Rows of a run, at least 1. */
static inline int64_t weft_run_rows(int64_t rows, int64_t classes, weft_dtype dtype)
{
    const int64_t fit = WEFT_LOGITS_BYTES / (int64_t)weft_dtype_size(dtype) / (classes > 0 ? classes : 1);
    const int64_t run = fit < WEFT_LEAST_RUN ? WEFT_LEAST_RUN : fit;
    return run < rows ? run : rows > 0 ? rows : 1;
}

/* Room for a run's logits: [rows, classes]. */
static inline weft_slot weft_place_logits(weft_planner *p, int64_t rows, int64_t classes)
{
    const weft_dtype dtype = weft_planner_graph(p)->dtype;
    weft_slot slot = weft_place_scratch(p, (size_t)(rows * classes) * weft_dtype_size(dtype));
    slot.dtype = dtype;
    slot.dims = DIMS(rows, classes);
    return slot;
}

/* Rows [r0, r0 + rows) of a place. */
static inline weft_slot weft_slot_rows(weft_slot p, int64_t r0, int64_t rows)
{
    p.offset += r0 * weft_dims_product(p.dims, 1, p.dims.rank);
    p.dims.size[0] = rows;
    return p;
}

/* Element i of a place; NULL where there is none. */
static inline void *weft_slot_element(const weft_run_state *run, const weft_slot *p, int64_t i)
{
    return p->buffer < 0 ? NULL : (char *)weft_at(run, p) + (size_t)i * weft_dtype_size(p->dtype);
}

/* Pieces of a step on the rows of a run's logits, in[0]. */
static inline int64_t weft_run_rows_each(const weft_step *s)
{
    return weft_rows_per_piece(s->in[0].dims.size[1], 65536);
}

static inline int64_t weft_run_pieces(const weft_step *s, const weft_run_state *run)
{
    (void)run;
    return (s->in[0].dims.size[0] + weft_run_rows_each(s) - 1) / weft_run_rows_each(s);
}

#endif
