/* Golden language models: a safetensors file whose metadata hold config.json (and adapter_config.json), as a model folder. */
#ifndef WEFT_TESTS_LM_CASE_H
#define WEFT_TESTS_LM_CASE_H

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
#include "registry/registry.h"

#define MUST(call) must((call), #call, __FILE__, __LINE__)

static inline void must(weft_status status, const char *what, const char *file, int line)
{
    if (status != WEFT_OK) {
        print_error("%s: %s\n", what, weft_error());
        _fail(file, line);
    }
}

typedef struct lm_case {
    weft_arrays *golden;
    char folder[512], adapter[544]; /* adapter "": none */
} lm_case;

static inline bool starts(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static inline bool is_input(const char *name)
{
    return strcmp(name, "input_ids") == 0 || strcmp(name, "attention_mask") == 0 || strcmp(name, "token_type_ids") == 0;
}

static inline void write_text(const char *folder, const char *name, const char *text)
{
    char *path = weft_path_join(folder, name);
    MUST(weft_file_write(path, text, strlen(text)));
    free(path);
}

/* Adds the golden's tensors that `wanted` accepts. */
static inline void add_tensors(weft_arrays *set, const weft_arrays *golden, bool (*wanted)(const char *))
{
    for (int64_t i = 0; i < weft_arrays_count(golden); i++) {
        weft_array a = weft_arrays_at(golden, i);
        if (wanted(a.name))
            MUST(weft_arrays_add(set, a.name, a.tensor));
    }
}

/* The same as FOLDER/NAME. */
static inline void write_tensors(const weft_arrays *golden, const char *folder, const char *name, bool (*wanted)(const char *))
{
    weft_arrays *set;
    MUST(weft_arrays_new(&set));
    add_tensors(set, golden, wanted);
    char *path = weft_path_join(folder, name);
    MUST(weft_safetensors_save(set, path));
    free(path);
    weft_arrays_free(set);
}

static inline bool is_weight(const char *name)
{
    return !is_input(name) && !starts(name, "out.") && !starts(name, "grad.") && !starts(name, "base_model.");
}

static inline bool is_adapter(const char *name)
{
    return starts(name, "base_model.");
}

/* Makes BINARY_DIR/lm_cases/NAME.PID from tests/golden/lm/NAME.safetensors. */
static inline lm_case case_open(const char *name)
{
    lm_case c = {0};
    char path[1024];
    snprintf(path, sizeof path, "%s/tests/golden/lm/%s.safetensors", WEFT_SOURCE_DIR, name);
    MUST(weft_safetensors_open(path, &c.golden));
    snprintf(c.folder, sizeof c.folder, "%s/lm_cases/%s.%d", WEFT_BINARY_DIR, name, (int)getpid());
    MUST(weft_folder_make(c.folder));
    write_text(c.folder, "config.json", weft_arrays_metadata(c.golden, "config"));
    write_tensors(c.golden, c.folder, "model.safetensors", is_weight);
    const char *adapter = weft_arrays_metadata(c.golden, "adapter_config");
    if (adapter) {
        snprintf(c.adapter, sizeof c.adapter, "%s/adapter", c.folder);
        MUST(weft_folder_make(c.adapter));
        write_text(c.adapter, "adapter_config.json", adapter);
        write_tensors(c.golden, c.adapter, "adapter_model.safetensors", is_adapter);
    }
    return c;
}

static inline void case_close(lm_case *c)
{
    const char *const files[] = {"adapter/adapter_config.json", "adapter/adapter_model.safetensors", "adapter", "config.json",
                                 "model.safetensors"};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        char *path = weft_path_join(c->folder, files[i]);
        if (strcmp(files[i], "adapter") == 0)
            rmdir(path);
        else
            unlink(path);
        free(path);
    }
    rmdir(c->folder);
    weft_arrays_free(c->golden);
}

static inline double element(weft_tensor t, int64_t i)
{
    switch (t.dtype) {
    case WEFT_F32:
        return (double)((const float *)t.data)[i];
    case WEFT_F64:
        return ((const double *)t.data)[i];
    default:
        fail_msg("unexpected dtype");
        return 0;
    }
}

static inline weft_tensor tensor_of(const weft_arrays *arrays, const char *name)
{
    weft_tensor t;
    if (!weft_arrays_find(arrays, name, &t))
        fail_msg("tensor %s is missing", name);
    return t;
}

static inline weft_engine *test_engine(void)
{
    static weft_engine *engine;
    if (!engine)
        MUST(weft_engine_new(&(weft_engine_options){.threads = 1}, &engine));
    return engine;
}

#endif
