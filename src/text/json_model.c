/* "model" of tokenizer.json. */
#include "text/json_parts.h"

#include <math.h>
#include <stdlib.h>

static const char what[] = "model";

static const char *const names[] = {"BPE", "Unigram", "WordPiece", "WordLevel", NULL};

static weft_status read_vocabulary(weft_json_value part, weft_vocabulary *out)
{
    weft_json_value vocab = weft_json_get(part, "vocab"), value;
    if (weft_json_kind_of(vocab) != WEFT_JSON_OBJECT)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: \"vocab\" must be an object of token and id", what);
    weft_status status = WEFT_OK;
    for (int64_t i = 0; i < weft_json_size(vocab) && status == WEFT_OK; i++) {
        const char *token = weft_json_key(vocab, i, &value);
        if (weft_json_kind_of(value) != WEFT_JSON_INTEGER)
            return weft_fail(WEFT_ERROR_FORMAT, "%s: the id of token \"%.80s\" is no whole number", what, token);
        status = weft_vocabulary_add(out, token, strlen(token), weft_json_integer(value, -1));
        if (status != WEFT_OK)
            status = weft_fail_in(status, "%s", what);
    }
    return status;
}

/* The id of the token named under "unk_token"; -1 when there is none. */
static weft_status read_unknown(weft_json_value part, const weft_vocabulary *v, const char *otherwise, int32_t *out)
{
    const char *token = otherwise;
    weft_status status = weft_json_take_string(part, what, "unk_token", &token);
    *out = status == WEFT_OK && token ? weft_vocabulary_find(v, token, strlen(token)) : -1;
    if (status == WEFT_OK && token && *token && *out < 0)
        weft_log(WEFT_LOG_WARNING, "tokenizer: unk_token \"%.80s\" is not in the vocabulary", token);
    return status;
}

/* ---- BPE ---- */

weft_status weft_merge_of(const weft_token_model *m, const char *left, size_t left_length, const char *right, size_t right_length,
                          const char *name, int64_t line, uint32_t rank, weft_merge *out)
{
    const char *sides[] = {left, right};
    size_t lengths[] = {left_length, right_length};
    int32_t ids[2];
    for (int i = 0; i < 2; i++) {
        ids[i] = weft_vocabulary_find(&m->vocabulary, sides[i], lengths[i]);
        if (ids[i] < 0)
            return weft_fail(WEFT_ERROR_FORMAT, "%s: merge %lld: \"%.*s\" is not in the vocabulary", name, (long long)line,
                             (int)(lengths[i] < 80 ? lengths[i] : 80), sides[i]);
    }
    size_t drop = m->bpe.prefix ? strlen(m->bpe.prefix) : 0;
    drop = drop && right_length >= drop && memcmp(right, m->bpe.prefix, drop) == 0 ? drop : 0;
    char buffer[512], *joined = buffer;
    size_t length = left_length + right_length - drop;
    if (length > sizeof buffer && (joined = malloc(length)) == NULL)
        return weft_fail(WEFT_ERROR_MEMORY, "memory is short");
    memcpy(joined, left, left_length);
    memcpy(joined + left_length, right + drop, right_length - drop);
    int32_t result = weft_vocabulary_find(&m->vocabulary, joined, length);
    weft_status status = WEFT_OK;
    if (result < 0)
        status = weft_fail(WEFT_ERROR_FORMAT, "%s: merge %lld makes \"%.*s\", which is not in the vocabulary", name,
                           (long long)line, (int)(length < 80 ? length : 80), joined);
    if (joined != buffer)
        free(joined);
    *out = (weft_merge){ids[0], ids[1], result, rank};
    return status;
}

static weft_status read_merge(const weft_token_model *m, weft_json_value item, int64_t i, weft_merge *out)
{
    const char *left = weft_json_string(item, NULL), *right = NULL;
    size_t left_length = 0;
    if (left) {
        right = strchr(left, ' ');
        left_length = right ? (size_t)(right - left) : 0;
        right = right && !strchr(right + 1, ' ') ? right + 1 : NULL;
    } else if (weft_json_size(item) == 2) {
        left = weft_json_string(weft_json_item(item, 0), NULL);
        right = left ? weft_json_string(weft_json_item(item, 1), NULL) : NULL;
        left_length = left ? strlen(left) : 0;
    }
    if (!right)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: merge %lld must be two tokens: \"a b\" or [\"a\", \"b\"]", what,
                         (long long)i + 1);
    return weft_merge_of(m, left, left_length, right, strlen(right), what, i + 1, (uint32_t)i, out);
}

/* An affix of tokens; an empty one is none. */
static weft_status read_affix(weft_json_value part, const char *key, char **out)
{
    const char *text = NULL;
    weft_status status = weft_json_take_string(part, what, key, &text);
    if (status != WEFT_OK || !text || !*text)
        return status;
    *out = weft_copy_text(text, strlen(text));
    return *out ? WEFT_OK : weft_fail(WEFT_ERROR_MEMORY, "memory is short");
}

