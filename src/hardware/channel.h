/* One memory channel: its controller's queues, row buffers and time stamps.
 *
 * A tick is one memory clock: finished transactions return, at most one command is issued, and at most one transaction moves
 * into the command queues. Between two ticks at which weft_channel_next() says nothing can happen, ticks may be left out: the
 * state is a function of the clock of the ticks that were run. */
#ifndef WEFT_HARDWARE_CHANNEL_H
#define WEFT_HARDWARE_CHANNEL_H

#include "hardware/dram_rules.h"
#include "hardware/ring.h"

enum { WEFT_NONE = 0xffff, WEFT_PENDING_BUCKETS = 8192 };

#define WEFT_NEVER INT64_MAX

typedef enum weft_transaction_state {
    WEFT_QUEUED = 0, /* in the transaction queue */
    WEFT_WAITING,    /* in a command queue */
    WEFT_RIDING,     /* a read that an earlier read of its line answers */
    WEFT_ISSUED      /* its answer is on the way */
} weft_transaction_state;

/* A request inside the controller, from its arrival to its response (a write: to its command). Millions pass through and
 * thousands wait in each channel, so it is small. Lines are numbered within the channel, columns lowest, then banks, then rows.
 *
 * Memory answers lines: a response that is no write's goes to the oldest request of its line that is none, whichever command
 * brought it. So a request is two things, what the controller does (line, type) and who asked (tag, asked), and the second moves
 * to an older request of the same line when that one is answered out of turn. */
typedef struct weft_transaction {
    uint32_t line, tag;
    uint16_t chain; /* the next of the same bucket, in order of arrival; of the free ones */
    uint16_t rider; /* the next read that waits for this one's line */
    uint8_t type, asked, state;
} weft_transaction;

/* A response, in the order in which responses leave. */
typedef struct weft_response {
    uint32_t tag, type;
} weft_response;

/* Responses of one class complete in the order in which they are promised. */
typedef enum weft_return_class {
    WEFT_RETURN_AT_ONCE = 0,
    WEFT_RETURN_READ,
    WEFT_RETURN_GWRITE,
    WEFT_RETURN_COMP,
    WEFT_RETURN_RESULT,
    WEFT_RETURN_CLASSES
} weft_return_class;

typedef struct weft_return {
    int64_t complete, sequence;
    weft_response response;
    uint16_t transaction; /* WEFT_NONE: a write, which nobody can overtake */
} weft_return;

typedef struct weft_bank {
    int64_t stamp[WEFT_DRAM_COMMANDS]; /* earliest clock of each command */
    int64_t wake;                      /* no command of the queue is legal before */
    int32_t row, pim_row;              /* open rows; -1: closed */
    int32_t row_hits;
    /* What the queue wants, as of the last look (channel_banks.c). Indices into the queue; -1: none. */
    int32_t read_hit, write_hit, opener;
    bool close;           /* the first entry wants another row, and may have the open one closed */
    bool entangled;       /* a queued row is open in the PIM buffer: entries are looked at one by one */
    int32_t writes;       /* entries that are writes */
    uint32_t head, count; /* of `queue`, a ring of rules->command_queue rounded up to a power of two */
} weft_bank;

typedef struct weft_queue_entry {
    int32_t row;
    uint16_t transaction;
    uint16_t column : 15, write : 1;
} weft_queue_entry;

/* Four activations in a window. */
typedef struct weft_window {
    int64_t end[4];
    int count;
} weft_window;

typedef struct weft_list_item {
    uint32_t line;
    uint16_t transaction;
    uint8_t bank, type; /* the transaction's, as the line is, so that a scan touches nothing else */
} weft_list_item;

typedef struct weft_list { /* in arrival order; at most transaction_queue */
    weft_list_item *item;
    int count;
} weft_list;

/* Where the memory cycles went in which requests waited, for reads and writes and for PIM commands. */
typedef struct weft_spent {
    int64_t since;               /* clock from which something waits; -1: nothing */
    int64_t last;                /* clock of the newest command */
    int64_t bus_until;           /* the bus carries data before */
    int cause;                   /* what the command after the newest is waiting for */
    int64_t cycles[WEFT_BOUNDS]; /* weft_hardware_bound */
} weft_spent;

enum { WEFT_KINDS_OF_WORK = 2, WEFT_PLAIN_WORK = 0, WEFT_PIM_WORK = 1 };

/* Which command each time stamp comes from; kept only where commands are told (channel_why.c). */
typedef struct weft_why weft_why;

