/* The whole machine: three clock domains, the scheduler that goes through the stages, and the two engines that run it. The exact
 * engine runs every clock of every part. The event engine runs the same parts, each only at clocks at which it can change: a
 * channel says when that is next (weft_channel_next), the core sleeps until something finishes or arrives, and when all sleep,
 * only the clocks themselves go on. Both give the same cycles. */
#include "hardware/bounds.h"
#include "hardware/program.h"

#include <stdio.h>

typedef struct machine {
    weft_schedule schedule;
    weft_channel *channels;
    weft_network network;
    weft_core core;
    bool jump;

    int64_t core_cycles, memory_cycles;
    int64_t *due; /* [channels] the next clock at which the channel must tick */
    int64_t next_due;

    /* The scheduler. */
    int stage;                 /* in the plan; stage_count: all are done */
    bool running, stage_ended; /* programs exist; one has ended and is not yet recorded */
    int client;                /* steps of the client that are left: requests come, requests return */
    bool returned;
    int64_t stage_start, stage_memory_start;
    weft_hardware_result *result;
    const weft_hardware_options *options;
    weft_bounds bounds[WEFT_PROGRAMS]; /* of the running operators */
    int64_t progress, progress_cycle;  /* responses and operators so far; when they last moved */
} machine;

static weft_status open_machine(machine *m, const weft_hardware_job *job, bool jump, weft_hardware_result *result)
{
    *m = (machine){.jump = jump, .result = result, .options = job->options};
    weft_status status = weft_schedule_make(job, &m->schedule);
    if (status != WEFT_OK)
        return status;
    const weft_dram_rules *r = &m->schedule.rules;
    bool npu_only = job->options->system == WEFT_SYSTEM_NPU;
    m->channels = calloc((size_t)r->channels, sizeof *m->channels);
    m->due = calloc((size_t)r->channels, sizeof *m->due);
    result->stages = calloc(WEFT_MOST_STAGES, sizeof *result->stages);
    int ops = 0;
    for (int i = 0; i < m->schedule.stage_count; i++)
        for (int k = 0; k < WEFT_PROGRAMS; k++)
            ops += m->schedule.stage[i].program[k].count;
    result->ops = calloc((size_t)ops + 1, sizeof *result->ops);
    if (!m->channels || !m->due || !result->stages || !result->ops)
        return weft_fail(WEFT_ERROR_MEMORY, "cannot allocate the machine");
    for (int i = 0; i < r->channels && status == WEFT_OK; i++) {
        status = weft_channel_open(&m->channels[i], r, i);
        if (job->options->sink_dram)
            m->channels[i].sink = job->options->sink;
        m->channels[i].sink_user = job->options->sink_user;
    }
    /* One queue for all requests where the NPU and the memory take turns, as published; two where they work side by side. */
    bool one_lane = !job->options->sub_batch && m->schedule.batch[0].decoding == m->schedule.batch[0].count;
    if (status == WEFT_OK)
        status = weft_network_open(&m->network, r, m->channels, job->hardware->npu.interconnect_latency, one_lane);
    if (status == WEFT_OK)
        status = weft_core_open(&m->core, &m->schedule.work, &m->network, (weft_core_style){npu_only, npu_only},
                                job->options->order, m->schedule.stream_bytes);
    m->core.all_ticks = !jump;
    m->core.sink = job->options->sink;
    m->core.sink_user = job->options->sink_user;
    return status;
}

static void close_machine(machine *m)
{
    for (int i = 0; m->channels && i < m->schedule.rules.channels; i++)
        weft_channel_close(&m->channels[i]);
    weft_network_close(&m->network);
    if (m->core.work)
        weft_core_close(&m->core);
    free(m->channels);
    free(m->due);
    weft_schedule_free(&m->schedule);
}

/* ---- Stages and operators. ---- */

