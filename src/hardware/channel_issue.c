/* What issuing a command does: row buffers, time stamps, counters, responses. */
#include "hardware/channel_inner.h"

static void raise_stamp(int64_t *stamp, int64_t at)
{
    if (*stamp < at)
        *stamp = at;
}

static void raise_stamps(weft_channel *c, int bank, weft_dram_command command)
{
    const weft_dram_rules *r = c->rules;
    int group = bank / r->banks_per_group, rank = bank / r->banks_per_rank;
    for (int i = 0; i < r->delay_count[command]; i++) {
        weft_delay d = r->delays[command][i];
        int64_t at = c->clock + d.cycles;
        switch ((weft_level)d.level) {
        case WEFT_LEVEL_BANK:
            raise_stamp(&c->bank[bank].stamp[d.next], at);
            break;
        case WEFT_LEVEL_GROUP:
            raise_stamp(&c->group_stamp[group][d.next], at);
            break;
        case WEFT_LEVEL_RANK:
            raise_stamp(&c->rank_stamp[rank][d.next], at);
            break;
        case WEFT_LEVEL_OTHER_BANKS:
            for (int b = rank * r->banks_per_rank; b < (rank + 1) * r->banks_per_rank; b++)
                if (b != bank)
                    raise_stamp(&c->bank[b].stamp[d.next], at);
            break;
        case WEFT_LEVEL_OTHER_RANKS:
            for (int k = 0; k < r->ranks; k++)
                if (k != rank)
                    raise_stamp(&c->rank_stamp[k][d.next], at);
            break;
        case WEFT_LEVEL_CHANNEL:
            raise_stamp(&c->stamp[d.next], at);
            break;
        case WEFT_LEVELS:
            break;
        }
    }
}

/* The rank's cycles with an open row are counted from the tick that opens the first to the one that closes the last. */
static void set_row(weft_channel *c, int b, int32_t row)
{
    weft_bank *bank = &c->bank[b];
    int rank = b / c->rules->banks_per_rank;
    if (bank->row < 0 && row >= 0 && c->open[rank]++ == 0)
        c->open_since[rank] = c->clock;
    if (bank->row >= 0 && row < 0 && --c->open[rank] == 0)
        c->totals.rank_active_cycles += c->clock - c->open_since[rank];
    bank->row = row;
    bank->row_hits = row < 0 ? 0 : bank->row_hits;
    c->stale |= (uint64_t)1 << b;
}

static void set_pim_row(weft_channel *c, int b, int32_t row)
{
    weft_bank *bank = &c->bank[b];
    int rank = b / c->rules->banks_per_rank;
    if (bank->pim_row < 0 && row >= 0 && c->pim_open[rank]++ == 0)
        c->pim_open_since[rank] = c->clock;
    if (bank->pim_row >= 0 && row < 0 && --c->pim_open[rank] == 0)
        c->totals.pim_rank_active_cycles += c->clock - c->pim_open_since[rank];
    bank->pim_row = row;
    c->stale |= (uint64_t)1 << b;
}

static void activate_group(weft_channel *c, int bank, int32_t row)
{
    const weft_dram_rules *r = c->rules;
    int first = bank / r->banks_per_group * r->banks_per_group;
    for (int b = first; b < first + r->banks_per_group; b++) {
        if (r->kind == WEFT_MEMORY_DUAL)
            set_pim_row(c, b, row);
        else if (c->bank[b].row < 0)
            set_row(c, b, row);
    }
}

static void open_window(weft_channel *c, int rank)
{
    weft_window *w = &c->window[rank];
    if (w->count && c->clock >= w->end[0]) {
        for (int i = 1; i < w->count; i++)
            w->end[i - 1] = w->end[i];
        w->count--;
    }
    if (w->count < 4)
        w->end[w->count++] = c->clock + c->rules->faw;
}

static void finish_refresh(weft_channel *c)
{
    for (int i = 1; i < c->refresh_count; i++)
        c->refresh_waiting[i - 1] = c->refresh_waiting[i];
    c->refresh_count--;
    c->in_refresh = c->skip_pim = false;
    c->remain_slack = 0;
    c->reserved_row = -1;
    c->stale |= c->waiting;
    c->totals.num_ref_cmds++;
}

/* Every read of the line is answered by one READ. */
static void answer_reads(weft_channel *c, uint16_t transaction)
{
    for (uint16_t t = transaction; t != WEFT_NONE; t = c->pool[t].rider)
        weft_channel_return(c, WEFT_RETURN_READ, c->clock + c->rules->read_latency, t);
}

