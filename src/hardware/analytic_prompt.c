/* Chunks of prompts by formulas: their attention on the NPU, as op_prompt.c lowers it, and what is appended to caches. */
#include <math.h>

#include "hardware/analytic.h"
#include "hardware/npu_core.h"

/* Fitted on the event engine: a vector operation's share of waiting for its turn to be issued. */
#define ISSUE 1.08

static double larger(double a, double b)
{
    return a > b ? a : b;
}

double weft_analytic_lines(const weft_analytic *a, double elements, int bits)
{
    int bytes = a->job->hardware->memory.request_bytes;
    bool aligned = a->job->options->fixed & WEFT_QUIRK_STREAM_ALIGNMENT;
    return ceil(elements * bits / 8 / bytes) + !aligned;
}

double weft_analytic_rows(const weft_analytic *a, double rows, double each)
{
    double share = a->in_turn ? each / a->job->hardware->npu.vector_units : 0;
    return rows * larger(share, 1); /* one is issued a cycle */
}

/* A chunk's work a group of queries that share a key, in cycles: scores, softmax, sums. */
typedef struct chunk_cycles {
    double score, softmax, attend, pairs;
} chunk_cycles;

static chunk_cycles cycles_of(const weft_analytic *a, const weft_hardware_request *q, int64_t queries)
{
    const weft_hardware_shape *s = a->job->shape;
    const weft_hardware_npu *npu = &a->job->hardware->npu;
    int64_t block = npu->systolic_width, rows = queries * q->tokens, before = q->length - q->tokens, row_blocks = 0;
    int64_t first = s->window && before + 1 > s->window ? before + 1 - s->window : 0;
    int64_t key_blocks = weft_ceil(q->length - first, block), depth = weft_ceil(s->head_dim, block);
    chunk_cycles c = {0};
    double visited = 0;
    for (int64_t from = 0; from < rows; from += block, row_blocks++) {
        int64_t to = weft_least(from + block, rows), j = from % q->tokens, last = j + to - from - 1;
        bool whole = last >= q->tokens; /* the block straddles two query heads */
        double begin = (double)before + 1 + (double)(whole ? 0 : j), end = (double)(before + (whole ? q->tokens : last + 1));
        double mean = (begin + end) / 2, seen = s->window ? fmin(mean, (double)s->window) : mean;
        visited += ceil((end - (s->window ? larger(begin - (double)s->window, 0) : 0)) / (double)block);
        double each = (double)weft_vector_cycles(npu, WEFT_SOFTMAX, (int64_t)seen);
        c.softmax += ISSUE * weft_analytic_rows(a, (double)(to - from), each);
        c.pairs += seen * (double)(to - from);
    }
    /* In the NPU-only system an array waits for its last result before it takes another operand (2.7). */
    double stream = larger((double)npu->systolic_height / npu->systolic_arrays, 4);
    double preload = a->job->options->system == WEFT_SYSTEM_NPU
                         ? (double)(npu->systolic_height + npu->systolic_width - 1) + stream
                         : (double)npu->systolic_height;
    double stay = (double)weft_least(row_blocks, key_blocks);
    c.score = (double)depth * (stay * preload + (visited - stay) * stream);
    c.attend = (double)depth * ((double)key_blocks * preload + (visited - (double)key_blocks) * stream);
    return c;
}

weft_analytic_cost weft_analytic_prompts(const weft_analytic *a, const weft_hardware_request *requests, int64_t count)
{
    const weft_hardware_shape *s = a->job->shape;
    int64_t heads = weft_ceil(s->heads, s->tensor_parallel), groups = weft_ceil(s->kv_heads, s->tensor_parallel);
    weft_analytic_cost c = {0};
    double memory = 0;
    for (int64_t i = 0; i < count; i++) {
        const weft_hardware_request *q = &requests[i];
        if (q->tokens <= 1)
            continue;
        chunk_cycles each = cycles_of(a, q, heads / groups);
        int64_t before = q->length - q->tokens, first = s->window && before + 1 > s->window ? before + 1 - s->window : 0;
        double keys = (double)((q->length - first) * s->head_dim), own = (double)(q->tokens * s->head_dim);
        /* One group's scores and sums overlap with another's softmax; the first and the last stand alone. */
        double alone = each.score + each.softmax + each.attend;
        c.cycles += (double)(groups - 1) * larger(each.score + each.attend, each.softmax) + alone + 3 * 270;
        c.loads +=
            (double)groups * 2 * weft_analytic_lines(a, keys, s->kv_bits) + (double)heads * weft_analytic_lines(a, own, 16);
        c.stores += (double)heads * weft_analytic_lines(a, own, 16);
        c.macs += 2 * each.pairs * (double)heads * (double)s->head_dim;
        memory = (c.loads + c.stores) / a->lines / a->efficiency;
    }
    c.bound[memory > c.cycles ? WEFT_BOUND_BANDWIDTH : WEFT_BOUND_COMPUTE] = 1;
    c.cycles = larger(c.cycles, memory);
    return c;
}

weft_analytic_cost weft_analytic_append(const weft_analytic *a, const weft_hardware_request *requests, int64_t count, bool chunks)
{
    const weft_hardware_shape *s = a->job->shape;
    const weft_hardware_memory *m = &a->job->hardware->memory;
    const weft_dram_timing *t = &m->timing;
    double width = (double)(s->head_dim * weft_ceil(s->kv_heads, s->tensor_parallel)), channel[64] = {0}, bus = 0, rows = 0;
    double line = (double)m->request_bytes * 8 / s->kv_bits, most = 0;
    double opening = (double)t->tFAW / 4 / m->ranks, burst = larger(t->burst, t->tCCD_L);
    weft_analytic_cost c = {0};
    if (!(a->job->options->fixed & WEFT_QUIRK_KV_APPEND))
        return c;
    for (int64_t i = 0; i < count; i++) {
        const weft_hardware_request *q = &requests[i];
        if ((q->tokens > 1) != chunks)
            continue;
        double tokens = (double)(q->tokens > 1 ? q->tokens : 1);
        if (s->window && tokens > (double)s->window)
            tokens = (double)s->window;
        double keys = tokens * ceil(width / line), lines = ceil(tokens / line), values = width * lines;
        double open = width * larger(0, opening * ceil(tokens / (line * m->columns)) - lines * burst);
        channel[q->channel] += (keys + values) * burst + open;
        bus += (keys + values) * burst;
        rows += open;
        c.loads += 2 * weft_analytic_lines(a, tokens * width, 16);
        c.stores += keys + values;
    }
    for (int i = 0; i < m->channels && i < 64; i++)
        most = larger(most, channel[i]);
    double refreshed = 1 - (double)(t->tRFC + t->tRP) / t->tREFI;
    c.bound[WEFT_BOUND_BANDWIDTH] = bus * refreshed;
    c.bound[WEFT_BOUND_ACTIVATE] = rows * refreshed;
    c.bound[WEFT_BOUND_REFRESH] = (bus + rows) * (1 - refreshed);
    c.cycles = c.stores > 0 ? most / refreshed * weft_analytic_clocks(a->job) + c.loads / a->lines : 0;
    return c;
}
