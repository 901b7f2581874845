/* Training a language model on rows of tokens: next-token loss on the tokens that count, alone or beside a teacher's answers;
 * preferences between two responses (DPO, arXiv 2305.18290); or, for an encoder, masked words or classes. All parameters of the
 * model, or an adapter's alone. */
#ifndef WEFT_LM_FIT_H
#define WEFT_LM_FIT_H

#include "lm/data.h"
#include "lm/lm.h"
#include "lm/scores.h"
#include "weft/train.h"

typedef struct weft_lm_fit_options {
    int64_t batch, accumulate; /* rows a pass, passes a step */
    int64_t steps;             /* in all; rounded up to whole intervals */
    int64_t interval;          /* steps from evaluation to evaluation */
    int64_t evaluated;         /* validation rows looked at; 0: all */
    int64_t patience;          /* stop after more than so many evaluations without a better one; < 0: never */
    weft_schedule schedule;
    double weight_decay, beta1, beta2, eps, clip;
    double adapter_dropout;
    bool dpo;
    double beta;      /* of DPO */
    weft_lm *teacher; /* its answers are learned beside the labels (lm/teacher.h), not in DPO; NULL: none */
    double temperature, teacher_weight;
    bool bf16;         /* products in bf16 */
    bool bf16_moments; /* of AdamW */
    bool recompute;    /* blocks are computed again for their gradients instead of being kept: less memory, the same bits */
    uint64_t seed;
    const char *folder; /* NULL: nothing is written */
    const weft_run_info *run;
    bool resume;
    int64_t checkpoint_steps;
    const char *settings; /* JSON text: a run is resumed only with the same; NULL: not compared */
    void *user;
    weft_status (*finish)(void *user); /* writes the model; the best weights are in place */
    void (*epoch)(void *user, int64_t step, double train_loss, double validation_loss, bool best); /* validation NaN: none */
    void (*progress)(void *user, const char *phase, int64_t done, int64_t total, const char *note);
} weft_lm_fit_options;

/* The model's parameters as F32 of their own, to be changed: every tensor that the graph wants. Replaces lm->params. A tensor
 * that is missing is an error, or, where `fresh`, drawn from `seed`. */
weft_status weft_lm_own_weights(weft_lm *, bool fresh, uint64_t seed);

/* Trains lm->adapter->params where there is an adapter, else lm->params. `validation` may be NULL or have no rows. In DPO,
 * document 2i is chosen and 2i + 1 rejected, and rows are documents of one length, in training as in validation. */
weft_status weft_lm_fit(weft_lm *, const weft_lm_data *, const weft_lm_rows *, const weft_lm_data *validation,
                        const weft_lm_rows *validation_rows, const weft_lm_fit_options *, weft_train_result *out);

/* Mean loss over the labels of rows [0, count) (fit_measure.c). */
weft_status weft_lm_mean_loss(weft_lm *, const weft_lm_data *, const weft_lm_rows *, int64_t count, int64_t batch, bool bf16,
                              double *out);
/* The same of rows with classes or targets, and how right the answers are; the scores are begun, and freed by the caller. */
weft_status weft_lm_class_scores(weft_lm *, const weft_lm_data *, const weft_lm_rows *, int64_t count, int64_t batch, bool bf16,
                                 double *loss, weft_lm_scores *out);

/* ---- One pass (fit_pass.c). ---- */

typedef struct weft_lm_pass weft_lm_pass;
typedef struct weft_lm_pass_form {
    int64_t batch, length; /* DPO: of each of the two */
    bool segments, gradients, dpo, classes, bf16, recompute;
    int64_t targets; /* of classes: numbers a row that their head is asked for, as its problem says; 0: one of the classes */
    bool consumed;   /* gradients go to the optimiser as they are finished: weft_lm_pass_step, not weft_lm_pass_run */
    double beta, adapter_dropout;
    weft_lm *teacher; /* NULL: none */
    double temperature, teacher_weight;
} weft_lm_pass_form;

weft_status weft_lm_pass_new(weft_lm *, const weft_lm_pass_form *, weft_lm_pass **out);
void weft_lm_pass_free(weft_lm_pass *);
weft_lm_batch *weft_lm_pass_inputs(weft_lm_pass *); /* to be filled: [batch, length], DPO [2 batch, length] */
double *weft_lm_pass_reference(weft_lm_pass *);     /* DPO [2 batch]: summed losses of the start weights */
/* Runs: the loss is the sum over labels times `scale`; DPO: over pairs. */
weft_status weft_lm_pass_run(weft_lm_pass *, double scale, uint64_t seed, uint64_t step, double *loss);
/* The same with the optimiser's work inside the run: a step at `rate`, or, accumulating, gradients added to its sums. */
weft_status weft_lm_pass_step(weft_lm_pass *, double scale, uint64_t seed, uint64_t step, weft_optimizer *, double rate,
                              bool accumulating, double *loss);
/* DPO: the sums of losses [2 batch] of the last run, chosen first. */
weft_status weft_lm_pass_sums(weft_lm_pass *, double *out);
weft_session *weft_lm_pass_session(weft_lm_pass *);

#endif
