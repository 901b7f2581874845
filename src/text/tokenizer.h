/* Inside the text layer: what a tokenizer consists of. Loaders fill a struct in this order: model.vocabulary and the model's
 * settings, added tokens, normalizer, splitter, processor, decoder; weft_tokenizer_finish then checks and links them. A loader
 * for another file format needs nothing else. */
#ifndef WEFT_TEXT_TOKENIZER_H
#define WEFT_TEXT_TOKENIZER_H

#include "text/added.h"
#include "text/decoder.h"
#include "text/model.h"
#include "text/normalizer.h"
#include "text/processor.h"
#include "text/splitter.h"
#include "weft/text.h"

#include "base/json.h"

struct weft_tokenizer {
    weft_token_model model;
    weft_added added;
    weft_normalizer normalizer; /* a SEQUENCE without steps: none */
    weft_splitter splitter;     /* a SEQUENCE without steps: none */
    weft_processor processor;
    weft_decoder_step decoder; /* a SEQUENCE without steps: tokens are joined by spaces */
    int64_t special[WEFT_TOKEN_KINDS];
    int32_t *added_by_id; /* [size]: place in added.list, -1: not added */
    int64_t size;
};

weft_tokenizer *weft_tokenizer_new(void);      /* empty; NULL when memory is short */
bool weft_tokenizer_is_in(const char *folder); /* are there files that weft_tokenizer_open reads? */

/* Whether the last step of pre-tokenizing is BYTE_LEVEL, so that byte pairs may read bytes; then it makes no letters. */
bool weft_tokenizer_reads_bytes(weft_tokenizer *);

/* Gives added tokens their ids in the vocabulary, makes the tables. Fails when an id is taken by another token. */
weft_status weft_tokenizer_finish(weft_tokenizer *);

/* ---- loaders: fill an empty tokenizer, and finish it ---- */

weft_status weft_tokenizer_from_json(weft_json_value root, const char *name, weft_tokenizer *); /* tokenizer.json */
/* GPT-2's kind: `vocab` an object of token → id, `merges` a line a merge. */
weft_status weft_tokenizer_from_merges(weft_json_value vocab, const char *vocab_name, const char *merges, size_t size,
                                       const char *merges_name, weft_json_value config, weft_tokenizer *);
weft_status weft_tokenizer_from_word_list(const char *bytes, size_t size, const char *name, weft_json_value config,
                                          weft_tokenizer *);

/* ---- parts of loaders ---- */

/* Appends a step to a sequence and returns it, zeroed; NULL when memory is short. */
weft_normalizer *weft_normalizer_step(weft_normalizer *sequence);
weft_splitter *weft_splitter_step(weft_splitter *sequence);
weft_decoder_step *weft_decoder_step_new(weft_decoder_step *sequence);

char *weft_copy_text(const char *text, size_t length); /* with a zero byte behind; NULL when memory is short */

/* One row of a list of merges: the tokens on both sides of the space. `line` for messages counts from 1. */
weft_status weft_merge_of(const weft_token_model *, const char *left, size_t left_length, const char *right, size_t right_length,
                          const char *name, int64_t line, uint32_t rank, weft_merge *out);

/* The step of a sequence that replaces a text, and the one that puts a text before. */
weft_status weft_normalizer_replace(weft_normalizer *sequence, const char *text, const char *content);
weft_status weft_normalizer_prepend(weft_normalizer *sequence, const char *content);
weft_status weft_decoder_replace(weft_decoder_step *sequence, const char *text, const char *content);

#endif
