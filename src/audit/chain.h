/* A chain of models on one residual stream, from inside: base first, then each step of fine-tuning; the last one runs. */
#ifndef WEFT_AUDIT_CHAIN_H
#define WEFT_AUDIT_CHAIN_H

#include "io/io.h"
#include "lm/adapter.h"
#include "weft/audit.h"

/* Pages of weights are given back after so many bytes of them were looked at: models may be larger than the memory. */
enum { TUCO_RELEASE_BYTES = 16 << 20 };

static inline weft_status tuco_short_of_memory(void)
{
    return weft_fail(WEFT_ERROR_MEMORY, "tuco: memory is short");
}

typedef struct tuco_model {
    char *folder;
    weft_lm_config config;
    weft_params *params; /* of the folder; an adapter's are the base's */
    bool owns_params, owns_config;
    weft_lm_adapter *adapter; /* NULL: a whole model */
    char scope[16];           /* in front of its names in the graph; "" for the last model */
} tuco_model;

typedef struct tuco_alias {
    char *name, *same;
} tuco_alias;

/* A plan for prompts of up to `tokens` tokens, or for one token behind a cache. */
typedef struct tuco_plan tuco_plan;

struct weft_tuco {
    weft_engine *engine;
    weft_tuco_options options;
    int models;
    tuco_model model[WEFT_TUCO_MODELS];
    weft_params *all; /* every tensor, under the name that the graph asks for */
    tuco_alias *aliases;
    int64_t alias_count, alias_capacity;
    int64_t base_tensors, equal_tensors;
    bool mixed_storage;
    size_t looked_at; /* bytes of weights read since pages were given back */
    tuco_plan *plans; /* a list, latest first */
};

static inline const tuco_model *tuco_tuned(const weft_tuco *t)
{
    return &t->model[t->models - 1];
}

/* The model whose embedding, final norm and head are used. */
static inline const tuco_model *tuco_ends(const weft_tuco *t)
{
    return t->options.base_ends ? &t->model[0] : tuco_tuned(t);
}

/* Which tensors and caches are one in several models (sharing.c): fills t->all and the aliases. */
weft_status tuco_share(weft_tuco *t);

/* The feed-forward half of layer l is one function in models a and b. */
bool tuco_same_mlp(const weft_tuco *t, int a, int b, int64_t l);

/* What a plan is for. */
typedef struct tuco_form {
    int64_t tokens;   /* rows of the plan: a prompt's length, rounded up */
    int64_t capacity; /* keys of the caches; 0: none */
    int64_t length;   /* what ropes that depend on the length reckon with; 0: they do not */
    bool steered;     /* alpha is an input; else 1 */
    bool tensors, heads;
    bool own_base; /* the base by itself on its own embedding, for OutputCo: `stream` alone */
} tuco_form;

struct tuco_plan {
    tuco_form form;
    weft_graph *graph;
    weft_plan *plan;
    weft_session *session;
    int64_t *ids, *positions, rows, start; /* bound: [tokens], [tokens], one number each */
    double alpha;
    float alpha_f32;
    tuco_plan *next;
};

/* A plan of that form, made or found; it stays the chain's. */
weft_status tuco_plan_get(weft_tuco *t, const tuco_form *form, tuco_plan **out);
void tuco_plans_free(tuco_plan *);
int64_t tuco_plans_bytes(const tuco_plan *);
/* Binds n ≤ tokens ids that begin at position `at`, and alpha where steered; logits are those of the last of them. */
weft_status tuco_plan_feed(tuco_plan *p, const weft_tuco *t, const int64_t *ids, int64_t n, int64_t at, double alpha);
/* Named value as doubles: element (i, row r) of [count, rows] goes to out[i · n + r] for r < n, as `rows` may be more than n. */
weft_status tuco_plan_rows(tuco_plan *p, const char *name, int64_t count, int64_t n, double *out);
weft_status tuco_plan_logits(tuco_plan *p, int64_t vocab, float *out);
/* What ropes that depend on the length are told: n where a model of the chain has such a rope, else 0. */
int64_t tuco_rope_length(const weft_tuco *t, int64_t n);
/* Rows of a plan for n tokens: few different numbers for many lengths. */
int64_t tuco_round_up(int64_t n);
/* No tokens, too many of them, an id out of range. */
weft_status tuco_check_ids(const weft_tuco *t, const int64_t *ids, int64_t n);
/* An id without a row in the base's own embedding, which OutputCo needs. */
weft_status tuco_check_base_ids(const weft_tuco *t, const int64_t *ids, int64_t n);
/* Gives the pages of all weights back to the system. */
void tuco_release(const weft_tuco *t);
/* weft_tuco_read_all with stream_layers (stream.c). */
weft_status tuco_read_streaming(weft_tuco *t, const int64_t *const *ids, const int64_t *n, int64_t count,
                                const weft_tuco_request *request, weft_tuco_reading **out);

/* An empty reading of n tokens; from norms l1 and halves [4, L, n], and squares in ptc_l2 and ftc_l2, to all that is formed of
 * them; and OutputCo from the last streams, of the chain and of the base by itself, [at least n, width] (read.c). */
weft_status tuco_reading_new(const weft_tuco *t, int64_t n, const weft_tuco_request *request, weft_tuco_reading **out);
void tuco_reading_finish(weft_tuco_reading *r, const double *norms, const double *halves);
void tuco_output_shares(weft_tuco_reading *r, weft_tensor tuned, weft_tensor base);

/* One prompt into an empty reading of its length; with a run, which has no length-dependent rope, into its caches too (read.c).
 */
weft_status tuco_read_whole(weft_tuco *t, const int64_t *ids, const weft_tuco_request *request, weft_tuco_run *run,
                            weft_tuco_reading *r);
/* Keys of a run's caches; and those caches as the states of a plan with so many, made for the first one (generate.c). */
int64_t tuco_run_capacity(const weft_tuco_run *run);
weft_status tuco_run_bind(weft_tuco_run *run, tuco_plan *p);

/* ‖·‖₁ shares: b / (a + b), 0 where both are 0. */
static inline double tuco_share_of(double base, double tuned)
{
    return base + tuned > 0 ? tuned / (base + tuned) : 0;
}

/* The chain's graph (graph.c). Named values: l1 [4, L, n]: PTC, FTC of each block, then of the sums up to and including it;
 * halves [4, L, n]: PTC of the attention and of the MLP, FTC of both; l2 [2, n]: squares of the whole sums; steps [models − 1,
 * n]; stream [n, width]; logits [1, vocab] of the row that input "rows" names; and where asked for heads [L, heads] of that row,
 * and x [L + 1, n, width], ptc, ftc, ptc_attn, ptc_mlp, ftc_attn, ftc_mlp [L, n, width] with logits [n, vocab]. Input alpha [1]
 * when steered. */
void tuco_build(const weft_tuco *t, const tuco_form *form, weft_graph *g);
/* The same a layer at a time, so that no more than a layer's weights need memory. Ends: named x, the embeddings, and logits of
 * input last; or, `own`, the embeddings of the base by itself. Layer l: inputs x, ptc_sum, ftc_sum [1, n, width], step_sum.k for
 * steps of a longer chain, and with `own` the base's own stream; named values NAME.next of each, and the layer's part of l1,
 * halves and heads with the sums' l2 and steps. */
void tuco_build_ends(const weft_tuco *t, const tuco_form *form, bool own, weft_graph *g);
void tuco_build_layer(const weft_tuco *t, const tuco_form *form, int64_t l, bool own, weft_graph *g);

#endif
