/* Weft, audit room: TuCo, how much fine-tuning contributed to one forward pass (arXiv 2506.23423).
 *
 * Two models of one architecture read one residual stream, that of the tuned model. At every block the stream gains
 * PTC = f_base(x) and FTC = f_tuned(x) − f_base(x); TuCo is ‖ΣFTC‖₁ / (‖ΣPTC‖₁ + ‖ΣFTC‖₁) at a token. Example:
 *
 *     weft_tuco *t = NULL;
 *     weft_tuco_open(engine, "base", (const char *[]){"tuned"}, 1, NULL, &t);
 *     weft_tuco_reading *r = NULL;
 *     weft_tuco_read(t, ids, n, &(weft_tuco_request){.alpha = 1}, &r);
 *     printf("%.3f\n", r->tuco);
 *     weft_tuco_reading_free(r);  weft_tuco_free(t);
 *
 * Weights that are equal in both are one tensor in one graph, so equal layers, and the base products below LoRA adapters, are
 * computed once, and their FTC is exactly zero.
 */
#ifndef WEFT_AUDIT_H
#define WEFT_AUDIT_H

#include "weft/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct weft_tuco weft_tuco;

enum { WEFT_TUCO_MODELS = 8 }; /* in a chain, the base among them */

typedef struct weft_tuco_options {
    weft_dtype dtype; /* F32 (0) or F64 */
    bool bf16;        /* products in bf16 */
    bool base_ends;   /* embedding, final norm and head of the base in place of the tuned model's */
} weft_tuco_options;

/* base: a model folder; tuned[0 … count): model folders, or folders of PEFT adapters on the base, each a step of fine-tuning
 * further than the one before; the last is the model that runs. Errors: architectures or shapes that differ (the first key that
 * differs, and both values), an encoder, an adapter that does not fit. */
WEFT_API weft_status weft_tuco_open(weft_engine *, const char *base, const char *const *tuned, int count,
                                    const weft_tuco_options *, weft_tuco **out);
WEFT_API void weft_tuco_free(weft_tuco *);
WEFT_API int64_t weft_tuco_layers(const weft_tuco *);
WEFT_API int64_t weft_tuco_vocab(const weft_tuco *);     /* rows of the embedding in use */
WEFT_API int64_t weft_tuco_positions(const weft_tuco *); /* context length */
/* How many tensors of the base are equal, bit for bit, to the tuned model's; and how many there are. */
WEFT_API int64_t weft_tuco_equal_tensors(const weft_tuco *, int64_t *of);
/* Storage types of base and tuned weights differ (F32 and BF16, …): then TuCo measures the rounding too. */
WEFT_API bool weft_tuco_mixed_storage(const weft_tuco *);

typedef struct weft_tuco_request {
    double alpha;       /* the stream gains PTC + alpha · FTC; 1: the tuned model, to the bit */
    bool outputco;      /* also run the base by itself, for OutputCo */
    bool heads;         /* split the attention's FTC at the last token by heads */
    bool tensors;       /* keep streams and components of all layers and tokens, and all logits */
    bool stream_layers; /* one layer at a time, so that no more than a layer's weights need memory */
} weft_tuco_request;

/* What a reading of n tokens through L layers says. Norms are over the width; arrays are row-major. */
typedef struct weft_tuco_reading {
    int64_t tokens, layers, vocab, steps, heads;
    double tuco, tuco_l2;        /* of the last token */
    double outputco;             /* of the last token; NaN: not asked for */
    double *tuco_pos;            /* [n] */
    double *outputco_pos;        /* [n], or NULL */
    double *ptc_l1, *ftc_l1;     /* [L, n] of each block */
    double *ptc_cum_l1;          /* [L + 1, n] of the running sums; row 0 is 0 */
    double *ftc_cum_l1;          /* [L + 1, n] */
    double *ftc_l2, *ptc_l2;     /* [n] of the whole sums */
    double *beta_pos;            /* [L + 1, n] */
    double *beta_seq;            /* [L + 1] */
    double *attn_l1, *mlp_l1;    /* [2, L, n] PTC and FTC of the attention's and the MLP's half */
    double *steps_l1;            /* [steps, n] ‖Σ FTC_k‖₁ of the chain's steps; steps is 1 for a pair */
    double *heads_l1;            /* [L, heads] at the last token, or NULL */
    float *logits;               /* [vocab] of the last token */
    struct weft_arrays *tensors; /* x, ptc, ftc, ptc_attn, …, logits; or NULL */
    int64_t peak_bytes;          /* plans and arenas in use at once */
} weft_tuco_reading;

