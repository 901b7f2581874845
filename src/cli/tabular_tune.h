/* What `weft tabular tune` shares with its report. */
#ifndef WEFT_CLI_TABULAR_TUNE_H
#define WEFT_CLI_TABULAR_TUNE_H

#include "cli/tabular.h"
#include "tabular/study.h"

/* "d_main 265, lr 0.000312": a trial's settings, for people. */
void cli_tune_values(const weft_space *, const double *values, weft_text *out);
/* OUT/trials.csv: a line a trial. */
weft_status cli_tune_csv(const weft_study *, const weft_space *, const weft_measure *, const char *folder);
/* Charts and the table of trials. */
void cli_tune_report(weft_report_run *, const weft_study *, const weft_space *, const weft_measure *);

#endif
