/* Chat templates inside the library: the well-known ones, and rendering a conversation that is parsed already. */
#ifndef WEFT_TEXT_CHAT_TEMPLATE_H
#define WEFT_TEXT_CHAT_TEMPLATE_H

#include "text/template.h"

typedef struct weft_chat_preset {
    const char *name, *source;
    const char *bos, *eos; /* where the tokenizer names none */
} weft_chat_preset;

const weft_chat_preset *weft_chat_preset_find(const char *name); /* NULL: no such name */

/* messages ≥ 0: the first so many messages alone, with add_generation_prompt = prompt; −1: the conversation as it is. */
weft_status weft_chat_render(const weft_chat_template *, weft_json_value conversation, int64_t messages, bool prompt,
                             const struct tm *now, weft_template_result *out);

#endif
