/* Presets of hardware, and what follows from a platform's numbers. Every number that the published simulator does not give has
 * its source beside it. */
#include "hardware/platform.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define PUBLISHED "NeuPIMs (ASPLOS 2024) and its public simulator: 8 arrays of 128x128 at 1 GHz, 32 HBM2 channels of 1 GiB"
#define DRAMSIM3  "DRAMsim3's configuration files (MIT)"

/* A machine's memory where it is not the published one. Timings in cycles of tCK. */
static weft_hardware_memory memory_of(weft_memory_kind kind)
{
    weft_hardware_memory m = weft_hardware_default().memory;
    m.kind = kind;
    return m;
}

/* HBM1, 4 Gb dies at 500 MHz: the whole stack's 8 channels four times, so that there are 32. */
static weft_hardware_memory hbm1(void)
{
    weft_hardware_memory m = memory_of(WEFT_MEMORY_PLAIN);
    m.mhz = 500;
    m.ranks = 2;
    m.rows = 16384;
    m.timing = (weft_dram_timing){.tCK = 2,
                                  .burst = 2,
                                  .CL = 7,
                                  .CWL = 2,
                                  .tRCDRD = 7,
                                  .tRCDWR = 7,
                                  .tRP = 7,
                                  .tRAS = 17,
                                  .tRFC = 130,
                                  .tRFCb = 20,
                                  .tREFI = 1950,
                                  .tRRD_S = 2,
                                  .tRRD_L = 3,
                                  .tWTR_S = 3,
                                  .tWTR_L = 4,
                                  .tFAW = 15,
                                  .tWR = 8,
                                  .tCCD_S = 1,
                                  .tCCD_L = 1,
                                  .tXS = 134,
                                  .tRTP = 5,
                                  .tRTRS = 2};
    m.power = (weft_dram_power){
        .VDD = 1.2, .IDD0 = 65, .IDD2N = 40, .IDD3N = 55, .IDD4R = 360, .IDD4W = 440, .IDD5AB = 250, .IDD6x = 31};
    return m;
}

static const struct {
    const char *name, *about, *source;
    weft_memory_kind kind;
    bool hbm1;
} presets[] = {
    {"neupims", "NPU with dual-row-buffer PIM", PUBLISHED, WEFT_MEMORY_DUAL, false},
    {"newton", "NPU with single-row-buffer PIM, blocked while it computes", PUBLISHED, WEFT_MEMORY_SINGLE, false},
    {"npu", "NPU with plain HBM2", PUBLISHED, WEFT_MEMORY_PLAIN, false},
    {"npu-hbm1", "NPU with plain HBM of the first generation", DRAMSIM3, WEFT_MEMORY_PLAIN, true},
};

bool weft_platform_preset(int i, weft_platform *out)
{
    if (i < 0 || i >= (int)(sizeof presets / sizeof presets[0]))
        return false;
    *out = (weft_platform){.about = presets[i].about, .source = presets[i].source, .machine = weft_hardware_default()};
    snprintf(out->name, sizeof out->name, "%s", presets[i].name);
    out->machine.memory = presets[i].hbm1 ? hbm1() : memory_of(presets[i].kind);
    /* NVLink 3 as the A100 has it: 300 GB/s a direction (NVIDIA A100 data sheet). */
    out->link = (weft_link){.bandwidth = 300e9, .latency = 1e-6};
    /* A100 40 GB SXM: 312 TFLOP/s of 16-bit products, 1555 GB/s, 400 W, a die of 826 mm2 (data sheet). */
    out->gpu = (weft_gpu){.compute = 312e12,
                          .bandwidth = 1555e9,
                          .memory = 40.0 * (1 << 30),
                          .power = 400,
                          .area = 826e-6,
                          .compute_efficiency = 1,
                          .bandwidth_efficiency = 1};
    /* 7 nm (Jouppi et al., ISCA 2021, table 2): a 16-bit multiply 0.34 pJ and a 32-bit add 0.38 pJ; 1 MiB of SRAM 14 pJ for eight
     * bytes. A link: 1.3 pJ a bit (Poulton et al., JSSC 2019) and as much again for the controllers. Leakage is not published. */
    out->energy =
        (weft_energy_costs){.mac = 0.72e-12, .vector = 0.72e-12, .scratchpad = 1.75e-12, .link = 20.8e-12, .npu_static = 0};
    /* TPUv4i's floor plan (the same paper): 4 arrays of 128x128 in 11 % of 400 mm2, 128 MiB in 28 %. HBM2: 92 mm2 an 8 Gb die.
     * A second row buffer: 3.11 % of the die (NeuPIMs). Multipliers: a quarter of the die's area (Newton, MICRO 2020: 25 %). */
    out->area = (weft_area_costs){.mac = 670e-12,
                                  .lane = 670e-12,
                                  .scratchpad = 112e-6 / (128.0 * (1 << 20)),
                                  .dram_bit = 92e-6 / 8589934592.0,
                                  .dual_buffer = 0.0311,
                                  .pim = 0.25};
    return true;
}

weft_platform weft_platform_default(void)
{
    weft_platform p;
    weft_platform_preset(0, &p);
    return p;
}

double weft_platform_bandwidth(const weft_platform *p)
{
    const weft_hardware_memory *m = &p->machine.memory;
    double apart = m->timing.burst > m->timing.tCCD_S ? m->timing.burst : m->timing.tCCD_S;
    return m->channels * (double)m->request_bytes / apart * m->mhz * 1e6;
}

double weft_platform_macs(const weft_platform *p)
{
    const weft_hardware_npu *n = &p->machine.npu;
    return (double)n->systolic_arrays * n->systolic_height * n->systolic_width;
}

double weft_platform_pim_macs(const weft_hardware *h)
{
    const weft_hardware_memory *m = &h->memory;
    double banks = (double)m->channels * m->ranks * m->bankgroups * m->banks_per_group;
    return banks * m->pim_lanes / m->timing.tCCD_L * m->mhz / h->npu.core_mhz;
}

double weft_platform_capacity(const weft_platform *p)
{
    const weft_hardware_memory *m = &p->machine.memory;
    return (double)m->channels * m->ranks * m->bankgroups * m->banks_per_group * (double)m->rows * m->columns * m->request_bytes;
}

double weft_platform_npu_area(const weft_platform *p)
{
    const weft_hardware_npu *n = &p->machine.npu;
    double lanes = (double)n->vector_units * n->vector_width, bytes = 2.0 * 1024 * (double)n->scratchpad_kb;
    return weft_platform_macs(p) * p->area.mac + lanes * p->area.lane + bytes * p->area.scratchpad;
}

double weft_platform_dram_area(const weft_platform *p)
{
    static const struct {
        bool pim, dual;
    } has[] = {[WEFT_MEMORY_DUAL] = {true, true}, [WEFT_MEMORY_SINGLE] = {true, false}, [WEFT_MEMORY_PLAIN] = {false, false}};
    weft_memory_kind kind = p->machine.memory.kind;
    return 8 * weft_platform_capacity(p) * p->area.dram_bit *
           (1 + (has[kind].pim ? p->area.pim : 0) + (has[kind].dual ? p->area.dual_buffer : 0));
}
