/* CSV files: opening, the delimiter, the header and columns by name. */
#include "io/csv_inner.h"

#include <stdlib.h>

#include "io/arrays.h"
#include "io/gzip.h"

static const char delimiters[] = ",;\t|";

int64_t weft_csv_line_of(const weft_csv *csv, const char *at)
{
    int64_t line = 1;
    for (const char *c = csv->from; (c = memchr(c, '\n', (size_t)(at - c))) != NULL; c++)
        line++;
    return line;
}

/* The fields of the record at `*at`, which is moved behind it; 0 when its quotes are broken. */
static int64_t count_fields(const char **at, const char *end, char delimiter)
{
    weft_csv_field field = {.next = *at};
    for (int64_t count = 1;; count++) {
        field = weft_csv_read_field(field.next, end, delimiter);
        *at = field.next;
        if (field.ending >= FIELD_UNTERMINATED)
            return 0;
        if (field.ending == FIELD_LAST)
            return count;
    }
}

/* The delimiter that cuts the first records into equally many fields, two or more; of several the one that cuts into most. */
static char sniff(const weft_csv *csv)
{
    char best = ',';
    int64_t best_fields = 1;
    int best_agreement = 0;
    for (const char *d = delimiters; *d; d++) {
        const char *at = csv->rows_from;
        int64_t fields = count_fields(&at, csv->end, *d);
        int agreement = 1;
        for (int i = 0; i < 20 && (at = weft_csv_skip_blank(at, csv->end)) < csv->end; i++)
            agreement += count_fields(&at, csv->end, *d) == fields ? 1 : -20;
        if (fields > 1 &&
            (best_fields == 1 || agreement > best_agreement || (agreement == best_agreement && fields > best_fields))) {
            best = *d;
            best_fields = fields;
            best_agreement = agreement;
        }
    }
    return best;
}

static int by_name(const void *a, const void *b, void *names)
{
    int x = *(const int *)a, y = *(const int *)b;
    int order = strcmp(((char **)names)[x], ((char **)names)[y]);
    return order ? order : (x > y) - (x < y);
}

static weft_status read_name(weft_csv *csv, int column, const weft_csv_field *field)
{
    const char *text = field->text, *end = text + field->length;
    while (text < end && (*text == ' ' || *text == '\t'))
        text++;
    while (end > text && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    if (text == end)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: column %d of %d has no name; give it one in the header line%s", csv->path,
                         column + 1, csv->columns, column == 0 ? " (an index that pandas wrote: to_csv(index=False))" : "");
    char *name = malloc((size_t)(end - text) + 1);
    if (!name)
        return weft_fail(WEFT_ERROR_MEMORY, "%s: cannot allocate its names", csv->path);
    csv->names[column] = name;
    while (text < end) {
        text += *text == '"' && field->doubled && end - text > 1 && text[1] == '"';
        *name++ = *text++;
    }
    *name = 0;
    size_t length = (size_t)(name - csv->names[column]);
    if (memchr(csv->names[column], '\r', length))
        return weft_fail(WEFT_ERROR_FORMAT, "%s: column %d: a carriage return in its name; lines must end in LF or CRLF",
                         csv->path, column + 1);
    if (!weft_text_is_utf8(csv->names[column], length))
        return weft_fail(WEFT_ERROR_FORMAT, "%s: the name of column %d is not UTF-8", csv->path, column + 1);
    return WEFT_OK;
}

/* Names are unique; of several pairs the first is told. */
static weft_status check_names(weft_csv *csv)
{
    for (int c = 0; c < csv->columns; c++)
        csv->by_name[c] = c;
    qsort_r(csv->by_name, (size_t)csv->columns, sizeof *csv->by_name, by_name, csv->names);
    int first = -1, second = -1;
    for (int i = 1; i < csv->columns; i++)
        if (strcmp(csv->names[csv->by_name[i - 1]], csv->names[csv->by_name[i]]) == 0 &&
            (second < 0 || csv->by_name[i] < second)) {
            first = csv->by_name[i - 1];
            second = csv->by_name[i];
        }
    char shown[WEFT_SHOWN_NAME];
    return second < 0 ? WEFT_OK
                      : weft_fail(WEFT_ERROR_FORMAT, "%s: columns %d and %d are both named \"%s\"", csv->path, first + 1,
                                  second + 1, weft_shown_name(csv->names[second], shown));
}

