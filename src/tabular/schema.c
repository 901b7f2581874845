/* Schemas: storage, the layout of a row, and the parts of messages that name a cell. */
#include "tabular/schema.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const weft_column_kind_names[WEFT_COLUMN_KINDS] = {"numerical", "binary", "categorical", "date", "target", "dropped"};

weft_status weft_schema_new(int n_columns, weft_schema **out)
{
    *out = NULL;
    weft_schema *s = calloc(1, sizeof *s);
    if (s)
        s->columns = calloc((size_t)n_columns + 1, sizeof *s->columns);
    if (!s || !s->columns) {
        free(s);
        return weft_fail(WEFT_ERROR_MEMORY, "schema: no memory for %d columns", n_columns);
    }
    s->n_columns = n_columns;
    s->target = -1;
    s->target_sd = 1;
    for (int c = 0; c < n_columns; c++)
        s->columns[c].num_at = s->columns[c].bin_at = s->columns[c].cat_at = -1;
    *out = s;
    return WEFT_OK;
}

void weft_schema_free(weft_schema *s)
{
    if (!s)
        return;
    for (int c = 0; c < s->n_columns; c++) {
        free(s->columns[c].name);
        free(s->columns[c].reason);
        weft_levels_free(&s->columns[c].levels);
    }
    free(s->columns);
    free(s->cardinality);
    free(s->file);
    weft_scaler_free(s->scaler);
    weft_text_free(&s->warnings);
    free(s);
}

weft_status weft_schema_layout(weft_schema *s)
{
    free(s->cardinality);
    s->cardinality = calloc((size_t)s->n_columns + 1, sizeof *s->cardinality);
    if (!s->cardinality)
        return weft_fail(WEFT_ERROR_MEMORY, "schema: no memory for %d columns", s->n_columns);
    s->n_num = s->n_bin = s->n_cat = 0;
    for (int c = 0; c < s->n_columns; c++) {
        weft_column *column = s->columns + c;
        column->num_at = column->bin_at = column->cat_at = -1;
        if (column->kind == WEFT_COLUMN_NUMERICAL || column->kind == WEFT_COLUMN_DATE) {
            column->num_at = s->n_num;
            s->n_num += column->parts;
        } else if (column->kind == WEFT_COLUMN_BINARY) {
            column->bin_at = s->n_bin++;
        } else if (column->kind == WEFT_COLUMN_CATEGORICAL) {
            column->cat_at = s->n_cat;
            s->cardinality[s->n_cat++] = column->levels.count;
        }
    }
    for (int c = 0; c < s->n_columns; c++)
        if (s->columns[c].indicator)
            s->columns[c].bin_at = s->n_bin++;
    return WEFT_OK;
}

int64_t weft_schema_inputs(const weft_schema *s)
{
    int64_t inputs = (int64_t)s->n_num + s->n_bin;
    for (int j = 0; j < s->n_cat; j++)
        inputs += s->cardinality[j];
    return inputs;
}

int weft_schema_find(const weft_schema *s, const char *name)
{
    for (int c = 0; c < s->n_columns; c++)
        if (strcmp(s->columns[c].name, name) == 0)
            return c;
    return -1;
}

const char *weft_schema_class(const weft_schema *s, int64_t label)
{
    const weft_levels *levels = &s->columns[s->target].levels;
    return label >= 0 && label < levels->count ? levels->text[label] : "";
}

const char *const *weft_schema_classes(const weft_schema *s)
{
    return (const char *const *)s->columns[s->target].levels.text;
}

double weft_schema_unscale(const weft_schema *s, double y)
{
    return y * s->target_sd + s->target_mean;
}

float weft_schema_scale(const weft_schema *s, double value)
{
    return (float)(((double)(float)value - s->target_mean) / s->target_sd);
}

double weft_schema_written(const weft_schema *s, float y)
{
    enum { FLOAT_DIGITS = 9 };
    const double value = weft_schema_unscale(s, (double)y);
    for (int digits = 1; digits <= FLOAT_DIGITS; digits++) {
        char text[32];
        snprintf(text, sizeof text, "%.*g", digits, value);
        const double rounded = strtod(text, NULL);
        if (weft_schema_scale(s, rounded) == y)
            return rounded;
    }
    return value;
}

const char *weft_schema_place(weft_csv *csv, int64_t row, int column, char out[WEFT_PLACE_TEXT])
{
    snprintf(out, WEFT_PLACE_TEXT, "%.300s line %lld, column \"%.120s\"", weft_csv_path(csv), (long long)weft_csv_line(csv, row),
             weft_csv_column_at(csv, column).name);
    return out;
}

const char *weft_schema_cell_text(weft_cell cell, char out[WEFT_CELL_TEXT])
{
    size_t at = 0, most = 40, length = cell.length < most ? cell.length : most;
    /* A cut inside a UTF-8 character would leave broken bytes in the message. */
    while (length < cell.length && length > 0 && ((unsigned char)cell.text[length] & 0xc0) == 0x80)
        length--;
    out[at++] = '"';
    for (size_t i = 0; i < length; i++)
        out[at++] = (unsigned char)cell.text[i] < 32 || cell.text[i] == 127 ? '?' : cell.text[i];
    if (length < cell.length) {
        memcpy(out + at, "…", sizeof "…" - 1);
        at += sizeof "…" - 1;
    }
    out[at++] = '"';
    out[at] = 0;
    return out;
}
