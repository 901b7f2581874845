/* The steps of decoders. */
#include "text/decoder.h"

#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "text/normalizer.h"
#include "text/regex.h"

void weft_decoder_step_free(weft_decoder_step *d)
{
    for (int i = 0; i < d->step_count; i++)
        weft_decoder_step_free(&d->steps[i]);
    free(d->steps);
    free(d->text);
    free(d->content);
    weft_regex_free(d->regex);
    *d = (weft_decoder_step){0};
}

void weft_texts_free(weft_texts *t)
{
    weft_text_free(&t->bytes);
    free(t->ends);
    *t = (weft_texts){0};
}

void weft_texts_end(weft_texts *t)
{
    if (t->count == t->room) {
        size_t room = 2 * t->room + 64;
        size_t *ends = realloc(t->ends, room * sizeof *ends);
        if (!ends) {
            t->failed = true;
            return;
        }
        t->ends = ends;
        t->room = room;
    }
    t->ends[t->count++] = t->bytes.length;
}

/* One text of a list. */
typedef struct part {
    const char *data;
    size_t length;
} part;

static part part_of(const weft_texts *t, size_t i)
{
    size_t begin = i ? t->ends[i - 1] : 0;
    return (part){t->bytes.data ? t->bytes.data + begin : "", t->ends[i] - begin};
}

static bool begins_with(part p, const char *text, size_t length)
{
    return p.length >= length && memcmp(p.data, text, length) == 0;
}

/* `text` with every `from` as `to`. */
static void replace_all(part p, const char *from, size_t from_length, const char *to, size_t to_length, weft_text *out)
{
    while (from_length) {
        const char *found = memmem(p.data, p.length, from, from_length);
        if (!found)
            break;
        weft_text_bytes(out, p.data, (size_t)(found - p.data));
        weft_text_bytes(out, to, to_length);
        p.length -= (size_t)(found - p.data) + from_length;
        p.data = found + from_length;
    }
    weft_text_bytes(out, p.data, p.length);
}

/* ---- the kinds ---- */

/* Letters of the alphabet become bytes; a token with another character stays as it is. The bytes of all tokens together are read
 * as UTF-8. */
static void byte_level(const weft_texts *in, weft_texts *out, size_t *cut)
{
    weft_text bytes = {0};
    for (size_t i = 0; i < in->count; i++) {
        part p = part_of(in, i);
        size_t before = bytes.length;
        bool letters = true;
        for (const char *c = p.data, *end = p.data + p.length; letters && c < end;) {
            int byte = weft_byte_of_letter(weft_utf8_next(&c));
            char one = (char)byte;
            letters = byte >= 0;
            weft_text_bytes(&bytes, &one, 1);
        }
        if (!letters) {
            bytes.length = before;
            weft_text_bytes(&bytes, p.data, p.length);
        }
    }
    if (bytes.length)
        weft_utf8_repair(bytes.data, bytes.length, &out->bytes);
    *cut = 0;
    for (size_t back = 1; back <= 3 && back <= bytes.length; back++)
        if (weft_utf8_at(bytes.data + bytes.length - back, bytes.data + bytes.length).cut &&
            ((unsigned char)bytes.data[bytes.length - back] & 0xC0) == 0xC0)
            *cut = 3; /* one U+FFFD */
    out->failed |= bytes.failed;
    weft_text_free(&bytes);
    weft_texts_end(out);
}

static void word_piece(const weft_decoder_step *d, const weft_texts *in, weft_texts *out)
{
    weft_text word = {0};
    for (size_t i = 0; i < in->count; i++) {
        part p = part_of(in, i);
        word.length = 0;
        if (i > 0 && begins_with(p, d->text, d->length)) {
            p.data += d->length;
            p.length -= d->length;
        } else if (i > 0) {
            weft_text_bytes(&word, " ", 1);
        }
        weft_text_bytes(&word, p.data, p.length);
        if (d->cleanup && word.length)
            weft_decoder_clean_up(word.data, word.length, &out->bytes);
        else
            weft_text_bytes(&out->bytes, word.data, word.length);
        weft_texts_end(out);
    }
    out->failed |= word.failed;
    weft_text_free(&word);
}

