/* Unigram (Kudo, arXiv 1804.10959): the way through a text whose pieces have the largest sum of log-probabilities, found by
 * Viterbi's algorithm over byte positions. A character that no piece begins at by itself costs the lowest score less 10;
 * unknown characters that follow each other are one token. */
#include "text/model.h"

#include <stdlib.h>

#include "base/utf8.h"

typedef struct weft_lattice_node {
    double score;  /* of the best way here */
    uint32_t from; /* where its last token begins; UINT32_MAX: no way ends here */
    int32_t id;
} lattice_node;

#define UNKNOWN_PENALTY 10.0

/* A sum of scores. Of ways that are equally good, such as o oo and oo o, rounding chooses. */
static double kept(const weft_unigram *u, double score)
{
    return u->float_sums ? (double)(float)score : score;
}

weft_status weft_unigram_finish(weft_token_model *m, const bool *joins)
{
    weft_unigram *u = &m->unigram;
    const weft_vocabulary *v = &m->vocabulary;
    weft_trie_key *keys = malloc(((size_t)v->count + 1) * sizeof *keys);
    size_t count = 0;
    double least = 0;
    for (int32_t id = 0; keys && id < v->count; id++) {
        size_t length;
        const char *token = weft_vocabulary_token(v, id, &length);
        if (!token || (joins && !joins[id]))
            continue;
        least = count == 0 || u->scores[id] < least ? u->scores[id] : least;
        keys[count++] = (weft_trie_key){token, (uint32_t)length, id};
    }
    if (!keys)
        return weft_fail(WEFT_ERROR_MEMORY, "memory is short for a vocabulary of %d tokens", v->count);
    u->unknown_score = kept(u, least - UNKNOWN_PENALTY);
    weft_find_byte_tokens(v, u->fallback);
    weft_status status = weft_trie_new(keys, count, &u->pieces);
    free(keys);
    return status;
}

/* Fills nodes[0 … piece.length]. */
static void best_ways(const weft_unigram *u, weft_span piece, lattice_node *nodes)
{
    for (size_t i = 1; i <= piece.length; i++)
        nodes[i].from = UINT32_MAX;
    nodes[0] = (lattice_node){0, 0, -1};
    for (size_t at = 0, width; at < piece.length; at += width) {
        double here = nodes[at].score;
        bool single = false;
        uint32_t node = 0;
        width = weft_utf8_at(piece.data + at, piece.data + piece.length).length;
        for (size_t end = at; end < piece.length; end++) {
            node = weft_trie_step(&u->pieces, node, (uint8_t)piece.data[end]);
            if (!node)
                break;
            int32_t id = u->pieces.nodes[node].value;
            if (id < 0)
                continue;
            lattice_node *target = &nodes[end + 1];
            double score = kept(u, here + u->scores[id]);
            if (target->from == UINT32_MAX || score > target->score)
                *target = (lattice_node){score, (uint32_t)at, id};
            single |= end + 1 - at == width;
        }
        lattice_node *target = &nodes[at + width];
        double score = kept(u, here + u->unknown_score);
        if (!single && (target->from == UINT32_MAX || score > target->score))
            *target = (lattice_node){score, (uint32_t)at, -1};
    }
}

static void add_unknown(const weft_unigram *u, weft_span piece, size_t begin, size_t end, weft_tokens *out)
{
    bool bytes = u->byte_fallback;
    for (size_t i = begin; i < end; i++)
        bytes = bytes && u->fallback[(uint8_t)piece.data[i]] >= 0;
    for (size_t i = begin; bytes && i < end; i++)
        weft_tokens_add(out, u->fallback[(uint8_t)piece.data[i]], piece, i, i + 1);
    if (!bytes && u->unknown >= 0)
        weft_tokens_add(out, u->unknown, piece, begin, end);
}

weft_status weft_unigram_encode(const weft_token_model *m, weft_model_work *w, weft_span piece, weft_tokens *out)
{
    const weft_unigram *u = &m->unigram;
    lattice_node *nodes = weft_work_room(w->nodes, &w->node_room, piece.length + 1, sizeof *nodes);
    w->nodes = nodes ? nodes : w->nodes;
    uint32_t *path = weft_work_room(w->path, &w->path_room, piece.length + 1, sizeof *path);
    w->path = path ? path : w->path;
    if (!nodes || !path)
        return weft_fail(WEFT_ERROR_MEMORY, "memory is short for a piece of %zu bytes", piece.length);
    best_ways(u, piece, nodes);
    size_t count = 0; /* ends of tokens, from the last one back */
    for (size_t end = piece.length; end > 0; end = nodes[end].from)
        path[count++] = (uint32_t)end;
    for (size_t i = count; i-- > 0;) {
        size_t begin = nodes[path[i]].from, end = path[i];
        int32_t id = nodes[end].id;
        if (id >= 0 && id != u->unknown) {
            weft_tokens_add(out, id, piece, begin, end);
            continue;
        }
        while (i > 0 && (nodes[path[i - 1]].id < 0 || nodes[path[i - 1]].id == u->unknown))
            end = path[--i];
        if (u->unknown < 0 && !u->byte_fallback)
            return weft_fail(WEFT_ERROR_FORMAT, "the text has a character that the vocabulary lacks, and there is no unk_id");
        add_unknown(u, piece, begin, end, out);
    }
    return WEFT_OK;
}
