/* relu_sum and its two gradients: out[i] = Σ_j p[i, j] drop relu(a[i] + b - table[index[i, j]]), the hot spot of a TabR step
 * (spec 2.10). Pairs are taken up to four at a time, so that a row's sums are loaded and stored once for four; the sums still
 * run in ascending order, one chain an element. Rows of bits and sums live on the stack, PAIR_CHUNK columns at a time. */
#ifndef WEFT_KERNELS_PAIR_RELU_H
#define WEFT_KERNELS_PAIR_RELU_H

#include "kernels/level/pair_draw.h"

enum { PAIR_GROUP = 4, PAIR_LIST = 128 };

typedef struct relu_pairs {
    int count;
    const real *rows[PAIR_GROUP];    /* each pair's table row (for dtable: its row of a), at the chunk's first column */
    const real *ahead[PAIR_GROUP];   /* the rows of the next group, to be fetched meanwhile */
    const real *others[PAIR_GROUP];  /* for dtable: each pair's row of the cotangent */
    const real *factors[PAIR_GROUP]; /* PAIR_FACTORS */
    uint8_t *bits[PAIR_GROUP];       /* PAIR_BITS, or to be written */
    real weight[PAIR_GROUP];         /* p times the factor of a kept element */
} relu_pairs;

/* What the sums do with a pair's elements. */
typedef enum relu_task {
    RELU_SUM,        /* sums += weight · drop · relu */
    RELU_SUM_SAVE,   /* the same, and bits become kept and positive */
    RELU_QUERY,      /* sums += weight · drop · 1[> 0]; dots += cotangent · drop · relu */
    RELU_QUERY_BITS, /* the same from saved bits */
    RELU_TABLE,      /* sums += weight · drop · cotangent · 1[> 0] */
    RELU_TABLE_BITS
} relu_task;

SIMD_INLINE vec load_columns(const real *x, int64_t c, int64_t n, bool whole)
{
    return whole ? load(x + c) : load_part(x + c, n - c);
}

/* In double, in a fixed tree. */
SIMD_INLINE double sum_lanes(vec x)
{
    vd parts[PARTS];
    widen_vec(x, parts);
    for (int k = 1; k < PARTS; k++)
        parts[0] += parts[k];
    return sum_d(parts[0]);
}

/* One vector of columns of `together` pairs. `fixed`: the row that all share, a + b (for dtable: the table's row); `other`:
 * the shared cotangent, or b for dtable. */
SIMD_INLINE void relu_columns(relu_task task, pair_mode mode, int together, const relu_pairs *g, int64_t c, int64_t n, bool whole,
                              const real *fixed, const real *other, vec *dots, real *sums)
{
    const bool saved = task == RELU_QUERY_BITS || task == RELU_TABLE_BITS;
    const bool table = task == RELU_TABLE || task == RELU_TABLE_BITS;
    vec sum = load(sums + c);
    const vec shared = task == RELU_TABLE_BITS ? splat(0) : load(fixed + c);
    const vec beside = task == RELU_SUM || task == RELU_SUM_SAVE || task == RELU_TABLE_BITS ? splat(0) : load(other + c);
    for (int u = 0; u < together; u++) {
        kept k = mode == PAIR_BITS ? kept_at(g->bits[u], c) : kept_all();
        vec x = splat(0);
        if (task != RELU_TABLE_BITS) {
            vec row = load_columns(g->rows[u], c, n, whole);
            x = table ? (row + beside) - shared : shared - row;
            _mm_prefetch((const char *)(g->ahead[u] + c), _MM_HINT_T0);
        }
        vec weight = splat(g->weight[u]), drop = splat(1);
        if (mode == PAIR_FACTORS) {
            drop = load_columns(g->factors[u], c, n, whole);
            weight = weight * drop;
        }
        if (task == RELU_SUM) {
            sum = mad(relu_where(k, x), weight, sum);
            continue;
        }
        if (!saved)
            k = positive(k, x);
        if (task == RELU_SUM_SAVE) {
            kept_store(g->bits[u], c, k);
            sum = mad_where(k, x, weight, sum);
        } else if (table) {
            sum = mad_where(k, load_columns(g->others[u], c, n, whole), weight, sum);
        } else {
            vec cotangent = beside;
            if (mode == PAIR_FACTORS)
                cotangent = cotangent * drop;
            dots[u] = mad_where(k, x, cotangent, dots[u]);
            sum = add_where(k, sum, weight);
        }
    }
    store(sums + c, sum);
}

