/* Choosing the next token: from logits to probabilities to a draw. The order of what changes the logits is that of transformers'
 * generate: repetition penalty, presence and frequency penalties, n-grams and bias, temperature, top-k, top-p, min-p, typical-p,
 * softmax; or llama.cpp's, which applies the temperature last.
 *
 *     weft_sampler_settings settings = WEFT_SAMPLER_DEFAULT;
 *     settings.top_p = 0.9;
 *     weft_sampler *s = NULL;
 *     weft_sampler_new(vocabulary, &settings, &s);
 *     weft_sampler_next(s, logits, &(weft_sampler_history){prompt, n, output, m}, seed, stream, &id);
 */
#ifndef WEFT_LM_SAMPLER_H
#define WEFT_LM_SAMPLER_H

#include "base/json.h"

typedef enum weft_sampler_order { WEFT_SAMPLE_TRANSFORMERS, WEFT_SAMPLE_LLAMACPP } weft_sampler_order;

typedef struct weft_logit_bias {
    int64_t id;
    double bias; /* added to the logit */
} weft_logit_bias;

typedef struct weft_sampler_settings {
    bool greedy;        /* the largest logit after penalties, n-grams and bias, the lowest id of equals; so is temperature 0 */
    double temperature; /* ≥ 0 */
    int64_t top_k;      /* the k largest, and what equals the k-th; 0: all */
    double top_p;       /* the smallest set of largest probabilities that reaches this, at least one; 1: all */
    double min_p;       /* drops probabilities below this share of the largest */
    double typical_p;   /* locally typical sampling (arXiv 2202.00666); 1: off */
    double repetition_penalty; /* of tokens in prompt or output: positive logits are divided by it, others multiplied */
    double presence_penalty;   /* taken from tokens in the output */
    double frequency_penalty;  /* the same for each time */
    int64_t no_repeat_ngram;   /* no n tokens in a row may come twice; 0: off */
    const weft_logit_bias *bias;
    int64_t bias_count;
    const unsigned char *never; /* [vocabulary] 1: ids that no token has, which are never chosen; NULL: none; borrowed */
    weft_sampler_order order;
} weft_sampler_settings;

#define WEFT_SAMPLER_DEFAULT ((weft_sampler_settings){.temperature = 1, .top_p = 1, .typical_p = 1, .repetition_penalty = 1})

/* What has been read and said. */
typedef struct weft_sampler_history {
    const int64_t *prompt;
    int64_t prompt_count;
    const int64_t *output;
    int64_t output_count;
} weft_sampler_history;

/* Fails on a value out of its range, naming it as users write it. */
weft_status weft_sampler_check(const weft_sampler_settings *);
/* Reads the keys of Hugging Face's generation_config.json (temperature, top_k, …, do_sample false: greedy), OpenAI's penalties
 * and logit_bias, `greedy` and `sampler_order`; absent ones keep what is there. *bias (malloc'd, NULL when there is none) holds
 * what settings->bias points to, and is the caller's to free. */
weft_status weft_sampler_read(weft_json_value object, const char *where, weft_sampler_settings *, weft_logit_bias **bias);

/* Fails on a key that weft_sampler_read does not read, naming the nearest one; for settings that somebody typed. */
weft_status weft_sampler_check_keys(weft_json_value object, const char *where);

typedef struct weft_sampler weft_sampler;
/* For logits [vocabulary]; the settings are copied, bias and never are borrowed. */
weft_status weft_sampler_new(int64_t vocabulary, const weft_sampler_settings *, weft_sampler **out);
void weft_sampler_free(weft_sampler *);
/* [vocabulary] after all that changes them; valid until the next call. NaN and +Inf logits are refused. */
weft_status weft_sampler_probabilities(weft_sampler *, const float *logits, const weft_sampler_history *, const double **out);
/* The first id in id order at which the sum of probabilities passes u in [0, 1). */
int64_t weft_sampler_draw(const double *probabilities, int64_t vocabulary, double u);
/* The largest logit after penalties, n-grams and bias. */
weft_status weft_sampler_greedy(weft_sampler *, const float *logits, const weft_sampler_history *, int64_t *out);
/* The next token: u is drawn for (seed, stream, number of tokens in the output), so that neither what is sampled beside it nor
 * where the work was cut matters. */
weft_status weft_sampler_next(weft_sampler *, const float *logits, const weft_sampler_history *, uint64_t seed, uint64_t stream,
                              int64_t *out);

#endif