static weft_status read_header(weft_csv *csv)
{
    const char *at = csv->rows_from;
    int64_t columns = count_fields(&at, csv->end, csv->delimiter);
    if (columns == 0)
        return weft_fail(WEFT_ERROR_FORMAT, "%s line %lld: a quote in the header is not closed, or not followed by a delimiter",
                         csv->path, (long long)weft_csv_line_of(csv, csv->rows_from));
    if (columns > INT32_MAX / 2)
        return weft_fail(WEFT_ERROR_UNSUPPORTED, "%s: has %lld columns", csv->path, (long long)columns);
    csv->columns = (int)columns;
    csv->names = calloc((size_t)columns, sizeof *csv->names);
    csv->by_name = calloc((size_t)columns, sizeof *csv->by_name);
    csv->column = calloc((size_t)columns, sizeof *csv->column);
    csv->values = calloc((size_t)columns, sizeof *csv->values);
    if (!csv->names || !csv->by_name || !csv->column || !csv->values)
        return weft_fail(WEFT_ERROR_MEMORY, "%s: cannot allocate %d columns", csv->path, csv->columns);
    weft_csv_field field = {.next = csv->rows_from};
    for (int c = 0; c < csv->columns; c++) {
        field = weft_csv_read_field(field.next, csv->end, csv->delimiter);
        weft_status status = read_name(csv, c, &field);
        if (status != WEFT_OK)
            return status;
    }
    csv->rows_from = field.next;
    return check_names(csv);
}

static weft_status parse(weft_csv *csv, const weft_csv_options *options)
{
    size_t size = (size_t)(csv->end - csv->from);
    csv->rows_from = csv->from;
    if (size >= 3 && memcmp(csv->from, "\xEF\xBB\xBF", 3) == 0)
        csv->rows_from += 3;
    else if (size >= 2 && (memcmp(csv->from, "\xFF\xFE", 2) == 0 || memcmp(csv->from, "\xFE\xFF", 2) == 0))
        return weft_fail(WEFT_ERROR_FORMAT, "%s: is UTF-16, expected UTF-8", csv->path);
    csv->rows_from = weft_csv_skip_blank(csv->rows_from, csv->end);
    if (csv->rows_from == csv->end)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: is empty, expected a header line", csv->path);
    csv->delimiter = options && options->delimiter ? options->delimiter : sniff(csv);
    if (csv->delimiter == '"' || csv->delimiter == '\n' || csv->delimiter == '\r')
        return weft_fail(WEFT_ERROR_ARGUMENT, "%s: a quote or line end cannot be the delimiter", csv->path);
    weft_status status = read_header(csv);
    return status == WEFT_OK ? weft_csv_scan(csv, options ? options->threads : 0) : status;
}

/* What gzip makes of a table is seldom a fortieth of it: what unpacks to more than this is meant to fill the memory. */
static size_t most_unpacked(size_t packed)
{
    return ((size_t)64 << 20) + 200 * packed;
}

static weft_status unpack(weft_csv *csv)
{
    size_t packed = (size_t)(csv->end - csv->from), size;
    if (!weft_is_gzip(csv->from, packed))
        return WEFT_OK;
    weft_status status = weft_gzip_unpack(csv->from, packed, csv->path, most_unpacked(packed), &csv->unpacked, &size);
    if (status != WEFT_OK)
        return status;
    weft_map_close(&csv->map);
    csv->from = csv->unpacked;
    csv->end = csv->from + size;
    return WEFT_OK;
}

