/* Text to ids: added tokens are cut out, what lies between is normalised, cut and given to the model, and the post-processor puts
 * special tokens around. */
#include "text/tokenizer.h"

#include <stdlib.h>

#include "base/utf8.h"

#define LONGEST_TEXT ((size_t)1 << 30)

struct weft_encoding {
    const weft_tokenizer *tokenizer;
    weft_model_work work;
    weft_regex_match *match;
    weft_spelling normalised[2];
    weft_pieces pieces[2];
    weft_text repaired;
    size_t repairs;
    weft_tokens tokens[2]; /* of the first and second text */
    weft_tokens result;    /* with special tokens */
    int32_t *types;
    size_t type_room;
};

weft_status weft_encoding_new(const weft_tokenizer *t, weft_encoding **out)
{
    weft_encoding *e = *out = calloc(1, sizeof *e);
    weft_status status = e ? weft_regex_match_new(&e->match) : weft_fail(WEFT_ERROR_MEMORY, "memory is short");
    if (status != WEFT_OK) {
        weft_encoding_free(e);
        *out = NULL;
        return status;
    }
    e->tokenizer = t;
    return WEFT_OK;
}

void weft_encoding_free(weft_encoding *e)
{
    if (!e)
        return;
    weft_model_work_free(&e->work);
    weft_regex_match_free(e->match);
    for (int i = 0; i < 2; i++) {
        weft_spelling_free(&e->normalised[i]);
        weft_pieces_free(&e->pieces[i]);
        weft_tokens_free(&e->tokens[i]);
    }
    weft_tokens_free(&e->result);
    weft_text_free(&e->repaired);
    free(e->types);
    free(e);
}

/* Text between added tokens, normalised. */
static weft_status encode_between(weft_encoding *e, weft_span text, bool first, weft_tokens *out)
{
    const weft_tokenizer *t = e->tokenizer;
    if (t->splitter.kind == WEFT_SPLITTER_SEQUENCE && t->splitter.step_count == 0)
        return text.length ? weft_model_encode(&t->model, &e->work, text, out) : WEFT_OK;
    weft_pieces *pieces;
    weft_status status = weft_split(&t->splitter, e->match, text, first, out->traced, e->pieces, &pieces);
    for (size_t i = 0; status == WEFT_OK && i < pieces->count; i++)
        status =
            weft_model_encode(&t->model, &e->work, weft_span_part(pieces->span, pieces->cuts[i].begin, pieces->cuts[i].end), out);
    return status;
}

/* Text between added tokens of the raw text. */
static weft_status encode_raw(weft_encoding *e, weft_span text, bool literal, bool first, weft_tokens *out)
{
    const weft_tokenizer *t = e->tokenizer;
    e->normalised[0].traced = e->normalised[1].traced = out->traced;
    weft_span plain;
    weft_status status = weft_normalize(&t->normalizer, e->match, text, e->normalised, &plain);
    weft_section found = {-1, 0, 0};
    for (size_t at = 0; status == WEFT_OK && at < plain.length;) {
        weft_section s = weft_added_next(&t->added, &t->added.normalized, plain, literal, at, &found);
        if (s.token >= 0)
            weft_tokens_add(out, t->added.list[s.token].id, plain, s.begin, s.end);
        else
            status = encode_between(e, weft_span_part(plain, s.begin, s.end), first && at == 0, out);
        at = s.end;
    }
    return status;
}

static weft_status encode_text(weft_encoding *e, const char *text, size_t length, const weft_encode_options *o, weft_tokens *out)
{
    const weft_tokenizer *t = e->tokenizer;
    out->count = 0;
    out->failed = false;
    out->traced = o->offsets;
    if (o->offsets && !out->ranges)
        out->capacity = 0;
    if (length > LONGEST_TEXT)
        return weft_fail(WEFT_ERROR_ARGUMENT, "a text of %zu bytes; at most %zu are encoded in one call", length, LONGEST_TEXT);
    if (!weft_utf8_is_valid(text, length)) { /* offsets then count in the repaired text */
        e->repaired.length = 0;
        e->repairs += weft_utf8_repair(text, length, &e->repaired);
        if (e->repaired.failed) {
            weft_text_free(&e->repaired);
            return weft_fail(WEFT_ERROR_MEMORY, "memory is short for a text of %zu bytes", length);
        }
        text = e->repaired.data;
        length = e->repaired.length;
    }
    weft_span all = {text, length, NULL, 0};
    weft_section found = {-1, 0, 0};
    weft_status status = WEFT_OK;
    for (size_t at = 0; status == WEFT_OK && at < length;) {
        weft_section s = weft_added_next(&t->added, &t->added.raw, all, o->literal, at, &found);
        if (s.token >= 0)
            weft_tokens_add(out, t->added.list[s.token].id, all, s.begin, s.end);
        else
            status = encode_raw(e, weft_span_part(all, s.begin, s.end), o->literal, at == 0, out);
        at = s.end;
    }
    for (size_t i = 0; o->offsets && t->processor.trim_offsets && i < out->count && !out->failed; i++) {
        weft_range *r = &out->ranges[i];
        while (r->from < r->to && text[r->from] == ' ')
            r->from++;
        while (r->to > r->from && text[r->to - 1] == ' ')
            r->to--;
    }
    if (status == WEFT_OK && out->failed)
        status = weft_fail(WEFT_ERROR_MEMORY, "memory is short for the tokens of %zu bytes", length);
    return status;
}

