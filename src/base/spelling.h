/* The nearest valid spelling of a mistyped word. */
#ifndef WEFT_BASE_SPELLING_H
#define WEFT_BASE_SPELLING_H

#include <stddef.h>

/* Letters added, dropped, changed or swapped with their neighbour to make b of a (Damerau's distance, each place edited once).
 * Words are compared by their first 63 bytes, small letters as capitals. */
int weft_spelling_distance(const char *a, const char *b);

/* Keeps the better of *best and `candidate` for `word`; *best starts as NULL. Only words near enough to be meant are kept:
 * distance at most 1 + a third of the longer length, or one being the beginning of the other. */
void weft_spelling_nearest(const char *word, const char *candidate, const char **best);

#endif
