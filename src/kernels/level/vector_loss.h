/* Cross-entropy: kernels on rows of logits. */
#ifndef WEFT_KERNELS_VECTOR_LOSS_H
#define WEFT_KERNELS_VECTOR_LOSS_H

#include "kernels/level/vector_rows.h"

static void cap_row(int64_t n, double cap, real *x)
{
    const vec inverse = splat((real)(1 / cap)), c = splat((real)cap);
    for (int64_t i = 0; i < n; i += LANES)
        store_rest(x, tanh_(load_rest(x, i, n) * inverse) * c, i, n);
}

static void row_loss(int64_t rows, int64_t n, double smoothing, double cap, void *logits, const int64_t *labels, void *losses,
                     void *log_sums)
{
    for (int64_t r = 0; r < rows; r++) {
        real *x = (real *)logits + r * n;
        if (cap > 0)
            cap_row(n, cap, x);
        const real top = row_max_of_numbers(n, x);
        const double log_sum = (double)top + log(exp_row(n, x, top, NULL, x, (pending_row){0}));
        double target = labels[r] < 0 ? 0 : (double)x[labels[r]];
        if (labels[r] >= 0 && smoothing > 0)
            target += smoothing * (row_sum(TERM_X, n, x, NULL) / (double)n - target);
        ((real *)losses)[r] = labels[r] < 0 ? 0 : (real)(log_sum - target);
        if (log_sums)
            ((real *)log_sums)[r] = (real)log_sum;
    }
}

static void row_loss_grad(int64_t rows, int64_t n, double smoothing, double cap, bool capped, void *logits, const int64_t *labels,
                          const void *log_sums, const void *dlosses)
{
    const vec one = splat(1), all = splat((real)(smoothing / (double)n)), inverse = splat(cap > 0 ? (real)(1 / cap) : 0);
    for (int64_t r = 0; r < rows; r++) {
        real *x = (real *)logits + r * n;
        const real d = ((const real *)dlosses)[r];
        if (labels[r] < 0) {
            memset(x, 0, (size_t)n * sizeof *x);
            continue;
        }
        if (cap > 0 && !capped)
            cap_row(n, cap, x);
        const vec log_sum = splat(((const real *)log_sums)[r]), scale = splat(d);
        const real at = cap > 0 ? 1 - (x[labels[r]] / (real)cap) * (x[labels[r]] / (real)cap) : 1;
        for (int64_t i = 0; i < n; i += LANES) {
            const vec z = load_rest(x, i, n), t = z * inverse;
            store_rest(x, (exp_(z - log_sum) - all) * scale * (one - t * t), i, n);
        }
        x[labels[r]] -= (real)(1 - smoothing) * d * at;
    }
}

static void scale_row(int64_t n, double factor, real *x)
{
    const vec f = splat((real)factor);
    for (int64_t i = 0; i < n; i += LANES)
        store_rest(x, load_rest(x, i, n) * f, i, n);
}

/* log Σ exp(x); the terms exp(x - max) in e where it is not NULL, and their sum. */
static double log_sum_row(int64_t n, const real *x, real *e, double *sum)
{
    const real top = row_max_of_numbers(n, x);
    *sum = exp_row(n, x, top, e, x, (pending_row){0});
    return (double)top + log(*sum);
}

static void row_distill(int64_t rows, int64_t n, const double *numbers, void *logits, void *taught, const int64_t *labels,
                        void *losses, void *log_sums)
{
    const double T = numbers[WEFT_DISTILL_TEMPERATURE], share = numbers[WEFT_DISTILL_WEIGHT];
    for (int64_t r = 0; r < rows; r++) {
        real *z = (real *)logits + r * n, *t = (real *)taught + r * n, *loss = (real *)losses + r;
        double sum, logs[3] = {0};
        *loss = 0;
        if (labels[r] >= 0) {
            if (numbers[WEFT_DISTILL_CAP] > 0)
                cap_row(n, numbers[WEFT_DISTILL_CAP], z);
            if (numbers[WEFT_DISTILL_TAUGHT_CAP] > 0)
                cap_row(n, numbers[WEFT_DISTILL_TAUGHT_CAP], t);
            logs[0] = log_sum_row(n, z, NULL, &sum);
            const double own = logs[0] - (double)z[labels[r]];
            scale_row(n, 1 / T, z);
            scale_row(n, 1 / T, t);
            logs[1] = log_sum_row(n, z, NULL, &sum);
            for (int64_t i = 0; i < n; i += LANES)
                store_rest(z, load_rest(t, i, n) - load_rest(z, i, n), i, n);
            logs[2] = log_sum_row(n, t, t, &sum);
            const double divergence = row_sum(TERM_PRODUCT, n, t, z) / sum - logs[2] + logs[1]; /* Σ p (log p − log q) */
            *loss = (real)((1 - share) * own + share * T * T * divergence);
        }
        for (int k = 0; k < 3 && log_sums; k++)
            ((real *)log_sums)[3 * r + k] = (real)logs[k];
    }
}

static void row_distill_grad(int64_t rows, int64_t n, const double *numbers, void *logits, void *taught, const int64_t *labels,
                             const void *log_sums, const void *dlosses)
{
    const double T = numbers[WEFT_DISTILL_TEMPERATURE], share = numbers[WEFT_DISTILL_WEIGHT], cap = numbers[WEFT_DISTILL_CAP];
    const vec one = splat(1), soft = splat((real)(1 / T)), inverse = splat(cap > 0 ? (real)(1 / cap) : 0);
    for (int64_t r = 0; r < rows; r++) {
        real *z = (real *)logits + r * n, *t = (real *)taught + r * n;
        const real d = ((const real *)dlosses)[r], *logs = (const real *)log_sums + 3 * r;
        if (labels[r] < 0) {
            memset(z, 0, (size_t)n * sizeof *z);
            continue;
        }
        if (cap > 0)
            cap_row(n, cap, z);
        if (numbers[WEFT_DISTILL_TAUGHT_CAP] > 0)
            cap_row(n, numbers[WEFT_DISTILL_TAUGHT_CAP], t);
        const vec sums[3] = {splat(logs[0]), splat(logs[1]), splat(logs[2])};
        const vec labelled = splat((real)(1 - share) * d), told = splat((real)(share * T) * d);
        const real at = cap > 0 ? 1 - (z[labels[r]] / (real)cap) * (z[labels[r]] / (real)cap) : 1;
        for (int64_t i = 0; i < n; i += LANES) {
            const vec x = load_rest(z, i, n), y = load_rest(t, i, n), slope = x * inverse;
            const vec off = exp_(x * soft - sums[1]) - exp_(y * soft - sums[2]); /* q − p */
            store_rest(z, (exp_(x - sums[0]) * labelled + off * told) * (one - slope * slope), i, n);
        }
        z[labels[r]] -= (real)(1 - share) * d * at;
    }
}

#endif
