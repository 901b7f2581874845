/* Axes: ranges, round ticks, places, and their drawing. */
#include "report/svg.h"

#include <math.h>
#include <stdlib.h>

#define LARGEST 1e300 /* beyond this a span would overflow; such values are placed at the edge */

void weft_range_add(weft_range *range, double value)
{
    if (!isfinite(value))
        return;
    value = fmax(-LARGEST, fmin(LARGEST, value));
    if (!range->count || value < range->low)
        range->low = value;
    if (!range->count || value > range->high)
        range->high = value;
    range->count++;
    if (value > 0) {
        if (!range->positive || value < range->least_positive)
            range->least_positive = value;
        range->positive++;
    }
}

static void add_tick(weft_axis *axis, double tick)
{
    double slack = axis->log ? 0 : (axis->high - axis->low) * 1e-9;
    int room = (int)(sizeof axis->ticks / sizeof *axis->ticks);
    if (tick >= axis->low - slack && tick <= axis->high + slack && axis->tick_count < room)
        axis->ticks[axis->tick_count++] = tick;
}

/* Steps of 1, 2 or 5 times a power of ten (Heckbert, "Nice numbers for graph labels", Graphics Gems 1990). */
static void linear_ticks(weft_axis *axis, int wanted)
{
    double raw = (axis->high - axis->low) / wanted;
    int power = (int)floor(log10(raw));
    double unit = pow(10, power), mantissa = raw / unit;
    double step = unit * (mantissa < 1.5 ? 1 : mantissa < 3.5 ? 2 : mantissa < 7.5 ? 5 : 10);
    power = (int)floor(log10(step) + 1e-9);
    double first = ceil(axis->low / step - 1e-9);
    for (int i = 0; i < 16; i++)
        add_tick(axis, (first + i) * step == 0 ? 0 : (first + i) * step);
    double size = fmax(fabs(axis->low), fabs(axis->high));
    axis->digits = power < 0 ? -power : 0;
    if (size >= 1e6 || power < -4) {
        axis->digits = -1;
        int needed = (int)ceil(log10(size / step) + 1e-9) + 1;
        axis->significant = needed < 1 ? 1 : needed > 12 ? 12 : needed;
    }
}

/* Powers of ten; within few decades also 2 and 5 times them. */
static void log_ticks(weft_axis *axis, int wanted)
{
    double low = log10(axis->low), high = log10(axis->high);
    int stride = (int)ceil((high - low) / wanted);
    stride = stride < 1 ? 1 : stride;
    bool few = high - low < 2.5;
    for (int power = (int)floor(low); power <= (int)ceil(high); power++) {
        if (power % stride)
            continue;
        double unit = pow(10, power);
        add_tick(axis, unit);
        if (few) {
            add_tick(axis, 2 * unit);
            add_tick(axis, 5 * unit);
        }
    }
    axis->digits = -1;
    axis->significant = 1;
}

weft_axis weft_axis_fit(weft_range range, bool log, double room, int wanted)
{
    weft_axis axis = {.low = 0, .high = 1};
    if (range.count) {
        axis.log = log && range.positive > 0;
        axis.low = axis.log ? range.least_positive : range.low;
        axis.high = range.high;
    }
    if (axis.log) {
        double span = log10(axis.high) - log10(axis.low);
        double more = span < 1e-3 ? 0.15 : span * room;
        axis.low = fmax(axis.low * pow(10, -more), 1e-305);
        axis.high = fmin(fmax(axis.high, 1e-304) * pow(10, more), 1e305);
        log_ticks(&axis, wanted);
        if (axis.tick_count < 3) { /* less than a step of 2 or 5 in sight: round numbers do better */
            axis.tick_count = 0;
            linear_ticks(&axis, wanted);
        }
        return axis;
    }
    double size = fmax(fabs(axis.low), fabs(axis.high));
    if (axis.high - axis.low <= size * 1e-11 || axis.high - axis.low < 1e-300) {
        double more = size < 1e-290 ? 1 : size * 0.1;
        axis.low -= more;
        axis.high += more;
    } else {
        double more = (axis.high - axis.low) * room;
        axis.low -= more;
        axis.high += more;
    }
    linear_ticks(&axis, wanted);
    return axis;
}

bool weft_axis_holds(const weft_axis *axis, double value)
{
    return isfinite(value) && (!axis->log || value > 0);
}

double weft_axis_place(const weft_axis *axis, double value)
{
    double share;
    if (!weft_axis_holds(axis, value))
        return axis->from;
    if (axis->log)
        share = (log10(value) - log10(axis->low)) / (log10(axis->high) - log10(axis->low));
    else
        share = (value - axis->low) / (axis->high - axis->low);
    share = fmax(-0.01, fmin(1.01, share));
    return axis->from + share * (axis->to - axis->from);
}

char *weft_axis_tick_text(const weft_axis *axis, double tick, char out[WEFT_NUMBER_TEXT])
{
    if (axis->digits < 0)
        return weft_report_number(tick, axis->significant, out);
    if (axis->digits == 0 && fmax(fabs(axis->low), fabs(axis->high)) >= 10000)
        return weft_report_integer(tick, out);
    return weft_report_fixed(tick, axis->digits, out);
}

