/* weft sim hardware: the presets, and a hardware file to start from. */
#include "cli/sim.h"

#include "base/files.h"

static const cli_positional files[] = {{"H.json", 0, 1, "a preset or a hardware file to show in full"}, {0}};

static const cli_option options[] = {
    {.name = "out", .value = "F.json", .kind = CLI_PATH, .help = "write it there"},
    {.name = "force", .help = "write over a file that is there"},
    {0},
};

static void add_sizes(cli_arguments *a, const weft_platform *p)
{
    cli_json_string(a, "name", p->name);
    cli_json_number(a, "bandwidth_bytes_per_second", weft_platform_bandwidth(p));
    cli_json_number(a, "macs_per_cycle", weft_platform_macs(p));
    cli_json_number(a, "memory_bytes", weft_platform_capacity(p));
    cli_json_number(a, "npu_mm2", weft_platform_npu_area(p) * 1e6);
    cli_json_number(a, "dram_mm2", weft_platform_dram_area(p) * 1e6);
}

static weft_status show(cli_arguments *a, const char *what)
{
    weft_platform p = weft_platform_default();
    weft_text text = {0};
    const char *out = cli_text(a, "out");
    weft_status status = weft_platform_load(what, &p);
    if (status == WEFT_OK) {
        weft_platform_write(&p, &text);
        status = text.failed ? weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", what) : WEFT_OK;
    }
    if (status == WEFT_OK && out)
        status = cli_may_write(a, out, NULL);
    if (status == WEFT_OK && out)
        status = weft_file_write(out, text.data, text.length);
    if (status == WEFT_OK) {
        add_sizes(a, &p);
        if (!out)
            cli_say(a, "%s", text.data);
        else
            cli_say(a, "%s: %s\n", out, p.name);
    }
    weft_text_free(&text);
    return status;
}

static weft_status run(cli_arguments *a)
{
    if (cli_positional_at(a, 0))
        return show(a, cli_positional_at(a, 0));
    if (cli_text(a, "out"))
        return cli_misuse(a, "--out needs the preset to write: weft sim hardware neupims --out my.json");
    weft_platform p;
    weft_json_add_key(cli_json(a), "presets");
    weft_json_open_list(cli_json(a));
    for (int i = 0; weft_platform_preset(i, &p); i++) {
        weft_json_open_object(cli_json(a));
        add_sizes(a, &p);
        weft_json_close_object(cli_json(a));
        cli_say(a, "%-10s %s\n           %.0f GB/s, %.0f TFLOP/s, %.0f GiB; NPU %.0f mm2, DRAM %.0f mm2\n           %s\n", p.name,
                p.about, weft_platform_bandwidth(&p) / 1e9, 2 * weft_platform_macs(&p) * p.machine.npu.core_mhz / 1e6,
                weft_platform_capacity(&p) / 1073741824, weft_platform_npu_area(&p) * 1e6, weft_platform_dram_area(&p) * 1e6,
                p.source);
    }
    weft_json_close_list(cli_json(a));
    return WEFT_OK;
}

const cli_command cli_sim_hardware = {
    .name = "sim",
    .action = "hardware",
    .summary = "list hardware presets, or write one as a file to change",
    .positionals = files,
    .options = options,
    .example = "weft sim hardware\nweft sim hardware neupims --out my-npu.json",
    .run = run,
};
