/* What the tabular commands share: printing metrics, and the report of a run. */
#ifndef WEFT_CLI_TABULAR_H
#define WEFT_CLI_TABULAR_H

#include "cli/cli.h"
#include "report/report.h"
#include "tabular/predict.h"
#include "tabular/prepare.h"
#include "tabular/presets.h"

/* Option rows of the commands that read a table: how. */
#define CLI_TABULAR_READING_ROWS \
    {.name = "target", .value = "COL", .kind = CLI_TEXT, .help = "the column to predict", .traits = CLI_REQUIRED}, \
        {.name = "task", \
         .value = "TASK", \
         .kind = CLI_CHOICE, \
         .choices = "regression|binary|multiclass", \
         .help = "instead of what the target's values suggest", \
         .group = "Table"}, \
        {.name = "categorical", \
         .value = "A,B", \
         .kind = CLI_LIST, \
         .help = "columns to read as categories; a name that holds a comma is quoted as in CSV: 'A,\"B, C\"'", \
         .group = "Table"}, \
        {.name = "drop", .value = "A,B", .kind = CLI_LIST, .help = "columns to leave out", .group = "Table"}, \
        {.name = "schema", \
         .value = "F.json", \
         .kind = CLI_PATH, \
         .help = "kinds of columns and the task from a schema.json, edited or not; what it does not name is inferred", \
         .group = "Table"}, \
        {.name = "preprocess", \
         .value = "HOW", \
         .kind = CLI_CHOICE, \
         .choices = "quantile|standard|none", \
         .otherwise = "quantile", \
         .help = "how numbers are scaled", \
         .group = "Table"}, \
        {.name = "split", \
         .value = "F.csv", \
         .kind = CLI_PATH, \
         .help = "a header \"split\", then 0 (train), 1 (validation) or 2 (test) a data row; DATA.csv itself when it has such " \
                 "a column", \
         .group = "Table"}, \
        {.name = "val-share", \
         .value = "X", \
         .kind = CLI_NUMBER, \
         .least = 0, \
         .most = 1, \
         .otherwise = "0.2", \
         .help = "without --split and --val: the share of the rows beside test that are drawn for validation", \
         .traits = CLI_ABOVE_LEAST | CLI_BELOW_MOST, \
         .group = "Table"}, \
        {.name = "test-share", \
         .value = "X", \
         .kind = CLI_NUMBER, \
         .least = 0, \
         .most = 1, \
         .otherwise = "0.2", \
         .help = "likewise: the share of all rows that are drawn for test; 0 for none", \
         .traits = CLI_BELOW_MOST, \
         .group = "Table"}, \
        {.name = "group", \
         .value = "COL", \
         .kind = CLI_TEXT, \
         .help = "likewise: rows with the same value of this column (a patient, a shop) stay in one part; it is no input", \
         .group = "Table"}, \
        {.name = "val", .value = "F.csv", .kind = CLI_PATH, .help = "validation rows in a file of their own", .group = "Table"}, \
    { \
        .name = "test", .value = "F.csv", .kind = CLI_PATH, .help = "test rows in a file of their own", .group = "Table" \
    }

/* Option rows of the commands that train: the table, the model, the training. */
#define CLI_TABULAR_TABLE_ROWS \
    CLI_TABULAR_READING_ROWS, \
        {.name = "out", .value = "DIR", .kind = CLI_PATH, .help = "the model's folder", .traits = CLI_REQUIRED}, \
        {.name = "arch", \
         .value = "NAME", \
         .kind = CLI_CHOICE, \
         .choices = WEFT_TABULAR_PRESETS, \
         .otherwise = "tabr-s", \
         .help = "the model", \
         .group = "Model"}, \
        {.name = "context-size", \
         .value = "N", \
         .kind = CLI_INT, \
         .least = 1, \
         .most = 65536, \
         .otherwise = "96", \
         .help = "training rows that each row looks at", \
         .group = "Model"}, \
        {.name = "metric", \
         .value = "NAME", \
         .kind = CLI_CHOICE, \
         .choices = WEFT_MEASURE_NAMES, \
         .help = "by which the validation part chooses; by default rmse, or accuracy", \
         .group = "Training"}, \
        {.name = "config", \
         .value = "F.json", \
         .kind = CLI_PATH, \
         .help = "any keys of the model's config.json, and lr, weight_decay, batch_size", \
         .group = "Model"}, \
        {.name = "epochs", \
         .value = "N", \
         .kind = CLI_INT, \
         .least = 1, \
         .most = CLI_ANY, \
         .help = "at most so many passes over the training rows", \
         .group = "Training"}, \
        {.name = "patience", \
         .value = "N", \
         .kind = CLI_INT, \
         .least = 0, \
         .most = CLI_ANY, \
         .otherwise = "16", \
         .help = "stop after more than N epochs without a better validation score", \
         .group = "Training"}, \
    { \
        .name = "batch-size", .value = "N", .kind = CLI_INT, .least = 1, .most = 1 << 20, \
        .help = "rows a step; by default 32 to 1024 by the number of training rows", .group = "Training" \
    }

