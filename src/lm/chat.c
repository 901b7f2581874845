/* Conversations as tokens. A special token that a message spells gets a mark behind its first character before the template is
 * rendered; the text is then encoded in pieces, cut at the marks, so that no piece holds such a token whole. */
#include "lm/chat.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"

/* A private character (U+F8FF): taken out of messages first, so that it stands only where it was put. */
static const char mark[] = "\xEF\xA3\xBF";

enum { MARK_BYTES = sizeof mark - 1 };

/* The longest special token that begins at `at`; 0: none does */
static size_t special_at(const weft_tokenizer *t, const char *at)
{
    size_t longest = 0;
    for (int64_t id = 0; id < weft_tokenizer_size(t); id++) {
        const char *token = weft_tokenizer_is_special(t, id) ? weft_tokenizer_token(t, id) : NULL;
        size_t n = token ? strlen(token) : 0;
        if (n > longest && strncmp(at, token, n) == 0)
            longest = n;
    }
    return longest;
}

/* bytes that begin some special token */
static void first_bytes(const weft_tokenizer *t, bool first[256])
{
    memset(first, 0, 256);
    for (int64_t id = 0; id < weft_tokenizer_size(t); id++) {
        const char *token = weft_tokenizer_is_special(t, id) ? weft_tokenizer_token(t, id) : NULL;
        if (token)
            first[(unsigned char)token[0]] = true;
    }
}

static void add_marked(const weft_tokenizer *t, const bool first[256], const char *content, weft_text *out)
{
    for (const char *c = content; *c;) {
        size_t step = 1;
        if (strncmp(c, mark, MARK_BYTES) == 0) {
            c += MARK_BYTES;
            continue;
        }
        while (((unsigned char)c[step] & 0xC0) == 0x80) /* the rest of a character */
            step++;
        weft_text_bytes(out, c, step);
        if (first[(unsigned char)*c] && special_at(t, c) > 0)
            weft_text_bytes(out, mark, MARK_BYTES);
        c += step;
    }
}

static weft_status write_conversation(const weft_tokenizer *t, const weft_chat_message *messages, int count, weft_text *out)
{
    weft_json_writer w = weft_json_to(out, 0);
    bool first[256];
    first_bytes(t, first);
    weft_json_open_object(&w);
    weft_json_add_key(&w, "messages");
    weft_json_open_list(&w);
    for (int i = 0; i < count; i++) {
        weft_text content = {0};
        add_marked(t, first, messages[i].content, &content);
        weft_json_open_object(&w);
        weft_json_add_key(&w, "role");
        weft_json_add_string(&w, messages[i].role);
        weft_json_add_key(&w, "content");
        weft_json_add_string(&w, content.data ? content.data : "");
        weft_json_close_object(&w);
        out->failed |= content.failed;
        weft_text_free(&content);
    }
    weft_json_close_list(&w);
    weft_json_add_key(&w, "add_generation_prompt");
    weft_json_add_bool(&w, true);
    weft_json_close_object(&w);
    return out->failed ? weft_fail(WEFT_ERROR_MEMORY, "the conversation: memory is short") : WEFT_OK;
}

/* Encodes the text between marks, piece by piece, into one list. */
static weft_status encode(const weft_tokenizer *t, const char *text, int64_t **out, int64_t *count)
{
    weft_encoding *e = NULL;
    weft_status status = weft_encoding_new(t, &e);
    *out = NULL;
    *count = 0;
    while (status == WEFT_OK && *text) {
        const char *end = strstr(text, mark);
        size_t length = end ? (size_t)(end - text) : strlen(text);
        status = weft_encode(e, text, length, NULL);
        size_t n = status == WEFT_OK ? weft_encoding_count(e) : 0;
        int64_t *grown = status == WEFT_OK ? realloc(*out, ((size_t)*count + n + 1) * sizeof *grown) : NULL;
        if (grown) {
            memcpy(grown + *count, weft_encoding_ids(e), n * sizeof *grown);
            *out = grown;
            *count += (int64_t)n;
        } else if (status == WEFT_OK) {
            status = weft_fail(WEFT_ERROR_MEMORY, "the conversation: memory is short");
        }
        text += length + (end ? MARK_BYTES : 0);
    }
    weft_encoding_free(e);
    if (status == WEFT_OK && *count == 0)
        status = weft_fail(WEFT_ERROR_FORMAT, "the chat template makes no text of this conversation");
    if (status != WEFT_OK) {
        free(*out);
        *out = NULL;
    }
    return status;
}

weft_status weft_chat_tokens(const weft_chat_template *chat, const weft_tokenizer *t, const weft_chat_message *messages,
                             int count, const struct tm *now, int64_t **out, int64_t *out_count)
{
    weft_text conversation = {0};
    weft_template_result result = {0};
    *out = NULL;
    weft_status status = write_conversation(t, messages, count, &conversation);
    if (status == WEFT_OK)
        status = weft_chat_template_render(chat, conversation.data, conversation.length, now, &result);
    if (status == WEFT_OK && result.raised)
        status = weft_fail(WEFT_ERROR_ARGUMENT, "the chat template refuses: %s", result.text.data ? result.text.data : "");
    if (status == WEFT_OK)
        status = encode(t, result.text.data ? result.text.data : "", out, out_count);
    weft_template_result_free(&result);
    weft_text_free(&conversation);
    return status;
}
