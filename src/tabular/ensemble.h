/* Ensembles: several models of one configuration that differ in their seeds (spec 4.5). Their weights lie in one set, under
 * members.K.NAME; candidates and schema are shared. What they predict is the mean of their probabilities, or of their
 * standardised values. */
#ifndef WEFT_TABULAR_ENSEMBLE_H
#define WEFT_TABULAR_ENSEMBLE_H

#include "tabular/fit.h"

/* A set of its own with the weights of member `member`, under their plain names. */
weft_status weft_ensemble_take(const weft_params *all, int64_t member, weft_params **out);
/* Copies `one` into `all` as member `member`. */
weft_status weft_ensemble_put(weft_params *all, int64_t member, const weft_params *one);

/* outputs: [members][rows, outputs], what weft_predictor_run answers for each member. out [rows, outputs] answers the same kind
 * of numbers for all of them together: the mean of the values (regression), or logits whose probabilities are the mean of the
 * members' probabilities. */
void weft_ensemble_mean(const weft_tabular_config *, int64_t rows, int64_t members, const double *const *outputs, double *out);
/* The gradient of Σ cotangent · mean by what one member answered, `output`: all [rows, outputs]; mean is weft_ensemble_mean's. */
void weft_ensemble_mean_gradient(const weft_tabular_config *, int64_t rows, int64_t members, const double *output,
                                 const double *mean, const double *cotangent, double *out);

/* What a row of the table rests on in several members: context, probs, distance [members][m] → [m] of the union, largest weight
 * first (then the smaller candidate). A weight is the mean over all members (0 where one did not look there), a distance the mean
 * over those that did. scratch: room for members · m. */
typedef struct weft_ensemble_neighbor {
    int64_t candidate, members; /* members: how many looked at it */
    double weight, distance;
} weft_ensemble_neighbor;
void weft_ensemble_merge(int64_t members, int64_t m, weft_ensemble_neighbor *scratch, int64_t *context, double *probs,
                         double *distance);

/* ---- prediction: what weft_predictor does for a configuration of more than one member ---- */

typedef struct weft_ensemble weft_ensemble;
weft_status weft_ensemble_new(weft_engine *, const weft_tabular_config *, weft_params *, const weft_rows_data *candidates,
                              weft_ensemble **out);
void weft_ensemble_free(weft_ensemble *);
weft_status weft_ensemble_refresh(weft_ensemble *);
weft_status weft_ensemble_run(weft_ensemble *, const weft_rows_data *rows, bool own, double *output, int64_t *context,
                              double *probs, double *distance);

/* As weft_predictor_without: a member that did not look at the removed row answers as before. */
weft_status weft_ensemble_without(weft_ensemble *, const weft_rows_data *rows, const int64_t *removed, int64_t k, double *output);

/* ---- training ---- */

/* Trains `members` models with the seeds options->seed, + 1, … and leaves their weights in `params`. With a folder, member K
 * trains in FOLDER/members/K, each with its own checkpoints, so that a run which was killed goes on where it stood;
 * options->finish is called once all are there, then that folder is removed and FOLDER/metrics.jsonl holds the lines of all, each
 * with its "member". results [members]. One member: weft_fit. */
weft_status weft_fit_members(weft_engine *, const weft_tabular_config *, weft_params *, const weft_rows_data *train,
                             const weft_rows_data *val, const weft_fit_options *, int64_t members, weft_train_result *results);

/* Whether the folder holds the members of an unfinished run. */
bool weft_members_begun(const char *folder);
/* Removes them. */
weft_status weft_members_forget(const char *folder);

#endif
