/* weft sim: one iteration of a model on one system, or on all of them side by side. */
#include "cli/sim.h"

#include <stdio.h>
#include <string.h>

static const cli_option options[] = {
    SIM_MODEL,
    SIM_HARDWARE,
    {.name = "trace",
     .value = "T.csv",
     .kind = CLI_PATH,
     .help = "requests, a row each: seq_len, and ch_idx if their channels are chosen"},
    {.name = "batch",
     .value = "N",
     .kind = CLI_INT,
     .least = 1,
     .most = 1 << 20,
     .help = "N rows of the trace, evenly spaced; without a trace, N requests of --length tokens"},
    {.name = "length", .value = "L", .kind = CLI_INT, .least = 1, .most = 1 << 24, .otherwise = "512", .help = "context of each"},
    {.name = "system",
     .value = "SYSTEM",
     .kind = CLI_CHOICE,
     .choices = "gpu|npu|npu-pim|neupims|all|npu_only|npu-only|npu_pim",
     .help =
         "what serves them; all compares every system (default: what the hardware is, neupims unless --hardware says otherwise)"},
    SIM_CHANNELS,
    {.name = "timeline",
     .value = "F.json",
     .kind = CLI_PATH,
     .help = "write what every unit and channel did, for ui.perfetto.dev",
     .group = "Pictures"},
    {.name = "report",
     .value = "F.html",
     .kind = CLI_PATH,
     .help = "write timeline, roofline, bank occupancy and what bounds each operator",
     .group = "Pictures"},
    {.name = "force", .help = "write over files that are there", .group = "Pictures"},
    CLI_SIM_ENGINE_OPTIONS("event", "fixed"),
    SIM_DEVICES,
    {0},
};

static void say_rows(cli_arguments *a, const sim_row *rows, int n)
{
    cli_say(a, "\n%-22s %14s %10s %12s %8s %6s %6s %6s %10s\n", "system", "cycles", "ms", "tokens/s", "of best", "NPU", "PIM",
            "bus", "J/token");
    double best = 0;
    for (int i = 0; i < n; i++)
        best = rows[i].iteration.tokens_per_second > best ? rows[i].iteration.tokens_per_second : best;
    for (int i = 0; i < n; i++) {
        const weft_iteration *it = &rows[i].iteration;
        char name[48];
        sim_row_name(&rows[i], name, sizeof name);
        if (rows[i].error) {
            cli_say(a, "%-22s %s\n", name, rows[i].error);
            continue;
        }
        cli_say(a, "%-22s %14.0f %10.3f %12.1f %7.1f%% %5.1f%% %5.1f%% %5.1f%% %10.4g\n", name, it->cycles, it->seconds * 1e3,
                it->tokens_per_second, 100 * it->tokens_per_second / best, 100 * it->npu_utilization, 100 * it->pim_utilization,
                100 * it->bandwidth_utilization, it->energy.total / (double)it->tokens);
    }
}

static void say_one(cli_arguments *a, const sim_row *row)
{
    const weft_iteration *it = &row->iteration;
    const weft_hardware_result *r = it->result;
    const weft_llm *m = &row->design.llm;
    const weft_hardware *h = &row->design.platform->machine;
    double core_cycles = h->npu.core_mhz / h->memory.mhz; /* of a memory cycle */
    for (int i = 0; r && i < r->stage_count; i++)
        cli_say(a, "  stage %c  %10lld cycles, memory computes in %5.1f %% of them, bus %5.1f %% used\n", r->stages[i].name,
                (long long)r->stages[i].cycles, 100 * core_cycles * (double)r->stages[i].pim_cycles / (double)r->stages[i].cycles,
                r->stages[i].bandwidth_percent);
    for (int i = 0; r && i < r->op_count; i++) {
        const weft_hardware_op *op = &r->ops[i];
        char causes[96];
        cli_sim_causes(op, causes, sizeof causes);
        if (100 * (op->finish - op->start) >= r->total_cycles)
            cli_say(a, "  %-26s %10lld cycles, waited for: %s\n", op->name, (long long)(op->finish - op->start), causes);
    }
    if (r && r->stage_count)
        cli_say(a,
                row->design.options.sub_batch ? "  layers: A+B+(N-1)(C+D)+E+F, N = %lld in a pipeline stage\n"
                                              : "  layers: N(A+B+E), N = %lld in a pipeline stage\n",
                (long long)(m->layers / m->pipeline_parallel));
    const weft_balance *b = &row->design.balance;
    if (b->bound && row->design.options.system >= WEFT_SERVE_NPU_PIM)
        cli_say(a,
                "Channels: the heaviest has %lld estimated cycles of attention, %.3f of the mean, %.2f %% above what must be%s\n",
                (long long)b->heaviest, (double)b->heaviest / b->mean, 100 * ((double)b->heaviest / (double)b->bound - 1),
                b->least ? "" : " (weft sim balance looks for better)");
    bool inside = row->design.options.links_inside;
    cli_say(a, "With the head%s%s%s (not counted above, as in the published evaluation): %.1f tokens/s\n",
            inside ? "" : " and a ", inside ? "" : cli_text(a, "collective"), inside ? "" : " between devices",
            it->full_tokens_per_second);
    cli_say(a, "Energy %.4g J an iteration: DRAM %.3g, PIM %.3g, NPU %.3g, links %.3g, GPU %.3g\n", it->energy.total,
            it->energy.dram, it->energy.pim, it->energy.npu, it->energy.link, it->energy.other);
}

