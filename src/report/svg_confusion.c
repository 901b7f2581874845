/* The confusion matrix: a shaded cell a pair of true and predicted class, with its count. */
#include "report/svg.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CLASSES = 30 };

/* 987, 12.3k, 4.56M: a count in few characters. */
static void short_count(double count, char out[WEFT_NUMBER_TEXT])
{
    static const char *const units[] = {"", "k", "M", "G", "T", "P"};
    size_t unit = 0;
    for (; count >= 999.5 && unit + 1 < sizeof units / sizeof *units; unit++)
        count /= 1000;
    char number[WEFT_NUMBER_TEXT];
    snprintf(out, WEFT_NUMBER_TEXT, "%s%s", weft_report_number(count, unit ? 2 : 3, number), units[unit]);
}

typedef struct weft_class_errors {
    size_t class;
    double errors;
} weft_class_errors;

static int more_errors_first(const void *a, const void *b)
{
    const weft_class_errors *x = a, *y = b;
    if (x->errors != y->errors)
        return x->errors < y->errors ? 1 : -1;
    return (x->class > y->class) - (x->class < y->class);
}

static int by_class(const void *a, const void *b)
{
    const weft_class_errors *x = a, *y = b;
    return (x->class > y->class) - (x->class < y->class);
}

static double count_at(const int64_t *counts, size_t classes, size_t row, size_t column)
{
    int64_t count = counts[row * classes + column];
    return count > 0 ? (double)count : 0;
}

/* The classes to show, in their order: all, or those that are most often wrong as truth or as prediction. */
static size_t choose(weft_class_errors *of, const int64_t *counts, size_t classes)
{
    for (size_t c = 0; c < classes; c++) {
        of[c] = (weft_class_errors){c, 0};
        for (size_t other = 0; other < classes; other++)
            if (other != c)
                of[c].errors += count_at(counts, classes, c, other) + count_at(counts, classes, other, c);
    }
    if (classes <= CLASSES)
        return classes;
    qsort(of, classes, sizeof *of, more_errors_first);
    qsort(of, CLASSES, sizeof *of, by_class);
    return CLASSES;
}

static void label(weft_text *out, const char *name, size_t limit, double x, double y, int turn)
{
    weft_text_add(out, "<text class=\"end\" transform=\"translate(");
    weft_svg_number(out, x);
    weft_text_add(out, " ");
    weft_svg_number(out, y);
    weft_text_add(out, ") rotate(%d)\">", turn);
    weft_report_escape_short(out, name, limit);
    weft_text_add(out, "</text>\n");
}

static void draw_cell(weft_text *out, const char *truth, const char *predicted, double count, double share, double x, double y,
                      double size)
{
    char number[WEFT_NUMBER_TEXT], percent[WEFT_NUMBER_TEXT];
    weft_text_add(out, "<rect class=\"cell f0\"");
    weft_svg_attribute(out, "x", x);
    weft_svg_attribute(out, "y", y);
    weft_svg_attribute(out, "width", size);
    weft_svg_attribute(out, "height", size);
    int hundredths = (int)lround(share * 96) + (count > 0 ? 4 : 0); /* a single row must still be seen */
    weft_text_add(out, " fill-opacity=\"%d.%02d\"><title>true ", hundredths / 100, hundredths % 100);
    weft_report_escape(out, truth);
    weft_text_add(out, ", predicted ");
    weft_report_escape(out, predicted);
    weft_text_add(out, ": %s (%s %% of the row)</title></rect>\n", weft_report_integer(count, number),
                  weft_report_fixed(share * 100, 1, percent));
    short_count(count, number);
    double font = fmin(12, (size - 3) / (0.6 * (double)strlen(number)));
    if (count <= 0 || font < 6)
        return;
    weft_text_add(out, "<text class=\"mid %s\"", hundredths > 55 ? "on" : "strong");
    weft_svg_attribute(out, "x", x + size / 2);
    weft_svg_attribute(out, "y", y + size / 2 + font * 0.36);
    weft_svg_attribute(out, "font-size", font);
    weft_text_add(out, " pointer-events=\"none\">%s</text>\n", number);
}

