/* An independent judge of a channel's command log: every pair of commands against the published table of delays, row buffers
 * against what may be open, four activations in a window. It shares nothing with the controllers. Times are memory cycles of the
 * published HBM2 part. */
#ifndef TESTS_HARDWARE_COMMAND_LOG_H
#define TESTS_HARDWARE_COMMAND_LOG_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "weft/hardware.h"

enum { LOG_RANKS = 2, LOG_GROUPS = 4, LOG_BANKS = 4, LOG_CHANNELS = 32, LOG_PLACES = LOG_RANKS * LOG_GROUPS * LOG_BANKS };

typedef struct log_command {
    int64_t at;
    int command, rank, group, bank, count;
    int64_t row;
} log_command;

typedef struct log_channel {
    int64_t last[WEFT_DRAM_COMMANDS][LOG_PLACES]; /* clock of the newest of each kind in each bank; -1: none */
    int64_t row[LOG_PLACES], pim_row[LOG_PLACES]; /* -1: closed */
    int64_t activations[LOG_RANKS][4];            /* clocks of the newest four */
    int64_t last_compute, last_compute_cycles;    /* COMPS_READRES; -1: none */
    int64_t clock;                                /* of the newest command: one a cycle */
} log_channel;

typedef struct command_log {
    bool dual;
    log_channel channel[LOG_CHANNELS];
    int64_t commands, violations, reasons, counts[WEFT_DRAM_COMMANDS];
    char first[200]; /* the first violation in words */
} command_log;

/* How two banks stand to each other. */
enum { SAME_BANK = 1, SAME_GROUP = 2, SAME_RANK = 4, OTHER_RANK = 8, ANYWHERE = 15 };