static void write_json(cli_arguments *a, const sim_setup *s, int64_t count, const sim_row *rows, int n)
{
    weft_json_writer *w = cli_json(a);
    sim_model_json(w, &rows[0].design.llm);
    cli_json_string(a, "hardware", s->platform.name);
    cli_json_string(a, "mode", cli_text(a, "mode"));
    cli_json_string(a, "behaviour", cli_text(a, "behaviour"));
    cli_json_integer(a, "requests", count);
    if (n == 1) {
        sim_row_json(w, &rows[0]);
        return;
    }
    weft_json_add_key(w, "systems");
    weft_json_open_list(w);
    for (int i = 0; i < n; i++) {
        weft_json_open_object(w);
        sim_row_json(w, &rows[i]);
        weft_json_close_object(w);
    }
    weft_json_close_list(w);
}

static weft_status write_views(cli_arguments *a, const sim_setup *s, const sim_row *rows, int n)
{
    const char *timeline = cli_text(a, "timeline"), *path = cli_text(a, "report");
    weft_status status = WEFT_OK;
    int last = n - 1;
    while (last > 0 && !rows[last].timeline)
        last--;
    if (timeline && !rows[last].timeline)
        return weft_fail(WEFT_ERROR_ARGUMENT, "%s: no system but the GPU's roofline can run this, and it has no timeline",
                         timeline);
    if (timeline) {
        status = weft_timeline_chrome(rows[last].timeline, timeline);
        if (status == WEFT_OK)
            cli_say(a, "%s: open it in ui.perfetto.dev or chrome://tracing\n", timeline);
    }
    if (status != WEFT_OK || !path)
        return status;
    char title[256];
    snprintf(title, sizeof title, "%s on %s", s->llm.name, s->platform.name);
    weft_report *page = weft_report_new(title);
    if (!page)
        return WEFT_ERROR_MEMORY;
    sim_report_add(page, &s->platform, rows, n);
    status = weft_report_save(page, path);
    weft_report_free(page);
    if (status == WEFT_OK)
        cli_say(a, "%s: the pictures\n", path);
    return status;
}

/* What can be judged before anything is read. */
static weft_status check_options(cli_arguments *a)
{
    static const char *const files[] = {"timeline", "report"};
    const char *system = cli_text(a, "system"), *halves = cli_text(a, "sub-batch");
    if (halves && strcmp(halves, "on") == 0 && system && strcmp(system, "neupims") != 0 && strcmp(system, "all") != 0)
        return cli_misuse(a, "--sub-batch on needs --system neupims: %s cannot read and compute in a memory channel at once",
                          system);
    if (system && strcmp(system, "gpu") == 0 && cli_text(a, "timeline"))
        return cli_misuse(a, "--timeline has nothing to show of --system gpu, which is a roofline");
    weft_status status = WEFT_OK;
    for (int i = 0; i < 2 && status == WEFT_OK; i++)
        if (cli_text(a, files[i]))
            status = cli_may_write(a, cli_text(a, files[i]), NULL);
    return status;
}

static weft_status run(cli_arguments *a)
{
    sim_setup s;
    weft_trace trace = {0};
    weft_design design;
    sim_row rows[SIM_ROWS];
    int n = 0;
    int64_t count = 0;
    weft_status status = check_options(a);
    if (status == WEFT_OK)
        status = sim_prepare(a, &s);
    if (status == WEFT_OK)
        status = sim_design(a, &s, &trace, &design);
    if (status == WEFT_OK) {
        count = design.batch ? design.batch : trace.count;
        const char *system = cli_text(a, "system");
        design.options.system = sim_system_of(&s.platform);
        if (!system || weft_serving_parse(system, &design.options.system))
            rows[n++] = (sim_row){.design = design};
        else
            n = sim_all_systems(&design, count, rows);
        if (n == 1 && cli_given(a, "sub-batch") && design.halves == 1 && design.options.system != WEFT_SERVE_NEUPIMS)
            status = weft_fail(WEFT_ERROR_ARGUMENT, "%s is %s, which has no sub-batches", s.platform.name,
                               weft_serving_name(design.options.system));
    }
    if (status == WEFT_OK) {
        status = sim_run_rows(rows, n, cli_text(a, "timeline") || cli_text(a, "report"));
    }
    if (status == WEFT_OK) {
        sim_model_say(a, &s.platform, &rows[n - 1].design.llm);
        write_json(a, &s, count, rows, n);
        say_rows(a, rows, n);
        if (n == 1)
            say_one(a, &rows[0]);
        status = write_views(a, &s, rows, n);
    }
    sim_free_rows(rows, n);
    weft_trace_free(&trace);
    return status;
}

const cli_command cli_sim = {
    .name = "sim",
    .summary = "time batched inference on a GPU, an NPU, and NPUs whose memory computes",
    .description =
        "One iteration: the next token of every request of the batch, through all layers. An engine simulates a layer "
        "of each kind; "
        "cycles of all layers follow as N(A+B+E), or A+B+(N-1)(C+D)+E+F with sub-batches.\n\n"
        "Other actions: weft sim trace (make one), balance (its channels), serve (a stream of requests), sweep (many points), "
        "hardware (presets), case (the published cases), replay (memory traces); weft help sim sweep, for one, tells more.\n\n"
        "Utilisation is the share of what all multipliers could have done; NPU, PIM and bus are those of each unit.",
    .options = options,
    .example = "weft sim --model GPT3-7B --batch 64 --length 400 --system neupims\n"
               "weft sim --model GPT3-7B --batch 64 --length 400 --system all --mode analytic\n"
               "weft sim --model gpt2/config.json --hardware my-npu.json --trace requests.csv --json",
    .run = run,
};
