/* Reads and writes in their banks' queues: which may be issued now, and when the next one may.
 *
 * A look at a bank's queue scans it in order and takes the first command that is legal. What a scan finds depends on the open
 * row and the queue alone, so it is kept (read_hit, write_hit, opener, close) until one of them changes; then a tick asks
 * only whether the time has come. A bit a bank says what it wants, so that banks whose rank cannot read yet are not looked at. */
#include "hardware/channel_inner.h"

/* A write waits for earlier reads of its line. */
static bool write_waits(const weft_channel *c, int b, uint32_t i)
{
    const weft_queue_entry *e = weft_channel_entry(c, b, i);
    for (uint32_t k = 0; k < i; k++) {
        const weft_queue_entry *before = weft_channel_entry(c, b, k);
        if (before->row == e->row && !before->write && before->column == e->column)
            return true;
    }
    return false;
}

static void scan_open(const weft_channel *c, int b, weft_bank *bank)
{
    bool any = false, skip = bank->row == c->reserved_row;
    int32_t writes = bank->writes;
    for (uint32_t i = 0; i < bank->count; i++) {
        const weft_queue_entry *e = weft_channel_entry(c, b, i);
        if (e->row != bank->row)
            continue;
        any = true;
        if (skip)
            break;
        if (!e->write) {
            if (bank->read_hit < 0) {
                bank->read_hit = (int32_t)i;
                __builtin_prefetch(&c->pool[e->transaction], 1); /* issued soon */
            }
        } else if (bank->write_hit < 0 && !write_waits(c, b, i)) {
            bank->write_hit = (int32_t)i;
        }
        if (bank->read_hit >= 0 && (!writes || bank->write_hit >= 0))
            break;
    }
    const weft_queue_entry *first = weft_channel_entry(c, b, 0);
    bank->close = first->row != bank->row && first->row != c->reserved_row && (!any || bank->row_hits >= 4);
}

static void scan_closed(const weft_channel *c, int b, weft_bank *bank)
{
    for (uint32_t i = 0; i < bank->count; i++) {
        int32_t row = weft_channel_entry(c, b, i)->row;
        if (row == c->reserved_row)
            continue;
        if (bank->opener < 0)
            bank->opener = (int32_t)i;
        if (bank->pim_row < 0)
            return;
        bank->entangled = bank->entangled || row == bank->pim_row;
    }
}

static void set_bit(uint64_t *mask, uint64_t bit, bool on)
{
    *mask = on ? *mask | bit : *mask & ~bit;
}

static void look_again(weft_channel *c, int b)
{
    weft_bank *bank = &c->bank[b];
    uint64_t bit = (uint64_t)1 << b;
    bank->read_hit = bank->write_hit = bank->opener = -1;
    bank->close = bank->entangled = false;
    bank->wake = 0;
    if (bank->row >= 0)
        scan_open(c, b, bank);
    else
        scan_closed(c, b, bank);
    set_bit(&c->wants_any, bit, bank->entangled);
    set_bit(&c->wants_open, bit, bank->opener >= 0 && !bank->entangled);
    set_bit(&c->wants_read, bit, bank->read_hit >= 0);
    set_bit(&c->wants_write, bit, bank->write_hit >= 0);
    set_bit(&c->wants_close, bit, bank->close);
}

void weft_banks_push(weft_channel *c, uint16_t transaction, uint32_t line, bool write)
{
    int b = weft_bank_of(c, line);
    int32_t row = weft_row_of(c, line);
    weft_bank *bank = &c->bank[b];
    uint64_t bit = (uint64_t)1 << b;
    /* A read behind others changes nothing unless it is the first to hit the open row. */
    bool same = bank->count > 0 && !write && bank->pim_row < 0 && row != c->reserved_row &&
                (bank->row < 0 ? bank->opener >= 0 : bank->row != row || bank->read_hit >= 0);
    bank->count++;
    *weft_channel_entry(c, b, bank->count - 1) =
        (weft_queue_entry){row, transaction, (unsigned)weft_column_of(c, line) & 0x7fffu, write};
    bank->writes += write;
    c->waiting |= bit;
    if (!same)
        c->stale |= bit;
}

