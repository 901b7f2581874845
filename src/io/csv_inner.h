/* The inside of the CSV reader: the table, the one tokenizer that header, rows and cells share, and its parts.
 *
 *     csv.c         opening, delimiter, header, columns by name
 *     csv_scan.c    all rows, in pieces by threads
 *     csv_number.c  decimal text to the nearest double
 *     csv_cell.c    single cells again as text; fields as they are written
 */
#ifndef WEFT_IO_CSV_INNER_H
#define WEFT_IO_CSV_INNER_H

#include <emmintrin.h>
#include <string.h>

#include "base/files.h"
#include "io/csv.h"

struct weft_csv {
    char *path;
    weft_map map;     /* empty for bytes in memory, and once they are unpacked */
    char *unpacked;   /* NULL unless the file is packed by gzip */
    const char *from; /* the file's first byte */
    const char *end;
    const char *rows_from; /* where the header's line ends */
    char delimiter;
    size_t piece_size; /* 0: by the file's size */
    int columns;
    char **names;
    int *by_name; /* columns sorted by name, for weft_csv_find */
    int64_t rows;
    uint64_t *offsets; /* [rows]: where each begins, from `from` */
    weft_csv_column *column;
    double **values; /* [columns][rows]; NULL for columns without numbers, which share `no_numbers` */
    double *no_numbers;
    struct weft_csv_kept *kept; /* texts of cells with doubled quotes, by place */
    int64_t kept_count, kept_capacity;
    int64_t last_row; /* weft_csv_cell reads on from its last cell; -1: none */
    int last_column;
    const char *last_at;
};

/* How a field ends. */
enum { FIELD_MORE, FIELD_LAST, FIELD_UNTERMINATED, FIELD_JUNK };

typedef struct weft_csv_field {
    const char *text; /* without the outer quotes */
    size_t length;
    const char *next; /* the next field, or the next record */
    int ending;
    bool quoted, doubled; /* doubled: quotes inside are still twice */
} weft_csv_field;

/* The first delimiter or line feed in [at, end), or end. */
static inline const char *weft_csv_find_break(const char *at, const char *end, char delimiter)
{
    const __m128i d = _mm_set1_epi8(delimiter), n = _mm_set1_epi8('\n');
    for (; end - at >= 16; at += 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)at);
        int mask = _mm_movemask_epi8(_mm_or_si128(_mm_cmpeq_epi8(bytes, d), _mm_cmpeq_epi8(bytes, n)));
        if (mask)
            return at + __builtin_ctz((unsigned)mask);
    }
    while (at < end && *at != delimiter && *at != '\n')
        at++;
    return at;
}

/* Finishes a field whose content stops at `at`: a delimiter, a line end (CRLF or LF) or the end of the text. */
static inline bool weft_csv_end_field(const char *at, const char *end, char delimiter, weft_csv_field *out)
{
    if (at < end && *at == delimiter) {
        out->ending = FIELD_MORE;
        out->next = at + 1;
        return true;
    }
    if (at < end && *at == '\r')
        at++;
    if (at < end && *at != '\n')
        return false;
    out->ending = FIELD_LAST;
    out->next = at < end ? at + 1 : end;
    return true;
}

/* The field at `at`, at most up to `end`. A quote opens a quoted field only as its first byte; elsewhere it is a letter. */
static inline weft_csv_field weft_csv_read_field(const char *at, const char *end, char delimiter)
{
    weft_csv_field field = {.text = at};
    if (at < end && *at == '"') {
        field.quoted = true;
        field.text = ++at;
        for (;;) {
            at = memchr(at, '"', (size_t)(end - at));
            if (!at) {
                field.ending = FIELD_UNTERMINATED;
                field.next = end;
                return field;
            }
            if (end - at < 2 || at[1] != '"')
                break;
            field.doubled = true;
            at += 2;
        }
        field.length = (size_t)(at - field.text);
        if (!weft_csv_end_field(at + 1, end, delimiter, &field)) {
            field.ending = FIELD_JUNK;
            field.next = at + 1;
        }
        return field;
    }
    const char *stop = weft_csv_find_break(at, end, delimiter);
    field.ending = stop < end && *stop == delimiter ? FIELD_MORE : FIELD_LAST;
    field.next = stop < end ? stop + 1 : end;
    if (field.ending == FIELD_LAST && stop > at && stop[-1] == '\r')
        stop--;
    field.length = (size_t)(stop - at);
    return field;
}

/* Blank lines hold no record. */
static inline const char *weft_csv_skip_blank(const char *at, const char *end)
{
    for (;;) {
        if (at < end && *at == '\n')
            at++;
        else if (at < end && *at == '\r' && (end - at == 1 || at[1] == '\n'))
            at += end - at == 1 ? 1 : 2;
        else
            return at;
    }
}

/* The decimal number that [at, end) begins with: [+-] digits [. digits] [e [+-] digits]. Returns where it stops, or NULL when
 * there is none. *value is the nearest double (ties to even), ±inf when that overflows; *integer: digits only, below 2^53. */
const char *weft_csv_read_number(const char *at, const char *end, double *value, bool *integer);

/* weft_csv_parse with pieces of a given size, so that small files in tests are cut at every place. */
weft_status weft_csv_parse_cut(const void *bytes, size_t size, const char *name, const weft_csv_options *, size_t piece_size,
                               weft_csv **out);

/* Reads all rows (csv_scan.c). */
weft_status weft_csv_scan(weft_csv *, int threads);

/* The line of a byte of the file, from 1. */
int64_t weft_csv_line_of(const weft_csv *, const char *at);

/* A cell's text without its doubled quotes, kept until the table is freed. */
const char *weft_csv_keep(weft_csv *, weft_csv_field, size_t *length);
void weft_csv_free_kept(weft_csv *);

#endif
