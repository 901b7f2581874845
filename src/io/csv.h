/* CSV by RFC 4180 and as people write it: quotes with doubled quotes, line breaks inside quotes, CRLF or LF, BOM, delimiter
 * sniffed among , ; tab |. A header is required; names are trimmed, unique, not empty. The first bad row is named by its line
 * number in the file (and column). The file is mapped (one packed by
 * gzip is unpacked in memory) and scanned once; columns are kept as numbers as long as every cell is one.
 */
#ifndef WEFT_IO_CSV_H
#define WEFT_IO_CSV_H

#include "weft/base.h"

typedef struct weft_csv weft_csv;

typedef struct weft_csv_options {
    char delimiter; /* 0: sniff */
    int threads;    /* ≤ 0: all cores; the result does not depend on it */
} weft_csv_options;

typedef struct weft_cell { /* text of a cell, unquoted; not zero terminated; valid until weft_csv_free */
    const char *text;
    size_t length;
} weft_cell;

typedef struct weft_csv_column {
    const char *name;
    int64_t missing;                            /* cells that are empty, NA, N/A, NaN, nan or null (unquoted or quoted alike) */
    int64_t numbers;                            /* cells that parse as a finite decimal number */
    int64_t infinities;                         /* cells that parse as ±inf / Infinity, or overflow a double */
    int64_t texts;                              /* the rest */
    int64_t integers;                           /* numbers without fraction or exponent, |x| < 2^53 */
    int64_t first_text_row, first_infinity_row; /* data row (first is 0), -1 when none */
    const double *values;                       /* [rows]: the number, NaN where missing or text */
} weft_csv_column;

weft_status weft_csv_read(const char *path, const weft_csv_options *, weft_csv **out);
weft_status weft_csv_parse(const void *bytes, size_t size, const char *name, const weft_csv_options *, weft_csv **out);
void weft_csv_free(weft_csv *);
const char *weft_csv_path(const weft_csv *);
int64_t weft_csv_rows(const weft_csv *);
int weft_csv_columns(const weft_csv *);
weft_csv_column weft_csv_column_at(const weft_csv *, int column);
int weft_csv_find(const weft_csv *, const char *name);            /* -1 when there is none */
const char *weft_csv_nearest(const weft_csv *, const char *name); /* the column name closest in spelling, for messages */
weft_cell weft_csv_cell(weft_csv *, int64_t row, int column);     /* any cell, as text; one thread at a time */
int64_t weft_csv_line(const weft_csv *, int64_t row);             /* its line number in the file, first line is 1 */
bool weft_csv_is_missing(weft_cell);

/* A field as it must be written: quoted when it holds the delimiter, a quote or a line break. */
void weft_csv_add_field(weft_text *, const char *text, size_t length);

#endif
