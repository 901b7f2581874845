/* schema.json: everything that prediction needs, in a form that a person can read and edit.
 *
 * { "format": 1, "file": "adult.csv", "rows": 48842, "train_rows": 26048, "task": "binary", "scaling": "quantile",
 *   "columns": [
 *     { "name": "age", "kind": "numerical", "reason": "whole numbers", "indicator": false,
 *       "numbers": [ { "median": 37, "quantiles": [17, …] } ] },
 *     { "name": "sex", "kind": "binary", "reason": "two different texts", "levels": ["Female", "Male"] },
 *     { "name": "day", "kind": "date", "reason": "dates", "indicator": false,
 *       "numbers": [ { "part": "year", "median": 2011, "quantiles": [2011, …] }, … ] },
 *     { "name": "income", "kind": "target", "reason": "two different values", "levels": ["<=50K", ">50K"] }, … ] }
 *
 * Levels are null for the missing one; "numeric": true beside levels that are numbers. With standard scaling `mean` and `sd`
 * stand in place of `quantiles`. A regression target has `mean` and `sd` in place of `levels`. */
#include "tabular/schema.h"
#include "base/files.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { schema_format = 1, most_columns = 100000, most_quantiles = 100000 };

static void write_levels(const weft_levels *levels, weft_json_writer *w)
{
    if (levels->value) {
        weft_json_add_key(w, "numeric");
        weft_json_add_bool(w, true);
    }
    weft_json_add_key(w, "levels");
    weft_json_open_list(w);
    for (int k = 0; k < levels->count; k++)
        weft_json_add_string(w, levels->text[k][0] ? levels->text[k] : NULL);
    weft_json_close_list(w);
}

static void write_numbers(const weft_schema *s, const weft_column *column, weft_json_writer *w)
{
    weft_json_add_key(w, "indicator");
    weft_json_add_bool(w, column->indicator);
    weft_json_add_key(w, "numbers");
    weft_json_open_list(w);
    for (int p = 0; p < column->parts; p++) {
        const double *fitted = s->scaler->table + (size_t)(column->num_at + p) * (size_t)s->scaler->width;
        weft_json_open_object(w);
        if (column->kind == WEFT_COLUMN_DATE) {
            weft_json_add_key(w, "part");
            weft_json_add_string(w, weft_date_part_names[column->part[p]]);
        }
        weft_json_add_key(w, "median");
        weft_json_add_number(w, column->median[p]);
        if (s->scaler->scaling == WEFT_SCALING_STANDARD) {
            weft_json_add_key(w, "mean");
            weft_json_add_number(w, fitted[0]);
            weft_json_add_key(w, "sd");
            weft_json_add_number(w, fitted[1]);
        } else if (s->scaler->scaling == WEFT_SCALING_QUANTILE) {
            weft_json_add_key(w, "quantiles");
            weft_json_open_list(w);
            for (int t = 0; t < s->scaler->width; t++)
                weft_json_add_number(w, fitted[t]);
            weft_json_close_list(w);
        }
        weft_json_close_object(w);
    }
    weft_json_close_list(w);
}

static void write_column(const weft_schema *s, const weft_column *column, weft_json_writer *w)
{
    weft_json_open_object(w);
    weft_json_add_key(w, "name");
    weft_json_add_string(w, column->name);
    weft_json_add_key(w, "kind");
    weft_json_add_string(w, weft_column_kind_names[column->kind]);
    weft_json_add_key(w, "reason");
    weft_json_add_string(w, column->reason ? column->reason : "");
    if (column->kind == WEFT_COLUMN_NUMERICAL || column->kind == WEFT_COLUMN_DATE) {
        write_numbers(s, column, w);
    } else if (column->kind == WEFT_COLUMN_TARGET && s->task == WEFT_TASK_REGRESSION) {
        weft_json_add_key(w, "mean");
        weft_json_add_number(w, s->target_mean);
        weft_json_add_key(w, "sd");
        weft_json_add_number(w, s->target_sd);
    } else if (column->kind != WEFT_COLUMN_DROPPED) {
        write_levels(&column->levels, w);
    }
    weft_json_close_object(w);
}

