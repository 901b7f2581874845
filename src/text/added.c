/* Finding added tokens: leftmost, longest. */
#include "text/added.h"

#include <stdlib.h>

#include "base/utf8.h"
#include "text/unicode.h"

void weft_added_free(weft_added *a)
{
    for (int32_t i = 0; i < a->count; i++)
        free(a->list[i].content);
    free(a->list);
    weft_trie_free(&a->raw);
    weft_trie_free(&a->normalized);
    *a = (weft_added){0};
}

weft_status weft_added_put(weft_added *a, const char *content, size_t length, weft_added_token token)
{
    if (length == 0 || length > WEFT_LONGEST_ADDED)
        return weft_fail(WEFT_ERROR_FORMAT, "an added token of %zu bytes (id %d); expected 1 to %d", length, token.id,
                         WEFT_LONGEST_ADDED);
    if (a->count == a->room) {
        int32_t room = 2 * a->room + 16;
        weft_added_token *list = realloc(a->list, (size_t)room * sizeof *list);
        if (!list)
            return weft_fail(WEFT_ERROR_MEMORY, "memory is short");
        a->list = list;
        a->room = room;
    }
    token.length = length;
    token.content = malloc(length + 1);
    if (!token.content)
        return weft_fail(WEFT_ERROR_MEMORY, "memory is short");
    memcpy(token.content, content, length);
    token.content[length] = 0;
    a->list[a->count++] = token;
    return WEFT_OK;
}

weft_status weft_added_finish(weft_added *a, const weft_span *spelled)
{
    weft_trie_key *keys = malloc(((size_t)a->count + 1) * sizeof *keys);
    weft_status status = keys ? WEFT_OK : weft_fail(WEFT_ERROR_MEMORY, "memory is short");
    for (int pass = 0; pass < 2 && status == WEFT_OK; pass++) {
        size_t count = 0;
        for (int32_t i = 0; i < a->count; i++) {
            const weft_added_token *t = &a->list[i];
            weft_span text = pass && spelled ? spelled[i] : (weft_span){t->content, t->length, NULL, 0};
            if (t->normalized == (pass == 1) && text.length > 0)
                keys[count++] = (weft_trie_key){text.data, (uint32_t)text.length, i};
        }
        status = weft_trie_new(keys, count, pass ? &a->normalized : &a->raw);
    }
    free(keys);
    return status;
}

static bool word_before(weft_span in, size_t at)
{
    size_t begin = at;
    while (begin > 0 && begin-- > 0 && ((unsigned char)in.data[begin] & 0xC0) == 0x80)
        ;
    const char *c = in.data + begin;
    return at > 0 && weft_unicode_classes(weft_utf8_next(&c)) & WEFT_IS_WORD;
}

static bool word_behind(weft_span in, size_t at)
{
    const char *c = in.data + at;
    return at < in.length && weft_unicode_classes(weft_utf8_next(&c)) & WEFT_IS_WORD;
}

static size_t spaces_before(weft_span in, size_t least, size_t at)
{
    while (at > least) {
        size_t begin = at - 1;
        while (begin > least && ((unsigned char)in.data[begin] & 0xC0) == 0x80)
            begin--;
        const char *c = in.data + begin;
        if (!(weft_unicode_classes(weft_utf8_next(&c)) & WEFT_IS_SPACE))
            break;
        at = begin;
    }
    return at;
}

static size_t spaces_behind(weft_span in, size_t at)
{
    while (at < in.length) {
        const char *c = in.data + at;
        if (!(weft_unicode_classes(weft_utf8_next(&c)) & WEFT_IS_SPACE))
            break;
        at = (size_t)(c - in.data);
    }
    return at;
}

weft_section weft_added_next(const weft_added *a, const weft_trie *trie, weft_span in, bool literal, size_t begin,
                             weft_section *found)
{
    weft_section token = *found;
    *found = (weft_section){-1, 0, 0};
    if (token.token >= 0)
        return token;
    for (size_t at = begin; at < in.length;) {
        int32_t i = -1;
        size_t length = 0;
        if (trie->root[(uint8_t)in.data[at]])
            length = weft_trie_longest(trie, in.data + at, in.length - at, &i);
        if (length == 0) {
            at++;
            continue;
        }
        const weft_added_token *t = &a->list[i];
        if ((literal && t->special) || (t->single_word && (word_before(in, at) || word_behind(in, at + length)))) {
            at += length;
            continue;
        }
        size_t from = t->lstrip ? spaces_before(in, begin, at) : at;
        size_t end = t->rstrip ? spaces_behind(in, at + length) : at + length;
        token = (weft_section){i, from, end};
        if (from == begin)
            return token;
        *found = token;
        return (weft_section){-1, begin, from};
    }
    return (weft_section){-1, begin, in.length};
}
