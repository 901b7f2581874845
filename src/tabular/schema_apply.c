/* Applying a schema: rows of a file become a table. */
#include "tabular/schema.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A cell of a numerical column that holds no number: missing (WEFT_OK) or an error that names it. */
static weft_status check_number(weft_csv *csv, int64_t row, int column)
{
    weft_cell cell = weft_csv_cell(csv, row, column);
    if (weft_csv_is_missing(cell))
        return WEFT_OK;
    char place[WEFT_PLACE_TEXT], text[WEFT_CELL_TEXT];
    return weft_fail(WEFT_ERROR_FORMAT, "%s: %s is not a finite number that float32 can hold, and the column is numerical",
                     weft_schema_place(csv, row, column, place), weft_schema_cell_text(cell, text));
}

static weft_status read_dates(const weft_column *column, weft_csv *csv, int csv_column, const int64_t *rows, int64_t count,
                              float *out, int64_t stride)
{
    for (int64_t i = 0; i < count; i++) {
        int64_t row = rows ? rows[i] : i;
        weft_cell cell = weft_csv_cell(csv, row, csv_column);
        weft_date date;
        bool missing = weft_csv_is_missing(cell);
        if (!missing && !weft_date_parse(cell.text, cell.length, &date)) {
            char place[WEFT_PLACE_TEXT], text[WEFT_CELL_TEXT];
            return weft_fail(WEFT_ERROR_FORMAT,
                             "%s: %s is not a date of the forms 2024-12-31 or 12/31/2024 (with a time after it or not), and the "
                             "column is one of dates; rewrite it, or leave the column out with --drop",
                             weft_schema_place(csv, row, csv_column, place), weft_schema_cell_text(cell, text));
        }
        for (int p = 0; p < column->parts; p++)
            out[i * stride + p] = missing ? NAN : (float)date.part[column->part[p]];
    }
    return WEFT_OK;
}

weft_status weft_schema_read_numbers(const weft_column *column, weft_csv *csv, int csv_column, const int64_t *rows, int64_t count,
                                     float *out, int64_t stride)
{
    if (column->kind == WEFT_COLUMN_DATE)
        return read_dates(column, csv, csv_column, rows, count, out, stride);
    weft_csv_column stats = weft_csv_column_at(csv, csv_column);
    bool numbers_only = stats.texts == 0 && stats.infinities == 0; /* then what is no number is missing */
    for (int64_t i = 0; i < count; i++) {
        int64_t row = rows ? rows[i] : i;
        float x = (float)stats.values[row];
        if (!isfinite(x) && !(numbers_only && isnan(x))) {
            weft_status status = check_number(csv, row, csv_column);
            if (status != WEFT_OK)
                return status;
            x = NAN;
        }
        out[i * stride] = x;
    }
    return WEFT_OK;
}

static int level_of(const weft_levels *levels, weft_csv *csv, const double *values, int64_t row, int csv_column)
{
    double value = levels->value ? values[row] : 0;
    if (levels->value && !isnan(value))
        return weft_levels_find(levels, (weft_cell){"0", 1}, value);
    return weft_levels_find(levels, weft_csv_cell(csv, row, csv_column), value);
}

static weft_status unseen_class(const weft_schema *s, weft_csv *csv, int64_t row, int csv_column)
{
    weft_text known = {0};
    for (int k = 0; k < s->classes && k < 20; k++)
        weft_text_add(&known, "%s%s", k ? ", " : "", weft_schema_class(s, k));
    if (s->classes > 20)
        weft_text_add(&known, ", … (%d)", s->classes);
    char place[WEFT_PLACE_TEXT], text[WEFT_CELL_TEXT];
    weft_status status =
        weft_fail(WEFT_ERROR_FORMAT, "%s: class %s does not occur in the training rows (their classes: %s)",
                  weft_schema_place(csv, row, csv_column, place),
                  weft_schema_cell_text(weft_csv_cell(csv, row, csv_column), text), known.data ? known.data : "");
    weft_text_free(&known);
    return status;
}