static void issue_pim(weft_channel *c, const weft_pick *pick)
{
    const weft_dram_rules *r = c->rules;
    const weft_transaction *t = &c->pool[pick->transaction];
    uint16_t transaction = pick->transaction;
    weft_dram_totals *d = &c->totals;
    int64_t comps = weft_bank_of(c, t->line) + 1, clock = c->clock;
    bool last = weft_column_of(c, t->line) == 1;
    weft_ring_pop(&c->pim_queue);
    c->estimate_known = false;
    switch (pick->command) {
    case WEFT_DRAM_GWRITE:
        d->num_gwrite_cmds++;
        weft_channel_return(c, WEFT_RETURN_GWRITE, clock + r->gwrite_latency, transaction);
        break;
    case WEFT_DRAM_COMPS_READRES: {
        bool holds = r->fixed & WEFT_QUIRK_COMPUTE_HOLDS_ROW;
        int64_t busy = weft_compute_cycles(r, comps);
        d->num_comp_cmds += comps;
        d->num_readres_cmds++;
        raise_stamp(&c->stamp[WEFT_DRAM_COMPS_READRES], clock + busy);
        if (holds) {
            raise_stamp(&c->stamp[WEFT_DRAM_PIM_PRECHARGE], clock + busy);
            raise_stamp(&c->stamp[WEFT_DRAM_G_ACTIVATE], clock + busy + r->precharge);
        }
        weft_channel_return(c, WEFT_RETURN_RESULT, clock + r->read_latency + (holds ? busy : 0), transaction);
        break;
    }
    case WEFT_DRAM_COMP:
        d->num_comp_cmds++;
        if (!c->comp_since_result)
            raise_stamp(&c->stamp[WEFT_DRAM_READRES], clock + r->least_comps * r->timing.tCCD_S);
        c->comp_since_result = true;
        weft_channel_return(c, WEFT_RETURN_COMP, clock, transaction);
        break;
    case WEFT_DRAM_READRES:
        d->num_readres_cmds++;
        c->comp_since_result = false;
        if (last) {
            c->pim_mode = false;
            c->remain_slack = 0;
            c->reserved_row = -1;
            c->stale |= c->waiting;
        }
        weft_channel_return(c, WEFT_RETURN_RESULT, clock + r->read_latency, transaction);
        break;
    default: /* P_HEADER: takes the slot, changes nothing, and is not answered */
        d->num_header_cmds++;
        weft_channel_release(c, transaction);
        break;
    }
}

/* What the command after this one waits for. */
static int cause_of(weft_dram_command command)
{
    static const uint8_t causes[WEFT_DRAM_COMMANDS] = {
        [WEFT_DRAM_READ] = WEFT_BOUND_BANDWIDTH,      [WEFT_DRAM_WRITE] = WEFT_BOUND_BANDWIDTH,
        [WEFT_DRAM_ACTIVATE] = WEFT_BOUND_ACTIVATE,   [WEFT_DRAM_PRECHARGE] = WEFT_BOUND_PRECHARGE,
        [WEFT_DRAM_REFRESH] = WEFT_BOUND_REFRESH,     [WEFT_DRAM_GWRITE] = WEFT_BOUND_PIM,
        [WEFT_DRAM_G_ACTIVATE] = WEFT_BOUND_ACTIVATE, [WEFT_DRAM_COMP] = WEFT_BOUND_PIM,
        [WEFT_DRAM_READRES] = WEFT_BOUND_PIM,         [WEFT_DRAM_COMPS_READRES] = WEFT_BOUND_PIM,
        [WEFT_DRAM_P_HEADER] = WEFT_BOUND_PIM,        [WEFT_DRAM_PIM_PRECHARGE] = WEFT_BOUND_PRECHARGE,
    };
    return causes[command];
}

/* Charges the cycles since the newest command of that kind, or since something waits, to what they were waited for: the bus while
 * it carries data, a refresh on its way, rows that may not close yet, else what the newest command takes. */
