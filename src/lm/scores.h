/* How right the answers of a classification head are: accuracy of one of several labels; F1 of labels by themselves, as
 * scikit-learn has it (micro over all decisions, macro the mean over classes that are there or are said); errors of numbers. */
#ifndef WEFT_LM_SCORES_H
#define WEFT_LM_SCORES_H

#include "base/json.h"
#include "lm/config.h"

typedef struct weft_lm_hits {
    double hits, said, there;
} weft_lm_hits;

typedef struct weft_lm_scores {
    weft_lm_problem problem;
    int64_t classes;
    int64_t rows, right;       /* right: with the right class, or with all labels right */
    weft_lm_hits *each;        /* [classes] of labels by themselves */
    double squares, distances; /* of numbers: summed (answer − truth)² and |answer − truth| */
    double mean, spread;       /* their truths' mean, and summed squares around it */
} weft_lm_scores;

weft_status weft_lm_scores_begin(weft_lm_scores *, weft_lm_problem, int64_t classes);
void weft_lm_scores_free(weft_lm_scores *);
/* A row's answers [classes]: probabilities, or numbers. */
void weft_lm_scores_class(weft_lm_scores *, const double *answers, int64_t truth);
/* truth [classes]; a truth between 0 and 1 is there from a half on, an answer above `threshold`. */
void weft_lm_scores_labels(weft_lm_scores *, const double *answers, const double *truth, double threshold);
void weft_lm_scores_numbers(weft_lm_scores *, const double *answers, const double *truth);

/* Figure number i of the problem: its name ("accuracy"; "accuracy", "micro_f1", "macro_f1"; "rmse", "mae", "r2") and value, NaN
 * where the rows do not say it. NULL past the last. */
const char *weft_lm_scores_at(const weft_lm_scores *, int i, double *value);
/* All of them as keys of an object, `prefix` in front. */
void weft_lm_scores_write(const weft_lm_scores *, const char *prefix, weft_json_writer *);

#endif
