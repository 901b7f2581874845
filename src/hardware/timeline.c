/* Watching a run: merging its events into spans and shares of time. */
#include "hardware/timeline.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_CHANNELS = 64, MOST_BANKS = 64, CLOSE = 12, FIRST_WIDTH = 16, MOST_VECTORS = 256 };

typedef struct open_row {
    bool open;
    double since;
    int64_t row;
} open_row;

struct weft_timeline {
    weft_hardware machine;
    double clocks; /* core cycles a memory cycle */
    weft_span *spans;
    int64_t count, capacity, dropped;
    bool failed;
    /* the last span of each track that may still grow: place + 1; 0: none */
    int64_t last_bus[MOST_CHANNELS], last_pim[MOST_CHANNELS], last_systolic, last_vector[MOST_VECTORS];
    open_row rows[2][MOST_BANKS]; /* of channel 0: normal, PIM */
    double width, bins[WEFT_BUSY_UNITS][WEFT_TIMELINE_BINS], end;
    double busy_until[2]; /* systolic; vector (any unit) */
};

weft_timeline *weft_timeline_new(const weft_hardware *machine)
{
    weft_timeline *t = calloc(1, sizeof *t);
    if (!t) {
        weft_fail(WEFT_ERROR_MEMORY, "a timeline: memory is short");
        return NULL;
    }
    t->machine = *machine;
    t->clocks = machine->npu.core_mhz / machine->memory.mhz;
    t->width = FIRST_WIDTH;
    return t;
}

void weft_timeline_free(weft_timeline *t)
{
    if (!t)
        return;
    free(t->spans);
    free(t);
}

static void widen(weft_timeline *t)
{
    for (int u = 0; u < WEFT_BUSY_UNITS; u++)
        for (int i = 0; i < WEFT_TIMELINE_BINS; i++)
            t->bins[u][i] = 2 * i + 1 < WEFT_TIMELINE_BINS ? t->bins[u][2 * i] + t->bins[u][2 * i + 1] : 0;
    t->width *= 2;
}

/* Adds the cycles from start to finish to the bins they fall into, `share` of each cycle. */
static void add_busy(weft_timeline *t, weft_busy unit, double start, double finish, double share)
{
    start = start > 0 ? start : 0;
    while (finish > t->width * WEFT_TIMELINE_BINS)
        widen(t);
    for (double at = start; at < finish;) {
        int bin = (int)(at / t->width);
        double to = fmin(finish, (bin + 1) * t->width);
        if (bin >= WEFT_TIMELINE_BINS || to <= at)
            break;
        t->bins[unit][bin] += (to - at) * share;
        at = to;
    }
}

/* The place of the new span + 1; 0 when it was dropped. */
static int64_t add_span(weft_timeline *t, weft_span span)
{
    if (t->count == WEFT_TIMELINE_SPANS) {
        t->dropped++;
        return 0;
    }
    if (t->count == t->capacity) {
        int64_t capacity = t->capacity ? 2 * t->capacity : 4096;
        weft_span *spans = realloc(t->spans, (size_t)capacity * sizeof *spans);
        if (!spans) {
            t->failed = true;
            return 0;
        }
        t->spans = spans;
        t->capacity = capacity;
    }
    t->spans[t->count++] = span;
    return t->count;
}

/* Lets the last span of a track grow when the new one has its name and begins soon after it; else begins another. */
static void add_or_grow(weft_timeline *t, int64_t *last, weft_span span)
{
    if (*last) {
        weft_span *before = &t->spans[*last - 1];
        if (before->name == span.name && span.start <= before->finish + CLOSE) {
            before->finish = span.finish > before->finish ? span.finish : before->finish;
            before->count++;
            return;
        }
    }
    *last = add_span(t, span);
}

static void close_row(weft_timeline *t, int which, int bank, double now)
{
    open_row *r = &t->rows[which][bank];
    if (r->open)
        add_span(t, (weft_span){.kind = (uint8_t)(which ? WEFT_TRACK_PIM_ROW : WEFT_TRACK_ROW),
                                .index = (uint8_t)bank,
                                .name = "row",
                                .start = r->since,
                                .finish = now,
                                .count = 1,
                                .row = r->row});
    r->open = false;
}

static void open_one(weft_timeline *t, int which, int bank, double now, int64_t row)
{
    close_row(t, which, bank, now);
    t->rows[which][bank] = (open_row){true, now, row};
}

/* Rows of the watched channel as its commands open and close them. */
static void watch_rows(weft_timeline *t, const weft_hardware_event *e, double now)
{
    const weft_hardware_memory *m = &t->machine.memory;
    int group = (e->rank * m->bankgroups + e->bankgroup) * m->banks_per_group, bank = group + e->bank;
    bool dual = m->kind == WEFT_MEMORY_DUAL;
    if (bank < 0 || bank >= MOST_BANKS || group + m->banks_per_group > MOST_BANKS)
        return;
    if (e->command == WEFT_DRAM_ACTIVATE)
        open_one(t, 0, bank, now, e->row);
    else if (e->command == WEFT_DRAM_PRECHARGE)
        close_row(t, 0, bank, now);
    else if (e->command == WEFT_DRAM_PIM_PRECHARGE)
        close_row(t, 1, bank, now);
    else if (e->command == WEFT_DRAM_G_ACTIVATE)
        for (int b = 0; b < m->banks_per_group; b++)
            open_one(t, dual, group + b, now, e->row);
}