/* ---- special tokens ---- */

static bool add_part(weft_encoding *e, const weft_template_part *part)
{
    const weft_tokens *tokens = part->sequence < 0 ? NULL : &e->tokens[part->sequence];
    size_t count = tokens ? tokens->count : (size_t)part->id_count, before = e->result.count;
    if (!weft_tokens_reserve(&e->result, count + 1))
        return false;
    int32_t *types = weft_work_room(e->types, &e->type_room, before + count + 1, sizeof *types);
    if (!types)
        return false;
    e->types = types;
    for (size_t i = 0; i < count; i++) {
        e->result.ids[before + i] = tokens ? tokens->ids[i] : part->ids[i];
        if (e->result.traced)
            e->result.ranges[before + i] = tokens ? tokens->ranges[i] : (weft_range){0, 0};
        types[before + i] = part->type;
    }
    e->result.count += count;
    return true;
}

/* Puts the texts' tokens together; without special tokens they follow each other. */
static weft_status assemble(weft_encoding *e, bool pair, const weft_encode_options *o)
{
    const weft_template *t = pair ? &e->tokenizer->processor.pair : &e->tokenizer->processor.single;
    static const weft_template_part sequences[] = {{0, NULL, 0, 0}, {1, NULL, 0, 1}};
    if (o->add_special && pair && t->count == 0 && e->tokenizer->processor.single.count > 0)
        return weft_fail(WEFT_ERROR_UNSUPPORTED, "this tokenizer has no template for two texts");
    bool plain = !o->add_special || t->count == 0, fits = true;
    e->result.count = 0;
    e->result.failed = false;
    e->result.traced = o->offsets;
    if (o->offsets && !e->result.ranges)
        e->result.capacity = 0;
    if (plain)
        fits = add_part(e, &sequences[0]) && (!pair || add_part(e, &sequences[1]));
    for (int i = 0; !plain && i < t->count && fits; i++)
        if (pair || t->parts[i].sequence < 1)
            fits = add_part(e, &t->parts[i]);
    return fits ? WEFT_OK : weft_fail(WEFT_ERROR_MEMORY, "memory is short for the tokens");
}

static weft_status encode(weft_encoding *e, bool pair, const char *const text[2], const size_t length[2],
                          const weft_encode_options *options)
{
    weft_encode_options o = options ? *options : (weft_encode_options){0};
    e->repairs = 0;
    e->result.count = 0;
    e->tokens[1].count = 0;
    weft_status status = encode_text(e, text[0], length[0], &o, &e->tokens[0]);
    if (status == WEFT_OK && pair)
        status = encode_text(e, text[1], length[1], &o, &e->tokens[1]);
    if (status == WEFT_OK)
        status = assemble(e, pair, &o);
    if (status != WEFT_OK)
        e->result.count = 0;
    return status;
}

weft_status weft_encode(weft_encoding *e, const char *text, size_t length, const weft_encode_options *options)
{
    return encode(e, false, (const char *const[]){text, ""}, (const size_t[]){length, 0}, options);
}

weft_status weft_encode_pair(weft_encoding *e, const char *first, size_t first_length, const char *second, size_t second_length,
                             const weft_encode_options *options)
{
    return encode(e, true, (const char *const[]){first, second}, (const size_t[]){first_length, second_length}, options);
}

size_t weft_encoding_count(const weft_encoding *e)
{
    return e->result.count;
}

const int64_t *weft_encoding_ids(const weft_encoding *e)
{
    return e->result.ids;
}

const int32_t *weft_encoding_types(const weft_encoding *e)
{
    return e->types;
}

void weft_encoding_range(const weft_encoding *e, size_t i, size_t *begin, size_t *end)
{
    bool known = i < e->result.count && e->result.traced;
    *begin = known ? e->result.ranges[i].from : 0;
    *end = known ? e->result.ranges[i].to : 0;
}

size_t weft_encoding_repaired(const weft_encoding *e)
{
    return e->repairs;
}

weft_status weft_round_trip(weft_encoding *e, const char *text, size_t length, bool *same)
{
    weft_text back = {0};
    weft_status status = weft_encode(e, text, length, NULL);
    if (status == WEFT_OK)
        status = weft_decode(e->tokenizer, weft_encoding_ids(e), weft_encoding_count(e), NULL, &back);
    *same = status == WEFT_OK && back.length == length && (length == 0 || memcmp(back.data, text, length) == 0);
    weft_text_free(&back);
    return status;
}
