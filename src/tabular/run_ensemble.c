/* `weft run` on a folder that holds an ensemble: each member is run as a model of its own; its values are written as
 * members.K.NAME, and output and loss are those of the members' mean. */
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

/* spec 4.1, of outputs that are standardised values or logits */
static double mean_loss(const weft_tabular_config *c, weft_tensor y, const double *output, int64_t rows)
{
    double sum = 0;
    int64_t width = weft_tabular_outputs(c);
    for (int64_t i = 0; i < rows; i++) {
        const double *z = output + i * width;
        double label = number_at(y, i);
        if (c->task == WEFT_TASK_REGRESSION) {
            sum += (z[0] - label) * (z[0] - label);
        } else if (c->task == WEFT_TASK_BINARY) {
            sum += (z[0] > 0 ? z[0] : 0) - z[0] * label + log1p(exp(-fabs(z[0])));
        } else {
            double most = z[0], all = 0;
            for (int64_t j = 1; j < width; j++)
                most = z[j] > most ? z[j] : most;
            for (int64_t j = 0; j < width; j++)
                all += exp(z[j] - most);
            sum += most + log(all) - z[(int64_t)label];
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

static weft_status put_together(const weft_tabular_config *c, const weft_run_request *request, int64_t members,
                                double *const *outputs, weft_dims dims, weft_arrays *out)
{
    weft_tensor y;
    double *mean = malloc((size_t)(weft_dims_count(dims) + 1) * sizeof *mean);
    if (!mean)
        return short_of_memory();
    weft_ensemble_mean(c, dims.size[0], members, (const double *const *)outputs, mean);
    weft_status status = add_numbers(request, "output", mean, dims, out);
    if (status == WEFT_OK && weft_arrays_find(request->inputs, "y", &y)) {
        double loss = mean_loss(c, y, mean, dims.size[0]);
        status = add_numbers(request, "loss", &loss, DIMS(1), out);
    }
    free(mean);
    return status;
}

weft_status weft_ensemble_evaluate(const weft_tabular_config *config, weft_engine *engine, weft_params *params,
                                   const char *folder, const weft_run_request *request, weft_tabular_run run_one,
                                   weft_arrays *out)
{
    if (request->grad_count)
        return weft_fail(WEFT_ERROR_UNSUPPORTED, "--grad: %s is an ensemble of %lld models; gradients are of single ones",
                         folder ? folder : "this", (long long)config->members);
    weft_tabular_config one = *config;
    weft_dims dims = SCALAR;
    double **outputs = calloc((size_t)config->members, sizeof *outputs);
    weft_status status = outputs ? WEFT_OK : short_of_memory();
    one.members = 1;
    for (int64_t k = 0; k < config->members && status == WEFT_OK; k++) {
        weft_params *mine = NULL;
        weft_arrays *found = NULL;
        status = weft_ensemble_take(params, k, &mine);
        if (status == WEFT_OK)
            status = weft_arrays_new(&found);
        if (status == WEFT_OK)
            status = run_one(&one, engine, mine, folder, request, found);
        if (status == WEFT_OK)
            status = take_answers(found, k, &outputs[k], &dims, out);
        weft_arrays_free(found);
        weft_params_free(mine);
    }
    if (status == WEFT_OK)
        status = put_together(&one, request, config->members, outputs, dims, out);
    for (int64_t k = 0; outputs && k < config->members; k++)
        free(outputs[k]);
    free(outputs);
    return status;
}