static void dram_event(weft_timeline *t, const weft_hardware_event *e)
{
    const weft_hardware_memory *m = &t->machine.memory;
    double start = (double)e->start * t->clocks, held = m->timing.burst * t->clocks;
    int c = e->index;
    if (c < 0 || c >= MOST_CHANNELS)
        return;
    bool bus = e->command == WEFT_DRAM_READ || e->command == WEFT_DRAM_WRITE;
    bool pim = e->command == WEFT_DRAM_GWRITE || e->command == WEFT_DRAM_G_ACTIVATE || e->command == WEFT_DRAM_COMP ||
               e->command == WEFT_DRAM_READRES || e->command == WEFT_DRAM_COMPS_READRES;
    double finish = start + (bus ? held : t->clocks);
    if (e->command == WEFT_DRAM_COMPS_READRES)
        finish = start + (e->count + 1) * m->timing.tCCD_L * t->clocks;
    else if (e->command == WEFT_DRAM_GWRITE)
        finish = start + (m->timing.tCCD_S + m->timing.tCCD_L) * 2.0 * m->columns * t->clocks;
    else if (e->command == WEFT_DRAM_COMP)
        finish = start + m->timing.tCCD_L * t->clocks;
    else if (e->command == WEFT_DRAM_REFRESH)
        finish = start + m->timing.tRFC * t->clocks;
    weft_span span = {
        .index = (uint8_t)c, .name = weft_dram_command_name(e->command), .start = start, .finish = finish, .count = 1};
    t->end = finish > t->end ? finish : t->end;
    if (bus) {
        span.kind = WEFT_TRACK_BUS;
        add_or_grow(t, &t->last_bus[c], span);
        add_busy(t, WEFT_BUSY_BUS, start, finish, 1.0 / m->channels);
    } else if (pim || e->command == WEFT_DRAM_REFRESH) {
        span.kind = WEFT_TRACK_PIM;
        add_or_grow(t, &t->last_pim[c], span);
        if (pim && e->command != WEFT_DRAM_G_ACTIVATE)
            add_busy(t, WEFT_BUSY_PIM, start, finish, 1.0 / m->channels);
    }
    if (c == 0)
        watch_rows(t, e, start);
}

void weft_timeline_event(void *user, const weft_hardware_event *e)
{
    weft_timeline *t = user;
    double start = (double)e->start, finish = (double)e->finish;
    weft_span span = {
        .index = (uint8_t)(e->index & 0xff), .name = e->name ? e->name : "", .start = start, .finish = finish, .count = 1};
    if (e->unit == WEFT_UNIT_DRAM) {
        dram_event(t, e);
    } else if (e->unit == WEFT_UNIT_SYSTOLIC) {
        span.kind = WEFT_TRACK_SYSTOLIC, span.index = 0, span.name = "blocks";
        add_or_grow(t, &t->last_systolic, span);
        add_busy(t, WEFT_BUSY_SYSTOLIC, fmax(start, t->busy_until[0]), finish, 1);
        t->busy_until[0] = fmax(t->busy_until[0], finish);
    } else if (e->unit == WEFT_UNIT_VECTOR && finish > start) {
        span.kind = WEFT_TRACK_VECTOR;
        add_or_grow(t, &t->last_vector[span.index], span);
        add_busy(t, WEFT_BUSY_VECTOR, start, finish, 1.0 / t->machine.npu.vector_units);
    }
    if (e->unit != WEFT_UNIT_DRAM)
        t->end = finish > t->end ? finish : t->end;
}

static int by_start(const void *a, const void *b)
{
    const weft_span *x = a, *y = b;
    if (x->start != y->start)
        return x->start < y->start ? -1 : 1;
    if (x->kind != y->kind)
        return x->kind < y->kind ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

weft_status weft_timeline_finish(weft_timeline *t, const weft_hardware_result *r)
{
    t->end = (double)r->total_cycles > t->end ? (double)r->total_cycles : t->end;
    for (int bank = 0; bank < MOST_BANKS; bank++) {
        close_row(t, 0, bank, t->end);
        close_row(t, 1, bank, t->end);
    }
    for (int i = 0; i < r->op_count; i++)
        add_span(t, (weft_span){.kind = WEFT_TRACK_PROGRAM,
                                .index = r->ops[i].pim,
                                .stage = r->ops[i].stage,
                                .name = r->ops[i].name,
                                .start = (double)r->ops[i].start,
                                .finish = (double)r->ops[i].finish,
                                .count = 1});
    if (t->failed)
        return weft_fail(WEFT_ERROR_MEMORY, "a timeline: memory is short");
    qsort(t->spans, (size_t)t->count, sizeof *t->spans, by_start);
    return WEFT_OK;
}

int64_t weft_timeline_count(const weft_timeline *t)
{
    return t->count;
}

const weft_span *weft_timeline_spans(const weft_timeline *t)
{
    return t->spans;
}

double weft_timeline_mhz(const weft_timeline *t)
{
    return t->machine.npu.core_mhz;
}

int64_t weft_timeline_dropped(const weft_timeline *t)
{
    return t->dropped;
}

const double *weft_timeline_busy(const weft_timeline *t, weft_busy unit, double *width, int *used)
{
    *width = t->width;
    double bins = ceil(t->end / t->width);
    *used = bins < WEFT_TIMELINE_BINS ? (int)bins : WEFT_TIMELINE_BINS;
    return t->bins[unit];
}
