/* What a classification head's numbers say, and how right they are: probabilities, the labels of records, metrics. */
#ifndef WEFT_CLI_LM_JUDGE_H
#define WEFT_CLI_LM_JUDGE_H

#include "cli/cli.h"
#include "lm/classes.h"

typedef struct cli_lm_judge {
    weft_lm_problem problem; /* single label, regression or multi label: each class by itself */
    const weft_lm_classes *classes;
    int64_t count;        /* of classes */
    double *said, *truth; /* [rows, count] of the rows with labels: probabilities (regression: values), 1 where the label is */
    int64_t *label;       /* [rows] of a single label, in place of truth */
    int64_t rows, capacity;
} cli_lm_judge;

/* As transformers' pipeline takes a head: what problem_type says, else each class by itself where there is one, else one of
 * several. */
weft_lm_problem cli_lm_problem(const weft_lm_config *);

/* Logits [count] become probabilities in place; those of regression stay as they are. */
void cli_lm_probabilities(weft_lm_problem, int64_t count, double *numbers);

/* Keeps a row's numbers [count] where its record has a label ("label" or "labels"): a class, its number, a list of classes or of
 * a number a class, or, for regression, numbers. Empty ones are none. */
weft_status cli_lm_judge_add(cli_lm_judge *, weft_json_value record, const char *where, const double *numbers);
/* Metrics of those rows, told, and as the object metrics of --json; nothing without rows. `threshold`: above it a class by itself
 * is there. */
weft_status cli_lm_judge_tell(cli_lm_judge *, cli_arguments *, double threshold);
void cli_lm_judge_free(cli_lm_judge *);

#endif
