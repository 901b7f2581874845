/* From a conversation to the tokens that a model continues. */
#ifndef WEFT_LM_CHAT_H
#define WEFT_LM_CHAT_H

#include "weft/template.h"
#include "weft/text.h"

typedef struct weft_chat_message {
    const char *role, *content;
} weft_chat_message;

/* Renders messages [count] and the beginning of the answer, and cuts the text into tokens *out [*out_count], the caller's. The
 * template's own special tokens are tokens; those that a message spells are ordinary text, so that nobody can speak in another
 * role. What the template refuses is an error with its words. `now`: for templates that write the date; may be NULL. */
weft_status weft_chat_tokens(const weft_chat_template *, const weft_tokenizer *, const weft_chat_message *messages, int count,
                             const struct tm *now, int64_t **out, int64_t *out_count);

#endif
