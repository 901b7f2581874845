/* `weft run` on a folder that holds an ensemble: each member is run as a model of its own; its values are written as
 * members.K.NAME, and output and loss are those of the members' mean.
 *
 * Gradients: what the mean's output and loss are worth to a member's output is found here (chain rule), and is the cotangent of
 * that member's output as it runs. A gradient by a parameter is written as grad.members.K.PARAMETER; those by an input add up. */
#include "tabular/ensemble.h"
#include "tabular/model.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static weft_status short_of_memory(void)
{
    return weft_fail(WEFT_ERROR_MEMORY, "run: memory is short");
}

static double number_at(weft_tensor t, int64_t i)
{
    switch (t.dtype) {
    case WEFT_F64:
        return ((const double *)t.data)[i];
    case WEFT_I64:
        return (double)((const int64_t *)t.data)[i];
    default:
        return (double)((const float *)t.data)[i];
    }
}

/* spec 4.1, of outputs that are standardised values or logits; adds scale times its gradient to `gradient` [rows, outputs], where
 * there is one */
static double mean_loss(const weft_tabular_config *c, weft_tensor y, const double *output, int64_t rows, double scale,
                        double *gradient)
{
    double sum = 0, each = scale / (double)rows;
    int64_t width = weft_tabular_outputs(c);
    for (int64_t i = 0; i < rows; i++) {
        const double *z = output + i * width;
        double label = number_at(y, i), *g = gradient ? gradient + i * width : NULL;
        if (c->task == WEFT_TASK_REGRESSION) {
            sum += (z[0] - label) * (z[0] - label);
            if (g)
                g[0] += each * 2 * (z[0] - label);
        } else if (c->task == WEFT_TASK_BINARY) {
            sum += (z[0] > 0 ? z[0] : 0) - z[0] * label + log1p(exp(-fabs(z[0])));
            if (g)
                g[0] += each * (1 / (1 + exp(-z[0])) - label);
        } else {
            double most = z[0], all = 0;
            for (int64_t j = 1; j < width; j++)
                most = z[j] > most ? z[j] : most;
            for (int64_t j = 0; j < width; j++)
                all += exp(z[j] - most);
            sum += most + log(all) - z[(int64_t)label];
            for (int64_t j = 0; g && j < width; j++)
                g[j] += each * (exp(z[j] - most) / all - (j == (int64_t)label));
        }
    }
    return rows ? sum / (double)rows : NAN;
}

/* numbers [dims] as an array of the run's type */
static weft_status add_numbers(const weft_run_request *request, const char *name, const double *numbers, weft_dims dims,
                               weft_arrays *out)
{
    int64_t n = weft_dims_count(dims);
    if (request->dtype == WEFT_F64)
        return weft_arrays_add_copy(out, name, (weft_tensor){(void *)(uintptr_t)numbers, WEFT_F64, dims});
    float *single = malloc((size_t)(n + 1) * sizeof *single);
    if (!single)
        return short_of_memory();
    for (int64_t i = 0; i < n; i++)
        single[i] = (float)numbers[i];
    weft_status status = weft_arrays_add_copy(out, name, (weft_tensor){single, WEFT_F32, dims});
    free(single);
    return status;
}

/* What member k answered: its output as doubles, the rest under its name. */
static weft_status take_answers(const weft_arrays *found, int64_t k, double **output, weft_dims *dims, weft_arrays *out)
{
    weft_status status = WEFT_OK;
    for (int64_t i = 0; i < weft_arrays_count(found) && status == WEFT_OK; i++) {
        weft_array a = weft_arrays_at(found, i);
        char name[160];
        if (strcmp(a.name, "output") == 0) {
            int64_t n = weft_dims_count(a.tensor.dims);
            *dims = a.tensor.dims;
            *output = malloc((size_t)(n + 1) * sizeof **output);
            if (!*output)
                return short_of_memory();
            for (int64_t j = 0; j < n; j++)
                (*output)[j] = number_at(a.tensor, j);
        }
        snprintf(name, sizeof name, "members.%lld.%s", (long long)k, a.name);
        status = weft_arrays_add_copy(out, name, a.tensor);
    }
    return status;
}

