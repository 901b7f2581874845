/* Line charts: several series, a marked place, linear or logarithmic axes. */
#include "report/svg.h"

#include <math.h>

enum {
    MARKERS = 40,  /* up to so many points a series every point is drawn */
    TIPS = 200,    /* up to so many every point has a tool-tip */
    BUCKETS = 400, /* longer series are drawn as the least and greatest value of so many stretches */
    LONG = 1200,
    SHOWN = 24 /* series */
};

typedef struct weft_plot {
    weft_axis x, y;
    weft_text *out;
    bool points;
} weft_plot;

static double x_of(const weft_series *series, size_t i)
{
    return series->x ? series->x[i] : (double)i + 1;
}

static bool drawable(const weft_plot *plot, const weft_series *series, size_t i)
{
    return weft_axis_holds(&plot->x, x_of(series, i)) && weft_axis_holds(&plot->y, series->y[i]);
}

static void path_point(const weft_plot *plot, const weft_series *series, size_t i, bool pen_down)
{
    weft_text_add(plot->out, pen_down ? "L" : "M");
    weft_svg_number(plot->out, weft_axis_place(&plot->x, x_of(series, i)));
    weft_text_add(plot->out, " ");
    weft_svg_number(plot->out, weft_axis_place(&plot->y, series->y[i]));
}

/* Of each stretch the least and the greatest value, in their order: peaks stay, whatever the length. */
static void path_thinned(const weft_plot *plot, const weft_series *series)
{
    bool pen_down = false;
    for (size_t bucket = 0; bucket < BUCKETS; bucket++) {
        size_t from = (size_t)((double)series->count * (double)bucket / BUCKETS);
        size_t to = bucket + 1 == BUCKETS ? series->count : (size_t)((double)series->count * (double)(bucket + 1) / BUCKETS);
        size_t least = to, greatest = to;
        for (size_t i = from; i < to; i++) {
            if (!drawable(plot, series, i))
                continue;
            if (least == to || series->y[i] < series->y[least])
                least = i;
            if (greatest == to || series->y[i] > series->y[greatest])
                greatest = i;
        }
        if (least == to) {
            pen_down = false;
            continue;
        }
        path_point(plot, series, least < greatest ? least : greatest, pen_down);
        if (least != greatest)
            path_point(plot, series, least < greatest ? greatest : least, true);
        pen_down = true;
    }
}

static void draw_points(const weft_plot *plot, const weft_series *series, size_t style)
{
    char x[WEFT_NUMBER_TEXT], y[WEFT_NUMBER_TEXT];
    for (size_t i = 0; i < series->count; i++) {
        bool alone = (i == 0 || !drawable(plot, series, i - 1)) && (i + 1 == series->count || !drawable(plot, series, i + 1));
        if (!drawable(plot, series, i) || (series->count > TIPS && !alone && !plot->points))
            continue;
        bool shown = series->count <= MARKERS || alone || plot->points;
        if (shown)
            weft_text_add(plot->out, "<circle class=\"f%zu\" r=\"2.4\"", style);
        else
            weft_text_add(plot->out, "<circle class=\"hit\" r=\"4\"");
        weft_svg_attribute(plot->out, "cx", weft_axis_place(&plot->x, x_of(series, i)));
        weft_svg_attribute(plot->out, "cy", weft_axis_place(&plot->y, series->y[i]));
        weft_text_add(plot->out, "><title>");
        weft_report_escape(plot->out, series->name);
        weft_text_add(plot->out, " at %s: %s</title></circle>\n", weft_report_number(x_of(series, i), 5, x),
                      weft_report_number(series->y[i], 5, y));
    }
}

static void draw_series(const weft_plot *plot, const weft_series *series, size_t style)
{
    if (plot->points) {
        draw_points(plot, series, style);
        return;
    }
    weft_text_add(plot->out, "<path class=\"line l%zu\" d=\"", style);
    size_t before = plot->out->length;
    if (series->count > LONG) {
        path_thinned(plot, series);
    } else {
        bool pen_down = false;
        for (size_t i = 0; i < series->count; i++) {
            bool here = drawable(plot, series, i);
            if (here)
                path_point(plot, series, i, pen_down);
            pen_down = here;
        }
    }
    if (plot->out->length == before) /* an empty path is not well formed everywhere */
        weft_text_add(plot->out, "M0 0");
    weft_text_add(plot->out, "\"><title>");
    weft_report_escape(plot->out, series->name);
    weft_text_add(plot->out, "</title></path>\n");
    draw_points(plot, series, style);
}

