/* Distinct values of a column. */
#include "tabular/levels.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A set of cells met so far: open addressing over their order of appearance. */
typedef struct cell_set {
    bool numeric;
    int count, most;
    size_t slots; /* a power of two */
    int *slot;    /* number of the level + 1; 0 is free */
    weft_cell *cell;
    double *value;
} cell_set;

static uint64_t hash_bytes(const void *bytes, size_t length)
{
    const unsigned char *b = bytes;
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ b[i]) * 0x100000001b3u;
    return hash ^ hash >> 31;
}

static weft_status set_new(int most, bool numeric, cell_set *set)
{
    *set = (cell_set){.numeric = numeric, .most = most, .slots = 16};
    while (set->slots < 2 * (size_t)most + 2)
        set->slots *= 2;
    set->slot = calloc(set->slots, sizeof *set->slot);
    set->cell = calloc((size_t)most + 1, sizeof *set->cell);
    set->value = calloc((size_t)most + 1, sizeof *set->value);
    if (!set->slot || !set->cell || !set->value)
        return weft_fail(WEFT_ERROR_MEMORY, "levels: no memory for %d of them", most);
    return WEFT_OK;
}

static void set_free(cell_set *set)
{
    free(set->slot);
    free(set->cell);
    free(set->value);
}

/* The number of a level of the set, or -1 and the slot where it belongs. */
static int set_find(const cell_set *set, weft_cell cell, double value, size_t *at)
{
    uint64_t hash = set->numeric ? hash_bytes(&value, sizeof value) : hash_bytes(cell.text, cell.length);
    for (*at = hash & (set->slots - 1);; *at = (*at + 1) & (set->slots - 1)) {
        int known = set->slot[*at] - 1;
        if (known < 0)
            return -1;
        if (set->numeric ? set->value[known] == value
                         : set->cell[known].length == cell.length &&
                               (cell.length == 0 || memcmp(set->cell[known].text, cell.text, cell.length) == 0))
            return known;
    }
}

/* False when the set is full and the cell is not in it. */
static bool set_add(cell_set *set, weft_cell cell, double value)
{
    size_t at;
    if (set_find(set, cell, value, &at) >= 0)
        return true;
    if (set->count == set->most)
        return false;
    set->cell[set->count] = cell;
    set->value[set->count] = value;
    set->slot[at] = ++set->count;
    return true;
}

static int compare_bytes(const char *a, size_t a_length, const char *b, size_t b_length)
{
    size_t shorter = a_length < b_length ? a_length : b_length;
    int order = shorter ? memcmp(a, b, shorter) : 0;
    return order ? order : (a_length > b_length) - (a_length < b_length);
}

typedef struct sortable {
    char *text;
    double value;
} sortable;

static int by_value(const void *a, const void *b)
{
    double x = ((const sortable *)a)->value, y = ((const sortable *)b)->value;
    return (x > y) - (x < y);
}

static int by_text(const void *a, const void *b)
{
    const char *x = ((const sortable *)a)->text, *y = ((const sortable *)b)->text;
    return compare_bytes(x, strlen(x), y, strlen(y));
}

static weft_status sorted_levels(const cell_set *set, weft_levels *out)
{
    size_t n = (size_t)set->count;
    sortable *order = calloc(n + 1, sizeof *order);
    out->text = calloc(n + 1, sizeof *out->text);
    out->value = set->numeric ? calloc(n + 1, sizeof *out->value) : NULL;
    bool enough = order && out->text && (!set->numeric || out->value);
    for (size_t i = 0; enough && i < n; i++) {
        order[i].text = strndup(set->cell[i].length ? set->cell[i].text : "", set->cell[i].length);
        order[i].value = set->value[i];
        enough = order[i].text != NULL;
    }
    if (!enough) {
        for (size_t i = 0; order && i < n; i++)
            free(order[i].text);
        free(order);
        weft_levels_free(out);
        return weft_fail(WEFT_ERROR_MEMORY, "levels: no memory for %d of them", set->count);
    }
    qsort(order, n, sizeof *order, set->numeric ? by_value : by_text);
    for (size_t i = 0; i < n; i++) {
        out->text[i] = order[i].text;
        if (out->value)
            out->value[i] = order[i].value;
    }
    out->count = set->count;
    free(order);
    return WEFT_OK;
}

/* Continuation bytes must follow a leading byte in the right number; overlong forms, surrogates and zero bytes are no text. */
bool weft_levels_is_text(const char *text, size_t length)
{
    const unsigned char *c = (const unsigned char *)text, *end = c + length;
    while (c < end) {
        int more = *c < 0x80 ? 0 : *c >= 0xc2 && *c < 0xe0 ? 1 : *c >= 0xe0 && *c < 0xf0 ? 2 : *c >= 0xf0 && *c < 0xf5 ? 3 : -1;
        if (more < 0 || *c == 0 || end - c <= more)
            return false;
        uint32_t code = more == 0 ? *c : *c & (0x3fu >> more);
        for (int i = 1; i <= more; i++) {
            if ((c[i] & 0xc0) != 0x80)
                return false;
            code = code << 6 | (c[i] & 0x3fu);
        }
        if ((more == 2 && (code < 0x800 || (code >= 0xd800 && code < 0xe000))) ||
            (more == 3 && (code < 0x10000 || code > 0x10ffff)))
            return false;
        c += more + 1;
    }
    return true;
}

