/* WordPiece: the longest token that a word begins with, then the longest that the rest begins with, and so on; a word that
 * cannot be cut so is unknown as a whole. */
#include "text/model.h"

#include <stdlib.h>

#include "base/utf8.h"

weft_status weft_word_piece_finish(weft_token_model *m, const char *prefix)
{
    const weft_vocabulary *v = &m->vocabulary;
    size_t prefix_length = strlen(prefix), first = 0, rest = 0;
    weft_trie_key *keys = malloc((2 * (size_t)v->count + 1) * sizeof *keys), *rest_keys = keys ? keys + v->count : NULL;
    if (!keys)
        return weft_fail(WEFT_ERROR_MEMORY, "memory is short for a vocabulary of %d tokens", v->count);
    for (int32_t id = 0; id < v->count; id++) {
        size_t length;
        const char *token = weft_vocabulary_token(v, id, &length);
        if (!token || length == 0)
            continue;
        keys[first++] = (weft_trie_key){token, (uint32_t)length, id};
        if (length > prefix_length && memcmp(token, prefix, prefix_length) == 0)
            rest_keys[rest++] = (weft_trie_key){token + prefix_length, (uint32_t)(length - prefix_length), id};
    }
    weft_status status = weft_trie_new(keys, first, &m->word_piece.first);
    if (status == WEFT_OK)
        status = weft_trie_new(rest_keys, rest, &m->word_piece.rest);
    free(keys);
    return status;
}

static int64_t characters(const char *text, size_t length)
{
    int64_t count = 0;
    for (size_t i = 0; i < length; i++)
        count += ((unsigned char)text[i] & 0xC0) != 0x80;
    return count;
}

weft_status weft_word_piece_encode(const weft_token_model *m, weft_span piece, weft_tokens *out)
{
    const weft_word_piece *w = &m->word_piece;
    size_t before = out->count, at = 0;
    bool known = characters(piece.data, piece.length) <= w->longest_word;
    while (known && at < piece.length) {
        int32_t id = -1;
        size_t taken = weft_trie_longest(at ? &w->rest : &w->first, piece.data + at, piece.length - at, &id);
        if (taken)
            weft_tokens_add(out, id, piece, at, at + taken);
        known = taken > 0;
        at += taken;
    }
    if (!known && w->unknown < 0)
        return weft_fail(WEFT_ERROR_FORMAT, "the vocabulary lacks \"%.*s\", and a token for unknown words",
                         (int)(piece.length < 80 ? piece.length : 80), piece.data);
    if (!known) {
        out->count = before;
        weft_tokens_add(out, w->unknown, piece, 0, piece.length);
    }
    return WEFT_OK;
}
