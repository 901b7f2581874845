/* The table of a hardware file's fields, and reading one section by it. */
#include "hardware/platform_fields.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/spelling.h"

#define COUNT(section, key, kind, place, least, most) \
    { \
        section, key, WEFT_DIMENSION_NONE, WEFT_FIELD_##kind, offsetof(weft_platform, place), 1, least, most \
    }
#define REAL(section, key, dimension, place, unit, least, most) \
    { \
        section, key, WEFT_DIMENSION_##dimension, WEFT_FIELD_DOUBLE, offsetof(weft_platform, place), unit, least, most \
    }
#define TIMING(key) COUNT("timing", #key, INT, machine.memory.timing.key, 0, 1000000)

const weft_platform_field weft_platform_fields[] = {
    REAL("npu", "frequency", FREQUENCY, machine.npu.core_mhz, 1e6, 1e-3, 1e5),
    REAL("npu", "interconnect_frequency", FREQUENCY, machine.npu.interconnect_mhz, 1e6, 1e-3, 1e5),
    COUNT("npu", "interconnect_latency_cycles", INT, machine.npu.interconnect_latency, 0, 100000),
    COUNT("npu", "systolic_arrays", INT, machine.npu.systolic_arrays, 1, 4096),
    COUNT("npu", "systolic_height", INT, machine.npu.systolic_height, 1, 4096),
    COUNT("npu", "systolic_width", INT, machine.npu.systolic_width, 1, 4096),
    COUNT("npu", "vector_units", INT, machine.npu.vector_units, 1, 4096),
    COUNT("npu", "vector_width", INT, machine.npu.vector_width, 1, 65536),
    {"npu", "scratchpad", WEFT_DIMENSION_BYTES, WEFT_FIELD_INT64, offsetof(weft_platform, machine.npu.scratchpad_kb), 1024, 1,
     1 << 30},
    COUNT("npu", "add_latency_cycles", INT, machine.npu.add_latency, 0, 10000),
    COUNT("npu", "mul_latency_cycles", INT, machine.npu.mul_latency, 0, 10000),
    COUNT("npu", "exp_latency_cycles", INT, machine.npu.exp_latency, 0, 10000),
    COUNT("npu", "gelu_latency_cycles", INT, machine.npu.gelu_latency, 0, 10000),
    COUNT("npu", "add_tree_latency_cycles", INT, machine.npu.add_tree_latency, 0, 10000),
    COUNT("npu", "scalar_sqrt_latency_cycles", INT, machine.npu.scalar_sqrt_latency, 0, 10000),
    COUNT("npu", "scalar_add_latency_cycles", INT, machine.npu.scalar_add_latency, 0, 10000),
    COUNT("npu", "scalar_mul_latency_cycles", INT, machine.npu.scalar_mul_latency, 0, 10000),
    REAL("memory", "frequency", FREQUENCY, machine.memory.mhz, 1e6, 1e-3, 1e5),
    COUNT("memory", "channels", INT, machine.memory.channels, 1, 1 << 20),
    COUNT("memory", "ranks", INT, machine.memory.ranks, 1, 1 << 20),
    COUNT("memory", "bankgroups", INT, machine.memory.bankgroups, 1, 1 << 20),
    COUNT("memory", "banks_per_group", INT, machine.memory.banks_per_group, 1, 1 << 20),
    COUNT("memory", "rows", INT64, machine.memory.rows, 1, 1 << 30),
    COUNT("memory", "columns", INT, machine.memory.columns, 1, 1 << 20),
    {"memory", "request", WEFT_DIMENSION_BYTES, WEFT_FIELD_INT, offsetof(weft_platform, machine.memory.request_bytes), 1, 1,
     65536},
    COUNT("memory", "command_queue", INT, machine.memory.command_queue, 1, 65536),
    COUNT("memory", "transaction_queue", INT, machine.memory.transaction_queue, 1, 65536),
    COUNT("memory", "response_limit", INT, machine.memory.response_limit, 0, 1 << 20),
    COUNT("memory", "pim_lanes", INT, machine.memory.pim_lanes, 1, 65536),
    REAL("timing", "tCK", TIME, machine.memory.timing.tCK, 1e-9, 1e-3, 1e6),
    COUNT("timing", "burst", INT, machine.memory.timing.burst, 1, 1024),
    TIMING(AL),
    TIMING(CL),
    TIMING(CWL),
    TIMING(tRCDRD),
    TIMING(tRCDWR),
    TIMING(tRP),
    TIMING(tRAS),
    TIMING(tRFC),
    TIMING(tRFCb),
    TIMING(tREFI),
    TIMING(tRRD_S),
    TIMING(tRRD_L),
    TIMING(tWTR_S),
    TIMING(tWTR_L),
    TIMING(tFAW),
    TIMING(tWR),
    TIMING(tCCD_S),
    TIMING(tCCD_L),
    TIMING(tXS),
    TIMING(tRTP),
    TIMING(tRTRS),
    REAL("power", "VDD_volts", NONE, machine.memory.power.VDD, 1, 0, 100),
    REAL("power", "IDD0_milliamperes", NONE, machine.memory.power.IDD0, 1, 0, 1e6),
    REAL("power", "IDD2N_milliamperes", NONE, machine.memory.power.IDD2N, 1, 0, 1e6),
    REAL("power", "IDD3N_milliamperes", NONE, machine.memory.power.IDD3N, 1, 0, 1e6),
    REAL("power", "IDD4R_milliamperes", NONE, machine.memory.power.IDD4R, 1, 0, 1e6),
    REAL("power", "IDD4W_milliamperes", NONE, machine.memory.power.IDD4W, 1, 0, 1e6),
    REAL("power", "IDD5AB_milliamperes", NONE, machine.memory.power.IDD5AB, 1, 0, 1e6),
    REAL("power", "IDD6x_milliamperes", NONE, machine.memory.power.IDD6x, 1, 0, 1e6),
    REAL("link", "bandwidth", BANDWIDTH, link.bandwidth, 1, 1, 1e18),
    REAL("link", "latency", TIME, link.latency, 1, 0, 10),
    REAL("gpu", "compute", COMPUTE, gpu.compute, 1, 1, 1e21),
    REAL("gpu", "bandwidth", BANDWIDTH, gpu.bandwidth, 1, 1, 1e18),
    REAL("gpu", "memory", BYTES, gpu.memory, 1, 1, 1e18),
    REAL("gpu", "power", POWER, gpu.power, 1, 0, 1e6),
    REAL("gpu", "area", AREA, gpu.area, 1, 0, 1),
    REAL("gpu", "compute_efficiency", NONE, gpu.compute_efficiency, 1, 1e-6, 1),
    REAL("gpu", "bandwidth_efficiency", NONE, gpu.bandwidth_efficiency, 1, 1e-6, 1),
    REAL("energy", "mac", ENERGY, energy.mac, 1, 0, 1),
    REAL("energy", "vector", ENERGY, energy.vector, 1, 0, 1),
    REAL("energy", "scratchpad_byte", ENERGY, energy.scratchpad, 1, 0, 1),
    REAL("energy", "link_byte", ENERGY, energy.link, 1, 0, 1),
    REAL("energy", "npu_static", POWER, energy.npu_static, 1, 0, 1e6),
    REAL("area", "mac", AREA, area.mac, 1, 0, 1),
    REAL("area", "lane", AREA, area.lane, 1, 0, 1),
    REAL("area", "scratchpad_byte", AREA, area.scratchpad, 1, 0, 1),
    REAL("area", "dram_bit", AREA, area.dram_bit, 1, 0, 1),
    REAL("area", "dual_buffer_share", NONE, area.dual_buffer, 1, 0, 10),
    REAL("area", "pim_share", NONE, area.pim, 1, 0, 10),
    {0},
};