/* ids [n] I64 in the tuned model's vocabulary. Errors: no tokens, more than the context, an id out of range, NaN. */
WEFT_API weft_status weft_tuco_read(weft_tuco *, const int64_t *ids, int64_t n, const weft_tuco_request *,
                                    weft_tuco_reading **out);
/* Several prompts: with stream_layers all of them pass through a layer before the next is read. On failure no reading is left. */
WEFT_API weft_status weft_tuco_read_all(weft_tuco *, const int64_t *const *ids, const int64_t *n, int64_t count,
                                        const weft_tuco_request *, weft_tuco_reading **out);
WEFT_API void weft_tuco_reading_free(weft_tuco_reading *);

/* Generating: after each step the caller chooses the next token from logits [vocab] of the tuned (or steered) model; `tuco` is
 * that of the position whose logits these are. Two KV caches, both of the same stream. */
typedef struct weft_tuco_run weft_tuco_run;
WEFT_API weft_status weft_tuco_start(weft_tuco *, const int64_t *ids, int64_t n, int64_t most_new, double alpha,
                                     weft_tuco_run **out);
/* The same with a reading of the prompt at the request's alpha, both from one pass (two where ropes depend on the length). */
WEFT_API weft_status weft_tuco_read_and_start(weft_tuco *, const int64_t *ids, int64_t n, int64_t most_new,
                                              const weft_tuco_request *, weft_tuco_reading **reading, weft_tuco_run **out);
WEFT_API const float *weft_tuco_run_logits(const weft_tuco_run *);
WEFT_API double weft_tuco_run_tuco(const weft_tuco_run *);
WEFT_API weft_status weft_tuco_next(weft_tuco_run *, int64_t id); /* appends a token and runs it */
WEFT_API void weft_tuco_run_free(weft_tuco_run *);

/* ---- Groups of prompts. ---- */

/* P(score of a positive > score of a negative) + ½ P(equal), by mid-ranks; NaN when a class is missing. labels 0 or 1. */
WEFT_API double weft_tuco_auc(const double *scores, const unsigned char *labels, int64_t n);
/* Label 0 is to be detected as a low score: the share of label 0 strictly below the largest threshold at which the share of label
 * 1 below it is at most `fpr`; the threshold in *threshold where not NULL. */
WEFT_API double weft_tuco_tpr(const double *scores, const unsigned char *labels, int64_t n, double fpr, double *threshold);
/* 95 % interval of the AUC by `rounds` seeded resamples within each class. */
WEFT_API weft_status weft_tuco_auc_interval(const double *scores, const unsigned char *labels, int64_t n, int rounds,
                                            uint64_t seed, double *low, double *high);
/* Choice of alpha by folds, row i being in fold i mod folds: correct [alphas, n] 0 or 1; per fold the alpha best (or worst:
 * maximise false) on the others, ties to the value nearest 1, scores the fold. Answers the mean of the folds' scores less the
 * score at alpha = 1 (index `one`). */
WEFT_API weft_status weft_tuco_delta_cv(const unsigned char *correct, const double *alpha, int alphas, int64_t n, int one,
                                        int folds, bool maximise, double *out);

#ifdef __cplusplus
}
#endif
#endif
