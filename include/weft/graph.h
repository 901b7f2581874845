/* Weft, graph layer: build a model as a graph of tensor operations, differentiate it, compile it, run it.
 *
 * A value is a small handle into its graph. Sizes are outermost first and checked as the graph is built. The first mistake
 * poisons the graph: later calls do nothing and answer {0}, and weft_compile returns the first message. Example:
 *
 *     weft_graph *g = weft_graph_new(WEFT_F32);
 *     weft_value x = weft_input(g, "x", WEFT_F32, DIMS(256, 8));
 *     weft_value y = weft_linear(g, x, "head", 1);                      (nn.h)
 *     weft_name(g, y, "output");
 *     weft_compile(engine, g, NULL, 0, &y, 1, &plan);
 *     weft_session_new(plan, &params, 1, &session);
 *     weft_bind(session, "x", table);  weft_run(session);  weft_fetch(session, "output", &out);
 */
#ifndef WEFT_GRAPH_H
#define WEFT_GRAPH_H

#include "weft/base.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct weft_engine weft_engine;
typedef struct weft_graph weft_graph;
typedef struct weft_params weft_params;
typedef struct weft_plan weft_plan;
typedef struct weft_session weft_session;

typedef struct weft_value {
    int32_t id;
} weft_value; /* {0}: none */

/* ---- The engine: threads and the processor level; shared by everything that runs. ------------------------------------- */

typedef struct weft_engine_options {
    int threads; /* 0: all cores */
    int level;   /* 0: the best this processor has; 1: x86-64-v2; 2: AVX2; 3: AVX-512 (error where it is missing) */
} weft_engine_options;

WEFT_API weft_status weft_engine_new(const weft_engine_options *options, weft_engine **out); /* options NULL: defaults */
WEFT_API void weft_engine_free(weft_engine *);
WEFT_API int weft_engine_threads(const weft_engine *);
WEFT_API const char *weft_engine_level(const weft_engine *);

/* ---- Parameters: named tensors, outside graph and plan. ------------------------------------------------------------------ */

/* How a parameter starts when no file holds it. Random laws draw from the stream named like the parameter. */
typedef enum weft_init_kind {
    WEFT_INIT_ZEROS,
    WEFT_INIT_ONES,
    WEFT_INIT_CONSTANT,
    WEFT_INIT_UNIFORM,
    WEFT_INIT_NORMAL
} weft_init_kind;
typedef struct weft_init {
    weft_init_kind kind;
    double a, b; /* constant: a; uniform: U(a, b); normal: mean a, standard deviation b */
} weft_init;
#define WEFT_ZEROS          ((weft_init){WEFT_INIT_ZEROS, 0, 0})
#define WEFT_ONES           ((weft_init){WEFT_INIT_ONES, 0, 0})
#define WEFT_UNIFORM(bound) ((weft_init){WEFT_INIT_UNIFORM, -(bound), (bound)})
#define WEFT_NORMAL(sd)     ((weft_init){WEFT_INIT_NORMAL, 0, (sd)})

WEFT_API weft_status weft_params_new(weft_params **out);
WEFT_API weft_status weft_params_open(const char *path,
                                      weft_params **out); /* a safetensors file, or a folder with model.safetensors */
WEFT_API weft_status weft_params_save(const weft_params *, const char *path); /* atomic */
WEFT_API void weft_params_free(weft_params *);
WEFT_API weft_status weft_params_set(weft_params *, const char *name, weft_tensor tensor); /* copies; replaces one of that name */
/* Adds a tensor that stays the caller's and must outlive the set; an error when there is one of that name. */
WEFT_API weft_status weft_params_share(weft_params *, const char *name, weft_tensor tensor);
WEFT_API bool weft_params_get(const weft_params *, const char *name, weft_tensor *out); /* a view; false when there is none */
WEFT_API int64_t weft_params_count(const weft_params *);
WEFT_API const char *weft_params_at(const weft_params *, int64_t i, weft_tensor *out);
/* Adds what the graph wants and the set lacks, in `dtype` (F32 or F64). A present tensor of other shape is an error. */
WEFT_API weft_status weft_params_init(weft_params *, const weft_graph *, weft_dtype dtype, uint64_t seed);
/* Says that tensors were written through views (an optimiser's step), so that packed copies are made anew. */
WEFT_API void weft_params_touch(weft_params *);

