/* The target column: which task it asks for, and its classes. */
#include "tabular/schema.h"
#include "tabular/schema_infer.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { most_classes = 1000, most_integer_classes = 20, rows_a_class = 10 };

bool weft_column_is_numeric(weft_csv_column column)
{
    int64_t numbers = column.numbers + column.infinities, present = numbers + column.texts;
    return present > 0 && 20 * numbers >= 19 * present;
}

static bool has_commas(weft_cell cell)
{
    int digits = 0, commas = 0;
    for (size_t i = 0; i < cell.length; i++) {
        const char c = cell.text[i];
        digits += c >= '0' && c <= '9';
        commas += c == ',';
        if (!c || !strchr("0123456789,. +-", c))
            return false;
    }
    return digits > 0 && commas > 0;
}

bool weft_column_has_commas(weft_csv *csv, int column)
{
    int64_t found = 0;
    for (int64_t i = 0, rows = weft_csv_rows(csv); i < rows; i++) {
        weft_cell cell = weft_csv_cell(csv, i, column);
        if (weft_csv_is_missing(cell))
            continue;
        if (!has_commas(cell))
            return false;
        found++;
    }
    return found > 0;
}

weft_status weft_schema_find_column(weft_csv *csv, const char *name, const char *what, int *out)
{
    *out = weft_csv_find(csv, name);
    if (*out >= 0)
        return WEFT_OK;
    const char *nearest = weft_csv_nearest(csv, name);
    return weft_fail(WEFT_ERROR_ARGUMENT, "%s has no column \"%s\" (%s); the nearest name is \"%s\"", weft_csv_path(csv), name,
                     what, nearest ? nearest : "");
}

/* A target of numbers may hold numbers only. */
static weft_status check_numbers(weft_csv *csv, int column, const char *task)
{
    weft_csv_column stats = weft_csv_column_at(csv, column);
    int64_t row = stats.infinities ? stats.first_infinity_row : stats.texts ? stats.first_text_row : -1;
    if (row < 0)
        return WEFT_OK;
    char place[WEFT_PLACE_TEXT], text[WEFT_CELL_TEXT];
    return weft_fail(WEFT_ERROR_FORMAT, "%s: the target %s is not a finite number, and %s; correct the cell or leave it empty",
                     weft_schema_place(csv, row, column, place), weft_schema_cell_text(weft_csv_cell(csv, row, column), text),
                     task);
}

static weft_status too_many_classes(weft_csv *csv, int column, bool asked)
{
    return weft_fail(WEFT_ERROR_ARGUMENT, "%s, target \"%s\": more than %d different values are too many for classes%s",
                     weft_csv_path(csv), weft_csv_column_at(csv, column).name, (int)most_classes,
                     asked ? " (--task regression is for quantities)" : "; a quantity must be written as a number");
}

/* Counts the classes of the whole file. *count is most_classes + 1 when there are more. */
static weft_status count_classes(weft_csv *csv, int column, bool numeric, weft_levels *levels, int *count)
{
    bool more;
    weft_status status = weft_levels_collect(csv, column, NULL, weft_csv_rows(csv), numeric, false, most_classes, levels, &more);
    *count = levels->count + (status == WEFT_OK && more);
    return status;
}

