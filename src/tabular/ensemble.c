/* Members of an ensemble: their weights in one set, their outputs and contexts put together, prediction with all of them. */
#include "tabular/ensemble.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static weft_status short_of_memory(void)
{
    return weft_fail(WEFT_ERROR_MEMORY, "an ensemble: memory is short");
}

/* ---- weights ---- */

weft_status weft_ensemble_take(const weft_params *all, int64_t member, weft_params **out)
{
    char prefix[40];
    int length = snprintf(prefix, sizeof prefix, "members.%lld.", (long long)member);
    weft_status status = weft_params_new(out);
    for (int64_t i = 0; i < weft_params_count(all) && status == WEFT_OK; i++) {
        weft_tensor t;
        const char *name = weft_params_at(all, i, &t);
        if (strncmp(name, prefix, (size_t)length) == 0)
            status = weft_params_set(*out, name + length, t);
    }
    if (status != WEFT_OK) {
        weft_params_free(*out);
        *out = NULL;
    }
    return status;
}

weft_status weft_ensemble_put(weft_params *all, int64_t member, const weft_params *one)
{
    weft_status status = WEFT_OK;
    for (int64_t i = 0; i < weft_params_count(one) && status == WEFT_OK; i++) {
        weft_tensor t;
        weft_text name = {0};
        weft_text_add(&name, "members.%lld.%s", (long long)member, weft_params_at(one, i, &t));
        status = name.failed ? short_of_memory() : weft_params_set(all, name.data, t);
        weft_text_free(&name);
    }
    return status;
}

/* ---- outputs ---- */

/* log(1 + eˣ) without overflow */
static double softplus(double x)
{
    return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x));
}

/* log of the sum of two numbers given by their logs */
static double log_add(double a, double b)
{
    double most = a > b ? a : b, least = a > b ? b : a;
    return most == -INFINITY ? most : most + log1p(exp(least - most));
}

/* Sums of probabilities are carried as logs, so that one close to 0 or to 1 keeps its digits. */
static void mean_of_row(const weft_tabular_config *c, int64_t at, int64_t width, int64_t members, const double *const *outputs,
                        double *out)
{
    if (c->task == WEFT_TASK_REGRESSION) {
        double sum = 0;
        for (int64_t k = 0; k < members; k++)
            sum += outputs[k][at];
        out[at] = sum / (double)members;
        return;
    }
    if (c->task == WEFT_TASK_BINARY) {
        double one = -INFINITY, zero = -INFINITY;
        for (int64_t k = 0; k < members; k++) {
            one = log_add(one, -softplus(-outputs[k][at]));
            zero = log_add(zero, -softplus(outputs[k][at]));
        }
        out[at] = one - zero;
        return;
    }
    for (int64_t j = 0; j < width; j++)
        out[at + j] = -INFINITY;
    for (int64_t k = 0; k < members; k++) {
        const double *z = outputs[k] + at;
        double most = z[0], sum = 0;
        for (int64_t j = 1; j < width; j++)
            most = z[j] > most ? z[j] : most;
        for (int64_t j = 0; j < width; j++)
            sum += exp(z[j] - most);
        double all = most + log(sum);
        for (int64_t j = 0; j < width; j++)
            out[at + j] = log_add(out[at + j], z[j] - all);
    }
    for (int64_t j = 0; j < width; j++)
        out[at + j] -= log((double)members);
}

void weft_ensemble_mean(const weft_tabular_config *c, int64_t rows, int64_t members, const double *const *outputs, double *out)
{
    int64_t width = weft_tabular_outputs(c);
    for (int64_t i = 0; i < rows; i++)
        mean_of_row(c, i * width, width, members, outputs, out);
}

/* log Σ exp z [width] */
static double log_sum(const double *z, int64_t width)
{
    double all = -INFINITY;
    for (int64_t j = 0; j < width; j++)
        all = log_add(all, z[j]);
    return all;
}

/* With q the member's probabilities, p those of the mean, m the mean's logits: binary, m = log p − log(1 − p), so that
 * ∂m/∂z = q (1 − q) / (K p (1 − p)); multiclass, m_j = log p_j, so that ∂m_j/∂z_i = q_j (δ_ij − q_i) / (K p_j). */
void weft_ensemble_mean_gradient(const weft_tabular_config *c, int64_t rows, int64_t members, const double *output,
                                 const double *mean, const double *cotangent, double *out)
{
    int64_t width = weft_tabular_outputs(c);
    for (int64_t i = 0; i < rows; i++) {
        const double *z = output + i * width, *m = mean + i * width, *g = cotangent + i * width;
        double *d = out + i * width, all = 0, sum = 0;
        if (c->task == WEFT_TASK_REGRESSION) {
            d[0] = g[0] / (double)members;
        } else if (c->task == WEFT_TASK_BINARY) {
            double logs = softplus(m[0]) + softplus(-m[0]) - softplus(z[0]) - softplus(-z[0]);
            d[0] = g[0] * exp(logs) / (double)members;
        } else {
            all = log_sum(z, width);
            for (int64_t j = 0; j < width; j++)
                sum += d[j] = g[j] * exp(z[j] - all - m[j]) / (double)members;
            for (int64_t j = 0; j < width; j++)
                d[j] -= exp(z[j] - all) * sum;
        }
    }
}

