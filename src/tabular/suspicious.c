/* Ranking the training rows by what the model says of each from the others alone. */
#include "tabular/suspicious.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int larger_first(const void *a, const void *b)
{
    const weft_suspect *x = a, *y = b;
    if (x->loss != y->loss)
        return x->loss < y->loss ? 1 : -1;
    return (x->candidate > y->candidate) - (x->candidate < y->candidate);
}

static double median(const double *values, int64_t count, double *scratch)
{
    memcpy(scratch, values, (size_t)count * sizeof *scratch);
    return weft_median(scratch, scratch + count, count);
}

static void judge_class(const weft_tabular_config *c, const weft_predictions *said, const weft_rows_data *rows, int64_t i,
                        weft_suspect *out)
{
    int64_t own = rows->label[i];
    double p = said->width == 1 ? (own ? said->value[i] : 1 - said->value[i]) : said->value[i * said->width + own];
    out->value = p;
    out->loss = -log(p > 0x1p-149 ? p : 0x1p-149);
    out->agreement = said->agreement[i];
    out->likeliest = weft_predicted_class(said->value, i, (int)c->n_classes);
}

weft_status weft_suspicious_rank(weft_tabular_model *model, const weft_tabular_folder *f, weft_suspect **list)
{
    *list = NULL;
    const weft_rows_data *rows = f->candidates;
    if (!rows)
        return weft_fail(WEFT_ERROR_ARGUMENT, "the model is an MLP: it keeps no training rows to look at");
    if (rows->rows <= f->config.context_size)
        return weft_fail(WEFT_ERROR_ARGUMENT, "%lld training rows are too few to predict each from %lld others",
                         (long long)rows->rows, (long long)f->config.context_size);
    int64_t n = rows->rows;
    bool regression = f->config.task == WEFT_TASK_REGRESSION;
    weft_predictions said = {0};
    weft_suspect *all = malloc(((size_t)n + 1) * sizeof *all);
    double *scratch = malloc((2 * (size_t)n + 1) * sizeof *scratch);
    weft_status status = all && scratch ? weft_tabular_predict(model, rows, true, 0, &said)
                                        : weft_fail(WEFT_ERROR_MEMORY, "%lld rows do not fit in memory", (long long)n);
    double floor = status == WEFT_OK && regression ? median(said.spread, n, scratch) : 0;
    for (int64_t i = 0; i < n && status == WEFT_OK; i++) {
        all[i] = (weft_suspect){.candidate = i, .likeliest = -1, .agreement = NAN};
        if (regression) {
            double scale = said.spread[i] + floor;
            all[i].value = said.value[i];
            all[i].loss = fabs((double)rows->y[i] - said.value[i]) / (scale > 0 ? scale : 1);
        } else {
            judge_class(&f->config, &said, rows, i, &all[i]);
        }
    }
    weft_predictions_free(&said);
    free(scratch);
    if (status != WEFT_OK) {
        free(all);
        return status;
    }
    qsort(all, (size_t)n, sizeof *all, larger_first);
    *list = all;
    return WEFT_OK;
}