weft_status weft_levels_collect(weft_csv *csv, int column, const int64_t *rows, int64_t count, bool numeric, bool missing,
                                int most, weft_levels *out, bool *more)
{
    *out = (weft_levels){0};
    *more = false;
    cell_set set;
    weft_status status = set_new(most, numeric, &set);
    const double *values = weft_csv_column_at(csv, column).values;
    for (int64_t i = 0; status == WEFT_OK && i < count && !*more; i++) {
        int64_t row = rows ? rows[i] : i;
        double value = numeric ? values[row] + 0.0 : 0; /* -0 is 0 */
        size_t ignored;
        /* Fetching a cell's text is the dear part; a number met before needs none. */
        if (numeric && !isnan(value) && set_find(&set, (weft_cell){0}, value, &ignored) >= 0)
            continue;
        weft_cell cell = weft_csv_cell(csv, row, column);
        if (weft_csv_is_missing(cell)) {
            if (missing)
                *more = !set_add(&set, (weft_cell){"", 0}, -INFINITY);
        } else if (numeric || set_find(&set, cell, value, &ignored) >= 0 || weft_levels_is_text(cell.text, cell.length)) {
            *more = !set_add(&set, cell, value);
        } else {
            status = weft_fail(
                WEFT_ERROR_FORMAT,
                "%s line %lld, column \"%s\": the cell is not text in UTF-8; convert the file (iconv -f latin1 -t utf-8)",
                weft_csv_path(csv), (long long)weft_csv_line(csv, row), weft_csv_column_at(csv, column).name);
        }
    }
    if (status == WEFT_OK)
        status = sorted_levels(&set, out);
    set_free(&set);
    return status;
}

weft_status weft_levels_from(const char *const *text, int count, bool numeric, weft_levels *out)
{
    *out = (weft_levels){.count = count};
    out->text = calloc((size_t)count + 1, sizeof *out->text);
    out->value = numeric ? calloc((size_t)count + 1, sizeof *out->value) : NULL;
    weft_status status = WEFT_OK;
    if (!out->text || (numeric && !out->value))
        status = weft_fail(WEFT_ERROR_MEMORY, "levels: no memory for %d of them", count);
    for (int i = 0; status == WEFT_OK && i < count; i++) {
        const char *t = text[i] ? text[i] : "";
        if (!(out->text[i] = strdup(t))) {
            status = weft_fail(WEFT_ERROR_MEMORY, "levels: out of memory");
            break;
        }
        if (numeric) {
            char *end;
            double value = *t ? strtod(t, &end) : -INFINITY;
            if (*t && (*end || !isfinite(value)))
                status = weft_fail(WEFT_ERROR_FORMAT, "level \"%s\" is not a number, as the others are", t);
            else if (i > 0 && !(value > out->value[i - 1]))
                status = weft_fail(WEFT_ERROR_FORMAT, "level \"%s\" must be larger than \"%s\" before it", t, out->text[i - 1]);
            out->value[i] = value;
        } else if (i > 0 && strcmp(out->text[i - 1], t) >= 0) {
            status = weft_fail(WEFT_ERROR_FORMAT, "level \"%s\" must come after \"%s\" in byte order", t, out->text[i - 1]);
        }
    }
    if (status != WEFT_OK)
        weft_levels_free(out);
    return status;
}

int weft_levels_missing(const weft_levels *levels)
{
    return levels->count > 0 && levels->text[0][0] == 0 ? 0 : -1;
}

int weft_levels_find(const weft_levels *levels, weft_cell cell, double value)
{
    if (weft_csv_is_missing(cell))
        return weft_levels_missing(levels);
    if (levels->value && isnan(value))
        return -1;
    int low = 0, high = levels->count;
    while (low < high) {
        int middle = (low + high) / 2, order;
        if (levels->value)
            order = (value > levels->value[middle]) - (value < levels->value[middle]);
        else
            order = compare_bytes(cell.text, cell.length, levels->text[middle], strlen(levels->text[middle]));
        if (order == 0)
            return middle;
        if (order > 0)
            low = middle + 1;
        else
            high = middle;
    }
    return -1;
}

void weft_levels_free(weft_levels *levels)
{
    for (int i = 0; levels->text && i < levels->count; i++)
        free(levels->text[i]);
    free(levels->text);
    free(levels->value);
    *levels = (weft_levels){0};
}
