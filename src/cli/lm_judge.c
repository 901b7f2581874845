/* Labels beside a classifier's answers. Metrics of one label and of numbers are those of tables (tabular/metrics.h); F1 of
 * several labels as in scikit-learn: micro over all decisions, macro the mean over classes that are there or are said. */
#include "cli/lm_judge.h"

#include "tabular/metrics.h"

#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

weft_lm_problem cli_lm_problem(const weft_lm_config *c)
{
    if (c->problem != WEFT_LM_PROBLEM_UNSAID)
        return c->problem;
    return c->classes == 1 ? WEFT_LM_PROBLEM_MULTI_LABEL : WEFT_LM_PROBLEM_SINGLE_LABEL;
}

void cli_lm_probabilities(weft_lm_problem problem, int64_t count, double *x)
{
    double most = x[0], sum = 0;
    for (int64_t k = 0; k < count && problem == WEFT_LM_PROBLEM_MULTI_LABEL; k++)
        x[k] = x[k] < 0 ? exp(x[k]) / (1 + exp(x[k])) : 1 / (1 + exp(-x[k]));
    if (problem != WEFT_LM_PROBLEM_SINGLE_LABEL)
        return;
    for (int64_t k = 1; k < count; k++)
        most = x[k] > most ? x[k] : most;
    for (int64_t k = 0; k < count; k++)
        sum += x[k] = exp(x[k] - most);
    for (int64_t k = 0; k < count; k++)
        x[k] /= sum;
}

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

/* A number, or the text of one as a table's cells are. */
static bool number_of(weft_json_value v, double *out)
{
    const char *text = weft_json_string(v, NULL);
    char *end = NULL;
    errno = 0;
    *out = text ? strtod(text, &end) : weft_json_number(v, NAN);
    return isfinite(*out) && (!text || (end != text && *end == 0 && !errno));
}

/* Truths [count] of a list with a number a class. */
static bool numbers_of(weft_json_value list, int64_t count, double *truth)
{
    bool fits = weft_json_kind_of(list) == WEFT_JSON_LIST && weft_json_size(list) == count;
    for (int64_t k = 0; k < count && fits; k++)
        fits = weft_json_kind_of(weft_json_item(list, k)) != WEFT_JSON_STRING && number_of(weft_json_item(list, k), &truth[k]);
    return fits;
}

/* "A|B" as a table has it: each name marks its class. */
static bool names_in(const cli_lm_judge *j, const char *text, double *truth)
{
    memset(truth, 0, (size_t)j->count * sizeof *truth);
    for (const char *at = text, *stop; at; at = stop ? stop + 1 : NULL) {
        stop = strchr(at, '|');
        const size_t length = stop ? (size_t)(stop - at) : strlen(at);
        int64_t k = 0;
        while (k < j->count && (strlen(j->classes->names[k]) != length || strncmp(j->classes->names[k], at, length) != 0))
            k++;
        if (k == j->count)
            return false;
        truth[k] = 1;
    }
    return true;
}

/* A list of classes, or one alone. */
static bool classes_in(const cli_lm_judge *j, weft_json_value label, double *truth)
{
    const bool list = weft_json_kind_of(label) == WEFT_JSON_LIST;
    bool fits = true;
    memset(truth, 0, (size_t)j->count * sizeof *truth);
    for (int64_t i = 0; i < (list ? weft_json_size(label) : 1) && fits; i++) {
        const int64_t k = weft_lm_classes_index(j->classes, list ? weft_json_item(label, i) : label);
        fits = k >= 0;
        if (fits)
            truth[k] = 1;
    }
    return fits;
}

/* Which classes of several are there: a number a class (for a single class 0 or 1), names, "A|B". */
static weft_status several(const cli_lm_judge *j, weft_json_value label, const char *where, double *truth)
{
    const char *text = weft_json_string(label, NULL);
    if (numbers_of(label, j->count, truth) || (j->count == 1 && number_of(label, truth))) {
        for (int64_t k = 0; k < j->count; k++)
            if (truth[k] < 0 || truth[k] > 1)
                return weft_fail(WEFT_ERROR_FORMAT, "%s: a label of %g; expected from 0 to 1", where, truth[k]);
        return WEFT_OK;
    }
    if ((text && names_in(j, text, truth)) || classes_in(j, label, truth))
        return WEFT_OK;
    return weft_fail(WEFT_ERROR_FORMAT, "%s: expected the labels' names, as [\"%.40s\"], or a list of %lld numbers from 0 to 1",
                     where, j->classes->names[0], (long long)j->count);
}

