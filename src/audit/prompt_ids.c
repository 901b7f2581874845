/* From a prompt to token ids: the text put into its wrapping, or a conversation through a chat template. */
#include "audit/prompts.h"

#include <stdlib.h>
#include <string.h>

#include "weft/template.h"

void weft_prompt_encoder_close(weft_prompt_encoder *e)
{
    weft_encoding_free(e->encoding);
    weft_tokenizer_free(e->tokenizer);
    weft_chat_template_free(e->chat);
    *e = (weft_prompt_encoder){0};
}

weft_status weft_prompt_encoder_open(const char *folder, const char *otherwise, const char *template_name,
                                     weft_prompt_encoder *out)
{
    *out = (weft_prompt_encoder){0};
    const char *used = folder;
    weft_status status = weft_tokenizer_open(folder, &out->tokenizer);
    if (status != WEFT_OK && otherwise) { /* an adapter's folder need not hold one */
        used = otherwise;
        status = weft_tokenizer_open(otherwise, &out->tokenizer);
    }
    if (status == WEFT_OK)
        status = weft_encoding_new(out->tokenizer, &out->encoding);
    if (status == WEFT_OK && template_name)
        status = strcmp(template_name, "auto") == 0 ? weft_chat_template_open(used, NULL, &out->chat)
                                                    : weft_chat_template_named(template_name, used, &out->chat);
    if (status != WEFT_OK)
        weft_prompt_encoder_close(out);
    return status;
}

static void add_message(weft_json_writer *w, const char *role, const char *content)
{
    weft_json_open_object(w);
    weft_json_add_key(w, "role");
    weft_json_add_string(w, role);
    weft_json_add_key(w, "content");
    weft_json_add_string(w, content);
    weft_json_close_object(w);
}

/* {"messages": […], "add_generation_prompt": true} of a text, or of messages as they are. */
static weft_status conversation(const weft_prompt_encoder *e, const weft_prompt *p, weft_text *out)
{
    weft_json *json = NULL;
    weft_json_writer w = weft_json_to(out, 0);
    weft_json_open_object(&w);
    weft_json_add_key(&w, "messages");
    weft_json_open_list(&w);
    if (e->system)
        add_message(&w, "system", e->system);
    weft_status status = WEFT_OK;
    if (p->messages) {
        status = weft_json_parse(p->text, strlen(p->text), "messages", &json);
        for (int64_t i = 0; status == WEFT_OK && i < weft_json_size(weft_json_root(json)); i++)
            weft_json_add_value(&w, weft_json_item(weft_json_root(json), i));
    } else
        add_message(&w, "user", p->text);
    weft_json_close_list(&w);
    weft_json_add_key(&w, "add_generation_prompt");
    weft_json_add_bool(&w, true);
    weft_json_close_object(&w);
    weft_json_free(json);
    return status == WEFT_OK && out->failed ? weft_fail(WEFT_ERROR_MEMORY, "a prompt: memory is short") : status;
}

static weft_status render(const weft_prompt_encoder *e, const weft_prompt *p, weft_text *out)
{
    weft_text talk = {0};
    weft_template_result result = {0};
    weft_status status = conversation(e, p, &talk);
    if (status == WEFT_OK)
        status = weft_chat_template_render(e->chat, talk.data, talk.length, NULL, &result);
    if (status == WEFT_OK && result.raised)
        status = weft_fail(WEFT_ERROR_ARGUMENT, "the chat template refuses line %lld: %s", (long long)p->line, result.text.data);
    if (status == WEFT_OK)
        weft_text_bytes(out, result.text.data ? result.text.data : "", result.text.length);
    weft_template_result_free(&result);
    weft_text_free(&talk);
    return status;
}

static void wrap(const char *pattern, const char *text, weft_text *out)
{
    const char *place = pattern ? strstr(pattern, "{}") : NULL;
    if (place)
        weft_text_bytes(out, pattern, (size_t)(place - pattern));
    weft_text_bytes(out, text, strlen(text));
    if (place)
        weft_text_bytes(out, place + 2, strlen(place + 2));
}

weft_status weft_prompt_encode(weft_prompt_encoder *e, const weft_prompt *p, const char *more, int64_t **ids, int64_t *n)
{
    *ids = NULL;
    *n = 0;
    weft_text text = {0};
    weft_status status = WEFT_OK;
    if (p->messages && !e->chat)
        return weft_fail(WEFT_ERROR_ARGUMENT, "line %lld holds messages, which need a chat template (--template)",
                         (long long)p->line);
    if (e->chat)
        status = render(e, p, &text);
    else
        wrap(e->wrap, p->text, &text);
    if (status == WEFT_OK)
        weft_text_bytes(&text, more, strlen(more));
    if (status == WEFT_OK && text.failed)
        status = weft_fail(WEFT_ERROR_MEMORY, "a prompt: memory is short");
    /* a template writes its special tokens itself */
    if (status == WEFT_OK)
        status =
            weft_encode(e->encoding, text.data ? text.data : "", text.length, &(weft_encode_options){.add_special = !e->chat});
    if (status == WEFT_OK) {
        *n = (int64_t)weft_encoding_count(e->encoding);
        *ids = malloc((size_t)(*n + 1) * sizeof **ids);
        if (*ids)
            memcpy(*ids, weft_encoding_ids(e->encoding), (size_t)*n * sizeof **ids);
        else
            status = weft_fail(WEFT_ERROR_MEMORY, "a prompt: memory is short");
    }
    if (status == WEFT_OK && weft_encoding_repaired(e->encoding))
        weft_log(WEFT_LOG_WARNING, "line %lld: not UTF-8; broken places are read as U+FFFD", (long long)p->line);
    weft_text_free(&text);
    return status;
}
