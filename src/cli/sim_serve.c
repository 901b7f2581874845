/* weft sim serve: a stream of requests through a system; latencies, goodput, queueing. */
#include "cli/sim.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/files.h"
#include "hardware/serving.h"

static const cli_option options[] = {
    SIM_MODEL,
    SIM_HARDWARE,
    {.name = "trace",
     .value = "T.csv",
     .kind = CLI_PATH,
     .traits = CLI_REQUIRED,
     .help = "arrival_s, prompt and output of each request (weft sim trace --arrivals makes one)"},
    {.name = "system",
     .value = "SYSTEM",
     .kind = CLI_CHOICE,
     .choices = "gpu|npu|npu-pim|neupims|npu_only|npu-only|npu_pim",
     .help = "what serves them (default: what the hardware is, neupims unless --hardware says otherwise)"},
    {.name = "max-batch",
     .value = "N",
     .kind = CLI_INT,
     .least = 1,
     .most = 65536,
     .otherwise = "256",
     .help = "requests in flight at most",
     .group = "Scheduling"},
    {.name = "chunk",
     .value = "N",
     .kind = CLI_INT,
     .least = 1,
     .most = 1 << 24,
     .otherwise = "2048",
     .help = "tokens an iteration computes at most: one of each running request, the rest in chunks of prompts",
     .group = "Scheduling"},
    {.name = "block",
     .value = "N",
     .kind = CLI_INT,
     .least = 1,
     .most = 65536,
     .otherwise = "16",
     .help = "tokens of a block of the paged cache",
     .group = "Scheduling"},
    {.name = "closed",
     .value = "N",
     .kind = CLI_INT,
     .least = 1,
     .most = 1000000,
     .help = "closed loop: always N requests in flight, whatever their arrival times",
     .group = "Scheduling"},
    {.name = "slo-ttft",
     .value = "S",
     .kind = CLI_NUMBER,
     .least = 0,
     .most = 1e6,
     .otherwise = "1",
     .help = "seconds to the first token that still count as good; 0: any",
     .group = "Goals"},
    {.name = "slo-tpot",
     .value = "S",
     .kind = CLI_NUMBER,
     .least = 0,
     .most = 1e6,
     .otherwise = "0.1",
     .help = "seconds a further token that still count as good; 0: any",
     .group = "Goals"},
    {.name = "requests-out", .value = "R.csv", .kind = CLI_PATH, .help = "a row a request: arrival, start, first and last token"},
    {.name = "report",
     .value = "F.html",
     .kind = CLI_PATH,
     .help = "write what waits and runs over time, and how latencies spread"},
    {.name = "force", .help = "write over files that are there"},
    CLI_SIM_ENGINE_OPTIONS("analytic", "fixed"),
    SIM_DEVICES,
    {0},
};

static void percentiles(cli_arguments *a, const char *key, const char *what, const weft_percentiles *p)
{
    weft_json_writer *w = cli_json(a);
    weft_json_add_key(w, key);
    weft_json_open_object(w);
    const struct {
        const char *key;
        double value;
    } rows[] = {{"mean", p->mean}, {"p50", p->p50}, {"p90", p->p90}, {"p99", p->p99}};
    for (int i = 0; i < 4; i++) {
        weft_json_add_key(w, rows[i].key);
        weft_json_add_number(w, rows[i].value);
    }
    weft_json_close_object(w);
    cli_say(a, "%-24s %10.4f %10.4f %10.4f %10.4f\n", what, p->mean, p->p50, p->p90, p->p99);
}

