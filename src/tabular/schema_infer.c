/* Inferring a schema: the kind of every column. */
#include "tabular/schema_infer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { most_levels = 200, most_named_levels = 10000, few_levels = 10 };

weft_status weft_infer_reason(weft_column *column, const char *reason)
{
    free(column->reason);
    column->reason = strdup(reason);
    return column->reason ? WEFT_OK : weft_fail(WEFT_ERROR_MEMORY, "schema: out of memory");
}

/* The next name of a list "A,B", cut out where it stands; one that holds a comma is quoted as in CSV. *rest is NULL at the end.
 */
static char *next_name(char **rest)
{
    char *at = *rest + strspn(*rest, " \t"), *name = at, *to = at;
    if (*at != '"') {
        *rest = at;
        name = strsep(rest, ",");
        for (size_t length = strlen(name); length && (name[length - 1] == ' ' || name[length - 1] == '\t');)
            name[--length] = 0;
        return name;
    }
    for (at++; *at && !(*at == '"' && at[1] != '"'); at++) {
        at += *at == '"';
        *to++ = *at;
    }
    at += *at == '"';
    at += strspn(at, " \t");
    *rest = *at == ',' ? at + 1 : NULL;
    *to = 0;
    return name;
}

/* Sets flag[c] for every column of a list "A,B". A list that is a column's whole name is that column. */
static weft_status mark_names(weft_csv *csv, const char *list, const char *option, bool *flag)
{
    if (!list || !*list)
        return WEFT_OK;
    int whole = weft_csv_find(csv, list);
    if (whole >= 0) {
        flag[whole] = true;
        return WEFT_OK;
    }
    char *copy = strdup(list), *rest = copy;
    if (!copy)
        return weft_fail(WEFT_ERROR_MEMORY, "schema: out of memory");
    weft_status status = WEFT_OK;
    while (status == WEFT_OK && rest) {
        char *name = next_name(&rest);
        int column;
        if (*name && (status = weft_schema_find_column(csv, name, option, &column)) == WEFT_OK)
            flag[column] = true;
    }
    free(copy);
    return status;
}

static int64_t missing_in_train(const weft_inference *in, int c)
{
    weft_csv_column stats = weft_csv_column_at(in->csv, c);
    if (stats.missing == 0)
        return 0;
    bool numbers_only = stats.texts == 0 && stats.infinities == 0; /* then what is no number is missing */
    int64_t missing = 0;
    for (int64_t i = 0; i < in->count; i++)
        missing +=
            numbers_only ? isnan(stats.values[in->rows[i]]) != 0 : weft_csv_is_missing(weft_csv_cell(in->csv, in->rows[i], c));
    return missing;
}

static weft_status numeric_cell_error(const weft_inference *in, int c, weft_csv_column stats)
{
    bool infinite = stats.infinities > 0 && (stats.texts == 0 || stats.first_infinity_row < stats.first_text_row);
    int64_t row = infinite ? stats.first_infinity_row : stats.first_text_row;
    char place[WEFT_PLACE_TEXT], text[WEFT_CELL_TEXT];
    weft_schema_place(in->csv, row, c, place);
    weft_schema_cell_text(weft_csv_cell(in->csv, row, c), text);
    if (infinite)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: %s is infinite; correct the cell or leave it empty (missing)", place, text);
    if (in->wished[c] == WEFT_COLUMN_NUMERICAL)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: %s is not a number, and %s says that the column is numerical", place, text,
                         in->options->wishes->path);
    double share = 100.0 * (double)stats.numbers / (double)(stats.numbers + stats.texts);
    return weft_fail(
        WEFT_ERROR_FORMAT,
        "%s: %s is not a number, but %.4g %% of the column's cells are; correct the cell, leave it empty, or name the "
        "column with --categorical",
        place, text, share);
}

/* Every value is one more than the one before: a number of the row, which says nothing about it. */
static bool counts_rows(const weft_inference *in, const double *values)
{
    int64_t rows = weft_csv_rows(in->csv);
    for (int64_t i = 1; i < rows; i++)
        if (values[i] != values[i - 1] + 1)
            return false;
    return rows > few_levels;
}

