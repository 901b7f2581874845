/* Scatter plots and reliability diagrams: points against a diagonal. */
#include "report/svg.h"

#include <math.h>

enum { POINTS = 3000, TIPS = 1000 };

static void draw_diagonal(weft_text *out, const weft_axis *x, const weft_axis *y)
{
    double low = fmax(x->low, y->low), high = fmin(x->high, y->high);
    if (!(low < high))
        return;
    weft_text_add(out, "<line class=\"rule\"");
    weft_svg_attribute(out, "x1", weft_axis_place(x, low));
    weft_svg_attribute(out, "y1", weft_axis_place(y, low));
    weft_svg_attribute(out, "x2", weft_axis_place(x, high));
    weft_svg_attribute(out, "y2", weft_axis_place(y, high));
    weft_text_add(out, " />\n");
}

static void draw_point(weft_text *out, const char *class, double radius, double x, double y)
{
    weft_text_add(out, "<circle class=\"%s\"", class);
    weft_svg_attribute(out, "cx", x);
    weft_svg_attribute(out, "cy", y);
    weft_svg_attribute(out, "r", radius);
}

void weft_report_scatter(weft_report *report, const weft_chart *chart, const double *x, const double *y, size_t count,
                         bool diagonal)
{
    weft_text *out = &report->body;
    weft_range across = {0}, up = {0};
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(x[i]) || !isfinite(y[i]))
            continue;
        weft_range_add(&across, x[i]);
        weft_range_add(diagonal ? &across : &up, y[i]);
    }
    if (!across.count) {
        weft_svg_nothing(report, chart, "no finite values");
        return;
    }
    if (diagonal)
        up = across;
    bool log = diagonal && (chart->log_x || chart->log_y); /* the diagonal is straight only between equal axes */
    weft_axis x_axis = weft_axis_fit(across, log || chart->log_x, 0.03, 5);
    weft_axis y_axis = weft_axis_fit(up, log || chart->log_y, 0.03, 5);

    size_t good = 0;
    for (size_t i = 0; i < count; i++)
        good += weft_axis_holds(&x_axis, x[i]) && weft_axis_holds(&y_axis, y[i]);
    size_t step = good > POINTS ? (good + POINTS - 1) / POINTS : 1;
    size_t drawn = (good + step - 1) / step;

    weft_text description = {0}, note = {0};
    weft_text_add(&description, "Scatter plot of %s against %s, %zu points.", chart->y_label ? chart->y_label : "y",
                  chart->x_label ? chart->x_label : "x", good);
    weft_svg_open(report, chart, WEFT_CHART_WIDTH, WEFT_CHART_HEIGHT, description.data);
    weft_svg_axes(report, chart, &x_axis, &y_axis, 0, WEFT_CHART_HEIGHT);
    if (diagonal)
        draw_diagonal(out, &x_axis, &y_axis);
    size_t place = 0;
    for (size_t i = 0; i < count; i++) {
        if (!weft_axis_holds(&x_axis, x[i]) || !weft_axis_holds(&y_axis, y[i]) || place++ % step)
            continue;
        draw_point(out, "dot", drawn > 500 ? 2 : 3, weft_axis_place(&x_axis, x[i]), weft_axis_place(&y_axis, y[i]));
        char a[WEFT_NUMBER_TEXT], b[WEFT_NUMBER_TEXT];
        if (drawn <= TIPS)
            weft_text_add(out, "><title>%s, %s</title></circle>\n", weft_report_number(x[i], 5, a),
                          weft_report_number(y[i], 5, b));
        else
            weft_text_add(out, " />\n");
    }
    if (step > 1)
        weft_text_add(&note, "%zu of %zu points are drawn. ", drawn, good);
    if (good < count)
        weft_text_add(&note, "%zu not finite%s left out.", count - good, x_axis.log || y_axis.log ? " or not positive" : "");
    weft_svg_close(report, chart, note.data);
    report->body.failed |= description.failed || note.failed;
    weft_text_free(&description);
    weft_text_free(&note);
}

void weft_report_reliability(weft_report *report, const weft_chart *chart, const weft_reliability_bin *bins, size_t count)
{
    weft_text *out = &report->body;
    double rows = 0, gap = 0, most = 0;
    for (size_t i = 0; i < count; i++) {
        if (bins[i].count <= 0 || !isfinite(bins[i].confidence) || !isfinite(bins[i].accuracy))
            continue;
        rows += (double)bins[i].count;
        gap += (double)bins[i].count * fabs(bins[i].confidence - bins[i].accuracy);
        most = fmax(most, (double)bins[i].count);
    }
    if (rows <= 0) {
        weft_svg_nothing(report, chart, "no rows in any bin");
        return;
    }
    weft_range unit = {0};
    weft_range_add(&unit, 0);
    weft_range_add(&unit, 1);
    weft_axis x = weft_axis_fit(unit, false, 0, 5), y = x;
    char error[WEFT_NUMBER_TEXT], size[WEFT_NUMBER_TEXT];
    weft_text description = {0}, note = {0};
    weft_text_add(&description, "Reliability diagram of %s rows: mean gap between observed and predicted frequency %s.",
                  weft_report_integer(rows, size), weft_report_number(gap / rows, 3, error));
    weft_text_add(&note, "Expected calibration error %s over %s rows; the dashed line is perfect calibration.", error, size);
    weft_svg_open(report, chart, WEFT_CHART_WIDTH, WEFT_CHART_HEIGHT, description.data);
    weft_chart named = *chart;
    named.x_label = chart->x_label ? chart->x_label : "predicted probability";
    named.y_label = chart->y_label ? chart->y_label : "observed frequency";
    weft_svg_axes(report, &named, &x, &y, 0, WEFT_CHART_HEIGHT);
    draw_diagonal(out, &x, &y);
    for (size_t i = 0; i < count; i++) {
        const weft_reliability_bin *bin = &bins[i];
        if (bin->count <= 0 || !isfinite(bin->confidence) || !isfinite(bin->accuracy))
            continue;
        char p[WEFT_NUMBER_TEXT], a[WEFT_NUMBER_TEXT];
        draw_point(out, "bubble", 3 + 8 * sqrt((double)bin->count / most), weft_axis_place(&x, bin->confidence),
                   weft_axis_place(&y, bin->accuracy));
        weft_text_add(out, "><title>predicted %s, observed %s, %s rows</title></circle>\n",
                      weft_report_number(bin->confidence, 3, p), weft_report_number(bin->accuracy, 3, a),
                      weft_report_integer((double)bin->count, size));
    }
    weft_svg_close(report, chart, note.data);
    report->body.failed |= description.failed || note.failed;
    weft_text_free(&description);
    weft_text_free(&note);
}
