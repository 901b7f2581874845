/* The machine's description: the published one, its checks, and the names of kinds, systems and commands. */
#include "weft/hardware.h"

#include <math.h>
#include <string.h>

weft_hardware weft_hardware_default(void)
{
    return (weft_hardware){
        .npu = {.core_mhz = 1000,
                .interconnect_mhz = 2000,
                .interconnect_latency = 1,
                .systolic_arrays = 8,
                .systolic_height = 128,
                .systolic_width = 128,
                .vector_units = 8,
                .vector_width = 128,
                .scratchpad_kb = 134218,
                .add_latency = 1,
                .mul_latency = 1,
                .exp_latency = 1,
                .gelu_latency = 1,
                .add_tree_latency = 1,
                .scalar_sqrt_latency = 1,
                .scalar_add_latency = 1,
                .scalar_mul_latency = 1},
        .memory =
            {.kind = WEFT_MEMORY_DUAL,
             .mhz = 1000,
             .channels = 32,
             .ranks = 2,
             .bankgroups = 4,
             .banks_per_group = 4,
             .rows = 32768,
             .columns = 16,
             .request_bytes = 64,
             .command_queue = 128,
             .transaction_queue = 32,
             .pim_lanes = 16,
             /* 8 Gb HBM2; tRTP and tRTRS are the defaults of DRAMsim3, whose reader knows neither tRTP_S nor tRTP_L */
             .timing = {.tCK = 1,
                        .burst = 2,
                        .CL = 14,
                        .CWL = 4,
                        .tRCDRD = 14,
                        .tRCDWR = 14,
                        .tRP = 14,
                        .tRAS = 34,
                        .tRFC = 260,
                        .tRFCb = 20,
                        .tREFI = 3900,
                        .tRRD_S = 4,
                        .tRRD_L = 6,
                        .tWTR_S = 6,
                        .tWTR_L = 8,
                        .tFAW = 30,
                        .tWR = 16,
                        .tCCD_S = 1,
                        .tCCD_L = 2,
                        .tXS = 268,
                        .tRTP = 5,
                        .tRTRS = 2},
             .power = {.VDD = 1.2, .IDD0 = 65, .IDD2N = 40, .IDD3N = 55, .IDD4R = 390, .IDD4W = 500, .IDD5AB = 250, .IDD6x = 31}},
    };
}

static bool power_of_two(int64_t n)
{
    return n > 0 && (n & (n - 1)) == 0;
}

/* A whole number of the description with the range that the engines can carry. */
typedef struct whole {
    const char *name;
    int64_t value, least, most;
    bool power; /* must be a power of two: it is a field of the address */
} whole;

static weft_status check_wholes(const whole *rows, size_t count)
{
    for (const whole *row = rows; row < rows + count; row++) {
        if (row->value < row->least || row->value > row->most)
            return weft_fail(WEFT_ERROR_ARGUMENT, "%s is %lld; it must be from %lld to %lld", row->name, (long long)row->value,
                             (long long)row->least, (long long)row->most);
        if (row->power && !power_of_two(row->value))
            return weft_fail(WEFT_ERROR_ARGUMENT, "%s is %lld; it must be a power of two", row->name, (long long)row->value);
    }
    return WEFT_OK;
}

static weft_status check_frequency(const char *name, double mhz)
{
    if (!(mhz >= 1e-3 && mhz <= 1e6))
        return weft_fail(WEFT_ERROR_ARGUMENT, "%s is %g MHz; it must be above 0 and at most 1e6", name, mhz);
    return WEFT_OK;
}

