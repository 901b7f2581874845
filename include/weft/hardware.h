/* Weft, the room of hardware: cycles, traffic and energy of one decoder layer's iteration on an NPU whose memory computes
 * (NeuPIMs, arXiv 2403.00579), on the same NPU with a single row buffer (Newton), or with plain DRAM.
 *
 *     weft_hardware hardware = weft_hardware_default();
 *     weft_hardware_shape shape = {.embed = 4096, .heads = 32, .tensor_parallel = 4};
 *     weft_hardware_request requests[] = {{.length = 512, .channel = 3}, {.length = 700, .channel = 9}};
 *     weft_hardware_options options = {.mode = WEFT_HARDWARE_EVENT, .order = WEFT_LINES_SORTED};
 *     weft_hardware_result *result = NULL;
 *     weft_hardware_run(&hardware, &shape, requests, 2, &options, &result);
 *
 * All times are cycles of the NPU core unless a name says otherwise; DRAM times are cycles of the memory clock. Three engines
 * answer the same question: exact (walks every clock), event (the same machine, jumps between moments at which something can
 * happen), analytic (formulas). A run is one thread and depends on nothing but its arguments.
 */
#ifndef WEFT_HARDWARE_H
#define WEFT_HARDWARE_H

#include "weft/base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- The machine. ---------------------------------------------------------------------------------------------------------- */

typedef struct weft_hardware_npu {
    double core_mhz, interconnect_mhz;
    int interconnect_latency;                             /* interconnect cycles */
    int systolic_arrays, systolic_height, systolic_width; /* one pipeline; a block's streaming is divided among the arrays */
    int vector_units, vector_width;                       /* lanes of one unit */
    int64_t scratchpad_kb; /* of the scratchpad, and again of the accumulator; half is one buffer */
    int add_latency, mul_latency, exp_latency, gelu_latency; /* cycles, each for one vector of vector_width */
    int add_tree_latency, scalar_sqrt_latency, scalar_add_latency, scalar_mul_latency;
} weft_hardware_npu;

typedef enum weft_memory_kind {
    WEFT_MEMORY_DUAL = 0, /* "neupims": a second row buffer for computing, so that reads and writes go on beside it */
    WEFT_MEMORY_SINGLE,   /* "newton": computes in the one row buffer; reads and writes wait */
    WEFT_MEMORY_PLAIN     /* "dram": does not compute */
} weft_memory_kind;

/* Timing in cycles of the memory clock, named as in JEDEC data sheets and DRAMsim3 files. */
typedef struct weft_dram_timing {
    double tCK; /* ns */
    int burst;  /* cycles that one request holds the bus: BL/2 */
    int AL, CL, CWL, tRCDRD, tRCDWR, tRP, tRAS, tRFC, tRFCb, tREFI;
    int tRRD_S, tRRD_L, tWTR_S, tWTR_L, tFAW, tWR, tCCD_S, tCCD_L, tXS, tRTP, tRTRS;
} weft_dram_timing;

typedef struct weft_dram_power { /* volts and milliamperes; energies follow as V · mA · ns = pJ */
    double VDD, IDD0, IDD2N, IDD3N, IDD4R, IDD4W, IDD5AB, IDD6x;
} weft_dram_power;

typedef struct weft_hardware_memory {
    weft_memory_kind kind;
    double mhz;
    int channels, ranks, bankgroups, banks_per_group; /* all powers of two; at most 64 channels and 64 banks a channel */
    int64_t rows;                                     /* of a bank */
    int columns;                                      /* requests of a row: row bytes / request_bytes */
    int request_bytes;                                /* of a line, usually 64 */
    int command_queue, transaction_queue;             /* entries of each bank's queue, of each class's queue */
    int response_limit; /* reserved and waiting responses of a channel; 0: 4352 with PIM, 96 plain */
    int pim_lanes;      /* 16-bit products that a bank makes in one COMP */
    weft_dram_timing timing;
    weft_dram_power power;
} weft_hardware_memory;

/* Between the devices that share a layer. All-reduces of `bytes` among n take 2(n-1)/n of the bytes and 2(n-1) hops in a ring,
 * 2·⌈log2 n⌉ times both in a tree. */
typedef struct weft_hardware_link {
    double bandwidth; /* bytes a second in one direction; 0: all-reduces take no time */
    double latency;   /* seconds a hop */
    bool tree;
} weft_hardware_link;

typedef struct weft_hardware {
    weft_hardware_npu npu;
    weft_hardware_memory memory;
    weft_hardware_link link;
} weft_hardware;

