/* One cycle of the interconnect, in the published simulator's order: out of and into the core, out of and into the
 * controllers, then the switch. Each node has one destination, so that channels do not meet. */
#include "hardware/network.h"

weft_status weft_network_open(weft_network *n, const weft_dram_rules *r, weft_channel *channels, int latency, bool one_lane)
{
    *n = (weft_network){.rules = r, .channels = channels, .latency = latency, .one_lane = one_lane};
    n->ports = calloc((size_t)r->channels, sizeof *n->ports);
    if (!n->ports)
        return weft_fail(WEFT_ERROR_MEMORY, "cannot allocate the interconnect");
    for (int i = 0; i < r->channels; i++) {
        weft_port *p = &n->ports[i];
        for (int lane = 0; lane < WEFT_LANES; lane++) {
            weft_ring_init(&p->core[lane], sizeof(weft_burst));
            weft_ring_init(&p->memory[lane], sizeof(weft_burst));
        }
        weft_ring_init(&p->there, sizeof(weft_packet));
        weft_ring_init(&p->back, sizeof(weft_packet));
        weft_ring_init(&p->arrived, sizeof(weft_response));
    }
    return WEFT_OK;
}

void weft_network_close(weft_network *n)
{
    for (int i = 0; n->ports && i < n->rules->channels; i++) {
        weft_port *p = &n->ports[i];
        for (int lane = 0; lane < WEFT_LANES; lane++) {
            weft_ring_free(&p->core[lane]);
            weft_ring_free(&p->memory[lane]);
        }
        weft_ring_free(&p->there);
        weft_ring_free(&p->back);
        weft_ring_free(&p->arrived);
    }
    free(n->ports);
    n->ports = NULL;
}

void weft_network_send(weft_network *n, int channel, int lane, weft_burst burst)
{
    weft_burst *slot = weft_ring_push(&n->ports[channel].core[lane]);
    if (!slot) {
        n->status = WEFT_ERROR_MEMORY;
        return;
    }
    *slot = burst;
    n->sending |= (uint64_t)1 << channel;
}

static void travel(weft_network *n, weft_ring *ring, weft_packet packet)
{
    packet.arrival = n->cycle + n->latency;
    if (ring->count)
        packet.arrival = ((weft_packet *)weft_ring_at(ring, ring->count - 1))->arrival + 1;
    weft_packet *slot = weft_ring_push(ring);
    if (slot)
        *slot = packet;
    else
        n->status = WEFT_ERROR_MEMORY;
}

static void leave_core(weft_network *n, int channel)
{
    weft_port *p = &n->ports[channel];
    bool more = false;
    for (int lane = 0; lane < WEFT_LANES; lane++) {
        weft_burst *burst = weft_ring_head(&p->core[lane]);
        if (!burst)
            continue;
        weft_packet packet = {
            .line = burst->line, .tag = burst->tag, .type = burst->type, .lane = (uint8_t)(n->one_lane ? WEFT_LANE_NPU : lane)};
        travel(n, &p->there, packet);
        n->there |= (uint64_t)1 << channel;
        burst->line++;
        if (--burst->count == 0)
            weft_ring_pop(&p->core[lane]);
        more = more || p->core[lane].count;
    }
    if (!more)
        n->sending &= ~((uint64_t)1 << channel);
}

static int kind_of(weft_access_type type)
{
    return type >= WEFT_ACCESS_GWRITE ? WEFT_PIM_WORK : WEFT_PLAIN_WORK;
}

static void enter_memory(weft_network *n, int channel, int64_t clock)
{
    weft_port *p = &n->ports[channel];
    weft_channel *c = &n->channels[channel];
    bool more = false;
    for (int lane = 0; lane < WEFT_LANES; lane++) {
        weft_burst *burst = weft_ring_head(&p->memory[lane]);
        if (burst && weft_channel_accepts(c, (weft_access_type)burst->type)) {
            weft_channel_add(c, clock, (weft_access_type)burst->type, burst->line++, burst->tag);
            n->poked |= (uint64_t)1 << channel;
            n->inside[kind_of((weft_access_type)burst->type)] += burst->type != WEFT_ACCESS_P_HEADER;
            if (--burst->count == 0)
                weft_ring_pop(&p->memory[lane]);
            if ((burst = weft_ring_head(&p->memory[lane])))
                weft_channel_expect(c, burst->line);
        }
        more = more || p->memory[lane].count;
    }
    if (!more)
        n->waiting &= ~((uint64_t)1 << channel);
}

static void leave_memory(weft_network *n, int channel)
{
    weft_channel *c = &n->channels[channel];
    const weft_response *r = weft_ring_head(&c->responses);
    travel(n, &n->ports[channel].back, (weft_packet){.tag = r->tag, .type = (uint8_t)r->type});
    n->back |= (uint64_t)1 << channel;
    n->inside[kind_of((weft_access_type)r->type)]--;
    weft_ring_pop(&c->responses);
    if (!c->responses.count)
        n->answering &= ~((uint64_t)1 << channel);
}

/* What waits for the controller may be the whole data of an operator: lines in a row are kept as one burst. */
static void queue_up(weft_network *n, weft_ring *ring, const weft_packet *packet)
{
    weft_burst *last = ring->count ? weft_ring_at(ring, ring->count - 1) : NULL;
    if (last && last->tag == packet->tag && last->type == packet->type && last->line + last->count == packet->line) {
        last->count++;
        return;
    }
    weft_burst *slot = weft_ring_push(ring);
    if (slot)
        *slot = (weft_burst){packet->line, 1, packet->tag, packet->type};
    else
        n->status = WEFT_ERROR_MEMORY;
}

static void arrive(weft_network *n, int channel)
{
    weft_port *p = &n->ports[channel];
    uint64_t bit = (uint64_t)1 << channel;
    const weft_packet *packet = n->there & bit ? weft_ring_head(&p->there) : NULL;
    if (packet && packet->arrival <= n->cycle) {
        queue_up(n, &p->memory[packet->lane], packet);
        n->waiting |= bit;
        weft_ring_pop(&p->there);
        if (!p->there.count)
            n->there &= ~bit;
    }
    packet = n->back & bit ? weft_ring_head(&p->back) : NULL;
    if (packet && packet->arrival <= n->cycle) {
        weft_response *slot = weft_ring_push(&p->arrived);
        if (slot)
            *slot = (weft_response){packet->tag, packet->type};
        else
            n->status = WEFT_ERROR_MEMORY;
        n->arrived |= bit;
        weft_ring_pop(&p->back);
        if (!p->back.count)
            n->back &= ~bit;
    }
}

#define EACH(channel, mask) \
    for (uint64_t left_ = (mask); left_; left_ &= left_ - 1) \
        for (int channel = __builtin_ctzll(left_), once_ = 1; once_; once_ = 0)

void weft_network_step(weft_network *n, int64_t clock, weft_deliver deliver, void *user)
{
    EACH(channel, n->sending)
    leave_core(n, channel);
    EACH(channel, n->arrived)
    {
        weft_ring *arrived = &n->ports[channel].arrived;
        weft_response response = *(weft_response *)weft_ring_head(arrived);
        weft_ring_pop(arrived);
        if (!arrived->count)
            n->arrived &= ~((uint64_t)1 << channel);
        deliver(user, response);
    }
    EACH(channel, n->waiting)
    enter_memory(n, channel, clock);
    EACH(channel, n->answering)
    leave_memory(n, channel);
    EACH(channel, n->there | n->back)
    arrive(n, channel);
    n->cycle++;
}
