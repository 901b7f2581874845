/* Weft, language models: a Hugging Face folder opened once, then run token by token with a cache, continued, and measured; or one
 * that reads whole texts and tells their classes, or makes vectors of them.
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
#include "weft/text.h"

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

/* The folder's tokenizer; one with more tokens than the model's embedding has rows is an error. */
WEFT_API weft_status weft_lm_tokenizer_open(const weft_lm *, const char *folder, weft_tokenizer **out);

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

/* ---- Whole texts: their classes, or vectors of them.
 *
 *     weft_lm_reader *r = NULL;
 *     weft_lm_classifier_open(engine, "reviews-bert", NULL, &r);
 *     weft_lm_reader_add(r, "Not bad at all", 14, NULL, 0, NULL);     any number of texts
 *     double p[2];                                                    [texts, weft_lm_reader_size]
 *     weft_lm_reader_run(r, p);
 *     printf("%s: %g\n", weft_lm_reader_class(r, 1), p[1]);
 *     weft_lm_reader_free(r);
 *
 * A text's numbers are the same bits whatever texts stand beside it. --------------------------------------------------------- */

/* What a classification head's numbers are: problem_type of config.json. */
typedef enum weft_lm_problem {
    WEFT_LM_PROBLEM_UNSAID,       /* a number where there is one class, else what the labels' type says */
    WEFT_LM_PROBLEM_SINGLE_LABEL, /* one of several classes */
    WEFT_LM_PROBLEM_REGRESSION,   /* numbers to come near */
    WEFT_LM_PROBLEM_MULTI_LABEL   /* each class by itself */
} weft_lm_problem;

/* How the last layer's vectors of a text's tokens (a decoder's behind its final norm) become one. */
typedef enum weft_lm_pooling {
    WEFT_LM_POOL_UNSAID, /* what the folder says in the files of sentence-transformers, else their mean */
    WEFT_LM_POOL_MEAN,
    WEFT_LM_POOL_FIRST, /* the first token's: [CLS] */
    WEFT_LM_POOL_LAST,
    WEFT_LM_POOL_MAX,    /* the largest of each number */
    WEFT_LM_POOL_POOLER, /* an encoder's pooler on the first token's */
    WEFT_LM_POOL_CLASSES /* none of them, but what the classification head makes of a text */
} weft_lm_pooling;

typedef struct weft_lm_reader_options {
    int64_t longest; /* tokens a text, the special ones included; longer ones are cut off. 0: what the folder says, else the
                        context */
    int64_t batch;   /* texts a pass, no result depends on it; 0: 16 */
    bool logits;     /* of a classifier: the head's own numbers in place of probabilities */
    weft_lm_pooling pooling; /* of an embedder */
    bool raw;                /* of an embedder: vectors as they are, even where the folder says that they are of length 1 */
    bool unit;               /* the other way round; where neither is set and the folder says nothing: of length 1 */
    weft_lm_options model;   /* an adapter, the type */
    void (*progress)(void *user, int64_t done); /* texts of this run; NULL: none */
    void *user;
} weft_lm_reader_options;

typedef struct weft_lm_reader weft_lm_reader;
/* A folder with a classification head (or an adapter that brings one): a text's numbers are its classes' probabilities, of one of
 * several or of each by itself, or, of a regression, its values. NULL options: zeros. */
WEFT_API weft_status weft_lm_classifier_open(weft_engine *, const char *folder, const weft_lm_reader_options *,
                                             weft_lm_reader **out);
/* Any folder: a text's numbers are its vector, as sentence-transformers make it of the folder's modules.json,
 * 1_Pooling/config.json and sentence_bert_config.json; what is not known in them is an error, a pooling not where the options
 * have one. */
WEFT_API weft_status weft_lm_embedder_open(weft_engine *, const char *folder, const weft_lm_reader_options *,
                                           weft_lm_reader **out);
WEFT_API void weft_lm_reader_free(weft_lm_reader *);

WEFT_API int64_t weft_lm_reader_size(const weft_lm_reader *);                 /* numbers a text */
WEFT_API weft_lm_problem weft_lm_reader_problem(const weft_lm_reader *);      /* never unsaid; of an embedder: always */
WEFT_API const char *weft_lm_reader_class(const weft_lm_reader *, int64_t k); /* id2label of a classifier's number k */
WEFT_API weft_lm_pooling weft_lm_reader_pooling(const weft_lm_reader *);      /* never unsaid */
WEFT_API bool weft_lm_reader_is_unit(const weft_lm_reader *);                 /* vectors are of length 1 */

/* Puts a text, or with `second` (not NULL) a pair, behind those at hand; special tokens that it spells are ordinary characters.
 * A text without any token is an error; *repaired (NULL: not wanted): broken places of its UTF-8, read as U+FFFD. */
WEFT_API weft_status weft_lm_reader_add(weft_lm_reader *, const char *text, size_t length, const char *second,
                                        size_t second_length, size_t *repaired);
WEFT_API int64_t weft_lm_reader_count(const weft_lm_reader *); /* texts at hand */
WEFT_API int64_t weft_lm_reader_cut(const weft_lm_reader *);   /* texts, of all so far, that were too long */
/* The numbers of the texts at hand, out [count, size]; then none is at hand. A NaN is an error that names the layer where it
 * first appears. */
WEFT_API weft_status weft_lm_reader_run(weft_lm_reader *, double *out);

#ifdef __cplusplus
}
#endif
#endif
