/* Commands as they are told: with the delay that held each back. A time stamp is the latest of many delays; beside each stamp the
 * command is kept that raised it last, in channels whose commands someone wants to see. */
#include "hardware/channel_inner.h"

typedef struct source {
    int64_t at; /* clock */
    uint8_t command;
} source;

struct weft_why {
    source bank[WEFT_MOST_BANKS][WEFT_DRAM_COMMANDS];
    source group[WEFT_MOST_BANKS][WEFT_DRAM_COMMANDS];
    source rank[WEFT_MOST_RANKS][WEFT_DRAM_COMMANDS];
    source channel[WEFT_DRAM_COMMANDS];
};

const char *weft_dram_hold_name(weft_dram_hold hold)
{
    static const char *const names[] = {"request", "slot", "window", "bank", "group", "rank", "channel"};
    return names[hold];
}

/* Keeps the command where it raises the stamp. */
static void keep(weft_channel *c, source *to, int64_t stamp, weft_dram_command command, int64_t cycles)
{
    if (stamp < c->clock + cycles)
        *to = (source){c->clock, (uint8_t)command};
}

static void note(weft_channel *c, int bank, weft_dram_command command, int64_t busy)
{
    const weft_dram_rules *r = c->rules;
    weft_why *w = c->why;
    int group = bank / r->banks_per_group, rank = bank / r->banks_per_rank;
    for (int i = 0; i < r->delay_count[command]; i++) {
        weft_delay d = r->delays[command][i];
        if (d.level == WEFT_LEVEL_BANK)
            keep(c, &w->bank[bank][d.next], c->bank[bank].stamp[d.next], command, d.cycles);
        else if (d.level == WEFT_LEVEL_GROUP)
            keep(c, &w->group[group][d.next], c->group_stamp[group][d.next], command, d.cycles);
        else if (d.level == WEFT_LEVEL_RANK)
            keep(c, &w->rank[rank][d.next], c->rank_stamp[rank][d.next], command, d.cycles);
        else if (d.level == WEFT_LEVEL_CHANNEL)
            keep(c, &w->channel[d.next], c->stamp[d.next], command, d.cycles);
        for (int b = rank * r->banks_per_rank; d.level == WEFT_LEVEL_OTHER_BANKS && b < (rank + 1) * r->banks_per_rank; b++)
            if (b != bank)
                keep(c, &w->bank[b][d.next], c->bank[b].stamp[d.next], command, d.cycles);
        for (int k = 0; d.level == WEFT_LEVEL_OTHER_RANKS && k < r->ranks; k++)
            if (k != rank)
                keep(c, &w->rank[k][d.next], c->rank_stamp[k][d.next], command, d.cycles);
    }
    if (command != WEFT_DRAM_COMPS_READRES)
        return;
    keep(c, &w->channel[command], c->stamp[command], command, busy);
    if (r->fixed & WEFT_QUIRK_COMPUTE_HOLDS_ROW) {
        keep(c, &w->channel[WEFT_DRAM_PIM_PRECHARGE], c->stamp[WEFT_DRAM_PIM_PRECHARGE], command, busy);
        keep(c, &w->channel[WEFT_DRAM_G_ACTIVATE], c->stamp[WEFT_DRAM_G_ACTIVATE], command, busy + r->precharge);
    }
}

/* A stamp of the command in the bank that ends now. */
static bool ends_now(const weft_channel *c, int bank, weft_dram_command command, weft_hardware_event *out)
{
    const weft_dram_rules *r = c->rules;
    int group = bank / r->banks_per_group, rank = bank / r->banks_per_rank;
    const struct {
        weft_dram_hold hold;
        int64_t stamp;
        const source *from;
    } levels[] = {{WEFT_HOLD_BANK, c->bank[bank].stamp[command], &c->why->bank[bank][command]},
                  {WEFT_HOLD_GROUP, c->group_stamp[group][command], &c->why->group[group][command]},
                  {WEFT_HOLD_RANK, c->rank_stamp[rank][command], &c->why->rank[rank][command]},
                  {WEFT_HOLD_CHANNEL, c->stamp[command], &c->why->channel[command]}};
    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++)
        if (levels[i].stamp == c->clock && c->clock > 0) {
            out->held = levels[i].hold;
            out->after = (weft_dram_command)levels[i].from->command;
            out->after_start = levels[i].from->at;
            return true;
        }
    return false;
}

static void find_hold(const weft_channel *c, int bank, weft_dram_command command, weft_hardware_event *out)
{
    const weft_dram_rules *r = c->rules;
    int first = bank, last = bank; /* banks that it needs */
    if (command == WEFT_DRAM_REFRESH) {
        first = bank / r->banks_per_rank * r->banks_per_rank;
        last = first + r->banks_per_rank - 1;
    } else if (command == WEFT_DRAM_COMP || command == WEFT_DRAM_READRES || command == WEFT_DRAM_COMPS_READRES) {
        first = 0;
        last = r->banks - 1;
    }
    for (int b = first; b <= last; b++)
        if (ends_now(c, b, command, out))
            return;
    if (command == WEFT_DRAM_ACTIVATE && weft_channel_window(c, bank / r->banks_per_rank) == c->clock && c->clock > 0)
        out->held = WEFT_HOLD_WINDOW;
    else
        out->held = c->last_command == c->clock - 1 && c->clock > 0 ? WEFT_HOLD_SLOT : WEFT_HOLD_REQUEST;
}

void weft_why_tell(weft_channel *c, const weft_pick *pick)
{
    const weft_dram_rules *r = c->rules;
    weft_dram_command command = (weft_dram_command)pick->command;
    bool product = command == WEFT_DRAM_COMPS_READRES;
    int comps = product ? weft_bank_of(c, c->pool[pick->transaction].line) + 1 : 1;
    if (!c->why) {
        c->why = calloc(1, sizeof *c->why);
        c->last_command = -2;
    }
    if (!c->why) {
        c->status = WEFT_ERROR_MEMORY;
        return;
    }
    weft_hardware_event event = {
        .unit = WEFT_UNIT_DRAM,
        .index = c->index,
        .name = weft_dram_command_name(command),
        .stage = c->stage,
        .start = c->clock,
        .finish = c->clock + 1,
        .command = command,
        .rank = pick->bank / r->banks_per_rank,
        .bankgroup = pick->bank % r->banks_per_rank / r->banks_per_group,
        .bank = pick->bank % r->banks_per_group,
        .row = pick->row,
        .count = comps,
    };
    find_hold(c, pick->bank, command, &event);
    c->sink(c->sink_user, &event);
    note(c, pick->bank, command, weft_compute_cycles(r, comps));
    c->last_command = c->clock;
}
