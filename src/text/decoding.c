/* Ids to text, at once or token by token. */
#include "text/tokenizer.h"

#include <stdlib.h>

/* A window this long is let go even when its end is no whole character: more bytes than any character has. */
#define WINDOW_MOST  64
#define CONTEXT_MOST 8

typedef struct decode_work {
    weft_texts texts, spare;
} decode_work;

static void free_work(decode_work *w)
{
    weft_texts_free(&w->texts);
    weft_texts_free(&w->spare);
}

/* The text of ids in w->texts.bytes. *cut: bytes at its end that may still change. */
static weft_status decode(const weft_tokenizer *t, const int64_t *ids, size_t count, const weft_decode_options *o, bool growing,
                          decode_work *w, size_t *cut)
{
    bool joined = t->decoder.kind == WEFT_DECODER_SEQUENCE && t->decoder.step_count == 0;
    w->texts.count = 0;
    w->texts.bytes.length = 0;
    for (size_t i = 0; i < count; i++) {
        const char *token = weft_tokenizer_token(t, ids[i]);
        if (!token)
            return weft_fail(WEFT_ERROR_ARGUMENT, "%lld is no token; this tokenizer has %lld, from id 0", (long long)ids[i],
                             (long long)t->size);
        if (o->skip_special && weft_tokenizer_is_special(t, ids[i]))
            continue;
        if (joined && w->texts.count)
            weft_text_bytes(&w->texts.bytes, " ", 1);
        weft_text_bytes(&w->texts.bytes, token, strlen(token));
        weft_texts_end(&w->texts);
    }
    *cut = 0;
    if (w->texts.failed || w->texts.bytes.failed)
        return weft_fail(WEFT_ERROR_MEMORY, "memory is short for the text of %zu tokens", count);
    weft_status status = joined ? WEFT_OK : weft_decoder_run(&t->decoder, growing, &w->texts, &w->spare, cut);
    if (status == WEFT_OK && o->clean_up && w->texts.bytes.length) {
        weft_text clean = {0};
        weft_decoder_clean_up(w->texts.bytes.data, w->texts.bytes.length, &clean);
        weft_text_free(&w->texts.bytes);
        w->texts.bytes = clean;
        if (clean.failed)
            status = weft_fail(WEFT_ERROR_MEMORY, "memory is short for the text of %zu tokens", count);
    }
    return status;
}

weft_status weft_decode(const weft_tokenizer *t, const int64_t *ids, size_t count, const weft_decode_options *options,
                        weft_text *out)
{
    weft_decode_options o = options ? *options : (weft_decode_options){0};
    decode_work w = {0};
    size_t cut;
    weft_status status = decode(t, ids, count, &o, false, &w, &cut);
    if (status == WEFT_OK)
        weft_text_bytes(out, w.texts.bytes.data, w.texts.bytes.length);
    free_work(&w);
    return status == WEFT_OK && out->failed ? weft_fail(WEFT_ERROR_MEMORY, "memory is short") : status;
}

/* ---- token by token ---- */

/* A decoder's text for a token may depend on what stands before it (WordPiece's space, the first token's leading one), but not on
 * tokens far back. So the text is decoded over a window: `known` tokens whose text has been given out, for context, and those
 * behind them; what is new is what the longer text has more. */
struct weft_decoding {
    const weft_tokenizer *tokenizer;
    weft_decode_options options;
    int64_t window[WINDOW_MOST + 1];
    size_t count, known; /* tokens in the window; those that are only context */
    size_t given;        /* bytes of the window's text that were given out */
    decode_work work;
};

weft_status weft_decoding_new(const weft_tokenizer *t, const weft_decode_options *options, weft_decoding **out)
{
    weft_decoding *d = *out = calloc(1, sizeof *d);
    if (!d)
        return weft_fail(WEFT_ERROR_MEMORY, "memory is short");
    d->tokenizer = t;
    d->options = options ? *options : (weft_decode_options){0};
    return WEFT_OK;
}

void weft_decoding_free(weft_decoding *d)
{
    if (!d)
        return;
    free_work(&d->work);
    free(d);
}

/* The tokens behind the context become the context, the last of them at least. */
static weft_status slide(weft_decoding *d)
{
    size_t cut, keep = d->count - d->known;
    keep = keep < CONTEXT_MOST ? keep : CONTEXT_MOST;
    memmove(d->window, d->window + d->count - keep, keep * sizeof *d->window);
    d->count = d->known = keep;
    weft_status status = decode(d->tokenizer, d->window, d->count, &d->options, true, &d->work, &cut);
    d->given = d->work.texts.bytes.length;
    return status;
}

static weft_status give(weft_decoding *d, bool all, weft_text *out)
{
    size_t cut;
    weft_status status = decode(d->tokenizer, d->window, d->count, &d->options, true, &d->work, &cut);
    if (status != WEFT_OK)
        return status;
    const weft_text *text = &d->work.texts.bytes;
    for (size_t back = 1; d->options.clean_up && back <= 4 && back <= text->length; back++)
        if (text->data[text->length - back] == ' ') /* the next token may take the space away */
            cut = cut > back ? cut : back;
    size_t end = text->length - (all ? 0 : cut < text->length ? cut : text->length);
    if (end > d->given) {
        weft_text_bytes(out, text->data + d->given, end - d->given);
        d->given = end;
        if (out->failed)
            return weft_fail(WEFT_ERROR_MEMORY, "memory is short");
    }
    bool whole = cut == 0 && end > 0;
    return (whole && d->count > d->known && d->count > 4) || d->count >= WINDOW_MOST ? slide(d) : WEFT_OK;
}

weft_status weft_decoding_push(weft_decoding *d, int64_t id, weft_text *out)
{
    const char *token = weft_tokenizer_token(d->tokenizer, id);
    if (token && d->options.skip_special && weft_tokenizer_is_special(d->tokenizer, id))
        return WEFT_OK;
    d->window[d->count++] = id;
    weft_status status = give(d, false, out);
    if (status != WEFT_OK && !token)
        d->count--;
    return status;
}

weft_status weft_decoding_finish(weft_decoding *d, weft_text *out)
{
    weft_status status = d->count ? give(d, true, out) : WEFT_OK;
    d->count = d->known = d->given = 0;
    return status;
}
