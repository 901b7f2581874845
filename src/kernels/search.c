/* Exact nearest neighbours: keys are packed once in panels; queries × panels are cut in pieces by sizes, and each piece keeps the
 * best m of its queries as it goes. Every distance is a function of its query and key alone and the m best are exact under
 * (distance, key number), so how the work is cut shows nowhere in the result. */
#include "kernels/search.h"
#include "base/pages.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/level/search_tile.h"

struct weft_search {
    const weft_search_table *table;
    weft_dtype dtype;
    int64_t count, d, panels;
    bool inner_product;
    void *panel; /* [panels, d, table->panel] */
};

enum {
    TILE_BYTES = 256 * 1024, /* keys scanned by all queries of a piece while they are in the second cache */
    PIECE_QUERIES = 128,     /* at most; each holds its candidates, and each piece reads all keys once */
    PIECE_WORK = 1 << 20,    /* multiply-adds, some 0.03 ms: less is not worth a piece of its own */
    PIECES_A_THREAD = 4,
    MOST_NEIGHBOURS = 1 << 24,
    CANDIDATES_A_PIECE = 4 << 20 /* bounds a piece's memory when m is large */
};

static const weft_search_table *table_of(const weft_kernels *kernels, weft_dtype dtype)
{
    const bool f32 = dtype == WEFT_F32;
    if (kernels->pair_f32 == &weft_pair_f32_v4)
        return f32 ? &weft_search_f32_v4 : &weft_search_f64_v4;
    if (kernels->pair_f32 == &weft_pair_f32_v3)
        return f32 ? &weft_search_f32_v3 : &weft_search_f64_v3;
    return f32 ? &weft_search_f32_v2 : &weft_search_f64_v2;
}

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t ceil_div(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

/* Aligned to 64 bytes, or NULL; with room behind the last element for the widest read. */
static void *allocate(size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes) || bytes > SIZE_MAX / 2)
        return NULL;
    return weft_pages_get(bytes + 64);
}

/* ---- keys ---- */

typedef struct pack_job {
    weft_search *search;
    const void *keys;
    int64_t panels_a_piece;
    atomic_llong bad_row; /* the smallest, or INT64_MAX */
} pack_job;

static void pack_piece(void *argument, int64_t piece, int thread)
{
    (void)thread;
    pack_job *job = argument;
    const weft_search *s = job->search;
    const int64_t p1 = smaller((piece + 1) * job->panels_a_piece, s->panels);
    const size_t panel_bytes = (size_t)(s->table->panel * s->d) * weft_dtype_size(s->dtype);
    for (int64_t p = piece * job->panels_a_piece; p < p1; p++) {
        long long bad =
            s->table->pack(s->count, s->d, p * s->table->panel, job->keys, (char *)s->panel + (size_t)p * panel_bytes);
        long long known = atomic_load(&job->bad_row);
        while (bad >= 0 && bad < known && !atomic_compare_exchange_weak(&job->bad_row, &known, bad))
            ;
    }
}

weft_status weft_search_new(const weft_kernels *kernels, weft_team *team, weft_dtype dtype, int64_t count, int64_t d,
                            const void *keys, bool inner_product, weft_search **out)
{
    *out = NULL;
    if (dtype != WEFT_F32 && dtype != WEFT_F64)
        return weft_fail(WEFT_ERROR_ARGUMENT, "search: keys are %s; F32 or F64 is needed", weft_dtype_name(dtype));
    if (count < 1 || d < 1)
        return weft_fail(WEFT_ERROR_ARGUMENT, "search: keys are [%lld, %lld]; at least one row and one column are needed",
                         (long long)count, (long long)d);
    if (count >= UINT32_MAX)
        return weft_fail(WEFT_ERROR_UNSUPPORTED, "search: %lld keys are more than 2^32 - 2", (long long)count);
    weft_search *s = calloc(1, sizeof *s);
    if (!s)
        return weft_fail(WEFT_ERROR_MEMORY, "search: cannot allocate a search");
    *s = (weft_search){table_of(kernels, dtype), dtype, count, d, 0, inner_product, NULL};
    s->panels = ceil_div(count, s->table->panel);
    size_t numbers;
    if (!__builtin_mul_overflow((size_t)(s->panels * s->table->panel), (size_t)d, &numbers))
        s->panel = allocate(numbers, weft_dtype_size(dtype));
    if (!s->panel) {
        weft_search_free(s);
        return weft_fail(WEFT_ERROR_MEMORY, "search: cannot allocate %lld keys of %lld columns", (long long)count, (long long)d);
    }
    pack_job job = {.search = s, .keys = keys, .panels_a_piece = 1 + PIECE_WORK / 4 / (s->table->panel * d)};
    atomic_init(&job.bad_row, INT64_MAX);
    weft_team_pieces(team, ceil_div(s->panels, job.panels_a_piece), pack_piece, &job);
    const int64_t bad = atomic_load(&job.bad_row);
    if (bad != INT64_MAX) {
        weft_search_free(s);
        return weft_fail(WEFT_ERROR_NUMERIC, "search: key row %lld holds NaN or Inf", (long long)bad);
    }
    *out = s;
    return WEFT_OK;
}

