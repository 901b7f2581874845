/* Splits. */
#include "tabular/split.h"
#include "base/random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *const weft_part_names[WEFT_PARTS] = {"train", "val", "test"};

void weft_split_free(weft_split *split)
{
    for (int p = 0; p < WEFT_PARTS; p++)
        free(split->rows[p]);
    *split = (weft_split){0};
}

/* Row lists from part[rows]; a part of WEFT_PARTS is none. */
static weft_status split_from_parts(const unsigned char *part, int64_t rows, weft_split *out)
{
    int64_t count[WEFT_PARTS + 1] = {0};
    for (int64_t i = 0; i < rows; i++)
        count[part[i]]++;
    for (int p = 0; p < WEFT_PARTS; p++)
        if (!(out->rows[p] = calloc((size_t)count[p] + 1, sizeof *out->rows[p]))) {
            weft_split_free(out);
            return weft_fail(WEFT_ERROR_MEMORY, "split: no memory for %lld rows", (long long)rows);
        }
    for (int64_t i = 0; i < rows; i++)
        if (part[i] < WEFT_PARTS)
            out->rows[part[i]][out->count[part[i]]++] = i;
    return WEFT_OK;
}

static weft_status no_memory(int64_t rows)
{
    return weft_fail(WEFT_ERROR_MEMORY, "split: no memory for %lld rows", (long long)rows);
}

weft_status weft_split_whole(int64_t rows, weft_split *out)
{
    *out = (weft_split){0};
    unsigned char *part = calloc((size_t)rows + 1, 1);
    if (!part)
        return no_memory(rows);
    weft_status status = split_from_parts(part, rows, out);
    free(part);
    return status;
}

weft_status weft_split_from_csv(weft_csv *csv, int64_t rows, weft_split *out)
{
    *out = (weft_split){0};
    const char *path = weft_csv_path(csv);
    int column = weft_csv_find(csv, "split");
    if (column < 0)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: a split has a column \"split\"; the first column here is \"%s\"", path,
                         weft_csv_column_at(csv, 0).name);
    int64_t lines = weft_csv_rows(csv);
    if (lines != rows)
        return weft_fail(WEFT_ERROR_FORMAT, "%s ends at line %lld with %lld rows, but the table has %lld", path,
                         (long long)(lines ? weft_csv_line(csv, lines - 1) : 1), (long long)lines, (long long)rows);
    unsigned char *part = calloc((size_t)rows + 1, 1);
    if (!part)
        return no_memory(rows);
    weft_status status = WEFT_OK;
    for (int64_t i = 0; i < rows && status == WEFT_OK; i++) {
        weft_cell cell = weft_csv_cell(csv, i, column);
        if (cell.length == 1 && cell.text[0] >= '0' && cell.text[0] <= '2')
            part[i] = (unsigned char)(cell.text[0] - '0');
        else
            status = weft_fail(WEFT_ERROR_FORMAT, "%s line %lld: \"%.*s\" is none of 0 (train), 1 (val), 2 (test)", path,
                               (long long)weft_csv_line(csv, i), (int)(cell.length < 40 ? cell.length : 40),
                               cell.text ? cell.text : "");
    }
    if (status == WEFT_OK)
        status = split_from_parts(part, rows, out);
    free(part);
    for (int p = 0; p < WEFT_PARTS && status == WEFT_OK; p++)
        if (out->count[p] == 0) {
            status = weft_fail(WEFT_ERROR_FORMAT, "%s: no line of 2 to %lld says %d, so the %s part is empty", path,
                               (long long)(lines ? weft_csv_line(csv, lines - 1) : 1), p, weft_part_names[p]);
            weft_split_free(out);
        }
    return status;
}

/* Cuts order[n], one class's rows in random order, into parts. The counts come from where the class begins and ends among all
 * rows, so that the totals are right although each class is rounded; the last row always trains. */
