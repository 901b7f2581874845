/* Prediction in batches of fixed size; a row's result does not depend on the rows beside it, so the last batch is padded. */
#include "graph/engine.h"
#include "tabular/ensemble.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PREDICT_BATCH = 512 };
static const size_t KNOWN_MOST =
    (size_t)1 << 30; /* bytes; what more candidates say is computed for each batch that looks at them */

struct weft_predictor {
    weft_engine *engine;
    const weft_tabular_config *config;
    weft_params *params;
    const weft_rows_data *candidates;
    weft_ensemble *ensemble; /* more than one member: nothing below is used */
    /* tabr */
    weft_retriever *retriever;
    weft_tabr_runner *runner;
    int64_t runner_batch;
    int64_t *context; /* [batch, m] */
    weft_known known; /* for many rows: what the candidates say */
    weft_tabr_runner *bulk;
    bool fresh; /* known is that of the weights as they are */
    /* mlp */
    weft_graph *graph;
    weft_plan *plan;
    weft_session *session;
    int64_t batch;
};

static weft_status open_mlp(weft_predictor *p)
{
    p->batch = PREDICT_BATCH;
    p->graph = weft_graph_new(WEFT_F32);
    if (!p->graph)
        return WEFT_ERROR_MEMORY;
    weft_value y = weft_mlp_build(p->graph, p->config, p->batch, false, false);
    weft_status status = weft_compile(p->engine, p->graph, NULL, 0, &y, 1, &p->plan);
    return status == WEFT_OK ? weft_session_new(p->plan, &p->params, 1, &p->session) : status;
}

static const char *const fetches[] = {"probs", "similarities"};

static weft_status make_context(weft_predictor *p, int64_t batch)
{
    int64_t *context = realloc(p->context, (size_t)(batch * p->config->context_size) * sizeof *context);
    if (!context)
        return weft_fail(WEFT_ERROR_MEMORY, "predict: memory is short");
    p->context = context;
    p->batch = batch;
    return WEFT_OK;
}

/* Batches of this size, which encode the candidates that they look at: of a single row, m of them. */
static weft_status open_tabr(weft_predictor *p, int64_t batch)
{
    if (p->runner && p->runner_batch == batch)
        return make_context(p, batch);
    weft_tabr_runner_free(p->runner);
    p->runner = NULL;
    p->runner_batch = batch;
    int64_t m = p->config->context_size, most = batch * m;
    weft_tabr_form form = {.batch = batch,
                           .capacity = most < p->candidates->rows ? most : p->candidates->rows,
                           .folded = weft_tabr_folds(p->config)};
    weft_status status = make_context(p, batch);
    if (status != WEFT_OK)
        return status;
    return weft_tabr_runner_new(p->engine, p->config, &form, WEFT_F32, p->params, false, fetches, 2, &p->runner);
}

/* Whether so many rows are better predicted from what all candidates say than batch by batch. */
static bool takes_known(const weft_predictor *p, int64_t rows)
{
    int64_t N = p->candidates->rows;
    return p->config->design < 0 && weft_known_bytes(p->config, N) <= KNOWN_MOST &&
           (p->fresh ? rows > 1 : rows >= N / p->config->context_size + 1);
}

static weft_status open_known(weft_predictor *p)
{
    weft_status status = make_context(p, PREDICT_BATCH);
    if (status == WEFT_OK && !p->fresh)
        status = weft_known_refresh(&p->known, p->engine, p->config, p->params, p->candidates);
    p->fresh = status == WEFT_OK;
    if (status != WEFT_OK || p->bulk)
        return status;
    weft_tabr_form form = {.batch = PREDICT_BATCH, .folded = weft_tabr_folds(p->config), .known = p->candidates->rows};
    status = weft_tabr_runner_new(p->engine, p->config, &form, WEFT_F32, p->params, false, fetches, 2, &p->bulk);
    return status == WEFT_OK ? weft_tabr_runner_know(p->bulk, &p->known) : status;
}

weft_status weft_predictor_new(weft_engine *engine, const weft_tabular_config *config, weft_params *params,
                               const weft_rows_data *candidates, weft_predictor **out)
{
    *out = NULL;
    weft_predictor *p = calloc(1, sizeof *p);
    if (!p)
        return weft_fail(WEFT_ERROR_MEMORY, "predict: memory is short");
    *p = (weft_predictor){.engine = engine, .config = config, .params = params, .candidates = candidates};
    weft_status status;
    if (config->members > 1)
        status = weft_ensemble_new(engine, config, params, candidates, &p->ensemble);
    else if (config->arch == WEFT_TABULAR_MLP)
        status = open_mlp(p);
    else
        status = weft_retriever_new(engine, config, WEFT_F32, candidates, true, &p->retriever);
    if (status == WEFT_OK && !p->ensemble)
        status = weft_predictor_refresh(p);
    if (status != WEFT_OK) {
        weft_predictor_free(p);
        return status;
    }
    *out = p;
    return WEFT_OK;
}

