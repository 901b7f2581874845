/* Between the files of a channel: which commands are legal, and what issuing one does. */
#ifndef WEFT_HARDWARE_CHANNEL_INNER_H
#define WEFT_HARDWARE_CHANNEL_INNER_H

#include "hardware/channel.h"

/* A command that may be issued at this tick; bank -1: none. */
typedef struct weft_pick {
    int bank;
    weft_dram_command command;
    uint32_t transaction; /* WEFT_NONE: none leaves the queues */
    int32_t index;        /* of its place in the bank's queue; -1: not there */
    int32_t row;          /* to open */
    bool queued;          /* comes from a bank's queue: goes on beside what is computed */
} weft_pick;

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
void weft_banks_push(weft_channel *, uint32_t transaction);
void weft_banks_remove(weft_channel *, int bank, int32_t index);
weft_pick weft_banks_pick(weft_channel *, bool one_queue);
int64_t weft_banks_next(weft_channel *);

/* channel_pim.c: the head of the PIM queue. *stop: nothing else may be issued at this tick. */
weft_pick weft_pim_pick(weft_channel *, bool *stop);
int64_t weft_pim_next(weft_channel *);

/* channel_issue.c */
void weft_channel_issue(weft_channel *, const weft_pick *);
void weft_channel_return(weft_channel *, weft_return_class, int64_t complete, const weft_transaction *);

/* channel.c: the pending transaction of that address and type, or WEFT_NONE; and out of the pending ones. */
uint32_t weft_channel_pending(const weft_channel *, uint64_t address, weft_access_type);
void weft_channel_forget(weft_channel *, uint32_t transaction);

#endif
