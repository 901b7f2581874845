/* One iteration of a whole model on a whole system: every request's next token (or a chunk of its prompt) through all layers on
 * n_tp · n_pp devices. An engine times one layer of each kind on one device; this adds layers, devices, links, head and energy.
 *
 * Layer times add up as the published evaluation does (spec 2.6): N·(A+B+E) of a whole batch; A+B+(N-1)·(C+D)+E+F of two halves.
 */
#ifndef WEFT_HARDWARE_ITERATION_H
#define WEFT_HARDWARE_ITERATION_H

#include "hardware/llm.h"
#include "hardware/platform.h"

typedef enum weft_serving_system {
    WEFT_SERVE_GPU = 0, /* a roofline */
    WEFT_SERVE_NPU,
    WEFT_SERVE_NPU_PIM,
    WEFT_SERVE_NEUPIMS,
    WEFT_SERVE_SYSTEMS
} weft_serving_system;

const char *weft_serving_name(weft_serving_system);                  /* "gpu", "npu", "npu-pim", "neupims" */
bool weft_serving_parse(const char *name, weft_serving_system *out); /* also npu_only, npu_pim, … */

typedef enum weft_collective { WEFT_COLLECTIVE_RING = 0, WEFT_COLLECTIVE_TREE } weft_collective;

typedef struct weft_iteration_options {
    weft_serving_system system;
    weft_hardware_mode mode;
    weft_line_order order;
    unsigned fixed; /* bits of weft_hardware_quirk */
    bool sub_batch, exact_halves;
    weft_collective collective;
    bool links_inside;       /* all-reduces take part in the layers' time (fixed behaviour), in place of being told beside it */
    weft_hardware_sink sink; /* of the first kind of layer */
    void *sink_user;
    bool sink_dram;
    bool unchecked; /* does not look whether the model fits (a scheduler that did) */
} weft_iteration_options;

typedef struct weft_iteration_energy { /* joules of all devices */
    double dram, pim, npu, link, other;
    double total;
} weft_iteration_energy;

typedef struct weft_iteration {
    double cycles; /* all layers, one pipeline stage after the other, in core cycles (of the platform's NPU, also for a GPU) */
    double stage_cycles;      /* layers of one pipeline stage */
    double layer_cycles;      /* mean layer */
    double seconds;           /* of cycles */
    int64_t tokens;           /* that this iteration computes */
    double tokens_per_second; /* tokens / seconds of a stage: the stages work on different batches */
    double npu_utilization, pim_utilization, bandwidth_utilization; /* 0 … 1; a GPU's are npu_ and bandwidth_utilization */
    double utilization;                                             /* useful multiply-accumulates by all units' peak */
    double macs, pim_macs;                                          /* of all devices and layers */
    double bytes;                                                   /* over the external buses of all devices */
    double collective_seconds, head_seconds; /* what the published evaluation leaves out, and what links do; not in `cycles` */
    double full_tokens_per_second;           /* with both */
    weft_iteration_energy energy;
    double device_bytes;          /* weights and caches on one device */
    weft_hardware_result *result; /* of the first kind of layer, owned; NULL for a GPU */
} weft_iteration;

/* Requests have channels. Fails where the model does not fit, or an engine cannot time it. */
weft_status weft_iteration_run(const weft_platform *, const weft_llm *, const weft_hardware_request *, int64_t count,
                               const weft_iteration_options *, weft_iteration *out);
void weft_iteration_free(weft_iteration *);

/* Bytes of weights and caches on one device; `tokens` in all caches. */
double weft_device_bytes(const weft_llm *, double tokens);
double weft_device_capacity(const weft_platform *, weft_serving_system);
/* The least power of two of devices that share a layer on which the model fits; fails when none does. */
weft_status weft_fit_devices(const weft_platform *, weft_serving_system, const weft_llm *, double tokens, int64_t *out);

/* Kinds of layers of a model, each with how many there are: full or windowed attention, dense or with experts. */
typedef struct weft_layer_kind {
    weft_hardware_shape shape;
    int64_t count;
} weft_layer_kind;
enum { WEFT_LAYER_KINDS = 4 };
int weft_layer_kinds(const weft_llm *, weft_layer_kind out[WEFT_LAYER_KINDS]);

/* Seconds that a layer's two all-reduces of `bytes` take among n devices: 2(n-1)/n of the bytes and 2(n-1) hops in a ring,
 * 2·log2(n) times both in a tree. */
double weft_collective_seconds(const weft_link *, weft_collective, int64_t devices, double bytes);

/* A roofline: each operator takes as long as its multiply-accumulates or its bytes. Fills seconds, utilisations, macs, bytes. */
void weft_gpu_iteration(const weft_platform *, const weft_llm *, const weft_hardware_request *, int64_t count,
                        weft_iteration *out);

#endif
