/* One training step of a tabular model, up to its gradients. */
#include "graph/engine.h"
#include "tabular/fit.h"
#include "tabular/values.h"

#include <stdlib.h>
#include <string.h>

typedef struct mlp_step {
    weft_graph *graph;
    weft_plan *plan;
    weft_session *session;
} mlp_step;

struct weft_stepper {
    weft_engine *engine;
    const weft_tabular_config *config;
    weft_dtype dtype;
    weft_params *params;
    const weft_rows_data *train;
    int64_t batch, size[2]; /* [0]: the whole batch; [1]: the last, smaller one */
    bool include_self, encoder_drops;
    weft_retriever *retriever;
    weft_values *values; /* NULL: every row is encoded by itself */
    weft_tabr_runner *runner[2];
    mlp_step mlp[2];
    int64_t *context;
    int32_t *frozen;                  /* [train rows, m]; NULL: contexts are searched */
    float *x_num, *x_bin, *x_hot, *y; /* of an MLP's batch */
    int64_t *label;
};

/* A batch can look at so many rows. */
static int64_t capacity_of(const weft_stepper *s, int64_t count)
{
    int64_t most = count * s->config->context_size;
    return most < s->train->rows ? most : s->train->rows;
}

/* Whether a step with sums of vectors of so many distinct values takes at most half the multiply-adds of one that takes each row
 * through W_in, W_K and W_T1. Of the rows that a batch may look at, six tenths are taken to be looked at; a gradient costs twice
 * its value. What embeds the numbers is not counted: it is least with vectors. */
static bool sums_save(const weft_stepper *s, int64_t distinct)
{
    const weft_tabular_config *c = s->config;
    double N = (double)s->train->rows, U = 0.6 * (double)(s->batch + capacity_of(s, s->batch)), d = (double)c->d_main;
    double h = (double)weft_tabr_hidden(c), e = (double)c->num_embeddings.width, F = (double)c->n_num_features;
    double by_row = N * F * e * d + 3 * U * (F * e * d + d * d + d * h);
    double by_value = (double)distinct * (e * d + 3 * e * (d + h));
    return 2 * by_value <= by_row;
}

static weft_status find_values(weft_stepper *s)
{
    weft_status status = weft_values_new(s->train, s->config->n_cat, &s->values);
    if (status == WEFT_OK && !sums_save(s, s->values->start[s->values->features])) {
        weft_values_free(s->values);
        s->values = NULL;
    }
    return status;
}

static weft_status open_retriever(weft_stepper *s)
{
    weft_status status = weft_tabr_sums(s->config) ? find_values(s) : WEFT_OK;
    if (status == WEFT_OK)
        status = weft_retriever_new(s->engine, s->config, s->dtype, s->train, !s->values, &s->retriever);
    return status == WEFT_OK && s->values ? weft_retriever_use_values(s->retriever, s->values) : status;
}

weft_status weft_stepper_new(weft_engine *engine, const weft_tabular_config *config, weft_dtype dtype, weft_params *params,
                             const weft_rows_data *train, int64_t batch, weft_stepper **out)
{
    *out = NULL;
    weft_stepper *s = calloc(1, sizeof *s);
    if (!s)
        return weft_fail(WEFT_ERROR_MEMORY, "training: memory is short");
    *s = (weft_stepper){.engine = engine, .config = config, .dtype = dtype, .params = params, .train = train, .batch = batch};
    s->encoder_drops = config->encoder_n_blocks > 0 && (config->dropout0 > 0 || config->dropout1 > 0);
    size_t B = (size_t)batch;
    s->context = malloc((B * (size_t)config->context_size + 1) * sizeof *s->context);
    s->x_num = malloc((B * (size_t)train->n_num + 1) * sizeof *s->x_num);
    s->x_bin = malloc((B * (size_t)train->n_bin + 1) * sizeof *s->x_bin);
    s->x_hot = malloc((B * (size_t)train->one_hot + 1) * sizeof *s->x_hot);
    s->y = malloc((B + 1) * sizeof *s->y);
    s->label = malloc((B + 1) * sizeof *s->label);
    weft_status status = s->context && s->x_num && s->x_bin && s->x_hot && s->y && s->label
                             ? WEFT_OK
                             : weft_fail(WEFT_ERROR_MEMORY, "training: memory is short");
    if (status == WEFT_OK && config->arch == WEFT_TABULAR_TABR)
        status = open_retriever(s);
    if (status != WEFT_OK) {
        weft_stepper_free(s);
        return status;
    }
    *out = s;
    return WEFT_OK;
}