/* ---- contexts ---- */

static int by_candidate(const void *a, const void *b)
{
    int64_t x = ((const weft_ensemble_neighbor *)a)->candidate, y = ((const weft_ensemble_neighbor *)b)->candidate;
    return (x > y) - (x < y);
}

static int by_weight(const void *a, const void *b)
{
    const weft_ensemble_neighbor *x = a, *y = b;
    if (x->weight != y->weight)
        return x->weight < y->weight ? 1 : -1;
    return by_candidate(a, b);
}

void weft_ensemble_merge(int64_t members, int64_t m, weft_ensemble_neighbor *scratch, int64_t *context, double *probs,
                         double *distance)
{
    int64_t n = members * m, kept = 0;
    for (int64_t i = 0; i < n; i++)
        scratch[i] = (weft_ensemble_neighbor){context[i], 1, probs[i] / (double)members, distance[i]};
    qsort(scratch, (size_t)n, sizeof *scratch, by_candidate);
    for (int64_t i = 1; i < n; i++) {
        if (scratch[i].candidate != scratch[kept].candidate) {
            scratch[++kept] = scratch[i];
            continue;
        }
        scratch[kept].members++;
        scratch[kept].weight += scratch[i].weight;
        scratch[kept].distance += scratch[i].distance;
    }
    qsort(scratch, (size_t)(n ? kept + 1 : 0), sizeof *scratch, by_weight);
    for (int64_t j = 0; j < m; j++) {
        context[j] = scratch[j].candidate;
        probs[j] = scratch[j].weight;
        distance[j] = scratch[j].distance / (double)scratch[j].members;
    }
}

/* ---- prediction ---- */

struct weft_ensemble {
    weft_tabular_config one; /* of a member; borrows its list from the whole's */
    weft_params *all;
    int64_t members;
    weft_params **params;
    weft_predictor **predictor;
};

weft_status weft_ensemble_new(weft_engine *engine, const weft_tabular_config *config, weft_params *params,
                              const weft_rows_data *candidates, weft_ensemble **out)
{
    *out = NULL;
    weft_ensemble *e = calloc(1, sizeof *e);
    if (!e)
        return short_of_memory();
    *e = (weft_ensemble){.one = *config, .all = params, .members = config->members};
    e->one.members = 1;
    e->params = calloc((size_t)e->members, sizeof(weft_params *));
    e->predictor = calloc((size_t)e->members, sizeof(weft_predictor *));
    weft_status status = e->params && e->predictor ? WEFT_OK : short_of_memory();
    for (int64_t k = 0; k < e->members && status == WEFT_OK; k++) {
        status = weft_ensemble_take(params, k, &e->params[k]);
        if (status == WEFT_OK)
            status = weft_predictor_new(engine, &e->one, e->params[k], candidates, &e->predictor[k]);
    }
    if (status != WEFT_OK) {
        weft_ensemble_free(e);
        return status;
    }
    *out = e;
    return WEFT_OK;
}

void weft_ensemble_free(weft_ensemble *e)
{
    if (!e)
        return;
    for (int64_t k = 0; k < e->members; k++) {
        if (e->predictor)
            weft_predictor_free(e->predictor[k]);
        if (e->params)
            weft_params_free(e->params[k]);
    }
    free(e->predictor);
    free(e->params);
    free(e);
}

weft_status weft_ensemble_refresh(weft_ensemble *e)
{
    weft_status status = WEFT_OK;
    for (int64_t k = 0; k < e->members && status == WEFT_OK; k++) {
        for (int64_t i = 0; i < weft_params_count(e->params[k]) && status == WEFT_OK; i++) {
            weft_tensor t;
            char name[256];
            const char *plain = weft_params_at(e->params[k], i, &t);
            snprintf(name, sizeof name, "members.%lld.%s", (long long)k, plain);
            if (weft_params_get(e->all, name, &t))
                status = weft_params_set(e->params[k], plain, t);
        }
        if (status == WEFT_OK)
            status = weft_predictor_refresh(e->predictor[k]);
    }
    return status;
}

/* Room for what each member answers: outputs [members][rows, outputs]; contexts [rows][members][m] where they are wanted. */
typedef struct answers {
    double *output;
    int64_t *context;
    double *probs, *distance;
    weft_ensemble_neighbor *scratch;
} answers;

static void free_answers(answers *a)
{
    free(a->output);
    free(a->context);
    free(a->probs);
    free(a->distance);
    free(a->scratch);
}

