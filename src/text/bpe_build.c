/* Making the tables of byte pairs: merges, the symbols that characters and bytes begin as, and where pieces may be cut. */
#include "text/model.h"

#include <stdlib.h>

#include "base/utf8.h"
#include "text/normalizer.h"

#define LONGEST_SCORED 4096 /* bytes of a piece whose halves are looked for: bounds the time for a hostile file */

static uint32_t power_above(size_t count)
{
    uint32_t slots = 64;
    while (slots < 2 * count)
        slots *= 2;
    return slots;
}

/* ---- letters ---- */

typedef struct letter_list {
    struct weft_bpe_letter *list;
    size_t count, room;
} letter_list;

static bool keep_letter(letter_list *l, uint32_t code, int32_t symbol)
{
    struct weft_bpe_letter *list = weft_work_room(l->list, &l->room, l->count + 1, sizeof *list);
    if (!list)
        return false;
    l->list = list;
    list[l->count++] = (struct weft_bpe_letter){code, symbol};
    return true;
}

/* The code point of a token that is one character; 0 when it is not. */
static uint32_t single_letter(const char *token, size_t length)
{
    if (length == 0 || length > 4)
        return 0;
    weft_utf8 c = weft_utf8_at(token, token + length);
    return c.valid && c.length == length ? c.code : 0;
}

/* `more`: characters that are no tokens, by their number above the ids of tokens; NULL: none. */
static weft_status set_letters(weft_bpe *bpe, const weft_vocabulary *v, const weft_vocabulary *more)
{
    letter_list all = {0};
    bool fits = true;
    for (int c = 0; c < 128; c++)
        bpe->ascii[c] = -1;
    for (int32_t id = 0; id < v->count && fits; id++) {
        size_t length;
        const char *token = weft_vocabulary_token(v, id, &length);
        uint32_t code = token ? single_letter(token, length) : 0;
        if (code && weft_vocabulary_find(v, token, length) == id)
            fits = keep_letter(&all, code, id);
    }
    bpe->ascii[0] = weft_vocabulary_find(v, "", 1);
    for (int32_t i = 0; more && i < more->count && fits; i++) {
        const char *letter = weft_vocabulary_token(more, i, NULL);
        fits = keep_letter(&all, weft_utf8_next(&letter), v->count + i);
    }
    uint32_t slots = power_above(all.count);
    bpe->letters = fits ? calloc(slots, sizeof *bpe->letters) : NULL;
    bpe->letter_mask = slots - 1;
    for (size_t i = 0; bpe->letters && i < all.count; i++) {
        uint32_t code = all.list[i].code, slot = (code * 0x9E3779B1u) & bpe->letter_mask;
        if (code < 128) {
            bpe->ascii[code] = all.list[i].symbol;
            continue;
        }
        while (bpe->letters[slot].code)
            slot = (slot + 1) & bpe->letter_mask;
        bpe->letters[slot] = all.list[i];
    }
    free(all.list);
    return bpe->letters ? WEFT_OK : weft_fail(WEFT_ERROR_MEMORY, "memory is short for a vocabulary of %d tokens", v->count);
}

/* ---- merges ---- */

static weft_status set_merges(weft_bpe *bpe, const weft_merge *merges, size_t count)
{
    uint32_t slots = power_above(count);
    bpe->merges = malloc((size_t)slots * sizeof *bpe->merges);
    if (!bpe->merges)
        return weft_fail(WEFT_ERROR_MEMORY, "memory is short for %zu merges", count);
    bpe->mask = slots - 1;
    for (uint32_t i = 0; i < slots; i++)
        bpe->merges[i].result = -1;
    for (size_t i = 0; i < count; i++) {
        uint64_t key = (uint64_t)(uint32_t)merges[i].left << 32 | (uint32_t)merges[i].right;
        uint64_t slot = (key * 0x9E3779B97F4A7C15u >> 32) & bpe->mask;
        while (bpe->merges[slot].result >= 0 &&
               (bpe->merges[slot].left != merges[i].left || bpe->merges[slot].right != merges[i].right))
            slot = (slot + 1) & bpe->mask;
        bpe->merges[slot] = merges[i]; /* a pair that is listed twice has its last rank, as in a dictionary */
    }
    return WEFT_OK;
}