weft_status weft_field_store(const weft_platform_field *f, double base, const char *where, const char *key, weft_platform *p)
{
    double value = base / f->unit;
    if (!(value >= f->least * (1 - 1e-12) && value <= f->most * (1 + 1e-12)) ||
        (f->kind != WEFT_FIELD_DOUBLE && fabs(value - round(value)) > 1e-6)) {
        const char *kind = f->kind == WEFT_FIELD_DOUBLE ? "a number" : "a whole number";
        if (f->dimension != WEFT_DIMENSION_NONE)
            return weft_fail(WEFT_ERROR_FORMAT, "%s: \"%s\" is %.10g in base units, expected %s from %.10g to %.10g", where, key,
                             base, kind, f->least * f->unit, f->most * f->unit);
        return weft_fail(WEFT_ERROR_FORMAT, "%s: \"%s\" is %.10g, expected %s from %.10g to %.10g", where, key, value, kind,
                         f->least, f->most);
    }
    char *place = (char *)p + f->offset;
    if (f->kind == WEFT_FIELD_INT) {
        int whole = (int)lround(value);
        memcpy(place, &whole, sizeof whole);
    } else if (f->kind == WEFT_FIELD_INT64) {
        int64_t whole = llround(value);
        memcpy(place, &whole, sizeof whole);
    } else {
        memcpy(place, &value, sizeof value);
    }
    return WEFT_OK;
}

