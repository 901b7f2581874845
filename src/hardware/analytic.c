/* A layer by formulas: operators on the NPU, stages, and the totals that an engine answers. */
#include "hardware/analytic.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hardware/bounds.h"
#include "hardware/sub_batch.h"

/* Cycles from a row's last operand to the retired tile: the pipeline's depth and a store's way to the memory. */
enum { DEPTH = 270, PRELOAD_DEPTH = 255, WAY = 40, MOST_OPS = 256 };

/* Fitted on the event engine's runs of the published machine; everything else follows from delays. */
#define OVERLAP         3.5  /* power mean of computing and loading: 1 would add them, infinity overlaps them wholly */
#define STORED          0.5  /* of a store's time that an operator waits for: stores are acknowledged before they are done */
#define BESIDE_PIM      0.72 /* of the stream's rate that is left while the memory computes */
#define APPENDED_BESIDE 1.8  /* more cycles that decoding appends take beside a stream */
#define APPENDING \
    0.85 /* of the time in which keys and values are appended that operators beside wait: loads go over all channels */

static double at_least(double a, double b)
{
    return a > b ? a : b;
}

static weft_analytic open_analytic(const weft_hardware_job *job, weft_hardware_result *out)
{
    const weft_hardware_memory *m = &job->hardware->memory;
    const weft_dram_timing *t = &m->timing;
    double apart = t->burst > t->tCCD_S ? t->burst : t->tCCD_S;
    weft_analytic a = {.job = job, .out = out};
    a.lines = m->channels / apart / weft_analytic_clocks(job);
    /* Each rank is refreshed for tRFC + tRP in tREFI; a stream in address order is in one rank at a time, so that one of `ranks`
     * refreshes meets it; half as much again passes while the queues fill up anew. */
    a.efficiency = 1 - 1.0 * (t->tRFC + t->tRP) / t->tREFI;
    a.fixed_stores = job->options->fixed & WEFT_QUIRK_MATMUL_STORES;
    a.fixed_lengths = job->options->fixed & WEFT_QUIRK_VECTOR_LENGTHS;
    a.in_turn = job->options->fixed & WEFT_QUIRK_VECTOR_OCCUPANCY;
    return a;
}

/* `cycles` of waiting for a stream: the bus, and the refreshes that stop it. */
static void wait_for_lines(const weft_analytic *a, weft_analytic_cost *c, double cycles)
{
    c->bound[WEFT_BOUND_BANDWIDTH] = cycles * a->efficiency;
    c->bound[WEFT_BOUND_REFRESH] = cycles * (1 - a->efficiency);
}

/* X[rows,K] · W[K,F]: blocks of height × width, each loaded once; the array takes a preload a block column and a block's rows. */
static weft_analytic_cost product(const weft_analytic *a, int64_t rows, int64_t K, int64_t F)
{
    const weft_hardware_npu *npu = &a->job->hardware->npu;
    int64_t H = npu->systolic_height, W = npu->systolic_width;
    int64_t kb = weft_ceil(K, H), fb = weft_ceil(F, W), rb = weft_ceil(rows, H);
    double block = weft_analytic_lines(a, (double)(H < K ? H : K) * (double)(W < F ? W : F), a->job->shape->weight_bits);
    double input = weft_analytic_lines(a, (double)(H < K ? H : K) * (double)(rows < H ? rows : H), 16);
    weft_analytic_cost c = {.macs = (double)rows * (double)K * (double)F};
    c.loads = (double)(kb * fb) * block + (double)(kb * rb) * input + (double)rb * weft_analytic_lines(a, (double)W, 16);
    c.stores = a->fixed_stores
                   ? (double)(rb * fb) * weft_analytic_lines(a, (double)(rows < H ? rows : H) * (double)(W < F ? W : F), 16)
                   : (double)rb * weft_analytic_lines(a, (double)(rows < W ? rows : W) * (double)(W < F ? W : F), 16);
    /* The array of the NPU-only system waits for its last result before it takes other weights (2.7). */
    double stream = at_least((double)H / npu->systolic_arrays, 4);
    double preload = a->job->options->system == WEFT_SYSTEM_NPU ? PRELOAD_DEPTH + stream : (double)H;
    double pass = (double)kb * (preload + (double)(fb - 1) * stream);
    double compute = pass + PRELOAD_DEPTH + DEPTH + WAY;
    /* Weights come with the first block of rows; the others overlap their inputs and outputs. */
    double moved = ((double)kb * input + STORED * c.stores / (double)rb) / a->lines / a->efficiency;
    double memory = (double)(kb * fb) * block / a->lines / a->efficiency + moved + DEPTH + 2 * WAY;
    double first = pow(pow(compute, OVERLAP) + pow(memory, OVERLAP), 1 / OVERLAP),
           later = (double)(rb - 1) * at_least(pass, moved);
    double loading = first * pow(memory / first, OVERLAP);
    c.cycles = first + later;
    wait_for_lines(a, &c, loading + (moved > pass ? later : 0));
    c.bound[WEFT_BOUND_COMPUTE] = first - loading + (moved > pass ? 0 : later);
    return c;
}

