/* Post-processors: which special tokens stand around a text, or around two (`post_processor` of tokenizer.json). All kinds are
 * templates here: BERT's is "[CLS] A [SEP]" and "[CLS] A [SEP] B:1 [SEP]:1". */
#ifndef WEFT_TEXT_PROCESSOR_H
#define WEFT_TEXT_PROCESSOR_H

#include "text/model.h"

typedef struct weft_template_part {
    int sequence; /* 0: A, 1: B; -1: the ids below */
    int32_t *ids;
    int32_t id_count;
    int32_t type;
} weft_template_part;

typedef struct weft_template {
    weft_template_part *parts;
    int count;
} weft_template;

typedef struct weft_processor {
    weft_template single, pair; /* without parts: none is given */
    bool trim_offsets;          /* white space at the ends of a token is not part of its range */
} weft_processor;               /* zero-initialise */

void weft_processor_free(weft_processor *);

/* Adds sequence `sequence`, or (-1) one id. */
weft_status weft_template_add(weft_template *, int sequence, const int32_t *ids, int32_t id_count, int32_t type);

/* "C A S", "C A S B1 S1": letters for sequences, C and S for ids, a digit behind for the type. */
weft_status weft_template_spell(weft_template *, const char *spelling, int32_t c, int32_t s);

#endif
