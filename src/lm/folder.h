/* Writing a language model's folder: weights, configuration, and the tokenizer's files of the folder it came from. */
#ifndef WEFT_LM_FOLDER_H
#define WEFT_LM_FOLDER_H

#include "lm/lm.h"

/* Copies what stands beside the weights: the tokenizer's files, chat templates, generation_config.json; missing ones are none. Or
 * `from` is a tokenizer's file by itself. */
weft_status weft_lm_copy_tokenizer(const char *from, const char *to);
/* The whole folder: config.json is `config` (JSON text) or, NULL, the copy of from's with torch_dtype float32; then the tokenizer
 * of `from`, then model.safetensors. The weights come last: a folder with them is whole. */
weft_status weft_lm_folder_save(const char *folder, const char *from, const char *config, const weft_params *);

/* LoRA. A fresh adapter: `config` is the text of adapter_config.json; A is drawn, B is zero. It joins the model's sets. */
weft_status weft_lm_adapt(weft_lm *, const char *config, uint64_t seed);
/* adapter_config.json and adapter_model.safetensors. */
weft_status weft_lm_adapter_save(const char *folder, const char *config, const weft_lm_adapter *, const weft_lm_config *);
/* The base's tensors with the adapter worked in, W + s B A in float32 and then in W's type; those that it does not touch are
 * borrowed from the model. */
weft_status weft_lm_merge(const weft_lm *, weft_params **out);

#endif
