/* Pictures of a simulated iteration: timeline, shares of time, roofline, bank occupancy, what bounds each operator. */
#include "cli/sim.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHANNELS_SHOWN = 2, VECTORS_SHOWN = 2, LANES = 80 };

/* The tracks shown: the programs, the arrays, some vector units, and some channels' two sides; -1 for one that is not. */
static int lane_of(const weft_span *s)
{
    switch (s->kind) {
    case WEFT_TRACK_PROGRAM:
        return s->index;
    case WEFT_TRACK_SYSTOLIC:
        return 2;
    case WEFT_TRACK_VECTOR:
        return s->index < VECTORS_SHOWN ? 3 + s->index : -1;
    case WEFT_TRACK_BUS:
        return s->index < CHANNELS_SHOWN ? 3 + VECTORS_SHOWN + 2 * s->index : -1;
    case WEFT_TRACK_PIM:
        return s->index < CHANNELS_SHOWN ? 4 + VECTORS_SHOWN + 2 * s->index : -1;
    default:
        return -1;
    }
}

static const char *const lanes[] = {"operators on the NPU", "operators in memory", "systolic arrays",
                                    "vector unit 0",        "vector unit 1",       "channel 0, bus",
                                    "channel 0, in memory", "channel 1, bus",      "channel 1, in memory"};

static unsigned style_of(const weft_span *s)
{
    static const struct {
        const char *word;
        unsigned style;
    } rows[] = {{"WRITE", 1},  {"REF", 3}, {"GWRITE", 4}, {"G_ACT", 5}, {"Logit", 2},
                {"Attend", 2}, {"MHA", 2}, {"ln", 4},     {"res", 5},   {"gelu", 3}};
    if (s->kind == WEFT_TRACK_BUS)
        return strcmp(s->name, "write") == 0 || strcmp(s->name, "WRITE") == 0;
    unsigned style = s->kind == WEFT_TRACK_PIM || (s->kind == WEFT_TRACK_PROGRAM && s->index) ? 2 : 0;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0] && s->kind != WEFT_TRACK_SYSTOLIC; i++)
        if (strstr(s->name, rows[i].word))
            style = rows[i].style;
    return style;
}

static void add_timeline(weft_report *page, const weft_timeline *t, const char *title)
{
    int64_t count = weft_timeline_count(t);
    const weft_span *spans = weft_timeline_spans(t);
    weft_report_bar *bars = calloc((size_t)count + 1, sizeof *bars);
    size_t n = 0;
    for (int64_t i = 0; i < count && bars; i++) {
        int lane = lane_of(&spans[i]);
        if (lane >= 0)
            bars[n++] = (weft_report_bar){(size_t)lane, spans[i].start, spans[i].finish, style_of(&spans[i]),
                                          spans[i].kind == WEFT_TRACK_PROGRAM ? spans[i].name : NULL};
    }
    if (bars)
        weft_report_timeline(
            page,
            &(weft_chart){.title = title,
                          .x_label = "core cycles",
                          .note = "Bus: reads, and writes in the second colour. In memory: products, vectors loaded, "
                                  "group activations and refreshes differ in colour."},
            lanes, sizeof lanes / sizeof lanes[0], bars, n);
    free(bars);
}

static void add_banks(weft_report *page, const weft_timeline *t, const weft_hardware_memory *m)
{
    int banks = m->ranks * m->bankgroups * m->banks_per_group;
    int64_t count = weft_timeline_count(t);
    const weft_span *spans = weft_timeline_spans(t);
    weft_report_bar *bars = calloc((size_t)count + 1, sizeof *bars);
    char names[LANES][56];
    const char *tracks[LANES];
    size_t n = 0;
    for (int b = 0; b < banks && b < LANES; b++) {
        snprintf(names[b], sizeof names[b], "rank %d group %d bank %d", b / (m->bankgroups * m->banks_per_group),
                 b / m->banks_per_group % m->bankgroups, b % m->banks_per_group);
        tracks[b] = names[b];
    }
    for (int64_t i = 0; i < count && bars; i++)
        if (spans[i].kind >= WEFT_TRACK_ROW)
            bars[n++] =
                (weft_report_bar){spans[i].index, spans[i].start, spans[i].finish, spans[i].kind == WEFT_TRACK_ROW ? 0 : 2, NULL};
    if (bars && n)
        weft_report_timeline(
            page,
            &(weft_chart){.title = "Rows open in channel 0: for reads and writes, and for computing (drawn over them)",
                          .x_label = "core cycles"},
            tracks, (size_t)(banks < LANES ? banks : LANES), bars, n);
    free(bars);
}

