/* llama2.c's model files (its first format, model.bin): a Llama with its weights in one run of floats. */
#ifndef WEFT_LM_LLAMA2C_H
#define WEFT_LM_LLAMA2C_H

#include "weft/base.h"
#include "weft/graph.h"

/* The model as a folder would hold it: `config`, the text of its config.json, and `params` under Hugging Face's names in F32,
 * rows of q and k in the order of their rope. The bytes are not kept; `name` for messages. */
weft_status weft_llama2c_parse(const void *bytes, size_t size, const char *name, weft_text *config, weft_params **params);
weft_status weft_llama2c_open(const char *path, weft_text *config, weft_params **params);

#endif