static void charge(weft_channel *c, int kind, weft_dram_command command, bool refreshing)
{
    weft_spent *s = &c->spent[kind];
    if (s->cause == WEFT_BOUND_BANDWIDTH && c->clock <= s->bus_until && s->since >= 0) { /* a stream */
        s->cycles[WEFT_BOUND_BANDWIDTH] += c->clock - weft_latest(s->since, s->last);
        s->last = c->clock;
        s->cause = cause_of(command);
        return;
    }
    if (s->since >= 0) {
        int64_t begin = weft_latest(s->since, s->last), span = c->clock - begin, bus = 0;
        int cause = s->last < s->since ? cause_of(command) : s->cause;
        if (s->bus_until > begin)
            bus = s->bus_until < c->clock ? s->bus_until - begin : span;
        if (kind == WEFT_PLAIN_WORK && c->rules->kind == WEFT_MEMORY_SINGLE && c->spent[WEFT_PIM_WORK].last > begin)
            cause = c->spent[WEFT_PIM_WORK].cause; /* one row buffer: reads wait while it computes */
        else if (refreshing)
            cause = WEFT_BOUND_REFRESH;
        else if ((command == WEFT_DRAM_PRECHARGE || command == WEFT_DRAM_PIM_PRECHARGE) && cause != WEFT_BOUND_PIM)
            cause = WEFT_BOUND_PRECHARGE;
        s->cycles[WEFT_BOUND_BANDWIDTH] += bus;
        s->cycles[cause] += span - bus;
    }
    s->last = c->clock;
    if (command != WEFT_DRAM_P_HEADER) /* takes a slot, and no time */
        s->cause = cause_of(command);
}

static void charge_issue(weft_channel *c, const weft_pick *pick)
{
    weft_dram_command command = (weft_dram_command)pick->command;
    bool refreshing = c->in_refresh && !pick->queued;
    int kind = pick->queued || (refreshing && command == WEFT_DRAM_PRECHARGE) ? WEFT_PLAIN_WORK : WEFT_PIM_WORK;
    charge(c, kind, command, refreshing);
    if (command == WEFT_DRAM_REFRESH)
        charge(c, WEFT_PLAIN_WORK, command, true);
    if (command == WEFT_DRAM_READ || command == WEFT_DRAM_WRITE)
        c->spent[WEFT_PLAIN_WORK].bus_until = c->clock + c->rules->burst;
}

/* After a command has left its queue: nothing may wait any longer. */
static void note_idle(weft_channel *c)
{
    bool lists = c->reads.count > 0;
    if (!c->waiting && !lists && c->draining <= 0)
        c->spent[WEFT_PLAIN_WORK].since = -1;
    if (!c->pim_queue.count && !c->pims.count && !(lists && c->rules->kind == WEFT_MEMORY_SINGLE))
        c->spent[WEFT_PIM_WORK].since = -1;
}

void weft_channel_issue(weft_channel *c, const weft_pick *pick)
{
    int b = pick->bank, rank = b / c->rules->banks_per_rank;
    weft_bank *bank = &c->bank[b];
    weft_dram_totals *d = &c->totals;
    bool beside_pim = pick->queued && c->rules->kind == WEFT_MEMORY_DUAL && c->pim_queue.count > 0 && c->remain_slack > 0;
    c->acted = true;
    c->estimate_known = false;
    if (c->sink)
        weft_why_tell(c, pick);
    charge_issue(c, pick);
    switch (pick->command) {
    case WEFT_DRAM_READ:
        d->num_read_cmds++;
        d->num_read_row_hits += bank->row_hits > 0;
        d->num_parallel_read_cmds += beside_pim;
        bank->row_hits++;
        answer_reads(c, pick->transaction);
        weft_banks_remove(c, b, pick->index);
        break;
    case WEFT_DRAM_WRITE:
        d->num_write_cmds++;
        d->num_write_row_hits += bank->row_hits > 0;
        d->num_parallel_write_cmds += beside_pim;
        bank->row_hits++;
        weft_banks_remove(c, b, pick->index);
        weft_channel_forget(c, pick->transaction);
        weft_channel_release(c, pick->transaction);
        break;
    case WEFT_DRAM_ACTIVATE:
        d->num_act_cmds++;
        d->num_parallel_act_cmds += beside_pim;
        set_row(c, b, pick->row);
        open_window(c, rank);
        break;
    case WEFT_DRAM_PRECHARGE:
        d->num_pre_cmds++;
        d->num_parallel_prec_cmds += beside_pim;
        set_row(c, b, -1);
        break;
    case WEFT_DRAM_PIM_PRECHARGE:
        d->num_pim_precharge_cmds++;
        set_pim_row(c, b, -1);
        break;
    case WEFT_DRAM_G_ACTIVATE:
        d->num_gact_cmds++;
        activate_group(c, b, pick->row);
        break;
    case WEFT_DRAM_REFRESH:
        finish_refresh(c);
        break;
    default:
        issue_pim(c, pick);
        break;
    }
    raise_stamps(c, b, pick->command);
    note_idle(c);
}
