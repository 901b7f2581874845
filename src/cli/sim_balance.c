/* weft sim balance: the requests of a trace placed on memory channels by each policy, side by side. */
#include "cli/sim.h"

#include <stdlib.h>
#include <string.h>

#include "hardware/balance.h"

static const cli_option options[] = {
    SIM_MODEL,
    SIM_HARDWARE,
    {.name = "trace",
     .value = "T.csv",
     .kind = CLI_PATH,
     .traits = CLI_REQUIRED,
     .help = "requests, a row each: seq_len, and ch_idx if they have channels"},
    {.name = "batch", .value = "N", .kind = CLI_INT, .least = 1, .most = 1 << 20, .help = "N rows of the trace, evenly spaced"},
    {.name = "channels",
     .value = "POLICY",
     .kind = CLI_CHOICE,
     .choices = WEFT_PLACEMENT_NAMES,
     .otherwise = "timed",
     .help = "whose channels are written"},
    {.name = "out", .value = "T2.csv", .kind = CLI_PATH, .help = "write the requests with these channels"},
    {.name = "force", .help = "write over a trace that is there"},
    SIM_TENSOR_PARALLEL,
    {0},
};

/* The heavier half of a channel's attention, the heaviest over the channels: when half of the requests are in one sub-batch, and
 * when each channel's requests are parted as evenly as can be. */
typedef struct halves {
    int64_t by_count, by_cost;
} halves;

static int64_t heavier(const int32_t *channel, const int64_t *cost, const bool *second, int64_t count, int channels,
                       int64_t *load)
{
    int64_t heaviest = 0;
    memset(load, 0, 2 * (size_t)channels * sizeof *load);
    for (int64_t i = 0; i < count; i++)
        load[2 * channel[i] + second[i]] += cost[i];
    for (int c = 0; c < 2 * channels; c++)
        heaviest = load[c] > heaviest ? load[c] : heaviest;
    return heaviest;
}

static weft_status part(const weft_design *d, const weft_hardware_request *requests, int64_t count, halves *out)
{
    int channels = d->platform->machine.memory.channels;
    int64_t *numbers = malloc((size_t)(count + 2 * channels) * sizeof *numbers);
    int32_t *channel = malloc((size_t)(count + 1) * sizeof *channel);
    bool *second = malloc((size_t)count + 1);
    weft_status status =
        numbers && channel && second ? WEFT_OK : weft_fail(WEFT_ERROR_MEMORY, "balancing channels: memory is short");
    if (status == WEFT_OK) {
        for (int64_t i = 0; i < count; i++)
            channel[i] = requests[i].channel;
        weft_design_costs(d, requests, count, numbers);
        status = weft_halves(channel, count, channels, second);
    }
    if (status == WEFT_OK) {
        out->by_count = heavier(channel, numbers, second, count, channels, numbers + count);
        status = weft_partition(channel, numbers, count, channels, 1, second);
    }
    if (status == WEFT_OK)
        out->by_cost = heavier(channel, numbers, second, count, channels, numbers + count);
    free(numbers);
    free(channel);
    free(second);
    return status;
}

/* One line of the table: requests placed by the policy, or as the trace has them (NULL). */
static weft_status tell(cli_arguments *a, const weft_design *d, const char *policy, weft_hardware_request *requests,
                        int64_t count)
{
    weft_balance b;
    halves h = {0};
    weft_json_writer *w = cli_json(a);
    weft_status status = policy ? weft_design_place(d, weft_placement_of(policy), requests, count, &b)
                                : weft_design_balance(d, requests, count, &b);
    if (status == WEFT_OK)
        status = part(d, requests, count, &h);
    if (status != WEFT_OK)
        return status;
    cli_say(a, "%-12s %10lld %8.4f %9.2f%% %9s %13lld %13lld %13.0f\n", policy ? policy : "as in trace", (long long)b.heaviest,
            (double)b.heaviest / b.mean, 100 * ((double)b.heaviest / (double)b.bound - 1), b.least ? "yes" : "not known",
            (long long)h.by_count, (long long)h.by_cost, b.cycles);
    weft_json_open_object(w);
    weft_json_add_key(w, "policy");
    weft_json_add_string(w, policy ? policy : "trace");
    sim_balance_json(w, &b);
    weft_json_add_key(w, "heavier_half_by_count_cycles");
    weft_json_add_integer(w, h.by_count);
    weft_json_add_key(w, "heavier_half_by_cost_cycles");
    weft_json_add_integer(w, h.by_cost);
    weft_json_close_object(w);
    return WEFT_OK;
}

