/* How near the kernels on flat memory come to the machine's memory and to its arithmetic.
 *
 *     cc -std=gnu17 -O3 -march=native -fopenmp -Iinclude -Isrc bench/vector_bandwidth.c build/libweft.a \
 *        -llapacke -ljansson -lz -lm -lpthread -o build/vector_bandwidth
 *     build/vector_bandwidth [THREADS [MILLIONS [LOWEST_LEVEL]]]
 *
 * First copy and add written here by hand, with ordinary stores and with stores past the caches: the largest is the measured
 * streaming bandwidth, taken again beside each kernel. Then each kernel, called in pieces of 16,384 elements and in pieces of
 * WEFT_STREAM_BYTES. Bytes are those that the job needs: each input read once, each output written once. Last, nanoseconds an
 * element in cache on one core.
 */
#include <immintrin.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>

#include "kernels/level.h"

typedef struct job {
    const char *name;
    int streams; /* arrays read and written, each `total` floats */
    void (*run)(int64_t start, int64_t n);
} job;

enum { ROW = 1024, KEPT = 4096, RUN = 1 << 21 };

static const weft_vector_table *f32;
static float *x, *z, *y;
static float weight[ROW], bias[ROW];

static void copy_plain(int64_t start, int64_t n)
{
    for (int64_t i = start; i < start + n; i += 4)
        _mm_store_ps(y + i, _mm_load_ps(x + i));
}

static void copy_streamed(int64_t start, int64_t n)
{
    for (int64_t i = start; i < start + n; i += 4)
        _mm_stream_ps(y + i, _mm_load_ps(x + i));
    _mm_sfence();
}

static void add_plain(int64_t start, int64_t n)
{
    for (int64_t i = start; i < start + n; i += 4)
        _mm_store_ps(y + i, _mm_load_ps(x + i) + _mm_load_ps(z + i));
}

static void add_streamed(int64_t start, int64_t n)
{
    for (int64_t i = start; i < start + n; i += 4)
        _mm_stream_ps(y + i, _mm_load_ps(x + i) + _mm_load_ps(z + i));
    _mm_sfence();
}

static void add(int64_t start, int64_t n)
{
    f32->binary(WEFT_ADD, 0, n, x + start, 1, z + start, 1, y + start);
}

static void gelu(int64_t start, int64_t n)
{
    f32->unary(WEFT_GELU, 0, n, x + start, y + start);
}

static void softmax(int64_t start, int64_t n)
{
    f32->softmax(n / ROW, ROW, x + start, y + start);
}

static void softmax_grad(int64_t start, int64_t n)
{
    f32->softmax_grad(n / ROW, ROW, x + start, z + start, y + start);
}

static void layer_norm(int64_t start, int64_t n)
{
    f32->layer_norm(n / ROW, ROW, 1e-5, x + start, weight, bias, y + start);
}

static void rms_norm(int64_t start, int64_t n)
{
    f32->rms_norm(n / ROW, ROW, 1e-5, 0, x + start, weight, y + start);
}

static void sum(int64_t start, int64_t n)
{
    f32->reduce(WEFT_SUM, n / ROW, ROW, 1, x + start, y + start / ROW);
}

static void dropout(int64_t start, int64_t n)
{
    static const uint32_t key[2] = {1, 2};
    f32->random(WEFT_LAW_DROPOUT, 0.1, 0, key, 0, n / ROW, NULL, start / ROW, ROW, y + start);
}

static void normal(int64_t start, int64_t n)
{
    static const uint32_t key[2] = {1, 2};
    f32->random(WEFT_LAW_NORMAL, 0, 1, key, 0, n / ROW, NULL, start / ROW, ROW, y + start);
}

static const job by_hand[] = {
    {"copy", 2, copy_plain}, {"copy, streamed", 2, copy_streamed}, {"add", 3, add_plain}, {"add, streamed", 3, add_streamed}};
static const job by_kernel[] = {{"add", 3, add},
                                {"gelu", 2, gelu},
                                {"softmax", 2, softmax},
                                {"softmax_grad", 3, softmax_grad},
                                {"layer_norm", 2, layer_norm},
                                {"rms_norm", 2, rms_norm},
                                {"sum of rows", 1, sum},
                                {"dropout", 1, dropout},
                                {"normal", 1, normal}};

static double larger(double a, double b)
{
    return a > b ? a : b;
}

/* GB/s of one run over `count` elements from `start` */
static double bandwidth(const job *j, int64_t start, int64_t count, int64_t piece, int threads)
{
    double before = omp_get_wtime();
#pragma omp parallel for schedule(static) num_threads(threads)
    for (int64_t p = 0; p < count / piece; p++)
        j->run(start + p * piece, piece);
    return (double)count * 4 * j->streams / (omp_get_wtime() - before) / 1e9;
}