static void answer(cli_arguments *a, const sim_setup *s, const weft_serving_result *r)
{
    sim_model_json(cli_json(a), &s->llm);
    cli_json_string(a, "system", weft_serving_name(s->options.system));
    cli_json_integer(a, "requests", r->count);
    cli_json_integer(a, "iterations", r->iterations);
    cli_json_number(a, "cycles", r->busy_seconds * s->platform.machine.npu.core_mhz * 1e6);
    cli_json_number(a, "seconds", r->seconds);
    cli_json_number(a, "tokens_per_second", r->tokens_per_second);
    cli_json_number(a, "prompt_tokens_per_second", r->prompt_tokens_per_second);
    cli_json_number(a, "requests_per_second", r->requests_per_second);
    cli_json_number(a, "goodput_requests_per_second", r->good_requests_per_second);
    cli_json_number(a, "slo_attainment", r->good_share);
    cli_json_number(a, "utilization", r->seconds > 0 ? r->busy_seconds / r->seconds : 0);
    cli_json_number(a, "mean_batch", r->mean_batch);
    cli_json_integer(a, "preemptions", r->preemptions);
    cli_json_integer(a, "cache_blocks", r->blocks);
    cli_json_integer(a, "peak_cache_blocks", r->peak_blocks);
    cli_json_number(a, "energy_joules", r->energy);
    cli_say(a, "%lld requests in %.2f s: %.1f tokens/s generated (and %.1f of prompts), %.2f requests/s\n", (long long)r->count,
            r->seconds, r->tokens_per_second, r->prompt_tokens_per_second, r->requests_per_second);
    cli_say(
        a,
        "%lld iterations of %.1f requests on average, busy %.1f %% of the time; cache at most %.1f %% full, %lld preemptions\n",
        (long long)r->iterations, r->mean_batch, 100 * r->busy_seconds / r->seconds,
        r->blocks ? 100.0 * (double)r->peak_blocks / (double)r->blocks : 0, (long long)r->preemptions);
    cli_say(a, "Good (first token within %g s, each further one within %g s): %.1f %% of requests, %.2f a second\n",
            cli_number(a, "slo-ttft"), cli_number(a, "slo-tpot"), 100 * r->good_share, r->good_requests_per_second);
    cli_say(a, "\n%-24s %10s %10s %10s %10s\n", "seconds", "mean", "p50", "p90", "p99");
    percentiles(a, "ttft", "to the first token", &r->ttft);
    percentiles(a, "tpot", "a further token", &r->tpot);
    percentiles(a, "end_to_end", "to the last token", &r->end_to_end);
    percentiles(a, "queueing", "waiting to start", &r->queueing);
}

static weft_status write_requests(const char *path, const weft_serving_result *r)
{
    weft_text t = {0};
    weft_text_add(&t, "arrival_s,start_s,first_token_s,finish_s,prompt,output,preempted\n");
    for (int64_t i = 0; i < r->count; i++) {
        const weft_served *v = &r->requests[i];
        weft_text_add(&t, "%.9f,%.9f,%.9f,%.9f,%lld,%lld,%lld\n", v->arrival, v->start, v->first, v->finish, (long long)v->prompt,
                      (long long)v->output, (long long)v->preempted);
    }
    weft_status status =
        t.failed ? weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", path) : weft_file_write(path, t.data, t.length);
    weft_text_free(&t);
    return status;
}

/* Requests and the cache over time. */
static void add_load(weft_report *page, const weft_serving_result *r)
{
    double x[WEFT_SERVING_SAMPLES], y[3][WEFT_SERVING_SAMPLES];
    size_t n = (size_t)r->sample_count;
    for (size_t i = 0; i < n; i++) {
        x[i] = r->samples[i].seconds;
        y[0][i] = r->samples[i].running;
        y[1][i] = r->samples[i].waiting;
        y[2][i] = 100 * r->samples[i].cache;
    }
    weft_series requests[] = {{"running", x, y[0], n}, {"waiting", x, y[1], n}}, cache = {"cache", x, y[2], n};
    weft_report_lines(page, &(weft_chart){.title = "Requests", .x_label = "seconds", .y_label = "requests"}, requests, 2, NAN,
                      NULL);
    weft_report_lines(page, &(weft_chart){.title = "Blocks of the cache in use", .x_label = "seconds", .y_label = "percent"},
                      &cache, 1, NAN, NULL);
}

static weft_status write_report(cli_arguments *a, const sim_setup *s, const weft_serving_result *r, const char *path)
{
    char title[256];
    double *values = malloc((size_t)(2 * r->count + 1) * sizeof *values);
    snprintf(title, sizeof title, "%s served by %s on %s", s->llm.name, weft_serving_name(s->options.system), s->platform.name);
    weft_report *page = values ? weft_report_new(title) : NULL;
    if (!page) {
        free(values);
        return weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", path);
    }
    const weft_percentiles *rows[] = {&r->ttft, &r->tpot, &r->end_to_end, &r->queueing};
    static const char *const names[] = {"to the first token", "a further token", "to the last token", "waiting to start"};
    static const weft_report_column columns[] = {{"time", WEFT_COLUMN_TEXT, 0},
                                                 {"mean", WEFT_COLUMN_SECONDS, 0},
                                                 {"p50", WEFT_COLUMN_SECONDS, 0},
                                                 {"p90", WEFT_COLUMN_SECONDS, 0},
                                                 {"p99", WEFT_COLUMN_SECONDS, 0}};
    weft_report_cell cells[4][5];
    memset(cells, 0, sizeof cells);
    for (int i = 0; i < 4; i++) {
        cells[i][0].text = names[i];
        cells[i][1].number = rows[i]->mean, cells[i][2].number = rows[i]->p50;
        cells[i][3].number = rows[i]->p90, cells[i][4].number = rows[i]->p99;
    }
    weft_report_paragraph(page,
                          "%lld requests in %.2f s: %.1f tokens/s, %.2f requests/s, %.1f %% within the goals of %g s and %g s.",
                          (long long)r->count, r->seconds, r->tokens_per_second, r->requests_per_second, 100 * r->good_share,
                          cli_number(a, "slo-ttft"), cli_number(a, "slo-tpot"));
    weft_report_table(page, "Latencies", columns, 5, &cells[0][0], 4);
    add_load(page, r);
    size_t paced = 0;
    for (int64_t i = 0; i < r->count; i++) {
        const weft_served *v = &r->requests[i];
        values[i] = 1e3 * (v->first - v->arrival);
        if (v->output > 1)
            values[r->count + (int64_t)paced++] = 1e3 * (v->finish - v->first) / (double)(v->output - 1);
    }
    weft_report_histogram(page, &(weft_chart){.title = "Time to the first token", .x_label = "ms", .y_label = "requests"}, values,
                          (size_t)r->count, 0);
    weft_report_histogram(page, &(weft_chart){.title = "Time a further token", .x_label = "ms", .y_label = "requests"},
                          values + r->count, paced, 0);
    weft_status status = weft_report_save(page, path);
    weft_report_free(page);
    free(values);
    return status;
}

