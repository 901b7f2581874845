/* Permutation importance. */
#include "tabular/importance.h"

#include "base/clock.h"
#include "base/random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The floats of one column in each of the three groups of a row. */
typedef struct block {
    int64_t at[3], width[3];
} block;

static block block_of(const weft_schema *s, int c)
{
    const weft_column *column = s->columns + c;
    block b = {0};
    if (column->num_at >= 0) {
        b.at[0] = column->num_at;
        b.width[0] = column->parts;
    }
    if (column->bin_at >= 0) {
        b.at[1] = column->bin_at;
        b.width[1] = 1;
    }
    if (column->cat_at >= 0) {
        for (int k = 0; k < column->cat_at; k++)
            b.at[2] += s->cardinality[k];
        b.width[2] = s->cardinality[column->cat_at];
    }
    return b;
}

typedef struct measuring {
    weft_tabular_model *model;
    const weft_tabular_folder *folder;
    const weft_measure *measure;
    const weft_rows_data *rows; /* the sample as it is */
    weft_rows_data *shuffled;
    int64_t *order;
} measuring;

/* The block's cells of row order[i] (NULL: of row i) into row i. */
static void set_block(measuring *m, const block *b, const int64_t *order)
{
    const float *from[3] = {m->rows->x_num, m->rows->x_bin, m->rows->x_hot};
    float *to[3] = {m->shuffled->x_num, m->shuffled->x_bin, m->shuffled->x_hot};
    const int64_t stride[3] = {m->rows->n_num, m->rows->n_bin, m->rows->one_hot};
    for (int group = 0; group < 3; group++)
        for (int64_t i = 0; b->width[group] && i < m->rows->rows; i++)
            memcpy(to[group] + i * stride[group] + b->at[group],
                   from[group] + (order ? order[i] : i) * stride[group] + b->at[group], (size_t)b->width[group] * sizeof(float));
}

static weft_status score(measuring *m, const weft_rows_data *rows, double *out)
{
    const weft_tabular_folder *f = m->folder;
    bool regression = f->config.task == WEFT_TASK_REGRESSION;
    weft_predictions said = {0};
    weft_metrics metrics = {0};
    weft_status status = weft_tabular_predict(m->model, rows, false, 0, &said);
    if (status == WEFT_OK)
        status = weft_value_metrics(&f->config, rows, said.value, regression ? f->schema->target_mean : 0,
                                    regression ? f->schema->target_sd : 1, &metrics);
    *out = weft_measure_value(m->measure, &metrics);
    weft_metrics_free(&metrics);
    weft_predictions_free(&said);
    return status;
}

/* A copy of at most `most` rows, drawn without returning them, in their order. */
static weft_status sample(const weft_tabular_config *c, const weft_rows_data *rows, int64_t most, weft_random_key key,
                          weft_rows_data **out)
{
    int64_t n = rows->rows < most ? rows->rows : most, kept = 0;
    int64_t *order = malloc(((size_t)rows->rows + 1) * sizeof *order);
    bool *taken = calloc((size_t)rows->rows + 1, sizeof *taken);
    weft_status status = order && taken ? weft_rows_new(c, n, out) : weft_fail(WEFT_ERROR_MEMORY, "explain: memory is short");
    if (status == WEFT_OK) {
        weft_random_permutation(key, 0, rows->rows, order);
        for (int64_t i = 0; i < n; i++)
            taken[order[i]] = true;
        for (int64_t i = 0; i < rows->rows; i++) {
            if (!taken[i])
                continue;
            weft_rows_copy(*out, kept, rows, i);
            if (rows->y)
                (*out)->y[kept] = rows->y[i];
            if (rows->label)
                (*out)->label[kept] = rows->label[i];
            (*out)->row[kept++] = rows->row[i];
        }
    }
    free(order);
    free(taken);
    return status;
}

static weft_status measure_column(measuring *m, int c, int64_t repeats, uint64_t stream_step, weft_random_key key, double base,
                                  weft_importance *out)
{
    block b = block_of(m->folder->schema, c);
    double mean = 0, square = 0;
    weft_status status = WEFT_OK;
    for (int64_t k = 0; k < repeats && status == WEFT_OK; k++) {
        double got;
        weft_random_permutation(key, stream_step + (uint64_t)k, m->rows->rows, m->order);
        set_block(m, &b, m->order);
        status = score(m, m->shuffled, &got);
        double drop = weft_measure_score(m->measure, base - got), before = drop - mean; /* Welford's sums */
        mean += before / (double)(k + 1);
        square += before * (drop - mean);
    }
    set_block(m, &b, NULL);
    *out = (weft_importance){c, mean, repeats > 1 ? sqrt(square / (double)(repeats - 1)) : 0};
    return status;
}

static int larger_first(const void *a, const void *b)
{
    const weft_importance *x = a, *y = b;
    if (x->drop != y->drop)
        return x->drop < y->drop ? 1 : -1;
    return (x->column > y->column) - (x->column < y->column);
}

weft_status weft_importance_measure(weft_tabular_model *model, const weft_tabular_folder *folder, const weft_rows_data *rows,
                                    const weft_importance_options *o, weft_importances *out)
{
    *out = (weft_importances){0};
    const weft_schema *s = folder->schema;
    weft_random_key key = weft_random_stream(o->seed, "permutation importance");
    weft_rows_data *drawn = NULL;
    measuring m = {.model = model, .folder = folder, .measure = o->measure ? o->measure : weft_measure_of(folder->config.task)};
    weft_status status = sample(&folder->config, rows, o->rows, key, &drawn);
    m.rows = drawn;
    if (status == WEFT_OK)
        status = sample(&folder->config, drawn, drawn->rows, key, &m.shuffled); /* all of them: a copy */
    if (status == WEFT_OK) {
        out->rows = drawn->rows;
        out->list = calloc((size_t)s->n_columns + 1, sizeof *out->list);
        m.order = malloc(((size_t)drawn->rows + 1) * sizeof *m.order);
        status = out->list && m.order ? score(&m, drawn, &out->score) : weft_fail(WEFT_ERROR_MEMORY, "explain: memory is short");
    }
    for (int c = 0; c < s->n_columns; c++)
        out->columns += s->columns[c].num_at >= 0 || s->columns[c].bin_at >= 0 || s->columns[c].cat_at >= 0;
    double begin = weft_clock();
    for (int c = 0; c < s->n_columns && status == WEFT_OK; c++) {
        if (o->seconds > 0 && weft_clock() - begin > o->seconds)
            break;
        const weft_column *column = s->columns + c;
        if (column->num_at < 0 && column->bin_at < 0 && column->cat_at < 0)
            continue;
        uint64_t step = 1 + (uint64_t)out->count * (uint64_t)o->repeats; /* step 0 drew the sample */
        status = measure_column(&m, c, o->repeats, step, key, out->score, &out->list[out->count]);
        out->count++;
        if (o->progress)
            o->progress(o->user, out->count, out->columns);
        if (status == WEFT_OK && weft_interrupted())
            status = weft_fail(WEFT_ERROR_INTERRUPTED, "stopped");
    }
    weft_rows_free(drawn);
    weft_rows_free(m.shuffled);
    free(m.order);
    if (status != WEFT_OK) {
        weft_importances_free(out);
        return status;
    }
    qsort(out->list, (size_t)out->count, sizeof *out->list, larger_first);
    return WEFT_OK;
}

void weft_importances_free(weft_importances *i)
{
    free(i->list);
    *i = (weft_importances){0};
}
