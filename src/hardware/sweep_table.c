/* What comes out of a sweep: the numbers of its points, the efficient ones among them, tables. */
#include "hardware/sweep_inner.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/files.h"
#include "io/csv.h"

const char *const weft_sweep_number_keys[WEFT_SWEEP_NUMBERS] = {"cycles",           "tokens_per_second", "seconds_per_token",
                                                                "joules_per_token", "area_m2",           "utilization",
                                                                "npu_utilization",  "pim_utilization",   "bandwidth_utilization"};

#define PLACE(member) offsetof(weft_sweep_point, member)
static const size_t places[WEFT_SWEEP_NUMBERS] = {
    PLACE(cycles),      PLACE(tokens_per_second), PLACE(seconds_per_token), PLACE(joules_per_token),     PLACE(area),
    PLACE(utilization), PLACE(npu_utilization),   PLACE(pim_utilization),   PLACE(bandwidth_utilization)};

double *weft_sweep_number(weft_sweep_point *p, int i)
{
    return (double *)(void *)((char *)p + places[i]);
}

double weft_sweep_value(const weft_sweep_point *p, int i)
{
    double value;
    memcpy(&value, (const char *)p + places[i], sizeof value);
    return value;
}

/* The lower the better, each. */
static void objectives(const weft_sweep_point *p, double out[4])
{
    out[0] = -p->tokens_per_second;
    out[1] = p->seconds_per_token;
    out[2] = p->joules_per_token;
    out[3] = p->area;
}

static bool beats(const weft_sweep_point *a, const weft_sweep_point *b)
{
    double x[4], y[4];
    bool better = false;
    objectives(a, x);
    objectives(b, y);
    for (int i = 0; i < 4; i++) {
        if (x[i] > y[i])
            return false;
        better = better || x[i] < y[i];
    }
    return better;
}

/* Models together; then the order in which a point can only be beaten by one before it. */
static int compare(const void *a, const void *b)
{
    const weft_sweep_point *const *p = a, *const *q = b;
    double x[4], y[4];
    int models = strcmp((*p)->model, (*q)->model);
    objectives(*p, x);
    objectives(*q, y);
    for (int i = 0; models == 0 && i < 4; i++)
        if (x[i] != y[i])
            return x[i] < y[i] ? -1 : 1;
    return models;
}

weft_status weft_sweep_mark(weft_sweep_point *points, int64_t count)
{
    weft_sweep_point **order = malloc((size_t)(count + 1) * sizeof *order);
    int64_t n = 0, front = 0; /* order[front …] are the efficient ones so far of the model at hand */
    if (!order)
        return weft_fail(WEFT_ERROR_MEMORY, "a sweep: memory is short");
    for (int64_t i = 0; i < count; i++) {
        points[i].efficient = false;
        if (points[i].done && !points[i].failed)
            order[n++] = &points[i];
    }
    qsort(order, (size_t)n, sizeof *order, compare);
    for (int64_t i = 0, end = 0; i < n; i++) { /* the front is kept packed in order[front … end) */
        weft_sweep_point *p = order[i];
        bool beaten = false;
        if (i == 0 || strcmp(p->model, order[front]->model) != 0)
            front = end = i;
        for (int64_t k = front; k < end && !beaten; k++)
            beaten = beats(order[k], p);
        if (!beaten) {
            p->efficient = true;
            order[end++] = p;
        }
    }
    free(order);
    return WEFT_OK;
}

weft_status weft_sweep_table(const weft_sweep_point *points, int64_t count, bool efficient_only, const char *path)
{
    weft_text t = {0};
    weft_text_add(&t, "model,hardware,load,system,sub_batch,batch,devices");
    for (int i = 0; i < WEFT_SWEEP_NUMBERS; i++)
        weft_text_add(&t, ",%s", weft_sweep_number_keys[i]);
    weft_text_add(&t, ",efficient,error\n");
    for (int64_t i = 0; i < count; i++) {
        const weft_sweep_point *p = &points[i];
        if (!p->done || (efficient_only && !p->efficient))
            continue;
        const char *texts[] = {p->model, p->hardware, p->load};
        for (int k = 0; k < 3; k++) {
            weft_csv_add_field(&t, texts[k], strlen(texts[k]));
            weft_text_add(&t, ",");
        }
        weft_text_add(&t, "%s,%d,%lld,%lld", weft_serving_name(p->design.options.system), p->halves, (long long)p->batch,
                      (long long)p->devices);
        for (int k = 0; k < WEFT_SWEEP_NUMBERS; k++)
            weft_text_add(&t, p->failed ? "," : ",%.17g", weft_sweep_value(p, k));
        weft_text_add(&t, ",%d,", p->efficient);
        if (p->failed && p->error)
            weft_csv_add_field(&t, p->error, strlen(p->error));
        weft_text_add(&t, "\n");
    }
    weft_status status =
        t.failed ? weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", path) : weft_file_write(path, t.data, t.length);
    weft_text_free(&t);
    return status;
}
