/* Requests, channels, devices and halves of a design point, then its iteration. */
#include "hardware/design.h"

#include <stdlib.h>

#include "hardware/balance.h"

enum { HALVES_FROM = 256 };

static weft_status place(const weft_design *d, weft_hardware_request *requests, int64_t count)
{
    const weft_llm *m = &d->llm;
    const weft_hardware_memory *memory = &d->platform->machine.memory;
    int channels = memory->channels;
    int32_t *channel = malloc((size_t)(count + 1) * sizeof *channel);
    int64_t *cost = malloc((size_t)(count + 1) * sizeof *cost), *load = calloc((size_t)channels, sizeof *load);
    weft_status status = channel && cost && load ? WEFT_OK : weft_fail(WEFT_ERROR_MEMORY, "placing requests: memory is short");
    int64_t heads = m->heads / m->tensor_parallel;
    weft_attention_shape shape = {heads * m->head_size, heads, m->head_size, (int64_t)memory->columns * memory->request_bytes / 2,
                                  (int64_t)memory->ranks * memory->bankgroups * memory->banks_per_group};
    if (status == WEFT_OK && d->round_robin) {
        weft_balance_round_robin(count, channels, channel);
    } else if (status == WEFT_OK) {
        for (int64_t i = 0; i < count; i++)
            cost[i] = weft_attention_estimate(&shape, requests[i].length);
        status = weft_balance_greedy(cost, count, channels, load, channel);
    }
    for (int64_t i = 0; i < count && status == WEFT_OK; i++)
        requests[i].channel = channel[i];
    free(channel);
    free(cost);
    free(load);
    return status;
}

weft_status weft_design_requests(const weft_design *d, weft_hardware_request **out, int64_t *count)
{
    const weft_trace *t = d->trace;
    int64_t n = d->batch ? d->batch : t ? t->count : 0;
    *out = NULL;
    *count = 0;
    if (n < 1)
        return weft_fail(WEFT_ERROR_ARGUMENT, "no requests: a batch of %lld", (long long)n);
    if (t && n > t->count)
        return weft_fail(WEFT_ERROR_ARGUMENT, "the trace has %lld requests, fewer than a batch of %lld", (long long)t->count,
                         (long long)n);
    if (!t && d->llm.context && d->length > d->llm.context)
        return weft_fail(WEFT_ERROR_ARGUMENT, "a length of %lld: the context of %s is %lld", (long long)d->length, d->llm.name,
                         (long long)d->llm.context);
    weft_hardware_request *requests = calloc((size_t)n, sizeof *requests);
    if (!requests)
        return weft_fail(WEFT_ERROR_MEMORY, "reading requests: memory is short");
    for (int64_t i = 0; i < n; i++) {
        const weft_load_request *row = t ? &t->requests[i * (t->count / n)] : NULL;
        requests[i].length = row ? row->length : d->length;
        requests[i].channel = row && t->channels ? row->channel : -1;
    }
    weft_status status = WEFT_OK;
    if (!t || !t->channels || d->replace_channels)
        status = place(d, requests, n);
    if (status != WEFT_OK) {
        free(requests);
        return status;
    }
    *out = requests;
    *count = n;
    return WEFT_OK;
}

weft_status weft_design_run(weft_design *d, weft_iteration *out)
{
    weft_hardware_request *requests = NULL;
    int64_t count = 0;
    *out = (weft_iteration){0};
    weft_status status = weft_design_requests(d, &requests, &count);
    if (status == WEFT_OK && d->choose_devices) {
        double tokens = 0;
        int64_t before = d->llm.tensor_parallel;
        for (int64_t i = 0; i < count; i++)
            tokens += (double)requests[i].length;
        status = weft_fit_devices(d->platform, d->options.system, &d->llm, tokens, &d->llm.tensor_parallel);
        if (status == WEFT_OK && before != d->llm.tensor_parallel) { /* estimates of channels depend on a device's heads */
            free(requests);
            status = weft_design_requests(d, &requests, &count);
        }
    }
    d->options.sub_batch = d->options.system == WEFT_SERVE_NEUPIMS && (d->halves < 0 ? count >= HALVES_FROM : d->halves == 1);
    if (status == WEFT_OK)
        status = weft_iteration_run(d->platform, &d->llm, requests, count, &d->options, out);
    free(requests);
    return status;
}

double weft_design_area(const weft_design *d)
{
    static const weft_memory_kind kinds[] = {
        [WEFT_SERVE_NPU] = WEFT_MEMORY_PLAIN, [WEFT_SERVE_NPU_PIM] = WEFT_MEMORY_SINGLE, [WEFT_SERVE_NEUPIMS] = WEFT_MEMORY_DUAL};
    double devices = (double)(d->llm.tensor_parallel * d->llm.pipeline_parallel);
    weft_platform p = *d->platform;
    if (d->options.system == WEFT_SERVE_GPU)
        return devices * (p.gpu.area + 8 * p.gpu.memory * p.area.dram_bit);
    p.machine.memory.kind = kinds[d->options.system];
    return devices * (weft_platform_npu_area(&p) + weft_platform_dram_area(&p));
}