void weft_search_free(weft_search *search)
{
    if (search)
        free(search->panel);
    free(search);
}

/* ---- candidates of some queries ---- */

static void free_best(weft_search_best *best)
{
    free(best->found);
    free(best->limit);
    free(best->order);
    free(best->key);
    free(best->sample);
    *best = (weft_search_best){0};
}

static bool new_best(const weft_search *s, int64_t queries, int64_t m, int64_t capacity, weft_search_best *best)
{
    const size_t size = weft_dtype_size(s->dtype);
    *best = (weft_search_best){.m = m, .capacity = capacity, .row = capacity + s->table->panel, .count = s->count};
    const size_t n = (size_t)(queries * best->row);
    best->found = allocate((size_t)queries, sizeof *best->found);
    best->limit = allocate((size_t)queries, size);
    best->order = allocate(n, size);
    best->key = allocate(n, sizeof *best->key);
    best->sample = allocate((size_t)WEFT_SEARCH_QUERIES * WEFT_SEARCH_SAMPLE, size);
    if (best->found && best->limit && best->order && best->key && best->sample)
        return true;
    free_best(best);
    return false;
}

/* The candidates of one query among those of several. */
static weft_search_best one_query(const weft_search *s, const weft_search_best *best, int64_t query)
{
    weft_search_best one = *best;
    const size_t size = weft_dtype_size(s->dtype);
    if (one.exclude)
        one.exclude += query;
    one.found += query;
    one.limit = (char *)one.limit + (size_t)query * size;
    one.order = (char *)one.order + (size_t)(query * best->row) * size;
    one.key += query * best->row;
    return one;
}

/* ---- a run ---- */

typedef struct run_job {
    const weft_search *search;
    int64_t rows, m;
    const char *queries;
    const int64_t *exclude;
    int64_t *index;
    char *distance;
    int64_t group, ranges;  /* a piece is `group` queries × one of `ranges` runs of panels */
    weft_search_best *best; /* [threads], or [pieces] when there are several ranges */
} run_job;

/* Scans panels [p0, p1) for all queries, tile by tile. */
static void scan_tiles(const weft_search *s, int64_t queries, const char *query, int64_t p0, int64_t p1, weft_search_best *best)
{
    const int64_t panel_bytes = s->table->panel * s->d * (int64_t)weft_dtype_size(s->dtype);
    const int64_t tile = 1 + TILE_BYTES / panel_bytes;
    for (int64_t p = p0; p < p1; p += tile)
        s->table->scan(queries, s->d, query, s->panel, p, smaller(p + tile, p1), s->inner_product, best);
}

/* Without a limit a query's first keys are all candidates, and its limit falls slowly. So the limit is first guessed from a
 * sample of the keys, with a margin of several standard deviations of the sample's count of near keys. Where the guess was too
 * low after all, as tables sorted by place can make it, fewer than m are found, and the query is scanned again without one. */
static void scan_range(const weft_search *s, int64_t queries, const char *query, int64_t p0, int64_t p1, weft_search_best *best)
{
    const int64_t full = smaller(p1, s->count / s->table->panel) - p0, keys = full * s->table->panel;
    const bool guessed = keys >= 2048 && keys >= 16 * best->m;
    s->table->start(queries, best);
    if (guessed) {
        const int64_t least = ceil_div(keys, WEFT_SEARCH_SAMPLE), stride = least > 8 ? least : 8;
        const double near = (double)best->m / (double)stride;
        const int64_t rank = (int64_t)(near + 4.5 * sqrt(near) + 3);
        s->table->guess(queries, s->d, query, s->panel, p0, p0 + full, stride, rank, s->inner_product, best);
    }
    scan_tiles(s, queries, query, p0, p1, best);
    for (int64_t q = 0; guessed && q < queries; q++)
        if (best->found[q] < best->m) {
            weft_search_best one = one_query(s, best, q);
            s->table->start(1, &one);
            scan_tiles(s, 1, query + (size_t)(q * s->d) * weft_dtype_size(s->dtype), p0, p1, &one);
        }
}

static void run_piece(void *argument, int64_t piece, int thread)
{
    run_job *job = argument;
    const weft_search *s = job->search;
    const int64_t first = piece / job->ranges * job->group, range = piece % job->ranges;
    const int64_t queries = smaller(job->group, job->rows - first);
    const int64_t p0 = s->panels * range / job->ranges, p1 = s->panels * (range + 1) / job->ranges;
    const size_t size = weft_dtype_size(s->dtype);
    weft_search_best *best = job->best + (job->ranges > 1 ? piece : thread);
    best->exclude = job->exclude ? job->exclude + first : NULL;
    scan_range(s, queries, job->queries + (size_t)(first * s->d) * size, p0, p1, best);
    if (job->ranges > 1)
        return;
    for (int64_t q = 0; q < queries; q++)
        s->table->finish(q, best, s->inner_product, job->index + (first + q) * job->m,
                         job->distance ? job->distance + (size_t)((first + q) * job->m) * size : NULL);
}

