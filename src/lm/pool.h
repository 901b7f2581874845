/* What a model makes of whole texts, several at a time: its classification head's numbers, or one vector a text. A text's numbers
 * are the same bits whatever texts stand beside it. */
#ifndef WEFT_LM_POOL_H
#define WEFT_LM_POOL_H

#include "lm/classes.h"
#include "lm/lm.h"
#include "lm/texts.h"

typedef struct weft_lm_pool_options {
    weft_lm_pooling pooling;                    /* said */
    int64_t batch;                              /* texts a pass */
    void (*progress)(void *user, int64_t done); /* texts; NULL: none */
    void *user;
} weft_lm_pool_options;

/* Numbers a text. A head or pooler that the model lacks is an error. */
weft_status weft_lm_pool_size(const weft_lm *, weft_lm_pooling, int64_t *out);
/* out [texts, size]. */
weft_status weft_lm_pool(weft_lm *, const weft_lm_texts *, const weft_lm_pool_options *, double *out);
/* A classifier's classes, which weft_lm_reader (reader.c) keeps. */
const weft_lm_classes *weft_lm_reader_classes(const weft_lm_reader *);

#endif