/* ---- Building. ------------------------------------------------------------------------------------------------------------- */

WEFT_API weft_graph *weft_graph_new(weft_dtype compute); /* F32 or F64; NULL when memory is short */
WEFT_API void weft_graph_free(weft_graph *);
WEFT_API weft_dtype weft_graph_dtype(const weft_graph *);
/* Products built from now on round both operands to bf16 and add in f32, on the processor's bf16 unit where it has one. */
WEFT_API void weft_graph_bf16(weft_graph *, bool on);

/* How plans hold the parameters that they multiply by and do not train. Products like them rearranged in panels; the bits are the
 * same in every way. */
typedef enum weft_packing {
    WEFT_PACK_KEPT,     /* rearranged once, shared by all sessions of the set; of a mapped file the pages are then given back, so
                         * that memory holds them once. What is above half the machine's memory is rearranged in each run. */
    WEFT_PACK_EACH_RUN, /* rearranged in each run, one after the other in the same memory */
    WEFT_PACK_NEVER     /* read as stored, panel by panel: no copy, a prompt somewhat slower, a token at about half the speed */
} weft_packing;
WEFT_API void weft_graph_packing(weft_graph *, weft_packing); /* of plans compiled from now on; KEPT unless said */
WEFT_API weft_status weft_graph_status(const weft_graph *);   /* the first mistake, text in weft_error() */
WEFT_API void weft_poison(weft_graph *, const char *format, ...) WEFT_PRINTF(2, 3); /* scope is put before the text */
WEFT_API weft_dims weft_shape(const weft_graph *, weft_value);
WEFT_API void weft_enter(weft_graph *, const char *format, ...) WEFT_PRINTF(2, 3); /* name scopes: "encoder", "layer.3" */
WEFT_API void weft_leave(weft_graph *);
WEFT_API weft_value weft_name(weft_graph *, weft_value, const char *format, ...)
    WEFT_PRINTF(3, 4);                                               /* in no scope: as it stands */
WEFT_API weft_value weft_find(const weft_graph *, const char *name); /* an input, parameter, random leaf or named value; {0} */

/* Leaves. Inputs, counts and random leaves are named as given; parameters and states get the scope in front
 * ("blocks.0.linear.weight"). */
WEFT_API weft_value weft_input(weft_graph *, const char *name, weft_dtype, weft_dims);   /* F32/F64: compute type; I64, I32, U8 */
WEFT_API weft_value weft_index(weft_graph *, const char *name, weft_dims, int64_t rows); /* I64 row numbers in [0, rows) */
#define WEFT_IGNORE (-100) /* the label of a row that has none, as PyTorch has it */
WEFT_API weft_value weft_labels(weft_graph *, const char *name, weft_dims,
                                int64_t classes);                                   /* I64 in [0, classes), or WEFT_IGNORE */
WEFT_API weft_value weft_count_input(weft_graph *, const char *name, int64_t most); /* an integer in [0, most], by weft_set */
WEFT_API weft_value weft_param(weft_graph *, const char *name, weft_init, weft_dims);
/* A parameter outside all scopes. */
WEFT_API weft_value weft_param_named(weft_graph *, weft_init, weft_dims, const char *format, ...) WEFT_PRINTF(4, 5);
/* From now on the parameter or state called `name` is the one called `same`: models in one graph that share weights. */
WEFT_API void weft_share_leaf(weft_graph *, const char *name, const char *same);
WEFT_API weft_value weft_constant(weft_graph *, double value, weft_dims);
WEFT_API weft_value weft_iota(weft_graph *, int64_t n); /* 0, 1, …, n-1 in the compute type */

