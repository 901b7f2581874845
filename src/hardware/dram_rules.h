/* What holds for every channel of a memory: its address fields, and how long after each command each other one must wait.
 *
 * A delay is kept at the level at which it acts (the bank, its group, its rank, the other ranks, the whole channel), so that a
 * command writes a few numbers in place of one for each bank. That is right because, for a command that one bank executes, the
 * delay within the bank is never shorter than within the group, nor that than within the rank (weft_hardware_check sees to the
 * timings); and PIM computing needs all banks at once, so that its delays are the channel's. */
#ifndef WEFT_HARDWARE_DRAM_RULES_H
#define WEFT_HARDWARE_DRAM_RULES_H

#include "weft/hardware.h"

/* Kinds of request, as traces number them. */
typedef enum weft_access_type {
    WEFT_ACCESS_READ = 0,
    WEFT_ACCESS_WRITE,
    WEFT_ACCESS_GWRITE,
    WEFT_ACCESS_COMP,
    WEFT_ACCESS_READRES,
    WEFT_ACCESS_P_HEADER,
    WEFT_ACCESS_COMPS_READRES,
    WEFT_ACCESS_TYPES
} weft_access_type;

typedef enum weft_level {
    WEFT_LEVEL_BANK = 0,
    WEFT_LEVEL_GROUP,
    WEFT_LEVEL_RANK,
    WEFT_LEVEL_OTHER_BANKS,
    WEFT_LEVEL_OTHER_RANKS,
    WEFT_LEVEL_CHANNEL,
    WEFT_LEVELS
} weft_level;

/* After the command of the row, `next` waits `cycles`. */
typedef struct weft_delay {
    uint8_t level, next;
    int32_t cycles;
} weft_delay;

enum { WEFT_DELAYS = 32, WEFT_MOST_BANKS = 64, WEFT_MOST_RANKS = 16 };

typedef struct weft_dram_rules {
    weft_memory_kind kind;
    unsigned fixed; /* bits of weft_hardware_quirk */
    int channels, ranks, groups, banks_per_group;
    int banks, banks_per_rank;                                       /* of a channel, of a rank */
    int offset_bits, column_bits, channel_bits, bank_bits, row_bits; /* from low to high; bank_bits: bank, group and rank */
    int64_t rows;
    int command_queue, transaction_queue, response_limit;
    int read_latency, gwrite_latency;                               /* from the command to the response */
    int refresh_interval;                                           /* between two refreshes of any rank */
    int faw, precharge, read_to_precharge, activate_to_read, burst; /* tFAW, tRP, tRTP, tRCDRD */
    int least_comps;                                                /* a product's pipeline is this deep */
    weft_delay delays[WEFT_DRAM_COMMANDS][WEFT_DELAYS];
    int delay_count[WEFT_DRAM_COMMANDS];
    weft_dram_power power;
    weft_dram_timing timing;
} weft_dram_rules;

void weft_dram_rules_make(const weft_hardware_memory *, unsigned fixed, weft_dram_rules *out);

/* Fields of a byte address. */
typedef struct weft_dram_place {
    int channel, bank, column; /* bank: rank, group and bank in one number */
    int64_t row;
} weft_dram_place;

static inline weft_dram_place weft_dram_place_of(const weft_dram_rules *r, uint64_t address)
{
    weft_dram_place p;
    address >>= r->offset_bits;
    p.column = (int)(address & ((1u << r->column_bits) - 1));
    address >>= r->column_bits;
    p.channel = (int)(address & ((1u << r->channel_bits) - 1));
    address >>= r->channel_bits;
    p.bank = (int)(address & ((1u << r->bank_bits) - 1));
    address >>= r->bank_bits;
    p.row = (int64_t)(address & ((1u << r->row_bits) - 1));
    return p;
}

static inline uint64_t weft_dram_address(const weft_dram_rules *r, weft_dram_place p)
{
    uint64_t address = (uint64_t)p.row;
    address = address << r->bank_bits | (uint64_t)p.bank;
    address = address << r->channel_bits | (uint64_t)p.channel;
    address = address << r->column_bits | (uint64_t)p.column;
    return address << r->offset_bits;
}

/* The place's number within its channel: columns lowest, then banks, then rows. */
static inline uint32_t weft_dram_line(const weft_dram_rules *r, weft_dram_place p)
{
    return (uint32_t)(((uint64_t)p.row << r->bank_bits | (uint64_t)p.bank) << r->column_bits | (uint64_t)p.column);
}

/* Adds the counters of one channel to a sum. */
void weft_dram_totals_add(weft_dram_totals *sum, const weft_dram_totals *);

/* Energy terms of the counts, pJ. */
void weft_dram_energy(const weft_dram_rules *, weft_dram_totals *);

#endif