static void add_busy(weft_report *page, const weft_timeline *t)
{
    static const char *const names[WEFT_BUSY_UNITS] = {"systolic arrays", "vector units", "bus of all channels",
                                                       "computing in memory"};
    double x[WEFT_TIMELINE_BINS], y[WEFT_BUSY_UNITS][WEFT_TIMELINE_BINS], width = 1;
    weft_series series[WEFT_BUSY_UNITS];
    int used = 0;
    for (int u = 0; u < WEFT_BUSY_UNITS; u++) {
        const double *busy = weft_timeline_busy(t, (weft_busy)u, &width, &used);
        for (int i = 0; i < used; i++) {
            x[i] = (i + 0.5) * width;
            y[u][i] = fmin(1, busy[i] / width);
        }
        series[u] = (weft_series){names[u], x, y[u], (size_t)used};
    }
    weft_report_lines(page, &(weft_chart){.title = "Who is busy when", .x_label = "core cycles", .y_label = "share of time"},
                      series, WEFT_BUSY_UNITS, NAN, NULL);
}

static double op_bytes(const weft_platform *p, const weft_hardware_op *op)
{
    return (double)(op->read_lines + op->write_lines) * p->machine.memory.request_bytes;
}

/* A chart with both axes logarithmic: the roof, and each operator by its intensity and what it reached. */
static void add_roofline(weft_report *page, const weft_platform *p, const weft_hardware_result *r)
{
    enum { POINTS = 20 };
    double hz = p->machine.npu.core_mhz * 1e6, peak = weft_platform_macs(p) * hz, bandwidth = weft_platform_bandwidth(p);
    double x[3] = {0.05, peak / bandwidth, 4000}, roof[3] = {0.05 * bandwidth, peak, peak};
    double px[POINTS], py[POINTS];
    char names[POINTS][48];
    weft_series series[POINTS + 1] = {{"roof", x, roof, 3}};
    size_t n = 0;
    for (int i = 0; i < r->op_count && n < POINTS; i++) {
        const weft_hardware_op *op = &r->ops[i];
        double bytes = op_bytes(p, op), cycles = (double)(op->finish - op->start);
        if (op->pim || op->macs == 0 || bytes <= 0 || cycles <= 0)
            continue;
        px[n] = (double)op->macs / bytes;
        py[n] = (double)op->macs / cycles * hz;
        snprintf(names[n], sizeof names[n], "%s%.1s%s", op->name, op->stage ? " " : "", op->stage ? (char[2]){op->stage, 0} : "");
        series[n + 1] = (weft_series){names[n], &px[n], &py[n], 1};
        n++;
    }
    weft_report_lines(page,
                      &(weft_chart){.title = "Roofline of the NPU",
                                    .x_label = "multiply-accumulates a byte",
                                    .y_label = "multiply-accumulates a second",
                                    .log_x = true,
                                    .log_y = true},
                      series, n + 1, NAN, NULL);
}