typedef enum weft_law_kind_ { WEFT_UNIFORM_LAW, WEFT_NORMAL_LAW, WEFT_DROPOUT_LAW } weft_law_kind_;
typedef struct weft_law {
    int kind;    /* weft_law_kind_ */
    double a, b; /* uniform: U(a, b); normal: mean a, sd b; dropout: 0 with probability a, else 1 / (1 - a) */
} weft_law;
/* A random leaf: bound to a tensor of its name it is that tensor; else Philox(seed, name, step, row key, column), where a row is
 * the last axis and its key is its position, or row_keys[i] (an I64 input or index with one number a row; {0}: position). */
WEFT_API weft_value weft_random(weft_graph *, const char *name, weft_law, weft_value row_keys, weft_dims);

/* State: memory that outlives a run, such as a KV cache; bound by the caller (weft_bind) in exactly this type: the compute type
 * for F32 or F64, else BF16 or F16. Nothing but weft_store writes it, and no gradient passes it. */
WEFT_API weft_value weft_state(weft_graph *, const char *name, weft_dtype, weft_dims);
/* Writes rows [batch, m, …] into a state [batch, capacity, …] at places at, at + 1, … of each item (rounded to its type) and
 * answers the state's new value: read that, not the state. at: a count, or a weft_index of [batch] places into capacity + 1.
 * Rows that would fall behind the capacity are left out. A store that nobody reads happens when it is fetched. */
WEFT_API weft_value weft_store(weft_graph *, weft_value state, weft_value at, weft_value rows);
WEFT_API weft_value weft_widen(weft_graph *, weft_value state); /* in the compute type */

/* Only the first `count` of x's outermost axis are in use (count: a weft_count_input): kernels stop there. */
WEFT_API weft_value weft_used(weft_graph *, weft_value x, weft_value count);
/* The same with `base` rows before them that are always in use. */
WEFT_API weft_value weft_used_after(weft_graph *, weft_value x, int64_t base, weft_value count);

/* x, taken as a constant by gradients. */
WEFT_API weft_value weft_detach(weft_graph *, weft_value x);

/* Views and moves. */
WEFT_API weft_value weft_reshape(weft_graph *, weft_value x, weft_dims);
WEFT_API weft_value weft_slice(weft_graph *, weft_value x, int axis, int64_t from, int64_t to);
WEFT_API weft_value weft_rows(weft_graph *, weft_value x, int64_t from, int64_t to); /* slice of the outermost axis: a view */
WEFT_API weft_value weft_permute(weft_graph *, weft_value x, const int *axes);
WEFT_API weft_value weft_transpose(weft_graph *, weft_value x);                                    /* the last two axes */
WEFT_API weft_value weft_pad(weft_graph *, weft_value x, int axis, int64_t before, int64_t after); /* with zeros */
WEFT_API weft_value weft_concat(weft_graph *, int axis, const weft_value *parts, int n);
WEFT_API weft_value weft_broadcast(weft_graph *, weft_value x, weft_dims);
WEFT_API weft_value weft_gather(weft_graph *, weft_value table, weft_value index); /* [rows, …] by [i…] → [i…, …] */
WEFT_API weft_value weft_scatter_add(weft_graph *, weft_value x, weft_value index, int64_t rows); /* gather's transpose */
/* x [rows, n], index or labels [rows] → [rows]; 0 where the label is WEFT_IGNORE */
WEFT_API weft_value weft_pick(weft_graph *, weft_value x, weft_value index);
WEFT_API weft_value weft_place(weft_graph *, weft_value x, weft_value index, int64_t n); /* pick's transpose */
WEFT_API weft_value weft_labelled(weft_graph *, weft_value labels);                      /* 1, or 0 where WEFT_IGNORE */

