/* Reading a table and cutting it into parts. */
#include "tabular/prepare.h"
#include "tabular/schema_infer.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static bool same_file(const char *a, const char *b)
{
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* The columns that part the rows, which must not be what is predicted. */
static weft_status set_aside(weft_prepare_options *o, weft_csv *csv)
{
    int column = -1;
    weft_status status = WEFT_OK;
    if (o->group && (status = weft_schema_find_column(csv, o->group, "--group", &column)) == WEFT_OK) {
        o->schema.aside = o->group;
        o->schema.aside_reason = "groups the rows (--group)";
    } else if (status == WEFT_OK && o->split && same_file(o->split, o->data)) {
        o->schema.aside = "split";
        o->schema.aside_reason = "parts the rows (--split)";
    }
    if (status == WEFT_OK && o->schema.aside && o->schema.target && strcmp(o->schema.aside, o->schema.target) == 0)
        status = weft_fail(WEFT_ERROR_ARGUMENT, "%s: the target \"%s\" cannot be the column that %s", o->data, o->schema.target,
                           o->schema.aside_reason);
    return status;
}

static weft_status split_rows(const weft_prepare_options *o, weft_csv *csv, weft_split *split)
{
    int64_t rows = weft_csv_rows(csv);
    if (o->split && same_file(o->split, o->data))
        return weft_split_from_csv(csv, rows, split);
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
    if (o->group)
        return weft_split_by_group(csv, weft_csv_find(csv, o->group), o->val_share, o->test_share, o->schema.seed, split);
    weft_task task;
    int64_t *class_of_row = NULL;
    weft_status status = weft_schema_target(csv, &o->schema, &task, &class_of_row);
    if (status == WEFT_OK &&
        (status = weft_split_random(rows, class_of_row, o->val_share, o->test_share, o->schema.seed, split)) != WEFT_OK)
        weft_fail_in(status, "%s", o->data);
    free(class_of_row);
    return status;
}

/* Rows in no part, whose target is missing, count as training rows, where they will be left out again. */
static weft_status write_split(const weft_split *split, int64_t rows, weft_text *out)
{
    static const char header[] = "split\n";
    const size_t begin = sizeof header - 1;
    weft_text_add(out, "%s", header);
    for (int64_t i = 0; i < rows; i++)
        weft_text_add(out, "%d\n", WEFT_PART_TRAIN);
    for (int part = 0; part < WEFT_PARTS && !out->failed; part++)
        for (int64_t i = 0; i < split->count[part]; i++)
            out->data[begin + 2 * (size_t)split->rows[part][i]] = (char)('0' + part);
    return out->failed ? weft_fail(WEFT_ERROR_MEMORY, "a split of %lld rows: memory is short", (long long)rows) : WEFT_OK;
}

/* Takes the rows without a target out of the parts, so that they are counted and told of once. */
static weft_status drop_unlabelled(const weft_prepare_options *o, weft_csv *csv, weft_split *split, weft_text *warnings)
{
    int target = o->schema.target ? weft_csv_find(csv, o->schema.target) : -1;
    int64_t rows = weft_csv_rows(csv), missing = target < 0 ? 0 : weft_csv_column_at(csv, target).missing;
    if (missing == 0 || missing == rows) /* no such column, or no target at all: inferring the schema says so */
        return WEFT_OK;
    for (int p = 0; p < WEFT_PARTS; p++) {
        int64_t kept = 0, count = split->count[p];
        for (int64_t i = 0; i < count; i++)
            if (!weft_csv_is_missing(weft_csv_cell(csv, split->rows[p][i], target)))
                split->rows[p][kept++] = split->rows[p][i];
        split->count[p] = kept;
        if (count > 0 && kept == 0)
            return weft_fail(WEFT_ERROR_FORMAT, "%s: no row of the %s part has a target \"%s\"", o->data, weft_part_names[p],
                             o->schema.target);
    }
    weft_text_add(warnings, "%s: %lld of %lld rows are left out: their target \"%s\" is missing\n", o->data, (long long)missing,
                  (long long)rows, o->schema.target);
    return WEFT_OK;
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
            return weft_fail(WEFT_ERROR_FORMAT, "%s: no row has a target \"%s\"",
                             i == WEFT_PART_VAL && o->val     ? o->val
                             : i == WEFT_PART_TEST && o->test ? o->test
                                                              : o->data,
                             o->schema.target);
    return WEFT_OK;
}

/* Each line of `lines` with where it was found before it. */
static void add_lines(weft_text *out, const char *where, const char *lines)
{
    for (const char *end; lines && (end = strchr(lines, '\n')) != NULL; lines = end + 1)
        weft_text_add(out, "%s: %.*s\n", where, (int)(end - lines), lines);
}

static weft_status add_warnings(const weft_prepare_options *o, weft_prepared *p)
{
    add_lines(&p->warnings, o->data, p->schema->warnings.data);
    if (p->part[WEFT_PART_VAL])
        add_lines(&p->warnings, o->val ? o->val : "validation part", p->part[WEFT_PART_VAL]->notes.data);
    if (p->part[WEFT_PART_TEST])
        add_lines(&p->warnings, o->test ? o->test : "test part", p->part[WEFT_PART_TEST]->notes.data);
    return p->warnings.failed ? weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", o->data) : WEFT_OK;
}

weft_status weft_prepare(const weft_prepare_options *options, weft_prepared *out)
{
    *out = (weft_prepared){0};
    weft_prepare_options mine = *options, *o = &mine;
    weft_csv *csv = NULL;
    weft_split split = {0};
    weft_status status = weft_csv_read(o->data, &(weft_csv_options){.threads = o->threads}, &csv);
    if (status == WEFT_OK)
        status = set_aside(o, csv);
    if (status == WEFT_OK)
        status = split_rows(o, csv, &split);
    if (status == WEFT_OK)
        status = o->val ? WEFT_OK : write_split(&split, weft_csv_rows(csv), &out->split);
    if (status == WEFT_OK)
        status = drop_unlabelled(o, csv, &split, &out->warnings);
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
    if (status == WEFT_OK)
        status = add_warnings(o, out);
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
    weft_text_free(&p->split);
    weft_text_free(&p->warnings);
    *p = (weft_prepared){0};
}
