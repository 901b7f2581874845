/* Reading a table and cutting it into parts. */
#include "tabular/prepare.h"

#include <stdlib.h>
#include <string.h>

static weft_status split_rows(const weft_prepare_options *o, weft_csv *csv, weft_split *split)
{
    int64_t rows = weft_csv_rows(csv);
    if (o->split) {
        weft_csv *parts = NULL;
        weft_status status = weft_csv_read(o->split, &(weft_csv_options){.threads = o->threads}, &parts);
        if (status == WEFT_OK)
            status = weft_split_from_csv(parts, rows, split);
        weft_csv_free(parts);
        return status;
    }
    if (o->val)
        return weft_split_whole(rows, split);
    weft_task task;
    int64_t *class_of_row = NULL;
    weft_status status = weft_schema_target(csv, &o->schema, &task, &class_of_row);
    if (status == WEFT_OK)
        status = weft_split_random(rows, class_of_row, 0.2, 0.2, o->schema.seed, split);
    free(class_of_row);
    return status;
}

static weft_status apply_file(const weft_prepare_options *o, const char *path, const weft_schema *schema, weft_table **out)
{
    weft_csv *csv = NULL;
    weft_status status = weft_csv_read(path, &(weft_csv_options){.threads = o->threads}, &csv);
    if (status == WEFT_OK)
        status = weft_schema_apply(schema, csv, NULL, weft_csv_rows(csv), true, out);
    weft_csv_free(csv);
    return status;
}

static weft_status check_parts(const weft_prepare_options *o, weft_prepared *p)
{
    for (int i = 0; i < WEFT_PARTS; i++)
        if (p->part[i] && p->part[i]->rows == 0)
            return weft_fail(WEFT_ERROR_ARGUMENT, "%s: no row of the %s part has a target", o->data, weft_part_names[i]);
    return WEFT_OK;
}

weft_status weft_prepare(const weft_prepare_options *o, weft_prepared *out)
{
    *out = (weft_prepared){0};
    weft_csv *csv = NULL;
    weft_split split = {0};
    weft_status status = weft_csv_read(o->data, &(weft_csv_options){.threads = o->threads}, &csv);
    if (status == WEFT_OK)
        status = split_rows(o, csv, &split);
    if (status == WEFT_OK)
        status = weft_schema_infer(csv, &o->schema, split.rows[WEFT_PART_TRAIN], split.count[WEFT_PART_TRAIN], &out->schema);
    for (int i = 0; i < WEFT_PARTS && status == WEFT_OK; i++) {
        const char *file = i == WEFT_PART_VAL ? o->val : i == WEFT_PART_TEST ? o->test : NULL;
        if (file)
            status = apply_file(o, file, out->schema, &out->part[i]);
        else if (split.count[i] > 0)
            status = weft_schema_apply(out->schema, csv, split.rows[i], split.count[i], true, &out->part[i]);
    }
    if (status == WEFT_OK && !out->part[WEFT_PART_VAL])
        status = weft_fail(WEFT_ERROR_ARGUMENT, "%s: there is no validation part, and training stops by it", o->data);
    if (status == WEFT_OK)
        status = check_parts(o, out);
    weft_split_free(&split);
    weft_csv_free(csv);
    if (status != WEFT_OK)
        weft_prepared_free(out);
    return status;
}

void weft_prepared_free(weft_prepared *p)
{
    weft_schema_free(p->schema);
    for (int i = 0; i < WEFT_PARTS; i++)
        weft_table_free(p->part[i]);
    *p = (weft_prepared){0};
}