/* 32 channels take turns, clock by clock, so that each tick finds little of its channel in the cache: what most ticks look at
 * stands together at the top. */
typedef struct weft_channel {
    const weft_dram_rules *rules;
    int64_t clock;       /* of the next tick */
    int64_t next_return; /* when the next promised response completes */

    /* Bank queues; a bit a bank. */
    uint64_t waiting, stale;                                              /* nonempty; to be looked at again */
    uint64_t wants_read, wants_write, wants_open, wants_close, wants_any; /* any: entangled */
    int turn;                                                             /* of the round robin */
    uint32_t queue_mask;
    weft_queue_entry *entries; /* [banks][queue_mask + 1] */

    /* Transactions. */
    weft_list reads, writes, pims;
    int64_t draining;
    bool locked;  /* a write waits for a read of the same line */
    bool blocked; /* the last scan moved nothing, and no room has come up since */
    bool acted;   /* something has happened since the last tick began */
    char stage;
    int quiet; /* ticks since something happened */
    uint32_t locked_line;
    uint16_t free, free_last;
    weft_transaction *pool;
    uint16_t (*bucket)[2]; /* [WEFT_PENDING_BUCKETS] oldest and newest */
    int64_t reserved;      /* responses promised */

    /* PIM commands. */
    bool gwriting, skip_pim, pim_mode, comp_since_result, estimate_known, in_refresh;
    int32_t reserved_row;
    int refresh_rank, refresh_count;
    int64_t remain_slack;
    weft_ring pim_queue; /* uint16_t transactions */
    int64_t pim_since;   /* clock at which the PIM queue became nonempty; -1: empty */
    weft_hardware_sink sink;
    weft_spent spent[WEFT_KINDS_OF_WORK];

    /* Responses. */
    weft_ring returns[WEFT_RETURN_CLASSES]; /* weft_return, each in order of completion */
    weft_ring responses;                    /* weft_response */
    int64_t return_sequence;                /* promised so far */
    int64_t responded;                      /* that carry data or acknowledge it, since the last reading */
    weft_dram_totals totals;

    int64_t estimate;
    int gwrite_bank, index;
    int64_t pim_read; /* pim cycles already read */
    int64_t *arrival; /* [pool_size] of writes and PIM commands: the clock */
    uint32_t pool_size;
    int refresh_waiting[64]; /* ranks whose refresh is due, oldest first */
    weft_status status;      /* of the first failed allocation */
    void *sink_user;
    weft_why *why; /* NULL: not kept */
    int64_t last_command;

    /* Time stamps and rows. */
    int64_t stamp[WEFT_DRAM_COMMANDS];
    int64_t rank_stamp[WEFT_MOST_RANKS][WEFT_DRAM_COMMANDS];
    weft_window window[WEFT_MOST_RANKS];
    int open[WEFT_MOST_RANKS], pim_open[WEFT_MOST_RANKS]; /* banks with an open row */
    int64_t open_since[WEFT_MOST_RANKS], pim_open_since[WEFT_MOST_RANKS];
    weft_bank bank[WEFT_MOST_BANKS];
    int64_t group_stamp[WEFT_MOST_BANKS][WEFT_DRAM_COMMANDS];
} weft_channel;

weft_status weft_channel_open(weft_channel *, const weft_dram_rules *, int index);
void weft_channel_close(weft_channel *);

bool weft_channel_accepts(const weft_channel *, weft_access_type);
/* Hands a request over before the tick of `clock`; weft_channel_accepts has said yes. */
void weft_channel_add(weft_channel *, int64_t clock, weft_access_type, uint32_t line, uint32_t tag);
/* A request for that line is likely to be added within a few clocks: brings what it will touch into the cache. */
void weft_channel_expect(const weft_channel *, uint32_t line);
void weft_channel_tick(weft_channel *, int64_t clock);
/* The earliest clock, after the last tick, at which a tick can change anything; WEFT_NEVER without refreshes to come does not
 * occur: refreshes always come. */
int64_t weft_channel_next(weft_channel *);
/* Something of that kind waits from `clock` on, unless something did already. */
static inline void weft_channel_wait(weft_channel *c, int kind, int64_t clock)
{
    if (c->spent[kind].since < 0)
        c->spent[kind].since = clock;
}

/* Memory cycles with a waiting PIM command and responses since the last call; `clock` ticks have been made. */
void weft_channel_read_stage(weft_channel *, int64_t clock, int64_t *pim_cycles, int64_t *responses);
/* Brings the totals up to `clock` ticks. */
void weft_channel_settle(weft_channel *, int64_t clock);

#endif
