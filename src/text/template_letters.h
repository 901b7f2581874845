/* Letters of UTF-8 text as Python's str sees them: code points, white space, case. A broken byte counts as one code point. */
#ifndef WEFT_TEXT_TEMPLATE_LETTERS_H
#define WEFT_TEXT_TEMPLATE_LETTERS_H

#include "base/utf8.h"
#include "text/unicode.h"

/* The code point at `at` (< end) into *point, a broken byte as U+FFFD; answers its bytes. */
int weft_point_at(const char *at, const char *end, uint32_t *point);
/* Bytes of the white space character at `at`, or that ends at `end`; 0: another. (Python's str.isspace.) */
int weft_space_at(const char *at, const char *end);
int weft_space_before(const char *begin, const char *end);
bool weft_point_is_space(uint32_t);
uint32_t weft_point_lower(uint32_t); /* where that is one code point */

#endif
