/* What the machine gives at most: arithmetic in registers, copying and reading of memory, with the engine's threads. */
#include "base/pages.h"
#include "cli/bench.h"
#include "graph/engine.h"

#include <stdlib.h>
#include <string.h>

enum { PASSES = 24, PIECE = 1 << 20, COPY_PIECES = 128 };

static void keep_rate(double *best, double work, double begin)
{
    const double rate = work / (weft_clock() - begin);
    *best = rate > *best ? rate : *best;
}

/* ---- arithmetic ---- */

typedef struct flops_job {
    weft_engine *engine;
    bool bf16;
    double flops;
} flops_job;

static void run_flops(void *argument, int thread)
{
    flops_job *job = argument;
    float sink;
    double flops = job->engine->kernels->peak(job->bf16, 100000, &sink);
    if (thread == 0)
        job->flops = flops * weft_team_size(job->engine->team) + (sink == 12345.678F ? 1e-9 : 0);
}

static double measure_flops(weft_engine *engine, bool bf16)
{
    double best = 0;
    for (int i = 0; i < 300; i++) { /* short ones: some fall between what else the machine does */
        flops_job job = {.engine = engine, .bf16 = bf16};
        const double begin = weft_clock();
        weft_team_run(engine->team, run_flops, &job);
        keep_rate(&best, job.flops, begin);
    }
    return best;
}

/* ---- memory ---- */

typedef struct copy_job {
    weft_engine *engine;
    char *memory; /* [2 * COPY_PIECES * PIECE] */
} copy_job;

static void copy_piece(void *argument, int64_t piece, int thread)
{
    (void)thread;
    char *memory = ((copy_job *)argument)->memory;
    memcpy(memory + (COPY_PIECES + piece) * PIECE, memory + piece * PIECE, PIECE);
}

static void stream_piece(void *argument, int64_t piece, int thread)
{
    (void)thread;
    copy_job *job = argument;
    const weft_vector_table *v = job->engine->kernels->f32; /* writes past the caches */
    v->unary(WEFT_NEG, 0, PIECE / 4, job->memory + piece * PIECE, job->memory + (COPY_PIECES + piece) * PIECE);
}

/* A pass over spans, in pieces. Threads write the sums of what they read, so that the reading is not left out. */
typedef struct read_job {
    const bench_span *pieces;
    uint64_t *sums; /* [pieces] */
} read_job;

static void read_piece(void *argument, int64_t piece, int thread)
{
    (void)thread;
    enum { LANES = 16 };
    read_job *job = argument;
    const uint64_t *words = job->pieces[piece].data;
    const int64_t count = job->pieces[piece].bytes / (int64_t)sizeof *words;
    uint64_t sum[LANES] = {0};
    for (int64_t i = 0; i + LANES <= count; i += LANES)
        for (int k = 0; k < LANES; k++)
            sum[k] += words[i + k];
    for (int k = 1; k < LANES; k++)
        sum[0] += sum[k];
    job->sums[piece] = sum[0];
}

double bench_reading(weft_engine *engine, const bench_span *spans, int count)
{
    int64_t pieces = 0;
    double bytes = 0, best = 0;
    for (int i = 0; i < count; i++)
        pieces += (spans[i].bytes + PIECE - 1) / PIECE, bytes += (double)spans[i].bytes;
    bench_span *cut = calloc((size_t)pieces + 1, sizeof *cut);
    uint64_t *sums = calloc((size_t)pieces + 1, sizeof *sums);
    int64_t n = 0;
    for (int i = 0; i < count && cut && sums; i++)
        for (int64_t at = 0; at < spans[i].bytes; at += PIECE)
            cut[n++] = (bench_span){(const char *)spans[i].data + at, spans[i].bytes - at < PIECE ? spans[i].bytes - at : PIECE};
    for (int pass = 0; pass < PASSES && n > 0; pass++) {
        const double begin = weft_clock();
        weft_team_pieces(engine->team, n, read_piece, &(read_job){cut, sums});
        keep_rate(&best, bytes, begin);
    }
    free(cut);
    free(sums);
    return best;
}

bench_peaks bench_measure_peaks(weft_engine *engine)
{
    bench_peaks peaks = {.flops = measure_flops(engine, false), .bf16_flops = measure_flops(engine, true)};
    const size_t half = (size_t)COPY_PIECES * PIECE;
    copy_job job = {engine, weft_pages_get(2 * half)};
    if (!job.memory)
        return peaks;
    memset(job.memory, 1, 2 * half);
    for (int pass = 0; pass < PASSES; pass++) {
        double begin = weft_clock();
        weft_team_pieces(engine->team, COPY_PIECES, copy_piece, &job);
        keep_rate(&peaks.copying, 2.0 * (double)half, begin);
        begin = weft_clock();
        weft_team_pieces(engine->team, COPY_PIECES, stream_piece, &job);
        keep_rate(&peaks.copying, 2.0 * (double)half, begin);
    }
    peaks.reading = bench_reading(engine, &(bench_span){job.memory, (int64_t)(2 * half)}, 1);
    free(job.memory);
    return peaks;
}
