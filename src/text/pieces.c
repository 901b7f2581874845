/* SentencePiece's behaviour, told in normalizers, a model and decoders. */
#include "text/pieces.h"

#include <math.h>
#include <stdlib.h>

#include "base/utf8.h"

#define MARK "\xE2\x96\x81" /* ▁ */

weft_status weft_piece_add(weft_piece_list *l, weft_piece piece)
{
    if (l->count == l->room) {
        size_t room = 2 * l->room + 1024;
        weft_piece *pieces = realloc(l->pieces, room * sizeof *pieces);
        if (!pieces)
            return weft_fail(WEFT_ERROR_MEMORY, "memory is short for %zu pieces", l->count);
        l->pieces = pieces;
        l->room = room;
    }
    l->pieces[l->count++] = piece;
    return WEFT_OK;
}

static weft_status add_pieces(const weft_piece_list *l, weft_tokenizer *t, float *scores, bool *joins)
{
    weft_status status = WEFT_OK;
    for (size_t i = 0; i < l->count && status == WEFT_OK; i++) {
        const weft_piece *p = &l->pieces[i];
        if (p->length == 0 || memchr(p->text, 0, p->length) || !weft_utf8_is_valid(p->text, p->length))
            return weft_fail(WEFT_ERROR_FORMAT, "piece %zu is empty or not UTF-8", i);
        if (!isfinite(p->score) || p->type < WEFT_PIECE_NORMAL || p->type > WEFT_PIECE_BYTE)
            return weft_fail(WEFT_ERROR_FORMAT, "piece %zu, \"%.*s\": score %g, type %d", i,
                             (int)(p->length < 60 ? p->length : 60), p->text, (double)p->score, (int)p->type);
        if (weft_vocabulary_find(&t->model.vocabulary, p->text, p->length) >= 0)
            return weft_fail(WEFT_ERROR_FORMAT, "piece %zu, \"%.*s\", is there twice", i, (int)(p->length < 60 ? p->length : 60),
                             p->text);
        scores[i] = p->score;
        joins[i] = p->type == WEFT_PIECE_NORMAL;
        bool special = p->type == WEFT_PIECE_CONTROL || p->type == WEFT_PIECE_UNKNOWN;
        status = weft_vocabulary_add(&t->model.vocabulary, p->text, p->length, (int64_t)i);
        if (status == WEFT_OK && special)
            status = weft_added_put(&t->added, p->text, p->length, (weft_added_token){.id = (int32_t)i, .special = true});
        if (status == WEFT_OK && p->type == WEFT_PIECE_USER_DEFINED) /* looked for behind the dummy prefix */
            status = weft_added_put(&t->added, p->text, p->length,
                                    (weft_added_token){.id = (int32_t)i, .normalized = true, .spelled = true});
    }
    return status;
}

static weft_status set_model(const weft_piece_list *l, weft_tokenizer *t, const float *scores, const bool *joins)
{
    weft_token_model *m = &t->model;
    if (!l->unigram) {
        m->bpe.unknown = (int32_t)l->unknown;
        m->bpe.fuse_unknown = true;
        m->bpe.byte_fallback = l->byte_fallback;
        return weft_bpe_finish_scores(m, scores, joins);
    }
    m->unigram.unknown = (int32_t)l->unknown;
    m->unigram.byte_fallback = l->byte_fallback;
    m->unigram.float_sums = true;
    m->unigram.scores = malloc(l->count * sizeof *m->unigram.scores);
    if (!m->unigram.scores)
        return weft_fail(WEFT_ERROR_MEMORY, "memory is short for %zu pieces", l->count);
    for (size_t i = 0; i < l->count; i++)
        m->unigram.scores[i] = (double)scores[i];
    return weft_unigram_finish(m, joins);
}

static weft_status replace_spaces(weft_normalizer *sequence, const char *pattern, const char *content)
{
    weft_status status = weft_normalizer_replace(sequence, "", content);
    return status == WEFT_OK ? weft_regex_new(pattern, strlen(pattern), &sequence->steps[sequence->step_count - 1].regex)
                             : status;
}

