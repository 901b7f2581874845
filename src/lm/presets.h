/* Architectures by name, for training from scratch. */
#ifndef WEFT_LM_PRESETS_H
#define WEFT_LM_PRESETS_H

#define WEFT_LM_PRESETS "llama-260k|llama-15m|llama-42m|llama-110m|gpt2"

/* config.json of the preset of that name; NULL: there is none. */
const char *weft_lm_preset(const char *name);
const char *weft_lm_preset_name(int i); /* NULL past the end */

#endif
