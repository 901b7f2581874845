/* From a layer on a device to a model on a system. */
#include "hardware/iteration.h"

#include <math.h>
#include <string.h>

static const struct {
    const char *name;
    weft_serving_system system;
} names[] = {
    {"gpu", WEFT_SERVE_GPU},      {"npu", WEFT_SERVE_NPU},      {"npu-pim", WEFT_SERVE_NPU_PIM}, {"neupims", WEFT_SERVE_NEUPIMS},
    {"npu_only", WEFT_SERVE_NPU}, {"npu-only", WEFT_SERVE_NPU}, {"npu_pim", WEFT_SERVE_NPU_PIM}, {"newton", WEFT_SERVE_NPU_PIM},
};

const char *weft_serving_name(weft_serving_system system)
{
    return names[system].name; /* the first four stand in the enumeration's order */
}

bool weft_serving_parse(const char *name, weft_serving_system *out)
{
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(names[i].name, name) == 0) {
            *out = names[i].system;
            return true;
        }
    return false;
}

int weft_layer_kinds(const weft_llm *m, weft_layer_kind out[WEFT_LAYER_KINDS])
{
    int64_t sparse = m->experts ? m->layers - m->dense_layers : 0, dense = m->layers - sparse;
    int64_t full = m->window ? m->full_layers : m->layers;
    int kinds = 0;
    for (int experts = 0; experts < 2; experts++)
        for (int windowed = 0; windowed < 2; windowed++) {
            /* Which layers have experts and which a window is not told together: the shares are taken as independent. */
            double share = (double)(windowed ? m->layers - full : full) / (double)m->layers;
            int64_t count = llround(share * (double)(experts ? sparse : dense));
            if (count == 0)
                continue;
            /* Experts that every token takes are as many more experts, all of them active. */
            int64_t shared = experts && m->expert_inner ? (m->shared_inner + m->expert_inner - 1) / m->expert_inner : 0;
            out[kinds++] = (weft_layer_kind){.shape = {.embed = m->width,
                                                       .heads = m->heads,
                                                       .kv_heads = m->kv_heads,
                                                       .head_dim = m->head_size,
                                                       .inner = experts ? m->expert_inner : m->inner,
                                                       .gated = m->gated,
                                                       .experts = experts ? m->experts + shared : 1,
                                                       .active_experts = experts ? m->active + shared : 1,
                                                       .tensor_parallel = (int)m->tensor_parallel,
                                                       .weight_bits = m->weight_bits,
                                                       .kv_bits = m->kv_bits,
                                                       .window = windowed ? m->window : 0},
                                             .count = count};
        }
    return kinds;
}

double weft_collective_seconds(const weft_link *link, weft_collective kind, int64_t devices, double bytes)
{
    weft_hardware_link l = {link->bandwidth, link->latency, kind == WEFT_COLLECTIVE_TREE};
    return weft_hardware_all_reduce(&l, devices, bytes);
}

double weft_device_bytes(const weft_llm *m, double tokens)
{
    return ((double)weft_llm_weight_bytes(m) + tokens * (double)weft_llm_kv_bytes(m)) /
           (double)(m->tensor_parallel * m->pipeline_parallel);
}

double weft_device_capacity(const weft_platform *p, weft_serving_system system)
{
    return system == WEFT_SERVE_GPU ? p->gpu.memory : weft_platform_capacity(p);
}

static weft_status does_not_fit(const weft_platform *p, weft_serving_system system, const weft_llm *m, double tokens)
{
    double each = (double)weft_llm_kv_bytes(m) / (double)(m->tensor_parallel * m->pipeline_parallel);
    double left = weft_device_capacity(p, system) - weft_device_bytes(m, 0);
    return weft_fail(WEFT_ERROR_ARGUMENT,
                     "%s needs %.1f GiB a device on %lld devices, %.1f GiB of it weights; %s has %.1f GiB%s%.0f tokens%s",
                     m->name, weft_device_bytes(m, tokens) / 1073741824, (long long)(m->tensor_parallel * m->pipeline_parallel),
                     weft_device_bytes(m, 0) / 1073741824, system == WEFT_SERVE_GPU ? "the GPU" : "its memory",
                     weft_device_capacity(p, system) / 1073741824, left > each ? ", room for " : ", no room for ",
                     left > each ? floor(left / each) : tokens,
                     left > each ? " in caches" : "; use more devices (--tensor-parallel) or fewer bits (--weights int8)");
}

