/* What a schema measures on the training rows: medians, quantiles, classes, the target's mean and sd. */
#include "tabular/schema_infer.h"
#include "base/random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Medians, then scaling, of one numerical or date column on the training rows. */
static weft_status fit_column(weft_inference *in, int c)
{
    weft_schema *s = in->schema;
    weft_column *column = s->columns + c;
    size_t n = (size_t)in->count, parts = (size_t)column->parts;
    float *x = calloc(n * parts + 1, sizeof *x);
    double *present = calloc(3 * n + 1, sizeof *present), *scratch = present ? present + n : NULL,
           *noise = present ? present + 2 * n : NULL;
    weft_status status =
        x && present ? WEFT_OK : weft_fail(WEFT_ERROR_MEMORY, "schema: no memory for %lld rows", (long long)in->count);
    if (status == WEFT_OK)
        status = weft_schema_read_numbers(column, in->csv, c, in->rows, in->count, x, column->parts);
    weft_random_key key = weft_random_stream(in->options->seed, "quantile noise");
    for (size_t p = 0; status == WEFT_OK && p < parts; p++) {
        int feature = column->num_at + (int)p;
        int64_t there = 0;
        for (size_t i = 0; i < n; i++)
            if (!isnan(x[i * parts + p]))
                present[there++] = x[i * parts + p];
        column->median[p] = weft_median(present, scratch, there);
        for (size_t i = 0; i < n; i++) {
            if (isnan(x[i * parts + p]))
                x[i * parts + p] = (float)column->median[p];
            if (s->scaler->scaling == WEFT_SCALING_QUANTILE)
                noise[i] = weft_random_normal(key, 0, i, (uint64_t)feature);
        }
        status = weft_scaler_fit(s->scaler, feature, x + p, in->count, (int64_t)parts, noise, 1);
    }
    free(x);
    free(present);
    return status;
}

weft_status weft_infer_fit(weft_inference *in)
{
    weft_schema *s = in->schema;
    weft_status status = weft_schema_layout(s);
    if (status != WEFT_OK)
        return status;
    if (weft_schema_inputs(s) == 0)
        return weft_fail(WEFT_ERROR_ARGUMENT, "%s: no column is left to predict \"%s\" from", weft_csv_path(in->csv),
                         s->columns[s->target].name);
    status = weft_scaler_new(in->options->scaling, s->n_num, weft_quantile_count(in->count), &s->scaler);
    for (int c = 0; c < s->n_columns && status == WEFT_OK; c++)
        if (s->columns[c].num_at >= 0)
            status = fit_column(in, c);
    return status;
}

/* Classes of the training rows, or their mean and sd. */
weft_status weft_infer_fit_target(weft_inference *in, const weft_target *target)
{
    weft_schema *s = in->schema;
    weft_column *column = s->columns + target->column;
    column->kind = WEFT_COLUMN_TARGET;
    s->target = target->column;
    s->task = target->task;
    s->train_rows = in->count;
    weft_status status = weft_infer_reason(column, target->reason);
    if (status != WEFT_OK)
        return status;
    if (s->task != WEFT_TASK_REGRESSION) {
        bool more;
        status = weft_levels_collect(in->csv, target->column, in->rows, in->count, target->numeric, false, target->levels.count,
                                     &column->levels, &more);
        s->classes = column->levels.count;
        if (status == WEFT_OK && s->classes < 2)
            return weft_fail(WEFT_ERROR_FORMAT, "%s, target \"%s\": every training row holds \"%s\"; there is one class only",
                             weft_csv_path(in->csv), column->name, column->levels.text[0]);
        if (status == WEFT_OK && s->classes == 2)
            s->task = WEFT_TASK_BINARY;
        return status;
    }
    float *y = calloc((size_t)in->count + 1, sizeof *y);
    if (!y)
        return weft_fail(WEFT_ERROR_MEMORY, "schema: no memory for %lld targets", (long long)in->count);
    status = weft_schema_read_target(s, in->csv, target->column, in->rows, in->count, y, NULL);
    if (status == WEFT_OK) {
        weft_mean_sd(y, in->count, 1, &s->target_mean, &s->target_sd);
        const bool crowded = weft_infer_crowded(in, weft_csv_column_at(in->csv, target->column).values);
        static const char advice[] =
            "share the first five digits or more, and float32 keeps seven: subtract what they have in common";
        if (!(s->target_sd > 0))
            status = crowded ? weft_fail(WEFT_ERROR_FORMAT, "%s, target \"%s\": its numbers %s", weft_csv_path(in->csv),
                                         column->name, advice)
                             : weft_fail(WEFT_ERROR_FORMAT,
                                         "%s, target \"%s\": every training row holds %.9g, there is nothing to learn",
                                         weft_csv_path(in->csv), column->name, (double)y[0]);
        else if (crowded)
            weft_text_add(&s->warnings, "target \"%s\": its numbers %s\n", column->name, advice);
    }
    free(y);
    return status;
}
