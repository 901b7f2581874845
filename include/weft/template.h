/* Weft, chat templates: from a conversation to the text that a language model was trained to continue.
 *
 *     weft_chat_template *chat = NULL;
 *     weft_chat_template_open("model", NULL, &chat);
 *     const char *talk = "{\"messages\": [{\"role\": \"user\", \"content\": \"Hi\"}], \"add_generation_prompt\": true}";
 *     weft_template_result result = {0};
 *     if (weft_chat_template_render(chat, talk, strlen(talk), NULL, &result) == WEFT_OK)
 *         puts(result.text.data);
 *     weft_template_result_free(&result);
 *     weft_chat_template_free(chat);
 *
 * A template is a program in Jinja2's language; it runs within limits of work, text and memory and cannot reach anything but its
 * variables. Its text already holds the special tokens: encode it with special tokens parsed and without adding any.
 */
#ifndef WEFT_TEMPLATE_H
#define WEFT_TEMPLATE_H

#include "weft/base.h"

#ifdef __cplusplus
extern "C" {
#endif

struct tm;

typedef struct weft_chat_template weft_chat_template;

/* What a rendering gave. Zero-initialise; may be used again for the next one. */
typedef struct weft_template_span {
    size_t begin, end; /* bytes of the text, end not included */
} weft_template_span;
typedef struct weft_template_result {
    weft_text text;
    bool raised;               /* the template refused the conversation: raise_exception's words are in the text */
    weft_template_span *spans; /* what stands in {% generation %} blocks: the assistant's part */
    int64_t span_count, span_capacity;
} weft_template_result;
WEFT_API void weft_template_result_free(weft_template_result *);

/* The template of a model's folder: chat_template.jinja (chat_templates/NAME.jinja), else `chat_template` of
 * tokenizer_config.json, a text or a list of {name, template}. `name` NULL: the one called "default", or the only one. Special
 * tokens come from tokenizer_config.json and special_tokens_map.json. */
WEFT_API weft_status weft_chat_template_open(const char *folder, const char *name, weft_chat_template **out);
/* A well-known template by name (weft_chat_template_name), with the folder's special tokens, or its own where the folder (or
 * NULL) has none. */
WEFT_API weft_status weft_chat_template_named(const char *name, const char *folder, weft_chat_template **out);
WEFT_API const char *weft_chat_template_name(int i); /* "chatml", …; NULL past the end */
/* A template from memory; `name` for messages, bos and eos as the template's bos_token and eos_token. */
WEFT_API weft_status weft_chat_template_parse(const char *source, size_t size, const char *name, const char *bos, const char *eos,
                                              weft_chat_template **out);
WEFT_API void weft_chat_template_free(weft_chat_template *);

/* A conversation is a JSON object: `messages` (a list of {role, content, …}), and what else the template knows:
 * add_generation_prompt, tools, documents, date_string … `now`: the local time for strftime_now; NULL: a template that asks for
 * it fails. A template's raise_exception is not a failure: result->raised. */
WEFT_API weft_status weft_chat_template_render(const weft_chat_template *, const char *conversation, size_t size,
                                               const struct tm *now, weft_template_result *out);

#ifdef __cplusplus
}
#endif
#endif