SIMD_INLINE void relu_group(relu_task task, pair_mode mode, int together, const relu_pairs *g, int64_t n, const real *fixed,
                            const real *other, double *dots_out, real *sums)
{
    vec dots[PAIR_GROUP];
    for (int u = 0; u < together; u++)
        dots[u] = splat(0);
    int64_t c = 0;
    for (; c + LANES <= n; c += LANES)
        relu_columns(task, mode, together, g, c, n, true, fixed, other, dots, sums);
    if (c < n)
        relu_columns(task, mode, together, g, c, n, false, fixed, other, dots, sums);
    if (task == RELU_QUERY || task == RELU_QUERY_BITS)
        for (int u = 0; u < together; u++)
            dots_out[u] = sum_lanes(dots[u]);
}

/* The group's size and the mode become constants of the loops. */
#define RELU_GROUP_OF(task, mode) \
    static void task##_##mode(const relu_pairs *g, int64_t n, const real *fixed, const real *other, double *dots, real *sums) \
    { \
        switch (g->count) { \
        case 1: \
            relu_group(task, mode, 1, g, n, fixed, other, dots, sums); \
            break; \
        case 2: \
            relu_group(task, mode, 2, g, n, fixed, other, dots, sums); \
            break; \
        case 3: \
            relu_group(task, mode, 3, g, n, fixed, other, dots, sums); \
            break; \
        default: \
            relu_group(task, mode, PAIR_GROUP, g, n, fixed, other, dots, sums); \
        } \
    }
RELU_GROUP_OF(RELU_SUM, PAIR_KEEP_ALL)
RELU_GROUP_OF(RELU_SUM, PAIR_BITS)
RELU_GROUP_OF(RELU_SUM, PAIR_FACTORS)
RELU_GROUP_OF(RELU_SUM_SAVE, PAIR_BITS)
RELU_GROUP_OF(RELU_QUERY, PAIR_KEEP_ALL)
RELU_GROUP_OF(RELU_QUERY, PAIR_BITS)
RELU_GROUP_OF(RELU_QUERY, PAIR_FACTORS)
RELU_GROUP_OF(RELU_QUERY_BITS, PAIR_BITS)
RELU_GROUP_OF(RELU_TABLE, PAIR_KEEP_ALL)
RELU_GROUP_OF(RELU_TABLE, PAIR_BITS)
RELU_GROUP_OF(RELU_TABLE, PAIR_FACTORS)
RELU_GROUP_OF(RELU_TABLE_BITS, PAIR_BITS)

typedef void relu_function(const relu_pairs *, int64_t, const real *, const real *, double *, real *);

/* x (+ y) padded with zeros to whole vectors. */
static void pad_columns(const real *x, const real *y, int64_t n, real *out)
{
    for (int64_t c = 0; c < n; c += LANES) {
        vec v = load_rest(x, c, n);
        if (y)
            v += load_rest(y, c, n);
        store(out + c, v);
    }
}

static void clear_columns(int64_t n, real *out)
{
    for (int64_t c = 0; c < n; c += LANES)
        store(out + c, splat(0));
}

SIMD_INLINE int64_t chunk_of(int64_t c0, int64_t h)
{
    return h - c0 < PAIR_CHUNK ? h - c0 : PAIR_CHUNK;
}

/* The pairs of a row from *j on with p ≠ 0 (or all): at most PAIR_LIST. */
SIMD_INLINE int list_pairs(const real *p, int64_t m, bool all, int64_t *j, int64_t list[PAIR_LIST])
{
    int count = 0;
    for (; *j < m && count < PAIR_LIST; ++*j) {
        list[count] = *j;
        count += all || p[*j] != 0;
    }
    return count;
}

typedef uint8_t bit_row[PAIR_CHUNK_BYTES];

/* Where a pair's bits are: saved ones, or drawn now into its place of `drawn`. A pair without saved bits (p = 0) draws. */
SIMD_INLINE uint8_t *bits_of_pair(const pair_draw *d, uint64_t *saved, bool draw, int64_t row, int64_t h, int64_t c0, int64_t n,
                                  bit_row drawn)
{
    uint8_t *bits = saved ? (uint8_t *)(saved + row * ((h + 63) / 64) + c0 / 64) : drawn;
    if (draw && d->mode == PAIR_BITS)
        draw_bits(d, (uint64_t)row, c0, n, bits);
    else if (draw)
        memset(bits, 255, (size_t)((n + 63) / 64 * 8));
    return bits;
}