/* --metric, where the command has it. NULL: the task's own. */
weft_status cli_tabular_measure(cli_arguments *, weft_task, const weft_measure **out);
/* Refuses a target without a name, and options that name the parts of a table in two ways: wrong usage. */
weft_status cli_tabular_check_parts(cli_arguments *);
/* Reads the table as the options say, and prints how its columns are read. */
weft_status cli_tabular_prepare(cli_arguments *, weft_prepared *out);
/* The model and its training: the preset of --arch, then --config, then the other options. given: what --config holds (NULL
 * without it), freed by the caller, also after a failure. */
weft_status cli_tabular_configure(cli_arguments *, const weft_prepared *, weft_tabular_config *, weft_fit_options *,
                                  weft_json **given);

/* Whether the frequency scale is to be chosen by training (tabular/scales.h): with an --arch that leaves it open, where --config
 * does not name one. */
bool cli_tabular_chooses_scale(cli_arguments *, const weft_tabular_config *, const weft_json *given);
/* How it was chosen, score[k] being of weft_scales[k]: a list frequency_scales of the result, and lines for people. */
void cli_tabular_scales(cli_arguments *, const weft_tabular_config *, const weft_fit_options *, int64_t train_rows,
                        const double *score);

/* The rows of each part as the model reads them, and their sum into *fit; freed by whoever frees the array's entries. */
weft_status cli_tabular_rows(const weft_tabular_config *, const weft_prepared *, weft_fit_options *fit,
                             weft_rows_data *out[WEFT_PARTS]);
/* The command and its files, for run.json. */
typedef struct cli_tabular_origin {
    const char *command[1], *data[4];
    weft_run_info info;
} cli_tabular_origin;
void cli_tabular_origin_of(const cli_arguments *, int threads, const char *level, cli_tabular_origin *out);

/* The metrics of one part: an object `part` of the JSON result (NULL: its keys at the top), and lines for people. */
void cli_tabular_metrics(cli_arguments *, const char *part, const weft_metrics *, const weft_schema *);

/* A folder opened for prediction: in both, what the user named. */
typedef struct cli_tabular_model {
    weft_tabular_folder folder;
    weft_tabular_model *model;
} cli_tabular_model;
weft_status cli_tabular_open(cli_arguments *, const char *folder, cli_tabular_model *out);
void cli_tabular_close(cli_tabular_model *);

/* The rows of a file with their targets; with --split and --part, which the command's table must then have, those of the part. */
weft_status cli_tabular_labelled(cli_arguments *, const char *path, const weft_schema *, weft_table **out);
#define CLI_TABULAR_PART_OPTIONS \
    {.name = "split", .value = "F.csv", .kind = CLI_PATH, .help = "a header \"split\", then 0, 1 or 2 a data row"}, \
    { \
        .name = "part", .value = "PART", .kind = CLI_CHOICE, .choices = "train|val|test", .otherwise = "test", \
        .help = "the part of --split to take" \
    }
weft_status cli_tabular_check_split(cli_arguments *); /* wrong usage: --part without --split */

/* The labelled rows of file 1, to fit something of the model in folder 0 on. A model is surer of rows that it looks at than it
 * will be of new ones: a warning where some have an identical training row. */
weft_status cli_tabular_rows_to_fit(cli_arguments *, const weft_tabular_folder *, weft_rows_data **out);