static weft_status check_timing(const weft_dram_timing *t)
{
    const whole rows[] = {
        {"timing burst", t->burst, 1, 64, false},      {"timing AL", t->AL, 0, 10000, false},
        {"timing CL", t->CL, 1, 10000, false},         {"timing CWL", t->CWL, 1, 10000, false},
        {"timing tRCDRD", t->tRCDRD, 1, 10000, false}, {"timing tRCDWR", t->tRCDWR, 1, 10000, false},
        {"timing tRP", t->tRP, 1, 10000, false},       {"timing tRAS", t->tRAS, 1, 10000, false},
        {"timing tRFC", t->tRFC, 1, 1000000, false},   {"timing tREFI", t->tREFI, 2, 100000000, false},
        {"timing tRRD_S", t->tRRD_S, 0, 10000, false}, {"timing tRRD_L", t->tRRD_L, 0, 10000, false},
        {"timing tWTR_S", t->tWTR_S, 0, 10000, false}, {"timing tWTR_L", t->tWTR_L, 0, 10000, false},
        {"timing tFAW", t->tFAW, 0, 10000, false},     {"timing tWR", t->tWR, 0, 10000, false},
        {"timing tCCD_S", t->tCCD_S, 1, 10000, false}, {"timing tCCD_L", t->tCCD_L, 1, 10000, false},
        {"timing tRTP", t->tRTP, 0, 10000, false},     {"timing tRTRS", t->tRTRS, 0, 10000, false},
    };
    /* What holds within a bank group must be no shorter than what holds across groups. */
    const struct {
        const char *small_name, *large_name;
        int small, large;
    } pairs[] = {
        {"tCCD_S", "tCCD_L", t->tCCD_S, t->tCCD_L},
        {"tWTR_S", "tWTR_L", t->tWTR_S, t->tWTR_L},
        {"tRRD_S", "tRRD_L", t->tRRD_S, t->tRRD_L},
        {"tRFC", "tREFI", t->tRFC, t->tREFI},
    };
    weft_status status = check_wholes(rows, sizeof rows / sizeof rows[0]);
    for (size_t i = 0; status == WEFT_OK && i < sizeof pairs / sizeof pairs[0]; i++)
        if (pairs[i].small > pairs[i].large)
            status = weft_fail(WEFT_ERROR_ARGUMENT, "timing %s is %d, more than %s, which is %d", pairs[i].small_name,
                               pairs[i].small, pairs[i].large_name, pairs[i].large);
    if (status == WEFT_OK && !(t->tCK > 0 && t->tCK < 1e6))
        status = weft_fail(WEFT_ERROR_ARGUMENT, "timing tCK is %g ns; it must be above 0", t->tCK);
    return status;
}

