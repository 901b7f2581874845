/* Loading a platform: Weft's own layout, DRAMsim3's files, and the published simulator's. */
#include "hardware/platform_fields.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/files.h"
#include "base/spelling.h"

enum { FILE_BYTES = 4 << 20, MOST_BANKS = 64 };

/* ---- DRAMsim3 ---- */

/* A number, and behind it nothing but a note in brackets: "0.666 (1/1.5)". */
static bool read_number(const char *text, double *out)
{
    char *end = NULL;
    if (!*text || !strchr("+-.0123456789", *text) || strpbrk(text, "xX"))
        return false;
    *out = strtod(text, &end);
    end += strspn(end, " ");
    return end != text && isfinite(*out) && (*end == 0 || *end == '(');
}

typedef struct dram_reader {
    const weft_settings *settings;
    weft_text defaults; /* names of the keys that are missing */
    int missing;
} dram_reader;

static weft_status refuse(const dram_reader *r, const weft_setting *s, const char *expected)
{
    char line[32] = "";
    if (s->line)
        snprintf(line, sizeof line, ", line %d", s->line);
    return weft_fail(WEFT_ERROR_FORMAT, "%s%s: \"%s\" is \"%.40s\", expected %s", r->settings->name, line, s->key, s->value,
                     expected);
}

static weft_status take(dram_reader *r, const char *section, const char *key, double least, double most, bool whole, double *out)
{
    const weft_setting *s = weft_settings_find(r->settings, section, key);
    double value = 0;
    if (!s)
        return WEFT_OK;
    if (!read_number(s->value, &value) || !(value >= least && value <= most) || (whole && value != floor(value))) {
        char expected[96];
        snprintf(expected, sizeof expected, "a %snumber from %g to %g", whole ? "whole " : "", least, most);
        return refuse(r, s, expected);
    }
    *out = value;
    return WEFT_OK;
}

static void use_default(dram_reader *r, const char *key, double value)
{
    weft_text_add(&r->defaults, "%s%s %g", r->missing++ ? ", " : "", key, value);
}

/* Timings by DRAMsim3's names. Those marked optional are left at DRAMsim3's own defaults in many of its files. */
#define PLACE(member) offsetof(weft_platform, machine.memory.timing.member)
static const struct {
    const char *key, *other; /* the second name, where the first is absent */
    size_t offset;
    bool optional;
} timings[] = {
    {"CL", NULL, PLACE(CL), false},           {"CWL", NULL, PLACE(CWL), false},         {"tRCDRD", "tRCD", PLACE(tRCDRD), false},
    {"tRCDWR", "tRCD", PLACE(tRCDWR), false}, {"tRP", NULL, PLACE(tRP), false},         {"tRAS", NULL, PLACE(tRAS), false},
    {"tRFC", NULL, PLACE(tRFC), false},       {"tREFI", NULL, PLACE(tREFI), false},     {"tRRD_S", "tRRD", PLACE(tRRD_S), false},
    {"tRRD_L", "tRRD", PLACE(tRRD_L), false}, {"tWTR_S", "tWTR", PLACE(tWTR_S), false}, {"tWTR_L", "tWTR", PLACE(tWTR_L), false},
    {"tFAW", NULL, PLACE(tFAW), false},       {"tWR", NULL, PLACE(tWR), false},         {"tCCD_S", "tCCD", PLACE(tCCD_S), false},
    {"tCCD_L", "tCCD", PLACE(tCCD_L), false}, {"tXS", "tXSR", PLACE(tXS), true},        {"AL", NULL, PLACE(AL), true},
    {"tRTP", NULL, PLACE(tRTP), true},        {"tRTRS", NULL, PLACE(tRTRS), true},      {"tRFCb", NULL, PLACE(tRFCb), true},
};