weft_status weft_fit_devices(const weft_platform *p, weft_serving_system system, const weft_llm *m, double tokens, int64_t *out)
{
    weft_llm split = *m;
    for (split.tensor_parallel = 1; split.tensor_parallel <= 4096; split.tensor_parallel *= 2) {
        if (m->heads % split.tensor_parallel)
            break;
        if (weft_device_bytes(&split, tokens) <= weft_device_capacity(p, system)) {
            *out = split.tensor_parallel;
            return WEFT_OK;
        }
    }
    split.tensor_parallel /= 2;
    return does_not_fit(p, system, &split, tokens);
}

static weft_status check_fit(const weft_platform *p, const weft_llm *m, const weft_hardware_request *requests, int64_t count,
                             weft_serving_system system)
{
    double tokens = 0;
    for (int64_t i = 0; i < count; i++)
        tokens += (double)requests[i].length;
    return weft_device_bytes(m, tokens) <= weft_device_capacity(p, system) ? WEFT_OK : does_not_fit(p, system, m, tokens);
}

/* Cycles of the stages that are in every layer, and of those at the two ends (two halves: A B … E F). */
static void stage_sums(const weft_hardware_result *r, bool halves, double *every, double *ends)
{
    *every = halves ? 0 : (double)r->total_cycles;
    *ends = 0;
    for (int i = 0; halves && i < r->stage_count; i++) {
        bool middle = r->stages[i].name == 'C' || r->stages[i].name == 'D';
        *(middle ? every : ends) += (double)r->stages[i].cycles;
    }
}

/* Sums over kinds of layers, as they come. */
typedef struct kinds_sum {
    double every, ends; /* cycles: N layers of the middle; ends of the first kind; the middle of the first kind */
    double first_middle;
    double busy_npu, busy_pim, busy_bus; /* utilisations times cycles */
    double cycles;                       /* of the simulated stages */
    double dram_pj, pim_pj, scratch_bytes, macs, pim_macs, lines;
} kinds_sum;

static void add_kind(kinds_sum *s, const weft_hardware_result *r, const weft_layer_kind *kind, bool halves, bool first)
{
    double every, ends, n = (double)kind->count;
    stage_sums(r, halves, &every, &ends);
    s->every += n * every;
    if (first) {
        s->ends = ends;
        s->first_middle = halves ? every : 0;
    }
    /* A run of two halves passes every op of a layer twice: A B C D E F are two layers' worth. */
    double layers = halves ? n / 2 : n, cycles = (double)r->total_cycles;
    s->cycles += layers * cycles;
    s->busy_npu += layers * cycles * r->npu_utilization;
    s->busy_pim += layers * cycles * r->pim_utilization;
    s->busy_bus += layers * cycles * r->bandwidth_utilization;
    double in_memory = r->dram.gwrite_energy + r->dram.gact_energy + r->dram.comp_energy + r->dram.readres_energy;
    s->pim_pj += layers * in_memory;
    s->dram_pj += layers * (r->dram.total_energy - in_memory);
    s->macs += layers * (double)r->stats.macs;
    s->pim_macs += layers * (double)r->stats.pim_macs;
    s->lines += layers * (double)(r->stats.load_lines + r->stats.store_lines);
}

/* Whether all-reduces are in the layers' time, or told beside it. */
static bool links_inside(const weft_iteration_options *o)
{
    return o->links_inside && (o->fixed & WEFT_QUIRK_ALL_REDUCE);
}

