/* A table of predictions as it is written. */
#ifndef WEFT_CLI_TABULAR_PREDICT_H
#define WEFT_CLI_TABULAR_PREDICT_H

#include "base/files.h"
#include "cli/tabular.h"

typedef struct cli_prediction {
    cli_tabular_model m;     /* as supposed by --without and --relabel, if they are there */
    cli_tabular_model as_is; /* then the model itself; else nothing */
    const weft_schema *schema;
    const weft_tabular_config *config;
    const weft_calibration *calibration; /* needed for what was asked; else NULL */
    weft_table *table;
    int64_t neighbors;
    bool what_if, interval, domain, calibrated;
    double threshold, cut; /* of scores; of two classes' probabilities as they are written */
    /* of the rows at hand */
    weft_predictions said, said_as_is;
    double *without; /* [rows, neighbors, width] */
    double *written; /* [candidates] targets as their file has them; NaN: not looked up yet. NULL: not wanted */
    weft_output *file;
    weft_text line;
    int64_t changed; /* rows of which the model as it is says something else */
} cli_prediction;

/* Both go to `line`. */
void cli_prediction_header(cli_prediction *);
void cli_prediction_row(cli_prediction *, int64_t row); /* of those at hand */

#endif