/* `rows` rows of E elements through the vector units: `in` of them loaded and one stored a row. */
static weft_analytic_cost by_rows(const weft_analytic *a, int64_t rows, int64_t E, int in, double row_cycles)
{
    weft_analytic_cost c = {0};
    double line = weft_analytic_lines(a, (double)E, 16);
    c.loads = (double)rows * in * line;
    c.stores = (double)rows * line;
    double memory = (c.loads + STORED * c.stores) / a->lines / a->efficiency;
    double compute = weft_analytic_rows(a, (double)rows, row_cycles);
    c.cycles = at_least(memory, compute) + row_cycles + WAY;
    wait_for_lines(a, &c, memory > compute ? memory : 0);
    c.bound[WEFT_BOUND_COMPUTE] = row_cycles + (memory > compute ? 0 : compute);
    c.bound[WEFT_BOUND_INTERCONNECT] = WAY;
    return c;
}

/* Attention on the NPU itself (2.7): K and V are streamed, products of one row follow one another through the pipeline. */
static weft_analytic_cost fused_attention(const weft_analytic *a, const weft_hardware_request *requests, int64_t count)
{
    const weft_hardware_shape *s = a->job->shape;
    const weft_hardware_npu *npu = &a->job->hardware->npu;
    int64_t heads = weft_ceil(s->heads, s->tensor_parallel), kv = weft_ceil(s->kv_heads, s->tensor_parallel);
    weft_analytic_cost c = {0};
    double compute = 0;
    for (int64_t i = 0; i < count; i++) {
        if (requests[i].tokens > 1)
            continue;
        int64_t length = s->window && requests[i].length > s->window ? s->window : requests[i].length;
        double chain = (double)length / npu->systolic_arrays + (double)(PRELOAD_DEPTH + 8) +
                       (double)weft_vector_cycles(npu, WEFT_SOFTMAX, length) +
                       (double)weft_ceil(length + npu->systolic_width - 1, npu->systolic_width) *
                           (PRELOAD_DEPTH + (double)s->head_dim / npu->systolic_arrays);
        compute += (double)heads * chain;
        c.loads += 2 * (double)kv * weft_analytic_lines(a, (double)length * (double)s->head_dim, s->kv_bits) +
                   (double)heads * weft_analytic_lines(a, (double)s->head_dim, 16);
        c.stores += (double)heads * weft_analytic_lines(a, (double)s->head_dim, 16);
        c.macs += 2.0 * (double)length * (double)heads * (double)s->head_dim;
    }
    double memory = (c.loads + c.stores) / a->lines / a->efficiency;
    c.cycles = compute > 0 ? at_least(compute, memory) + WAY : 0;
    wait_for_lines(a, &c, memory > compute ? memory : 0);
    c.bound[WEFT_BOUND_COMPUTE] = memory > compute ? 0 : compute;
    return c;
}

/* ---- stages ---- */

static double add_op(weft_analytic *a, char stage, const char *name, double start, bool pim, weft_analytic_cost c)
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
    weft_bounds_part(op->finish - op->start, c.bound, WEFT_BOUND_COMPUTE, op->bound);
    snprintf(op->name, sizeof op->name, "%s", name);
    a->busy += c.busy;
    a->totals[0] += c.loads, a->totals[1] += c.stores, a->totals[2] += c.rows_opened, a->totals[3] += c.gwrites;
    a->totals[4] += c.products, a->totals[5] += c.results;
    a->streaming += pim ? 0 : c.cycles;
    a->out->stats.macs += pim ? 0 : op->macs;
    a->out->stats.pim_macs += pim ? op->macs : 0;
    return start + c.cycles;
}

static double qkv(weft_analytic *a, char stage, double start, int64_t rows)
{
    const weft_hardware_shape *s = a->job->shape;
    double norm = (double)weft_vector_cycles(&a->job->hardware->npu, WEFT_LAYERNORM, a->fixed_lengths ? s->embed : 0);
    start = add_op(a, stage, "attn.ln", start, false, by_rows(a, rows, s->embed, 1, norm));
    return add_op(a, stage, "attn.QKVgen", start, false,
                  product(a, rows, s->embed, weft_ceil((s->heads + 2 * s->kv_heads) * s->head_dim, s->tensor_parallel)));
}

