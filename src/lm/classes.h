/* Sequence classification: the classes that a head tells apart, by name, and what config.json says of them. */
#ifndef WEFT_LM_CLASSES_H
#define WEFT_LM_CLASSES_H

#include "lm/config.h"

enum { WEFT_LM_MOST_CLASSES = 1000 };

typedef struct weft_lm_classes {
    char **names; /* [count] */
    int64_t count;
    weft_lm_problem problem; /* what the head's numbers are */
} weft_lm_classes;

/* Those of a configuration's id2label, for a head of `count` classes; LABEL_0, … where it names none. Its problem_type too. */
weft_status weft_lm_classes_of_config(weft_lm_classes *, weft_json_value config, int64_t count);
/* Those of an opened model's head: by ADAPTER/classes.json where there is one, else by FOLDER/config.json; `adapter` may be NULL.
 */
weft_status weft_lm_classes_open(weft_lm_classes *, const char *folder, const char *adapter, int64_t count);
/* FOLDER/classes.json with id2label and problem_type: adapter_config.json has no place for them. */
weft_status weft_lm_classes_save(const weft_lm_classes *, const char *folder);
void weft_lm_classes_free(weft_lm_classes *);
/* What a head's numbers are where nothing says it, as transformers' pipeline takes it: each class by itself where there is one,
 * else one of several. */
weft_lm_problem weft_lm_problem_of(const weft_lm_config *);
/* Logits [count] become probabilities in place; numbers stay as they are. */
void weft_lm_probabilities(weft_lm_problem, int64_t count, double *numbers);

/* Puts a class behind the others, of which there are fewer than WEFT_LM_MOST_CLASSES. */
weft_status weft_lm_classes_add(weft_lm_classes *, const char *name);

/* The class of that name; -1: none. */
int64_t weft_lm_classes_position(const weft_lm_classes *, const char *name);
/* The class of a label: that name, or its number; -1: none. */
int64_t weft_lm_classes_index(const weft_lm_classes *, weft_json_value label);
/* The same; none is an error. */
weft_status weft_lm_classes_find(const weft_lm_classes *, weft_json_value label, const char *where, int32_t *out);
/* A label as text: a string, or an integer's digits in `room`; NULL: neither. */
const char *weft_lm_label_text(weft_json_value label, char room[32]);
/* The error of a record in which neither is found. */
weft_status weft_lm_no_label(const char *where);
/* Digits alone, few enough for an int64_t, behind a sign or none? */
bool weft_lm_is_integer(const char *text);

/* A configuration with this head: `config` with architectures, id2label, label2id and problem_type for it, its weights being
 * float32. */
weft_status weft_lm_classes_config(const weft_lm_classes *, const weft_lm_config *, weft_json_value config, weft_text *out);

#endif