static weft_status collect(const weft_inference *in, int c, bool numeric, bool missing, int most, weft_levels *out, bool *more)
{
    return weft_levels_collect(in->csv, c, in->rows, in->count, numeric, missing, most, out, more);
}

/* Levels of a categorical column, from the training rows; --categorical allows more of them. */
static weft_status make_categorical(weft_inference *in, int c, bool numeric, const char *reason)
{
    weft_column *column = in->schema->columns + c;
    bool more;
    weft_status status = collect(in, c, numeric, true, most_named_levels, &column->levels, &more);
    if (status != WEFT_OK)
        return status;
    if (more)
        return weft_fail(WEFT_ERROR_ARGUMENT,
                         "%s, column \"%s\": more than %d different values are too many for a categorical column",
                         weft_csv_path(in->csv), column->name, (int)most_named_levels);
    column->kind = WEFT_COLUMN_CATEGORICAL;
    if (column->levels.count == 1)
        weft_text_add(&in->schema->warnings,
                      "column \"%s\" holds one value in the training rows: it is kept, and tells nothing\n", column->name);
    return weft_infer_reason(column, reason);
}

static weft_status make_binary(weft_inference *in, int c, bool numeric, const char *reason)
{
    weft_column *column = in->schema->columns + c;
    weft_levels train = {0};
    bool more;
    /* The two values are those of the whole file, so that a value that only later rows have is not a stranger. */
    weft_status status = weft_levels_collect(in->csv, c, NULL, weft_csv_rows(in->csv), numeric, false, 2, &column->levels, &more);
    if (status == WEFT_OK)
        status = collect(in, c, numeric, false, 2, &train, &more);
    if (status == WEFT_OK && train.count == 1)
        weft_text_add(&in->schema->warnings,
                      "column \"%s\" holds one value in the training rows: it is kept, and tells nothing\n", column->name);
    weft_levels_free(&train);
    column->kind = WEFT_COLUMN_BINARY;
    return status == WEFT_OK ? weft_infer_reason(column, reason) : status;
}

bool weft_infer_crowded(const weft_inference *in, const double *values)
{
    double least = INFINITY, most = -INFINITY;
    for (int64_t i = 0; i < in->count; i++) {
        const double x = values[in->rows[i]];
        if (isnan(x))
            continue;
        least = x < least ? x : least;
        most = x > most ? x : most;
    }
    return most > least && most - least < 1e-5 * fmax(fabs(least), fabs(most));
}

static weft_status infer_numeric(weft_inference *in, int c, weft_csv_column stats, int64_t missing, bool wished)
{
    weft_column *column = in->schema->columns + c;
    if (stats.texts || stats.infinities)
        return numeric_cell_error(in, c, stats);
    weft_levels levels;
    bool more;
    weft_status status = weft_levels_collect(in->csv, c, NULL, weft_csv_rows(in->csv), true, false, 2, &levels, &more);
    int distinct = levels.count + (status == WEFT_OK && more);
    bool flag = distinct == 1 && (levels.value[0] == 0 || levels.value[0] == 1);
    weft_levels_free(&levels);
    if (status != WEFT_OK)
        return status;
    if (distinct == 2 && !wished)
        return missing ? make_categorical(in, c, true, "two different numbers, and missing as a level")
                       : make_binary(in, c, true, "two different numbers");
    if (flag && !missing && !wished) {
        static const char *const zero_one[2] = {"0", "1"};
        weft_text_add(&in->schema->warnings, "column \"%s\" is constant: it is kept, and tells nothing\n", column->name);
        column->kind = WEFT_COLUMN_BINARY;
        status = weft_levels_from(zero_one, 2, true, &column->levels);
        return status == WEFT_OK ? weft_infer_reason(column, "a flag that is the same in every row") : status;
    }
    column->kind = WEFT_COLUMN_NUMERICAL;
    column->parts = 1;
    column->indicator = missing > 0;
    status = collect(in, c, true, false, 1, &levels, &more);
    weft_levels_free(&levels);
    if (status == WEFT_OK && !more)
        weft_text_add(&in->schema->warnings, "column \"%s\" is constant in the training rows: it is kept, and tells nothing\n",
                      column->name);
    else if (weft_infer_crowded(in, stats.values))
        weft_text_add(
            &in->schema->warnings,
            "column \"%s\": its numbers share the first five digits or more, and float32 keeps seven: subtract what they "
            "have in common\n",
            column->name);
    else if (stats.missing == 0 && stats.integers == stats.numbers && counts_rows(in, stats.values))
        weft_text_add(&in->schema->warnings, "column \"%s\" only numbers the rows; --drop leaves it out\n", column->name);
    return status == WEFT_OK ? weft_infer_reason(column, stats.integers == stats.numbers ? "whole numbers" : "numbers") : status;
}

