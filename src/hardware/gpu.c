/* The GPU that the others are compared with, as a roofline (Williams et al., CACM 2009) over a decoder's operators. */
#include "hardware/iteration.h"

typedef struct roofline {
    double flops, bytes_a_second; /* of one device, with their efficiencies */
    double seconds, macs, bytes;  /* summed up, of one device */
} roofline;

static void add(roofline *r, double times, double macs, double bytes)
{
    double compute = 2 * macs / r->flops, memory = bytes / r->bytes_a_second;
    r->seconds += times * (compute > memory ? compute : memory);
    r->macs += times * macs;
    r->bytes += times * bytes;
}

/* X[rows,K] · W[K,F] on one of `devices` that share W. */
static void add_product(roofline *r, const weft_llm *m, double times, double rows, double parameters, double in, double out)
{
    double devices = (double)m->tensor_parallel;
    add(r, times, rows * parameters / devices, parameters / devices * m->weight_bits / 8 + 2 * rows * (in + out / devices));
}

static void add_attention(roofline *r, const weft_llm *m, const weft_hardware_request *requests, int64_t count)
{
    double devices = (double)m->tensor_parallel, macs = 0, bytes = 0;
    for (int64_t i = 0; i < count; i++) {
        double rows = requests[i].tokens > 1 ? (double)requests[i].tokens : 1;
        int64_t full = m->window ? m->full_layers : m->layers;
        double seen = (double)full * (double)requests[i].length +
                      (double)(m->layers - full) * (double)weft_llm_seen(m, requests[i].length, false);
        macs += rows * (double)weft_llm_attention_macs(m, requests[i].length) / devices;
        bytes += seen * (double)weft_llm_kv_bytes(m) / (double)m->layers / devices;
    }
    add(r, 1, macs, bytes);
}

void weft_gpu_iteration(const weft_platform *p, const weft_llm *m, const weft_hardware_request *requests, int64_t count,
                        weft_iteration *out)
{
    roofline r = {.flops = p->gpu.compute * p->gpu.compute_efficiency,
                  .bytes_a_second = p->gpu.bandwidth * p->gpu.bandwidth_efficiency};
    double rows = 0, E = (double)m->width;
    for (int64_t i = 0; i < count; i++)
        rows += requests[i].tokens > 1 ? (double)requests[i].tokens : 1;
    double dense = m->experts ? (double)m->dense_layers : (double)m->layers, sparse = (double)m->layers - dense;
    double heads = (double)(m->heads * m->value_size);
    add_product(&r, m, (double)m->layers, rows, (double)weft_llm_attention_parameters(m), E, 2 * heads);
    add_attention(&r, m, requests, count);
    if (dense > 0)
        add_product(&r, m, dense, rows, (double)weft_llm_ffn_parameters(m), E, 2 * (double)m->inner);
    if (sparse > 0) { /* experts that the tokens reach, each with its share of them */
        double reached = rows * (double)m->active < (double)m->experts ? rows * (double)m->active : (double)m->experts;
        double one = (double)weft_llm_expert_parameters(m);
        add_product(&r, m, sparse * reached, rows * (double)m->active / reached, one, E, 2 * (double)m->expert_inner);
        add_product(&r, m, sparse, rows,
                    (double)(weft_llm_layer_parameters(m, false) - weft_llm_attention_parameters(m)) - (double)m->experts * one,
                    E, (double)m->shared_inner);
    }
    out->seconds = r.seconds;
    out->macs = r.macs * (double)m->tensor_parallel;
    out->bytes = r.bytes * (double)m->tensor_parallel;
    out->npu_utilization = out->utilization = 2 * r.macs / (p->gpu.compute * r.seconds);
    out->bandwidth_utilization = r.bytes / (p->gpu.bandwidth * r.seconds);
    out->energy.other = p->gpu.power * r.seconds * (double)m->tensor_parallel;
}