static void read_stage(machine *m)
{
    int64_t pim = 0, responses = 0, channels = m->schedule.rules.channels;
    for (int i = 0; i < channels; i++) {
        int64_t cycles, count;
        weft_channel_read_stage(&m->channels[i], m->memory_cycles, &cycles, &count);
        pim += cycles;
        responses += count;
    }
    if (!m->schedule.stage[m->stage].name)
        return;
    int64_t memory = m->memory_cycles - m->stage_memory_start;
    m->result->stages[m->result->stage_count++] = (weft_hardware_stage){
        .name = m->schedule.stage[m->stage].name,
        .cycles = m->core_cycles - m->stage_start,
        .pim_cycles = pim / channels,
        .bandwidth_percent =
            memory ? 100.0 * (double)responses * m->schedule.rules.timing.burst / (double)channels / (double)memory : 0,
    };
    m->stage_start = m->core_cycles;
    m->stage_memory_start = m->memory_cycles;
}

static weft_program *programs(machine *m)
{
    return m->schedule.stage[m->stage].program;
}

static bool program_exists(const weft_program *p)
{
    return p->current < p->count;
}

static void begin_op(machine *m, int side)
{
    weft_program *p = &programs(m)[side];
    if (!program_exists(p))
        return;
    p->ops[p->current].start = m->core_cycles;
    m->core.op_lines[side][0] = m->core.op_lines[side][1] = 0;
    weft_op_kind kind = p->ops[p->current].kind;
    weft_bounds_begin(&m->bounds[side], m->channels, m->schedule.rules.channels,
                      kind == WEFT_OP_LOGIT_SOFTMAX || kind == WEFT_OP_ATTEND);
}

static void end_op(machine *m, int side)
{
    weft_program *p = &programs(m)[side];
    weft_op *op = &p->ops[p->current];
    weft_hardware_op *out = &m->result->ops[m->result->op_count++];
    *out = (weft_hardware_op){.stage = m->schedule.stage[m->stage].name,
                              .start = op->start,
                              .finish = m->core_cycles,
                              .pim = side == WEFT_PROGRAM_PIM,
                              .macs = op->macs,
                              .read_lines = m->core.op_lines[side][0],
                              .write_lines = m->core.op_lines[side][1]};
    snprintf(out->name, sizeof out->name, "%s", op->name);
    if (op->kind == WEFT_OP_ALL_REDUCE)
        out->bound[WEFT_BOUND_INTERCONNECT] = out->finish - out->start;
    else
        weft_bounds_end(&m->bounds[side], m->channels, m->schedule.rules.channels, out->bound);
    *(op->pim ? &m->result->stats.pim_macs : &m->result->stats.macs) += op->macs;
    if (m->options->sink) {
        weft_hardware_event event = {.unit = WEFT_UNIT_OP,
                                     .index = side,
                                     .name = out->name,
                                     .stage = out->stage,
                                     .start = out->start,
                                     .finish = out->finish};
        m->options->sink(m->options->sink_user, &event);
    }
    p->current++;
    begin_op(m, side);
}

static void retire_tile(machine *m)
{
    const weft_tile *tile = weft_core_retire(&m->core);
    if (!tile)
        return;
    int side = tile->pim ? WEFT_PROGRAM_PIM : WEFT_PROGRAM_NPU;
    weft_program *p = &programs(m)[side];
    weft_op *op = &p->ops[p->current];
    if (m->options->sink) {
        weft_hardware_event event = {.unit = WEFT_UNIT_TILE,
                                     .index = side,
                                     .name = op->name,
                                     .stage = m->schedule.stage[m->stage].name,
                                     .start = tile->issued,
                                     .finish = m->core_cycles};
        m->options->sink(m->options->sink_user, &event);
    }
    if (++op->finished == op->tile_count)
        end_op(m, side);
}

/* Operators without tiles end by the clock: splits and concatenations, which move nothing, and exchanges between devices. */
static void pass_time(machine *m)
{
    weft_program *p = &programs(m)[WEFT_PROGRAM_NPU];
    if (!program_exists(p))
        return;
    const weft_op *op = &p->ops[p->current];
    if (op->lasts && op->start + op->lasts <= m->core_cycles)
        end_op(m, WEFT_PROGRAM_NPU);
}

