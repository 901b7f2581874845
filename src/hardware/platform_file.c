/* Loading a platform: which kind of file it is, Weft's own layout, and the published simulator's files. */
#include "hardware/platform_fields.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/files.h"
#include "base/spelling.h"

enum { FILE_BYTES = 4 << 20 };

/* ---- the published simulator's files ---- */

/* Its keys in its own units, and the row of the table that each sets. */
static const struct {
    const char *key, *section, *field;
    double unit; /* base units of its number */
} published[] = {
    {"core_freq", "npu", "frequency", 1e6},
    {"core_width", "npu", "systolic_width", 1},
    {"core_height", "npu", "systolic_height", 1},
    {"sram_size", "npu", "scratchpad", 1024},
    {"vector_core_count", "npu", "vector_units", 1},
    {"vector_core_width", "npu", "vector_width", 1},
    {"systolic_array_count", "npu", "systolic_arrays", 1},
    {"add_latency", "npu", "add_latency_cycles", 1},
    {"mul_latency", "npu", "mul_latency_cycles", 1},
    {"exp_latency", "npu", "exp_latency_cycles", 1},
    {"gelu_latency", "npu", "gelu_latency_cycles", 1},
    {"add_tree_latency", "npu", "add_tree_latency_cycles", 1},
    {"scalar_sqrt_latency", "npu", "scalar_sqrt_latency_cycles", 1},
    {"scalar_add_latency", "npu", "scalar_add_latency_cycles", 1},
    {"scalar_mul_latency", "npu", "scalar_mul_latency_cycles", 1},
    {"icnt_latency", "npu", "interconnect_latency_cycles", 1},
    {"icnt_freq", "npu", "interconnect_frequency", 1e6},
    {"dram_freq", "memory", "frequency", 1e6},
    {"dram_channels", "memory", "channels", 1},
    {"dram_req_size", "memory", "request", 1},
    {"pim_comp_coverage", "memory", "pim_lanes", 1},
};

/* Its keys that change nothing there either (spec, pitfall 11), or that are read beside the table. */
static const char *const without_effect[] = {
    "num_cores",        "core_type",         "spad_size",
    "accum_spad_size",  "sram_width",        "process_bit",
    "icnt_type",        "icnt_config_path",  "precision",
    "layout",           "scheduler",         "operation_log_output_path",
    "dram_type",        "pim_config_path",   "HBM_size",
    "HBM_act_buf_size", "dram_page_size",    "dram_banks_per_ch",
    "pim_type",         "run_mode",          "sub_batch_mode",
    "kernel_fusion",    "max_batch_size",    "max_active_reqs",
    "max_seq_len",      "ch_load_balancing", "dram_print_interval",
    "dram_config_path", "dram_size",         "request_input_seq_len",
};

static weft_status published_key(const char *key, weft_json_value v, const char *where, weft_platform *p)
{
    for (size_t i = 0; i < sizeof published / sizeof published[0]; i++) {
        if (strcmp(published[i].key, key) != 0)
            continue;
        double number = weft_json_number(v, NAN);
        if (!isfinite(number))
            return weft_fail(WEFT_ERROR_FORMAT, "%s: \"%s\" is not a number", where, key);
        for (const weft_platform_field *f = weft_platform_fields; f->key; f++)
            if (strcmp(f->section, published[i].section) == 0 && strcmp(f->key, published[i].field) == 0)
                return number > 0 || f->least <= 0
                           ? weft_field_store(f, number * published[i].unit, where, key, p)
                           : weft_fail(WEFT_ERROR_FORMAT, "%s: \"%s\" is %g, expected a number above 0", where, key, number);
    }
    if (strncmp(key, "__", 2) == 0) /* how its files leave a key out */
        return WEFT_OK;
    const char *best = NULL;
    for (size_t i = 0; i < sizeof without_effect / sizeof without_effect[0]; i++) {
        if (strcmp(without_effect[i], key) == 0)
            return WEFT_OK;
        weft_spelling_nearest(key, without_effect[i], &best);
    }
    for (size_t i = 0; i < sizeof published / sizeof published[0]; i++)
        weft_spelling_nearest(key, published[i].key, &best);
    return weft_fail(WEFT_ERROR_FORMAT, "%s: \"%s\" is not known%s%s%s", where, key, best ? "; did you mean \"" : "",
                     best ? best : "", best ? "\"?" : "");
}

static weft_status load(const char *path, int depth, weft_platform *p);

static weft_status load_beside(const char *where, const char *name, const char *folder, int depth, weft_platform *p)
{
    if (!folder || depth > 3)
        return weft_fail(WEFT_ERROR_UNSUPPORTED, "%s: names the file %s; that needs a folder, and at most three files deep",
                         where, name);
    char *path = name[0] == '/' ? NULL : weft_path_join(folder, name);
    weft_status status = load(path ? path : name, depth, p);
    free(path);
    return status;
}