/* Seconds of an all-reduce; 0 for one device, or no bandwidth. */
WEFT_API double weft_hardware_all_reduce(const weft_hardware_link *, int64_t devices, double bytes);

/* The published NeuPIMs machine: 8 arrays of 128×128 at 1 GHz, 32 HBM2 channels with dual row buffers. */
WEFT_API weft_hardware weft_hardware_default(void);

/* Fails naming the first field that does not fit, its value and what was expected. */
WEFT_API weft_status weft_hardware_check(const weft_hardware *);

/* "neupims", "newton", "dram" (and the systems' spellings "npu-pim", "npu_pim" … by weft_system_parse below). */
WEFT_API const char *weft_memory_kind_name(weft_memory_kind);
WEFT_API bool weft_memory_kind_parse(const char *name, weft_memory_kind *out);

/* Systems whose time an engine computes; each decides the memory's kind. */
typedef enum weft_hardware_system { WEFT_SYSTEM_NEUPIMS = 0, WEFT_SYSTEM_NPU_PIM, WEFT_SYSTEM_NPU } weft_hardware_system;
WEFT_API const char *weft_hardware_system_name(weft_hardware_system);                  /* "neupims", "npu-pim", "npu" */
WEFT_API bool weft_hardware_system_parse(const char *name, weft_hardware_system *out); /* also npu_pim, npu_only, npu-only */

/* ---- The work. ------------------------------------------------------------------------------------------------------------- */

/* One decoder layer. A 0 is filled in: kv_heads = heads, head_dim = embed/heads, inner = 4·embed, experts = 1, active_experts =
 * 1, tensor_parallel = 1, bits = 16, window = none. A model whose layers differ is one shape a kind of layer, run one by one. */
typedef struct weft_hardware_shape {
    int64_t embed, heads, kv_heads, head_dim; /* of the whole model, before tensor parallelism */
    int64_t inner;                            /* feed-forward width */
    bool gated;                               /* three products (gate, up, down) in place of two */
    int64_t experts, active_experts;          /* mixture: how many there are, how many a token visits */
    int tensor_parallel;
    int weight_bits, kv_bits; /* 16, 8 or 4 */
    int64_t window;           /* attention reads at most this many tokens */
} weft_hardware_shape;

typedef struct weft_hardware_request {
    int64_t length; /* tokens in the KV cache, those computed in this iteration included, ≥ 1 */
    int channel;    /* of its KV cache; < 0: the request is skipped with a warning */
    int64_t tokens; /* computed in this iteration: 0 or 1 decodes; more is a chunk of a prompt */
} weft_hardware_request;

/* ---- How to run. ----------------------------------------------------------------------------------------------------------- */

typedef enum weft_hardware_mode { WEFT_HARDWARE_EVENT = 0, WEFT_HARDWARE_EXACT, WEFT_HARDWARE_ANALYTIC } weft_hardware_mode;

/* The order in which the lines of one load leave the core: ascending addresses, or the slots of a Robin-Hood hash set, as the
 * published simulator happens to send them. */
typedef enum weft_line_order { WEFT_LINES_SORTED = 0, WEFT_LINES_HASH } weft_line_order;

/* Where the published simulator and the paper differ, one bit each: set, the run follows the paper ("fixed"); clear, the
 * simulator ("compat"). weft_hardware_quirk_at lists them with both behaviours in words. */
typedef enum weft_hardware_quirk {
    WEFT_QUIRK_MATMUL_STORES = 1u << 0,
    WEFT_QUIRK_BIAS_LENGTH = 1u << 1,
    WEFT_QUIRK_VECTOR_LENGTHS = 1u << 2,
    WEFT_QUIRK_STREAM_ALIGNMENT = 1u << 3,
    WEFT_QUIRK_ACCUMULATOR_RACE = 1u << 4,
    WEFT_QUIRK_PIPELINE_START = 1u << 5,
    WEFT_QUIRK_HEADER_ROW = 1u << 6,
    WEFT_QUIRK_COMPUTE_HOLDS_ROW = 1u << 7,
    WEFT_QUIRK_ATTEND_STORES = 1u << 8,
    WEFT_QUIRK_KV_ROWS = 1u << 9,
    WEFT_QUIRK_SPLIT_REQUESTS = 1u << 10,
    WEFT_QUIRK_REQUEST_LIMIT = 1u << 11,
    WEFT_QUIRK_VECTOR_OCCUPANCY = 1u << 12,
    WEFT_QUIRK_KV_APPEND = 1u << 13,
    WEFT_QUIRK_ALL_REDUCE = 1u << 14
} weft_hardware_quirk;

#define WEFT_QUIRKS_COMPAT 0u
#define WEFT_QUIRKS_FIXED  0xffffffffu

