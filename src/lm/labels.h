/* Labels of records, as JSON and tables spell them: what a classification head is asked for, in training as in judging, and what
 * kind of head a file of labels wants.
 *
 *     one of several classes     "cat", or an integer
 *     each class by itself       ["cat", "rat"]; [0, 1, 1], a number from 0 to 1 a class; in a table cat|rat, an empty cell: none
 *     numbers                    0.5; [0.5, -1] for a head of two */
#ifndef WEFT_LM_LABELS_H
#define WEFT_LM_LABELS_H

#include "lm/classes.h"

/* "label" of a record, else "labels". */
weft_json_value weft_lm_label_of(weft_json_value record);

/* What a head of numbers, or of each class by itself, is asked for by a label: truth [count], finite, of a class from 0 to 1. */
weft_status weft_lm_label_truth(const weft_lm_classes *, weft_json_value label, const char *where, double *truth);

/* The classes that a file's records want, and the problem. Where `problem` is unsaid the labels say it: lists (in a table: a cell
 * with |) are several labels, fractions numbers, all else classes. Names are sorted, by number where all are integers, else by
 * bytes; numbers, and lists of a number a class, are LABEL_0, … Labels of different kinds, labels of which nothing can be
 * learned, or none, are errors. */
weft_status weft_lm_labels_collect(weft_lm_classes *, const char *path, weft_lm_problem problem);
/* The same of JSON in memory; `name` for messages. */
weft_status weft_lm_labels_parse(weft_lm_classes *, const char *bytes, size_t size, const char *name, weft_lm_problem problem);
/* The problem alone, for a head whose classes are known. */
weft_status weft_lm_labels_problem(const char *path, weft_lm_problem *out);

#endif