weft_status weft_schema_read_target(const weft_schema *s, weft_csv *csv, int csv_column, const int64_t *rows, int64_t count,
                                    float *y, int64_t *label)
{
    const weft_column *column = s->columns + s->target;
    const double *values = weft_csv_column_at(csv, csv_column).values;
    for (int64_t i = 0; i < count; i++) {
        int64_t row = rows ? rows[i] : i;
        if (s->task == WEFT_TASK_REGRESSION) {
            if (!isfinite((float)values[row])) {
                char place[WEFT_PLACE_TEXT], text[WEFT_CELL_TEXT];
                return weft_fail(WEFT_ERROR_FORMAT, "%s: the target %s is not a finite number that float32 can hold",
                                 weft_schema_place(csv, row, csv_column, place),
                                 weft_schema_cell_text(weft_csv_cell(csv, row, csv_column), text));
            }
            y[i] = weft_schema_scale(s, values[row]);
        } else {
            label[i] = level_of(&column->levels, csv, values, row, csv_column);
            if (label[i] < 0)
                return unseen_class(s, csv, row, csv_column);
        }
    }
    return WEFT_OK;
}

static void note_count(weft_table *t, const weft_column *column, int64_t unseen, int64_t filled)
{
    if (unseen)
        weft_text_add(&t->notes, "column \"%s\": %lld cell%s with a value that training did not have\n", column->name,
                      (long long)unseen, unseen == 1 ? "" : "s");
    if (filled && !column->indicator)
        weft_text_add(&t->notes, "column \"%s\": %lld missing cell%s filled with the training median%s\n", column->name,
                      (long long)filled, filled == 1 ? "" : "s", "; training had none missing");
}

static weft_status apply_numbers(const weft_schema *s, int c, weft_csv *csv, int csv_column, weft_table *t)
{
    const weft_column *column = s->columns + c;
    float *first = t->x_num + column->num_at;
    weft_status status = weft_schema_read_numbers(column, csv, csv_column, t->row, t->rows, first, t->n_num);
    if (status != WEFT_OK)
        return status;
    for (int64_t i = 0; i < t->rows; i++) {
        bool missing = isnan(first[i * t->n_num]);
        t->filled[c] += missing;
        if (column->indicator)
            t->x_bin[i * t->n_bin + column->bin_at] = missing;
        for (int p = 0; missing && p < column->parts; p++)
            first[i * t->n_num + p] = (float)column->median[p];
    }
    for (int p = 0; p < column->parts; p++)
        weft_scaler_apply(s->scaler, column->num_at + p, first + p, t->rows, t->n_num);
    return WEFT_OK;
}

static void apply_levels(const weft_schema *s, int c, weft_csv *csv, int csv_column, weft_table *t)
{
    const weft_column *column = s->columns + c;
    const double *values = weft_csv_column_at(csv, csv_column).values;
    for (int64_t i = 0; i < t->rows; i++) {
        int level = level_of(&column->levels, csv, values, t->row[i], csv_column);
        t->unseen[c] += level < 0;
        if (column->kind == WEFT_COLUMN_BINARY)
            t->x_bin[i * t->n_bin + column->bin_at] = level < 0 ? 0.5f : (float)level;
        else
            t->x_cat[i * t->n_cat + column->cat_at] = level;
    }
}

/* at[c]: where column c of the schema stands in the file. A column that is needed and not there is an error. */
static weft_status match_columns(const weft_schema *s, weft_csv *csv, bool with_target, int *at, weft_text *notes)
{
    int ignored = 0;
    for (int c = 0; c < s->n_columns; c++) {
        const weft_column *column = s->columns + c;
        bool needed = column->kind == WEFT_COLUMN_TARGET ? with_target : column->kind != WEFT_COLUMN_DROPPED;
        at[c] = needed ? weft_csv_find(csv, column->name) : -1;
        if (needed && at[c] < 0) {
            const char *nearest = weft_csv_nearest(csv, column->name);
            return weft_fail(WEFT_ERROR_FORMAT, "%s: no column \"%s\", which the model %s (the nearest name there is \"%s\")",
                             weft_csv_path(csv), column->name,
                             column->kind == WEFT_COLUMN_TARGET ? "was trained to predict" : "needs", nearest ? nearest : "");
        }
    }
    for (int j = 0; j < weft_csv_columns(csv); j++) {
        const char *name = weft_csv_column_at(csv, j).name;
        if (weft_schema_find(s, name) < 0)
            weft_text_add(notes, "%s\"%s\"", ignored++ ? ", " : "columns ignored, which training did not have: ", name);
    }
    if (ignored)
        weft_text_add(notes, "\n");
    return WEFT_OK;
}