double weft_field_value(const weft_platform_field *f, const weft_platform *p)
{
    const char *place = (const char *)p + f->offset;
    int whole = 0;
    int64_t large = 0;
    double value = 0;
    if (f->kind == WEFT_FIELD_INT) {
        memcpy(&whole, place, sizeof whole);
        value = whole;
    } else if (f->kind == WEFT_FIELD_INT64) {
        memcpy(&large, place, sizeof large);
        value = (double)large;
    } else {
        memcpy(&value, place, sizeof value);
    }
    return value * f->unit;
}

/* The row that `key` names, alone or with a unit at its end; *scale is that unit's, 0 without one. */
static const weft_platform_field *find(const char *section, const char *key, double *scale)
{
    for (const weft_platform_field *f = weft_platform_fields; f->key; f++) {
        size_t length = strlen(f->key);
        if (strcmp(f->section, section) != 0 || strncmp(f->key, key, length) != 0)
            continue;
        *scale = 0;
        if (!key[length])
            return f;
        if (key[length] == '_' && f->dimension != WEFT_DIMENSION_NONE &&
            weft_quantity_suffix(key + length + 1, f->dimension, scale))
            return f;
    }
    return NULL;
}

static weft_status unknown_key(const char *where, const char *section, const char *key)
{
    const char *best = NULL, *any = NULL;
    for (const weft_platform_field *f = weft_platform_fields; f->key; f++)
        if (strcmp(f->section, section) == 0) {
            weft_spelling_nearest(key, f->key, &best);
            any = f->key;
        }
    if (best)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: \"%s.%s\" is not known; did you mean \"%s\"?", where, section, key, best);
    return weft_fail(WEFT_ERROR_FORMAT, "%s: \"%s.%s\" is not known; \"%s\" is one of its keys", where, section, key, any);
}

static weft_status read_field(const weft_platform_field *f, weft_json_value v, double scale, const char *where, const char *key,
                              weft_platform *p)
{
    weft_json_kind kind = weft_json_kind_of(v);
    bool number = kind == WEFT_JSON_NUMBER || kind == WEFT_JSON_INTEGER;
    double base = weft_json_number(v, NAN);
    char shown[64];
    if (number)
        snprintf(shown, sizeof shown, "%g", base);
    else
        snprintf(shown, sizeof shown, "\"%.50s\"", weft_json_string(v, "something else"));
    if (f->dimension == WEFT_DIMENSION_NONE || scale > 0) {
        if (!number)
            return weft_fail(WEFT_ERROR_FORMAT, "%s: \"%s\" is %s, expected a number", where, key, shown);
        return weft_field_store(f, base * (scale > 0 ? scale : 1), where, key, p);
    }
    if (number || !weft_quantity_parse(weft_json_string(v, ""), f->dimension, &base))
        return weft_fail(WEFT_ERROR_FORMAT,
                         "%s: \"%s\" is %s, expected a quantity with its unit, like \"%s\" (or \"%s_%s\": a number)", where, key,
                         shown, weft_quantity_example(f->dimension), f->key, weft_quantity_ending(f->dimension));
    return weft_field_store(f, base, where, key, p);
}

weft_status weft_fields_read(weft_json_value object, const char *where, const char *section, weft_platform *p)
{
    weft_json_value v;
    for (int64_t i = 0; i < weft_json_size(object); i++) {
        const char *key = weft_json_key(object, i, &v);
        double scale = 0;
        const weft_platform_field *f = find(section, key, &scale);
        if (!f && strcmp(section, "memory") == 0 &&
            (strcmp(key, "type") == 0 || strcmp(key, "timing") == 0 || strcmp(key, "power") == 0))
            continue; /* read beside the table */
        char path[160];
        snprintf(path, sizeof path, "%s.%s", section, key);
        weft_status status = f ? read_field(f, v, scale, where, path, p) : unknown_key(where, section, key);
        if (status != WEFT_OK)
            return status;
    }
    return WEFT_OK;
}

