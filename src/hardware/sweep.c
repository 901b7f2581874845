/* Running a sweep and its journal. */
#include "hardware/sweep.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/files.h"
#include "base/json.h"
#include "base/threads.h"
#include "io/csv.h"

enum { JOURNAL_BYTES = 1 << 28 };

/* What a line of the journal and a row of the tables hold of a point. */
#define PLACE(member) offsetof(weft_sweep_point, member)
static const struct {
    const char *key;
    size_t offset;
} numbers[] = {
    {"cycles", PLACE(cycles)},
    {"tokens_per_second", PLACE(tokens_per_second)},
    {"seconds_per_token", PLACE(seconds_per_token)},
    {"joules_per_token", PLACE(joules_per_token)},
    {"area_m2", PLACE(area)},
    {"utilization", PLACE(utilization)},
    {"npu_utilization", PLACE(npu_utilization)},
    {"pim_utilization", PLACE(pim_utilization)},
    {"bandwidth_utilization", PLACE(bandwidth_utilization)},
};
enum { NUMBERS = sizeof numbers / sizeof numbers[0] };

static double *number_of(weft_sweep_point *p, int i)
{
    return (double *)(void *)((char *)p + numbers[i].offset);
}

static double value_of(const weft_sweep_point *p, int i)
{
    double value;
    memcpy(&value, (const char *)p + numbers[i].offset, sizeof value);
    return value;
}

/* FNV-1a. */
static uint64_t mix(uint64_t hash, const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (unsigned char)text[i]) * 0x100000001b3u;
    return hash;
}

/* Everything that a point's numbers come from, as text. */
static weft_status checksum(weft_sweep_point *p)
{
    const weft_design *d = &p->design;
    const weft_llm *m = &d->llm;
    weft_text t = {0};
    weft_platform_write(d->platform, &t);
    weft_text_add(&t, "%s %lld %lld %lld %lld %lld %lld %lld %d %lld %lld %lld %lld %lld %lld %lld %d %d %lld %lld %lld",
                  WEFT_VERSION, (long long)m->layers, (long long)m->width, (long long)m->heads, (long long)m->kv_heads,
                  (long long)m->head_size, (long long)m->value_size, (long long)m->inner, m->gated, (long long)m->vocabulary,
                  (long long)m->experts, (long long)m->active, (long long)m->expert_inner, (long long)m->shared_inner,
                  (long long)m->window, (long long)m->full_layers, m->weight_bits, m->kv_bits, (long long)m->tensor_parallel,
                  (long long)m->pipeline_parallel, (long long)m->dense_layers);
    weft_text_add(&t, " %d %d %d %u %d %d %d %lld %lld %d %d", d->options.system, d->options.mode, d->options.order,
                  d->options.fixed, d->options.collective, d->halves, d->choose_devices, (long long)d->batch,
                  (long long)d->length, d->replace_channels, d->round_robin);
    for (int64_t i = 0; d->trace && i < d->trace->count; i++)
        weft_text_add(&t, " %lld:%d", (long long)d->trace->requests[i].length, d->trace->requests[i].channel);
    if (!t.failed)
        p->checksum = mix(0xcbf29ce484222325u, t.data, t.length);
    weft_status status = t.failed ? weft_fail(WEFT_ERROR_MEMORY, "a sweep: memory is short") : WEFT_OK;
    weft_text_free(&t);
    return status;
}

/* ---- journal ---- */

static void add_line(weft_text *out, const weft_sweep_point *p)
{
    char hex[20];
    weft_json_writer w = weft_json_to(out, 0);
    snprintf(hex, sizeof hex, "%016llx", (unsigned long long)p->checksum);
    weft_json_open_object(&w);
    weft_json_add_key(&w, "name");
    weft_json_add_string(&w, p->name);
    weft_json_add_key(&w, "checksum");
    weft_json_add_string(&w, hex);
    weft_json_add_key(&w, "error");
    weft_json_add_string(&w, p->failed ? p->error : NULL);
    weft_json_add_key(&w, "devices");
    weft_json_add_integer(&w, p->devices);
    weft_json_add_key(&w, "batch");
    weft_json_add_integer(&w, p->batch);
    weft_json_add_key(&w, "sub_batch");
    weft_json_add_bool(&w, p->halves);
    for (int i = 0; i < NUMBERS; i++) {
        weft_json_add_key(&w, numbers[i].key);
        weft_json_add_number(&w, value_of(p, i));
    }
    weft_json_close_object(&w);
    weft_text_add(out, "\n");
}

