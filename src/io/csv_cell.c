/* Single cells of a CSV file, read again from its bytes, and fields as they must be written. */
#include "io/csv_inner.h"

#include <stdlib.h>

/* The text of a cell with doubled quotes, by where it stands: asking twice costs memory once. */
typedef struct weft_csv_kept {
    const char *place; /* NULL: free */
    char *text;
    size_t length;
} kept_text;

static kept_text *kept_slot(const weft_csv *csv, const char *place)
{
    uint64_t hash = (uint64_t)(uintptr_t)place * 0x9E3779B97F4A7C15u;
    size_t mask = (size_t)csv->kept_capacity - 1, slot = (size_t)(hash >> 32) & mask;
    while (csv->kept[slot].place && csv->kept[slot].place != place)
        slot = (slot + 1) & mask;
    return &csv->kept[slot];
}

static bool grow_kept(weft_csv *csv)
{
    kept_text *before = csv->kept;
    int64_t capacity = csv->kept_capacity;
    kept_text *larger = calloc((size_t)(capacity ? 2 * capacity : 64), sizeof *larger);
    if (!larger)
        return false;
    csv->kept = larger;
    csv->kept_capacity = capacity ? 2 * capacity : 64;
    for (int64_t i = 0; i < capacity; i++)
        if (before[i].place)
            *kept_slot(csv, before[i].place) = before[i];
    free(before);
    return true;
}

const char *weft_csv_keep(weft_csv *csv, weft_csv_field field, size_t *length)
{
    kept_text *slot = csv->kept_capacity ? kept_slot(csv, field.text) : NULL;
    if (!slot || !slot->place) {
        if (2 * csv->kept_count >= csv->kept_capacity) {
            if (!grow_kept(csv))
                return NULL;
            slot = kept_slot(csv, field.text);
        }
        char *text = malloc(field.length + 1);
        if (!text)
            return NULL;
        size_t used = 0;
        for (size_t i = 0; i < field.length; i++) {
            text[used++] = field.text[i];
            i += field.text[i] == '"';
        }
        *slot = (kept_text){field.text, text, used};
        csv->kept_count++;
    }
    *length = slot->length;
    return slot->text;
}

void weft_csv_free_kept(weft_csv *csv)
{
    for (int64_t i = 0; i < csv->kept_capacity; i++)
        free(csv->kept[i].text);
    free(csv->kept);
}

weft_cell weft_csv_cell(weft_csv *csv, int64_t row, int column)
{
    if (row < 0 || row >= csv->rows || column < 0 || column >= csv->columns)
        return (weft_cell){"", 0};
    bool on = csv->last_row == row && csv->last_column <= column; /* reading a row from left to right takes one pass */
    const char *at = on ? csv->last_at : csv->from + csv->offsets[row];
    int skip = on ? column - csv->last_column : column;
    for (; skip > 0; skip--)
        at = weft_csv_read_field(at, csv->end, csv->delimiter).next;
    csv->last_row = row;
    csv->last_column = column;
    csv->last_at = at;
    weft_csv_field field = weft_csv_read_field(at, csv->end, csv->delimiter);
    if (!field.doubled)
        return (weft_cell){field.text, field.length};
    size_t length;
    const char *text = weft_csv_keep(csv, field, &length);
    if (!text) /* memory is short: the text with its quotes doubled is nearest to the truth */
        return (weft_cell){field.text, field.length};
    return (weft_cell){text, length};
}

int64_t weft_csv_line(const weft_csv *csv, int64_t row)
{
    return row < 0 || row >= csv->rows ? 0 : weft_csv_line_of(csv, csv->from + csv->offsets[row]);
}

bool weft_csv_is_missing(weft_cell cell)
{
    static const char *const missing[] = {"NA", "N/A", "NaN", "nan", "null"};
    const char *text = cell.text, *end = text + cell.length;
    while (text < end && (*text == ' ' || *text == '\t'))
        text++;
    while (end > text && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    size_t length = (size_t)(end - text);
    if (length == 0)
        return true;
    if (length > 4 || (*text != 'N' && *text != 'n'))
        return false;
    for (size_t i = 0; i < sizeof missing / sizeof *missing; i++)
        if (strlen(missing[i]) == length && memcmp(missing[i], text, length) == 0)
            return true;
    return false;
}

void weft_csv_add_field(weft_text *text, const char *bytes, size_t length)
{
    bool quoted = false;
    for (size_t i = 0; i < length && !quoted; i++)
        quoted = strchr(",;\t|\"\n\r", bytes[i]) != NULL; /* whatever the delimiter is: a reader may sniff another */
    if (!quoted) {
        weft_text_bytes(text, bytes, length);
        return;
    }
    weft_text_bytes(text, "\"", 1);
    for (size_t from = 0; from < length;) {
        const char *quote = memchr(bytes + from, '"', length - from);
        size_t to = quote ? (size_t)(quote - bytes) + 1 : length;
        weft_text_bytes(text, bytes + from, to - from);
        if (quote)
            weft_text_bytes(text, "\"", 1);
        from = to;
    }
    weft_text_bytes(text, "\"", 1);
}
