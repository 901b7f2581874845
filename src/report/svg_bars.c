/* Bars: histograms (upright, counts of values) and named bars (lying, such as feature importance). */
#include "report/svg.h"

#include <math.h>
#include <stdlib.h>

enum { BINS_LEAST = 5, BINS_MOST = 60, BARS = 40 };

static void draw_box(weft_text *out, const char *class, double x, double y, double width, double height)
{
    weft_text_add(out, "<rect class=\"%s\"", class);
    weft_svg_attribute(out, "x", x);
    weft_svg_attribute(out, "y", y);
    weft_svg_attribute(out, "width", fmax(width, 0));
    weft_svg_attribute(out, "height", fmax(height, 0));
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Freedman and Diaconis 1981: width 2 IQR / n^(1/3). Sorts the values. */
static int choose_bins(double *values, size_t count)
{
    qsort(values, count, sizeof *values, ascending);
    double spread = values[count - 1 - count / 4] - values[count / 4];
    double span = values[count - 1] - values[0];
    double width = 2 * spread / cbrt((double)count);
    double bins = width > 0 ? ceil(span / width) : ceil(log2((double)count)) + 1;
    return bins < BINS_LEAST || !(bins == bins) ? BINS_LEAST : bins > BINS_MOST ? BINS_MOST : (int)bins;
}

static void draw_bins(weft_report *report, const weft_chart *chart, const size_t *counts, int bins, double low, double width,
                      size_t good, size_t left_out)
{
    weft_text *out = &report->body, description = {0}, note = {0};
    weft_range across = {0}, up = {0};
    weft_range_add(&across, low);
    weft_range_add(&across, low + width * bins);
    weft_range_add(&up, 0);
    int tallest = 0;
    for (int i = 0; i < bins; i++) {
        weft_range_add(&up, (double)counts[i]);
        if (counts[i] > counts[tallest])
            tallest = i;
    }
    up.high *= 1.04; /* air above the tallest bar; the axis must still begin at zero */
    weft_axis x = weft_axis_fit(across, false, 0, 6), y = weft_axis_fit(up, false, 0, 5);
    char a[WEFT_NUMBER_TEXT], b[WEFT_NUMBER_TEXT], c[WEFT_NUMBER_TEXT];
    weft_text_add(&description, "Histogram of %zu values in %d bins; the fullest is %s to %s with %zu.", good, bins,
                  weft_report_number(low + width * tallest, 4, a), weft_report_number(low + width * (tallest + 1), 4, b),
                  counts[tallest]);
    weft_svg_open(report, chart, WEFT_CHART_WIDTH, WEFT_CHART_HEIGHT, description.data);
    weft_chart named = *chart;
    named.y_label = chart->y_label ? chart->y_label : "count";
    weft_svg_axes(report, &named, &x, &y, 0, WEFT_CHART_HEIGHT);
    for (int i = 0; i < bins; i++) {
        if (!counts[i])
            continue;
        double from = weft_axis_place(&x, low + width * i), to = weft_axis_place(&x, low + width * (i + 1));
        double top = weft_axis_place(&y, (double)counts[i]);
        draw_box(out, "f0", from + 0.4, top, to - from - 0.8, y.from - top);
        weft_text_add(out, "><title>%s to %s: %s</title></rect>\n", weft_report_number(low + width * i, 4, a),
                      weft_report_number(low + width * (i + 1), 4, b), weft_report_integer((double)counts[i], c));
    }
    if (left_out)
        weft_text_add(&note, "%zu not finite left out.", left_out);
    weft_svg_close(report, chart, note.data);
    report->body.failed |= description.failed || note.failed;
    weft_text_free(&description);
    weft_text_free(&note);
}

void weft_report_histogram(weft_report *report, const weft_chart *chart, const double *values, size_t count, int bins)
{
    weft_range range = {0};
    for (size_t i = 0; i < count; i++)
        weft_range_add(&range, values[i]);
    if (!range.count) {
        weft_svg_nothing(report, chart, "no finite values");
        return;
    }
    double *finite = malloc(range.count * sizeof *finite);
    if (!finite) {
        report->body.failed = true;
        return;
    }
    size_t good = 0;
    for (size_t i = 0; i < count; i++)
        if (isfinite(values[i]))
            finite[good++] = fmax(range.low, fmin(range.high, values[i]));
    double low = range.low, span = range.high - range.low;
    if (span <= fmax(fabs(range.low), fabs(range.high)) * 1e-11 || span < 1e-300) { /* all the same: the bar in the middle */
        double half = fmax(fabs(low) * 0.05, 0.5);
        low -= half;
        span = 2 * half;
        bins = 5;
    } else if (bins <= 0) {
        bins = choose_bins(finite, good);
    }
    bins = bins > BINS_MOST ? BINS_MOST : bins;
    size_t counts[BINS_MOST] = {0};
    for (size_t i = 0; i < good; i++) {
        double bin = (finite[i] - low) / span * bins;
        counts[bin >= bins ? bins - 1 : bin < 0 ? 0 : (int)bin]++;
    }
    free(finite);
    draw_bins(report, chart, counts, bins, low, span / bins, good, count - good);
}

static void draw_bar(weft_text *out, const weft_axis *axis, const char *name, double value, double spread, double left,
                     double top)
{
    char number[WEFT_NUMBER_TEXT], more[WEFT_NUMBER_TEXT];
    weft_text_add(out, "<text class=\"end strong\"");
    weft_svg_attribute(out, "x", left - 6);
    weft_svg_attribute(out, "y", top + 13);
    weft_text_add(out, ">");
    weft_report_escape_short(out, name, 24);
    weft_text_add(out, "</text>");
    if (!isfinite(value)) {
        weft_text_add(out, "<text");
        weft_svg_attribute(out, "x", left + 4);
        weft_svg_attribute(out, "y", top + 13);
        weft_text_add(out, ">%s</text>\n", weft_report_number(value, 4, number));
        return;
    }
    double zero = weft_axis_place(axis, 0), end = weft_axis_place(axis, value);
    draw_box(out, value < 0 ? "f1" : "f0", fmin(zero, end), top + 2, fabs(end - zero), 14);
    weft_text_add(out, "><title>");
    weft_report_escape(out, name);
    weft_text_add(out, ": %s", weft_report_number(value, 4, number));
    if (spread > 0 && isfinite(spread))
        weft_text_add(out, " ± %s", weft_report_number(spread, 2, more));
    weft_text_add(out, "</title></rect>\n");
    if (!(spread > 0) || !isfinite(spread))
        return;
    weft_text_add(out, "<path class=\"axis\" d=\"M");
    weft_svg_number(out, weft_axis_place(axis, value - spread));
    weft_text_add(out, " ");
    weft_svg_number(out, top + 9);
    weft_text_add(out, "H");
    weft_svg_number(out, weft_axis_place(axis, value + spread));
    weft_text_add(out, "\" />\n");
}

void weft_report_bars(weft_report *report, const weft_chart *chart, const char *const *names, const double *values,
                      const double *spread, size_t count)
{
    weft_text *out = &report->body, description = {0}, note = {0};
    size_t shown = count < BARS ? count : BARS, widest = 0;
    if (!shown) {
        weft_svg_nothing(report, chart, "no values");
        return;
    }
    weft_range range = {0};
    weft_range_add(&range, 0);
    weft_text_add(&description, "Bar chart.");
    for (size_t i = 0; i < shown; i++) {
        double more = spread && isfinite(spread[i]) && spread[i] > 0 ? spread[i] : 0;
        char number[WEFT_NUMBER_TEXT];
        weft_range_add(&range, values[i] + more);
        weft_range_add(&range, values[i] - more < 0 ? values[i] - more : 0);
        size_t length = weft_report_characters(names[i]);
        widest = length > widest ? length : widest;
        if (i < 10)
            weft_text_add(&description, " %s: %s.", names[i], weft_report_number(values[i], 4, number));
    }
    weft_axis axis = weft_axis_fit(range, false, 0, 5);
    if (range.low == range.high) /* all zero */
        axis = weft_axis_fit((weft_range){.low = 0, .high = 1, .count = 2}, false, 0, 5);
    bool named = chart->x_label && *chart->x_label;
    double left = 14 + (double)(widest < 24 ? widest : 24) * WEFT_CHARACTER, bottom = 10 + 19 * (double)shown;
    double height = bottom + (named ? 40 : 22);
    axis.from = left, axis.to = WEFT_CHART_WIDTH - 16;
    weft_svg_open(report, chart, WEFT_CHART_WIDTH, height, description.data);
    weft_svg_scale(out, &axis, 4, bottom);
    for (size_t i = 0; i < shown; i++)
        draw_bar(out, &axis, names[i], values[i], spread ? spread[i] : 0, left, 6 + 19 * (double)i);
    if (named) {
        weft_text_add(out, "<text class=\"mid strong\"");
        weft_svg_attribute(out, "x", (axis.from + axis.to) / 2);
        weft_svg_attribute(out, "y", height - 6);
        weft_text_add(out, ">");
        weft_report_escape_short(out, chart->x_label, (size_t)((axis.to - axis.from) / WEFT_CHARACTER));
        weft_text_add(out, "</text>\n");
    }
    if (shown < count)
        weft_text_add(&note, "The first %zu of %zu are shown.", shown, count);
    weft_svg_close(report, chart, note.data);
    report->body.failed |= description.failed || note.failed;
    weft_text_free(&description);
    weft_text_free(&note);
}
