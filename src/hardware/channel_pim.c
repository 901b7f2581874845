/* The head of the PIM queue: whether its deadline allows it before the next refresh, and the command that brings it nearer. */
#include "hardware/channel_inner.h"

/* Cycles of `clock`'s tick until the next refresh is due. */
static int64_t slack_at(const weft_channel *c, int64_t clock)
{
    int64_t interval = c->rules->refresh_interval;
    return interval - (clock + 1) % interval;
}

/* The row that the bank holds for computing. */
static int32_t compute_row(const weft_channel *c, int b)
{
    return c->rules->kind == WEFT_MEMORY_DUAL ? c->bank[b].pim_row : c->bank[b].row;
}

static int64_t gwrite_estimate(const weft_channel *c, const weft_transaction *t)
{
    const weft_dram_rules *r = c->rules;
    int32_t row = c->bank[weft_bank_of(c, t->line)].row;
    int64_t open = row == weft_row_of(c, t->line) ? 0
                   : row < 0                      ? r->precharge + r->activate_to_read
                                                  : r->read_to_precharge + r->precharge + r->activate_to_read;
    return open + r->gwrite_latency;
}

/* Closing what is open elsewhere, opening the groups, the products and their results. */
static int64_t header_estimate(const weft_channel *c, const weft_transaction *t)
{
    const weft_dram_rules *r = c->rules;
    int64_t activations = 0, precharges = 0, comps = 1ll << (weft_column_of(c, t->line) & 7);
    int64_t results = 1ll << weft_bank_of(c, t->line) % 32;
    int32_t wanted = weft_row_of(c, t->line);
    for (int first = 0; first < r->banks; first += r->banks_per_group) {
        int other = 0, same = 0;
        for (int b = first; b < first + r->banks_per_group; b++) {
            int32_t row = compute_row(c, b);
            same += row == wanted;
            other += row >= 0 && row != wanted;
        }
        if (same < r->banks_per_group) {
            activations++;
            precharges += other;
        }
    }
    if (comps < r->least_comps)
        comps = r->least_comps;
    return r->read_to_precharge * precharges + r->faw * (activations / r->ranks - 1) + r->activate_to_read + r->burst * comps +
           r->burst * (results - 1);
}

static bool meets_deadline(weft_channel *c, const weft_transaction *t)
{
    if (!c->estimate_known) {
        c->estimate = t->type == WEFT_ACCESS_GWRITE ? gwrite_estimate(c, t) : header_estimate(c, t);
        c->estimate_known = true;
    }
    int64_t left = slack_at(c, c->clock) - c->estimate;
    c->remain_slack = left > 0 ? left : 0;
    if (left <= 0)
        c->skip_pim = true;
    return left > 0;
}

/* What the head waits for: a command on one bank, and when it is legal. */
typedef struct want {
    int bank;
    weft_dram_command command;
    int64_t at;
} want;

/* GWRITE: reads through the normal row buffer. */
static want gwrite_want(const weft_channel *c, const weft_transaction *t)
{
    int b = weft_bank_of(c, t->line);
    int32_t row = weft_row_of(c, t->line);
    const weft_bank *bank = &c->bank[b];
    weft_dram_command command = bank->row == row       ? WEFT_DRAM_GWRITE
                                : bank->row >= 0       ? WEFT_DRAM_PRECHARGE
                                : bank->pim_row == row ? WEFT_DRAM_PIM_PRECHARGE
                                                       : WEFT_DRAM_ACTIVATE;
    int64_t at = command == WEFT_DRAM_ACTIVATE ? weft_channel_activate(c, b) : weft_channel_stamp(c, b, command);
    return (want){b, command, at};
}

/* Header: every bank must be free to open the row. The first bank with a legal command, else the earliest. */
static want header_want(const weft_channel *c, const weft_transaction *t)
{
    int32_t row = weft_row_of(c, t->line);
    bool dual = c->rules->kind == WEFT_MEMORY_DUAL;
    want best = {-1, WEFT_DRAM_P_HEADER, WEFT_NEVER};
    for (int b = 0; b < c->rules->banks; b++) {
        const weft_bank *bank = &c->bank[b];
        weft_dram_command command = WEFT_DRAM_P_HEADER;
        if (!dual)
            command = bank->row >= 0 && bank->row != row ? WEFT_DRAM_PRECHARGE : WEFT_DRAM_P_HEADER;
        else if (bank->pim_row < 0)
            command = bank->row == row ? WEFT_DRAM_PRECHARGE : WEFT_DRAM_P_HEADER;
        else
            command = bank->pim_row == row ? WEFT_DRAM_P_HEADER : WEFT_DRAM_PIM_PRECHARGE;
        if (command == WEFT_DRAM_P_HEADER)
            continue;
        int64_t at = weft_channel_stamp(c, b, command);
        if (best.bank < 0 || at < best.at)
            best = (want){b, command, at};
        if (at <= c->clock)
            return best;
    }
    return best.bank < 0 ? (want){weft_bank_of(c, t->line), WEFT_DRAM_P_HEADER, 0} : best;
}

