/* Reading, writing and changing candidates.safetensors. */
#include "tabular/candidates.h"

#include "base/files.h"
#include "tabular/model.h"
#include "train/checkpoint.h"
#include "weft/train.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

/* Metadata keys. */
static const char key_sum[] = "xxh64", key_trained[] = "trained_xxh64", key_next[] = "next_row";

static const char *const names[] = {"x_num", "x_bin", "x_cat", "y", "row"};
enum { NAMES = sizeof names / sizeof names[0] };

/* ---- checksums ---- */

/* Of what tensors hold, whatever their order in the file; with `next` and `trained` also of the metadata. */
static weft_status content_sum(const weft_arrays *arrays, const char *next, const char *trained, char out[WEFT_CANDIDATES_SUM])
{
    weft_text text = {0};
    char dims[WEFT_DIMS_TEXT];
    weft_tensor t;
    for (int i = 0; i < NAMES; i++)
        if (weft_arrays_find(arrays, names[i], &t))
            weft_text_add(&text, "%s %s %s %016llx\n", names[i], weft_dtype_name(t.dtype), weft_dims_text(t.dims, dims),
                          (unsigned long long)weft_checksum(t.data, weft_tensor_bytes(t)));
    if (next)
        weft_text_add(&text, "%s %s\n", next, trained);
    weft_status status = text.failed ? weft_fail(WEFT_ERROR_MEMORY, "a checksum: memory is short") : WEFT_OK;
    if (status == WEFT_OK)
        snprintf(out, WEFT_CANDIDATES_SUM, "%016llx", (unsigned long long)weft_checksum(text.data, text.length));
    weft_text_free(&text);
    return status;
}

weft_status weft_candidates_check(const weft_arrays *arrays, const char *path, const char *trained)
{
    const char *sum = weft_arrays_metadata(arrays, key_sum), *of = weft_arrays_metadata(arrays, key_trained),
               *next = weft_arrays_metadata(arrays, key_next);
    if (!sum && !trained)
        return WEFT_OK;
    if (!sum || !of || !next)
        return weft_fail(WEFT_ERROR_FORMAT,
                         "%s: its checksums are missing, and config.json says %s: the file is not this model's", path,
                         trained ? trained : "nothing");
    char found[WEFT_CANDIDATES_SUM];
    weft_status status = content_sum(arrays, next, of, found);
    if (status == WEFT_OK && strcmp(found, sum) != 0)
        status = weft_fail(WEFT_ERROR_FORMAT, "%s: the checksum of its content is %s, it should be %s: the file is damaged", path,
                           found, sum);
    if (status == WEFT_OK && trained && strcmp(of, trained) != 0)
        status = weft_fail(WEFT_ERROR_FORMAT, "%s: it belongs to a model trained on rows with checksum %s, config.json says %s",
                           path, of, trained);
    return status;
}

/* ---- saving and opening ---- */

weft_status weft_candidates_save(const char *path, const weft_table *t, int64_t next_row, const char *trained,
                                 char sum[WEFT_CANDIDATES_SUM])
{
    weft_arrays *arrays = NULL;
    weft_status status = weft_arrays_new(&arrays);
    const weft_tensor tensors[NAMES] = {
        {t->x_num, WEFT_F32, DIMS(t->rows, t->n_num)},
        {t->x_bin, WEFT_F32, DIMS(t->rows, t->n_bin)},
        {t->x_cat, WEFT_I64, DIMS(t->rows, t->n_cat)},
        {t->y ? (void *)t->y : t->label, t->y ? WEFT_F32 : WEFT_I64, DIMS(t->rows)},
        {t->row, WEFT_I64, DIMS(t->rows)},
    };
    for (int i = 0; i < NAMES && status == WEFT_OK; i++)
        if (tensors[i].dims.rank == 1 || tensors[i].dims.size[1] > 0)
            status = weft_arrays_add(arrays, names[i], tensors[i]);
    char next[24], own[WEFT_CANDIDATES_SUM];
    snprintf(next, sizeof next, "%lld", (long long)next_row);
    if (status == WEFT_OK && !trained && (status = content_sum(arrays, NULL, NULL, sum)) == WEFT_OK)
        trained = sum;
    if (status == WEFT_OK)
        status = content_sum(arrays, next, trained, own);
    const char *const metadata[][2] = {{key_sum, own}, {key_trained, trained}, {key_next, next}};
    for (int i = 0; i < 3 && status == WEFT_OK; i++)
        status = weft_arrays_set_metadata(arrays, metadata[i][0], metadata[i][1]);
    if (status == WEFT_OK)
        status = weft_safetensors_save(arrays, path);
    weft_arrays_free(arrays);
    return status;
}