static weft_status finish(weft_token_model *m, const weft_merge *merges, size_t count, const weft_vocabulary *more)
{
    weft_bpe *bpe = &m->bpe;
    bpe->token_count = m->vocabulary.count;
    bpe->symbols = bpe->token_count + (more ? more->count : 0);
    weft_find_byte_tokens(&m->vocabulary, bpe->fallback);
    for (int b = 0; b < 256; b++) {
        char letter[4];
        bpe->bytes[b] = weft_vocabulary_find(&m->vocabulary, letter, weft_utf8_put(weft_byte_letter((uint8_t)b), letter));
    }
    weft_status status = set_letters(bpe, &m->vocabulary, more);
    if (status == WEFT_OK)
        status = set_merges(bpe, merges, count);
    if (status == WEFT_OK && !bpe->prefix && !bpe->suffix && !bpe->whole_pieces && !bpe->reads_bytes)
        status = weft_bpe_find_neighbours(m, merges, count);
    return status;
}

weft_status weft_bpe_finish(weft_token_model *m, const weft_merge *merges, size_t count, bool letters_are_bytes)
{
    m->bpe.reads_bytes = letters_are_bytes;
    return finish(m, merges, count, NULL);
}

/* ---- merges from scores ---- */

typedef struct score_list {
    weft_merge *merges;
    size_t count, room;
    weft_vocabulary letters; /* characters that are only part of tokens */
} score_list;

static int by_score(const void *a, const void *b, void *scores)
{
    float x = ((const float *)scores)[*(const int32_t *)a], y = ((const float *)scores)[*(const int32_t *)b];
    return x != y ? (x < y) - (x > y) : (*(const int32_t *)a > *(const int32_t *)b) - (*(const int32_t *)a < *(const int32_t *)b);
}

/* The symbol of part of a token: a token that takes part, or a character by itself; -1 when it is neither; -2: no memory. */
static int32_t part_symbol(const weft_token_model *m, const bool *joins, score_list *l, const char *text, size_t length)
{
    int32_t id = weft_vocabulary_find(&m->vocabulary, text, length);
    if (id >= 0 && joins[id])
        return id;
    uint32_t code = id < 0 ? single_letter(text, length) : 0;
    if (!code)
        return -1;
    int32_t letter = weft_vocabulary_find(&l->letters, text, length);
    if (letter < 0) {
        letter = l->letters.count;
        if (weft_vocabulary_add(&l->letters, text, length, letter) != WEFT_OK)
            return -2;
    }
    return m->vocabulary.count + letter;
}

/* Every way to put a token together from two parts. */
static bool add_halves(const weft_token_model *m, const bool *joins, score_list *l, int32_t id, uint32_t rank)
{
    size_t length;
    const char *token = weft_vocabulary_token(&m->vocabulary, id, &length);
    for (size_t at = weft_utf8_at(token, token + length).length; at < length;
         at += weft_utf8_at(token + at, token + length).length) {
        int32_t left = part_symbol(m, joins, l, token, at);
        int32_t right = left < 0 ? left : part_symbol(m, joins, l, token + at, length - at);
        if (left == -2 || right == -2)
            return false;
        if (left < 0 || right < 0)
            continue;
        weft_merge *merges = weft_work_room(l->merges, &l->room, l->count + 1, sizeof *merges);
        if (!merges)
            return false;
        l->merges = merges;
        merges[l->count++] = (weft_merge){left, right, id, rank};
    }
    return true;
}

weft_status weft_bpe_finish_scores(weft_token_model *m, const float *scores, const bool *joins)
{
    const weft_vocabulary *v = &m->vocabulary;
    int32_t *order = malloc(((size_t)v->count + 1) * sizeof *order), count = 0;
    score_list l = {0};
    bool fits = order != NULL;
    weft_status status = WEFT_OK;
    for (int32_t id = 0; fits && id < v->count; id++) {
        size_t length;
        const char *token = joins[id] ? weft_vocabulary_token(v, id, &length) : NULL;
        if (token && length > LONGEST_SCORED)
            status = weft_fail(WEFT_ERROR_FORMAT, "piece %d has %zu bytes; at most %d are read", id, length, LONGEST_SCORED);
        if (token && length > 0 && weft_vocabulary_find(v, token, length) == id)
            order[count++] = id;
    }
    if (status == WEFT_OK && fits)
        qsort_r(order, (size_t)count, sizeof *order, by_score, (void *)(uintptr_t)scores);
    uint32_t rank = 0;
    for (int32_t i = 0; status == WEFT_OK && fits && i < count; i++) {
        rank += i > 0 && scores[order[i]] < scores[order[i - 1]];
        fits = add_halves(m, joins, &l, order[i], rank);
    }
    free(order);
    if (status == WEFT_OK)
        status = fits ? finish(m, l.merges, l.count, &l.letters) : weft_fail(WEFT_ERROR_MEMORY, "memory is short for the merges");
    free(l.merges);
    weft_vocabulary_free(&l.letters);
    return status;
}
