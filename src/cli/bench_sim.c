/* Bench jobs of the hardware simulator: one layer's iteration of GPT3-7B on four ranks, eight requests, on the NeuPIMs machine.
 */
#include "cli/bench.h"
#include "weft/hardware.h"

#include <stdlib.h>

static const weft_hardware_request requests[] = {
    {300, 0, 1}, {520, 4, 1}, {128, 8, 1}, {700, 12, 1}, {64, 16, 1}, {410, 20, 1}, {256, 24, 1}, {340, 28, 1},
};

static weft_status open_sim(bench_context *c, const bench_job *job, void **self, bench_result *out)
{
    (void)c;
    (void)out;
    weft_hardware_options *o = calloc(1, sizeof *o);
    if (!o)
        return weft_fail(WEFT_ERROR_MEMORY, "bench: memory is short");
    o->mode = (weft_hardware_mode)job->size[0];
    *self = o;
    return WEFT_OK;
}

static weft_status call_sim(void *self)
{
    weft_hardware hardware = weft_hardware_default();
    weft_hardware_shape shape = {.embed = 4096, .heads = 32, .tensor_parallel = 4};
    weft_hardware_result *result = NULL;
    weft_status status = weft_hardware_run(&hardware, &shape, requests, sizeof requests / sizeof requests[0], self, &result);
    weft_hardware_result_free(result);
    return status;
}

const bench_job bench_sim[] = {
    {"sim_event", {WEFT_HARDWARE_EVENT}, open_sim, call_sim, free},
    {"sim_exact", {WEFT_HARDWARE_EXACT}, open_sim, call_sim, free},
    {0},
};
