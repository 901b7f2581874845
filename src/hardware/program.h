/* What runs in which order: requests are put into batches and rows, and each stage gets a program for the NPU and one for the
 * memory. */
#ifndef WEFT_HARDWARE_PROGRAM_H
#define WEFT_HARDWARE_PROGRAM_H

#include "hardware/engines.h"
#include "hardware/ops.h"

enum { WEFT_MOST_STAGES = 6, WEFT_PROGRAMS = 2, WEFT_PROGRAM_NPU = 0, WEFT_PROGRAM_PIM = 1 };

typedef struct weft_program {
    weft_op *ops; /* [count] */
    int count, current, capacity;
} weft_program;

typedef struct weft_stage_plan {
    char name; /* 'A' … 'F'; 0: the NPU-only system has one without a name */
    weft_program program[WEFT_PROGRAMS];
} weft_stage_plan;

/* Requests that an iteration computes together: those that decode first, then chunks of prompts. */
typedef struct weft_batch {
    const weft_kv *requests;
    int64_t count, decoding;
    int64_t rows; /* tokens */
} weft_batch;

typedef struct weft_schedule {
    weft_work work;
    weft_dram_rules rules;
    weft_kv *requests; /* [count], by channel, then as given; or by sub-batch, each in that order, with `batch` views of them */
    int64_t count;
    weft_batch batch[2]; /* the sub-batches; without them, the first is all */
    weft_stage_plan stage[WEFT_MOST_STAGES];
    int stage_count;
    int64_t stream_bytes; /* the address stream starts over after so many */
} weft_schedule;

/* Everything the engines need to know before the first clock. */
weft_status weft_schedule_make(const weft_hardware_job *, weft_schedule *out);
void weft_schedule_free(weft_schedule *);

/* Heads, KV heads and feed-forward width of one rank; the published shape has all heads alike. */
weft_status weft_work_make(const weft_hardware_job *, const weft_dram_rules *, weft_work *out);

/* The operators of a program (layer.c). */
weft_status weft_layer_qkv(const weft_work *, weft_batch, weft_program *);
weft_status weft_layer_attention(const weft_work *, weft_batch,
                                 weft_program *); /* in memory, of decoding requests; appends first */
weft_status weft_layer_prompts(const weft_work *, weft_batch, weft_program *); /* on the NPU: of chunks */
weft_status weft_layer_prompts_append(const weft_work *, weft_batch, weft_program *);
weft_status weft_layer_rest(const weft_work *, weft_batch, weft_program *); /* projection and feed-forward */
weft_status weft_layer_npu_only(const weft_work *, weft_batch, weft_program *);

#endif
