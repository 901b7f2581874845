/* The core's clock: what finishes, what is sent, what is issued, in the published simulator's order. */
#include "hardware/npu_core_inner.h"

weft_status weft_core_open(weft_core *c, const weft_work *work, weft_network *network, weft_core_style style,
                           weft_line_order order, int64_t stream_bytes)
{
    *c = (weft_core){.work = work, .network = network, .style = style, .order = order};
    weft_stream_start(&c->stream, stream_bytes, work->hardware->memory.request_bytes, work->fixed & WEFT_QUIRK_STREAM_ALIGNMENT);
    for (int side = 0; side < WEFT_SIDES; side++)
        for (int kind = 0; kind < WEFT_QUEUES; kind++)
            weft_ring_init(&c->queue[side][kind], sizeof(uint32_t));
    weft_ring_init(&c->pipeline, sizeof(weft_stage_entry));
    int units = work->hardware->npu.vector_units;
    c->vector = calloc((size_t)units, sizeof *c->vector);
    if (!c->vector)
        return weft_fail(WEFT_ERROR_MEMORY, "cannot allocate the vector units");
    for (int i = 0; i < units; i++)
        weft_ring_init(&c->vector[i], sizeof(weft_stage_entry));
    for (int i = 0; i < WEFT_BUFFERS; i++)
        if (!weft_buffer_reach(&c->spad[i], 0) || !weft_buffer_reach(&c->accumulator[i], 0))
            return weft_fail(WEFT_ERROR_MEMORY, "cannot allocate the scratchpads");
    return WEFT_OK;
}

void weft_core_close(weft_core *c)
{
    for (int i = 0; i < WEFT_TILE_SLOTS; i++)
        weft_tile_free(&c->tile[i]);
    for (int i = 0; i < WEFT_BUFFERS; i++) {
        weft_buffer_free(&c->spad[i]);
        weft_buffer_free(&c->accumulator[i]);
    }
    for (int side = 0; side < WEFT_SIDES; side++)
        for (int kind = 0; kind < WEFT_QUEUES; kind++)
            weft_ring_free(&c->queue[side][kind]);
    weft_ring_free(&c->pipeline);
    for (int i = 0; c->vector && i < c->work->hardware->npu.vector_units; i++)
        weft_ring_free(&c->vector[i]);
    free(c->vector);
    free(c->addresses);
    weft_line_set_free(&c->line_set);
}

/* ---- Tiles. ---- */

bool weft_core_can_issue(const weft_core *c, bool pim, bool accumulates)
{
    if (pim)
        return c->resident_count[WEFT_SIDE_PIM] == 0;
    if (c->resident_count[WEFT_SIDE_NPU] >= WEFT_TILE_SLOTS - 2)
        return false;
    int spad = c->spad_half ^ 1, accumulator = c->accumulator_half ^ 1;
    for (int i = 0; i < c->resident_count[WEFT_SIDE_NPU]; i++) {
        const weft_tile *t = &c->tile[c->resident[WEFT_SIDE_NPU][i]];
        if (t->spad == spad && (t->loads || t->computes))
            return false;
        if (!accumulates && t->accumulator == accumulator && t->accumulator_io)
            return false;
    }
    return true;
}

weft_tile *weft_core_slot(weft_core *c)
{
    for (int i = 0; i < WEFT_TILE_SLOTS; i++)
        if (!c->tile[i].resident)
            return &c->tile[i];
    return NULL;
}

static void push_tag(weft_core *c, weft_ring *ring, uint32_t tag)
{
    uint32_t *slot = weft_ring_push(ring);
    if (slot)
        *slot = tag;
    else
        c->status = WEFT_ERROR_MEMORY;
}

static void plan(weft_core *c, weft_tile *tile, uint32_t key, int change)
{
    weft_buffer *b = &c->accumulator[tile->accumulator];
    if (weft_buffer_reach(b, key))
        b->entries[key].planned += change;
    else
        c->status = WEFT_ERROR_MEMORY;
}

void weft_core_issue(weft_core *c, weft_tile *tile)
{
    int slot = (int)(tile - c->tile), side = tile->pim ? WEFT_SIDE_PIM : WEFT_SIDE_NPU;
    if (tile->failed)
        c->status = WEFT_ERROR_MEMORY;
    if (tile->pim) {
        tile->spad = tile->accumulator = WEFT_PIM_BUFFER;
    } else {
        tile->spad = c->spad_half ^= 1;
        if (!tile->accumulates)
            c->accumulator_half ^= 1;
        tile->accumulator = c->accumulator_half;
    }
    weft_buffer_clear(&c->spad[tile->spad]);
    if (!tile->accumulates)
        weft_buffer_clear(&c->accumulator[tile->accumulator]);
    tile->loads = tile->computes = tile->accumulator_io = 0;
    tile->resident = true;
    tile->issued = c->cycle;
    for (uint32_t i = 0; i < tile->count; i++) {
        const weft_instruction *in = &tile->instructions[i];
        weft_queue_kind kind = weft_opcode_queue((weft_opcode)in->code);
        push_tag(c, &c->queue[side][kind], (uint32_t)slot << SLOT_SHIFT | i);
        tile->loads += kind == WEFT_QUEUE_LOAD && in->code != WEFT_PIM_HEADER;
        tile->accumulator_io += kind != WEFT_QUEUE_LOAD;
        tile->computes += kind == WEFT_QUEUE_EXECUTE;
        if (kind == WEFT_QUEUE_EXECUTE)
            plan(c, tile, in->key, 1);
    }
    c->resident[side][c->resident_count[side]++] = slot;
    c->poked = true;
}