/* After `before`, `after` in banks of that relation waits so many cycles: dual row buffers, then single (-1: no rule). */
static const struct {
    int before, relation, after, dual, single;
} log_rules[] = {
    {WEFT_DRAM_READ, SAME_BANK | SAME_GROUP | SAME_RANK, WEFT_DRAM_READ, 2, 2},
    {WEFT_DRAM_READ, OTHER_RANK, WEFT_DRAM_READ, 4, 4},
    {WEFT_DRAM_READ, ANYWHERE, WEFT_DRAM_WRITE, 14, 14},
    {WEFT_DRAM_READ, SAME_BANK, WEFT_DRAM_PRECHARGE, 5, 5},
    {WEFT_DRAM_WRITE, SAME_BANK | SAME_GROUP, WEFT_DRAM_READ, 14, 14},
    {WEFT_DRAM_WRITE, SAME_RANK, WEFT_DRAM_READ, 12, 12},
    {WEFT_DRAM_WRITE, ANYWHERE, WEFT_DRAM_WRITE, 2, 2},
    {WEFT_DRAM_WRITE, SAME_BANK, WEFT_DRAM_PRECHARGE, 22, 22},
    {WEFT_DRAM_ACTIVATE, SAME_BANK, WEFT_DRAM_ACTIVATE, 48, 48},
    {WEFT_DRAM_ACTIVATE, SAME_GROUP, WEFT_DRAM_ACTIVATE, 6, 6},
    {WEFT_DRAM_ACTIVATE, SAME_RANK, WEFT_DRAM_ACTIVATE, 4, 4},
    {WEFT_DRAM_ACTIVATE, SAME_BANK, WEFT_DRAM_READ, 14, 14},
    {WEFT_DRAM_ACTIVATE, SAME_BANK, WEFT_DRAM_WRITE, 14, 14},
    {WEFT_DRAM_ACTIVATE, SAME_BANK, WEFT_DRAM_GWRITE, 14, 14},
    {WEFT_DRAM_ACTIVATE, SAME_BANK, WEFT_DRAM_PRECHARGE, 34, 34},
    {WEFT_DRAM_ACTIVATE, SAME_BANK | SAME_GROUP, WEFT_DRAM_G_ACTIVATE, 6, 6},
    {WEFT_DRAM_ACTIVATE, SAME_RANK, WEFT_DRAM_G_ACTIVATE, 4, 4},
    {WEFT_DRAM_PRECHARGE, SAME_BANK, WEFT_DRAM_ACTIVATE, 14, 14},
    {WEFT_DRAM_PRECHARGE, SAME_BANK, WEFT_DRAM_REFRESH, 14, 14},
    {WEFT_DRAM_GWRITE, SAME_BANK, WEFT_DRAM_READ, 96, 96},
    {WEFT_DRAM_GWRITE, SAME_BANK, WEFT_DRAM_WRITE, 96, 96},
    {WEFT_DRAM_GWRITE, SAME_BANK, WEFT_DRAM_PRECHARGE, 96, 96},
    {WEFT_DRAM_GWRITE, SAME_GROUP | SAME_RANK, WEFT_DRAM_READ, 2, 2},
    {WEFT_DRAM_GWRITE, SAME_GROUP | SAME_RANK, WEFT_DRAM_WRITE, 14, 14},
    {WEFT_DRAM_GWRITE, SAME_BANK | SAME_GROUP | SAME_RANK, WEFT_DRAM_COMPS_READRES, 96, 96},
    {WEFT_DRAM_GWRITE, SAME_BANK | SAME_GROUP | SAME_RANK, WEFT_DRAM_COMP, 96, 96},
    {WEFT_DRAM_PIM_PRECHARGE, SAME_BANK, WEFT_DRAM_REFRESH, 14, -1},
    {WEFT_DRAM_PIM_PRECHARGE, SAME_BANK, WEFT_DRAM_G_ACTIVATE, 14, -1},
    {WEFT_DRAM_G_ACTIVATE, SAME_BANK | SAME_GROUP, WEFT_DRAM_ACTIVATE, 6, 48},
    {WEFT_DRAM_G_ACTIVATE, SAME_BANK | SAME_GROUP, WEFT_DRAM_G_ACTIVATE, 48, 48},
    {WEFT_DRAM_G_ACTIVATE, SAME_BANK | SAME_GROUP, WEFT_DRAM_PIM_PRECHARGE, 34, -1},
    {WEFT_DRAM_G_ACTIVATE, SAME_RANK, WEFT_DRAM_ACTIVATE, 30, 30},
    {WEFT_DRAM_G_ACTIVATE, SAME_RANK, WEFT_DRAM_G_ACTIVATE, 30, 30},
    {WEFT_DRAM_G_ACTIVATE, ANYWHERE, WEFT_DRAM_COMPS_READRES, 14, -1},
    {WEFT_DRAM_G_ACTIVATE, ANYWHERE, WEFT_DRAM_COMP, -1, 14},
    {WEFT_DRAM_REFRESH, SAME_BANK | SAME_GROUP | SAME_RANK, WEFT_DRAM_ACTIVATE, 260, 260},
    {WEFT_DRAM_REFRESH, SAME_BANK | SAME_GROUP | SAME_RANK, WEFT_DRAM_REFRESH, 260, 260},
    {WEFT_DRAM_REFRESH, SAME_BANK | SAME_GROUP | SAME_RANK, WEFT_DRAM_G_ACTIVATE, 260, 260},
    {WEFT_DRAM_COMPS_READRES, ANYWHERE, WEFT_DRAM_READ, 4, -1},
    {WEFT_DRAM_COMPS_READRES, ANYWHERE, WEFT_DRAM_WRITE, 14, -1},
    {WEFT_DRAM_COMPS_READRES, ANYWHERE, WEFT_DRAM_GWRITE, 2, -1},
    {WEFT_DRAM_COMPS_READRES, ANYWHERE, WEFT_DRAM_G_ACTIVATE, 19, -1},
    {WEFT_DRAM_COMPS_READRES, ANYWHERE, WEFT_DRAM_PIM_PRECHARGE, 5, -1},
    {WEFT_DRAM_COMP, ANYWHERE, WEFT_DRAM_COMP, -1, 2},
    {WEFT_DRAM_COMP, ANYWHERE, WEFT_DRAM_READRES, -1, 2},
    {WEFT_DRAM_COMP, ANYWHERE, WEFT_DRAM_READ, -1, 2},
    {WEFT_DRAM_COMP, ANYWHERE, WEFT_DRAM_PRECHARGE, -1, 5},
    {WEFT_DRAM_COMP, ANYWHERE, WEFT_DRAM_WRITE, -1, 14},
    {WEFT_DRAM_READRES, ANYWHERE, WEFT_DRAM_WRITE, -1, 14},
    {WEFT_DRAM_G_ACTIVATE, SAME_BANK | SAME_GROUP, WEFT_DRAM_PRECHARGE, -1, 34},
    {WEFT_DRAM_READRES, ANYWHERE, WEFT_DRAM_COMP, -1, 2},
    {WEFT_DRAM_READRES, ANYWHERE, WEFT_DRAM_READ, -1, 4},
    {WEFT_DRAM_READRES, ANYWHERE, WEFT_DRAM_G_ACTIVATE, -1, 19},
    {WEFT_DRAM_READRES, ANYWHERE, WEFT_DRAM_PRECHARGE, -1, 5},
};

