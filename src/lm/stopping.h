/* Where a generated text ends: stop strings found as the text comes in pieces. */
#ifndef WEFT_LM_STOPPING_H
#define WEFT_LM_STOPPING_H

#include "weft/base.h"

typedef struct weft_stopper weft_stopper;

/* Copies the stop strings; empty ones are refused. None at all is fine. */
weft_status weft_stopper_new(const char *const *stops, int count, weft_stopper **out);
void weft_stopper_free(weft_stopper *);
/* Adds a piece of text. What surely is no part of a stop string goes to `out`; *stopped: one was found, and the text before it
 * is out. After that nothing more comes out. */
weft_status weft_stopper_add(weft_stopper *, const char *bytes, size_t length, weft_text *out, bool *stopped);
/* The end of the text without a stop string: what was held back goes to `out`. */
weft_status weft_stopper_finish(weft_stopper *, weft_text *out);
void weft_stopper_reset(weft_stopper *); /* for a new text */

#endif