static void relu_sum(int64_t r0, int64_t r1, int64_t m, int64_t h, const void *a_, const void *table_, const void *b_,
                     const int64_t *index, const void *p_, const weft_pair_dropout *drop, void *out_)
{
    const real *a = a_, *table = table_, *b = b_, *p = p_;
    const pair_draw d = pair_draw_of(drop);
    uint64_t *saved = drop && d.mode != PAIR_FACTORS ? drop->bits : NULL;
    relu_function *const function = saved                    ? RELU_SUM_SAVE_PAIR_BITS
                                    : d.mode == PAIR_BITS    ? RELU_SUM_PAIR_BITS
                                    : d.mode == PAIR_FACTORS ? RELU_SUM_PAIR_FACTORS
                                                             : RELU_SUM_PAIR_KEEP_ALL;
    real query[PAIR_CHUNK] __attribute__((aligned(64))), sums[PAIR_CHUNK] __attribute__((aligned(64)));
    bit_row drawn[PAIR_GROUP];
    for (int64_t i = r0; i < r1; i++)
        for (int64_t c0 = 0; c0 < h; c0 += PAIR_CHUNK) {
            const int64_t n = chunk_of(c0, h);
            pad_columns(a + i * h + c0, b + c0, n, query);
            clear_columns(n, sums);
            int64_t list[PAIR_LIST];
            for (int64_t j = 0; j < m;) {
                const int count = list_pairs(p + i * m, m, false, &j, list);
                for (int k = 0; k < count; k += PAIR_GROUP) {
                    relu_pairs g;
                    g.count = count - k < PAIR_GROUP ? count - k : PAIR_GROUP;
                    for (int u = 0; u < g.count; u++) {
                        const int64_t pair = i * m + list[k + u];
                        const int next = k + u + PAIR_GROUP < count ? k + u + PAIR_GROUP : k + u;
                        g.rows[u] = table + index[pair] * h + c0;
                        g.ahead[u] = table + index[i * m + list[next]] * h + c0;
                        g.factors[u] = d.factors ? d.factors + pair * h + c0 : NULL;
                        g.weight[u] = p[pair] * d.factor;
                        if (saved || d.mode == PAIR_BITS)
                            g.bits[u] = bits_of_pair(&d, saved, true, pair, h, c0, n, drawn[u]);
                    }
                    function(&g, n, query, NULL, NULL, sums);
                }
            }
            memcpy((real *)out_ + i * h + c0, sums, (size_t)n * sizeof(real));
        }
}

static void relu_sum_grad_query(int64_t r0, int64_t r1, int64_t m, int64_t h, const void *a_, const void *table_, const void *b_,
                                const int64_t *index, const void *p_, const weft_pair_dropout *drop, const void *cotangent_,
                                bool all_p, void *dp_, void *da_)
{
    const real *a = a_, *table = table_, *b = b_, *p = p_, *cotangent = cotangent_;
    real *dp = dp_, *da = da_;
    const pair_draw d = pair_draw_of(drop);
    uint64_t *saved = drop && d.mode != PAIR_FACTORS && !all_p ? drop->bits : NULL;
    relu_function *const function = saved                    ? RELU_QUERY_BITS_PAIR_BITS
                                    : d.mode == PAIR_BITS    ? RELU_QUERY_PAIR_BITS
                                    : d.mode == PAIR_FACTORS ? RELU_QUERY_PAIR_FACTORS
                                                             : RELU_QUERY_PAIR_KEEP_ALL;
    real query[PAIR_CHUNK] __attribute__((aligned(64))), sums[PAIR_CHUNK] __attribute__((aligned(64)));
    real g_row[PAIR_CHUNK] __attribute__((aligned(64)));
    bit_row drawn[PAIR_GROUP];
    for (int64_t i = r0; i < r1; i++) {
        if (dp)
            memset(dp + i * m, 0, (size_t)m * sizeof(real));
        for (int64_t c0 = 0; c0 < h; c0 += PAIR_CHUNK) {
            const int64_t n = chunk_of(c0, h);
            pad_columns(a + i * h + c0, b + c0, n, query);
            pad_columns(cotangent + i * h + c0, NULL, n, g_row);
            clear_columns(n, sums);
            int64_t list[PAIR_LIST];
            for (int64_t j = 0; j < m;) {
                const int count = list_pairs(p + i * m, m, all_p, &j, list);
                for (int k = 0; k < count; k += PAIR_GROUP) {
                    relu_pairs g;
                    g.count = count - k < PAIR_GROUP ? count - k : PAIR_GROUP;
                    for (int u = 0; u < g.count; u++) {
                        const int64_t pair = i * m + list[k + u];
                        const int next = k + u + PAIR_GROUP < count ? k + u + PAIR_GROUP : k + u;
                        g.rows[u] = table + index[pair] * h + c0;
                        g.ahead[u] = table + index[i * m + list[next]] * h + c0;
                        g.factors[u] = d.factors ? d.factors + pair * h + c0 : NULL;
                        g.weight[u] = p[pair] * d.factor;
                        if (saved || d.mode == PAIR_BITS)
                            g.bits[u] = bits_of_pair(&d, saved, !saved, pair, h, c0, n, drawn[u]);
                    }
                    double dots[PAIR_GROUP];
                    function(&g, n, query, g_row, dots, sums);
                    for (int u = 0; dp && u < g.count; u++)
                        dp[i * m + list[k + u]] += (real)(dots[u] * d.factor);
                }
            }
            if (da)
                for (int64_t c = 0; c < n; c++)
                    da[i * h + c0 + c] = g_row[c] * sums[c];
        }
    }
}