/* The columns of arrays that weft_rows_from_arrays has found in order. */
static weft_status as_table(const weft_tabular_config *c, const weft_arrays *arrays, const weft_rows_data *rows, weft_table **out)
{
    weft_table *t = NULL;
    weft_status status = weft_table_new(rows->rows, (int)c->n_num_features, (int)c->n_bin_features, c->n_cat, 0, &t);
    if (status != WEFT_OK)
        return status;
    size_t n = (size_t)t->rows;
    weft_tensor codes;
    if (t->n_num)
        memcpy(t->x_num, rows->x_num, n * (size_t)t->n_num * sizeof *t->x_num);
    if (t->n_bin)
        memcpy(t->x_bin, rows->x_bin, n * (size_t)t->n_bin * sizeof *t->x_bin);
    if (t->n_cat && weft_arrays_find(arrays, "x_cat", &codes))
        memcpy(t->x_cat, codes.data, n * (size_t)t->n_cat * sizeof *t->x_cat);
    t->y = rows->y ? malloc((n + 1) * sizeof *t->y) : NULL;
    t->label = rows->label ? malloc((n + 1) * sizeof *t->label) : NULL;
    if (!t->y && !t->label) {
        weft_table_free(t);
        return weft_fail(WEFT_ERROR_MEMORY, "%lld candidates do not fit in memory", (long long)rows->rows);
    }
    if (t->y)
        memcpy(t->y, rows->y, n * sizeof *t->y);
    else
        memcpy(t->label, rows->label, n * sizeof *t->label);
    memcpy(t->row, rows->row, n * sizeof *t->row);
    *out = t;
    return WEFT_OK;
}

/* Row numbers, and the next one to be given. */
static weft_status read_numbers(const weft_arrays *arrays, const char *path, weft_rows_data *rows, int64_t *next_row)
{
    weft_tensor row;
    int64_t next = rows->rows;
    if (weft_arrays_find(arrays, "row", &row)) {
        if (row.dtype != WEFT_I64 || row.dims.rank != 1 || row.dims.size[0] != rows->rows)
            return weft_fail(WEFT_ERROR_FORMAT, "%s: tensor \"row\" does not hold one I64 number a row", path);
        for (int64_t i = 0; i < rows->rows; i++) {
            rows->row[i] = ((const int64_t *)row.data)[i];
            if (rows->row[i] < 0 || rows->row[i] >= INT64_MAX / 4)
                return weft_fail(WEFT_ERROR_FORMAT, "%s: tensor \"row\" holds %lld at place %lld, which is no row's number", path,
                                 (long long)rows->row[i], (long long)i);
            next = rows->row[i] >= next ? rows->row[i] + 1 : next;
        }
    }
    const char *text = weft_arrays_metadata(arrays, key_next);
    char *end = NULL;
    errno = 0;
    long long kept = text ? strtoll(text, &end, 10) : next;
    if (text && (errno || end == text || *end || kept < next || kept >= INT64_MAX / 4))
        return weft_fail(WEFT_ERROR_FORMAT, "%s: its next row number is \"%s\", expected %lld or more", path, text,
                         (long long)next);
    *next_row = kept;
    return WEFT_OK;
}

weft_status weft_candidates_open(const char *path, const weft_tabular_config *c, const char *trained, weft_rows_data **rows,
                                 weft_table **table, int64_t *next_row)
{
    weft_arrays *arrays = NULL;
    weft_rows_data *data = NULL;
    weft_tensor y;
    int64_t next = 0;
    weft_status status = weft_safetensors_open(path, &arrays);
    if (status == WEFT_OK)
        status = weft_candidates_check(arrays, path, trained);
    if (status == WEFT_OK)
        status = weft_rows_from_arrays(c, arrays, "", path, &data);
    if (status == WEFT_OK && !data)
        status = weft_fail(WEFT_ERROR_FORMAT, "%s: holds no x_num, x_bin or x_cat", path);
    if (status == WEFT_OK && !weft_arrays_find(arrays, "y", &y))
        status = weft_fail(WEFT_ERROR_FORMAT, "%s: tensor \"y\" is missing", path);
    if (status == WEFT_OK)
        status = read_numbers(arrays, path, data, &next);
    if (status == WEFT_OK && table)
        status = as_table(c, arrays, data, table);
    weft_arrays_free(arrays);
    if (status == WEFT_OK && next_row)
        *next_row = next;
    if (status == WEFT_OK && rows)
        *rows = data;
    else
        weft_rows_free(data);
    return status;
}

/* ---- changing ---- */

static void append(weft_table *to, int64_t at, const weft_table *from, int64_t row, int64_t shift)
{
    if (to->n_num)
        memcpy(to->x_num + at * to->n_num, from->x_num + row * to->n_num, (size_t)to->n_num * sizeof *to->x_num);
    if (to->n_bin)
        memcpy(to->x_bin + at * to->n_bin, from->x_bin + row * to->n_bin, (size_t)to->n_bin * sizeof *to->x_bin);
    if (to->n_cat)
        memcpy(to->x_cat + at * to->n_cat, from->x_cat + row * to->n_cat, (size_t)to->n_cat * sizeof *to->x_cat);
    if (to->y)
        to->y[at] = from->y[row];
    if (to->label)
        to->label[at] = from->label[row];
    to->row[at] = from->row[row] + shift;
}

