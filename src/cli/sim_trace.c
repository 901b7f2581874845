/* weft sim trace: traces of requests drawn from a distribution of lengths. */
#include "cli/sim.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const cli_option options[] = {
    {.name = "lengths",
     .value = "L.csv",
     .kind = CLI_PATH,
     .traits = CLI_REQUIRED,
     .help = "prompt and answer lengths to draw from: input_toks, output_toks; plain or gzip"},
    {.name = "out", .value = "T.csv", .kind = CLI_PATH, .traits = CLI_REQUIRED, .help = "the trace to write"},
    {.name = "force", .help = "write over a trace that is there"},
    {.name = "arrivals",
     .value = "KIND",
     .kind = CLI_CHOICE,
     .choices = "poisson|bursts|even",
     .help = "requests as they arrive, for weft sim serve, in place of a snapshot of a full batch",
     .group = "Arrivals"},
    {.name = "rate",
     .value = "R",
     .kind = CLI_NUMBER,
     .least = 0,
     .most = 1e6,
     .otherwise = "4",
     .traits = CLI_ABOVE_LEAST,
     .help = "arrivals a second",
     .group = "Arrivals"},
    {.name = "requests",
     .value = "N",
     .kind = CLI_INT,
     .least = 1,
     .most = 10000000,
     .otherwise = "1000",
     .help = "how many",
     .group = "Arrivals"},
    {.name = "burst",
     .value = "N",
     .kind = CLI_INT,
     .least = 1,
     .most = 100000,
     .otherwise = "8",
     .help = "mean size of a burst",
     .group = "Arrivals"},
    {.name = "model",
     .value = "CONFIG",
     .kind = CLI_PATH,
     .otherwise = "GPT3-7B",
     .help = "whose caches fill the channels: a config.json or a preset"},
    {.name = "hardware", .value = "H.json", .kind = CLI_LIST, .help = "the memory (default: neupims)"},
    {.name = "batch",
     .value = "N",
     .kind = CLI_INT,
     .least = 1,
     .most = 1 << 20,
     .otherwise = "512",
     .help = "requests alive at once",
     .group = "Snapshots"},
    {.name = "policy",
     .value = "POLICY",
     .kind = CLI_CHOICE,
     .choices = "clb|rr",
     .otherwise = "clb",
     .help = "channel of a new request: least estimated load, or round robin over channels with room",
     .group = "Snapshots"},
    {.name = "context",
     .value = "N",
     .kind = CLI_INT,
     .least = 2,
     .most = 1 << 24,
     .otherwise = "2048",
     .help = "longest sequence"},
    {.name = "warm-up",
     .value = "N",
     .kind = CLI_INT,
     .least = 0,
     .most = 100000000,
     .otherwise = "100000",
     .help = "iterations before the snapshot",
     .group = "Snapshots"},
    {0},
};

static weft_status snapshot(cli_arguments *a, const weft_lengths *lengths, weft_trace *out)
{
    weft_platform p;
    weft_llm m;
    weft_status status = sim_load(a, &p, &m);
    if (status != WEFT_OK)
        return status;
    double free_bytes = weft_platform_capacity(&p) - weft_device_bytes(&m, 0);
    if (free_bytes <= 0)
        return weft_fail(WEFT_ERROR_ARGUMENT, "%s: its weights alone need %.1f GiB a device, the memory has %.1f", m.name,
                         weft_device_bytes(&m, 0) / 1073741824, weft_platform_capacity(&p) / 1073741824);
    weft_trace_options o = weft_trace_defaults();
    o.batch = cli_int(a, "batch");
    o.warm_up = cli_int(a, "warm-up");
    o.context = cli_int(a, "context");
    o.channels = p.machine.memory.channels;
    o.balanced = strcmp(cli_text(a, "policy"), "clb") == 0;
    o.heads = m.heads;
    o.embedding = m.heads * m.head_size / m.tensor_parallel;
    o.head_size = m.head_size;
    o.layers = m.layers / m.pipeline_parallel;
    o.room = (int64_t)floor(ceil(free_bytes / 32768) / o.channels);
    o.seed = (uint64_t)cli_int(a, "seed");
    return weft_trace_generate(&o, lengths, out);
}

static weft_status arrivals(cli_arguments *a, const weft_lengths *lengths, weft_trace *out)
{
    static const char *const kinds[] = {
        [WEFT_ARRIVALS_POISSON] = "poisson", [WEFT_ARRIVALS_BURSTS] = "bursts", [WEFT_ARRIVALS_EVEN] = "even"};
    weft_arrivals kind = WEFT_ARRIVALS_POISSON;
    for (int i = 0; i < 3; i++)
        if (strcmp(kinds[i], cli_text(a, "arrivals")) == 0)
            kind = (weft_arrivals)i;
    return weft_trace_arrivals(kind, cli_number(a, "rate"), cli_int(a, "burst"), cli_int(a, "requests"), cli_int(a, "context"),
                               (uint64_t)cli_int(a, "seed"), lengths, out);
}

static weft_status run(cli_arguments *a)
{
    weft_lengths lengths = {0};
    weft_trace trace = {0};
    const char *out = cli_text(a, "out");
    weft_status status = cli_may_write(a, out, NULL);
    if (status == WEFT_OK)
        status = weft_lengths_read(cli_text(a, "lengths"), &lengths);
    if (status == WEFT_OK)
        status = cli_text(a, "arrivals") ? arrivals(a, &lengths, &trace) : snapshot(a, &lengths, &trace);
    if (status == WEFT_OK)
        status = weft_trace_write(&trace, out);
    if (status == WEFT_OK) {
        double sum = 0;
        for (int64_t i = 0; i < trace.count; i++)
            sum += (double)trace.requests[i].length;
        cli_json_string(a, "trace", out);
        cli_json_integer(a, "requests", trace.count);
        cli_json_number(a, "mean_length", sum / (double)trace.count);
        cli_json_integer(a, "lengths", lengths.count);
        cli_say(a, "%s: %lld requests, %.1f tokens of context on average, drawn from %lld lengths\n", out, (long long)trace.count,
                sum / (double)trace.count, (long long)lengths.count);
    }
    weft_trace_free(&trace);
    weft_lengths_free(&lengths);
    return status;
}

const cli_command cli_sim_trace = {
    .name = "sim",
    .action = "trace",
    .summary = "make a trace of requests from a distribution of prompt and answer lengths",
    .description =
        "A snapshot of a serving run whose batch is always full: every request grows by a token an iteration, and is replaced by "
        "a "
        "new draw when its answer is done. With --arrivals, requests with their arrival times, prompts and answers instead.\n\n"
        "The same --seed makes the same trace.",
    .options = options,
    .example = "weft sim trace --lengths lengths.csv --batch 256 --policy clb --out requests.csv\n"
               "weft sim trace --lengths lengths.csv --arrivals poisson --rate 8 --requests 2000 --out arrivals.csv",
    .run = run,
};
