/* Normalizers: what is done to a text before it is cut (`normalizer` of tokenizer.json). */
#ifndef WEFT_TEXT_NORMALIZER_H
#define WEFT_TEXT_NORMALIZER_H

#include "text/regex.h"
#include "text/spelling.h"
#include "text/unicode.h"

typedef enum weft_normalizer_kind {
    WEFT_NORMALIZER_SEQUENCE,
    WEFT_NORMALIZER_FORM, /* NFC, NFD, NFKC, NFKD */
    WEFT_NORMALIZER_LOWERCASE,
    WEFT_NORMALIZER_STRIP,
    WEFT_NORMALIZER_STRIP_ACCENTS,
    WEFT_NORMALIZER_REPLACE,
    WEFT_NORMALIZER_PREPEND,
    WEFT_NORMALIZER_BYTE_LEVEL,
    WEFT_NORMALIZER_NMT,
    WEFT_NORMALIZER_PRECOMPILED,
    WEFT_NORMALIZER_BERT
} weft_normalizer_kind;

/* A charsmap of SentencePiece: a double array over UTF-8 (Aoe's, as the darts-clone library lays it out), and the texts that
 * its values point into, each ending in a zero byte. */
typedef struct weft_charsmap {
    uint32_t *units;
    size_t unit_count;
    char *texts; /* the last byte is zero */
    size_t text_size;
} weft_charsmap;

typedef struct weft_normalizer {
    weft_normalizer_kind kind;
    weft_normal_form form;
    char *pattern; /* REPLACE: what is looked for, when regex is NULL */
    size_t pattern_length;
    weft_regex *regex;
    char *content; /* REPLACE, PREPEND */
    size_t content_length;
    bool left, right;                                      /* STRIP */
    bool clean_text, ideographs, strip_accents, lowercase; /* BERT */
    bool no_unassigned; /* BERT: code points without a character count as controls, as in the authors' Python */
    bool longest;       /* PRECOMPILED: the longest key at every place, as SentencePiece does; else a grapheme at a time */
    weft_charsmap map;
    struct weft_normalizer *steps; /* SEQUENCE */
    int step_count;
} weft_normalizer;

void weft_normalizer_free(weft_normalizer *); /* what it owns; not itself */

weft_status weft_charsmap_read(const void *bytes, size_t size, weft_charsmap *out);
void weft_normalize_precompiled(const weft_normalizer *, weft_span in, weft_spelling *out);

/* All steps, from `in` to a span of either of the two spellings, or `in` itself where nothing is to be done. */
weft_status weft_normalize(const weft_normalizer *, weft_regex_match *, weft_span in, weft_spelling room[2], weft_span *out);

/* The byte-level alphabet: the character that stands for each byte (GPT-2's: printable Latin-1 as itself, the rest from U+0100).
 */
uint32_t weft_byte_letter(uint8_t byte);
int weft_byte_of_letter(uint32_t letter); /* -1: no letter of the alphabet */

#endif
