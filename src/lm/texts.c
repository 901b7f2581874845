/* Texts between special tokens. What a post-processor puts around them is seen by what it does to a short text, so that a longer
 * one can lose tokens of its own and keep those around it. */
#include "lm/texts.h"

#include <stdlib.h>
#include <string.h>

static weft_status memory(void)
{
    return weft_fail(WEFT_ERROR_MEMORY, "texts: memory is short");
}

/* Where `part` [n] stands in ids [from, count); -1: nowhere. */
static int64_t find(const int64_t *ids, int64_t from, int64_t count, const int64_t *part, int64_t n)
{
    for (int64_t i = from; i + n <= count; i++)
        if (memcmp(ids + i, part, (size_t)n * sizeof *part) == 0)
            return i;
    return -1;
}

static void put(weft_lm_frame *f, int place, int64_t id, unsigned char type)
{
    f->ids[place][f->count[place]] = id;
    f->types[place][f->count[place]++] = type;
}

/* [CLS] A [SEP] B [SEP] where the tokenizer puts nothing around a text. */
static void plain_frame(const weft_tokenizer *t, bool pair, weft_lm_frame *f)
{
    int64_t begin = weft_tokenizer_special(t, WEFT_TOKEN_CLS), end = weft_tokenizer_special(t, WEFT_TOKEN_SEP);
    begin = begin >= 0 ? begin : weft_tokenizer_special(t, WEFT_TOKEN_BOS);
    end = end >= 0 ? end : weft_tokenizer_special(t, WEFT_TOKEN_EOS);
    if (begin >= 0)
        put(f, 0, begin, 0);
    for (int i = 1; end >= 0 && i <= 1 + pair; i++)
        put(f, i, end, (unsigned char)(i - 1));
    f->text_types[1] = 1;
}

/* The frame from ids [count] around `text` [n], which stands there once, in a pair twice. */
static weft_status split_frame(const weft_encoding *e, const int64_t *text, int64_t n, bool pair, weft_lm_frame *f)
{
    const int64_t *ids = weft_encoding_ids(e), count = (int64_t)weft_encoding_count(e);
    const int32_t *types = weft_encoding_types(e);
    int64_t first = find(ids, 0, count, text, n), second = pair && first >= 0 ? find(ids, first + n, count, text, n) : count;
    if (n == 0 || first < 0 || second < 0)
        return weft_fail(WEFT_ERROR_FORMAT, "the tokenizer's post-processor does not keep a text's tokens together");
    const int64_t ends[3][2] = {{0, first}, {first + n, second}, {pair ? second + n : count, count}};
    for (int p = 0; p < 3; p++) {
        if (ends[p][1] - ends[p][0] > WEFT_LM_FRAME_MOST)
            return weft_fail(WEFT_ERROR_UNSUPPORTED,
                             "the tokenizer puts %lld special tokens in one place, at most %d can be read",
                             (long long)(ends[p][1] - ends[p][0]), WEFT_LM_FRAME_MOST);
        for (int64_t i = ends[p][0]; i < ends[p][1]; i++)
            put(f, p, ids[i], (unsigned char)types[i]);
    }
    f->text_types[0] = (unsigned char)types[first];
    f->text_types[1] = pair ? (unsigned char)types[second] : 0;
    return WEFT_OK;
}

weft_status weft_lm_frame_find(const weft_tokenizer *t, const weft_lm_config *c, bool pair, weft_lm_frame *out)
{
    static const char probe[] = "a";
    *out = (weft_lm_frame){0};
    weft_encoding *e = NULL;
    int64_t *text = NULL, n = 0;
    weft_status status = weft_encoding_new(t, &e);
    if (status == WEFT_OK)
        status = weft_encode(e, probe, 1, &(weft_encode_options){.literal = true});
    if (status == WEFT_OK) {
        n = (int64_t)weft_encoding_count(e);
        if ((text = malloc(((size_t)n + 1) * sizeof *text)))
            memcpy(text, weft_encoding_ids(e), (size_t)n * sizeof *text);
        else
            status = memory();
    }
    const weft_encode_options around = {.add_special = true, .literal = true};
    if (status == WEFT_OK)
        status = pair ? weft_encode_pair(e, probe, 1, probe, 1, &around) : weft_encode(e, probe, 1, &around);
    if (status == WEFT_OK)
        status = split_frame(e, text, n, pair, out);
    if (status == WEFT_OK && c->family->encoder && out->count[0] + out->count[1] + out->count[2] == 0)
        plain_frame(t, pair, out);
    free(text);
    weft_encoding_free(e);
    return status;
}

void weft_lm_frame_share(int64_t most, int64_t n[2])
{
    const int shorter = n[0] > n[1];
    int64_t a = n[shorter], b = n[!shorter];
    if (a + b <= most)
        return;
    b = a > most - a ? a : most - a;
    if (a + b > most) {
        a = most / 2;
        b = most - a;
    }
    n[shorter] = a;
    n[!shorter] = b;
}

/* ---- Texts. ---- */