void weft_stepper_free(weft_stepper *s)
{
    if (!s)
        return;
    weft_retriever_free(s->retriever);
    weft_values_free(s->values);
    for (int i = 0; i < 2; i++) {
        weft_tabr_runner_free(s->runner[i]);
        weft_session_free(s->mlp[i].session);
        weft_plan_free(s->mlp[i].plan);
        weft_graph_free(s->mlp[i].graph);
    }
    free(s->context);
    free(s->frozen);
    free(s->x_num);
    free(s->x_bin);
    free(s->x_hot);
    free(s->y);
    free(s->label);
    free(s);
}

void weft_stepper_include_self(weft_stepper *s, bool include)
{
    s->include_self = include;
}

static weft_status make_frozen(weft_stepper *s, int32_t **out)
{
    int64_t pairs = s->train->rows * s->config->context_size;
    if (s->train->rows > INT32_MAX)
        return weft_fail(WEFT_ERROR_UNSUPPORTED, "contexts of %lld rows cannot be frozen", (long long)s->train->rows);
    *out = malloc(((size_t)pairs + 1) * sizeof **out);
    return *out ? WEFT_OK
                : weft_fail(WEFT_ERROR_MEMORY, "the contexts of %lld rows do not fit in memory", (long long)s->train->rows);
}

weft_status weft_stepper_freeze(weft_stepper *s)
{
    int64_t m = s->config->context_size;
    int32_t *frozen = NULL;
    if (!s->retriever)
        return weft_fail(WEFT_ERROR_ARGUMENT, "an MLP looks at no training rows: there are no contexts to freeze");
    weft_status status = make_frozen(s, &frozen);
    if (status == WEFT_OK)
        status = weft_retriever_refresh(s->retriever, s->params, false, 0, 0);
    for (int64_t from = 0; from < s->train->rows && status == WEFT_OK; from += s->batch) {
        int64_t n = from + s->batch < s->train->rows ? s->batch : s->train->rows - from;
        for (int64_t i = 0; i < n; i++)
            s->label[i] = from + i; /* the batch's row numbers; labels are set again by each step */
        status = weft_retriever_find_own(s->retriever, s->label, n, m, s->context);
        for (int64_t k = 0; k < n * m && status == WEFT_OK; k++)
            frozen[from * m + k] = (int32_t)s->context[k];
    }
    free(s->frozen);
    s->frozen = status == WEFT_OK ? frozen : NULL;
    if (status != WEFT_OK)
        free(frozen);
    return status;
}

int32_t *weft_stepper_frozen(const weft_stepper *s)
{
    return s->frozen;
}

weft_status weft_stepper_restore(weft_stepper *s, const int32_t *frozen)
{
    int64_t pairs = s->train->rows * s->config->context_size;
    for (int64_t k = 0; k < pairs; k++)
        if (frozen[k] < 0 || frozen[k] >= s->train->rows)
            return weft_fail(WEFT_ERROR_FORMAT, "a frozen context names row %ld of %lld", (long)frozen[k],
                             (long long)s->train->rows);
    int32_t *copy = NULL;
    weft_status status = make_frozen(s, &copy);
    if (status != WEFT_OK)
        return status;
    memcpy(copy, frozen, (size_t)pairs * sizeof *copy);
    free(s->frozen);
    s->frozen = copy;
    return WEFT_OK;
}

static weft_status open_tabr(weft_stepper *s, int slot, int64_t count)
{
    weft_tabr_form form = {.batch = count,
                           .capacity = capacity_of(s, count),
                           .training = true,
                           .loss = true,
                           .folded = weft_tabr_folds(s->config),
                           .values = s->values};
    weft_tabr_runner_free(s->runner[slot]);
    s->runner[slot] = NULL;
    s->size[slot] = count;
    return weft_tabr_runner_new(s->engine, s->config, &form, s->dtype, s->params, true, NULL, 0, &s->runner[slot]);
}

static weft_status run_tabr(weft_stepper *s, int slot, const int64_t *rows, int64_t count, uint64_t seed, uint64_t step,
                            weft_session **session)
{
    int64_t m = s->config->context_size;
    weft_status status = WEFT_OK;
    if (s->size[slot] != count && (status = open_tabr(s, slot, count)) != WEFT_OK)
        return status;
    if (s->frozen) {
        for (int64_t i = 0; i < count; i++)
            for (int64_t j = 0; j < m; j++)
                s->context[i * m + j] = s->frozen[rows[i] * m + j];
    } else if ((status = weft_retriever_refresh(s->retriever, s->params, s->encoder_drops, seed, step)) != WEFT_OK) {
        return status;
    } else if (s->include_self) {
        status = weft_retriever_find_own_inclusive(s->retriever, rows, count, m, s->context);
    } else {
        status = weft_retriever_find_own(s->retriever, rows, count, m, s->context);
    }
    if (status != WEFT_OK || (status = weft_tabr_runner_bind(s->runner[slot], s->train, rows, NULL, 0, s->context)) != WEFT_OK)
        return status;
    *session = weft_tabr_runner_session(s->runner[slot]);
    return WEFT_OK;
}

