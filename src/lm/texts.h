/* Texts as a classifier or an embedder reads them whole: the tokens of one text, or of a pair, between the tokenizer's special
 * ones and cut to a length. */
#ifndef WEFT_LM_TEXTS_H
#define WEFT_LM_TEXTS_H

#include "lm/config.h"
#include "weft/text.h"

enum { WEFT_LM_FRAME_MOST = 8 };

/* What stands before the first text, behind it (of a pair: between the two), and behind the second. */
typedef struct weft_lm_frame {
    int64_t ids[3][WEFT_LM_FRAME_MOST];
    unsigned char types[3][WEFT_LM_FRAME_MOST]; /* their token_type_ids */
    int count[3];
    unsigned char text_types[2]; /* of the texts themselves */
} weft_lm_frame;

/* The frame that the tokenizer's post-processor makes; where it makes none an encoder gets [CLS] and [SEP] (or BOS and EOS). */
weft_status weft_lm_frame_find(const weft_tokenizer *, const weft_lm_config *, bool pair, weft_lm_frame *out);
/* How many tokens of two texts (n[1] = 0: one) stay when `most` may: the longer one loses first, then both are halved. */
void weft_lm_frame_share(int64_t most, int64_t n[2]);

/* Tokens of all texts, one after the other: text i is [starts[i], starts[i + 1]). */
typedef struct weft_lm_texts {
    int64_t *ids;
    unsigned char *types;
    int64_t count, capacity;
    int64_t *starts;
    int64_t texts, text_capacity;
    int64_t cut; /* how many were too long */
} weft_lm_texts;
void weft_lm_texts_free(weft_lm_texts *);

typedef struct weft_lm_text_reader weft_lm_text_reader;
/* `longest`: tokens a text, the special ones included; the tokenizer must outlive it. */
weft_status weft_lm_text_reader_new(const weft_tokenizer *, const weft_lm_config *, int64_t longest, weft_lm_text_reader **out);
void weft_lm_text_reader_free(weft_lm_text_reader *);
/* Appends a text; with `second` (neither NULL nor empty) a pair. Special tokens that they spell are ordinary characters. A text
 * without any token is an error; *repaired (NULL: not wanted): broken places of UTF-8 that are read as U+FFFD. */
weft_status weft_lm_text_reader_add(weft_lm_text_reader *, const char *text, size_t length, const char *second,
                                    size_t second_length, weft_lm_texts *, size_t *repaired);

#endif
