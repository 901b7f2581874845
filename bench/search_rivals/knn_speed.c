/* Times the exact search, to stand beside bench/peers/knn_faiss.py: 1,000 queries for the 96 nearest of 1,000,000 keys at 8 and
 * at 96 columns, and the search of one TabR step. Keys and queries come from files that the script writes, so that both answer
 * the same question; the found sets go to files that the script compares.
 *
 *     knn_speed KEYS.f32 QUERIES.f32 D M THREADS [INDEX_OUT.i64]
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "kernels/search.h"

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static float *read_floats(const char *path, int64_t d, int64_t *rows)
{
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END) != 0) {
        perror(path);
        exit(1);
    }
    const size_t bytes = (size_t)ftell(file);
    rewind(file);
    float *x = malloc(bytes);
    if (!x || fread(x, 1, bytes, file) != bytes) {
        fprintf(stderr, "%s: cannot read %zu bytes\n", path, bytes);
        exit(1);
    }
    fclose(file);
    *rows = (int64_t)(bytes / sizeof *x) / d;
    return x;
}

int main(int argc, char **argv)
{
    if (argc < 6) {
        fprintf(stderr, "usage: knn_speed KEYS.f32 QUERIES.f32 D M THREADS [INDEX_OUT.i64]\n");
        return 2;
    }
    const int64_t d = atoll(argv[3]), m = atoll(argv[4]);
    int64_t count, rows;
    float *keys = read_floats(argv[1], d, &count), *queries = read_floats(argv[2], d, &rows);
    int64_t *index = malloc(sizeof *index * (size_t)(rows * m));
    float *distance = malloc(sizeof *distance * (size_t)(rows * m));
    weft_team *team;
    weft_search *search = NULL;
    const weft_kernels *kernels = weft_kernels_best();
    if (!index || !distance || weft_team_new(atoi(argv[5]), &team) != WEFT_OK)
        return 1;
    double best_new = 1e9, best_run = 1e9;
    for (int repeat = 0; repeat < 5; repeat++) {
        weft_search_free(search);
        double start = seconds();
        if (weft_search_new(kernels, team, WEFT_F32, count, d, keys, false, &search) != WEFT_OK) {
            fprintf(stderr, "%s\n", weft_error());
            return 1;
        }
        double packed = seconds();
        if (weft_search_run(search, team, rows, queries, m, NULL, index, distance) != WEFT_OK) {
            fprintf(stderr, "%s\n", weft_error());
            return 1;
        }
        double end = seconds();
        best_new = packed - start < best_new ? packed - start : best_new;
        best_run = end - packed < best_run ? end - packed : best_run;
    }
    double one = 1e9;
    for (int repeat = 0; repeat < 50 && one > 0; repeat++) {
        double start = seconds();
        if (weft_search_run(search, team, 1, queries, m, NULL, index, distance) != WEFT_OK)
            return 1;
        double end = seconds();
        one = end - start < one ? end - start : one;
    }
    if (weft_search_run(search, team, rows, queries, m, NULL, index, distance) != WEFT_OK)
        return 1;
    printf("%s, %d threads: %lld queries of %lld keys x %lld, m %lld: keys %.2f ms, search %.2f ms, one query %.4f ms\n",
           kernels->name, weft_team_size(team), (long long)rows, (long long)count, (long long)d, (long long)m, best_new * 1e3,
           best_run * 1e3, one * 1e3);
    if (argc > 6) {
        FILE *file = fopen(argv[6], "wb");
        if (!file || fwrite(index, sizeof *index, (size_t)(rows * m), file) != (size_t)(rows * m) || fclose(file) != 0) {
            perror(argv[6]);
            return 1;
        }
    }
    weft_search_free(search);
    weft_team_free(team);
    free(keys);
    free(queries);
    free(index);
    free(distance);
    return 0;
}
