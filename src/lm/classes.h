/* Sequence classification: the labels of {text, label} records as classes 0, 1, …, and how many of a model's answers are right.
 */
#ifndef WEFT_LM_CLASSES_H
#define WEFT_LM_CLASSES_H

#include "lm/data.h"
#include "lm/lm.h"

enum { WEFT_LM_MOST_CLASSES = 1000 };

struct weft_lm_classes {
    char **names; /* [count] */
    int64_t count;
};

/* All labels of a file's records, sorted: by number where all are integers, else by bytes. Fewer than two are an error. */
weft_status weft_lm_classes_collect(weft_lm_classes *, const char *path);
/* Those of a configuration's id2label, for a head of `count` classes; LABEL_0, … where it names none. */
weft_status weft_lm_classes_of_config(weft_lm_classes *, weft_json_value config, int64_t count);
/* Those of an opened model's head: by ADAPTER/classes.json where there is one, else by FOLDER/config.json; `adapter` may be NULL.
 */
weft_status weft_lm_classes_open(weft_lm_classes *, const char *folder, const char *adapter, int64_t count);
/* FOLDER/classes.json with the names as id2label: adapter_config.json has no place for them. */
weft_status weft_lm_classes_save(const weft_lm_classes *, const char *folder);
void weft_lm_classes_free(weft_lm_classes *);
/* The class of a label: that name, or its number; -1: none. */
int64_t weft_lm_classes_index(const weft_lm_classes *, weft_json_value label);
/* The same; none is an error. */
weft_status weft_lm_classes_find(const weft_lm_classes *, weft_json_value label, const char *where, int32_t *out);
/* A configuration with this fresh head: `config` with architectures, id2label and label2id for it, its weights being float32. */
weft_status weft_lm_classes_config(const weft_lm_classes *, const weft_lm_config *, weft_json_value config, weft_text *out);

/* Share of rows [0, count) whose class has the largest logit. */
weft_status weft_lm_accuracy(weft_lm *, const weft_lm_data *, const weft_lm_rows *, int64_t count, int64_t batch, bool bf16,
                             double *out);

#endif
