/* What the parts of a study share: its state, its files, its lines. */
#ifndef WEFT_TABULAR_STUDY_INNER_H
#define WEFT_TABULAR_STUDY_INNER_H

#include "tabular/study.h"
#include "train/journal.h"

struct weft_study {
    weft_study_options options;
    weft_journal *journal;
    weft_study_table table;
    weft_text settings; /* of this process, as the journal's first line holds them */
    bool *told;         /* [table.capacity at that time] trials whose end was told */
    int64_t told_capacity;
    double began; /* seconds of the clock when this process began to work */
    /* the trial that this process is at */
    int64_t trial;
    double trial_began;
    bool trained, stopped; /* in this process; at a rung */
    weft_status trouble;   /* of a callback that cannot answer a status */
};

/* ---- files (study_files.c) ---- */

/* FOLDER/trials, FOLDER/trials/K (trial ≥ 0), a name in it, or what a name that begins with a dot adds; and the journal.
 * malloc'd; NULL with the error set. */
char *weft_study_path(const char *folder, int64_t trial, const char *name);
char *weft_study_journal_path(const char *folder);
/* What a trial left; of a trial that runs, only for who holds its lock. */
weft_status weft_study_remove_trial(const char *folder, int64_t trial);

/* ---- lines (study.c) ---- */

weft_json_writer weft_study_begin_line(weft_text *, int64_t trial);
/* Adds a line and reads it back, so that what this process knows is what every other one will. */
weft_status weft_study_add_line(weft_study *, weft_text *line);

weft_status weft_study_memory_short(const weft_study *);

/* ---- one trial (study_trial.c) ---- */

/* Trains s->trial, whose lock this process holds, and writes down how it ended. */
weft_status weft_study_run_trial(weft_study *);

#endif
