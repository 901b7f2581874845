/* The pre-tokenizer expressions that most models use, written out: each call cuts one pre-token off the front of a text. They
 * agree with PCRE2 on the expressions themselves (tests/text/test_scan.c). */
#ifndef WEFT_TEXT_SCAN_H
#define WEFT_TEXT_SCAN_H

#include "weft/base.h"

/* Bytes of the pre-token that the valid UTF-8 [at, end) begins with; at < end. */
typedef size_t weft_scan(const char *at, const char *end);

typedef struct weft_scan_row {
    const char *name;    /* what `weft lm tokenizer --pattern` calls it */
    const char *pattern; /* as tokenizer.json spells it */
    weft_scan *scan;
} weft_scan_row;

#define WEFT_GPT2_PATTERN "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"

extern const weft_scan_row weft_scans[]; /* ends in a row without a name; the first is GPT-2's */

/* The row with this expression, or NULL. */
const weft_scan_row *weft_scan_of(const char *pattern, size_t length);

#endif
