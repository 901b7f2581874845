/* The table of families, and the defaults of a row. */
#ifndef WEFT_LM_CONFIG_FAMILY_H
#define WEFT_LM_CONFIG_FAMILY_H

#include "lm/config.h"

/* Which layers see a window when layer_types does not say. */
typedef enum weft_lm_window_rule {
    WEFT_LM_WINDOW_NONE,
    WEFT_LM_WINDOW_ALL,    /* mistral */
    WEFT_LM_WINDOW_UPPER,  /* qwen: from max_window_layers on, and only with use_sliding_window */
    WEFT_LM_WINDOW_EVEN,   /* gemma2 */
    WEFT_LM_WINDOW_PATTERN /* gemma3: all but each sixth */
} weft_lm_window_rule;

/* Values of keys that a config.json lacks: transformers' own defaults. 0: derived from another key. */
typedef struct weft_lm_defaults {
    int64_t vocab, width, layers, heads, kv_heads, head_dim, ffn, positions, types, pad_id;
    double eps;
    bool fixed_eps; /* no key changes it */
    const char *activation;
    bool hidden_activation; /* its key is hidden_activation, and hidden_act means nothing */
    bool attention_bias;    /* of the key of that name */
    bool no_bias;           /* there is no such key: qkv_bias and o_bias hold */
    bool qkv_bias, o_bias, mlp_bias;
    bool tied;
    bool rope;
    double rotary; /* rotated share of a head */
    double theta;  /* 0: 10000 */
    bool local_rope;
    double query_scalar; /* q·k is multiplied by its −1/2 power; 0: head_dim */
    double attention_cap, logit_cap;
    int64_t window;
    weft_lm_window_rule window_rule;
} weft_lm_defaults;

enum { WEFT_LM_FAMILIES = 13 };
extern const weft_lm_family weft_lm_families[WEFT_LM_FAMILIES + 1]; /* the last is empty */

/* Other names of a family: the same model with another tokenizer and training. */
typedef struct weft_lm_alias {
    const char *model_type, *family;
} weft_lm_alias;

enum { WEFT_LM_ALIASES = 2 };
extern const weft_lm_alias weft_lm_aliases[WEFT_LM_ALIASES + 1]; /* the last is empty */

#endif
