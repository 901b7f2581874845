/* weft sim case: one golden-form case through an engine. */
#include "cli/sim_engine.h"
#include "hardware/case.h"
#include "hardware/command_trace.h"
#include "hardware/platform.h"

#include <string.h>

static const cli_positional files[] = {{"CASE.json", 1, 1, "system, sub_batch, model and requests_seq_ch"}, {0}};

static const cli_option options[] = {
    CLI_SIM_ENGINE_OPTIONS("event", "compat"),
    {.name = "system",
     .value = "NAME",
     .kind = CLI_CHOICE,
     .choices = "npu|npu-pim|neupims|npu_only|npu-only|npu_pim",
     .help = "in place of the case's own"},
    {.name = "fix",
     .value = "QUIRK,…",
     .kind = CLI_LIST,
     .group = "Engine",
     .help = "follow the paper in these alone: matmul-stores, bias-length, vector-lengths, stream-alignment, accumulator-race, "
             "pipeline-start, header-row, compute-holds-row, attend-stores, kv-rows, split-requests, vector-occupancy, "
             "kv-append, all-reduce, request-limit"},
    CLI_SIM_COMMANDS,
    {.name = "force", .help = "write over F.csv when it is there"},
    {0},
};

static void print_result(cli_arguments *a, const weft_case *c, const weft_hardware_result *r, double seconds)
{
    cli_say(a, "%s: %lld requests on %s, sub-batches %s: %lld cycles (simulated in %.2f s)\n", c->name[0] ? c->name : "case",
            (long long)c->count, weft_hardware_system_name(c->system), c->sub_batch ? "on" : "off", (long long)r->total_cycles,
            seconds);
    if (r->stage_count)
        cli_say(a, "\nstage      cycles   PIM busy  bandwidth\n");
    for (int i = 0; i < r->stage_count; i++)
        cli_say(a, "%-5c %11lld %10lld %9.2f%%\n", r->stages[i].name, (long long)r->stages[i].cycles,
                (long long)r->stages[i].pim_cycles, r->stages[i].bandwidth_percent);
    cli_say(a, "\nstage  op                             start      finish      cycles  waited for\n");
    for (int i = 0; i < r->op_count; i++) {
        const weft_hardware_op *op = &r->ops[i];
        char causes[96];
        cli_sim_causes(op, causes, sizeof causes);
        cli_say(a, "%-6c %-26s %9lld %11lld %11lld  %s\n", op->stage ? op->stage : '-', op->name, (long long)op->start,
                (long long)op->finish, (long long)(op->finish - op->start), causes);
    }
    cli_say(a, "\nDRAM: %lld reads, %lld writes, %lld activates, %lld group activates, %lld refreshes; %.3f mJ\n",
            (long long)r->dram.num_read_cmds, (long long)r->dram.num_write_cmds, (long long)r->dram.num_act_cmds,
            (long long)r->dram.num_gact_cmds, (long long)r->dram.num_ref_cmds, r->dram.total_energy * 1e-9);
}

/* What every action of sim answers; here of the one layer on its one device. */
static void add_measures(cli_arguments *a, const weft_hardware *h, const weft_case *c, const weft_hardware_result *r)
{
    const weft_hardware_npu *npu = &h->npu;
    double cycles = (double)r->total_cycles, peak = (double)npu->systolic_arrays * npu->systolic_height * npu->systolic_width;
    if (r->stats.pim_macs > 0)
        peak += weft_platform_pim_macs(h);
    cli_json_integer(a, "cycles", r->total_cycles);
    cli_json_number(a, "tokens_per_second", (double)c->count / cycles * npu->core_mhz * 1e6);
    cli_json_number(a, "utilization", (double)(r->stats.macs + r->stats.pim_macs) / (peak * cycles));
    cli_json_number(a, "energy_joules", r->dram.total_energy * 1e-12);
}