/* The kind of memory comes first: the memory's own file says it again for one kind alone. */
static weft_status published_file(weft_json_value o, const char *where, const char *folder, int depth, weft_platform *p)
{
    const char *kind = NULL, *mode = NULL, *config = NULL;
    weft_memory_kind parsed = p->machine.memory.kind;
    weft_status status = weft_json_take_string(o, where, "dram_type", &kind);
    if (status == WEFT_OK && kind && !weft_memory_kind_parse(kind, &parsed))
        status = weft_fail(WEFT_ERROR_FORMAT, "%s: \"dram_type\" is \"%s\", expected neupims, newton or dram", where, kind);
    if (status == WEFT_OK)
        status = weft_json_take_string(o, where, "pim_config_path", &config);
    if (status == WEFT_OK && config && folder)
        status = load_beside(where, config, folder, depth + 1, p);
    p->machine.memory.kind = kind ? parsed : p->machine.memory.kind;
    if (status == WEFT_OK)
        status = weft_json_take_string(o, where, "run_mode", &mode);
    if (status == WEFT_OK && mode) {
        if (strcmp(mode, "npu") != 0 && strcmp(mode, "npu+pim") != 0)
            return weft_fail(WEFT_ERROR_FORMAT, "%s: \"run_mode\" is \"%s\", expected npu or npu+pim", where, mode);
        p->has_system = true;
        p->system = strcmp(mode, "npu") == 0 ? WEFT_SYSTEM_NPU : WEFT_SYSTEM_NEUPIMS;
    }
    if (status == WEFT_OK && weft_json_present(weft_json_get(o, "sub_batch_mode"))) {
        p->sub_batch_given = true;
        status = weft_json_take_bool(o, where, "sub_batch_mode", &p->sub_batch);
    }
    weft_json_value v;
    double columns = 0;
    for (int64_t i = 0; i < weft_json_size(o) && status == WEFT_OK; i++) {
        const char *key = weft_json_key(o, i, &v);
        status = published_key(key, v, where, p);
    }
    if (status == WEFT_OK)
        status = weft_json_take_number(o, where, "dram_page_size", 1, 1 << 24, &columns);
    if (status == WEFT_OK && columns > 0) {
        if (columns < p->machine.memory.request_bytes)
            return weft_fail(WEFT_ERROR_FORMAT, "%s: \"dram_page_size\" is %g, smaller than a request of %d bytes", where,
                             columns, p->machine.memory.request_bytes);
        p->machine.memory.columns = (int)columns / p->machine.memory.request_bytes;
    }
    return status;
}

/* ---- Weft's layout ---- */

static weft_status read_dram(weft_json_value v, const char *where, const char *folder, int depth, weft_platform *p)
{
    if (weft_json_kind_of(v) == WEFT_JSON_STRING)
        return load_beside(where, weft_json_string(v, ""), folder, depth + 1, p);
    return weft_fields_read(v, where, "timing", p);
}

static weft_status read_memory(weft_json_value o, const char *where, const char *folder, int depth, weft_platform *p)
{
    const char *kind = NULL;
    weft_json_value timing = weft_json_get(o, "timing");
    weft_status status = WEFT_OK;
    if (weft_json_present(timing)) /* first, so that the keys beside it count above a file's */
        status = read_dram(timing, where, folder, depth, p);
    if (status == WEFT_OK)
        status = weft_fields_read(weft_json_get(o, "power"), where, "power", p);
    if (status == WEFT_OK)
        status = weft_json_take_string(o, where, "type", &kind);
    if (status == WEFT_OK && kind && !weft_memory_kind_parse(kind, &p->machine.memory.kind))
        return weft_fail(WEFT_ERROR_FORMAT, "%s: \"memory.type\" is \"%s\", expected neupims, newton or dram", where, kind);
    if (status == WEFT_OK)
        status = weft_fields_read(o, where, "memory", p);
    return status;
}

static weft_status preset_named(const char *name, weft_platform *p, weft_text *known)
{
    weft_platform row;
    for (int i = 0; weft_platform_preset(i, &row); i++) {
        if (strcasecmp(row.name, name) == 0) {
            *p = row;
            return WEFT_OK;
        }
        weft_text_add(known, "%s%s", i ? ", " : "", row.name);
    }
    return WEFT_ERROR_ARGUMENT;
}