static weft_status write_journal(const weft_sweep_point *points, int64_t count, const char *path)
{
    weft_text text = {0};
    for (int64_t i = 0; i < count; i++)
        if (points[i].done)
            add_line(&text, &points[i]);
    weft_status status = text.failed ? weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", path)
                                     : weft_file_write(path, text.data ? text.data : "", text.length);
    weft_text_free(&text);
    return status;
}

static void take_line(weft_json_value o, weft_sweep_point *p)
{
    const char *error = weft_json_string(weft_json_get(o, "error"), NULL);
    for (int i = 0; i < NUMBERS; i++)
        *number_of(p, i) = weft_json_number(weft_json_get(o, numbers[i].key), NAN);
    p->devices = weft_json_integer(weft_json_get(o, "devices"), 1);
    p->batch = weft_json_integer(weft_json_get(o, "batch"), 0);
    p->halves = weft_json_bool(weft_json_get(o, "sub_batch"), false);
    p->failed = error != NULL;
    p->error = error ? strdup(error) : NULL;
    p->done = true;
}

static int by_name(const void *a, const void *b)
{
    const weft_sweep_point *const *x = a, *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

static weft_status read_journal(weft_sweep_point *points, int64_t count, const char *path, weft_sweep_summary *out)
{
    char *text = NULL;
    size_t size = 0;
    if (!path || !weft_path_exists(path))
        return WEFT_OK;
    weft_sweep_point **order = malloc((size_t)(count + 1) * sizeof *order);
    weft_status status = order ? weft_file_read(path, JOURNAL_BYTES, &text, &size) : WEFT_ERROR_MEMORY;
    for (int64_t i = 0; i < count && order; i++)
        order[i] = &points[i];
    if (order)
        qsort(order, (size_t)count, sizeof *order, by_name);
    for (char *line = text, *end; status == WEFT_OK && line && *line; line = end) {
        end = line + strcspn(line, "\n");
        weft_json *json = NULL;
        if (weft_json_parse(line, (size_t)(end - line), path, &json) == WEFT_OK) { /* a torn line is a point not done */
            weft_json_value o = weft_json_root(json);
            weft_sweep_point key, *wanted = &key, **found;
            snprintf(key.name, sizeof key.name, "%s", weft_json_string(weft_json_get(o, "name"), ""));
            found = bsearch(&wanted, order, (size_t)count, sizeof *order, by_name);
            unsigned long long sum = strtoull(weft_json_string(weft_json_get(o, "checksum"), "0"), NULL, 16);
            if (found && !(*found)->done && (*found)->checksum == sum) {
                take_line(o, *found);
                out->reused++;
            }
            weft_json_free(json);
        }
        end += *end == '\n';
    }
    free(text);
    free(order);
    return status == WEFT_ERROR_MEMORY ? weft_fail(status, "%s: memory is short", path) : status;
}

/* ---- running ---- */

typedef struct sweep {
    weft_sweep_point *points;
    int64_t count, finished;
    const weft_sweep_options *o;
    weft_progress *progress;
    pthread_mutex_t lock;
    double written;     /* when the journal was written last */
    weft_status status; /* of writing it */
} sweep;

static double clock_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* False: the run was stopped, and the point is not done. */
static bool evaluate(weft_sweep_point *p)
{
    weft_iteration it;
    weft_design d = p->design;
    weft_status status = weft_design_run(&d, &it);
    if (status != WEFT_OK) {
        p->failed = true;
        p->error = strdup(weft_error());
        return status != WEFT_ERROR_INTERRUPTED;
    }
    p->cycles = it.cycles;
    p->tokens_per_second = it.tokens_per_second;
    p->seconds_per_token = it.seconds;
    p->joules_per_token = it.energy.total / (double)it.tokens;
    p->area = weft_design_area(&d);
    p->utilization = it.utilization;
    p->npu_utilization = it.npu_utilization;
    p->pim_utilization = it.pim_utilization;
    p->bandwidth_utilization = it.bandwidth_utilization;
    p->devices = d.llm.tensor_parallel * d.llm.pipeline_parallel;
    p->batch = it.tokens;
    p->halves = d.options.sub_batch;
    weft_iteration_free(&it);
    return true;
}

static void piece(void *user, int64_t i, int thread)
{
    (void)thread;
    sweep *s = user;
    weft_sweep_point *p = &s->points[i];
    if (p->done || weft_interrupted())
        return;
    weft_sweep_point mine = *p;
    if (!evaluate(&mine)) {
        free(mine.error);
        return;
    }
    pthread_mutex_lock(&s->lock);
    *p = mine;
    p->done = true;
    weft_progress_update(s->progress, ++s->finished, "%s", p->name);
    if (s->o->journal && clock_seconds() - s->written > 1) { /* at most a second of work is lost */
        weft_status status = write_journal(s->points, s->count, s->o->journal);
        s->status = s->status == WEFT_OK ? status : s->status;
        s->written = clock_seconds();
    }
    pthread_mutex_unlock(&s->lock);
}

weft_status weft_sweep_run(weft_sweep_point *points, int64_t count, const weft_sweep_options *o, weft_sweep_summary *out)
{
    sweep s = {.points = points, .count = count, .o = o, .written = clock_seconds(), .lock = PTHREAD_MUTEX_INITIALIZER};
    weft_team *team = NULL;
    weft_status status = WEFT_OK;
    *out = (weft_sweep_summary){0};
    for (int64_t i = 0; i < count && status == WEFT_OK; i++)
        status = checksum(&points[i]);
    if (status == WEFT_OK)
        status = read_journal(points, count, o->journal, out);
    if (status == WEFT_OK)
        status = weft_team_new(o->threads, &team);
    if (status != WEFT_OK)
        return status;
    double begin = clock_seconds();
    s.finished = out->reused;
    s.progress = weft_progress_new(o->progress, o->user, "sweep", count, "points");
    weft_team_pieces(team, count, piece, &s);
    weft_progress_free(s.progress);
    weft_team_free(team);
    out->seconds = clock_seconds() - begin;
    out->computed = s.finished - out->reused;
    status = s.status;
    if (status == WEFT_OK && o->journal)
        status = write_journal(points, count, o->journal);
    for (int64_t i = 0; i < count; i++)
        out->failed += points[i].failed;
    if (status == WEFT_OK && s.finished < count)
        status = weft_fail(WEFT_ERROR_INTERRUPTED, "stopped after %lld of %lld points; the same command goes on from there",
                           (long long)s.finished, (long long)count);
    return status;
}

void weft_sweep_free(weft_sweep_point *points, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        free(points[i].error);
        points[i].error = NULL;
    }
}

