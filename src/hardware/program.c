/* Requests into channels' rows and sub-batches, and the stages of an iteration. */
#include "hardware/program.h"

#include <stdlib.h>

#include "hardware/sub_batch.h"

static const int64_t first_kv_row = 513; /* rows below hold weights and activations: the address stream's */

/* Rows of K: 32 tokens × 512 dimensions each; of V: 512 tokens × 32 dimensions. The published simulator gives every rank the
 * whole width. */
static void count_rows(const weft_work *w, int64_t length, int64_t *k_rows, int64_t *v_rows)
{
    bool own = w->fixed & WEFT_QUIRK_KV_ROWS;
    int64_t width = own ? w->kv_heads * w->dk : w->shape->embed;
    *k_rows = weft_ceil(length, w->row_groups) * weft_ceil(width, w->row_elements);
    *v_rows = weft_ceil(length, w->row_elements) * weft_ceil(width, w->row_groups);
    if (own) /* a head's parts are whole rows */
        *v_rows = weft_ceil(length, w->row_elements) * weft_ceil(w->dk, w->row_groups) * w->kv_heads;
}

static int64_t attended(const weft_hardware_shape *s, int64_t length)
{
    return s->window > 0 ? weft_least(length, s->window) : length;
}

static weft_status place_requests(const weft_hardware_job *job, weft_schedule *s)
{
    const weft_dram_rules *r = &s->rules;
    s->requests = calloc((size_t)job->count + 1, sizeof *s->requests);
    if (!s->requests)
        return weft_fail(WEFT_ERROR_MEMORY, "cannot allocate %lld requests", (long long)job->count);
    int line = job->hardware->memory.request_bytes;
    int64_t lines_a_row = (int64_t)1 << (r->column_bits + r->channel_bits + r->bank_bits);
    int64_t stream_rows = weft_ceil(weft_ceil(s->stream_bytes, line), lines_a_row);
    int64_t base = stream_rows > first_kv_row ? stream_rows : first_kv_row;
    if (stream_rows > r->rows)
        return weft_fail(WEFT_ERROR_ARGUMENT, "memory rows is %lld; the weights' addresses alone take %lld", (long long)r->rows,
                         (long long)stream_rows);
    bool in_memory = r->kind != WEFT_MEMORY_PLAIN;
    for (int channel = 0; channel < r->channels; channel++) {
        int64_t row = base, fit = 0;
        for (int64_t i = 0; i < job->count; i++) {
            if (job->requests[i].channel != channel)
                continue;
            const weft_hardware_request *q = &job->requests[i];
            weft_kv kv = {.length = attended(job->shape, q->length),
                          .position = q->length,
                          .tokens = q->tokens > 1 ? q->tokens : 1,
                          .channel = channel,
                          .first_row = row,
                          .index = i};
            int64_t k_rows, v_rows;
            count_rows(&s->work, kv.length, &k_rows, &v_rows);
            kv.k_rows = k_rows;
            row += k_rows + v_rows;
            if (in_memory && row > r->rows)
                return weft_fail(WEFT_ERROR_ARGUMENT,
                                 "request %lld (%lld tokens): its keys and values pass the %lld rows of channel %d; %lld of the "
                                 "channel's requests fit",
                                 (long long)i + 1, (long long)job->requests[i].length, (long long)r->rows, channel,
                                 (long long)fit);
            fit++;
            s->requests[s->count++] = kv;
        }
    }
    return WEFT_OK;
}

/* Puts the requests into the order of the batches: sub-batch by sub-batch, decoding ones before chunks of prompts. */
static weft_status make_batches(const weft_hardware_job *job, weft_schedule *s)
{
    bool *second = calloc((size_t)job->count + 1, sizeof *second);
    weft_kv *ordered = malloc((size_t)(s->count + 1) * sizeof *ordered);
    weft_status status = second && ordered ? WEFT_OK : weft_fail(WEFT_ERROR_MEMORY, "cannot allocate the sub-batches");
    if (status == WEFT_OK && job->options->sub_batch)
        status = weft_sub_batches(job, second);
    int64_t at = 0;
    for (int half = 0; half < 2 && status == WEFT_OK; half++) {
        weft_batch *b = &s->batch[half];
        b->requests = ordered + at;
        for (int chunks = 0; chunks < 2; chunks++)
            for (int64_t i = 0; i < s->count; i++) {
                const weft_kv *kv = &s->requests[i];
                if (second[kv->index] != (half == 1) || (kv->tokens > 1) != (chunks == 1))
                    continue;
                ordered[at++] = *kv;
                b->count++;
                b->decoding += !chunks;
                b->rows += kv->tokens;
            }
    }
    free(second);
    if (status != WEFT_OK) {
        free(ordered);
        return status;
    }
    free(s->requests);
    s->requests = ordered;
    return WEFT_OK;
}

