/* Sampling. All in double: logits are few, and sums of probabilities decide. */
#include "lm/sampler.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"

typedef struct candidate {
    double key; /* what it is sorted by, smallest first */
    int64_t id;
} candidate;

struct weft_sampler {
    weft_sampler_settings settings;
    int64_t vocabulary;
    double *score;         /* [vocabulary] logits as they change; −Inf: out of the game */
    double *probability;   /* [vocabulary] */
    candidate *candidates; /* [vocabulary] */
    int32_t *counts;       /* [vocabulary] in the output, and −1 … for in the prompt alone; all 0 between calls */
};

weft_status weft_sampler_new(int64_t vocabulary, const weft_sampler_settings *settings, weft_sampler **out)
{
    *out = NULL;
    weft_status status = weft_sampler_check(settings);
    if (status != WEFT_OK)
        return status;
    if (vocabulary < 1 || vocabulary > INT32_MAX)
        return weft_fail(WEFT_ERROR_ARGUMENT, "sampling: logits of %lld tokens", (long long)vocabulary);
    for (int64_t i = 0; i < settings->bias_count; i++)
        if (settings->bias[i].id < 0 || settings->bias[i].id >= vocabulary)
            return weft_fail(WEFT_ERROR_ARGUMENT, "logit_bias: token %lld; there are %lld", (long long)settings->bias[i].id,
                             (long long)vocabulary);
    weft_sampler *s = calloc(1, sizeof *s);
    size_t n = (size_t)vocabulary;
    if (s) {
        *s = (weft_sampler){.settings = *settings, .vocabulary = vocabulary};
        s->score = malloc(n * sizeof *s->score);
        s->probability = malloc(n * sizeof *s->probability);
        s->candidates = malloc(n * sizeof *s->candidates);
        s->counts = calloc(n, sizeof *s->counts);
    }
    if (!s || !s->score || !s->probability || !s->candidates || !s->counts) {
        weft_sampler_free(s);
        return weft_fail(WEFT_ERROR_MEMORY, "sampling: memory is short");
    }
    *out = s;
    return WEFT_OK;
}

void weft_sampler_free(weft_sampler *s)
{
    if (!s)
        return;
    free(s->score);
    free(s->probability);
    free(s->candidates);
    free(s->counts);
    free(s);
}

/* ---- What changes logits whatever is drawn. ---- */

static weft_status load(weft_sampler *s, const float *logits)
{
    int some = 0, fine = 1; /* added up without branches, for the sake of vectors */
    for (int64_t i = 0; i < s->vocabulary; i++) {
        fine &= logits[i] < INFINITY;
        some |= logits[i] > -INFINITY;
        s->score[i] = (double)logits[i];
    }
    for (int64_t i = 0; !fine && i < s->vocabulary; i++)
        if (!(logits[i] < INFINITY))
            return weft_fail(WEFT_ERROR_NUMERIC, "sampling: the logit of token %lld is %s", (long long)i,
                             isnan(logits[i]) ? "NaN" : "infinite");
    for (int64_t i = 0; s->settings.never && i < s->vocabulary; i++)
        s->score[i] = s->settings.never[i] ? -INFINITY : s->score[i];
    return some ? WEFT_OK : weft_fail(WEFT_ERROR_NUMERIC, "sampling: the logits of all tokens are minus infinity");
}

static weft_status check_ids(const weft_sampler *s, const char *what, const int64_t *ids, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        if (ids[i] < 0 || ids[i] >= s->vocabulary)
            return weft_fail(WEFT_ERROR_ARGUMENT, "sampling: %s[%lld] is token %lld; there are %lld", what, (long long)i,
                             (long long)ids[i], (long long)s->vocabulary);
    return WEFT_OK;
}

/* counts: times in the output; −1: in the prompt alone. Each token is dealt with once, when its count is taken back to 0. */
static void penalize(weft_sampler *s, const weft_sampler_history *h)
{
    const weft_sampler_settings *o = &s->settings;
    if (o->repetition_penalty == 1 && o->presence_penalty == 0 && o->frequency_penalty == 0)
        return;
    for (int64_t i = 0; i < h->prompt_count; i++)
        s->counts[h->prompt[i]] = -1;
    for (int64_t i = 0; i < h->output_count; i++) {
        int32_t *count = &s->counts[h->output[i]];
        *count = *count < 0 ? 1 : *count + (*count < INT32_MAX);
    }
    for (int64_t i = 0; i < h->prompt_count + h->output_count; i++) {
        int64_t id = i < h->prompt_count ? h->prompt[i] : h->output[i - h->prompt_count];
        int32_t count = s->counts[id];
        if (!count)
            continue;
        s->counts[id] = 0;
        s->score[id] = s->score[id] > 0 ? s->score[id] / o->repetition_penalty : s->score[id] * o->repetition_penalty;
        if (count > 0)
            s->score[id] -= o->presence_penalty + o->frequency_penalty * count;
    }
}