static weft_status own_layout(weft_json_value o, const char *where, const char *folder, int depth, weft_platform *p)
{
    static const char *const keys[] = {"base", "name", "source", "about", "npu", "memory", "link", "gpu", "energy", "area"};
    enum { KEYS = sizeof keys / sizeof keys[0], FIRST_SECTION = 4 };
    const char *base = NULL, *name = NULL;
    weft_json_value v;
    weft_status status = weft_json_take_string(o, where, "base", &base);
    if (status == WEFT_OK && base) {
        weft_text known = {0};
        if (preset_named(base, p, &known) != WEFT_OK)
            status = weft_fail(WEFT_ERROR_FORMAT, "%s: \"base\" is \"%s\", expected one of %s", where, base,
                               known.data ? known.data : "");
        weft_text_free(&known);
    }
    if (status == WEFT_OK)
        status = weft_json_take_string(o, where, "name", &name);
    if (status == WEFT_OK && (name || base))
        snprintf(p->name, sizeof p->name, "%s", name ? name : base);
    for (int64_t i = 0; i < weft_json_size(o) && status == WEFT_OK; i++) {
        const char *key = weft_json_key(o, i, &v), *best = NULL;
        int k = 0;
        while (k < KEYS && strcmp(keys[k], key) != 0)
            weft_spelling_nearest(key, keys[k++], &best);
        if (k == KEYS)
            status = weft_fail(WEFT_ERROR_FORMAT, "%s: \"%s\" is not known; %s%s", where, key,
                               best ? "did you mean " : "expected npu, memory, link, gpu, energy or area", best ? best : "");
        else if (k >= FIRST_SECTION && weft_json_kind_of(v) != WEFT_JSON_OBJECT)
            status = weft_fail(WEFT_ERROR_FORMAT, "%s: \"%s\" is not an object", where, key);
        else if (k >= FIRST_SECTION)
            status = strcmp(key, "memory") == 0 ? read_memory(v, where, folder, depth, p) : weft_fields_read(v, where, key, p);
    }
    return status;
}

static weft_status from_json(weft_json_value o, const char *where, const char *folder, int depth, weft_platform *p)
{
    if (weft_json_kind_of(o) != WEFT_JSON_OBJECT)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: expected an object that describes hardware", where);
    if (weft_json_present(weft_json_get(o, "dram_structure")) ||
        weft_json_kind_of(weft_json_get(o, "timing")) == WEFT_JSON_OBJECT) {
        weft_settings settings = {0};
        weft_status status = weft_settings_from_json(o, where, &settings);
        if (status == WEFT_OK)
            status = weft_platform_from_ini(&settings, p);
        weft_settings_free(&settings);
        return status;
    }
    static const char *const telling[] = {"core_freq", "core_type",     "core_width", "dram_type",
                                          "dram_freq", "dram_channels", "run_mode",   "sub_batch_mode"};
    for (size_t i = 0; i < sizeof telling / sizeof telling[0]; i++)
        if (weft_json_present(weft_json_get(o, telling[i])))
            return published_file(o, where, folder, depth, p);
    return own_layout(o, where, folder, depth, p);
}

static weft_status parse(const char *text, size_t size, const char *name, const char *folder, int depth, weft_platform *p)
{
    size_t length = strlen(name);
    if (length > 4 && strcasecmp(name + length - 4, ".ini") == 0) {
        weft_settings settings = {0};
        weft_status status = weft_ini_parse(text, size, name, &settings);
        if (status == WEFT_OK)
            status = weft_platform_from_ini(&settings, p);
        weft_settings_free(&settings);
        return status;
    }
    weft_json *document = NULL;
    weft_status status = weft_json_parse(text, size, name, &document);
    if (status == WEFT_OK)
        status = from_json(weft_json_root(document), name, folder, depth, p);
    weft_json_free(document);
    return status;
}

static weft_status load(const char *path, int depth, weft_platform *p)
{
    char *text = NULL, *folder = strdup(path);
    size_t size = 0;
    if (!folder)
        return weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", path);
    char *slash = strrchr(folder, '/');
    if (slash)
        slash[slash == folder] = 0;
    weft_status status = weft_file_read(path, FILE_BYTES, &text, &size);
    if (status == WEFT_OK)
        status = parse(text, size, path, slash ? folder : ".", depth, p);
    free(text);
    free(folder);
    return status;
}

static weft_status check(weft_status status, const char *what, const weft_platform *p)
{
    if (status == WEFT_OK && (status = weft_hardware_check(&p->machine)) != WEFT_OK)
        return weft_fail_in(status, "%s", what);
    return status;
}

weft_status weft_platform_parse(const char *json, size_t size, const char *name, const char *folder, weft_platform *p)
{
    return check(parse(json, size, name, folder, 0, p), name, p);
}

/* A platform of one's own is called as its files say, or by the files' names. */
static weft_status load_named(const char *path, weft_platform *p)
{
    char before[sizeof p->name];
    const char *slash = strrchr(path, '/'), *file = slash ? slash + 1 : path;
    bool first = p->source != NULL;
    memcpy(before, p->name, sizeof before);
    p->about = p->source = NULL;
    weft_status status = load(path, 0, p);
    if (status == WEFT_OK && strcmp(before, p->name) == 0)
        snprintf(p->name, sizeof p->name, "%.30s%s%.30s", first ? "" : before, first ? "" : " + ", file);
    return status;
}

weft_status weft_platform_load(const char *what, weft_platform *p)
{
    weft_text known = {0};
    weft_status status = preset_named(what, p, &known);
    if (status != WEFT_OK && !weft_path_exists(what))
        status =
            weft_fail(WEFT_ERROR_FILE, "%s: no such file, and no preset of hardware: %s", what, known.data ? known.data : "");
    else if (status != WEFT_OK)
        status = load_named(what, p);
    weft_text_free(&known);
    return check(status, what, p);
}
