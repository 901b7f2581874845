/* What a classification head's numbers say, and how right they are: probabilities, the labels of records, metrics. */
#ifndef WEFT_CLI_LM_JUDGE_H
#define WEFT_CLI_LM_JUDGE_H

#include "cli/cli.h"
#include "lm/classes.h"

typedef struct cli_lm_judge {
    const weft_lm_classes *classes; /* whose problem is said */
    int64_t count;                  /* of classes */
    double *said, *truth; /* [rows, count] of the rows with labels: probabilities (regression: values), 1 where the label is */
    int64_t *label;       /* [rows] of a single label, in place of truth */
    int64_t rows, capacity;
} cli_lm_judge;

/* Keeps a row's numbers [count] where its record has a label (lm/labels.h). An empty one is none, or of several labels: none is
 * there. */
weft_status cli_lm_judge_add(cli_lm_judge *, weft_json_value record, const char *where, const double *numbers);
/* Metrics of those rows, told, and as the object metrics of --json; nothing without rows. `threshold`: above it a class by itself
 * is there. */
weft_status cli_lm_judge_tell(cli_lm_judge *, cli_arguments *, double threshold);
void cli_lm_judge_free(cli_lm_judge *);

#endif
