/* What surrounds a chart: the figure with its caption and notes, what a screen reader is told, and the legend. */
#include "report/svg.h"

void weft_svg_open(weft_report *report, const weft_chart *chart, double width, double height, const char *description)
{
    weft_text *out = &report->body;
    weft_report_switch(report, WEFT_RUN_FIGURES);
    weft_text_add(out, chart->wide ? "<figure class=\"wide\">" : "<figure>");
    if (chart->title && *chart->title) {
        weft_text_add(out, "<figcaption>");
        weft_report_escape(out, chart->title);
        weft_text_add(out, "</figcaption>");
    }
    weft_text_add(out, "\n<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 ");
    weft_svg_number(out, width);
    weft_text_add(out, " ");
    weft_svg_number(out, height);
    weft_text_add(out, "\" role=\"img\" aria-label=\"");
    weft_report_escape(out, chart->title);
    weft_text_add(out, "%s", chart->title && *chart->title ? ". " : "");
    weft_report_escape(out, description ? description : "Chart");
    weft_text_add(out, "\">\n");
}

void weft_svg_close(weft_report *report, const weft_chart *chart, const char *extra)
{
    const char *notes[] = {chart->note, extra};
    weft_text_add(&report->body, "</svg>");
    for (int i = 0; i < 2; i++) {
        if (!notes[i] || !*notes[i])
            continue;
        weft_text_add(&report->body, "<p class=\"note\">");
        weft_report_escape(&report->body, notes[i]);
        weft_text_add(&report->body, "</p>");
    }
    weft_text_add(&report->body, "</figure>\n");
}

void weft_svg_nothing(weft_report *report, const weft_chart *chart, const char *why)
{
    weft_svg_open(report, chart, WEFT_CHART_WIDTH, 90, why);
    weft_text_add(&report->body, "<text class=\"mid\" x=\"%d\" y=\"48\">", WEFT_CHART_WIDTH / 2);
    weft_report_escape(&report->body, why);
    weft_text_add(&report->body, "</text>\n");
    weft_svg_close(report, chart, NULL);
}

static void legend_entry(weft_text *out, const char *name, size_t limit, size_t place, double x, double y)
{
    weft_text_add(out, "<line class=\"line l%zu\"", place % WEFT_SERIES_STYLES);
    weft_svg_attribute(out, "x1", x);
    weft_svg_attribute(out, "x2", x + 22);
    weft_svg_attribute(out, "y1", y - 4);
    weft_svg_attribute(out, "y2", y - 4);
    weft_text_add(out, " /><text class=\"strong\"");
    weft_svg_attribute(out, "x", x + 28);
    weft_svg_attribute(out, "y", y);
    weft_text_add(out, ">");
    weft_report_escape_short(out, name, limit);
    weft_text_add(out, "</text>\n");
}

double weft_svg_legend(weft_text *out, const char *const *names, size_t count)
{
    const size_t limit = 30;
    double x = 12, y = 14;
    for (size_t i = 0; i < count; i++) {
        size_t characters = weft_report_characters(names[i]);
        double width = 30 + (double)(characters < limit ? characters : limit) * WEFT_CHARACTER + 14;
        if (x > 12 && x + width > WEFT_CHART_WIDTH) {
            x = 12;
            y += 17;
        }
        if (out)
            legend_entry(out, names[i], limit, i, x, y);
        x += width;
    }
    return count ? y + 6 : 0;
}
