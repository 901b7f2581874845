/* Tuning: a study is a folder with a journal (train/journal.h) of trials, each of them one training run with other settings. Any
 * number of processes work on one study; a process that is killed leaves its trial to the next one that looks, which goes on with
 * it from its checkpoint. One process, killed and resumed as often as one likes, makes the same trials as one that was left
 * alone.
 *
 *     weft_study_options o = {.folder = "out", .engine = engine, .config = &config, .fit = &fit, .train = train, .val = val, …};
 *     weft_study *s;
 *     weft_study_open(&o, &s);
 *     weft_study_work(s);                      here, or in several processes that have each opened it
 *     const weft_study_trial *best = weft_study_best(s);
 */
#ifndef WEFT_TABULAR_STUDY_H
#define WEFT_TABULAR_STUDY_H

#include "tabular/space.h"

/* Successive halving (Jamieson and Talwalkar, AISTATS 2016; asynchronous: Li et al., MLSys 2020): at these numbers of epochs a
 * trial goes on only while its best score so far is among the better third of all that came as far. */
enum { WEFT_RUNGS = 5, WEFT_HALVING = 3 };
extern const int64_t weft_rung_epochs[WEFT_RUNGS];

typedef enum weft_trial_state { WEFT_TRIAL_RUNNING, WEFT_TRIAL_COMPLETE, WEFT_TRIAL_PRUNED, WEFT_TRIAL_FAILED } weft_trial_state;
extern const char *const weft_trial_state_names[];

typedef struct weft_study_trial {
    weft_trial_state state;
    double value[WEFT_SPACE_AXES]; /* NaN: not asked for */
    double score;                  /* best on validation, higher is better; NaN while running or failed */
    int64_t epochs, best_epoch;    /* best_epoch from 0 */
    double seconds;
    int rungs;
    double rung[WEFT_RUNGS]; /* best score at weft_rung_epochs */
} weft_study_trial;

typedef struct weft_study_options {
    const char *folder;
    weft_engine *engine;               /* NULL: opened to look at, not to work */
    const weft_tabular_config *config; /* what no setting says */
    const weft_fit_options *fit;       /* likewise; its callbacks are not used, its `run` names the data */
    const weft_space *space;
    const weft_rows_data *train, *val;
    int64_t trials; /* in all, those of earlier processes included */
    double seconds; /* this process begins no trial later than so much after it began to work; ≤ 0: no such limit */
    bool prune;
    void *user;
    void (*epoch)(void *user, int64_t trial, int64_t epoch,
                  double value);              /* of the measure, of this process' trial; NULL: not wanted */
    void (*ended)(void *user, int64_t trial); /* a trial of any process ended, since this one opened the study */
} weft_study_options;

typedef struct weft_study weft_study;

/* Begins the study in its folder, or joins the one that is there: with other settings, seed or data that is refused. */
weft_status weft_study_open(const weft_study_options *, weft_study **out);
void weft_study_close(weft_study *);
/* Makes trials until there are enough of them and all have ended (those that other processes are at are waited for). The weights
 * of the best complete trial are kept in FOLDER/trials/K/model.safetensors, the others are removed. */
weft_status weft_study_work(weft_study *);
/* Reads what other processes have added. */
weft_status weft_study_look(weft_study *);

int64_t weft_study_count(const weft_study *);
const weft_study_trial *weft_study_trial_at(const weft_study *, int64_t i);
int64_t weft_study_best(const weft_study *); /* the complete trial of the highest score, the first of several; −1: none */
/* FOLDER/trials/K, malloc'd; NULL with the error set. */
char *weft_study_trial_folder(const weft_study *, int64_t trial);
/* The first trial is the model as it is without tuning. It does not stop at a rung, so that tuning never ends with less. The
 * others are suggested. */
bool weft_study_is_start(int64_t trial);
/* Removes the folder in which an ensemble of a trial's settings was trained, FOLDER/trials/K/ensemble. */
weft_status weft_study_drop_ensemble(const char *path);
/* The configuration and options of a trial. */
void weft_study_settings(const weft_study *, int64_t trial, weft_tabular_config *config, weft_fit_options *fit);

bool weft_study_begun(const char *folder); /* there is a journal */
/* The frequency scale of the model that the study in the folder begins with; 0: there is none, or it embeds no numbers so. */
weft_status weft_study_kept_scale(const char *folder, double *scale);
weft_status weft_study_forget(const char *folder); /* removes the journal and the trials */

/* ---- the journal's lines, for study.c and for tests ---- */

/* A table of trials that lines are read into. Zero-initialise; `settings` is the text of the first line's object. */
typedef struct weft_study_table {
    const weft_space *space;
    weft_study_trial *trial;
    int64_t count, capacity;
    char *settings;
} weft_study_table;

/* One line of a journal. `where` for messages. Lines may come in any order that makes sense: the settings first, a trial's
 * beginning before its rungs and its end, trial K + 1 after trial K. */
weft_status weft_study_take_line(weft_study_table *, const char *text, size_t length, const char *where, int64_t number);
void weft_study_table_free(weft_study_table *);

/* Whether a trial that stands at rung r with `score` stops there, judged by all trials that have come as far, itself included. */
bool weft_study_stops(const weft_study_table *, int64_t trial, int rung);

#endif
