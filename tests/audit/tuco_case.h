/* Golden pairs of models for TuCo: a safetensors file whose metadata hold config.json, as two model folders. */
#ifndef WEFT_TESTS_TUCO_CASE_H
#define WEFT_TESTS_TUCO_CASE_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/files.h"
#include "io/io.h"
#include "weft/audit.h"

static weft_engine *one_thread, *two_threads;

/* Set-up and tear-down of a group of tests. */
static inline int open_engines(void **state)
{
    (void)state;
    return weft_engine_new(&(weft_engine_options){.threads = 1}, &one_thread) == WEFT_OK &&
                   weft_engine_new(&(weft_engine_options){.threads = 2}, &two_threads) == WEFT_OK
               ? 0
               : -1;
}

static inline int close_engines(void **state)
{
    (void)state;
    weft_engine_free(one_thread);
    weft_engine_free(two_threads);
    return 0;
}

#define MUST(call) must((call), #call, __FILE__, __LINE__)

static inline void must(weft_status status, const char *what, const char *file, int line)
{
    if (status != WEFT_OK) {
        print_error("%s: %s\n", what, weft_error());
        _fail(file, line);
    }
}

typedef struct tuco_case {
    weft_arrays *golden;
    char base[512], tuned[512];
    const int64_t *ids;
    int64_t n;
} tuco_case;

/* FOLDER with config.json and, without it, the tensors whose names begin with `prefix`. */
static inline void write_model(const weft_arrays *golden, const char *folder, const char *prefix)
{
    MUST(weft_folder_make(folder));
    weft_arrays *set;
    MUST(weft_arrays_new(&set));
    size_t skip = strlen(prefix);
    for (int64_t i = 0; i < weft_arrays_count(golden); i++) {
        weft_array a = weft_arrays_at(golden, i);
        if (strncmp(a.name, prefix, skip) == 0)
            MUST(weft_arrays_add(set, a.name + skip, a.tensor));
    }
    char path[640];
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    MUST(weft_safetensors_save(set, path));
    weft_arrays_free(set);
    snprintf(path, sizeof path, "%s/config.json", folder);
    const char *config = weft_arrays_metadata(golden, "config");
    MUST(weft_file_write(path, config, strlen(config)));
}

static inline weft_tensor golden_tensor(const weft_arrays *golden, const char *name)
{
    weft_tensor t;
    if (!weft_arrays_find(golden, name, &t))
        fail_msg("the golden file has no %s", name);
    return t;
}

/* A golden language model's weights as base, and the same with noise on every tensor as tuned. */
static inline void write_perturbed(const weft_arrays *golden, const char *folder, bool noise)
{
    MUST(weft_folder_make(folder));
    weft_arrays *set;
    MUST(weft_arrays_new(&set));
    uint32_t x = 1;
    for (int64_t i = 0; i < weft_arrays_count(golden); i++) {
        weft_array a = weft_arrays_at(golden, i);
        if (a.tensor.dtype != WEFT_F32 || strncmp(a.name, "out.", 4) == 0 || strncmp(a.name, "grad.", 5) == 0)
            continue;
        int64_t n = weft_dims_count(a.tensor.dims);
        float *copy = malloc((size_t)(n + 1) * sizeof *copy);
        for (int64_t k = 0; k < n; k++) {
            x = x * 1664525u + 1013904223u;
            copy[k] = ((const float *)a.tensor.data)[k] * (1 + (noise ? 0.2f * ((float)(x >> 8) * 0x1p-24f - 0.5f) : 0));
        }
        MUST(weft_arrays_add_copy(set, a.name, (weft_tensor){copy, WEFT_F32, a.tensor.dims}));
        free(copy);
    }
    char path[640];
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    MUST(weft_safetensors_save(set, path));
    weft_arrays_free(set);
    snprintf(path, sizeof path, "%s/config.json", folder);
    const char *config = weft_arrays_metadata(golden, "config");
    MUST(weft_file_write(path, config, strlen(config)));
}

/* NAME of tests/golden/tuco, or lm/NAME: a model of tests/golden/lm and its perturbed copy. */
static inline tuco_case case_open(const char *name)
{
    tuco_case c = {0};
    char path[640];
    bool lm = strncmp(name, "lm/", 3) == 0;
    const char *last = lm ? name + 3 : name;
    snprintf(path, sizeof path, lm ? "%s/tests/golden/lm/%s.safetensors" : "%s/tests/golden/tuco/tuco_%s.safetensors",
             WEFT_SOURCE_DIR, last);
    MUST(weft_safetensors_open(path, &c.golden));
    snprintf(c.base, sizeof c.base, "%s/tuco_cases/%s.%d.base", WEFT_BINARY_DIR, last, (int)getpid());
    snprintf(c.tuned, sizeof c.tuned, "%s/tuco_cases/%s.%d.tuned", WEFT_BINARY_DIR, last, (int)getpid());
    if (lm) {
        write_perturbed(c.golden, c.base, false);
        write_perturbed(c.golden, c.tuned, true);
    } else {
        write_model(c.golden, c.base, "base.");
        write_model(c.golden, c.tuned, "ft.");
    }
    weft_tensor ids = golden_tensor(c.golden, "input_ids");
    assert_int_equal(ids.dtype, WEFT_I64);
    c.ids = ids.data;
    c.n = ids.dims.size[ids.dims.rank - 1];
    return c;
}

static inline void remove_model(const char *folder)
{
    static const char *const files[] = {"config.json", "model.safetensors", "adapter_config.json", "adapter_model.safetensors"};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        char path[640];
        snprintf(path, sizeof path, "%s/%s", folder, files[i]);
        unlink(path);
    }
    rmdir(folder);
}

static inline void case_close(tuco_case *c)
{
    remove_model(c->base);
    remove_model(c->tuned);
    weft_arrays_free(c->golden);
}

static inline double element(weft_tensor t, int64_t i)
{
    return t.dtype == WEFT_F64 ? ((const double *)t.data)[i] : (double)((const float *)t.data)[i];
}

static inline void near(const char *what, const double *have, weft_tensor want, int64_t offset, int64_t n, double tolerance)
{
    for (int64_t i = 0; i < n; i++)
        if (!(fabs(have[i] - element(want, offset + i)) <= tolerance))
            fail_msg("%s[%lld] is %.9g, expected %.9g within %g", what, (long long)i, have[i], element(want, offset + i),
                     tolerance);
}

static inline void near_tensor(const weft_arrays *have, const char *name, weft_tensor want, double tolerance)
{
    weft_tensor t;
    char a[WEFT_DIMS_TEXT], b[WEFT_DIMS_TEXT];
    if (!weft_arrays_find(have, name, &t))
        fail_msg("no tensor %s", name);
    if (!weft_dims_equal(t.dims, want.dims))
        fail_msg("%s is %s, expected %s", name, weft_dims_text(t.dims, a), weft_dims_text(want.dims, b));
    for (int64_t i = 0; i < weft_dims_count(t.dims); i++)
        if (!(fabs(element(t, i) - element(want, i)) <= tolerance))
            fail_msg("%s[%lld] is %.9g, expected %.9g within %g", name, (long long)i, element(t, i), element(want, i), tolerance);
}

static inline int64_t greedy(const float *logits, int64_t vocab)
{
    int64_t best = 0;
    for (int64_t i = 1; i < vocab; i++)
        if (logits[i] > logits[best])
            best = i;
    return best;
}

#endif
