/* What search.c asks of a processor level: keys laid out in panels, and a scan that keeps each query's best m.
 *
 * A panel is `panel` keys side by side, [d][panel]; the last one is filled up with zeros. A scan computes the distance of every
 * query to every key of some panels as one chain of fused operations over the columns in ascending order, so that a
 * distance depends on the query and the key alone, and keeps as candidates those below the query's limit, in ascending key
 * order. When a query's candidates reach the capacity, all but the m best are dropped (among equal ones the first stay), and
 * the worst kept becomes the limit. Distances are held as order numbers: integers that compare as the numbers do. */
#ifndef WEFT_KERNELS_SEARCH_TILE_H
#define WEFT_KERNELS_SEARCH_TILE_H

#include "kernels/level.h"

enum {
    WEFT_SEARCH_QUERIES = 4, /* queries whose sums are held in registers together */
    WEFT_SEARCH_SAMPLE = 8192
};

/* The candidates of some queries, for keys that were scanned in ascending order. */
typedef struct weft_search_best {
    int64_t m;
    int64_t capacity;       /* candidates a query may hold, at least 2 m */
    int64_t row;            /* candidates between one query's first and the next one's: capacity + panel */
    int64_t count;          /* keys in all: what stands beyond in the last panel is not a key */
    const int64_t *exclude; /* [queries], or NULL */
    int32_t *found;         /* [queries] candidates now */
    void *limit;            /* [queries] of the compute type: only smaller distances are of interest; NaN: all are */
    void *order;            /* [queries, row] int32_t (f32) or int64_t (f64) */
    uint32_t *key;          /* [queries, row] */
    void *sample; /* [WEFT_SEARCH_QUERIES, WEFT_SEARCH_SAMPLE] like order: distances to some keys, to guess a limit from */
} weft_search_best;

typedef struct weft_search_table {
    int64_t panel;
    /* keys [count, d] from row first on → one panel; gives the first row (first ≤ row < first + panel) with NaN or Inf, or -1 */
    int64_t (*pack)(int64_t count, int64_t d, int64_t first, const void *keys, void *panel);
    /* panels [p0, p1) of `panels` for `queries` rows of query [queries, d] */
    void (*scan)(int64_t queries, int64_t d, const void *query, const void *panels, int64_t p0, int64_t p1, bool inner_product,
                 weft_search_best *);
    /* row -1 or the first row of x [rows, d] that holds a NaN or Inf */
    int64_t (*bad_row)(int64_t rows, int64_t d, const void *x);
    void (*start)(int64_t queries, weft_search_best *); /* no candidates, no limit */
    /* limits the queries to the rank-th smallest distance among the keys of panels p0, p0 + stride, … below p1, all full, and at
     * most WEFT_SEARCH_SAMPLE keys. A guess: a query that then finds fewer than m must start again without it. */
    void (*guess)(int64_t queries, int64_t d, const void *query, const void *panels, int64_t p0, int64_t p1, int64_t stride,
                  int64_t rank, bool inner_product, weft_search_best *);
    void (*keep_best)(int64_t query, weft_search_best *); /* drops all but the m best */
    /* adds the candidates of query 0 of `from`, whose keys are all larger, to those of query 0 of the other */
    void (*join)(weft_search_best *, const weft_search_best *from);
    /* the candidates, at most m, as sorted output; distance may be NULL */
    void (*finish)(int64_t query, weft_search_best *, bool inner_product, int64_t *index, void *distance);
} weft_search_table;

extern const weft_search_table weft_search_f32_v2, weft_search_f32_v3, weft_search_f32_v4;
extern const weft_search_table weft_search_f64_v2, weft_search_f64_v3, weft_search_f64_v4;

#endif
