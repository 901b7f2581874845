/* Choosing settings by what earlier trials scored: the tree-structured Parzen estimator (Bergstra et al., NeurIPS 2011), one
 * setting at a time, with the rules of Optuna's default sampler (version 4, univariate): the first 10 trials are random; then the
 * best tenth of the trials (25 at most) and the others each give a density of a setting's good and of its other values, 24 values
 * are drawn from the good one, and the one where good exceeds other the most is taken.
 *
 * Nothing here has a state: a suggestion follows from the trials before it, the seed and the trial's number. */
#ifndef WEFT_TRAIN_TPE_H
#define WEFT_TRAIN_TPE_H

#include "weft/base.h"

typedef enum weft_axis_kind { WEFT_AXIS_REAL, WEFT_AXIS_INTEGER, WEFT_AXIS_CHOICE } weft_axis_kind;

/* A setting that is searched for. */
typedef struct weft_axis {
    const char *name;
    weft_axis_kind kind;
    double least, most; /* both ends included; a choice is an integer from 0 to most */
    bool log;           /* real: uniform in the logarithm */
} weft_axis;

/* A trial that has ended. */
typedef struct weft_tpe_trial {
    const double *value; /* [axes]; NaN: this trial was not asked for that setting */
    double score;        /* higher is better */
    bool pruned;         /* stopped early, after `epochs` */
    int64_t epochs;
} weft_tpe_trial;

/* The value of axes[axis] for trial `number`; trials: all that have ended, in the order of their numbers. */
weft_status weft_tpe_suggest(const weft_axis *axes, int axis, const weft_tpe_trial *trials, int64_t count, uint64_t seed,
                             int64_t number, double *out);

/* Which trials count as good: below[count]. Those that were completed come before those that were pruned; of the latter the later
 * ones come first. */
weft_status weft_tpe_split(const weft_tpe_trial *trials, int64_t count, bool *below);

/* A mixture of one kernel an observation and one wide kernel, the last: normal distributions cut at the axis' ends, or choices.
 */
typedef struct weft_parzen {
    const weft_axis *axis;
    int64_t kernels;
    double low, high; /* of numbers: the axis' ends, as logs where it is logarithmic; an integer's cells end ½ outside */
    double *weight, *mu, *sigma; /* [kernels]; sigma is 0 for choices, mu the choice or −1 */
} weft_parzen;

/* observations [count], in the order of their trials: those beyond the last 25 weigh less. */
weft_status weft_parzen_new(const weft_axis *, const double *observations, int64_t count, weft_parzen *out);
void weft_parzen_free(weft_parzen *);
/* log density, in the logarithm of x where the axis is logarithmic; log probability of integers and choices. */
double weft_parzen_log_density(const weft_parzen *, double x);
/* The value for two uniform numbers in (0, 1): the first picks a kernel, the second a place in it. */
double weft_parzen_draw(const weft_parzen *, double pick, double place);

#endif
