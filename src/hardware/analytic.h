/* The analytic engine: cycles of each operator by formulas whose terms are the machine's own delays. No clock is walked; a layer
 * of 500 requests takes some microseconds. docs/results/neupims.md tells how far it is from the event engine. */
#ifndef WEFT_HARDWARE_ANALYTIC_H
#define WEFT_HARDWARE_ANALYTIC_H

#include "hardware/engines.h"

/* What an operator costs. */
typedef struct weft_analytic_cost {
    double cycles;                     /* of the core */
    double loads, stores;              /* lines of request_bytes */
    double macs;                       /* useful multiply-accumulates of this device */
    double rows_opened;                /* PIM: row switches of all channels */
    double gwrites, products, results; /* PIM: GWRITEs, single multiplies of 32 banks, results read, of all channels */
    double busy;                       /* PIM: memory cycles of the mean channel */
} weft_analytic_cost;

/* Attention of `count` requests inside the memory: the slowest channel decides. */
weft_analytic_cost weft_analytic_logit(const weft_hardware_job *, const weft_hardware_request *, int64_t count);
weft_analytic_cost weft_analytic_attend(const weft_hardware_job *, const weft_hardware_request *, int64_t count);

/* Core cycles a memory cycle. */
double weft_analytic_clocks(const weft_hardware_job *);

weft_status weft_run_analytic(const weft_hardware_job *, weft_hardware_result *out);

#endif