/* Whether 95 % of the `present` cells have the look of a date; then *first_bad is the first cell that is none, -1 when all are.
 */
static bool looks_like_dates(const weft_inference *in, int c, int64_t present, int64_t *first_bad, bool *has_time)
{
    int64_t others = 0;
    *first_bad = -1;
    *has_time = false;
    for (int64_t i = 0, rows = weft_csv_rows(in->csv); i < rows && 20 * others <= present; i++) {
        weft_cell cell = weft_csv_cell(in->csv, i, c);
        if (weft_csv_is_missing(cell))
            continue;
        weft_date date;
        bool parsed = weft_date_parse(cell.text, cell.length, &date);
        others += !parsed && !weft_date_shaped(cell.text, cell.length);
        *has_time = *has_time || (parsed && date.has_time);
        if (!parsed && *first_bad < 0)
            *first_bad = i;
    }
    return 20 * others <= present;
}

/* Keeps the parts of a date that differ between training rows. */
static weft_status infer_date(weft_inference *in, int c, int64_t missing, bool has_time)
{
    weft_column *column = in->schema->columns + c;
    column->kind = WEFT_COLUMN_DATE;
    column->parts = WEFT_DATE_PARTS;
    for (int p = 0; p < WEFT_DATE_PARTS; p++)
        column->part[p] = (weft_date_part)p;
    float *x = calloc((size_t)in->count * WEFT_DATE_PARTS + 1, sizeof *x);
    if (!x)
        return weft_fail(WEFT_ERROR_MEMORY, "schema: no memory for %lld dates", (long long)in->count);
    weft_status status = weft_schema_read_numbers(column, in->csv, c, in->rows, in->count, x, WEFT_DATE_PARTS);
    int kept = 0;
    for (int p = 0; status == WEFT_OK && p < WEFT_DATE_PARTS; p++) {
        float least = INFINITY, most = -INFINITY;
        for (int64_t i = 0; i < in->count; i++) {
            float value = x[i * WEFT_DATE_PARTS + p];
            if (!isnan(value)) {
                least = fminf(least, value);
                most = fmaxf(most, value);
            }
        }
        if (most > least && (p != WEFT_DATE_HOUR || has_time))
            column->part[kept++] = (weft_date_part)p;
    }
    free(x);
    if (status != WEFT_OK)
        return status;
    column->parts = kept;
    column->indicator = missing > 0 && kept > 0;
    if (kept > 0)
        return weft_infer_reason(column, "dates");
    column->kind = WEFT_COLUMN_DROPPED;
    weft_text_add(&in->schema->warnings, "column \"%s\" is left out: it holds the same date in every training row\n",
                  column->name);
    return weft_infer_reason(column, "the same date in every training row");
}

/* Identifiers are named together, so that one correction of the command line is enough. */
static weft_status note_identifier(weft_inference *in, weft_csv_column stats, int c, bool more, int distinct, int64_t present)
{
    bool first = !in->identifiers.data;
    char cell[WEFT_CELL_TEXT];
    weft_text_add(&in->identifiers, "%s column \"%s\" (%s%d different texts in %lld cells, the first is %s%s)", first ? "" : ",",
                  stats.name, more ? "more than " : "", distinct, (long long)present,
                  weft_schema_cell_text(weft_csv_cell(in->csv, stats.first_text_row, c), cell),
                  weft_column_has_commas(in->csv, c) ? ": numbers are written with a point and no commas" : "");
    weft_text_add(&in->identifier_names, "%s", first ? "" : ",");
    weft_csv_add_field(&in->identifier_names, stats.name, strlen(stats.name));
    return WEFT_OK;
}

