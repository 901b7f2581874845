/* Quantile and standard scaling of one feature at a time. */
#include "tabular/preprocess.h"
#include "base/normal.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *const weft_scaling_names[WEFT_SCALINGS] = {"quantile", "standard", "none"};

int weft_quantile_count(int64_t train_rows)
{
    int64_t count = train_rows / 30;
    return count > 1000 ? 1000 : count < 10 ? 10 : (int)count;
}

weft_status weft_scaler_new(weft_scaling scaling, int features, int quantiles, weft_scaler **out)
{
    *out = NULL;
    if (features < 0 || (scaling == WEFT_SCALING_QUANTILE && (quantiles < 2 || quantiles > 1000000)))
        return weft_fail(WEFT_ERROR_ARGUMENT, "scaler: %d features with %d quantiles; at least 0 and 2 are needed", features,
                         quantiles);
    weft_scaler *s = calloc(1, sizeof *s);
    if (!s)
        return weft_fail(WEFT_ERROR_MEMORY, "scaler: out of memory");
    s->scaling = scaling;
    s->features = features;
    s->width = scaling == WEFT_SCALING_QUANTILE ? quantiles : scaling == WEFT_SCALING_STANDARD ? 2 : 0;
    size_t count = (size_t)features * (size_t)s->width;
    s->table = calloc(count + 1, sizeof *s->table);
    if (!s->table) {
        free(s);
        return weft_fail(WEFT_ERROR_MEMORY, "scaler: no memory for %d features of %d quantiles", features, quantiles);
    }
    *out = s;
    return WEFT_OK;
}

void weft_scaler_free(weft_scaler *s)
{
    if (s)
        free(s->table);
    free(s);
}

void weft_mean_sd(const float *x, int64_t rows, int64_t stride, double *mean, double *sd)
{
    double sum = 0, squares = 0, rest = 0;
    for (int64_t i = 0; i < rows; i++)
        sum += x[i * stride];
    *mean = sum / (double)rows;
    for (int64_t i = 0; i < rows; i++) {
        double d = x[i * stride] - *mean;
        squares += d * d;
        rest += d;
    }
    /* `rest` would be zero without rounding of the mean; taking it off keeps a constant column's deviation at zero. */
    double variance = (squares - rest * rest / (double)rows) / (double)rows;
    *sd = variance > 0 ? sqrt(variance) : 0;
}

/* The order of doubles is that of these integers: negative numbers have all bits flipped, others the sign bit. */
static uint64_t sort_key(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits & 0x8000000000000000u ? ~bits : bits | 0x8000000000000000u;
}

void weft_sort_doubles(double *x, double *scratch, int64_t rows)
{
    double *from = x, *to = scratch;
    for (int shift = 0; shift < 64; shift += 8) {
        int64_t start[257] = {0};
        for (int64_t i = 0; i < rows; i++)
            start[(sort_key(from[i]) >> shift & 255) + 1]++;
        bool one_digit = false;
        for (int d = 0; d < 256; d++) {
            one_digit = one_digit || start[d + 1] == rows;
            start[d + 1] += start[d];
        }
        if (one_digit)
            continue;
        for (int64_t i = 0; i < rows; i++)
            to[start[sort_key(from[i]) >> shift & 255]++] = from[i];
        double *swap = from;
        from = to;
        to = swap;
    }
    if (from != x)
        memcpy(x, from, (size_t)rows * sizeof *x);
}

double weft_median(double *x, double *scratch, int64_t rows)
{
    weft_sort_doubles(x, scratch, rows);
    return rows % 2 ? x[rows / 2] : 0.5 * x[rows / 2 - 1] + 0.5 * x[rows / 2];
}

/* The population sd that scales the noise, summed in float32 row after row as the reference's float32 table makes NumPy do. It
 * sets the size of the noise alone, where double would be as good: the published quantiles then agree to 1e-6 also where they
 * are nothing but noise. */
static float noise_sd(const float *x, int64_t rows, int64_t stride)
{
    float mean = 0, squares = 0;
    for (int64_t i = 0; i < rows; i++)
        mean += x[i * stride];
    mean /= (float)rows;
    for (int64_t i = 0; i < rows; i++) {
        float d = x[i * stride] - mean;
        squares += d * d;
    }
    return sqrtf(squares / (float)rows);
}

