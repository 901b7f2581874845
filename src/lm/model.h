/* Language models as rows of the registry. */
#ifndef WEFT_LM_MODEL_H
#define WEFT_LM_MODEL_H

#include "lm/config.h"
#include "nn/model_type.h"

enum { WEFT_LM_MODELS = 15 };
extern const weft_model_type weft_lm_models[WEFT_LM_MODELS];

/* `weft run` (run.c). */
weft_status weft_lm_run(void *self, weft_engine *, weft_params *, const char *folder, const weft_run_request *, weft_arrays *out);

/* Every tensor that the configuration wants is in the set, in its shape. */
weft_status weft_lm_weights_check(const weft_lm_config *, const weft_params *);

/* The position of a sequence's first token in a learned table. */
int64_t weft_lm_first_position(const weft_lm_config *);
/* Positions of ids [batch, tokens] for a learned table: 0, 1, …; RoBERTa counts from behind pad_id and leaves pads there. A
 * sequence longer than the table is an error. */
weft_status weft_lm_positions(const weft_lm_config *, const int64_t *ids, int64_t batch, int64_t tokens, int64_t *out);

/* For a decoder's classifier: the place of each row's last token that is not padding, by its id or else by mask (1: a token;
 * NULL: none), in its row and among all rows of ids [batch, tokens]. */
void weft_lm_last_tokens(const weft_lm_config *, const int64_t *ids, const float *mask, int64_t batch, int64_t tokens,
                         int64_t *places, int64_t *rows);

/* NaN among logits: an error that names the layer where a stream of hidden [layers + 1, rows…] first has one; else OK. */
weft_status weft_lm_check_finite(weft_tensor logits, weft_tensor hidden);

#endif
