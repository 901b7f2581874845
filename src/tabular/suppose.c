/* Other training rows for an opened folder. */
#include "tabular/suppose.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

weft_status weft_relabel_parse(const char *text, weft_relabel *out)
{
    char *end = NULL;
    errno = 0;
    long long row = isdigit((unsigned char)*text) ? strtoll(text, &end, 10) : -1;
    if (row < 0 || errno || *end != '=' || !end[1])
        return weft_fail(WEFT_ERROR_ARGUMENT, "\"%s\": a row's number and its other target are expected, as in 17=yes", text);
    *out = (weft_relabel){row, end + 1};
    return WEFT_OK;
}

/* The target as a table of one row has it. */
static weft_status read_target(const weft_schema *schema, const weft_relabel *one, float *y, int64_t *label)
{
    weft_text file = {0}, name = {0};
    weft_csv *csv = NULL;
    const char *column = schema->columns[schema->target].name;
    weft_csv_add_field(&file, column, strlen(column));
    weft_text_add(&file, "\n");
    weft_csv_add_field(&file, one->target, strlen(one->target));
    weft_text_add(&file, "\n");
    weft_text_add(&name, "%lld=%s", (long long)one->row, one->target);
    weft_status status = file.failed || name.failed ? weft_fail(WEFT_ERROR_MEMORY, "a target: memory is short")
                                                    : weft_csv_parse(file.data, file.length, name.data,
                                                                     &(weft_csv_options){.delimiter = ',', .threads = 1}, &csv);
    if (status == WEFT_OK && (weft_csv_rows(csv) != 1 || weft_csv_is_missing(weft_csv_cell(csv, 0, 0))))
        status = weft_fail(WEFT_ERROR_ARGUMENT, "%s: this is no target", name.data);
    if (status == WEFT_OK)
        status = weft_schema_read_target(schema, csv, 0, NULL, 1, y, label);
    weft_csv_free(csv);
    weft_text_free(&file);
    weft_text_free(&name);
    return status;
}

static weft_status relabel(const weft_schema *schema, const weft_relabel *one, weft_table *table)
{
    float y = 0;
    int64_t label = 0, at = 0;
    weft_status status = read_target(schema, one, &y, &label);
    if (status != WEFT_OK)
        return status;
    while (at < table->rows && table->row[at] != one->row)
        at++;
    if (at == table->rows)
        return weft_fail(WEFT_ERROR_ARGUMENT, "row %lld is not among the %lld training rows that the model looks at",
                         (long long)one->row, (long long)table->rows);
    if (table->y)
        table->y[at] = y;
    else
        table->label[at] = label;
    return WEFT_OK;
}

weft_status weft_tabular_suppose(const char *path, weft_tabular_folder *f, const weft_row_ranges *without,
                                 const weft_relabel *relabels, int count, int64_t *gone)
{
    weft_table *table = NULL, *left = NULL;
    weft_rows_data *rows = NULL;
    bool *keep = NULL;
    *gone = 0;
    if (!f->candidates)
        return weft_fail(WEFT_ERROR_ARGUMENT, "%s: is an MLP, which looks at no training rows: it would say the same", path);
    weft_status status = weft_tabular_folder_table(path, f, &table);
    if (status == WEFT_OK && !(keep = malloc((size_t)table->rows + 1)))
        status = weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", path);
    for (int i = 0; i < count && status == WEFT_OK; i++)
        status = relabel(f->schema, &relabels[i], table);
    if (status == WEFT_OK && without)
        status = weft_row_ranges_leave_out(without, table, keep, gone);
    if (status == WEFT_OK && table->rows - *gone < f->config.context_size)
        status = weft_fail(WEFT_ERROR_ARGUMENT, "%lld rows would be left, fewer than the context size %lld",
                           (long long)(table->rows - *gone), (long long)f->config.context_size);
    if (status == WEFT_OK)
        status = weft_candidates_join(table, without ? keep : NULL, NULL, 0, &left);
    if (status == WEFT_OK)
        status = weft_rows_from_table(&f->config, left, &rows);
    if (status == WEFT_OK) {
        weft_rows_free(f->candidates);
        f->candidates = rows;
    } else if (status != WEFT_ERROR_MEMORY) {
        weft_fail_in(status, "%s", path);
    }
    weft_table_free(table);
    weft_table_free(left);
    free(keep);
    return status;
}
