/* Labels beside a classifier's answers. Metrics of one label and of numbers are those of tables (tabular/metrics.h), of several
 * labels those of training (lm/scores.h). */
#include "cli/lm_judge.h"

#include "lm/labels.h"
#include "lm/scores.h"
#include "tabular/metrics.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- labels ---- */

static weft_status short_of_memory(void)
{
    return weft_fail(WEFT_ERROR_MEMORY, "labels: memory is short");
}

static weft_status grow(cli_lm_judge *j)
{
    if (j->rows < j->capacity)
        return WEFT_OK;
    const int64_t capacity = 2 * j->capacity + 256;
    const size_t n = (size_t)capacity * (size_t)j->count;
    double *said = realloc(j->said, n * sizeof *said);
    j->said = said ? said : j->said;
    double *truth = said ? realloc(j->truth, n * sizeof *truth) : NULL;
    j->truth = truth ? truth : j->truth;
    int64_t *label = truth ? realloc(j->label, (size_t)capacity * sizeof *label) : NULL;
    j->label = label ? label : j->label;
    j->capacity = label ? capacity : j->capacity;
    return label ? WEFT_OK : short_of_memory();
}

weft_status cli_lm_judge_add(cli_lm_judge *j, weft_json_value record, const char *where, const double *numbers)
{
    const weft_json_value label = weft_lm_label_of(record);
    const char *text = weft_json_string(label, NULL);
    if (!weft_json_present(label) || (text && !*text && j->classes->problem != WEFT_LM_PROBLEM_MULTI_LABEL))
        return WEFT_OK;
    weft_status status = grow(j);
    if (status != WEFT_OK)
        return status;
    double *truth = j->truth + j->rows * j->count;
    memcpy(j->said + j->rows * j->count, numbers, (size_t)j->count * sizeof *numbers);
    if (j->classes->problem == WEFT_LM_PROBLEM_SINGLE_LABEL) {
        int32_t class = 0;
        status = weft_lm_classes_find(j->classes, label, where, &class);
        j->label[j->rows] = class;
    } else {
        status = weft_lm_label_truth(j->classes, label, where, truth);
    }
    j->rows += status == WEFT_OK;
    return status;
}

void cli_lm_judge_free(cli_lm_judge *j)
{
    free(j->said);
    free(j->truth);
    free(j->label);
}

/* ---- metrics ---- */

static weft_status tell_tabular(cli_lm_judge *j, cli_arguments *a)
{
    weft_metrics m = {0};
    weft_text lines = {0};
    const char *const *names = (const char *const *)j->classes->names;
    const int n = (int)j->count;
    weft_status status;
    if (j->classes->problem == WEFT_LM_PROBLEM_REGRESSION) {
        status = weft_metrics_regression(j->said, j->truth, j->rows * j->count, &m);
    } else {
        for (int64_t i = 0; i < j->rows && n == 2; i++)
            j->said[i] = j->said[2 * i + 1]; /* two classes are told by the second one's probability */
        status = weft_metrics_classification(j->said, j->label, j->rows, n, FLT_EPSILON, &m);
    }
    if (status == WEFT_OK) {
        weft_metrics_write(&m, m.classes ? names : NULL, cli_json(a));
        weft_metrics_print(&m, m.classes ? names : NULL, &lines);
        cli_say(a, "%s", lines.data ? lines.data : "");
    }
    weft_text_free(&lines);
    weft_metrics_free(&m);
    return status;
}

/* Each class by itself. */
static weft_status tell_several(cli_lm_judge *j, cli_arguments *a, double threshold)
{
    weft_lm_scores scores;
    double loss = 0, value;
    const char *name;
    weft_status status = weft_lm_scores_begin(&scores, WEFT_LM_PROBLEM_MULTI_LABEL, j->count);
    for (int64_t i = 0; i < j->rows && status == WEFT_OK; i++) {
        const double *said = j->said + i * j->count, *truth = j->truth + i * j->count;
        weft_lm_scores_labels(&scores, said, truth, threshold);
        for (int64_t k = 0; k < j->count; k++) {
            const double kept = fmin(fmax(said[k], FLT_EPSILON), 1 - FLT_EPSILON);
            loss -= truth[k] * log(kept) + (1 - truth[k]) * log1p(-kept);
        }
    }
    loss /= (double)(j->rows * j->count);
    cli_json_integer(a, "rows", j->rows);
    cli_say(a, "%-18s %lld\n", "rows", (long long)j->rows);
    for (int i = 0; status == WEFT_OK && (name = weft_lm_scores_at(&scores, i, &value)); i++) {
        cli_json_number(a, name, value);
        cli_say(a, "%-18s %.6g\n", name, value);
    }
    cli_json_number(a, "logloss", loss);
    cli_say(a, "%-18s %.6g\n", "logloss", loss);
    weft_lm_scores_free(&scores);
    return status;
}

weft_status cli_lm_judge_tell(cli_lm_judge *j, cli_arguments *a, double threshold)
{
    if (j->rows == 0)
        return WEFT_OK;
    weft_json_add_key(cli_json(a), "metrics");
    weft_json_open_object(cli_json(a));
    weft_status status = j->classes->problem == WEFT_LM_PROBLEM_MULTI_LABEL ? tell_several(j, a, threshold) : tell_tabular(j, a);
    weft_json_close_object(cli_json(a));
    return status;
}
