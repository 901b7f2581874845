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

#endif