static weft_status take_timings(dram_reader *r, weft_platform *p)
{
    weft_status status = WEFT_OK;
    weft_dram_timing *t = &p->machine.memory.timing;
    for (size_t i = 0; i < sizeof timings / sizeof timings[0] && status == WEFT_OK; i++) {
        double value = -1;
        int whole;
        status = take(r, "timing", timings[i].key, 0, 1e6, true, &value);
        if (status == WEFT_OK && value < 0 && timings[i].other)
            status = take(r, "timing", timings[i].other, 0, 1e6, true, &value);
        memcpy(&whole, (char *)p + timings[i].offset, sizeof whole);
        if (value < 0 && !timings[i].optional)
            use_default(r, timings[i].key, whole);
        if (value >= 0)
            whole = (int)value;
        memcpy((char *)p + timings[i].offset, &whole, sizeof whole);
    }
    double tck = 0, trc = 0;
    if (status == WEFT_OK)
        status = take(r, "timing", "tCK", 1e-3, 1e6, false, &tck);
    if (status == WEFT_OK)
        status = take(r, "timing", "tRC", 0, 1e6, true, &trc);
    if (status != WEFT_OK)
        return status;
    if (trc > 0 && trc < t->tRAS)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: \"tRAS\" is %d, expected at most tRC, which is %g", r->settings->name, t->tRAS,
                         trc);
    if (tck > 0) {
        t->tCK = tck;
        p->machine.memory.mhz = 1000 / tck;
    } else {
        use_default(r, "tCK", t->tCK);
    }
    return WEFT_OK;
}

static weft_status take_power(dram_reader *r, weft_platform *p)
{
    weft_dram_power *w = &p->machine.memory.power;
    const struct {
        const char *key;
        double *place;
    } rows[] = {{"VDD", &w->VDD},     {"IDD0", &w->IDD0},   {"IDD2N", &w->IDD2N},   {"IDD3N", &w->IDD3N},
                {"IDD4R", &w->IDD4R}, {"IDD4W", &w->IDD4W}, {"IDD5AB", &w->IDD5AB}, {"IDD6x", &w->IDD6x}};
    weft_status status = WEFT_OK;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0] && status == WEFT_OK; i++) {
        if (!weft_settings_find(r->settings, "power", rows[i].key))
            use_default(r, rows[i].key, *rows[i].place);
        status = take(r, "power", rows[i].key, 0, 1e6, false, rows[i].place);
    }
    return status;
}

/* Cycles of the clock that a burst holds the bus, by protocol: double data rate, and the faster wires of GDDR5 and later. */
static int burst_of(const char *protocol, int length)
{
    static const struct {
        const char *protocol;
        int a_cycle;
    } rows[] = {{"GDDR5", 4}, {"GDDR5X", 8}, {"GDDR6", 16}};
    int a_cycle = 2;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (strcasecmp(protocol, rows[i].protocol) == 0)
            a_cycle = rows[i].a_cycle;
    return length > a_cycle ? length / a_cycle : 1;
}