static weft_status refuse_identifiers(const weft_inference *in)
{
    if (!in->identifiers.data || !in->identifier_names.data)
        return WEFT_OK;
    return weft_fail(WEFT_ERROR_ARGUMENT,
                     "%s,%s: text with so many values looks like an identifier; leave it out with --drop '%s', or take it as it "
                     "is with --categorical '%s'",
                     weft_csv_path(in->csv), in->identifiers.data, in->identifier_names.data, in->identifier_names.data);
}

static weft_status infer_text(weft_inference *in, int c, weft_csv_column stats, int64_t missing)
{
    int64_t present = stats.numbers + stats.infinities + stats.texts, first_bad;
    bool has_time, more;
    if (looks_like_dates(in, c, present, &first_bad, &has_time)) {
        if (first_bad < 0)
            return infer_date(in, c, missing, has_time);
        char place[WEFT_PLACE_TEXT], text[WEFT_CELL_TEXT];
        return weft_fail(WEFT_ERROR_FORMAT,
                         "%s: %s is not a date of the forms 2024-12-31 or 12/31/2024, as the column's other cells seem to be; "
                         "rewrite the dates, leave the column out with --drop, or name it with --categorical",
                         weft_schema_place(in->csv, first_bad, c, place),
                         weft_schema_cell_text(weft_csv_cell(in->csv, first_bad, c), text));
    }
    weft_levels levels;
    weft_status status = weft_levels_collect(in->csv, c, NULL, weft_csv_rows(in->csv), false, false, most_levels, &levels, &more);
    int distinct = levels.count;
    weft_levels_free(&levels);
    if (status != WEFT_OK)
        return status;
    if (more || (distinct > few_levels && 5 * (int64_t)distinct > present))
        return note_identifier(in, stats, c, more, distinct, present);
    if (weft_column_has_commas(in->csv, c))
        weft_text_add(&in->schema->warnings,
                      "column \"%s\" looks like numbers with commas and is read as text: numbers are written with a point\n",
                      stats.name);
    if (distinct == 2 && missing == 0)
        return make_binary(in, c, false, "two different texts");
    return make_categorical(in, c, false, missing ? "text, with missing as a level" : "text");
}

/* The kind that a schema file wishes for, if the cells allow it. */
static weft_status wish_column(weft_inference *in, int c, weft_csv_column stats, int64_t missing)
{
    int64_t present = stats.numbers + stats.infinities + stats.texts, first_bad;
    bool has_time, more, numeric = stats.texts == 0 && stats.infinities == 0;
    const char *path = in->options->wishes->path;
    weft_levels levels;
    weft_status status;
    switch (in->wished[c]) {
    case WEFT_COLUMN_NUMERICAL:
        return infer_numeric(in, c, stats, missing, true);
    case WEFT_COLUMN_CATEGORICAL:
        return make_categorical(in, c, numeric, "so in the schema file");
    case WEFT_COLUMN_BINARY:
        status = weft_levels_collect(in->csv, c, NULL, weft_csv_rows(in->csv), numeric, false, 2, &levels, &more);
        if (status == WEFT_OK && (levels.count != 2 || more || missing))
            status = weft_fail(WEFT_ERROR_ARGUMENT,
                               "%s says that column \"%s\" is binary, and %s; \"categorical\" takes any number of values", path,
                               stats.name,
                               missing ? "cells are missing in it"
                               : more  ? "it has more than two values"
                                       : "it has only one value");
        weft_levels_free(&levels);
        return status == WEFT_OK ? make_binary(in, c, numeric, "so in the schema file") : status;
    default:
        if (!looks_like_dates(in, c, present, &first_bad, &has_time) || first_bad >= 0) {
            char place[WEFT_PLACE_TEXT], text[WEFT_CELL_TEXT];
            return weft_fail(WEFT_ERROR_FORMAT,
                             "%s: %s is not a date of the forms 2024-12-31 or 12/31/2024, and %s says that these are",
                             weft_schema_place(in->csv, first_bad < 0 ? 0 : first_bad, c, place),
                             weft_schema_cell_text(weft_csv_cell(in->csv, first_bad < 0 ? 0 : first_bad, c), text), path);
        }
        return infer_date(in, c, missing, has_time);
    }
}

