/* The distinct values of a table's features: what an affine encoder of embedded numbers need look at but once a step. */
#include "tabular/values.h"

#include <stdlib.h>
#include <string.h>

static int by_value(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* Where x stands among the ascending values; it is one of them. */
static int64_t place_of(const float *values, int64_t n, float x)
{
    int64_t low = 0, high = n - 1;
    while (low < high) {
        int64_t middle = (low + high) / 2;
        if (values[middle] < x)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void weft_values_free(weft_values *v)
{
    if (!v)
        return;
    free(v->start);
    free(v->value);
    free(v->place);
    free(v);
}

/* The distinct values of feature f, behind those of the features before it. */
static void take_feature(weft_values *v, const weft_rows_data *data, int64_t f, float *column)
{
    float *mine = v->value + v->start[f];
    int64_t n = data->rows, count = 0;
    for (int64_t i = 0; i < n; i++)
        column[i] = data->x_num[i * data->n_num + f];
    qsort(column, (size_t)n, sizeof *column, by_value);
    for (int64_t i = 0; i < n; i++)
        if (i == 0 || column[i] != column[i - 1])
            mine[count++] = column[i];
    v->start[f + 1] = v->start[f] + count;
    for (int64_t i = 0; i < n; i++)
        v->place[i * v->slots + f] = v->start[f] + place_of(mine, count, data->x_num[i * data->n_num + f]);
}

weft_status weft_values_new(const weft_rows_data *data, int n_cat, weft_values **out)
{
    *out = NULL;
    weft_values *v = calloc(1, sizeof *v);
    int64_t padded = weft_rows_padded(data->rows);
    float *column = malloc(((size_t)data->rows + 1) * sizeof *column);
    if (v) {
        v->features = data->n_num;
        v->one_hot = data->one_hot;
        v->slots = data->n_num + n_cat;
        v->start = calloc((size_t)v->features + 1, sizeof *v->start);
        v->value = malloc(((size_t)data->rows * (size_t)data->n_num + 1) * sizeof *v->value);
        v->place = calloc((size_t)(padded * v->slots) + 1, sizeof *v->place);
    }
    if (!v || !column || !v->start || !v->value || !v->place) {
        free(column);
        weft_values_free(v);
        return weft_fail(WEFT_ERROR_MEMORY, "training: memory is short");
    }
    for (int64_t f = 0; f < v->features; f++)
        take_feature(v, data, f, column);
    free(column);
    int64_t numbers = v->start[v->features], none = numbers + v->one_hot;
    for (int64_t i = 0; i < data->rows; i++) {
        int64_t *slot = v->place + i * v->slots + v->features, *end = v->place + (i + 1) * v->slots;
        for (int64_t k = 0; k < data->one_hot && slot < end; k++)
            if (data->x_hot[i * data->one_hot + k] != 0)
                *slot++ = numbers + k;
        while (slot < end)
            *slot++ = none;
    }
    float *exact = realloc(v->value, ((size_t)numbers + 1) * sizeof *v->value);
    if (exact)
        v->value = exact;
    *out = v;
    return WEFT_OK;
}

int64_t weft_values_rows(const weft_values *v)
{
    return v->start[v->features] + v->one_hot + 1;
}
