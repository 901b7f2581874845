/* A layer by formulas: operators on the NPU, stages, and the totals that an engine answers. */
#include "hardware/analytic.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hardware/balance.h"

/* Cycles from a row's last operand to the retired tile: the pipeline's depth and a store's way to the memory. */
enum { DEPTH = 270, PRELOAD_DEPTH = 255, WAY = 40, MOST_OPS = 256 };

/* Fitted on the event engine's runs of the published machine; everything else follows from delays. */
#define OVERLAP    3.5  /* power mean of computing and loading: 1 would add them, infinity overlaps them wholly */
#define STORED     0.5  /* of a store's time that an operator waits for: stores are acknowledged before they are done */
#define BESIDE_PIM 0.72 /* of the stream's rate that is left while the memory computes */
#define OPENINGS   1.2  /* rows opened a row of lines: blocks straddle rows */

static double at_least(double a, double b)
{
    return a > b ? a : b;
}

static int64_t ceil_div(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

/* One engine run: the job, the bandwidth, and the ops as they are laid one after the other. */
typedef struct analytic {
    const weft_hardware_job *job;
    double lines;      /* lines a core cycle at the peak */
    double efficiency; /* of a stream: a refresh stops the rank that the stream is in */
    bool fixed_stores, fixed_lengths;
    weft_hardware_result *out;
    double busy;      /* PIM: memory cycles of the mean channel */
    double streaming; /* core cycles of operators on the NPU */
    double totals[6]; /* loads, stores, rows opened, gwrites, products, results */
} analytic;

static analytic open_analytic(const weft_hardware_job *job, weft_hardware_result *out)
{
    const weft_hardware_memory *m = &job->hardware->memory;
    const weft_dram_timing *t = &m->timing;
    double apart = t->burst > t->tCCD_S ? t->burst : t->tCCD_S;
    analytic a = {.job = job, .out = out};
    a.lines = m->channels / apart / weft_analytic_clocks(job);
    /* Each rank is refreshed for tRFC + tRP in tREFI; a stream in address order is in one rank at a time, so that one of `ranks`
     * refreshes meets it; half as much again passes while the queues fill up anew. */
    a.efficiency = 1 - 1.0 * (t->tRFC + t->tRP) / t->tREFI;
    a.fixed_stores = job->options->fixed & WEFT_QUIRK_MATMUL_STORES;
    a.fixed_lengths = job->options->fixed & WEFT_QUIRK_VECTOR_LENGTHS;
    return a;
}

/* Lines of n elements: one more than they fill, since the stream does not begin at a line's edge. */
static double lines_of(const analytic *a, double elements, int bits)
{
    int bytes = a->job->hardware->memory.request_bytes;
    bool aligned = a->job->options->fixed & WEFT_QUIRK_STREAM_ALIGNMENT;
    return ceil(elements * bits / 8 / bytes) + !aligned;
}

/* X[rows,K] · W[K,F]: blocks of height × width, each loaded once; the array takes a preload a block column and a block's rows. */
static weft_analytic_cost product(const analytic *a, int64_t rows, int64_t K, int64_t F)
{
    const weft_hardware_npu *npu = &a->job->hardware->npu;
    int64_t H = npu->systolic_height, W = npu->systolic_width;
    int64_t kb = ceil_div(K, H), fb = ceil_div(F, W), rb = ceil_div(rows, H);
    double block = lines_of(a, (double)(H < K ? H : K) * (double)(W < F ? W : F), a->job->shape->weight_bits);
    double input = lines_of(a, (double)(H < K ? H : K) * (double)(rows < H ? rows : H), 16);
    weft_analytic_cost c = {.macs = (double)rows * (double)K * (double)F};
    c.loads = (double)(kb * fb) * block + (double)(kb * rb) * input + (double)rb * lines_of(a, (double)W, 16);
    c.stores = a->fixed_stores ? (double)(rb * fb) * lines_of(a, (double)(rows < H ? rows : H) * (double)(W < F ? W : F), 16)
                               : (double)rb * lines_of(a, (double)(rows < W ? rows : W) * (double)(W < F ? W : F), 16);
    /* The array of the NPU-only system waits for its last result before it takes other weights (2.7). */
    double stream = at_least((double)H / npu->systolic_arrays, 4);
    double preload = a->job->options->system == WEFT_SYSTEM_NPU ? PRELOAD_DEPTH + stream : (double)H;
    double pass = (double)kb * (preload + (double)(fb - 1) * stream);
    double compute = pass + PRELOAD_DEPTH + DEPTH + WAY;
    double memory = (c.loads + STORED * c.stores) / a->lines / a->efficiency + DEPTH + 2 * WAY;
    c.cycles = pow(pow(compute, OVERLAP) + pow(memory, OVERLAP), 1 / OVERLAP) + (double)(rb - 1) * pass;
    return c;
}

/* `rows` rows of E elements through the vector units: `in` of them loaded and one stored a row. */
static weft_analytic_cost by_rows(const analytic *a, int64_t rows, int64_t E, int in, double row_cycles)
{
    weft_analytic_cost c = {0};
    double line = lines_of(a, (double)E, 16);
    c.loads = (double)rows * in * line;
    c.stores = (double)rows * line;
    double memory = (c.loads + STORED * c.stores) / a->lines / a->efficiency;
    c.cycles = at_least(memory, (double)rows) + row_cycles + WAY; /* units take a row a cycle; its latency counts once */
    return c;
}

/* Latency of one row in a vector unit (spec 2.2), for n elements. */
static double norm_cycles(const weft_hardware_npu *u, double n)
{
    double v = ceil(n / u->vector_width), tree = 1;
    for (double k = n; k > u->vector_width; k = ceil(k / u->vector_width))
        tree += ceil(k / u->vector_width);
    return 2 * tree * u->add_tree_latency + 2 * u->scalar_mul_latency + u->scalar_sqrt_latency +
           v * (2 * u->add_latency + 3 * u->mul_latency);
}

static double softmax_cycles(const weft_hardware_npu *u, double n)
{
    double v = ceil(n / u->vector_width), tree = 1;
    for (double k = n; k > u->vector_width; k = ceil(k / u->vector_width))
        tree += ceil(k / u->vector_width);
    return 2 * tree * u->add_tree_latency + v * (u->add_latency + u->exp_latency + u->mul_latency);
}

/* Attention on the NPU itself (2.7): K and V are streamed, products of one row follow one another through the pipeline. */
static weft_analytic_cost fused_attention(const analytic *a, const weft_hardware_request *requests, int64_t count,
                                          bool prompts_only)
{
    const weft_hardware_shape *s = a->job->shape;
    const weft_hardware_npu *npu = &a->job->hardware->npu;
    int64_t heads = ceil_div(s->heads, s->tensor_parallel), kv = ceil_div(s->kv_heads, s->tensor_parallel);
    weft_analytic_cost c = {0};
    double compute = 0;
    for (int64_t i = 0; i < count; i++) {
        if (prompts_only && requests[i].tokens <= 1)
            continue;
        int64_t length = s->window && requests[i].length > s->window ? s->window : requests[i].length;
        int64_t rows = requests[i].tokens > 1 ? requests[i].tokens : 1;
        double chain = (double)length / npu->systolic_arrays + (double)(PRELOAD_DEPTH + 8) + softmax_cycles(npu, (double)length) +
                       (double)ceil_div(length + npu->systolic_width - 1, npu->systolic_width) *
                           (PRELOAD_DEPTH + (double)s->head_dim / npu->systolic_arrays);
        if (rows > 1) /* a chunk of a prompt: rows fill the array, which is preloaded once a block of keys */
            chain = 2 * (double)ceil_div(length, npu->systolic_height) * (double)ceil_div(s->head_dim, npu->systolic_width) *
                        at_least((double)rows / npu->systolic_arrays, npu->systolic_height) +
                    (double)rows * softmax_cycles(npu, (double)length) / npu->vector_units;
        compute += (double)heads * chain;
        c.loads += 2 * (double)kv * lines_of(a, (double)length * (double)s->head_dim, s->kv_bits) +
                   (double)heads * lines_of(a, (double)(rows * s->head_dim), 16);
        c.stores += (double)heads * lines_of(a, (double)(rows * s->head_dim), 16);
        c.macs += 2.0 * (double)rows * (double)length * (double)heads * (double)s->head_dim;
    }
    c.cycles = at_least(compute, (c.loads + c.stores) / a->lines / a->efficiency) + WAY;
    return c;
}

/* ---- stages ---- */

static double add_op(analytic *a, char stage, const char *name, double start, bool pim, weft_analytic_cost c)
{
    weft_hardware_op spare,
        *op = a->out->op_count < MOST_OPS ? &a->out->ops[a->out->op_count++] : &spare; /* counted all the same */
    *op = (weft_hardware_op){.stage = stage,
                             .start = llround(start),
                             .finish = llround(start + c.cycles),
                             .pim = pim,
                             .macs = llround(c.macs),
                             .read_lines = llround(c.loads),
                             .write_lines = llround(c.stores)};
    snprintf(op->name, sizeof op->name, "%s", name);
    a->busy += c.busy;
    a->totals[0] += c.loads, a->totals[1] += c.stores, a->totals[2] += c.rows_opened, a->totals[3] += c.gwrites;
    a->totals[4] += c.products, a->totals[5] += c.results;
    a->streaming += pim ? 0 : c.cycles;
    a->out->stats.macs += pim ? 0 : op->macs;
    a->out->stats.pim_macs += pim ? op->macs : 0;
    return start + c.cycles;
}

static double qkv(analytic *a, char stage, double start, int64_t rows)
{
    const weft_hardware_shape *s = a->job->shape;
    double norm = norm_cycles(&a->job->hardware->npu, a->fixed_lengths ? (double)s->embed : 0);
    start = add_op(a, stage, "attn.ln", start, false, by_rows(a, rows, s->embed, 1, norm));
    return add_op(a, stage, "attn.QKVgen", start, false,
                  product(a, rows, s->embed, ceil_div((s->heads + 2 * s->kv_heads) * s->head_dim, s->tensor_parallel)));
}

static double ffn(analytic *a, char stage, double start, int64_t rows)
{
    const weft_hardware_shape *s = a->job->shape;
    const weft_hardware_npu *npu = &a->job->hardware->npu;
    int64_t inner = ceil_div(s->inner, s->tensor_parallel), first = s->gated ? 2 * inner : inner, each = rows, used = 1;
    if (s->experts > 1) { /* as many experts as the tokens can reach, each with its share of them */
        used = rows * s->active_experts < s->experts ? rows * s->active_experts : s->experts;
        each = ceil_div(rows * s->active_experts, used);
    }
    weft_analytic_cost up = product(a, each, s->embed, first), down = product(a, each, inner, s->embed);
    double v = ceil((double)inner / npu->vector_width), gelu = a->fixed_lengths ? v * npu->gelu_latency : 0;
    weft_analytic_cost act = by_rows(a, each, inner, s->gated ? 2 : 1, gelu);
    for (int64_t e = 0; e < used; e++) {
        start = add_op(a, stage, "ffn.fc1", start, false, up);
        start = add_op(a, stage, "ffn.gelu", start, false, act);
        start = add_op(a, stage, "ffn.fc2", start, false, down);
        if (used > 8) { /* the others are the same: one entry stands for all */
            double rest = (double)(used - 1);
            weft_analytic_cost all = {rest * (up.cycles + act.cycles + down.cycles),
                                      rest * (up.loads + act.loads + down.loads),
                                      rest * (up.stores + act.stores + down.stores),
                                      rest * (up.macs + down.macs),
                                      0,
                                      0,
                                      0,
                                      0,
                                      0};
            return add_op(a, stage, "ffn.experts", start, false, all);
        }
    }
    return start;
}

static double proj_ffn(analytic *a, char stage, double start, int64_t rows)
{
    const weft_hardware_shape *s = a->job->shape;
    const weft_hardware_npu *npu = &a->job->hardware->npu;
    double norm = norm_cycles(npu, a->fixed_lengths ? (double)s->embed : 0);
    double add = a->fixed_lengths ? ceil((double)s->embed / npu->vector_width) * npu->add_latency : 0;
    start = add_op(a, stage, "attn.proj", start, false,
                   product(a, rows, ceil_div(s->heads * s->head_dim, s->tensor_parallel), s->embed));
    start = add_op(a, stage, "attn.res", start, false, by_rows(a, rows, s->embed, 2, add));
    start = add_op(a, stage, "ffn.ln", start, false, by_rows(a, rows, s->embed, 1, norm));
    start = ffn(a, stage, start, rows);
    return add_op(a, stage, "ffn.res", start, false, by_rows(a, rows, s->embed, 2, add));
}

static double attention(analytic *a, char stage, double start, const weft_hardware_request *r, int64_t count)
{
    start = add_op(a, stage, "attn.NeuPIMSLogitSoftmax", start, true, weft_analytic_logit(a->job, r, count));
    return add_op(a, stage, "attn.NeuPIMSAttend", start, true, weft_analytic_attend(a->job, r, count));
}

/* Attention of prompts' chunks, which is matrix by matrix and so the NPU's. */
static double prompts(analytic *a, char stage, double start, const weft_hardware_request *r, int64_t count)
{
    bool any = false;
    for (int64_t i = 0; i < count; i++)
        any = any || r[i].tokens > 1;
    return any ? add_op(a, stage, "attn.prompt", start, false, fused_attention(a, r, count, true)) : start;
}

/* Ends of the NPU's and the memory's programs; where both run, the NPU's streams are slower as long as the memory computes. */
static double end_stage(analytic *a, char name, double start, double npu, double pim, double *busy)
{
    if (npu > start && pim > start) {
        double alone = npu - start, together = pim - start;
        npu = start + (alone < BESIDE_PIM * together ? alone / BESIDE_PIM : alone + (1 - BESIDE_PIM) * together);
    }
    double end = at_least(npu, pim);
    a->out->stages[a->out->stage_count++] =
        (weft_hardware_stage){.name = name, .cycles = llround(end) - llround(start), .pim_cycles = llround(a->busy - *busy)};
    *busy = a->busy;
    return end;
}

static int64_t rows_of(const weft_hardware_request *r, int64_t count)
{
    int64_t rows = 0;
    for (int64_t i = 0; i < count; i++)
        rows += r[i].tokens > 1 ? r[i].tokens : 1;
    return rows;
}

static double whole_batch(analytic *a)
{
    const weft_hardware_request *r = a->job->requests;
    int64_t count = a->job->count, rows = rows_of(r, count);
    double busy = 0, t = 0, end = qkv(a, 'A', 0, rows);
    t = end_stage(a, 'A', t, end, 0, &busy);
    bool blocked = a->job->options->system == WEFT_SYSTEM_NPU_PIM; /* one row buffer: the one after the other */
    double npu = prompts(a, 'B', t, r, count);
    end = attention(a, 'B', blocked ? npu : t, r, count);
    t = end_stage(a, 'B', t, blocked ? 0 : npu, end, &busy);
    end = proj_ffn(a, 'E', t, rows);
    return end_stage(a, 'E', t, end, 0, &busy);
}

/* Two half batches, one on the NPU while the other is in the memory. half[2], size[2]. */
static double two_halves(analytic *a, const weft_hardware_request *const half[2], const int64_t size[2])
{
    int64_t rows[2] = {rows_of(half[0], size[0]), rows_of(half[1], size[1])};
    double busy = 0, t = 0;
    t = end_stage(a, 'A', 0, qkv(a, 'A', 0, rows[0]), 0, &busy);
    double npu = prompts(a, 'B', qkv(a, 'B', t, rows[1]), half[0], size[0]);
    t = end_stage(a, 'B', t, npu, attention(a, 'B', t, half[0], size[0]), &busy);
    for (int i = 0; i < 2; i++) {
        char name = (char)('C' + i);
        npu = qkv(a, name, proj_ffn(a, name, t, rows[i]), rows[i]);
        npu = prompts(a, name, npu, half[!i], size[!i]);
        t = end_stage(a, name, t, npu, attention(a, name, t, half[!i], size[!i]), &busy);
    }
    npu = prompts(a, 'E', proj_ffn(a, 'E', t, rows[0]), half[1], size[1]);
    t = end_stage(a, 'E', t, npu, attention(a, 'E', t, half[1], size[1]), &busy);
    return end_stage(a, 'F', t, proj_ffn(a, 'F', t, rows[1]), 0, &busy);
}

static weft_status split(analytic *a, double *end)
{
    const weft_hardware_job *job = a->job;
    int32_t *channel = malloc((size_t)(job->count + 1) * sizeof *channel);
    bool *second = malloc((size_t)job->count + 1);
    weft_hardware_request *both = malloc((size_t)(job->count + 1) * sizeof *both);
    weft_status status =
        channel && second && both ? WEFT_OK : weft_fail(WEFT_ERROR_MEMORY, "the analytic engine: memory is short");
    int64_t size[2] = {0, 0};
    for (int64_t i = 0; i < job->count && status == WEFT_OK; i++)
        channel[i] = job->requests[i].channel;
    if (status == WEFT_OK)
        status = weft_halves(channel, job->count, job->hardware->memory.channels, second);
    for (int which = 0; which < 2 && status == WEFT_OK; which++)
        for (int64_t i = 0; i < job->count; i++)
            if (second[i] == (which == 1))
                both[size[0] + size[1]] = job->requests[i], size[which]++;
    if (status == WEFT_OK && (!size[0] || !size[1]))
        status = weft_fail(WEFT_ERROR_ARGUMENT, "sub-batches: one of the two halves is empty; use --sub-batch off");
    if (status == WEFT_OK)
        *end = two_halves(a, (const weft_hardware_request *const[]){both, both + size[0]}, size);
    free(channel);
    free(second);
    free(both);
    return status;
}

static double npu_only(analytic *a)
{
    const weft_hardware_request *r = a->job->requests;
    int64_t rows = rows_of(r, a->job->count);
    double t = qkv(a, 0, 0, rows);
    t += (double)a->job->count + 1; /* bookkeeping: a core cycle a request, and one for the batch, before and after */
    t = add_op(a, 0, "attn.attn.FusedMHA", t, false, fused_attention(a, r, a->job->count, false));
    t += (double)a->job->count + 1;
    return proj_ffn(a, 0, t, rows);
}

/* ---- totals ---- */

/* Counts of commands and their energies (spec 7), from what the operators moved. */
static void fill_totals(analytic *a, double end)
{
    weft_dram_totals *d = &a->out->dram;
    const weft_hardware_memory *m = &a->job->hardware->memory;
    const weft_dram_timing *t = &m->timing;
    const weft_dram_power *p = &m->power;
    double cycles = end / weft_analytic_clocks(a->job), groups = (double)m->ranks * m->bankgroups,
           banks = groups * m->banks_per_group;
    bool pim = m->kind != WEFT_MEMORY_PLAIN, dual = m->kind == WEFT_MEMORY_DUAL;
    d->num_cycles = llround(cycles * m->channels);
    d->num_read_cmds = d->num_reads_done = llround(a->totals[0]);
    d->num_write_cmds = d->num_writes_done = llround(a->totals[1]);
    d->num_act_cmds = d->num_pre_cmds = llround(OPENINGS * (a->totals[0] + a->totals[1]) / m->columns);
    d->num_ref_cmds = llround(floor(cycles / ((double)t->tREFI / m->ranks)) * m->channels);
    d->num_gwrite_cmds = llround(a->totals[3]);
    d->num_gact_cmds = llround(a->totals[2] * groups);
    d->num_pim_precharge_cmds = dual ? llround(a->totals[2] * banks) : 0;
    d->num_header_cmds = llround(a->totals[2]);
    d->num_comp_cmds = llround(a->totals[4]);
    d->num_readres_cmds = d->num_readres_done = llround(a->totals[5]);
    d->pim_cycles = llround(a->busy * m->channels);
    double read = p->VDD * (p->IDD4R - p->IDD3N) * t->burst;
    double act = p->VDD * (p->IDD0 * (t->tRAS + t->tRP) - p->IDD3N * t->tRAS - p->IDD2N * t->tRP);
    d->act_energy = act * (double)d->num_act_cmds;
    d->read_energy = read * (double)d->num_read_cmds;
    d->write_energy = p->VDD * (p->IDD4W - p->IDD3N) * t->burst * (double)d->num_write_cmds;
    d->ref_energy = p->VDD * (p->IDD5AB - p->IDD3N) * t->tRFC * (double)d->num_ref_cmds;
    d->gwrite_energy = 16 * read * (double)d->num_gwrite_cmds;
    d->gact_energy = 4 * act * (double)d->num_gact_cmds;
    d->comp_energy = 4 * read * (double)d->num_comp_cmds;
    d->readres_energy = read * (double)d->num_readres_cmds;
    double all = cycles * m->channels * m->ranks; /* some row is open while operators stream; refreshes close all */
    double active = all * (a->streaming < end ? a->streaming / end : 1);
    double pim_active = dual ? (double)d->pim_cycles * m->ranks : 0, pim_idle = dual ? all - pim_active : 0;
    d->rank_active_cycles = llround(active);
    d->rank_idle_cycles = llround(all - active);
    d->pim_rank_active_cycles = llround(pim_active);
    d->pim_rank_idle_cycles = llround(pim_idle);
    d->background_energy = p->VDD * (p->IDD3N * (active + pim_active) + p->IDD2N * (all - active + pim_idle));
    d->total_energy = d->act_energy + d->read_energy + d->write_energy + d->ref_energy + d->background_energy +
                      (pim ? d->gwrite_energy + d->gact_energy + d->comp_energy + d->readres_energy : 0);
}

static void fill_stats(analytic *a, double end)
{
    weft_hardware_result *r = a->out;
    const weft_hardware_npu *n = &a->job->hardware->npu;
    r->total_cycles = llround(end);
    r->stats.core_cycles = r->total_cycles;
    r->stats.dram_cycles = llround(end / weft_analytic_clocks(a->job));
    r->stats.load_lines = llround(a->totals[0]);
    r->stats.store_lines = llround(a->totals[1]);
    r->stats.pim_commands = llround(a->totals[2] + a->totals[3] + a->totals[5]);
    double pes = (double)n->systolic_arrays * n->systolic_height * n->systolic_width;
    r->npu_utilization = end > 0 ? (double)r->stats.macs / (pes * end) : 0;
    r->pim_utilization = end > 0 ? a->busy * weft_analytic_clocks(a->job) / end : 0;
    r->bandwidth_utilization = end > 0 ? (a->totals[0] + a->totals[1] + a->totals[5]) / a->lines / end : 0;
    for (int i = 0; i < r->stage_count; i++) {
        double lines = 0;
        for (int k = 0; k < r->op_count; k++)
            if (r->ops[k].stage == r->stages[i].name)
                lines += (double)(r->ops[k].read_lines + r->ops[k].write_lines);
        if (r->stages[i].cycles > 0)
            r->stages[i].bandwidth_percent = 100 * lines / a->lines / (double)r->stages[i].cycles;
    }
}

static int by_finish(const void *x, const void *y)
{
    const weft_hardware_op *a = x, *b = y;
    if (a->finish != b->finish)
        return a->finish < b->finish ? -1 : 1;
    return a->start < b->start ? -1 : a->start > b->start;
}

weft_status weft_run_analytic(const weft_hardware_job *job, weft_hardware_result *out)
{
    analytic a = open_analytic(job, out);
    out->ops = calloc(MOST_OPS, sizeof *out->ops);
    out->stages = calloc(6, sizeof *out->stages);
    if (!out->ops || !out->stages)
        return weft_fail(WEFT_ERROR_MEMORY, "the analytic engine: memory is short");
    double end = 0;
    weft_status status = WEFT_OK;
    if (job->options->system == WEFT_SYSTEM_NPU)
        end = npu_only(&a);
    else if (job->options->sub_batch)
        status = split(&a, &end);
    else
        end = whole_batch(&a);
    if (status != WEFT_OK)
        return status;
    qsort(out->ops, (size_t)out->op_count, sizeof *out->ops, by_finish);
    fill_totals(&a, end);
    fill_stats(&a, end);
    return WEFT_OK;
}
