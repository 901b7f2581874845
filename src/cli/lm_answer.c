/* One answer of a classifier. */
#include "cli/lm_answer.h"

#include "io/csv.h"

#include <string.h>

/* Equal numbers by class. */
void cli_lm_answer_take(cli_lm_answers *a, const double *x)
{
    for (int64_t i = 0; i < a->count; i++)
        a->order[i] = i;
    for (int64_t i = 0; i < a->top; i++) {
        int64_t best = i;
        for (int64_t k = i + 1; k < a->count; k++) {
            const double one = x[a->order[k]], other = x[a->order[best]];
            if (one > other || (one == other && a->order[k] < a->order[best]))
                best = k;
        }
        const int64_t moved = a->order[best];
        memmove(a->order + i + 1, a->order + i, (size_t)(best - i) * sizeof *a->order);
        a->order[i] = moved;
    }
}

static bool is_there(const cli_lm_answers *a, double number)
{
    if (!a->logits)
        return number > a->threshold;
    weft_lm_probabilities(WEFT_LM_PROBLEM_MULTI_LABEL, 1, &number);
    return number > a->threshold;
}

void cli_lm_answer_json(const cli_lm_answers *a, const double *x, weft_json_writer *w)
{
    char *const *names = a->classes->names;
    const bool several = a->problem == WEFT_LM_PROBLEM_MULTI_LABEL, number = a->problem == WEFT_LM_PROBLEM_REGRESSION;
    weft_json_open_object(w);
    if (several) {
        weft_json_add_key(w, "labels");
        weft_json_open_list(w);
        for (int64_t k = 0; k < a->count; k++)
            if (is_there(a, x[k]))
                weft_json_add_string(w, names[k]);
        weft_json_close_list(w);
    } else if (!number) {
        weft_json_add_key(w, "label");
        weft_json_add_string(w, names[a->order[0]]);
        weft_json_add_key(w, "score");
        weft_json_add_float(w, (float)x[a->order[0]]);
    } else if (a->count == 1) {
        weft_json_add_key(w, "value");
        weft_json_add_float(w, (float)x[0]);
    }
    if (several || (number && a->count > 1) || a->top > 1) {
        weft_json_add_key(w, "scores");
        weft_json_open_list(w);
        for (int64_t i = 0; i < a->top; i++) {
            const int64_t k = number ? i : a->order[i];
            weft_json_open_object(w);
            weft_json_add_key(w, "label");
            weft_json_add_string(w, names[k]);
            weft_json_add_key(w, "score");
            weft_json_add_float(w, (float)x[k]);
            weft_json_close_object(w);
        }
        weft_json_close_list(w);
    }
    weft_json_close_object(w);
}

static void add_field(weft_text *out, const char *text)
{
    weft_csv_add_field(out, text, strlen(text));
}

static void add_number(weft_text *out, double x)
{
    weft_json_writer w = weft_json_to(out, 0);
    weft_json_add_float(&w, (float)x);
}

void cli_lm_answer_header(const cli_lm_answers *a, weft_text *out)
{
    const bool number = a->problem == WEFT_LM_PROBLEM_REGRESSION, alone = number && a->count == 1;
    if (!number || alone)
        weft_text_add(out, "prediction");
    for (int64_t k = 0; k < a->count && !alone; k++) {
        weft_text name = {0};
        weft_text_add(&name, "%s%s", number ? "prediction_" : a->logits ? "logit_" : "p_", a->classes->names[k]);
        weft_text_add(out, "%s", number && k == 0 ? "" : ",");
        add_field(out, name.data ? name.data : "");
        out->failed |= name.failed;
        weft_text_free(&name);
    }
    weft_text_add(out, "\n");
}

void cli_lm_answer_row(const cli_lm_answers *a, const double *x, weft_text *out)
{
    const bool number = a->problem == WEFT_LM_PROBLEM_REGRESSION;
    weft_text labels = {0};
    bool first = true;
    for (int64_t k = 0; k < a->count && a->problem == WEFT_LM_PROBLEM_MULTI_LABEL; k++)
        if (is_there(a, x[k])) {
            weft_text_add(&labels, "%s%s", first ? "" : "|", a->classes->names[k]);
            first = false;
        }
    if (!number)
        add_field(out, a->problem == WEFT_LM_PROBLEM_SINGLE_LABEL ? a->classes->names[a->order[0]]
                       : labels.data                              ? labels.data
                                                                  : "");
    for (int64_t k = 0; k < a->count; k++) {
        weft_text_add(out, "%s", number && k == 0 ? "" : ",");
        add_number(out, x[k]);
    }
    weft_text_add(out, "\n");
    out->failed |= labels.failed;
    weft_text_free(&labels);
}

void cli_lm_answer_line(const cli_lm_answers *a, const double *x, weft_text *out)
{
    for (int64_t i = 0; i < a->top; i++) {
        const int64_t k = a->problem == WEFT_LM_PROBLEM_REGRESSION ? i : a->order[i];
        const bool alone = a->problem == WEFT_LM_PROBLEM_REGRESSION && a->count == 1;
        weft_text_add(out, "%s%s%s%.4g", i ? "\t" : "", alone ? "" : a->classes->names[k], alone ? "" : " ", x[k]);
    }
    weft_text_add(out, "\n");
}
