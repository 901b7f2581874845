/* Two halves of a batch. */
#include "hardware/sub_batch.h"

#include <stdlib.h>

#include "hardware/balance.h"

/* Members of the batch that decode, with their channels and estimated cycles. */
typedef struct decoding {
    int64_t *index, *cost;
    int32_t *channel;
    bool *second;
    int64_t count;
} decoding;

static void free_decoding(decoding *d)
{
    free(d->index);
    free(d->cost);
    free(d->channel);
    free(d->second);
}

static weft_status collect(const weft_hardware_job *job, decoding *d)
{
    const weft_hardware_shape *s = job->shape;
    const weft_hardware_memory *m = &job->hardware->memory;
    int64_t heads = s->heads / s->tensor_parallel;
    weft_attention_shape shape = {.embedding = heads * s->head_dim,
                                  .heads = heads,
                                  .head_size = s->head_dim,
                                  .row_elements = (int64_t)m->columns * m->request_bytes / 2,
                                  .banks = (int64_t)m->ranks * m->bankgroups * m->banks_per_group};
    size_t n = (size_t)job->count + 1;
    *d = (decoding){.index = malloc(n * sizeof *d->index),
                    .cost = malloc(n * sizeof *d->cost),
                    .channel = malloc(n * sizeof *d->channel),
                    .second = calloc(n, sizeof *d->second)};
    if (!d->index || !d->cost || !d->channel || !d->second)
        return weft_fail(WEFT_ERROR_MEMORY, "cannot allocate the sub-batches");
    for (int64_t i = 0; i < job->count; i++) {
        const weft_hardware_request *q = &job->requests[i];
        if (q->tokens > 1)
            continue;
        int64_t length = s->window > 0 && q->length > s->window ? s->window : q->length;
        d->index[d->count] = i;
        d->cost[d->count] = weft_attention_estimate(&shape, length);
        d->channel[d->count++] = q->channel;
    }
    return WEFT_OK;
}

/* Grains of the exact sums: as fine as their tables stay small. */
static int64_t grain_of(const decoding *d)
{
    int64_t most = 0;
    for (int64_t i = 0; i < d->count; i++)
        most += d->cost[i];
    return most / (1 << 20) + 1;
}

/* The exact sums leave the larger part of every channel to the second half: it goes to the one with less so far. */
static void even_out(decoding *d, int channels)
{
    int64_t total[2] = {0, 0};
    for (int channel = 0; channel < channels; channel++) {
        int64_t part[2] = {0, 0};
        for (int64_t i = 0; i < d->count; i++)
            if (d->channel[i] == channel)
                part[d->second[i]] += d->cost[i];
        bool swap = (part[0] > part[1]) == (total[0] > total[1]) && part[0] != part[1];
        for (int64_t i = 0; i < d->count && swap; i++)
            if (d->channel[i] == channel)
                d->second[i] = !d->second[i];
        total[0] += part[swap];
        total[1] += part[!swap];
    }
}

typedef struct chunk {
    int64_t tokens, index;
} chunk;

static int larger_first(const void *a, const void *b)
{
    const chunk *x = a, *y = b;
    if (x->tokens != y->tokens)
        return x->tokens < y->tokens ? 1 : -1;
    return x->index < y->index ? -1 : x->index > y->index;
}

static weft_status part_chunks(const weft_hardware_job *job, bool *second)
{
    int64_t rows[2] = {0, 0}, count = 0;
    chunk *chunks = malloc((size_t)(job->count + 1) * sizeof *chunks);
    if (!chunks)
        return weft_fail(WEFT_ERROR_MEMORY, "cannot allocate the sub-batches");
    for (int64_t i = 0; i < job->count; i++)
        if (job->requests[i].tokens > 1)
            chunks[count++] = (chunk){job->requests[i].tokens, i};
        else
            rows[second[i]]++;
    qsort(chunks, (size_t)count, sizeof *chunks, larger_first);
    for (int64_t i = 0; i < count; i++) {
        bool half = rows[1] < rows[0];
        second[chunks[i].index] = half;
        rows[half] += chunks[i].tokens;
    }
    free(chunks);
    return WEFT_OK;
}

weft_status weft_sub_batches(const weft_hardware_job *job, bool *second)
{
    decoding d;
    weft_status status = collect(job, &d);
    int channels = job->hardware->memory.channels;
    if (status == WEFT_OK)
        status = job->options->exact_halves ? weft_partition(d.channel, d.cost, d.count, channels, grain_of(&d), d.second)
                                            : weft_halves(d.channel, d.count, channels, d.second);
    if (status == WEFT_OK && job->options->exact_halves)
        even_out(&d, channels);
    int64_t in_second = 0;
    for (int64_t i = 0; i < job->count; i++)
        second[i] = false;
    for (int64_t i = 0; i < d.count && status == WEFT_OK; i++)
        second[d.index[i]] = d.second[i];
    free_decoding(&d);
    if (status == WEFT_OK)
        status = part_chunks(job, second);
    if (status != WEFT_OK)
        return status;
    for (int64_t i = 0; i < job->count; i++)
        in_second += second[i];
    if (!in_second || in_second == job->count)
        return weft_fail(WEFT_ERROR_ARGUMENT,
                         "sub-batches: with %lld request%s one half is empty; give more requests, or switch sub-batches off",
                         (long long)job->count, job->count == 1 ? "" : "s");
    return WEFT_OK;
}
