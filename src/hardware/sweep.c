/* Running a sweep: threads of this process, and other processes at the same journal, each take parts of the list. */
#include "hardware/sweep_inner.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/threads.h"

/* Points of a part, claimed and handed to a thread together: formulas take some 0.1 ms a point, engines much longer. */
enum { PART_OF_FORMULAS = 256 };

static const double flush_seconds = 0.25; /* of work that a killed process may lose, beside the points that it is at */

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
    const int64_t sizes[] = {m->layers,         m->width,       m->heads,        m->kv_heads,        m->head_size,
                             m->value_size,     m->inner,       m->gated,        m->vocabulary,      m->positions,
                             m->experts,        m->active,      m->expert_inner, m->shared_inner,    m->dense_layers,
                             m->window,         m->full_layers, m->q_rank,       m->kv_rank,         m->rope_size,
                             m->weight_bits,    m->kv_bits,     m->biases,       m->qkv_biases,      m->tied,
                             m->layer_norm,     m->norms,       m->context,      m->tensor_parallel, m->pipeline_parallel,
                             m->embedding_width};
    weft_text_add(&t, "%s", WEFT_VERSION);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        weft_text_add(&t, " %lld", (long long)sizes[i]);
    weft_text_add(&t, " %d %d %d %u %d %d %d %d %d %lld %lld %d %d", d->options.system, d->options.mode, d->options.order,
                  d->options.fixed, d->options.exact_halves, d->options.collective, d->options.links_inside, d->halves,
                  d->choose_devices, (long long)d->batch, (long long)d->length, d->replace_channels, d->placement);
    weft_text_add(&t, " %llu", (unsigned long long)(d->placement >= WEFT_PLACE_ANNEALED ? d->seed : 0));
    for (int64_t i = 0; d->trace && i < d->trace->count; i++)
        weft_text_add(&t, " %lld:%d:%lld", (long long)d->trace->requests[i].length, d->trace->requests[i].channel,
                      (long long)d->trace->requests[i].tokens);
    if (!t.failed)
        p->checksum = mix(0xcbf29ce484222325u, t.data, t.length);
    weft_status status = t.failed ? weft_fail(WEFT_ERROR_MEMORY, "a sweep: memory is short") : WEFT_OK;
    weft_text_free(&t);
    return status;
}

/* ---- running ---- */

typedef struct sweep {
    weft_sweep_point *points;
    int64_t count, part_size, finished, computed;
    weft_progress *progress;
    weft_sweep_journal *journal;
    pthread_mutex_t lock;
    int64_t *held; /* [parts] done here, claimed until their lines are written */
    int64_t held_count;
    double written;     /* when that was done last */
    weft_status status; /* of the journal */
    char *error;        /* its text: errors belong to threads */
} sweep;

