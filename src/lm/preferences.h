/* Preferences (DPO, arXiv 2305.18290): rows 2i chosen and 2i + 1 rejected, what the reference thinks of them, and how often and
 * by how much the chosen one gains more. */
#ifndef WEFT_LM_PREFERENCES_H
#define WEFT_LM_PREFERENCES_H

#include "lm/fit.h"

typedef struct weft_lm_pairs {
    const weft_lm_data *data;
    const weft_lm_rows *rows;
    double *reference; /* [rows] summed losses of the frozen start weights */
} weft_lm_pairs;

/* Rewards are beta times a response's gain of log-probability over the reference. */
typedef struct weft_lm_rewards {
    double margin; /* Σ chosen − rejected */
    int64_t right, seen;
} weft_lm_rewards;

int64_t weft_lm_pairs_count(const weft_lm_pairs *);
/* The inputs of pairs which[0 … batch), −1 being none: all chosen ones, then all rejected ones. */
weft_status weft_lm_pairs_fill(const weft_lm_pairs *, const int64_t *which, int64_t batch, weft_lm_pass *);
/* Measures the reference by a pass without gradients: with an adapter those of the base, since its B starts at zero. */
weft_status weft_lm_pairs_measure(weft_lm_pairs *, int64_t batch, weft_lm_pass *);
/* Adds what the pass has just made of these pairs. */
weft_status weft_lm_pairs_reward(const weft_lm_pairs *, const int64_t *which, int64_t batch, double beta, weft_lm_pass *,
                                 weft_lm_rewards *);
/* Mean loss and rewards of pairs [0, count). */
weft_status weft_lm_pairs_score(const weft_lm_pairs *, int64_t count, int64_t batch, double beta, weft_lm_pass *, double *loss,
                                weft_lm_rewards *);

#endif
