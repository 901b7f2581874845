/* weft bench: ops and models on this machine, against its measured peaks. Each job's time is that of one whole call, the best
 * of several. */
#include "cli/bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const cli_positional files[] = {{"NAME", 0, CLI_MANY, "jobs to run; none: all of them"}, {0}};

static const cli_option options[] = {
    {.name = "csv", .value = "F.csv", .kind = CLI_PATH, .help = "the file that csv_read reads (default: one that it makes)"},
    {.name = "text",
     .value = "DIR",
     .kind = CLI_PATH,
     .help = "encoder.json and vocab.bpe (GPT-2), llama2-tokenizer.model, bert-base-uncased-vocab.txt and "
             "tinyshakespeare.txt, which tokenize_* read (default: those jobs are left out)"},
    {.name = "rounds",
     .value = "N",
     .kind = CLI_INT,
     .least = 1,
     .most = 1000,
     .otherwise = "7",
     .help = "the best of at most N calls counts"},
    {0},
};

static const bench_job *find_job(const char *name)
{
    for (const bench_job *const *family = bench_families; *family; family++)
        for (const bench_job *job = *family; job->name; job++)
            if (strcmp(job->name, name) == 0)
                return job;
    return NULL;
}

static weft_status unknown_job(cli_arguments *a, const char *name)
{
    weft_text list = {0};
    for (const bench_job *const *family = bench_families; *family; family++)
        for (const bench_job *job = *family; job->name; job++)
            weft_text_add(&list, "%s%s", list.length ? ", " : "", job->name);
    weft_status status = cli_misuse(a, "there is no job \"%s\"; there are %s", name, list.data ? list.data : "");
    weft_text_free(&list);
    return status;
}

/* Bytes of this process in memory now; 0 where the system does not say. */
static double resident(void)
{
    long long pages = 0, total = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (!f || fscanf(f, "%lld %lld", &total, &pages) != 2)
        pages = 0;
    if (f)
        fclose(f);
    return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

/* Calls until `rounds` are done or two seconds are over; at least twice, so that the first call's page faults do not count. */
static weft_status time_job(bench_context *c, const bench_job *job, int64_t rounds, bench_result *out)
{
    void *self = NULL;
    double before = resident();
    weft_status status = job->open(c, job, &self, out);
    double begin = weft_clock(), best = 1e300;
    for (int64_t i = 0; status == WEFT_OK && (i < 3 || (i < rounds * 8 && weft_clock() - begin < 2)) && i < rounds * 8; i++) {
        if (i >= 3 && i >= rounds && weft_clock() - begin > 1)
            break;
        double t = weft_clock();
        status = job->call(self);
        t = weft_clock() - t;
        if (i > 0 && t < best)
            best = t;
    }
    out->seconds = best;
    out->memory = resident() - before;
    if (status == WEFT_OK && out->reading)
        out->peak_bytes = out->reading(self);
    if (self)
        job->close(self);
    return status;
}

static void report(cli_arguments *a, const char *name, const bench_result *r, const bench_peaks *peaks)
{
    double gflops = r->flops / r->seconds * 1e-9, gbps = r->bytes / r->seconds * 1e-9;
    const double peak_bytes = r->peak_bytes > 0 ? r->peak_bytes : peaks->copying;
    double of_peak = r->flops > 0   ? gflops * 1e9 / (r->bf16 ? peaks->bf16_flops : peaks->flops)
                     : r->bytes > 0 ? gbps * 1e9 / peak_bytes
                                    : 0;
    cli_say(a, "%-20s %11.6f s  %8.2f GFLOP/s  %7.2f GB/s  %5.1f %% of peak  %7.1f MB\n", name, r->seconds, gflops, gbps,
            100 * of_peak, r->memory * 1e-6);
    weft_json_writer *w = cli_json(a);
    weft_json_open_object(w);
    const struct {
        const char *key;
        double value;
    } numbers[] = {{"seconds", r->seconds},
                   {"gflops", gflops},
                   {"gbps", r->rate_in_gbps ? r->bytes / r->seconds * 1e-6 : gbps},
                   {"of_peak", of_peak},
                   {"rss_growth", r->memory}};
    weft_json_add_key(w, "name");
    weft_json_add_string(w, name);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        weft_json_add_key(w, numbers[i].key);
        weft_json_add_number(w, numbers[i].value);
    }
    weft_json_close_object(w);
}

static weft_status run(cli_arguments *a)
{
    int given = cli_positional_count(a);
    for (int i = 0; i < given; i++)
        if (!find_job(cli_positional_at(a, i)))
            return unknown_job(a, cli_positional_at(a, i));
    for (const bench_job *job = bench_text; job->name && !cli_text(a, "text"); job++)
        for (int i = 0; i < given; i++)
            if (strcmp(job->name, cli_positional_at(a, i)) == 0)
                return cli_misuse(a, "%s reads a tokenizer and a text: give the folder that they are in by --text DIR",
                                  job->name);
    bench_context context = {.engine = cli_engine(a), .csv = cli_text(a, "csv"), .text = cli_text(a, "text")};
    if (!context.engine)
        return WEFT_ERROR_MEMORY;
    const bench_peaks peaks = bench_measure_peaks(context.engine);
    cli_say(a, "%d threads, %s: %.1f GFLOP/s of multiply-adds (bf16: %.1f), %.1f GB/s of copying, %.1f GB/s of reading\n",
            weft_engine_threads(context.engine), weft_engine_level(context.engine), peaks.flops * 1e-9, peaks.bf16_flops * 1e-9,
            peaks.copying * 1e-9, peaks.reading * 1e-9);
    if (!context.text && given == 0)
        cli_say(a, "tokenize_* are left out: give the folder of their files by --text\n");
    cli_json_number(a, "peak_gflops", peaks.flops * 1e-9);
    cli_json_number(a, "peak_bf16_gflops", peaks.bf16_flops * 1e-9);
    cli_json_number(a, "peak_gbps", peaks.copying * 1e-9);
    cli_json_number(a, "peak_read_gbps", peaks.reading * 1e-9);
    weft_json_add_key(cli_json(a), "results");
    weft_json_open_list(cli_json(a));
    weft_status status = WEFT_OK;
    for (const bench_job *const *family = bench_families; *family && status == WEFT_OK; family++)
        for (const bench_job *job = *family; job->name && status == WEFT_OK; job++) {
            bool wanted = given == 0 && (*family != bench_text || context.text);
            for (int i = 0; i < given; i++)
                wanted |= strcmp(job->name, cli_positional_at(a, i)) == 0;
            bench_result r = {0};
            if (wanted && (status = time_job(&context, job, cli_int(a, "rounds"), &r)) == WEFT_OK)
                report(a, job->name, &r, &peaks);
            if (weft_interrupted())
                status = weft_fail(WEFT_ERROR_INTERRUPTED, "stopped");
        }
    weft_json_close_list(cli_json(a));
    return status;
}

const cli_command cli_bench = {
    .name = "bench",
    .summary = "time ops and models on this machine",
    .description =
        "Each time is that of one whole call, the best of several. of_peak: floating-point work against multiply-adds "
        "in registers, "
        "or bytes against a large copy, measured at the start with the same threads (a token of a language model, "
        "which only reads: against reading its weights where they lie). MB: what the job has added to the process in memory.",
    .positionals = files,
    .options = options,
    .example = "weft bench matmul_1024 tabr_step --threads 2",
    .run = run,
};
