/* Inside a report: the page being built, escaping and numbers as text. */
#ifndef WEFT_REPORT_PAGE_H
#define WEFT_REPORT_PAGE_H

#include "report/report.h"

/* What is open at the end of the body: figures share a grid, badges share a line. */
typedef enum weft_report_run { WEFT_RUN_NONE = 0, WEFT_RUN_FIGURES, WEFT_RUN_BADGES } weft_report_run;

struct weft_report {
    weft_text title; /* escaped */
    weft_text body;
    weft_text page; /* the finished document, made anew by weft_report_html */
    weft_report_run run;
};

extern const char weft_report_style[]; /* the style sheet */

void weft_report_switch(weft_report *, weft_report_run);

/* Text as HTML: & < > " ' become entities; control characters and broken UTF-8 become U+FFFD. NULL adds nothing. */
void weft_report_escape(weft_text *, const char *text);
/* The same, cut with an ellipsis so that at most `limit` characters stand there. */
void weft_report_escape_short(weft_text *, const char *text, size_t limit);
size_t weft_report_characters(const char *text); /* characters as weft_report_escape counts them */

/* Numbers as people read them; none writes a bare NaN. At most 40 bytes with the closing zero. */
#define WEFT_NUMBER_TEXT 40
char *weft_report_number(double value, int digits, char out[WEFT_NUMBER_TEXT]); /* `digits` significant */
char *weft_report_integer(double value, char out[WEFT_NUMBER_TEXT]);            /* 13,209 */
char *weft_report_fixed(double value, int decimals, char out[WEFT_NUMBER_TEXT]);
char *weft_report_seconds(double value, char out[WEFT_NUMBER_TEXT]);
char *weft_report_bytes(double value, char out[WEFT_NUMBER_TEXT]);

#endif
