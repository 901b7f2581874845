/* Decoders: from tokens back to text (`decoder` of tokenizer.json). Each step maps a list of texts to a list of texts. */
#ifndef WEFT_TEXT_DECODER_H
#define WEFT_TEXT_DECODER_H

#include "weft/base.h"

typedef enum weft_decoder_kind {
    WEFT_DECODER_SEQUENCE,
    WEFT_DECODER_BYTE_LEVEL,
    WEFT_DECODER_WORD_PIECE,
    WEFT_DECODER_METASPACE,
    WEFT_DECODER_BYTE_FALLBACK,
    WEFT_DECODER_FUSE,
    WEFT_DECODER_STRIP,
    WEFT_DECODER_REPLACE,
    WEFT_DECODER_BPE
} weft_decoder_kind;

typedef struct weft_decoder_step {
    weft_decoder_kind kind;
    char *text; /* WORD_PIECE: prefix; METASPACE: the mark; STRIP: content; REPLACE: pattern; BPE: suffix */
    size_t length;
    struct weft_regex *regex; /* REPLACE, in place of text */
    char *content;            /* REPLACE */
    size_t content_length;
    bool cleanup;                    /* WORD_PIECE */
    bool prepended;                  /* METASPACE: the first token's mark is no space */
    int64_t start, stop;             /* STRIP: how many at most */
    struct weft_decoder_step *steps; /* SEQUENCE */
    int step_count;
} weft_decoder_step;

void weft_decoder_step_free(weft_decoder_step *); /* what it owns; not itself */

/* A list of texts: text i is [end of i - 1, end of i) of bytes. */
typedef struct weft_texts {
    weft_text bytes;
    size_t *ends;
    size_t count, room;
    bool failed;
} weft_texts;

void weft_texts_free(weft_texts *);
void weft_texts_end(weft_texts *); /* ends the text that bytes were added to */

/* Runs the steps on `texts`, using `spare`; `growing`: more tokens may follow. *cut: bytes at the end of the result that stand
 * for a character whose bytes have not all come; 0 when the text ends well. */
weft_status weft_decoder_run(const weft_decoder_step *, bool growing, weft_texts *texts, weft_texts *spare, size_t *cut);

/* The clean-up of English punctuation: " ." becomes ".", " n't" "n't", …, each rule in turn over the whole text. */
void weft_decoder_clean_up(const char *text, size_t length, weft_text *out);

#endif