static weft_status infer_column(weft_inference *in, int c)
{
    weft_csv_column stats = weft_csv_column_at(in->csv, c);
    weft_column *column = in->schema->columns + c;
    column->kind = WEFT_COLUMN_DROPPED;
    if (in->options->aside && strcmp(in->options->aside, column->name) == 0)
        return weft_infer_reason(column, in->options->aside_reason);
    if (in->named_drop[c])
        return weft_infer_reason(column, "named by --drop");
    if (in->wished[c] == WEFT_COLUMN_DROPPED && !in->named_categorical[c])
        return weft_infer_reason(column, "left out by the schema file");
    int64_t missing = missing_in_train(in, c);
    if (missing == in->count) {
        weft_text_add(&in->schema->warnings, "column \"%s\" is left out: it is empty in every training row\n", column->name);
        return weft_infer_reason(column, "empty in every training row");
    }
    if (in->named_categorical[c])
        return make_categorical(in, c, stats.texts == 0 && stats.infinities == 0, "named by --categorical");
    if (in->wished[c] >= 0)
        return wish_column(in, c, stats, missing);
    return weft_column_is_numeric(stats) ? infer_numeric(in, c, stats, missing, false) : infer_text(in, c, stats, missing);
}

/* The training rows whose target is there. */
static weft_status labelled(weft_inference *in, int target, const int64_t *rows, int64_t count, int64_t *out)
{
    bool check = weft_csv_column_at(in->csv, target).missing > 0;
    for (int64_t i = 0; i < count; i++)
        if (!check || !weft_csv_is_missing(weft_csv_cell(in->csv, rows[i], target)))
            out[in->count++] = rows[i];
    in->rows = out;
    const char *name = in->options->target;
    if (in->count == 0)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: the target column \"%s\" is empty in all of the %lld training rows",
                         weft_csv_path(in->csv), name, (long long)count);
    if (in->count < count)
        weft_text_add(&in->schema->warnings, "%lld of %lld training rows are left out: their target \"%s\" is missing\n",
                      (long long)(count - in->count), (long long)count, name);
    return WEFT_OK;
}

static weft_status name_columns(weft_inference *in)
{
    weft_schema *s = in->schema;
    const char *path = weft_csv_path(in->csv), *slash = strrchr(path, '/');
    s->file = strdup(slash ? slash + 1 : path);
    s->file_rows = weft_csv_rows(in->csv);
    bool enough = s->file != NULL;
    for (int c = 0; c < s->n_columns; c++) {
        const char *name = weft_csv_column_at(in->csv, c).name;
        if (!weft_levels_is_text(name, strlen(name)))
            return weft_fail(WEFT_ERROR_FORMAT,
                             "%s: the name of column %d is not text in UTF-8; convert the file (iconv -f latin1 -t utf-8)", path,
                             c + 1);
        enough = (s->columns[c].name = strdup(name)) && enough;
    }
    return enough ? WEFT_OK : weft_fail(WEFT_ERROR_MEMORY, "schema: out of memory");
}