void weft_schema_write(const weft_schema *s, weft_json_writer *w)
{
    weft_json_open_object(w);
    weft_json_add_key(w, "format");
    weft_json_add_integer(w, schema_format);
    weft_json_add_key(w, "file");
    weft_json_add_string(w, s->file);
    weft_json_add_key(w, "rows");
    weft_json_add_integer(w, s->file_rows);
    weft_json_add_key(w, "train_rows");
    weft_json_add_integer(w, s->train_rows);
    weft_json_add_key(w, "task");
    weft_json_add_string(w, weft_task_names[s->task]);
    weft_json_add_key(w, "scaling");
    weft_json_add_string(w, weft_scaling_names[s->scaler->scaling]);
    weft_json_add_key(w, "columns");
    weft_json_open_list(w);
    for (int c = 0; c < s->n_columns; c++)
        write_column(s, s->columns + c, w);
    weft_json_close_list(w);
    weft_json_close_object(w);
}

weft_status weft_schema_save(const weft_schema *s, const char *path)
{
    weft_text text = {0};
    weft_json_writer w = weft_json_to(&text, 1);
    weft_schema_write(s, &w);
    weft_text_add(&text, "\n");
    weft_status status = text.failed ? weft_fail(WEFT_ERROR_MEMORY, "%s: no memory for the schema", path)
                                     : weft_file_write(path, text.data, text.length);
    weft_text_free(&text);
    return status;
}

/* A required word of a list of words; its number goes to *out. */
static weft_status take_word(weft_json_value object, const char *where, const char *key, const char *const *words, int count,
                             int *out)
{
    const char *word = NULL;
    weft_status status = weft_json_take_string(object, where, key, &word);
    if (status != WEFT_OK)
        return status;
    for (*out = 0; word && *out < count; ++*out)
        if (strcmp(word, words[*out]) == 0)
            return WEFT_OK;
    weft_text list = {0};
    for (int i = 0; i < count; i++)
        weft_text_add(&list, "%s%s", i ? ", " : "", words[i]);
    status = weft_fail(WEFT_ERROR_FORMAT, "%s: \"%s\" is %s%s%s; it must be one of %s", where, key, word ? "\"" : "",
                       word ? word : "absent", word ? "\"" : "", list.data ? list.data : "");
    weft_text_free(&list);
    return status;
}

static weft_status take_copy(weft_json_value object, const char *where, const char *key, char **out)
{
    const char *text = NULL;
    weft_status status = weft_json_take_string(object, where, key, &text);
    if (status != WEFT_OK)
        return status;
    if (!text)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: \"%s\" is absent", where, key);
    *out = strdup(text);
    return *out ? WEFT_OK : weft_fail(WEFT_ERROR_MEMORY, "%s: out of memory", where);
}

static weft_status require_number(weft_json_value object, const char *where, const char *key, double least, double *out)
{
    if (!weft_json_present(weft_json_get(object, key)))
        return weft_fail(WEFT_ERROR_FORMAT, "%s: \"%s\" is absent", where, key);
    return weft_json_take_number(object, where, key, least, 1e300, out);
}

static weft_status parse_levels(weft_json_value object, const char *where, weft_levels *out)
{
    weft_json_value list = weft_json_get(object, "levels");
    int64_t count = weft_json_size(list);
    bool numeric = false;
    weft_status status = weft_json_take_bool(object, where, "numeric", &numeric);
    if (status != WEFT_OK)
        return status;
    if (weft_json_kind_of(list) != WEFT_JSON_LIST || count < 1 || count > most_columns)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: \"levels\" must be a list of 1 to %d texts", where, (int)most_columns);
    const char **text = calloc((size_t)count, sizeof *text);
    if (!text)
        return weft_fail(WEFT_ERROR_MEMORY, "%s: no memory for %lld levels", where, (long long)count);
    for (int64_t k = 0; k < count && status == WEFT_OK; k++) {
        weft_json_value item = weft_json_item(list, k);
        text[k] = weft_json_string(item, NULL);
        if (weft_json_present(item) && !text[k])
            status = weft_fail(WEFT_ERROR_FORMAT, "%s: level %lld must be a text, or null for missing", where, (long long)k);
        else if (text[k] && !text[k][0])
            status =
                weft_fail(WEFT_ERROR_FORMAT, "%s: level %lld is empty; the missing level is written null", where, (long long)k);
    }
    if (status == WEFT_OK && (status = weft_levels_from(text, (int)count, numeric, out)) != WEFT_OK)
        status = weft_fail_in(status, "%s", where);
    free(text);
    return status;
}