static double ffn(weft_analytic *a, char stage, double start, int64_t rows)
{
    const weft_hardware_shape *s = a->job->shape;
    const weft_hardware_npu *npu = &a->job->hardware->npu;
    int64_t inner = weft_ceil(s->inner, s->tensor_parallel), first = s->gated ? 2 * inner : inner, each = rows, used = 1;
    if (s->experts > 1) { /* as many experts as the tokens can reach, each with its share of them */
        used = rows * s->active_experts < s->experts ? rows * s->active_experts : s->experts;
        each = weft_ceil(rows * s->active_experts, used);
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
            weft_analytic_cost all = {.cycles = rest * (up.cycles + act.cycles + down.cycles),
                                      .loads = rest * (up.loads + act.loads + down.loads),
                                      .stores = rest * (up.stores + act.stores + down.stores),
                                      .macs = rest * (up.macs + down.macs)};
            for (int k = 0; k < WEFT_BOUNDS; k++)
                all.bound[k] = up.bound[k] + act.bound[k] + down.bound[k];
            return add_op(a, stage, "ffn.experts", start, false, all);
        }
    }
    return start;
}

static double all_reduce(weft_analytic *a, char stage, const char *name, double start, int64_t rows)
{
    const weft_hardware *h = a->job->hardware;
    double bytes = 2.0 * (double)(rows * a->job->shape->embed);
    weft_analytic_cost c = {.bound = {[WEFT_BOUND_INTERCONNECT] = 1}};
    c.cycles = weft_hardware_all_reduce(&h->link, a->job->shape->tensor_parallel, bytes) * h->npu.core_mhz * 1e6;
    bool needed = a->job->options->fixed & WEFT_QUIRK_ALL_REDUCE && c.cycles > 0;
    return needed ? add_op(a, stage, name, start, false, c) : start;
}

static double proj_ffn(weft_analytic *a, char stage, double start, int64_t rows)
{
    const weft_hardware_shape *s = a->job->shape;
    const weft_hardware_npu *npu = &a->job->hardware->npu;
    double norm = (double)weft_vector_cycles(npu, WEFT_LAYERNORM, a->fixed_lengths ? s->embed : 0);
    double add = a->fixed_lengths ? ceil((double)s->embed / npu->vector_width) * npu->add_latency : 0;
    start = add_op(a, stage, "attn.proj", start, false,
                   product(a, rows, weft_ceil(s->heads * s->head_dim, s->tensor_parallel), s->embed));
    start = all_reduce(a, stage, "attn.allreduce", start, rows);
    start = add_op(a, stage, "attn.res", start, false, by_rows(a, rows, s->embed, 2, add));
    start = add_op(a, stage, "ffn.ln", start, false, by_rows(a, rows, s->embed, 1, norm));
    start = all_reduce(a, stage, "ffn.allreduce", ffn(a, stage, start, rows), rows);
    return add_op(a, stage, "ffn.res", start, false, by_rows(a, rows, s->embed, 2, add));
}

static double attention(weft_analytic *a, char stage, double start, const weft_hardware_request *r, int64_t count)
{
    weft_analytic_cost appended = weft_analytic_append(a, r, count, false), logit = weft_analytic_logit(a->job, r, count);
    if (appended.stores > 0)
        start = add_op(a, stage, "attn.append", start, true, appended);
    if (logit.macs <= 0)
        return start;
    start = add_op(a, stage, "attn.NeuPIMSLogitSoftmax", start, true, logit);
    return add_op(a, stage, "attn.NeuPIMSAttend", start, true, weft_analytic_attend(a->job, r, count));
}

/* Attention of prompts' chunks, which is matrix by matrix and so the NPU's. */
static double prompts(weft_analytic *a, char stage, double start, const weft_hardware_request *r, int64_t count)
{
    weft_analytic_cost c = weft_analytic_prompts(a, r, count);
    return c.macs > 0 ? add_op(a, stage, "attn.prompt", start, false, c) : start;
}

/* Chunks' keys and values, beside what the NPU does. */
static double append_chunks(weft_analytic *a, char stage, double start, const weft_hardware_request *r, int64_t count)
{
    weft_analytic_cost c = weft_analytic_append(a, r, count, true);
    return c.stores > 0 ? add_op(a, stage, "attn.append", start, true, c) : start;
}

