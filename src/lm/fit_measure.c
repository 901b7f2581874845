/* What a model makes of rows without learning from them: the mean loss, and of a classifier how right it is. */
#include "lm/fit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lm/masking.h"

/* The rows of a pass that has run, by what the head said of them. */
static weft_status add_scores(weft_lm_pass *pass, int64_t rows, double *answers, double *truth, weft_lm_scores *scores)
{
    const weft_lm_batch *in = weft_lm_pass_inputs(pass);
    const int64_t n = scores->classes;
    weft_tensor logits;
    weft_status status = weft_fetch(weft_lm_pass_session(pass), "class_logits", &logits);
    for (int64_t b = 0; b < rows && status == WEFT_OK; b++) {
        for (int64_t k = 0; k < n; k++) {
            answers[k] = (double)((const float *)logits.data)[b * n + k];
            truth[k] = weft_lm_problem_of_numbers(scores->problem) ? (double)in->targets[b * n + k] : 0;
        }
        if (scores->problem == WEFT_LM_PROBLEM_SINGLE_LABEL)
            weft_lm_scores_class(scores, answers, in->labels[b]);
        else if (scores->problem == WEFT_LM_PROBLEM_MULTI_LABEL)
            weft_lm_scores_labels(scores, answers, truth, 0); /* a logit above 0 is a probability above a half */
        else
            weft_lm_scores_numbers(scores, answers, truth);
    }
    return status;
}

static weft_status measure(weft_lm *lm, const weft_lm_data *data, const weft_lm_rows *rows, int64_t count, int64_t batch,
                           bool bf16, double *loss, weft_lm_scores *scores)
{
    weft_lm_pass *pass = NULL;
    weft_lm_pass_form form = {.batch = batch,
                              .length = rows->length,
                              .segments = rows->packed,
                              .classes = data->classed,
                              .targets = data->target_count,
                              .bf16 = bf16};
    const size_t n = scores ? (size_t)scores->classes : 0;
    int64_t *which = malloc((size_t)batch * sizeof *which), labels = 0;
    double sum = 0, part, *answers = malloc((2 * n + 1) * sizeof *answers);
    weft_status status =
        which && answers ? weft_lm_pass_new(lm, &form, &pass) : weft_fail(WEFT_ERROR_MEMORY, "training: memory is short");
    for (int64_t from = 0; from < count && status == WEFT_OK; from += batch) {
        for (int64_t b = 0; b < batch; b++)
            which[b] = from + b < count ? from + b : -1;
        weft_lm_batch *in = weft_lm_pass_inputs(pass);
        weft_lm_rows_fill(rows, data, which, batch, in);
        if (data->in_place && !data->classed)
            weft_lm_mask_rows(data, WEFT_LM_VALIDATION_MASKS, 0, which, batch, rows->length, lm->config.vocab, in);
        status = weft_lm_pass_run(pass, 1, 0, 0, &part);
        sum += part;
        labels += in->labelled;
        if (status == WEFT_OK && scores)
            status = add_scores(pass, count - from < batch ? count - from : batch, answers, answers + n, scores);
    }
    *loss = labels ? sum / (double)labels : NAN;
    weft_lm_pass_free(pass);
    free(which);
    free(answers);
    return status;
}

weft_status weft_lm_mean_loss(weft_lm *lm, const weft_lm_data *data, const weft_lm_rows *rows, int64_t count, int64_t batch,
                              bool bf16, double *out)
{
    return measure(lm, data, rows, count, batch, bf16, out, NULL);
}

weft_status weft_lm_class_scores(weft_lm *lm, const weft_lm_data *data, const weft_lm_rows *rows, int64_t count, int64_t batch,
                                 bool bf16, double *loss, weft_lm_scores *out)
{
    const weft_lm_problem problem =
        lm->config.problem == WEFT_LM_PROBLEM_UNSAID ? WEFT_LM_PROBLEM_SINGLE_LABEL : lm->config.problem;
    weft_status status = weft_lm_scores_begin(out, problem, lm->config.classes);
    return status == WEFT_OK ? measure(lm, data, rows, count, batch, bf16, loss, out) : status;
}
