/* What `weft tabular tune` shares with its report. */
#ifndef WEFT_CLI_TABULAR_TUNE_H
#define WEFT_CLI_TABULAR_TUNE_H

#include "cli/tabular.h"
#include "tabular/scales.h"
#include "tabular/study.h"

/* "d_main 265, lr 0.000312": a trial's settings, for people. */
void cli_tune_values(const weft_space *, const double *values, weft_text *out);
enum { CLI_TUNE_MOST_JOBS = 256 };
/* Works at the study in `jobs` processes of one thread each until all have ended; this one looks on. */
weft_status cli_tune_together(weft_study *, const weft_study_options *, int64_t jobs);

/* The frequency scale that a search begins with, where it is to be chosen. */
typedef struct cli_tune_scale {
    int lock;    /* held from choosing it until the journal says it; −1: not held */
    bool chosen; /* by this process, or by one that was killed before it could write it down */
    double score[WEFT_SCALES];
} cli_tune_scale;
/* Sets config's scale: the journal's, or that which train would choose. */
weft_status cli_tune_scale_settle(cli_arguments *, cli_tune_scale *, const char *out, weft_tabular_config *config,
                                  const weft_fit_options *, weft_rows_data *const rows[WEFT_PARTS]);
/* Once the journal is open: other processes may read it there. Also after a failure. */
weft_status cli_tune_scale_done(cli_tune_scale *, const char *out);

/* OUT/trials.csv: a line a trial. */
weft_status cli_tune_csv(const weft_study *, const weft_space *, const weft_measure *, const char *folder);
/* Charts and the table of trials. */
void cli_tune_report(weft_report_run *, const weft_study *, const weft_space *, const weft_measure *);

#endif
