/* How a classifier's answer to one text is shown: for people, as JSON, as a table's row. */
#ifndef WEFT_CLI_LM_ANSWER_H
#define WEFT_CLI_LM_ANSWER_H

#include "cli/lm_judge.h"

typedef struct cli_lm_answers {
    const weft_lm_classes *classes;
    weft_lm_problem problem;
    int64_t count, top; /* classes; how many of them are shown */
    double threshold;   /* of classes that stand each by itself */
    bool logits;        /* numbers are the head's own, not probabilities */
    int64_t *order;     /* [count]: the classes of the answer at hand, the first `top` of them largest first */
} cli_lm_answers;

/* Numbers x [count] of one text, for the functions below. */
void cli_lm_answer_take(cli_lm_answers *, const double *x);
/* {"label": …, "score": …}: of one label the likeliest; "labels" of those each by itself; "value" of a number; with more than one
 * wanted, or by themselves, "scores" too. */
void cli_lm_answer_json(const cli_lm_answers *, const double *x, weft_json_writer *);
/* prediction, then a column a class; of several numbers a column each. */
void cli_lm_answer_header(const cli_lm_answers *, weft_text *out);
void cli_lm_answer_row(const cli_lm_answers *, const double *x, weft_text *out);
/* A line for people. */
void cli_lm_answer_line(const cli_lm_answers *, const double *x, weft_text *out);

#endif
