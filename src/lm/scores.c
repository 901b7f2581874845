/* Scores of a classification head's answers. */
#include "lm/scores.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

weft_status weft_lm_scores_begin(weft_lm_scores *s, weft_lm_problem problem, int64_t classes)
{
    *s = (weft_lm_scores){.problem = problem, .classes = classes, .each = calloc((size_t)classes + 1, sizeof *s->each)};
    return s->each ? WEFT_OK : weft_fail(WEFT_ERROR_MEMORY, "scores: memory is short");
}

void weft_lm_scores_free(weft_lm_scores *s)
{
    free(s->each);
    *s = (weft_lm_scores){0};
}

void weft_lm_scores_class(weft_lm_scores *s, const double *answers, int64_t truth)
{
    int64_t best = 0;
    for (int64_t k = 1; k < s->classes; k++)
        best = answers[k] > answers[best] ? k : best;
    s->right += best == truth;
    s->rows++;
}

void weft_lm_scores_labels(weft_lm_scores *s, const double *answers, const double *truth, double threshold)
{
    bool right = true;
    for (int64_t k = 0; k < s->classes; k++) {
        const bool says = answers[k] > threshold, is = truth[k] >= 0.5;
        right = right && says == is;
        s->each[k].hits += says && is;
        s->each[k].said += says;
        s->each[k].there += is;
    }
    s->right += right;
    s->rows++;
}

void weft_lm_scores_numbers(weft_lm_scores *s, const double *answers, const double *truth)
{
    for (int64_t k = 0; k < s->classes; k++) {
        const double error = answers[k] - truth[k], off = truth[k] - s->mean;
        s->squares += error * error;
        s->distances += fabs(error);
        s->mean += off / (double)(s->rows * s->classes + k + 1); /* Welford's running mean and spread */
        s->spread += off * (truth[k] - s->mean);
    }
    s->rows++;
}

static double f1(weft_lm_hits h)
{
    return h.said + h.there > 0 ? 2 * h.hits / (h.said + h.there) : 0;
}

static double accuracy(const weft_lm_scores *s)
{
    return (double)s->right / (double)s->rows;
}

static double micro_f1(const weft_lm_scores *s)
{
    weft_lm_hits all = {0};
    for (int64_t k = 0; k < s->classes; k++)
        all = (weft_lm_hits){all.hits + s->each[k].hits, all.said + s->each[k].said, all.there + s->each[k].there};
    return f1(all);
}

static double macro_f1(const weft_lm_scores *s)
{
    double sum = 0, occurring = 0;
    for (int64_t k = 0; k < s->classes; k++) {
        occurring += s->each[k].said + s->each[k].there > 0;
        sum += f1(s->each[k]);
    }
    return occurring > 0 ? sum / occurring : NAN;
}

static double rmse(const weft_lm_scores *s)
{
    return sqrt(s->squares / (double)(s->rows * s->classes));
}

static double mae(const weft_lm_scores *s)
{
    return s->distances / (double)(s->rows * s->classes);
}

static double r2(const weft_lm_scores *s)
{
    return s->spread > 0 ? 1 - s->squares / s->spread : NAN;
}

static const struct {
    weft_lm_problem problem;
    const char *name;
    double (*value)(const weft_lm_scores *);
} figures[] = {{WEFT_LM_PROBLEM_SINGLE_LABEL, "accuracy", accuracy},
               {WEFT_LM_PROBLEM_MULTI_LABEL, "accuracy", accuracy},
               {WEFT_LM_PROBLEM_MULTI_LABEL, "micro_f1", micro_f1},
               {WEFT_LM_PROBLEM_MULTI_LABEL, "macro_f1", macro_f1},
               {WEFT_LM_PROBLEM_REGRESSION, "rmse", rmse},
               {WEFT_LM_PROBLEM_REGRESSION, "mae", mae},
               {WEFT_LM_PROBLEM_REGRESSION, "r2", r2}};

const char *weft_lm_scores_at(const weft_lm_scores *s, int i, double *value)
{
    for (size_t k = 0; k < sizeof figures / sizeof figures[0]; k++)
        if (figures[k].problem == s->problem && i-- == 0) {
            *value = s->rows ? figures[k].value(s) : NAN;
            return figures[k].name;
        }
    return NULL;
}

void weft_lm_scores_write(const weft_lm_scores *s, const char *prefix, weft_json_writer *w)
{
    const char *name;
    double value;
    for (int i = 0; (name = weft_lm_scores_at(s, i, &value)); i++) {
        char key[64];
        snprintf(key, sizeof key, "%s%s", prefix, name);
        weft_json_add_key(w, key);
        weft_json_add_number(w, value);
    }
}
