/* Shaded cells and shaded text: values as the strength of one colour, each told in words too. */
#include "report/svg.h"

#include <math.h>
#include <string.h>

enum { MOST_CELLS = 400 };

static double share(double value, double low, double high)
{
    double x = high > low ? (value - low) / (high - low) : 0;
    return x > 0 ? fmin(x, 1) : 0;
}

void weft_report_shaded_text(weft_report *report, const weft_chart *chart, const char *const *pieces, const double *values,
                             size_t count, double low, double high, size_t mark)
{
    weft_text *out = &report->body;
    weft_report_switch(report, WEFT_RUN_FIGURES);
    weft_text_add(out, "<figure class=\"wide\"><figcaption>");
    weft_report_escape(out, chart->title);
    weft_text_add(out, "</figcaption>\n<p class=\"shaded\">");
    for (size_t i = 0; i < count; i++) {
        char number[WEFT_NUMBER_TEXT];
        size_t length = strlen(pieces[i]);
        weft_text_add(out, "<span%s style=\"background:color-mix(in srgb,var(--s1) %d%%,transparent)\" title=\"",
                      i >= mark ? " class=\"made\"" : "", (int)lround(100 * share(values[i], low, high)));
        weft_report_escape(out, chart->y_label ? chart->y_label : "value");
        weft_text_add(out, " %s\">", weft_report_fixed(values[i], 3, number));
        weft_report_escape(out, length ? pieces[i] : "∅");
        weft_text_add(out, "</span>%s", length && pieces[i][length - 1] == '\n' ? "<br />" : "");
    }
    weft_text_add(out, "</p>\n");
    if (chart->note) {
        weft_text_add(out, "<p class=\"note\">");
        weft_report_escape(out, chart->note);
        weft_text_add(out, "</p>\n");
    }
    weft_text_add(out, "</figure>\n");
}

/* A name beside row or below column i; the number where there is none. */
static void name_at(weft_text *out, const char *const *names, size_t i, double x, double y, int turn)
{
    weft_text_add(out, "<text class=\"end\" transform=\"translate(");
    weft_svg_number(out, x);
    weft_text_add(out, " ");
    weft_svg_number(out, y);
    weft_text_add(out, ") rotate(%d)\">", turn);
    if (names)
        weft_report_escape_short(out, names[i], 12);
    else
        weft_text_add(out, "%zu", i);
    weft_text_add(out, "</text>\n");
}

static void cells(weft_text *out, const double *values, size_t rows, size_t columns, size_t stride, double top, double left,
                  double width, double height, double largest)
{
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < columns; j++) {
            char number[WEFT_NUMBER_TEXT];
            double value = values[i * stride + j];
            weft_text_add(out, "<rect class=\"cell f1\"");
            weft_svg_attribute(out, "x", left + width * (double)j);
            weft_svg_attribute(out, "y", top + height * (double)(rows - 1 - i)); /* the first row at the bottom, as layers grow */
            weft_svg_attribute(out, "width", width);
            weft_svg_attribute(out, "height", height);
            int hundredths = isfinite(value) ? (int)lround(100 * share(value, 0, largest)) : 0;
            weft_text_add(out, " fill-opacity=\"%d.%02d\"><title>row %zu, column %zu: %s</title></rect>\n", hundredths / 100,
                          hundredths % 100, i, j, weft_report_number(value, 4, number));
        }
}

void weft_report_heatmap(weft_report *report, const weft_chart *chart, const char *const *row_names,
                         const char *const *column_names, const double *values, size_t rows, size_t columns)
{
    size_t stride = columns;
    rows = rows < MOST_CELLS ? rows : MOST_CELLS;
    columns = columns < MOST_CELLS ? columns : MOST_CELLS;
    if (!rows || !columns) {
        weft_svg_nothing(report, chart, "no values");
        return;
    }
    double largest = 0;
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < columns; j++)
            if (isfinite(values[i * stride + j]))
                largest = fmax(largest, values[i * stride + j]);
    weft_text description = {0}, note = {0};
    char number[WEFT_NUMBER_TEXT];
    weft_report_number(largest, 3, number);
    double left = 26 + (row_names ? 12 : 3) * WEFT_CHARACTER, top = 6, below = 12 + (column_names ? 12 : 4) * WEFT_CHARACTER;
    double width = (WEFT_CHART_WIDTH - left - 6) / (double)columns, height = fmax(4, fmin(22, 220 / (double)rows));
    double bottom = top + height * (double)rows;
    weft_text_add(&description, "%zu by %zu values from 0 to %s as shaded cells.", rows, columns, number);
    weft_svg_open(report, chart, WEFT_CHART_WIDTH, bottom + below + 18, description.data);
    weft_text *out = &report->body;
    cells(out, values, rows, columns, stride, top, left, width, height, largest);
    size_t each_row = (size_t)ceil(13 / height), each_column = (size_t)ceil(13 / width);
    for (size_t i = 0; i < rows; i += each_row)
        name_at(out, row_names, i, left - 5, bottom - height * ((double)i + 0.5) + 4, 0);
    for (size_t j = 0; j < columns; j += each_column)
        name_at(out, column_names, j, left + width * ((double)j + 0.5) + 4, bottom + 8, -90);
    weft_text_add(out, "<text class=\"mid strong\"");
    weft_svg_attribute(out, "x", (left + WEFT_CHART_WIDTH) / 2);
    weft_svg_attribute(out, "y", bottom + below + 12);
    weft_text_add(out, ">");
    weft_report_escape(out, chart->x_label ? chart->x_label : "");
    weft_text_add(out, "</text>\n<text class=\"mid strong\" transform=\"translate(13 ");
    weft_svg_number(out, (top + bottom) / 2);
    weft_text_add(out, ") rotate(-90)\">");
    weft_report_escape(out, chart->y_label ? chart->y_label : "");
    weft_text_add(out, "</text>\n");
    weft_text_add(&note, "From 0 (clear) to %s (full).", number);
    weft_svg_close(report, chart, note.data);
    report->body.failed |= description.failed || note.failed;
    weft_text_free(&description);
    weft_text_free(&note);
}