weft_status weft_settings_from_json(weft_json_value object, const char *name, weft_settings *out)
{
    weft_status status = weft_ini_parse("", 0, name, out);
    weft_json_value section, value;
    for (int64_t s = 0; s < weft_json_size(object) && status == WEFT_OK; s++) {
        const char *section_name = weft_json_key(object, s, &section);
        if (weft_json_kind_of(section) != WEFT_JSON_OBJECT)
            continue; /* a note beside the sections */
        for (int64_t k = 0; k < weft_json_size(section) && status == WEFT_OK; k++) {
            const char *key = weft_json_key(section, k, &value);
            char number[64];
            const char *text = weft_json_string(value, NULL);
            if (!text) {
                weft_json_kind kind = weft_json_kind_of(value);
                if (kind == WEFT_JSON_BOOL)
                    snprintf(number, sizeof number, "%s", weft_json_bool(value, false) ? "True" : "False");
                else if (kind == WEFT_JSON_INTEGER || kind == WEFT_JSON_NUMBER)
                    snprintf(number, sizeof number, "%.17g", weft_json_number(value, 0));
                else
                    status =
                        weft_fail(WEFT_ERROR_FORMAT, "%s: \"%s.%s\" is neither a number nor a text", name, section_name, key);
                text = number;
            }
            if (status == WEFT_OK)
                status = weft_settings_add(out, section_name, key, text, 0);
        }
    }
    if (status != WEFT_OK)
        weft_settings_free(out);
    return status;
}

/* The largest unit that leaves a readable number. */
static void write_quantity(const weft_platform_field *f, double base, weft_json_writer *w)
{
    static const struct {
        weft_dimension dimension;
        const char *unit;
        double scale;
    } shown[] = {
        {WEFT_DIMENSION_FREQUENCY, "MHz", 1e6},  {WEFT_DIMENSION_TIME, "ns", 1e-9},         {WEFT_DIMENSION_BYTES, "B", 1},
        {WEFT_DIMENSION_BANDWIDTH, "GB/s", 1e9}, {WEFT_DIMENSION_COMPUTE, "TFLOP/s", 1e12}, {WEFT_DIMENSION_ENERGY, "pJ", 1e-12},
        {WEFT_DIMENSION_POWER, "W", 1},          {WEFT_DIMENSION_AREA, "um2", 1e-12},
    };
    for (size_t i = 0; i < sizeof shown / sizeof shown[0]; i++)
        if (shown[i].dimension == f->dimension) {
            char text[64];
            snprintf(text, sizeof text, "%.9g %s", base / shown[i].scale, shown[i].unit);
            weft_json_add_string(w, text);
            return;
        }
    if (base == floor(base) && fabs(base) < 1e15)
        weft_json_add_integer(w, (int64_t)base);
    else
        weft_json_add_number(w, base);
}

static void write_section(const weft_platform *p, const char *section, weft_json_writer *w)
{
    for (const weft_platform_field *f = weft_platform_fields; f->key; f++)
        if (strcmp(f->section, section) == 0) {
            weft_json_add_key(w, f->key);
            write_quantity(f, weft_field_value(f, p), w);
        }
}

void weft_platform_write(const weft_platform *p, weft_text *out)
{
    static const char *const sections[] = {"npu", "memory", "link", "gpu", "energy", "area"};
    weft_json_writer w = weft_json_to(out, 2);
    weft_json_open_object(&w);
    weft_json_add_key(&w, "name");
    weft_json_add_string(&w, p->name);
    if (p->source) {
        weft_json_add_key(&w, "source");
        weft_json_add_string(&w, p->source);
    }
    for (size_t i = 0; i < sizeof sections / sizeof sections[0]; i++) {
        weft_json_add_key(&w, sections[i]);
        weft_json_open_object(&w);
        bool memory = strcmp(sections[i], "memory") == 0;
        if (memory) {
            weft_json_add_key(&w, "type");
            weft_json_add_string(&w, weft_memory_kind_name(p->machine.memory.kind));
        }
        write_section(p, sections[i], &w);
        for (int inner = 0; memory && inner < 2; inner++) {
            weft_json_add_key(&w, inner ? "power" : "timing");
            weft_json_open_object(&w);
            write_section(p, inner ? "power" : "timing", &w);
            weft_json_close_object(&w);
        }
        weft_json_close_object(&w);
    }
    weft_json_close_object(&w);
    weft_text_add(out, "\n");
}
