/* Timelines: a row a track, a bar from its beginning to its end. */
#include "report/svg.h"

#include <math.h>

enum { WIDTH = 1000, ROW = 18, BAR = 13, DRAWN = 12000, TRACKS = 80, NAMES = 24 };
#define GAP 1.0 /* of the view box: bars of one style that are nearer to each other are drawn as one */

/* The bar of a track that is not drawn yet, since the next one may touch it. */
typedef struct pending {
    double from, to;
    const weft_report_bar *bar; /* NULL: none */
} pending;

static void draw_bar(weft_text *out, const weft_report_bar *bar, double x, double width, double y)
{
    weft_text_add(out, "<rect class=\"f%u\"", bar->style % WEFT_SERIES_STYLES);
    weft_svg_attribute(out, "x", x);
    weft_svg_attribute(out, "y", y);
    weft_svg_attribute(out, "width", width);
    weft_text_add(out, " height=\"%d\"", BAR);
    if (bar->label) {
        char from[WEFT_NUMBER_TEXT], to[WEFT_NUMBER_TEXT];
        weft_text_add(out, "><title>");
        weft_report_escape(out, bar->label);
        weft_text_add(out, ": %s to %s</title></rect>", weft_report_number(bar->from, 7, from),
                      weft_report_number(bar->to, 7, to));
    } else {
        weft_text_add(out, " />");
    }
    if (bar->label && width > 7.5 * WEFT_CHARACTER) {
        weft_text_add(out, "<text class=\"on mid\"");
        weft_svg_attribute(out, "x", x + width / 2);
        weft_svg_attribute(out, "y", y + BAR - 3);
        weft_text_add(out, ">");
        weft_report_escape_short(out, bar->label, (size_t)(width / WEFT_CHARACTER));
        weft_text_add(out, "</text>");
    }
    weft_text_add(out, "\n");
}

static void draw_scale(weft_text *out, const weft_chart *chart, const weft_axis *x, double bottom)
{
    char text[WEFT_NUMBER_TEXT];
    for (int i = 0; i < x->tick_count; i++) {
        double at = weft_axis_place(x, x->ticks[i]);
        weft_text_add(out, "<line class=\"grid\"");
        weft_svg_attribute(out, "x1", at);
        weft_svg_attribute(out, "x2", at);
        weft_text_add(out, " y1=\"2\"");
        weft_svg_attribute(out, "y2", bottom);
        weft_text_add(out, " /><text class=\"mid\"");
        weft_svg_attribute(out, "x", at);
        weft_svg_attribute(out, "y", bottom + 15);
        weft_text_add(out, ">%s</text>\n", weft_axis_tick_text(x, x->ticks[i], text));
    }
    if (chart->x_label) {
        weft_text_add(out, "<text class=\"mid strong\" x=\"%d\"", WIDTH / 2);
        weft_svg_attribute(out, "y", bottom + 32);
        weft_text_add(out, ">");
        weft_report_escape(out, chart->x_label);
        weft_text_add(out, "</text>\n");
    }
}

void weft_report_timeline(weft_report *report, const weft_chart *chart, const char *const *tracks, size_t track_count,
                          const weft_report_bar *bars, size_t count)
{
    weft_text *out = &report->body;
    weft_range range = {0};
    pending held[TRACKS] = {{0}};
    size_t shown = track_count < TRACKS ? track_count : TRACKS, drawn = 0, widest = 0;
    for (size_t i = 0; i < count; i++)
        if (bars[i].track < shown && isfinite(bars[i].from) && isfinite(bars[i].to)) {
            weft_range_add(&range, bars[i].from);
            weft_range_add(&range, bars[i].to);
        }
    if (!range.count || !shown) {
        weft_svg_nothing(report, chart, "nothing happened");
        return;
    }
    for (size_t k = 0; k < shown; k++) {
        size_t length = weft_report_characters(tracks[k]);
        widest = length > widest ? length : widest;
    }
    weft_axis x = weft_axis_fit(range, false, 0, 9);
    x.from = 10 + (double)(widest < NAMES ? widest : NAMES) * WEFT_CHARACTER + 8;
    x.to = WIDTH - 16;
    double bottom = 4 + (double)shown * ROW, height = bottom + (chart->x_label ? 38 : 22);
    weft_text description = {0};
    weft_text_add(&description, "Timeline of %zu tracks.", shown);
    weft_chart wide = *chart;
    wide.wide = true;
    weft_svg_open(report, &wide, WIDTH, height, description.data);
    draw_scale(out, chart, &x, bottom);
    for (size_t k = 0; k < shown; k++) {
        weft_text_add(out, "<text class=\"end\"");
        weft_svg_attribute(out, "x", x.from - 6);
        weft_svg_attribute(out, "y", 4 + (double)k * ROW + BAR - 2);
        weft_text_add(out, ">");
        weft_report_escape_short(out, tracks[k], NAMES);
        weft_text_add(out, "</text>\n");
    }
    for (size_t i = 0; i < count && drawn < DRAWN; i++) {
        const weft_report_bar *bar = &bars[i];
        if (bar->track >= shown || !isfinite(bar->from) || !isfinite(bar->to))
            continue;
        pending *last = &held[bar->track];
        double from = weft_axis_place(&x, bar->from), to = weft_axis_place(&x, bar->to);
        to = fmax(to, from + 0.4);
        if (last->bar && last->bar->style == bar->style && !last->bar->label && !bar->label && from <= last->to + GAP) {
            last->to = fmax(last->to, to);
            continue;
        }
        if (last->bar) {
            draw_bar(out, last->bar, last->from, last->to - last->from, 4 + (double)bar->track * ROW);
            drawn++;
        }
        *last = (pending){from, to, bar};
    }
    for (size_t k = 0; k < shown; k++)
        if (held[k].bar)
            draw_bar(out, held[k].bar, held[k].from, held[k].to - held[k].from, 4 + (double)k * ROW);
    weft_svg_close(report, &wide, drawn == DRAWN ? "The picture ends where it would hold too many bars." : NULL);
    report->body.failed |= description.failed;
    weft_text_free(&description);
}
