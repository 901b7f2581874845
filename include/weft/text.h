/* Weft, text layer: tokenizers, from text to token ids and back.
 *
 * A tokenizer is opened from a folder (tokenizer.json; or tokenizer.model, vocab.json + merges.txt, vocab.txt, …) or from one
 * such file, and is read only from then on: any number of threads may use it, each with an encoding of its own.
 *
 *     weft_tokenizer *t = NULL;
 *     weft_encoding *e = NULL;
 *     if (weft_tokenizer_open("stories260K", &t) == WEFT_OK && weft_encoding_new(t, &e) == WEFT_OK &&
 *         weft_encode(e, text, strlen(text), &(weft_encode_options){.add_special = true}) == WEFT_OK)
 *         use(weft_encoding_ids(e), weft_encoding_count(e));
 *     weft_encoding_free(e);
 *     weft_tokenizer_free(t);
 *
 * What is tokenised is what Hugging Face's `tokenizers` and SentencePiece make of the same files, to the id; `truncation` and
 * `padding` of tokenizer.json are not obeyed: nothing of a text is left out silently. Text need not be valid UTF-8: what is
 * broken is read as U+FFFD, and counted.
 */
#ifndef WEFT_TEXT_H
#define WEFT_TEXT_H

#include "weft/base.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct weft_tokenizer weft_tokenizer;

/* `path`: a folder, or a file tokenizer.json, *.model (SentencePiece), *.bin (llama2.c), vocab.txt (BERT). The text of a failure
 * names the file, and what was expected where. */
WEFT_API weft_status weft_tokenizer_open(const char *path, weft_tokenizer **out);
WEFT_API void weft_tokenizer_free(weft_tokenizer *);

WEFT_API int64_t weft_tokenizer_size(const weft_tokenizer *); /* the largest id + 1; some ids below may be no token */
/* A token as its file spells it (byte-level tokens in their alphabet: "Ġthe"); NULL when no token has this id. */
WEFT_API const char *weft_tokenizer_token(const weft_tokenizer *, int64_t id);
WEFT_API int64_t weft_tokenizer_id(const weft_tokenizer *, const char *token); /* -1 when there is none */
WEFT_API bool weft_tokenizer_is_special(const weft_tokenizer *, int64_t id);   /* dropped by decoding with skip_special */

typedef enum weft_special_token {
    WEFT_TOKEN_BOS = 0,
    WEFT_TOKEN_EOS,
    WEFT_TOKEN_PAD,
    WEFT_TOKEN_UNK,
    WEFT_TOKEN_CLS,
    WEFT_TOKEN_SEP,
    WEFT_TOKEN_MASK,
    WEFT_TOKEN_KINDS
} weft_special_token;

/* As the folder's tokenizer_config.json, special_tokens_map.json or SentencePiece model say; -1 when there is none. */
WEFT_API int64_t weft_tokenizer_special(const weft_tokenizer *, weft_special_token);

/* ---- text to ids ---- */

typedef struct weft_encode_options {
    bool add_special; /* put the special tokens of the post-processor around the text: BOS, [CLS] … [SEP] */
    bool literal;     /* special tokens spelled in the text are ordinary characters: for text from strangers */
    bool offsets;     /* keep for each token the bytes of the text that it stands for; costs time */
} weft_encode_options;

/* The result of the last call, and the memory that calls use: one a thread, reused from text to text. */
typedef struct weft_encoding weft_encoding;

WEFT_API weft_status weft_encoding_new(const weft_tokenizer *, weft_encoding **out); /* the tokenizer must outlive it */
WEFT_API void weft_encoding_free(weft_encoding *);

/* `options` NULL: none of them. At most 1 GiB of text in one call. */
WEFT_API weft_status weft_encode(weft_encoding *, const char *text, size_t length, const weft_encode_options *options);
/* Two texts of one input (question and passage), put together by the pair template. */
WEFT_API weft_status weft_encode_pair(weft_encoding *, const char *first, size_t first_length, const char *second,
                                      size_t second_length, const weft_encode_options *options);