static void relu_sum_grad_table(int64_t t0, int64_t t1, int64_t m, int64_t h, const void *a_, const void *table_, const void *b_,
                                const int64_t *inverse_start, const int64_t *inverse, const void *p_,
                                const weft_pair_dropout *drop, const void *cotangent_, void *dtable_)
{
    const real *a = a_, *table = table_, *b = b_, *p = p_, *cotangent = cotangent_;
    real *dtable = dtable_;
    const pair_draw d = pair_draw_of(drop);
    uint64_t *saved = drop && d.mode != PAIR_FACTORS ? drop->bits : NULL;
    relu_function *const function = saved                    ? RELU_TABLE_BITS_PAIR_BITS
                                    : d.mode == PAIR_BITS    ? RELU_TABLE_PAIR_BITS
                                    : d.mode == PAIR_FACTORS ? RELU_TABLE_PAIR_FACTORS
                                                             : RELU_TABLE_PAIR_KEEP_ALL;
    real target[PAIR_CHUNK] __attribute__((aligned(64))), sums[PAIR_CHUNK] __attribute__((aligned(64)));
    real bias[PAIR_CHUNK] __attribute__((aligned(64)));
    bit_row drawn[PAIR_GROUP];
    for (int64_t c0 = 0; c0 < h; c0 += PAIR_CHUNK) {
        const int64_t n = chunk_of(c0, h);
        pad_columns(b + c0, NULL, n, bias);
        for (int64_t t = t0; t < t1; t++) {
            real *out = dtable + t * h + c0;
            bool any = false;
            for (int64_t k = inverse_start[t]; k < inverse_start[t + 1];) {
                relu_pairs g = {.count = 0};
                for (; k < inverse_start[t + 1] && g.count < PAIR_GROUP; k++) {
                    const int64_t pair = inverse[k], i = pair / m;
                    if (p[pair] == 0)
                        continue;
                    const int u = g.count++;
                    g.rows[u] = g.ahead[u] = a + i * h + c0;
                    g.others[u] = cotangent + i * h + c0;
                    g.factors[u] = d.factors ? d.factors + pair * h + c0 : NULL;
                    g.weight[u] = -p[pair] * d.factor;
                    if (saved || d.mode == PAIR_BITS)
                        g.bits[u] = bits_of_pair(&d, saved, !saved, pair, h, c0, n, drawn[u]);
                }
                if (!g.count)
                    continue;
                if (!any) {
                    clear_columns(n, sums);
                    if (!saved)
                        pad_columns(table + t * h + c0, NULL, n, target);
                    any = true;
                }
                function(&g, n, target, bias, NULL, sums);
            }
            if (any)
                memcpy(out, sums, (size_t)n * sizeof(real));
            else
                memset(out, 0, (size_t)n * sizeof(real));
        }
    }
}

#endif
