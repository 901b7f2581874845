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
    double bound[WEFT_BOUNDS];         /* what the cycles are waited for, in proportion */
} weft_analytic_cost;

/* One run: the job, the bandwidth, and what its operators add up to as they are laid one after the other. */
typedef struct weft_analytic {
    const weft_hardware_job *job;
    double lines;                              /* lines a core cycle at the peak */
    double efficiency;                         /* of a stream: a refresh stops the rank that the stream is in */
    bool fixed_stores, fixed_lengths, in_turn; /* in_turn: a vector unit does one operation after the other */
    weft_hardware_result *out;
    double busy;      /* PIM: memory cycles of the mean channel */
    double streaming; /* core cycles of operators on the NPU */
    double totals[6]; /* loads, stores, rows opened, gwrites, products, results */
} weft_analytic;

/* Lines of n elements of `bits`: one more than they fill where the stream does not begin at a line's edge. */
double weft_analytic_lines(const weft_analytic *, double elements, int bits);
/* Core cycles in which all vector units together do `rows` operations of `each` cycles. */
double weft_analytic_rows(const weft_analytic *, double rows, double each);

/* Attention of the prompts' chunks among the requests, on the NPU. */
weft_analytic_cost weft_analytic_prompts(const weft_analytic *, const weft_hardware_request *, int64_t count);
/* Keys and values of the requests that decode, or of the chunks, into the memory that computes. */
weft_analytic_cost weft_analytic_append(const weft_analytic *, const weft_hardware_request *, int64_t count, bool chunks);

/* Attention of `count` requests inside the memory: the slowest channel decides. */
weft_analytic_cost weft_analytic_logit(const weft_hardware_job *, const weft_hardware_request *, int64_t count);
weft_analytic_cost weft_analytic_attend(const weft_hardware_job *, const weft_hardware_request *, int64_t count);

/* Core cycles a memory cycle. */
double weft_analytic_clocks(const weft_hardware_job *);

/* Counts, energies and utilisations of a run that ends at `end` (analytic_totals.c). */
void weft_analytic_totals(weft_analytic *, double end);
void weft_analytic_stats(weft_analytic *, double end);

weft_status weft_run_analytic(const weft_hardware_job *, weft_hardware_result *out);

#endif
