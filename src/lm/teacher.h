/* Distillation (Hinton, Vinyals, Dean: arXiv 1503.02531): a pupil learns what a larger model answers, beside the labels. The
 * teacher runs by itself over each batch; its logits are an input of the pupil's graph. */
#ifndef WEFT_LM_TEACHER_H
#define WEFT_LM_TEACHER_H

#include "lm/data.h"
#include "lm/lm.h"

typedef struct weft_lm_teacher weft_lm_teacher;

/* A plain run of `teacher` over batches [batch, length]; an error where its tokens are not the pupil's. */
weft_status weft_lm_teacher_new(weft_lm *teacher, const weft_lm *pupil, int64_t batch, int64_t length, bool segments, bool bf16,
                                weft_lm_teacher **out);
void weft_lm_teacher_free(weft_lm_teacher *);
/* Logits [batch · length, vocab], F32, until the next run. */
weft_status weft_lm_teacher_run(weft_lm_teacher *, const weft_lm_batch *, weft_tensor *logits);

/* (1 − weight) · cross-entropy + weight · T² · KL(softmax(taught / T) ‖ softmax(logits / T)) of logits and taught [rows, vocab],
 * by rows: [rows], 0 where labels [rows] have none. T² keeps the gradient's size as the targets soften. */
weft_value weft_lm_distilled_losses(weft_graph *, weft_value logits, weft_value taught, weft_value labels, double temperature,
                                    double weight);

#endif