typedef struct ensemble_run {
    weft_tabular_config one;
    weft_engine *engine;
    weft_params *params;
    const char *folder;
    const weft_run_request *request;
    weft_tabular_run run_one;
    int64_t members;
    double **outputs; /* [members][rows, outputs] */
    double *mean;     /* [rows, outputs] */
    weft_dims dims;
    bool by_mean;       /* a gradient of output or loss is asked for */
    const char **grads; /* what is asked of each member: output once in place of these two, then the others */
    int grad_count;
    double *cotangent;    /* [rows, outputs], of the mean */
    double *member_share; /* the same, of one member's output */
} ensemble_run;

static void free_run(ensemble_run *e)
{
    for (int64_t k = 0; e->outputs && k < e->members; k++)
        free(e->outputs[k]);
    free(e->outputs);
    free(e->mean);
    free(e->grads);
    free(e->cotangent);
    free(e->member_share);
}

static bool of_mean(const char *name)
{
    return strcmp(name, "output") == 0 || strcmp(name, "loss") == 0;
}

static bool asks_for(const weft_run_request *r, const char *grad)
{
    return weft_run_lists(r->grads, r->grad_count, grad);
}

/* Member k with these inputs and gradients; what it finds. */
static weft_status run_member(ensemble_run *e, int64_t k, const weft_run_request *request, weft_arrays **found)
{
    weft_params *mine = NULL;
    weft_status status = weft_ensemble_take(e->params, k, &mine);
    if (status == WEFT_OK)
        status = weft_arrays_new(found);
    if (status == WEFT_OK)
        status = e->run_one(&e->one, e->engine, mine, e->folder, request, *found);
    weft_params_free(mine);
    return status;
}

static weft_status read_cotangent(const weft_run_request *r, const char *name, weft_dims dims, bool *given, weft_tensor *out)
{
    char wanted[WEFT_DIMS_TEXT], got[WEFT_DIMS_TEXT];
    *given = weft_arrays_find(r->inputs, name, out);
    if (!*given || ((out->dtype == WEFT_F32 || out->dtype == WEFT_F64) && weft_dims_equal(out->dims, dims)))
        return WEFT_OK;
    return weft_fail(WEFT_ERROR_ARGUMENT, "inputs: %s is %s %s, expected F32 or F64 %s", name, weft_dtype_name(out->dtype),
                     weft_dims_text(out->dims, got), weft_dims_text(dims, wanted));
}

/* What an element of the mean's output is worth in what is differentiated. */
static weft_status find_cotangent(ensemble_run *e)
{
    int64_t n = weft_dims_count(e->dims);
    weft_tensor given = {0}, y;
    bool there;
    e->cotangent = calloc((size_t)n + 1, sizeof *e->cotangent);
    e->member_share = calloc((size_t)n + 1, sizeof *e->member_share);
    if (!e->cotangent || !e->member_share)
        return short_of_memory();
    weft_status status = read_cotangent(e->request, "cotangent.output", e->dims, &there, &given);
    for (int64_t i = 0; status == WEFT_OK && asks_for(e->request, "output") && i < n; i++)
        e->cotangent[i] = there ? number_at(given, i) : 1;
    if (status == WEFT_OK)
        status = read_cotangent(e->request, "cotangent.loss", DIMS(1), &there, &given);
    if (status == WEFT_OK && asks_for(e->request, "loss") && weft_arrays_find(e->request->inputs, "y", &y))
        mean_loss(&e->one, y, e->mean, e->dims.size[0], there ? number_at(given, 0) : 1, e->cotangent);
    return status;
}

/* The inputs, with the cotangents of the mean given way to that of member k's output. */
static weft_status member_inputs(ensemble_run *e, int64_t k, weft_arrays **out)
{
    weft_status status = weft_arrays_new(out);
    const weft_arrays *all = e->request->inputs;
    for (int64_t i = 0; i < weft_arrays_count(all) && status == WEFT_OK; i++) {
        weft_array a = weft_arrays_at(all, i);
        if (strcmp(a.name, "cotangent.output") != 0 && strcmp(a.name, "cotangent.loss") != 0)
            status = weft_arrays_add(*out, a.name, a.tensor);
    }
    if (status != WEFT_OK || !e->by_mean)
        return status;
    weft_ensemble_mean_gradient(&e->one, e->dims.size[0], e->members, e->outputs[k], e->mean, e->cotangent, e->member_share);
    return add_numbers(e->request, "cotangent.output", e->member_share, e->dims, *out);
}