static void metaspace(const weft_decoder_step *d, const weft_texts *in, weft_texts *out)
{
    for (size_t i = 0; i < in->count; i++) {
        bool none = i == 0 && d->prepended; /* the first token's marks were not in the text */
        replace_all(part_of(in, i), d->text, d->length, " ", none ? 0 : 1, &out->bytes);
        weft_texts_end(out);
    }
}

/* The byte that "<0x4A>" stands for; -1 for other tokens. */
static int byte_token(part p)
{
    int byte = 0;
    if (p.length != 6 || memcmp(p.data, "<0x", 3) != 0 || p.data[5] != '>')
        return -1;
    for (int i = 3; i < 5; i++) {
        char c = p.data[i];
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                           : -1;
        if (digit < 0)
            return -1;
        byte = 16 * byte + digit;
    }
    return byte;
}

/* A run of byte tokens becomes one text; one that is not UTF-8 a U+FFFD a byte. Of a growing text only the bytes that are broken
 * become so, as what has been read stays. */
static void byte_fallback(const weft_texts *in, bool growing, weft_texts *out, size_t *cut)
{
    weft_text run = {0};
    *cut = 0;
    for (size_t i = 0; i < in->count;) {
        part p = part_of(in, i);
        int byte = byte_token(p);
        if (byte < 0) {
            weft_text_bytes(&out->bytes, p.data, p.length);
            weft_texts_end(out);
            i++;
            continue;
        }
        run.length = 0;
        for (; i < in->count && (byte = byte_token(part_of(in, i))) >= 0; i++) {
            char one = (char)byte;
            weft_text_bytes(&run, &one, 1);
        }
        if (run.failed)
            break;
        if (weft_utf8_is_valid(run.data, run.length)) {
            weft_text_bytes(&out->bytes, run.data, run.length);
            weft_texts_end(out);
            continue;
        }
        for (const char *at = run.data, *end = run.data + run.length; at < end;) {
            weft_utf8 c = growing ? weft_utf8_at(at, end) : (weft_utf8){.length = 1};
            if (c.valid)
                weft_text_bytes(&out->bytes, at, c.length);
            for (int k = 0; !c.valid && k < c.length; k++)
                weft_text_bytes(&out->bytes, "\xEF\xBF\xBD", 3);
            weft_texts_end(out);
            at += c.length;
            if (c.cut && at == end && i == in->count)
                *cut = 3 * (size_t)c.length; /* may still become whole */
        }
    }
    out->failed |= run.failed;
    weft_text_free(&run);
}

static void strip(const weft_decoder_step *d, const weft_texts *in, weft_texts *out)
{
    for (size_t i = 0; i < in->count; i++) {
        part p = part_of(in, i);
        for (int64_t k = 0; k < d->start && d->length && begins_with(p, d->text, d->length); k++) {
            p.data += d->length;
            p.length -= d->length;
        }
        for (int64_t k = 0;
             k < d->stop && d->length && p.length >= d->length && memcmp(p.data + p.length - d->length, d->text, d->length) == 0;
             k++)
            p.length -= d->length;
        weft_text_bytes(&out->bytes, p.data, p.length);
        weft_texts_end(out);
    }
}

