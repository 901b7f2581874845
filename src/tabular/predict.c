/* What a model says of rows, chunk by chunk. */
#include "tabular/predict.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct weft_tabular_model {
    const weft_tabular_folder *folder;
    weft_predictor *predictor;
};

static weft_status short_of_memory(int64_t rows)
{
    return weft_fail(WEFT_ERROR_MEMORY, "predictions of %lld rows do not fit in memory", (long long)rows);
}

weft_status weft_tabular_model_new(weft_engine *engine, const weft_tabular_folder *folder, weft_tabular_model **out)
{
    *out = NULL;
    weft_tabular_model *model = calloc(1, sizeof *model);
    if (!model)
        return weft_fail(WEFT_ERROR_MEMORY, "a model: memory is short");
    model->folder = folder;
    weft_status status = weft_predictor_new(engine, &folder->config, folder->params, folder->candidates, &model->predictor);
    if (status != WEFT_OK) {
        weft_tabular_model_free(model);
        return status;
    }
    *out = model;
    return WEFT_OK;
}

void weft_tabular_model_free(weft_tabular_model *model)
{
    if (!model)
        return;
    weft_predictor_free(model->predictor);
    free(model);
}

static bool same_bytes(const void *a, const void *b, int64_t elements, size_t size)
{
    return !a || !b ? a == b || elements == 0 : memcmp(a, b, (size_t)elements * size) == 0;
}

bool weft_tabular_are_candidates(const weft_tabular_model *model, const weft_rows_data *rows)
{
    const weft_rows_data *c = model->folder->candidates;
    int64_t n = rows->rows;
    return c && n <= c->rows && same_bytes(rows->row, c->row, n, sizeof *c->row) &&
           same_bytes(rows->x_num, c->x_num, n * c->n_num, sizeof *c->x_num) &&
           same_bytes(rows->x_bin, c->x_bin, n * c->n_bin, sizeof *c->x_bin) &&
           same_bytes(rows->x_hot, c->x_hot, n * c->one_hot, sizeof *c->x_hot) && same_bytes(rows->y, c->y, n, sizeof *c->y) &&
           same_bytes(rows->label, c->label, n, sizeof *c->label);
}

void weft_predictions_free(weft_predictions *p)
{
    free(p->value);
    free(p->remoteness);
    free(p->spread);
    free(p->agreement);
    free(p->neighbor);
    *p = (weft_predictions){0};
}

static weft_status make_room(const weft_tabular_config *c, int64_t rows, bool own, int64_t neighbors, weft_predictions *out)
{
    bool tabr = c->arch == WEFT_TABULAR_TABR, regression = c->task == WEFT_TASK_REGRESSION, fine = true;
    *out = (weft_predictions){.rows = rows, .width = weft_tabular_outputs(c), .neighbors = neighbors};
    size_t n = (size_t)rows + 1;
    fine &= (out->value = calloc(n * (size_t)out->width, sizeof *out->value)) != NULL;
    fine &= !tabr || (out->remoteness = calloc(n, sizeof *out->remoteness)) != NULL;
    fine &= !(tabr && regression) || (out->spread = calloc(n, sizeof *out->spread)) != NULL;
    fine &= !(tabr && own && !regression) || (out->agreement = calloc(n, sizeof *out->agreement)) != NULL;
    fine &= !neighbors || (out->neighbor = calloc(n * (size_t)neighbors, sizeof *out->neighbor)) != NULL;
    if (fine)
        return WEFT_OK;
    weft_predictions_free(out);
    return short_of_memory(rows);
}

/* ---- from a context to what is kept of it ---- */

/* nearest first: mean over the nearest few of the distance */
static double mean_distance(const double *squared, int64_t m)
{
    int64_t few = m < WEFT_REMOTE_OF ? m : WEFT_REMOTE_OF;
    double sum = 0;
    for (int64_t j = 0; j < few; j++)
        sum += sqrt(squared[j] > 0 ? squared[j] : 0);
    return sum / (double)few;
}

static double label_spread(const float *y, const int64_t *context, const double *weight, int64_t m)
{
    double mean = 0, square = 0;
    for (int64_t j = 0; j < m; j++)
        mean += weight[j] * (double)y[context[j]];
    for (int64_t j = 0; j < m; j++) {
        double d = (double)y[context[j]] - mean;
        square += weight[j] * d * d;
    }
    return sqrt(square);
}