static void issue_tile(machine *m, int side)
{
    weft_program *p = &programs(m)[side];
    if (!program_exists(p))
        return;
    weft_op *op = &p->ops[p->current];
    if (op->issued >= op->tile_count)
        return;
    if (!weft_core_can_issue(&m->core, side == WEFT_PROGRAM_PIM, op->accumulates))
        return;
    weft_tile *tile = weft_core_slot(&m->core);
    if (!tile)
        return;
    weft_op_tile(&m->schedule.work, op, op->issued++, tile);
    op->accumulates = weft_op_accumulates(&m->schedule.work, op, op->issued);
    weft_core_issue(&m->core, tile);
}

static bool any_program(machine *m)
{
    return program_exists(&programs(m)[0]) || program_exists(&programs(m)[1]);
}

/* ---- Clock domains. ---- */

static void step_scheduler(machine *m)
{
    bool all_done = m->stage == m->schedule.stage_count;
    if (m->stage_ended) {
        read_stage(m);
        m->stage++;
        m->stage_ended = false;
        all_done = m->stage == m->schedule.stage_count;
        if (all_done && m->schedule.stage[m->stage - 1].name)
            return; /* a system of stages gives the requests back at the next event */
    }
    if (all_done) {
        m->returned = true;
        return;
    }
    if (!m->running && m->core_cycles >= 1) { /* requests have reached the scheduler */
        m->running = true;
        m->core.stage = m->schedule.stage[m->stage].name;
        begin_op(m, WEFT_PROGRAM_NPU);
        begin_op(m, WEFT_PROGRAM_PIM);
    }
}

static void core_event(machine *m)
{
    step_scheduler(m);
    m->core.cycle = m->core_cycles;
    if (m->running) {
        retire_tile(m);
        pass_time(m);
        if (any_program(m)) {
            issue_tile(m, WEFT_PROGRAM_NPU);
            issue_tile(m, WEFT_PROGRAM_PIM);
            weft_core_tick(&m->core);
            for (int side = 0; side < WEFT_PROGRAMS; side++)
                if (program_exists(&programs(m)[side]))
                    weft_bounds_note(&m->bounds[side], &m->core, side);
        } else {
            m->running = false;
            m->stage_ended = true;
        }
    }
    m->core_cycles++;
}

static void memory_event(machine *m)
{
    int64_t clock = m->memory_cycles++;
    if (m->jump && clock < m->next_due && !m->network.poked)
        return;
    int64_t next = WEFT_NEVER;
    for (int i = 0; i < m->schedule.rules.channels; i++) {
        uint64_t bit = (uint64_t)1 << i;
        if (!m->jump || m->due[i] <= clock || m->network.poked & bit) {
            weft_channel *c = &m->channels[i];
            weft_channel_tick(c, clock);
            if (c->responses.count)
                m->network.answering |= bit;
            m->due[i] = m->jump ? weft_channel_next(c) : clock + 1;
        }
        next = m->due[i] < next ? m->due[i] : next;
    }
    m->next_due = next;
    m->network.poked = 0;
}

static weft_status machine_status(const machine *m)
{
    weft_status status = m->core.status != WEFT_OK ? m->core.status : m->network.status;
    for (int i = 0; i < m->schedule.rules.channels && status == WEFT_OK; i++)
        status = m->channels[i].status;
    return status == WEFT_OK ? status : weft_fail(status, "cannot allocate the queues of the simulated machine");
}

/* A command that does not fit between two refreshes would wait for ever. */
static weft_status check_progress(machine *m)
{
    enum { STALL = 8000000 };
    int64_t progress = m->result->op_count;
    for (int i = 0; i < m->schedule.rules.channels; i++)
        progress += m->channels[i].return_sequence;
    if (progress != m->progress) {
        m->progress = progress;
        m->progress_cycle = m->core_cycles;
    }
    if (m->core_cycles - m->progress_cycle > STALL)
        return weft_fail(WEFT_ERROR_ARGUMENT,
                         "nothing has moved for %d cycles: a PIM command does not fit between two refreshes (%d memory cycles)",
                         STALL, m->schedule.rules.refresh_interval);
    return WEFT_OK;
}