/* wished[c] from the schema file's names; one that is left out there need not be in the table. */
static weft_status mark_wishes(weft_inference *in, int target)
{
    const weft_schema_wishes *w = in->options->wishes;
    weft_status status = WEFT_OK;
    for (int c = 0; c < weft_csv_columns(in->csv); c++)
        in->wished[c] = -1;
    for (int i = 0; w && i < w->count && status == WEFT_OK; i++) {
        int column = weft_csv_find(in->csv, w->name[i]);
        if (column < 0 && w->kind[i] == WEFT_COLUMN_DROPPED)
            continue;
        status = weft_schema_find_column(in->csv, w->name[i], w->path, &column);
        if (status == WEFT_OK && (w->kind[i] == WEFT_COLUMN_TARGET) != (column == target))
            status = weft_fail(WEFT_ERROR_ARGUMENT, "%s says that column \"%s\" is %s, and --target names \"%s\"", w->path,
                               w->name[i], weft_column_kind_names[w->kind[i]], in->options->target);
        if (status == WEFT_OK)
            in->wished[column] = (int)w->kind[i];
    }
    return status;
}

static weft_status infer_columns(weft_inference *in, const weft_target *target, const int64_t *rows, int64_t count, int64_t *kept)
{
    weft_status status = name_columns(in);
    if (status == WEFT_OK)
        status = mark_names(in->csv, in->options->categorical, "--categorical", in->named_categorical);
    if (status == WEFT_OK)
        status = mark_names(in->csv, in->options->drop, "--drop", in->named_drop);
    if (status == WEFT_OK)
        status = mark_wishes(in, target->column);
    if (status == WEFT_OK && in->named_drop[target->column])
        status = weft_fail(WEFT_ERROR_ARGUMENT, "the target \"%s\" is also named by --drop", in->options->target);
    if (status == WEFT_OK && in->named_categorical[target->column])
        status = weft_fail(WEFT_ERROR_ARGUMENT,
                           "the target \"%s\" is also named by --categorical; --task multiclass takes it as classes",
                           in->options->target);
    for (int c = 0; c < in->schema->n_columns && status == WEFT_OK; c++)
        if (in->named_drop[c] && in->named_categorical[c])
            status = weft_fail(WEFT_ERROR_ARGUMENT, "column \"%s\" is named by both --drop and --categorical",
                               in->schema->columns[c].name);
    if (status == WEFT_OK)
        status = labelled(in, target->column, rows, count, kept);
    if (status == WEFT_OK)
        status = weft_infer_fit_target(in, target);
    for (int c = 0; c < in->schema->n_columns && status == WEFT_OK; c++)
        if (c != target->column)
            status = infer_column(in, c);
    if (status == WEFT_OK)
        status = refuse_identifiers(in);
    if (status == WEFT_OK)
        status = weft_infer_fit(in);
    if (status == WEFT_OK && (in->schema->warnings.failed || in->identifiers.failed || in->identifier_names.failed))
        status = weft_fail(WEFT_ERROR_MEMORY, "schema: out of memory");
    return status;
}

weft_status weft_schema_infer(weft_csv *csv, const weft_schema_options *options, const int64_t *train_rows, int64_t count,
                              weft_schema **out)
{
    *out = NULL;
    weft_inference in = {.csv = csv, .options = options};
    int n = weft_csv_columns(csv);
    weft_target target;
    weft_status status = weft_target_find(csv, options, &target);
    if (status != WEFT_OK)
        return status;
    in.named_categorical = calloc((size_t)n + 1, sizeof(bool));
    in.named_drop = calloc((size_t)n + 1, sizeof(bool));
    in.wished = calloc((size_t)n + 1, sizeof *in.wished);
    int64_t *kept = calloc((size_t)count + 1, sizeof *kept);
    if (!in.named_categorical || !in.named_drop || !in.wished || !kept)
        status = weft_fail(WEFT_ERROR_MEMORY, "schema: no memory for %lld rows", (long long)count);
    if (status == WEFT_OK)
        status = weft_schema_new(n, &in.schema);
    if (status == WEFT_OK)
        status = infer_columns(&in, &target, train_rows, count, kept);
    free(in.named_categorical);
    free(in.named_drop);
    free(in.wished);
    weft_text_free(&in.identifiers);
    weft_text_free(&in.identifier_names);
    free(kept);
    weft_levels_free(&target.levels);
    if (status != WEFT_OK) {
        weft_schema_free(in.schema);
        return status;
    }
    *out = in.schema;
    return WEFT_OK;
}