static weft_status open_mlp(weft_stepper *s, int slot, int64_t count)
{
    mlp_step *p = &s->mlp[slot];
    weft_session_free(p->session);
    weft_plan_free(p->plan);
    weft_graph_free(p->graph);
    *p = (mlp_step){.graph = weft_graph_new(s->dtype)};
    if (!p->graph)
        return WEFT_ERROR_MEMORY;
    weft_mlp_build(p->graph, s->config, count, true, true);
    int n = weft_graph_params(p->graph, -1, NULL, NULL);
    weft_value *wrt = calloc((size_t)(2 * n + 1), sizeof *wrt), *wanted = wrt ? wrt + n : NULL;
    if (!wrt)
        return weft_fail(WEFT_ERROR_MEMORY, "training: memory is short");
    wanted[0] = weft_find(p->graph, "loss");
    for (int i = 0; i < n; i++)
        weft_graph_params(p->graph, i, NULL, &wrt[i]);
    weft_status status = weft_gradient(p->graph, wanted[0], (weft_value){0}, wrt, n, wanted + 1);
    for (int i = 0; i < n && status == WEFT_OK; i++) {
        const char *name = NULL;
        weft_graph_params(p->graph, i, &name, NULL);
        wanted[1 + i] = weft_name(p->graph, wanted[1 + i], "grad.%s", name);
    }
    if (status == WEFT_OK)
        status = weft_compile(s->engine, p->graph, NULL, 0, wanted, n + 1, &p->plan);
    free(wrt);
    s->size[slot] = count;
    return status == WEFT_OK ? weft_session_new(p->plan, &s->params, 1, &p->session) : status;
}

static void take_rows(float *to, const float *from, int64_t width, const int64_t *rows, int64_t count)
{
    for (int64_t i = 0; from && i < count; i++)
        memcpy(to + i * width, from + rows[i] * width, (size_t)width * sizeof *to);
}

static weft_status bind_if(weft_session *session, const weft_graph *g, const char *name, weft_tensor t)
{
    return weft_find(g, name).id ? weft_bind(session, name, t) : WEFT_OK;
}

static weft_status run_mlp(weft_stepper *s, int slot, const int64_t *rows, int64_t count, weft_session **session)
{
    weft_status status = WEFT_OK;
    const weft_rows_data *t = s->train;
    if (s->size[slot] != count && (status = open_mlp(s, slot, count)) != WEFT_OK)
        return status;
    take_rows(s->x_num, t->x_num, t->n_num, rows, count);
    take_rows(s->x_bin, t->x_bin, t->n_bin, rows, count);
    take_rows(s->x_hot, t->x_hot, t->one_hot, rows, count);
    for (int64_t i = 0; i < count; i++) {
        s->label[i] = t->label ? t->label[rows[i]] : 0;
        s->y[i] = t->y ? t->y[rows[i]] : (float)s->label[i];
    }
    const weft_graph *g = s->mlp[slot].graph;
    *session = s->mlp[slot].session;
    bool classes = s->config->task == WEFT_TASK_MULTICLASS;
    if ((status = bind_if(*session, g, "x_num", (weft_tensor){s->x_num, WEFT_F32, DIMS(count, t->n_num)})) != WEFT_OK ||
        (status = bind_if(*session, g, "x_bin", (weft_tensor){s->x_bin, WEFT_F32, DIMS(count, t->n_bin)})) != WEFT_OK ||
        (status = bind_if(*session, g, "one_hot", (weft_tensor){s->x_hot, WEFT_F32, DIMS(count, t->one_hot)})) != WEFT_OK)
        return status;
    return weft_bind(*session, "y",
                     (weft_tensor){classes ? (void *)s->label : (void *)s->y, classes ? WEFT_I64 : WEFT_F32, DIMS(count)});
}

weft_status weft_stepper_run(weft_stepper *s, const int64_t *rows, int64_t count, uint64_t seed, uint64_t step, double *loss,
                             weft_session **session)
{
    int slot = count == s->batch ? 0 : 1;
    weft_status status =
        s->retriever ? run_tabr(s, slot, rows, count, seed, step, session) : run_mlp(s, slot, rows, count, session);
    weft_tensor t;
    if (status != WEFT_OK)
        return status;
    weft_seed(*session, seed, step);
    if ((status = weft_run(*session)) != WEFT_OK || (status = weft_fetch(*session, "loss", &t)) != WEFT_OK)
        return status;
    *loss = t.dtype == WEFT_F64 ? ((const double *)t.data)[0] : (double)((const float *)t.data)[0];
    return WEFT_OK;
}
