/* What Unicode says of a character: classes, cases, normal forms, grapheme borders. utf8proc is called in unicode.c alone. */
#ifndef WEFT_TEXT_UNICODE_H
#define WEFT_TEXT_UNICODE_H

#include "weft/base.h"

/* Classes that pre-tokenizers ask for; a character has one or none of the first two. */
enum {
    WEFT_IS_LETTER = 1,       /* L* */
    WEFT_IS_NUMBER = 2,       /* N* */
    WEFT_IS_SPACE = 4,        /* White_Space */
    WEFT_IS_PUNCTUATION = 8,  /* P*, and ASCII 33-47, 58-64, 91-96, 123-126 */
    WEFT_IS_MARK = 16,        /* Mn: what StripAccents drops */
    WEFT_IS_CONTROL = 32,     /* Cc, Cf, Co, Cs */
    WEFT_IS_WORD = 64,        /* \w: letters, marks, decimal digits, connectors, letter numbers, joiners */
    WEFT_IS_UNASSIGNED = 256, /* Cn */
    WEFT_IS_IDEOGRAPH = 128   /* the CJK blocks around which BertNormalizer puts spaces */
};

extern const uint8_t weft_ascii_classes[128];
unsigned weft_unicode_classes_of(uint32_t code); /* any code point */

static inline unsigned weft_unicode_classes(uint32_t code)
{
    return code < 128 ? weft_ascii_classes[code] : weft_unicode_classes_of(code);
}

/* The lower case of one character by itself (no final sigma): one or two code points; how many. */
int weft_unicode_lower(uint32_t code, uint32_t out[2]);

/* The upper and title case of one character, where it is one character; itself where it has none. */
uint32_t weft_unicode_upper(uint32_t code);
uint32_t weft_unicode_title(uint32_t code);

typedef enum weft_letter_case { WEFT_CASE_NONE, WEFT_CASE_UPPER, WEFT_CASE_LOWER, WEFT_CASE_TITLE } weft_letter_case;
weft_letter_case weft_unicode_case(uint32_t code);
bool weft_unicode_is_decimal(uint32_t code);   /* Nd */
bool weft_unicode_is_printable(uint32_t code); /* as Python's str.isprintable: no C*, no Z* but the blank */

typedef enum weft_normal_form { WEFT_NFC, WEFT_NFD, WEFT_NFKC, WEFT_NFKD } weft_normal_form;

/* The decomposition of one character, in `out` [WEFT_DECOMPOSED]; how many code points. */
#define WEFT_DECOMPOSED 32
int weft_unicode_decompose(uint32_t code, bool compatibility, uint32_t *out);
int weft_unicode_combining(uint32_t code); /* canonical combining class */

/* What two characters compose to; 0 when they do not. */
uint32_t weft_unicode_compose(uint32_t first, uint32_t second);

/* Whether a grapheme ends between two characters that follow each other; *state is 0 at the beginning of a text. */
bool weft_unicode_grapheme_break(uint32_t before, uint32_t after, int32_t *state);

#endif
