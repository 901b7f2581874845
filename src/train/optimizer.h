/* The optimiser from inside: one row a parameter, and the fixed pieces that its passes over memory are cut into. */
#ifndef WEFT_TRAIN_OPTIMIZER_H
#define WEFT_TRAIN_OPTIMIZER_H

#include "graph/engine.h"
#include "io/io.h"
#include "weft/train.h"

/* Elements a piece: gradient, parameter and two moments of it stay in a core's second cache together. */
#define WEFT_OPTIMIZER_PIECE 8192

typedef struct weft_optimizer_row {
    char *name;
    weft_dtype dtype;
    weft_dims dims;
    int64_t count;
    double rate, weight_decay; /* of its group */
    void *m, *v;               /* [count] moments, SGD: m alone; NULL before the first gradient */
    void *ema;                 /* [count] or NULL */
    void *sum;                 /* [count] accumulated gradient, or NULL */
    bool summed;               /* sum holds something */
    int64_t steps;             /* updates of this parameter: t of the bias corrections */
    /* during one call: */
    const void *gradient; /* NULL: none */
    void *parameter;
} weft_optimizer_row;

typedef struct weft_optimizer_piece {
    int32_t row;
    int32_t size;
    int64_t from;
} weft_optimizer_piece;

struct weft_optimizer {
    weft_engine *engine;
    weft_params *params;
    weft_optimizer_options options;
    weft_optimizer_row *rows; /* by name */
    int32_t count;
    weft_optimizer_piece *pieces;
    double *partial; /* [pieces] sums of squares */
    int64_t piece_count;
    void *scratch; /* [threads][WEFT_OPTIMIZER_PIECE] doubles */
    int64_t steps;
    double norm;
    bool swapped;
};

weft_optimizer_row *weft_optimizer_find(const weft_optimizer *, const char *name); /* NULL: no such parameter */
void *weft_optimizer_scratch(const weft_optimizer *, int thread);
/* Zeroed, 64-byte aligned; NULL when memory is short. */
void *weft_optimizer_memory(const weft_optimizer_row *);
const weft_vector_table *weft_optimizer_kernels(const weft_optimizer *, const weft_optimizer_row *);

/* "PREFIXNAME", malloc'd; NULL when memory is short. */
char *weft_prefixed(const char *prefix, const char *name);

/* Adds views of all state: "m.NAME", "v.NAME", "ema.NAME", "sum.NAME", and "optimizer.steps" [1 + rows]. */
weft_status weft_optimizer_collect(const weft_optimizer *, weft_arrays *out);
/* The same names back. `where` names the file in messages; nothing changes unless everything fits. */
weft_status weft_optimizer_restore(weft_optimizer *, const weft_arrays *, const char *where);

#endif