void weft_banks_remove(weft_channel *c, int b, int32_t index)
{
    weft_bank *bank = &c->bank[b];
    uint64_t bit = (uint64_t)1 << b;
    bank->writes -= weft_channel_entry(c, b, (uint32_t)index)->write;
    for (int32_t i = index; i > 0; i--)
        *weft_channel_entry(c, b, (uint32_t)i) = *weft_channel_entry(c, b, (uint32_t)i - 1);
    bank->head = (bank->head + 1) & c->queue_mask;
    bank->count--;
    c->stale |= bit;
    c->blocked = false;
    if (!bank->count) {
        c->waiting &= ~bit;
        c->wants_any &= ~bit;
        c->wants_open &= ~bit;
        c->wants_read &= ~bit;
        c->wants_write &= ~bit;
        c->wants_close &= ~bit;
    }
}

/* While PIM commands wait, opening and closing rows must fit into the time left before their deadline. */
static bool fits_slack(weft_channel *c, weft_dram_command command)
{
    const weft_dram_rules *r = c->rules;
    if (c->remain_slack <= 0 || !c->pim_queue.count)
        return true;
    bool close = command == WEFT_DRAM_PRECHARGE;
    int need = close ? r->precharge + r->activate_to_read : r->activate_to_read;
    if (c->remain_slack <= need)
        return false;
    c->remain_slack -= close ? r->precharge : r->activate_to_read;
    return true;
}

static weft_pick pick_entry(const weft_channel *c, int b, int32_t index, weft_dram_command command)
{
    const weft_queue_entry *e = weft_channel_entry(c, b, (uint32_t)index);
    bool leaves = command == WEFT_DRAM_READ || command == WEFT_DRAM_WRITE;
    return (weft_pick){.index = leaves ? index : -1,
                       .row = e->row,
                       .bank = (int16_t)b,
                       .transaction = leaves ? e->transaction : WEFT_NONE,
                       .command = (uint8_t)command,
                       .queued = true};
}

/* The queue of a closed bank, entry by entry: some wait for the PIM buffer to give their row back. */
static weft_pick scan_entangled(weft_channel *c, int b)
{
    weft_bank *bank = &c->bank[b];
    for (uint32_t i = 0; i < bank->count; i++) {
        const weft_queue_entry *e = weft_channel_entry(c, b, i);
        if (e->row == c->reserved_row)
            continue;
        if (e->row == bank->pim_row) {
            if (weft_channel_stamp(c, b, WEFT_DRAM_PIM_PRECHARGE) <= c->clock)
                return pick_entry(c, b, (int32_t)i, WEFT_DRAM_PIM_PRECHARGE);
        } else if (weft_channel_activate(c, b) <= c->clock && fits_slack(c, WEFT_DRAM_ACTIVATE)) {
            return pick_entry(c, b, (int32_t)i, WEFT_DRAM_ACTIVATE);
        }
    }
    return WEFT_NO_PICK;
}

