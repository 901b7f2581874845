/* Memory traces from CSV, and back. */
#include "hardware/access_trace.h"

#include "base/files.h"
#include "io/csv.h"

#include <stdlib.h>

enum { COLUMNS = 3 };

static const char *const names[COLUMNS] = {"not_before", "type", "addr"};

static weft_status find_columns(const weft_csv *csv, int column[COLUMNS])
{
    for (int i = 0; i < COLUMNS; i++) {
        column[i] = weft_csv_find(csv, names[i]);
        if (column[i] < 0 && i == COLUMNS - 1)
            column[i] = weft_csv_find(csv, "address");
        if (column[i] < 0)
            return weft_fail(WEFT_ERROR_FORMAT, "%s: no column \"%s\"; a memory trace has not_before, type and addr",
                             weft_csv_path(csv), names[i]);
    }
    return WEFT_OK;
}

/* Doubles hold whole numbers up to 2^53; addresses are below. */
static weft_status read_cell(weft_csv *csv, int64_t row, int column, const char *name, int64_t *out)
{
    double value = weft_csv_column_at(csv, column).values[row];
    if (value >= 0 && value <= 9007199254740991.0 && value == (double)(int64_t)value) {
        *out = (int64_t)value;
        return WEFT_OK;
    }
    weft_cell cell = weft_csv_cell(csv, row, column);
    return weft_fail(WEFT_ERROR_FORMAT, "%s, line %lld: %s is \"%.*s\"; expected a whole number, 0 or more", weft_csv_path(csv),
                     (long long)weft_csv_line(csv, row), name, (int)(cell.length < 60 ? cell.length : 60), cell.text);
}

static weft_status take(weft_csv *csv, weft_access_trace *out)
{
    int column[COLUMNS];
    int64_t rows = weft_csv_rows(csv);
    weft_status status = find_columns(csv, column);
    if (status == WEFT_OK && rows == 0)
        status = weft_fail(WEFT_ERROR_FORMAT, "%s: the trace has no access", weft_csv_path(csv));
    if (status == WEFT_OK) {
        out->accesses = calloc((size_t)rows, sizeof *out->accesses);
        if (!out->accesses)
            status = weft_fail(WEFT_ERROR_MEMORY, "%s: cannot allocate %lld accesses", weft_csv_path(csv), (long long)rows);
    }
    for (int64_t row = 0; row < rows && status == WEFT_OK; row++) {
        int64_t value[COLUMNS] = {0};
        for (int i = 0; i < COLUMNS && status == WEFT_OK; i++)
            status = read_cell(csv, row, column[i], names[i], &value[i]);
        if (status == WEFT_OK && value[1] > 6)
            status =
                weft_fail(WEFT_ERROR_FORMAT,
                          "%s, line %lld: type is %lld; expected 0 READ, 1 WRITE, 2 GWRITE, 3 COMP, 4 READRES, 5 P_HEADER or 6 "
                          "COMPS_READRES",
                          weft_csv_path(csv), (long long)weft_csv_line(csv, row), (long long)value[1]);
        out->accesses[out->count++] =
            (weft_memory_access){.not_before = value[0], .type = (int)value[1], .address = (uint64_t)value[2]};
    }
    if (status != WEFT_OK)
        weft_access_trace_free(out);
    weft_csv_free(csv);
    return status;
}

weft_status weft_access_trace_read(const char *path, weft_access_trace *out)
{
    *out = (weft_access_trace){0};
    weft_csv *csv = NULL;
    weft_status status = weft_csv_read(path, &(weft_csv_options){.threads = 1}, &csv);
    return status == WEFT_OK ? take(csv, out) : status;
}

weft_status weft_access_trace_parse(const void *bytes, size_t size, const char *name, weft_access_trace *out)
{
    *out = (weft_access_trace){0};
    weft_csv *csv = NULL;
    weft_status status = weft_csv_parse(bytes, size, name, &(weft_csv_options){.threads = 1}, &csv);
    return status == WEFT_OK ? take(csv, out) : status;
}

void weft_access_trace_free(weft_access_trace *trace)
{
    free(trace->accesses);
    *trace = (weft_access_trace){0};
}

weft_status weft_access_trace_write(const weft_access_trace *trace, const char *path)
{
    weft_output *file = NULL;
    weft_text line = {0};
    weft_status status = weft_output_open(path, &file);
    if (status != WEFT_OK)
        return status;
    weft_text_add(&line, "not_before,type,addr,accepted,done\n");
    for (int64_t i = 0; i < trace->count && status == WEFT_OK; i++) {
        const weft_memory_access *a = &trace->accesses[i];
        weft_text_add(&line, "%lld,%d,%llu,%lld,%lld\n", (long long)a->not_before, a->type, (unsigned long long)a->address,
                      (long long)a->accepted, (long long)a->done);
        if (line.length > 60000 || i == trace->count - 1) {
            status = line.failed ? weft_fail(WEFT_ERROR_MEMORY, "%s: cannot allocate a line", path)
                                 : weft_output_write(file, line.data, line.length);
            line.length = 0;
        }
    }
    weft_text_free(&line);
    if (status == WEFT_OK)
        return weft_output_commit(file);
    weft_output_abandon(file);
    return status;
}
