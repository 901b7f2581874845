/* Measuring drift. */
#include "tabular/drift.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BINS = 10 };

static weft_status short_of_memory(void)
{
    return weft_fail(WEFT_ERROR_MEMORY, "drift: memory is short");
}

/* ---- numbers ---- */

/* Q(λ) = 2 Σ (-1)^(k-1) exp(-2 k² λ²), with Stephens' correction of λ for finite samples. */
static double kolmogorov_p(double distance, double n, double m)
{
    double root = sqrt(n * m / (n + m)), lambda = (root + 0.12 + 0.11 / root) * distance, sum = 0, sign = 1;
    if (lambda < 0.2)
        return 1; /* the sum converges slowly there, to 1 within 1e-11 */
    for (int k = 1; k <= 100; k++, sign = -sign)
        sum += sign * exp(-2.0 * k * k * lambda * lambda);
    return fmin(1, fmax(0, 2 * sum));
}

/* Both ascending. */
static double kolmogorov_distance(const double *a, int64_t n, const double *b, int64_t m)
{
    double most = 0;
    for (int64_t i = 0, j = 0; i < n && j < m;) {
        double x = a[i] < b[j] ? a[i] : b[j];
        while (i < n && a[i] == x)
            i++;
        while (j < m && b[j] == x)
            j++;
        most = fmax(most, fabs((double)i / (double)n - (double)j / (double)m));
    }
    return most;
}

/* Σ (q - p) ln(q / p), half a row added to each bin so that none is empty. */
static double stability_index(const int64_t *train, const int64_t *later, int bins, int64_t n, int64_t m)
{
    double psi = 0;
    for (int k = 0; k < bins; k++) {
        double p = ((double)train[k] + 0.5) / ((double)n + 0.5 * bins), q = ((double)later[k] + 0.5) / ((double)m + 0.5 * bins);
        psi += (q - p) * log(q / p);
    }
    return psi;
}

/* In how many bins of equal training shares; equal edges are one edge. */
static double binned_index(const double *train, int64_t n, const double *later, int64_t m)
{
    double edge[BINS];
    int edges = 0;
    for (int k = 1; k < BINS; k++) {
        double x = train[k * n / BINS];
        if (edges == 0 || x > edge[edges - 1])
            edge[edges++] = x;
    }
    int64_t a[BINS] = {0}, b[BINS] = {0};
    for (int side = 0; side < 2; side++) {
        const double *x = side ? later : train;
        for (int64_t i = 0, count = side ? m : n, bin = 0; i < count; i++) {
            while (bin < edges && x[i] >= edge[bin])
                bin++;
            (side ? b : a)[bin]++;
        }
    }
    return stability_index(a, b, edges + 1, n, m);
}

/* One column of numbers of both tables, `stride` apart. */
static weft_status numbers(const float *train, int64_t n, const float *later, int64_t m, int64_t stride, weft_drift *out)
{
    double *a = malloc((size_t)(2 * (n + m) + 1) * sizeof *a), *b = a ? a + n : NULL, *scratch = a ? b + m : NULL;
    if (!a)
        return short_of_memory();
    for (int64_t i = 0; i < n; i++)
        a[i] = (double)train[i * stride];
    for (int64_t i = 0; i < m; i++)
        b[i] = (double)later[i * stride];
    weft_sort_doubles(a, scratch, n);
    weft_sort_doubles(b, scratch, m);
    out->distance = kolmogorov_distance(a, n, b, m);
    out->p = kolmogorov_p(out->distance, (double)n, (double)m);
    out->psi = binned_index(a, n, b, m);
    free(a);
    return WEFT_OK;
}

/* ---- categories ---- */

/* P(χ² with k degrees of freedom > x), by Wilson and Hilferty's cube root. */
static double chi_squared_p(double x, double k)
{
    double z = (cbrt(x / k) - (1 - 2 / (9 * k))) / sqrt(2 / (9 * k));
    return 0.5 * erfc(z * 0.70710678118654752);
}

static void from_counts(const int64_t *train, const int64_t *later, int levels, int64_t n, int64_t m, weft_drift *out)
{
    double distance = 0, chi = 0, N = (double)n, M = (double)m;
    int occurring = 0;
    for (int k = 0; k < levels; k++) {
        double a = (double)train[k], b = (double)later[k];
        distance += fabs(a / N - b / M) / 2;
        occurring += a + b > 0;
        if (a + b > 0) {
            double d = a * sqrt(M / N) - b * sqrt(N / M);
            chi += d * d / (a + b);
        }
    }
    out->categories = true;
    out->distance = distance;
    out->p = occurring > 1 ? chi_squared_p(chi, occurring - 1) : 1;
    out->psi = stability_index(train, later, levels, n, m);
}

