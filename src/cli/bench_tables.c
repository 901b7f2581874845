/* Bench jobs on data: exact nearest neighbours of a million keys, and reading a CSV. */
#include "base/files.h"
#include "base/random.h"
#include "cli/bench.h"
#include "graph/engine.h"
#include "io/csv.h"
#include "kernels/search.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { KEYS = 1000000, QUERIES = 1000, NEAREST = 96 };

typedef struct search_run {
    weft_engine *engine;
    weft_search *search;
    float *queries;
    int64_t *index;
} search_run;

static void close_search(void *self)
{
    search_run *r = self;
    weft_search_free(r->search);
    free(r->queries);
    free(r->index);
    free(r);
}

static weft_status open_search(bench_context *c, const bench_job *job, void **self, bench_result *out)
{
    int64_t d = job->size[0];
    search_run *r = calloc(1, sizeof *r);
    float *keys = malloc((size_t)(KEYS * d) * sizeof *keys);
    if (r) {
        *self = r;
        r->engine = c->engine;
        r->queries = malloc((size_t)(QUERIES * d) * sizeof *r->queries);
        r->index = malloc((size_t)QUERIES * NEAREST * sizeof *r->index);
    }
    weft_status status = r && keys && r->queries && r->index ? WEFT_OK : weft_fail(WEFT_ERROR_MEMORY, "bench: memory is short");
    if (status == WEFT_OK) {
        weft_random_key key = weft_random_stream(0, "bench keys");
        const weft_vector_table *v = c->engine->kernels->f32;
        v->random(WEFT_LAW_NORMAL, 0, 1, key.word, 0, KEYS, NULL, 0, d, keys);
        v->random(WEFT_LAW_NORMAL, 0, 1, key.word, 1, QUERIES, NULL, 0, d, r->queries);
        status = weft_search_new(c->engine->kernels, c->engine->team, WEFT_F32, KEYS, d, keys, false, &r->search);
        out->flops = 2.0 * KEYS * QUERIES * (double)d;
    }
    free(keys);
    return status;
}

static weft_status call_search(void *self)
{
    search_run *r = self;
    return weft_search_run(r->search, r->engine->team, QUERIES, r->queries, NEAREST, NULL, r->index, NULL);
}

/* ---- CSV ---- */

typedef struct csv_run {
    const char *path;
    char made[64]; /* a file of our own, removed at the end */
    int threads;
} csv_run;

static weft_status make_csv(csv_run *r)
{
    snprintf(r->made, sizeof r->made, "/tmp/weft-bench-%ld.csv", (long)getpid());
    r->path = r->made;
    weft_output *file = NULL;
    weft_status status = weft_output_open(r->path, &file);
    weft_random_key key = weft_random_stream(0, "bench csv");
    weft_text line = {0};
    if (status == WEFT_OK)
        status = weft_output_write(file, "a,b,c,d,e,f,g,h,y\n", 18);
    for (int64_t row = 0; row < 400000 && status == WEFT_OK; row++) {
        line.length = 0;
        for (int k = 0; k < 9; k++)
            weft_text_add(&line, "%s%.9g", k ? "," : "", weft_random_normal(key, 0, (uint64_t)row, (uint64_t)k));
        weft_text_add(&line, "\n");
        status = line.failed ? weft_fail(WEFT_ERROR_MEMORY, "bench: memory is short")
                             : weft_output_write(file, line.data, line.length);
    }
    weft_text_free(&line);
    if (status == WEFT_OK)
        return weft_output_commit(file);
    weft_output_abandon(file);
    return status;
}

static weft_status open_csv(bench_context *c, const bench_job *job, void **self, bench_result *out)
{
    (void)job;
    csv_run *r = calloc(1, sizeof *r);
    if (!r)
        return weft_fail(WEFT_ERROR_MEMORY, "bench: memory is short");
    *self = r;
    r->threads = weft_engine_threads(c->engine);
    r->path = c->csv;
    weft_status status = r->path ? WEFT_OK : make_csv(r);
    struct stat info;
    if (status == WEFT_OK && stat(r->path, &info) != 0)
        status = weft_fail(WEFT_ERROR_FILE, "%s: cannot be read", r->path);
    if (status == WEFT_OK) {
        out->bytes = (double)info.st_size;
        out->rate_in_gbps = true;
    }
    return status;
}

static weft_status call_csv(void *self)
{
    csv_run *r = self;
    weft_csv *csv = NULL;
    weft_status status = weft_csv_read(r->path, &(weft_csv_options){.threads = r->threads}, &csv);
    weft_csv_free(csv);
    return status;
}

static void close_csv(void *self)
{
    csv_run *r = self;
    if (r->made[0])
        unlink(r->made);
    free(r);
}

const bench_job bench_tables[] = {
    {"knn_1m_8", {8}, open_search, call_search, close_search},
    {"knn_1m_96", {96}, open_search, call_search, close_search},
    {"csv_read", {0}, open_csv, call_csv, close_csv},
    {0},
};