static weft_status set_normalizer(const weft_piece_list *l, weft_normalizer *out)
{
    weft_status status = WEFT_OK;
    if (l->charsmap) {
        weft_normalizer *map = weft_normalizer_step(out);
        if (!map)
            return weft_fail(WEFT_ERROR_MEMORY, "memory is short");
        map->kind = WEFT_NORMALIZER_PRECOMPILED;
        map->longest = true;
        status = weft_charsmap_read(l->charsmap, l->charsmap_size, &map->map);
    }
    if (status == WEFT_OK && l->remove_extra_spaces)
        status = replace_spaces(out, "\\A +| +\\z", "");
    if (status == WEFT_OK && l->remove_extra_spaces)
        status = replace_spaces(out, " {2,}", " ");
    if (status == WEFT_OK && l->add_dummy_prefix)
        status = weft_normalizer_prepend(out, l->escape_spaces ? MARK : " ");
    if (status == WEFT_OK && l->escape_spaces)
        status = weft_normalizer_replace(out, " ", MARK);
    return status;
}

static weft_status set_decoder(const weft_piece_list *l, weft_decoder_step *out)
{
    weft_status status = weft_decoder_replace(out, MARK, " ");
    for (int i = 0; i < 3 && status == WEFT_OK; i++) {
        static const weft_decoder_kind kinds[] = {WEFT_DECODER_BYTE_FALLBACK, WEFT_DECODER_FUSE, WEFT_DECODER_STRIP};
        weft_decoder_step *step = i < 2 || l->add_dummy_prefix ? weft_decoder_step_new(out) : NULL;
        if (!step && i == 2 && !l->add_dummy_prefix)
            break;
        if (!step)
            return weft_fail(WEFT_ERROR_MEMORY, "memory is short");
        step->kind = kinds[i];
        if (kinds[i] == WEFT_DECODER_STRIP) {
            step->text = weft_copy_text(" ", 1);
            step->length = step->text ? 1 : 0;
            step->start = 1;
        }
    }
    return status;
}

static weft_status set_templates(const weft_piece_list *l, weft_processor *out)
{
    bool bos = l->add_bos && l->bos >= 0, eos = l->add_eos && l->eos >= 0;
    static const char *const single[] = {"A", "C A", "A S", "C A S"}, *const pair[] = {"A B1", "C A C1 B1", "A S B1 S1",
                                                                                       "C A S C1 B1 S1"};
    int row = bos + 2 * eos;
    if (row == 0)
        return WEFT_OK;
    weft_status status = weft_template_spell(&out->single, single[row], (int32_t)l->bos, (int32_t)l->eos);
    return status == WEFT_OK ? weft_template_spell(&out->pair, pair[row], (int32_t)l->bos, (int32_t)l->eos) : status;
}

static weft_status build(const weft_piece_list *l, weft_tokenizer *t, float *scores, bool *joins)
{
    const int64_t ids[] = {l->unknown, l->bos, l->eos, l->pad};
    static const weft_special_token kinds[] = {WEFT_TOKEN_UNK, WEFT_TOKEN_BOS, WEFT_TOKEN_EOS, WEFT_TOKEN_PAD};
    for (int i = 0; i < 4; i++) {
        if (ids[i] >= (int64_t)l->count)
            return weft_fail(WEFT_ERROR_FORMAT, "special id %lld, but there are %zu pieces", (long long)ids[i], l->count);
        t->special[kinds[i]] = ids[i];
    }
    t->model.kind = l->unigram ? WEFT_MODEL_UNIGRAM : WEFT_MODEL_BPE;
    weft_status status = add_pieces(l, t, scores, joins);
    if (status == WEFT_OK)
        status = set_model(l, t, scores, joins);
    if (status == WEFT_OK)
        status = set_normalizer(l, &t->normalizer);
    if (status == WEFT_OK)
        status = set_decoder(l, &t->decoder);
    if (status == WEFT_OK)
        status = set_templates(l, &t->processor);
    return status == WEFT_OK ? weft_tokenizer_finish(t) : status;
}

weft_status weft_tokenizer_from_pieces(const weft_piece_list *l, const char *name, weft_tokenizer *t)
{
    if (l->count == 0)
        return weft_fail(WEFT_ERROR_FORMAT, "%s: holds no pieces", name);
    float *scores = malloc(l->count * sizeof *scores);
    bool *joins = malloc(l->count * sizeof *joins);
    weft_status status = scores && joins ? build(l, t, scores, joins) : weft_fail(WEFT_ERROR_MEMORY, "memory is short");
    free(scores);
    free(joins);
    return status == WEFT_OK ? WEFT_OK : weft_fail_in(status, "%s", name);
}
