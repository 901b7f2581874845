/* Distillation (Hinton, Vinyals, Dean: arXiv 1503.02531): a pupil learns what a larger model answers, beside the labels. The
 * teacher runs by itself over each batch; what its head reads is an input of the pupil's graph, and the head a parameter there,
 * so that the loss takes both heads in runs of rows. */
#ifndef WEFT_LM_TEACHER_H
#define WEFT_LM_TEACHER_H

#include "lm/data.h"
#include "lm/lm.h"

typedef struct weft_lm_teacher weft_lm_teacher;

/* A plain run of `teacher`, which must outlive it, over batches [batch, length]; an error where its tokens are not the pupil's.
 */
weft_status weft_lm_teacher_new(weft_lm *teacher, const weft_lm *pupil, int64_t batch, int64_t length, bool segments, bool bf16,
                                weft_lm_teacher **out);
void weft_lm_teacher_free(weft_lm_teacher *);
/* What its head reads, [batch · length, width] behind the final norm, F32, until the next run. */
weft_status weft_lm_teacher_run(weft_lm_teacher *, const weft_lm_batch *, weft_tensor *hidden);

/* For the pupil's graph: losses [rows] of its rows h [rows, width] behind the final norm, by weft_distill_rows; the teacher's
 * rows are its input "taught", the teacher's head a parameter of the set below. */
weft_value weft_lm_teacher_losses(const weft_lm_teacher *, weft_lm_builder *pupil, weft_value h, weft_value labels,
                                  double temperature, double weight);
weft_params *weft_lm_teacher_head(const weft_lm_teacher *);

#endif