/* Quantile t of n at position t/(n-1) · (rows-1) between order statistics. `sorted` has `rows` values. */
static void quantiles_of(const double *sorted, int64_t rows, int n, double *q)
{
    for (int t = 0; t < n; t++) {
        double position = (double)t / (n - 1) * (double)(rows - 1);
        int64_t low = (int64_t)position;
        int64_t high = low + 1 < rows ? low + 1 : low;
        q[t] = sorted[low] + (sorted[high] - sorted[low]) * (position - (double)low);
        if (t > 0 && q[t] < q[t - 1])
            q[t] = q[t - 1];
    }
}

weft_status weft_scaler_fit(weft_scaler *s, int feature, const float *x, int64_t rows, int64_t stride, const double *noise,
                            int64_t noise_stride)
{
    if (s->scaling == WEFT_SCALING_NONE)
        return WEFT_OK;
    double *fitted = s->table + (size_t)feature * (size_t)s->width;
    if (s->scaling == WEFT_SCALING_STANDARD) {
        weft_mean_sd(x, rows, stride, fitted, fitted + 1);
        if (!(fitted[1] > 0))
            fitted[1] = 1;
        return WEFT_OK;
    }
    double *values = calloc((size_t)rows * 2 + 1, sizeof *values);
    if (!values)
        return weft_fail(WEFT_ERROR_MEMORY, "scaler: no memory to sort %lld values", (long long)rows);
    double factor = noise ? (double)(1e-3f / fmaxf(noise_sd(x, rows, stride), 1e-3f)) : 0;
    for (int64_t i = 0; i < rows; i++)
        values[i] = x[i * stride] + (noise ? factor * noise[i * noise_stride] : 0);
    weft_sort_doubles(values, values + rows, rows);
    quantiles_of(values, rows, s->width, fitted);
    free(values);
    return WEFT_OK;
}

/* How many of the n ascending values are ≤ x (inclusive) or < x. */
static int count_below(const double *q, int n, double x, bool inclusive)
{
    int low = 0, high = n;
    while (low < high) {
        int middle = (low + high) / 2;
        if (inclusive ? q[middle] <= x : q[middle] < x)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The place of x among the quantiles: mean of the interpolation from the left and the one from the right, which differ on
 * flat parts (there: the middle of the flat part's levels). */
static double place(const double *q, int n, double x)
{
    double top = n - 1;
    int after = count_below(q, n, x, true); /* q[after - 1] ≤ x < q[after] */
    if (after == 0)
        return 0;
    if (q[after - 1] == x) {
        int first = count_below(q, n, x, false);
        return 0.5 * (first / top + (after - 1) / top);
    }
    if (after == n)
        return 1;
    double low = (after - 1) / top, high = after / top, slope = (high - low) / (q[after] - q[after - 1]);
    return 0.5 * ((low + slope * (x - q[after - 1])) + (high - slope * (q[after] - x)));
}

static float quantile_value(const double *q, int n, float x, double least, double most)
{
    float u = (float)place(q, n, x);
    /* In float32, as the reference compares: from |x| = 2 on the 1e-7 vanishes. The lower end is set last. */
    if (x + 1e-7f > (float)q[n - 1])
        u = 1;
    if (x - 1e-7f < (float)q[0])
        u = 0;
    return (float)fmin(fmax(weft_normal_quantile(u), least), most);
}

void weft_scaler_apply(const weft_scaler *s, int feature, float *x, int64_t rows, int64_t stride)
{
    if (s->scaling == WEFT_SCALING_NONE)
        return;
    const double *fitted = s->table + (size_t)feature * (size_t)s->width;
    if (s->scaling == WEFT_SCALING_STANDARD) {
        for (int64_t i = 0; i < rows; i++)
            x[i * stride] = (float)((double)(float)(x[i * stride] - fitted[0]) / fitted[1]);
        return;
    }
    double least = weft_normal_quantile(1e-7 - DBL_EPSILON), most = weft_normal_quantile(1 - (1e-7 - DBL_EPSILON));
    for (int64_t i = 0; i < rows; i++)
        x[i * stride] = quantile_value(fitted, s->width, x[i * stride], least, most);
}
