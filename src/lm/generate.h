/* Continuing prompts: all streams of a batch go on together, each until its own end.
 *
 *     weft_lm_generated out;
 *     weft_lm_generate_options o = {.tokens = 100, .settings = &settings, .seed = 7};
 *     weft_lm_generate(lm, &(weft_lm_tokens){prompt, n}, 1, &o, &out);
 */
#ifndef WEFT_LM_GENERATE_H
#define WEFT_LM_GENERATE_H

#include "lm/sampler.h"
#include "weft/lm.h"

typedef enum weft_lm_end { WEFT_LM_GOING, WEFT_LM_END_TOKEN, WEFT_LM_END_LENGTH, WEFT_LM_END_STOP } weft_lm_end;

typedef struct weft_lm_generate_options {
    int64_t tokens; /* at most so many new ones */
    const weft_sampler_settings *settings;
    uint64_t seed;
    weft_lm_decoder
        *decoder;       /* of one stream, for one prompt: what it holds of the prompt is not computed again; NULL: a new one */
    const int64_t *eos; /* any of them ends a stream and is not part of it */
    int eos_count;
    /* Each new token as it comes, streams in turn; *stop = true ends the stream behind it. NULL: none */
    weft_status (*token)(void *user, int64_t stream, int64_t id, bool *stop);
    void *user;
} weft_lm_generate_options;

typedef struct weft_lm_generated {
    int64_t *ids; /* [count] new tokens */
    int64_t count;
    weft_lm_end end;
    double prompt_seconds, seconds; /* of the prompts, and of all new tokens, in the whole batch */
} weft_lm_generated;

/* Continues prompts [count] together; out [count], each to be freed. A stream ends at an end token, at `tokens`, at the model's
 * context (END_LENGTH) or when `token` says so. Same seed, same tokens, whatever the neighbours. */
weft_status weft_lm_generate(weft_lm *, const weft_lm_tokens *prompts, int64_t count, const weft_lm_generate_options *,
                             weft_lm_generated *out);
void weft_lm_generated_free(weft_lm_generated *);

#endif
