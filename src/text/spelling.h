/* A growing text that remembers, when asked to, which bytes of the original each of its bytes stands for. Normalizers and
 * pre-tokenizers write one from another; the tokens' offsets are read from the last. */
#ifndef WEFT_TEXT_SPELLING_H
#define WEFT_TEXT_SPELLING_H

#include "weft/base.h"

/* A range of bytes of the original text. */
typedef struct weft_range {
    uint32_t from, to;
} weft_range;

typedef struct weft_spelling {
    char *data;
    weft_range *origin; /* [capacity], one a byte; NULL when not traced */
    size_t length, capacity;
    bool traced, failed;
} weft_spelling; /* zero-initialise, and set traced */

/* Part of a spelling, or of the original text itself (then origin is NULL, and byte i stands for [base + i, base + i + 1)). */
typedef struct weft_span {
    const char *data;
    size_t length;
    const weft_range *origin;
    uint32_t base;
} weft_span;

bool weft_spelling_reserve(weft_spelling *, size_t more); /* false, and failed, when memory is short */
void weft_spelling_free(weft_spelling *);
void weft_spelling_clear(weft_spelling *, bool traced); /* keeps the memory */
weft_span weft_spelling_span(const weft_spelling *, size_t begin, size_t end);

/* Bytes that stand for `range` of the original. */
void weft_spelling_add(weft_spelling *, const char *bytes, size_t length, weft_range range);
void weft_spelling_code(weft_spelling *, uint32_t code, weft_range range); /* a character */
/* Bytes [begin, end) of a span as they are. */
void weft_spelling_copy(weft_spelling *, weft_span, size_t begin, size_t end);

/* What bytes [begin, end) of a span stand for; for an empty range the place before `begin`. */
weft_range weft_span_range(weft_span, size_t begin, size_t end);

static inline weft_span weft_span_part(weft_span span, size_t begin, size_t end)
{
    return (weft_span){span.data + begin, end - begin, span.origin ? span.origin + begin : NULL, span.base + (uint32_t)begin};
}

#endif