/* level(table, row, at) in [0, levels). */
static weft_status categories(const weft_table *train, const weft_table *later, int at, int levels,
                              int (*level)(const weft_table *, int64_t row, int at), weft_drift *out)
{
    int64_t *a = calloc(2 * (size_t)levels + 1, sizeof *a), *b = a ? a + levels : NULL;
    if (!a)
        return short_of_memory();
    for (int64_t i = 0; i < train->rows; i++)
        a[level(train, i, at)]++;
    for (int64_t i = 0; i < later->rows; i++)
        b[level(later, i, at)]++;
    from_counts(a, b, levels, train->rows, later->rows, out);
    free(a);
    return WEFT_OK;
}

/* 0, 1; 2: neither of the two values */
static int level_of_binary(const weft_table *t, int64_t row, int at)
{
    float x = t->x_bin[row * t->n_bin + at];
    return x == 0 ? 0 : x == 1 ? 1 : 2;
}

/* 0: a level that training did not have */
static int level_of_category(const weft_table *t, int64_t row, int at)
{
    return (int)t->x_cat[row * t->n_cat + at] + 1;
}

static int level_of_class(const weft_table *t, int64_t row, int at)
{
    (void)at;
    return (int)t->label[row];
}

/* ---- all columns ---- */

static weft_drift *next(weft_drifts *out, const char *column, const char *detail)
{
    weft_drift *d = &out->list[out->count++];
    weft_text name = {0};
    weft_text_add(&name, detail ? "%s (%s)" : "%s", column, detail);
    d->feature = name.data;
    return d->feature ? d : NULL;
}

static weft_status measure_column(const weft_schema *s, int c, const weft_table *train, const weft_table *later, weft_drifts *out)
{
    const weft_column *column = s->columns + c;
    weft_drift *d;
    weft_status status = WEFT_OK;
    for (int part = 0; column->num_at >= 0 && part < column->parts && status == WEFT_OK; part++) {
        int at = column->num_at + part;
        if (!(d = next(out, column->name, column->kind == WEFT_COLUMN_DATE ? weft_date_part_names[column->part[part]] : NULL)))
            return short_of_memory();
        status = numbers(train->x_num + at, train->rows, later->x_num + at, later->rows, train->n_num, d);
    }
    if (status == WEFT_OK && column->bin_at >= 0) {
        if (!(d = next(out, column->name, column->indicator ? "missing" : NULL)))
            return short_of_memory();
        status = categories(train, later, column->bin_at, 3, level_of_binary, d);
    }
    if (status == WEFT_OK && column->cat_at >= 0) {
        if (!(d = next(out, column->name, NULL)))
            return short_of_memory();
        status = categories(train, later, column->cat_at, column->levels.count + 1, level_of_category, d);
    }
    return status;
}

weft_status weft_drift_measure(const weft_schema *s, const weft_table *train, const weft_table *later, weft_drifts *out)
{
    *out = (weft_drifts){0};
    if (train->rows < 1 || later->rows < 1)
        return weft_fail(WEFT_ERROR_ARGUMENT, "drift: there are no rows to compare");
    out->list = calloc((size_t)(s->n_num + s->n_bin + s->n_cat) + 1, sizeof *out->list);
    weft_status status = out->list ? WEFT_OK : short_of_memory();
    for (int c = 0; c < s->n_columns && status == WEFT_OK; c++)
        status = measure_column(s, c, train, later, out);
    bool regression = train->y && later->y, classes = train->label && later->label;
    weft_drift *d = NULL;
    if (status == WEFT_OK && (regression || classes) && !(d = next(out, s->columns[s->target].name, NULL)))
        status = short_of_memory();
    if (status == WEFT_OK && d) {
        d->target = true;
        status = regression ? numbers(train->y, train->rows, later->y, later->rows, 1, d)
                            : categories(train, later, 0, s->classes, level_of_class, d);
    }
    if (status != WEFT_OK)
        weft_drifts_free(out);
    return status;
}

void weft_drifts_free(weft_drifts *d)
{
    for (int i = 0; i < d->count; i++)
        free(d->list[i].feature);
    free(d->list);
    *d = (weft_drifts){0};
}

bool weft_drift_matters(const weft_drifts *d, int i)
{
    return d->list[i].p * d->count < 0.01 && (d->list[i].psi > 0.1 || d->list[i].distance > 0.1);
}