static weft_status write(cli_arguments *a, const weft_design *d, weft_hardware_request *requests, int64_t count)
{
    const char *out = cli_text(a, "out");
    weft_trace trace = {.count = count, .channels = true};
    trace.requests = calloc((size_t)count + 1, sizeof *trace.requests);
    weft_status status = trace.requests ? WEFT_OK : weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", out);
    if (status == WEFT_OK)
        status = weft_design_place(d, weft_placement_of(cli_text(a, "channels")), requests, count, NULL);
    for (int64_t i = 0; i < count && status == WEFT_OK; i++)
        trace.requests[i] = (weft_load_request){.length = requests[i].length, .channel = requests[i].channel};
    if (status == WEFT_OK)
        status = weft_trace_write(&trace, out);
    if (status == WEFT_OK) {
        cli_say(a, "%s: %s\n", out, cli_text(a, "channels"));
        cli_json_string(a, "trace", out);
    }
    weft_trace_free(&trace);
    return status;
}

static weft_status compare(cli_arguments *a, const weft_design *d, bool placed)
{
    weft_hardware_request *requests = NULL;
    int64_t count = 0;
    weft_json_writer *w = cli_json(a);
    weft_status status = weft_design_requests(d, &requests, &count);
    cli_json_integer(a, "requests", count);
    weft_json_add_key(w, "policies");
    weft_json_open_list(w);
    if (status == WEFT_OK)
        cli_say(a, "\n%-12s %10s %8s %10s %9s %13s %13s %13s\n", "policy", "heaviest", "to mean", "to bound", "least",
                "half by count", "half by cost", "cycles");
    if (status == WEFT_OK && placed)
        status = tell(a, d, NULL, requests, count);
    for (int i = 0; i < WEFT_PLACEMENTS && status == WEFT_OK; i++)
        status = tell(a, d, weft_placement_name((weft_placement)i), requests, count);
    weft_json_close_list(w);
    if (status == WEFT_OK && cli_text(a, "out"))
        status = write(a, d, requests, count);
    free(requests);
    return status;
}

/* As weft sim chooses where nothing is said: as few devices as hold the model with these requests. */
static weft_status choose_devices(cli_arguments *a, weft_design *d)
{
    double tokens = 0;
    for (int64_t i = 0; i < d->trace->count; i++)
        tokens += (double)d->trace->requests[i].length;
    if (cli_given(a, "tensor-parallel"))
        d->llm.tensor_parallel = cli_int(a, "tensor-parallel");
    else if (d->llm.tensor_parallel == 1 && strcmp(d->llm.family, "gpt3") != 0)
        return weft_fit_devices(d->platform, WEFT_SERVE_NEUPIMS, &d->llm, tokens, &d->llm.tensor_parallel);
    return weft_llm_check(&d->llm, cli_text(a, "model"));
}

static weft_status run(cli_arguments *a)
{
    weft_platform platform;
    weft_llm llm;
    weft_trace trace = {0};
    weft_status status = cli_text(a, "out") ? cli_may_write(a, cli_text(a, "out"), NULL) : WEFT_OK;
    if (status == WEFT_OK)
        status = sim_load(a, &platform, &llm);
    if (status == WEFT_OK)
        status = weft_trace_read(cli_text(a, "trace"), platform.machine.memory.channels, llm.context, &trace);
    if (status == WEFT_OK) {
        weft_design d = {.platform = &platform,
                         .llm = llm,
                         .options = {.system = WEFT_SERVE_NEUPIMS, .fixed = WEFT_QUIRKS_FIXED},
                         .trace = &trace,
                         .batch = cli_given(a, "batch") ? cli_int(a, "batch") : 0,
                         .seed = (uint64_t)cli_int(a, "seed")};
        status = choose_devices(a, &d);
        if (status == WEFT_OK) {
            sim_model_say(a, &platform, &d.llm);
            status = compare(a, &d, trace.channels);
        }
    }
    weft_trace_free(&trace);
    return status;
}

const cli_command cli_sim_balance = {
    .name = "sim",
    .action = "balance",
    .summary = "place requests on memory channels, and tell how far each policy is from the best there can be",
    .description =
        "Loads are estimated cycles of attention of one layer on one device. The heaviest channel ends an iteration's attention: "
        "\"to bound\" is how far it is above the larger of the mean and what requests that must share a channel need; \"least\" "
        "says "
        "whether it is known that no placement does better.\n\n"
        "greedy: by descending load, each to the lightest channel (the published policy). annealed: exchanges under a falling "
        "temperature. exact: these, and branch and bound where it can end. timed: exchanges by the machine's own delays, with "
        "the two "
        "halves of attention, which follow each other on all channels, balanced each.\n\n"
        "\"half\" columns are the heavier of a channel's two sub-batches: halved by number of requests, as the published "
        "simulator "
        "does, and parted by exact sums of loads. \"cycles\" is what the formulas of --mode analytic make of a layer's attention "
        "with "
        "these channels.",
    .options = options,
    .example = "weft sim balance --model GPT3-7B --trace requests.csv --out balanced.csv",
    .run = run,
};
