/* A tokenizer's own life: made, finished, asked for tokens and ids, freed. */
#include "text/tokenizer.h"

#include <stdlib.h>

#include "base/utf8.h"

weft_tokenizer *weft_tokenizer_new(void)
{
    weft_tokenizer *t = calloc(1, sizeof *t);
    for (int i = 0; t && i < WEFT_TOKEN_KINDS; i++)
        t->special[i] = -1;
    return t;
}

void weft_tokenizer_free(weft_tokenizer *t)
{
    if (!t)
        return;
    weft_token_model_free(&t->model);
    weft_added_free(&t->added);
    weft_normalizer_free(&t->normalizer);
    weft_splitter_free(&t->splitter);
    weft_processor_free(&t->processor);
    weft_decoder_step_free(&t->decoder);
    free(t->added_by_id);
    free(t);
}

char *weft_copy_text(const char *text, size_t length)
{
    char *copy = malloc(length + 1);
    if (copy) {
        memcpy(copy, text, length);
        copy[length] = 0;
    }
    return copy;
}

#define STEP(name, type, field) \
    type *name(type *sequence) \
    { \
        type *steps = realloc(sequence->steps, ((size_t)sequence->step_count + 1) * sizeof *steps); \
        if (!steps) \
            return NULL; \
        sequence->steps = steps; \
        steps[sequence->step_count] = (type){0}; \
        return &steps[sequence->step_count++]; \
    }
STEP(weft_normalizer_step, weft_normalizer, steps)
STEP(weft_splitter_step, weft_splitter, steps)
STEP(weft_decoder_step_new, weft_decoder_step, steps)

bool weft_tokenizer_reads_bytes(weft_tokenizer *t)
{
    weft_splitter *last = &t->splitter;
    while (last->kind == WEFT_SPLITTER_SEQUENCE && last->step_count)
        last = &last->steps[last->step_count - 1];
    if (last->kind != WEFT_SPLITTER_BYTE_LEVEL)
        return false;
    last->bytes_as_they_are = true;
    return true;
}

/* ---- finishing ---- */

static weft_status settle_ids(weft_tokenizer *t)
{
    const weft_vocabulary *v = &t->model.vocabulary;
    t->size = v->count;
    for (int32_t i = 0; i < t->added.count; i++) {
        weft_added_token *a = &t->added.list[i];
        int32_t id = weft_vocabulary_find(v, a->content, a->length);
        const char *other = id < 0 ? weft_vocabulary_token(v, a->id, NULL) : NULL;
        if (other)
            return weft_fail(WEFT_ERROR_FORMAT, "added token \"%.80s\" has id %d, which is token \"%.80s\" of the vocabulary",
                             a->content, a->id, other);
        if (id >= 0)
            a->id = id;
        if (a->id < 0 || a->id >= WEFT_MOST_TOKENS)
            return weft_fail(WEFT_ERROR_FORMAT, "added token \"%.80s\" has id %d; ids go from 0 to %d", a->content, a->id,
                             WEFT_MOST_TOKENS - 1);
        t->size = a->id >= t->size ? a->id + 1 : t->size;
    }
    t->added_by_id = malloc(((size_t)t->size + 1) * sizeof *t->added_by_id);
    if (!t->added_by_id)
        return weft_fail(WEFT_ERROR_MEMORY, "memory is short for %lld tokens", (long long)t->size);
    for (int64_t id = 0; id < t->size; id++)
        t->added_by_id[id] = -1;
    for (int32_t i = 0; i < t->added.count; i++) {
        const weft_added_token *a = &t->added.list[i];
        int32_t before = t->added_by_id[a->id];
        if (before >= 0 && strcmp(t->added.list[before].content, a->content) != 0)
            return weft_fail(WEFT_ERROR_FORMAT, "id %d is given to two added tokens, \"%.80s\" and \"%.80s\"", a->id,
                             t->added.list[before].content, a->content);
        t->added_by_id[a->id] = i;
    }
    return WEFT_OK;
}

