/* Records of JSON: a value a line, or a list. A file that begins with "[" is a list when it can be read as one. And the rows of a
 * table, each an object of texts. */
#include "io/records.h"

#include <string.h>

#include "base/files.h"
#include "io/csv.h"

typedef struct reading {
    const char *name;
    weft_record_function call;
    void *user;
    int64_t count;
} reading;

static weft_status one(reading *r, weft_json_value record, const char *kind, int64_t number)
{
    weft_text where = {0};
    weft_text_add(&where, "%s %s %lld", r->name, kind, (long long)number);
    weft_status status =
        where.failed ? weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", r->name) : r->call(r->user, record, where.data);
    weft_text_free(&where);
    r->count += status == WEFT_OK;
    return status;
}

static weft_status read_list(reading *r, const weft_json *json)
{
    weft_json_value list = weft_json_root(json);
    weft_status status = WEFT_OK;
    for (int64_t i = 0; i < weft_json_size(list) && status == WEFT_OK; i++)
        status = one(r, weft_json_item(list, i), "item", i + 1);
    return status;
}

static weft_status read_line(reading *r, const char *line, size_t length, int64_t number)
{
    weft_json *json = NULL;
    weft_text where = {0};
    weft_text_add(&where, "%s line %lld", r->name, (long long)number);
    weft_status status = where.failed ? weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", r->name)
                                      : weft_json_parse(line, length, where.data, &json);
    weft_text_free(&where);
    if (status == WEFT_OK)
        status = one(r, weft_json_root(json), "line", number);
    weft_json_free(json);
    return status;
}

static size_t blanks(const char *at, const char *end)
{
    size_t n = 0;
    while (at + n < end && strchr(" \t\r\n", at[n]) && at[n])
        n++;
    return n;
}

/* The end of the first line at `at`. */
static const char *line_end(const char *at, const char *end)
{
    const char *stop = memchr(at, '\n', (size_t)(end - at));
    return stop ? stop : end;
}

weft_status weft_records_parse(const char *bytes, size_t size, const char *name, weft_record_function call, void *user,
                               int64_t *count)
{
    reading r = {name, call, user, 0};
    const char *at = bytes, *end = bytes + size;
    weft_json *list = NULL;
    weft_status status = WEFT_OK;
    if (size >= 3 && memcmp(bytes, "\xEF\xBB\xBF", 3) == 0)
        at += 3;
    const char *first = at + (size ? blanks(at, end) : 0);
    bool listed = first < end && *first == '[';
    if (listed) { /* lines may be lists themselves: then the first one ends where its line does */
        const char *stop = line_end(first, end);
        weft_json *line = NULL;
        bool whole_line =
            stop + blanks(stop, end) < end && weft_json_parse(first, (size_t)(stop - first), name, &line) == WEFT_OK;
        weft_json_free(line);
        if (!whole_line) {
            status = weft_json_parse(first, (size_t)(end - first), name, &list);
            if (status == WEFT_OK)
                status = read_list(&r, list);
            weft_json_free(list);
            at = end;
        }
    }
    for (int64_t number = 1; at < end && status == WEFT_OK; number++) {
        const char *stop = line_end(at, end);
        if (at + blanks(at, stop) < stop)
            status = read_line(&r, at, (size_t)(stop - at), number);
        at = stop < end ? stop + 1 : end;
    }
    if (count)
        *count = r.count;
    return status;
}

/* A row as an object: column names are keys, cells texts as they stand. */
static weft_status read_row(reading *r, weft_csv *table, int64_t row)
{
    weft_text text = {0}, where = {0};
    weft_json *json = NULL;
    weft_json_writer w = weft_json_to(&text, 0);
    weft_json_open_object(&w);
    for (int c = 0; c < weft_csv_columns(table); c++) {
        const weft_cell cell = weft_csv_cell(table, row, c);
        weft_json_add_key(&w, weft_csv_column_at(table, c).name);
        weft_json_add_bytes(&w, cell.text, cell.length);
    }
    weft_json_close_object(&w);
    weft_text_add(&where, "%s line %lld", r->name, (long long)weft_csv_line(table, row));
    weft_status status = text.failed || where.failed ? weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", r->name)
                                                     : weft_json_parse(text.data, text.length, where.data, &json);
    if (status == WEFT_OK)
        status = one(r, weft_json_root(json), "line", weft_csv_line(table, row));
    weft_json_free(json);
    weft_text_free(&text);
    weft_text_free(&where);
    return status;
}

static weft_status read_table(const char *path, weft_record_function call, void *user, int64_t *count)
{
    weft_csv *table = NULL;
    reading r = {path, call, user, 0};
    weft_status status = weft_csv_read(path, &(weft_csv_options){0}, &table);
    for (int64_t row = 0; status == WEFT_OK && row < weft_csv_rows(table); row++)
        status = read_row(&r, table, row);
    weft_csv_free(table);
    if (count)
        *count = r.count;
    return status;
}

bool weft_records_are_table(const char *path)
{
    const char *ending = strrchr(path, '.');
    return ending && (strcmp(ending, ".csv") == 0 || strcmp(ending, ".tsv") == 0);
}

weft_status weft_records_read(const char *path, weft_record_function call, void *user, int64_t *count)
{
    if (weft_records_are_table(path))
        return read_table(path, call, user, count);
    weft_map map;
    weft_status status = weft_map_open(path, &map);
    if (status != WEFT_OK)
        return status;
    status = weft_records_parse(map.data ? map.data : "", map.size, path, call, user, count);
    weft_map_close(&map);
    return status;
}