void weft_lm_texts_free(weft_lm_texts *t)
{
    free(t->ids);
    free(t->types);
    free(t->starts);
    *t = (weft_lm_texts){0};
}

/* Room for a text of n tokens. */
static weft_status grow(weft_lm_texts *t, int64_t n)
{
    if (t->count + n > t->capacity) {
        const int64_t capacity = 2 * t->capacity + n + 1024;
        int64_t *ids = realloc(t->ids, (size_t)capacity * sizeof *ids);
        t->ids = ids ? ids : t->ids;
        unsigned char *types = ids ? realloc(t->types, (size_t)capacity) : NULL;
        t->types = types ? types : t->types;
        if (!types)
            return memory();
        t->capacity = capacity;
    }
    if (t->texts + 1 >= t->text_capacity) {
        const int64_t capacity = 2 * t->text_capacity + 64;
        int64_t *starts = realloc(t->starts, (size_t)capacity * sizeof *starts);
        if (!starts)
            return memory();
        t->starts = starts;
        t->starts[t->texts] = t->count;
        t->text_capacity = capacity;
    }
    return WEFT_OK;
}

struct weft_lm_text_reader {
    weft_encoding *encoding;
    int64_t longest;
    weft_lm_frame frames[2]; /* of one text, of a pair */
    int64_t *parts[2];       /* tokens of the texts at hand */
    size_t room[2];
};

weft_status weft_lm_text_reader_new(const weft_tokenizer *t, const weft_lm_config *c, int64_t longest, weft_lm_text_reader **out)
{
    weft_lm_text_reader *r = *out = calloc(1, sizeof *r);
    if (!r)
        return memory();
    r->longest = longest;
    weft_status status = weft_encoding_new(t, &r->encoding);
    for (int pair = 0; pair < 2 && status == WEFT_OK; pair++)
        status = weft_lm_frame_find(t, c, pair != 0, &r->frames[pair]);
    if (status != WEFT_OK) {
        weft_lm_text_reader_free(r);
        *out = NULL;
    }
    return status;
}

void weft_lm_text_reader_free(weft_lm_text_reader *r)
{
    if (!r)
        return;
    weft_encoding_free(r->encoding);
    free(r->parts[0]);
    free(r->parts[1]);
    free(r);
}

static weft_status encode(weft_lm_text_reader *r, int which, const char *text, size_t length, int64_t *count, size_t *repaired)
{
    weft_status status = weft_encode(r->encoding, text, length, &(weft_encode_options){.literal = true});
    if (status != WEFT_OK)
        return status;
    const size_t n = weft_encoding_count(r->encoding);
    *repaired += weft_encoding_repaired(r->encoding);
    *count = (int64_t)n;
    if (n > r->room[which]) {
        int64_t *room = realloc(r->parts[which], n * sizeof *room);
        if (!room)
            return memory();
        r->parts[which] = room;
        r->room[which] = n;
    }
    if (n)
        memcpy(r->parts[which], weft_encoding_ids(r->encoding), n * sizeof *r->parts[which]);
    return WEFT_OK;
}

static void push(weft_lm_texts *t, const int64_t *ids, int64_t count, unsigned char type)
{
    for (int64_t i = 0; i < count; i++) {
        t->ids[t->count] = ids[i];
        t->types[t->count++] = type;
    }
}

static void push_frame(weft_lm_texts *t, const weft_lm_frame *f, int place)
{
    for (int i = 0; i < f->count[place]; i++)
        push(t, &f->ids[place][i], 1, f->types[place][i]);
}

weft_status weft_lm_text_reader_add(weft_lm_text_reader *r, const char *text, size_t length, const char *second,
                                    size_t second_length, weft_lm_texts *t, size_t *repaired)
{
    second = second_length ? second : NULL;
    const weft_lm_frame *f = &r->frames[second != NULL];
    const int64_t around = f->count[0] + f->count[1] + f->count[2], room = r->longest - around;
    int64_t n[2] = {0, 0};
    size_t broken = 0;
    if (room < 1)
        return weft_fail(WEFT_ERROR_ARGUMENT, "%lld tokens have no room for a text beside the %lld special ones around it",
                         (long long)r->longest, (long long)around);
    weft_status status = encode(r, 0, text, length, &n[0], &broken);
    if (status == WEFT_OK && second)
        status = encode(r, 1, second, second_length, &n[1], &broken);
    if (status != WEFT_OK)
        return status;
    if (n[0] + n[1] + around == 0)
        return weft_fail(WEFT_ERROR_FORMAT, "the text has no token");
    t->cut += n[0] + n[1] > room;
    weft_lm_frame_share(room, n);
    if ((status = grow(t, n[0] + n[1] + around)) != WEFT_OK)
        return status;
    push_frame(t, f, 0);
    push(t, r->parts[0], n[0], f->text_types[0]);
    push_frame(t, f, 1);
    push(t, r->parts[1], n[1], f->text_types[1]);
    push_frame(t, f, 2);
    t->starts[++t->texts] = t->count;
    if (repaired)
        *repaired = broken;
    return WEFT_OK;
}
