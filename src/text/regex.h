/* Regular expressions as tokenizer files write them (Oniguruma's and Rust's spelling), matched by PCRE2, which is called in
 * regex.c alone. Classes are Unicode's: \s is White_Space, \d is Nd, \w has letters, marks, numbers and connectors. */
#ifndef WEFT_TEXT_REGEX_H
#define WEFT_TEXT_REGEX_H

#include "weft/base.h"

typedef struct weft_regex weft_regex;             /* read only once made: shared by threads */
typedef struct weft_regex_match weft_regex_match; /* one search at a time: one a thread */

/* The text of a failure says what is wrong in the pattern and where; the caller adds the file. */
weft_status weft_regex_new(const char *pattern, size_t length, weft_regex **out);
void weft_regex_free(weft_regex *);

weft_status weft_regex_match_new(weft_regex_match **out);
void weft_regex_match_free(weft_regex_match *);

/* The first match in valid UTF-8 at `from` or later: *found, and its bytes [*begin, *end). Fails when a search takes too long. */
weft_status weft_regex_search(const weft_regex *, weft_regex_match *, const char *text, size_t length, size_t from, bool *found,
                              size_t *begin, size_t *end);

#endif