static int64_t sooner(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* The first legal command of the bank's queue; sets bank->wake when there is none. */
static weft_pick look(weft_channel *c, int b)
{
    weft_bank *bank = &c->bank[b];
    int64_t clock = c->clock, wake = WEFT_NEVER;
    if (bank->entangled)
        return scan_entangled(c, b);
    if (bank->row < 0) {
        if (bank->opener >= 0) {
            int64_t at = weft_channel_activate(c, b);
            if (at <= clock && fits_slack(c, WEFT_DRAM_ACTIVATE))
                return pick_entry(c, b, bank->opener, WEFT_DRAM_ACTIVATE);
            wake = weft_latest(at, clock + 1);
        }
        bank->wake = wake;
        return WEFT_NO_PICK;
    }
    if (bank->close) {
        int64_t at = weft_channel_stamp(c, b, WEFT_DRAM_PRECHARGE);
        if (at <= clock) {
            c->totals.num_ondemand_pres++;
            if (fits_slack(c, WEFT_DRAM_PRECHARGE))
                return pick_entry(c, b, 0, WEFT_DRAM_PRECHARGE);
        }
        wake = weft_latest(at, clock + 1);
    }
    int64_t read = bank->read_hit >= 0 ? weft_channel_stamp(c, b, WEFT_DRAM_READ) : WEFT_NEVER;
    int64_t write = bank->write_hit >= 0 ? weft_channel_stamp(c, b, WEFT_DRAM_WRITE) : WEFT_NEVER;
    bool write_first = write <= clock && (read > clock || bank->write_hit < bank->read_hit);
    if (write_first)
        return pick_entry(c, b, bank->write_hit, WEFT_DRAM_WRITE);
    if (read <= clock)
        return pick_entry(c, b, bank->read_hit, WEFT_DRAM_READ);
    bank->wake = sooner(wake, sooner(read, write));
    return WEFT_NO_PICK;
}

/* Banks that may be looked at: nonempty, not of the rank that refreshes, not where a GWRITE goes on. */
static uint64_t eligible(const weft_channel *c)
{
    uint64_t mask = c->waiting;
    if (c->in_refresh) {
        int per = c->rules->banks_per_rank;
        uint64_t rank = per >= 64 ? ~(uint64_t)0 : (((uint64_t)1 << per) - 1) << (c->refresh_waiting[0] * per);
        mask &= ~rank;
    }
    if (c->gwriting)
        mask &= ~((uint64_t)1 << c->gwrite_bank);
    return mask;
}

static void look_at_stale(weft_channel *c)
{
    for (uint64_t left = c->stale & c->waiting; left; left &= left - 1)
        look_again(c, __builtin_ctzll(left));
    c->stale = 0;
}

/* Banks of the ranks whose stamps, and the channel's, allow the command. */
static uint64_t allowed_banks(const weft_channel *c, weft_dram_command command)
{
    int per = c->rules->banks_per_rank;
    uint64_t all = per >= 64 ? ~(uint64_t)0 : ((uint64_t)1 << per) - 1, mask = 0;
    if (c->stamp[command] > c->clock)
        return 0;
    for (int rank = 0; rank < c->rules->ranks; rank++)
        if (c->rank_stamp[rank][command] <= c->clock)
            mask |= all << (rank * per);
    return mask;
}

weft_pick weft_banks_pick(weft_channel *c, bool one_queue)
{
    int banks = c->rules->banks;
    if (!c->waiting) {
        c->turn = one_queue ? (c->turn + 1) % banks : c->turn;
        return WEFT_NO_PICK;
    }
    look_at_stale(c);
    uint64_t candidates = c->wants_any | c->wants_close;
    if (c->wants_read)
        candidates |= c->wants_read & allowed_banks(c, WEFT_DRAM_READ);
    if (c->wants_write)
        candidates |= c->wants_write & allowed_banks(c, WEFT_DRAM_WRITE);
    if (c->wants_open)
        candidates |= c->wants_open & allowed_banks(c, WEFT_DRAM_ACTIVATE);
    candidates &= eligible(c);
    if (one_queue) {
        c->turn = (c->turn + 1) % banks;
        return candidates >> c->turn & 1 ? look(c, c->turn) : WEFT_NO_PICK;
    }
    /* Round robin: the banks above the last one that issued, then the others. */
    uint64_t above = c->turn + 1 < 64 ? ~(uint64_t)0 << (c->turn + 1) : 0;
    uint64_t halves[2] = {candidates & above, candidates & ~above};
    for (int h = 0; h < 2; h++)
        for (uint64_t left = halves[h]; left; left &= left - 1) {
            int b = __builtin_ctzll(left);
            if (c->bank[b].wake > c->clock)
                continue;
            weft_pick pick = look(c, b);
            if (pick.bank >= 0) {
                c->turn = b;
                return pick;
            }
        }
    return WEFT_NO_PICK;
}

int64_t weft_banks_next(weft_channel *c)
{
    if (c->stale & c->waiting)
        return c->clock;
    int64_t next = WEFT_NEVER;
    int per = c->rules->banks_per_rank;
    for (uint64_t left = eligible(c); left; left &= left - 1) {
        int b = __builtin_ctzll(left), rank = b / per;
        uint64_t bit = left & (~left + 1);
        int64_t at = WEFT_NEVER;
        if (c->wants_any & bit)
            return c->clock;
        if (c->wants_read & bit)
            at = sooner(at, weft_latest(c->rank_stamp[rank][WEFT_DRAM_READ], c->stamp[WEFT_DRAM_READ]));
        if (c->wants_write & bit)
            at = sooner(at, weft_latest(c->rank_stamp[rank][WEFT_DRAM_WRITE], c->stamp[WEFT_DRAM_WRITE]));
        if (c->wants_open & bit)
            at = sooner(at, weft_channel_activate(c, b));
        if (c->wants_close & bit)
            at = 0;
        next = sooner(next, weft_latest(at, c->bank[b].wake));
    }
    return next;
}
