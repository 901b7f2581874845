/* Inside the charts: ranges, axes with round ticks, and the frame that all charts share. Lengths are units of the view box. */
#ifndef WEFT_REPORT_SVG_H
#define WEFT_REPORT_SVG_H

#include "report/page.h"

#define WEFT_CHART_WIDTH   440
#define WEFT_CHART_HEIGHT  300
#define WEFT_CHARACTER     6.8 /* estimated width of a character of the charts' text */
#define WEFT_SERIES_STYLES 6   /* classes l0 … l5 and f0 … f5 of the style sheet */

/* What values span. Only finite ones count. */
typedef struct weft_range {
    double low, high; /* meaningful when count > 0 */
    double least_positive;
    size_t count, positive;
} weft_range;

void weft_range_add(weft_range *, double value);

typedef struct weft_axis {
    double low, high; /* in the values' units, low < high */
    bool log;
    double from, to; /* view box positions of low and high */
    double ticks[16];
    int tick_count;
    int digits; /* decimals of the tick texts; -1: significant digits instead */
    int significant;
} weft_axis;

/* Fits an axis to a range: room at the ends (a share of the span), ticks about `wanted`. An empty range becomes 0 … 1, a
 * constant one gets room on both sides. log needs a positive value, else the axis is linear. */
weft_axis weft_axis_fit(weft_range range, bool log, double room, int wanted);
double weft_axis_place(const weft_axis *, double value); /* always finite, at most slightly outside of from … to */
bool weft_axis_holds(const weft_axis *, double value);   /* can the value stand on this axis */
char *weft_axis_tick_text(const weft_axis *, double tick, char out[WEFT_NUMBER_TEXT]);

typedef struct weft_frame {
    double left, right, top, bottom; /* the plot's sides in the view box */
} weft_frame;

/* Opens <figure> and <svg>; `description` is what a screen reader says after the title. */
void weft_svg_open(weft_report *, const weft_chart *, double width, double height, const char *description);
/* Closes them. `extra` (may be NULL) is a second note, after the chart's own. */
void weft_svg_close(weft_report *, const weft_chart *, const char *extra);
/* A whole figure that says there is nothing to draw. */
void weft_svg_nothing(weft_report *, const weft_chart *, const char *why);

/* Places the axes around the plot, the y axis as wide as its texts, and draws grid, ticks and labels. `top` is where the plot
 * begins (below a legend), `height` the view box's. */
weft_frame weft_svg_axes(weft_report *, const weft_chart *, weft_axis *x, weft_axis *y, double top, double height);

/* The upright grid lines of an axis along the bottom, and as many of its tick texts as fit. */
void weft_svg_scale(weft_text *, const weft_axis *, double top, double bottom);

/* Names with a sample of their line; returns the height used. With no `out` it only measures. */
double weft_svg_legend(weft_text *out, const char *const *names, size_t count);

/* " x=\"12.3\"": a coordinate; never NaN, no locale's comma. */
void weft_svg_number(weft_text *, double value);
void weft_svg_attribute(weft_text *, const char *name, double value);

#endif