static int64_t token_at(const weft_sampler_history *h, int64_t i)
{
    return i < h->prompt_count ? h->prompt[i] : h->output[i - h->prompt_count];
}

/* Bars what would end an n-gram that is there already. */
static void bar_ngrams(weft_sampler *s, const weft_sampler_history *h)
{
    int64_t n = s->settings.no_repeat_ngram, count = h->prompt_count + h->output_count;
    if (n == 0 || count < n)
        return;
    for (int64_t from = 0; from + n <= count; from++) {
        int64_t same = 0;
        while (same < n - 1 && token_at(h, from + same) == token_at(h, count - n + 1 + same))
            same++;
        if (same == n - 1)
            s->score[token_at(h, from + n - 1)] = -INFINITY;
    }
}

static weft_status prepare(weft_sampler *s, const float *logits, const weft_sampler_history *h)
{
    weft_status status = load(s, logits);
    if (status == WEFT_OK)
        status = check_ids(s, "prompt", h->prompt, h->prompt_count);
    if (status == WEFT_OK)
        status = check_ids(s, "output", h->output, h->output_count);
    if (status != WEFT_OK)
        return status;
    penalize(s, h);
    bar_ngrams(s, h);
    for (int64_t i = 0; i < s->settings.bias_count; i++)
        s->score[s->settings.bias[i].id] += s->settings.bias[i].bias;
    for (int64_t i = 0; i < s->vocabulary; i++)
        if (s->score[i] > -INFINITY)
            return WEFT_OK;
    return weft_fail(WEFT_ERROR_NUMERIC, "sampling: no_repeat_ngram_size or logit_bias leave no token");
}

/* ---- What thins them out. ---- */

static int64_t largest(const weft_sampler *s)
{
    int64_t best = 0;
    for (int64_t i = 1; i < s->vocabulary; i++)
        if (s->score[i] > s->score[best])
            best = i;
    return best;
}

/* probability ← softmax of score. */
static void softmax(weft_sampler *s)
{
    double most = s->score[largest(s)], sum = 0;
    for (int64_t i = 0; i < s->vocabulary; i++)
        sum += s->probability[i] = exp(s->score[i] - most);
    for (int64_t i = 0; i < s->vocabulary; i++)
        s->probability[i] /= sum;
}

static int by_key(const void *a, const void *b)
{
    const candidate *x = a, *y = b;
    if (x->key != y->key)
        return x->key < y->key ? -1 : 1;
    return (x->id < y->id) - (x->id > y->id); /* the lower id is the larger of equals */
}

static void heat(weft_sampler *s)
{
    for (int64_t i = 0; i < s->vocabulary; i++)
        s->score[i] /= s->settings.temperature;
}

/* The k-th largest of scores, by partitions (Hoare's find). */
static double kth_largest(weft_sampler *s, int64_t k)
{
    double *v = s->probability; /* as room */
    memcpy(v, s->score, (size_t)s->vocabulary * sizeof *v);
    int64_t left = 0, right = s->vocabulary - 1;
    while (left < right) {
        double pivot = v[left + (right - left) / 2];
        int64_t i = left, j = right;
        while (i <= j) {
            while (v[i] > pivot)
                i++;
            while (v[j] < pivot)
                j--;
            if (i <= j) {
                double kept = v[i];
                v[i++] = v[j];
                v[j--] = kept;
            }
        }
        if (k - 1 <= j)
            right = j;
        else if (k - 1 >= i)
            left = i;
        else
            break;
    }
    return v[k - 1];
}

static void keep_top_k(weft_sampler *s)
{
    if (s->settings.top_k == 0 || s->settings.top_k >= s->vocabulary)
        return;
    double least = kth_largest(s, s->settings.top_k);
    for (int64_t i = 0; i < s->vocabulary; i++)
        if (s->score[i] < least)
            s->score[i] = -INFINITY;
}

/* From the smallest probability on, drops while the sum stays within 1 − p. Those below (1 − p) / vocabulary go unsorted: all of
 * them together stay within. */
