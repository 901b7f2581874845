/* The training loop from inside: what it counts, and how that goes to and from a checkpoint. */
#ifndef WEFT_TRAIN_LOOP_H
#define WEFT_TRAIN_LOOP_H

#include "weft/train.h"

typedef struct weft_loop {
    const weft_train_job *job;
    weft_run_log *log;  /* NULL: nothing is written */
    weft_params *best;  /* the weights of the best epoch */
    int64_t step;       /* steps done */
    int64_t evaluated;  /* epochs evaluated: behind step / steps_per_epoch by one, between an epoch's last step and its score */
    int64_t best_epoch; /* −1: none yet */
    int64_t worse;      /* epochs since then */
    int64_t saved;      /* step of the last checkpoint; −1: none */
    double best_score, loss_sum /* of this epoch */, last_loss /* mean over the last whole epoch */;
} weft_loop;

weft_status weft_loop_save(weft_loop *);      /* a checkpoint, where there is a folder */
weft_status weft_loop_load(weft_loop *);      /* from the folder's checkpoint */
weft_status weft_loop_keep_best(weft_loop *); /* copies the parameters */

#endif
