/* Golden files of the TabR room: opening one, its configuration, its weights, and comparing tensors. */
#ifndef WEFT_TESTS_GOLDEN_H
#define WEFT_TESTS_GOLDEN_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"
#include "io/io.h"
#include "tabular/model.h"

#define MUST(call) must((call), #call, __FILE__, __LINE__)

static inline void must(weft_status status, const char *what, const char *file, int line)
{
    if (status != WEFT_OK) {
        print_error("%s: %s\n", what, weft_error());
        _fail(file, line);
    }
}

static inline weft_arrays *golden_open(const char *name)
{
    char path[1024];
    weft_arrays *arrays = NULL;
    snprintf(path, sizeof path, "%s/tests/golden/tabr/%s.safetensors", WEFT_SOURCE_DIR, name);
    MUST(weft_safetensors_open(path, &arrays));
    return arrays;
}

static inline weft_tensor golden_tensor(const weft_arrays *arrays, const char *prefix, const char *name)
{
    char full[256];
    weft_tensor t;
    snprintf(full, sizeof full, "%s%s", prefix, name);
    if (!weft_arrays_find(arrays, full, &t))
        fail_msg("golden tensor %s is missing", full);
    return t;
}

static inline double element(weft_tensor t, int64_t i)
{
    switch (t.dtype) {
    case WEFT_F32:
        return (double)((const float *)t.data)[i];
    case WEFT_F64:
        return ((const double *)t.data)[i];
    case WEFT_I64:
        return (double)((const int64_t *)t.data)[i];
    default:
        fail_msg("unexpected dtype");
        return 0;
    }
}

/* Metadata are texts that look like Python: True, None, single quotes. */
static inline void add_python_as_json(weft_text *out, const char *value)
{
    static const char *const words[][2] = {{"True", "true"}, {"False", "false"}, {"None", "null"}};
    for (const char *p = value; *p; p++) {
        bool word = false;
        for (int i = 0; i < 3 && !word; i++)
            if (strncmp(p, words[i][0], strlen(words[i][0])) == 0) {
                weft_text_add(out, "%s", words[i][1]);
                p += strlen(words[i][0]) - 1;
                word = true;
            }
        if (!word)
            weft_text_add(out, "%c", *p == '\'' ? '"' : *p);
    }
}

static inline weft_json *golden_config(const weft_arrays *arrays, const char *extra)
{
    weft_text text = {0};
    weft_text_add(&text, "{%s", extra);
    for (int64_t i = 0; i < weft_arrays_metadata_count(arrays); i++) {
        const char *key, *value;
        weft_arrays_metadata_at(arrays, i, &key, &value);
        if (strcmp(key, "note") == 0 || strcmp(key, "source") == 0 || strcmp(key, "decay") == 0 || strcmp(key, "betas") == 0 ||
            strcmp(key, "dropouts") == 0)
            continue;
        bool text_value = strcmp(key, "task") == 0;
        weft_text_add(&text, "%s\"%s\": %s", text.length > 1 ? ", " : "", key, text_value ? "\"" : "");
        add_python_as_json(&text, value);
        weft_text_add(&text, "%s", text_value ? "\"" : "");
    }
    weft_text_add(&text, "}");
    weft_json *json = NULL;
    MUST(weft_json_parse(text.data, text.length, "golden metadata", &json));
    weft_text_free(&text);
    return json;
}

static inline weft_params *golden_params(const weft_arrays *arrays, const char *prefix)
{
    weft_params *params = NULL;
    MUST(weft_params_new(&params));
    for (int64_t i = 0; i < weft_arrays_count(arrays); i++) {
        weft_array a = weft_arrays_at(arrays, i);
        if (strncmp(a.name, prefix, strlen(prefix)) == 0)
            MUST(weft_params_set(params, a.name + strlen(prefix), a.tensor));
    }
    return params;
}

/* Adds PREFIXname of `from` as `to_prefix`name, where it is there. */
static inline void pass(weft_arrays *inputs, const char *to, const weft_arrays *from, const char *name)
{
    weft_tensor t;
    if (weft_arrays_find(from, name, &t))
        MUST(weft_arrays_add(inputs, to, t));
}

/* |a - b| ≤ relative·(1 + |b|) + absolute for every element; shapes may differ in ones. */
static inline void close_to(const char *what, weft_tensor a, weft_tensor b, double relative, double absolute)
{
    assert_int_equal(weft_dims_count(a.dims), weft_dims_count(b.dims));
    double worst = 0;
    for (int64_t i = 0; i < weft_dims_count(a.dims); i++) {
        double x = element(a, i), y = element(b, i), excess = fabs(x - y) - (relative * (1 + fabs(y)) + absolute);
        if (!(excess <= 0) && (worst == 0 || excess > worst || isnan(excess))) {
            print_error("%s[%lld]: %.12g, expected %.12g\n", what, (long long)i, x, y);
            worst = isnan(excess) ? INFINITY : excess;
        }
    }
    if (worst > 0)
        fail_msg("%s differs", what);
}

static inline double largest(weft_tensor t)
{
    double most = 0;
    for (int64_t i = 0; i < weft_dims_count(t.dims); i++)
        most = fmax(most, fabs(element(t, i)));
    return most;
}

#endif