/* Elementwise; two operands broadcast as in NumPy. */
WEFT_API weft_value weft_add(weft_graph *, weft_value a, weft_value b);
WEFT_API weft_value weft_sub(weft_graph *, weft_value a, weft_value b);
WEFT_API weft_value weft_mul(weft_graph *, weft_value a, weft_value b);
WEFT_API weft_value weft_div(weft_graph *, weft_value a, weft_value b);
WEFT_API weft_value weft_minimum(weft_graph *, weft_value a, weft_value b);
WEFT_API weft_value weft_maximum(weft_graph *, weft_value a, weft_value b);
WEFT_API weft_value weft_equal(weft_graph *, weft_value a, weft_value b); /* 1 or 0 */
WEFT_API weft_value weft_less(weft_graph *, weft_value a, weft_value b);
WEFT_API weft_value weft_where(weft_graph *, weft_value condition, weft_value a, weft_value b);
WEFT_API weft_value weft_neg(weft_graph *, weft_value x);
WEFT_API weft_value weft_abs(weft_graph *, weft_value x);
WEFT_API weft_value weft_exp(weft_graph *, weft_value x);
WEFT_API weft_value weft_log_of(weft_graph *, weft_value x);
WEFT_API weft_value weft_sqrt(weft_graph *, weft_value x);
WEFT_API weft_value weft_rsqrt(weft_graph *, weft_value x);
WEFT_API weft_value weft_recip(weft_graph *, weft_value x);
WEFT_API weft_value weft_tanh(weft_graph *, weft_value x);
WEFT_API weft_value weft_erf(weft_graph *, weft_value x);
WEFT_API weft_value weft_sin(weft_graph *, weft_value x);
WEFT_API weft_value weft_cos(weft_graph *, weft_value x);
WEFT_API weft_value weft_floor(weft_graph *, weft_value x);
WEFT_API weft_value weft_square(weft_graph *, weft_value x);
WEFT_API weft_value weft_sign(weft_graph *, weft_value x);
WEFT_API weft_value weft_scale(weft_graph *, weft_value x, double factor);
WEFT_API weft_value weft_shift(weft_graph *, weft_value x, double term);
WEFT_API weft_value weft_relu(weft_graph *, weft_value x);
WEFT_API weft_value weft_leaky_relu(weft_graph *, weft_value x, double slope);
WEFT_API weft_value weft_gelu(weft_graph *, weft_value x); /* exact: x Φ(x) */
WEFT_API weft_value weft_gelu_tanh(weft_graph *, weft_value x);
WEFT_API weft_value weft_quick_gelu(weft_graph *, weft_value x); /* x σ(1.702 x) */
WEFT_API weft_value weft_silu(weft_graph *, weft_value x);
WEFT_API weft_value weft_sigmoid(weft_graph *, weft_value x);
WEFT_API weft_value weft_softplus(weft_graph *, weft_value x);
WEFT_API weft_value weft_softcap(weft_graph *, weft_value x, double cap); /* cap · tanh(x / cap) */

/* Reductions over axes [first, last] (they vanish from the shape); negative axes count from the end. */
WEFT_API weft_value weft_sum(weft_graph *, weft_value x, int first, int last);
WEFT_API weft_value weft_mean(weft_graph *, weft_value x, int first, int last);
WEFT_API weft_value weft_max(weft_graph *, weft_value x, int first, int last);
WEFT_API weft_value weft_sum_all(weft_graph *, weft_value x);
WEFT_API weft_value weft_mean_all(weft_graph *, weft_value x);          /* over the used part */
WEFT_API weft_value weft_sum_to(weft_graph *, weft_value x, weft_dims); /* broadcast's transpose */

/* Products. a [… , m, k] · b [… , k, n]; leading axes equal, or b has none. _nt: b is [… , n, k]; _tn: a is [… , k, m]. */
WEFT_API weft_value weft_matmul(weft_graph *, weft_value a, weft_value b);
WEFT_API weft_value weft_matmul_nt(weft_graph *, weft_value a, weft_value b);
WEFT_API weft_value weft_matmul_tn(weft_graph *, weft_value a, weft_value b);

/* Whole-row ops. */
WEFT_API weft_value weft_softmax(weft_graph *, weft_value x);     /* last axis */
WEFT_API weft_value weft_log_softmax(weft_graph *, weft_value x); /* last axis */
/* Normalises the last axis with weight and bias [n] ({0}: none). Population variance. */
WEFT_API weft_value weft_normalize_layer(weft_graph *, weft_value x, weft_value weight, weft_value bias, double eps);
WEFT_API weft_value weft_normalize_rms(weft_graph *, weft_value x, weft_value weight, double offset, double eps);

