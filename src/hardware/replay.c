/* The memory alone: accesses from a trace through the controllers, one memory clock, no core and no interconnect.
 *
 * At each clock every channel ticks; then each channel's two input queues (reads and writes; PIM commands; both in the trace's
 * order) may hand over their head, and responses are taken. */
#include "hardware/channel.h"

enum { INPUTS = 2, STALL = 4000000 };

typedef struct replay {
    weft_dram_rules rules;
    weft_channel *channel;
    weft_memory_access *access;
    int64_t count, waiting, open; /* accesses; those not accepted yet; those accepted and not answered */
    int64_t *next;                /* [count] the next of the same input queue */
    int64_t *head;                /* [channels][INPUTS], -1: empty */
    int64_t *due;                 /* [channels] the next clock at which the channel must tick */
    int64_t progress;
} replay;

static weft_status check(replay *p)
{
    int64_t most = (int64_t)1 << (p->rules.offset_bits + p->rules.column_bits + p->rules.channel_bits + p->rules.bank_bits +
                                  p->rules.row_bits);
    static const struct {
        weft_memory_kind kind;
        unsigned types; /* that the controller knows */
    } known[] = {
        {WEFT_MEMORY_DUAL, 1u << WEFT_ACCESS_READ | 1u << WEFT_ACCESS_WRITE | 1u << WEFT_ACCESS_GWRITE |
                               1u << WEFT_ACCESS_P_HEADER | 1u << WEFT_ACCESS_COMPS_READRES},
        {WEFT_MEMORY_SINGLE, 1u << WEFT_ACCESS_READ | 1u << WEFT_ACCESS_WRITE | 1u << WEFT_ACCESS_GWRITE |
                                 1u << WEFT_ACCESS_P_HEADER | 1u << WEFT_ACCESS_COMP | 1u << WEFT_ACCESS_READRES},
        {WEFT_MEMORY_PLAIN, 1u << WEFT_ACCESS_READ | 1u << WEFT_ACCESS_WRITE},
    };
    static const char *const names[WEFT_ACCESS_TYPES] = {"READ",    "WRITE",    "GWRITE",       "COMP",
                                                         "READRES", "P_HEADER", "COMPS_READRES"};
    for (int64_t i = 0; i < p->count; i++) {
        const weft_memory_access *a = &p->access[i];
        if (a->type < 0 || a->type >= WEFT_ACCESS_TYPES)
            return weft_fail(WEFT_ERROR_ARGUMENT, "access %lld: type is %d; it must be from 0 to %d", (long long)i, a->type,
                             WEFT_ACCESS_TYPES - 1);
        for (size_t k = 0; k < sizeof known / sizeof known[0]; k++)
            if (known[k].kind == p->rules.kind && !(known[k].types >> a->type & 1))
                return weft_fail(WEFT_ERROR_ARGUMENT, "access %lld: the %s controller does not know type %d (%s)", (long long)i,
                                 weft_memory_kind_name(p->rules.kind), a->type, names[a->type]);
        if (a->address >= (uint64_t)most)
            return weft_fail(WEFT_ERROR_ARGUMENT, "access %lld: address %llu is outside the memory of %lld bytes", (long long)i,
                             (unsigned long long)a->address, (long long)most);
        if (a->not_before < 0 || a->not_before > (int64_t)1 << 40)
            return weft_fail(WEFT_ERROR_ARGUMENT, "access %lld: not_before is %lld; it must be from 0 to 2^40", (long long)i,
                             (long long)a->not_before);
    }
    return WEFT_OK;
}

static weft_status prepare(replay *p, weft_hardware_sink sink, void *user)
{
    int channels = p->rules.channels;
    p->channel = calloc((size_t)channels, sizeof *p->channel);
    p->next = malloc((size_t)(p->count + 1) * sizeof *p->next);
    p->head = malloc((size_t)channels * INPUTS * sizeof *p->head);
    p->due = calloc((size_t)channels, sizeof *p->due);
    if (!p->channel || !p->next || !p->head || !p->due)
        return weft_fail(WEFT_ERROR_MEMORY, "cannot allocate a replay of %lld accesses", (long long)p->count);
    memset(p->head, 0xff, (size_t)channels * INPUTS * sizeof *p->head);
    for (int64_t i = p->count - 1; i >= 0; i--) {
        int channel = weft_dram_place_of(&p->rules, p->access[i].address).channel;
        int64_t *head = &p->head[channel * INPUTS + (p->access[i].type >= WEFT_ACCESS_GWRITE)];
        p->next[i] = *head;
        *head = i;
        p->access[i].accepted = p->access[i].done = -1;
    }
    p->waiting = p->count;
    weft_status status = WEFT_OK;
    for (int i = 0; i < channels && status == WEFT_OK; i++) {
        status = weft_channel_open(&p->channel[i], &p->rules, i);
        p->channel[i].sink = sink;
        p->channel[i].sink_user = user;
    }
    return status;
}

