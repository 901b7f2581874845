/* What happens on the host between the plans of TabR: candidates, the search for contexts, and the rows a batch looks at.
 *
 * A training step: refresh (keys with the weights as they are) → find (contexts of the batch) → gather (unique rows) → run. */
#ifndef WEFT_TABULAR_RETRIEVAL_H
#define WEFT_TABULAR_RETRIEVAL_H

#include "kernels/search.h"
#include "tabular/tabr.h"

/* Rows as the model reads them. Arrays are padded with zeros to a multiple of WEFT_ROWS_CHUNK rows. */
enum { WEFT_ROWS_CHUNK = 4096 };

typedef struct weft_rows_data {
    int64_t rows, n_num, n_bin, one_hot;
    float *x_num, *x_bin, *x_hot; /* [padded rows, …]; NULL where there are none of the kind */
    float *y;                     /* [rows] standardised; NULL unless regression */
    int64_t *label;               /* [rows]; NULL for regression */
    int64_t *row;                 /* [rows] numbers in the file they came from */
    int64_t first;                /* of a view: where its first row stands in the whole */
} weft_rows_data;

weft_status weft_rows_new(const weft_tabular_config *, int64_t rows, weft_rows_data **out);
weft_status weft_rows_from_table(const weft_tabular_config *, const weft_table *, weft_rows_data **out);
/* The table's rows [from, from + count) alone: one-hot blocks of a table that is large would not fit in memory. */
weft_status weft_rows_from_part(const weft_tabular_config *, const weft_table *, int64_t from, int64_t count,
                                weft_rows_data **out);
void weft_rows_free(weft_rows_data *);

int64_t weft_rows_padded(int64_t rows); /* the multiple */

/* Binds count rows from `from` on, padding included, to the inputs PREFIXx_num, PREFIXx_bin and PREFIXone_hot that the graph has.
 */
weft_status weft_rows_bind(weft_session *, const weft_graph *, const char *prefix, const weft_rows_data *, int64_t from,
                           int64_t count);

/* Rows [from, from + count) where they stand; from is a multiple of WEFT_ROWS_CHUNK. Not to be freed. */
weft_rows_data weft_rows_view(const weft_rows_data *, int64_t from, int64_t count);

/* A checksum of all that the rows hold, which goes on from `before` (0 at first): training that is resumed must see the same. */
uint64_t weft_rows_sum(const weft_rows_data *, uint64_t before);

/* Features of a row: to[at] = from[row]. */
void weft_rows_copy(weft_rows_data *to, int64_t at, const weft_rows_data *from, int64_t row);

typedef struct weft_retriever weft_retriever;

/* `candidates` and `config` are borrowed. `folded`: search in the input's dimensions after a QR (2.10.4). */
weft_status weft_retriever_new(weft_engine *, const weft_tabular_config *, weft_dtype, const weft_rows_data *candidates,
                               bool folded, weft_retriever **out);
/* From now on keys of candidates are sums of the vectors of their distinct values (borrowed); where weft_tabr_sums and not
 * `folded`. Not for other rows: weft_retriever_find is not to be called. */
weft_status weft_retriever_use_values(weft_retriever *, const weft_values *);
void weft_retriever_free(weft_retriever *);

/* Keys of all candidates with these parameters. training: through the encoder's dropout of (seed, step). */
weft_status weft_retriever_refresh(weft_retriever *, weft_params *, bool training, uint64_t seed, uint64_t step);

/* Contexts [B, m] of rows that are candidates themselves, each without itself. */
weft_status weft_retriever_find_own(weft_retriever *, const int64_t *rows, int64_t count, int64_t m, int64_t *context);
/* The same without the exclusion: for the proof that it matters (spec 10.11). */
weft_status weft_retriever_find_own_inclusive(weft_retriever *, const int64_t *rows, int64_t count, int64_t m, int64_t *context);
/* Contexts of other rows [from, from + count) of `queries`. */
weft_status weft_retriever_find(weft_retriever *, weft_params *, const weft_rows_data *queries, int64_t from, int64_t count,
                                int64_t m, int64_t *context);

/* What candidates say when they are looked at, computed once for the weights as they are: predictions of many rows then encode no
 * candidate again. */
typedef struct weft_known {
    int64_t rows;
    float *keys, *hidden; /* [rows padded, d] and [rows padded, h] */
    weft_graph *graph;
    weft_plan *plan;
    weft_session *session;
} weft_known;
size_t weft_known_bytes(const weft_tabular_config *, int64_t candidates);
/* Zero-initialise; the first call allocates. config, params and candidates are always the same. */
weft_status weft_known_refresh(weft_known *, weft_engine *, const weft_tabular_config *, weft_params *,
                               const weft_rows_data *candidates);
void weft_known_free(weft_known *); /* what it holds */

/* Where the rows of a batch and of its contexts stand: the batch first, then each other candidate that a context names, once, in
 * the order in which they are met. Kept from batch to batch; zero-initialise. */
typedef struct weft_places {
    int64_t candidates, round, *place, *stamp; /* place[c] is valid where stamp[c] == round */
} weft_places;

/* own [batch]: candidate numbers of the batch's rows, or NULL when they are no candidates. context [batch, m] → out [batch, m];
 * unique [capacity] takes the other candidates, *count how many. Refuses numbers out of range, and more others than `capacity`.
 */
weft_status weft_places_find(weft_places *, int64_t candidates, const int64_t *own, int64_t batch, int64_t m,
                             const int64_t *context, int64_t capacity, int64_t *out, int64_t *unique, int64_t *count);
void weft_places_free(weft_places *);

/* One graph of TabR with its plan, session and the arrays its inputs are bound to. */
typedef struct weft_tabr_runner weft_tabr_runner;

/* gradients: also computes "grad.NAME" of every parameter. `fetches`: names of further values; feeds none. */
weft_status weft_tabr_runner_new(weft_engine *, const weft_tabular_config *, const weft_tabr_form *, weft_dtype, weft_params *,
                                 bool gradients, const char *const *fetches, int n, weft_tabr_runner **out);
void weft_tabr_runner_free(weft_tabr_runner *);
weft_session *weft_tabr_runner_session(weft_tabr_runner *);

/* form.known: the candidates, of as many rows. Kept bound. */
weft_status weft_tabr_runner_know(weft_tabr_runner *, const weft_known *);

/* Binds a batch. own != NULL: the batch is rows own[i] of candidates, and contexts that point into the batch look at it;
 * else it is rows [from, from + B) of queries (the last one repeated past the end); with values, always the former. context [B,
 * m]: candidate numbers. */
weft_status weft_tabr_runner_bind(weft_tabr_runner *, const weft_rows_data *candidates, const int64_t *own,
                                  const weft_rows_data *queries, int64_t from, const int64_t *context);

#endif