/* Medians and date parts; the scaling follows when all features are counted. */
static weft_status parse_numbers(weft_json_value object, const char *where, weft_column *column)
{
    weft_json_value list = weft_json_get(object, "numbers");
    int64_t parts = weft_json_size(list), most = column->kind == WEFT_COLUMN_DATE ? WEFT_DATE_PARTS : 1;
    weft_status status = weft_json_take_bool(object, where, "indicator", &column->indicator);
    if (status != WEFT_OK)
        return status;
    if (weft_json_kind_of(list) != WEFT_JSON_LIST || parts < 1 || parts > most)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: \"numbers\" must be a list of 1 to %d objects", where, (int)most);
    column->parts = (int)parts;
    for (int p = 0; p < column->parts && status == WEFT_OK; p++) {
        weft_json_value item = weft_json_item(list, p);
        int part = 0;
        if (weft_json_kind_of(item) != WEFT_JSON_OBJECT)
            return weft_fail(WEFT_ERROR_FORMAT, "%s: entry %d of \"numbers\" must be an object", where, p);
        status = require_number(item, where, "median", -1e300, &column->median[p]);
        if (status == WEFT_OK && column->kind == WEFT_COLUMN_DATE)
            status = take_word(item, where, "part", weft_date_part_names, WEFT_DATE_PARTS, &part);
        column->part[p] = (weft_date_part)part;
    }
    return status;
}

static weft_status parse_column(weft_json_value object, const char *name, int c, weft_schema *s)
{
    weft_column *column = s->columns + c;
    char where[WEFT_PLACE_TEXT];
    snprintf(where, sizeof where, "%.300s, column %d", name, c);
    if (weft_json_kind_of(object) != WEFT_JSON_OBJECT)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: an object is expected", where);
    weft_status status = take_copy(object, where, "name", &column->name);
    if (status != WEFT_OK)
        return status;
    snprintf(where, sizeof where, "%.300s, column \"%.120s\"", name, column->name);
    for (int b = 0; b < c; b++)
        if (strcmp(s->columns[b].name, column->name) == 0)
            return weft_fail(WEFT_ERROR_FORMAT, "%s stands there twice", where);
    int kind = 0;
    status = take_word(object, where, "kind", weft_column_kind_names, WEFT_COLUMN_KINDS, &kind);
    column->kind = (weft_column_kind)kind;
    if (status == WEFT_OK && weft_json_present(weft_json_get(object, "reason")))
        status = take_copy(object, where, "reason", &column->reason);
    if (status != WEFT_OK || kind == WEFT_COLUMN_DROPPED)
        return status;
    if (kind == WEFT_COLUMN_NUMERICAL || kind == WEFT_COLUMN_DATE)
        return parse_numbers(object, where, column);
    if (kind == WEFT_COLUMN_TARGET) {
        if (s->target >= 0)
            return weft_fail(WEFT_ERROR_FORMAT, "%s: there is a target already, \"%s\"", where, s->columns[s->target].name);
        s->target = c;
        if (s->task == WEFT_TASK_REGRESSION) {
            status = require_number(object, where, "mean", -1e300, &s->target_mean);
            return status == WEFT_OK ? require_number(object, where, "sd", 1e-300, &s->target_sd) : status;
        }
    }
    status = parse_levels(object, where, &column->levels);
    if (status != WEFT_OK)
        return status;
    bool target = kind == WEFT_COLUMN_TARGET, pair = kind == WEFT_COLUMN_BINARY || (target && s->task == WEFT_TASK_BINARY);
    if (pair ? column->levels.count != 2 : target && column->levels.count < 3)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: %d levels do not fit: %s", where, column->levels.count,
                         pair ? "exactly two are wanted" : "multiclass wants three or more");
    if (kind != WEFT_COLUMN_CATEGORICAL && weft_levels_missing(&column->levels) >= 0)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: only a categorical column can have the missing level", where);
    s->classes = target ? column->levels.count : s->classes;
    return WEFT_OK;
}

static weft_status parse_quantiles(weft_json_value list, const char *where, int count, double *out)
{
    if (weft_json_kind_of(list) != WEFT_JSON_LIST || weft_json_size(list) != count)
        return weft_fail(WEFT_ERROR_FORMAT,
                         "%s: \"quantiles\" must be a list of as many numbers as other columns have (%d), not %lld", where, count,
                         (long long)weft_json_size(list));
    for (int t = 0; t < count; t++) {
        out[t] = weft_json_number(weft_json_item(list, t), NAN);
        if (!isfinite(out[t]) || (t > 0 && out[t] < out[t - 1]))
            return weft_fail(WEFT_ERROR_FORMAT, "%s: quantile %d must be a number not below the one before", where, t);
    }
    return WEFT_OK;
}