static inline command_log *command_log_new(bool dual)
{
    command_log *log = calloc(1, sizeof *log);
    log->dual = dual;
    for (int i = 0; i < LOG_CHANNELS; i++) {
        log_channel *c = &log->channel[i];
        memset(c->last, 0xff, sizeof c->last);
        memset(c->row, 0xff, sizeof c->row);
        memset(c->pim_row, 0xff, sizeof c->pim_row);
        memset(c->activations, 0xff, sizeof c->activations);
        c->last_compute = c->clock = -1;
    }
    return log;
}

static inline void log_wrong(command_log *log, int channel, const log_command *x, const char *why)
{
    if (!log->violations++)
        snprintf(log->first, sizeof log->first, "channel %d, cycle %lld: %s in rank %d, group %d, bank %d: %s", channel,
                 (long long)x->at, weft_dram_command_name((weft_dram_command)x->command), x->rank, x->group, x->bank, why);
}

static inline int log_relation(int a, int b)
{
    if (a == b)
        return SAME_BANK;
    if (a / LOG_BANKS == b / LOG_BANKS)
        return SAME_GROUP;
    return a / (LOG_GROUPS * LOG_BANKS) == b / (LOG_GROUPS * LOG_BANKS) ? SAME_RANK : OTHER_RANK;
}

static inline void log_delays(command_log *log, int index, const log_command *x, int place)
{
    const log_channel *c = &log->channel[index];
    for (size_t i = 0; i < sizeof log_rules / sizeof log_rules[0]; i++) {
        int wait = log->dual ? log_rules[i].dual : log_rules[i].single;
        if (log_rules[i].after != x->command || wait < 0)
            continue;
        for (int other = 0; other < LOG_PLACES; other++) {
            int64_t at = c->last[log_rules[i].before][other];
            if (at >= 0 && log_relation(other, place) & log_rules[i].relation && x->at < at + wait) {
                char why[80];
                snprintf(why, sizeof why, "%lld cycles after %s, not %d", (long long)(x->at - at),
                         weft_dram_command_name((weft_dram_command)log_rules[i].before), wait);
                log_wrong(log, index, x, why);
            }
        }
    }
    if (x->command == WEFT_DRAM_COMPS_READRES && c->last_compute >= 0 && x->at < c->last_compute + c->last_compute_cycles)
        log_wrong(log, index, x, "before the products of the one before are done");
}

/* A delay that is said to have held the command is one of the table's, after a command that was there. */
static inline void log_reason(command_log *log, const weft_hardware_event *e, const log_command *x, int place)
{
    const log_channel *c = &log->channel[e->index];
    if (e->held < WEFT_HOLD_BANK || e->after == WEFT_DRAM_COMPS_READRES || x->command >= WEFT_DRAM_GWRITE)
        return;
    for (size_t i = 0; i < sizeof log_rules / sizeof log_rules[0]; i++) {
        int wait = log->dual ? log_rules[i].dual : log_rules[i].single;
        if (log_rules[i].after != x->command || log_rules[i].before != (int)e->after || x->at - e->after_start != wait)
            continue;
        /* A refresh needs all of its rank's banks; what holds for a rank holds for the group within. */
        int where = x->command == WEFT_DRAM_REFRESH ? ANYWHERE : log_rules[i].relation;
        where |= where & SAME_RANK ? SAME_BANK | SAME_GROUP : 0;
        for (int other = 0; other < LOG_PLACES; other++)
            if (c->last[e->after][other] == e->after_start && log_relation(other, place) & where) {
                log->reasons++;
                return;
            }
    }
    char why[80];
    snprintf(why, sizeof why, "said to wait for %s of cycle %lld", weft_dram_command_name(e->after), (long long)e->after_start);
    log_wrong(log, e->index, x, why);
}

