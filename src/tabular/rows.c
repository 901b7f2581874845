/* Rows as the model reads them: numbers, binaries and one-hot blocks, padded so that plans of fixed size can read past the end.
 */
#include "tabular/retrieval.h"
#include "weft/train.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int64_t weft_rows_padded(int64_t rows)
{
    return (rows + WEFT_ROWS_CHUNK - 1) / WEFT_ROWS_CHUNK * WEFT_ROWS_CHUNK;
}

weft_status weft_rows_bind(weft_session *s, const weft_graph *g, const char *prefix, const weft_rows_data *rows, int64_t from,
                           int64_t count)
{
    const struct {
        const char *name;
        float *data;
        int64_t width;
    } inputs[] = {
        {"x_num", rows->x_num, rows->n_num}, {"x_bin", rows->x_bin, rows->n_bin}, {"one_hot", rows->x_hot, rows->one_hot}};
    weft_status status = WEFT_OK;
    for (size_t i = 0; i < sizeof inputs / sizeof inputs[0] && status == WEFT_OK; i++) {
        char name[64];
        snprintf(name, sizeof name, "%s%s", prefix, inputs[i].name);
        int64_t width = inputs[i].width;
        if (inputs[i].data && weft_find(g, name).id)
            status = weft_bind(s, name, (weft_tensor){inputs[i].data + from * width, WEFT_F32, DIMS(count, width)});
    }
    return status;
}

static float *floats(int64_t rows, int64_t width, bool *fine)
{
    if (width == 0)
        return NULL;
    int64_t padded = weft_rows_padded(rows);
    float *data = calloc((size_t)(padded ? padded : 1) * (size_t)width, sizeof *data);
    *fine &= data != NULL;
    return data;
}

weft_status weft_rows_new(const weft_tabular_config *c, int64_t rows, weft_rows_data **out)
{
    *out = NULL;
    weft_rows_data *data = calloc(1, sizeof *data);
    bool fine = data != NULL;
    if (fine) {
        data->rows = rows;
        data->n_num = c->n_num_features;
        data->n_bin = c->n_bin_features;
        data->one_hot = weft_tabular_one_hot_width(c);
        data->x_num = floats(rows, data->n_num, &fine);
        data->x_bin = floats(rows, data->n_bin, &fine);
        data->x_hot = floats(rows, data->one_hot, &fine);
        data->row = calloc((size_t)rows + 1, sizeof *data->row);
        if (c->task == WEFT_TASK_REGRESSION)
            data->y = calloc((size_t)rows + 1, sizeof *data->y);
        else
            data->label = calloc((size_t)rows + 1, sizeof *data->label);
        fine &= data->row && (data->y || data->label);
    }
    if (!fine) {
        weft_rows_free(data);
        return weft_fail(WEFT_ERROR_MEMORY, "a table of %lld rows does not fit in memory", (long long)rows);
    }
    *out = data;
    return WEFT_OK;
}

void weft_rows_free(weft_rows_data *data)
{
    if (!data)
        return;
    free(data->x_num);
    free(data->x_bin);
    free(data->x_hot);
    free(data->y);
    free(data->label);
    free(data->row);
    free(data);
}

weft_status weft_rows_from_part(const weft_tabular_config *c, const weft_table *t, int64_t from, int64_t count,
                                weft_rows_data **out)
{
    weft_status status = weft_rows_new(c, count, out);
    if (status != WEFT_OK)
        return status;
    weft_rows_data *data = *out;
    size_t rows = (size_t)count;
    if (data->x_num)
        memcpy(data->x_num, t->x_num + from * t->n_num, rows * (size_t)data->n_num * sizeof *data->x_num);
    if (data->x_bin)
        memcpy(data->x_bin, t->x_bin + from * t->n_bin, rows * (size_t)data->n_bin * sizeof *data->x_bin);
    int64_t at = 0;
    for (int j = 0; j < c->n_cat; j++) {
        for (int64_t i = 0; i < count; i++) {
            int64_t code = t->x_cat[(from + i) * c->n_cat + j];
            if (code >= 0 && code < c->cat_cardinalities[j])
                data->x_hot[i * data->one_hot + at + code] = 1;
        }
        at += c->cat_cardinalities[j];
    }
    if (data->y && t->y)
        memcpy(data->y, t->y + from, rows * sizeof *data->y);
    if (data->label && t->label)
        memcpy(data->label, t->label + from, rows * sizeof *data->label);
    memcpy(data->row, t->row + from, rows * sizeof *data->row);
    return WEFT_OK;
}

weft_status weft_rows_from_table(const weft_tabular_config *c, const weft_table *t, weft_rows_data **out)
{
    return weft_rows_from_part(c, t, 0, t->rows, out);
}

weft_rows_data weft_rows_view(const weft_rows_data *data, int64_t from, int64_t count)
{
    weft_rows_data view = *data;
    view.rows = count;
    view.first = data->first + from;
    view.x_num = data->x_num ? data->x_num + from * data->n_num : NULL;
    view.x_bin = data->x_bin ? data->x_bin + from * data->n_bin : NULL;
    view.x_hot = data->x_hot ? data->x_hot + from * data->one_hot : NULL;
    view.y = data->y ? data->y + from : NULL;
    view.label = data->label ? data->label + from : NULL;
    view.row = data->row + from;
    return view;
}

uint64_t weft_rows_sum(const weft_rows_data *data, uint64_t before)
{
    const struct {
        const void *data;
        int64_t elements;
        size_t size;
    } parts[] = {{data->x_num, data->rows * data->n_num, sizeof *data->x_num},
                 {data->x_bin, data->rows * data->n_bin, sizeof *data->x_bin},
                 {data->x_hot, data->rows * data->one_hot, sizeof *data->x_hot},
                 {data->y, data->rows, sizeof *data->y},
                 {data->label, data->rows, sizeof *data->label},
                 {data->row, data->rows, sizeof *data->row}};
    enum { PARTS = sizeof parts / sizeof parts[0] };
    uint64_t sums[PARTS + 2] = {before, (uint64_t)data->rows};
    for (int i = 0; i < PARTS; i++)
        if (parts[i].data)
            sums[i + 2] = weft_checksum(parts[i].data, (size_t)parts[i].elements * parts[i].size);
    return weft_checksum(sums, sizeof sums);
}

static void copy_row(float *to, int64_t at, const float *from, int64_t row, int64_t width)
{
    if (to && from)
        memcpy(to + at * width, from + row * width, (size_t)width * sizeof *to);
}

void weft_rows_copy(weft_rows_data *to, int64_t at, const weft_rows_data *from, int64_t row)
{
    copy_row(to->x_num, at, from->x_num, row, from->n_num);
    copy_row(to->x_bin, at, from->x_bin, row, from->n_bin);
    copy_row(to->x_hot, at, from->x_hot, row, from->one_hot);
}
