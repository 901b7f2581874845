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
    double memory;       /* bytes that the job has added to the process in memory */
    bool rate_in_gbps;   /* "gbps" is MB/s (csv_read) */
    bool reads;          /* memory, and writes next to nothing: its share of the peak is that of reading */
} bench_result;

typedef struct bench_job {
    const char *name;
    int64_t size[3]; /* of the family's own meaning */
    weft_status (*open)(bench_context *, const struct bench_job *, void **self, bench_result *);
    weft_status (*call)(void *self);
    void (*close)(void *self);
} bench_job;

extern const bench_job bench_ops[], bench_models[], bench_tables[], bench_lm[], bench_sim[], bench_text[];
extern const bench_job *const bench_families[];

#endif
