/* tokenizer.json, the file of Hugging Face's `tokenizers`. */
#include "text/json_parts.h"

#include <stdio.h>

static weft_status read_added(weft_json_value root, weft_tokenizer *t)
{
    weft_json_value list = weft_json_get(root, "added_tokens");
    if (weft_json_present(list) && weft_json_kind_of(list) != WEFT_JSON_LIST)
        return weft_fail(WEFT_ERROR_FORMAT, "\"added_tokens\" must be a list");
    weft_status status = WEFT_OK;
    for (int64_t i = 0; i < weft_json_size(list) && status == WEFT_OK; i++) {
        weft_json_value item = weft_json_item(list, i);
        weft_added_token token = {0};
        char where[48];
        snprintf(where, sizeof where, "added_tokens, entry %lld", (long long)i);
        const char *content = weft_json_string(weft_json_get(item, "content"), NULL);
        int64_t id = -1;
        if (!content || weft_json_kind_of(weft_json_get(item, "id")) != WEFT_JSON_INTEGER)
            return weft_fail(WEFT_ERROR_FORMAT, "%s: needs \"content\" and a whole number \"id\"", where);
        token.normalized = !weft_json_bool(weft_json_get(item, "special"), false);
        status = weft_json_take_integer(item, where, "id", 0, WEFT_MOST_TOKENS - 1, &id);
        const struct {
            const char *key;
            bool *out;
        } flags[] = {{"single_word", &token.single_word},
                     {"lstrip", &token.lstrip},
                     {"rstrip", &token.rstrip},
                     {"normalized", &token.normalized},
                     {"special", &token.special}};
        for (size_t k = 0; k < sizeof flags / sizeof *flags && status == WEFT_OK; k++)
            status = weft_json_take_bool(item, where, flags[k].key, flags[k].out);
        token.id = (int32_t)id;
        if (status == WEFT_OK)
            status = weft_added_put(&t->added, content, strlen(content), token);
    }
    return status;
}

weft_status weft_tokenizer_from_json(weft_json_value root, const char *name, weft_tokenizer *t)
{
    weft_status status = WEFT_OK;
    if (weft_json_kind_of(root) != WEFT_JSON_OBJECT || !weft_json_present(weft_json_get(root, "model")))
        return weft_fail(WEFT_ERROR_FORMAT, "%s: expected an object with a \"model\"", name);
    status = weft_json_normalizer(weft_json_get(root, "normalizer"), &t->normalizer);
    if (status == WEFT_OK)
        status = weft_json_splitter(weft_json_get(root, "pre_tokenizer"), &t->splitter);
    if (status == WEFT_OK)
        status = weft_json_model(weft_json_get(root, "model"), t);
    if (status == WEFT_OK)
        status = read_added(root, t);
    if (status == WEFT_OK)
        status = weft_json_processor(weft_json_get(root, "post_processor"), t, &t->processor);
    if (status == WEFT_OK)
        status = weft_json_decoder(weft_json_get(root, "decoder"), &t->decoder);
    if (status == WEFT_OK)
        status = weft_tokenizer_finish(t);
    return status == WEFT_OK ? WEFT_OK : weft_fail_in(status, "%s", name);
}