/* The rows whose target is there (all, without target): into `out`; returns how many. */
static int64_t labelled_rows(weft_csv *csv, int target_at, const int64_t *rows, int64_t count, int64_t *out)
{
    bool check = target_at >= 0 && weft_csv_column_at(csv, target_at).missing > 0;
    int64_t kept = 0;
    for (int64_t i = 0; i < count; i++) {
        int64_t row = rows ? rows[i] : i;
        if (!check || !weft_csv_is_missing(weft_csv_cell(csv, row, target_at)))
            out[kept++] = row;
    }
    return kept;
}

static weft_status fill_table(const weft_schema *s, weft_csv *csv, const int *at, const int64_t *rows, int64_t count,
                              bool with_target, weft_table *t)
{
    weft_status status = WEFT_OK;
    t->rows = labelled_rows(csv, with_target ? at[s->target] : -1, rows, count, t->row);
    t->unlabelled = count - t->rows;
    if (t->unlabelled)
        weft_text_add(&t->notes, "%lld row%s left out: the target \"%s\" is missing there\n", (long long)t->unlabelled,
                      t->unlabelled == 1 ? "" : "s", s->columns[s->target].name);
    for (int c = 0; c < s->n_columns && status == WEFT_OK; c++) {
        weft_column_kind kind = s->columns[c].kind;
        if (kind == WEFT_COLUMN_NUMERICAL || kind == WEFT_COLUMN_DATE)
            status = apply_numbers(s, c, csv, at[c], t);
        else if (kind == WEFT_COLUMN_BINARY || kind == WEFT_COLUMN_CATEGORICAL)
            apply_levels(s, c, csv, at[c], t);
        note_count(t, s->columns + c, t->unseen[c], t->filled[c]);
    }
    if (status == WEFT_OK && with_target) {
        t->y = s->task == WEFT_TASK_REGRESSION ? calloc((size_t)t->rows + 1, sizeof *t->y) : NULL;
        t->label = s->task == WEFT_TASK_REGRESSION ? NULL : calloc((size_t)t->rows + 1, sizeof *t->label);
        if (!t->y && !t->label)
            return weft_fail(WEFT_ERROR_MEMORY, "table: no memory for %lld targets", (long long)t->rows);
        status = weft_schema_read_target(s, csv, at[s->target], t->row, t->rows, t->y, t->label);
    }
    if (status == WEFT_OK && t->notes.failed)
        status = weft_fail(WEFT_ERROR_MEMORY, "table: out of memory");
    return status;
}

weft_status weft_schema_apply(const weft_schema *s, weft_csv *csv, const int64_t *rows, int64_t count, bool with_target,
                              weft_table **out)
{
    *out = NULL;
    int *at = calloc((size_t)s->n_columns + 1, sizeof *at);
    if (!at)
        return weft_fail(WEFT_ERROR_MEMORY, "schema: out of memory");
    weft_table *t = NULL;
    weft_status status = weft_table_new(count, s->n_num, s->n_bin, s->n_cat, s->n_columns, &t);
    if (status == WEFT_OK)
        status = match_columns(s, csv, with_target, at, &t->notes);
    if (status == WEFT_OK)
        status = fill_table(s, csv, at, rows, count, with_target, t);
    free(at);
    if (status != WEFT_OK) {
        weft_table_free(t);
        return status;
    }
    *out = t;
    return WEFT_OK;
}
