/* Added tokens: texts that are cut out of the input before the model sees it, whatever it would make of them. */
#ifndef WEFT_TEXT_ADDED_H
#define WEFT_TEXT_ADDED_H

#include "text/spelling.h"
#include "text/trie.h"

#define WEFT_LONGEST_ADDED 4096 /* bytes */

typedef struct weft_added_token {
    int32_t id;
    char *content;
    size_t length;
    bool single_word;    /* not inside a word */
    bool lstrip, rstrip; /* the white space on its left or right belongs to it */
    bool normalized;     /* is looked for in the normalised text, itself normalised */
    bool spelled;        /* with normalized: the content is in its normalised spelling */
    bool special;        /* dropped when decoding without special tokens; not looked for in literal text */
} weft_added_token;

typedef struct weft_added {
    weft_added_token *list;
    int32_t count, room;
    weft_trie raw, normalized; /* values are places in list */
} weft_added;                  /* zero-initialise */

void weft_added_free(weft_added *);

/* Adds a token whose content is copied; of several with the same content the last counts. */
weft_status weft_added_put(weft_added *, const char *content, size_t length, weft_added_token token);

/* Makes the tries; `spelled` [count] has the normalised contents, NULL: as they are. */
weft_status weft_added_finish(weft_added *, const weft_span *spelled);

/* A part of a text: an added token, or what lies between (token -1). */
typedef struct weft_section {
    int32_t token; /* place in list */
    size_t begin, end;
} weft_section;

/* The part of `in` that begins at `begin`: call until one ends at in.length. Of an added token found
 * behind other text, *found keeps it for the next call; {-1} to begin with. */
weft_section weft_added_next(const weft_added *, const weft_trie *trie, weft_span in, bool literal, size_t begin,
                             weft_section *found);

#endif
