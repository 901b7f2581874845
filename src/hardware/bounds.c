/* Each cycle of an operator has one cause. The core knows whether its units have work queued up, whether lines are to come, or
 * neither; where both go on, what is left of either at its best rate says which of them the operator will wait for. Cycles in
 * which lines are to come are the memory's, and are parted in proportion to what all channels spent their waiting on meanwhile
 * (channel_issue.c). */
#include "hardware/bounds.h"

const char *weft_hardware_bound_name(int bound)
{
    static const char *const names[WEFT_BOUNDS] = {"compute",   "bandwidth", "pim",        "activate",
                                                   "precharge", "refresh",   "dependency", "interconnect"};
    return bound >= 0 && bound < WEFT_BOUNDS ? names[bound] : NULL;
}

static void add_up(const weft_channel *channels, int count, int kind, int64_t out[WEFT_BOUNDS])
{
    for (int k = 0; k < WEFT_BOUNDS; k++) {
        out[k] = 0;
        for (int i = 0; i < count; i++)
            out[k] += channels[i].spent[kind].cycles[k];
    }
}

void weft_bounds_begin(weft_bounds *b, const weft_channel *channels, int count, bool in_memory)
{
    *b = (weft_bounds){.kind = in_memory ? WEFT_PIM_WORK : WEFT_PLAIN_WORK};
    add_up(channels, count, b->kind, b->before);
}

/* Whether what is to be loaded takes longer than what is to be computed. */
static bool loads_last(const weft_core *c, const weft_side_state *s, int side)
{
    const weft_hardware *h = c->work->hardware;
    double clocks = h->npu.core_mhz / h->memory.mhz;
    double loading = (double)s->loads * c->work->rules->timing.burst * clocks / c->work->rules->channels;
    double passes = (double)h->npu.systolic_width / h->npu.systolic_arrays;
    return loading > (double)(c->busy_until[side] - c->now) + (double)s->computes * passes;
}

void weft_bounds_note(weft_bounds *b, const weft_core *c, int side)
{
    const weft_side_state *s = &c->state[side];
    const weft_network *n = c->network;
    bool queued = s->computes && c->now <= c->busy_until[side], waits = s->loads || s->storing;
    weft_hardware_bound cause = WEFT_BOUND_DEPENDENCY;
    if (queued && !(s->loads && loads_last(c, s, side)))
        cause = WEFT_BOUND_COMPUTE;
    else if (waits)
        cause = n->inside[b->kind] || n->waiting ? WEFT_BOUND_BANDWIDTH : WEFT_BOUND_INTERCONNECT;
    else if (s->computes)
        cause = WEFT_BOUND_COMPUTE;
    b->cycles[cause]++;
}

void weft_bounds_part(int64_t total, const double weight[WEFT_BOUNDS], int otherwise, int64_t out[WEFT_BOUNDS])
{
    double sum = 0, rest[WEFT_BOUNDS];
    int64_t left = total;
    for (int k = 0; k < WEFT_BOUNDS; k++) {
        out[k] = 0;
        sum += weight[k] > 0 ? weight[k] : 0;
    }
    if (sum <= 0) {
        out[otherwise] = total;
        return;
    }
    for (int k = 0; k < WEFT_BOUNDS; k++) {
        double share = weight[k] > 0 ? (double)total * weight[k] / sum : 0;
        out[k] = (int64_t)share;
        rest[k] = share - (double)out[k];
        left -= out[k];
    }
    for (; left > 0; left--) { /* largest remainders */
        int most = 0;
        for (int k = 1; k < WEFT_BOUNDS; k++)
            most = rest[k] > rest[most] ? k : most;
        out[most]++;
        rest[most] = -1;
    }
}

void weft_bounds_end(const weft_bounds *b, const weft_channel *channels, int count, int64_t out[WEFT_BOUNDS])
{
    int64_t now[WEFT_BOUNDS];
    double weight[WEFT_BOUNDS];
    add_up(channels, count, b->kind, now);
    for (int k = 0; k < WEFT_BOUNDS; k++)
        weight[k] = (double)(now[k] - b->before[k]);
    weft_bounds_part(b->cycles[WEFT_BOUND_BANDWIDTH], weight, WEFT_BOUND_BANDWIDTH, out);
    for (int k = 0; k < WEFT_BOUNDS; k++)
        out[k] += k == WEFT_BOUND_BANDWIDTH ? 0 : b->cycles[k];
}
