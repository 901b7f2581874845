/* One call for every engine: the table of engines, checks of the work, and the result's memory. */
#include "hardware/engines.h"

#include <stdlib.h>

static const weft_hardware_engine engines[] = {
    {"event", WEFT_HARDWARE_EVENT, weft_engine_event},
    {"exact", WEFT_HARDWARE_EXACT, weft_engine_exact},
    {NULL, WEFT_HARDWARE_EVENT, NULL},
};

const weft_hardware_engine *weft_hardware_engine_at(int i)
{
    const weft_hardware_engine *row = engines;
    while (i-- > 0 && row->name)
        row++;
    return row->name ? row : NULL;
}

/* Fills in what the shape leaves out. */
static weft_hardware_shape filled(const weft_hardware_shape *given)
{
    weft_hardware_shape s = *given;
    if (!s.kv_heads)
        s.kv_heads = s.heads;
    if (!s.head_dim)
        s.head_dim = s.heads > 0 ? s.embed / s.heads : 0;
    if (!s.inner)
        s.inner = 4 * s.embed;
    if (!s.experts)
        s.experts = 1;
    if (!s.active_experts)
        s.active_experts = 1;
    if (!s.tensor_parallel)
        s.tensor_parallel = 1;
    if (!s.weight_bits)
        s.weight_bits = 16;
    if (!s.kv_bits)
        s.kv_bits = 16;
    return s;
}

void weft_hardware_result_free(weft_hardware_result *result)
{
    if (!result)
        return;
    free(result->stages);
    free(result->ops);
    free(result);
}

weft_status weft_hardware_run(const weft_hardware *hardware, const weft_hardware_shape *shape,
                              const weft_hardware_request *requests, int64_t count, const weft_hardware_options *options,
                              weft_hardware_result **out)
{
    *out = NULL;
    weft_hardware machine = *hardware;
    weft_hardware_shape s = filled(shape);
    machine.memory.kind = options->system == WEFT_SYSTEM_NEUPIMS   ? WEFT_MEMORY_DUAL
                          : options->system == WEFT_SYSTEM_NPU_PIM ? WEFT_MEMORY_SINGLE
                                                                   : WEFT_MEMORY_PLAIN;
    weft_status status = weft_hardware_check(&machine);
    if (status != WEFT_OK)
        return status;
    weft_hardware_job job = {&machine, &s, requests, count, options};
    for (const weft_hardware_engine *row = engines; row->name; row++)
        if (row->mode == options->mode) {
            *out = calloc(1, sizeof **out);
            if (!*out)
                return weft_fail(WEFT_ERROR_MEMORY, "cannot allocate the result of a simulation");
            status = row->run(&job, *out);
            if (status != WEFT_OK) {
                weft_hardware_result_free(*out);
                *out = NULL;
            }
            return status;
        }
    return weft_fail(WEFT_ERROR_UNSUPPORTED, "this build has no engine of that mode");
}