/* Takes the map over, also on failure. */
static weft_status new_table(const char *name, weft_map map, const void *bytes, size_t size, const weft_csv_options *options,
                             size_t piece_size, weft_csv **out)
{
    weft_csv *csv = calloc(1, sizeof *csv);
    weft_status status;
    if (!csv || !(csv->path = strdup(name))) {
        weft_map_close(&map);
        status = weft_fail(WEFT_ERROR_MEMORY, "%s: cannot allocate a table", name);
    } else {
        csv->map = map;
        csv->from = size ? bytes : "";
        csv->end = csv->from + size;
        csv->last_row = -1;
        csv->piece_size = piece_size;
        status = unpack(csv);
        if (status == WEFT_OK)
            status = parse(csv, options);
    }
    if (status != WEFT_OK) {
        weft_csv_free(csv);
        csv = NULL;
    }
    *out = csv;
    return status;
}

weft_status weft_csv_read(const char *path, const weft_csv_options *options, weft_csv **out)
{
    *out = NULL;
    weft_map map;
    weft_status status = weft_map_open(path, &map);
    return status == WEFT_OK ? new_table(path, map, map.data, map.size, options, 0, out) : status;
}

weft_status weft_csv_parse(const void *bytes, size_t size, const char *name, const weft_csv_options *options, weft_csv **out)
{
    return new_table(name, (weft_map){NULL, 0}, bytes, size, options, 0, out);
}

weft_status weft_csv_parse_cut(const void *bytes, size_t size, const char *name, const weft_csv_options *options,
                               size_t piece_size, weft_csv **out)
{
    return new_table(name, (weft_map){NULL, 0}, bytes, size, options, piece_size, out);
}

void weft_csv_free(weft_csv *csv)
{
    if (!csv)
        return;
    for (int c = 0; c < csv->columns; c++) {
        if (csv->names)
            free(csv->names[c]);
        if (csv->values)
            free(csv->values[c]);
    }
    free(csv->unpacked);
    free(csv->names);
    free(csv->by_name);
    free(csv->column);
    free(csv->values);
    free(csv->no_numbers);
    free(csv->offsets);
    weft_csv_free_kept(csv);
    weft_map_close(&csv->map);
    free(csv->path);
    free(csv);
}

const char *weft_csv_path(const weft_csv *csv)
{
    return csv->path;
}

int64_t weft_csv_rows(const weft_csv *csv)
{
    return csv->rows;
}

int weft_csv_columns(const weft_csv *csv)
{
    return csv->columns;
}

weft_csv_column weft_csv_column_at(const weft_csv *csv, int column)
{
    return csv->column[column];
}

int weft_csv_find(const weft_csv *csv, const char *name)
{
    int low = 0, high = csv->columns - 1;
    while (low <= high) {
        int middle = low + (high - low) / 2;
        int order = strcmp(name, csv->names[csv->by_name[middle]]);
        if (order == 0)
            return csv->by_name[middle];
        if (order < 0)
            high = middle - 1;
        else
            low = middle + 1;
    }
    return -1;
}

/* Edits (insert, drop, replace a byte) between the first 63 bytes of two names; a change of case is half an edit. Doubled. */
static int edits(const char *a, const char *b)
{
    int row[64];
    size_t n = strnlen(a, 63), m = strnlen(b, 63);
    for (size_t j = 0; j <= m; j++)
        row[j] = 2 * (int)j;
    for (size_t i = 1; i <= n; i++) {
        int corner = row[0];
        row[0] = 2 * (int)i;
        for (size_t j = 1; j <= m; j++) {
            char x = a[i - 1], y = b[j - 1];
            bool letters = ((x | 0x20) >= 'a' && (x | 0x20) <= 'z');
            int best = corner + (x == y ? 0 : letters && (x | 0x20) == (y | 0x20) ? 1 : 2);
            if (row[j] + 2 < best)
                best = row[j] + 2;
            if (row[j - 1] + 2 < best)
                best = row[j - 1] + 2;
            corner = row[j];
            row[j] = best;
        }
    }
    return row[m];
}

const char *weft_csv_nearest(const weft_csv *csv, const char *name)
{
    int best = 0, least = INT32_MAX;
    for (int c = 0; c < csv->columns && c < 100000; c++) {
        int distance = edits(name, csv->names[c]);
        if (distance < least) {
            least = distance;
            best = c;
        }
    }
    return csv->names[best];
}
