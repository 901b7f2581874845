/* The page of a sweep: charts of throughput against latency, and the table of points. */
#include "cli/sim_sweep.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report/report.h"

/* A page stays readable, and of a size that a browser opens: points.csv has the rest. */
enum { MOST_ROWS = 1000, MOST_DOTS = 1000 };

static bool of_series(const weft_sweep_point *p, const char *model, int system, int halves)
{
    return p->done && !p->failed && (int)p->design.options.system == system && p->halves == (halves == 1) &&
           strcmp(p->model, model) == 0;
}

/* Throughput against time a token of one model's points, a series a system; of very many every so many-th, and the efficient. */
static void add_chart(weft_report *page, const char *model, const weft_sweep_point *points, int64_t count, double *x, double *y)
{
    enum { SERIES = 2 * WEFT_SERVE_SYSTEMS };
    weft_series series[SERIES];
    char names[SERIES][48], title[160];
    size_t n = 0, used = 0;
    for (int system = 0; system < WEFT_SERVE_SYSTEMS; system++)
        for (int halves = 0; halves < 2; halves++) {
            size_t begin = used;
            int64_t all = 0, seen = 0;
            for (int64_t i = 0; i < count; i++)
                all += of_series(&points[i], model, system, halves);
            for (int64_t i = 0; i < count; i++) {
                const weft_sweep_point *p = &points[i];
                if (of_series(p, model, system, halves) && (seen++ % (all / MOST_DOTS + 1) == 0 || p->efficient)) {
                    x[used] = p->seconds_per_token * 1e3;
                    y[used++] = p->tokens_per_second;
                }
            }
            if (used == begin)
                continue;
            snprintf(names[n], sizeof names[n], "%s%s", weft_serving_name((weft_serving_system)system),
                     halves ? " + sub-batches" : "");
            series[n] = (weft_series){names[n], x + begin, y + begin, used - begin};
            n++;
        }
    snprintf(title, sizeof title, "%.100s", model);
    weft_report_lines(
        page,
        &(weft_chart){
            .title = title, .x_label = "ms a token", .y_label = "tokens/s", .log_x = true, .log_y = true, .points = true},
        series, n, NAN, NULL);
}

static void add_table(weft_report *page, const weft_sweep_point *points, int64_t count)
{
    enum { COLUMNS = 12 };
    static const weft_report_column columns[COLUMNS] = {
        {"model", WEFT_COLUMN_TEXT, 0},      {"hardware", WEFT_COLUMN_TEXT, 0},        {"load", WEFT_COLUMN_TEXT, 0},
        {"system", WEFT_COLUMN_TEXT, 0},     {"batch", WEFT_COLUMN_INTEGER, 0},        {"", WEFT_COLUMN_BADGE, 0},
        {"tokens/s", WEFT_COLUMN_NUMBER, 5}, {"a token", WEFT_COLUMN_SECONDS, 0},      {"J a token", WEFT_COLUMN_NUMBER, 4},
        {"mm2", WEFT_COLUMN_INTEGER, 0},     {"of all units", WEFT_COLUMN_PERCENT, 1}, {"why not", WEFT_COLUMN_TEXT, 0}};
    size_t rows = 0, room = (size_t)(count < MOST_ROWS ? count : MOST_ROWS);
    weft_report_cell *cells = calloc(room * COLUMNS + 1, sizeof *cells);
    for (int64_t i = 0; i < count && cells && rows < room; i++) {
        const weft_sweep_point *p = &points[i];
        if (count > MOST_ROWS && !p->efficient)
            continue;
        weft_report_cell *row = cells + COLUMNS * rows++;
        double numbers[] = {p->tokens_per_second, p->seconds_per_token, p->joules_per_token, p->area * 1e6, p->utilization};
        row[0].text = p->model;
        row[1].text = p->hardware;
        row[2].text = p->load;
        row[3].text = p->design.halves == 1 ? "neupims+sub" : weft_serving_name(p->design.options.system);
        row[4].number = (double)(p->failed ? p->design.batch : p->batch);
        if (p->failed || p->efficient)
            row[5] = (weft_report_cell){p->failed ? "failed" : "efficient", p->failed ? WEFT_BADGE_BAD : WEFT_BADGE_GOOD};
        for (int k = 0; k < 5; k++)
            row[6 + k].number = p->failed ? NAN : numbers[k];
        row[11].text = p->failed ? p->error : NULL;
    }
    if (cells)
        weft_report_table(
            page,
            "Points; efficient: no other of its model is as good in throughput, latency, energy and area, and better in one",
            columns, COLUMNS, cells, rows);
    if (count > MOST_ROWS)
        weft_report_paragraph(page, "Of %lld points the efficient ones are shown, %d at most; points.csv has all.",
                              (long long)count, MOST_ROWS);
    free(cells);
}

weft_status sim_sweep_report(const weft_sweep_point *points, int64_t count, const char *path)
{
    weft_report *page = weft_report_new("A sweep of serving systems");
    double *x = malloc((size_t)(2 * count + 1) * sizeof *x);
    if (!page || !x) {
        weft_report_free(page);
        free(x);
        return weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", path);
    }
    weft_report_heading(page, 2, "Throughput against time a token");
    for (int64_t i = 0; i < count; i++) { /* models stand together: each once */
        if (i == 0 || strcmp(points[i].model, points[i - 1].model) != 0)
            add_chart(page, points[i].model, points, count, x, x + count);
    }
    add_table(page, points, count);
    weft_status status = weft_report_save(page, path);
    free(x);
    weft_report_free(page);
    return status;
}
