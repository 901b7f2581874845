/* calibration.safetensors: F64 tensors under the names of the struct's members. */
#include "tabular/calibrate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct entry {
    const char *name;
    double *data;
    int64_t count;
} entry;

/* The members of fixed size; all must be there. The threshold is written where it is not 0.5. */
enum { FIXED = 5 };
static void fixed_entries(weft_calibration *c, entry out[FIXED])
{
    const entry entries[FIXED] = {
        {"temperature", &c->temperature, 1},
        {"ece", c->ece, 2},
        {"logloss", c->logloss, 2},
        {"brier", c->brier, 2},
        {"floor", &c->floor, 1},
    };
    memcpy(out, entries, sizeof entries);
}

weft_status weft_calibration_save(const weft_calibration *from, const char *path)
{
    weft_calibration c = *from;
    entry fixed[FIXED];
    fixed_entries(&c, fixed);
    weft_arrays *arrays = NULL;
    weft_status status = weft_arrays_new(&arrays);
    for (int i = 0; i < FIXED && status == WEFT_OK; i++)
        status = weft_arrays_add(arrays, fixed[i].name, (weft_tensor){fixed[i].data, WEFT_F64, DIMS(fixed[i].count)});
    if (status == WEFT_OK && c.threshold != 0.5)
        status = weft_arrays_add(arrays, "threshold", (weft_tensor){&c.threshold, WEFT_F64, DIMS(1)});
    if (status == WEFT_OK)
        status = weft_arrays_add(arrays, "score", (weft_tensor){c.score, WEFT_F64, DIMS(c.scores)});
    if (status == WEFT_OK && c.distance)
        status = weft_arrays_add(arrays, "distance", (weft_tensor){c.distance, WEFT_F64, DIMS(c.distances)});
    if (status == WEFT_OK)
        status = weft_safetensors_save(arrays, path);
    weft_arrays_free(arrays);
    return status;
}

static weft_status find(const weft_arrays *arrays, const char *path, const char *name, int64_t count, weft_tensor *out)
{
    char dims[WEFT_DIMS_TEXT];
    if (!weft_arrays_find(arrays, name, out))
        return weft_fail(WEFT_ERROR_FORMAT, "%s: tensor \"%s\" is missing", path, name);
    if (out->dtype != WEFT_F64 || out->dims.rank != 1 || (count && out->dims.size[0] != count) || out->dims.size[0] < 1)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: tensor \"%s\" is %s %s, expected F64 of one axis", path, name,
                         weft_dtype_name(out->dtype), weft_dims_text(out->dims, dims));
    for (int64_t i = 0; i < out->dims.size[0]; i++) {
        double x = ((const double *)out->data)[i];
        if (!isfinite(x) || x < 0)
            return weft_fail(WEFT_ERROR_FORMAT, "%s: tensor \"%s\" holds %g at place %lld, expected a number of 0 or more", path,
                             name, x, (long long)i);
    }
    return WEFT_OK;
}

static weft_status take_ascending(const weft_arrays *arrays, const char *path, const char *name, double **out, int64_t *count)
{
    weft_tensor t;
    weft_status status = find(arrays, path, name, 0, &t);
    if (status != WEFT_OK)
        return status;
    const double *x = t.data;
    *count = t.dims.size[0];
    for (int64_t i = 1; i < *count; i++)
        if (x[i] < x[i - 1])
            return weft_fail(WEFT_ERROR_FORMAT, "%s: tensor \"%s\" does not ascend at place %lld", path, name, (long long)i);
    *out = malloc((size_t)*count * sizeof **out);
    if (!*out)
        return weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", path);
    memcpy(*out, x, (size_t)*count * sizeof **out);
    return WEFT_OK;
}

weft_status weft_calibration_load(const char *path, weft_calibration **out)
{
    *out = NULL;
    weft_arrays *arrays = NULL;
    weft_calibration *c = calloc(1, sizeof *c);
    if (!c)
        return weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", path);
    entry fixed[FIXED];
    fixed_entries(c, fixed);
    weft_tensor t;
    weft_status status = weft_safetensors_open(path, &arrays);
    for (int i = 0; i < FIXED && status == WEFT_OK; i++)
        if ((status = find(arrays, path, fixed[i].name, fixed[i].count, &t)) == WEFT_OK)
            memcpy(fixed[i].data, t.data, (size_t)fixed[i].count * sizeof *fixed[i].data);
    if (status == WEFT_OK && !(c->temperature >= 1e-3 && c->temperature <= 1e3))
        status = weft_fail(WEFT_ERROR_FORMAT, "%s: a temperature of %g is out of range", path, c->temperature);
    c->threshold = 0.5;
    if (status == WEFT_OK && weft_arrays_find(arrays, "threshold", &t) &&
        (status = find(arrays, path, "threshold", 1, &t)) == WEFT_OK)
        c->threshold = *(const double *)t.data;
    if (status == WEFT_OK && c->threshold > 1)
        status = weft_fail(WEFT_ERROR_FORMAT, "%s: a threshold of %g is no probability", path, c->threshold);
    if (status == WEFT_OK)
        status = take_ascending(arrays, path, "score", &c->score, &c->scores);
    if (status == WEFT_OK && weft_arrays_find(arrays, "distance", &t))
        status = take_ascending(arrays, path, "distance", &c->distance, &c->distances);
    weft_arrays_free(arrays);
    if (status != WEFT_OK) {
        weft_calibration_free(c);
        return status;
    }
    *out = c;
    return WEFT_OK;
}
