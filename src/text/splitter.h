/* Pre-tokenizers: where a normalised text is cut before the model sees it (`pre_tokenizer` of tokenizer.json). */
#ifndef WEFT_TEXT_SPLITTER_H
#define WEFT_TEXT_SPLITTER_H

#include "text/regex.h"
#include "text/scan.h"
#include "text/spelling.h"

typedef enum weft_splitter_kind {
    WEFT_SPLITTER_SEQUENCE,
    WEFT_SPLITTER_SPLIT,      /* at what a finder finds */
    WEFT_SPLITTER_BYTE_LEVEL, /* bytes become letters of the byte-level alphabet */
    WEFT_SPLITTER_METASPACE   /* spaces become ▁ */
} weft_splitter_kind;

/* What becomes of the places that were found, and of the rest. */
typedef enum weft_split_behavior {
    WEFT_SPLIT_ISOLATED,
    WEFT_SPLIT_REMOVED,
    WEFT_SPLIT_MERGED_WITH_PREVIOUS,
    WEFT_SPLIT_MERGED_WITH_NEXT,
    WEFT_SPLIT_CONTIGUOUS
} weft_split_behavior;

typedef enum weft_prepend_scheme { WEFT_PREPEND_ALWAYS, WEFT_PREPEND_FIRST, WEFT_PREPEND_NEVER } weft_prepend_scheme;

typedef struct weft_splitter {
    weft_splitter_kind kind;
    /* SPLIT: one of these finds */
    weft_scan *scan;
    weft_regex *regex;
    char *text; /* also METASPACE: what stands for a space */
    size_t text_length;
    unsigned classes; /* single characters with one of these classes */
    weft_split_behavior behavior;
    bool invert;
    bool prefix_space;           /* BYTE_LEVEL: a space goes before each piece that has none */
    bool bytes_as_they_are;      /* BYTE_LEVEL: the model that follows reads bytes, so letters would be made for nothing */
    weft_prepend_scheme scheme;  /* METASPACE */
    struct weft_splitter *steps; /* SEQUENCE */
    int step_count;
} weft_splitter;

void weft_splitter_free(weft_splitter *); /* what it owns; not itself */

typedef struct weft_cut {
    uint32_t begin, end;
} weft_cut;

/* Pieces of a text: [begin, end) of `span`. */
typedef struct weft_pieces {
    weft_span span;
    weft_spelling text; /* what span points into, where a step has written a text */
    weft_cut *cuts;
    size_t count, capacity;
    bool failed;
} weft_pieces;

void weft_pieces_free(weft_pieces *);
void weft_pieces_add(weft_pieces *, size_t begin, size_t end); /* empty ones are dropped */

/* Cuts `in` (`first`: it is the beginning of the text) in room[0] and room[1]; *out is one of the two. */
weft_status weft_split(const weft_splitter *, weft_regex_match *, weft_span in, bool first, bool traced, weft_pieces room[2],
                       weft_pieces **out);

#endif