static weft_status parse_scaling(weft_json_value columns, const char *name, weft_scaling scaling, weft_schema *s)
{
    int quantiles = 2;
    for (int c = s->n_columns - 1; c >= 0; c--)
        if (s->columns[c].num_at >= 0 && scaling == WEFT_SCALING_QUANTILE) {
            weft_json_value first = weft_json_item(weft_json_get(weft_json_item(columns, c), "numbers"), 0);
            int64_t size = weft_json_size(weft_json_get(first, "quantiles"));
            quantiles = size < 2 || size > most_quantiles ? 2 : (int)size;
        }
    weft_status status = weft_scaler_new(scaling, s->n_num, quantiles, &s->scaler);
    for (int c = 0; c < s->n_columns && status == WEFT_OK; c++) {
        weft_json_value list = weft_json_get(weft_json_item(columns, c), "numbers");
        char where[WEFT_PLACE_TEXT];
        snprintf(where, sizeof where, "%.300s, column \"%.120s\"", name, s->columns[c].name);
        for (int p = 0; s->columns[c].num_at >= 0 && p < s->columns[c].parts && status == WEFT_OK; p++) {
            weft_json_value item = weft_json_item(list, p);
            double *fitted = s->scaler->table + (size_t)(s->columns[c].num_at + p) * (size_t)s->scaler->width;
            if (scaling == WEFT_SCALING_QUANTILE) {
                status = parse_quantiles(weft_json_get(item, "quantiles"), where, quantiles, fitted);
            } else if (scaling == WEFT_SCALING_STANDARD) {
                status = require_number(item, where, "mean", -1e300, fitted);
                status = status == WEFT_OK ? require_number(item, where, "sd", 1e-300, fitted + 1) : status;
            }
        }
    }
    return status;
}

static weft_status parse_schema(weft_json_value root, const char *name, weft_schema *s)
{
    weft_json_value columns = weft_json_get(root, "columns");
    int scaling = 0, task = 0;
    int64_t format = 0;
    weft_status status = weft_json_take_integer(root, name, "format", 0, INT32_MAX, &format);
    if (status == WEFT_OK && format != schema_format)
        status = weft_fail(WEFT_ERROR_UNSUPPORTED, "%s: schema format %lld; this build reads format %d", name, (long long)format,
                           (int)schema_format);
    if (status == WEFT_OK)
        status = take_copy(root, name, "file", &s->file);
    if (status == WEFT_OK)
        status = weft_json_take_integer(root, name, "rows", 0, INT64_MAX / 2, &s->file_rows);
    if (status == WEFT_OK)
        status = weft_json_take_integer(root, name, "train_rows", 0, INT64_MAX / 2, &s->train_rows);
    if (status == WEFT_OK)
        status = take_word(root, name, "task", weft_task_names, WEFT_TASKS, &task);
    if (status == WEFT_OK)
        status = take_word(root, name, "scaling", weft_scaling_names, WEFT_SCALINGS, &scaling);
    s->task = (weft_task)task;
    for (int c = 0; c < s->n_columns && status == WEFT_OK; c++)
        status = parse_column(weft_json_item(columns, c), name, c, s);
    if (status == WEFT_OK && s->target < 0)
        status = weft_fail(WEFT_ERROR_FORMAT, "%s: no column is of kind \"target\"", name);
    if (status == WEFT_OK)
        status = weft_schema_layout(s);
    if (status == WEFT_OK && weft_schema_inputs(s) == 0)
        status = weft_fail(WEFT_ERROR_FORMAT, "%s: no column is an input of the model", name);
    if (status == WEFT_OK)
        status = parse_scaling(columns, name, (weft_scaling)scaling, s);
    return status;
}

weft_status weft_schema_parse(weft_json_value root, const char *name, weft_schema **out)
{
    *out = NULL;
    weft_json_value columns = weft_json_get(root, "columns");
    int64_t count = weft_json_size(columns);
    if (weft_json_kind_of(root) != WEFT_JSON_OBJECT || weft_json_kind_of(columns) != WEFT_JSON_LIST || count < 1 ||
        count > most_columns)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: a schema is an object with a list \"columns\" of 1 to %d entries", name,
                         (int)most_columns);
    weft_schema *s = NULL;
    weft_status status = weft_schema_new((int)count, &s);
    if (status == WEFT_OK)
        status = parse_schema(root, name, s);
    if (status != WEFT_OK) {
        weft_schema_free(s);
        return status;
    }
    *out = s;
    return WEFT_OK;
}

weft_status weft_schema_load(const char *path, weft_schema **out)
{
    *out = NULL;
    weft_json *json = NULL;
    weft_status status = weft_json_read(path, &json);
    if (status == WEFT_OK)
        status = weft_schema_parse(weft_json_root(json), path, out);
    weft_json_free(json);
    return status;
}
