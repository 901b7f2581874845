/* A design point: one model on one platform and system with one batch; what a single run and a point of a sweep both evaluate. */
#ifndef WEFT_HARDWARE_DESIGN_H
#define WEFT_HARDWARE_DESIGN_H

#include "hardware/iteration.h"
#include "hardware/trace.h"

typedef struct weft_design {
    const weft_platform *platform;
    weft_llm llm;
    weft_iteration_options options; /* system; sub_batch is decided by `halves` */
    int halves;                     /* 1 on, 0 off, -1: on for neupims from 256 requests on, the authors' own threshold */
    bool choose_devices;            /* as few as hold the model, in place of llm.tensor_parallel */
    const weft_trace *trace;        /* NULL: `batch` requests of `length` tokens */
    int64_t batch, length;          /* of a trace: so many rows of it, evenly spaced; 0: all */
    bool replace_channels;          /* also where the trace has them */
    bool round_robin;               /* in place of least estimated load */
} weft_design;

/* The requests with their channels; the caller frees *out. */
weft_status weft_design_requests(const weft_design *, weft_hardware_request **out, int64_t *count);

/* Evaluates the point; llm.tensor_parallel and options.sub_batch hold afterwards what was chosen. */
weft_status weft_design_run(weft_design *, weft_iteration *out);

/* Square metres of all devices: NPUs or GPUs, and their memories. */
double weft_design_area(const weft_design *);

#endif