static void cut_class(const int64_t *order, int64_t n, int64_t before, double val_share, double test_share, unsigned char *part)
{
    double rest_val = val_share * (1 - test_share);
    int64_t test = llround(test_share * (double)(before + n)) - llround(test_share * (double)before);
    int64_t val = llround(rest_val * (double)(before + n)) - llround(rest_val * (double)before);
    test = test > n - 1 ? n - 1 : test;
    val = val > n - 1 - test ? n - 1 - test : val;
    for (int64_t i = 0; i < n; i++)
        part[order[i]] = i < test ? WEFT_PART_TEST : i < test + val ? WEFT_PART_VAL : WEFT_PART_TRAIN;
}

/* Rows sorted by class, keeping the random order within a class (counting sort); then each class is cut. */
static weft_status cut_classes(const int64_t *order, const int64_t *class_of_row, int64_t rows, double val_share,
                               double test_share, unsigned char *part)
{
    int64_t classes = 0;
    for (int64_t i = 0; i < rows; i++)
        classes = class_of_row[i] >= classes ? class_of_row[i] + 1 : classes;
    int64_t *start = classes < INT64_MAX / 16 ? calloc((size_t)classes + 2, sizeof *start) : NULL;
    int64_t *sorted = calloc((size_t)rows + 1, sizeof *sorted);
    if (!start || !sorted) {
        free(start);
        free(sorted);
        return no_memory(rows);
    }
    for (int64_t i = 0; i < rows; i++)
        if (class_of_row[i] >= 0)
            start[class_of_row[i] + 2]++;
    for (int64_t k = 0; k < classes; k++)
        start[k + 2] += start[k + 1];
    for (int64_t i = 0; i < rows; i++)
        if (class_of_row[order[i]] >= 0)
            sorted[start[class_of_row[order[i]] + 1]++] = order[i];
    for (int64_t k = 0; k < classes; k++)
        cut_class(sorted + start[k], start[k + 1] - start[k], start[k], val_share, test_share, part);
    free(start);
    free(sorted);
    return WEFT_OK;
}

/* Parts that were asked for must not be empty. */
static weft_status check_shares(int64_t rows, double val_share, double test_share, weft_split *out)
{
    const double share[WEFT_PARTS] = {1, val_share, test_share};
    for (int p = 0; p < WEFT_PARTS; p++)
        if (out->count[p] == 0 && share[p] > 0) {
            weft_split_free(out);
            return weft_fail(WEFT_ERROR_ARGUMENT, "split: %lld rows are too few, the %s part would be empty", (long long)rows,
                             weft_part_names[p]);
        }
    return WEFT_OK;
}

weft_status weft_split_random(int64_t rows, const int64_t *class_of_row, double val_share, double test_share, uint64_t seed,
                              weft_split *out)
{
    *out = (weft_split){0};
    if (!(val_share >= 0 && val_share < 1 && test_share >= 0 && test_share < 1))
        return weft_fail(WEFT_ERROR_ARGUMENT, "split: the shares %g (val) and %g (test) must be at least 0 and below 1",
                         val_share, test_share);
    int64_t *order = calloc((size_t)rows + 1, sizeof *order);
    unsigned char *part = calloc((size_t)rows + 1, 1);
    weft_status status = order && part ? WEFT_OK : no_memory(rows);
    if (status == WEFT_OK) {
        memset(part, class_of_row ? WEFT_PARTS : WEFT_PART_TRAIN, (size_t)rows);
        weft_random_permutation(weft_random_stream(seed, "split"), 0, rows, order);
        if (class_of_row) {
            status = cut_classes(order, class_of_row, rows, val_share, test_share, part);
        } else {
            int64_t test = (int64_t)ceil(test_share * (double)rows), val = (int64_t)ceil(val_share * (double)(rows - test));
            for (int64_t i = 0; i < test + val && i < rows; i++)
                part[order[i]] = i < test ? WEFT_PART_TEST : WEFT_PART_VAL;
        }
    }
    if (status == WEFT_OK)
        status = split_from_parts(part, rows, out);
    free(order);
    free(part);
    return status == WEFT_OK ? check_shares(rows, val_share, test_share, out) : status;
}

