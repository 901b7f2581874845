/* A schema file as a person edits it: only the kinds of columns and the task are read, so that changing "numerical" into
 * "categorical" needs nothing else; levels, medians and quantiles are measured anew. */
#include "tabular/schema.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { most_columns = 100000 };

void weft_schema_wishes_free(weft_schema_wishes *w)
{
    if (!w)
        return;
    for (int i = 0; w->name && i < w->count; i++)
        free(w->name[i]);
    free(w->name);
    free(w->kind);
    free(w->path);
    free(w);
}

/* The place of a word among `count`; -1 when it is none of them, with an error that lists them. */
static int word_of(const char *word, const char *where, const char *key, const char *const *words, int count)
{
    for (int i = 0; word && i < count; i++)
        if (strcmp(word, words[i]) == 0)
            return i;
    weft_text list = {0};
    for (int i = 0; i < count; i++)
        weft_text_add(&list, "%s%s", i ? ", " : "", words[i]);
    weft_fail(WEFT_ERROR_FORMAT, "%s: \"%s\" is %s; it must be one of %s", where, key, word ? word : "absent",
              list.data ? list.data : "");
    weft_text_free(&list);
    return -1;
}

static weft_status parse_column(weft_json_value object, const char *path, int i, weft_schema_wishes *w)
{
    char where[WEFT_PLACE_TEXT];
    const char *name = weft_json_string(weft_json_get(object, "name"), NULL);
    if (!name)
        return weft_fail(WEFT_ERROR_FORMAT, "%s, column %d: an object with a \"name\" and a \"kind\" is expected", path, i);
    for (int b = 0; b < i; b++)
        if (strcmp(w->name[b], name) == 0)
            return weft_fail(WEFT_ERROR_FORMAT, "%s, column \"%s\" stands there twice", path, name);
    snprintf(where, sizeof where, "%.300s, column \"%.120s\"", path, name);
    int kind =
        word_of(weft_json_string(weft_json_get(object, "kind"), NULL), where, "kind", weft_column_kind_names, WEFT_COLUMN_KINDS);
    if (kind < 0)
        return WEFT_ERROR_FORMAT;
    w->kind[i] = (weft_column_kind)kind;
    w->name[i] = strdup(name);
    return w->name[i] ? WEFT_OK : weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", path);
}

weft_status weft_schema_wishes_parse(weft_json_value root, const char *path, weft_schema_wishes **out)
{
    *out = NULL;
    weft_json_value columns = weft_json_get(root, "columns"), task = weft_json_get(root, "task");
    int64_t count = weft_json_size(columns);
    if (weft_json_kind_of(root) != WEFT_JSON_OBJECT || weft_json_kind_of(columns) != WEFT_JSON_LIST || count > most_columns)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: a schema is an object with a list \"columns\" of at most %d entries", path,
                         (int)most_columns);
    weft_schema_wishes *w = calloc(1, sizeof *w);
    if (!w)
        return weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", path);
    w->task = -1;
    w->count = (int)count;
    w->path = strdup(path);
    w->name = calloc((size_t)count + 1, sizeof *w->name);
    w->kind = calloc((size_t)count + 1, sizeof *w->kind);
    weft_status status = w->path && w->name && w->kind ? WEFT_OK : weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", path);
    for (int i = 0; i < count && status == WEFT_OK; i++)
        status = parse_column(weft_json_item(columns, i), path, i, w);
    if (status == WEFT_OK && weft_json_present(task) &&
        (w->task = word_of(weft_json_string(task, NULL), path, "task", weft_task_names, WEFT_TASKS)) < 0)
        status = WEFT_ERROR_FORMAT;
    if (status != WEFT_OK) {
        weft_schema_wishes_free(w);
        return status;
    }
    *out = w;
    return WEFT_OK;
}

weft_status weft_schema_wishes_load(const char *path, weft_schema_wishes **out)
{
    *out = NULL;
    weft_json *json = NULL;
    weft_status status = weft_json_read(path, &json);
    if (status == WEFT_OK)
        status = weft_schema_wishes_parse(weft_json_root(json), path, out);
    weft_json_free(json);
    return status;
}
