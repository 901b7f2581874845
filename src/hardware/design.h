/* A design point: one model on one platform and system with one batch; what a single run and a point of a sweep both evaluate. */
#ifndef WEFT_HARDWARE_DESIGN_H
#define WEFT_HARDWARE_DESIGN_H

#include "hardware/iteration.h"
#include "hardware/trace.h"

/* How requests are placed on memory channels: by their estimated cycles of attention (balance.h), or, `timed`, by the machine's
 * own delays, with the two halves of attention, of which one ends everywhere before the next begins, as phases. */
typedef enum weft_placement {
    WEFT_PLACE_GREEDY = 0,
    WEFT_PLACE_ROUND_ROBIN,
    WEFT_PLACE_ANNEALED,
    WEFT_PLACE_EXACT,
    WEFT_PLACE_TIMED,
    WEFT_PLACEMENTS
} weft_placement;

#define WEFT_PLACEMENT_NAMES "greedy|round-robin|annealed|exact|timed"
weft_placement weft_placement_of(const char *name); /* one of the names */
const char *weft_placement_name(weft_placement);

/* How well the channels of requests are balanced. */
typedef struct weft_balance {
    int64_t heaviest, bound; /* estimated cycles: of the heaviest channel; what no placement is below */
    double mean;             /* of all channels */
    bool least;              /* it is known that no placement's heaviest channel is lighter */
    double cycles;           /* of a layer's attention by the machine's own delays (analytic.h), in core cycles */
} weft_balance;

typedef struct weft_design {
    const weft_platform *platform;
    weft_llm llm;
    weft_iteration_options options; /* system; sub_batch is decided by `halves` */
    int halves;                     /* 1 on, 0 off, -1: on for neupims from 256 requests on, the authors' own threshold */
    bool choose_devices;            /* as few as hold the model, in place of llm.tensor_parallel */
    const weft_trace *trace;        /* NULL: `batch` requests of `length` tokens */
    int64_t batch, length;          /* of a trace: so many rows of it, evenly spaced; 0: all */
    weft_placement placement;
    bool replace_channels; /* also where the trace has them */
    uint64_t seed;         /* of annealed placement */
    bool judged;           /* weft_design_run fills `balance` */
    weft_balance balance;
} weft_design;

/* The requests with their channels; the caller frees *out. */
weft_status weft_design_requests(const weft_design *, weft_hardware_request **out, int64_t *count);

/* Places requests [count] by the policy, whatever their channels; NULL `out`: not wanted. */
weft_status weft_design_place(const weft_design *, weft_placement, weft_hardware_request *requests, int64_t count,
                              weft_balance *out);
/* Judges the channels that requests have. */
weft_status weft_design_balance(const weft_design *, const weft_hardware_request *requests, int64_t count, weft_balance *out);

/* Estimated cycles of attention of each of requests [count]. */
void weft_design_costs(const weft_design *, const weft_hardware_request *requests, int64_t count, int64_t *cost);

/* Evaluates the point; llm.tensor_parallel, options.sub_batch and, if wanted, balance hold afterwards what came of it. */
weft_status weft_design_run(weft_design *, weft_iteration *out);

/* Square metres of all devices: NPUs or GPUs, and their memories. */
double weft_design_area(const weft_design *);

#endif
