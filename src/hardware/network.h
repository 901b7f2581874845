/* The interconnect: one node for each memory channel on either side, a fixed latency, one packet a node and cycle. */
#ifndef WEFT_HARDWARE_NETWORK_H
#define WEFT_HARDWARE_NETWORK_H

#include "hardware/channel.h"

enum { WEFT_LANES = 2, WEFT_LANE_NPU = 0, WEFT_LANE_PIM = 1 };

/* Requests of one instruction for one channel: `count` lines of that channel, one after the other. */
typedef struct weft_burst {
    uint32_t line, count, tag; /* line: within the channel, as weft_transaction numbers them */
    uint8_t type;
} weft_burst;

typedef struct weft_packet {
    int64_t arrival; /* interconnect cycle */
    uint32_t line, tag;
    uint8_t type, lane;
} weft_packet;

typedef struct weft_port {
    weft_ring core[WEFT_LANES];   /* weft_burst, waiting in the core */
    weft_ring there, back;        /* weft_packet on their way */
    weft_ring memory[WEFT_LANES]; /* weft_burst, waiting for the controller */
    weft_ring arrived;            /* weft_response, waiting for the core */
} weft_port;

typedef struct weft_network {
    const weft_dram_rules *rules;
    weft_channel *channels;
    weft_port *ports; /* [channels] */
    int64_t cycle;
    int latency;
    bool one_lane; /* all requests wait for the controller in one queue */
    /* A bit a channel: which of the port's rings hold something; and whose controller has responses. */
    uint64_t sending, there, waiting, answering, back, arrived;
    int64_t inside[WEFT_KINDS_OF_WORK]; /* requests that controllers have and have not answered */
    uint64_t poked;                     /* channels that took a request since they last ticked */
    weft_status status;
} weft_network;

weft_status weft_network_open(weft_network *, const weft_dram_rules *, weft_channel *channels, int latency, bool one_lane);
void weft_network_close(weft_network *);
void weft_network_send(weft_network *, int channel, int lane, weft_burst);

/* Takes a response to the core. */
typedef void (*weft_deliver)(void *user, weft_response);
/* One interconnect cycle; `clock` is the number of memory ticks made. */
void weft_network_step(weft_network *, int64_t clock, weft_deliver, void *user);
static inline bool weft_network_busy(const weft_network *n)
{
    return n->sending | n->there | n->waiting | n->answering | n->back | n->arrived;
}

#endif
