/* Requests, channels, devices and halves of a design point, then its iteration. */
#include "hardware/design.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "hardware/analytic.h"
#include "hardware/balance.h"

enum { HALVES_FROM = 256 };

static const char *const placement_names[WEFT_PLACEMENTS] = {
    [WEFT_PLACE_GREEDY] = "greedy",     [WEFT_PLACE_ROUND_ROBIN] = "round-robin",
    [WEFT_PLACE_ANNEALED] = "annealed", [WEFT_PLACE_EXACT] = "exact",
    [WEFT_PLACE_TIMED] = "timed",
};

weft_placement weft_placement_of(const char *name)
{
    for (int i = 0; i < WEFT_PLACEMENTS; i++)
        if (strcmp(name, placement_names[i]) == 0)
            return (weft_placement)i;
    return WEFT_PLACE_GREEDY;
}

const char *weft_placement_name(weft_placement placement)
{
    return placement_names[placement];
}

void weft_design_costs(const weft_design *d, const weft_hardware_request *requests, int64_t count, int64_t *cost)
{
    const weft_llm *m = &d->llm;
    const weft_hardware_memory *memory = &d->platform->machine.memory;
    int64_t heads = m->heads / m->tensor_parallel;
    weft_attention_shape shape = {heads * m->head_size, heads, m->head_size, (int64_t)memory->columns * memory->request_bytes / 2,
                                  (int64_t)memory->ranks * memory->bankgroups * memory->banks_per_group};
    for (int64_t i = 0; i < count; i++)
        cost[i] = weft_attention_estimate(&shape, requests[i].length);
}

/* What the formulas of attention in memory need: the first kind of layer on the design's system. */
typedef struct attention {
    weft_hardware hardware;
    weft_layer_kind kinds[WEFT_LAYER_KINDS];
    weft_hardware_options options;
} attention;

static weft_hardware_job attention_of(const weft_design *d, attention *room)
{
    weft_layer_kinds(&d->llm, room->kinds);
    room->hardware = d->platform->machine;
    room->hardware.memory.kind = d->options.system == WEFT_SERVE_NPU_PIM ? WEFT_MEMORY_SINGLE : WEFT_MEMORY_DUAL;
    room->options = (weft_hardware_options){.fixed = d->options.fixed};
    return (weft_hardware_job){.hardware = &room->hardware, .shape = &room->kinds[0].shape, .options = &room->options};
}

/* cost [2][count]: logits, and attending, of each request, alone on its channel. */
static void time_attention(const weft_design *d, const weft_hardware_request *requests, int64_t count, int64_t *cost)
{
    attention room;
    weft_hardware_job job = attention_of(d, &room);
    for (int64_t i = 0; i < count; i++) {
        weft_hardware_request one = requests[i];
        one.channel = 0;
        cost[i] = llround(weft_analytic_logit(&job, &one, 1).cycles);
        cost[count + i] = llround(weft_analytic_attend(&job, &one, 1).cycles);
    }
}

static weft_status judge(const weft_design *d, const int64_t *cost, const weft_hardware_request *requests, const int32_t *channel,
                         int64_t count, int64_t *load, weft_balance *out)
{
    attention room;
    weft_hardware_job job = attention_of(d, &room);
    int channels = d->platform->machine.memory.channels;
    weft_status status = weft_balance_bound(cost, count, channels, &out->bound);
    out->heaviest = weft_balance_heaviest(cost, channel, count, channels, load);
    out->mean = 0;
    for (int c = 0; c < channels; c++)
        out->mean += (double)load[c] / channels;
    out->least = out->least || out->heaviest == out->bound;
    out->cycles = weft_analytic_logit(&job, requests, count).cycles + weft_analytic_attend(&job, requests, count).cycles;
    return status;
}

/* Costs (of two phases) and loads in one block; channels in another. */
static weft_status make_room(int64_t count, int channels, int64_t **numbers, int32_t **channel)
{
    *numbers = calloc((size_t)(2 * count + channels + 1), sizeof **numbers);
    *channel = malloc((size_t)(count + 1) * sizeof **channel);
    return *numbers && *channel ? WEFT_OK : weft_fail(WEFT_ERROR_MEMORY, "placing requests: memory is short");
}

weft_status weft_design_place(const weft_design *d, weft_placement placement, weft_hardware_request *requests, int64_t count,
                              weft_balance *out)
{
    int channels = d->platform->machine.memory.channels;
    int64_t *cost;
    int32_t *channel;
    bool least = false;
    weft_status status = make_room(count, channels, &cost, &channel);
    if (status == WEFT_OK) {
        weft_design_costs(d, requests, count, cost);
        if (placement == WEFT_PLACE_ROUND_ROBIN)
            weft_balance_round_robin(count, channels, channel);
        else if (placement == WEFT_PLACE_ANNEALED)
            status = weft_balance_anneal(cost, 1, count, channels, d->seed, channel);
        else if (placement == WEFT_PLACE_EXACT)
            status = weft_balance_exact(cost, count, channels, d->seed, channel, &least);
        else if (placement == WEFT_PLACE_GREEDY)
            status = weft_balance_greedy(cost, count, channels, cost + count, channel);
        if (placement == WEFT_PLACE_TIMED) {
            time_attention(d, requests, count, cost);
            status = weft_balance_anneal(cost, 2, count, channels, d->seed, channel);
        }
    }
    for (int64_t i = 0; i < count && status == WEFT_OK; i++)
        requests[i].channel = channel[i];
    if (status == WEFT_OK && out) {
        *out = (weft_balance){.least = least};
        weft_design_costs(d, requests, count, cost);
        status = judge(d, cost, requests, channel, count, cost + count, out);
    }
    free(channel);
    free(cost);
    return status;
}

weft_status weft_design_balance(const weft_design *d, const weft_hardware_request *requests, int64_t count, weft_balance *out)
{
    int channels = d->platform->machine.memory.channels;
    int64_t *cost;
    int32_t *channel;
    *out = (weft_balance){0};
    weft_status status = make_room(count, channels, &cost, &channel);
    if (status == WEFT_OK) {
        weft_design_costs(d, requests, count, cost);
        for (int64_t i = 0; i < count; i++)
            channel[i] = requests[i].channel;
        status = judge(d, cost, requests, channel, count, cost + count, out);
    }
    free(channel);
    free(cost);
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
        requests[i].tokens = row ? row->tokens : 1;
        requests[i].channel = row && t->channels ? row->channel : -1;
    }
    weft_status status = WEFT_OK;
    if (!t || !t->channels || d->replace_channels)
        status = weft_design_place(d, d->placement, requests, n, NULL);
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
    if (status == WEFT_OK && d->judged)
        status = weft_design_balance(d, requests, count, &d->balance);
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