void weft_predictor_free(weft_predictor *p)
{
    if (!p)
        return;
    weft_ensemble_free(p->ensemble);
    weft_retriever_free(p->retriever);
    weft_tabr_runner_free(p->runner);
    weft_tabr_runner_free(p->bulk);
    weft_known_free(&p->known);
    weft_session_free(p->session);
    weft_plan_free(p->plan);
    weft_graph_free(p->graph);
    free(p->context);
    free(p);
}

weft_status weft_predictor_refresh(weft_predictor *p)
{
    if (p->ensemble)
        return weft_ensemble_refresh(p->ensemble);
    p->fresh = false;
    return p->retriever ? weft_retriever_refresh(p->retriever, p->params, false, 0, 0) : WEFT_OK;
}

static weft_status run_tabr(weft_predictor *p, const weft_rows_data *rows, bool own, double *output, int64_t *context,
                            double *probs, double *distance)
{
    bool known = takes_known(p, rows->rows);
    weft_status status = known ? open_known(p) : open_tabr(p, rows->rows == 1 ? 1 : PREDICT_BATCH);
    weft_tabr_runner *runner = known ? p->bulk : p->runner;
    int64_t m = p->config->context_size, width = weft_tabular_outputs(p->config);
    int64_t *mine = malloc((size_t)(p->batch + 1) * sizeof *mine);
    if (!mine && status == WEFT_OK)
        status = weft_fail(WEFT_ERROR_MEMORY, "predict: memory is short");
    for (int64_t from = 0; from < rows->rows && status == WEFT_OK; from += p->batch) {
        int64_t n = from + p->batch < rows->rows ? p->batch : rows->rows - from;
        for (int64_t i = 0; i < p->batch; i++)
            mine[i] = rows->first + (i < n ? from + i : from + n - 1);
        if (own)
            status = weft_retriever_find_own(p->retriever, mine, n, m, p->context);
        else
            status = weft_retriever_find(p->retriever, p->params, rows, from, n, m, p->context);
        for (int64_t i = n; i < p->batch; i++)
            memcpy(p->context + i * m, p->context + (n - 1) * m, (size_t)m * sizeof *p->context);
        /* a row's own place among the candidates does not matter any more: it is bound as a query */
        if (status == WEFT_OK)
            status = weft_tabr_runner_bind(runner, p->candidates, NULL, rows, from, p->context);
        weft_session *session = weft_tabr_runner_session(runner);
        weft_tensor y, w, d;
        if (status != WEFT_OK || (status = weft_run(session)) != WEFT_OK ||
            (status = weft_fetch(session, "output", &y)) != WEFT_OK || (status = weft_fetch(session, "probs", &w)) != WEFT_OK ||
            (status = weft_fetch(session, "similarities", &d)) != WEFT_OK)
            break;
        for (int64_t k = 0; k < n * width; k++)
            output[from * width + k] = (double)((const float *)y.data)[k];
        int64_t wide = w.dims.size[1], before = wide - m; /* the ablation designs put the row itself before its context */
        for (int64_t k = 0; probs && k < n * m; k++)
            probs[from * m + k] = (double)((const float *)w.data)[k / m * wide + before + k % m];
        for (int64_t k = 0; distance && k < n * m; k++)
            distance[from * m + k] = -(double)((const float *)d.data)[k / m * wide + before + k % m];
        if (context)
            memcpy(context + from * m, p->context, (size_t)(n * m) * sizeof *context);
    }
    free(mine);
    return status;
}

/* The first m of m + 1 neighbours, nearest first, without one of them. */
static void leave_out(const int64_t *nearest, int64_t m, int64_t removed, int64_t *out)
{
    for (int64_t j = 0, at = 0; at < m; j++)
        if (nearest[j] != removed)
            out[at++] = nearest[j];
}