static weft_status check_power(const weft_dram_power *p)
{
    const struct {
        const char *name;
        double value;
    } rows[] = {{"VDD", p->VDD},     {"IDD0", p->IDD0},   {"IDD2N", p->IDD2N},   {"IDD3N", p->IDD3N},
                {"IDD4R", p->IDD4R}, {"IDD4W", p->IDD4W}, {"IDD5AB", p->IDD5AB}, {"IDD6x", p->IDD6x}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (!(rows[i].value >= 0 && rows[i].value < 1e6))
            return weft_fail(WEFT_ERROR_ARGUMENT, "power %s is %g; it must be 0 or more", rows[i].name, rows[i].value);
    return WEFT_OK;
}

static weft_status check_memory(const weft_hardware_memory *m)
{
    const whole rows[] = {
        {"memory channels", m->channels, 1, 64, true},
        {"memory ranks", m->ranks, 1, 16, true},
        {"memory bankgroups", m->bankgroups, 1, 16, true},
        {"memory banks_per_group", m->banks_per_group, 1, 16, true},
        {"memory rows", m->rows, 1, 1 << 24, true},
        {"memory columns", m->columns, 1, 4096, true},
        {"memory request_bytes", m->request_bytes, 8, 4096, true},
        {"memory command_queue", m->command_queue, 1, 1024, false},
        {"memory transaction_queue", m->transaction_queue, 1, 1024, false},
        {"memory response_limit", m->response_limit, 0, 1 << 15, false},
        {"memory pim_lanes", m->pim_lanes, m->kind == WEFT_MEMORY_PLAIN ? 0 : 1, 4096, false},
        {"memory banks of a channel", (int64_t)m->ranks * m->bankgroups * m->banks_per_group, 1, 64, false},
    };
    weft_status status = check_frequency("memory mhz", m->mhz);
    if (status == WEFT_OK)
        status = check_wholes(rows, sizeof rows / sizeof rows[0]);
    int64_t banks = (int64_t)m->ranks * m->bankgroups * m->banks_per_group;
    if (status == WEFT_OK && banks * m->command_queue > 1 << 14)
        status = weft_fail(WEFT_ERROR_ARGUMENT, "memory command_queue is %d; with %lld banks it must be at most %lld",
                           m->command_queue, (long long)banks, (1ll << 14) / (long long)banks);
    if (status == WEFT_OK && banks * m->rows * m->columns > (int64_t)1 << 32)
        status =
            weft_fail(WEFT_ERROR_ARGUMENT, "memory: %lld banks of %lld rows of %d columns are more than 2^32 lines a channel",
                      (long long)banks, (long long)m->rows, m->columns);
    if (status == WEFT_OK)
        status = check_timing(&m->timing);
    if (status == WEFT_OK && m->timing.tREFI / m->ranks < 1)
        status = weft_fail(WEFT_ERROR_ARGUMENT, "timing tREFI is %d, less than the %d ranks", m->timing.tREFI, m->ranks);
    return status == WEFT_OK ? check_power(&m->power) : status;
}

static weft_status check_npu(const weft_hardware_npu *n)
{
    const whole rows[] = {
        {"npu interconnect_latency", n->interconnect_latency, 0, 100000, false},
        {"npu systolic_arrays", n->systolic_arrays, 1, 4096, false},
        {"npu systolic_height", n->systolic_height, 1, 4096, false},
        {"npu systolic_width", n->systolic_width, 1, 4096, false},
        {"npu vector_units", n->vector_units, 1, 1024, false},
        {"npu vector_width", n->vector_width, 2, 65536, false},
        {"npu scratchpad_kb", n->scratchpad_kb, 1, 1 << 30, false},
        {"npu add_latency", n->add_latency, 0, 100000, false},
        {"npu mul_latency", n->mul_latency, 0, 100000, false},
        {"npu exp_latency", n->exp_latency, 0, 100000, false},
        {"npu gelu_latency", n->gelu_latency, 0, 100000, false},
        {"npu add_tree_latency", n->add_tree_latency, 0, 100000, false},
        {"npu scalar_sqrt_latency", n->scalar_sqrt_latency, 0, 100000, false},
        {"npu scalar_add_latency", n->scalar_add_latency, 0, 100000, false},
        {"npu scalar_mul_latency", n->scalar_mul_latency, 0, 100000, false},
    };
    weft_status status = check_frequency("npu core_mhz", n->core_mhz);
    if (status == WEFT_OK)
        status = check_frequency("npu interconnect_mhz", n->interconnect_mhz);
    if (status == WEFT_OK)
        status = check_wholes(rows, sizeof rows / sizeof rows[0]);
    if (status == WEFT_OK && n->systolic_height != n->systolic_width)
        status = weft_fail(WEFT_ERROR_ARGUMENT, "npu systolic array is %d × %d; it must be square", n->systolic_height,
                           n->systolic_width);
    return status;
}

static weft_status check_link(const weft_hardware_link *l)
{
    if (!(l->bandwidth == 0 || (l->bandwidth >= 1 && l->bandwidth <= 1e18)))
        return weft_fail(WEFT_ERROR_ARGUMENT, "link bandwidth is %g bytes a second; it must be 0 or from 1 to 1e18",
                         l->bandwidth);
    if (!(l->latency >= 0 && l->latency <= 1))
        return weft_fail(WEFT_ERROR_ARGUMENT, "link latency is %g s; it must be from 0 to 1", l->latency);
    return WEFT_OK;
}

weft_status weft_hardware_check(const weft_hardware *hardware)
{
    weft_status status = check_npu(&hardware->npu);
    if (status == WEFT_OK)
        status = check_memory(&hardware->memory);
    return status == WEFT_OK ? check_link(&hardware->link) : status;
}

double weft_hardware_all_reduce(const weft_hardware_link *link, int64_t devices, double bytes)
{
    double n = (double)devices;
    if (devices < 2 || link->bandwidth <= 0)
        return 0;
    if (!link->tree)
        return 2 * (n - 1) / n * bytes / link->bandwidth + 2 * (n - 1) * link->latency;
    return 2 * ceil(log2(n)) * (bytes / link->bandwidth + link->latency);
}

/* Spellings of one enumeration; the first of a value is its name. */
typedef struct spelling {
    const char *name;
    int value;
} spelling;

static const char *name_of(const spelling *rows, size_t count, int value)
{
    for (size_t i = 0; i < count; i++)
        if (rows[i].value == value)
            return rows[i].name;
    return "?";
}

static bool parse(const spelling *rows, size_t count, const char *name, int *out)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(rows[i].name, name) == 0) {
            *out = rows[i].value;
            return true;
        }
    return false;
}