typedef struct weft_hardware_quirk_row {
    unsigned bit;
    const char *name, *compat, *fixed;
} weft_hardware_quirk_row;
WEFT_API const weft_hardware_quirk_row *weft_hardware_quirk_at(int i); /* NULL past the end */

typedef enum weft_hardware_unit {
    WEFT_UNIT_OP = 0,   /* an operator of a stage; index: 0 NPU program, 1 PIM program */
    WEFT_UNIT_SYSTOLIC, /* a block in the systolic pipeline */
    WEFT_UNIT_VECTOR,   /* index: which vector unit */
    WEFT_UNIT_TILE,     /* a tile from issue to retirement; index: 0 systolic, 1 PIM */
    WEFT_UNIT_DRAM      /* a DRAM command; index: channel; start in memory cycles, finish = start + 1 */
} weft_hardware_unit;

typedef enum weft_dram_command {
    WEFT_DRAM_READ = 0,
    WEFT_DRAM_WRITE,
    WEFT_DRAM_ACTIVATE,
    WEFT_DRAM_PRECHARGE,
    WEFT_DRAM_REFRESH,
    WEFT_DRAM_GWRITE,        /* 1 KiB of operand into the channel's buffer */
    WEFT_DRAM_G_ACTIVATE,    /* the PIM row of a bank group's four banks */
    WEFT_DRAM_COMP,          /* one multiply in every bank (single row buffer) */
    WEFT_DRAM_READRES,       /* result of those */
    WEFT_DRAM_COMPS_READRES, /* num_comps multiplies and the result (dual row buffer) */
    WEFT_DRAM_P_HEADER,      /* announces the row, so that no refresh falls into it */
    WEFT_DRAM_PIM_PRECHARGE, /* closes one bank's PIM row */
    WEFT_DRAM_COMMANDS
} weft_dram_command;
WEFT_API const char *weft_dram_command_name(weft_dram_command);

/* Why a DRAM command was not issued a cycle earlier. */
typedef enum weft_dram_hold {
    WEFT_HOLD_REQUEST = 0, /* what it serves came, or moved up, just then; or a deadline, a refresh or an order of the
                              controller's kept it waiting */
    WEFT_HOLD_SLOT,        /* another command took the channel's command bus */
    WEFT_HOLD_WINDOW,      /* four activations in the rank's window */
    WEFT_HOLD_BANK,        /* a delay after `after` in its own bank, */
    WEFT_HOLD_GROUP,       /* in its bank group, */
    WEFT_HOLD_RANK,        /* in its rank or the other ones, */
    WEFT_HOLD_CHANNEL      /* in any bank of the channel */
} weft_dram_hold;
WEFT_API const char *weft_dram_hold_name(weft_dram_hold); /* "request", "slot", … */

typedef struct weft_hardware_event {
    weft_hardware_unit unit;
    int index;
    const char *name;      /* op, instruction or command */
    char stage;            /* 'A' … 'F', 0 outside stages */
    int64_t start, finish; /* cycles */
    /* of a DRAM command */
    weft_dram_command command;
    int rank, bankgroup, bank;
    int64_t row;
    int count; /* multiplies of COMPS_READRES */
    weft_dram_hold held;
    weft_dram_command after; /* of a delay: the command that it began with, and when */
    int64_t after_start;
} weft_hardware_event;

/* Called for each event, in order of issue; must not keep the pointer. */
typedef void (*weft_hardware_sink)(void *user, const weft_hardware_event *);

typedef struct weft_hardware_options {
    weft_hardware_mode mode;
    weft_hardware_system system;
    weft_line_order order;
    unsigned fixed;          /* bits of weft_hardware_quirk; 0: compat in everything */
    bool sub_batch;          /* two half batches, one on the NPU while the other is in memory (NeuPIMs only) */
    bool exact_halves;       /* sub-batches of equal estimated latency in each channel (Algorithm 3), in place of equal counts */
    weft_hardware_sink sink; /* NULL: none */
    void *sink_user;
    bool sink_dram; /* also DRAM commands: many */
} weft_hardware_options;

/* ---- What comes out. ------------------------------------------------------------------------------------------------------- */

typedef struct weft_hardware_stage {
    char name; /* 'A' … 'F' */
    int64_t cycles;
    int64_t pim_cycles;       /* mean over channels of memory cycles with a waiting PIM command */
    double bandwidth_percent; /* of the peak of the external bus */
} weft_hardware_stage;