/* What a stage does to a half (or, without sub-batches, to all). */
typedef enum part { PART_NONE = 0, PART_QKV, PART_REST, PART_ATTENTION, PART_PROMPTS, PART_APPEND } part;

typedef struct stage_row {
    char name;
    struct {
        part part;
        int half;
    } npu[3], pim[2]; /* in order */
} stage_row;

/* Chunks of prompts attend on the NPU while their half's other requests do in memory. Their keys and values, which no one reads
 * before the next iteration, are appended beside matrices. */
static const stage_row alternating[] = {
    {'A', {{PART_QKV, 0}}, {{PART_NONE, 0}}},
    {'B', {{PART_QKV, 1}, {PART_PROMPTS, 0}}, {{PART_ATTENTION, 0}, {PART_APPEND, 0}}},
    {'C', {{PART_REST, 0}, {PART_QKV, 0}, {PART_PROMPTS, 1}}, {{PART_ATTENTION, 1}, {PART_APPEND, 1}}},
    {'D', {{PART_REST, 1}, {PART_QKV, 1}, {PART_PROMPTS, 0}}, {{PART_ATTENTION, 0}, {PART_APPEND, 0}}},
    {'E', {{PART_REST, 0}, {PART_PROMPTS, 1}}, {{PART_ATTENTION, 1}, {PART_APPEND, 1}}},
    {'F', {{PART_REST, 1}}, {{PART_NONE, 0}}},
};

static const stage_row whole[] = {
    {'A', {{PART_QKV, 0}}, {{PART_NONE, 0}}},
    {'B', {{PART_PROMPTS, 0}}, {{PART_ATTENTION, 0}}},
    {'E', {{PART_REST, 0}}, {{PART_APPEND, 0}}},
};

static weft_status add_part(const weft_work *w, part which, weft_batch batch, weft_program *p)
{
    switch (which) {
    case PART_QKV:
        return weft_layer_qkv(w, batch, p);
    case PART_REST:
        return weft_layer_rest(w, batch, p);
    case PART_ATTENTION:
        return weft_layer_attention(w, batch, p);
    case PART_APPEND:
        return weft_layer_prompts_append(w, batch, p);
    case PART_PROMPTS:
        return weft_layer_prompts(w, batch, p);
    case PART_NONE:
        break;
    }
    return WEFT_OK;
}

static weft_status make_stages(weft_schedule *s, const stage_row *rows, int count)
{
    weft_status status = WEFT_OK;
    for (int i = 0; i < count && status == WEFT_OK; i++) {
        weft_stage_plan *stage = &s->stage[s->stage_count++];
        stage->name = rows[i].name;
        for (int k = 0; k < 3 && status == WEFT_OK; k++)
            status = add_part(&s->work, rows[i].npu[k].part, s->batch[rows[i].npu[k].half], &stage->program[WEFT_PROGRAM_NPU]);
        for (int k = 0; k < 2 && status == WEFT_OK; k++)
            status = add_part(&s->work, rows[i].pim[k].part, s->batch[rows[i].pim[k].half], &stage->program[WEFT_PROGRAM_PIM]);
    }
    return status;
}

/* The NPU-only system keeps the trace's order. */
static int by_index(const void *a, const void *b)
{
    int64_t i = ((const weft_kv *)a)->index, j = ((const weft_kv *)b)->index;
    return (i > j) - (i < j);
}

weft_status weft_schedule_make(const weft_hardware_job *job, weft_schedule *s)
{
    *s = (weft_schedule){0};
    weft_dram_rules_make(&job->hardware->memory, job->options->fixed, &s->rules);
    weft_work_make(job, &s->rules, &s->work);
    bool npu_only = job->options->system == WEFT_SYSTEM_NPU;
    int64_t embed = job->shape->embed;
    s->stream_bytes = embed * embed * 10 / (npu_only ? 1 : job->shape->tensor_parallel);
    weft_status status = place_requests(job, s);
    if (status == WEFT_OK && npu_only)
        qsort(s->requests, (size_t)s->count, sizeof *s->requests, by_index);
    if (status == WEFT_OK)
        status = make_batches(job, s);
    if (status != WEFT_OK)
        return status;
    if (npu_only) {
        s->stage_count = 1;
        return weft_layer_npu_only(&s->work, s->batch[0], &s->stage[0].program[WEFT_PROGRAM_NPU]);
    }
    return job->options->sub_batch ? make_stages(s, alternating, WEFT_MOST_STAGES) : make_stages(s, whole, 3);
}

void weft_schedule_free(weft_schedule *s)
{
    for (int i = 0; i < WEFT_MOST_STAGES; i++)
        for (int k = 0; k < WEFT_PROGRAMS; k++)
            free(s->stage[i].program[k].ops);
    free(s->requests);
}