/* Attention: q [batch, m, heads, head], k [batch, n, kv heads, head], v [batch, n, kv heads, value head] → [batch, m, heads,
 * value head]. k and v may be states. Scores q·k · scale, capped, plus bias; softmax over the keys that a query sees; zeros
 * where it sees none. */
typedef struct weft_attention_options {
    weft_value bias;     /* broadcasts to [batch, heads, m, n]; {0}: none */
    bool causal;         /* query i, at position start + i, sees keys up to that position */
    weft_value start;    /* position of query 0: a count, or I64 [batch]; {0}: n − m, the queries are the last keys */
    weft_value used;     /* so many keys are there: a count, or I64 [batch]; {0}: all */
    weft_value segments; /* I64 [batch, tokens], m = n: a query sees keys of its own segment; {0}: all */
    weft_value key_mask; /* [batch, n]: keys with 0 are hidden; {0}: none */
    int64_t window;      /* keys less than so many positions away are seen; 0: all */
    double scale;        /* 0: 1/√head */
    double cap;          /* scores ← cap · tanh(scores / cap); 0: none */
    const char *name;    /* keeps NAME.scores and NAME.probabilities [batch, heads, m, n] as values; NULL: never written out */
} weft_attention_options;
WEFT_API weft_value weft_attention(weft_graph *, weft_value q, weft_value k, weft_value v, weft_attention_options);

/* Rotary positions: x [batch, tokens, heads, head]; pair i of a head at position p is turned by p · frequencies[i]. positions: a
 * count or I64 [batch], where the first token stands; I64 [batch, tokens], where each stands; or {0}: from 0. */
typedef struct weft_rope_options {
    int64_t dims;              /* R, even: so many first dimensions of a head are turned, the others pass */
    const double *frequencies; /* [R / 2], copied */
    double factor;             /* of cosines and sines (yarn, longrope); 0: 1 */
    bool interleaved;          /* pairs (2i, 2i + 1) instead of (i, i + R/2) */
} weft_rope_options;
WEFT_API weft_value weft_rope(weft_graph *, weft_value x, weft_value positions, const weft_rope_options *);

/* Cross-entropy of each row of logits = hidden [rows, width] · tableᵀ + bias, table [classes, width], bias [classes] or {0},
 * without the logits in memory as a whole: −log softmax(logits)[label], [rows]; 0 for rows without a label. labels [rows]: an
 * index, or weft_labels. smoothing ε: the target is 1 − ε of the label and ε of all classes alike; cap > 0: logits ← cap ·
 * tanh(logits / cap). */
WEFT_API weft_value weft_cross_entropy_rows(weft_graph *, weft_value hidden, weft_value table, weft_value bias, weft_value labels,
                                            double smoothing, double cap);

/* Retrieval (TabR, spec 2.6 and 2.10); index [rows, m] points into table's rows. */
WEFT_API weft_value weft_pair_sqdist(weft_graph *, weft_value query, weft_value table, weft_value index); /* [rows, m] */
/* out[i] = Σ_j p[i,j] drop(i,j,·) relu(a[i] - table[index[i,j]] + bias): a [rows, h], bias [h], p [rows, m] → [rows, h];
 * the dropout's factors are the random leaf `mask` [rows, m, h], or {0}. */
WEFT_API weft_value weft_pair_relu_sum(weft_graph *, weft_value a, weft_value table, weft_value bias, weft_value index,
                                       weft_value p, weft_value mask);
WEFT_API weft_value weft_gather_sum(weft_graph *, weft_value weights, weft_value table,
                                    weft_value index); /* Σ_j w[i,j] table[index[i,j]] */

/* Numbers embedded by PLR (arXiv 2203.05556): relu(A_j [cos 2πf_j x_j, sin 2πf_j x_j] + a_j) of each feature j, side by side: x
 * [rows, F], frequencies [F, k] → [rows, F · e]. weight [e, 2k] and bias [e] serve all features (PLR(lite)), or weight [F, 2k, e]
 * and bias [F, e]. */
