/* What a model's folder says about generating with it: generation_config.json, and config.json where that is silent. */
#ifndef WEFT_LM_GENERATION_CONFIG_H
#define WEFT_LM_GENERATION_CONFIG_H

#include "lm/sampler.h"

#define WEFT_MOST_EOS 64

typedef struct weft_generation_config {
    weft_sampler_settings sampler; /* greedy unless the file says do_sample */
    weft_logit_bias *bias;         /* owned; sampler.bias */
    int64_t eos[WEFT_MOST_EOS];    /* any of these ends a text */
    int eos_count;
    int64_t bos, pad;       /* −1: none */
    int64_t max_new_tokens; /* 0: not said */
    int64_t max_length;     /* prompt included; 0: not said */
} weft_generation_config;

/* Both files may be missing. */
weft_status weft_generation_config_open(const char *folder, weft_generation_config *out);
/* The same from JSON, of files named where[0] and where[1]; `generation` and `config` may be absent. */
weft_status weft_generation_config_read(weft_json_value generation, weft_json_value config, const char *const where[2],
                                        weft_generation_config *out);
void weft_generation_config_free(weft_generation_config *);
bool weft_is_eos(const weft_generation_config *, int64_t id);

#endif
