/* Bench jobs: rows of tables, one file a family. */
#ifndef WEFT_CLI_BENCH_H
#define WEFT_CLI_BENCH_H

#include "cli/cli.h"

typedef struct bench_context {
    weft_engine *engine;
    const char *csv;  /* the file of csv_read, or NULL */
    const char *text; /* the folder of tokenize_*, or NULL: they are left out */
} bench_context;

typedef struct bench_result {
    double seconds;      /* of the best call */
    double flops, bytes; /* of one call; 0: not counted */
    bool bf16;           /* the operations are products of bf16 numbers */
    double memory;       /* bytes that the job has added to the process in memory */
    bool rate_in_gbps;   /* "gbps" is MB/s (csv_read) */
    double (*reading)(
        void *self);   /* NULL, or for a job that reads much and writes next to nothing: bench_reading of what it reads */
    double peak_bytes; /* what that gave; 0: a large copy is the measure */
} bench_result;

typedef struct bench_job {
    const char *name;
    int64_t size[3]; /* of the family's own meaning */
    weft_status (*open)(bench_context *, const struct bench_job *, void **self, bench_result *);
    weft_status (*call)(void *self);
    void (*close)(void *self);
} bench_job;

/* What the machine gives at most with the engine's threads. */
typedef struct bench_peaks {
    double flops, bf16_flops; /* multiply-adds in registers, each two, a second */
    double copying; /* bytes read and written a second by a large copy, or by a kernel that writes past the caches: the better */
    double reading; /* bytes read a second where nothing is written */
} bench_peaks;

bench_peaks bench_measure_peaks(weft_engine *);

typedef struct bench_span {
    const void *data;
    int64_t bytes;
} bench_span;

/* Bytes a second of nothing but reading the spans, the best of several passes with the engine's threads. Memory differs from page
 * to page (a process may read some at twice the rate of others), so a job is measured against the pages that it reads. */
double bench_reading(weft_engine *, const bench_span *, int count);

extern const bench_job bench_ops[], bench_models[], bench_tables[], bench_lm[], bench_sim[], bench_text[];
extern const bench_job *const bench_families[];

#endif
