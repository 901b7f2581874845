/* weft bench: ops and models on this machine, against its measured peaks. Each job's time is that of one whole call, the best
 * of several. */
#include "cli/bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/pages.h"
#include "graph/engine.h"

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

/* ---- the machine's peaks ---- */

typedef struct peak_job {
    weft_engine *engine;
    int64_t rounds;
    double flops;
} peak_job;

static void run_peak(void *argument, int thread)
{
    peak_job *job = argument;
    float sink;
    double flops = job->engine->kernels->peak(job->rounds, &sink);
    if (thread == 0)
        job->flops = flops * weft_team_size(job->engine->team) + (sink == 12345.678F ? 1e-9 : 0);
}

static double measure_flops(weft_engine *engine)
{
    double best = 0;
    for (int i = 0; i < 300; i++) { /* short ones: some fall between what else the machine does */
        peak_job job = {.engine = engine, .rounds = 100000};
        double begin = weft_clock();
        weft_team_run(engine->team, run_peak, &job);
        double rate = job.flops / (weft_clock() - begin);
        best = rate > best ? rate : best;
    }
    return best;
}

enum { COPY_BYTES = 128 << 20, COPY_PIECE = 4 << 20 };

static void copy_piece(void *argument, int64_t piece, int thread)
{
    (void)thread;
    char *memory = argument;
    memcpy(memory + COPY_BYTES + piece * COPY_PIECE, memory + piece * COPY_PIECE, COPY_PIECE);
}

typedef struct stream_job {
    weft_engine *engine;
    char *memory;
} stream_job;

static void stream_piece(void *argument, int64_t piece, int thread)
{
    (void)thread;
    stream_job *job = argument;
    const weft_vector_table *v = job->engine->kernels->f32; /* writes past the caches */
    v->unary(WEFT_NEG, 0, COPY_PIECE / 4, job->memory + piece * COPY_PIECE, job->memory + COPY_BYTES + piece * COPY_PIECE);
}

/* What reading alone costs: the sum of the piece's words goes where the compiler must keep it. */
static void read_piece(void *argument, int64_t piece, int thread)
{
    (void)thread;
    enum { LANES = 16, WORDS = COPY_PIECE / sizeof(uint64_t) };
    uint64_t *words = (uint64_t *)argument + piece * WORDS, sum[LANES] = {0};
    for (int64_t i = 0; i < WORDS; i += LANES)
        for (int k = 0; k < LANES; k++)
            sum[k] += words[i + k];
    for (int k = 1; k < LANES; k++)
        sum[0] += sum[k];
    if (sum[0] == 1)
        words[0] = sum[0];
}

typedef struct memory_peaks {
    double
        copying; /* bytes read and written each second by a large copy, or by a kernel that writes past the caches: the better */
    double reading; /* bytes read each second where nothing is written */
} memory_peaks;

static void keep_rate(double *best, double bytes, double begin)
{
    const double rate = bytes / (weft_clock() - begin);
    *best = rate > *best ? rate : *best;
}

static memory_peaks measure_memory(weft_engine *engine)
{
    char *memory = weft_pages_get(2 * (size_t)COPY_BYTES);
    memory_peaks best = {0};
    if (!memory)
        return best;
    memset(memory, 1, 2 * (size_t)COPY_BYTES);
    const int64_t pieces = COPY_BYTES / COPY_PIECE;
    for (int i = 0; i < 24; i++) {
        double begin = weft_clock();
        weft_team_pieces(engine->team, pieces, copy_piece, memory);
        keep_rate(&best.copying, 2.0 * COPY_BYTES, begin);
        begin = weft_clock();
        weft_team_pieces(engine->team, pieces, stream_piece, &(stream_job){engine, memory});
        keep_rate(&best.copying, 2.0 * COPY_BYTES, begin);
        begin = weft_clock();
        weft_team_pieces(engine->team, 2 * pieces, read_piece, memory);
        keep_rate(&best.reading, 2.0 * COPY_BYTES, begin);
    }
    free(memory);
    return best;
}

/* ---- jobs ---- */

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
    if (self)
        job->close(self);
    return status;
}

static void report(cli_arguments *a, const char *name, const bench_result *r, double peak_flops, memory_peaks memory)
{
    double gflops = r->flops / r->seconds * 1e-9, gbps = r->bytes / r->seconds * 1e-9;
    const double peak_bytes = r->reads ? memory.reading : memory.copying;
    double of_peak = r->flops > 0 ? gflops * 1e9 / peak_flops : r->bytes > 0 ? gbps * 1e9 / peak_bytes : 0;
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
    double flops = measure_flops(context.engine);
    const memory_peaks memory = measure_memory(context.engine);
    cli_say(a, "%d threads, %s: %.1f GFLOP/s of multiply-adds, %.1f GB/s of copying, %.1f GB/s of reading\n",
            weft_engine_threads(context.engine), weft_engine_level(context.engine), flops * 1e-9, memory.copying * 1e-9,
            memory.reading * 1e-9);
    if (!context.text && given == 0)
        cli_say(a, "tokenize_* are left out: give the folder of their files by --text\n");
    cli_json_number(a, "peak_gflops", flops * 1e-9);
    cli_json_number(a, "peak_gbps", memory.copying * 1e-9);
    cli_json_number(a, "peak_read_gbps", memory.reading * 1e-9);
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
                report(a, job->name, &r, flops, memory);
            if (weft_interrupted())
                status = weft_fail(WEFT_ERROR_INTERRUPTED, "stopped");
        }
    weft_json_close_list(cli_json(a));
    return status;
}

const cli_command cli_bench = {
    .name = "bench",
    .summary = "time ops and models on this machine",
    .description = "Each time is that of one whole call, the best of several. of_peak: floating-point work against multiply-adds "
                   "in registers, "
                   "or bytes against a large copy (a token of a language model, which only reads, against reading), all "
                   "measured at the start with the same threads. MB: what the job has added to the process in memory.",
    .positionals = files,
    .options = options,
    .example = "weft bench matmul_1024 tabr_step --threads 2",
    .run = run,
};