/* Added tokens that are looked for in normalised text are spelled as the normalizer leaves them. */
static weft_status finish_added(weft_tokenizer *t)
{
    size_t count = (size_t)t->added.count;
    weft_span *spelled = calloc(count + 1, sizeof *spelled);
    weft_spelling room[2] = {0};
    weft_text all = {0};
    size_t *begin = calloc(count + 1, sizeof *begin);
    weft_regex_match *match = NULL;
    weft_status status = spelled && begin ? weft_regex_match_new(&match) : weft_fail(WEFT_ERROR_MEMORY, "memory is short");
    for (size_t i = 0; i < count && status == WEFT_OK; i++) {
        const weft_added_token *a = &t->added.list[i];
        weft_span out = {a->content, a->length, NULL, 0};
        if (a->normalized && !a->spelled)
            status = weft_normalize(&t->normalizer, match, out, room, &out);
        begin[i] = all.length;
        weft_text_bytes(&all, out.data, status == WEFT_OK ? out.length : 0);
        begin[i + 1] = all.length;
    }
    if (status == WEFT_OK && all.failed)
        status = weft_fail(WEFT_ERROR_MEMORY, "memory is short");
    for (size_t i = 0; i < count && status == WEFT_OK; i++)
        spelled[i] = (weft_span){all.data + begin[i], begin[i + 1] - begin[i], NULL, 0};
    if (status == WEFT_OK)
        status = weft_added_finish(&t->added, spelled);
    weft_regex_match_free(match);
    weft_spelling_free(&room[0]);
    weft_spelling_free(&room[1]);
    weft_text_free(&all);
    free(begin);
    free(spelled);
    return status;
}

weft_status weft_tokenizer_finish(weft_tokenizer *t)
{
    weft_status status = settle_ids(t);
    return status == WEFT_OK ? finish_added(t) : status;
}

/* ---- questions ---- */

int64_t weft_tokenizer_size(const weft_tokenizer *t)
{
    return t->size;
}

const char *weft_tokenizer_token(const weft_tokenizer *t, int64_t id)
{
    if (id < 0 || id >= t->size)
        return NULL;
    int32_t added = t->added_by_id[id];
    return added >= 0 ? t->added.list[added].content : weft_vocabulary_token(&t->model.vocabulary, id, NULL);
}

int64_t weft_tokenizer_id(const weft_tokenizer *t, const char *token)
{
    for (int32_t i = t->added.count; i-- > 0;)
        if (strcmp(t->added.list[i].content, token) == 0)
            return t->added.list[i].id;
    return weft_vocabulary_find(&t->model.vocabulary, token, strlen(token));
}

bool weft_tokenizer_is_special(const weft_tokenizer *t, int64_t id)
{
    return id >= 0 && id < t->size && t->added_by_id[id] >= 0 && t->added.list[t->added_by_id[id]].special;
}

int64_t weft_tokenizer_special(const weft_tokenizer *t, weft_special_token kind)
{
    return kind >= 0 && kind < WEFT_TOKEN_KINDS ? t->special[kind] : -1;
}

/* ---- steps that several loaders make ---- */

static weft_status texts_of(const char *text, const char *content, char **out_text, size_t *text_length, char **out_content,
                            size_t *content_length)
{
    *text_length = strlen(text);
    *content_length = strlen(content);
    *out_text = weft_copy_text(text, *text_length);
    *out_content = weft_copy_text(content, *content_length);
    return *out_text && *out_content ? WEFT_OK : weft_fail(WEFT_ERROR_MEMORY, "memory is short");
}

weft_status weft_normalizer_replace(weft_normalizer *sequence, const char *text, const char *content)
{
    weft_normalizer *n = weft_normalizer_step(sequence);
    if (!n)
        return weft_fail(WEFT_ERROR_MEMORY, "memory is short");
    n->kind = WEFT_NORMALIZER_REPLACE;
    return texts_of(text, content, &n->pattern, &n->pattern_length, &n->content, &n->content_length);
}

weft_status weft_normalizer_prepend(weft_normalizer *sequence, const char *content)
{
    weft_status status = weft_normalizer_replace(sequence, "", content);
    if (status == WEFT_OK)
        sequence->steps[sequence->step_count - 1].kind = WEFT_NORMALIZER_PREPEND;
    return status;
}

weft_status weft_decoder_replace(weft_decoder_step *sequence, const char *text, const char *content)
{
    weft_decoder_step *d = weft_decoder_step_new(sequence);
    if (!d)
        return weft_fail(WEFT_ERROR_MEMORY, "memory is short");
    d->kind = WEFT_DECODER_REPLACE;
    return texts_of(text, content, &d->text, &d->length, &d->content, &d->content_length);
}
