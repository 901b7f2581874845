/* What the tabular commands share: printing metrics, and the report of a run. */
#ifndef WEFT_CLI_TABULAR_H
#define WEFT_CLI_TABULAR_H

#include "cli/cli.h"
#include "report/report.h"
#include "tabular/fit.h"
#include "tabular/schema.h"

/* The metrics of one part: an object `part` of the JSON result (NULL: its keys at the top), and lines for people. */
void cli_tabular_metrics(cli_arguments *, const char *part, const weft_metrics *, const weft_schema *);

/* Where some rows have an identical training row, the metrics of those that have none. */
weft_status cli_tabular_duplicates(cli_arguments *, const weft_tabular_config *, const weft_schema *, const weft_table *table,
                                   const weft_table *train, const weft_rows_data *rows, const double *output);

/* Each line as a warning. NULL: none. */
void cli_tabular_warn(const char *lines);

/* --config: keys of config.json over what is there, and three of training. A key that is neither is an error. */
weft_status cli_tabular_config(const char *path, weft_tabular_config *, weft_fit_options *);

/* report.html of a training run, filled as the run goes on. */
typedef struct weft_report_run {
    weft_report *page;
    double *loss, *score;
    int64_t epochs, capacity;
    bool regression;
} weft_report_run;

weft_status weft_report_run_open(weft_report_run *, const char *arch, const char *data, const weft_tabular_config *,
                                 const weft_schema *);
void weft_report_run_epoch(weft_report_run *, double train_loss, double val_score);
/* The epochs of metrics.jsonl in place of those added: all of them, also where the run was resumed. */
weft_status weft_report_run_load(weft_report_run *, const char *folder);
void weft_report_run_training(weft_report_run *, const weft_train_result *, double seconds);
void weft_report_run_predictions(weft_report_run *, const weft_tabular_config *, const weft_schema *, const weft_rows_data *rows,
                                 const double *output, const weft_metrics *);
weft_status weft_report_run_save(weft_report_run *, const char *folder);
void weft_report_run_close(weft_report_run *);

#endif