/* The best of many short runs of a kernel in small and in large pieces, and of what was written by hand. They take turns along
 * the arrays, each where nothing is in the caches, so that all have their share of a quiet machine. */
static void compare(const char *level, const job *j, const job *hand, int hands, int64_t total, int threads)
{
    double small = 0, large = 0, machine = 0;
    for (int64_t start = 0, repeat = 0; repeat < 200; repeat++) {
        int64_t turn = repeat % (hands + 2);
        if (turn == 0)
            small = larger(small, bandwidth(j, start, RUN, 1 << 14, threads));
        else if (turn == 1)
            large = larger(large, bandwidth(j, start, RUN, WEFT_STREAM_BYTES / 4, threads));
        else
            machine = larger(machine, bandwidth(&hand[turn - 2], start, RUN, 1 << 14, threads));
        start = start + 2 * RUN <= total ? start + RUN : 0;
    }
    printf("%-10s %-14s %6.1f GB/s in small pieces, %6.1f in large; by hand %6.1f: %3.0f %%\n", level, j->name, small, large,
           machine, 100 * larger(small, large) / machine);
}

static double nanoseconds(weft_unary op)
{
    double best = 1e30;
    for (int repeat = 0; repeat < 200; repeat++) {
        double start = omp_get_wtime();
        for (int k = 0; k < 20; k++)
            f32->unary(op, 0, KEPT, x, y);
        double seconds = omp_get_wtime() - start;
        best = seconds < best ? seconds : best;
    }
    return best / 20 / KEPT * 1e9;
}

int main(int count, char **argument)
{
    int threads = count > 1 ? atoi(argument[1]) : omp_get_num_procs();
    int64_t total = (count > 2 ? atoll(argument[2]) : 64) << 20;
    int lowest = count > 3 ? atoi(argument[3]) : 0;
    if (lowest < 0 || threads < 1 || total < 16 * RUN) {
        fprintf(stderr, "usage: vector_bandwidth [THREADS [MILLIONS [LOWEST_LEVEL]]]\n");
        return 2;
    }
    x = aligned_alloc(64, (size_t)total * 4);
    z = aligned_alloc(64, (size_t)total * 4);
    y = aligned_alloc(64, (size_t)total * 4);
    if (!x || !z || !y) {
        fprintf(stderr, "vector_bandwidth: no memory for three arrays of %lld floats\n", (long long)total);
        return 1;
    }
#pragma omp parallel for schedule(static) num_threads(threads)
    for (int64_t i = 0; i < total; i++) {
        x[i] = (float)(i % 1009) / 300 - 1.5f;
        z[i] = (float)(i % 997) / 500 - 1;
        y[i] = 0;
    }
    for (int i = 0; i < ROW; i++)
        weight[i] = 1, bias[i] = 0.5f;
    for (size_t k = 0; k < sizeof by_hand / sizeof *by_hand; k++) {
        double rate = 0;
        for (int64_t start = 0; start + RUN <= total; start += RUN)
            rate = larger(rate, bandwidth(&by_hand[k], start, RUN, 1 << 14, threads));
        printf("by hand, %d threads: %-16s %6.1f GB/s\n", threads, by_hand[k].name, rate);
    }
    for (int level = lowest; level < WEFT_LEVEL_COUNT; level++) {
        if (!weft_kernels_level(level))
            continue;
        f32 = weft_kernels_level(level)->f32;
        const char *name = weft_kernels_level(level)->name;
        for (size_t k = 0; k < sizeof by_kernel / sizeof *by_kernel; k++)
            compare(name, &by_kernel[k], by_hand, sizeof by_hand / sizeof *by_hand, total, threads);
        static const struct {
            const char *name;
            weft_unary op;
        } ops[] = {{"exp", WEFT_EXP},   {"log", WEFT_LOG},         {"tanh", WEFT_TANH},           {"erf", WEFT_ERF},
                   {"sin", WEFT_SIN},   {"gelu", WEFT_GELU},       {"gelu_tanh", WEFT_GELU_TANH}, {"silu", WEFT_SILU},
                   {"sqrt", WEFT_SQRT}, {"sigmoid", WEFT_SIGMOID}, {"softplus", WEFT_SOFTPLUS}};
        for (size_t k = 0; k < sizeof ops / sizeof *ops; k++)
            printf("%-10s %-14s %6.3f ns an element in cache\n", name, ops[k].name, nanoseconds(ops[k].op));
    }
    free(x), free(z), free(y);
    return 0;
}
