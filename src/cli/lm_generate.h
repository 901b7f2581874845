/* Sampling options that generating commands share. */
#ifndef WEFT_CLI_LM_GENERATE_H
#define WEFT_CLI_LM_GENERATE_H

#include "cli/lm.h"
#include "lm/chat.h"
#include "lm/generation_config.h"

#define CLI_LM_SAMPLING(name_, value_, least_, most_, help_) \
    { \
        .name = name_, .value = value_, .kind = CLI_NUMBER, .least = least_, .most = most_, .help = help_, \
        .group = "Choosing tokens" \
    }
#define CLI_LM_SHARE(name_, help_) \
    { \
        .name = name_, .value = "P", .kind = CLI_NUMBER, .least = 0, .most = 1, .traits = CLI_ABOVE_LEAST, .help = help_, \
        .group = "Choosing tokens" \
    }
#define CLI_LM_COUNT(name_, value_, help_) \
    { \
        .name = name_, .value = value_, .kind = CLI_INT, .least = 0, .most = 1 << 30, .help = help_, .group = "Choosing tokens" \
    }

#define CLI_LM_SAMPLING_OPTIONS \
    CLI_LM_SAMPLING("temperature", "T", 0, 1000, "0: always the likeliest token; 1: as the model says; more: more varied"), \
        CLI_LM_COUNT("top-k", "K", "draw from the K likeliest tokens; 0: from all"), \
        CLI_LM_SHARE("top-p", "draw from the likeliest tokens that make up this share"), \
        CLI_LM_SAMPLING("min-p", "P", 0, 1, "leave out tokens below this share of the likeliest one's probability"), \
        CLI_LM_SHARE("typical-p", "draw from the tokens of most typical surprise that make up this share"), \
        CLI_LM_SAMPLING("repetition-penalty", "R", 0.01, 100, "above 1: tokens that occurred are less likely"), \
        CLI_LM_SAMPLING("presence-penalty", "R", -100, 100, "taken off the logits of tokens that were generated"), \
        CLI_LM_SAMPLING("frequency-penalty", "R", -100, 100, "the same, once for each occurrence"), \
        CLI_LM_COUNT("no-repeat-ngram", "N", "no N tokens in a row come twice; 0: off"), \
    { \
        .name = "sampler-order", .value = "ORDER", .kind = CLI_CHOICE, .choices = "transformers|llamacpp", \
        .otherwise = "transformers", .help = "where the temperature comes: before the filters, or last", \
        .group = "Choosing tokens" \
    }

/* What the folder's generation_config.json says, with the options over it; freed by weft_generation_config_free. */
weft_status cli_lm_sampling(cli_arguments *, const char *folder, weft_generation_config *out);

/* The chat template of --template, or the model folder's. */
weft_status cli_lm_chat_open(cli_arguments *, weft_chat_template **out);
/* A conversation, with --system before it, as tokens. */
weft_status cli_lm_chat_tokens(cli_arguments *, const weft_chat_template *, const weft_tokenizer *,
                               const weft_chat_message *messages, int count, int64_t **out, int64_t *out_count);

/* A conversation line by line on standard input and output (lm_talk.c). */
weft_status cli_lm_talk(cli_arguments *, weft_lm *, const weft_generation_config *);

#endif
