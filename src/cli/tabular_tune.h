/* What `weft tabular tune` shares with its report. */
#ifndef WEFT_CLI_TABULAR_TUNE_H
#define WEFT_CLI_TABULAR_TUNE_H

#include "cli/tabular.h"
#include "tabular/study.h"

/* "d_main 265, lr 0.000312": a trial's settings, for people. */
void cli_tune_values(const weft_space *, const double *values, weft_text *out);
enum { CLI_TUNE_MOST_JOBS = 256 };
/* Works at the study in `jobs` processes of one thread each until all have ended; this one looks on. */
weft_status cli_tune_together(weft_study *, const weft_study_options *, int64_t jobs);

/* OUT/trials.csv: a line a trial. */
weft_status cli_tune_csv(const weft_study *, const weft_space *, const weft_measure *, const char *folder);
/* Charts and the table of trials. */
void cli_tune_report(weft_report_run *, const weft_study *, const weft_space *, const weft_measure *);

#endif
