/* The tree-structured Parzen estimator: densities of good and of other values, and the suggestion that they make. */
#include "train/tpe.h"

#include "base/normal.h"
#include "base/random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    STARTUP_TRIALS = 10, /* random ones before the densities are asked */
    CANDIDATES = 24,     /* values drawn from the good density */
    MOST_GOOD = 25,      /* trials */
    RECENT = 25          /* observations of full weight */
};

static weft_status short_of_memory(void)
{
    return weft_fail(WEFT_ERROR_MEMORY, "tuning: memory is short");
}

/* ---- good trials and others ---- */

typedef struct ranked {
    const weft_tpe_trial *trial;
    int64_t index;
} ranked;

static int better_first(const void *a, const void *b)
{
    const ranked *x = a, *y = b;
    if (x->trial->pruned != y->trial->pruned)
        return x->trial->pruned ? 1 : -1;
    if (x->trial->pruned && x->trial->epochs != y->trial->epochs)
        return x->trial->epochs < y->trial->epochs ? 1 : -1;
    if (x->trial->score != y->trial->score)
        return x->trial->score < y->trial->score ? 1 : -1;
    return (x->index > y->index) - (x->index < y->index);
}

weft_status weft_tpe_split(const weft_tpe_trial *trials, int64_t count, bool *below)
{
    ranked *list = malloc((size_t)(count + 1) * sizeof *list);
    if (!list)
        return short_of_memory();
    for (int64_t i = 0; i < count; i++) {
        list[i] = (ranked){trials + i, i};
        below[i] = false;
    }
    qsort(list, (size_t)count, sizeof *list, better_first);
    int64_t good = (count + 9) / 10;
    for (int64_t i = 0; i < good && i < MOST_GOOD; i++)
        below[list[i].index] = true;
    free(list);
    return WEFT_OK;
}

/* ---- densities ---- */

/* Older observations weigh less: from 1/n up to 1, then 1 for the last ones; the wide kernel weighs 1. */
static void set_weights(weft_parzen *p, int64_t n)
{
    double sum = 0;
    int64_t ramp = n < RECENT ? 0 : n - RECENT;
    for (int64_t i = 0; i < n; i++) {
        double first = 1 / (double)n;
        p->weight[i] = i >= ramp ? 1 : ramp == 1 ? first : first + (1 - first) * (double)i / (double)(ramp - 1);
    }
    p->weight[n] = 1;
    for (int64_t i = 0; i <= n; i++)
        sum += p->weight[i];
    for (int64_t i = 0; i <= n; i++)
        p->weight[i] /= sum;
}

typedef struct placed {
    double mu;
    int64_t index;
} placed;

static int by_place(const void *a, const void *b)
{
    const placed *x = a, *y = b;
    if (x->mu != y->mu)
        return x->mu > y->mu ? 1 : -1;
    return (x->index > y->index) - (x->index < y->index);
}

/* A kernel is as wide as the way to the farther one of its two neighbours, among all kernels and the ends (the ends do not count
 * for the outermost two kernels), but no narrower than a share of the range that shrinks with the number of observations. */
static weft_status set_widths(weft_parzen *p, double from, double to)
{
    int64_t n = p->kernels;
    placed *list = malloc((size_t)n * sizeof *list);
    if (!list)
        return short_of_memory();
    for (int64_t i = 0; i < n; i++)
        list[i] = (placed){p->mu[i], i};
    qsort(list, (size_t)n, sizeof *list, by_place);
    double widest = to - from, narrowest = widest / fmin(100, 1 + (double)n);
    for (int64_t i = 0; i < n; i++) {
        double left = list[i].mu - (i > 0 ? list[i - 1].mu : from);
        double right = (i + 1 < n ? list[i + 1].mu : to) - list[i].mu;
        double sigma = n >= 2 && i == 0 ? right : n >= 2 && i == n - 1 ? left : fmax(left, right);
        p->sigma[list[i].index] = fmin(fmax(sigma, narrowest), widest);
    }
    p->sigma[n - 1] = widest;
    free(list);
    return WEFT_OK;
}

weft_status weft_parzen_new(const weft_axis *axis, const double *observations, int64_t count, weft_parzen *out)
{
    size_t n = (size_t)count + 1;
    *out = (weft_parzen){.axis = axis, .kernels = count + 1};
    out->weight = malloc(n * sizeof(double));
    out->mu = malloc(n * sizeof(double));
    out->sigma = calloc(n, sizeof(double));
    if (!out->weight || !out->mu || !out->sigma) {
        weft_parzen_free(out);
        return short_of_memory();
    }
    set_weights(out, count);
    for (int64_t i = 0; i < count; i++)
        out->mu[i] = axis->log ? log(observations[i]) : observations[i];
    if (axis->kind == WEFT_AXIS_CHOICE) {
        out->mu[count] = -1;
        return WEFT_OK;
    }
    double half = axis->kind == WEFT_AXIS_INTEGER ? 0.5 : 0;
    out->low = axis->log ? log(axis->least) : axis->least - half;
    out->high = axis->log ? log(axis->most) : axis->most + half;
    out->mu[count] = 0.5 * (out->low + out->high);
    weft_status status = set_widths(out, out->low, out->high);
    if (status != WEFT_OK)
        weft_parzen_free(out);
    return status;
}

