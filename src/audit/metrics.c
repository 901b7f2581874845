/* Groups of prompts: AUC with its bootstrap interval, detection at a false positive rate, the cross-validated choice of alpha. */
#include "weft/audit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"

typedef struct scored {
    double score;
    unsigned char label;
} scored;

static int by_score(const void *a, const void *b)
{
    double x = ((const scored *)a)->score, y = ((const scored *)b)->score;
    return (x > y) - (x < y);
}

/* Of sorted rows: the sum of the positives' mid-ranks gives the pairs won. */
static double auc_of_sorted(const scored *rows, int64_t n)
{
    double ranks = 0, positives = 0;
    for (int64_t i = 0, end; i < n; i = end) {
        int64_t here = 0;
        for (end = i; end < n && rows[end].score == rows[i].score; end++)
            here += rows[end].label;
        ranks += (double)here * ((double)(i + end + 1) / 2);
        positives += (double)here;
    }
    double negatives = (double)n - positives;
    return positives > 0 && negatives > 0 ? (ranks - positives * (positives + 1) / 2) / (positives * negatives) : NAN;
}

static scored *sorted_copy(const double *scores, const unsigned char *labels, int64_t n)
{
    scored *rows = malloc((size_t)(n + 1) * sizeof *rows);
    for (int64_t i = 0; rows && i < n; i++)
        rows[i] = (scored){scores[i], labels[i] != 0};
    if (rows)
        qsort(rows, (size_t)n, sizeof *rows, by_score);
    return rows;
}

double weft_tuco_auc(const double *scores, const unsigned char *labels, int64_t n)
{
    scored *rows = sorted_copy(scores, labels, n);
    double auc = rows ? auc_of_sorted(rows, n) : NAN;
    free(rows);
    return auc;
}

double weft_tuco_tpr(const double *scores, const unsigned char *labels, int64_t n, double fpr, double *threshold)
{
    scored *rows = sorted_copy(scores, labels, n);
    double positives = 0, negatives = 0, best = -INFINITY;
    for (int64_t i = 0; rows && i < n; i++)
        *(rows[i].label ? &positives : &negatives) += 1;
    /* candidates are the scores themselves: what lies strictly below one changes only there */
    double below1 = 0, below0 = 0, share = 0;
    for (int64_t i = 0, end; rows && i < n; i = end) {
        if (below1 <= fpr * positives) {
            best = rows[i].score;
            share = negatives > 0 ? below0 / negatives : NAN;
        }
        for (end = i; end < n && rows[end].score == rows[i].score; end++)
            *(rows[end].label ? &below1 : &below0) += 1;
        if (end == n && below1 <= fpr * positives) {
            best = INFINITY;
            share = negatives > 0 ? below0 / negatives : NAN;
        }
    }
    free(rows);
    if (threshold)
        *threshold = best;
    return positives > 0 && negatives > 0 ? share : NAN;
}

static int by_number(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

weft_status weft_tuco_auc_interval(const double *scores, const unsigned char *labels, int64_t n, int rounds, uint64_t seed,
                                   double *low, double *high)
{
    scored *rows = sorted_copy(scores, labels, n), *sample = malloc((size_t)(n + 1) * sizeof *sample);
    double *aucs = malloc((size_t)(rounds + 1) * sizeof *aucs);
    weft_status status = rows && sample && aucs && rounds > 0 ? WEFT_OK : weft_fail(WEFT_ERROR_MEMORY, "auc: memory is short");
    weft_random_key key = weft_random_stream(seed, "bootstrap");
    if (status == WEFT_OK) {
        /* classes side by side, so that each is drawn from by itself */
        int64_t ones = 0, zeros = 0;
        for (int64_t i = 0; i < n; i++)
            ones += labels[i] != 0;
        for (int64_t i = 0, k = 0; i < n; i++)
            if (labels[i])
                rows[k++] = (scored){scores[i], 1};
            else
                rows[ones + zeros++] = (scored){scores[i], 0};
        for (int r = 0; r < rounds; r++) {
            for (int64_t i = 0; i < n; i++) {
                bool one = i < ones;
                int64_t k = (int64_t)weft_random_below(key, (uint64_t)r, 0, (uint64_t)i, (uint64_t)(one ? ones : zeros));
                sample[i] = rows[one ? k : ones + k];
            }
            qsort(sample, (size_t)n, sizeof *sample, by_score);
            aucs[r] = auc_of_sorted(sample, n);
        }
        qsort(aucs, (size_t)rounds, sizeof *aucs, by_number);
        *low = aucs[(int)(0.025 * (rounds - 1) + 0.5)];
        *high = aucs[(int)(0.975 * (rounds - 1) + 0.5)];
    }
    free(rows);
    free(sample);
    free(aucs);
    return status;
}

/* Correct answers with alpha a among the rows of fold f, or among the others. */
static int64_t right(const unsigned char *correct, int64_t n, int a, int folds, int f, bool inside)
{
    int64_t count = 0;
    for (int64_t i = 0; i < n; i++)
        if ((i % folds == f) == inside)
            count += correct[(int64_t)a * n + i] != 0;
    return count;
}

weft_status weft_tuco_delta_cv(const unsigned char *correct, const double *alpha, int alphas, int64_t n, int one, int folds,
                               bool maximise, double *out)
{
    if (alphas < 1 || one < 0 || one >= alphas || folds < 2 || n < folds)
        return weft_fail(WEFT_ERROR_ARGUMENT,
                         "%lld questions in %d folds over %d values of alpha: expected at least a question a fold", (long long)n,
                         folds, alphas);
    int64_t scored_right = 0;
    for (int f = 0; f < folds; f++) {
        int64_t best_count = 0;
        int best = -1;
        for (int a = 0; a < alphas; a++) {
            int64_t count = right(correct, n, a, folds, f, false);
            bool better = best < 0 || (maximise ? count > best_count : count < best_count);
            bool nearer = best >= 0 && count == best_count && fabs(alpha[a] - 1) < fabs(alpha[best] - 1);
            if (better || nearer) {
                best = a;
                best_count = count;
            }
        }
        scored_right += right(correct, n, best, folds, f, true);
    }
    *out = (double)(scored_right - right(correct, n, one, 1, 0, true)) / (double)n;
    return WEFT_OK;
}
