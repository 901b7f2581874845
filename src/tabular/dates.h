/* Dates as tables write them, and the numbers that a model reads from one.
 *
 * Read: ISO year-month-day (also with slashes), then optionally T or a space and hour:minute[:second[.fraction]] with Z or an
 * offset; and month/day/year with a four-digit year, then optionally hour:minute[:second] and AM or PM. Clock time is taken
 * as written; offsets are not applied. */
#ifndef WEFT_TABULAR_DATES_H
#define WEFT_TABULAR_DATES_H

#include "weft/base.h"

typedef enum weft_date_part {
    WEFT_DATE_YEAR = 0,
    WEFT_DATE_MONTH,   /* 1 … 12 */
    WEFT_DATE_DAY,     /* 1 … 31 */
    WEFT_DATE_WEEKDAY, /* Monday 0 … Sunday 6 */
    WEFT_DATE_HOUR,    /* 0 … 23 + minutes as a fraction */
    WEFT_DATE_DAYS,    /* days since 1970-01-01 */
    WEFT_DATE_PARTS
} weft_date_part;

typedef struct weft_date {
    double part[WEFT_DATE_PARTS];
    bool has_time; /* else the hour is 0 */
} weft_date;

extern const char *const weft_date_part_names[WEFT_DATE_PARTS];

/* False when the text is no date of these forms, or no day of the calendar. */
bool weft_date_parse(const char *text, size_t length, weft_date *out);

/* True when the text has the look of a date (three numbers with one kind of separator among - / . at its start). */
bool weft_date_shaped(const char *text, size_t length);

#endif