static weft_status make_answers(const weft_ensemble *e, int64_t rows, bool contexts, answers *a)
{
    size_t n = (size_t)rows * (size_t)e->members, m = (size_t)e->one.context_size;
    a->output = malloc((n * (size_t)weft_tabular_outputs(&e->one) + 1) * sizeof *a->output);
    if (contexts) {
        a->context = malloc((n * m + 1) * sizeof *a->context);
        a->probs = malloc((n * m + 1) * sizeof *a->probs);
        a->distance = malloc((n * m + 1) * sizeof *a->distance);
        a->scratch = malloc((size_t)e->members * m * sizeof *a->scratch);
    }
    if (!a->output || (contexts && (!a->context || !a->probs || !a->distance || !a->scratch)))
        return weft_fail(WEFT_ERROR_MEMORY, "an ensemble: %lld rows do not fit in memory", (long long)rows);
    return WEFT_OK;
}

/* [members][m] of row i, gathered from [members][rows, m], merged, and the m heaviest handed on */
static void merge_row(const weft_ensemble *e, const answers *a, int64_t rows, int64_t i, int64_t *context, double *probs,
                      double *distance, int64_t *row_context, double *row_probs)
{
    int64_t m = e->one.context_size;
    double *row_distance = row_probs + e->members * m;
    for (int64_t k = 0; k < e->members; k++) {
        int64_t from = (k * rows + i) * m;
        memcpy(row_context + k * m, a->context + from, (size_t)m * sizeof *row_context);
        memcpy(row_probs + k * m, a->probs + from, (size_t)m * sizeof *row_probs);
        memcpy(row_distance + k * m, a->distance + from, (size_t)m * sizeof *row_distance);
    }
    weft_ensemble_merge(e->members, m, a->scratch, row_context, row_probs, row_distance);
    if (context)
        memcpy(context + i * m, row_context, (size_t)m * sizeof *context);
    if (probs)
        memcpy(probs + i * m, row_probs, (size_t)m * sizeof *probs);
    if (distance)
        memcpy(distance + i * m, row_distance, (size_t)m * sizeof *distance);
}

static weft_status merge_rows(const weft_ensemble *e, const answers *a, int64_t rows, int64_t *context, double *probs,
                              double *distance)
{
    size_t n = (size_t)(e->members * e->one.context_size);
    int64_t *row_context = malloc(n * sizeof *row_context);
    double *row_probs = malloc(2 * n * sizeof *row_probs);
    weft_status status = row_context && row_probs ? WEFT_OK : short_of_memory();
    for (int64_t i = 0; i < rows && status == WEFT_OK; i++)
        merge_row(e, a, rows, i, context, probs, distance, row_context, row_probs);
    free(row_context);
    free(row_probs);
    return status;
}

weft_status weft_ensemble_run(weft_ensemble *e, const weft_rows_data *rows, bool own, double *output, int64_t *context,
                              double *probs, double *distance)
{
    int64_t n = rows->rows, width = weft_tabular_outputs(&e->one), m = e->one.context_size;
    bool contexts = e->one.arch == WEFT_TABULAR_TABR && (context || probs || distance);
    answers a = {0};
    const double **outputs = calloc((size_t)e->members, sizeof(const double *));
    weft_status status = outputs ? make_answers(e, n, contexts, &a) : short_of_memory();
    for (int64_t k = 0; k < e->members && status == WEFT_OK; k++) {
        int64_t at = k * n * m;
        outputs[k] = a.output + k * n * width;
        status = weft_predictor_run(e->predictor[k], rows, own, a.output + k * n * width, contexts ? a.context + at : NULL,
                                    contexts ? a.probs + at : NULL, contexts ? a.distance + at : NULL);
    }
    if (status == WEFT_OK)
        weft_ensemble_mean(&e->one, n, e->members, outputs, output);
    if (status == WEFT_OK && contexts)
        status = merge_rows(e, &a, n, context, probs, distance);
    free_answers(&a);
    free(outputs);
    return status;
}

weft_status weft_ensemble_without(weft_ensemble *e, const weft_rows_data *rows, const int64_t *removed, int64_t k, double *output)
{
    int64_t pairs = rows->rows * k, width = weft_tabular_outputs(&e->one);
    double *each = malloc((size_t)(e->members * pairs * width + 1) * sizeof *each);
    const double **outputs = calloc((size_t)e->members, sizeof(const double *));
    weft_status status = each && outputs ? WEFT_OK : short_of_memory();
    for (int64_t i = 0; i < e->members && status == WEFT_OK; i++) {
        outputs[i] = each + i * pairs * width;
        status = weft_predictor_without(e->predictor[i], rows, removed, k, each + i * pairs * width);
    }
    if (status == WEFT_OK)
        weft_ensemble_mean(&e->one, pairs, e->members, outputs, output);
    free(each);
    free(outputs);
    return status;
}