/* What an operator waits for in each of its cycles. */
typedef enum weft_hardware_bound {
    WEFT_BOUND_COMPUTE = 0,  /* arrays or vector units: work is queued behind what they are at */
    WEFT_BOUND_BANDWIDTH,    /* the channels' buses */
    WEFT_BOUND_PIM,          /* multiplies in memory, and loading their operand */
    WEFT_BOUND_ACTIVATE,     /* rows being opened */
    WEFT_BOUND_PRECHARGE,    /* rows being closed, or not yet to be */
    WEFT_BOUND_REFRESH,      /* refreshes, and PIM commands that no longer fit before one */
    WEFT_BOUND_DEPENDENCY,   /* nothing in flight: the next tile waits for the one before */
    WEFT_BOUND_INTERCONNECT, /* all that is in flight is between core and controllers, or devices */
    WEFT_BOUNDS
} weft_hardware_bound;
WEFT_API const char *weft_hardware_bound_name(int bound); /* "compute", "bandwidth", … */

typedef struct weft_hardware_op {
    char stage; /* 0 in the NPU-only system */
    char name[40];
    int64_t start, finish;
    bool pim;
    int64_t macs;                    /* useful multiply-accumulates */
    int64_t read_lines, write_lines; /* requests of request_bytes */
    int64_t bound[WEFT_BOUNDS];      /* cycles by what they were waited for: finish - start in all */
} weft_hardware_op;

/* Sums over channels, named as the published simulator prints them. */
typedef struct weft_dram_totals {
    int64_t num_cycles, num_reads_done, num_writes_done, num_readres_done;
    int64_t num_read_cmds, num_write_cmds, num_act_cmds, num_pre_cmds, num_ref_cmds;
    int64_t num_gwrite_cmds, num_gact_cmds, num_comp_cmds, num_readres_cmds, num_pim_precharge_cmds, num_header_cmds;
    int64_t num_ondemand_pres, num_read_row_hits, num_write_row_hits, pim_cycles;
    int64_t num_parallel_act_cmds, num_parallel_prec_cmds, num_parallel_read_cmds, num_parallel_write_cmds;
    int64_t rank_active_cycles, rank_idle_cycles;             /* rank and cycle with some row open, with all closed */
    int64_t pim_rank_active_cycles, pim_rank_idle_cycles;     /* the same of the PIM row buffers; 0 without */
    double act_energy, read_energy, write_energy, ref_energy; /* pJ, as the next ones */
    double gwrite_energy, gact_energy, comp_energy, readres_energy, background_energy, total_energy;
} weft_dram_totals;

typedef struct weft_hardware_stats {
    int64_t core_cycles; /* core events during which a program existed */
    int64_t dram_cycles; /* of one channel */
    int64_t systolic_issues, systolic_preloads;
    int64_t systolic_busy;                         /* cycles with a block in the pipeline */
    int64_t load_lines, store_lines, pim_commands; /* requests sent by the core */
    int64_t elements;                              /* element addresses of loads and stores */
    int64_t macs, pim_macs;                        /* useful multiply-accumulates on the NPU, in memory */
} weft_hardware_stats;

typedef struct weft_hardware_result {
    int64_t total_cycles;
    int stage_count, op_count;
    weft_hardware_stage *stages; /* [stage_count] */
    weft_hardware_op *ops;       /* [op_count], in order of finishing */
    weft_dram_totals dram;
    weft_hardware_stats stats;
    double npu_utilization, pim_utilization, bandwidth_utilization; /* 0 … 1 over the whole run */
} weft_hardware_result;

/* Simulates one iteration of one layer. Requests on a channel < 0 are skipped with a warning to the log. */
WEFT_API weft_status weft_hardware_run(const weft_hardware *, const weft_hardware_shape *, const weft_hardware_request *requests,
                                       int64_t count, const weft_hardware_options *, weft_hardware_result **out);
WEFT_API void weft_hardware_result_free(weft_hardware_result *);

/* ---- The memory alone. ----------------------------------------------------------------------------------------------------- */

typedef struct weft_memory_access {
    int64_t not_before;     /* memory cycle */
    int type;               /* 0 READ, 1 WRITE, 2 GWRITE, 3 COMP, 4 READRES, 5 P_HEADER, 6 COMPS_READRES */
    uint64_t address;       /* bytes */
    int64_t accepted, done; /* out: memory cycles; done is -1 for a header */
} weft_memory_access;

/* Plays accesses through the memory controllers at one clock; two in-order queues a channel (reads and writes; PIM commands). */
WEFT_API weft_status weft_hardware_replay(const weft_hardware_memory *, unsigned fixed, bool jump, weft_memory_access *accesses,
                                          int64_t count, weft_hardware_sink, void *sink_user, weft_dram_totals *totals);

#ifdef __cplusplus
}
#endif
#endif
