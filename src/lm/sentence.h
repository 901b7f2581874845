/* What a folder of sentence-transformers says beside the model's own files: how vectors of tokens become one of the text. */
#ifndef WEFT_LM_SENTENCE_H
#define WEFT_LM_SENTENCE_H

#include "base/json.h"
#include "lm/pool.h"

enum { WEFT_LM_MODULE_PATH = 256 };

typedef struct weft_lm_sentence {
    bool described;          /* there is a modules.json or a 1_Pooling/config.json */
    weft_lm_pooling pooling; /* mean where nothing says otherwise */
    bool normalize;          /* to length 1; where nothing is described: yes */
    int64_t longest;         /* tokens a text; 0: not said */
} weft_lm_sentence;

/* modules.json, 1_Pooling/config.json, sentence_bert_config.json of FOLDER. What is not known among them is an error, a pooling
 * not where `pooling_given`: then the caller knows better. */
weft_status weft_lm_sentence_read(const char *folder, bool pooling_given, weft_lm_sentence *out);

/* Its parts: a modules.json, whose pooling module's folder becomes `pooling` ("" where there is none), and that folder's
 * config.json. */
weft_status weft_lm_sentence_modules(weft_json_value list, const char *where, weft_lm_sentence *,
                                     char pooling[WEFT_LM_MODULE_PATH]);
weft_status weft_lm_sentence_pooling(weft_json_value root, const char *where, bool given, weft_lm_sentence *);

#endif