static void add_operators(weft_report *page, const weft_platform *p, const weft_hardware_result *r)
{
    enum { MEASURES = 6, COLUMNS = MEASURES + WEFT_BOUNDS };
    double peak = weft_platform_macs(p), bandwidth = weft_platform_bandwidth(p) / (p->machine.npu.core_mhz * 1e6);
    weft_report_column columns[COLUMNS] = {{"operator", WEFT_COLUMN_TEXT, 0},       {"stage", WEFT_COLUMN_TEXT, 0},
                                           {"start", WEFT_COLUMN_INTEGER, 0},       {"cycles", WEFT_COLUMN_INTEGER, 0},
                                           {"multipliers", WEFT_COLUMN_PERCENT, 1}, {"bus", WEFT_COLUMN_PERCENT, 1}};
    for (int k = 0; k < WEFT_BOUNDS; k++)
        columns[MEASURES + k] = (weft_report_column){weft_hardware_bound_name(k), WEFT_COLUMN_PERCENT, 0};
    weft_report_cell *cells = calloc((size_t)r->op_count * COLUMNS + 1, sizeof *cells);
    char(*stages)[2] = calloc((size_t)r->op_count + 1, sizeof *stages);
    for (int i = 0; i < r->op_count && cells && stages; i++) {
        const weft_hardware_op *op = &r->ops[i];
        weft_report_cell *row = cells + COLUMNS * i;
        stages[i][0] = op->stage;
        row[0].text = op->name;
        row[1].text = stages[i];
        row[2].number = (double)op->start;
        double cycles = (double)(op->finish - op->start);
        row[3].number = cycles;
        row[4].number = op->pim || cycles <= 0 ? 0 : (double)op->macs / peak / cycles;
        row[5].number = cycles > 0 ? op_bytes(p, op) / bandwidth / cycles : 0;
        for (int k = 0; k < WEFT_BOUNDS; k++)
            row[MEASURES + k].number = cycles > 0 ? (double)op->bound[k] / cycles : 0;
    }
    if (cells && stages)
        weft_report_table(page, "Operators: share of the peak of multipliers and bus, then what their cycles were waited for",
                          columns, COLUMNS, cells, (size_t)r->op_count);
    free(cells);
    free(stages);
}

static void add_systems(weft_report *page, const sim_row *rows, int n)
{
    enum { COLUMNS = 8 };
    char names[SIM_ROWS][48];
    const char *bars[SIM_ROWS];
    double speed[SIM_ROWS], energy[SIM_ROWS];
    weft_report_cell cells[SIM_ROWS][COLUMNS];
    weft_report_column columns[COLUMNS] = {
        {"system", WEFT_COLUMN_TEXT, 0},      {"cycles", WEFT_COLUMN_INTEGER, 0},
        {"tokens/s", WEFT_COLUMN_NUMBER, 5},  {"NPU", WEFT_COLUMN_PERCENT, 1},
        {"PIM", WEFT_COLUMN_PERCENT, 1},      {"bus", WEFT_COLUMN_PERCENT, 1},
        {"J a token", WEFT_COLUMN_NUMBER, 4}, {"with links and head, tokens/s", WEFT_COLUMN_NUMBER, 5}};
    size_t ran = 0;
    memset(cells, 0, sizeof cells);
    for (int i = 0; i < n; i++) {
        const weft_iteration *it = &rows[i].iteration;
        if (rows[i].error)
            continue;
        sim_row_name(&rows[i], names[ran], sizeof names[ran]);
        bars[ran] = names[ran];
        speed[ran] = it->tokens_per_second;
        energy[ran] = it->energy.total / (double)it->tokens;
        cells[ran][0].text = names[ran];
        cells[ran][1].number = it->cycles;
        cells[ran][2].number = it->tokens_per_second;
        cells[ran][3].number = it->npu_utilization;
        cells[ran][4].number = it->pim_utilization;
        cells[ran][5].number = it->bandwidth_utilization;
        cells[ran][6].number = energy[ran];
        cells[ran][7].number = it->full_tokens_per_second;
        ran++;
    }
    weft_report_table(page, "One iteration", columns, COLUMNS, &cells[0][0], ran);
    if (ran > 1) {
        weft_report_bars(page, &(weft_chart){.title = "Throughput", .x_label = "tokens/s"}, bars, speed, NULL, ran);
        weft_report_bars(page, &(weft_chart){.title = "Energy a token", .x_label = "J"}, bars, energy, NULL, ran);
    }
    for (int i = 0; i < n; i++)
        if (rows[i].error)
            weft_report_paragraph(page, "%s cannot: %s", weft_serving_name(rows[i].design.options.system), rows[i].error);
}

void sim_report_add(weft_report *page, const weft_platform *p, const sim_row *rows, int n)
{
    add_systems(page, rows, n);
    for (int i = 0; i < n; i++) {
        const weft_hardware_result *r = rows[i].iteration.result;
        char name[48], title[96];
        if (!r || !rows[i].timeline)
            continue;
        sim_row_name(&rows[i], name, sizeof name);
        snprintf(title, sizeof title, "One layer on %s", name);
        weft_report_heading(page, 3, title);
        add_timeline(page, rows[i].timeline, title);
        add_busy(page, rows[i].timeline);
        add_roofline(page, p, r);
        add_banks(page, rows[i].timeline, &p->machine.memory);
        add_operators(page, p, r);
    }
}
