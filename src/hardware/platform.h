/* A platform: the machine whose cycles the engines count (weft_hardware), and what stands around it: links between devices, the
 * GPU it is compared with, energies and areas. Hardware is data: presets are rows here, a user's own comes from files.
 *
 * Files that weft_platform_load understands, told apart by their keys:
 *     { "base": "neupims", "npu": {…}, "memory": {…}, "link": {…}, "gpu": {…}, "energy": {…}, "area": {…} }   Weft's layout:
 *         every quantity has a unit, in its text ("frequency": "1 GHz") or in its key ("frequency_mhz": 1000)
 *     DRAMsim3's .ini, or the same sections as a JSON object ("dram_structure", "timing", …)
 *     the published simulator's NPU, memory and system files ("core_freq", "dram_type", "run_mode"), in its own units
 */
#ifndef WEFT_HARDWARE_PLATFORM_H
#define WEFT_HARDWARE_PLATFORM_H

#include "hardware/ini.h"
#include "weft/hardware.h"

typedef struct weft_link {
    double bandwidth; /* bytes a second and direction of one device */
    double latency;   /* seconds a hop */
} weft_link;

typedef struct weft_gpu {
    double compute;            /* FLOP/s of 16-bit products */
    double bandwidth;          /* bytes a second */
    double memory;             /* bytes */
    double power;              /* W while it works */
    double area;               /* m² of its die, without memory */
    double compute_efficiency; /* of the two peaks, 0 … 1; 1 is the roofline itself */
    double bandwidth_efficiency;
} weft_gpu;

/* Joules a unit of work; DRAM's own energies follow from its currents. */
typedef struct weft_energy_costs {
    double mac;        /* of the systolic arrays */
    double vector;     /* a lane's operation */
    double scratchpad; /* a byte read or written */
    double link;       /* a byte sent to another device */
    double npu_static; /* W of a whole NPU, busy or not */
} weft_energy_costs;

/* Square metres. */
typedef struct weft_area_costs {
    double mac, lane, scratchpad; /* a multiplier, a vector lane, a byte */
    double dram_bit;              /* a bit of DRAM, with its share of the periphery */
    double dual_buffer;           /* share of the DRAM die that a second row buffer adds */
    double pim;                   /* share that the multipliers beside the banks add */
} weft_area_costs;

typedef struct weft_platform {
    char name[64];
    const char *about, *source; /* of presets; NULL: a user's own */
    weft_hardware machine;
    weft_link link;
    weft_gpu gpu;
    weft_energy_costs energy;
    weft_area_costs area;
    bool has_system, sub_batch_given, sub_batch; /* what a published system file said */
    weft_hardware_system system;
} weft_platform;

weft_platform weft_platform_default(void);            /* the first preset */
bool weft_platform_preset(int i, weft_platform *out); /* false past the end */

/* `what`: a preset's name or a file; changes of *platform add up, so that several files make one platform. */
weft_status weft_platform_load(const char *what, weft_platform *);
/* The same from bytes in memory; `name` for messages; files it names ("timing": "hbm3.ini") are looked for in `folder`, NULL:
 * refused. */
weft_status weft_platform_parse(const char *json, size_t size, const char *name, const char *folder, weft_platform *);
weft_status weft_platform_from_ini(const weft_settings *, weft_platform *);

/* Weft's layout of the whole platform, with units: a file to start from. */
void weft_platform_write(const weft_platform *, weft_text *out);

/* Bytes a second of the external bus, and multiply-accumulates a core cycle. */
double weft_platform_bandwidth(const weft_platform *);
double weft_platform_macs(const weft_platform *);
/* The same of the multipliers beside all banks. */
double weft_platform_pim_macs(const weft_hardware *);
/* Bytes of one device's memory. */
double weft_platform_capacity(const weft_platform *);
/* Square metres: NPU alone, DRAM alone with what its kind adds. */
double weft_platform_npu_area(const weft_platform *);
double weft_platform_dram_area(const weft_platform *);

#endif