/* Row buffers: what the command needs open or closed, and what it leaves. */
static inline void log_rows(command_log *log, int index, const log_command *x, int place)
{
    log_channel *c = &log->channel[index];
    int group = place / LOG_BANKS * LOG_BANKS, rank = x->rank * LOG_GROUPS * LOG_BANKS;
    int64_t *compute = log->dual ? c->pim_row : c->row;
    switch (x->command) {
    case WEFT_DRAM_READ:
    case WEFT_DRAM_WRITE:
    case WEFT_DRAM_GWRITE:
        if (c->row[place] != x->row)
            log_wrong(log, index, x, "its row is not open");
        break;
    case WEFT_DRAM_ACTIVATE:
        if (c->row[place] >= 0)
            log_wrong(log, index, x, "a row is open");
        if (c->activations[x->rank][0] >= 0 && x->at < c->activations[x->rank][0] + 30)
            log_wrong(log, index, x, "a fifth activation within 30 cycles");
        memmove(&c->activations[x->rank][0], &c->activations[x->rank][1], 3 * sizeof(int64_t));
        c->activations[x->rank][3] = x->at;
        c->row[place] = x->row;
        break;
    case WEFT_DRAM_PRECHARGE:
        if (c->row[place] < 0)
            log_wrong(log, index, x, "no row is open");
        c->row[place] = -1;
        break;
    case WEFT_DRAM_PIM_PRECHARGE:
        if (c->pim_row[place] < 0)
            log_wrong(log, index, x, "no PIM row is open");
        c->pim_row[place] = -1;
        break;
    case WEFT_DRAM_G_ACTIVATE:
        for (int b = group; b < group + LOG_BANKS; b++) {
            if (log->dual && compute[b] >= 0)
                log_wrong(log, index, x, "a PIM row is open");
            if (compute[b] < 0)
                compute[b] = x->row;
        }
        break;
    case WEFT_DRAM_REFRESH:
        for (int b = rank; b < rank + LOG_GROUPS * LOG_BANKS; b++)
            if (c->row[b] >= 0 || c->pim_row[b] >= 0)
                log_wrong(log, index, x, "a row is open");
        break;
    case WEFT_DRAM_COMP:
    case WEFT_DRAM_READRES:
    case WEFT_DRAM_COMPS_READRES:
        for (int b = 0; b < LOG_PLACES; b++)
            if (compute[b] < 0)
                log_wrong(log, index, x, "a bank's row is closed");
        break;
    default:
        break;
    }
}

/* A weft_hardware_sink. */
static inline void command_log_take(void *user, const weft_hardware_event *event)
{
    command_log *log = user;
    if (event->unit != WEFT_UNIT_DRAM)
        return;
    log_command x = {event->start, (int)event->command, event->rank, event->bankgroup, event->bank, event->count, event->row};
    log_channel *c = &log->channel[event->index];
    int place = (x.rank * LOG_GROUPS + x.group) * LOG_BANKS + x.bank;
    log->commands++;
    log->counts[x.command]++;
    if (x.at <= c->clock)
        log_wrong(log, event->index, &x, "two commands in one cycle");
    c->clock = x.at;
    log_delays(log, event->index, &x, place);
    log_reason(log, event, &x, place);
    log_rows(log, event->index, &x, place);
    if (x.command == WEFT_DRAM_COMPS_READRES) {
        c->last_compute = x.at;
        c->last_compute_cycles = 2 * ((x.count > 6 ? x.count : 6) + 1);
    }
    c->last[x.command][place] = x.at;
}

#endif