/* Ends of the NPU's and the memory's programs; where both run, the NPU's streams are slower as long as the memory computes. */
static double end_stage(weft_analytic *a, char name, double start, double npu, double pim, double *busy)
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

static double whole_batch(weft_analytic *a)
{
    const weft_hardware_request *r = a->job->requests;
    int64_t count = a->job->count, rows = rows_of(r, count);
    double busy = 0, t = 0, end = qkv(a, 'A', 0, rows);
    t = end_stage(a, 'A', t, end, 0, &busy);
    bool blocked = a->job->options->system == WEFT_SYSTEM_NPU_PIM; /* one row buffer: the one after the other */
    double npu = prompts(a, 'B', t, r, count);
    end = attention(a, 'B', blocked ? npu : t, r, count);
    t = end_stage(a, 'B', t, blocked ? 0 : npu, end, &busy);
    end = append_chunks(a, 'E', t, r, count);
    npu = proj_ffn(a, 'E', t, rows) + APPENDING * (end - t);
    return end_stage(a, 'E', t, at_least(npu, end), 0, &busy);
}

/* A stage whose NPU program ends at `npu` beside a half's attention in memory, and what is appended. */
static double end_beside(weft_analytic *a, char name, double start, double npu, const weft_hardware_request *r, int64_t count,
                         double *busy)
{
    double attended = attention(a, name, start, r, count), appended = append_chunks(a, name, attended, r, count);
    appended += APPENDED_BESIDE * weft_analytic_append(a, r, count, false).cycles;
    return end_stage(a, name, start, npu + APPENDING * (appended - attended), appended, busy);
}

/* Two half batches, one on the NPU while the other is in the memory. half[2], size[2]. */
static double two_halves(weft_analytic *a, const weft_hardware_request *const half[2], const int64_t size[2])
{
    int64_t rows[2] = {rows_of(half[0], size[0]), rows_of(half[1], size[1])};
    double busy = 0, t = 0;
    t = end_stage(a, 'A', 0, qkv(a, 'A', 0, rows[0]), 0, &busy);
    double npu = prompts(a, 'B', qkv(a, 'B', t, rows[1]), half[0], size[0]);
    t = end_beside(a, 'B', t, npu, half[0], size[0], &busy);
    for (int i = 0; i < 2; i++) {
        char name = (char)('C' + i);
        npu = qkv(a, name, proj_ffn(a, name, t, rows[i]), rows[i]);
        npu = prompts(a, name, npu, half[!i], size[!i]);
        t = end_beside(a, name, t, npu, half[!i], size[!i], &busy);
    }
    npu = prompts(a, 'E', proj_ffn(a, 'E', t, rows[0]), half[1], size[1]);
    t = end_beside(a, 'E', t, npu, half[1], size[1], &busy);
    return end_stage(a, 'F', t, proj_ffn(a, 'F', t, rows[1]), 0, &busy);
}

static weft_status split(weft_analytic *a, double *end)
{
    const weft_hardware_job *job = a->job;
    bool *second = malloc((size_t)job->count + 1);
    weft_hardware_request *both = malloc((size_t)(job->count + 1) * sizeof *both);
    weft_status status = second && both ? WEFT_OK : weft_fail(WEFT_ERROR_MEMORY, "the analytic engine: memory is short");
    int64_t size[2] = {0, 0};
    if (status == WEFT_OK)
        status = weft_sub_batches(job, second);
    for (int which = 0; which < 2 && status == WEFT_OK; which++)
        for (int64_t i = 0; i < job->count; i++)
            if (second[i] == (which == 1))
                both[size[0] + size[1]] = job->requests[i], size[which]++;
    if (status == WEFT_OK)
        *end = two_halves(a, (const weft_hardware_request *const[]){both, both + size[0]}, size);
    free(second);
    free(both);
    return status;
}

static double npu_only(weft_analytic *a)
{
    const weft_hardware_request *r = a->job->requests;
    int64_t rows = rows_of(r, a->job->count);
    double t = qkv(a, 0, 0, rows);
    t += (double)a->job->count + 1; /* bookkeeping: a core cycle a request, and one for the batch, before and after */
    weft_analytic_cost fused = fused_attention(a, r, a->job->count);
    if (fused.macs > 0)
        t = add_op(a, 0, "attn.attn.FusedMHA", t, false, fused);
    t = prompts(a, 0, t, r, a->job->count);
    t += (double)a->job->count + 1;
    return proj_ffn(a, 0, t, rows);
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
    weft_analytic a = open_analytic(job, out);
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
    weft_analytic_totals(&a, end);
    weft_analytic_stats(&a, end);
    return WEFT_OK;
}
