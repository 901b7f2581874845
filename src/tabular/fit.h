/* Training a tabular model and predicting with it: what lies between the graphs (tabr.h), the host's search (retrieval.h) and the
 * training loop (weft/train.h). */
#ifndef WEFT_TABULAR_FIT_H
#define WEFT_TABULAR_FIT_H

#include "io/io.h"
#include "tabular/metrics.h"
#include "tabular/retrieval.h"
#include "weft/train.h"

/* ---- prediction ---- */

typedef struct weft_predictor weft_predictor;

/* `candidates` are read by TabR only; config, params and candidates are borrowed. */
weft_status weft_predictor_new(weft_engine *, const weft_tabular_config *, weft_params *, const weft_rows_data *candidates,
                               weft_predictor **out);
void weft_predictor_free(weft_predictor *);

/* Call after the parameters have changed: keys of the candidates are made anew. */
weft_status weft_predictor_refresh(weft_predictor *);

/* output [rows, outputs]: standardised regression values, or logits. own: the rows are the candidates themselves
 * (all, or a view of them), each excluded from its own context. context, probs, distance [rows, m]: candidate numbers, nearest
 * first, their weights, and squared distances in key space; NULL: not wanted. An ensemble answers for all its members: outputs as
 * weft_ensemble_mean says, and of the rows that any of them looked at the m of the largest mean weight, heaviest first. */
weft_status weft_predictor_run(weft_predictor *, const weft_rows_data *rows, bool own, double *output, int64_t *context,
                               double *probs, double *distance);

/* What the output of each row would be without one candidate: removed [rows, k] → output [rows, k, outputs], to the bit what a
 * table without that candidate gives (the next nearest takes its place). TabR only. */
weft_status weft_predictor_without(weft_predictor *, const weft_rows_data *rows, const int64_t *removed, int64_t k,
                                   double *output);

/* logits [rows, outputs] → probabilities: binary [rows] of class 1, multiclass [rows, classes]; in place. Regression: as it is.
 */
void weft_probabilities(const weft_tabular_config *, int64_t rows, double *output);

/* Metrics of values (standardised, or probabilities) against the rows' targets; mean and sd are the target's (regression). */
weft_status weft_value_metrics(const weft_tabular_config *, const weft_rows_data *rows, const double *value, double mean,
                               double sd, weft_metrics *out);
/* The same of outputs as the network gives them. */
weft_status weft_fit_metrics(const weft_tabular_config *, const weft_rows_data *rows, const double *output, double mean,
                             double sd, weft_metrics *out);

/* ---- training ---- */

typedef struct weft_fit_options {
    double lr, weight_decay;
    bool decay_all; /* weight decay on every parameter, as in all published results (spec 4.2) */
    int64_t batch_size, max_epochs, patience;
    uint64_t seed;
    uint64_t rows_sum;  /* of what the parts hold (weft_rows_sum): a resumed run must have the same; 0: not known */
    const char *folder; /* NULL: nothing is written */
    bool resume;
    int64_t checkpoint_steps;  /* 0: an epoch */
    double checkpoint_seconds; /* as in weft_train_job */
    const weft_run_info *run;
    double target_mean, target_sd;
    const weft_measure *measure; /* of the validation part, chooses the epoch that is kept; NULL: that of the task */
    int64_t
        context_freeze; /* from this epoch on (0: from the first) training keeps the contexts that it has; -1: never (spec 2.9) */
    bool include_self;  /* the mutation of spec 10.11: rows may retrieve themselves in training */
    void *user;
    void (*progress)(void *user, const char *phase, int64_t done, int64_t total, const char *note);
    void (*epoch)(void *user, int64_t epoch, double train_loss, const weft_metrics *val, bool best); /* NULL: not wanted */
    bool (*enough)(void *user, int64_t epochs, double best_score);                                   /* as in weft_train_job */
    /* of an ensemble: member (from 0) begins (result NULL), or has been trained; NULL: not wanted */
    void (*member)(void *user, int64_t member, const weft_train_result *result);
    weft_status (*finish)(void *user); /* writes the model with the best weights; NULL: model.safetensors */
} weft_fit_options;

/* TabR-S defaults: lr, weight decay, decay_all, patience 16; batch size by the number of rows. */
weft_fit_options weft_fit_default(int64_t train_rows);

/* What the validation part is judged by. */
const weft_measure *weft_fit_measure(const weft_tabular_config *, const weft_fit_options *);

/* Whether there are rows enough for the context of each. */
weft_status weft_fit_check(const weft_tabular_config *, const weft_rows_data *train);

/* Trains `params` (initialised from the seed where they are missing) on `train`, stopping by the score on `val`. */
weft_status weft_fit(weft_engine *, const weft_tabular_config *, weft_params *, const weft_rows_data *train,
                     const weft_rows_data *val, const weft_fit_options *, weft_train_result *out);

/* The configuration and the options that a resumed run must share with the run it goes on with, as JSON text; and the first of
 * them in which such a text differs, as an error. */
void weft_fit_settings(const weft_tabular_config *, const weft_fit_options *, weft_text *out);
weft_status weft_settings_same(const char *folder, const char *kept, const char *now); /* of two such texts */
weft_status weft_fit_same_settings(const weft_tabular_config *, const weft_fit_options *, const char *kept);

/* Writes FOLDER/settings.json, for trainings in folders below it; when resuming, compares with what is there. */
weft_status weft_fit_keep_settings(const char *folder, const weft_tabular_config *, const weft_fit_options *);
weft_status weft_fit_drop_settings(const char *folder);

/* What run.json says of a run that is finished; and of each member of an ensemble, [members] (1: of the model). */
weft_status weft_fit_result(const char *folder, weft_train_result *out);
weft_status weft_fit_results(const char *folder, int64_t members, weft_train_result *out);

/* One training step up to its gradients, for tests and benchmarks: rows of `train`, at (seed, step). */
typedef struct weft_stepper weft_stepper;
weft_status weft_stepper_new(weft_engine *, const weft_tabular_config *, weft_dtype, weft_params *, const weft_rows_data *train,
                             int64_t batch, weft_stepper **out);
void weft_stepper_free(weft_stepper *);
void weft_stepper_include_self(weft_stepper *, bool include);
/* Context freeze: the contexts of all training rows with the weights as they are, without dropout; later steps use them in place
 * of a search. weft_stepper_frozen: [rows, m], NULL before; weft_stepper_restore takes such a table over from a checkpoint. */
weft_status weft_stepper_freeze(weft_stepper *);
int32_t *weft_stepper_frozen(const weft_stepper *);
weft_status weft_stepper_restore(weft_stepper *, const int32_t *frozen);
/* rows [count ≤ batch]; *session holds "loss" and "grad.NAME". */
weft_status weft_stepper_run(weft_stepper *, const int64_t *rows, int64_t count, uint64_t seed, uint64_t step, double *loss,
                             weft_session **session);

#endif