/* Puts the ranges of each query together, in ascending key order. */
static void join_ranges(run_job *job)
{
    const weft_search *s = job->search;
    const size_t size = weft_dtype_size(s->dtype);
    for (int64_t i = 0; i < job->rows; i++) {
        const int64_t piece = i / job->group * job->ranges, query = i % job->group;
        weft_search_best all = one_query(s, job->best + piece, query);
        for (int64_t range = 1; range < job->ranges; range++) {
            s->table->keep_best(query, job->best + piece + range);
            weft_search_best more = one_query(s, job->best + piece + range, query);
            s->table->join(&all, &more);
        }
        s->table->finish(0, &all, s->inner_product, job->index + i * job->m,
                         job->distance ? job->distance + (size_t)(i * job->m) * size : NULL);
    }
}

static weft_status check_run(const weft_search *s, int64_t rows, const void *queries, int64_t m, const int64_t *exclude)
{
    if (rows < 0 || m < 1)
        return weft_fail(WEFT_ERROR_ARGUMENT, "search: %lld queries for %lld neighbours each; at least one neighbour is needed",
                         (long long)rows, (long long)m);
    for (int64_t i = 0; exclude && i < rows; i++) {
        if (exclude[i] < -1 || exclude[i] >= s->count)
            return weft_fail(WEFT_ERROR_ARGUMENT, "search: query row %lld excludes key %lld of %lld", (long long)i,
                             (long long)exclude[i], (long long)s->count);
        if (exclude[i] >= 0 && m >= s->count)
            return weft_fail(WEFT_ERROR_ARGUMENT, "search: %lld neighbours asked of %lld keys less the row itself", (long long)m,
                             (long long)s->count);
    }
    if (m > MOST_NEIGHBOURS)
        return weft_fail(WEFT_ERROR_UNSUPPORTED, "search: %lld neighbours a query are more than %d", (long long)m,
                         MOST_NEIGHBOURS);
    if (m > s->count)
        return weft_fail(WEFT_ERROR_ARGUMENT, "search: %lld neighbours asked of %lld keys", (long long)m, (long long)s->count);
    const int64_t bad = s->table->bad_row(rows, s->d, queries);
    if (bad >= 0)
        return weft_fail(WEFT_ERROR_NUMERIC, "search: query row %lld holds NaN or Inf", (long long)bad);
    return WEFT_OK;
}

weft_status weft_search_run(const weft_search *s, weft_team *team, int64_t rows, const void *queries, int64_t m,
                            const int64_t *exclude, int64_t *index, void *distance)
{
    weft_status status = check_run(s, rows, queries, m, exclude);
    if (status != WEFT_OK || rows == 0)
        return status;
    run_job job = {s, rows, m, queries, exclude, index, distance, 0, 1, NULL};

    /* room for 4 m: the limit is renewed when four times as many keys were seen; see keep_best */
    const int64_t capacity = smaller(m > 64 ? 4 * m : 256, s->count > 2 * m ? s->count : 2 * m);
    const int64_t room = capacity + s->table->panel;
    const double work = (double)rows * (double)s->count * (double)s->d;
    int64_t wanted = work < 2.0 * PIECE_WORK ? 1 : PIECES_A_THREAD * (int64_t)weft_team_size(team);
    if (weft_team_size(team) == 1)
        wanted = 1;
    job.group = ceil_div(ceil_div(rows, wanted), WEFT_SEARCH_QUERIES) * WEFT_SEARCH_QUERIES;
    int64_t most = CANDIDATES_A_PIECE / room / WEFT_SEARCH_QUERIES * WEFT_SEARCH_QUERIES;
    most = smaller(most < WEFT_SEARCH_QUERIES ? WEFT_SEARCH_QUERIES : most, PIECE_QUERIES);
    job.group = smaller(smaller(job.group, most), rows);
    const int64_t groups = ceil_div(rows, job.group);
    if (groups < wanted && groups < 2 * (int64_t)weft_team_size(team)) {
        const int64_t by_work = (int64_t)(work / (double)groups / PIECE_WORK);
        job.ranges = smaller(smaller(ceil_div(wanted, groups), s->panels), by_work < 1 ? 1 : by_work);
    }

    const int64_t pieces = groups * job.ranges;
    const int64_t made = job.ranges > 1 || pieces == 1 ? pieces : weft_team_size(team);
    job.best = calloc((size_t)made, sizeof *job.best);
    bool ready = job.best != NULL;
    for (int64_t i = 0; ready && i < made; i++)
        ready = new_best(s, job.group, m, capacity, job.best + i);
    if (ready) {
        weft_team_pieces(team, pieces, run_piece, &job);
        if (job.ranges > 1)
            join_ranges(&job);
    } else {
        status = weft_fail(WEFT_ERROR_MEMORY, "search: cannot allocate the candidates of %lld queries", (long long)job.group);
    }
    for (int64_t i = 0; job.best && i < made; i++)
        free_best(job.best + i);
    free(job.best);
    return status;
}