const weft_tile *weft_core_retire(weft_core *c)
{
    if (!c->finished_count)
        return NULL;
    weft_tile *tile = &c->tile[c->finished[0]];
    for (int i = 1; i < c->finished_count; i++)
        c->finished[i - 1] = c->finished[i];
    c->finished_count--;
    tile->resident = false;
    c->poked = true;
    return tile;
}

/* ---- The tick. ---- */

static void tell(const weft_core *c, weft_hardware_unit unit, int index, const char *name, int64_t start, int64_t finish)
{
    if (!c->sink)
        return;
    int64_t offset = c->cycle - c->now; /* own cycles to the machine's */
    weft_hardware_event event = {
        .unit = unit, .index = index, .name = name, .stage = c->stage, .start = start + offset, .finish = finish + offset};
    c->sink(c->sink_user, &event);
}

static void finish_compute(weft_core *c, uint32_t tag)
{
    weft_tile *tile = weft_core_tile(c, tag);
    uint32_t key = weft_core_instruction(c, tag)->key;
    weft_core_fill(&c->accumulator[tile->accumulator], key);
    plan(c, tile, key, -1);
    tile->accumulator_io--;
    tile->computes--;
    c->acted = true;
}

static void finish_computes(weft_core *c)
{
    weft_stage_entry *head = weft_ring_head(&c->pipeline);
    if (head && head->finish <= c->now) {
        finish_compute(c, head->tag);
        weft_ring_pop(&c->pipeline);
        if (!c->pipeline.count)
            c->stats.systolic_busy += c->now - c->pipeline_since;
    }
    for (int i = 0; i < c->work->hardware->npu.vector_units; i++) {
        head = weft_ring_head(&c->vector[i]);
        if (head && head->finish <= c->now) {
            finish_compute(c, head->tag);
            weft_ring_pop(&c->vector[i]);
        }
    }
}

static void issue_load(weft_core *c, int side, uint32_t tag)
{
    weft_tile *tile = weft_core_tile(c, tag);
    const weft_instruction *in = weft_core_instruction(c, tag);
    int64_t lines = weft_core_send_elements(c, in->size, tag, WEFT_ACCESS_READ, side);
    weft_core_reserve(c, in->to_accumulator ? &c->accumulator[tile->accumulator] : &c->spad[tile->spad], in->key, lines);
    tile->loads += lines - 1;
}

static void issue_pim_command(weft_core *c, uint32_t tag)
{
    static const weft_access_type types[WEFT_OPCODES] = {
        [WEFT_PIM_GWRITE] = WEFT_ACCESS_GWRITE,
        [WEFT_PIM_HEADER] = WEFT_ACCESS_P_HEADER,
        [WEFT_PIM_COMP] = WEFT_ACCESS_COMP,
        [WEFT_PIM_READRES] = WEFT_ACCESS_READRES,
        [WEFT_PIM_COMPS_READRES] = WEFT_ACCESS_COMPS_READRES,
    };
    const weft_instruction *in = weft_core_instruction(c, tag);
    if (in->code == WEFT_PIM_READRES || in->code == WEFT_PIM_COMPS_READRES)
        weft_core_reserve(c, &c->spad[WEFT_PIM_BUFFER], in->key, 1);
    weft_dram_place p = weft_dram_place_of(c->work->rules, in->address);
    weft_burst one = {weft_dram_line(c->work->rules, p), 1, tag, (uint8_t)types[in->code]};
    weft_network_send(c->network, p.channel, WEFT_LANE_PIM, one);
    c->stats.pim_commands++;
}

static void issue_loads(weft_core *c, int side)
{
    weft_ring *queue = &c->queue[side][WEFT_QUEUE_LOAD];
    for (uint32_t *head; (head = weft_ring_head(queue));) {
        uint32_t tag = *head;
        weft_ring_pop(queue);
        if (weft_core_instruction(c, tag)->code == WEFT_MOVIN)
            issue_load(c, side, tag);
        else
            issue_pim_command(c, tag);
        c->acted = true;
        if (side == WEFT_SIDE_NPU && c->style.one_load)
            break;
    }
}

