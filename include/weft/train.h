/* Weft, train layer: optimisers, schedules, checkpoints that survive a kill at any moment, run files, and the training loop.
 *
 * A room writes three callbacks and fills a job; everything else is here. Example:
 *
 *     weft_optimizer_options options = WEFT_ADAMW(0.01);
 *     weft_optimizer_new(engine, params, &options, &optimizer);
 *     weft_schedule schedule = {WEFT_COSINE, .peak = 1e-3, .floor = 1e-4, .warmup = 100, .steps = 5000};
 *     weft_train_job job = {.params = params, .optimizer = optimizer, .schedule = &schedule, .folder = "out", .seed = 1,
 *                           .steps_per_epoch = 50, .max_epochs = 100, .patience = 16,
 *                           .user = room, .step = room_step, .evaluate = room_evaluate};
 *     weft_train_result result;
 *     if (weft_train(&job, &result) != WEFT_OK)
 *         fprintf(stderr, "weft: %s\n", weft_error());
 *
 * where room_step binds a batch, runs a session whose fetches are the loss and "grad.NAME" for each parameter NAME, and hands
 * the session back. Nothing here has hidden state: a batch order comes from (seed, epoch), dropout from (seed, step), so that a
 * run killed and resumed gives the bits of one that was left alone. Results do not depend on the number of threads.
 */
#ifndef WEFT_TRAIN_H
#define WEFT_TRAIN_H

#include "weft/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct weft_arrays weft_arrays; /* named arrays: io/io.h */

/* ---- Optimisers. ----------------------------------------------------------------------------------------------------------- */

typedef enum weft_optimizer_kind {
    WEFT_OPTIMIZER_ADAMW, /* θ ← θ(1 − lr·decay) − lr·m̂/(√v̂ + ε) (Loshchilov and Hutter, arXiv 1711.05101) */
    WEFT_OPTIMIZER_SGD /* g ← g + decay·θ; b ← momentum·b + g; θ ← θ − lr·b, or with Nesterov θ − lr·(g + momentum·b) */
} weft_optimizer_kind;

/* A row of settings for some parameters. */
typedef struct weft_parameter_group {
    const char *pattern;                                          /* shell wildcards on the whole name; NULL: any name */
    bool (*covers)(void *user, const char *name, weft_dims dims); /* and this, unless NULL */
    void *user;
    double rate; /* factor on the learning rate; 0: frozen, neither parameter nor moments change */
    double weight_decay;
} weft_parameter_group;

/* A predicate for groups: true for vectors and scalars (biases, norm weights), which many recipes do not decay. */
WEFT_API bool weft_covers_vectors(void *user, const char *name, weft_dims dims);

typedef struct weft_optimizer_options {
    weft_optimizer_kind kind;
    double weight_decay;      /* of parameters that no group covers */
    double beta1, beta2, eps; /* AdamW */
    bool bf16_moments;        /* AdamW: both moments are stored in BF16, rounded up or down at random by `seed`, so that
                               * small changes are kept in the mean; else in the parameter's type */
    uint64_t seed;
    double momentum;                    /* SGD */
    bool nesterov;                      /* SGD */
    double clip_norm;                   /* gradients are scaled so that their joint 2-norm is at most this; 0: no clipping */
    double clip_value;                  /* each gradient element is first cut to ± this; 0: not cut */
    const weft_parameter_group *groups; /* the first that covers a parameter counts; read by weft_optimizer_new only */
    int group_count;
    double ema_decay; /* d of the moving average e ← d·e + (1 − d)·θ after each step; 0: none kept */
    bool ema_warmup;  /* d is min(d, (1 + t)/(10 + t)) at step t = 1, 2, … */
} weft_optimizer_options;

#define WEFT_ADAMW(decay) \
    ((weft_optimizer_options){.kind = WEFT_OPTIMIZER_ADAMW, .weight_decay = (decay), .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8})
#define WEFT_SGD(momentum_) ((weft_optimizer_options){.kind = WEFT_OPTIMIZER_SGD, .momentum = (momentum_)})

typedef struct weft_optimizer weft_optimizer;

/* Takes note of every F32 and F64 parameter of the set (moments are made, in the parameter's type, when its first gradient
 * comes). Engine and params must outlive the optimiser. */
WEFT_API weft_status weft_optimizer_new(weft_engine *, weft_params *, const weft_optimizer_options *, weft_optimizer **out);
WEFT_API void weft_optimizer_free(weft_optimizer *);

/* One step at learning rate `rate` with the gradients that the session's last run computed: fetches named "grad.NAME". A
 * parameter without such a fetch gets no update; one whose gradient is zero does (moments decay). Gradients accumulated before
 * are added; session NULL: those alone. A gradient with NaN or Inf is refused (ERROR_NUMERIC, names it); then no parameter
 * or moment has changed, but what was accumulated is gone.
 * The set's version moves, so sessions see the new values. */