/* Where another threshold than 0.5 was chosen: what it gives on these rows, an object "decision" of the result. */
void cli_tabular_decision(cli_arguments *, const weft_tabular_folder *, const weft_rows_data *rows, const weft_predictions *);

/* A number as the tables of results write it: the shortest text of the float32. */
void cli_tabular_number(weft_text *, double value);

/* Where some rows have an identical training row, the metrics of those that have none. */
weft_status cli_tabular_duplicates(cli_arguments *, const weft_tabular_config *, const weft_schema *, const weft_table *table,
                                   const weft_table *train, const weft_rows_data *rows, const double *value);

/* What the calibration does to these rows, how often intervals (sets of classes) of this level hold the truth, and how many rows
 * are out of the model's domain: keys of the result, or of its object "certainty" when it is said of which part. The
 * probabilities of `said` are calibrated afterwards. Nothing where there is no calibration. */
weft_status cli_tabular_certainty(cli_arguments *, const char *part, const weft_tabular_folder *, const weft_rows_data *rows,
                                  weft_predictions *said, double level);

/* Each line as a warning. NULL: none. */
void cli_tabular_warn(const char *lines);

/* --config: keys of config.json over what is there, and three of training. A key that is neither is an error. */
weft_status cli_tabular_config(const char *path, weft_tabular_config *, weft_fit_options *, weft_json **given);

/* report.html of a training run, filled as the run goes on. */
typedef struct weft_report_run {
    weft_report *page;
    double *loss, *score;
    int64_t epochs, capacity;
    int64_t first[8]; /* where the curves of the first members of an ensemble begin */
    int members;
    const weft_measure *measure;
} weft_report_run;

weft_status weft_report_run_open(weft_report_run *, const char *arch, const char *data, const weft_tabular_config *,
                                 const weft_measure *, const weft_schema *);
void weft_report_run_member(weft_report_run *); /* the epochs that follow are another member's */
void weft_report_run_epoch(weft_report_run *, double train_loss, double val_value);
/* The epochs of metrics.jsonl in place of those added: all of them, also where the run was resumed. */
weft_status weft_report_run_load(weft_report_run *, const char *folder);
/* How the frequency scale was chosen; score[k] is of weft_scales[k]. */
void weft_report_run_scales(weft_report_run *, const weft_tabular_config *, const double *score);
void weft_report_run_training(weft_report_run *, const weft_train_result *, double seconds);
void weft_report_run_predictions(weft_report_run *, const weft_tabular_config *, const weft_schema *, const weft_rows_data *rows,
                                 const double *value, const weft_metrics *);
/* Calibration, intervals or sets, strange rows; nothing where there is no calibration. */
weft_status weft_report_run_certainty(weft_report_run *, const weft_tabular_folder *, const weft_rows_data *rows,
                                      const weft_predictions *);
/* Three predictions of `rows`, the best, a middling and the worst one, and the training rows behind them. */
weft_status weft_report_run_neighbors(weft_report_run *, weft_tabular_model *, const weft_tabular_folder *,
                                      const weft_rows_data *rows, const weft_predictions *);
/* Permutation importance on as many of the rows as seconds allow. */
weft_status weft_report_run_importance(weft_report_run *, weft_tabular_model *, const weft_tabular_folder *,
                                       const weft_rows_data *rows, uint64_t seed);
/* `what`: the rows that are compared, as the beginning of a sentence. */
weft_status weft_report_run_drift(weft_report_run *, const char *what, const weft_schema *, const weft_table *train,
                                  const weft_table *later);
weft_status weft_report_run_save(weft_report_run *, const char *folder);
void weft_report_run_close(weft_report_run *);

/* What each member of an ensemble scores alone: a list members_alone in the JSON result, a line each for people. */
weft_status cli_tabular_members(cli_arguments *, weft_engine *, const weft_tabular_config *, const weft_params *,
                                const weft_rows_data *candidates, const weft_rows_data *rows, const char *part,
                                const weft_fit_options *);

/* Metrics of a trained model on every part: objects train, val and test of the JSON result, and into the report. */
weft_status cli_tabular_parts(cli_arguments *, weft_engine *, const weft_tabular_config *, weft_params *, const weft_prepared *,
                              weft_rows_data *const rows[WEFT_PARTS], const weft_fit_options *, weft_report_run *);

#endif
