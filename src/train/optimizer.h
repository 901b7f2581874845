/* The optimiser from inside: one row a parameter, and the fixed pieces that its passes over memory are cut into. */
#ifndef WEFT_TRAIN_OPTIMIZER_H
#define WEFT_TRAIN_OPTIMIZER_H

#include "base/random.h"
#include "graph/consume.h"
#include "graph/engine.h"
#include "io/io.h"
#include "weft/train.h"

/* Elements a piece: gradient, parameter and two moments of it stay in a core's second cache together. */
#define WEFT_OPTIMIZER_PIECE 8192
/* Pieces of a thread: a gradient that was cut or scaled; for moments in BF16 also both in the compute type, and what rounds them.
 */
enum { WEFT_OPTIMIZER_SCRATCH = 4 };

typedef struct weft_optimizer_row {
    char *name;
    weft_dtype dtype;
    weft_dims dims;
    int64_t count;
    double rate, weight_decay; /* of its group */
    void *m, *v;               /* [count] moments, SGD: m alone; NULL before the first gradient */
    weft_dtype moments;        /* their type */
    weft_random_key rounding;  /* of moments in BF16 */
    void *ema;                 /* [count] or NULL */
    void *sum;                 /* [count] accumulated gradient, or NULL */
    bool summed;               /* sum holds something */
    int64_t steps;             /* updates of this parameter: t of the bias corrections */
    int64_t first_piece;
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
    double *partial;   /* [pieces] sums of squares */
    int64_t *in_place; /* [pieces] numbers of pieces by where in their parameter they lie: dealt out so, a thread gets the part of
                        * each parameter whose gradient it mostly made, and which it packs for the next products */
    int64_t piece_count;
    void *scratch; /* [threads][WEFT_OPTIMIZER_SCRATCH][WEFT_OPTIMIZER_PIECE] doubles */
    int64_t steps;
    double norm;
    bool swapped;
};

/* One step under way. */
typedef struct weft_optimizer_pass {
    weft_optimizer *o;
    double rate;   /* of the step, before the group's factor */
    double factor; /* on gradients */
    double ema;    /* d; 1: no average is kept */
} weft_optimizer_pass;

/* Makes parameters writable and moments ready for the rows with a gradient: all that can fail before the first element changes.
 * *any: there is such a row. */
weft_status weft_optimizer_prepare(weft_optimizer *, bool *any);
weft_optimizer_pass weft_optimizer_begin(weft_optimizer *, double rate);
/* Of one piece, with gradient [row->count]: the sum of squares of what the step sees; the update (gradient NULL: of the average
 * alone). */
double weft_optimizer_measure(weft_optimizer *, const weft_optimizer_piece *, const void *gradient, int thread);
void weft_optimizer_update(const weft_optimizer_pass *, const weft_optimizer_piece *, const void *gradient, int thread);
/* The joint norm of all partial sums; an error that names the parameter where one is not finite. */
weft_status weft_optimizer_sum_norm(weft_optimizer *);
/* Counts the step for the rows with a gradient. */
void weft_optimizer_finish(weft_optimizer *);
weft_status weft_optimizer_check_rate(double rate);
weft_status weft_optimizer_open_step(weft_optimizer *); /* no row has a gradient */
/* Adds weight · gradient to the row's sum, which is there. */
void weft_optimizer_sum(weft_optimizer *, const weft_optimizer_piece *, const void *gradient, double weight);
weft_status weft_optimizer_make_sum(weft_optimizer_row *);

weft_optimizer_row *weft_optimizer_find(const weft_optimizer *, const char *name); /* NULL: no such parameter */
void *weft_optimizer_scratch(const weft_optimizer *, int thread, int part);
/* [row->count], zeroed, 64-byte aligned; NULL when memory is short. */
void *weft_optimizer_memory(const weft_optimizer_row *, weft_dtype);
const weft_vector_table *weft_optimizer_kernels(const weft_optimizer *, const weft_optimizer_row *);

/* "PREFIXNAME", malloc'd; NULL when memory is short. */
char *weft_prefixed(const char *prefix, const char *name);

/* Runs a session whose plan consumes its gradients (graph/consume.h; each waits for its parameter), and makes the step in that
 * run: weft_run and weft_optimizer_step with the same bits and less memory. Not with clipping by norm, nor after gradients were
 * accumulated. A gradient with NaN or Inf is refused only when others have been used: parameters and moments are then spoilt. */
weft_status weft_optimizer_run(weft_optimizer *, weft_session *, double rate);
/* The same for weft_optimizer_accumulate. */
weft_status weft_optimizer_run_accumulating(weft_optimizer *, weft_session *, double weight);

/* Adds views of all state: "m.NAME", "v.NAME", "ema.NAME", "sum.NAME", and "optimizer.steps" [1 + rows]. */
weft_status weft_optimizer_collect(const weft_optimizer *, weft_arrays *out);
/* The same names back. `where` names the file in messages; nothing changes unless everything fits. */
weft_status weft_optimizer_restore(weft_optimizer *, const weft_arrays *, const char *where);

#endif
