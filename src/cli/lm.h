/* What the commands of the lm room share: opening a model, its tokenizer, prompts as text or as tokens. */
#ifndef WEFT_CLI_LM_H
#define WEFT_CLI_LM_H

#include "cli/cli.h"
#include "weft/lm.h"
#include "weft/text.h"

#define CLI_LM_MODEL_OPTIONS \
    {.name = "adapter", \
     .value = "DIR", \
     .kind = CLI_PATH, \
     .help = "an adapter's folder (PEFT), applied unmerged", \
     .group = "The model"}, \
    { \
        .name = "dtype", .value = "TYPE", .kind = CLI_CHOICE, .choices = "f32|f64|bf16", .otherwise = "f32", \
        .help = "type of the computation; bf16: of products", .group = "The model" \
    }

/* --adapter and --dtype. */
weft_lm_options cli_lm_options(const cli_arguments *);
/* The model of positional 0, by --adapter and --dtype. */
weft_status cli_lm_open(cli_arguments *, weft_lm **out);

/* A model's tokenizer; *out NULL where the folder has none and `needed` is NULL. `needed`: what it is for, in the message. */
weft_status cli_lm_tokenizer(const char *folder, const weft_lm *, const char *needed, weft_tokenizer **out);

/* [vocabulary] 1 where the model has a row and the tokenizer no token, for weft_sampler_settings; *out NULL where there is none,
 * or no tokenizer. */
weft_status cli_lm_rows_without_token(const weft_tokenizer *, int64_t vocabulary, unsigned char **out);

/* --ids: whole numbers from 0 on; anything else is wrong usage. *out is the caller's. */
weft_status cli_lm_ids(cli_arguments *, int64_t **out, int64_t *count);

/* text to ids [*count], with the tokenizer's special tokens unless `bare`; broken UTF-8 is repaired with a warning. */
weft_status cli_lm_encode(const weft_tokenizer *, const char *text, size_t length, bool bare, int64_t **out, int64_t *count);

#endif