static void issue_store(weft_core *c, int side)
{
    weft_ring *queue = &c->queue[side][WEFT_QUEUE_STORE];
    const uint32_t *head = weft_ring_head(queue);
    if (!head)
        return;
    uint32_t tag = *head;
    weft_tile *tile = weft_core_tile(c, tag);
    const weft_instruction *in = weft_core_instruction(c, tag);
    const weft_buffer *b = &c->accumulator[tile->accumulator];
    /* The published simulator stores an entry that is valid between two accumulations. */
    if (!weft_buffer_valid(b, in->key) || (c->work->fixed & WEFT_QUIRK_ACCUMULATOR_RACE && b->entries[in->key].planned))
        return;
    weft_ring_pop(queue);
    tile->accumulator_io += (in->pieces ? weft_core_send_pieces(c, in, tag, side)
                                        : weft_core_send_elements(c, in->size, tag, WEFT_ACCESS_WRITE, side)) -
                            1;
    c->acted = true;
}

static bool sources_valid(const weft_core *c, const weft_tile *tile, const weft_instruction *in)
{
    for (uint32_t i = 0; i < in->source_count; i++) {
        uint32_t source = tile->sources[in->source + i];
        const weft_buffer *b = source & WEFT_FROM_ACCUMULATOR ? &c->accumulator[tile->accumulator] : &c->spad[tile->spad];
        if (!weft_buffer_valid(b, source & ~WEFT_FROM_ACCUMULATOR))
            return false;
    }
    return true;
}

static void issue_compute(weft_core *c, int side)
{
    weft_ring *queue = &c->queue[side][WEFT_QUEUE_EXECUTE];
    const uint32_t *head = weft_ring_head(queue);
    if (!head)
        return;
    uint32_t tag = *head;
    weft_tile *tile = weft_core_tile(c, tag);
    const weft_instruction *in = weft_core_instruction(c, tag);
    if (!sources_valid(c, tile, in))
        return;
    weft_ring_pop(queue);
    weft_opcode code = (weft_opcode)in->code;
    bool block = code == WEFT_GEMM || code == WEFT_GEMM_PRELOAD || code == WEFT_GEMV_PRELOAD;
    int unit = block ? 0 : weft_core_choose_unit(c);
    weft_ring *to = block ? &c->pipeline : &c->vector[unit];
    weft_stage_entry entry;
    if (block) {
        if (!c->pipeline.count)
            c->pipeline_since = c->now;
        entry = c->style.blocked_gemm ? weft_core_blocked_block(c, code, in->size, tag)
                                      : weft_core_streamed_block(c, code, in->size, tag);
        c->stats.systolic_issues++;
        c->stats.systolic_preloads += code != WEFT_GEMM;
    } else {
        entry = weft_core_vector_operation(c, code, in->size, unit, tag);
    }
    weft_stage_entry *slot = weft_ring_push(to);
    if (slot)
        *slot = entry;
    else
        c->status = WEFT_ERROR_MEMORY;
    if (entry.start > c->busy_until[side])
        c->busy_until[side] = entry.start;
    weft_buffer *b = &c->accumulator[tile->accumulator];
    if (weft_buffer_has(b, in->key))
        b->entries[in->key].remain++;
    else
        weft_core_reserve(c, b, in->key, 1);
    tell(c, block ? WEFT_UNIT_SYSTOLIC : WEFT_UNIT_VECTOR, unit, weft_opcode_name(code), entry.start, entry.finish);
    c->acted = true;
}

static void collect_finished(weft_core *c)
{
    for (int side = 0; side < WEFT_SIDES; side++) {
        int kept = 0;
        c->state[side] = (weft_side_state){0, 0, false};
        for (int i = 0; i < c->resident_count[side]; i++) {
            int slot = c->resident[side][i];
            const weft_tile *t = &c->tile[slot];
            if (t->loads || t->computes || t->accumulator_io) {
                c->state[side].loads += t->loads;
                c->state[side].computes += t->computes;
                c->state[side].storing |= !t->loads && !t->computes;
                c->resident[side][kept++] = slot;
                continue;
            }
            c->finished[c->finished_count++] = slot;
            c->acted = true;
        }
        c->resident_count[side] = kept;
    }
}

/* Own cycle at which something can finish without a response. */
static int64_t next_finish(const weft_core *c)
{
    const weft_stage_entry *head = weft_ring_head(&c->pipeline);
    int64_t next = head ? head->finish : WEFT_NEVER;
    for (int i = 0; i < c->work->hardware->npu.vector_units; i++) {
        head = weft_ring_head(&c->vector[i]);
        if (head && head->finish < next)
            next = head->finish;
    }
    return next;
}

void weft_core_tick(weft_core *c)
{
    if (!c->all_ticks && !c->poked && !c->acted && c->now < c->wake) {
        c->now++;
        return;
    }
    c->acted = c->poked = false;
    finish_computes(c);
    issue_loads(c, WEFT_SIDE_NPU);
    issue_store(c, WEFT_SIDE_NPU);
    issue_compute(c, WEFT_SIDE_NPU);
    issue_loads(c, WEFT_SIDE_PIM);
    issue_store(c, WEFT_SIDE_PIM);
    issue_compute(c, WEFT_SIDE_PIM);
    c->now++;
    collect_finished(c);
    if (!c->acted && !c->all_ticks)
        c->wake = next_finish(c);
}

bool weft_core_empty(const weft_core *c)
{
    return !c->resident_count[WEFT_SIDE_NPU] && !c->resident_count[WEFT_SIDE_PIM] && !c->finished_count;
}