WEFT_API weft_value weft_plr(weft_graph *, weft_value x, weft_value frequencies, weft_value weight, weft_value bias);

/* Marks for later readings (decomposition's sign rule, block boundaries). */
typedef enum weft_mark_kind { WEFT_SIGN_RULE = 1, WEFT_BLOCK_BOUNDARY = 2 } weft_mark_kind;
WEFT_API weft_value weft_mark(weft_graph *, weft_value, weft_mark_kind);

/* ---- Reading the graph. --------------------------------------------------------------------------------------------------- */

/* Appends the gradient of y (a scalar, or the sum over y's elements weighted by `cotangent`, {0}: ones) with respect to wrt[i]
 * as values out[i]. A value that y does not depend on gets zeros. Can be applied to its own results. */
WEFT_API weft_status weft_gradient(weft_graph *, weft_value y, weft_value cotangent, const weft_value *wrt, int n,
                                   weft_value *out);

/* Gradients from now on compute what lies between two values marked WEFT_BLOCK_BOUNDARY once more instead of keeping it: about a
 * third more work for a training step, and of each block only its boundary in memory. The numbers are the same to the bit. */
WEFT_API void weft_graph_recompute(weft_graph *, bool on);

/* The parameters in order of first use: names and values; answers how many there are. */
WEFT_API int weft_graph_params(const weft_graph *, int i, const char **name, weft_value *value);
/* Inputs, indices, counts and random leaves, then named values; for `weft info` and `weft run`. */
typedef struct weft_entry {
    const char *name;
    const char *kind; /* "input", "index", "count", "random", "param", "value" */
    weft_dtype dtype;
    weft_dims dims;
    weft_value value;
} weft_entry;
WEFT_API int weft_graph_entries(const weft_graph *, int i, weft_entry *out); /* how many; *out filled when i is one of them */

typedef struct weft_cost {
    int64_t macs;       /* multiply-accumulates of products, convolutions and pair ops */
    int64_t parameters; /* elements of parameters */
    int64_t bytes;      /* bytes of parameters in the compute type, plus values read and written once */
} weft_cost;
WEFT_API weft_status weft_count(const weft_graph *, const weft_value *fetches, int n, weft_cost *out);

/* ---- Plans and sessions. --------------------------------------------------------------------------------------------------- */

/* Feeds cut the graph: they are bound at run time instead of being computed. Named feeds and fetches are reached by name. */
WEFT_API weft_status weft_compile(weft_engine *, weft_graph *, const weft_value *feeds, int nf, const weft_value *fetches, int n,
                                  weft_plan **out);
WEFT_API void weft_plan_free(weft_plan *);
WEFT_API void weft_describe(const weft_plan *, weft_text *out); /* steps, buffers, memory: a page for people */
typedef struct weft_plan_memory {
    int64_t arena, packed, steps;
} weft_plan_memory;
WEFT_API weft_plan_memory weft_plan_size(const weft_plan *);

/* A plan with its memory and bindings. Parameters are looked up by name in the sets, first one that has it; shapes are checked.
 */
WEFT_API weft_status weft_session_new(weft_plan *, weft_params *const *params, int n, weft_session **out);
WEFT_API void weft_session_free(weft_session *);
WEFT_API weft_status weft_bind(weft_session *, const char *name,
                               weft_tensor); /* input, index, random leaf, feed; or a fetch: written there */
WEFT_API weft_status weft_set(weft_session *, const char *name, int64_t value); /* count inputs */
WEFT_API void weft_seed(weft_session *, uint64_t seed, uint64_t step);          /* of the unbound random leaves */
WEFT_API weft_status weft_run(weft_session *);
WEFT_API weft_status weft_fetch(weft_session *, const char *name, weft_tensor *out); /* valid until the next run */
WEFT_API weft_status weft_fetch_value(weft_session *, weft_value, weft_tensor *out);
/* Double-check for training: the first fetch that holds NaN or Inf, by name, or NULL. */
WEFT_API const char *weft_session_nonfinite(weft_session *);

#ifdef __cplusplus
}
#endif
#endif
