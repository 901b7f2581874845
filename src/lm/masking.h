/* Masked words (BERT, arXiv 1810.04805, section 3.1): of the tokens that count, 15 % are asked for; of these 80 % are shown as
 * the mask, 10 % as a token at random, 10 % as they are. */
#ifndef WEFT_LM_MASKING_H
#define WEFT_LM_MASKING_H

#include "lm/data.h"

/* Which draws: those of training, anew for each visit of a row, or those of validation, the same each time. */
typedef enum weft_lm_masks { WEFT_LM_TRAINING_MASKS, WEFT_LM_VALIDATION_MASKS } weft_lm_masks;

/* Masks rows [batch, length] that weft_lm_rows_fill made of `data`. Row b draws from place visits[b] of the named streams of
 * `seed`, whatever its neighbours; tokens at random are below `vocab`. */
void weft_lm_mask_rows(const weft_lm_data *data, weft_lm_masks, uint64_t seed, const int64_t *visits, int64_t batch,
                       int64_t length, int64_t vocab, weft_lm_batch *);

#endif