/* Clocks in the published simulator's arithmetic: doubles that add up their periods, so that rounding decides which of two
 * meeting clocks comes first. */
static weft_status run_clocks(machine *m, const weft_hardware *hardware)
{
    double core = 0, memory = 0, network = 0;
    double core_period = 1.0 / hardware->npu.core_mhz, memory_period = 1.0 / hardware->memory.mhz;
    double network_period = 1.0 / hardware->npu.interconnect_mhz;
    for (int64_t steps = 1; !m->returned || weft_network_busy(&m->network) || !weft_core_empty(&m->core); steps++) {
        double now = core < memory ? core : memory;
        now = network < now ? network : now;
        bool core_now = core <= now, memory_now = memory <= now, network_now = network <= now;
        if (core_now) {
            core_event(m);
            core += core_period;
        }
        if (memory_now) {
            memory_event(m);
            memory += memory_period;
        }
        if (network_now) {
            if (m->jump && !weft_network_busy(&m->network))
                m->network.cycle++;
            else
                weft_network_step(&m->network, m->memory_cycles, weft_core_deliver, &m->core);
            network += network_period;
        }
        if ((steps & 0xffff) == 0) {
            weft_status status = machine_status(m);
            if (status == WEFT_OK)
                status = check_progress(m);
            if (status == WEFT_OK && weft_interrupted())
                status = weft_fail(WEFT_ERROR_INTERRUPTED, "the simulation was interrupted after %lld cycles",
                                   (long long)m->core_cycles);
            if (status != WEFT_OK)
                return status;
        }
    }
    return machine_status(m);
}

/* ---- The result. ---- */

static void settle(machine *m, const weft_hardware *hardware)
{
    weft_hardware_result *out = m->result;
    int64_t responses = 0;
    for (int i = 0; i < m->schedule.rules.channels; i++) {
        weft_channel_settle(&m->channels[i], m->memory_cycles);
        weft_dram_totals_add(&out->dram, &m->channels[i].totals);
    }
    weft_dram_energy(&m->schedule.rules, &out->dram);
    weft_hardware_stats own = m->core.stats;
    own.macs = out->stats.macs;
    own.pim_macs = out->stats.pim_macs;
    own.core_cycles = m->core.now;
    own.dram_cycles = m->memory_cycles;
    out->stats = own;
    for (int i = 0; i < out->stage_count; i++)
        out->total_cycles += out->stages[i].cycles;
    if (!out->stage_count && out->op_count)
        out->total_cycles = out->ops[out->op_count - 1].finish;
    const weft_hardware_npu *n = &hardware->npu;
    double cycles = (double)(out->total_cycles ? out->total_cycles : 1), memory = (double)m->memory_cycles;
    double peak = (double)n->systolic_arrays * n->systolic_height * n->systolic_width;
    responses = out->dram.num_reads_done + out->dram.num_writes_done + out->dram.num_readres_done;
    out->npu_utilization = (double)own.macs / (peak * cycles);
    out->pim_utilization = (double)out->dram.pim_cycles / m->schedule.rules.channels / memory;
    out->bandwidth_utilization = (double)responses * m->schedule.rules.timing.burst / m->schedule.rules.channels / memory;
}

static weft_status simulate(const weft_hardware_job *job, bool jump, weft_hardware_result *out)
{
    machine m;
    weft_status status = open_machine(&m, job, jump, out);
    if (status == WEFT_OK)
        status = run_clocks(&m, job->hardware);
    if (status == WEFT_OK)
        settle(&m, job->hardware);
    close_machine(&m);
    return status;
}

weft_status weft_engine_exact(const weft_hardware_job *job, weft_hardware_result *out)
{
    return simulate(job, false, out);
}

weft_status weft_engine_event(const weft_hardware_job *job, weft_hardware_result *out)
{
    return simulate(job, true, out);
}
