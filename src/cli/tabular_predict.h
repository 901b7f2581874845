/* A table of predictions as it is written. */
#ifndef WEFT_CLI_TABULAR_PREDICT_H
#define WEFT_CLI_TABULAR_PREDICT_H

#include "base/files.h"
#include "cli/tabular.h"

typedef struct cli_prediction {
    cli_tabular_model m;
    const weft_schema *schema;
    const weft_tabular_config *config;
    const weft_calibration *calibration; /* needed for what was asked; else NULL */
    weft_table *table;
    int64_t neighbors;
    bool what_if, interval, domain, calibrated;
    double threshold, cut; /* of scores; of two classes' probabilities as they are written */
    /* of the rows at hand */
    weft_predictions said;
    double *without; /* [rows, neighbors, width] */
    weft_output *file;
    weft_text line;
} cli_prediction;

/* Both go to `line`. */
void cli_prediction_header(cli_prediction *);
void cli_prediction_row(cli_prediction *, int64_t row); /* of those at hand */

#endif