static int64_t part_count(const sweep *s)
{
    return (s->count + s->part_size - 1) / s->part_size;
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

/* Needs the lock, as all below. */
static void note(sweep *s, weft_status status)
{
    if (status == WEFT_OK || s->status != WEFT_OK)
        return;
    s->status = status;
    s->error = strdup(weft_error());
}

static void flush(sweep *s)
{
    note(s, weft_sweep_journal_write(s->journal));
    for (int64_t i = 0; i < s->held_count; i++)
        weft_sweep_let_go(s->journal, s->held[i]);
    s->held_count = 0;
    s->written = weft_clock();
}

static void catch_up(sweep *s)
{
    int64_t taken;
    note(s, weft_sweep_journal_read(s->journal, &taken));
    s->finished += taken;
}

/* Whether the part is this process' to do: it is not done, and no other process is at it. */
static bool begin_part(sweep *s, int64_t part, int64_t from, int64_t to)
{
    bool mine = false, open = false;
    pthread_mutex_lock(&s->lock);
    for (int64_t i = from; i < to && !open; i++)
        open = !s->points[i].done;
    if (open && s->status == WEFT_OK)
        note(s, weft_sweep_claim(s->journal, part, &mine));
    if (mine) /* whoever had it may have written it down and let it go since */
        catch_up(s);
    pthread_mutex_unlock(&s->lock);
    return mine;
}

static void end_part(sweep *s, int64_t part)
{
    pthread_mutex_lock(&s->lock);
    s->held[s->held_count++] = part;
    if (weft_clock() - s->written > flush_seconds)
        flush(s);
    pthread_mutex_unlock(&s->lock);
}

static bool is_done(sweep *s, int64_t i)
{
    pthread_mutex_lock(&s->lock);
    bool done = s->points[i].done;
    pthread_mutex_unlock(&s->lock);
    return done;
}

static void keep(sweep *s, weft_sweep_point *p, const weft_sweep_point *mine)
{
    pthread_mutex_lock(&s->lock);
    if (p->done) { /* another list's part holds it too */
        free(mine->error);
    } else {
        *p = *mine;
        p->done = true;
        s->computed++;
        weft_sweep_journal_add(s->journal, p);
        weft_progress_update(s->progress, ++s->finished, "%s", p->name);
    }
    pthread_mutex_unlock(&s->lock);
}

static void piece(void *user, int64_t part, int thread)
{
    (void)thread;
    sweep *s = user;
    int64_t from = part * s->part_size, to = from + s->part_size < s->count ? from + s->part_size : s->count;
    if (weft_interrupted() || !begin_part(s, part, from, to))
        return;
    for (int64_t i = from; i < to && !weft_interrupted(); i++) {
        if (is_done(s, i))
            continue;
        weft_sweep_point mine = s->points[i];
        if (evaluate(&mine))
            keep(s, &s->points[i], &mine);
        else
            free(mine.error);
    }
    end_part(s, part);
}

/* Until all points are done, here or elsewhere. What other processes are at is waited for; when one dies, its claims end. */
static void work(sweep *s, weft_team *team)
{
    while (s->status == WEFT_OK) {
        int64_t before = s->finished;
        weft_team_pieces(team, part_count(s), piece, s);
        flush(s);
        catch_up(s);
        if (s->finished == s->count || weft_interrupted())
            break;
        weft_progress_update(s->progress, s->finished, "other processes are at the rest");
        if (s->finished == before)
            nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
    }
}

static weft_status run(sweep *s, const weft_sweep_options *o, weft_sweep_summary *out)
{
    weft_team *team = NULL;
    weft_status status = weft_sweep_journal_open(s->points, s->count, o->journal, &s->journal);
    if (status == WEFT_OK)
        status = weft_sweep_journal_read(s->journal, &out->reused);
    if (status == WEFT_OK)
        status = weft_team_new(o->threads, &team);
    if (status != WEFT_OK)
        return status;
    s->held = malloc((size_t)(part_count(s) + 1) * sizeof *s->held);
    double begin = weft_clock();
    s->finished = out->reused;
    s->progress = weft_progress_new(o->progress, o->user, "sweep", s->count, "points");
    if (s->held)
        work(s, team);
    weft_progress_free(s->progress);
    weft_team_free(team);
    out->seconds = weft_clock() - begin;
    out->computed = s->computed;
    out->elsewhere = s->finished - s->computed - out->reused;
    if (!s->held)
        return weft_fail(WEFT_ERROR_MEMORY, "a sweep: memory is short");
    if (s->status != WEFT_OK)
        return weft_fail(s->status, "%s", s->error ? s->error : "a sweep's journal cannot be written");
    if (s->finished < s->count)
        return weft_fail(WEFT_ERROR_INTERRUPTED, "stopped after %lld of %lld points; the same command goes on from there",
                         (long long)s->finished, (long long)s->count);
    return WEFT_OK;
}

weft_status weft_sweep_run(weft_sweep_point *points, int64_t count, const weft_sweep_options *o, weft_sweep_summary *out)
{
    sweep s = {.points = points, .count = count, .part_size = 1, .written = weft_clock(), .lock = PTHREAD_MUTEX_INITIALIZER};
    weft_status status = WEFT_OK;
    *out = (weft_sweep_summary){0};
    for (int64_t i = 0; i < count && status == WEFT_OK; i++)
        status = checksum(&points[i]);
    if (count && points[0].design.options.mode == WEFT_HARDWARE_ANALYTIC)
        s.part_size = PART_OF_FORMULAS;
    if (status == WEFT_OK)
        status = run(&s, o, out);
    for (int64_t i = 0; i < count; i++)
        out->failed += points[i].failed;
    weft_sweep_journal_close(s.journal);
    free(s.held);
    free(s.error);
    return status;
}

void weft_sweep_free(weft_sweep_point *points, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        free(points[i].error);
        points[i].error = NULL;
    }
}