static weft_status read_bpe(weft_json_value part, weft_tokenizer *t)
{
    weft_token_model *m = &t->model;
    weft_bpe *bpe = &m->bpe;
    weft_json_value list = weft_json_get(part, "merges");
    int64_t count = weft_json_size(list);
    weft_status status = read_vocabulary(part, &m->vocabulary);
    if (status == WEFT_OK && weft_json_kind_of(list) != WEFT_JSON_LIST)
        status = weft_fail(WEFT_ERROR_FORMAT, "%s: \"merges\" must be a list", what);
    if (status == WEFT_OK)
        status = read_unknown(part, &m->vocabulary, NULL, &bpe->unknown);
    if (status == WEFT_OK)
        status = read_affix(part, "continuing_subword_prefix", &bpe->prefix);
    if (status == WEFT_OK)
        status = read_affix(part, "end_of_word_suffix", &bpe->suffix);
    if (status == WEFT_OK)
        status = weft_json_take_bool(part, what, "fuse_unk", &bpe->fuse_unknown);
    if (status == WEFT_OK)
        status = weft_json_take_bool(part, what, "byte_fallback", &bpe->byte_fallback);
    if (status == WEFT_OK)
        status = weft_json_take_bool(part, what, "ignore_merges", &bpe->whole_pieces);
    if (status != WEFT_OK)
        return status;
    weft_merge *merges = malloc(((size_t)count + 1) * sizeof *merges);
    if (!merges)
        return weft_fail(WEFT_ERROR_MEMORY, "memory is short for %lld merges", (long long)count);
    for (int64_t i = 0; i < count && status == WEFT_OK; i++)
        status = read_merge(m, weft_json_item(list, i), i, &merges[i]);
    if (status == WEFT_OK) {
        bool bytes = !bpe->prefix && !bpe->suffix && !bpe->byte_fallback && weft_tokenizer_reads_bytes(t);
        status = weft_bpe_finish(m, merges, (size_t)count, bytes);
    }
    free(merges);
    return status;
}

/* ---- the others ---- */

static weft_status read_unigram(weft_json_value part, weft_tokenizer *t)
{
    weft_token_model *m = &t->model;
    weft_unigram *u = &m->unigram;
    weft_json_value list = weft_json_get(part, "vocab");
    int64_t count = weft_json_size(list), unknown = -1;
    if (weft_json_kind_of(list) != WEFT_JSON_LIST || count == 0 || count > WEFT_MOST_TOKENS)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: \"vocab\" of a Unigram must be a list of [piece, score], 1 to %d of them", what,
                         WEFT_MOST_TOKENS);
    u->scores = malloc((size_t)count * sizeof *u->scores);
    weft_status status = u->scores ? WEFT_OK : weft_fail(WEFT_ERROR_MEMORY, "memory is short");
    for (int64_t i = 0; i < count && status == WEFT_OK; i++) {
        weft_json_value item = weft_json_item(list, i);
        size_t length;
        const char *piece = weft_json_bytes(weft_json_item(item, 0), &length);
        u->scores[i] = weft_json_number(weft_json_item(item, 1), NAN);
        if (!piece || !isfinite(u->scores[i]))
            return weft_fail(WEFT_ERROR_FORMAT, "%s: entry %lld of \"vocab\" is not [piece, score]", what, (long long)i);
        status = weft_vocabulary_add(&m->vocabulary, piece, length, i);
    }
    if (status == WEFT_OK)
        status = weft_json_take_integer(part, what, "unk_id", 0, count - 1, &unknown);
    if (status == WEFT_OK)
        status = weft_json_take_bool(part, what, "byte_fallback", &u->byte_fallback);
    u->unknown = (int32_t)unknown;
    return status == WEFT_OK ? weft_unigram_finish(m, NULL) : status;
}

static weft_status read_word_piece(weft_json_value part, weft_tokenizer *t)
{
    weft_token_model *m = &t->model;
    const char *prefix = "##";
    m->word_piece.longest_word = 100;
    weft_status status = read_vocabulary(part, &m->vocabulary);
    if (status == WEFT_OK)
        status = read_unknown(part, &m->vocabulary, "[UNK]", &m->word_piece.unknown);
    if (status == WEFT_OK)
        status = weft_json_take_string(part, what, "continuing_subword_prefix", &prefix);
    if (status == WEFT_OK)
        status = weft_json_take_integer(part, what, "max_input_chars_per_word", 0, INT32_MAX, &m->word_piece.longest_word);
    return status == WEFT_OK ? weft_word_piece_finish(m, prefix) : status;
}

static weft_status read_word_level(weft_json_value part, weft_tokenizer *t)
{
    weft_status status = read_vocabulary(part, &t->model.vocabulary);
    return status == WEFT_OK ? read_unknown(part, &t->model.vocabulary, "<unk>", &t->model.unknown) : status;
}

weft_status weft_json_model(weft_json_value part, weft_tokenizer *t)
{
    static weft_status (*const readers[])(weft_json_value, weft_tokenizer *) = {read_bpe, read_unigram, read_word_piece,
                                                                                read_word_level};
    int row = 0;
    weft_status status = WEFT_OK;
    if (weft_json_kind_of(part) == WEFT_JSON_OBJECT && !weft_json_present(weft_json_get(part, "type"))) {
        /* files of the first versions have no type: their keys tell it */
        row = weft_json_present(weft_json_get(part, "merges"))                      ? 0
              : weft_json_kind_of(weft_json_get(part, "vocab")) == WEFT_JSON_LIST   ? 1
              : weft_json_present(weft_json_get(part, "continuing_subword_prefix")) ? 2
                                                                                    : 3;
    } else {
        status = weft_part_type(part, what, names, &row);
    }
    if (status != WEFT_OK)
        return status;
    t->model.kind = (weft_model_kind)row;
    return readers[row](part, t);
}