/* The lower the better, each. */
static void objectives(const weft_sweep_point *p, double out[4])
{
    out[0] = -p->tokens_per_second;
    out[1] = p->seconds_per_token;
    out[2] = p->joules_per_token;
    out[3] = p->area;
}

static bool beats(const weft_sweep_point *a, const weft_sweep_point *b)
{
    double x[4], y[4];
    bool better = false;
    objectives(a, x);
    objectives(b, y);
    for (int i = 0; i < 4; i++) {
        if (x[i] > y[i])
            return false;
        better = better || x[i] < y[i];
    }
    return better;
}

void weft_sweep_mark(weft_sweep_point *points, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        points[i].efficient = points[i].done && !points[i].failed;
        for (int64_t k = 0; k < count && points[i].efficient; k++)
            if (points[k].done && !points[k].failed && strcmp(points[k].model, points[i].model) == 0 &&
                beats(&points[k], &points[i]))
                points[i].efficient = false;
    }
}

weft_status weft_sweep_table(const weft_sweep_point *points, int64_t count, bool efficient_only, const char *path)
{
    weft_text t = {0};
    weft_text_add(&t, "model,hardware,load,system,sub_batch,batch,devices");
    for (int i = 0; i < NUMBERS; i++)
        weft_text_add(&t, ",%s", numbers[i].key);
    weft_text_add(&t, ",efficient,error\n");
    for (int64_t i = 0; i < count; i++) {
        const weft_sweep_point *p = &points[i];
        if (!p->done || (efficient_only && !p->efficient))
            continue;
        const char *texts[] = {p->model, p->hardware, p->load};
        for (int k = 0; k < 3; k++) {
            weft_csv_add_field(&t, texts[k], strlen(texts[k]));
            weft_text_add(&t, ",");
        }
        weft_text_add(&t, "%s,%d,%lld,%lld", weft_serving_name(p->design.options.system), p->halves, (long long)p->batch,
                      (long long)p->devices);
        for (int k = 0; k < NUMBERS; k++)
            weft_text_add(&t, p->failed ? "," : ",%.17g", value_of(p, k));
        weft_text_add(&t, ",%d,", p->efficient);
        if (p->failed && p->error)
            weft_csv_add_field(&t, p->error, strlen(p->error));
        weft_text_add(&t, "\n");
    }
    weft_status status =
        t.failed ? weft_fail(WEFT_ERROR_MEMORY, "%s: memory is short", path) : weft_file_write(path, t.data, t.length);
    weft_text_free(&t);
    return status;
}