WEFT_API weft_status weft_optimizer_step(weft_optimizer *, weft_session *, double rate);
/* Adds weight · gradients of the session's last run to what the next step uses. */
WEFT_API weft_status weft_optimizer_accumulate(weft_optimizer *, weft_session *, double weight);
/* Forgets what was accumulated. */
WEFT_API void weft_optimizer_discard(weft_optimizer *);
/* The same step with gradients from elsewhere: grads[i] has names[i]'s shape and type. */
WEFT_API weft_status weft_optimizer_apply(weft_optimizer *, const char *const *names, const weft_tensor *grads, int n,
                                          double rate);

WEFT_API int64_t weft_optimizer_steps(const weft_optimizer *); /* steps done */
WEFT_API double
weft_optimizer_norm(const weft_optimizer *); /* joint 2-norm of the last step's gradients, before clipping by norm */

/* Exchanges the parameters and their moving averages, for evaluation; the second call exchanges them back. While they are
 * exchanged steps and checkpoints are refused. Fails when no average is kept. */
WEFT_API weft_status weft_optimizer_swap_ema(weft_optimizer *);

/* ---- Schedules. ------------------------------------------------------------------------------------------------------------ */

typedef enum weft_schedule_kind { WEFT_CONSTANT, WEFT_LINEAR, WEFT_COSINE, WEFT_SCHEDULE_COUNT } weft_schedule_kind;

/* How the first `warmup` steps rise. */
typedef enum weft_warmup_kind {
    WEFT_WARMUP_RISING,    /* peak·(step + 1)/warmup; the decay begins after it */
    WEFT_WARMUP_FROM_ZERO, /* peak·step/(warmup − 1), both ends included (0 for a single step); the decay begins after it */
    WEFT_WARMUP_OVERLAID,  /* min(1, (step + 1)/warmup) times a decay that begins at step 0 */
    WEFT_WARMUP_COUNT
} weft_warmup_kind;

typedef struct weft_schedule {
    weft_schedule_kind kind;
    double peak, floor;    /* from peak to floor; constant: peak */
    int64_t warmup, steps; /* steps: where the floor is reached, warm-up included; later steps stay there */
    weft_warmup_kind warmup_kind;
} weft_schedule;

/* The learning rate of step 0, 1, 2, … */
WEFT_API double weft_schedule_rate(const weft_schedule *, int64_t step);
/* Refuses what makes no sense: a warm-up longer than the run, rates that are negative or not finite. */
WEFT_API weft_status weft_schedule_check(const weft_schedule *);

/* The order in which epoch `epoch` visits n examples: a permutation of 0 … n−1 drawn from (seed, epoch). */
WEFT_API void weft_epoch_order(uint64_t seed, int64_t epoch, int64_t n, int64_t *out);

/* ---- Checkpoints. ---------------------------------------------------------------------------------------------------------- */

typedef struct weft_train_state {
    int64_t step, epoch;
    uint64_t seed;
    const char *extra_json; /* the run's own JSON value; NULL: none */
    weft_arrays *extra;     /* the run's own arrays; NULL: none */
} weft_train_state;

/* Writes parameters, optimiser (NULL: none) and state into the folder: tensors as trainer-GENERATION.safetensors, then
 * trainer.json, which names that file with its size and checksum, by an atomic rename; older generations are removed last.
 * Whenever the process is killed, the old checkpoint or the new one is there whole. A full disk leaves the old one. */
WEFT_API weft_status weft_checkpoint_save(const char *folder, const weft_params *, const weft_optimizer *,
                                          const weft_train_state *);
/* Reads it back: the parameters' values go into the set (missing ones are added, another shape or type is an error), moments,
 * averages and accumulations into the optimiser (NULL: skipped), *state is filled. Missing, truncated, changed or mixed files
 * are refused by name, before anything is touched. */
WEFT_API weft_status weft_checkpoint_load(const char *folder, weft_params *, weft_optimizer *, weft_train_state *state);
WEFT_API void weft_train_state_free(weft_train_state *); /* what weft_checkpoint_load allocated in it */
WEFT_API bool weft_checkpoint_exists(const char *folder);
WEFT_API weft_status weft_checkpoint_remove(const char *folder); /* trainer.json first; fine when there is none */

/* XXH64 with seed 0 of a file's bytes, as `xxhsum -H1` prints it (specification: xxHash, doc/xxhash_spec.md). */
WEFT_API weft_status weft_file_checksum(const char *path, uint64_t *checksum, int64_t *bytes);
WEFT_API uint64_t weft_checksum(const void *bytes, size_t size);

/* ---- Run files: run.json and metrics.jsonl in the run's folder. ------------------------------------------------------------ */

typedef struct weft_run_info {
    const char *const *command; /* the command line's words; NULL: not known */
    int command_count;
    const char *const *data; /* files that the run reads: their checksums are kept, and compared when it is resumed */
    int data_count;
    int threads;
    const char *level; /* weft_engine_level */
} weft_run_info;

typedef struct weft_run_log weft_run_log;

/* Makes the folder, writes run.json, starts metrics.jsonl and holds the folder for this process. A folder with a checkpoint of
 * an unfinished run is refused unless `resume`; with `resume`, a folder with no run or a finished one, another seed, or data
 * that has changed are. */