/* ---- by groups ---- */

typedef struct member {
    weft_cell cell;
    int64_t row;
} member;

static int by_cell(const void *a, const void *b)
{
    const member *x = a, *y = b;
    size_t least = x->cell.length < y->cell.length ? x->cell.length : y->cell.length;
    int order = memcmp(x->cell.text, y->cell.text, least);
    if (order != 0)
        return order;
    if (x->cell.length != y->cell.length)
        return x->cell.length < y->cell.length ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

static bool same_group(const member *a, const member *b)
{
    return a->cell.length == b->cell.length && memcmp(a->cell.text, b->cell.text, a->cell.length) == 0;
}

static weft_status read_members(weft_csv *csv, int column, member *members)
{
    for (int64_t i = 0; i < weft_csv_rows(csv); i++) {
        members[i] = (member){weft_csv_cell(csv, i, column), i};
        if (weft_csv_is_missing(members[i].cell))
            return weft_fail(WEFT_ERROR_FORMAT, "%s line %lld, column \"%s\": the cell is empty, and its row belongs to no group",
                             weft_csv_path(csv), (long long)weft_csv_line(csv, i), weft_csv_column_at(csv, column).name);
    }
    return WEFT_OK;
}

/* Members sorted by group → the part of each row. start [groups + 1]: where groups begin. */
static void part_groups(const member *members, const int64_t *start, const int64_t *order, int64_t groups, double val_share,
                        double test_share, unsigned char *part)
{
    double rows = (double)start[groups], test = test_share * rows, val = val_share * (rows - test);
    for (int64_t g = 0; g < groups; g++) {
        int64_t from = start[order[g]], to = start[order[g] + 1];
        double half = (double)(to - from) / 2;
        weft_part p = half <= test ? WEFT_PART_TEST : half <= val ? WEFT_PART_VAL : WEFT_PART_TRAIN;
        test -= p == WEFT_PART_TEST ? 2 * half : 0;
        val -= p == WEFT_PART_VAL ? 2 * half : 0;
        for (int64_t i = from; i < to; i++)
            part[members[i].row] = (unsigned char)p;
    }
}

weft_status weft_split_by_group(weft_csv *csv, int column, double val_share, double test_share, uint64_t seed, weft_split *out)
{
    *out = (weft_split){0};
    size_t rows = (size_t)weft_csv_rows(csv);
    member *members = calloc(rows + 1, sizeof *members);
    int64_t *start = calloc(2 * (rows + 1), sizeof *start), *order = start ? start + rows + 1 : NULL, groups = 0;
    unsigned char *part = calloc(rows + 1, 1);
    weft_status status = members && start && part ? read_members(csv, column, members) : no_memory((int64_t)rows);
    if (status == WEFT_OK) {
        qsort(members, rows, sizeof *members, by_cell);
        for (size_t i = 0; i < rows; i++)
            if (i == 0 || !same_group(&members[i - 1], &members[i]))
                start[groups++] = (int64_t)i;
        start[groups] = (int64_t)rows;
        weft_random_permutation(weft_random_stream(seed, "split"), 0, groups, order);
        part_groups(members, start, order, groups, val_share, test_share, part);
        status = split_from_parts(part, (int64_t)rows, out);
    }
    free(members);
    free(start);
    free(part);
    if (status == WEFT_OK && (status = check_shares((int64_t)rows, val_share, test_share, out)) != WEFT_OK)
        weft_fail_in(status, "%s, %lld group%s of rows by column \"%s\"", weft_csv_path(csv), (long long)groups,
                     groups == 1 ? "" : "s", weft_csv_column_at(csv, column).name);
    return status;
}
