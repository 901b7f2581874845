/* Reports: one self-contained HTML file with headings, tables and charts (inline SVG); no scripts, nothing loaded from elsewhere.
 *
 * Every text is escaped here; callers give plain UTF-8. Building never fails at a call: a shortage of memory is kept and
 * told by weft_report_save. Charts take any doubles: what is not finite (or not positive on a log axis) is left out and
 * counted under the chart, and an empty chart says so. Charts that follow one another share rows of the page.
 *
 *     weft_report *r = weft_report_new("TabR-S on california.csv");
 *     weft_report_heading(r, 2, "Training");
 *     weft_report_lines(r, &(weft_chart){.title = "Loss", .x_label = "epoch", .y_label = "mean squared error", .log_y = true},
 *                       series, 2, best_epoch, "best epoch");
 *     weft_status status = weft_report_save(r, "out/report.html");
 *     weft_report_free(r);
 */
#ifndef WEFT_REPORT_REPORT_H
#define WEFT_REPORT_REPORT_H

#include "weft/base.h"

typedef struct weft_report weft_report;

weft_report *weft_report_new(const char *title); /* NULL when memory is short */
void weft_report_free(weft_report *);            /* NULL is fine */

/* The finished page as text, valid until the next call with this report; NULL when memory was short. */
const char *weft_report_html(weft_report *, size_t *length);
/* Writes it atomically. Errors: memory was short while building, or what weft_file_write says. */
weft_status weft_report_save(weft_report *, const char *path);

/* ---- text ---- */

void weft_report_heading(weft_report *, int level, const char *text); /* level 2 … 4; the title is level 1 */
void weft_report_paragraph(weft_report *, const char *format, ...) WEFT_PRINTF(2, 3);

typedef enum weft_badge { WEFT_BADGE_PLAIN = 0, WEFT_BADGE_GOOD, WEFT_BADGE_WARN, WEFT_BADGE_BAD } weft_badge;
void weft_report_badge(weft_report *, weft_badge kind, const char *text); /* those in a row stand on one line */

/* ---- tables ---- */

typedef struct weft_report_pair {
    const char *key;
    const char *value;
} weft_report_pair;
void weft_report_pairs(weft_report *, const char *caption, const weft_report_pair *pairs, size_t count);

typedef enum weft_column_type {
    WEFT_COLUMN_TEXT = 0,
    WEFT_COLUMN_NUMBER,  /* significant digits: `digits`, 4 when 0 */
    WEFT_COLUMN_INTEGER, /* 13,209 */
    WEFT_COLUMN_PERCENT, /* of a fraction: 0.123 is 12.3 %; decimals: `digits`, 1 when 0 */
    WEFT_COLUMN_SECONDS, /* 12.3 ms, 4.56 s, 3 min 20 s */
    WEFT_COLUMN_BYTES,   /* 1.5 MiB */
    WEFT_COLUMN_BADGE    /* text in a badge of kind (weft_badge)number */
} weft_column_type;

typedef struct weft_report_column {
    const char *name;
    weft_column_type type;
    int digits;
} weft_report_column;

typedef struct weft_report_cell {
    const char *text; /* TEXT and BADGE; in number columns: shown in place of the number when not NULL */
    double number;    /* NaN is shown as a dash */
} weft_report_cell;

/* cells [rows][columns], row after row. */
void weft_report_table(weft_report *, const char *caption, const weft_report_column *columns, size_t column_count,
                       const weft_report_cell *cells, size_t rows);

/* ---- charts ---- */

typedef struct weft_chart {
    const char *title;             /* above the chart */
    const char *x_label, *y_label; /* NULL: none; say the unit */
    const char *note;              /* a line under the chart; NULL: none */
    bool log_x, log_y;             /* lines and scatter; falls back to linear when nothing is positive */
    bool points;                   /* lines: points alone, no line between them */
    bool wide;                     /* as wide as the page; timelines are */
} weft_chart;

typedef struct weft_series {
    const char *name;
    const double *x; /* [count]; NULL: 1, 2, 3 … */
    const double *y; /* [count]; a NaN breaks the line */
    size_t count;
} weft_series;

/* Lines; a dashed upright line at x = mark with its label unless mark is NaN. */
void weft_report_lines(weft_report *, const weft_chart *, const weft_series *series, size_t series_count, double mark,
                       const char *mark_label);

/* Points x[i], y[i]; with `diagonal` both axes have the same range and the line y = x is drawn. Above 3,000 points
 * every k-th is drawn, and the note says so. */
void weft_report_scatter(weft_report *, const weft_chart *, const double *x, const double *y, size_t count, bool diagonal);

/* Counts of `values` in equal bins; bins 0: chosen from the spread (Freedman–Diaconis, 5 … 60). */
void weft_report_histogram(weft_report *, const weft_chart *, const double *values, size_t count, int bins);

/* A bar a name, in the given order, negative ones to the left; at most the first 40. `spread` (may be NULL) draws ± whiskers. */
void weft_report_bars(weft_report *, const weft_chart *, const char *const *names, const double *values, const double *spread,
                      size_t count);

/* counts [classes][classes], row: true class, column: predicted; shading is each row's share. Above 30 classes the matrix of
 * the 30 that are most often wrong is shown. */
void weft_report_confusion(weft_report *, const weft_chart *, const char *const *names, const int64_t *counts, size_t classes);

/* values [rows][columns] as shaded cells, darkest at the largest; names at the sides (NULL: numbers), as many as fit. At most the
 * first 400 rows and columns. */
void weft_report_heatmap(weft_report *, const weft_chart *, const char *const *row_names, const char *const *column_names,
                         const double *values, size_t rows, size_t columns);

/* A text of `count` pieces, each shaded by its value from `low` (not at all) to `high`; pieces from `mark` on are underlined
 * (mark >= count: none). A piece that ends in a line break breaks the line. */
void weft_report_shaded_text(weft_report *, const weft_chart *, const char *const *pieces, const double *values, size_t count,
                             double low, double high, size_t mark);

typedef struct weft_report_bar {
    size_t track;
    double from, to;
    unsigned style;    /* 0 … 5, the series' colours */
    const char *label; /* in the bar where it fits, and its tool-tip; NULL: none */
} weft_report_bar;

/* A row a track (at most 80), a bar from its beginning to its end; later bars are drawn over earlier ones. Bars of
 * one style that would touch are drawn as one, unless they have labels. */
void weft_report_timeline(weft_report *, const weft_chart *, const char *const *tracks, size_t track_count,
                          const weft_report_bar *bars, size_t count);

typedef struct weft_reliability_bin {
    double confidence; /* mean predicted probability in the bin, 0 … 1 */
    double accuracy;   /* share of the bin's rows that were right, 0 … 1 */
    int64_t count;     /* rows; 0: the bin is left out */
} weft_reliability_bin;

/* Observed against predicted frequency with the diagonal; the area of a point grows with its count. */
void weft_report_reliability(weft_report *, const weft_chart *, const weft_reliability_bin *bins, size_t count);

#endif