static weft_status run_kinds(const weft_platform *p, const weft_llm *m, const weft_hardware_request *requests, int64_t count,
                             const weft_iteration_options *o, kinds_sum *sum, weft_iteration *out)
{
    static const weft_hardware_system systems[] = {[WEFT_SERVE_NPU] = WEFT_SYSTEM_NPU,
                                                   [WEFT_SERVE_NPU_PIM] = WEFT_SYSTEM_NPU_PIM,
                                                   [WEFT_SERVE_NEUPIMS] = WEFT_SYSTEM_NEUPIMS};
    weft_layer_kind kinds[WEFT_LAYER_KINDS];
    int n = weft_layer_kinds(m, kinds);
    weft_status status = WEFT_OK;
    weft_hardware machine = p->machine;
    if (links_inside(o))
        machine.link = (weft_hardware_link){p->link.bandwidth, p->link.latency, o->collective == WEFT_COLLECTIVE_TREE};
    for (int k = 0; k < n && status == WEFT_OK; k++) {
        weft_hardware_options engine = {.mode = o->mode,
                                        .system = systems[o->system],
                                        .order = o->order,
                                        .fixed = o->fixed,
                                        .sub_batch = o->sub_batch,
                                        .exact_halves = o->exact_halves,
                                        .sink = k ? NULL : o->sink,
                                        .sink_user = o->sink_user,
                                        .sink_dram = o->sink_dram};
        /* The published NPU-only system is one device; a device's share of a layer is timed as the other systems' is. This bit
         * alone changes no time. */
        if (o->system == WEFT_SERVE_NPU && m->tensor_parallel > 1)
            engine.fixed |= WEFT_QUIRK_REQUEST_LIMIT;
        weft_hardware_result *result = NULL;
        status = weft_hardware_run(&machine, &kinds[k].shape, requests, count, &engine, &result);
        if (status != WEFT_OK)
            break;
        add_kind(sum, result, &kinds[k], o->sub_batch, k == 0);
        if (k == 0)
            out->result = result;
        else
            weft_hardware_result_free(result);
    }
    return status;
}

static void from_kinds(const weft_platform *p, const weft_llm *m, const kinds_sum *s, bool halves, weft_iteration *out)
{
    const weft_hardware_npu *npu = &p->machine.npu;
    const weft_hardware_memory *memory = &p->machine.memory;
    double stages = (double)m->pipeline_parallel, devices = (double)m->tensor_parallel, hz = npu->core_mhz * 1e6;
    /* spec 2.6: A+B+(N-1)·(C+D)+E+F, for the N layers of one stage */
    out->stage_cycles = halves ? s->ends + s->every / stages - s->first_middle : s->every / stages;
    out->stage_cycles = out->stage_cycles > s->ends ? out->stage_cycles : s->ends;
    out->cycles = out->stage_cycles * stages;
    out->seconds = out->cycles / hz;
    out->npu_utilization = s->cycles > 0 ? s->busy_npu / s->cycles : 0;
    out->pim_utilization = s->cycles > 0 ? s->busy_pim / s->cycles : 0;
    out->bandwidth_utilization = s->cycles > 0 ? s->busy_bus / s->cycles : 0;
    out->macs = s->macs * devices;
    out->pim_macs = s->pim_macs * devices;
    out->bytes = s->lines * memory->request_bytes * devices;
    double peak = weft_platform_macs(p) + (out->pim_macs > 0 ? weft_platform_pim_macs(&p->machine) : 0);
    out->utilization = out->cycles > 0 ? (s->macs + s->pim_macs) / (peak * out->cycles) : 0;
    out->energy.dram = s->dram_pj * 1e-12 * devices;
    out->energy.pim = s->pim_pj * 1e-12 * devices;
    /* each byte of a line is written into the scratchpad once and read once */
    out->energy.npu = out->macs * p->energy.mac + 2 * out->bytes * p->energy.scratchpad +
                      p->energy.npu_static * out->seconds * devices * stages;
}

