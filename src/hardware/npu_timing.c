/* How long the core's units take: vector operations, and blocks in the systolic pipeline. */
#include "hardware/npu_core_inner.h"

static int64_t adder_tree(int64_t elements, int64_t width)
{
    int64_t levels = 1;
    while (elements > width) {
        elements = weft_ceil(elements, width);
        levels += elements;
    }
    return levels;
}

int64_t weft_vector_cycles(const weft_hardware_npu *n, weft_opcode code, int64_t elements)
{
    int64_t vectors = weft_ceil(elements, n->vector_width),
            tree = 2 * adder_tree(elements, n->vector_width) * n->add_tree_latency;
    switch (code) {
    case WEFT_LAYERNORM:
        return tree + 2 * n->scalar_mul_latency + n->scalar_sqrt_latency + vectors * (2 * n->add_latency + 3 * n->mul_latency);
    case WEFT_SOFTMAX:
        return tree + vectors * (n->add_latency + n->exp_latency + n->mul_latency);
    case WEFT_ADD:
        return vectors * n->add_latency;
    case WEFT_GELU:
        return vectors * n->gelu_latency;
    default:
        return 0;
    }
}

/* The last row enters after the others, and leaves after height + width steps. */
int64_t weft_block_cycles(const weft_hardware_npu *n, int64_t rows)
{
    return n->systolic_height + n->systolic_width - 2 + (rows > 4 ? rows : 4);
}

weft_stage_entry weft_core_streamed_block(const weft_core *c, weft_opcode code, int64_t size, uint32_t tag)
{
    const weft_hardware_npu *n = &c->work->hardware->npu;
    bool preload = code == WEFT_GEMM_PRELOAD;
    int64_t start = c->now + (preload ? 2 * n->systolic_height - 1 : 0);
    if (c->pipeline.count) {
        const weft_stage_entry *last = weft_ring_at(&c->pipeline, c->pipeline.count - 1);
        start = last->start + (preload ? n->systolic_height : last->size > 4 ? last->size : 4);
        if (c->work->fixed & WEFT_QUIRK_PIPELINE_START && start < c->now)
            start = c->now;
    }
    return (weft_stage_entry){start, start + weft_block_cycles(n, size), size, tag};
}

weft_stage_entry weft_core_blocked_block(const weft_core *c, weft_opcode code, int64_t size, uint32_t tag)
{
    const weft_hardware_npu *n = &c->work->hardware->npu;
    int64_t through = n->systolic_height + n->systolic_width - 1, start = c->now;
    if (!c->pipeline.count) {
        start += code == WEFT_GEMV_PRELOAD ? n->systolic_arrays : code == WEFT_GEMM_PRELOAD ? n->systolic_height : 0;
    } else {
        const weft_stage_entry *last = weft_ring_at(&c->pipeline, c->pipeline.count - 1);
        start = code != WEFT_GEMM ? last->finish : (start > last->finish - through ? start : last->finish - through);
    }
    return (weft_stage_entry){start, start + through + size, size, tag};
}

static int64_t newest_finish(const weft_core *c, int unit)
{
    return ((const weft_stage_entry *)weft_ring_at(&c->vector[unit], c->vector[unit].count - 1))->finish;
}

int weft_core_choose_unit(const weft_core *c)
{
    int units = c->work->hardware->npu.vector_units, chosen = 0;
    for (int i = 0; i < units; i++)
        if (!c->vector[i].count)
            return i;
    bool in_turn = c->work->fixed & WEFT_QUIRK_VECTOR_OCCUPANCY;
    for (int i = 1; i < units; i++)
        if (newest_finish(c, i) < (in_turn ? newest_finish(c, chosen) : c->now))
            chosen = i;
    return chosen;
}

weft_stage_entry weft_core_vector_operation(const weft_core *c, weft_opcode code, int64_t size, int unit, uint32_t tag)
{
    int64_t start = c->now;
    if (c->work->fixed & WEFT_QUIRK_VECTOR_OCCUPANCY && c->vector[unit].count && newest_finish(c, unit) > start)
        start = newest_finish(c, unit);
    return (weft_stage_entry){start, start + weft_vector_cycles(&c->work->hardware->npu, code, size), size, tag};
}