static int heavier_first(const void *a, const void *b)
{
    const weft_neighbor *x = a, *y = b;
    if (x->weight != y->weight)
        return x->weight < y->weight ? 1 : -1;
    return (x->candidate > y->candidate) - (x->candidate < y->candidate);
}

typedef struct chunk {
    int64_t *context; /* [rows, m] */
    double *weight, *distance;
    weft_neighbor *list; /* [m] */
} chunk;

static weft_status open_chunk(chunk *s, int64_t rows, int64_t m)
{
    size_t pairs = (size_t)(rows * m) + 1;
    s->context = malloc(pairs * sizeof *s->context);
    s->weight = malloc(2 * pairs * sizeof *s->weight);
    s->distance = s->weight ? s->weight + pairs : NULL;
    s->list = malloc(((size_t)m + 1) * sizeof *s->list);
    return s->context && s->weight && s->list ? WEFT_OK : short_of_memory(rows);
}

static void close_chunk(chunk *s)
{
    free(s->context);
    free(s->weight);
    free(s->list);
}

static void keep(const weft_tabular_model *model, const chunk *s, const weft_rows_data *view, int64_t from, weft_predictions *out)
{
    const weft_rows_data *candidates = model->folder->candidates;
    int64_t m = model->folder->config.context_size;
    for (int64_t i = 0; i < view->rows; i++) {
        const int64_t *context = s->context + i * m;
        const double *weight = s->weight + i * m, *distance = s->distance + i * m;
        out->remoteness[from + i] = mean_distance(distance, m);
        if (out->spread)
            out->spread[from + i] = label_spread(candidates->y, context, weight, m);
        for (int64_t j = 0; out->agreement && j < m; j++)
            out->agreement[from + i] += candidates->label[context[j]] == view->label[i] ? weight[j] : 0;
        if (!out->neighbors)
            continue;
        for (int64_t j = 0; j < m; j++)
            s->list[j] = (weft_neighbor){context[j], weight[j], distance[j]};
        qsort(s->list, (size_t)m, sizeof *s->list, heavier_first);
        memcpy(out->neighbor + (from + i) * out->neighbors, s->list, (size_t)out->neighbors * sizeof *s->list);
    }
}

weft_status weft_tabular_predict(weft_tabular_model *model, const weft_rows_data *rows, bool own, int64_t neighbors,
                                 weft_predictions *out)
{
    const weft_tabular_config *c = &model->folder->config;
    bool tabr = c->arch == WEFT_TABULAR_TABR;
    int64_t m = c->context_size;
    *out = (weft_predictions){0};
    if (neighbors && !tabr)
        return weft_fail(WEFT_ERROR_ARGUMENT, "the model is an MLP, which looks at no training rows");
    if (neighbors > m)
        return weft_fail(WEFT_ERROR_ARGUMENT, "%lld neighbours are asked for, and the model looks at %lld training rows",
                         (long long)neighbors, (long long)m);
    weft_status status = make_room(c, rows->rows, own, neighbors, out);
    chunk s = {0};
    if (status == WEFT_OK && tabr)
        status = open_chunk(&s, rows->rows < WEFT_ROWS_CHUNK ? rows->rows : WEFT_ROWS_CHUNK, m);
    for (int64_t from = 0; from < rows->rows && status == WEFT_OK; from += WEFT_ROWS_CHUNK) {
        int64_t n = from + WEFT_ROWS_CHUNK < rows->rows ? WEFT_ROWS_CHUNK : rows->rows - from;
        weft_rows_data view = weft_rows_view(rows, from, n);
        double *value = out->value + from * out->width;
        status = weft_predictor_run(model->predictor, &view, own && tabr, value, s.context, s.weight, s.distance);
        if (status != WEFT_OK)
            break;
        weft_probabilities(c, n, value);
        if (tabr)
            keep(model, &s, &view, from, out);
    }
    close_chunk(&s);
    if (status != WEFT_OK)
        weft_predictions_free(out);
    return status;
}

weft_status weft_tabular_without(weft_tabular_model *model, const weft_rows_data *rows, const weft_predictions *said,
                                 double *value)
{
    int64_t pairs = said->rows * said->neighbors;
    int64_t *removed = malloc((size_t)(pairs + 1) * sizeof *removed);
    if (!removed)
        return short_of_memory(rows->rows);
    for (int64_t k = 0; k < pairs; k++)
        removed[k] = said->neighbor[k].candidate;
    weft_status status = weft_predictor_without(model->predictor, rows, removed, said->neighbors, value);
    if (status == WEFT_OK)
        weft_probabilities(&model->folder->config, pairs, value);
    free(removed);
    return status;
}