static weft_status run(cli_arguments *a)
{
    sim_setup s;
    weft_trace trace = {0};
    weft_serving_result result = {0};
    const char *path = cli_text(a, "requests-out"), *page = cli_text(a, "report");
    weft_serving_options o = weft_serving_defaults();
    weft_status status = path ? cli_may_write(a, path, NULL) : WEFT_OK;
    if (status == WEFT_OK && page)
        status = cli_may_write(a, page, NULL);
    if (cli_int(a, "chunk") < cli_int(a, "max-batch"))
        return cli_misuse(a, "--chunk %lld is smaller than --max-batch %lld: every running request takes a token an iteration",
                          (long long)cli_int(a, "chunk"), (long long)cli_int(a, "max-batch"));
    if (status == WEFT_OK)
        status = sim_prepare(a, &s);
    if (status != WEFT_OK)
        return status;
    s.options.system = sim_system_of(&s.platform);
    if (cli_text(a, "system"))
        weft_serving_parse(cli_text(a, "system"), &s.options.system);
    status = weft_trace_read(cli_text(a, "trace"), s.platform.machine.memory.channels, s.llm.context, &trace);
    int64_t longest = 0;
    for (int64_t i = 0; i < trace.count; i++)
        longest = trace.requests[i].prompt + trace.requests[i].output > longest
                      ? trace.requests[i].prompt + trace.requests[i].output
                      : longest;
    if (status == WEFT_OK && !s.tensor_given)
        status = weft_fit_devices(&s.platform, s.options.system, &s.llm, (double)longest, &s.llm.tensor_parallel);
    if (status == WEFT_OK) {
        o.iteration = s.options;
        o.batch = cli_int(a, "max-batch");
        o.budget = cli_int(a, "chunk");
        o.block = cli_int(a, "block");
        o.concurrency = cli_int(a, "closed");
        o.ttft_goal = cli_number(a, "slo-ttft");
        o.tpot_goal = cli_number(a, "slo-tpot");
        o.halves_from = s.sub_batch == 0 ? 0 : s.sub_batch == 1 ? 2 : o.halves_from;
        o.progress = cli_progress;
        o.user = a;
        sim_model_say(a, &s.platform, &s.llm);
        status = weft_serving_run(&s.platform, &s.llm, &trace, &o, &result);
    }
    if (status == WEFT_OK && path)
        status = write_requests(path, &result);
    if (status == WEFT_OK && page)
        status = write_report(a, &s, &result, page);
    if (status == WEFT_OK)
        answer(a, &s, &result);
    weft_serving_free(&result);
    weft_trace_free(&trace);
    return status;
}

const cli_command cli_sim_serve = {
    .name = "sim",
    .action = "serve",
    .summary = "serve a stream of requests: time to first token, time a token, goodput",
    .description =
        "Iteration-level batching over a paged cache: each iteration takes a token of every running request and chunks of "
        "waiting "
        "prompts. Latencies count links between devices and the output head.\n\n"
        "Iterations are timed by formulas unless --mode event or exact simulates each of them, seconds apiece.",
    .options = options,
    .example = "weft sim trace --lengths lengths.csv --arrivals poisson --rate 8 --requests 500 --out arrivals.csv\n"
               "weft sim serve --model GPT3-7B --trace arrivals.csv --system neupims",
    .run = run,
};