/* The quirks that --fix names. */
static weft_status read_fixes(cli_arguments *a, unsigned *fixed)
{
    const char *const *names;
    int count = cli_list(a, "fix", &names);
    for (int i = 0; i < count; i++) {
        const weft_hardware_quirk_row *row;
        int k = 0;
        while ((row = weft_hardware_quirk_at(k)) && strcmp(row->name, names[i]) != 0)
            k++;
        if (!row)
            return cli_misuse(a, "--fix knows no quirk \"%s\"; weft help sim case lists them", names[i]);
        *fixed |= row->bit;
    }
    return WEFT_OK;
}

static weft_status run(cli_arguments *a)
{
    weft_hardware_options o = cli_sim_options(a);
    if (cli_text(a, "commands") && o.mode == WEFT_HARDWARE_ANALYTIC)
        return cli_misuse(a, "--commands needs --mode exact or event: formulas issue no commands");
    weft_status fixes = read_fixes(a, &o.fixed);
    if (fixes != WEFT_OK)
        return fixes;
    weft_case c;
    const char *path = cli_positional_at(a, 0), *system = cli_text(a, "system");
    weft_status status = weft_case_read(path, &c);
    if (status != WEFT_OK)
        return status;
    if (system)
        weft_hardware_system_parse(system, &c.system);
    weft_hardware hardware = weft_hardware_default();
    if (cli_given(a, "sub-batch"))
        c.sub_batch = strcmp(cli_text(a, "sub-batch"), "on") == 0;
    o.sub_batch = c.sub_batch;
    o.system = c.system;
    weft_hardware_result *result = NULL;
    weft_command_trace *commands = NULL;
    if (cli_text(a, "commands")) {
        status = cli_may_write(a, cli_text(a, "commands"), NULL);
        if (status == WEFT_OK)
            status = weft_command_trace_open(cli_text(a, "commands"), &commands);
        o.sink = weft_command_trace_take;
        o.sink_user = commands;
        o.sink_dram = true;
        if (status != WEFT_OK) {
            weft_case_free(&c);
            return status;
        }
    }
    double start = weft_clock();
    status = weft_hardware_run(&hardware, &c.shape, c.requests, c.count, &o, &result);
    weft_status written = weft_command_trace_close(commands, status == WEFT_OK);
    if (written != WEFT_OK)
        status = written;
    if (status == WEFT_OK) {
        print_result(a, &c, result, weft_clock() - start);
        if (cli_wants_json(a)) {
            cli_json_string(a, "case", c.name);
            cli_json_string(a, "mode", cli_text(a, "mode"));
            cli_json_string(a, "order", cli_text(a, "order"));
            cli_json_string(a, "behaviour", cli_text(a, "behaviour"));
            weft_case_answer(result, cli_json(a));
            add_measures(a, &hardware, &c, result);
            cli_json_number(a, "seconds", weft_clock() - start);
        }
    } else {
        status = weft_fail_in(status, "%s", path);
    }
    weft_hardware_result_free(result);
    weft_case_free(&c);
    return status;
}

const cli_command cli_sim_case = {
    .name = "sim",
    .action = "case",
    .summary = "simulate one layer's iteration given as a small JSON file",
    .description =
        "CASE.json holds `system` (neupims, npu_pim or npu_only), `sub_batch`, `model` (`n_embd`, `n_head`, `n_tp`) and "
        "`requests_seq_ch`, a list of [context length, memory channel]. The machine is the published one: 8 systolic "
        "arrays of 128 × 128 at 1 GHz, 32 HBM2 channels. With --json the answer has `total_cycles`, `stages`, `ops`, `stats` "
        "and `dram_totals`; `tokens_per_second` and `energy_joules` (of the memory) are those of the one layer.\n\n"
        "The event engine jumps over clocks at which nothing can happen; the exact engine runs each of them. Both give "
        "the same cycles.",
    .positionals = files,
    .options = options,
    .example =
        "weft sim case case.json\n"
        "# case.json: {\"system\": \"neupims\", \"sub_batch\": false, \"model\": {\"n_embd\": 512, \"n_head\": 4, \"n_tp\": 1},\n"
        "#             \"requests_seq_ch\": [[64, 5], [200, 9]]}\n"
        "weft sim case case.json --mode exact --order hash --json",
    .run = run,
};