weft_status cli_lm_judge_add(cli_lm_judge *j, weft_json_value record, const char *where, const double *numbers)
{
    weft_json_value label = weft_json_get(record, "label");
    if (!weft_json_present(label))
        label = weft_json_get(record, "labels");
    const char *text = weft_json_string(label, NULL);
    if (!weft_json_present(label) || (text && !*text))
        return WEFT_OK;
    weft_status status = grow(j);
    if (status != WEFT_OK)
        return status;
    double *truth = j->truth + j->rows * j->count;
    memcpy(j->said + j->rows * j->count, numbers, (size_t)j->count * sizeof *numbers);
    if (j->problem == WEFT_LM_PROBLEM_SINGLE_LABEL) {
        int32_t class = 0;
        status = weft_lm_classes_find(j->classes, label, where, &class);
        j->label[j->rows] = class;
    } else if (j->problem == WEFT_LM_PROBLEM_MULTI_LABEL) {
        status = several(j, label, where, truth);
    } else if (!numbers_of(label, j->count, truth) && !(j->count == 1 && number_of(label, truth))) {
        status = weft_fail(WEFT_ERROR_FORMAT, "%s: label: expected %s", where, j->count == 1 ? "a number" : "a list of numbers");
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
    if (j->problem == WEFT_LM_PROBLEM_REGRESSION) {
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

typedef struct counts {
    double hits, said, there;
} counts;

static double f1(counts c)
{
    return c.said + c.there > 0 ? 2 * c.hits / (c.said + c.there) : 0;
}

/* Each class by itself. A truth between 0 and 1 counts as there from a half on. */
static weft_status tell_several(cli_lm_judge *j, cli_arguments *a, double threshold)
{
    counts all = {0}, *each = calloc((size_t)j->count, sizeof *each);
    double loss = 0, macro = 0, whole = 0, occurring = 0;
    if (!each)
        return short_of_memory();
    for (int64_t i = 0; i < j->rows; i++) {
        bool right = true;
        for (int64_t k = 0; k < j->count; k++) {
            const double p = j->said[i * j->count + k], y = j->truth[i * j->count + k];
            const double kept = fmin(fmax(p, FLT_EPSILON), 1 - FLT_EPSILON);
            const bool says = p > threshold, is = y >= 0.5;
            loss -= y * log(kept) + (1 - y) * log1p(-kept);
            right = right && says == is;
            each[k].hits += says && is;
            each[k].said += says;
            each[k].there += is;
        }
        whole += right;
    }
    for (int64_t k = 0; k < j->count; k++) {
        all = (counts){all.hits + each[k].hits, all.said + each[k].said, all.there + each[k].there};
        occurring += each[k].said + each[k].there > 0;
        macro += f1(each[k]);
    }
    free(each);
    const struct {
        const char *key;
        double value;
    } told[] = {{"accuracy", whole / (double)j->rows},
                {"micro_f1", f1(all)},
                {"macro_f1", occurring > 0 ? macro / occurring : NAN},
                {"logloss", loss / (double)(j->rows * j->count)}};
    cli_json_integer(a, "rows", j->rows);
    cli_say(a, "%-18s %lld\n", "rows", (long long)j->rows);
    for (size_t i = 0; i < sizeof told / sizeof told[0]; i++) {
        cli_json_number(a, told[i].key, told[i].value);
        cli_say(a, "%-18s %.6g\n", told[i].key, told[i].value);
    }
    return WEFT_OK;
}

weft_status cli_lm_judge_tell(cli_lm_judge *j, cli_arguments *a, double threshold)
{
    if (j->rows == 0)
        return WEFT_OK;
    weft_json_add_key(cli_json(a), "metrics");
    weft_json_open_object(cli_json(a));
    weft_status status = j->problem == WEFT_LM_PROBLEM_MULTI_LABEL ? tell_several(j, a, threshold) : tell_tabular(j, a);
    weft_json_close_object(cli_json(a));
    return status;
}