static void hand_over(replay *p, int index, int64_t clock)
{
    weft_channel *c = &p->channel[index];
    for (int k = 0; k < INPUTS; k++) {
        int64_t i = p->head[index * INPUTS + k];
        if (i < 0 || p->access[i].not_before > clock || !weft_channel_accepts(c, (weft_access_type)p->access[i].type))
            continue;
        weft_memory_access *a = &p->access[i];
        weft_channel_add(c, clock + 1, (weft_access_type)a->type,
                         weft_dram_line(&p->rules, weft_dram_place_of(&p->rules, a->address)), (uint32_t)i);
        p->head[index * INPUTS + k] = p->next[i];
        a->accepted = clock;
        p->waiting--;
        p->open += a->type != WEFT_ACCESS_P_HEADER;
        p->progress = clock;
    }
}

static void take_responses(replay *p, int index, int64_t clock)
{
    weft_ring *responses = &p->channel[index].responses;
    for (weft_response *r; (r = weft_ring_head(responses)); weft_ring_pop(responses)) {
        p->access[r->tag].done = clock;
        p->open--;
        p->progress = clock;
    }
}

static int64_t first_unserved(const replay *p)
{
    for (int64_t i = 0; i < p->count; i++)
        if (p->access[i].accepted < 0 || (p->access[i].done < 0 && p->access[i].type != WEFT_ACCESS_P_HEADER))
            return i;
    return p->count - 1;
}

static weft_status play(replay *p, bool jump, int64_t *end)
{
    int channels = p->rules.channels;
    int64_t clock = 0;
    for (;;) {
        int64_t next = WEFT_NEVER;
        for (int i = 0; i < channels; i++) {
            weft_channel *c = &p->channel[i];
            if (!jump || p->due[i] <= clock)
                weft_channel_tick(c, clock);
            hand_over(p, i, clock);
            take_responses(p, i, clock);
            p->due[i] = jump ? weft_channel_next(c) : clock + 1;
            p->due[i] = p->due[i] > clock ? p->due[i] : clock + 1;
            next = p->due[i] < next ? p->due[i] : next;
            for (int k = 0; k < INPUTS; k++) {
                int64_t head = p->head[i * INPUTS + k], at = head >= 0 ? p->access[head].not_before : WEFT_NEVER;
                next = at > clock && at < next ? at : next;
            }
            if (c->status != WEFT_OK)
                return weft_fail(c->status, "cannot allocate the queues of a memory channel");
        }
        if (p->waiting == 0 && p->open == 0) { /* a few writes, acknowledged long ago, may stay in their buffer */
            *end = clock + 1;
            return WEFT_OK;
        }
        if (p->waiting && p->progress < clock)
            for (int i = 0; i < channels * INPUTS; i++) /* waiting for its time is no stall */
                if (p->head[i] >= 0 && p->access[p->head[i]].not_before > clock)
                    p->progress = clock;
        if (clock - p->progress > STALL)
            return weft_fail(WEFT_ERROR_ARGUMENT,
                             "access %lld is never served: what it needs does not fit between two refreshes (%d cycles)",
                             (long long)first_unserved(p), p->rules.refresh_interval);
        clock = next;
        if ((clock & 0xfff) == 0 && weft_interrupted())
            return weft_fail(WEFT_ERROR_INTERRUPTED, "the replay was interrupted");
    }
}

void weft_dram_totals_add(weft_dram_totals *sum, const weft_dram_totals *d)
{
    int64_t *to = (int64_t *)sum;
    const int64_t *from = (const int64_t *)d;
    size_t counters = offsetof(weft_dram_totals, act_energy) / sizeof *to;
    for (size_t i = 0; i < counters; i++)
        to[i] += from[i];
}

weft_status weft_hardware_replay(const weft_hardware_memory *memory, unsigned fixed, bool jump, weft_memory_access *accesses,
                                 int64_t count, weft_hardware_sink sink, void *sink_user, weft_dram_totals *totals)
{
    weft_hardware hardware = weft_hardware_default();
    hardware.memory = *memory;
    weft_status status = weft_hardware_check(&hardware);
    if (status != WEFT_OK)
        return status;
    replay p = {.access = accesses, .count = count};
    weft_dram_rules_make(memory, fixed, &p.rules);
    int64_t end = 0;
    status = check(&p);
    if (status == WEFT_OK)
        status = prepare(&p, sink, sink_user);
    if (status == WEFT_OK)
        status = play(&p, jump, &end);
    weft_dram_totals sum = {0};
    for (int i = 0; p.channel && i < p.rules.channels; i++) {
        if (status == WEFT_OK) {
            weft_channel_settle(&p.channel[i], end);
            weft_dram_totals_add(&sum, &p.channel[i].totals);
        }
        weft_channel_close(&p.channel[i]);
    }
    weft_dram_energy(&p.rules, &sum);
    if (totals)
        *totals = sum;
    free(p.channel);
    free(p.next);
    free(p.head);
    free(p.due);
    return status;
}
