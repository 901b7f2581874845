/* Attention inside the memory, by formulas: what a row switch, a vector's load and the refreshes between them cost a channel. */
#include "hardware/analytic.h"

#include <math.h>

enum { MOST_CHANNELS = 64, LEAST_PRODUCTS = 6 }; /* COMPS_READRES keeps its bank group for at least six products */

/* Share of the time between a row's estimate and a refresh that is waited away, fitted on the event engine; in attention's second
 * half many vectors are loaded, which fit where a row does not. */
#define LOGIT_WAIT  1.2
#define ATTEND_WAIT 0.6

static double at_least(double a, double b)
{
    return a > b ? a : b;
}

static int64_t ceil_div(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

/* Delays of one channel, in memory cycles. */
typedef struct pim_delays {
    double switch_row; /* from the end of one row's products to the first of the next row: every bank precharged by its own
                          command, then one group after the other activated, at most one a rank and tFAW */
    double product;    /* of one multiply in every bank */
    double gwrite;     /* of loading a vector */
    double interval;   /* between refreshes of either rank */
    double refresh;    /* lost to one, without the wait for it */
    bool dual;
} pim_delays;

static pim_delays delays_of(const weft_hardware_memory *m)
{
    const weft_dram_timing *t = &m->timing;
    double banks = (double)m->ranks * m->bankgroups * m->banks_per_group;
    return (pim_delays){
        .switch_row = banks + 1 + (m->bankgroups - 1) * (double)t->tFAW + (m->ranks - 1) + t->tRCDRD,
        .product = t->tCCD_L,
        .gwrite = (t->tCCD_S + t->tCCD_L) * 2.0 * m->columns,
        .interval = (double)t->tREFI / m->ranks,
        .refresh = t->tRFC + t->tRP + banks / m->ranks,
        .dual = m->kind == WEFT_MEMORY_DUAL,
    };
}

/* Products of `results` vectors of `n` multiplies on one open row, up to the moment at which it may be closed. */
static double products(const pim_delays *d, const weft_hardware_job *job, double n, double results)
{
    const weft_dram_timing *t = &job->hardware->memory.timing;
    if (!d->dual) /* each multiply is a command, and so is each result; a multiply after a result waits six short gaps */
        return results * (n * d->product + d->product) + (results - 1) * (6 * t->tCCD_S - d->product) + t->tRTP;
    double held = d->product * (at_least(n, LEAST_PRODUCTS) + 1);
    bool holds = job->options->fixed & WEFT_QUIRK_COMPUTE_HOLDS_ROW;
    return (results - 1) * held + (holds ? held : t->tRTP);
}

/* What a channel has to do, and what each refresh costs it, weighted by the work. */
typedef struct channel_work {
    double work, weighted;
} channel_work;

/* Adds `work` whose rows take `row` cycles each. A row that would not be done before the next refresh waits until that is over;
 * the controller's own estimate of a row is five cycles a bank, tFAW for every second group, tRCD, products and results. */
static void add_work(channel_work *c, const pim_delays *d, const weft_hardware_job *job, double work, double row, double n,
                     double results, double wait)
{
    const weft_hardware_memory *m = &job->hardware->memory;
    double banks = (double)m->ranks * m->bankgroups * m->banks_per_group, groups = (double)m->ranks * m->bankgroups;
    double estimate =
        5 * banks + m->timing.tFAW * (groups / 2 - 1) + m->timing.tRCDRD + 2 * at_least(n, LEAST_PRODUCTS) + 2 * (results - 1);
    c->work += work;
    c->weighted += work * (d->refresh + wait * at_least(0, estimate - row / 2));
}

/* With the refreshes that fall into it; the first falls somewhere in the first interval. */
static double with_refreshes(const channel_work *c, const pim_delays *d)
{
    if (c->work <= 0)
        return 0;
    double lost = c->weighted / c->work, refreshes = c->work / at_least(0.05 * d->interval, d->interval - lost);
    return c->work + lost * at_least(0, refreshes - 0.5);
}

double weft_analytic_clocks(const weft_hardware_job *job)
{
    return job->hardware->npu.core_mhz / job->hardware->memory.mhz;
}

typedef struct heads_of_device {
    int64_t heads, width;      /* of one device: heads and their elements together */
    int64_t row, lanes, banks; /* elements of a DRAM row; elements a bank multiplies at once; banks of a channel */
    int64_t head_dim;
} heads_of_device;

static heads_of_device device_of(const weft_hardware_job *job)
{
    const weft_hardware_memory *m = &job->hardware->memory;
    const weft_hardware_shape *s = job->shape;
    int64_t heads = ceil_div(s->heads, s->tensor_parallel), element = s->kv_bits > 8 ? 2 : 1;
    int64_t row = (int64_t)m->columns * m->request_bytes / element;
    return (heads_of_device){
        heads, heads * s->head_dim, row, m->pim_lanes, (int64_t)m->ranks * m->bankgroups * m->banks_per_group, s->head_dim};
}

static int64_t seen(const weft_hardware_job *job, int64_t length)
{
    return job->shape->window && length > job->shape->window ? job->shape->window : length;
}

/* Sums up the slowest and the mean channel, and what all of them wait for: a row switch closes every bank by a command of its
 * own, then opens the groups. */
static void close_cost(weft_analytic_cost *c, const weft_hardware_job *job, const pim_delays *d, const channel_work *channel)
{
    const weft_hardware_memory *m = &job->hardware->memory;
    double most = 0, sum = 0, work = 0, closing = (double)m->ranks * m->bankgroups * m->banks_per_group + 1;
    for (int i = 0; i < m->channels && i < MOST_CHANNELS; i++) {
        double cycles = with_refreshes(&channel[i], d);
        most = at_least(most, cycles);
        sum += cycles;
        work += channel[i].work;
    }
    c->cycles = most * weft_analytic_clocks(job);
    c->busy = sum / m->channels;
    c->bound[WEFT_BOUND_PRECHARGE] = c->rows_opened * closing;
    c->bound[WEFT_BOUND_ACTIVATE] = c->rows_opened * (d->switch_row - closing);
    c->bound[WEFT_BOUND_PIM] = work - c->rows_opened * d->switch_row;
    c->bound[WEFT_BOUND_REFRESH] = sum - work;
}

weft_analytic_cost weft_analytic_logit(const weft_hardware_job *job, const weft_hardware_request *requests, int64_t count)
{
    pim_delays d = delays_of(&job->hardware->memory);
    heads_of_device h = device_of(job);
    weft_analytic_cost c = {0};
    channel_work channel[MOST_CHANNELS] = {{0}};
    int64_t chunks = ceil_div(h.width, h.row), in_row = ceil_div(h.row, h.head_dim), n = ceil_div(h.head_dim, h.lanes);
    in_row = in_row < h.heads ? in_row : h.heads;
    double row = d.switch_row + products(&d, job, (double)n, (double)in_row);
    for (int64_t i = 0; i < count; i++) {
        if (requests[i].tokens > 1)
            continue; /* a chunk of a prompt attends on the NPU */
        int64_t length = seen(job, requests[i].length);
        double rows = (double)(chunks * ceil_div(length, h.banks));
        double work = (double)chunks * d.gwrite + rows * row;
        add_work(&channel[requests[i].channel], &d, job, work, row, (double)n, (double)in_row, LOGIT_WAIT);
        c.gwrites += (double)chunks;
        c.rows_opened += rows;
        c.results += (double)ceil_div(length, h.banks) * (double)h.heads;
        c.macs += (double)length * (double)h.width;
        c.stores += (double)h.heads * (double)(length / 32 + 1);
    }
    c.products = c.results * (double)n;
    close_cost(&c, job, &d, channel);
    return c;
}

weft_analytic_cost weft_analytic_attend(const weft_hardware_job *job, const weft_hardware_request *requests, int64_t count)
{
    pim_delays d = delays_of(&job->hardware->memory);
    heads_of_device h = device_of(job);
    weft_analytic_cost c = {0};
    channel_work channel[MOST_CHANNELS] = {{0}};
    int64_t tiles = ceil_div(h.head_dim, h.banks);
    for (int64_t i = 0; i < count; i++) {
        if (requests[i].tokens > 1)
            continue;
        int64_t length = seen(job, requests[i].length), whole = length / h.row, rest = length % h.row;
        int64_t chunks = whole + (rest > 0);
        double full = d.switch_row + products(&d, job, (double)h.row / (double)h.lanes, 1);
        double last = d.switch_row + products(&d, job, (double)ceil_div(rest, h.lanes), 1);
        double rows = (double)(h.heads * tiles * chunks);
        double work =
            (double)(h.heads * chunks) * d.gwrite + (double)(h.heads * tiles) * ((double)whole * full + (rest ? last : 0));
        double n = whole ? (double)h.row / (double)h.lanes : (double)ceil_div(rest, h.lanes);
        add_work(&channel[requests[i].channel], &d, job, work, full, n, 1, ATTEND_WAIT);
        c.gwrites += (double)(h.heads * chunks);
        c.rows_opened += rows;
        c.results += rows;
        c.products += (double)(h.heads * tiles) * (double)(whole * (h.row / h.lanes) + ceil_div(rest, h.lanes));
        c.macs += (double)length * (double)h.width;
        double lines = ceil(2.0 * (double)h.head_dim / job->hardware->memory.request_bytes);
        c.stores += job->options->fixed & WEFT_QUIRK_ATTEND_STORES ? (double)h.heads * lines
                    : chunks > 1                                   ? (double)(h.heads * tiles) * (lines + 1)
                                                                   : 0;
    }
    close_cost(&c, job, &d, channel);
    return c;
}