static weft_status take_structure(dram_reader *r, weft_platform *p)
{
    weft_hardware_memory *m = &p->machine.memory;
    double groups = m->bankgroups, banks = m->banks_per_group, rows = (double)m->rows, columns = 64, device = 128, length = 4,
           channel_mb = 1024, channels = m->channels, bus = 128, commands = m->command_queue, transactions = m->transaction_queue;
    const struct {
        const char *section, *key;
        double least, most, *place;
    } wanted[] = {
        {"dram_structure", "bankgroups", 1, 4096, &groups},
        {"dram_structure", "banks_per_group", 1, 4096, &banks},
        {"dram_structure", "rows", 1, 1 << 26, &rows},
        {"dram_structure", "columns", 1, 1 << 20, &columns},
        {"dram_structure", "device_width", 1, 4096, &device},
        {"dram_structure", "BL", 1, 1024, &length},
        {"system", "channel_size", 1, 1 << 24, &channel_mb},
        {"system", "channels", 1, 1 << 16, &channels},
        {"system", "bus_width", 8, 65536, &bus},
        {"system", "cmd_queue_size", 1, 65536, &commands},
        {"system", "trans_queue_size", 1, 65536, &transactions},
    };
    weft_status status = WEFT_OK;
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0] && status == WEFT_OK; i++) {
        if (!weft_settings_find(r->settings, wanted[i].section, wanted[i].key))
            use_default(r, wanted[i].key, *wanted[i].place);
        status = take(r, wanted[i].section, wanted[i].key, wanted[i].least, wanted[i].most, true, wanted[i].place);
    }
    if (status != WEFT_OK)
        return status;
    const weft_setting *protocol = weft_settings_find(r->settings, "dram_structure", "protocol");
    double devices = bus / device, request = bus / 8 * length, row_bytes = columns * device / 8 * devices;
    double rank_mb = row_bytes * rows * groups * banks / 1048576;
    if (devices < 1 || devices != floor(devices))
        return weft_fail(WEFT_ERROR_FORMAT, "%s: a bus of %g bits does not divide into devices of %g", r->settings->name, bus,
                         device);
    if (row_bytes < request)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: a row of %g bytes is smaller than a burst of %g", r->settings->name, row_bytes,
                         request);
    if (rank_mb > channel_mb)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: \"channel_size\" is %g MB, smaller than one rank, which is %g MB",
                         r->settings->name, channel_mb, rank_mb);
    m->bankgroups = (int)groups, m->banks_per_group = (int)banks, m->rows = (int64_t)rows, m->channels = (int)channels;
    m->ranks = (int)(channel_mb / rank_mb), m->columns = (int)(columns / length), m->request_bytes = (int)request;
    m->command_queue = (int)commands, m->transaction_queue = (int)transactions;
    while (m->ranks > 1 && m->ranks * m->bankgroups * m->banks_per_group > MOST_BANKS)
        m->ranks /= 2;
    if (m->ranks < (int)(channel_mb / rank_mb))
        weft_log(WEFT_LOG_WARNING, "%s: %d of a channel's %d ranks are simulated, so that it has no more than %d banks",
                 r->settings->name, m->ranks, (int)(channel_mb / rank_mb), MOST_BANKS);
    m->timing.burst = burst_of(protocol ? protocol->value : "HBM", (int)length);
    return WEFT_OK;
}

weft_status weft_platform_from_ini(const weft_settings *settings, weft_platform *p)
{
    dram_reader r = {.settings = settings};
    const weft_setting *pim = weft_settings_find(settings, "dram_structure", "pim_type");
    static const struct {
        const char *word;
        weft_memory_kind kind;
    } kinds[] = {
        {"DUAL", WEFT_MEMORY_DUAL}, {"SINGLE", WEFT_MEMORY_SINGLE}, {"DRAM", WEFT_MEMORY_PLAIN}, {"NONE", WEFT_MEMORY_PLAIN}};
    weft_status status = WEFT_OK;
    if (!weft_settings_find(settings, "dram_structure", "bankgroups") && !weft_settings_find(settings, "timing", "tRP"))
        return weft_fail(WEFT_ERROR_FORMAT, "%s: neither [dram_structure] nor [timing]; expected a DRAMsim3 configuration",
                         settings->name);
    if (pim) {
        bool known = false;
        for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
            if (strcasecmp(kinds[i].word, pim->value) == 0) {
                p->machine.memory.kind = kinds[i].kind;
                known = true;
            }
        if (!known)
            status = refuse(&r, pim, "DUAL, SINGLE or DRAM");
    }
    if (status == WEFT_OK)
        status = take_structure(&r, p);
    if (status == WEFT_OK)
        status = take_timings(&r, p);
    if (status == WEFT_OK)
        status = take_power(&r, p);
    if (status == WEFT_OK && r.missing)
        weft_log(WEFT_LOG_WARNING, "%s: not given, taken from the published HBM2 memory: %s", settings->name,
                 r.defaults.data ? r.defaults.data : "");
    weft_text_free(&r.defaults);
    return status;
}

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

weft_status weft_platform_load(const char *what, weft_platform *p)
{
    weft_text known = {0};
    weft_status status = preset_named(what, p, &known);
    if (status != WEFT_OK && !weft_path_exists(what))
        status =
            weft_fail(WEFT_ERROR_FILE, "%s: no such file, and no preset of hardware: %s", what, known.data ? known.data : "");
    else if (status != WEFT_OK) {
        const char *slash = strrchr(what, '/');
        snprintf(p->name, sizeof p->name, "%s", slash ? slash + 1 : what);
        p->about = p->source = NULL;
        status = load(what, 0, p);
    }
    weft_text_free(&known);
    return check(status, what, p);
}