static const spelling kinds[] = {
    {"neupims", WEFT_MEMORY_DUAL}, {"newton", WEFT_MEMORY_SINGLE}, {"dram", WEFT_MEMORY_PLAIN},
    {"DUAL", WEFT_MEMORY_DUAL},    {"SINGLE", WEFT_MEMORY_SINGLE}, {"DRAM", WEFT_MEMORY_PLAIN},
};

static const spelling systems[] = {
    {"neupims", WEFT_SYSTEM_NEUPIMS}, {"npu-pim", WEFT_SYSTEM_NPU_PIM}, {"npu", WEFT_SYSTEM_NPU},
    {"npu_pim", WEFT_SYSTEM_NPU_PIM}, {"npu_only", WEFT_SYSTEM_NPU},    {"npu-only", WEFT_SYSTEM_NPU},
};

static const spelling commands[] = {
    {"READ", WEFT_DRAM_READ},         {"WRITE", WEFT_DRAM_WRITE},
    {"ACTIVATE", WEFT_DRAM_ACTIVATE}, {"PRECHARGE", WEFT_DRAM_PRECHARGE},
    {"REFRESH", WEFT_DRAM_REFRESH},   {"GWRITE", WEFT_DRAM_GWRITE},
    {"G_ACT", WEFT_DRAM_G_ACTIVATE},  {"COMP", WEFT_DRAM_COMP},
    {"READRES", WEFT_DRAM_READRES},   {"COMPS_READRES", WEFT_DRAM_COMPS_READRES},
    {"P_HEADER", WEFT_DRAM_P_HEADER}, {"PIM_PRECHARGE", WEFT_DRAM_PIM_PRECHARGE},
};

#define COUNT(rows) (sizeof(rows) / sizeof(rows)[0])

const char *weft_memory_kind_name(weft_memory_kind kind)
{
    return name_of(kinds, COUNT(kinds), (int)kind);
}

bool weft_memory_kind_parse(const char *name, weft_memory_kind *out)
{
    int value = 0;
    bool known = parse(kinds, COUNT(kinds), name, &value);
    if (known)
        *out = (weft_memory_kind)value;
    return known;
}

const char *weft_hardware_system_name(weft_hardware_system system)
{
    return name_of(systems, COUNT(systems), (int)system);
}

bool weft_hardware_system_parse(const char *name, weft_hardware_system *out)
{
    int value = 0;
    bool known = parse(systems, COUNT(systems), name, &value);
    if (known)
        *out = (weft_hardware_system)value;
    return known;
}

const char *weft_dram_command_name(weft_dram_command command)
{
    return name_of(commands, COUNT(commands), (int)command);
}