static void keep_top_p(weft_sampler *s)
{
    if (s->settings.top_p >= 1)
        return;
    double room = 1 - s->settings.top_p, small = room / (double)s->vocabulary, sum = 0;
    int64_t count = 0, best = largest(s);
    softmax(s);
    for (int64_t i = 0; i < s->vocabulary; i++) {
        if (s->probability[i] < small) {
            sum += s->probability[i];
            s->score[i] = -INFINITY;
        } else {
            s->candidates[count++] = (candidate){s->probability[i], i};
        }
    }
    qsort(s->candidates, (size_t)count, sizeof *s->candidates, by_key);
    for (int64_t i = 0; i < count; i++) {
        sum += s->candidates[i].key;
        if (sum > room)
            break;
        if (s->candidates[i].id != best)
            s->score[s->candidates[i].id] = -INFINITY;
    }
}

static void keep_min_p(weft_sampler *s)
{
    if (s->settings.min_p <= 0)
        return;
    double least = s->score[largest(s)] + log(s->settings.min_p);
    for (int64_t i = 0; i < s->vocabulary; i++)
        if (s->score[i] < least)
            s->score[i] = -INFINITY;
}

/* Keeps what is closest to the entropy: −log p sorted by |−log p − H|, until the sum of p reaches typical_p. */
static void keep_typical(weft_sampler *s)
{
    double entropy = 0, sum = 0;
    int64_t count = 0, last = 0;
    if (s->settings.typical_p >= 1)
        return;
    softmax(s);
    for (int64_t i = 0; i < s->vocabulary; i++)
        entropy -= s->probability[i] > 0 ? s->probability[i] * log(s->probability[i]) : 0;
    for (int64_t i = 0; i < s->vocabulary; i++)
        if (s->probability[i] > 0)
            s->candidates[count++] = (candidate){fabs(-log(s->probability[i]) - entropy), i};
    qsort(s->candidates, (size_t)count, sizeof *s->candidates, by_key);
    while (last < count - 1 && (sum += s->probability[s->candidates[last].id]) < s->settings.typical_p)
        last++;
    for (int64_t i = last + 1; i < count; i++)
        if (s->candidates[i].key > s->candidates[last].key)
            s->score[s->candidates[i].id] = -INFINITY;
}

typedef void (*change)(weft_sampler *);
enum { CHANGES = 5 };
static const change orders[][CHANGES] = {
    [WEFT_SAMPLE_TRANSFORMERS] = {heat, keep_top_k, keep_top_p, keep_min_p, keep_typical},
    [WEFT_SAMPLE_LLAMACPP] = {keep_top_k, keep_typical, keep_top_p, keep_min_p, heat},
};

weft_status weft_sampler_probabilities(weft_sampler *s, const float *logits, const weft_sampler_history *h, const double **out)
{
    weft_status status = prepare(s, logits, h);
    *out = s->probability;
    if (status != WEFT_OK)
        return status;
    if (s->settings.greedy || s->settings.temperature == 0) {
        int64_t best = largest(s);
        memset(s->probability, 0, (size_t)s->vocabulary * sizeof *s->probability);
        s->probability[best] = 1;
        return WEFT_OK;
    }
    for (int i = 0; i < CHANGES; i++)
        orders[s->settings.order][i](s);
    softmax(s);
    return WEFT_OK;
}

int64_t weft_sampler_draw(const double *probabilities, int64_t vocabulary, double u)
{
    double sum = 0;
    int64_t last = 0; /* what rounding leaves over goes to the last possible one */
    for (int64_t i = 0; i < vocabulary; i++) {
        sum += probabilities[i];
        last = probabilities[i] > 0 ? i : last;
        if (sum > u)
            return i;
    }
    return last;
}

weft_status weft_sampler_greedy(weft_sampler *s, const float *logits, const weft_sampler_history *h, int64_t *out)
{
    weft_status status = prepare(s, logits, h);
    if (status == WEFT_OK)
        *out = largest(s);
    return status;
}

weft_status weft_sampler_next(weft_sampler *s, const float *logits, const weft_sampler_history *h, uint64_t seed, uint64_t stream,
                              int64_t *out)
{
    const double *probabilities;
    if (s->settings.greedy || s->settings.temperature == 0)
        return weft_sampler_greedy(s, logits, h, out);
    weft_status status = weft_sampler_probabilities(s, logits, h, &probabilities);
    if (status != WEFT_OK)
        return status;
    weft_random_key key = weft_random_stream(seed, "sample");
    double u = weft_random_uniform(key, (uint64_t)h->output_count, stream, 0);
    *out = weft_sampler_draw(probabilities, s->vocabulary, u);
    return WEFT_OK;
}