weft_status weft_candidates_join(const weft_table *a, const bool *keep, const weft_table *b, int64_t shift, weft_table **out)
{
    int64_t rows = b ? b->rows : 0, at = 0;
    for (int64_t i = 0; i < a->rows; i++)
        rows += !keep || keep[i];
    weft_table *t = NULL;
    weft_status status = weft_table_new(rows, a->n_num, a->n_bin, a->n_cat, 0, &t);
    if (status != WEFT_OK)
        return status;
    t->y = a->y ? malloc(((size_t)rows + 1) * sizeof *t->y) : NULL;
    t->label = a->label ? malloc(((size_t)rows + 1) * sizeof *t->label) : NULL;
    if (!t->y && !t->label) {
        weft_table_free(t);
        return weft_fail(WEFT_ERROR_MEMORY, "%lld candidates do not fit in memory", (long long)rows);
    }
    for (int64_t i = 0; i < a->rows; i++)
        if (!keep || keep[i])
            append(t, at++, a, i, 0);
    for (int64_t i = 0; b && i < b->rows; i++)
        append(t, at++, b, i, shift);
    *out = t;
    return WEFT_OK;
}

weft_status weft_candidates_lock(const char *folder, int *lock)
{
    *lock = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*lock < 0)
        return weft_fail(WEFT_ERROR_FILE, "%s: cannot open it: %s", folder, strerror(errno));
    if (flock(*lock, LOCK_EX | LOCK_NB) == 0) {
        weft_remove_leftovers(folder); /* of a process that was killed */
        return WEFT_OK;
    }
    int reason = errno;
    close(*lock);
    *lock = -1;
    if (reason == EWOULDBLOCK)
        return weft_fail(WEFT_ERROR_FILE, "%s: another process is changing its rows; try again when it has ended", folder);
    return weft_fail(WEFT_ERROR_FILE, "%s: cannot lock it: %s", folder, strerror(reason));
}

/* ---- rows by number ---- */

static bool read_number(const char **at, int64_t *out)
{
    if (!isdigit((unsigned char)**at))
        return false;
    char *end;
    errno = 0;
    long long value = strtoll(*at, &end, 10);
    if (errno)
        return false;
    *at = end;
    *out = value;
    return true;
}

weft_status weft_row_ranges_parse(const char *text, weft_row_ranges *out)
{
    *out = (weft_row_ranges){0};
    for (const char *at = text;; at++) {
        int64_t first, last;
        bool fine = read_number(&at, &first);
        last = first;
        if (fine && *at == '-') {
            at++;
            fine = read_number(&at, &last) && last >= first;
        }
        if (!fine || (*at && *at != ',')) {
            weft_row_ranges_free(out);
            return weft_fail(WEFT_ERROR_ARGUMENT,
                             "rows \"%s\": numbers and ranges parted by commas are expected, as in 3,17,40-52", text);
        }
        int64_t(*grown)[2] = realloc(out->range, ((size_t)out->count + 1) * sizeof *grown);
        if (!grown) {
            weft_row_ranges_free(out);
            return weft_fail(WEFT_ERROR_MEMORY, "rows: memory is short");
        }
        out->range = grown;
        grown[out->count][0] = first;
        grown[out->count++][1] = last;
        if (!*at)
            return WEFT_OK;
    }
}

void weft_row_ranges_free(weft_row_ranges *r)
{
    free(r->range);
    *r = (weft_row_ranges){0};
}

typedef struct numbered {
    int64_t number, place;
} numbered;

static int by_number(const void *a, const void *b)
{
    const numbered *x = a, *y = b;
    return (x->number > y->number) - (x->number < y->number);
}

/* The first place in `order` [rows] whose number is not below `number`. */
static int64_t lower_bound(const numbered *order, int64_t rows, int64_t number)
{
    int64_t low = 0;
    for (int64_t high = rows; low < high;) {
        int64_t middle = low + (high - low) / 2;
        if (order[middle].number < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

weft_status weft_row_ranges_leave_out(const weft_row_ranges *r, const weft_table *t, bool *keep, int64_t *gone)
{
    *gone = 0;
    numbered *order = malloc(((size_t)t->rows + 1) * sizeof *order);
    if (!order)
        return weft_fail(WEFT_ERROR_MEMORY, "rows: memory is short");
    for (int64_t i = 0; i < t->rows; i++) {
        keep[i] = true;
        order[i] = (numbered){t->row[i], i};
    }
    qsort(order, (size_t)t->rows, sizeof *order, by_number);
    weft_status status = WEFT_OK;
    for (int k = 0; k < r->count && status == WEFT_OK; k++) {
        int64_t first = r->range[k][0], last = r->range[k][1], at = lower_bound(order, t->rows, first);
        bool found = at < t->rows && order[at].number <= last;
        for (; at < t->rows && order[at].number <= last; at++) {
            *gone += keep[order[at].place];
            keep[order[at].place] = false;
        }
        if (!found && first == last)
            status = weft_fail(WEFT_ERROR_ARGUMENT, "row %lld is not among the %lld training rows that the model looks at",
                               (long long)first, (long long)t->rows);
        else if (!found)
            status = weft_fail(WEFT_ERROR_ARGUMENT, "none of the rows %lld-%lld is among the %lld that the model looks at",
                               (long long)first, (long long)last, (long long)t->rows);
    }
    free(order);
    return status;
}