static void draw_matrix(weft_report *report, const weft_chart *chart, const char *const *names, const int64_t *counts,
                        size_t classes, const weft_class_errors *chosen, size_t shown)
{
    weft_text *out = &report->body, description = {0}, note = {0};
    const size_t limit = 14;
    size_t widest = 1;
    double total = 0, right = 0;
    for (size_t i = 0; i < classes; i++) {
        for (size_t j = 0; j < classes; j++)
            total += count_at(counts, classes, i, j);
        right += count_at(counts, classes, i, i);
    }
    for (size_t i = 0; i < shown; i++) {
        size_t length = weft_report_characters(names[chosen[i].class]);
        widest = length > widest ? length : widest;
    }
    widest = widest < limit ? widest : limit;
    double text = (double)widest * WEFT_CHARACTER, left = 26 + text;
    double size = fmin(64, (WEFT_CHART_WIDTH - left - 14) / (double)shown);
    int turn = text <= size - 4 ? 0 : size < 20 ? -90 : -45; /* of the names below the columns */
    double side = size * (double)shown, bottom = 6 + side;
    double height = bottom + (turn == 0 ? 18 : turn == -45 ? 14 + text * 0.72 : 10 + text) + 24;
    char a[WEFT_NUMBER_TEXT], b[WEFT_NUMBER_TEXT];
    weft_text_add(&description, "Confusion matrix of %zu classes: %s of %s rows are on the diagonal.", classes,
                  weft_report_integer(right, a), weft_report_integer(total, b));
    weft_svg_open(report, chart, WEFT_CHART_WIDTH, height, description.data);
    for (size_t i = 0; i < shown; i++) {
        size_t truth = chosen[i].class;
        double row = 0;
        for (size_t j = 0; j < classes; j++)
            row += count_at(counts, classes, truth, j);
        double middle = size * ((double)i + 0.5);
        label(out, names[truth], limit, left - 5, 6 + middle + 4, 0);
        if (turn)
            label(out, names[truth], limit, left + middle + 4, bottom + (turn == -45 ? 12 : 6), turn);
        else
            label(out, names[truth], limit, left + middle + (double)weft_report_characters(names[truth]) * WEFT_CHARACTER / 2,
                  bottom + 15, 0);
        for (size_t j = 0; j < shown; j++) {
            double count = count_at(counts, classes, truth, chosen[j].class);
            draw_cell(out, names[truth], names[chosen[j].class], count, row > 0 ? count / row : 0, left + size * (double)j,
                      6 + size * (double)i, size);
        }
    }
    weft_text_add(out, "<text class=\"mid strong\"");
    weft_svg_attribute(out, "x", left + side / 2);
    weft_svg_attribute(out, "y", height - 6);
    weft_text_add(out, ">predicted</text>\n<text class=\"mid strong\" transform=\"translate(13 ");
    weft_svg_number(out, 6 + side / 2);
    weft_text_add(out, ") rotate(-90)\">true</text>\n");
    if (shown < classes)
        weft_text_add(&note, "The %zu of %zu classes that are most often wrong are shown. ", shown, classes);
    weft_text_add(&note, "Shading is the share of the true class's rows.");
    weft_svg_close(report, chart, note.data);
    report->body.failed |= description.failed || note.failed;
    weft_text_free(&description);
    weft_text_free(&note);
}

void weft_report_confusion(weft_report *report, const weft_chart *chart, const char *const *names, const int64_t *counts,
                           size_t classes)
{
    if (!classes) {
        weft_svg_nothing(report, chart, "no classes");
        return;
    }
    weft_class_errors *of = calloc(classes, sizeof *of);
    if (!of) {
        report->body.failed = true;
        return;
    }
    size_t shown = choose(of, counts, classes);
    draw_matrix(report, chart, names, counts, classes, of, shown);
    free(of);
}