static void add_links_and_head(const weft_platform *p, const weft_llm *m, const weft_iteration_options *o, weft_iteration *out)
{
    double rows = (double)out->tokens, bytes = rows * (double)m->width * 2;
    if (!links_inside(o))
        out->collective_seconds =
            (double)m->layers * 2 * weft_collective_seconds(&p->link, o->collective, m->tensor_parallel, bytes);
    if (m->pipeline_parallel > 1)
        out->collective_seconds += (double)(m->pipeline_parallel - 1) * (bytes / p->link.bandwidth + p->link.latency);
    double macs = rows * (double)weft_llm_head_macs(m) / (double)m->tensor_parallel;
    double weights = (double)weft_llm_head_macs(m) * m->weight_bits / 8 / (double)m->tensor_parallel;
    bool gpu = o->system == WEFT_SERVE_GPU;
    double peak = gpu ? p->gpu.compute / 2 : weft_platform_macs(p) * p->machine.npu.core_mhz * 1e6;
    double bandwidth = gpu ? p->gpu.bandwidth : weft_platform_bandwidth(p);
    out->head_seconds = fmax(macs / peak, weights / bandwidth);
    double stage = out->seconds / (double)m->pipeline_parallel;
    out->tokens_per_second = stage > 0 ? rows / stage : 0;
    double full = stage + out->collective_seconds / (double)m->pipeline_parallel + out->head_seconds;
    out->full_tokens_per_second = full > 0 ? rows / full : 0;
    double sent = m->tensor_parallel > 1 ? (double)m->layers * 2 * 2 * (double)(m->tensor_parallel - 1) * bytes
                                         : 0; /* a ring of n sends 2(n-1)/n of the bytes from each of n devices */
    out->energy.link = sent * p->energy.link;
}

weft_status weft_iteration_run(const weft_platform *p, const weft_llm *m, const weft_hardware_request *requests, int64_t count,
                               const weft_iteration_options *o, weft_iteration *out)
{
    *out = (weft_iteration){0};
    weft_status status = o->unchecked ? WEFT_OK : check_fit(p, m, requests, count, o->system);
    if (status == WEFT_OK && o->system != WEFT_SERVE_GPU && m->kv_rank)
        status = weft_fail(WEFT_ERROR_UNSUPPORTED, "%s has latent attention, which only --system gpu times", m->name);
    if (status != WEFT_OK)
        return status;
    double cached = 0;
    for (int64_t i = 0; i < count; i++) {
        out->tokens += requests[i].tokens > 1 ? requests[i].tokens : 1;
        cached += (double)requests[i].length;
    }
    out->device_bytes = weft_device_bytes(m, cached);
    double hz = p->machine.npu.core_mhz * 1e6;
    if (o->system == WEFT_SERVE_GPU) {
        weft_gpu_iteration(p, m, requests, count, out);
        double sent = (double)(out->tokens * m->width * 2);
        if (links_inside(o))
            out->seconds += (double)m->layers * 2 * weft_collective_seconds(&p->link, o->collective, m->tensor_parallel, sent);
        out->cycles = out->seconds * hz;
        out->stage_cycles = out->cycles / (double)m->pipeline_parallel;
    } else {
        kinds_sum sum = {0};
        status = run_kinds(p, m, requests, count, o, &sum, out);
        if (status == WEFT_OK)
            from_kinds(p, m, &sum, o->sub_batch, out);
    }
    if (status != WEFT_OK) {
        weft_iteration_free(out);
        return status;
    }
    out->layer_cycles = out->cycles / (double)m->layers;
    add_links_and_head(p, m, o, out);
    weft_iteration_energy *e = &out->energy;
    e->total = e->dram + e->pim + e->npu + e->link + e->other;
    return WEFT_OK;
}

void weft_iteration_free(weft_iteration *it)
{
    weft_hardware_result_free(it->result);
    it->result = NULL;
}