void weft_svg_number(weft_text *out, double value)
{
    long tenths = isfinite(value) ? lround(fmax(-1e6, fmin(1e6, value)) * 10) : 0;
    weft_text_add(out, "%s%ld", tenths < 0 ? "-" : "", labs(tenths) / 10);
    if (tenths % 10)
        weft_text_add(out, ".%ld", labs(tenths) % 10);
}

void weft_svg_attribute(weft_text *out, const char *name, double value)
{
    weft_text_add(out, " %s=\"", name);
    weft_svg_number(out, value);
    weft_text_add(out, "\"");
}

static void line(weft_text *out, const char *class, double x1, double y1, double x2, double y2)
{
    weft_text_add(out, "<line class=\"%s\"", class);
    weft_svg_attribute(out, "x1", x1);
    weft_svg_attribute(out, "y1", y1);
    weft_svg_attribute(out, "x2", x2);
    weft_svg_attribute(out, "y2", y2);
    weft_text_add(out, " />");
}

/* Texts of every stride-th tick stand free of each other. */
static bool texts_fit(const weft_axis *axis, int stride)
{
    char text[WEFT_NUMBER_TEXT];
    double free_from = -1e9;
    for (int i = 0; i < axis->tick_count; i += stride) {
        double at = weft_axis_place(axis, axis->ticks[i]);
        double half = (double)weft_report_characters(weft_axis_tick_text(axis, axis->ticks[i], text)) * WEFT_CHARACTER / 2;
        if (at - half < free_from)
            return false;
        free_from = at + half + 6;
    }
    return true;
}

void weft_svg_scale(weft_text *out, const weft_axis *axis, double top, double bottom)
{
    char text[WEFT_NUMBER_TEXT];
    int stride = 1;
    while (stride < axis->tick_count && !texts_fit(axis, stride))
        stride++;
    for (int i = 0; i < axis->tick_count; i++) {
        double at = weft_axis_place(axis, axis->ticks[i]);
        double half = (double)weft_report_characters(weft_axis_tick_text(axis, axis->ticks[i], text)) * WEFT_CHARACTER / 2;
        line(out, "grid", at, top, at, bottom);
        if (i % stride)
            continue;
        weft_text_add(out, "<text class=\"mid\"");
        weft_svg_attribute(out, "x", at + half > WEFT_CHART_WIDTH - 2 ? WEFT_CHART_WIDTH - 2 - half : at);
        weft_svg_attribute(out, "y", bottom + 16);
        weft_text_add(out, ">%s</text>\n", text);
    }
}

weft_frame weft_svg_axes(weft_report *report, const weft_chart *chart, weft_axis *x, weft_axis *y, double top, double height)
{
    weft_text *out = &report->body;
    char text[WEFT_NUMBER_TEXT];
    bool x_named = chart->x_label && *chart->x_label, y_named = chart->y_label && *chart->y_label;
    size_t widest = 0;
    for (int i = 0; i < y->tick_count; i++) {
        size_t length = weft_report_characters(weft_axis_tick_text(y, y->ticks[i], text));
        widest = length > widest ? length : widest;
    }
    weft_frame frame = {.left = 10 + (double)widest * WEFT_CHARACTER + (y_named ? 18 : 4),
                        .right = WEFT_CHART_WIDTH - 14,
                        .top = top + 8,
                        .bottom = height - (x_named ? 42 : 24)};
    x->from = frame.left, x->to = frame.right;
    y->from = frame.bottom, y->to = frame.top;
    for (int i = 0; i < y->tick_count; i++) {
        double at = weft_axis_place(y, y->ticks[i]);
        line(out, "grid", frame.left, at, frame.right, at);
        weft_text_add(out, "<text class=\"end\"");
        weft_svg_attribute(out, "x", frame.left - 6);
        weft_svg_attribute(out, "y", at + 4);
        weft_text_add(out, ">%s</text>\n", weft_axis_tick_text(y, y->ticks[i], text));
    }
    weft_svg_scale(out, x, frame.top, frame.bottom);
    line(out, "axis", frame.left, frame.bottom, frame.right, frame.bottom);
    line(out, "axis", frame.left, frame.top, frame.left, frame.bottom);
    if (x_named) {
        weft_text_add(out, "<text class=\"mid strong\"");
        weft_svg_attribute(out, "x", (frame.left + frame.right) / 2);
        weft_svg_attribute(out, "y", height - 7);
        weft_text_add(out, ">");
        weft_report_escape_short(out, chart->x_label, (size_t)((frame.right - frame.left) / WEFT_CHARACTER));
        weft_text_add(out, "</text>\n");
    }
    if (y_named) {
        weft_text_add(out, "<text class=\"mid strong\" transform=\"translate(13 ");
        weft_svg_number(out, (frame.top + frame.bottom) / 2);
        weft_text_add(out, ") rotate(-90)\">");
        weft_report_escape_short(out, chart->y_label, (size_t)((frame.bottom - frame.top) / WEFT_CHARACTER));
        weft_text_add(out, "</text>\n");
    }
    return frame;
}
