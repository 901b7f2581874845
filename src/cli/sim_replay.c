/* weft sim replay: a memory trace through the controllers. */
#include "cli/sim_engine.h"
#include "hardware/access_trace.h"
#include "hardware/command_trace.h"

#include <string.h>

static const cli_positional files[] = {{"TRACE.csv", 1, 1, "columns not_before, type, addr"}, {0}};

static const cli_option options[] = {
    {.name = "controller",
     .value = "KIND",
     .kind = CLI_CHOICE,
     .choices = "neupims|newton|dram",
     .traits = CLI_REQUIRED,
     .help = "two row buffers a bank, one that also computes, or plain DRAM"},
    {.name = "out",
     .value = "OUT.csv",
     .kind = CLI_PATH,
     .traits = CLI_REQUIRED,
     .help = "the trace with columns accepted and done"},
    CLI_SIM_COMMANDS,
    {.name = "force", .help = "write over files that are there"},
    {.name = "mode",
     .value = "MODE",
     .kind = CLI_CHOICE,
     .choices = "exact|event",
     .otherwise = "event",
     .help = "exact runs every clock, event jumps between those at which something can happen"},
    {.name = "behaviour",
     .value = "WHICH",
     .kind = CLI_CHOICE,
     .choices = "compat|fixed",
     .otherwise = "compat",
     .help = "as the published simulator does, or as the paper means"},
    {0},
};

static int64_t last_clock(const weft_access_trace *t)
{
    int64_t last = 0;
    for (int64_t i = 0; i < t->count; i++)
        last = t->accesses[i].done > last ? t->accesses[i].done : last;
    return last;
}

static void report(cli_arguments *a, const weft_access_trace *t, const weft_dram_totals *d, const weft_hardware_memory *m)
{
    const char *out = cli_text(a, "out");
    double ms = d->total_energy * 1e-9;
    cli_say(a, "%lld accesses, the last answered at cycle %lld; written to %s\n", (long long)t->count, (long long)last_clock(t),
            out);
    cli_say(a, "commands: %lld READ, %lld WRITE, %lld ACTIVATE, %lld PRECHARGE, %lld REFRESH", (long long)d->num_read_cmds,
            (long long)d->num_write_cmds, (long long)d->num_act_cmds, (long long)d->num_pre_cmds, (long long)d->num_ref_cmds);
    if (d->num_gwrite_cmds + d->num_readres_cmds)
        cli_say(a, ", %lld GWRITE, %lld G_ACT, %lld COMP, %lld READRES", (long long)d->num_gwrite_cmds,
                (long long)d->num_gact_cmds, (long long)d->num_comp_cmds, (long long)d->num_readres_cmds);
    cli_say(a, "; %.4f mJ\n", ms);
    cli_json_integer(a, "accesses", t->count);
    cli_json_integer(a, "cycles", last_clock(t));
    cli_json_integer(a, "reads", d->num_read_cmds);
    cli_json_integer(a, "writes", d->num_write_cmds);
    cli_json_integer(a, "activates", d->num_act_cmds);
    cli_json_integer(a, "precharges", d->num_pre_cmds);
    cli_json_integer(a, "refreshes", d->num_ref_cmds);
    double bursts = (double)(d->num_read_cmds + d->num_write_cmds) * m->timing.burst; /* cycles of one channel's bus */
    cli_json_number(a, "utilization", last_clock(t) > 0 ? bursts / m->channels / (double)last_clock(t) : 0);
    cli_json_number(a, "energy_joules", d->total_energy * 1e-12);
    cli_json_string(a, "out", out);
}

static weft_status run(cli_arguments *a)
{
    const char *path = cli_positional_at(a, 0), *out = cli_text(a, "out");
    weft_access_trace trace = {0};
    weft_dram_totals totals = {0};
    weft_hardware hardware = weft_hardware_default();
    weft_memory_kind_parse(cli_text(a, "controller"), &hardware.memory.kind);
    unsigned fixed = strcmp(cli_text(a, "behaviour"), "fixed") == 0 ? WEFT_QUIRKS_FIXED : WEFT_QUIRKS_COMPAT;
    bool jump = strcmp(cli_text(a, "mode"), "event") == 0;
    weft_status status = cli_may_write(a, out, NULL);
    weft_command_trace *commands = NULL;
    if (status == WEFT_OK && cli_text(a, "commands"))
        status = cli_may_write(a, cli_text(a, "commands"), NULL);
    if (status == WEFT_OK)
        status = weft_access_trace_read(path, &trace);
    if (status == WEFT_OK && cli_text(a, "commands"))
        status = weft_command_trace_open(cli_text(a, "commands"), &commands);
    if (status == WEFT_OK) {
        status = weft_hardware_replay(&hardware.memory, fixed, jump, trace.accesses, trace.count,
                                      commands ? weft_command_trace_take : NULL, commands, &totals);
        if (status != WEFT_OK)
            status = weft_fail_in(status, "%s", path);
    }
    weft_status written = weft_command_trace_close(commands, status == WEFT_OK);
    status = status == WEFT_OK ? written : status;
    if (status == WEFT_OK)
        status = weft_access_trace_write(&trace, out);
    if (status == WEFT_OK)
        report(a, &trace, &totals, &hardware.memory);
    weft_access_trace_free(&trace);
    return status;
}

const cli_command cli_sim_replay = {
    .name = "sim",
    .action = "replay",
    .summary = "play a memory trace through the memory controllers",
    .description =
        "TRACE.csv has a header and a line an access: `not_before` (memory cycle), `type` (0 READ, 1 WRITE, 2 GWRITE, 3 COMP, 4 "
        "READRES, 5 P_HEADER, 6 COMPS_READRES) and `addr` (bytes). Each channel has two in-order inputs, one for reads and "
        "writes and one for commands that compute. OUT.csv holds the same and the cycles at which each access was accepted "
        "and answered (-1: a header has no answer).\n\n"
        "An address is, from low to high: 6 bits of offset, 4 of column, 5 of channel, 2 of bank, 2 of bank group, 1 of rank, "
        "15 of row.",
    .positionals = files,
    .options = options,
    .example = "weft sim replay trace.csv --controller neupims --out answered.csv\n"
               "# trace.csv: a header not_before,type,addr, then a line an access, such as 0,0,4096",
    .run = run,
};