WEFT_API size_t weft_encoding_count(const weft_encoding *);
WEFT_API const int64_t *weft_encoding_ids(const weft_encoding *);   /* [count], until the next call */
WEFT_API const int32_t *weft_encoding_types(const weft_encoding *); /* [count] token_type_ids: 0, or 1 for the second text */
/* Bytes [*begin, *end) of its text that token i stands for; 0 and 0 for tokens that were added, or without offsets. */
WEFT_API void weft_encoding_range(const weft_encoding *, size_t i, size_t *begin, size_t *end);
WEFT_API size_t weft_encoding_repaired(const weft_encoding *); /* how many U+FFFD were put in place of broken UTF-8 */

/* ---- ids to text ---- */

typedef struct weft_decode_options {
    bool skip_special; /* leave out special tokens */
    bool clean_up;     /* " ." becomes ".", " n't" "n't", …: English punctuation as WordPiece models need it */
} weft_decode_options;

/* Appends the text of ids [count] to `out`. An id that is no token is an error. */
WEFT_API weft_status weft_decode(const weft_tokenizer *, const int64_t *ids, size_t count, const weft_decode_options *options,
                                 weft_text *out);

/* Encodes without adding special tokens and decodes with all of them: *same tells whether the text came back, byte for byte. */
WEFT_API weft_status weft_round_trip(weft_encoding *, const char *text, size_t length, bool *same);

/* A text that grows token by token: what is appended is final, ends on a character, and together is what weft_decode gives for
 * all ids (broken UTF-8 may be told differently). Bytes of a character that is not complete are held back. */
typedef struct weft_decoding weft_decoding;

WEFT_API weft_status weft_decoding_new(const weft_tokenizer *, const weft_decode_options *options, weft_decoding **out);
WEFT_API void weft_decoding_free(weft_decoding *);
WEFT_API weft_status weft_decoding_push(weft_decoding *, int64_t id, weft_text *out);
WEFT_API weft_status weft_decoding_finish(weft_decoding *, weft_text *out); /* what was held back; then it is empty again */

/* ---- training ---- */

/* Byte-level byte pairs learnt from text (Sennrich et al., arXiv 1508.07909; over bytes as in GPT-2): again and again the pair of
 * neighbours that occurs most often becomes a token; of equals the one whose tokens are older. The same text gives the same
 * tokenizer, and the one that `tokenizers` learns from it. */
typedef struct weft_bpe_options {
    int64_t vocabulary;         /* tokens in all, the special ones and the 256 bytes included */
    int64_t least_count;        /* pairs that occur less often are not merged; 0: 2 */
    const char *pattern;        /* how text is cut before pairs are counted: "gpt2", "llama3" or "qwen2"; NULL: "gpt2" */
    const char *const *special; /* special tokens [special_count], which get the first ids */
    int special_count;
    /* What tokenizer_config.json calls so, each one of `special`; NULL: none. With cls and sep the tokenizer puts them around a
     * text, and sep behind the second one of a pair. */
    const char *bos, *eos, *pad, *cls, *sep, *mask;
    void (*progress)(void *user, int64_t done, int64_t total); /* of learning, in tokens; NULL: not told */
    void *user;
} weft_bpe_options;

typedef struct weft_bpe_trainer weft_bpe_trainer;

WEFT_API weft_status weft_bpe_trainer_new(const weft_bpe_options *, weft_bpe_trainer **out);
WEFT_API void weft_bpe_trainer_free(weft_bpe_trainer *);
/* Counts the words of one document; broken UTF-8 counts as U+FFFD. Memory grows with the number of different words; from eight
 * million on, the rarest are forgotten. */
WEFT_API weft_status weft_bpe_trainer_add(weft_bpe_trainer *, const char *text, size_t length);
/* Once, after all documents. Stops early where no pair occurs often enough. */
WEFT_API weft_status weft_bpe_trainer_learn(weft_bpe_trainer *);
WEFT_API int64_t weft_bpe_trainer_size(const weft_bpe_trainer *);  /* tokens there are */
WEFT_API int64_t weft_bpe_trainer_words(const weft_bpe_trainer *); /* different words counted */
/* tokenizer.json and tokenizer_config.json into `folder`, which is made. */
WEFT_API weft_status weft_bpe_trainer_save(const weft_bpe_trainer *, const char *folder);

#ifdef __cplusplus
}
#endif
#endif
