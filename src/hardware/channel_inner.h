/* Between the files of a channel: which commands are legal, and what issuing one does. */
#ifndef WEFT_HARDWARE_CHANNEL_INNER_H
#define WEFT_HARDWARE_CHANNEL_INNER_H

#include "hardware/channel.h"

/* A command that may be issued at this tick; bank -1: none. Small enough to be returned in registers: millions are. */
typedef struct weft_pick {
    int32_t index; /* of its place in the bank's queue; -1: not there */
    int32_t row;   /* to open */
    int16_t bank;
    uint16_t transaction; /* WEFT_NONE: none leaves the queues */
    uint8_t command;      /* weft_dram_command */
    bool queued;          /* comes from a bank's queue: goes on beside what is computed */
} weft_pick;

static inline weft_pick weft_pick_of(int bank, weft_dram_command command, int32_t row)
{
    return (weft_pick){.bank = (int16_t)bank, .command = (uint8_t)command, .transaction = WEFT_NONE, .index = -1, .row = row};
}

#define WEFT_NO_PICK ((weft_pick){.bank = -1, .transaction = WEFT_NONE, .index = -1})

static inline int64_t weft_latest(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* The earliest clock at which timing allows `command` on `bank`. */
static inline int64_t weft_channel_stamp(const weft_channel *c, int bank, weft_dram_command command)
{
    const weft_dram_rules *r = c->rules;
    int64_t own = weft_latest(c->bank[bank].stamp[command], c->group_stamp[bank / r->banks_per_group][command]);
    return weft_latest(own, weft_latest(c->rank_stamp[bank / r->banks_per_rank][command], c->stamp[command]));
}

/* The earliest clock at which the rank's window of four activations has room. */
static inline int64_t weft_channel_window(const weft_channel *c, int rank)
{
    return c->window[rank].count >= 4 ? c->window[rank].end[0] : 0;
}

/* An activation of the normal row buffer: both of them. */
static inline int64_t weft_channel_activate(const weft_channel *c, int bank)
{
    return weft_latest(weft_channel_stamp(c, bank, WEFT_DRAM_ACTIVATE), weft_channel_window(c, bank / c->rules->banks_per_rank));
}

static inline weft_queue_entry *weft_channel_entry(const weft_channel *c, int bank, uint32_t i)
{
    return &c->entries[(size_t)bank * (c->queue_mask + 1) + ((c->bank[bank].head + i) & c->queue_mask)];
}

/* channel_banks.c: reads and writes in their banks' queues. */
void weft_banks_push(weft_channel *, uint16_t transaction, uint32_t line, bool write);
void weft_banks_remove(weft_channel *, int bank, int32_t index);
weft_pick weft_banks_pick(weft_channel *, bool one_queue);
int64_t weft_banks_next(weft_channel *);

/* channel_pim.c: the head of the PIM queue. *stop: nothing else may be issued at this tick. */
weft_pick weft_pim_pick(weft_channel *, bool *stop);
int64_t weft_pim_next(weft_channel *);

/* channel_issue.c */
void weft_channel_issue(weft_channel *, const weft_pick *);
void weft_channel_return(weft_channel *, weft_return_class, int64_t complete, uint16_t transaction);

/* channel_why.c: tells a command with what held it, before it is done. */
void weft_why_tell(weft_channel *, const weft_pick *);

/* Cycles in which a product of so many multiplies keeps the banks. */
static inline int64_t weft_compute_cycles(const weft_dram_rules *r, int64_t comps)
{
    return r->burst * ((comps > r->least_comps ? comps : r->least_comps) + 1);
}

/* channel.c: the oldest transaction of that line and type that has not been issued, or WEFT_NONE. */
uint16_t weft_channel_pending(const weft_channel *, uint32_t line, weft_access_type);
void weft_channel_forget(weft_channel *, uint16_t transaction);
void weft_channel_release(weft_channel *, uint16_t transaction);

/* Fields of a line. */
static inline int weft_bank_of(const weft_channel *c, uint32_t line)
{
    return (int)(line >> c->rules->column_bits & (uint32_t)(c->rules->banks - 1));
}

static inline int32_t weft_row_of(const weft_channel *c, uint32_t line)
{
    return (int32_t)(line >> (c->rules->column_bits + c->rules->bank_bits));
}

static inline int weft_column_of(const weft_channel *c, uint32_t line)
{
    return (int)(line & ((1u << c->rules->column_bits) - 1));
}

#endif
