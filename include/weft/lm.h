/* Weft, language models: a Hugging Face folder opened once, then run token by token with a cache, continued, and measured.
 *
 *     weft_lm *lm = NULL;
 *     if (weft_lm_open(engine, "stories260K", NULL, &lm) != WEFT_OK)
 *         fprintf(stderr, "weft: %s\n", weft_error());
 *     int64_t prompt[] = {1}, out[200], count = 0;
 *     weft_lm_decoder *d = NULL;
 *     weft_lm_decoder_new(lm, 1, 201, &d);
 *     weft_lm_decoder_feed(d, &(weft_lm_tokens){prompt, 1});          the cache holds the prompt
 *     const float *logits = weft_lm_decoder_logits(d, 0);             [vocab] of the token that comes next
 *     weft_lm_decoder_free(d);
 *     weft_lm_free(lm);
 *
 * A stream's numbers do not depend on the streams beside it, on how its tokens were cut into calls, or on the number of threads.
 */
#ifndef WEFT_LM_H
#define WEFT_LM_H

#include "weft/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct weft_lm weft_lm;

typedef struct weft_lm_options {
    const char *adapter; /* a PEFT folder, applied unmerged; NULL: none */
    weft_dtype dtype;    /* of the computation: F32 (0), F64, or BF16: products in bf16 */
} weft_lm_options;

/* A folder with config.json and model.safetensors (or its shards). Every tensor is checked against the configuration; the
 * weights stay in the mapped files. */
WEFT_API weft_status weft_lm_open(weft_engine *, const char *folder, const weft_lm_options *, weft_lm **out);
WEFT_API void weft_lm_free(weft_lm *);
WEFT_API const char *weft_lm_type(const weft_lm *);   /* model_type */
WEFT_API int64_t weft_lm_vocabulary(const weft_lm *); /* rows of the embedding */
WEFT_API int64_t weft_lm_context(const weft_lm *);    /* max_position_embeddings */
WEFT_API int64_t weft_lm_parameters(const weft_lm *); /* tied ones counted once */
WEFT_API bool weft_lm_is_encoder(const weft_lm *);

/* ---- Token by token. ---------------------------------------------------------------------------------------------------- */

typedef struct weft_lm_tokens {
    const int64_t *ids;
    int64_t count;
} weft_lm_tokens;

/* Streams with a cache of `capacity` tokens each. */
typedef struct weft_lm_decoder weft_lm_decoder;
WEFT_API weft_status weft_lm_decoder_new(weft_lm *, int64_t streams, int64_t capacity, weft_lm_decoder **out);
WEFT_API void weft_lm_decoder_free(weft_lm_decoder *);
/* Appends tokens[s] to stream s, each as many as it likes, none included; more than the cache holds is an error, and so is a
 * NaN among the logits: it names the layer where it first appears. */
WEFT_API weft_status weft_lm_decoder_feed(weft_lm_decoder *, const weft_lm_tokens *tokens);
/* [vocab] after stream s's last token; valid until the next feed. */
WEFT_API const float *weft_lm_decoder_logits(const weft_lm_decoder *, int64_t s);
WEFT_API int64_t weft_lm_decoder_length(const weft_lm_decoder *, int64_t s);
WEFT_API int64_t weft_lm_decoder_capacity(const weft_lm_decoder *);
/* How many of these tokens stream s begins with. */
WEFT_API int64_t weft_lm_decoder_common(const weft_lm_decoder *, int64_t s, weft_lm_tokens tokens);
/* Cuts stream s back to its first `length` tokens. */
WEFT_API void weft_lm_decoder_rewind(weft_lm_decoder *, int64_t s, int64_t length);

/* ---- Perplexity. -------------------------------------------------------------------------------------------------------- */

typedef struct weft_lm_perplexity_options {
    int64_t window; /* tokens a window; 0: the model's context */
    int64_t stride; /* from window to window; 0: window */
    bool llamacpp;  /* whole windows side by side, the second half of each scored, as llama.cpp's tool does */
    void (*progress)(void *user, int64_t done, int64_t total); /* windows; NULL: none */
    void *user;
} weft_lm_perplexity_options;

typedef struct weft_lm_perplexity {
    int64_t scored; /* tokens; a window's first token and what an earlier window scored are not */
    double nll;     /* summed over them, in nats */
    double perplexity;
    double seconds;
} weft_lm_perplexity;

/* Of ids [count]. `scored` [count] (NULL: not wanted) tells which tokens were scored. */
WEFT_API weft_status weft_lm_measure(weft_lm *, const int64_t *ids, int64_t count, const weft_lm_perplexity_options *,
                                     unsigned char *scored, weft_lm_perplexity *out);

#ifdef __cplusplus
}
#endif
#endif
