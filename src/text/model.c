/* What all token models share: lists of tokens, working memory, the call that finds the kind. */
#include "text/model.h"

#include <stdio.h>
#include <stdlib.h>

void weft_tokens_free(weft_tokens *t)
{
    free(t->ids);
    free(t->ranges);
    *t = (weft_tokens){0};
}

bool weft_tokens_reserve(weft_tokens *t, size_t more)
{
    if (t->failed)
        return false;
    if (t->count + more <= t->capacity && (!t->traced || t->ranges))
        return true;
    size_t capacity = t->capacity + t->capacity / 2 + more + 64;
    int64_t *ids = realloc(t->ids, capacity * sizeof *ids);
    if (ids)
        t->ids = ids;
    weft_range *ranges = ids && t->traced ? realloc(t->ranges, capacity * sizeof *ranges) : NULL;
    if (ranges)
        t->ranges = ranges;
    if (!ids || (t->traced && !ranges)) {
        t->failed = true;
        return false;
    }
    if (!t->traced) { /* they would be fewer than the ids */
        free(t->ranges);
        t->ranges = NULL;
    }
    t->capacity = capacity;
    return true;
}

void weft_token_model_free(weft_token_model *m)
{
    weft_vocabulary_free(&m->vocabulary);
    if (m->kind == WEFT_MODEL_BPE) {
        free(m->bpe.merges);
        free(m->bpe.letters);
        free(m->bpe.prefix);
        free(m->bpe.suffix);
        weft_bpe_neighbours_free(m->bpe.neighbours);
    } else if (m->kind == WEFT_MODEL_UNIGRAM) {
        weft_trie_free(&m->unigram.pieces);
        free(m->unigram.scores);
    } else if (m->kind == WEFT_MODEL_WORD_PIECE) {
        weft_trie_free(&m->word_piece.first);
        weft_trie_free(&m->word_piece.rest);
    }
    memset(m, 0, sizeof *m);
}

void weft_model_work_free(weft_model_work *w)
{
    free(w->cache);
    free(w->symbols);
    free(w->heap);
    free(w->nodes);
    free(w->path);
    *w = (weft_model_work){0};
}

void *weft_work_room(void *items, size_t *room, size_t count, size_t size)
{
    if (count <= *room && items)
        return items;
    size_t most = count + count / 2 + 64;
    void *larger = realloc(items, most * size);
    if (larger)
        *room = most;
    return larger;
}

void weft_find_byte_tokens(const weft_vocabulary *v, int32_t fallback[256])
{
    for (int b = 0; b < 256; b++) {
        char name[8];
        int length = snprintf(name, sizeof name, "<0x%02X>", (unsigned)b);
        fallback[b] = weft_vocabulary_find(v, name, (size_t)length);
    }
}

weft_status weft_model_encode(const weft_token_model *m, weft_model_work *work, weft_span piece, weft_tokens *out)
{
    int32_t id;
    switch (m->kind) {
    case WEFT_MODEL_BPE:
        return weft_bpe_encode(m, work, piece, out);
    case WEFT_MODEL_UNIGRAM:
        return weft_unigram_encode(m, work, piece, out);
    case WEFT_MODEL_WORD_PIECE:
        return weft_word_piece_encode(m, piece, out);
    case WEFT_MODEL_WORD_LEVEL:
        id = weft_vocabulary_find(&m->vocabulary, piece.data, piece.length);
        if (id < 0)
            id = m->unknown;
        if (id < 0)
            return weft_fail(WEFT_ERROR_FORMAT, "the vocabulary lacks \"%.*s\", and a token for unknown words",
                             (int)(piece.length < 80 ? piece.length : 80), piece.data);
        weft_tokens_add(out, id, piece, 0, piece.length);
        return WEFT_OK;
    }
    return WEFT_OK;
}