static weft_status replace(const weft_decoder_step *d, const weft_texts *in, weft_texts *out)
{
    weft_regex_match *match = NULL;
    weft_status status = d->regex ? weft_regex_match_new(&match) : WEFT_OK;
    for (size_t i = 0; i < in->count && status == WEFT_OK; i++) {
        part p = part_of(in, i);
        size_t from = 0, begin, end;
        if (!d->regex) {
            replace_all(p, d->text, d->length, d->content, d->content_length, &out->bytes);
            weft_texts_end(out);
            continue;
        }
        for (size_t at = 0; at <= p.length;) {
            bool found;
            status = weft_regex_search(d->regex, match, p.data, p.length, at, &found, &begin, &end);
            if (status != WEFT_OK || !found)
                break;
            weft_text_bytes(&out->bytes, p.data + from, begin - from);
            weft_text_bytes(&out->bytes, d->content, d->content_length);
            from = end;
            at = end > begin ? end : end < p.length ? end + weft_utf8_at(p.data + end, p.data + p.length).length : end + 1;
        }
        weft_text_bytes(&out->bytes, p.data + from, p.length - from);
        weft_texts_end(out);
    }
    weft_regex_match_free(match);
    return status;
}

static void bpe(const weft_decoder_step *d, const weft_texts *in, weft_texts *out)
{
    for (size_t i = 0; i < in->count; i++) {
        replace_all(part_of(in, i), d->text, d->length, " ", i + 1 < in->count ? 1 : 0, &out->bytes);
        weft_texts_end(out);
    }
}

static weft_status run(const weft_decoder_step *d, bool growing, weft_texts *texts, weft_texts *spare, size_t *cut)
{
    weft_status status = WEFT_OK;
    if (d->kind == WEFT_DECODER_SEQUENCE) {
        for (int i = 0; i < d->step_count && status == WEFT_OK; i++)
            status = run(&d->steps[i], growing, texts, spare, cut);
        return status;
    }
    spare->bytes.length = 0;
    spare->count = 0;
    switch (d->kind) {
    case WEFT_DECODER_BYTE_LEVEL:
        byte_level(texts, spare, cut);
        break;
    case WEFT_DECODER_WORD_PIECE:
        word_piece(d, texts, spare);
        break;
    case WEFT_DECODER_METASPACE:
        metaspace(d, texts, spare);
        break;
    case WEFT_DECODER_BYTE_FALLBACK:
        byte_fallback(texts, growing, spare, cut);
        break;
    case WEFT_DECODER_FUSE:
        weft_text_bytes(&spare->bytes, texts->bytes.data, texts->bytes.length);
        weft_texts_end(spare);
        break;
    case WEFT_DECODER_STRIP:
        strip(d, texts, spare);
        break;
    case WEFT_DECODER_REPLACE:
        status = replace(d, texts, spare);
        break;
    case WEFT_DECODER_BPE:
        bpe(d, texts, spare);
        break;
    case WEFT_DECODER_SEQUENCE:
        break;
    }
    if (status == WEFT_OK && (spare->failed || spare->bytes.failed))
        status = weft_fail(WEFT_ERROR_MEMORY, "memory is short for the text of %zu tokens", texts->count);
    weft_texts swap = *texts;
    *texts = *spare;
    *spare = swap;
    return status;
}

weft_status weft_decoder_run(const weft_decoder_step *d, bool growing, weft_texts *texts, weft_texts *spare, size_t *cut)
{
    *cut = 0;
    return run(d, growing, texts, spare, cut);
}

void weft_decoder_clean_up(const char *text, size_t length, weft_text *out)
{
    static const char *const rules[][2] = {{" .", "."},     {" ?", "?"},   {" !", "!"},   {" ,", ","},     {" ' ", "'"},
                                           {" n't", "n't"}, {" 'm", "'m"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}};
    weft_text now = {0}, next = {0};
    weft_text_bytes(&now, text, length);
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        next.length = 0;
        replace_all((part){now.data, now.length}, rules[i][0], strlen(rules[i][0]), rules[i][1], strlen(rules[i][1]), &next);
        weft_text swap = now;
        now = next;
        next = swap;
    }
    weft_text_bytes(out, now.data, now.length);
    out->failed |= now.failed || next.failed;
    weft_text_free(&now);
    weft_text_free(&next);
}