static void draw_mark(const weft_plot *plot, double mark, const char *label)
{
    double at = weft_axis_place(&plot->x, mark);
    double middle = (plot->x.from + plot->x.to) / 2;
    weft_text_add(plot->out, "<line class=\"rule\"");
    weft_svg_attribute(plot->out, "x1", at);
    weft_svg_attribute(plot->out, "x2", at);
    weft_svg_attribute(plot->out, "y1", plot->y.from);
    weft_svg_attribute(plot->out, "y2", plot->y.to);
    weft_text_add(plot->out, " />");
    if (!label || !*label)
        return;
    char number[WEFT_NUMBER_TEXT];
    weft_text_add(plot->out, "<text class=\"strong tag%s\"", at > middle ? " end" : "");
    weft_svg_attribute(plot->out, "x", at + (at > middle ? -5 : 5));
    weft_svg_attribute(plot->out, "y", plot->y.to + 11);
    weft_text_add(plot->out, ">");
    weft_report_escape_short(plot->out, label, 28);
    weft_text_add(plot->out, " %s</text>\n", weft_report_number(mark, 6, number));
}

/* What a screen reader says of a series: how many values, first, last, lowest and where. */
static void describe(weft_text *text, const weft_series *series)
{
    size_t finite = 0, first = 0, last = 0, lowest = 0;
    for (size_t i = 0; i < series->count; i++) {
        if (!isfinite(series->y[i]))
            continue;
        if (!finite++)
            first = lowest = i;
        last = i;
        if (series->y[i] < series->y[lowest])
            lowest = i;
    }
    char a[WEFT_NUMBER_TEXT], b[WEFT_NUMBER_TEXT], c[WEFT_NUMBER_TEXT], d[WEFT_NUMBER_TEXT];
    weft_text_add(text, " %s: ", series->name ? series->name : "series");
    if (!finite)
        weft_text_add(text, "no values.");
    else
        weft_text_add(text, "%zu values, from %s to %s, lowest %s at %s.", finite, weft_report_number(series->y[first], 4, a),
                      weft_report_number(series->y[last], 4, b), weft_report_number(series->y[lowest], 4, c),
                      weft_report_number(x_of(series, lowest), 5, d));
}

void weft_report_lines(weft_report *report, const weft_chart *chart, const weft_series *series, size_t series_count, double mark,
                       const char *mark_label)
{
    weft_plot plot = {.out = &report->body, .points = chart->points};
    weft_range x = {0}, y = {0};
    weft_text description = {0};
    const char *names[SHOWN];
    size_t points = 0, shown = series_count < SHOWN ? series_count : SHOWN, left_out = 0;
    weft_text_add(&description, "Line chart of %s against %s.", chart->y_label ? chart->y_label : "values",
                  chart->x_label ? chart->x_label : "their place");
    for (size_t s = 0; s < shown; s++) {
        names[s] = series[s].name ? series[s].name : "";
        for (size_t i = 0; i < series[s].count; i++) {
            double at = x_of(&series[s], i), value = series[s].y[i];
            if (isfinite(at) && isfinite(value)) {
                weft_range_add(&x, at);
                weft_range_add(&y, value);
                points++;
            }
        }
        describe(&description, &series[s]);
    }
    if (!points) {
        weft_svg_nothing(report, chart, "no finite values");
        weft_text_free(&description);
        return;
    }
    if (isfinite(mark))
        weft_range_add(&x, mark);
    plot.x = weft_axis_fit(x, chart->log_x, 0, 6);
    plot.y = weft_axis_fit(y, chart->log_y, 0.05, 5);
    size_t named = shown > 1 || *names[0] ? shown : 0;
    double top = weft_svg_legend(NULL, names, named), height = WEFT_CHART_HEIGHT + (top > 40 ? top - 40 : 0);
    weft_svg_open(report, chart, WEFT_CHART_WIDTH, height, description.data);
    weft_svg_legend(&report->body, names, named);
    weft_svg_axes(report, chart, &plot.x, &plot.y, top, height);
    for (size_t s = 0; s < shown; s++) {
        draw_series(&plot, &series[s], s % WEFT_SERIES_STYLES);
        for (size_t i = 0; i < series[s].count; i++)
            left_out += !drawable(&plot, &series[s], i);
    }
    weft_text notes = {0};
    if (isfinite(mark))
        draw_mark(&plot, mark, mark_label);
    if (left_out)
        weft_text_add(&notes, "%zu value%s not finite%s left out. ", left_out, left_out == 1 ? "" : "s",
                      plot.x.log || plot.y.log ? " or not positive" : "");
    if (shown < series_count)
        weft_text_add(&notes, "The first %zu of %zu series are shown.", shown, series_count);
    weft_svg_close(report, chart, notes.data);
    report->body.failed |= notes.failed || description.failed;
    weft_text_free(&notes);
    weft_text_free(&description);
}