weft_status weft_predictor_without(weft_predictor *p, const weft_rows_data *rows, const int64_t *removed, int64_t k,
                                   double *output)
{
    if (p->ensemble)
        return weft_ensemble_without(p->ensemble, rows, removed, k, output);
    int64_t m = p->config->context_size, width = weft_tabular_outputs(p->config), pairs = rows->rows * k;
    if (p->candidates->rows <= m)
        return weft_fail(WEFT_ERROR_ARGUMENT, "with %lld training rows none can be left out: each row looks at %lld of them",
                         (long long)p->candidates->rows, (long long)m);
    weft_status status = open_tabr(p, PREDICT_BATCH);
    weft_rows_data *copies = NULL;
    int64_t *nearest = malloc((size_t)((p->batch + 1) * (m + 1)) * sizeof *nearest);
    if (status == WEFT_OK && !nearest)
        status = weft_fail(WEFT_ERROR_MEMORY, "predict: memory is short");
    if (status == WEFT_OK)
        status = weft_rows_new(p->config, p->batch, &copies);
    for (int64_t from = 0; from < pairs && status == WEFT_OK; from += p->batch) {
        int64_t n = from + p->batch < pairs ? p->batch : pairs - from, first = from / k, last = (from + n - 1) / k;
        status = weft_retriever_find(p->retriever, p->params, rows, first, last - first + 1, m + 1, nearest);
        for (int64_t i = 0; i < p->batch && status == WEFT_OK; i++) {
            int64_t pair = from + (i < n ? i : n - 1), row = pair / k;
            weft_rows_copy(copies, i, rows, row);
            leave_out(nearest + (row - first) * (m + 1), m, removed[pair], p->context + i * m);
        }
        if (status == WEFT_OK)
            status = weft_tabr_runner_bind(p->runner, p->candidates, NULL, copies, 0, p->context);
        weft_tensor y;
        weft_session *session = weft_tabr_runner_session(p->runner);
        if (status != WEFT_OK || (status = weft_run(session)) != WEFT_OK ||
            (status = weft_fetch(session, "output", &y)) != WEFT_OK)
            break;
        for (int64_t i = 0; i < n * width; i++)
            output[from * width + i] = (double)((const float *)y.data)[i];
    }
    weft_rows_free(copies);
    free(nearest);
    return status;
}

static weft_status run_mlp(weft_predictor *p, const weft_rows_data *rows, double *output)
{
    weft_status status = WEFT_OK;
    int64_t width = weft_tabular_outputs(p->config);
    /* arrays are padded to a multiple of WEFT_ROWS_CHUNK, itself a multiple of the batch */
    for (int64_t from = 0; from < rows->rows && status == WEFT_OK; from += p->batch) {
        int64_t n = from + p->batch < rows->rows ? p->batch : rows->rows - from;
        weft_tensor y;
        if ((status = weft_rows_bind(p->session, p->graph, "", rows, from, p->batch)) != WEFT_OK ||
            (status = weft_run(p->session)) != WEFT_OK || (status = weft_fetch(p->session, "output", &y)) != WEFT_OK)
            break;
        for (int64_t k = 0; k < n * width; k++)
            output[from * width + k] = (double)((const float *)y.data)[k];
    }
    return status;
}

weft_status weft_predictor_run(weft_predictor *p, const weft_rows_data *rows, bool own, double *output, int64_t *context,
                               double *probs, double *distance)
{
    if (p->ensemble)
        return weft_ensemble_run(p->ensemble, rows, own, output, context, probs, distance);
    return p->retriever ? run_tabr(p, rows, own, output, context, probs, distance) : run_mlp(p, rows, output);
}

/* ---- from outputs to what people read ---- */

void weft_probabilities(const weft_tabular_config *c, int64_t rows, double *output)
{
    if (c->task == WEFT_TASK_BINARY) {
        for (int64_t i = 0; i < rows; i++)
            output[i] = 1 / (1 + exp(-output[i]));
        return;
    }
    for (int64_t i = 0; c->task == WEFT_TASK_MULTICLASS && i < rows; i++) {
        double *row = output + i * c->n_classes, most = row[0], sum = 0;
        for (int64_t k = 1; k < c->n_classes; k++)
            most = row[k] > most ? row[k] : most;
        for (int64_t k = 0; k < c->n_classes; k++)
            sum += row[k] = exp(row[k] - most);
        for (int64_t k = 0; k < c->n_classes; k++)
            row[k] /= sum;
    }
}

weft_status weft_value_metrics(const weft_tabular_config *c, const weft_rows_data *rows, const double *value, double mean,
                               double sd, weft_metrics *out)
{
    int64_t n = rows->rows;
    if (c->task != WEFT_TASK_REGRESSION)
        return weft_metrics_classification(value, rows->label, n, (int)c->n_classes, 0x1p-23, out);
    double *predicted = malloc((size_t)(2 * n + 1) * sizeof *predicted);
    if (!predicted)
        return weft_fail(WEFT_ERROR_MEMORY, "metrics: memory is short");
    double *truth = predicted + n;
    for (int64_t i = 0; i < n; i++) {
        predicted[i] = mean + sd * value[i];
        truth[i] = mean + sd * (double)rows->y[i];
    }
    weft_status status = weft_metrics_regression(predicted, truth, n, out);
    free(predicted);
    return status;
}

weft_status weft_fit_metrics(const weft_tabular_config *c, const weft_rows_data *rows, const double *output, double mean,
                             double sd, weft_metrics *out)
{
    int64_t n = rows->rows * weft_tabular_outputs(c);
    double *value = malloc((size_t)(n + 1) * sizeof *value);
    if (!value)
        return weft_fail(WEFT_ERROR_MEMORY, "metrics: memory is short");
    memcpy(value, output, (size_t)n * sizeof *value);
    weft_probabilities(c, rows->rows, value);
    weft_status status = weft_value_metrics(c, rows, value, mean, sd, out);
    free(value);
    return status;
}
