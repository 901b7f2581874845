/* Pairs of responses, their reference and their rewards. */
#include "lm/preferences.h"

#include <math.h>
#include <stdlib.h>

static weft_status short_of_memory(void)
{
    return weft_fail(WEFT_ERROR_MEMORY, "training: memory is short");
}

int64_t weft_lm_pairs_count(const weft_lm_pairs *p)
{
    return p->rows ? p->rows->count / 2 : 0;
}

weft_status weft_lm_pairs_fill(const weft_lm_pairs *p, const int64_t *which, int64_t batch, weft_lm_pass *pass)
{
    int64_t *rows = malloc(2 * (size_t)batch * sizeof *rows);
    double *reference = weft_lm_pass_reference(pass);
    if (!rows)
        return short_of_memory();
    for (int64_t b = 0; b < batch; b++)
        for (int k = 0; k < 2; k++) {
            rows[k * batch + b] = which[b] < 0 ? -1 : 2 * which[b] + k;
            reference[k * batch + b] = p->reference && which[b] >= 0 ? p->reference[2 * which[b] + k] : 0;
        }
    weft_lm_rows_fill(p->rows, p->data, rows, 2 * batch, weft_lm_pass_inputs(pass));
    free(rows);
    return WEFT_OK;
}

/* Pairs from … of count in a batch, −1 behind the last. */
static void next_batch(int64_t from, int64_t count, int64_t batch, int64_t *which)
{
    for (int64_t b = 0; b < batch; b++)
        which[b] = from + b < count ? from + b : -1;
}

weft_status weft_lm_pairs_measure(weft_lm_pairs *p, int64_t batch, weft_lm_pass *pass)
{
    const int64_t n = weft_lm_pairs_count(p);
    double *sums = malloc(2 * (size_t)batch * sizeof *sums), *all = calloc(2 * (size_t)n + 1, sizeof *all), loss;
    int64_t *which = malloc((size_t)batch * sizeof *which);
    weft_status status = sums && all && which ? WEFT_OK : short_of_memory();
    for (int64_t from = 0; from < n && status == WEFT_OK; from += batch) {
        next_batch(from, n, batch, which);
        status = weft_lm_pairs_fill(p, which, batch, pass);
        if (status == WEFT_OK)
            status = weft_lm_pass_run(pass, 1, 0, 0, &loss);
        if (status == WEFT_OK)
            status = weft_lm_pass_sums(pass, sums);
        for (int64_t b = 0; status == WEFT_OK && b < batch && from + b < n; b++) {
            all[2 * (from + b)] = sums[b];
            all[2 * (from + b) + 1] = sums[batch + b];
        }
    }
    free(sums);
    free(which);
    if (status == WEFT_OK)
        p->reference = all;
    else
        free(all);
    return status;
}

weft_status weft_lm_pairs_reward(const weft_lm_pairs *p, const int64_t *which, int64_t batch, double beta, weft_lm_pass *pass,
                                 weft_lm_rewards *out)
{
    double *sums = malloc(2 * (size_t)batch * sizeof *sums);
    weft_status status = sums ? weft_lm_pass_sums(pass, sums) : short_of_memory();
    for (int64_t b = 0; status == WEFT_OK && b < batch; b++) {
        if (which[b] < 0)
            continue;
        double chosen = p->reference[2 * which[b]] - sums[b], rejected = p->reference[2 * which[b] + 1] - sums[batch + b];
        out->margin += beta * (chosen - rejected);
        out->right += chosen > rejected;
        out->seen++;
    }
    free(sums);
    return status;
}

weft_status weft_lm_pairs_score(const weft_lm_pairs *p, int64_t count, int64_t batch, double beta, weft_lm_pass *pass,
                                double *loss, weft_lm_rewards *rewards)
{
    int64_t *which = malloc((size_t)batch * sizeof *which);
    weft_status status = which ? WEFT_OK : short_of_memory();
    double sum = 0;
    *rewards = (weft_lm_rewards){0};
    for (int64_t from = 0; from < count && status == WEFT_OK; from += batch) {
        double part = 0;
        next_batch(from, count, batch, which);
        status = weft_lm_pairs_fill(p, which, batch, pass);
        if (status == WEFT_OK)
            status = weft_lm_pass_run(pass, 1, 0, 0, &part);
        if (status == WEFT_OK)
            status = weft_lm_pairs_reward(p, which, batch, beta, pass, rewards);
        sum += part;
    }
    free(which);
    *loss = count ? sum / (double)count : NAN;
    return status;
}
