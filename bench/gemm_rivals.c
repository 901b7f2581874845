/* Matrix products against OpenBLAS and oneDNN, side by side in one run: GFLOP/s, the best of many.
 *
 *     gcc -O2 -march=native -fopenmp -Iinclude -Isrc bench/gemm_rivals.c BUILD/libweft.a -lopenblas -ldnnl -lm
 *     ./a.out [most threads] [seconds a row] [m n k]
 *
 * Ours is given B as the engine gives weights (packed before) and as it gives values (packed within the time). The oneDNN
 * columns are dnnl_sgemm and, for B that may be rearranged before, its matmul primitive. Threads of the three never run at once.
 */
#include "kernels/level.h"

#include <immintrin.h>
#include <omp.h>
#include <oneapi/dnnl/dnnl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* From cblas.h; its own header would bring the C++ complex types of some builds. */
void cblas_sgemm(int order, int ta, int tb, int m, int n, int k, float alpha, const float *a, int lda, const float *b, int ldb,
                 float beta, float *c, int ldc);
void openblas_set_num_threads(int threads);

/* With one thread the processor time of the process, so that a busy machine does not count; with more, the clock on the wall. */
static clockid_t timer = CLOCK_MONOTONIC;

static double seconds_of(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double now(void)
{
    return seconds_of(timer);
}

typedef struct problem {
    weft_gemm g;
    const weft_gemm_table *table;
    int threads;
    void *packed, *scratch;
    size_t scratch_size;
    dnnl_primitive_t matmul;
    dnnl_exec_arg_t arguments[3];
    dnnl_stream_t stream;
} problem;

typedef struct team {
    int64_t next_pack, next_run;
} team;

static void ours(problem *p, int repeats, bool pack)
{
    const weft_gemm_table *table = p->table;
    const int64_t packs = pack && p->packed ? table->pack_pieces(&p->g) : 0, runs = table->pieces(&p->g);
    team *teams = calloc((size_t)repeats, sizeof *teams);
    if (!teams)
        exit(1);
#pragma omp parallel num_threads(p->threads)
    for (int r = 0; r < repeats; r++) {
        char *scratch = (char *)p->scratch + (size_t)omp_get_thread_num() * p->scratch_size;
        for (int64_t i; packs && (i = __atomic_fetch_add(&teams[r].next_pack, 1, __ATOMIC_RELAXED)) < packs;)
            table->pack(&p->g, p->packed, i);
        if (packs) {
#pragma omp barrier
        }
        for (int64_t i; (i = __atomic_fetch_add(&teams[r].next_run, 1, __ATOMIC_RELAXED)) < runs;)
            table->run(&p->g, i, scratch);
#pragma omp barrier
    }
    free(teams);
}

static void ours_packing(problem *p, int repeats)
{
    ours(p, repeats, true);
}

static void ours_packed(problem *p, int repeats)
{
    ours(p, repeats, false);
}

static void openblas(problem *p, int repeats)
{
    const weft_gemm *g = &p->g;
    for (int r = 0; r < repeats; r++)
        cblas_sgemm(101, g->a_column == 1 ? 111 : 112, g->b_column == 1 ? 111 : 112, (int)g->m, (int)g->n, (int)g->k, 1, g->a,
                    (int)(g->a_column == 1 ? g->a_row : g->a_column), g->b, (int)(g->b_column == 1 ? g->b_row : g->b_column), 0,
                    g->c, (int)g->c_row);
}

static void onednn_sgemm(problem *p, int repeats)
{
    const weft_gemm *g = &p->g;
    for (int r = 0; r < repeats; r++)
        dnnl_sgemm(g->a_column == 1 ? 'N' : 'T', g->b_column == 1 ? 'N' : 'T', g->m, g->n, g->k, 1, g->a,
                   g->a_column == 1 ? g->a_row : g->a_column, g->b, g->b_column == 1 ? g->b_row : g->b_column, 0, g->c, g->c_row);
}

static void onednn_matmul(problem *p, int repeats)
{
    for (int r = 0; r < repeats; r++)
        dnnl_primitive_execute(p->matmul, p->stream, 3, p->arguments);
    dnnl_stream_wait(p->stream);
}

static void check(dnnl_status_t status, const char *what)
{
    if (status == dnnl_success)
        return;
    fprintf(stderr, "gemm_rivals: oneDNN failed: %s (%d)\n", what, (int)status);
    exit(1);
}

/* A matmul with B in the layout that oneDNN likes best, rearranged beforehand. */
static void make_matmul(problem *p, dnnl_engine_t engine)
{
    const weft_gemm *g = &p->g;
    dnnl_memory_desc_t a, b, b_any, c;
    check(dnnl_memory_desc_init_by_strides(&a, 2, (dnnl_dims_t){g->m, g->k}, dnnl_f32, (dnnl_dims_t){g->a_row, g->a_column}),
          "A");
    check(dnnl_memory_desc_init_by_strides(&b, 2, (dnnl_dims_t){g->k, g->n}, dnnl_f32, (dnnl_dims_t){g->b_row, g->b_column}),
          "B");
    check(dnnl_memory_desc_init_by_tag(&b_any, 2, (dnnl_dims_t){g->k, g->n}, dnnl_f32, dnnl_format_tag_any), "B");
    check(dnnl_memory_desc_init_by_strides(&c, 2, (dnnl_dims_t){g->m, g->n}, dnnl_f32, (dnnl_dims_t){g->c_row, 1}), "C");
    dnnl_matmul_desc_t description;
    check(dnnl_matmul_desc_init(&description, &a, &b_any, NULL, &c), "matmul");
    dnnl_primitive_desc_t matmul, reorder;
    check(dnnl_primitive_desc_create(&matmul, &description, NULL, engine, NULL), "matmul");
    check(dnnl_primitive_create(&p->matmul, matmul), "matmul");
    const dnnl_memory_desc_t *liked = dnnl_primitive_desc_query_md(matmul, dnnl_query_weights_md, 0);
    dnnl_memory_t memory[4];
    check(dnnl_memory_create(&memory[0], &a, engine, (void *)(uintptr_t)g->a), "A");
    check(dnnl_memory_create(&memory[1], &b, engine, (void *)(uintptr_t)g->b), "B");
    check(dnnl_memory_create(&memory[2], liked, engine, DNNL_MEMORY_ALLOCATE), "B");
    check(dnnl_memory_create(&memory[3], &c, engine, g->c), "C");
    check(dnnl_reorder_primitive_desc_create(&reorder, &b, engine, liked, engine, NULL), "reorder");
    dnnl_primitive_t move;
    check(dnnl_primitive_create(&move, reorder), "reorder");
    const dnnl_exec_arg_t arguments[2] = {{DNNL_ARG_FROM, memory[1]}, {DNNL_ARG_TO, memory[2]}};
    check(dnnl_stream_create(&p->stream, engine, dnnl_stream_default_flags), "stream");
    check(dnnl_primitive_execute(move, p->stream, 2, arguments), "reorder");
    check(dnnl_stream_wait(p->stream), "reorder");
    p->arguments[0] = (dnnl_exec_arg_t){DNNL_ARG_SRC, memory[0]};
    p->arguments[1] = (dnnl_exec_arg_t){DNNL_ARG_WEIGHTS, memory[2]};
    p->arguments[2] = (dnnl_exec_arg_t){DNNL_ARG_DST, memory[3]};
}

typedef void contender(problem *, int repeats);

static double once(contender *f, problem *p, int repeats)
{
    const double start = now();
    f(p, repeats);
    return (now() - start) / repeats;
}

#if defined(__AVX512F__)
typedef __m512 vector;
#define SPLAT   _mm512_set1_ps
#define ADD(i)  s##i = _mm512_fmadd_ps(s##i, x, x);
#define KEEP(i) __asm__ volatile("" : "+v"(s##i));
#else
typedef __m256 vector;
#define SPLAT   _mm256_set1_ps
#define ADD(i)  s##i = _mm256_fmadd_ps(s##i, x, x);
#define KEEP(i) __asm__ volatile("" : "+x"(s##i));
#endif
#define TWELVE(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11)
#define BEGIN(i)  vector s##i = SPLAT(i);

/* Multiply-adds on registers only, every thread: the roof, in GFLOP/s. */
static double peak(int threads)
{
    const int64_t steps = 20000;
    double best = 0;
    for (int round = 0; round < 200; round++) {
        const double start = now();
#pragma omp parallel num_threads(threads)
        {
            const vector x = SPLAT(1e-9f);
            TWELVE(BEGIN)
            for (int64_t s = 0; s < steps; s++) {
                TWELVE(ADD)
                TWELVE(KEEP)
            }
        }
        const double rate = 2e-9 * 12 * (sizeof(vector) / sizeof(float)) * (double)steps * threads / (now() - start);
        best = rate > best ? rate : best;
    }
    return best;
}

int main(int argc, char **argv)
{
    static const struct {
        int64_t m, n, k;
        bool a_flipped, b_flipped;
        const char *note;
    } rows[] = {{512, 512, 512, 0, 0, ""},
                {1024, 1024, 1024, 0, 0, ""},
                {2048, 2048, 2048, 0, 0, ""},
                {512, 768, 768, 0, 0, ""},
                {512, 768, 768, 0, 1, "B transposed"},
                {16, 3072, 768, 0, 0, ""},
                {16, 3072, 768, 0, 1, "B transposed"},
                {126976, 32, 16, 0, 0, ""},
                {126976, 16, 32, 0, 1, "B transposed"},
                {8192, 265, 530, 0, 0, ""},
                {265, 530, 8192, 1, 0, "A transposed"},
                {768, 768, 4096, 1, 0, "A transposed"},
                {265, 8, 10000, 1, 0, "A transposed"},
                {10000, 8, 530, 0, 1, "B transposed"},
                {10000, 530, 8, 0, 0, ""},
                {10000, 1, 512, 0, 1, "B transposed"},
                {1, 4096, 4096, 0, 1, "B transposed"},
                {1, 4096, 4096, 0, 0, ""},
                {64, 64, 64, 0, 0, ""},
                {197, 64, 197, 0, 0, ""}};
    static const struct {
        const char *name;
        contender *f;
    } contenders[] = {{"packed", ours_packed},
                      {"ours", ours_packing},
                      {"OpenBLAS", openblas},
                      {"sgemm", onednn_sgemm},
                      {"matmul", onednn_matmul}};
    enum { CONTENDERS = sizeof contenders / sizeof *contenders };
    const int most = argc > 1 ? atoi(argv[1]) : 2;
    const double seconds = argc > 2 ? atof(argv[2]) : 1;
    const weft_gemm_table *table = __builtin_cpu_supports("avx512f") ? &weft_gemm_v4
                                   : __builtin_cpu_supports("avx2")  ? &weft_gemm_v3
                                                                     : &weft_gemm_v2;
    dnnl_engine_t engine;
    check(dnnl_engine_create(&engine, dnnl_cpu, 0), "engine");
    for (int threads = 1; threads <= most; threads++) {
        omp_set_num_threads(threads);
        timer = threads == 1 ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC;
        openblas_set_num_threads(threads);
        const double roof = peak(threads);
        printf("%d thread%s, multiply-add peak %.0f GFLOP/s\n%22s", threads, threads > 1 ? "s" : "", roof, "m x n x k");
        for (int c = 0; c < CONTENDERS; c++)
            printf(" %9s", contenders[c].name);
        printf("  of peak\n");
        for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
            const int64_t m = rows[r].m, n = rows[r].n, k = rows[r].k;
            if (argc > 5 && (m != atoll(argv[3]) || n != atoll(argv[4]) || k != atoll(argv[5])))
                continue;
            problem p = {.table = table, .threads = threads};
            p.g = (weft_gemm){.m = m, .n = n, .k = k, .dtype = WEFT_F32, .b_dtype = WEFT_F32, .c_row = n};
            p.g.a_row = rows[r].a_flipped ? 1 : k;
            p.g.a_column = rows[r].a_flipped ? m : 1;
            p.g.b_row = rows[r].b_flipped ? 1 : n;
            p.g.b_column = rows[r].b_flipped ? k : 1;
            float *a = aligned_alloc(64, (size_t)(m * k + 16) * 4 / 64 * 64 + 64),
                  *b = aligned_alloc(64, (size_t)(k * n + 16) * 4 / 64 * 64 + 64);
            float *c = aligned_alloc(64, (size_t)(m * n + 16) * 4 / 64 * 64 + 64);
            const size_t bytes = table->packed_bytes(&p.g);
            p.scratch_size = (table->scratch_bytes(&p.g) + 127) / 64 * 64;
            p.scratch = aligned_alloc(64, p.scratch_size * (size_t)threads);
            p.packed = bytes ? aligned_alloc(64, (bytes + 63) / 64 * 64) : NULL;
            if (!a || !b || !c || !p.scratch || (bytes && !p.packed))
                return 1;
            for (int64_t i = 0; i < m * k; i++)
                a[i] = (float)(i % 17) - 8;
            for (int64_t i = 0; i < k * n; i++)
                b[i] = (float)(i % 13) - 6;
            memset(c, 0, (size_t)(m * n) * 4);
            p.g.a = a;
            p.g.b = b;
            p.g.c = c;
            p.g.packed = p.packed;
            make_matmul(&p, engine);
            ours_packing(&p, 1);
            double best[CONTENDERS];
            int repeats[CONTENDERS];
            for (int i = 0; i < CONTENDERS; i++) {
                contenders[i].f(&p, 1);
                best[i] = once(contenders[i].f, &p, 1);
                repeats[i] = 1 + (int)(0.001 / best[i]);
            }
            const double end = seconds_of(CLOCK_MONOTONIC) + seconds;
            for (int round = 0; round < 3 || seconds_of(CLOCK_MONOTONIC) < end; round++)
                for (int i = 0; i < CONTENDERS; i++) {
                    const double t = once(contenders[i].f, &p, repeats[i]);
                    best[i] = t < best[i] ? t : best[i];
                }
            char name[64];
            snprintf(name, sizeof name, "%lld x %lld x %lld", (long long)m, (long long)n, (long long)k);
            printf("%22s", name);
            const double work = 2e-9 * (double)m * (double)n * (double)k;
            for (int i = 0; i < CONTENDERS; i++)
                printf(" %9.1f", work / best[i]);
            const double lead = best[0] < best[1] ? best[0] : best[1];
            printf("  %5.1f %%  %s\n", 100 * work / lead / roof, rows[r].note);
            fflush(stdout);
            free(a);
            free(b);
            free(c);
            free(p.packed);
            free(p.scratch);
        }
    }
    return 0;
}
