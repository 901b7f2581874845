/* A memory from DRAMsim3's settings: structure, timings and currents, in that simulator's units (cycles of tCK, mA, MB). */
#include "hardware/platform.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { MOST_BANKS = 64 }; /* of a channel, that the engines can carry */

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