/* Computing: every group's row must be open; then all banks at once. */
static want compute_want(const weft_channel *c, weft_dram_command command)
{
    want best = {-1, WEFT_DRAM_G_ACTIVATE, WEFT_NEVER}, itself = {0, command, 0};
    for (int b = 0; b < c->rules->banks; b++) {
        if (compute_row(c, b) >= 0) {
            itself.at = weft_latest(itself.at, weft_channel_stamp(c, b, command));
            continue;
        }
        int64_t at = weft_channel_stamp(c, b, WEFT_DRAM_G_ACTIVATE);
        if (best.bank < 0 || at < best.at)
            best = (want){b, WEFT_DRAM_G_ACTIVATE, at};
        if (at <= c->clock)
            return best;
    }
    return best.bank < 0 ? itself : best;
}

static const weft_dram_command command_of[WEFT_ACCESS_TYPES] = {
    [WEFT_ACCESS_GWRITE] = WEFT_DRAM_GWRITE,
    [WEFT_ACCESS_COMP] = WEFT_DRAM_COMP,
    [WEFT_ACCESS_READRES] = WEFT_DRAM_READRES,
    [WEFT_ACCESS_P_HEADER] = WEFT_DRAM_P_HEADER,
    [WEFT_ACCESS_COMPS_READRES] = WEFT_DRAM_COMPS_READRES,
};

static want head_want(const weft_channel *c, const weft_transaction *t)
{
    if (t->type == WEFT_ACCESS_GWRITE)
        return gwrite_want(c, t);
    if (t->type == WEFT_ACCESS_P_HEADER)
        return header_want(c, t);
    return compute_want(c, command_of[t->type]);
}

static void reserve_row(weft_channel *c, int32_t row)
{
    if (c->reserved_row == row)
        return;
    c->reserved_row = row;
    c->stale |= c->waiting;
}

/* Whether the head may go on: deadlines, and the wait for a GWRITE under way. */
static bool head_proceeds(weft_channel *c, const weft_transaction *t)
{
    if (c->gwriting)
        return t->type == WEFT_ACCESS_GWRITE;
    if (t->type == WEFT_ACCESS_GWRITE) {
        if (!meets_deadline(c, t))
            return false;
        c->gwriting = true;
        c->gwrite_bank = weft_bank_of(c, t->line);
        c->acted = true;
    } else if (t->type == WEFT_ACCESS_P_HEADER) {
        if (!meets_deadline(c, t))
            return false;
        reserve_row(c, weft_row_of(c, t->line));
        c->pim_mode = true;
    }
    return true;
}

weft_pick weft_pim_pick(weft_channel *c, bool *stop)
{
    *stop = false;
    bool single = c->rules->kind == WEFT_MEMORY_SINGLE;
    if (c->skip_pim || !c->pim_queue.count || c->in_refresh || (single && !c->pim_mode && c->waiting))
        return WEFT_NO_PICK;
    uint16_t transaction = *(uint16_t *)weft_ring_head(&c->pim_queue);
    const weft_transaction *t = &c->pool[transaction];
    weft_pick pick = WEFT_NO_PICK;
    if (head_proceeds(c, t)) {
        want w = head_want(c, t);
        if (w.at <= c->clock) {
            pick = weft_pick_of(w.bank, w.command, weft_row_of(c, t->line));
            if (w.command == command_of[t->type])
                pick.transaction = transaction;
        }
    }
    *stop = pick.bank < 0 && !single && c->remain_slack < 10;
    return pick;
}

int64_t weft_pim_next(weft_channel *c)
{
    bool single = c->rules->kind == WEFT_MEMORY_SINGLE;
    if (c->skip_pim || !c->pim_queue.count || c->in_refresh || (single && !c->pim_mode && c->waiting))
        return WEFT_NEVER;
    const weft_transaction *t = &c->pool[*(uint16_t *)weft_ring_head(&c->pim_queue)];
    if (c->gwriting && t->type != WEFT_ACCESS_GWRITE)
        return WEFT_NEVER; /* its response comes first */
    if (!c->gwriting && t->type == WEFT_ACCESS_GWRITE)
        return c->clock;
    int64_t at = head_want(c, t).at;
    if (t->type == WEFT_ACCESS_P_HEADER) {
        if (!c->estimate_known)
            return c->clock;
        int64_t left = slack_at(c, c->clock) - c->estimate; /* one less at each tick; the deadline is missed when it reaches 0 */
        int64_t miss = left > 0 ? c->clock + left : c->clock;
        at = at < miss ? at : miss;
    }
    return weft_latest(at, c->clock);
}