WEFT_API weft_status weft_run_log_open(const char *folder, const weft_run_info *, uint64_t seed, bool resume, weft_run_log **out);
WEFT_API void weft_run_log_free(weft_run_log *);
/* Appends a line: {"step": …, "epoch": …, and the members of the JSON object `members` (NULL: none)}. Reaches the system at once.
 */
WEFT_API weft_status weft_run_log_add(weft_run_log *, int64_t step, int64_t epoch, const char *members);
/* Bytes of metrics.jsonl, all of them on the disk when this returns: what a checkpoint remembers … */
WEFT_API weft_status weft_run_log_sync(weft_run_log *, int64_t *length);
/* … and goes back to, so that no line is doubled. */
WEFT_API weft_status weft_run_log_rewind(weft_run_log *, int64_t length);
/* Marks the run in run.json: "interrupted", "failed" or "finished", with `summary`, a JSON value (NULL: none). */
WEFT_API weft_status weft_run_log_mark(weft_run_log *, const char *status, const char *summary);
WEFT_API bool weft_run_finished(const char *folder);
/* Refuses a seed, or data, that are not those of the folder's run, as a resumed run does. */
WEFT_API weft_status weft_run_same(const char *folder, const weft_run_info *, uint64_t seed);
/* Removes run.json and the checkpoint, so that a new run can begin where one was left unfinished. */
WEFT_API weft_status weft_run_forget(const char *folder);
/* The same with its metrics.jsonl and model.safetensors, and the folder when nothing else is in it; none there is fine. */
WEFT_API weft_status weft_run_remove(const char *folder);
WEFT_API bool weft_run_begun(const char *folder); /* there is a run.json */

/* ---- The training loop. ---------------------------------------------------------------------------------------------------- */

typedef struct weft_train_job {
    weft_params *params;
    weft_optimizer *optimizer;
    const weft_schedule *schedule; /* NULL: the constant `rate` */
    double rate;
    int64_t steps_per_epoch; /* at least 1 */
    int64_t max_epochs;      /* 0: until patience is at an end */
    int64_t patience;        /* stop after more than this many epochs without a strictly better score; < 0: never */
    uint64_t seed;
    const char *folder;        /* NULL: nothing is written, nothing can be resumed */
    const weft_run_info *run;  /* for run.json; NULL: no more than the seed is known */
    bool resume;               /* go on from the folder's checkpoint, or from the start where the run made none yet */
    int64_t checkpoint_steps;  /* a checkpoint each so many steps; 0: not by steps */
    int64_t checkpoint_epochs; /* … and epochs; 0: not by epochs. One is always made when the user interrupts. */
    double checkpoint_seconds; /* … but none sooner than so long after the last one, or after the start; 0: each that is due */
    int64_t log_steps;         /* a line in metrics.jsonl each so many steps; 0: one an epoch only */
    bool evaluate_ema;         /* evaluate and keep the moving averages in place of the parameters */
    bool keep_last;            /* the last weights are kept, not the best: no copy of the best is held in memory */
    bool step_updates;         /* `step` makes the optimiser's step, too, and leaves *gradients NULL */
    void *user;                /* handed to every callback */

    /* Runs step `step_in_epoch` of `epoch` (both from 0; the run's step is epoch · steps_per_epoch + step_in_epoch) up to its
     * gradients; *loss: the batch's loss; *gradients: the session that holds them, or left NULL when they were accumulated. */
    weft_status (*step)(void *user, int64_t epoch, int64_t step_in_epoch, double *loss, weft_session **gradients);
    /* After each epoch: *score, higher is better; `metrics`: a JSON object may be added to it. NULL: the score is −mean loss. */
    weft_status (*evaluate)(void *user, int64_t epoch, double *score, weft_text *metrics);
    /* After each evaluation, and where a resumed run stands at one: true ends the run as patience would. NULL: never. */
    bool (*enough)(void *user, int64_t epochs, double best_score);
    /* At the end, with the best weights in the parameters: writes the model. NULL: model.safetensors into the folder. */
    weft_status (*finish)(void *user);
    /* What else a checkpoint must hold: a JSON value, arrays. NULL: nothing. */
    weft_status (*save)(void *user, weft_text *json, weft_arrays *arrays);
    weft_status (*load)(void *user, const char *json, const weft_arrays *arrays);
    /* total 0: not known; phase: "training" (in steps) or "evaluating" (in epochs) */
    void (*progress)(void *user, const char *phase, int64_t done, int64_t total, const char *note);
} weft_train_job;

typedef struct weft_train_result {
    int64_t steps, epochs; /* done */
    int64_t best_epoch;    /* from 0; −1: none was evaluated */
    double best_score;
    double last_loss; /* mean over the last whole epoch */
} weft_train_result;

/* Trains. On success the best weights are in the set, the model is written, checkpoint files are gone and run.json says
 * "finished". A loss or score that is NaN or Inf stops the run (ERROR_NUMERIC: step, the first tensor at fault, the last
 * checkpoint); weft_interrupt() makes a checkpoint and ends it (ERROR_INTERRUPTED). */
WEFT_API weft_status weft_train(const weft_train_job *, weft_train_result *out); /* out NULL: not wanted */

#ifdef __cplusplus
}
#endif
#endif