void weft_parzen_free(weft_parzen *p)
{
    free(p->weight);
    free(p->mu);
    free(p->sigma);
    *p = (weft_parzen){0};
}

/* A choice's probability in a kernel: one observation of weight 1, and 1 shared out over all kernels for every choice. */
static double choice_probability(const weft_parzen *p, int64_t kernel, double choice)
{
    double choices = p->axis->most + 1, each = 1 / (double)p->kernels;
    if (p->mu[kernel] < 0)
        return 1 / choices;
    return (each + (choice == p->mu[kernel])) / (choices * each + 1);
}

static double kernel_log_density(const weft_parzen *p, int64_t k, double x)
{
    double mu = p->mu[k], sigma = p->sigma[k];
    if (p->axis->kind == WEFT_AXIS_CHOICE)
        return log(choice_probability(p, k, x));
    double inside = weft_normal_log_between((p->low - mu) / sigma, (p->high - mu) / sigma);
    if (p->axis->kind == WEFT_AXIS_INTEGER)
        return weft_normal_log_between((x - 0.5 - mu) / sigma, (x + 0.5 - mu) / sigma) - inside;
    double z = ((p->axis->log ? log(x) : x) - mu) / sigma;
    return -0.5 * z * z - log(sigma) - 0.91893853320467274178 - inside;
}

double weft_parzen_log_density(const weft_parzen *p, double x)
{
    double most = -INFINITY, sum = 0;
    for (int pass = 0; pass < 2; pass++)
        for (int64_t k = 0; k < p->kernels; k++) {
            double one = log(p->weight[k]) + kernel_log_density(p, k, x);
            if (pass == 0)
                most = fmax(most, one);
            else
                sum += exp(one - most);
        }
    return most == -INFINITY ? most : most + log(sum);
}

double weft_parzen_draw(const weft_parzen *p, double pick, double place)
{
    int64_t k = 0;
    double before = 0;
    while (k + 1 < p->kernels && before + p->weight[k] <= pick)
        before += p->weight[k++];
    if (p->axis->kind == WEFT_AXIS_CHOICE) {
        double choice = 0, sum = choice_probability(p, k, 0);
        while (choice < p->axis->most && sum <= place)
            sum += choice_probability(p, k, ++choice);
        return choice;
    }
    double mu = p->mu[k], sigma = p->sigma[k];
    double a = exp(weft_normal_log_below((p->low - mu) / sigma)), b = exp(weft_normal_log_below((p->high - mu) / sigma));
    double x = mu + sigma * weft_normal_quantile(a + place * (b - a));
    x = fmin(fmax(x, p->low), p->high);
    if (p->axis->log)
        x = exp(x);
    if (p->axis->kind == WEFT_AXIS_INTEGER)
        x = nearbyint(x);
    return fmin(fmax(x, p->axis->least), p->axis->most);
}

/* ---- suggestions ---- */

static double draw_anywhere(const weft_axis *axis, double place)
{
    if (axis->kind == WEFT_AXIS_REAL && axis->log)
        return fmin(fmax(exp(log(axis->least) + place * (log(axis->most) - log(axis->least))), axis->least), axis->most);
    if (axis->kind == WEFT_AXIS_REAL)
        return axis->least + place * (axis->most - axis->least);
    return fmin(axis->least + floor(place * (axis->most - axis->least + 1)), axis->most);
}

/* The axis' values in the trials that are good, or in the others. */
static weft_status density_of(const weft_axis *axes, int axis, const weft_tpe_trial *trials, int64_t count, const bool *below,
                              bool good, weft_parzen *out)
{
    double *values = malloc((size_t)(count + 1) * sizeof *values);
    int64_t n = 0;
    if (!values)
        return short_of_memory();
    for (int64_t i = 0; i < count; i++)
        if (below[i] == good && !isnan(trials[i].value[axis]))
            values[n++] = trials[i].value[axis];
    weft_status status = weft_parzen_new(axes + axis, values, n, out);
    free(values);
    return status;
}

weft_status weft_tpe_suggest(const weft_axis *axes, int axis, const weft_tpe_trial *trials, int64_t count, uint64_t seed,
                             int64_t number, double *out)
{
    weft_random_key key = weft_random_stream(seed, axes[axis].name);
    uint64_t step = (uint64_t)number;
    if (count < STARTUP_TRIALS) {
        *out = draw_anywhere(axes + axis, weft_random_uniform(key, step, 0, 0));
        return WEFT_OK;
    }
    weft_parzen good = {0}, other = {0};
    bool *below = malloc((size_t)count * sizeof *below);
    weft_status status = below ? weft_tpe_split(trials, count, below) : short_of_memory();
    if (status == WEFT_OK)
        status = density_of(axes, axis, trials, count, below, true, &good);
    if (status == WEFT_OK)
        status = density_of(axes, axis, trials, count, below, false, &other);
    double most = -INFINITY;
    for (uint64_t i = 0; status == WEFT_OK && i < CANDIDATES; i++) {
        double x = weft_parzen_draw(&good, weft_random_uniform(key, step, i, 0), weft_random_uniform(key, step, i, 1));
        double gain = weft_parzen_log_density(&good, x) - weft_parzen_log_density(&other, x);
        if (i == 0 || gain > most) {
            most = gain;
            *out = x;
        }
    }
    weft_parzen_free(&good);
    weft_parzen_free(&other);
    free(below);
    return status;
}
