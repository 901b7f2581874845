/* Letters of UTF-8 text as Python's str sees them: code points, white space, case. Broken bytes count as one code point each. */
#ifndef WEFT_TEXT_TEMPLATE_LETTERS_H
#define WEFT_TEXT_TEMPLATE_LETTERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The code point at `at` (< end) into *point, a broken byte as U+FFFD; answers its bytes. */
int weft_utf8_get(const char *at, const char *end, uint32_t *point);
/* Writes 1 to 4 bytes; answers how many. */
int weft_utf8_put(uint32_t point, char out[4]);
/* Bytes of the white space character at `at`, or that ends at `end`; 0: another. (Python's str.isspace.) */
int weft_space_at(const char *at, const char *end);
int weft_space_before(const char *begin, const char *end);
bool weft_point_is_space(uint32_t);
bool weft_point_is_letter(uint32_t); /* categories L* */
bool weft_point_is_digit(uint32_t);  /* Nd */
bool weft_point_is_number(uint32_t); /* N* */
bool weft_point_is_cased(uint32_t); /* has another case */
bool weft_point_is_upper(uint32_t);
bool weft_point_is_lower(uint32_t);
bool weft_point_is_shown(uint32_t); /* printable: repr() leaves it as it is */
uint32_t weft_point_upper(uint32_t);
uint32_t weft_point_lower(uint32_t);
uint32_t weft_point_title(uint32_t);

#endif