/* Adds the gradient of an input to what the members before gave. */
static weft_status add_gradient(const weft_run_request *request, const char *name, weft_tensor t, weft_arrays *out)
{
    weft_tensor sum;
    int64_t n = weft_dims_count(t.dims);
    if (!weft_arrays_find(out, name, &sum))
        return weft_arrays_add_copy(out, name, t);
    for (int64_t i = 0; i < n; i++)
        if (request->dtype == WEFT_F64)
            ((double *)sum.data)[i] += ((const double *)t.data)[i];
        else
            ((float *)sum.data)[i] += ((const float *)t.data)[i];
    return WEFT_OK;
}

/* Runs member k backwards too: its gradients by parameters under its name, those by inputs added to the others'. */
static weft_status differentiate(ensemble_run *e, int64_t k, weft_arrays *out)
{
    weft_arrays *inputs = NULL, *found = NULL;
    weft_run_request request = *e->request;
    weft_status status = member_inputs(e, k, &inputs);
    request.inputs = inputs;
    request.grads = e->grads;
    request.grad_count = e->grad_count;
    request.tap_count = 0;
    if (status == WEFT_OK)
        status = run_member(e, k, &request, &found);
    for (int64_t i = 0; status == WEFT_OK && i < weft_arrays_count(found); i++) {
        weft_array a = weft_arrays_at(found, i);
        weft_tensor parameter;
        char name[192];
        if (strncmp(a.name, "grad.", 5) != 0)
            continue;
        snprintf(name, sizeof name, "members.%lld.%s", (long long)k, a.name + 5);
        if (!weft_params_get(e->params, name, &parameter)) {
            status = add_gradient(&request, a.name, a.tensor, out);
            continue;
        }
        snprintf(name, sizeof name, "grad.members.%lld.%s", (long long)k, a.name + 5);
        status = weft_arrays_add_copy(out, name, a.tensor);
    }
    weft_arrays_free(found);
    weft_arrays_free(inputs);
    return status;
}

/* output and loss of the mean */
static weft_status put_together(ensemble_run *e, weft_arrays *out)
{
    weft_tensor y;
    e->mean = malloc((size_t)(weft_dims_count(e->dims) + 1) * sizeof *e->mean);
    if (!e->mean)
        return short_of_memory();
    weft_ensemble_mean(&e->one, e->dims.size[0], e->members, (const double *const *)e->outputs, e->mean);
    weft_status status = add_numbers(e->request, "output", e->mean, e->dims, out);
    if (status == WEFT_OK && weft_arrays_find(e->request->inputs, "y", &y)) {
        double loss = mean_loss(&e->one, y, e->mean, e->dims.size[0], 0, NULL);
        status = add_numbers(e->request, "loss", &loss, DIMS(1), out);
    }
    return status;
}

static weft_status open_run(ensemble_run *e)
{
    const weft_run_request *r = e->request;
    e->outputs = calloc((size_t)e->members, sizeof *e->outputs);
    e->grads = calloc((size_t)r->grad_count + 1, sizeof *e->grads);
    if (!e->outputs || !e->grads)
        return short_of_memory();
    e->by_mean = asks_for(r, "output") || asks_for(r, "loss");
    if (e->by_mean)
        e->grads[e->grad_count++] = "output";
    for (int i = 0; i < r->grad_count; i++)
        if (!of_mean(r->grads[i]))
            e->grads[e->grad_count++] = r->grads[i];
    return weft_tabular_check_loss(r);
}

weft_status weft_ensemble_evaluate(const weft_tabular_config *config, weft_engine *engine, weft_params *params,
                                   const char *folder, const weft_run_request *request, weft_tabular_run run_one,
                                   weft_arrays *out)
{
    ensemble_run e = {.one = *config,
                      .engine = engine,
                      .params = params,
                      .folder = folder,
                      .request = request,
                      .run_one = run_one,
                      .members = config->members,
                      .dims = SCALAR};
    weft_run_request forward = *request;
    forward.grad_count = 0;
    e.one.members = 1;
    weft_status status = open_run(&e);
    for (int64_t k = 0; k < e.members && status == WEFT_OK; k++) {
        weft_arrays *found = NULL;
        status = run_member(&e, k, &forward, &found);
        if (status == WEFT_OK)
            status = take_answers(found, k, &e.outputs[k], &e.dims, out);
        weft_arrays_free(found);
    }
    if (status == WEFT_OK)
        status = put_together(&e, out);
    if (status == WEFT_OK && e.by_mean)
        status = find_cotangent(&e);
    for (int64_t k = 0; request->grad_count && k < e.members && status == WEFT_OK; k++)
        status = differentiate(&e, k, out);
    free_run(&e);
    return status;
}