static weft_status choose_task(weft_csv *csv, int column, int asked, weft_target *out)
{
    weft_csv_column stats = weft_csv_column_at(csv, column);
    int64_t present = stats.numbers + stats.infinities + stats.texts;
    if (present == 0)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: the target column \"%s\" is empty in every row", weft_csv_path(csv), stats.name);
    bool numeric = weft_column_is_numeric(stats);
    bool asked_classes = asked == WEFT_TASK_BINARY || asked == WEFT_TASK_MULTICLASS;
    if (!numeric && !asked_classes && weft_column_has_commas(csv, column)) {
        char place[WEFT_PLACE_TEXT], text[WEFT_CELL_TEXT];
        return weft_fail(WEFT_ERROR_FORMAT,
                         "%s: the target %s looks like a number with a comma; write a point, and no sign between thousands "
                         "(--task multiclass takes it as a class)",
                         weft_schema_place(csv, stats.first_text_row, column, place),
                         weft_schema_cell_text(weft_csv_cell(csv, stats.first_text_row, column), text));
    }
    if (asked == WEFT_TASK_REGRESSION || (numeric && !asked_classes)) {
        weft_status status = check_numbers(
            csv, column, asked == WEFT_TASK_REGRESSION ? "--task regression needs numbers" : "nearly all others are");
        if (status != WEFT_OK)
            return status;
    }
    out->numeric = stats.texts == 0 && stats.infinities == 0;
    if (asked == WEFT_TASK_REGRESSION) {
        out->task = WEFT_TASK_REGRESSION;
        out->reason = "asked for";
        return WEFT_OK;
    }
    int count;
    weft_status status = count_classes(csv, column, out->numeric, &out->levels, &count);
    if (status != WEFT_OK)
        return status;
    bool whole = stats.integers == stats.numbers;
    if (!asked_classes && numeric && count != 2 && count != 1 &&
        !(whole && count <= most_integer_classes && stats.numbers >= (int64_t)rows_a_class * count)) {
        out->task = WEFT_TASK_REGRESSION;
        out->reason = count > most_integer_classes || !whole ? "numbers" : "whole numbers, few rows a value";
        return WEFT_OK;
    }
    if (count > most_classes)
        return too_many_classes(csv, column, asked_classes);
    if (count == 1)
        return weft_fail(WEFT_ERROR_FORMAT,
                         "%s, target \"%s\": every row holds \"%s\"; there is one class only, nothing to learn",
                         weft_csv_path(csv), stats.name, out->levels.text[0]);
    if (asked == WEFT_TASK_BINARY && count > 2)
        return weft_fail(WEFT_ERROR_ARGUMENT, "%s, target \"%s\": --task binary wants two different values, there are %d%s",
                         weft_csv_path(csv), stats.name, count, "; --task multiclass takes them");
    out->task = count == 2 ? WEFT_TASK_BINARY : WEFT_TASK_MULTICLASS;
    out->reason = asked_classes ? "asked for"
                  : count == 2  ? "two different values"
                  : numeric     ? "whole numbers with few values; --task regression for a quantity"
                                : "text";
    return WEFT_OK;
}

weft_status weft_target_find(weft_csv *csv, const weft_schema_options *options, weft_target *out)
{
    *out = (weft_target){0};
    if (!options->target || !*options->target)
        return weft_fail(WEFT_ERROR_ARGUMENT, "no target column is named (--target)");
    weft_status status = weft_schema_find_column(csv, options->target, "the target", &out->column);
    int asked = options->task < 0 && options->wishes ? options->wishes->task : options->task;
    if (status == WEFT_OK)
        status = choose_task(csv, out->column, asked, out);
    if (status != WEFT_OK)
        weft_levels_free(&out->levels);
    return status;
}

weft_status weft_schema_target(weft_csv *csv, const weft_schema_options *options, weft_task *task, int64_t **class_of_row)
{
    *class_of_row = NULL;
    weft_target target;
    weft_status status = weft_target_find(csv, options, &target);
    if (status != WEFT_OK)
        return status;
    *task = target.task;
    if (target.task != WEFT_TASK_REGRESSION) {
        int64_t rows = weft_csv_rows(csv);
        const double *values = weft_csv_column_at(csv, target.column).values;
        *class_of_row = calloc((size_t)rows + 1, sizeof **class_of_row);
        if (!*class_of_row)
            status = weft_fail(WEFT_ERROR_MEMORY, "target: no memory for %lld classes", (long long)rows);
        for (int64_t i = 0; status == WEFT_OK && i < rows; i++)
            (*class_of_row)[i] = weft_levels_find(&target.levels, weft_csv_cell(csv, i, target.column), values[i]);
    }
    weft_levels_free(&target.levels);
    return status;
}
